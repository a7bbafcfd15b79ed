"""Xexun's third, binary protocol, over TCP: the reference decoder.

Paper: none is public; what is known rests on recorded frames. Numbers are big-endian, coordinates are decimal degrees. A frame has a
length and a CRC over everything but its marks. Witnesses in ``tests/vectors/xexun3.json``:

* A data frame holds elements: place, status, and one for each alarm (``sos``, ``sos-and-low-battery``). An element that comes again
  begins the next record (``records-two``); alarms that follow one another belong together.
* An alarm has its own time; the place has another (``sos-later-than-place``).
* Data frames are answered, everything else is not (``command``).

Not supported: what the elements of access points and cells hold behind their time (``network``): nobody documented it.
"""

import math
import re
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Fix, Kind, Report
from gateway.protocols.fields import E7, fix
from gateway.protocols.octets import crc16_ccitt_false, luhn_holds, u16be, u32be
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "xexun3"

START, END, VERSION = 0xFC, 0xCF, 0x03
AROUND_BYTES: Final = 6
"Start, length u16, CRC u16, end: what the length does not count."
LENGTH_MIN, LENGTH_MAX = 11, 2048
"Version, type, index, IMEI; and a guard."
HEADER_BYTES: Final = 14
"Start and length as well."

DATA, COMMAND = 0x20, 0x21
OPENING: Final = re.compile(rb"\xfc(?:[\x00-\x08](?:.(?:\x03.?)?)?)?", re.DOTALL)
"As much of start, length, version and type as there is."
PLACE, WIFI, CELL, ALARM, STATUS = 0x64, 0x65, 0x66, 0x69, 0x6A
PLACE_LAYOUT: Final = struct.Struct(">IddfBBBH")
"Unix seconds, latitude, longitude, metres, ephemeris, satellites, signal, km/h. Newer devices put more behind it."
STATUS_BYTES_MIN: Final = 7
"battery percent u8, net time u16, GSM u8, number u8, motion u8, charging u8, and more that says nothing of ours."

ALARMS: Final = {
    1: Kind.SOS_BUTTON, 2: Kind.BATTERY_LOW, 4: Kind.STRAP_CUT, 5: Kind.MOVEMENT, 7: Kind.FALL, 8: Kind.ACCIDENT, 11: Kind.POWER_RESTORED,
    12: Kind.POWER_CUT, 13: Kind.POWER_ON, 14: Kind.POWER_OFF, 15: Kind.DOOR, 16: Kind.DOOR,
}  # fmt: skip


class Element(NamedTuple):
    """One element of a data frame."""

    kind: int
    value: bytes


class Session(StreamSession):
    """One connection of a tracker.

    0 FC
    1 bytes from the version to the last element u16
    3 version 03
    4 type u8
    5 index u8
    6 IMEI: a nibble 0, 15 digits
    14 elements (kind u8, length u8, value)
    then CRC-16/CCITT-FALSE from the version on u16, CF
    """

    NAME = NAME
    STARTS = re.compile(rb"\xfc")
    PROMISES_LENGTH = True

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A frame by its version, its length, its end and its checksum."""
        left = len(data) - at
        if left < 4:
            return Shape.WAIT, 0
        length = u16be(data, at + 1)
        size = length + AROUND_BYTES
        if not LENGTH_MIN <= length <= LENGTH_MAX or data[at + 3] != VERSION:
            return Shape.NOISE, 1
        if left < size:
            return Shape.WAIT, 0
        if data[at + size - 1] != END:
            return Shape.NOISE, 1
        is_right = crc16_ccitt_false(data[at + 3 : at + size - 3]) == u16be(data, at + size - 3)
        return (Shape.FRAME if is_right else Shape.SPOILT), size

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """The records of a data frame, and its answer."""
        require_frame_untrusted(raw)
        imei = imei_of(raw)
        if imei is None:
            raise FrameError(Reason.IDENTITY, 6, "a nibble 0 and the 15 digits of an IMEI expected")
        kind = raw[4]
        if kind != DATA:
            self.device = imei
            return Content((Report(Kind.DEVICE_ACK if kind == COMMAND else Kind.HEARTBEAT, sequence=raw[5], unread=unread_of(kind)),))
        elements, end = elements_until(raw[HEADER_BYTES:-3])
        if end < len(raw) - HEADER_BYTES - 3:
            raise FrameError(Reason.LENGTH, HEADER_BYTES + end, "an element reaches beyond the frame")
        self.device = imei
        return Content(tuple(report_of(record, raw[5]) for record in records_of(elements)), answer_to(raw))

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """The first record with an alarm for life in a data frame that is damaged."""
        if error.reason not in (Reason.CHECKSUM, Reason.LENGTH) or raw[3:5] != bytes((VERSION, DATA)):
            return None
        elements, _ = elements_until(raw[HEADER_BYTES:])
        reports = (report_of(record, None) for record in records_of(elements))
        return next((report for report in reports if report.kinds & LIFE), None)

    def named(self, raw: bytes) -> str | None:
        """The header's identity, if that still has its check digit."""
        imei = imei_of(raw)
        return imei if imei and luhn_holds(imei) else None


