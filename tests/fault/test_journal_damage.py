"""Bytes that change while nobody looks (R-06, F-03, F-08).

Must be survived: every turned bit, every cut, zeroed sectors, files that are missing, doubled, swapped or of another
journal. Nothing damaged may be read as a record, everything undamaged must be read, the loss must be told exactly,
and the journal must open and go on.

``GATEWAY_NIGHTLY=1`` turns every bit of 200 records instead of a sample of 60.
"""

import os
from random import Random

import pytest

from gateway.journal.record import HEADER_BYTES, RECORD_HEAD_BYTES, pack_body, pack_record, read_header
from gateway.journal.recovery import SEQ_SKIP, read_records, recover, scan_file, segment_name
from gateway.model import Urgency
from gateway.shell.disk import run_now
from gateway.sim.disk import SimDisk
from tests.journal_acts import close, commit, found, open_writer, some_drafts, written_disk

NIGHTLY = os.environ.get("GATEWAY_NIGHTLY") == "1"
FIRST = segment_name(1)


def bytes_of(disk: SimDisk, name: str = FIRST) -> bytes:
    return disk.read(name, 0, disk.size(name))


def extents(disk: SimDisk) -> dict[int, tuple[int, int]]:
    """Where each record of a one-segment journal stands."""
    return {record.seq: (record.offset, record.end) for _, record in read_records(disk, recover(disk).stretches)}


def assert_goes_on(disk: SimDisk, before: set[int]) -> None:
    """The journal opens, takes more, and has everything afterwards."""
    writer, recovery = open_writer(disk)
    assert recovery.next_seq not in before
    commit(writer, some_drafts(recovery.next_seq, 2))
    close(writer, disk, recovery.next_seq + 2)
    assert set(found(disk)) == before | {recovery.next_seq, recovery.next_seq + 1}


# ------------------------------------------------------------------------------------------------- single bits


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "open"])
def test_every_turned_bit_is_seen_and_costs_at_most_its_own_record(sealed):
    count = 200 if NIGHTLY else 60
    disk = written_disk(count, seal=sealed)
    whole, where = bytes_of(disk), extents(disk)
    content_end = len(whole.rstrip(b"\0"))
    bits = range(8 * content_end) if NIGHTLY else Random(7).sample(range(8 * content_end), 1_500)
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        disk.place(FIRST, bytes(damaged))
        recovery = recover(disk)
        hit = {seq for seq, (start, end) in where.items() if start <= bit // 8 < end}
        assert recovery.losses, f"bit {bit} turned and nobody noticed"
        assert set(found(disk)) == set(where) - hit
        for loss in recovery.losses:
            if loss.kind == "hole":
                (lost,) = hit
                assert (loss.start, loss.end) == where[lost]
                assert loss.after_seq < lost < loss.before_seq


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "open"])
def test_a_bit_turned_in_the_unused_space_is_seen(sealed):
    disk = written_disk(10, seal=sealed)
    whole = bytes_of(disk)
    for offset in (HEADER_BYTES - 5, len(whole.rstrip(b"\0")) + 1, 60_000):
        damaged = bytearray(whole.ljust(65_536, b"\0"))
        damaged[offset] ^= 1
        disk.place(FIRST, bytes(damaged))
        assert recover(disk).losses, f"a bit at {offset}"
        assert len(found(disk)) == 10


