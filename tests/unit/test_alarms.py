"""The life of an alarm: what joins, what is new, what ends it, and that nothing else does."""

from dataclasses import replace
from typing import Any

import pytest

from gateway import events as ev
from gateway.alarms import AlarmOptions
from gateway.errors import CommandError
from gateway.life import MOVES, PRESSABLE, Move
from gateway.model import ENDED, LIFE, Case, CaseRef, Kind, State, Trust
from tests.unit.alarm_story import HERE, Story, names

ROUTE = {Move.ROUTE, Move.OFFER, Move.STORE}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", Move)
def test_only_a_human_leads_an_alarm_towards_its_end(state: State, move: Move) -> None:
    after = MOVES[state].get(move, state)
    if after is State.RESOLVED and state is not State.RESOLVED:
        assert move is Move.RESOLVE
    if after is State.CLOSED and state is not State.CLOSED:
        assert (state, move) == (State.RESOLVED, Move.CLOSE)
    if state in PRESSABLE - {State.PENDING}:
        assert after not in ENDED


@pytest.mark.parametrize("state", [State.ACKED, State.DISPATCHED, State.ON_SCENE, State.RESOLVED])
@pytest.mark.parametrize("move", [Move.ROUTE, Move.OFFER, Move.STORE, Move.TAKE])
def test_what_machines_do_never_takes_back_what_a_human_did(state: State, move: Move) -> None:
    assert MOVES[state].get(move, state) is state


def test_every_state_has_its_row_and_ended_states_have_no_way_out() -> None:
    assert set(MOVES) == set(State)
    assert all(not MOVES[state] for state in ENDED)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind & LIFE], ids=lambda kind: str(kind.name))
def test_every_life_kind_raises_without_a_position(kind: Kind) -> None:
    story = Story()
    (raised,) = story.sight(kind)
    assert isinstance(raised, ev.AlarmRaised) and raised.fix is None
    assert story.alarm(raised.alarm_id).state is State.RAISED


def test_a_hundred_copies_of_one_press_are_one_alarm() -> None:
    story = Story()
    first = story.press(serial=7, ago_s=1)
    for _ in range(100):
        assert story.sight(Kind.SOS_BUTTON, serial=7, ago_s=1) == []
    assert story.alarm(first).repeat_count == 0


def test_pressing_again_joins_the_open_alarm_and_is_counted() -> None:
    story = Story()
    first = story.press(serial=7, ago_s=0)
    story.wait(5)
    assert story.press(serial=8, ago_s=0) == first
    assert story.alarm(first).repeat_count == 1


def test_a_switch_that_is_still_set_raises_once_and_never_again() -> None:
    story = Story()
    first = story.sight(Kind.SOS_BUTTON, ago_s=0, standing=True)[0]
    assert isinstance(first, ev.AlarmRaised)
    story.wait(10)
    assert story.sight(Kind.SOS_BUTTON, ago_s=0, standing=True) == []
    story.resolve(first.alarm_id)
    story.wait(600)
    assert story.sight(Kind.SOS_BUTTON, ago_s=0, standing=True) == []
    assert story.press(ago_s=0) != first.alarm_id


def test_a_switch_that_was_released_raises_again_as_soon_as_it_is_set() -> None:
    story = Story()
    story.resolve(story.press(ago_s=0, standing=True))
    story.wait(60)
    assert story.sight(Kind.SOS_BUTTON, ago_s=0, standing=True) == []
    story.sight(Kind.POSITION, ago_s=0)
    story.wait(60)
    assert names(story.sight(Kind.SOS_BUTTON, ago_s=0, standing=True)) == ["AlarmRaised"]


@pytest.mark.parametrize(
    "silence", [{"kinds": Kind.HEARTBEAT}, {"kinds": Kind.LOGIN, "ago_s": 0}, {"kinds": Kind.POSITION, "ago_s": 9, "stored": True}]
)
def test_what_says_nothing_of_a_switch_does_not_release_it(silence: dict[str, Any]) -> None:
    story = Story()
    story.resolve(story.press(ago_s=0, standing=True))
    story.wait(60)
    story.sight(**silence)
    assert story.sight(Kind.SOS_BUTTON, ago_s=0, standing=True) == []


