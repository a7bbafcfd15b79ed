"""The Watch protocol of 3G watches and many pendants ("SeTracker" family), over TCP: the reference decoder.

Paper: none is public; what is known rests on public tests and issue threads about these watches. A frame is
``[MM*id*LLLL*content]``, or ``[MM*id*IIII*LLLL*content]`` with an index (maker ZJ and others: ``heartbeat-with-index``).
LLLL counts the content after unstuffing (7D 01 to 7D 05). There is no checksum.

* Wi-Fi names are not stuffed and may hold brackets (``bracket-in-wifi-name``).
* TK906 and others send wrong lengths (``length-too-small``, ``length-too-big``): the frame then ends at the bracket
  before the next frame, or at the last bracket received if the content keeps its own promises.
* Some watches send local time: ``DeviceSettings.clock_offset_s``.
* The answer to AL goes out even if nothing in it can be read, because the watch repeats the alarm until it comes
  (``alarm-unreadable``).

Not supported: voice (TK) and pictures; content above 2 KiB is refused.
"""

import re

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Cell, Kind, Report, Wifi
from gateway.protocols.fields import course, day_first_us, decimal, degrees_e7, field, fix, hexadecimal, percent, speed, whole
from gateway.protocols.stream import Content, Shape, StreamSession

CONTENT_BYTES_MAX = 2048
"Nothing that we read comes near it; voice and pictures go beyond."
STUFFED_BYTES_MAX = 2 * CONTENT_BYTES_MAX
HEADER_BYTES_MAX = 31
"[MM*, sixteen digits and *, index and *, length and *."

HEADER = re.compile(rb"\[([0-9A-Za-z]{2})\*([0-9]{8,16})\*(?:([0-9A-Fa-f]{4})\*)?([0-9A-Fa-f]{4})\*")
PARTIAL_HEADER = re.compile(rb"\[[0-9A-Za-z]{0,2}(?:(?<=..)\*[0-9]{0,16}(?:(?<=[0-9]{8})\*(?:[0-9A-Fa-f]{0,4}\*?){0,2})?)?")
NEXT_FRAME = re.compile(rb"\]\s*(?=\[[0-9A-Za-z]{2}\*[0-9]{8,16}\*)")
LAST_BRACKET = re.compile(rb"\]\s*\Z")
STUFFED = re.compile(rb"\x7d[\x01-\x05]")
ACCESS_POINT = re.compile(r"((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}),(-?[0-9]{1,3})(?=,|\Z)")
"MAC and signal. A name before it may hold anything, commas included, so the names are not parsed."

POSITION_TYPES = ("UD", "AL", "WT", "WG", "WAD")
"Beginnings of types that carry a position; suffixes such as _LTE, _WCDMA, 2, 3 and CUSTOMER1 follow."
ANSWERS = {"LK": b"LK", "INIT": b"INIT,1", "TKQ": b"TKQ"}
STATUS_FIELD = 16
CELLS_FIELD = 17

STATUS_BITS = (
    (0, Kind.BATTERY_LOW), (1, Kind.GEOFENCE_EXIT), (2, Kind.GEOFENCE_ENTER), (14, Kind.POWER_CUT), (16, Kind.SOS_BUTTON),
    (17, Kind.BATTERY_LOW), (18, Kind.GEOFENCE_EXIT), (19, Kind.GEOFENCE_ENTER), (20, Kind.STRAP_CUT), (21, Kind.FALL), (22, Kind.FALL),
)  # fmt: skip
ALARM_BITS = sum(1 << bit for bit, _ in STATUS_BITS if bit >= 14)
"Bits that say why an alarm was sent. Bits 0 to 2 are states, which can be set beside any alarm."
KNOWN_BITS = sum(1 << bit for bit, _ in STATUS_BITS) | 1 << 3 | 1 << 4
"And those without meaning for us: 3 worn, 4 moving."


