"""The journal's vocabulary: everything that can happen to an alarm, as facts in the past tense.

The state of every alarm and every delivery is a fold over these (``alarms.py``, ``delivery/outbox.py``). An event
is written once and never changed; ``at_us`` (wall) and ``seq`` stand in the journal's record around it. Fields
may be added with a default; none is ever removed or given another meaning.
"""

from dataclasses import dataclass, field

from gateway.model import Decision, Fix, Kind, Networks, Order, Trust

# ------------------------------------------------------------------------------------------- from a device


@dataclass(frozen=True, slots=True)
class FrameKept:
    """The raw bytes of a class A or B frame, journalled before anything else is done with them."""

    device: str = field(repr=False)
    "Registered device id, or the identity on the wire when it is not enrolled."
    protocol: str
    transport: str
    listener: str
    raw: bytes = field(repr=False)
    trust: Trust
    refused: str | None = None
    "The reason when the checksum was wrong and an alarm readable all the same."


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    """A new alarm. From here on nothing but a human ends it."""

    alarm_id: str
    device: str = field(repr=False)
    protocol: str
    transport: str
    kinds: Kind
    received_at_us: int
    event_at_us: int | None
    "The device's time after the rules of time; None when it gave none that can be used."
    device_time_us: int | None
    "As sent."
    time_quality: str
    "good, rollover, timezone, buffered, bad, none"
    trust: Trust
    press_key: str
    "What tells a copy of this press from another one: event serial, time or payload, hashed."
    case_ref: str | None = None
    case_state: str | None = None
    doubts: tuple[str, ...] = ()
    late: bool = False
    pending: bool = False
    "A pre-alarm: counts down and is raised when nobody cancels."
    test: bool = False
    simulated: bool = False
    fix: Fix | None = field(default=None, repr=False)
    fix_current: bool = False
    battery_percent: float | None = None
    text: str | None = field(default=None, repr=False)
    linked_to: str | None = None
    "The closed alarm of the same device that came before."
    networks: Networks | None = field(default=None, repr=False)
    "What the device saw, where it has no fix: for finding the place later."


@dataclass(frozen=True, slots=True)
class AlarmDurable:
    """The record of the alarm is covered by a sync of the disk."""

    alarm_id: str
    durable_at_us: int


@dataclass(frozen=True, slots=True)
class DeviceAnswered:
    """The device was given its answer: it knows that it was heard and may stop repeating."""

    alarm_id: str
    answered_at_us: int


@dataclass(frozen=True, slots=True)
class AlarmPressed:
    """The button again while the alarm is open (``copy`` False), or another copy of a press already known."""

    alarm_id: str
    transport: str
    kinds: Kind
    received_at_us: int
    trust: Trust
    press_key: str
    copy: bool
    doubts: tuple[str, ...] = ()
    simulated: bool = False
    event_at_us: int | None = None
    "The device's time, where it can be trusted."


@dataclass(frozen=True, slots=True)
class AlarmExpired:
    """A pre-alarm whose count-down ended, or whose device went silent: now a real alarm."""

    alarm_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class PreAlarmCancelled:
    """The device cancelled before the count-down ended; nobody was alerted."""

    alarm_id: str


@dataclass(frozen=True, slots=True)
class PositionReported:
    """A position of a device with an open alarm."""

    alarm_id: str
    fix: Fix = field(repr=False)
    received_at_us: int
    current: bool
    "True: newest by the rules of time and plausible; False: history."
    trust: Trust
    doubts: tuple[str, ...] = ()
    battery_percent: float | None = None


@dataclass(frozen=True, slots=True)
class NetworksReported:
    """A device with an open alarm has no fix; this is what it sees instead."""

    alarm_id: str
    networks: Networks = field(repr=False)


@dataclass(frozen=True, slots=True)
class CancelClaimed:
    """The device says that it is over. Information only: duress is possible."""

    alarm_id: str
    received_at_us: int


@dataclass(frozen=True, slots=True)
class FaultReported:
    """A technical kind from a device with an open alarm: battery, tamper, link."""

    alarm_id: str
    kinds: Kind
    battery_percent: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceSilent:
    """An alarm's device has not been heard for three live intervals."""

    alarm_id: str
    silent_s: int


@dataclass(frozen=True, slots=True)
class DeviceHeard:
    """The device of ``DeviceSilent`` is back."""

    alarm_id: str


# ----------------------------------------------------------------------------------------- from the gateway


@dataclass(frozen=True, slots=True)
class AlarmRouted:
    """Centre and unit are chosen (the unit may be none or pending). Again whenever the choice changes."""

    alarm_id: str
    decision: Decision
    reason: str
    "raised, moved, proposal, reassigned"


