"""The stand-in centre, its callbacks, and the commands ``gateway centre fake`` and ``try``, over real loopback sockets."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h11
import pytest
import trio
from standardwebhooks import Webhook

from gateway.__main__ import main
from gateway.clock import SystemClock
from gateway.delivery.offers import STORED
from gateway.delivery.webhook import verify_callback
from gateway.errors import CommandError
from gateway.sim.centre import BEHAVIOURS, Callback, StandInCentre, Step, read_script
from tests.centre_world import BODY, OFFER, SECRET, SECRET_TEXT, calling, centre_at, listening, secret_file
from tests.delivery_world import alert_of

ROOT = Path(__file__).resolve().parents[2]


def wall_us() -> int:
    return SystemClock().now().wall_us


def heard_by(send: trio.MemorySendChannel[tuple[str, str, int]]) -> Callable[[str, str, int], None]:
    return lambda alarm_id, level, status: send.send_nowait((alarm_id, level, status))


# ------------------------------------------------------------------------------------------------- the stand-in


def test_a_script_is_a_list_of_steps():
    assert read_script("late 5, reject 503 x3, ok") == (Step("late", 5.0), *[Step("reject", 503.0)] * 3, Step("ok"))
    assert read_script("ack accepted") == (Step("ack", word="accepted"),)
    for name, (need, _) in BEHAVIOURS.items():
        assert read_script(f"{name} { {'N': '2.5', 'CODE': '404', 'WORD': 'stored', '': ''}[need] }".strip())


@pytest.mark.parametrize("text", ["", "ok,", "late", "late soon", "reject 99", "reject 700", "ok 5", "dance", "late -1", "ok x0", "late 5 6"])
def test_a_script_that_cannot_be_played_shows_what_can(text):
    with pytest.raises(CommandError, match="half-json"):
        read_script(text)


async def test_a_repeated_alert_is_known_by_its_id():
    centre = StandInCentre(wall_us)
    async with listening(centre) as url, calling(centre_at(url)) as client:
        for _ in range(2):
            assert (await client.offer(OFFER)).level == STORED
        assert [received.repeated for received in centre.received] == [False, True]
        assert len(centre.stored) == 1 and len(centre.alarms) == 1


async def test_an_operator_takes_the_alarm_by_a_signed_callback(tmp_path):
    told: list[tuple[str, dict[str, str], bytes]] = []

    async def gateway(stream: trio.SocketStream) -> None:
        parser = h11.Connection(h11.SERVER)
        request, body = None, b""
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                parser.receive_data(bytes(await stream.receive_some()))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
        assert request is not None
        headers = {name.decode(): value.decode() for name, value in request.headers}
        told.append((request.target.decode(), headers, body))
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, gateway, listeners)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        send, answers = trio.open_memory_channel[tuple[str, str, int]](9)
        callbacks = [Callback("displayed", 0), Callback("accepted", 0.01)]
        centre = StandInCentre(wall_us, secrets=[SECRET], callbacks=callbacks, gateway_url=url, operator="op-7", on_told=heard_by(send))
        async with listening(centre) as at, calling(centre_at(at, tmp_path)) as client:
            for _ in range(2):
                await client.offer(OFFER)
            with trio.fail_after(10):
                heard = {await answers.receive(), await answers.receive()}
        nursery.cancel_scope.cancel()
    assert heard == {("0f3a", "displayed", 200), ("0f3a", "accepted", 200)} and len(told) == 2
    for target, headers, body in told:
        assert target == "/api/v1/alarms/0f3a/ack"
        assert verify_callback([SECRET], headers, body, wall_us()).startswith("cb-0f3a-")
        assert Webhook(SECRET_TEXT).verify(body, headers)["operator"] == "op-7"


async def test_a_gateway_that_is_not_there_ends_no_stand_in():
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    send, answers = trio.open_memory_channel[tuple[str, str, int]](9)
    url = f"http://127.0.0.1:{port}"
    centre = StandInCentre(wall_us, callbacks=[Callback("accepted", 0)], gateway_url=url, on_told=heard_by(send))
    async with listening(centre) as url, calling(centre_at(url)) as client:
        await client.offer(OFFER)
        with trio.fail_after(10):
            assert await answers.receive() == ("0f3a", "accepted", 0)
        assert (await client.offer(OFFER)).level == STORED


async def test_a_flapping_stand_in_is_up_and_down_in_turn(autojump_clock):
    centre = StandInCentre(lambda: 0, script="flap 3")
    up = []
    for _ in range(8):
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(centre.serve, theirs)
            await ours.send_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY))
            try:
                up.append(bool(await ours.receive_some(100)))
            except trio.BrokenResourceError:
                up.append(False)
            nursery.cancel_scope.cancel()
        await trio.sleep(1.5)
    assert up == [True, True, False, False, True, True, False, False]


async def test_noise_ends_only_its_own_connection():
    centre = StandInCentre(wall_us)
    async with listening(centre) as url, calling(centre_at(url)) as client:
        port = int(url.split(":")[2].split("/")[0])
        for noise in (b"\x00" * 100, b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n[[[[["):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(noise)
            await stream.aclose()
        assert (await client.offer(OFFER)).level == STORED


# ------------------------------------------------------------------------------------------------------ commands


@contextmanager
def fake(*words: str) -> Iterator[tuple[str, Iterator[dict[str, object]]]]:
    """The address of a stand-in in a process of its own, and what it prints."""
    command = [sys.executable, "-m", "gateway", "centre", "fake", "--json", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["listening"], map(json.loads, process.stdout)
        finally:
            process.kill()


def config(folder: Path, *urls: str) -> Path:
    secret = Path(secret_file(folder))
    secret.chmod(0o600)
    routes = "".join(f'[[centre.route]]\nkind = "webhook"\nurl = "{url}"\nsecret_files = ["{secret}"]\n' for url in urls)
    path = folder / "gateway.toml"
    path.write_text(
        f'[gateway]\nname = "gw1"\n[[listen]]\nbind = "127.0.0.1:0"\n[[centre]]\nid = "ovl"\nnational_fallback = true\n{routes}'
    )
    return path


def test_the_way_to_a_centre_is_tried_step_by_step(tmp_path, capsys):
    with fake("--secret-file", secret_file(tmp_path), "--script", "ack accepted, html", "--count", "2") as (url, printed):
        path = config(tmp_path, url + "hook")
        assert main(["centre", "try", "-c", str(path), "ovl"]) == 0
        words = capsys.readouterr().out
        assert [line.split()[1:3] for line in words.splitlines()] == [["name", "ok"], ["connect", "ok"], ["alert", "ok"]]
        assert "operator operator-1" in words and " ms" in words
        assert main(["centre", "try", "-c", str(path), "--json", "--route", "webhook-1", "ovl"]) == 1
        last = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (last["step"], last["ok"], last["reason"]) == ("alert", False, "html") and "login" in last["remedy"]
        received = list(printed)
    assert [entry["verified"] for entry in received] == [True, True]
    alert = received[0]["alert"]
    assert (alert["event"], alert["test"], alert["class"], alert["position"]["status"]) == ("test", True, "test", "none")
    assert alert_of(json.dumps({
        "specversion": "1.0", "dataschema": "urn:gateway:alert:1", "id": f"{alert['alarm_id']}-1", "subject": alert["alarm_id"],
        "sequence": "1", "partitionkey": alert["alarm_id"], "type": "be.msa.alarm.test", "data": alert,
    }).encode())  # fmt: skip


def test_each_way_that_does_not_work_comes_with_its_remedy(tmp_path, capsys):
    path = config(tmp_path, "http://127.0.0.1:1/", "http://nowhere.invalid/")
    assert main(["centre", "try", "-c", str(path), "ovl"]) == 1
    captured = capsys.readouterr()
    assert "connect_refused" in captured.out and "check port and firewall" in captured.out
    assert "dns" in captured.out and "2 of 2 routes of ovl do not work" in captured.err


@pytest.mark.parametrize(
    "words, said",
    [
        (["try", "nobody"], "known: ovl"),
        (["try", "ovl", "--route", "x"], "known: webhook-1"),
        (["fake", "--script", "dance"], "half-json"),
        (["fake", "--bind", "here"], "HOST:PORT"),
        (["fake", "--bind", "127.0.0.1:99999"], "HOST:PORT"),
        (["fake", "--secret-file", "/nonexistent"], "whsec_"),
        (["fake", "--ack-after", "3"], "--gateway"),
        (["fake", "--acks", "dance 3", "--gateway", "http://x"], "accepted"),
        (["fake", "--acks", "accepted soon", "--gateway", "http://x"], "SECONDS"),
    ],
)
def test_wrong_use_says_what_to_do(words, said, tmp_path, capsys):
    path = config(tmp_path, "http://127.0.0.1:1/")
    more = ["-c", str(path)] if words[0] == "try" else []
    assert main(["centre", *words, *more]) == 2
    assert said in capsys.readouterr().err


async def test_a_port_that_is_taken_is_named(tmp_path):
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    done = await trio.run_process(
        [sys.executable, "-m", "gateway", "centre", "fake", "--bind", f"127.0.0.1:{port}"], capture_stderr=True, check=False, cwd=ROOT
    )
    await listener.aclose()
    assert done.returncode == 2 and b"choose another port" in done.stderr
