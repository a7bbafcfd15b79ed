"""Eview beside its vectors: who is named, what is told, and what is waited for."""

import struct

import pytest

from gateway.model import Kind
from gateway.protocols import eview
from gateway.protocols.octets import crc16_xmodem
from tests.vectors.sheets import NOW_US

IMEI, OTHER = b"001012600000016", b"001012600000024"
SOS = b"\x05\x02\x00\x10\x00\x00"


def frame(keys: bytes, command: int = eview.DATA, imei: bytes | None = IMEI) -> bytes:
    body = bytes((command,)) + (b"\x10\x01" + imei if imei else b"") + keys
    return struct.pack("<BBHHH", eview.START, eview.ANSWER_WANTED, len(body), crc16_xmodem(body), 7) + body


def spoilt(raw: bytes) -> bytes:
    return raw[:4] + bytes((raw[4] ^ 1,)) + raw[5:]


def test_each_frame_is_its_own_devices_and_one_without_a_name_the_last_ones() -> None:
    session = eview.Session("tcp")
    raws = (frame(b""), frame(b"", imei=OTHER), frame(SOS, imei=None))
    assert [session.read(raw, NOW_US).device for raw in raws] == [IMEI.decode(), OTHER.decode(), OTHER.decode()]


def test_a_spoilt_frame_lends_its_name_to_its_alarm_and_to_nothing_else() -> None:
    session = eview.Session("tcp")
    alarm = session.read(spoilt(frame(SOS)), NOW_US)
    assert alarm.refused and alarm.unverified and alarm.unverified.kinds == Kind.SOS_BUTTON
    assert alarm.device == IMEI.decode() and alarm.reply is None
    assert session.device is None
    refusal = session.read(frame(b"", imei=None), NOW_US).refused
    assert refusal and refusal.reason == "identity"


def test_nobody_is_told_where_a_wearer_is() -> None:
    session = eview.Session("tcp")
    gps = b"\x16\x20" + struct.pack("<iiHHhHIB", 510_543_210, 37_212_345, 4, 271, 8, 9, 0, 9)
    assert session.read(frame(gps), NOW_US).reports[0].fix
    reply = session.read(frame(b"\x01\x11", command=eview.SERVICES), NOW_US).reply
    assert reply and reply.endswith(b"\x0a\x11" + bytes(9))


def test_an_answer_is_never_answered_in_a_circle() -> None:
    reply = eview.Session("tcp").read(frame(b""), NOW_US).reply
    assert reply
    session = eview.Session("tcp")
    session.read(frame(b""), NOW_US)
    assert session.read(reply, NOW_US).reply is None


@pytest.mark.parametrize(
    ("first", "at_least", "at_most"),
    [
        (b"", 0, 0),
        (b"\xab", 1, 49),
        (b"\xab\x10\x00\x00", 0, 0),
        (b"\xab\x10\x01\x20", 0, 0),
        (frame(b"")[:9], 1, 49),
        (frame(b"", command=0x55)[:9], 1, 49),
        (frame(SOS)[:26], 50, 89),
        (frame(SOS), 90, 100),
        (spoilt(frame(SOS)), 50, 89),
        (spoilt(frame(SOS, imei=None)), 0, 0),
    ],
)
def test_a_connection_is_taken_for_eview_by_its_name_or_its_checksum(first: bytes, at_least: int, at_most: int) -> None:
    assert at_least <= eview.recognise(first) <= at_most
