"""Turn restrictions, from relations between ways to rules about arcs.

A relation names whole ways; what it means is the arc of the ``from`` way that ends at the via, the arcs of the via
ways from end to end, and the arc of the ``to`` way that begins there. Whatever cannot be read that way is counted by
reason and left out: ``gateway roads info`` shows the counts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from gateway.router.extract import RoadWay, TurnRelation
from gateway.router.segments import Segment
from gateway.router.turns import Arcs, Rule

STEPS_MAX = 1_000
"Orders of via ways that are tried; a real restriction has one."


class _Unclear(Exception):
    """The relation cannot be read as arcs; the message is the counter's name."""


def rules_of(
    relations: Sequence[TurnRelation], ways: Mapping[int, RoadWay], segments: Sequence[Segment], arcs: Arcs, counts: Counter[str]
) -> list[Rule]:
    """The rules of all relations; ``counts`` says how many were applied and why others were not."""
    resolver = _Resolver(relations, ways, segments, arcs)
    rules: list[Rule] = []
    for relation in relations:
        try:
            found = resolver.rules(relation)
        except _Unclear as unclear:
            counts[f"restrictions_{unclear}"] += 1
            continue
        kind = "via_way" if relation.via_ways else "only" if relation.is_only else "no"
        counts[f"restrictions_applied_{kind}" if found else "restrictions_without_effect"] += 1
        rules += found
    return rules


class _Resolver:
    def __init__(self, relations: Sequence[TurnRelation], ways: Mapping[int, RoadWay], segments: Sequence[Segment], arcs: Arcs) -> None:
        self._ways = ways
        self._segments = segments
        self._arcs = arcs
        named = {way for relation in relations for way in (*relation.from_ways, *relation.via_ways, *relation.to_ways)}
        self._along: dict[int, list[int]] = defaultdict(list)
        for index, segment in enumerate(segments):
            if segment.way_id in named:
                self._along[segment.way_id].append(index)

    def rules(self, relation: TurnRelation) -> list[Rule]:
        rules: list[Rule] = []
        for from_way, to_way in product(relation.from_ways, relation.to_ways):
            if from_way not in self._ways or to_way not in self._ways or any(way not in self._ways for way in relation.via_ways):
                continue  # a way that we do not drive (or that the extract lacks) cannot be turned from or into
            for begin, middle, end in self._paths(relation, from_way, to_way):
                entering, leaving = self._touching(from_way, begin, is_entering=True), self._touching(to_way, end, is_entering=False)
                rules += [Rule((first, *middle, last), relation.is_only) for first, last in product(entering, leaving)]
        return rules

    def _paths(self, relation: TurnRelation, from_way: int, to_way: int) -> list[tuple[int, tuple[int, ...], int]]:
        """(junction where the from way ends, via arcs, junction where the to way begins)."""
        if relation.via_nodes:
            return [(relation.via_nodes[0], (), relation.via_nodes[0])]
        starts = sorted({self._ways[from_way].nodes[0], self._ways[from_way].nodes[-1]})
        ends = {self._ways[to_way].nodes[0], self._ways[to_way].nodes[-1]}
        paths = [
            (start, middle, end)
            for start in starts
            for middle, end in self._walks(start, relation.via_ways, ends)
            if middle is not None and self._touching(from_way, start, is_entering=True)
        ]
        if len(paths) > 1:
            raise _Unclear("ambiguous")
        return paths

    def _walks(self, start: int, via_ways: tuple[int, ...], ends: set[int]) -> Iterator[tuple[tuple[int, ...] | None, int]]:
        """Every way to drive all via ways end to end from ``start`` to one of ``ends``; arcs None: against a one-way."""
        stack: list[tuple[int, tuple[int, ...], tuple[int, ...] | None]] = [(start, via_ways, ())]
        for _ in range(STEPS_MAX):
            if not stack:
                return
            node, left, driven = stack.pop()
            if not left:
                if node in ends:
                    yield driven, node
                continue
            for way in left:
                first, last = self._ways[way].nodes[0], self._ways[way].nodes[-1]
                for begin, end, is_backward in ((first, last, False), (last, first, True)):
                    if begin == node:
                        arcs = self._whole(way, is_backward)
                        rest = tuple(other for other in left if other != way)
                        stack.append((end, rest, None if driven is None or arcs is None else driven + arcs))
        raise _Unclear("ambiguous")

    def _whole(self, way: int, is_backward: bool) -> tuple[int, ...] | None:
        """The arcs of a way from end to end; None where it is closed in this direction."""
        along = self._along[way]
        is_clipped = (
            not along
            or self._segments[along[0]].tail != self._ways[way].nodes[0]
            or self._segments[along[-1]].head != self._ways[way].nodes[-1]
            or any(self._segments[one].head != self._segments[other].tail for one, other in zip(along, along[1:], strict=False))
        )
        if is_clipped:
            raise _Unclear("clipped")
        arcs = tuple(self._arcs.of_segment[index][is_backward] for index in (reversed(along) if is_backward else along))
        return None if -1 in arcs else arcs

    def _touching(self, way: int, junction: int, *, is_entering: bool) -> list[int]:
        """Arcs of ``way`` whose head (entering) or tail (leaving) is ``junction``."""
        ends = self._arcs.head if is_entering else self._arcs.tail
        found = [arc for index in self._along[way] for arc in self._arcs.of_segment[index] if arc >= 0 and ends[arc] == junction]
        if len(found) > 1 and junction not in (self._ways[way].nodes[0], self._ways[way].nodes[-1]):
            raise _Unclear("ambiguous")  # the way runs through its via: from which side is not said
        return found
