"""Bytes that are nearly right: seeded changes to real frames, with length and checksum made right again."""

import random
from collections.abc import Callable

from gateway.protocols.octets import crc16_arc, crc16_x25

INTERESTING = bytes((0x00, 0x01, 0x04, 0x0A, 0x0D, 0x20, 0x2A, 0x2C, 0x5B, 0x5D, 0x78, 0x79, 0x7F, 0x80, 0xFF))


def mutated(frame: bytes, dice: random.Random, others: list[bytes]) -> bytes:
    """``frame`` with up to eight small changes: bytes set, cut out, doubled, put in, or a piece of another frame."""
    data = bytearray(frame)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 2, 3, 8))):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(6):
            case 0 | 1 if at < len(data):
                data[at] = dice.choice(INTERESTING) if dice.random() < 0.5 else dice.randrange(256)
            case 2:
                del data[at : at + dice.randrange(1, 6)]
            case 3:
                data[at:at] = data[at : at + dice.randrange(1, 9)]
            case 4:
                data[at:at] = dice.randbytes(dice.randrange(1, 5))
            case _:
                other = dice.choice(others)
                start = dice.randrange(len(other))
                piece = other[start : start + dice.randrange(1, 24)]
                data[at : at + len(piece)] = piece
    return bytes(data)


def repair_gt06(data: bytes) -> bytes:
    """The right length, tail and X.25 checksum for whatever stands between header and tail."""
    if len(data) < 10 or data[:2] not in (b"\x78\x78", b"\x79\x79") or (data[0] == 0x78 and len(data) - 5 > 255) or len(data) > 8_000:
        return data
    length = bytes((len(data) - 5,)) if data[0] == 0x78 else (len(data) - 6).to_bytes(2, "big")
    body = length + data[2 + len(length) : -4]
    return data[:2] + body + crc16_x25(body).to_bytes(2, "big") + b"\r\n"


def repair_teltonika(data: bytes) -> bytes:
    """The right length and ARC checksum of a TCP packet; logins and datagrams stay as they are."""
    if len(data) < 14 or data[:4] != bytes(4):
        return data
    body = data[8:-4]
    return data[:4] + len(body).to_bytes(4, "big") + body + crc16_arc(body).to_bytes(4, "big")


def repair_watch(data: bytes) -> bytes:
    """The right length field: four hexadecimal digits before the last ``*`` of the header."""
    parts = data.split(b"*", 3)
    if len(parts) != 4 or not data.endswith(b"]"):
        return data
    return b"*".join((parts[0], parts[1], b"%04X" % (len(parts[3]) - 1), parts[3]))


REPAIRS: dict[str, Callable[[bytes], bytes]] = {"gt06": repair_gt06, "teltonika": repair_teltonika, "watch": repair_watch}
"""How a frame of each protocol with a compiled twin is made right again. Blind changes do not pass a checksum: of four million
frames with a changed byte or three, eleven did."""
