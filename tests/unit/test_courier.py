"""The courier: orders leave when their record is durable, between answers, over the link that carries the device, or by text."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio
import trio.testing

from gateway import events as ev
from gateway.delivery.envelope import Sender
from gateway.delivery.options import FallbackOptions
from gateway.journal.options import JournalOptions
from gateway.model import Device, DeviceId, Frame, Kind, Link, Order, OrderKind, Report, Trust
from gateway.orders import OrderOptions, Orders
from gateway.protocols import gt06_orders
from gateway.protocols.base import NOTHING_KNOWN
from gateway.shell.courier import UDP_RECENT_US, Courier
from gateway.shell.disk import Journal, open_journal
from gateway.shell.fallback import Fallback
from gateway.shell.ingest import Ingest
from gateway.shell.lane import Lane
from gateway.shell.options import ListenOptions
from gateway.shell.speech import TableSpeech
from gateway.shell.tcp import SEND_TIMEOUT_S, Pen, serve_link
from gateway.sim.disk import SimDisk
from tests.unit.desk_story import Story
from tests.unit.gt06_frames import IMEI, alarm, login
from tests.unit.test_lane import Centre, Clock, Human

NUMBER = "+32470000001"
BUTTON = Device(DeviceId("dev-1"), (IMEI, NUMBER), protocol="gt06", interval_s=900)
SLOWER = Order(OrderKind.INTERVAL, 60)
BEAT = Frame("gt06", "tcp", b"\x78\x78\x05\x13\x00\x01", IMEI, (Report(Kind.HEARTBEAT),), b"ok")


@dataclass
class FakeLink:
    """A conversation that keeps what it is given."""

    link: Link
    given: list[bytes] = field(default_factory=list)
    works: bool = True

    async def send(self, data: bytes) -> bool:
        self.given.append(data)
        await trio.lowlevel.checkpoint()
        return self.works


class FakeFallback:
    """A Kannel link."""

    def __init__(self) -> None:
        self.has_texts = True
        self.texts: list[tuple[str, str]] = []

    async def text_to(self, number: str, text: str) -> bool:
        self.texts.append((number, text))
        await trio.lowlevel.checkpoint()
        return True


class Home:
    def __init__(self, lane: Lane, journal: Journal, courier: Courier, ingest: Ingest, fallback: FakeFallback, story: Story) -> None:
        self.lane, self.journal, self.courier, self.ingest, self.fallback, self.story = lane, journal, courier, ingest, fallback, story
        self.desk = lane.desk
        self._ids = iter(range(1, 100))

    def link(self, transport: str = "tcp", trust: Trust = Trust.T3, peer: str = "10.0.0.1:1", *, simulated: bool = False) -> FakeLink:
        return FakeLink(Link(next(self._ids), f"{transport} test", transport, peer, trust, simulated))

    async def heard(self, link: FakeLink, frame: Frame = BEAT) -> None:
        """The device speaks over this link."""
        verdict, _ = self.lane.take(frame, link.link)
        if verdict.carries_orders:
            self.courier.heard(link, "dev-1", frame)  # type: ignore[arg-type]
        elif verdict.carries_orders is None:
            self.courier.doubted("dev-1")
        await trio.sleep(0.1)

    async def ask(self, order: Order = SLOWER) -> str:
        """A person asks; the order's id."""
        events = self.desk.ask_order("dev-1", order, "anna", Clock().now())
        await self.lane.record(events)
        await trio.sleep(0.1)
        asked = events[-1]
        assert isinstance(asked, ev.OrderAsked)
        return asked.order_id

    def state(self, order_id: str) -> str:
        found = self.desk.orders.get(order_id)
        assert found is not None
        return found.state.value

    def events(self) -> list[str]:
        return [type(entry.event).__name__ for entry in self.journal.entries_since(0, 1000) or ()]


@asynccontextmanager
async def home(options: OrderOptions | None = None, *, sync_s: float = 0.0, device: Device = BUTTON) -> AsyncIterator[Home]:
    clock, fallback = Clock(), FakeFallback()
    disk = SimDisk(random.Random(1), sync_s=(sync_s, sync_s))
    async with open_journal(Path("journal"), disk=disk, clock=clock, options=JournalOptions(segment_kib=64, reserve_mib=1)) as journal:
        story = Story()
        story.people.known["dev-1"] = device
        story.desk.orders = story.desk.order_desk.orders = Orders(options or OrderOptions(automatic=False), TableSpeech(has_sms=True))
        lane = Lane(story.desk, journal, clock, Centre(), Human(), FallbackOptions(), Sender())
        ingest = Ingest(lane, clock)
        courier = Courier(lane, clock, fallback)  # type: ignore[arg-type]
        ingest.post, lane.carry_orders = courier, courier.look
        async with trio.open_nursery() as nursery:
            await nursery.start(courier.run)
            await nursery.start(lane.run)
            yield Home(lane, journal, courier, ingest, fallback, story)
            nursery.cancel_scope.cancel()


