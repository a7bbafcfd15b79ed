"""Eview: an alarm word of 32 bits, in any of the records of a frame."""

import struct

from hypothesis import strategies as st

from gateway.protocols.octets import crc16_xmodem
from tests.property.presses import Messages
from tests.vectors.sheets import NOW_US


@st.composite
def press(draw: st.DrawFn) -> Messages:
    """SOS is bit 12 of the alarm word; all others are free, and so is whatever stands before and behind it."""
    alarm = struct.pack("<BBI", 5, 0x02, draw(st.integers(0, 2**32 - 1)) | 1 << 12)
    status = struct.pack("<BBII", 9, 0x24, NOW_US // 1_000_000, draw(st.integers(0, 2**32 - 1)))
    others = st.binary(max_size=24).map(lambda value: bytes((len(value) + 1,)) + b"\x20" + value)
    before, behind = draw(st.lists(others | st.just(status), max_size=3)), draw(st.lists(others | st.just(status), max_size=3))
    body = b"\x01\x10\x01001012600000016" + b"".join(before) + alarm + b"".join(behind)
    return "tcp", [struct.pack("<BBHHH", 0xAB, 0x10, len(body), crc16_xmodem(body), draw(st.integers(0, 0xFFFF))) + body]
