"""The desk: who is believed how far, what is kept, who is told, and what happens when we ourselves are wrong."""

from dataclasses import replace

import pytest

from gateway import events as ev
from gateway.alarms import AlarmOptions
from gateway.errors import CommandError
from gateway.model import Kind, Refusal, Report, State, Trust, UnitId, Urgency
from tests.unit.desk_story import EAST, LINK, WEST, Story


def test_the_raw_frame_is_the_first_thing_that_is_kept() -> None:
    verdict = Story().frame(Kind.SOS_BUTTON, WEST)
    assert isinstance(verdict.events[0], ev.FrameKept) and verdict.events[0].raw == b"raw1"
    assert isinstance(verdict.events[1], ev.AlarmRaised)
    assert verdict.urgency is Urgency.A and verdict.reply == b"ok"


def test_a_frame_that_a_power_cut_took_is_kept_when_the_press_comes_again() -> None:
    story = Story()
    raised = story.frame(Kind.SOS_BUTTON, WEST).events[1]
    assert isinstance(raised, ev.AlarmRaised)
    again = {"reports": (Report(Kind.SOS_BUTTON, replace(WEST, at_us=story.now.wall_us), story.now.wall_us, 1),), "raw": b"raw1"}
    assert story.frame(Kind.SOS_BUTTON, **again).events == ()
    story.desk.frame_lost(raised.press_key)
    (kept,) = story.frame(Kind.SOS_BUTTON, **again).events
    assert isinstance(kept, ev.FrameKept) and kept.raw == b"raw1"
    assert story.frame(Kind.SOS_BUTTON, **again).events == ()


def test_without_an_alarm_no_position_leaves_the_desk() -> None:
    verdict = Story().frame(Kind.POSITION, WEST)
    assert verdict.events == () and verdict.urgency is Urgency.C and verdict.reply == b"ok"


def test_a_position_is_class_b_while_the_alarm_is_open() -> None:
    story = Story()
    story.frame(Kind.SOS_BUTTON, WEST)
    assert story.frame(Kind.POSITION, WEST).urgency is Urgency.B


def test_a_stranger_is_listed_and_never_answered() -> None:
    story = Story()
    verdict = story.frame(Kind.SOS_BUTTON, WEST, identity="999")
    assert verdict.events == () and verdict.reply is None and verdict.close
    (stranger,) = story.desk.identities.strangers()
    assert stranger.identity == "999" and stranger.alarms == 1


def test_a_policy_raises_strangers_with_a_doubt() -> None:
    verdict = Story(AlarmOptions(unknown_devices="raise")).frame(Kind.SOS_BUTTON, WEST, identity="999")
    raised = next(event for event in verdict.events if isinstance(event, ev.AlarmRaised))
    assert "unknown_device" in raised.doubts and verdict.reply is None


def test_ten_thousand_strangers_do_not_grow_the_list() -> None:
    story = Story()
    for number in range(10_000):
        if number % 100 == 0:
            story.wait(1)
        story.frame(Kind.LOGIN, identity=f"s{number}", link=replace(LINK, peer=f"10.{number // 10_000}.{number // 100 % 100}.{number % 100}:5"))
    assert len(story.desk.identities.strangers()) <= 1000
    assert story.desk.identities.scans_seen == 0


def test_a_scan_does_not_flush_the_list_and_whoever_asks_for_help_is_on_it() -> None:
    story = Story()
    for number in range(100):
        story.frame(Kind.LOGIN, identity=f"s{number}")
    story.frame(Kind.SOS_BUTTON, WEST, identity="999")
    listed = [one.identity for one in story.desk.identities.strangers()]
    assert listed == ["999", *(f"s{number}" for number in reversed(range(20)))]
    assert story.desk.identities.scans_seen == 1
    story.wait(3_601)
    story.frame(Kind.LOGIN, identity="later")
    assert story.desk.identities.strangers()[0].identity == "later", "many people live behind one address of a carrier"


def test_two_voices_of_one_device_are_a_conflict_and_both_are_heard() -> None:
    story = Story()
    other = replace(LINK, link_id=2, peer="10.9.9.9:5")
    for link in (LINK, other, LINK, other):
        story.wait(1)
        story.frame(Kind.HEARTBEAT, link=link)
    verdict = story.frame(Kind.SOS_BUTTON, WEST, link=other)
    raised = next(event for event in verdict.events if isinstance(event, ev.AlarmRaised))
    assert "identity_conflict" in raised.doubts


def test_a_device_that_changes_its_network_is_no_conflict() -> None:
    story = Story()
    story.frame(Kind.HEARTBEAT)
    verdict = story.frame(Kind.SOS_BUTTON, WEST, link=replace(LINK, link_id=2, peer="10.9.9.9:5"))
    raised = next(event for event in verdict.events if isinstance(event, ev.AlarmRaised))
    assert raised.doubts == ()


