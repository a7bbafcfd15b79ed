"""Who may do what: every route, every role, own and others' objects, written down a second time (R-65)."""

import orjson
import pytest

from gateway import events as ev
from gateway.api import access
from gateway.api.messages import Answer, Errand, Feed, Reply, Request
from gateway.api.routes import ROUTES
from gateway.api.service import Api
from gateway.model import State
from tests.unit.api_fakes import OTHER_ALARM, OWN_ALARM, SDS_TOKEN, SECRET_PATH, alarm, at, fake_house, joined, session_headers, token_headers

DISPATCH = "operator supervisor local"
VIEWERS = f"{DISPATCH} case_team unit"
ALL = "operator supervisor case_team carrier unit operations auditor admin local"
RUNNERS = "operator supervisor operations admin local"
ANYBODY = f"{ALL} public device centre bridge"

MATRIX: dict[str, str] = {
    "POST /api/v1/press": "device",
    "GET /sms/kannel/{secret}": "bridge",
    "POST /sms/kannel/{secret}": "bridge",
    "POST /sds/{name}": "bridge",
    "GET /api/v1/alarms": VIEWERS,
    "GET /api/v1/alarms/{alarm_id}": VIEWERS,
    "GET /api/v1/alarms/{alarm_id}/track": VIEWERS,
    "GET /api/v1/alarms/{alarm_id}/story": DISPATCH,
    "GET /api/v1/events": VIEWERS,
    "POST /api/v1/alarms/{alarm_id}/ack": f"{DISPATCH} centre",
    "POST /api/v1/alarms/{alarm_id}/take": DISPATCH,
    "POST /api/v1/alarms/{alarm_id}/note": DISPATCH,
    "POST /api/v1/alarms/{alarm_id}/resolve": DISPATCH,
    "POST /api/v1/alarms/{alarm_id}/mark-real": DISPATCH,
    "POST /api/v1/alarms/{alarm_id}/extend-track": DISPATCH,
    "POST /api/v1/alarms/{alarm_id}/stop-track": DISPATCH,
    "POST /api/v1/alarms/{alarm_id}/reopen": "supervisor local",
    "POST /api/v1/alarms/{alarm_id}/reassign": "supervisor local",
    "GET /api/v1/units/positions": DISPATCH,
    "POST /api/v1/units/positions": "unit carrier local",
    "POST /api/v1/units/{id}/status": f"{DISPATCH} unit",
    "GET /api/v1/devices": "case_team admin local",
    "GET /api/v1/devices/{id}": "case_team admin local",
    "PUT /api/v1/devices/{id}": "case_team admin local",
    "DELETE /api/v1/devices/{id}": "case_team admin local",
    "GET /api/v1/cases": "case_team local",
    "GET /api/v1/cases/{id}": "case_team local",
    "PUT /api/v1/cases/{id}": "case_team local",
    "DELETE /api/v1/cases/{id}": "case_team local",
    "GET /api/v1/units": "supervisor admin local",
    "GET /api/v1/units/{id}": "supervisor admin local",
    "PUT /api/v1/units/{id}": "supervisor admin local",
    "DELETE /api/v1/units/{id}": "supervisor admin local",
    "GET /api/v1/users": "admin local",
    "GET /api/v1/users/{id}": "admin local",
    "PUT /api/v1/users/{id}": "admin local",
    "DELETE /api/v1/users/{id}": "admin local",
    "GET /api/v1/incidents": "case_team local",
    "GET /api/v1/unknown-devices": "case_team admin local",
    "POST /api/v1/unknown-devices/{identity}/adopt": "case_team admin local",
    "POST /api/v1/devices/{id}/test-window": "case_team admin local",
    "GET /api/v1/devices/{id}/orders": f"{DISPATCH} operations",
    "POST /api/v1/devices/{id}/orders": f"{DISPATCH} operations",
    "GET /api/v1/devices/{id}/orders/{order_id}": f"{DISPATCH} operations",
    "POST /api/v1/login": ANYBODY,
    "POST /api/v1/logout": ALL,
    "POST /api/v1/setup": ANYBODY,
    "GET /api/v1/me": ALL,
    "GET /api/v1/health": RUNNERS,
    "GET /api/v1/openapi.json": ANYBODY,
    "GET /metrics": RUNNERS,  # strangers only from this host: tested in test_api_system
    "GET /healthz": ANYBODY,
    "GET /readyz": ANYBODY,
    "GET /api/v1/sim/buttons": f"{DISPATCH} admin",
    "POST /api/v1/sim/press": f"{DISPATCH} admin",
    "GET /tiles/{z}/{x}/{y}": ALL,
    "GET /": ANYBODY,
    "GET /static/{file}": ANYBODY,
    "GET /static/{folder}/{file}": ANYBODY,
    "GET /static/{folder}/{inner}/{file}": ANYBODY,
}
"""Each route and who may call it. A route that is not here fails the build."""

