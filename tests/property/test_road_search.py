"""The search, and the automaton of turn rules, against a plain Dijkstra that remembers the arcs it came over.

Random graphs with zero times, parallel and looped segments, one-ways, islands, barriers, and rules over several arcs.
The reference knows nothing of states, copies, bounds or buckets: it carries the last arcs and reads every rule anew.
"""

import heapq

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.router import index
from gateway.router.layout import arrange
from gateway.router.roads import Roads
from gateway.router.segments import INF, TICKS_PER_S, Segment
from gateway.router.turns import Rule, expand, number_arcs

ONE = 1 << 30
ticks = st.one_of(st.integers(0, 4), st.integers(0, 3_000_000))
one_way = st.sampled_from([(True, True), (True, True), (True, False), (False, True)])


def stub(number):
    """Every segment lies 3 km from the others, wherever its junctions are: a position on it means it alone."""
    lat = 500_000_000 + number * 300_000
    return (lat, 40_000_000), (lat, 40_100_000)


def spot(number, eighth):
    lat, lon = stub(number)[0]
    return lat, lon + eighth * 12_500


@st.composite
def graphs(draw, junctions_max, segments_max):
    junctions = draw(st.integers(1, junctions_max))
    segments = []
    for number in range(draw(st.integers(1, segments_max))):
        tail, head = draw(st.integers(0, junctions - 1)), draw(st.integers(0, junctions - 1))
        forward, backward = draw(one_way)
        times = (draw(ticks) if forward else INF, draw(ticks) if backward else INF)
        segments.append(Segment(number, tail, head, stub(number), draw(st.integers(0, 10**6)), *times))
    waits = draw(st.dictionaries(st.integers(0, junctions - 1), st.sampled_from([None, 0.0001, 3.0]), max_size=2))
    return segments, waits


@st.composite
def rules_for(draw, arcs):
    """Rules along walks that exist, so that they meet and overlap."""
    rules = []
    for _ in range(draw(st.integers(0, 6))):
        walk = [draw(st.integers(0, len(arcs.ticks) - 1))]
        for _ in range(draw(st.integers(1, 3))):
            onward = [arc for arc, tail in enumerate(arcs.tail) if tail == arcs.head[walk[-1]]]
            if not onward:
                break
            walk.append(draw(st.sampled_from(onward)))
        if len(walk) > 1:
            rules.append(Rule(tuple(walk), draw(st.booleans())))
    return rules


def engine(segments, arcs, rules, waits):
    sections, numbers = arrange(segments, arcs, expand(arcs, rules, waits))
    return Roads(index.unpack(memoryview(b"".join(index.pack({**numbers, "data_version": "random"}, sections)))))


class Plain:
    """Times from a position, by carrying the arcs driven so far."""

    def __init__(self, arcs, rules, waits):
        self.arcs, self.rules, self.waits = arcs, rules, waits
        self.memory = max((len(rule.arcs) - 1 for rule in rules), default=1)

    def _may(self, driven, arc):
        allowed = {}
        for rule in self.rules:
            for count in range(1, len(rule.arcs)):
                if driven[-count:] == rule.arcs[:count] and len(driven) >= count:
                    if rule.is_only:
                        allowed.setdefault(count, set()).add(rule.arcs[count])
                    elif count == len(rule.arcs) - 1 and rule.arcs[count] == arc:
                        return False
        return all(arc in ways for ways in allowed.values())

    def onward(self, driven):
        arcs, arc = self.arcs, driven[-1]
        wait = self.waits.get(arcs.head[arc], 0.0)
        back = [other for other in arcs.of_segment[arcs.segment[arc]] if other not in (-1, arc)]
        ahead = [other for other, tail in enumerate(arcs.tail) if tail == arcs.head[arc] and other not in back]
        ahead = [(other, round(wait * TICKS_PER_S)) for other in ahead if wait is not None and self._may(driven, other)]
        return ahead or [(other, 0) for other in back if self._may(driven, other)]

    def from_stand(self, arc, rest):
        """Arc -> least ticks from the stand to its tail."""
        best, seen, heap = {}, set(), []
        for other, extra in self.onward((arc,)):
            heapq.heappush(heap, (rest + extra, (arc, other)[-self.memory :]))
        while heap:
            cost, driven = heapq.heappop(heap)
            if driven in seen:
                continue
            seen.add(driven)
            best.setdefault(driven[-1], cost)
            for other, extra in self.onward(driven):
                heapq.heappush(heap, (cost + self.arcs.ticks[driven[-1]] + extra, (*driven, other)[-self.memory :]))
        return best


