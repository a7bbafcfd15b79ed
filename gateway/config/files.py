"""What the files that a configuration names must hold: secrets, certificates, numbers, areas.

Each reader returns what is wrong in words, or nothing. No reader repeats what a file holds: it may be a secret.
"""

import base64
import binascii
import json
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gateway.config.limits import FileKind

FILE_BYTES_MAX = 256 * 1024 * 1024
"Areas of a whole country at full detail are below 100 MiB."

_PATH_SECRET = re.compile(r"[A-Za-z0-9_-]{16,200}")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_PRIVATE = {FileKind.SECRET, FileKind.WEBHOOK_SECRET, FileKind.PATH_SECRET, FileKind.NUMBERS, FileKind.KEY}


def wrong_with_file(path: Path, kind: FileKind) -> str | None:
    """Why this file can't be used as what it is configured for; None when it can. Of an area only whether it can be read."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None if kind is FileKind.FOLDER else f"{path} is not there; make it or correct the path"
    except (OSError, ValueError) as error:
        return f"{path} can't be reached ({_cause(error)}); correct the path or the rights of its folders"
    if kind is FileKind.FOLDER:
        return None if stat.S_ISDIR(mode) else f"{path} is not a folder; name another one"
    if not stat.S_ISREG(mode):
        return f"{path} is not a file; name one"
    if kind in _PRIVATE and mode & stat.S_IRWXO:
        return f"everybody on this machine may read or change {path}; chmod o= it, and change what it holds if strangers had access"
    if kind is FileKind.PROGRAM:
        return None if mode & 0o111 else f"{path} may not be run; chmod +x it"
    if kind is FileKind.ANY:
        return _wrong_first_bytes(path)
    return _wrong_content(path, kind)


def wrong_with_areas(path: Path, area_filters: Sequence[str | None]) -> list[str | None]:
    """The same for an area file, an answer a filter; the file is read once, for it may hold a whole country."""
    wrong = wrong_with_file(path, FileKind.AREA)
    answers = [wrong] * len(area_filters) if wrong else wrong_with_area_text(path.read_text("utf-8-sig"), area_filters)
    return [f"{path}: {answer}" if answer and not wrong else answer for answer in answers]


def _wrong_first_bytes(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return None if file.read(1) else f"{path} is empty; make it again"
    except OSError as error:
        return _unreadable(path, error)


def _wrong_content(path: Path, kind: FileKind) -> str | None:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            return f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB; this is hardly the right file"
        text = path.read_text("utf-8-sig")
    except OSError as error:
        return _unreadable(path, error)
    except UnicodeDecodeError:
        return f"{path} is not text in UTF-8; this is hardly the right file"
    if not text.strip():
        return f"{path} is empty; put its content in"
    wrong = _READERS[kind](text.strip()) if kind in _READERS else None
    return f"{path}: {wrong}" if wrong else None


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path} can't be read ({_cause(error)}); give the gateway's user the right to"


def _cause(error: Exception) -> str:
    return (getattr(error, "strerror", None) or type(error).__name__).lower()


# -------------------------------------------------------------------------------------------------- secrets


def _wrong_secret(text: str) -> str | None:
    return "holds more than one line; a secret is one line" if len(text.splitlines()) > 1 else None


def _wrong_webhook_secret(text: str) -> str | None:
    if len(text.splitlines()) > 1:
        return "holds more than one line; put each secret into a file of its own"
    if not text.startswith("whsec_"):
        return "is no Standard Webhooks secret: it must begin with whsec_; ask the centre for one or make one with `gateway init`"
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return "is no Standard Webhooks secret: what follows whsec_ is not base64; copy it again"
    if not 24 <= len(secret) <= 64:
        return f"is no Standard Webhooks secret: it has {len(secret)} bytes; 24 to 64 are allowed"
    return None


def _wrong_path_secret(text: str) -> str | None:
    if not _PATH_SECRET.fullmatch(text):
        return "is no secret of a bridge; use 16 to 200 of A-Z a-z 0-9 _ - in one line"
    return None


def _wrong_numbers(text: str) -> str | None:
    for position, line in enumerate(text.splitlines(), 1):
        number = line.partition("#")[0].replace(" ", "")
        if number and not _NUMBER.fullmatch(number):
            return f"line {position} is no telephone number; write it as +32470000000"
    if not any(line.partition("#")[0].strip() for line in text.splitlines()):
        return "holds no telephone number; write one a line as +32470000000"
    return None


def _wrong_certificate(text: str) -> str | None:
    if "-----BEGIN CERTIFICATE-----" not in text:
        return "holds no certificate; a PEM file has a line -----BEGIN CERTIFICATE-----"
    return None


def _wrong_key(text: str) -> str | None:
    if not re.search(r"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----", text):
        return "holds no private key; a PEM file has a line -----BEGIN PRIVATE KEY-----"
    if "ENCRYPTED" in text:
        return "holds a key behind a passphrase, which nobody can type at night; remove the passphrase"
    return None


_READERS: dict[FileKind, Callable[[str], str | None]] = {
    FileKind.SECRET: _wrong_secret,
    FileKind.WEBHOOK_SECRET: _wrong_webhook_secret,
    FileKind.PATH_SECRET: _wrong_path_secret,
    FileKind.NUMBERS: _wrong_numbers,
    FileKind.CERTIFICATE: _wrong_certificate,
    FileKind.KEY: _wrong_key,
}


# ---------------------------------------------------------------------------------------------------- areas


def wrong_with_area_text(text: str, area_filters: Sequence[str | None]) -> list[str | None]:
    """Why a GeoJSON text can't say which centre answers for a place, an answer a filter."""
    try:
        features = list(_features(json.loads(text)))
    except ValueError as error:
        return [f"is not JSON ({error}); export it again"] * len(area_filters)
    except RecursionError:
        return ["is nested too deeply to be GeoJSON; export it again"] * len(area_filters)
    if not features:
        wrong = "is not GeoJSON with polygons; it needs a Polygon, a MultiPolygon, or features with them"
        return [wrong] * len(area_filters)
    return [_wrong_features(features, area_filter) for area_filter in area_filters]


