"""Event streams: exactly what one may see, once, in order, after any interruption, and never without its record (R-82)."""

import json
from dataclasses import dataclass, field, replace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway import events as ev
from gateway.api import feeds
from gateway.api.alarms import PART_ALARMS
from gateway.api.messages import Feed, Principal
from gateway.api.sessions import Sessions
from gateway.model import Kind, State, Trust
from tests.unit.api_fakes import OTHER_ALARM, OWN_ALARM, alarm, at, fake_house, token_headers, user
from tests.unit.http_fakes import Served, served


@pytest.fixture
def autojump_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@dataclass
class Told:
    """One event of a stream."""

    name: str = ""
    id: int | None = None
    data: dict[str, object] = field(default_factory=dict)
    has_comment: bool = False


def read(block: str) -> Told:
    """One event as it stands on the wire."""
    found = Told()
    for line in block.split("\n"):
        key, _, value = line.partition(": ")
        if key == "id":
            found.id = int(value)
        elif key == "data":
            found.data = json.loads(value)
        elif key == "event":
            found.name = value
        else:
            found.name = "retry" if key == "retry" else found.name
            found.has_comment = found.has_comment or line.startswith(":")
    return found


class Console:
    """A browser that follows the stream."""

    def __init__(self, house: Served, headers: dict[str, str], last_id: int | None = None) -> None:
        self.browser = house.connect()
        self.headers = headers | ({} if last_id is None else {"last-event-id": str(last_id)})
        self._text = b""

    async def open(self) -> "Console":
        head = await self.browser.begin("GET", "/api/v1/events", self.headers)
        assert (head.status, head.headers["content-type"], head.headers["x-accel-buffering"]) == (200, "text/event-stream", "no")
        one = await self.next()
        assert one and one.name == "retry"
        return self

    async def next_or_end(self) -> Told | None:
        while b"\n\n" not in self._text:
            piece = await self.browser.piece()
            if piece is None:
                return None
            self._text += piece
        block, _, self._text = self._text.partition(b"\n\n")
        return read(block.decode())

    async def next(self, *, skip: tuple[str, ...] = ()) -> Told:
        while True:
            one = await self.next_or_end()
            assert one is not None, "the stream ended"
            if one.name not in skip:
                return one

    async def rest(self) -> list[Told]:
        heard = []
        while one := await self.next_or_end():
            heard.append(one)
        return heard


def raised(alarm_id: str = OWN_ALARM) -> ev.CancelClaimed:
    return ev.CancelClaimed(alarm_id, 1)


async def test_a_stream_begins_with_every_open_alarm_that_is_ones_own():
    async with served() as house:
        house.journal.add(raised())
        house.feeds._hub.seq = 1
        console = await Console(house, house.session()).open()
        first = await console.next()
        assert (first.name, first.id) == ("reset", 1)
        assert [one["alarm_id"] for one in first.data["alarms"]] == [OWN_ALARM]
        assert "track" not in first.data["alarms"][0]
        assert (await console.next()).name == "units"


async def test_changes_come_once_in_order_to_those_who_may_see_them():
    async with served() as house:
        consoles = {name: await Console(house, house.session(name)).open() for name in ("anna", "sven")}
        for console in consoles.values():
            assert [(await console.next()).name for _ in range(2)] == ["reset", "units"]
        house.journal.add(raised(), raised(OTHER_ALARM), ev.Viewed("x", "y", "z"), ev.DeviceSilent(OWN_ALARM, 90))
        own = [await consoles["anna"].next() for _ in range(2)]
        every = [await consoles["sven"].next() for _ in range(3)]
        assert [one.name for one in own] == ["cancel_claimed", "device_silent"]
        assert [one.data["alarm_id"] for one in every] == [OWN_ALARM, OTHER_ALARM, OWN_ALARM]
        ids = [one.id for one in every]
        assert ids == sorted(set(ids))
        assert [one.id for one in own] == [ids[0], ids[2]]


async def test_no_position_leaves_before_the_record_of_the_view_is_durable():
    gate = trio.Event()

    async with served() as house:

        async def record(events):
            await gate.wait()
            house.journal.add(*events)

        house.feeds._record = record
        console = await Console(house, house.session()).open()
        with trio.move_on_after(0.02) as early:
            await console.next()
        assert early.cancelled_caught
        gate.set()
        await wait_all_tasks_blocked()
        assert house.journal.of(ev.Viewed) == [ev.Viewed("anna", "position", f"alarm {OWN_ALARM} in the event stream", OWN_ALARM)]


