"""Reading a journal back, whatever has happened to it.

Damage never stops anything: what is readable before and after it is read, and what is not is said exactly, as a
``Loss``. Nothing is changed on the disk; a new segment continues the chain from where the last one can be believed.

    scan_file    one file's bytes -> its valid stretches, its seal, its holes
    recover      every file       -> order, links between segments, all losses, where to go on
    read_back    the stretches    -> entries
"""

import bisect
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gateway import _fastpath
from gateway.events import Event
from gateway.journal.bodies import UnknownEvent, event_of
from gateway.journal.disk import ReadableDisk
from gateway.journal.record import (
    FLAG_ENCRYPTED,
    HEADER_BYTES,
    NO_CHAIN,
    RECORD_MAGIC,
    SEAL_CLASS,
    Header,
    Record,
    Seal,
    mark_at,
    read_header,
    read_range,
    read_record,
    read_seal,
    unpack_body,
)

SEGMENT_NAME = re.compile(r"(\d{12,20})\.seg")
SEGMENT_BYTES_MAX = 1 << 28
"More is never read of one file: our own are a sixteenth of it at most."
STRETCH_BYTES = 1 << 16
"How far apart the points are from which reading can start."
SEQ_SKIP = 1 << 20
"Numbers left out after a stop without a seal: they may have been given to records that never reached the disk."


def segment_name(number: int) -> str:
    """The file of a segment."""
    return f"{number:012d}.seg"


class Position(NamedTuple):
    """Where a record stands."""

    segment: int
    offset: int


class Entry(NamedTuple):
    """A durable event."""

    seq: int
    at_us: int
    event: Event | UnknownEvent
    position: Position


