"""JT/T 808, the terminal protocol of Chinese transport (2011, 2013, 2019), over TCP and UDP: the reference decoder.

Paper: JT/T 808-2011, -2013 and -2019, "Terminal communication protocol and data format". Spoken by vehicle terminals, cameras
(Jimi JC), locators (Topflytech, AOVX) and padlocks. This file delimits, checks and answers; positions are read in
``jt808_position.py``, alarms named in ``jt808_alarms.py``, told from those that only stand in ``jt808_levels.py``, messages in parts
joined in ``jt808_parts.py``, the firmware's version read in ``jt808_attributes.py``. Big-endian. Witnesses in
``tests/vectors/jt808.json``:

* The header of 2019 has a version and ten bytes of identity: ``sos-2019``. A dialect is delimited by E7: ``sos-e7-dialect``.
* An identity with a nibble above 9 is the number of an IMEI without its check digit: ``sos-binary-identity``.
* The emergency bit is a level. Set for the first time it is a press; after that the alarm stands: ``sos-still-set``.
* Clocks are eight hours ahead of UTC by the standard, unless the registry's ``clock_offset_s`` knows better: ``clock-utc``.
* The registry's ``model`` says who uses the alarm bits differently: AL300 and GL100 (bit 16 is movement, ``model-gl100-movement``),
  the padlocks G-360P and G-508P (0 and 4 removed, 1 tamper, ``model-padlock-removed``), MV710G (a door), JC (cameras).
* A record that cannot be read costs no other record of its batch: ``batch-sos-beside-a-broken-record``.
* Padlocks answer commands with text between brackets: ``text-answer``.

Not supported: encrypted bodies (refused), pictures, bodies of 0x0702 and 0x0900, positions of padlocks (0x5501, 0x5502).
"""

import re
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Frame, Kind, Report
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings
from gateway.protocols.jt808_alarms import dialect_of
from gateway.protocols.jt808_attributes import attributes_report
from gateway.protocols.jt808_levels import Memory
from gateway.protocols.jt808_parts import PARTS_MAX, Parts
from gateway.protocols.jt808_position import Place, batch_untrusted, place_untrusted, time_us
from gateway.protocols.octets import bcd_digits, civil_of, u16be, xor8
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "jt808"

DELIMITER, DIALECT_DELIMITER, TEXT_START = 0x7E, 0xE7, 0x28
ESCAPES: Final = {DELIMITER: 0x7D, DIALECT_DELIMITER: 0xE6}
"Delimiter -> the byte that is put before 01 (for itself) and 02 (for the delimiter)."
FRAME_BYTES_MAX: Final = 4096
"Guard, after unstuffing: a header and a body of at most 1023 bytes are far shorter."
STUFFED_BYTES_MAX: Final = 2 * FRAME_BYTES_MAX
FRAME_BYTES_MIN: Final = 13
"Id 2, attributes 2, identity 6, serial 2 (1 in padlocks), check 1, without the delimiters."
TEXT: Final = re.compile(rb"\([0-9A-Za-z][\x20-\x27\x2a-\x7d]{0,253}\)")
TEXT_BEGUN: Final = re.compile(rb"\((?:[0-9A-Za-z][\x20-\x27\x2a-\x7d]{0,253})?")