async def test_one_sitting_has_one_record_per_alarm_however_often_it_resumes():
    async with served() as house:
        headers = house.session()
        for _ in range(3):
            console = await Console(house, headers).open()
            await console.next()
            house.journal.add(raised())
            await console.next(skip=("units",))
            await console.browser.stream.aclose()
        assert len(house.journal.of(ev.Viewed)) == 1


async def test_a_stream_whose_views_cannot_be_recorded_ends():
    async with served() as house:
        house.journal.is_broken = True
        console = await Console(house, house.session()).open()
        assert await console.rest() == []
        assert house.server.links.crashed == 0


@pytest.mark.parametrize("cut_after", range(6))
async def test_resuming_misses_nothing_and_repeats_nothing(cut_after):
    async with served() as house:
        headers = house.session("sven")
        first = await Console(house, headers).open()
        assert (await first.next()).name == "reset"
        heard = []
        for n in range(6):
            if n == cut_after:
                break
            house.journal.add(raised(OWN_ALARM if n % 2 else OTHER_ALARM))
            heard.append((await first.next(skip=("units",))).id)
        await first.browser.stream.aclose()
        missed = []
        for n in range(cut_after, 6):
            house.journal.add(raised(OWN_ALARM if n % 2 else OTHER_ALARM))
            missed.append(house.journal.durable_seq)
        await wait_all_tasks_blocked()
        if not heard:
            return
        second = await Console(house, headers, heard[-1]).open()
        expected = [entry.seq for entry in house.journal.entries if isinstance(entry.event, ev.CancelClaimed)]
        for _ in missed:
            heard.append((await second.next(skip=("units",))).id)
        assert heard == expected


async def test_records_that_come_while_a_console_resumes_are_in_neither_twice_nor_lost():
    """The hub lags behind the journal at the moment of subscribing: the backlog ends where the hub is."""
    house = fake_house()
    house.journal.add(*[raised() for _ in range(10)])
    hub = feeds.Hub(house)
    hub.seq = 4
    subscription = hub.subscribe(Feed(Principal("supervisor", "sven", "*"), 2), lambda: None, at())
    for entry in house.journal.entries_since(hub.seq, 100):
        hub.publish(entry, at())
    assert [item.seq for item in subscription.queue if item.seq] == list(range(3, 11))


@pytest.mark.parametrize("last_id", [0, 4, 99, 2**62])
async def test_what_is_too_long_ago_or_never_was_is_a_reset(last_id):
    house = fake_house()
    house.journal.add(*[raised() for _ in range(10)])
    house.journal.kept_from = 5
    hub = feeds.Hub(house)
    subscription = hub.subscribe(Feed(Principal("supervisor", "sven", "*"), last_id), lambda: None, at())
    parts = list(subscription.queue[0].parts)
    text = b"".join(part.body for part in parts)
    assert text.startswith(b"id: 10\nevent: reset\ndata: ")
    assert text.endswith(b"}\n\n")
    assert text.count(b"\n") == 4
    assert {event.alarm_id for part in parts for event in part.events} == {OWN_ALARM, OTHER_ALARM}


@pytest.mark.parametrize(
    ("quiet", "changes", "resumes"),
    [(feeds.BACKLOG_MAX, 0, True), (feeds.BACKLOG_MAX, 1, False), (0, feeds.QUEUE_MAX, True), (0, feeds.QUEUE_MAX + 1, False)],
)
async def test_a_long_backlog_is_a_reset(quiet, changes, resumes):
    house = fake_house()
    house.journal.add(*[ev.Viewed("x", "y", "z")] * quiet, *[raised() for _ in range(changes)])
    hub = feeds.Hub(house)
    queue = hub.subscribe(Feed(Principal("supervisor", "sven", "*"), 0), lambda: None, at()).queue
    assert (queue[0].parts is None) == resumes
    assert len(queue) == (changes if resumes else 1) + 1


class LongestStep(trio.abc.Instrument):
    """How many alarms were written in one step of the loop, at most."""

    def __init__(self) -> None:
        self.alarms = self.most = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.most, self.alarms = max(self.most, self.alarms), 0