class Stretch(NamedTuple):
    """Bytes in which one valid record follows the other."""

    first_seq: int
    name: str
    segment: int
    mark: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that is not as it was written."""

    kind: str
    "hole, tail, header, unborn, truncated, surplus, seal, missing, duplicate, misplaced, chain, foreign, unreadable"
    segment: int
    start: int
    end: int
    "Bytes of the segment; both 0 where no bytes are there."
    after_seq: int
    before_seq: int | None
    "Records lost, if any, have numbers between these two; None: nothing readable follows."
    detail: str

    def __str__(self) -> str:
        where = f"segment {self.segment}" + (f", bytes {self.start} to {self.end}" if self.end else "")
        until = f"and before {self.before_seq}" if self.before_seq is not None else "and nothing readable follows"
        numbers = "" if self.before_seq == self.after_seq + 1 else f" (records after {self.after_seq} {until})"
        return f"{self.kind}: {where}: {self.detail}{numbers}"


@dataclass(frozen=True, slots=True)
class Segment:
    """One file, as it was found."""

    name: str
    number: int
    bytes: int
    header: Header | None
    records: int
    first_seq: int
    "0 when it holds no record."
    last_seq: int
    "Of the segment before it when it holds no record."
    end: int
    "Where the last valid record ends."
    content_end: int
    "After it there are only zeros."
    seal: Seal | None
    stretches: tuple[Stretch, ...]
    losses: tuple[Loss, ...]
    cut: int | None = None
    "Where the segment after it says that this one stops to count."

    @property
    def is_unborn(self) -> bool:
        """No header, no record: it was never begun, or nothing of it is left. The next start removes it."""
        return self.header is None and not self.records and self.content_end <= HEADER_BYTES

    @property
    def counted_bytes(self) -> int:
        """What the chain will cover of it when another segment follows."""
        return self.seal.end if self.seal else min(self.end, self.bytes)


@dataclass(frozen=True, slots=True)
class Recovery:
    """A whole journal, as it was found."""

    segments: tuple[Segment, ...] = ()
    losses: tuple[Loss, ...] = ()
    unborn: tuple[str, ...] = ()
    "Files of segments that were never begun."
    last_seq: int = 0
    "The highest number that was found."
    next_seq: int = 1
    "The first number that was certainly never given out."
    next_segment: int = 1
    is_clean: bool = True
    "The last segment was sealed: the gateway was stopped, not killed."
    tail_cut_bytes: int = 0
    "Bytes after the last valid record of the last segment that are not believed: a write that was cut off."
    chain: bytes = NO_CHAIN
    "The chain value at the end of the last segment."

    @property
    def records(self) -> int:
        """How many were found."""
        return sum(segment.records for segment in self.segments)

    def with_losses(self, losses: tuple[Loss, ...]) -> "Recovery":
        """The same journal with only these losses."""
        return replace(self, losses=losses)

    @property
    def stretches(self) -> list[Stretch]:
        """All valid bytes in reading order."""
        return sorted(stretch for segment in self.segments for stretch in segment.stretches)


# ------------------------------------------------------------------------------------------------- one file


class _Scan:
    """The state of reading one file's bytes from front to back."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self.header = read_header(data)
        named = SEGMENT_NAME.fullmatch(name)
        self.number = self.header.segment if self.header else int(named[1]) if named else 0
        self.mark = self.header.mark if self.header else mark_at(data, HEADER_BYTES)
        self.content_end = len(data.rstrip(b"\0"))
        self.records = self.first_seq = 0
        self.last_seq = self.header.previous_last_seq if self.header else 0
        self.end = self.at = HEADER_BYTES
        self.seal: Seal | None = None
        self.stretches: list[Stretch] = []
        self.losses: list[Loss] = []

    def run(self) -> Segment:
        if self.header is None and self.content_end:
            self.lose("header", 0, HEADER_BYTES, self.last_seq + 1, "the header is unreadable; records are found by their own marks")
        while self.seal is None and self.at < len(self.data):
            self.take_valid()
            if self.at >= self.content_end or self.take_own():
                continue
            self.take_damage()
        if self.header and not self.seal and len(self.data) < self.header.segment_bytes:
            detail = f"the file has {len(self.data)} of its {self.header.segment_bytes} bytes and no seal"
            self.lose("truncated", len(self.data), self.header.segment_bytes, None, detail)
        return Segment(
            self.name, self.number, len(self.data), self.header, self.records, self.first_seq, self.last_seq, self.end,
            self.content_end, self.seal, tuple(self.stretches), tuple(self.losses),
        )  # fmt: skip

    def take_valid(self) -> None:
        """Step over valid records, a stretch at a time."""
        while True:
            start = self.at
            self.at, count, first, last = _fastpath.walk_records(self.data, start, start + STRETCH_BYTES, self.mark, self.last_seq)
            if not count:
                break
            self.stretches.append(Stretch(first, self.name, self.number, self.mark, start, self.at))
            self.first_seq = self.first_seq or first
            self.last_seq = last
            self.records += count
            self.end = self.at
        if self.at >= self.content_end:
            self.at = len(self.data)

    def take_own(self) -> bool:
        """Step over a record of the journal's own: the seal, or one of a newer version."""
        record = read_record(self.data, self.at, self.mark)
        if record is None or ord(record.urgency) != SEAL_CLASS:
            return False
        self.at = record.end
        self.seal = read_seal(record)
        if self.seal is None:
            return True
        if self.content_end > record.end:
            self.lose("surplus", record.end, self.content_end, self.last_seq + 1, "bytes after the seal")
        if self.seal.records != self.records and not self.losses:
            detail = f"the seal counts {self.seal.records} records, {self.records} are there"
            self.lose("seal", self.seal.offset, record.end, self.last_seq + 1, detail)
        return True

    def take_damage(self) -> None:
        """Find the next valid record; what lies between is lost."""
        start = self.at
        while (found := self.data.find(RECORD_MAGIC, self.at + 1)) >= 0:
            self.at = found
            record = read_record(self.data, found, self.mark)
            if record is None:
                continue
            # A seal has the number of the last record before it.
            seq = record.seq + (ord(record.urgency) == SEAL_CLASS)
            if seq > self.last_seq:
                self.mark = self.mark or mark_at(self.data, found)
                self.lose("hole", start, found, seq, f"{found - start} bytes hold no valid record")
                return
        self.lose("tail", start, self.content_end, None, f"{self.content_end - start} bytes at the end hold no valid record")
        self.at = len(self.data)

    def lose(self, kind: str, start: int, end: int, before_seq: int | None, detail: str) -> None:
        self.losses.append(Loss(kind, self.number, start, end, self.last_seq, before_seq, detail))


