"""Teltonika codec 7, 8, 8 extended and 16, over TCP and UDP: the reference decoder.

Paper: the maker's public wiki ("Codec", "Teltonika Data Sending Protocols", "TMT250 AVL ID", FMB AVL ID lists).
All integers are big-endian.

* TMT250 and the other personal trackers speak codec 8 and 8E; the button is AVL element 236, man down is 242
  (``tests/vectors/teltonika.json``: ``codec8e-sos``, ``codec16-man-down``, ``codec8-sos-in-a-batch``).
* GH3000 and GH5200 speak codec 7, where the button is element 222 (``codec7-sos``).
* Very old FM devices can be set to send a further group of 16-byte elements in codec 8. Nothing in the bytes says so;
  the device setting ``teltonika_16_byte_io`` does, and a packet that only makes sense that way is read that way
  (``codec8-16-byte-io``).
* What the vehicle elements (unplug, towing, crash, ...) mean depends on the model: they are read for FMB, FMC, FMM
  and FTC only (``fmb-crash``).

Codecs 12, 13 and 14 are answers to commands: accepted, never acknowledged. AVL elements that say nothing about an
alarm (ignition, odometer, ...) are passed over without a word. Not supported: camera files, codec 15, codec 61.
"""

import enum
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Cell, Fix, Frame, Kind, Report
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings, refused
from gateway.protocols.octets import crc16_arc, u16be, u32be

NAME: Final = "teltonika"

CODEC_7, CODEC_8, CODEC_8E, CODEC_16 = 0x07, 0x08, 0x8E, 0x10
COMMAND_CODECS = {0x0C: 0, 0x0D: 4, 0x0E: 8}
"Codec of a command answer -> bytes (time or IMEI) that stand before its text."

PING = b"\xff"
IMEI_DIGITS_MIN, IMEI_DIGITS_MAX = 15, 17
DATA_BYTES_MIN = 3
"Codec, count, count."
DATA_BYTES_MAX = 65_535
"Guard: the wiki limits ordinary packets to about 1.3 kB; pictures and logs are longer, but nothing reaches this."
NESTED_BYTES_MAX = 2048
"A packet inside one that is refused or incomplete is searched for only up to the size of ordinary packets, "
NESTED_MAX = 8
"and only so many candidates are checked: that bounds the work."
TEXT_CHARS_MAX = 1024

WORD_16_BYTE_IO = "teltonika_16_byte_io"
WORD_PANIC_IS_ROUTINE = "teltonika_panic_is_routine"
"Words of ``DeviceSettings.config``: this device uses priority 2 for things that are no alarm."

PANIC = 2
ALARM_ELEMENT, MAN_DOWN_ELEMENT, BUTTON_ELEMENT = 236, 242, 389
ALARM_ELEMENTS = ((ALARM_ELEMENT, Kind.SOS_BUTTON), (MAN_DOWN_ELEMENT, Kind.MAN_DOWN))
CODEC_7_SOS_ELEMENT, CODEC_7_BUTTON_ELEMENT, CODEC_7_BATTERY_ELEMENT = 222, 221, 1
POWER_MV_ELEMENT, BATTERY_MV_ELEMENT, BATTERY_PERCENT_ELEMENT = 66, 67, 113

VEHICLE_MODELS = ("FMB", "FMC", "FMM", "FTC")
VEHICLE_ELEMENTS = (
    (252, Kind.POWER_CUT), (246, Kind.TOW), (247, Kind.ACCIDENT), (249, Kind.JAMMING), (251, Kind.IDLE), (255, Kind.OVERSPEED),
)  # fmt: skip
GREEN_DRIVING_ELEMENT = 253
GREEN_DRIVING = {1: Kind.HARSH_ACCEL, 2: Kind.HARSH_BRAKE, 3: Kind.HARSH_CORNER}
AUTO_GEOFENCE_ELEMENT = 175
AUTO_GEOFENCE = {0: Kind.GEOFENCE_EXIT, 1: Kind.GEOFENCE_ENTER}

TIME_MIN_US = 1_262_304_000_000_000
"2010-01-01: older than every device of this protocol."
TIME_MAX_US = 253_402_300_799_999_000
"End of the year 9999: later instants cannot be written down."
DAY_US = 86_400_000_000
CODEC_7_EPOCH_S = 1_167_609_600
"2007-01-01 00:00 UTC."

