"""Seats: room for connections, and who makes it."""

import trio
from trio.testing import wait_all_tasks_blocked

from gateway.shell.seats import Seats


async def sit(seats: Seats, ended: list[str], name: str, *, known: bool = False) -> None:
    seat = seats.take()
    assert seat is not None
    if known:
        seat.keep()
    with seat:
        await trio.sleep_forever()
    ended.append(name)


async def test_the_oldest_stranger_makes_room_and_the_known_stay(nursery: trio.Nursery) -> None:
    seats, ended = Seats(3), []
    nursery.start_soon(lambda: sit(seats, ended, "known", known=True))
    await wait_all_tasks_blocked()
    for name in ("first", "second", "third"):
        nursery.start_soon(sit, seats, ended, name)
        await wait_all_tasks_blocked()
    assert (ended, seats.taken, seats.evicted) == (["first"], 3, 1)
    nursery.cancel_scope.cancel()


async def test_when_everybody_is_known_nobody_comes_in(nursery: trio.Nursery) -> None:
    seats, ended = Seats(2), []
    for name in ("one", "two"):
        nursery.start_soon(lambda name=name: sit(seats, ended, name, known=True))
    await wait_all_tasks_blocked()
    assert seats.take() is None
    assert (ended, seats.taken) == ([], 2)
    nursery.cancel_scope.cancel()


async def test_who_is_served_is_no_stranger_and_who_is_waited_for_is_one_again(nursery: trio.Nursery) -> None:
    seats = Seats(2)
    served, waiting = seats.take(), seats.take()
    assert served is not None
    assert waiting is not None
    served.keep()
    waiting.keep()
    assert seats.take() is None
    waiting.wait()
    assert seats.take() is not None
    assert waiting.scope.cancel_called
    assert not served.scope.cancel_called


async def test_those_who_were_asked_to_go_are_not_more_than_a_few() -> None:
    seats = Seats(10)
    taken = [seats.take() for _ in range(12)]
    assert taken[:11].count(None) == 0
    assert taken[11] is None, "eleven sit, one of them is on the way out"


async def test_a_seat_is_free_again_when_its_connection_ended() -> None:
    seats = Seats(1)
    for _ in range(3):
        seat = seats.take()
        assert seat is not None
        with seat:
            await trio.lowlevel.checkpoint()
    assert seats.taken == 0
    assert seats.evicted == 0
