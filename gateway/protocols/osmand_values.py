"""Values as apps write them, in either form: numbers, times, alarms, cells and access points.

What cannot be read is None; whoever asked notes it.
"""

import re
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from gateway.model import INFO, LIFE, NO_KIND, TECH, Cell, Fix, Kind, Wifi
from gateway.protocols.fields import E7, on_globe
from gateway.protocols.octets import EPOCH

NUMBER: Final = re.compile(r"([+-]?)([0-9]{1,18})(?:\.([0-9]{0,20}))?", re.ASCII)
"The plain form; programs write very small numbers with an exponent."
WITH_EXPONENT: Final = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{0,20})?[eE][+-]?[0-9]{1,2}", re.ASCII)
MILLISECONDS_FROM: Final = 2**31 - 1
"A timestamp from here on counts milliseconds."
CIVIL: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)? ?(?:([Zz])|([+ -])([0-9]{2}):?([0-9]{2}))?",
    re.ASCII,
)
"``2016-01-27T18:55:47Z``, ``2016-01-27 18:55:47``; a plus sign becomes a blank in a query that does not escape it."
YEAR_MAX_US: Final = 253_402_300_800_000_000
"The year 10000."
RSSI_DBM_MIN: Final = -200
MAC: Final = re.compile(r"[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}|[0-9a-f]{12}", re.ASCII)
TEXT_CHARS_MAX: Final = 2_000
UNREAD_MAX: Final = 16
"Remarks that are kept of one report."
WORDS_MAX: Final = 64
"Values without a field of ours that are kept of one report."

ALARM_ALIASES: Final = {
    "sos": Kind.SOS_BUTTON, "falldown": Kind.FALL, "lowbattery": Kind.BATTERY_LOW, "lowpower": Kind.POWER_LOW, "tamper": Kind.TAMPER_CASE,
    "tampering": Kind.TAMPER_CASE, "removing": Kind.STRAP_CUT, "removed": Kind.STRAP_CUT, "hardacceleration": Kind.HARSH_ACCEL,
    "hardbraking": Kind.HARSH_BRAKE, "hardcornering": Kind.HARSH_CORNER, "fatiguedriving": Kind.FATIGUE, "gpsantennacut": Kind.GPS_ANTENNA,
    "1": Kind.GENERAL, "true": Kind.GENERAL, "yes": Kind.GENERAL, "on": Kind.GENERAL, "alarm": Kind.GENERAL,
}  # fmt: skip
"Names that are not those of our kinds, in small letters without marks."
ALARM_NAMES: Final = {
    name.lower().replace("_", ""): kind for name, kind in Kind.__members__.items() if kind & (LIFE | TECH | Kind.TEST_PRESS)
} | ALARM_ALIASES
NO_ALARM: Final = frozenset({"", "0", "false", "no", "off", "none", "null"})
"What programs send that fill in every field."
KNOWN_NAMES: Final = NO_ALARM | ALARM_NAMES.keys()
MARKS: Final = str.maketrans("", "", " _-")
SEVERAL: Final = re.compile(r"[,;|]")


def number(text: str) -> float | None:
    """A decimal number, with or without an exponent."""
    return float(text) if NUMBER.fullmatch(text) or WITH_EXPONENT.fullmatch(text) else None


def degrees_e7(text: str) -> int | None:
    """Decimal degrees x 10^7, the nearest whole number (half away from zero); digits behind the eighth do not count."""
    found = NUMBER.fullmatch(text)
    if not found:
        return round(float(text) * E7) if WITH_EXPONENT.fullmatch(text) else None
    value = (int(found[2]) * 100_000_000 + int((found[3] or "").ljust(8, "0")[:8]) + 5) // 10
    return -value if found[1] == "-" else value


def truth(text: str) -> bool | None:
    """``true`` and ``false``, or digits."""
    return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())


def between(value: float | None, low: float, high: float) -> float | None:
    """The value, unless it lies outside: -1 is how the apps say unknown."""
    return value if value is not None and low <= value <= high else None