HEARTBEAT, LOGOUT, SERVER_TIME, REGISTER, AUTHENTICATE, TIME_WANTED = 0x0002, 0x0003, 0x0004, 0x0100, 0x0102, 0x0109
TERMINAL_ANSWER, POSITION, POSITION_ANSWER, BATCH_SHORT, BATCH, COMMAND_TEXT = 0x0001, 0x0200, 0x0201, 0x0210, 0x0704, 0x0701
ATTRIBUTES: Final = 0x0107
TEXTS: Final = {COMMAND_TEXT: 4, 0x6006: 1, 0x1300: 2}
"Message -> bytes before its text. 0x1300 writes UTF-16."
POSITIONS: Final = frozenset((POSITION, POSITION_ANSWER, BATCH, BATCH_SHORT))
JOINED: Final = POSITIONS | {REGISTER, COMMAND_TEXT}
"Messages that are put together from their parts."
ANSWERED: Final = frozenset((HEARTBEAT, LOGOUT, AUTHENTICATE, ATTRIBUTES, POSITION, BATCH_SHORT, COMMAND_TEXT, 0x0702, BATCH, 0x0900, 0x1007, 0x6006))
"Messages that want the general answer 0x8001."
SHORT_SERIAL: Final = frozenset((0x5501, 0x5502))
"Messages of padlocks, whose serial number has one byte and whose upper attribute bits mean something else."
IMEI_NUMBERS: Final = 100_000_000_000_000
STANDARD_OFFSET_S: Final = 8 * 3600
"GMT+8."
BATTERY_BYTES: Final = 7
"A message 0x0210 of battery 1 and time 6 instead of positions."


class Message(NamedTuple):
    """One frame, taken apart.

    0 message id u16
    2 attributes u16: 0-9 bytes of the body, 10-12 encryption, 13 in parts, 14 header of 2019
    4 [version u8, 2019]
      identity: 6 bytes, 2019 10; behind E7 7
      serial number u16 (u8 in padlocks)
      [number of parts u16, which part u16]
      body
      check u8: exclusive or of everything before it
    """

    delimiter: int
    kind: int
    attributes: int
    version: bytes
    identity: bytes
    serial: int
    total: int
    "0: not in parts."
    part: int
    "Which of them, from 1."
    body: bytes
    body_at: int