def scan_file(name: str, data: bytes) -> Segment:
    """What one file holds. Never raises for what it holds."""
    return _Scan(name, data).run()


def _read_file(disk: ReadableDisk, name: str) -> tuple[bytes, Loss | None]:
    """A file's bytes; where the disk cannot read them, zeros and a loss."""
    size = 0
    try:
        size = min(disk.size(name), SEGMENT_BYTES_MAX)
        return disk.read(name, 0, size), None
    except OSError as error:
        failure = error
    parts = []
    for offset in range(0, size, HEADER_BYTES):
        try:
            parts.append(disk.read(name, offset, min(HEADER_BYTES, size - offset)))
        except OSError:
            parts.append(bytes(min(HEADER_BYTES, size - offset)))
    number = int(name.partition(".")[0])
    return b"".join(parts), Loss("unreadable", number, 0, size, 0, None, f"the disk cannot read all of it: {failure.strerror or failure}")


# --------------------------------------------------------------------------------------------- all the files


def digest_of(disk: ReadableDisk, name: str, length: int) -> bytes:
    """The chain value of a segment at ``length``: SHA-256 of its first bytes."""
    digest = hashlib.sha256()
    for offset in range(0, length, 1 << 20):
        digest.update(disk.read(name, offset, min(1 << 20, length - offset)))
    return digest.digest()


def recover(disk: ReadableDisk, *, thorough: bool = False) -> Recovery:
    """Read the whole journal.

    ``thorough`` also hashes every sealed segment, which finds what was changed together with its checksum; a start
    checks every checksum and that the seals fit the headers after them.

    Cost: reading and CRC of every byte (bench/stages/test_journal.py); thorough: SHA-256 of every byte as well.
    """
    segments: list[Segment] = []
    losses: list[Loss] = []
    for name in filter(SEGMENT_NAME.fullmatch, disk.list()):
        data, loss = _read_file(disk, name)
        losses += [loss] if loss else []
        segments.append(scan_file(name, data))
    numbers = [int(name.partition(".")[0]) for name in (segment.name for segment in segments)] + [segment.number for segment in segments]
    segments, unborn = _in_order(segments, losses)
    segments = _linked(segments, losses, disk, thorough)
    losses += [loss for segment in segments for loss in segment.losses]
    losses.sort(key=lambda loss: (loss.segment, loss.start))
    recovery = Recovery(tuple(segments), tuple(losses), unborn, next_segment=max(numbers, default=0) + 1)
    return _with_end(recovery, disk)


def _in_order(segments: list[Segment], losses: list[Loss]) -> tuple[list[Segment], tuple[str, ...]]:
    """Each segment once, by number; files that claim a number twice or have another's name are reported."""
    by_number: dict[int, Segment] = {}
    unborn = []
    awaited = {segment.header.previous_segment for segment in segments if segment.header}
    for segment in segments:
        if segment.is_unborn and segment.number not in awaited:
            unborn.append(segment.name)
            losses.append(Loss("unborn", segment.number, 0, segment.bytes, 0, None, "no header and no record: never begun, or nothing is left of it"))
            continue
        if segment.name != segment_name(segment.number):
            losses.append(Loss("misplaced", segment.number, 0, 0, 0, 1, f"found in file {segment.name}"))
        other = by_number.get(segment.number)
        if other is None:
            by_number[segment.number] = segment
            continue
        kept, dropped = (segment, other) if segment.name == segment_name(segment.number) else (other, segment)
        by_number[segment.number] = kept
        losses.append(Loss("duplicate", kept.number, 0, 0, 0, 1, f"files {kept.name} and {dropped.name} both claim to be it; the first is read"))
    return [by_number[number] for number in sorted(by_number)], tuple(unborn)


