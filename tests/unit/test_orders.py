"""Orders to devices: every cell of their life, whose turn it is, what an alarm asks for, and what a restart finds."""

import pytest

from gateway import events as ev
from gateway.errors import CommandError
from gateway.model import Frame, Kind, Order, OrderKind, Report, State, Trust
from gateway.orders import KEPT_MAX, MOVES, OrderOptions, OrderState, Step, without_places
from tests.unit.order_story import ANSWER, CHATTER, DEVICE, LOCATE, QUICK, SLOW, TEXT, FakeSpeech, OrderStory

RAISED = ev.AlarmRaised("a" * 32, "dev-1", "gt06", "tcp", Kind.SOS_BUTTON, 0, None, None, "none", Trust.T3, "k")
PRESSED = ev.AlarmPressed("a" * 32, "tcp", Kind.SOS_BUTTON, 0, Trust.T3, "k2", False)
COPIED = ev.AlarmPressed("a" * 32, "udp", Kind.SOS_BUTTON, 0, Trust.T3, "k2", True)
STORED = ev.AlertAnswered("a" * 32, "west", "w-1", 1, 1, 3, "stored")
OFFERED = ev.AlertAnswered("a" * 32, "west", "w-1", 1, 1, 0, "silent")
STOPPED = ev.TrackingStopped("a" * 32, "resolved")
RESOLVED = ev.AlarmResolved("a" * 32, "ACCIDENTAL", "op")
CLOSED = ev.AlarmClosed("a" * 32, "resolved and reported")


def asked(events: list[ev.Event]) -> list[tuple[str, int | None, str]]:
    return [(str(event.order.kind), event.order.seconds, event.reason) for event in events if isinstance(event, ev.OrderAsked)]


# ------------------------------------------------------------------------------------------------ the life


def event_of(order_id: str, step: Step) -> ev.Event:
    if step is Step.SEND:
        return ev.OrderSent(order_id, "dev-1", "tcp", 7, 2)
    return ev.OrderEnded(order_id, "dev-1", step.value, "because")


def led_to(state: OrderState) -> tuple[OrderStory, str]:
    """A story with one order in this state."""
    story = OrderStory()
    order_id = story.ask()
    way = {
        OrderState.ASKED: [],
        OrderState.SENT: [Step.SEND],
        OrderState.ANSWERED: [Step.SEND, Step.ANSWER],
        OrderState.REFUSED: [Step.REFUSE],
        OrderState.EXPIRED: [Step.EXPIRE],
        OrderState.REPLACED: [Step.REPLACE],
    }[state]
    story.let(event_of(order_id, step) for step in way)
    assert story.order(order_id).state is state
    return story, order_id


@pytest.mark.parametrize("state", OrderState)
@pytest.mark.parametrize("step", Step)
def test_every_cell_of_the_life(state: OrderState, step: Step) -> None:
    story, order_id = led_to(state)
    story.let([event_of(order_id, step)])
    expected = MOVES[state].get(step, state)
    assert story.order(order_id).state is expected
    assert (story.orders.outstanding("dev-1") is not None) == (expected is OrderState.SENT)


def test_the_table_has_every_state_and_leads_out_of_the_living_ones_only() -> None:
    assert set(MOVES) == set(OrderState)
    assert {state for state, moves in MOVES.items() if moves} == {OrderState.ASKED, OrderState.SENT}


def test_an_outcome_of_a_newer_version_changes_nothing() -> None:
    story = OrderStory()
    order_id = story.ask()
    story.let([ev.OrderEnded(order_id, "dev-1", "postponed", "a newer version knows"), ev.OrderSent("unknown", "dev-1", "tcp", 3, 1)])
    assert story.order(order_id).state is OrderState.ASKED


# ------------------------------------------------------------------------------------------ turns and waiting


