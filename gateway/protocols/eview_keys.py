"""What the keys of an Eview data frame say ("EV-07B Protocol v1.2", section of the data command): one report a record.

A key is its length u8 (of key and value), its number u8, and the value. Nothing here refuses: a key that is too short for what it
should hold is named in ``unread``, and whatever else the record says stays.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gateway.model import NO_KIND, Cell, Fix, Kind, Report, Wifi
from gateway.protocols.fields import fix, on_globe
from gateway.protocols.octets import i32le, u16le, u32le

ALARM, BATTERY, STATUS, GPS, HOME = 0x02, 0x14, 0x24, 0x20, 0x27
BEACON, BEACON_PLACED, BEACON_SEEN, BEACON_POWERED, WIFI_KNOWN = 0x23, 0x26, 0x28, 0x2C, 0x2A
WIFI, WIFI_NAMED = 0x22, 0x19
READ: Final = frozenset((0x01, ALARM, BATTERY, STATUS, GPS, HOME, BEACON, BEACON_PLACED, BEACON_SEEN, BEACON_POWERED, WIFI_KNOWN, WIFI, WIFI_NAMED))
MAY_REPEAT: Final = frozenset((BEACON_SEEN, BEACON_POWERED))
"Several of these in one record are several beacons; any other key that comes again begins the next record."

ALARM_BITS: Final = (
    (0, Kind.BATTERY_LOW), (1, Kind.OVERSPEED), (2, Kind.FALL), (8, Kind.POWER_OFF), (9, Kind.POWER_ON), (10, Kind.MOVEMENT),
    (12, Kind.SOS_BUTTON),
)  # fmt: skip
FENCES: Final = ((4, 26), (5, 27), (6, 28), (7, 29))
"Bit of an alarm at a fence, and the bit that is set when the device came in and not when it went out."
INFO_BITS: Final = ((13, "side button 1"), (14, "side button 2"), (31, "bark"))
FENCE_SIDES: Final = 0x3C00_0000
KNOWN_BITS: Final = sum(1 << bit for bit, _ in (*ALARM_BITS, *FENCES, *INFO_BITS)) | FENCE_SIDES

CHARGING_BIT, STORED_BIT, BATTERY_SHIFT = 4, 7, 24
"Of the status."


class Key(NamedTuple):
    """One key of a frame."""

    number: int
    value: bytes


class CellLayout(NamedTuple):
    """MCC u16, MNC (u8 or u16), then cells: signal i8, LAC u16, CID (u16 or u32)."""

    mnc_bytes: int
    cid_bytes: int


CELLS: Final = {0x21: CellLayout(1, 2), 0x29: CellLayout(1, 4), 0x2B: CellLayout(2, 4)}


class PlaceLayout(NamedTuple):
    """Where latitude and longitude stand in a value (i32 x 10^-7 each), and what they are worth."""

    at: int
    rank: int
    "Of several places the one with the lowest rank is taken."
    source: str
    has_flags: bool = False
    "The first byte of the value says in its bit 7 whether a place follows."
    altitude_at: int | None = None


GPS_LAYOUT: Final = PlaceLayout(0, 0, "gnss", altitude_at=12)
RANK_LAST: Final = 4
"Of a place that the receiver does not vouch for: a beacon beside the wearer knows better."
PLACES: Final = {
    GPS: GPS_LAYOUT,
    BEACON: PlaceLayout(6, 1, "network"),
    BEACON_PLACED: PlaceLayout(6, 1, "network", altitude_at=16),
    BEACON_SEEN: PlaceLayout(9, 1, "network", has_flags=True),
    BEACON_POWERED: PlaceLayout(10, 1, "network", has_flags=True),
    WIFI_KNOWN: PlaceLayout(8, 2, "wifi", has_flags=True),
    HOME: PlaceLayout(0, 3, "network", altitude_at=10),
}
GPS_BYTES, GPS_BYTES_MIN = 21, 16
"With odometer and satellites, and without them."


def keys_until(body: bytes) -> tuple[list[Key], int]:
    """The keys behind the command, and where they end: before the end of the body when one has no length or reaches beyond it."""
    keys, at = [], 1
    while at < len(body):
        end = at + 1 + body[at]
        if not body[at] or end > len(body):
            break
        keys.append(Key(body[at + 1], body[at + 2 : end]))
        at = end
    return keys, at


def records_of(keys: Sequence[Key]) -> Iterator[list[Key]]:
    """The keys of each record. There is always one, even if it says nothing."""
    record: list[Key] = []
    seen: set[int] = set()
    for key in keys:
        if key.number in seen and key.number not in MAY_REPEAT:
            yield record
            record, seen = [], set()
        record.append(key)
        seen.add(key.number)
    yield record


def report_of(record: Sequence[Key]) -> Report:
    """One record. The time of the status is the position's; an alarm may have its own, which is later."""
    values = dict(record)
    unread = [f"key 0x{number:02x}" for number in values if number not in READ and number not in CELLS]
    position_at_us, status = time_and_word(values.get(STATUS), STATUS, unread)
    kinds, alarm_at_us = alarm_of(values.get(ALARM), unread)
    place = place_of(record, position_at_us, unread)
    cells = cells_of(record, unread)
    wifi = wifi_of(values, unread)
    battery_percent, battery_v = battery_of(values.get(BATTERY), status, unread)
    return Report(
        kinds or (Kind.POSITION if place or cells or wifi else Kind.HEARTBEAT), place,
        alarm_at_us if kinds and alarm_at_us is not None else position_at_us, battery_percent=battery_percent, battery_v=battery_v,
        charging=None if status is None else bool(status >> CHARGING_BIT & 1),
        stored=bool((status or 0) >> STORED_BIT & 1), cells=cells, wifi=wifi, unread=tuple(dict.fromkeys(unread)),
    )  # fmt: skip


