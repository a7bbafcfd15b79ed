"""Eview personal alarms (EV-04, EV-07B, EV-09, EV-201 and what is sold under other names), over TCP: the reference decoder.

Paper: "EV-07B Protocol v1.2 (V20200508)" of Eview. Everything is little-endian. This file delimits, checks and answers; what the
keys of a data frame say is read in ``eview_keys.py``. Witnesses in ``tests/vectors/eview.json``:

* Every frame names its device in its first key; one that does not belongs to the device heard before on the connection
  (``sos-without-identity-after-one-with``).
* Bit 4 of the properties asks for an answer (``sos``), which repeats the sequence number; without the bit nothing is said
  (``position-no-answer-wanted``).
* One frame may carry many records, live and stored ones: a key that comes again begins the next (``records-three``).
* EV-04 sends beacons with garbage for coordinates: the place is dropped, the alarm kept (``sos-beacon-garbage``).
* A device may ask for the time and for a position (``services-time``, ``services-position``).

Not supported: configuration, system control and firmware (accepted and acknowledged, not interpreted), names of beacons.
"""

import re
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Kind, Report
from gateway.protocols.eview_keys import Key, keys_until, records_of, report_of
from gateway.protocols.octets import crc16_xmodem, luhn_holds, u16le
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "eview"

START: Final = 0xAB
HEADER_BYTES: Final = 8
BODY_BYTES_MAX: Final = 4096
"Guard: the longest upload seen has 1450 bytes."
ANSWER_WANTED: Final = 0x10
"Of the properties."

DATA, CONFIGURATION, SERVICES, SYSTEM, FIRMWARE, RESPONSE = 0x01, 0x02, 0x03, 0x04, 0x7E, 0x7F
COMMANDS: Final = {
    DATA: NO_KIND, CONFIGURATION: Kind.CONFIG_REPLY, SERVICES: Kind.HEARTBEAT, SYSTEM: Kind.HEARTBEAT, FIRMWARE: Kind.HEARTBEAT,
    RESPONSE: Kind.DEVICE_ACK,
}  # fmt: skip
"Command -> what a frame with it says; of a data frame its keys do."
IDENTITY: Final = 0x01
IDENTITY_FIRST: Final = re.compile(rb"\x10\x01([0-9]{15})")
"The key as it stands behind the command: 16 bytes of key and value, key 1, the digits of the IMEI."
POSITION_WANTED, TIME_WANTED = 0x11, 0x12

ACKNOWLEDGED: Final = b"\x7f\x01\x00"
"Response: a key of one byte, 0 for success."
NO_POSITION: Final = b"\x0a\x11" + bytes(9)
"Latitude 0, longitude 0, no address: a caller who knows an IMEI must not be told where its wearer is."


class Session(StreamSession):
    """One connection of an Eview device.

    0 AB
    1 properties u8: bit 4 an answer is wanted
    2 bytes of the body u16
    4 CRC-16/XMODEM of the body
    6 sequence number u16: repeated in the answer; the checksum does not cover it, so no press is known by it
    8 body: command u8, then keys (length u8 of key and value, key u8, value)
    """

    NAME = NAME
    STARTS = re.compile(rb"\xab")
    PROMISES_LENGTH = True

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A frame by its length and its checksum."""
        left = len(data) - at
        if left < 4:
            return Shape.WAIT, 0
        length = u16le(data, at + 2)
        if not 1 <= length <= BODY_BYTES_MAX:
            return Shape.NOISE, 1
        size = HEADER_BYTES + length
        if left < size:
            return Shape.WAIT, 0
        is_right = crc16_xmodem(data[at + HEADER_BYTES : at + size]) == u16le(data, at + 4)
        return (Shape.FRAME if is_right else Shape.SPOILT), size

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """What the command says, and its answer under the same sequence number."""
        require_frame_untrusted(raw)
        body = raw[HEADER_BYTES:]
        command = body[0]
        keys, end = keys_until(body) if command in (DATA, SERVICES) else ([], len(body))
        if end < len(body):
            raise FrameError(Reason.LENGTH, HEADER_BYTES + end, f"a key of {body[end]} bytes, {len(body) - end - 1} are left")
        device = imei_of(keys) if keys else first_imei(body)
        if device is None and self.device is None:
            raise FrameError(Reason.IDENTITY, HEADER_BYTES, "no IMEI of 15 digits in the frame, and none before it")
        self.device = device or self.device
        reports: tuple[Report, ...] = (Report(COMMANDS.get(command, Kind.HEARTBEAT), unread=unread_of(command, keys)),)
        if command == DATA:
            reports = tuple(report_of(record) for record in records_of(keys))
        answer = services_of(keys, now_us) if command == SERVICES else b""
        if not answer and raw[1] & ANSWER_WANTED:
            answer = ACKNOWLEDGED
        return Content(reports, answer_frame(raw[6:8], answer) if answer else None)

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """The first record with an alarm for life in a data frame that is damaged."""
        if error.reason not in (Reason.CHECKSUM, Reason.LENGTH) or raw[HEADER_BYTES : HEADER_BYTES + 1] != bytes((DATA,)):
            return None
        keys, _ = keys_until(raw[HEADER_BYTES:])
        reports = (report_of(record) for record in records_of(keys))
        return next((report for report in reports if report.kinds & LIFE), None)

    def named(self, raw: bytes) -> str | None:
        """The first key's identity, if that still has its check digit."""
        imei = first_imei(raw[HEADER_BYTES:])
        return imei if imei and luhn_holds(imei) else None


