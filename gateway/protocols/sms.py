"""Short messages: telephones' own location (AML) and the alarm texts of trackers. The reference decoder.

Papers: ETSI TS 103 625 (AML version 1); the public, beta "ELS SMS specification" (version 2); manuals of Xexun TK-203,
Coban, Concox GT06, Meitrack-type, Seeworld S03C, Overwatch PL630. There is no standard for trackers' texts: alarm
and position are looked for separately, and each may be missing.

* TK-203 marks a low battery by ``L:`` before the voltage (``tk203-low-battery``) and misspells its alarm (``typing-error``).
* Concox's manual prints a link without decimal point: no position, but the alarm stands (``concox-lost-point``).
* A word SOS in an answer about settings is no alarm (``sos-numbers``).
* Some trackers send their own protocol as text (Queclink: ``queclink-forced-sms``): the decoder of that protocol reads it.
* Times are the device's local time without zone: they stand in ``unread``, never in ``event_at_us``.

A sending number can be forged; an SMS alarm is raised all the same. Not supported: the HTTPS form of AML.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar, Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Fix, Frame, Kind, Report
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings, refused
from gateway.protocols.messages import MessageSession
from gateway.protocols.sms_message import SmsMessage, clean, readings
from gateway.protocols.stream import StreamSession

NAME: Final = "sms"
TEXT_CHARS_MAX = 8192
"What is looked at and kept of a message; the longest that is sent has a few hundred characters."
E7 = 10_000_000


class Carried(NamedTuple):
    """A protocol whose frames trackers may also send as the text of a message."""

    recognise: Callable[[bytes], int]
    open: Callable[[str, DeviceSettings], StreamSession]
    "Opens a session for a transport."


RECOGNISED = 50


class Session(MessageSession):
    """The messages of one sender; ``peer`` is its number."""

    CARRIED: ClassVar[tuple[Carried, ...]] = ()
    "Set beside the table of protocols: no protocol imports another."

    def read(self, raw: bytes, now_us: int) -> Frame:
        """One message: UTF-8 text, packed septets or UTF-16."""
        text = best_reading(raw)
        carried = self._carried(raw, text, now_us)
        if carried:
            return carried
        try:
            device, report = aml_untrusted(text) if AML_HEADER.match(text) else tracker_text(text)
        except FrameError as error:
            kinds = kinds_of(text)
            return refused(NAME, self.transport, raw, error, self.peer, Report(kinds, text=text) if kinds & LIFE else None)
        self.device = device or self.peer
        return Frame(NAME, self.transport, raw, self.device, (report,))

    def _carried(self, raw: bytes, text: str, now_us: int) -> Frame | None:
        """The message as the protocol reads it whose frames it holds: several perhaps, the last one cut off. Nothing is answered."""
        body = text.strip().encode("latin-1", "replace")
        for protocol in self.CARRIED:
            if protocol.recognise(body) >= RECOGNISED:
                session = protocol.open("tcp", self.settings)
                session.receive(body)
                frames = [*session.frames(now_us)]
                if session.pending_bytes:
                    frames.append(session.read(body[-session.pending_bytes :], now_us))
                frame = session.joined(raw, frames) if len(frames) > 1 else frames[0] if frames else session.read(body, now_us)
                if not frame.refused or frame.unverified:
                    self.device = frame.device or self.peer
                    return replace(frame, transport=self.transport, raw=raw, device=self.device, reply=None)
        return None

    def read_message(self, message: SmsMessage, now_us: int) -> Frame:
        """One message of a bridge.

        Without a time of its own, an event happened when the carrier had the message: it can be hours late (F-33), and copies
        over other roads are known by it. A long message has its reference as sequence, by which its own copies are known.
        """
        frame = self.read(message.raw, now_us)
        return replace(frame, reports=tuple(self._dated(report, message) for report in frame.reports))

    @staticmethod
    def _dated(report: Report, message: SmsMessage) -> Report:
        if report.event_at_us is None:
            report = replace(report, event_at_us=message.carrier_at_us)
        if message.concat:
            lost = (f"{message.missing} of {message.concat.total} parts missing",) if message.missing else ()
            sequence = message.concat.ref if report.sequence is None else report.sequence
            report = replace(report, sequence=sequence, unread=report.unread + lost)
        return report


def recognise(data: bytes) -> int:
    """How surely a message is a text that we read: 90 for AML or a tracker's own protocol, 60 for an alarm, 5 for any other text."""
    text = best_reading(data)
    body = text.strip().encode("latin-1", "replace")
    if AML_HEADER.match(text) or any(protocol.recognise(body) >= RECOGNISED for protocol in Session.CARRIED):
        return 90
    if kinds_of(text) & LIFE:
        return 60
    return 5 if text and text.isprintable() else 0


