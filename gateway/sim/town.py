"""The town of a demo or a load run: roads, tiles, areas and places, made from an extract in a folder of its own."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from gateway.errors import CommandError, OutsideMap, RoadsError
from gateway.maps.reading import survey
from gateway.maps.tiles import build as build_tiles
from gateway.router.profile import PoliceProfile
from gateway.router.roads import Roads
from gateway.router.roads import build as build_roads

TRIES_PER_PLACE = 200

Place = tuple[int, int]
"(lat e7, lon e7)"


@dataclass(frozen=True, slots=True)
class Town:
    """Files that a gateway can be configured with."""

    name: str
    roads_file: Path
    tiles_file: Path
    areas_file: Path
    "GeoJSON with two features whose property ``centre`` is west or east."
    notice: str
    "Whose data it is; shown wherever the map is."


def build_town(folder: Path, extract: Path | None, tell: Callable[[str], None]) -> Town:
    """Build everything from an extract, or from the city that the package carries."""
    if extract is None:
        with as_file(files("gateway.sim") / "data") as data:
            town = _build(folder, data / "helsinki.osm.pbf", "Helsinki", tell)
            (folder / "areas.geojson").write_bytes((data / "areas.geojson").read_bytes())
            return town
    if not extract.is_file():
        raise CommandError(f"{extract}: no such extract; give an .osm.pbf, .osm.gz or .osm file")
    try:
        town = _build(folder, extract, extract.name.partition(".")[0], tell)
    except RoadsError as error:
        raise CommandError(f"{extract}: {error}") from error
    town.areas_file.write_text(json.dumps(_halves(Roads.open(town.roads_file))), encoding="utf-8")
    return town


def _build(folder: Path, extract: Path, name: str, tell: Callable[[str], None]) -> Town:
    tell(f"building the roads of {name}")
    now_us = time.time_ns() // 1000
    chunks = build_roads(lambda: extract.open("rb"), PoliceProfile(), source_name=extract.name, data_version=None, created_at_us=now_us)
    with (folder / "town.roads").open("wb") as file:
        file.writelines(chunks)
    tell("drawing the map")
    build_tiles(survey(extract), folder / "town.tiles", name)
    notice = "Map data © OpenStreetMap contributors, ODbL 1.0"
    return Town(name, folder / "town.roads", folder / "town.tiles", folder / "areas.geojson", notice)


def _halves(roads: Roads) -> dict[str, object]:
    """Two areas that share the extract between them."""
    south, west, north, east = (value / 1e7 for value in roads.bbox)
    middle = (west + east) / 2
    features = []
    for centre, (left, right) in (("west", (west - 0.05, middle)), ("east", (middle, east + 0.05))):
        ring = [[left, south - 0.05], [right, south - 0.05], [right, north + 0.05], [left, north + 0.05], [left, south - 0.05]]
        features.append({"type": "Feature", "properties": {"centre": centre}, "geometry": {"type": "Polygon", "coordinates": [ring]}})
    return {"type": "FeatureCollection", "features": features}


def places(roads: Roads, count: int, dice: random.Random) -> list[Place]:
    """Places on roads from each of which all others can be driven to. Raises CommandError when the extract has none."""
    south, west, north, east = roads.bbox
    found: list[Place] = []
    for _ in range(count * TRIES_PER_PLACE):
        try:
            snap = roads.snap(dice.randint(south, north), dice.randint(west, east))[0]
        except OutsideMap:
            continue
        place = (snap.lat_e7, snap.lon_e7)
        if _is_connected(roads, found[0] if found else place, place):
            found.append(place)
        if len(found) == count:
            return found
        if len(found) == 1 and not any(_is_connected(roads, place, other) for other in _others(roads, dice)):
            found.clear()  # the first one stood on an island of the extract
    raise CommandError("the extract has too few connected roads for a demo; give a larger one")


def _others(roads: Roads, dice: random.Random) -> list[Place]:
    south, west, north, east = roads.bbox
    others = []
    for _ in range(12):
        try:
            snap = roads.snap(dice.randint(south, north), dice.randint(west, east))[0]
        except OutsideMap:
            continue
        others.append((snap.lat_e7, snap.lon_e7))
    return others


def _is_connected(roads: Roads, one: Place, other: Place) -> bool:
    try:
        return roads.travel(*one, *other) is not None and roads.travel(*other, *one) is not None
    except OutsideMap:
        return False
