"""Topin: SOS pendants, watches and mini trackers of ZhongXun Topin (A9, GF-07, GF-09, KH-909) and their many copies.

Paper: the maker's communication protocol of these devices. TCP, big-endian. It looks like GT06 and has neither checksum nor
serial number, and its length byte counts what it likes; so a frame ends where its type lets it end. Witnesses in ``tests/vectors/topin.json``:

- the SOS frame has no content, no place and no time: ``sos``; some send a few bytes in it: ``sos-with-bytes``
- a position may have an altitude and alarm bits behind it: ``gps-alarm-all-bits``; in others it ends without: ``gps-live``
- families whose position has degrees and millionths instead of the GPS block: ``plain-south-west``
- a login with and without a version byte: ``login``, ``login-without-version``

Not supported: commands to the device (0x80, 0x81 and others); the settings that 0x13 repeats.
"""

import re
from dataclasses import replace
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import NO_KIND, Kind, Report
from gateway.protocols import fields
from gateway.protocols.gps_block import GPS_BYTES, gps_report, time_of
from gateway.protocols.octets import bcd_digits, civil_of, crc16_x25, luhn_holds, u16be
from gateway.protocols.stream import Content, Shape, StreamSession
from gateway.protocols.wifi_scan import scan_bytes, scan_report

NAME: Final = "topin"
HEADER, TAIL = b"\x78\x78", b"\x0d\x0a"
FRAME_BYTES_MAX: Final = 300
CONTENT_AT: Final = 4

LOGIN, KEEP_ALIVE, STATUS, CLOCK_REQUEST, VIBRATION, SOS = 0x01, 0x08, 0x13, 0x30, 0x94, 0x99
PLAIN_TYPES, GPS_TYPES = (0x08, 0x09), (0x10, 0x11)
SCAN_TYPES: Final = (0x17, 0x18, 0x19, 0x1A, 0x69)
STORED_TYPES: Final = frozenset((0x09, 0x11, 0x17, 0x19))
"Their devices could not send when it happened."
SHORT_TYPES: Final = frozenset((0x14, 0x15, CLOCK_REQUEST, 0x41, 0x92, 0x93, VIBRATION, SOS))
SHORT_CONTENT_MAX: Final = 16
"What they carry is nothing, or a few bytes that nobody described."
STATUS_CONTENT: Final = (4, 13)

PLAIN_BYTES: Final = 25
SIZES: Final = {
    # type: how many bytes its content may have, fewest first
    LOGIN: (8, 9),
    **dict.fromkeys(PLAIN_TYPES, (0, PLAIN_BYTES)),
    **dict.fromkeys(GPS_TYPES, (GPS_BYTES, GPS_BYTES + 3)),
}
LEAST: Final = {LOGIN: 8, **dict.fromkeys(GPS_TYPES, GPS_BYTES), STATUS: STATUS_CONTENT[0]}
"Where the search for the tail of a frame begins that ends at none of its sizes."

ALARM_BITS: Final = ((0, Kind.VIBRATION), (1, Kind.OVERSPEED), (4, Kind.POWER_LOW))
KNOWN_BITS: Final = sum(1 << bit for bit, _ in ALARM_BITS)


# -------------------------------------------------------------------------------------------------- the splitter


def shape_untrusted(data: bytes, at: int, is_all: bool = False) -> tuple[Shape, int]:
    """What begins at ``at``: a frame ends at one of the sizes of its type, else at the first tail behind the least of them.

    The second way believes any bytes in between, so a frame that ends at the same tail by the first way comes before it.
    ``is_all``: no more bytes will come, so none are waited for.
    """
    left = len(data) - at
    if left > 1 and data[at + 1] != HEADER[1]:
        return Shape.NOISE, 1
    sizes = sizes_untrusted(data, at)
    for size in sizes or ():
        if left < CONTENT_AT + size + 2:
            if is_all:
                break
            return Shape.WAIT, 0
        if data[at + CONTENT_AT + size :].startswith(TAIL):
            return Shape.FRAME, CONTENT_AT + size + 2
    if sizes is None:
        return Shape.WAIT, 0
    kind = data[at + 3]
    least = CONTENT_AT + (scan_least(data, at) if kind in SCAN_TYPES else LEAST.get(kind, 0))
    size_max = CONTENT_AT + SHORT_CONTENT_MAX + 2 if kind in SHORT_TYPES else FRAME_BYTES_MAX
    tail_at = data.find(TAIL, at + least, at + size_max)
    if tail_at < 0:
        return (Shape.WAIT, 0) if left < size_max else (Shape.NOISE, 1)
    size = tail_at + 2 - at
    return (Shape.NOISE, 1) if _holds_a_frame(data[at : at + size]) else (Shape.FRAME, size)