class Session(StreamSession):
    """One connection of a watch."""

    NAME = "watch"
    STARTS = re.compile(rb"\[")

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """See ``shape_untrusted``."""
        return shape_untrusted(data, at)

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """One frame, from bracket to bracket."""
        header = HEADER.match(raw)
        if header is None:
            raise FrameError(Reason.FRAMING, 0, "no [MM*id*length* at the front")
        self.device = header[2].decode()
        content = raw[header.end() :].rstrip()
        if not content.endswith(b"]"):
            raise FrameError(Reason.FRAMING, len(raw), "no ] at the end")
        if len(content) > STUFFED_BYTES_MAX or unstuffed_bytes(content) > CONTENT_BYTES_MAX + 1:
            raise FrameError(Reason.LENGTH, header.end(), f"content above {CONTENT_BYTES_MAX} bytes (voice and pictures are not read)")
        return Content((report_of(content[:-1], int(header[4], 16), self.offset_s),), reply_of(header, content))

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """The alarm in a frame without an end, or with too much in it."""
        header = HEADER.match(raw)
        if header is None:
            return None
        report = report_of(raw[header.end() :].rstrip().removesuffix(b"]"), int(header[4], 16), self.offset_s)
        return report if report.kinds & LIFE else None


# -------------------------------------------------------------------------------------------------- the splitter


def recognise(data: bytes) -> int:
    """How surely these first bytes are a watch: 90 with a whole header, 0 when they cannot be."""
    if HEADER.match(data):
        return 90
    return 20 if PARTIAL_HEADER.fullmatch(data) else 0


def shape_untrusted(data: bytes, at: int) -> tuple[Shape, int]:
    """What begins with the bracket at ``at``, and how many bytes it has.

    The length field is believed up to the guard, when a bracket stands where it says and no other frame starts before.
    Else the frame ends where the next one starts, or at the last bracket received, unless Wi-Fi names are still to come.
    """
    left = len(data) - at
    header = HEADER.match(data, at)
    if header is None:
        is_short = left < HEADER_BYTES_MAX and data.find(b"[", at + 1) < 0
        return (Shape.WAIT, 0) if is_short else (Shape.NOISE, 1)
    start, stop = header.end(), header.end() + STUFFED_BYTES_MAX + 1
    size = int(header[4], 16)
    end = content_end(data, start, size) if size <= CONTENT_BYTES_MAX else len(data) + 1
    following = NEXT_FRAME.search(data, start, stop + HEADER_BYTES_MAX)
    if data[end : end + 1] == b"]" and (following is None or end <= following.start()):
        return Shape.FRAME, end + 1 - at
    if following is not None and following.start() < stop:
        return Shape.FRAME, following.start() + 1 - at
    last = LAST_BRACKET.search(data, max(start, len(data) - 8))
    if last is not None and last.start() < stop and end != len(data):
        is_wrong = size > CONTENT_BYTES_MAX or end < len(data)
        if is_whole(data[start : last.start()], is_wrong):
            return Shape.FRAME, last.start() + 1 - at
    return (Shape.WAIT, 0) if len(data) < stop else (Shape.NOISE, 1)


def content_end(data: bytes, start: int, size: int) -> int:
    """Where content of ``size`` unstuffed bytes ends; beyond the buffer when it does not hold that many."""
    end = start + size
    for pair in STUFFED.finditer(data, start):
        if pair.start() >= end:
            break
        end += 1
    return end


def unstuffed_bytes(content: bytes) -> int:
    """Length without stuffing, as the length field counts it."""
    return len(content) - len(STUFFED.findall(content))


def is_whole(content: bytes, is_wrong: bool) -> bool:
    """Is a bracket behind this content the frame's end, although the length field says otherwise?

    In a position it is when there are as many access points as the content itself promises: else it stands in a name.
    In anything else it is when the length is known to be wrong; as long as bytes may be missing, they are waited for.
    """
    fields = content.decode("latin-1").split(",")
    if not fields[0].startswith(POSITION_TYPES):
        return is_wrong
    _, wifi_at = read_cells(fields)
    promised = whole(field(fields, wifi_at)) or 0
    return len(ACCESS_POINT.findall(",".join(fields[wifi_at + 1 :]))) >= promised


# ---------------------------------------------------------------------------------------------------- the content


def report_of(content: bytes, size: int, offset_s: int) -> Report:
    """What a frame's content says. Never refuses: a field that cannot be read is named in ``unread``."""
    fields = content.decode("latin-1").split(",")
    kind, unread = fields[0], []
    if unstuffed_bytes(content) != size:
        unread.append("length field wrong")
    if kind.startswith(POSITION_TYPES):
        return position_of(fields, offset_s, unread)
    if kind == "INIT":
        return Report(Kind.LOGIN, unread=tuple(unread))
    return Report(Kind.HEARTBEAT, battery_percent=percent(field(fields, 3)) if kind == "LK" else None, unread=tuple(unread))