def test_the_tier_is_that_of_the_link_and_at_most_that_of_the_device() -> None:
    story = Story()
    story.people.known["dev-1"] = replace(story.people.known["dev-1"], trust_max=Trust.T1)
    raised = next(event for event in story.frame(Kind.SOS_BUTTON).events if isinstance(event, ev.AlarmRaised))
    assert raised.trust is Trust.T1


def test_a_wrong_checksum_raises_with_a_doubt_and_is_not_answered() -> None:
    verdict = Story().frame(
        Kind.SOS_BUTTON, reports=(), refused=Refusal("checksum", 4, "no"), unverified=Report(Kind.SOS_BUTTON, sequence=9), reply=None
    )
    raised = next(event for event in verdict.events if isinstance(event, ev.AlarmRaised))
    assert "checksum" in raised.doubts and verdict.reply is None


def test_a_frame_that_is_refused_changes_nothing() -> None:
    verdict = Story().frame(Kind.SOS_BUTTON, refused=Refusal("length", 2, "no"))
    assert verdict.events == () and verdict.outcome == "refused"


def test_a_stuck_button_is_limited_and_its_first_press_is_not() -> None:
    story = Story()
    first = story.frame(Kind.SOS_BUTTON)
    assert first.outcome == "accepted"
    outcomes = [story.frame(Kind.HEARTBEAT).outcome for _ in range(10)]
    assert outcomes.count("limited") == 5


def test_every_frame_is_counted_once() -> None:
    story = Story()
    for number in range(40):
        story.frame(Kind.HEARTBEAT if number % 3 else Kind.SOS_BUTTON, identity="111" if number % 5 else "999")
    assert sum(story.desk.counters.values()) == 40


# ------------------------------------------------------------------------------------------------- who is told


def test_the_centre_of_the_place_is_told() -> None:
    story = Story()
    story.frame(Kind.SOS_BUTTON, EAST)
    assert [(offer.centre_id, offer.seq, offer.event) for offer in story.deliver()] == [("east", 1, "raised")]


def test_without_a_position_the_national_fallback_is_told() -> None:
    story = Story()
    story.frame(Kind.SOS_BUTTON)
    assert [offer.centre_id for offer in story.deliver()] == ["west"]


def test_both_centres_are_told_when_she_moves_into_another_area() -> None:
    story = Story()
    alarm_id = story.raised(story.frame(Kind.SOS_BUTTON, replace(WEST, lon_e7=39_990_000)))
    story.deliver()
    story.wait(40)
    story.frame(Kind.POSITION, replace(WEST, lon_e7=40_010_000))
    told = {offer.centre_id for _ in range(3) for offer in story.deliver()}
    assert told == {"west", "east"}
    alarm = story.desk.alarm(alarm_id)
    assert alarm is not None and alarm.decision is not None and alarm.decision.area.centre_id == "east"


def test_a_unit_moves_by_its_own_tracker_and_is_proposed() -> None:
    story = Story()
    assert story.frame(Kind.POSITION, WEST, identity="900").events == ()
    alarm_id = story.raised(story.frame(Kind.SOS_BUTTON, WEST))
    alarm = story.desk.alarm(alarm_id)
    assert alarm is not None and alarm.decision is not None
    assert [one.unit_id for one in alarm.decision.proposal.candidates] == ["G-1"]
    assert [(one.unit_id, one.reason) for one in alarm.decision.proposal.skipped] == [("G-2", "position_unknown")]


def test_an_alarm_of_an_officers_tracker_is_an_alarm() -> None:
    story = Story()
    assert story.raised(story.frame(Kind.SOS_BUTTON, WEST, identity="900"))


def test_a_hand_over_stays_where_the_operator_put_it() -> None:
    story = Story()
    alarm_id = story.raised(story.frame(Kind.SOS_BUTTON, WEST))
    story.desk.reassign(alarm_id, "east", "op", "they know her", story.now)
    story.wait(40)
    story.frame(Kind.POSITION, WEST)
    alarm = story.desk.alarm(alarm_id)
    assert alarm is not None and alarm.decision is not None and alarm.decision.area.centre_id == "east"
    with pytest.raises(CommandError):
        story.desk.reassign(alarm_id, "north", "op", "why not", story.now)


def test_a_resolved_alarm_is_closed_when_every_centre_knows() -> None:
    story = Story()
    alarm_id = story.raised(story.frame(Kind.SOS_BUTTON, WEST))
    story.deliver()
    story.desk.resolve(alarm_id, "ACCIDENTAL", "op", "west", None, story.now)
    story.wait(400)
    assert story.desk.alarm(alarm_id).state is State.RESOLVED  # type: ignore[union-attr]
    while story.deliver():
        pass
    story.wait(20)
    assert story.desk.alarm(alarm_id).state is State.CLOSED  # type: ignore[union-attr]