def _linked(segments: list[Segment], losses: list[Loss], disk: ReadableDisk, thorough: bool) -> list[Segment]:
    """Segments with their cuts; gaps between them, broken links and strangers become losses."""
    fits = [_fits(before, after, disk, thorough) for before, after in zip(segments, segments[1:], strict=False)]
    kept: list[Segment] = []
    for index, segment in enumerate(segments):
        before = fits[index - 1] if index else None
        after = fits[index] if index < len(fits) else None
        strange_end = index == len(fits) and kept and segment.header and segment.header.first_seq <= kept[-1].last_seq
        # A link that does not fit is explained by damage on either side of it; only a sound segment can be a stranger.
        is_damaged = bool(segment.losses or (kept and kept[-1].losses))
        if before is False and (strange_end or (after is False and not is_damaged)):
            detail = "belongs to another journal: neither neighbour knows it; its records are left out"
            losses.append(Loss("foreign", segment.number, 0, 0, kept[-1].last_seq if kept else 0, None, detail))
            continue
        if kept and not kept[-1].records and segment.header and segment.header.previous_segment < kept[-1].number:
            # Begun, given up before its first record, removed, and back again after a power cut.
            kept.pop()
        _find_missing(kept[-1] if kept else None, segment, losses)
        if kept and (header := segment.header) and header.previous_segment == kept[-1].number:
            kept[-1] = _cut(kept[-1], header)
            if before is False and not kept[-1].losses:
                detail = f"its bytes are not those that segment {segment.number} was chained to, though every checksum is right"
                losses.append(Loss("chain", kept[-1].number, 0, header.previous_bytes, kept[-1].last_seq, kept[-1].last_seq + 1, detail))
        kept.append(segment)
    if thorough and kept:
        losses += _check_seal(kept[-1], disk)
    return kept


def _check_seal(last: Segment, disk: ReadableDisk) -> list[Loss]:
    """What the last segment's own seal says against its bytes; the others are checked by the header that follows."""
    if last.seal is None or last.losses or _digest_if_readable(disk, last.name, last.seal.offset) in (None, last.seal.chain):
        return []
    detail = "its bytes are not those that its seal was made of, though every checksum is right"
    return [Loss("chain", last.number, 0, last.seal.offset, last.last_seq, last.last_seq + 1, detail)]


def _fits(before: Segment, after: Segment, disk: ReadableDisk, thorough: bool) -> bool | None:
    """The segment ``after`` was chained to these bytes of ``before``; None when that cannot be known."""
    header = after.header
    if header is None or header.previous_segment != before.number:
        return None
    if before.seal and before.seal.end == header.previous_bytes and not thorough:
        return before.seal.last_seq == header.previous_last_seq
    found = _digest_if_readable(disk, before.name, header.previous_bytes)
    return found == header.chain if found else None


def _digest_if_readable(disk: ReadableDisk, name: str, length: int) -> bytes | None:
    try:
        return digest_of(disk, name, length)
    except OSError:
        return None


def _find_missing(before: Segment | None, after: Segment, losses: list[Loss]) -> None:
    previous, last_seq = (before.number, before.last_seq) if before else (0, 0)
    expected = after.header.previous_segment if after.header else after.number - 1
    before_seq = after.header.previous_last_seq + 1 if after.header else after.first_seq or None
    if expected > previous:
        which = f"{previous + 1}" if expected == previous + 1 else f"{previous + 1} to {expected}"
        losses.append(Loss("missing", previous + 1, 0, 0, last_seq, before_seq, f"no file for segment {which}"))
    elif expected < previous:
        detail = f"says that it follows segment {expected}, but segment {previous} is there"
        losses.append(Loss("misplaced", after.number, 0, 0, last_seq, last_seq + 1, detail))