E7 = 10_000_000


class Layout(NamedTuple):
    """How wide the numbers of a codec are."""

    id_bytes: int
    count_bytes: int
    has_generation: bool
    has_variable: bool


LAYOUTS = {
    CODEC_8: Layout(1, 1, False, False),
    CODEC_8E: Layout(2, 2, False, True),
    CODEC_16: Layout(2, 1, True, False),
}
CODECS = {CODEC_7, *LAYOUTS, *COMMAND_CODECS}


class Element(NamedTuple):
    """One AVL element of a record."""

    number: int
    size: int
    value: int


class Reading(NamedTuple):
    """What could be read of a packet's records, and what stopped us, if anything did."""

    reports: tuple[Report, ...]
    fault: FrameError | None = None
    is_command: bool = False


@dataclass(slots=True)
class Cursor:
    """Takes numbers off the front of a message; running over its end is a ``FrameError``."""

    data: bytes
    base: int
    "Where ``data`` starts in the frame, so that complaints name the byte of the frame."
    at: int = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        if len(self.data) - self.at < size:
            raise self.fault(Reason.LENGTH, f"{size} bytes expected, {len(self.data) - self.at} left")
        self.at += size
        return self.data[self.at - size : self.at]

    def take_uint(self, size: int) -> int:
        """The next unsigned number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def take_int(self, size: int) -> int:
        """The next signed number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big", signed=True)

    def fault(self, reason: Reason, detail: str) -> FrameError:
        """An error at the present byte."""
        return FrameError(reason, self.base + self.at, detail)


# ------------------------------------------------------------------------------------------------ the session


class Shape(enum.Enum):
    """What bytes that begin like a frame turn out to be."""

    WAIT = "more bytes are needed"
    NOISE = "no frame begins here"
    FRAME = "a ping, a login, or a packet with its own checksum"
    SPOILT = "a packet with a wrong checksum"


