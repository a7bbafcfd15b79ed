"""Open-loop load on a whole gateway: real sockets, real disk, a process of its own. The answers are asserted, the figures printed.

Run: ``pytest bench/whole -s`` (``GATEWAY_BENCH_SECONDS=60`` for longer). The figures are those of ``gateway bench run --json``.
"""

import json
import os
import subprocess
import sys

SECONDS = int(os.environ.get("GATEWAY_BENCH_SECONDS", "20"))
ROUTINE_FRAMES_AN_ALARM_MIN = 1_000


def test_under_load_nothing_that_was_acknowledged_is_lost_and_everything_raised_is_delivered() -> None:
    words = [sys.executable, "-m", "gateway", "bench", "run", "--json", "--seconds", str(SECONDS)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS * 4 + 60)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["acknowledged_and_lost"] == 0
    assert told["raised_and_undelivered"] == 0
    assert told["exit_code"] == 0
    assert told["sent"]["broken"] == 0
    assert told["answered"]["alarms"] == told["sent"]["alarms"] > 0
    assert told["sent"]["routine"] >= ROUTINE_FRAMES_AN_ALARM_MIN * told["sent"]["alarms"]
    assert all(told["latency_ms_from_due_time"][arrow]["n"] == told["sent"]["alarms"] for arrow in ("durable", "decided", "delivered"))
