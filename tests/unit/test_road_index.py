"""A damaged, foreign or malicious road index is refused with words, and never read out of bounds."""

import hashlib
import json
import struct
from array import array
from random import Random

import pytest

from gateway.errors import RoadsError
from gateway.router import index
from gateway.router.roads import Roads
from tests.road_town import grid_town, index_bytes


def town():
    """A grid, and beside it a street with a U-turn over a link that is forbidden: its index has a copied state."""
    whole = grid_town(5)
    for name, x_m, y_m in (("p", 900, 0), ("q", 1000, 0), ("r", 1000, 50), ("s", 900, 50)):
        whole.node(name, x_m, y_m)
    return whole.way("pq", "pq").way("qr", "qr").way("rs", "rs").restriction("no_u_turn", "pq", ["qr"], "rs")


WHOLE = index_bytes(town().xml())
HEADER_BYTES = 64 + struct.unpack_from("=Q", WHOLE, 24)[0]


def opened(data):
    return Roads(index.unpack(memoryview(data)))


def test_the_whole_file_is_accepted():
    assert opened(WHOLE).info()["bytes"] == len(WHOLE)


def test_every_byte_of_the_header_is_guarded():
    for place in range(0, HEADER_BYTES):
        damaged = bytearray(WHOLE)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(RoadsError):
            index.unpack(memoryview(damaged), verify=False)


def test_every_byte_of_the_sections_is_guarded():
    dice = Random(7)
    for place in dice.sample(range(HEADER_BYTES, len(WHOLE)), 600):
        damaged = bytearray(WHOLE)
        damaged[place] ^= dice.randrange(1, 256)
        with pytest.raises(RoadsError, match="does not carry its checksum"):
            opened(damaged)


@pytest.mark.parametrize("length", [0, 1, 31, 63, 64, 65, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 1, len(WHOLE) - 1])
def test_a_file_that_was_cut_short_is_refused(length):
    with pytest.raises(RoadsError):
        opened(WHOLE[:length])


def test_a_file_that_grew_is_refused():
    with pytest.raises(RoadsError, match="its header says"):
        opened(WHOLE + bytes(64))


@pytest.mark.parametrize(
    ("offset", "field", "words"),
    [(0, b"PK\x03\x04PK\x03\x04", "not a road index"), (8, b"\x01\x02\x03\x04", "other byte order"), (12, b"\x63\0\0\0", "format version 99")],
)
def test_another_file_is_told_apart(offset, field, words):
    with pytest.raises(RoadsError, match=words):
        opened(WHOLE[:offset] + field + WHOLE[offset + len(field) :])


def test_the_path_is_in_the_message_and_the_file_may_be_missing_or_empty(tmp_path):
    for name, content, words in (("cut.roads", WHOLE[:-3], "bytes, it has"), ("empty.roads", b"", "too few"), ("text", b"x" * 999, "not a road")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RoadsError, match=f"{name}: .*{words}"):
            Roads.open(tmp_path / name)
    for missing in (tmp_path / "none.roads", tmp_path):
        with pytest.raises(RoadsError, match="gateway roads build"):
            Roads.open(missing)


# ------------------------------------------------------------------------- checksums in order, contents malicious


def parts():
    whole = index.unpack(memoryview(WHOLE))
    return dict(whole.about), {name: array(index.SECTIONS[name][0], section.tobytes()) for name, section in whole.sections.items()}


def repacked(change):
    about, sections = parts()
    change(sections)
    return b"".join(index.pack(about, sections))


def test_a_file_packed_again_is_the_same():
    assert repacked(lambda sections: None) == WHOLE


def setter(name, place, value):
    def change(sections):
        sections[name][place] = value

    return change


def popper(name):
    def change(sections):
        for _ in range(index.SECTIONS[name][1]):
            sections[name].pop()

    return change


@pytest.mark.parametrize("name", index.SECTIONS)
def test_a_section_that_is_too_short_is_refused(name):
    with pytest.raises(RoadsError, match="damaged"):
        opened(repacked(popper(name)))


