"""The Watch protocol of 3G watches and many pendants ("SeTracker" family), over TCP: the reference decoder.

Paper: none is public; the dossier rests on public tests and issue threads about these watches. A frame is
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
from collections.abc import Iterator
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, NO_KIND, Cell, Fix, Frame, Kind, Report, Wifi
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings, refused
from gateway.protocols.octets import civil_us, full_year

NAME: Final = "watch"

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
ACCESS_POINT = re.compile(r"((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}),(-?[0-9]{1,3})(?=,|$)")
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

E7 = 10_000_000
NO_FRAME = -1


class Session:
    """One connection of a watch."""

    def __init__(self, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None) -> None:
        self.transport = transport
        self.settings = settings
        self.device: str | None = None
        self.skipped_bytes = 0
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer)

    def receive(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._buffer += data

    def frames(self, now_us: int) -> Iterator[Frame]:
        """Every frame that is complete by now; at most one oversized frame stays buffered."""
        while size := self._frame_bytes():
            raw = bytes(self._buffer[:size])
            del self._buffer[:size]
            yield self.read(raw, now_us)

    def read(self, raw: bytes, now_us: int) -> Frame:
        """One frame, from bracket to bracket."""
        header = HEADER.match(raw)
        if header is None:
            return refused(NAME, self.transport, raw, FrameError(Reason.FRAMING, 0, "no [MM*id*length* at the front"), self.device)
        self.device = header[2].decode()
        content = raw[header.end() :].rstrip()
        report = report_of(content.removesuffix(b"]"), int(header[4], 16), self.settings)
        fault = None
        if not content.endswith(b"]"):
            fault = FrameError(Reason.FRAMING, len(raw), "no ] at the end")
        elif len(content) > STUFFED_BYTES_MAX or unstuffed_bytes(content) > CONTENT_BYTES_MAX + 1:
            fault = FrameError(Reason.LENGTH, header.end(), f"content above {CONTENT_BYTES_MAX} bytes (voice and pictures are not read)")
        if fault:
            return refused(NAME, self.transport, raw, fault, self.device, report if report.kinds & LIFE else None)
        return Frame(NAME, self.transport, raw, self.device, (report,), reply_of(header, content))

    @staticmethod
    def is_whole(content: bytes, is_wrong: bool) -> bool:
        """What the compiled splitter asks for the rare frames whose length field is wrong."""
        return is_whole(content, is_wrong)

    def _frame_bytes(self) -> int:
        """Size of the frame at the head of the buffer, 0 if it is not complete; what belongs to no frame is skipped."""
        while self._buffer:
            size = frame_bytes(self._buffer)
            if size != NO_FRAME:
                return size
            start = self._buffer.find(b"[", 1)
            size = len(self._buffer) if start < 0 else start
            del self._buffer[:size]
            self.skipped_bytes += size
        return 0


# -------------------------------------------------------------------------------------------------- the splitter


def recognise(data: bytes) -> int:
    """How surely these first bytes are a watch: 90 with a whole header, 0 when they cannot be."""
    if HEADER.match(data):
        return 90
    return 20 if PARTIAL_HEADER.fullmatch(data) else 0


def frame_bytes(buffer: bytearray) -> int:
    """Size of the frame at the front; 0 when more bytes must tell, ``NO_FRAME`` when none starts here.

    The length field is believed up to the guard, when a bracket stands where it says and no other frame starts before.
    Else the frame ends where the next one starts, or at the last bracket received, unless Wi-Fi names are still to come.
    """
    header = HEADER.match(buffer)
    if header is None:
        is_short = buffer[:1] == b"[" and len(buffer) < HEADER_BYTES_MAX and buffer.find(b"[", 1) < 0
        return 0 if is_short else NO_FRAME
    start, stop = header.end(), header.end() + STUFFED_BYTES_MAX + 1
    size = int(header[4], 16)
    end = content_end(buffer, start, size) if size <= CONTENT_BYTES_MAX else len(buffer) + 1
    following = NEXT_FRAME.search(buffer, start, stop + HEADER_BYTES_MAX)
    if buffer[end : end + 1] == b"]" and (following is None or end <= following.start()):
        return end + 1
    if following is not None and following.start() < stop:
        return following.start() + 1
    last = LAST_BRACKET.search(buffer, max(start, len(buffer) - 8))
    if last is not None and last.start() < stop and end != len(buffer):
        is_wrong = size > CONTENT_BYTES_MAX or end < len(buffer)
        if is_whole(bytes(buffer[start : last.start()]), is_wrong):
            return last.start() + 1
    return 0 if len(buffer) < stop else NO_FRAME


def content_end(buffer: bytearray, start: int, size: int) -> int:
    """Where content of ``size`` unstuffed bytes ends; beyond the buffer when it does not hold that many."""
    end = start + size
    for pair in STUFFED.finditer(buffer, start):
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
    promised = whole_number(fields, wifi_at) or 0
    return len(ACCESS_POINT.findall(",".join(fields[wifi_at + 1 :]))) >= promised


# ---------------------------------------------------------------------------------------------------- the content


def report_of(content: bytes, size: int, settings: DeviceSettings) -> Report:
    """What a frame's content says. Never refuses: a field that cannot be read is named in ``unread``."""
    fields = content.decode("latin-1").split(",")
    kind, unread = fields[0], []
    if unstuffed_bytes(content) != size:
        unread.append("length field wrong")
    if kind.startswith(POSITION_TYPES):
        return position_of(fields, settings, unread)
    if kind == "INIT":
        return Report(Kind.LOGIN, unread=tuple(unread))
    return Report(Kind.HEARTBEAT, battery_percent=percent(fields, 3) if kind == "LK" else None, unread=tuple(unread))


