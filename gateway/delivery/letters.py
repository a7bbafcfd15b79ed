"""The letters of one alarm for one centre: in order, numbered without a gap, and never more than needed.

Every alert is a whole picture of its alarm, the track included. So a position that has not left yet may give its
number to whatever comes next, and nothing is lost; a change of state that has not left keeps its place.
"""

from collections import deque
from dataclasses import dataclass, field

from gateway.events import AlertQueued

FINAL = frozenset({"closed"})
"Events after which a centre hears no more of an alarm."
POSITION = "position"
ANNOUNCING = frozenset({"raised", "test"})
"Events by which a centre first hears of an alarm."
LETTERS_MAX = 64
"Waiting letters of one alarm for one centre. Beyond it the last one gives way to the next: a button that is pressed for hours at a dead centre."


@dataclass(slots=True)
class Letter:
    """One alert on its way; its bytes never change."""

    seq: int
    event: str
    body: bytes = field(repr=False)
    seen_until_us: int
    "Track points up to here are in this letter or an earlier one."
    sent: bool = False
    "Bytes may have left: the number is used up."
    abandoned: bool = False
    "Not tried again; stays only until its last attempt is answered."
    flying: int = 0
    "Attempts under way."
    attempts: dict[str, int] = field(default_factory=dict)
    "Made so far, by route."
    refused_by: set[str] = field(default_factory=set)
    "Routes that will never take these bytes."


@dataclass(slots=True)
class Line:
    """What one centre is told of one alarm. Only the first letter travels; the next waits until it is stored."""

    centre_id: str
    role: str
    letters: deque[Letter] = field(default_factory=deque)
    seq_last: int = 0
    seq_done: int = 0
    "Highest number that is stored, given up or superseded."
    announced: str | None = None
    "raised or test: how the centre first heard of it."
    ever_stored: bool = False
    told_until_us: int = 0
    final: bool = False
    "The last letter is written."
    said: set[str] = field(default_factory=set)
    "Levels that this centre has told us: saying one again in an answer is no news."
    alarmed: set[str] = field(default_factory=set)
    "What was made due at once because this centre refuses: once is enough."

    @property
    def head(self) -> Letter | None:
        """The letter that travels."""
        return self.letters[0] if self.letters else None

    def next_seq(self, event: str) -> int:
        """The number of the next letter: that of a letter which it makes superfluous, or one more than the last."""
        if event in FINAL:
            return next((letter.seq for letter in self.letters if not letter.sent), self.seq_last + 1)
        tail = self.letters[-1] if self.letters else None
        if tail is not None and not tail.sent and (tail.event == POSITION or len(self.letters) >= LETTERS_MAX):
            return tail.seq
        return self.seq_last + 1

    def put(self, queued: AlertQueued, seen_until_us: int) -> bool:
        """Take a letter into the line; False when it is there already, or was."""
        if queued.seq <= self.seq_done or self.final:
            return False
        if any(letter.seq == queued.seq and letter.sent for letter in self.letters):
            return False
        self.role = queued.role
        self.seq_last = max(self.seq_last, queued.seq)
        if queued.event in ANNOUNCING:
            self.announced = queued.event
        if queued.event in FINAL:
            self.final = True
            self.abandon()
        while self.letters and self.letters[-1].seq >= queued.seq:
            self.letters.pop()
        self.letters.append(Letter(queued.seq, queued.event, queued.body, seen_until_us))
        return True

    def abandon(self) -> None:
        """Try nothing again but a final letter; what is under way may still come back."""
        for letter in self.letters:
            letter.abandoned = letter.event not in FINAL
        self.settle()

    def store(self, letter: Letter) -> None:
        """The centre has this letter."""
        self.ever_stored = True
        self.told_until_us = max(self.told_until_us, letter.seen_until_us)
        self.drop(letter)

    def drop(self, letter: Letter) -> None:
        """This letter needs no further attempt."""
        self.letters.remove(letter)
        self.seq_done = max(self.seq_done, letter.seq)
        self.settle()

    def settle(self) -> None:
        """Let go of abandoned letters that nothing is under way for."""
        while self.letters and self.letters[0].abandoned and not self.letters[0].flying:
            self.seq_done = max(self.seq_done, self.letters.popleft().seq)

    def letter(self, seq: int) -> Letter | None:
        """The letter with this number, while it waits or travels."""
        return next((letter for letter in self.letters if letter.seq == seq), None)

    def holds(self, event: str) -> bool:
        """Whether a letter of this event still waits or travels."""
        return any(letter.event == event and not letter.abandoned for letter in self.letters)
