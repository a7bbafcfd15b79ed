"""``gateway bench quick|run``: load on a whole gateway, through real sockets and the real disk."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import trio

from gateway.sim.load import LoadOptions
from gateway.sim.measure import measure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    for act, seconds, purpose in (
        ("quick", 10.0, "ten seconds of load: is this machine up to it?"),
        ("run", 60.0, "a minute of load, with the targets"),
    ):
        sub = acts.add_parser(act, help=purpose, description=purpose)
        sub.add_argument("--seconds", type=float, default=seconds, help=f"how long (default: {seconds:.0f})")
        sub.add_argument("--frames-per-s", type=float, default=1000.0, help="routine frames a second (default: 1000)")
        sub.add_argument("--alarms-per-s", type=float, default=1.0, help="alarms a second (default: 1)")
        sub.add_argument("--seed", type=int, default=1, help="the same seed sends the same frames")
        sub.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    load = LoadOptions(options.frames_per_s, options.alarms_per_s, options.seconds, seed=options.seed)
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        result = trio.run(measure, Path(folder), load)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        _print(result)
    return 1 if result["acknowledged_and_lost"] or result["raised_and_undelivered"] else 0


def _print(result: dict[str, object]) -> None:
    sent, latency, targets = result["sent"], result["latency_ms_from_due_time"], result["targets"]
    assert isinstance(sent, dict) and isinstance(latency, dict) and isinstance(targets, dict)
    print(f"sent {sent['routine']} routine frames and {sent['alarms']} alarms")
    print(f"{'milliseconds from the due time':32} {'p50':>8} {'p99':>8} {'p99.9':>8} {'max':>8}")
    for name, row in latency.items():
        if row["n"]:
            print(f"{name:32} {row['p50']:8.2f} {row['p99']:8.2f} {row['p99_9']:8.2f} {row['max']:8.2f}")
    print(f"acknowledged and lost: {result['acknowledged_and_lost']}; raised and undelivered: {result['raised_and_undelivered']}")
    for name, row in targets.items():
        print(f"{'met' if row['met'] else 'MISSED':7} {name}: {row['measured_ms']} of {row['target_ms']} ms", file=sys.stdout)
