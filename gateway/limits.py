"""How many frames one identity may cost the others: a generic cell rate per device and class.

Class A is not limited for what changes something; only its copies are, and those are still acknowledged.
"""

from dataclasses import dataclass

from gateway.model import Urgency


@dataclass(frozen=True, slots=True)
class Rate:
    """One frame per ``period_us`` on average, ``burst`` at once."""

    period_us: int
    burst: int

    @property
    def tolerance_us(self) -> int:
        """How far ahead of its average a sender may run."""
        return self.period_us * (self.burst - 1)


RATES = {
    Urgency.D: Rate(10_000_000, 5),
    Urgency.C: Rate(1_000_000, 20),
    Urgency.B: Rate(500_000, 60),
    Urgency.A: Rate(200_000, 50),
}
"Per device. A: copies of a press only."
UNKNOWN_RATE = Rate(5_000, 200)
"All unknown identities of one listener together: no state per sender that nobody vouches for."


def conforms(arrival_us: int, due_us: int, rate: Rate) -> tuple[bool, int]:
    """GCRA: may this arrival pass, and when is the next one theoretically due?"""
    if arrival_us < due_us - rate.tolerance_us:
        return False, due_us
    return True, max(arrival_us, due_us) + rate.period_us


class Limits:
    """One integer per device and class; only enrolled devices get here, so it is bounded by the registry."""

    def __init__(self) -> None:
        self._due_us: dict[tuple[str, Urgency], int] = {}

    def allow(self, device_id: str, urgency: Urgency, now_us: int) -> bool:
        """Whether a frame of this class may pass now (monotonic); counts it when it does."""
        rate = RATES.get(urgency)
        if rate is None:
            return True
        allowed, due_us = conforms(now_us, self._due_us.get((device_id, urgency), 0), rate)
        self._due_us[device_id, urgency] = due_us
        return allowed


class SharedLimit:
    """One bucket for everybody who is unknown on one listener."""

    def __init__(self, rate: Rate = UNKNOWN_RATE) -> None:
        self._rate = rate
        self._due_us = 0

    def allow(self, now_us: int) -> bool:
        """Whether one more may pass now (monotonic)."""
        allowed, self._due_us = conforms(now_us, self._due_us, self._rate)
        return allowed
