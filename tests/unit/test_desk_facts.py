"""What frames say beside the alarm: clocks that are wrong, and what a device sees where it has no fix."""

import json
from pathlib import Path

import jsonschema
import pytest

from gateway import events as ev
from gateway.model import Alarm, Cell, Fix, Frame, Kind, Link, Report, Wifi
from tests.unit.desk_story import LINK, WEST, Story

HOUR_US = 3_600_000_000
CELLS = (Cell(206, 1, 1234, 56789, -71), Cell(206, 1, 1234, 56790))
POINTS = (Wifi("aa:bb:cc:dd:ee:ff", -60),)
SCHEMA = jsonschema.Draft202012Validator(json.loads((Path(__file__).parents[2] / "gateway/delivery/alert.schema.json").read_text(encoding="utf-8")))


def hear(story: Story, report: Report, link: Link = LINK) -> tuple[ev.Event, ...]:
    """One frame with this report, a moment after the last one."""
    story.wait(1)
    verdict = story.desk.frame(Frame("gt06", link.transport, b"raw %d" % story.now.wall_us, "111", (report,)), link, story.now)
    story.desk.decide(story.now)
    return verdict.events


def pressed(story: Story, report: Report, link: Link = LINK) -> Alarm:
    """The alarm that a press raises."""
    (raised,) = [event for event in hear(story, report, link) if isinstance(event, ev.AlarmRaised)]
    alarm = story.desk.alarm(raised.alarm_id)
    assert alarm is not None
    return alarm


def place_of(story: Story, alarm: Alarm) -> dict[str, object]:
    """The position as the centre is told it; the whole alert is valid under its schema."""
    told = story.desk.alert(alarm, story.now)
    SCHEMA.validate(told)
    place = told["position"]
    assert isinstance(place, dict)
    return place


def at(fix: Fix, at_us: int, valid: bool = True) -> Fix:
    return Fix(fix.lat_e7, fix.lon_e7, at_us, valid)


# ------------------------------------------------------------------------------------------------------- clocks


def test_a_clock_ahead_by_a_zone_is_put_right_in_event_and_position_alike() -> None:
    story = Story()
    local_us = story.now.wall_us + HOUR_US
    alarm = pressed(story, Report(Kind.SOS_BUTTON, at(WEST, local_us - 10_000_000), local_us))
    assert alarm.event_at_us == local_us - HOUR_US
    assert (place_of(story, alarm)["status"], place_of(story, alarm)["age_s"]) == ("fix", 11.0)


def test_a_clock_behind_by_a_zone_is_learnt_from_three_heartbeats() -> None:
    story = Story()
    for _ in range(3):
        hear(story, Report(Kind.HEARTBEAT, event_at_us=story.now.wall_us - 5 * HOUR_US))
    local_us = story.now.wall_us - 5 * HOUR_US
    alarm = pressed(story, Report(Kind.SOS_BUTTON, at(WEST, local_us), local_us))
    assert (alarm.late, alarm.event_at_us) == (False, local_us + 5 * HOUR_US)
    assert (place_of(story, alarm)["status"], place_of(story, alarm)["age_s"]) == ("fix", 1.0)


@pytest.mark.parametrize("transport", ["tcp", "http"])
def test_a_backlog_is_not_mistaken_for_a_zone(transport: str) -> None:
    """Positions may be sent one by one from a store, and so may everything over HTTP."""
    story, link = Story(), Link(7, "door", transport, "10.0.0.1:1")
    for _ in range(6):
        ago_us = story.now.wall_us - HOUR_US
        hear(story, Report(Kind.POSITION, at(WEST, ago_us), ago_us) if transport == "tcp" else Report(Kind.HEARTBEAT, event_at_us=ago_us), link)
    ago_us = story.now.wall_us - HOUR_US
    alarm = pressed(story, Report(Kind.SOS_BUTTON, at(WEST, ago_us), ago_us), link)
    assert (alarm.late, place_of(story, alarm)["status"], place_of(story, alarm)["age_s"]) == (True, "last_known", 3601.0)


def test_a_clock_that_lost_its_weeks_shows_no_position_of_twenty_years_ago() -> None:
    story = Story()
    rolled_us = story.now.wall_us - 1024 * 7 * 86_400 * 1_000_000
    alarm = pressed(story, Report(Kind.SOS_BUTTON, at(WEST, rolled_us), rolled_us))
    assert place_of(story, alarm)["age_s"] == 1.0


