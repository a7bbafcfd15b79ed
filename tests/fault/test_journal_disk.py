"""A disk that fails, fills up or vanishes under a running journal (R-04, R-05, F-04 to F-10).

Must hold: nobody is told "durable" on the strength of a file whose sync failed; alarms are never refused and, when they
cannot be written, their waiters hear it at once; what could not be written is written when the disk is back, which the
journal finds out by itself within five seconds; routine records are refused and counted, not alarms.
"""

import errno
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from random import Random

import pytest
import trio
from trio.testing import MockClock

from gateway.errors import JournalError
from gateway.journal.recovery import read_back, recover
from gateway.model import Urgency
from gateway.shell.disk import open_journal
from gateway.sim.disk import Fault, SimDisk
from tests.journal_acts import FOLDER, SMALL, TrioClock, found, some_event

A, C = Urgency.A, Urgency.C
ALWAYS = 10**9


@asynccontextmanager
async def opened(disk: SimDisk, options=SMALL):
    async with open_journal(FOLDER, disk=disk, clock=TrioClock(), options=options) as journal:
        yield journal


def append(journal, number: int, urgency: Urgency = A):
    return journal.append_nowait([some_event(number)], TrioClock().now(), urgency)


async def is_durable(durable) -> bool:
    try:
        await durable.wait()
    except JournalError:
        return False
    return True


def break_next(disk: SimDisk, operation: str, times: int = 1, **how: object) -> Fault:
    now = disk.calls[operation]
    fault = Fault(operation, now + 1, now + times, **how)
    disk.faults.append(fault)
    return fault


@pytest.mark.parametrize("operation", ["append", "sync"])
@pytest.mark.parametrize("call", [*range(1, 8), 25, 50])
async def test_after_a_failed_sync_the_file_is_left_and_its_records_are_written_elsewhere(operation, call, autojump_clock):
    disk = SimDisk(Random(call))
    synced_after_failure = []
    failed: set[str] = set()

    def watch(called: str, name: str) -> None:
        if called == operation and disk.calls[operation] == call:
            failed.add(name)
        elif called in ("sync", "append") and name in failed:
            synced_after_failure.append(name)

    disk.on_call = watch
    disk.faults.append(Fault(operation, call, call, short=True))
    async with opened(disk) as journal:
        # Numbers are given out from 1, so that each event says its own.
        for number in range(1, 61):
            assert await is_durable(append(journal, number)), "the first new file takes what the old one did not"
        assert journal.statistics().failures == 1
        assert journal.statistics().state == "ok"
        image = disk.crash_image("none", Random(1))
    assert failed
    assert synced_after_failure == []
    assert set(found(image)) == set(range(1, 61))


async def test_a_disk_that_stays_broken_tells_every_waiter_at_once_and_heals_by_itself(autojump_clock):
    disk = SimDisk(Random(1))
    async with opened(disk) as journal:
        assert await is_durable(append(journal, 1))
        fault = break_next(disk, "sync", ALWAYS)
        start = trio.current_time()
        for number in range(2, 40):
            assert not await is_durable(append(journal, number))
        assert trio.current_time() == start, "nobody waits for a disk that is known to be broken"
        facts = journal.statistics()
        assert (facts.state, facts.durable_seq, facts.unsaved) == ("broken", 1, 38)
        assert facts.failed["A"] == 38
        assert "EIO" in facts.last_error
        await trio.sleep(3_600)
        assert disk.calls["sync"] < 10_000, "a broken disk is asked with a back-off"
        fault.last = 0
        healed = trio.current_time()
        await journal.wait_new(1)
        assert trio.current_time() - healed <= 5
        assert journal.statistics().state == "ok"
        assert await is_durable(append(journal, 40))
        assert [entry.seq for entry in journal.entries_since(0)] == list(range(1, 41)), "what was kept is written first, in order"
    assert set(found(disk)) == set(range(1, 41))


