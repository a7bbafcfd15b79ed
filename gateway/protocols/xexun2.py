"""Xexun's second, binary protocol (TK905-4G, Y11 and later), over TCP: the reference decoder.

Paper: none is public; what is known rests on the maker's frames and on devices' recordings. Numbers are big-endian. A frame stands
between two marks FA AF; inside, FB BF 01 is FA AF and FB BF 02 is FB BF. Witnesses in ``tests/vectors/xexun2.json``:

* The checksum is that of the payload alone: the sum of its bytes folded to 16 bits, inverted. The header has none, so a press is
  known by the record's own index and time.
* Three alarm bits are known. Another is an alarm that we do not know (``alarm-unknown-bit``), unless the settings say that this model
  sets it every day (``alarm-bit-of-every-day``).
* A frame may carry several records (``records-two``), each with an alarm word (``sos``) and the parts of a place (``place-block``).
* Coordinates are floats in ddmm.mmmm (``place-single``, ``place-double``), as every NMEA text has them.
* Every frame is answered but the answer to a command (``command-answer``); the answer is stuffed as well (``stuffed-answer``).
* The version of the firmware is text with NUL behind it (``version``); the SIM card's numbers behind it are passed over.

Not supported: fingerprints, parameters and ranging (passed over); parts of a place whose length nobody documented end the
reading of that record, whose alarm stands in front of them (``sos-place-unknown-part``).
"""

import re
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Kind, Report
from gateway.protocols.fields import hexadecimal
from gateway.protocols.octets import luhn_holds, u16be
from gateway.protocols.stream import Content, Shape, StreamSession
from gateway.protocols.xexun2_records import records_untrusted

NAME: Final = "xexun2"

MARK: Final = b"\xfa\xaf"
STUFFED: Final = re.compile(rb"\xfb\xbf([\x01\x02])")
PLAIN: Final = {b"\x01": MARK, b"\x02": b"\xfb\xbf"}
TO_STUFF: Final = re.compile(rb"\xfa\xaf|\xfb\xbf")
FRAME_BYTES_MAX: Final = 4096
"Guard. The payload has at most 1023 bytes."
HEADER_BYTES: Final = 16
LENGTH_BITS: Final = 0x03FF

WORD_STATES: Final = "states"
DATA, COMMAND_ANSWER = 0x0014, 0x0007
TAKEN: Final = b"\x00\x01\xff\xfe\x01"
"Behind type, index and IMEI of an answer: one byte of payload, its checksum, 1."


class Session(StreamSession):
    """One connection of a tracker. Without marks and stuffing:

    0 type u16
    2 index u16
    4 IMEI: 15 digits, one nibble without meaning
    12 attributes u16: bits 0-9 bytes of the payload
    14 checksum of the payload
    16 payload
    """

    NAME = NAME
    STARTS = re.compile(rb"\xfa")
    WORDS = {f"{WORD_STATES}=…": "alarm bits (hexadecimal, such as 10) that this model sets every day; other unknown bits are an unknown alarm"}

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A frame from mark to mark. The mark that ends a spoilt one may begin the next."""
        if data[at : at + 2] != MARK:
            return (Shape.WAIT, 0) if len(data) - at < 2 else (Shape.NOISE, 1)
        end = data.find(MARK, at + 2, at + FRAME_BYTES_MAX)
        if end < 0:
            return (Shape.WAIT, 0) if len(data) - at < FRAME_BYTES_MAX else (Shape.NOISE, 2)
        plain = unstuffed(data[at + 2 : end])
        if len(plain) <= HEADER_BYTES:
            return Shape.NOISE, end - at
        return (Shape.SPOILT if fault_of(plain) else Shape.FRAME), end + 2 - at

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """The records, and the answer."""
        plain = plain_untrusted(raw)
        fault = fault_of(plain)
        if fault:
            raise fault
        imei = imei_of(plain)
        if imei is None:
            raise FrameError(Reason.IDENTITY, 4, "an IMEI has digits only")
        kind = u16be(plain, 0)
        reports: tuple[Report, ...] = (Report(Kind.DEVICE_ACK if kind == COMMAND_ANSWER else Kind.HEARTBEAT, unread=unread_of(kind)),)
        if kind == DATA:
            reports, fault = records_untrusted(plain[HEADER_BYTES:], HEADER_BYTES, self._states)
        if fault:
            raise fault
        self.device = imei
        return Content(reports, None if kind == COMMAND_ANSWER else MARK + stuffed(plain[:12] + TAKEN) + MARK)

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """The first record with an alarm for life in a data frame that is damaged."""
        plain = unstuffed(raw.removeprefix(MARK).removesuffix(MARK))
        if error.reason not in (Reason.CHECKSUM, Reason.LENGTH) or len(plain) <= HEADER_BYTES or u16be(plain, 0) != DATA:
            return None
        reports, _ = records_untrusted(plain[HEADER_BYTES:], HEADER_BYTES, self._states)
        return next((report for report in reports if report.kinds & LIFE), None)

    @property
    def _states(self) -> int:
        return hexadecimal(self.settings.value(WORD_STATES) or "") or 0

    def named(self, raw: bytes) -> str | None:
        """The header's identity, if that still has its check digit."""
        imei = imei_of(unstuffed(raw[2:]))
        return imei if imei and luhn_holds(imei) else None


