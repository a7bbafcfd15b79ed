"""Alarms that come over HTTP: the app's press, signed per device, and the texts that an SMS bridge brings."""

from dataclasses import replace

from gateway.api.house import House
from gateway.api.identify import bridge_of
from gateway.api.messages import Answer, Call, Reply, reply_json
from gateway.api.problems import Refused
from gateway.events import AlarmPressed, AlarmRaised, Event
from gateway.model import Frame, Kind, Link, Report, Trust


def press(house: House, call: Call, given: None) -> Answer:
    """The app path: signed per device (``X-Gw-Id``, ``X-Gw-Time``, ``X-Gw-Key``, ``X-Gw-Sig``); 2xx only when durable.
    Whoever cannot sign learns nothing: one answer, whether the device is registered or not."""
    request = call.request
    frame = with_alarm(house.read_press(call.principal.name, request.body, call.now.wall_us))
    link = Link(request.link_id, request.listener, "http", request.peer, Trust.T4, house.is_simulation)
    verdict = house.desk.frame(frame, link, call.now)
    alarm_id = next((event.alarm_id for event in verdict.events if isinstance(event, AlarmRaised | AlarmPressed)), None)
    return replace(reply_json({"accepted": True, "alarm_id": alarm_id}, events=tuple(verdict.events)), after_all=True)


def with_alarm(frame: Frame) -> Frame:
    """A press whose signature holds and whose body cannot be read is an alarm with a hole in it. One that says, readably,
    what no app reports is refused."""
    if frame.refused is None:
        return frame
    if frame.refused.reason == "field":
        raise Refused("bad_field", frame.refused.detail)
    return replace(frame, refused=None, reports=(Report(Kind.UNKNOWN_ALARM, unread=(f"body: {frame.refused.detail}",)),))


def kannel(house: House, call: Call, given: None) -> Answer:
    """An SMS from Kannel: 200 with an empty body when it is durable, 503 when not, so that Kannel brings it again. The
    body is empty always: what stands in it would be sent back to the phone."""
    request = call.request
    bridge = bridge_of(house, request)
    heard, when_durable = bridge.inbox.take(request, call.now)
    events: list[Event] = []
    for sender, frame in heard:
        link = Link(request.link_id, request.listener, "sms", sender, Trust.T3 if bridge.trusted else Trust.T1, house.is_simulation)
        events += house.desk.frame(frame, link, call.now).events
    return Reply(200, events=tuple(events), when_durable=when_durable, after_all=True)
