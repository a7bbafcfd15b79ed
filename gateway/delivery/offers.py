"""What the outbox and the shell hand each other: an offer to a centre, and what came of it."""

from dataclasses import dataclass, field

from gateway.events import AlertOffered

FAILED, STORED, TAKEN, REFUSED = 0, 3, 4, -1
"Levels of an answer. FAILED may be tried again; STORED: the centre's system has it; TAKEN: a human has it; REFUSED: never again these bytes."


@dataclass(frozen=True, slots=True)
class Offer:
    """One attempt to give one alert to one route. The same ``message_id`` and ``body`` at every attempt."""

    alarm_id: str
    centre_id: str
    route_id: str
    seq: int
    attempt: int
    event: str
    simulated: bool
    body: bytes = field(repr=False)

    @property
    def message_id(self) -> str:
        """The id by which a centre tells a repetition from something new, on every route."""
        return f"{self.alarm_id}-{self.seq}"

    @property
    def record(self) -> AlertOffered:
        """The event to journal when the bytes are given to the route."""
        return AlertOffered(self.alarm_id, self.centre_id, self.route_id, self.seq, self.attempt)


@dataclass(frozen=True, slots=True)
class Told:
    """What a human at the centre said in the answer itself."""

    level: str
    "displayed, accepted or rejected"
    operator: str | None = None
    note: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an offer."""

    level: int
    reason: str
    "A code that dashboards count: stored, silent, refused_400, html, redirect …"
    took_ms: float = 0.0
    retry_after_s: float | None = None
    told: Told | None = None
    route_gone: bool = False
    "The centre disabled this address (410)."
