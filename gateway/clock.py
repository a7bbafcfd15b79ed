"""The only file that reads a clock.

Two times exist. *Wall* time (Unix UTC microseconds) is written down and shown; *monotonic* time (microseconds
from an arbitrary zero) is waited on. They travel together as an ``Instant`` so that no deadline is ever computed
from a clock that somebody can set (R-50).
"""

import time
from typing import Protocol

from gateway.model import Instant


class Clock(Protocol):
    """What the shell hands to everything that needs to know the time."""

    def now(self) -> Instant:
        """Both times, read together."""


class SystemClock:
    """The clocks of the host."""

    def now(self) -> Instant:
        return Instant(time.time_ns() // 1000, time.monotonic_ns() // 1000)


def monotonic_ns() -> int:
    """Monotonic nanoseconds, for measuring how long something took."""
    return time.monotonic_ns()