class Session:
    """One TCP connection, or the datagrams of one sender."""

    def __init__(self, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None) -> None:
        self.transport = transport
        self.settings = settings
        self.device: str | None = None
        self.skipped_bytes = 0
        self._buffer = b""
        self._start = 0
        "Where the unread part of the buffer begins; the ones below count from here."
        self._is_lost = False
        "The bytes before were no frame: a ping proves nothing now."
        self._claimed = 0
        "Bytes that a refused packet has already accounted for."
        self._nested = 0
        self._looked = 0
        "How far an incomplete packet was searched for whole ones behind its start."

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer) - self._start

    def receive(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._buffer = self._buffer[self._start :] + data
        self._start = 0

    def frames(self, now_us: int) -> Iterator[Frame]:
        """Every packet that is complete by now. One that has begun is waited for, but never hides a whole one behind it."""
        while self._start < len(self._buffer):
            shape, size = shape_untrusted(self._buffer, self._start, self._is_lost, bool(self._claimed))
            raw = self._buffer[self._start : self._start + size]
            if shape is Shape.WAIT:
                hidden = self._whole_packet_behind()
                if not hidden:
                    return
                self._skip(hidden)
            elif shape is Shape.NOISE:
                self._skip(next_start(self._buffer, self._start + 1) - self._start)
            elif shape is Shape.SPOILT:
                self._claimed = max(self._claimed, size)
                self._nested += 1
                self._skip(1 if self._nested < NESTED_MAX else size)
                yield self.read(raw, now_us)
            else:
                self._start += size
                self._is_lost = False
                self._claimed = self._nested = self._looked = 0
                yield self.read(raw, now_us)

    def _skip(self, count: int) -> None:
        self._start += count
        self._is_lost = True
        self.skipped_bytes += max(0, count - self._claimed)
        self._claimed = max(0, self._claimed - count)
        self._looked = max(0, self._looked - count)
        if not self._claimed:
            self._nested = 0

    def _whole_packet_behind(self) -> int:
        """How far ahead a whole packet begins inside the one that is still incomplete; 0 if none does.

        A length that lies may promise kilobytes that never come; an alarm behind it must not wait for them. A login
        does not count: fifteen digits may stand in a packet's data.
        """
        at = next_start(self._buffer, self._start + max(1, self._looked))
        while at < len(self._buffer):
            shape, size = shape_untrusted(self._buffer, at, True, True)
            if shape is Shape.FRAME:
                return at - self._start
            if shape is Shape.WAIT or self._nested >= NESTED_MAX:
                break
            self._nested += shape is Shape.SPOILT
            at = next_start(self._buffer, at + 1)
        self._looked = at - self._start
        return 0

    def read(self, raw: bytes, now_us: int) -> Frame:
        """One ping, login, data packet or datagram."""
        try:
            if self.transport == "udp":
                return self._read_datagram(raw, now_us)
            if raw == PING:
                return self._frame(raw, (Report(Kind.HEARTBEAT),))
            if raw[:1] == b"\0" and raw[:2] != b"\0\0":
                self.device = imei_untrusted(raw, 0)
                return self._frame(raw, (Report(Kind.LOGIN),), b"\x01")
            return self._read_packet(raw, now_us)
        except FrameError as error:
            return refused(NAME, self.transport, raw, error, self.device)

    def _read_packet(self, raw: bytes, now_us: int) -> Frame:
        """Preamble u32 = 0, length u32 N, N bytes, checksum u32."""
        if len(raw) < 8 or raw[:4] != bytes(4):
            raise FrameError(Reason.FRAMING, 0, "neither a login nor a data packet")
        size = u32be(raw, 4)
        if not DATA_BYTES_MIN <= size <= DATA_BYTES_MAX:
            raise FrameError(Reason.LENGTH, 4, f"data of {size} bytes; {DATA_BYTES_MIN} to {DATA_BYTES_MAX} are possible")
        data = raw[8 : 8 + size]
        reading = read_data(data, 8, self.settings, now_us)
        fault = packet_fault(raw, size) or reading.fault
        if fault is None and self.device is None:
            fault = FrameError(Reason.IDENTITY, 0, "data before a login")
        if fault:
            return refused(NAME, self.transport, raw, fault, self.device, alarm_of(reading.reports))
        reply = None if reading.is_command else len(reading.reports).to_bytes(4, "big")
        return self._frame(raw, reading.reports, reply)

    def _read_datagram(self, raw: bytes, now_us: int) -> Frame:
        """Length u16, packet id u16, type u8, AVL packet id u8, IMEI (length u16, digits), then data without checksum."""
        if len(raw) < 8:
            raise FrameError(Reason.LENGTH, 0, f"a datagram of {len(raw)} bytes")
        self.device = None
        self.device = imei_untrusted(raw, 6)
        start = 8 + len(self.device)
        reading = read_data(raw[start:], start, self.settings, now_us)
        fault = reading.fault
        if u16be(raw, 0) != len(raw) - 2:
            fault = FrameError(Reason.LENGTH, 0, f"the frame says {u16be(raw, 0)} bytes, {len(raw) - 2} follow")
        if fault:
            return refused(NAME, self.transport, raw, fault, self.device, alarm_of(reading.reports))
        count = len(reading.reports)
        reply = None if reading.is_command else b"\x00\x05" + raw[2:4] + b"\x01" + raw[5:6] + bytes((count,))
        return self._frame(raw, reading.reports, reply)

    def _frame(self, raw: bytes, reports: tuple[Report, ...], reply: bytes | None = None) -> Frame:
        return Frame(NAME, self.transport, raw, self.device, reports, reply)


def shape_untrusted(data: bytes, at: int, is_lost: bool = False, is_inside: bool = False) -> tuple[Shape, int]:
    """What begins at ``at``, and how many bytes it has (0 unless delimited).

    While lost, a ping (one byte) proves nothing, and zeros are everywhere: a packet must name its codec. Inside a
    packet that was refused or is incomplete, digits are no login, and a packet longer than usual is not looked for.
    """
    left = len(data) - at
    if data[at]:
        return (Shape.FRAME, 1) if data[at] == PING[0] and not is_lost else (Shape.NOISE, 0)
    if left < 2:
        return Shape.WAIT, 0
    if data[at + 1]:
        return (Shape.NOISE, 0) if is_inside else login_shape(data, at)
    if any(data[at + 2 : at + 4]):
        return Shape.NOISE, 0
    if left < 8:
        return Shape.WAIT, 0
    size = u32be(data, at + 4)
    if not DATA_BYTES_MIN <= size <= (NESTED_BYTES_MAX if is_inside else DATA_BYTES_MAX):
        return Shape.NOISE, 0
    if is_lost and left > 8 and data[at + 8] not in CODECS:
        return Shape.NOISE, 0
    if left < size + 12:
        return Shape.WAIT, 0
    is_right = u32be(data, at + 8 + size) == crc16_arc(data[at + 8 : at + 8 + size])
    return (Shape.FRAME if is_right else Shape.SPOILT), size + 12


def login_shape(data: bytes, at: int) -> tuple[Shape, int]:
    """A login: length u16, then that many digits."""
    size = 2 + data[at + 1]
    digits = data[at + 2 : at + size]
    if not IMEI_DIGITS_MIN <= data[at + 1] <= IMEI_DIGITS_MAX or (digits and not digits.isdigit()):
        return Shape.NOISE, 0
    return (Shape.FRAME, size) if len(data) - at >= size else (Shape.WAIT, 0)


def next_start(data: bytes, at: int) -> int:
    """The next place where a login or a packet could begin; the end if there is none."""
    found = data.find(b"\0", at)
    return len(data) if found < 0 else found


def recognise(data: bytes) -> int:
    """How surely these first bytes are Teltonika: 100 with a login or a packet and its checksum, 0 when they cannot be."""
    if not data:
        return 0
    shape, size = shape_untrusted(data, 0, is_lost=True)
    if shape is Shape.WAIT:
        return 30 if len(data) > 4 else 10
    if shape is Shape.NOISE:
        return datagram_confidence(data)
    return 100 if shape is Shape.FRAME else 60


def datagram_confidence(data: bytes) -> int:
    """The same for a datagram, whose own length, IMEI and codec must fit."""
    size = u16be(data, 6) if len(data) >= 8 else 0
    is_ours = len(data) > 8 + size and IMEI_DIGITS_MIN <= size <= IMEI_DIGITS_MAX and data[8 : 8 + size].isdigit()
    return 90 if is_ours and u16be(data, 0) == len(data) - 2 and data[8 + size] in CODECS else 0


def imei_untrusted(raw: bytes, at: int) -> str:
    """The identity at ``at``: length u16, then that many ASCII digits (a login holds nothing else)."""
    size = int.from_bytes(raw[at : at + 2], "big")
    digits = raw[at + 2 : at + 2 + size]
    if not IMEI_DIGITS_MIN <= size <= IMEI_DIGITS_MAX:
        raise FrameError(Reason.IDENTITY, at, f"an IMEI of {size} digits; {IMEI_DIGITS_MIN} to {IMEI_DIGITS_MAX} are possible")
    if len(digits) < size or (at == 0 and len(raw) > 2 + size):
        raise FrameError(Reason.LENGTH, at, f"the frame says {size} digits, {len(raw) - at - 2} bytes follow")
    if not digits.isdigit():
        raise FrameError(Reason.IDENTITY, at + 2, "an IMEI has digits only")
    return digits.decode()


def packet_fault(raw: bytes, size: int) -> FrameError | None:
    """What is wrong with the envelope of a TCP data packet whose length field says ``size``."""
    if len(raw) != size + 12:
        return FrameError(Reason.LENGTH, 4, f"the frame says {size} bytes of data, it holds {len(raw) - 12}")
    claimed, counted = u32be(raw, len(raw) - 4), crc16_arc(raw[8:-4])
    if claimed != counted:
        return FrameError(Reason.CHECKSUM, len(raw) - 4, f"frame says {claimed:08x}, its bytes give {counted:08x}")
    return None


# --------------------------------------------------------------------------------------------- data and records


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


def power_of(elements: list[Element], percent_element: int) -> tuple[float | None, float | None, float | None]:
    """Battery percent, battery volts, external volts."""
    percent = battery_v = power_v = None
    for number, size, value in elements:
        if number == percent_element and size == 1 and value <= 100:
            percent = float(value)
        elif number == BATTERY_MV_ELEMENT and size == 2:
            battery_v = value / 1000
        elif number == POWER_MV_ELEMENT and size == 2:
            power_v = value / 1000
    return percent, battery_v, power_v


def time_of(time_us: int, now_us: int) -> tuple[int | None, list[str]]:
    """The device's time, and the remark that it cannot be trusted."""
    if TIME_MIN_US <= time_us <= now_us + DAY_US:
        return time_us, []
    return (time_us if time_us <= TIME_MAX_US else None), ["time outside 2010 to tomorrow"]


# ------------------------------------------------------------------------------------------------------ codec 7


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


# ------------------------------------------------------------------------------------------------------ the rest


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
