"""The real HTTP server on a small house, over memory streams (any clock) or real loopback sockets (real clock)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

import h11
import trio
from trio.testing import memory_stream_pair

from gateway.api.house import House
from gateway.api.service import Api
from gateway.model import Instant
from gateway.shell.feed import Feeds
from gateway.shell.http import HttpServer
from gateway.shell.options import ApiOptions
from tests.unit.api_fakes import WALL_US, FakeDesk, FakeJournal, fake_house, session_headers


class TrioClock:
    """Trio's clock as ours, so that a MockClock moves both."""

    def now(self) -> Instant:
        mono_us = round(trio.current_time() * 1e6)
        return Instant(WALL_US + mono_us, mono_us)


@dataclass
class Served:
    """A server that runs."""

    house: House
    api: Api
    server: HttpServer
    feeds: Feeds
    nursery: trio.Nursery

    @property
    def journal(self) -> FakeJournal:
        assert isinstance(self.house.journal, FakeJournal)
        return self.house.journal

    @property
    def desk(self) -> FakeDesk:
        assert isinstance(self.house.desk, FakeDesk)
        return self.house.desk

    def connect(self, peer: str = "10.0.0.9") -> "Browser":
        """A connection over memory."""
        ours, theirs = memory_stream_pair()
        self.nursery.start_soon(partial(self.server.serve, theirs, peer, "http"))
        return Browser(ours)

    def session(self, user_id: str = "anna") -> dict[str, str]:
        return session_headers(self.api, user_id, TrioClock().now())


@asynccontextmanager
async def served(options: ApiOptions | None = None, **fields: object) -> AsyncIterator[Served]:
    """The server with its feeds; ends, and must end cleanly, with the block."""
    house = fake_house(**fields)
    api = Api(house)
    assert isinstance(house.journal, FakeJournal)
    feeds = Feeds(house, house.journal.record, TrioClock())
    server = HttpServer(api, house.journal.record, feeds, TrioClock(), options or ApiOptions(), count(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(feeds.run)
        yield Served(house, api, server, feeds, nursery)
        nursery.cancel_scope.cancel()


def request_bytes(method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    found = {"host": "gw"} | (headers or {})
    if body:
        found.setdefault("content-length", str(len(body)))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in found.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@dataclass
class Answered:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        return json.loads(self.body)  # type: ignore[no-any-return]

    @property
    def code(self) -> str:
        return self.json["error"]["code"]  # type: ignore[index,no-any-return]


class Browser:
    """The other end of a connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.http = h11.Connection(h11.CLIENT)

    async def ask(self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answered:
        """One request and its answer; the connection is kept."""
        await self.send(request_bytes(method, target, headers, body))
        return await self.answer(method)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def answer(self, method: str = "GET") -> Answered:
        """The next answer."""
        answer = await self._head(method)
        while (piece := await self.piece()) is not None:
            answer.body += piece
        return answer

    async def begin(self, method: str, target: str, headers: dict[str, str]) -> Answered:
        """Send a request; only the head of its answer, whose pieces follow."""
        await self.send(request_bytes(method, target, headers))
        return await self._head(method)

    async def piece(self) -> bytes | None:
        """The next piece of a body; None at its end."""
        event = await self._event()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def _head(self, method: str) -> Answered:
        if self.http.our_state is h11.DONE:
            self.http.start_next_cycle()
        self.http.send(h11.Request(method=method, target="/", headers=[("host", "gw")]))
        self.http.send(h11.EndOfMessage())
        head = await self._event()
        while isinstance(head, h11.InformationalResponse):
            head = await self._event()
        assert isinstance(head, h11.Response), head
        return Answered(head.status_code, {name.decode(): value.decode() for name, value in head.headers}, b"")

    async def _event(self) -> object:
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.stream.receive_some(65_536))
        return event

    async def is_closed(self) -> bool:
        """Whether the server closes without another byte."""
        try:
            return await self.stream.receive_some(1) == b""
        except trio.BrokenResourceError:
            return True
