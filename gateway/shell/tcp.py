"""Device links over TCP, over TLS and over HTTP on a port of their own: one guarded task a connection, few and slow ones in mind."""

import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

import trio

from gateway.shell.bulkhead import LinkCounters, guarded
from gateway.shell.ingest import DeviceLink, Ingest
from gateway.shell.options import ListenOptions
from gateway.shell.seats import Seat, Seats

RECEIVE_BYTES = 2_048
"About a hundred of the shortest frames: what one connection may cost the others before they get their turn (R-30)."
SEND_TIMEOUT_S = 10.0
"A peer that does not read its answers is as good as gone."
LINGER_S = 2.0
LINGER_READS_MAX = 64
TLS_HANDSHAKE_S = 5.0
ACCEPT_PAUSE_S = 0.1
KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 60_000))
"A peer that vanished without a word is noticed within 90 s."


async def serve_link(stream: trio.abc.Stream, link: DeviceLink, options: ListenOptions, ingest: Ingest, seat: Seat | None = None) -> None:
    """Carry one device link until the device hangs up, says nothing for too long or is a stranger.

    ``seat``: what it may lose to another connection until it is known.

    Answers leave only when everything before them is durable; if it cannot be made durable, no answer leaves and
    the device repeats.
    """
    begun_at = born_at = trio.current_time()
    pen = Pen(stream)
    link.send = pen.give
    while True:
        now = trio.current_time()
        deadline = now + options.idle_timeout_s
        if not link.is_identified:
            deadline = born_at + options.login_timeout_s
        if link.has_begun_frame:
            deadline = min(deadline, begun_at + options.frame_timeout_s)
        with trio.move_on_at(deadline) as patience:
            data = await stream.receive_some(RECEIVE_BYTES)
        if patience.cancelled_caught:
            raise trio.TooSlowError
        if not data:
            return
        if not link.has_begun_frame:
            begun_at = trio.current_time()
        with pen.answering():
            fed = link.feed(bytes(data))
            if seat is not None and link.is_identified:
                seat.keep()
            if fed.reply and await ingest.lane.wait_durable(fed.durable):
                await pen.write(fed.reply)
                ingest.lane.note_answered(fed.alarms)
        if fed.close:
            if fed.reply and isinstance(stream, trio.SocketStream):
                await _linger(stream)
            return


async def _linger(stream: trio.SocketStream) -> None:
    """Close our half and listen a little: closing with unread bytes would reset the farewell away."""
    with trio.move_on_after(LINGER_S):
        await stream.send_eof()
        for _ in range(LINGER_READS_MAX):
            if not await stream.receive_some(RECEIVE_BYTES):
                return


class Pen:
    """What writes to one connection: answers first, an order in one piece between two of them."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._lock = trio.Lock()
        self._is_answering = False
        self._answered: trio.Event | None = None
        "Somebody waits for the end of an answer."

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Something was read and may have to be answered: an order that comes in between waits."""
        self._is_answering = True
        try:
            yield
        finally:
            self._is_answering = False
            if self._answered is not None:
                self._answered.set()
                self._answered = None

    async def write(self, data: bytes) -> None:
        """Send an answer. Raises: TooSlowError, BrokenResourceError: the connection is of no further use."""
        async with self._lock:
            with trio.fail_after(SEND_TIMEOUT_S):
                await self._stream.send_all(data)

    async def give(self, data: bytes) -> bool:
        """Send an order when no answer is due. False: the connection was gone; half an order ends it."""
        try:
            while self._is_answering:
                self._answered = self._answered or trio.Event()
                await self._answered.wait()
            await self.write(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        except trio.TooSlowError:
            await trio.aclose_forcefully(self._stream)
            return False
        return True


class TcpPort:
    """One listening TCP port."""

    def __init__(
        self, options: ListenOptions, ingest: Ingest, *, simulated: bool = False, tls: ssl.SSLContext | None = None, seats: Seats | None = None
    ) -> None:
        """``seats``: those that all device ports share."""
        self.options = options
        self.counters = LinkCounters(f"{options.transport} {options.bind}")
        self.turned_away: Counter[str] = Counter()
        "reason -> connections closed before a byte was read"
        self._ingest = ingest
        self._simulated = simulated
        self._tls = tls
        self._allow = [ip_network(text, strict=False) for text in options.allow]
        self._sources: Counter[str] = Counter()
        self._seats = seats or Seats(options.connections_max)
        self.name = f"{options.transport} {options.bind}"

    async def run(self, task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED) -> None:
        """Bind, report the bound address, accept until cancelled."""
        host, _, port = self.options.bind.rpartition(":")
        listeners = await trio.open_tcp_listeners(int(port), host=host.strip("[]") or None, backlog=1024)
        bound = listeners[0].socket.getsockname()
        self.name = self.counters.port = f"{self.options.transport} {bound[0]}:{bound[1]}"
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(self._accept, listener, nursery)
            task_status.started((str(bound[0]), int(bound[1])))

    async def _accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        """Accept for ever. Running out of descriptors is a pause, not an end; trio's own loop logs a traceback each time."""
        while True:
            try:
                stream = await listener.accept()
            except OSError:
                self.turned_away["no_descriptor"] += 1
                await trio.sleep(ACCEPT_PAUSE_S)
                continue
            try:
                address, port = stream.socket.getpeername()[:2]
                reason = self._objection(address)
            except OSError:
                reason = "gone_already"  # reset between its hello and our accept
            seat = None if reason else self._seats.take()
            if seat is None:
                self.turned_away[reason or "no_seat"] += 1
                await trio.aclose_forcefully(stream)
                continue
            self._sources[address] += 1
            nursery.start_soon(self._serve, stream, address, port, seat)

    def _objection(self, address: str) -> str | None:
        if self._allow and not any(ip_address(address) in network for network in self._allow):
            return "not_allowed"
        if self.counters.open >= self.options.connections_max:
            return "too_many"
        if self._sources[address] >= self.options.connections_per_source_max:
            return "too_many_from_source"
        return None

    async def _serve(self, stream: trio.SocketStream, address: str, port: int, seat: Seat) -> None:
        try:
            with seat:
                await guarded(lambda inner: self._converse(inner, f"{address}:{port}", seat), stream, self.counters)
        finally:
            self._sources[address] -= 1
            if not self._sources[address]:
                del self._sources[address]

    async def _converse(self, stream: trio.SocketStream, peer: str, seat: Seat) -> None:
        try:
            for name, value in KEEPALIVE:
                stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except OSError as error:
            raise trio.BrokenResourceError("reset before it said anything") from error
        carried: trio.abc.Stream = stream
        if self._tls is not None:
            carried = trio.SSLStream(stream, self._tls, server_side=True, https_compatible=True)
            with trio.fail_after(TLS_HANDSHAKE_S):
                await carried.do_handshake()
        link = self._ingest.link(self.options, self.name, peer, simulated=self._simulated)
        try:
            await serve_link(carried, link, self.options, self._ingest, seat)
        finally:
            link.ended()
