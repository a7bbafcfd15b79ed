"""Stand-in centres on real loopback sockets or on a network in memory, and a client that calls them."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import trio
import trio.testing

from gateway.clock import SystemClock
from gateway.delivery.offers import Offer
from gateway.delivery.options import CentreOptions, RouteOptions
from gateway.model import CentreId, Instant
from gateway.shell.centre import CentreClient
from gateway.shell.dial import SystemNetwork
from gateway.sim.centre import StandInCentre

SECRET_TEXT = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SECRET = bytes(range(32))
BODY = b'{"specversion":"1.0","data":{"alarm_id":"0f3a","seq":1,"event":"raised"}}'
OFFER = Offer("0f3a" * 8, "ovl", "webhook-1", 1, 1, "raised", False, BODY)


def offer(n: int = 0) -> Offer:
    return replace(OFFER, alarm_id=f"{n:032x}")


class TrioClock:
    """Both times from trio's clock, so that a mock clock moves them."""

    def now(self) -> Instant:
        us = round(trio.current_time() * 1e6)
        return Instant(1_773_061_391_250_000 + us, us)


class MemoryNetwork:
    """Streams in memory; whoever answers at an address is a handler."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.handlers: dict[str, Callable[[trio.abc.Stream], Awaitable[None]]] = {}
        self.names: dict[str, list[str]] = {}
        self.hang_names = False
        self.silent: set[str] = set()
        self.calls: list[str] = []
        self._nursery = nursery

    async def resolve(self, host: str, port: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        if self.hang_names:
            await trio.sleep_forever()
        if host not in self.names:
            raise OSError("no such name")
        return self.names[host]

    async def connect(self, address: str, port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        self.calls.append(address)
        if address in self.silent:
            await trio.sleep_forever()
        if address not in self.handlers:
            raise ConnectionRefusedError(address)
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self.handlers[address], theirs)
        return ours


def secret_file(folder: Path, name: str = "secret", text: str = SECRET_TEXT) -> str:
    path = folder / name
    path.write_text(text + "\n")
    return str(path)


def centre_at(url: str, folder: Path | None = None, centre_id: str = "ovl", **more: object) -> CentreOptions:
    secrets = (secret_file(folder),) if folder else ()
    route = replace(RouteOptions("webhook", url, secret_files=secrets, answer_timeout_s=30.0), **more)  # type: ignore[arg-type]
    return CentreOptions(CentreId(centre_id), route=(route,))


@asynccontextmanager
async def listening(centre: StandInCentre) -> AsyncIterator[str]:
    """The address of a stand-in centre on a real loopback socket."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(centre.run, listeners)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/hook"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def calling(
    *centres: CentreOptions, ups: list[tuple[str, str]] | None = None, network: object = None, clock: object = None
) -> AsyncIterator[CentreClient]:
    """A running client."""
    client = CentreClient(centres, clock or SystemClock(), network or SystemNetwork(), Random(1))  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        await nursery.start(client.run, lambda centre_id, route_id: (ups if ups is not None else []).append((centre_id, route_id)))
        yield client
        nursery.cancel_scope.cancel()


def whsec(secret: bytes) -> str:
    return "whsec_" + base64.b64encode(secret).decode()
