"""The outbox: which alert goes to which centre until a human has the alarm.

A fold over events: ``apply`` is called for every event in journal order, live and in replay, and what it learns there
is all that survives a restart. What is due when is counted in monotonic time and begins anew in ``resume``. Every
method that returns events has taken them into account already; applying them (again) changes nothing.

Its rules stand in four places: what one centre is told, in order (``letters``); the tables of retry and escalation
(``schedule``); routes, slots and who leaves first (``lanes``); and here who must be told at all.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from gateway.delivery.envelope import Heading, NoFacts, Sender, compose, minimal_alarm
from gateway.delivery.lanes import (
    RANK_CHANGE,
    RANK_HISTORY,
    RANK_NEW,
    RANK_NEW_UNSURE,
    RANK_POSITION,
    RANK_TEST,
    Lanes,
    Trip,
    Try,
)  # fmt: skip
from gateway.delivery.letters import ANNOUNCING, FINAL, POSITION, Letter, Line
from gateway.delivery.offers import FAILED, REFUSED, STORED, TAKEN, Answer, Offer
from gateway.delivery.options import CentreOptions, OutboxOptions
from gateway.delivery.schedule import BACKUP, FALLBACK, LEVELS, REPEAT, Dice, Watch, attempts_for
from gateway.events import (
    AlarmClosed,
    AlarmEscalated,
    AlarmRaised,
    AlarmReopened,
    AlarmResolved,
    AlertAnswered,
    AlertOffered,
    AlertQueued,
    CentreTold,
    Event,
    FallbackSent,
)  # fmt: skip
from gateway.model import Alarm, Facts, Instant, State, Trust

TAKEN_STATES = frozenset({State.ACKED, State.DISPATCHED, State.ON_SCENE, State.RESOLVED})
TAKEN_LEVELS = frozenset({"accepted", "dispatched", "arrived"})
"What a centre says when a human there has the alarm. Displayed is not taken: a screen is not a person."
UNTOLD_STATES = frozenset({State.PENDING, State.CANCELLED})
"A pre-alarm is nobody's business until it expires."
WITHHELD = frozenset({"simulated", "none"})
"Why a fallback text did not leave on purpose: trying again would change nothing."
ANSWERS_FOR = frozenset({"primary", "fallback"})
"Roles of the centre that answers for an alarm; the others are told as well."


@dataclass(slots=True, eq=False)
class _File:
    """One alarm and everything that is on its way because of it."""

    alarm: Alarm
    watch: Watch
    lines: dict[str, Line] = field(default_factory=dict)
    trips: dict[str, Trip] = field(default_factory=dict)
    "By centre: the first letter of its line, on its way."
    takers: set[str] = field(default_factory=set)
    "Centres whose people have it."
    ended: bool = False
    facts: Facts | None = None
    "Set when this alarm cannot be written with its own facts."
    durable_at_us: int | None = None
    level: int = 0
    told_of: tuple[object, ...] = ()
    watch_us: int | None = None
    last_reason: str = ""

    @property
    def is_watched(self) -> bool:
        """Whether it becomes louder by itself. A test is delivered like an alarm, and nobody is woken up for it."""
        return not (self.takers or self.ended or self.alarm.test)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures for metrics and the status page."""

    alarms: int
    "Alarms with something on its way or a clock running."
    unstored: int
    "Of these, open and stored by no centre yet."
    untaken: int
    "Of these, open and taken by no human yet."
    letters: int
    "Alerts that wait or travel."
    flying: int
    "Attempts under way."
    refused: int
    "Alerts that every route of a centre refused."
    given_up: int
    "Last words about closed alarms that no attempt of three days could deliver."
    withheld: int
    "Times that a simulated alarm was kept from a centre that is not for tests."
    failing: tuple[str, ...]
    "Routes whose last answer was a failure, as centre/route."
    gone: tuple[str, ...]
    "Routes that their centre disabled."


