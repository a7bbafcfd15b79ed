"""Power loss at any instant (R-02, R-03, F-01, F-02, F-03): crash-state replay without hardware.

A run of the real writer is stopped before and after every call that it makes of the disk. For each of these moments
the disk is built as a power cut could leave it: of what was not synced none, a beginning, or any sectors of 512 bytes;
names only if the folder was synced, or perhaps. Each is recovered. Must hold: everything acknowledged before the cut is
there, as it was written; no number is given out twice; the journal goes on.

The net is proved to catch fish: each planted mistake at the end of this file must be found.
``GATEWAY_NIGHTLY=1`` takes many more states.
"""

import itertools
import os
from collections.abc import Callable
from random import Random

import pytest

from gateway.errors import JournalError
from gateway.journal import recovery as recovery_room
from gateway.journal.options import JournalOptions
from gateway.journal.recovery import recover
from gateway.journal.writer import Writer
from gateway.shell.disk import run_now
from gateway.sim.disk import SURVIVALS, Fault, SimDisk
from tests.journal_acts import close, commit, found, open_writer, some_drafts

NIGHTLY = os.environ.get("GATEWAY_NIGHTLY") == "1"
OPTIONS = JournalOptions(segment_kib=8, reserve_mib=0)
"Two or three groups fill a segment, so that every third call or so belongs to a change of segments."


class Violation(AssertionError):
    """A promise was broken."""


class Run:
    """A gateway's journal through starts and stops, with a look at every crash state on the way."""

    def __init__(self, seed: int, writer: type[Writer] = Writer, disk: type[SimDisk] = SimDisk, states_each: int = 1) -> None:
        self.dice = Random(seed)
        self.made = writer
        self.disk = disk(self.dice)
        self.states_each = states_each
        self.states = 0
        self.acknowledged: set[int] = set()
        self.given_out = 0
        self.cache_lies = False
        "A sync failed: the page cache may show what the disk does not have, and the next run may chain to that."
        self.watch(self.disk)
        self.start()

    def watch(self, disk: SimDisk) -> None:
        self.disk = disk
        self.failed: set[str] = set()
        disk.on_call = self.look

    def look(self, operation: str, name: str) -> None:
        if operation == "sync" and name in self.failed:
            raise Violation(f"{name} is synced again after a sync of it failed")
        if operation in ("read", "lock"):
            return
        for survival in SURVIVALS[:3]:
            for _ in range(self.states_each):
                self.check(self.disk.crash_image(survival, self.dice))

    def check(self, image: SimDisk) -> None:
        self.states += 1
        recovery = recover(image)
        there = set(found(image, recovery))
        if lost := self.acknowledged - there:
            raise Violation(f"acknowledged and lost: {sorted(lost)}; {[str(loss) for loss in recovery.losses]}")
        if not self.cache_lies and (blamed := {loss.kind for loss in recovery.losses} - {"tail", "hole", "unborn"}):
            raise Violation(f"a power cut is taken for something else: {blamed}: {[str(loss) for loss in recovery.losses]}")
        if recovery.next_seq <= self.given_out:
            raise Violation(f"number {recovery.next_seq} would be given out again")

    def start(self) -> None:
        self.writer, recovery = open_writer(self.disk, OPTIONS, self.made)
        self.next_seq = recovery.next_seq
        if not self.acknowledged <= set(found(self.disk, recovery)):
            raise Violation("lost by a restart")

    def commit(self, count: int) -> None:
        drafts = some_drafts(self.next_seq, count)
        self.next_seq += count
        self.given_out = self.next_seq - 1
        try:
            commit(self.writer, drafts, ms=self.states * 1000)
        except JournalError:
            return
        self.acknowledged |= {draft.seq for draft in drafts}

    def fail(self, operation: str, times: int = 1) -> None:
        """Let the next calls of an operation fail."""
        self.cache_lies |= operation == "sync"
        now = self.disk.calls[operation]
        self.disk.faults.append(Fault(operation, now + 1, now + times, short=self.dice.random() < 0.5))
        disk, before = self.disk, self.disk.on_call

        def note(called: str, name: str) -> None:
            before(called, name)
            if called == operation == "sync" and disk.calls["sync"] in range(now + 1, now + times + 1):
                self.failed.add(name)

        disk.on_call = note

    def stop(self) -> None:
        close(self.writer, self.disk, self.next_seq)
        self.failed.clear()  # files that failed before their first record are gone, and their names free
        self.start()

    def crash(self, survival: str | None = None) -> None:
        self.watch(self.disk.crash_image(survival or self.dice.choice(SURVIVALS), self.dice))
        self.start()


