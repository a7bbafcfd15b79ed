"""Deadlines by name: set, moved, dropped, and the next one found quickly. Monotonic microseconds."""

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Deadlines(Generic[Key]):
    """At most one deadline a key. Setting is O(log n); ties come out in the order in which they were set."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Key]] = []
        self._current: dict[Key, tuple[int, int]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._current)

    def set(self, key: Key, at_us: int) -> None:
        """Wake up for ``key`` at ``at_us``, whatever was set before."""
        self._count += 1
        self._current[key] = (at_us, self._count)
        heapq.heappush(self._heap, (at_us, self._count, key))
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self._current):
            # Moved deadlines leave their old places behind; sweep before they outnumber the living.
            self._heap = [(at, count, name) for name, (at, count) in self._current.items()]
            heapq.heapify(self._heap)

    def drop(self, key: Key) -> None:
        """Forget the deadline of ``key``, if it has one."""
        self._current.pop(key, None)

    def next_us(self) -> int | None:
        """When the earliest deadline is, or None."""
        while self._heap:
            at_us, count, key = self._heap[0]
            if self._current.get(key) == (at_us, count):
                return at_us
            heapq.heappop(self._heap)
        return None

    def due(self, now_us: int) -> Iterator[Key]:
        """Take out every key whose deadline has come, earliest first."""
        while (at_us := self.next_us()) is not None and at_us <= now_us:
            key = heapq.heappop(self._heap)[2]
            del self._current[key]
            yield key
