"""The shapes of bodies: what is taken (checked strictly) and what is given (checked in the tests, printed in OpenAPI).

Shapes made by people's programs refuse unknown fields, so that a typing error is told and not ignored. Shapes
that a centre or a device sends tolerate them: an extra field must never cost an acknowledgement.
"""

import re
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.api.problems import Refused
from gateway.model import OUTCOMES

T = TypeVar("T")
Json = dict[str, object]

Lat = Annotated[float, Meta(ge=-90, le=90, description="WGS 84 degrees")]
Lon = Annotated[float, Meta(ge=-180, le=180, description="WGS 84 degrees")]
Id = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=2000)]
Reason = Annotated[str, Meta(min_length=1, max_length=2000, description="Why; stands in the record.")]
Time = Annotated[str, Meta(description="RFC 3339, UTC")]

DEPTH_MAX = 32
"Nesting of JSON that is read at all."


class Given(Struct, forbid_unknown_fields=True, kw_only=True):
    """A body that our own programs and pages send."""


# ------------------------------------------------------------------------------------------------- what is taken


class Press(Struct, kw_only=True):
    """A press of the app. What is missing or cannot be read never costs the alarm."""

    id: Annotated[str, Meta(max_length=128, description="The press, unique per device; the same id again is the same press.")] | None = None
    kind: Annotated[str, Meta(description="A kind of the contract's section 3; default sos_app.")] | None = None
    at: Time | None = None
    position: Json | None = None
    battery_percent: Annotated[float, Meta(ge=0, le=100)] | None = None


class Told(Struct, kw_only=True):
    """What a centre, or an operator at the console, says about an alarm."""

    level: Literal["displayed", "accepted", "dispatched", "arrived", "closed", "rejected", "note"]
    operator: Annotated[str, Meta(max_length=128)] | None = None
    unit: Annotated[str, Meta(max_length=128)] | None = None
    at: Time | None = None
    note: Text | None = None
    outcome: Annotated[str, Meta(max_length=64, description="With level closed; UNKNOWN when absent.")] | None = None


class Nothing(Given):
    """No fields."""


class Take(Given):
    """Take an alarm; the owner is whoever is logged in."""

    note: Text | None = None


class Note(Given):
    """A note in the record."""

    note: Annotated[str, Meta(min_length=1, max_length=2000)]


class Resolution(Given):
    """How it ended."""

    outcome: Annotated[str, Meta(extra_json_schema={"enum": list(OUTCOMES)})]
    note: Text | None = None


class Because(Given):
    """A reason."""

    reason: Reason


class Extension(Given):
    """Follow for longer."""

    seconds: Annotated[int, Meta(ge=60, le=86_400)] = 3600


class Reassignment(Given):
    """Another centre takes over."""

    centre: Id
    reason: Reason


class UnitFix(Struct, kw_only=True):
    """Where a unit is."""

    unit: Id
    lat: Lat
    lon: Lon
    at: Time | None = None
    course_deg: Annotated[float, Meta(ge=0, le=360)] | None = None
    speed_kmh: Annotated[float, Meta(ge=0, le=1000)] | None = None


class UnitStatus(Given):
    """Whether a unit can be sent."""

    status: Literal["available", "busy", "off"]


class OrderWish(Given):
    """What a device is to be asked for."""

    kind: Literal["locate", "interval", "server", "confirm", "text"]
    "Operators may ask for locate; supervisors for all; operations for interval, server and text."
    seconds: Annotated[int, Meta(ge=1, le=86_400, description="Of interval: between two reports.")] | UnsetType = UNSET
    host: Annotated[str, Meta(pattern="^[A-Za-z0-9.-]{1,64}$", description="Of server.")] | UnsetType = UNSET
    port: Annotated[int, Meta(ge=1, le=65_535, description="Of server.")] | UnsetType = UNSET
    text: Annotated[str, Meta(pattern="^[ -~]{1,200}$", description="Of text: in the device's own command language, ASCII.")] | UnsetType = UNSET


class Adoption(Given):
    """Register a device that was heard and is unknown."""

    id: Id | None = None
    "Our id for it; default: the identity."
    case: Id | None = None
    unit: Id | None = None


class DeviceEntry(Given):
    """An alarm button, a tracker, an app, or the tracker of a unit. Absent fields keep what they are."""

    identifiers: Annotated[list[Id], Meta(max_length=16)] | UnsetType = UNSET
    "What the device calls itself on the wire: IMEI, account, sending number (+32…), ISSI."
    protocol: Id | None | UnsetType = UNSET
    model: Id | None | UnsetType = UNSET
    config: Text | None | UnsetType = UNSET
    case_ref: Id | None | UnsetType = UNSET
    unit_id: Id | None | UnsetType = UNSET
    state: Literal["provisioned", "active", "suspended", "retired"] | UnsetType = UNSET
    interval_s: Annotated[int, Meta(ge=1, le=604_800)] | UnsetType = UNSET
    trust_max: Literal["T0", "T1", "T2", "T3", "T4", "T5"] | UnsetType = UNSET
    app_key_hex: Annotated[str, Meta(pattern="^([0-9a-fA-F]{2}){32,64}$")] | None | UnsetType = UNSET
    "Secret of the app path; written, never read back."
    key_hex: Annotated[str, Meta(pattern="^([0-9a-fA-F]{2}){1,64}$")] | None | UnsetType = UNSET
    "Key of a protocol that encrypts its frames; written, never read back."
    clock_offset_s: Annotated[int, Meta(ge=-86_400, le=86_400)] | None | UnsetType = UNSET
    simulated: bool | UnsetType = UNSET


