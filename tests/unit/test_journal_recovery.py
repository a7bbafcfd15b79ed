"""Reading a journal back: the corners that damage and power cuts reach only by luck."""

from random import Random

import pytest

from gateway import _fastpath
from gateway.events import AlarmRouted
from gateway.journal.bodies import HIDDEN, UnknownEvent, body_of, event_of, shape_of, without_private
from gateway.journal.options import JournalOptions
from gateway.journal.record import Header, note_of, pack_body, pack_record, pack_seal
from gateway.journal.recovery import Loss, Recovery, entry_of, read_back, read_records, recover, scan_file, segment_name, stretches_after
from gateway.model import Area, Candidate, CentreId, Decision, Proposal, UnitId, Urgency
from gateway.shell.disk import run_now
from gateway.sim.disk import Fault, SimDisk
from tests.journal_acts import close, commit, found, open_writer, some_drafts, some_event, written_disk

FIRST = segment_name(1)
HEADER = Header(1, 1, 5, 8_192)


def segment_of(*records: bytes) -> bytes:
    """A segment with these records."""
    return (HEADER.pack() + b"".join(records)).ljust(8_192, b"\0")


def record(seq: int) -> bytes:
    return pack_record(seq, 5, Urgency.A, pack_body(body_of(some_event(seq))), HEADER.mark)


def test_an_empty_folder_is_an_empty_journal():
    assert recover(SimDisk(Random(1))) == Recovery()


def test_a_seal_that_counts_wrong_is_named():
    (loss,) = scan_file(FIRST, segment_of(record(1), record(2), pack_seal(3, 2, 3, bytes(32), 5, HEADER.mark))).losses
    assert (loss.kind, loss.detail) == ("seal", "the seal counts 3 records, 2 are there")


def test_a_record_of_a_newer_journals_own_is_passed_over():
    own = _fastpath.seal_record(pack_body({"t": "checkpoint"}), ord("J"), 0, 0, 1, 5, HEADER.mark)
    segment = scan_file(FIRST, segment_of(record(1), own, record(2)))
    assert (segment.records, segment.losses, segment.seal) == (2, (), None)


def test_bytes_after_a_seal_are_named():
    seal = pack_seal(1, 1, 2, bytes(32), 5, HEADER.mark)
    assert [loss.kind for loss in scan_file(FIRST, segment_of(record(1), seal, b"more")).losses] == ["surplus"]


def test_an_encrypted_record_is_told_as_such():
    sealed = _fastpath.seal_record(b"\x00secret", ord("A"), 1, 77, 5, 6, HEADER.mark)
    disk = SimDisk(Random(1))
    disk.place(FIRST, segment_of(record(1), sealed, record(6)))
    entries = list(read_back(disk, recover(disk).stretches))
    assert entries[1].event == UnknownEvent("encrypted", {"t": "encrypted", "bytes": b"\x00secret"}, "under key 77")
    assert [entry.seq for entry in entries] == [1, 5, 6]


def test_a_record_of_a_newer_version_is_checked_and_read_all_the_same():
    newer = bytearray(record(2)[:36])
    body = record(2)[40:]
    newer[2] = 9
    data = bytes(newer) + _fastpath.crc32c(bytes(newer) + body).to_bytes(4) + body
    disk = SimDisk(Random(1))
    disk.place(FIRST, segment_of(record(1), data))
    ((_, first), (_, second)) = read_records(disk, recover(disk).stretches)
    assert (first.version, second.version) == (1, 9)
    assert entry_of(second, 1).event == some_event(2)


def test_a_segment_given_up_before_its_first_record_is_no_damage_when_it_comes_back():
    disk = SimDisk(Random(1))
    writer, _ = open_writer(disk, JournalOptions(segment_kib=8, reserve_mib=0))
    commit(writer, some_drafts(1, 3))
    for operation in ("sync_folder", "remove"):
        disk.faults.append(Fault(operation, disk.calls[operation] + 1, disk.calls[operation] + 1))
    commit(writer, some_drafts(4, 30))
    close(writer, disk, 34)
    assert disk.list() == [segment_name(number) for number in (1, 2, 3)]
    recovery = recover(disk, thorough=True)
    assert [segment.number for segment in recovery.segments] == [1, 3]
    assert recovery.losses == ()
    assert set(found(disk)) == set(range(1, 34))