def recognise(data: bytes) -> int:
    """How surely these first bytes are Eview: 95 with a whole frame and its checksum, 80 with an identity, 0 when they cannot be."""
    if data[:1] != bytes((START,)):
        return 0
    length = u16le(data, 2) if len(data) >= 4 else 1
    body = data[HEADER_BYTES : HEADER_BYTES + length]
    if not 1 <= length <= BODY_BYTES_MAX:
        return 0
    if len(body) == length and crc16_xmodem(body) == u16le(data, 4):
        return 95
    is_known = not body or body[0] in COMMANDS
    if len(body) == length:
        return 60 if is_known and first_imei(body) else 0
    if not is_known:
        return 10
    return 80 if first_imei(data[HEADER_BYTES:]) else 20


def require_frame_untrusted(raw: bytes) -> None:
    """Raise ``FrameError`` unless ``raw`` is one whole frame with its own checksum."""
    if raw[:1] != bytes((START,)):
        raise FrameError(Reason.FRAMING, 0, "does not begin with ab")
    if len(raw) <= HEADER_BYTES:
        raise FrameError(Reason.LENGTH, len(raw), f"{len(raw)} bytes; a frame has more than {HEADER_BYTES}")
    length = u16le(raw, 2)
    if length > BODY_BYTES_MAX:
        raise FrameError(Reason.LENGTH, 2, f"a body of {length} bytes; at most {BODY_BYTES_MAX} are possible")
    if len(raw) != HEADER_BYTES + length:
        raise FrameError(Reason.LENGTH, 2, f"the frame says {length} bytes of body, it holds {len(raw) - HEADER_BYTES}")
    carried, computed = u16le(raw, 4), crc16_xmodem(raw[HEADER_BYTES:])
    if carried != computed:
        raise FrameError(Reason.CHECKSUM, 4, f"frame says {carried:04x}, its bytes give {computed:04x}")


def imei_of(keys: list[Key]) -> str | None:
    """The first identity of a frame."""
    value = next((value for number, value in keys if number == IDENTITY), b"")
    return value.decode() if len(value) == 15 and value.isdigit() else None


def first_imei(body: bytes) -> str | None:
    """The identity where it stands in every frame that has one, for bodies whose keys are not walked."""
    found = IDENTITY_FIRST.match(body, 1)
    return found[1].decode() if found else None


def unread_of(command: int, keys: list[Key]) -> tuple[str, ...]:
    """What a frame without data holds and nobody reads."""
    if command not in COMMANDS:
        return (f"command 0x{command:02x}",)
    others = dict.fromkeys(number for number, _ in keys if number not in (IDENTITY, POSITION_WANTED, TIME_WANTED))
    return tuple(f"key 0x{number:02x}" for number in others)


def services_of(keys: list[Key], now_us: int) -> bytes:
    """What a device asked for: the time, and a position, which we keep to ourselves. Empty when it asked for nothing that we know."""
    now_s = (now_us // 1_000_000).to_bytes(8, "little", signed=True)[:4]
    given = {POSITION_WANTED: NO_POSITION, TIME_WANTED: b"\x05\x12" + now_s}
    told = b"".join(given.get(number, b"") for number in dict.fromkeys(number for number, _ in keys))
    return bytes((SERVICES,)) + told if told else b""


def answer_frame(sequence: bytes, body: bytes) -> bytes:
    """A frame of ours under the device's sequence number. Its properties ask for nothing, so no answer ever meets an answer."""
    return bytes((START, 0)) + len(body).to_bytes(2, "little") + crc16_xmodem(body).to_bytes(2, "little") + sequence + body
