"""GT06: Concox / Jimi and the clones (GT06, GK301/GK310, LL301/LL303, JM-, VL-, JC- families, SEEWORLD, VXT01).

Paper: "GPS Tracker Communication Protocol (GT06)" of Concox and the descriptions of its families, as gathered in
the dossier ``gt06.md``. TCP, big-endian, the device is the client. This file delimits and answers; what a message
says is read in ``gt06_content.py``, where it may say alarm in ``gt06_alarms.py``. Witnesses in ``tests/vectors/gt06.json``:

- two headers, 7878 (one length byte) and 7979 (two): ``gt06-position``, ``gt06-voltage``
- a zone in the login makes later times local: ``gt06-zone-east``, ``gt06-zone-west``
- Wi-Fi frames of the Topin dialect on the same port, without checksum: ``gt06-wifi-topin``
- models that use alarm codes differently (settings): ``gt06-model-vl103-tow``, ``gt06-model-lw4g-accident``

Not supported: commands to the device (0x80), photos and OBD data (0x35, 0x36, 0x8C: accepted, not interpreted).
"""

import enum
import re
from collections.abc import Iterator
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Frame, Kind, Report
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings, refused
from gateway.protocols.gt06_alarms import dialect_of
from gateway.protocols.gt06_content import report_untrusted
from gateway.protocols.octets import bcd_digits, civil_of, crc16_x25, luhn_holds, u16be
from gateway.protocols.wifi_scan import scan_bytes, scan_report

NAME: Final = "gt06"
SHORT, LONG = b"\x78\x78", b"\x79\x79"
HEADER: Final = re.compile(SHORT + b"|" + LONG)
TAIL: Final = b"\x0d\x0a"

LENGTH_MIN: Final = 5
"Type 1, serial 2, checksum 2; the length field counts from the type to the checksum."
LENGTH_LONG_MAX: Final = 8_192
"Photo and OBD frames stay under 2 KiB; nobody sends longer ones than this."
FRAME_BYTES_MAX: Final = 2 + 2 + LENGTH_LONG_MAX + 2
NESTED_MAX: Final = 8
"Candidates with a wrong checksum that may begin inside one another before the outermost is dropped whole: bounds the work."

LOGIN: Final = 0x01
ANSWERED: Final = frozenset((LOGIN, 0x13, 0x16, 0x19, 0x23, 0x26, 0x27))
"Types whose device repeats or reboots when it hears nothing. 0x80-0x82 are our own commands echoed: never answered."
CLOCK_REQUEST, ADDRESS_REQUEST, ADDRESS_ANSWER = 0x8A, 0x2A, 0x97
TOPIN_TYPES: Final = (0x17, 0x69)
"Scans of the Topin dialect, which some devices send to a GT06 port."
NO_ADDRESS: Final = b"NA&&NA&&0##"


class Shape(enum.Enum):
    """What bytes that begin like a frame turn out to be."""

    WAIT = "more bytes are needed"
    NOISE = "no frame begins here"
    FRAME = "delimited, and carries its own checksum"
    SPOILT = "delimited, but the checksum is wrong"
    WIFI = "a Wi-Fi frame of the Topin dialect: no checksum, no serial number"


def shape_untrusted(data: bytes, at: int) -> tuple[Shape, int]:
    """What begins with the header at ``at``, and how many bytes it has (0 unless delimited).

    A frame is believed by its length, its tail and its checksum together; nobody searches for the tail, because
    coordinates and serial numbers may look like one.
    """
    left = len(data) - at
    prefix = 3 if data[at : at + 2] == SHORT else 4
    if left < prefix:
        return Shape.WAIT, 0
    length = data[at + 2] if prefix == 3 else u16be(data, at + 2)
    size = prefix + length + 2
    if LENGTH_MIN <= length <= LENGTH_LONG_MAX:
        if left < size:
            return Shape.WAIT, 0
        if data[at + size - 2 : at + size] == TAIL:
            right = crc16_x25(data[at + 2 : at + size - 4]) == u16be(data, at + size - 4)
            return (Shape.FRAME if right else Shape.SPOILT), size
    return _topin_shape(data, at, left) if prefix == 3 else (Shape.NOISE, 0)


def _topin_shape(data: bytes, at: int, left: int) -> tuple[Shape, int]:
    if left < 4:
        return Shape.WAIT, 0
    if data[at + 3] not in TOPIN_TYPES:
        return Shape.NOISE, 0
    size = scan_bytes(data, at)
    if size is None or left < size:
        return Shape.WAIT, 0
    return (Shape.WIFI, size) if size and data[at + size - 2 : at + size] == TAIL else (Shape.NOISE, 0)


def _topin_whole(raw: bytes) -> bool:
    """One whole Wi-Fi frame of the Topin dialect, and nothing else."""
    return raw[:2] == SHORT and _topin_shape(raw, 0, len(raw)) == (Shape.WIFI, len(raw))


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


