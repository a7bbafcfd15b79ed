"""Looking at alarms leaves a record, acting on them leaves an event, and neither is told before it is durable."""

import re
from dataclasses import replace

import msgspec
import orjson
import pytest

from gateway import events as ev
from gateway.api import feeds, shapes
from gateway.api.messages import Answer, Errand, Feed, Reply, Request
from gateway.api.routes import ROUTES
from gateway.api.service import Api
from gateway.model import State
from tests.unit.api_fakes import CANARIES, OTHER_ALARM, OWN_ALARM, alarm, at, fake_house, joined, session_headers, token_headers


@pytest.fixture
def api() -> Api:
    return Api(fake_house())


def ask(api: Api, method: str, path: str, body: object = None, *, who: str = "anna", headers: dict[str, str] | None = None, **more: object) -> Reply:
    """One request of somebody who is logged in; errands are run at once."""
    path, _, query = path.partition("?")
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    found = session_headers(api, who) if headers is None else headers
    request = Request(method, path, query, found, raw, peer="10.0.0.9", **more)  # type: ignore[arg-type]
    answer: Answer = api.handle(request, at())
    while isinstance(answer, Errand):
        answer = api.settle(request, answer, answer.run(), at())
    assert not isinstance(answer, Feed)
    return joined(answer)


def code_of(reply: Reply) -> str:
    return str(orjson.loads(reply.body)["error"]["code"])


# ------------------------------------------------------------------------------------------------- looking


@pytest.mark.parametrize(("tail", "what"), [("", "position"), ("/track", "track"), ("/story", "story")])
def test_every_look_at_one_alarm_is_a_record_of_who_what_why(api, tail, what):
    for _ in range(2):
        reply = ask(api, "GET", f"/api/v1/alarms/{OWN_ALARM}{tail}")
        assert reply.status == 200
        (viewed,) = reply.events
        assert viewed == ev.Viewed("anna", what, f"alarm {OWN_ALARM} from 10.0.0.9", OWN_ALARM)


def test_a_list_records_one_view_per_sitting_and_alarm(api):
    headers = session_headers(api, "sven")
    first = ask(api, "GET", "/api/v1/alarms", headers=headers)
    assert [event.alarm_id for event in first.events] == [OWN_ALARM, OTHER_ALARM]
    assert first.when_durable is not None
    first.when_durable()
    assert ask(api, "GET", "/api/v1/alarms", headers=headers).events == ()
    assert len(ask(api, "GET", "/api/v1/alarms", who="sven").events) == 2, "another session is another sitting"


def test_a_view_that_was_not_durable_is_recorded_again(api):
    headers = session_headers(api, "sven")
    assert len(ask(api, "GET", "/api/v1/alarms", headers=headers).events) == 2
    assert len(ask(api, "GET", "/api/v1/alarms", headers=headers).events) == 2


@pytest.mark.parametrize(("query", "count"), [("", 2), ("?state=open", 2), ("?state=all", 3), ("?state=CLOSED", 1), ("?state=ACKED", 0)])
def test_lists_are_filtered_by_state(api, query, count):
    api.house.desk.kept["0c" * 16] = alarm("0c" * 16, state=State.CLOSED)
    assert len(orjson.loads(ask(api, "GET", f"/api/v1/alarms{query}", who="sven").body)["alarms"]) == count


def test_a_state_that_does_not_exist_is_said_so(api):
    reply = ask(api, "GET", "/api/v1/alarms?state=51.0543")
    assert (reply.status, code_of(reply)) == (400, "bad_field")


def test_a_query_of_a_thousand_fields_is_refused(api):
    assert ask(api, "GET", "/api/v1/alarms?" + "&".join(f"a{n}=1" for n in range(1000))).status == 400


def test_lists_put_first_who_waits_longest(api):
    early = alarm("0c" * 16, received_at_us=1)
    api.house.desk.kept["0c" * 16] = early
    ids = [one["alarm_id"] for one in orjson.loads(ask(api, "GET", "/api/v1/alarms", who="sven").body)["alarms"]]
    assert ids == ["0c" * 16, OWN_ALARM, OTHER_ALARM]


