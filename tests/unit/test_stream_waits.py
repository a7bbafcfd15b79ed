"""The splitter that all stream protocols share, with the plain decoder and the compiled one: a wait never hides an alarm."""

import pytest

from gateway.protocols import open_session
from gateway.protocols.stream import BEHIND_BYTES_MAX, NESTED_MAX
from tests.vectors.sheets import NOW_US, OWN_CASES, Case

INCOMPLETE = {"gt06": b"\x78\x78\xff\x12", "teltonika": bytes(6) + b"\x07\xd0\x08", "eview": b"\xab\x10\xa0\x0f\x01"}
"Beginnings of frames that promise as much as one may have inside another: 255, 2000, 4000 bytes."
EITHER = pytest.mark.parametrize("reference", [True, False], ids=["reference", "compiled"])
NAMES = pytest.mark.parametrize("name", list(INCOMPLETE))


def alarm(name: str) -> Case:
    """A case of one frame or more that ends with an SOS."""
    return next(
        case for case in OWN_CASES if case.protocol == name and case.transport == "tcp" and case.checked and case.expect.get("alarm") == ["sos"]
    )


def seen(case: Case, reference: bool, before: bytes) -> list[bytes]:
    """Whole frames that come out when the alarm follows ``before``."""
    session = open_session(case.protocol, "tcp", case.settings, reference=reference)
    session.receive(b"".join(case.frames[:-1]))
    list(session.frames(NOW_US))
    session.receive(before + case.frames[-1])
    return [frame.raw for frame in session.frames(NOW_US) if not frame.refused]


@EITHER
@NAMES
@pytest.mark.parametrize("count", [1, 2, NESTED_MAX])
def test_incomplete_frames_do_not_hide_a_whole_one(name: str, count: int, reference: bool) -> None:
    case = alarm(name)
    assert seen(case, reference, INCOMPLETE[name] * count) == [case.frames[-1]]


@EITHER
@NAMES
def test_an_alarm_in_pieces_behind_an_incomplete_frame_is_not_hidden(name: str, reference: bool) -> None:
    case = alarm(name)
    session = open_session(name, "tcp", case.settings, reference=reference)
    found = []
    for byte in b"".join(case.frames[:-1]) + INCOMPLETE[name] * 2 + case.frames[-1]:
        session.receive(bytes((byte,)))
        found += [frame.raw for frame in session.frames(NOW_US) if not frame.refused]
    assert found == list(case.frames)
    assert session.pending_bytes == 0


@EITHER
def test_the_search_behind_incomplete_frames_is_short(reference: bool) -> None:
    """Else each byte of an attacker would cost a walk over everything that waits."""
    case = alarm("eview")
    waiting = INCOMPLETE["eview"] * 2
    assert seen(case, reference, waiting + b"." * (BEHIND_BYTES_MAX - 10)) == [case.frames[-1]]
    assert seen(case, reference, waiting + b"." * BEHIND_BYTES_MAX) == []
