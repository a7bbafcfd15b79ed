"""The bulkhead holds: one connection's disaster is nobody else's (R-41)."""

import logging
import ssl

import pytest
import trio
from trio.testing import memory_stream_pair

from gateway.shell.bulkhead import SIGNATURES_MAX, LinkCounters, contained, guarded, note_crash, signature_of

LEFT = (trio.BrokenResourceError("reset"), trio.ClosedResourceError(), trio.TooSlowError())
CRASHES = (
    ValueError("lat 51.0543"), KeyError("x"), AssertionError(), RecursionError(), MemoryError(), ssl.SSLError(), OSError(24, "EMFILE"),
    ExceptionGroup("inner", [ValueError(), ExceptionGroup("deeper", [KeyError()])]),
)  # fmt: skip


async def run_one(error: BaseException | None) -> LinkCounters:
    counters = LinkCounters("test")
    stream, _ = memory_stream_pair()

    async def handler(_stream: trio.abc.Stream) -> None:
        await trio.lowlevel.checkpoint()
        if error is not None:
            raise error

    await guarded(handler, stream, counters)
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_all(b"x")
    return counters


async def test_handler_that_ends_well_is_closed():
    counters = await run_one(None)
    assert (counters.opened, counters.closed, counters.gone, counters.crashed, counters.open) == (1, 1, 0, 0, 0)


@pytest.mark.parametrize("error", LEFT, ids=repr)
async def test_peer_that_left_is_gone(error):
    counters = await run_one(error)
    assert (counters.gone, counters.crashed, counters.open) == (1, 0, 0)


@pytest.mark.parametrize("error", CRASHES, ids=lambda error: type(error).__name__)
async def test_crash_is_counted_with_its_place(error):
    counters = await run_one(error)
    assert (counters.gone, counters.crashed, counters.open) == (0, 1, 0)
    assert sum(counters.signatures.values()) == 1


async def test_group_with_a_crash_and_a_broken_peer_is_one_crash():
    counters = await run_one(ExceptionGroup("both", [trio.BrokenResourceError(), ValueError()]))
    assert (counters.gone, counters.crashed, counters.open) == (0, 1, 0)


async def test_cancelling_passes_through_and_closes():
    counters = LinkCounters("test")
    stream, _ = memory_stream_pair()

    async def wait(_stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    with trio.CancelScope() as scope:
        scope.cancel()
        await guarded(wait, stream, counters)
        raise AssertionError("cancelling was swallowed")
    assert scope.cancelled_caught
    assert (counters.closed, counters.open) == (1, 0)


async def test_keyboard_interrupt_is_not_ours_to_catch():
    with pytest.raises(KeyboardInterrupt):
        await run_one(KeyboardInterrupt())


async def test_child_task_failing_ends_only_this_connection():
    counters = LinkCounters("test")
    stream, _ = memory_stream_pair()

    async def fail(value: int) -> None:
        raise ValueError(value)

    async def handler(_stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, 1)
            nursery.start_soon(fail, 2)
            nursery.start_soon(trio.sleep_forever)

    await guarded(handler, stream, counters)
    assert counters.crashed == 1


async def test_crash_at_every_await_of_a_handler_ends_exactly_that_connection():
    """Raise before the n-th await of one handler, for every n; a neighbour in the same nursery sees nothing."""
    steps = 5
    counters = LinkCounters("test")
    finished = []

    async def handler(fail_at: int) -> None:
        for step in range(steps):
            if step == fail_at:
                raise RuntimeError
            await trio.lowlevel.checkpoint()
        finished.append(fail_at)

    async with trio.open_nursery() as nursery:
        for fail_at in range(steps + 1):
            stream, _ = memory_stream_pair()
            nursery.start_soon(guarded, lambda _, n=fail_at: handler(n), stream, counters)
    assert finished == [steps]
    assert (counters.opened, counters.closed, counters.crashed) == (steps + 1, 1, steps)


async def test_log_has_type_and_place_once_and_never_the_message(caplog):
    counters = LinkCounters("test")
    with caplog.at_level(logging.ERROR, "gateway.shell"):
        for _ in range(3):
            with contained(counters):
                raise ValueError("51.0543210 +32475000001\nforged line")
    assert len(caplog.records) == 1
    assert "ValueError" in caplog.text
    assert "51.05" not in caplog.text
    assert "forged" not in caplog.text
    assert counters.crashed == 3


def test_signatures_are_bounded():
    counters = LinkCounters("test")
    for n in range(SIGNATURES_MAX + 50):
        note_crash(counters, type(f"Error{n}", (Exception,), {})())
    assert len(counters.signatures) == SIGNATURES_MAX + 1
    assert counters.signatures["more"] == 50


def test_signature_of_an_error_that_was_never_raised_is_its_type():
    assert signature_of(ValueError("x")) == "ValueError"
