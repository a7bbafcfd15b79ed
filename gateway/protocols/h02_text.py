"""H02's text form: ``*XX,<identity>,<type>,…#``, fields parted by commas.

Paper: the makers' description (SinoTrack, Huayuan). Position types put the same block at different places; it is found by its
hemispheres, and what stands around it by its own form: the date has six digits, the status word eight hexadecimal ones.
"""

import re
from dataclasses import replace
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import Cell, Kind, Report
from gateway.protocols.fields import KMH_PER_KNOT, course, day_first_us, field, fix, hexadecimal, minutes_e7, percent, speed, whole
from gateway.protocols.h02_status import OLD_CLOCK_US, alarms_of, alarms_unread
from gateway.protocols.stream import Shape

TEXT_BYTES_MAX: Final = 1024
"Lists of cells (NBR, V3) are the longest that are sent; what is longer has lost its end."
HEADER: Final = re.compile(rb"\*([A-Za-z]{2}),")
HEADER_CUT: Final = re.compile(rb"\*[A-Za-z]{0,2}")
HEADER_BYTES: Final = 4
NO_TEXT: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\*[A-Za-z]{2},")
"Bytes of a binary frame, or the next header: the frame before them has lost its end."
IDENTITY: Final = re.compile(r"[0-9]{5,16}", re.ASCII)
"10 or 15 digits by the paper."
TYPE: Final = re.compile(r"[A-Z][A-Z0-9]{0,7}", re.ASCII)
BEATS: Final = ("HTBT", "V0")
POSITION_TYPE: Final = re.compile(r"V[1-9I][0-9I]{0,2}", re.ASCII)

DATE: Final = re.compile(r"[0-9]{6}", re.ASCII)
STATUS: Final = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)
DOTTED: Final = re.compile(r"-?([0-9]{1,5})\.([0-9]{1,8})", re.ASCII)
DASHED: Final = re.compile(r"-?([0-9]{1,3})-([0-9]{1,2})\.([0-9]{1,8})", re.ASCII)
UNDOTTED: Final = re.compile(r"-?([0-9]{3,5})([0-9]{4})", re.ASCII)
VALIDITY: Final = re.compile(r"[AVB0-9]", re.ASCII)
CODED: Final = re.compile(r"[A0-9]", re.ASCII)
"A: valid. A digit says how the position is coded, and that there is one. V and B are the last known place."
HEX_CELL_DIGITS: Final = 6
MCC_MIN, MCC_MAX = 200, 799
"Mobile country codes of ITU-T E.212."


class Text(NamedTuple):
    """One text message."""

    maker: str
    device: str | None
    type: str
    report: Report


def text_shape(data: bytes, at: int) -> tuple[Shape, int]:
    """The frame at ``*``: up to ``#``, within the guard, and without anything in it that no text has."""
    head = data[at : at + HEADER_BYTES]
    if not (HEADER.match(head) or HEADER_CUT.fullmatch(head)):
        return Shape.NOISE, 1
    stop = min(len(data), at + TEXT_BYTES_MAX)
    end = data.find(b"#", at, stop)
    if NO_TEXT.search(data, at + 1, end if end >= 0 else stop):
        return Shape.NOISE, 1
    if end >= 0:
        return Shape.FRAME, end + 1 - at
    return (Shape.WAIT, 0) if len(data) - at < TEXT_BYTES_MAX else (Shape.NOISE, 1)


def text_untrusted(raw: bytes, offset_s: int) -> Text:
    """Maker, identity, type and record of one message. An empty identity is None. Raises: FrameError."""
    raw = raw.rstrip(b"\r\n")
    header = HEADER.match(raw)
    if header is None:
        raise FrameError(Reason.FRAMING, 0, "neither *XX, nor a binary mark at the front")
    if len(raw) > TEXT_BYTES_MAX:
        raise FrameError(Reason.LENGTH, TEXT_BYTES_MAX, f"{len(raw)} bytes, expected at most {TEXT_BYTES_MAX}")
    if not raw.endswith(b"#"):
        raise FrameError(Reason.FRAMING, len(raw), "no # at the end")
    fields = raw[HEADER_BYTES:-1].decode("latin-1").split(",")
    device, kind = field(fields, 0), field(fields, 1)
    if device and not IDENTITY.fullmatch(device):
        raise FrameError(Reason.IDENTITY, HEADER_BYTES, "an identity that is no number of 5 to 16 digits")
    if not TYPE.fullmatch(kind):
        kind = ""
    return Text(header[1].decode(), device or None, kind, report_of(raw, kind, fields, offset_s))


