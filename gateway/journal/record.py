"""The bytes of the journal: segment headers, records, seals, and the map inside a record.

The page for people who have only the bytes is ``docs/journal-format.md``; a test reads a journal with nothing but
that page. All numbers are big-endian. What never changes: the first 40 bytes of a record and the first 132 of a
header, in every version.
"""

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgpack

from gateway import _fastpath
from gateway.model import Urgency

Plain = None | bool | int | float | str | bytes | list["Plain"] | dict[str, "Plain"]
"What a record's body is made of."

HEADER_BYTES = 4096
"One page: a header is written whole or not at all on every disk we know; its checksum says which."
HEADER_MAGIC = b"GATEWAYJ"
FORMAT_VERSION = 1
RECORD_MAGIC = b"\xe7\x4a"
RECORD_HEAD_BYTES = 40
BODY_BYTES_MAX = 1 << 23
"Far above the largest event (an alert's body); a length beyond it is damage."
SEAL_CLASS = ord("J")
"The class of the journal's own record at the end of a segment."
FLAG_ENCRYPTED = 1
"The body is ciphertext under the key named in the record (reserved, reliability 7.2)."
CHAIN_BYTES = 32
NO_CHAIN = bytes(CHAIN_BYTES)
"The chain value before the first segment."

_HEADER = struct.Struct(">8sHHIQQQQQQQ32s24sI")
_MARKED = slice(16, 104)
"The fields of a header that its mark is made of: number, seq, time, size, predecessor, chain."
_NOTE_BYTES_MAX = HEADER_BYTES - _HEADER.size - 4
_HEAD = struct.Struct(">2sBBHHIIQQII")
_U32 = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Header:
    """The first page of a segment."""

    segment: int
    first_seq: int
    "The first number that a record of this segment may have."
    created_at_us: int
    segment_bytes: int
    "The size given to the file when it was made; it is shorter only after its seal or a recorded cut."
    previous_segment: int = 0
    "0: this is the first segment."
    previous_bytes: int = 0
    "How much of the previous segment counts: all of it with its seal, or up to where it was cut."
    previous_last_seq: int = 0
    chain: bytes = NO_CHAIN
    "SHA-256 of the first ``previous_bytes`` bytes of the previous segment, in which its own ``chain`` stands."
    version: str = ""
    "Of the gateway that made it."
    note: str = ""
    "JSON for people: what was found damaged or cut when this segment was begun."

    @property
    def mark(self) -> int:
        """Stands in every record of this segment, so that bytes from elsewhere are no records here. Never 0."""
        return _mark(self._fields())

    def _fields(self) -> bytes:
        version = self.version.encode()[:24]
        note = self.note.encode()
        return _HEADER.pack(
            HEADER_MAGIC, FORMAT_VERSION, HEADER_BYTES, 0, self.segment, self.first_seq, self.created_at_us, self.segment_bytes,
            self.previous_segment, self.previous_bytes, self.previous_last_seq, self.chain, version, len(note),
        )  # fmt: skip

    def pack(self) -> bytes:
        """The page. Raises ``ValueError`` for a note that does not fit."""
        note = self.note.encode()
        if len(note) > _NOTE_BYTES_MAX:
            raise ValueError(f"a header's note has at most {_NOTE_BYTES_MAX} bytes, this one has {len(note)}")
        fields = self._fields()
        page = (fields[:12] + _U32.pack(_mark(fields)) + fields[16:] + note).ljust(HEADER_BYTES - 4, b"\0")
        return page + _U32.pack(_fastpath.crc32c(page))


def _mark(fields: bytes) -> int:
    # The chain value makes it impossible to guess for somebody who only sends frames; 1 stands in for a zero.
    return int.from_bytes(hashlib.sha256(fields[_MARKED]).digest()[:4]) or 1


def read_header(data: bytes) -> Header | None:
    """The header in the first page of ``data``; None when it is damaged or of a format that we cannot know."""
    page = data[:HEADER_BYTES]
    if len(page) < HEADER_BYTES or page[:8] != HEADER_MAGIC:
        return None
    if _fastpath.crc32c(page[:-4]) != _U32.unpack_from(page, HEADER_BYTES - 4)[0]:
        return None
    _, _, _, _, segment, first_seq, created, size, previous, previous_bytes, previous_last, chain, version, note_bytes = _HEADER.unpack_from(page)
    note = page[_HEADER.size : _HEADER.size + min(note_bytes, _NOTE_BYTES_MAX)]
    return Header(
        segment, first_seq, created, size, previous, previous_bytes, previous_last, chain,
        version.rstrip(b"\0").decode(errors="replace"), note.decode(errors="replace"),
    )  # fmt: skip


