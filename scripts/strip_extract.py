"""Rewrite an OSM extract (.osm.pbf) without what says who edited it: names, ids, changesets, times, notes.

    python scripts/strip_extract.py FROM.osm.pbf TO.osm.pbf

The built-in city of the demo was made with it. Geometry, ids and every other tag stay as they were; strings that
nothing uses any more are not carried along, because the table of a block also holds its editors' names.
"""

import struct
import sys
import zlib
from collections.abc import Iterator, MutableSequence
from pathlib import Path

from pyroutelib3.osm.pbf import fileformat_pb2, osmformat_pb2

DROPPED = ("note", "fixme", "source", "created_by", "phone", "fax", "email", "website", "contact:", "opening_hours")
"Tags (and everything below them) that say nothing about roads or the map, and may name a person."


def is_dropped(key: str) -> bool:
    return any(key == name or key.startswith(name if name.endswith(":") else name + ":") for name in DROPPED)


class Strings:
    """The string table of one block, rebuilt from what is still used."""

    def __init__(self, old: list[bytes]) -> None:
        self.old = old
        self.new: dict[bytes, int] = {b"": 0}  # index 0 ends a list of dense tags

    def moved(self, index: int) -> int:
        return self.new.setdefault(self.old[index], len(self.new))

    def tags(self, keys: list[int], values: list[int]) -> Iterator[tuple[int, int]]:
        for key, value in zip(keys, values, strict=True):
            if not is_dropped(self.old[key].decode()):
                yield self.moved(key), self.moved(value)

    def retag(self, feature: osmformat_pb2.Way | osmformat_pb2.Relation | osmformat_pb2.Node) -> None:
        kept = list(self.tags(list(feature.keys), list(feature.vals)))
        feature.keys[:] = [key for key, _ in kept]
        feature.vals[:] = [value for _, value in kept]
        feature.ClearField("info")

    def retag_dense(self, flat: MutableSequence[int]) -> list[int]:
        kept, position = [], 0
        while position < len(flat):
            if flat[position] == 0:
                kept.append(0)
                position += 1
                continue
            for pair in self.tags([flat[position]], [flat[position + 1]]):
                kept += pair
            position += 2
        return kept


def stripped(raw: bytes) -> bytes:
    """One data block without its editors."""
    block = osmformat_pb2.PrimitiveBlock.FromString(raw)
    strings = Strings(list(block.stringtable.s))
    for group in block.primitivegroup:
        group.ClearField("changesets")
        if group.HasField("dense"):
            group.dense.ClearField("denseinfo")
            group.dense.keys_vals[:] = strings.retag_dense(group.dense.keys_vals)
        for feature in (*group.nodes, *group.ways, *group.relations):
            strings.retag(feature)
        for relation in group.relations:
            relation.roles_sid[:] = [strings.moved(index) for index in relation.roles_sid]
    block.stringtable.s[:] = list(strings.new)
    return block.SerializeToString()


def blocks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every block of the file: its kind and its bytes."""
    offset = 0
    while offset < len(data):
        (length,) = struct.unpack_from("!L", data, offset)
        header = fileformat_pb2.BlobHeader.FromString(data[offset + 4 : offset + 4 + length])
        offset += 4 + length
        blob = fileformat_pb2.Blob.FromString(data[offset : offset + header.datasize])
        offset += header.datasize
        yield header.type, blob.raw or zlib.decompress(blob.zlib_data)


def packed(kind: str, raw: bytes) -> bytes:
    blob = fileformat_pb2.Blob(raw_size=len(raw), zlib_data=zlib.compress(raw, 9)).SerializeToString()
    header = fileformat_pb2.BlobHeader(type=kind, datasize=len(blob)).SerializeToString()
    return struct.pack("!L", len(header)) + header + blob


def header_of(raw: bytes) -> bytes:
    old = osmformat_pb2.HeaderBlock.FromString(raw)
    new = osmformat_pb2.HeaderBlock(required_features=old.required_features, source="OpenStreetMap contributors, ODbL 1.0")
    if old.HasField("bbox"):
        new.bbox.CopyFrom(old.bbox)
    return new.SerializeToString()


def main(source: str, target: str) -> None:
    parts = [packed(kind, header_of(raw) if kind == "OSMHeader" else stripped(raw)) for kind, raw in blocks(Path(source).read_bytes())]
    Path(target).write_bytes(b"".join(parts))


if __name__ == "__main__":
    main(*sys.argv[1:])
