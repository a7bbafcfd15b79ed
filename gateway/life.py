"""The life of an alarm: which event leads where, and what each event changes.

The table is ``MOVES``; the diagram in the docs is drawn from it. Everything here is a function of an alarm and an event;
what else an event means (deadlines, indexes) is the business of ``alarms.py``.
"""

import enum
from dataclasses import replace

from gateway import events as ev
from gateway.model import ENDED, LIFE, TECH, TEST, TRACK_KEPT, Alarm, Kind, Seen, State


class Move(enum.StrEnum):
    """What an event means for the state."""

    EXPIRE = "expire"
    CANCEL = "cancel"
    ROUTE = "route"
    OFFER = "offer"
    STORE = "store"
    TAKE = "take"
    DISPATCH = "dispatch"
    ARRIVE = "arrive"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    CLOSE = "close"


_TAKEN = {Move.DISPATCH: State.DISPATCHED, Move.ARRIVE: State.ON_SCENE, Move.RESOLVE: State.RESOLVED}
_UNTAKEN = {Move.TAKE: State.ACKED, **_TAKEN}

MOVES: dict[State, dict[Move, State]] = {
    State.PENDING: {Move.EXPIRE: State.RAISED, Move.CANCEL: State.CANCELLED},
    State.RAISED: {Move.ROUTE: State.ROUTED, Move.OFFER: State.OFFERED, Move.STORE: State.DELIVERED, **_UNTAKEN},
    State.ROUTED: {Move.OFFER: State.OFFERED, Move.STORE: State.DELIVERED, **_UNTAKEN},
    State.OFFERED: {Move.STORE: State.DELIVERED, **_UNTAKEN},
    State.DELIVERED: _UNTAKEN,
    State.ACKED: _TAKEN,
    State.DISPATCHED: {Move.ARRIVE: State.ON_SCENE, Move.RESOLVE: State.RESOLVED},
    State.ON_SCENE: {Move.RESOLVE: State.RESOLVED},
    State.RESOLVED: {Move.REOPEN: State.ACKED, Move.CLOSE: State.CLOSED},
    State.CLOSED: {},
    State.CANCELLED: {},
}
"{state: {move: state}}; an empty cell leaves the state as it is. Only RESOLVE (a human) leads towards the end."

PRESSABLE = frozenset(State) - ENDED - {State.RESOLVED}
"A press joins an alarm in these states; a human has answered the others, so that a press then is a new alarm."

_LEVELS = {
    "accepted": Move.TAKE,
    "dispatched": Move.DISPATCH,
    "arrived": Move.ARRIVE,
}


def begun(event: ev.AlarmRaised) -> Alarm:
    """The alarm that an event raises."""
    seen = Seen(event.fix, event.received_at_us, event.fix_current, event.trust) if event.fix else None
    return Alarm(
        alarm_id=event.alarm_id,
        device_id=event.device,
        protocol=event.protocol,
        transport=event.transport,
        state=State.PENDING if event.pending else State.RAISED,
        kinds=event.kinds,
        received_at_us=event.received_at_us,
        event_at_us=event.event_at_us,
        case_ref=event.case_ref,
        case_state=event.case_state,
        test=event.test,
        simulated=event.simulated,
        late=event.late,
        trust=event.trust,
        trust_worst=event.trust,
        doubts=event.doubts,
        position=seen if seen and seen.current else None,
        last_known=seen if seen and not seen.current else None,
        track=(seen,) if seen else (),
        battery_percent=event.battery_percent,
        networks=event.networks,
        faults=event.kinds & TECH,
        text=event.text,
        linked_to=event.linked_to,
        last_press_at_us=event.received_at_us,
    )


def move_of(event: ev.Event) -> Move | None:
    """What an event means for the state of its alarm."""
    match event:
        case ev.AlarmExpired():
            return Move.EXPIRE
        case ev.PreAlarmCancelled():
            return Move.CANCEL
        case ev.AlarmRouted():
            return Move.ROUTE
        case ev.AlertOffered():
            return Move.OFFER
        case ev.AlertAnswered(level=3):
            return Move.STORE
        case ev.AlertAnswered(level=4):
            return Move.TAKE
        case ev.CentreTold(level=level):
            return _LEVELS.get(level)
        case ev.AlarmResolved():
            return Move.RESOLVE
        case ev.AlarmReopened():
            return Move.REOPEN
        case ev.AlarmClosed():
            return Move.CLOSE
    return None


