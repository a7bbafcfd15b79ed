"""The nouns: what travels from a device to a centre, and the people and things it is about.

Units: WGS 84 degrees x 10^7 as ``int`` (``lat_e7``), latitude first; Unix UTC microseconds (``_at_us``).
``None`` means "not known" and nothing else. Private facts carry ``field(repr=False)``, so that no traceback
prints where somebody is.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, NewType, Protocol

AlarmId = NewType("AlarmId", str)
DeviceId = NewType("DeviceId", str)
CaseRef = NewType("CaseRef", str)
CentreId = NewType("CentreId", str)
UnitId = NewType("UnitId", str)


class Instant(NamedTuple):
    """Wall and monotonic time, read together."""

    wall_us: int
    mono_us: int


# ---------------------------------------------------------------------------------------------------- kinds


class Kind(enum.IntFlag):
    """What a report says. A set: one frame can say several things, and every one of them is kept."""

    SOS_BUTTON = 1 << 0
    SOS_APP = 1 << 64  # made by the app path alone: the compiled twins have 64 bits
    SOS_SMS = 1 << 1
    FALL = 1 << 2
    MAN_DOWN = 1 << 3
    INACTIVITY = 1 << 4
    DURESS = 1 << 5
    MEDICAL = 1 << 6
    FIRE = 1 << 7
    BLOW = 1 << 8
    STRAP_CUT = 1 << 9
    TIMER_EXPIRED = 1 << 10
    PROXIMITY = 1 << 11
    PRE_ALARM = 1 << 12
    TIMER_STARTED = 1 << 13
    TIMER_CANCELLED = 1 << 14
    BATTERY_LOW = 1 << 15
    BATTERY_CRITICAL = 1 << 16
    POWER_OFF = 1 << 17
    POWER_CUT = 1 << 18
    LINK_LOST = 1 << 19
    COMMS_LOST = 1 << 20
    GNSS_LOST = 1 << 21
    SIM_CHANGED = 1 << 22
    TAMPER_CASE = 1 << 23
    GEOFENCE_ENTER = 1 << 24
    GEOFENCE_EXIT = 1 << 25
    OVERSPEED = 1 << 26
    VIBRATION = 1 << 27
    RESTORED = 1 << 28
    TEST_PRESS = 1 << 29
    TEST_AUTO = 1 << 30
    LOGIN = 1 << 31
    HEARTBEAT = 1 << 32
    POSITION = 1 << 33
    CANCEL_CLAIM = 1 << 34
    DEVICE_ACK = 1 << 35
    CONFIG_REPLY = 1 << 36
    POWER_ON = 1 << 37
    POWER_LOW = 1 << 38
    POWER_RESTORED = 1 << 39
    LOWSPEED = 1 << 40
    MOVEMENT = 1 << 41
    TOW = 1 << 42
    ACCIDENT = 1 << 43
    JAMMING = 1 << 44
    HARSH_ACCEL = 1 << 45
    HARSH_BRAKE = 1 << 46
    HARSH_CORNER = 1 << 47
    DOOR = 1 << 48
    FUEL = 1 << 49
    TEMPERATURE = 1 << 50
    IDLE = 1 << 51
    FAULT = 1 << 52
    GEOFENCE = 1 << 53
    LANE_CHANGE = 1 << 54
    FATIGUE = 1 << 55
    GPS_ANTENNA = 1 << 56
    LOCK = 1 << 57
    UNLOCK = 1 << 58
    BONNET = 1 << 59
    FOOT_BRAKE = 1 << 60
    PARKING = 1 << 61
    GENERAL = 1 << 62
    UNKNOWN_ALARM = 1 << 63


KINDS = tuple(Kind.__members__.values())
"Every kind in the order in which interfaces list them."

NO_KIND = Kind(0)
LIFE = (
    Kind.SOS_BUTTON | Kind.SOS_APP | Kind.SOS_SMS | Kind.FALL | Kind.MAN_DOWN | Kind.INACTIVITY | Kind.DURESS | Kind.MEDICAL
    | Kind.FIRE | Kind.BLOW | Kind.STRAP_CUT | Kind.TIMER_EXPIRED | Kind.PROXIMITY | Kind.UNKNOWN_ALARM | Kind.GENERAL
)  # fmt: skip
"Kinds that go to an emergency centre. GENERAL: the protocol marks an alarm and does not say which."
PRE = Kind.PRE_ALARM | Kind.TIMER_STARTED | Kind.TIMER_CANCELLED
TEST = Kind.TEST_PRESS | Kind.TEST_AUTO
INFO = Kind.LOGIN | Kind.HEARTBEAT | Kind.POSITION | Kind.CANCEL_CLAIM | Kind.DEVICE_ACK | Kind.CONFIG_REPLY
TECH = Kind(sum(KINDS)) & ~(LIFE | PRE | TEST | INFO)


_KIND_NAMES = tuple((int(kind), kind.name.lower()) for kind in KINDS if kind.name)


def kind_names(kinds: Kind) -> list[str]:
    """Lower-case names as they stand on every interface, in table order."""
    bits = int(kinds)  # Of plain numbers: the flags' own operators would cost 0.1 ms an alert.
    return [name for bit, name in _KIND_NAMES if bit & bits]


class Urgency(enum.StrEnum):
    """The class of a frame (``A`` is never shed and never waits behind another)."""

    A = "A"
    "An alarm, the cancelling of one, or an alarm field that we cannot read."
    B = "B"
    "A position of a device that has an open alarm; only the desk can know that."
    C = "C"
    "A position or status of a device without an open alarm."
    D = "D"
    "Heartbeat, login, keep-alive."
    E = "E"
    "From an unknown identity, or refused."


_CLASS_A = LIFE | PRE | TEST | Kind.CANCEL_CLAIM | Kind.TAMPER_CASE
_CLASS_D = Kind.LOGIN | Kind.HEARTBEAT | Kind.DEVICE_ACK | Kind.CONFIG_REPLY


def urgency_of(kinds: Kind) -> Urgency:
    """The class that a frame with these kinds has by itself, without knowing of open alarms."""
    if kinds & _CLASS_A:
        return Urgency.A
    if kinds & ~_CLASS_D:
        return Urgency.C
    return Urgency.D


# ---------------------------------------------------------------------------------- what a device tells us


@dataclass(frozen=True, slots=True)
class Fix:
    """A position as its source gave it."""

    lat_e7: int = field(repr=False)
    lon_e7: int = field(repr=False)
    at_us: int | None = None
    "When the position was taken, by the device's clock."
    valid: bool = True
    "False: the device itself says that this is the last known place, not a fix."
    source: str = "gnss"
    "gnss, wifi, cell, network, app, unit; mock: made up by another program on the telephone; radio: too old or too vague to send a unit by"
    accuracy_m: float | None = None
    altitude_m: float | None = field(default=None, repr=False)
    speed_kmh: float | None = None
    course_deg: float | None = None
    satellites: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A radio cell that the device sees."""

    mcc: int
    mnc: int
    lac: int
    cid: int = field(repr=False)
    rssi_dbm: int | None = None


