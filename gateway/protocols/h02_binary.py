"""H02's binary form: where a frame ends that has neither a terminator nor a checksum, and what stands in it.

Paper: the makers' description of the ``$`` frame. Digits are BCD, two a byte. Nothing promises the length, so the digits decide:
a frame is what holds only digits where the layout wants them and is followed by another start.

====  ====  =================================================================================================
off   size  field (with the identity of eight bytes everything behind it stands three bytes later)
====  ====  =================================================================================================
0     1     ``$``
1     5, 8  identity: 10 digits, or 15 and a nibble that fills up (frames of 42 bytes)
6     3     hour, minute, second
9     3     day, month, year
12    4     latitude: 2 digits degrees, 2 minutes, 4 decimals
16    1     battery
17    4.5   longitude: 3 digits degrees, 2 minutes, 4 decimals
21.5  0.5   bit 1 valid, bit 2 North, bit 3 East
22    1.5   speed, knots
23.5  1.5   course, degrees
25    4     status word
29          state of the user, cell, counter: not read
====  ====  =================================================================================================
"""

import re
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import Fix, Kind, Report
from gateway.protocols.fields import E7, KMH_PER_KNOT, day_first_us, fix
from gateway.protocols.h02_status import OLD_CLOCK_US, alarms_of, alarms_unread
from gateway.protocols.octets import u32be
from gateway.protocols.stream import Shape

MARK: Final = 0x24
MARK_X: Final = 0x58
"Opens a frame of 32 bytes with an identity and nothing else that we know."

SHORT_ID: Final = 5
LONG_ID: Final = 8
HEAD_BYTES: Final = 24
"Of all fields up to the status word, without the identity."
DATE_BYTES: Final = 7
"Mark, time and date."
ID_BYTES: Final = {32: SHORT_ID, 42: LONG_ID, 45: SHORT_ID, 47: SHORT_ID}
"Bytes of a frame -> of its identity. The lengths that devices were seen to send."
LENGTHS: Final = tuple(ID_BYTES)
LENGTH_MAX: Final = max(LENGTHS)
TEXT_START: Final = re.compile(rb"\*[A-Za-z]{2},")
TEXT_START_CUT: Final = re.compile(rb"\*[A-Za-z]{0,2}")
VALID, NORTH, EAST = 2, 4, 8


class Found(NamedTuple):
    """What begins at a place of the stream."""

    shape: Shape
    bytes: int
    is_proved: bool = False
    "The length was seen to fit: the connection may keep it."


# ---------------------------------------------------------------------------------------------------------- where it ends


def binary_shape(data: bytes, at: int, known: int | None) -> Found:
    """The frame at ``$``, by a length that is known for the connection (or by nobody, then by what follows it).

    A frame whose time or place is impossible is still one, unless a better one begins inside it: then its mark was noise.
    """
    fitting = [id_bytes for id_bytes in (SHORT_ID, LONG_ID) if has_digits(data, at, id_bytes) and known in (None, *sizes_of(id_bytes))]
    if not fitting:
        return Found(Shape.NOISE, 1)
    sane = [id_bytes for id_bytes in fitting if is_sane(data, at, id_bytes)]
    if not sane and next_start(data, at + 1, at + LENGTH_MAX) >= 0:
        return Found(Shape.NOISE, 1)
    if known:
        return Found(Shape.FRAME, known) if known <= len(data) - at else Found(Shape.WAIT, 0)
    if len(data) - at < LENGTHS[0]:
        return Found(Shape.WAIT, 0)
    return _sized(data, at, [size for size in LENGTHS if ID_BYTES[size] in (sane or fitting)])


def _sized(data: bytes, at: int, sizes: list[int]) -> Found:
    """The smallest size after which something begins or nothing came yet.

    Without one the frame has lost bytes: what is readable up to the next start is read, unless that start stands where fields should.
    """
    for size in sizes:
        if size > len(data) - at:
            return Found(Shape.WAIT, 0)
        if ends_well(data, at + size):
            return Found(Shape.FRAME, size, is_proved=size > LENGTHS[0] or size < len(data) - at)
    readable = HEAD_BYTES + ID_BYTES[sizes[0]]
    if next_start(data, at + 1, at + readable) >= 0:
        return Found(Shape.NOISE, 1)
    follower = next_start(data, at + readable, at + sizes[0])
    return Found(Shape.FRAME, sizes[0] if follower < 0 else follower - at)


