"""The outbox keeps the contract's section 5: every rule of the schedule, with a clock moved by hand."""

from dataclasses import replace

import pytest

from gateway import events as said
from gateway.delivery.offers import FAILED, STORED, Answer, Told
from gateway.delivery.options import OutboxOptions
from gateway.events import (
    AlarmClosed,
    AlarmEscalated,
    AlarmRaised,
    AlarmReopened,
    AlarmResolved,
    AlertAnswered,
    AlertOffered,
    AlertQueued,
    CentreTold,
    FallbackSent,
)
from gateway.model import Instant, Kind, State, Trust
from tests.delivery_world import ALARM_ID, BAD, NO, NOW_US, OK, TOOK, WALL_US, Desk, alarm, alert_of, centre, decision, seen


def steps(desk: Desk) -> list[tuple[int, str]]:
    return [(event.level, event.action) for event in desk.events(AlarmEscalated)]  # type: ignore[union-attr]


def told(desk: Desk, centre_id: str) -> list[tuple[int, str]]:
    return [(event.seq, event.event) for event in desk.events(AlertQueued) if event.centre_id == centre_id]  # type: ignore[union-attr]


# --------------------------------------------------------------------------------------------------- attempts


def test_attempts_follow_the_contract_until_stored():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(40)
    assert desk.times("ovl") == [0, 0.25, 0.5, 1, 2, 4, 8, 18, 28, 38]
    desk.answers = lambda offer: (0.0, OK)
    desk.run(60)
    assert desk.times("ovl", event="raised") == [0, 0.25, 0.5, 1, 2, 4, 8, 18, 28, 38, 48]


def test_jitter_stays_within_a_tenth_of_each_wait():
    for roll in (0.0, 0.999):
        dice = type("Dice", (), {"random": lambda self, roll=roll: roll})()
        desk = Desk(centre("ovl"), dice=dice)
        desk.answers = lambda offer: (0.0, NO)
        desk.queue(alarm(decision=decision(backup=None)))
        desk.run(30)
        nominal = [0, 0.25, 0.5, 1, 2, 4, 8, 18, 28]
        times = desk.times("ovl")
        before = 0.0
        for at_s, want_s in zip(times, nominal, strict=False):
            assert abs(at_s - want_s) <= 0.1 * (want_s - before) + (0.1 * 20 if want_s > 8 else 0) + 0.001
            before = want_s
        assert times[1:] != nominal[1 : len(times)]


def test_every_attempt_sends_the_same_bytes_under_the_same_id():
    desk = Desk(centre("ovl", routes=2))
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(20)
    assert len({sent.offer.body for sent in desk.sent}) == 1
    assert {sent.offer.message_id for sent in desk.sent} == {f"{ALARM_ID}-1"}
    by_route = [sent.offer.attempt for sent in desk.sent if sent.offer.route_id == "webhook-1"]
    assert by_route == list(range(1, len(by_route) + 1))


def test_a_slow_failure_uses_up_the_steps_it_slept_through():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (3.0, Answer(FAILED, "silent"))
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(30)
    assert desk.times("ovl") == [0, 4, 8, 18, 28]


def test_retry_after_is_honoured_up_to_five_seconds():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, Answer(FAILED, "status_429", retry_after_s=3600.0))
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(21)
    assert desk.times("ovl") == [0, 5, 10, 20]


def test_a_short_retry_after_delays_no_later_attempt():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, Answer(FAILED, "status_503", retry_after_s=1.0))
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(9)
    assert desk.times("ovl") == [0, 1, 2, 3, 4, 8]


# --------------------------------------------------------------------------------------------------- channels


def test_a_silent_channel_starts_the_next_in_parallel_after_two_seconds():
    desk = Desk(centre("ovl", routes=2))
    desk.answers = lambda offer: (3.0, Answer(FAILED, "silent")) if offer.route_id == "webhook-1" else (0.01, OK)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(3.5)
    assert desk.times("ovl", "webhook-1") == [0]
    assert desk.times("ovl", "webhook-2") == [2]


def test_a_failed_channel_starts_the_next_at_once():
    desk = Desk(centre("ovl", routes=2))
    desk.answers = lambda offer: (0.0, NO if offer.route_id == "webhook-1" else OK)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(0.1)
    assert desk.times("ovl", "webhook-2") == [0]


def test_a_channel_known_to_fail_is_not_waited_for():
    desk = Desk(centre("ovl", routes=2))
    desk.answers = lambda offer: (3.0, Answer(FAILED, "silent")) if offer.route_id == "webhook-1" else (0.01, OK)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(4)
    at_s = desk.now_s
    desk.queue(alarm(decision=decision(backup=None), repeat_count=1), "updated")
    desk.run(1)
    assert at_s in desk.times("ovl", "webhook-2")


