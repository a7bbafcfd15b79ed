"""NMEA 0183 over TCP and UDP: receivers and routers in police vehicles (Sierra AirLink, Cradlepoint, Digi, T55 modems).

Paper: NMEA 0183 (RMC, GGA, GLL) and what the makers of routers add. A source of positions of units; no alarm comes from it.
Witnesses in ``tests/vectors/nmea.json``:

- an identity before the sentence, in a line of its own, or behind the checksum: ``prefix-group``, ``login-pgid``, ``behind-checksum``
- sentences without a date are of the day that is nearest: ``gga``; GGA beside RMC of its second gives altitude and satellites
- some receivers send no checksum: read if every field is readable (``no-checksum``), refused where the word
  ``checksum_required`` says so (``no-checksum-refused``)
- QZE has day, month, year; where that is no date, month first: ``qze``, ``qze-month-first``

Not supported: sentences about satellites and headings (believed, not interpreted); commands to routers.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar, Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import Fix, Kind, Report
from gateway.protocols import fields
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings
from gateway.protocols.nmea_jumps import Path
from gateway.protocols.octets import xor8
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "nmea"
LINE_BYTES_MAX: Final = 256
"The standard allows 82; makers append more."

PREFIX: Final = rb"(?:[\w.-]{1,32}/)?([\w.-]{1,32})[,/]?"
SENTENCE: Final = re.compile(rb"(?:" + PREFIX + rb")?\$([A-Z]{3,8}[,=][^$]*)", re.DOTALL)
STARTED: Final = re.compile(
    rb"(?:" + PREFIX + rb")?(?:\$(?:[A-Z]{0,8}|PUBX,0{0,2}))?|QZE,[0-9]{0,15}|IMEI [0-9]{0,15}\r?|[0-9A-Fa-f]{4,32}\r"
)
"What may become one of ours."
QZE: Final = re.compile(rb"QZE,[0-9]{15},[ -~]*")
BARE_IDENTITY: Final = re.compile(rb"IMEI ([0-9]{15})|([0-9A-Fa-f]{4,32})")
CHECKSUM: Final = re.compile(r"\* ?([0-9A-Fa-f]{2})(?=,|\s*$)")
FIX_NAME: Final = re.compile(r"G[ABILNP](RMC|GGA|GLL)")
CLOCK: Final = re.compile(r"([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])(?:\.[0-9]{0,6})?", re.ASCII)
IMEI: Final = re.compile(r"[0-9]{15}", re.ASCII)

IDENTITIES: Final = frozenset(("PGID", "DEVID", "PSIWMDID", "PCPTI"))
IDENTITIES_WITHOUT_CHECKSUM: Final = frozenset(("GPFID", "CONNECT"))
PUBX_ID_AT: Final = 21
"Behind the fields that the maker of the receiver describes."


class Sentence(NamedTuple):
    """One sentence between ``$`` and ``*``, and what stands behind."""

    told: list[str]
    behind: list[str]
    is_checked: bool


class Clock(NamedTuple):
    """What turns a device's time into ours."""

    now_us: int
    offset_s: int

    def at_us(self, date: str, time: str) -> int | None:
        """``ddmmyy`` and ``hhmmss.s``."""
        return fields.day_first_us(date, time[:6], self.offset_s) if CLOCK.fullmatch(time) else None

    def today_us(self, time: str) -> int | None:
        """``hhmmss.s`` of the day that is nearest."""
        found = CLOCK.fullmatch(time)
        if found is None:
            return None
        second = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])
        return fields.today_us((second - self.offset_s) % 86_400, self.now_us)


