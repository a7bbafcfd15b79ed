"""TRV and IW, the text protocol of Thinkrace (TRV) and Wonlex (IW) watches and pendants: the reference decoder.

Paper: the makers' "GPS watch communication protocol". ASCII, ``TRV`` or two letters, a command of four characters, content, ``#``; no
checksum. Only AP00 names the device (``before-login``).

* The answer to a login holds our clock for IW (``login-iw``), and nothing for TRV (``login-trv``). All others are answered with
  their first letter raised by one (``cp01``), except those that are answers themselves (``acknowledgement``).
* Positions are one string of fixed widths. Where it cannot be read, the alarm code is found all the same (``sos-garbled``).
* Codes of AP10: 01 SOS, 05 and 06 fall. 03 is sent for other things and raises nothing (``ap10-03``); any other code, and AP10
  without one, is an unknown alarm (``ap10-09``, ``ap10-no-code``).

Not supported: pulse, blood pressure and temperature, telephone books, voice.
"""

import re
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import NO_KIND, Cell, Fix, Kind, Report, Wifi
from gateway.protocols.fields import course, field, fix, minutes_e7, percent, speed, whole, year_first_us
from gateway.protocols.octets import civil_of
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "trv"
FRAME_BYTES_MAX: Final = 1024
"Lists of access points are the longest that are sent."

HEADER: Final = re.compile(rb"(TRV|[A-Z]{2})([A-Y]P[0-9A-Z]{2})")
HEADER_CUT: Final = re.compile(rb"[A-Z]{1,2}|TRV|(?:TRV|[A-Z]{2})(?:[A-Y]P?|[A-Y]P[0-9A-Z])")
INNER: Final = re.compile(rb"(?:TRV|IW)[ACY]P[0-9]{2}[0-9,#]|[\x00-\x08\x0b\x0c\x0e-\x1f]")
"Where a frame that has lost its end is over."
LOGIN: Final = re.compile(r"([0-9]{15})(?:[^0-9].*)?", re.ASCII | re.DOTALL)
"What some write behind it (a card, a version) is parted by a comma, or by nothing."
OPENING: Final = re.compile(rb"(?:TRV|[A-Z]{2})AP00[0-9]{15}[,#]")
OPENING_KNOWN: Final = re.compile(rb"(?:TRV|IW)[ACY]P[0-9A-Z]{2}[0-9,#]")

POSITION: Final = re.compile(
    r",?([0-9]{6})([AV])([0-9]{4}\.[0-9]{1,8})([NS])([0-9]{5}\.[0-9]{1,8})([EW])([0-9.]{5})([0-9]{6})([0-9.]{6})"
    r"([0-9]{3})([0-9]{3})([0-9]{3})([0-9])([0-9]{2})([0-9]{2})[0-9]*(?:,|$)",
    re.ASCII,
)
"""yymmdd, A or V, latitude, longitude, km/h, hhmmss, course, GSM level, satellites, battery percent, ACC, arm state, working mode."""
STATUS: Final = re.compile(r",?([0-9]{3})([0-9]{3})([0-9]{3})", re.ASCII)
"GSM level, satellites, battery percent."
ACKNOWLEDGEMENT: Final = re.compile(r",?[0-9]{6}", re.ASCII)
"The number of a command of ours and nothing else."
CODE: Final = re.compile(r"[0-9]{2}", re.ASCII)
CELL: Final = re.compile(r"([0-9]{1,10})\|([0-9]{1,10})\|-?[0-9]{1,3}", re.ASCII)
ACCESS_POINT: Final = re.compile(r"\|((?:[0-9A-Fa-f]{2}[-:]){5}[0-9A-Fa-f]{2})\|(-?[0-9]{1,3})", re.ASCII)
"MAC and signal. A name before it may hold anything, commas included, so the names are not parsed."

