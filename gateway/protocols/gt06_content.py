"""What a GT06 message says, type by type.

Byte layouts stand above the code that reads them. Every read is bounded by the frame's own length, never by a field
inside the content, and the status block is always taken from the end. An alarm field that cannot be read is an alarm.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Cell, Kind, Report
from gateway.protocols.gps_block import GPS_BYTES, fix_of, gps_report, looks_like_gps, place_of, time_of
from gateway.protocols.gt06_alarms import CAMERA_CODES, PLAIN, Dialect, status_kinds
from gateway.protocols.gt06_blocks import CELL_SIZES, battery_of, cells_of
from gateway.protocols.octets import u16be, u32be
from gateway.protocols.wifi_scan import wifi_of

STATUS_BYTES: Final = 5
"Terminal information 1, voltage 1, GSM 1, alarm 1, language 1."
FLAGGED: Final = frozenset((0x22, 0x2D, 0x31))
"Positions that say after the cell block whether they are stored ones."


@dataclass(frozen=True, slots=True)
class Message:
    """One delimited message and what is known about its device."""

    kind: int
    content: bytes
    at: int
    "Where the content begins in the frame, for refusals."
    dialect: Dialect = PLAIN
    offset_s: int = 0
    "Local time of the device minus UTC."

    def require(self, count: int, what: str) -> None:
        """Raise ``FrameError`` when the content is shorter than ``count`` bytes."""
        if len(self.content) < count:
            raise FrameError(Reason.LENGTH, self.at, f"{what} has {count} bytes, {len(self.content)} found")


def read_position_untrusted(message: Message) -> Report:
    """GPS block 18, then a cell block; 0x22, 0x2D and 0x31 go on.

    - cell  8 to 16, see ``cells_of``
    - 1  ignition, 1  upload mode, 1  re-upload (1: a stored record)
    - 0x31: 4  mileage, 2  altitude in metres
    """
    message.require(GPS_BYTES, "a GPS block")
    report = replace(gps_report(message.content, 0, message.offset_s), kinds=Kind.POSITION)
    rest = message.content[GPS_BYTES:]
    size = _cell_bytes(message.kind, rest)
    report = replace(report, cells=cells_of(rest[:size]))
    if message.kind not in FLAGGED or len(rest) < size + 3:
        return report
    report = replace(report, stored=rest[size + 2] == 1)
    if message.kind == 0x31 and report.fix and len(rest) >= size + 9:
        altitude_m = float(int.from_bytes(rest[size + 7 : size + 9], "big", signed=True))
        report = replace(report, fix=replace(report.fix, altitude_m=altitude_m))
    return report


def _cell_bytes(kind: int, rest: bytes) -> int:
    """How long the cell block of a position is: the frame does not say, so its type and what follows must."""
    wide_mnc = len(rest) >= 2 and rest[0] & 0x80
    if kind == 0xA0:
        return 16 if wide_mnc else 15
    if kind == 0x11 and len(rest) == 10:
        return 10
    if kind in FLAGGED:
        for size in (9, 10) if wide_mnc else (8, 9, 10):
            if len(rest) >= size + 3 and rest[size] <= 1 and rest[size + 2] <= 1:
                return size
    return 9 if wide_mnc else 8


def read_alarm_untrusted(message: Message) -> Report:
    """Alarm with a position: ``GPS 18, length 1, cell, status 5`` and in 0x27, 0xA4 ``fence number 1``.

    VXT01 (0x16 with 31 bytes) has no length byte and an alarm byte that means nothing; a VL model may let a
    driver's card number follow. 0x27 and 0xA4 keep four more bits of the alarm code in the language byte.
    """
    content, dialect = message.content, message.dialect
    fenced = message.kind in (0x27, 0xA4)
    end = len(content) - STATUS_BYTES - fenced
    if dialect.driver_card_bytes and len(content) == GPS_BYTES + 9 + STATUS_BYTES + dialect.driver_card_bytes:
        end -= dialect.driver_card_bytes
    if end < 0:
        return Report(Kind.UNKNOWN_ALARM, unread=("status block",))
    is_vxt01 = message.kind == 0x16 and len(content) == 31
    code = 0 if is_vxt01 else content[end + 3] | (content[end + 4] >> 4 << 8 if fenced else 0)
    kinds = status_kinds(content[end], code, dialect, Kind.OVERSPEED if is_vxt01 else dialect.removed)
    if end < GPS_BYTES:
        return _with_status(Report(kinds, unread=("position",)), content, end)
    report = gps_report(content, 0, message.offset_s)
    block = content[GPS_BYTES:end]
    has_length = len(block) not in (8, 15)
    cells = cells_of(block[has_length:]) if block and (block[0] or not has_length) else ()
    return _with_status(replace(report, kinds=kinds or Kind.POSITION, cells=cells), content, end)


def _with_status(report: Report, content: bytes, end: int) -> Report:
    percent, unread = battery_of(content[end + 1])
    return replace(report, battery_percent=percent, charging=bool(content[end] & 0x04), unread=report.unread + unread)


def read_cell_alarm_untrusted(message: Message) -> Report:
    """Alarm without a position: ``cell 8 (0xA5: 15), status 5``. 0x19 with 18 bytes or more is a list of cells instead."""
    content = message.content
    if message.kind == 0x19 and len(content) >= 18:
        return Report(Kind.POSITION, cells=cells_of(content[:8]), unread=("further cells",))
    end = len(content) - STATUS_BYTES
    if end < 0:
        return Report(Kind.UNKNOWN_ALARM, unread=("status block",))
    kinds = status_kinds(content[end], content[end + 3], message.dialect, message.dialect.removed)
    return _with_status(Report(kinds or Kind.HEARTBEAT, cells=cells_of(content[:end])), content, end)


def read_heartbeat_untrusted(message: Message) -> Report:
    """0x13: the status block, or its first three bytes. Of other models' lengths only a pressed button is believed.

    An alarm in a heartbeat stands: the device says that it is still so, not that somebody pressed again.
    """
    report = _heartbeat_status(message)
    return replace(report, standing=report.kinds != Kind.HEARTBEAT)


def _heartbeat_status(message: Message) -> Report:
    content, dialect = message.content, message.dialect
    if not content:
        return Report(Kind.HEARTBEAT)
    bits = status_kinds(content[0], 0, dialect, dialect.removed)
    if dialect.voltage_word and len(content) >= 3:
        return Report(Kind.HEARTBEAT | bits & Kind.SOS_BUTTON, power_v=u16be(content, 1) / 100, charging=bool(content[0] & 0x04))
    if not 3 <= len(content) <= STATUS_BYTES:
        return Report(Kind.HEARTBEAT | bits & Kind.SOS_BUTTON, unread=("status of another model",))
    code = content[3] if len(content) == STATUS_BYTES else 0
    report = Report(Kind.HEARTBEAT | status_kinds(content[0], code, dialect, dialect.removed))
    return _with_status(report, content, 0)


def read_gk310_heartbeat_untrusted(message: Message) -> Report:
    """0x23: ``terminal information 1, voltage 2 in hundredths, GSM 1, language 2``."""
    content, dialect = message.content, message.dialect
    if len(content) < 3:
        return Report(Kind.HEARTBEAT, unread=("status of another model",))
    kinds = Kind.HEARTBEAT | status_kinds(content[0], 0, dialect, dialect.removed)
    return Report(kinds, standing=kinds != Kind.HEARTBEAT, battery_v=u16be(content, 1) / 100, charging=bool(content[0] & 0x04))


def read_network_untrusted(message: Message) -> Report:
    """Place by network lookup only: ``time 6, MCC 2, MNC 1-2, 7 cells, timing advance 1, [n 1, n x (MAC 6, strength 1)]``.

    A cell has ``LAC 2, CID 3, strength 1``, in 0xA1 and 0xA2 ``LAC 4, CID 8, strength 1``. Some families use the same
    type numbers for a GPS block: 0x17 (RFID), 0x34 (behind four zero bytes), 0xA2 (LW: an alarm). The block's own
    marks tell.
    """
    content, kind = message.content, message.kind
    if kind == 0xA2 and looks_like_gps(content, 0):
        return read_alarm_untrusted(message)
    if kind == 0x17 and looks_like_gps(content, 0):
        return replace(gps_report(content, 0, message.offset_s), kinds=Kind.POSITION)
    if kind == 0x34 and content[:4] == bytes(4) and len(content) >= 4 + GPS_BYTES:
        return replace(gps_report(content, 4, message.offset_s), kinds=Kind.POSITION)
    report = Report(Kind.POSITION, event_at_us=time_of(content, 0, message.offset_s) if len(content) >= 6 else None)
    wide = kind in (0xA1, 0xA2)
    at = 9 + (len(content) > 6 and content[6] >> 7)
    end = at + 7 * (13 if wide else 6)
    if kind not in (0x18, 0x28, 0x2C, 0x2E, 0xA1, 0xA2) or len(content) < end:
        return replace(report, unread=(f"network cells of message 0x{kind:02x}",))
    cells = tuple(dict.fromkeys(_listed_cells(content, at, end, wide)))
    if kind in (0x2C, 0xA2) and len(content) > end + 1:
        return replace(report, cells=cells, wifi=wifi_of(content, end + 2, content[end + 1]))
    return replace(report, cells=cells)


def _listed_cells(content: bytes, at: int, end: int, wide: bool) -> list[Cell]:
    network, lac_bytes, cid_bytes = content[6:at], 4 if wide else 2, 8 if wide else 3
    found = []
    for start in range(at, end, lac_bytes + cid_bytes + 1):
        cid_at = start + lac_bytes
        mcc, mnc = u16be(network, 0) & 0x7FFF, int.from_bytes(network[2:], "big")
        cell = Cell(mcc, mnc, int.from_bytes(content[start:cid_at], "big"), int.from_bytes(content[cid_at : cid_at + cid_bytes], "big"))
        if 0 < mcc < 1000 and cell.cid:
            found.append(cell)
    return found


def read_text_untrusted(message: Message) -> Report:
    """Answer to a command. 0x15: ``length 1, server flag 4, text, [language 2]``; 0x21: ``server flag 4, coding 1, text``."""
    content = message.content
    if message.kind == 0x21:
        coding, text = content[4:5], content[5:]
        return Report(Kind.CONFIG_REPLY, text=_text(text, "utf-16-be" if coding == b"\x02" else "utf-8"))
    length = content[0] if content else 0
    end = 1 + length if 4 <= length < len(content) else len(content) - 2
    return Report(Kind.CONFIG_REPLY, text=_text(content[5:end], "utf-8"))


def _text(data: bytes, coding: str) -> str | None:
    return data.decode(coding, "replace").strip("\0 \r\n") or None


def read_camera_untrusted(message: Message) -> Report:
    """JC dash-cam alarm: ``time 6, [latitude 4, longitude 4, course and flags 2], event 1, ...``.

    Event 0x01 is SOS in the long form; the short form only says that there is an alarm.
    """
    content = message.content
    if len(content) < 7:
        return Report(Kind.UNKNOWN_ALARM, unread=("event",))
    at_us = time_of(content, 0, message.offset_s)
    if len(content) < 17:
        return Report(CAMERA_CODES.get(content[6], Kind.GENERAL if content[6] == 1 else Kind.UNKNOWN_ALARM), event_at_us=at_us)
    kinds = CAMERA_CODES.get(content[16], Kind.SOS_BUTTON if content[16] == 1 else Kind.UNKNOWN_ALARM)
    place = place_of(content, 6)
    fix = fix_of(place, u16be(content, 14), at_us, None, None) if place else None
    return Report(kinds, fix=fix, event_at_us=at_us)


def read_information_untrusted(message: Message) -> Report:
    """0x94: ``subject 1, data``. 0x00 outside voltage in hundredths, 0x04 status as text."""
    content = message.content
    subject = content[0] if content else None
    if subject == 0x00 and len(content) >= 3:
        return Report(Kind.HEARTBEAT, power_v=u16be(content, 1) / 100)
    if subject == 0x04:
        return Report(Kind.HEARTBEAT, text=_text(content[1:], "utf-8"))
    return Report(Kind.HEARTBEAT, unread=("information" if subject is None else f"information 0x{subject:02x}",))


def read_modules_untrusted(message: Message) -> Report:
    """0x70: a list of ``id 2, length 2, data``. 0x33 is a position, whose time is Unix seconds:

    - 4  time, 1  satellites, 2  altitude in metres, 4  latitude, 4  longitude, 1  speed, 2  course and flags
    """
    content, at = message.content, 0
    report = Report(Kind.HEARTBEAT)
    unread = []
    while len(content) - at >= 4:
        module, size, at = u16be(content, at), u16be(content, at + 2), at + 4
        if len(content) - at < size:
            unread.append(f"module 0x{module:02x}, cut")
            break
        if module == 0x33 and size >= 18:
            report = _module_position(content[at : at + size])
        elif module == 0x34:
            unread.append("module 0x34, an event")
        at += size
    return replace(report, unread=report.unread + tuple(unread))


def _module_position(data: bytes) -> Report:
    at_us = u32be(data, 0) * 1_000_000
    place = place_of(data, 7)
    if place is None:
        return Report(Kind.POSITION, event_at_us=at_us, unread=("place outside the globe",))
    fix = fix_of(place, u16be(data, 16), at_us, float(data[15]), data[4])
    if fix:
        fix = replace(fix, altitude_m=float(int.from_bytes(data[5:7], "big", signed=True)))
    return Report(Kind.POSITION, fix=fix, event_at_us=at_us)


def read_other_untrusted(message: Message) -> Report:
    """A type that nobody described. A GPS block is known by its own marks, a pressed button by the shape of an alarm frame."""
    content, unread = message.content, (f"message 0x{message.kind:02x}",)
    if not looks_like_gps(content, 0):
        return Report(unread=unread)
    report = gps_report(content, 0, message.offset_s)
    end = len(content) - STATUS_BYTES
    cell_bytes = end - GPS_BYTES - 1
    life = NO_KIND
    if cell_bytes in CELL_SIZES and content[GPS_BYTES] in (cell_bytes, cell_bytes + 1):
        life = status_kinds(content[end], content[end + 3], message.dialect, message.dialect.removed) & LIFE & ~Kind.UNKNOWN_ALARM
    return replace(report, kinds=life or Kind.POSITION, unread=report.unread + unread)


READERS: Final[dict[int, Callable[[Message], Report]]] = {
    **dict.fromkeys((0x10, 0x11, 0x12, 0x22, 0x2A, 0x2D, 0x31, 0x37, 0xA0), read_position_untrusted),
    **dict.fromkeys((0x16, 0x26, 0x27, 0xA4), read_alarm_untrusted),
    **dict.fromkeys((0x19, 0xA5), read_cell_alarm_untrusted),
    **dict.fromkeys((0x17, 0x18, 0x24, 0x28, 0x2C, 0x2E, 0x34, 0x69, 0xA1, 0xA2), read_network_untrusted),
    **dict.fromkeys((0x15, 0x21), read_text_untrusted),
    0x13: read_heartbeat_untrusted,
    0x23: read_gk310_heartbeat_untrusted,
    0x70: read_modules_untrusted,
    0x94: read_information_untrusted,
    0x95: read_camera_untrusted,
}

SAYS_NOTHING: Final = frozenset((0x80, 0x81, 0x82, 0x8A))
"Our own commands echoed, and the clock request."


def report_untrusted(raw: bytes, kind_at: int, dialect: Dialect, offset_s: int) -> Report | None:
    """What a delimited frame (not a login) says; None when it says nothing of ours. Raises ``FrameError``."""
    kind = raw[kind_at]
    if kind in SAYS_NOTHING:
        return None
    message = Message(kind, raw[kind_at + 1 : -6], kind_at + 1, dialect, offset_s)
    report = READERS.get(kind, read_other_untrusted)(message)
    return replace(report, sequence=u16be(raw, len(raw) - 6))