def position_of(fields: list[str], settings: DeviceSettings, unread: list[str]) -> Report:
    """A position, live, stored or with an alarm.

    type, ddmmyy, hhmmss, A or V, latitude, N or S, longitude, E or W, km/h, course, altitude, satellites,
    signal, battery percent, steps, rolls, status, cells, access points, accuracy.
    """
    status = status_of(fields)
    if status is None:
        unread.append("status")
    elif status & ~KNOWN_BITS:
        unread.append(f"status bits {status & ~KNOWN_BITS:08x}")
    kinds = kinds_of(status or 0)
    if fields[0].startswith("AL") and not (status or 0) & ALARM_BITS:
        kinds |= Kind.GENERAL
    at_us = time_of(fields, settings.clock_offset_s or 0)
    if at_us is None:
        unread.append("time")
    cells, wifi_at = read_cells(fields)
    wifi, accuracy_m = read_wifi(fields, wifi_at)
    fix = fix_of(fields, at_us, accuracy_m)
    return Report(
        kinds or (Kind.POSITION if fix or cells or wifi else Kind.HEARTBEAT), fix, at_us,
        battery_percent=percent(fields, 13), stored=fields[0][2:3] in ("2", "3") and fields[0].startswith("UD"),
        cells=cells, wifi=wifi, unread=tuple(unread),
    )  # fmt: skip


def kinds_of(status: int) -> Kind:
    """Every alarm and state in the status word. Bits are active high."""
    kinds = NO_KIND
    for bit, kind in STATUS_BITS:
        if status >> bit & 1:
            kinds |= kind
    return kinds