class CaseEntry(Given):
    """The granted protection of one person: a reference, no names."""

    state: Literal["REQUESTED", "GRANTED", "PROVISIONED", "ACTIVE", "SUSPENDED", "ENDED"] | UnsetType = UNSET
    zone: Id | None | UnsetType = UNSET
    risk: Literal["standard", "high"] | None | UnsetType = UNSET
    instructions: Text | None | UnsetType = UNSET
    centre_refs: dict[Id, Id] | UnsetType = UNSET
    "Centre id -> what that centre calls the file."


class UnitEntry(Given):
    """A car or team that can be sent."""

    status: Literal["available", "busy", "off"] | UnsetType = UNSET
    zone: Id | None | UnsetType = UNSET
    capabilities: Annotated[list[Id], Meta(max_length=32)] | UnsetType = UNSET
    simulated: bool | UnsetType = UNSET


class UserEntry(Given):
    """Who may use the API. A person gets a password, a program a token."""

    role: Literal["operator", "supervisor", "case_team", "carrier", "unit", "operations", "auditor", "admin"] | UnsetType = UNSET
    centre_id: Id | None | UnsetType = UNSET
    "Operators and supervisors: the centre whose alarms they see; * for every centre; none sees none."
    zone: Id | None | UnsetType = UNSET
    "Case teams: the zone whose cases they keep; * for every zone; none keeps none."
    active: bool | UnsetType = UNSET
    password: Annotated[str, Meta(min_length=12, max_length=1024)] | UnsetType = UNSET
    new_token: bool = False
    "Make a token and give it back once; it replaces password and older token."


class Login(Given):
    """User and password."""

    user: Id
    password: Annotated[str, Meta(min_length=1, max_length=1024)]


class Setup(Given):
    """The first administrator, with the one-time token that the first start printed."""

    token: Id
    user: Id
    password: Annotated[str, Meta(min_length=12, max_length=1024)]


class SimPress(Given):
    """Press a simulated button."""

    device: Id
    kind: Annotated[str, Meta(max_length=64)] = "sos_button"


# ------------------------------------------------------------------------------------------------- what is given


class Problem(Struct):
    """What is wrong, and what to do."""

    code: str
    message: str
    do: str
    id: str


class ProblemBody(Struct):
    """Every answer that is not 2xx."""

    error: Problem


class Times(Struct, omit_defaults=True):
    """When what happened."""

    received_at: Time
    event_at: Time | None | UnsetType = UNSET
    durable_at: Time | None | UnsetType = UNSET
    sent_at: Time | None | UnsetType = UNSET


class Place(Struct, omit_defaults=True):
    """Where she is, and how well we know it. ``none`` has no coordinates."""

    status: Literal["fix", "last_known", "none"]
    lat: Lat | UnsetType = UNSET
    lon: Lon | UnsetType = UNSET
    accuracy_m: float | None | UnsetType = UNSET
    at: Time | None | UnsetType = UNSET
    age_s: float | None | UnsetType = UNSET
    source: str | None | UnsetType = UNSET
    speed_kmh: float | None | UnsetType = UNSET
    course_deg: float | None | UnsetType = UNSET
    address: str | None | UnsetType = UNSET


class AlarmSeen(Struct, omit_defaults=True):
    """One alarm for people: the normalized alert (section 4 of the contract; without ``track`` in lists and in the
    stream) and what the console needs beside it. The parts ``device case centre responder links`` are the alert's."""

    alarm_id: str
    state: str
    kinds: list[str]
    test: bool
    simulated: bool
    silent: bool
    repeat_count: int
    late: bool
    cancel_claimed: bool
    trust: str
    doubts: list[str]
    times: Times
    position: Place
    device: Json
    case: Json | None
    centre: Json | None
    responder: Json
    open: bool
    "Neither closed nor cancelled."
    escalation: int
    "0 to 3: how loudly it asks, because nobody has taken it."
    tracking: Literal["ON", "STALE", "OFF"]
    device_silent: bool
    offered_to: list[str]
    last_press_at: Time | None
    owner: str | None
    "The operator who took it, as their centre names them; ``centre.taken_by`` is the centre."
    outcome: str | None
    unit_assigned: str | None
    linked_to: str | None
    "The closed alarm of the same device that came before."
    track: list[Json] | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    event: str | UnsetType = UNSET
    class_: str | UnsetType = msgspec.field(name="class", default=UNSET)
    links: Json | UnsetType = UNSET


class AlarmList(Struct):
    """Alarms, those that wait longest first."""

    alarms: list[AlarmSeen]
    now: Time


class Outcome(Struct):
    """What an action left. Positions are not in it."""

    alarm_id: str
    state: str
    taken_by: str | None
    tracking: str