def sizes_untrusted(data: bytes, at: int) -> tuple[int, ...] | None:
    """How many bytes the content of the frame at ``at`` may have, fewest first; None when more bytes must tell."""
    if len(data) - at < CONTENT_AT:
        return None
    if data[at + 3] not in SCAN_TYPES:
        return SIZES.get(data[at + 3], ())
    size = scan_bytes(data, at)
    return None if size is None else (size - CONTENT_AT - 2, size - CONTENT_AT - 1) if size else ()


def scan_least(data: bytes, at: int) -> int:
    """The fewest bytes that a scan with so many access points can have; they may be more than a frame."""
    return 6 + 7 * data[at + 2] + 4


def _holds_a_frame(raw: bytes) -> bool:
    """Does a frame of a known size begin inside these bytes and end with them?"""
    at = raw.find(HEADER, 1)
    while at >= 0:
        size = len(raw) - at
        kind_sizes = sizes_untrusted(raw, at) or ()
        if size >= CONTENT_AT + 2 and (size - CONTENT_AT - 2 in kind_sizes or (raw[at + 3] in SHORT_TYPES and size == CONTENT_AT + 2)):
            return True
        at = raw.find(HEADER, at + 1)
    return False


def recognise(data: bytes) -> int:
    """How surely these first bytes are Topin: 95 with a whole login, 0 when they cannot be or carry the checksum of GT06."""
    if not data.startswith(HEADER):
        return 5 if data == HEADER[:1] else 0
    if len(data) < CONTENT_AT:
        return 20
    known = data[3] in SIZES or data[3] in SCAN_TYPES or data[3] in SHORT_TYPES or data[3] == STATUS
    shape, size = shape_untrusted(data, 0)
    if not known or shape is Shape.NOISE or is_gt06(data):
        return 0
    if shape is Shape.WAIT:
        return 20
    if data[3] == LOGIN:
        digits = bcd_digits(data[CONTENT_AT : CONTENT_AT + 8])
        is_imei = digits is not None and digits[0] == "0" and luhn_holds(digits)
        return 0 if digits is None or size > CONTENT_AT + 9 + 2 else 95 if is_imei else 70
    return 55


def is_gt06(data: bytes) -> bool:
    """A whole GT06 frame: its length byte is right, and so is its checksum."""
    end = 3 + data[2]
    return data[2] >= 5 and len(data) >= end + 2 and data[end : end + 2] == TAIL and crc16_x25(data[2 : end - 2]) == u16be(data, end - 2)


# --------------------------------------------------------------------------------------------------- the session


class Session(StreamSession):
    """One connection of a Topin device."""

    NAME = NAME
    STARTS = re.compile(HEADER[:1])
    PROMISES_LENGTH = True

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        return shape_untrusted(data, at)

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """``78 78, length 1, type 1, content, 0d 0a``."""
        if not raw.startswith(HEADER):
            raise FrameError(Reason.FRAMING, 0, "does not start with 7878")
        if not raw.endswith(TAIL):
            raise FrameError(Reason.LENGTH, len(raw), "ends without 0d0a")
        if shape_untrusted(raw, 0, is_all=True) != (Shape.FRAME, len(raw)):
            raise FrameError(Reason.LENGTH, 2, f"a frame of its type does not have {len(raw)} bytes")
        kind, content = raw[3], raw[CONTENT_AT:-2]
        if kind == LOGIN:
            return Content((self._login_untrusted(content),), answer(raw, b"\x01") + clock_message(now_us))
        if self.device is None:
            raise FrameError(Reason.IDENTITY, 3, f"message 0x{kind:02x} before a login")
        if kind == CLOCK_REQUEST:
            return Content(reply=clock_message(now_us))
        report = replace(self._report_untrusted(raw, kind, content), stored=kind in STORED_TYPES)
        if kind == STATUS:
            return Content((report,), answer(raw, content))
        return Content((report,), answer(raw, content[:6]) if kind in GPS_TYPES or kind in SCAN_TYPES else None)

    def _login_untrusted(self, content: bytes) -> Report:
        """``IMEI 8 (BCD, 16 digits, the first one 0), [software version 1]``."""
        digits = bcd_digits(content[:8])
        if digits is None or not digits.strip("0"):
            raise FrameError(Reason.IDENTITY, CONTENT_AT, "the identity is not 16 decimal digits, or all zeros")
        self.device = digits[1:] if digits[0] == "0" else digits
        is_imei = digits[0] == "0" and luhn_holds(self.device)
        unread = () if is_imei else ("identity without the check digit of an IMEI",)
        return Report(Kind.LOGIN, unread=unread, firmware=str(content[8]) if len(content) > 8 else None)

    def _report_untrusted(self, raw: bytes, kind: int, content: bytes) -> Report:
        """What a message says, type by type."""
        offset_s = self.settings.clock_offset_s or 0
        if kind == SOS:
            return Report(Kind.SOS_BUTTON)
        if kind == VIBRATION:
            return Report(Kind.VIBRATION)
        if kind in GPS_TYPES:
            return gps_untrusted(content, offset_s)
        if kind in PLAIN_TYPES:
            return plain_untrusted(content, offset_s)
        if kind in SCAN_TYPES:
            return scan_untrusted(raw, offset_s)
        if kind == STATUS:
            percent = float(content[0]) if content[0] <= 100 else None
            firmware = str(content[1]) if len(content) > 1 else None
            return Report(Kind.HEARTBEAT, battery_percent=percent, unread=() if percent is not None else ("battery",), firmware=firmware)
        return Report(unread=(f"message 0x{kind:02x}",))


