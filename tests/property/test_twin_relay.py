"""A relay that speaks JT/T 808 for several devices on one connection: the twin remembers of each what the reference does."""

import random

import pytest

from gateway.protocols import open_session
from gateway.protocols.octets import xor8
from tests.vectors.sheets import NOW_US

IDENTITIES = ("001012600014", "001012600022", "001012600030")
ALARM_WORDS = (0, 0, 1, 1, 1 << 26, 1 << 29 | 1)
POSITION, HEARTBEAT, REGISTER, TIME_WANTED, BATCH = 0x0200, 0x0002, 0x0100, 0x0109, 0x0704


def frame(kind: int, body: bytes, serial: int, identity: str) -> bytes:
    content = kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + bytes.fromhex(identity) + serial.to_bytes(2, "big") + body
    content += bytes((xor8(content),))
    return b"\x7e" + content.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def place(word: int) -> bytes:
    degrees = (51_000_000).to_bytes(4, "big") + (4_000_000).to_bytes(4, "big")
    return word.to_bytes(4, "big") + (2).to_bytes(4, "big") + degrees + bytes(6) + bytes.fromhex("260309130311")


def message(dice: random.Random, serial: int) -> bytes:
    kind = dice.choice((POSITION, POSITION, POSITION, HEARTBEAT, REGISTER, TIME_WANTED, BATCH))
    records = [b"\0\x1c" + place(dice.choice(ALARM_WORDS)) for _ in range(2)]
    bodies = {POSITION: place(dice.choice(ALARM_WORDS)), REGISTER: bytes(30), BATCH: b"\0\2" + bytes((dice.randrange(2),)) + b"".join(records)}
    return frame(kind, bodies.get(kind, b""), serial, dice.choice(IDENTITIES))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_levels_and_serial_numbers_of_a_relay(transport: str) -> None:
    dice = random.Random(808)
    for number in range(600):
        compiled, plain = (open_session("jt808", transport, reference=reference) for reference in (False, True))
        sent = [message(dice, 0)]
        for serial in range(1, 12):
            again = sent[-1] if dice.random() < 0.25 else message(dice, serial)
            sent.append(again + message(dice, serial + 100) if transport == "udp" and dice.random() < 0.4 else again)
        for raw in sent:
            assert compiled.read(raw, NOW_US) == plain.read(raw, NOW_US), f"round {number}: {raw.hex()}"
