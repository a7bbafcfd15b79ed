"""A hand-moved clock around the alarm fold, for tests that read like stories."""

from gateway import events as ev
from gateway.alarms import AlarmOptions, Alarms, Sighting
from gateway.model import Alarm, Case, CaseRef, Device, DeviceId, Fix, Instant, Kind, Report, Trust
from gateway.times import DeviceClocks

START_US = 1_773_576_000_000_000
"2026-03-15T12:00:00Z"
SECOND_US = 1_000_000

HERE = Fix(lat_e7=601_700_000, lon_e7=249_400_000, accuracy_m=10.0)


class Story:
    """One gateway's alarms, one clock, one device (``dev-1``) of one case unless said otherwise."""

    def __init__(self, options: AlarmOptions | None = None) -> None:
        self.alarms = Alarms(options or AlarmOptions())
        self.clocks = DeviceClocks()
        self.now = Instant(START_US, 1_000_000_000)
        self.case: Case | None = Case(CaseRef("GE-1"))
        self.reported = True

    def wait(self, seconds: float) -> list[ev.Event]:
        """Let time pass, and everything happen that falls due on the way."""
        end_us = self.now.mono_us + round(seconds * SECOND_US)
        found: list[ev.Event] = []
        while (at_us := self.alarms.next_deadline_us()) is not None and at_us <= end_us:
            self._move_to(at_us)
            found += self.let(self.alarms.on_deadline(self.now, lambda alarm_id: self.reported))
        self._move_to(end_us)
        return found

    def _move_to(self, mono_us: int) -> None:
        ahead_us = max(0, mono_us - self.now.mono_us)
        self.now = Instant(self.now.wall_us + ahead_us, self.now.mono_us + ahead_us)

    def step_wall(self, seconds: float) -> None:
        """Somebody sets the host's clock."""
        self.now = Instant(self.now.wall_us + round(seconds * SECOND_US), self.now.mono_us)

    def let(self, source: object) -> list[ev.Event]:
        """Apply each event as it is decided."""
        found: list[ev.Event] = []
        for event in source:  # type: ignore[attr-defined]
            self.alarms.apply(event, self.now)
            found.append(event)
        return found

    def sight(
        self,
        kinds: Kind,
        *,
        fix: Fix | None = None,
        serial: int | None = None,
        ago_s: float | None = None,
        device: str = "dev-1",
        case: str | None = "GE-1",
        transport: str = "tcp",
        trust: Trust = Trust.T2,
        stored: bool = False,
        simulated: bool = False,
        raw: bytes = b"frame",
        standing: bool = False,
    ) -> list[ev.Event]:
        """One report arrives now. ``ago_s``: device time, counted back from now."""
        event_us = None if ago_s is None else self.now.wall_us - round(ago_s * SECOND_US)
        report = Report(kinds, fix, event_us, serial, stored=stored, standing=standing)
        time = self.clocks.normalise(device, event_us, self.now.wall_us, stored=stored)
        of = Device(DeviceId(device), case_ref=CaseRef(case) if case else None)
        sighting = Sighting(of, self.case if case else None, "gt06", transport, report, raw, time, self.now, trust, (), simulated)
        return self.let(self.alarms.sighted(sighting))

    def press(self, **how: object) -> str:
        """An SOS; the id of the alarm that it made or joined."""
        events = self.sight(Kind.SOS_BUTTON, **how)  # type: ignore[arg-type]
        return next(event.alarm_id for event in events if isinstance(event, (ev.AlarmRaised, ev.AlarmPressed)))

    def alarm(self, alarm_id: str) -> Alarm:
        """The alarm as it is now."""
        alarm = self.alarms.get(alarm_id)
        assert alarm is not None
        return alarm

    def resolve(self, alarm_id: str) -> None:
        """The operator ends it."""
        self.let(self.alarms.resolve(alarm_id, "ACCIDENTAL", "op-1", "cic", None))


def names(events: list[ev.Event]) -> list[str]:
    """Event names, for short assertions."""
    return [type(event).__name__ for event in events]