def story(run: Run, steps: int) -> Run:
    """Groups of all sizes, with stops, cuts and failing calls between them."""
    for _ in range(steps):
        run.commit(run.dice.choice((1, 1, 2, 3, 8, 20)))
        match run.dice.randrange(12):
            case 0:
                run.stop()
            case 1:
                run.crash()
            case 2:
                run.fail("sync", run.dice.choice((1, 1, 2, 9)))
            case 3:
                run.fail(run.dice.choice(("append", "create", "sync_folder", "truncate", "remove")), run.dice.choice((1, 2)))
    return run


def test_no_crash_loses_what_was_acknowledged():
    states = 0
    for seed in range(400 if NIGHTLY else 5):
        try:
            states += story(Run(seed), 25).states
        except Violation as violation:
            raise AssertionError(f"seed {seed}: {violation}") from violation
    assert states >= (100_000 if NIGHTLY else 2_000)


HISTORIES: dict[str, Callable[[Run], None]] = {
    "one": lambda run: run.commit(1),
    "roll": lambda run: run.commit(25),
    "bad sync": lambda run: (run.fail("sync"), run.commit(2))[-1],
    "bad disk": lambda run: (run.fail("sync", 9), run.commit(2))[-1],
    "no name": lambda run: (run.fail("sync_folder"), run.commit(25))[-1],
    "stop": Run.stop,
    "cut": lambda run: run.crash("sectors"),
}


@pytest.mark.parametrize("length", [1, 2, 3] + [4] * NIGHTLY)
def test_every_short_history_keeps_the_promises(length):
    """Most mistakes need three operations or fewer and show after a sync (CrashMonkey): so all of them are tried."""
    for history in itertools.product(HISTORIES, repeat=length):
        run = Run(7)
        run.states_each = int(length < 3)
        try:
            for step in history:
                HISTORIES[step](run)
            run.states_each = 1
            run.look("end", "")
            run.crash("none")
        except Violation as violation:
            raise AssertionError(f"{history}: {violation}") from violation


def test_a_recovery_that_is_cut_off_itself_loses_nothing():
    run = Run(3)
    run.commit(20)
    for survival in ("none", "prefix", "sectors") * 5:
        run.commit(3)
        run.crash(survival)
    assert run.states > 100


# --------------------------------------------------------------------------------------- who tests the tests?


class AckBeforeSync(Writer):
    """Tells the waiters when the write is done, and syncs with the next one."""

    async def _append(self, segment, data, *, records, last_seq):
        if segment.records:
            await self._disk.sync(segment.name)
        await self._disk.append(segment.name, segment.offset, data)
        segment.digest.update(data)
        segment.offset += len(data)
        segment.records += records
        segment.last_seq = last_seq


class FolderNeverSynced(SimDisk):
    """What a gateway sees that forgets to sync the folder after creating a file."""

    async def sync_folder(self):
        return


class WrongFileSynced(SimDisk):
    """What a gateway sees that syncs the file it has just left."""

    async def sync(self, name):
        names = [other for other in self.list() if other.endswith(".seg")]
        other = names[max(0, names.index(name) - 1)]
        await super().sync(other if other in self._open else name)

    def close(self, name):
        return


class SyncTriedAgain(Writer):
    """Takes the second answer of a sync for the truth."""

    async def _append(self, segment, data, *, records, last_seq):
        try:
            await super()._append(segment, data, records=records, last_seq=last_seq)
        except OSError:
            self._disk.on_call, before = None, self._disk.on_call
            await self._disk.sync(segment.name)
            self._disk.on_call = before
            segment.digest.update(data)
            segment.offset += len(data)
            segment.records += records
            segment.last_seq = last_seq


class FileBelievedAgain(Writer):
    """Goes on with a file whose sync failed."""

    def _failed(self, error):
        return


MISTAKES = {
    "ack before sync": {"writer": AckBeforeSync},
    "folder never synced": {"disk": FolderNeverSynced},
    "wrong file synced": {"disk": WrongFileSynced},
    "sync tried again and believed": {"writer": SyncTriedAgain},
    "file believed again": {"writer": FileBelievedAgain},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_caught(mistake):
    with pytest.raises(Violation):
        for seed in range(20):
            story(Run(seed, **MISTAKES[mistake]), 25)


def test_numbers_given_out_again_are_caught(monkeypatch):
    monkeypatch.setattr(recovery_room, "SEQ_SKIP", 0)
    with pytest.raises(Violation, match="given out again"):
        for seed in range(20):
            story(Run(seed), 25)


def test_the_disk_is_never_asked_to_rename():
    """A rename needs a sync of the folder to last (reliability, rule 3); there is none to forget."""
    assert not hasattr(SimDisk(Random(1)), "rename")
    run_now(SimDisk(Random(1)).sync_folder())
