"""Xexun's third protocol: an element for each alarm, beside any others."""

import struct

from hypothesis import strategies as st

from gateway.protocols.octets import crc16_ccitt_false
from tests.property.presses import Messages
from tests.vectors.sheets import NOW_US

NOW = struct.pack(">I", NOW_US // 1_000_000)


@st.composite
def press(draw: st.DrawFn) -> Messages:
    """An SOS element among other alarms and elements of any kind and length, in any order."""
    alarms = st.integers(0, 255).map(lambda number: b"\x69\x06" + NOW + bytes((number, 0)))
    others = st.tuples(st.integers(0, 255), st.binary(max_size=36)).map(lambda one: bytes((one[0], len(one[1]))) + one[1])
    elements = draw(st.permutations([b"\x69\x06" + NOW + b"\x01\x00", *draw(st.lists(alarms | others, max_size=6))]))
    body = b"\x03\x20" + bytes((draw(st.integers(0, 255)),)) + bytes.fromhex("0001012600000016") + b"".join(elements)
    return "tcp", [struct.pack(">BH", 0xFC, len(body)) + body + struct.pack(">HB", crc16_ccitt_false(body), 0xCF)]
