"""The desk as the API sees it: with a clock for what has an age, and the shell's own counters beside the desk's."""

from collections.abc import Callable, Iterable, Mapping

from gateway.api.messages import time_text
from gateway.clock import Clock
from gateway.desk import Desk
from gateway.model import kind_names
from gateway.supervision import Health

Gauge = Callable[[], Mapping[str, object]]


class FrontDesk:
    """What ``api.doors.Desk`` asks for."""

    def __init__(self, desk: Desk, clock: Clock, gauges: Iterable[Gauge] = ()) -> None:
        self._desk = desk
        self._clock = clock
        self._gauges = tuple(gauges)
        self.alarms = desk.alarms
        self.alarm = desk.alarm
        self.alert = desk.alert
        self.frame = desk.frame
        self.centre_told = desk.centre_told
        self.resolve = desk.resolve
        self.reopen = desk.reopen
        self.mark_real = desk.mark_real
        self.extend_tracking = desk.extend_tracking
        self.stop_tracking = desk.stop_tracking
        self.reassign = desk.reassign
        self.open_test_window = desk.open_test_window
        self.viewed = desk.viewed
        self.ask_order = desk.ask_order
        self.orders_of = desk.order_desk.of
        self.alarms_of = desk.order_desk.alarms_of
        self.unit_moved = desk.unit_moved
        self.unit_status = desk.unit_status
        self.way = desk.way

    def units(self) -> Iterable[dict[str, object]]:
        """Every unit that was heard, with the age of its position."""
        return self._desk.unit_rows(self._clock.now())

    def unknown_devices(self) -> Iterable[dict[str, object]]:
        """Identities that nobody registered, newest first."""
        for one in self._desk.identities.strangers():
            yield {
                "identity": one.identity,
                "protocol": one.protocol,
                "transport": one.transport,
                "first_seen_at": time_text(one.first_seen_us),
                "last_seen_at": time_text(one.last_seen_us),
                "frames": one.frames,
                "pressed": one.alarms > 0,
            }

    def devices_health(self) -> Iterable[dict[str, object]]:
        """Supervision of registered devices; never a position."""
        return map(health_json, self._desk.supervision.all())

    def device_health(self, device_id: str) -> dict[str, object] | None:
        """The same of one device; None when it is not supervised."""
        health = self._desk.supervision.of(device_id)
        return health_json(health) if health else None

    def incidents(self, is_own: Callable[[str], bool]) -> Iterable[dict[str, object]]:
        """Technical incidents, newest first; of each only the devices that are the caller's own."""
        for one in self._desk.supervision.incidents():
            own = [notice for notice in one.notices if is_own(notice.device_id)]
            if own:
                yield {
                    "at": time_text(one.at_us),
                    "kinds": kind_names(one.kinds),
                    "devices": [notice.device_id for notice in own],
                    "cases": sorted({notice.case_ref for notice in own if notice.case_ref}),
                    "devices_in_all": len(one.notices),
                }

    def statistics(self) -> Mapping[str, object]:
        """Counters of the desk and of every door, by the names of ``api/metrics.py``."""
        found = dict(self._desk.statistics())
        for gauge in self._gauges:
            found.update(gauge())
        return found


SHOWN = ("protocol", "battery_percent", "battery_v", "power_v", "charging", "firmware", "signal_dbm", "clock", "clock_offset_s")


def health_json(one: Health) -> dict[str, object]:
    """What is known of a device itself; what is not known is absent."""
    row: dict[str, object] = {"device": one.device_id, "state": one.state, "flags": kind_names(one.faults)}
    times = (("last_heard_at", one.last_heard_us), ("last_test_at", one.last_test_us))
    row |= {name: time_text(at_us) for name, at_us in times if at_us is not None}
    return row | {name: value for name in SHOWN if (value := getattr(one, name)) is not None}
