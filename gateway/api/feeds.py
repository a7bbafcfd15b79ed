"""What is changing, for consoles: server-sent events with resume, as values.

The id of an event is the journal's sequence number of the record that caused it, its name is what changed, its
data is the alarm as it is now (``shapes.AlarmSeen`` without track). A stream begins with ``reset`` (every open
alarm that is the viewer's own); one that resumes with ``Last-Event-ID`` gets every change after that record once
and in order instead, or a ``reset`` when that is too long ago. ``gone`` names an alarm that the viewer may no longer
see. ``units`` has no id. ``beat`` comes every five seconds; a page that hears nothing for twelve says so. Each
console has a bounded queue; one that cannot follow is closed and resumes.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import orjson

from gateway import events as ev
from gateway.api import access
from gateway.api.alarms import alarm_json, list_parts, views_of
from gateway.api.doors import Entry
from gateway.api.house import House
from gateway.api.messages import Answer, Call, Feed, Principal, Reply, time_text
from gateway.api.problems import Refused
from gateway.model import Alarm, Instant

QUEUE_MAX = 256
"Events a console may lag behind: at ten a second half a minute, which is longer than a browser that lives needs."

BACKLOG_MAX = 2_000
"Records that are looked through for a resuming console; beyond that, or QUEUE_MAX changes, a reset is shorter."

IN_STREAM = "in the event stream"

HEARTBEAT_S = 5.0
UNITS_EVERY_S = 1.0
RETRY_MS = 2_000

CHANGES: dict[type, str] = {
    ev.AlarmRaised: "raised",
    ev.AlarmPressed: "pressed",
    ev.AlarmExpired: "raised",
    ev.PreAlarmCancelled: "cancelled",
    ev.PositionReported: "position",
    ev.NetworksReported: "position",
    ev.CancelClaimed: "cancel_claimed",
    ev.FaultReported: "fault",
    ev.DeviceSilent: "device_silent",
    ev.DeviceHeard: "device_heard",
    ev.AlarmRouted: "routed",
    ev.AlertOffered: "offered",
    ev.AlertAnswered: "answered",
    ev.AlarmEscalated: "escalated",
    ev.FallbackSent: "fallback",
    ev.TrackingStopped: "tracking",
    ev.TrackingExtended: "tracking",
    ev.AlarmClosed: "closed",
    ev.CentreTold: "told",
    ev.AlarmResolved: "resolved",
    ev.AlarmReopened: "reopened",
    ev.TestMarkedReal: "marked_real",
}
"Records that consoles are told of. The others (raw frames, frozen alert bodies, orders to devices, access records) change nothing that is seen."

NAMES = (*dict.fromkeys(CHANGES.values()), "reset", "gone", "units", "beat", "logged_out")


class Item(NamedTuple):
    """One event on its way to a console."""

    text: bytes
    seq: int | None
    alarm_ids: tuple[str, ...] = ()
    "Alarms whose positions are in it: no view leaves without its record."
    parts: Iterator[Reply] | None = None
    "Stands in for ``text`` when that is long: made part by part, each with its own records."


def written(name: str, data: object, seq: int | None = None) -> bytes:
    """One event in the wire format. orjson puts no line feed into its output, so data is one line."""
    head = b"" if seq is None else b"id: %d\n" % seq
    return head + b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


def heartbeat(seq: int | None, now: Instant) -> bytes:
    """A comment that keeps the line alive, and an event for pages, which cannot see comments: it has our clock, and an id,
    so that a quiet console, too, resumes from where it was."""
    return b": beat\n" + written("beat", {"now": time_text(now.wall_us)}, seq)


PREAMBLE = b"retry: %d\n\n" % RETRY_MS


@dataclass(slots=True)
class Subscription:
    """One console that is connected."""

    principal: Principal
    wake: Callable[[], None] = field(repr=False)
    "Tells the shell that there is something to send, or that it is over."
    queue: deque[Item] = field(default_factory=deque, repr=False)
    shown: set[str] = field(default_factory=set, repr=False)
    "Alarms that this console has been shown."
    is_lost: bool = False
    "It could not follow; what is in its queue is not complete any more."

    def put(self, item: Item) -> None:
        """Queue an event, or give this console up."""
        if len(self.queue) >= QUEUE_MAX:
            self.give_up()
        if not self.is_lost:
            self.queue.append(item)
            self.wake()

    def give_up(self) -> None:
        """End this stream; the console resumes."""
        self.is_lost = True
        self.queue.clear()
        self.wake()


class Hub:
    """Hands each change to every console that may see it; encodes once, however many look."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._subscriptions: list[Subscription] = []
        self._units: bytes = b""
        self.seq = house.journal.durable_seq
        "Newest record that every subscription has been told of."
        self.lost = 0
        "Consoles that were closed because they could not follow."

    def __len__(self) -> int:
        return len(self._subscriptions)

    def subscribe(self, feed: Feed, wake: Callable[[], None], now: Instant) -> Subscription:
        """Connect a console: its queue holds what it missed, and from now on gets what comes. No record is in neither."""
        subscription = Subscription(feed.principal, wake)
        subscription.queue.extend(self._missed(subscription, feed.last_id, now))
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Disconnect a console."""
        self._subscriptions.remove(subscription)
        self.lost += subscription.is_lost

    def publish(self, entry: Entry, now: Instant) -> None:
        """Tell every console of this record, which follows those told before."""
        assert entry.seq > self.seq, "records come in order, once"
        self.seq = entry.seq
        alarm = self._changed(entry)
        if alarm is None or not self._subscriptions:
            return
        item = None
        for subscription in self._subscriptions:
            if access.may_see(subscription.principal, alarm, self._house.registry):
                item = item or self._item(entry, alarm, now)
                subscription.shown.add(alarm.alarm_id)
                subscription.put(item)
            elif alarm.alarm_id in subscription.shown:
                subscription.shown.discard(alarm.alarm_id)
                subscription.put(Item(written("gone", {"alarm_id": alarm.alarm_id}, entry.seq), entry.seq))

    def restart(self) -> None:
        """The journal has gone on without us: every console resumes, which tells it what it missed."""
        self.seq = self._house.journal.durable_seq
        for subscription in self._subscriptions:
            subscription.give_up()

    def beat(self, subscription: Subscription, now: Instant) -> bytes:
        """A heartbeat; with the id of the newest record when this console has been told everything up to it."""
        return heartbeat(None if subscription.queue else self.seq, now)

    def publish_units(self) -> None:
        """Tell dispatchers where the units are, when that has changed."""
        viewers = [subscription for subscription in self._subscriptions if subscription.principal.role in access.DISPATCH]
        if not viewers:
            self._units = b""
            return
        text = units_text(self._house)
        if text == self._units:
            return
        self._units = text
        for subscription in viewers:
            # A lagging console needs only the newest one: it takes no second place in the queue.
            if not any(item.seq is None for item in subscription.queue):
                subscription.put(Item(text, None))

    def _missed(self, subscription: Subscription, last_id: int | None, now: Instant) -> list[Item]:
        """What happened after ``last_id`` up to what the hub has told the others; or a reset."""
        items = self._replay(subscription, last_id, now)
        if items is None:
            items = [self._reset(subscription, now)]
        if subscription.principal.role in access.DISPATCH:
            text = units_text(self._house)
            self._units = self._units or text
            items.append(Item(text, None))
        return items

    def _replay(self, subscription: Subscription, last_id: int | None, now: Instant) -> list[Item] | None:
        """Every change after ``last_id``; None when there is none such, or when a reset is shorter for everybody."""
        if last_id is None or last_id > self.seq:
            return None
        entries = self._house.journal.entries_since(last_id, BACKLOG_MAX + 1)
        if entries is None or len(entries) > BACKLOG_MAX:
            return None
        changes = [(entry, alarm) for entry in entries if entry.seq <= self.seq and (alarm := self._changed(entry))]
        own = [(entry, alarm) for entry, alarm in changes if access.may_see(subscription.principal, alarm, self._house.registry)]
        if len(own) > QUEUE_MAX:
            return None
        subscription.shown.update(alarm.alarm_id for _, alarm in own)
        return [self._item(entry, alarm, now) for entry, alarm in own]

    def _reset(self, subscription: Subscription, now: Instant) -> Item:
        desk, facts = self._house.desk, self._house.registry
        alarms = [alarm for alarm in desk.alarms() if alarm.is_open and access.may_see(subscription.principal, alarm, facts)]
        subscription.shown.update(alarm.alarm_id for alarm in alarms)
        parts = list_parts(self._house, subscription.principal, IN_STREAM, alarms, now)
        head, _, tail = written("reset", None, self.seq).partition(b"null")
        return Item(b"", self.seq, parts=chain([Reply(200, head)], parts, [Reply(200, tail)]))

    def _changed(self, entry: Entry) -> Alarm | None:
        if type(entry.event) not in CHANGES:
            return None
        return self._house.desk.alarm(getattr(entry.event, "alarm_id", ""))

    def _item(self, entry: Entry, alarm: Alarm, now: Instant) -> Item:
        text = written(CHANGES[type(entry.event)], alarm_json(self._house, alarm, now), entry.seq)
        return Item(text, entry.seq, (alarm.alarm_id,))


def units_text(house: House) -> bytes:
    """The event with every unit."""
    return written("units", {"units": list(house.desk.units())})


def unrecorded(house: House, who: Principal, items: Iterable[Item], now: Instant) -> tuple[list[str], tuple[ev.Event, ...]]:
    """Alarms in these items that this sitting has no recorded view of, and the records to be made durable first."""
    ids = list(dict.fromkeys(alarm_id for item in items for alarm_id in item.alarm_ids))
    return views_of(house, who, IN_STREAM, ids, now)


def is_welcome(house: House, principal: Principal, now: Instant) -> bool:
    """Whether a stream may go on: the session lives, or the token's user is still who they were."""
    if principal.session_key:
        session = house.sessions.use(principal.session_key, now)
        return session is not None and house.registry.user(principal.name) == session.user
    if principal.role == "local":
        return True
    user = house.registry.user(principal.name)
    return user is not None and user.active and (user.role, user.centre_id, user.zone) == (principal.role, principal.centre_id, principal.zone)


def open_feed(house: House, call: Call, given: None) -> Answer:
    """Server-sent events: what changes, with the alarm as it is now. ``reset`` has every open alarm; ``raised pressed
    cancelled position cancel_claimed fault device_silent device_heard routed offered answered escalated fallback tracking
    closed told resolved reopened marked_real`` have one; ``gone`` its id, ``units`` the units, ``beat`` our clock;
    ``logged_out`` ends the stream. ``Last-Event-ID`` resumes. Each alarm shown is an access record, once per sitting."""
    last = call.request.header("last-event-id")
    if last and not (last.isascii() and last.isdecimal() and len(last) <= 19):
        raise Refused("bad_field", "Last-Event-ID: expected a number that this stream gave.")
    return Feed(call.principal, int(last) if last else None)
