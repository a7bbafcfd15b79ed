"""Signed requests (R-67, reliability section 4.4): the vector, the window, and each message once."""

from dataclasses import replace

import pytest

from gateway.api.hmac_auth import SEEN_PER_KEY_MAX, DeviceSignatures, Outcome, Signatures, Signed, canonical, keys_in, sign
from gateway.api.messages import Request
from gateway.model import Device, DeviceId, Instant

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
TIME_S = 1_774_000_000
NOW = Instant(TIME_S * 1_000_000, 5_000_000_000)
MESSAGE_ID = "01JAZ9Q3K8V5T2N7C4R6M1X0WE"


def signed(body: bytes = b'{"a":1}', key: bytes = KEY, **changes: str) -> Signed:
    plain = Signed("POST", "/v1/frames", MESSAGE_ID, str(TIME_S), "k1", "", body)
    plain = replace(plain, **changes)
    message = canonical(plain.method, plain.target, plain.message_id, plain.time_s, plain.body)
    return plain if "signatures" in changes else replace(plain, signatures=sign(key, message))


def judge(request: Signed, now: Instant = NOW, keys: tuple[bytes, ...] = (KEY,)) -> Outcome:
    return Signatures(lambda key_id: keys if key_id == "k1" else ()).judge(request, now)


def test_the_printed_vector_is_reproduced() -> None:
    message = canonical("POST", "/v1/frames", MESSAGE_ID, str(TIME_S), b'{"a":1}')
    assert message.splitlines()[-1] == b"015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    assert sign(KEY, message) == "v1=7afad41b5ea05ee1331192da48fcd5d03d303585f4238c2523d04b4ff366aa10"
    assert judge(signed()) is Outcome.VALID


@pytest.mark.parametrize("change", [{"method": "PUT"}, {"target": "/v1/frames?x"}, {"message_id": "other"}, {"time_s": str(TIME_S + 1)}])
def test_everything_that_is_signed_counts(change: dict[str, str]) -> None:
    assert judge(replace(signed(), **change)) is Outcome.WRONG
    assert judge(replace(signed(), body=b'{"a":2}')) is Outcome.WRONG


@pytest.mark.parametrize(("apart_s", "outcome"), [(0, Outcome.VALID), (299, Outcome.VALID), (300, Outcome.VALID), (301, Outcome.STALE)])
def test_the_clocks_may_be_five_minutes_apart(apart_s: int, outcome: Outcome) -> None:
    for sign_ in (1, -1):
        assert judge(signed(), Instant(NOW.wall_us + sign_ * apart_s * 1_000_000, NOW.mono_us)) is outcome


def test_a_message_is_valid_once_for_ten_minutes_of_waiting_time() -> None:
    signatures = Signatures(lambda key_id: (KEY,))
    assert signatures.judge(signed(), NOW) is Outcome.VALID
    assert signatures.judge(signed(), Instant(NOW.wall_us, NOW.mono_us + 599_000_000)) is Outcome.REPLAYED
    assert signatures.judge(signed(), Instant(NOW.wall_us, NOW.mono_us + 601_000_000)) is Outcome.VALID
    assert signatures.judge(signed(key_id="k2"), NOW) is Outcome.VALID
    assert signatures.outcomes == {Outcome.VALID: 3, Outcome.REPLAYED: 1}


def test_what_is_wrong_or_stale_is_not_remembered() -> None:
    signatures = Signatures(lambda key_id: (KEY,))
    assert signatures.judge(signed(key=OTHER), NOW) is Outcome.WRONG
    assert signatures.judge(signed(), Instant(NOW.wall_us + 400_000_000, NOW.mono_us)) is Outcome.STALE
    assert signatures.judge(signed(), NOW) is Outcome.VALID


def test_either_key_and_either_signature_will_do_while_keys_are_rotated() -> None:
    assert judge(signed(key=OTHER), keys=(KEY, OTHER)) is Outcome.VALID
    both = f"v0=zz, v1={'0' * 64} {signed().signatures}"
    assert judge(replace(signed(), signatures=both)) is Outcome.VALID
    assert judge(signed(key=OTHER), keys=(KEY,)) is Outcome.WRONG


def test_a_stranger_is_a_stranger_even_with_a_key_of_zeros() -> None:
    assert judge(signed(key_id="k2", key=bytes(32))) is Outcome.UNKNOWN_KEY


@pytest.mark.parametrize(
    "change", [{"message_id": ""}, {"message_id": "a\nb"}, {"message_id": "x" * 129}, {"time_s": ""}, {"time_s": "-1"}, {"time_s": "1e9"},
               {"time_s": "٣"}, {"time_s": "1" * 13}]
)  # fmt: skip
def test_headers_that_cannot_be_meant_are_turned_away(change: dict[str, str]) -> None:
    assert judge(signed(**change)) is Outcome.MALFORMED


@pytest.mark.parametrize("signatures", ["", "v1=", "v2=" + "0" * 64, "é", "v1=" + "A" * 64, "," * 1000])
def test_signatures_that_are_none_are_wrong(signatures: str) -> None:
    assert judge(signed(signatures=signatures)) is Outcome.WRONG


def test_memory_for_seen_messages_is_bounded() -> None:
    signatures = Signatures(lambda key_id: (KEY,))
    for number in range(SEEN_PER_KEY_MAX + 5):
        assert signatures.judge(signed(message_id=str(number)), NOW) is Outcome.VALID
    assert len(signatures._seen["k1"]) == SEEN_PER_KEY_MAX


def test_keys_of_a_device_are_hex_words_of_full_length() -> None:
    assert keys_in(f"{KEY.hex()}, {OTHER.hex()}") == (KEY, OTHER)
    assert keys_in("") == keys_in("zz") == keys_in("00ff") == ()


class OneDevice:
    """Facts of a house with one device."""

    def device(self, device_id: str) -> Device | None:
        return Device(DeviceId("dev-1"), app_key_hex=KEY.hex()) if device_id == "dev-1" else None


def test_a_press_is_its_devices_own_or_nobodys() -> None:
    devices = DeviceSignatures(OneDevice())  # type: ignore[arg-type]
    plain = signed(key_id="dev-1")
    headers = {"x-gw-id": plain.message_id, "x-gw-time": plain.time_s, "x-gw-key": "dev-1", "x-gw-sig": plain.signatures}
    request = Request("POST", "/v1/frames", headers=headers, body=plain.body, target="/v1/frames")
    assert devices.signed_device(request, NOW) == "dev-1"
    assert devices.signed_device(request, NOW) is None
    assert devices.signed_device(Request("POST", "/v1/frames", target="/v1/frames"), NOW) is None
    assert devices.signed_device(replace(request, headers=headers | {"x-gw-key": "dev-2"}), NOW) is None
