"""Logging in, staying in, being thrown out: sessions, CSRF, throttling, tokens, the first administrator (R-66, R-69)."""

import hashlib
from dataclasses import replace

import orjson
import pytest

from gateway.api.messages import Answer, Errand, Reply, Request
from gateway.api.service import Api
from gateway.api.sessions import COOKIE, SECURE_COOKIE, SESSIONS_MAX, OneTimeToken, Sessions, Throttle, Views, cookie_of
from gateway.model import Instant
from tests.unit.api_fakes import PASSWORD, TOKEN, at, fake_house, session_headers, token_headers, user


@pytest.fixture
def api() -> Api:
    return Api(fake_house())


def ask(api: Api, method: str, path: str, body: object = None, now: Instant | None = None, **more: object) -> Reply:
    raw = b"" if body is None else orjson.dumps(body)
    request = Request(method, path, body=raw, **{"peer": "10.0.0.9", "headers": {"host": "gw"}} | more)  # type: ignore[arg-type]
    answer: Answer = api.handle(request, now or at())
    while isinstance(answer, Errand):
        answer = api.settle(request, answer, answer.run(), now or at())
    assert isinstance(answer, Reply)
    return answer


def code_of(reply: Reply) -> str:
    return str(orjson.loads(reply.body)["error"]["code"])


def log_in(api: Api, name: str = "anna", password: str = PASSWORD, **more: object) -> Reply:
    return ask(api, "POST", "/api/v1/login", {"user": name, "password": password}, **more)  # type: ignore[arg-type]


def cookie_from(reply: Reply) -> str:
    return dict(reply.headers)["set-cookie"]


def test_a_cookie_is_for_us_alone(api):
    line = cookie_from(log_in(api))
    assert line.startswith(f"{COOKIE}=")
    assert {"Path=/", "HttpOnly", "SameSite=Strict"} <= set(line.split("; "))
    assert "Secure" not in line
    secure = cookie_from(log_in(api, secure=True))
    assert secure.startswith(f"{SECURE_COOKIE}=")
    assert "Secure" in secure.split("; ")
    assert "Domain" not in secure


def test_a_session_of_a_login_works_until_logout(api):
    reply = log_in(api)
    cookie = cookie_from(reply).partition(";")[0]
    headers = {"cookie": f"other=1; {cookie}", "host": "gw", "origin": "http://gw", "x-csrf-token": orjson.loads(reply.body)["csrf"]}
    me = orjson.loads(ask(api, "GET", "/api/v1/me", headers=headers).body)
    assert (me["name"], me["role"], me["centre"], me["simulation"]) == ("anna", "operator", "cic-ovl", True)
    assert "take" in me["may"]
    assert "put_user" not in me["may"]
    out = ask(api, "POST", "/api/v1/logout", {}, headers=headers)
    assert "Max-Age=0" in cookie_from(out)
    assert ask(api, "GET", "/api/v1/me", headers=headers).status == 401


@pytest.mark.parametrize(
    ("name", "password"), [("anna", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD), ("carl", TOKEN), ("anna", "argon:" + PASSWORD)]
)
def test_every_way_to_fail_a_login_looks_the_same(api, name, password):
    reply = log_in(api, name, password)
    assert (reply.status, code_of(reply)) == (401, "wrong_login")
    assert reply.body == log_in(Api(fake_house()), "x", "y").body