BODIES: dict[str, object] = {
    "note": {"note": "n"},
    "resolve": {"outcome": "TEST"},
    "reopen": {"reason": "r"},
    "reassign": {"centre": "cic-ovl", "reason": "r"},
    "ack": {"level": "accepted", "operator": "x"},
    "status": {"status": "busy"},
    "login": {"user": "nobody", "password": "p"},
    "setup": {"token": "t", "user": "u", "password": "twelve letters"},
    "positions": [],
    "press": {"device": "sim-1"},
    "orders": {"kind": "locate"},
}

BODIES_OF = {("orders", role): {"kind": "interval", "seconds": 60} for role in ("supervisor", "operations")}
"Where one body does not do for every role."

CALLERS = {"operator": "anna", "supervisor": "sven", "case_team": "team", "operations": "odin", "auditor": "audi", "admin": "adam"}
PARTS = {
    "alarm_id": OWN_ALARM,
    "id": "dev-1",
    "secret": SECRET_PATH,
    "name": "tetra",
    "identity": "i9",
    "z": "8",
    "x": "1",
    "y": "2",
    "file": "a.js",
    "folder": "leaflet",
    "inner": "nl",
    "order_id": "0" * 16,
}
IDS = {"devices": "dev-1", "cases": "GE-1", "units": "G-21", "users": "G-07"}


def test_every_route_stands_in_the_matrix_with_its_roles():
    written = {key: frozenset(roles.split()) for key, roles in MATRIX.items()}
    assert sorted(written) == sorted(f"{route.method} {route.path}" for route in ROUTES)
    for route in ROUTES:
        allowed = written[f"{route.method} {route.path}"]
        is_everybodys = "public" in route.roles and route.path != "/metrics"
        found = frozenset(ANYBODY.split()) if is_everybodys else route.roles - {"public"}
        assert found == allowed, route.path


def test_roles_are_those_of_the_domain():
    assert set(ALL.split()) == {*access.ROLES, "local"}


def request_of(api: Api, route: str, role: str, alarm_id: str = OWN_ALARM, **ids: str) -> Request:
    method, _, pattern = route.partition(" ")
    noun = pattern.split("/")[3] if pattern.startswith("/api/") else ""
    parts = PARTS | {"alarm_id": alarm_id, "id": IDS.get(noun, "")} | ids
    path = pattern.format(**parts)
    word = pattern.rpartition("/")[2]
    body = orjson.dumps(BODIES_OF.get((word, role), BODIES.get(word, {}))) if method in ("POST", "PUT") else b""
    headers: dict[str, str] = {"host": "gw"}
    if role in CALLERS:
        headers = session_headers(api, CALLERS[role])
    elif role in ("carrier", "unit"):
        headers = token_headers("carl" if role == "carrier" else "G-21")
    elif role == "device":
        headers |= {"x-gw-key": "dev-1", "x-gw-sig": "good"}
    elif role == "centre":
        headers |= {"webhook-signature": "v1,cic-ovl", "webhook-id": "m-1"}
    elif role == "bridge" and "/sds/" in path:
        headers |= {"authorization": f"Bearer {SDS_TOKEN}"}
    peer = "127.0.0.1" if role == "bridge" and path.startswith(("/sms/", "/sds/")) else "10.1.1.1"
    return Request(method, path, headers=headers, body=body, peer=peer, via_control_socket=role == "local", local_user="root")