def _cut(segment: Segment, header: Header) -> Segment:
    """``segment`` as ``header``, of the segment after it, says that it counts."""
    losses = [loss for loss in segment.losses if loss.start < header.previous_bytes or loss.kind == "surplus"]
    if segment.last_seq < header.previous_last_seq and not losses:
        detail = f"record {header.previous_last_seq} was there when segment {header.segment} was begun"
        start = min(segment.end, header.previous_bytes)
        losses.append(Loss("tail", segment.number, start, header.previous_bytes, segment.last_seq, header.previous_last_seq + 1, detail))
    seal = segment.seal if segment.seal and segment.seal.end <= header.previous_bytes else None
    return replace(segment, cut=header.previous_bytes, losses=tuple(losses), seal=seal)


def _with_end(recovery: Recovery, disk: ReadableDisk) -> Recovery:
    """The recovery with where to go on."""
    if not recovery.segments:
        return recovery
    last = recovery.segments[-1]
    last_seq = max(segment.last_seq for segment in recovery.segments)
    next_seq = max(last_seq + 1, *(segment.header.first_seq for segment in recovery.segments if segment.header), 1) + SEQ_SKIP
    if last.seal and last.seal.next_seq > last_seq and not last.losses and not recovery.unborn:
        next_seq = last.seal.next_seq
    chain = _digest_if_readable(disk, last.name, last.counted_bytes) or NO_CHAIN
    return replace(
        recovery, last_seq=last_seq, next_seq=next_seq, is_clean=last.seal is not None, chain=chain,
        tail_cut_bytes=0 if last.seal else max(0, last.content_end - last.end),
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------- reading


def entry_of(record: Record, segment: int) -> Entry:
    """The event in a record."""
    position = Position(segment, record.offset)
    if record.flags & FLAG_ENCRYPTED:
        event: Event | UnknownEvent = UnknownEvent("encrypted", {"t": "encrypted", "bytes": record.body}, f"under key {record.key_id}")
    else:
        event = event_of(unpack_body(record.body))
    return Entry(record.seq, record.at_us, event, position)


def read_records(disk: ReadableDisk, stretches: Iterable[Stretch], after_seq: int = 0) -> Iterator[tuple[int, Record]]:
    """(segment, record) for every record after ``after_seq``, in order, each once.

    A stretch that cannot be read any more is passed over: it was reported when the journal was recovered, or the next
    recovery will report it.
    """
    for stretch in stretches:
        try:
            data = disk.read(stretch.name, stretch.start, stretch.end - stretch.start)
        except OSError:
            continue
        for record in read_range(within(data, stretch.start), stretch.start, stretch.end, stretch.mark):
            if record.seq > after_seq:
                after_seq = record.seq
                yield stretch.segment, record


def within(data: bytes, base: int) -> Callable[[int, int], bytes]:
    """A ``read`` for ``read_range`` from bytes that begin at ``base`` of their file."""
    return lambda offset, length: data[offset - base : offset - base + length]


def read_back(disk: ReadableDisk, stretches: Iterable[Stretch], after_seq: int = 0) -> Iterator[Entry]:
    """The entries after ``after_seq``, in order, each once."""
    for segment, record in read_records(disk, stretches, after_seq):
        yield entry_of(record, segment)


def stretches_after(stretches: Sequence[Stretch], seq: int) -> Sequence[Stretch]:
    """The stretches in which records after ``seq`` can stand."""
    first = bisect.bisect_right(stretches, seq, key=lambda stretch: stretch.first_seq)
    return stretches[max(0, first - 1) :]
