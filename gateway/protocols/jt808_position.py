"""The position body of JT/T 808 (messages 0x0200, 0x0201, 0x0704, 0x0210) and the items behind it.

Source: JT/T 808-2013 section 8.18 and dossier ``jt808.md`` section 5. A body, big-endian:

- 4  alarm bits
- 4  status bits: 1 has a fix, 2 south, 3 west
- 4  latitude, 4  longitude, unsigned, degrees x 10^6
- 2  altitude in metres, signed; 2  speed, 0.1 km/h; 2  course
- 6  local time in BCD: yy mm dd hh mm ss
- n x (id 1, length 1, value): items
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import NO_KIND, Cell, Kind, Report, Wifi
from gateway.protocols import fields
from gateway.protocols.jt808_alarms import (
    BATTERY_STATES,
    DRIVING_BITS,
    E7_BITS,
    SENSORS_LOW,
    SWITCHES_LOW,
    Dialect,
    camera_kinds,
    kinds_of,
    remarks_of,
)
from gateway.protocols.octets import bcd_digits, civil_us, full_year, u16be, u32be

BODY_BYTES: Final = 28
OLD_FORM_BYTES: Final = 18
"What follows the body in an old form without items."
ALARM_WORD_BYTES: Final = 4
LOCK_TEXT: Final = b"*M"
"How item 0x33 of padlocks begins, which is text."
UNREAD_MAX: Final = 24
"Notes a record keeps: a body of noise must not fill the journal."

NO_FIELD_OF_OURS: Final = frozenset((0x01, 0x02, 0x03, 0x25, 0x2A, 0x2B, 0x30))
"Read by the standard, of no use here: mileage, fuel, recorder's speed, extended status, I/O, analogue inputs, GSM signal."


class Place(NamedTuple):
    """One body: what it says, and which of its alarms are levels, which events."""

    report: Report
    levels: Kind
    "Alarms that stay set until they are handled."
    events: Kind
    "Alarms that makers report once, in items."


@dataclass(slots=True)
class Items:
    """What the items of one body say, gathered one by one."""

    levels: Kind = NO_KIND
    events: Kind = NO_KIND
    satellites: int | None = None
    battery_percent: float | None = None
    battery_v: float | None = None
    power_v: float | None = None
    charging: bool | None = None
    cells: tuple[Cell, ...] = ()
    wifi: tuple[Wifi, ...] = ()
    unread: tuple[str, ...] = ()


def place_untrusted(body: bytes, dialect: Dialect, offset_s: int, stored: bool = False) -> Place:
    """One position body with its items. An alarm word alone is read as well, when it says alarm.

    ``offset_s``: local time minus UTC of the device's clock. Raises: FrameError.
    """
    word = u32be(body, 0) if len(body) >= ALARM_WORD_BYTES else 0
    levels = kinds_of(word, dialect.alarm_bits)
    if len(body) < BODY_BYTES:
        if levels:
            return Place(Report(levels, stored=stored, unread=("position",)), levels, NO_KIND)
        raise FrameError(Reason.LENGTH, len(body), f"a position has {BODY_BYTES} bytes, {len(body)} found")
    status = u32be(body, 4)
    items = items_of(body[BODY_BYTES:], dialect)
    levels |= kinds_of(status, dialect.status_bits) | items.levels
    at_us = time_us(body, 22, offset_s)
    notes = remarks_of(word, dialect) + (() if at_us is not None else ("date",))
    lat_e7, lon_e7 = u32be(body, 8) * 10, u32be(body, 12) * 10
    if lat_e7 > 90 * fields.E7 or lon_e7 > 180 * fields.E7:
        notes += ("place outside the globe",)
    valid = bool(status & 0x02)
    course = u16be(body, 20)
    fix = fields.fix(
        -lat_e7 if status & 0x04 else lat_e7,
        -lon_e7 if status & 0x08 else lon_e7,
        at_us if valid else None,
        valid,
        altitude_m=float(int.from_bytes(body[16:18], "big", signed=True)),
        speed_kmh=u16be(body, 18) / 10,
        course_deg=float(course) if course <= 360 else None,
        satellites=items.satellites,
    )
    report = Report(
        levels | items.events or Kind.POSITION, fix, at_us, battery_percent=items.battery_percent, battery_v=items.battery_v,
        power_v=items.power_v, charging=items.charging, stored=stored, cells=items.cells, wifi=items.wifi,
        unread=(notes + items.unread)[:UNREAD_MAX],
    )  # fmt: skip
    return Place(report, levels, items.events)


def batch_untrusted(body: bytes, at: int, size_bytes: int, dialect: Dialect, offset_s: int, stored: bool) -> list[Place]:
    """The records from ``at``, each behind its length of ``size_bytes``. One that cannot be read is noted. Raises: FrameError: none can."""
    places: list[Place] = []
    faults: list[FrameError] = []
    for record in records_of(body, at, size_bytes):
        try:
            places.append(place_untrusted(record, dialect, offset_s, stored))
        except FrameError as error:
            faults.append(error)
    if not places:
        raise faults[0] if faults else FrameError(Reason.LENGTH, at, "a batch without a position")
    if faults:
        report = places[-1].report
        places[-1] = places[-1]._replace(report=replace(report, unread=(*report.unread, "record that cannot be read")))
    return places


def records_of(body: bytes, at: int, size_bytes: int) -> list[bytes]:
    """The records of a batch. One that is cut off is kept as far as it goes."""
    records = []
    while len(body) - at >= size_bytes + 1:
        size = int.from_bytes(body[at : at + size_bytes], "big")
        at += size_bytes
        records.append(body[at : at + size])
        at += size
    return records


def time_us(data: bytes, at: int, offset_s: int) -> int | None:
    """``yy mm dd hh mm ss`` in BCD, local time; None when no calendar has it. The caller knows that six bytes are there."""
    digits = bcd_digits(data[at : at + 6])
    year = full_year(int(digits[:2])) if digits else None
    if digits is None or year is None:
        return None
    local_us = civil_us(year, *(int(digits[i : i + 2]) for i in range(2, 12, 2)))
    return None if local_us is None else local_us - offset_s * 1_000_000


def items_of(data: bytes, dialect: Dialect) -> Items:
    """Every item. What is cut off or of an old form is noted; nothing here can make the body unreadable."""
    items = Items()
    if len(data) == OLD_FORM_BYTES and not _is_list(data):
        items.unread = ("old fixed form",)
        return items
    at = 0
    while len(data) - at >= 2:
        item, size = data[at], data[at + 1]
        value = data[at + 2 : at + 2 + size]
        at += 2 + size
        if len(value) < size:
            items.unread += (f"item 0x{item:02x}, cut",)
        elif not (_read_alarm(items, item, value, dialect) or _read_fact(items, item, value)):
            items.unread += (f"item 0x{item:02x}",)
    return items


def _is_list(data: bytes) -> bool:
    """Whether the items end exactly where the data ends."""
    at = 0
    while len(data) - at >= 2:
        at += 2 + data[at + 1]
    return at == len(data)


# ------------------------------------------------------------------------------------------------- alarms


def _read_alarm(items: Items, item: int, value: bytes, dialect: Dialect) -> bool:
    """An item that may say alarm; False when it is none, or not in the form that we know."""
    if item == 0xE7 and len(value) == 8:
        items.events |= kinds_of(u16be(value, 0), E7_BITS)
        return True
    if item == 0xE8 and len(value) >= 2:
        kinds, notes = camera_kinds(u16be(value, 0), dialect.is_camera)
        items.events |= kinds
        items.unread += notes
        return True
    if item == 0xEB:
        return _read_nested(items, value)
    if item == 0xFE and value[:1] == b"\x7c":
        _read_driving(items, value)
        return True
    return False


def _read_nested(items: Items, data: bytes) -> bool:
    """Item 0xEB: a list of ``length 2 (of what follows), id 2, value``. Some devices write text there instead."""
    at = 0
    known = False
    while len(data) - at >= 4:
        size, inner = u16be(data, at), u16be(data, at + 2)
        if size < 2 or len(data) - at - 2 < size:
            break
        value = data[at + 4 : at + 2 + size]
        at += 2 + size
        known = True
        number = int.from_bytes(value, "big") if value else 0
        if inner == 0x0089 and len(value) == 4:
            items.levels |= kinds_of(~number & 0xFFFFFFFF, SWITCHES_LOW)
        elif inner == 0x00C5 and len(value) == 4:
            items.levels |= kinds_of(~number & 0xFFFFFFFF, SENSORS_LOW)
        elif inner == 0x00C6:
            items.levels |= BATTERY_STATES.get(number, NO_KIND)
        elif inner == 0x002D and len(value) == 2:
            items.battery_v = number / 1000
        elif inner == 0x00A8 and len(value) == 1 and number <= 100:
            items.battery_percent = float(number)
        else:
            items.unread += (f"item 0xeb, 0x{inner:04x}",)
    return known


def _read_driving(items: Items, value: bytes) -> None:
    """Item 0xFE with the mark 0x7C: a list of ``id 1, length 1, value``; 0x01 are bits."""
    at = 1
    while len(value) - at >= 2:
        part, size = value[at], value[at + 1]
        inner = value[at + 2 : at + 2 + size]
        at += 2 + size
        if part == 0x01 and size == 4 and len(inner) == 4:
            bits = u32be(inner, 0)
            items.events |= kinds_of(bits, DRIVING_BITS)
            if bits & ~1:
                items.unread += (f"driving 0x{bits:08x}",)


# -------------------------------------------------------------------------------------------------- facts


def _read_fact(items: Items, item: int, value: bytes) -> bool:
    """An item that states a fact; False when it is none of ours."""
    size = len(value)
    if item in NO_FIELD_OF_OURS:
        return True
    if item == 0x31 and size == 1:
        items.satellites = value[0]
    elif item in (0x06, 0xD4, 0xE1, 0xFE) and size == 1 and value[0] <= 100:
        items.battery_percent = float(value[0])
    elif item == 0xE4 and size == 2 and value[1] <= 100:
        items.battery_percent = float(value[1])
    elif item == 0x69 and size == 2:
        items.battery_v = u16be(value, 0) / 100
    elif item == 0x82 and size == 2:
        items.power_v = u16be(value, 0) / 10
    elif item == 0xF1 and size == 4:
        items.power_v = u32be(value, 0) / 1000
    elif item == 0xF7 and size == 6:
        _read_battery(items, value)
    elif item == 0x33 and value[: len(LOCK_TEXT)] == LOCK_TEXT:
        _read_lock_text(items, value)
    else:
        return _read_network(items, item, value)
    return True


def _read_battery(items: Items, value: bytes) -> None:
    """``millivolts 4, charging 1 (1 no, 2 yes, 3 full), percent 1``."""
    items.battery_v = u32be(value, 0) / 1000
    items.charging = value[4] in (2, 3)
    if value[5] <= 100:
        items.battery_percent = float(value[5])


def _read_lock_text(items: Items, text: bytes) -> None:
    """``*M00,45,11386…``: behind the second comma two switches, then the battery in hundredths of a volt."""
    parts = text.split(b",", 2)
    digits = parts[2][2:5].decode("latin-1") if len(parts) == 3 else ""
    hundredths = fields.whole(digits) if len(digits) == 3 else None
    items.battery_v = None if hundredths is None else hundredths / 100
    items.unread += ("text of a padlock",)


def _read_network(items: Items, item: int, value: bytes) -> bool:
    """Radio cells and access points, for a place without a fix. The layouts are those of the devices in the vectors.

    - 0x5D  count 1, then MCC 2, MNC 1, LAC 2, CID 4, strength 1 each
    - 0xF0  MCC 2, MNC 2, CID 4, LAC 4, strength 1 each
    - 0xFF  MCC 2, MNC 2, LAC 4, CID 4
    - 0xF4, 0xEC  MAC 6, strength 1 each
    """
    size = len(value)
    if item == 0x5D and size > 1 and (size - 1) % 10 == 0:
        starts = range(1, size, 10)
        found = [Cell(u16be(value, at), value[at + 2], u16be(value, at + 3), u32be(value, at + 5), _dbm(value[at + 9])) for at in starts]
    elif item == 0xF0 and size and size % 13 == 0:
        starts = range(0, size, 13)
        found = [Cell(u16be(value, at), u16be(value, at + 2), u32be(value, at + 8), u32be(value, at + 4), _dbm(value[at + 12])) for at in starts]
    elif item == 0xFF and size == 12:
        found = [Cell(u16be(value, 0), u16be(value, 2), u32be(value, 4), u32be(value, 8))]
    elif item in (0xF4, 0xEC) and size % 7 == 0:
        items.wifi += tuple(Wifi(value[at : at + 6].hex(":"), _dbm(value[at + 6])) for at in range(0, size, 7))
        return True
    else:
        return False
    items.cells += tuple(cell for cell in found if 0 < cell.mcc < 1000 and cell.cid)
    return True


def _dbm(level: int) -> int | None:
    """A signed byte; only what a receiver can measure."""
    return level - 256 if level > 127 else None
