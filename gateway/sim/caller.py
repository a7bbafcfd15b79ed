"""A small HTTP/1.1 client for those who play a part: carriers, bridges, apps, units."""

from collections.abc import Mapping

import h11
import trio

ANSWER_BYTES_MAX = 16 * 1024 * 1024


async def call(
    host: str, port: int, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None, timeout_s: float = 10.0
) -> tuple[int, bytes]:
    """One request on a connection of its own; status and body. Raises OSError, trio.TooSlowError, h11.RemoteProtocolError."""
    with trio.fail_after(timeout_s):
        async with await trio.open_tcp_stream(host, port) as stream:
            return await exchange(stream, f"{host}:{port}", method, target, body, headers or {})


async def exchange(stream: trio.abc.Stream, host: str, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """One request on a stream that is there already."""
    connection = h11.Connection(h11.CLIENT)
    head = h11.Request(
        method=method, target=target, headers=[("host", host), ("content-length", str(len(body))), ("connection", "close"), *headers.items()]
    )
    parts = [connection.send(head) or b""] + ([connection.send(h11.Data(data=body)) or b""] if body else [])
    await stream.send_all(b"".join(parts) + (connection.send(h11.EndOfMessage()) or b""))
    status, answer = 0, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(65_536)))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            answer += event.data
            if len(answer) > ANSWER_BYTES_MAX:
                raise h11.RemoteProtocolError("the answer is too long")
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            return status, answer
