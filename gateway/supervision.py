"""Could each device alarm now? Online, late, lost, battery; technical kinds for the case team.

Soft state: nothing of it is written to disk, no position is ever in it. After a restart every device has one
full interval to be heard before it counts as late.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.deadlines import Deadlines
from gateway.model import NO_KIND, TECH, Device, Instant, Kind, Report
from gateway.times import NO_TIME, DeviceTime

LATE_AFTER = 1.5
LOST_AFTER = 3.0
INCIDENT_WINDOW_US = 60_000_000
INCIDENT_DEVICES_MIN = 5
"So many devices of one network lost within a minute are one incident, not many tickets."
NOTICES_KEPT_MAX = 1000
FACTS = ("battery_percent", "battery_v", "power_v", "charging", "firmware")
"What a report says of the device itself, under the same names in its health."


@dataclass(frozen=True, slots=True)
class SupervisionOptions:
    """When a device counts as silent or weak."""

    battery_low_percent: float = 25.0
    "Below this the case team is told."
    battery_critical_percent: float = 10.0
    "Below this it is urgent."


@dataclass(frozen=True, slots=True)
class Notice:
    """A technical event for the case team."""

    at_us: int
    device_id: str
    case_ref: str | None
    kinds: Kind
    group: str = ""
    "The listener it was last heard on, by which losses are gathered into one incident."


@dataclass(frozen=True, slots=True)
class Incident:
    """What is one thing to look into: one notice, or the losses of many devices of one network."""

    notices: tuple[Notice, ...]

    @property
    def at_us(self) -> int:
        """When it began."""
        return self.notices[0].at_us

    @property
    def kinds(self) -> Kind:
        """The same for all of its notices."""
        return self.notices[0].kinds


@dataclass(slots=True)
class Health:
    """What is known of one device."""

    device_id: str
    state: str = "UNHEARD"
    "UNHEARD, ONLINE, LATE, OFFLINE"
    last_heard_us: int | None = None
    heard_mono_us: int = 0
    protocol: str | None = None
    listener: str = ""
    battery_percent: float | None = None
    battery_v: float | None = None
    power_v: float | None = None
    "Of an external supply."
    charging: bool | None = None
    firmware: str | None = None
    signal_dbm: int | None = None
    "How well it hears its own cell. Which cell that is would be a position, and is kept in an alarm alone."
    clock: str | None = None
    "What its clock is worth: good, timezone, rollover, bad."
    clock_offset_s: int | None = None
    "How far its clock is ahead of UTC, by the newest frame that was not stored."
    facts_at_us: int | None = None
    "When the newest of these facts was true: a stored report does not displace a newer one."
    faults: Kind = NO_KIND
    last_test_us: int | None = None

    def learn(self, report: Report, time: DeviceTime, received_us: int) -> None:
        """Take over what a report says of the device itself, the newest of each."""
        at_us = time.at_us if time.can_be_trusted and time.at_us is not None else received_us
        is_newest = self.facts_at_us is None or at_us >= self.facts_at_us
        found: dict[str, float | int | bool | str | None] = {name: getattr(report, name) for name in FACTS}
        found["signal_dbm"] = report.cells[0].rssi_dbm if report.cells else None
        for name, value in found.items():
            if value is not None and (is_newest or getattr(self, name) is None):
                setattr(self, name, value)
        if is_newest:
            self.facts_at_us = at_us
        if report.event_at_us is not None and not report.stored and time.quality not in ("buffered", "none"):
            self.clock, self.clock_offset_s = time.quality, round((report.event_at_us - received_us) / 1_000_000)


class Supervision:
    """Health of every enrolled device; bounded by the registry."""

    def __init__(self, options: SupervisionOptions) -> None:
        self._options = options
        self._health: dict[str, Health] = {}
        self._deadlines: Deadlines[str] = Deadlines()
        self._devices: dict[str, Device] = {}
        self.notices: deque[Notice] = deque(maxlen=NOTICES_KEPT_MAX)

    def of(self, device_id: str) -> Health | None:
        """Health of one device, or None when it was never expected."""
        return self._health.get(device_id)

    def all(self) -> list[Health]:
        """Health of every device that is expected or was heard."""
        return list(self._health.values())

    def counts(self) -> dict[str, int]:
        """How many devices are in each state."""
        return dict(Counter(health.state for health in self._health.values()))

    def expect(self, devices: list[Device], now: Instant) -> None:
        """Take over the registry's list: every active device has one interval from now to be heard."""
        wanted: dict[str, Device] = {device.device_id: device for device in devices if device.state == "active"}
        for device_id in [device_id for device_id in self._health if device_id not in wanted]:
            del self._health[device_id]
            self._deadlines.drop(device_id)
        self._devices = {**wanted}
        for device_id, device in wanted.items():
            if device_id not in self._health:
                self._health[device_id] = Health(device_id, heard_mono_us=now.mono_us)
                self._wake(device, self._health[device_id], LATE_AFTER)

    def _wake(self, device: Device, health: Health, factor: float) -> None:
        self._deadlines.set(device.device_id, health.heard_mono_us + round(device.interval_s * factor * 1_000_000))

    def heard(
        self, device: Device, report: Report, protocol: str, listener: str, now: Instant, time: DeviceTime = NO_TIME
    ) -> list[Notice]:
        """A frame of an enrolled device came in; what the case team should be told. ``time``: its own, after the rules."""
        health = self._health.get(device.device_id)
        if health is None:
            health = self._health[device.device_id] = Health(device.device_id)
        self._devices[device.device_id] = device
        notices = []
        if health.state == "OFFLINE":
            notices.append(self._notice(device, Kind.RESTORED, now))
        health.state = "ONLINE"
        health.last_heard_us, health.heard_mono_us = now.wall_us, now.mono_us
        health.protocol, health.listener = protocol, listener
        health.learn(report, time, now.wall_us)
        kinds = report.kinds & TECH
        if report.battery_percent is not None:
            kinds = (kinds & ~(Kind.BATTERY_LOW | Kind.BATTERY_CRITICAL)) | self._battery_kind(report.battery_percent)
        # States that stay set are told when they change, not with each frame.
        if news := kinds & ~health.faults:
            notices.append(self._notice(device, news, now))
        health.faults = kinds
        self._wake(device, health, LATE_AFTER)
        return notices

    def tested(self, device_id: str, now: Instant) -> None:
        """A test press came through."""
        if health := self._health.get(device_id):
            health.last_test_us = now.wall_us

    def last_test_us(self, device_id: str) -> int | None:
        """When the last test press came through; None when none is known."""
        health = self._health.get(device_id)
        return health.last_test_us if health else None

    def _battery_kind(self, percent: float) -> Kind:
        if percent < self._options.battery_critical_percent:
            return Kind.BATTERY_CRITICAL
        return Kind.BATTERY_LOW if percent < self._options.battery_low_percent else NO_KIND

    def _notice(self, device: Device, kinds: Kind, now: Instant) -> Notice:
        health = self._health[device.device_id]
        notice = Notice(now.wall_us, device.device_id, device.case_ref, kinds, health.listener)
        self.notices.append(notice)
        return notice

    def next_deadline_us(self) -> int | None:
        """Monotonic time at which the next device becomes late or lost."""
        return self._deadlines.next_us()

    def on_deadline(self, now: Instant) -> list[Notice]:
        """Move devices that were not heard to LATE and OFFLINE; what the case team should be told."""
        notices = []
        for device_id in self._deadlines.due(now.mono_us):
            health, device = self._health.get(device_id), self._devices.get(device_id)
            if health is None or device is None:
                continue
            if health.state != "LATE":
                health.state = "LATE"
                self._wake(device, health, LOST_AFTER)
            else:
                health.state = "OFFLINE"
                notices.append(self._notice(device, Kind.COMMS_LOST, now))
        return notices

    def incidents(self) -> list[Incident]:
        """What the case team should look at, newest first: many losses of one network within a minute are one."""
        found = [Incident((notice,)) for notice in self.notices if not notice.kinds & Kind.COMMS_LOST]
        lost: dict[str, list[Notice]] = {}
        for notice in self.notices:
            if notice.kinds & Kind.COMMS_LOST:
                lost.setdefault(notice.group, []).append(notice)
        for losses in lost.values():
            found += gathered(losses)
        return sorted(found, key=lambda incident: incident.at_us, reverse=True)


def gathered(losses: Sequence[Notice]) -> Iterator[Incident]:
    """Losses of one network, oldest first: those within a minute of enough others as one incident, the others alone."""
    first = dense_until = 0
    is_dense = [False] * len(losses)
    for last, notice in enumerate(losses):
        while notice.at_us - losses[first].at_us > INCIDENT_WINDOW_US:
            first += 1
        if last - first >= INCIDENT_DEVICES_MIN - 1:
            dense_from = max(first, dense_until)
            dense_until = last + 1
            is_dense[dense_from:dense_until] = [True] * (dense_until - dense_from)
    together: list[Notice] = []
    for notice, belongs in zip(losses, is_dense, strict=True):
        if not belongs:
            yield Incident((notice,))
            continue
        if together and notice.at_us - together[-1].at_us > INCIDENT_WINDOW_US:
            yield Incident(tuple(together))
            together = []
        together.append(notice)
    if together:
        yield Incident(tuple(together))
