"""What one frame costs, compiled and in plain Python: every answer asserted, compiled at least so many times quicker.

Run: ``pytest bench/kernels --benchmark-enable --benchmark-only`` (CPU time: ``--benchmark-timer=time.process_time``). The ratio is
asserted, never a time: machines differ.
"""

import time
import timeit
from dataclasses import dataclass
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gateway.model import Frame, Kind
from gateway.protocols import open_session
from gateway.protocols.base import Session
from tests.vectors.sheets import NOW_US, OWN_CASES, Case

RATIO_MIN = 4.0
"Measured 6 (a login) to 25; less than this means that a kernel hands over what it should read."
REPEATS = 400


@dataclass(frozen=True)
class Job:
    """One frame that devices send all day, or once in a life."""

    protocol: str
    case: str

    def __str__(self) -> str:
        return f"{self.protocol}-{self.case}"


JOBS = (
    Job("gt06", "gt06-login"),
    Job("gt06", "gt06-heartbeat"),
    Job("gt06", "gt06-position"),
    Job("gt06", "gt06-sos-both"),
    Job("teltonika", "codec8-position"),
    Job("teltonika", "codec8e-sos"),
    Job("teltonika", "codec8-sos-in-a-batch"),
    Job("teltonika", "udp-sos"),
    Job("watch", "heartbeat"),
    Job("watch", "position"),
    Job("watch", "alarm-sos-low-battery-fence"),
    Job("eview", "position-no-answer-wanted"),
    Job("eview", "sos"),
    Job("eview", "records-three"),
    Job("jt808", "heartbeat"),
    Job("jt808", "position"),
    Job("jt808", "sos-2019"),
    Job("jt808", "batch-live"),
    Job("osmand", "query-plain"),
    Job("osmand", "form-sos"),
)


def case_of(job: Job) -> Case:
    return next(case for case in OWN_CASES if case.protocol == job.protocol and case.name == job.case)


def opened(case: Case, reference: bool) -> tuple[Session, bytes]:
    return case.before_last(reference), case.frames[-1]


@pytest.mark.parametrize("reference", [False, True], ids=["compiled", "reference"])
@pytest.mark.parametrize("job", JOBS, ids=str)
def test_decode(benchmark: BenchmarkFixture, job: Job, reference: bool) -> None:
    case = case_of(job)
    session, raw = opened(case, reference)
    benchmark.group = str(job)
    frame: Frame = benchmark(session.read, raw, NOW_US)
    assert frame == opened(case, not reference)[0].read(raw, NOW_US) and not frame.refused


@pytest.mark.parametrize("job", JOBS, ids=str)
def test_compiled_is_worth_its_code(job: Job) -> None:
    took_s = {}
    for reference in (False, True):
        session, raw = opened(case_of(job), reference)
        took_s[reference] = min(timeit.repeat(lambda read=session.read, raw=raw: read(raw, NOW_US), number=REPEATS, repeat=5))
    assert took_s[True] / took_s[False] >= RATIO_MIN


@pytest.mark.parametrize("reference", [False, True], ids=["compiled", "reference"])
def test_split_and_decode_sixteen_frames_a_segment(benchmark: BenchmarkFixture, reference: bool) -> None:
    benchmark.group = "16 GT06 positions a segment"
    session, raw = opened(case_of(Job("gt06", "gt06-position")), reference)
    segment = raw * 16

    def receive() -> int:
        session.receive(segment)
        return sum(frame.kinds == Kind.POSITION for frame in session.frames(NOW_US))

    assert benchmark(receive) == 16


@pytest.mark.parametrize("noise", [b"\x79\x79\x1f\x40" * 2_000, b"\x78" * 8_000, b"\x78\x78\xff" * 2_666], ids=["long", "half", "short"])
def test_garbage_costs_no_more_than_frames(noise: bytes) -> None:
    """Else a flood of it starves the others. CPU time a byte, turn by turn, median of nine."""
    login, raw = case_of(Job("gt06", "gt06-position")).frames
    spent_ns: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(9):
        for is_noise, data in ((False, raw * 222), (True, noise)):
            session = open_session("gt06", "tcp")
            session.read(login, NOW_US)
            began_ns = time.process_time_ns()
            session.receive(data)
            found = sum(not frame.refused for frame in session.frames(NOW_US))
            spent_ns[is_noise].append((time.process_time_ns() - began_ns) / len(data))
            assert found == (0 if is_noise else 222)
    assert median(spent_ns[True]) <= 1.5 * median(spent_ns[False])