def position_of(fields: list[str], offset_s: int, unread: list[str]) -> Report:
    """A position, live, stored or with an alarm.

    type, ddmmyy, hhmmss, A or V, latitude, N or S, longitude, E or W, km/h, course, altitude, satellites,
    signal, battery percent, steps, rolls, status, cells, access points, accuracy.
    """
    status = hexadecimal(field(fields, STATUS_FIELD))
    if status is None:
        unread.append("status")
    elif status & ~KNOWN_BITS:
        unread.append(f"status bits {status & ~KNOWN_BITS:08x}")
    kinds = kinds_of(status or 0)
    if fields[0].startswith("AL") and not (status or 0) & ALARM_BITS:
        kinds |= Kind.GENERAL
    at_us = day_first_us(field(fields, 1), field(fields, 2), offset_s)
    if at_us is None:
        unread.append("time")
    cells, wifi_at = read_cells(fields)
    wifi, accuracy_m = read_wifi(fields, wifi_at)
    place = fix(
        signed_by(field(fields, 5), degrees_e7(field(fields, 4)), "N", "S"),
        signed_by(field(fields, 7), degrees_e7(field(fields, 6)), "E", "W"),
        at_us, field(fields, 3) == "A", accuracy_m=accuracy_m, altitude_m=decimal(field(fields, 10)),
        speed_kmh=speed(field(fields, 8)), course_deg=course(field(fields, 9)), satellites=whole(field(fields, 11)),
    )  # fmt: skip
    return Report(
        kinds or (Kind.POSITION if place or cells or wifi else Kind.HEARTBEAT), place, at_us,
        battery_percent=percent(field(fields, 13)), stored=fields[0][2:3] in ("2", "3") and fields[0].startswith("UD"),
        cells=cells, wifi=wifi, unread=tuple(unread),
    )  # fmt: skip


def kinds_of(status: int) -> Kind:
    """Every alarm and state in the status word. Bits are active high."""
    kinds = NO_KIND
    for bit, kind in STATUS_BITS:
        if status >> bit & 1:
            kinds |= kind
    return kinds


def signed_by(letter: str, value_e7: int | None, positive: str, negative: str) -> int | None:
    """The degrees with the sign that their hemisphere letter gives; as they stand when there is no letter."""
    if value_e7 is None:
        return None
    return abs(value_e7) if letter == positive else -abs(value_e7) if letter == negative else value_e7


def read_cells(fields: list[str]) -> tuple[tuple[Cell, ...], int]:
    """The cells, and the field where the access points begin.

    Count, then (unless it is 0) timing advance, MCC, MNC and count times LAC, CID, signal. The signal's unit is not known.
    """
    count = whole(field(fields, CELLS_FIELD)) or 0
    if not count:
        return (), CELLS_FIELD + 1
    mcc, mnc = whole(field(fields, CELLS_FIELD + 2)), whole(field(fields, CELLS_FIELD + 3))
    end = CELLS_FIELD + 4 + 3 * count
    cells = []
    for at in range(CELLS_FIELD + 4, min(end, len(fields)), 3):
        lac, cid = whole(field(fields, at)), whole(field(fields, at + 1))
        if mcc is not None and mnc is not None and lac is not None and cid is not None:
            cells.append(Cell(mcc, mnc, lac, cid))
    return tuple(cells), end


def read_wifi(fields: list[str], at: int) -> tuple[tuple[Wifi, ...], float | None]:
    """The access points, and the accuracy in metres that may stand behind them."""
    count = whole(field(fields, at)) or 0
    rest = ",".join(fields[at + 1 :])
    found = list(ACCESS_POINT.finditer(rest))[:count]
    wifi = tuple(Wifi(point[1].lower(), int(point[2])) for point in found)
    behind = rest[found[-1].end() + 1 :] if found else rest
    accuracy_m = decimal(field(behind.split(","), 0))
    return wifi, accuracy_m if accuracy_m and accuracy_m > 0 else None


def reply_of(header: re.Match[bytes], content: bytes) -> bytes | None:
    """The answer under the same maker, id and index: length as four hex digits."""
    kind = content.removesuffix(b"]").split(b",", 1)[0].decode("latin-1")
    answer = b"AL" if is_alarm(content) else ANSWERS.get(kind)
    if answer is None:
        return None
    index = header[3] + b"*" if header[3] else b""
    return b"[%b*%b*%b%04X*%b]" % (header[1], header[2], index, len(answer), answer)


def is_alarm(content: bytes) -> bool:
    """Does the type say alarm?"""
    return content.startswith(b"AL")
