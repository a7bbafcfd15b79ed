"""The road index file: one header, then flat arrays that are searched as they lie on disk.

    bytes     what
    8         magic  89 'R' 'O' 'A' 'D' 'S' 0d 0a
    4         byte order mark 01020304, written as the machine keeps integers
    4         format version
    8         size of the whole file
    8         size of the header text
    32        BLAKE2b-256 over the 32 bytes above and the header text
    n         header text: JSON, padded with spaces to a multiple of 64
    ...       sections, each padded with zeros to a multiple of 64

The JSON holds ``about`` (what ``gateway roads info`` shows) and ``sections``: name, element type, count, offset and
the BLAKE2b-128 of each section with its padding. Every byte of the file is under a checksum.
"""

import hashlib
import json
import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import RoadsError

MAGIC = b"\x89ROADS\r\n"
"Not text, and changed by every transfer that mends line ends."
FORMAT_VERSION = 1
BYTE_ORDER = 0x01020304
HEADER_BYTES_MAX = 1 << 20
ALIGN = 64

_PREAMBLE = struct.Struct("=8sIIQQ")
_DIGEST_BYTES = 32
_START = _PREAMBLE.size + _DIGEST_BYTES

SECTIONS = {
    # name: (element type, columns)
    "points": ("i", 2),  # lat_e7, lon_e7 of all segments one after the other
    "segment_points": ("I", 1),  # segment -> its first point; one more at the end
    "segment_arcs": ("i", 2),  # segment -> forward arc, backward arc; -1 closed
    "segment_junctions": ("I", 2),  # segment -> tail, head
    "segment_length_cm": ("I", 1),
    "segment_way": ("q", 1),  # OSM way id
    "segment_component": ("I", 1),
    "segment_flags": ("B", 1),  # reach.MAIN, reach.ISLAND
    "arc_segment": ("I", 1),  # arc -> segment * 2 + is_backward
    "state_ticks": ("I", 1),  # state -> time of its arc, 1/10 ms; arcs first, then copies
    "copy_arc": ("I", 1),  # copy -> arc, ascending
    "before": ("I", 1),  # state -> first of the turns that lead into it; one more at the end
    "turns": ("I", 2),  # state that the turn comes from, extra ticks
    "grid_frame": ("i", 1),  # south, west, cell height, cell width, rows, columns
    "grid_cells": ("I", 1),  # cell -> its first piece; one more at the end
    "grid_pieces": ("I", 2),  # segment, point where the piece begins
}
_BYTES = {"i": 4, "I": 4, "q": 8, "B": 1}


@dataclass(frozen=True, slots=True)
class Index:
    """A file that has been looked at: what it says about itself, and its arrays."""

    about: Mapping[str, object]
    sections: Mapping[str, memoryview]
    size_bytes: int


def pack(about: Mapping[str, object], sections: "Mapping[str, array[int]]") -> list[bytes]:
    """The file as chunks to be written one after the other. The same arguments give the same bytes."""
    assert sections.keys() == SECTIONS.keys()
    bodies: list[bytes] = []
    for name, (code, _) in SECTIONS.items():
        assert sections[name].typecode == code and sections[name].itemsize == _BYTES[code], name
        body = sections[name].tobytes()
        bodies.append(body + bytes(-len(body) % ALIGN))
    rows = [
        {"name": name, "type": code, "count": len(sections[name]), "bytes": len(body), "digest": _digest(body, 16)}
        for (name, (code, _)), body in zip(SECTIONS.items(), bodies, strict=True)
    ]
    text = json.dumps({"about": about, "sections": rows}, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(_START + len(text)) % ALIGN)
    total = _START + len(text) + sum(map(len, bodies))
    preamble = _PREAMBLE.pack(MAGIC, BYTE_ORDER, FORMAT_VERSION, total, len(text))
    return [preamble, hashlib.blake2b(preamble + text, digest_size=_DIGEST_BYTES).digest(), text, *bodies]


def unpack(data: memoryview, *, verify: bool = True) -> Index:
    """The index in ``data`` (the whole file). Its numbers still have to be checked against each other by the engine.

    ``verify``: also compare the checksum of every section (about 1 s per GB).
    Raises: RoadsError: what was expected and what was found.
    """
    text = _header(data)
    try:
        header = json.loads(text)
        about, rows = header["about"], header["sections"]
        table = [(row["name"], row["type"], row["count"], row["bytes"], row["digest"]) for row in rows]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RoadsError("damaged: the header text cannot be read") from error
    if not isinstance(about, dict) or [row[:2] for row in table] != [(name, code) for name, (code, _) in SECTIONS.items()]:
        raise RoadsError("damaged: the table of sections is not that of this format version")
    sections: dict[str, memoryview] = {}
    offset = _START + len(text)
    for name, code, count, size, digest in table:
        columns = SECTIONS[name][1]
        if not _is_count(count) or not _is_count(size) or count % columns or size != -(-count * _BYTES[code] // ALIGN) * ALIGN:
            raise RoadsError(f"damaged: section {name}: {count} elements do not fill {size} bytes")
        if size > len(data) - offset:
            raise RoadsError(f"damaged: section {name} reaches past the end of the file")
        body = data[offset : offset + size]
        if verify and _digest(body, 16) != digest:
            raise RoadsError(f"damaged: section {name} does not carry its checksum")
        sections[name] = body[: count * _BYTES[code]].cast(code)
        offset += size
    if offset != len(data):
        raise RoadsError(f"damaged: sections end at byte {offset}, the file at {len(data)}")
    return Index(about, sections, len(data))


def _header(data: memoryview) -> bytes:
    if len(data) < _START:
        raise RoadsError(f"not a road index: {len(data)} bytes are too few for a header of {_START}")
    magic, order, version, total, text_bytes = _PREAMBLE.unpack_from(data)
    if magic != MAGIC:
        raise RoadsError("not a road index: it does not begin with the mark of one")
    if order != BYTE_ORDER:
        raise RoadsError("made on a machine of the other byte order; build it here with `gateway roads build`")
    if version != FORMAT_VERSION:
        raise RoadsError(f"format version {version}, this gateway reads {FORMAT_VERSION}; build it again with `gateway roads build`")
    if total != len(data):
        raise RoadsError(f"damaged: its header says {total} bytes, it has {len(data)}; copy or build it again")
    if text_bytes > min(HEADER_BYTES_MAX, len(data) - _START):
        raise RoadsError(f"damaged: a header text of {text_bytes} bytes")
    text = bytes(data[_START : _START + text_bytes])
    found = hashlib.blake2b(bytes(data[: _PREAMBLE.size]) + text, digest_size=_DIGEST_BYTES).digest()
    if found != data[_PREAMBLE.size : _START]:
        raise RoadsError("damaged: the header does not carry its checksum; copy or build it again")
    return text


def _digest(body: bytes | memoryview, size: int) -> str:
    return hashlib.blake2b(body, digest_size=size).hexdigest()


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40