async def test_a_mass_of_open_alarms_holds_up_nobody():
    async with served() as house:
        house.desk.kept = {f"{n:032x}": alarm(f"{n:032x}") for n in range(1_000)}
        step, alert = LongestStep(), house.desk.alert

        def counted(*args):
            step.alarms += 1
            return alert(*args)

        house.desk.alert = counted
        trio.lowlevel.add_instrument(step)
        console = await Console(house, house.session("sven")).open()
        assert len((await console.next()).data["alarms"]) == 1_000
        answer = await house.connect().ask("GET", "/api/v1/alarms", house.session("sven"))
        assert len(answer.json["alarms"]) == 1_000
        trio.lowlevel.remove_instrument(step)
        assert step.most == PART_ALARMS
        assert len(house.journal.of(ev.Viewed)) == 2_000


async def test_a_console_that_cannot_follow_is_closed_and_the_others_are_not():
    house = fake_house()
    hub = feeds.Hub(house)
    who = Principal("supervisor", "sven", "*")
    slow = hub.subscribe(Feed(who, 0), lambda: None, at())
    quick = hub.subscribe(Feed(who, 0), lambda: None, at())
    slow.queue.clear()
    for n in range(feeds.QUEUE_MAX + 1):
        quick.queue.clear()
        house.journal.add(raised())
        hub.publish(house.journal.entries[-1], at())
        assert slow.is_lost == (n == feeds.QUEUE_MAX)
    assert len(slow.queue) == 0
    assert not quick.is_lost
    hub.unsubscribe(slow)
    assert hub.lost == 1


async def test_an_event_is_encoded_once_for_all_consoles():
    house = fake_house()
    hub = feeds.Hub(house)
    consoles = [hub.subscribe(Feed(Principal("supervisor", f"s{n}", "*"), 0), lambda: None, at()) for n in range(50)]
    calls = []
    alert = house.desk.alert
    house.desk.alert = lambda *args: calls.append(1) or alert(*args)
    house.journal.add(raised())
    hub.publish(house.journal.entries[-1], at())
    assert len(calls) == 1
    assert len({id(console.queue[-1].text) for console in consoles}) == 1


async def test_an_alarm_that_is_not_ones_own_any_more_is_gone():
    async with served() as house:
        console = await Console(house, token_headers("G-21")).open()
        assert [one["alarm_id"] for one in (await console.next()).data["alarms"]] == [OWN_ALARM]
        house.desk.kept[OWN_ALARM] = alarm(state=State.CLOSED)
        house.journal.add(ev.AlarmClosed(OWN_ALARM, "done"), raised())
        gone = await console.next()
        assert (gone.name, gone.data) == ("gone", {"alarm_id": OWN_ALARM})
        house.desk.kept[OWN_ALARM] = alarm()
        house.journal.add(raised())
        assert (await console.next()).name == "cancel_claimed", "told once that it is gone"


async def test_an_alarm_that_cannot_be_shown_costs_only_itself():
    async with served() as house:
        console = await Console(house, house.session("sven")).open()
        await console.next()
        alert = house.desk.alert

        def crash(found, now):
            if found.alarm_id == OTHER_ALARM:
                raise KeyError("planted")
            return alert(found, now)

        house.desk.alert = crash
        house.journal.add(raised(OTHER_ALARM), raised())
        assert (await console.next(skip=("units",))).data["alarm_id"] == OWN_ALARM
        assert house.feeds.published.crashed == 1


# -------------------------------------------------------------------------------------------------------- time


async def test_a_quiet_stream_beats_every_five_seconds_with_the_newest_id(autojump_clock):
    async with served() as house:
        console = await Console(house, house.session()).open()
        await console.next()
        await console.next()
        house.journal.add(ev.Viewed("x", "y", "z"), raised(OTHER_ALARM))
        began = trio.current_time()
        beat = await console.next()
        assert (beat.name, beat.id) == ("beat", house.journal.durable_seq)
        assert beat.has_comment
        assert beat.data["now"].endswith("Z")
        assert trio.current_time() - began <= feeds.HEARTBEAT_S


