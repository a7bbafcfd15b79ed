"""Equal to shapely: on the three zone files of the shared data and on generated polygons.

shapely gets our integers as they are (doubles hold them exactly), so that both answer the same question.
"""

import json
import math
import os
import random
from array import array
from pathlib import Path

import pytest
from shapely import STRtree
from shapely.geometry import Point, Polygon

from gateway._fastpath import AreaGrid
from gateway.model import CentreId
from gateway.router.areas import Areas, AreaSource
from gateway.router.geojson import read

SHARED = Path(os.environ.get("GATEWAY_SHARED") or Path(__file__).resolve().parents[2].parent / "shared")
ZONES = {name: SHARED / "data" / "zones" / f"be_{name}.geojson" for name in ("municipalities", "police_zones", "provinces")}
BELGIUM = (494_000_000, 25_000_000, 516_000_000, 65_000_000)


def polygon(rings):
    """A shapely polygon of (lat_e7, lon_e7) rings; x is the longitude."""
    outline, *holes = [[(lon, lat) for lat, lon in ring] for ring in rings]
    return Polygon(outline, holes)


class Oracle:
    def __init__(self, parts):
        self.owners = [owner for owner, _ in parts]
        self.tree = STRtree([polygon(rings) for _, rings in parts])

    def __call__(self, lat_e7, lon_e7):
        return tuple(sorted({self.owners[at] for at in self.tree.query(Point(lon_e7, lat_e7), "intersects")}))

    def is_on_border(self, lat_e7, lon_e7):
        point = Point(lon_e7, lat_e7)
        return any(self.tree.geometries[at].boundary.distance(point) == 0 for at in self.tree.query(point))


