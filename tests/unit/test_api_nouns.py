"""Registry, units, presses, system: what the other routes promise."""

import hashlib
from pathlib import Path

import orjson
import pytest
from openapi_spec_validator import validate

from gateway import events as ev
from gateway.api import problems
from gateway.api.messages import Answer, Errand, Reply, Request, time_text, time_us
from gateway.api.problems import PROBLEMS, Refused
from gateway.api.routes import ROUTES, described
from gateway.api.service import Api
from gateway.api.target import split_untrusted
from gateway.errors import GatewayError, JournalError, RoadsError
from gateway.model import Kind, Trust
from tests.unit.api_fakes import SECRET_PATH, TOKEN, WALL_US, at, fake_house, session_headers, token_headers


@pytest.fixture
def api() -> Api:
    return Api(fake_house())


def ask(api: Api, method: str, path: str, body: object = None, *, who: str = "adam", late_s: float = 0, **more: object) -> Reply:
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    path, _, query = path.partition("?")
    found = {"headers": session_headers(api, who, at(late_s)), "peer": "10.0.0.9", "query": query, "target": path} | more
    request = Request(method, path, body=raw, **found)  # type: ignore[arg-type]
    answer: Answer = api.handle(request, at(late_s))
    while isinstance(answer, Errand):
        try:
            result: object = answer.run()
        except GatewayError as error:
            result = error
        answer = api.settle(request, answer, result, at(late_s))
    assert isinstance(answer, Reply)
    return answer


def code_of(reply: Reply) -> str:
    return str(orjson.loads(reply.body)["error"]["code"])


# ------------------------------------------------------------------------------------------------ the registry


def test_an_entry_can_be_put_read_listed_and_removed(api):
    assert ask(api, "PUT", "/api/v1/devices/dev-9", {"identifiers": ["i9"], "app_key_hex": "00" * 32}).status == 200
    entry = orjson.loads(ask(api, "GET", "/api/v1/devices/dev-9").body)["entry"]
    assert entry == {"device_id": "dev-9", "identifiers": ["i9"]}
    assert "dev-9" in [entry["device_id"] for entry in orjson.loads(ask(api, "GET", "/api/v1/devices").body)["entries"]]
    assert ask(api, "DELETE", "/api/v1/devices/dev-9").status == 200
    assert code_of(ask(api, "GET", "/api/v1/devices/dev-9")) == "unknown_device"
    assert code_of(ask(api, "DELETE", "/api/v1/devices/dev-9")) == "unknown_device"


def test_absent_fields_are_not_sent_to_the_registry(api):
    ask(api, "PUT", "/api/v1/devices/dev-1", {"model": None})
    assert api.house.registry.kept["device"]["dev-1"]["case_ref"] == "GE-1"
    assert api.house.registry.kept["device"]["dev-1"]["model"] is None


def test_what_the_registry_refuses_is_told(api):
    reply = ask(api, "PUT", "/api/v1/devices/dev-1", {"protocol": "nonsense"})
    assert (reply.status, code_of(reply)) == (422, "wrong_use")


def test_a_typing_error_in_a_field_is_told(api):
    reply = ask(api, "PUT", "/api/v1/devices/dev-1", {"modell": "x"})
    assert (reply.status, code_of(reply)) == (400, "bad_field")
    assert "modell" in orjson.loads(reply.body)["error"]["message"]


def test_a_new_token_is_shown_once_and_kept_as_a_hash(api):
    reply = ask(api, "PUT", "/api/v1/users/cad", {"role": "carrier", "new_token": True})
    name, _, token = orjson.loads(reply.body)["token"].partition(":")
    assert name == "cad"
    assert api.house.registry.users["cad"].secret_hash == "sha256:" + hashlib.sha256(token.encode()).hexdigest()
    assert token.encode() not in ask(api, "GET", "/api/v1/users/cad").body
    assert ask(api, "GET", "/api/v1/me", headers={"authorization": f"Bearer cad:{token}"}).status == 200


def test_a_password_is_hashed_off_the_loop_and_then_entered(api):
    request = Request(
        "PUT", "/api/v1/users/new", headers=session_headers(api, "adam"), body=b'{"role":"operator","password":"four words are enough"}'
    )
    first = api.handle(request, at())
    assert isinstance(first, Errand)
    assert first.lane == "password"
    second = api.settle(request, first, first.run(), at())
    assert isinstance(second, Errand)
    assert second.lane == "registry"
    assert api.settle(request, second, second.run(), at()).status == 200
    assert api.house.registry.users["new"].secret_hash == "argon:four words are enough"


