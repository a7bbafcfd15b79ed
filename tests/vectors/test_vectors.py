"""Do we read what devices really send? Every case of every row, with the plain decoder and the compiled one."""

import functools
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from gateway.protocols import open_session
from gateway.protocols.listing import frame_json
from tests.vectors.sheets import (
    NOW_US,
    OWN_CASES,
    OWN_STREAMS,
    ROOT,
    Case,
    Stream,
    cases_of,
    decoders,
    differences,
    each_case,
    label,
    shared,
    sheet_files,
)


@each_case(OWN_CASES)
def test_a_case_says_what_it_must(case: Case, reference: bool) -> None:
    session = case.connect(reference)
    frames = [session.read(raw, NOW_US) for raw in case.frames]
    told = frame_json(frames[-1])
    if case.prints is not None:
        assert list(told.items()) == list(case.prints.items())  # order as well
    expect = dict(case.expect)
    if len(expect.get("records") or []) > 1 and told.get("records"):
        told = {**told, **told["records"][0], "kinds": told["kinds"], "records": told["records"]}
    assert differences(expect, told) == []
    if case.replies is not None:
        assert b"".join(frame.reply or b"" for frame in frames) == b"".join(case.replies)


@pytest.mark.parametrize(
    ("stream", "reference"),
    [
        pytest.param(stream, reference, id=f"{stream.protocol}-{stream.name}-{label(reference)}")
        for stream in OWN_STREAMS
        for reference in decoders(stream.protocol)
    ],
)
def test_a_stream_holds_these_frames_and_no_others(stream: Stream, reference: bool) -> None:
    session = open_session(stream.protocol, "tcp", reference=reference)
    found = []
    for chunk in stream.chunks:
        session.receive(chunk)
        found += [frame for frame in session.frames(NOW_US) if not frame.refused]
    assert [frame.raw for frame in found] == list(stream.frames)
    if stream.skipped_bytes is not None:
        assert session.skipped_bytes == stream.skipped_bytes


@pytest.mark.parametrize("name", list(sheet_files()))
def test_a_sheet_says_where_each_case_comes_from(name: str) -> None:
    sheet = json.loads(sheet_files()[name].read_text())
    assert sheet["format"] == "rescue-vectors/1"
    assert all(case.get("source") or case.get("origin") for case in sheet["cases"])
    names = [case["id"] for case in sheet["cases"]]
    assert len(names) == len(set(names))


FOREIGN = shared()
FOREIGN_SHEETS = [path for path in sorted((FOREIGN / "protocols" / "vectors").glob("*.json")) if path.stem in sheet_files()] if FOREIGN else []


@pytest.mark.skipif(not FOREIGN, reason="no folder of shared documents beside the project")
@each_case([case for path in FOREIGN_SHEETS for case in cases_of(path)])
def test_the_shared_vectors_say_what_they_must(case: Case, reference: bool) -> None:
    session = case.connect(reference)
    frames = [session.read(raw, NOW_US) for raw in case.frames]
    told = frame_json(frames[-1])
    if len(case.expect.get("records") or []) > 1 and told.get("records"):
        told = {**told, **told["records"][0], "records": told["records"]}
    if not case.optional:
        assert compare_of_the_shared_script()({"device": None, **case.expect}, told) == []
        if case.replies is not None:
            assert b"".join(frame.reply or b"" for frame in frames) == b"".join(case.replies)


@functools.cache
def compare_of_the_shared_script() -> Callable[[dict[str, Any], dict[str, Any]], list[str]]:
    """The judge that other people use."""
    assert FOREIGN
    namespace = runpy.run_path(str(FOREIGN / "protocols" / "check_vectors.py"))
    compare: Callable[[dict[str, Any], dict[str, Any]], list[str]] = namespace["compare"]
    return compare


@pytest.mark.skipif(not FOREIGN, reason="no folder of shared documents beside the project")
@pytest.mark.parametrize("extra", ["", "--reference"], ids=["compiled", "reference"])
def test_the_shared_script_is_content_with_the_command(extra: str) -> None:
    assert FOREIGN
    # The number of a TETRA radio is not in its bytes, and the script does not hand it over.
    names = ",".join(path.stem for path in FOREIGN_SHEETS if path.stem != "tetra-lip")
    done = subprocess.run(
        [
            sys.executable, str(FOREIGN / "protocols" / "check_vectors.py"), "--gateway", f"{sys.executable} -m gateway", "--only", names,
            "--verbose", f"--extra={extra}", str(FOREIGN / "protocols" / "vectors"),
        ],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
