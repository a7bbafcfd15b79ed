"""The records of Xexun's second protocol: alarm, place, access points and cells, read from front to back.

What is cut short or not documented ends the reading of its record; whatever stood before it stays, and the alarm stands first.
"""

import math
import struct
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import NO_KIND, Cell, Fix, Kind, Report, Wifi
from gateway.protocols.fields import E7, firmware, fix

ALARM_BITS: Final = ((0, Kind.SOS_BUTTON), (1, Kind.STRAP_CUT), (15, Kind.FALL))
KNOWN_BITS: Final = sum(1 << bit for bit, _ in ALARM_BITS)
HAS_ALARM, HAS_PLACE, HAS_UNKNOWN, HAS_FINGERPRINT, HAS_VERSION = (1 << bit for bit in range(5))
"Of the mask of a record, in the order in which its parts stand. What follows the version says nothing of ours."
FINGERPRINT_BYTES: Final = 4
VERSION_BYTES: Final = 20
CHARGING: Final = 0x8000

SINGLE, WIFI, CELLS, RANGING, UNKNOWN, MOVEMENT, DOUBLE, BLOCK = (1 << bit for bit in range(8))
"Parts of a place, in the order in which they stand."
REST_UNREAD: Final = "part 4 of the place and what follows it"
"Nobody documented how long that part is."
GNSS: Final = ord("G")
GNSS_LAYOUT: Final = struct.Struct(">ddBBBHHf")
"Longitude, latitude, valid, satellites, signal to noise, km/h x 10, course x 10, metres."