def test_heartbeats_release_a_switch_that_stands_in_heartbeats_and_positions_do_not() -> None:
    story = Story()
    story.resolve(story.press(ago_s=0))
    story.wait(60)
    story.sight(Kind.POSITION, ago_s=0)
    assert story.sight(Kind.SOS_BUTTON, standing=True) == []
    story.sight(Kind.POSITION, ago_s=0)
    assert story.sight(Kind.SOS_BUTTON, standing=True) == []
    story.sight(Kind.HEARTBEAT)
    assert names(story.sight(Kind.SOS_BUTTON, standing=True)) == ["AlarmRaised"]


def test_a_press_whose_event_was_lost_is_told_by_the_heartbeat() -> None:
    story = Story()
    story.resolve(story.press(ago_s=0))
    story.wait(60)
    story.sight(Kind.POSITION, ago_s=0)
    story.sight(Kind.HEARTBEAT)
    assert names(story.sight(Kind.SOS_BUTTON, standing=True)) == ["AlarmRaised"]


def test_another_event_does_not_bring_a_released_switch_back() -> None:
    story = Story()
    story.resolve(story.press(ago_s=0, standing=True))
    story.wait(60)
    story.sight(Kind.POSITION, ago_s=0)
    (fall,) = story.sight(Kind.FALL, ago_s=0)
    assert isinstance(fall, ev.AlarmRaised)
    story.resolve(fall.alarm_id)
    story.wait(60)
    assert names(story.sight(Kind.SOS_BUTTON, ago_s=0, standing=True)) == ["AlarmRaised"]


def test_a_switch_of_one_device_hides_no_press_of_another() -> None:
    story = Story()
    story.resolve(story.press(ago_s=0, device="dev-2"))
    story.wait(600)
    assert names(story.sight(Kind.SOS_BUTTON, ago_s=0, standing=True)) == ["AlarmRaised"]


def test_another_alarm_beside_a_switch_that_stands_is_a_press() -> None:
    story = Story()
    story.resolve(story.press(ago_s=0, standing=True))
    story.wait(60)
    assert names(story.sight(Kind.SOS_BUTTON | Kind.FALL, ago_s=0, standing=True)) == ["AlarmRaised"]


def test_a_switch_that_was_silent_for_hours_raises_again() -> None:
    story = Story()
    story.resolve(story.press(serial=1, ago_s=0))
    story.wait(3 * 3600)
    assert names(story.sight(Kind.SOS_BUTTON, ago_s=0, standing=True)) == ["AlarmRaised"]


def test_the_same_serial_after_a_reboot_is_a_new_press() -> None:
    story = Story()
    first = story.press(serial=1, ago_s=0)
    story.wait(300)
    assert story.press(serial=1, ago_s=0) == first
    assert story.alarm(first).repeat_count == 1


def test_an_sms_of_the_same_press_joins_whichever_comes_first() -> None:
    story = Story()
    first = story.press(serial=7, ago_s=0)
    story.wait(20)
    (copy,) = story.sight(Kind.SOS_SMS, transport="sms")
    assert isinstance(copy, ev.AlarmPressed) and copy.copy and copy.alarm_id == first
    assert story.alarm(first).repeat_count == 0
    other = Story()
    first = other.press(transport="sms")
    other.wait(30)
    copy = other.sight(Kind.SOS_BUTTON, serial=7, ago_s=29)[-1]
    assert isinstance(copy, ev.AlarmPressed) and copy.copy and copy.alarm_id == first


def test_a_late_sms_with_the_time_of_the_press_joins_minutes_later() -> None:
    story = Story()
    first = story.press(serial=7, ago_s=0)
    story.wait(600)
    copy = story.sight(Kind.SOS_SMS, transport="sms", ago_s=590)[-1]
    assert isinstance(copy, ev.AlarmPressed) and copy.copy and copy.alarm_id == first


def test_a_press_after_the_close_is_a_new_alarm_linked_to_the_old() -> None:
    story = Story()
    first = story.press(serial=7, ago_s=0)
    story.resolve(first)
    second = story.press(serial=8, ago_s=0)
    assert second != first
    assert story.alarm(second).linked_to == first


