"""MiniFinder of the first generation (EV-06, EV-07, Pico, Atto), over TCP: the reference decoder.

Paper: none is public; what is known rests on the maker's flag table and on recorded frames. Newer devices of the maker speak the binary
protocol of ``eview.py``. A frame is text from ``!`` to ``;``, without checksum and length; some firmware puts a NUL behind it. Only
the login names the device (``before-login``), and nothing is answered.

* Three forms of a report: full and live, full and stored (``stored``), and without the last three fields (``form-c``).
* A position without flags says nothing about itself, so it is not taken for a fix (``form-a``).
* A place by radio cells has a flag of its own (``approximate``).
* An SOS is repeated, with the same time and flags, until somebody confirms it by call or SMS (``sos``).

Not supported: settings and answers to commands (accepted, not interpreted).
"""

import re
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import NO_KIND, Fix, Kind, Report
from gateway.protocols.fields import course, decimal, degrees_e7, field, firmware, fix, hexadecimal, on_globe, percent, speed, whole
from gateway.protocols.octets import civil_us, full_year
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "minifinder"

FRAME_BYTES_MAX: Final = 512
"Guard: the longest one seen has 90."
COURSE_MAX_DEG: Final = 360
"Above, the device says that it does not know: told as 0, and noted."
HEAD: Final = re.compile(rb"![1345A-D](?=[,;])")
BOUNDARY: Final = re.compile(rb"[!;]")
WHOLE: Final = re.compile(r"!([1345A-D])(?:,([^!;]*))?;")
IMEI: Final = re.compile("[0-9]{15}", re.ASCII)
DATE: Final = re.compile("([0-9]{1,2})/([0-9]{1,2})/([0-9]{2})", re.ASCII)
TIME: Final = re.compile("([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})", re.ASCII)

FIX_BIT, APPROXIMATE_BIT, CHARGING_BIT = 0, 1, 22
ALARM_BITS: Final = (
    (2, Kind.FAULT), (6, Kind.SOS_BUTTON), (7, Kind.OVERSPEED), (8, Kind.FALL), (9, Kind.GEOFENCE), (10, Kind.GEOFENCE), (11, Kind.GEOFENCE),
    (12, Kind.BATTERY_LOW), (14, Kind.MOVEMENT), (15, Kind.MOVEMENT),
)  # fmt: skip
STATE_BITS: Final = 1 << FIX_BIT | 1 << APPROXIMATE_BIT | 0x1F << 16 | 1 << CHARGING_BIT
"Bits 16 to 20 are the GSM signal."
KNOWN_BITS: Final = sum(1 << bit for bit in {bit for bit, _ in ALARM_BITS}) | STATE_BITS


