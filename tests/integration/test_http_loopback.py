"""The HTTP server on real sockets: hostile peers, TLS, the control socket and the client behind the commands."""

import os
import random
import socket
import ssl
import stat
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme

from gateway.commands.control import ask
from gateway.errors import CommandError
from gateway.server import tls_context
from gateway.shell.address import NAME
from gateway.shell.control import caller_of, open_control, run_control
from gateway.shell.http import WAITING_MAX
from gateway.shell.options import TlsOptions
from tests.unit.api_fakes import OWN_ALARM, PASSWORD
from tests.unit.http_fakes import Browser, Served, request_bytes, served

CONNECTIONS = 300


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Served, int]]:
    async with served() as house:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.server.run, listeners, tls)
            yield house, port
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(port: int, trusting: ssl.SSLContext | None = None) -> AsyncIterator[Browser]:
    stream: trio.abc.Stream = await trio.open_tcp_stream("127.0.0.1", port)
    if trusting:
        stream = trio.SSLStream(stream, trusting, server_hostname="localhost")
    try:
        yield Browser(stream)
    finally:
        await trio.aclose_forcefully(stream)


def hostile(dice: random.Random) -> bytes:
    """A valid request of some kind, a few bytes changed, some garbage behind."""
    data = bytearray(
        dice.choice(
            [
                request_bytes("GET", "/"),
                request_bytes("GET", "/healthz", {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-key": "x"}),
                request_bytes("GET", "/healthz", {"connection": "HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAM"}),
                request_bytes("POST", "/api/v1/login", body=b'{"user":"anna","password":"x"}'),
                request_bytes("POST", "/api/v1/press", {"x-gw-key": "dev-1", "x-gw-sig": "good"}, b'{"kind":"sos_app"}'),
                request_bytes("POST", "/api/v1/units/positions", {"transfer-encoding": "chunked"}) + b"5\r\n[1,2]\r\n0\r\n\r\n",
                request_bytes("GET", "/api/v1/events", {"last-event-id": "5"}),
            ]
        )
    )
    for _ in range(dice.randrange(4)):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data) + dice.randbytes(dice.randrange(60))


async def attack(port: int, dice: random.Random) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    try:
        await stream.send_all(hostile(dice))
        if dice.random() < 0.3:
            # Closing with this option set is a reset.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif dice.random() < 0.5:
            await stream.send_eof()
            with trio.move_on_after(0.5):
                await stream.receive_some(4096)
    except trio.BrokenResourceError:
        return
    finally:
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize("seed", range(3))
async def test_hostile_connections_change_nothing_for_the_others(seed):
    dice = random.Random(seed)
    async with listening() as (house, port):
        limit = trio.CapacityLimiter(20)

        async def one() -> None:
            async with limit:
                await attack(port, dice)

        async with trio.open_nursery() as nursery:
            for _ in range(CONNECTIONS):
                nursery.start_soon(one)
        async with connected(port) as good:
            assert (await good.ask("GET", "/healthz")).status == 200
        assert house.server.links.crashed == 0, house.server.links.signatures
        assert house.server.requests.crashed == 0, house.server.requests.signatures
        assert house.server.links.opened + house.server.refused["gone_already"] == CONNECTIONS + 1
        assert house.server.accepted.crashed == 0


async def test_a_password_is_verified_in_a_thread():
    async with listening() as (_, port), connected(port) as browser:
        answer = await browser.ask("POST", "/api/v1/login", body=b'{"user":"anna","password":"%s"}' % PASSWORD.encode())
        assert answer.status == 200
        assert "HttpOnly" in answer.headers["set-cookie"]


async def test_guesses_queue_up_to_a_bound(monkeypatch):
    monkeypatch.setitem(WAITING_MAX, "password", 0)
    async with listening() as (_, port), connected(port) as browser:
        answer = await browser.ask("POST", "/api/v1/login", body=b'{"user":"anna","password":"x"}')
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "busy", "2")


async def test_the_last_answer_survives_unread_bytes():
    """Closing a socket with unread bytes resets it, and the answer on its way with it."""
    async with listening() as (_, port), connected(port) as browser:
        await browser.send(request_bytes("POST", "/api/v1/login", {"content-length": "9999999"}) + b"x" * 100_000)
        assert (await browser.answer()).code == "too_large"