def test_an_sms_press_right_after_the_close_is_never_swallowed() -> None:
    story = Story()
    first = story.press(serial=7, ago_s=0)
    story.wait(20)
    story.resolve(first)
    story.wait(5)
    assert story.press(transport="sms") != first


def test_an_sms_that_was_provably_sent_before_the_close_is_a_late_copy() -> None:
    story = Story()
    first = story.press(serial=7, ago_s=0)
    story.wait(20)
    story.resolve(first)
    story.wait(100)
    events = story.sight(Kind.SOS_SMS, transport="sms", ago_s=119)
    assert not any(isinstance(event, ev.AlarmRaised) for event in events)


def test_a_replayed_frame_of_an_answered_alarm_is_shown_with_a_doubt() -> None:
    story = Story()
    first = story.press(serial=7, ago_s=0)
    story.resolve(first)
    story.wait(86_400)
    events = story.sight(Kind.SOS_BUTTON, serial=7, ago_s=86_400)
    assert isinstance(events[0], ev.AlarmRaised)
    assert events[0].alarm_id != first and "replay_suspect" in events[0].doubts and events[0].late


def test_two_devices_of_one_case_make_one_alarm_and_of_two_cases_two() -> None:
    story = Story()
    first = story.press(device="dev-1", serial=1, ago_s=0)
    story.wait(120)
    assert story.press(device="dev-2", serial=1, ago_s=0) == first
    assert story.press(device="dev-3", case="GE-2", serial=1, ago_s=0) != first


def test_the_alarm_id_is_the_same_on_every_node() -> None:
    assert Story().press(serial=7, ago_s=3) == Story().press(serial=7, ago_s=3)
    assert Story().press(serial=7, ago_s=3) != Story().press(serial=8, ago_s=3)


@pytest.mark.parametrize("state", ["SUSPENDED", "ENDED"])
def test_an_ended_case_is_a_doubt_and_never_a_reason_to_be_silent(state: str) -> None:
    story = Story()
    story.case = Case(CaseRef("GE-1"), state=state)
    raised = story.sight(Kind.SOS_BUTTON)[0]
    assert isinstance(raised, ev.AlarmRaised)
    assert raised.case_state == state and "case_ended" in raised.doubts


def test_a_buffered_press_is_raised_late() -> None:
    story = Story()
    raised = story.sight(Kind.SOS_BUTTON, ago_s=5 * 3600 + 7, stored=True, fix=HERE)[0]
    assert isinstance(raised, ev.AlarmRaised)
    assert raised.late and not raised.fix_current


# ------------------------------------------------------------------------------------------------------- tests


def test_the_first_press_in_a_test_window_is_a_test_and_the_next_one_is_real() -> None:
    story = Story()
    story.let(story.alarms.open_test_window("dev-1", "team", story.now))
    test = story.press(serial=1, ago_s=0)
    story.wait(5)
    real = story.press(serial=2, ago_s=0)
    assert story.alarm(test).test and not story.alarm(real).test and real != test


def test_a_test_window_ends_by_itself_and_ignores_the_wall_clock() -> None:
    story = Story()
    story.let(story.alarms.open_test_window("dev-1", "team", story.now))
    story.step_wall(-86_400)
    story.wait(901)
    assert not story.alarm(story.press(serial=1)).test


def test_a_press_from_before_the_window_is_real_however_late_it_comes() -> None:
    story = Story()
    story.let(story.alarms.open_test_window("dev-1", "team", story.now))
    story.wait(10)
    assert not story.alarm(story.press(serial=1, ago_s=1000, stored=True)).test


def test_a_test_can_become_real_and_never_the_other_way_round() -> None:
    story = Story()
    story.let(story.alarms.open_test_window("dev-1", "team", story.now))
    alarm_id = story.press(serial=1)
    story.let(story.alarms.mark_real(alarm_id, "op"))
    assert not story.alarm(alarm_id).test
    with pytest.raises(CommandError):
        list(story.alarms.mark_real(alarm_id, "op"))


# -------------------------------------------------------------------------------------------------- pre-alarms


