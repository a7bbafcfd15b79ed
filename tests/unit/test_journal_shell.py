"""The journal as the gateway uses it: append, wait, read; over a simulated disk and over the real one."""

from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.clock import SystemClock
from gateway.errors import JournalError
from gateway.events import AlertQueued
from gateway.journal.options import JournalOptions
from gateway.journal.recovery import SEQ_SKIP
from gateway.model import Instant, Urgency
from gateway.shell.disk import open_journal
from gateway.shell.real_disk import RealDisk
from gateway.sim.disk import Fault, SimDisk
from tests.journal_acts import FOLDER, SMALL, TrioClock, close, commit, open_writer, some_drafts, some_event

A, C = Urgency.A, Urgency.C


@pytest.fixture(params=["simulated", "real"])
def opened(request, tmp_path):
    """Opens journals on one disk after another: each call is a start of the gateway on what the last one left."""
    simulated = SimDisk(Random(1))

    @asynccontextmanager
    async def start(options: JournalOptions = SMALL):
        disk, clock = (simulated, TrioClock()) if request.param == "simulated" else (RealDisk(), SystemClock())
        async with open_journal(tmp_path / "journal", disk=disk, clock=clock, options=options) as journal:
            journal.clock = clock
            yield journal

    return start


def append(journal, first: int, count: int = 1, urgency: Urgency = A):
    return journal.append_nowait([some_event(number) for number in range(first, first + count)], journal.clock.now(), urgency)


async def test_what_was_awaited_is_there_after_the_next_start(opened):
    async with opened() as journal:
        durable = append(journal, 1, 5)
        assert (durable.seq, durable.is_done, journal.durable_seq) == (5, False, 0)
        await durable.wait()
        assert journal.durable_seq == 5
    async with opened() as journal:
        assert journal.recovered.is_clean
        assert [(entry.seq, entry.event) for entry in journal.replay()] == [(seq, some_event(seq)) for seq in range(1, 6)]
        assert append(journal, 6).seq == 6


async def test_numbers_go_on_without_a_gap_after_a_clean_stop_whoever_waited(opened):
    async with opened() as journal:
        append(journal, 1, 40)
    async with opened() as journal:
        assert journal.recovered.records == 40
        assert append(journal, 41).seq == 41


async def test_waiters_are_told_once_and_in_order(opened):
    told = []
    async with opened() as journal:
        for number in range(1, 30):
            append(journal, number, 1, A if number % 3 else C).add_done(lambda error, number=number: told.append((number, error)))
        await journal.drain()
        assert told == [(number, None) for number in range(1, 30)]
        late = append(journal, 30)
        await late.wait()
        late.add_done(lambda error: told.append(("late", error)))
        assert told[-1] == ("late", None)


async def test_one_waiters_mistake_is_not_the_others_silence(opened, caplog):
    async with opened() as journal:
        durable = append(journal, 1)
        durable.add_done(lambda error: 1 / 0)
        other = append(journal, 2)
        await other.wait()
    assert "durable.callback_failed seq=1" in caplog.text


async def test_nothing_to_append_is_durable_at_once(opened):
    async with opened() as journal:
        durable = append(journal, 1, 0)
        assert durable.is_done
        await durable.wait()


async def test_newer_entries_come_from_memory_and_older_ones_from_the_files(opened):
    async with opened(replace(SMALL, ring_records=16)) as journal:
        for first in range(1, 1_000, 5):
            append(journal, first, 5)
            if first % 100 == 1:
                await journal.drain()
        await journal.drain()
        for seq in (0, 1, 7, 500, 983, 984, 985, 998, 999, 1_000, 5_000):
            entries = journal.entries_since(seq, 20)
            assert [entry.seq for entry in entries] == list(range(seq + 1, 1_001))[:20]
            assert [entry.event for entry in entries] == [some_event(entry.seq) for entry in entries]
        assert journal.statistics().segment > 3
    async with opened(replace(SMALL, ring_records=16)) as journal:
        append(journal, 1_001, 2_000)
        await journal.drain()
        assert [entry.seq for entry in journal.entries_since(2_000, 3)] == [2_001, 2_002, 2_003], "one group of many stretches"
    async with opened(replace(SMALL, ring_records=16)) as journal:
        assert [entry.seq for entry in journal.entries_since(2_996, 20)] == [2_997, 2_998, 2_999, 3_000]
        append(journal, 3_001)
        await journal.drain()
        assert [entry.seq for entry in journal.entries_since(2_999, 20)] == [3_000, 3_001]


