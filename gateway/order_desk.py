"""The desk for orders: who may be asked for what just now. Composes orders, alarms, supervision and the registry; yields events.

What a person may ask depends on the alarms of the device; what an alarm asks depends on what else of the device is followed.
"""

from collections.abc import Iterator
from dataclasses import replace

from gateway import events as ev
from gateway.alarms import Alarms
from gateway.errors import CommandError
from gateway.model import Alarm, Facts, Instant, Order, OrderKind, State
from gateway.orders import HAS_CENTRE, Ordered, Orders
from gateway.presses import person_of
from gateway.supervision import Supervision


class OrderDesk:
    """Decides; whoever drives it applies each event before asking for the next one."""

    def __init__(self, orders: Orders, alarms: Alarms, supervision: Supervision, facts: Facts) -> None:
        self.orders = orders
        self._alarms = alarms
        self._supervision = supervision
        self._facts = facts

    def of(self, device_id: str) -> list[Ordered]:
        """What a device was asked for, oldest first."""
        return self.orders.of(device_id)

    def alarms_of(self, device_id: str) -> list[Alarm]:
        """The alarms of one device that are at hand, in the order in which they were raised."""
        return [alarm for alarm in self._alarms.all() if alarm.device_id == device_id]

    def give(self, now: Instant) -> Iterator[ev.Event]:
        """What the alarms that changed ask of their devices. An unknown device is asked for nothing."""
        for alarm_id in self.orders.looks():
            alarm = self._alarms.get(alarm_id)
            device = self._facts.device(alarm.device_id) if alarm else None
            if alarm is not None and device is not None:
                yield from self.orders.follow(alarm, device, self._followed(alarm), now)

    def _followed(self, alarm: Alarm) -> Alarm | None:
        """The newest alarm of the same device whose positions are wanted."""
        found = self._alarms.followed(person_of(alarm.device_id, alarm.case_ref))
        return next((one for one in reversed(found) if one.device_id == alarm.device_id and one.state is not State.PENDING), None)

    def ask(self, device_id: str, order: Order, actor: str, now: Instant, *, is_simulation: bool) -> Iterator[ev.Event]:
        """A person asks a device for something. The last event is the ``OrderAsked``.

        Raises: CommandError: unknown_device, no_such_order; no_alarm: nobody is located without an alarm (a unit's tracker is nobody),
            and nothing is confirmed that no centre has accepted.
        """
        device = self._facts.device(device_id)
        if device is None:
            raise CommandError(f"no device {device_id}; `gateway device list` shows the known ones", code="unknown_device")
        alarms = [alarm for alarm in self.alarms_of(device_id) if alarm.is_open]
        if order.kind is OrderKind.CONFIRM:
            alarms = [alarm for alarm in alarms if alarm.state in HAS_CENTRE]
        if not alarms and (order.kind is OrderKind.CONFIRM or (order.kind is OrderKind.LOCATE and device.unit_id is None)):
            raise CommandError(f"device {device_id} has no open alarm that allows a {order.kind} order", code="no_alarm")
        if order.kind is OrderKind.CONFIRM:
            order = replace(order, kinds=alarms[-1].kinds)
        health = self._supervision.of(device_id)
        self.orders.require_known(device, device.protocol or (health.protocol if health else None), order)
        alarm_id = alarms[-1].alarm_id if alarms else None
        yield from self.orders.ask(device, order, actor, now, alarm_id=alarm_id, simulated=is_simulation or device.simulated)