def note_of(facts: dict[str, object]) -> str:
    """A header's note, cut to fit: lists lose their last entries until it does."""
    while len((text := json.dumps(facts, separators=(",", ":"))).encode()) > _NOTE_BYTES_MAX:
        longest = max((value for value in facts.values() if isinstance(value, list)), key=len, default=None)
        if not longest:
            return ""
        del longest[len(longest) // 2 :]
        facts["shortened"] = True
    return text


# -------------------------------------------------------------------------------------------------- records


class Record(NamedTuple):
    """A valid record as it stands on the disk."""

    offset: int
    seq: int
    at_us: int
    urgency: str
    "Class letter; ``J`` for the journal's own."
    version: int
    flags: int
    key_id: int
    body: bytes

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.offset + RECORD_HEAD_BYTES + len(self.body)


def pack_record(seq: int, at_us: int, urgency: Urgency, body: bytes, mark: int) -> bytes:
    """A record for the segment with this mark."""
    return _fastpath.seal_record(body, ord(urgency.value), 0, 0, seq, max(at_us, 0), mark)


def read_record(data: bytes, offset: int, mark: int, base: int = 0) -> Record | None:
    """The valid record at ``offset`` of ``data``, which begins at ``base`` of its file; None when there is none."""
    size = _fastpath.record_bytes(data, offset, mark)
    if not size:
        return None
    _, version, urgency, flags, _, _, key_id, seq, at_us, _, _ = _HEAD.unpack_from(data, offset)
    return Record(base + offset, seq, at_us, chr(urgency), version, flags, key_id, data[offset + RECORD_HEAD_BYTES : offset + size])


def mark_at(data: bytes, offset: int) -> int:
    """The mark of the valid record at ``offset`` whatever it is; 0 when there is no valid record."""
    return int(_U32.unpack_from(data, offset + 32)[0]) if _fastpath.record_bytes(data, offset, 0) else 0


def read_range(read: Callable[[int, int], bytes], start: int, end: int, mark: int, window: int = 1 << 18) -> Iterator[Record]:
    """The valid records from ``start`` to ``end``, through ``read(offset, length)``; stops where none begins."""
    base, data = start, b""
    at = start
    while at < end:
        record = read_record(data, at - base, mark, base)
        if record is None:
            wanted = min(end - at, max(window, _bytes_promised(data, at - base)))
            if base == at and len(data) >= wanted:
                return
            base, data = at, read(at, wanted)
            if len(data) < wanted:
                end = at + len(data)
            continue
        at = record.end
        yield record


def _bytes_promised(data: bytes, offset: int) -> int:
    """How long the record at ``offset`` says that it is, for a read that must hold all of it."""
    if len(data) - offset < 12:
        return RECORD_HEAD_BYTES
    return RECORD_HEAD_BYTES + min(int(_U32.unpack_from(data, offset + 8)[0]), BODY_BYTES_MAX)


# ------------------------------------------------------------------------------------------------------ seal


@dataclass(frozen=True, slots=True)
class Seal:
    """The footer of a segment that was closed in order."""

    offset: int
    end: int
    records: int
    last_seq: int
    chain: bytes
    "SHA-256 of everything before the seal."
    next_seq: int
    "The first number that was never given out; 0: the run went on, so numbers beyond ``last_seq`` were."


def pack_seal(records: int, last_seq: int, next_seq: int, chain: bytes, at_us: int, mark: int) -> bytes:
    """The footer of a segment."""
    body = pack_body({"t": "sealed", "records": records, "next_seq": next_seq, "chain": chain})
    return _fastpath.seal_record(body, SEAL_CLASS, 0, 0, last_seq, max(at_us, 0), mark)


def read_seal(record: Record) -> Seal | None:
    """The seal in a record of class ``J``; None when it is another thing of the journal's own."""
    body = unpack_body(record.body)
    match body:
        case {"t": "sealed", "records": int(records), "next_seq": int(next_seq), "chain": bytes(chain)} if len(chain) == CHAIN_BYTES:
            return Seal(record.offset, record.end, records, record.seq, chain, next_seq)
    return None


# ---------------------------------------------------------------------------------------------------- bodies


def pack_body(fields: dict[str, Plain]) -> bytes:
    """The MessagePack map of a body.

    Text may hold lone surrogates (a hostile SMS). A number that MessagePack has no room for is cut to the nearest
    one that it has: an alarm is not lost over an absurd field.
    """
    try:
        return bytes(msgpack.packb(fields, unicode_errors="surrogatepass"))
    except OverflowError:
        return bytes(msgpack.packb(_in_range(fields), unicode_errors="surrogatepass"))


def _in_range(value: Plain) -> Plain:
    if isinstance(value, int):
        return max(-(1 << 63), min(value, (1 << 64) - 1))
    if isinstance(value, dict):
        return {key: _in_range(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_in_range(inner) for inner in value]
    return value


def unpack_body(body: bytes) -> dict[str, Plain]:
    """The map in a body. One that is no map of ours comes out as ``{"t": "unreadable", "why": …, "bytes": …}``."""
    try:
        fields = msgpack.unpackb(body, unicode_errors="surrogatepass", strict_map_key=True)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        return {"t": "unreadable", "why": type(error).__name__, "bytes": body}
    if isinstance(fields, dict) and isinstance(fields.get("t"), str):
        return fields
    return {"t": "unreadable", "why": "no map with a name under t", "bytes": body}
