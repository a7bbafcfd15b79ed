"""A stand-in centre: takes alerts as a real one would, or misbehaves by a script.

It knows the gateway only by its public doors: HTTP, the signature of Standard Webhooks, the callback of
centres/webhook.md section 5. Nothing of the gateway's own delivery is used here, so that a mistake there does not
agree with itself.

A script is a list of steps, ``late 5, reject 503 x3, ok``: each new request takes the next step, the last one stays.
"""

import base64
import hmac
import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlsplit

import h11
import trio

from gateway.errors import CommandError

Json = dict[str, object]
Connect = Callable[[str, int], Awaitable[trio.abc.Stream]]

SIGNATURE_AGE_S_MAX = 300
ALERTS_KEPT = 10_000
HUGE_CHUNKS = 16_384
"Of 64 KiB: one gibibyte, if anybody reads it."
LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Please log in</title></head><body>Your session has expired.</body></html>"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do with one request."""

    name: str
    number: float = 0.0
    word: str = ""


@dataclass(frozen=True, slots=True)
class ReceivedAlert:
    """One request that carried an alert."""

    at_us: int
    message_id: str
    verified: bool
    repeated: bool
    "The same webhook-id was stored before."
    step: Step
    alert: Json = field(repr=False)
    "The data of the CloudEvents body; empty when it could not be read."
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Callback:
    """What a human at this centre does after an alarm was stored."""

    level: str
    after_s: float


BEHAVIOURS = {
    # name: what it needs, what it does
    "ok": ("", "stores it"),
    "late": ("N", "stores it after N seconds"),
    "reject": ("CODE", "answers with this status"),
    "busy": ("N", "answers 503 with Retry-After: N"),
    "ack": ("WORD", "stores it and says so: stored, displayed, accepted, rejected"),
    "ack-other": ("", "acknowledges another alarm"),
    "ack-twice": ("", "sends its answer twice"),
    "early": ("", "answers before it has read the body, then hangs up"),
    "down": ("", "hangs up at once"),
    "flap": ("N", "is up for N seconds, then down for N"),
    "hang": ("", "reads and never answers"),
    "html": ("", "serves a login page with status 200"),
    "redirect": ("", "sends 302 to somewhere else"),
    "half-json": ("", "breaks off in the middle of a JSON acknowledgement"),
    "huge": ("", "answers with a gibibyte"),
    "close": ("", "closes after the headers of its answer"),
    "chunked": ("", "stores it, after 100 Continue, in a chunked answer"),
}


def read_script(text: str) -> tuple[Step, ...]:
    """The steps of a script. Raises: CommandError that shows what can be written."""
    steps: list[Step] = []
    for part in text.split(","):
        words = part.split()
        times = 1
        if len(words) > 1 and re.fullmatch(r"x[1-9]\d{0,4}", words[-1]):
            times = int(words.pop()[1:])
        step = _read_step(words)
        if step is None:
            known = ", ".join(f"{name} {need}".strip() for name, (need, _) in BEHAVIOURS.items())
            raise CommandError(f"script step {part.strip()!r} is not one of: {known}; add x3 to repeat a step")
        steps += [step] * times
    return tuple(steps)


def _read_step(words: list[str]) -> Step | None:
    name = words[0] if words else ""
    need = BEHAVIOURS.get(name, ("?", ""))[0]
    if need == "?" or len(words) != 1 + bool(need):
        return None
    if not need:
        return Step(name)
    if need == "WORD":
        return Step(name, word=words[1])
    if not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", words[1]) or (need == "CODE" and not re.fullmatch(r"[2-5]\d\d", words[1])):
        return None
    return Step(name, float(words[1]))


def read_secret(text: str) -> bytes:
    """The key behind ``whsec_…``."""
    encoded = text.strip().removeprefix("whsec_")
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


def sign(secret: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """One signature as Standard Webhooks wants it."""
    content = message_id.encode() + b"." + str(timestamp_s).encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(secret, content, sha256).digest()).decode()