def test_a_channel_without_a_free_slot_is_not_waited_for():
    desk = Desk(centre("ovl", routes=2))
    desk.answers = lambda offer: (60.0, NO) if offer.route_id == "webhook-1" else (0.0, OK)
    for n in range(20):
        desk.queue(alarm(f"{n:032x}", decision=decision(backup=None)))
    desk.run(3)
    assert len(desk.times("ovl", "webhook-1")) == 4
    assert desk.outbox.statistics().unstored == 0


def test_no_more_channels_at_once_than_allowed():
    desk = Desk(centre("ovl", routes=3), options=OutboxOptions(attempts_at_once_max=2))
    desk.answers = lambda offer: (30.0, Answer(FAILED, "silent"))
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(29)
    assert {sent.offer.route_id for sent in desk.sent} == {"webhook-1", "webhook-2"}
    desk.run(2)
    assert "webhook-3" in {sent.offer.route_id for sent in desk.sent}


def test_a_late_success_counts():
    desk = Desk(centre("ovl", routes=2))
    desk.answers = lambda offer: (4.0, OK)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(10)
    answered = [event.level for event in desk.events(AlertAnswered)]  # type: ignore[union-attr]
    assert answered == [STORED, STORED]
    assert desk.outbox.statistics().letters == 0


def test_a_working_channel_again_sends_at_once_what_waits_for_it():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(30)
    desk.answers = lambda offer: (0.0, OK)
    desk.outbox.route_up("ovl", "webhook-1", desk.now)
    desk.run(0)
    assert desk.times("ovl")[-1] == 30
    desk.outbox.route_up("nobody", "webhook-1", desk.now)
    desk.outbox.route_up("ovl", "nothing", desk.now)


# ----------------------------------------------------------------------------------------- answers of a centre


def test_a_refusal_for_good_is_not_repeated_and_the_next_channel_goes_at_once():
    desk = Desk(centre("ovl", routes=2))
    desk.answers = lambda offer: (0.0, BAD if offer.route_id == "webhook-1" else OK)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(14)
    assert desk.times("ovl", "webhook-1") == [0]
    assert desk.times("ovl", "webhook-2") == [0]
    assert steps(desk) == [(3, "fallback")]


def test_a_refusal_by_every_channel_asks_the_backup_centre_and_a_person_at_once():
    desk = Desk()
    desk.answers = lambda offer: (0.0, BAD if offer.centre_id == "ovl" else OK)
    desk.queue(alarm())
    desk.run(1)
    assert steps(desk) == [(2, "backup"), (3, "fallback")]
    assert desk.times("wvl") == [0]
    assert desk.times("ovl", event="raised") == [0]
    assert desk.outbox.statistics().refused >= 1


def test_the_next_alert_is_tried_on_a_channel_that_refused_the_last():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, BAD)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(1)
    desk.answers = lambda offer: (0.0, OK)
    desk.queue(alarm(decision=decision(backup=None), repeat_count=1), "updated")
    desk.run(1)
    assert [sent.offer.seq for sent in desk.sent] == [1, 2]


def test_a_disabled_channel_is_left_alone_and_others_take_what_waited_for_it():
    desk = Desk(centre("ovl", routes=2), centre("wvl"))
    gone = replace(BAD, reason="gone", route_gone=True)
    first, second = alarm("a" * 32), alarm("b" * 32)
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(first)
    desk.run(9)
    desk.answers = lambda offer: (0.0, gone if offer.route_id == "webhook-1" else OK)
    desk.queue(second)
    desk.run(1)
    assert desk.outbox.statistics().gone == ("ovl/webhook-1",)
    times = len(desk.times("ovl", "webhook-1"))
    desk.run(60)
    assert len(desk.times("ovl", "webhook-1")) == times
    assert desk.outbox.statistics().unstored == 0


def test_a_centre_whose_only_channel_is_disabled_asks_the_backup_for_every_alarm_that_waits():
    desk = Desk()
    gone = replace(BAD, reason="gone", route_gone=True)
    desk.answers = lambda offer: (0.0, NO if offer.centre_id == "ovl" else OK)
    desk.queue(alarm("a" * 32))
    desk.run(0.1)
    desk.answers = lambda offer: (0.0, gone if offer.centre_id == "ovl" else OK)
    desk.queue(alarm("b" * 32))
    desk.run(0.1)
    assert {sent.offer.alarm_id[0] for sent in desk.sent if sent.offer.centre_id == "wvl"} == {"a", "b"}


def test_a_human_who_takes_it_in_the_answer_stops_the_escalation():
    desk = Desk()
    desk.answers = lambda offer: (0.0, replace(TOOK, told=Told("accepted", "op-7", "on it")))
    desk.queue(alarm())
    desk.run(600)
    assert steps(desk) == []
    (said,) = desk.events(CentreTold)
    assert (said.level, said.operator, said.note) == ("accepted", "op-7", "on it")  # type: ignore[union-attr]