def test_a_changed_user_is_logged_out_everywhere(api):
    headers = session_headers(api, "anna")
    ask(api, "PUT", "/api/v1/users/anna", {"active": True})
    assert ask(api, "GET", "/api/v1/me", headers=headers).status == 401


def test_an_administrator_cannot_lock_out_themself(api):
    for change in ({"active": False}, {"role": "operator"}):
        assert code_of(ask(api, "PUT", "/api/v1/users/adam", change)) == "conflict"
    assert code_of(ask(api, "DELETE", "/api/v1/users/adam")) == "conflict"
    assert ask(api, "PUT", "/api/v1/users/adam", {"password": "a", "new_token": True}).status == 400


def test_a_heard_device_is_adopted_under_its_identity(api):
    api.house.desk.unknown.append({"identity": "861234567890123", "protocol": "gt06"})
    reply = ask(api, "POST", "/api/v1/unknown-devices/861234567890123/adopt", {"id": "dev-7", "case": "GE-1"}, who="team")
    assert orjson.loads(reply.body)["entry"] == {
        "device_id": "dev-7", "identifiers": ["861234567890123"], "protocol": "gt06", "state": "active", "case_ref": "GE-1",
    }  # fmt: skip
    again = ask(api, "POST", "/api/v1/unknown-devices/861234567890123/adopt", {})
    assert code_of(again) == "conflict"
    assert code_of(ask(api, "POST", "/api/v1/unknown-devices/nobody/adopt", {})) == "unknown_device"


def test_a_test_window_is_an_event(api):
    reply = ask(api, "POST", "/api/v1/devices/dev-1/test-window", {}, who="team")
    assert [type(event) for event in reply.events] == [ev.TestWindowOpened]
    assert code_of(ask(api, "POST", "/api/v1/devices/nobody/test-window", {})) == "unknown_device"


# ------------------------------------------------------------------------------------------------------- units

GOOD = {"unit": "G-21", "lat": 51.0543210, "lon": 3.7212345}
BAD_ITEMS = [
    ({}, "bad_field"),
    ("x", "bad_field"),
    (GOOD | {"lat": 90.1}, "bad_field"),
    (GOOD | {"lon": -180.1}, "bad_field"),
    (GOOD | {"lat": "51"}, "bad_field"),
    (GOOD | {"unit": "X-1"}, "unknown_unit"),
    (GOOD | {"unit": ""}, "bad_field"),
    (GOOD | {"at": "yesterday"}, "bad_field"),
    (GOOD | {"at": "2026-03-20T09:46:40"}, "bad_field"),
    (GOOD | {"at": "2030-01-01T00:00:00Z"}, "bad_field"),
    (GOOD | {"speed_kmh": -1}, "bad_field"),
    (GOOD | {"course_deg": 361}, "bad_field"),
    (GOOD | {"at": "0001-01-01T00:00:00+23:59"}, "accepted"),
    (None, "bad_field"),
]


def test_good_items_of_a_batch_count_although_others_are_bad(api):
    batch = [GOOD, *[item for item, _ in BAD_ITEMS], GOOD | {"unit": "G-07", "at": "2026-03-20T09:46:30Z", "course_deg": 0, "speed_kmh": 50}]
    reply = ask(api, "POST", "/api/v1/units/positions", batch, headers=token_headers("carl"))
    body = orjson.loads(reply.body)
    assert [item.get("code", item["status"]) for item in body["items"]] == ["accepted", *[code for _, code in BAD_ITEMS], "accepted"]
    assert [item["index"] for item in body["items"]] == list(range(len(batch)))
    assert body["accepted"] + body["refused"] == len(batch)
    assert api.house.desk.moved["G-07"] == (510543210, 37212345, 0, 50, WALL_US - 10_000_000)


@pytest.mark.parametrize("body", [b"{}", b"[1,", b"null", orjson.dumps([GOOD] * 1_001), b"[" * 50])
def test_a_batch_that_is_none_is_refused_whole(api, body):
    assert ask(api, "POST", "/api/v1/units/positions", body, headers=token_headers("carl")).status == 400
    assert api.house.desk.moved == {}