def settled(api: Api, request: Request) -> Reply | Feed:
    answer: Answer = api.handle(request, at())
    while isinstance(answer, Errand):
        answer = api.settle(request, answer, answer.run(), at())
    return answer if isinstance(answer, Feed) else joined(answer)


@pytest.mark.parametrize("route", MATRIX)
@pytest.mark.parametrize("role", [*access.ROLES, *access.OTHERS])
def test_a_role_passes_exactly_where_the_matrix_says(route: str, role: str):
    api = Api(fake_house())
    api.house.desk.unknown.append({"identity": "i9", "protocol": "gt06"})  # type: ignore[attr-defined]
    answer = settled(api, request_of(api, route, role))
    status = 200 if isinstance(answer, Feed) else answer.status
    if ("/sms/" in route or "/sds/" in route) and role not in ("bridge", "local"):
        assert status == 404, "a stranger does not learn that there is a bridge"
    elif role in MATRIX[route].split():
        assert status not in (401, 403) or route.endswith(("login", "setup")), answer
    else:
        assert status in (401, 403), answer
        assert not (isinstance(answer, Reply) and answer.events), "a refusal changes nothing"


OWNERS = {
    # role: users (or tokens) who own nothing of OWN_ALARM
    "operator": ("olga", "otto"),
    "case_team": ("team2",),
    "unit": ("G-07",),
}
ALARM_ROUTES = [route for route in MATRIX if "{alarm_id}" in route]


@pytest.mark.parametrize("route", ALARM_ROUTES)
def test_an_alarm_of_others_does_not_exist(route: str):
    for role, names in OWNERS.items():
        if role not in MATRIX[route].split():
            continue
        for name in names:
            api = Api(fake_house())
            request = request_of(api, route, role)
            headers = token_headers(name) if role == "unit" else session_headers(api, name)
            request = Request(request.method, request.path, headers=headers, body=request.body)
            answer = settled(api, request)
            assert isinstance(answer, Reply)
            assert answer.status == 404
            assert not answer.events
            unknown = settled(api, Request(request.method, request.path.replace(OWN_ALARM, "f" * 32), headers=headers, body=request.body))
            assert isinstance(unknown, Reply)
            assert (unknown.status, unknown.body) == (answer.status, answer.body), "no oracle"


@pytest.mark.parametrize("name", ["anna", "team"])
def test_lists_hold_only_ones_own(name: str):
    api = Api(fake_house())
    answer = settled(api, Request("GET", "/api/v1/alarms", headers=session_headers(api, name)))
    assert isinstance(answer, Reply)
    assert [one["alarm_id"] for one in orjson.loads(answer.body)["alarms"]] == [OWN_ALARM]


def test_a_centre_acts_on_its_own_alarms_only():
    api = Api(fake_house())
    request = request_of(api, "POST /api/v1/alarms/{alarm_id}/ack", "centre", OTHER_ALARM)
    answer = settled(api, request)
    assert isinstance(answer, Reply)
    assert answer.status == 404


def test_an_operator_without_centre_sees_nothing_and_one_of_every_centre_all():
    api = Api(fake_house())
    for name, expected in (("otto", 0), ("sven", 2)):
        answer = settled(api, Request("GET", "/api/v1/alarms", headers=session_headers(api, name)))
        assert isinstance(answer, Reply)
        assert len(orjson.loads(answer.body)["alarms"]) == expected


