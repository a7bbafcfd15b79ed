"""Few records out of many: what a start may leave out, and the story of one alarm."""

from random import Random

import pytest

from gateway import _fastpath
from gateway.events import AlarmClosed, AlarmExpired, CancelClaimed, Event, FrameKept, PreAlarmCancelled, Viewed
from gateway.journal.bodies import body_of
from gateway.journal.groups import Draft
from gateway.journal.record import pack_body, pack_record
from gateway.journal.recovery import Entry, read_back, recover
from gateway.journal.search import Forget, read_lasting, read_naming
from gateway.model import Trust, Urgency
from gateway.shell.disk import run_now
from gateway.sim.disk import SimDisk
from tests.journal_acts import SMALL, close, commit, open_writer

FORGET = Forget((AlarmClosed, PreAlarmCancelled), 5_000)


def journal_of(events: list[tuple[int, Event]]) -> tuple[SimDisk, list[Entry]]:
    """A journal of (at_us, event), and all of its entries."""
    disk = SimDisk(Random(1))
    writer, _ = open_writer(disk, SMALL)
    drafts = [Draft(seq, at_us, Urgency.A, pack_body(body_of(event)), event) for seq, (at_us, event) in enumerate(events, 1)]
    for first in range(0, len(drafts), 7):
        commit(writer, drafts[first : first + 7])
    close(writer, disk, len(drafts) + 1)
    return disk, list(read_back(disk, recover(disk).stretches))


def random_story(dice: Random, count: int) -> list[tuple[int, Event]]:
    events: list[tuple[int, Event]] = []
    for number in range(count):
        alarm_id = f"{dice.randrange(count // 8):032x}"
        event: Event = dice.choice(
            [
                FrameKept("00101", "gt06", "udp", "udp 0", dice.randbytes(dice.randrange(900)), Trust.T1),
                AlarmExpired(alarm_id, "x" * dice.randrange(300)),
                AlarmExpired(alarm_id, "silence"),
                AlarmClosed(alarm_id, "over"),
                CancelClaimed(alarm_id, number),
                PreAlarmCancelled(alarm_id),
                Viewed("u", "w", "y", alarm_id),
            ]
        )
        events.append((number * 10_000 // count, event))
    return events


def needed(entries: list[Entry], forget: Forget) -> list[Entry]:
    """By its definition: the oracle."""
    ended = {
        entry.event.alarm_id for entry in entries if isinstance(entry.event, (AlarmClosed, PreAlarmCancelled)) and entry.at_us < forget.before_us
    }
    return [
        entry
        for entry in entries
        if entry.at_us >= forget.before_us
        or (not isinstance(entry.event, (FrameKept, Viewed)) and entry.event.alarm_id not in ended)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_a_replay_leaves_out_only_what_ended_long_ago(seed):
    disk, entries = journal_of(random_story(Random(seed), 1_500))
    lasting = list(read_lasting(disk, recover(disk).stretches, FORGET))
    assert lasting == needed(entries, FORGET)
    assert 750 < len(lasting) < 1_400
    assert list(read_lasting(disk, recover(disk).stretches, FORGET, 1_000)) == [entry for entry in lasting if entry.seq > 1_000]
    assert list(read_lasting(disk, recover(disk).stretches, Forget((), -1))) == entries


@pytest.mark.parametrize("seed", range(5))
def test_a_story_has_every_record_that_names_the_alarm_and_the_frame_before(seed):
    disk, entries = journal_of(random_story(Random(seed), 1_500))
    for number in (0, 1, 50, 186):
        alarm_id = f"{number:032x}"
        named = {index for index, entry in enumerate(entries) if alarm_id in (getattr(entry.event, "alarm_id", 0), getattr(entry.event, "into", 0))}
        wanted = sorted(named | {index - 1 for index in named if index})
        assert list(read_naming(disk, recover(disk).stretches, alarm_id)) == [entries[index] for index in wanted]
    assert list(read_naming(disk, recover(disk).stretches, "no such alarm")) == []


def test_what_changed_since_the_recovery_is_read_record_by_record():
    disk, entries = journal_of(random_story(Random(1), 400))
    stretches = recover(disk).stretches
    offset = entries[150].position.offset
    assert entries[150].position.segment == 1
    disk.corrupt("000000000001.seg", lambda content: content.__setitem__(offset, 0))
    assert 140 <= len(list(read_lasting(disk, stretches, Forget((), 0)))) < 400
    lasting = list(read_lasting(disk, recover(disk).stretches, Forget((), 0)))
    assert [entry.seq for entry in lasting] == [entry.seq for entry in entries if entry.seq != 151]
    run_now(disk.remove("000000000001.seg"))
    assert {entry.position.segment for entry in read_lasting(disk, stretches, Forget((), 0))} == {2, 3, 4} & {e.position.segment for e in entries}


def test_no_bytes_lead_the_walk_astray():
    dice = Random(3)
    good = b"".join(pack_record(seq, 5, Urgency.A, pack_body(body_of(AlarmExpired(f"{seq:032x}", "r"))), 9) for seq in range(1, 20))
    for _ in range(3_000):
        data = bytearray(good)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        data = bytes(data[: dice.randint(0, len(data))])
        ended: set[bytes] = set()
        _fastpath.ended_alarms(data, 9, frozenset({b"AlarmExpired"}), 10, ended)
        for found in (_fastpath.lasting_records(data, 9, ended, 10), _fastpath.records_naming(data, 9, b"alarm")):
            assert all(offset < len(data) for offset in found[0])
            assert found[-1] <= len(data)


@pytest.mark.parametrize(
    "body", [b"", b"\x81", b"\xde\x00", b"\x81\xa1t", b"\x81\xa1t\xbf", b"\x82\xa1t\xa1x\xa8alarm_id", b"\x82\xa1t\xa1x\xa8alarm_id\xd9"]
)
def test_a_body_that_ends_in_the_middle_is_kept(body):
    data = pack_record(1, 5, Urgency.A, body, 9)
    assert _fastpath.records_naming(data, 9, b"") == ([-1, 0], 0, len(data))
    offsets, reached = _fastpath.lasting_records(data, 9, {b"x"}, 10)
    assert reached == len(data)
    assert offsets == ([] if body.startswith(b"\x82") else [0])