def report_of(raw: bytes, kind: str, fields: list[str], offset_s: int) -> Report:
    """The record of a message, by its type."""
    if kind in BEATS and len(fields) <= 3:
        return Report(Kind.HEARTBEAT, battery_percent=percent(field(fields, 2)))
    if kind == "SMS":
        text = raw[HEADER_BYTES:-1].split(b",", 2)
        return Report(Kind.CONFIG_REPLY, text=text[2].decode("utf-8", "replace") if len(text) > 2 else None)
    if kind == "NBR":
        return neighbours(fields, offset_s)
    if kind == "V3":
        return serving_cells(fields, offset_s)
    if kind == "LINK":
        return _dated(fields, _date_at(fields, 8), offset_s, (), percent(field(fields, 5)))
    at = validity_at(fields, kind)
    if kind == "V4":
        return command_answer(fields, at, offset_s)
    if at is None and kind == "VP1":
        return cell_position(fields) or position(fields, 2, offset_s)
    return undescribed(kind, fields, offset_s) if at is None else position(fields, at, offset_s)


# ----------------------------------------------------------------------------------------------------------- positions


def validity_at(fields: list[str], kind: str) -> int | None:
    """Where the position block begins: validity, latitude, N or S, longitude, E or W. None without one."""
    for at in range(2, len(fields) - 4):
        if VALIDITY.fullmatch(field(fields, at)) and field(fields, at + 2) in ("N", "S") and field(fields, at + 4) in ("E", "W"):
            return at
    return 3 if POSITION_TYPE.fullmatch(kind) and kind != "V4" and len(fields) > 3 else None


def command_answer(fields: list[str], at: int | None, offset_s: int) -> Report:
    """V4: the command, words and times of the answer, and perhaps the device's own time with a position behind it."""
    if at is None:
        return Report(Kind.CONFIG_REPLY, text=",".join(fields[2:]))
    report = position(fields, at, offset_s)
    return Report(
        report.kinds | Kind.CONFIG_REPLY, report.fix, report.event_at_us, battery_percent=report.battery_percent,
        standing=report.standing, cells=report.cells, text=",".join(fields[2 : at - 1]), unread=report.unread,
    )  # fmt: skip


def position(fields: list[str], at: int, offset_s: int) -> Report:
    """hhmmss, then from ``at``: validity, latitude, N or S, longitude, E or W, knots, course, (battery,) ddmmyy, status, cell."""
    has_time = field(fields, 1) != "VP1"
    date_at = position_date_at(fields, at)
    battery = percent(field(fields, date_at - 1)) if date_at == at + 8 else None
    time = field(fields, at - 1) if has_time else "000000"
    at_us = day_first_us(field(fields, date_at), time, offset_s if has_time else 0)
    status_at = next((place for place in range(date_at + 1, len(fields)) if STATUS.fullmatch(field(fields, place))), None)
    status = None if status_at is None else int(field(fields, status_at), 16)
    cells = cell_behind(fields, status_at) if status_at is not None else ()
    place = fix(
        degrees_e7(field(fields, at + 1), field(fields, at + 2)), degrees_e7(field(fields, at + 3), field(fields, at + 4)),
        at_us, bool(CODED.fullmatch(field(fields, at))),
        speed_kmh=speed(field(fields, at + 5), KMH_PER_KNOT), course_deg=course(field(fields, at + 6)),
    )  # fmt: skip
    kinds = alarms_of(status)
    unread = alarms_unread(status) if has_time or status is not None else ()
    unread += clock_unread(at_us) if has_time else ("time of day",)
    unread += ("position",) * (place is None and field(fields, at + 1) != "")
    return Report(
        kinds or (Kind.POSITION if place or cells else Kind.HEARTBEAT), place, at_us,
        battery_percent=battery, standing=bool(kinds), cells=cells, unread=unread,
    )  # fmt: skip


def position_date_at(fields: list[str], at: int) -> int:
    """The date behind the course, or behind a battery there; when fields are missing, wherever a status word follows it."""
    for place in (at + 7, at + 8):
        if DATE.fullmatch(field(fields, place)):
            return place
    pairs = (place for place in range(at + 1, len(fields) - 1) if DATE.fullmatch(field(fields, place)) and STATUS.fullmatch(field(fields, place + 1)))
    return next(pairs, at + 7)


def degrees_e7(text: str, hemisphere: str) -> int | None:
    """``ddmm.mmmm``, ``-dd-mm.mmmm`` or ``ddmmmmmm``, whose last four digits are decimals. The hemisphere outranks the sign."""
    if dashed := DASHED.fullmatch(text):
        return minutes_e7(f"{dashed[1]}{dashed[2]:0>2}.{dashed[3]}", hemisphere)
    if plain := DOTTED.fullmatch(text) or UNDOTTED.fullmatch(text):
        return minutes_e7(f"{plain[1]:0>5}.{plain[2]}", hemisphere)
    return None