async def test_routine_records_are_refused_while_the_disk_is_broken_and_counted(autojump_clock):
    disk = SimDisk(Random(1))
    async with opened(disk) as journal:
        break_next(disk, "append", ALWAYS)
        assert not await is_durable(append(journal, 1))
        for urgency in (C, Urgency.D, Urgency.E):
            with pytest.raises(JournalError, match="the disk is broken: .*EIO"):
                append(journal, 2, urgency)
        assert append(journal, 2, Urgency.B).seq == 2
        assert journal.statistics().refused == {"A": 0, "B": 0, "C": 1, "D": 1, "E": 1}


async def test_a_full_disk_takes_alarms_from_the_reserve_and_recovers_when_space_returns(autojump_clock):
    disk = SimDisk(Random(1), capacity_bytes=1 << 21)
    async with opened(disk) as journal:
        disk.place("somebody else's", bytes(disk.free_bytes()))
        number = 0
        while journal.statistics().state == "ok":
            number += 1
            assert await is_durable(append(journal, number))
        assert journal.statistics().state == "reserve"
        with pytest.raises(JournalError, match=r"the disk is reserve: .*ENOSPC.*class C"):
            append(journal, 0, C)
        for _ in range(600):
            number += 1
            assert await is_durable(append(journal, number)), "the reserve is for alarms"
        await disk.remove("somebody else's")
        await trio.sleep(5)
        assert journal.statistics().state == "ok"
        assert await is_durable(append(journal, number + 1, C))
        assert "reserve" in disk.list()
    assert set(found(disk)) == set(range(1, number + 2))


@pytest.mark.parametrize("reserve_mib", [0, 1])
async def test_when_the_reserve_is_gone_too_alarms_go_on_without_and_nothing_is_claimed(reserve_mib, autojump_clock):
    disk = SimDisk(Random(1), capacity_bytes=3 << 20)
    async with opened(disk, replace(SMALL, reserve_mib=reserve_mib)) as journal:
        disk.place("somebody else's", bytes(disk.free_bytes()))
        number, durable = 0, set()
        while journal.statistics().state != "broken":
            number += 1
            if await is_durable(append(journal, number)):
                durable.add(number)
                assert number < 10_000
        assert len(durable) >= 1_000 * reserve_mib
        for _ in range(10):
            number += 1
            assert not await is_durable(append(journal, number))
        image = disk.crash_image("none", Random(1))
        assert durable <= set(found(image))
        await disk.remove("somebody else's")
        space = trio.current_time()
        await journal.wait_new(number - 1)
        assert trio.current_time() - space <= 5
        assert await is_durable(append(journal, number + 1))
    assert set(found(disk)) == set(range(1, number + 2))


async def test_what_a_broken_disk_kept_waiting_is_bounded(monkeypatch, autojump_clock):
    monkeypatch.setattr("gateway.journal.writer.UNSAVED_BYTES_MAX", 40_000)
    disk = SimDisk(Random(1))
    async with opened(disk) as journal:
        fault = break_next(disk, "sync", ALWAYS)
        for number in range(1, 400):
            append(journal, number, A if number % 2 else Urgency.B)
        await journal.drain()
        facts = journal.statistics()
        assert facts.unsaved_dropped > 50
        assert facts.unsaved + facts.unsaved_dropped == 399
        fault.last = 0
        await journal.wait_new(0)
    kept = set(found(disk))
    assert len(kept) == facts.unsaved
    assert sum(number % 2 for number in kept) > len(kept) / 2, "alarms find room for longer"


@pytest.mark.parametrize("operation", ["create", "append", "sync", "sync_folder", "truncate", "remove"])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS])
async def test_any_operation_may_fail_for_a_while_in_any_way(operation, error, autojump_clock):
    disk = SimDisk(Random(1))
    async with opened(disk) as journal:
        claimed = set()
        number = 0
        for times in (1, 2, 3, 7):
            disk.lose_folder() if times == 7 else break_next(disk, operation, times, error=error)
            claimed = set() if times == 7 else claimed
            for _ in range(120):
                number += 3
                durable = journal.append_nowait([some_event(each) for each in range(number - 2, number + 1)], TrioClock().now(), A)
                if await is_durable(durable):
                    claimed |= {number - 2, number - 1, number}
            await trio.sleep(10)
            assert await is_durable(append(journal, number := number + 1)), "it comes back by itself"
            claimed.add(number)
        assert claimed <= set(found(disk.crash_image("none", Random(1))))