class Session(StreamSession):
    """One connection of a JT/T 808 terminal, or the datagrams of one sender."""

    NAME = NAME
    STARTS = re.compile(rb"[\x7e\xe7(]")
    PROMISES_LENGTH = True

    def __init__(self, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None) -> None:
        super().__init__(transport, settings, peer)
        self.memory = Memory()
        self._in_parts = Parts()

    # ------------------------------------------------------------------------------------------ the stream

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A frame from delimiter to delimiter. Behind garbage the pairs may be the wrong ones: the closing one may open the next."""
        if data[at] == TEXT_START:
            return self._text_shape(data, at)
        end = data.find(data[at : at + 1], at + 1, at + STUFFED_BYTES_MAX)
        if end < 0:
            return (Shape.WAIT, 0) if len(data) - at < STUFFED_BYTES_MAX else (Shape.NOISE, 1)
        size = end + 1 - at
        if size < FRAME_BYTES_MIN + 2:
            return Shape.NOISE, 1
        try:
            message_untrusted(data[at : end + 1])
        except FrameError as error:
            is_ours = data[at] == DELIMITER or error.reason is Reason.CHECKSUM
            return (Shape.SPOILT, size) if is_ours else (Shape.NOISE, 1)
        return Shape.FRAME, size

    def _text_shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """Text stands between frames, never inside one that is still incomplete."""
        if at != self._start:
            return Shape.NOISE, 1
        found = TEXT.match(data, at)
        if found:
            return Shape.FRAME, found.end() - at
        begun = TEXT_BEGUN.match(data, at)
        return (Shape.WAIT, 0) if begun and begun.end() == len(data) and len(data) - at < 256 else (Shape.NOISE, 1)

    # --------------------------------------------------------------------------------------- one message

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """What the message says, and its answer. Bytes before the first delimiter are no part of it."""
        if TEXT.fullmatch(raw):
            return Content((Report(Kind.CONFIG_REPLY, text=raw.decode("ascii")),))
        message = message_untrusted(raw[start_of(raw) :])
        device = identity_untrusted(message.identity)
        serials: tuple[int, ...] = (message.serial,)
        if message.total and message.kind in JOINED:
            joined = self._in_parts.add(message.kind, message.serial, message.total, message.part, message.body, now_us)
            if joined is None:
                self.device = device
                return Content((Report(Kind.HEARTBEAT, sequence=message.serial, unread=(f"part {message.part} of {message.total}",)),))
            message, serials = message._replace(body=joined.body), joined.serials
        reports = self._reports_untrusted(message, device)
        self.device = device
        return Content(reports, self._answer(message, serials, device, now_us))

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """The first record with an alarm for life in a frame whose check byte is wrong."""
        if error.reason is not Reason.CHECKSUM:
            return None
        try:
            message = message_untrusted(raw[start_of(raw) :], is_checked=False)
            reports = (place.report for place in self._places_untrusted(message)) if message.kind in POSITIONS else ()
            return next((report for report in reports if report.kinds & LIFE & ~Kind.UNKNOWN_ALARM), None)
        except FrameError:
            return None

    def read(self, raw: bytes, now_us: int) -> Frame:
        """One message, or the datagram that holds several."""
        if self.transport == "udp":
            self.memory.begin(raw)
        return super().read(raw, now_us)

    def read_one(self, raw: bytes, now_us: int) -> Frame:
        """One frame."""
        if self.transport != "udp":
            self.memory.begin(raw)
        return super().read_one(raw, now_us)

    def named(self, raw: bytes) -> str | None:
        """The identity in the header."""
        try:
            return identity_untrusted(message_untrusted(raw[start_of(raw) :], is_checked=False).identity)
        except FrameError:
            return None

    # ----------------------------------------------------------------------------------------- what it says

    def _reports_untrusted(self, message: Message, device: str) -> tuple[Report, ...]:
        if message.kind in POSITIONS:
            places = self._places_untrusted(message)
            return self.memory.levels.judged(device, places) if places else (self._battery_report(message),)
        if message.kind in (REGISTER, AUTHENTICATE):
            return (Report(Kind.LOGIN, sequence=message.serial),)
        if message.kind == TERMINAL_ANSWER:
            return (Report(Kind.DEVICE_ACK, sequence=message.serial),)
        if message.kind in TEXTS:
            return (Report(Kind.CONFIG_REPLY, sequence=message.serial, text=text_of(message)),)
        if message.kind == ATTRIBUTES and not message.total:
            return (attributes_report(message.body, message.serial, bool(message.attributes & 0x4000)),)
        is_read = message.kind in (HEARTBEAT, LOGOUT, SERVER_TIME, TIME_WANTED)
        return (Report(Kind.HEARTBEAT, sequence=message.serial, unread=() if is_read else (f"message 0x{message.kind:04x}",)),)

    def _places_untrusted(self, message: Message) -> list[Place]:
        """Every position of a message; none in a 0x0210 that holds the battery instead. Raises: FrameError.

        Padlocks set the encryption bits and encrypt nothing, so the dates decide: a body that is encrypted has none.
        """
        places = self._readable_untrusted(message)
        if places and message.attributes >> 10 & 7 and all(report.event_at_us is None for report, _, _ in places):
            raise FrameError(Reason.UNSUPPORTED, 2, "the body is encrypted")
        return places

    def _readable_untrusted(self, message: Message) -> list[Place]:
        body = message.body
        if message.kind == BATCH_SHORT and len(body) == BATTERY_BYTES:
            return []
        dialect, offset_s = dialect_of(self.settings.model), self._offset_s()
        if message.kind in (POSITION, POSITION_ANSWER):
            return [place_untrusted(body[2 if message.kind == POSITION_ANSWER else 0 :], dialect, offset_s)]
        stored = message.kind == BATCH and body[2:3] == b"\x01"
        at, size_bytes = (3, 2) if message.kind == BATCH else (0, 1)
        return batch_untrusted(body, at, size_bytes, dialect, offset_s, stored)

    def _battery_report(self, message: Message) -> Report:
        """0x0210 without positions: ``percent 1, time 6``."""
        percent = message.body[0]
        return Report(
            Kind.HEARTBEAT, event_at_us=time_us(message.body, 1, self._offset_s()), sequence=message.serial,
            battery_percent=float(percent) if percent <= 100 else None,
        )  # fmt: skip

    def _offset_s(self) -> int:
        return STANDARD_OFFSET_S if self.settings.clock_offset_s is None else self.settings.clock_offset_s

    # ----------------------------------------------------------------------------------------- the answers

    def _answer(self, message: Message, serials: tuple[int, ...], device: str, now_us: int) -> bytes | None:
        """What the message wants back: a general answer for each of its parts, or one of its own."""
        if message.kind == REGISTER:
            return self._frame(message, 0x8100, serials[-1].to_bytes(2, "big") + b"\0" + device.encode("ascii"))
        if message.kind == TIME_WANTED:
            return self._frame(message, 0x8109, clock_bytes(now_us))
        if message.kind == SERVER_TIME:
            return self._frame(message, 0x8004, bytes.fromhex(civil_of(now_us).strftime("%y%m%d%H%M%S")))
        if message.kind not in ANSWERED:
            return None
        result = message.kind.to_bytes(2, "big") + b"\0"
        return b"".join(self._frame(message, 0x8001, serial.to_bytes(2, "big") + result) for serial in serials)

    def _frame(self, message: Message, kind: int, body: bytes) -> bytes:
        """A frame of ours in the header and the dialect of the device's, with our own serial number."""
        attributes = len(body) | (message.attributes & 0x4000)
        content = kind.to_bytes(2, "big") + attributes.to_bytes(2, "big") + message.version + message.identity
        content += self.memory.serial.to_bytes(2, "big") + body
        self.memory.serial = (self.memory.serial + 1) & 0xFFFF
        return stuffed(content + bytes((xor8(content),)), message.delimiter)