class TrackPoint(Struct, omit_defaults=True):
    """One position of an alarm."""

    lat: Lat
    lon: Lon
    received_at: Time
    at: Time | UnsetType = UNSET
    accuracy_m: float | UnsetType = UNSET
    speed_kmh: float | UnsetType = UNSET
    course_deg: float | UnsetType = UNSET
    source: str | UnsetType = UNSET
    current: bool | UnsetType = UNSET
    "False: history, sent late; never drawn as where she is."


class Track(Struct):
    """Where she was, oldest first, and the road that the proposed unit would take."""

    alarm_id: str
    points: list[TrackPoint]
    way: list[tuple[float, float]]
    "(lat, lon)"


class StoryTold(Struct):
    """Every record of one alarm."""

    alarm_id: str
    records: list[Json]


class Entry(Struct):
    """One registry entry. Secrets are never in it; a new token is, once."""

    entry: Json
    token: str | None = None
    health: Json | None = None
    "Of a device: what supervision knows of it, in memory alone."


class Entries(Struct):
    """A list of registry entries."""

    entries: list[Json]


class OrderSeen(Struct, omit_defaults=True):
    """One order to a device, and what became of it."""

    order_id: str
    device: str
    kind: str
    state: Literal["ASKED", "SENT", "ANSWERED", "REFUSED", "EXPIRED", "REPLACED"]
    actor: str
    reason: str
    "asked: by a person; raised, later, ended, accepted: by the life of an alarm."
    asked_at: Time
    expires_at: Time
    attempts: int
    simulated: bool
    alarm_id: str | UnsetType = UNSET
    via: str | UnsetType = UNSET
    "tcp, udp or sms"
    sent_at: Time | UnsetType = UNSET
    ended_at: Time | UnsetType = UNSET
    why: str | UnsetType = UNSET
    "Why it ended as it did."
    seconds: int | UnsetType = UNSET
    host: str | UnsetType = UNSET
    port: int | UnsetType = UNSET
    text: str | UnsetType = UNSET
    answer: str | UnsetType = UNSET
    "The device's own words, without places."


class OrderList(Struct):
    """What a device was asked for, oldest first."""

    orders: list[OrderSeen]


class ItemStatus(Struct, omit_defaults=True):
    """What became of one item of a batch."""

    index: int
    status: Literal["accepted", "refused"]
    unit: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


class BatchStatus(Struct):
    """What became of a batch; good items count although others are bad."""

    accepted: int
    refused: int
    items: list[ItemStatus]


class UnitsSeen(Struct):
    """Units with position, age and status."""

    units: list[Json]


class MapAbout(Struct):
    """The base map."""

    bounds: tuple[Lat, Lon, Lat, Lon]
    "South, west, north, east."
    attribution: str
    "Must be shown."


class CentreNamed(Struct):
    """A configured centre."""

    id: str
    name: str


class Me(Struct):
    """Who is logged in."""

    name: str
    role: str
    centre: str | None
    zone: str | None
    csrf: str | None
    "To be sent as X-Csrf-Token with every request that changes something; None without a console session."
    may: list[str]
    "Names of the operations (operationId of the API document) that this role may call."
    map: MapAbout | None
    "None: there is no base map."
    centres: list[CentreNamed]
    simulation: bool
    gateway: str
    version: str


class LoggedIn(Struct):
    """A session was opened; its cookie is in the answer's head."""

    name: str
    role: str
    csrf: str


class Done(Struct):
    """It is done."""

    done: bool = True


class Pressed(Struct):
    """The press is durable."""

    accepted: bool
    alarm_id: str | None = None


class Health(Struct):
    """How the gateway is. No alarm's and no person's data."""

    ready: bool
    because: list[str]
    notices: list[str]
    devices: list[Json]
    statistics: Json


class Readiness(Struct):
    """Whether an alarm would be made durable now."""

    ready: bool
    because: list[str]
    notices: list[str]


class Alive(Struct):
    """The process answers."""

    alive: bool
    version: str


# ---------------------------------------------------------------------------------------------------- reading


_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def is_too_deep(body: bytes) -> bool:
    """Whether brackets outside of strings nest deeper than ``DEPTH_MAX``, or do not match. Linear, whatever it holds:
    each pass takes away the innermost pairs, and with them one level."""
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return False
    left = _STRINGS.sub(b"", body).translate(_AS_SQUARE, _NO_BRACKETS)
    for _ in range(DEPTH_MAX):
        inner, left = left, left.replace(b"[]", b"")
        if not left or left == inner:
            break
    return bool(left)


def read_untrusted(body: bytes, shape: type[T]) -> T:
    """The body as a value of this shape; an empty body counts as ``{}``. Raises ``Refused`` with what is wrong, where."""
    if is_too_deep(body):
        raise Refused("bad_json", f"The body nests deeper than {DEPTH_MAX} levels.")
    try:
        return msgspec.json.decode(body or b"{}", type=shape, strict=True)
    except msgspec.ValidationError as error:
        raise Refused("bad_field", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("bad_json", "The body is not JSON in UTF-8.") from None