def test_a_list_has_no_track_and_one_alarm_has(api):
    assert "track" not in orjson.loads(ask(api, "GET", "/api/v1/alarms").body)["alarms"][0]
    assert "track" in orjson.loads(ask(api, "GET", f"/api/v1/alarms/{OWN_ALARM}").body)


def test_track_points_leave_out_what_is_unknown(api):
    seen = alarm().track[0]
    api.house.desk.kept[OWN_ALARM] = alarm(track=(seen, replace(seen, fix=replace(seen.fix, at_us=None, accuracy_m=None), current=False)))
    points = orjson.loads(ask(api, "GET", f"/api/v1/alarms/{OWN_ALARM}/track").body)["points"]
    assert points[0]["accuracy_m"] == 12.0
    assert "accuracy_m" not in points[1]
    assert "at" not in points[1]
    assert points[1]["current"] is False


# --------------------------------------------------------------------------------------------------- acting

ACTIONS = {
    "take": ({}, ("accepted", "cic-ovl", "anna", None, None, None)),
    "note": ({"note": "seen her"}, ("note", "cic-ovl", "anna", None, "seen her", None)),
    "resolve": ({"outcome": "REAL_ARREST"}, ("resolve", "REAL_ARREST", "anna", "cic-ovl")),
    "mark-real": ({}, ("mark_real", "anna")),
    "extend-track": ({"seconds": 600}, ("extend", 600)),
    "stop-track": ({}, ("stop", "anna")),
    "ack": ({"level": "dispatched", "unit": "G-07", "operator": "somebody else"}, ("dispatched", "cic-ovl", "anna", "G-07", None, None)),
}


@pytest.mark.parametrize("word", ACTIONS)
def test_an_operator_acts_in_their_own_name_and_centre(api, word):
    body, told = ACTIONS[word]
    reply = ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/{word}", body)
    assert reply.status == 200, reply.body
    assert api.house.desk.told == [(OWN_ALARM, *told)]
    assert len(reply.events) == 1
    assert reply.after_all


@pytest.mark.parametrize(("word", "body"), [("reopen", {"reason": "r"}), ("reassign", {"centre": "cic-bxl", "reason": "r"})])
def test_a_supervisor_of_all_centres_acts_in_the_alarms_centre(api, word, body):
    assert ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/{word}", body, who="sven").status == 200
    assert ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/{word}", body, who="anna").status == 403


@pytest.mark.parametrize("word", ACTIONS)
def test_actions_show_no_position(api, word):
    reply = ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/{word}", ACTIONS[word][0])
    assert not any(canary in reply.body for canary in CANARIES)


def test_what_the_desk_refuses_keeps_its_code(api):
    api.house.desk.kept[OWN_ALARM] = alarm(state=State.CLOSED)
    reply = ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/take", {})
    assert (reply.status, code_of(reply)) == (409, "ended")
    reply = ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/reassign", {"centre": "cic-x", "reason": "r"}, who="sven")
    assert (reply.status, code_of(reply)) == (404, "unknown_centre")


CENTRE = {"webhook-signature": "v1,cic-ovl", "webhook-id": "m-1"}


def test_a_centres_callback_acts_in_the_centres_name_and_is_taken_once(api):
    body = {"level": "accepted", "operator": "desk 4", "at": "2026-03-09T13:03:11Z", "something": "new"}
    path = f"/api/v1/alarms/{OWN_ALARM}/ack"
    first = ask(api, "POST", path, body, headers=CENTRE)
    assert first.status == 200, first.body
    assert api.house.desk.told == [(OWN_ALARM, "accepted", "cic-ovl", "desk 4", None, None, "m-1")]
    first.when_durable()
    again = ask(api, "POST", path, body, headers=CENTRE)
    assert (again.status, again.events, again.body) == (200, (), first.body)
    assert again.after_all, "the repetition, too, waits for what it repeats"
    other = ask(api, "POST", path, body | {"level": "rejected"}, headers=CENTRE)
    assert (other.status, code_of(other)) == (409, "conflict")
    assert len(api.house.desk.told) == 1