class Session(StreamSession):
    """One connection of a MiniFinder: ``!``, type, comma, fields with commas between them, ``;``."""

    NAME = NAME
    STARTS = re.compile(rb"!")

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A frame ends at its semicolon; where another begins before, this one was broken off."""
        if len(data) - at < 3 and (len(data) - at < 2 or data[at + 1] in b"1345ABCD"):
            return Shape.WAIT, 0
        if not HEAD.match(data, at):
            return Shape.NOISE, 1
        end = BOUNDARY.search(data, at + 1, at + FRAME_BYTES_MAX)
        if end is None:
            return (Shape.WAIT, 0) if len(data) - at < FRAME_BYTES_MAX else (Shape.NOISE, 1)
        return (Shape.FRAME, end.end() - at) if end[0] == b";" else (Shape.NOISE, end.start() - at)

    def _next_frame(self) -> bytes:
        """The next frame; the NUL that may stand behind one is not counted as lost."""
        while self._buffer[self._start : self._start + 1] == b"\0":
            self._start += 1
        return super()._next_frame()

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """The report; nothing is answered."""
        if len(raw) > FRAME_BYTES_MAX:
            raise FrameError(Reason.LENGTH, FRAME_BYTES_MAX, f"{len(raw)} bytes; at most {FRAME_BYTES_MAX} are possible")
        frame = WHOLE.fullmatch(raw.decode("latin-1").strip("\0\r\n "))
        if frame is None:
            raise FrameError(Reason.FRAMING, 0, "not ! with one of the types 1345ABCD up to ;")
        kind, fields = frame[1], (frame[2] or "").split(",")
        if kind == "1":
            if not IMEI.fullmatch(field(fields, 0)):
                raise FrameError(Reason.IDENTITY, 3, "a login without an IMEI of 15 digits")
            self.device = field(fields, 0)
        if self.device is None:
            raise FrameError(Reason.IDENTITY, 0, "a frame before the login")
        return Content((report_of(kind, fields),))


def recognise(data: bytes) -> int:
    """How surely these first bytes are a MiniFinder: 95 with a login, 0 when they cannot be."""
    if re.match(rb"!1,[0-9]{15}[,;]", data):
        return 95
    if re.match(rb"![A-D],[0-9]{1,2}/[0-9]{1,2}/[0-9]{2},", data):
        return 85
    if HEAD.match(data):
        return 40
    return 10 if re.fullmatch(rb"![1345A-D]?", data) else 0


def report_of(kind: str, fields: list[str]) -> Report:
    """What a frame of the type ``kind`` says.

    1 IMEI, firmware, battery percent
    3 answer to a command; 4 settings
    5 GSM signal, A or V, battery percent
    A date, time, latitude, longitude; B (stored), D (live) and C (without the last three) go on as ``position_of`` says
    """
    if kind == "1":
        version, unread = firmware(field(fields, 1).encode("latin-1"))
        return Report(Kind.LOGIN, battery_percent=percent(field(fields, 2)), firmware=version, unread=unread)
    if kind == "5":
        return Report(Kind.HEARTBEAT, battery_percent=percent(field(fields, 2)))
    if kind in ("3", "4"):
        return Report(Kind.DEVICE_ACK if kind == "3" else Kind.CONFIG_REPLY)
    return position_of(kind, fields)


def position_of(kind: str, fields: list[str]) -> Report:
    """date d/m/yy, time h:m:s UTC, latitude, longitude, km/h, course, flags hex, metres, battery percent, satellites, in view, HDOP."""
    at_us, unread = time_of(field(fields, 0), field(fields, 1)), []
    if at_us is None:
        unread.append("time")
    flags, kinds = (None, NO_KIND) if kind == "A" else flags_of(field(fields, 6), unread)
    degrees = None if kind == "A" else decimal(field(fields, 5))
    if degrees is not None and degrees > COURSE_MAX_DEG:
        unread.append("course")
    place = place_of(kind, fields, at_us, flags or 0)
    lat_e7, lon_e7 = degrees_e7(field(fields, 2)), degrees_e7(field(fields, 3))
    if not on_globe(lat_e7, lon_e7) and (lat_e7, lon_e7) != (0, 0):
        unread.append("place")
    return Report(
        kinds or (Kind.POSITION if place else Kind.HEARTBEAT), place, at_us, stored=kind == "B", unread=tuple(unread),
        battery_percent=None if kind == "A" else percent(field(fields, 8)), charging=None if flags is None else bool(flags >> CHARGING_BIT & 1),
    )  # fmt: skip


def flags_of(text: str, unread: list[str]) -> tuple[int | None, Kind]:
    """The flags and every alarm in them. Flags that cannot be read are an alarm: nobody can tell that there was none."""
    flags = hexadecimal(text)
    if flags is None:
        unread.append("flags")
        return None, Kind.UNKNOWN_ALARM
    if flags & ~KNOWN_BITS:
        unread.append(f"flags {flags & ~KNOWN_BITS:06x}")
    return flags, kinds_of(flags)


def kinds_of(flags: int) -> Kind:
    """Every alarm that is set."""
    kinds = NO_KIND
    for bit, kind in ALARM_BITS:
        if flags >> bit & 1:
            kinds |= kind
    return kinds


def place_of(kind: str, fields: list[str], at_us: int | None, flags: int) -> Fix | None:
    """The position. A place by radio cells is one as well; the form without flags does not vouch for anything."""
    lat_e7, lon_e7 = degrees_e7(field(fields, 2)), degrees_e7(field(fields, 3))
    if kind == "A":
        return fix(lat_e7, lon_e7, at_us, False)
    has_fix, is_approximate = bool(flags >> FIX_BIT & 1), bool(flags >> APPROXIMATE_BIT & 1)
    degrees = decimal(field(fields, 5))
    return fix(
        lat_e7, lon_e7, at_us, has_fix or is_approximate, source="network" if is_approximate and not has_fix else "gnss",
        altitude_m=decimal(field(fields, 7)), speed_kmh=speed(field(fields, 4)),
        course_deg=0.0 if degrees is not None and degrees > COURSE_MAX_DEG else course(field(fields, 5)),
        satellites=None if kind == "C" else whole(field(fields, 9), 255),
    )  # fmt: skip


def time_of(date: str, time: str) -> int | None:
    """d/m/yy and h:m:s, one or two digits each, in UTC."""
    day, hour = DATE.fullmatch(date), TIME.fullmatch(time)
    year = full_year(int(day[3])) if day else None
    if not day or not hour or year is None:
        return None
    return civil_us(year, int(day[2]), int(day[1]), int(hour[1]), int(hour[2]), int(hour[3]))
