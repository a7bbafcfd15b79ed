"""Tags -> what is drawn: on which layer, as what kind, from which zoom on.

Tags are those of the OpenStreetMap wiki's "Map features". What is not listed is not drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass

AREAS = ("water", "green", "paved", "building")
LINES = ("stream", "rail", "road")


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a feature is drawn."""

    layer: str
    kind: str
    zoom_min: int
    "First of the tile zooms (8, 10, 12, 14) that carries it."


ROADS = {
    # highway=...: (kind, zoom)
    "motorway": ("motorway", 8), "motorway_link": ("motorway", 12),
    "trunk": ("trunk", 8), "trunk_link": ("trunk", 12),
    "primary": ("primary", 8), "primary_link": ("primary", 12),
    "secondary": ("secondary", 10), "secondary_link": ("secondary", 12),
    "tertiary": ("tertiary", 12), "tertiary_link": ("tertiary", 14),
    "unclassified": ("minor", 12), "residential": ("minor", 14), "living_street": ("minor", 14), "road": ("minor", 14),
    "busway": ("minor", 14), "bus_guideway": ("minor", 14),
    "service": ("service", 14), "pedestrian": ("walk", 14), "track": ("track", 14),
    "footway": ("path", 14), "cycleway": ("path", 14), "path": ("path", 14), "bridleway": ("path", 14), "steps": ("path", 14),
}  # fmt: skip
GREEN = {
    "landuse": {"grass": 14, "forest": 10, "meadow": 12, "recreation_ground": 12, "village_green": 14, "cemetery": 12, "allotments": 12},
    "leisure": {"park": 12, "garden": 14, "golf_course": 12, "nature_reserve": 12, "pitch": 14},
    "natural": {"wood": 10, "scrub": 12, "grassland": 12, "heath": 12, "wetland": 12},
}
WATER_AREAS = {("natural", "water"), ("waterway", "riverbank"), ("landuse", "basin"), ("landuse", "reservoir")}
STREAMS = {"river": 10, "canal": 12, "stream": 14}
RAILS = {"rail": 10, "light_rail": 12, "narrow_gauge": 12, "tram": 14}
PLACES = {"city": 8, "town": 8, "village": 10, "suburb": 12, "quarter": 12, "hamlet": 12, "neighbourhood": 14}


def line_of(tags: Mapping[str, str]) -> Drawn | None:
    """How a way is drawn as a line."""
    if tags.get("area") == "yes":
        return None
    if "highway" in tags:
        kind, zoom = ROADS.get(tags["highway"], ("", 0))
        return Drawn("road", kind, zoom) if kind else None
    if tags.get("railway") in RAILS and tags.get("tunnel") != "yes":
        is_siding = "service" in tags
        return Drawn("rail", "tram" if tags["railway"] == "tram" else "rail", 14 if is_siding else RAILS[tags["railway"]])
    if tags.get("waterway") in STREAMS and tags.get("tunnel") not in ("yes", "culvert"):
        return Drawn("stream", tags["waterway"], STREAMS[tags["waterway"]])
    return None


def area_of(tags: Mapping[str, str]) -> Drawn | None:
    """How a closed way or a multipolygon is drawn as an area."""
    if tags.get("location") == "underground" or tags.get("tunnel") == "yes":
        return None
    if any(tags.get(key) == value for key, value in WATER_AREAS):
        return Drawn("water", "water", 8)
    for key, kinds in GREEN.items():
        if tags.get(key) in kinds:
            return Drawn("green", tags[key], kinds[tags[key]])
    if tags.get("place") == "square" or (tags.get("highway") in ("pedestrian", "footway") and tags.get("area", "yes") != "no"):
        return Drawn("paved", "square", 14)
    if tags.get("building", "no") != "no":
        return Drawn("building", "building", 14)
    return None


def place_of(tags: Mapping[str, str]) -> Drawn | None:
    """How a named place is drawn."""
    kind = tags.get("place", "")
    return Drawn("place", kind, PLACES[kind]) if kind in PLACES and "name" in tags else None


def label_of(tags: Mapping[str, str], layer: str) -> str:
    """What is written beside it: a street's name, or a motorway's number."""
    if layer == "road":
        return tags.get("name") or tags.get("ref", "").split(";")[0]
    return tags.get("name", "")