def test_an_alarm_that_nobody_was_chosen_for_is_every_centres():
    api = Api(fake_house())
    api.house.desk.kept = {OWN_ALARM: alarm(decision=None, offered_to=())}  # type: ignore[attr-defined]
    for name, status in (("olga", 200), ("otto", 404)):
        answer = settled(api, Request("GET", f"/api/v1/alarms/{OWN_ALARM}", headers=session_headers(api, name)))
        assert isinstance(answer, Reply)
        assert answer.status == status


def test_a_unit_loses_its_alarm_when_it_ends():
    api = Api(fake_house())
    path = f"/api/v1/alarms/{OWN_ALARM}"
    answer = settled(api, Request("GET", path, headers=token_headers("G-21")))
    assert isinstance(answer, Reply)
    assert answer.status == 200
    api.house.desk.kept[OWN_ALARM] = alarm(state=State.CLOSED)  # type: ignore[attr-defined]
    answer = settled(api, Request("GET", path, headers=token_headers("G-21")))
    assert isinstance(answer, Reply)
    assert answer.status == 404


NOUNS_OF_OTHERS = [
    ("GET", "/api/v1/cases/AN-1", b""),
    ("PUT", "/api/v1/cases/AN-1", b'{"risk":"high"}'),
    ("DELETE", "/api/v1/cases/AN-1", b""),
    ("GET", "/api/v1/devices/dev-2", b""),
    ("PUT", "/api/v1/devices/dev-2", b'{"model":"m"}'),
    ("DELETE", "/api/v1/devices/dev-2", b""),
    ("POST", "/api/v1/devices/dev-2/test-window", b""),
    ("PUT", "/api/v1/devices/dev-1", b'{"case_ref":"AN-1"}'),
    ("POST", "/api/v1/unknown-devices/i9/adopt", b'{"case":"AN-1"}'),
]


@pytest.mark.parametrize(("method", "path", "body"), NOUNS_OF_OTHERS)
def test_a_case_team_keeps_its_own_zone_only(method: str, path: str, body: bytes):
    api = Api(fake_house())
    api.house.desk.unknown.append({"identity": "i9", "protocol": "gt06"})  # type: ignore[attr-defined]
    before = orjson.dumps(api.house.registry.kept)  # type: ignore[attr-defined]
    answer = settled(api, Request(method, path, headers=session_headers(api, "team"), body=body))
    assert isinstance(answer, Reply)
    assert answer.status == 404
    assert orjson.dumps(api.house.registry.kept) == before  # type: ignore[attr-defined]


def test_a_case_team_cannot_put_a_case_into_another_zone():
    api = Api(fake_house())
    headers = session_headers(api, "team")
    answer = settled(api, Request("PUT", "/api/v1/cases/GE-1", headers=headers, body=b'{"zone":"1000"}'))
    assert isinstance(answer, Reply)
    assert answer.status == 403
    answer = settled(api, Request("PUT", "/api/v1/cases/GE-9", headers=headers, body=b'{"risk":"high"}'))
    assert isinstance(answer, Reply)
    assert orjson.loads(answer.body)["entry"]["zone"] == "5415", "a new case is the team's own"


def test_no_role_is_shown_a_secret():
    api = Api(fake_house())
    for path in ("/api/v1/devices", "/api/v1/devices/dev-1", "/api/v1/users", "/api/v1/users/anna"):
        answer = settled(api, Request("GET", path, headers=session_headers(api, "adam")))
        assert isinstance(answer, Reply)
        assert answer.status == 200
        assert b"argon:" not in answer.body
        assert b"sha256:" not in answer.body
        assert b"app_key_hex" not in answer.body


# ------------------------------------------------------------------------------------------ orders to devices

