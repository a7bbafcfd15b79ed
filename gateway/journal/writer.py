"""Groups -> segments on a disk that may fail.

    begin    create, write the header, sync the file, sync the folder; only then use it
    write    append a group, sync once, look that the file is still there
    seal     the footer; the space behind it is given back
    abandon  after any failure the file is never believed again: what it had not synced is written to a new one

A full disk: the reserve is released for classes A and B, files become smaller. When that is used up, or the disk is
broken, ``commit`` raises ``JournalError`` at once; what it could not write stays in memory and is written first when
the disk comes back, which ``tend`` finds out by itself.

No thread, no clock and no Trio here: every method is awaited by whoever owns the disk.
"""

import contextlib
import enum
import errno
import hashlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from gateway.errors import JournalError
from gateway.journal.disk import Disk
from gateway.journal.groups import URGENT, Draft
from gateway.journal.options import JournalOptions
from gateway.journal.record import HEADER_BYTES, Header, note_of, pack_record, pack_seal
from gateway.journal.recovery import STRETCH_BYTES, Entry, Position, Recovery, Stretch, segment_name
from gateway.model import Instant, Urgency

RESERVE = "reserve"
"The file that keeps space back for alarms."
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
ATTEMPTS_MAX = 4
"The file in use; a new one; one from the reserve; the smallest one."
RETRY_MIN_US, RETRY_MAX_US = 50_000, 2_000_000
"Back-off while the disk is broken; space that returns is used within two seconds."
PRESENCE_US = 5_000_000
"How often a quiet journal looks whether its folder is still there."
SEAL_BYTES_MAX = 256
SMALLEST_BYTES = 1 << 18
UNSAVED_BYTES_MAX = 1 << 26
"What may wait in memory for a broken disk to come back; class B may have half of it."


T = TypeVar("T")


class State(enum.StrEnum):
    """How the disk is."""

    OK = "ok"
    RESERVE = "reserve"
    "Full: only classes A and B are written, in the space that was kept back for them."
    BROKEN = "broken"
    "Nothing can be written."


class Head(NamedTuple):
    """Where the durable journal ends: a statement that can be checked for as long as the segment exists."""

    segment: int
    length: int
    last_seq: int
    chain: bytes
    "SHA-256 of the first ``length`` bytes of the segment."


@dataclass(frozen=True, slots=True)
class Committed:
    """What has become durable, in order; older drafts that a broken disk had kept waiting come first."""

    entries: tuple[Entry, ...]
    counts: dict[Urgency, int]
    "Of the entries, by class."
    stretches: tuple[Stretch, ...]
    head: Head


@dataclass(slots=True)
class _Open:
    """The segment in use."""

    header: Header
    name: str
    offset: int = HEADER_BYTES
    "End of what is synced."
    records: int = 0
    last_seq: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    "Of everything before ``offset``."