def changed(alarm: Alarm, event: ev.Event) -> Alarm:
    """The alarm after an event: its facts, and the state that the table gives."""
    move = move_of(event)
    state = MOVES[alarm.state].get(move, alarm.state) if move else alarm.state
    alarm = _with_facts(alarm, event)
    return alarm if state is alarm.state else replace(alarm, state=state)


def _with_facts(alarm: Alarm, event: ev.Event) -> Alarm:
    match event:
        case ev.AlarmPressed():
            return replace(
                alarm,
                kinds=alarm.kinds | event.kinds,
                repeat_count=alarm.repeat_count + (0 if event.copy else 1),
                last_press_at_us=alarm.last_press_at_us if event.copy else event.received_at_us,
                trust=max(alarm.trust, event.trust),
                trust_worst=min(alarm.trust_worst, event.trust),
                doubts=tuple(dict.fromkeys((*alarm.doubts, *event.doubts))),
                tracking=alarm.tracking if event.copy else "ON",
            )
        case ev.AlarmDurable():
            return replace(alarm, durable_at_us=event.durable_at_us)
        case ev.PositionReported():
            return _with_position(alarm, event)
        case ev.NetworksReported():
            return replace(alarm, networks=event.networks)
        case ev.CancelClaimed():
            return replace(alarm, cancel_claimed=True, kinds=alarm.kinds | Kind.CANCEL_CLAIM)
        case ev.FaultReported():
            battery = alarm.battery_percent if event.battery_percent is None else event.battery_percent
            return replace(alarm, faults=alarm.faults | event.kinds, battery_percent=battery)
        case ev.DeviceSilent():
            return replace(alarm, device_silent=True, tracking="STALE")
        case ev.DeviceHeard():
            return replace(alarm, device_silent=False, tracking="ON" if alarm.tracking == "STALE" else alarm.tracking)
        case ev.AlarmRouted():
            return replace(alarm, decision=event.decision)
        case ev.AlertQueued():
            known = alarm.offered_to
            return alarm if event.centre_id in known else replace(alarm, offered_to=(*known, event.centre_id))
        case ev.AlarmEscalated():
            return replace(alarm, escalation=max(alarm.escalation, event.level))
        case ev.CentreTold():
            if event.level in _LEVELS:
                taken_by = alarm.taken_by or event.operator or "the centre"
                alarm = replace(alarm, taken_by=taken_by, taken_centre=alarm.taken_centre or event.centre_id)
            return replace(alarm, unit_assigned=event.unit) if event.unit else alarm
        case ev.AlertAnswered(level=4):
            return replace(alarm, taken_by=alarm.taken_by or "the centre", taken_centre=alarm.taken_centre or event.centre_id)
        case ev.AlarmResolved():
            return replace(alarm, outcome=event.outcome)
        case ev.AlarmReopened():
            return replace(alarm, outcome=None, tracking="ON")
        case ev.TestMarkedReal():
            return replace(alarm, test=False, kinds=(alarm.kinds & ~TEST) | (alarm.kinds & LIFE or Kind.SOS_BUTTON))
        case ev.TrackingStopped() | ev.AlarmClosed() | ev.PreAlarmCancelled():
            return replace(alarm, tracking="OFF")
        case ev.TrackingExtended():
            return replace(alarm, tracking="ON")
    return alarm


def _with_position(alarm: Alarm, event: ev.PositionReported) -> Alarm:
    seen = Seen(event.fix, event.received_at_us, event.current, event.trust)
    battery = alarm.battery_percent if event.battery_percent is None else event.battery_percent
    newest = seen if event.current else alarm.position
    last = alarm.last_known if event.current else _newer(alarm.last_known, seen)
    track = (*alarm.track, seen)[-TRACK_KEPT:]
    return replace(alarm, position=newest, last_known=last, track=track, battery_percent=battery)


def _newer(known: Seen | None, seen: Seen) -> Seen:
    """The later one by the device's own time where both have one."""
    if known is None or known.fix.at_us is None or seen.fix.at_us is None:
        return seen
    return seen if seen.fix.at_us >= known.fix.at_us else known