def test_a_journal_goes_on_after_any_turned_bit():
    for bit in Random(3).sample(range(8 * HEADER_BYTES), 10) + Random(4).sample(range(8 * HEADER_BYTES, 8 * 9_000), 40):
        disk = written_disk(40, seal=bool(bit % 2))
        disk.corrupt(FIRST, lambda content, bit=bit: content.__setitem__(bit // 8, content[bit // 8] ^ 1 << bit % 8))
        assert_goes_on(disk, set(found(disk)))


# -------------------------------------------------------------------------------------------------------- cuts


def test_every_cut_of_the_tail_is_seen_and_keeps_what_stands_before_it():
    disk = written_disk(12, seal=False)
    whole, where = bytes_of(disk), extents(disk)
    for length in range(where[9][0], where[12][1] + 5):
        disk.place(FIRST, whole[:length])
        assert [loss.kind for loss in recover(disk).losses][-1] == "truncated"
        assert set(found(disk)) == {seq for seq, (_, end) in where.items() if end <= length}


def test_every_cut_of_a_sealed_segment_is_seen():
    disk = written_disk(12)
    whole, where = bytes_of(disk), extents(disk)
    for length in range(where[12][0], len(whole)):
        disk.place(FIRST, whole[:length])
        assert recover(disk).losses
        assert set(found(disk)) == {seq for seq, (_, end) in where.items() if end <= length}


@pytest.mark.parametrize("length", [0, 1, 100, HEADER_BYTES - 1, HEADER_BYTES])
def test_a_segment_cut_down_to_its_header_is_seen(length):
    disk = written_disk(5, seal=False)
    disk.place(FIRST, bytes_of(disk)[:length])
    assert recover(disk).losses
    assert_goes_on(disk, set())


def test_a_torn_write_is_cut_and_the_chain_goes_on():
    disk = written_disk(30, seal=False)
    whole, where = bytes_of(disk), extents(disk)
    for length in range(where[30][0] + 1, where[30][1], 13):
        disk.place(FIRST, whole[:length].ljust(len(whole), b"\0"))
        assert [loss.kind for loss in recover(disk).losses] == ["tail"]
        writer, recovery = open_writer(disk)
        assert (recovery.last_seq, recovery.tail_cut_bytes > 0) == (29, True)
        assert recovery.next_seq == 30 + SEQ_SKIP
        close(writer, disk, recovery.next_seq)
        after = recover(disk, thorough=True)
        assert after.losses == (), "what was cut once is not damage any more"
        assert "tail" in after.segments[1].header.note
        disk = written_disk(30, seal=False)


# ----------------------------------------------------------------------------------------------------- sectors


def test_any_zeroed_sectors_cost_only_the_records_in_them():
    dice = Random(11)
    for _ in range(60):
        disk = written_disk(60, seal=dice.random() < 0.5)
        whole, where = bytes_of(disk), extents(disk)
        first = dice.randrange(0, len(whole.rstrip(b"\0")), 512)
        last = first + 512 * dice.randint(1, 4)
        damaged = bytearray(whole)
        damaged[first:last] = bytes(min(last, len(whole)) - first)
        disk.place(FIRST, bytes(damaged))
        intact = {seq for seq, (start, end) in where.items() if end <= first or start >= last}
        assert set(found(disk)) == intact
        assert_goes_on(disk, intact)


def test_records_of_another_place_are_not_read():
    """A sector of another segment, and one of the same segment further back, written over a record (misdirected)."""
    disk = written_disk(600)
    names = [segment.name for segment in recover(disk).segments]
    everything = set(found(disk))
    whole, other = bytes_of(disk, names[0]), bytes_of(disk, names[1])
    for stranger in (other[8_192:16_384], whole[8_192:16_384]):
        disk.place(names[0], whole[:32_768] + stranger + whole[40_960:])
        (loss,) = recover(disk).losses
        assert loss.kind == "hole"
        assert (loss.start, loss.end) >= (32_000, 40_900)
        assert set(found(disk)) == everything - set(range(loss.after_seq + 1, loss.before_seq))


def test_a_frame_that_looks_like_a_record_is_never_one():
    """A device may send what it likes, and its frame may stand in a damaged place."""
    disk = SimDisk(Random(1))
    writer, _ = open_writer(disk)
    forged = pack_record(10**9, 1, Urgency.A, pack_body({"t": "AlarmClosed", "alarm_id": "x", "reason": "forged"}), 0xDEADBEEF)
    entries = commit(writer, [draft._replace(body=pack_body({"t": "X", "raw": forged})) for draft in some_drafts(1, 3)]).entries
    close(writer, disk, 4)
    disk.corrupt(FIRST, lambda content: content.__setitem__(entries[1].position.offset, 0))
    assert [record.seq for _, record in read_records(disk, recover(disk).stretches)] == [1, 3]


# ------------------------------------------------------------------------------------------------------- files


def three_segments(seal: bool = True) -> tuple[SimDisk, list[str], list[set[int]]]:
    disk = written_disk(600, seal=seal)
    segments = recover(disk).segments
    numbers = [set(range(segment.first_seq, segment.last_seq + 1)) for segment in segments]
    assert len(segments) == 3
    return disk, [segment.name for segment in segments], numbers


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_segment_is_named_with_its_numbers(missing):
    disk, names, numbers = three_segments()
    run_now(disk.remove(names[missing]))
    (loss,) = recover(disk).losses
    assert (loss.kind, loss.segment) == ("missing", missing + 1)
    assert set(range(loss.after_seq + 1, loss.before_seq)) == numbers[missing]
    assert set(found(disk)) == set().union(*numbers) - numbers[missing]
    assert_goes_on(disk, set(found(disk)))


def test_a_doubled_segment_is_read_once_and_named():
    disk, names, numbers = three_segments()
    disk.place(segment_name(9), bytes_of(disk, names[1]))
    assert {loss.kind for loss in recover(disk).losses} == {"duplicate", "misplaced"}
    assert set(found(disk)) == set().union(*numbers)
    assert_goes_on(disk, set(found(disk)))


def test_a_segment_over_another_is_named_and_the_rest_is_read():
    disk, names, numbers = three_segments()
    disk.place(names[0], bytes_of(disk, names[1]))
    assert {loss.kind for loss in recover(disk).losses} == {"duplicate", "misplaced", "missing"}
    assert set(found(disk)) == numbers[1] | numbers[2]
    assert_goes_on(disk, set(found(disk)))


def test_swapped_segments_are_named_and_read_in_order():
    disk, names, numbers = three_segments()
    first, second = bytes_of(disk, names[0]), bytes_of(disk, names[1])
    disk.place(names[0], second)
    disk.place(names[1], first)
    assert [loss.kind for loss in recover(disk).losses] == ["misplaced", "misplaced"]
    assert list(found(disk)) == sorted(set().union(*numbers))


def test_a_segment_of_another_journal_hides_nothing():
    disk, names, numbers = three_segments()
    other = SimDisk(Random(2))
    writer, _ = open_writer(other)
    for first in range(10_000, 10_600, 3):
        commit(writer, some_drafts(first, 3))
    close(writer, other, 10_600)
    disk.place(names[1], bytes_of(other, segment_name(2)))
    assert {"foreign", "missing"} <= {loss.kind for loss in recover(disk).losses}
    assert set(found(disk)) == numbers[0] | numbers[2]


def test_damage_in_neighbouring_segments_costs_only_the_records_that_were_hit():
    disk, names, written = three_segments()
    for name in names[:2]:
        whole = bytearray(bytes_of(disk, name))
        whole[HEADER_BYTES + RECORD_HEAD_BYTES + 2] ^= 1
        whole[len(whole.rstrip(b"\0")) - 1] ^= 1  # the seal, which would have vouched for the bytes before it
        disk.place(name, bytes(whole))
    hit = {min(written[0]), min(written[1])}
    assert set(found(disk)) == set().union(*written) - hit
    assert "foreign" not in {loss.kind for loss in recover(disk).losses}


def test_what_was_changed_together_with_its_checksum_breaks_the_chain():
    disk, names, _ = three_segments()
    for name in names:
        whole = bytes_of(disk, name)
        mark = read_header(whole).mark
        record = scan_file(name, whole).stretches[0]
        seq = record.first_seq
        body_bytes = int.from_bytes(whole[record.start + 8 : record.start + 12])
        forged = pack_record(seq, 1, Urgency.A, bytes(body_bytes), mark)
        disk.place(name, whole[: record.start] + forged + whole[record.start + RECORD_HEAD_BYTES + body_bytes :])
        assert recover(disk).losses == (), "a start does not hash what is sealed"
        (loss,) = recover(disk, thorough=True).losses
        assert (loss.kind, loss.segment) == ("chain", int(name[:12]))
        disk.place(name, whole)
    assert recover(disk, thorough=True).losses == ()


def test_a_tail_that_was_zeroed_after_the_next_segment_was_begun_is_seen():
    disk = written_disk(30, seal=False)
    where = extents(disk)
    writer, recovery = open_writer(disk)
    close(writer, disk, recovery.next_seq)
    disk.corrupt(FIRST, lambda content: content.__setitem__(slice(where[28][0], None), bytes(len(content) - where[28][0])))
    losses = recover(disk).losses
    assert any(loss.after_seq == 27 and loss.before_seq == 31 for loss in losses)


def test_odd_files_in_the_folder_are_left_alone():
    disk = written_disk(10)
    for name in ("notes.txt", "000000000001.seg.bak", "1.seg", "reserve.old"):
        disk.place(name, b"mine")
    disk.place(segment_name(5), b"")
    disk.place(segment_name(6), b"not a segment at all" * 400)
    recovery = recover(disk)
    assert {loss.kind for loss in recovery.losses} == {"unborn", "header", "tail", "missing"}
    assert_goes_on(disk, set(range(1, 11)))
    assert disk.read("notes.txt", 0, 9) == b"mine"


def test_what_the_disk_cannot_read_is_a_loss_like_any_other():
    disk = written_disk(60, seal=False)
    where = extents(disk)

    class Unreadable(SimDisk):
        def read(self, name: str, offset: int, length: int) -> bytes:
            if offset < 12_288 and offset + length > 8_192:
                raise OSError(5, "Input/output error")
            return super().read(name, offset, length)

    broken = Unreadable(Random(1))
    for name in disk.list():
        broken.place(name, bytes_of(disk, name))
    recovery = recover(broken)
    assert {loss.kind for loss in recovery.losses} == {"unreadable", "hole"}
    expected = {seq for seq, (start, end) in where.items() if end <= 8_192 or start >= 12_288}
    assert {record for segment in recovery.segments for record in [segment.records]} == {len(expected)}


def test_random_damage_never_keeps_the_journal_from_opening():
    dice = Random(23)
    for _ in range(40):
        disk = written_disk(120, seal=dice.random() < 0.5)
        name = dice.choice([segment.name for segment in recover(disk).segments])

        def change(content: bytearray) -> None:
            for _ in range(dice.randint(1, 20)):
                start = dice.randrange(len(content))
                match dice.randrange(4):
                    case 0:
                        content[start] = dice.randrange(256)
                    case 1:
                        del content[start : start + dice.randint(1, 2_000)]
                    case 2:
                        content[start:start] = dice.randbytes(dice.randint(1, 600))
                    case _:
                        content[start:start] = content[: dice.randint(1, 5_000)]
                if not content:
                    break

        disk.corrupt(name, change)
        assert_goes_on(disk, set(found(disk)))
