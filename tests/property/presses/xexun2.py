"""Xexun's second protocol: an alarm word of 32 bits, in any of the records of a frame."""

import struct

from hypothesis import strategies as st

from gateway.protocols.xexun2 import MARK, checksum, stuffed
from tests.property.presses import Messages
from tests.vectors.sheets import NOW_US


@st.composite
def press(draw: st.DrawFn) -> Messages:
    """SOS is bit 0 of the alarm word; all others are free, and so are the place behind it and the records around it."""
    bits = draw(st.integers(0, 2**32 - 1)) | 1
    mask = draw(st.integers(0, 255)) | 1
    press = struct.pack(">BIBHBI", 1, NOW_US // 1_000_000, 20, draw(st.integers(0, 0xFFFF)), mask, bits) + draw(st.binary(max_size=40))
    records = draw(st.permutations([press, *draw(st.lists(st.binary(max_size=30), max_size=3))]))
    payload = bytes((len(records),)) + b"".join(struct.pack(">H", len(record)) for record in records) + b"".join(records)
    header = struct.pack(">HH", 0x14, draw(st.integers(0, 0xFFFF))) + bytes.fromhex("0010126000000160")
    return "tcp", [MARK + stuffed(header + struct.pack(">HH", len(payload), checksum(payload)) + payload) + MARK]