def test_of_centres_that_share_a_secret_it_is_the_one_whose_alarm_it_is(api):
    shared = CENTRE | {"webhook-signature": "v1,cic-ant+cic-ovl"}
    assert ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/ack", {"level": "displayed"}, headers=shared).status == 200
    assert api.house.desk.told[0][2] == "cic-ovl"


def test_a_wrong_signature_is_refused_even_with_a_session(api):
    headers = session_headers(api, "anna") | {"webhook-signature": "v1,nobody"}
    reply = ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/ack", {"level": "displayed"}, headers=headers)
    assert (reply.status, code_of(reply)) == (401, "not_authentic")


def test_only_a_named_human_ends_an_alarm(api):
    path = f"/api/v1/alarms/{OWN_ALARM}/ack"
    reply = ask(api, "POST", path, {"level": "closed"}, headers=CENTRE)
    assert (reply.status, code_of(reply)) == (400, "bad_field")
    assert ask(api, "POST", path, {"level": "closed", "operator": "desk 4"}, headers=CENTRE).status == 200
    assert api.house.desk.told == [(OWN_ALARM, "resolve", "UNKNOWN", "desk 4", "cic-ovl")]
    again = ask(api, "POST", path, {"level": "closed", "operator": "desk 4"}, headers=CENTRE | {"webhook-id": "m-2"})
    assert (again.status, again.events) == (200, ())


def test_the_local_operator_may_name_who_asked(api):
    local = {"via_control_socket": True, "local_user": "root", "headers": {}}
    assert ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/ack", {"level": "accepted", "operator": "Eva"}, **local).status == 200
    assert api.house.desk.told[0][3] == "Eva (local:root)"


WRONG_BODIES = [
    ("take", b'{"note": 5}', "bad_field"),
    ("take", b"[]", "bad_field"),
    ("take", b"nonsense", "bad_json"),
    ("take", b'{"note":"\xff"}', "bad_json"),
    ("take", b'{"note":"\\ud800"}', "bad_json"),
    ("note", b"", "bad_field"),
    ("note", b'{"note":""}', "bad_field"),
    ("resolve", b"{}", "bad_field"),
    ("extend-track", b'{"seconds":1e9}', "bad_field"),
    ("extend-track", b'{"seconds":"60"}', "bad_field"),
    ("extend-track", b'{"seconds":true}', "bad_field"),
    ("ack", b'{"level":"on fire"}', "bad_field"),
    ("ack", b'{"level":"note","note":"' + b"x" * 3000 + b'"}', "bad_field"),
    ("take", b"[" * 40 + b"]" * 40, "bad_json"),
    ("take", b'{"note":' * 33 + b"1" + b"}" * 33, "bad_json"),
    ("take", b"[" * 100_000, "bad_json"),
    ("take", b'{"note":"x"} {}', "bad_json"),
    ("take", b"NaN", "bad_json"),
]


@pytest.mark.parametrize(("word", "body", "code"), WRONG_BODIES, ids=lambda value: repr(value)[:40])
def test_wrong_bodies_say_what_is_wrong_and_change_nothing(api, word, body, code):
    reply = ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/{word}", body)
    assert (reply.status, code_of(reply)) == (400, code)
    assert api.house.desk.told == []