class Session:
    """One connection of a GT06 device."""

    def __init__(self, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None) -> None:
        self.transport = transport
        self.settings = settings
        self.device: str | None = None
        self.zone_s = 0
        "Local time minus UTC, as the login said."
        self.skipped_bytes = 0
        self._buffer = b""
        self._start = 0
        "Where the unread part of the buffer begins; the two below count from here."
        self._claimed = 0
        "Bytes that a refused frame has already accounted for."
        self._nested = 0
        self._looked = 0
        "How far an incomplete frame was searched for whole ones behind its header."

    # ------------------------------------------------------------------------------------------ the stream

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer) - self._start

    def receive(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._buffer = self._buffer[self._start :] + data
        self._start = 0

    def frames(self, now_us: int) -> Iterator[Frame]:
        """Every frame that is complete by now. One that has begun is waited for, but never hides a whole one behind it."""
        while True:
            self._skip(_header_from(self._buffer, self._start) - self._start)
            if len(self._buffer) - self._start < 2:
                return
            shape, size = shape_untrusted(self._buffer, self._start)
            raw = self._buffer[self._start : self._start + size]
            if shape is Shape.WAIT:
                hidden = self._whole_frame_behind()
                if not hidden:
                    return
                self._skip(hidden)
            elif shape is Shape.NOISE:
                self._skip(1)
            elif shape is Shape.SPOILT:
                self._claimed = max(self._claimed, size)
                self._nested += 1
                self._skip(1 if self._nested < NESTED_MAX else size)
                yield self.read(raw, now_us)
            else:
                self._start += size
                self._claimed = self._nested = self._looked = 0
                yield self.read(raw, now_us)

    def _skip(self, count: int) -> None:
        self._start += count
        self.skipped_bytes += max(0, count - self._claimed)
        self._claimed = max(0, self._claimed - count)
        self._looked = max(0, self._looked - count)
        if not self._claimed:
            self._nested = 0

    def _whole_frame_behind(self) -> int:
        """How far ahead a whole short frame begins inside the one that is still incomplete; 0 if none does.

        A header made by noise may promise kilobytes that never come; an alarm behind it must not wait for them.
        """
        at = self._buffer.find(SHORT, self._start + max(1, self._looked))
        while at >= 0:
            shape, _ = shape_untrusted(self._buffer, at)
            if shape is Shape.FRAME:
                return at - self._start
            if shape is Shape.WAIT:
                self._looked = at - self._start
                return 0
            at = self._buffer.find(SHORT, at + 1)
        self._looked = len(self._buffer) - self._start - 1
        return 0

    # ---------------------------------------------------------------------------------------- one message

    def read(self, raw: bytes, now_us: int) -> Frame:
        """One whole message. Never raises for what it holds."""
        try:
            require_frame_untrusted(raw)
        except FrameError as error:
            if _topin_whole(raw):
                return self._read_topin(raw)
            return refused(NAME, self.transport, raw, error, self.device, self._unverified(raw, error))
        kind_at = 3 if raw[0] == SHORT[0] else 4
        try:
            if raw[kind_at] == LOGIN:
                reports: tuple[Report, ...] = (self._login_untrusted(raw, kind_at),)
            else:
                reports = self._reports_untrusted(raw, kind_at)
        except FrameError as error:
            return refused(NAME, self.transport, raw, error, self.device)
        return Frame(NAME, self.transport, raw, self.device, reports, reply_to(raw, kind_at, now_us))

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
        if self.device is None:
            raise FrameError(Reason.IDENTITY, kind_at, f"message 0x{raw[kind_at]:02x} before a login")
        offset_s = self.zone_s if self.settings.clock_offset_s is None else self.settings.clock_offset_s
        report = report_untrusted(raw, kind_at, dialect_of(self.settings.model), offset_s)
        return () if report is None else (report,)

    def _unverified(self, raw: bytes, error: FrameError) -> Report | None:
        """The alarm that is readable in spite of a wrong checksum. A code that nobody knows is no such alarm."""
        kind_at = 3 if raw[:2] == SHORT else 4
        if error.reason is not Reason.CHECKSUM or raw[kind_at] == LOGIN:
            return None
        try:
            reports = self._reports_untrusted(raw, kind_at)
        except FrameError:
            return None
        return next((report for report in reports if report.kinds & LIFE & ~Kind.UNKNOWN_ALARM), None)

    def _read_topin(self, raw: bytes) -> Frame:
        if self.device is None:
            error = FrameError(Reason.IDENTITY, 3, f"message 0x{raw[3]:02x} before a login")
            return refused(NAME, self.transport, raw, error)
        offset_s = self.zone_s if self.settings.clock_offset_s is None else self.settings.clock_offset_s
        return Frame(NAME, self.transport, raw, self.device, (scan_report(raw, offset_s),), raw[:10] + TAIL)


def _header_from(data: bytes, start: int) -> int:
    """Where the next header begins; where half of one stands at the end; else the end."""
    found = HEADER.search(data, start)
    if found:
        return found.start()
    return len(data) - (len(data) > start and data[-1:] in (b"\x78", b"\x79"))


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
    return {Shape.FRAME: 100, Shape.SPOILT: 60, Shape.WIFI: 55, Shape.WAIT: 30, Shape.NOISE: 0}[shape]
