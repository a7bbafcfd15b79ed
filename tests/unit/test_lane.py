"""The lane: nothing is acknowledged before the disk has it, nothing is held back because the disk has not."""

import errno
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from gateway.delivery.envelope import Sender
from gateway.delivery.offers import STORED, Answer, Offer
from gateway.delivery.options import FallbackOptions
from gateway.errors import JournalError
from gateway.events import AlarmDurable, AlarmRaised, AlertOffered, DeviceAnswered, FallbackSent
from gateway.journal.options import JournalOptions
from gateway.model import Device, DeviceId, Frame, Instant, Kind, Report
from gateway.shell.disk import open_journal
from gateway.shell.ingest import Ingest
from gateway.shell.lane import HOLD_S, Lane
from gateway.shell.options import ListenOptions
from gateway.shell.tcp import serve_link
from gateway.sim import speak
from gateway.sim.disk import Fault, SimDisk
from tests.unit.desk_story import LINK, START_US, WEST, Story
from tests.vectors.sheets import OWN_CASES


class Clock:
    def now(self) -> Instant:
        mono_us = round(trio.current_time() * 1e6)
        return Instant(START_US + mono_us, mono_us)


class Centre:
    """Stores everything, and says when it heard it."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, Offer]] = []

    async def offer(self, offer: Offer) -> Answer:
        self.heard.append((trio.current_time(), offer))
        await trio.sleep(0.01)
        return Answer(STORED, "stored")


class Human:
    def __init__(self) -> None:
        self.texts: list[str] = []

    async def tell(self, alarm_id: str, text: str, *, simulated: bool) -> FallbackSent:
        self.texts.append(text)
        return FallbackSent(alarm_id, "test", True, "accepted")


class House:
    def __init__(self, lane: Lane, journal: object, centre: Centre, human: Human, disk: SimDisk) -> None:
        self.lane, self.journal, self.centre, self.human, self.disk = lane, journal, centre, human, disk
        self.born_us = Clock().now().wall_us

    def press(self, serial: int = 1) -> object:
        """An SOS of dev-1 arrives; with the same serial it is a copy."""
        now_us = self.born_us
        frame = Frame("gt06", "tcp", b"raw%d" % serial, "111", (Report(Kind.SOS_BUTTON, WEST, now_us, serial),), b"ok")
        return self.lane.take(frame, LINK)

    def events(self) -> list[str]:
        return [type(entry.event).__name__ for entry in self.journal.entries_since(0, 1000)]  # type: ignore[attr-defined]


@asynccontextmanager
async def house(*, sync_s: float = 0.0) -> AsyncIterator[House]:
    clock, centre, human = Clock(), Centre(), Human()
    disk = SimDisk(random.Random(1), sync_s=(sync_s, sync_s))
    async with open_journal(Path("journal"), disk=disk, clock=clock, options=JournalOptions(segment_kib=64, reserve_mib=1)) as journal:
        story = Story()
        lane = Lane(story.desk, journal, clock, centre, human, FallbackOptions(), Sender())
        async with trio.open_nursery() as nursery:
            await nursery.start(lane.run)
            yield House(lane, journal, centre, human, disk)
            nursery.cancel_scope.cancel()


async def test_the_answer_waits_for_the_disk(autojump_clock: object) -> None:
    async with house(sync_s=0.3) as home:
        began = trio.current_time()
        verdict, durable = home.press()  # type: ignore[misc]
        assert verdict.reply == b"ok" and not durable.is_done
        assert await home.lane.wait_durable(durable)
        assert trio.current_time() - began >= 0.3


async def test_a_copy_waits_for_the_press_that_is_still_on_its_way(autojump_clock: object) -> None:
    async with house(sync_s=0.3) as home:
        home.press()
        verdict, durable = home.press()  # type: ignore[misc]
        assert verdict.events == () and not durable.is_done


async def test_an_alert_leaves_when_its_number_is_durable(autojump_clock: object) -> None:
    async with house(sync_s=0.02) as home:
        began = trio.current_time()
        home.press()
        await trio.sleep(1)
        (at_s, offer), *_ = home.centre.heard
        assert offer.event == "raised" and 0.02 <= at_s - began <= HOLD_S


async def test_a_hanging_disk_holds_an_alert_for_a_moment_only(autojump_clock: object) -> None:
    async with house(sync_s=30.0) as home:
        began = trio.current_time()
        home.press()
        await trio.sleep(1)
        (at_s, _), *_ = home.centre.heard
        assert at_s - began <= HOLD_S + 0.02


async def test_what_cannot_be_made_durable_is_forwarded_and_not_acknowledged(autojump_clock: object) -> None:
    async with house() as home:
        for operation in ("append", "sync", "create"):
            home.disk.faults.append(Fault(operation, 1, 10_000, errno.EIO))
        verdict, durable = home.press()  # type: ignore[misc]
        assert not await home.lane.wait_durable(durable)
        await trio.sleep(1)
        assert [offer.event for _, offer in home.centre.heard] == ["raised"]
        assert home.lane.undurable >= 1
        with pytest.raises(JournalError):
            await home.lane.record(())
        home.disk.faults.clear()
        await trio.sleep(6)
        _, copy = home.press()  # type: ignore[misc]
        assert await home.lane.wait_durable(copy), "the disk is back and has written what waited"
        assert "AlarmRaised" in home.events()


async def test_the_story_of_an_alarm_has_its_times(autojump_clock: object) -> None:
    async with house() as home:
        verdict, durable = home.press()  # type: ignore[misc]
        await home.lane.wait_durable(durable)
        home.lane.note_answered([event.alarm_id for event in verdict.events if isinstance(event, AlarmRaised)])
        await trio.sleep(0.5)
        told = home.events()
        assert told[:2] == ["FrameKept", "AlarmRaised"]
        assert {AlarmDurable.__name__, DeviceAnswered.__name__, AlertOffered.__name__} <= set(told)


async def test_a_frame_that_crashes_the_desk_is_raised_with_a_hole_and_the_next_one_is_none_the_wiser(autojump_clock: object) -> None:
    async with house() as home:
        desk, judge = home.lane.desk, home.lane.desk.frame

        def crash(*args: object) -> None:
            raise ZeroDivisionError

        desk.frame = crash  # type: ignore[method-assign, assignment]
        verdict, durable = home.press(1)  # type: ignore[misc]
        assert await home.lane.wait_durable(durable)
        assert [event.doubts for event in verdict.events if isinstance(event, AlarmRaised)] == [("undecodable",)]
        desk.frame = judge  # type: ignore[method-assign]
        await trio.sleep(1)
        assert home.lane.frames.crashed == 1
        assert len(home.centre.heard) >= 1


async def test_a_decision_that_crashes_reaches_the_fallback_centre_and_a_human(autojump_clock: object) -> None:
    async with house() as home:

        def crash(*args: object, **more: object) -> None:
            raise ZeroDivisionError

        home.lane.desk.router.decide = crash  # type: ignore[method-assign, assignment]
        home.press()
        await trio.sleep(2)
        assert [offer.centre_id for _, offer in home.centre.heard][:1] == ["west"]
        assert home.human.texts


async def test_nobody_takes_it_and_a_human_is_told_within_a_minute(autojump_clock: object) -> None:
    async with house() as home:
        home.press()
        await trio.sleep(70)
        assert {offer.centre_id for _, offer in home.centre.heard} == {"west", "east"}
        assert home.human.texts and "STALKING ALARM" in home.human.texts[0]


# ---------------------------------------------------------------------------------------------------- device links


async def test_an_unidentified_link_lives_ten_seconds(autojump_clock: object) -> None:
    async with house() as home:
        ingest = Ingest(home.lane, Clock())
        near, far = trio.testing.memory_stream_pair()
        options = ListenOptions("", "gt06")
        began = trio.current_time()
        with pytest.raises(trio.TooSlowError):
            await serve_link(far, ingest.link(options, "tcp test", "1.2.3.4:5"), options, ingest)
        assert trio.current_time() - began == pytest.approx(10.0, abs=0.1)


async def test_a_frame_that_never_ends_is_waited_for_twenty_seconds(autojump_clock: object) -> None:
    async with house() as home:
        ingest = Ingest(home.lane, Clock())
        imei = speak.test_imei(1)
        home.lane.desk.facts.known["dev-1"] = home.lane.desk.facts.known["dev-1"].__class__(  # type: ignore[attr-defined]
            "dev-1", (imei,), case_ref="GE-1"
        )
        near, far = trio.testing.memory_stream_pair()
        options = ListenOptions("", "gt06")
        link = ingest.link(options, "tcp test", "1.2.3.4:5")
        await near.send_all(speak.gt06_login(imei) + b"\x78\x78\x22")
        began = trio.current_time()
        with pytest.raises(trio.TooSlowError):
            await serve_link(far, link, options, ingest)
        assert link.is_identified and trio.current_time() - began <= 20.1


async def test_a_stranger_on_a_link_is_hung_up_on_without_a_byte(autojump_clock: object) -> None:
    async with house() as home:
        ingest = Ingest(home.lane, Clock())
        near, far = trio.testing.memory_stream_pair()
        options = ListenOptions("", "gt06")
        await near.send_all(speak.gt06_login(speak.test_imei(77)))
        await serve_link(far, ingest.link(options, "tcp test", "1.2.3.4:5"), options, ingest)
        await far.aclose()
        assert await near.receive_some(100) == b""


async def test_a_key_of_the_registry_opens_the_very_first_frame_of_a_link(autojump_clock: object) -> None:
    """A panel dials for one message and hangs up: who it is stands in the clear, what it says does not."""
    case = next(case for case in OWN_CASES if case.name == "encrypted-128")
    async with house() as home:
        ingest = Ingest(home.lane, Clock())
        facts = home.lane.desk.facts
        facts.known["dev-1"] = replace(facts.known["dev-1"], identifiers=("4711",), key_hex=case.settings.key_hex)  # type: ignore[attr-defined]
        fed = ingest.link(ListenOptions("", "sia-dc09"), "tcp test", "1.2.3.4:5").feed(case.frames[0])
        assert fed.alarms and b'"*ACK"0023L0#4711[' in fed.reply


async def test_settings_follow_the_device_when_several_speak_on_one_link(autojump_clock: object) -> None:
    async with house() as home:
        ingest = Ingest(home.lane, Clock())
        first, second = speak.test_imei(1), speak.test_imei(2)
        home.lane.desk.facts.known["dev-1"] = Device(DeviceId("dev-1"), (first,), config="no_sack")  # type: ignore[attr-defined]
        home.lane.desk.facts.known["dev-2"] = Device(DeviceId("dev-2"), (second,))  # type: ignore[attr-defined]
        link = ingest.link(ListenOptions("", "queclink"), "tcp test", "1.2.3.4:5")
        silent, answered = (f"+RESP:GTSOS,30040A,{imei},,,,,,,,,,,,,,,,,,,20260309130311,1A2B$".encode() for imei in (first, second))
        assert link.feed(silent).reply == b""
        assert link.feed(answered + silent).reply == b"+SACK:1A2B$"


async def test_a_frame_that_cannot_be_used_is_said_so_to_an_enrolled_device_alone(autojump_clock: object) -> None:
    case = next(case for case in OWN_CASES if case.name == "encrypted-no-key")
    async with house() as home:
        ingest = Ingest(home.lane, Clock())
        link = ingest.link(ListenOptions("", "sia-dc09"), "tcp test", "1.2.3.4:5")
        assert link.feed(case.frames[0]).reply == b""
        facts = home.lane.desk.facts
        facts.known["dev-1"] = replace(facts.known["dev-1"], identifiers=("4711",))  # type: ignore[attr-defined]
        assert b'"DUH"0023L0#4711[]' in link.feed(case.frames[0]).reply
