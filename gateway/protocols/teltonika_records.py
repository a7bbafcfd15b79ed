"""The data of a Teltonika packet: which codec it is, its records, and every alarm in them."""

from dataclasses import replace
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Fix, Kind, Report
from gateway.protocols.base import DeviceSettings
from gateway.protocols.fields import E7
from gateway.protocols.teltonika_codec7 import take_codec7_record
from gateway.protocols.teltonika_elements import PANIC, WORD_PANIC_IS_ROUTINE, Cursor, Element, power_of, time_of

CODEC_7, CODEC_8, CODEC_8E, CODEC_16 = 0x07, 0x08, 0x8E, 0x10
COMMAND_CODECS: Final = {0x0C: 0, 0x0D: 4, 0x0E: 8}
"Codec of a command answer -> bytes (time or IMEI) that stand before its text."
DATA_BYTES_MIN: Final = 3
"Codec, count, count."
TEXT_CHARS_MAX: Final = 1024
WORD_16_BYTE_IO: Final = "teltonika_16_byte_io"
"A word of ``DeviceSettings.config``: codec 8 with a group of 16-byte elements."

ALARM_ELEMENT, MAN_DOWN_ELEMENT, BUTTON_ELEMENT = 236, 242, 389
ALARM_ELEMENTS: Final = ((ALARM_ELEMENT, Kind.SOS_BUTTON), (MAN_DOWN_ELEMENT, Kind.MAN_DOWN))
BATTERY_PERCENT_ELEMENT: Final = 113

VEHICLE_MODELS: Final = ("FMB", "FMC", "FMM", "FTC")
VEHICLE_ELEMENTS: Final = (
    (252, Kind.POWER_CUT), (246, Kind.TOW), (247, Kind.ACCIDENT), (249, Kind.JAMMING), (251, Kind.IDLE), (255, Kind.OVERSPEED),
)  # fmt: skip
GREEN_DRIVING_ELEMENT: Final = 253
GREEN_DRIVING: Final = {1: Kind.HARSH_ACCEL, 2: Kind.HARSH_BRAKE, 3: Kind.HARSH_CORNER}
AUTO_GEOFENCE_ELEMENT: Final = 175
AUTO_GEOFENCE: Final = {0: Kind.GEOFENCE_EXIT, 1: Kind.GEOFENCE_ENTER}


class Layout(NamedTuple):
    """How wide the numbers of a codec are."""

    id_bytes: int
    count_bytes: int
    has_generation: bool
    has_variable: bool


LAYOUTS: Final = {
    CODEC_8: Layout(1, 1, False, False),
    CODEC_8E: Layout(2, 2, False, True),
    CODEC_16: Layout(2, 1, True, False),
}
CODECS: Final = {CODEC_7, *LAYOUTS, *COMMAND_CODECS}


class Reading(NamedTuple):
    """What could be read of a packet's records, and what stopped us, if anything did."""

    reports: tuple[Report, ...]
    fault: FrameError | None = None
    is_command: bool = False


def read_data(data: bytes, base: int, settings: DeviceSettings, now_us: int) -> Reading:
    """Codec u8, count u8, records, count u8: every record up to the first that cannot be read."""
    if len(data) < DATA_BYTES_MIN:
        return Reading((), FrameError(Reason.LENGTH, base, f"data of {len(data)} bytes"))
    codec = data[0]
    if codec in COMMAND_CODECS:
        return Reading((Report(Kind.CONFIG_REPLY, text=command_text(data)),), is_command=True)
    if codec == CODEC_7:
        return read_records(data, base, settings, now_us, None, False)
    layout = LAYOUTS.get(codec)
    if layout is None:
        return Reading((), FrameError(Reason.UNSUPPORTED, base, f"codec {codec:#04x}"))
    has_wide = codec == CODEC_8 and settings.has(WORD_16_BYTE_IO)
    reading = read_records(data, base, settings, now_us, layout, has_wide)
    if reading.fault and codec == CODEC_8:
        other = read_records(data, base, settings, now_us, layout, not has_wide)
        return reading if other.fault else other
    return reading


def read_records(data: bytes, base: int, settings: DeviceSettings, now_us: int, layout: Layout | None, has_wide: bool) -> Reading:
    """The records of a data packet; ``layout`` None is codec 7, ``has_wide`` adds the group of 16-byte elements."""
    cursor = Cursor(data, base, 2)
    count = data[1]
    reports: list[Report] = []
    try:
        for _ in range(count):
            if layout is None:
                reports.append(take_codec7_record(cursor, settings, now_us))
            else:
                reports.append(take_record(cursor, layout, has_wide, settings, now_us))
        again = cursor.take_uint(1)
        if again != count:
            raise cursor.fault(Reason.LENGTH, f"{count} records at the front, {again} at the end")
        if cursor.at != len(data):
            raise cursor.fault(Reason.LENGTH, f"{len(data) - cursor.at} bytes behind the last record")
    except FrameError as fault:
        return Reading(tuple(reports), fault)
    return Reading(tuple(reports))


