"""OsmAnd's HTTP form, which telephone apps and self-made panic buttons send to their own port.

Paper: RFC 9112 for the requests; the form has none, it is what the apps send. A request's query (or its form body, when the query
is empty) has the values; the newer apps send JSON instead.

* The plain form is ``GET /?id=…&timestamp=…&lat=…&lon=…`` (``query-plain``), speed in knots (``query-speed-knots``).
* Self-made buttons put the values into a form body (``form-sos``) and may name several alarms (``alarm-two-names``).
* Some apps write milliseconds (``time-milliseconds``) or a date (``time-iso``); a date without a zone is UTC, unless the registry
  knows how far the device's clock is from it (``time-local``).
* The JSON form writes -1 for unknown (``json-unknowns``), puts its alarm here or there (``json-alarm-extras``), and locations
  into a list when it was without a network (``json-batch``).

The form knows no signature: who knows an id can raise an alarm. A device that has a key in the registry must send it as its token, in
small hexadecimal digits (``token=`` in the query, the form or the JSON object, or ``Authorization: Bearer``); without it the answer is
that of an unknown device.
Not supported: commands to the app, ``Expect: 100-continue``, compressed bodies.
"""

import hmac
import re
from typing import ClassVar, Final
from urllib.parse import unquote_plus

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Fix, Frame, Report
from gateway.protocols import osmand_http as http
from gateway.protocols.base import refused
from gateway.protocols.fields import KMH_PER_KNOT
from gateway.protocols.osmand_json import Told, is_json, told_untrusted
from gateway.protocols.osmand_values import (
    TEXT_CHARS_MAX,
    UNREAD_MAX,
    WORDS_MAX,
    between,
    cell_of,
    degrees_e7,
    instant_us,
    kinds_of,
    number,
    place,
    resting,
    shown,
    truth,
    unknown_alarms,
    wifi_of,
)
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "osmand"
IDENTITY_CHARS_MAX: Final = 64
FIELDS_MAX: Final = 256
PLACES_MAX: Final = 32
"Cells, and access points, that are kept of one request."
READ: Final = frozenset(
    {"id", "deviceid", "timestamp", "lat", "lon", "location", "speed", "bearing", "heading", "altitude", "accuracy", "batt", "charge",
     "valid", "cell", "wifi", "alarm", "token", "mock"}
)  # fmt: skip
"The keys that have a meaning here; all others are kept as text."

ALARM_MARK: Final = re.compile(rb"""(?:[?&\s]alarm=|"alarm"\s{0,8}:\s{0,8}")([A-Za-z0-9_,; -]{1,64})""")
IDENTITY_MARK: Final = re.compile(rb"""(?:[?&\s](?:id|deviceid)=|"device_id"\s{0,8}:\s{0,8}"?)([A-Za-z0-9_.:-]{1,64})""")


class WrongToken(FrameError):
    """The request does not carry the token of its device."""


