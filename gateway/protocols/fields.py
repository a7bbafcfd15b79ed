"""Text fields as every text protocol writes them: numbers, degrees, dates, in plain Python.

Empty and unreadable fields are None. All arithmetic up to the last division is on whole numbers, so that the compiled
twins (``_fastpath_fields.pxi``) come to the same bit.
"""

import re
from collections.abc import Sequence
from typing import Final

from gateway.model import Fix
from gateway.protocols.octets import civil_us, full_year

E7: Final = 10_000_000
DAY_US: Final = 86_400_000_000
KMH_PER_KNOT: Final = 1.852
KMH_PER_MPH: Final = 1.609344
FIRMWARE_CHARS_MAX: Final = 64

DECIMAL: Final = re.compile(r"([+-]?)([0-9]{1,10})(?:\.([0-9]{0,10}))?", re.ASCII)
WHOLE: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
HEX: Final = re.compile(r"[0-9A-Fa-f]{1,8}", re.ASCII)
MINUTES: Final = re.compile(r"([0-9]{1,3})([0-9]{2})\.([0-9]{1,8})", re.ASCII)
HELP: Final = re.compile("help|sos|panic|emerg|duress|fall|man ?down|medic|fire|alarm|alert", re.IGNORECASE)


def field(fields: Sequence[str], at: int) -> str:
    """A field without blanks around it; empty when it is not there."""
    return fields[at].strip(" ") if 0 <= at < len(fields) else ""


def calls_for_help(keyword: str) -> bool:
    """Does a keyword that stands in no table sound like an alarm? Owners and makers choose others freely: those are remarks."""
    return HELP.search(keyword) is not None


def decimal(text: str) -> float | None:
    """``[+-]digits[.digits]``, at most ten of each."""
    return float(text) if DECIMAL.fullmatch(text) else None


def whole(text: str, value_max: int = 9_999_999_999) -> int | None:
    """One to ten digits without a sign; None above ``value_max``."""
    if not WHOLE.fullmatch(text):
        return None
    value = int(text)
    return value if value <= value_max else None


def hexadecimal(text: str) -> int | None:
    """One to eight hexadecimal digits."""
    return int(text, 16) if HEX.fullmatch(text) else None


def firmware(data: bytes) -> tuple[str | None, tuple[str, ...]]:
    """The version that a device tells of itself, up to a NUL, and what is to be noted of one that cannot be shown to people.

    Shown is printable ASCII, at most ``FIRMWARE_CHARS_MAX`` of it. An empty version is none.
    """
    text = data.partition(b"\0")[0].decode("latin-1").strip(" ")
    if len(text) <= FIRMWARE_CHARS_MAX and text.isascii() and text.isprintable():
        return text or None, ()
    return None, ("firmware",)


def percent(text: str) -> float | None:
    """A number from 0 to 100."""
    value = whole(text, 100)
    return None if value is None else float(value)


def course(text: str) -> float | None:
    """Degrees from 0 to 360; some devices write more when they do not know."""
    value = decimal(text)
    return value if value is not None and 0 <= value <= 360 else None


def speed(text: str, kmh: float = 1.0) -> float | None:
    """A speed of at least 0 in km/h; ``kmh``: how many of them the unit of the field is."""
    value = decimal(text)
    return value * kmh if value is not None and value >= 0 else None


def degrees_e7(text: str) -> int | None:
    """Signed decimal degrees x 10^7, the nearest whole number (half away from zero)."""
    found = DECIMAL.fullmatch(text)
    if not found:
        return None
    digits = (found[3] or "").ljust(8, "0")
    value = (int(found[2]) * 100_000_000 + int(digits[:8]) + 5) // 10
    return -value if found[1] == "-" else value


def minutes_e7(text: str, hemisphere: str) -> int | None:
    """``ddmm.mmmm`` or ``dddmm.mmmm`` with N, S, E or W as degrees x 10^7, the nearest whole number (half away from zero)."""
    found = MINUTES.fullmatch(text)
    if not found or hemisphere not in ("N", "S", "E", "W") or int(found[2]) >= 60:
        return None
    scale = int("1".ljust(len(found[3]) + 1, "0"))
    minutes = int(found[2]) * scale + int(found[3])
    value = int(found[1]) * E7 + (minutes * E7 + 30 * scale) // (60 * scale)
    return -value if hemisphere in ("S", "W") else value


def on_globe(lat_e7: int | None, lon_e7: int | None) -> bool:
    """A place that exists and was measured: 0, 0 is what receivers write that have none."""
    return lat_e7 is not None and lon_e7 is not None and abs(lat_e7) <= 90 * E7 and abs(lon_e7) <= 180 * E7 and (lat_e7, lon_e7) != (0, 0)


def fix(
    lat_e7: int | None,
    lon_e7: int | None,
    at_us: int | None,
    valid: bool,
    *,
    source: str = "gnss",
    accuracy_m: float | None = None,
    altitude_m: float | None = None,
    speed_kmh: float | None = None,
    course_deg: float | None = None,
    satellites: int | None = None,
) -> Fix | None:
    """The position, when it is one (see ``on_globe``)."""
    if lat_e7 is None or lon_e7 is None or not on_globe(lat_e7, lon_e7):
        return None
    return Fix(lat_e7, lon_e7, at_us, valid, source, accuracy_m, altitude_m, speed_kmh, course_deg, satellites)


def day_first_us(date: str, time: str, offset_s: int = 0) -> int | None:
    """``ddmmyy`` and ``hhmmss`` as Unix microseconds in UTC, for a clock that is ``offset_s`` ahead of it."""
    return _clock_us(date[4:6], date[2:4], date[0:2], time, offset_s) if len(date) == 6 else None


def year_first_us(date: str, time: str, offset_s: int = 0) -> int | None:
    """``yymmdd`` or ``yyyymmdd``, and ``hhmmss``."""
    if len(date) not in (6, 8):
        return None
    return _clock_us(date[:-4], date[-4:-2], date[-2:], time, offset_s)


def _clock_us(year: str, month: str, day: str, time: str, offset_s: int) -> int | None:
    stamp = year + month + day + time
    if len(time) != 6 or not (stamp.isascii() and stamp.isdigit()):
        return None
    full = int(year) if len(year) == 4 else full_year(int(year))
    if full is None:
        return None
    at_us = civil_us(full, int(month), int(day), int(time[:2]), int(time[2:4]), int(time[4:]))
    return None if at_us is None else at_us - offset_s * 1_000_000


def today_us(second_of_day: int, now_us: int) -> int:
    """A time of the day without a date: the one nearest to now, at most 12 hours away."""
    at_us = now_us - now_us % DAY_US + second_of_day * 1_000_000
    if at_us - now_us > DAY_US // 2:
        return at_us - DAY_US
    return at_us + DAY_US if now_us - at_us > DAY_US // 2 else at_us