@dataclass(frozen=True, slots=True)
class Wifi:
    """An access point that the device sees."""

    mac: str = field(repr=False)
    "aa:bb:cc:dd:ee:ff"
    rssi_dbm: int | None = None


@dataclass(frozen=True, slots=True)
class Networks:
    """What a device saw when it had no fix: as good as a position, once somebody looks it up."""

    cells: tuple[Cell, ...] = field(repr=False)
    wifi: tuple[Wifi, ...] = field(repr=False)
    received_at_us: int


@dataclass(frozen=True, slots=True)
class Report:
    """What one record of a frame says, in our units. ``kinds`` is a set."""

    kinds: Kind = NO_KIND
    fix: Fix | None = None
    event_at_us: int | None = None
    sequence: int | None = None
    "Serial number that the protocol itself gives, for telling copies from new presses."
    battery_percent: float | None = None
    battery_v: float | None = None
    power_v: float | None = None
    charging: bool | None = None
    stored: bool = False
    "The device marks it as buffered: an old record sent late."
    standing: bool = False
    """The alarm stands in a routine record, without an event of its own: still set rather than pressed again.

    It is a press when the switch was not set before (see ``presses.Switches``), and no repeated one as long as it stays set."""
    cells: tuple[Cell, ...] = ()
    wifi: tuple[Wifi, ...] = ()
    text: str | None = field(default=None, repr=False)
    unread: tuple[str, ...] = ()
    "What the frame holds and this decoder does not interpret."
    firmware: str | None = None
    "Version of the device's own program, as it names it."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a frame was not believed. ``reason`` is a name of ``errors.Reason`` in lower case."""

    reason: str
    offset: int
    detail: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One device message, delimited and decoded.

    ``reports`` is in wire order; empty when the message says nothing of ours. A refused frame has ``refused``
    and perhaps ``unverified``: an alarm readable in spite of a wrong checksum, which is raised with a doubt and
    not answered. Without one it may have a ``reply``, where the protocol has a word for "I cannot use this".
    """

    protocol: str
    transport: str
    raw: bytes = field(repr=False)
    device: str | None = field(default=None, repr=False)
    reports: tuple[Report, ...] = ()
    reply: bytes | None = field(default=None, repr=False)
    "What the protocol wants back, to be sent only after the frame is accepted."
    refused: Refusal | None = None
    unverified: Report | None = None
    farewell: bytes | None = field(default=None, repr=False)
    "What the protocol says before it hangs up on a sender that is not enrolled or not believed; None: nothing, which is the rule."

    @property
    def kinds(self) -> Kind:
        """Everything that any record says."""
        kinds = NO_KIND
        for report in self.reports:
            kinds |= report.kinds
        return kinds

    @property
    def urgency(self) -> Urgency:
        """The class by content alone; class B exists only for the desk."""
        if self.refused:
            return Urgency.A if self.unverified else Urgency.E
        return urgency_of(self.kinds)