class Session(StreamSession):
    """One connection of a receiver or router."""

    NAME = NAME
    STARTS = re.compile(rb"[!-~]")
    WORDS: ClassVar[Mapping[str, str]] = {
        "checksum_required": "refuse sentences without a checksum",
        "ok1": "answer `OK1` to a position that carries the identity before it, as some T55 units expect",
    }

    def __init__(self, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None) -> None:
        super().__init__(transport, settings, peer)
        self._path = Path()
        self._newest: dict[str, tuple[str, Fix]] = {}
        "RMC, GGA -> the time of its newest sentence, as it was written, and the fix."

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A line up to its LF. One that is none of ours is skipped up to a ``$`` in it, which may begin a sentence."""
        end = data.find(b"\n", at, at + LINE_BYTES_MAX)
        if end < 0 and len(data) - at < LINE_BYTES_MAX:
            return Shape.WAIT, 0
        size = end + 1 - at if end >= 0 else LINE_BYTES_MAX
        if end >= 0 and is_ours(data[at : end + 1].strip()):
            return Shape.FRAME, size
        dollar = data.find(b"$", at + 1, at + size)
        return Shape.NOISE, dollar - at if dollar >= 0 else size

    def _parts(self, raw: bytes) -> list[bytes]:
        return super()._parts(raw if raw.endswith(b"\n") else raw + b"\n")

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """``[identity]$name,field,...*hh``, a line with an identity, or ``QZE,...``."""
        line = raw.strip()
        if len(raw) > LINE_BYTES_MAX + 1:
            raise FrameError(Reason.LENGTH, LINE_BYTES_MAX, f"longer than {LINE_BYTES_MAX} bytes")
        clock = Clock(now_us, self.settings.clock_offset_s or 0)
        if bare := BARE_IDENTITY.fullmatch(line):
            return self._login(bare[bare.lastindex or 0].decode())
        if QZE.fullmatch(line):
            report = qze_untrusted(line.decode("ascii").split(","), clock)
            self.device = line[4:19].decode()
            return Content((self._judged(report),))
        found = SENTENCE.fullmatch(line)
        if found is None:
            raise FrameError(Reason.FRAMING, 0, "neither a sentence nor an identity")
        sentence = sentence_untrusted(found[2], raw.find(b"$"))
        name = sentence.told[0]
        if name.startswith("IMEI=") and len(sentence.told) == 1:
            return self._login(name.removeprefix("IMEI=").strip())
        if name in IDENTITIES and not sentence.is_checked:
            raise FrameError(Reason.FRAMING, len(raw), "this line has a checksum where it is whole")
        if name in IDENTITIES or name in IDENTITIES_WITHOUT_CHECKSUM:
            return self._login(fields.field(sentence.told, 1))
        if not sentence.is_checked and self.settings.has("checksum_required"):
            raise FrameError(Reason.CHECKSUM, len(raw), "no checksum, and this device is set up to send one")
        said = self._report_untrusted(sentence, clock)
        if said is None:
            return Content()
        self.device = self._identity_untrusted(found[1], sentence)
        has_answer = found[1] and name.endswith("RMC") and self.settings.has("ok1")
        return Content((self._judged(said),), b"OK1\r\n" if has_answer else None)

    def _login(self, identity: str) -> Content:
        if not identity:
            raise FrameError(Reason.IDENTITY, 0, "an empty identity")
        self.device = identity
        return Content((Report(Kind.LOGIN),))

    def _identity_untrusted(self, prefix: bytes | None, sentence: Sentence) -> str:
        """Before the sentence, behind its checksum, appended to PUBX, from an earlier line, or who sent the datagram."""
        behind = fields.field(sentence.behind, 2)
        if sentence.told[0] == "PUBX":
            behind = fields.field(sentence.told, PUBX_ID_AT) or next(filter(None, sentence.behind), "")
        found = prefix.decode() if prefix else behind if IMEI.fullmatch(behind) else self.device or self.peer
        if not found:
            raise FrameError(Reason.IDENTITY, 0, "no identity in this line, and none before it")
        return found

    def _report_untrusted(self, sentence: Sentence, clock: Clock) -> Report | None:
        """What a sentence says; None when it is not about a place."""
        name = sentence.told[0]
        kind = found[1] if (found := FIX_NAME.fullmatch(name)) else f"{name},{fields.field(sentence.told, 1)}" if name == "PUBX" else name
        reader = READERS.get(kind)
        if reader is None:
            return None
        report = reader(sentence.told, clock)
        if report.unread and not sentence.is_checked:
            raise FrameError(Reason.FIELD, 0, f"no checksum, and {report.unread[0]} cannot be read")
        satellites = fields.whole(fields.field(sentence.behind, 1), 99)
        if report.fix and satellites is not None and sentence.told[0].endswith("RMC"):
            report = replace(report, fix=replace(report.fix, satellites=satellites))
        return self._completed(kind, fields.field(sentence.told, 1), report)

    def _completed(self, kind: str, time: str, report: Report) -> Report:
        """RMC and GGA of one second are one fix: its date, speed and course are RMC's, altitude and satellites GGA's."""
        fix = report.fix
        if fix is None or kind not in ("RMC", "GGA"):
            return report
        self._newest[kind] = (time, fix)
        other_time, other = self._newest.get("GGA" if kind == "RMC" else "RMC", ("", fix))
        if other_time != time:
            return report
        rmc, gga = (fix, other) if kind == "RMC" else (other, fix)
        satellites = gga.satellites if rmc.satellites is None else rmc.satellites
        joined = replace(rmc, altitude_m=gga.altitude_m, satellites=satellites, valid=rmc.valid and gga.valid)
        return replace(report, fix=joined, event_at_us=rmc.at_us if rmc.at_us is not None else report.event_at_us)

    def _judged(self, report: Report) -> Report:
        """A place that the vehicle cannot have come to is not where it is."""
        if report.fix is None or not report.fix.valid or self._path.leads_to(report.fix):
            return report
        return replace(report, fix=replace(report.fix, valid=False), unread=(*report.unread, "position jump"))


# ------------------------------------------------------------------------------------------------- the sentences


def is_ours(line: bytes) -> bool:
    """A line that is read or refused, rather than skipped."""
    return bool(SENTENCE.fullmatch(line) or QZE.fullmatch(line) or BARE_IDENTITY.fullmatch(line))


def sentence_untrusted(text: bytes, at: int) -> Sentence:
    """What stands between ``$`` and ``*``, whose exclusive or is the checksum behind. Raises ``FrameError``."""
    said = text.decode("latin-1")
    checksum = next(iter(list(CHECKSUM.finditer(said))[-1:]), None)
    if checksum is None:
        if "*" in said:
            raise FrameError(Reason.FRAMING, at + 1 + said.index("*"), "* without two hexadecimal digits")
        return Sentence(said.split(","), [], False)
    carried, computed = int(checksum[1], 16), xor8(text[: checksum.start()])
    if carried != computed:
        raise FrameError(Reason.CHECKSUM, at + 1 + checksum.start(), f"sentence says {carried:02x}, its bytes give {computed:02x}")
    return Sentence(said[: checksum.start()].split(","), said[checksum.end() :].split(","), True)


def status_untrusted(text: str) -> bool:
    """``A`` or ``V``. Raises ``FrameError``."""
    if text not in ("A", "V"):
        raise FrameError(Reason.FIELD, 0, "status is neither A nor V")
    return text == "A"


def report_of(fix: Fix | None, at_us: int | None) -> Report:
    """A position with its time."""
    return Report(Kind.POSITION, fix, at_us, unread=() if at_us is not None else ("time",))


def read_rmc_untrusted(told: list[str], clock: Clock) -> Report:
    """``RMC, hhmmss.s, A or V, ddmm.mmmm, N or S, dddmm.mmmm, E or W, knots, course, ddmmyy``."""
    at_us = clock.at_us(fields.field(told, 9), fields.field(told, 1))
    valid = status_untrusted(fields.field(told, 2))
    fix = fields.fix(
        *place_of(told, 3), at_us, valid,
        speed_kmh=fields.speed(fields.field(told, 7), fields.KMH_PER_KNOT), course_deg=fields.course(fields.field(told, 8)),
    )  # fmt: skip
    return report_of(fix, at_us)


def read_gga_untrusted(told: list[str], clock: Clock) -> Report:
    """``GGA, hhmmss.s, ddmm.mmmm, N or S, dddmm.mmmm, E or W, quality, satellites, HDOP, altitude``."""
    at_us, quality = clock.today_us(fields.field(told, 1)), fields.whole(fields.field(told, 6), 9)
    if quality is None:
        raise FrameError(Reason.FIELD, 0, "quality is no digit")
    satellites = fields.whole(fields.field(told, 7), 99)
    altitude_m = fields.decimal(fields.field(told, 9))
    return report_of(fields.fix(*place_of(told, 2), at_us, quality > 0, altitude_m=altitude_m, satellites=satellites), at_us)


def read_gll_untrusted(told: list[str], clock: Clock) -> Report:
    """``GLL, ddmm.mmmm, N or S, dddmm.mmmm, E or W, hhmmss.s, A or V``."""
    at_us = clock.today_us(fields.field(told, 5))
    return report_of(fields.fix(*place_of(told, 1), at_us, status_untrusted(fields.field(told, 6))), at_us)


def read_pubx_untrusted(told: list[str], clock: Clock) -> Report:
    """``PUBX, 00, hhmmss.s, ddmm.mmmm, N or S, dddmm.mmmm, E or W, altitude, status, accuracy, accuracy of it, km/h, course, ...``."""
    at_us = clock.today_us(fields.field(told, 2))
    status = fields.field(told, 8)
    if not status:
        raise FrameError(Reason.FIELD, 0, "no status")
    fix = fields.fix(
        *place_of(told, 3), at_us, status != "NF", altitude_m=fields.decimal(fields.field(told, 7)), accuracy_m=fields.speed(fields.field(told, 9)),
        speed_kmh=fields.speed(fields.field(told, 11)), course_deg=fields.course(fields.field(told, 12)),
        satellites=fields.whole(fields.field(told, 18), 99),
    )  # fmt: skip
    return report_of(fix, at_us)


def read_trccr_untrusted(told: list[str], clock: Clock) -> Report:
    """``TRCCR, yyyymmddhhmmss.sss, A or V, latitude, longitude, knots, course, altitude, battery``."""
    stamp = fields.field(told, 1)
    at_us = fields.year_first_us(stamp[:8], stamp[8:14], clock.offset_s)
    valid = status_untrusted(fields.field(told, 2))
    fix = fields.fix(
        fields.degrees_e7(fields.field(told, 3)), fields.degrees_e7(fields.field(told, 4)), at_us, valid,
        speed_kmh=fields.speed(fields.field(told, 5), fields.KMH_PER_KNOT), course_deg=fields.course(fields.field(told, 6)),
        altitude_m=fields.decimal(fields.field(told, 7)),
    )  # fmt: skip
    return replace(report_of(fix, at_us), battery_percent=fields.percent(fields.field(told, 8)))


def qze_untrusted(told: list[str], clock: Clock) -> Report:
    """``QZE, IMEI, event, ddmmyyyy, hhmmss, latitude, longitude, km/h, course, A or V``."""
    date, time = fields.field(told, 3), fields.field(told, 4)
    at_us = fields.year_first_us(date[4:] + date[2:4] + date[:2], time, clock.offset_s)
    if at_us is None:
        at_us = fields.year_first_us(date[4:] + date[:4], time, clock.offset_s)
    valid = status_untrusted(fields.field(told, 9))
    fix = fields.fix(
        fields.degrees_e7(fields.field(told, 5)), fields.degrees_e7(fields.field(told, 6)), at_us, valid,
        speed_kmh=fields.speed(fields.field(told, 7)), course_deg=fields.course(fields.field(told, 8)),
    )  # fmt: skip
    return report_of(fix, at_us)


def place_of(told: list[str], at: int) -> tuple[int | None, int | None]:
    """Latitude and longitude of ``ddmm.mmmm, N or S, dddmm.mmmm, E or W`` from field ``at`` on."""
    lat_e7 = fields.minutes_e7(fields.field(told, at), fields.field(told, at + 1))
    return lat_e7, fields.minutes_e7(fields.field(told, at + 2), fields.field(told, at + 3))


READERS: Final[dict[str, Callable[[list[str], Clock], Report]]] = {
    "RMC": read_rmc_untrusted, "GGA": read_gga_untrusted, "GLL": read_gll_untrusted, "PUBX,00": read_pubx_untrusted, "TRCCR": read_trccr_untrusted,
}  # fmt: skip

OPENINGS: Final = re.compile(
    rb"(?:" + PREFIX + rb")?\$(?:G[ABILNP](?:RMC|GGA|GLL),|TRCCR,|PUBX,00,|PGID,|DEVID,|PSIWMDID,|PCPTI,|GPFID,|IMEI=|CONNECT,)"
    rb"|QZE,[0-9]{15},|IMEI [0-9]{15}\s"
)


def recognise(data: bytes) -> int:
    """How surely these first bytes are NMEA: 90 with the name of a sentence that we read, 5 while it could still become one.

    A line of hexadecimal digits could be anybody's: 30.
    """
    if OPENINGS.match(data):
        return 90
    line, end, _ = data.partition(b"\n")
    if end:
        return 30 if BARE_IDENTITY.fullmatch(line.strip()) else 0
    return 5 if line and STARTED.fullmatch(line) else 0