def test_a_unit_reports_and_sets_itself_only(api):
    reply = ask(api, "POST", "/api/v1/units/positions", [GOOD, GOOD | {"unit": "G-07"}], headers=token_headers("G-07"))
    assert [item.get("code") for item in orjson.loads(reply.body)["items"]] == ["forbidden", None]
    assert ask(api, "POST", "/api/v1/units/G-07/status", {"status": "busy"}, headers=token_headers("G-07")).status == 200
    assert ask(api, "POST", "/api/v1/units/G-21/status", {"status": "busy"}, headers=token_headers("G-07")).status == 403
    assert ask(api, "POST", "/api/v1/units/G-99/status", {"status": "off"}, who="anna").status == 404
    assert ask(api, "POST", "/api/v1/units/G-21/status", {"status": "lunch"}, who="anna").status == 400


# ----------------------------------------------------------------------------------------------------- presses


def press(api: Api, body: bytes, **headers: str) -> Reply:
    return ask(api, "POST", "/api/v1/press", body, headers={"x-gw-key": "dev-1", "x-gw-sig": "good"} | headers, link_id=7)


def test_a_signed_press_reaches_the_desk_with_the_trust_of_a_secret(api):
    reply = press(api, b'{"id":"1","kind":"sos_app"}')
    assert reply.status == 200
    assert orjson.loads(reply.body)["accepted"] is True
    assert reply.events
    assert reply.after_all, "a copy of a press is answered when the press is durable"
    ((frame, link),) = api.house.desk.frames
    assert (frame.device, frame.kinds, link.trust, link.transport, link.link_id) == ("dev-1", Kind.SOS_APP, Trust.T4, "http", 7)
    assert link.simulated


def test_whoever_cannot_sign_gets_one_answer(api):
    replies = [press(api, b"{}", **headers) for headers in ({"x-gw-sig": "bad"}, {"x-gw-key": "nobody", "x-gw-sig": "bad"}, {"x-gw-sig": ""})]
    replies.append(ask(api, "POST", "/api/v1/press", {}, headers=token_headers("carl")))
    replies.append(ask(api, "POST", "/api/v1/press", {}, who="adam"))
    assert {(reply.status, reply.body, reply.headers) for reply in replies} == {(401, replies[0].body, replies[0].headers)}
    assert dict(replies[0].headers)["x-gw-time"] == str(WALL_US // 1_000_000), "a phone with a wrong clock can mend it"
    assert api.house.desk.frames == []


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"[]", b'{"kind"', b"[" * 1_000, b"{" + b" " * 20_000])
def test_a_signed_press_that_cannot_be_read_is_an_alarm_with_a_hole(api, body):
    assert press(api, body).status == 200
    ((frame, _),) = api.house.desk.frames
    assert frame.refused is None
    assert frame.kinds == Kind.UNKNOWN_ALARM


def test_a_press_that_says_what_no_app_reports_is_refused(api):
    reply = press(api, b'{"kind":"heartbeat"}')
    assert (reply.status, code_of(reply)) == (400, "bad_field")


KANNEL = f"/sms/kannel/{SECRET_PATH}?from=%2B32475000001&to=112&hex=534f53&text=SOS&coding=0&charset=UTF-8&id=m-1"


def sms(api: Api, path: str = KANNEL, peer: str = "127.0.0.1", late_s: float = 0, **more: object) -> Reply:
    return ask(api, more.pop("method", "GET"), path, headers=more.pop("headers", {}), peer=peer, late_s=late_s, **more)  # type: ignore[arg-type]


def test_an_sms_is_answered_with_an_empty_body(api):
    reply = sms(api)
    assert (reply.status, reply.body, reply.headers) == (200, b"", ())
    assert reply.events
    assert reply.after_all
    ((frame, link),) = api.house.desk.frames
    assert (link.transport, link.peer, link.trust) == ("sms", "+32475000001", Trust.T1)
    assert frame.kinds & Kind.SOS_SMS


def test_an_sms_that_comes_again_before_it_was_durable_is_taken_again(api):
    sms(api)
    first = sms(api)
    assert first.events
    first.when_durable()
    again = sms(api)
    assert (again.status, again.events, again.after_all) == (200, (), True)


def test_kannels_post_form_is_read(api):
    headers = {"x-kannel-from": "+32475000001", "x-kannel-coding": "0", "x-kannel-id": "m-2"}
    request = Request("POST", f"/sms/kannel/{SECRET_PATH}", body=b"SOS help", headers=headers, peer="127.0.0.1")
    assert api.handle(request, at()).status == 200
    assert api.house.desk.frames[0][0].kinds & Kind.SOS_SMS