def clock_unread(at_us: int | None) -> tuple[str, ...]:
    """What to say about a time that is none, or from before the clock was set."""
    if at_us is None:
        return ("time",)
    return ("clock not set",) if at_us < OLD_CLOCK_US else ()


# --------------------------------------------------------------------------------------------------------------- cells


def cell_behind(fields: list[str], status_at: int) -> tuple[Cell, ...]:
    """MCC, MNC, LAC, CID behind the status word: decimal, or hexadecimal in dialects that do not say so.

    They are hexadecimal when they are filled up to six digits, or when the decimal reading names no country.
    """
    words = [field(fields, status_at + number) for number in range(1, 5)]
    values = [whole(word) for word in words]
    if len(words[0]) == HEX_CELL_DIGITS or None in values or not MCC_MIN <= (values[0] or 0) <= MCC_MAX:
        values = [hexadecimal(word) for word in words]
    mcc, mnc, lac, cid = values
    if mcc is None or mnc is None or lac is None or cid is None or not (MCC_MIN <= mcc <= MCC_MAX and mnc <= 999):
        return ()
    return (Cell(mcc, mnc, lac, cid),)


def neighbours(fields: list[str], offset_s: int) -> Report:
    """NBR: hhmmss, MCC, MNC, timing advance, count, count times LAC, CID, level; ddmmyy, status."""
    count = whole(field(fields, 6), len(fields)) or 0
    cells = _cells(fields, whole(field(fields, 3), 999), whole(field(fields, 4), 999), range(7, 7 + 3 * count, 3))
    return _dated(fields, _date_at(fields, 7 + 3 * count), offset_s, cells, None)


def serving_cells(fields: list[str], offset_s: int) -> Report:
    """V3: hhmmss, MCC with MNC, count, count times LAC, CID, level and a fourth; a word, a number, ``X``, ddmmyy, status."""
    network = field(fields, 3)
    count = whole(field(fields, 4), len(fields)) or 0
    cells = _cells(fields, whole(network[:3], 999), whole(network[3:], 999), range(5, 5 + 4 * count, 4))
    return _dated(fields, _date_at(fields, 5 + 4 * count + 3), offset_s, cells, None)


def cell_position(fields: list[str]) -> Report | None:
    """VP1 without a fix: V, MCC, MNC, then LAC, CID and level of each cell, parted by ``Y``."""
    words = [word for cell in ",".join(fields[5:]).split("Y") for word in (cell.split(",") + ["", ""])[:3]]
    cells = _cells(words, whole(field(fields, 3), 999), whole(field(fields, 4), 999), range(0, len(words), 3))
    return Report(Kind.POSITION, cells=cells) if cells else None


def undescribed(kind: str, fields: list[str], offset_s: int) -> Report:
    """A type that no table has. Where a status word follows a date of the calendar, it says what it says everywhere."""
    unread = (f"type {kind}" if kind else "no type",)
    for at in range(len(fields) - 2, 2, -1):
        if STATUS.fullmatch(field(fields, at + 1)) and day_first_us(field(fields, at), field(fields, 2), offset_s) is not None:
            report = _dated(fields, at, offset_s, (), None)
            return replace(report, unread=unread + report.unread)
    return Report(Kind.HEARTBEAT, battery_percent=percent(field(fields, 2)) if kind in BEATS else None, unread=unread)


def _cells(fields: list[str], mcc: int | None, mnc: int | None, places: range) -> tuple[Cell, ...]:
    """LAC and CID, decimal, at each place that the message really has. What the level counts is not known."""
    cells = []
    for at in places:
        lac, cid = whole(field(fields, at)), whole(field(fields, at + 1))
        if mcc is not None and mnc is not None and lac is not None and cid is not None:
            cells.append(Cell(mcc, mnc, lac, cid))
    return tuple(cells)


def _date_at(fields: list[str], promised: int) -> int:
    """Where the date stands: behind the promised cells, or, when that count is wrong, last but one."""
    return promised if DATE.fullmatch(field(fields, promised)) else len(fields) - 2


def _dated(fields: list[str], date_at: int, offset_s: int, cells: tuple[Cell, ...], battery: float | None) -> Report:
    """A record without coordinates: its time in the third field, its date at ``date_at`` and the status word behind it."""
    at_us = day_first_us(field(fields, date_at), field(fields, 2), offset_s)
    word = field(fields, date_at + 1)
    status = int(word, 16) if STATUS.fullmatch(word) else None
    kinds = alarms_of(status)
    return Report(
        kinds or (Kind.POSITION if cells else Kind.HEARTBEAT), None, at_us, battery_percent=battery, standing=bool(kinds), cells=cells,
        unread=alarms_unread(status) + clock_unread(at_us),
    )  # fmt: skip