class StandInCentre:
    """One centre, whatever network it is reached by: ``serve`` takes one connection.

    Args:
        wall_us: the time, for checking and making signatures.
        secrets: by which alerts must be signed; none: signatures are not looked at.
        callbacks: what its operator does after an alarm was first stored, sent to ``gateway_url``.
        on_alert: called for every request that carries an alert.
        on_told: called for every callback that was made: alarm, level, status of the answer (0: none came).
    """

    def __init__(
        self,
        wall_us: Callable[[], int],
        *,
        script: str = "ok",
        secrets: Sequence[bytes] = (),
        callbacks: Sequence[Callback] = (),
        gateway_url: str = "",
        operator: str = "operator-1",
        connect: Connect = trio.open_tcp_stream,
        on_alert: Callable[[ReceivedAlert], None] = lambda received: None,
        on_told: Callable[[str, str, int], None] = lambda alarm_id, level, status: None,
    ) -> None:
        self.received: list[ReceivedAlert] = []
        self.stored: OrderedDict[str, Json] = OrderedDict()
        "Alerts by webhook-id, as a real centre would keep them."
        self._wall_us = wall_us
        self._secrets = tuple(secrets)
        self._callbacks = tuple(callbacks)
        self._gateway = urlsplit(gateway_url)
        self._operator = operator
        self._connect = connect
        self._on_alert = on_alert
        self._on_told = on_told
        self._nursery: trio.Nursery | None = None
        self._steps: list[Step] = []
        self._began_at = 0.0
        self.play(script)

    def play(self, script: str) -> None:
        """From now on behave like this."""
        self._steps = list(read_script(script))
        self._began_at = -1.0

    @property
    def alarms(self) -> dict[str, list[Json]]:
        """What was stored, by alarm, in the order of arrival."""
        by_alarm: dict[str, list[Json]] = {}
        for alert in self.stored.values():
            by_alarm.setdefault(str(alert.get("alarm_id")), []).append(alert)
        return by_alarm

    async def run(self, listeners: Sequence[trio.SocketListener], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take connections until cancelled. Callbacks are made only while this (or ``with_nursery``) runs."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.serve_listeners(self.serve, list(listeners), handler_nursery=nursery)

    def with_nursery(self, nursery: trio.Nursery) -> None:
        """Make callbacks from this nursery, where connections come from elsewhere (a simulated network)."""
        self._nursery = nursery

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Answer the requests of one connection until it ends. Nothing that the caller does is raised."""
        try:
            if self._current_step().name == "down":
                return
            link = _Link(stream)
            while await self._serve_one(link):
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            pass
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _serve_one(self, link: "_Link") -> bool:
        """One request; False when the connection shall end."""
        request = await link.next_head()
        if request is None:
            return False
        step = self._take_step()
        if step.name == "down":
            return False
        if step.name == "early":
            await link.send_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            return False
        if step.name == "chunked":
            await link.send_raw(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await link.read_body()
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
        received = self._receive(headers, body, step)
        if not received.verified:
            return await link.answer(401, b'{"error":"signature"}')
        return await self._answer(link, step, received)

    # ----------------------------------------------------------------------------------------------- behaviour

    def _current_step(self) -> Step:
        step = self._steps[0]
        if step.name != "flap":
            return step
        if self._began_at < 0:
            self._began_at = trio.current_time()
        is_up = int((trio.current_time() - self._began_at) / step.number) % 2 == 0 if step.number else True
        return Step("ok") if is_up else Step("down")

    def _take_step(self) -> Step:
        step = self._current_step()
        if len(self._steps) > 1:
            self._steps.pop(0)
        return step

    async def _answer(self, link: "_Link", step: Step, received: ReceivedAlert) -> bool:
        if step.name == "hang":
            await trio.sleep_forever()
        if step.name == "late":
            await trio.sleep(step.number)
        if step.name in ("ok", "late", "chunked", "ack", "ack-twice", "huge", "half-json", "close") and step.word != "rejected":
            self._store(received)
        match step.name:
            case "reject":
                return await link.answer(int(step.number), b'{"error":"scripted"}')
            case "busy":
                return await link.answer(503, b"", ("retry-after", str(int(step.number))))
            case "html":
                return await link.answer(200, LOGIN_PAGE, ("content-type", "text/html; charset=utf-8"))
            case "redirect":
                return await link.answer(302, b"", ("location", "https://login.example/"))
            case "ack":
                said = {"ack": step.word, "operator": self._operator}
                return await link.answer(200, json.dumps(said).encode())
            case "ack-other":
                return await link.answer(200, json.dumps({"ack": "stored", "alarm_id": "f" * 32, "seq": 1}).encode())
            case "ack-twice":
                await link.answer(200, b'{"ack":"stored"}')
                await link.send_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n" + b'{"ack":"stored"}')
                return True
            case "half-json":
                await link.send_raw(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 60\r\n\r\n{"ack":"acce')
                return False
            case "close":
                await link.send_raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n")
                return False
            case "huge":
                await link.send_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
                for _ in range(HUGE_CHUNKS):
                    await link.send_raw(bytes(65_536))
                return False
            case "chunked":
                await link.send_raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                for piece in (b'{"ack":', b'"stored"}'):
                    await link.send_raw(b"%x\r\n%s\r\n" % (len(piece), piece))
                await link.send_raw(b"0\r\n\r\n")
                return False
        return await link.answer(200, b"")

    def _receive(self, headers: dict[str, str], body: bytes, step: Step) -> ReceivedAlert:
        message_id = headers.get("webhook-id", "")
        try:
            event = json.loads(body)
        except (ValueError, RecursionError):
            event = None
        alert = event.get("data") if isinstance(event, dict) else None
        verified = not self._secrets or self._is_signed(headers, body)
        received = ReceivedAlert(
            self._wall_us(), message_id, verified, message_id in self.stored, step, alert if isinstance(alert, dict) else {}, body
        )
        self.received.append(received)
        del self.received[:-ALERTS_KEPT]
        self._on_alert(received)
        return received

    def _is_signed(self, headers: dict[str, str], body: bytes) -> bool:
        stamp = headers.get("webhook-timestamp", "")
        if not re.fullmatch(r"\d{1,12}", stamp) or abs(self._wall_us() // 1_000_000 - int(stamp)) > SIGNATURE_AGE_S_MAX:
            return False
        given = headers.get("webhook-signature", "").split()
        wanted = [sign(secret, headers.get("webhook-id", ""), int(stamp), body) for secret in self._secrets]
        return any(hmac.compare_digest(one.encode(), other.encode()) for one in wanted for other in given)

    def _store(self, received: ReceivedAlert) -> None:
        if received.message_id in self.stored:
            return
        alarm_id = str(received.alert.get("alarm_id", ""))
        is_new = not any(alert.get("alarm_id") == alarm_id for alert in self.stored.values())
        self.stored[received.message_id] = received.alert
        if len(self.stored) > ALERTS_KEPT:
            self.stored.popitem(last=False)
        if is_new and self._nursery is not None and self._gateway.hostname:
            for callback in self._callbacks:
                self._nursery.start_soon(self._tell, alarm_id, callback)

    # ------------------------------------------------------------------------------------------------ callbacks

    async def _tell(self, alarm_id: str, callback: Callback) -> None:
        """What the operator says some time after an alarm was stored."""
        await trio.sleep(callback.after_s)
        await self.tell(alarm_id, {"level": callback.level, "operator": self._operator})

    async def tell(self, alarm_id: str, said: Json) -> int:
        """Tell the gateway something about an alarm, signed by this centre's first secret; status of the answer, 0: none."""
        status = 0
        try:
            with trio.move_on_after(5):
                status = await self._post_callback(alarm_id, said)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            status = 0
        self._on_told(alarm_id, str(said.get("level")), status)
        return status

    async def _post_callback(self, alarm_id: str, said: Json) -> int:
        body = json.dumps(said).encode()
        message_id, stamp = f"cb-{alarm_id}-{said.get('level')}", self._wall_us() // 1_000_000
        host, port = self._gateway.hostname or "", self._gateway.port or 80
        head = (
            f"POST {self._gateway.path.rstrip('/')}/api/v1/alarms/{alarm_id}/ack HTTP/1.1\r\n"
            f"host: {self._gateway.netloc}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
            f"webhook-id: {message_id}\r\nwebhook-timestamp: {stamp}\r\n"
        )
        if self._secrets:
            head += f"webhook-signature: {sign(self._secrets[0], message_id, stamp, body)}\r\n"
        stream = await self._connect(host, port)
        try:
            await stream.send_all(head.encode() + b"\r\n" + body)
            answer = await stream.receive_some(4096)
        finally:
            await trio.aclose_forcefully(stream)
        found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
        return int(found[1]) if found else 0


class _Link:
    """One connection, as a server."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._parser = h11.Connection(h11.SERVER)

    async def _next(self) -> object:
        while (event := self._parser.next_event()) is h11.NEED_DATA:
            self._parser.receive_data(bytes(await self._stream.receive_some(16_384)))
        return event

    async def next_head(self) -> h11.Request | None:
        event = await self._next()
        return event if isinstance(event, h11.Request) else None

    async def read_body(self) -> bytes:
        body = bytearray()
        while isinstance(event := await self._next(), h11.Data):
            body += event.data
        return bytes(body)

    async def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> bool:
        kind = () if any(name == "content-type" for name, _ in headers) or not body else (("content-type", "application/json"),)
        head = h11.Response(status_code=status, headers=[*headers, *kind, ("content-length", str(len(body)))])
        data = self._parser.send(head) or b""
        data += self._parser.send(h11.Data(data=body)) or b""
        data += self._parser.send(h11.EndOfMessage()) or b""
        await self._stream.send_all(data)
        if self._parser.our_state is h11.MUST_CLOSE:
            return False
        self._parser.start_next_cycle()
        return True

    async def send_raw(self, data: bytes) -> None:
        """Bytes past the parser: what a well-behaved server would not send."""
        await self._stream.send_all(data)