def test_one_order_is_outstanding_and_the_others_wait_in_the_order_in_which_they_were_asked() -> None:
    story = OrderStory()
    first, second, third = story.ask(LOCATE), story.ask(SLOW), story.ask(TEXT)
    assert [one.order_id for one in story.orders.due()] == [first]
    assert story.send(second) == [], "it is not its turn"
    assert story.send(first) and story.orders.due() == []
    assert story.send(second) == [] and story.send(first) == []
    story.hear()
    assert [one.order_id for one in story.orders.due()] == [second]
    story.send(second)
    story.hear()
    story.send(third)
    assert story.orders.outstanding("dev-1") == story.order(third)


def test_a_newer_order_of_its_kind_replaces_one_that_waits_and_never_one_that_was_sent() -> None:
    story = OrderStory()
    sent = story.ask(SLOW)
    story.send(sent)
    waiting = story.ask(QUICK)
    newest = story.ask(Order(OrderKind.INTERVAL, 60))
    assert story.order(sent).state is OrderState.SENT
    assert story.order(waiting).state is OrderState.REPLACED
    story.hear()
    assert [one.order_id for one in story.orders.due()] == [newest]


def test_a_device_that_does_not_answer_is_asked_three_times_under_one_serial_number() -> None:
    story = OrderStory()
    order_id = story.ask()
    serials = []
    for attempt in (1, 2, 3):
        sent = story.send(order_id)[0]
        assert isinstance(sent, ev.OrderSent) and sent.attempt == attempt
        serials.append(sent.serial)
        assert story.wait(29) == [] and story.orders.due() == []
        ended = story.wait(1)
    assert len(set(serials)) == 1
    assert story.order(order_id).state is OrderState.EXPIRED and "3 attempts" in (story.order(order_id).why or "")
    assert len(ended) == 1 and not story.orders.wants("dev-1")


def test_an_operators_own_words_are_sent_once() -> None:
    story = OrderStory()
    order_id = story.ask(TEXT)
    story.send(order_id)
    story.wait(30)
    assert story.order(order_id).state is OrderState.EXPIRED


def test_a_text_waits_longer_for_its_answer() -> None:
    story = OrderStory()
    order_id = story.ask()
    story.send(order_id, "sms")
    assert story.wait(299) == [] and story.orders.due() == []
    story.wait(1)
    assert [one.order_id for one in story.orders.due()] == [order_id]


def test_what_finds_no_way_expires() -> None:
    story = OrderStory()
    order_id = story.ask()
    assert story.wait(599) == []
    story.wait(1)
    assert story.order(order_id).state is OrderState.EXPIRED and "no way" in (story.order(order_id).why or "")
    assert story.send(order_id) == []


def test_what_a_protocol_cannot_say_is_refused_at_once() -> None:
    story = OrderStory(speech=FakeSpeech(kinds=frozenset({OrderKind.LOCATE})))
    with pytest.raises(CommandError, match="no text order") as refusal:
        story.orders.require_known(DEVICE, "gt06", TEXT)
    assert refusal.value.code == "no_such_order"
    story.orders.require_known(DEVICE, None, TEXT)  # what it speaks is not known yet: its link will tell
    order_id = story.ask(TEXT)
    story.let(story.orders.unsayable(order_id))
    assert story.order(order_id).state is OrderState.REFUSED
    assert list(story.orders.unsayable(order_id)) == []


# ----------------------------------------------------------------------------------------------- the answer


def test_only_an_answer_settles_an_order() -> None:
    story = OrderStory()
    order_id = story.ask(SLOW)
    assert story.hear() == [], "nothing was sent"
    story.send(order_id)
    assert story.hear(CHATTER) == []
    assert story.hear(ANSWER, Trust.T2) == [], "whoever could not be given an order cannot answer one"
    ended = story.hear(ANSWER)[0]
    assert isinstance(ended, ev.OrderEnded) and (ended.outcome, ended.answer) == ("answered", "OK")
    assert story.speech.asked == [story.order(order_id).serial] * 2


