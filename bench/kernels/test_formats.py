"""What a frame of each format costs: ns in the kernel (split, checked and read, no object made), with objects, and in plain Python.

Run: ``pytest bench/kernels/test_formats.py --benchmark-enable --benchmark-json=formats.json``; ``extra_info.ns_per_frame`` is the figure:
the mean over every believed frame of our own vectors, each of them many times. Every answer is asserted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gateway._fastpath import Twin
from gateway.model import NO_KIND
from gateway.protocols import PROTOCOLS, Row
from gateway.protocols.base import Session
from tests.vectors.sheets import NOW_US, OWN_CASES, Case, has_twin

COPIES = 64
"Of a frame in one segment."
JOBS_MIN = 10
"Of the own vectors of a format, which are mostly about what is rare: 31 of OsmAnd's and 133 of GT06's need no reference."
NS_PER_FRAME_MAX = {"gt06": 300, "teltonika": 300}
NS_PER_TEXT_FRAME_MAX = 1_000
"Budgets of a kernel, checksum included. Measured on a small virtual machine: 70 to 120 for the binary formats, 200 to 400 for texts."


@dataclass
class Job:
    """One frame, again and again on one connection."""

    session: Session
    raw: bytes


def believed(entry: Row) -> list[Case]:
    """Cases whose last frame is believed."""
    return [case for case in OWN_CASES if case.protocol == entry.name and not case.expect.get("reject")]


def jobs_of(entry: Row, reference: bool) -> list[Job]:
    return [Job(case.before_last(reference), case.frames[-1]) for case in believed(entry)]


def run_kernel(jobs: list[Job]) -> None:
    for job in jobs:
        assert isinstance(job.session, Twin)
        assert job.session.tally(job.raw * COPIES, NOW_US)[:3] == (COPIES, 0, 0)


def run_read(jobs: list[Job]) -> None:
    for job in jobs:
        read, raw = job.session.read, job.raw
        for _ in range(COPIES):
            assert read(raw, NOW_US).refused is None


def alone(entry: Row) -> list[Job]:
    """The frames that the kernel reads without the reference, on streams; the answer of the objects is the same."""
    jobs = []
    for case in believed(entry):
        if case.transport != "tcp":
            continue
        session, plain = case.before_last(False), case.before_last(True)
        assert isinstance(session, Twin)
        told = plain.read(case.frames[-1], NOW_US)
        frames, refused, handed_over, kinds = session.tally(case.frames[-1], NOW_US)
        assert (frames, refused, kinds) == (1, 0, told.kinds | NO_KIND), case.name
        if not handed_over:
            jobs.append(Job(session, case.frames[-1]))
    return jobs


MODES = [(entry, mode) for entry in PROTOCOLS for mode in (("kernel", "objects", "reference") if has_twin(entry) else ("reference",))]


@pytest.mark.parametrize(("entry", "mode"), MODES, ids=[f"{entry.name}-{mode}" for entry, mode in MODES])
def test_a_frame(benchmark: BenchmarkFixture, entry: Row, mode: str) -> None:
    jobs = alone(entry) if mode == "kernel" else jobs_of(entry, mode == "reference")
    run: Callable[[list[Job]], None] = run_kernel if mode == "kernel" else run_read
    benchmark.group = entry.name
    benchmark.pedantic(run, (jobs,), rounds=5, warmup_rounds=1)
    if benchmark.stats:
        benchmark.extra_info["ns_per_frame"] = round(benchmark.stats.stats.min * 1e9 / (len(jobs) * COPIES), 1)
        benchmark.extra_info["frames"] = len(jobs)


@pytest.mark.parametrize("entry", [entry for entry in PROTOCOLS if has_twin(entry)], ids=lambda entry: entry.name)
def test_a_kernel_keeps_its_budget(entry: Row) -> None:
    jobs = alone(entry)
    assert len(jobs) >= JOBS_MIN, "what devices send all day must not need the reference"
    took_ns = []
    for _ in range(7):
        began_ns = perf_counter_ns()
        run_kernel(jobs)
        took_ns.append((perf_counter_ns() - began_ns) / (len(jobs) * COPIES))
    assert min(took_ns) <= NS_PER_FRAME_MAX.get(entry.name, NS_PER_TEXT_FRAME_MAX)