def says_alarm(message: SmsMessage, settings: DeviceSettings = NOTHING_KNOWN) -> bool:
    """Can an alarm be read in what has come of this message?"""
    frame = Session("sms", settings).read(message.raw, message.received_at_us)
    return bool((frame.kinds | (frame.unverified.kinds if frame.unverified else NO_KIND)) & LIFE)


def best_reading(raw: bytes) -> str:
    """What the bytes say: the likeliest reading, unless another one holds an alarm."""
    texts = [clean(text)[:TEXT_CHARS_MAX] for text in readings(raw)]
    return next((text for text in texts if kinds_of(text) & LIFE), texts[0])


# ------------------------------------------------------------------------------------------------ tracker texts

LINE = r"^[^\w\n]{0,16}"
"The beginning of the text or of a line, whatever marks stand before the first word."
SENTENCE = r"(?:^|[!.:;,]\s)[^\w\n]{0,4}"
"Or of a sentence: warnings are put before a technical message."
SAID_MORE = r"emergency|pressed|triggered|(?:button|key) (?:was )?(?:pressed|triggered)|from\b|lbs\b|cell ?id\b|no gps\b|wi-?fi\b"
"What some trackers say before the link: who, by which button, how it was located."
TAIL = rf"(?=\s*(?:$|[!,.;)\]>*\n<]|[\s_-](?:alarm|alert)|\s(?:help|https?:|www\.|maps|geo:|lat|long?\b|imei|\(|[NSEW]?\s?[-+]?\d|{SAID_MORE})))"
"What may follow an alarm word; anything else (numbers:, list, set, ...) makes it part of another sentence."
COLON_OR_TAIL = rf"(?:\s?:|{TAIL})"
SOS = r"(?:emergency )?(?:sos|s\.o\.s\.?+)"
HELP_ME = "help me"
ONE_TYPING_ERROR = "|".join(
    pattern
    for at in range(len(HELP_ME))
    for pattern in (
        rf"{HELP_ME[:at]}.?{HELP_ME[at + 1 :]}",
        rf"{HELP_ME[:at]}\w{HELP_ME[at:]}",
        HELP_ME[:at] + HELP_ME[at : at + 2][::-1] + HELP_ME[at + 2 :],
    )
).replace(" ", " {1,4}")
"A letter that is wrong or missing, one too many, or two that changed places."


