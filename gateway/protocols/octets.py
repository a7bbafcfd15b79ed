"""Bytes as every device protocol knows them: digits, dates and checksums, in plain Python.

This is the slow and readable half; the compiled twins have their own (``_fastpath_bytes.pxi``,
``_fastpath_checksums.pxi``), and the tests hold the two against each other.
"""

import binascii
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def u16be(data: bytes, at: int) -> int:
    """Two bytes, most significant first. The caller knows that they are there."""
    return data[at] << 8 | data[at + 1]


def u32be(data: bytes, at: int) -> int:
    """Four bytes, most significant first. The caller knows that they are there."""
    return int.from_bytes(data[at : at + 4], "big")


def full_year(two_digits: int) -> int | None:
    """00-69 are 20yy and 80-99 are 19yy (a receiver that counts from 1980); 70-79 mean nothing."""
    if 0 <= two_digits < 70:
        return 2000 + two_digits
    if 80 <= two_digits <= 99:
        return 1900 + two_digits
    return None


def civil_us(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
    """Unix microseconds of a civil time in UTC, or None when no calendar has it (leap seconds are not civil)."""
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return (moment - EPOCH) // timedelta(microseconds=1)


def civil_of(at_us: int) -> datetime:
    """The civil time in UTC of Unix microseconds."""
    return EPOCH + timedelta(microseconds=at_us)


def u16le(data: bytes, at: int) -> int:
    """Two bytes, least significant first."""
    return data[at] | data[at + 1] << 8


def u32le(data: bytes, at: int) -> int:
    """Four bytes, least significant first."""
    return int.from_bytes(data[at : at + 4], "little")


def i32le(data: bytes, at: int) -> int:
    """Four bytes with a sign, least significant first."""
    return int.from_bytes(data[at : at + 4], "little", signed=True)


def i32be(data: bytes, at: int) -> int:
    """Four bytes with a sign, most significant first."""
    return int.from_bytes(data[at : at + 4], "big", signed=True)


def bcd_digits(data: bytes) -> str | None:
    """Two decimal digits a byte, or None when a nibble is no digit."""
    digits = data.hex()
    return digits if digits.isdigit() else None


def luhn_holds(digits: str) -> bool:
    """The last digit is the check digit of the others (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def _reflected_table(polynomial: int) -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    return tuple(table)


_X25: Final = _reflected_table(0x8408)
_ARC: Final = _reflected_table(0xA001)


def crc16_x25(data: bytes) -> int:
    """CRC-16/IBM-SDLC (X.25): poly 0x1021 reflected, from 0xFFFF, inverted at the end. Check value 0x906E."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _X25[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFF


def crc16_arc(data: bytes) -> int:
    """CRC-16/ARC: poly 0x8005 reflected, from 0. Check value 0xBB3D."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ _ARC[(crc ^ byte) & 0xFF]
    return crc


def crc16_xmodem(data: bytes) -> int:
    """CRC-16/XMODEM: poly 0x1021, from 0. Check value 0x31C3."""
    return binascii.crc_hqx(data, 0)


def crc16_ccitt_false(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: poly 0x1021, from 0xFFFF. Check value 0x29B1."""
    return binascii.crc_hqx(data, 0xFFFF)


def xor8(data: bytes) -> int:
    """All bytes under exclusive or, as NMEA 0183, TAIP and JT/T 808 check."""
    check = 0
    for byte in data:
        check ^= byte
    return check


def sum8(data: bytes) -> int:
    """The sum of all bytes, its low eight bits."""
    return sum(data) & 0xFF