def test_a_centre_that_answers_everything_in_the_same_words_starts_no_conversation():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, replace(TOOK, told=Told("accepted", "op-7")))
    calm = alarm(decision=decision(backup=None))
    desk.queue(calm)
    desk.run(1)
    for n in range(1, 5):
        desk.queue(replace(calm, repeat_count=n), "updated")
        desk.run(1)
    assert len(desk.events(CentreTold)) == 1 and len(desk.sent) == 5


def test_displayed_is_not_taken():
    desk = Desk()
    desk.answers = lambda offer: (0.0, replace(OK, reason="displayed", told=Told("displayed")))
    desk.queue(alarm())
    desk.run(16)
    assert steps(desk) == [(1, "repeat")]


def test_an_answer_nobody_waits_for_changes_nothing():
    desk = Desk()
    desk.queue(alarm())
    desk.run(1)
    offer = desk.sent[0].offer
    strange = replace(offer, alarm_id="f" * 32)
    assert desk.take(desk.outbox.answered(strange, OK, desk.now))
    assert desk.take(desk.outbox.answered(offer, OK, desk.now))
    assert desk.outbox.statistics().flying == 0


# -------------------------------------------------------------------------------------------------- escalation


def test_backup_centre_at_five_seconds_and_a_person_at_ten_when_nothing_is_stored():
    desk = Desk()
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm())
    desk.run(11)
    assert steps(desk) == [(2, "backup"), (3, "fallback")]
    assert desk.times("wvl")[0] == 5
    first = next(sent.offer for sent in desk.sent if sent.offer.centre_id == "wvl")
    data = alert_of(first.body)
    assert data["event"] == "raised" and data["centre"]["role"] == "backup" and data["centre"]["also_offered_to"] == ["ovl"]  # type: ignore[index]


def test_no_person_is_woken_when_the_backup_centre_has_stored_it():
    desk = Desk()
    desk.answers = lambda offer: (0.0, NO if offer.centre_id == "ovl" else OK)
    desk.queue(alarm())
    desk.run(15)
    assert steps(desk) == [(2, "backup")]
    assert desk.times("ovl")[-1] >= 8


def test_the_first_centre_hears_that_another_was_asked():
    desk = Desk()
    desk.answers = lambda offer: (0.0, NO if offer.centre_id == "ovl" and desk.now_s < 6 else OK)
    desk.queue(alarm())
    desk.run(9)
    last = [sent.offer for sent in desk.sent if sent.offer.centre_id == "ovl"][-1]
    data = alert_of(last.body)
    assert data["event"] == "escalated" and data["centre"]["also_offered_to"] == ["wvl"]  # type: ignore[index]


def test_stored_but_not_taken_grows_louder_at_15_30_and_60_seconds_and_never_stops():
    desk = Desk()
    desk.queue(alarm())
    desk.run(14.9)
    assert steps(desk) == []
    desk.run(0.2)
    assert steps(desk) == [(1, "repeat")]
    desk.run(15)
    assert steps(desk) == [(1, "repeat"), (2, "backup")]
    desk.run(31)
    assert steps(desk) == [(1, "repeat"), (2, "backup"), (2, "repeat"), (3, "fallback")]
    desk.run(60)
    assert desk.times("ovl", event="escalated") == pytest.approx([15, 30, 45, 60, 75, 90, 105, 120], abs=0.01)
    assert desk.times("wvl", event="raised") == pytest.approx([30], abs=0.01)


def test_a_human_who_takes_it_silences_every_clock():
    desk = Desk()
    desk.queue(alarm())
    desk.run(16)
    desk.take((CentreTold(ALARM_ID, "ovl", "accepted", "op-7"),))
    desk.run(600)
    assert steps(desk) == [(1, "repeat")]
    assert desk.outbox.next_deadline_us() is None


def test_a_human_who_rejects_it_makes_it_loud_again():
    desk = Desk()
    desk.queue(alarm())
    desk.run(1)
    desk.take((CentreTold(ALARM_ID, "ovl", "accepted", "op-7"),))
    desk.take((CentreTold(ALARM_ID, "ovl", "rejected", "op-8"),))
    desk.run(0.1)
    assert steps(desk) == [(2, "backup"), (3, "fallback")]
    assert desk.times("wvl") == [1]


def test_a_rejection_by_a_centre_that_never_had_it_leaves_the_one_that_took_it():
    desk = Desk()
    desk.queue(alarm())
    desk.run(31)
    desk.take((CentreTold(ALARM_ID, "ovl", "accepted", "op-7"), CentreTold(ALARM_ID, "wvl", "rejected", "op-8")))
    known = len(steps(desk))
    desk.run(300)
    assert len(steps(desk)) == known


def test_without_a_backup_centre_the_second_step_is_a_repetition_that_says_so():
    desk = Desk(centre("ovl"))
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(31)
    last = desk.events(AlarmEscalated)[-1]
    assert (last.level, last.action) == (2, "repeat") and "no other centre" in last.reason  # type: ignore[union-attr]


