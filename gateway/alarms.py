"""Report -> Alarm: raise, join, update, close.

The state of every alarm is a fold over the journal: ``apply`` is the only method that changes anything. The
deciding methods are generators of events; whoever drives them applies each event before asking for the next
one, so that a decision always sees the state that the last one left:

    for event in alarms.sighted(sighting):
        desk.apply(event, now)

Which event leads where, and what it changes in an alarm, stands in ``life.py``.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from gateway import events as ev
from gateway.deadlines import Deadlines
from gateway.errors import CommandError
from gateway.life import PRESSABLE, begun, changed
from gateway.model import ENDED, LIFE, OUTCOMES, PRE, TECH, Alarm, Case, Device, Fix, Instant, Kind, Networks, Report, Seen, State, Trust
from gateway.positions import is_place, is_plausible
from gateway.presses import COPY_WINDOW_US, Press, Presses, Switches, mint_alarm_id, person_of, press_key
from gateway.times import DeviceTime

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class AlarmOptions:
    """Timers of an alarm's life, and what to do with whom we do not know."""

    pre_alarm_s: float = 60.0
    "A pre-alarm counts down this long; nobody cancels: it is an alarm."
    test_window_s: float = 900.0
    "How long the case team's test window stays open."
    track_interval_s: float = 10.0
    "How often a device reports while its alarm is open; three times as long without a word is lost contact."
    track_s: float = 7200.0
    "Tracking ends so long after the last press."
    track_extension_s: float = 3600.0
    "What one extension adds."
    no_location_s: float = 60.0
    "An alarm still without any position after this long is said to be so again."
    reopen_window_s: float = 300.0
    "A resolved alarm stays open to being reopened this long before it is closed."
    close_after_s: float = 86_400.0
    "A resolved alarm is closed after this long even when its end could not be reported."
    last_fix_s: float = 0.0
    "How long the last position before a press may be kept in memory, for the alarm alone; 0 keeps none."
    unknown_devices: str = "list"
    "list: an unknown device's alarm is shown to staff. raise: it is raised with the doubt unknown_device."


@dataclass(frozen=True, slots=True)
class Sighting:
    """One report of an enrolled device, with all that is known about how it came."""

    device: Device
    case: Case | None
    protocol: str
    transport: str
    report: Report
    raw: bytes
    time: DeviceTime
    now: Instant
    trust: Trust
    doubts: tuple[str, ...] = ()
    simulated: bool = False

    @property
    def person(self) -> str:
        """Whose presses are compared with this one."""
        return person_of(self.device.device_id, self.device.case_ref)


