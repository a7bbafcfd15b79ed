"""Whole maps: every answer equals that of scipy's Dijkstra, and the compiled graph that of the raw extract.

Two oracles. The first takes the states of the index and knows nothing of the search: 10,000 random pairs of every map,
integers equal. The second reads the extract itself, piece by piece, without segments, states or arcs of ours: it
checks the compiler. A generated town is always among the maps; those of ``shared/data/osm`` where they are.
"""

import heapq
import io
from collections import defaultdict
from pathlib import Path
from random import Random

import numpy as np
import pytest
from pyroutelib3.osm import reader

from gateway.positions import distance_m
from gateway.router.profile import TurnRule
from tests.road_oracle import NAMES, PROFILE, States, compiled, random_places

TARGETS, SOURCES = 200, 50
RAW = {"town": 25, "muenchen-altstadt.osm.pbf": 25, "kempen-highways.osm.pbf": 12, "wetteren-lokeren.osm.gz": 25, "malta.osm.pbf": 2}


@pytest.fixture(scope="module")
def maps():
    """Name -> map, each compiled once."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = compiled(name)
        return made[name]

    return get


# --------------------------------------------------------------------------------------- the states, by scipy


@pytest.mark.parametrize("name", NAMES)
def test_ten_thousand_pairs_equal_scipy(maps, name):
    whole, dice = maps(name), Random(name)
    states = States(whole)
    sources, targets = random_places(whole, dice, SOURCES), random_places(whole, dice, TARGETS)
    for number, (place, _) in enumerate(sources):
        assert whole.roads.unit_set(f"{number:02}", *place)
    stands = [states.stands(snap) for _, snap in sources]
    reached = 0
    for start in range(0, TARGETS, 20):
        goals = [states.stands(snap) for _, snap in targets[start : start + 20]]
        for (place, _), goal, cost in zip(targets[start : start + 20], goals, states.to_targets(goals), strict=True):
            times = [states.times(cost, stand, goal) for stand in stands]
            expected = sorted((round(ticks), f"{number:02}") for number, ticks in enumerate(times) if np.isfinite(ticks))
            found = whole.roads.nearest(*place, SOURCES, settled_max=0)
            assert [(round(one.travel_s * 10_000), one.unit_id) for one in found] == expected
            assert whole.roads.nearest(*place, 5, settled_max=0) == found[:5]
            reached += len(found)
    assert reached > SOURCES * TARGETS * 0.5
    for number in range(SOURCES):
        whole.roads.unit_remove(f"{number:02}")


@pytest.mark.parametrize("name", NAMES)
def test_the_nearest_units_are_those_of_the_whole_matrix(maps, name):
    whole, dice = maps(name), Random(name)
    units, alarms = random_places(whole, dice, 25), random_places(whole, dice, 8)
    for number, (place, _) in enumerate(units):
        whole.roads.unit_set(f"{number:02}", *place)
    for alarm, _ in alarms:
        matrix = {f"{number:02}": whole.roads.travel(*place, *alarm) for number, (place, _) in enumerate(units)}
        ranked = sorted((way.travel_s, unit) for unit, way in matrix.items() if way)
        found = whole.roads.nearest(*alarm, 7, settled_max=0)
        assert [(one.travel_s, one.unit_id) for one in found] == ranked[:7]
        assert all(one.distance_m == matrix[one.unit_id].distance_m for one in found)
        path = whole.roads.path(*units[0][0], *alarm)
        assert (path[-1].at_s if path else None) == (matrix["00"].travel_s if matrix["00"] else None)
    for number in range(25):
        whole.roads.unit_remove(f"{number:02}")


# ----------------------------------------------------------------------------------- the extract, piece by piece


class RawRoads:
    """Every piece between two nodes of a way is an arc of its own. Via nodes only."""

    def __init__(self, content, kind):
        ways, relations, self.positions, barrier_tags = {}, [], {}, {}
        for feature in reader.read_features(io.BytesIO(content), kind):
            if isinstance(feature, reader.Node):
                self.positions[feature.id] = (round(feature.position[0] * 1e7), round(feature.position[1] * 1e7))
                barrier_tags[feature.id] = feature.tags
            elif isinstance(feature, reader.Way) and (speeds := PROFILE.way_speeds_kmh(feature.tags)):
                ways[feature.id] = (feature.nodes, speeds)
            elif isinstance(feature, reader.Relation):
                relations.append(feature)
        self.ways = ways
        self.pieces, self.leaving = {}, defaultdict(list)  # (way, number, direction) -> (tail, head, seconds)
        for way, (nodes, speeds) in ways.items():
            for number, (one, other) in enumerate(zip(nodes, nodes[1:], strict=False)):
                if one == other or one not in self.positions or other not in self.positions:
                    continue
                metres = distance_m(*self.positions[one], *self.positions[other])
                for direction, tail, head in ((0, one, other), (1, other, one)):
                    if speeds[direction]:
                        self.pieces[way, number, direction] = (tail, head, metres * 3.6 / speeds[direction])
                        self.leaving[tail].append((way, number, direction))
        self.wait = {node: PROFILE.barrier_wait_s_of(tags) for node, tags in barrier_tags.items() if "barrier" in tags}
        self.banned, self.commanded = set(), defaultdict(set)
        for relation in relations:
            self._restrict(relation)

    def _restrict(self, relation):
        rule = PROFILE.turn_rule(relation.tags)
        roles = defaultdict(list)
        for member in relation.members:
            roles[member.role].append(member.ref)
        if rule not in (TurnRule.NO, TurnRule.ONLY) or len(roles["via"]) != 1:
            return
        if rule is TurnRule.ONLY and not (len(roles["from"]) == len(roles["to"]) == 1):
            return
        (via,) = roles["via"]
        for from_way in roles["from"]:
            for to_way in roles["to"]:
                entering = [piece for piece, (_, head, _) in self.pieces.items() if piece[0] == from_way and head == via]
                leaving = [piece for piece in self.leaving[via] if piece[0] == to_way]
                ends = [self.ways[way][0][number] for way in (from_way, to_way) if way in self.ways for number in (0, -1)]
                if (len(entering) > 1 or len(leaving) > 1) and via not in ends:
                    continue
                for one in entering:
                    for other in leaving:
                        if rule is TurnRule.NO:
                            self.banned.add((one, other))
                        else:
                            self.commanded[one].add(other)

    def onward(self, piece):
        way, number, direction = piece
        node, back = self.pieces[piece][1], (way, number, 1 - direction)
        wait = self.wait.get(node, 0.0)
        may = [
            other for other in self.leaving[node]
            if (piece, other) not in self.banned and (piece not in self.commanded or other in self.commanded[piece])
        ]  # fmt: skip
        ahead = [(other, wait) for other in may if other != back and wait is not None]
        return ahead or [(other, 0.0) for other in may if other == back]

    def seconds_from(self, starts):
        """Piece -> seconds from the middle of the start pieces to its tail."""
        best, heap = {}, []
        for piece in starts:
            for other, wait in self.onward(piece):
                heapq.heappush(heap, (self.pieces[piece][2] / 2 + wait, other))
        while heap:
            cost, piece = heapq.heappop(heap)
            if piece in best:
                continue
            best[piece] = cost
            for other, wait in self.onward(piece):
                if other not in best:
                    heapq.heappush(heap, (cost + self.pieces[piece][2] + wait, other))
        return best


@pytest.mark.parametrize("name", [name for name in RAW if name in NAMES])
def test_the_compiled_graph_means_what_the_extract_says(maps, name):
    whole, dice = maps(name), Random(name)
    raw = RawRoads(whole.extract, {".pbf": "pbf", ".gz": "gz"}.get(Path(name).suffix, "xml"))
    flags = whole.array("segment_flags")
    spots = []
    keys = sorted(raw.pieces)
    while len(spots) < 60:
        way, number, _ = dice.choice(keys)
        one, other = (raw.positions[node] for node in raw.ways[way][0][number : number + 2])
        middle = ((one[0] + other[0]) // 2, (one[1] + other[1]) // 2)
        first, *others = whole.roads.snap(*middle)
        if first.way_id == way and first.distance_m < 0.05 and flags[first.segment] and all(near.distance_m > 1 for near in others):
            spots.append((middle, [key for key in ((way, number, 0), (way, number, 1)) if key in raw.pieces]))
    compared = 0
    for start, starts in spots[: RAW[name]]:
        reached = raw.seconds_from(starts)
        for goal, goals in spots:
            if starts == goals:
                continue
            expected = min((reached[piece] + raw.pieces[piece][2] / 2 for piece in goals if piece in reached), default=None)
            travel = whole.roads.travel(*start, *goal)
            assert (travel is None) == (expected is None), (start, goal)
            if travel:
                assert travel.travel_s == pytest.approx(expected, rel=1e-4, abs=0.02)
                compared += 1
    assert compared > len(spots) // 2
