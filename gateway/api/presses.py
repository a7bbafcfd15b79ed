"""Alarms that come over HTTP: the app's press, signed per device, and the texts that an SMS bridge brings."""

from gateway.api.house import House
from gateway.api.identify import bridge_of
from gateway.api.messages import Answer, Call, Reply, reply_json
from gateway.events import AlarmPressed, AlarmRaised
from gateway.model import Link, Trust


def press(house: House, call: Call, given: None) -> Answer:
    """The app path: signed per device (``X-Gw-Id``, ``X-Gw-Time``, ``X-Gw-Key``, ``X-Gw-Sig``); 2xx only when durable.
    Whoever cannot sign learns nothing: one answer, whether the device is registered or not."""
    request = call.request
    frame = house.bridges.press(call.principal.name, request.body, call.now.wall_us)
    link = Link(request.link_id, request.listener, "http", request.peer, Trust.T4, house.is_simulation)
    verdict = house.desk.frame(frame, link, call.now)
    alarm_id = next((event.alarm_id for event in verdict.events if isinstance(event, AlarmRaised | AlarmPressed)), None)
    return reply_json({"accepted": True, "alarm_id": alarm_id}, events=tuple(verdict.events))


def kannel(house: House, call: Call, given: None) -> Answer:
    """An SMS from Kannel: 200 with an empty body when it is durable, 503 when not, so that Kannel brings it again. The
    body is empty always: what stands in it would be sent back to the phone."""
    request = call.request
    bridge = bridge_of(house, request)
    frame = house.bridges.kannel(request, call.now.wall_us)
    trust = Trust.T3 if bridge.trusted else Trust.T1
    link = Link(request.link_id, request.listener, "sms", frame.device or "", trust, house.is_simulation)
    verdict = house.desk.frame(frame, link, call.now)
    return Reply(200, events=tuple(verdict.events))