def places(arcs, segment, eighth):
    """(arc, position) of both directions."""
    forward, backward = arcs.of_segment[segment]
    position = eighth * ONE // 8
    return [(arc, along) for arc, along in ((forward, position), (backward, ONE - position)) if arc >= 0]


def part(whole, position):
    return (whole * position + ONE // 2) // ONE


def times(plain, arcs, start, goals):
    """Least ticks from one spot to each of ``goals``; None: no way."""
    found = [None] * len(goals)
    for arc, position in places(arcs, *start):
        passed = part(arcs.ticks[arc], position)
        reached = plain.from_stand(arc, arcs.ticks[arc] - passed)
        for number, goal in enumerate(goals):
            for target, along in places(arcs, *goal):
                ways = [reached[target] + part(arcs.ticks[target], along)] if target in reached else []
                if target == arc and position <= along:
                    ways.append(part(arcs.ticks[arc], along) - passed)
                found[number] = min([*ways, *([found[number]] if found[number] is not None else [])], default=None)
    return found


def check(data, segments, waits, with_rules):
    arcs = number_arcs(segments)
    rules = data.draw(rules_for(arcs)) if with_rules else []
    roads, plain = engine(segments, arcs, rules, waits), Plain(arcs, rules, waits)
    spots = st.tuples(st.integers(0, len(segments) - 1), st.integers(0, 8))
    units = data.draw(st.lists(spots, min_size=1, max_size=8))
    alarms = data.draw(st.lists(spots, min_size=1, max_size=4))
    for number, unit in enumerate(units):
        assert roads.unit_set(f"u{number}", *spot(*unit))
    table = [times(plain, arcs, unit, alarms) for unit in units]
    for column, alarm in enumerate(alarms):
        expected = sorted((row[column], f"u{number}") for number, row in enumerate(table) if row[column] is not None)
        for count in (1, 2, len(units)):
            found = roads.nearest(*spot(*alarm), count)
            assert [(round(one.travel_s * TICKS_PER_S), one.unit_id) for one in found] == expected[:count]
        travel = roads.travel(*spot(*units[0]), *spot(*alarm))
        assert (None if travel is None else round(travel.travel_s * TICKS_PER_S)) == table[0][column]
        path = roads.path(*spot(*units[0]), *spot(*alarm))
        moments = [point.at_s for point in path]
        assert moments == sorted(moments) and (moments[-1:] == [travel.travel_s] if travel else not path)
        if travel:
            assert travel == roads.travel(*spot(*units[0]), *spot(*alarm))
            same = [one for one in roads.nearest(*spot(*alarm), len(units)) if one.unit_id == "u0"]
            assert same[0].distance_m == travel.distance_m


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(graphs(40, 60), st.data())
def test_every_time_is_that_of_a_plain_dijkstra(graph, data):
    check(data, *graph, with_rules=False)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(graphs(4, 7), st.data())
def test_rules_over_several_arcs_bind_exactly_those_who_came_that_way(graph, data):
    check(data, *graph, with_rules=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(5, 10), st.data())
def test_the_order_of_rules_changes_no_state(graph, data):
    segments, waits = graph
    arcs = number_arcs(segments)
    rules = data.draw(rules_for(arcs))
    assert expand(arcs, rules, waits) == expand(arcs, data.draw(st.permutations(rules)), waits)


def test_a_heap_of_many_equal_times_stays_in_order():
    segments = [Segment(number, number, number + 1, stub(number), 100, 1, 1) for number in range(300)]
    arcs = number_arcs(segments)
    roads = engine(segments, arcs, [], {})
    for number in range(300):
        roads.unit_set(f"u{number:03}", *spot(number, 0))
    found = roads.nearest(*spot(150, 0), 300)
    assert [round(one.travel_s * TICKS_PER_S) for one in found] == sorted(abs(150 - number) for number in range(300))
    assert [one.unit_id for one in found[:3]] == ["u150", "u149", "u151"]
