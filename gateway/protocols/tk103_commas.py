"""TK103's dialect B: a code of four characters and fields parted by commas.

Paper: the makers' "ZC" and "DW" message tables. With GPS::

    ddmmyy, A|V, ddmm.mmmmN, dddmm.mmmmE, km/h, hhmmss, course, altitude, satellites, …

Codes DW5x and DW6x, without GPS::

    MCC, MNC, LAC, CID, count, count times mac*rssi*channel, ddmmyy, hhmmss

Blanks may pad the numbers.
"""

import re
from typing import Final

from gateway.model import NO_KIND, Cell, Kind, Report, Wifi
from gateway.protocols.fields import course, day_first_us, decimal, field, fix, hexadecimal, minutes_e7, speed, whole

CODES: Final = {
    "ZC25": Kind.SOS_BUTTON, "DW3E": Kind.SOS_BUTTON, "DW5E": Kind.SOS_BUTTON,
    "ZC11": Kind.MOVEMENT, "DW31": Kind.MOVEMENT, "DW51": Kind.MOVEMENT,
    "ZC12": Kind.BATTERY_LOW, "DW32": Kind.BATTERY_LOW, "DW52": Kind.BATTERY_LOW,
    "ZC13": Kind.POWER_CUT, "DW33": Kind.POWER_CUT, "DW53": Kind.POWER_CUT,
    "ZC17": Kind.STRAP_CUT, "DW37": Kind.STRAP_CUT, "DW57": Kind.STRAP_CUT,
    "ZC26": Kind.TAMPER_CASE, "DW3F": Kind.TAMPER_CASE, "DW5F": Kind.TAMPER_CASE,
    "ZC27": Kind.POWER_LOW, "DW40": Kind.POWER_LOW, "DW60": Kind.POWER_LOW,
    "BP05": Kind.LOGIN,
}  # fmt: skip
"""What a code says beside its position. All others are positions: ignition (ZC15, ZC16, ZC29, DW35, DW36, DW42, DW55, DW56, DW62),
DW30, DW3B, and what no table has."""
ROUTINE: Final = ("ZC15", "ZC16", "ZC29", "DW30", "DW3B", "DW35", "DW36", "DW42", "DW55", "DW56", "DW62")
BATTERY_PERCENT: Final = {1: 0.0, 2: 10.0, 3: 20.0, 4: 60.0, 5: 80.0, 6: 100.0}
PLACE: Final = re.compile(r"([0-9]{1,5}\.[0-9]{1,8}) *([NSEW])", re.ASCII)
ACCESS_POINT: Final = re.compile(r"([0-9A-Fa-f]{2}(?:[:-]?[0-9A-Fa-f]{2}){5})\*(-?[0-9]{1,3})(?:\*[0-9]*)?", re.ASCII)
DATE: Final = re.compile(r"[0-9]{6}", re.ASCII)


def comma_report(code: str, data: str, offset_s: int) -> Report:
    """What a message says. Never refuses: what cannot be read is named in ``unread``."""
    fields = data.split(",")
    if code == "ZC03":
        text = data.split("$")
        at_us = day_first_us(field(fields, 0), field(fields, 1), offset_s)
        return Report(Kind.CONFIG_REPLY, None, at_us, text=text[1] if len(text) > 1 else None)
    if code == "ZC20":
        return battery(fields, offset_s)
    kinds = CODES.get(code, NO_KIND)
    unread = () if code in CODES or code in ROUTINE else (f"code {code}",)
    return (without_gps if code[:3] in ("DW5", "DW6") else position)(fields, offset_s, kinds, unread)


def battery(fields: list[str], offset_s: int) -> Report:
    """ZC20: ddmmyy, hhmmss, level from 2 (10 %) to 6 (100 %), hundredths of a battery volt, tenths of an external one."""
    level, battery_cv, power_dv = whole(field(fields, 2), 255), whole(field(fields, 3), 99_999), whole(field(fields, 4), 9_999)
    return Report(
        Kind.HEARTBEAT, None, day_first_us(field(fields, 0), field(fields, 1), offset_s),
        battery_percent=None if level is None else BATTERY_PERCENT.get(level),
        battery_v=None if battery_cv is None else battery_cv / 100, power_v=None if power_dv is None else power_dv / 10,
    )  # fmt: skip


def position(fields: list[str], offset_s: int, kinds: Kind, unread: tuple[str, ...]) -> Report:
    """A message with GPS. Without A or V there is no position in it."""
    at_us = day_first_us(field(fields, 0), field(fields, 5), offset_s)
    validity = field(fields, 1)
    place = fix(
        degrees_e7(field(fields, 2)), degrees_e7(field(fields, 3)), at_us, validity == "A",
        altitude_m=decimal(field(fields, 7)), speed_kmh=speed(field(fields, 4)), course_deg=course(field(fields, 6)),
        satellites=whole(field(fields, 8), 255),
    ) if validity in ("A", "V") else None  # fmt: skip
    unread += ("time",) * (at_us is None) + ("position",) * (place is None and field(fields, 2) != "")
    if place and not kinds & ~Kind.LOGIN:
        kinds |= Kind.POSITION
    return Report(kinds or Kind.HEARTBEAT, place, at_us, unread=unread)


def degrees_e7(text: str) -> int | None:
    """``ddmm.mmmmN``, with or without the noughts in front."""
    found = PLACE.fullmatch(text)
    if found is None:
        return None
    whole_part, _, rest = found[1].partition(".")
    return minutes_e7(f"{whole_part:0>3}.{rest}", found[2])


def without_gps(fields: list[str], offset_s: int, kinds: Kind, unread: tuple[str, ...]) -> Report:
    """A message with a cell and access points. Whether LAC and CID are decimal shows in their digits."""
    mcc, mnc = whole(field(fields, 0), 999), whole(field(fields, 1), 999)
    lac, cid = number(field(fields, 2)), number(field(fields, 3))
    cells = (Cell(mcc, mnc, lac, cid),) if mcc and mnc is not None and lac is not None and cid is not None else ()
    found = ACCESS_POINT.finditer(",".join(fields[5:]))
    wifi = tuple(Wifi(mac_of(point[1]), int(point[2])) for point in found)
    date_at = next((at for at in range(5, len(fields) - 1) if DATE.fullmatch(field(fields, at)) and DATE.fullmatch(field(fields, at + 1))), -1)
    at_us = day_first_us(field(fields, date_at), field(fields, date_at + 1), offset_s) if date_at > 0 else None
    if not kinds:
        kinds = Kind.POSITION if cells or wifi else Kind.HEARTBEAT
    return Report(kinds, None, at_us, cells=cells, wifi=wifi, unread=unread + ("time",) * (at_us is None))


def number(text: str) -> int | None:
    """Decimal digits, or hexadecimal ones where a letter shows it."""
    return whole(text) if text.isdecimal() else hexadecimal(text)


def mac_of(text: str) -> str:
    """``aa:bb:cc:dd:ee:ff``, however it was parted."""
    digits = re.sub("[:-]", "", text).lower()
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))
