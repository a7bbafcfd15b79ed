"""scipy as the oracle of the road engine: the states of an index as matrices, and positions to ask for."""

import io
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from gateway.router import index
from gateway.router.profile import PoliceProfile
from gateway.router.roads import Roads, build
from tests.road_town import SHARED_OSM, grid_town

PROFILE = PoliceProfile()
ONE = 1 << 30
NAMES = ["town", *sorted(path.name for path in SHARED_OSM.glob("*.osm.*"))]


@dataclass
class Map:
    extract: bytes
    data: bytes
    roads: Roads

    def array(self, name):
        return np.asarray(index.unpack(memoryview(self.data), verify=False).sections[name])


def compiled(name):
    """A map of ``shared/data/osm`` or the generated town, compiled with the police profile."""
    extract = grid_town().xml() if name == "town" else (SHARED_OSM / name).read_bytes()
    data = b"".join(build(lambda: io.BytesIO(extract), PROFILE, source_name=name, data_version=None, created_at_us=0))
    return Map(extract, data, Roads(index.unpack(memoryview(data))))


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

    def graph(self, targets):
        """(graph with every turn reversed, its first target); each target is a node of its own behind the states."""
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
        return csr_array((weights, (rows, columns)), shape=(count + len(targets),) * 2), count

    def to_targets(self, targets):
        """(targets, states) ticks from every state's tail to every target."""
        graph, first = self.graph(targets)
        return dijkstra(graph, indices=range(first, first + len(targets)))[:, :first]

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
