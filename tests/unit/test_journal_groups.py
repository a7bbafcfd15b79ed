"""Order and batching: what waits for the disk."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import JournalError
from gateway.journal.groups import Batch, Groups
from gateway.journal.options import JournalOptions
from gateway.model import Urgency
from tests.journal_acts import instant, some_event

LONG_AGO_US = -10_000_000
OPTIONS = JournalOptions(group_wait_ms=2, group_kib=1, queue_records_max=50, queue_kib_max=64)


def add(groups: Groups, urgency: Urgency, ms: int = 0, count: int = 1, size: int = 10) -> Batch:
    events = [some_event(number) for number in range(count)]
    return groups.add(events, [bytes(size)] * count, instant(ms), urgency, lambda error: None)


def numbers(group: list[Batch]) -> list[int]:
    return [draft.seq for batch in group for draft in batch.drafts]


def take(groups: Groups, ms: float, idle_ms: float, **how: bool) -> list[int]:
    return numbers(groups.take(int(ms * 1000), int(idle_ms * 1000), **how))


def test_an_alarm_closes_the_group_at_once():
    groups = Groups(OPTIONS, 1)
    add(groups, Urgency.C, 10)
    assert take(groups, 10, 10) == []
    add(groups, Urgency.A, 10)
    assert take(groups, 10, 10) == [1, 2]


def test_a_routine_record_waits_two_milliseconds_for_company():
    groups = Groups(OPTIONS, 1)
    add(groups, Urgency.C, 10)
    add(groups, Urgency.C, 11)
    assert groups.next_deadline_us(9_900) == 11_900
    assert take(groups, 11.9, 10) == []
    assert take(groups, 12, 10) == [1, 2]
    assert groups.next_deadline_us(0) is None


def test_a_quiet_journal_lets_nobody_wait():
    groups = Groups(OPTIONS, 1)
    add(groups, Urgency.D, 10)
    assert take(groups, 10, 8) == [1]


def test_a_large_group_closes_at_once_and_the_rest_stays():
    groups = Groups(OPTIONS, 1)
    for _ in range(4):
        add(groups, Urgency.C, 10, size=360)
    assert take(groups, 10, 10) == [1, 2]
    assert take(groups, 10, 10) == []
    assert take(groups, 10, 10, at_once=True) == [3, 4]


def test_an_alarm_waits_for_no_second_write_however_much_stands_before_it():
    groups = Groups(OPTIONS, 1)
    for _ in range(40):
        add(groups, Urgency.C, 10, size=500)
    add(groups, Urgency.A, 10)
    add(groups, Urgency.C, 10)
    assert take(groups, 10, 10) == list(range(1, 42))
    assert len(groups) == 1


def test_what_came_together_stays_together():
    groups = Groups(OPTIONS, 7)
    add(groups, Urgency.C, 0, count=3, size=900)
    add(groups, Urgency.C, 0, count=2, size=10)
    assert take(groups, 50, 0) == [7, 8, 9]
    assert take(groups, 50, 0) == [10, 11]


@pytest.mark.parametrize(("options", "room"), [(OPTIONS, 50), (JournalOptions(queue_records_max=10**6, queue_kib_max=1), 21)])
def test_a_full_queue_refuses_routine_and_never_an_alarm(options, room):
    groups = Groups(options, 1)
    for _ in range(room):
        add(groups, Urgency.D)
    for urgency in (Urgency.C, Urgency.D, Urgency.E):
        with pytest.raises(JournalError, match=f"class {urgency.value} is refused"):
            add(groups, urgency)
    for number in range(500):
        assert add(groups, Urgency.A if number % 2 else Urgency.B).drafts[0].seq == room + 1 + number, "a refusal uses no number up"
    assert groups.records == groups.records_peak == room + 500


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(Urgency)), st.integers(1, 4), st.integers(0, 900), st.integers(0, 3), st.booleans()), max_size=60))
def test_order_is_kept_and_nothing_is_lost(steps):
    groups = Groups(OPTIONS, 1)
    given_out: list[int] = []
    taken: list[int] = []
    ms = 0
    for urgency, count, size, later, ask in steps:
        ms += later
        try:
            given_out += [draft.seq for draft in add(groups, urgency, ms, count, size).drafts]
        except JournalError:
            assert urgency in (Urgency.C, Urgency.D, Urgency.E)
        if ask:
            group = groups.take(ms * 1000, LONG_AGO_US if later else ms * 1000)
            taken += numbers(group)
            waits = [batch for batch in groups._waiting if batch.is_urgent]
            assert not group or not waits, "an alarm was left behind"
    while group := groups.take(0, 0, at_once=True):
        taken += numbers(group)
    assert taken == given_out == list(range(1, len(given_out) + 1))
    assert (groups.records, groups.bytes, len(groups)) == (0, 0, 0)
