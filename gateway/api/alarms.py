"""Alarms for people: list, look, act. Whoever may not see an alarm is told that there is none."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import orjson

from gateway.api import access
from gateway.api.doors import Json
from gateway.api.house import House
from gateway.api.messages import Answer, Call, Errand, Parts, Principal, Reply, reply_json, time_text
from gateway.api.problems import Refused
from gateway.api.shapes import Because, Extension, Note, Nothing, Reassignment, Resolution, Take, Told
from gateway.events import Event
from gateway.model import Alarm, Instant, Seen, State

STATES = frozenset(state.value for state in State)


def alarm_json(house: House, alarm: Alarm, now: Instant, *, with_track: bool = False) -> Json:
    """``shapes.AlarmSeen``: the alert that the centre gets, and what a screen needs beside it."""
    seen = house.desk.alert(alarm if with_track else replace(alarm, track=()), now)
    if not with_track:
        seen.pop("track", None)
    seen |= {
        "alarm_id": alarm.alarm_id,
        "state": alarm.state.value,
        "open": alarm.is_open,
        "escalation": alarm.escalation,
        "tracking": alarm.tracking,
        "device_silent": alarm.device_silent,
        "offered_to": list(alarm.offered_to),
        "last_press_at": time_text(alarm.last_press_at_us) if alarm.last_press_at_us else None,
        "owner": alarm.taken_by,
        "outcome": alarm.outcome,
        "unit_assigned": alarm.unit_assigned,
        "linked_to": alarm.linked_to,
    }
    return seen


def visible(house: House, call: Call, wanted: str) -> list[Alarm]:
    """The caller's own alarms in the wanted state (``open``, ``all`` or a state's name), longest waiting first."""
    if wanted not in ("open", "all") and wanted not in STATES:
        raise Refused("bad_field", "state: expected open, all or the name of a state.")
    found = [
        alarm
        for alarm in house.desk.alarms()
        if (wanted == "all" or alarm.state == wanted or (wanted == "open" and alarm.is_open))
        and access.may_see(call.principal, alarm, house.registry)
    ]
    return sorted(found, key=lambda alarm: (alarm.received_at_us, alarm.alarm_id))


def one(house: House, call: Call) -> Alarm:
    """The alarm that the path names, if the caller may see it."""
    alarm = house.desk.alarm(call.parts["alarm_id"])
    if alarm is None or not access.may_see(call.principal, alarm, house.registry):
        raise Refused("unknown_alarm")
    return alarm


def view_of(house: House, call: Call, what: str, alarm_id: str, now: Instant) -> tuple[Event, ...]:
    """The access record of one look: who, what, which alarm, from where."""
    return house.desk.viewed(call.principal.name, what, f"alarm {alarm_id} from {place_of(call)}", alarm_id, now)


def place_of(call: Call) -> str:
    """Where the caller sits, for the access record."""
    return "the control socket" if call.request.via_control_socket else call.request.peer


PART_ALARMS = 50
"Alarms in one part of a list: about 2 ms of work."


def list_parts(house: House, who: Principal, where: str, alarms: Sequence[Alarm], now: Instant) -> Iterator[Reply]:
    """``shapes.AlarmList`` in parts; each has the access records of those of its alarms that this sitting has not seen."""
    yield Reply(200, b'{"now":' + orjson.dumps(time_text(now.wall_us)) + b',"alarms":[')
    for start in range(0, len(alarms), PART_ALARMS):
        chosen = alarms[start : start + PART_ALARMS]
        unseen, events = views_of(house, who, where, [alarm.alarm_id for alarm in chosen], now)
        body = b",".join(orjson.dumps(alarm_json(house, alarm, now)) for alarm in chosen)
        yield Reply(200, (b"," if start else b"") + body, (), events, partial(house.views.saw, who.view_key, unseen, now))
    yield Reply(200, b"]}")


def views_of(house: House, who: Principal, where: str, alarm_ids: list[str], now: Instant) -> tuple[list[str], tuple[Event, ...]]:
    """The alarms that this sitting has no recorded view of, and the records that have to become durable first."""
    unseen = house.views.unseen(who.view_key, alarm_ids, now)
    events: list[Event] = []
    for alarm_id in unseen:
        events += house.desk.viewed(who.name, "position", f"alarm {alarm_id} {where}", alarm_id, now)
    return unseen, tuple(events)


def list_alarms(house: House, call: Call, given: None) -> Answer:
    """Open alarms (or ``?state=``) that are the caller's own, with positions: one access record per sitting and alarm."""
    try:
        wanted = call.request.fields().get("state", "open")
    except ValueError:
        raise Refused("bad_field", "The query has too many fields.") from None
    alarms = visible(house, call, wanted)
    return Parts(list_parts(house, call.principal, f"in a list from {place_of(call)}", alarms, call.now))