def test_a_person_is_told_again_when_the_text_did_not_leave():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(11)
    desk.take((FallbackSent(ALARM_ID, "kannel", False, "silent"),))
    desk.run(16)
    assert steps(desk) == [(3, "fallback")] * 2
    desk.take((FallbackSent(ALARM_ID, "kannel", True, "accepted"),))
    desk.run(290)
    assert len(steps(desk)) == 2
    desk.run(20)
    assert len(steps(desk)) == 3


def test_a_text_that_was_withheld_on_purpose_is_not_tried_again_soon():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(11)
    desk.take((FallbackSent(ALARM_ID, "none", False, "none"),))
    desk.run(60)
    assert len(steps(desk)) == 1


def test_a_test_press_is_delivered_and_wakes_nobody():
    desk = Desk()
    desk.answers = lambda offer: (0.0, NO if desk.now_s < 5 else OK)
    desk.queue(alarm(test=True, kinds=Kind.TEST_PRESS), "raised")
    desk.run(600)
    assert steps(desk) == []
    data = alert_of(desk.sent[-1].offer.body)
    assert (data["event"], data["class"], data["test"]) == ("test", "test", True)


def test_a_test_that_is_marked_real_is_raised_and_watched():
    desk = Desk()
    desk.queue(alarm(test=True), "test")
    desk.run(1)
    real = alarm(test=False)
    desk.alarms[ALARM_ID] = real
    desk.take((said.TestMarkedReal(ALARM_ID, "op-7"),))
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(real, "updated")
    desk.run(12)
    assert [event for _, event in told(desk, "ovl")][:2] == ["test", "raised"]
    assert steps(desk) == [(2, "backup"), (3, "fallback")]


def test_an_alarm_for_which_no_centre_answers_goes_to_a_person_at_once():
    desk = Desk(centre("ovl"))
    desk.queue(alarm(decision=decision("nobody", backup=None)))
    desk.queue(alarm(decision=decision("nobody", backup=None), repeat_count=1), "updated")
    desk.run(60)
    assert steps(desk) == [(3, "fallback")]


def test_an_area_of_nobody_goes_to_the_national_fallback():
    desk = Desk()
    desk.queue(alarm(decision=None))
    desk.run(1)
    data = alert_of(desk.sent[0].offer.body)
    assert data["centre"]["id"] == "wvl" and data["centre"]["role"] == "fallback"  # type: ignore[index]
    assert data["responder"]["status"] == "pending"  # type: ignore[index]


# ----------------------------------------------------------------------------------------- letters, order, moves


def test_the_next_letter_waits_until_the_first_is_stored():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    calm = alarm(decision=decision(backup=None))
    desk.queue(calm)
    desk.run(1)
    for n in range(1, 4):
        desk.queue(replace(calm, repeat_count=n), "updated")
    desk.run(7)
    assert {sent.offer.seq for sent in desk.sent} == {1}
    desk.answers = lambda offer: (0.0, OK)
    desk.run(11)
    assert [sent.offer.seq for sent in desk.sent][-4:] == [1, 2, 3, 4]


def test_positions_that_wait_are_one_position_and_leave_no_gap():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    moving = alarm(decision=decision(backup=None))
    desk.queue(moving)
    desk.run(1)
    for n in range(1, 30):
        moving = replace(moving, position=seen(n), track=(*moving.track, seen(n)))
        desk.queue(moving, "position")
    desk.queue(replace(moving, repeat_count=1), "updated")
    desk.queue(replace(moving, repeat_count=1), "position")
    desk.answers = lambda offer: (0.0, OK)
    desk.run(2)
    got = [(sent.offer.seq, sent.offer.event) for sent in desk.sent][-3:]
    assert got == [(1, "raised"), (2, "updated"), (3, "position")]
    data = alert_of(desk.sent[-1].offer.body)
    assert len(data["track"]) >= 29  # type: ignore[arg-type]


def test_the_track_repeats_only_what_the_centre_has_not_stored_and_a_short_tail():
    desk = Desk(centre("ovl"))
    moving = alarm(decision=decision(backup=None), track=tuple(seen(n) for n in range(100)))
    desk.queue(moving)
    desk.run(1)
    assert len(alert_of(desk.sent[-1].offer.body)["track"]) == 100  # type: ignore[arg-type]
    desk.queue(replace(moving, position=seen(100), track=(*moving.track, seen(100))), "position")
    desk.run(1)
    assert len(alert_of(desk.sent[-1].offer.body)["track"]) == 10  # type: ignore[arg-type]


def test_a_position_on_its_way_is_never_rewritten():
    desk = Desk(centre("ovl"))
    moving = alarm(decision=decision(backup=None))
    desk.queue(moving)
    desk.run(1)
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(moving, "position")
    desk.run(1)
    before = desk.sent[-1].offer
    desk.queue(replace(moving, position=seen(9)), "position")
    desk.answers = lambda offer: (0.0, OK)
    desk.run(10)
    assert [sent.offer.body for sent in desk.sent if sent.offer.seq == before.seq][-1] == before.body
    assert desk.sent[-1].offer.seq == before.seq + 1


