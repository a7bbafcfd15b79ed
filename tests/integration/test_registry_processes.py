"""The registry between processes: what one enters the other sees, and a kill loses nothing that was said to be kept.

What must be survived: SIGKILL of a writer at any instant; two writers at once; a rebuild while somebody else reads.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

from gateway.shell.registry_files import open_registry

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import sys
from gateway.shell.registry_files import open_registry
folder, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open_registry(folder) as registry:
    first = len(list(registry.units()))
    for number in range(first, first + count):
        key = f"{name}-{number}"
        registry.put("unit", key, {"zone": "5415"}, name, 1_700_000_000_000_000)
        print(key, flush=True)
"""


def writer(folder: Path, name: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name, str(count)], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_a_running_reader_notices_what_another_process_enters(tmp_path: Path) -> None:
    route = '{ kind = "webhook", url = "http://127.0.0.1:9/" }'
    (tmp_path / "gateway.toml").write_text(f'[[centre]]\nid = "c"\nnational_fallback = true\nroute = [{route}]\n')
    with open_registry(tmp_path / "data") as registry:
        assert registry.refresh() is False
        command = [sys.executable, "-m", "gateway", "device", "add", "001010000000008", "-c", str(tmp_path / "gateway.toml"), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
        assert json.loads(done.stdout)["action"] == "add"
        assert registry.device_named("001010000000008") is None
        assert registry.refresh() is True
        assert registry.device_named("001010000000008") is not None
        assert registry.refresh() is False
        registry.put("device", "001010000000008", {"interval_s": 60}, "here", 5)
        assert registry.refresh() is False


def test_two_writers_lose_nothing_and_keep_one_chain(tmp_path: Path) -> None:
    writers = [writer(tmp_path, name, 30) for name in ("anna", "bert")]
    said = [process.communicate(timeout=60)[0].split() for process in writers]
    assert [process.returncode for process in writers] == [0, 0]
    with open_registry(tmp_path) as registry:
        assert {unit.unit_id for unit in registry.units()} == {*said[0], *said[1]}
        assert registry.snapshot.n == len(said[0]) + len(said[1]) == 60
        assert registry.verify().damage == ()


def test_many_processes_may_open_a_new_registry_at_the_same_moment(tmp_path: Path) -> None:
    writers = [writer(tmp_path, f"w{number}", 1) for number in range(6)]
    for process in writers:
        process.communicate(timeout=60)
    assert [process.returncode for process in writers] == [0] * 6


def test_a_rebuild_by_another_process_is_noticed(tmp_path: Path) -> None:
    with open_registry(tmp_path) as reader, open_registry(tmp_path) as other:
        other.put("unit", "G-1", {}, "anna", 5)
        assert reader.refresh() is True
        rows = reader.snapshot.rows
        other.rebuild()
        assert reader.refresh() is True
        assert reader.snapshot.rows == rows
        reader.put("unit", "G-2", {}, "anna", 6)
        assert other.refresh() is True
        assert other.unit("G-2") is not None


def test_a_killed_writer_loses_nothing_that_it_said_was_kept(tmp_path: Path) -> None:
    dice = random.Random(20260309)
    kept: set[str] = set()
    for round_number in range(8):
        process = writer(tmp_path, f"w{round_number}", 1_000_000)
        assert process.stdout is not None
        for _ in range(dice.randint(1, 12)):
            kept.add(process.stdout.readline().strip())
        process.kill()
        # What was written into the pipe before the kill was kept before that.
        kept |= {line.strip() for line in process.stdout if line.endswith("\n")}
        process.wait()
        process.stdout.close()
        with open_registry(tmp_path) as registry:
            there = {unit.unit_id for unit in registry.units()}
            assert kept <= there
            assert len(there - kept) <= round_number + 1
            assert registry.verify().damage == ()
            assert registry.damage is None
            kept = there
