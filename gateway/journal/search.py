"""Few records out of very many, without decoding the others: a start with a large journal, the story of one alarm.

Both read what a recovery found valid moments ago, so they look at frames and names only; what they hand out is checked
again. A stretch that has changed since is read record by record, as ``read_back`` reads it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway import _fastpath
from gateway.events import Event
from gateway.journal.disk import ReadableDisk
from gateway.journal.record import Record, read_range, read_record
from gateway.journal.recovery import Entry, Stretch, entry_of, within


@dataclass(frozen=True, slots=True)
class Forget:
    """What a replay may leave out: old records of alarms that ended long ago, and old records of no alarm."""

    ended_by: tuple[type[Event], ...]
    "Events after which an alarm needs nothing any more."
    before_us: int
    "Records written from then on (wall) are replayed in any case, and so is all of an alarm that had not ended by then."


def read_lasting(disk: ReadableDisk, stretches: Sequence[Stretch], forget: Forget, after_seq: int = 0) -> Iterator[Entry]:
    """The entries after ``after_seq`` that a replay needs, in order.

    Cost: two passes over the bytes without decoding (bench/stages/test_journal.py), then what is handed out.
    """
    names = frozenset(made.__name__.encode() for made in forget.ended_by)
    before_us = max(forget.before_us, 0)
    ended: set[bytes] = set()
    for stretch, data in _read(disk, stretches):
        _fastpath.ended_alarms(data, stretch.mark, names, before_us, ended)
    for stretch, data in _read(disk, stretches):
        offsets, reached = _fastpath.lasting_records(data, stretch.mark, ended, before_us)
        for record in _records(stretch, data, offsets, reached):
            if record.seq > after_seq:
                after_seq = record.seq
                yield entry_of(record, stretch.segment)


def read_naming(disk: ReadableDisk, stretches: Iterable[Stretch], text: str) -> Iterator[Entry]:
    """The entries in whose record ``text`` stands (an alarm's id), each after the entry just before it, in order."""
    last: tuple[Stretch, Record] | None = None
    after_seq = 0
    for stretch, data in _read(disk, stretches):
        offsets, last_offset, reached = _fastpath.records_naming(data, stretch.mark, text.encode(errors="surrogatepass"))
        if offsets and offsets[0] < 0:
            if last and last[1].seq > after_seq:
                after_seq = last[1].seq
                yield entry_of(last[1], last[0].segment)
            del offsets[0]
        for record in _records(stretch, data, offsets, reached):
            if record.seq > after_seq:
                after_seq = record.seq
                yield entry_of(record, stretch.segment)
        record_before = read_record(data, last_offset, stretch.mark, stretch.start) if last_offset >= 0 else None
        last = (stretch, record_before) if record_before else None


def _read(disk: ReadableDisk, stretches: Iterable[Stretch]) -> Iterator[tuple[Stretch, bytes]]:
    for stretch in stretches:
        try:
            yield stretch, disk.read(stretch.name, stretch.start, stretch.end - stretch.start)
        except OSError:
            continue


def _records(stretch: Stretch, data: bytes, offsets: Iterable[int], reached: int) -> Iterator[Record]:
    """The records at these offsets, and all that can be read behind the point where the walk ended too early."""
    for offset in offsets:
        record = read_record(data, offset, stretch.mark, stretch.start)
        if record:
            yield record
    if reached < len(data):
        yield from read_range(within(data, stretch.start), stretch.start + reached, stretch.end, stretch.mark)
