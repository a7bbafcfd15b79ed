"""Orders to devices: locate, interval, server, confirm, text. One is outstanding a device; the others wait their turn.

    ASKED -> SENT -> ANSWERED | REFUSED | EXPIRED          (and REPLACED, by a newer one of its kind, while it waits)

Like the alarms, orders are a fold over the journal: ``apply`` alone changes anything, deciding methods yield events.
``OrderSent`` is durable before the bytes leave, so that what a crash cut off is repeated under attempt 2 or not at all,
never a second time under attempt 1. Orders are the least of what a link carries: nothing of an alarm waits for one.

Who causes one: a person at the API, or the life of an enrolled device's alarm (``follow``). What comes in a frame or a
text can end an order, never make one.
"""

import enum
import hashlib
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from gateway import events as ev
from gateway.deadlines import Deadlines
from gateway.errors import CommandError
from gateway.model import Alarm, Device, Frame, Instant, Order, OrderAnswer, OrderKind, State, Trust

SECOND_US = 1_000_000
KEPT_MAX = 2_000
"Ended orders that can still be looked at; the journal has them all."
SERIAL_MAX = 0xFFFF
ANSWER_CHARS_MAX = 300
LATER_LASTS_S = 7_200
"As long as she is followed by default; a device that cannot be told of the end goes back by then."
GATEWAY = "gateway"
"Actor of what the life of an alarm asks for."

HAS_CENTRE = frozenset({State.DELIVERED, State.ACKED, State.DISPATCHED, State.ON_SCENE, State.RESOLVED})
"A centre's system, or a human there, has accepted the alarm: only now may its device be told to stop repeating."
ONCE_ONLY = frozenset({OrderKind.TEXT})
"Whose effect we do not know is never repeated."

_PLACE = re.compile(r"\d+[.,]\d{3,}|https?://\S+")
"What may be a coordinate in a device's words, or a link to one (R-80)."


class OrderState(enum.StrEnum):
    """The life of an order."""

    ASKED = "ASKED"
    "Waits for its turn and for a way to the device."
    SENT = "SENT"
    "Outstanding: the bytes left, or were about to when the gateway fell."
    ANSWERED = "ANSWERED"
    REFUSED = "REFUSED"
    EXPIRED = "EXPIRED"
    REPLACED = "REPLACED"


class Step(enum.StrEnum):
    """What an event means for an order."""

    SEND = "send"
    ANSWER = "answered"
    REFUSE = "refused"
    EXPIRE = "expired"
    REPLACE = "replaced"


MOVES: dict[OrderState, dict[Step, OrderState]] = {
    OrderState.ASKED: {
        Step.SEND: OrderState.SENT, Step.REFUSE: OrderState.REFUSED, Step.EXPIRE: OrderState.EXPIRED, Step.REPLACE: OrderState.REPLACED,
    },
    OrderState.SENT: {
        Step.SEND: OrderState.SENT, Step.ANSWER: OrderState.ANSWERED, Step.REFUSE: OrderState.REFUSED, Step.EXPIRE: OrderState.EXPIRED,
    },
    OrderState.ANSWERED: {},
    OrderState.REFUSED: {},
    OrderState.EXPIRED: {},
    OrderState.REPLACED: {},
}  # fmt: skip
"{state: {step: state}}; an empty cell leaves the order as it is."

LIVING = frozenset({OrderState.ASKED, OrderState.SENT})


@dataclass(frozen=True, slots=True)
class OrderOptions:
    """What is asked of devices, and over which links."""

    automatic: bool = True
    "An open alarm asks its device for short intervals, and for the normal one when it is over."
    trust_min: str = "T3"
    "Orders leave only over links of this tier or better. Lower than T3: somebody who only claims to be a device may read them."
    live_interval_s: int = 10
    "How often a device is asked to report when its alarm is new."
    live_for_s: float = 600.0
    "How long that is so after each press."
    later_interval_s: int = 30
    "How often after that, while the alarm is followed. Then again as its registry entry says (interval_s)."
    confirm: bool = True
    "Tell a device to stop repeating when a centre has accepted, where that is silent; where it may be noticed, its registry entry must say so."
    sms: bool = True
    "Where no link is open: by text to the enrolled number, through the fallback's Kannel link."
    answer_wait_s: float = 30.0
    "A sent order without an answer is repeated after this long."
    sms_answer_wait_s: float = 300.0
    "The same for one sent by text."
    attempts_max: int = 3
    "Then it expires. What an operator wrote in his own words is sent once."
    wait_s: float = 600.0
    "What a person asks for waits this long for a way to the device."
    automatic_wait_s: float = 86_400.0
    "What the life of an alarm asks for waits this long."

    @property
    def trust(self) -> Trust:
        """``trust_min`` as a tier."""
        return Trust[self.trust_min]


