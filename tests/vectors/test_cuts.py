"""A stream is cut where it likes, and a bit may turn: neither makes a frame say something else."""

import pytest

from gateway.model import Frame
from gateway.protocols import PROTOCOLS
from gateway.protocols.base import Session
from tests.vectors.sheets import NOW_US, OWN_CASES, Case, each_sheet

STREAMED = [case for case in OWN_CASES if case.transport == "tcp" and not case.expect.get("reject")]
SINGLE = [case for case in OWN_CASES if case.transport != "tcp"]
POSITION_SOURCES = {"nmea", "taip"}
"Formats of police units' receivers, which have no alarm in them."
CHECKED = [case for case in OWN_CASES if case.checked]


def fed(session: Session, *chunks: bytes) -> list[Frame]:
    """The frames that come out while the chunks go in."""
    found = []
    for chunk in chunks:
        session.receive(chunk)
        found += list(session.frames(NOW_US))
    return found


def read_one_by_one(case: Case, reference: bool) -> list[Frame]:
    session = case.connect(reference)
    return [session.read(raw, NOW_US) for raw in case.frames]


@each_sheet(STREAMED)
def test_frames_do_not_depend_on_how_the_stream_is_cut(cases: list[Case], reference: bool) -> None:
    for case in cases:
        whole, expected = b"".join(case.frames), read_one_by_one(case, reference)
        assert fed(case.connect(reference), whole) == expected, f"{case.name} in one piece"
        assert fed(case.connect(reference), *(whole[at : at + 1] for at in range(len(whole)))) == expected, f"{case.name} byte by byte"
        half = len(whole) - len(case.frames[-1]) // 2
        assert fed(case.connect(reference), whole[:half], whole[half:]) == expected, f"{case.name} cut in its last frame"


@each_sheet(STREAMED)
def test_a_frame_glued_to_itself_is_two(cases: list[Case], reference: bool) -> None:
    for case in cases:
        last = case.before_last(reference).read(case.frames[-1], NOW_US)
        found = fed(case.connect(reference), *case.frames[:-1], case.frames[-1] * 2)
        assert [frame.raw for frame in found[-2:]] == [last.raw] * 2, case.name
        assert found[-1].reports == found[-2].reports == last.reports, case.name


@each_sheet(STREAMED)
def test_a_frame_cut_at_any_length_says_nothing_until_the_rest_comes(cases: list[Case], reference: bool) -> None:
    for case in cases:
        raw = case.frames[-1]
        expected = case.before_last(reference).read(raw, NOW_US)
        for length in range(len(raw)):
            session = case.before_last(reference)
            assert [frame for frame in fed(session, raw[:length]) if not frame.refused] == [], f"{case.name} after {length} bytes"
            assert fed(session, raw[length:]) == [expected], f"{case.name} cut after {length} bytes"


@each_sheet(SINGLE)
def test_a_message_cut_at_any_length_is_read_or_refused(cases: list[Case], reference: bool) -> None:
    for case in cases:
        raw = case.frames[-1]
        session = case.before_last(reference)
        for length in range(0, len(raw), 1 + len(raw) // 512):
            frame = session.read(raw[:length], NOW_US)
            assert frame.raw == raw[:length], case.name
            assert not (frame.refused and frame.reports), case.name


@each_sheet(CHECKED)
def test_a_turned_bit_is_noticed_or_changes_nothing(cases: list[Case], reference: bool) -> None:
    for case in cases:
        raw = case.frames[-1]
        expected = case.before_last(reference).read(raw, NOW_US)
        session = case.before_last(reference)
        for bit in range(8 * len(raw)):
            turned = bytearray(raw)
            turned[bit // 8] ^= 0x80 >> bit % 8
            frame = session.read(bytes(turned), NOW_US)
            assert frame.refused or (frame.reports, frame.device) == (expected.reports, expected.device), f"{case.name}, bit {bit}"
            assert frame.refused is None or frame.reply is None or frame.refused == expected.refused, f"{case.name}, bit {bit}"


@pytest.mark.parametrize("name", [entry.name for entry in PROTOCOLS])
def test_every_row_has_vectors_of_both_sorts(name: str) -> None:
    mine = [case for case in OWN_CASES if case.protocol == name]
    assert [case for case in mine if case.expect.get("reject")], f"tests/vectors/{name}.json holds no refusal"
    if name not in POSITION_SOURCES:
        assert [case for case in mine if case.expect.get("alarm")], f"tests/vectors/{name}.json holds no alarm"