@pytest.mark.parametrize("name", index.SECTIONS)
def test_an_empty_section_is_refused(name):
    def change(sections):
        del sections[name][:]

    with pytest.raises(RoadsError, match="damaged"):
        opened(repacked(change))


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("points", 0, 900_000_001), ("points", 1, -1_800_000_001), ("segment_points", 0, 1), ("segment_points", 1, 1), ("segment_points", 3, 0),
        ("segment_points", -1, 2**32 - 1), ("segment_arcs", 0, 10**9), ("segment_arcs", 0, -2), ("segment_arcs", 0, -1), ("segment_arcs", 1, 0),
        ("segment_component", 0, 10**6), ("arc_segment", 0, 2**32 - 1), ("arc_segment", 0, 5), ("state_ticks", 0, 0x7F000000),
        ("state_ticks", -1, 2**32 - 1), ("copy_arc", 0, 2**32 - 1), ("before", 0, 1), ("before", 2, 10**6), ("before", -1, 10**6),
        ("turns", 0, 10**6), ("turns", 1, 0x7F000000), ("grid_frame", 2, 0), ("grid_frame", 3, -1), ("grid_frame", 4, 0),
        ("grid_frame", 5, 2**31 - 1), ("grid_cells", 1, 10**6), ("grid_cells", 0, 3), ("grid_pieces", 0, 10**6), ("grid_pieces", 1, 10**6),
        ("grid_pieces", 1, 2**32 - 1),
    ],
)  # fmt: skip
def test_a_number_that_points_out_of_bounds_is_refused(name, place, value):
    with pytest.raises(RoadsError, match="damaged: section"):
        opened(repacked(setter(name, place, value)))


def test_random_numbers_in_any_section_are_refused_or_harmless():
    dice = Random(11)
    for _ in range(400):
        name = dice.choice(list(index.SECTIONS))
        about, sections = parts()
        section = sections[name]
        low, high = {"i": (-(2**31), 2**31), "I": (0, 2**32), "q": (-(2**63), 2**63), "B": (0, 256)}[index.SECTIONS[name][0]]
        near = [0, 1, len(section), *range(5)]
        for _ in range(3):
            section[dice.randrange(len(section))] = dice.choice([dice.randrange(low, high), dice.choice(near), high - 1])
        try:
            roads = opened(b"".join(index.pack(about, sections)))
        except RoadsError:
            continue
        south, west, north, east = roads.bbox
        for number in range(30):
            spot = (dice.randrange(south, north), dice.randrange(west, east))
            if roads.unit_set(f"u{number % 7}", *spot):
                roads.nearest(*spot, 5)
                roads.path(*spot, (south + north) // 2, (west + east) // 2)


def with_header(change):
    """The file with another header text, checksum in order."""
    header = json.loads(WHOLE[64:HEADER_BYTES])
    text = change(header)
    body = WHOLE[HEADER_BYTES:]
    text = text if isinstance(text, bytes) else json.dumps(header).encode()
    preamble = WHOLE[:16] + struct.pack("=QQ", 64 + len(text) + len(body), len(text))
    return preamble + hashlib.blake2b(preamble + text, digest_size=32).digest() + text + body


@pytest.mark.parametrize(
    "change",
    [
        lambda header: b"[" * 100_000,
        lambda header: b"\xff\xfe",
        lambda header: b"{}",
        lambda header: b"[1, 2]",
        lambda header: header.update(about=[]),
        lambda header: header.update(sections={}),
        lambda header: header["sections"].pop(),
        lambda header: header["sections"].reverse(),
        lambda header: header["sections"][0].update(count=-2),
        lambda header: header["sections"][0].update(count=10**30),
        lambda header: header["sections"][0].update(count="4"),
        lambda header: header["sections"][0].update(count=True),
        lambda header: header["sections"][0].update(bytes=10**18, count=25 * 10**16),
        lambda header: header["sections"][0].update(type="q"),
        lambda header: header["about"].pop("data_version"),
        lambda header: header["about"].update(bbox=7),
    ],
)
def test_a_header_that_lies_is_refused(change):
    with pytest.raises(RoadsError):
        opened(with_header(change))
