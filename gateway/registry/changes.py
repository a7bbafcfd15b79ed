"""The change log: the truth of the registry, one JSON object a line, each bound to all before it.

``changes.jsonl`` can be read and proved without our code. A line is a record in canonical JSON (sorted keys, no
blanks, UTF-8) with its hash added as the last key::

    {"action":"add","actor":"anna","at_us":1774000000000000,"fields":{…},"id":"dev-1","n":1,"noun":"device","hash":"8344…"}

    h(0) = 32 zero bytes;  h(n) = SHA-256(h(n-1) || length as u32 big-endian || record without the hash)

Changes that were made together carry ``"group":[first,last]``: they count all or not at all. What was not wholly
written when the power went is cut off; anything else that does not fit is damage, and is said, never guessed at.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

CHAIN_START = bytes(32)

_TAIL = re.compile(rb',"hash":"([0-9a-f]{64})"}\Z')

_NO_END = "has no end"

Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one entry."""

    n: int
    at_us: int
    actor: str
    noun: str
    id: str
    action: str
    "add, set, remove"
    fields: Fields = field(repr=False)
    "New values of the fields that changed; null: back to the default."
    group: tuple[int, int] | None = None
    "First and last n of the changes that were made together."


def chain(head: bytes, record: bytes) -> bytes:
    """The next hash of a chain of canonical records."""
    return hashlib.sha256(head + len(record).to_bytes(4, "big") + record).digest()


def canonical_json(value: object) -> bytes:
    """Sorted keys, no blanks, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def write_line(change: Change, head: bytes) -> tuple[bytes, bytes]:
    """(the line, the new head of the chain)."""
    record: Fields = {
        "n": change.n,
        "at_us": change.at_us,
        "actor": change.actor,
        "noun": change.noun,
        "id": change.id,
        "action": change.action,
        "fields": change.fields,
    }
    if change.group:
        record["group"] = list(change.group)
    data = canonical_json(record)
    head = chain(head, data)
    return b'%b,"hash":"%b"}\n' % (data[:-1], head.hex().encode()), head


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was found."""

    n: int
    "The number of its change; of a line that can't be read the one that is due."
    offset: int
    end: int
    "Where the next line begins."
    change: Change | None
    "None: it can't be read or is not what was written."
    head: bytes | None
    "The hash that it carries; None when that can't be read."
    wrong: str | None
    "None: everything fits."

    @property
    def has_no_end(self) -> bool:
        """Half a line: what follows would be written onto it."""
        return self.wrong == _NO_END


def read_lines(data: bytes, offset: int, n: int, head: bytes) -> Iterator[Line]:
    """The lines of a piece of the log that begins at ``offset``, after change ``n`` whose hash is ``head``.

    A line that does not fit is told with what is wrong; the next one is judged on the hash that stands in the file,
    so that one damaged line spoils no other.
    """
    at = 0
    before: bytes | None = head
    while at < len(data):
        newline = data.find(b"\n", at)
        end = len(data) if newline < 0 else newline + 1
        change, stored, wrong = _judge(data[at:end], n + 1, before)
        n = change.n if change else n + 1
        yield Line(n, offset + at, offset + end, change, stored, wrong)
        at, before = end, stored


def _judge(raw: bytes, due: int, head: bytes | None) -> tuple[Change | None, bytes | None, str | None]:
    """(change, hash, what is wrong) of one line that should be change ``due``."""
    if not raw.endswith(b"\n"):
        return None, None, _NO_END
    record, stored = _split(raw[:-1])
    if stored is None:
        return None, None, "can't be read"
    if head is not None and chain(head, record) != stored:
        return None, stored, "is not what was written: its hash does not fit"
    try:
        change = _parse(record)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None, stored, "can't be read"
    if head is None:
        return change, stored, "can't be proved: the line before it has no hash"
    return change, stored, None if change.n == due else f"is change {change.n} where {due} is due"


def _split(body: bytes) -> tuple[bytes, bytes | None]:
    """(the record, the hash behind it); None for a hash that is not there."""
    found = _TAIL.search(body)
    if found is None:
        return body, None
    return body[: found.start()] + b"}", bytes.fromhex(found[1].decode("ascii"))


def _parse(record: bytes) -> Change:
    """Raises ValueError, KeyError, TypeError or IndexError for what is no record of ours."""
    values = json.loads(record)
    group = values.get("group")
    return Change(
        n=int(values["n"]),
        at_us=int(values["at_us"]),
        actor=str(values["actor"]),
        noun=str(values["noun"]),
        id=str(values["id"]),
        action=str(values["action"]),
        fields=dict(values["fields"]),
        group=(int(group[0]), int(group[1])) if group else None,
    )


@dataclass(frozen=True, slots=True)
class Tail:
    """What the end of the log holds beyond what is known already."""

    changes: tuple[tuple[Change, bytes, int], ...]
    "(change, head after it, end of its line), in order; whole groups only."
    cut_at: int | None
    "Where a torn last write begins; None when there is none."
    damage: str | None
    "Not a torn write: the log was damaged or edited."
    beyond: tuple[Change, ...] = ()
    "Changes behind the damage that can be read all the same."


def read_tail(data: bytes, offset: int, n: int, head: bytes) -> Tail:
    """Tell new changes from a torn last write and from damage.

    Every append was synced before the next one began, so only the last append can be torn: one line, or the lines of
    one group. Anything readable behind the first wrong line that is not of that group proves damage.
    """
    lines = list(read_lines(data, offset, n, head))
    wrong = next((position for position, line in enumerate(lines) if line.wrong), len(lines))
    good = [(line.change, line.head, line.end) for line in lines[:wrong] if line.change and line.head]
    whole = _whole_groups([change for change, _, _ in good])
    if whole == len(lines):
        return Tail(tuple(good), None, None)
    due = n + whole + 1
    behind = tuple(line.change for line in lines[wrong:] if line.change)
    if any(change.group is None or not change.group[0] <= due <= change.group[1] for change in behind):
        return Tail(tuple(good[:whole]), None, f"line at byte {lines[wrong].offset} {lines[wrong].wrong}", behind)
    return Tail(tuple(good[:whole]), lines[whole].offset, None)


def _whole_groups(changes: list[Change]) -> int:
    """How many of these changes count: a group whose last change is missing does not."""
    if changes and (group := changes[-1].group) and changes[-1].n < group[1]:
        return next(position for position, change in enumerate(changes) if change.group == group)
    return len(changes)
