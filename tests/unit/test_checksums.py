"""The sliced tables of the compiled room and the plain loops say the same; check values from the catalogue of CRCs."""

import random

import pytest

from gateway import _fastpath
from gateway.protocols import octets

REFERENCES = {
    "crc16_x25": (octets.crc16_x25, 0x906E),
    "crc16_arc": (octets.crc16_arc, 0xBB3D),
    "crc16_xmodem": (octets.crc16_xmodem, 0x31C3),
    "crc16_ccitt_false": (octets.crc16_ccitt_false, 0x29B1),
    "xor8": (octets.xor8, 0x31),
    "sum8": (octets.sum8, 0xDD),
}


@pytest.mark.parametrize("name", list(REFERENCES))
def test_kernel_and_reference_give_the_check_value(name: str) -> None:
    reference, check = REFERENCES[name]
    assert _fastpath.checksum(name, b"123456789") == reference(b"123456789") == check


@pytest.mark.parametrize("name", list(REFERENCES))
def test_kernel_and_reference_agree_at_every_length(name: str) -> None:
    dice = random.Random(7)
    for length in range(200):
        data = dice.randbytes(length)
        assert _fastpath.checksum(name, data) == REFERENCES[name][0](data)


def test_a_checksum_that_nobody_has_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        _fastpath.checksum("crc7", b"")