def fix_of(fields: list[str], at_us: int | None, accuracy_m: float | None) -> Fix | None:
    """The position; 0, 0 never is one. A hemisphere letter outranks a sign."""
    lat, lon = decimal(fields, 4), decimal(fields, 6)
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180 or not (lat or lon):
        return None
    lat = signed_by(text(fields, 5), lat, "N", "S")
    lon = signed_by(text(fields, 7), lon, "E", "W")
    speed_kmh, course_deg = decimal(fields, 8), decimal(fields, 9)
    return Fix(
        round(lat * E7), round(lon * E7), at_us, text(fields, 3) == "A", "gnss", accuracy_m, decimal(fields, 10),
        speed_kmh if speed_kmh is not None and speed_kmh >= 0 else None,
        course_deg if course_deg is not None and 0 <= course_deg <= 360 else None,
        whole_number(fields, 11),
    )  # fmt: skip


def signed_by(letter: str, value: float, positive: str, negative: str) -> float:
    """The value with the sign that its hemisphere letter gives; as it stands when there is no letter."""
    return abs(value) if letter == positive else -abs(value) if letter == negative else value


def time_of(fields: list[str], offset_s: int) -> int | None:
    """ddmmyy and hhmmss as UTC; years 00 to 69 are 20yy, 80 to 99 are 19yy, others cannot be told."""
    stamp = text(fields, 1) + text(fields, 2)
    if len(stamp) != 12 or not stamp.isascii() or not stamp.isdigit():
        return None
    day, month, year, hour, minute, second = (int(stamp[at : at + 2]) for at in range(0, 12, 2))
    full = full_year(year)
    at_us = None if full is None else civil_us(full, month, day, hour, minute, second)
    return None if at_us is None else at_us - offset_s * 1_000_000


def status_of(fields: list[str]) -> int | None:
    """The status word: up to eight hex digits."""
    word = text(fields, STATUS_FIELD)
    return int(word, 16) if re.fullmatch("[0-9A-Fa-f]{1,8}", word) else None


def read_cells(fields: list[str]) -> tuple[tuple[Cell, ...], int]:
    """The cells, and the field where the access points begin.

    Count, then (unless it is 0) timing advance, MCC, MNC and count times LAC, CID, signal. The signal's unit is not known.
    """
    count = whole_number(fields, CELLS_FIELD) or 0
    if not count:
        return (), CELLS_FIELD + 1
    mcc, mnc = whole_number(fields, CELLS_FIELD + 2), whole_number(fields, CELLS_FIELD + 3)
    end = CELLS_FIELD + 4 + 3 * count
    cells = []
    for at in range(CELLS_FIELD + 4, min(end, len(fields)), 3):
        lac, cid = whole_number(fields, at), whole_number(fields, at + 1)
        if mcc is not None and mnc is not None and lac is not None and cid is not None:
            cells.append(Cell(mcc, mnc, lac, cid))
    return tuple(cells), end


def read_wifi(fields: list[str], at: int) -> tuple[tuple[Wifi, ...], float | None]:
    """The access points, and the accuracy in metres that may stand behind them."""
    count = whole_number(fields, at) or 0
    rest = ",".join(fields[at + 1 :])
    found = list(ACCESS_POINT.finditer(rest))[:count]
    wifi = tuple(Wifi(point[1].lower(), int(point[2])) for point in found)
    behind = rest[found[-1].end() + 1 :] if found else rest
    accuracy_m = decimal(behind.split(","), 0)
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


# ----------------------------------------------------------------------------------------------------- the fields


def text(fields: list[str], at: int) -> str:
    """A field without blanks around it; empty when it is not there."""
    return fields[at].strip() if at < len(fields) else ""


def decimal(fields: list[str], at: int) -> float | None:
    """A decimal number."""
    word = text(fields, at)
    return float(word) if re.fullmatch(r"[+-]?[0-9]{1,10}(\.[0-9]{0,10})?", word) else None


def whole_number(fields: list[str], at: int) -> int | None:
    """A number without sign."""
    word = text(fields, at)
    return int(word) if re.fullmatch("[0-9]{1,10}", word) else None


def percent(fields: list[str], at: int) -> float | None:
    """A number from 0 to 100."""
    value = whole_number(fields, at)
    return float(value) if value is not None and value <= 100 else None