ALARM: Final = "AP10"
POSITIONS: Final = ("AP01", ALARM, "YP03", "YP14")
ALARM_CODES: Final = {
    "00": NO_KIND,
    "01": Kind.SOS_BUTTON,
    "03": NO_KIND,
    "05": Kind.FALL,
    "06": Kind.FALL,
}
CODE_AT: Final = 5
"Behind position, MCC, MNC, LAC and CID."
SILENT: Final = ("AP12", "AP33", "AP34", "AP40", "AP76", "AP77", "AP84", "AP85", "AP86", "AP87")
"Answers and reports that want none."
HEALTH: Final = {"AP49": "pulse", "APHT": "pulse and blood pressure", "APHP": "pulse and blood pressure", "AP50": "temperature"}


class Session(StreamSession):
    """One connection of a watch or pendant."""

    NAME = NAME
    STARTS = re.compile(rb"[A-Z]")

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A header, then everything up to ``#`` within the guard, without another header inside."""
        header = HEADER.match(data, at)
        if header is None:
            return (Shape.WAIT, 0) if HEADER_CUT.fullmatch(data, at) else (Shape.NOISE, 1)
        stop = min(len(data), at + FRAME_BYTES_MAX)
        end = data.find(b"#", header.end(), stop)
        if INNER.search(data, header.end(), stop if end < 0 else end):
            return Shape.NOISE, 1
        if end >= 0:
            return Shape.FRAME, end + 1 - at
        return (Shape.WAIT, 0) if len(data) - at < FRAME_BYTES_MAX else (Shape.NOISE, 1)

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """A login, or a message of the device that has logged in."""
        frame = raw.rstrip(b"\r\n")
        header = HEADER.match(frame)
        if header is None:
            raise FrameError(Reason.FRAMING, 0, "no TRV or two letters with a command of four characters at the front")
        if not frame.endswith(b"#"):
            raise FrameError(Reason.FRAMING, len(raw), "no # at the end")
        prefix, command = header[1].decode(), header[2].decode()
        content = frame[header.end() : -1].decode("latin-1")
        if command == "AP00":
            login = LOGIN.fullmatch(content)
            if login is None:
                raise FrameError(Reason.IDENTITY, header.end(), "no IMEI of 15 digits")
            self.device = login[1]
            return Content((Report(Kind.LOGIN),), login_answer(prefix, now_us))
        if self.device is None:
            raise FrameError(Reason.IDENTITY, 0, "a message before the login")
        return Content((report_of(command, content, self.settings.clock_offset_s or 0),), answer(prefix, command, content))


def recognise(data: bytes) -> int:
    """95 with a login, 70 with a command behind TRV or IW."""
    if OPENING.match(data):
        return 95
    if OPENING_KNOWN.match(data):
        return 70
    return 20 if HEADER_CUT.fullmatch(data) or HEADER.match(data) else 0


# -------------------------------------------------------------------------------------------------------------- answers


def login_answer(prefix: str, now_us: int) -> bytes:
    """``IWBP00,<yyyymmddhhmmss UTC>,0#`` (0: no time zone), ``TRVBP00#``."""
    return b"TRVBP00#" if prefix == "TRV" else f"{prefix}BP00,{civil_of(now_us):%Y%m%d%H%M%S},0#".encode()


def answer(prefix: str, command: str, content: str) -> bytes | None:
    """The command with its first letter raised by one; None to what wants no answer."""
    if command in SILENT or (command == "AP14" and prefix != "TRV") or ACKNOWLEDGEMENT.fullmatch(content):
        return None
    rest = ",0.000,0.000" if command == "AP14" else ""
    return f"{prefix}{chr(ord(command[0]) + 1)}{command[1:]}{rest}#".encode()


# -------------------------------------------------------------------------------------------------------------- content