def x_shape(data: bytes, at: int) -> Found:
    """The frame at ``X``: believed where digits follow and something begins behind it, so that no noise hides an alarm."""
    name = data[at + 1 : at + 1 + SHORT_ID].hex()
    if (name and not name.isdecimal()) or next_start(data, at + 1, at + LENGTHS[0]) >= 0:
        return Found(Shape.NOISE, 1)
    if len(data) - at < LENGTHS[0]:
        return Found(Shape.WAIT, 0)
    return Found(Shape.FRAME, LENGTHS[0]) if ends_well(data, at + LENGTHS[0]) else Found(Shape.NOISE, 1)


def sizes_of(id_bytes: int) -> list[int]:
    """The frame lengths with such an identity."""
    return [size for size in LENGTHS if ID_BYTES[size] == id_bytes]


def ends_well(data: bytes, at: int) -> bool:
    """Nothing was received behind a frame, or another one begins there (CR LF may stand between)."""
    if data[at : at + 2] == b"\r\n":
        at += 2
    if at >= len(data):
        return True
    if data[at] == MARK:
        return has_digits(data, at, SHORT_ID) or has_digits(data, at, LONG_ID)
    if data[at] == MARK_X:
        name = data[at + 1 : at + 1 + SHORT_ID].hex()
        return not name or name.isdecimal()
    head = data[at : at + 4]
    return bool(TEXT_START.match(head) or TEXT_START_CUT.fullmatch(head))


def next_start(data: bytes, at: int, stop: int) -> int:
    """Where from ``at`` on and before ``stop`` something begins that is surely a frame; -1 where nothing does."""
    for place in range(max(at, 0), min(stop, len(data))):
        if data[place] == MARK and (is_dated(data, place, SHORT_ID) or is_dated(data, place, LONG_ID)):
            return place
        if data[place] == 0x2A and TEXT_START.match(data, place):
            return place
    return -1


def is_dated(data: bytes, at: int, id_bytes: int) -> bool:
    """Mark, identity, a time and a date that exist: enough to tell a frame from digits by chance."""
    return len(data) - at >= DATE_BYTES + id_bytes and has_digits(data, at, id_bytes) and is_sane(data, at, id_bytes)


def digits_of(data: bytes, at: int, id_bytes: int) -> str:
    """The nibbles that must be digits, as far as they were received: identity, time, date, latitude, longitude, speed, course."""
    name = data[at + 1 : at + 1 + id_bytes].hex()
    rest = at + 1 + id_bytes
    place = data[rest + 11 : rest + 16].hex()
    return name[:15] + data[rest : rest + 10].hex() + place[:9] + data[rest + 16 : rest + 19].hex()


def has_digits(data: bytes, at: int, id_bytes: int) -> bool:
    """Could the bytes from ``at`` on be a frame with such an identity, as far as they were received?"""
    digits = digits_of(data, at, id_bytes)
    return not digits or digits.isdecimal()