def recognise(data: bytes) -> int:
    """How surely these first bytes are Xexun's third protocol: 95 with a whole frame and its checksum, 0 when they cannot be."""
    if not OPENING.fullmatch(data[:5]):
        return 0
    if len(data) < HEADER_BYTES:
        return 20
    length = u16be(data, 1)
    if not LENGTH_MIN <= length <= LENGTH_MAX or imei_of(data) is None:
        return 0
    frame = data[: length + AROUND_BYTES]
    if len(frame) < length + AROUND_BYTES:
        return 80 if data[4] in (DATA, COMMAND) else 20
    return 95 if frame[-1] == END and crc16_ccitt_false(frame[3:-3]) == u16be(frame, len(frame) - 3) else 50


def require_frame_untrusted(raw: bytes) -> None:
    """Raise ``FrameError`` unless ``raw`` is one whole frame with its own checksum."""
    if raw[:1] != bytes((START,)):
        raise FrameError(Reason.FRAMING, 0, "does not begin with fc")
    if len(raw) < LENGTH_MIN + AROUND_BYTES:
        raise FrameError(Reason.LENGTH, len(raw), f"{len(raw)} bytes; a frame has at least {LENGTH_MIN + AROUND_BYTES}")
    length = u16be(raw, 1)
    if length > LENGTH_MAX:
        raise FrameError(Reason.LENGTH, 1, f"a length of {length}; at most {LENGTH_MAX} is possible")
    if len(raw) != length + AROUND_BYTES:
        raise FrameError(Reason.LENGTH, 1, f"the frame says {length} bytes, it holds {len(raw) - AROUND_BYTES}")
    if raw[3] != VERSION:
        raise FrameError(Reason.UNSUPPORTED, 3, f"version {raw[3]}")
    if raw[-1] != END:
        raise FrameError(Reason.FRAMING, len(raw) - 1, "does not end in cf")
    carried, computed = u16be(raw, len(raw) - 3), crc16_ccitt_false(raw[3:-3])
    if carried != computed:
        raise FrameError(Reason.CHECKSUM, len(raw) - 3, f"frame says {carried:04x}, its bytes give {computed:04x}")


def imei_of(raw: bytes) -> str | None:
    """The fifteen digits behind a nibble 0, or None when they are none."""
    digits = raw[6:14].hex()
    return digits[1:] if len(digits) == 16 and digits.isdigit() and digits[0] == "0" else None


def answer_to(raw: bytes) -> bytes:
    """One byte 0 under the frame's own type, index and IMEI."""
    body = raw[3:HEADER_BYTES] + b"\x00"
    return bytes((START,)) + len(body).to_bytes(2, "big") + body + crc16_ccitt_false(body).to_bytes(2, "big") + bytes((END,))


