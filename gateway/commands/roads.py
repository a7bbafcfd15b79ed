"""``gateway roads``: make a road index from an OpenStreetMap extract, and ask one."""

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.clock import SystemClock, monotonic_ns
from gateway.errors import CommandError, OutsideMap, RoadsError
from gateway.maps.reading import survey
from gateway.maps.tiles import build as build_tiles
from gateway.router.profile import PoliceProfile, read_profile
from gateway.router.roads import Roads, build

EXIT_DONE, EXIT_NO = 0, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(act=None)
    acts = parser.add_subparsers(metavar="build|info|nearest|matrix|tiles", required=True)

    text = "OpenStreetMap extract (.osm.pbf, .osm, .osm.gz, .osm.bz2) -> road index file"
    act = acts.add_parser("build", help=text, description=text)
    act.add_argument("extract", type=Path, metavar="EXTRACT", help="OpenStreetMap extract")
    act.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="index to write; one that is there is replaced in one step")
    act.add_argument("--profile", type=Path, metavar="F", help="TOML file with parameters of the police profile; default: built in")
    act.add_argument("--data-version", metavar="NAME", help="name of the map in every decision; default: extract's name and checksum")
    act.add_argument("--json", action="store_true", help="print what `info --json` prints")
    act.set_defaults(act=_build)

    text = "what an index holds and where it comes from"
    act = acts.add_parser("info", help=text, description=text)
    act.add_argument("file", type=Path, metavar="FILE", help="road index")
    act.add_argument("--json", action="store_true", help="everything, as one JSON object")
    act.set_defaults(act=_info)

    text = "the units that can be there first by road -> JSON list, quickest first"
    act = acts.add_parser("nearest", help=text, description=text)
    act.add_argument("file", type=Path, metavar="FILE", help="road index")
    act.add_argument("--at", required=True, metavar="LAT,LON", help="where help is needed")
    act._negative_number_matcher = re.compile(r"-\d.*")  # else argparse takes a southern latitude for an option
    act.add_argument("--units", required=True, metavar="U.json", help='[{"unit", "lat", "lon"}, …], "course_deg" if it moves; - for standard input')
    act.add_argument("-n", type=int, default=5, metavar="N", help="how many units (default 5)")
    act.add_argument("--json", action="store_true", help="the output is JSON in any case")
    act.set_defaults(act=_nearest)

    text = "travel times of pairs of positions -> JSON list, null where there is no way"
    act = acts.add_parser("matrix", help=text, description=text)
    act.add_argument("file", type=Path, metavar="FILE", help="road index")
    act.add_argument("--pairs", required=True, metavar="P.json", help="[[from_lat, from_lon, to_lat, to_lon], …]; - for standard input")
    act.add_argument("--json", action="store_true", help="the output is JSON in any case")
    act.set_defaults(act=_matrix)

    text = "OpenStreetMap extract -> map tiles for the console"
    act = acts.add_parser("tiles", help=text, description=text)
    act.add_argument("extract", type=Path, metavar="EXTRACT", help="OpenStreetMap extract")
    act.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="tile file to write; one that is there is replaced in one step")
    act.add_argument("--no-buildings", action="store_true", help="leave houses out: a smaller file, and less memory for a country")
    act.add_argument("--json", action="store_true", help="print what the file says about itself, as one JSON object")
    act.set_defaults(act=_tiles)


def run(options: argparse.Namespace) -> int:
    return int(options.act(options))


# -------------------------------------------------------------------------------------------------------- build


def _build(options: argparse.Namespace) -> int:
    extract: Path = options.extract
    if not extract.is_file():
        raise CommandError(f"{extract}: no such file; give an OpenStreetMap extract such as city.osm.pbf")
    if not options.output.absolute().parent.is_dir():
        raise CommandError(f"{options.output}: its folder does not exist; make it first")
    profile = read_profile(options.profile) if options.profile else PoliceProfile()
    started_ns = monotonic_ns()

    def progress(words: str) -> None:
        print(f"{(monotonic_ns() - started_ns) / 1e9:7.1f} s  {words}", file=sys.stderr, flush=True)

    try:
        chunks = build(
            lambda: extract.open("rb"), profile, source_name=extract.name, data_version=options.data_version,
            created_at_us=SystemClock().now().wall_us, progress=progress,
        )  # fmt: skip
        _write_at_once(options.output, chunks)
    except RoadsError as error:
        raise RoadsError(f"{extract}: {error}") from error
    except OSError as error:
        raise RoadsError(f"{error.filename or options.output}: {error.strerror or error}") from error
    about = Roads.open(options.output).info()
    progress(f"wrote {options.output}: {about['bytes']:,} bytes, {about['nodes']:,} nodes, {about['arcs']:,} arcs")
    if options.json:
        print(json.dumps(about, ensure_ascii=False))
    return EXIT_DONE


