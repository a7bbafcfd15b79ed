"""Server-sent events on their way: the hub that follows the journal, and one sender for each console."""

from collections.abc import Awaitable, Callable, Iterator

import trio

from gateway.api import feeds
from gateway.api.house import House
from gateway.api.messages import Feed, Reply
from gateway.clock import Clock
from gateway.errors import JournalError
from gateway.events import Event
from gateway.shell.bulkhead import LinkCounters, contained

SEND_S = 10.0
"A console that takes nothing for so long is gone."
BATCH_MAX = 32
"Events of one send, and of one group of access records."
STREAMS_MAX = 1_000
"Consoles at the same time: each costs one encoding less, but one send more, for every event."


class Feeds:
    """Every console's stream."""

    def __init__(self, house: House, record: Callable[[tuple[Event, ...]], Awaitable[None]], clock: Clock) -> None:
        self._house = house
        self._record = record
        self._clock = clock
        self._hub = feeds.Hub(house)
        self.published = LinkCounters("feed")
        "Records told to consoles; a crashed one is an alarm that cannot be shown, and costs only that."

    def __len__(self) -> int:
        return len(self._hub)

    @property
    def is_full(self) -> bool:
        """No further console."""
        return len(self) >= STREAMS_MAX

    async def run(self) -> None:
        """Follow the journal and the units, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_journal)
            nursery.start_soon(self._follow_units)

    async def _follow_journal(self) -> None:
        journal = self._house.journal
        while True:
            await journal.wait_new(self._hub.seq)
            entries = journal.entries_since(self._hub.seq, BATCH_MAX)
            if entries is None:  # we were asleep for longer than the journal keeps: everybody starts anew
                self._hub.restart()
                continue
            for entry in entries:
                with contained(self.published):
                    self._hub.publish(entry, self._clock.now())
            await trio.lowlevel.checkpoint()

    async def _follow_units(self) -> None:
        while True:
            await trio.sleep(feeds.UNITS_EVERY_S)
            with contained(self.published):
                self._hub.publish_units()

    async def stream(self, feed: Feed, begin: Callable[[], Callable[[bytes | None], bytes]], stream: trio.abc.Stream) -> None:
        """Carry one console's stream until it leaves, lags too far behind or may not look any more."""
        framed = begin()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, stream, nursery.cancel_scope)
            await self._send_all(feed, lambda piece: _send(stream, framed(piece)))
            await _send(stream, framed(None))
            nursery.cancel_scope.cancel()

    async def _watch(self, stream: trio.abc.Stream, scope: trio.CancelScope) -> None:
        """A console says nothing more; when it closes, the stream is over."""
        while await stream.receive_some(4_096):
            pass
        scope.cancel()

    async def _send_all(self, feed: Feed, send: Callable[[bytes], Awaitable[None]]) -> None:
        waker = _Waker()
        subscription = self._hub.subscribe(feed, waker.wake, self._clock.now())
        try:
            await send(feeds.PREAMBLE)
            beat_at = trio.current_time() + feeds.HEARTBEAT_S
            while not subscription.is_lost:
                if subscription.queue:
                    await self._send_queued(subscription, send)
                else:
                    with trio.move_on_at(beat_at):
                        await waker.wait()
                if trio.current_time() >= beat_at:
                    beat_at = trio.current_time() + feeds.HEARTBEAT_S
                    if not feeds.is_welcome(self._house, feed.principal, self._clock.now()):
                        await send(feeds.written("logged_out", {}))
                        return
                    await send(self._hub.beat(subscription, self._clock.now()))
        except JournalError:
            return  # no view without a record: the console sees the stream end and says so
        finally:
            self._hub.unsubscribe(subscription)

    async def _send_queued(self, subscription: feeds.Subscription, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send what is queued, once the access records that it needs are durable."""
        queue = subscription.queue
        items = [queue.popleft() for _ in range(min(len(queue), BATCH_MAX))]
        now = self._clock.now()
        alarm_ids, events = feeds.unrecorded(self._house, subscription.principal, items, now)
        if events:
            await self._record(events)
        self._house.views.saw(subscription.principal.view_key, alarm_ids, now)
        texts = [await self._whole(item.parts) if item.parts else item.text for item in items]
        await send(b"".join(texts))

    async def _whole(self, parts: Iterator[Reply]) -> bytes:
        """A long event, once the records of each of its parts are durable."""
        texts = []
        for part in parts:
            if part.events:
                await self._record(part.events)
            if part.when_durable is not None:
                part.when_durable()
            texts.append(part.body)
            await trio.lowlevel.checkpoint()
        return b"".join(texts)


async def _send(stream: trio.abc.Stream, data: bytes) -> None:
    with trio.fail_after(SEND_S):
        await stream.send_all(data)


class _Waker:
    """An event that can be waited for again."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def wake(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = trio.Event()