def time_and_word(value: bytes | None, number: int, unread: list[str]) -> tuple[int | None, int | None]:
    """Status: Unix seconds u32 (0: the clock is not set), status u32."""
    if value is None:
        return None, None
    if len(value) < 8:
        unread.append(cut(number))
    return unix_us(value, 0), u32le(value, 4) if len(value) >= 8 else None


def unix_us(value: bytes, at: int) -> int | None:
    """Unix seconds u32 as microseconds; None when they are not there or the clock was never set."""
    return u32le(value, at) * 1_000_000 or None if len(value) >= at + 4 else None


# -------------------------------------------------------------------------------------------------------- alarms


def alarm_of(value: bytes | None, unread: list[str]) -> tuple[Kind, int | None]:
    """Alarm bits u32, then perhaps Unix seconds u32. A field that is cut short is an alarm: we cannot tell which."""
    if value is None:
        return NO_KIND, None
    bits = u32le(value, 0)
    kinds = kinds_of(bits)
    unread += [name for bit, name in INFO_BITS if bits >> bit & 1]
    if bits & ~KNOWN_BITS:
        unread.append(f"alarm bits {bits & ~KNOWN_BITS:08x}")
    if len(value) < 4:
        unread.append(cut(ALARM))
        kinds = kinds or Kind.UNKNOWN_ALARM
    return kinds, unix_us(value, 4)


def kinds_of(bits: int) -> Kind:
    """Every alarm that is set."""
    kinds = NO_KIND
    for bit, kind in ALARM_BITS:
        if bits >> bit & 1:
            kinds |= kind
    for bit, side in FENCES:
        if bits >> bit & 1:
            kinds |= Kind.GEOFENCE_ENTER if bits >> side & 1 else Kind.GEOFENCE_EXIT
    return kinds


# -------------------------------------------------------------------------------------------------------- places


def place_of(record: Sequence[Key], at_us: int | None, unread: list[str]) -> Fix | None:
    """The best place of a record: a fix, else a beacon, a known access point or the home base, else an old fix."""
    best, best_rank = None, RANK_LAST + 1
    for number, value in record:
        layout = PLACES.get(number)
        if layout is None:
            continue
        if len(value) < bytes_needed(number, value, layout):
            unread.append(cut(number))
        elif has_place(number, value, layout):
            lat_e7, lon_e7 = i32le(value, layout.at), i32le(value, layout.at + 4)
            found = gps_of(value, at_us) if number == GPS else near(value, layout, at_us)
            rank = layout.rank if found and found.valid else RANK_LAST
            if not on_globe(lat_e7, lon_e7) and (lat_e7 or lon_e7):
                unread.append(f"place of key 0x{number:02x} outside the globe")
            if found and rank < best_rank:
                best, best_rank = found, rank
    return best