def test_a_cancelled_pre_alarm_alerts_nobody() -> None:
    story = Story()
    pending = story.sight(Kind.PRE_ALARM, serial=1)[0]
    assert isinstance(pending, ev.AlarmRaised) and pending.pending
    assert names(story.sight(Kind.TIMER_CANCELLED, serial=2)) == ["PreAlarmCancelled"]
    assert story.wait(600) == []


def test_a_pre_alarm_that_nobody_cancels_is_an_alarm() -> None:
    story = Story()
    pending = story.sight(Kind.PRE_ALARM, serial=1)[0]
    assert isinstance(pending, ev.AlarmRaised)
    assert "AlarmExpired" in names(story.wait(61))
    assert story.alarm(pending.alarm_id).state is State.RAISED


def test_a_press_during_the_countdown_is_an_alarm_at_once() -> None:
    story = Story()
    pending = story.sight(Kind.PRE_ALARM, serial=1)[0]
    assert isinstance(pending, ev.AlarmRaised)
    assert names(story.sight(Kind.SOS_BUTTON, serial=2))[:2] == ["AlarmExpired", "AlarmPressed"]
    assert story.alarm(pending.alarm_id).state is State.RAISED


def test_a_cancel_with_duress_cancels_nothing() -> None:
    story = Story()
    pending = story.sight(Kind.PRE_ALARM, serial=1)[0]
    assert isinstance(pending, ev.AlarmRaised)
    story.sight(Kind.TIMER_CANCELLED | Kind.DURESS, serial=2)
    assert story.alarm(pending.alarm_id).state is State.RAISED


def test_a_device_can_claim_a_cancel_and_end_nothing() -> None:
    story = Story()
    alarm_id = story.press(serial=1)
    assert names(story.sight(Kind.CANCEL_CLAIM, serial=2)) == ["CancelClaimed"]
    assert story.sight(Kind.CANCEL_CLAIM, serial=3) == []
    assert story.alarm(alarm_id).state is State.RAISED and story.alarm(alarm_id).cancel_claimed


# ---------------------------------------------------------------------------------------------------- tracking


def test_positions_exist_only_for_an_open_alarm() -> None:
    story = Story()
    assert story.sight(Kind.POSITION, fix=HERE) == []
    alarm_id = story.press(serial=1)
    assert names(story.sight(Kind.POSITION, fix=HERE)) == ["PositionReported"]
    story.resolve(alarm_id)
    assert story.sight(Kind.POSITION, fix=HERE) == []


def test_an_old_position_is_history_and_never_the_current_one() -> None:
    story = Story()
    alarm_id = story.press(serial=1)
    story.sight(Kind.POSITION, fix=replace(HERE, at_us=story.now.wall_us), ago_s=0)
    shown = story.alarm(alarm_id).position
    story.wait(10)
    old = replace(HERE, lat_e7=HERE.lat_e7 + 500, at_us=story.now.wall_us - 60_000_000)
    story.sight(Kind.POSITION, fix=old, ago_s=60, stored=True)
    assert story.alarm(alarm_id).position == shown
    assert len(story.alarm(alarm_id).track) == 2


def test_an_impossible_jump_is_tagged_and_not_believed() -> None:
    story = Story()
    alarm_id = story.press(serial=1, fix=HERE)
    story.wait(10)
    (jump,) = story.sight(Kind.POSITION, fix=replace(HERE, lat_e7=HERE.lat_e7 + 20_000_000))
    assert isinstance(jump, ev.PositionReported) and not jump.current and "implausible" in jump.doubts
    assert story.alarm(alarm_id).position is not None and story.alarm(alarm_id).position.fix == HERE  # type: ignore[union-attr]


def test_a_less_trusted_source_does_not_displace_a_fresh_trusted_one() -> None:
    story = Story()
    alarm_id = story.press(serial=1, fix=HERE, trust=Trust.T3)
    story.wait(10)
    story.sight(Kind.POSITION, fix=replace(HERE, lat_e7=HERE.lat_e7 + 1000), trust=Trust.T1)
    assert story.alarm(alarm_id).position.fix == HERE  # type: ignore[union-attr]


def test_null_island_is_no_position() -> None:
    story = Story()
    raised = story.sight(Kind.SOS_BUTTON, fix=replace(HERE, lat_e7=0, lon_e7=0))[0]
    assert isinstance(raised, ev.AlarmRaised) and raised.fix is None