def recognise(data: bytes) -> int:
    """How surely these first bytes are JT/T 808: 98 with a whole frame and its check byte, 60 with a header that is plausible."""
    if data[:2] == b"$$"[: len(data)]:
        return recognise(data[2:]) if len(data) > 2 else 5
    if data[:1] not in (b"\x7e", b"\xe7"):
        return 0
    end = data.find(data[:1], 1)
    if end > 0:
        try:
            message_untrusted(data[: end + 1])
        except FrameError:
            return 0
        return 98
    content = unstuffed(data[1:], data[0])
    if len(content) > FRAME_BYTES_MAX:
        return 0
    if len(content) < 4:
        return 10
    known = u16be(content, 0) in (ANSWERED | {REGISTER, TIME_WANTED, SERVER_TIME}) and not content[2] & 0x9C
    return (60 if data[0] == DELIMITER and len(content) >= FRAME_BYTES_MIN else 30) if known else 15


# ----------------------------------------------------------------------------------------- taking frames apart


def start_of(raw: bytes) -> int:
    """Where the frame begins behind bytes that some devices put before it."""
    if raw[:1] in (b"\x7e", b"\xe7"):
        return 0
    return max(0, raw.find(b"\x7e") if b"\x7e" in raw else raw.find(b"\xe7"))


def unstuffed(data: bytes, delimiter: int) -> bytes:
    """The bytes between the delimiters as they were before stuffing."""
    escape = bytes((ESCAPES[delimiter],))
    return data.replace(escape + b"\x02", bytes((delimiter,))).replace(escape + b"\x01", escape)


def stuffed(content: bytes, delimiter: int) -> bytes:
    """A whole frame around ``content``."""
    escape, mark = bytes((ESCAPES[delimiter],)), bytes((delimiter,))
    return mark + content.replace(escape, escape + b"\x01").replace(mark, escape + b"\x02") + mark