@dataclass(frozen=True, slots=True)
class LineStatus:
    """How far one centre has been told of one alarm."""

    centre_id: str
    role: str
    stored: bool
    waiting: int
    attempts: int
    "Of the letter that travels now."
    last_reason: str


class Outbox:
    """Everything that must reach a centre."""

    def __init__(self, options: OutboxOptions, centres: Iterable[CentreOptions], facts: Facts, dice: Dice, sender: Sender | None = None) -> None:
        self._options = options
        self._centres = {centre.id: centre for centre in centres}
        self._national_id = next((str(centre.id) for centre in self._centres.values() if centre.national_fallback), None)
        self._facts = facts
        self._sender = sender or Sender()
        self._lanes = Lanes(self._centres.values(), options, dice)
        self._files: dict[str, _File] = {}
        self._flying: dict[tuple[str, str, str, int, int], Try] = {}
        self._watches: list[tuple[int, int, _File]] = []
        self._order = count()
        self._last_test_us: dict[str, int] = {}
        self._live = False
        self._refused = self._given_up = self._withheld = 0
        self.at_work: str | None = None
        "The alarm that ``on_deadline`` was at when it raised: the desk's bulkhead then calls ``queue_minimal`` for it."

    # ------------------------------------------------------------------------------------------------ what to tell

    def queue(self, alarm: Alarm, event: str, now: Instant, *, durable_at_us: int | None = None) -> tuple[Event, ...]:
        """Write the alert for each centre that must be told: the one that answers, the backup once offered, the previous one.

        The first letter to a centre is ``raised`` (``test`` for a test), whatever happened. Offer letters only when these
        events are durable: a number that was sent and then forgotten would be used for other bytes.

        Args:
            event: a name of the contract's section 4.
            durable_at_us: when the alarm became durable, once that is known; later alerts repeat it.
        """
        if alarm.state in UNTOLD_STATES:
            return ()
        file = self._file_for(alarm)
        file.durable_at_us = file.durable_at_us or durable_at_us
        written = self._write(file, [(centre_id, role, event) for centre_id, role in self._audience(file, event)], now)
        if not file.lines and not alarm.simulated and not file.level:
            self._pull(file, FALLBACK, now, "no centre answers for it")
        self._set_watch(file)
        self._forget_if_done(file)
        return written

    def queue_minimal(self, alarm_id: str, device_id: str, received_at_us: int, now: Instant) -> tuple[Event, ...]:
        """Tell of an alarm that cannot be written as it is: that it exists, and to a person as well (R-13)."""
        alarm = minimal_alarm(alarm_id, device_id, received_at_us)
        file = self._file_for(alarm)
        if file.facts is None:
            file.facts = NoFacts()
            self._pull(file, FALLBACK, now, "its record cannot be read")
        return self.queue(alarm, "updated", now)

    def resume(self, alarms: Iterable[Alarm], now: Instant) -> tuple[tuple[Alarm, str], ...]:
        """Begin, once, after the replay (of an empty journal too): everything unstored is due now, every clock starts anew.

        Returns: alarms that centres do not know as they are now, each with the event to ``queue``: the gateway had
        stopped between an alarm's record and its alert.
        """
        self._live = True
        untold = tuple((alarm, event) for alarm in alarms if (event := self._untold(alarm)))
        for file in list(self._files.values()):
            for line in file.lines.values():
                for letter in line.letters:
                    letter.sent = True  # Nobody knows whether it left: its number is used up.
                self._advance(file, line, now)
            self._restart_watch(file, now)
            self._forget_if_done(file)
        return untold

    # ------------------------------------------------------------------------------------------------- what is due

    def next_deadline_us(self) -> int | None:
        """Monotonic time of the next thing to do; None while nothing waits for time."""
        return min((at_us for at_us in (self._next_watch_us(), self._lanes.next_us) if at_us is not None), default=None)

    def next_escalation_us(self) -> int | None:
        """Monotonic time at which ``on_deadline`` has something to say; None while nobody waits."""
        return self._next_watch_us()

    def due(self, now: Instant) -> tuple[Offer, ...]:
        """What to offer now, as far as slots are free. Ask at the deadline and after every other call.

        Each offer must come back through ``answered``, whatever became of it: until then it holds its slot.
        """
        assert self._live, "resume() must be called once, after the replay"
        offers = []
        for tried in self._lanes.take_due(now.mono_us):
            trip, letter, route_id = tried.trip, tried.trip.letter, tried.route.route_id
            attempt = letter.attempts[route_id]
            offers.append(Offer(trip.alarm_id, trip.centre_id, route_id, letter.seq, attempt, letter.event, trip.simulated, letter.body))
            self._flying[trip.alarm_id, trip.centre_id, route_id, letter.seq, attempt] = tried
        return tuple(offers)

    def answered(self, offer: Offer, answer: Answer, now: Instant) -> tuple[Event, ...]:
        """What came of an offer. A late success counts like a quick one."""
        attempt = (offer.alarm_id, offer.centre_id, offer.route_id, offer.seq, offer.attempt)
        events: list[Event] = [AlertAnswered(*attempt, answer.level, answer.reason, answer.took_ms, answer.retry_after_s)]
        file = self._files.get(offer.alarm_id)
        line = file.lines.get(offer.centre_id) if file else None
        if (told := answer.told) and line is not None and told.level not in line.said:
            # Once: what a centre tells is told to it and to others, and it may answer that in the same words.
            events.append(CentreTold(offer.alarm_id, offer.centre_id, told.level, told.operator, note=told.note))
        tried = self._flying.pop(attempt, None)
        if tried is not None:
            self._lanes.landed(tried, answer, now.mono_us)
        for event in events:
            self.apply(event, None, now)
        if answer.level <= FAILED and tried is not None:
            for trip in self._lanes.hopeless(offer.centre_id) if answer.route_gone else [tried.trip]:
                if not trip.over and self._lanes.is_hopeless(trip):
                    self._drop(self._files[trip.alarm_id], trip.letter, offer.centre_id, now)
        return tuple(events)

    def on_deadline(self, now: Instant) -> tuple[Event, ...]:
        """Make one alarm louder whose time has come; call again while the deadline has passed.

        One alarm a call, so that one that cannot be written stops no other (``at_work``).
        """
        at_us = self._next_watch_us()
        if at_us is None or at_us > now.mono_us:
            return ()
        file = heapq.heappop(self._watches)[2]
        self.at_work = file.alarm.alarm_id
        fired = file.watch.fire(now.mono_us)
        # Set for the next time before anything is written: what cannot be written must not be due for ever.
        self._set_watch(file)
        events = self._escalate(file, fired, now)
        self.at_work = None
        return events

    def route_up(self, centre_id: str, route_id: str, now: Instant) -> None:
        """The shell could connect again: what waits for this route goes out now (R-09)."""
        if route_id in self._lanes.routes.get(centre_id, ()):
            self._lanes.recovered(centre_id, route_id, now.mono_us)

    # ---------------------------------------------------------------------------------------------------- the fold

    def apply(self, event: Event, alarm: Alarm | None, now: Instant) -> None:
        """Take an event into account.

        Args:
            alarm: its alarm after the event, as the alarms' own fold has it; None when the event is of none.
        """
        if isinstance(event, AlarmRaised) and event.test:
            self._last_test_us[event.device] = event.received_at_us
        if isinstance(event, AlertQueued):
            self._apply_queued(event, alarm, now)
        file = self._files.get(getattr(event, "alarm_id", ""))
        if file is None:
            return
        if alarm is not None and file.facts is None:
            was_test, file.alarm = file.alarm.test, alarm
            if was_test and not alarm.test:
                for line in file.lines.values():
                    line.ever_stored = False  # What it has stored was a test.
                self._restart_watch(file, now)
        match event:
            case AlertOffered():
                self._apply_offered(file, event)
            case AlertAnswered():
                self._apply_answered(file, event, now)
            case CentreTold():
                self._apply_told(file, event, now)
            case AlarmResolved():
                file.takers.add(event.operator)
            case AlarmReopened():
                file.takers.add(event.operator)
                for line in file.lines.values():
                    line.final = False
            case AlarmEscalated():
                file.level = max(file.level, event.level)
            case FallbackSent() if not event.ok and event.reason not in WITHHELD:
                file.watch.fallback_failed(now.mono_us)
            case AlarmClosed():
                file.ended = True
                for line in file.lines.values():
                    self._advance(file, line, now)
        self._set_watch(file)
        self._forget_if_done(file)

    def _apply_queued(self, event: AlertQueued, alarm: Alarm | None, now: Instant) -> None:
        file = self._file_for(alarm) if alarm is not None else self._files.get(event.alarm_id)
        if file is None:
            return
        line = file.lines.setdefault(event.centre_id, Line(event.centre_id, event.role))
        if not line.put(event, file.alarm.track[-1].received_at_us if file.alarm.track else 0):
            return
        file.told_of = _picture(file.alarm)
        if event.event in ANNOUNCING and event.role in ANSWERS_FOR and self._live and file.is_watched:
            file.watch.begin(now.mono_us)
        self._advance(file, line, now)

    def _apply_offered(self, file: _File, event: AlertOffered) -> None:
        line = file.lines.get(event.centre_id)
        letter = line.letter(event.seq) if line else None
        if letter is not None:
            letter.sent = True
            letter.attempts[event.route_id] = max(event.attempt, letter.attempts.get(event.route_id, 0))

    def _apply_answered(self, file: _File, event: AlertAnswered, now: Instant) -> None:
        file.last_reason = event.reason
        line = file.lines.get(event.centre_id)
        letter = line.letter(event.seq) if line else None
        if event.level >= TAKEN:
            file.takers.add(event.centre_id)
        if line is None or letter is None:
            return
        if event.level >= STORED:
            line.store(letter)
            if file.is_watched:
                file.watch.store(now.mono_us, line.role in ANSWERS_FOR)
        elif event.level == REFUSED:
            letter.refused_by.add(event.route_id)
            self._alarm(file, line, letter, (FALLBACK,), f"{event.centre_id} refused it ({event.reason})", now)
            if letter.refused_by >= set(self._lanes.routes.get(event.centre_id, ())):
                self._drop(file, letter, event.centre_id, now)
        line.settle()
        self._advance(file, line, now)

    def _apply_told(self, file: _File, event: CentreTold, now: Instant) -> None:
        if event.centre_id in file.lines:
            file.lines[event.centre_id].said.add(event.level)
        if event.level in TAKEN_LEVELS:
            file.takers.add(event.centre_id)
        elif event.level == "rejected":
            file.takers.discard(event.centre_id)
            if not file.takers:
                self._restart_watch(file, now)
                for action in (BACKUP, FALLBACK):
                    self._pull(file, action, now, f"rejected by {event.centre_id}")

    # ----------------------------------------------------------------------------------------------- who is told

    def _file_for(self, alarm: Alarm) -> _File:
        file = self._files.get(alarm.alarm_id)
        if file is None:
            file = self._files[alarm.alarm_id] = _File(alarm, Watch(self._options))
            if alarm.taken_by is not None or alarm.state in TAKEN_STATES:
                file.takers.add(alarm.taken_centre or "gateway")
        file.alarm = alarm
        file.ended = file.ended or not alarm.is_open
        return file

    def _receiver(self, alarm: Alarm) -> tuple[str, str] | None:
        """The centre that answers for an alarm, and its role. Nobody's area: the national fallback."""
        area = alarm.decision.area if alarm.decision else None
        if area is not None and area.centre_id in self._centres:
            return area.centre_id, "fallback" if area.basis == "fallback" else "primary"
        return (self._national_id, "fallback") if self._national_id else None

    def _audience(self, file: _File, event: str) -> Iterator[tuple[str, str]]:
        """Who is told of this, the one that answers first."""
        receiver = self._receiver(file.alarm)
        known = list(file.lines.values())
        if event in FINAL:
            yield from ((line.centre_id, line.role) for line in known)
            return
        if file.ended:
            return
        if receiver is not None and self._may_have(receiver[0], file.alarm):
            yield receiver
        for line in known:
            role = "backup" if line.role == "backup" else "previous"
            if (receiver is None or line.centre_id != receiver[0]) and (event != POSITION or self._follows(file, line.centre_id, role)):
                yield line.centre_id, role

    def _follows(self, file: _File, centre_id: str, role: str) -> bool:
        """Whether a centre that does not answer for the alarm is told where she is: the one that took it, else the backup."""
        return centre_id in file.takers if file.takers else role == "backup"

    def _may_have(self, centre_id: str, alarm: Alarm) -> bool:
        """A simulated alarm never leaves to a centre that is not for tests; the client checks it once more."""
        if centre_id in self._centres and alarm.simulated and not self._centres[centre_id].test:
            self._withheld += 1
            return False
        return centre_id in self._centres

    def _write(self, file: _File, audience: Iterable[tuple[str, str, str]], now: Instant) -> tuple[Event, ...]:
        """Letters for centre, role, event. All are written before any is taken into account: all or none."""
        receivers = [(centre_id, role, event) for centre_id, role, event in audience if not self._has_final(file, centre_id)]
        told = dict.fromkeys((*(centre_id for centre_id, _, _ in receivers), *file.lines, *file.alarm.offered_to))
        written = tuple(
            self._letter(file, centre_id, role, event, tuple(other for other in told if other != centre_id), now)
            for centre_id, role, event in receivers
        )  # fmt: skip
        for queued in written:
            self._apply_queued(queued, None, now)
        return written

    def _letter(self, file: _File, centre_id: str, role: str, event: str, others: tuple[str, ...], now: Instant) -> AlertQueued:
        alarm, line = file.alarm, file.lines.get(centre_id)
        event = _event_name(event, alarm.test, line)
        heading = Heading(
            centre_id, role, line.next_seq(event) if line else 1, event, now.wall_us,
            also_offered_to=others,
            durable_at_us=file.durable_at_us or alarm.durable_at_us,
            last_test_at_us=self._last_test_us.get(alarm.device_id),
            told_until_us=line.told_until_us if line else 0,
        )  # fmt: skip
        return AlertQueued(alarm.alarm_id, centre_id, role, heading.seq, event, compose(alarm, heading, file.facts or self._facts, self._sender))

    def _has_final(self, file: _File, centre_id: str) -> bool:
        return centre_id in file.lines and file.lines[centre_id].final

    # ------------------------------------------------------------------------------------------------- escalation

    def _escalate(self, file: _File, fired: dict[str, str], now: Instant) -> tuple[Event, ...]:
        """Carry out what is due for one alarm."""
        backup_id = self._backup_of(file) if BACKUP in fired else None
        audience = [(backup_id, "backup", "raised")] if backup_id else []
        if BACKUP in fired or REPEAT in fired:
            audience += self._reminded(file, backup_id)
        letters = self._write(file, audience, now)
        steps = []
        for action, reason in fired.items():
            level = max(file.level, LEVELS[action])
            if action == BACKUP and backup_id is None:
                action, reason = REPEAT, f"{reason}; no other centre to ask"
            steps.append(AlarmEscalated(file.alarm.alarm_id, level, action, reason))
        louder = [step for step in steps if step.action != REPEAT]
        # A repetition goes without saying beside a louder step, and is none when there is nothing to repeat.
        steps = louder or [step for step in steps[-1:] if letters or (file.watch.stored and step.level > file.level)]
        file.level = max((step.level for step in steps), default=file.level)
        return (*steps, *letters)

    def _reminded(self, file: _File, backup_id: str | None) -> list[tuple[str, str, str]]:
        """The centres that are told that nobody has taken it yet, or that another centre is asked now."""
        return [
            (line.centre_id, line.role, "escalated")
            for line in file.lines.values()
            if line.role != "previous" and not line.holds("escalated") and (line.ever_stored or backup_id)
        ]

    def _backup_of(self, file: _File) -> str | None:
        """The centre to ask as well; None when there is none, or when it was asked already."""
        receiver = self._receiver(file.alarm)
        area = file.alarm.decision.area if file.alarm.decision else None
        backup_id: str | None = area.backup_id if area and area.backup_id in self._centres else None
        if backup_id is None and receiver is not None:
            backup_id = self._centres[receiver[0]].backup
        if backup_id is None or backup_id in file.lines or not self._may_have(backup_id, file.alarm):
            return None
        return backup_id

    def _pull(self, file: _File, action: str, now: Instant, reason: str) -> None:
        if self._live and file.is_watched:
            file.watch.pull(action, now.mono_us, reason)

    def _alarm(self, file: _File, line: Line, letter: Letter, actions: tuple[str, ...], reason: str, now: Instant) -> None:
        """A centre refuses a change of state: others are told at once, once for each centre."""
        for action in actions:
            if letter.event != POSITION and action not in line.alarmed:
                line.alarmed.add(action)
                self._pull(file, action, now, reason)
        self._set_watch(file)

    def _restart_watch(self, file: _File, now: Instant) -> None:
        """Start the clocks of an alarm that nobody has taken."""
        stored = any(line.ever_stored for line in file.lines.values())
        file.watch = Watch(self._options)
        if self._live and file.is_watched:
            if not all(line.ever_stored for line in file.lines.values() if line.role in ANSWERS_FOR):
                file.watch.begin(now.mono_us)
            if stored:
                file.watch.store(now.mono_us, by_primary=False)
        self._set_watch(file)

    def _next_watch_us(self) -> int | None:
        while self._watches and self._watches[0][2].watch_us != self._watches[0][0]:
            heapq.heappop(self._watches)
        return self._watches[0][0] if self._watches else None

    def _set_watch(self, file: _File) -> None:
        """Bring the heap of deadlines up to date with a file's clocks."""
        if not file.is_watched:
            file.watch.clear()
        watch_us = file.watch.next_us if self._live else None
        if watch_us != file.watch_us:
            file.watch_us = watch_us
            if watch_us is not None:
                heapq.heappush(self._watches, (watch_us, next(self._order), file))

    # --------------------------------------------------------------------------------------------------- on its way

    def _advance(self, file: _File, line: Line, now: Instant) -> None:
        """Let the first letter of a line travel, and no other."""
        head, trip = line.head, file.trips.get(line.centre_id)
        wanted = head if head is not None and not head.abandoned and (head.event in FINAL or not file.ended) else None
        if trip is not None and trip.letter is not wanted:
            self._lanes.stop(file.trips.pop(line.centre_id))
            trip = None
        if wanted is None or trip is not None or not self._live or not self._may_have(line.centre_id, file.alarm):
            return
        trip = Trip(
            file.alarm.alarm_id, line.centre_id, wanted, _rank(file, line, wanted), file.alarm.received_at_us, file.alarm.simulated,
            attempts_for(self._options, file.ended),
        )  # fmt: skip
        file.trips[line.centre_id] = trip
        if not self._lanes.start(trip, now.mono_us):
            self._drop(file, wanted, line.centre_id, now)

    def _drop(self, file: _File, letter: Letter, centre_id: str, now: Instant) -> None:
        """No route of this centre will take this letter: the next one gets its turn, and others are asked."""
        line = file.lines[centre_id]
        if file.ended:
            self._given_up += 1
        else:
            self._refused += 1
            self._alarm(file, line, letter, (BACKUP, FALLBACK), f"{centre_id} has no route that takes it", now)
        line.drop(letter)
        self._advance(file, line, now)

    def _forget_if_done(self, file: _File) -> None:
        """Let go of an alarm that has ended and whose last words have arrived."""
        if file.ended and all(line.final and not line.letters for line in file.lines.values()):
            file.watch_us = None
            self._files.pop(file.alarm.alarm_id, None)

    def _untold(self, alarm: Alarm) -> str | None:
        """The event that centres have missed of this alarm."""
        if alarm.state in UNTOLD_STATES:
            return None
        file = self._files.get(alarm.alarm_id)
        if file is None:
            return "raised" if alarm.is_open else None
        file.alarm, file.ended = alarm, not alarm.is_open
        for centre_id in [centre_id for centre_id in file.lines if centre_id not in self._centres]:
            del file.lines[centre_id]  # No longer configured.
        if not alarm.is_open or alarm.state is State.RESOLVED:
            unsaid = not all(line.final for line in file.lines.values())
            return "closed" if unsaid else None
        receiver = self._receiver(alarm)
        return "updated" if file.told_of != _picture(alarm) or (receiver and receiver[0] not in file.lines) else None

    # --------------------------------------------------------------------------------------------------- for people

    def statistics(self) -> Statistics:
        """Figures; costs one walk over the open alarms."""
        files = self._files.values()
        routes = [route for routes in self._lanes.routes.values() for route in routes.values()]
        return Statistics(
            alarms=len(self._files),
            unstored=sum(not file.ended and not any(line.ever_stored for line in file.lines.values()) for file in files),
            untaken=sum(not file.ended and not file.takers for file in files),
            letters=sum(len(line.letters) for file in files for line in file.lines.values()),
            flying=len(self._flying),
            refused=self._refused, given_up=self._given_up, withheld=self._withheld,
            failing=tuple(f"{route.centre_id}/{route.route_id}" for route in routes if route.failing),
            gone=tuple(f"{route.centre_id}/{route.route_id}" for route in routes if route.gone),
        )  # fmt: skip

    def status(self, alarm_id: str) -> tuple[LineStatus, ...]:
        """How far each centre has been told of one alarm; empty when nothing of it is on its way."""
        file = self._files.get(alarm_id)
        if file is None:
            return ()
        return tuple(
            LineStatus(
                line.centre_id, line.role, line.ever_stored, len(line.letters),
                sum(line.head.attempts.values()) if line.head else 0, file.last_reason,
            )
            for line in file.lines.values()
        )  # fmt: skip