@pytest.mark.parametrize(
    ("path", "peer"), [(KANNEL, "10.0.0.9"), (KANNEL.replace(SECRET_PATH, "guess"), "127.0.0.1"), (KANNEL, ""), (KANNEL, "nonsense")]
)
def test_nobody_learns_that_there_is_a_bridge(api, path, peer):
    reply = sms(api, path, peer)
    assert (reply.status, reply.body) == (404, b"")
    assert api.house.desk.frames == []


def test_an_sms_over_mapped_ipv6_is_from_where_it_is_from(api):
    assert sms(api, peer="::ffff:127.0.0.1").status == 200


def test_an_unreadable_sms_is_taken_and_not_repeated(api):
    assert sms(api, f"/sms/kannel/{SECRET_PATH}?from=1&hex=zz").status == 200
    assert api.house.desk.frames[0][0].refused is not None


def test_a_broken_journal_makes_the_bridge_repeat_without_a_body(api):
    reply = api.refusal(Request("GET", f"/sms/kannel/{SECRET_PATH}"), JournalError())
    assert (reply.status, reply.body) == (503, b"")


def test_parts_that_wait_too_long_are_let_go(api):
    udh, inbox = "0500030a0201", api.house.sms[0].inbox
    sms(api, f"/sms/kannel/{SECRET_PATH}?from=%2B32475000001&hex=6c6f773a&udh={udh}&id=p1")
    assert inbox.overdue(at(30)) == []
    (late,) = inbox.overdue(at(61))
    assert late[0] == "+32475000001"


# ------------------------------------------------------------------------------------------------------ system


def test_ready_only_when_an_alarm_would_be_durable():
    assert ask(Api(fake_house()), "GET", "/readyz", headers={}).status == 200
    api = Api(fake_house(not_ready=lambda: ["journal: disk failed"]))
    reply = ask(api, "GET", "/readyz", headers={})
    assert (reply.status, orjson.loads(reply.body)) == (503, {"ready": False, "because": ["journal: disk failed"], "notices": []})
    assert ask(api, "GET", "/healthz", headers={}).status == 200


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.9", {}, 401),
        ("", {}, 401),
        ("127.0.0.1", {"x-forwarded-for": "1.2.3.4"}, 401),
        ("nonsense", {}, 401),
    ],
)
def test_metrics_are_for_this_host(api, peer, headers, status):
    assert ask(api, "GET", "/metrics", headers=headers, peer=peer).status == status


def test_metrics_have_labels_from_closed_sets_only(api):
    api.house.desk.counters |= {
        "links": {"http": {"gone": 2}}, "devices": {"ONLINE": 1}, "strange": {"a": {"b": 1}, "861234567890123": 2}, "scans": 4,
        "frames": {"gt06": {"A": {"accepted": 3, "861234567890123": 1}}, "86 12": {"B": {"x\ny": 5}}},
    }  # fmt: skip
    text = ask(api, "GET", "/metrics", headers={}, peer="127.0.0.1").body.decode()
    assert 'gateway_frames_total{class="A",outcome="accepted",protocol="gt06"} 3.0' in text
    assert 'gateway_links_total{ended="gone",port="http"} 2.0' in text
    assert "gateway_scans_total 4.0" in text
    assert 'gateway_strange{path="a/b"} 1.0' in text
    assert 'outcome="other"' in text
    assert "861234567890123" not in text
    assert "gateway_ready 1.0" in text
    assert "gateway_build_info" in text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("8/1/2", 200),
        ("8/1/3", 404),
        ("8/256/0", 404),
        ("8/-1/0", 404),
        ("8/1/2.png", 404),
        ("99/0/0", 404),
        ("8/٣/0", 404),
        ("8/1/" + "9" * 5000, 404),
    ],
)
def test_tiles(api, path, status):
    reply = ask(api, "GET", f"/tiles/{path}", who="anna")
    assert reply.status == status
    if status == 200:
        assert dict(reply.headers)["content-encoding"] == "gzip"


def test_pages_are_served_once_and_then_by_tag(api):
    page = ask(api, "GET", "/", headers={})
    assert (page.status, page.body) == (200, b"<html>")
    assert ask(api, "GET", "/", headers={"if-none-match": 'W/"x", "e"'}).status == 304
    assert ask(api, "GET", "/static/none.js", headers={}).status == 404


