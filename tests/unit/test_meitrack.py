"""Meitrack beyond single frames: first bytes, answers that count, lists that lie about themselves."""

import struct

import pytest

from gateway.model import Kind
from gateway.protocols.meitrack import Session, recognise
from gateway.protocols.octets import sum8
from tests.vectors.sheets import NOW_US

RECORD = struct.pack("<BiiI", 1, 51_053_829, 3_725_012, 826_376_591) + bytes(39)


def frame(body: bytes) -> bytes:
    counted = b",001012600000014," + body + b"*"
    head = b"$$A%d" % (len(counted) + 4) + counted
    return head + b"%02X\r\n" % sum8(head)


LOGIN = frame(b"AAC,1")


@pytest.mark.parametrize(
    ("data", "confidence"),
    [
        (b"$", 10),
        (b"$$A12", 10),
        (b"$$~", 0),
        (b"$$A3,", 0),
        (b"$$A9999,", 0),
        (LOGIN[:12], 30),
        (LOGIN[:-6], 85),
        (LOGIN, 98),
        (LOGIN + LOGIN, 98),
        (LOGIN.replace(b"AAC,1", b"AAC,2"), 60),
        (LOGIN[:-1] + b"x", 0),
        (b"$$A27,0010126000X", 0),
    ],
)
def test_first_bytes_are_judged_by_the_header_and_proved_by_the_sum(data: bytes, confidence: int) -> None:
    assert recognise(data) == confidence


@pytest.mark.parametrize(("count", "length"), [(1, b"@@A27,"), (12, b"@@A28,"), (20, b"@@A28,")])
def test_the_answer_to_a_batch_carries_its_true_length(count: int, length: bytes) -> None:
    reply = Session("tcp").read(frame(b"CCC,\x02\x01\x34\x00" + bytes(4) + RECORD * count), NOW_US).reply
    assert reply and reply.startswith(length) and len(reply) == 3 + 2 + int(length[3:5])
    assert b",CCC,%d*" % count in reply


@pytest.mark.parametrize("body", [b"CCE,", b"CCE,\x00\x00", b"CCE," + bytes(6), b"CCE," + bytes(4) + b"\x05\x00"])
def test_a_list_without_a_record_is_refused(body: bytes) -> None:
    refusal = Session("tcp").read(frame(body), NOW_US).refused
    assert refusal and refusal.reason == "length"


def test_a_list_reads_no_more_records_than_it_says() -> None:
    record = b"\x08\x00\x18\x00\x01\x01\x01\x00\x00\x00"
    found = Session("tcp").read(frame(b"CCE," + bytes(4) + b"\x01\x00" + record * 3), NOW_US)
    assert [report.kinds for report in found.reports] == [Kind.SOS_BUTTON]
