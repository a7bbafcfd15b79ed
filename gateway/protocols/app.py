"""The app path: the JSON body of ``POST /api/v1/press``. The request's signature says which device it comes from.

Paper: our own API (OpenAPI document of this server).
``{"id": "8f2c…", "kind": "sos_app", "at": "2026-03-09T13:03:11Z", "battery_percent": 80, "position": {"lat": 51.05, "lon": 3.72,
"accuracy_m": 12, "at": "…", "source": "gnss", "speed_kmh": 4, "course_deg": 271}}``

What is missing or cannot be read never costs the alarm: a kind that nobody knows is an unknown alarm (``kind-unknown``), and
a press with a position that cannot be meant is a press without one (``position-off-the-globe``).
"""

import hashlib
import json
import math
import re
from datetime import UTC, datetime
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, PRE, TEST, Fix, Frame, Kind, Report
from gateway.protocols.base import refused
from gateway.protocols.messages import MessageSession, json_depth

NAME: Final = "app"
BODY_BYTES_MAX = 16_384
"A press has a few hundred bytes."
DEPTH_MAX = 32
ID_CHARS_MAX = 128
UNREAD_MAX = 16
E7 = 10_000_000

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

KINDS = LIFE | PRE | TEST | Kind.CANCEL_CLAIM | Kind.POSITION
"What an app may say: presses, what belongs to them, and where she is while an alarm is open."
CANCEL = "cancel"
"Short for ``cancel_claim``."
SOURCES = ("gnss", "wifi", "cell", "network", "app")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)")


class Session(MessageSession):
    """The requests of one device; ``peer`` is its identity, which the signature proved."""

    def read(self, raw: bytes, now_us: int) -> Frame:
        """One body."""
        try:
            report = press_untrusted(raw)
        except FrameError as error:
            return refused(NAME, self.transport, raw, error, self.device)
        return Frame(NAME, self.transport, raw, self.device, (report,))


def recognise(data: bytes) -> int:
    """How surely a body is a press: 80 for a JSON object with one of its keys."""
    try:
        fields = object_untrusted(data)
    except FrameError:
        return 0
    return 80 if fields.keys() & {"kind", "position", "battery_percent"} else 10


def press_untrusted(raw: bytes) -> Report:
    """The press in a body."""
    fields = object_untrusted(raw)
    unread: list[str] = []
    sequence = sequence_of(fields.pop("id", None), unread)
    kinds = kind_untrusted(fields.pop("kind", "sos_app"), unread)
    event_at_us = time_of(fields, "at", unread)
    battery_percent = number_of(fields, "battery_percent", 0, 100, unread)
    place = fields.pop("position", None)
    fix = None
    if isinstance(place, dict):
        fix = fix_of(dict(place), unread)
    elif place is not None:
        unread.append("position: not an object")
    unread += [unread_key(name) for name in fields]
    return Report(kinds, fix, event_at_us, sequence, battery_percent, unread=tuple(unread[:UNREAD_MAX]))


def object_untrusted(raw: bytes) -> dict[str, Json]:
    """The body as a JSON object of bounded size and depth."""
    if len(raw) > BODY_BYTES_MAX:
        raise FrameError(Reason.LENGTH, BODY_BYTES_MAX, f"a body of {len(raw)} bytes; {BODY_BYTES_MAX} are possible")
    if json_depth(raw) > DEPTH_MAX:
        raise FrameError(Reason.FRAMING, 0, f"JSON nested deeper than {DEPTH_MAX}")
    try:
        value: Json = json.loads(raw.decode("utf-8"), parse_constant=str, parse_int=whole_number)
    except UnicodeDecodeError as error:
        raise FrameError(Reason.FRAMING, error.start, "the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise FrameError(Reason.FRAMING, error.pos, f"the body is not JSON: {error.msg}") from None
    if not isinstance(value, dict):
        raise FrameError(Reason.FRAMING, 0, "the body is not a JSON object")
    return value


def whole_number(word: str) -> int | float:
    """An integer; beyond 18 digits as a float, because thousands of digits are an attack."""
    return int(word) if len(word) <= 18 else float(word[:400])


def sequence_of(value: Json, unread: list[str]) -> int | None:
    """The press's id as a number of 63 bits: copies of one press have the same."""
    if isinstance(value, bool) or not isinstance(value, str | int) or not 0 < len(str(value)) <= ID_CHARS_MAX:
        unread.append(f"id: not a text of 1 to {ID_CHARS_MAX} characters")
        return None
    digest = hashlib.blake2b(str(value).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def kind_untrusted(value: Json, unread: list[str]) -> Kind:
    """The kind by its name. What nobody knows is an alarm; what we know and no app may say is refused."""
    name = value.lower() if isinstance(value, str) else ""
    kind = Kind.CANCEL_CLAIM if name == CANCEL else Kind.__members__.get(name.upper())
    if kind is None:
        unread.append(f"kind {printable(name)}" if name else "kind: not a text")
        return Kind.UNKNOWN_ALARM
    if not kind & KINDS:
        raise FrameError(Reason.FIELD, 0, f"kind: {name} is nothing that an app reports")
    return kind


def fix_of(place: dict[str, Json], unread: list[str]) -> Fix | None:
    """The position; None when its degrees cannot be meant. What else is wrong with it is left out."""
    lat = number_of(place, "lat", -90, 90, unread, "position.")
    lon = number_of(place, "lon", -180, 180, unread, "position.")
    accuracy_m = number_of(place, "accuracy_m", 0, 1e7, unread, "position.")
    speed_kmh = number_of(place, "speed_kmh", 0, 2000, unread, "position.")
    course_deg = number_of(place, "course_deg", 0, 360, unread, "position.")
    at_us = time_of(place, "at", unread, "position.")
    source = place.pop("source", "app")
    if source not in SOURCES:
        unread.append("position.source: one of " + ", ".join(SOURCES))
        source = "app"
    unread += [unread_key(f"position.{name}") for name in place]
    if lat is None or lon is None:
        unread.append("position: lat and lon are required")
        return None
    if not lat and not lon:
        unread.append("position: 0, 0 is no position")
        return None
    return Fix(round(lat * E7), round(lon * E7), at_us, source=str(source), accuracy_m=accuracy_m, speed_kmh=speed_kmh, course_deg=course_deg)


def number_of(fields: dict[str, Json], name: str, low: float, high: float, unread: list[str], path: str = "") -> float | None:
    """Take a number from ``low`` to ``high``; None, and a remark, when it is something else."""
    value = fields.pop(name, None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
        unread.append(f"{path}{name}: not a number from {low:g} to {high:g}")
        return None
    return float(value)


def time_of(fields: dict[str, Json], name: str, unread: list[str], path: str = "") -> int | None:
    """Take an RFC 3339 time with its zone, as Unix microseconds; None, and a remark, when it is something else."""
    value = fields.pop(name, None)
    if value is None:
        return None
    try:
        if not isinstance(value, str) or not RFC3339.fullmatch(value):
            raise ValueError
        moment = datetime.fromisoformat(value.upper())
        since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        unread.append(f"{path}{name}: not a time such as 2026-03-09T13:03:11Z")
        return None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def unread_key(name: str) -> str:
    """A key that we do not know; its value is not repeated."""
    return f"unknown key {printable(name)}"


def printable(word: str) -> str:
    """The word as it may stand in a record: short and without anything that steers a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in word[:64])