@dataclass(frozen=True, slots=True)
class Ordered:
    """One order, as its events left it."""

    order_id: str
    device_id: str = field(repr=False)
    order: Order
    actor: str
    reason: str
    asked_at_us: int
    expires_at_us: int
    alarm_id: str | None = None
    simulated: bool = False
    state: OrderState = OrderState.ASKED
    via: str | None = None
    serial: int = 0
    attempts: int = 0
    sent_at_us: int | None = None
    ended_at_us: int | None = None
    why: str | None = None
    "Why it ended as it did."
    answer: str | None = field(default=None, repr=False)


class Speech(Protocol):
    """What the table of protocols knows about orders."""

    def ways(self, device: Device, protocol: str | None, order: Order) -> frozenset[str]:
        """``link``, ``sms``: how this device could be given this order. Empty: its protocols have no such order."""

    def answer(self, order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
        """What a frame says to an order; None when it is about something else."""


class Speechless:
    """No protocol has any order."""

    def ways(self, device: Device, protocol: str | None, order: Order) -> frozenset[str]:
        return frozenset()

    def answer(self, order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
        return None


class Orders:
    """Every order of every device: what waits, what is outstanding, what became of the last ones."""

    def __init__(self, options: OrderOptions, speech: Speech) -> None:
        self.options = options
        self._speech = speech
        self._orders: dict[str, Ordered] = {}
        self._queues: dict[str, list[str]] = {}
        "device id -> orders that wait, oldest first; at most one of a kind, which bounds it"
        self._outstanding: dict[str, str] = {}
        "device id -> the order that was sent"
        self._due: dict[str, None] = {}
        "devices for which something is to be sent now"
        self._news: dict[str, None] = {}
        "those of them for which no way was looked for since"
        self._ended: deque[str] = deque()
        self._deadlines: Deadlines[tuple[str, str]] = Deadlines()
        self._serial = 0
        self._count = 0
        self._looks: dict[str, None] = {}
        "alarms whose device may have to be asked for something"
        self._live: dict[str, int] = {}
        "device id -> the interval that it was asked for because of an open alarm"
        self._fresh_until_us: dict[str, int] = {}
        "device id -> monotonic end of the time after a press in which it reports most often"
        self._confirmed: dict[str, int] = {}
        "alarm id -> presses that were confirmed"

    # ------------------------------------------------------------------------------------------- questions

    def get(self, order_id: str) -> Ordered | None:
        """One order that is remembered."""
        return self._orders.get(order_id)

    def of(self, device_id: str) -> list[Ordered]:
        """What one device was asked for, oldest first."""
        return [ordered for ordered in self._orders.values() if ordered.device_id == device_id]

    def outstanding(self, device_id: str) -> Ordered | None:
        """The order to which an answer is awaited."""
        order_id = self._outstanding.get(device_id)
        return self._orders[order_id] if order_id else None

    def wants(self, device_id: str) -> bool:
        """Whether something is to be sent to this device as soon as there is a way."""
        return device_id in self._due

    def due(self) -> list[Ordered]:
        """What is to be sent now: one order a device."""
        return [self._next_of(device_id) for device_id in self._due]

    def take_news(self) -> Iterator[Ordered]:
        """What is due and was not looked at yet, each once: with ten thousand devices out of reach nobody looks at them all at every turn."""
        while self._news:
            device_id = self._news.popitem()[0]
            if device_id in self._due:
                yield self._next_of(device_id)

    def look_again(self, device_id: str) -> None:
        """There may be a way to this device now."""
        if device_id in self._due:
            self._news[device_id] = None

    def _set_due(self, device_id: str) -> None:
        self._due[device_id] = self._news[device_id] = None

    def _next_of(self, device_id: str) -> Ordered:
        return self._orders[self._outstanding.get(device_id) or self._queues[device_id][0]]

    def statistics(self) -> dict[str, int]:
        """Orders at hand by state."""
        counts = dict.fromkeys((state.value.lower() for state in OrderState), 0)
        for ordered in self._orders.values():
            counts[ordered.state.value.lower()] += 1
        return counts

    # ------------------------------------------------------------------------------------ deciding: by a person

    def ask(
        self, device: Device, order: Order, actor: str, now: Instant, *, reason: str = "asked", alarm_id: str | None = None, simulated: bool = False
    ) -> Iterator[ev.Event]:
        """Ask one device for something. One of the same kind that still waits gives way."""
        for order_id in self._queues.get(device.device_id, ()):
            if self._orders[order_id].order.kind is order.kind:
                yield self._end(self._orders[order_id], Step.REPLACE, "a newer order of its kind")
                break
        wait_s = self.options.wait_s if reason == "asked" else self.options.automatic_wait_s
        order_id = self._mint(device.device_id, order, now)
        yield ev.OrderAsked(order_id, device.device_id, order, actor, reason, now.wall_us + round(wait_s * SECOND_US), alarm_id, simulated)

    def require_known(self, device: Device, protocol: str | None, order: Order) -> None:
        """Raises: CommandError: the device's protocol has no such order."""
        if protocol is not None and not self._speech.ways(device, protocol, order):
            raise CommandError(f"the protocol {protocol} has no {order.kind} order that can be given to this device", code="no_such_order")

    def _mint(self, device_id: str, order: Order, now: Instant) -> str:
        count = self._count
        while True:
            name = f"{device_id}\0{order.kind}\0{now.wall_us}\0{count}"
            order_id = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
            if order_id not in self._orders:
                return order_id
            count += 1

    # -------------------------------------------------------------------------- deciding: by the life of an alarm

    def looks(self) -> Iterator[str]:
        """Alarms that changed in a way that may ask something of their device, each once."""
        while self._looks:
            yield self._looks.popitem()[0]

    def follow(self, alarm: Alarm, device: Device, followed: Alarm | None, now: Instant) -> Iterator[ev.Event]:
        """What this alarm asks of its device now. ``followed``: the open alarm of the device that wants its positions."""
        yield from self._intervals(alarm, device, followed, now)
        if self.options.confirm and alarm.state in HAS_CENTRE and self._confirmed.get(alarm.alarm_id, -1) < alarm.repeat_count:
            order = Order(OrderKind.CONFIRM, kinds=alarm.kinds)
            if self._may_ask(alarm, device, order):
                yield from self.ask(device, order, GATEWAY, now, reason="accepted", alarm_id=alarm.alarm_id, simulated=alarm.simulated)

    def _intervals(self, alarm: Alarm, device: Device, followed: Alarm | None, now: Instant) -> Iterator[ev.Event]:
        """Short ones while she is followed, the normal one after; nothing where that is how it was asked before."""
        device_id, told_s = device.device_id, self._live.get(device.device_id)
        if followed is None:
            if told_s is not None:
                order = Order(OrderKind.INTERVAL, device.interval_s, lasts_s=0)
                yield from self.ask(device, order, GATEWAY, now, reason="ended", alarm_id=alarm.alarm_id, simulated=alarm.simulated)
            return
        fresh_us = self._fresh_until_us.get(device_id, 0) - now.mono_us
        wanted_s, reason = (self.options.live_interval_s, "raised") if fresh_us > 0 else (self.options.later_interval_s, "later")
        lasts_s = max(1, round(fresh_us / SECOND_US)) if fresh_us > 0 else LATER_LASTS_S
        order = Order(OrderKind.INTERVAL, wanted_s, lasts_s)
        if self.options.automatic and wanted_s != told_s and self._may_ask(followed, device, order):
            yield from self.ask(device, order, GATEWAY, now, reason=reason, alarm_id=followed.alarm_id, simulated=followed.simulated)

    def _may_ask(self, alarm: Alarm, device: Device, order: Order) -> bool:
        """Whether there is a way at all that it could take: the alarm's own link, or a text."""
        ways = self._speech.ways(device, alarm.protocol, order)
        return ("link" in ways and alarm.trust >= self.options.trust) or ("sms" in ways and not alarm.simulated)

    # ------------------------------------------------------------------------------------- deciding: on the way

    def sent(self, order_id: str, via: str) -> Iterator[ev.Event]:
        """Its bytes are about to leave: to be made durable before they do."""
        ordered = self._orders.get(order_id)
        if ordered is None or not self._may_send(ordered):
            return
        yield ev.OrderSent(order_id, ordered.device_id, via, self.serial_of(ordered), ordered.attempts + 1, ordered.alarm_id)

    def _may_send(self, ordered: Ordered) -> bool:
        return self.wants(ordered.device_id) and self._next_of(ordered.device_id) is ordered

    def serial_of(self, ordered: Ordered) -> int:
        """The serial number under which it would be sent now."""
        return ordered.serial or self._serial % SERIAL_MAX + 1

    def unsayable(self, order_id: str) -> Iterator[ev.Event]:
        """The protocol that the device speaks has no such order."""
        ordered = self._orders.get(order_id)
        if ordered is not None and ordered.state in LIVING:
            yield self._end(ordered, Step.REFUSE, "its protocol has no such order")

    def heard(self, device_id: str, frame: Frame, trust: Trust, now: Instant) -> Iterator[ev.Event]:
        """An enrolled device spoke: perhaps it answers. Who could not be given an order cannot answer one either."""
        ordered = self.outstanding(device_id)
        if ordered is None or (trust < self.options.trust and ordered.via != "sms"):
            return
        answer = self._speech.answer(ordered.order, ordered.serial, frame)
        if answer is not None:
            step, why = (Step.ANSWER, "the device answered") if answer.is_done else (Step.REFUSE, "the device refused")
            text = None if ordered.order.kind is OrderKind.LOCATE else without_places(answer.text)
            yield self._end(ordered, step, why, text)

    @staticmethod
    def _end(ordered: Ordered, step: Step, why: str, answer: str | None = None) -> ev.OrderEnded:
        return ev.OrderEnded(ordered.order_id, ordered.device_id, step.value, why, answer, ordered.alarm_id)

    # -------------------------------------------------------------------------------------- deciding: by the clock

    def next_deadline_us(self) -> int | None:
        """Monotonic time of the next thing to do."""
        return self._deadlines.next_us()

    def on_deadline(self, now: Instant) -> Iterator[ev.Event]:
        """Everything that is due: repeat, expire, ask for the longer interval."""
        for name, what in list(self._deadlines.due(now.mono_us)):
            if what == "slower":
                self._looks[name] = None
                continue
            ordered = self._orders.get(name)
            if ordered is None or ordered.state not in LIVING:
                continue
            if what == "expire":
                why = "no answer came in time" if ordered.attempts else "there was no way to the device in time"
                yield self._end(ordered, Step.EXPIRE, why)
            elif ordered.attempts < self._attempts_max(ordered.order):
                self._set_due(ordered.device_id)
            else:
                yield self._end(ordered, Step.EXPIRE, f"no answer to {ordered.attempts} attempts")

    def _attempts_max(self, order: Order) -> int:
        return 1 if order.kind in ONCE_ONLY else self.options.attempts_max

    # ---------------------------------------------------------------------------------------------- the fold

    def apply(self, event: ev.Event, alarm: Alarm | None, now: Instant) -> None:
        """Let one event happen; ``alarm`` is the one that it names, as the event left it."""
        match event:
            case ev.OrderAsked():
                self._apply_asked(event, alarm, now)
            case ev.OrderSent() | ev.OrderEnded():
                self._apply_step(event, now)
            case ev.AlarmPressed(copy=True):
                return
            case _ if alarm is not None and isinstance(event, _TELLING):
                self._apply_alarm(event, alarm, now)

    def _apply_asked(self, event: ev.OrderAsked, alarm: Alarm | None, now: Instant) -> None:
        device_id, order = event.device, event.order
        self._count += 1
        self._orders[event.order_id] = Ordered(
            event.order_id, device_id, order, event.actor, event.reason, now.wall_us, event.expires_at_us, event.alarm_id, event.simulated
        )
        self._queues.setdefault(device_id, []).append(event.order_id)
        if device_id not in self._outstanding:
            self._set_due(device_id)
        self._deadlines.set((event.order_id, "expire"), now.mono_us + event.expires_at_us - now.wall_us)
        if event.reason in ("raised", "later") and order.seconds is not None:
            self._live[device_id] = order.seconds
        elif event.reason == "ended":
            self._live.pop(device_id, None)
        elif event.reason == "accepted" and alarm is not None:
            self._confirmed[alarm.alarm_id] = alarm.repeat_count

    def _apply_step(self, event: ev.OrderSent | ev.OrderEnded, now: Instant) -> None:
        ordered = self._orders.get(event.order_id)
        step = Step.SEND if isinstance(event, ev.OrderSent) else Step(event.outcome) if event.outcome in set(Step) else None
        state = MOVES[ordered.state].get(step) if ordered and step else None
        if ordered is None or state is None:
            return
        self._leave(ordered)
        if isinstance(event, ev.OrderSent):
            self._outstanding[ordered.device_id] = ordered.order_id
            self._serial = event.serial
            ordered = replace(ordered, state=state, via=event.via, serial=event.serial, attempts=event.attempt, sent_at_us=now.wall_us)
            wait_s = self.options.sms_answer_wait_s if event.via == "sms" else self.options.answer_wait_s
            self._deadlines.set((ordered.order_id, "answer"), now.mono_us + round(wait_s * SECOND_US))
        else:
            ordered = replace(ordered, state=state, ended_at_us=now.wall_us, why=event.reason, answer=event.answer)
            self._forget_oldest(ordered)
        self._orders[ordered.order_id] = ordered
        if ordered.device_id not in self._outstanding and self._queues.get(ordered.device_id):
            self._set_due(ordered.device_id)

    def _leave(self, ordered: Ordered) -> None:
        """Take it out of its queue or its place, and with it what was due."""
        device_id = ordered.device_id
        if self._outstanding.get(device_id) == ordered.order_id:
            del self._outstanding[device_id]
            self._deadlines.drop((ordered.order_id, "answer"))
        waiting = self._queues.get(device_id, [])
        if ordered.order_id in waiting:
            waiting.remove(ordered.order_id)
            if not waiting:
                del self._queues[device_id]
        if device_id not in self._outstanding:
            self._due.pop(device_id, None)

    def _forget_oldest(self, ordered: Ordered) -> None:
        self._deadlines.drop((ordered.order_id, "expire"))
        self._ended.append(ordered.order_id)
        if len(self._ended) > KEPT_MAX:
            self._orders.pop(self._ended.popleft(), None)

    def _apply_alarm(self, event: ev.Event, alarm: Alarm, now: Instant) -> None:
        self._looks[alarm.alarm_id] = None
        if isinstance(event, (ev.AlarmRaised, ev.AlarmPressed, ev.AlarmExpired)):
            until_us = now.mono_us + round(self.options.live_for_s * SECOND_US)
            self._fresh_until_us[alarm.device_id] = until_us
            self._deadlines.set((alarm.alarm_id, "slower"), until_us)
        elif isinstance(event, (ev.AlarmClosed, ev.PreAlarmCancelled)):
            self._deadlines.drop((alarm.alarm_id, "slower"))
            self._confirmed.pop(alarm.alarm_id, None)


_TELLING = (
    ev.AlarmRaised, ev.AlarmPressed, ev.AlarmExpired, ev.PreAlarmCancelled, ev.AlertAnswered, ev.CentreTold, ev.AlarmResolved,
    ev.AlarmReopened, ev.TrackingStopped, ev.TrackingExtended, ev.AlarmClosed,
)  # fmt: skip
"Events of an alarm after which its device may have to be asked for something."


def without_places(text: str | None) -> str | None:
    """A device's words, short, without what may be a coordinate."""
    if text is None:
        return None
    return _PLACE.sub("(hidden)", "".join(sign for sign in text if sign.isprintable()))[:ANSWER_CHARS_MAX]
