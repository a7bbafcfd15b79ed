"""From arcs to states: which arc may follow which, with every turn restriction, barrier and U-turn rule applied.

A *state* is an arc and stands for "at its tail, about to drive it". Every arc has one. A restriction over via ways
depends on where one came from, so its via arcs have a second state for traffic from the ``from`` way: the automaton
of all forbidden and commanded arc sequences, run over the road graph. Nodes are never cloned and arcs never dropped,
and the order of the restrictions changes nothing.

A U-turn is taken only where nothing else goes on (a dead end, a closed barrier, the mouth of a one-way street) and no
restriction forbids it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.router.segments import INF, TICKS_PER_S, Segment

Progress = frozenset[tuple[int, int]]
"(rule, how many of its arcs have just been driven)"


@dataclass(slots=True)
class Arcs:
    """The directed arcs of all segments, numbered forward before backward in segment order."""

    segment: list[int] = field(default_factory=list)
    is_backward: list[bool] = field(default_factory=list)
    tail: list[int] = field(default_factory=list)
    head: list[int] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)
    of_segment: list[tuple[int, int]] = field(default_factory=list)
    "Segment -> (forward arc, backward arc), -1 where it is closed."

    def reverse(self, arc: int) -> int:
        """The same stretch the other way; -1 when that is closed."""
        forward, backward = self.of_segment[self.segment[arc]]
        return forward if self.is_backward[arc] else backward


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """Arcs driven in a row, of which the last one is forbidden; or, once the first is driven, the rest is commanded."""

    arcs: tuple[int, ...]
    is_only: bool


@dataclass(slots=True)
class States:
    """The graph that is searched. Numbers below the number of arcs are the arcs themselves."""

    copy_of: list[int] = field(default_factory=list)
    "State minus number of arcs -> the arc that this copy stands for; ascending."
    turns: list[tuple[int, int, int]] = field(default_factory=list)
    "(state, next state, extra ticks at the junction between)."


def number_arcs(segments: Sequence[Segment]) -> Arcs:
    """One arc for each direction in which a segment is open."""
    arcs = Arcs()
    for index, segment in enumerate(segments):
        pair = []
        for is_backward, ticks in ((False, segment.forward_ticks), (True, segment.backward_ticks)):
            if ticks >= INF:
                pair.append(-1)
                continue
            pair.append(len(arcs.ticks))
            arcs.segment.append(index)
            arcs.is_backward.append(is_backward)
            arcs.tail.append(segment.head if is_backward else segment.tail)
            arcs.head.append(segment.tail if is_backward else segment.head)
            arcs.ticks.append(ticks)
        arcs.of_segment.append((pair[0], pair[1]))
    return arcs


def expand(arcs: Arcs, rules: Iterable[Rule], barrier_wait_s: Mapping[int, float | None]) -> States:
    """Every state that can be reached and every turn between two of them."""
    return _Expansion(arcs, sorted(set(rules)), barrier_wait_s).run()


class _Expansion:
    def __init__(self, arcs: Arcs, rules: Sequence[Rule], barrier_wait_s: Mapping[int, float | None]) -> None:
        self._arcs = arcs
        self._rules = rules
        self._barrier_wait_s = barrier_wait_s
        self._leaving: dict[int, list[int]] = defaultdict(list)
        for arc, tail in enumerate(arcs.tail):
            self._leaving[tail].append(arc)
        begun: dict[int, set[tuple[int, int]]] = defaultdict(set)
        for index, rule in enumerate(rules):
            begun[rule.arcs[0]].add((index, 1))
        self._begun = {arc: frozenset(progress) for arc, progress in begun.items()}

    def run(self) -> States:
        base = len(self._arcs.ticks)
        found: set[tuple[int, Progress]] = set()
        waiting: list[tuple[int, Progress]] = [(arc, frozenset()) for arc in range(base)]
        onward: list[list[tuple[int, Progress, int]]] = []
        for state in waiting:  # grows while it is walked
            onward.append(self._turns_from(*state))
            for arc, carried, _ in onward[-1]:
                if carried and (arc, carried) not in found:
                    found.add((arc, carried))
                    waiting.append((arc, carried))
        copies = sorted(found, key=lambda state: (state[0], sorted(state[1])))
        numbers = {state: base + index for index, state in enumerate(copies)}
        turns = [
            (numbers.get(state, state[0]), numbers.get((arc, carried), arc), extra)
            for state, following in zip(waiting, onward, strict=True)
            for arc, carried, extra in following
        ]
        return States([arc for arc, _ in copies], turns)

    def _turns_from(self, arc: int, carried: Progress) -> list[tuple[int, Progress, int]]:
        """(next arc, what the next state remembers, extra ticks) for all that may follow ``arc``."""
        junction = self._arcs.head[arc]
        wait_s = self._barrier_wait_s.get(junction, 0.0)
        back = self._arcs.reverse(arc)
        onward = [] if wait_s is None else [other for other in self._leaving.get(junction, ()) if other != back]
        extra = round((wait_s or 0.0) * TICKS_PER_S)
        progress = carried | self._begun.get(arc, frozenset())
        if progress:
            onward = [other for other in onward if self._may_follow(progress, other)]
        if not onward and back >= 0 and self._may_follow(progress, back):
            onward, extra = [back], 0
        return [(other, self._carry(progress, other), extra) for other in onward]

    def _may_follow(self, progress: Progress, arc: int) -> bool:
        """No rule forbids ``arc`` now, and every command of which we are in the middle names it.

        Commands that were begun by the same arcs are alternatives: two ``only_`` signs at one junction allow both ways.
        """
        commanded: dict[tuple[int, ...], set[int]] = {}
        for index, driven in progress:
            rule = self._rules[index]
            if rule.is_only:
                commanded.setdefault(rule.arcs[:driven], set()).add(rule.arcs[driven])
            elif driven == len(rule.arcs) - 1 and rule.arcs[driven] == arc:
                return False
        return all(arc in allowed for allowed in commanded.values())

    def _carry(self, progress: Progress, arc: int) -> Progress:
        """Which rules are still going on after ``arc``."""
        if not progress:
            return progress
        return frozenset(
            (index, driven + 1)
            for index, driven in progress
            if self._rules[index].arcs[driven] == arc and driven + 1 < len(self._rules[index].arcs)
        )