def show_alarm(house: House, call: Call, given: None) -> Answer:
    """One alarm with its newest track; each look is an access record."""
    alarm = one(house, call)
    return reply_json(alarm_json(house, alarm, call.now, with_track=True), events=view_of(house, call, "position", alarm.alarm_id, call.now))


def show_track(house: House, call: Call, given: None) -> Answer:
    """Where she was, oldest first, and the road line of the proposed unit; each look is an access record."""
    alarm = one(house, call)
    body = {
        "alarm_id": alarm.alarm_id,
        "points": [track_point(seen) for seen in alarm.track],
        "way": [list(point) for point in house.desk.way(alarm.alarm_id)],
    }
    return reply_json(body, events=view_of(house, call, "track", alarm.alarm_id, call.now))


def track_point(seen: Seen) -> Json:
    """``shapes.TrackPoint``; what is unknown is absent."""
    fix = seen.fix
    point: Json = {"lat": fix.lat_e7 / 1e7, "lon": fix.lon_e7 / 1e7, "received_at": time_text(seen.received_at_us)}
    point |= {"source": fix.source, "current": seen.current}
    if fix.at_us is not None:
        point["at"] = time_text(fix.at_us)
    for name in ("accuracy_m", "speed_kmh", "course_deg"):
        if (value := getattr(fix, name)) is not None:
            point[name] = value
    return point


def show_story(house: House, call: Call, given: None) -> Answer:
    """Every record of one alarm with its time, from the press to the receipts; each look is an access record."""
    alarm_id = one(house, call).alarm_id

    def tell(records: object, now: Instant) -> Answer:
        return reply_json({"alarm_id": alarm_id, "records": records}, events=view_of(house, call, "story", alarm_id, now))

    return Errand("story", lambda: house.story(alarm_id), tell)


# --------------------------------------------------------------------------------------------------- acting


def outcome(house: House, alarm_id: str, events: Sequence[Event]) -> Reply:
    """``shapes.Outcome``: what an action left, without a position."""
    alarm = house.desk.alarm(alarm_id)
    assert alarm is not None, "an alarm that was just acted on"
    body = {"alarm_id": alarm_id, "state": alarm.state.value, "taken_by": alarm.taken_by, "tracking": alarm.tracking}
    return replace(reply_json(body, events=tuple(events)), after_all=True)


def acting_centre(call: Call, alarm: Alarm) -> str:
    """The centre in whose name an operator acts: their own; for those of every centre, the alarm's."""
    own = call.principal.centre_id
    if own and own != access.ALL:
        return own
    if alarm.taken_centre:
        return alarm.taken_centre
    if alarm.decision:
        return alarm.decision.area.centre_id
    return alarm.offered_to[0] if alarm.offered_to else ""