def unread_of(kind: int) -> tuple[str, ...]:
    """What a frame without data holds and nobody reads."""
    return () if kind == COMMAND else (f"type 0x{kind:02x}",)


# ------------------------------------------------------------------------------------------------------- elements


def elements_until(data: bytes) -> tuple[list[Element], int]:
    """The elements, and where they end: before the end of the data when one reaches beyond it."""
    elements, at = [], 0
    while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
        elements.append(Element(data[at], data[at + 2 : at + 2 + data[at + 1]]))
        at += 2 + data[at + 1]
    return elements, at


def records_of(elements: Sequence[Element]) -> Iterator[list[Element]]:
    """The elements of each record. There is always one, even if it says nothing."""
    record: list[Element] = []
    for element in elements:
        is_further_alarm = element.kind == ALARM and record and record[-1].kind == ALARM
        if not is_further_alarm and any(element.kind == other.kind for other in record):
            yield record
            record = []
        record.append(element)
    yield record


def report_of(record: Sequence[Element], sequence: int | None) -> Report:
    """One record. What is too short for what it should hold is named, and the rest stays."""
    values = dict(record)
    unread = [f"element 0x{kind:02x}" for kind in values if kind not in (PLACE, ALARM, STATUS)]
    kinds, alarm_at_us = alarms_of(record, unread)
    place = place_of(values.get(PLACE), unread)
    status = values.get(STATUS)
    if status is not None and len(status) < STATUS_BYTES_MIN:
        unread.append("element 0x6a cut short")
    times = [unix_us(value) for kind, value in record if kind in (PLACE, WIFI, CELL)]
    at_us = alarm_at_us if alarm_at_us is not None else next((time for time in times if time is not None), None)
    return Report(
        kinds or (Kind.POSITION if place else Kind.HEARTBEAT), place, at_us, sequence,
        battery_percent=float(status[0]) if status and status[0] <= 100 else None,
        charging=bool(status[6]) if status and len(status) >= STATUS_BYTES_MIN and status[6] != 0xFF else None, unread=tuple(unread),
    )  # fmt: skip


def alarms_of(record: Sequence[Element], unread: list[str]) -> tuple[Kind, int | None]:
    """Every alarm of a record (Unix seconds u32, alarm u8, length u8, data), and when the first one was. An unknown one is an alarm."""
    kinds, at_us = NO_KIND, None
    for value in (value for kind, value in record if kind == ALARM):
        number = value[4] if len(value) > 4 else None
        if number is None:
            unread.append("element 0x69 cut short")
        elif number not in ALARMS:
            unread.append(f"alarm {number}")
        kinds |= Kind.UNKNOWN_ALARM if number is None else ALARMS.get(number, Kind.UNKNOWN_ALARM)
        at_us = unix_us(value) if at_us is None else at_us
    return kinds, at_us


def place_of(value: bytes | None, unread: list[str]) -> Fix | None:
    """The position."""
    if value is None:
        return None
    if len(value) < PLACE_LAYOUT.size:
        unread.append("element 0x64 cut short")
        return None
    _, lat, lon, altitude_m, _, satellites, _, speed_kmh = PLACE_LAYOUT.unpack_from(value)
    found = fix(
        degrees_e7(lat), degrees_e7(lon), unix_us(value), True, altitude_m=round(altitude_m, 1) if math.isfinite(altitude_m) else None,
        speed_kmh=float(speed_kmh), satellites=satellites,
    )  # fmt: skip
    if found is None and (lat, lon) != (0.0, 0.0):
        unread.append("place outside the globe")
    return found


def unix_us(value: bytes) -> int | None:
    """The Unix seconds u32 with which a value begins; None when they are not there or the clock was never set."""
    return u32be(value, 0) * 1_000_000 or None if len(value) >= 4 else None


def degrees_e7(value: float) -> int | None:
    """Decimal degrees x 10^7."""
    return round(value * E7) if math.isfinite(value) and abs(value) <= 180 else None
