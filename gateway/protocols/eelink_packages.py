"""What the packages of Eelink say: positions of version 1 and 2, warnings, states, texts.

Source: "Eelink protocol" versions 1 and 2. Degrees are signed, x 1,800,000.
"""

import re
from dataclasses import replace
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import NO_KIND, Cell, Fix, Kind, Report, Wifi
from gateway.protocols import fields
from gateway.protocols.octets import i32be, u16be, u32be

HEARTBEAT, POSITION_OLD, ALARM_OLD, STATE_OLD, SMS_OLD, TEXT, RESULT = 0x03, 0x02, 0x04, 0x05, 0x06, 0x80, 0x81
POSITION, WARNING, REPORT = 0x12, 0x14, 0x15
OLD: Final = frozenset((POSITION_OLD, ALARM_OLD, STATE_OLD, SMS_OLD))
NEW: Final = frozenset(range(0x12, 0x1A)) - {0x13}
OLD_BYTES: Final = 25
"Of a position of version 1, flags included."

LOGIN_VERSIONS_AT: Final = 10

ALARM_CODES: Final = {
    0x00: NO_KIND,
    0x01: Kind.POWER_OFF,
    0x02: Kind.SOS_BUTTON,
    0x03: Kind.BATTERY_LOW,
    0x04: Kind.VIBRATION,
    0x08: Kind.GPS_ANTENNA,
    0x09: Kind.GPS_ANTENNA,
    0x25: Kind.STRAP_CUT,
    0x81: Kind.LOWSPEED,
    0x82: Kind.OVERSPEED,
    0x83: Kind.GEOFENCE_ENTER,
    0x84: Kind.GEOFENCE_EXIT,
    0x85: Kind.ACCIDENT,
    0x86: Kind.FALL,
}
"Codes of 0x04 and 0x14. The maker uses others for remarks of vehicles: noted, no alarm."

PLACE_TEXT: Final = re.compile(
    r"Lat:([NS])([0-9]{1,2}\.[0-9]{1,8}).{1,4}Lon:([EW])([0-9]{1,3}\.[0-9]{1,8}).{1,4}Course:([0-9.]{1,8}).{1,4}"
    r"Speed:([0-9.]{1,8}).{1,8}Date Time:([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})",
    re.ASCII | re.DOTALL,
)
"The answer to a query by text."


