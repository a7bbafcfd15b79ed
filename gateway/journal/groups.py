"""What waits for the disk: order and batching, as a pure queue.

Numbers are given out here and nowhere else, in the order of the calls; what leaves the queue leaves in that order.
A group is what one write and one sync cover. It closes

    at once                  when it holds a class A or B record: everything up to the last of them goes with it
    when it is large enough  (``group_kib``), or its first record is ``group_wait_ms`` old
    when the writer is idle  for as long: a lone record on a quiet journal waits for nobody
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.errors import JournalError
from gateway.events import Event
from gateway.journal.options import JournalOptions
from gateway.journal.record import RECORD_HEAD_BYTES
from gateway.model import Instant, Urgency

URGENT = frozenset({Urgency.A, Urgency.B})
"Classes that are never refused and never wait for company."


class Draft(NamedTuple):
    """A numbered event on its way to the disk."""

    seq: int
    at_us: int
    urgency: Urgency
    body: bytes
    event: Event

    @property
    def size(self) -> int:
        """Bytes that it takes on the disk."""
        return RECORD_HEAD_BYTES + len(self.body)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call brought; it becomes durable as a whole or not at all."""

    drafts: tuple[Draft, ...]
    size: int
    "Bytes."
    since_mono_us: int
    is_urgent: bool
    done: Callable[[JournalError | None], None]
    "Called once, when its fate is known."


class Groups:
    """The queue in front of the disk. Not thread-safe: the shell guards it."""

    def __init__(self, options: JournalOptions, next_seq: int) -> None:
        self._wait_us = int(options.group_wait_ms * 1000)
        self._group_bytes = options.group_kib * 1024
        self._records_max = options.queue_records_max
        self._bytes_max = options.queue_kib_max * 1024
        self._waiting: deque[Batch] = deque()
        self._urgent = 0
        self.next_seq = next_seq
        self.records = 0
        "Waiting now."
        self.bytes = 0
        self.records_peak = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def oldest_mono_us(self) -> int | None:
        """Since when the oldest record waits."""
        return self._waiting[0].since_mono_us if self._waiting else None

    def is_full(self) -> bool:
        """Classes C and D find no room."""
        return self.records >= self._records_max or self.bytes >= self._bytes_max

    def add(
        self, events: Sequence[Event], bodies: Sequence[bytes], now: Instant, urgency: Urgency, done: Callable[[JournalError | None], None]
    ) -> Batch:
        """Number the events and queue them.

        Raises: JournalError: the queue is full and the class is not A or B. No number is used up.
        """
        is_urgent = urgency in URGENT
        if self.is_full() and not is_urgent:
            raise JournalError(f"{self.records} records wait for the disk; class {urgency.value} is refused until it has caught up")
        drafts = tuple(
            Draft(self.next_seq + index, now.wall_us, urgency, body, event)
            for index, (event, body) in enumerate(zip(events, bodies, strict=True))
        )  # fmt: skip
        batch = Batch(drafts, sum(draft.size for draft in drafts), now.mono_us, is_urgent, done)
        self.next_seq += len(drafts)
        self._waiting.append(batch)
        self._urgent += is_urgent
        self.records += len(drafts)
        self.bytes += batch.size
        self.records_peak = max(self.records_peak, self.records)
        return batch

    def next_deadline_us(self, idle_since_us: int) -> int | None:
        """When (monotonic) the group that is waiting now closes by itself; None when nothing waits."""
        if not self._waiting:
            return None
        if self._urgent or self.bytes >= self._group_bytes:
            return self._waiting[0].since_mono_us
        return min(self._waiting[0].since_mono_us, idle_since_us) + self._wait_us

    def take(self, now_mono_us: int, idle_since_us: int, *, at_once: bool = False) -> list[Batch]:
        """The next group in order; empty when none closes yet.

        Args:
            idle_since_us: when the writer was done with the last group (monotonic).
            at_once: close it in any case (the journal is being drained).
        """
        deadline_us = self.next_deadline_us(idle_since_us)
        if deadline_us is None or (deadline_us > now_mono_us and not at_once):
            return []
        group: list[Batch] = []
        size = 0
        while self._waiting and (self._urgent or not group or size + self._waiting[0].size <= self._group_bytes):
            batch = self._waiting.popleft()
            group.append(batch)
            size += batch.size
            self._urgent -= batch.is_urgent
            self.records -= len(batch.drafts)
            self.bytes -= batch.size
        return group
