"""``docs/journal-format.md`` is enough: a journal read by code that was written from the page and imports nothing of ours."""

import hashlib
import struct
from pathlib import Path
from random import Random

import msgpack
import pytest

from gateway.events import AlarmClosed, FrameKept, PositionReported
from gateway.sim.disk import SimDisk
from tests.journal_acts import close, commit, open_writer, some_drafts, some_event

# ------------------------------------------------------------- written from the page, and from nothing else


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc ^ 0xFFFFFFFF


def records_of(data: bytes, end: int, mark: int, last: int):
    at = 4096
    while at < end:
        magic, _, letter, flags, _, length, _, number, written_at, its_mark, checksum = struct.unpack_from(">HBcHHIIQQII", data, at)
        body = data[at + 40 : at + 40 + length]
        if magic != 0xE74A or its_mark != mark or crc32c(data[at : at + 36] + body) != checksum:
            return
        if letter != b"J":
            assert number > last
            last = number
            yield number, written_at, letter.decode(), msgpack.unpackb(body)
        else:
            seal = msgpack.unpackb(body)
            assert seal["chain"] == hashlib.sha256(data[:at]).digest()
        at += 40 + length


def read_journal(folder: dict[str, bytes]):
    files = sorted(name for name in folder if name.endswith(".seg"))
    heads = [folder[name][:4096] for name in files]
    for index, name in enumerate(files):
        data, head = folder[name], heads[index]
        assert head[:8] == b"GATEWAYJ"
        assert crc32c(head[:4092]) == struct.unpack_from(">I", head, 4092)[0]
        end = len(data)
        if index + 1 < len(files):
            end = struct.unpack_from(">Q", heads[index + 1], 56)[0]
            assert heads[index + 1][72:104] == hashlib.sha256(data[:end]).digest(), "the chain"
        (mark,), (last,) = struct.unpack_from(">I", head, 12), struct.unpack_from(">Q", head, 64)
        yield from records_of(data, end, mark, last)


# ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder() -> dict[str, bytes]:
    disk = SimDisk(Random(1))
    seq = 1
    for number, groups in enumerate((30, 5, 0, 110)):
        writer, recovery = open_writer(disk)
        seq = recovery.next_seq
        for _ in range(groups):
            commit(writer, some_drafts(seq, 5))
            seq += 5
        if number == 1:
            disk = disk.crash_image("none", Random(2))
        else:
            close(writer, disk, seq)
    return {name: disk.read(name, 0, disk.size(name)) for name in disk.list()}


def test_somebody_with_only_the_page_reads_everything(folder):
    found = list(read_journal(folder))
    assert len(found) == 5 * 145
    for number, written_at, letter, fields in found:
        event = some_event(number)
        assert (fields["t"], letter, written_at) == (type(event).__name__, "A", 1_774_000_000_000_000 + number % 1000)
        match event:
            case FrameKept():
                assert (fields["device"], fields["raw"], fields["trust"]) == (event.device, event.raw, "T2")
            case PositionReported():
                assert (fields["fix"]["lat_e7"], fields["fix"]["lon_e7"]) == (event.fix.lat_e7, event.fix.lon_e7)
            case AlarmClosed():
                assert fields["reason"] == event.reason


def test_the_page_finds_a_turned_bit(folder):
    for name in (name for name in folder if name.endswith(".seg")):
        damaged = bytearray(folder[name])
        damaged[5_000 % len(damaged)] ^= 4
        with pytest.raises(AssertionError):
            assert len(list(read_journal(folder | {name: bytes(damaged)}))) == 5 * 145


def test_the_page_names_every_number_that_the_code_has():
    page = (Path(__file__).parents[2] / "docs" / "journal-format.md").read_text(encoding="utf-8")
    for fact in ("GATEWAYJ", "e7 4a", "4092", "8,388,608", "1,048,576", "0xE3069283", "owner.json", "reserve"):
        assert fact in page
