"""TK103's dialect A: a command of four characters and fields of fixed width behind it.

Paper: the makers' "GPS tracker communication protocol". The position block::

    yymmdd  A|V  ddmm.mmmm N|S  dddmm.mmmm E|W  speed(5, km/h)  hhmmss  course(6)

and behind it the status block: charge (0: power is connected), ACC, inputs (3 hexadecimal digits, of which the first holds bit 1 panic,
bit 0 input 2, bit 3 blocked), fuel (3), ``L`` and the odometer.
"""

import re
from typing import Final

from gateway.model import NO_KIND, Cell, Fix, Kind, Report
from gateway.protocols.fields import course, field, fix, hexadecimal, minutes_e7, speed, whole, year_first_us

BLOCK: Final = re.compile(
    r"([0-9]{6})([A-Z]?)([0-9]{4}\.[0-9]{1,8})([NS])([0-9]{1,5}\.[0-9]{1,8})([EW])([0-9. ]{5})([0-9]{6})([0-9. ]{6})?", re.ASCII
)
STATUS: Final = re.compile(r",?([0-9])([0-9])([0-9A-Fa-f])[0-9A-Fa-f]{2}[0-9A-Fa-f]{3}(?:L|,|$)", re.ASCII)
STATUS_TAIL: Final = re.compile(r",([01])([01])([0-9A-Fa-f])[0-9A-Fa-f]{5}$", re.ASCII)
"The same block behind cells."
STATUS_ALONE: Final = re.compile(r"([01])([01])([0-9A-Fa-f])[0-9A-Fa-f]{5}L[0-9A-Fa-f]", re.ASCII)
"The same block behind a position that cannot be read: its panic input counts all the same."
PANIC: Final = 2
"Bit 1 of the first digit of the inputs."
BRACED: Final = re.compile(r"\{([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,10}),([0-9]{1,10})\}", re.ASCII)
"A cell: MCC, MNC, LAC, CID, decimal."
STAMP: Final = re.compile(r",([0-9]{6})([0-9]{6})(?:,|$)", re.ASCII)
"yymmddhhmmss of a message without position."
BQ81_ALARM: Final = re.compile(r",?ALARM,([0-9]{1,3})", re.ASCII)

BO01_ALARMS: Final = {
    "0": NO_KIND,
    "1": Kind.ACCIDENT,
    "2": Kind.SOS_BUTTON,
    "3": Kind.VIBRATION,
    "4": Kind.LOWSPEED,
    "5": Kind.OVERSPEED,
    "6": Kind.GEOFENCE_EXIT,
}
"0: ignition or a door, on some."
BQ81_ALARMS: Final = {
    "0": Kind.BATTERY_LOW,
    "1": Kind.OVERSPEED,
    "2": Kind.IDLE,
    "3": Kind.HARSH_ACCEL,
    "4": Kind.HARSH_BRAKE,
    "5": Kind.TEMPERATURE,
}
EVENTS: Final = ("BO01", "BQ81")
LOGINS: Final = ("BP00", "BP05")
WITH_CELLS: Final = ("BZ00", "BP05")
SILENT: Final = ("BV00", "BS50", "BS51", "BQ86")
"Messages about the vehicle or its battery, of which nothing is read."


def compact_report(command: str, data: str, offset_s: int) -> Report:
    """What a message says. Never refuses: what cannot be read is named in ``unread``."""
    kinds, unread = event_of(command, data)
    block = BLOCK.search(data)
    status = status_of(command, data, block)
    is_panic = status is not None and bool(int(status[3], 16) & PANIC)
    charging = status[1] == "0" if status else None
    is_standing = is_panic and command not in EVENTS
    if is_panic:
        kinds |= Kind.SOS_BUTTON
    if command in LOGINS:
        kinds |= Kind.LOGIN
    if block is None:
        stamp = STAMP.search(data)
        at_us = year_first_us(stamp[1], stamp[2], offset_s) if stamp else None
        cells, unread = cells_of(command, data), unread + ("position",) * (command == "BO01")
        if cells and not kinds & ~Kind.LOGIN:
            kinds |= Kind.POSITION
        return Report(kinds or Kind.HEARTBEAT, None, at_us, charging=charging, standing=is_standing, cells=cells, unread=unread)
    at_us = year_first_us(block[1], block[8], offset_s)
    place = place_of(block, at_us)
    unread += ("time",) * (at_us is None) + ("position",) * (place is None)
    if place and not kinds & ~Kind.LOGIN:
        kinds |= Kind.POSITION
    return Report(kinds or Kind.HEARTBEAT, place, at_us, charging=charging, standing=is_standing, unread=unread)


def status_of(command: str, data: str, block: re.Match[str] | None) -> re.Match[str] | None:
    """The status block: behind the position, behind cells, or where its odometer shows it."""
    if block:
        return STATUS.match(data, block.end())
    if command in WITH_CELLS and (status := STATUS_TAIL.search(data)):
        return status
    return None if command in SILENT else STATUS_ALONE.search(data)


def event_of(command: str, data: str) -> tuple[Kind, tuple[str, ...]]:
    """The alarm that the command names; a number that no table has is an unknown alarm."""
    if command == "BO01":
        kinds = BO01_ALARMS.get(data[:1], Kind.UNKNOWN_ALARM)
        return kinds, () if data[:1] in BO01_ALARMS and data[:1] != "0" else (f"alarm {data[:1]!a}",)
    if command == "BQ81" and (found := BQ81_ALARM.match(data)):
        kinds = BQ81_ALARMS.get(str(int(found[1])), Kind.UNKNOWN_ALARM)
        return kinds, (f"alarm {found[1]}",) if kinds == Kind.UNKNOWN_ALARM else ()
    is_read = command in LOGINS or command in WITH_CELLS or BLOCK.search(data)
    return NO_KIND, () if is_read else (f"content of {command}",)


def place_of(block: re.Match[str], at_us: int | None) -> Fix | None:
    """The position of a block; without A or V it says none."""
    if block[2] not in ("A", "V"):
        return None
    return fix(
        minutes_e7(padded(block[3]), block[4]), minutes_e7(padded(block[5]), block[6]), at_us, block[2] == "A",
        speed_kmh=speed(block[7].strip()), course_deg=course((block[9] or "").strip()),
    )  # fmt: skip


def padded(text: str) -> str:
    """Degrees and minutes with the noughts that some devices leave out in front."""
    whole_part, dot, rest = text.partition(".")
    return whole_part.rjust(3, "0") + dot + rest


def cells_of(command: str, data: str) -> tuple[Cell, ...]:
    """Cells in braces, or MCC, MNC and pairs of LAC and CID (BZ00)."""
    cells = tuple(Cell(int(cell[1]), int(cell[2]), int(cell[3]), int(cell[4])) for cell in BRACED.finditer(data))
    return cell_pairs(data.lstrip(",").split(",")) if command == "BZ00" and not cells else cells


def cell_pairs(fields: list[str]) -> tuple[Cell, ...]:
    """MCC, MNC, then LAC and CID in hexadecimal, as many as there are; a status block of eight digits ends them."""
    mcc, mnc = whole(field(fields, 0), 999), whole(field(fields, 1), 999)
    cells = []
    for at in range(2, len(fields) - 1, 2):
        lac, cid = hexadecimal(field(fields, at)), hexadecimal(field(fields, at + 1))
        if mcc is not None and mnc is not None and lac is not None and cid is not None:
            cells.append(Cell(mcc, mnc, lac, cid))
    return tuple(cells)
