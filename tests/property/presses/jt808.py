"""JT/T 808: an alarm word of 32 bits, and the alarms of items behind it."""

import struct

from hypothesis import strategies as st

from gateway.protocols.octets import xor8
from tests.property.presses import Messages

PLACE = struct.pack(">IIIHHH", 3, 51_054_321, 3_725_012, 12, 45, 93) + bytes.fromhex("260309210311")


@st.composite
def press(draw: st.DrawFn) -> Messages:
    """SOS as bit 0 of the word, as a bit of item E7 or as a code of item E8, beside any other bits and items."""
    word = draw(st.integers(0, 2**32 - 1))
    e7, e8 = draw(st.integers(0, 0xFFFF)), draw(st.integers(0, 0xFFFF))
    match draw(st.sampled_from(["word", "e7", "e8"])):
        case "word":
            word |= 1
        case "e7":
            e7 |= draw(st.sampled_from([2, 4, 8]))
        case _:
            e8 = 0x0C01
    switches = struct.pack(">BBHHI", 0xEB, 8, 6, 0x0089, draw(st.integers(0, 2**32 - 1)))
    other = draw(st.binary(max_size=20).map(lambda value: bytes((draw(st.sampled_from([0x01, 0x31, 0x5D, 0xE1, 0xF7, 0xFE])), len(value))) + value))
    items = [struct.pack(">BBHHI", 0xE7, 8, e7, 0, 0), struct.pack(">BBH", 0xE8, 2, e8), switches, other]
    body = struct.pack(">I", word) + PLACE + b"".join(draw(st.permutations(items)))
    content = struct.pack(">HH", 0x0200, len(body)) + bytes.fromhex("0126000000140001") + body
    content += bytes((xor8(content),))
    return "tcp", [b"\x7e" + content.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"]
