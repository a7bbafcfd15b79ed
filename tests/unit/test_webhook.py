"""Signatures agree with the public library both ways; answers mean what the dossier says; callbacks prove who calls."""

import base64
import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from gateway.clock import SystemClock
from gateway.delivery.offers import FAILED, REFUSED, STORED, TAKEN, Offer
from gateway.delivery.webhook import interpret_untrusted, read_secret, read_url, request_for, sign, verify_callback
from gateway.errors import CallbackError

SECRET_TEXT = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SECRET = bytes(range(32))
ALARM_ID = "0f3a" * 8
OFFER = Offer(ALARM_ID, "ovl", "webhook-1", 1, 1, "raised", False, b'{"data":1}')
JSON = ((b"Content-Type", b"application/json"),)
NOW_US = 1_773_061_392_000_000


def test_the_dossiers_vector():
    body = b'{"type":"alarm.raised","timestamp":"2026-03-09T13:03:11.250Z","data":{"alarm_id":"01JNXK3V8Q","seq":1}}'
    assert read_secret(SECRET_TEXT) == SECRET
    assert sign([SECRET], "01JNXK3V8Q-1", 1773061392, body) == "v1,9iWz8XjYquhEmfEf1D2uz91UDeoygoIvBFTbZDOsXak="


def test_the_public_library_believes_us_with_any_of_our_secrets():
    now_us = SystemClock().now().wall_us
    other = bytes(range(40, 80))
    request = request_for(OFFER, read_url("https://cad.example.be/hook"), [SECRET, other], now_us)
    headers = {name.decode(): value.decode() for name, value in request.headers}
    for secret in (SECRET, other):
        assert Webhook(secret).verify(request.body, headers) == {"data": 1}
    assert headers["webhook-id"] == f"{ALARM_ID}-1" and headers["Idempotency-Key"] == f'"{ALARM_ID}-1"'
    assert headers["Host"] == "cad.example.be" and int(headers["Content-Length"]) == len(OFFER.body)


def test_we_believe_the_public_library():
    now_us = SystemClock().now().wall_us
    body = b'{"level":"accepted","operator":"op-7"}'
    stamp = now_us // 1_000_000
    signature = Webhook(SECRET).sign("cb-1", datetime.fromtimestamp(stamp, UTC), body.decode())
    headers = {"webhook-id": "cb-1", "webhook-timestamp": str(stamp), "webhook-signature": signature}
    assert verify_callback([bytes(32), SECRET], headers, body, now_us) == "cb-1"


def test_without_a_secret_nothing_is_signed():
    request = request_for(OFFER, read_url("http://[::1]:8000"), [], NOW_US)
    names = [name for name, _ in request.headers]
    assert b"webhook-signature" not in names and dict(request.headers)[b"Host"] == b"[::1]:8000" and request.target == "/"


@pytest.mark.parametrize("text", ["whsec_", "whsec_AAAA", "whsec_!!!!", "", "whsec_" + base64.b64encode(bytes(65)).decode(), "whsec_é"])
def test_a_secret_that_is_none_is_refused_without_being_shown(text):
    with pytest.raises(ValueError) as error:
        read_secret(text)
    assert len(text) < 8 or text.removeprefix("whsec_") not in str(error.value)


def test_a_secret_without_padding_or_prefix_is_the_same_secret():
    assert read_secret(SECRET_TEXT.rstrip("=") + "\n") == read_secret(SECRET_TEXT.removeprefix("whsec_")) == SECRET


@pytest.mark.parametrize(
    "text, host, port, target",
    [
        ("https://cad.example.be", "cad.example.be", 443, "/"),
        ("http://cad.example.be:8080/a/b?x=1&y=é", "cad.example.be", 8080, "/a/b?x=1&y=%C3%A9"),
        ("https://[2001:db8::1]/hook", "2001:db8::1", 443, "/hook"),
        ("https://bücher.example/a b", "xn--bcher-kva.example", 443, "/a%20b"),
    ],
)
def test_addresses_are_read(text, host, port, target):
    url = read_url(text)
    assert (url.host, url.port, url.target) == (host, port, target)


@pytest.mark.parametrize(
    "text", ["ftp://x/", "https://", "x", "https://u:p@x/", "https://x/#a", "https://x:0/", "https://x:99999/", "https://[::1", "https://x:y/"]
)
def test_addresses_that_cannot_be_called_say_why(text):
    with pytest.raises(ValueError):
        read_url(text)


