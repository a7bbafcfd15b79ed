"""Long messages: nothing that came is lost, and no alarm waits for the rest of its text (F-31)."""

import itertools
from dataclasses import replace

from gateway.protocols.sms import says_alarm
from gateway.protocols.sms_message import Concat, SmsMessage
from gateway.protocols.sms_parts import GROUPS_MAX, JOIN_WAIT_US, Joiner

WHOLE = SmsMessage("kannel", "id", "+32470000001", "+32460123456", "gsm7", b"", 0)


def part(seq: int, text: str, total: int = 3, ref: int = 42, sender: str = WHOLE.sender, coding: str = "gsm7") -> SmsMessage:
    body = text.encode("utf-16-be", "surrogatepass") if coding == "ucs2" else text.encode()
    return replace(WHOLE, sender=sender, coding=coding, body=body, concat=Concat(ref, total, seq))


PARTS = (part(1, "I am at home "), part(2, "in Ghent "), part(3, "51.0543,3.7212"))


def texts(messages: list[SmsMessage]) -> list[str]:
    return [message.raw.decode() for message in messages]


def test_parts_are_joined_in_any_order() -> None:
    for order in itertools.permutations(PARTS):
        joiner = Joiner(says_alarm)
        ready = [message for piece in order for message in joiner.add(piece, 0)]
        assert texts(ready) == ["I am at home in Ghent 51.0543,3.7212"] and ready[0].missing == 0


def test_a_whole_message_does_not_wait() -> None:
    assert Joiner(says_alarm).add(WHOLE, 0) == [WHOLE]


def test_an_alarm_is_handed_on_at_once_and_its_whole_text_later() -> None:
    joiner = Joiner(says_alarm)
    (first,) = joiner.add(part(1, "SOS! I am at home "), 0)
    assert first.missing == 2 and first.concat is not None and first.concat.ref == 42
    assert joiner.add(PARTS[2], 1) == []
    (whole,) = joiner.add(PARTS[1], 2)
    assert whole.missing == 0 and texts([whole]) == ["SOS! I am at home in Ghent 51.0543,3.7212"]


def test_an_alarm_word_that_was_cut_in_two_is_heard_when_it_is_joined() -> None:
    joiner = Joiner(says_alarm)
    assert joiner.add(part(2, "S! come", total=3), 0) == []
    (joined,) = joiner.add(part(1, "SO", total=3), 1)
    assert texts([joined]) == ["SOS! come"]


def test_what_is_not_whole_in_time_is_handed_on_as_it_is() -> None:
    joiner = Joiner(says_alarm)
    joiner.add(PARTS[0], 0)
    joiner.add(PARTS[2], JOIN_WAIT_US - 1)
    assert joiner.next_deadline_us() == JOIN_WAIT_US
    assert joiner.on_deadline(JOIN_WAIT_US - 1) == []
    (rest,) = joiner.on_deadline(JOIN_WAIT_US)
    assert texts([rest]) == ["I am at home 51.0543,3.7212"] and rest.missing == 1
    assert joiner.next_deadline_us() is None


def test_what_was_handed_on_is_not_repeated_at_the_end() -> None:
    joiner = Joiner(says_alarm)
    joiner.add(part(1, "SOS! "), 0)
    assert joiner.on_deadline(JOIN_WAIT_US) == []
    for piece in PARTS:
        joiner.add(piece, 0)
    assert joiner.on_deadline(JOIN_WAIT_US) == []


def test_copies_of_a_part_change_nothing_even_after_the_whole() -> None:
    joiner = Joiner(says_alarm)
    ready = [message for piece in (PARTS[0], PARTS[0], PARTS[1], PARTS[2], PARTS[1], PARTS[2]) for message in joiner.add(piece, 0)]
    assert len(ready) == 1


def test_a_reference_that_is_used_again_starts_another_message() -> None:
    joiner = Joiner(says_alarm)
    joiner.add(PARTS[0], 0)
    ready = joiner.add(part(1, "SOS! again"), 5)
    assert texts(ready) == ["I am at home ", "SOS! again"]


def test_senders_and_references_are_kept_apart() -> None:
    joiner = Joiner(says_alarm)
    for piece in (part(1, "a", 2), part(2, "b", 2, sender="+32470000002"), part(2, "b", 2, ref=7)):
        assert joiner.add(piece, 0) == []


def test_half_a_surrogate_pair_is_made_whole_by_the_next_part() -> None:
    joiner = Joiner(says_alarm)
    joiner.add(part(1, "hi \ud83d", 2, coding="ucs2"), 0)
    assert texts(joiner.add(part(2, "\ude00!", 2, coding="ucs2"), 0)) == ["hi \U0001f600!"]


def test_memory_is_bounded_and_the_oldest_is_handed_on_rather_than_lost() -> None:
    joiner = Joiner(says_alarm)
    ready = [message for number in range(GROUPS_MAX + 3) for message in joiner.add(part(1, f"hello {number}", ref=number), number)]
    assert texts(ready) == ["hello 0", "hello 1", "hello 2"]


def test_the_first_part_of_a_tracker_s_own_protocol_is_handed_on_at_once() -> None:
    """A press need not wait for the end of a message that carries it: the end may be lost."""
    text = b"+RESP:GTSOS,30040A,001012600000016,GL300,0,0,1,1,4.3,92,70.0,3.725012,51.05"
    assert says_alarm(replace(WHOLE, body=text)) and not says_alarm(replace(WHOLE, body=text.replace(b"GTSOS", b"GTFRI")))