def test_lost_contact_is_told_once_and_taken_back_when_the_device_speaks() -> None:
    story = Story()
    alarm_id = story.press(serial=1, fix=HERE)
    assert names(story.wait(120)) == ["DeviceSilent"]
    assert story.alarm(alarm_id).tracking == "STALE"
    assert "DeviceHeard" in names(story.sight(Kind.POSITION, fix=HERE))
    assert story.alarm(alarm_id).tracking == "ON"


def test_tracking_ends_two_hours_after_the_last_press_and_the_alarm_does_not() -> None:
    story = Story()
    alarm_id = story.press(serial=1, fix=HERE)
    assert "TrackingStopped" in names(story.wait(7201))
    assert story.alarm(alarm_id).is_open
    assert story.sight(Kind.POSITION, fix=HERE) == []
    story.press(serial=2)
    assert story.alarm(alarm_id).tracking == "ON"


def test_an_alarm_without_a_position_says_so_again_after_a_minute() -> None:
    story = Story(AlarmOptions(track_interval_s=1000))
    story.press(serial=1)
    (fault,) = story.wait(61)
    assert isinstance(fault, ev.FaultReported) and fault.kinds == Kind.GNSS_LOST


# ------------------------------------------------------------------------------------------------------ humans


def test_resolving_takes_it_first_and_stops_following() -> None:
    story = Story()
    alarm_id = story.press(serial=1)
    events = story.let(story.alarms.resolve(alarm_id, "REAL_ARREST", "op-1", "cic", None))
    assert names(events) == ["CentreTold", "AlarmResolved", "TrackingStopped"]
    assert story.alarm(alarm_id).taken_by == "op-1" and story.alarm(alarm_id).outcome == "REAL_ARREST"


def test_an_outcome_that_is_none_of_ours_is_refused_with_the_list() -> None:
    story = Story()
    with pytest.raises(CommandError, match="REAL_ARREST"):
        list(story.alarms.resolve(story.press(), "DONE", "op", None, None))


def test_a_resolved_alarm_closes_when_reported_and_waits_a_day_otherwise() -> None:
    story = Story()
    alarm_id = story.press(serial=1)
    story.resolve(alarm_id)
    assert names(story.wait(301)) == ["AlarmClosed"]
    story = Story()
    alarm_id = story.press(serial=1)
    story.resolve(alarm_id)
    story.reported = False
    story.wait(86_000)
    assert story.alarm(alarm_id).state is State.RESOLVED
    assert "AlarmClosed" in names(story.wait(500))


def test_a_supervisor_reopens_with_a_reason() -> None:
    story = Story()
    alarm_id = story.press(serial=1)
    story.resolve(alarm_id)
    with pytest.raises(CommandError):
        list(story.alarms.reopen(alarm_id, "sup", " "))
    story.let(story.alarms.reopen(alarm_id, "sup", "wrong button"))
    assert story.alarm(alarm_id).state is State.ACKED and story.alarm(alarm_id).tracking == "ON"
    assert "AlarmClosed" not in names(story.wait(1000))


def test_no_timer_ends_an_open_alarm() -> None:
    story = Story()
    alarm_id = story.press(serial=1)
    story.wait(90 * 86_400)
    assert story.alarm(alarm_id).is_open


def test_replaying_the_events_gives_the_same_alarms() -> None:
    story = Story()
    log: list[tuple[ev.Event, object]] = []
    let = story.let
    story.let = lambda source: [log.append((event, story.now)) or event for event in let(source)]  # type: ignore
    first = story.press(serial=1, fix=HERE)
    story.wait(20)
    story.sight(Kind.POSITION, fix=HERE)
    story.sight(Kind.SOS_SMS, transport="sms", ago_s=20)
    story.resolve(first)
    story.press(serial=2)
    again = Story()
    for event, now in log:
        again.alarms.apply(event, now)  # type: ignore[arg-type]
    assert again.alarms.all() == story.alarms.all()


def test_simulated_and_real_presses_never_join() -> None:
    story = Story()
    real = story.press(serial=1)
    story.wait(100)
    assert story.press(serial=2, simulated=True) != real