def test_an_address_cannot_smuggle_a_header():
    url = read_url("https://x/a\r\nX-Evil: 1?b\x00c d")
    assert not any(letter in url.target for letter in "\r\n\x00 ")


ANSWERS = [
    # status, headers, body, level, reason
    (200, (), b"", STORED, "stored"),
    (202, (), b"", STORED, "stored"),
    (204, (), b"", STORED, "stored"),
    (299, (), b"", STORED, "stored"),
    (200, ((b"content-type", b"text/plain"),), b"OK", STORED, "stored"),
    (200, ((b"content-type", b"text/xml"),), b"<ok/>", STORED, "stored"),
    (200, JSON, b"", STORED, "stored"),
    (200, JSON, b"{}", STORED, "stored"),
    (200, JSON, b'"ok"', STORED, "stored"),
    (200, JSON, b"[]", STORED, "stored"),
    (200, JSON, b'{"ack":"stored"}', STORED, "stored"),
    (200, JSON, b'{"ack":"displayed"}', STORED, "displayed"),
    (200, JSON, b'{"ack":"accepted","operator":"op-7"}', TAKEN, "accepted"),
    (200, JSON, b'{"ack":"rejected","note":"not ours"}', REFUSED, "rejected"),
    (200, JSON, b'{"ack":"maybe"}', FAILED, "ack_unknown"),
    (200, JSON, b'{"ack":["accepted"]}', FAILED, "ack_unknown"),
    (200, JSON, b'{"ack":"acc', FAILED, "malformed"),
    (200, (), b'{"ack":"acc', FAILED, "malformed"),
    (200, JSON, b"[" * 60_000, FAILED, "malformed"),
    (200, JSON, b"\xff\xfe", FAILED, "malformed"),
    (200, JSON, json.dumps({"ack": "accepted", "alarm_id": ALARM_ID, "seq": 1}).encode(), TAKEN, "accepted"),
    (200, JSON, json.dumps({"ack": "accepted", "alarm_id": ALARM_ID, "seq": "1"}).encode(), TAKEN, "accepted"),
    (200, JSON, json.dumps({"ack": "accepted", "alarm_id": ALARM_ID, "seq": 2}).encode(), FAILED, "ack_of_another"),
    (200, JSON, json.dumps({"ack": "accepted", "alarm_id": "b" * 32}).encode(), FAILED, "ack_of_another"),
    (200, JSON, json.dumps({"id": f"{ALARM_ID}-2"}).encode(), FAILED, "ack_of_another"),
    (200, JSON, json.dumps({"webhook_id": "other"}).encode(), FAILED, "ack_of_another"),
    (200, JSON, json.dumps({"id": f"{ALARM_ID}-1"}).encode(), STORED, "stored"),
    (200, JSON, json.dumps({"id": 42, "seq": None}).encode(), STORED, "stored"),
    (200, ((b"Content-Type", b"text/html; charset=utf-8"),), b"<p>Login</p>", FAILED, "html"),
    (200, ((b"Content-Type", b"application/xhtml+xml"),), b"", FAILED, "html"),
    (200, (), b"\xef\xbb\xbf \n<!DOCTYPE HTML><html>", FAILED, "html"),
    (200, ((b"content-encoding", b"gzip"),), b"\x1f\x8b", FAILED, "encoded"),
    (200, ((b"content-encoding", b"identity"),), b"", STORED, "stored"),
    (301, (), b"", FAILED, "redirect"),
    (302, (), b"", FAILED, "redirect"),
    (307, (), b"", FAILED, "redirect"),
    (400, (), b"", REFUSED, "refused_400"),
    (401, (), b"", REFUSED, "refused_401"),
    (403, (), b"", REFUSED, "refused_403"),
    (404, (), b"", REFUSED, "refused_404"),
    (405, (), b"", REFUSED, "refused_405"),
    (406, (), b"", REFUSED, "refused_406"),
    (413, (), b"", REFUSED, "refused_413"),
    (415, (), b"", REFUSED, "refused_415"),
    (422, (), b"", REFUSED, "refused_422"),
    (451, (), b"", REFUSED, "refused_451"),
    (408, (), b"", FAILED, "status_408"),
    (425, (), b"", FAILED, "status_425"),
    (429, (), b"", FAILED, "status_429"),
    (500, (), b"", FAILED, "status_500"),
    (503, (), b"", FAILED, "status_503"),
    (409, JSON, json.dumps({"id": f"{ALARM_ID}-1"}).encode(), STORED, "stored_before"),
    (409, (), f"already have {ALARM_ID}-1.".encode(), STORED, "stored_before"),
    (409, JSON, json.dumps({"id": f"{ALARM_ID}-12"}).encode(), REFUSED, "refused_409"),
    (409, JSON, json.dumps({"id": f"x-{ALARM_ID}-1"}).encode(), REFUSED, "refused_409"),
    (409, (), b"", REFUSED, "refused_409"),
    (410, (), b"", REFUSED, "gone"),
]


