"""The bytes of the journal, and events as the maps in its records."""

import typing
from dataclasses import fields
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import _fastpath, events
from gateway.events import AlarmRaised, CentreTold, FrameKept
from gateway.journal.bodies import HIDDEN, UnknownEvent, body_of, event_of, shape_of, without_private
from gateway.journal.record import (
    HEADER_BYTES,
    Header,
    note_of,
    pack_body,
    pack_record,
    pack_seal,
    read_header,
    read_range,
    read_record,
    read_seal,
    unpack_body,
)
from gateway.model import Fix, Kind, Trust, Urgency
from tests.journal_acts import some_event

HEADER = Header(7, 4_711, 1_774_000_000_000_000, 65_536, 6, 60_123, 4_710, bytes(range(32)), "0.1.0", '{"lost":[]}')


def crc32c_of_the_paper(data: bytes) -> int:
    """CRC-32C a bit at a time, as RFC 3720 appendix B.4 defines it: the oracle."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


# --------------------------------------------------------------------------------------------------- checksum


def test_crc32c_has_the_check_value():
    assert crc32c_of_the_paper(b"123456789") == _fastpath.crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(("data", "crc"), [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)])
def test_crc32c_of_the_rfc_examples(data, crc):
    assert _fastpath.crc32c(data) == crc


@given(st.binary(max_size=300), st.integers(0, 300))
def test_crc32c_is_the_papers_and_can_be_continued(data, cut):
    whole = _fastpath.crc32c(data)
    assert whole == crc32c_of_the_paper(data)
    assert _fastpath.crc32c(data[cut:], _fastpath.crc32c(data[:cut])) == whole


# -------------------------------------------------------------------------------------------- headers, records


def test_a_header_is_read_as_it_was_written():
    page = HEADER.pack()
    assert len(page) == HEADER_BYTES
    assert read_header(page + b"more") == HEADER


@pytest.mark.parametrize("bit", [*range(0, 1100, 7), *range(8 * HEADER_BYTES - 40, 8 * HEADER_BYTES)])
def test_no_bit_of_a_header_can_turn_unseen(bit):
    page = bytearray(HEADER.pack())
    page[bit // 8] ^= 1 << bit % 8
    assert read_header(bytes(page)) is None


@pytest.mark.parametrize("length", [0, 1, 8, 131, HEADER_BYTES - 1])
def test_a_short_header_is_none(length):
    assert read_header(HEADER.pack()[:length]) is None


def test_every_segment_has_its_own_mark():
    marks = {Header(number, 1, number, 65_536, chain=bytes([number]) * 32).mark for number in range(200)}
    assert len(marks) == 200
    assert 0 not in marks


def test_a_note_that_is_too_long_loses_entries_and_stays_json():
    note = note_of({"lost": [f"segment {number}" * 9 for number in range(500)], "tail_cut_bytes": 3})
    assert '"shortened":true' in note
    assert read_header(Header(1, 1, 1, 65_536, note=note).pack()).note == note
    with pytest.raises(ValueError, match="note"):
        Header(1, 1, 1, 65_536, note="n" * 4_000).pack()


def test_a_record_is_read_as_it_was_written_and_only_with_its_mark():
    data = b"xy" + pack_record(2**53 - 1, 1_774_000_000_000_000, Urgency.B, b"body", HEADER.mark)
    record = read_record(data, 2, HEADER.mark, base=4096)
    assert (record.seq, record.at_us, record.urgency, record.body, record.offset, record.end) == (
        2**53 - 1, 1_774_000_000_000_000, "B", b"body", 4098, 4098 + 44,
    )  # fmt: skip
    assert read_record(data, 2, 0) is not None
    assert read_record(data, 2, HEADER.mark ^ 1) is None
    assert [read_record(data, offset, 0) for offset in (0, 1, 3, len(data), len(data) + 1, -1)] == [None] * 6


@pytest.mark.parametrize("seq", [1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**64 - 1])
def test_numbers_have_sixty_four_bits(seq):
    assert read_record(pack_record(seq, seq, Urgency.A, b"", 9), 0, 9)[1:3] == (seq, seq)


def test_a_clock_before_1970_does_not_lose_a_record():
    assert read_record(pack_record(1, -5, Urgency.A, b"", 9), 0, 9).at_us == 0


def test_a_body_above_the_limit_is_refused():
    with pytest.raises(ValueError, match="8388608"):
        pack_record(1, 1, Urgency.A, bytes(8_388_609), 9)


def test_records_are_read_through_any_window():
    bodies = [bytes([number]) * (number * 37 % 500) for number in range(60)]
    data = b"".join(pack_record(seq, 0, Urgency.A, body, 9) for seq, body in enumerate(bodies, 1))
    for window in (1, 40, 41, 333, 1 << 20):
        records = list(read_range(lambda offset, length: data[offset : offset + length], 0, len(data), 9, window))
        assert [record.body for record in records] == bodies
        assert [record.offset for record in records[1:]] == [record.end for record in records[:-1]]
    # A file that ends early, and one that has grown wrong, end the reading.
    assert len(list(read_range(lambda offset, length: data[: len(data) // 2][offset : offset + length], 0, len(data), 9))) in range(20, 50)
    assert not list(read_range(lambda offset, length: bytes(length), 0, len(data), 9))


def test_a_seal_is_read_as_it_was_written():
    data = pack_seal(12, 40, 44, bytes(32), 5, 9)
    seal = read_seal(read_record(data, 0, 9))
    assert (seal.records, seal.last_seq, seal.next_seq, seal.chain, seal.end) == (12, 40, 44, bytes(32), len(data))
    other = _fastpath.seal_record(pack_body({"t": "something newer"}), ord("J"), 0, 0, 1, 1, 9)
    assert read_seal(read_record(other, 0, 9)) is None


# ------------------------------------------------------------------------------------------------------ bodies


def of_hint(hint: object) -> st.SearchStrategy:
    """Values of a field, odd ones too."""
    if hint is int:
        return st.integers(-(2**63), 2**64 - 1)
    if hint is str:
        return st.text(st.characters(exclude_categories=()), max_size=20)
    if hint is Kind:
        return st.lists(st.sampled_from(list(Kind)), max_size=5).map(lambda kinds: Kind(sum(set(kinds))))
    if typing.get_origin(hint) is tuple and typing.get_args(hint)[-1] is ...:
        return st.lists(of_hint(typing.get_args(hint)[0]), max_size=3).map(tuple)
    if typing.get_args(hint):
        return st.one_of(*[of_hint(each) for each in typing.get_args(hint)])
    if isinstance(hint, typing.NewType):
        return of_hint(hint.__supertype__)
    if hasattr(hint, "__dataclass_fields__"):
        return of_dataclass(hint)
    if hint is float:
        return st.floats(allow_nan=False)
    return st.from_type(hint)


def of_dataclass(made: type) -> st.SearchStrategy:
    hints = typing.get_type_hints(made)
    return st.builds(made, **{each.name: of_hint(hints[each.name]) for each in fields(made)})


@pytest.mark.parametrize("made", typing.get_args(events.Event), ids=lambda made: made.__name__)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_event_comes_back_as_it_was(made, data):
    event = data.draw(of_dataclass(made))
    assert event_of(unpack_body(pack_body(body_of(event)))) == event


def test_a_body_says_everything_by_name():
    event = AlarmRaised(
        "ab" * 16, "001010000000001", "gt06", "tcp", Kind.SOS_BUTTON | Kind.BATTERY_LOW, 5, None, None, "none", Trust.T3, "key",
        doubts=("clock",), fix=Fix(510_543_210, 37_212_345),
    )  # fmt: skip
    assert body_of(event) == {
        "t": "AlarmRaised", "alarm_id": "ab" * 16, "device": "001010000000001", "protocol": "gt06", "transport": "tcp",
        "kinds": ["sos_button", "battery_low"], "received_at_us": 5, "time_quality": "none", "trust": "T3", "press_key": "key",
        "doubts": ["clock"], "late": False, "pending": False, "test": False, "simulated": False,
        "fix": {"lat_e7": 510_543_210, "lon_e7": 37_212_345, "valid": True, "source": "gnss"}, "fix_current": False,
    }  # fmt: skip


def test_what_a_newer_version_added_does_not_hurt():
    body = body_of(some_event(1)) | {"altogether": "new", "trust": "T9"}
    assert event_of(body) == event_of(body_of(some_event(1)) | {"trust": "T0"})
    newer = {"t": "CentreMerged", "into": "x"}
    assert event_of(newer) == UnknownEvent("CentreMerged", newer, "an event that this version does not know")
    assert body_of(event_of(newer)) == newer


def test_a_kind_of_a_newer_version_is_an_alarm_that_nobody_knows():
    raised = {"t": "FaultReported", "alarm_id": "a", "kinds": ["battery_low", "heart_stopped"]}
    assert event_of(raised).kinds == Kind.BATTERY_LOW | Kind.UNKNOWN_ALARM


def test_what_an_older_version_left_out_has_its_default():
    assert event_of({"t": "CentreTold", "alarm_id": "a", "centre_id": "c", "level": "accepted"}) == CentreTold("a", "c", "accepted")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"t": "AlarmClosed", "alarm_id": "a"}, "reason: missing"),
        ({"t": "AlarmClosed", "alarm_id": "a", "reason": 5}, "reason: int instead of str"),
        ({"t": "DeviceSilent", "alarm_id": "a", "silent_s": True}, "silent_s: bool instead of int"),
        ({"t": "FaultReported", "alarm_id": "a", "kinds": "sos"}, "kinds: no list of names"),
        ({"t": "CancelClaimed", "alarm_id": "a", "received_at_us": [1]}, "received_at_us: list instead of int"),
        ({"t": "PositionReported", "alarm_id": "a", "fix": 3, "received_at_us": 1, "current": True, "trust": "T1"}, "fix: no map"),
    ],
)
def test_a_senseless_body_is_an_unknown_event_that_says_why(body, why):
    event = event_of(body)
    assert isinstance(event, UnknownEvent)
    assert event.why == why


@settings(max_examples=300)
@given(st.binary(max_size=80))
def test_no_bytes_make_reading_fail(body):
    event_of(unpack_body(body))


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", b"\x81\xa1t\x05", b"\x80", b"\x81\x05\xa1t", b"\xdf\xff\xff\xff\xff", b"\x91" * 2000, b"\x81\xa1t\xa1x\x00"]
)
def test_a_body_that_is_no_map_of_ours_is_unreadable(body):
    assert unpack_body(body)["t"] == "unreadable"
    assert unpack_body(body)["bytes"] == body


def test_absurd_values_do_not_lose_an_alarm():
    event = CentreTold("a", "c", "note", note="half a pair: \ud83d, NUL: \x00")
    assert event_of(unpack_body(pack_body(body_of(event)))) == event
    huge = {"t": "DeviceSilent", "alarm_id": "a", "silent_s": 10**30, "more": [{"x": -(10**30)}]}
    assert unpack_body(pack_body(huge)) == {"t": "DeviceSilent", "alarm_id": "a", "silent_s": 2**64 - 1, "more": [{"x": -(2**63)}]}


def test_private_facts_are_hidden():
    shown = without_private(body_of(some_event(1)) | {"novelty": 51.05})
    assert shown["fix"] == shown["novelty"] == HIDDEN
    assert shown["alarm_id"] == f"{1:032x}"
    frame = without_private(body_of(FrameKept("001010000000001", "gt06", "tcp", "tcp 0", b"raw", Trust.T1)))
    assert (frame["device"], frame["raw"], frame["protocol"]) == (HIDDEN, HIDDEN, "gt06")
    assert without_private({"t": "Newer", "lat": 51}) == {"t": "Newer", "lat": HIDDEN}


def test_a_field_without_a_form_is_refused_at_the_start():
    with pytest.raises(TypeError, match=r"teach journal/bodies\.py"):
        shape_of(dict[str, int])


# -------------------------------------------------------------------------------------------------- the walker


def test_the_walker_steps_over_rising_records_only():
    dice = Random(5)
    records = [pack_record(seq, 0, Urgency.A, dice.randbytes(dice.randint(0, 90)), 9) for seq in (3, 4, 9, 10, 10, 11)]
    data = b"".join(records)
    four = len(b"".join(records[:4]))
    assert _fastpath.walk_records(data, 0, len(data), 9, 2) == (four, 4, 3, 10)
    assert _fastpath.walk_records(data, 0, len(data), 9, 3) == (0, 0, 0, 3)
    assert _fastpath.walk_records(data, 0, 1, 9, 0) == (len(records[0]), 1, 3, 3)
    assert _fastpath.walk_records(data, 0, len(data), 8, 0) == (0, 0, 0, 0)
    assert _fastpath.walk_records(data, -5, len(data), 9, 0) == (-5, 0, 0, 0)
    assert _fastpath.walk_records(data, len(data) + 9, len(data) + 99, 9, 0)[1] == 0
