"""Three generations of Xexun and the first MiniFinder beside their vectors: when a frame is over, and what first bytes show."""

import struct
from collections.abc import Callable

import pytest

from gateway.model import Kind
from gateway.protocols import minifinder, xexun, xexun2, xexun3
from gateway.protocols.octets import crc16_ccitt_false, xor8
from tests.vectors.sheets import NOW_US

RMC = b"GPRMC,130311.000,A,5103.2593,N,00343.2741,E,2.16,271.00,090326,,,A"
SENTENCE = RMC + b"*%02X" % xor8(RMC)
SHORT = SENTENCE + b",F,help me!, imei:001012600000016,"
FULL = b"260309140311,+32470000000," + SENTENCE + b",F,help me!, imei:001012600000016,09,8.0,F:3.91V,0,139,1234,206,01,04D2,DDD5"
THIRD = b"\x03\x20\x03" + bytes.fromhex("0001012600000016") + b"\x69\x06\x69\xae\xc5\x0f\x01\x00"


def second(payload: bytes) -> bytes:
    header = bytes.fromhex("001400020010126000000160") + struct.pack(">HH", len(payload), xexun2.checksum(payload))
    return xexun2.MARK + xexun2.stuffed(header + payload) + xexun2.MARK


def third(turned: int = 0) -> bytes:
    return struct.pack(">BH", xexun3.START, len(THIRD)) + THIRD + struct.pack(">HB", crc16_ccitt_false(THIRD) ^ turned, xexun3.END)


@pytest.mark.parametrize("whole", [SHORT, FULL + b"\r", FULL + b"\n"], ids=["short", "cr", "lf"])
def test_an_alarm_does_not_wait_for_what_may_never_come(whole: bytes) -> None:
    session = xexun.Session("tcp")
    session.receive(whole[:-1])
    assert list(session.frames(NOW_US)) == []
    session.receive(whole[-1:])
    assert [frame.kinds for frame in session.frames(NOW_US)] == [Kind.SOS_BUTTON]
    session.receive(b"\r\n")
    assert list(session.frames(NOW_US)) == []
    assert (session.pending_bytes, session.skipped_bytes) == (0, 0)


def test_a_sentence_without_a_line_end_is_over_when_the_next_begins() -> None:
    session = xexun.Session("tcp")
    session.receive(FULL)
    assert list(session.frames(NOW_US)) == []
    session.receive(SHORT)
    assert [frame.raw for frame in session.frames(NOW_US)] == [FULL, SHORT]


def test_a_place_beside_a_wrong_sum_is_not_told_although_the_alarm_is() -> None:
    frame = xexun.Session("tcp").read(FULL.replace(b"5103", b"5104") + b"\r", NOW_US)
    assert frame.refused and frame.unverified and frame.device == "001012600000016"
    assert frame.unverified.fix is None and frame.unverified.event_at_us is None
    assert frame.unverified.kinds == Kind.SOS_BUTTON and frame.unverified.cells


@pytest.mark.parametrize("before", [b"\r\n", b"\x00", b"$", b"x" * 40 + b","])
def test_bytes_before_a_sentence_cost_no_alarm(before: bytes) -> None:
    assert xexun.Session("tcp").read(before + FULL + b"\r\n", NOW_US).kinds == Kind.SOS_BUTTON


def test_a_sentence_that_never_names_its_device_is_given_up() -> None:
    session = xexun.Session("tcp")
    session.receive(b"GPRMC," + b"x" * xexun.SENTENCE_BYTES_MAX)
    assert list(session.frames(NOW_US)) == [] and session.pending_bytes == 0


def test_stuffing_is_its_own_inverse() -> None:
    for plain in (b"\xfa\xaf\xfb\xbf", b"\xfb\xbf\x01", b"\xfa\xfa\xaf\xaf", b"\xfb\xfb\xbf\x02"):
        assert xexun2.MARK not in xexun2.stuffed(plain)
        assert xexun2.unstuffed(xexun2.stuffed(plain)) == plain


def test_a_sum_of_many_bytes_is_folded() -> None:
    assert xexun2.checksum(b"\x01") == 0xFFFE
    assert xexun2.checksum(b"\xff" * 1023) == 0xFFFF - (1023 * 255 - 3 * 0x10000 + 3)


@pytest.mark.parametrize(
    ("recognise", "first", "at_least", "at_most"),
    [
        (xexun.recognise, b"", 0, 0),
        (xexun.recognise, b"2603", 1, 49),
        (xexun.recognise, FULL[:40], 50, 89),
        (xexun.recognise, SHORT[:20], 1, 49),
        (xexun.recognise, SHORT, 90, 100),
        (xexun.recognise, b"$" + SHORT, 0, 0),
        (xexun2.recognise, b"\xfa", 1, 49),
        (xexun2.recognise, b"\xfa\xaf\x00", 1, 49),
        (xexun2.recognise, b"\xfb", 0, 0),
        (xexun2.recognise, second(b"\x00")[:14], 50, 89),
        (xexun2.recognise, second(b"\x00"), 90, 100),
        (xexun2.recognise, b"\xfa\xaf\x00\x15" + second(b"\x00")[4:], 90, 100),
        (xexun3.recognise, b"\xfc\x00", 1, 49),
        (xexun3.recognise, b"\xfc\x00\x20\x04", 0, 0),
        (xexun3.recognise, third()[:14], 50, 89),
        (xexun3.recognise, third(), 90, 100),
        (xexun3.recognise, third(turned=1), 50, 89),
        (xexun3.recognise, third().replace(b"\x00\x01\x01\x26", b"\x10\x01\x01\x26"), 0, 0),
        (minifinder.recognise, b"!", 1, 49),
        (minifinder.recognise, b"!5,19;", 1, 49),
        (minifinder.recognise, b"!D,9/3/26,", 50, 89),
        (minifinder.recognise, b"!1,001012600000016;", 90, 100),
        (minifinder.recognise, b"!AIVDM,1", 0, 0),
    ],
)
def test_first_bytes_show_which_protocol_it_is(recognise: Callable[[bytes], int], first: bytes, at_least: int, at_most: int) -> None:
    assert at_least <= recognise(first) <= at_most