def words(order: Order, serial: int = 1) -> bytes:
    data = gt06_orders.write(order, IMEI, NOTHING_KNOWN, serial)
    assert data is not None
    return data


# ------------------------------------------------------------------------------------------------- the way there


async def test_an_order_leaves_over_the_link_that_carries_the_device(autojump_clock: object) -> None:
    async with home() as house:
        link = house.link()
        await house.heard(link)
        order_id = await house.ask()
        assert link.given == [words(SLOWER)] and house.state(order_id) == "SENT"
        assert house.fallback.texts == []


async def test_its_record_is_durable_before_its_bytes_leave(autojump_clock: object) -> None:
    async with home(sync_s=0.5) as house:
        link = house.link()
        await house.heard(link)
        house.lane.commit(house.desk.ask_order("dev-1", SLOWER, "anna", Clock().now()), Clock().now())
        house.lane.look_again()
        await trio.sleep(0.3)
        assert link.given == []
        await trio.sleep(1.5)
        assert link.given == [words(SLOWER)] and "OrderSent" in house.events()


async def test_an_order_waits_for_a_device_that_is_not_there(autojump_clock: object) -> None:
    async with home(OrderOptions(automatic=False, sms=False)) as house:
        order_id = await house.ask()
        await trio.sleep(60)
        assert house.state(order_id) == "ASKED" and house.fallback.texts == []
        link = house.link()
        await house.heard(link)
        assert link.given == [words(SLOWER)]


async def test_a_link_that_has_gone_carries_nothing(autojump_clock: object) -> None:
    async with home(OrderOptions(automatic=False, sms=False)) as house:
        link, other = house.link(), house.link()
        await house.heard(link)
        house.courier.gone(link)  # type: ignore[arg-type]
        house.courier.gone(other)  # type: ignore[arg-type]
        order_id = await house.ask()
        assert link.given == [] and house.state(order_id) == "ASKED"


async def test_the_newest_link_of_a_device_carries_its_orders(autojump_clock: object) -> None:
    async with home() as house:
        old, new = house.link(), house.link()
        await house.heard(old)
        await house.heard(new)
        house.courier.gone(old)  # type: ignore[arg-type]
        await house.ask()
        assert (old.given, new.given) == ([], [words(SLOWER)])


async def test_what_is_sent_and_not_answered_is_sent_again_until_it_expires(autojump_clock: object) -> None:
    async with home() as house:
        link = house.link()
        link.works = False
        await house.heard(link)
        order_id = await house.ask()
        await trio.sleep(200)
        assert link.given == [words(SLOWER)] * 3 and house.state(order_id) == "EXPIRED"
        sent = [entry.event.attempt for entry in house.journal.entries_since(0, 1000) or () if isinstance(entry.event, ev.OrderSent)]
        assert sent == [1, 2, 3]


async def test_a_protocol_without_such_an_order_says_so_when_the_device_speaks_it(autojump_clock: object) -> None:
    async with home(device=replace(BUTTON, protocol=None, identifiers=(IMEI,))) as house:
        order_id = await house.ask(Order(OrderKind.TEXT, text="x" * 201))
        assert house.state(order_id) == "ASKED"
        await house.heard(house.link())
        assert house.state(order_id) == "REFUSED"


# --------------------------------------------------------------------------------------------- who may be trusted


async def test_a_weaker_voice_neither_gets_the_order_nor_takes_it_away(autojump_clock: object) -> None:
    async with home() as house:
        link, spoofer = house.link(), house.link(trust=Trust.T1, peer="203.0.113.9:1")
        for one in (link, spoofer, link, spoofer):
            await house.heard(one)
        await house.ask()
        assert (link.given, spoofer.given) == ([words(SLOWER)], [])


async def test_two_voices_of_one_tier_get_nothing(autojump_clock: object) -> None:
    async with home(OrderOptions(automatic=False, sms=False)) as house:
        one, two = house.link(peer="10.0.0.1:1"), house.link(peer="10.0.0.2:1")
        for link in (one, two, one, two):
            await house.heard(link)
        order_id = await house.ask()
        assert (one.given, two.given, house.state(order_id)) == ([], [], "ASKED")


async def test_a_frame_that_was_refused_opens_no_way(autojump_clock: object) -> None:
    async with home(OrderOptions(automatic=False, sms=False)) as house:
        link = house.link()
        spoilt = replace(BEAT, refused=object(), unverified=Report(Kind.SOS_BUTTON))  # type: ignore[arg-type]
        verdict = house.desk.frame(replace(spoilt, refused=None), link.link, Clock().now())
        assert verdict.carries_orders
        await house.ask()
        assert link.given == []


@pytest.mark.parametrize(("is_link_simulated", "is_device_simulated", "given"), [(True, True, 1), (False, True, 1), (True, False, 0)])
async def test_what_is_simulated_and_what_is_real_never_meet(
    is_link_simulated: bool, is_device_simulated: bool, given: int, autojump_clock: object
) -> None:
    async with home(device=replace(BUTTON, simulated=is_device_simulated, identifiers=(IMEI,))) as house:
        link = house.link(simulated=is_link_simulated)
        await house.heard(link)
        await house.ask()
        assert len(link.given) == given


