"""Eelink beyond single frames: first bytes, the rotating sum, what an envelope may hold."""

import pytest

from gateway.model import Kind
from gateway.protocols.eelink import Session, enveloped, recognise, rotating_sum
from tests.vectors.sheets import NOW_US

IDENTITY = bytes.fromhex("0001012600000014")
LOGIN = b"gg\x01\x00\x0c\x00\x01" + IDENTITY + b"\x01\x20"
HEARTBEAT = b"gg\x03\x00\x04\x00\x21\x00\x6e"


@pytest.mark.parametrize(
    ("data", "confidence"),
    [
        (b"g", 5),
        (b"E", 5),
        (b"gg", 20),
        (HEARTBEAT, 20),
        (LOGIN[:9], 30),
        (LOGIN, 90),
        (LOGIN[:7] + b"\x10" + LOGIN[8:], 0),
        (LOGIN[:7] + b"\x0a" + LOGIN[8:], 0),
        (b"gg\x01\x00\x01\x00\x01", 0),
        (b"gh", 0),
        (b"ELEVEN", 30),
        (b"ELEVEN!", 0),
        (enveloped(IDENTITY, HEARTBEAT)[:20], 30),
        (enveloped(IDENTITY, HEARTBEAT), 98),
        (enveloped(IDENTITY, HEARTBEAT)[:-1] + b"\x6f", 55),
    ],
)
def test_first_bytes_are_judged_by_the_login_or_the_envelope(data: bytes, confidence: int) -> None:
    assert recognise(data) == confidence


def test_the_sum_turns_left_before_each_byte_and_keeps_sixteen_bits() -> None:
    assert rotating_sum(b"\x01\x02\x03") == 0b1011
    assert rotating_sum(b"\x80" + bytes(9)) == 0b1
    assert rotating_sum(b"\xff" * 40) <= 0xFFFF


def test_a_package_that_promises_more_than_there_is_is_refused_alone() -> None:
    cut = b"gg\x12\x00" + HEARTBEAT
    refusal = Session("udp").read(enveloped(IDENTITY, cut), NOW_US).refused
    assert refusal and refusal.reason == "length"
    beside = Session("udp").read(enveloped(IDENTITY, HEARTBEAT + cut), NOW_US)
    assert beside.kinds == Kind.HEARTBEAT and beside.reply == enveloped(IDENTITY, b"gg\x03\x00\x02\x00\x21")
    short = Session("tcp").read(b"gg\x03\x00", NOW_US).refused
    assert short and short.reason == "length"


def test_a_stray_g_before_a_package_does_not_hide_it() -> None:
    session = Session("tcp")
    session.receive(LOGIN + b"g" + b"gg\x04" + (28).to_bytes(2, "big") + bytes(28))
    assert [frame.raw[:3] for frame in session.frames(NOW_US)] == [b"gg\x01", b"gg\x04"]
    assert (session.skipped_bytes, session.pending_bytes) == (1, 0)


def test_a_datagram_of_bare_packages_names_nobody() -> None:
    session = Session("udp")
    assert session.read(enveloped(IDENTITY, HEARTBEAT), NOW_US).kinds == Kind.HEARTBEAT
    refusal = session.read(HEARTBEAT, NOW_US).refused
    assert refusal and refusal.reason == "framing"


def test_a_damaged_envelope_with_an_alarm_and_no_identity_keeps_the_alarm() -> None:
    warning = b"gg\x14\x00\x0a\x00\x02" + (NOW_US // 1_000_000).to_bytes(4, "big") + b"\x00\x02\x00\x00"
    good = enveloped(IDENTITY, warning)
    frame = Session("udp").read(good[:6] + b"\x0f" + good[7:], NOW_US)
    assert frame.refused and frame.device is None
    damaged = Session("udp").read(good[:-1] + b"\x01", NOW_US)
    assert damaged.unverified and damaged.unverified.kinds == Kind.SOS_BUTTON and damaged.device == "001012600000014"