class Trust(enum.IntEnum):
    """How sure we are who sent a frame (tiers T0 to T5). Written as ``T3`` on every interface."""

    T0 = 0
    "Identity unknown."
    T1 = 1
    "Identity known, sent from anywhere."
    T2 = 2
    "T1 and through the carrier's own network."
    T3 = 3
    "T2 and the carrier asserts the SIM."
    T4 = 4
    "A secret of the device is in the frame, valid and fresh."
    T5 = 5
    "A client certificate, a pre-shared key or an app token bound to hardware."


@dataclass(frozen=True, slots=True)
class Link:
    """Where a frame came in: one TCP connection, one UDP source, one SMS bridge, one HTTP caller."""

    link_id: int
    "Unique in this process; never reused."
    listener: str
    "The configured listener, such as ``tcp 127.0.0.1:5023``."
    transport: str
    "tcp, udp, sms or http"
    peer: str = field(repr=False)
    "Address or sending number."
    trust: Trust = Trust.T1
    "What the listener's group vouches for."
    simulated: bool = False
    "The listener belongs to a simulation: nothing from it may reach a real centre."


# ------------------------------------------------------------------------------ the facts that people enter


@dataclass(frozen=True, slots=True)
class Device:
    """An alarm button, a tracker, an app, or the tracker of a police unit."""

    device_id: DeviceId
    identifiers: tuple[str, ...] = field(default=(), repr=False)
    "What the device calls itself on the wire: IMEI, account, sending number (``+32…``), ISSI."
    protocol: str | None = None
    model: str | None = None
    config: str | None = None
    "Variant of the protocol that this device was set up with, where the frames do not say."
    case_ref: CaseRef | None = None
    unit_id: UnitId | None = None
    "Set when this device is the tracker of a unit: its positions move the unit. Its SOS is an alarm like any other."
    state: str = "active"
    "provisioned, active, suspended, retired. An alarm passes in every state."
    interval_s: int = 1800
    "How often it promises to be heard; late at 1.5 times, lost at 3 times."
    trust_max: Trust = Trust.T5
    app_key_hex: str | None = field(default=None, repr=False)
    "Secret of the app path (HMAC)."
    key_hex: str | None = field(default=None, repr=False)
    "Key of a protocol that encrypts its frames."
    clock_offset_s: int | None = None
    "Local time zone of a device that does not send UTC."
    simulated: bool = False
    bound_at_us: int | None = None
    "When it was given to its case; frames older than that never show up in it."


