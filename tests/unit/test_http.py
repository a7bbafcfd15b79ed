"""The HTTP server over memory: every limit, every deadline, and what durable means (R-01, R-22, R-26, R-41, R-46)."""

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from gateway import events as ev
from gateway.shell import http
from gateway.shell.options import ApiOptions
from tests.unit.api_fakes import OWN_ALARM, SECRET_PATH, token_headers
from tests.unit.http_fakes import Browser, request_bytes, served

PRESS = {"x-gw-key": "dev-1", "x-gw-sig": "good"}


@pytest.fixture
def autojump_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


async def test_answers_carry_the_security_headers():
    async with served() as house:
        answer = await house.connect().ask("GET", "/healthz")
        assert answer.status == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers
        assert "server" not in answer.headers


async def test_a_connection_serves_many_requests():
    async with served() as house:
        browser = house.connect()
        for _ in range(5):
            assert (await browser.ask("GET", "/healthz")).status == 200
        assert house.server.links.opened == 1


async def test_pipelined_requests_are_answered_in_order():
    async with served() as house:
        browser = house.connect()
        await browser.send(request_bytes("GET", "/healthz") + request_bytes("POST", "/healthz", body=b"{}") + request_bytes("GET", "/readyz"))
        assert [(await browser.answer()).status for _ in range(3)] == [200, 405, 200]


async def test_head_has_the_length_and_no_body():
    async with served() as house:
        browser = house.connect()
        whole = await browser.ask("GET", "/healthz")
        head = await browser.ask("HEAD", "/healthz")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(whole.body)))
        assert (await browser.ask("HEAD", "/api/v1/events", house.session())).status == 200


async def test_chunked_and_expected_bodies_are_read():
    async with served() as house:
        browser = house.connect()
        head = request_bytes("POST", "/api/v1/press", PRESS | {"transfer-encoding": "chunked", "expect": "100-continue"})
        await browser.send(head + b"2\r\n{}\r\n0\r\n\r\n")
        assert (await browser.answer("POST")).status == 200


async def test_http_1_0_is_answered_and_closed(autojump_clock):
    async with served() as house:
        browser = house.connect()
        await browser.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert (await browser.answer()).status == 200
        assert await browser.is_closed()


# ------------------------------------------------------------------------------------------------------ durable


@pytest.mark.parametrize("target", ["/api/v1/press", "/api/v1/alarms", f"/api/v1/alarms/{OWN_ALARM}", f"/api/v1/alarms/{OWN_ALARM}/track"])
async def test_no_byte_of_an_answer_leaves_before_its_events_are_durable(target):
    gate, recorded = trio.Event(), []

    async def record(events):
        recorded.extend(events)
        await gate.wait()

    async with served() as house:
        house.server._record = record
        browser = house.connect()
        is_press = target.endswith("press")
        await browser.send(request_bytes("POST", target, PRESS, b"{}") if is_press else request_bytes("GET", target, house.session()))
        await wait_all_tasks_blocked()
        assert recorded, "decided and appended"
        with trio.move_on_after(0.01) as early:
            await browser.stream.receive_some(1)
        assert early.cancelled_caught, "but not a byte"
        gate.set()
        assert (await browser.answer("POST")).status == 200


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [("POST", "/api/v1/press", PRESS), ("GET", f"/api/v1/alarms/{OWN_ALARM}", None), ("GET", "/api/v1/alarms", None)],
)
async def test_a_broken_journal_is_503_and_shows_nothing(method, target, headers):
    async with served() as house:
        house.journal.is_broken = True
        answer = await house.connect().ask(method, target, headers or house.session(), b"{}" if method == "POST" else b"")
        assert (answer.status, answer.code) == (503, "not_durable")
        assert b"51.05" not in answer.body
        assert answer.headers["retry-after"] == "1"


async def test_an_sms_bridge_gets_503_with_an_empty_body():
    async with served() as house:
        house.journal.is_broken = True
        answer = await house.connect("127.0.0.1").ask("GET", f"/sms/kannel/{SECRET_PATH}?from=%2B32475000001&hex=534f53&id=1")
        assert (answer.status, answer.body) == (503, b"")
        house.journal.is_broken = False
        answer = await house.connect("127.0.0.1").ask("GET", f"/sms/kannel/{SECRET_PATH}?from=%2B32475000001&hex=534f53&id=1")
        assert (answer.status, answer.body) == (200, b"")
        assert house.journal.of(ev.AlarmPressed)


