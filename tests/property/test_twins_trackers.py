"""The compiled twins of Teltonika and Watch say what the reference says, on every input (R-42).

Valid frames are bent at places that mean something (fields, counts, elements, brackets), then lengths and checksums are
mended in most of them: a blind change would die at the checksum and prove nothing.
"""

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.model import Frame, Report
from gateway.protocols import row
from gateway.protocols.base import DeviceSettings, Session
from gateway.protocols.octets import crc16_arc

NOW_US = 1_793_000_000_000_000
ROUNDS = 800
OWN = Path(__file__).resolve().parents[1] / "vectors"
SHARED = Path(os.environ.get("GATEWAY_SHARED", Path(__file__).resolve().parents[2].parent / "shared")) / "protocols" / "vectors"

SETTINGS = (
    DeviceSettings(), DeviceSettings(model="FMB920"), DeviceSettings(config="teltonika_16_byte_io"), DeviceSettings(clock_offset_s=-19_800),
    DeviceSettings(model="fmc130", config="teltonika_panic_is_routine, teltonika_16_byte_io", clock_offset_s=3600),
)  # fmt: skip
FIELDS = (
    b"", b"0", b"-1", b"1.5", b" 3", b"91", b"180.0000001", b"9999999999", b"12345678901", b"0.12345678901", b"123456.1234567890", b"A", b"V", b"S",
    b"W", b"FFFF", b"ffffffff", b"00010001", b"7", b"12", b"aa:bb:cc:dd:ee:ff", b"-60", b"-1234", b"\xc3\xa9", b"a]b", b"x][y", b"+5.", b".5",
    b"-0.0", b"1e5", b"\t1", b"2", b"-", b"\xa0 1", b"3\x85", b"\xb2", b"290226", b"300226", b"240000", b"70", b"}\x01",
)  # fmt: skip


def connections(name: str, transport: str) -> list[list[bytes]]:
    """The frames of every vector of a protocol, connection by connection."""
    sheets = [json.loads(path.read_text()) for folder in (OWN, SHARED) if (path := folder / f"{name}.json").exists()]
    cases = [case["frames"] for sheet in sheets for case in sheet["cases"]]
    return [[bytes.fromhex(frame["hex"]) for frame in frames] for frames in cases if frames[-1]["transport"] == transport]


def fields_of(report: Report | None) -> tuple[object, ...]:
    """Everything a report says, hidden fields too."""
    return () if report is None else tuple(repr(getattr(report, name)) for name in report.__slots__) + place_of(report)


def place_of(report: Report) -> tuple[object, ...]:
    fix = report.fix
    cells = tuple((cell.mcc, cell.mnc, cell.lac, cell.cid) for cell in report.cells)
    return (fix and (fix.lat_e7, fix.lon_e7, fix.altitude_m), cells, tuple(point.mac for point in report.wifi), report.text)


def told(frame: Frame) -> tuple[object, ...]:
    return (
        frame.protocol, frame.transport, frame.raw, frame.device, frame.reply, frame.refused, fields_of(frame.unverified),
        [fields_of(report) for report in frame.reports],
    )  # fmt: skip


def both(name: str, transport: str, settings: DeviceSettings, play: Callable[[Session], object]) -> tuple[object, object]:
    """The same play on the reference and on the twin."""
    entry = row(name)
    assert entry.fast is not None
    return play(entry.reference(transport, settings)), play(entry.fast(entry.reference(transport, settings)))


def cut(data: bytes, dice: random.Random) -> list[bytes]:
    """The stream in pieces, now and then byte by byte."""
    sizes = (1,) if dice.random() < 0.1 else (1, 3, 20, 100, 400)
    chunks, at = [], 0
    while at < len(data):
        size = dice.choice(sizes)
        chunks.append(data[at : at + size])
        at += size
    return chunks


def stream_of(chunks: list[bytes]) -> Callable[[Session], object]:
    def play(session: Session) -> object:
        frames = []
        for chunk in chunks:
            session.receive(chunk)
            frames += [(told(frame), session.device) for frame in session.frames(NOW_US)]
        return frames, session.skipped_bytes

    return play


def reads_of(frames: list[bytes]) -> Callable[[Session], object]:
    return lambda session: [(told(session.read(raw, NOW_US)), session.device) for raw in frames]


