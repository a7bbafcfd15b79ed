"""GT06: Concox / Jimi and the clones (GT06, GK301/GK310, LL301/LL303, JM-, VL-, JC- families, SEEWORLD, VXT01).

Paper: "GPS Tracker Communication Protocol (GT06)" of Concox and the descriptions of its families. TCP, big-endian, the device is
the client. This file delimits and answers; what a message says is read in ``gt06_content.py``, where it may say alarm in
``gt06_alarms.py``. Witnesses in ``tests/vectors/gt06.json``:

- two headers, 7878 (one length byte) and 7979 (two): ``gt06-position``, ``gt06-voltage``
- a zone in the login makes later times local: ``gt06-zone-east``, ``gt06-zone-west``
- Wi-Fi frames of the Topin dialect on the same port, without checksum: ``gt06-wifi-topin``
- models that use alarm codes differently (settings): ``gt06-model-vl103-tow``, ``gt06-model-lw4g-accident``

Not supported: photos and OBD data (0x35, 0x36, 0x8C: accepted, not interpreted). Commands: ``gt06_orders.py``.
"""

import re
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Kind, Report
from gateway.protocols.gt06_alarms import dialect_of
from gateway.protocols.gt06_content import report_untrusted
from gateway.protocols.octets import bcd_digits, civil_of, crc16_x25, luhn_holds, u16be
from gateway.protocols.stream import Content, Shape, StreamSession
from gateway.protocols.wifi_scan import scan_bytes, scan_report

SHORT, LONG = b"\x78\x78", b"\x79\x79"
TAIL: Final = b"\x0d\x0a"

LENGTH_MIN: Final = 5
"Type 1, serial 2, checksum 2; the length field counts from the type to the checksum."
LENGTH_LONG_MAX: Final = 8_192
"Photo and OBD frames stay under 2 KiB; nobody sends longer ones than this."
FRAME_BYTES_MAX: Final = 2 + 2 + LENGTH_LONG_MAX + 2

LOGIN: Final = 0x01
ANSWERED: Final = frozenset((LOGIN, 0x13, 0x16, 0x19, 0x23, 0x26, 0x27))
"Types whose device repeats or reboots when it hears nothing. 0x80-0x82 are our own commands echoed: never answered."
CLOCK_REQUEST, ADDRESS_REQUEST, ADDRESS_ANSWER = 0x8A, 0x2A, 0x97
TOPIN_TYPES: Final = (0x17, 0x69)
"Scans of the Topin dialect, which some devices send to a GT06 port."
NO_ADDRESS: Final = b"NA&&NA&&0##"


def shape_untrusted(data: bytes, at: int, is_behind: bool = False) -> tuple[Shape, int]:
    """What begins at ``at`` with 78 or 79, and how many bytes it has.

    Behind the beginning of an incomplete frame (``is_behind``) only short frames with a checksum count: the others may
    promise kilobytes themselves, or prove nothing.
    """
    if len(data) - at < 2:
        return Shape.WAIT, 0
    header = data[at : at + 2]
    if header != SHORT and (header != LONG or is_behind):
        return Shape.NOISE, 1
    shape, size = _checked_shape(data, at)
    return _topin_shape(data, at) if shape is Shape.NOISE and header == SHORT and not is_behind else (shape, size)


def _checked_shape(data: bytes, at: int) -> tuple[Shape, int]:
    """What begins with the header at ``at``.

    A frame is believed by its length, its tail and its checksum together; nobody searches for the tail, because
    coordinates and serial numbers may look like one.
    """
    left = len(data) - at
    prefix = 3 if data[at : at + 2] == SHORT else 4
    if left < prefix:
        return Shape.WAIT, 0
    length = data[at + 2] if prefix == 3 else u16be(data, at + 2)
    size = prefix + length + 2
    if not LENGTH_MIN <= length <= LENGTH_LONG_MAX:
        return Shape.NOISE, 1
    if left < size:
        return Shape.WAIT, 0
    if data[at + size - 2 : at + size] != TAIL:
        return Shape.NOISE, 1
    right = crc16_x25(data[at + 2 : at + size - 4]) == u16be(data, at + size - 4)
    return (Shape.FRAME if right else Shape.SPOILT), size


def _topin_shape(data: bytes, at: int) -> tuple[Shape, int]:
    """A scan of the Topin dialect, whose length follows from its two counts. It has no checksum."""
    left = len(data) - at
    if left < 4:
        return Shape.WAIT, 0
    if data[at + 3] not in TOPIN_TYPES:
        return Shape.NOISE, 1
    size = scan_bytes(data, at)
    if size is None or left < size:
        return Shape.WAIT, 0
    return (Shape.FRAME, size) if size and data[at + size - 2 : at + size] == TAIL else (Shape.NOISE, 1)


def _is_topin(raw: bytes) -> bool:
    """One whole scan of the Topin dialect, and nothing else."""
    return raw[:2] == SHORT and _topin_shape(raw, 0) == (Shape.FRAME, len(raw))


def require_frame_untrusted(raw: bytes) -> None:
    """Raise ``FrameError`` unless ``raw`` is exactly one frame with header, length, tail and checksum."""
    if raw[:2] not in (SHORT, LONG):
        raise FrameError(Reason.FRAMING, 0, "starts with neither 7878 nor 7979")
    prefix = 3 if raw[:2] == SHORT else 4
    if len(raw) < prefix:
        raise FrameError(Reason.LENGTH, len(raw), "ends inside the length field")
    length = raw[2] if prefix == 3 else u16be(raw, 2)
    if not LENGTH_MIN <= length <= LENGTH_LONG_MAX:
        raise FrameError(Reason.LENGTH, 2, f"length field: {LENGTH_MIN} to {LENGTH_LONG_MAX} expected, {length} found")
    size = prefix + length + 2
    if len(raw) != size:
        raise FrameError(Reason.LENGTH, 2, f"length field promises {size} bytes, {len(raw)} found")
    if raw[-2:] != TAIL:
        raise FrameError(Reason.FRAMING, size - 2, "does not end in 0d0a")
    carried, computed = u16be(raw, size - 4), crc16_x25(raw[2 : size - 4])
    if carried != computed:
        raise FrameError(Reason.CHECKSUM, size - 4, f"frame says {carried:04x}, its bytes give {computed:04x}")


