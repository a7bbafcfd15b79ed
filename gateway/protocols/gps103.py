"""GPS103 of Coban (Baanool) and its clones: TK-103, GPS-303 and TK-102 trackers with an SOS button or wire. The reference decoder.

Paper: Coban's "GPS103" protocol description and manuals. ASCII, sentences end with ``;`` or, in the alternate form, with ``*``; there
is no checksum. Keywords are free text: what is not known is a position with that text (``keyword-unknown``), or an alarm that we do not
know where it sounds like one (``keyword-unknown-alarm``).

* Clones write ``help me!`` and put blanks around it (``help-me-exclaimed``); without the answer the device repeats its SOS.
* Dates are local time. Hours and minutes of the UTC field tell the zone (``zone-across-midnight``); frames without it
  (``low-cell``) use ``DeviceSettings.clock_offset_s``, the zone of an earlier frame (``zone-remembered``), or say ``time zone``.
* Some put the hemisphere before the number (``hemisphere-first``), some glue a heartbeat without end to the next report
  (``prefix-glued``).
* Cells come without their network; the word ``network=…`` gives it (``low-cell-network``).

Not supported: photographs (``vr``, ``vt``), OBD values, fuel, the numbers of the alternate form whose meaning is not established.
"""

import re
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Kind, Report
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings
from gateway.protocols.gps103_report import Zone, alternate_report, is_alternate, keyword_kinds, low_report, position_report
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "gps103"
WORD_NETWORK: Final = "network"

SENTENCE_BYTES_MAX: Final = 1024
"Positions have some 130 bytes; photographs go beyond."
LOGIN_CHARS_MAX: Final = 30
"A shorter sentence with an IMEI has no room for a report."
ALTERNATE_COMMAS_MIN: Final = 10
"A star ends a sentence of the alternate form, which has 18 commas; before that it stands in somebody's number."

OPENING: Final = re.compile(rb"##,imei:[0-9]{10,16}[,;]|(?:[0-9]{15})?imei:[0-9]{10,16},|[0-9]{15};")
OPENING_CUT: Final = re.compile(rb"#|##|##,|(?:##,|[0-9]{15})?(?:i|im|ime|imei|imei:[0-9]{0,16})|[0-9]{1,15}")
INNER: Final = re.compile(rb"imei:|##,|[\x00-\x08\x0b\x0c\x0e-\x1f]")
"Where a sentence that has lost its end is over."
END: Final = re.compile(rb"[;*]")
IMEI: Final = re.compile(r"(?:[0-9]{15})?imei:([0-9]{10,16})", re.ASCII)
BEAT: Final = re.compile(rb"[0-9]{15}")
IGNORED: Final = ("obd", "vr", "vt")
"Keywords of sentences that need not hold a position."


class Session(StreamSession):
    """One connection of a tracker, or the datagrams of one."""

    NAME = NAME
    STARTS = re.compile(rb"[#i0-9]")
    WORDS = {f"{WORD_NETWORK}=…": "MCC and MNC of the device's SIM (such as 20601): its cells come without them"}

    def __init__(self, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None) -> None:
        super().__init__(transport, settings, peer)
        self._login: str | None = None
        self._zone_s: int | None = None
        "Local time minus UTC, as the newest frame with both said."

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A sentence up to its end sign, within the guard, without the beginning of another inside."""
        found = OPENING.match(data, at)
        if found is None:
            return (Shape.WAIT, 0) if OPENING_CUT.fullmatch(data, at) else (Shape.NOISE, 1)
        if found[0].endswith(b";"):
            is_tail = BEAT.match(found[0]) and at and data[at - 1 : at].isalnum()  # of a photograph
            return (Shape.NOISE, 1) if is_tail else (Shape.FRAME, found.end() - at)
        stop = min(len(data), at + SENTENCE_BYTES_MAX)
        end = sentence_end(data, found.end(), stop)
        if INNER.search(data, found.end(), stop if end < 0 else end):
            return Shape.NOISE, 1
        if end >= 0:
            return Shape.FRAME, end + 1 - at
        return (Shape.WAIT, 0) if len(data) - at < SENTENCE_BYTES_MAX else (Shape.NOISE, 1)

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """A login, a heartbeat or a report, and its answer. Only SOS has one among the reports."""
        sentence = raw.rstrip(b"\r\n")
        if not sentence.endswith((b";", b"*")):
            raise FrameError(Reason.FRAMING, len(raw), "neither ; nor * at the end")
        is_starred, sentence = sentence.endswith(b"*"), sentence[:-1]
        if BEAT.fullmatch(sentence):
            self.device = sentence.decode()
            return Content((Report(Kind.HEARTBEAT),), b"ON")
        text = sentence.decode("latin-1")
        fields = text.removeprefix("##,").split(",")
        imei = IMEI.fullmatch(fields[0])
        if imei is None:
            known = fields[0].startswith("imei:")
            raise FrameError(Reason.IDENTITY if known else Reason.FRAMING, 0, "no imei: with 10 to 16 digits and no number of 15 digits at the front")
        self.device = imei[1]
        if text.startswith("##,") or (len(text) <= LOGIN_CHARS_MAX and not (len(fields) > 1 and keyword_kinds(fields[1]) & LIFE)):
            self._login = imei[1]
            return Content((Report(Kind.LOGIN),), b"LOAD")
        report = self._report(fields, is_starred)
        return Content((report,), f"**,imei:{imei[1]},E;".encode() if report.kinds & Kind.SOS_BUTTON else None)

    def _report(self, fields: list[str], is_starred: bool) -> Report:
        """A report by the form of its fields; the zone that it tells is kept for those that cannot."""
        differs = ("imei differs from the login",) if self._login not in (None, self.device) else ()
        zone = Zone(self.settings.clock_offset_s, self._zone_s)
        if is_starred and is_alternate(fields):
            return alternate_report(fields, differs)
        if len(fields) > 4 and fields[4].strip().upper() == "L":
            return low_report(fields, zone, self.settings.value(WORD_NETWORK), differs)
        report, zone_s = position_report(fields, zone, differs)
        if zone_s is not None:
            self._zone_s = zone_s
        if not report.fix and fields[1].strip().lower()[:3].startswith(IGNORED):
            return Report(report.kinds, unread=(*differs, "content of " + fields[1].strip()[:3].upper()))
        return report


def sentence_end(data: bytes, at: int, stop: int) -> int:
    """Where the sign stands that ends the sentence; -1 without one."""
    for sign in END.finditer(data, at, stop):
        if sign[0] == b";" or data.count(b",", at, sign.start()) >= ALTERNATE_COMMAS_MIN:
            return sign.start()
    return -1


def recognise(data: bytes) -> int:
    """95 with ``imei:`` and its digits, 70 with fifteen digits and a semicolon."""
    found = OPENING.match(data)
    if found:
        return 95 if b"imei:" in found[0] else 70
    return 20 if data and OPENING_CUT.fullmatch(data) else 0