# --------------------------------------------------------------------------------------------------- the content


def kinds_of(bits: int) -> Kind:
    """Every alarm in the alarm byte. A bit that nobody described is an alarm."""
    kinds = Kind.UNKNOWN_ALARM if bits & ~KNOWN_BITS else NO_KIND
    for bit, kind in ALARM_BITS:
        if bits >> bit & 1:
            kinds |= kind
    return kinds


def gps_untrusted(content: bytes, offset_s: int) -> Report:
    """``GPS block 18, [altitude 2 in metres, alarm 1]``."""
    report = gps_report(content, 0, offset_s, is_dated=False)
    fix, kinds = report.fix, NO_KIND
    if fix and not fields.on_globe(fix.lat_e7, fix.lon_e7):
        fix = None
    if len(content) >= GPS_BYTES + 2 and fix:
        fix = replace(fix, altitude_m=float(int.from_bytes(content[GPS_BYTES : GPS_BYTES + 2], "big", signed=True)))
    if len(content) >= GPS_BYTES + 3:
        kinds = kinds_of(content[GPS_BYTES + 2])
    return replace(report, kinds=kinds or Kind.POSITION, fix=fix)


def plain_untrusted(content: bytes, offset_s: int) -> Report:
    """A position of 0x08 and 0x09; 0x08 without content is a keep-alive.

    - 6  year - 2000, month, day, hour, minute, second, one binary byte each
    - 4  latitude, 4  longitude, see ``millionths_e7``
    - 8  not described
    - 1  speed in km/h, 1  course / 2, 1  satellites
    """
    if not content:
        return Report(Kind.HEARTBEAT)
    if len(content) < PLAIN_BYTES:
        raise FrameError(Reason.LENGTH, CONTENT_AT, f"a position has {PLAIN_BYTES} bytes, {len(content)} found")
    at_us = time_of(content, 0, offset_s)
    course_deg = 2.0 * content[23]
    fix = fields.fix(
        millionths_e7(content, 6), millionths_e7(content, 10), at_us, True,
        speed_kmh=float(content[22]), course_deg=course_deg if course_deg <= 360 else None, satellites=content[24],
    )  # fmt: skip
    return Report(Kind.POSITION, fix, at_us, unread=() if at_us is not None else ("date of the position",))


def millionths_e7(content: bytes, at: int) -> int:
    """``degrees 1, sign 4 bits (0: north or east), millionths 20 bits`` as degrees x 10^7."""
    word = int.from_bytes(content[at + 1 : at + 4], "big")
    value_e7 = content[at] * fields.E7 + (word & 0xFFFFF) * 10
    return -value_e7 if word >> 20 else value_e7


def scan_untrusted(raw: bytes, offset_s: int) -> Report:
    """Access points and cells, perhaps with the alarm byte behind them. Counts that promise more than there is are no scan."""
    size = scan_bytes(raw, 0)
    if not size or size > len(raw):
        raise FrameError(Reason.LENGTH, 2, f"counts promise {size or 'too many'} bytes, {len(raw)} found")
    report = scan_report(raw, offset_s)
    kinds = kinds_of(raw[size - 2]) if len(raw) == size + 1 else NO_KIND
    unread: tuple[str, ...] = () if report.event_at_us is not None else ("date of the scan",)
    if len(raw) > size + 1:
        unread += ("what follows the scan",)
    return replace(report, kinds=kinds or Kind.POSITION, unread=unread)


# --------------------------------------------------------------------------------------------------- the answers


def answer(raw: bytes, content: bytes) -> bytes:
    """An answer under the received length byte and type."""
    return raw[:CONTENT_AT] + content + TAIL


def clock_message(now_us: int) -> bytes:
    """``78 78 07 30, year 2, month, day, hour, minute, second, 0d 0a`` in UTC."""
    now = civil_of(now_us)
    stamp = now.year.to_bytes(2, "big") + bytes((now.month, now.day, now.hour, now.minute, now.second))
    return HEADER + b"\x07\x30" + stamp + TAIL
