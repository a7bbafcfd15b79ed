"""Which parts of the road graph hang together: islands, and what can and cannot get to and from the main net.

The *main net* is the largest set of states that all reach each other. A car park whose exit is not mapped, a one-way
street that the extract's border cut, a real island: none of them belongs to it, and a position must not be tied to
them without a second thought, or every unit would look unreachable.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate

from gateway.router.segments import Segment
from gateway.router.turns import Arcs, States

FROM_MAIN, TO_MAIN, ISLAND = 1, 2, 4
"Flags of a segment: units of the main net can get there; a unit there can get to the main net; see ISLAND_M_MIN."

ISLAND_M_MIN = 10_000.0
"A separate component with this much road is a place of its own, not a gap in the map."


class Adjacency:
    """Who follows whom, as two flat lists."""

    def __init__(self, count: int, edges: Iterable[tuple[int, int]]) -> None:
        pairs = sorted(edges)
        degree = [0] * count
        for source, _ in pairs:
            degree[source] += 1
        self.begin = [0, *accumulate(degree)]
        self.to = [target for _, target in pairs]

    def reached_from(self, seeds: Iterable[int]) -> bytearray:
        """1 for every state that can be reached from a seed."""
        seen = bytearray(len(self.begin) - 1)
        waiting = list(seeds)
        for seed in waiting:
            seen[seed] = 1
        while waiting:
            state = waiting.pop()
            for other in self.to[self.begin[state] : self.begin[state + 1]]:
                if not seen[other]:
                    seen[other] = 1
                    waiting.append(other)
        return seen


def largest_strong_component(graph: Adjacency) -> list[int]:
    """Its states; the first found of several equally large. Source: Tarjan 1972, without recursion."""
    count = len(graph.begin) - 1
    order, low = [0] * count, [0] * count  # 0: not yet seen
    cursor = graph.begin[:-1]
    is_open = bytearray(count)
    open_states: list[int] = []
    best: list[int] = []
    clock = 0
    for root in range(count):
        if order[root]:
            continue
        path = [root]
        while path:
            state = path[-1]
            if not order[state]:
                clock += 1
                order[state] = low[state] = clock
                open_states.append(state)
                is_open[state] = 1
            if cursor[state] < graph.begin[state + 1]:
                other = graph.to[cursor[state]]
                cursor[state] += 1
                if not order[other]:
                    path.append(other)
                elif is_open[other]:
                    low[state] = min(low[state], order[other])
                continue
            path.pop()
            if path:
                low[path[-1]] = min(low[path[-1]], low[state])
            if low[state] == order[state]:
                start = len(open_states) - 1
                while open_states[start] != state:
                    start -= 1
                for member in open_states[start:]:
                    is_open[member] = 0
                if len(open_states) - start > len(best):
                    best = open_states[start:]
                del open_states[start:]
    return best


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


def flags(segments: Sequence[Segment], arcs: Arcs, states: States, component: Sequence[int]) -> bytearray:
    """FROM_MAIN, TO_MAIN and ISLAND of every segment."""
    arc_of = [*range(len(arcs.ticks)), *states.copy_of]
    onward = Adjacency(len(arc_of), ((state, following) for state, following, _ in states.turns))
    backward = Adjacency(len(arc_of), ((following, state) for state, following, _ in states.turns))
    main = largest_strong_component(onward)
    result = bytearray(len(segments))
    for flag, reached in ((FROM_MAIN, onward.reached_from(main)), (TO_MAIN, backward.reached_from(main))):
        for state, is_reached in enumerate(reached):
            if is_reached:
                result[arcs.segment[arc_of[state]]] |= flag
    length_cm: dict[int, int] = {}
    for index, segment in enumerate(segments):
        length_cm[component[index]] = length_cm.get(component[index], 0) + segment.length_cm
    for index in range(len(segments)):
        if length_cm[component[index]] >= ISLAND_M_MIN * 100:
            result[index] |= ISLAND
    return result
