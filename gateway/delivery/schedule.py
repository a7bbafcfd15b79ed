"""When an alert is tried again, and when more people are told. Monotonic time only (R-50).

Two tables say everything: ``Attempts`` is when the same bytes go out again on one route, ``Watch`` is when an alarm
that nobody stored, or nobody took, becomes louder.
"""

from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple, Protocol

from gateway.delivery.options import OutboxOptions

RETRY_AFTER_S_MAX = 5.0
"A centre may ask for so much patience with an alarm and no more (centres/webhook.md section 3)."
HISTORY_S = tuple(accumulate((0.0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)))
"When an alert of a closed alarm is tried: the schedule of Standard Webhooks for what is not urgent, 75 h in all."


class Dice(Protocol):
    """Where jitter comes from; ``random.Random`` is one."""

    def random(self) -> float:
        """At least 0, less than 1."""


def us(seconds: float) -> int:
    """Seconds as whole microseconds."""
    return round(seconds * 1_000_000)


@dataclass(frozen=True, slots=True)
class Attempts:
    """When one letter goes out on one route, counted from its first attempt there."""

    at_s: tuple[float, ...]
    repeat_s: float | None
    "After the table: again every so often; None: given up."
    jitter_share: float

    def next_us(self, step: int, first_us: int, last_us: int, now_us: int, dice: Dice) -> tuple[int, int] | None:
        """The step and time of the attempt after ``step``, which began at ``last_us`` and has failed by now.

        A step whose time passed while the last attempt was under way is skipped: a centre that needs three
        seconds to fail is not asked four times for it. None: there is no further attempt.
        """
        sway = self.jitter_share * (2 * dice.random() - 1)
        for following in range(step + 1, len(self.at_s)):
            wait_s = self.at_s[following] - self.at_s[following - 1]
            at_us = first_us + us(self.at_s[following] + wait_s * sway)
            if at_us >= now_us:
                return following, at_us
        if self.repeat_s is None:
            return None
        return len(self.at_s), max(now_us, last_us + us(self.repeat_s * (1 + sway)))


def attempts_for(options: OutboxOptions, ended: bool) -> Attempts:
    """The table for an open alarm, or for the last word about one that has ended."""
    if ended:
        return Attempts(HISTORY_S, None, options.jitter_share)
    return Attempts(options.attempts_s, options.repeat_s, options.jitter_share)


REPEAT, BACKUP, FALLBACK = "repeat", "backup", "fallback"
LEVELS = {REPEAT: 1, BACKUP: 2, FALLBACK: 3}
"How loud each action is."


class Step(NamedTuple):
    """Something becomes louder because ``clock`` has run for so long."""

    clock: str
    action: str
    wait: str
    "Option that says how long."
    again: str | None
    "Option that says how often after the first time; None: once."


UNSTORED, UNTAKEN = "not stored", "not taken"
STEPS = (
    Step(UNSTORED, BACKUP, "backup_centre_s", None),
    Step(UNSTORED, FALLBACK, "human_fallback_s", "fallback_repeat_s"),
    Step(UNTAKEN, REPEAT, "repeat_until_taken_s", "repeat_until_taken_s"),
    Step(UNTAKEN, BACKUP, "escalation_2_s", None),
    Step(UNTAKEN, FALLBACK, "escalation_3_s", "fallback_repeat_s"),
)
"UNSTORED runs until a centre's system has the alarm, then UNTAKEN until a human has it."


@dataclass(slots=True)
class Watch:
    """What becomes due while nobody has taken an alarm. Silent once somebody has."""

    options: OutboxOptions
    due: dict[Step, int] = field(default_factory=dict)
    urgent: dict[str, str] = field(default_factory=dict)
    "Actions that something made due at once, with the reason."
    urgent_us: int = 0
    stored: bool = False
    "Some centre has it."

    def begin(self, now_us: int) -> None:
        """The centre that answers for the alarm is being told: it shall store that soon."""
        for step in STEPS:
            if step.clock == UNSTORED and step not in self.due and not (step.action == FALLBACK and self.stored):
                self.due[step] = now_us + self._wait_us(step.wait)

    def store(self, now_us: int, by_primary: bool) -> None:
        """A centre has stored it: now a human shall take it."""
        for step in [step for step in self.due if step.clock == UNSTORED and (by_primary or step.action == FALLBACK)]:
            del self.due[step]
        if not self.stored:
            self.stored = True
            self.due |= {step: now_us + self._wait_us(step.wait) for step in STEPS if step.clock == UNTAKEN}

    def pull(self, action: str, now_us: int, reason: str) -> None:
        """Something happened that makes this action due at once."""
        self.urgent.setdefault(action, reason)
        self.urgent_us = now_us

    def fallback_failed(self, now_us: int) -> None:
        """The text did not leave: soon again."""
        for step, at_us in self.due.items():
            if step.action == FALLBACK:
                self.due[step] = min(at_us, now_us + self._wait_us("repeat_until_taken_s"))

    def clear(self) -> None:
        """A human has it, or it is over."""
        self.due.clear()
        self.urgent.clear()

    @property
    def next_us(self) -> int | None:
        """When the next action is due."""
        return self.urgent_us if self.urgent else min(self.due.values(), default=None)

    def fire(self, now_us: int) -> dict[str, str]:
        """The actions that are due, quietest first, with their reasons; each is set for its next time."""
        fired, self.urgent = self.urgent, {}
        for step, at_us in list(self.due.items()):
            if at_us > now_us:
                continue
            fired.setdefault(step.action, f"{step.clock} for {self._wait_us(step.wait) / 1e6:g} s")
            if step.again is None:
                del self.due[step]
            else:
                # Without drift while we keep up; without a volley after a pause.
                next_us = at_us + self._wait_us(step.again)
                self.due[step] = next_us if next_us > now_us else now_us + self._wait_us(step.again)
        for step, at_us in self.due.items():
            if FALLBACK in fired and step.action == FALLBACK and step.clock == UNSTORED:
                self.due[step] = max(at_us, now_us + self._wait_us("fallback_repeat_s"))
        return {action: fired[action] for action in LEVELS if action in fired}

    def _wait_us(self, option: str) -> int:
        seconds = getattr(self.options, option)
        assert isinstance(seconds, float | int)
        return us(seconds)
