"""The door of TETRA gateways: what a request may look like, who may call, and what each answer promises."""

from collections.abc import Iterator

import orjson
import pytest

from gateway.api import sds
from gateway.api.messages import Reply, Request
from gateway.api.service import Api
from gateway.errors import FrameError, JournalError, Reason
from gateway.model import Frame, Kind, Report, Trust
from gateway.protocols.base import refused
from tests.unit.api_fakes import OWN_ALARM, SDS_TOKEN, at, fake_house

EMERGENCY = bytes.fromhex("0a002a4bba44e270fe0020")
BEARER = {"authorization": f"Bearer {SDS_TOKEN}"}
OCTETS = BEARER | {"content-type": "application/octet-stream"}


class Radio:
    """Reads what begins with the identifier of a location, as the decoder does."""

    def __init__(self, name: str, transport: str, peer: str) -> None:
        assert (name, transport) == ("tetra-lip", "sds")
        self.issi = peer

    def read(self, raw: bytes, now_us: int) -> Frame:
        if raw[:1] != b"\x0a":
            return refused("tetra-lip", "sds", raw, FrameError(Reason.UNSUPPORTED, 0, "identifier 0x0a expected"), self.issi)
        return Frame("tetra-lip", "sds", raw, self.issi, (Report(Kind.SOS_BUTTON),))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(sds, "open_session", Radio)
    yield Api(fake_house())


def bring(api: Api, query: str = "issi=2061234", body: bytes = EMERGENCY, headers: dict[str, str] = OCTETS, **more: str) -> Reply:
    asked = {"method": "POST", "path": "/sds/tetra", "peer": "127.0.0.1"} | more
    answer = api.handle(Request(query=query, body=body, headers=headers, **asked), at())  # type: ignore[arg-type]
    assert isinstance(answer, Reply)
    return answer


def code_of(reply: Reply) -> str:
    return str(orjson.loads(reply.body)["error"]["code"])


def test_a_radios_emergency_is_answered_when_it_is_durable(api: Api) -> None:
    reply = bring(api)
    assert (reply.status, orjson.loads(reply.body)) == (200, {"accepted": True, "alarm_id": OWN_ALARM})
    assert reply.events and reply.after_all
    ((frame, link),) = api.house.desk.frames  # type: ignore[attr-defined]
    assert (frame.raw, frame.device) == (EMERGENCY, "2061234")
    assert (link.transport, link.listener, link.peer, link.trust) == ("sds", "sds tetra", "2061234", Trust.T3)


@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        ("", orjson.dumps({"issi": "2061234", "hex": EMERGENCY.hex()}), "application/json"),
        ("", orjson.dumps({"issi": 2061234, "hex": EMERGENCY.hex().upper(), "id": None}), ""),
        ("", b"issi=2061234&hex=" + EMERGENCY.hex().encode(), "application/x-www-form-urlencoded"),
        ("issi=2061234&hex=" + EMERGENCY.hex(), b"", ""),
    ],
    ids=["json", "json-number", "form", "query"],
)
def test_the_payload_may_come_in_hex(api: Api, query: str, body: bytes, kind: str) -> None:
    assert bring(api, query, body, BEARER | {"content-type": kind}).status == 200
    ((frame, _),) = api.house.desk.frames  # type: ignore[attr-defined]
    assert (frame.raw, frame.device) == (EMERGENCY, "2061234")


def test_a_message_that_comes_again_is_taken_again_until_it_was_durable(api: Api) -> None:
    first = bring(api, "issi=2061234&id=m-1")
    again = bring(api, "issi=2061234&id=m-1")
    assert first.events and again.events
    assert again.when_durable is not None
    again.when_durable()
    assert (bring(api, "issi=2061234&id=m-1").events, bring(api, "issi=2061234&id=m-1").status) == ((), 200)
    assert bring(api, "issi=2061235&id=m-1").events, "another radio's message of the same name"


@pytest.mark.parametrize(
    "more",
    [
        {"peer": "10.0.0.9"},
        {"peer": ""},
        {"path": "/sds/other"},
        {"headers": {"authorization": "Bearer wrong"}},
        {"headers": {"authorization": f"Basic {SDS_TOKEN}"}},
        {"headers": {}},
    ],
    ids=["peer", "no-peer", "name", "token", "scheme", "nothing"],
)
def test_nobody_learns_that_there_is_a_gateway(api: Api, more: dict[str, str]) -> None:
    reply = bring(api, **more)
    assert (reply.status, code_of(reply)) == (404, "not_found")
    assert api.house.desk.frames == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "body", "kind", "status", "code"),
    [
        ("", EMERGENCY, "application/octet-stream", 400, "bad_field"),
        ("issi=radio", EMERGENCY, "application/octet-stream", 400, "bad_field"),
        ("issi=" + "1" * 21, EMERGENCY, "application/octet-stream", 400, "bad_field"),
        ("issi=2061234", b"", "application/octet-stream", 400, "bad_field"),
        ("issi=2061234", bytes(513), "application/octet-stream", 400, "bad_field"),
        ("issi=2061234&id=" + "m" * 65, EMERGENCY, "application/octet-stream", 400, "bad_field"),
        ("issi=2061234&hex=0", b"", "", 400, "bad_field"),
        ("issi=2061234", b"[1]", "application/json", 400, "bad_json"),
        ("issi=2061234", b'{"hex":[]}', "application/json", 400, "bad_json"),
        ("", b"issi=2061234&hex=\xff", "application/x-www-form-urlencoded", 400, "bad_field"),
        ("issi=2061234", b"&".join([b"a=1"] * 17), "application/x-www-form-urlencoded", 400, "bad_field"),
        ("issi=2061234", b"\x82text", "application/octet-stream", 422, "unreadable"),
    ],
)
def test_what_cannot_be_read_is_no_success(api: Api, query: str, body: bytes, kind: str, status: int, code: str) -> None:
    reply = bring(api, query, body, BEARER | {"content-type": kind})
    assert (reply.status, code_of(reply)) == (status, code)
    assert reply.events == ()


def test_a_broken_journal_makes_the_gateway_bring_it_again(api: Api) -> None:
    assert api.refusal(Request("POST", "/sds/tetra"), JournalError()).status == 503
