"""JT/T 808 beyond single frames: messages in parts, levels that stand, our serial number, bytes before a frame."""

import struct

import pytest

from gateway.model import Kind
from gateway.protocols.jt808 import Session, identity_untrusted, recognise, stuffed
from gateway.protocols.jt808_alarms import STANDARD
from gateway.protocols.jt808_levels import DEVICES_MAX, Levels
from gateway.protocols.jt808_parts import MESSAGES_MAX, PARTS_MAX, WAIT_US, Parts
from gateway.protocols.jt808_position import place_untrusted
from gateway.protocols.octets import luhn_holds, xor8
from tests.vectors.sheets import NOW_US

PLACE = struct.pack(">IIIHHH", 3, 51_054_321, 3_725_012, 12, 45, 93) + bytes.fromhex("260309210311")
CALM, SOS = bytes(4) + PLACE, b"\x00\x00\x00\x01" + PLACE


def frame(kind: int, body: bytes, serial: int, part: tuple[int, int] | None = None, device: str = "012600000014") -> bytes:
    """One frame; ``part``: how many there are, and which it is."""
    attributes = len(body) | (0x2000 if part else 0)
    content = struct.pack(">HH", kind, attributes) + bytes.fromhex(device) + serial.to_bytes(2, "big")
    content += (struct.pack(">HH", *part) if part else b"") + body
    return stuffed(content + bytes((xor8(content),)), 0x7E)


def batch(*records: bytes) -> bytes:
    return struct.pack(">HB", len(records), 1) + b"".join(struct.pack(">H", len(record)) + record for record in records)


def kinds_after(session: Session, *raws: bytes) -> list[Kind]:
    return [session.read(raw, NOW_US).kinds for raw in raws]


# ---------------------------------------------------------------------------------------------- in parts


def test_parts_in_any_order_are_one_message_and_each_is_answered_when_all_are_there() -> None:
    session, body = Session("tcp"), batch(CALM, SOS)
    pieces = body[:20], body[20:50], body[50:]
    frames = [session.read(frame(0x0704, pieces[index - 1], 9 + index, (3, index)), NOW_US) for index in (3, 1, 2)]
    assert [found.reply is None for found in frames] == [True, True, False]
    assert [report.kinds for report in frames[-1].reports] == [Kind.POSITION, Kind.SOS_BUTTON]
    assert frames[-1].reply is not None and frames[-1].reply.count(b"\x7e") == 6


@pytest.mark.parametrize(("wait_us", "is_joined"), [(WAIT_US, True), (WAIT_US + 1, False)])
def test_parts_wait_thirty_seconds_for_the_next(wait_us: int, is_joined: bool) -> None:
    parts = Parts()
    assert parts.add(0x0704, 5, 2, 1, b"a", 0) is None
    assert (parts.add(0x0704, 6, 2, 2, b"b", wait_us) is not None) is is_joined


def test_parts_of_many_messages_stay_bounded() -> None:
    parts = Parts()
    for message in range(1_000):
        parts.add(0x0704, 100 * message, PARTS_MAX, 1, bytes(1023), 0)
    assert len(parts._open) == MESSAGES_MAX


def test_a_serial_number_used_anew_does_not_mix_two_messages() -> None:
    parts = Parts()
    parts.add(0x0704, 5, 2, 1, b"old ", 0)
    parts.add(0x0704, 6, 2, 2, b"message", 0)
    assert parts.add(0x0704, 5, 2, 1, b"new ", 1) is None
    joined = parts.add(0x0704, 6, 2, 2, b"words", 2)
    assert joined and joined.body == b"new words" and joined.serials == (5, 6)


def test_serial_numbers_of_parts_may_pass_the_end_of_the_counter() -> None:
    parts = Parts()
    parts.add(0x0704, 0xFFFF, 2, 1, b"a", 0)
    joined = parts.add(0x0704, 0, 2, 2, b"b", 0)
    assert joined and joined.serials == (0xFFFF, 0)


# ---------------------------------------------------------------------------------------------- levels


def test_a_level_is_pressed_once_and_stands_until_it_is_released() -> None:
    session = Session("tcp")
    reports = [session.read(frame(0x0200, body, serial), NOW_US).reports[0] for serial, body in enumerate((SOS, SOS, CALM, SOS))]
    assert [report.standing for report in reports] == [False, True, False, False]


def test_another_alarm_for_life_beside_one_that_stands_is_a_press() -> None:
    session = Session("tcp")
    session.read(frame(0x0200, SOS, 1), NOW_US)
    stolen = b"\x04\x00\x00\x01" + PLACE
    assert [session.read(frame(0x0200, stolen, serial), NOW_US).reports[0].standing for serial in (2, 3)] == [False, True]