def bend(data: bytes, dice: random.Random, words: tuple[bytes, ...]) -> bytes:
    """One to four changes: a word written over, a bit, a cut, something put in."""
    bent = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        if not bent:
            break
        at, choice = dice.randrange(len(bent)), dice.random()
        if choice < 0.5:
            word = dice.choice(words)
            bent[at : at + len(word)] = word
        elif choice < 0.6:
            bent[at] ^= 1 << dice.randrange(8)
        elif choice < 0.75:
            del bent[at : at + dice.randint(1, 4)]
        elif choice < 0.9:
            bent[at:at] = b"".join(dice.choices(words, k=dice.randint(1, 3)))
        else:
            start = dice.randrange(len(bent))
            bent[at:at] = bent[start : start + dice.randint(1, 30)]
    return bytes(bent)


# ---------------------------------------------------------------------------------------------------- Teltonika

TELTONIKA_WORDS = tuple(bytes((byte,)) for byte in (0, 1, 2, 3, 255, 128, 236, 242, 113, 67, 66, 175, 253, 252, 8, 0x8E, 0x10, 9, 15))
TURNS = (
    # offset in an AVL record, size, values on both sides of the point at which an answer turns
    (0, 8, (1_262_304_000_000 - 1, 1_262_304_000_000, (NOW_US + 86_400_000_000) // 1000, (NOW_US + 86_400_000_000) // 1000 + 1, 2**63, 2**64 - 1)),
    (8, 1, (0, 1, 2, 3, 255)),
    (9, 4, (0, 1_800_000_000, 1_800_000_001, 2**32 - 1_800_000_000, 2**32 - 1_800_000_001, 2**31)),
    (13, 4, (0, 900_000_000, 900_000_001, 2**32 - 900_000_000, 2**32 - 900_000_001, 2**31)),
    (17, 2, (0, 0x7FFF, 0x8000, 0xFFFF)),
    (19, 2, (0, 360, 361, 0xFFFF)),
    (21, 1, (0, 1, 255)),
)


@pytest.mark.parametrize("settings", SETTINGS)
def test_teltonika_twin_turns_where_the_reference_turns(settings: DeviceSettings) -> None:
    for login, raw in (frames for frames in connections("teltonika", "tcp") if len(frames) == 2 and len(frames[1]) > 50):
        for offset, size, values in TURNS:
            for value in values:
                bent = raw[: 10 + offset] + value.to_bytes(size, "big") + raw[10 + offset + size :]
                reference, twin = both("teltonika", "tcp", settings, reads_of([login, mend_teltonika(bent, "tcp")]))
                assert twin == reference, bent.hex()


def mend_teltonika(raw: bytes, transport: str) -> bytes:
    if transport == "udp":
        return (len(raw) - 2).to_bytes(2, "big") + raw[2:] if len(raw) > 2 else raw
    if raw[:4] != bytes(4) or len(raw) < 12:
        return raw
    return bytes(4) + (len(raw) - 12).to_bytes(4, "big") + raw[8:-4] + crc16_arc(raw[8:-4]).to_bytes(4, "big")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_teltonika_twin_reads_bent_packets_alike(transport: str, seed: int) -> None:
    dice, known = random.Random(f"{seed} {transport}"), connections("teltonika", transport)
    for _ in range(ROUNDS):
        frames = list(dice.choice(known))
        frames[-1] = bend(frames[-1], dice, TELTONIKA_WORDS)
        if dice.random() < 0.85:
            frames[-1] = mend_teltonika(frames[-1], transport)
        reference, twin = both("teltonika", transport, dice.choice(SETTINGS), reads_of(frames))
        assert twin == reference, frames[-1].hex()


@pytest.mark.parametrize("seed", range(2))
def test_teltonika_twin_splits_bent_streams_alike(seed: int) -> None:
    dice, known = random.Random(seed), connections("teltonika", "tcp")
    for _ in range(ROUNDS // 4):
        data = b"".join(teltonika_pieces(dice, known))
        reference, twin = both("teltonika", "tcp", dice.choice(SETTINGS), stream_of(cut(data, dice)))
        assert twin == reference, data.hex()


def teltonika_pieces(dice: random.Random, known: list[list[bytes]]) -> Iterator[bytes]:
    for _ in range(5):
        frames = dice.choice(known)
        bent = mend_teltonika(bend(frames[-1], dice, TELTONIKA_WORDS), "tcp")
        noise = bytes(dice.choice(b"\0\0\xff\x08\x0f0") for _ in range(dice.randint(0, 12)))
        yield dice.choice((frames[0], frames[-1], bent, bent[: dice.randint(0, len(bent))], noise))


# -------------------------------------------------------------------------------------------------------- Watch

WATCH_WORDS = tuple(bytes((byte,)) for byte in b"[]*,0123456789ABCDEFNSWUDLK \x7d\x01\x05\x02:-.")
WATCH_HEAD = re.compile(rb"\[(..\*\d+\*(?:[0-9A-Fa-f]{4}\*(?=[0-9A-Fa-f]{4}\*))?)([0-9A-Fa-f]{4})\*")


def bend_watch(raw: bytes, dice: random.Random) -> bytes:
    """Other fields, fewer fields, more fields; then perhaps other bytes."""
    fields = raw.rstrip(b"]").split(b",")
    for _ in range(dice.randint(0, 3)):
        at, choice = dice.randrange(len(fields)), dice.random()
        if choice < 0.6:
            fields[at] = fields[at] if at == 0 else dice.choice(FIELDS)
        elif choice < 0.75 and len(fields) > 1:
            del fields[at]
        else:
            fields.insert(at + 1, dice.choice(FIELDS))
    bent = b",".join(fields) + b"]"
    return bend(bent, dice, WATCH_WORDS) if dice.random() < 0.5 else bent


def mend_watch(raw: bytes) -> bytes:
    head = WATCH_HEAD.match(raw)
    if head is None:
        return raw
    content = raw[head.end() :].removesuffix(b"]")
    return b"[%b%04X*%b]" % (head[1], len(content) - len(re.findall(rb"\x7d[\x01-\x05]", content)), content)


def watch_frame(dice: random.Random, known: list[list[bytes]]) -> bytes:
    raw = bend_watch(dice.choice(known)[-1], dice)
    return mend_watch(raw) if dice.random() < 0.8 else raw


@pytest.mark.parametrize("seed", range(2))
def test_watch_twin_reads_bent_frames_alike(seed: int) -> None:
    dice, known = random.Random(seed), connections("watch", "tcp")
    for _ in range(ROUNDS):
        raw = watch_frame(dice, known)
        reference, twin = both("watch", "tcp", dice.choice(SETTINGS), reads_of([raw]))
        assert twin == reference, raw


@pytest.mark.parametrize("seed", range(2))
def test_watch_twin_splits_bent_streams_alike(seed: int) -> None:
    dice, known = random.Random(seed), connections("watch", "tcp")
    for _ in range(ROUNDS // 4):
        pieces = [dice.choice((dice.choice(known)[-1], watch_frame(dice, known), bytes(dice.choices(b"[]*3G0 \r\n", k=5)))) for _ in range(4)]
        reference, twin = both("watch", "tcp", dice.choice(SETTINGS), stream_of(cut(b"".join(pieces), dice)))
        assert twin == reference, pieces


# ------------------------------------------------------------------------------------------- texts parted by commas

TEXT_TWINS = ("queclink", "h02")
TEXT_FIELDS = (
    *FIELDS, b"20260309130311", b"20261309130311", b"00000000000000", b"4.403694", b"50.850346", b"-4.403694", b"190.000000", b"0.000000",
    b"4.40", b"0206", b"0001", b"01AF", b"00000000", b"112233445566", b"-71", b"-7A", b"001012600000016", b"0010126000000A", b"160001", b"41FF00",
    b"13866", b"4.07", b"361", b"100", b"0.0000001", b"5", b"32", b"FFFBFBFF", b"FFFFFFFF", b"5050.4207", b"00424.2216", b"-50-50.4207", b"50504207",
    b"N", b"E", b"090326", b"130311", b"V1", b"HTBT", b"320", b"0000CE",
)  # fmt: skip


def bend_text(raw: bytes, dice: random.Random) -> bytes:
    """Other fields, fewer, more; the ends stay."""
    fields = raw[:-1].split(b",")
    for _ in range(dice.randint(1, 4)):
        at, choice = dice.randrange(1, len(fields) + 1), dice.random()
        if choice < 0.6:
            fields[at : at + 1] = [dice.choice(TEXT_FIELDS)]
        elif choice < 0.75:
            del fields[at : at + dice.randint(1, 3)]
        elif choice < 0.85:
            fields[at:at] = fields[at : at + dice.randint(1, 12)]
        else:
            fields.insert(at, dice.choice(TEXT_FIELDS))
    return b",".join(fields) + raw[-1:]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", TEXT_TWINS)
def test_text_twins_read_bent_fields_alike(name: str, seed: int) -> None:
    dice, known = random.Random(f"{seed} {name}"), connections(name, "tcp")
    for _ in range(5 * ROUNDS):
        raw = bend_text(dice.choice(known)[-1], dice)
        settings = dice.choice((*SETTINGS, DeviceSettings(config="man_down=GTSOS no_sack binary_length=42 reply_r12")))
        reference, twin = both(name, "tcp", settings, reads_of([raw]))
        assert twin == reference, (raw, settings)
