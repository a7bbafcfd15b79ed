"""Records of Meitrack: text (AAA, AFF), binary batches (CCC) and lists (CCE). Binary numbers are little-endian.

Source: "MEITRACK GPRS Protocol".
"""

import re
from dataclasses import replace
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import NO_KIND, Cell, Kind, Report, Wifi
from gateway.protocols import fields
from gateway.protocols.base import DeviceSettings
from gateway.protocols.octets import i32le, u16le, u32le

EVENTS: Final = {
    17: Kind.BATTERY_LOW,
    18: Kind.POWER_LOW,
    19: Kind.OVERSPEED,
    20: Kind.GEOFENCE_ENTER,
    21: Kind.GEOFENCE_EXIT,
    22: Kind.POWER_RESTORED,
    23: Kind.POWER_CUT,
    36: Kind.TOW,
    44: Kind.JAMMING,
    78: Kind.ACCIDENT,
    79: Kind.UNKNOWN_ALARM,
    90: Kind.HARSH_CORNER,
    91: Kind.HARSH_CORNER,
    129: Kind.HARSH_BRAKE,
    130: Kind.HARSH_ACCEL,
    135: Kind.FATIGUE,
}
"Events that are alarms. 79 is a fall or a man down on some models; on which is not established. Others are noted."
SILENT: Final = frozenset((0, 31, 35))
"No event, heartbeat, interval."
INPUTS: Final = range(1, 9)
"Events of inputs that became active. Input 1 is the SOS key unless the settings say otherwise (``input1=door``)."

EPOCH_S: Final = 946_684_800
"2000-01-01 in Unix seconds."
BATTERY_V_MAX: Final = 5.0
"One lithium cell: above it, the model counts otherwise."
BATTERY_SCALES: Final = {"MT90": (33 * 2, 4096 * 10), "MVT340": (3 * 2, 1024), "MVT380": (3 * 2, 1024)}
"Beginning of the model's name -> volts a count, as a fraction. All others count hundredths of a volt."

RECORD_BYTES: Final = 0x34
BATCH_HEADER_BYTES: Final = 8
LIST_HEADER_BYTES: Final = 6
CELL: Final = re.compile(r"([0-9]{3})\|([0-9]{1,3})\|([0-9A-Fa-f]{1,4})\|([0-9A-Fa-f]{1,8})", re.ASCII)


def kinds_of(event: int, settings: DeviceSettings) -> Kind:
    """What an event says."""
    if event in INPUTS:
        wired = settings.value(f"input{event}") or ("sos" if event == 1 else "")
        return Kind.SOS_BUTTON if wired.lower() == "sos" else NO_KIND
    return EVENTS.get(event, NO_KIND)


def with_event(report: Report, event: int | None, settings: DeviceSettings) -> Report:
    """The report with its event. An event that cannot be read is an alarm that we do not know."""
    if event is None:
        return replace(report, kinds=report.kinds & ~Kind.POSITION | Kind.UNKNOWN_ALARM, unread=(*report.unread, "event"))
    kinds = kinds_of(event, settings)
    if not kinds:
        return report if event in SILENT else replace(report, unread=(*report.unread, f"event {event}"))
    return replace(report, kinds=report.kinds & ~Kind.POSITION | kinds)


def since_2000_us(seconds: int, settings: DeviceSettings) -> int:
    """Seconds of the year 2000 as Unix microseconds."""
    return (EPOCH_S + seconds - (settings.clock_offset_s or 0)) * 1_000_000


# -------------------------------------------------------------------------------------------------------- text


def text_report(body: bytes, stored: bool, settings: DeviceSettings) -> Report:
    """AAA, and AFF with a counter before it.

    0 event, 1 latitude, 2 longitude, 3 yymmddhhmmss, 4 A or V, 5 satellites, 6 GSM, 7 speed in km/h, 8 course, 9 HDOP, 10 altitude,
    11 mileage, 12 run time, 13 MCC|MNC|LAC|CID, 14 inputs, 15 analogue values in hexadecimal, the fourth the battery, the fifth the power
    """
    parts = body.decode("latin-1").split(",")[1 if stored else 0 :]
    stamp = fields.field(parts, 3)
    at_us = fields.year_first_us(stamp[:6], stamp[6:], settings.clock_offset_s or 0)
    valid = fields.field(parts, 4) == "A"
    lat_e7, lon_e7 = fields.degrees_e7(fields.field(parts, 1)), fields.degrees_e7(fields.field(parts, 2))
    fix = fields.fix(
        lat_e7,
        lon_e7,
        at_us if valid else None,
        valid,
        satellites=fields.whole(fields.field(parts, 5), 255),
        speed_kmh=fields.speed(fields.field(parts, 7)),
        course_deg=fields.course(fields.field(parts, 8)),
        altitude_m=fields.decimal(fields.field(parts, 10)),
    )
    notes: tuple[str, ...] = () if at_us is not None else ("date",)
    if fix is None and (lat_e7, lon_e7) != (0, 0):
        notes += ("place",)
    battery_v, power_v, unread = voltages_of(fields.field(parts, 15).split("|"), settings.model)
    report = Report(
        Kind.POSITION, fix, at_us, battery_v=battery_v, power_v=power_v, stored=stored, cells=cell_of(fields.field(parts, 13)),
        unread=notes + unread,
    )  # fmt: skip
    return with_event(report, fields.whole(fields.field(parts, 0), 65_535), settings)


