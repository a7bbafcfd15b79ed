"""Teltonika codec 7, 8, 8 extended and 16, over TCP and UDP: the reference decoder.

Paper: the maker's public wiki ("Codec", "Teltonika Data Sending Protocols", "TMT250 AVL ID", FMB AVL ID lists).
All integers are big-endian.

* TMT250 and the other personal trackers speak codec 8 and 8E; the button is AVL element 236, man down is 242
  (``tests/vectors/teltonika.json``: ``codec8e-sos``, ``codec16-man-down``, ``codec8-sos-in-a-batch``).
* GH3000 and GH5200 speak codec 7, where the button is element 222 (``codec7-sos``).
* Very old FM devices can be set to send a further group of 16-byte elements in codec 8. Nothing in the bytes says so;
  the device setting ``teltonika_16_byte_io`` does, and a packet that only makes sense that way is read that way
  (``codec8-16-byte-io``).
* What the vehicle elements (unplug, towing, crash, ...) mean depends on the model: they are read for FMB, FMC, FMM
  and FTC only (``fmb-crash``).

Codecs 12, 13 and 14 are answers to commands: accepted, never acknowledged. AVL elements that say nothing about an
alarm (ignition, odometer, ...) are passed over without a word. Not supported: camera files, codec 15, codec 61.
"""

import re
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import Kind, Report
from gateway.protocols.octets import crc16_arc, u16be, u32be
from gateway.protocols.stream import Content, Shape, StreamSession
from gateway.protocols.teltonika_elements import WORD_PANIC_IS_ROUTINE
from gateway.protocols.teltonika_records import CODECS, DATA_BYTES_MIN, WORD_16_BYTE_IO, Reading, alarm_of, read_data

PING: Final = b"\xff"
IMEI_DIGITS_MIN, IMEI_DIGITS_MAX = 15, 17
DATA_BYTES_MAX: Final = 65_535
"Guard: the wiki limits ordinary packets to about 1.3 kB; pictures and logs are longer, but nothing reaches this."
NESTED_BYTES_MAX: Final = 2048
"A packet inside one that is refused or incomplete is searched for only up to the size of ordinary packets: that bounds the work."


class Session(StreamSession):
    """One TCP connection, or the datagrams of one sender."""

    NAME = "teltonika"
    STARTS = re.compile(rb"[\x00\xff]")
    WORDS = {
        WORD_16_BYTE_IO: "codec 8 with a further group of 16-byte elements, as very old FM devices can be set to send",
        WORD_PANIC_IS_ROUTINE: "this device uses priority 2 for things that are no alarm",
    }
    PROMISES_LENGTH = True
    JOINS_DATAGRAMS = False

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """See ``shape_untrusted``."""
        return shape_untrusted(data, at, self.is_lost or self.is_behind(at), self.is_inside(at))

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """One ping, login, data packet or datagram."""
        if self.transport == "udp":
            return self._datagram_untrusted(raw, now_us)
        if raw == PING:
            return Content((Report(Kind.HEARTBEAT),))
        if raw[:1] == b"\0" and raw[:2] != b"\0\0":
            self.device = imei_untrusted(raw, 0)
            return Content((Report(Kind.LOGIN),), b"\x01")
        reading = self._packet(raw, now_us)
        if reading.fault:
            raise reading.fault
        if self.device is None:
            raise FrameError(Reason.IDENTITY, 0, "data before a login")
        return Content(reading.reports, None if reading.is_command else len(reading.reports).to_bytes(4, "big"))

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """The alarm that is readable in a packet, whatever else is wrong with it."""
        try:
            reading = self._datagram(raw, now_us) if self.transport == "udp" else self._packet(raw, now_us)
        except FrameError:
            return None
        return alarm_of(reading.reports)

    def _packet(self, raw: bytes, now_us: int) -> Reading:
        """Preamble u32 = 0, length u32 N, N bytes, checksum u32."""
        if len(raw) < 8 or raw[:4] != bytes(4):
            raise FrameError(Reason.FRAMING, 0, "neither a login nor a data packet")
        size = u32be(raw, 4)
        if not DATA_BYTES_MIN <= size <= DATA_BYTES_MAX:
            raise FrameError(Reason.LENGTH, 4, f"data of {size} bytes; {DATA_BYTES_MIN} to {DATA_BYTES_MAX} are possible")
        reading = read_data(raw[8 : 8 + size], 8, self.settings, now_us)
        return reading._replace(fault=packet_fault(raw, size) or reading.fault)

    def _datagram_untrusted(self, raw: bytes, now_us: int) -> Content:
        self.device = None
        reading = self._datagram(raw, now_us)
        if reading.fault:
            raise reading.fault
        acknowledged = b"\x00\x05" + raw[2:4] + b"\x01" + raw[5:6] + bytes((len(reading.reports),))
        return Content(reading.reports, None if reading.is_command else acknowledged)

    def _datagram(self, raw: bytes, now_us: int) -> Reading:
        """Length u16, packet id u16, type u8, AVL packet id u8, IMEI (length u16, digits), then data without checksum."""
        if len(raw) < 8:
            raise FrameError(Reason.LENGTH, 0, f"a datagram of {len(raw)} bytes")
        self.device = imei_untrusted(raw, 6)
        start = 8 + len(self.device)
        reading = read_data(raw[start:], start, self.settings, now_us)
        if u16be(raw, 0) != len(raw) - 2:
            return reading._replace(fault=FrameError(Reason.LENGTH, 0, f"the frame says {u16be(raw, 0)} bytes, {len(raw) - 2} follow"))
        return reading


