"""Xexun, the text protocol of TK102, TK103 and XT009, over TCP: the reference decoder.

Paper: no edition is public; what is known rests on the maker's manuals of the TK-203 and on recorded sentences. A sentence is an NMEA
0183 RMC line without its ``$``, with the device's own fields around it (see ``Session``). Nothing is answered.

* The sum of NMEA covers the RMC part alone. If it is wrong the frame is refused; an SOS beside it is raised all the same,
  without the place and the time that cannot be trusted (``refuse-checksum-sos``).
* The short form begins with RMC and ends behind the comma after the IMEI, with or without a line end (``short``).
* Full sentences end in CR LF, in LF CR, or where the next one begins. Some firmware breaks the line behind the
  checksum as well (``line-end-inside``): a sentence is not over before its IMEI.
* Before there is a fix, some devices send only their own fields (``sos-no-sentence``).

The end is found without a clock: a short sentence promises nothing behind the IMEI, a full one promises a line end, and the first
CR or LF is believed at once; the other half of the pair is passed over. The keyword field is free text: an unknown one that sounds like
an alarm is an alarm that we do not know (``keyword-unknown-alarm``), any other is kept as text (``keyword-unknown``).
"""

import re
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Cell, Fix, Kind, Report
from gateway.protocols.fields import KMH_PER_KNOT, calls_for_help, course, day_first_us, decimal, field, fix, hexadecimal, minutes_e7, speed, whole
from gateway.protocols.octets import xor8
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "xexun"

SENTENCE_BYTES_MAX: Final = 512
"Guard: the longest one seen has 190."

HEAD: Final = re.compile(rb"(?:[0-9]{6,16})?,[^,\r\n]{0,32},(?:G[ABLNP]RMC,|,[FL],)|G[ABLNP]RMC,")
"Serial number and phone number, then RMC or, without one, the signal; or RMC alone."
HEAD_BEGUN: Final = re.compile(
    rb"[0-9]{0,16}|(?:[0-9]{6,16})?,[^,\r\n]{0,32}(?:,(?:G(?:[ABLNP](?:R(?:MC?)?)?)?|,[FL]?)?)?|G(?:[ABLNP](?:R(?:MC?)?)?)?"
)
NEXT_HEAD: Final = re.compile(rb"(?:[0-9]{12},[^,\r\n]{0,32},)?G[ABLNP]RMC,|[0-9]{12},[^,\r\n]{0,32},,[FL],")
IMEI: Final = re.compile(rb"imei:([0-9]{15})(?![0-9])")
LINE_END: Final = re.compile(rb"[\r\n]")
SENTENCE: Final = re.compile(rb"(G[ABLNP]RMC,[^*]*)\*([0-9A-Fa-f]{2})(?![0-9A-Fa-f])")
VOLTAGE: Final = re.compile(r"[FL]:([0-9]{1,2}(?:\.[0-9]{1,3})?)V(?:/.*)?")
"F full or L low, and what some devices measure besides."

KEYWORDS: Final = {
    "": NO_KIND, "helpme": Kind.SOS_BUTTON, "help": Kind.SOS_BUTTON, "sos": Kind.SOS_BUTTON, "lowbattery": Kind.BATTERY_LOW,
    "move": Kind.MOVEMENT, "moved": Kind.MOVEMENT, "accon": NO_KIND, "accoff": NO_KIND, "accstart": NO_KIND, "accstop": NO_KIND,
}  # fmt: skip
"In lower case, without blanks and exclamation marks. help and sos stand in no manual; a clone that sends them means what it says."


class Session(StreamSession):
    """One connection of a tracker.

    serial yymmddhhmmss (some write more or fewer digits), phone, the RMC sentence with its checksum, F or L (signal), keyword,
    imei:15 digits, satellites, metres, F or L:volts, charging, length, check number, MCC, MNC, LAC (hex), cell (hex).
    """

    NAME = NAME
    STARTS = re.compile(rb"[0-9,G]")

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A sentence, from its head to the end that its form has."""
        head = HEAD.match(data, at)
        if head is None:
            return (Shape.WAIT, 0) if HEAD_BEGUN.fullmatch(data, at) else (Shape.NOISE, 1)
        stop = at + SENTENCE_BYTES_MAX
        imei = IMEI.search(data, head.end(), stop)
        following = NEXT_HEAD.search(data, head.end(), stop)
        if following and (imei is None or following.start() < imei.start()):
            return Shape.NOISE, following.start() - at
        if imei is None or imei.end() == len(data):
            return (Shape.WAIT, 0) if len(data) < stop else (Shape.NOISE, 1)
        is_short = data[at] == ord("G")
        if is_short and data[imei.end()] == ord(","):
            return Shape.FRAME, imei.end() + 1 - at
        line_end = LINE_END.search(data, imei.end(), stop)
        end = line_end.end() if line_end else stop
        if following and following.start() < end:
            return Shape.FRAME, following.start() - at
        return (Shape.FRAME, end - at) if line_end or len(data) >= stop else (Shape.WAIT, 0)

    def _next_frame(self) -> bytes:
        """The next sentence; the other half of a line end is not counted as lost."""
        while self._buffer[self._start : self._start + 1] in (b"\r", b"\n"):
            self._start += 1
        return super()._next_frame()

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """The report; nothing is answered."""
        imei = identity_untrusted(raw)
        sentence = SENTENCE.search(raw, 0, imei.start())
        if sentence:
            claimed, computed = int(sentence[2], 16), xor8(sentence[1])
            if claimed != computed:
                raise FrameError(Reason.CHECKSUM, sentence.start(2), f"sentence says {claimed:02x}, its bytes give {computed:02x}")
        elif b"RMC" in raw[: imei.start()]:
            raise FrameError(Reason.CHECKSUM, imei.start(), "no checksum behind the sentence")
        self.device = imei[1].decode()
        return Content((report_of(raw, imei, sentence),))

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """An alarm for life beside a sentence that is not believed: without place and time, with the cells, which no sum covers."""
        imei = IMEI.search(raw)
        report = report_of(raw, imei, None) if imei and error.reason is Reason.CHECKSUM else None
        return report if report and report.kinds & LIFE else None

    def named(self, raw: bytes) -> str | None:
        """The identity at the end, which the sum does not cover either."""
        imei = IMEI.search(raw)
        return imei[1].decode() if imei else None


def recognise(data: bytes) -> int:
    """How surely these first bytes are Xexun's text: 90 with an IMEI behind the head, 0 when they cannot be."""
    head = HEAD.match(data)
    if head is None:
        return 10 if data and HEAD_BEGUN.fullmatch(data) else 0
    if IMEI.search(data, head.end(), SENTENCE_BYTES_MAX):
        return 90
    return 70 if data[:1].isdigit() else 40


