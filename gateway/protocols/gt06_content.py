"""What a GT06 message says: GPS, cell and status blocks, and the message types that are made of them.

Byte layouts stand above the code that reads them. Every read is bounded by the frame's own length, never by a field
inside the content, and the status block is always taken from the end. An alarm field that cannot be read is an alarm.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Cell, Fix, Kind, Report, Wifi
from gateway.protocols.gt06_alarms import CAMERA_CODES, PLAIN, Dialect, status_kinds
from gateway.protocols.octets import bcd_digits, civil_us, full_year, u16be, u32be

# ----------------------------------------------------------------------------------------------- blocks

GPS_BYTES: Final = 18
UNITS_PER_DEGREE: Final = 1_800_000
CELL_SIZES: Final = {
    # bytes: (mnc, lac, cid); the MCC before them has two
    8: (1, 2, 3),
    9: (1, 2, 4),
    10: (2, 2, 4),
    15: (1, 4, 8),
    16: (2, 4, 8),
}


def time_of(data: bytes, at: int, offset_s: int) -> int | None:
    """``yy mm dd hh mm ss`` in binary, local time of a zone ``offset_s`` east of UTC."""
    year = full_year(data[at])
    if year is None:
        return None
    local_us = civil_us(year, *data[at + 1 : at + 6])
    return None if local_us is None else local_us - offset_s * 1_000_000


def place_of(data: bytes, at: int) -> tuple[int, int] | None:
    """Latitude and longitude without their signs, 4 bytes each, as degrees x 10^7; None outside the globe."""
    lat, lon = u32be(data, at), u32be(data, at + 4)
    if lat > 90 * UNITS_PER_DEGREE or lon > 180 * UNITS_PER_DEGREE:
        return None
    return (lat * 50 + 4) // 9, (lon * 50 + 4) // 9  # x 10^7 / 1,800,000, rounded


def fix_of(place: tuple[int, int], flags: int, at_us: int | None, speed_kmh: float | None, satellites: int | None) -> Fix | None:
    """The fix behind a course-and-flags word: bit 10 north, bit 11 west, bit 12 valid, bits 9-0 course.

    A place without a valid fix is the last known one, whose time nobody knows; 0, 0 without one is no place at all.
    """
    valid = bool(flags & 0x1000) and at_us is not None
    lat_e7, lon_e7 = place
    if not valid and lat_e7 == lon_e7 == 0:
        return None
    course = flags & 0x3FF
    return Fix(
        lat_e7 if flags & 0x0400 else -lat_e7,
        -lon_e7 if flags & 0x0800 else lon_e7,
        at_us if valid else None,
        valid,
        speed_kmh=speed_kmh,
        course_deg=float(course) if course <= 360 else None,
        satellites=satellites,
    )


def gps_report(data: bytes, at: int, offset_s: int) -> Report:
    """The GPS block.

    - 6  year - 2000, month, day, hour, minute, second, one binary byte each
    - 1  high nibble: length of the GPS data; low nibble: satellites
    - 4  latitude, 4  longitude, unsigned, degrees x 1,800,000
    - 1  speed, km/h
    - 2  course and flags
    """
    at_us = time_of(data, at, offset_s)
    unread = () if at_us is not None else ("date of the position",)
    place = place_of(data, at + 7)
    if place is None:
        return Report(event_at_us=at_us, unread=(*unread, "place outside the globe"))
    fix = fix_of(place, u16be(data, at + 16), at_us, float(data[at + 15]), data[at + 6] & 0x0F)
    return Report(fix=fix, event_at_us=at_us, unread=unread)


def looks_like_gps(data: bytes, at: int) -> bool:
    """A GPS block by its own marks: a date of the calendar, a GPS length of 12, a place on the globe."""
    return len(data) - at >= GPS_BYTES and time_of(data, at, 0) is not None and data[at + 6] >> 4 == 12 and place_of(data, at + 7) is not None


def cells_of(block: bytes) -> tuple[Cell, ...]:
    """One radio cell: ``MCC 2, MNC 1-2, LAC 2-4, CID 3-8``. Bit 15 of the MCC says that the MNC has two bytes."""
    if len(block) not in CELL_SIZES:
        return ()
    mnc_bytes, lac_bytes, cid_bytes = CELL_SIZES[len(block)]
    mcc = u16be(block, 0)
    if len(block) == 9 and mcc & 0x8000:
        mnc_bytes, cid_bytes = 2, 3
    mcc &= 0x7FFF
    if not 0 < mcc < 1000:
        return ()
    lac_at = 2 + mnc_bytes
    cid_at = lac_at + lac_bytes
    mnc, lac = int.from_bytes(block[2:lac_at], "big"), int.from_bytes(block[lac_at:cid_at], "big")
    return (Cell(mcc, mnc, lac, int.from_bytes(block[cid_at : cid_at + cid_bytes], "big")),)


def battery_of(level: int) -> tuple[float | None, tuple[str, ...]]:
    """Percent behind the voltage byte: 0-6 are steps (6 full, 0 no power), 7-100 percent of newer models."""
    if level <= 6:
        return round(level * 100 / 6, 1), ()
    return (float(level), ()) if level <= 100 else (None, ("voltage level",))


def wifi_of(data: bytes, at: int, count: int) -> tuple[Wifi, ...]:
    """``count`` access points of ``MAC 6, strength 1``, as many as the data holds.

    Strength: dBm as a signed byte, or its magnitude; 0 says nothing.
    """
    points = []
    for start in range(at, min(at + 7 * count, len(data) - 6), 7):
        level = data[start + 6]
        rssi = level - 256 if level > 127 else -level
        points.append(Wifi(data[start : start + 6].hex(":"), rssi or None))
    return tuple(points)


# ------------------------------------------------------------------------------------------ message types

STATUS_BYTES: Final = 5
"Terminal information 1, voltage 1, GSM 1, alarm 1, language 1."


@dataclass(frozen=True, slots=True)
class Message:
    """One delimited message and what is known about its device."""

    kind: int
    content: bytes
    at: int
    "Where the content begins in the frame, for refusals."
    dialect: Dialect = PLAIN
    offset_s: int = 0
    "Local time of the device minus UTC."

    def require(self, count: int, what: str) -> None:
        """Raise ``FrameError`` when the content is shorter than ``count`` bytes."""
        if len(self.content) < count:
            raise FrameError(Reason.LENGTH, self.at, f"{what} has {count} bytes, {len(self.content)} found")


def read_position_untrusted(message: Message) -> Report:
    """GPS block 18, then a cell block; 0x22, 0x2D and 0x31 go on.

    - cell  8 to 16, see ``cells_of``
    - 1  ignition, 1  upload mode, 1  re-upload (1: a stored record)
    - 0x31: 4  mileage, 2  altitude in metres
    """
    message.require(GPS_BYTES, "a GPS block")
    report = replace(gps_report(message.content, 0, message.offset_s), kinds=Kind.POSITION)
    rest = message.content[GPS_BYTES:]
    size = _cell_bytes(message.kind, rest)
    report = replace(report, cells=cells_of(rest[:size]))
    if message.kind not in FLAGGED or len(rest) < size + 3:
        return report
    report = replace(report, stored=rest[size + 2] == 1)
    if message.kind == 0x31 and report.fix and len(rest) >= size + 9:
        altitude_m = float(int.from_bytes(rest[size + 7 : size + 9], "big", signed=True))
        report = replace(report, fix=replace(report.fix, altitude_m=altitude_m))
    return report


FLAGGED: Final = frozenset((0x22, 0x2D, 0x31))
"Positions that say after the cell block whether they are stored ones."


def _cell_bytes(kind: int, rest: bytes) -> int:
    """How long the cell block of a position is: the frame does not say, so its type and what follows must."""
    wide_mnc = len(rest) >= 2 and rest[0] & 0x80
    if kind == 0xA0:
        return 16 if wide_mnc else 15
    if kind == 0x11 and len(rest) == 10:
        return 10
    if kind in FLAGGED:
        for size in (9, 10) if wide_mnc else (8, 9, 10):
            if len(rest) >= size + 3 and rest[size] <= 1 and rest[size + 2] <= 1:
                return size
    return 9 if wide_mnc else 8


def read_alarm_untrusted(message: Message) -> Report:
    """Alarm with a position: ``GPS 18, length 1, cell, status 5`` and in 0x27, 0xA4 ``fence number 1``.

    VXT01 (0x16 with 31 bytes) has no length byte and an alarm byte that means nothing; a VL model may let a
    driver's card number follow. 0x27 and 0xA4 keep four more bits of the alarm code in the language byte.
    """
    content, dialect = message.content, message.dialect
    fenced = message.kind in (0x27, 0xA4)
    end = len(content) - STATUS_BYTES - fenced
    if dialect.driver_card_bytes and len(content) == GPS_BYTES + 9 + STATUS_BYTES + dialect.driver_card_bytes:
        end -= dialect.driver_card_bytes
    if end < 0:
        return Report(Kind.UNKNOWN_ALARM, unread=("status block",))
    is_vxt01 = message.kind == 0x16 and len(content) == 31
    code = 0 if is_vxt01 else content[end + 3] | (content[end + 4] >> 4 << 8 if fenced else 0)
    kinds = status_kinds(content[end], code, dialect, Kind.OVERSPEED if is_vxt01 else dialect.removed)
    if end < GPS_BYTES:
        return _with_status(Report(kinds, unread=("position",)), content, end)
    report = gps_report(content, 0, message.offset_s)
    block = content[GPS_BYTES:end]
    has_length = not is_vxt01 and len(block) != 15
    cells = cells_of(block[has_length:]) if block and (block[0] or not has_length) else ()
    return _with_status(replace(report, kinds=kinds or Kind.POSITION, cells=cells), content, end)


def _with_status(report: Report, content: bytes, end: int) -> Report:
    percent, unread = battery_of(content[end + 1])
    return replace(report, battery_percent=percent, charging=bool(content[end] & 0x04), unread=report.unread + unread)


def read_cell_alarm_untrusted(message: Message) -> Report:
    """Alarm without a position: ``cell 8 (0xA5: 15), status 5``. 0x19 with 18 bytes or more is a list of cells instead."""
    content = message.content
    if message.kind == 0x19 and len(content) >= 18:
        return Report(Kind.POSITION, cells=cells_of(content[:8]), unread=("further cells",))
    end = len(content) - STATUS_BYTES
    if end < 0:
        return Report(Kind.UNKNOWN_ALARM, unread=("status block",))
    kinds = status_kinds(content[end], content[end + 3], message.dialect, message.dialect.removed)
    return _with_status(Report(kinds or Kind.HEARTBEAT, cells=cells_of(content[:end])), content, end)


def read_heartbeat_untrusted(message: Message) -> Report:
    """0x13: the status block, or its first three bytes. Of other models' lengths only a pressed button is believed.

    An alarm in a heartbeat stands: the device says that it is still so, not that somebody pressed again.
    """
    report = _heartbeat_status(message)
    return replace(report, standing=report.kinds != Kind.HEARTBEAT)


def _heartbeat_status(message: Message) -> Report:
    content, dialect = message.content, message.dialect
    if not content:
        return Report(Kind.HEARTBEAT)
    bits = status_kinds(content[0], 0, dialect, dialect.removed)
    if dialect.voltage_word and len(content) >= 3:
        return Report(Kind.HEARTBEAT | bits & Kind.SOS_BUTTON, power_v=u16be(content, 1) / 100, charging=bool(content[0] & 0x04))
    if not 3 <= len(content) <= STATUS_BYTES:
        return Report(Kind.HEARTBEAT | bits & Kind.SOS_BUTTON, unread=("status of another model",))
    code = content[3] if len(content) == STATUS_BYTES else 0
    report = Report(Kind.HEARTBEAT | status_kinds(content[0], code, dialect, dialect.removed))
    return _with_status(report, content, 0)


def read_gk310_heartbeat_untrusted(message: Message) -> Report:
    """0x23: ``terminal information 1, voltage 2 in hundredths, GSM 1, language 2``."""
    content, dialect = message.content, message.dialect
    if len(content) < 3:
        return Report(Kind.HEARTBEAT, unread=("status of another model",))
    kinds = Kind.HEARTBEAT | status_kinds(content[0], 0, dialect, dialect.removed)
    return Report(kinds, standing=kinds != Kind.HEARTBEAT, battery_v=u16be(content, 1) / 100, charging=bool(content[0] & 0x04))


def read_network_untrusted(message: Message) -> Report:
    """Place by network lookup only: ``time 6, MCC 2, MNC 1-2, 7 cells, timing advance 1, [n 1, n x (MAC 6, strength 1)]``.

    A cell has ``LAC 2, CID 3, strength 1``, in 0xA1 and 0xA2 ``LAC 4, CID 8, strength 1``. Some families use the same
    type numbers for a GPS block: 0x17 (RFID), 0x34 (behind four zero bytes), 0xA2 (LW: an alarm). The block's own
    marks tell.
    """
    content, kind = message.content, message.kind
    if kind == 0xA2 and looks_like_gps(content, 0):
        return read_alarm_untrusted(message)
    if kind == 0x17 and looks_like_gps(content, 0):
        return replace(gps_report(content, 0, message.offset_s), kinds=Kind.POSITION)
    if kind == 0x34 and content[:4] == bytes(4) and len(content) >= 4 + GPS_BYTES:
        return replace(gps_report(content, 4, message.offset_s), kinds=Kind.POSITION)
    report = Report(Kind.POSITION, event_at_us=time_of(content, 0, message.offset_s) if len(content) >= 6 else None)
    wide = kind in (0xA1, 0xA2)
    at = 9 + (len(content) > 6 and content[6] >> 7)
    end = at + 7 * (13 if wide else 6)
    if kind not in (0x18, 0x28, 0x2C, 0x2E, 0xA1, 0xA2) or len(content) < end:
        return replace(report, unread=(f"network cells of message 0x{kind:02x}",))
    cells = tuple(dict.fromkeys(_listed_cells(content, at, end, wide)))
    if kind in (0x2C, 0xA2) and len(content) > end + 1:
        return replace(report, cells=cells, wifi=wifi_of(content, end + 2, content[end + 1]))
    return replace(report, cells=cells)


def _listed_cells(content: bytes, at: int, end: int, wide: bool) -> list[Cell]:
    network, lac_bytes, cid_bytes = content[6:at], 4 if wide else 2, 8 if wide else 3
    found = []
    for start in range(at, end, lac_bytes + cid_bytes + 1):
        cid_at = start + lac_bytes
        mcc, mnc = u16be(network, 0) & 0x7FFF, int.from_bytes(network[2:], "big")
        cell = Cell(mcc, mnc, int.from_bytes(content[start:cid_at], "big"), int.from_bytes(content[cid_at : cid_at + cid_bytes], "big"))
        if 0 < mcc < 1000 and cell.cid:
            found.append(cell)
    return found


def read_text_untrusted(message: Message) -> Report:
    """Answer to a command. 0x15: ``length 1, server flag 4, text, [language 2]``; 0x21: ``server flag 4, coding 1, text``."""
    content = message.content
    if message.kind == 0x21:
        coding, text = content[4:5], content[5:]
        return Report(Kind.CONFIG_REPLY, text=_text(text, "utf-16-be" if coding == b"\x02" else "utf-8"))
    length = content[0] if content else 0
    end = 1 + length if 4 <= length < len(content) else len(content) - 2
    return Report(Kind.CONFIG_REPLY, text=_text(content[5:end], "utf-8"))


def _text(data: bytes, coding: str) -> str | None:
    return data.decode(coding, "replace").strip("\0 \r\n") or None


def read_camera_untrusted(message: Message) -> Report:
    """JC dash-cam alarm: ``time 6, [latitude 4, longitude 4, course and flags 2], event 1, ...``.

    Event 0x01 is SOS in the long form; the short form only says that there is an alarm.
    """
    content = message.content
    if len(content) < 7:
        return Report(Kind.UNKNOWN_ALARM, unread=("event",))
    at_us = time_of(content, 0, message.offset_s)
    if len(content) < 17:
        return Report(CAMERA_CODES.get(content[6], Kind.GENERAL if content[6] == 1 else Kind.UNKNOWN_ALARM), event_at_us=at_us)
    kinds = CAMERA_CODES.get(content[16], Kind.SOS_BUTTON if content[16] == 1 else Kind.UNKNOWN_ALARM)
    place = place_of(content, 6)
    fix = fix_of(place, u16be(content, 14), at_us, None, None) if place else None
    return Report(kinds, fix=fix, event_at_us=at_us)


def read_information_untrusted(message: Message) -> Report:
    """0x94: ``subject 1, data``. 0x00 outside voltage in hundredths, 0x04 status as text."""
    content = message.content
    subject = content[0] if content else None
    if subject == 0x00 and len(content) >= 3:
        return Report(Kind.HEARTBEAT, power_v=u16be(content, 1) / 100)
    if subject == 0x04:
        return Report(Kind.HEARTBEAT, text=_text(content[1:], "utf-8"))
    return Report(Kind.HEARTBEAT, unread=("information" if subject is None else f"information 0x{subject:02x}",))


def read_modules_untrusted(message: Message) -> Report:
    """0x70: a list of ``id 2, length 2, data``. 0x33 is a position, whose time is Unix seconds:

    - 4  time, 1  satellites, 2  altitude in metres, 4  latitude, 4  longitude, 1  speed, 2  course and flags
    """
    content, at = message.content, 0
    report = Report(Kind.HEARTBEAT)
    unread = []
    while len(content) - at >= 4:
        module, size, at = u16be(content, at), u16be(content, at + 2), at + 4
        if len(content) - at < size:
            unread.append(f"module 0x{module:02x}, cut")
            break
        if module == 0x33 and size >= 18:
            report = _module_position(content[at : at + size])
        elif module == 0x34:
            unread.append("module 0x34, an event")
        at += size
    return replace(report, unread=report.unread + tuple(unread))


def _module_position(data: bytes) -> Report:
    at_us = u32be(data, 0) * 1_000_000
    place = place_of(data, 7)
    if place is None:
        return Report(Kind.POSITION, event_at_us=at_us, unread=("place outside the globe",))
    fix = fix_of(place, u16be(data, 16), at_us, float(data[15]), data[4])
    if fix:
        fix = replace(fix, altitude_m=float(int.from_bytes(data[5:7], "big", signed=True)))
    return Report(Kind.POSITION, fix=fix, event_at_us=at_us)


def read_other_untrusted(message: Message) -> Report:
    """A type that nobody described. A GPS block is known by its own marks, a pressed button by the shape of an alarm frame."""
    content, unread = message.content, (f"message 0x{message.kind:02x}",)
    if not looks_like_gps(content, 0):
        return Report(unread=unread)
    report = gps_report(content, 0, message.offset_s)
    end = len(content) - STATUS_BYTES
    cell_bytes = end - GPS_BYTES - 1
    life = NO_KIND
    if cell_bytes in CELL_SIZES and content[GPS_BYTES] in (cell_bytes, cell_bytes + 1):
        life = status_kinds(content[end], content[end + 3], message.dialect, message.dialect.removed) & LIFE & ~Kind.UNKNOWN_ALARM
    return replace(report, kinds=life or Kind.POSITION, unread=report.unread + unread)


READERS: Final[dict[int, Callable[[Message], Report]]] = {
    **dict.fromkeys((0x10, 0x11, 0x12, 0x22, 0x2A, 0x2D, 0x31, 0x37, 0xA0), read_position_untrusted),
    **dict.fromkeys((0x16, 0x26, 0x27, 0xA4), read_alarm_untrusted),
    **dict.fromkeys((0x19, 0xA5), read_cell_alarm_untrusted),
    **dict.fromkeys((0x17, 0x18, 0x24, 0x28, 0x2C, 0x2E, 0x34, 0x69, 0xA1, 0xA2), read_network_untrusted),
    **dict.fromkeys((0x15, 0x21), read_text_untrusted),
    0x13: read_heartbeat_untrusted,
    0x23: read_gk310_heartbeat_untrusted,
    0x70: read_modules_untrusted,
    0x94: read_information_untrusted,
    0x95: read_camera_untrusted,
}

SAYS_NOTHING: Final = frozenset((0x80, 0x81, 0x82, 0x8A))
"Our own commands echoed, and the clock request."


def report_untrusted(raw: bytes, kind_at: int, dialect: Dialect, offset_s: int) -> Report | None:
    """What a delimited frame (not a login) says; None when it says nothing of ours. Raises ``FrameError``."""
    kind = raw[kind_at]
    if kind in SAYS_NOTHING:
        return None
    message = Message(kind, raw[kind_at + 1 : -6], kind_at + 1, dialect, offset_s)
    report = READERS.get(kind, read_other_untrusted)(message)
    return replace(report, sequence=u16be(raw, len(raw) - 6))


# --------------------------------------------------------------------- Wi-Fi frames of the Topin dialect

TOPIN_TYPES: Final = (0x17, 0x69)
TOPIN_BYTES_MAX: Final = 300
"The longest one that is waited for (the dialect's own guard)."


def topin_bytes(data: bytes, at: int) -> int | None:
    """How long the Wi-Fi frame at ``at`` must be: None while that is not known yet, 0 when it cannot be one.

    - 2  7878, 1  number n of access points, 1  type, 6  time in BCD
    - n x (MAC 6, strength 1)
    - 1  number c of cells, 2  MCC, 1  MNC, c x (LAC 2, CID 2, strength 1)
    - 2  0d0a
    """
    cells_at = 10 + 7 * data[at + 2]
    if cells_at + 6 > TOPIN_BYTES_MAX:
        return 0
    if len(data) - at <= cells_at:
        return None
    size = cells_at + 6 + 5 * data[at + cells_at]
    return size if size <= TOPIN_BYTES_MAX else 0


def topin_report(raw: bytes, offset_s: int) -> Report:
    """What a delimited Wi-Fi frame says. It has neither checksum nor serial number."""
    digits = bcd_digits(raw[4:10])
    year = full_year(int(digits[:2])) if digits else None
    local_us = civil_us(year, *(int(digits[i : i + 2]) for i in range(2, 12, 2))) if digits and year else None
    at = 10 + 7 * raw[2]
    mcc, mnc = u16be(raw, at + 1), raw[at + 3]
    starts = range(at + 4, at + 4 + 5 * raw[at], 5) if 0 < mcc < 1000 else ()
    return Report(
        Kind.POSITION,
        event_at_us=None if local_us is None else local_us - offset_s * 1_000_000,
        cells=tuple(dict.fromkeys(Cell(mcc, mnc, u16be(raw, start), u16be(raw, start + 2)) for start in starts)),
        wifi=wifi_of(raw, 10, raw[2]),
    )
