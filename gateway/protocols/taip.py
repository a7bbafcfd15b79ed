"""TAIP: vehicles of police, fire brigade and ambulances (Trimble Placer, CalAmp, Sierra; Lantrix, Virloc and Akroz beside them).

Paper: the Trimble ASCII Interface Protocol of the Placer GPS manuals and what its relatives add.
``>message;ID=identity;#number;*hh<`` over TCP and UDP. A source of positions of units; an event is an alarm only where the
device's settings say so. Witnesses in ``tests/vectors/taip.json``:

- reports with a time of the day, and with a GPS week, which some receivers count 1024 too low: ``rpv``, ``rev-rollover``
- relatives with a date, whose event stands in front or behind: ``rgp-event-sos``, ``rcv-event``; Akroz sends km/h: ``ruv``
- Lantrix leaves the star out of its checksum (the word ``lantrix``): ``lantrix-checksum``
- a message with a number is acknowledged, another is answered with the identity: ``ack-id-first``, ``sak``, ``answer-identity``

Not supported: leap seconds (the time is up to 18 s ahead of UTC); RLN, RCP, RTT and other messages, which are answered only.
"""

import re
from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import KINDS, Kind, Report
from gateway.protocols import fields
from gateway.protocols.octets import xor8
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "taip"
FRAME_BYTES_MAX: Final = 512
GATEWAY_PREFIX: Final = b"\x20\x20\x06\x00"
"Some gateways put this before each message."

SECOND_US: Final = 1_000_000
WEEK_US: Final = 7 * fields.DAY_US
GPS_EPOCH_US: Final = 315_964_800 * SECOND_US
"1980-01-06."
ROLLOVER_WEEKS: Final = 1024
AGE_US_MAX: Final = 19 * 365 * fields.DAY_US
"A date that is older comes from a receiver that missed the rollover of 2019."

SOURCE_UNKNOWN, AGE_UNKNOWN = "9", "0"
BODY: Final = r"([0-9]{5})([+-][0-9]{7})([+-][0-9]{8})([0-9]{3})([0-9]{3})([0-9])([0-9])"
RPV: Final = re.compile("RPV" + BODY, re.ASCII)
REV: Final = re.compile("REV([0-9]{2})([0-9]{4})([0-6])" + BODY, re.ASCII)
RELATIVE: Final = re.compile(
    r"(RGP|RCQ|RCV|RBR|RPI|RUS|RUV)([0-9]{0,5}?)(?:,(?:[^,]*,)?)?([0-9]{6})([0-9]{6})"
    r"([+-][0-9]{7}|[+-][0-9]{4}\.[0-9]{4})([+-][0-9]{8}|[+-][0-9]{5}\.[0-9]{4})([0-9]{3})([0-9]{3})(.*)",
    re.ASCII,
)
"Name, event, ddmmyy, hhmmss, latitude, longitude, speed, course; behind them, in some, what FLAGS says."
FLAGS: Final = re.compile(r"([0-9])[0-9A-F]{2}[0-9A-F]{2}([0-9A-F]{2})", re.ASCII)
"Source of the fix, age, inputs, event."
FLAGGED: Final = frozenset(("RGP", "RPI", "RUS", "RUV"))
IDENTITY: Final = re.compile(r"[!-:=-~]{2,16}", re.ASCII)

ALIASES: Final = {"sos": Kind.SOS_BUTTON, "low_battery": Kind.BATTERY_LOW, "tamper": Kind.TAMPER_CASE, "removed": Kind.STRAP_CUT}
BY_NAME: Final = {kind.name.lower(): kind for kind in KINDS if kind.name} | ALIASES


class Message(NamedTuple):
    """What stands between ``>`` and ``<``."""

    text: str
    identity: str | None
    number: str | None
    "With its ``#``."
    is_identity_first: bool
    is_checked: bool