def test_a_clock_that_is_plainly_wrong_keeps_the_distance_between_press_and_position() -> None:
    story = Story()
    year_2080_us = 3_471_292_800_000_000
    alarm = pressed(story, Report(Kind.SOS_BUTTON, at(WEST, year_2080_us - 60_000_000), year_2080_us))
    assert "clock" in alarm.doubts
    assert place_of(story, alarm)["age_s"] == 60.0


def test_a_record_that_lay_in_a_store_for_months_keeps_its_age() -> None:
    story = Story()
    old_us = story.now.wall_us - 60 * 24 * HOUR_US
    alarm = pressed(story, Report(Kind.SOS_BUTTON, at(WEST, old_us, valid=False), old_us, stored=True))
    assert place_of(story, alarm)["age_s"] == 60 * 86_400 + 1.0


def test_a_position_without_a_reports_time_keeps_its_age_and_comes_never_from_the_future() -> None:
    for moved_us, age_s in ((-40 * 24 * HOUR_US, 40 * 86_400 + 1.0), (300_000_000, 0.0), (HOUR_US, 1.0)):
        story = Story()
        alarm = pressed(story, Report(Kind.SOS_BUTTON, at(WEST, story.now.wall_us + moved_us, valid=False)))
        assert place_of(story, alarm)["age_s"] == age_s


# ----------------------------------------------------------------------------------------------------- networks


def test_what_a_device_sees_without_a_fix_reaches_journal_and_centre() -> None:
    story = Story()
    alarm = pressed(story, Report(Kind.SOS_BUTTON, cells=CELLS, wifi=POINTS))
    told = story.desk.alert(alarm, story.now)
    SCHEMA.validate(told)
    networks = told["networks"]
    assert isinstance(networks, dict)
    assert networks["cells"][0] == {"mcc": 206, "mnc": 1, "lac": 1234, "cid": 56789, "rssi_dbm": -71}
    assert networks["wifi"] == [{"mac": "aa:bb:cc:dd:ee:ff", "rssi_dbm": -60}]


def test_the_newest_of_them_is_told_until_there_is_a_fix() -> None:
    story = Story()
    alarm = pressed(story, Report(Kind.SOS_BUTTON, cells=CELLS))
    assert not any(isinstance(event, ev.NetworksReported) for event in hear(story, Report(Kind.HEARTBEAT, cells=CELLS))), "the same again"
    events = hear(story, Report(Kind.HEARTBEAT, cells=CELLS[1:]))
    assert [type(event) for event in events][:2] == [ev.FrameKept, ev.NetworksReported]
    assert any(isinstance(event, ev.AlertQueued) and event.event == "position" for event in events)
    hear(story, Report(Kind.POSITION, at(WEST, story.now.wall_us + 1_000_000), story.now.wall_us + 1_000_000, cells=CELLS))
    alarm = story.desk.alarm(alarm.alarm_id) or alarm
    assert alarm.networks and alarm.networks.cells == CELLS[1:], "with a fix its networks are of no use"
    assert "networks" not in story.desk.alert(alarm, story.now)


def test_without_an_alarm_no_cell_leaves_the_desk() -> None:
    story = Story()
    assert hear(story, Report(Kind.HEARTBEAT, cells=CELLS, wifi=POINTS)) == ()
    health = story.desk.supervision.of("dev-1")
    assert health is not None and health.signal_dbm == -71
    assert "1234" not in repr(health)


# --------------------------------------------------------------------------------------------------- farewells


def test_a_farewell_is_all_that_strangers_and_refused_frames_hear() -> None:
    story, link = Story(), Link(9, "door", "http", "10.0.0.9:1")
    stranger = Frame("osmand", "http", b"x", "nobody", (Report(Kind.SOS_BUTTON),), b"yes", farewell=b"no")
    assert (story.desk.frame(stranger, link, story.now).reply, story.desk.frame(stranger, link, story.now).events) == (b"no", ())
    silent = Frame("gt06", "tcp", b"x", "nobody", (Report(Kind.SOS_BUTTON),), b"yes")
    assert story.desk.frame(silent, LINK, story.now).reply is None