class Session(StreamSession):
    """One connection of a GT06 device."""

    NAME = "gt06"
    STARTS = re.compile(rb"[\x78\x79]")
    PROMISES_LENGTH = True

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """See ``shape_untrusted``."""
        return shape_untrusted(data, at, self.is_behind(at))

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """One whole frame, or a Wi-Fi frame of the Topin dialect."""
        try:
            require_frame_untrusted(raw)
        except FrameError:
            if not _is_topin(raw):
                raise
            return self._topin_untrusted(raw)
        kind_at = 3 if raw[0] == SHORT[0] else 4
        reports = (self._login_untrusted(raw, kind_at),) if raw[kind_at] == LOGIN else self._reports_untrusted(raw, kind_at)
        return Content(reports, reply_to(raw, kind_at, now_us))

    def _login_untrusted(self, raw: bytes, kind_at: int) -> Report:
        """``IMEI 8 (BCD, 16 digits, the first one 0) [type code 2 [zone and language 2]]``."""
        at = kind_at + 1
        content = raw[at:-6]
        if len(content) < 8:
            raise FrameError(Reason.LENGTH, at, f"a login holds 8 bytes of identity, {len(content)} found")
        digits = bcd_digits(content[:8])
        if digits is None or not digits.strip("0"):
            raise FrameError(Reason.IDENTITY, at, "the identity is not 16 decimal digits" if digits is None else "the identity is all zeros")
        self.device = digits[1:] if digits[0] == "0" else digits
        unread: tuple[str, ...] = () if digits[0] == "0" and luhn_holds(self.device) else ("identity without the check digit of an IMEI",)
        self.zone_s = 0
        if len(content) >= 12:
            word = u16be(content, 10)
            hours, minutes = divmod(word >> 4, 100)
            if hours <= 14 and minutes < 60:
                self.zone_s = (hours * 3600 + minutes * 60) * (-1 if word & 0x08 else 1)
            else:
                unread += (f"time zone 0x{word:04x}",)
        return Report(Kind.LOGIN, sequence=u16be(raw, len(raw) - 6), unread=unread)

    def _reports_untrusted(self, raw: bytes, kind_at: int) -> tuple[Report, ...]:
        self._require_login(raw, kind_at)
        report = report_untrusted(raw, kind_at, dialect_of(self.settings.model), self.offset_s)
        return () if report is None else (report,)

    def _topin_untrusted(self, raw: bytes) -> Content:
        self._require_login(raw, 3)
        return Content((scan_report(raw, self.offset_s),), raw[:10] + TAIL)

    def _require_login(self, raw: bytes, kind_at: int) -> None:
        if self.device is None:
            raise FrameError(Reason.IDENTITY, kind_at, f"message 0x{raw[kind_at]:02x} before a login")

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """The alarm that is readable in spite of a wrong checksum. A code that nobody knows is no such alarm."""
        kind_at = 3 if raw[:2] == SHORT else 4
        if error.reason is not Reason.CHECKSUM or raw[kind_at] == LOGIN:
            return None
        try:
            reports = self._reports_untrusted(raw, kind_at)
        except FrameError:
            return None
        return next((report for report in reports if report.kinds & LIFE & ~Kind.UNKNOWN_ALARM), None)


# ------------------------------------------------------------------------------------------------- the answers


def frame_of(kind: int, content: bytes, serial: bytes, long: bool = False) -> bytes:
    """A whole frame around ``content``, checksum and all."""
    length = 5 + len(content)
    body = (length.to_bytes(2, "big") if long else bytes((length,))) + bytes((kind,)) + content + serial
    return (LONG if long else SHORT) + body + crc16_x25(body).to_bytes(2, "big") + TAIL


def reply_to(raw: bytes, kind_at: int, now_us: int) -> bytes | None:
    """What the protocol wants back for a believed frame; the serial number is the frame's own."""
    kind, serial = raw[kind_at], raw[-6:-4]
    if kind in ANSWERED:
        return frame_of(kind, b"", serial)
    if kind == CLOCK_REQUEST:
        return frame_of(kind, clock_bytes(now_us), serial)
    if kind == ADDRESS_REQUEST:
        return frame_of(ADDRESS_ANSWER, bytes((len(NO_ADDRESS), 0, 0, 0, 0)) + NO_ADDRESS, serial, long=True)
    return None


def clock_bytes(now_us: int) -> bytes:
    """``yy mm dd hh mm ss`` in UTC, one binary byte each."""
    now = civil_of(now_us)
    return bytes((now.year % 100, now.month, now.day, now.hour, now.minute, now.second))


def recognise(data: bytes) -> int:
    """How surely these first bytes are GT06: 100 with a whole frame and its checksum, 0 when they cannot be."""
    if data[:2] not in (SHORT, LONG):
        return 5 if data in (b"\x78", b"\x79") else 0
    shape, _ = shape_untrusted(data, 0)
    if shape is Shape.FRAME:
        return 100 if _checked_shape(data, 0)[0] is Shape.FRAME else 55
    return {Shape.SPOILT: 60, Shape.WAIT: 30, Shape.NOISE: 0}[shape]
