"""The alarm lane: carries what the desk decided to the journal and to the centres, and wakes it when time is up.

The lane is the one place where events leave the desk: they are appended in the order in which they were decided,
with no await between deciding and appending, so that the journal is always a prefix of what the desk knows.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from gateway.clock import Clock
from gateway.delivery.envelope import Sender
from gateway.delivery.fallback import fallback_text
from gateway.delivery.offers import Answer, Offer
from gateway.delivery.options import FallbackOptions
from gateway.desk import Desk, Verdict
from gateway.errors import JournalError
from gateway.events import (
    AlarmClosed,
    AlarmDurable,
    AlarmEscalated,
    AlarmRaised,
    AlarmResolved,
    AlertAnswered,
    AlertOffered,
    AlertQueued,
    CentreTold,
    DeviceAnswered,
    Event,
    FallbackSent,
    OrderEnded,
    OrderSent,
)
from gateway.model import Frame, Instant, Link, Proposal, Urgency
from gateway.shell.bulkhead import LinkCounters, contained
from gateway.shell.disk import Durable, Journal

DECIDE_WAIT_S = 0.005
HOLD_S = 0.05
"How long letters wait for the disk before they leave all the same."

_log = logging.getLogger("gateway.alarms")


class CentreDoor(Protocol):
    """What carries an offer to a centre and brings its answer back. Never raises for what a centre does."""

    async def offer(self, offer: Offer) -> Answer:
        """One attempt."""


class FallbackDoor(Protocol):
    """What tells a human when the machines do not listen."""

    async def tell(self, alarm_id: str, text: str, *, simulated: bool) -> FallbackSent:
        """Give the text to the link; what came of it. Never raises for what the link does."""


class Lane:
    """Owns the order between desk, journal and centres."""

    def __init__(
        self, desk: Desk, journal: Journal, clock: Clock, centres: CentreDoor, fallback: FallbackDoor, options: FallbackOptions, sender: Sender
    ) -> None:
        self.desk = desk
        self._journal = journal
        self._clock = clock
        self._centres = centres
        self._fallback = fallback
        self._fallback_options = options
        self._sender = sender
        self._wake = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._newest: Durable | None = None
        self._held = 0
        self._held_until_s = 0.0
        self._decide_at_s = 0.0
        self._search_runs = False
        self._one_search = trio.CapacityLimiter(1)
        self.offers = LinkCounters("offers")
        self.frames = LinkCounters("frames")
        self.decisions = LinkCounters("decisions")
        self.orders = LinkCounters("orders")
        self.carry_orders: Callable[[], None] = lambda: None
        "Looks which orders can leave; called last in every turn."
        self.undurable = 0
        "Groups of events that could not be made durable; their alarms were forwarded all the same."

    # -------------------------------------------------------------------------------------------------- inwards

    def commit(self, events: Sequence[Event], now: Instant, urgency: Urgency = Urgency.A) -> Durable | None:
        """Append what the desk decided. None when there is nothing to append.

        What the journal refuses comes back as a durable that failed: nobody is acknowledged, the offers go on.
        """
        if not events:
            return None
        for event in events:
            _tell_log(event)
        try:
            durable = self._journal.append_nowait(events, now, urgency)
        except JournalError as error:
            durable = Durable()
            durable.settle(error)
        self._newest = durable
        durable.add_done(self._count_undurable)
        if any(isinstance(event, AlertQueued) for event in events):
            self._hold(durable)
        raised = [event.alarm_id for event in events if isinstance(event, AlarmRaised)]
        if raised:
            durable.add_done(lambda error: self._note_durable(raised) if error is None else None)
        return durable

    def _before(self) -> Durable | None:
        """Everything that was appended so far. What failed is forgiven once the journal has written it after all."""
        if self._newest is not None and self._newest.error is not None and not self._journal.statistics().unsaved:
            self._newest = None
        return self._newest

    def _hold(self, durable: Durable) -> None:
        """A letter's number may be used only once, so letters leave when they are durable; a slow disk holds them for
        ``HOLD_S`` at most, because safety fails open.
        """
        if not self._held:
            self._held_until_s = trio.current_time() + HOLD_S
        self._held += 1

        def let_go(error: JournalError | None) -> None:
            self._held -= 1
            self.push()

        durable.add_done(let_go)

    @property
    def _is_holding(self) -> bool:
        return self._held > 0 and trio.current_time() < self._held_until_s

    def _note_durable(self, alarm_ids: Sequence[str]) -> None:
        now = self._clock.now()
        self._note([AlarmDurable(alarm_id, now.wall_us) for alarm_id in alarm_ids], now)

    def note_answered(self, alarm_ids: Sequence[str]) -> None:
        """The devices of these alarms have their answer."""
        now = self._clock.now()
        self._note([DeviceAnswered(alarm_id, now.wall_us) for alarm_id in alarm_ids], now)

    def _note(self, events: Sequence[Event], now: Instant) -> None:
        for event in events:
            self.desk.apply(event, now)
        self.commit(events, now, urgency_of(events))

    def take(self, frame: Frame, link: Link) -> tuple[Verdict, Durable | None]:
        """Let the desk have one frame. The answer may leave when the durable has happened.

        The decision and the first offers follow the answer, or a slow sync's first milliseconds.
        """
        now = self._clock.now()
        verdict = self._judged(frame, link, now)
        # A copy of a press may come while the press itself is still on its way to the disk: everything before it counts.
        durable = self.commit(verdict.events, now, verdict.urgency) or (self._before() if verdict.reply and verdict.urgency < "C" else None)
        if verdict.events:
            self._decide_after(durable)
        self.commit(verdict.settled, now, Urgency.C)
        return verdict, durable

    def _decide_after(self, durable: Durable | None) -> None:
        """Decide when the device has its answer, ``DECIDE_WAIT_S`` from now at the latest: the decision takes longer than
        most syncs, and the answer must not wait for it; a slow disk must not hold the decision.
        """
        self._decide_at_s = trio.current_time() + DECIDE_WAIT_S
        self._wake.set()
        if durable is not None:
            durable.add_done(self._decide_soon)

    def _decide_soon(self, error: JournalError | None) -> None:
        self._decide_at_s = 0.0
        # In the turn after this one: those who wait for the same sync go first.
        trio.lowlevel.current_trio_token().run_sync_soon(self._wake.set)

    def _judged(self, frame: Frame, link: Link, now: Instant) -> Verdict:
        """The desk's verdict. A frame that makes it fail is an alarm with a hole in it, never an error for the others."""
        verdict = None
        with contained(self.frames):
            verdict = self.desk.frame(frame, link, now)
        return verdict or self.desk.poisoned(frame, link, now)

    def _decide(self, now: Instant) -> None:
        events = None
        with contained(self.decisions):
            events = self.desk.decide(now)
        self.commit(self.desk.undecidable(now) if events is None else events, now)

    async def record(self, events: tuple[Event, ...]) -> None:
        """Append what a request changed, let the centres know, and wait until all of it and all before it is durable.

        Raises: JournalError: it is not, and must not be acknowledged.
        """
        now = self._clock.now()
        durable = self.commit(events, now) or self._before()
        self._decide_after(durable)
        if durable is not None:
            await durable.wait()

    async def wait_durable(self, durable: Durable | None) -> bool:
        """Wait until it is on the disk. False: it is not, and nothing may be acknowledged on the strength of it."""
        if durable is None:
            return True
        try:
            await durable.wait()
        except JournalError:
            return False
        return True

    def _count_undurable(self, error: JournalError | None) -> None:
        self.undurable += error is not None

    # ------------------------------------------------------------------------------------------------- outwards

    def push(self) -> None:
        """Send every offer that is due, and have the clock looked at again."""
        self._wake.set()
        self._send_due()

    def look_again(self) -> None:
        """Have the clock and the orders looked at in the next turn."""
        self._wake.set()

    def _send_due(self) -> None:
        if self._nursery is None or self._nursery.cancel_scope.cancel_called or self._is_holding:
            return
        now = self._clock.now()
        offers, events = self.desk.due(now)
        self.commit(events, now, urgency_of(events))
        for offer in offers:
            self._nursery.start_soon(self._offer, offer)

    async def _offer(self, offer: Offer) -> None:
        with contained(self.offers):
            answer = await self._centres.offer(offer)
            now = self._clock.now()
            events = self.desk.answered(offer, answer, now)
            self.commit(events, now, urgency_of(events))
            self._act_on(events)
            self.push()

    def _act_on(self, events: Sequence[Event]) -> None:
        """Tell the human fallback what the escalation asks for."""
        if self._nursery is None:
            return
        for event in events:
            if isinstance(event, AlarmEscalated) and event.action == "fallback":
                self._nursery.start_soon(self._tell_human, event.alarm_id, event.reason)

    async def _tell_human(self, alarm_id: str, reason: str) -> None:
        alarm = self.desk.alarm(alarm_id)
        if alarm is None:
            return
        sent = FallbackSent(alarm_id, self._fallback_options.kind, False, "crashed")
        with contained(self.offers):
            text = fallback_text(alarm, reason, self.desk.facts, self._sender, position=self._fallback_options.position)
            sent = await self._fallback.tell(alarm_id, text, simulated=alarm.simulated)
        self._note([sent], self._clock.now())

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do what the clock asks for, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            while True:
                self._wake = trio.Event()
                now = self._clock.now()
                events = None
                with contained(self.decisions):
                    events = self.desk.on_deadline(now)
                events = self.desk.undecidable(now) if events is None else events
                self.commit(events, now)
                self._act_on(events)
                if self.desk.has_undecided and trio.current_time() >= self._decide_at_s:
                    self._decide(now)
                self._send_due()
                self._give_orders(now)
                if not self._search_runs and (owed := self.desk.owed_proposal(now)):
                    nursery.start_soon(self._search, *owed)
                with trio.move_on_after(self._wait_s()):
                    await self._wake.wait()

    def _give_orders(self, now: Instant) -> None:
        """What alarms ask of their devices, when everything that concerns a centre has been done."""
        if self.desk.has_undecided or self._is_holding:
            return
        with contained(self.orders):
            self.commit(self.desk.give_orders(now), now, Urgency.C)
            self.carry_orders()

    def _wait_s(self) -> float:
        """Until the next thing to do; a held letter is looked at again when its time is up."""
        deadline_us = self.desk.next_deadline_us()
        wait_s = 3600.0 if deadline_us is None else (deadline_us - self._clock.now().mono_us) / 1e6
        if self._is_holding:
            wait_s = max(wait_s, self._held_until_s - trio.current_time())
        if self.desk.has_undecided:
            wait_s = min(wait_s, self._decide_at_s - trio.current_time())
        return max(wait_s, 0.0)

    async def _search(self, alarm_id: str, search: Callable[[], Proposal]) -> None:
        """Find the proposal that an alert went without."""
        self._search_runs = True
        try:
            with contained(self.decisions):
                proposal = await trio.to_thread.run_sync(search, limiter=self._one_search)
                now = self._clock.now()
                self.commit(self.desk.proposed(alarm_id, proposal, now), now)
                self.push()
        finally:
            self._search_runs = False


