"""One connection as its caller: only a complete answer to a question that was asked is an answer."""

import pytest
import trio
import trio.testing

from gateway.delivery.webhook import Request
from gateway.errors import DeliveryError
from gateway.shell.exchange import Connection, ask_once

QUESTION = Request("/hook", ((b"Host", b"x"), (b"Content-Length", b"2")), b"{}")
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def answered(nursery, *parts: bytes, close: bool = False):
    """What comes of one question when the peer says these parts, in turn, after it has heard the question."""
    ours, theirs = trio.testing.memory_stream_pair()
    connection = Connection(ours, "x")
    nursery.start_soon(connection.listen)

    async def peer() -> None:
        heard = b""
        while not heard.endswith(b"{}"):
            heard += await theirs.receive_some()
        for part in parts:
            await theirs.send_all(part)
        if close:
            await theirs.aclose()

    nursery.start_soon(peer)
    return await connection.ask(QUESTION), connection


async def test_a_complete_answer_is_one_however_it_is_cut(nursery):
    for parts in ([GOOD], [bytes([byte]) for byte in GOOD], [b"HTTP/1.1 100 Continue\r\n\r\n", GOOD]):
        reply, connection = await answered(nursery, *parts)
        assert (reply.status, reply.body, connection.is_open) == (200, b"ok", True)
    reply, connection = await answered(nursery, b"HTTP/1.0 200 OK\r\n\r\nok", close=True)
    assert reply.body == b"ok" and not connection.is_open


@pytest.mark.parametrize(
    "parts, reason",
    [
        ((b"",), "closed"),
        ((b"HTTP/1.1 2",), "cut_short"),
        ((GOOD[:-1],), "cut_short"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n",), "cut_short"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n\r\n",), "malformed_http"),
        ((b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 9000,), "malformed_http"),
        ((b"HTTP/1.1 200 OK\r\n\r\n", bytes(40_000), bytes(40_000)), "too_long"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,), "too_long"),
    ],
)
async def test_anything_less_says_what_it_was(nursery, parts, reason):
    with pytest.raises(DeliveryError) as error:
        await answered(nursery, *parts, close=True)
    assert error.value.reason == reason


async def test_what_follows_an_answer_ends_the_connection(nursery):
    reply, connection = await answered(nursery, GOOD + GOOD)
    assert reply.status == 200 and not connection.is_open


async def test_bytes_that_nobody_asked_for_end_the_connection(nursery):
    ours, theirs = trio.testing.memory_stream_pair()
    connection = Connection(ours, "x")
    nursery.start_soon(connection.listen)
    await trio.testing.wait_all_tasks_blocked()
    assert await connection.is_fit()
    await theirs.send_all(GOOD)
    assert not await connection.is_fit()
    with pytest.raises(DeliveryError, match="closed"):
        await connection.ask(QUESTION)


async def test_an_answer_does_not_count_when_the_question_did_not_leave(nursery):
    ours, theirs = trio.testing.lockstep_stream_pair()
    connection = Connection(ours, "x")
    nursery.start_soon(connection.listen)

    async def hasty() -> None:
        await theirs.receive_some(20)
        await theirs.send_all(GOOD)
        await theirs.aclose()

    nursery.start_soon(hasty)
    with pytest.raises(DeliveryError):
        await connection.ask(QUESTION)


async def test_a_question_that_is_given_up_takes_its_connection_with_it(autojump_clock, nursery):
    ours, theirs = trio.testing.memory_stream_pair()
    connection = Connection(ours, "x")
    nursery.start_soon(connection.listen)
    with trio.move_on_after(3):
        await connection.ask(QUESTION)
    assert not connection.is_open
    await trio.testing.wait_all_tasks_blocked()


async def test_a_single_question_closes_behind_itself(nursery):
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_eof()
    with pytest.raises(DeliveryError):
        await ask_once(ours, "x", QUESTION)
    with pytest.raises(trio.ClosedResourceError):
        await ours.send_all(b"x")