def message_untrusted(raw: bytes, *, is_checked: bool = True) -> Message:
    """One whole frame. Offsets in errors count unstuffed bytes. Raises: FrameError."""
    if raw[:1] not in (b"\x7e", b"\xe7"):
        raise FrameError(Reason.FRAMING, 0, "starts with neither 7e nor e7")
    delimiter = raw[0]
    if len(raw) < 2 or raw[-1] != delimiter or delimiter in raw[1:-1]:
        raise FrameError(Reason.FRAMING, len(raw) - 1, "not from one delimiter to the next")
    data = unstuffed(raw[1:-1], delimiter)
    if not FRAME_BYTES_MIN - 1 <= len(data) <= FRAME_BYTES_MAX:
        raise FrameError(Reason.LENGTH, len(data), f"{FRAME_BYTES_MIN - 1} to {FRAME_BYTES_MAX} bytes expected, {len(data)} found")
    carried, computed = data[-1], xor8(data[:-1])
    if is_checked and carried != computed:
        raise FrameError(Reason.CHECKSUM, len(data) - 1, f"frame says {carried:02x}, its bytes give {computed:02x}")
    return _header_untrusted(delimiter, data)


def _header_untrusted(delimiter: int, data: bytes) -> Message:
    kind, attributes = u16be(data, 0), u16be(data, 2)
    serial_bytes = 1 if kind in SHORT_SERIAL else 2
    part_bytes = 4 if attributes & 0x2000 else 0
    length = attributes & 0x03FF
    for version_bytes, identity_bytes in forms_of(delimiter, attributes):
        identity_at = 4 + version_bytes
        serial_at = identity_at + identity_bytes
        body_at = serial_at + serial_bytes + part_bytes
        if body_at + length + 1 == len(data):
            break
    else:
        raise FrameError(Reason.LENGTH, 2, f"a body of {length} bytes is promised, the frame has {len(data)}")
    serial = int.from_bytes(data[serial_at : serial_at + serial_bytes], "big")
    total, index = (u16be(data, body_at - 4), u16be(data, body_at - 2)) if part_bytes else (0, 0)
    if part_bytes and kind in JOINED and not 1 <= index <= total <= PARTS_MAX:
        raise FrameError(Reason.RANGE, body_at - 4, f"part {index} of {total}; at most {PARTS_MAX} are joined")
    return Message(delimiter, kind, attributes, data[4:identity_at], data[identity_at:serial_at], serial, total, index, data[body_at:-1], body_at)


def forms_of(delimiter: int, attributes: int) -> tuple[tuple[int, int], ...]:
    """Bytes of version and identity that the header may have; the length of the body tells which."""
    if delimiter == DELIMITER:
        return ((1, 10),) if attributes & 0x4000 else ((0, 6),)
    return ((1, 10), (1, 7), (0, 7)) if attributes & 0x4000 else ((0, 7), (0, 6))


def identity_untrusted(identity: bytes) -> str:
    """A number in BCD without its leading zeros; or in binary, an IMEI without its check digit. Raises: FrameError."""
    digits = bcd_digits(identity)
    if digits is None:
        number = int.from_bytes(identity, "big")
        if number >= IMEI_NUMBERS:
            raise FrameError(Reason.IDENTITY, 4, "the identity is neither decimal digits nor the number of an IMEI")
        return with_luhn_digit(f"{number:014d}")
    if not digits.strip("0"):
        raise FrameError(Reason.IDENTITY, 4, "the identity is all zeros")
    return digits.lstrip("0")


def with_luhn_digit(digits: str) -> str:
    """The digits and their check digit (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - place % 2)
        total += value - 9 * (value > 9)
    return digits + str(-total % 10)


def text_of(message: Message) -> str | None:
    """The text of a command's answer, as far as it can be shown."""
    data = message.body[TEXTS[message.kind] :]
    text = data.decode("utf-16-be" if message.kind == 0x1300 else "utf-8", "replace")
    return text.strip("\0 \r\n") or None


def clock_bytes(now_us: int) -> bytes:
    """``year 2, month, day, hour, minute, second``, in UTC and in binary."""
    now = civil_of(now_us)
    return now.year.to_bytes(2, "big") + bytes((now.month, now.day, now.hour, now.minute, now.second))
