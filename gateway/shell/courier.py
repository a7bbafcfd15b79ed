"""Carries orders to devices: over the conversation that carries the device now, else by text to its enrolled number, else later.

    due order ── way? ──▶ bytes ──▶ OrderSent, durable ──▶ between two answers of the link ──▶ the device answers, or the clock does

An order is the least that a link carries: it is looked for when everything else of a turn is done, its record waits for
company on its way to the disk, and its bytes wait until no answer is due.
"""

from dataclasses import dataclass, field

import trio

from gateway.clock import Clock
from gateway.model import Device, Frame, Instant, Urgency
from gateway.orders import Ordered, OrderState
from gateway.shell.bulkhead import LinkCounters, contained
from gateway.shell.disk import Durable
from gateway.shell.fallback import Fallback
from gateway.shell.ingest import DeviceLink, settings_of
from gateway.shell.lane import Lane
from gateway.shell.speech import book_of, number_of, text_of

UDP_RECENT_US = 120_000_000
"A carrier's address translation forgets a quiet source after about two minutes."


@dataclass(frozen=True, slots=True)
class Way:
    """The conversation by which a device can be reached."""

    link: DeviceLink
    protocol: str
    address: str = field(repr=False)
    heard: Instant


class Courier:
    """Knows which conversation carries which device."""

    def __init__(self, lane: Lane, clock: Clock, fallback: Fallback) -> None:
        self.counters = LinkCounters("orders")
        self._lane = lane
        self._clock = clock
        self._fallback = fallback
        self._ways: dict[str, Way] = {}
        "device id -> its newest conversation; bounded by the registry"
        self._carried: dict[int, set[str]] = {}
        "link id -> devices whose way it is"
        self._under_way: set[str] = set()
        "devices to which something is being sent"
        self._nursery: trio.Nursery | None = None

    # ------------------------------------------------------------------------------------------- who is where

    def heard(self, link: DeviceLink, device_id: str, frame: Frame) -> None:
        """A device that may be given orders spoke over this conversation. A weaker link never takes the place of a better one."""
        known = self._ways.get(device_id)
        if link.link.transport not in ("tcp", "udp"):
            return
        if known is not None and known.link is not link and known.link.link.trust > link.link.trust and self._is_open(known):
            return
        if known is not None and known.link is not link:
            self._forget(known.link, device_id)
        self._ways[device_id] = Way(link, frame.protocol, book_of(frame.protocol).address(frame), self._clock.now())
        self._carried.setdefault(link.link.link_id, set()).add(device_id)
        self._look_soon(device_id)

    def doubted(self, device_id: str) -> None:
        """Two conversations of one tier claim to be this device: neither is given an order (R-61)."""
        if way := self._ways.pop(device_id, None):
            self._forget(way.link, device_id)

    def gone(self, link: DeviceLink) -> None:
        """This conversation has ended."""
        for device_id in self._carried.pop(link.link.link_id, ()):
            if (way := self._ways.get(device_id)) and way.link is link:
                del self._ways[device_id]

    def _forget(self, link: DeviceLink, device_id: str) -> None:
        carried = self._carried.get(link.link.link_id, set())
        carried.discard(device_id)
        if not carried:
            self._carried.pop(link.link.link_id, None)

    def _is_open(self, way: Way) -> bool:
        is_recent = way.link.link.transport != "udp" or self._clock.now().mono_us - way.heard.mono_us < UDP_RECENT_US
        return way.link.send is not None and is_recent

    # ------------------------------------------------------------------------------------------------ carrying

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be ready to carry, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    def look(self) -> None:
        """Start on everything that became due, or whose device was heard again, and has a way."""
        if self._nursery is None or self._nursery.cancel_scope.cancel_called:
            return
        for ordered in self._lane.desk.orders.take_news():
            device = self._lane.desk.facts.device(ordered.device_id)
            if device is not None and ordered.device_id not in self._under_way:
                self._try(ordered, device)

    def _look_soon(self, device_id: str) -> None:
        """There may be a way to this device now, if something is due to it."""
        if self._lane.desk.orders.wants(device_id):
            self._lane.desk.orders.look_again(device_id)
            self._lane.look_again()

    def _try(self, ordered: Ordered, device: Device) -> None:
        """By the open conversation; else by text; else it waits, unless the conversation shows that it has no words for it."""
        way = self._way_for(ordered, device)
        if way is not None:
            serial = self._lane.desk.orders.serial_of(ordered)
            data = book_of(way.protocol).write(ordered.order, way.address, settings_of(device), serial)
            if data is not None:
                self._start(ordered, way.link.link.transport, data, way.link)
                return
        if text := self._text_for(ordered, device):
            self._start(ordered, "sms", text.encode())
        elif way is not None:
            now = self._clock.now()
            self._lane.commit(self._lane.desk.order_unsayable(ordered.order_id, now), now, Urgency.C)

    def _way_for(self, ordered: Ordered, device: Device) -> Way | None:
        """An open conversation that may carry it. What is simulated stays in the simulation, and what is real out of it."""
        way = self._ways.get(ordered.device_id)
        if way is None or not self._is_open(way):
            return None
        is_simulated = way.link.link.simulated or device.simulated
        return way if is_simulated == ordered.simulated else None

    def _text_for(self, ordered: Ordered, device: Device) -> str | None:
        if ordered.simulated or not self._lane.desk.orders.options.sms or not self._fallback.has_texts or number_of(device) is None:
            return None
        health = self._lane.desk.supervision.of(device.device_id)
        return text_of(device, health.protocol if health else None, ordered.order)

    def _start(self, ordered: Ordered, via: str, data: bytes, link: DeviceLink | None = None) -> None:
        now = self._clock.now()
        events = self._lane.desk.order_sent(ordered.order_id, via, now)
        if events and self._nursery is not None:
            durable = self._lane.commit(events, now, Urgency.C)
            self._under_way.add(ordered.device_id)
            self._nursery.start_soon(self._send, ordered, data, link, durable)

    async def _send(self, ordered: Ordered, data: bytes, link: DeviceLink | None, durable: Durable | None) -> None:
        """Give the bytes away when the record that says so is durable. What fails is repeated by the clock, or expires."""
        try:
            with contained(self.counters):
                if not await self._lane.wait_durable(durable) or not self._is_outstanding(ordered):
                    return
                if link is None:
                    await self._text(ordered, data.decode())
                elif link.send is not None:
                    await link.send(data)
        finally:
            self._under_way.discard(ordered.device_id)
            self._look_soon(ordered.device_id)

    def _is_outstanding(self, ordered: Ordered) -> bool:
        """The answer may have overtaken us, or a clock."""
        now = self._lane.desk.orders.get(ordered.order_id)
        return now is not None and now.state is OrderState.SENT

    async def _text(self, ordered: Ordered, text: str) -> None:
        device = self._lane.desk.facts.device(ordered.device_id)
        number = number_of(device) if device else None
        if number is not None:
            await self._fallback.text_to(number, text)

