"""One device and its orders under a hand-moved clock, for tests that read like stories."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway import events as ev
from gateway.model import Alarm, Device, DeviceId, Frame, Instant, Kind, Order, OrderAnswer, OrderKind, Report, State, Trust
from gateway.orders import Ordered, OrderOptions, Orders

START_US = 1_773_576_000_000_000
DEVICE = Device(DeviceId("dev-1"), ("001012600000014", "+32470000001"), protocol="gt06", interval_s=900)
LOCATE = Order(OrderKind.LOCATE)
SLOW, QUICK = Order(OrderKind.INTERVAL, 900), Order(OrderKind.INTERVAL, 10)
TEXT = Order(OrderKind.TEXT, text="VERSION#")
ANSWER = Frame("gt06", "tcp", b"answer", DEVICE.identifiers[0], (Report(Kind.CONFIG_REPLY, text="OK"),))
CHATTER = Frame("gt06", "tcp", b"beat", DEVICE.identifiers[0], (Report(Kind.HEARTBEAT),))


@dataclass
class FakeSpeech:
    """Every protocol has every order, unless said otherwise; a CONFIG_REPLY is an answer, one that says no a refusal."""

    kinds: frozenset[OrderKind] = frozenset(OrderKind)
    roads: frozenset[str] = frozenset({"link"})
    asked: list[int] = field(default_factory=list)

    def ways(self, device: Device, protocol: str | None, order: Order) -> frozenset[str]:
        return self.roads if order.kind in self.kinds else frozenset()

    def answer(self, order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
        self.asked.append(serial)
        replies = [report for report in frame.reports if report.kinds & Kind.CONFIG_REPLY]
        return OrderAnswer(replies[0].text != "no", replies[0].text) if replies else None


class OrderStory:
    """The fold, the clock, and everything that was written."""

    def __init__(self, options: OrderOptions | None = None, speech: FakeSpeech | None = None) -> None:
        self.speech = speech or FakeSpeech()
        self.options = options or OrderOptions()
        self.orders = Orders(self.options, self.speech)
        self.now = Instant(START_US, 1_000_000_000)
        self.journal: list[tuple[Instant, ev.Event, Alarm | None]] = []
        self.alarm: Alarm | None = None

    def let(self, source: Iterable[ev.Event]) -> list[ev.Event]:
        """Apply each event as it is decided."""
        found = []
        for event in source:
            alarm = self.alarm if getattr(event, "alarm_id", None) else None
            self.journal.append((self.now, event, alarm))
            self.orders.apply(event, alarm, self.now)
            found.append(event)
        return found

    def wait(self, seconds: float) -> list[ev.Event]:
        """Time passes; what falls due happens."""
        us = round(seconds * 1e6)
        self.now = Instant(self.now.wall_us + us, self.now.mono_us + us)
        return self.let(self.orders.on_deadline(self.now))

    def ask(self, order: Order = LOCATE, actor: str = "anna") -> str:
        """A person asks; the order's id."""
        asked = self.let(self.orders.ask(DEVICE, order, actor, self.now))[-1]
        assert isinstance(asked, ev.OrderAsked)
        return asked.order_id

    def send(self, order_id: str, via: str = "tcp") -> list[ev.Event]:
        """Its bytes are about to leave."""
        return self.let(self.orders.sent(order_id, via))

    def hear(self, frame: Frame = ANSWER, trust: Trust = Trust.T3) -> list[ev.Event]:
        """The device speaks."""
        return self.let(self.orders.heard(DEVICE.device_id, frame, trust, self.now))

    def happen(self, event: ev.Event, **facts: object) -> list[ev.Event]:
        """Something happens to the alarm, which then has these facts; what is asked of its device because of it."""
        known = {"kinds": Kind.SOS_BUTTON, "received_at_us": self.now.wall_us, "state": State.RAISED, "trust": Trust.T3, "tracking": "ON"}
        if self.alarm is not None:
            known = {name: getattr(self.alarm, name) for name in (*known, "repeat_count", "simulated")}
        self.alarm = Alarm("a" * 32, DEVICE.device_id, "gt06", "tcp", **{**known, **facts})  # type: ignore[arg-type]
        self.journal.append((self.now, event, self.alarm))
        self.orders.apply(event, self.alarm, self.now)
        return self.follow()

    def follow(self) -> list[ev.Event]:
        """What is asked of the device now."""
        found = []
        for _ in self.orders.looks():
            assert self.alarm is not None
            is_followed = self.alarm.state not in (State.RESOLVED, State.CLOSED) and self.alarm.tracking != "OFF"
            found += self.let(self.orders.follow(self.alarm, DEVICE, self.alarm if is_followed else None, self.now))
        return found

    def restarted(self, ago_s: float = 0.0, upto: int | None = None) -> "OrderStory":
        """The same journal (or its beginning), read by another process."""
        other = OrderStory(self.options, self.speech)
        us = round(ago_s * 1e6)
        other.now = Instant(self.now.wall_us + us, 5_000_000_000_000 + us)
        other.alarm = self.alarm
        for at, event, alarm in self.journal[:upto]:
            other.journal.append((at, event, alarm))
            other.orders.apply(event, alarm, Instant(at.wall_us, other.now.mono_us - (other.now.wall_us - at.wall_us)))
        return other

    def order(self, order_id: str) -> Ordered:
        """One order as it is now."""
        found = self.orders.get(order_id)
        assert found is not None
        return found
