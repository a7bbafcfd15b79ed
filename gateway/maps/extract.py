"""An OpenStreetMap extract -> the shapes that a map draws.

Two passes over the file, so that only nodes that something draws are kept (about 100 bytes each): ways and relations
first, then nodes. References to what the extract does not hold are passed over, because extracts are cut.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.maps.features import Drawn, area_of, label_of, line_of, place_of

Point = tuple[float, float]
"(latitude, longitude) in degrees."


@dataclass(frozen=True, slots=True)
class Shape:
    """One thing to draw. An area is filled by the even-odd rule over its rings; a place has a single point."""

    drawn: Drawn
    lines: tuple[Sequence[Point], ...]
    label: str = ""


@dataclass(slots=True)
class Survey:
    """What the two passes collect."""

    has_buildings: bool = True
    _ways: dict[int, Sequence[int]] = field(default_factory=dict)
    _lines: list[tuple[Drawn, int, str]] = field(default_factory=list)
    _areas: list[tuple[Drawn, tuple[int, ...], str]] = field(default_factory=list)
    _coast: list[int] = field(default_factory=list)
    _places: list[tuple[Drawn, str, Point]] = field(default_factory=list)
    _positions: dict[int, Point | None] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------- first pass

    def take_way(self, way_id: int, nodes: Sequence[int], tags: Mapping[str, str]) -> None:
        """Every way is remembered: relations that come later may need its nodes."""
        self._ways[way_id] = nodes
        if tags.get("natural") == "coastline":
            self._coast.append(way_id)
        line = line_of(tags)
        if line is not None:
            self._lines.append((line, way_id, label_of(tags, line.layer)))
        elif len(nodes) > 3 and nodes[0] == nodes[-1]:
            self._take_area((way_id,), tags)

    def take_relation(self, members: Iterable[tuple[str, int, str]], tags: Mapping[str, str]) -> None:
        """``members``: (node|way|relation, id, role). Outlines and holes need no telling apart: the rule is even-odd."""
        if tags.get("type") == "multipolygon":
            self._take_area(tuple(ref for kind, ref, _ in members if kind == "way"), tags)

    def _take_area(self, way_ids: tuple[int, ...], tags: Mapping[str, str]) -> None:
        area = area_of(tags)
        if area is not None and (self.has_buildings or area.layer != "building"):
            self._areas.append((area, way_ids, label_of(tags, area.layer)))

    def surveyed(self) -> None:
        """Between the passes: forget what nothing draws."""
        wanted = {way_id for _, way_id, _ in self._lines} | set(self._coast)
        wanted.update(way_id for _, way_ids, _ in self._areas for way_id in way_ids)
        self._ways = {way_id: nodes for way_id, nodes in self._ways.items() if way_id in wanted}
        for nodes in self._ways.values():
            self._positions.update(dict.fromkeys(nodes))

    # ------------------------------------------------------------------------------------------ second pass

    def take_node(self, node_id: int, lat: float, lon: float, tags: Mapping[str, str]) -> None:
        """Places that have a name, and nodes that something draws."""
        if not (-90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0):
            return
        if node_id in self._positions:
            self._positions[node_id] = (lat, lon)
        if "place" in tags:
            place = place_of(tags)
            if place is not None:
                self._places.append((place, tags["name"], (lat, lon)))

    # ---------------------------------------------------------------------------------------------- results

    def shapes(self) -> Iterator[Shape]:
        """Everything but the sea."""
        for place, label, point in self._places:
            yield Shape(place, ((point,),), label)
        for line, way_id, label in self._lines:
            points = self._points(self._ways[way_id])
            if len(points) > 1:
                yield Shape(line, (points,), label)
        for area, way_ids, label in self._areas:
            rings = [self._points(ring) for ring in rings_of(self._ways[way_id] for way_id in way_ids if way_id in self._ways)]
            closed = tuple(ring if ring[0] == ring[-1] else [*ring, ring[0]] for ring in rings if len(ring) > 2)
            if closed:
                yield Shape(area, closed, label)

    def coast(self) -> list[list[Point]]:
        """The coastline in pieces, joined where they meet; land lies to the left."""
        pieces = chains_of(self._ways[way_id] for way_id in self._coast)
        return [points for piece in pieces if len(points := self._points(piece)) > 1]

    def road_points(self) -> Iterator[Point]:
        """Every node of every road: land, and the part of the world that the map is about."""
        for line, way_id, _ in self._lines:
            if line.layer == "road":
                yield from self._points(self._ways[way_id])

    def _points(self, nodes: Iterable[int]) -> list[Point]:
        return [point for node in nodes if (point := self._positions[node]) is not None]


def rings_of(ways: Iterable[Sequence[int]]) -> Iterator[list[int]]:
    """Closed rings out of the ways of a multipolygon, which may be cut into pieces that run in any direction."""
    pieces = [list(way) for way in ways if len(way) > 1]
    touching: dict[int, list[list[int]]] = {}
    for piece in pieces:
        touching.setdefault(piece[0], []).append(piece)
        touching.setdefault(piece[-1], []).append(piece)
    used: set[int] = set()
    for piece in pieces:
        if id(piece) in used:
            continue
        used.add(id(piece))
        ring = list(piece)
        while ring[0] != ring[-1]:
            following = next((other for other in touching[ring[-1]] if id(other) not in used), None)
            if following is None:
                break
            used.add(id(following))
            ring += following[1:] if following[0] == ring[-1] else following[-2::-1]
        if len(ring) > 3 and ring[0] == ring[-1]:
            yield ring


def chains_of(ways: Iterable[Sequence[int]]) -> Iterator[list[int]]:
    """Ways that follow each other in their own direction, joined; closed ones and loops come out closed."""
    starting: dict[int, list[Sequence[int]]] = {}
    ends = set()
    for way in ways:
        if len(way) > 1:
            starting.setdefault(way[0], []).append(way)
            ends.add(way[-1])
    # Those that nothing leads to come first; what is left after them goes round in circles.
    for start in sorted(starting, key=lambda node: node in ends):
        while starting.get(start):
            chain = list(starting[start].pop())
            while chain[-1] != chain[0] and starting.get(chain[-1]):
                chain += starting[chain[-1]].pop()[1:]
            yield chain
