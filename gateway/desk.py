"""The desk: from a frame to alarms, decisions and offers, in one synchronous place.

Everything that changes anything is an event. Deciding methods return the events they caused, *already applied*
here, in the order in which the caller must append them to the journal; nothing awaits in between. The shell
sends an answer only when the events before it are durable, and may send offers at once (safety fails open:
forwarding overlaps the sync, the acknowledgement does not).

    verdict = desk.frame(frame, link, now)     # facts, FrameKept first
    durable = journal.append_nowait(verdict.events, now, verdict.urgency)
    more = desk.decide(now)                    # centre, unit, alerts: while the sync is in flight
    journal.append_nowait(more, now, Urgency.A)
    await durable.wait(); send(verdict.reply)
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from gateway import events as ev
from gateway.alarms import AlarmOptions, Alarms, Sighting
from gateway.delivery.envelope import Heading, Sender, alert
from gateway.delivery.offers import Answer, Offer
from gateway.delivery.outbox import Outbox
from gateway.errors import CommandError
from gateway.identity import Identities
from gateway.life import PRESSABLE
from gateway.limits import Limits
from gateway.model import (
    LIFE,
    Alarm,
    CentreId,
    Decision,
    Device,
    DeviceId,
    Facts,
    Fix,
    Frame,
    Instant,
    Kind,
    Link,
    Order,
    Proposal,
    Report,
    State,
    UnitId,
    Urgency,
)
from gateway.order_desk import OrderDesk
from gateway.orders import OrderOptions, Orders, Speech, Speechless
from gateway.positions import apart_m, is_place
from gateway.presses import mint_alarm_id, person_of, press_key
from gateway.router.decide import Router
from gateway.sightings import Sightings
from gateway.supervision import Supervision, SupervisionOptions
from gateway.times import NO_TIME

REPROPOSE_AFTER_US = 30_000_000
REPROPOSE_MOVED_M = 100.0
SOURCES_NO_UNIT_GOES_BY = frozenset(("mock", "radio"))
PROPOSAL_GAIN_S = 60.0
"A moving person: another unit is named only when it is this much quicker, so that the dispatcher is not jerked about."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one frame."""

    events: tuple[ev.Event, ...] = ()
    "To be appended to the journal, in this order, before anything else happens."
    reply: bytes | None = field(default=None, repr=False)
    "Sent when everything appended so far is durable; None: no answer."
    urgency: Urgency = Urgency.E
    outcome: str = "accepted"
    "accepted, or why it was dropped: refused, unknown, limited"
    close: bool = False
    "The connection is of no further use."
    device_id: str | None = field(default=None, repr=False)
    carries_orders: bool | None = False
    "Its device may be given orders over the link that it came in by. None: another link of its tier says that it is this device too."
    settled: tuple[ev.Event, ...] = ()
    "What became of the device's orders: for the journal too, but nobody waits for it."


@dataclass(slots=True)
class _Lead:
    """What the last decision of an alarm was made from."""

    fix: Fix | None
    mono_us: int