def recognise(data: bytes) -> int:
    """How surely these first bytes are Xexun's second protocol: 95 with a whole frame and its checksum, 0 when they cannot be."""
    if not data.startswith(MARK):
        return 10 if data == MARK[:1] else 0
    plain, end = unstuffed(data[2:]), data.find(MARK, 2)
    if end >= 0 and fault_of(unstuffed(data[2:end])) is None:
        return 95
    if len(plain) >= 12 and imei_of(plain) is None:
        return 0
    if len(plain) >= 12 and u16be(plain, 0) not in (DATA, COMMAND_ANSWER):
        return 10
    return 80 if len(plain) >= 12 else 30


def unstuffed(data: bytes) -> bytes:
    """The bytes between the marks as they were meant."""
    return STUFFED.sub(lambda pair: PLAIN[pair[1]], data)


def stuffed(data: bytes) -> bytes:
    """The bytes as they go between the marks."""
    return TO_STUFF.sub(lambda pair: b"\xfb\xbf\x01" if pair[0] == MARK else b"\xfb\xbf\x02", data)


def plain_untrusted(raw: bytes) -> bytes:
    """What stands between the marks."""
    if not raw.startswith(MARK):
        raise FrameError(Reason.FRAMING, 0, "does not begin with faaf")
    if len(raw) > FRAME_BYTES_MAX:
        raise FrameError(Reason.LENGTH, FRAME_BYTES_MAX, f"{len(raw)} bytes; at most {FRAME_BYTES_MAX} are possible")
    if raw.find(MARK, 2) != len(raw) - 2 or len(raw) < 4:
        raise FrameError(Reason.LENGTH, len(raw), "does not end in the first faaf behind its beginning")
    return unstuffed(raw[2:-2])


def fault_of(plain: bytes) -> FrameError | None:
    """What is wrong with the length or the checksum of a frame without its marks."""
    if len(plain) <= HEADER_BYTES:
        return FrameError(Reason.LENGTH, len(plain), f"{len(plain)} bytes; a frame has more than {HEADER_BYTES}")
    length = u16be(plain, 12) & LENGTH_BITS
    if length != len(plain) - HEADER_BYTES:
        return FrameError(Reason.LENGTH, 12, f"the frame says {length} bytes of payload, it holds {len(plain) - HEADER_BYTES}")
    carried, computed = u16be(plain, 14), checksum(plain[HEADER_BYTES:])
    return None if carried == computed else FrameError(Reason.CHECKSUM, 14, f"frame says {carried:04x}, its bytes give {computed:04x}")


def imei_of(plain: bytes) -> str | None:
    """The fifteen digits, or None when they are none."""
    digits = plain[4:12].hex()[:15]
    return digits if len(digits) == 15 and digits.isdigit() else None


def checksum(payload: bytes) -> int:
    """The sum of the bytes folded to 16 bits, inverted."""
    total = sum(payload)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def unread_of(kind: int) -> tuple[str, ...]:
    """What a frame without data holds and nobody reads."""
    return () if kind in (DATA, COMMAND_ANSWER) else (f"type 0x{kind:04x}",)
