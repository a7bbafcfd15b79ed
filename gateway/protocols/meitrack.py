"""Meitrack (MT90 for persons; MVT, T1, T3, TC68 for vehicles) over TCP and UDP: the reference decoder.

Paper: "MEITRACK GPRS Protocol" of Meitrack, Shenzhen. A frame is ``$$flag length,IMEI,type,body*checksum`` and CR LF; the length
counts from the first comma to the end, the checksum is the sum of all bytes up to the star. Binary bodies may hold any byte, so a
frame of theirs is delimited by its length alone. This file delimits, checks and answers; records are read in ``meitrack_records.py``.
Witnesses in ``tests/vectors/meitrack.json``:

* Reports as text (``sos``), stored ones with a counter (``sos-stored``), binary batches of two kinds (``ccc-three``, ``cce-two``).
* Event 1 is the SOS key, unless the settings say that input 1 is wired to something else: ``input-1-is-no-key``
  (``input1=door``); another input may be the key: ``input-3-is-the-key`` (``input3=sos``).
* The battery's scale depends on the model: ``battery-mt90``, ``battery-mvt380``. One that cannot be a voltage is left out.
* Some firmware miscounts the length of a text. Its line end says where it is over, and its checksum that it is whole:
  ``length-miscounted``, ``length-miscounted-short``.
* Only batches of type CCC and logins (AAC) are answered: ``login``.

Not supported: photos (D00), sensors behind the battery.
"""

import re
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Kind, Report
from gateway.protocols.meitrack_records import batch_untrusted, list_untrusted, text_report
from gateway.protocols.octets import sum8
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "meitrack"

HEADER: Final = re.compile(rb"\$\$([A-z])([0-9]{1,4}),")
HEADER_BEGUN: Final = re.compile(rb"\$(?:\$(?:[A-z][0-9]{0,4})?)?")
TAIL: Final = re.compile(rb"\*([0-9A-Fa-f]{2})\r\n")
TAIL_BYTES: Final = 5
"Star, checksum, CR, LF."
LINE: Final = re.compile(rb"[\x20-\x23\x25-\x7e]*\*([0-9A-Fa-f]{2})\r\n")
LINE_BEGUN: Final = re.compile(rb"[\x20-\x23\x25-\x7e]*\r?")
"The rest of a text, which holds neither a line end nor the sign that begins the next frame."
MISCOUNT_BYTES: Final = 16
"How far the length of a text may be off; those seen promise one or two bytes too many."
FRAME_BYTES_MAX: Final = 4096
"Guard; parts of photos have 1,100 bytes."
IMEI: Final = re.compile(rb"[0-9]{8,16}")
IDENTITY: Final = re.compile(rb"([0-9]{8,16}),[A-Z][0-9A-Z]{2}(?:,|$)")
IDENTITY_BEGUN: Final = re.compile(rb"[0-9]{0,16}(?:(?<=[0-9]{8}),[A-Z]?[0-9A-Z]{0,2})?")
TEXT_BYTES_MAX: Final = 512
"Of an answer to a command that is kept."

LOGIN, TEXT, TEXT_STORED, BATCH, LIST = b"AAC", b"AAA", b"AFF", b"CCC", b"CCE"


class Message(NamedTuple):
    """One frame, taken apart."""

    flag: bytes
    "A letter that counts frames; answers repeat it."
    imei: bytes
    kind: bytes
    body: bytes
    body_at: int