def instant_us(text: str, offset_s: int = 0) -> int | None:
    """A time as Unix microseconds. ``offset_s``: how far a clock that names no zone is ahead of UTC."""
    found = NUMBER.fullmatch(text)
    if found:
        micros = int(found[2]) * 1_000_000 + int((found[3] or "").ljust(6, "0")[:6])
        if int(found[2]) >= MILLISECONDS_FROM:
            micros //= 1_000
        return micros if found[1] != "-" and micros < YEAR_MAX_US else None
    return civil_us(text, offset_s)


def civil_us(text: str, offset_s: int) -> int | None:
    """A date and a time of day, with a zone or without."""
    found = CIVIL.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, zulu, sign, zone_hours, zone_minutes = found.groups()
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=UTC)
    except ValueError:
        return None
    since = moment - EPOCH
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + int((fraction or "").ljust(6, "0")[:6])
    if zulu:
        return micros
    if sign is None:
        return micros - offset_s * 1_000_000
    zone_s = int(zone_hours) * 3600 + int(zone_minutes) * 60
    return micros + (zone_s if sign == "-" else -zone_s) * 1_000_000


def kinds_of(text: str) -> Kind:
    """Every alarm that a text names; a name that nobody knows is an alarm."""
    kinds = NO_KIND
    for name in {word.lower().translate(MARKS) for word in SEVERAL.split(text)} - NO_ALARM:
        kinds |= ALARM_NAMES.get(name, Kind.UNKNOWN_ALARM)
    return kinds


def unknown_alarms(text: str) -> list[str]:
    """The first names in it that nobody knows."""
    return list(islice((word for word in SEVERAL.split(text) if word.lower().translate(MARKS) not in KNOWN_NAMES), UNREAD_MAX))


def resting(kinds: Kind, has_fix: bool) -> Kind:
    """What a report is that holds these alarms: a position or a sign of life when there are none."""
    assert not kinds & INFO
    return kinds or (Kind.POSITION if has_fix else Kind.HEARTBEAT)


def cell_of(text: str) -> Cell | None:
    """``mcc,mnc,lac,cid`` and perhaps ``,rssi``."""
    parts = text.split(",")
    numbers = [whole(part) for part in parts[:4]]
    mcc, mnc, lac, cid = numbers if len(numbers) == 4 else (None, None, None, None)
    if mcc is None or mnc is None or lac is None or cid is None or len(parts) > 5:
        return None
    return Cell(mcc, mnc, lac, cid, dbm(parts[4]) if len(parts) == 5 else None)


def wifi_of(text: str) -> Wifi | None:
    """``mac`` and perhaps ``,rssi``; the MAC with colons, dashes or nothing between its bytes."""
    mac, _, rssi = text.lower().partition(",")
    if not MAC.fullmatch(mac):
        return None
    digits = mac.replace(":", "").replace("-", "")
    return Wifi(":".join(digits[at : at + 2] for at in range(0, 12, 2)), dbm(rssi))


def whole(text: str) -> int | None:
    """One to ten digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def dbm(text: str) -> int | None:
    """A signal strength; apps that do not know it send 0 or nothing."""
    value = number(text)
    return int(value) if value is not None and RSSI_DBM_MIN <= value < 0 else None


def place(
    lat_e7: int | None, lon_e7: int | None, at_us: int | None, valid: bool, unread: list[str], *, is_mock: bool, accuracy_m: float | None,
    altitude_m: float | None, speed_kmh: float | None, course_deg: float | None,
) -> Fix | None:  # fmt: skip
    """The position of a telephone; None, and a remark, when its degrees are none that can be meant.

    One that another program made up (``is_mock``) says so wherever it is shown.
    """
    if is_mock:
        unread.append("mock: the position is simulated")
    if lat_e7 is None or lon_e7 is None:
        return None
    if not on_globe(lat_e7, lon_e7):
        unread.append("position: 0, 0" if (lat_e7, lon_e7) == (0, 0) else "position: out of range")
        return None
    return Fix(lat_e7, lon_e7, at_us, valid, "mock" if is_mock else "app", accuracy_m, altitude_m, speed_kmh, course_deg)


def shown(word: str, chars_max: int = 64) -> str:
    """The word as it may stand in a record: short and without anything that steers a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in word[:chars_max])
