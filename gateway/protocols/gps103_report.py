"""What a GPS103 report says: keyword, local and universal time, a position or a cell.

Paper: Coban's "GPS103" protocol description. Fields of the plain form::

    0  imei:…                  5  UTC hhmmss.sss      10  E or W
    1  keyword                 6  A or V              11  speed, knots
    2  yymmddhhmm[ss], local   7  latitude ddmm.mmmm  12  course
    3  telephone or RFID       8  N or S              13  altitude, then inputs, fuel, temperature
    4  F, or L: cell alone     9  longitude           (L: 7 LAC and 9 CID, hexadecimal)
"""

import re
from typing import Final, NamedTuple

from gateway.model import NO_KIND, Cell, Kind, Report
from gateway.protocols.fields import (
    KMH_PER_KNOT,
    calls_for_help,
    course,
    day_first_us,
    decimal,
    degrees_e7,
    field,
    fix,
    hexadecimal,
    minutes_e7,
    speed,
    whole,
    year_first_us,
)

KEYWORDS: Final = {
    "help me": Kind.SOS_BUTTON,
    "help": Kind.SOS_BUTTON,
    "sos": Kind.SOS_BUTTON,
    "low battery": Kind.BATTERY_LOW,
    "stockade": Kind.GEOFENCE,
    "move": Kind.MOVEMENT,
    "speed": Kind.OVERSPEED,
    "door alarm": Kind.DOOR,
    "ac alarm": Kind.POWER_CUT,
    "accident alarm": Kind.ACCIDENT,
    "sensor alarm": Kind.VIBRATION,
    "bonnet alarm": Kind.BONNET,
    "footbrake alarm": Kind.FOOT_BRAKE,
    "dtc": Kind.FAULT,
    "tracker": NO_KIND,
    "acc on": NO_KIND,
    "acc off": NO_KIND,
    "acc alarm": NO_KIND,
}
"help and sos stand in no manual; a clone that sends them means what it says."
BEGINNINGS: Final = {"t:": Kind.TEMPERATURE, "oil": Kind.FUEL}
ROUTINE: Final = re.compile(r"[0-9]*|obd|v[rt][0-9]*", re.ASCII)
"A number is what the owner chose as a keyword."
SOURCES: Final = ("0", "V", "L")
"Signs in the alternate form's GPS field that say: no fix."

LOCAL: Final = re.compile(r"([0-9]{2})/?([0-9]{2})/?([0-9]{2}) ?([0-9]{2}):?([0-9]{2})(?::?[0-9]{2})?", re.ASCII)
UTC: Final = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})(?:\.[0-9]*)?", re.ASCII)
ALTERNATE_FIELDS_MIN: Final = 12
DAY_MINUTES: Final = 1440


class Zone(NamedTuple):
    """What is known of the device's time zone, in seconds ahead of UTC."""

    configured_s: int | None
    learnt_s: int | None


# ---------------------------------------------------------------------------------------------------------- keywords


def keyword_kinds(keyword: str) -> Kind:
    """What a keyword says: without blanks around it, exclamation marks behind it, and its case. One that sounds like an alarm is one."""
    word = plain(keyword)
    for beginning, kind in BEGINNINGS.items():
        if word.startswith(beginning):
            return kind
    return KEYWORDS.get(word, Kind.UNKNOWN_ALARM if calls_for_help(word) else NO_KIND)


def plain(keyword: str) -> str:
    """The keyword as the table has it."""
    return keyword.strip().rstrip("! ").lower()


def keyword_text(keyword: str) -> str | None:
    """A keyword that nobody knows, for people to read."""
    word = plain(keyword)
    is_known = word in KEYWORDS or word.startswith(tuple(BEGINNINGS)) or ROUTINE.fullmatch(word)
    return None if is_known else keyword.strip()


# -------------------------------------------------------------------------------------------------------------- time