def test_a_device_may_refuse() -> None:
    story = OrderStory()
    story.send(order_id := story.ask(SLOW))
    story.hear(Frame("gt06", "tcp", b"", "1", (Report(Kind.CONFIG_REPLY, text="no"),)))
    assert story.order(order_id).state is OrderState.REFUSED


def test_what_went_by_text_is_answered_by_whatever_way() -> None:
    story = OrderStory()
    story.send(order_id := story.ask(SLOW), "sms")
    story.hear(ANSWER, Trust.T1)
    assert story.order(order_id).state is OrderState.ANSWERED


def test_an_answer_never_keeps_a_place() -> None:
    where = Frame("gt06", "tcp", b"", "1", (Report(Kind.CONFIG_REPLY, text="Lat:N51.054321,Lon:E3.721234, http://maps.example/?q=51.0,3.7"),))
    story = OrderStory()
    story.send(story.ask(LOCATE))
    located = story.hear(where)[0]
    story.send(story.ask(TEXT))
    told = story.hear(where)[0]
    assert isinstance(located, ev.OrderEnded) and located.answer is None
    assert isinstance(told, ev.OrderEnded) and told.answer == "Lat:N(hidden),Lon:E(hidden), (hidden)"
    assert without_places(None) is None
    assert len(without_places("x" * 5_000) or "") == 300


# ---------------------------------------------------------------------------------- the life of an alarm


def test_an_alarm_asks_for_short_intervals_then_longer_ones_then_the_normal_one() -> None:
    story = OrderStory(speech=FakeSpeech(kinds=frozenset({OrderKind.INTERVAL})))
    assert asked(story.happen(RAISED)) == [("interval", 10, "raised")]
    story.wait(599)
    assert story.follow() == []
    story.wait(1)
    assert asked(story.follow()) == [("interval", 30, "later")]
    assert asked(story.happen(PRESSED, repeat_count=1)) == [("interval", 10, "raised")]
    assert asked(story.happen(COPIED)) == []
    assert asked(story.happen(STOPPED, state=State.RESOLVED, tracking="OFF")) == [("interval", 900, "ended")]
    assert asked(story.happen(CLOSED, state=State.CLOSED)) == []
    waiting = [one for one in story.orders.of("dev-1") if one.state is OrderState.ASKED]
    assert [one.order.seconds for one in waiting] == [900], "what was never sent has given way"


def test_a_short_interval_says_how_long_it_is_wanted() -> None:
    story = OrderStory()
    event = story.happen(RAISED)[0]
    assert isinstance(event, ev.OrderAsked) and event.order.lasts_s == 600 and event.alarm_id == "a" * 32 and event.actor == "gateway"


@pytest.mark.parametrize(
    ("options", "speech", "facts"),
    [
        (OrderOptions(automatic=False), FakeSpeech(), {}),
        (OrderOptions(), FakeSpeech(kinds=frozenset()), {}),
        (OrderOptions(), FakeSpeech(), {"trust": Trust.T2}),
        (OrderOptions(), FakeSpeech(roads=frozenset({"sms"})), {"simulated": True}),
    ],
    ids=["switched off", "no such order", "link of too low a tier", "simulated, by text"],
)
def test_an_alarm_asks_nothing_where_no_order_may_go(options: OrderOptions, speech: FakeSpeech, facts: dict[str, object]) -> None:
    assert OrderStory(options, speech).happen(RAISED, **facts) == []


def test_a_lower_tier_needs_the_setting_that_says_so() -> None:
    assert asked(OrderStory(OrderOptions(trust_min="T1")).happen(RAISED, trust=Trust.T1)) == [("interval", 10, "raised")]


def test_a_text_is_a_way_whatever_the_tier_of_the_link() -> None:
    assert asked(OrderStory(speech=FakeSpeech(roads=frozenset({"sms"}))).happen(RAISED, trust=Trust.T1)) == [("interval", 10, "raised")]