def _wrong_features(features: list[dict[str, object]], area_filter: str | None) -> str | None:
    chosen = [(position, feature) for position, feature in enumerate(features) if area_filter is None or _matches(feature, area_filter)]
    if not chosen:
        return f"has no feature with {area_filter}; correct area_filter"
    for position, feature in chosen:
        wrong = _wrong_geometry(feature.get("geometry"))
        if wrong:
            return f"feature {position} {wrong}; export the area again"
    return None


def _features(document: object) -> Iterator[dict[str, object]]:
    if not isinstance(document, dict):
        return
    if document.get("type") == "FeatureCollection" and isinstance(document.get("features"), list):
        yield from (feature for feature in document["features"] if isinstance(feature, dict))
    elif document.get("type") == "Feature":
        yield document
    elif document.get("type") in ("Polygon", "MultiPolygon"):
        yield {"type": "Feature", "properties": {}, "geometry": document}


def _matches(feature: dict[str, object], area_filter: str) -> bool:
    name, _, value = area_filter.partition("=")
    properties = feature.get("properties")
    return isinstance(properties, dict) and name.strip() in properties and str(properties[name.strip()]) == value.strip()


def _wrong_geometry(geometry: object) -> str | None:
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        found = geometry.get("type") if isinstance(geometry, dict) else None
        return f"is no Polygon or MultiPolygon but {found if isinstance(found, str) else 'none'}"
    coordinates = geometry.get("coordinates")
    polygons = coordinates if geometry["type"] == "MultiPolygon" else [coordinates]
    if not isinstance(polygons, list) or not polygons:
        return "has no coordinates"
    for polygon in polygons:
        if not isinstance(polygon, list) or not polygon:
            return "has a polygon without rings"
        for ring in polygon:
            wrong = _wrong_ring(ring)
            if wrong:
                return wrong
    return None


def _wrong_ring(ring: object) -> str | None:
    if not isinstance(ring, list) or len(ring) < 4:
        return "has a ring of fewer than four points"
    for point in ring:
        if not isinstance(point, list) or len(point) < 2 or not all(isinstance(value, int | float) for value in point[:2]):
            return "has a point that is not two numbers"
        lon, lat = point[:2]
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            return "has a point that is not on earth; degrees are expected, longitude first"
    if ring[0][:2] != ring[-1][:2]:
        return "has a ring that does not end where it began"
    return None