# ------------------------------------------------------------------------------------------------ datagrams, texts


async def test_a_datagram_goes_to_the_last_source_while_it_is_recent(autojump_clock: object) -> None:
    async with home(OrderOptions(automatic=False, sms=False)) as house:
        link = house.link("udp")
        await house.heard(link)
        await house.ask()
        assert len(link.given) == 1
        await trio.sleep(200)
        assert UDP_RECENT_US < 200e6
        order_id = await house.ask(Order(OrderKind.TEXT, text="VERSION#"))
        assert len(link.given) < 4 and house.state(order_id) == "ASKED"


async def test_a_device_without_a_link_is_asked_by_text(autojump_clock: object) -> None:
    async with home() as house:
        order_id = await house.ask()
        assert house.fallback.texts == [(NUMBER, "TIMER,60,60#")] and house.state(order_id) == "SENT"


@pytest.mark.parametrize(
    ("options", "device"),
    [
        (OrderOptions(automatic=False, sms=False), BUTTON),
        (OrderOptions(automatic=False), replace(BUTTON, identifiers=(IMEI,))),
        (OrderOptions(automatic=False), replace(BUTTON, simulated=True)),
    ],
    ids=["switched off", "no number", "simulated"],
)
async def test_a_text_leaves_only_where_it_may(options: OrderOptions, device: Device, autojump_clock: object) -> None:
    async with home(options, device=device) as house:
        order_id = await house.ask()
        assert house.fallback.texts == [] and house.state(order_id) == "ASKED"


async def test_a_message_that_comes_in_by_text_makes_no_way(autojump_clock: object) -> None:
    async with home(OrderOptions(automatic=False, sms=False)) as house:
        link = house.link("sms")
        await house.heard(link)
        order_id = await house.ask()
        assert link.given == [] and house.state(order_id) == "ASKED"


async def test_a_text_to_one_number_raises_nothing() -> None:
    fallback = Fallback(FallbackOptions(), Clock(), None)  # type: ignore[arg-type]
    assert not fallback.has_texts
    assert not await fallback.text_to(NUMBER, "WHERE#")
    assert fallback.counters.crashed == 1


# ------------------------------------------------------------------------------------------------ the pen


async def test_the_answer_goes_first_and_the_order_right_behind_it(autojump_clock: object) -> None:
    """A press over a real conversation: login, SOS, and the order that the alarm causes."""
    async with home(OrderOptions(), sync_s=0.02) as house:
        options = ListenOptions("127.0.0.1:0", group="apn-sim", protocol="gt06")
        device, server = trio.testing.memory_stream_pair()
        link = house.ingest.link(options, "tcp test", "10.0.0.1:1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_link, server, link, options, house.ingest)
            await device.send_all(login() + alarm(0x16, 4, 1))
            await trio.sleep(2)
            got = bytes(await device.receive_some(1000))
            quick = words(Order(OrderKind.INTERVAL, 10))
            assert got.endswith(quick) and got[3] == 0x01 and got[13] == 0x16 and len(got) == 20 + len(quick)
            told = [type(entry.event).__name__ for entry in house.journal.entries_since(0, 1000) or ()]
            assert told.index("AlarmRaised") < told.index("AlertOffered") < told.index("OrderAsked") < told.index("OrderSent")
            await device.aclose()
        link.ended()
        assert house.courier._ways == {} and house.courier._carried == {}


async def test_an_order_waits_while_an_answer_is_due(autojump_clock: object) -> None:
    device, server = trio.testing.memory_stream_pair()
    pen = Pen(server)
    async with trio.open_nursery() as nursery:
        with pen.answering():
            nursery.start_soon(pen.give, b"order")
            await trio.sleep(1)
            await pen.write(b"answer")
        with pen.answering():
            await trio.sleep(1)
            await pen.write(b"answer")
        await trio.sleep(1)
        assert bytes(await device.receive_some(100)) == b"answeransweror" + b"der"


async def test_half_an_order_ends_the_connection(autojump_clock: object) -> None:
    class Stuck(trio.abc.Stream):
        closed = False

        async def send_all(self, data: object) -> None:
            await trio.sleep_forever()

        async def wait_send_all_might_not_block(self) -> None: ...

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            return b""

        async def aclose(self) -> None:
            self.closed = True
            await trio.lowlevel.checkpoint()

    stream = Stuck()
    began = trio.current_time()
    assert not await Pen(stream).give(b"order")
    assert stream.closed and trio.current_time() - began == SEND_TIMEOUT_S


async def test_a_connection_that_is_gone_takes_no_order() -> None:
    device, server = trio.testing.memory_stream_pair()
    await server.aclose()
    assert not await Pen(server).give(b"order")