def urgency_of(events: Sequence[Event]) -> Urgency:
    """How soon events must be on the disk. What only tells how far an alert is waits for company: losing it repeats an
    alert under its old number, while a sync of its own would stand in the way of the next alarm.
    """
    return Urgency.C if all(isinstance(event, _PROGRESS) for event in events) else Urgency.A


_PROGRESS = (AlarmDurable, DeviceAnswered, AlertOffered, AlertAnswered)


def _tell_log(event: Event) -> None:
    """One line for each change of an alarm; never a position, a device or a text."""
    match event:
        case AlarmRaised(alarm_id=alarm_id):
            _log.info("alarm.raised alarm=%s test=%s simulated=%s trust=%s", alarm_id, event.test, event.simulated, event.trust.name)
        case AlertAnswered(alarm_id=alarm_id) if event.level < 3:
            _log.warning(
                "offer.failed alarm=%s receiver=%s route=%s attempt=%d reason=%r", alarm_id, event.centre_id, event.route_id,
                event.attempt, event.reason,
            )  # fmt: skip
        case AlertAnswered(alarm_id=alarm_id):
            _log.info("offer.complete alarm=%s receiver=%s route=%s took_ms=%.1f", alarm_id, event.centre_id, event.route_id, event.took_ms)
        case AlarmEscalated(alarm_id=alarm_id):
            _log.warning("alarm.escalated alarm=%s level=%d action=%s", alarm_id, event.level, event.action)
        case CentreTold(alarm_id=alarm_id):
            _log.info("alarm.told alarm=%s receiver=%s level=%s", alarm_id, event.centre_id, event.level)
        case AlarmResolved(alarm_id=alarm_id):
            _log.info("alarm.resolved alarm=%s outcome=%s", alarm_id, event.outcome)
        case AlarmClosed(alarm_id=alarm_id):
            _log.info("alarm.closed alarm=%s", alarm_id)
        case OrderSent():
            _log.info("order.sent order=%s alarm=%s via=%s attempt=%d", event.order_id, event.alarm_id or "none", event.via, event.attempt)
        case OrderEnded():
            _log.info("order.ended order=%s alarm=%s outcome=%s", event.order_id, event.alarm_id or "none", event.outcome)
