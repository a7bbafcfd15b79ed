"""The journal's door to the world: the writer that Trio and the disk share.

    Trio                                 the writer (its own thread; a Trio task on a simulated disk)
    append_nowait -> Groups ------------> take a group, write it, sync it
    Durable.wait  <- _publish <---------- one wake-up for the whole group

The thread holds no record of its own: what is queued stands in ``Groups``, what is on the disk in ``Writer``. Both
sides meet under one lock, held for microseconds.
"""

import contextlib
import json
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import trio

from gateway import __version__
from gateway.clock import Clock
from gateway.errors import JournalError
from gateway.events import Event
from gateway.journal.bodies import body_of
from gateway.journal.disk import Disk
from gateway.journal.groups import Batch, Groups
from gateway.journal.options import JournalOptions
from gateway.journal.record import BODY_BYTES_MAX, pack_body
from gateway.journal.recovery import STRETCH_BYTES, Entry, Recovery, Stretch, read_back, recover, stretches_after
from gateway.journal.search import Forget, read_lasting
from gateway.journal.writer import Committed, Writer
from gateway.model import Instant, Urgency

log = logging.getLogger("gateway.journal")
T = TypeVar("T")

STOP_S = 4.0
"How long a stop waits for the disk; a gateway that is told to stop is gone within five seconds (R-15)."


# ------------------------------------------------------------------------------------------------ the journal


class Durable:
    """The promise that one append becomes durable."""

    __slots__ = ("_callbacks", "_error", "_event", "is_done", "seq")

    def __init__(self) -> None:
        self.seq = 0
        "Number of the last of its events."
        self.is_done = False
        self._error: JournalError | None = None
        self._event: trio.Event | None = None
        self._callbacks: list[Callable[[JournalError | None], None]] = []

    @property
    def error(self) -> JournalError | None:
        """Why it did not become durable; None while that is open, and when it did."""
        return self._error

    async def wait(self) -> None:
        """Return when a sync covers it. Cancelling leaves the records on their way.

        Raises: JournalError: they are not durable. Classes A and B are kept and written when the disk is back.
        """
        if not self.is_done:
            if self._event is None:
                self._event = trio.Event()
            await self._event.wait()
        else:
            await trio.lowlevel.checkpoint()
        if self._error:
            raise JournalError(str(self._error)) from self._error

    def add_done(self, callback: Callable[[JournalError | None], None]) -> None:
        """Call ``callback`` in the Trio thread when the fate is known: at once if it is. It must not raise."""
        if self.is_done:
            callback(self._error)
        else:
            self._callbacks.append(callback)

    def settle(self, error: JournalError | None) -> None:
        """For the journal alone; only the first call counts."""
        if self.is_done:
            return
        self.is_done, self._error = True, error
        if self._event is not None:
            self._event.set()
        for callback in self._callbacks:
            try:
                callback(error)
            except Exception:  # bulkhead: one waiter's mistake is not the other waiters' silence
                log.exception("durable.callback_failed seq=%d", self.seq)
        self._callbacks.clear()


@dataclass(frozen=True, slots=True)
class JournalStatistics:
    """What the journal can say about itself."""

    state: str
    "ok, reserve, broken"
    next_seq: int
    durable_seq: int
    segment: int
    segment_bytes: int
    "Durable bytes of the segment in use."
    chain: str
    "Chain value there, hex: with ``segment`` and ``segment_bytes`` a statement that can be checked later."
    queue_records: int
    queue_bytes: int
    queue_records_peak: int
    oldest_wait_us: int
    "How long the oldest record whose fate is open has been waiting."
    records: dict[str, int]
    "Durable, by class."
    refused: dict[str, int]
    "By class: the queue or the disk was full."
    failed: dict[str, int]
    "By class: told to their waiters as not durable."
    groups: int
    syncs: int
    commit_us_last: int
    "How long the last group took to write and sync."
    commit_us_max: int
    failures: int
    "Errors of the disk."
    unsaved: int
    "Records in memory that a broken disk could not take; written when it is back."
    unsaved_dropped: int
    last_error: str | None