def test_without_a_simulation_there_are_no_buttons():
    api = Api(fake_house(simulation=None, is_simulation=False))
    assert ask(api, "GET", "/api/v1/sim/buttons").status == 404
    assert ask(api, "POST", "/api/v1/sim/press", {"device": "sim-1"}).status == 404


def test_a_simulated_button_is_pressed(api):
    assert ask(api, "POST", "/api/v1/sim/press", {"device": "sim-1", "kind": "fall"}).status == 202
    assert api.house.simulation.pressed == [("sim-1", "fall")]
    assert code_of(ask(api, "POST", "/api/v1/sim/press", {"device": "real-1"})) == "unknown_device"


def test_methods_and_addresses_that_do_not_exist_are_said_so(api):
    reply = ask(api, "DELETE", "/api/v1/alarms", headers={})
    assert (reply.status, dict(reply.headers)["allow"]) == (405, "GET, HEAD")
    for path in ("/api/v1/nothing", "/API/V1/alarms", "//", "/api/v1/alarms/", "/api/v1/alarms//track", "/static/a/b/c/d"):
        assert ask(api, "GET", path, headers={}).status == 404


def test_a_case_team_is_told_of_incidents_with_its_own_devices_only(api):
    shown = {who: orjson.loads(ask(api, "GET", "/api/v1/incidents", who=who).body)["entries"] for who in ("team", "team2")}
    assert shown == {"team": [{"devices": ["dev-1"]}], "team2": []}


# ------------------------------------------------------------------------------------------------- the document


def test_the_api_document_is_openapi_and_knows_every_route():
    document = orjson.loads(described())
    validate(document)
    for route in ROUTES:
        if "{folder}" not in route.path:
            operation = document["paths"][route.path][route.method.lower()]
            assert operation["x-roles"] == sorted(route.roles)
            assert operation["summary"], route


def test_operations_have_names_of_their_own():
    assert len({route.name for route in ROUTES}) == len(ROUTES)


def test_every_code_that_a_route_names_is_in_the_table():
    for route in ROUTES:
        assert set(route.problems) <= PROBLEMS.keys(), route


def test_the_error_page_says_what_the_table_says():
    page = Path(__file__).resolve().parents[2] / "docs" / "api-errors.md"
    assert page.read_text() == problems.document(), "write it anew: python -m gateway.api.problems > docs/api-errors.md"


def test_errors_that_are_nobodys_fault_are_ours():
    assert orjson.loads(problems.problem_of(RoadsError("x")).body)["error"]["code"] == "internal"
    assert problems.problem_of(JournalError("x")).status == 503


# ------------------------------------------------------------------------------------------------------ targets

TARGETS = {
    "/": ("/", ""),
    "/a?b=c?d": ("/a", "b=c?d"),
    "/a%2Db": ("/a-b", ""),
    "/%C3%A9": ("/é", ""),
    "/a?%zz": ("/a", "%zz"),
    "//a": ("//a", ""),
}
BAD_TARGETS = [
    "",
    "*",
    "a",
    "http://evil/a",
    "/a#b",
    "/..",
    "/a/../b",
    "/%2e%2e/a",
    "/a/%2E",
    "/a%00",
    "/a%2fb",
    "/a%5cb",
    "/a\\b",
    "/%",
    "/%4",
    "/%zz",
    "/%c3",
    "/%ff",
    "/a%0d%0ab",
    "/a%7f",
    "/a%09",
    "/.",
    "/\x01",
    "/%ed%a0%80",
]


@pytest.mark.parametrize("target", TARGETS)
def test_targets_are_split_and_decoded(target):
    assert split_untrusted(target) == TARGETS[target]


@pytest.mark.parametrize("target", BAD_TARGETS)
def test_targets_with_two_readings_are_refused(target):
    with pytest.raises(Refused) as caught:
        split_untrusted(target)
    assert caught.value.code == "bad_request"


def test_times_are_written_and_read():
    assert time_text(WALL_US + 1_500) == "2026-03-20T09:46:40.001Z"
    assert time_us("2026-03-20T10:46:40.0015+01:00") == WALL_US + 1_500
    for at_us in (-(2**63), 2**63):
        assert time_us(time_text(at_us)) is not None


def test_a_token_of_a_stranger_is_none(api):
    assert ask(api, "GET", "/api/v1/me", headers=token_headers("G-21", TOKEN + "x")).status == 401