async def test_an_entrys_position_is_where_its_record_stands(opened):
    async with opened() as journal:
        append(journal, 1, 300)
        append(journal, 301, 300)
        await journal.drain()
        seen = {entry.seq: entry.position for entry in journal.entries_since(seq=590, limit=20)}
    async with opened() as journal:
        assert {entry.seq: entry.position for entry in journal.replay(590)} == seen


async def test_who_waits_for_news_is_woken_by_the_sync(opened, nursery):
    async with opened() as journal:
        woken = []

        async def wait(seq: int) -> None:
            woken.append((seq, await journal.wait_new(seq)))

        for seq in (0, 2):
            nursery.start_soon(wait, seq)
        await wait_all_tasks_blocked()
        assert woken == []
        await append(journal, 1, 2).wait()
        await wait_all_tasks_blocked()
        assert woken == [(0, 2)]
        await append(journal, 3).wait()
        await wait_all_tasks_blocked()
        assert woken == [(0, 2), (2, 3)]
        assert await journal.wait_new(1) == 3


async def test_the_statistics_add_up(opened):
    async with opened() as journal:
        for number in range(12):
            append(journal, number, 1, [A, Urgency.B, C, Urgency.D][number % 4])
        await journal.drain()
        facts = journal.statistics()
        assert (facts.state, facts.durable_seq, facts.next_seq, facts.queue_records, facts.unsaved) == ("ok", 12, 13, 0, 0)
        assert facts.records == {"A": 3, "B": 3, "C": 3, "D": 3, "E": 0}
        assert facts.groups >= 1
        assert len(facts.chain) == 64


async def test_a_cancelled_gateway_still_drains_and_seals(opened):
    with trio.CancelScope() as scope:
        async with opened() as journal:
            append(journal, 1, 50, C)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    async with opened() as journal:
        assert journal.recovered.is_clean
        assert journal.recovered.records == 50


async def test_a_closed_journal_takes_nothing(opened):
    async with opened() as journal:
        pass
    with pytest.raises(JournalError, match="closed"):
        append(journal, 1)


async def test_an_event_that_no_record_holds_is_refused_and_uses_no_number(opened):
    async with opened() as journal:
        huge = AlertQueued("a", "c", "primary", 1, "raised", bytes(9 << 20))
        with pytest.raises(JournalError, match="AlertQueued has 9437"):
            journal.append_nowait([huge], journal.clock.now(), A)
        big = AlertQueued("a", "c", "primary", 1, "raised", bytes(3 << 20))
        await journal.append_nowait([big], journal.clock.now(), A).wait()
        await append(journal, 2).wait()
        assert journal.entries_since(0)[0].event == big
    async with opened() as journal:
        assert [entry.seq for entry in journal.replay()] == [1, 2]
        assert next(journal.replay()).event == big


@pytest.mark.parametrize("start", [2**31 - 10, 2**32 - 10, 2**53 - 10])
async def test_no_number_is_too_large(start, autojump_clock):
    disk = SimDisk(Random(1))
    writer, _ = open_writer(disk)
    commit(writer, some_drafts(start, 1))
    close(writer, disk, start + 1)
    async with open_journal(FOLDER, disk=disk, clock=TrioClock(), options=SMALL) as journal:
        journal.clock = TrioClock()
        for number in range(start + 1, start + 10_001, 100):
            assert append(journal, number, 100).seq == number + 99
        await journal.drain()
        assert [entry.seq for entry in journal.entries_since(start + 9_000, 3)] == [start + 9_001, start + 9_002, start + 9_003]
    async with open_journal(FOLDER, disk=disk, clock=TrioClock(), options=SMALL) as journal:
        assert journal.recovered.losses == ()
        assert [entry.seq for entry in journal.replay()] == list(range(start, start + 10_001))


# ------------------------------------------------------------------------------------------------ the real disk


async def open_real(folder: Path):
    return open_journal(folder, disk=RealDisk(), clock=SystemClock(), options=SMALL)


