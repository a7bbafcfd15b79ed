"""Coastline -> sea.

OpenStreetMap draws the shore, not the sea: land lies to the left of the line. Inside the frame of an extract the sea is
what lies to the right of the pieces of shore, closed along the frame clockwise. Extracts are cut, and a mistake here
would flood a town: whoever draws the sea checks with ``is_plausible`` first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.maps.extract import Point

Ring = list[Point]


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of the world that a map is about."""

    south: float
    west: float
    north: float
    east: float

    @classmethod
    def around(cls, points: Iterable[Point], margin: float = 0.02) -> "Frame | None":
        """The frame of all points and a little more; None without points."""
        lats, lons = [], []
        for lat, lon in points:
            lats.append(lat)
            lons.append(lon)
        if not lats:
            return None
        high, wide = max((max(lats) - min(lats)) * margin, 1e-4), max((max(lons) - min(lons)) * margin, 1e-4)
        return cls(min(lats) - high, min(lons) - wide, max(lats) + high, max(lons) + wide)

    def holds(self, point: Point) -> bool:
        """Whether a point lies inside or on the frame."""
        return self.south <= point[0] <= self.north and self.west <= point[1] <= self.east

    def corners(self) -> tuple[Point, Point, Point, Point]:
        """Clockwise from the north-west; the corner at the end of each side from ``around_to`` 0 to 4."""
        return (self.north, self.east), (self.south, self.east), (self.south, self.west), (self.north, self.west)

    def around_to(self, point: Point) -> tuple[float, Point]:
        """(how far clockwise along the frame from the north-west corner, in sides; the point of the frame nearest to it)."""
        high, wide = self.north - self.south, self.east - self.west
        down, right = (self.north - point[0]) / high, (point[1] - self.west) / wide
        down, right = min(1.0, max(0.0, down)), min(1.0, max(0.0, right))
        lat, lon = self.north - down * high, self.west + right * wide
        _, along, at = min(
            (down, right, (self.north, lon)),
            (1 - right, 1 + down, (lat, self.east)),
            (1 - down, 3 - right, (self.south, lon)),
            (right, 4 - down, (lat, self.west)),
        )
        return along, at


def sea_of(pieces: Iterable[Sequence[Point]], frame: Frame) -> list[Ring]:
    """The sea inside the frame, as rings to be filled by the even-odd rule; empty without a coast."""
    islands: list[Ring] = []
    shores: list[Ring] = []
    for piece in pieces:
        if piece[0] == piece[-1] and all(frame.holds(point) for point in piece):
            islands.append(list(piece))
        else:
            shores += _inside(piece, frame)
    if not shores and not islands:
        return []
    if not shores:
        # Only islands: everything around them is sea. Lakes mapped as coast lie inside the land and stay as they are.
        is_land = any(_is_anticlockwise(island) for island in islands)
        return [[*frame.corners(), frame.corners()[0]], *islands] if is_land else islands
    return _closed_along_the_frame(shores, frame) + islands


def is_plausible(sea: Iterable[Ring], land: Sequence[Point], share_max: float = 0.05) -> bool:
    """Whether hardly any of the points that are known to be on land (roads) lies in the sea."""
    rings = list(sea)
    wet = sum(_holds(rings, point) for point in land)
    return wet <= share_max * len(land)


def _inside(piece: Sequence[Point], frame: Frame) -> list[Ring]:
    """The stretches of a piece inside the frame, their ends on it. Cut loosely: at points, not where the line crosses."""
    stretches: list[Ring] = []
    current: Ring = []
    for point in piece:
        if frame.holds(point):
            current.append(point)
        elif current:
            stretches.append(current)
            current = []
    if current:
        if stretches and piece[0] == piece[-1] and frame.holds(piece[0]):
            stretches[0] = current + stretches[0][1:]
        else:
            stretches.append(current)
    return [[frame.around_to(stretch[0])[1], *stretch, frame.around_to(stretch[-1])[1]] for stretch in stretches]


def _closed_along_the_frame(shores: list[Ring], frame: Frame) -> list[Ring]:
    """Join the end of each shore, clockwise along the frame, with the start that comes next."""
    starts = sorted((frame.around_to(shore[0])[0], number) for number, shore in enumerate(shores))
    left = set(range(len(shores)))
    rings = []
    while left:
        first = number = min(left)
        ring: Ring = []
        while True:
            left.discard(number)
            ring += shores[number]
            end = frame.around_to(shores[number][-1])[0]
            begin, number = min(starts, key=lambda start: (start[0] - end) % 4.0)
            span = (begin - end) % 4.0
            ring += [frame.corners()[side % 4] for side in range(int(end), int(end + span))]
            if number == first or number not in left:
                break
        ring.append(ring[0])
        rings.append(ring)
    return rings


def _is_anticlockwise(ring: Sequence[Point]) -> bool:
    return sum((b[1] - a[1]) * (b[0] + a[0]) for a, b in zip(ring, ring[1:], strict=False)) < 0


def _holds(rings: Iterable[Ring], point: Point) -> bool:
    lat, lon = point
    inside = False
    for ring in rings:
        for (lat0, lon0), (lat1, lon1) in zip(ring, ring[1:], strict=False):
            if (lat0 <= lat) != (lat1 <= lat) and lon < lon0 + (lat - lat0) * (lon1 - lon0) / (lat1 - lat0):
                inside = not inside
    return inside