class Bytes:
    """The content of a package, taken from the front. A package that ends too early raises ``FrameError``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that were not taken yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if self.left < count:
            raise FrameError(Reason.LENGTH, 7 + len(self._data), f"the package ends {count - self.left} bytes too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def take_u8(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def take_u16be(self) -> int:
        """Two bytes."""
        return u16be(self.take(2), 0)


def login_report(content: bytes) -> Report:
    """``IMEI 8, language 1, time zone 1, [system version 2, application version 2, versions of parameters]``.

    How the paper counts versions is not known, so their digits are hexadecimal. Zeros are none.
    """
    versions = content[LOGIN_VERSIONS_AT : LOGIN_VERSIONS_AT + 4]
    if len(versions) < 4 or not any(versions):
        return Report(Kind.LOGIN, unread=("versions",) if 0 < len(versions) < 4 else ())
    return Report(Kind.LOGIN, firmware=f"system {versions[:2].hex()} application {versions[2:].hex()}")


def report_untrusted(kind: int, content: bytes, offset_s: int) -> Report:
    """What one package says; not for logins. Raises: FrameError."""
    if kind in OLD or kind in NEW:
        try:
            return _old_untrusted(kind, Bytes(content), offset_s) if kind in OLD else _new_untrusted(kind, Bytes(content), offset_s)
        except FrameError:
            if kind in (ALARM_OLD, WARNING):
                return Report(Kind.UNKNOWN_ALARM, unread=("package that ends too early",))
            raise
    if kind == HEARTBEAT:
        return Report(Kind.HEARTBEAT)
    if kind in (TEXT, RESULT):
        return _text_report(content, offset_s)
    return Report(Kind.HEARTBEAT, unread=(f"package 0x{kind:02x}",))


def _old_untrusted(kind: int, content: Bytes, offset_s: int) -> Report:
    """Version 1.

    - 4  time, Unix seconds; 4  latitude; 4  longitude; 1  speed, km/h; 2  course
    - MCC 2, MNC 2, LAC 2, CID 3
    - 1  flags: bit 0 has a fix
    - 0x02: [2  status, 2  battery in millivolts, ...]; 0x04: 1  alarm code; 0x05: 1  state; 0x06: a telephone number and a text
    """
    head = content.take(OLD_BYTES)
    valid = bool(head[24] & 0x01)
    at_us = time_us(head, offset_s)
    fix = fix_of(head, 4, at_us, valid, speed_kmh=head[12], course=u16be(head, 13))
    cells = cells_of(u16be(head, 15), u16be(head, 17), u16be(head, 19), int.from_bytes(head[21:24], "big"))
    report = Report(Kind.POSITION, fix, at_us, cells=cells, unread=outside(head, 4))
    if kind == ALARM_OLD:
        return with_alarm(report, content.take_u8())
    if kind == POSITION_OLD and content.left >= 4:
        return replace(report, battery_v=u16be(content.take(4), 2) / 1000)
    if kind == STATE_OLD and content.left:
        return replace(report, unread=(*report.unread, f"state 0x{content.take_u8():02x}"))
    return replace(report, unread=(*report.unread, "SMS")) if kind == SMS_OLD else report


def _new_untrusted(kind: int, content: Bytes, offset_s: int) -> Report:
    """Version 2.

    - 4  time, Unix seconds; 1  mask
    - bit 0: latitude 4, longitude 4, altitude 2 in metres, speed 2 in km/h, course 2, satellites 1
    - bit 1: MCC 2, MNC 2, LAC 2, CID 4, strength 1; bits 2 and 3: LAC 2, CID 4, strength 1 each
    - bits 4, 5 and 6: an access point each, MAC 6, strength 1
    - bit 7: see ``_network_untrusted``
    - 0x14: 1  alarm code; 0x15: 1  kind of report
    - 0x12, 0x14, 0x15: 2  status: bit 0 has a fix, 7 charging is known, 8 charging
    - 0x12: 2  battery in millivolts, ...
    """
    at_us = time_us(content.take(4), offset_s)
    mask = content.take_u8()
    place = content.take(15) if mask & 0x01 else b""
    cells: tuple[Cell, ...] = ()
    mcc = mnc = 0
    for bit in (1, 2, 3):
        if not mask >> bit & 1:
            continue
        if bit == 1:
            mcc, mnc = content.take_u16be(), content.take_u16be()
        cell = content.take(7)
        cells += cells_of(mcc, mnc, u16be(cell, 0), u32be(cell, 2))
    wifi = tuple(Wifi(content.take(7)[:6].hex(":")) for bit in (4, 5, 6) if mask >> bit & 1)
    if mask & 0x80:
        cells += _network_untrusted(content)
    report = Report(Kind.POSITION, None, at_us, cells=cells, wifi=wifi, unread=outside(place, 0) if place else ())
    if kind == WARNING:
        report = with_alarm(report, content.take_u8())
    elif kind == REPORT:
        report = replace(report, unread=(*report.unread, f"report 0x{content.take_u8():02x}"))
    status = _status_of(kind, content)
    valid = bool(place) and (place[14] > 0 if status is None else bool(status & 0x01))
    if place:
        altitude_m = float(int.from_bytes(place[8:10], "big", signed=True))
        fix = fix_of(place, 0, at_us, valid, speed_kmh=u16be(place, 10), course=u16be(place, 12))
        report = replace(report, fix=replace(fix, altitude_m=altitude_m, satellites=place[14]) if fix else None)
    battery_v = content.take_u16be() / 1000 if kind == POSITION and content.left >= 2 else None
    return replace(report, charging=None if status is None else charging_of(status), battery_v=battery_v)


def _status_of(kind: int, content: Bytes) -> int | None:
    """The status word, where the package has one. A warning that ends before it has said what matters."""
    if kind in (POSITION, WARNING, REPORT) and (kind != WARNING or content.left >= 2):
        return content.take_u16be()
    return None


def _network_untrusted(content: Bytes) -> tuple[Cell, ...]:
    """``kind of radio 1, count 1``; with a count: ``MCC 2, MNC 2, LAC 2, TAC 2, CID 4, TA 2``, and 5 bytes a neighbour."""
    _, count = content.take_u8(), content.take_u8()
    if not count:
        return ()
    head = content.take(14)
    content.take(5 * count)
    return cells_of(u16be(head, 0), u16be(head, 2), u16be(head, 6) or u16be(head, 4), u32be(head, 8))


def _text_report(content: bytes, offset_s: int) -> Report:
    """``kind 1, server's mark 4, text``: the answer to a command, or a place in words."""
    text = content[5:].decode("utf-8", "replace").strip("\0 \r\n")
    found = PLACE_TEXT.search(text)
    if not found:
        return Report(Kind.CONFIG_REPLY, text=text or None)
    at_us = fields.year_first_us("".join(found.group(7, 8, 9)), "".join(found.group(10, 11, 12)), offset_s)
    lat_e7, lon_e7 = fields.degrees_e7(found[2]), fields.degrees_e7(found[4])
    fix = fields.fix(
        lat_e7 if lat_e7 is None or found[1] == "N" else -lat_e7,
        lon_e7 if lon_e7 is None or found[3] == "E" else -lon_e7,
        at_us,
        True,
        speed_kmh=fields.speed(found[6]),
        course_deg=fields.course(found[5]),
    )
    return Report(Kind.POSITION, fix, at_us)


