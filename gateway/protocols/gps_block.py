"""The GPS block that GT06 and the protocols descended from it share: a date, a place, a course-and-flags word.

Paper: Concox's GT06 protocol, the location packet. A reader is given bytes that are there; who calls it has looked at the length.
"""

from typing import Final

from gateway.model import Fix, Report
from gateway.protocols.octets import civil_us, full_year, u16be, u32be

GPS_BYTES: Final = 18
UNITS_PER_DEGREE: Final = 1_800_000


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


def fix_of(
    place: tuple[int, int], flags: int, at_us: int | None, speed_kmh: float | None, satellites: int | None, *, is_dated: bool = True
) -> Fix | None:
    """The fix behind a course-and-flags word: bit 10 north, bit 11 west, bit 12 valid, bits 9-0 course.

    A place without a valid fix is the last known one, whose time nobody knows; 0, 0 without one is no place at all.
    ``is_dated``: a fix without a date is none; where it is False, it was taken about when it was received.
    """
    valid = bool(flags & 0x1000) and (at_us is not None or not is_dated)
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


def gps_report(data: bytes, at: int, offset_s: int, *, is_dated: bool = True) -> Report:
    """The GPS block; ``is_dated`` as in ``fix_of``.

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
    fix = fix_of(place, u16be(data, at + 16), at_us, float(data[at + 15]), data[at + 6] & 0x0F, is_dated=is_dated)
    return Report(fix=fix, event_at_us=at_us, unread=unread)


def looks_like_gps(data: bytes, at: int) -> bool:
    """A GPS block by its own marks: a date of the calendar, a GPS length of 12, a place on the globe."""
    return len(data) - at >= GPS_BYTES and time_of(data, at, 0) is not None and data[at + 6] >> 4 == 12 and place_of(data, at + 7) is not None