async def test_a_console_on_duty_stays_logged_in_until_the_longest_session_ends(autojump_clock):
    async with served(sessions=Sessions(30.0, 600.0, lambda n: bytes(n))) as house:
        console = await Console(house, house.session()).open()
        while (await console.next()).name != "logged_out":
            assert trio.current_time() < 610
        assert trio.current_time() > 590
        assert await console.rest() == []


async def test_a_user_who_is_logged_out_loses_the_stream(autojump_clock):
    async with served() as house:
        console = await Console(house, house.session()).open()
        house.house.sessions.end_of_user("anna")
        names = [one.name for one in await console.rest()]
        assert names[-1] == "logged_out"
        assert trio.current_time() < feeds.HEARTBEAT_S + 1


@pytest.mark.parametrize("change", [{"active": False}, {"role": "auditor"}])
async def test_a_token_whose_user_changes_loses_the_stream(autojump_clock, change):
    async with served() as house:
        registry = house.house.registry
        registry.users["tok"] = user("tok", "supervisor", "t0ken", token=True, centre_id="*")
        console = await Console(house, token_headers("tok")).open()
        registry.users["tok"] = replace(registry.users["tok"], **change)
        assert [one.name for one in await console.rest()][-1] == "logged_out"


async def test_units_come_at_most_once_a_second_and_when_they_changed(autojump_clock):
    async with served() as house:
        console = await Console(house, house.session()).open()
        await console.next()
        await console.next()
        times = []
        for n in range(3):
            for m in range(10):
                house.desk.moved["G-21"] = (n, m)
            one = await console.next(skip=("beat",))
            assert (one.name, one.id, one.data["units"][0]["lon"]) == ("units", None, 9)
            times.append(trio.current_time())
        assert all(later - sooner >= 0.99 for sooner, later in zip(times, times[1:], strict=False))
        assert (await console.next()).name == "beat"


async def test_units_are_for_dispatchers():
    async with served() as house:
        console = await Console(house, token_headers("G-21")).open()
        assert (await console.next()).name == "reset"
        house.desk.moved["G-21"] = (1, 1)
        house.feeds._hub.publish_units()
        house.journal.add(raised())
        assert (await console.next()).name == "cancel_claimed"


async def test_a_console_that_leaves_is_forgotten():
    async with served() as house:
        console = await Console(house, house.session()).open()
        assert len(house.feeds) == 1
        await console.browser.stream.aclose()
        await wait_all_tasks_blocked()
        assert len(house.feeds) == 0
        assert house.server.links.crashed == 0


async def test_too_many_consoles_are_told_to_come_back(monkeypatch):
    monkeypatch.setattr("gateway.shell.feed.STREAMS_MAX", 1)
    async with served() as house:
        await Console(house, house.session()).open()
        answer = await house.connect().ask("GET", "/api/v1/events", house.session())
        assert (answer.status, answer.code) == (503, "busy")


@pytest.mark.parametrize("word", ["-1", "abc", "1e3", "٣", "9" * 30, "1, 2"])
async def test_an_id_that_we_never_gave_is_refused(word):
    async with served() as house:
        headers = house.session() | {"last-event-id": word.encode("utf-8").decode("latin-1")}
        answer = await house.connect().ask("GET", "/api/v1/events", headers)
        assert (answer.status, answer.code) == (400, "bad_field")


async def test_a_journal_that_went_on_without_us_makes_everybody_resume():
    async with served() as house:
        console = await Console(house, house.session()).open()
        await console.next()
        house.journal.kept_from = 100
        house.journal.add(raised())
        assert [one.name for one in await console.rest()] in ([], ["units"])


def test_every_event_of_an_alarm_is_told_or_left_out_on_purpose():
    silent = {ev.FrameKept, ev.AlertQueued, ev.TestWindowOpened, ev.Viewed, ev.AlarmDurable, ev.DeviceAnswered}
    silent |= {ev.OrderAsked, ev.OrderSent, ev.OrderEnded}  # asked for by GET …/orders
    every = set(ev.Event.__args__)
    assert every - silent - feeds.CHANGES.keys() == set(), "say what consoles are told of the new event"


def test_kinds_of_trust_are_written_on_one_line():
    text = feeds.written("x", {"a": "b\nc\r\nid: 9\n\n", "k": int(Kind.FALL), "t": Trust.T1.name}, 1)
    assert text.count(b"\n") == 4