@dataclass(slots=True)
class Cursor:
    """Takes numbers off the front; running over the end is a ``FrameError``."""

    data: bytes
    at: int = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        if len(self.data) - self.at < size:
            raise FrameError(Reason.LENGTH, self.at, f"{size} bytes expected, {len(self.data) - self.at} left")
        self.at += size
        return self.data[self.at - size : self.at]

    def take_uint(self, size: int) -> int:
        """The next unsigned number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def take_int8(self) -> int:
        """The next byte with a sign."""
        return int.from_bytes(self.take(1), "big", signed=True)

    @property
    def left(self) -> int:
        """Bytes not taken."""
        return len(self.data) - self.at


@dataclass(slots=True)
class Place:
    """What a record says about where it was, as far as it could be read."""

    lat: float | None = None
    lon: float | None = None
    "In ddmm.mmmm."
    is_valid: bool = True
    satellites: int | None = None
    speed_kmh: float | None = None
    course_deg: float | None = None
    altitude_m: float | None = None
    wifi: list[Wifi] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def fix(self, at_us: int | None) -> Fix | None:
        """The position, if there is one."""
        if self.lat is None or self.lon is None:
            return None
        found = fix(
            degrees_e7(self.lat), degrees_e7(self.lon), at_us, self.is_valid, altitude_m=self.altitude_m, speed_kmh=self.speed_kmh,
            course_deg=self.course_deg, satellites=self.satellites,
        )  # fmt: skip
        if found is None and (self.lat, self.lon) != (0.0, 0.0):
            self.unread.append("coordinates outside the globe")
        return found


def records_untrusted(payload: bytes, base: int, states: int = 0) -> tuple[tuple[Report, ...], FrameError | None]:
    """count u8, count times length u16, the records: every one that is there, and what is wrong with the lengths.

    ``states``: alarm bits that are no alarms of this model, as its settings say.
    """
    cursor = Cursor(payload)
    reports: list[Report] = []
    try:
        count = cursor.take_uint(1)
        for size in [cursor.take_uint(2) for _ in range(count)]:
            is_whole = size <= cursor.left
            reports.append(report_of(cursor.take(min(size, cursor.left)), states))
            if not is_whole:
                cursor.take(1)  # There is none: the length reaches beyond the payload.
    except FrameError as error:
        return tuple(reports), FrameError(Reason.LENGTH, base + error.offset, error.detail)
    return tuple(reports) or (Report(Kind.HEARTBEAT),), None


def report_of(record: bytes, states: int) -> Report:
    """index u8, Unix seconds u32, GSM u8, battery u16 (bit 15 charging, percent), mask u8; as that says alarm bits u32, place, version."""
    cursor, place = Cursor(record), Place()
    index = at_us = battery = version = None
    kinds = NO_KIND
    try:
        index = cursor.take_uint(1)
        at_us = cursor.take_uint(4) * 1_000_000 or None  # 0: the clock is not set.
        cursor.take(1)
        battery = cursor.take_uint(2)
        mask = cursor.take_uint(1)
        if mask & HAS_ALARM:
            kinds = Kind.UNKNOWN_ALARM  # Until its bits are read.
            kinds = kinds_of(cursor.take_uint(4), states, place.unread)
        if mask & HAS_PLACE:
            read_place(cursor, place)
        if mask & HAS_VERSION:
            version = read_version(cursor, mask, place.unread)
    except FrameError:
        place.unread.append("record cut short")
    found = place.fix(at_us)
    percent = None if battery is None else battery & ~CHARGING
    return Report(
        kinds or (Kind.POSITION if found or place.wifi or place.cells else Kind.HEARTBEAT), found, at_us, index,
        battery_percent=None if percent is None or percent > 100 else float(percent),
        charging=None if battery is None else bool(battery & CHARGING), firmware=version,
        cells=tuple(place.cells), wifi=tuple(place.wifi), unread=tuple(place.unread),
    )  # fmt: skip


def kinds_of(bits: int, states: int, unread: list[str]) -> Kind:
    """Every alarm that is set; a bit that nobody knows is one as well, unless the settings call it a state."""
    kinds = NO_KIND
    for bit, kind in ALARM_BITS:
        if bits >> bit & 1:
            kinds |= kind
    if bits & ~KNOWN_BITS:
        unread.append(f"alarm bits {bits & ~KNOWN_BITS:08x}")
    return kinds | Kind.UNKNOWN_ALARM if bits & ~KNOWN_BITS & ~states else kinds


def read_place(cursor: Cursor, place: Place) -> None:
    """mask u8, then the parts that it names. Raises: FrameError: the record ends inside one; what was read before is in ``place``."""
    mask = cursor.take_uint(1)
    if mask & SINGLE:
        read_floats(cursor, place, ">ff")
    if mask & WIFI:
        for _ in range(cursor.take_uint(1)):
            place.wifi.append(Wifi(cursor.take(6).hex(":"), cursor.take_int8()))
    if mask & CELLS:
        for _ in range(cursor.take_uint(1)):
            mcc, mnc, lac, cid = cursor.take_uint(2), cursor.take_uint(2), cursor.take_uint(4), cursor.take_uint(4)
            place.cells.append(Cell(mcc, mnc, lac, cid, cursor.take_int8()))
    if mask & RANGING:
        cursor.take(12 * cursor.take_uint(1))
    if mask & UNKNOWN:
        place.unread.append(REST_UNREAD)
        return
    if mask & MOVEMENT:
        place.speed_kmh, place.course_deg = cursor.take_uint(2) / 10, course_of(cursor.take_uint(2))
    if mask & DOUBLE:
        read_floats(cursor, place, ">dd")
    if mask & BLOCK:
        read_block(Cursor(cursor.take(cursor.take_uint(2))), place)


def read_floats(cursor: Cursor, place: Place, layout: str) -> None:
    """satellites u8, longitude, latitude."""
    place.satellites = cursor.take_uint(1)
    place.lon, place.lat = struct.unpack(layout, cursor.take(struct.calcsize(layout)))


def read_block(cursor: Cursor, place: Place) -> None:
    """Elements of kind u8, length u16, value; G is what the receiver says."""
    while cursor.left:
        kind, value = cursor.take_uint(1), cursor.take(cursor.take_uint(2))
        if kind != GNSS:
            place.unread.append(f"element 0x{kind:02x} of the place")
        elif len(value) < GNSS_LAYOUT.size:
            place.unread.append("element G of the place cut short")
        else:
            lon, lat, valid, place.satellites, _, speed, course, altitude_m = GNSS_LAYOUT.unpack_from(value)
            place.lon, place.lat, place.is_valid = lon, lat, bool(valid)
            place.speed_kmh, place.course_deg = speed / 10, course_of(course)
            place.altitude_m = round(altitude_m, 1) if math.isfinite(altitude_m) else None


def read_version(cursor: Cursor, mask: int, unread: list[str]) -> str | None:
    """Text of 20 bytes, NUL behind it. Not behind a part whose length nobody documented: there it would be anything."""
    if mask & HAS_UNKNOWN or REST_UNREAD in unread:
        unread.append("firmware")
        return None
    if mask & HAS_FINGERPRINT:
        cursor.take(FINGERPRINT_BYTES)
    version, notes = firmware(cursor.take(VERSION_BYTES))
    unread.extend(notes)
    return version


def course_of(tenths: int) -> float | None:
    """Degrees x 10; above 360 nobody knows."""
    return tenths / 10 if tenths <= 3600 else None


def degrees_e7(value: float) -> int | None:
    """A float in ddmm.mmmm with a sign as degrees x 10^7. A single one may round up to 60 minutes."""
    if not math.isfinite(value) or abs(value) > 18_000:
        return None
    degrees = int(abs(value) // 100)
    minutes = abs(value) - 100 * degrees
    return None if minutes > 60 else int(math.copysign(round((degrees + minutes / 60) * E7), value))
