"""What the tests of the journal share: events, a clock, a journal written without Trio."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import trio

from gateway.events import AlarmClosed, AlarmExpired, Event, FrameKept, PositionReported
from gateway.journal.bodies import body_of
from gateway.journal.disk import Disk
from gateway.journal.groups import Draft
from gateway.journal.options import JournalOptions
from gateway.journal.record import pack_body
from gateway.journal.recovery import Recovery, read_back, recover
from gateway.journal.writer import Committed, Writer
from gateway.model import Fix, Instant, Trust, Urgency
from gateway.shell.disk import run_now
from gateway.sim.disk import SimDisk

FOLDER = Path("journal")
WALL_US = 1_774_000_000_000_000
SMALL = JournalOptions(segment_kib=64, reserve_mib=1, ring_records=64)


class TrioClock:
    """Trio's own clock, so that a ``MockClock`` is the time of the journal as well."""

    def now(self) -> Instant:
        now_us = int(trio.current_time() * 1e6)
        return Instant(WALL_US + now_us, now_us)


def instant(ms: int = 0) -> Instant:
    """A moment of a test without a clock."""
    return Instant(WALL_US + 1000 * ms, 1000 * ms)


def some_event(number: int) -> Event:
    """Events of different kinds and lengths; each number another one."""
    alarm_id = f"{number:032x}"
    match number % 4:
        case 0:
            return FrameKept("00101" + f"{number:010d}", "gt06", "udp", "udp 0", bytes([number % 256]) * (number % 700), Trust.T2)
        case 1:
            return PositionReported(alarm_id, Fix(510_000_000 + number, 37_000_000 - number, accuracy_m=1.5), WALL_US + number, True, Trust.T1)
        case 2:
            return AlarmExpired(alarm_id, "silence" * (number % 9))
        case _:
            return AlarmClosed(alarm_id, "tracked out and reported")


def some_drafts(first_seq: int, count: int) -> list[Draft]:
    """Drafts as ``Groups`` would number them; the event follows from the number."""
    drafts = []
    for seq in range(first_seq, first_seq + count):
        event = some_event(seq)
        drafts.append(Draft(seq, WALL_US + seq % 1000, Urgency.A, pack_body(body_of(event)), event))
    return drafts


def open_writer(disk: Disk, options: JournalOptions = SMALL, made: type[Writer] = Writer) -> tuple[Writer, Recovery]:
    """A writer on a disk, recovered and started."""
    run_now(disk.lock(FOLDER, "test"))
    recovery = recover(disk)
    writer = made(disk, FOLDER, "test", "0.1.0", options, recovery)
    run_now(writer.start(instant()))
    return writer, recovery


def commit(writer: Writer, drafts: Sequence[Draft], ms: int = 0) -> Committed:
    """Commit at a moment."""
    return run_now(writer.commit(drafts, instant(ms)))


def close(writer: Writer, disk: Disk, next_seq: int) -> None:
    """End in order: sealed, the folder free."""
    run_now(writer.close(instant(), next_seq))
    disk.release()


def written_disk(records: int, *, seed: int = 1, group: int = 3, options: JournalOptions = SMALL, seal: bool = True) -> SimDisk:
    """A simulated disk with a journal of so many records."""
    disk = SimDisk(Random(seed))
    writer, recovery = open_writer(disk, options)
    for first in range(recovery.next_seq, recovery.next_seq + records, group):
        commit(writer, some_drafts(first, min(group, recovery.next_seq + records - first)))
    if seal:
        close(writer, disk, recovery.next_seq + records)
    else:
        disk.release()
    return disk


def found(disk: Disk, recovery: Recovery | None = None) -> dict[int, Event]:
    """What a recovery reads, by number; every event must be the one that its number says."""
    recovery = recovery or recover(disk)
    entries = {entry.seq: entry.event for entry in read_back(disk, recovery.stretches)}
    for seq, event in entries.items():
        assert event == some_event(seq), f"record {seq} was read as something else"
    return entries  # type: ignore[return-value]
