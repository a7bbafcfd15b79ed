"""Which parts of the road map hang together.

The main component is the one with most road. A car park whose exit is not mapped hangs in the air beside it: a
position there must not be tied to it without a second thought, or every unit would look unreachable. A real island is
another matter: who is not on it cannot get there.
"""

from collections import Counter
from collections.abc import Sequence

from gateway.router.segments import Segment
from gateway.router.turns import Arcs, States

MAIN, ISLAND = 1, 2
"Flags of a segment: of the main component; of another one that is a place of its own."

ISLAND_M_MIN = 10_000.0
"With less road than this a separate component is taken for a gap in the map."


def components(arcs: Arcs, states: States) -> list[int]:
    """Segment -> component; segments of one component are joined by turns, in whatever direction."""
    parent = list(range(len(arcs.of_segment)))

    def find(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    arc_of = [*range(len(arcs.ticks)), *states.copy_of]
    for state, following, _ in states.turns:
        one, other = find(arcs.segment[arc_of[state]]), find(arcs.segment[arc_of[following]])
        parent[max(one, other)] = min(one, other)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(find(segment), len(numbers)) for segment in range(len(parent))]


def flags(segments: Sequence[Segment], component: Sequence[int]) -> bytearray:
    """MAIN and ISLAND of every segment; the first of several equally long components is the main one."""
    length_cm: Counter[int] = Counter()
    for segment, number in zip(segments, component, strict=True):
        length_cm[number] += segment.length_cm
    main = max(length_cm, key=lambda number: (length_cm[number], -number), default=0)
    islands = {number for number, length in length_cm.items() if length >= ISLAND_M_MIN * 100 and number != main}
    return bytearray(MAIN if number == main else ISLAND if number in islands else 0 for number in component)
