"""The blocks that GT06 messages are made of: time, place, GPS, radio cells, access points, battery.

Source: dossier ``gt06.md`` section 4. A reader is given bytes that are there; who calls it has looked at the length.
"""

from typing import Final

from gateway.model import Cell, Fix, Report, Wifi
from gateway.protocols.octets import civil_us, full_year, u16be, u32be

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
