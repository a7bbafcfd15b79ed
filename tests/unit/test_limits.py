"""Rates, deadlines, identities: the small judges of the desk."""

from gateway.deadlines import Deadlines
from gateway.limits import Limits, Rate, SharedLimit, conforms
from gateway.model import Urgency


def test_the_cell_rate_passes_its_vector() -> None:
    rate = Rate(100, 4)
    due_us, passed = 0, []
    for at in (0, 0, 0, 0, 0, 50, 100, 150, 200, 1000, 1000, 1000, 1000, 1000):
        allowed, due_us = conforms(at, due_us, rate)
        passed.append(int(allowed))
    assert passed == [1, 1, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0]
    assert due_us == 1400


def test_one_device_does_not_use_up_the_rate_of_another() -> None:
    limits = Limits()
    assert [limits.allow("a", Urgency.D, 0) for _ in range(6)] == [True] * 5 + [False]
    assert limits.allow("b", Urgency.D, 0)
    assert limits.allow("a", Urgency.C, 0)


def test_strangers_share_one_bucket() -> None:
    limit = SharedLimit(Rate(5_000, 3))
    assert [limit.allow(0) for _ in range(4)] == [True, True, True, False]


def test_a_moved_deadline_fires_once_at_its_new_time() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 10)
    deadlines.set("b", 20)
    deadlines.set("a", 30)
    assert deadlines.next_us() == 20
    assert list(deadlines.due(25)) == ["b"]
    deadlines.drop("a")
    assert deadlines.next_us() is None and list(deadlines.due(100)) == []


def test_moving_deadlines_for_ever_does_not_grow_memory() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for at in range(100_000):
        deadlines.set(at % 10, at)
    assert len(deadlines._heap) <= 100
