"""Messages of JT/T 808 that come in parts: kept until all are there, for a bounded time in bounded memory.

Source: JT/T 808-2013 section 4.4.3 and dossier ``jt808.md`` section 6. Parts of one message have consecutive serial numbers,
so message id and ``serial - index`` name it.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

WAIT_US: Final = 30_000_000
"Between one part and the next; who stays silent longer begins again."
PARTS_MAX: Final = 32
"Parts of one message: 32 KiB, some 500 positions. Pictures have more, and are not joined."
MESSAGES_MAX: Final = 4
"Messages that one connection may have open; the oldest gives way."


class Joined(NamedTuple):
    """A message whose parts are all there."""

    body: bytes
    serials: tuple[int, ...]
    "Serial numbers of the parts, in order: each one wants its answer."


@dataclass(slots=True)
class _Open:
    total: int
    seen_at_us: int
    bodies: dict[int, bytes] = field(default_factory=dict)


class Parts:
    """The messages of one connection that are not whole yet."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], _Open] = {}

    def add(self, kind: int, serial: int, total: int, index: int, body: bytes, now_us: int) -> Joined | None:
        """Take one part (``1 <= index <= total <= PARTS_MAX``); the whole message when it was the last one missing.

        A whole message is kept as well: a part of it that comes again, because our answer was lost, is answered again.
        """
        for key in [key for key, message in self._open.items() if now_us - message.seen_at_us > WAIT_US]:
            del self._open[key]
        first = (serial - index + 1) & 0xFFFF
        message = self._open.pop((kind, first), None)
        if message is None or message.total != total or message.bodies.get(index, body) != body:
            message = _Open(total, now_us)
        message.bodies[index] = body
        message.seen_at_us = now_us
        while len(self._open) >= MESSAGES_MAX:
            del self._open[next(iter(self._open))]
        self._open[kind, first] = message
        if len(message.bodies) < total:
            return None
        numbers = range(1, total + 1)
        return Joined(b"".join(message.bodies[number] for number in numbers), tuple((first + number - 1) & 0xFFFF for number in numbers))