async def test_a_list_that_was_not_durable_counts_as_not_seen():
    async with served() as house:
        browser, headers = house.connect(), house.session()
        house.journal.is_broken = True
        assert (await browser.ask("GET", "/api/v1/alarms", headers)).status == 503
        house.journal.is_broken = False
        assert (await browser.ask("GET", "/api/v1/alarms", headers)).status == 200
        assert len(house.journal.of(ev.Viewed)) == 1
        assert (await browser.ask("GET", "/api/v1/alarms", headers)).status == 200
        assert len(house.journal.of(ev.Viewed)) == 1


async def test_a_disk_that_hangs_is_told_after_a_while(autojump_clock):
    async def record(_events):
        await trio.sleep_forever()

    async with served() as house:
        house.server._record = record
        answer = await house.connect().ask("POST", "/api/v1/press", PRESS, b"{}")
        assert (answer.status, answer.code) == (503, "not_durable")
        assert trio.current_time() == pytest.approx(http.DURABLE_S)


# ------------------------------------------------------------------------------------------------ the bulkhead


async def test_a_handler_that_crashes_costs_one_request(caplog):
    async with served() as house:

        def crash(*_: object) -> None:
            raise ZeroDivisionError("51.0543210")

        house.desk.way = crash  # type: ignore[assignment,method-assign]
        browser, headers = house.connect(), house.session()
        answer = await browser.ask("GET", f"/api/v1/alarms/{OWN_ALARM}/track", headers)
        assert (answer.status, answer.code) == (500, "internal")
        assert f"request.crashed id={answer.json['error']['id']}" in caplog.text
        assert b"51.05" not in answer.body
        assert (await browser.ask("GET", "/healthz")).status == 200, "the connection lives on"
        assert (house.server.requests.crashed, house.server.links.crashed) == (1, 0)


async def test_answers_and_connections_add_up():
    async with served() as house:
        browser = house.connect()
        for target in ("/healthz", "/nothing", "/readyz"):
            await browser.ask("GET", target)
        await browser.stream.aclose()
        torn = house.connect()
        await torn.send(b"GET / HT")
        await torn.stream.aclose()
        await wait_all_tasks_blocked()
        links = house.server.links
        assert (links.opened, links.closed, links.gone, links.crashed, links.open) == (2, 1, 1, 0, 0)
        assert dict(house.server.statuses) == {200: 2, 404: 1}
        assert house.server.statistics()["links_open"] == {"http": 0}


# ------------------------------------------------------------------------------------------------------ deadlines


async def ends_at(house: object, feed: "list[bytes]", every_s: float) -> float:
    """When the server hangs up on somebody who sends these pieces, one after each wait."""
    browser = house.connect()  # type: ignore[attr-defined]
    began = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def drip() -> None:
            for piece in feed:
                try:
                    await browser.send(piece)
                except trio.BrokenResourceError:
                    return
                await trio.sleep(every_s)

        nursery.start_soon(drip)
        while await browser.stream.receive_some(65_536):
            pass
        nursery.cancel_scope.cancel()
    return trio.current_time() - began


async def test_a_silent_stranger_is_hung_up_on(autojump_clock):
    async with served() as house:
        assert await ends_at(house, [], 0) == pytest.approx(http.HEAD_S)
        assert house.server.links.closed == 1


async def test_a_head_that_drips_is_cut_off(autojump_clock):
    async with served() as house:
        took_s = await ends_at(house, [bytes([byte]) for byte in request_bytes("GET", "/healthz")], 1.0)
        assert took_s == pytest.approx(http.HEAD_S + http.LINGER_S, abs=1.1)
        assert house.server.refused["too_slow"] == 1


async def test_a_body_that_drips_is_cut_off(autojump_clock):
    async with served() as house:
        head = request_bytes("POST", "/api/v1/login", {"content-length": "100"})
        took_s = await ends_at(house, [head] + [b"x"] * 99, 1.0)
        assert took_s == pytest.approx(http.BODY_S + http.LINGER_S, abs=1.1)
        assert house.server.refused["too_slow"] == 1


async def test_who_is_logged_in_may_be_silent_for_longer(autojump_clock):
    async with served() as house:
        bogus = {"cookie": "gateway_session=x"}
        for headers, idle_s in ((None, http.HEAD_S), (bogus, http.HEAD_S), (house.session(), http.IDLE_S), (token_headers("carl"), http.IDLE_S)):
            browser = house.connect()
            await browser.ask("GET", "/healthz", headers)
            began = trio.current_time()
            assert await browser.is_closed()
            assert trio.current_time() - began == pytest.approx(idle_s)