@dataclass(frozen=True, slots=True)
class AlertQueued:
    """An alert for one centre, its body frozen: every attempt sends these bytes."""

    alarm_id: str
    centre_id: str
    role: str
    "primary, backup, fallback, previous"
    seq: int
    event: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AlertOffered:
    """Bytes of an alert were given to a route."""

    alarm_id: str
    centre_id: str
    route_id: str
    seq: int
    attempt: int


@dataclass(frozen=True, slots=True)
class AlertAnswered:
    """What came of an attempt."""

    alarm_id: str
    centre_id: str
    route_id: str
    seq: int
    attempt: int
    level: int
    "0 failed for now, 3 stored, 4 taken by a human; -1 refused for good."
    reason: str
    took_ms: float = 0.0
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class AlarmEscalated:
    """Nobody has taken it yet, or nobody stored it: one step louder."""

    alarm_id: str
    level: int
    action: str
    "repeat, backup, fallback"
    reason: str


@dataclass(frozen=True, slots=True)
class FallbackSent:
    """The human fallback was given a text that a person can act on."""

    alarm_id: str
    channel: str
    ok: bool
    reason: str


@dataclass(frozen=True, slots=True)
class TrackingStopped:
    """Live tracking ended: its time is over or an operator stopped it."""

    alarm_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlarmClosed:
    """Resolved, tracked out and reported; nothing more happens to it."""

    alarm_id: str
    reason: str


# -------------------------------------------------------------------------------- from a human at the centre


@dataclass(frozen=True, slots=True)
class CentreTold:
    """A human or a centre's system told us: displayed, accepted, dispatched, arrived, rejected, note."""

    alarm_id: str
    centre_id: str
    level: str
    operator: str | None = None
    unit: str | None = None
    note: str | None = field(default=None, repr=False)
    message_id: str | None = None
    "webhook-id of the callback; a second one changes nothing."


@dataclass(frozen=True, slots=True)
class AlarmResolved:
    """An operator resolved it with an outcome code."""

    alarm_id: str
    outcome: str
    operator: str
    centre_id: str | None = None
    note: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AlarmReopened:
    """A supervisor reopened a resolved alarm."""

    alarm_id: str
    operator: str
    reason: str


@dataclass(frozen=True, slots=True)
class TestMarkedReal:
    """An operator turned a test into a real alarm. Never the other way round."""

    alarm_id: str
    operator: str


@dataclass(frozen=True, slots=True)
class TrackingExtended:
    """An operator wants to follow her for longer."""

    alarm_id: str
    operator: str
    seconds: int


@dataclass(frozen=True, slots=True)
class TestWindowOpened:
    """The case team expects a test press; the first one until ``until_us`` is a test."""

    device: str = field(repr=False)
    until_us: int
    actor: str


# ---------------------------------------------------------------------------------------- orders to a device


@dataclass(frozen=True, slots=True)
class OrderAsked:
    """A device is to be asked for something: by a person, or by the life of its alarm."""

    order_id: str
    device: str = field(repr=False)
    order: Order
    actor: str
    "Who asked; ``gateway`` for what the life of an alarm asks for."
    reason: str
    "raised, later, ended, accepted: the life of an alarm; asked: a person."
    expires_at_us: int
    alarm_id: str | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class OrderSent:
    """Written before the bytes leave: what a crash cuts off between the two is never sent again without saying so."""

    order_id: str
    device: str = field(repr=False)
    via: str
    "tcp, udp or sms"
    serial: int
    "By which the device's answer may name it."
    attempt: int
    "1; higher ones repeat bytes that the device may have had already."
    alarm_id: str | None = None


@dataclass(frozen=True, slots=True)
class OrderEnded:
    """What became of an order."""

    order_id: str
    device: str = field(repr=False)
    outcome: str
    "answered, refused, expired, replaced"
    reason: str
    answer: str | None = field(default=None, repr=False)
    "The device's own words, without places; never of a device that was asked where it is."
    alarm_id: str | None = None


@dataclass(frozen=True, slots=True)
class Viewed:
    """Somebody looked at a position or a case (access record)."""

    actor: str
    what: str
    why: str
    alarm_id: str | None = None


Event = (
    FrameKept
    | AlarmRaised
    | AlarmDurable
    | DeviceAnswered
    | AlarmPressed
    | AlarmExpired
    | PreAlarmCancelled
    | PositionReported
    | NetworksReported
    | CancelClaimed
    | FaultReported
    | DeviceSilent
    | DeviceHeard
    | AlarmRouted
    | AlertQueued
    | AlertOffered
    | AlertAnswered
    | AlarmEscalated
    | FallbackSent
    | TrackingStopped
    | AlarmClosed
    | CentreTold
    | AlarmResolved
    | AlarmReopened
    | TestMarkedReal
    | TrackingExtended
    | TestWindowOpened
    | OrderAsked
    | OrderSent
    | OrderEnded
    | Viewed
)