@dataclass(frozen=True, slots=True)
class Case:
    """The granted protection of one person; we know only its reference. No names."""

    case_ref: CaseRef
    state: str = "ACTIVE"
    "REQUESTED, GRANTED, PROVISIONED, ACTIVE, SUSPENDED, ENDED"
    zone: str | None = None
    risk: str | None = None
    "standard or high"
    instructions: str | None = field(default=None, repr=False)
    centre_refs: tuple[tuple[str, str], ...] = ()
    "What each centre calls the file: (centre id, reference)."


@dataclass(frozen=True, slots=True)
class Unit:
    """A car or team that can be sent."""

    unit_id: UnitId
    status: str = "available"
    "available, busy, off"
    zone: str | None = None
    capabilities: tuple[str, ...] = ()
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class User:
    """A person or program that may use the API. Roles: ``domain`` section 7."""

    user_id: str
    role: str
    "operator, supervisor, case_team, carrier, unit, operations, auditor, admin"
    secret_hash: str = field(repr=False)
    "argon2id of the password, or sha256 hex of a token (prefix ``sha256:``)."
    centre_id: CentreId | None = None
    zone: str | None = None
    active: bool = True


# ---------------------------------------------------------------------------------------------- the decision


@dataclass(frozen=True, slots=True)
class UnitPosition:
    """Where a unit was last heard."""

    unit_id: UnitId
    lat_e7: int
    lon_e7: int
    at: Instant
    "When we received it, less how old it was by then."
    course_deg: float | None = None
    speed_kmh: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that can be there, and when."""

    unit_id: UnitId
    travel_s: float
    distance_m: float
    position_age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Skipped:
    """A unit that was not considered, and why."""

    unit_id: UnitId
    reason: str
    "position_old, position_unknown, busy, off, unreachable, off_map"


@dataclass(frozen=True, slots=True)
class Proposal:
    """The unit that can be there first, or the reason why none is named."""

    status: str
    "proposed, none, pending"
    reason: str
    basis: str | None = None
    "road or straight_line"
    data_version: str | None = None
    candidates: tuple[Candidate, ...] = ()
    "Quickest first; the first one is the proposal, the others are the alternatives."
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True, slots=True)
class Area:
    """Which centre answers for a position, and how that was found."""

    centre_id: CentreId
    basis: str
    "polygon, nearest, device, fallback"
    backup_id: CentreId | None = None
    overlap: tuple[CentreId, ...] = ()
    "Other centres whose areas hold the same point."


@dataclass(frozen=True, slots=True)
class Decision:
    """Which centre, which unit, why."""

    area: Area
    proposal: Proposal
    decided_at_us: int = 0


# ------------------------------------------------------------------------------------------------- the alarm


class State(enum.StrEnum):
    """The life of an alarm; which event leads where stands as a table in ``life.py``."""

    PENDING = "PENDING"
    "A pre-alarm that counts down."
    RAISED = "RAISED"
    "Durable."
    ROUTED = "ROUTED"
    "Centre and unit chosen; the unit may be none."
    OFFERED = "OFFERED"
    "Bytes given to a channel."
    DELIVERED = "DELIVERED"
    "The centre's system accepted."
    ACKED = "ACKED"
    "A human took it."
    DISPATCHED = "DISPATCHED"
    ON_SCENE = "ON_SCENE"
    RESOLVED = "RESOLVED"
    "An operator gave the outcome."
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"
    "A pre-alarm that was cancelled in time."


OUTCOMES = (
    "REAL_INTERVENTION", "REAL_ARREST", "REAL_OFFENDER_GONE", "REAL_OTHER_HELP", "PRECAUTION", "TEST", "ACCIDENTAL",
    "TECHNICAL", "THIRD_PARTY", "UNKNOWN",
)  # fmt: skip
"How an alarm can be resolved."

ENDED = frozenset({State.CLOSED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Seen:
    """A position of an alarm, with the time we received it."""

    fix: Fix = field(repr=False)
    received_at_us: int
    current: bool = True
    trust: Trust = Trust.T1


@dataclass(frozen=True, slots=True)
class Alarm:
    """One incident, as the fold over its events left it."""

    alarm_id: str
    device_id: str = field(repr=False)
    protocol: str
    transport: str
    state: State
    kinds: Kind
    received_at_us: int
    event_at_us: int | None = None
    case_ref: str | None = None
    case_state: str | None = None
    test: bool = False
    simulated: bool = False
    late: bool = False
    repeat_count: int = 0
    cancel_claimed: bool = False
    escalation: int = 0
    device_silent: bool = False
    trust: Trust = Trust.T1
    "The best tier seen."
    trust_worst: Trust = Trust.T1
    doubts: tuple[str, ...] = ()
    position: Seen | None = field(default=None, repr=False)
    "The newest one that is current; shown with its age."
    last_known: Seen | None = field(default=None, repr=False)
    "What is known when no current one is."
    track: tuple[Seen, ...] = field(default=(), repr=False)
    "Newest last; at most TRACK_KEPT."
    networks: Networks | None = field(default=None, repr=False)
    "Cells and access points of the newest report without a fix."
    tracking: str = "ON"
    "ON, STALE, OFF"
    battery_percent: float | None = None
    faults: Kind = NO_KIND
    decision: Decision | None = None
    offered_to: tuple[str, ...] = ()
    "Centres that were given it, in order."
    taken_by: str | None = None
    "Operator, as the centre names them."
    taken_centre: str | None = None
    unit_assigned: str | None = None
    outcome: str | None = None
    text: str | None = field(default=None, repr=False)
    linked_to: str | None = None
    last_press_at_us: int = 0
    durable_at_us: int | None = None
    "When the disk had it; an alert that left before then does not know it yet."

    @property
    def is_open(self) -> bool:
        """Not ended: its device's positions are followed and kept."""
        return self.state not in ENDED