@pytest.mark.parametrize("status, headers, body, level, reason", ANSWERS)
def test_what_an_answer_means(status, headers, body, level, reason):
    answer = interpret_untrusted(OFFER, status, headers, body)
    assert (answer.level, answer.reason) == (level, reason)
    assert answer.route_gone == (status == 410)


def test_what_a_human_said_comes_with_the_answer():
    said = {"ack": "accepted", "operator": "op-7", "note": "n" * 500, "case": "C1"}
    told = interpret_untrusted(OFFER, 200, JSON, json.dumps(said).encode()).told
    assert told is not None and (told.level, told.operator, len(told.note or "")) == ("accepted", "op-7", 200)
    told = interpret_untrusted(OFFER, 200, JSON, b'{"ack":"displayed","operator":7}').told
    assert told is not None and told.operator is None


@pytest.mark.parametrize("value, seconds", [(b"7", 7.0), (b"3600", 3600.0), (b"-1", None), (b"nan", None), (b"Wed, 09 Mar 2026 13:03:11 GMT", None)])
def test_patience_is_asked_for_in_seconds(value, seconds):
    assert interpret_untrusted(OFFER, 503, ((b"Retry-After", value),), b"").retry_after_s == seconds


# --------------------------------------------------------------------------------------------------- callbacks


def signed(body: bytes, *, message_id: str = "cb-1", at_s: int = NOW_US // 1_000_000, secret: bytes = SECRET) -> dict[str, str]:
    return {"webhook-id": message_id, "webhook-timestamp": str(at_s), "webhook-signature": sign([secret], message_id, at_s, body)}


@pytest.mark.parametrize("age_s, reason", [(300, None), (301, "too_old"), (-300, None), (-301, "too_new"), (0, None)])
def test_a_callback_is_believed_for_five_minutes(age_s, reason):
    headers = signed(b"x", at_s=NOW_US // 1_000_000 - age_s)
    if reason is None:
        assert verify_callback([SECRET], headers, b"x", NOW_US) == "cb-1"
        return
    with pytest.raises(CallbackError) as error:
        verify_callback([SECRET], headers, b"x", NOW_US)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"webhook-id": ""}, "missing"),
        ({"webhook-id": "a.b"}, "missing"),
        ({"webhook-id": "a\nb"}, "missing"),
        ({"webhook-timestamp": "1e9"}, "timestamp"),
        ({"webhook-timestamp": "-5"}, "timestamp"),
        ({"webhook-timestamp": "９９９"}, "timestamp"),
        ({"webhook-signature": ""}, "missing"),
        ({"webhook-signature": "v1,AAAA"}, "signature"),
        ({"webhook-signature": "v1a,é"}, "signature"),
        ({"webhook-signature": "v2,9iWz8XjYquhEmfEf1D2uz91UDeoygoIvBFTbZDOsXak="}, "signature"),
        ({"webhook-id": "cb-2"}, "signature"),
    ],
)
def test_a_callback_that_proves_nothing_is_refused(change, reason):
    with pytest.raises(CallbackError) as error:
        verify_callback([SECRET], signed(b"x") | change, b"x", NOW_US)
    assert error.value.reason == reason


def test_one_byte_of_the_body_changes_everything():
    with pytest.raises(CallbackError):
        verify_callback([SECRET], signed(b"x"), b"y", NOW_US)


def test_no_secret_believes_nobody():
    with pytest.raises(CallbackError):
        verify_callback([], signed(b"x"), b"x", NOW_US)
