"""One HTTP/1.1 connection as its caller: a request out, an answer in, and nothing believed that is not complete.

A task of its own reads each connection all the time. So a peer that closes is noticed while the connection is idle,
and bytes that answer no question (a second acknowledgement of the last alert, an answer before the question) end it
instead of being taken for the answer to the next alert (R-11).
"""

from dataclasses import dataclass, field

import h11
import trio

from gateway.delivery.webhook import ANSWER_BYTES_MAX, Headers, Request
from gateway.errors import DeliveryError

HEAD_BYTES_MAX = 16_384
RECEIVE_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)


@dataclass(slots=True)
class _Question:
    """A request on its way and what has come back so far."""

    sent: trio.Event = field(default_factory=trio.Event)
    done: trio.Event = field(default_factory=trio.Event)
    heard_bytes: int = 0
    status: int = 0
    headers: Headers = ()
    body: bytearray = field(default_factory=bytearray, repr=False)
    failure: str | None = None


class Connection:
    """One connection; one question at a time.

    ``listen`` must run in a task of its own until it returns: it owns the stream and closes it.
    """

    def __init__(self, stream: trio.abc.Stream, peer: str) -> None:
        self.is_open = True
        self.idle_since: float = trio.current_time()
        self.heard_nothing = True
        "Not one byte came back to the last question: it may be asked again elsewhere without a doubt."
        self._stream = stream
        self._peer = peer
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._question: _Question | None = None
        self._scope = trio.CancelScope()

    async def ask(self, request: Request) -> Reply:
        """The answer. The caller sets the deadline; cancelling closes the connection.

        Raises: DeliveryError ``reset``, ``closed``, ``cut_short``, ``malformed_http``, ``too_long``.
        """
        assert self._question is None, "one question at a time"
        question = self._question = _Question()
        self.heard_nothing = True
        complete = False
        try:
            if not self.is_open:
                raise DeliveryError(self._peer, "closed")
            try:
                await self._stream.send_all(self._written(request))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise DeliveryError(self._peer, question.failure or "reset") from None
            question.sent.set()
            await question.done.wait()
            if question.failure is not None:
                raise DeliveryError(self._peer, question.failure)
            complete = True
            return Reply(question.status, question.headers, bytes(question.body))
        finally:
            self._question = None
            self.heard_nothing = not question.heard_bytes
            self.idle_since = trio.current_time()
            if not complete or not self._is_reusable():
                self.close()

    async def is_fit(self) -> bool:
        """Whether it can be asked, after hearing what has arrived by now: a close, or bytes that would answer falsely."""
        for _ in range(2):  # One round of the loop to see that bytes are there, one to hear them.
            await trio.lowlevel.checkpoint()
        return self.is_open

    async def listen(self) -> None:
        """Read until the peer hangs up or ``close`` is called. Raises nothing that the peer can cause."""
        try:
            with self._scope:
                while True:
                    try:
                        data = await self._stream.receive_some(RECEIVE_BYTES)
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        self._fail("reset")
                        break
                    question = self._question
                    if question is None:
                        break  # Nobody asked: the end, or bytes that must not answer the next question.
                    # An answer before the whole question left waits: it counts only if the question does leave.
                    if not question.sent.is_set():
                        await question.sent.wait()
                    if self._question is not question or not self._hear(question, data) or not data:
                        break
        finally:
            self.is_open = False
            self._fail("closed")
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)

    def close(self) -> None:
        """No further question."""
        self.is_open = False
        self._scope.cancel()

    def _written(self, request: Request) -> bytes:
        send = self._parser.send
        head = send(h11.Request(method=request.method, target=request.target, headers=list(request.headers)))
        body = send(h11.Data(data=request.body)) if request.body else b""
        end = send(h11.EndOfMessage())
        return (head or b"") + (body or b"") + (end or b"")

    def _is_reusable(self) -> bool:
        """Make ready for the next question; False when the answer or what follows it forbids one."""
        parser = self._parser
        if parser.our_state is not h11.DONE or parser.their_state is not h11.DONE or parser.trailing_data != (b"", False):
            return False
        parser.start_next_cycle()
        return self.is_open

    def _hear(self, question: _Question, data: bytes | bytearray) -> bool:
        """Take bytes of an answer; False when there is nothing more to read on this connection."""
        question.heard_bytes += len(data)
        try:
            self._parser.receive_data(bytes(data))
            while (event := self._parser.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response):
                    question.status, question.headers = event.status_code, tuple(event.headers)
                elif isinstance(event, h11.Data):
                    question.body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    question.done.set()
                    return True
                elif isinstance(event, h11.ConnectionClosed):
                    self._fail("cut_short" if question.heard_bytes else "closed")
                    return False
        except h11.RemoteProtocolError:
            # With no more data to come, what was complete so far has been cut off.
            self._fail("malformed_http" if data else "cut_short" if question.heard_bytes else "closed")
            return False
        if len(question.body) > ANSWER_BYTES_MAX or question.heard_bytes > ANSWER_BYTES_MAX + HEAD_BYTES_MAX:
            self._fail("too_long")
            return False
        return True

    def _fail(self, reason: str) -> None:
        question = self._question
        if question is not None and not question.done.is_set():
            question.failure = reason
            question.sent.set()
            question.done.set()


async def ask_once(stream: trio.abc.Stream, peer: str, request: Request) -> Reply:
    """Ask on a connection that is used only for this. Raises: DeliveryError."""
    connection = Connection(stream, peer)
    outcome: Reply | DeliveryError
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.listen)
        try:
            outcome = await connection.ask(request)
        except DeliveryError as error:
            outcome = error
        connection.close()
    if isinstance(outcome, DeliveryError):
        raise outcome
    return outcome