def cell_of(text: str) -> tuple[Cell, ...]:
    """``MCC|MNC|LAC|CID``, the last two in hexadecimal."""
    found = CELL.fullmatch(text)
    if not found or not int(found[1]) or not int(found[4], 16):
        return ()
    return (Cell(int(found[1]), int(found[2]), int(found[3], 16), int(found[4], 16)),)


def voltages_of(values: list[str], model: str | None) -> tuple[float | None, float | None, tuple[str, ...]]:
    """Battery and power behind the fourth and fifth analogue value, and a note when the scale cannot be ours."""
    battery, power = fields.hexadecimal(fields.field(values, 3)), fields.hexadecimal(fields.field(values, 4))
    if battery is None:
        return None, None, ()
    name = (model or "").upper()
    scale = next((scale for prefix, scale in BATTERY_SCALES.items() if name.startswith(prefix)), None)
    if scale:
        return round(battery * scale[0] / scale[1], 2), None, ()
    if battery / 100 > BATTERY_V_MAX:
        return None, None, ("battery of another scale",)
    return battery / 100, None if power is None else power / 100, ()


# ------------------------------------------------------------------------------------------------------- batch


def batch_untrusted(body: bytes, body_at: int, settings: DeviceSettings) -> tuple[Report, ...]:
    """CCC: ``version 2, record length 2, cached records 4``, then records until what is left is too short. Raises: FrameError."""
    if len(body) < BATCH_HEADER_BYTES + RECORD_BYTES:
        raise FrameError(Reason.LENGTH, body_at, f"a batch has {BATCH_HEADER_BYTES + RECORD_BYTES} bytes and more, {len(body)} found")
    size = max(u16le(body, 2), RECORD_BYTES)
    starts = range(BATCH_HEADER_BYTES, len(body) - RECORD_BYTES + 1, size)
    return tuple(_record_report(body[at : at + RECORD_BYTES], settings) for at in starts)


def _record_report(data: bytes, settings: DeviceSettings) -> Report:
    """One record.

    - 1  event; 4  latitude, 4  longitude, signed, degrees x 10^6; 4  time, seconds since 2000; 1  1: has a fix
    - 1  satellites; 1  GSM; 2  speed, km/h; 2  course; 2  HDOP x 10; 2  altitude; 4  mileage; 4  run time
    - 2  MCC, 2  MNC, 2  LAC, 2  CID; 2  inputs; 2  analogue; 2  battery, V x 100; 2  power; 4  fence
    """
    seconds = u32le(data, 9)
    at_us = since_2000_us(seconds, settings) if seconds else None
    valid = data[13] == 1
    course = u16le(data, 18)
    lat_e7, lon_e7 = i32le(data, 1) * 10, i32le(data, 5) * 10
    fix = fields.fix(
        lat_e7,
        lon_e7,
        at_us if valid else None,
        valid,
        satellites=data[14],
        speed_kmh=float(u16le(data, 16)),
        course_deg=float(course) if course <= 360 else None,
        altitude_m=float(int.from_bytes(data[22:24], "little", signed=True)),
    )
    mcc, mnc, lac, cid = (u16le(data, at) for at in (32, 34, 36, 38))
    battery_v, power_v, unread = voltages_of(["", "", "", f"{u16le(data, 44):x}", ""], None)
    if fix is None and (lat_e7, lon_e7) != (0, 0):
        unread += ("place",)
    report = Report(
        Kind.POSITION, fix, at_us, battery_v=battery_v, power_v=power_v, cells=(Cell(mcc, mnc, lac, cid),) if 0 < mcc < 1000 and cid else (),
        unread=unread,
    )  # fmt: skip
    return with_event(report, data[0], settings)


# -------------------------------------------------------------------------------------------------------- list


