"""What the tests of the road engine share: little towns drawn by hand, written as OpenStreetMap XML."""

import io
import math
import os
from itertools import count
from pathlib import Path
from random import Random
from xml.sax.saxutils import quoteattr

from gateway.router import index
from gateway.router.profile import PoliceProfile
from gateway.router.roads import Roads, build

SHARED_OSM = Path(os.environ.get("GATEWAY_SHARED") or Path(__file__).resolve().parents[1].parent / "shared") / "data" / "osm"
PLAIN = PoliceProfile(urgency=1.0, speeds_kmh={"residential": 36.0, "pedestrian": 9.0}, caps_kmh={})
"Ten metres a second in every street: 100 m are 10 s."
LAT_E7, LON_E7 = 510_000_000, 40_000_000
M_PER_E7 = 6371008.8 * math.pi / 180 * 1e-7


def place(x_m, y_m):
    """(lat_e7, lon_e7) so many metres east and north of the town's corner."""
    return LAT_E7 + round(y_m / M_PER_E7), LON_E7 + round(x_m / M_PER_E7 / math.cos(math.radians(LAT_E7 / 1e7)))


class Town:
    """Nodes by letter, ways by name; everything becomes XML."""

    def __init__(self):
        self.spots, self.node_tags, self.ways, self.relations = {}, {}, {}, []
        self._ids = {}
        self._numbers = count(1)

    def id(self, name):
        return self._ids.setdefault(name, next(self._numbers))

    def node(self, name, x_m, y_m, **tags):
        self.spots[name], self.node_tags[name] = (x_m, y_m), tags
        return self

    def way(self, name, nodes, **tags):
        self.ways[name] = (list(nodes), {"highway": "residential", **tags})
        return self

    def restriction(self, kind, from_way, via, to_way, **tags):
        members = [("way", name, "from") for name in (from_way if isinstance(from_way, list) else [from_way])]
        members += [("node" if name in self.spots else "way", name, "via") for name in (via if isinstance(via, list) else [via])]
        members += [("way", to_way, "to")]
        return self.relation(members, type="restriction", **({"restriction": kind} if kind else {}), **tags)

    def relation(self, members, **tags):
        self.relations.append((members, tags))
        return self

    def at(self, name, dx_m=0.0, dy_m=0.0):
        x_m, y_m = self.spots[name]
        return place(x_m + dx_m, y_m + dy_m)

    def between(self, one, other, share=0.5):
        (x_1, y_1), (x_2, y_2) = self.spots[one], self.spots[other]
        return place(x_1 + share * (x_2 - x_1), y_1 + share * (y_2 - y_1))

    def xml(self):
        lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<osm version="0.6">']
        for name, (x_m, y_m) in self.spots.items():
            lat, lon = place(x_m, y_m)
            lines.append(f'<node id="{self.id(name)}" lat="{lat / 1e7:.7f}" lon="{lon / 1e7:.7f}">{_tags(self.node_tags[name])}</node>')
        for name, (nodes, tags) in self.ways.items():
            refs = "".join(f'<nd ref="{self.id(node)}"/>' for node in nodes)
            lines.append(f'<way id="{self.id("way " + name)}">{refs}{_tags(tags)}</way>')
        for members, tags in self.relations:
            text = "".join(f'<member type="{kind}" ref="{self._member(kind, name)}" role="{role}"/>' for kind, name, role in members)
            lines.append(f'<relation id="{next(self._numbers)}">{text}{_tags(tags)}</relation>')
        return "\n".join([*lines, "</osm>"]).encode()

    def _member(self, kind, name):
        return self.id("way " + name if kind == "way" else name)

    def roads(self, profile=PLAIN, **options):
        return roads_from(self.xml(), profile, **options)

    def route(self, roads, start, goal):
        """The nodes that the quickest way passes; None: there is no way."""
        points = roads.path(*start, *goal)
        if not points:
            return None
        names = {self.at(name): name for name in self.spots}
        passed = [names[point[:2]] for point in points if point[:2] in names]
        return "".join(name for number, name in enumerate(passed) if number == 0 or name != passed[number - 1])


def _tags(tags):
    return "".join(f"<tag k={quoteattr(key.replace('__', ':'))} v={quoteattr(str(value))}/>" for key, value in tags.items())


def index_bytes(extract, profile=PLAIN, **options):
    names = {"source_name": "town.osm", "data_version": None, "created_at_us": 1_773_000_000_000_000, **options}
    return b"".join(build(lambda: io.BytesIO(extract), profile, **names))


def roads_from(extract, profile=PLAIN, **options):
    return Roads(index.unpack(memoryview(index_bytes(extract, profile))), **options)


def seconds(roads, start, goal):
    travel = roads.travel(*start, *goal)
    return None if travel is None else travel.travel_s


def grid_town(side=22, seed=1):
    """Some hundred streets: a grid with one-ways, gaps, bends, closed barriers and turn restrictions, from a seed."""
    dice, town = Random(seed), Town()
    for row in range(side):
        for column in range(side):
            tags = {"barrier": "bollard"} if dice.random() < 0.02 else {}
            town.node((row, column), column * 120 + dice.randrange(40), row * 110 + dice.randrange(40), **tags)
    for line in range(side):
        for name, nodes in ((f"row {line}", [(line, step) for step in range(side)]), (f"column {line}", [(step, line) for step in range(side)])):
            start = 0
            while start < side - 1:
                end = min(side - 1, start + dice.randrange(2, 7))
                if dice.random() < 0.93:
                    tags = {"oneway": dice.choice(("yes", "-1"))} if dice.random() < 0.3 else {}
                    town.way(f"{name} {start}", nodes[start : end + 1], maxspeed=dice.choice((20, 30, 50, 70)), **tags)
                start = end
    ways = sorted(town.ways)
    for _ in range(side * 6):
        one, other = dice.sample(ways, 2)
        shared = set(town.ways[one][0]) & set(town.ways[other][0])
        if shared:
            kind = dice.choice(("no_left_turn", "no_right_turn", "only_straight_on", "no_u_turn"))
            town.restriction(kind, one, sorted(shared)[0], other)
    return town