def test_a_button_pressed_for_hours_at_a_dead_centre_keeps_memory_flat():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    pressed = alarm(decision=decision(backup=None))
    desk.queue(pressed)
    for n in range(1, 500):
        desk.queue(replace(pressed, repeat_count=n), "updated")
    assert desk.outbox.statistics().letters <= 64
    desk.answers = lambda offer: (0.0, OK)
    desk.run(5)
    assert alert_of(desk.sent[-1].offer.body)["repeat_count"] == 499
    assert [sent.offer.seq for sent in desk.sent] == list(range(1, 65))


def test_a_move_tells_the_new_centre_that_it_is_raised_and_the_previous_one_that_it_moved():
    desk = Desk(centre("ovl"), centre("ant"), centre("wvl", national_fallback=True))
    desk.queue(alarm())
    desk.run(1)
    moved = alarm(decision=decision("ant"))
    desk.queue(moved, "updated")
    desk.run(1)
    assert told(desk, "ant") == [(1, "raised")]
    assert told(desk, "ovl") == [(1, "raised"), (2, "updated")]
    previous = alert_of([sent.offer for sent in desk.sent if sent.offer.centre_id == "ovl"][-1].body)
    assert previous["centre"]["role"] == "previous" and previous["centre"]["also_offered_to"] == ["ant"]  # type: ignore[index]


def test_a_previous_centre_follows_her_only_while_its_people_have_the_alarm():
    desk = Desk(centre("ovl"), centre("ant"))
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(1)
    moved = alarm(decision=decision("ant", backup=None))
    desk.queue(moved, "updated")
    desk.run(1)
    desk.queue(moved, "position")
    assert told(desk, "ovl")[-1][1] == "updated"
    desk.take((CentreTold(ALARM_ID, "ovl", "accepted", "op-7"),))
    desk.queue(moved, "position")
    assert told(desk, "ovl")[-1][1] == "position"


def test_the_new_centre_is_watched_like_the_first():
    desk = Desk(centre("ovl"), centre("ant", backup="wvl"), centre("wvl"))
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(1)
    desk.answers = lambda offer: (0.0, NO if offer.centre_id == "ant" else OK)
    desk.queue(alarm(decision=decision("ant", backup=None)), "updated")
    desk.run(6)
    assert (2, "backup") in steps(desk)
    assert desk.times("wvl")[0] == pytest.approx(6, abs=0.01)


def test_different_alarms_never_wait_for_each_other():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO if offer.alarm_id[0] == "a" else OK)
    desk.queue(alarm("a" * 32, decision=decision(backup=None)))
    desk.queue(alarm("b" * 32, decision=decision(backup=None)))
    desk.run(0)
    assert {sent.offer.alarm_id[0] for sent in desk.sent} == {"a", "b"}


def test_a_hung_centre_holds_only_its_own_slots():
    desk = Desk(centre("ovl"), centre("ant"))
    desk.answers = lambda offer: (30.0, Answer(FAILED, "silent")) if offer.centre_id == "ovl" else (0.001, OK)
    for n in range(100):
        desk.queue(alarm(f"{n:032x}", decision=decision("ovl" if n % 2 else "ant", backup=None), received_at_us=WALL_US + n))
    desk.run(0.1)
    assert desk.outbox.statistics().flying == 4
    assert sum(sent.offer.centre_id == "ant" for sent in desk.sent) == 50


def test_the_newest_alarm_leaves_first_and_a_sure_one_before_an_unsure_one():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (1.0, OK)
    for n in range(6):
        unsure = n >= 4
        desk.queue(
            alarm(f"{n:032x}", decision=decision(backup=None), received_at_us=WALL_US + n, trust=Trust.T1 if unsure else Trust.T3)
        )
    desk.run(1.5)
    assert [int(sent.offer.alarm_id, 16) for sent in desk.sent][:6] == [3, 2, 1, 0, 5, 4]


def test_the_last_slot_is_kept_for_an_alarm_that_the_centre_does_not_have():
    desk = Desk(centre("ovl"))
    for n in range(8):
        desk.queue(alarm(f"{n:032x}", decision=decision(backup=None)))
    desk.run(1)
    desk.answers = lambda offer: (100.0, OK)
    for n in range(8):
        desk.queue(alarm(f"{n:032x}", decision=decision(backup=None), repeat_count=1), "updated")
    desk.send_due()
    assert desk.outbox.statistics().flying == 3
    desk.queue(alarm("f" * 32, decision=decision(backup=None)))
    desk.send_due()
    assert desk.sent[-1].offer.alarm_id == "f" * 32


