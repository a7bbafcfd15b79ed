"""Teltonika: any elements beside the panic element, any of them named as the event."""

import struct

from hypothesis import strategies as st

from gateway.protocols.octets import crc16_arc
from tests.property.presses import Messages
from tests.vectors.sheets import NOW_US


@st.composite
def press(draw: st.DrawFn) -> Messages:
    """The panic event, with any other elements of one byte beside it; the record's own event may be any of them."""
    others = draw(st.dictionaries(st.integers(1, 255).filter(lambda element: element != 236), st.integers(0, 255), max_size=12))
    elements = list({**others, 236: 1}.items())
    event = draw(st.sampled_from([element for element, _ in elements]))
    values = b"".join(bytes(element) for element in draw(st.permutations(elements)))
    record = struct.pack(">QBiiHHBH", NOW_US // 1000, draw(st.integers(0, 2)), 37_212_345, 510_543_210, 8, 271, 9, 4)
    record += bytes((event, len(elements), len(elements))) + values + bytes(3)
    data = b"\x08\x01" + record + b"\x01"
    packet = struct.pack(">II", 0, len(data)) + data + struct.pack(">I", crc16_arc(data))
    return "tcp", [b"\x00\x0f001012600000010", packet]
