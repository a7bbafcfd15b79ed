"""HTTP/1.1 on h11: bytes of one connection -> requests -> the API -> bytes, behind the bulkhead.

    connection ── limits, TLS hello ── request whole? ── Api.handle ── events durable? ── answer, in one send
                                                              └─ Errand: worker thread of its lane
                                                              └─ Feed: see feed.py

Nothing of an answer leaves before the events that it tells of are durable. A connection that nobody has logged
in on lives as long as one head may take; every wait has a deadline.
"""

import logging
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from email.utils import formatdate
from functools import partial
from ipaddress import ip_address

import h11
import trio

from gateway.api.identify import is_known
from gateway.api.messages import JSON, Answer, Errand, Feed, Parts, Reply, Request
from gateway.api.problems import Refused, problem_of
from gateway.api.service import Api
from gateway.api.system import is_this_host
from gateway.api.target import split_untrusted
from gateway.clock import Clock
from gateway.errors import GatewayError, JournalError
from gateway.events import Event
from gateway.shell.bulkhead import LinkCounters, contained, guarded
from gateway.shell.feed import Feeds
from gateway.shell.options import ApiOptions
from gateway.shell.seats import Seat, Seats

HEAD_BYTES_MAX = 16_384
BODY_BYTES_MAX = 262_144
PIECES_MAX = 1_024
"Chunks of one body: one-byte chunks would cost a second of work for a body that costs a millisecond."
RECEIVE_BYTES = 16_384

TLS_HELLO_S = 5.0
HEAD_S = 10.0
"From the first byte of a request to the end of its head; and how long a stranger's connection may be silent."
BODY_S = 30.0
"From the first byte of a request to the end of its body."
IDLE_S = 75.0
"How long a connection may be silent between two requests of somebody who is logged in."
SEND_BYTES = 65_536
SEND_S = 10.0
"A reader that takes nothing for so long is gone."
DURABLE_S = 10.0
"An answer waits this long for the disk; then the caller is told to repeat."
VANISHED_MS = 30_000
"A peer that has acknowledged nothing for so long has vanished: the kernel ends the connection."
LINGER_S = 1.0
"How long we listen after the last answer, so that closing does not destroy it on its way."

LANES = {"password": 2, "registry": 1, "tiles": 1, "story": 1}
"Worker threads by kind of errand: none can starve another, and guessing passwords cannot take the machine (R-30)."
WAITING_MAX = {"password": 8, "registry": 256, "tiles": 1_024, "story": 16}
"Errands that may wait for their lane; the next one is told to come back."