class Session(StreamSession):
    """One connection, of one telephone or of a proxy before several: a request stands for itself."""

    NAME: ClassVar[str] = NAME
    STARTS: ClassVar[re.Pattern[bytes]] = re.compile(rb"[GPHDOTC]")

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A whole request, its body included."""
        size = http.bytes_of(data, at)
        return (Shape.NOISE, 1) if size < 0 else (Shape.FRAME, size) if size else (Shape.WAIT, 0)

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """One whole request."""
        request = http.request_untrusted(raw)
        told = json_told(request, self.offset_s) if is_json(request) else query_told(pairs_of(request.query or request.body), self.offset_s)
        identity = shown(told.identity.strip(), IDENTITY_CHARS_MAX + 1)
        if not identity or len(identity) > IDENTITY_CHARS_MAX:
            raise FrameError(Reason.IDENTITY, 0, "id: a text of 1 to 64 characters is required")
        self.device = identity
        if told.wrong and not any(report.kinds & LIFE for report in told.reports):
            raise told.wrong
        # Last: what else is wrong with a request is said alike to those who know the token, those who do not, and strangers.
        self.require_token(told.token or bearer_of(request.authorization))
        return Content(told.reports, http.OK)

    def read_one(self, raw: bytes, now_us: int) -> Frame:
        """One request, with what is said to a stranger or about a request that cannot be read."""
        self.device = None  # a request without an id says nothing about who sent the one before it
        try:
            reports, reply = self.content_untrusted(raw, now_us)
        except WrongToken as error:
            return refused(NAME, self.transport, raw, error, self.device, farewell=http.NOT_FOUND)
        except FrameError as error:
            unverified = self.unverified(raw, error, now_us)
            return refused(NAME, self.transport, raw, error, self.device, unverified, http.BAD_REQUEST)
        return Frame(NAME, self.transport, raw, self.device, reports, reply, farewell=http.NOT_FOUND)

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """An alarm that stands readable in a request which cannot be read; never for a device that has a token."""
        alarm, identity = ALARM_MARK.search(raw), IDENTITY_MARK.search(raw)
        kinds = kinds_of(alarm[1].decode("ascii")) & LIFE if alarm else NO_KIND
        if not kinds or not identity or self.settings.key_hex is not None:
            return None
        self.device = identity[1].decode("ascii")
        return Report(kinds, unread=(error.detail,))

    @property
    def offset_s(self) -> int:
        """How far a clock that names no zone is ahead of UTC."""
        return self.settings.clock_offset_s or 0

    def require_token(self, given: str) -> None:
        """Raise WrongToken unless the request has the token that the registry asks for, if it asks for one."""
        wanted = self.settings.key_hex
        if wanted is not None and not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace")):
            raise WrongToken(Reason.IDENTITY, 0, "the token of this device is missing or another")


def recognise(data: bytes) -> int:
    """How surely a connection begins with such a request: 95 for one that names a device in its request line, 60 for a POST."""
    line, newline, _ = data[: http.REQUEST_LINE_BYTES_MAX + 2].partition(b"\n")
    method, blank, rest = line.partition(b" ")
    if not blank:
        return 10 if not newline and any(word.startswith(data) for word in (b"GET /", b"POST /")) else 0
    if method not in (b"GET", b"POST") or (rest and not rest.startswith(b"/")):
        return 0
    if not newline:
        return 30 if len(data) <= http.REQUEST_LINE_BYTES_MAX else 0
    found = http.REQUEST_LINE.fullmatch(line.removesuffix(b"\r"))
    if not found:
        return 0
    if re.search(rb"[?&](?:id|deviceid)=", found[2]):
        return 95
    return 60 if method == b"POST" else 0


# ------------------------------------------------------------------------------------------------ query form


def pairs_of(query: bytes) -> list[tuple[str, str]]:
    """Keys and values, unescaped, in their order."""
    parts = query.strip(b"\r\n").split(b"&")
    if len(parts) > FIELDS_MAX:
        raise FrameError(Reason.LENGTH, 0, f"more than {FIELDS_MAX} fields")
    split = (part.partition(b"=") for part in parts if part)
    return [(unescaped(key), unescaped(value)) for key, _, value in split]


def unescaped(word: bytes) -> str:
    """Plus signs and percent signs undone; what is not UTF-8 is replaced."""
    return unquote_plus(word.decode("utf-8", "replace"), errors="replace")


def query_told(pairs: list[tuple[str, str]], offset_s: int) -> Told:
    """What the fields of a query say."""
    values: dict[str, str] = {}
    for key, value in pairs:
        if value:
            values.setdefault(key, value.strip())
    unread: list[str] = []
    alarm = ",".join(value for key, value in pairs if key == "alarm")
    kinds = kinds_of(alarm)
    unread += [f"alarm {shown(word)}" for word in unknown_alarms(alarm)]
    at_us = instant_us(values.get("timestamp", ""), offset_s)
    if at_us is None and "timestamp" in values:
        unread.append("timestamp: not a time")
    fix, wrong = fix_of(values, at_us, unread)
    cells = [cell_of(value) for key, value in pairs if key == "cell"][:PLACES_MAX]
    points = [wifi_of(value) for key, value in pairs if key == "wifi"][:PLACES_MAX]
    unread += ["cell: mcc,mnc,lac,cid expected"] * (None in cells) + ["wifi: mac,rssi expected"] * (None in points)
    report = Report(
        resting(kinds, fix is not None), fix, at_us,
        battery_percent=measure(values, "batt", 0, 100, unread),
        charging=truth(values.get("charge", "")),
        cells=tuple(cell for cell in cells if cell),
        wifi=tuple(point for point in points if point),
        text=" ".join([shown(f"{key}={value}", 256) for key, value in pairs if key not in READ][:WORDS_MAX])[:TEXT_CHARS_MAX] or None,
        unread=tuple(unread[:UNREAD_MAX]),
    )  # fmt: skip
    return Told(values.get("id") or values.get("deviceid") or "", values.get("token", ""), (report,), wrong)


def fix_of(values: dict[str, str], at_us: int | None, unread: list[str]) -> tuple[Fix | None, FrameError | None]:
    """The position, and what is wrong with its degrees."""
    lat, comma, lon = values.get("location", "").partition(",")
    lat, lon = (lat.strip(), lon.strip()) if comma else (values.get("lat", lat), values.get("lon", ""))
    if not lat and not lon:
        return None, None
    lat_e7, lon_e7 = degrees_e7(lat), degrees_e7(lon)
    if lat_e7 is None or lon_e7 is None:
        unread.append("position: lat and lon are not both numbers")
        return None, FrameError(Reason.FIELD, 0, "lat, lon: decimal degrees expected")
    speed = measure(values, "speed", 0, 10_000, unread)
    course = measure(values, "bearing" if "bearing" in values else "heading", 0, 360, unread)
    valid = truth(values.get("valid", "true")) is True
    return place(
        lat_e7, lon_e7, at_us, valid, unread,
        is_mock=truth(values.get("mock", "")) is True,
        accuracy_m=measure(values, "accuracy", 0, 1e7, unread),
        altitude_m=measure(values, "altitude", -20_000, 1e6, unread),
        speed_kmh=None if speed is None else speed * KMH_PER_KNOT,
        course_deg=course,
    ), None  # fmt: skip


def measure(values: dict[str, str], key: str, low: float, high: float, unread: list[str]) -> float | None:
    """A number between two bounds; -1 is unknown, anything else that is none is noted."""
    if key not in values:
        return None
    value = number(values[key])
    found = between(value, low, high)
    if found is None and value != -1:
        unread.append(f"{key}: not a number from {low:g} to {high:g}")
    return found


# ------------------------------------------------------------------------------------------------- JSON form


def json_told(request: http.Request, offset_s: int) -> Told:
    """What a JSON body says; identity and token may stand in the query as well."""
    told = told_untrusted(request.body, offset_s)
    query = dict(pairs_of(request.query))
    return told._replace(
        identity=told.identity or query.get("id") or query.get("deviceid") or "",
        token=told.token or query.get("token", ""),
    )


def bearer_of(authorization: bytes) -> str:
    """The token of an ``Authorization: Bearer`` header."""
    scheme, _, token = authorization.partition(b" ")
    return token.strip().decode("utf-8", "replace") if scheme.lower() == b"bearer" else ""
