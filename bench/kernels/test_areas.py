"""Point in polygon: which of 600 neighbouring areas (72,000 edges, as many as Belgium's municipalities) holds a point."""

import random
from itertools import pairwise

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from shapely import STRtree
from shapely.geometry import Point, Polygon

from gateway.model import CentreId
from gateway.router.areas import Areas, AreaSource

ROWS, COLUMNS, STEPS = 20, 30, 30
CELL = 0.2
"Degrees."


def corner(row: int, column: int) -> tuple[float, float]:
    dice = random.Random(row * 1000 + column)
    return 3 + (column + dice.uniform(-0.3, 0.3)) * CELL, 50 + (row + dice.uniform(-0.3, 0.3)) * CELL


def border(start: tuple[float, float], end: tuple[float, float]) -> list[tuple[float, float]]:
    """A crooked line, the same from both sides, without its last point."""
    low, high = sorted((start, end))
    dice = random.Random(f"{low}{high}")
    line = [low]
    for step in range(1, STEPS):
        share = step / STEPS
        line.append(tuple(round(a + (b - a) * share + dice.uniform(-0.002, 0.002), 7) for a, b in zip(low, high, strict=True)))  # type: ignore[arg-type]
    line.append(high)
    return (line if start == low else line[::-1])[:-1]


def ring(row: int, column: int) -> list[list[float]]:
    corners = [corner(row, column), corner(row, column + 1), corner(row + 1, column + 1), corner(row + 1, column), corner(row, column)]
    points = [point for start, end in pairwise(corners) for point in border(start, end)]
    return [[round(lon, 7), round(lat, 7)] for lon, lat in [*points, points[0]]]


@pytest.fixture(scope="module")
def rings() -> list[list[list[float]]]:
    return [ring(row, column) for row in range(ROWS) for column in range(COLUMNS)]


@pytest.fixture(scope="module")
def areas(rings: list[list[list[float]]]) -> Areas:
    sources = [AreaSource(CentreId(str(number)), f'{{"type":"Polygon","coordinates":[{shape}]}}') for number, shape in enumerate(rings)]
    return Areas([*sources, AreaSource(CentreId("nation"), national_fallback=True)])


def points(count: int) -> list[tuple[int, int]]:
    dice = random.Random(7)
    return [(round(dice.uniform(50, 50 + ROWS * CELL) * 1e7), round(dice.uniform(3, 3 + COLUMNS * CELL) * 1e7)) for _ in range(count)]


def test_a_thousand_points(benchmark: BenchmarkFixture, areas: Areas, rings: list[list[list[float]]]) -> None:
    wanted = points(1000)
    found = benchmark(lambda: [areas.at(lat_e7, lon_e7) for lat_e7, lon_e7 in wanted])
    tree = STRtree([Polygon([(round(lon * 1e7), round(lat * 1e7)) for lon, lat in shape]) for shape in rings])
    for (lat_e7, lon_e7), area in zip(wanted, found, strict=True):
        holders = tree.query(Point(lon_e7, lat_e7), "intersects")
        if len(holders):
            assert area.centre_id == str(min(holders)) and area.basis == "polygon"
        else:
            assert area.basis in ("nearest", "fallback")


def test_a_point_just_outside_every_area(benchmark: BenchmarkFixture, areas: Areas, rings: list[list[list[float]]]) -> None:
    """2 km south of the southernmost border: the nearest one is looked for among the edges of a few rows."""
    lon, lat = min((point for shape in rings for point in shape), key=lambda point: point[1])
    area = benchmark(areas.at, round((lat - 0.018) * 1e7), round(lon * 1e7))
    assert area.basis == "nearest"
