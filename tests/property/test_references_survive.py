"""R-40 for the decoders in plain Python: whatever the bytes are, a session gives frames and never an exception, keeps little, and
does not take a damaged frame for two.

``GATEWAY_FUZZ_CASES`` sets how many cases a format gets (nightly: ten million), ``GATEWAY_FUZZ_SEED`` where they begin. A failure names
its seed and the bytes; both belong into a unit test.
"""

import json
import os
import random

import pytest

from gateway.model import Frame
from gateway.protocols import PROTOCOLS, Row, open_session
from gateway.protocols.base import DeviceSettings, Session
from gateway.protocols.listing import frame_json
from tests.property.mutations import NO_REPAIR, REPAIRS, mutated, repaired
from tests.vectors.sheets import NOW_US, OWN_CASES, Case, has_twin

CASES = int(os.environ.get("GATEWAY_FUZZ_CASES", "100000"))
SEED = int(os.environ.get("GATEWAY_FUZZ_SEED", "20260309"))
PENDING_BYTES_MAX = 70_000
"More than the largest frame or request of any format."
OFFSETS_S = (None, None, 0, 28_800, -12_600)

ALONE = [entry for entry in PROTOCOLS if not has_twin(entry)]
"Formats with a compiled twin are driven by test_twins.py, both decoders at once."


def check(frame: Frame, raw: bytes) -> None:
    """What holds for every frame, believed or not."""
    assert frame.raw == raw
    assert not (frame.refused and frame.reports), "refused and believed"
    assert frame.unverified is None or (frame.refused and frame.reply is None), "an alarm that is to come again, and an answer"
    json.dumps(frame_json(frame))


def settings_for(case: Case, dice: random.Random) -> DeviceSettings:
    """The case's own settings, sometimes with another clock."""
    known = case.settings
    return DeviceSettings(known.model, known.config, known.key_hex, dice.choice(OFFSETS_S))


@pytest.mark.timeout(0)
@pytest.mark.parametrize("entry", ALONE, ids=lambda entry: entry.name)
def test_damaged_frames_are_read_or_refused(entry: Row) -> None:
    dice = random.Random(SEED)
    cases = [case for case in OWN_CASES if case.protocol == entry.name]
    frames = [raw for case in cases for raw in case.frames]
    for number in range(CASES // 8):
        case = dice.choice(cases)
        session = open_session(entry.name, case.transport, settings_for(case, dice), case.peer)
        if dice.random() < 0.95:
            for raw in case.frames[:-1]:
                session.read(raw, NOW_US)
        for _ in range(8):
            damaged = mutated(case.frames[-1], dice, frames)
            raw = repaired(entry.name, damaged) if dice.random() < 0.8 else damaged
            try:
                check(session.read(raw, NOW_US), raw)
            except Exception:
                print(f"seed {SEED}, round {number}: {raw.hex()}")
                raise


@pytest.mark.timeout(0)
@pytest.mark.parametrize("entry", [entry for entry in ALONE if "tcp" in entry.transports], ids=lambda entry: entry.name)
def test_damaged_streams_are_cut_somewhere(entry: Row) -> None:
    dice = random.Random(SEED + 1)
    cases = [case for case in OWN_CASES if case.protocol == entry.name and case.transport == "tcp"]
    frames = [raw for case in cases for raw in case.frames]
    for number in range(CASES // 50):
        session = open_session(entry.name, "tcp")
        messages = [*dice.choice(cases).frames, *(mutated(dice.choice(frames), dice, frames) for _ in range(3)), *dice.choice(cases).frames]
        stream = b"".join(repaired(entry.name, raw) if dice.random() < 0.7 else raw for raw in messages)
        try:
            feed(session, stream, dice)
        except Exception:
            print(f"seed {SEED + 1}, round {number}: {stream.hex()}")
            raise


def feed(session: Session, stream: bytes, dice: random.Random) -> None:
    """A stream in pieces of any size; every byte is in a frame, skipped, or waits."""
    held, total = 0, len(stream)
    while stream:
        size = dice.choice((1, 7, 40, 200, len(stream)))
        chunk, stream = stream[:size], stream[size:]
        session.receive(chunk)
        for frame in session.frames(NOW_US):
            check(frame, frame.raw)
            held += 0 if frame.refused else len(frame.raw)
        assert session.pending_bytes <= PENDING_BYTES_MAX
    assert held + session.pending_bytes <= total


def test_every_protocol_has_a_repair_or_needs_none() -> None:
    """Without one its damaged frames die at the checksum."""
    assert not REPAIRS.keys() & NO_REPAIR
    assert {entry.name for entry in PROTOCOLS} <= REPAIRS.keys() | NO_REPAIR