class Writer:
    """Owns every file of the journal's folder."""

    def __init__(self, disk: Disk, folder: Path, owner: str, version: str, options: JournalOptions, recovery: Recovery) -> None:
        self._disk = disk
        self._folder = folder
        self._owner = owner
        self._version = version
        self._reserve_bytes = options.reserve_mib << 20
        self._sizes = _sizes(options)
        self._size_at = 0
        self._recovery = recovery
        self._end = _head_of(recovery)
        self._next_segment = recovery.next_segment
        self._open: _Open | None = None
        self._unsaved: deque[Draft] = deque()
        self._unsaved_bytes = 0
        self._has_reserve = False
        self._note = _note_of(recovery)
        self._retry_wait_us = RETRY_MIN_US
        self._next_look_us = self._looked_us = 0
        self.state = State.OK
        self.unsaved_dropped = 0
        "Records of a broken disk's time that found no room in memory either."
        self.syncs = 0
        self.failures = 0
        self.last_error: str | None = None

    # ------------------------------------------------------------------------------------------- as the shell sees it

    def accepts(self, urgency: Urgency) -> bool:
        """False: records of this class are not written at the moment."""
        return self.state is State.OK or urgency in URGENT

    @property
    def unsaved(self) -> int:
        """Records that wait in memory for the disk to come back."""
        return len(self._unsaved)

    @property
    def head(self) -> Head:
        """Where the durable journal ends. For whoever awaits the writer; others read ``Committed.head``."""
        return self._head_now()

    def next_deadline_us(self) -> int:
        """When (monotonic) ``tend`` wants to be called."""
        if self.state is State.RESERVE:
            return min(self._next_look_us, self._looked_us + RETRY_MAX_US)
        return self._next_look_us

    async def start(self, now: Instant) -> None:
        """Begin a segment and clear up behind the last run. A disk that fails here leaves the journal broken, not closed."""
        try:
            await self._insist(lambda: self._begin(self._recovery.next_seq, now, 0))
            with contextlib.suppress(OSError):
                await self._clear_up()
        except OSError:
            self._break(now)
        await self._make_reserve()
        self._look_later(now)

    async def commit(self, drafts: Sequence[Draft], now: Instant) -> Committed:
        """Make the drafts durable, in order.

        Raises: JournalError: they are not durable. Those of class A and B are kept and written when the disk is back.
        """
        if self.state is State.BROKEN and now.mono_us < self._next_look_us:
            self._keep(drafts)
            raise JournalError(f"the journal cannot be written: {self.last_error}")
        everything = [*self._unsaved, *drafts]
        try:
            return await self._write_somewhere(everything, now)
        except OSError as error:
            self._keep(drafts)
            self._break(now)
            raise JournalError(f"the journal cannot be written: {self.last_error}") from error

    async def tend(self, now: Instant) -> Committed | None:
        """What must be done from time to time: look for the folder, try a broken disk again, rebuild the reserve."""
        committed = None
        if self.state is State.BROKEN or self._is_gone():
            try:
                committed = await self._come_back(now)
            except OSError:
                self._break(now)
                return None
        if self.state is not State.OK or not self._has_reserve:
            await self._make_reserve()
        self._look_later(now)
        return committed

    async def close(self, now: Instant, next_seq: int) -> Committed | None:
        """Write what is left and seal. What cannot be written is lost, and its waiters have been told so long ago."""
        committed = None
        with contextlib.suppress(OSError):
            if self._unsaved:
                committed = await self._write_somewhere(list(self._unsaved), now)
            if self._open:
                await self._seal(now, next_seq)
        return committed

    # ------------------------------------------------------------------------------------------------------- writing

    async def _write_somewhere(self, drafts: Sequence[Draft], now: Instant) -> Committed:
        committed = await self._insist(lambda: self._write(drafts, now))
        self._unsaved.clear()
        self._unsaved_bytes = 0
        self._recovered()
        return committed

    async def _insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try with the file in use, a new one, the reserve, a small one. Raises the last ``OSError`` when nothing holds."""
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                return await attempt()
            except OSError as error:
                self._failed(error)
                await self._make_room(error)
        try:
            return await attempt()
        except OSError as error:
            self._failed(error)
            raise

    async def _write(self, drafts: Sequence[Draft], now: Instant) -> Committed:
        size = sum(draft.size for draft in drafts)
        if self._open and self._open.offset + size + SEAL_BYTES_MAX > self._open.header.segment_bytes:
            await self._seal(now)
        segment = self._open or await self._begin(drafts[0].seq, now, size)
        start = segment.offset
        mark = segment.header.mark
        data = b"".join(pack_record(draft.seq, draft.at_us, draft.urgency, draft.body, mark) for draft in drafts)
        await self._append(segment, data, records=len(drafts), last_seq=drafts[-1].seq)
        entries = tuple(_entries(drafts, segment.header.segment, start))
        return Committed(entries, Counter(draft.urgency for draft in drafts), tuple(_stretches(drafts, segment, start)), self._head_now())

    async def _append(self, segment: _Open, data: bytes, *, records: int, last_seq: int) -> None:
        """One write, one sync; only then is the segment longer. Raises ``OSError``: none of it is to be believed."""
        await self._disk.append(segment.name, segment.offset, data)
        await self._disk.sync(segment.name)
        self.syncs += 1
        if not self._disk.is_present(segment.name):
            raise FileNotFoundError(errno.ENOENT, "the folder no longer shows the file", segment.name)
        segment.digest.update(data)
        segment.offset += len(data)
        segment.records += records
        segment.last_seq = last_seq

    async def _begin(self, first_seq: int, now: Instant, size: int) -> _Open:
        """A new segment, durable with its header and its name, that continues the chain."""
        end = self._end
        number, self._next_segment = self._next_segment, self._next_segment + 1
        segment_bytes = max(self._sizes[self._size_at], HEADER_BYTES + size + SEAL_BYTES_MAX)
        header = Header(
            number, first_seq, max(now.wall_us, 0), segment_bytes, end.segment, end.length, end.last_seq, end.chain, self._version, self._note
        )
        segment = _Open(header, segment_name(number), last_seq=end.last_seq)
        page = header.pack()
        try:
            await self._create(segment.name, segment_bytes)
            await self._disk.append(segment.name, 0, page)
            await self._disk.sync(segment.name)
            await self._disk.sync_folder()
        except OSError:
            self._disk.close(segment.name)
            with contextlib.suppress(OSError):
                await self._disk.remove(segment.name)
            raise
        self.syncs += 1
        segment.digest.update(page)
        self._open = segment
        self._note = ""
        return segment

    async def _seal(self, now: Instant, next_seq: int = 0) -> None:
        """End the segment in order; ``next_seq`` only when nothing comes after it in this run."""
        segment = self._open
        assert segment is not None
        seal = pack_seal(segment.records, segment.last_seq, next_seq, segment.digest.digest(), now.wall_us, segment.header.mark)
        await self._append(segment, seal, records=0, last_seq=segment.last_seq)
        self._leave()
        with contextlib.suppress(OSError):
            await self._disk.truncate(segment.name, segment.offset)
        self._disk.close(segment.name)

    def _leave(self) -> None:
        """The segment in use is no longer; the next one continues where it was last believed."""
        self._end = self._head_now()
        self._open = None

    def _head_now(self) -> Head:
        segment = self._open
        if segment is None:
            return self._end
        return Head(segment.header.segment, segment.offset, segment.last_seq, segment.digest.digest())

    # ------------------------------------------------------------------------------------------------------- failing

    def _failed(self, error: OSError) -> None:
        """Count the failure and never believe the file again: it is closed, and never synced another time."""
        self.failures += 1
        self._say(error)
        if self._open:
            name = self._open.name
            self._leave()
            self._disk.close(name)

    async def _make_room(self, error: OSError) -> None:
        """Whatever helps the next attempt: the reserve and smaller files for a full disk, the folder when it is gone."""
        if error.errno in NO_SPACE:
            self._size_at = min(self._size_at + 1, len(self._sizes) - 1)
            self.state = State.RESERVE if self.state is State.OK else self.state
            self._has_reserve = False
            with contextlib.suppress(OSError):
                await self._disk.remove(RESERVE)
        elif isinstance(error, FileNotFoundError):
            self._has_reserve = False
            with contextlib.suppress(OSError, JournalError):
                await self._disk.lock(self._folder, self._owner)

    def _break(self, now: Instant) -> None:
        if self.state is not State.BROKEN:
            self.state = State.BROKEN
            self._retry_wait_us = RETRY_MIN_US
        self._next_look_us = now.mono_us + self._retry_wait_us
        self._retry_wait_us = min(2 * self._retry_wait_us, RETRY_MAX_US)

    def _recovered(self) -> None:
        """Something was written: the disk is not broken any more, though it may be full."""
        if self.state is State.BROKEN:
            self.state = State.OK if self._has_reserve or not self._reserve_bytes else State.RESERVE

    def _keep(self, drafts: Iterable[Draft]) -> None:
        """Hold classes A and B in memory for a disk that comes back; what finds no room is counted."""
        for draft in drafts:
            room = UNSAVED_BYTES_MAX if draft.urgency is Urgency.A else UNSAVED_BYTES_MAX // 2
            if draft.urgency not in URGENT:
                continue
            if self._unsaved_bytes + draft.size > room:
                self.unsaved_dropped += 1
                continue
            self._unsaved.append(draft)
            self._unsaved_bytes += draft.size

    def _is_gone(self) -> bool:
        return self._open is not None and not self._disk.is_present(self._open.name)

    async def _come_back(self, now: Instant) -> Committed | None:
        """Try the disk again: with what waits in memory, else with an empty segment."""
        if self._unsaved:
            return await self._write_somewhere(list(self._unsaved), now)
        if self._is_gone():
            error = FileNotFoundError(errno.ENOENT, "the journal's folder was taken away")
            self._failed(error)
            await self._make_room(error)
        if self._open is None:
            await self._insist(lambda: self._begin(self._end.last_seq + 1, now, 0))
        self._recovered()
        return None

    async def _make_reserve(self) -> None:
        """Set the reserve aside when there is room for it and for two segments more; else stay with what there is."""
        if not self._reserve_bytes or self._has_reserve:
            return
        try:
            is_there = RESERVE in self._disk.list() and self._disk.size(RESERVE) == self._reserve_bytes
            needed = 2 * self._sizes[0] + (0 if is_there else self._reserve_bytes)
            if (self.state is State.RESERVE or not is_there) and self._disk.free_bytes() < needed:
                raise OSError(errno.ENOSPC, "no room for the reserve")
            if not is_there:
                await self._disk.remove(RESERVE)
                await self._create(RESERVE, self._reserve_bytes)
                self._disk.close(RESERVE)
        except OSError as error:
            self._say(error)
            self.state = State.RESERVE if self.state is State.OK else self.state
            return
        self._has_reserve = True
        self._size_at = 0
        self.state = State.OK if self.state is State.RESERVE else self.state

    async def _create(self, name: str, size: int) -> None:
        """A new file, or none at all."""
        try:
            await self._disk.create(name, size)
        except OSError:
            self._disk.close(name)
            with contextlib.suppress(OSError):
                await self._disk.remove(name)
            raise

    def _say(self, error: OSError) -> None:
        self.last_error = f"{error.strerror or error} ({errno.errorcode.get(error.errno or 0, 'no code')})"

    def _look_later(self, now: Instant) -> None:
        self._looked_us = now.mono_us
        self._next_look_us = now.mono_us + PRESENCE_US

    async def _clear_up(self) -> None:
        """Give back what the last run left unused: segments never begun, zeros behind the last one. Other bytes stay."""
        for name in self._recovery.unborn:
            await self._disk.remove(name)
        last = self._recovery.segments[-1] if self._recovery.segments else None
        if last and last.bytes > max(last.content_end, last.counted_bytes):
            await self._disk.truncate(last.name, max(last.content_end, last.counted_bytes))


def _entries(drafts: Iterable[Draft], segment: int, offset: int) -> Iterable[Entry]:
    for draft in drafts:
        yield Entry(draft.seq, draft.at_us, draft.event, Position(segment, offset))
        offset += draft.size


def _stretches(drafts: Iterable[Draft], segment: _Open, start: int) -> Iterable[Stretch]:
    """The drafts' bytes, in pieces from which reading can start."""
    mark = segment.header.mark
    first_seq, end = 0, start
    for draft in drafts:
        if end - start >= STRETCH_BYTES:
            yield Stretch(first_seq, segment.name, segment.header.segment, mark, start, end)
            first_seq, start = 0, end
        first_seq = first_seq or draft.seq
        end += draft.size
    yield Stretch(first_seq, segment.name, segment.header.segment, mark, start, end)


def _sizes(options: JournalOptions) -> tuple[int, ...]:
    """Sizes of new segments: the usual one, one for the reserve, the smallest."""
    usual = max(options.segment_kib << 10, HEADER_BYTES + SEAL_BYTES_MAX)
    reserved = max((options.reserve_mib << 20) // 8, SMALLEST_BYTES)
    return usual, min(usual, reserved), min(usual, SMALLEST_BYTES)


def _head_of(recovery: Recovery) -> Head:
    last = recovery.segments[-1] if recovery.segments else None
    return Head(last.number, last.counted_bytes, recovery.last_seq, recovery.chain) if last else Head(0, 0, 0, recovery.chain)


def _note_of(recovery: Recovery) -> str:
    """What the first header of this run says about the journal before it."""
    if not recovery.losses and not recovery.tail_cut_bytes:
        return ""
    return note_of({"tail_cut_bytes": recovery.tail_cut_bytes, "lost": [str(loss) for loss in recovery.losses]})
