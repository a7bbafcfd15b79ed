"""OsmAnd's HTTP form: what the vectors cannot say about requests, their limits and their answers."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Frame, Kind
from gateway.protocols import open_session, osmand, osmand_http
from gateway.protocols.auto import AutoSession
from gateway.protocols.base import DeviceSettings
from tests.vectors.sheets import NOW_US, OWN_CASES

POSITION = b"GET /?id=button-1&timestamp=1773061391&lat=51.05&lon=3.72 HTTP/1.1\r\nHost: gateway\r\n\r\n"
SOS = POSITION.replace(b"&lat", b"&alarm=sos&lat")
MINE = [case for case in OWN_CASES if case.protocol == "osmand"]


def opened() -> osmand.Session:
    return osmand.Session("http")


def read(raw: bytes, key_hex: str | None = None) -> Frame:
    return osmand.Session("http", DeviceSettings(key_hex=key_hex)).read(raw, NOW_US)


def form(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", *headers, b"", body])


def chunked(body: bytes) -> bytes:
    return form(body, b"Transfer-Encoding: chunked")


def test_a_stranger_and_a_wrong_token_get_the_same_bytes() -> None:
    known, wrong = read(POSITION), read(POSITION, "c7")
    assert known.farewell == wrong.farewell == osmand_http.NOT_FOUND
    assert wrong.refused and wrong.unverified is None


def test_a_token_never_stands_in_the_text_of_a_report() -> None:
    frame = read(POSITION.replace(b"id=", b"colour=red&token=c7&id="), "c7")
    assert frame.reports[0].text == "colour=red"


def test_the_same_press_sent_again_reads_the_same() -> None:
    assert read(SOS).reports == read(SOS).reports
    assert read(SOS).kinds == Kind.SOS_BUTTON


def test_a_refused_request_says_nothing_about_the_device_before_it() -> None:
    session = opened()
    assert session.read(SOS, NOW_US).device == "button-1"
    assert session.read(b"GET /?lat=1 HTTP/1.1\r\n\r\n", NOW_US).device is None


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /?" + b"a" * 100_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
        b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000,
        chunked(b"1\r\na\r\n" * 40_000),
        chunked(b"f" * 100_000),
        chunked(b"2\r\nabc" + b"d" * 100_000),
        chunked(b"0\r\n" + b"X: y\r\n" * 40_000),
        chunked(b"ffff\r\n" + b"x" * 200_000),
    ],
    ids=["line", "lines", "header", "chunks", "chunk-line", "long-chunk", "trailer", "great-chunk"],
)
def test_what_never_ends_is_refused_and_not_kept(endless: bytes) -> None:
    session, refusals, most = opened(), 0, 0
    for at in range(0, len(endless), 2_048):
        session.receive(endless[at : at + 2_048])
        refusals += sum(1 for frame in session.frames(NOW_US) if frame.refused and frame.farewell == osmand_http.BAD_REQUEST)
        most = max(most, session.pending_bytes)
    assert refusals
    assert most <= osmand_http.HEAD_BYTES_MAX + osmand_http.BODY_BYTES_MAX + osmand_http.CHUNKS_MAX * osmand_http.CHUNK_LINE_BYTES_MAX


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b"", 0),
        (b"2\r\nab\r\n", 0),
        (b"2\r\nab\r", 0),
        (b"2\r\nab\r\n0\r\n\r\n", 2),
        (b"2\nab\n0\n\n", 2),
        (b"02 ;name=value\r\nab\r\n0\r\nX: y\r\n\r\n", 2),
    ],
)
def test_a_body_in_chunks_ends_with_its_last_chunk_and_trailer(body: bytes, size: int) -> None:
    found = osmand_http.chunks_untrusted(body, 0)
    assert (found is None) == (size == 0)
    assert found is None or (found[0], found[1]) == (b"ab", len(body))


@pytest.mark.parametrize(
    ("opening", "low", "high"),
    [
        (b"G", 1, 49),
        (b"POST", 1, 49),
        (b"GET /?lat=51", 1, 49),
        (POSITION, 95, 95),
        (POSITION.replace(b"?id=", b"?x=y&deviceid="), 95, 95),
        (form(b""), 60, 60),
        (b"GET / HTTP/1.1\r\n", 0, 0),
        (b"GET http://gateway/?id=1 HTTP/1.1\r\n", 0, 0),
        (b"HEAD /?id=1 HTTP/1.1\r\n", 0, 0),
        (b"GET /?id=1 HTTP/2\r\n", 0, 0),
        (b"GET\r\n", 0, 0),
        (b"GET /" + b"a" * 5_000, 0, 0),
        (b"", 0, 10),
        (b"$GPRMC,", 0, 0),
        (b"x", 0, 0),
    ],
)
def test_only_a_request_of_this_form_is_recognised(opening: bytes, low: int, high: int) -> None:
    assert low <= osmand.recognise(opening) <= high


def test_a_shared_port_recognises_it_byte_by_byte() -> None:
    session = open_session("auto", "tcp")
    assert isinstance(session, AutoSession)
    found = []
    for at in range(len(SOS)):
        session.receive(SOS[at : at + 1])
        found += list(session.frames(NOW_US))
    assert [(frame.protocol, frame.device, frame.kinds) for frame in found] == [("osmand", "button-1", Kind.SOS_BUTTON)]


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_no_request_hurts(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(MINE)).frames[-1])
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    session = opened()
    session.receive(bytes(raw))
    for frame in [*session.frames(NOW_US), session.read(bytes(raw), NOW_US)]:
        assert not (frame.refused and frame.reports)
        assert bool(frame.reply) == (frame.refused is None)
        assert frame.farewell


KEYS = ["location", "coords", "extras", "alarm", "battery", "level", "device_id", "id", "latitude", "longitude", "timestamp", "mock", "speed"]
LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.sampled_from(["sos", "-1", "51.5"])
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6), max_leaves=12)


@given(location=VALUES)
@settings(max_examples=400, deadline=None)
def test_an_sos_in_json_survives_whatever_stands_beside_it(location: object) -> None:
    text = json.dumps({"device_id": "button-1", "location": location, "alarm": "sos"}).encode()
    frame = read(form(text, b"Content-Type: application/json", b"Content-Length: %d" % len(text)))
    kinds = frame.unverified.kinds if frame.unverified else frame.kinds
    assert kinds & Kind.SOS_BUTTON and frame.device == "button-1"