# ------------------------------------------------------------------------------------------------- simulation, end


def test_a_simulated_alarm_never_leaves_to_a_centre_that_is_not_for_tests():
    desk = Desk(centre("ovl", backup="wvl"), centre("wvl", national_fallback=True))
    assert desk.queue(alarm(simulated=True)) == ()
    desk.run(600)
    assert desk.sent == [] and steps(desk) == []
    assert desk.outbox.statistics().withheld >= 1


def test_a_simulated_alarm_reaches_a_centre_for_tests_and_stays_marked():
    desk = Desk(centre("ovl", test=True, backup="wvl"), centre("wvl", national_fallback=True))
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm(simulated=True))
    desk.run(11)
    assert {sent.offer.centre_id for sent in desk.sent} == {"ovl"}
    assert all(sent.offer.simulated and alert_of(sent.offer.body)["simulated"] for sent in desk.sent)


def test_a_centre_that_is_no_longer_for_tests_gets_nothing_simulated_after_a_restart():
    desk = Desk(centre("ovl", test=True))
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm(simulated=True, decision=decision(backup=None)))
    desk.run(1)
    count = len(desk.sent)
    desk.centres = (centre("ovl"),)
    desk.restart()
    desk.run(60)
    assert len(desk.sent) == count


def test_the_end_stops_repetition_and_is_still_said():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(5)
    desk.queue(alarm(decision=decision(backup=None), repeat_count=1), "updated")
    ended = alarm(decision=decision(backup=None), repeat_count=1, state=State.CLOSED, outcome="REAL_ARREST")
    desk.alarms[ALARM_ID] = ended
    desk.take((AlarmClosed(ALARM_ID, "resolved"),))
    raised = len(desk.times("ovl", event="raised"))
    desk.queue(ended, "closed")
    desk.run(20)
    desk.answers = lambda offer: (0.0, OK)
    desk.run(600)
    assert len(desk.times("ovl", event="raised")) == raised
    assert desk.times("ovl", event="updated") == []
    assert [sent.offer.seq for sent in desk.sent][-1] == 2
    data = alert_of(desk.sent[-1].offer.body)
    assert (data["event"], data["state"], data["outcome"]) == ("closed", "CLOSED", "REAL_ARREST")
    assert desk.outbox.statistics().alarms == 0


def test_a_reopened_alarm_is_told_again():
    desk = Desk(centre("ovl"))
    calm = alarm(decision=decision(backup=None))
    desk.queue(calm)
    desk.run(1)
    desk.take((AlarmResolved(ALARM_ID, "PRECAUTION", "op-7"),))
    desk.queue(replace(calm, state=State.RESOLVED, outcome="PRECAUTION"), "closed")
    desk.run(1)
    desk.take((AlarmReopened(ALARM_ID, "chief", "she called"),))
    desk.queue(replace(calm, state=State.ACKED), "updated")
    desk.run(60)
    assert told(desk, "ovl") == [(1, "raised"), (2, "closed"), (3, "updated")]
    assert len(desk.sent) == 3 and steps(desk) == []


def test_the_end_waits_for_what_is_under_way():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (2.0, OK)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(1)
    desk.queue(alarm(decision=decision(backup=None), state=State.CLOSED), "closed")
    desk.run(0.5)
    assert len(desk.sent) == 1
    desk.run(3)
    assert [sent.offer.event for sent in desk.sent] == ["raised", "closed"]


def test_the_last_word_is_given_up_after_three_days_of_trying():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(1)
    desk.queue(alarm(decision=decision(backup=None), state=State.CLOSED), "closed")
    desk.run(76 * 3600)
    assert len(desk.times("ovl", event="closed")) == 10
    assert desk.outbox.statistics().alarms == 0 and desk.outbox.statistics().given_up == 1


def test_a_pre_alarm_is_told_to_nobody():
    desk = Desk()
    assert desk.queue(alarm(state=State.PENDING)) == ()
    assert desk.queue(alarm(state=State.CANCELLED), "closed") == ()
    assert desk.outbox.statistics().alarms == 0


# ------------------------------------------------------------------------------------------------------- restart


def test_after_a_restart_everything_unstored_is_due_at_once_with_the_same_bytes():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(5)
    desk.restart()
    desk.run(0)
    assert desk.times("ovl")[-1] == 5
    assert desk.sent[-1].offer.body == desk.sent[0].offer.body
    assert desk.sent[-1].offer.attempt == len(desk.sent)


def test_a_letter_that_may_have_left_keeps_its_number_through_a_crash():
    desk = Desk(centre("ovl"))
    moving = alarm(decision=decision(backup=None))
    desk.queue(moving)
    desk.run(1)
    (queued,) = desk.queue(moving, "position")
    desk.restart()  # Before anything says whether the position left.
    desk.queue(replace(moving, position=seen(3)), "position")
    desk.run(1)
    assert [sent.offer.body for sent in desk.sent if sent.offer.seq == 2] == [queued.body]  # type: ignore[union-attr]
    assert desk.sent[-1].offer.seq == 3


