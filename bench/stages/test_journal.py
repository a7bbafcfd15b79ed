"""FRAME -> durable: group commit on the real disk, and reading a large journal back.

    python -m pytest bench/stages/test_journal.py --benchmark-enable --benchmark-json=journal.json

Every round appends, waits, and then proves that what was acknowledged is what a recovery reads. ``extra_info`` has
durable records per second and the latency from append to the waiter's wake-up at p50, p99 and p99.9 in milliseconds,
beside those of a bare write and ``fdatasync`` of 300 bytes in the same run: on a shared machine only the ratio says much.
``GATEWAY_BENCH_MIB`` sets the size of the journal that is recovered (default 64; the promise is about 1024).
"""

import os
import platform
from pathlib import Path

import pytest
import trio

from gateway.clock import SystemClock, monotonic_ns
from gateway.events import AlarmClosed, AlarmExpired, Event, FrameKept
from gateway.journal.options import JournalOptions
from gateway.journal.recovery import read_back, recover
from gateway.journal.search import Forget, read_lasting, read_naming
from gateway.model import Trust, Urgency
from gateway.shell.disk import open_journal
from gateway.shell.real_disk import RealDisk

RECORDS = 3_000
CLOCK = SystemClock()
OPTIONS = JournalOptions(reserve_mib=1)


def frame(number: int) -> Event:
    """A record of about 300 bytes, like the reference numbers of ecosystem section 2."""
    return FrameKept(f"00101{number:010d}", "gt06", "udp", "udp 127.0.0.1:5023", number.to_bytes(8) * 25, Trust.T2)


async def writers(folder: Path, count: int) -> list[int]:
    """``count`` tasks that each append a record and wait for it, again and again; latencies in nanoseconds."""
    took_ns: list[int] = []
    numbers = iter(range(RECORDS))

    async def write() -> None:
        for number in numbers:
            start_ns = monotonic_ns()
            await journal.append_nowait([frame(number)], CLOCK.now(), Urgency.A).wait()
            took_ns.append(monotonic_ns() - start_ns)

    async with open_journal(folder, disk=RealDisk(), clock=CLOCK, options=OPTIONS) as journal, trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(write)
    return took_ns


def bare_syncs(path: Path, count: int) -> list[int]:
    """The reference: what the disk takes by itself, in nanoseconds."""
    took_ns = []
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.posix_fallocate(fd, 0, 300 * count)
    for number in range(count):
        start_ns = monotonic_ns()
        os.pwrite(fd, bytes(300), 300 * number)
        os.fdatasync(fd)
        took_ns.append(monotonic_ns() - start_ns)
    os.close(fd)
    return took_ns


def percentiles(prefix: str, took_ns: list[int]) -> dict[str, float]:
    ordered = sorted(took_ns)
    shares = (("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999))
    return {prefix + name: round(ordered[int(share * (len(ordered) - 1))] / 1e6, 3) for name, share in shares}


@pytest.mark.parametrize("count", [1, 10, 100])
def test_durable_records(benchmark, tmp_path, count):
    bare = bare_syncs(tmp_path / "bare", 500)
    folders = (tmp_path / f"journal-{number}" for number in range(1_000))
    took_ns: list[int] = []

    def once() -> Path:
        folder = next(folders)
        took_ns.extend(trio.run(writers, folder, count))
        return folder

    folder = benchmark.pedantic(once, rounds=3, warmup_rounds=1)
    disk = RealDisk(folder)
    recovery = recover(disk, thorough=True)
    assert recovery.losses == ()
    assert sorted(entry.event.raw for entry in read_back(disk, recovery.stretches)) == sorted(frame(number).raw for number in range(RECORDS))
    benchmark.extra_info |= percentiles("", took_ns) | percentiles("bare_", bare)
    if benchmark.stats:
        benchmark.extra_info["records_per_s"] = round(RECORDS / benchmark.stats.stats.median)
    benchmark.extra_info["machine"] = f"{os.cpu_count()} x {platform.machine()}, {platform.release()}, Python {platform.python_version()}"


def history(number: int) -> Event:
    """Five records of about 330 bytes an alarm: a frame, three events, the end; every thirtieth alarm stays open."""
    alarm, step = divmod(number, 5)
    if step == 0:
        return frame(number)
    alarm_id = f"{alarm:032x}"
    return AlarmExpired(alarm_id, "x" * 220) if step < 4 or alarm % 30 == 0 else AlarmClosed(alarm_id, "over" * 55)


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> tuple[Path, int]:
    """A journal of some MiB, in segments of the usual size."""
    folder = tmp_path_factory.mktemp("large") / "journal"
    mib = int(os.environ.get("GATEWAY_BENCH_MIB", "64"))
    records = (mib << 20) // 335

    async def fill() -> None:
        async with open_journal(folder, disk=RealDisk(), clock=CLOCK, options=OPTIONS) as journal:
            for first in range(0, records, 1_000):
                events = [history(number) for number in range(first, min(first + 1_000, records))]
                await journal.append_nowait(events, CLOCK.now(), Urgency.A).wait()

    trio.run(fill)
    return folder, records


def rates(benchmark, folder: Path, records: int) -> None:
    size = sum(path.stat().st_size for path in folder.glob("*.seg"))
    benchmark.extra_info["mib"] = size >> 20
    benchmark.extra_info["records"] = records
    if benchmark.stats:
        benchmark.extra_info["mib_per_s"] = round((size >> 20) / benchmark.stats.stats.median)


@pytest.mark.parametrize("thorough", [False, True], ids=["start", "verify"])
def test_recovery(benchmark, large, thorough):
    folder, records = large
    recovery = benchmark.pedantic(lambda: recover(RealDisk(folder), thorough=thorough), rounds=3, warmup_rounds=1)
    assert (recovery.records, recovery.losses, recovery.last_seq) == (records, (), records)
    rates(benchmark, folder, records)


def test_replay(benchmark, large):
    folder, records = large
    stretches = recover(RealDisk(folder)).stretches
    wanted = min(records, 50_000)

    def read() -> int:
        return sum(entry.event == history(entry.seq - 1) for entry, _ in zip(read_back(RealDisk(folder), stretches), range(wanted), strict=False))

    assert benchmark.pedantic(read, rounds=1) == wanted
    if benchmark.stats:
        benchmark.extra_info["records_per_s"] = round(wanted / benchmark.stats.stats.median)


def test_start(benchmark, large):
    """R-14: recovery, and of the replay what is not forgotten: the alarms that are still open."""
    folder, records = large

    def start() -> int:
        recovery = recover(RealDisk(folder))
        return len({entry.event.alarm_id for entry in read_lasting(RealDisk(folder), recovery.stretches, Forget((AlarmClosed,), 1 << 62))})

    assert benchmark.pedantic(start, rounds=3, warmup_rounds=1) == pytest.approx(records / 150, abs=2)
    rates(benchmark, folder, records)
    benchmark.extra_info["open_alarms"] = records // 150


def test_story(benchmark, large):
    """``gateway alarm explain``: the records of one alarm out of all."""
    folder, records = large

    def story() -> int:
        return len(list(read_naming(RealDisk(folder), recover(RealDisk(folder)).stretches, f"{records // 10:032x}")))

    assert benchmark.pedantic(story, rounds=3, warmup_rounds=1) == 5
    rates(benchmark, folder, records)
