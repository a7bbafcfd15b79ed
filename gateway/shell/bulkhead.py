"""The bulkhead: whatever goes wrong in one connection, frame or request ends there.

An exception that leaves a handler would cancel the whole nursery: listener, journal, everything (R-41). So every
handler of every port runs through ``guarded`` (one connection) or ``contained`` (one datagram, one message).
``Cancelled`` and ``KeyboardInterrupt`` pass through; everything else is counted and, once per signature, logged
as type and place. Messages of exceptions are never logged: they may quote what a stranger sent us, or a position.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import trio

StreamT = TypeVar("StreamT", bound=trio.abc.AsyncResource)

SIGNATURES_MAX = 256
"Distinct crashes remembered per port. A program has fewer lines that can raise; the bound is against surprises."

_log = logging.getLogger("gateway.shell")


@dataclass(slots=True)
class LinkCounters:
    """How the connections (or messages) of one port ended. ``opened = open + closed + gone + crashed``."""

    port: str
    "The port, as it stands in logs and metrics: http, tcp gt06, udp …"
    opened: int = 0
    closed: int = 0
    "The handler finished by itself."
    gone: int = 0
    "The peer left, said nothing in time or never finished its TLS hello."
    crashed: int = 0
    "Our mistake, or hostile input that found one."
    signatures: dict[str, int] = field(default_factory=dict)
    "Crashes by type and place."

    @property
    def open(self) -> int:
        """Connections that live now."""
        return self.opened - self.closed - self.gone - self.crashed


def signature_of(error: BaseException) -> str:
    """Type and innermost place of an exception, such as ``ValueError at gateway/api/press.py:41``. No message."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "gateway" in frame.filename] or frames
    if not ours:
        return type(error).__name__
    place = "/".join(ours[-1].filename.split("/")[-3:])
    return f"{type(error).__name__} at {place}:{ours[-1].lineno}"


def note_crash(counters: LinkCounters, error: BaseException) -> None:
    """Remember a crash by signature, and log the signature the first time that it is seen."""
    signature = signature_of(error)
    if signature not in counters.signatures:
        if len(counters.signatures) >= SIGNATURES_MAX:
            signature = "more"
        _log.error("link.crashed port=%r error=%r", counters.port, signature)
    counters.signatures[signature] = counters.signatures.get(signature, 0) + 1


@contextmanager
def contained(counters: LinkCounters) -> Iterator[None]:
    """Run the body; whatever it raises ends only the body. One of ``closed``, ``gone``, ``crashed`` goes up by one."""
    counters.opened += 1
    gone = crashed = False
    try:
        yield
    except* (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
        gone = True
    except* Exception as group:  # noqa: BLE001 - the named bulkhead
        crashed = True
        note_crash(counters, group)
    finally:
        if crashed:
            counters.crashed += 1
        elif gone:
            counters.gone += 1
        else:
            counters.closed += 1


async def guarded(handler: Callable[[StreamT], Awaitable[object]], stream: StreamT, counters: LinkCounters) -> None:
    """Run one connection; whatever its handler raises ends only this connection.

    The stream is closed in any case, at once and without goodbye: a handler that wants a graceful end makes it
    itself. Cancelling ends the handler and is passed on.
    """
    try:
        with contained(counters):
            await handler(stream)
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)
