"""Which centre answers for a position.

Every centre may bring the polygons it answers for. A point in several areas goes to the one that stands first in the
configuration, and the others are named; a point in none goes to the nearest within reach, and says so; beyond that the
national fallback takes it. There is always an answer.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isqrt

from gateway._fastpath import AreaGrid
from gateway.errors import ConfigError
from gateway.model import Area, CentreId
from gateway.router.geojson import Part, Reading, read

CELLS_MAX = 1024
"Rows and columns of the grid: 4 MB of cells."
ENTRIES_MAX = 4_000_000
"Entries of all cells, and edges of all slices: bounds the memory of areas that overlap or zigzag."
SWAP_MARGIN_E7 = 50_000_000
"Areas of one country lie within this of each other (5 degrees)."

Box = tuple[int, int, int, int]
"South, west, north, east; degrees x 10^7."


@dataclass(frozen=True, slots=True)
class AreaSource:
    """One centre, as far as areas are concerned, in the order of the configuration."""

    centre_id: CentreId
    text: str | None = None
    "GeoJSON; None: this centre has no area of its own."
    where: str = "area"
    "What complaints call the text: its file name."
    chosen: str | None = None
    "property=value of the features that count; None: all."
    backup_id: CentreId | None = None
    national_fallback: bool = False


class Areas:
    """The prepared areas of all centres; immutable."""

    def __init__(self, sources: Sequence[AreaSource], nearest_km: float = 5.0, map_box: Box | None = None) -> None:
        """Read every area. ``map_box``: where the roads are, to recognise swapped coordinates.

        Raises: ConfigError with everything that is wrong with any of them.
        """
        readings = [(source, read(source.text, source.chosen)) for source in sources if source.text is not None]
        complaints = [f"centre {source.centre_id}: {source.where}: {fault}" for source, reading in readings for fault in reading.complaints]
        complaints += _swapped(readings, map_box) + _centre_faults(sources)
        if complaints:
            raise ConfigError(complaints)
        self._centres = tuple(source.centre_id for source in sources)
        self._fallback = next((source.centre_id for source in sources if source.national_fallback), self._centres[0])
        self._backups = {source.centre_id: source.backup_id or self._fallback for source in sources}
        self._nearest_m = nearest_km * 1000.0
        self._alone = tuple(self._area(centre_id, "polygon") for centre_id in self._centres)
        "The answer of almost every point, made once."
        order = {source.centre_id: number for number, source in enumerate(sources)}
        self._grid = _grid([(order[source.centre_id], part) for source, reading in readings for part in reading.parts])

    def at(self, lat_e7: int, lon_e7: int) -> Area:
        """Who answers for the position. Never raises; coordinates that are none get the national fallback."""
        if self._grid is None or abs(lat_e7) > 900_000_000 or abs(lon_e7) > 1_800_000_000:
            return self.fallback()
        owners = self._grid.owners(lat_e7, lon_e7)
        if len(owners) == 1:
            return self._alone[owners[0]]
        if owners:
            return self._area(self._centres[owners[0]], "polygon", tuple(self._centres[owner] for owner in owners[1:]))
        nearest = self._grid.nearest(lat_e7, lon_e7, self._nearest_m)
        return self._area(self._centres[nearest[0]], "nearest") if nearest else self.fallback()

    def of_device(self, centre_ids: Iterable[str]) -> Area:
        """Who answers when there is no position: the first centre that knows the case, else the national fallback."""
        known = next((centre for wanted in centre_ids for centre in self._centres if centre == wanted), None)
        return self._area(known, "device") if known else self.fallback()

    def fallback(self) -> Area:
        """Nobody's area: the national fallback takes it."""
        return self._area(self._fallback, "fallback")

    def _area(self, centre_id: CentreId, basis: str, overlap: tuple[CentreId, ...] = ()) -> Area:
        backup_id = self._backups[centre_id]
        return Area(centre_id, basis, backup_id if backup_id != centre_id else None, overlap)


def _grid(parts: list[tuple[int, Part]]) -> AreaGrid | None:
    """The compiled index over (owner, part), owners not decreasing."""
    if not parts:
        return None
    points, ring_start, ring_part = array("i"), array("i", [0]), array("i")
    for number, (_, part) in enumerate(parts):
        for ring in part.rings:
            for point in ring:
                points.extend(point)
            ring_start.append(len(points) // 2)
            ring_part.append(number)
    return AreaGrid(points, ring_start, ring_part, array("i", [owner for owner, _ in parts]), _cells([part for _, part in parts]))


def _cells(parts: list[Part]) -> int:
    """Rows and columns: about two cells an edge, fewer when areas lie over each other or edges are long."""
    boxes = [part.box() for part in parts]
    height = max(box[2] for box in boxes) - min(box[0] for box in boxes) + 1
    width = max(box[3] for box in boxes) - min(box[1] for box in boxes) + 1
    edges = sum(len(ring) - 1 for part in parts for ring in part.rings)
    layers = sum((box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in boxes) / (height * width)
    rises = sum(abs(lat - before) for part in parts for ring in part.rings for (before, _), (lat, _) in zip(ring, ring[1:], strict=False))
    by_memory = min(isqrt(int(ENTRIES_MAX / max(layers, 1.0))), int(ENTRIES_MAX / max(rises / height, 1.0)))
    return max(1, min(2 * isqrt(edges), by_memory, CELLS_MAX))


def _swapped(readings: Iterable[tuple[AreaSource, Reading]], map_box: Box | None) -> list[str]:
    """Areas that lie far from all others (or from the roads) and would lie among them with coordinates swapped."""
    placed = [(source, part, part.box()) for source, reading in readings for part in reading.parts]
    complaints: dict[str, None] = {}
    for source, part, box in placed:
        others = [map_box] if map_box else [other for _, mate, other in placed if mate is not part]
        swapped = (box[1], box[0], box[3], box[2])
        if not any(_near(box, other) for other in others) and any(_near(swapped, other) for other in others):
            beside = "the roads" if map_box else "the other areas"
            fault = f"lies far from {beside}, and among them with latitude and longitude swapped; GeoJSON says longitude first"
            complaints[f"centre {source.centre_id}: {source.where}: {part.name}: {fault}"] = None
    return list(complaints)


def _near(one: Box, other: Box) -> bool:
    margin = SWAP_MARGIN_E7
    return (
        one[0] <= other[2] + margin and other[0] <= one[2] + margin
        and one[1] <= other[3] + margin and other[1] <= one[3] + margin
    )  # fmt: skip


def _centre_faults(sources: Sequence[AreaSource]) -> list[str]:
    ids = [source.centre_id for source in sources]
    complaints = [f"centre {centre_id}: stands twice" for centre_id in dict.fromkeys(ids) if ids.count(centre_id) > 1]
    fallbacks = [source.centre_id for source in sources if source.national_fallback]
    if not ids:
        complaints.append("no centre: somebody has to receive the alarms")
    elif len(fallbacks) > 1 or (not fallbacks and len(ids) > 1):
        complaints.append(f"exactly one centre must have national_fallback = true; found {', '.join(fallbacks) or 'none'}")
    for source in sources:
        if source.backup_id is not None and (source.backup_id not in ids or source.backup_id == source.centre_id):
            near = [mate for mate in get_close_matches(source.backup_id, ids, 1) if mate != source.centre_id]
            hint = f"; did you mean {near[0]}?" if near else ""
            complaints.append(f"centre {source.centre_id}: backup {source.backup_id!r} is not another centre{hint}")
    return complaints