def test_a_device_is_told_to_be_silent_only_when_a_centre_has_the_alarm() -> None:
    story = OrderStory(speech=FakeSpeech(kinds=frozenset({OrderKind.CONFIRM})))
    assert story.happen(RAISED) == []
    assert story.happen(OFFERED, state=State.OFFERED) == []
    confirm = story.happen(STORED, state=State.DELIVERED)[0]
    assert isinstance(confirm, ev.OrderAsked) and confirm.order == Order(OrderKind.CONFIRM, kinds=Kind.SOS_BUTTON)
    assert story.happen(STORED, state=State.ACKED) == [], "once is enough"
    again = story.happen(PRESSED, repeat_count=1)
    assert [type(event).__name__ for event in again] == ["OrderEnded", "OrderAsked"], "it repeats itself again"


def test_confirming_can_be_switched_off() -> None:
    story = OrderStory(OrderOptions(confirm=False, automatic=False))
    assert story.happen(STORED, state=State.DELIVERED) == []


# ------------------------------------------------------------------------------------------------ a restart


def test_a_restart_finds_what_waits_and_what_is_outstanding() -> None:
    story = OrderStory()
    first, second = story.ask(LOCATE), story.ask(SLOW)
    story.send(first)
    again = story.restarted(ago_s=5)
    assert again.order(first) == story.order(first) and again.order(second) == story.order(second)
    assert again.orders.due() == [], "what was sent is waited for, not sent again"
    again.hear()
    assert [one.order_id for one in again.orders.due()] == [second]


def test_what_a_crash_cut_off_between_journal_and_link_goes_again_as_a_repetition() -> None:
    story = OrderStory()
    order_id = story.ask()
    story.send(order_id)  # its record is durable, its bytes never left
    again = story.restarted(ago_s=60)
    again.wait(0)
    sent = again.send(order_id)[0]
    assert isinstance(sent, ev.OrderSent) and sent.attempt == 2


def test_a_crash_before_the_record_of_sending_leaves_a_first_attempt() -> None:
    story = OrderStory()
    order_id = story.ask()
    story.send(order_id)
    again = story.restarted(upto=1)
    sent = again.send(order_id)[0]
    assert isinstance(sent, ev.OrderSent) and sent.attempt == 1


def test_an_operators_own_words_are_not_sent_again_by_a_restart() -> None:
    story = OrderStory()
    order_id = story.ask(TEXT)
    story.send(order_id)
    again = story.restarted(ago_s=60)
    again.wait(0)
    assert again.order(order_id).state is OrderState.EXPIRED


def test_an_alarm_whose_order_a_crash_cut_off_asks_after_the_restart_and_one_that_asked_does_not_again() -> None:
    story = OrderStory()
    story.happen(RAISED)
    assert asked(story.restarted(upto=1).follow()) == [("interval", 10, "raised")]
    assert story.restarted().follow() == []
    assert asked(story.restarted(ago_s=700).follow()) == [("interval", 30, "later")]


def test_serial_numbers_go_on_after_a_restart_and_skip_zero() -> None:
    story = OrderStory()
    order_id = story.ask()
    story.let([ev.OrderSent(order_id, "dev-1", "tcp", 0xFFFF, 1)])
    story.hear()
    again = story.restarted()
    sent = again.send(again.ask())[0]
    assert isinstance(sent, ev.OrderSent) and sent.serial == 1


# ---------------------------------------------------------------------------------------------------- bounds


def test_ended_orders_are_kept_up_to_a_bound() -> None:
    story = OrderStory()
    for _ in range(KEPT_MAX + 10):
        story.send(story.ask())
        story.hear()
    assert len(story.orders.of("dev-1")) == KEPT_MAX
    assert sum(story.orders.statistics().values()) == KEPT_MAX


def test_two_orders_of_one_moment_have_their_own_names() -> None:
    story = OrderStory()
    assert story.ask(LOCATE) != story.ask(LOCATE)