ORDERS = {
    "locate": {"kind": "locate"},
    "interval": {"kind": "interval", "seconds": 60},
    "server": {"kind": "server", "host": "gw.example", "port": 5023},
    "confirm": {"kind": "confirm"},
    "text": {"kind": "text", "text": "VERSION#"},
}
MAY_ASK = {
    "operator": "locate",
    "supervisor": "locate interval server confirm text",
    "operations": "interval server text",
    "local": "locate interval server confirm text",
}


def ask(api: Api, name: str, body: object, device: str = "dev-1") -> Reply:
    headers = {} if name == "local" else session_headers(api, name)
    path = f"/api/v1/devices/{device}/orders"
    answer = settled(api, Request("POST", path, headers=headers, body=orjson.dumps(body), via_control_socket=name == "local", local_user="root"))
    assert isinstance(answer, Reply)
    return answer


@pytest.mark.parametrize("role", MAY_ASK)
@pytest.mark.parametrize("kind", ORDERS)
def test_a_role_asks_a_device_only_for_what_is_its_business(role: str, kind: str):
    answer = ask(Api(fake_house()), CALLERS.get(role, role), ORDERS[kind])
    assert answer.status == (202 if kind in MAY_ASK[role].split() else 403)
    assert bool(answer.events) == (answer.status == 202)


def test_an_order_says_who_asked_in_the_record_and_in_the_access_log():
    answer = ask(Api(fake_house()), "anna", ORDERS["locate"])
    asked, viewed = answer.events
    assert isinstance(asked, ev.OrderAsked) and asked.actor == "anna"
    assert isinstance(viewed, ev.Viewed) and (viewed.actor, viewed.what) == ("anna", "order locate") and asked.order_id in viewed.why


@pytest.mark.parametrize("name", ["olga", "otto"])
def test_a_control_room_reaches_only_the_devices_of_its_own_alarms(name: str):
    api = Api(fake_house())
    answer = ask(api, name, ORDERS["locate"])
    unknown = ask(api, name, ORDERS["locate"], "dev-99")
    assert (answer.status, answer.body, answer.events) == (unknown.status, unknown.body, ()) and answer.status == 404, "no oracle"
    listed = settled(api, Request("GET", "/api/v1/devices/dev-1/orders", headers=session_headers(api, name)))
    assert isinstance(listed, Reply) and listed.status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "interval"}, {"kind": "locate", "seconds": 5}, {"kind": "interval", "seconds": 0}, {"kind": "dance"}, {"kind": "text", "text": ""},
        {"kind": "server", "host": "gw.example"}, {"kind": "server", "host": "a b", "port": 1}, {"kind": "server", "host": "gw", "port": 65_536},
        {"kind": "text", "text": "two\nlines"}, {"kind": "text", "text": "RESET#\n"},
        {"kind": "server", "host": "gw\n", "port": 1}, {"kind": "text", "text": "x" * 201}, {"kind": "locate", "device": "dev-2"},
    ],
    ids=str,
)  # fmt: skip
def test_an_order_is_complete_and_nothing_else(body: object):
    answer = ask(Api(fake_house()), "local", body)
    assert answer.status == 400 and not answer.events


def test_an_operator_does_not_read_what_others_wrote_to_a_device():
    api = Api(fake_house())
    ask(api, "sven", ORDERS["text"])
    for name, words in (("sven", "VERSION#"), ("anna", None)):
        for path in ("", "/" + "0" * 16):
            shown = settled(api, Request("GET", f"/api/v1/devices/dev-1/orders{path}", headers=session_headers(api, name)))
            assert isinstance(shown, Reply)
            body = orjson.loads(shown.body)
            assert (body["orders"][0] if not path else body).get("text") == words


def test_an_order_that_is_not_there_is_said_so():
    api = Api(fake_house())
    answer = settled(api, Request("GET", "/api/v1/devices/dev-1/orders/ffff", headers=session_headers(api, "sven")))
    assert isinstance(answer, Reply) and answer.status == 404
    assert orjson.loads(answer.body)["error"]["code"] == "unknown_order"
