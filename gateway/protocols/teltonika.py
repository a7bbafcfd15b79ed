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

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Cell, Fix, Frame, Kind, Report
from gateway.protocols.base import DeviceSettings, refused

PROTOCOL = "teltonika"

CODEC_7, CODEC_8, CODEC_8E, CODEC_16 = 0x07, 0x08, 0x8E, 0x10
COMMAND_CODECS = {0x0C: 0, 0x0D: 4, 0x0E: 8}
"Codec of a command answer -> bytes (time or IMEI) that stand before its text."

PING = b"\xff"
IMEI_DIGITS_MIN, IMEI_DIGITS_MAX = 15, 17
DATA_BYTES_MIN = 3
"Codec, count, count."
DATA_BYTES_MAX = 65_535
"Guard: the wiki limits ordinary packets to about 1.3 kB; pictures and logs are longer, but nothing reaches this."
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


class Session:
    """One TCP connection, or the datagrams of one sender."""

    def __init__(self, transport: str, settings: DeviceSettings = DeviceSettings(), peer: str | None = None) -> None:  # noqa: B008
        self.transport = transport
        self.settings = settings
        self.device: str | None = None
        self.skipped_bytes = 0
        self._buffer = bytearray()
        self._is_lost = False

    def receive(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._buffer += data

    def frames(self, now_us: int) -> Iterator[Frame]:
        """Every packet that is complete by now; at most ``DATA_BYTES_MAX`` + 12 bytes stay buffered."""
        while size := self._frame_bytes():
            raw = bytes(self._buffer[:size])
            del self._buffer[:size]
            yield self.read(raw, now_us)

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
            return refused(PROTOCOL, self.transport, raw, error, self.device)

    def _frame_bytes(self) -> int:
        """Size of the frame at the head of the buffer, 0 if it is not complete; bytes that start none are skipped."""
        at = 0
        while (size := frame_bytes(self._buffer, at, self._is_lost)) == NO_FRAME:
            at += 1
            self._is_lost = True
        del self._buffer[:at]
        self.skipped_bytes += at
        if not 0 < size <= len(self._buffer):
            return 0
        self._is_lost = False
        return size

    def _read_packet(self, raw: bytes, now_us: int) -> Frame:
        """Preamble u32 = 0, length u32 N, N bytes, checksum u32."""
        if len(raw) < 8 or raw[:4] != bytes(4):
            raise FrameError(Reason.FRAMING, 0, "neither a login nor a data packet")
        size = int.from_bytes(raw[4:8], "big")
        if not DATA_BYTES_MIN <= size <= DATA_BYTES_MAX:
            raise FrameError(Reason.LENGTH, 4, f"data of {size} bytes; {DATA_BYTES_MIN} to {DATA_BYTES_MAX} are possible")
        data = raw[8 : 8 + size]
        reading = read_data(data, 8, self.settings, now_us)
        fault = packet_fault(raw, size) or reading.fault
        if fault:
            return refused(PROTOCOL, self.transport, raw, fault, self.device, alarm_of(reading.reports))
        reply = None if reading.is_command else len(reading.reports).to_bytes(4, "big")
        return self._frame(raw, reading.reports, reply)

    def _read_datagram(self, raw: bytes, now_us: int) -> Frame:
        """Length u16, packet id u16, type u8, AVL packet id u8, IMEI (length u16, digits), then data without checksum."""
        if len(raw) < 8:
            raise FrameError(Reason.LENGTH, 0, f"a datagram of {len(raw)} bytes")
        self.device = imei_untrusted(raw, 6)
        start = 8 + len(self.device)
        reading = read_data(raw[start:], start, self.settings, now_us)
        fault = reading.fault
        if int.from_bytes(raw[:2], "big") != len(raw) - 2:
            fault = FrameError(Reason.LENGTH, 0, f"the frame says {int.from_bytes(raw[:2], 'big')} bytes, {len(raw) - 2} follow")
        if fault:
            return refused(PROTOCOL, self.transport, raw, fault, self.device, alarm_of(reading.reports))
        count = len(reading.reports)
        reply = None if reading.is_command else b"\x00\x05" + raw[2:4] + b"\x01" + raw[5:6] + bytes((count,))
        return self._frame(raw, reading.reports, reply)

    def _frame(self, raw: bytes, reports: tuple[Report, ...], reply: bytes | None = None) -> Frame:
        return Frame(PROTOCOL, self.transport, raw, self.device, reports, reply)


NO_FRAME = -1


def frame_bytes(buffer: bytes | bytearray, at: int, is_lost: bool) -> int:
    """Size of the frame that starts at ``at``; 0 when more bytes must tell, ``NO_FRAME`` when none can start here.

    While lost, a ping (one byte) proves nothing, and zeros are everywhere: a packet must name its codec.
    """
    head = bytes(buffer[at : at + 9])
    if head[:1] == PING and not is_lost:
        return 1
    if head[:1] not in (b"", b"\0"):
        return NO_FRAME
    if len(head) < 2:
        return 0
    if head[1]:
        size = 2 + head[1]
        digits = buffer[at + 2 : at + size]
        is_login = IMEI_DIGITS_MIN <= head[1] <= IMEI_DIGITS_MAX and (not digits or digits.isdigit())
        return size if is_login else NO_FRAME
    if any(head[2:4]):
        return NO_FRAME
    if len(head) < 8:
        return 0
    size = int.from_bytes(head[4:8], "big")
    if not DATA_BYTES_MIN <= size <= DATA_BYTES_MAX:
        return NO_FRAME
    if is_lost and head[8:] and head[8] not in CODECS:
        return NO_FRAME
    return size + 12


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
    claimed, counted = int.from_bytes(raw[-4:], "big"), crc16_arc(raw[8:-4])
    if claimed != counted:
        return FrameError(Reason.CHECKSUM, len(raw) - 4, f"frame says {claimed:08x}, its bytes give {counted:08x}")
    return None


def crc16_arc(data: bytes) -> int:
    """CRC-16/ARC: polynomial 0x8005 reflected, start 0, nothing at the end."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


CRC_TABLE = tuple(map(_crc_row, range(256)))


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
    has_wide = codec == CODEC_8 and has_word(settings, WORD_16_BYTE_IO)
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
    kinds = kinds_of(elements, event, settings)
    if priority == PANIC and not kinds & LIFE and not has_word(settings, WORD_PANIC_IS_ROUTINE):
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


def kinds_of(elements: list[Element], event: int, settings: DeviceSettings) -> Kind:
    """Every alarm of a record.

    An alarm element that is 1 is an alarm. One that caused the record is an alarm unless it says 0: a value that
    nobody documented, or none at all, is no reason to stay silent.
    """
    kinds = NO_KIND
    for number, kind in ALARM_ELEMENTS:
        values = [element.value for element in elements if element.number == number]
        if 1 in values or (event == number and (not values or any(values))):
            kinds |= kind
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
    elif stamp >> 30 == PANIC and not has_word(settings, WORD_PANIC_IS_ROUTINE):
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
        fix = Fix(
            round(lat * E7), round(lon * E7), at_us, satellites != 0, "gnss", None, altitude_m, speed_kmh, course_deg, satellites
        )
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


def has_word(settings: DeviceSettings, word: str) -> bool:
    """Does the device's ``config`` hold this word? Words are parted by blanks or commas."""
    return word in (settings.config or "").replace(",", " ").split()