class FullWindow(trio.abc.SendStream):
    """The way to a reader that takes nothing."""

    async def send_all(self, data: bytes) -> None:
        await trio.sleep_forever()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.sleep_forever()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_a_reader_that_takes_nothing_is_given_up(autojump_clock):
    async with served() as house:
        ours, theirs = memory_stream_pair()
        await ours.send_all(request_bytes("GET", "/healthz"))
        await house.server.serve(trio.StapledStream(FullWindow(), theirs.receive_stream), "10.0.0.9", "http")
        assert trio.current_time() == pytest.approx(http.SEND_S)
        assert house.server.links.gone == 1


# --------------------------------------------------------------------------------------------------------- limits


async def test_connections_of_one_address_are_bounded():
    async with served(ApiOptions(connections_per_source_max=2)) as house:
        kept = [house.connect() for _ in range(2)]
        assert [(await browser.ask("GET", "/healthz")).status for browser in kept] == [200, 200]
        assert await house.connect().is_closed()
        assert (await house.connect("10.0.0.10").ask("GET", "/healthz")).status == 200
        assert house.server.refused["connections_per_source_max"] == 1
        await kept[0].stream.aclose()
        await wait_all_tasks_blocked()
        assert (await house.connect().ask("GET", "/healthz")).status == 200


async def test_connections_are_bounded_in_all():
    async with served(ApiOptions(connections_max=3)) as house:
        kept = [house.connect(f"10.0.0.{n}") for n in range(3)]
        await wait_all_tasks_blocked()
        assert await house.connect("10.0.1.1").is_closed()
        assert house.server.refused["connections_max"] == 1
        assert (await kept[0].ask("GET", "/healthz")).status == 200


async def test_a_proxy_on_this_host_is_not_one_source_and_tells_whose_request_it_is():
    options = ApiOptions(behind_proxy=True, connections_per_source_max=1)
    async with served(options) as house:
        browsers = [house.connect("127.0.0.1") for _ in range(3)]
        forwarded = {"x-forwarded-for": "1.1.1.1, 10.9.9.9", "x-forwarded-proto": "https"}
        for browser in browsers:
            answer = await browser.ask("GET", "/metrics", forwarded)
            assert answer.status == 401, "it is from 10.9.9.9, not from here"
        assert (await browsers[0].ask("GET", "/metrics", {"x-forwarded-for": "a" * 5_000})).status == 401
        cookie = house.session()
        reply = await browsers[0].ask("GET", "/api/v1/me", forwarded | {"cookie": cookie["cookie"].replace("gateway", "__Host-gateway", 1)})
        assert reply.status == 200, "and it came over TLS"


async def test_without_a_proxy_nobody_says_who_they_are():
    async with served() as house:
        answer = await house.connect("10.0.0.9").ask("GET", "/metrics", {"x-forwarded-for": "127.0.0.1"})
        assert answer.status == 401


