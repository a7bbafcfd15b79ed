"""Shapes -> what stands in each tile.

Web Mercator; a tile is 4096 units wide and tall, y to the south. Lines and areas are simplified to about half a pixel,
clipped to the tile with a margin so that strokes and fills meet across borders, and written as one flat list of
integers a line: the first point, then the steps.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import asinh, floor, hypot, pi, radians, tan

from gateway.maps.extract import Point, Shape
from gateway.maps.features import AREAS

UNITS = 4096
MARGIN = 160
"Ten pixels on each side: half of the widest stroke, twice enlarged."
ZOOMS = (8, 10, 12, 14)
TOLERANCE = {8: 8.0, 10: 8.0, 12: 8.0, 14: 1.5}
"Units; 16 are a pixel. The last zoom is enlarged up to sixteen times and keeps more."
AREA_MIN = {8: 2048.0, 10: 2048.0, 12: 1024.0, 14: 64.0}
"Square units: smaller areas are not drawn."
LATITUDE_MAX = 85.051129
"Web Mercator ends here."

Xy = tuple[float, float]


def world(point: Point) -> Xy:
    """Web Mercator, both from 0 to 1, from the north-west corner."""
    lat, lon = point
    lat = max(-LATITUDE_MAX, min(LATITUDE_MAX, lat))
    return (lon + 180.0) / 360.0, (1.0 - asinh(tan(radians(lat))) / pi) / 2.0


def cut(shape: Shape, zoom: int) -> Iterator[tuple[int, int, list[list[int]]]]:
    """(x, y, its lines as flat lists) for every tile of a zoom that the shape reaches into."""
    size = UNITS << zoom
    lines = [[(x * size, y * size) for x, y in map(world, line)] for line in shape.lines]
    if len(lines[0]) == 1:
        (x, y), = lines[0]
        yield floor(x / UNITS), floor(y / UNITS), [[round(x % UNITS), round(y % UNITS)]]
        return
    is_area = shape.drawn.layer in AREAS
    if is_area and max(abs(_doubled_area(line)) for line in lines) < 2 * AREA_MIN[zoom]:
        return
    lines = [simplified(line, TOLERANCE[zoom]) for line in lines]
    yield from _columns(lines, is_area)


def _columns(lines: list[list[Xy]], is_area: bool) -> Iterator[tuple[int, int, list[list[int]]]]:
    """Columns first, then rows: a lake over a hundred tiles is not clipped a hundred times as a whole."""
    for x, column in _strips(lines, 0, is_area):
        for y, cell in _strips(column, 1, is_area):
            flat = [steps for line in cell if len(steps := _flat(line, x * UNITS, y * UNITS)) > (6 if is_area else 2)]
            if flat:
                yield x, y, flat


def _strips(lines: list[list[Xy]], axis: int, is_area: bool) -> Iterator[tuple[int, list[list[Xy]]]]:
    values = [point[axis] for line in lines for point in line]
    for at in range(floor((min(values) - MARGIN) / UNITS), floor((max(values) + MARGIN) / UNITS) + 1):
        low, high = at * UNITS - MARGIN, (at + 1) * UNITS + MARGIN
        if is_area:
            inside = [_area_between(line, axis, low, high) for line in lines]
        else:
            inside = [part for line in lines for part in _line_between(line, axis, low, high)]
        inside = [line for line in inside if line]
        if inside:
            yield at, inside


def _crossing(a: Xy, b: Xy, axis: int, value: float) -> Xy:
    share = (value - a[axis]) / (b[axis] - a[axis])
    other = a[1 - axis] + share * (b[1 - axis] - a[1 - axis])
    return (value, other) if axis == 0 else (other, value)


def _area_between(ring: list[Xy], axis: int, low: float, high: float) -> list[Xy]:
    """Sutherland and Hodgman, 1974: against the one side, then the other. Edges may run along the sides."""
    for value, sign in ((low, 1), (high, -1)):
        kept: list[Xy] = []
        for before, point in zip(ring, ring[1:], strict=False):
            was_in, is_in = (before[axis] - value) * sign >= 0, (point[axis] - value) * sign >= 0
            if was_in:
                kept.append(before)
            if was_in != is_in:
                kept.append(_crossing(before, point, axis, value))
        if not kept:
            return []
        ring = [*kept, kept[0]]
    return ring


def _line_between(line: list[Xy], axis: int, low: float, high: float) -> Iterator[list[Xy]]:
    """The stretches of a line between two values of one axis."""
    current: list[Xy] = []
    for a, b in zip(line, line[1:], strict=False):
        if max(a[axis], b[axis]) < low or min(a[axis], b[axis]) > high:
            continue
        start = a if low <= a[axis] <= high else _crossing(a, b, axis, low if a[axis] < low else high)
        end = b if low <= b[axis] <= high else _crossing(a, b, axis, low if b[axis] < low else high)
        if not current or current[-1] != start:
            if len(current) > 1:
                yield current
            current = [start]
        current.append(end)
    if len(current) > 1:
        yield current


def _flat(line: Sequence[Xy], left: int, top: int) -> list[int]:
    """First point, then steps; points that fall together are one."""
    flat: list[int] = []
    x = y = 0
    for px, py in line:
        nx, ny = round(px) - left, round(py) - top
        if flat and nx == x and ny == y:
            continue
        flat += (nx - x, ny - y)
        x, y = nx, ny
    return flat


def simplified(line: list[Xy], tolerance: float) -> list[Xy]:
    """Douglas and Peucker, 1973, without recursion. First and last point stay."""
    if len(line) < 3:
        return line
    keep = bytearray(len(line))
    keep[0] = keep[-1] = 1
    stack = [(0, len(line) - 1)]
    while stack:
        first, last = stack.pop()
        farthest, reach = first, tolerance
        (ax, ay), (bx, by) = line[first], line[last]
        dx, dy = bx - ax, by - ay
        length = hypot(dx, dy)
        for number in range(first + 1, last):
            px, py = line[number]
            away = abs((px - ax) * dy - (py - ay) * dx) / length if length else hypot(px - ax, py - ay)
            if away > reach:
                farthest, reach = number, away
        if farthest != first:
            keep[farthest] = 1
            stack += ((first, farthest), (farthest, last))
    return [point for point, kept in zip(line, keep, strict=True) if kept]


def _doubled_area(ring: Sequence[Xy]) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, ring[1:], strict=False))


def zooms_of(shape: Shape) -> Iterable[int]:
    """The tile zooms that carry the shape."""
    return [zoom for zoom in ZOOMS if zoom >= shape.drawn.zoom_min]