def test_an_unknown_user_costs_a_verification_as_well():
    hashes = []
    api = Api(fake_house(verify_secret=lambda secret_hash, secret: bool(hashes.append(secret_hash))))
    log_in(api, "nobody")
    log_in(api, "carl")
    assert all(secret_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$") for secret_hash in hashes)
    assert len(hashes) == 2


def test_a_user_who_changes_while_the_password_is_verified_is_not_let_in(api):
    request = Request("POST", "/api/v1/login", body=orjson.dumps({"user": "anna", "password": PASSWORD}), headers={"host": "gw"})
    errand = api.handle(request, at())
    assert isinstance(errand, Errand)
    api.house.registry.users["anna"] = user("anna", "operator", "another secret")
    answer = api.settle(request, errand, True, at())
    assert isinstance(answer, Reply)
    assert answer.status == 401


@pytest.mark.parametrize(("quiet_s", "status"), [(899, 200), (901, 401)])
def test_a_session_ends_when_nobody_uses_it(api, quiet_s, status):
    headers = session_headers(api, "anna")
    assert ask(api, "GET", "/api/v1/me", headers=headers, now=at(quiet_s)).status == status


@pytest.mark.parametrize("change", [{"active": False}, {"role": "admin"}, {"centre_id": "*"}, {"secret_hash": "argon:another"}])
def test_a_session_ends_when_its_user_is_changed_by_whomever(api, change):
    headers = session_headers(api, "anna")
    api.house.registry.users["anna"] = replace(api.house.registry.users["anna"], **change)
    assert ask(api, "GET", "/api/v1/me", headers=headers).status == 401


def test_a_session_ends_after_twelve_hours_however_busy(api):
    headers = session_headers(api, "anna")
    for minutes in range(0, 720, 10):
        assert ask(api, "GET", "/api/v1/me", headers=headers, now=at(60 * minutes)).status == 200
    assert ask(api, "GET", "/api/v1/me", headers=headers, now=at(43_201)).status == 401


def test_a_wall_clock_that_jumps_ends_no_session(api):
    headers = session_headers(api, "anna")
    for jump_us in (-(10**15), 10**15):
        assert ask(api, "GET", "/api/v1/me", headers=headers, now=Instant(at().wall_us + jump_us, at(5).mono_us)).status == 200


def test_open_sessions_are_bounded_and_the_idlest_makes_room():
    numbers = iter(range(10**6))
    sessions = Sessions(900, 43_200, lambda n: next(numbers).to_bytes(n, "big"))
    first, _ = sessions.start(user("a", "operator"), at())
    for _ in range(SESSIONS_MAX):
        sessions.start(user("a", "operator"), at())
    assert len(sessions) == SESSIONS_MAX
    assert sessions.find(first, at()) is None


def test_memory_holds_no_cookie(api):
    line = cookie_from(log_in(api)).partition(";")[0].partition("=")[2]
    assert line not in repr(api.house.sessions._open)
    assert hashlib.sha256(line.encode()).hexdigest() in api.house.sessions._open


@pytest.mark.parametrize("header", ["", "=", ";;;", f"{COOKIE}", f"x{COOKIE}=1", f"{COOKIE}=\x00", f"{SECURE_COOKIE}=1"])
def test_odd_cookies_are_no_session(api, header):
    assert ask(api, "GET", "/api/v1/me", headers={"cookie": header}).status == 401


def test_the_secure_cookie_counts_over_tls_only():
    assert cookie_of(f"{COOKIE}=a; {SECURE_COOKIE}=b", secure=True) == "b"
    assert cookie_of(f"{COOKIE}=a; {SECURE_COOKIE}=b", secure=False) == "a"


# ------------------------------------------------------------------------------------------------------- CSRF

FORGED = [
    {"origin": "http://evil"},
    {"origin": "null"},
    {"origin": ""},
    {"x-csrf-token": ""},
    {"x-csrf-token": "0" * 64},
    {"origin": "http://gw.evil"},
    {"origin": "https://gw"},
    {"origin": "http://gw:81"},
    {"x-csrf-token": "\xff"},
]


@pytest.mark.parametrize("change", FORGED, ids=str)
def test_a_page_of_others_changes_nothing(api, change):
    headers = session_headers(api, "anna") | change
    reply = ask(api, "POST", f"/api/v1/alarms/{'0a' * 16}/take", {}, headers=headers)
    assert (reply.status, code_of(reply)) == (403, "csrf")
    assert api.house.desk.told == []


def test_a_request_without_origin_changes_nothing(api):
    headers = session_headers(api, "anna")
    del headers["origin"]
    assert code_of(ask(api, "POST", "/api/v1/logout", {}, headers=headers)) == "csrf"


def test_a_page_of_others_cannot_log_somebody_in(api):
    assert code_of(log_in(api, headers={"host": "gw", "origin": "http://evil"})) == "csrf"
    assert log_in(api, headers={"host": "gw", "origin": "http://gw"}).status == 200


def test_the_public_address_counts_as_our_own_page():
    api = Api(fake_house(public_origin="https://alarm.example.be"))
    headers = session_headers(api, "anna") | {"origin": "https://alarm.example.be"}
    assert ask(api, "POST", "/api/v1/logout", {}, headers=headers).status == 200


def test_tokens_need_no_page(api):
    assert ask(api, "POST", "/api/v1/units/positions", [], headers=token_headers("carl")).status == 200


# -------------------------------------------------------------------------------------------------- throttling


def test_the_sixth_guess_waits(api):
    for _ in range(5):
        assert log_in(api, password="wrong").status == 401
    reply = log_in(api)
    assert (reply.status, code_of(reply)) == (429, "too_many")
    assert dict(reply.headers)["retry-after"] == "900"
    assert log_in(api, now=at(901)).status == 200


def test_an_operator_is_not_locked_out_by_a_stranger(api):
    for _ in range(10):
        log_in(api, password="wrong", peer="203.0.113.7")
    for n in range(30):
        log_in(api, f"user{n}", peer="203.0.113.7")
    assert log_in(api, peer="10.0.0.9").status == 200
    assert log_in(api, "sven", peer="203.0.113.7").status == 429, "the stranger's address is"


def test_guesses_in_parallel_count_before_they_are_verified(api):
    body = orjson.dumps({"user": "anna", "password": "x"})
    answers = [api.handle(Request("POST", "/api/v1/login", body=body, peer="p", headers={"host": "gw"}), at()) for _ in range(8)]
    assert [isinstance(answer, Errand) for answer in answers] == [True] * 5 + [False] * 3


def test_logging_in_well_many_times_throttles_nobody(api):
    for _ in range(100):
        assert log_in(api).status == 200


def test_the_memory_of_guesses_is_bounded():
    throttle = Throttle(entries_max=100)
    for n in range(1_000):
        throttle.failed(f"user{n}", f"10.0.0.{n}", at())
    assert len(throttle._failures) == 100


# ------------------------------------------------------------------------------------------------------ tokens

WRONG_TOKENS = [
    "Bearer",
    "Bearer ",
    "Bearer carl",
    "Bearer carl:",
    "Bearer :",
    f"Bearer :{TOKEN}",
    "Bearer carl:wrong",
    f"Basic carl:{TOKEN}",
    f"Bearer anna:{PASSWORD}",
    "Bearer x:\xff",
]


@pytest.mark.parametrize("line", WRONG_TOKENS)
def test_wrong_tokens_look_all_the_same(api, line):
    reply = ask(api, "GET", "/api/v1/me", headers={"authorization": line})
    assert (reply.status, code_of(reply)) == (401, "not_logged_in")
    assert dict(reply.headers)["www-authenticate"] == "Bearer"
    assert reply.body == ask(api, "GET", "/api/v1/me", headers={"authorization": "Bearer nobody:x"}).body


def test_a_wrong_token_is_refused_even_where_strangers_may_come(api):
    assert ask(api, "GET", "/healthz", headers={"authorization": "Bearer carl:wrong"}).status == 401


def test_a_user_id_may_hold_a_colon():
    api = Api(fake_house())
    api.house.registry.users["a:b"] = user("a:b", "carrier", TOKEN, token=True)
    assert ask(api, "GET", "/api/v1/me", headers=token_headers("a:b")).status == 200


# -------------------------------------------------------------------------------------- the first administrator

SETUP = {"token": "once", "user": "root", "password": "four words are enough"}


def with_setup() -> Api:
    return Api(fake_house(setup=OneTimeToken(hashlib.sha256(b"once").hexdigest(), at(900).mono_us)))


def test_the_one_time_token_makes_one_administrator():
    api = with_setup()
    reply = ask(api, "POST", "/api/v1/setup", SETUP)
    assert reply.status == 200, reply.body
    assert orjson.loads(reply.body)["role"] == "admin"
    assert api.house.registry.user("root").role == "admin"
    assert code_of(ask(api, "POST", "/api/v1/setup", SETUP | {"user": "second"})) == "wrong_token"
    assert log_in(api, "root", SETUP["password"]).status == 200


@pytest.mark.parametrize(
    ("change", "late_s", "code"),
    [
        ({"token": "twice"}, 0, "wrong_token"),
        ({}, 901, "wrong_token"),
        ({"password": "short"}, 0, "bad_field"),
        ({"role": "x"}, 0, "bad_field"),
    ],
)
def test_setup_refuses(change, late_s, code):
    api = with_setup()
    assert code_of(ask(api, "POST", "/api/v1/setup", SETUP | change, now=at(late_s))) == code
    assert api.house.registry.user("root") is None


def test_without_a_token_there_is_nothing_to_set_up(api):
    assert code_of(ask(api, "POST", "/api/v1/setup", SETUP)) == "wrong_token"


def test_two_setups_at_once_make_one_administrator():
    api = with_setup()
    requests = [Request("POST", "/api/v1/setup", body=orjson.dumps(SETUP | {"user": name}), headers={"host": "gw"}) for name in ("one", "two")]
    errands = [api.handle(request, at()) for request in requests]
    assert all(isinstance(errand, Errand) for errand in errands)
    statuses = []
    for request, answer in zip(requests, errands, strict=True):
        while isinstance(answer, Errand):
            answer = api.settle(request, answer, answer.run(), at())
        statuses.append(answer.status)
    assert statuses == [200, 401]


def test_guessing_the_one_time_token_is_throttled():
    api = with_setup()
    codes = [code_of(ask(api, "POST", "/api/v1/setup", SETUP | {"token": f"guess{n}"})) for n in range(6)]
    assert codes == ["wrong_token"] * 5 + ["too_many"]


# ------------------------------------------------------------------------------------------------------- views


def test_views_are_forgotten_with_the_sitting_and_bounded():
    views = Views(sittings_max=2)
    views.saw("a", ["x"], at())
    assert views.unseen("a", ["x", "y"], at(899)) == ["y"]
    assert views.unseen("a", ["x", "y"], at(901)) == ["x", "y"]
    views.saw("b", ["x"], at())
    views.saw("c", ["x"], at())
    assert views.unseen("a", ["x"], at()) == ["x"]


def test_looking_on_keeps_a_sitting_alive():
    views = Views()
    views.saw("a", ["x"], at())
    for minutes in range(10, 60, 10):
        assert views.unseen("a", ["x"], at(60 * minutes)) == []
        views.saw("a", [], at(60 * minutes))
