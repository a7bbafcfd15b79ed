"""Records of codec 7, which GH3000 and GH5200 send. Paper: the maker's description of the GH protocol."""

import math
import struct
from typing import Final

from gateway.model import NO_KIND, Cell, Fix, Kind, Report
from gateway.protocols.base import DeviceSettings
from gateway.protocols.fields import E7
from gateway.protocols.teltonika_elements import PANIC, WORD_PANIC_IS_ROUTINE, Cursor, Element, power_of, time_of

CODEC_7_SOS_ELEMENT, CODEC_7_BUTTON_ELEMENT, CODEC_7_BATTERY_ELEMENT = 222, 221, 1
CODEC_7_EPOCH_S: Final = 1_167_609_600
"2007-01-01 00:00 UTC."


def take_codec7_record(cursor: Cursor, settings: DeviceSettings, now_us: int) -> Report:
    """One GH3000 record: time u32 (upper two bits priority), mask u8, then what the mask names."""
    stamp = cursor.take_uint(4)
    mask = cursor.take_uint(1)
    at_us, unread = time_of((CODEC_7_EPOCH_S + (stamp & 0x3FFF_FFFF)) * 1_000_000, now_us)
    fix, cells = take_codec7_gps(cursor, at_us) if mask & 1 else (None, ())
    elements = []
    for bit, size in ((1, 1), (2, 2), (3, 4)):
        if mask >> bit & 1:
            for _ in range(cursor.take_uint(1)):
                elements.append(Element(cursor.take_uint(1), size, cursor.take_uint(size)))
    kinds = NO_KIND
    if any(element.number == CODEC_7_SOS_ELEMENT and element.value for element in elements):
        kinds |= Kind.SOS_BUTTON
    elif stamp >> 30 == PANIC and not settings.has(WORD_PANIC_IS_ROUTINE):
        kinds |= Kind.GENERAL
    battery_percent, battery_v, _ = power_of(elements, CODEC_7_BATTERY_ELEMENT)
    unread += [f"button {element.value:#04x}" for element in elements if element.number == CODEC_7_BUTTON_ELEMENT]
    return Report(
        kinds or (Kind.POSITION if fix else Kind.HEARTBEAT), fix, at_us,
        battery_percent=battery_percent, battery_v=battery_v, cells=cells, unread=tuple(unread),
    )  # fmt: skip


def take_codec7_gps(cursor: Cursor, at_us: int | None) -> tuple[Fix | None, tuple[Cell, ...]]:
    """The GPS element: mask u8; latitude f32 and longitude f32, altitude, angle, speed, satellites, cell, signal, operator."""
    mask = cursor.take_uint(1)
    lat, lon = struct.unpack(">ff", cursor.take(8)) if mask & 1 else (math.nan, math.nan)
    altitude_m = float(cursor.take_int(2)) if mask & 2 else None
    course_deg = cursor.take_uint(1) * 360 / 256 if mask & 4 else None
    speed_kmh = float(cursor.take_uint(1)) if mask & 8 else None
    satellites = cursor.take_uint(1) if mask & 16 else None
    lac, cid = (cursor.take_uint(2), cursor.take_uint(2)) if mask & 32 else (0, 0)
    cursor.take(1 if mask & 64 else 0)
    operator = cursor.take_uint(4) if mask & 128 else 0
    fix = None
    if abs(lat) <= 90 and abs(lon) <= 180 and (lat or lon):
        fix = Fix(round(lat * E7), round(lon * E7), at_us, satellites != 0, "gnss", None, altitude_m, speed_kmh, course_deg, satellites)
    return fix, (Cell(operator // 100, operator % 100, lac, cid),) if mask & 32 and 10_000 <= operator <= 99_999 else ()
