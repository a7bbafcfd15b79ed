"""The road engine: an OpenStreetMap extract becomes a road index, and an index answers who can be there first.

pyroutelib3 is used for its reader, in no other file of this room, and only while an index is built; its graph drops
barriers and parallel ways and lets restrictions be dodged, so the graph is ours (``layout.py``).
"""

import hashlib
import lzma
import math
import mmap
import struct
import xml.sax
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, TypeVar

from gateway.errors import OutsideMap, RoadsError
from gateway.router import index
from gateway.router._roads import Engine
from gateway.router.extract import Extract
from gateway.router.layout import Progress, lay_out
from gateway.router.profile import COMPILER_VERSION, PoliceProfile, read_profile
from gateway.router.segments import TICKS_PER_S

T = TypeVar("T")
CHUNK_BYTES = 1 << 16
FEATURES_PER_WORD = 1_000_000
ATTRIBUTION = "© OpenStreetMap contributors, Open Database Licence 1.0"
"An index is derived from their database: whoever publishes it says so."
SNAP_M_MAX = 1_000.0
"Default for how far a road may be from a position that it is to serve."
SNAP_M_LIMIT = 50_000.0
"More would be walking for a day."
SETTLED_MAX = 400_000
"Default budget of one search, in road states; about 50 ms."
WORST_TICKS_MIN = 60 * TICKS_PER_S
"What a parallel road may cost more before it is worth a word."


# ---------------------------------------------------------------------------------------- an extract becomes an index


