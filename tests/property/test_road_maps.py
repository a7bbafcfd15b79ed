"""Whole maps: every answer equals that of scipy's Dijkstra, and the compiled graph that of the raw extract.

Two oracles. The first takes the states of the index and knows nothing of the search: 10,000 random pairs of every map,
integers equal. The second reads the extract itself, piece by piece, without segments, states or arcs of ours: it
checks the compiler. A generated town is always among the maps; those of ``shared/data/osm`` where they are.
"""

import heapq
import io
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest
from pyroutelib3.osm import reader
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from gateway.router import index
from gateway.router.profile import PoliceProfile, TurnRule
from gateway.router.roads import Roads, build
from gateway.router.segments import metres_between
from tests.road_town import SHARED_OSM, grid_town

PROFILE = PoliceProfile()
ONE = 1 << 30
NAMES = ["town", *sorted(path.name for path in SHARED_OSM.glob("*.osm.*"))]
TARGETS, SOURCES = 200, 50
RAW = {"town": 25, "muenchen-altstadt.osm.pbf": 25, "kempen-highways.osm.pbf": 12, "wetteren-lokeren.osm.gz": 25, "malta.osm.pbf": 2}


@dataclass
class Map:
    extract: bytes
    data: bytes
    roads: Roads

    def array(self, name):
        return np.asarray(index.unpack(memoryview(self.data), verify=False).sections[name])


@pytest.fixture(scope="module")
def maps():
    """Name -> map, each compiled once."""
    made = {}

    def get(name):
        if name not in made:
            content = grid_town().xml() if name == "town" else (SHARED_OSM / name).read_bytes()
            data = b"".join(build(lambda: io.BytesIO(content), PROFILE, source_name=name, data_version=None, created_at_us=0))
            made[name] = Map(content, data, Roads(index.unpack(memoryview(data))))
        return made[name]

    return get


# --------------------------------------------------------------------------------------- the states, by scipy


class States:
    """The index as matrices."""

    def __init__(self, whole):
        self.ticks = whole.array("state_ticks").astype(np.int64)
        self.arcs_of = whole.array("segment_arcs").reshape(-1, 2)
        arcs = len(whole.array("arc_segment"))
        self.states_of = defaultdict(list, {arc: [arc] for arc in range(arcs)})
        for copy, arc in enumerate(whole.array("copy_arc").tolist()):
            self.states_of[arc].append(arcs + copy)
        turns = whole.array("turns").reshape(-1, 2)
        self.source, self.extra = turns[:, 0].astype(np.int64), turns[:, 1].astype(np.int64)
        self.goal = np.repeat(np.arange(len(self.ticks)), np.diff(whole.array("before").astype(np.int64)))
        order = np.argsort(self.source, kind="stable")
        self.onward = (np.searchsorted(self.source[order], np.arange(len(self.ticks) + 1)), self.goal[order], self.extra[order])

    def stands(self, snap):
        """(arc, position) of both directions of a snapped position."""
        position = round(snap.fraction * ONE)
        forward, backward = self.arcs_of[snap.segment].tolist()
        return [(arc, along) for arc, along in ((forward, position), (backward, ONE - position)) if arc >= 0]

    def passed(self, arc, position):
        return (int(self.ticks[arc]) * position + ONE // 2) // ONE

    def to_targets(self, targets):
        """(targets, states) ticks from every state's tail to every target; each target is a node of its own."""
        count = len(self.ticks)
        seeds = [
            (count + number, state, self.passed(arc, position))
            for number, target in enumerate(targets)
            for arc, position in target
            for state in self.states_of[arc]
        ]
        rows = np.concatenate([self.goal, [seed[0] for seed in seeds]])
        columns = np.concatenate([self.source, [seed[1] for seed in seeds]])
        weights = np.concatenate([self.ticks[self.source] + self.extra, [seed[2] for seed in seeds]]).astype(float)
        graph = csr_array((weights, (rows, columns)), shape=(count + len(targets),) * 2)
        return dijkstra(graph, indices=range(count, count + len(targets)))[:, :count]

    def times(self, cost, source, target):
        """Ticks from a source to a target whose row of costs is ``cost``."""
        begin, goal, extra = self.onward
        best = np.inf
        for arc, position in source:
            rest = int(self.ticks[arc]) - self.passed(arc, position)
            ways = slice(begin[arc], begin[arc + 1])
            best = min(best, (rest + extra[ways] + cost[goal[ways]]).min(initial=np.inf))
            for other, along in target:
                if other == arc and position <= along:
                    best = min(best, self.passed(arc, along) - self.passed(arc, position))
        return best


def random_places(whole, dice, count):
    """Positions up to 25 m beside a road, off the gaps of the map, with the one segment where they belong."""
    points = whole.array("points").reshape(-1, 2)
    flags = whole.array("segment_flags")
    places = []
    while len(places) < count:
        lat, lon = points[dice.randrange(len(points))].tolist()
        place = (lat + dice.randrange(-2200, 2200), lon + dice.randrange(-3300, 3300))
        first, *others = whole.roads.snap(*place)
        alone = all(other.distance_m > first.distance_m + 0.2 for other in others)
        if alone and first.distance_m < 30 and flags[first.segment]:
            places.append((place, first))
    return places


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
                metres = metres_between(self.positions[one], self.positions[other])
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