def test_brackets_inside_of_texts_are_no_depth(api):
    assert not shapes.is_too_deep(b'{"note":"' + b'[\\"' * 80_000 + b'"}')
    assert ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/note", {"note": "[{" * 100}).status == 200


@pytest.mark.parametrize("level", [1, 31, 32, 33, 500])
@pytest.mark.parametrize("left", [b"[", b'{"a":', b'[0,"]]]]",'])
def test_depth_is_counted_exactly(level, left):
    right = b"}" if left[:1] == b"{" else b"]"
    body = b"[" + left * (level - 1) + b"[]" + right * (level - 1) + b',"' + b"[" * 100 + b'"]'
    assert shapes.is_too_deep(body) == (level + 1 > shapes.DEPTH_MAX)


HOSTILE_TEXTS = [
    "a\r\nSet-Cookie: x=1",
    "\x00",
    "\x1b[2J",
    "<img src=x onerror=alert(1)>",
    "=cmd|'/C calc'!A0",
    "../../x",
    "C:\\x",
    "\u202eevil",
    "\ud7ff",
]


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=ascii)
def test_untrusted_text_comes_back_as_json_text_and_nothing_else(api, text):
    reply = ask(api, "POST", f"/api/v1/alarms/{OWN_ALARM}/note", {"note": text})
    assert reply.status == 200
    assert api.house.desk.told[0][5] == text
    reply = ask(api, "GET", f"/api/v1/alarms?state={text.replace('&', '')}".replace("\r\n", "%0D%0A"))
    assert reply.status == 400
    assert all(b"\r" not in name.encode() + value.encode() for name, value in reply.headers)


# ---------------------------------------------------------------------------------------------- the document


CALLS = [
    ("GET", "/api/v1/alarms", None, "sven"),
    ("GET", f"/api/v1/alarms/{OWN_ALARM}", None, "anna"),
    ("GET", f"/api/v1/alarms/{OWN_ALARM}/track", None, "anna"),
    ("GET", f"/api/v1/alarms/{OWN_ALARM}/story", None, "anna"),
    ("POST", f"/api/v1/alarms/{OWN_ALARM}/take", {}, "anna"),
    ("GET", "/api/v1/units/positions", None, "anna"),
    ("GET", "/api/v1/devices", None, "adam"),
    ("GET", "/api/v1/devices/dev-1", None, "adam"),
    ("PUT", "/api/v1/devices/dev-1", {"model": "m"}, "adam"),
    ("DELETE", "/api/v1/devices/dev-1", None, "adam"),
    ("GET", "/api/v1/me", None, "audi"),
    ("GET", "/api/v1/health", None, "odin"),
    ("GET", "/healthz", None, "anna"),
    ("GET", "/readyz", None, "anna"),
    ("GET", "/api/v1/sim/buttons", None, "anna"),
    ("POST", "/api/v1/sim/press", {"device": "sim-1"}, "anna"),
    ("POST", "/api/v1/logout", {}, "anna"),
    ("GET", "/api/v1/unknown-devices", None, "adam"),
]


@pytest.mark.parametrize(("method", "path", "body", "who"), CALLS)
def test_answers_have_the_shape_that_the_document_says(api, method, path, body, who):
    api.house.desk.moved["G-21"] = (51.0, 3.7)
    route, _ = api._table.find(method, path)
    reply = ask(api, method, path, body, who=who)
    assert reply.status == route.status, reply.body
    msgspec.json.decode(reply.body, type=route.gives)
    extra = set(orjson.loads(reply.body)) - {field.encode_name for field in msgspec.structs.fields(route.gives)}
    assert not extra, "a field that the document does not know"


def test_every_handler_takes_the_shape_that_its_route_says():
    for route in ROUTES:
        given = route.handler.__annotations__["given"]
        assert given == route.takes or (given is msgspec.Struct and route.method == "PUT"), route


def test_names_of_events_are_all_documented():
    assert set(feeds.NAMES) <= set(re.findall(r"\w+", feeds.open_feed.__doc__))
    assert set(feeds.CHANGES.values()) | {"reset", "gone", "units", "beat", "logged_out"} == set(feeds.NAMES)


def test_a_unit_may_look_at_its_own_alarm_only(api):
    reply = ask(api, "GET", "/api/v1/alarms", headers=token_headers("G-21"))
    assert [one["alarm_id"] for one in orjson.loads(reply.body)["alarms"]] == [OWN_ALARM]
    reply = ask(api, "GET", "/api/v1/alarms", headers=token_headers("G-07"))
    assert orjson.loads(reply.body)["alarms"] == []