def build(
    open_extract: Callable[[], BinaryIO],
    profile: PoliceProfile,
    *,
    source_name: str,
    data_version: str | None,
    created_at_us: int,
    progress: Progress = lambda words: None,
) -> list[bytes]:
    """The road index of an extract, as chunks to be written one after the other.

    The same extract, profile, names and time give the same bytes. Reads the extract three times: for its SHA-256, for
    its ways and relations, for the nodes they need. ``data_version`` None: named after the source and its digest.
    Raises: RoadsError: it cannot be read, or holds no road.
    """
    progress("reading the extract's checksum")
    digest = hashlib.sha256()
    source_bytes = 0
    with open_extract() as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            source_bytes += len(chunk)
    extract = read_extract(open_extract, profile, progress)
    sections, numbers = lay_out(extract, progress)
    about = {
        **numbers,
        "data_version": data_version or f"{source_name.partition('.')[0]}-{digest.hexdigest()[:8]}",
        "built_at": datetime.fromtimestamp(created_at_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "attribution": ATTRIBUTION,
        "compiler_version": COMPILER_VERSION,
        "profile": {"name": profile.name, "digest": profile.digest(), "parameters": profile.parameters()},
        "source": {"name": source_name, "sha256": digest.hexdigest(), "bytes": source_bytes},
        "extract": dict(sorted(extract.counts.items())),
    }
    return index.pack(about, sections)


def read_extract(open_extract: Callable[[], BinaryIO], profile: PoliceProfile, progress: Progress = lambda words: None) -> Extract:
    """What the extract holds for a profile. Raises: RoadsError: it cannot be read."""
    from google.protobuf.message import DecodeError  # pyroutelib3's own; imported only where an extract is read
    from pyroutelib3.osm import reader

    extract = Extract(profile)
    unreadable = (
        ValueError, KeyError, IndexError, TypeError, OverflowError, EOFError, OSError, struct.error, zlib.error, lzma.LZMAError,
        xml.sax.SAXException, DecodeError,
    )  # fmt: skip
    try:
        with open_extract() as file:
            kind = format_of(file)
            progress(f"reading ways and relations ({kind})")
            for feature in _counted(reader.read_features(file, kind, CHUNK_BYTES), progress):
                if isinstance(feature, reader.Way):
                    extract.take_way(feature.id, feature.nodes, feature.tags)
                elif isinstance(feature, reader.Relation):
                    extract.take_relation(((member.type, member.ref, member.role) for member in feature.members), feature.tags)
        with open_extract() as file:
            progress(f"reading {len(extract.positions)} nodes")
            for feature in _counted(reader.read_features(file, kind, CHUNK_BYTES), progress):
                if isinstance(feature, reader.Node):
                    extract.take_node(feature.id, *feature.position, feature.tags)
    except unreadable as error:
        raise RoadsError(f"the extract cannot be read: {type(error).__name__}: {error}") from error
    extract.finish()
    return extract


def _counted(features: Iterable[T], progress: Progress) -> Iterator[T]:
    """The same features; a word at every million, so that nobody thinks that a country has got stuck."""
    for number, feature in enumerate(features, 1):
        yield feature
        if number % FEATURES_PER_WORD == 0:
            progress(f"{number // 1_000_000} million features read")


def format_of(file: BinaryIO) -> Literal["xml", "gz", "bz2", "pbf"]:
    """By the first bytes: names lie, and downloads are renamed."""
    head = file.read(64)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return "gz"
    if head.startswith(b"BZh"):
        return "bz2"
    if head[4:15] == b"\x0a\x09OSMHeader":
        return "pbf"
    if head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<"):
        return "xml"
    raise ValueError("neither OSM PBF nor OSM XML (plain, .gz or .bz2)")


# ---------------------------------------------------------------------------------------------- an index answers


@dataclass(frozen=True, slots=True)
class Snap:
    """A position on a road."""

    segment: int
    way_id: int
    "OSM way."
    fraction: float
    "Along the segment in its way's direction, 0 to 1."
    distance_m: float
    "From the position to the road."
    lat_e7: int = field(repr=False)
    lon_e7: int = field(repr=False)
    is_open_forward: bool = True
    is_open_backward: bool = True


@dataclass(frozen=True, slots=True)
class RoadCandidate:
    """A unit that can be there by road."""

    unit_id: str
    travel_s: float
    distance_m: float
    "Along the road."
    travel_worst_s: float | None = None
    "If she is on another road that lies within the accuracy. None: not asked for, or none found that is over a minute more."


@dataclass(frozen=True, slots=True)
class Travel:
    """The quickest way between two positions."""

    travel_s: float
    distance_m: float


class PathPoint(NamedTuple):
    """A point of a way, and when one is there."""

    lat_e7: int
    lon_e7: int
    at_s: float
    "Seconds since the start."


class Roads:
    """A road index, and the units that stand on it.

    One thread at a time; give each thread its own, they share the file's memory. The file may be replaced (renamed
    over) at any time, not rewritten in place. ``data_version`` names the map; ``bbox`` is (south, west, north, east)
    in degrees × 10⁷.
    """

    def __init__(self, contents: index.Index, snap_m_max: float = SNAP_M_MAX) -> None:
        if not 0.0 < snap_m_max <= SNAP_M_LIMIT:
            raise RoadsError(f"snap_m_max: {snap_m_max} is not between 0 and {SNAP_M_LIMIT:.0f} m")
        self.data_version, self.bbox = _name_and_bounds(contents.about)
        self._about = contents.about
        self._sections = contents.sections
        self._size_bytes = contents.size_bytes
        self._engine = Engine(contents.sections, snap_m_max)

    @classmethod
    def open(cls, path: str | Path, *, snap_m_max: float = SNAP_M_MAX, verify: bool = True) -> "Roads":
        """Map an index file into memory. ``verify``: also check every section's checksum (about 1 s per GB).

        Raises: RoadsError: it is not there, not an index, damaged, or of another version; the message says which.
        """
        try:
            with Path(path).open("rb") as file:
                try:
                    data: mmap.mmap | bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                except ValueError:
                    data = b""  # an empty file cannot be mapped
        except OSError as error:
            raise RoadsError(f"{path}: {error.strerror or error}; make an index with `gateway roads build`") from error
        try:
            return cls(index.unpack(memoryview(data), verify=verify), snap_m_max)
        except RoadsError as error:
            raise RoadsError(f"{path}: {error}") from error

    def info(self) -> dict[str, object]:
        """What the index says about itself, and its size."""
        return {"format_version": index.FORMAT_VERSION, "bytes": self._size_bytes, **self._about}

    def require_profile(self, path: str | Path) -> None:
        """Raise RoadsError unless the index was built with the profile in this file, ConfigError if that is none."""
        profile, built_with = read_profile(path), self._about.get("profile")
        digest = built_with.get("digest") if isinstance(built_with, Mapping) else None
        if digest != profile.digest():
            raise RoadsError(f"built with another profile than {path}; build it again with `gateway roads build --profile {path}`")

    def snap(self, lat_e7: int, lon_e7: int, accuracy_m: float = 0.0, course_deg: float | None = None) -> tuple[Snap, ...]:
        """The roads where the position may be, at most 8: all within max(nearest + 15 m, ``accuracy_m``).

        Nearest first; with a course, those along which one can be driving that way (±60°) stand before the others.
        Raises: OutsideMap: no road within ``snap_m_max``.
        """
        lat, lon = _on_globe(lat_e7, lon_e7)
        return tuple(Snap(*row) for row in self._engine.snap(lat, lon, accuracy_m if accuracy_m > 0.0 else 0.0, _course(course_deg)))

    def unit_set(self, unit_id: str, lat_e7: int, lon_e7: int, course_deg: float | None = None) -> bool:
        """Place or move a unit. ``course_deg``: only of a unit that moves; it decides which way round it is heading.

        Returns: False when no road is near (or the position is none): the unit is then off the map.
        """
        try:
            return self._engine.unit_set(unit_id, *_on_globe(lat_e7, lon_e7), _course(course_deg))
        except OutsideMap:
            self._engine.unit_remove(unit_id)
            return False

    def unit_remove(self, unit_id: str) -> None:
        """Take a unit off the map. One that is not on it is fine."""
        self._engine.unit_remove(unit_id)

    def nearest(
        self,
        lat_e7: int,
        lon_e7: int,
        count: int,
        available: Collection[str] | None = None,
        accuracy_m: float = 0.0,
        settled_max: int = SETTLED_MAX,
    ) -> list[RoadCandidate]:
        """The units that can be there first by road, quickest first; equal times by unit id.

        Args:
            available: units that count; None: all that were set. Ids that are not on the map are passed over.
            accuracy_m: above 0, other roads as near as that are looked at too, for ``travel_worst_s``; the order stays
                that of the nearest road, because the least of all times would be a promise to the wrong street.
            settled_max: budget in road states; 0: as many as it takes.
        Returns: at most ``count``; a unit that cannot get there is not among them.
        Raises: OutsideMap: no road within ``snap_m_max``. RoadsSlow: the budget was used up.
        Cost: one search over the roads, however many units (bench/kernels/test_nearest.py).
        """
        found = self._engine.nearest(*_on_globe(lat_e7, lon_e7), max(count, 0), available, accuracy_m, settled_max)
        return [
            RoadCandidate(unit_id, ticks / TICKS_PER_S, length_cm / 100, worst / TICKS_PER_S if worst - ticks > WORST_TICKS_MIN else None)
            for unit_id, ticks, length_cm, worst in found
        ]

    def travel(self, from_lat_e7: int, from_lon_e7: int, to_lat_e7: int, to_lon_e7: int) -> Travel | None:
        """The quickest way; None when there is none. Raises: OutsideMap: no road near one of the two."""
        found = self._engine.travel(_on_globe(from_lat_e7, from_lon_e7), _on_globe(to_lat_e7, to_lon_e7))
        return None if found is None else Travel(found[0] / TICKS_PER_S, found[1] / 100)

    def path(self, from_lat_e7: int, from_lon_e7: int, to_lat_e7: int, to_lon_e7: int) -> list[PathPoint]:
        """The quickest way as points with times, for drawing it and for driving along it; empty when there is none.

        The last point's ``at_s`` is what ``travel`` says. Where one has to walk to or from the road, the position
        itself is the first or last point. Raises: OutsideMap: no road near one of the two.
        """
        start, goal = _on_globe(from_lat_e7, from_lon_e7), _on_globe(to_lat_e7, to_lon_e7)
        legs, total = self._engine.legs(start, goal)
        points = [(*start, 0)] if legs and legs[0][4] else []
        for leg in legs:
            points += self._draw(*leg)
        if legs and total > legs[-1][5]:
            points.append((*goal, total))
        return [
            PathPoint(lat, lon, ticks / TICKS_PER_S)
            for number, (lat, lon, ticks) in enumerate(points)
            if number == 0 or (lat, lon, ticks) != points[number - 1]
        ]

    def _draw(self, segment: int, is_backward: bool, begin: float, end: float, ticks: int, ticks_end: int) -> Iterator[tuple[int, int, int]]:
        """The points of an arc between two fractions of it."""
        first, last = self._sections["segment_points"][segment : segment + 2]
        flat = self._sections["points"][2 * first : 2 * last].tolist()
        shape = list(zip(flat[::2], flat[1::2], strict=True))
        if is_backward:
            shape.reverse()
        lon_scale = math.cos(math.radians(shape[0][0] / 1e7))
        along = [0.0]
        for (lat_1, lon_1), (lat_2, lon_2) in pairwise(shape):
            along.append(along[-1] + math.hypot(lat_2 - lat_1, (lon_2 - lon_1) * lon_scale))
        whole = along[-1]
        yield (*_at(shape, along, begin * whole), ticks)
        for point, distance in zip(shape, along, strict=True):
            if begin * whole < distance < end * whole:
                share = (distance - begin * whole) / ((end - begin) * whole)
                yield (*point, ticks + round(share * (ticks_end - ticks)))
        yield (*_at(shape, along, end * whole), ticks_end)


def _name_and_bounds(about: Mapping[str, object]) -> tuple[str, tuple[int, int, int, int]]:
    """Data version, and (south, west, north, east) in degrees × 10⁷."""
    name, box = about.get("data_version"), about.get("bbox")
    try:
        if isinstance(name, str) and isinstance(box, Mapping):
            return name, (round(box["south"] * 1e7), round(box["west"] * 1e7), round(box["north"] * 1e7), round(box["east"] * 1e7))
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    raise RoadsError("damaged: the header does not say which data it holds and where")


def _at(shape: list[tuple[int, int]], along: list[float], distance: float) -> tuple[int, int]:
    """The point of a line at a distance from its beginning."""
    for number in range(1, len(shape)):
        if distance <= along[number] and along[number] > along[number - 1]:
            share = (distance - along[number - 1]) / (along[number] - along[number - 1])
            (lat_1, lon_1), (lat_2, lon_2) = shape[number - 1 : number + 1]
            return round(lat_1 + share * (lat_2 - lat_1)), round(lon_1 + share * (lon_2 - lon_1))
    return shape[-1]


def _on_globe(lat_e7: int, lon_e7: int) -> tuple[int, int]:
    """The position as the integers of the engine. Raises OutsideMap for what is no position (NaN, infinite, too large)."""
    if -900_000_000 <= lat_e7 <= 900_000_000 and -1_800_000_000 <= lon_e7 <= 1_800_000_000:
        return int(lat_e7), int(lon_e7)
    raise OutsideMap("the position is not on the globe")


def _course(course_deg: float | None) -> float:
    """The engine's word for a course: below zero when there is none."""
    return course_deg % 360.0 if course_deg is not None and math.isfinite(course_deg) else -1.0