class Alarms:
    """Every alarm of the last two days, and what is due for the open ones."""

    def __init__(self, options: AlarmOptions) -> None:
        self.options = options
        self._alarms: dict[str, Alarm] = {}
        self._open: dict[str, list[str]] = {}
        "person -> ids of alarms that are not ended, oldest first"
        self._person: dict[str, str] = {}
        self._last_of: dict[str, str] = {}
        "device id -> its newest alarm"
        self._presses = Presses()
        self._switches = Switches()
        self._windows: dict[str, int] = {}
        "device id -> monotonic end of its test window"
        self._deadlines: Deadlines[tuple[str, str]] = Deadlines()
        self._resolved_mono_us: dict[str, int] = {}

    # ------------------------------------------------------------------------------------------- questions

    def get(self, alarm_id: str) -> Alarm | None:
        """The alarm, if it is one of ours and not yet forgotten."""
        return self._alarms.get(alarm_id)

    def all(self) -> list[Alarm]:
        """Every alarm that is remembered, in the order in which they were raised."""
        return list(self._alarms.values())

    def open_of(self, person: str) -> list[Alarm]:
        """This person's alarms that have not ended."""
        return [self._alarms[alarm_id] for alarm_id in self._open.get(person, ())]

    def followed(self, person: str) -> list[Alarm]:
        """This person's alarms that want her positions."""
        return [alarm for alarm in self.open_of(person) if alarm.state in PRESSABLE and alarm.tracking != "OFF"]

    def is_known_press(self, person: str, key: str) -> bool:
        """Whether a press with this identity made or joined an alarm of hers lately."""
        return self._presses.same_key(person, key) is not None

    def has_test_window(self, device_id: str, now: Instant) -> bool:
        """Whether the next press of this device is a test."""
        return self._windows.get(device_id, 0) > now.mono_us

    # ------------------------------------------------------------------------------- deciding: from a device

    def sighted(self, sighting: Sighting) -> Iterator[ev.Event]:
        """Everything that one report changes."""
        kinds, device_id, mono_us = sighting.report.kinds, sighting.device.device_id, sighting.now.mono_us
        raised: str | None = None
        is_copy = False
        is_still_set = self._switches.is_still_set(device_id, sighting.report, mono_us)
        self._switches.heard(device_id, sighting.report, mono_us)
        for alarm in self.open_of(sighting.person):
            if alarm.device_silent and alarm.tracking != "OFF" and alarm.state in PRESSABLE:
                yield ev.DeviceHeard(alarm.alarm_id)
        if kinds & (LIFE | Kind.TEST_PRESS):
            raised, is_copy = yield from self._pressed(sighting, is_still_set)
        elif kinds & (Kind.PRE_ALARM | Kind.TIMER_STARTED):
            raised = yield from self._counting_down(sighting)
        if kinds & (Kind.CANCEL_CLAIM | Kind.TIMER_CANCELLED):
            yield from self._cancel_claimed(sighting)
        if is_copy:
            return  # the same words again: nothing new about where she is
        for alarm in self.followed(sighting.person):
            if alarm.alarm_id != raised:
                yield from self._followed(sighting, alarm)

    def _pressed(self, sighting: Sighting, is_still_set: bool) -> Generator[ev.Event, None, tuple[str | None, bool]]:
        """Copy, repeat, or a new alarm; returns the id of a new one, and whether every word of it was known."""
        if is_still_set:
            # A switch that is still set is not pressed again; whoever never heard of it raises it all the same.
            return None, False
        key = press_key(sighting.device.device_id, sighting.report, sighting.raw)
        known = self._copy_of(sighting, key)
        if known is not None:
            yield from self._copied(sighting, known, key)
            return None, known.key == key
        is_test = self._is_test(sighting)
        alarm = self._joinable(sighting, is_test)
        if alarm is None:
            event = self._raise(sighting, key, is_test=is_test)
            yield event
            return event.alarm_id, False
        if alarm.state is State.PENDING:
            yield ev.AlarmExpired(alarm.alarm_id, "pressed")
        yield ev.AlarmPressed(
            alarm.alarm_id, sighting.transport, sighting.report.kinds, sighting.now.wall_us, sighting.trust, key, False,
            sighting.doubts, sighting.simulated, self._event_us(sighting),
        )  # fmt: skip
        return None, False

    def _copy_of(self, sighting: Sighting, key: str) -> Press | None:
        """The press that this report is a copy of. None whenever there is doubt: a press is never hidden."""
        same = self._presses.same_key(sighting.person, key)
        if same is not None:
            recent = sighting.now.mono_us - same.seen_mono_us <= COPY_WINDOW_US
            alarm = self._alarms.get(same.alarm_id)
            if alarm is not None and alarm.state not in PRESSABLE:
                # A device that repeats because our answer was lost repeats at once; later it is a replay or a new press.
                return same if recent and sighting.time.can_be_trusted else None
            if recent or (alarm is not None and alarm.state in PRESSABLE and sighting.time.can_be_trusted):
                return same
            return None
        moment = self._presses.same_moment(
            sighting.person, sighting.transport, sighting.device.device_id, sighting.time, sighting.now.mono_us
        )
        if moment is None:
            return None
        alarm = self._alarms.get(moment.alarm_id)
        if alarm is not None and alarm.state in PRESSABLE and alarm.state is not State.PENDING:
            return moment
        resolved_us = self._resolved_mono_us.get(moment.alarm_id)
        if alarm is None or resolved_us is None or not sighting.time.can_be_trusted or sighting.time.at_us is None:
            return None
        # Answered already: only what was provably pressed before the answer is a late copy of it.
        pressed_ago_us = sighting.now.wall_us - sighting.time.at_us
        return moment if sighting.now.mono_us - pressed_ago_us < resolved_us else None

    def _copied(self, sighting: Sighting, press: Press, key: str) -> Iterator[ev.Event]:
        """Record the first copy over each road; the others only refresh the window."""
        first_here = press.transport != sighting.transport and self._presses.same_key(sighting.person, key) is None
        press.seen_mono_us = sighting.now.mono_us
        alarm = self._alarms.get(press.alarm_id)
        if alarm is not None and (first_here or sighting.trust > alarm.trust or set(sighting.doubts) - set(alarm.doubts)):
            yield ev.AlarmPressed(
                alarm.alarm_id, sighting.transport, sighting.report.kinds, sighting.now.wall_us, sighting.trust, key, True,
                sighting.doubts, sighting.simulated, self._event_us(sighting),
            )  # fmt: skip

    @staticmethod
    def _event_us(sighting: Sighting) -> int | None:
        return sighting.time.at_us if sighting.time.can_be_trusted else None

    def _is_test(self, sighting: Sighting) -> bool:
        if sighting.report.kinds & Kind.TEST_PRESS and not sighting.report.kinds & LIFE:
            return True
        if not self.has_test_window(sighting.device.device_id, sighting.now):
            return False
        # A buffered press of before the window is real, however late it comes.
        opened_ago_us = self.options.test_window_s * SECOND_US - (self._windows[sighting.device.device_id] - sighting.now.mono_us)
        if sighting.time.quality != "buffered" or sighting.time.at_us is None:
            return True
        return sighting.now.wall_us - sighting.time.at_us <= opened_ago_us

    def _joinable(self, sighting: Sighting, is_test: bool) -> Alarm | None:
        """The open alarm that a press joins. A real press never disappears in a test."""
        for alarm in reversed(self.open_of(sighting.person)):
            if alarm.state in PRESSABLE and alarm.simulated == sighting.simulated and (not alarm.test or is_test):
                return alarm
        return None

    def _raise(self, sighting: Sighting, key: str, *, is_test: bool = False, pending: bool = False) -> ev.AlarmRaised:
        report, device, case, time = sighting.report, sighting.device, sighting.case, sighting.time
        before = self._presses.same_key(sighting.person, key)
        alarm_id = mint_alarm_id(device.device_id, key, time, sighting.now.wall_us)
        doubts = list(sighting.doubts)
        if before is not None and (report.sequence is not None or report.event_at_us is not None):
            doubts.append("replay_suspect")
        if alarm_id in self._alarms:
            alarm_id = mint_alarm_id(device.device_id, key, time, sighting.now.wall_us, attempt=sighting.now.wall_us)
        if time.quality == "bad":
            doubts.append("clock")
        if case is not None and case.state in ("SUSPENDED", "ENDED"):
            doubts.append("case_ended")
        place = self._place(report.fix)
        if report.fix is not None and place is None and report.fix.valid:
            doubts.append("implausible")
        last = self._alarms.get(self._last_of.get(device.device_id, ""))
        return ev.AlarmRaised(
            alarm_id=alarm_id,
            device=device.device_id,
            protocol=sighting.protocol,
            transport=sighting.transport,
            kinds=report.kinds & ~PRE if report.kinds & LIFE else report.kinds,
            received_at_us=sighting.now.wall_us,
            event_at_us=self._event_us(sighting),
            device_time_us=report.event_at_us,
            time_quality=time.quality,
            trust=sighting.trust,
            press_key=key,
            case_ref=device.case_ref,
            case_state=case.state if case else "UNKNOWN" if device.case_ref else None,
            doubts=tuple(dict.fromkeys(doubts)),
            late=time.quality == "buffered" or report.stored,
            pending=pending,
            test=is_test,
            simulated=sighting.simulated,
            fix=place,
            fix_current=place is not None and place.valid and time.quality != "buffered",
            battery_percent=report.battery_percent,
            text=report.text,
            linked_to=last.alarm_id if last and last.state not in PRESSABLE else None,
            networks=self._networks(sighting),
        )

    @staticmethod
    def _place(fix: Fix | None) -> Fix | None:
        return fix if fix is not None and is_place(fix) else None

    def _networks(self, sighting: Sighting) -> Networks | None:
        """What the device saw, when it does not know where it is."""
        report, place = sighting.report, self._place(sighting.report.fix)
        if (place is not None and place.valid) or not (report.cells or report.wifi):
            return None
        return Networks(report.cells, report.wifi, sighting.now.wall_us)

    def _counting_down(self, sighting: Sighting) -> Generator[ev.Event, None, str | None]:
        """A pre-alarm starts a count-down, unless an alarm is open already."""
        key = press_key(sighting.device.device_id, sighting.report, sighting.raw)
        if self._joinable(sighting, is_test=False) is not None or self._copy_of(sighting, key) is not None:
            return None
        event = self._raise(sighting, key, pending=True)
        yield event
        return event.alarm_id

    def _cancel_claimed(self, sighting: Sighting) -> Iterator[ev.Event]:
        for alarm in self.open_of(sighting.person):
            if alarm.state is State.PENDING and not sighting.report.kinds & Kind.DURESS:
                yield ev.PreAlarmCancelled(alarm.alarm_id)
            elif alarm.state in PRESSABLE and not alarm.cancel_claimed:
                yield ev.CancelClaimed(alarm.alarm_id, sighting.now.wall_us)

    def _followed(self, sighting: Sighting, alarm: Alarm) -> Iterator[ev.Event]:
        """Position and faults of a device with an open alarm."""
        report = sighting.report
        faults = report.kinds & TECH
        if faults & ~alarm.faults:
            yield ev.FaultReported(alarm.alarm_id, faults, report.battery_percent)
        networks, known = self._networks(sighting), alarm.networks
        if networks and (known is None or (known.cells, known.wifi) != (networks.cells, networks.wifi)):
            yield ev.NetworksReported(alarm.alarm_id, networks)
        place = self._place(report.fix)
        if place is None:
            return
        seen = Seen(place, sighting.now.wall_us, True, sighting.trust)
        doubts = () if is_plausible(alarm.position, seen) else ("implausible",)
        current = place.valid and not doubts and not report.stored and sighting.time.quality != "buffered" and self._is_newest(alarm, seen)
        yield ev.PositionReported(
            alarm.alarm_id, place, sighting.now.wall_us, current, sighting.trust, (*sighting.doubts, *doubts), report.battery_percent
        )

    @staticmethod
    def _is_newest(alarm: Alarm, seen: Seen) -> bool:
        """Newer than what is shown; and a less trusted source does not displace a fresh, more trusted one."""
        known = alarm.position
        if known is None:
            return True
        if seen.trust < known.trust and seen.received_at_us - known.received_at_us < COPY_WINDOW_US:
            return False
        if seen.fix.at_us is not None and known.fix.at_us is not None and seen.received_at_us - seen.fix.at_us < COPY_WINDOW_US * 2:
            return seen.fix.at_us >= known.fix.at_us
        return True

    # -------------------------------------------------------------------------------- deciding: by the clock

    def next_deadline_us(self) -> int | None:
        """Monotonic time of the next thing to do."""
        return self._deadlines.next_us()

    def on_deadline(self, now: Instant, is_reported: Callable[[str], bool]) -> Iterator[ev.Event]:
        """Everything that is due. ``is_reported(alarm_id)``: every centre knows how it ended."""
        for alarm_id, what in list(self._deadlines.due(now.mono_us)):
            alarm = self._alarms.get(alarm_id)
            if alarm is None:
                continue
            if what == "expire" and alarm.state is State.PENDING:
                yield ev.AlarmExpired(alarm_id, "count-down ended")
            elif what == "silent" and alarm.state in PRESSABLE - {State.PENDING} and alarm.tracking != "OFF" and not alarm.device_silent:
                yield ev.DeviceSilent(alarm_id, round(3 * self.options.track_interval_s))
            elif what == "no_location" and alarm.state in PRESSABLE and alarm.position is None and not alarm.faults & Kind.GNSS_LOST:
                yield ev.FaultReported(alarm_id, Kind.GNSS_LOST)
            elif what == "track" and alarm.tracking != "OFF":
                yield ev.TrackingStopped(alarm_id, "time is over")
            elif what == "close" and alarm.state is State.RESOLVED:
                resolved_us = self._resolved_mono_us.get(alarm_id, now.mono_us)
                if is_reported(alarm_id):
                    yield ev.AlarmClosed(alarm_id, "resolved and reported")
                elif now.mono_us - resolved_us >= self.options.close_after_s * SECOND_US:
                    yield ev.AlarmClosed(alarm_id, "resolved; its end could not be reported")
                else:
                    self._deadlines.set((alarm_id, "close"), now.mono_us + 10 * SECOND_US)
            elif what == "forget" and alarm.state in ENDED:
                self._forget(alarm_id)

    # --------------------------------------------------------------------------------- deciding: by a human

    def open_test_window(self, device_id: str, actor: str, now: Instant) -> Iterator[ev.Event]:
        """The case team expects a test press."""
        yield ev.TestWindowOpened(device_id, now.wall_us + round(self.options.test_window_s * SECOND_US), actor)

    def told(self, event: ev.CentreTold) -> Iterator[ev.Event]:
        """A centre told us how far it is. Telling twice changes nothing."""
        alarm = self._known(event.alarm_id)
        if event.level == "closed":
            outcome = event.note if event.note in OUTCOMES else "UNKNOWN"
            yield from self.resolve(event.alarm_id, outcome, event.operator or "centre", event.centre_id, event.note)
            return
        if alarm.state in ENDED:
            raise CommandError(f"alarm {event.alarm_id} has ended ({alarm.state}); nothing can be told about it any more", code="ended")
        yield event

    def resolve(self, alarm_id: str, outcome: str, operator: str, centre_id: str | None, note: str | None) -> Iterator[ev.Event]:
        """An operator ends it with an outcome code. Taking it is part of ending it."""
        alarm = self._known(alarm_id)
        if outcome not in OUTCOMES:
            raise CommandError(f"outcome {outcome!r} is none of ours; use one of {', '.join(OUTCOMES)}", code="bad_outcome")
        if alarm.state in ENDED or alarm.state is State.RESOLVED:
            raise CommandError(f"alarm {alarm_id} is {alarm.state} already", code="ended")
        if alarm.state is State.PENDING:
            raise CommandError(f"alarm {alarm_id} still counts down; nobody was alerted", code="pending")
        if alarm.taken_by is None:
            yield ev.CentreTold(alarm_id, centre_id or (alarm.decision.area.centre_id if alarm.decision else ""), "accepted", operator)
        yield ev.AlarmResolved(alarm_id, outcome, operator, centre_id, note)
        if alarm.tracking != "OFF":
            yield ev.TrackingStopped(alarm_id, "resolved")

    def reopen(self, alarm_id: str, operator: str, reason: str) -> Iterator[ev.Event]:
        """A supervisor reopens a resolved alarm."""
        alarm = self._known(alarm_id)
        if alarm.state is not State.RESOLVED:
            raise CommandError(f"alarm {alarm_id} is {alarm.state}; only a resolved alarm can be reopened", code="not_resolved")
        if not reason.strip():
            raise CommandError("reopening needs a reason", code="reason_missing")
        yield ev.AlarmReopened(alarm_id, operator, reason)

    def mark_real(self, alarm_id: str, operator: str) -> Iterator[ev.Event]:
        """An operator turns a test into a real alarm."""
        alarm = self._known(alarm_id)
        if not alarm.test:
            raise CommandError(f"alarm {alarm_id} is no test", code="not_a_test")
        if alarm.state not in PRESSABLE:
            raise CommandError(f"alarm {alarm_id} is {alarm.state}; its outcome stands", code="ended")
        yield ev.TestMarkedReal(alarm_id, operator)

    def extend_tracking(self, alarm_id: str, operator: str, seconds: int | None) -> Iterator[ev.Event]:
        """Follow her for longer."""
        alarm = self._known(alarm_id)
        if alarm.state not in PRESSABLE:
            raise CommandError(f"alarm {alarm_id} is {alarm.state}; nobody is followed without an alarm", code="ended")
        yield ev.TrackingExtended(alarm_id, operator, seconds or round(self.options.track_extension_s))

    def stop_tracking(self, alarm_id: str, operator: str) -> Iterator[ev.Event]:
        """Stop following her; the alarm stays open."""
        alarm = self._known(alarm_id)
        if alarm.tracking != "OFF":
            yield ev.TrackingStopped(alarm_id, f"by {operator}")

    def _known(self, alarm_id: str) -> Alarm:
        alarm = self._alarms.get(alarm_id)
        if alarm is None:
            raise CommandError(f"no alarm {alarm_id}; `gateway alarm list` shows the known ones", code="unknown_alarm")
        return alarm

    # ---------------------------------------------------------------------------------------------- the fold

    def apply(self, event: ev.Event, now: Instant) -> None:
        """Let one event happen. ``now`` is when it happened, on the monotonic clock of this process."""
        if isinstance(event, ev.AlarmRaised):
            self._apply_raised(event, now)
            return
        if isinstance(event, ev.TestWindowOpened):
            self._windows[event.device] = now.mono_us + (event.until_us - now.wall_us)
            return
        alarm = self._alarms.get(getattr(event, "alarm_id", None) or "")
        if alarm is None:
            return
        alarm = self._alarms[alarm.alarm_id] = changed(alarm, event)
        self._after(alarm, event, now)

    def _apply_raised(self, event: ev.AlarmRaised, now: Instant) -> None:
        alarm = begun(event)
        person = person_of(event.device, event.case_ref)
        self._alarms[event.alarm_id] = alarm
        self._person[event.alarm_id] = person
        self._last_of[event.device] = event.alarm_id
        self._open.setdefault(person, []).append(event.alarm_id)
        self._remember(alarm, event, now)
        if event.test:
            self._windows.pop(event.device, None)
        if event.pending:
            self._deadlines.set((event.alarm_id, "expire"), now.mono_us + round(self.options.pre_alarm_s * SECOND_US))
        if alarm.position is None:
            self._deadlines.set((event.alarm_id, "no_location"), now.mono_us + round(self.options.no_location_s * SECOND_US))
        self._follow(alarm, now)

    def _remember(self, alarm: Alarm, event: ev.AlarmRaised | ev.AlarmPressed, now: Instant) -> None:
        press = Press(
            event.press_key, alarm.alarm_id, alarm.device_id, event.transport, event.event_at_us, now.mono_us, now.mono_us
        )
        self._presses.remember(self._person[alarm.alarm_id], press)

    def _follow(self, alarm: Alarm, now: Instant) -> None:
        """(Re)start the clocks of live tracking."""
        self._deadlines.set((alarm.alarm_id, "track"), now.mono_us + round(self.options.track_s * SECOND_US))
        self._heard(alarm, now)

    def _heard(self, alarm: Alarm, now: Instant) -> None:
        if alarm.tracking != "OFF":
            self._deadlines.set((alarm.alarm_id, "silent"), now.mono_us + round(3 * self.options.track_interval_s * SECOND_US))

    def _after(self, alarm: Alarm, event: ev.Event, now: Instant) -> None:
        """What an event means beyond the alarm itself: windows, deadlines, indexes."""
        alarm_id = alarm.alarm_id
        if isinstance(event, ev.AlarmPressed):
            self._remember(alarm, event, now)
            if not event.copy:
                self._follow(alarm, now)
        elif isinstance(event, (ev.PositionReported, ev.DeviceHeard, ev.FaultReported, ev.CancelClaimed)):
            self._heard(alarm, now)
        elif isinstance(event, (ev.AlarmExpired, ev.AlarmReopened)):
            self._deadlines.drop((alarm_id, "expire"))
            self._deadlines.drop((alarm_id, "close"))
            self._resolved_mono_us.pop(alarm_id, None)
            self._follow(alarm, now)
        elif isinstance(event, ev.TrackingExtended):
            self._follow(alarm, now)
            self._deadlines.set((alarm_id, "track"), now.mono_us + event.seconds * SECOND_US)
        elif isinstance(event, ev.AlarmResolved):
            self._resolved_mono_us[alarm_id] = now.mono_us
            self._deadlines.set((alarm_id, "close"), now.mono_us + round(self.options.reopen_window_s * SECOND_US))
        if alarm.state in ENDED:
            self._end(alarm_id, now)

    def _end(self, alarm_id: str, now: Instant) -> None:
        person = self._person[alarm_id]
        still_open = self._open.get(person, [])
        if alarm_id in still_open:
            still_open.remove(alarm_id)
            if not still_open:
                del self._open[person]
            for what in ("expire", "silent", "track", "close", "no_location"):
                self._deadlines.drop((alarm_id, what))
            # Copies may arrive a day later; after two the journal alone remembers.
            self._deadlines.set((alarm_id, "forget"), now.mono_us + 2 * 86_400 * SECOND_US)

    def _forget(self, alarm_id: str) -> None:
        alarm = self._alarms.pop(alarm_id)
        if self._last_of.get(alarm.device_id) == alarm_id:
            del self._last_of[alarm.device_id]
        self._person.pop(alarm_id, None)
        self._resolved_mono_us.pop(alarm_id, None)