class Journal:
    """The record of everything. Made by ``open_journal``; all methods are for the Trio thread."""

    def __init__(self, disk: Disk, clock: Clock, options: JournalOptions, recovery: Recovery, writer: Writer) -> None:
        self.recovered = recovery
        self._disk = disk
        self._clock = clock
        self._writer = writer
        self._head = writer.head
        self._groups = Groups(options, recovery.next_seq)
        self._guard = threading.Condition()
        self._wake_task = trio.Event()
        self._drainers = 0
        self._is_stopping = False
        self._is_closed = False
        self._is_given_up = False
        self._in_hand: list[Batch] = []
        "The group that is being written."
        self._idle_since_us = -(1 << 62)
        self._stretches: list[Stretch] = recovery.stretches
        self._ring: deque[Entry] = deque(maxlen=max(1, options.ring_records))
        self._ring_after = recovery.last_seq
        "The ring holds every durable entry after this number."
        self._durable_seq = recovery.last_seq
        self._news = trio.Event()
        self._settled = trio.Event()
        self._open_batches = 0
        self._records = dict.fromkeys(Urgency, 0)
        self._refused = dict.fromkeys(Urgency, 0)
        self._failed = dict.fromkeys(Urgency, 0)
        self._group_count = 0
        self._commit_us_last = self._commit_us_max = 0

    # ---------------------------------------------------------------------------------------------------- writing

    def append_nowait(self, events: Sequence[Event], now: Instant, urgency: Urgency) -> Durable:
        """Number the events and send them on their way; never blocks.

        Classes A and B are never refused for want of room. The events become durable together.

        Raises: JournalError: class C, D or E while the queue or the disk is full; an event larger than a record may
            be; the journal is closed. Nothing was appended.
        """
        durable = Durable()
        if not events:
            durable.seq = self._groups.next_seq - 1
            durable.settle(None)
            return durable
        if self._is_closed:
            raise JournalError("the journal is closed")
        if not self._writer.accepts(urgency):
            self._refused[urgency] += len(events)
            raise JournalError(f"the disk is {self._writer.state.value}: {self._writer.last_error}; class {urgency.value} is not written now")
        bodies = [pack_body(body_of(event)) for event in events]
        for event, body in zip(events, bodies, strict=True):
            if len(body) > BODY_BYTES_MAX:
                raise JournalError(f"{type(event).__name__} has {len(body)} bytes; a record holds at most {BODY_BYTES_MAX}")
        try:
            with self._guard:
                batch = self._groups.add(events, bodies, now, urgency, durable.settle)
                self._guard.notify()
        except JournalError:
            self._refused[urgency] += len(events)
            raise
        durable.seq = batch.drafts[-1].seq
        self._open_batches += 1
        self._wake_task.set()
        return durable

    async def drain(self) -> None:
        """Return when the fate of everything that was appended so far, and since, is known."""
        self._drainers += 1
        try:
            await trio.lowlevel.checkpoint()
            while self._open_batches:
                self._wake()
                await self._settled.wait()
        finally:
            self._drainers -= 1

    # ---------------------------------------------------------------------------------------------------- reading

    @property
    def durable_seq(self) -> int:
        """Number of the newest durable entry."""
        return self._durable_seq

    def replay(self, after_seq: int = 0, *, forget: Forget | None = None) -> Iterator[Entry]:
        """What the recovery found, oldest first. Blocks while it reads: for the start, before anything is served.

        ``forget``: leave out what ended long ago; a start with a year's journal then takes seconds, not minutes.
        """
        stretches = self.recovered.stretches
        return read_lasting(self._disk, stretches, forget, after_seq) if forget else read_back(self._disk, stretches, after_seq)

    def entries_since(self, seq: int, limit: int = 256) -> list[Entry]:
        """The next durable entries after ``seq``, at most ``limit``; from memory where they are new, else from the files."""
        if seq < self._ring_after:
            return list(islice(read_back(self._disk, stretches_after(self._stretches, seq), seq), limit))
        newer: deque[Entry] = deque(maxlen=limit)
        for entry in reversed(self._ring):
            if entry.seq <= seq:
                break
            newer.appendleft(entry)
        return list(newer)

    async def wait_new(self, seq: int) -> int:
        """Return the newest durable number when it is beyond ``seq``."""
        await trio.lowlevel.checkpoint()
        while self._durable_seq <= seq:
            await self._news.wait()
        return self._durable_seq

    def statistics(self) -> JournalStatistics:
        """Where the journal stands."""
        with self._guard:
            oldest_us = self._in_hand[0].since_mono_us if self._in_hand else self._groups.oldest_mono_us()
            records, size, peak = self._groups.records, self._groups.bytes, self._groups.records_peak
        head = self._head
        return JournalStatistics(
            self._writer.state.value, self._groups.next_seq, self._durable_seq, head.segment, head.length, head.chain.hex(), records, size, peak,
            max(0, self._clock.now().mono_us - oldest_us) if oldest_us is not None else 0,
            _by_class(self._records), _by_class(self._refused), _by_class(self._failed),
            self._group_count, self._writer.syncs, self._commit_us_last, self._commit_us_max,
            self._writer.failures, self._writer.unsaved, self._writer.unsaved_dropped, self._writer.last_error,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------- the writer's side

    async def run(self) -> None:
        """The writer, until ``stop``: a thread for a real disk, this task for a simulated one. For ``open_journal`` alone."""
        try:
            if self._disk.is_simulated:
                await self._run_task()
            else:
                token = trio.lowlevel.current_trio_token()
                limiter = trio.CapacityLimiter(1)
                await trio.to_thread.run_sync(self._run_thread, token, limiter=limiter, abandon_on_cancel=True)
        finally:
            self._give_up(JournalError("the journal's writer has ended"))

    def stop(self) -> None:
        """Let ``run`` return when the queue is empty. Nothing can be appended any more."""
        self._is_closed = True
        self._is_stopping = True
        self._wake()

    def _wake(self) -> None:
        with self._guard:
            self._guard.notify()
        self._wake_task.set()

    def _run_thread(self, token: trio.lowlevel.TrioToken) -> None:
        def publish(committed: Committed | None, group: list[Batch], error: JournalError | None) -> None:
            # A stopped Trio has nobody left to tell.
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(self._publish, committed, group, error)

        while True:
            if run_now(self._turn(publish)):
                continue
            with self._guard:
                wait_us = self._wait_us()
                if wait_us is None:
                    break
                if wait_us > 0:
                    self._guard.wait(wait_us / 1e6)
        publish(run_now(self._writer.close(self._clock.now(), self._groups.next_seq)), [], None)

    async def _run_task(self) -> None:
        while True:
            self._wake_task = trio.Event()
            if await self._turn(self._publish):
                continue
            wait_us = self._wait_us()
            if wait_us is None:
                break
            with trio.move_on_after(wait_us / 1e6):
                await self._wake_task.wait()
        self._publish(await self._writer.close(self._clock.now(), self._groups.next_seq), [], None)

    def _wait_us(self) -> int | None:
        """How long the writer may rest; None: it is to end."""
        if self._is_stopping and not self._groups:
            return None
        deadline_us = self._writer.next_deadline_us()
        group_us = self._groups.next_deadline_us(self._idle_since_us)
        if group_us is not None:
            deadline_us = min(deadline_us, 0 if self._drainers or self._is_stopping else group_us)
        return max(0, deadline_us - self._clock.now().mono_us)

    async def _turn(self, publish: Callable[[Committed | None, list[Batch], JournalError | None], None]) -> bool:
        """Do what is due, and one group. False: no group was."""
        now = self._clock.now()
        if now.mono_us >= self._writer.next_deadline_us() and (committed := await self._writer.tend(now)):
            publish(committed, [], None)
        with self._guard:
            group = self._groups.take(now.mono_us, self._idle_since_us, at_once=bool(self._drainers) or self._is_stopping)
            self._in_hand = group
        if not group:
            return False
        error = None
        committed = None
        try:
            committed = await self._writer.commit([draft for batch in group for draft in batch.drafts], now)
        except JournalError as failure:
            error = failure
        self._idle_since_us = self._clock.now().mono_us
        self._commit_us_last = self._idle_since_us - now.mono_us
        publish(committed, group, error)
        self._in_hand = []
        return True

    def _publish(self, committed: Committed | None, group: list[Batch], error: JournalError | None) -> None:
        """In the Trio thread: show what is durable, then tell its waiters."""
        if self._is_given_up:
            return
        if committed:
            self._show(committed)
        if group:
            self._group_count += 1
            self._commit_us_max = max(self._commit_us_max, self._commit_us_last)
        for batch in group:
            if error:
                self._failed[batch.drafts[0].urgency] += len(batch.drafts)
            self._open_batches -= 1
            batch.done(error)
        self._settled.set()
        self._settled = trio.Event()

    def _show(self, committed: Committed) -> None:
        is_overflowing = len(self._ring) + len(committed.entries) > (self._ring.maxlen or 0)
        self._ring.extend(committed.entries)
        if is_overflowing:
            self._ring_after = self._ring[0].seq - 1
        for urgency, count in committed.counts.items():
            self._records[urgency] += count
        self._head = committed.head
        self._durable_seq = committed.entries[-1].seq
        for stretch in committed.stretches:
            _extend(self._stretches, stretch)
        self._news.set()
        self._news = trio.Event()

    def _give_up(self, error: JournalError) -> None:
        """Tell everybody who still waits that nobody writes any more."""
        self._is_closed = True
        with self._guard:
            group = list(self._in_hand)
            while taken := self._groups.take(0, 0, at_once=True):
                group += taken
        self._open_batches = len(group)
        self._publish(None, group, error)
        self._is_given_up = True


def _extend(stretches: list[Stretch], new: Stretch) -> None:
    """Add a stretch, joined to the last one while that stays short."""
    last = stretches[-1] if stretches else None
    if last and (last.name, last.end) == (new.name, new.start) and new.end - last.start <= STRETCH_BYTES:
        stretches[-1] = last._replace(end=new.end)
    else:
        stretches.append(new)


def _by_class(counts: dict[Urgency, int]) -> dict[str, int]:
    return {urgency.value: count for urgency, count in counts.items()}


def run_now(coroutine: Coroutine[object, None, T]) -> T:
    """The result of a coroutine that never suspends, which those of a real disk never do."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("a real disk does not suspend")


@contextlib.asynccontextmanager
async def open_journal(folder: Path, *, disk: Disk, clock: Clock, options: JournalOptions) -> AsyncIterator[Journal]:
    """The journal in ``folder``, recovered and ready; drained, sealed and released at the end.

    Damage, a full disk or a broken one never keep it from opening: see ``recovered`` and ``statistics().state``.

    Raises: JournalError: another gateway has the folder, or this user may not use it.
    """
    owner = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "version": __version__, "since_us": clock.now().wall_us})
    await disk.lock(folder, owner)
    # Shielded: a gateway that is cancelled still drains and seals, within STOP_S.
    scope = trio.CancelScope(shield=True)
    try:
        recovery = recover(disk) if disk.is_simulated else await trio.to_thread.run_sync(recover, disk)
        writer = Writer(disk, folder, owner, __version__, options, recovery)
        if disk.is_simulated:
            await writer.start(clock.now())
        else:
            await trio.to_thread.run_sync(lambda: run_now(writer.start(clock.now())))
        journal = Journal(disk, clock, options, recovery, writer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_run_within, scope, journal)
            try:
                yield journal
            finally:
                scope.deadline = trio.current_time() + STOP_S
                journal.stop()
    finally:
        # A thread that hangs in the disk keeps its files: their numbers must not become those of other files under it.
        if not scope.cancelled_caught:
            disk.release()


async def _run_within(scope: trio.CancelScope, journal: Journal) -> None:
    with scope:
        await journal.run()