def test_an_alarm_that_was_durable_and_not_yet_written_to_anybody_is_named():
    desk = Desk()
    desk.alarms[ALARM_ID] = alarm()
    desk.restart()
    desk.run(1)
    assert desk.times("ovl") == [0]


def test_a_change_that_no_centre_heard_of_is_named_after_a_restart():
    desk = Desk()
    desk.queue(alarm())
    desk.run(1)
    desk.alarms[ALARM_ID] = alarm(repeat_count=2, cancel_claimed=True)
    desk.restart()
    desk.run(1)
    data = alert_of(desk.sent[-1].offer.body)
    assert (data["event"], data["repeat_count"], data["cancel_claimed"]) == ("updated", 2, True)
    known = len(desk.sent)
    desk.restart()
    desk.run(1)
    assert len(desk.sent) == known


def test_an_end_that_no_centre_heard_of_is_named_after_a_restart():
    desk = Desk()
    desk.queue(alarm())
    desk.run(1)
    desk.alarms[ALARM_ID] = alarm(state=State.CLOSED)
    desk.take((AlarmClosed(ALARM_ID, "resolved"),))
    desk.restart()
    desk.run(1)
    assert desk.sent[-1].offer.event == "closed"
    assert desk.outbox.statistics().alarms == 0


def test_what_a_human_took_stays_taken_through_a_restart():
    desk = Desk()
    desk.queue(alarm())
    desk.run(1)
    desk.alarms[ALARM_ID] = alarm(taken_by="op-7", taken_centre="ovl", state=State.ACKED)
    desk.take((CentreTold(ALARM_ID, "ovl", "accepted", "op-7"),))
    desk.restart()
    desk.run(600)
    assert steps(desk) == []


def test_a_refusal_is_remembered_through_a_restart():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, BAD)
    desk.queue(alarm(decision=decision(backup=None)))
    desk.run(1)
    desk.restart()
    desk.run(60)
    assert len(desk.times("ovl", event="raised")) == 1


def test_the_escalation_of_a_stored_alarm_goes_on_after_a_restart():
    desk = Desk()
    desk.queue(alarm())
    desk.run(31)
    desk.restart()
    before = steps(desk)
    desk.run(16)
    assert steps(desk) == [*before, (2, "repeat")]


def test_a_centre_that_left_the_configuration_is_replaced_after_a_restart():
    desk = Desk()
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm())
    desk.run(1)
    desk.centres = (centre("new", national_fallback=True),)
    desk.answers = lambda offer: (0.0, OK)
    desk.restart()
    desk.run(1)
    assert desk.times("new") == [1]


def test_what_is_of_no_alarm_at_hand_changes_nothing():
    desk = Desk()
    for event in (
        AlertQueued(ALARM_ID, "ovl", "primary", 1, "raised", b"{}"),
        AlertOffered(ALARM_ID, "ovl", "webhook-1", 1, 1),
        AlertAnswered(ALARM_ID, "ovl", "webhook-1", 1, 1, STORED, "stored"),
        CentreTold(ALARM_ID, "ovl", "accepted"),
    ):
        desk.outbox.apply(event, None, desk.now)
    assert desk.outbox.statistics().alarms == 0


def test_a_pre_alarm_that_waits_through_a_restart_is_told_to_nobody():
    desk = Desk()
    desk.alarms[ALARM_ID] = alarm(state=State.PENDING)
    desk.restart()
    desk.run(60)
    assert desk.sent == []


def test_an_alarm_that_is_taken_when_it_is_first_told_wakes_nobody():
    desk = Desk()
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm(state=State.ACKED, taken_by="op-7", taken_centre="wvl"))
    desk.run(60)
    assert steps(desk) == []


def test_an_ended_alarm_is_told_nothing_more():
    desk = Desk()
    desk.queue(alarm())
    desk.run(1)
    desk.take((AlarmClosed(ALARM_ID, "resolved"),))
    assert desk.queue(alarm(state=State.CLOSED), "position") == ()


def test_letters_that_left_by_another_channel_do_not_pile_up_at_a_hung_one():
    desk = Desk(centre("ovl", routes=2, test=True))
    desk.answers = lambda offer: (10_000.0, NO) if offer.route_id == "webhook-1" else (0.0, OK)
    for n in range(200):
        desk.queue(alarm(f"{n:032x}", decision=decision(backup=None), received_at_us=WALL_US + n))
        desk.run(3)
        desk.take((CentreTold(f"{n:032x}", "ovl", "accepted"),))
    hung = desk.outbox._lanes.routes["ovl"]["webhook-1"]
    assert len(desk.times("ovl", "webhook-2")) == 200 and len(hung.ready) <= 66


