"""Two hundred histories of the simulated world, three planted bugs, and one history twice.

``GATEWAY_SIM_SEEDS=first:last`` plays others; a failure prints its seed, which replays exactly.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.alarms import Alarms
from gateway.model import Instant
from gateway.shell.disk import Durable
from tests.fault.world import Gateway, World

FIRST, _, LAST = os.environ.get("GATEWAY_SIM_SEEDS", "1:200").partition(":")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1)
BATCH = 20


@pytest.mark.parametrize("first", range(SEEDS.start, SEEDS.stop, BATCH))
def test_no_acknowledged_press_is_lost_or_unheard(first: int) -> None:
    for seed in range(first, min(first + BATCH, SEEDS.stop)):
        world = World(seed).run()
        assert world.faults() == [], f"seed {seed}: replay with GATEWAY_SIM_SEEDS={seed}"


# ------------------------------------------------------------------------------------------ who tests the tests


def found_within(mutate: object, seeds: int, **size: int) -> int | None:
    """The first seed whose history shows the planted bug, and is well without it."""
    for seed in range(1, seeds + 1):
        if World(seed, mutate, **size).run().faults():  # type: ignore[arg-type]
            assert World(seed, **size).run().faults() == [], f"seed {seed}: a fault that nobody planted"  # type: ignore[arg-type]
            return seed
    return None


def test_an_answer_before_the_sync_is_found() -> None:
    async def believe(durable: Durable | None) -> bool:
        return True

    def mutate(gateway: Gateway) -> None:
        gateway.lane.wait_durable = believe  # type: ignore[method-assign]

    assert found_within(mutate, 60) is not None


def test_a_close_that_swallows_a_new_press_is_found() -> None:
    class Swallowing(Alarms):
        def _joinable(self, sighting, is_test):  # type: ignore[no-untyped-def]
            return next(iter(reversed(self.open_of(sighting.person))), None)

    def mutate(gateway: Gateway) -> None:
        gateway.desk.alarms_fold.__class__ = Swallowing

    assert found_within(mutate, 60) is not None


def test_retries_on_wall_time_are_found() -> None:
    def mutate(gateway: Gateway) -> None:
        outbox, now = gateway.desk.outbox, gateway.lane._clock.now

        def on_wall(instant: Instant) -> Instant:
            return Instant(instant.wall_us, instant.wall_us)

        for name in ("apply", "queue", "resume", "answered", "on_deadline", "due"):
            method = getattr(outbox, name)
            setattr(outbox, name, lambda *args, method=method, **more: method(*(on_wall(a) if isinstance(a, Instant) else a for a in args), **more))
        for name in ("next_deadline_us", "next_escalation_us"):
            method = getattr(outbox, name)

            def as_monotonic(method=method) -> int | None:  # type: ignore[no-untyped-def]
                at_us, instant = method(), now()
                return None if at_us is None else at_us - instant.wall_us + instant.mono_us

            if name == "next_deadline_us":
                outbox.next_deadline_us = as_monotonic
        escalation = outbox.next_escalation_us
        outbox.next_escalation_us = lambda: None if (at_us := escalation()) is None else at_us - now().wall_us + now().mono_us

    # In a small town: where something happens all the time, each success brings along what waits for the same route.
    assert found_within(mutate, 300, tcp=2, udp=1) is not None


def test_a_seed_replays_exactly_in_another_process() -> None:
    program = (
        "import hashlib; from tests.fault.world import World; w = World(7).run();"
        "print(hashlib.sha256('\\n'.join(w.history + sorted(w.centre.stored)).encode()).hexdigest())"
    )
    digests = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )  # fmt: skip
        digests.add(done.stdout.strip().splitlines()[-1])
    world = World(7).run()
    digests.add(hashlib.sha256("\n".join(world.history + sorted(world.centre.stored)).encode()).hexdigest())
    assert len(digests) == 1