class Session(StreamSession):
    """One connection of a Meitrack device, or the datagrams of one sender."""

    NAME = NAME
    STARTS = re.compile(rb"\$")
    WORDS = {
        "input1=…": "input 1 is no SOS key but wired to this (such as door): its event is no alarm",
        "input3=sos": "input 3 is an SOS key; inputs 2 to 8 likewise",
    }
    PROMISES_LENGTH = True

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A frame by its length, its tail and its checksum."""
        return frame_shape(data, at)

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """What the records say, and the answer to a login or a batch."""
        message = message_untrusted(raw)
        reports = self._reports_untrusted(message)
        self.device = message.imei.decode("ascii")
        return Content(reports, answer_to(message, len(reports)))

    def _reports_untrusted(self, message: Message) -> tuple[Report, ...]:
        if message.kind in (TEXT, TEXT_STORED):
            return (text_report(message.body, message.kind == TEXT_STORED, self.settings),)
        if message.kind == BATCH:
            return batch_untrusted(message.body, message.body_at, self.settings)
        if message.kind == LIST:
            return list_untrusted(message.body, message.body_at, self.settings)
        if message.kind == LOGIN:
            return (Report(Kind.HEARTBEAT),)
        if len(message.body) <= TEXT_BYTES_MAX and message.body.isascii() and message.body.decode("ascii").isprintable():
            return (Report(Kind.CONFIG_REPLY, text=b",".join((message.kind, message.body)).decode("ascii")),)
        return (Report(Kind.HEARTBEAT, unread=(f"message {message.kind.decode('ascii')}",)),)

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """The first alarm for life in a frame whose checksum is wrong."""
        if error.reason is not Reason.CHECKSUM:
            return None
        try:
            reports = self._reports_untrusted(message_untrusted(raw, is_checked=False))
        except FrameError:
            return None
        return next((report for report in reports if report.kinds & LIFE & ~Kind.UNKNOWN_ALARM), None)

    def named(self, raw: bytes) -> str | None:
        """The identity in the header."""
        return message_untrusted(raw, is_checked=False).imei.decode("ascii")


def recognise(data: bytes) -> int:
    """How surely these first bytes are Meitrack: 98 with a whole frame and its checksum, 85 with the identity and the type."""
    header = HEADER.match(data)
    if header is None:
        begun = HEADER_BEGUN.match(data)
        return 10 if begun and begun.end() == len(data) else 0
    shape, _ = frame_shape(data, 0)
    if shape is not Shape.WAIT:
        return {Shape.FRAME: 98, Shape.SPOILT: 60}.get(shape, 0)
    if IDENTITY.match(data, header.end()):
        return 85
    begun = IDENTITY_BEGUN.match(data, header.end())
    return 30 if begun and begun.end() == len(data) else 0


def frame_shape(data: bytes, at: int) -> tuple[Shape, int]:
    """What begins at ``at``: a text up to its line end, a body of any bytes by its length."""
    header = HEADER.match(data, at)
    if header is None:
        begun = HEADER_BEGUN.match(data, at)
        return (Shape.WAIT, 0) if begun and begun.end() == len(data) else (Shape.NOISE, 1)
    promised = header.end() - 1 - at + int(header[2])
    if not header.end() - at + TAIL_BYTES <= promised <= FRAME_BYTES_MAX:
        return Shape.NOISE, 1
    line = LINE.match(data, header.end())
    end = line.end() - at if line else 0
    if not is_counted(end, promised):
        end = promised
    if len(data) - at < end:
        return Shape.WAIT, 0
    tail = TAIL.match(data, at + end - TAIL_BYTES)
    if tail:
        return (Shape.FRAME if sum8(data[at : at + end - TAIL_BYTES + 1]) == int(tail[1], 16) else Shape.SPOILT), end
    is_open = is_counted(len(data) - at, promised) and LINE_BEGUN.fullmatch(data, header.end()) is not None
    return (Shape.WAIT, 0) if is_open else (Shape.NOISE, 1)


def is_counted(size: int, promised: int) -> bool:
    """Whether a text of ``size`` bytes may say that it has ``promised``."""
    return abs(promised - size) <= MISCOUNT_BYTES


def message_untrusted(raw: bytes, *, is_checked: bool = True) -> Message:
    """One whole frame. Raises: FrameError."""
    header = HEADER.match(raw)
    if header is None:
        raise FrameError(Reason.FRAMING, 0, "does not begin with $$, a letter, a length and a comma")
    size, promised = len(raw), header.end() - 1 + int(header[2])
    is_text = LINE.fullmatch(raw, header.end()) is not None
    if size > FRAME_BYTES_MAX or not (promised == size or (is_text and is_counted(size, promised))):
        raise FrameError(Reason.LENGTH, 3, f"the frame says {promised} bytes, {size} found; at most {FRAME_BYTES_MAX} are possible")
    tail = TAIL.fullmatch(raw, max(0, size - TAIL_BYTES))
    if tail is None:
        raise FrameError(Reason.FRAMING, max(0, size - TAIL_BYTES), "does not end in a star, two hexadecimal digits, CR and LF")
    carried, computed = int(tail[1], 16), sum8(raw[: size - TAIL_BYTES + 1])
    if is_checked and carried != computed:
        raise FrameError(Reason.CHECKSUM, size - 4, f"frame says {carried:02x}, its bytes give {computed:02x}")
    imei, _, rest = raw[header.end() : size - TAIL_BYTES].partition(b",")
    kind, _, body = rest.partition(b",")
    if not IMEI.fullmatch(imei) or not imei.strip(b"0"):
        raise FrameError(Reason.IDENTITY, header.end(), "the identity is not an IMEI in decimal digits")
    if len(kind) != 3 or not (kind.isascii() and kind.isalnum()):
        raise FrameError(Reason.FIELD, header.end() + len(imei) + 1, "the type is not three letters and digits")
    return Message(header[1], imei, kind, body, header.end() + len(imei) + 1 + len(kind) + 1)


# ------------------------------------------------------------------------------------------------- the answers


def answer_to(message: Message, count: int) -> bytes | None:
    """A login is confirmed under the letter z, a batch under its own with the number of its records."""
    if message.kind == LOGIN:
        return server_frame(b"z", message.imei, b"AAC,1")
    if message.kind == BATCH:
        return server_frame(message.flag, message.imei, b"CCC,%d" % count)
    return None


def server_frame(flag: bytes, imei: bytes, body: bytes) -> bytes:
    """A frame of ours: the same form, with @@."""
    counted = b"," + imei + b"," + body + b"*"
    frame = b"@@" + flag + b"%d" % (len(counted) + 4) + counted
    return frame + b"%02X\r\n" % sum8(frame)
