"""Building GT06 frames for tests: blocks as the dossier lays them out, framed and checksummed."""

import struct

from gateway.protocols.octets import crc16_x25

IMEI = "001012371470588"
TIME = bytes((26, 3, 9, 13, 3, 11))
CELL = bytes.fromhex("00ce0104d200ddd5")


def frame(kind: int, content: bytes = b"", serial: int = 2, *, long: bool = False, spoil: int = 0) -> bytes:
    """A whole frame; ``spoil`` is turned into the checksum."""
    length = struct.pack(">H" if long else ">B", 5 + len(content))
    body = length + bytes((kind,)) + content + struct.pack(">H", serial)
    return (b"\x79\x79" if long else b"\x78\x78") + body + struct.pack(">H", crc16_x25(body) ^ spoil) + b"\r\n"


def login(imei: str = IMEI, zone: int | None = None) -> bytes:
    """A login; ``zone`` is the word of hours, minutes and sign."""
    return frame(0x01, bytes.fromhex("0" + imei) + (b"" if zone is None else b"\x20\x01" + struct.pack(">H", zone)), 1)


def gps(time: bytes = TIME, lat: int = 91_897_779, lon: int = 6_698_218) -> bytes:
    """A GPS block with a valid fix, north and east."""
    return time + b"\xc9" + struct.pack(">IIBH", lat, lon, 4, 0x1400 | 271)


def status(bits: int = 0, code: int = 0) -> bytes:
    """A status block with alarm bits and an alarm byte."""
    return bytes((0x44 | bits << 3, 6, 4, code, 2))


def alarm(kind: int, bits: int, code: int) -> bytes:
    """An alarm frame of any of the six types that carry a status block, or a heartbeat."""
    match kind:
        case 0x16 | 0x26:
            content = gps() + b"\x09" + CELL + status(bits, code)
        case 0x27 | 0xA4:
            content = gps() + b"\x09" + CELL + status(bits, code) + b"\x01"
        case 0x19:
            content = CELL + status(bits, code)
        case 0xA5:
            content = bytes.fromhex("00ce01000111700000000012a05f2000")[:15] + status(bits, code)
        case _:
            content = status(bits, code)
    return frame(kind, content)