def _event_name(event: str, test: bool, line: Line | None) -> str:
    """What the event is to this centre: whatever happened, it hears first that there is an alarm (or a test)."""
    first = "test" if test else "raised"
    if event in FINAL:
        return event
    if line is None or line.announced is None or (line.announced == "test" and not test):
        return first
    return "updated" if event in ("raised", "test") else event


def _rank(file: _File, line: Line, letter: Letter) -> int:
    alarm = file.alarm
    if file.ended:
        return RANK_HISTORY
    if alarm.test:
        return RANK_TEST
    if not line.ever_stored:
        return RANK_NEW if alarm.trust >= Trust.T3 else RANK_NEW_UNSURE
    return RANK_POSITION if letter.event == POSITION else RANK_CHANGE


def _picture(alarm: Alarm) -> tuple[object, ...]:
    """What a centre must have been told of: when it differs after a restart, an alert was lost on the way."""
    decision = alarm.decision
    first = decision.proposal.candidates[0].unit_id if decision and decision.proposal.candidates else None
    return (
        alarm.kinds, alarm.faults, alarm.repeat_count, alarm.cancel_claimed, alarm.test, alarm.taken_by, alarm.taken_centre, alarm.outcome,
        alarm.device_silent, decision.area.centre_id if decision else None, first,
    )  # fmt: skip