def grid_of(parts, cells):
    points, ring_start, ring_part = array("i"), array("i", [0]), array("i")
    for number, (_, rings) in enumerate(parts):
        for ring in rings:
            for place in ring:
                points.extend(place)
            ring_start.append(len(points) // 2)
            ring_part.append(number)
    return AreaGrid(points, ring_start, ring_part, array("i", [owner for owner, _ in parts]), cells)


def zone_parts(name):
    if not ZONES[name].exists():
        pytest.skip("the shared zone files are not here")
    document = json.loads(ZONES[name].read_text())
    parts = []
    for owner, feature in enumerate(document["features"]):
        parts += [(owner, part.rings) for part in read(json.dumps(feature)).parts]
    return parts


@pytest.mark.parametrize("name", ZONES)
def test_random_points_of_belgium_get_the_same_zone(name):
    parts = zone_parts(name)
    grid, oracle, dice = grid_of(parts, 400), Oracle(parts), random.Random(17)
    for _ in range(20_000):
        point = dice.randrange(BELGIUM[0], BELGIUM[2]), dice.randrange(BELGIUM[1], BELGIUM[3])
        assert grid.owners(*point) == oracle(*point), point


@pytest.mark.parametrize("name", ZONES)
def test_points_beside_a_border_get_the_same_zone(name):
    """Within 10 cm of vertices, where an inexact test would go wrong first."""
    parts = zone_parts(name)
    grid, oracle, dice = grid_of(parts, 400), Oracle(parts), random.Random(18)
    compared = 0
    for _ in range(4_000):
        lat, lon = dice.choice(dice.choice(dice.choice(parts)[1]))
        point = lat + dice.randint(-10, 10), lon + dice.randint(-10, 10)
        if not oracle.is_on_border(*point):
            compared += 1
            assert grid.owners(*point) == oracle(*point), point
    assert compared > 3_000


def test_the_middle_of_every_municipality_is_its_own():
    text = ZONES["municipalities"].read_text() if ZONES["municipalities"].exists() else None
    if text is None:
        pytest.skip("the shared zone files are not here")
    features = json.loads(text)["features"]
    ids = [feature["properties"]["nis"] for feature in features]
    sources = [AreaSource(CentreId(nis), json.dumps(feature)) for nis, feature in zip(ids, features, strict=True)]
    areas = Areas([*sources, AreaSource(CentreId("nation"), national_fallback=True)])
    for nis, source in zip(ids, sources, strict=True):
        rings = max((part.rings for part in read(source.text).parts), key=lambda rings: polygon(rings).area)
        middle = polygon(rings).representative_point()
        area = areas.at(round(middle.y), round(middle.x))
        assert (area.centre_id, area.basis, area.overlap) == (nis, "polygon", ())


def test_a_filter_takes_a_province_out_of_the_municipalities():
    if not ZONES["municipalities"].exists():
        pytest.skip("the shared zone files are not here")
    text = ZONES["municipalities"].read_text()
    sources = [AreaSource(CentreId(name), text, "be", f"province={name}") for name in ("Oost-Vlaanderen", "West-Vlaanderen")]
    areas = Areas([*sources, AreaSource(CentreId("nation"), national_fallback=True)])
    assert areas.at(510543000, 37218000).centre_id == "Oost-Vlaanderen"
    assert areas.at(512093000, 32247000).centre_id == "West-Vlaanderen"
    assert areas.at(508503000, 43517000).basis == "fallback"


def star(dice, lat, lon, radius, corners, scale=1.0):
    """A closed ring around a place, spiky, without crossing itself."""
    turns = sorted(dice.random() for _ in range(corners))
    ring = []
    for turn in turns:
        reach = radius * dice.uniform(0.3, 1.0) * scale
        ring.append((round(lat + reach * math.sin(2 * math.pi * turn)), round(lon + reach * math.cos(2 * math.pi * turn))))
    return [*ring, ring[0]]


@pytest.mark.parametrize("seed", range(40))
def test_generated_polygons_answer_as_shapely_does(seed):
    dice = random.Random(seed)
    radius = dice.choice((40, 3_000, 2_000_000, 400_000_000))
    middle = dice.randrange(-240_000_000, 240_000_000), dice.randrange(-1_140_000_000, 1_140_000_000)
    parts = []
    for owner in range(dice.randint(1, 12)):
        lat, lon = (round(place + dice.uniform(-0.5, 0.5) * radius) for place in middle)
        outline = star(dice, lat, lon, radius, dice.randint(3, 60))
        holes = [star(dice, lat, lon, radius, dice.randint(3, 9), 0.25)] if dice.random() < 0.5 else []
        if polygon([outline, *holes]).is_valid:
            parts.append((owner, [outline, *holes]))
    if not parts:
        return
    grid, oracle = grid_of(parts, dice.choice((1, 2, 7, 64, 500))), Oracle(parts)
    for _ in range(400):
        point = tuple(round(place + dice.uniform(-1.6, 1.6) * radius) for place in middle)
        if not oracle.is_on_border(*point):
            assert grid.owners(*point) == oracle(*point), point


@pytest.mark.parametrize("seed", range(10))
def test_every_point_of_a_tiling_belongs_to_exactly_one_tile(seed):
    """Half-open: also the points on the borders, all of them; the grid is so small that each is asked."""
    dice = random.Random(seed)
    rows = cols = 5
    corner = {(r, c): (r * 20 + (dice.randint(-6, 6) if 0 < r < rows else 0), c * 20 + (dice.randint(-6, 6) if 0 < c < cols else 0))
              for r in range(rows + 1) for c in range(cols + 1)}  # fmt: skip
    parts = []
    for r in range(rows):
        for c in range(cols):
            ring = [corner[r, c], corner[r, c + 1], corner[r + 1, c + 1], corner[r + 1, c], corner[r, c]]
            parts.append((len(parts), [ring if dice.random() < 0.5 else ring[::-1]]))
    grid = grid_of(parts, 16)
    for lat in range(100):
        for lon in range(100):
            assert len(grid.owners(lat, lon)) == 1, (lat, lon)


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_border_is_the_nearest(seed):
    dice = random.Random(seed)
    parts = [(owner, [star(dice, 510_000_000 + dice.randrange(10_000_000), 40_000_000 + dice.randrange(10_000_000), 900_000, 12)])
             for owner in range(30)]  # fmt: skip
    grid = grid_of(parts, 97)
    for _ in range(200):
        lat, lon = 510_000_000 + dice.randrange(10_000_000), 40_000_000 + dice.randrange(10_000_000)
        if grid.owners(lat, lon):
            continue
        north, east = 0.011119508, 0.011119508 * math.cos(math.radians(lat / 1e7))
        far = [(Polygon([((b - lon) * east, (a - lat) * north) for a, b in rings[0]]).distance(Point(0, 0)), owner) for owner, rings in parts]
        metres, owner = min(far)
        assert grid.nearest(lat, lon, 200_000.0) == (owner, pytest.approx(metres, rel=1e-6, abs=1e-3))
        assert grid.nearest(lat, lon, metres * 1.001 + 0.01)[0] == owner
        assert grid.nearest(lat, lon, metres * 0.999 - 0.01) is None


@pytest.mark.parametrize(
    "arrays",
    [
        ([0, 0, 0, 5, 5, 5, 0], [0, 4], [0], [0]),
        ([0, 0, 0, 5, 5, 5, 0, 0], [0, 3], [0], [0]),
        ([0, 0, 0, 5, 5, 5, 0, 0], [0, 4], [1], [0]),
        ([0, 0, 0, 5, 5, 5, 0, 0], [0, 4], [0], [0, 0]),
        ([0, 0, 0, 5, 5, 5, 0, 0] * 2, [0, 4, 8], [0, 1], [1, 0]),
        ([0, 0, 0, 5, 5, 1_900_000_000, 0, 0], [0, 4], [0], [0]),
        ([], [0], [], []),
    ],
)
def test_arrays_that_do_not_fit_together_are_our_mistake(arrays):
    with pytest.raises((ValueError, IndexError)):
        AreaGrid(*(array("i", one) for one in arrays), 4)