# ---------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[TlsOptions, trustme.CA]:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    return TlsOptions(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")), authority


async def test_tls_is_served_and_said_to_be_kept(certificates):
    options, authority = certificates
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with listening(tls_context(options)) as (_, port), connected(port, trusting) as browser:
        answer = await browser.ask("POST", "/api/v1/login", body=b'{"user":"anna","password":"%s"}' % PASSWORD.encode())
        assert answer.headers["strict-transport-security"]
        assert "; Secure" in answer.headers["set-cookie"]


async def test_bad_tls_hellos_end_only_themselves(certificates):
    options, authority = certificates
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with listening(tls_context(options)) as (house, port):
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", bytes(100), b""):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(data)
            await trio.aclose_forcefully(stream)
        async with connected(port, trusting) as browser:
            assert (await browser.ask("GET", "/healthz")).status == 200
        assert (house.server.refused["tls_hello"], house.server.links.crashed) == (4, 0)


# ------------------------------------------------------------------------------------------- the control socket


@asynccontextmanager
async def controlled(folder: Path) -> AsyncIterator[Served]:
    async with served() as house, trio.open_nursery() as nursery:
        nursery.start_soon(run_control, house.server, open_control(folder))
        yield house
        nursery.cancel_scope.cancel()


async def call(folder: Path, *words: object) -> tuple[int, object]:
    return await trio.to_thread.run_sync(ask, folder, *words)


async def test_the_local_person_acts_in_their_own_name(tmp_path):
    async with controlled(tmp_path) as house:
        status, body = await call(tmp_path, "POST", f"/api/v1/alarms/{OWN_ALARM}/take", {"note": "é"})
        assert (status, body["state"]) == (200, "ACKED")
        operator = house.desk.told[0][3]
        assert operator.startswith("local:")
        status, body = await call(tmp_path, "GET", "/api/v1/me")
        assert body["role"] == "local"


async def test_the_control_socket_is_for_its_owner_alone(tmp_path):
    async with controlled(tmp_path):
        mode = (tmp_path / NAME).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600


async def test_a_socket_left_behind_is_replaced_and_long_paths_work(tmp_path):
    folder = tmp_path / ("long" * 20) / ("path" * 20)
    folder.mkdir(parents=True)
    for _ in range(2):
        async with controlled(folder):
            assert (await call(folder, "GET", "/healthz"))[0] == 200
    assert (folder / NAME).exists()


async def test_errors_come_through_the_control_socket(tmp_path):
    async with controlled(tmp_path):
        status, body = await call(tmp_path, "GET", "/api/v1/alarms/none")
        assert (status, body["error"]["code"]) == (404, "unknown_alarm")


@pytest.mark.parametrize("folder", ["none", "."])
async def test_without_a_server_it_is_said_what_to_do(tmp_path, folder):
    with pytest.raises(CommandError, match="gateway serve") as caught:
        await call(tmp_path / folder, "GET", "/healthz")
    assert caught.value.code == "no_server"


async def test_a_server_that_dies_in_the_middle_is_said_so(tmp_path):
    listener = open_control(tmp_path)

    async def die() -> None:
        stream = await listener.accept()
        await stream.receive_some(10)
        await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(die)
        with pytest.raises(CommandError) as caught:
            await call(tmp_path, "GET", "/healthz")
        assert caught.value.code == "no_answer"
    await listener.aclose()


class Peer:
    """A socket whose other end is a process of this user."""

    def __init__(self, uid: int) -> None:
        self.socket = self
        self.uid = uid

    def getsockopt(self, *_: int) -> bytes:
        return struct.pack("3i", 1, self.uid, 1)


def test_root_and_our_own_user_may_come_in_and_nobody_else():
    own = os.geteuid()
    assert caller_of(Peer(0))
    assert caller_of(Peer(own))
    assert caller_of(Peer(own + 54_321)) is None


async def test_other_users_of_this_host_are_turned_away(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.shell.control.caller_of", lambda stream: None)
    async with controlled(tmp_path) as house:
        with pytest.raises(CommandError):
            await call(tmp_path, "GET", "/healthz")
        assert house.server.refused["control_user"] == 1