def shape_untrusted(data: bytes, at: int, is_lost: bool = False, is_inside: bool = False) -> tuple[Shape, int]:
    """What begins at ``at``, and how many bytes it has (0 unless delimited).

    While lost, a ping (one byte) proves nothing, and zeros are everywhere: a packet must name its codec. Inside a
    packet that was refused or is incomplete, digits are no login, and a packet longer than usual is not looked for.
    """
    left = len(data) - at
    if data[at]:
        return (Shape.FRAME, 1) if data[at] == PING[0] and not is_lost else (Shape.NOISE, 1)
    if left < 2:
        return Shape.WAIT, 0
    if data[at + 1]:
        return (Shape.NOISE, 1) if is_inside else login_shape(data, at)
    if any(data[at + 2 : at + 4]):
        return Shape.NOISE, 1
    if left < 8:
        return Shape.WAIT, 0
    size = u32be(data, at + 4)
    if not DATA_BYTES_MIN <= size <= (NESTED_BYTES_MAX if is_inside else DATA_BYTES_MAX):
        return Shape.NOISE, 1
    if is_lost and left > 8 and data[at + 8] not in CODECS:
        return Shape.NOISE, 1
    if left < size + 12:
        return Shape.WAIT, 0
    is_right = u32be(data, at + 8 + size) == crc16_arc(data[at + 8 : at + 8 + size])
    return (Shape.FRAME if is_right else Shape.SPOILT), size + 12


def login_shape(data: bytes, at: int) -> tuple[Shape, int]:
    """A login: length u16, then that many digits."""
    size = 2 + data[at + 1]
    digits = data[at + 2 : at + size]
    if not IMEI_DIGITS_MIN <= data[at + 1] <= IMEI_DIGITS_MAX or (digits and not digits.isdigit()):
        return Shape.NOISE, 1
    return (Shape.FRAME, size) if len(data) - at >= size else (Shape.WAIT, 0)


def recognise(data: bytes) -> int:
    """How surely these first bytes are Teltonika: 100 with a login or a packet and its checksum, 0 when they cannot be."""
    if not data:
        return 0
    shape, size = shape_untrusted(data, 0, is_lost=True)
    if shape is Shape.WAIT:
        return 30 if len(data) > 4 else 10
    if shape is Shape.NOISE:
        return datagram_confidence(data)
    return 100 if shape is Shape.FRAME else 60


def datagram_confidence(data: bytes) -> int:
    """The same for a datagram, whose own length, IMEI and codec must fit."""
    size = u16be(data, 6) if len(data) >= 8 else 0
    is_ours = len(data) > 8 + size and IMEI_DIGITS_MIN <= size <= IMEI_DIGITS_MAX and data[8 : 8 + size].isdigit()
    return 90 if is_ours and u16be(data, 0) == len(data) - 2 and data[8 + size] in CODECS else 0


def imei_untrusted(raw: bytes, at: int) -> str:
    """The identity at ``at``: length u16, then that many ASCII digits (a login holds nothing else)."""
    size = int.from_bytes(raw[at : at + 2], "big")
    digits = raw[at + 2 : at + 2 + size]
    if not IMEI_DIGITS_MIN <= size <= IMEI_DIGITS_MAX:
        raise FrameError(Reason.IDENTITY, at, f"an IMEI of {size} digits; {IMEI_DIGITS_MIN} to {IMEI_DIGITS_MAX} are possible")
    if len(digits) < size or (at == 0 and len(raw) > 2 + size):
        raise FrameError(Reason.LENGTH, at, f"the frame says {size} digits, {len(raw) - at - 2} bytes follow")
    if not digits.isdigit():
        raise FrameError(Reason.IDENTITY, at + 2, "an IMEI has digits only")
    return digits.decode()


def packet_fault(raw: bytes, size: int) -> FrameError | None:
    """What is wrong with the envelope of a TCP data packet whose length field says ``size``."""
    if len(raw) != size + 12:
        return FrameError(Reason.LENGTH, 4, f"the frame says {size} bytes of data, it holds {len(raw) - 12}")
    claimed, counted = u32be(raw, len(raw) - 4), crc16_arc(raw[8:-4])
    if claimed != counted:
        return FrameError(Reason.CHECKSUM, len(raw) - 4, f"frame says {claimed:08x}, its bytes give {counted:08x}")
    return None