def identity_untrusted(raw: bytes) -> re.Match[bytes]:
    """Where the IMEI stands."""
    if len(raw) > SENTENCE_BYTES_MAX:
        raise FrameError(Reason.LENGTH, SENTENCE_BYTES_MAX, f"{len(raw)} bytes; at most {SENTENCE_BYTES_MAX} are possible")
    if not HEAD.search(raw):
        raise FrameError(Reason.FRAMING, 0, "neither serial and phone number nor RMC at the front")
    imei = IMEI.search(raw)
    if imei is None:
        raise FrameError(Reason.IDENTITY, len(raw), "no imei: with 15 digits")
    return imei


def report_of(raw: bytes, imei: re.Match[bytes], sentence: re.Match[bytes] | None) -> Report:
    """What the fields around a sentence say, and the sentence if it is believed."""
    text = raw.decode("latin-1")
    keyword = keyword_of(text, imei.start())
    kinds = KEYWORDS.get(plain(keyword))
    is_known, unread = kinds is not None, list[str]()
    if kinds is None:
        kinds = Kind.UNKNOWN_ALARM if calls_for_help(keyword) else NO_KIND
    tail = text[imei.end() :].strip("\r\n").split(",")[1:]
    place, at_us = None, None
    if sentence:
        rmc = sentence[1].decode("latin-1").split(",")
        at_us = day_first_us(field(rmc, 9), field(rmc, 1)[:6])
        place = place_of(rmc, at_us, tail)
        unread += [] if at_us is not None else ["time"]
        unread += [] if place or field(rmc, 2) != "A" else ["place"]
    cells = cell_of(tail)
    volts = VOLTAGE.fullmatch(field(tail, 2))
    return Report(
        kinds or (Kind.POSITION if place or cells else Kind.HEARTBEAT), place, at_us, battery_v=float(volts[1]) if volts else None,
        charging={"0": False, "1": True}.get(field(tail, 3)), cells=cells, text=None if is_known else keyword, unread=tuple(unread),
    )  # fmt: skip


def keyword_of(text: str, end: int) -> str:
    """The keyword, which stands between the signal (F or L) and the IMEI at ``end``; it may be empty or not there at all."""
    start = max(text.rfind("*", 0, end), 0)
    words = [word.strip(" \r\n") for word in text[start:end].split(",")]
    signal = next((at for at, word in enumerate(words) if at and word in ("F", "L")), 0)
    return " ".join(word for word in words[signal + 1 :] if word)


def plain(keyword: str) -> str:
    """The keyword as the table has it."""
    return keyword.lower().replace("!", "").replace(" ", "")


def place_of(rmc: list[str], at_us: int | None, tail: list[str]) -> Fix | None:
    """RMC: hhmmss.sss, A or V, ddmm.mmmm, N or S, dddmm.mmmm, E or W, knots, course, ddmmyy; height and satellites stand in the tail."""
    return fix(
        minutes_e7(field(rmc, 3), field(rmc, 4)), minutes_e7(field(rmc, 5), field(rmc, 6)), at_us, field(rmc, 2) == "A",
        altitude_m=decimal(field(tail, 1)), speed_kmh=speed(field(rmc, 7), KMH_PER_KNOT), course_deg=course(field(rmc, 8)),
        satellites=whole(field(tail, 0), 255),
    )  # fmt: skip


def cell_of(tail: list[str]) -> tuple[Cell, ...]:
    """MCC and MNC decimal, LAC and cell hexadecimal."""
    mcc, mnc, lac, cid = whole(field(tail, 6), 999), whole(field(tail, 7), 999), hexadecimal(field(tail, 8)), hexadecimal(field(tail, 9))
    return () if mcc is None or mnc is None or lac is None or cid is None else (Cell(mcc, mnc, lac, cid),)
