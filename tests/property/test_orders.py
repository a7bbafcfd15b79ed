"""Whatever happens in whatever order, and wherever the gateway falls: one order is outstanding a device, and none leaves twice unsaid."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import events as ev
from gateway.model import Kind, Order, OrderKind, State, Trust
from gateway.orders import LIVING, OrderOptions, OrderState
from tests.unit.order_story import ANSWER, CHATTER, LOCATE, QUICK, SLOW, TEXT, FakeSpeech, OrderStory

PRESSED = ev.AlarmPressed("a" * 32, "tcp", Kind.SOS_BUTTON, 0, Trust.T3, "k", False)
RAISED = ev.AlarmRaised("a" * 32, "dev-1", "gt06", "tcp", Kind.SOS_BUTTON, 0, None, None, "none", Trust.T3, "k")
STORED = ev.AlertAnswered("a" * 32, "west", "w-1", 1, 1, 3, "stored")
CLOSED = ev.AlarmClosed("a" * 32, "resolved and reported")
WISHES = (LOCATE, QUICK, SLOW, TEXT, Order(OrderKind.SERVER, host="gw", port=1), Order(OrderKind.CONFIRM))

acts = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(WISHES)),
        st.tuples(st.just("send"), st.sampled_from(["tcp", "udp", "sms"])),
        st.tuples(st.just("hear"), st.sampled_from([ANSWER, CHATTER])),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 1.0, 29.0, 31.0, 301.0, 601.0, 90_000.0])),
        st.tuples(st.just("happen"), st.sampled_from(["raised", "pressed", "stored", "closed"])),
        st.tuples(st.just("crash"), st.sampled_from([0.0, 5.0, 45.0])),
        st.tuples(st.just("unsayable"), st.none()),
    ),
    max_size=40,
)


def happen(story: OrderStory, what: str) -> None:
    if what == "raised" or story.alarm is None:
        story.happen(RAISED, state=State.RAISED)
    elif what == "pressed":
        story.happen(PRESSED, repeat_count=story.alarm.repeat_count + 1)
    elif what == "stored":
        story.happen(STORED, state=State.DELIVERED)
    else:
        story.happen(CLOSED, state=State.CLOSED, tracking="OFF")


def check(story: OrderStory) -> None:
    """What holds at every instant."""
    every = story.orders.of("dev-1")
    sent = [one for one in every if one.state is OrderState.SENT]
    waiting = [one for one in every if one.state is OrderState.ASKED]
    assert len(sent) <= 1 and story.orders.outstanding("dev-1") == (sent[0] if sent else None)
    assert max(Counter(one.order.kind for one in waiting).values(), default=0) <= 1, "a newer one replaces the older"
    due = story.orders.due()
    assert len(due) <= 1 and all(one.state in LIVING for one in due)
    for one in due:
        story.orders.look_again("dev-1")
        assert list(story.orders.take_news()) == [one] and list(story.orders.take_news()) == []
    assert bool(due) or not waiting or sent, "what waits and is not held up by another is due"
    assert all(one.attempts <= (1 if one.order.kind is OrderKind.TEXT else story.options.attempts_max) for one in every)


@given(acts, st.booleans())
@settings(max_examples=300, deadline=None)
def test_one_order_is_outstanding_whatever_happens(script: list[tuple[str, object]], automatic: bool) -> None:
    story = OrderStory(OrderOptions(automatic=automatic), FakeSpeech())
    for act, what in script:
        due = story.orders.due()
        if act == "ask":
            story.ask(what)  # type: ignore[arg-type]
        elif act == "send" and due:
            story.send(due[0].order_id, what)  # type: ignore[arg-type]
        elif act == "hear":
            story.hear(what)  # type: ignore[arg-type]
        elif act == "wait":
            story.wait(what)  # type: ignore[arg-type]
            story.follow() if story.alarm else None
        elif act == "happen":
            happen(story, str(what))
        elif act == "unsayable" and due:
            story.let(story.orders.unsayable(due[0].order_id))
        elif act == "crash":
            before = {one.order_id: one for one in story.orders.of("dev-1")}
            story = story.restarted(what)  # type: ignore[arg-type]
            assert {one.order_id: one for one in story.orders.of("dev-1")} == before, "a restart finds what was"
        check(story)
    attempts = [(event.order_id, event.attempt) for _, event, _ in story.journal if isinstance(event, ev.OrderSent)]
    assert len(set(attempts)) == len(attempts), "nothing leaves twice under one attempt"
    ended = [event.order_id for _, event, _ in story.journal if isinstance(event, ev.OrderEnded)]
    assert len(set(ended)) == len(ended), "an order ends once"


@given(acts)
@settings(max_examples=100, deadline=None)
def test_every_order_ends(script: list[tuple[str, object]]) -> None:
    """However it is left, time brings each order to its end."""
    story = OrderStory(OrderOptions(automatic=False), FakeSpeech())
    for act, what in script:
        if act == "ask":
            story.ask(what)  # type: ignore[arg-type]
        elif act == "send" and story.orders.due():
            story.send(story.orders.due()[0].order_id, what)  # type: ignore[arg-type]
    for _ in range(30):
        story.wait(3_600)
    assert not [one for one in story.orders.of("dev-1") if one.state in LIVING]
    assert story.orders.next_deadline_us() is None