TURNED_AWAY = {
    "no http": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n", "bad_request"),
    "gt06 frame": (bytes.fromhex("78780d01012345678901234500018cdd0d0a") + b"\r\n\r\n", "bad_request"),
    "head of 64 KiB": (b"GET / HTTP/1.1\r\nhost: gw\r\nx: " + b"a" * 65_536, "head_too_large"),
    "many headers": (b"GET / HTTP/1.1\r\nhost: gw\r\n" + b"a: b\r\n" * 4_000 + b"\r\n", "head_too_large"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", "bad_request"),
    "two hosts": (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "bad_request"),
    "length and chunks": (request_bytes("POST", "/", {"content-length": "5", "transfer-encoding": "chunked"}) + b"0\r\n\r\n", "bad_request"),
    "two lengths": (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx", "bad_request"),
    "negative length": (request_bytes("POST", "/", {"content-length": "-1"}), "bad_request"),
    "length with a sign": (request_bytes("POST", "/", {"content-length": "+1"}) + b"x", "bad_request"),
    "length beyond": (request_bytes("POST", "/", {"content-length": "9" * 18}), "too_large"),
    "odd coding": (request_bytes("POST", "/", {"transfer-encoding": "gzip, chunked"}), "bad_request"),
    "coding in disguise": (request_bytes("POST", "/", {"transfer-encoding": "\x0bchunked"}), "bad_request"),
    "space before colon": (b"GET / HTTP/1.1\r\nhost : gw\r\n\r\n", "bad_request"),
    "nul in a header": (b"GET / HTTP/1.1\r\nhost: gw\r\nx: a\x00b\r\n\r\n", "bad_request"),
    "bare lf in a header": (b"GET / HTTP/1.1\r\nhost: gw\r\nx: a\rb\r\n\r\n", "bad_request"),
    "gzip": (request_bytes("POST", "/api/v1/login", {"content-encoding": "gzip"}, b"\x1f\x8b"), "wrong_encoding"),
    "two authorizations": (request_bytes("GET", "/", {"authorization": "a", "Authorization": "b"}), "bad_request"),
    "two origins": (request_bytes("GET", "/", {"origin": "a", "Origin": "b"}), "bad_request"),
    "body of 257 KiB": (request_bytes("POST", "/api/v1/login", body=b"x" * 263_168), "too_large"),
    "chunks of 257 KiB": (request_bytes("POST", "/", {"transfer-encoding": "chunked"}) + (b"4000\r\n" + b"x" * 16_384 + b"\r\n") * 17, "too_large"),
    "chunks of one byte": (request_bytes("POST", "/", {"transfer-encoding": "chunked"}) + b"1\r\nx\r\n" * 2_000, "too_large"),
    "chunk size nonsense": (request_bytes("POST", "/", {"transfer-encoding": "chunked"}) + b"zz\r\nx\r\n", "bad_request"),
    "chunk size huge": (request_bytes("POST", "/", {"transfer-encoding": "chunked"}) + b"f" * 30 + b"\r\n", "bad_request"),
    "http 0.9": (b"GET /\r\n\r\n", "bad_request"),
    "http 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad_request"),
    "up": (request_bytes("GET", "/static/../../etc/passwd"), "bad_request"),
    "encoded up": (request_bytes("GET", "/static/%2e%2e/x"), "bad_request"),
    "encoded nul": (request_bytes("GET", "/static/a%00.js"), "bad_request"),
    "absolute": (request_bytes("GET", "http://evil/"), "bad_request"),
    "star": (request_bytes("OPTIONS", "*"), "bad_request"),
    "connect": (request_bytes("CONNECT", "evil:443"), "bad_request"),
}


@pytest.mark.parametrize("name", TURNED_AWAY)
async def test_what_is_no_request_of_ours_is_answered_once_counted_and_closed(autojump_clock, name):
    data, code = TURNED_AWAY[name]
    async with served() as house:
        browser = house.connect()
        house.nursery.start_soon(send_quietly, browser, data)
        answer = await browser.answer()
        assert answer.code == code
        assert 400 <= answer.status < 500
        assert answer.headers["connection"] == "close"
        assert await browser.is_closed()
        await wait_all_tasks_blocked()
        assert house.server.refused == {code: 1}
        assert house.server.links.crashed == 0
        assert (await house.connect().ask("GET", "/healthz")).status == 200


async def send_quietly(browser: Browser, data: bytes) -> None:
    try:
        await browser.send(data)
    except trio.BrokenResourceError:
        return


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
async def test_upgrades_are_not_taken(upgrade):
    headers = {"connection": "Upgrade, HTTP2-Settings", "upgrade": upgrade, "http2-settings": "AAM\xe9", "sec-websocket-key": "x"}
    async with served() as house:
        answer = await house.connect().ask("GET", "/healthz", headers)
        assert answer.status == 200
        assert (await house.connect().ask("GET", "/healthz")).status == 200


async def test_a_request_cut_at_every_byte_is_read_the_same():
    data = request_bytes("POST", "/api/v1/press", PRESS, b'{"kind":"sos_app"}')
    async with served() as house:
        for cut in range(1, len(data)):
            browser = house.connect()
            await browser.send(data[:cut])
            await wait_all_tasks_blocked()
            await browser.send(data[cut:])
            assert (await browser.answer("POST")).status == 200


async def test_a_request_that_ends_at_any_byte_crashes_nothing():
    data = request_bytes("POST", "/api/v1/press", PRESS, b'{"kind":"sos_app"}')
    async with served() as house:
        for cut in range(len(data)):
            browser = house.connect()
            await browser.send(data[:cut])
            await browser.stream.aclose()
        await wait_all_tasks_blocked()
        links = house.server.links
        assert (links.opened, links.closed, links.gone, links.crashed) == (len(data), 1, len(data) - 1, 0)
        assert house.journal.entries == []