# ------------------------------------------------------------------------------------- when we ourselves are wrong


def test_a_frame_that_defeats_us_is_an_alarm_with_a_hole_in_it() -> None:
    story = Story()
    verdict = story.frame(Kind.SOS_BUTTON, WEST)
    frame_of = story.desk.poisoned
    from gateway.model import Frame

    frame = Frame("gt06", "tcp", b"poison", "222", (Report(Kind.SOS_BUTTON),), b"ok")
    poisoned = frame_of(frame, LINK, story.now)
    raised = next(event for event in poisoned.events if isinstance(event, ev.AlarmRaised))
    assert raised.doubts == ("undecodable",) and raised.kinds == Kind.UNKNOWN_ALARM
    assert frame_of(frame, LINK, story.now).events == (), "a copy of it raises nothing more"
    story.desk.decide(story.now)
    assert {offer.alarm_id for offer in story.deliver()} == {raised.alarm_id, story.raised(verdict)}


def test_a_decision_that_defeats_us_goes_to_the_fallback_with_what_is_certain() -> None:
    story = Story()

    def fail(*args: object, **more: object) -> None:
        raise ZeroDivisionError

    decide, story.desk.router.decide = story.desk.router.decide, fail  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError):
        story.frame(Kind.SOS_BUTTON, EAST)
    events = story.desk.undecidable(story.now)
    assert any(isinstance(event, ev.AlertQueued) for event in events)
    assert [offer.centre_id for offer in story.deliver()] == ["west"]
    story.desk.router.decide = decide  # type: ignore[method-assign]


def test_the_last_position_before_a_press_is_used_only_where_it_is_allowed() -> None:
    for seconds, status in ((0.0, None), (60.0, WEST.lat_e7)):
        story = Story(AlarmOptions(last_fix_s=seconds))
        story.frame(Kind.POSITION, WEST)
        story.wait(5)
        alarm = story.desk.alarm(story.raised(story.frame(Kind.SOS_BUTTON)))
        assert alarm is not None and alarm.position is None
        assert (alarm.last_known.fix.lat_e7 if alarm.last_known else None) == status


def test_a_position_kept_without_an_alarm_is_gone_when_its_time_is_over() -> None:
    """It stayed in memory until the next press, however late: longer than the option allows."""
    story = Story(AlarmOptions(last_fix_s=60.0))
    story.frame(Kind.POSITION, WEST)
    due_us = story.desk.next_deadline_us()
    assert due_us is not None and due_us - story.now.mono_us <= 60_000_001
    story.wait(61)
    assert story.desk._sightings.last_fixes.next_deadline_us() is None
    alarm = story.desk.alarm(story.raised(story.frame(Kind.SOS_BUTTON)))
    assert alarm is not None and alarm.last_known is None


def test_a_unit_is_as_old_as_its_radio_says() -> None:
    """Its age was counted from when the message came: a place of half an hour ago sent the wrong car."""
    for age_s, skipped in ((0, False), (590, False), (601, True)):
        story = Story()
        at_us = story.now.wall_us - age_s * 1_000_000
        story.frame(Kind.POSITION, identity="900", reports=(Report(Kind.POSITION, replace(WEST, at_us=at_us)),))
        alarm = story.desk.alarm(story.raised(story.frame(Kind.SOS_BUTTON, WEST)))
        assert alarm is not None and alarm.decision is not None
        assert (("G-1", "position_old") in [(one.unit_id, one.reason) for one in alarm.decision.proposal.skipped]) is skipped


@pytest.mark.parametrize(
    "report",
    [
        Report(Kind.POSITION, replace(WEST, source="radio")),
        Report(Kind.POSITION, replace(WEST, source="mock")),
        Report(Kind.POSITION, replace(WEST, valid=False)),
        Report(Kind.POSITION, replace(WEST, lat_e7=0, lon_e7=0)),
        Report(Kind.POSITION, WEST, stored=True),
        Report(Kind.POSITION),
    ],
)
def test_no_unit_is_sent_by_a_place_that_is_none(report: Report) -> None:
    story = Story()
    story.frame(Kind.POSITION, identity="900", reports=(report,))
    alarm = story.desk.alarm(story.raised(story.frame(Kind.SOS_BUTTON, WEST)))
    assert alarm is not None and alarm.decision is not None
    assert ("G-1", "position_unknown") in [(one.unit_id, one.reason) for one in alarm.decision.proposal.skipped]


def test_a_backlog_moves_no_unit_back() -> None:
    story = Story()
    story.frame(Kind.POSITION, EAST, identity="900")
    old = replace(WEST, at_us=story.now.wall_us - 300_000_000)
    story.frame(Kind.POSITION, identity="900", reports=(Report(Kind.POSITION, old, old.at_us),))
    where = story.desk.router.units.position(UnitId("G-1"))
    assert where is not None and where.lon_e7 == EAST.lon_e7