def time_of(local: str, utc: str, zone: Zone) -> tuple[int | None, int | None, tuple[str, ...]]:
    """UTC of a record, the zone that it tells, and what to say about it.

    Date, hour and minute are local, seconds universal. Both hours and minutes tell the zone, which lies in (-12 h, +12 h];
    without universal time the local one is taken by the zone that is known, or as it stands.
    """
    found, universal = LOCAL.fullmatch(local), UTC.fullmatch(utc)
    date = found[1] + found[2] + found[3] if found else ""
    clock = found[4] + found[5] if found else ""
    at_us = year_first_us(date, clock + (universal[3] if universal else "00"))
    if found is None or at_us is None:
        return None, None, ("time",)
    if universal and universal[1] < "24" and universal[2] < "60":
        ahead = int(found[4]) * 60 + int(found[5]) - int(universal[1]) * 60 - int(universal[2])
        ahead += DAY_MINUTES * ((ahead <= -DAY_MINUTES // 2) - (ahead > DAY_MINUTES // 2))
        return at_us - ahead * 60_000_000, ahead * 60, ()
    known_s = zone.learnt_s if zone.configured_s is None else zone.configured_s
    if known_s is None:
        return at_us, None, ("time zone",)
    return at_us - known_s * 1_000_000, None, ()


# ------------------------------------------------------------------------------------------------------------ reports


def position_report(fields: list[str], zone: Zone, unread: tuple[str, ...]) -> tuple[Report, int | None]:
    """The plain form with a position, and the zone that it tells. Letters may stand before or behind their numbers."""
    at_us, zone_s, unclear = time_of(field(fields, 2), field(fields, 5), zone)
    first = field(fields, 7) in ("N", "S")
    lat, north = field(fields, 8 if first else 7), field(fields, 7 if first else 8)
    lon, east = field(fields, 10 if first else 9), field(fields, 9 if first else 10)
    place = fix(
        minutes_e7(padded(lat), north or "N"), minutes_e7(padded(lon), east or "E"), at_us, field(fields, 6) == "A",
        altitude_m=decimal(field(fields, 13)), speed_kmh=speed(field(fields, 11), KMH_PER_KNOT), course_deg=course(field(fields, 12)),
    )  # fmt: skip
    kinds = keyword_kinds(field(fields, 1))
    if place is None and lat:
        unclear += ("position",)
    report = Report(kinds or (Kind.POSITION if place else Kind.HEARTBEAT), place, at_us, text=keyword_text(field(fields, 1)), unread=unread + unclear)
    return report, zone_s


def padded(text: str) -> str:
    """A number of degrees and minutes with the noughts that some clones leave out in front."""
    whole_part, dot, rest = text.partition(".")
    return whole_part.rjust(3, "0") + dot + rest if text else text


def low_report(fields: list[str], zone: Zone, network: str | None, unread: tuple[str, ...]) -> Report:
    """The form without GPS: local area and cell, hexadecimal, of a network that the report does not name.

    It has no universal time; in a zone that nobody knows its own says nothing that an alarm should be dated by.
    """
    at_us, _, unclear = time_of(field(fields, 2), "", zone)
    if "time zone" in unclear:
        at_us = None
    lac, cid = hexadecimal(field(fields, 7)), hexadecimal(field(fields, 9))
    cells: tuple[Cell, ...] = ()
    if lac is not None and cid is not None:
        mcc, mnc = whole((network or "")[:3], 999), whole((network or "")[3:], 999)
        if mcc is None or mnc is None:
            unclear += ("cell without a network",)
        else:
            cells = (Cell(mcc, mnc, lac, cid),)
    kinds = keyword_kinds(field(fields, 1))
    return Report(
        kinds or (Kind.POSITION if cells else Kind.HEARTBEAT), None, at_us,
        cells=cells, text=keyword_text(field(fields, 1)), unread=unread + unclear,
    )  # fmt: skip


def is_alternate(fields: list[str]) -> bool:
    """Time and date stand where the alternate form has them."""
    return len(fields) >= ALTERNATE_FIELDS_MIN and len(field(fields, 5)) == 6 and len(field(fields, 6)) == 6


def alternate_report(fields: list[str], unread: tuple[str, ...]) -> Report:
    """The alternate form, in decimal degrees and UTC.

    imei, type, event, sensor, voltage, hhmmss, ddmmyy, signal, GPS, latitude, longitude, km/h, course, altitude, HDOP, satellites,
    ACC, charge, error.
    """
    at_us = day_first_us(field(fields, 6), field(fields, 5))
    lat, lon = degrees_e7(field(fields, 9)), degrees_e7(field(fields, 10))
    place = fix(
        lat, lon, at_us, field(fields, 8) not in SOURCES,
        altitude_m=decimal(field(fields, 13)), speed_kmh=speed(field(fields, 11)), course_deg=course(field(fields, 12)),
        satellites=whole(field(fields, 15), 255),
    )  # fmt: skip
    kinds = keyword_kinds(field(fields, 1)) | keyword_kinds(field(fields, 2))
    words = ",".join(text for text in (keyword_text(field(fields, 1)), keyword_text(field(fields, 2))) if text)
    unread += ("time",) * (at_us is None) + ("sensor, voltage, charge and error",)
    return Report(kinds or (Kind.POSITION if place else Kind.HEARTBEAT), place, at_us, text=words or None, unread=unread)
