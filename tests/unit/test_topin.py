"""Topin beside GT06: the same two bytes open both, a checksum tells them apart."""

import pytest

from gateway.model import Kind
from gateway.protocols import gt06, open_session, topin
from tests.unit.gt06_frames import alarm, login
from tests.vectors.sheets import NOW_US

LOGIN = bytes.fromhex("78780d010001012600000016010d0a")
SOS = bytes.fromhex("787801990d0a")


def test_a_login_without_checksum_is_topin_and_one_with_it_is_gt06() -> None:
    assert topin.recognise(LOGIN) > 90 > gt06.recognise(LOGIN)
    assert gt06.recognise(login()) == 100
    assert topin.recognise(login()) == 0


@pytest.mark.parametrize("message", [login() + alarm(0x16, 4, 1), login()[:-3], alarm(0x26, 4, 1)])
def test_what_gt06_sends_is_never_decided_to_be_topin(message: bytes) -> None:
    assert all(topin.recognise(message[:size]) < 50 for size in range(len(message) + 1))


@pytest.mark.parametrize("noise", [b"", b"\x79\x79", b"\x78\x79", b"\x78\x78\x05\x57", b"\x78\x78\x29\x69" + bytes(300)])
def test_what_cannot_be_topin_is_not_waited_for(noise: bytes) -> None:
    assert topin.recognise(noise) == 0


def test_a_shared_port_reads_both() -> None:
    for opening, name in ((LOGIN + SOS, "topin"), (login() + alarm(0x16, 4, 1), "gt06")):
        session = open_session("auto", "tcp")
        found = []
        for at in range(len(opening)):
            session.receive(opening[at : at + 1])
            found += list(session.frames(NOW_US))
        assert [frame.protocol for frame in found] == [name, name]
        assert found[-1].kinds & Kind.SOS_BUTTON


def test_a_frame_that_never_ends_does_not_hold_the_connection() -> None:
    session = open_session("topin", "tcp")
    session.receive(LOGIN + b"\x78\x78\x03\x57" + b"\x55" * 400)
    assert [frame.kinds for frame in session.frames(NOW_US)] == [Kind.LOGIN]
    assert session.pending_bytes == 0
    assert session.skipped_bytes == 404
