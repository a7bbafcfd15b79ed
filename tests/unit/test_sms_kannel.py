"""Kannel's requests: one record whatever form they come in, a clear refusal for what holds no message."""

from urllib.parse import urlencode

import pytest

from gateway.errors import FrameError
from gateway.model import Kind
from gateway.protocols.sms import Session
from gateway.protocols.sms_kannel import Accepted, post_message_untrusted, query_message_untrusted
from gateway.protocols.sms_message import Concat

NOW_US = 1_773_234_191_000_000
FIELDS = {
    "from": "32475000002", "to": "32460123456", "hex": b"SOS test 51.0543,3.7174".hex(), "text": "SOS test 51.0543,3.7174", "coding": "0",
    "charset": "UTF-8", "udh": "", "smsc": "fake1", "id": "0eb7838c-1", "ts": "1773234190", "dcs": "00",
}  # fmt: skip


def query(**changes: str | None) -> bytes:
    return urlencode({key: value for key, value in (FIELDS | changes).items() if value is not None}).encode()


def test_a_request_becomes_one_record() -> None:
    message = query_message_untrusted(query(), NOW_US)
    assert (message.sender, message.receiver, message.message_id, message.coding) == ("+32475000002", "+32460123456", "0eb7838c-1", "gsm7")
    assert message.raw == b"SOS test 51.0543,3.7174" and message.carrier_at_us == 1_773_234_190_000_000 and message.received_at_us == NOW_US


def test_a_request_seen_in_the_field_is_read() -> None:
    seen = (
        b"from=32475000002&to=32460123456&hex=534f53202b3531&text=SOS%2Btest+51.05%2C3.71&coding=0&charset=UTF-8&udh=&smsc=fake1"
        b"&id=0eb7838c-0000&ts=1795413971&dcs=00"
    )
    assert query_message_untrusted(seen, NOW_US).raw == b"SOS +51"


@pytest.mark.parametrize(
    ("word", "number"),
    [("+32475000002", "+32475000002"), ("0032475000002", "+32475000002"), ("32475000002", "+32475000002"), ("0475000002", "0475000002"),
     (" 32475000002", "+32475000002"), ("8080", "8080"), ("Bank\x00\x1b", "Bank"), ("", "")],
)  # fmt: skip
def test_numbers_are_written_as_the_registry_writes_them(word: str, number: str) -> None:
    assert query_message_untrusted(query(**{"from": word}), NOW_US).sender == number


def test_a_binary_message_keeps_its_octets_and_is_decoded_from_them() -> None:
    packed = bytes.fromhex("d3e71402")
    message = query_message_untrusted(query(coding="1", hex=packed.hex(), text=None), NOW_US)
    assert message.coding == "binary" and message.raw == packed


def test_wide_text_keeps_an_alarm_beside_half_a_pair() -> None:
    body = "SOS! \ud83d".encode("utf-16-be", "surrogatepass")
    message = query_message_untrusted(query(coding="2", hex=body.hex()), NOW_US)
    assert Session("sms", peer=message.sender).read_message(message, NOW_US).kinds == Kind.SOS_SMS


def test_text_in_another_character_set_becomes_utf8() -> None:
    assert query_message_untrusted(query(charset="ISO-8859-1", hex="e9"), NOW_US).raw == "é".encode()
    assert query_message_untrusted(query(charset="UTF-8", hex="e9"), NOW_US).raw == "é".encode()
    assert query_message_untrusted(query(charset="klingon", hex="c3a9"), NOW_US).raw == "é".encode()


@pytest.mark.parametrize("udh", ["0500032A0201", "\x05\x00\x03\x2a\x02\x01"])
def test_a_part_is_known_by_its_header_in_hex_or_in_bytes(udh: str) -> None:
    assert query_message_untrusted(query(udh=udh), NOW_US).concat == Concat(42, 2, 1)


def test_a_reference_above_127_survives_percent_encoding() -> None:
    assert query_message_untrusted(query(udh=None) + b"&udh=%05%00%03%FE%02%01", NOW_US).concat == Concat(0xFE, 2, 1)


def test_the_text_stands_in_for_hex_that_cannot_be_read() -> None:
    assert query_message_untrusted(query(hex="5z"), NOW_US).raw == FIELDS["text"].encode()
    assert query_message_untrusted(query(hex=None), NOW_US).raw == FIELDS["text"].encode()


@pytest.mark.parametrize(
    "request_", [query(hex="5z", text=None), query(hex="5", text=None), query(hex=None, text=None), b"", b"&".join(b"a=1" for _ in range(65)),
                 b"hex=" + b"41" * 200_000, b"hex=" + b"41" * 70_000]
)  # fmt: skip
def test_a_request_without_a_message_is_refused_and_says_why(request_: bytes) -> None:
    with pytest.raises(FrameError, match="kannel: "):
        query_message_untrusted(request_, NOW_US)


def test_an_alarm_of_nobody_is_an_alarm() -> None:
    message = query_message_untrusted(query(**{"from": None, "id": None, "ts": "soon"}), NOW_US)
    frame = Session("sms", peer=message.sender).read_message(message, NOW_US)
    assert frame.device is None and message.carrier_at_us is None


def test_the_post_form_is_read_from_headers_and_body() -> None:
    headers = [
        (b"X-Kannel-From", b"+32475000002"), (b"X-Kannel-To", b"8080"), (b"X-Kannel-Time", b"2026-03-11 13:03"), (b"X-Kannel-Coding", b"0"),
        (b"X-Kannel-ID", b"77"), (b"Content-Type", b"text/plain; charset=UTF-8"),
    ]  # fmt: skip
    message = post_message_untrusted(headers, "SOS! é".encode(), NOW_US)
    assert (message.sender, message.message_id, message.raw) == ("+32475000002", "77", "SOS! é".encode())
    assert message.carrier_at_us == 1_773_234_180_000_000
    form = [(b"content-type", b"application/x-www-form-urlencoded")]
    assert post_message_untrusted(form, query(), NOW_US) == query_message_untrusted(query(), NOW_US)


def test_an_id_is_known_only_after_its_message_is_on_disk() -> None:
    accepted = Accepted(kept_max=2)
    first, second, third = (query_message_untrusted(query(id=word), NOW_US) for word in ("1", "2", "3"))
    assert not accepted.has(first)
    for message in (first, second, third):
        accepted.remember(message)
    assert not accepted.has(first) and accepted.has(second) and accepted.has(third)
    nameless = query_message_untrusted(query(id=""), NOW_US)
    accepted.remember(nameless)
    assert not accepted.has(nameless)