def test_an_event_of_an_item_is_a_press_while_the_level_stands() -> None:
    session = Session("tcp")
    session.read(frame(0x0200, SOS, 1), NOW_US)
    report = session.read(frame(0x0200, SOS + b"\xe7\x08\x00\x02" + bytes(6), 2), NOW_US).reports[0]
    assert report.kinds == Kind.SOS_BUTTON and not report.standing


def test_a_damaged_frame_changes_nothing_that_stands() -> None:
    session = Session("tcp")
    damaged = bytearray(frame(0x0200, SOS, 1))
    damaged[-2] ^= 1
    assert session.read(bytes(damaged), NOW_US).unverified
    assert not session.read(frame(0x0200, SOS, 2), NOW_US).reports[0].standing


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_what_is_read_anew_with_other_settings_is_judged_and_answered_as_before(transport: str) -> None:
    raws = [frame(0x0002, b"", 1), frame(0x0200, SOS, 2) + (frame(0x0200, SOS, 3) if transport == "udp" else b"")]
    once, twice = Session(transport), Session(transport)
    expected = [once.read(raw, NOW_US) for raw in raws]
    assert [report.standing for report in expected[-1].reports] == [False, True][: len(expected[-1].reports)]
    assert [(twice.read(raw, NOW_US), twice.read(raw, NOW_US))[1] for raw in raws] == expected


def test_what_stands_at_one_device_of_a_relay_is_no_matter_of_another() -> None:
    session = Session("tcp")
    devices = ["012600000014", "012600000015", "012600000014", "012600000015"]
    reports = [session.read(frame(0x0200, SOS, serial, device=device), NOW_US).reports[0] for serial, device in enumerate(devices)]
    assert [report.standing for report in reports] == [False, False, True, True]


def test_levels_of_many_devices_stay_bounded() -> None:
    levels, place = Levels(), place_untrusted(SOS, STANDARD, 0)
    for number in range(1_000):
        assert not levels.judged(str(number), [place])[0].standing
    assert len(levels.devices) == DEVICES_MAX


# ----------------------------------------------------------------------------------- answers and framing


def test_our_serial_number_counts_answers_and_begins_again_after_its_end() -> None:
    session = Session("tcp")
    session.memory.serial = 0xFFFF
    replies = [session.read(frame(0x0002, b"", serial), NOW_US).reply for serial in (1, 2)]
    assert [reply[11:13] for reply in replies if reply] == [b"\xff\xff", b"\x00\x00"]


@pytest.mark.parametrize("prefix", [b"$$", b"\r\n", b"\x00\x01\x02"])
def test_bytes_before_a_message_are_no_part_of_it(prefix: bytes) -> None:
    found = Session("tcp").read(prefix + frame(0x0200, SOS, 1), NOW_US)
    assert found.refused is None and found.kinds == Kind.SOS_BUTTON


def test_a_delimiter_that_never_closes_is_given_up_and_what_follows_is_read() -> None:
    session = Session("tcp")
    session.receive(b"\x7e" + bytes(9_000))
    assert list(session.frames(NOW_US)) == [] and session.pending_bytes == 0
    session.receive(frame(0x0200, SOS, 1))
    assert [found.kinds for found in session.frames(NOW_US)] == [Kind.SOS_BUTTON]


def test_an_identity_in_binary_gets_its_check_digit() -> None:
    imei = identity_untrusted((101_260_000_001).to_bytes(6, "big"))
    assert len(imei) == 15 and imei.startswith("00101260000001") and luhn_holds(imei)


def test_messages_of_a_connection_keep_their_order() -> None:
    assert kinds_after(Session("tcp"), frame(0x0100, bytes(37), 1), frame(0x0002, b"", 2), frame(0x0001, bytes(5), 3)) == [
        Kind.LOGIN, Kind.HEARTBEAT, Kind.DEVICE_ACK,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "confidence"),
    [
        (b"$", 5),
        (b"$$", 5),
        (b"$$" + frame(0x0002, b"", 1), 98),
        (frame(0x0002, b"", 1)[:3], 10),
        (frame(0x0002, b"", 1)[:8], 30),
        (frame(0x0200, SOS, 1)[:20], 60),
        (frame(0x0801, SOS, 1)[:20], 15),
        (b"\x7e" + bytes(5_000), 0),
        (b"\x7e" + bytes(20) + b"\x7e", 0),
        (b"(12600000014,1)", 0),
    ],
)
def test_first_bytes_are_judged_by_the_header_and_proved_by_the_check_byte(data: bytes, confidence: int) -> None:
    assert recognise(data) == confidence


def test_encryption_bits_over_a_battery_that_is_plain_refuse_nothing() -> None:
    """A message without positions has no date that could tell; found by the damaged frames of tests/property."""
    told = Session("tcp").read(bytes.fromhex("7e02108c0701260000001400014f260309210311fb7e"), NOW_US)
    assert told.refused is None and told.reports[0].battery_percent == 79.0