class Session(StreamSession):
    """One connection of a vehicle's receiver."""

    NAME = NAME
    STARTS = re.compile(rb">")
    WORDS: ClassVar[Mapping[str, str]] = {
        "event…=…": "`event01=sos`: what an event of this device says, by the name of a kind; a name that does not exist is an unknown alarm",
        "lantrix": "the checksum leaves out its star",
        "checksum_required": "refuse messages without a checksum",
        "no_answer": "answer nothing, as units of Trimble itself expect",
    }

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """From ``>`` to ``<``; another ``>`` before it begins anew."""
        end = data.find(b"<", at, at + FRAME_BYTES_MAX)
        anew = data.find(b">", at + 1, end if end >= 0 else at + FRAME_BYTES_MAX)
        if anew >= 0:
            return Shape.NOISE, anew - at
        if end < 0:
            return (Shape.WAIT, 0) if len(data) - at < FRAME_BYTES_MAX else (Shape.NOISE, 1)
        return Shape.FRAME, end + 1 - at

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """``>message;attribute;...<``, blanks and line ends around it."""
        message = message_untrusted(raw.removeprefix(GATEWAY_PREFIX).strip(), 0 if self.settings.has("lantrix") else 1)
        if not message.is_checked and self.settings.has("checksum_required"):
            raise FrameError(Reason.CHECKSUM, len(raw), "no checksum, and this device is set up to send one")
        device = message.identity or self.device
        if device is None:
            raise FrameError(Reason.IDENTITY, 0, "no identity in this message, and none before it")
        report = self._report(message.text, now_us)
        if report is None and not (message.is_checked or message.identity):
            raise FrameError(Reason.UNSUPPORTED, 1, "a message that nobody described, with neither checksum nor identity")
        self.device = device
        return Content(() if report is None else (report,), self._reply(message, device))

    def _report(self, text: str, now_us: int) -> Report | None:
        """What a message says; None when it is not about a place."""
        if found := RPV.match(text):
            return report_of(found.groups(), fields.today_us(int(found[1]), now_us) if int(found[1]) < 86_400 else None, Kind.POSITION)
        if found := REV.match(text):
            at_us = week_us(int(found[2]), int(found[3]), int(found[4]), now_us) if int(found[4]) < 86_400 else None
            return report_of(found.groups()[3:], at_us, self._kinds_of(found[1]))
        if found := RELATIVE.match(text):
            return self._relative(found)
        return None

    def _relative(self, found: re.Match[str]) -> Report:
        """A report of one of the relatives."""
        at_us = fields.day_first_us(found[3], found[4], self.settings.clock_offset_s or 0)
        flags = FLAGS.match(found[9]) if found[1] in FLAGGED else None
        event = found[2][-3:] if found[1] == "RUV" else flags[2] if flags and found[1] != "RUS" else found[2]
        fix = fields.fix(
            degrees_e7(found[5], 2), degrees_e7(found[6], 3), at_us, flags is None or flags[1] != SOURCE_UNKNOWN,
            speed_kmh=float(found[7]) * (1.0 if found[1] == "RUV" else fields.KMH_PER_MPH), course_deg=fields.course(found[8]),
        )  # fmt: skip
        return Report(self._kinds_of(event), fix, at_us, unread=() if at_us is not None else ("time",))

    def _kinds_of(self, event: str) -> Kind:
        """What the device's own table says about an event."""
        name = self.settings.value(f"event{event}") if event else None
        return Kind.POSITION if name is None else BY_NAME.get(name, Kind.UNKNOWN_ALARM)

    def _reply(self, message: Message, device: str) -> bytes | None:
        """The number comes back with the identity, in the order of the message; without a number the identity alone."""
        if self.settings.has("no_answer"):
            return None
        if message.number is None:
            return device.encode("latin-1") if message.identity else None
        if message.number.startswith("#IP"):
            return f">SAK;ID={device};{message.number}<".encode("latin-1")
        said = (f"ID={device}", message.number) if message.is_identity_first else (message.number, f"ID={device}")
        text = f">ACK;{said[0]};{said[1]};*".encode("latin-1")
        return b"%b%02X<" % (text, xor8(text[:-1] if self.settings.has("lantrix") else text))


# --------------------------------------------------------------------------------------------------- the message