def acknowledge(house: House, call: Call, given: Told) -> Answer:
    """A centre (signed as in Standard Webhooks) or a logged-in operator says how far it is. A message that comes twice
    changes nothing. ``closed`` needs a named human and may carry an outcome code."""
    alarm = one(house, call)
    if call.principal.role == "centre":
        centre_id, operator = call.principal.name, given.operator
    else:
        centre_id, operator = acting_centre(call, alarm), call.principal.name
        if call.principal.role == "local" and given.operator:
            operator = f"{given.operator} ({call.principal.name})"
    message_id = call.request.header("webhook-id") or None
    if call.principal.role == "centre" and message_id:
        if house.callbacks.is_repetition(centre_id, message_id, call.request.body):
            return outcome(house, alarm.alarm_id, ())
        reply = tell(house, call, given, alarm, centre_id, operator, message_id)
        return replace(reply, when_durable=lambda: house.callbacks.remember(centre_id, message_id, call.request.body))
    return tell(house, call, given, alarm, centre_id, operator, message_id)


def tell(house: House, call: Call, given: Told, alarm: Alarm, centre_id: str, operator: str | None, message_id: str | None) -> Reply:
    """Let the desk know what a centre said."""
    if given.level == "closed":
        if not operator:
            raise Refused("bad_field", "operator: only a named human ends an alarm.")
        is_said_before = call.principal.role == "centre" or given.outcome in (None, alarm.outcome)
        if alarm.state in (State.RESOLVED, State.CLOSED) and is_said_before:
            return outcome(house, alarm.alarm_id, ())
        events = house.desk.resolve(alarm.alarm_id, given.outcome or "UNKNOWN", operator, centre_id, given.note, call.now)
    else:
        events = house.desk.centre_told(alarm.alarm_id, centre_id, given.level, operator, given.unit, given.note, message_id, call.now)
    return outcome(house, alarm.alarm_id, events)


def take(house: House, call: Call, given: Take) -> Answer:
    """Take an alarm: the siren stops everywhere, the owner is shown to all."""
    alarm = one(house, call)
    who = call.principal.name
    events = house.desk.centre_told(alarm.alarm_id, acting_centre(call, alarm), "accepted", who, None, given.note, None, call.now)
    return outcome(house, alarm.alarm_id, events)


def add_note(house: House, call: Call, given: Note) -> Answer:
    """A note in the record."""
    alarm = one(house, call)
    who = call.principal.name
    events = house.desk.centre_told(alarm.alarm_id, acting_centre(call, alarm), "note", who, None, given.note, None, call.now)
    return outcome(house, alarm.alarm_id, events)


def resolve(house: House, call: Call, given: Resolution) -> Answer:
    """How it ended. Taking it is part of ending it."""
    alarm = one(house, call)
    events = house.desk.resolve(alarm.alarm_id, given.outcome, call.principal.name, acting_centre(call, alarm), given.note, call.now)
    return outcome(house, alarm.alarm_id, events)


def reopen(house: House, call: Call, given: Because) -> Answer:
    """Take the outcome back."""
    alarm = one(house, call)
    return outcome(house, alarm.alarm_id, house.desk.reopen(alarm.alarm_id, call.principal.name, given.reason, call.now))


def mark_real(house: House, call: Call, given: Nothing) -> Answer:
    """A test was none. Never the other way round."""
    alarm = one(house, call)
    return outcome(house, alarm.alarm_id, house.desk.mark_real(alarm.alarm_id, call.principal.name, call.now))


def extend_track(house: House, call: Call, given: Extension) -> Answer:
    """Follow her for longer."""
    alarm = one(house, call)
    return outcome(house, alarm.alarm_id, house.desk.extend_tracking(alarm.alarm_id, call.principal.name, given.seconds, call.now))


def stop_track(house: House, call: Call, given: Nothing) -> Answer:
    """Stop following her; the alarm stays open."""
    alarm = one(house, call)
    return outcome(house, alarm.alarm_id, house.desk.stop_tracking(alarm.alarm_id, call.principal.name, call.now))


def reassign(house: House, call: Call, given: Reassignment) -> Answer:
    """Hand an alarm over to another centre; both are told."""
    alarm = one(house, call)
    if given.centre not in house.centre_ids:
        raise Refused("unknown_centre")
    events = house.desk.reassign(alarm.alarm_id, given.centre, call.principal.name, given.reason, call.now)
    return outcome(house, alarm.alarm_id, events)