def test_offers_before_the_replay_ended_are_our_own_mistake():
    desk = Desk()
    with pytest.raises(AssertionError, match="resume"):
        desk.new_outbox().due(desk.now)


# ------------------------------------------------------------------------------------------------------ poison


def test_an_alarm_that_cannot_be_written_is_told_of_all_the_same_and_to_a_person():
    desk = Desk()
    desk.take(desk.outbox.queue_minimal(ALARM_ID, "dev-0042", WALL_US, desk.now))
    desk.run(1)
    data = alert_of(desk.sent[0].offer.body)
    assert data["centre"]["id"] == "wvl" and data["doubts"] == ["undecodable"] and data["position"]["status"] == "none"  # type: ignore[index]
    assert steps(desk) == [(3, "fallback")]
    desk.take(desk.outbox.queue_minimal(ALARM_ID, "dev-0042", WALL_US, desk.now))
    desk.run(1)
    assert steps(desk) == [(3, "fallback")]


def test_a_poisoned_alarm_stops_no_other_ones_clock():
    desk = Desk()
    desk.answers = lambda offer: (0.0, NO)
    desk.queue(alarm("a" * 32))
    desk.queue(alarm("b" * 32))
    poisoned = alarm("a" * 32, kinds="not kinds", battery_percent="full")
    desk.outbox.apply(CentreTold("a" * 32, "ovl", "displayed"), poisoned, desk.now)
    late = Instant(WALL_US, NOW_US + 5_000_000)
    with pytest.raises((TypeError, AttributeError)):
        desk.outbox.on_deadline(late)
    assert desk.outbox.at_work == "a" * 32
    assert desk.outbox.on_deadline(late)
    assert desk.outbox.at_work is None


def test_all_alerts_of_one_event_are_written_or_none():
    desk = Desk()
    broken = alarm(battery_percent="full")
    with pytest.raises(TypeError):
        desk.outbox.queue(broken, "raised", desk.now)
    assert desk.outbox.statistics().letters == 0


# ----------------------------------------------------------------------------------------------------- for people


def test_the_last_test_of_a_device_stands_in_its_alerts():
    desk = Desk()
    raised = AlarmRaised("e" * 32, "dev-0042", "gt06", "tcp", Kind.TEST_PRESS, WALL_US - 10**12, None, None, "none", Trust.T3, "k", test=True)
    desk.outbox.apply(raised, None, desk.now)
    desk.queue(alarm())
    desk.run(0)
    assert alert_of(desk.sent[0].offer.body)["device"]["last_test_at"] == "2026-02-25T23:16:31.250Z"  # type: ignore[index]


def test_when_it_became_durable_stands_in_the_alert_once_that_is_known():
    desk = Desk()
    desk.take(desk.outbox.queue(alarm(), "raised", desk.now, durable_at_us=WALL_US + 2_000))
    desk.queue(alarm(repeat_count=1), "updated")
    desk.run(1)
    assert {alert_of(sent.offer.body)["times"]["durable_at"] for sent in desk.sent} == {"2026-03-09T13:03:11.252Z"}  # type: ignore[index]


def test_the_status_says_how_far_each_centre_is():
    desk = Desk()
    desk.answers = lambda offer: (0.0, NO if offer.centre_id == "ovl" else OK)
    desk.queue(alarm())
    desk.run(6)
    ovl, wvl = desk.outbox.status(ALARM_ID)
    assert (ovl.centre_id, ovl.role, ovl.stored, ovl.attempts) == ("ovl", "primary", False, 6)
    assert (wvl.centre_id, wvl.role, wvl.stored, wvl.waiting) == ("wvl", "backup", True, 0)
    assert desk.outbox.status("nothing") == ()


def test_a_centre_that_was_down_for_eight_hours_gets_every_alarm_and_the_newest_position():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    moving = {n: alarm(f"{n:032x}", decision=decision(backup=None), received_at_us=WALL_US + n) for n in range(5)}
    for which in moving.values():
        desk.queue(which)
    for step in range(8 * 20):
        for n, which in moving.items():
            moving[n] = replace(which, position=seen(step), track=(*which.track, seen(step))[-240:])
            desk.queue(moving[n], "position")
        desk.run(180)
    assert desk.outbox.statistics().letters == 2 * len(moving)
    desk.answers = lambda offer: (0.02, OK)
    desk.outbox.route_up("ovl", "webhook-1", desk.now)
    before = len(desk.sent)
    desk.run(5)
    after = [sent.offer for sent in desk.sent[before:]]
    assert [int(offer.alarm_id, 16) for offer in after][:5] == [4, 3, 2, 1, 0]
    newest = {offer.alarm_id: alert_of(offer.body) for offer in after}
    assert len(newest) == 5
    assert all(data["position"]["lat"] == seen(8 * 20 - 1).fix.lat_e7 / 1e7 for data in newest.values())  # type: ignore[index]
    assert all(len(data["track"]) > 100 for data in newest.values())  # type: ignore[arg-type]