def test_two_histories_in_one_folder_are_named():
    """A backup was played back, the gateway went on, and then the old end was put beside it."""
    disk = written_disk(5)
    backup = disk.crash_image("none", Random(1))
    writer, recovery = open_writer(disk)
    commit(writer, some_drafts(recovery.next_seq, 2))
    close(writer, disk, recovery.next_seq + 2)
    old_end = disk.read(segment_name(2), 0, 65_536)
    backup.place(segment_name(2), b"")
    writer, recovery = open_writer(backup)
    commit(writer, some_drafts(recovery.next_seq, 3))
    close(writer, backup, recovery.next_seq + 3)
    backup.place(segment_name(2), old_end)
    (loss,) = recover(backup).losses
    assert (loss.kind, loss.detail) == ("misplaced", "says that it follows segment 1, but segment 2 is there")
    assert set(found(backup)) >= {1, 2, 3, 4, 5, 6, 7}


def test_what_vanishes_or_fails_after_the_recovery_is_passed_over():
    disk = written_disk(600)
    stretches = recover(disk).stretches
    run_now(disk.remove(segment_name(2)))
    read = [entry.seq for entry in read_back(disk, stretches)]
    assert 0 < len(read) < 600
    assert read == sorted(read)


def test_a_chain_that_cannot_be_read_is_unknown_and_not_broken():
    disk = written_disk(5, seal=False)
    writer, recovery = open_writer(disk)
    close(writer, disk, recovery.next_seq)
    whole = disk.calls["read"]
    for call in range(whole + 1, whole + 12):
        disk.faults = [Fault("read", call, call)]
        disk.calls["read"] = whole
        assert "chain" not in {loss.kind for loss in recover(disk, thorough=True).losses}
    disk.faults = []
    assert recover(disk, thorough=True).losses == ()


def test_reading_can_start_at_any_number():
    disk = written_disk(600)
    stretches = recover(disk).stretches
    for seq in (0, 1, 299, 300, 599, 600, 10_000):
        assert [entry.seq for entry in read_back(disk, stretches_after(stretches, seq), seq)] == list(range(seq + 1, 601))
    assert list(stretches_after([], 5)) == []


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (Loss("hole", 3, 10, 20, 7, 9, "lost"), "hole: segment 3, bytes 10 to 20: lost (records after 7 and before 9)"),
        (Loss("tail", 3, 10, 20, 7, None, "lost"), "tail: segment 3, bytes 10 to 20: lost (records after 7 and nothing readable follows)"),
        (Loss("duplicate", 3, 0, 0, 7, 8, "twice"), "duplicate: segment 3: twice"),
    ],
)
def test_a_loss_says_what_where_and_which_records(loss, text):
    assert str(loss) == text


def test_a_note_of_nothing_that_could_be_shortened_is_left_out():
    assert note_of({"detail": "x" * 5_000}) == ""


def test_nested_facts_are_shown_and_senseless_ones_hidden():
    decision = Decision(Area(CentreId("c"), "polygon"), Proposal("proposed", "quickest", "road", "v", (Candidate(UnitId("G-1"), 9.5, 100.0),)), 5)
    body = body_of(AlarmRouted("a", decision, "raised"))
    assert without_private(body) == body
    assert without_private(body | {"decision": "x"})["decision"] == HIDDEN
    assert event_of(body | {"decision": {"area": 1}}).why == "decision: area: no map"


@pytest.mark.parametrize(("hint", "value"), [(Urgency, 5), (tuple[str, str], ["a"]), (tuple[str, str], "ab"), (tuple[int, ...], ["a"])])
def test_values_that_do_not_fit_are_misfits(hint, value):
    with pytest.raises(ValueError):
        shape_of(hint)[0].read(value)


def test_pairs_keep_their_places():
    shape = shape_of(tuple[str, int])[0]
    assert shape.read(shape.write(("a", 5))) == ("a", 5)
