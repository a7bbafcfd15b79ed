"""Room for connections: descriptors are kept back for the journal and the centres, and strangers make room first.

Every connection costs a descriptor, and so does the journal's next segment and every way to a centre. Without a
bound, whoever opens connections decides whether an alarm can be kept and sent (R-28). When every seat is taken, the
one who has been a stranger for longest loses his; who is known keeps his.
"""

import resource
from contextlib import suppress
from types import TracebackType
from typing import Self

import trio

DEVICES_SHARE = 0.6
HTTP_SHARE = 0.25
"Of the descriptors. The rest is for journal, registry, centres, console files and the control socket."
LEAVING_SHARE = 1.1
"Who was asked to go holds his descriptor for one more turn of the loop; with so many of them nobody else comes in."


def raise_limit() -> None:
    """Let this process have as many descriptors as its user may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def descriptors() -> int:
    """How many descriptors this process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Seats:
    """The seats of one kind of connection."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.taken = 0
        self.evicted = 0
        self._strangers: dict[int, Seat] = {}
        "Oldest first."

    def take(self) -> "Seat | None":
        """A seat, for a stranger; None when everybody who is here is known. To be used in a ``with`` statement."""
        if self.taken >= self.places * LEAVING_SHARE:
            return None
        if self.taken >= self.places:
            if not self._strangers:
                return None
            self._strangers.pop(next(iter(self._strangers))).scope.cancel()
            self.evicted += 1
        seat = Seat(self)
        self.taken += 1
        seat.wait()
        return seat

    def is_stranger(self, seat: "Seat", yes: bool) -> None:
        """For the seats alone."""
        self._strangers.pop(id(seat), None)
        if yes:
            self._strangers[id(seat)] = seat


class Seat:
    """One connection's seat; inside the ``with`` statement an eviction ends the body."""

    def __init__(self, seats: Seats) -> None:
        self.scope = trio.CancelScope()
        self._seats = seats

    def keep(self) -> None:
        """Somebody known sits here, or something is being done for whoever does."""
        self._seats.is_stranger(self, False)

    def wait(self) -> None:
        """Nobody known, and we wait for what he says."""
        self._seats.is_stranger(self, True)

    def __enter__(self) -> Self:
        self.scope.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        self.keep()
        self._seats.taken -= 1
        return self.scope.__exit__(kind, error, trace)