class Desk:
    """One gateway's whole mind. Knows no socket, no clock, no dice."""

    def __init__(
        self,
        facts: Facts,
        router: Router,
        outbox: Outbox,
        alarm_options: AlarmOptions,
        supervision_options: SupervisionOptions,
        *,
        sender: Sender,
        centre_ids: frozenset[str],
        is_simulation: bool = False,
        order_options: OrderOptions | None = None,
        speech: Speech | None = None,
    ) -> None:
        self.facts = facts
        self.router = router
        self.outbox = outbox
        self.alarms_fold = Alarms(alarm_options)
        self.identities = Identities(facts)
        self.supervision = Supervision(supervision_options)
        self.orders = Orders(order_options or OrderOptions(), speech or Speechless())
        self.order_desk = OrderDesk(self.orders, self.alarms_fold, self.supervision, facts)
        self.counters: Counter[tuple[str, str, str]] = Counter()
        "(protocol, class, outcome) -> frames; received is their sum."
        self._options = alarm_options
        self._sender = sender
        self._centre_ids = centre_ids
        self._is_simulation = is_simulation
        self._limits = Limits()
        self._owed: dict[str, None] = {}
        "alarms whose road search went over its budget, oldest first"
        self._undecided: dict[str, str] = {}
        "alarm id -> why it needs a (new) decision"
        self._leads: dict[str, _Lead] = {}
        self._frameless: set[str] = set()
        "Identities of presses whose alarm survived a torn group of the journal, and whose raw frame did not."
        self._sightings = Sightings(facts, alarm_options.last_fix_s, is_simulation=is_simulation)

    # ------------------------------------------------------------------------------------------ the one fold

    def apply(self, event: ev.Event, now: Instant) -> None:
        """Let one event happen in every room; live and in replay alike."""
        self.alarms_fold.apply(event, now)
        alarm_id = getattr(event, "alarm_id", None)
        alarm = self.alarms_fold.get(alarm_id) if alarm_id else None
        self.outbox.apply(event, alarm, now)
        self.orders.apply(event, alarm, now)
        if isinstance(event, ev.AlarmRaised) and event.test:
            self.supervision.tested(event.device, now)
        elif isinstance(event, (ev.AlarmClosed, ev.PreAlarmCancelled)):
            self._leads.pop(event.alarm_id, None)
        elif isinstance(event, ev.AlarmRouted):
            self._owed.pop(event.alarm_id, None)
            if event.decision.proposal.status == "pending":
                self._owed[event.alarm_id] = None

    def replayed(self, now: Instant) -> tuple[ev.Event, ...]:
        """After the journal was read: finish what a crash cut off between two events."""
        events: list[ev.Event] = []
        for alarm, name in self.outbox.resume(self.alarms_fold.all(), now):
            if alarm.decision is None:
                self._undecided[alarm.alarm_id] = "raised"
            else:
                events += self._queue(alarm, name, now)
        self.supervision.expect(list(self.facts.devices()), now)
        return (*events, *self.decide(now))

    def _is_reported(self, alarm_id: str) -> bool:
        """Every centre that was told of it also knows how it ended."""
        return not any(line.waiting for line in self.outbox.status(alarm_id))

    def _let(self, events: Iterable[ev.Event], now: Instant) -> Iterator[ev.Event]:
        """Apply each event as it is decided, so that the next decision sees it."""
        for event in events:
            self.apply(event, now)
            yield event

    # --------------------------------------------------------------------------------------- from the devices

    def frame(self, frame: Frame, link: Link, now: Instant) -> Verdict:
        """What one frame of a device, an SMS or an app changes. Never raises for what the frame holds."""
        verdict = self._judge(frame, link, now)
        self.counters[frame.protocol, verdict.urgency.value, verdict.outcome] += 1
        return verdict

    def _judge(self, frame: Frame, link: Link, now: Instant) -> Verdict:
        if frame.refused is not None and frame.unverified is None:
            is_enrolled = frame.device is not None and self.identities.resolve(frame.device) is not None
            return Verdict(reply=frame.reply if frame.reply and is_enrolled else frame.farewell, outcome="refused")
        if frame.device is None:
            return Verdict(outcome="refused", close=link.transport == "tcp")
        device = self.identities.resolve(frame.device)
        if device is None:
            return self._stranger(frame, link, now)
        trust, doubts = self.identities.heard(device, link, now)
        reports = frame.reports
        if frame.refused is not None and frame.unverified is not None:
            reports, doubts = (frame.unverified,), (*doubts, "checksum")
        urgency = self._urgency_of(frame, device)
        carries_orders: bool | None = False
        settled: tuple[ev.Event, ...] = ()
        if not frame.refused:
            if trust >= self.orders.options.trust:
                carries_orders = True if self.identities.speaks_alone(device, link, trust) else None
            settled = tuple(self._let(self.orders.heard(device.device_id, frame, trust, now), now))
        sightings = [self._sightings.of(frame, report, device, link, trust, doubts, now) for report in reports]
        if not self._limits_allow(device, urgency, sightings, now):
            return Verdict(
                outcome="limited", urgency=urgency, reply=frame.reply, device_id=device.device_id, carries_orders=carries_orders, settled=settled
            )
        events: list[ev.Event] = []
        for sighting in sightings:
            events += self._sighted(sighting, link, now)
        if events or self._is_first_whole_copy(device, sightings):
            kept = ev.FrameKept(
                device.device_id, frame.protocol, frame.transport, link.listener, frame.raw, trust,
                frame.refused.reason if frame.refused else None,
            )  # fmt: skip
            events.insert(0, kept)
        reply = frame.farewell if frame.refused else frame.reply
        return Verdict(tuple(events), reply, urgency, device_id=device.device_id, carries_orders=carries_orders, settled=settled)

    def frame_lost(self, key: str) -> None:
        """While the journal is read: a power cut took the raw frame of this press. The next copy of it is kept."""
        self._frameless.add(key)

    def _is_first_whole_copy(self, device: Device, sightings: list[Sighting]) -> bool:
        """Whether the device repeats a press of which the journal has the alarm and not the frame."""
        if not self._frameless:
            return False
        found = self._frameless & {press_key(device.device_id, sighting.report, sighting.raw) for sighting in sightings}
        self._frameless -= found
        return bool(found)

    def _stranger(self, frame: Frame, link: Link, now: Instant) -> Verdict:
        """Not enrolled: listed for the staff, raised only where the policy says so, and told nothing (no oracle) but a farewell
        where its protocol cannot do without one."""
        assert frame.device is not None
        listed = self.identities.note_stranger(frame.device, frame, link, now)
        if listed and self._options.unknown_devices == "raise" and frame.kinds & LIFE:
            device = Device(DeviceId(f"unknown-{frame.device}"[:64]), simulated=link.simulated)
            events: list[ev.Event] = []
            for report in frame.reports:
                sighting = self._sightings.of(frame, report, device, link, link.trust, ("unknown_device",), now)
                events += self._sighted(sighting, link, now)
            return Verdict(tuple(events), frame.farewell, Urgency.A, outcome="unknown")
        return Verdict(reply=frame.farewell, outcome="unknown", close=link.transport == "tcp")

    def _urgency_of(self, frame: Frame, device: Device) -> Urgency:
        """The class of a frame, now that we know whether its device has an open alarm."""
        if frame.urgency is Urgency.C and self.alarms_fold.followed(person_of(device.device_id, device.case_ref)):
            return Urgency.B
        return frame.urgency

    def _limits_allow(self, device: Device, urgency: Urgency, sightings: list[Sighting], now: Instant) -> bool:
        """Every class has its rate; of class A only copies are counted: what changes something always passes."""
        if urgency is not Urgency.A:
            return self._limits.allow(device.device_id, urgency, now.mono_us)
        keys = [press_key(device.device_id, sighting.report, sighting.raw) for sighting in sightings]
        if all(self.alarms_fold.is_known_press(person_of(device.device_id, device.case_ref), key) for key in keys):
            return self._limits.allow(device.device_id, urgency, now.mono_us)
        return True

    def _sighted(self, sighting: Sighting, link: Link, now: Instant) -> list[ev.Event]:
        device, report = sighting.device, sighting.report
        self.supervision.heard(device, report, sighting.protocol, link.listener, now, sighting.time)
        if device.unit_id is not None and report.fix is not None:
            self._unit_sighted(device.unit_id, report.fix, report.stored, now)
        events: list[ev.Event] = []
        for event in self._let(self.alarms_fold.sighted(self._sightings.with_last_fix(sighting)), now):
            events.append(event)
            events += self._consequences(event, now)
        return events

    def _unit_sighted(self, unit_id: UnitId, fix: Fix, stored: bool | None, now: Instant) -> None:
        """Move a unit to where its tracker or radio says it is, as long ago as it says.

        By no last known place, by none that is made up or too old or vague, and by none out of a store that has no time.
        """
        if not fix.valid or not is_place(fix) or fix.source in SOURCES_NO_UNIT_GOES_BY or (stored and fix.at_us is None):
            return
        age_us = max(0, now.wall_us - fix.at_us) if fix.at_us is not None else 0
        self.router.unit_moved(unit_id, fix.lat_e7, fix.lon_e7, fix.course_deg, fix.speed_kmh, now, fix.at_us, age_us)

    # ------------------------------------------------------------------------------ what follows from an event

    def _consequences(self, event: ev.Event, now: Instant) -> list[ev.Event]:
        """Alerts that an event calls for; decisions are only noted here, so that the frame is journalled first."""
        alarm = self.alarms_fold.get(getattr(event, "alarm_id", None) or "")
        if alarm is None or alarm.state is State.PENDING:
            return []
        match event:
            case ev.AlarmRaised() | ev.AlarmExpired():
                self._undecided.setdefault(alarm.alarm_id, "raised")
                return []
            case ev.PositionReported(current=True):
                if self._needs_decision(alarm, now):
                    self._undecided.setdefault(alarm.alarm_id, "moved")
                return self._queue(alarm, "position", now)
            case ev.PositionReported():
                return []
            case ev.NetworksReported():
                return self._queue(alarm, "position", now) if alarm.position is None else []
            case ev.CancelClaimed():
                return self._queue(alarm, "cancel_claimed", now)
            case ev.AlarmResolved():
                return self._queue(alarm, "closed", now)
            case (
                ev.AlarmPressed()
                | ev.FaultReported()
                | ev.DeviceSilent()
                | ev.DeviceHeard()
                | ev.CentreTold()
                | ev.AlarmReopened()
                | ev.TestMarkedReal()
                | ev.TrackingStopped()
                | ev.TrackingExtended()
            ):
                return self._queue(alarm, "updated", now) if alarm.decision else []
        return []

    def _queue(self, alarm: Alarm, event_name: str, now: Instant) -> list[ev.Event]:
        if alarm.decision is None:
            return []
        return list(self._let(self.outbox.queue(alarm, event_name, now, durable_at_us=alarm.durable_at_us), now))

    # -------------------------------------------------------------------------------------------- the decision

    def _needs_decision(self, alarm: Alarm, now: Instant) -> bool:
        """Has she moved so far, or so long ago, that centre and unit may be others?"""
        if alarm.decision is None or alarm.position is None:
            return alarm.decision is not None
        lead = self._leads.get(alarm.alarm_id)
        if lead is None or lead.fix is None or now.mono_us - lead.mono_us > REPROPOSE_AFTER_US:
            return True
        return apart_m(lead.fix, alarm.position.fix) > REPROPOSE_MOVED_M

    @property
    def has_undecided(self) -> bool:
        """An alarm waits for ``decide``."""
        return bool(self._undecided)

    def decide(self, now: Instant) -> tuple[ev.Event, ...]:
        """Choose centre and unit for every alarm that needs it, and queue what the centres must be told."""
        events: list[ev.Event] = []
        while self._undecided:
            alarm_id = next(iter(self._undecided))
            reason = self._undecided.pop(alarm_id)
            alarm = self.alarms_fold.get(alarm_id)
            if alarm is not None and (alarm.state in PRESSABLE):
                events += self._decide(alarm, reason, now)
        return tuple(events)

    def _decide(self, alarm: Alarm, reason: str, now: Instant) -> list[ev.Event]:
        seen = alarm.position or alarm.last_known
        fix = seen.fix if seen else None
        case = self.facts.case(alarm.case_ref) if alarm.case_ref else None
        decision = self.router.decide(fix, now, is_simulated=alarm.simulated, case=case)
        self._leads[alarm.alarm_id] = _Lead(fix, now.mono_us)
        known = alarm.decision
        if known is not None and not _is_better(known, decision, alarm):
            return []
        events = list(self._let([ev.AlarmRouted(alarm.alarm_id, decision, reason)], now))
        alarm = self.alarms_fold.get(alarm.alarm_id) or alarm
        name = ("test" if alarm.test else "raised") if known is None else "updated"
        return events + self._queue(alarm, name, now)

    def owed_proposal(self, now: Instant) -> tuple[str, Callable[[], Proposal]] | None:
        """An alarm whose road search went over its budget, and the search that may run in another thread."""
        while self._owed:
            alarm_id = next(iter(self._owed))
            del self._owed[alarm_id]
            alarm = self.alarms_fold.get(alarm_id)
            seen = (alarm.position or alarm.last_known) if alarm else None
            if alarm is not None and seen is not None and alarm.state in PRESSABLE:
                return alarm_id, self.router.patient_search(seen.fix, now, is_simulated=alarm.simulated)
        return None

    # ------------------------------------------------------------------------------- when we ourselves are wrong

    def poisoned(self, frame: Frame, link: Link, now: Instant) -> Verdict:
        """A frame that defeated us: what can be said of it is raised all the same, and a human is told (R-13)."""
        self.counters[frame.protocol, frame.urgency.value, "crashed"] += 1
        device = self.identities.resolve(frame.device) if frame.device else None
        if device is None or frame.urgency is not Urgency.A:
            return Verdict(outcome="crashed")
        key = press_key(device.device_id, Report(), frame.raw)
        if self.alarms_fold.is_known_press(person_of(device.device_id, device.case_ref), key):
            # It may be known because we failed half-way, before the record was written: an answer would promise too much.
            return Verdict(urgency=Urgency.A, outcome="crashed", device_id=device.device_id)
        raised = ev.AlarmRaised(
            mint_alarm_id(device.device_id, key, NO_TIME, now.wall_us), device.device_id, frame.protocol, frame.transport,
            Kind.UNKNOWN_ALARM, now.wall_us, None, None, "none", link.trust, key, device.case_ref, doubts=("undecodable",),
            simulated=self._is_simulation or link.simulated or device.simulated,
        )  # fmt: skip
        kept = ev.FrameKept(device.device_id, frame.protocol, frame.transport, link.listener, frame.raw, link.trust, "crashed")
        events = list(self._let([kept, raised], now))
        self._undecided[raised.alarm_id] = "raised"
        return Verdict(tuple(events), frame.reply, Urgency.A, "crashed", device_id=device.device_id)

    def undecidable(self, now: Instant) -> tuple[ev.Event, ...]:
        """A decision or an alert that defeated us: the fallback centre and a human get what is certain."""
        events: list[ev.Event] = []
        for alarm in self.alarms_fold.all():
            if alarm.state is State.RAISED and alarm.decision is None:
                decision = Decision(self.router.areas.fallback(), Proposal("none", "the decision failed"), now.wall_us)
                events += self._let([ev.AlarmRouted(alarm.alarm_id, decision, "failed")], now)
                events += self._let(self.outbox.queue_minimal(alarm.alarm_id, alarm.device_id, alarm.received_at_us, now), now)
        if self.outbox.at_work and (stuck := self.alarms_fold.get(self.outbox.at_work)):
            self.outbox.at_work = None
            events += self._let(self.outbox.queue_minimal(stuck.alarm_id, stuck.device_id, stuck.received_at_us, now), now)
        self._undecided.clear()
        return tuple(events)

    def proposed(self, alarm_id: str, proposal: Proposal, now: Instant) -> tuple[ev.Event, ...]:
        """The proposal that was owed has been found."""
        alarm = self.alarms_fold.get(alarm_id)
        if alarm is None or alarm.decision is None or alarm.state not in PRESSABLE:
            return ()
        decision = replace(alarm.decision, proposal=proposal, decided_at_us=now.wall_us)
        events = list(self._let([ev.AlarmRouted(alarm_id, decision, "proposal")], now))
        return tuple(events + self._queue(self.alarms_fold.get(alarm_id) or alarm, "updated", now))

    # -------------------------------------------------------------------------------------- clock and channels

    def next_deadline_us(self) -> int | None:
        """Monotonic time at which ``on_deadline`` or ``due`` has something to do."""
        rooms = (self.alarms_fold, self.outbox, self.supervision, self._sightings.last_fixes, self.orders)
        times = (room.next_deadline_us() for room in rooms)
        return min((at_us for at_us in times if at_us is not None), default=None)

    def on_deadline(self, now: Instant) -> tuple[ev.Event, ...]:
        """What the clock asks for: escalation, count-downs, lost contact, closing. Call again while the deadline has passed."""
        at_us = self.outbox.next_escalation_us()
        if at_us is not None and at_us <= now.mono_us:
            # One alarm, alone in its call: one that cannot be written must not take what others asked for with it.
            return tuple(self._let(self.outbox.on_deadline(now), now))
        self._sightings.last_fixes.forget(now.mono_us)
        events: list[ev.Event] = []
        for event in self._let(self.alarms_fold.on_deadline(now, self._is_reported), now):
            events.append(event)
            events += self._consequences(event, now)
        self.supervision.on_deadline(now)  # it keeps what it finds for ``incidents``
        events += self._let(self.orders.on_deadline(now), now)
        return tuple(events)

    def due(self, now: Instant) -> tuple[tuple[Offer, ...], tuple[ev.Event, ...]]:
        """Offers to send now, and the events that say so."""
        offers = self.outbox.due(now)
        return offers, tuple(self._let([offer.record for offer in offers], now))

    def answered(self, offer: Offer, answer: Answer, now: Instant) -> tuple[ev.Event, ...]:
        """A centre answered, refused or was silent."""
        events: list[ev.Event] = []
        for event in self._let(self.outbox.answered(offer, answer, now), now):
            events.append(event)
            events += self._consequences(event, now)
        return tuple(events)

    # --------------------------------------------------------------------------------------------- questions

    def alarms(self) -> list[Alarm]:
        """Every alarm at hand, in the order in which they were raised."""
        return self.alarms_fold.all()

    def alarm(self, alarm_id: str) -> Alarm | None:
        """One alarm."""
        return self.alarms_fold.get(alarm_id)

    def alert(self, alarm: Alarm, now: Instant) -> dict[str, object]:
        """The normalized alert as its centre would get it now."""
        area = alarm.decision.area if alarm.decision else None
        told = [centre_id for centre_id in alarm.offered_to if area is None or centre_id != area.centre_id]
        heading = Heading(
            area.centre_id if area else "", "primary", 0, "updated", now.wall_us, tuple(told), alarm.durable_at_us,
            self.supervision.last_test_us(alarm.device_id),
        )  # fmt: skip
        return alert(alarm, heading, self.facts, self._sender)

    def unit_rows(self, now: Instant) -> Iterator[dict[str, object]]:
        """Every unit that was heard, for the map; what is unknown is absent."""
        for unit, position in self.router.units.positions():
            yield {
                "unit": unit.unit_id,
                "lat": position.lat_e7 / 1e7,
                "lon": position.lon_e7 / 1e7,
                "age_s": round(max(0, now.mono_us - position.at.mono_us) / 1e6, 1),
                "status": self.router.units.status(unit),
                **{
                    name: value
                    for name, value in (("course_deg", position.course_deg), ("speed_kmh", position.speed_kmh), ("zone", unit.zone))
                    if value is not None
                },
            }

    def way(self, alarm_id: str) -> list[tuple[float, float]]:
        """The road that the proposed (or assigned) unit would take, as (lat, lon); empty when there is none."""
        alarm = self.alarms_fold.get(alarm_id)
        seen = (alarm.position or alarm.last_known) if alarm else None
        if alarm is None or seen is None or alarm.decision is None or not alarm.decision.proposal.candidates:
            return []
        unit_id = UnitId(alarm.unit_assigned or alarm.decision.proposal.candidates[0].unit_id)
        return self.router.way(unit_id, seen.fix)

    def statistics(self) -> dict[str, object]:
        """Counters for metrics: a number, or a mapping from label value to the same."""
        frames: dict[str, dict[str, dict[str, int]]] = {}
        for (protocol, urgency, outcome), count in self.counters.items():
            frames.setdefault(protocol, {}).setdefault(urgency, {})[outcome] = count
        delivery = self.outbox.statistics()
        states = Counter(alarm.state.value for alarm in self.alarms_fold.all())
        return {
            "frames": frames,
            "alarms": dict(states),
            "devices": self.supervision.counts(),
            "unknown_devices": len(self.identities.strangers()),
            "scans": self.identities.scans_seen,
            "undelivered": delivery.unstored,
            "untaken": delivery.untaken,
            "alerts": delivery.letters,
            "attempts": delivery.flying,
            "alerts_lost": {"refused": delivery.refused, "given_up": delivery.given_up},
            "alerts_withheld": delivery.withheld,
            "orders": self.orders.statistics(),
            "routes_failing": {**dict.fromkeys(delivery.failing, 1), **dict.fromkeys(delivery.gone, 1)},
        }

    # --------------------------------------------------------------------------------------------- orders

    def give_orders(self, now: Instant) -> tuple[ev.Event, ...]:
        """What the alarms that changed ask of their devices: to be called when everything that concerns a centre is done."""
        return tuple(self._let(self.order_desk.give(now), now))

    def ask_order(self, device_id: str, order: Order, actor: str, now: Instant) -> tuple[ev.Event, ...]:
        """A person asks a device for something. Raises CommandError for what cannot be (``OrderDesk.ask``)."""
        return tuple(self._let(self.order_desk.ask(device_id, order, actor, now, is_simulation=self._is_simulation), now))

    def order_sent(self, order_id: str, via: str, now: Instant) -> tuple[ev.Event, ...]:
        """Its bytes are about to leave. Empty: they must not, it is not its turn."""
        return tuple(self._let(self.orders.sent(order_id, via), now))

    def order_unsayable(self, order_id: str, now: Instant) -> tuple[ev.Event, ...]:
        """The protocol that the device turned out to speak has no such order."""
        return tuple(self._let(self.orders.unsayable(order_id), now))

    # ---------------------------------------------------------------------------------------------- units

    def unit_moved(
        self, unit_id: str, lat_e7: int, lon_e7: int, course_deg: float | None, speed_kmh: float | None, at_us: int | None, now: Instant
    ) -> None:
        """A unit's position from the API, kept in memory only."""
        if self.facts.unit(unit_id) is None:
            raise CommandError(f"no unit {unit_id!r}; `gateway unit list` shows the known ones", code="unknown_unit")
        self.router.unit_moved(UnitId(unit_id), lat_e7, lon_e7, course_deg, speed_kmh, now, at_us)

    def unit_status(self, unit_id: str, status: str, now: Instant) -> None:
        """A unit or its dispatcher says: available, busy or off."""
        if not self.router.units.tell_status(UnitId(unit_id), status):
            raise CommandError(f"no unit {unit_id!r}; `gateway unit list` shows the known ones", code="unknown_unit")

    # -------------------------------------------------------------------------------------------- from humans

    def _command(self, source: Iterable[ev.Event], now: Instant) -> tuple[ev.Event, ...]:
        events: list[ev.Event] = []
        for event in self._let(source, now):
            events.append(event)
            events += self._consequences(event, now)
        return tuple(events) + self.decide(now)

    def centre_told(
        self, alarm_id: str, centre_id: str, level: str, operator: str | None, unit: str | None, note: str | None,
        message_id: str | None, now: Instant,
    ) -> tuple[ev.Event, ...]:  # fmt: skip
        """A centre or its operator says how far it is. Raises CommandError for what cannot be."""
        return self._command(self.alarms_fold.told(ev.CentreTold(alarm_id, centre_id, level, operator, unit, note, message_id)), now)

    def resolve(
        self, alarm_id: str, outcome: str, operator: str, centre_id: str | None, note: str | None, now: Instant
    ) -> tuple[ev.Event, ...]:
        """An operator ends it."""
        return self._command(self.alarms_fold.resolve(alarm_id, outcome, operator, centre_id, note), now)

    def reopen(self, alarm_id: str, operator: str, reason: str, now: Instant) -> tuple[ev.Event, ...]:
        """A supervisor reopens it."""
        return self._command(self.alarms_fold.reopen(alarm_id, operator, reason), now)

    def mark_real(self, alarm_id: str, operator: str, now: Instant) -> tuple[ev.Event, ...]:
        """A test becomes a real alarm."""
        return self._command(self.alarms_fold.mark_real(alarm_id, operator), now)

    def extend_tracking(self, alarm_id: str, operator: str, seconds: int | None, now: Instant) -> tuple[ev.Event, ...]:
        """Follow her for longer."""
        return self._command(self.alarms_fold.extend_tracking(alarm_id, operator, seconds), now)

    def stop_tracking(self, alarm_id: str, operator: str, now: Instant) -> tuple[ev.Event, ...]:
        """Stop following her; the alarm stays open."""
        return self._command(self.alarms_fold.stop_tracking(alarm_id, operator), now)

    def reassign(self, alarm_id: str, centre_id: str, operator: str, reason: str, now: Instant) -> tuple[ev.Event, ...]:
        """Hand an alarm over to another centre; both are told."""
        alarm = self.alarms_fold.get(alarm_id)
        if alarm is None or alarm.decision is None or alarm.state not in PRESSABLE:
            raise CommandError(f"alarm {alarm_id} is not open; only an open alarm can be handed over", code="ended")
        if centre_id not in self._centre_ids:
            raise CommandError(f"no centre {centre_id!r} in the configuration", code="unknown_centre")
        area = replace(alarm.decision.area, centre_id=CentreId(centre_id), basis="operator")
        decision = replace(alarm.decision, area=area, decided_at_us=now.wall_us)
        return self._command(
            [
                ev.AlarmRouted(alarm_id, decision, "reassigned"),
                ev.CentreTold(alarm_id, centre_id, "note", operator, None, reason, None),
            ],
            now,
        )

    def open_test_window(self, device_id: str, actor: str, now: Instant) -> tuple[ev.Event, ...]:
        """The case team expects a test press of this device."""
        if self.facts.device(device_id) is None:
            raise CommandError(f"no device {device_id}; `gateway device list` shows the known ones", code="unknown_device")
        return self._command(self.alarms_fold.open_test_window(device_id, actor, now), now)

    def viewed(self, actor: str, what: str, why: str, alarm_id: str | None, now: Instant) -> tuple[ev.Event, ...]:
        """Somebody looks at a position or a case: recorded before it is shown."""
        return self._command([ev.Viewed(actor, what, why, alarm_id)], now)


def _is_better(known: Decision, found: Decision, alarm: Alarm) -> bool:
    """Whether a new decision is worth telling: another centre, or clearly another unit."""
    if found.area.centre_id != known.area.centre_id:
        return known.area.basis != "operator"
    if alarm.unit_assigned or not found.proposal.candidates:
        return False
    if not known.proposal.candidates:
        return True
    first, before = found.proposal.candidates[0], known.proposal.candidates[0]
    if first.unit_id == before.unit_id:
        return False
    same_now = next((one for one in found.proposal.candidates if one.unit_id == before.unit_id), None)
    return same_now is None or same_now.travel_s - first.travel_s > PROPOSAL_GAIN_S