def is_sane(data: bytes, at: int, id_bytes: int) -> bool:
    """Do time, date and place lie where clocks and maps end, as far as they were received? Every nibble is a digit."""
    rest = at + 1 + id_bytes
    time, place = data[rest : rest + 10].hex(), data[rest + 11 : rest + 16].hex()
    return (
        time[0:2] < "24" and time[2:4] < "60" and time[4:6] < "60"
        and time[6:8] < "32" and time[8:10] < "13" and (len(time) < 10 or (time[6:8] > "00" and time[8:10] > "00"))
        and time[12:14] <= "90" and time[14:16] < "60" and place[0:3] <= "180" and place[3:5] < "60"
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------ what stands in it


def binary_untrusted(raw: bytes, known: int | None, offset_s: int) -> tuple[str, Report]:
    """Identity and record of one frame. Raises: FrameError."""
    id_bytes = ID_BYTES[known] if known else _id_bytes(raw)
    if len(raw) < HEAD_BYTES + id_bytes:
        raise FrameError(Reason.LENGTH, len(raw), f"a binary frame has at least {HEAD_BYTES + id_bytes} bytes, this one {len(raw)}")
    if not has_digits(raw, 0, id_bytes):
        raise FrameError(Reason.FIELD, _bad_digit(raw, id_bytes), "a nibble that is no decimal digit")
    return raw[1 : 1 + id_bytes].hex()[:15], _record(raw[1 + id_bytes :], offset_s)


def x_untrusted(raw: bytes) -> tuple[str, Report]:
    """Identity of a frame that carries no position. Raises: FrameError."""
    if len(raw) < LENGTHS[0]:
        raise FrameError(Reason.LENGTH, len(raw), f"a frame with the mark X has {LENGTHS[0]} bytes, this one {len(raw)}")
    name = raw[1 : 1 + SHORT_ID].hex()
    if not name.isdecimal():
        raise FrameError(Reason.FIELD, 1, "an identity that is no decimal number")
    return name, Report(Kind.HEARTBEAT, unread=("frame with the mark X",))


def _id_bytes(raw: bytes) -> int:
    """The identity's bytes in a frame that somebody else delimited."""
    likely = ID_BYTES.get(len(raw), SHORT_ID)
    other = SHORT_ID + LONG_ID - likely
    return other if not has_digits(raw, 0, likely) and is_dated(raw, 0, other) else likely


def _bad_digit(raw: bytes, id_bytes: int) -> int:
    """Where the first byte stands that is not two digits."""
    return next(end for end in range(1, len(raw)) if not has_digits(raw[: end + 1], 0, id_bytes))


def _record(data: bytes, offset_s: int) -> Report:
    """Everything behind the identity: time, place, battery and status."""
    at_us = day_first_us(data[3:6].hex(), data[0:3].hex(), offset_s)
    status = u32be(data, 19)
    percent, unread = battery_of(data[10])
    unread += alarms_unread(status)
    if at_us is None or at_us < OLD_CLOCK_US:
        unread += ("time",) if at_us is None else ("clock not set",)
    place = _fix(data, at_us)
    unread += ("position",) * (place is None and any(data[6:10]))
    kinds = alarms_of(status)
    return Report(
        kinds or (Kind.POSITION if place else Kind.HEARTBEAT), place, at_us,
        battery_percent=percent, standing=bool(kinds), unread=unread,
    )  # fmt: skip


def _fix(data: bytes, at_us: int | None) -> Fix | None:
    """The position; minutes with four decimals, to the nearest 10^-7 degree (half away from zero)."""
    lat, lon = data[6:10].hex(), data[11:16].hex()
    flags, motion = data[15] & 0x0F, data[16:19].hex()
    lat_minutes_e4, lon_minutes_e4 = int(lat[2:8]), int(lon[3:9])
    if lat_minutes_e4 >= 600_000 or lon_minutes_e4 >= 600_000:
        return None
    lat_e7 = int(lat[:2]) * E7 + (lat_minutes_e4 * 100 + 3) // 6
    lon_e7 = int(lon[:3]) * E7 + (lon_minutes_e4 * 100 + 3) // 6
    course_deg = int(motion[3:6])
    return fix(
        lat_e7 if flags & NORTH else -lat_e7, lon_e7 if flags & EAST else -lon_e7, at_us, bool(flags & VALID),
        speed_kmh=int(motion[0:3]) * KMH_PER_KNOT, course_deg=float(course_deg) if course_deg <= 360 else None,
    )  # fmt: skip


def battery_of(value: int) -> tuple[float | None, tuple[str, ...]]:
    """Percent: 1 to 3 are steps of ten from nothing on, 4 to 6 steps of twenty, 7 to 100 percent; 0 says nothing.

    0xF1 to 0xF6 are levels of which nobody says what they hold.
    """
    if 1 <= value <= 6:
        return float((value - 1) * (10 if value <= 3 else 20)), ()
    if 7 <= value <= 100:
        return float(value), ()
    return None, (f"battery level {value:#04x}",) if value else ()