async def test_nobody_else_may_read_the_files(tmp_path):
    async with await open_real(tmp_path / "deep" / "journal"):
        folder = tmp_path / "deep" / "journal"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
            "000000000001.seg": 0o600, "owner.json": 0o600, "reserve": 0o600,
        }  # fmt: skip


async def test_a_second_instance_is_refused_and_told_who_has_it(tmp_path):
    async with await open_real(tmp_path / "journal"):
        with pytest.raises(JournalError, match=r"in use by process \d+ on .* \(gateway .*stop it first, or"):
            async with await open_real(tmp_path / "journal"):
                pass
        (tmp_path / "journal" / "owner.json").write_text("[]")
        with pytest.raises(JournalError, match="in use by another gateway"):
            async with await open_real(tmp_path / "journal"):
                pass
    async with await open_real(tmp_path / "journal"):
        pass


async def test_a_folder_that_is_none_is_refused_with_a_remedy(tmp_path):
    (tmp_path / "file").write_text("here")
    for folder in (tmp_path / "file", tmp_path / "file" / "journal"):
        with pytest.raises(JournalError, match=r"gateway\.data_dir"):
            async with await open_real(folder):
                pass


async def test_a_removed_folder_is_made_anew_and_acknowledged_means_there(tmp_path):
    folder = tmp_path / "journal"
    clock = SystemClock()
    async with await open_real(folder) as journal:
        await journal.append_nowait([some_event(1)], clock.now(), A).wait()
        folder.rename(tmp_path / "elsewhere")
        await journal.append_nowait([some_event(2)], clock.now(), A).wait()
        assert journal.statistics().failures == 1
        with pytest.raises(JournalError, match="in use"):
            async with await open_real(folder):
                pass
    async with await open_real(folder) as journal:
        assert [entry.seq for entry in journal.replay()] == [2]
        assert [loss.kind for loss in journal.recovered.losses] == ["missing"]


async def test_space_is_reserved_and_given_back(tmp_path):
    folder = tmp_path / "journal"
    async with await open_real(folder):
        assert (folder / "000000000001.seg").stat().st_blocks * 512 >= 65_536
        assert (folder / "reserve").stat().st_blocks * 512 >= 1 << 20
    assert (folder / "000000000001.seg").stat().st_size < 8_192