# ------------------------------------------------------------------------------------------------------ pieces


def with_alarm(report: Report, code: int) -> Report:
    """The report with what the alarm code says."""
    if code not in ALARM_CODES:
        return replace(report, unread=(*report.unread, f"alarm code 0x{code:02x}"))
    return replace(report, kinds=ALARM_CODES[code] or Kind.POSITION)


def time_us(data: bytes, offset_s: int) -> int | None:
    """Unix seconds; 0 is a clock that was never set."""
    seconds = u32be(data, 0)
    return (seconds - offset_s) * 1_000_000 if seconds else None


def place_e7(data: bytes, at: int) -> tuple[int, int]:
    """Latitude and longitude as degrees x 10^7, the nearest whole number."""
    lat, lon = i32be(data, at), i32be(data, at + 4)
    lat_e7, lon_e7 = (abs(lat) * 50 + 4) // 9, (abs(lon) * 50 + 4) // 9
    return -lat_e7 if lat < 0 else lat_e7, -lon_e7 if lon < 0 else lon_e7


def outside(data: bytes, at: int) -> tuple[str, ...]:
    """A note when the place is none on the globe."""
    lat_e7, lon_e7 = place_e7(data, at)
    return ("place outside the globe",) if abs(lat_e7) > 90 * fields.E7 or abs(lon_e7) > 180 * fields.E7 else ()


def fix_of(data: bytes, at: int, at_us: int | None, valid: bool, *, speed_kmh: int, course: int) -> Fix | None:
    """The position. The time of one that is not valid is not known."""
    lat_e7, lon_e7 = place_e7(data, at)
    return fields.fix(
        lat_e7, lon_e7, at_us if valid else None, valid, speed_kmh=float(speed_kmh), course_deg=float(course) if course <= 360 else None
    )  # fmt: skip


def cells_of(mcc: int, mnc: int, lac: int, cid: int) -> tuple[Cell, ...]:
    """One radio cell, where these numbers name one. In which unit the devices give its strength is not known."""
    return (Cell(mcc, mnc, lac, cid),) if 0 < mcc < 1000 and cid else ()


def charging_of(status: int) -> bool | None:
    """Bit 7 of the status word: charging is known; bit 8: it charges."""
    return bool(status & 0x0100) if status & 0x0080 else None