def list_untrusted(body: bytes, body_at: int, settings: DeviceSettings) -> tuple[Report, ...]:
    """CCE: ``cached records 4, records 2``, then a length of 2 before each record. Raises: FrameError."""
    if len(body) < LIST_HEADER_BYTES:
        raise FrameError(Reason.LENGTH, body_at, f"a list has {LIST_HEADER_BYTES} bytes and more, {len(body)} found")
    reports: list[Report] = []
    at = LIST_HEADER_BYTES
    while len(body) - at >= 2 and len(reports) < u16le(body, 4):
        size = u16le(body, at)
        values, is_whole = values_of(body[at + 4 : at + 2 + size])
        at += 2 + size
        reports.append(_values_report(values, is_whole and at <= len(body), settings))
    if not reports:
        raise FrameError(Reason.LENGTH, body_at + LIST_HEADER_BYTES, "a list without a record")
    return tuple(reports)


def values_of(data: bytes) -> tuple[dict[int, bytes], bool]:
    """The values of one record by their ids, and whether all of it could be read.

    Four lists follow each other: values of 1, 2 and 4 bytes, and values behind their length. Each begins with the number of its
    entries; an entry is ``id 1, value``. Id FE begins an id of two bytes.
    """
    values: dict[int, bytes] = {}
    at = 0
    for width in (1, 2, 4, 0):
        if at >= len(data):
            return values, False
        count, at = data[at], at + 1
        for _ in range(count):
            id_bytes = 2 if data[at : at + 1] == b"\xfe" else 1
            size_at = at + id_bytes
            start = size_at if width else size_at + 1
            if len(data) < start:
                return values, False
            size = width or data[size_at]
            if len(data) - start < size:
                return values, False
            values[int.from_bytes(data[at:size_at], "big")] = data[start : start + size]
            at = start + size
    return values, True


def _values_report(values: dict[int, bytes], is_whole: bool, settings: DeviceSettings) -> Report:
    """One record of a list."""

    def number(key: int, size: int) -> int | None:
        value = values.get(key, b"")
        return int.from_bytes(value, "little", signed=key in (0x02, 0x03, 0x0B)) if len(value) == size else None

    seconds, lat, lon = number(0x04, 4), number(0x02, 4), number(0x03, 4)
    at_us = since_2000_us(seconds, settings) if seconds else None
    valid = number(0x05, 1) == 1
    speed, course, altitude = number(0x08, 2), number(0x09, 2), number(0x0B, 2)
    fix = fields.fix(
        None if lat is None else lat * 10,
        None if lon is None else lon * 10,
        at_us if valid else None,
        valid,
        satellites=number(0x06, 1),
        speed_kmh=None if speed is None else float(speed),
        course_deg=float(course) if course is not None and course <= 360 else None,
        altitude_m=None if altitude is None else float(altitude),
    )
    percent, battery, power = number(0xFE69, 1), number(0x19, 2), number(0x1A, 2)
    report = Report(
        Kind.POSITION,
        fix,
        at_us,
        battery_percent=None if percent is None or percent > 100 else float(percent),
        battery_v=None if battery is None else battery / 100,
        power_v=None if power is None else power / 100,
        cells=tuple(cell for key in range(0x0E, 0x14) for cell in _listed_cell(values.get(key, b""))),
        wifi=tuple(point for key in range(0x1D, 0x26) for point in _listed_point(values.get(key, b""))),
        unread=() if is_whole else ("record that is cut off",),
    )
    if fix is None and (lat or lon):
        report = replace(report, unread=(*report.unread, "place"))
    for event in (number(0x01, 1), number(0x40, 2)):
        report = report if event is None else with_event(report, event, settings)
    return report


def _listed_cell(value: bytes) -> tuple[Cell, ...]:
    """``MCC 2, MNC 2, LAC 2, CID 4, strength 2``."""
    if len(value) != 12:
        return ()
    mcc, cid = u16le(value, 0), u32le(value, 6)
    rssi = int.from_bytes(value[10:12], "little", signed=True)
    return (Cell(mcc, u16le(value, 2), u16le(value, 4), cid, rssi if -150 < rssi < 0 else None),) if 0 < mcc < 1000 and cid else ()


def _listed_point(value: bytes) -> tuple[Wifi, ...]:
    """``MAC 6, strength 1 or 2``."""
    if not 6 <= len(value) <= 8 or not any(value[:6]):
        return ()
    rssi = int.from_bytes(value[6:], "little", signed=True)
    return (Wifi(value[:6].hex(":"), rssi if -150 < rssi < 0 else None),)