def take_record(cursor: Cursor, layout: Layout, has_wide: bool, settings: DeviceSettings, now_us: int) -> Report:
    """One AVL record.

    time u64 ms, priority u8, longitude i32 e-7, latitude i32 e-7, altitude i16 m, angle u16, satellites u8,
    speed u16 km/h, event id, (generation u8), count of all elements, then groups of 1-, 2-, 4-, 8-byte elements.
    """
    time_us = cursor.take_uint(8) * 1000
    priority = cursor.take_uint(1)
    lon_e7, lat_e7 = cursor.take_int(4), cursor.take_int(4)
    altitude_m, angle, satellites, speed_kmh = cursor.take_int(2), cursor.take_uint(2), cursor.take_uint(1), cursor.take_uint(2)
    event = cursor.take_uint(layout.id_bytes)
    cursor.take(layout.has_generation)
    elements = take_elements(cursor, layout, has_wide)
    at_us, unread = time_of(time_us, now_us)
    fix = None
    if not (abs(lat_e7) <= 90 * E7 and abs(lon_e7) <= 180 * E7):
        unread.append("position outside the globe")
    elif lat_e7 or lon_e7:
        course_deg = float(angle) if angle <= 360 else None
        fix = Fix(lat_e7, lon_e7, at_us, satellites > 0, "gnss", None, float(altitude_m), float(speed_kmh), course_deg, satellites)
    kinds = kinds_of(elements, event, priority, settings)
    if priority == PANIC and not kinds & LIFE and not settings.has(WORD_PANIC_IS_ROUTINE):
        kinds |= Kind.GENERAL
    is_standing = bool(kinds & LIFE) and priority != PANIC and event not in (ALARM_ELEMENT, MAN_DOWN_ELEMENT)
    battery_percent, battery_v, power_v = power_of(elements, BATTERY_PERCENT_ELEMENT)
    unread += [f"button {element.value:#04x}" for element in elements if element.number == BUTTON_ELEMENT and element.size == 1]
    return Report(
        kinds or (Kind.POSITION if fix else Kind.HEARTBEAT), fix, at_us,
        battery_percent=battery_percent, battery_v=battery_v, power_v=power_v, unread=tuple(unread), standing=is_standing,
    )  # fmt: skip


def take_elements(cursor: Cursor, layout: Layout, has_wide: bool) -> list[Element]:
    """The elements of a record. The total in front of the groups is not believed: the groups count themselves."""
    cursor.take(layout.count_bytes)
    elements = []
    for size in (1, 2, 4, 8, 16) if has_wide else (1, 2, 4, 8):
        for _ in range(cursor.take_uint(layout.count_bytes)):
            elements.append(Element(cursor.take_uint(layout.id_bytes), size, cursor.take_uint(size)))
    if layout.has_variable:
        for _ in range(cursor.take_uint(2)):
            cursor.take(2)
            cursor.take(cursor.take_uint(2))
    return elements


def kinds_of(elements: list[Element], event: int, priority: int, settings: DeviceSettings) -> Kind:
    """Every alarm of a record.

    An alarm element that is 1 is an alarm. One that caused the record is an alarm unless it says 0: a value that
    nobody documented, or none at all, is no reason to stay silent. Nor is a 0 that caused a record of priority panic.
    """
    kinds = NO_KIND
    for number, kind in ALARM_ELEMENTS:
        values = [element.value for element in elements if element.number == number]
        if 1 in values or (event == number and (not values or any(values))):
            kinds |= kind
    if event == ALARM_ELEMENT and priority == PANIC:
        kinds |= Kind.SOS_BUTTON
    if (settings.model or "").upper().startswith(VEHICLE_MODELS):
        kinds |= vehicle_kinds(elements, event)
    return kinds


def vehicle_kinds(elements: list[Element], event: int) -> Kind:
    """What the event elements of the FMB families say."""
    kinds = NO_KIND
    for number, size, value in elements:
        if size != 1:
            continue
        for other, kind in VEHICLE_ELEMENTS:
            if number == other and value:
                kinds |= kind
        if number == GREEN_DRIVING_ELEMENT:
            kinds |= GREEN_DRIVING.get(value, NO_KIND)
        if number == AUTO_GEOFENCE_ELEMENT == event:
            kinds |= AUTO_GEOFENCE.get(value, NO_KIND)
    return kinds


def command_text(data: bytes) -> str | None:
    """The text of a command's answer: codec u8, count u8, type u8, length u32, (time or IMEI), text, count u8."""
    start = 7 + COMMAND_CODECS[data[0]]
    end = min(7 + int.from_bytes(data[3:7], "big"), len(data) - 1)
    text = data[start:end].decode("ascii", "replace").strip("\r\n\0 ")
    return text[:TEXT_CHARS_MAX] if text.isprintable() and text else None


def alarm_of(reports: tuple[Report, ...]) -> Report | None:
    """The newest record with an alarm, carrying the alarms of all: what a refused packet is raised with."""
    alarms = [report for report in reports if report.kinds & LIFE]
    if not alarms:
        return None
    newest = max(alarms, key=lambda report: report.event_at_us or 0)
    kinds = NO_KIND
    for report in alarms:
        kinds |= report.kinds
    return replace(newest, kinds=kinds)