@pytest.mark.parametrize("operation", ["create", "append", "sync", "sync_folder", "truncate", "remove"])
async def test_a_disk_that_is_broken_at_the_start_does_not_keep_the_gateway_from_starting(operation, autojump_clock):
    disk = SimDisk(Random(1))
    async with opened(disk) as journal:
        assert await is_durable(append(journal, 1))
    disk = disk.crash_image("none", Random(1))
    fault = break_next(disk, operation, ALWAYS)
    async with opened(disk) as journal:
        assert [entry.seq for entry in journal.replay()] == [1]
        durable = append(journal, 2)
        healthy = operation in ("truncate", "remove")
        assert await is_durable(durable) == healthy
        fault.last = 0
        await journal.wait_new(1)
    assert set(found(disk)) == {1, 2}


async def test_a_full_disk_at_the_start_starts_on_the_reserve_of_the_last_run(autojump_clock):
    disk = SimDisk(Random(1), capacity_bytes=2 << 20)
    async with opened(disk) as journal:
        assert await is_durable(append(journal, 1))
    disk.place("somebody else's", bytes(disk.free_bytes()))
    async with opened(disk) as journal:
        assert journal.statistics().state == "reserve"
        assert await is_durable(append(journal, 2))
    assert set(found(disk)) == {1, 2}


async def test_a_removed_folder_is_noticed_without_any_record(autojump_clock):
    disk = SimDisk(Random(1))
    async with opened(disk) as journal:
        assert await is_durable(append(journal, 1))
        disk.lose_folder()
        await trio.sleep(10)
        assert [name for name in disk.list() if name.endswith(".seg")] == ["000000000002.seg"]
        assert journal.statistics().failures == 1
        assert await is_durable(append(journal, 2))
    assert set(found(disk)) == {2}


async def test_a_file_that_vanishes_between_write_and_answer_is_not_claimed(autojump_clock):
    disk = SimDisk(Random(1))
    async with opened(disk) as journal:
        assert await is_durable(append(journal, 1))
        disk.on_call = lambda operation, name: disk.lose_folder() if (operation, disk.calls["sync"]) == ("after sync", 3) else None
        assert await is_durable(append(journal, 2))
        disk.on_call = None
        assert 2 in found(disk.crash_image("none", Random(1)))


async def test_a_second_gateway_on_the_disk_is_refused(autojump_clock):
    disk = SimDisk(Random(1))
    async with opened(disk):
        with pytest.raises(JournalError, match="in use"):
            async with opened(disk):
                pass


def test_one_seed_is_one_history(monkeypatch):
    async def history(seed: int) -> tuple[list[object], list[str]]:
        dice = Random(seed)
        disk = SimDisk(dice, sync_s=(0.0002, 0.004))
        calls: list[object] = []
        disk.on_call = lambda operation, name: calls.append((operation, name, trio.current_time()))
        async with opened(disk) as journal:
            for number in range(1, 80):
                with suppress(JournalError):
                    append(journal, number, dice.choice(list(Urgency)))
                if dice.random() < 0.1:
                    break_next(disk, dice.choice(["sync", "append", "create"]), dice.randint(1, 3))
                await trio.sleep(dice.random() / 100)
        return calls, [str(entry) for entry in read_back(disk, recover(disk).stretches)]

    def play(seed: int) -> tuple[list[object], list[str]]:
        # The recipe of reliability 9.2.
        monkeypatch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
        sys.modules["trio._core._run"]._r.seed(seed)
        return trio.run(history, seed, clock=MockClock(autojump_threshold=0))

    first = play(4)
    assert len(first[1]) > 30
    assert play(4) == first
    assert play(5) != first