def _word(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


KEYWORDS = (
    (_word(LINE + rf"(?:{ONE_TYPING_ERROR})(?!\w)"), Kind.SOS_SMS),
    (_word(SENTENCE + HELP_ME + r"\b|\b" + HELP_ME + r"\s?!*\s*imei"), Kind.SOS_SMS),
    (_word(LINE + SOS + COLON_OR_TAIL), Kind.SOS_SMS),
    (_word(SENTENCE + SOS + r"(?:\s?!|[\s_-](?:alarm|alert)\b)"), Kind.SOS_SMS),
    (_word(LINE + rf"fall(?:[\s_-]?(?:down|detected))?{COLON_OR_TAIL}"), Kind.FALL),
    (_word(LINE + rf"man[\s_-]?down{COLON_OR_TAIL}"), Kind.MAN_DOWN),
    (_word(LINE + r"(?:no[\s_-]?(?:motion|movement)|inactivity)[\s_-](?:alarm|alert)\b(?!:)"), Kind.INACTIVITY),
    (_word(SENTENCE + r"(?:cut power|power cut|power alarm|ac alarm|extpower)\b(?!:)"), Kind.POWER_CUT),
    (_word(SENTENCE + r"(?:low battery|battery (?:is )?(?:too )?low|lowbat)\b(?!:)"), Kind.BATTERY_LOW),
    (_word(SENTENCE + r"(?:(?:sensor|shock) alarm\b|vibration" + TAIL + ")"), Kind.VIBRATION),
    (_word(LINE + "(?:stockade|geo(?:[- ]?fence)?)" + TAIL), Kind.GEOFENCE),
    (_word(LINE + "move" + TAIL), Kind.MOVEMENT),
    (_word(LINE + r"(?:over[\s-]?)?speed(?=\s*(?:$|!|\s\d+\s?!|\s(?:alarm|alert|lat|https?:)))"), Kind.OVERSPEED),
)
"""Words at the beginning of the text or of a line, and what they report: all that stand there, never only the first. Bridges that put a
text on one line leave a call for help behind a sentence, or before the identity."""
STRAY_SOS = _word(r"\bsos\b")
TK203_VOLTS = re.compile(r"\b([FL]):(\d{1,2}\.\d{1,3})V", re.IGNORECASE)
IMEI = _word(r"\bimei\s?[:=]?\s?(\d{15})(?!\d)")
LOCAL_TIME = re.compile(r"\b(\d\d[-/]\d\d[-/]\d\d\s+\d\d\s?:\s?\d\d(?:\s?:\s?\d\d)?|\d{6} \d\d:\d\d)")
KMH = _word(r"\b(\d{1,3}(?:\.\d{1,3})?)\s?km/h")
PERCENT = _word(r"(?:km/h,|\bbat(?:tery)?\s?[:=]?\s?)(\d{1,3})%")
COURSE = _word(r"\bcourse\s?[:=]\s?(\d{1,3}(?:\.\d{1,3})?)")
FROM_CELL = _word(r"\b(?:lbs|cell ?id)\b")
NOT_VALID = _word(r"\bno gps\b|\bsignal\s?:\s?L\b|,V,")


def tracker_text(text: str) -> tuple[str | None, Report]:
    """Identity and report of a tracker's text."""
    kinds = kinds_of(text)
    unread = [f"local time {stamp[1]}" for stamp in LOCAL_TIME.finditer(text[:512])][:1]
    if not kinds & LIFE and STRAY_SOS.search(text):
        unread.append("SOS where no alarm word stands")
    volts, percent, imei = TK203_VOLTS.search(text), PERCENT.search(text), IMEI.search(text)
    fix = position_of(text)
    report = Report(
        kinds or (Kind.POSITION if fix else Kind.HEARTBEAT), fix,
        battery_percent=float(percent[1]) if percent and int(percent[1]) <= 100 else None,
        battery_v=float(volts[2]) if volts else None, text=text, unread=tuple(unread),
    )  # fmt: skip
    return imei[1] if imei else None, report


def kinds_of(text: str) -> Kind:
    """Every alarm in the text."""
    kinds = NO_KIND
    for word, kind in KEYWORDS:
        if word.search(text):
            kinds |= kind
    volts = TK203_VOLTS.search(text)
    return kinds | Kind.BATTERY_LOW if volts and volts[1] in "Ll" else kinds


# ------------------------------------------------------------------------------------------------------ positions

LAT = r"(?P<ns>[NS]?)\s?(?P<lat>[-+]?\d{1,10}(?:\.\d{1,12})?)\s?°?(?P<ns2>[NS]?)"
LON = r"(?P<ew>[EW]?)\s?(?P<lon>[-+]?\d{1,10}(?:\.\d{1,12})?)\s?°?(?P<ew2>[EW]?)"
COMMA = r"(?:\s{0,4}|%20|\+)(?:,|%2C)\s{0,4}(?:%20|\+)?"
PAIR = LAT + COMMA + LON
EXTRACTORS = tuple(
    map(
        _word,
        (
            rf"\blat(?:itude)?\s?[:=]\s?{LAT}[\s\S]{{0,40}}?\blo?ng?(?:itude)?\s?[:=]\s?{LON}",
            rf"maps\S{{0,200}}?[?&](?:q|ll|daddr|center|query)=(?:loc:)?\s?(?:%2B)?{PAIR}",
            rf"/maps/place/{PAIR}",
            rf"/@{PAIR}",
            rf"\bgeo:{PAIR}",
            r"(?<![\d.])(?P<ns>)(?P<lat>[-+]?\d{1,2}\.\d{4,12}),\s{0,4}(?P<ew>)(?P<lon>[-+]?\d{1,3}\.\d{4,12})(?P<ns2>)(?P<ew2>)",
        ),
    )
)
"Ways in which a text can hold a position; the first one that gives a place on earth is taken."


def position_of(text: str) -> Fix | None:
    """The position in a tracker's text."""
    for extractor in EXTRACTORS:
        for match in extractor.finditer(text):
            lat = signed_by(match["ns"] or match["ns2"], float(match["lat"]), "S")
            lon = signed_by(match["ew"] or match["ew2"], float(match["lon"]), "W")
            if abs(lat) > 90 or abs(lon) > 180 or not (lat or lon):
                continue
            is_cell = bool(FROM_CELL.search(text))
            speed, course = KMH.search(text), COURSE.search(text)
            return Fix(
                round(lat * E7), round(lon * E7), valid=is_cell or not NOT_VALID.search(text), source="cell" if is_cell else "gnss",
                speed_kmh=float(speed[1]) if speed else None,
                course_deg=float(course[1]) if course and float(course[1]) <= 360 else None,
            )  # fmt: skip
    return None


def signed_by(letter: str, value: float, negative: str) -> float:
    """The value with the sign that its hemisphere letter gives; as it stands when there is no letter."""
    if not letter:
        return value
    return -abs(value) if letter.upper() == negative else abs(value)


# ------------------------------------------------------------------------------------------------------------ AML

AML_HEADER = re.compile(r'\s*A"ML=')
AML_SOURCES = {"G": "gnss", "W": "wifi", "C": "cell"}


def aml_untrusted(text: str) -> tuple[str | None, Report]:
    """Identity and report of a telephone's own location, version 1 or 2. Keys in any order, unknown ones kept."""
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    version = fields.pop('A"ML', "")
    if version == "1":
        return aml_v1_untrusted(text, fields)
    if version == "2":
        return aml_v2(text, fields)
    raise FrameError(Reason.UNSUPPORTED, 0, "AML of an unknown version")


def aml_v1_untrusted(text: str, fields: dict[str, str]) -> tuple[str | None, Report]:
    """lt, lg degrees; rd metres; top yyyymmddhhmmss UTC; lc confidence; pm method; si, ei identities; ml message length."""
    if "ml" not in fields and "ei" not in fields:
        raise FrameError(Reason.LENGTH, len(text), "AML cut off: neither ml nor ei")
    at_us = aml_time(fields.get("top", ""))
    unread = unread_keys(fields, ("lt", "lg", "rd", "top", "pm", "ei", "ml"))
    if fields.get("ml", "") not in ("", str(len(text.strip()))):
        unread.append("length is not what ml says")
    if fields.get("top") and at_us is None:
        unread.append("time")
    fix = None
    if not (fields.get("rd") == "N" and fields.get("pm") == "N"):
        fix = aml_fix(fields.get("lt", ""), fields.get("lg", ""), fields.get("rd", ""), fields.get("pm", ""), at_us)
    return digits(fields.get("ei", "")), aml_report(text, fix, at_us, unread)


def aml_v2(text: str, fields: dict[str, str]) -> tuple[str | None, Report]:
    """et Unix seconds of the call; lo latitude, longitude, metres; lt seconds from the call to the position; lz altitude; ls source."""
    call, age = number(fields.get("et", "")), number(fields.get("lt", ""))
    call_us = round(call) * 1_000_000 if call is not None and 0 <= call < 1e11 else None
    at_us = call_us + round(age) * 1_000_000 if call_us is not None and age is not None and abs(age) < 1e8 else call_us
    lat, lon, radius = [*fields.get("lo", "").split(","), "", "", ""][:3]
    fix = aml_fix(lat, lon, radius, fields.get("ls", ""), at_us, number(fields.get("lz", "").partition(",")[0]))
    return digits(fields.get("ei", "")), aml_report(text, fix, call_us, unread_keys(fields, ("et", "lo", "lt", "lz", "ls", "ei")))


def aml_fix(lat_word: str, lon_word: str, radius_word: str, method: str, at_us: int | None, altitude_m: float | None = None) -> Fix | None:
    """The position, unless it is the null position or off the globe."""
    lat, lon, radius_m = number(lat_word), number(lon_word), number(radius_word)
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180 or not (lat or lon):
        return None
    source = AML_SOURCES.get(method.strip().upper(), "network")
    accuracy_m = radius_m if radius_m is not None and radius_m >= 0 else None
    return Fix(round(lat * E7), round(lon * E7), at_us, source=source, accuracy_m=accuracy_m, altitude_m=altitude_m)


def aml_report(text: str, fix: Fix | None, event_at_us: int | None, unread: list[str]) -> Report:
    """A telephone tells where it is; that it calls for help is the call's business, unless an alarm word stands there too."""
    return Report(kinds_of(text) or (Kind.POSITION if fix else Kind.HEARTBEAT), fix, event_at_us, text=text, unread=tuple(unread))


def aml_time(word: str) -> int | None:
    """yyyymmddhhmmss in UTC."""
    if not re.fullmatch("[0-9]{14}", word.strip()):
        return None
    try:
        return int(datetime.strptime(word.strip(), "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()) * 1_000_000
    except ValueError:
        return None


def unread_keys(fields: dict[str, str], read: tuple[str, ...]) -> list[str]:
    """Keys that are kept without being understood; subscriber numbers are not repeated."""
    return [f"{key}={value}"[:64] for key, value in fields.items() if key not in (*read, "si")][:16]


def number(word: str) -> float | None:
    """A decimal number with or without sign."""
    return float(word) if re.fullmatch(r"\s*[-+]?[0-9]{1,12}(\.[0-9]{0,12})?\s*", word) else None


def digits(word: str) -> str | None:
    """An IMEI: 14 or 15 digits."""
    return word.strip() if re.fullmatch(r"\s*[0-9]{14,15}\s*", word) else None
