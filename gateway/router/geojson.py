"""GeoJSON text -> polygons in our units, or everything that is wrong with it.

RFC 7946. Read: Polygon, MultiPolygon, GeometryCollection, Feature, FeatureCollection, with holes and several parts.
Altitudes are ignored, the winding of rings as well (section 3.1.6 asks readers to). Refused, each with the feature and
the place: what has no area, unclosed rings, coordinates that are no degrees, other coordinate systems, areas across the
antimeridian (section 3.1.9 asks writers to cut them there).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

Ring = list[tuple[int, int]]
"(lat_e7, lon_e7), closed."

COMPLAINTS_MAX = 20
"More than this of one file helps nobody."
WGS84 = ("CRS84", "4326", "4979")


@dataclass(frozen=True, slots=True)
class Part:
    """One polygon with its holes."""

    name: str
    "The feature it stands in, as a complaint calls it."
    rings: tuple[Ring, ...]
    "The outline, then the holes."

    def box(self) -> tuple[int, int, int, int]:
        """South, west, north, east of the outline."""
        lats, lons = [lat for lat, _ in self.rings[0]], [lon for _, lon in self.rings[0]]
        return min(lats), min(lons), max(lats), max(lons)


@dataclass(slots=True)
class Reading:
    """What came of a file: parts that can be used, complaints about the rest."""

    parts: list[Part] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def complain(self, place: str, fault: str) -> None:
        self.complaints.append(f"{place}: {fault}" if place else fault)


class Unmeant(ValueError):
    """A place in the file that cannot be meant so."""


def read(text: str, chosen: str | None = None) -> Reading:
    """The polygons of ``text``; with ``chosen`` (``property=value``) only those of the features that have it."""
    reading = Reading()
    try:
        _read_features(json.loads(text.removeprefix("\ufeff")), chosen, reading)
    except json.JSONDecodeError as error:
        reading.complain("", f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}")
    except RecursionError:
        reading.complain("", "nested too deeply to be meant")
    if not reading.parts and not reading.complaints:
        reading.complain("", "holds no polygon")
    surplus = len(reading.complaints) - COMPLAINTS_MAX
    if surplus > 0:
        reading.complaints[COMPLAINTS_MAX:] = [f"and {surplus} more complaints"]
    return reading


def _read_features(document: object, chosen: str | None, reading: Reading) -> None:
    if not isinstance(document, dict):
        return reading.complain("", "not GeoJSON: a JSON object with a type is expected")
    if document.get("type") == "Topology":
        return reading.complain("", "this is TopoJSON; convert it to GeoJSON")
    crs = json.dumps(document.get("crs"))
    if crs != "null" and not any(name in crs for name in WGS84):
        return reading.complain("", f"its coordinates are in {crs}; convert them to WGS 84 (EPSG:4326)")
    features = _features(document, reading)
    if chosen is not None:
        features = _only(features, chosen, reading)
    for name, feature in features:
        geometry = feature.get("geometry") if feature.get("type") == "Feature" else feature
        _read_geometry(geometry, name, reading)
    return None


def _features(document: dict[str, object], reading: Reading) -> list[tuple[str, dict[str, object]]]:
    """Every feature with the name that complaints give it. A bare geometry is a feature without properties."""
    if document.get("type") != "FeatureCollection":
        return [(_name(document, None), document)]
    listed = document.get("features")
    if not isinstance(listed, list):
        reading.complain("", "a FeatureCollection without a list of features")
        return []
    features = []
    for number, feature in enumerate(listed):
        if isinstance(feature, dict) and feature.get("type") == "Feature":
            features.append((_name(feature, number), feature))
        else:
            reading.complain(f"feature {number}", "not a Feature")
    return features


def _properties(feature: dict[str, object]) -> dict[str, object]:
    properties = feature.get("properties")
    return properties if isinstance(properties, dict) else {}


def _name(feature: dict[str, object], number: int | None) -> str:
    properties = _properties(feature)
    named = [key for key in properties if "name" in key.lower()] + ["zone", "province", "id"]
    title = next((properties[key] for key in named if isinstance(properties.get(key), str)), None) or feature.get("id")
    place = "feature" if number is None else f"feature {number}"
    return f"{place} ({title})" if title is not None else place


def _only(features: list[tuple[str, dict[str, object]]], chosen: str, reading: Reading) -> list[tuple[str, dict[str, object]]]:
    key, equals, value = chosen.partition("=")
    if not equals or not key:
        reading.complain("", f"the filter {chosen!r} is not property=value")
        return []
    found = [(name, feature) for name, feature in features if value in _texts(_properties(feature).get(key))]
    if not found:
        known = {text for _, feature in features for text in _texts(_properties(feature).get(key))}
        keys = {key for _, feature in features for key in _properties(feature)}
        if known:
            near = get_close_matches(value, known, 1) or sorted(known)[:5]
            reading.complain("", f"no feature has {chosen}; near: {', '.join(near)}")
        else:
            reading.complain("", f"no feature has a property {key!r}; there are: {', '.join(sorted(keys)) or 'none'}")
    return found


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif value is not None:
        yield value if isinstance(value, str) else json.dumps(value)


def _read_geometry(geometry: object, name: str, reading: Reading) -> None:
    if not isinstance(geometry, dict):
        return reading.complain(name, "has no geometry")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Polygon":
        _read_polygon(coordinates, name, reading)
    elif kind == "MultiPolygon" and isinstance(coordinates, list):
        for number, polygon in enumerate(coordinates):
            _read_polygon(polygon, f"{name}, polygon {number}", reading)
    elif kind == "GeometryCollection" and isinstance(geometry.get("geometries"), list):
        for number, member in enumerate(geometry["geometries"]):
            _read_geometry(member, f"{name}, geometry {number}", reading)
    else:
        reading.complain(name, f"{kind or 'a geometry without type'} has no area; a Polygon or MultiPolygon is expected")
    return None


def _read_polygon(polygon: object, name: str, reading: Reading) -> None:
    if not isinstance(polygon, list) or not polygon:
        return reading.complain(name, "a polygon without rings")
    rings = []
    for number, positions in enumerate(polygon):
        place = f"{name}, {'outline' if number == 0 else f'hole {number}'}"
        try:
            rings.append(_ring(positions))
        except Unmeant as fault:
            reading.complain(place, str(fault))
    if len(rings) == len(polygon):
        reading.parts.append(Part(name, tuple(rings)))
    return None


def _ring(positions: object) -> Ring:
    if not isinstance(positions, list) or len(positions) < 4:
        raise Unmeant("a ring needs four positions or more, the last equal to the first")
    ring: Ring = []
    for number, position in enumerate(positions):
        try:
            ring.append(lat_lon_e7(position))
        except Unmeant as fault:
            raise Unmeant(f"position {number}: {fault}") from None
        # From -180 to 180 is once round the world, a box that people draw; anything between is the short way across.
        if number and 1_800_000_000 < abs(ring[-1][1] - ring[-2][1]) < 3_600_000_000:
            raise Unmeant(f"position {number}: crosses the antimeridian; cut the area in two at longitude 180")
    if ring[0] != ring[-1]:
        raise Unmeant("the ring is not closed: its last position must equal its first")
    if len({lat for lat, _ in ring}) < 2 or len({lon for _, lon in ring}) < 2:
        raise Unmeant("the ring has no area")
    return ring


def lat_lon_e7(position: object) -> tuple[int, int]:
    """The one place where GeoJSON's [longitude, latitude] becomes latitude first."""
    if not isinstance(position, list) or len(position) < 2:
        raise Unmeant("not [longitude, latitude]")
    lon, lat = position[:2]
    for value in (lon, lat):
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
            raise Unmeant(f"{json.dumps(value)} is not a number of degrees" if not isinstance(value, int) else "not a number of degrees")
    if abs(lat) > 90 and abs(lon) <= 90 and abs(lat) <= 180:
        raise Unmeant(f"latitude {lat} is beyond the pole; are latitude and longitude swapped? GeoJSON says longitude first")
    if abs(lat) > 90 or abs(lon) > 180:
        raise Unmeant(f"[{lon}, {lat}] are no degrees; convert the file to WGS 84 (EPSG:4326)")
    return round(lat * 1e7), round(lon * 1e7)