def report_of(command: str, content: str, offset_s: int) -> Report:
    """What a message says. Never refuses: what cannot be read is named in ``unread``."""
    if ACKNOWLEDGEMENT.fullmatch(content):
        return Report(Kind.DEVICE_ACK)
    if command in POSITIONS or POSITION.match(content):
        return position(command, content, offset_s)
    if command == "AP02":
        cells, wifi = neighbours(content)
        return Report(Kind.POSITION if cells or wifi else Kind.HEARTBEAT, cells=cells, wifi=wifi)
    if command in ("AP03", "CP01"):
        status = STATUS.match(content)
        return Report(Kind.HEARTBEAT, battery_percent=percent(status[3]) if status else None)
    if command == "AP50":
        return Report(Kind.HEARTBEAT, battery_percent=percent(field(content.removeprefix(",").split(","), 1)), unread=(HEALTH[command],))
    return Report(Kind.HEARTBEAT, unread=(HEALTH.get(command, f"command {command}"),))


def position(command: str, content: str, offset_s: int) -> Report:
    """The string of fixed widths, then MCC, MNC, LAC, CID, perhaps an alarm code, perhaps access points."""
    block = POSITION.match(content)
    fields = content.removeprefix(",").split(",")
    kinds, unread = alarm_of(command, fields)
    at_us = year_first_us(block[1], block[8], offset_s) if block else None
    place = place_of(block, at_us) if block else None
    cells, wifi = cell_of(fields), access_points(fields[CODE_AT:])
    unread += ("position",) * (place is None) + ("time",) * (at_us is None)
    return Report(
        kinds or (Kind.POSITION if place or cells or wifi else Kind.HEARTBEAT), place, at_us,
        battery_percent=percent(block[12]) if block else None, cells=cells, wifi=wifi, unread=unread,
    )  # fmt: skip


def place_of(block: re.Match[str], at_us: int | None) -> Fix | None:
    """The position; V is the last known one."""
    return fix(
        minutes_e7(block[3], block[4]), minutes_e7(block[5], block[6]), at_us, block[2] == "A",
        speed_kmh=speed(block[7]), course_deg=course(block[9]), satellites=int(block[11]),
    )  # fmt: skip


def alarm_of(command: str, fields: list[str]) -> tuple[Kind, tuple[str, ...]]:
    """The alarm code behind the cell; when fields are missing, the first code of two digits behind the fourth comma."""
    code = field(fields, CODE_AT)
    if not CODE.fullmatch(code):
        if command != ALARM:
            return NO_KIND, ()
        code = next((text for text in map(str.strip, fields[CODE_AT - 1 :]) if CODE.fullmatch(text)), "")
    kinds = ALARM_CODES.get(code, Kind.UNKNOWN_ALARM)
    return kinds, () if code == "00" or (kinds and code in ALARM_CODES) else (f"alarm code {code}".rstrip(),)


def cell_of(fields: list[str]) -> tuple[Cell, ...]:
    """MCC, MNC, LAC, CID, decimal; 0 is no country."""
    mcc, mnc, lac, cid = (whole(field(fields, at)) for at in range(1, 5))
    if not mcc or mcc > 999 or mnc is None or mnc > 999 or lac is None or cid is None:
        return ()
    return (Cell(mcc, mnc, lac, cid),)


def neighbours(content: str) -> tuple[tuple[Cell, ...], tuple[Wifi, ...]]:
    """AP02: language, a number, count, MCC, MNC, count times ``LAC|CID|level``, count, access points."""
    fields = content.removeprefix(",").split(",")
    mcc, mnc = whole(field(fields, 3), 999), whole(field(fields, 4), 999)
    count = whole(field(fields, 2), len(fields)) or 0
    found = (CELL.fullmatch(field(fields, at)) for at in range(5, 5 + count))
    cells = tuple(Cell(mcc, mnc, int(cell[1]), int(cell[2])) for cell in found if cell and mcc is not None and mnc is not None)
    return cells, access_points(fields[5 + count :])


def access_points(fields: list[str]) -> tuple[Wifi, ...]:
    """``name|mac|signal``, parted by ``&``. A signal without minus has a unit that is not known."""
    found = ACCESS_POINT.finditer(",".join(fields))
    return tuple(Wifi(point[1].replace("-", ":").lower(), int(point[2]) if point[2].startswith("-") else None) for point in found)