async def test_short_writes_are_completed(tmp_path, monkeypatch):
    import os

    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: whole(fd, bytes(data)[: max(1, len(data) // 3)], offset))
    monkeypatch.setattr(os, "posix_fallocate", lambda fd, offset, size: (_ for _ in ()).throw(OSError(95, "not supported")))
    async with await open_real(tmp_path / "journal") as journal:
        await journal.append_nowait([some_event(number) for number in range(1, 50)], SystemClock().now(), A).wait()
    monkeypatch.undo()
    async with await open_real(tmp_path / "journal") as journal:
        assert journal.recovered.losses == ()
        assert journal.recovered.records == 49


async def test_a_disk_that_takes_no_byte_is_a_broken_one(tmp_path, monkeypatch):
    import os

    async with await open_real(tmp_path / "journal") as journal:
        monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: 0)
        with pytest.raises(JournalError, match="takes no byte"):
            await journal.append_nowait([some_event(1)], SystemClock().now(), A).wait()
        assert journal.statistics().state == "broken"
        monkeypatch.undo()
        assert await journal.wait_new(0) == 1, "the record is written when the disk is back"


# -------------------------------------------------------------------------------------------- the simulated disk


async def test_an_alarm_stuck_behind_a_slow_disk_is_not_claimed(autojump_clock):
    disk = SimDisk(Random(1))
    async with open_journal(FOLDER, disk=disk, clock=TrioClock(), options=SMALL) as journal:
        disk.faults.append(Fault("sync", disk.calls["sync"] + 1, disk.calls["sync"] + 1, error=None, delay_s=60))
        clock = TrioClock()
        durable = journal.append_nowait([some_event(1)], clock.now(), A)
        await trio.sleep(59)
        late = journal.append_nowait([some_event(2)], clock.now(), A)
        assert not durable.is_done
        await trio.sleep(0.5)
        assert journal.statistics().oldest_wait_us == pytest.approx(59_500_000, abs=2)
        await late.wait()
        assert durable.is_done
        assert trio.current_time() < 60.001 + durable.seq
        assert journal.statistics().commit_us_max >= 60_000_000


async def test_a_disk_that_hangs_does_not_keep_the_gateway_from_stopping(autojump_clock):
    disk = SimDisk(Random(1))
    start = trio.current_time()
    async with open_journal(FOLDER, disk=disk, clock=TrioClock(), options=SMALL) as journal:
        disk.faults.append(Fault("sync", 1, 99, error=None, delay_s=3_600))
        durable = journal.append_nowait([some_event(1)], TrioClock().now(), A)
        await wait_all_tasks_blocked()
        queued = journal.append_nowait([some_event(2)], TrioClock().now(), C)
    assert trio.current_time() - start < 5
    for each in (durable, queued):
        with pytest.raises(JournalError, match="ended"):
            await each.wait()


async def test_a_stop_that_was_no_stop_leaves_a_gap_in_the_numbers(autojump_clock):
    disk = SimDisk(Random(1))
    async with open_journal(FOLDER, disk=disk, clock=TrioClock(), options=SMALL) as journal:
        await journal.append_nowait([some_event(1)], TrioClock().now(), A).wait()
        image = disk.crash_image("none", Random(1))
    async with open_journal(FOLDER, disk=image, clock=TrioClock(), options=SMALL) as journal:
        assert not journal.recovered.is_clean
        assert journal.append_nowait([some_event(2)], TrioClock().now(), A).seq == 2 + SEQ_SKIP
        again = image.crash_image("none", Random(1))
    async with open_journal(FOLDER, disk=again, clock=TrioClock(), options=SMALL) as journal:
        assert journal.append_nowait([some_event(3)], Instant(5, 5), C).seq >= 2 + 2 * SEQ_SKIP


async def test_after_a_failed_sync_the_real_disk_never_syncs_that_file_again(tmp_path, monkeypatch):
    import os

    whole, fds, failing = os.fdatasync, [], {4, 9}

    def fdatasync(fd: int) -> None:
        fds.append(os.fstat(fd).st_ino)
        if len(fds) in failing:
            raise OSError(5, "Input/output error")
        whole(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    async with await open_real(tmp_path / "journal") as journal:
        for number in range(1, 30):
            await journal.append_nowait([some_event(number)], SystemClock().now(), A).wait()
        assert journal.statistics().failures == 2
    for call in failing:
        assert fds[call - 1] not in fds[call:]
    async with await open_real(tmp_path / "journal") as journal:
        assert [entry.event for entry in journal.replay()] == [some_event(number) for number in range(1, 30)]


async def test_a_mistake_of_the_writer_ends_the_journal_loudly_and_tells_everybody(opened, monkeypatch):
    async def mistaken(*arguments):
        raise ZeroDivisionError

    told = []
    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        async with opened() as journal:
            monkeypatch.setattr("gateway.journal.writer.Writer.commit", mistaken)
            append(journal, 1).add_done(told.append)
            append(journal, 2).add_done(told.append)
            await trio.sleep_forever()
    assert [type(error) for error in told] == [JournalError, JournalError]
    with pytest.raises(JournalError, match="closed"):
        append(journal, 3)


async def test_two_may_drain_at_the_same_time(opened, nursery):
    async with opened() as journal:
        append(journal, 1, 20, C)
        async with trio.open_nursery() as both:
            both.start_soon(journal.drain)
            both.start_soon(journal.drain)
        assert journal.durable_seq == 20
        await journal.drain()


async def test_a_thread_that_hangs_in_the_disk_is_left_behind_with_its_files(tmp_path, monkeypatch):
    import os
    import threading

    monkeypatch.setattr("gateway.shell.disk.STOP_S", 0.01)
    go_on, whole = threading.Event(), os.fdatasync
    disk = RealDisk()
    async with open_journal(tmp_path / "journal", disk=disk, clock=SystemClock(), options=SMALL) as journal:
        hanging = threading.Event()
        monkeypatch.setattr(os, "fdatasync", lambda fd: (hanging.set(), go_on.wait(30), whole(fd)))
        durable = journal.append_nowait([some_event(1)], SystemClock().now(), A)
        await trio.to_thread.run_sync(hanging.wait)
    with pytest.raises(JournalError, match="ended"):
        await durable.wait()
    await journal.drain()
    with pytest.raises(JournalError, match="in use"):
        async with await open_real(tmp_path / "journal"):
            pass
    go_on.set()
    disk.release()
