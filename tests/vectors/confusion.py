"""How surely a shared port tells the protocols apart, measured on every opening in the vectors: ``docs/recognition.md``.

``python -m tests.vectors.confusion > docs/recognition.md`` writes the page anew.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from gateway.protocols import PROTOCOLS, Row, row
from gateway.protocols.auto import DECIDED, likeliest
from tests.vectors.sheets import OWN_CASES

TRANSPORTS = ("tcp", "udp")
"Where a port may be shared. Messages of a bridge say themselves what they are."

HEAD = f"""\
# Which protocol is this?

With `protocol = "auto"` a port finds out from the first bytes of a connection, or from a datagram; `gateway identify` shows what
it would say. Every protocol looks at the bytes by itself and answers with a confidence: 0 this cannot be mine, below {DECIDED} it could
become mine when more comes, from {DECIDED} on it is decided. The most confident one is taken; of equals, the first in the list of
[protocols](protocols/README.md). A connection stays what it was taken for.

Measured on every opening (the first message of a connection) in the project's own vectors, damaged ones left out. *Right*: taken
for what it is, even when it comes byte by byte. *Waits*: not decided by it, more bytes would be waited for. *Bytes*: how many it takes until
it is decided, median and most. *Taken for*: openings that another protocol takes.

| protocol | over | openings | right | waits | bytes | taken for |
| --- | --- | --- | --- | --- | --- | --- |
"""
PAIRS_HEAD = """
## Pairs that look alike

Openings of the first that the second could take for its own (a confidence of its own above 0), and what decides. A port that
carries only one of the two does not need to choose: name the protocol in `[[listen]]`.

| opening of | could be | openings | how surely at most | what decides |
| --- | --- | --- | --- | --- |
"""


@dataclass
class Openings:
    """What the openings of one protocol over one transport came to."""

    total: int = 0
    right: int = 0
    waits: int = 0
    bytes_needed: list[int] = field(default_factory=list)
    taken_for: Counter[str] = field(default_factory=Counter)
    others: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    "other protocol -> (its confidence, ours)"


def openings(name: str, transport: str) -> list[bytes]:
    """First messages of a protocol's vectors, each once, damaged ones left out."""
    cases = [case for case in OWN_CASES if (case.protocol, case.transport) == (name, transport)]
    return list(dict.fromkeys(case.frames[0] for case in cases if len(case.frames) > 1 or not case.expect.get("reject")))


def measured(name: str, transport: str) -> Openings:
    """Every opening of a protocol, as a port that carries all of them sees it."""
    rows = [entry for entry in PROTOCOLS if transport in entry.transports]
    told = Openings()
    for data in openings(name, transport):
        told.total += 1
        taken, size = decided(rows, data, is_stream=transport == "tcp")
        told.right += taken == name
        told.waits += taken is None
        if taken is not None:
            told.bytes_needed.append(size)
            told.taken_for[taken] += taken != name
        for entry in rows:
            if entry.name != name and (other := entry.recognise(data)):
                told.others[entry.name].append((other, row(name).recognise(data)))
    return told


def decided(rows: list[Row], data: bytes, is_stream: bool) -> tuple[str | None, int]:
    """Who takes it, and after how many bytes; None when more would be waited for. A stream is looked at after every byte."""
    for size in range(1 if is_stream else len(data), len(data) + 1):
        taken, confidence = likeliest(rows, data[:size])
        if confidence >= DECIDED:
            return taken, size
    return None, len(data)


def page() -> str:
    """The page."""
    ways = [(entry.name, transport) for entry in PROTOCOLS for transport in TRANSPORTS if transport in entry.transports]
    found = {way: measured(*way) for way in ways}
    rows, pairs = "", ""
    for (name, transport), told in found.items():
        if told.total:
            span = f"{sorted(told.bytes_needed)[len(told.bytes_needed) // 2]}, {max(told.bytes_needed)}" if told.bytes_needed else "-"
            taken = ", ".join(f"{other} {count}" for other, count in told.taken_for.items() if count) or "-"
            rows += f"| {name} | {transport} | {told.total} | {told.right} | {told.waits} | {span} | {taken} |\n"
        for other, confidences in told.others.items():
            most = max(confidence for confidence, _ in confidences)
            pairs += f"| {name} ({transport}) | {other} | {len(confidences)} | {most} | {decider(confidences)} |\n"
    return HEAD + rows + PAIRS_HEAD + (pairs or "| - | - | 0 | 0 | - |\n")


def decider(confidences: list[tuple[int, int]]) -> str:
    """What makes the difference."""
    if all(other < ours for other, ours in confidences):
        return "the bytes: the right one is surer"
    if all(other <= ours for other, ours in confidences):
        return "the order of the list, when both are equally sure"
    return "nothing in these bytes: name the protocol of the port"


if __name__ == "__main__":
    print(page(), end="")
