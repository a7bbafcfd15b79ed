"""What a centre may do to us (R-11, F-50 to F-56), each on a real loopback connection.

To be survived: whatever it answers, the delivered flag is right, the next alert gets its own answer, and the client
neither raises nor hangs nor grows.
"""

import json
from dataclasses import replace

import pytest
import trio
from standardwebhooks import Webhook

from gateway.clock import SystemClock
from gateway.delivery.offers import FAILED, REFUSED, STORED, TAKEN
from gateway.sim.centre import StandInCentre
from tests.centre_world import BODY, OFFER, SECRET, SECRET_TEXT, calling, centre_at, listening, offer, secret_file


def wall_us() -> int:
    return SystemClock().now().wall_us


CASES = [
    # script, level, reason, whether the centre has it, whether the next alert is stored
    ("ok", STORED, "stored", True),
    ("chunked, ok", STORED, "stored", True),
    ("ack stored, ok", STORED, "stored", True),
    ("ack displayed, ok", STORED, "displayed", True),
    ("ack accepted, ok", TAKEN, "accepted", True),
    ("ack rejected, ok", REFUSED, "rejected", False),
    ("ack perhaps, ok", FAILED, "ack_unknown", True),
    ("ack-other, ok", FAILED, "ack_of_another", False),
    ("ack-twice, ok", STORED, "stored", True),
    ("html, ok", FAILED, "html", False),
    ("redirect, ok", FAILED, "redirect", False),
    ("half-json, ok", FAILED, "cut_short", True),
    ("close, ok", FAILED, "cut_short", True),
    ("huge, ok", FAILED, "too_long", True),
    ("reject 400, ok", REFUSED, "refused_400", False),
    ("reject 404, ok", REFUSED, "refused_404", False),
    ("reject 410, ok", REFUSED, "gone", False),
    ("reject 500, ok", FAILED, "status_500", False),
    ("busy 3600, ok", FAILED, "status_503", False),
    ("down, down, ok", FAILED, "closed", False),
]


@pytest.mark.parametrize("script, level, reason, has_it", CASES, ids=[case[0] for case in CASES])
async def test_the_delivered_flag_is_right_and_the_next_alert_gets_its_own_answer(script, level, reason, has_it, tmp_path):
    centre = StandInCentre(wall_us, script="ok", secrets=[SECRET])
    async with listening(centre) as url, calling(centre_at(url, tmp_path)) as client:
        assert (await client.offer(offer(1))).level == STORED
        centre.play(script)
        answer = await client.offer(offer(2))
        assert (answer.level, answer.reason) == (level, reason) or (script.startswith("down") and answer.level == FAILED)
        assert (offer(2).message_id in centre.stored) == has_it
        assert answer.took_ms > 0
        centre.play("ok")
        assert (await client.offer(offer(3))).reason == "stored"
        assert offer(3).message_id in centre.stored


async def test_retry_after_comes_back_with_the_answer(tmp_path):
    centre = StandInCentre(wall_us, script="busy 7")
    async with listening(centre) as url, calling(centre_at(url)) as client:
        assert (await client.offer(OFFER)).retry_after_s == 7.0


async def test_a_second_acknowledgement_never_answers_the_next_alert(tmp_path):
    centre = StandInCentre(wall_us, script="ack-twice, reject 503")
    async with listening(centre) as url, calling(centre_at(url, connections_max=1)) as client:
        assert (await client.offer(offer(1))).level == STORED
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert (await client.offer(offer(2))).reason == "status_503"


async def test_an_answer_before_the_question_is_no_answer():
    async def speaks_first(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        async for _ in stream:
            pass

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, speaks_first, listeners)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        async with calling(centre_at(url, answer_timeout_s=0.2)) as client:
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert [route.idle for route in client.statistics()] == [0]
        nursery.cancel_scope.cancel()


async def test_a_centre_that_never_answers_is_silent(tmp_path):
    centre = StandInCentre(wall_us, script="hang")
    async with listening(centre) as url, calling(centre_at(url, answer_timeout_s=0.05)) as client:
        answer = await client.offer(OFFER)
        assert (answer.level, answer.reason) == (FAILED, "silent")
        centre.play("ok")
        assert (await client.offer(OFFER)).level == STORED


async def test_a_centre_that_is_not_there_is_refused_and_heard_of_when_it_is_back():
    ups: list[tuple[str, str]] = []
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    async with calling(centre_at(f"http://127.0.0.1:{port}/hook"), ups=ups) as client:
        assert (await client.offer(OFFER)).reason == "connect_refused"
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
            centre = StandInCentre(wall_us)
            await nursery.start(centre.run, listeners)
            with trio.fail_after(30):
                while not ups:
                    await trio.lowlevel.checkpoint()
            assert ups[0] == ("ovl", "webhook-1")
            assert (await client.offer(OFFER)).level == STORED
            nursery.cancel_scope.cancel()


async def test_a_connection_that_died_while_idle_costs_no_attempt():
    served = 0

    async def one_request_each(stream: trio.SocketStream) -> None:
        """Keep-alive in word, closed in deed, after the first answer and without a notice before the next request."""
        nonlocal served
        data = b""
        while b"\r\n\r\n" not in data or not data.endswith(BODY):
            data += await stream.receive_some()
            if not data:
                return
        served += 1
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await stream.receive_some()
        await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, one_request_each, listeners)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        async with calling(centre_at(url)) as client:
            for n in range(4):
                assert (await client.offer(offer(n))).level == STORED
        assert served == 4
        nursery.cancel_scope.cancel()


async def test_the_public_library_verifies_what_arrives(tmp_path):
    got: list[tuple[dict[str, str], bytes]] = []

    async def receiver(stream: trio.SocketStream) -> None:
        data = b""
        while not data.endswith(BODY):
            data += await stream.receive_some()
            if not data:
                return
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")[1:]
        got.append((dict(line.split(": ", 1) for line in lines), body))
        await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")

    second = "whsec_" + "QUJD" * 8
    centre = centre_at("http://127.0.0.1:1/hook", tmp_path)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, receiver, listeners)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/hook?desk=1"
        files = (secret_file(tmp_path), secret_file(tmp_path, "second", second))
        async with calling(centre_at(url, secret_files=files)) as client:
            assert (await client.offer(OFFER)).level == STORED
        nursery.cancel_scope.cancel()
    assert centre.id == "ovl"
    (headers, body), = got
    for secret in (SECRET_TEXT, second):
        assert Webhook(secret).verify(body, headers) == json.loads(BODY)
    assert headers["webhook-id"] == OFFER.message_id and headers["Idempotency-Key"] == f'"{OFFER.message_id}"'
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"


async def test_the_stand_in_refuses_what_is_signed_by_another(tmp_path):
    centre = StandInCentre(wall_us, secrets=[bytes(32)])
    async with listening(centre) as url, calling(centre_at(url, tmp_path)) as client:
        assert (await client.offer(OFFER)).reason == "refused_401"
        assert not centre.stored and not centre.received[0].verified


async def test_a_simulated_alert_does_not_leave_to_a_centre_that_is_not_for_tests():
    centre = StandInCentre(wall_us)
    async with listening(centre) as url, calling(centre_at(url)) as client:
        answer = await client.offer(replace(OFFER, simulated=True))
        assert (answer.level, answer.reason) == (REFUSED, "simulated")
        assert not centre.received


async def test_a_route_that_nobody_configured_fails_and_raises_nothing():
    async with calling() as client:
        assert (await client.offer(OFFER)).reason == "no_such_route"
