"""Kernel and reference agree on every input: what is read, what is refused and why, what is answered, what is skipped.

``GATEWAY_FUZZ_CASES`` sets how many cases a twin gets (nightly: ten million), ``GATEWAY_FUZZ_SEED`` where they begin. A failure
prints its seed; that seed, and the case, belong into a unit test.
"""

import json
import os
import random
from pathlib import Path

import pytest

from gateway._fastpath import Twin
from gateway.model import NO_KIND, Frame
from gateway.protocols import PROTOCOLS, Row, open_session
from gateway.protocols.base import DeviceSettings
from gateway.protocols.listing import frame_json
from tests.property.mutations import mutated, repaired
from tests.vectors.sheets import NOW_US, OWN_CASES, Case, has_twin, shared
from tests.vectors.sheets import cases_of as sheet_cases

CASES = int(os.environ.get("GATEWAY_FUZZ_CASES", "100000"))
SEED = int(os.environ.get("GATEWAY_FUZZ_SEED", "20260309"))
MODELS = (None, None, None, "GL100", "G-360P", "MV710G", "JC400", "VL103", "LL303", "LW4G-4B", "VXT01", "R11", "G18", "FMB920")
OFFSETS_S = (None, None, 0, 28_800, -12_600)

TWINS = [entry for entry in PROTOCOLS if has_twin(entry)]


def told(frame: Frame) -> str:
    """The frame as people see it: 80 and 80.0 are equal, and not the same."""
    return json.dumps(frame_json(frame))


def cases_of(entry: Row) -> list[Case]:
    return [case for case in OWN_CASES if case.protocol == entry.name]


def all_cases_of(entry: Row) -> list[Case]:
    """Ours, and those of the documents beside the project, where they are."""
    path = (shared() or Path()) / "protocols" / "vectors" / f"{entry.name}.json"
    return cases_of(entry) + (list(sheet_cases(path)) if path.exists() else [])


@pytest.mark.parametrize("entry", TWINS, ids=lambda entry: entry.name)
def test_twins_agree_on_every_vector(entry: Row) -> None:
    for case in all_cases_of(entry):
        plain, compiled = case.connect(True), case.connect(False)
        for raw in case.frames:
            one, other = compiled.read(raw, NOW_US), plain.read(raw, NOW_US)
            assert one == other and told(one) == told(other), case.name
            assert compiled.device == plain.device, case.name


@pytest.mark.parametrize("entry", TWINS, ids=lambda entry: entry.name)
def test_twins_agree_on_damaged_frames(entry: Row) -> None:
    dice = random.Random(SEED)
    cases = cases_of(entry)
    frames = [raw for case in cases for raw in case.frames]
    for number in range(CASES // 4):
        case = dice.choice(cases)
        settings = DeviceSettings(model=dice.choice(MODELS), config=case.settings.config, clock_offset_s=dice.choice(OFFSETS_S))
        sessions = [open_session(entry.name, case.transport, settings, reference=reference) for reference in (False, True)]
        messages = list(case.frames[:-1]) if dice.random() < 0.95 else []
        for _ in range(4):
            damaged = mutated(case.frames[-1], dice, frames)
            messages.append(repaired(entry.name, damaged) if dice.random() < 0.8 else damaged)
        for raw in messages:
            compiled, plain = (session.read(raw, NOW_US) for session in sessions)
            assert compiled == plain, f"seed {SEED}, round {number}: {raw.hex()} with {settings}"
            assert number % 16 or told(compiled) == told(plain), f"seed {SEED}, round {number}: {raw.hex()} with {settings}"
        assert sessions[0].device == sessions[1].device


@pytest.mark.parametrize("entry", [entry for entry in TWINS if "tcp" in entry.transports], ids=lambda entry: entry.name)
def test_twins_split_damaged_streams_alike(entry: Row) -> None:
    dice = random.Random(SEED + 1)
    cases = [case for case in cases_of(entry) if case.transport != "udp"]
    frames = [raw for case in cases for raw in case.frames]
    for number in range(CASES // 20):
        compiled, plain = (open_session(entry.name, "tcp", reference=reference) for reference in (False, True))
        messages = [*dice.choice(cases).frames, *(mutated(dice.choice(frames), dice, frames) for _ in range(3)), *dice.choice(cases).frames]
        stream = b"".join(repaired(entry.name, raw) if dice.random() < 0.7 else raw for raw in messages)
        while stream:
            size = dice.choice((1, 7, 40, 200, len(stream)))
            chunk, stream = stream[:size], stream[size:]
            compiled.receive(chunk)
            plain.receive(chunk)
            assert list(compiled.frames(NOW_US)) == list(plain.frames(NOW_US)), f"seed {SEED + 1}, round {number}"
            assert compiled.skipped_bytes == plain.skipped_bytes, f"seed {SEED + 1}, round {number}"


@pytest.mark.parametrize("entry", [entry for entry in TWINS if "tcp" in entry.transports], ids=lambda entry: entry.name)
def test_counting_without_objects_comes_to_the_same(entry: Row) -> None:
    """What the ingest thread does with a stream, against what the objects say."""
    dice = random.Random(SEED + 2)
    cases = [case for case in cases_of(entry) if case.transport != "udp"]
    frames = [raw for case in cases for raw in case.frames]
    for number in range(CASES // 50):
        case = dice.choice(cases)
        session, twin = (open_session(entry.name, "tcp", case.settings) for _ in range(2))
        assert isinstance(twin, Twin)
        messages = [*case.frames, *(repaired(entry.name, mutated(dice.choice(frames), dice, frames)) for _ in range(4)), *case.frames]
        for chunk in (b"".join(messages[:3]), b"".join(messages[3:])):
            session.receive(chunk)
            told = list(session.frames(NOW_US))
            kinds = NO_KIND
            for frame in told:
                kinds |= frame.kinds
            counted = twin.tally(chunk, NOW_US)
            assert (counted[0], counted[1], counted[3]) == (len(told), sum(frame.refused is not None for frame in told), kinds), number
            assert (twin.device, twin.skipped_bytes) == (session.device, session.skipped_bytes), number


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("entry", TWINS, ids=lambda entry: entry.name)
def test_twins_remember_alike(entry: Row, transport: str) -> None:
    """Frames of many cases in any order on one connection, some of them twice: serial numbers, standing alarms, identities."""
    dice = random.Random(SEED + 3)
    frames = [raw for case in cases_of(entry) if case.transport == transport for raw in case.frames]
    for number in range(CASES // 200 if frames else 0):
        settings = DeviceSettings(model=dice.choice(MODELS), clock_offset_s=dice.choice(OFFSETS_S))
        sessions = [open_session(entry.name, transport, settings, reference=reference) for reference in (False, True)]
        few = dice.choices(frames, k=4)
        for _ in range(12):
            raw = dice.choice(few if dice.random() < 0.7 else frames)
            if dice.random() < 0.1:
                raw = repaired(entry.name, mutated(raw, dice, frames))
            elif transport == "udp" and dice.random() < 0.2:
                raw += dice.choice(frames)
            compiled, plain = (session.read(raw, NOW_US) for session in sessions)
            assert compiled == plain, f"seed {SEED + 3}, round {number}: {raw.hex()}"
            assert sessions[0].device == sessions[1].device
