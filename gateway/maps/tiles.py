"""The tile file: one SQLite database with every tile of the base map, gzipped JSON each.

``tile(z, x, y, body)`` holds the tiles of zooms 8, 10, 12 and 14 that have anything to draw; ``about(key, value)`` says
what it was made from. A body:

    {"v": 1, "names": ["Mannerheimintie", ...],
     "water": [[ring, ...], ...], "green": ..., "paved": ..., "building": ...,      areas, even-odd rule
     "stream": [[kind, line], ...], "rail": [[kind, line], ...],
     "road": [[kind, name or -1, line], ...],
     "place": [[kind, name, x, y], ...]}

A ring or line is a flat list [x, y, dx, dy, dx, dy, ...] in units of 1/4096 of the tile, y to the south; it may reach
beyond the tile by a margin. Names are numbers of entries of ``names``. Layers without anything are absent.
"""

import gzip
import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from gateway.errors import CommandError
from gateway.maps.coast import Frame, is_plausible, sea_of
from gateway.maps.cut import ZOOMS, cut, zooms_of
from gateway.maps.extract import Shape, Survey
from gateway.maps.features import AREAS, Drawn

FORMAT = "gateway-tiles-1"
ATTRIBUTION = "© OpenStreetMap contributors"
SCHEMA = """
create table about(key text primary key, value text not null) without rowid;
create table tile(z integer, x integer, y integer, body blob not null, primary key (z, x, y)) without rowid;
"""
LAND_SAMPLE = 2000
"Road nodes asked whether they lie in the sea."

Layers = dict[str, list[list[object]]]


class Canvas:
    """One tile while it is being filled."""

    __slots__ = ("layers", "names")

    def __init__(self) -> None:
        self.layers: Layers = {}
        self.names: dict[str, int] = {}

    def put(self, shape: Shape, lines: list[list[int]]) -> None:
        """Add what a shape leaves in this tile."""
        layer, kind = shape.drawn.layer, shape.drawn.kind
        entries = self.layers.setdefault(layer, [])
        if layer in AREAS:
            entries.append(list(lines))
        elif layer == "place":
            entries.append([kind, self._name(shape.label), *lines[0]])
        elif layer == "road":
            entries += ([kind, self._name(shape.label), line] for line in lines)
        else:
            entries += ([kind, line] for line in lines)

    def _name(self, label: str) -> int:
        return self.names.setdefault(label, len(self.names)) if label else -1

    def body(self) -> bytes:
        """Gzipped, the same bytes for the same content."""
        document = {"v": 1, "names": list(self.names), **self.layers}
        return gzip.compress(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(), 9, mtime=0)


def build(survey: Survey, path: Path, source: str, tell: Callable[[str], None] = lambda _: None) -> dict[str, str]:
    """Write the tile file of an extract, whole or not at all; returns what ``about`` holds."""
    roads = list(survey.road_points())
    frame = Frame.around(roads)
    if frame is None:
        raise CommandError(f"{source}: no road in it, so there is nothing to make a map of")
    canvases: dict[tuple[int, int, int], Canvas] = {}
    for shape in _with_sea(survey, frame, roads, tell):
        for zoom in zooms_of(shape):
            for x, y, lines in cut(shape, zoom):
                canvases.setdefault((zoom, x, y), Canvas()).put(shape, lines)
    tell(f"{len(canvases)} tiles")
    about = {
        "format": FORMAT,
        "source": source,
        "attribution": ATTRIBUTION,
        "bounds": json.dumps([frame.south, frame.west, frame.north, frame.east]),
        "zooms": json.dumps(ZOOMS),
    }
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft)) as database:
        database.executescript("pragma journal_mode = off; pragma page_size = 8192;" + SCHEMA)
        with database:
            database.executemany("insert into about values (?, ?)", about.items())
            database.executemany("insert into tile values (?, ?, ?, ?)", ((*at, canvas.body()) for at, canvas in sorted(canvases.items())))
    draft.replace(path)
    return about


def _with_sea(survey: Survey, frame: Frame, roads: list[tuple[float, float]], tell: Callable[[str], None]) -> Iterable[Shape]:
    sea = sea_of(survey.coast(), frame)
    if sea and is_plausible(sea, roads[:: len(roads) // LAND_SAMPLE + 1]):
        yield Shape(Drawn("water", "sea", min(ZOOMS)), tuple(sea))
    elif sea:
        tell("the coastline is cut so that the sea would cover roads; it is left out")
    yield from survey.shapes()


class TileFile:
    """A finished tile file. Used by one thread at a time; whoever opens it closes it."""

    def __init__(self, path: Path) -> None:
        """Raises: CommandError when it is not a tile file of ours."""
        try:
            self._database = sqlite3.connect(f"file:{path.absolute()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
            self.about = dict(self._database.execute("select key, value from about").fetchall())
        except sqlite3.Error as error:
            raise CommandError(f"{path}: not a tile file ({error}); make one with `gateway roads tiles EXTRACT -o {path}`") from error
        if self.about.get("format") != FORMAT:
            raise CommandError(f"{path}: a tile file of another version; make it again with `gateway roads tiles EXTRACT -o {path}`")

    def get(self, z: int, x: int, y: int) -> bytes | None:
        """Gzipped JSON of one tile; None where there is nothing to draw."""
        row = self._database.execute("select body from tile where z = ? and x = ? and y = ?", (z, x, y)).fetchone()
        return bytes(row[0]) if row else None

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