TRACK_KEPT = 240
"Positions an alarm keeps at hand (two hours at one per 30 s); the journal has them all."


# ---------------------------------------------------------------------------------- what we ask of a device


class OrderKind(enum.StrEnum):
    """What a device can be asked to do."""

    LOCATE = "locate"
    "Send your position now."
    INTERVAL = "interval"
    "Report every so many seconds."
    SERVER = "server"
    "Report to this address from now on."
    CONFIRM = "confirm"
    "The centre has the alarm: stop repeating it."
    TEXT = "text"
    "The operator's own words in the device's own command language."


@dataclass(frozen=True, slots=True)
class Order:
    """What we ask one device to do."""

    kind: OrderKind
    seconds: int | None = None
    "Of INTERVAL: between two reports."
    lasts_s: int | None = None
    "Of INTERVAL: how long it is wanted, for devices that go back by themselves; 0: it is over, ``seconds`` is the normal one."
    host: str | None = field(default=None, repr=False)
    "Of SERVER: name or address."
    port: int | None = None
    "Of SERVER."
    text: str | None = field(default=None, repr=False)
    "Of TEXT."
    kinds: Kind = NO_KIND
    "Of CONFIRM: what the device said."


class OrderAnswer(NamedTuple):
    """What a device said to an order."""

    is_done: bool
    "False: it says that it will not, or cannot."
    text: str | None = None
    "Its own words."


class Facts(Protocol):
    """What people entered, as the core may ask for it: synchronous, in memory, never out of reach."""

    def device(self, device_id: str) -> Device | None:
        """The device with our id."""

    def device_named(self, identifier: str) -> Device | None:
        """The device that calls itself this on the wire (IMEI, account, number)."""

    def case(self, case_ref: str) -> Case | None:
        """The case with this reference."""

    def unit(self, unit_id: str) -> Unit | None:
        """The unit with this call sign."""

    def units(self) -> Iterable[Unit]:
        """Every unit."""

    def devices(self) -> Iterable[Device]:
        """Every device."""