def _write_at_once(path: Path, chunks: Iterable[bytes]) -> None:
    """The whole file or, after a crash at any moment, what was there before: a server may have the old one mapped."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --------------------------------------------------------------------------------------------------------- info


def _info(options: argparse.Namespace) -> int:
    about = Roads.open(options.file).info()
    if options.json:
        print(json.dumps(about, ensure_ascii=False))
        return EXIT_DONE
    profile, source, box, extract = (_table(about[key]) for key in ("profile", "source", "bbox", "extract"))
    rows = {
        "data version": about["data_version"],
        "built": about["built_at"],
        "source": f"{source['name']}, {source['bytes']:,} bytes, sha256 {source['sha256']}",
        "rights": about["attribution"],
        "profile": f"{profile['name']} ({profile['digest']})",
        "area": f"{box['south']:.4f}..{box['north']:.4f} N, {box['west']:.4f}..{box['east']:.4f} E",
        "bytes": f"{about['bytes']:,}",
        "nodes": f"{about['nodes']:,} junctions",
        "segments": f"{about['segments']:,}, {about['road_km']:,} km of road in {about['components']:,} components",
        "arcs": f"{about['arcs']:,}",
        "states, turns": f"{about['states']:,}, {about['turns']:,}",
        **{f"extract: {key.replace('_', ' ')}": f"{value:,}" for key, value in extract.items()},
    }
    for name, value in rows.items():
        print(f"{name:<40}{value}")
    return EXIT_DONE


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


# -------------------------------------------------------------------------------------------------------- tiles


def _tiles(options: argparse.Namespace) -> int:
    if not options.output.absolute().parent.is_dir():
        raise CommandError(f"{options.output}: its folder does not exist; make it first")
    started_ns = monotonic_ns()

    def progress(words: str) -> None:
        print(f"{(monotonic_ns() - started_ns) / 1e9:7.1f} s  {words}", file=sys.stderr, flush=True)

    progress(f"reading {options.extract}")
    found = survey(options.extract, has_buildings=not options.no_buildings)
    about = build_tiles(found, options.output, options.extract.name, progress)
    progress(f"wrote {options.output}: {options.output.stat().st_size:,} bytes")
    if options.json:
        print(json.dumps(about, ensure_ascii=False))
    return EXIT_DONE


# ------------------------------------------------------------------------------------------------ nearest, matrix


def _nearest(options: argparse.Namespace) -> int:
    if options.n < 1:
        raise CommandError(f"-n {options.n}: ask for at least one unit")
    lat_e7, lon_e7 = _position(options.at.split(","), "--at")
    rows = _json_list(options.units, "--units")
    roads = Roads.open(options.file)
    seen: set[str] = set()
    for number, row in enumerate(rows):
        where = f"{options.units}: [{number}]"
        if not isinstance(row, dict) or not isinstance(row.get("unit"), str) or not row["unit"]:
            raise CommandError(f'{where}: expected an object with "unit" (a text), "lat" and "lon"')
        unit = row["unit"]
        if unit in seen:
            raise CommandError(f"{where}: unit {unit!r} stands in the list twice")
        seen.add(unit)
        course = row.get("course_deg")
        if not roads.unit_set(unit, *_position((row.get("lat"), row.get("lon")), where), None if course is None else _number(course, where)):
            print(f"unit {unit}: off the map, no road near", file=sys.stderr)
    found = roads.nearest(lat_e7, lon_e7, options.n, settled_max=0)
    _print_list({"unit": one.unit_id, "travel_s": one.travel_s, "distance_m": one.distance_m} for one in found)
    return EXIT_DONE if found else EXIT_NO


def _matrix(options: argparse.Namespace) -> int:
    rows = _json_list(options.pairs, "--pairs")
    pairs = []
    for number, row in enumerate(rows):
        where = f"{options.pairs}: [{number}]"
        if not isinstance(row, list) or len(row) != 4:
            raise CommandError(f"{where}: expected [from_lat, from_lon, to_lat, to_lon]")
        pairs.append((*_position(row[:2], where), *_position(row[2:], where)))
    roads = Roads.open(options.file)
    _print_list(_travel(roads, pair) for pair in pairs)
    return EXIT_DONE


def _travel(roads: Roads, pair: tuple[int, int, int, int]) -> dict[str, float] | None:
    try:
        found = roads.travel(*pair)
    except OutsideMap:
        return None
    return None if found is None else {"travel_s": found.travel_s, "distance_m": found.distance_m}


def _json_list(name: str, option: str) -> list[object]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        rows = json.loads(text)
    except OSError as error:
        raise CommandError(f"{option} {name}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{option} {name}: not JSON: {error}") from error
    if not isinstance(rows, list):
        raise CommandError(f"{option} {name}: expected a JSON list")
    return rows


def _position(pair: Iterable[object], where: str) -> tuple[int, int]:
    """(lat_e7, lon_e7) of a latitude and a longitude in degrees."""
    words = list(pair)
    if len(words) != 2:
        raise CommandError(f"{where}: expected a latitude and a longitude, such as 51.054,3.721")
    lat, lon = (_number(word, where) for word in words)
    if not (-90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0):
        raise CommandError(f"{where}: not a position: latitude is -90 to 90 and comes first, longitude -180 to 180")
    return round(lat * 1e7), round(lon * 1e7)


def _number(word: object, where: str) -> float:
    try:
        if isinstance(word, str | int | float) and not isinstance(word, bool):
            return float(word)
    except (ValueError, OverflowError):
        pass
    raise CommandError(f"{where}: expected numbers in degrees")


def _print_list(rows: Iterable[object]) -> None:
    """A JSON list, a row a line, each as soon as it is known."""
    separator = "["
    for row in rows:
        print(f"{separator}{json.dumps(row)}", end="", flush=True)
        separator = ",\n "
    print("[]" if separator == "[" else "]")
