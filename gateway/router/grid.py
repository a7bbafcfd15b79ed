"""Which road pieces lie in which cell: the answer to "what is near" without looking at the whole map."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from gateway.router.segments import Segment

CELL_E7 = 20_000
"Cell height, about 220 m; a cell is as wide in the middle of the map."
CELLS_PER_PIECE_MAX = 16
"A sparse map gets larger cells rather than a grid of nothing."
CELLS_MIN = 65_536
HALF_TURN_E7 = 1_800_000_000


@dataclass(frozen=True, slots=True)
class Grid:
    """Row by row from the south-west; a cell's pieces stand together."""

    frame: "array[int]"
    "(6,) int32: south, west (e7), cell height, cell width (e7), rows, columns"
    begin: "array[int]"
    "(cells + 1,) uint32"
    pieces: "array[int]"
    "(n, 2) uint32: segment, its point where the piece begins (an index into all points)"


def sort_in(segments: Sequence[Segment], point_begin: Sequence[int], cos_lat: float) -> Grid:
    """Put every piece into every cell that it touches.

    ``cos_lat``: of the map's middle, so that cells are about square. A piece across the antimeridian is left out.
    """
    lats = [lat for segment in segments for lat, _ in segment.points] or [0]
    lons = [lon for segment in segments for _, lon in segment.points] or [0]
    south, west = min(lats), min(lons)
    height, width = CELL_E7, min(round(CELL_E7 / max(cos_lat, 0.01)), 100 * CELL_E7)
    rows, columns = (max(lats) - south) // height + 1, (max(lons) - west) // width + 1
    while rows * columns > max(CELLS_MIN, CELLS_PER_PIECE_MAX * len(lats)):
        height, width = height * 2, width * 2
        rows, columns = (max(lats) - south) // height + 1, (max(lons) - west) // width + 1
    found: list[tuple[int, int, int]] = []
    for index, segment in enumerate(segments):
        local = [(lat - south, lon - west) for lat, lon in segment.points]
        for offset, (one, other) in enumerate(zip(local, local[1:], strict=False)):
            if abs(one[1] - other[1]) <= HALF_TURN_E7:
                point = point_begin[index] + offset
                found += [(row * columns + column, index, point) for row, column in _cells(one, other, height, width)]
    found.sort()
    counts = [0] * (rows * columns)
    for cell, _, _ in found:
        counts[cell] += 1
    return Grid(
        array("i", (south, west, height, width, rows, columns)),
        array("I", [0, *accumulate(counts)]),
        array("I", [number for _, segment, point in found for number in (segment, point)]),
    )


def _cells(one: tuple[int, int], other: tuple[int, int], height: int, width: int) -> Iterator[tuple[int, int]]:
    """(row, column) of every cell that the piece touches, and at most a neighbour too many."""
    (lat_1, lon_1), (lat_2, lon_2) = sorted((one, other))
    row_1, row_2 = lat_1 // height, lat_2 // height
    for row in range(row_1, row_2 + 1):
        if lat_1 == lat_2:
            ends = (lon_1, lon_2)
        else:
            # Where the piece enters and leaves this row; a unit of slack covers the division's rounding.
            low, high = max(lat_1, row * height), min(lat_2, (row + 1) * height)
            run, rise = lon_2 - lon_1, lat_2 - lat_1
            ends = (lon_1 + (low - lat_1) * run // rise, lon_1 + (high - lat_1) * run // rise)
        slack = 1 if lat_1 != lat_2 else 0
        west, east = max(min(ends) - slack, min(lon_1, lon_2)), min(max(ends) + slack, max(lon_1, lon_2))
        for column in range(west // width, east // width + 1):
            yield row, column
