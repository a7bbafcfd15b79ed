"""Long messages: parts in any order -> whole messages, without making an alarm wait for its position.

A message is handed on when it is whole, and before that as soon as what has come of it says an alarm; what is not whole
after ``JOIN_WAIT_US`` is handed on as it is. A message that was handed on twice carries the same reference, by which
the alarms room knows the copy. All times are monotonic.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gateway.protocols.sms_message import SmsMessage

JOIN_WAIT_US = 60_000_000
"How long the rest of a message is waited for (F-31)."
GROUPS_MAX = 1024
"Messages waiting at once (at most 255 parts of 140 octets each); the oldest is handed on to make room."


@dataclass(slots=True)
class Group:
    """The parts of one long message that have come."""

    deadline_us: int
    total: int
    parts: dict[int, SmsMessage] = field(default_factory=dict)
    handed: int = 0
    "How many parts there were when it was last handed on."

    @property
    def is_whole(self) -> bool:
        """Nothing is missing."""
        return len(self.parts) == self.total

    def joined(self) -> SmsMessage:
        """What has come so far, in order, as one message."""
        self.handed = len(self.parts)
        first, *_ = parts = [self.parts[seq] for seq in sorted(self.parts)]
        return replace(first, body=b"".join(part.body for part in parts), missing=self.total - len(parts))


Key = tuple[str, str, int, int]


class Joiner:
    """Joins the parts of all senders of a bridge."""

    def __init__(self, says_alarm: Callable[[SmsMessage], bool]) -> None:
        self._says_alarm = says_alarm
        self._groups: OrderedDict[Key, Group] = OrderedDict()

    def add(self, message: SmsMessage, now_us: int) -> list[SmsMessage]:
        """Take a message or a part; return what is to be decoded now, oldest first."""
        concat = message.concat
        if concat is None:
            return [message]
        ready = []
        key = (message.sender, message.receiver, concat.ref, concat.total)
        group = self._groups.get(key)
        if group is not None and group.parts.get(concat.seq, message).body != message.body:
            # The sender uses the reference again, for another message.
            ready += self._let_go(key)
            group = None
        if group is None:
            if len(self._groups) >= GROUPS_MAX:
                ready += self._let_go(next(iter(self._groups)))
            group = self._groups[key] = Group(now_us + JOIN_WAIT_US, concat.total)
        if concat.seq in group.parts:
            return ready
        group.parts[concat.seq] = message
        if group.is_whole:
            ready.append(group.joined())
        elif not group.handed:
            attempt = group.joined()
            if self._says_alarm(attempt):
                ready.append(attempt)
            else:
                group.handed = 0
        return ready

    def next_deadline_us(self) -> int | None:
        """When ``on_deadline`` has something to do."""
        return next((group.deadline_us for group in self._groups.values()), None)

    def on_deadline(self, now_us: int) -> list[SmsMessage]:
        """What has waited long enough, as it is. Whole messages are forgotten: until now they kept copies out."""
        ready = []
        while self._groups:
            key, group = next(iter(self._groups.items()))
            if group.deadline_us > now_us:
                break
            ready += self._let_go(key)
        return ready

    def _let_go(self, key: Key) -> list[SmsMessage]:
        group = self._groups.pop(key)
        return [group.joined()] if len(group.parts) > group.handed else []
