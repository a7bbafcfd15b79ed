"""What holds for every alarm, every script of answers, every crash."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.delivery.envelope import Heading, Sender, compose
from gateway.delivery.fallback import TEXT_CHARS_MAX, fallback_text
from gateway.delivery.offers import FAILED, REFUSED, STORED, TAKEN, Answer
from gateway.delivery.webhook import interpret_untrusted, read_url, request_for
from gateway.events import AlarmClosed, AlertAnswered, AlertQueued, CentreTold
from gateway.model import (
    KINDS,
    OUTCOMES,
    Alarm,
    Area,
    Candidate,
    Case,
    Decision,
    Fix,
    Kind,
    Proposal,
    Seen,
    Skipped,
    State,
    Trust,
)
from tests.centre_world import OFFER
from tests.delivery_world import NO, OK, WALL_US, BookFacts, Desk, alarm, alert_of, centre, decision, seen

words = st.text(max_size=80)
some_words = st.none() | words
figures = st.none() | st.floats()
instants = st.none() | st.integers(-(2**63), 2**63)
fixes = st.builds(
    Fix, st.integers(-1_000_000_000, 1_000_000_000), st.integers(-2_000_000_000, 2_000_000_000), at_us=instants, valid=st.booleans(),
    source=words, accuracy_m=figures, speed_kmh=figures, course_deg=figures,
)  # fmt: skip
seens = st.builds(Seen, fixes, st.integers(0, 2**60), current=st.booleans(), trust=st.sampled_from(Trust))
candidates = st.builds(Candidate, words, st.floats(), st.floats(), st.floats())
proposals = st.builds(
    Proposal, st.sampled_from(["proposed", "none", "pending"]), words, st.sampled_from([None, "road", "straight_line", "odd"]), some_words,
    st.lists(candidates, max_size=8).map(tuple), st.lists(st.builds(Skipped, words, words), max_size=30).map(tuple),
)  # fmt: skip
decisions = st.none() | st.builds(Decision, st.builds(Area, words, words), proposals)
alarms = st.builds(
    Alarm, st.from_regex(r"[0-9a-f]{32}", fullmatch=True), words, words, words, st.sampled_from(State),
    st.integers(0, sum(KINDS)).map(Kind), st.integers(0, 2**60), event_at_us=instants, case_ref=st.sampled_from([None, "GE-1", "other"]),
    case_state=some_words, test=st.booleans(), simulated=st.booleans(), late=st.booleans(), repeat_count=st.integers(0, 2**40),
    cancel_claimed=st.booleans(), device_silent=st.booleans(), trust=st.sampled_from(Trust), doubts=st.lists(words, max_size=40).map(tuple),
    position=st.none() | seens, last_known=st.none() | seens, track=st.lists(seens, max_size=30).map(lambda points: tuple(points * 10)),
    battery_percent=figures, faults=st.integers(0, sum(KINDS)).map(Kind), decision=decisions, offered_to=st.lists(words, max_size=5).map(tuple),
    taken_by=some_words, taken_centre=some_words, outcome=st.none() | st.sampled_from(OUTCOMES) | words, text=some_words,
)  # fmt: skip
cases = st.builds(Case, st.just("GE-1"), words, some_words, some_words, some_words, st.just((("ovl", "OVL/7"),)))


@settings(max_examples=60, deadline=None)
@given(alarms, cases, st.sampled_from(["raised", "updated", "position", "escalated", "closed"]), words, st.integers(0, 2**53))
def test_every_alert_is_valid_and_small_whatever_the_alarm_holds(which, case, event, name, told_until_us):
    heading = Heading("ovl", "primary", 1, event, WALL_US, told_until_us=told_until_us)
    body = compose(which, heading, BookFacts({}, {"GE-1": case}), Sender(name.encode("utf-8", "replace").decode(), "https://gw"))
    assert alert_of(body)["alarm_id"] == which.alarm_id


@settings(max_examples=50, deadline=None)
@given(alarms, words, st.booleans())
def test_every_fallback_text_fits_and_can_be_sent(which, reason, position):
    text = fallback_text(which, reason, BookFacts(), Sender("gw", "https://gw.example.be"), position=position)
    assert text.isascii() and len(text) <= TEXT_CHARS_MAX and text.endswith(which.alarm_id)


@settings(max_examples=200, deadline=None)
@given(st.integers(100, 599), st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=30)), max_size=5), st.binary(max_size=300))
def test_no_answer_makes_the_reader_raise_and_none_but_a_success_is_stored(status, headers, body):
    answer = interpret_untrusted(OFFER, status, tuple(headers), body)
    assert answer.level in (FAILED, STORED, TAKEN, REFUSED) and answer.reason
    assert answer.level < STORED or 200 <= status < 300 or (status == 409 and OFFER.message_id.encode() in body)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_an_address_is_read_or_refused_and_never_breaks_a_request(text):
    for written in (text, f"https://cad.example/{text}"):
        try:
            url = read_url(written)
        except ValueError:
            continue
        request = request_for(OFFER, url, [], WALL_US)
        assert not set(request.target) & set(" \r\n\t\x00") and request.target.isascii()


# ------------------------------------------------------------------------------------------------------ histories


def random_answer(dice: Random) -> tuple[float, Answer]:
    took_s = dice.choice((0.0, 0.001, 0.3, 3.0, 6.0))
    choice = dice.random()
    if choice < 0.2:
        return took_s, OK
    if choice < 0.25:
        return took_s, Answer(STORED, "displayed")
    if choice < 0.3:
        return took_s, Answer(REFUSED, f"refused_{dice.choice((400, 404, 422))}")
    return took_s, Answer(FAILED, "status_503", retry_after_s=dice.choice((None, 1.0, 3600.0)))


def invariants(desk: Desk) -> None:
    """What the journal must show in the end."""
    bodies: dict[tuple[str, str, int], bytes] = {}
    order: dict[tuple[str, str], list[int]] = {}
    for sent in desk.sent:
        offer = sent.offer
        key = (offer.alarm_id, offer.centre_id, offer.seq)
        assert bodies.setdefault(key, offer.body) == offer.body, "a number was used for two bodies"
        seqs = order.setdefault(key[:2], [])
        if not seqs or seqs[-1] != offer.seq:
            seqs.append(offer.seq)
    for seqs in order.values():
        assert seqs == sorted(seqs), "a later alert overtook an earlier one"


def stored(desk: Desk) -> set[tuple[str, str]]:
    return {(event.alarm_id, event.centre_id) for event, _, _ in desk.journal if isinstance(event, AlertAnswered) and event.level >= STORED}


@pytest.mark.parametrize("seed", range(10))
def test_every_alarm_is_stored_under_its_id_whatever_the_centres_answer_and_however_often_we_die(seed):
    dice = Random(seed)
    centres = (centre("ovl", routes=dice.randint(1, 3), backup="wvl"), centre("wvl", routes=1, national_fallback=True), centre("ant"))
    desk = Desk(*centres, dice=Random(seed))
    desk.answers = lambda offer: random_answer(dice)
    known: dict[str, Alarm] = {}
    for step in range(40):
        act = dice.random()
        if act < 0.25 or not known:
            alarm_id = f"{step:032x}"
            known[alarm_id] = alarm(alarm_id, decision=decision(dice.choice(("ovl", "ant", "nobody"))), received_at_us=WALL_US + step)
            desk.queue(known[alarm_id])
        else:
            alarm_id = dice.choice(sorted(known))
            which = known[alarm_id]
            if act < 0.6:
                known[alarm_id] = replace(which, position=seen(step), track=(*which.track, seen(step)))
                desk.queue(known[alarm_id], "position")
            elif act < 0.8:
                known[alarm_id] = replace(which, repeat_count=which.repeat_count + 1)
                desk.queue(known[alarm_id], "updated")
            elif act < 0.9:
                known[alarm_id] = replace(which, decision=decision(dice.choice(("ovl", "ant", "wvl"))))
                desk.queue(known[alarm_id], "updated")
            else:
                desk.restart()
        desk.run(dice.choice((0.0, 0.1, 1.0, 7.0, 20.0)))
    desk.answers = lambda offer: (0.001, OK)
    for which in known.values():
        # A refused alert is not sent again as it is; the next one is.
        desk.queue(replace(which, repeat_count=which.repeat_count + 1), "updated")
    desk.run(15)
    desk.take(tuple(CentreTold(alarm_id, "ovl", "accepted", "op-7") for alarm_id in known))
    desk.run(1)
    for which in known.values():
        centre_id = str(which.decision.area.centre_id) if which.decision else "wvl"
        assert (which.alarm_id, centre_id if centre_id != "nobody" else "wvl") in stored(desk)
    statistics = desk.outbox.statistics()
    assert (statistics.letters, statistics.flying, statistics.unstored) == (0, 0, 0)
    invariants(desk)
    for which in known.values():
        ended = replace(which, state=State.CLOSED, outcome="UNKNOWN", repeat_count=which.repeat_count + 1)
        desk.alarms[which.alarm_id] = ended
        desk.take((AlarmClosed(which.alarm_id, "resolved"),))
        desk.queue(ended, "closed")
    desk.run(15)
    assert desk.outbox.statistics().alarms == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_replay_knows_what_the_living_outbox_knew(seed):
    dice = Random(1000 + seed)
    desk = Desk(dice=Random(seed))
    desk.answers = lambda offer: random_answer(dice)
    for step in range(10):
        desk.queue(alarm(f"{step:032x}", received_at_us=WALL_US + step))
        desk.run(dice.choice((0.1, 4.0)))
    before = {alarm_id: [(s.centre_id, s.role, s.stored, s.waiting) for s in desk.outbox.status(alarm_id)] for alarm_id in desk.alarms}
    desk.restart()
    after = {alarm_id: [(s.centre_id, s.role, s.stored, s.waiting) for s in desk.outbox.status(alarm_id)] for alarm_id in desk.alarms}
    assert after == before


def test_numbers_have_no_gap_while_a_centre_is_down_and_she_moves():
    desk = Desk(centre("ovl"))
    desk.answers = lambda offer: (0.0, NO)
    which = alarm(decision=decision(backup=None))
    desk.queue(which)
    dice = Random(5)
    for step in range(60):
        which = replace(which, position=seen(step), repeat_count=which.repeat_count + (step % 7 == 0))
        desk.queue(which, "updated" if step % 7 == 0 else "position")
        desk.run(dice.choice((0.0, 5.0)))
    desk.answers = lambda offer: (0.0, OK)
    desk.run(30)
    seqs = sorted({sent.offer.seq for sent in desk.sent})
    assert seqs == list(range(1, len(seqs) + 1))
    queued = [event.seq for event, _, _ in desk.journal if isinstance(event, AlertQueued)]
    assert max(queued) == seqs[-1]