SECURITY_HEADERS = (
    (
        "content-security-policy",
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)  # fmt: skip
TLS_ONLY_HEADER = ("strict-transport-security", "max-age=31536000")

_log = logging.getLogger("gateway.shell")

Record = Callable[[tuple[Event, ...]], Awaitable[None]]
"""Append events (none, perhaps) before anything else is awaited, and wait until they and everything appended before
are durable. Raises ``JournalError``. Cancelling leaves them appended."""


class HttpServer:
    """Serves the API on any number of listeners."""

    def __init__(
        self, api: Api, record: Record, feeds: Feeds, clock: Clock, options: ApiOptions, link_ids: Iterator[int], seats: Seats | None = None
    ) -> None:
        self._api = api
        self._seats = seats or Seats(options.connections_max)
        self._record = record
        self._feeds = feeds
        self._clock = clock
        self._options = options
        self._link_ids = link_ids
        self.lanes = {name: trio.CapacityLimiter(size) for name, size in LANES.items()}
        self._by_source: Counter[str] = Counter()
        self.accepted = LinkCounters("http accept")
        self.links = LinkCounters("http")
        "Connections."
        self.requests = LinkCounters("http request")
        "Requests; a crashed one is answered with 500 and its connection lives on."
        self.refused: Counter[str] = Counter()
        "Connections turned away and requests that were none, by reason."
        self.statuses: Counter[int] = Counter()
        "Answers by status."

    # ------------------------------------------------------------------------------------------- connections

    async def run(self, listeners: Sequence[trio.SocketListener], tls: ssl.SSLContext | None = None) -> None:
        """Accept connections of bound listeners, for ever."""

        async def accepted(stream: trio.SocketStream) -> None:
            with contained(self.accepted):
                try:
                    peer = str(stream.socket.getpeername()[0])
                    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_MS)
                except OSError:
                    self.refused["gone_already"] += 1
                else:
                    await self.serve(stream, peer, "http", tls)

        await trio.serve_listeners(accepted, list(listeners))

    async def serve(self, stream: trio.abc.Stream, peer: str, listener: str, tls: ssl.SSLContext | None = None) -> None:
        """Carry one connection to its end. Returns when it is closed; raises nothing but ``Cancelled``."""
        source = "" if self._options.behind_proxy and is_this_host(peer) else peer  # the proxy brings everybody's
        seat = None if self._is_full(source) else self._take_seat()
        if seat is None:
            await trio.aclose_forcefully(stream)
            return
        self._by_source[source] += 1
        try:
            with seat:
                await guarded(partial(self._secured, peer=peer, listener=listener, tls=tls, seat=seat), stream, self.links)
        finally:
            self._by_source[source] -= 1
            if not self._by_source[source]:
                del self._by_source[source]

    async def serve_local(self, stream: trio.abc.Stream, user: str) -> None:
        """Carry one connection of the control socket, whose caller the kernel has named."""
        await guarded(partial(self._connection, peer="", listener="control", secure=True, local_user=user), stream, self.links)

    def _is_full(self, source: str) -> bool:
        if self.links.open >= self._options.connections_max:
            self.refused["connections_max"] += 1
            return True
        if source and self._by_source[source] >= self._options.connections_per_source_max:
            self.refused["connections_per_source_max"] += 1
            return True
        return False

    def _take_seat(self) -> Seat | None:
        seat = self._seats.take()
        if seat is None:
            self.refused["no_seat"] += 1
        return seat

    async def _secured(self, stream: trio.abc.Stream, *, peer: str, listener: str, tls: ssl.SSLContext | None, seat: Seat) -> None:
        if tls is not None:
            secured = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
            try:
                with trio.fail_after(TLS_HELLO_S):
                    await secured.do_handshake()
            except (trio.BrokenResourceError, trio.TooSlowError):
                self.refused["tls_hello"] += 1
                raise
            stream = secured
        await self._connection(stream, peer=peer, listener=listener, secure=tls is not None, seat=seat)

    async def _connection(
        self, stream: trio.abc.Stream, *, peer: str, listener: str, secure: bool, local_user: str = "", seat: Seat | None = None
    ) -> None:
        """Requests and answers in turn, until somebody closes."""
        link = _Link(stream, peer, listener, secure, local_user, next(self._link_ids))
        while await link.is_next_request_coming():
            try:
                request = await self._receive(link)
            except Refused as error:
                self.refused[error.code] += 1
                await self._turn_away(link, error)
                return
            if seat is not None:
                seat.keep()
            answer = await self._answer(request)
            if isinstance(answer, Feed) and link.is_head_request:
                answer = Reply(200)
            if isinstance(answer, Feed):
                await self._feeds.stream(answer, partial(self._begin_feed, link), link.stream)
                return
            await self._send(link, answer)
            if seat is not None:
                seat.wait()
            if not link.is_reusable():
                await link.linger()
                return
            link.idle_s = IDLE_S if is_known(self._api.house, request, self._clock.now()) else HEAD_S
            link.http.start_next_cycle()

    # ---------------------------------------------------------------------------------------------- requests

    async def _receive(self, link: "_Link") -> Request:
        """One whole request. Raises ``Refused`` when it is none that we read, and then nothing more can be read."""
        try:
            with trio.fail_after(BODY_S):
                with trio.fail_after(HEAD_S):
                    head = await link.next_event()
                assert isinstance(head, h11.Request), "a connection that ended was noticed before"
                headers = headers_untrusted(head)
                return self._request(link, head, headers, await self._body(link))
        except trio.TooSlowError:
            raise Refused("too_slow") from None
        except h11.RemoteProtocolError as error:
            raise Refused("head_too_large" if error.error_status_hint == 431 else "bad_request") from None

    async def _body(self, link: "_Link") -> bytes:
        if link.http.they_are_waiting_for_100_continue:
            await link.send(link.http.send(h11.InformationalResponse(status_code=100, headers=[])))
        pieces: list[bytes] = []
        size = 0
        while not isinstance(event := await link.next_event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise trio.BrokenResourceError("closed inside a body")
            size += len(event.data)
            pieces.append(bytes(event.data))
            if size > BODY_BYTES_MAX or len(pieces) > PIECES_MAX:
                raise Refused("too_large")
        return b"".join(pieces)

    def _request(self, link: "_Link", head: h11.Request, headers: dict[str, str], body: bytes) -> Request:
        target = head.target.decode("latin-1")
        path, query = split_untrusted(target)
        peer, secure = link.peer, link.secure
        if self._options.behind_proxy and is_this_host(peer):
            peer = address_in(headers.get("x-forwarded-for", peer).rpartition(",")[2].strip())
            secure = headers.get("x-forwarded-proto", "").strip() == "https"
        link.requests += 1
        return Request(
            method=head.method.decode("latin-1"),
            path=path,
            query=query,
            headers=headers,
            body=body,
            target=target,
            peer=peer,
            listener=link.listener,
            secure=secure,
            via_control_socket=bool(link.local_user),
            local_user=link.local_user,
            link_id=link.link_id,
            id=f"{link.link_id:x}-{link.requests:x}",
        )

    async def _answer(self, request: Request) -> Reply | Feed:
        """What the API says, when it is durable. A handler that crashes is counted and answered with 500."""
        crashed = self._api.refusal(request, Refused("internal"))
        answer: Reply | Feed = crashed
        with contained(self.requests):
            settled = await self._settled(request)
            answer = await self._joined(request, settled) if isinstance(settled, Parts) else settled
            if isinstance(answer, Reply) and (answer.events or answer.after_all):
                answer = await self._durable(request, answer)
            if isinstance(answer, Feed) and self._feeds.is_full:
                answer = self._api.refusal(request, Refused("busy", headers=(("retry-after", "10"),)))
        if answer is crashed:
            _log.error("request.crashed id=%s", request.id)
        return answer

    async def _joined(self, request: Request, answer: Parts) -> Reply:
        """A long answer. Others get their turn between its parts."""
        bodies = []
        for part in answer.parts:
            done = await self._durable(request, part) if part.events else part
            if done.status != part.status:
                return done
            bodies.append(part.body)
            await trio.lowlevel.checkpoint()
        return Reply(200, b"".join(bodies), JSON)

    async def _settled(self, request: Request) -> Reply | Parts | Feed:
        answer: Answer = self._api.handle(request, self._clock.now())
        while isinstance(answer, Errand):
            answer = self._api.settle(request, answer, await self._run(answer), self._clock.now())
        return answer

    async def _run(self, errand: Errand) -> object:
        lane = self.lanes[errand.lane]
        if lane.statistics().tasks_waiting >= WAITING_MAX[errand.lane]:
            return Refused("busy", headers=(("retry-after", "2"),))
        try:
            return await trio.to_thread.run_sync(errand.run, limiter=lane)
        except GatewayError as error:
            return error

    async def _durable(self, request: Request, reply: Reply) -> Reply:
        try:
            with trio.fail_after(DURABLE_S):
                await self._record(reply.events)
        except (JournalError, trio.TooSlowError):
            return self._api.refusal(request, JournalError())
        if reply.when_durable is not None:
            reply.when_durable()
        return reply

    # ----------------------------------------------------------------------------------------------- answers

    async def _send(self, link: "_Link", reply: Reply) -> None:
        """Head and body of an answer in one send."""
        self.statuses[reply.status] += 1
        is_bodiless = link.is_head_request or reply.status in (204, 304)
        headers = [*reply.headers, *self._headers(link), ("content-length", str(len(reply.body)))]
        data = link.http.send(h11.Response(status_code=reply.status, headers=headers))
        if reply.body and not is_bodiless:
            data += link.http.send(h11.Data(data=reply.body))
        data += link.http.send(h11.EndOfMessage())
        await link.send(data)

    def _headers(self, link: "_Link") -> list[tuple[str, str]]:
        headers = [*SECURITY_HEADERS, ("date", formatdate(self._clock.now().wall_us / 1e6, usegmt=True))]
        return [*headers, TLS_ONLY_HEADER] if link.secure and not link.local_user else headers

    def _begin_feed(self, link: "_Link") -> Callable[[bytes | None], bytes]:
        """Start an endless answer; returns what frames its pieces, and its end (None)."""
        self.statuses[200] += 1
        kind = [("content-type", "text/event-stream"), ("cache-control", "no-cache"), ("x-accel-buffering", "no"), ("connection", "close")]
        head = link.http.send(h11.Response(status_code=200, headers=[*kind, *self._headers(link)]))

        def framed(piece: bytes | None) -> bytes:
            nonlocal head
            data, head = head + link.http.send(h11.EndOfMessage() if piece is None else h11.Data(data=piece)), b""
            return data

        return framed

    async def _turn_away(self, link: "_Link", error: Refused) -> None:
        """One answer to what was no request of ours, where that is still possible; then the end."""
        if link.http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        reply = problem_of(error, f"{link.link_id:x}")
        await self._send(link, Reply(reply.status, reply.body, (*reply.headers, ("connection", "close"))))
        await link.linger()

    def statistics(self) -> dict[str, object]:
        """Counters, as ``metrics.FAMILIES`` names them."""
        ended = {name: getattr(self.links, name) for name in ("closed", "gone", "crashed")} | dict(self.refused) | {"evicted": self._seats.evicted}
        return {
            "links": {"http": ended},
            "links_open": {"http": self.links.open},
            "requests": {str(status): count for status, count in self.statuses.items()},
            "consoles": len(self._feeds),
        }


class _Link:
    """One connection: stream, h11's state, and what we know of the caller."""

    def __init__(self, stream: trio.abc.Stream, peer: str, listener: str, secure: bool, local_user: str, link_id: int) -> None:
        self.stream = stream
        self.peer = peer
        self.listener = listener
        self.secure = secure
        self.local_user = local_user
        self.link_id = link_id
        self.requests = 0
        self.idle_s = HEAD_S
        self.is_head_request = False
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)

    async def is_next_request_coming(self) -> bool:
        """Wait for the first byte of a request; False when the peer closed, or was silent for too long."""
        if self.http.trailing_data[0]:
            return True
        with trio.move_on_after(self.idle_s):
            data = await self.stream.receive_some(RECEIVE_BYTES)
            if data:
                self.http.receive_data(bytes(data))
            return bool(data)
        return False

    async def next_event(self) -> h11.Event:
        """The next part of a request. Raises ``h11.RemoteProtocolError`` for what is not HTTP, ``BrokenResourceError``
        when the peer closes within one."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            data = await self.stream.receive_some(RECEIVE_BYTES)
            if not data:
                raise trio.BrokenResourceError("closed inside a request")
            self.http.receive_data(bytes(data))
        assert isinstance(event, h11.Event), f"{event} between two requests"
        if isinstance(event, h11.Request):
            self.is_head_request = event.method == b"HEAD"
        return event

    async def send(self, data: bytes) -> None:
        """Send everything, or find that the reader is gone: slow is fine, standing still is not."""
        for start in range(0, len(data), SEND_BYTES):
            with trio.fail_after(SEND_S):
                await self.stream.send_all(data[start : start + SEND_BYTES])

    def is_reusable(self) -> bool:
        """Whether another request may follow on this connection."""
        return self.http.our_state is h11.DONE and self.http.their_state is h11.DONE

    async def linger(self) -> None:
        """Close our half and listen a little: closing with unread bytes would reset the answer away."""
        with trio.move_on_after(LINGER_S):
            if isinstance(self.stream, trio.SocketStream):
                await self.stream.send_eof()
            for _ in range(BODY_BYTES_MAX // RECEIVE_BYTES):
                if not await self.stream.receive_some(RECEIVE_BYTES):
                    return


ONLY_ONCE = frozenset({"authorization", "content-length", "content-type", "host", "last-event-id", "origin", "transfer-encoding"})
"Two of these have two readings: who is before us might have read the other one."


def headers_untrusted(head: h11.Request) -> dict[str, str]:
    """The header fields by lower-case name. Raises ``Refused`` for what a proxy before us could read in another way."""
    # h11 looks at the size of what is incomplete: a head that comes in one piece more than fits has to be measured here.
    if len(head.target) + sum(len(name) + len(value) + 4 for name, value in head.headers) > HEAD_BYTES_MAX:
        raise Refused("head_too_large")
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in headers and name in ONLY_ONCE:
            raise Refused("bad_request", f"{name}: stands there twice.")
        glue = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{glue}{value}" if name in headers else value
    if "content-length" in headers and "transfer-encoding" in headers:
        raise Refused("bad_request", "content-length and transfer-encoding exclude each other.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused("wrong_encoding")
    if headers.get("content-length", "0").isdecimal() and int(headers.get("content-length", "0")[:12]) > BODY_BYTES_MAX:
        raise Refused("too_large")
    return headers


def address_in(word: str) -> str:
    """The address that a proxy tells; empty for anything else, which is then nobody's."""
    try:
        return str(ip_address(word))
    except ValueError:
        return ""