def message_untrusted(line: bytes, star: int) -> Message:
    """The parts of a message, whose exclusive or up to its star is the checksum; ``star``: 1 where it counts, too.

    Raises: FrameError.
    """
    if not line.startswith(b">"):
        raise FrameError(Reason.FRAMING, 0, "does not start with >")
    if len(line) > FRAME_BYTES_MAX:
        raise FrameError(Reason.LENGTH, FRAME_BYTES_MAX, f"longer than {FRAME_BYTES_MAX} bytes")
    if not line.endswith(b"<") or line.count(b"<") + line.count(b">") > 2:
        raise FrameError(Reason.FRAMING, len(line), "does not end in its only <")
    text, *attributes = line[1:-1].decode("latin-1").split(";")
    is_checked = b"*" in line
    if is_checked:
        star_at = line.index(b"*")
        carried, computed = fields.hexadecimal(line[star_at + 1 : -1].decode("latin-1")), xor8(line[: star_at + star])
        if carried is None or len(line) - star_at != 4 or line[star_at - 1 : star_at] != b";":
            raise FrameError(Reason.FRAMING, star_at, "a checksum is ;* with two hexadecimal digits before <")
        if carried != computed:
            raise FrameError(Reason.CHECKSUM, star_at, f"message says {carried:02x}, its bytes give {computed:02x}")
    identity = next((attribute[3:].strip() for attribute in attributes if attribute.startswith("ID=")), "")
    if identity and not IDENTITY.fullmatch(identity):
        raise FrameError(Reason.IDENTITY, line.index(b";ID=") + 4, "an identity has 2 to 16 characters")
    number = next((attribute for attribute in attributes if attribute.startswith("#")), None)
    first = next((attribute[0] for attribute in attributes if attribute.startswith(("ID=", "#"))), "I")
    return Message(text, identity or None, number, first == "I", is_checked)


def report_of(body: tuple[str, ...], at_us: int | None, kinds: Kind) -> Report:
    """The body of RPV and REV.

    - 5  seconds of the day by GPS, 8  latitude, 9  longitude, with five decimals
    - 3  speed in miles an hour, 3  heading
    - 1  source: 9 is not known, 1  age: 0 is not available
    """
    _, lat, lon, speed, course, source, age = body
    fix = fields.fix(
        degrees_e7(lat, 2), degrees_e7(lon, 3), at_us, source != SOURCE_UNKNOWN and age != AGE_UNKNOWN,
        speed_kmh=float(speed) * fields.KMH_PER_MPH, course_deg=fields.course(course),
    )  # fmt: skip
    return Report(kinds, fix, at_us, unread=() if at_us is not None else ("time",))


def degrees_e7(text: str, digits: int) -> int | None:
    """``±DDddddd``, a decimal point understood behind ``digits``; or ``±ddmm.mmmm``."""
    if "." not in text:
        return fields.degrees_e7(f"{text[: digits + 1]}.{text[digits + 1 :]}")
    value = fields.minutes_e7(text[1:], "N")
    return -value if value is not None and text[0] == "-" else value


def week_us(week: int, day: int, second: int, now_us: int) -> int:
    """GPS week, day of the week and second of the day; 1024 weeks later when that is older than any receiver."""
    at_us = GPS_EPOCH_US + week * WEEK_US + day * fields.DAY_US + second * SECOND_US
    return at_us + ROLLOVER_WEEKS * WEEK_US if now_us - at_us > AGE_US_MAX else at_us


OPENING: Final = re.compile(rb"\s*>(?:RPV[0-9]|REV[0-9]|RLN[0-9]|RCP[0-9]|R(?:GP|CQ|CV|BR|PI|US|UV|TT)[0-9,])")
STARTED: Final = re.compile(rb"\s*(?:>(?:R[A-Z]{0,2})?)?")


def recognise(data: bytes) -> int:
    """How surely these first bytes are TAIP: 90 with the name of a message, 10 while it could still become one."""
    if data and GATEWAY_PREFIX.startswith(data):
        return 5
    rest = data.removeprefix(GATEWAY_PREFIX)
    if OPENING.match(rest):
        return 90
    return 10 if rest.lstrip() and STARTED.fullmatch(rest) else 5 if rest != data and not rest else 0