def bytes_needed(number: int, value: bytes, layout: PlaceLayout) -> int:
    """How long a value must be for what it announces."""
    if number == GPS:
        return GPS_BYTES_MIN
    if layout.has_flags:
        return layout.at + 8 if value[:1] and value[0] & 0x80 else layout.at
    return 6 if number in (BEACON, BEACON_PLACED) else layout.at + 8


def has_place(number: int, value: bytes, layout: PlaceLayout) -> bool:
    """Whether coordinates follow: flagged, or shown by the length."""
    return bool(value[0] & 0x80) if layout.has_flags else len(value) >= layout.at + 8


def gps_of(value: bytes, at_us: int | None) -> Fix | None:
    """The receiver's fix; it does not vouch for one without HDOP.

    0 latitude, 4 longitude, 8 km/h u16, 10 course u16, 12 metres i16, 14 HDOP u16 x 0.1, 16 odometer u32, 20 satellites u8.
    """
    course = u16le(value, 10)
    return fix(
        i32le(value, 0), i32le(value, 4), at_us, u16le(value, 14) > 0, altitude_m=metres(value, 12), speed_kmh=float(u16le(value, 8)),
        course_deg=float(course) if course <= 360 else None, satellites=value[20] if len(value) >= GPS_BYTES else None,
    )  # fmt: skip


def near(value: bytes, layout: PlaceLayout, at_us: int | None) -> Fix | None:
    """The place of something beside the wearer that was once told where it is."""
    altitude_m = None if layout.altitude_at is None else metres(value, layout.altitude_at)
    return fix(i32le(value, layout.at), i32le(value, layout.at + 4), at_us, True, source=layout.source, altitude_m=altitude_m)


def metres(value: bytes, at: int) -> float | None:
    """Metres i16, where they are there."""
    return float(int.from_bytes(value[at : at + 2], "little", signed=True)) if len(value) >= at + 2 else None


# ------------------------------------------------------------------------------------------ the air, and the battery


def cells_of(record: Sequence[Key], unread: list[str]) -> tuple[Cell, ...]:
    """The cells of every layout that the record holds."""
    cells: list[Cell] = []
    for number, value in record:
        layout = CELLS.get(number)
        if layout is None:
            continue
        start, size = 2 + layout.mnc_bytes, 3 + layout.cid_bytes
        if len(value) < start or (len(value) - start) % size:
            unread.append(cut(number))
        mcc, mnc = u32le(value[:2], 0), u32le(value[2:start], 0)
        for at in range(start, len(value) - size + 1, size):
            lac, cid = u16le(value, at + 1), u32le(value[at + 3 : at + size], 0)
            cells.append(Cell(mcc, mnc, lac, cid, dbm(value[at])))
    return tuple(cells)


def wifi_of(values: dict[int, bytes], unread: list[str]) -> tuple[Wifi, ...]:
    """Access points: plain, with names, and the known one that the device stands beside."""
    points: list[Wifi] = []
    for number in (WIFI, WIFI_NAMED):
        value, at = values.get(number, b""), 0
        while len(value) - at >= 7:
            points.append(Wifi(value[at + 1 : at + 7].hex(":"), dbm(value[at])))
            at += 7
            if number == WIFI_NAMED and at < len(value):
                at += 1 + value[at]
        if at != len(value):
            unread.append(cut(number))
    known = values.get(WIFI_KNOWN, b"")
    if len(known) >= 8:
        points.append(Wifi(known[1:7].hex(":"), dbm(known[7])))
    return tuple(points)


def dbm(byte: int) -> int | None:
    """A signal i8; some devices count upwards from 0 instead, in steps that nobody documented."""
    return byte - 256 if byte >= 128 else None


def battery_of(value: bytes | None, status: int | None, unread: list[str]) -> tuple[float | None, float | None]:
    """Percent and volts of the battery key (u8, millivolts u16); else the percent of the status."""
    percent = None if status is None else status >> BATTERY_SHIFT
    millivolts = None
    if value is not None and len(value) >= 3:
        percent, millivolts = value[0], u16le(value, 1)
    elif value is not None:
        unread.append(cut(BATTERY))
    return float(percent) if percent is not None and percent <= 100 else None, millivolts / 1000 if millivolts else None


def cut(number: int) -> str:
    """How a key is named that is too short for what it should hold."""
    return f"key 0x{number:02x} cut short"
