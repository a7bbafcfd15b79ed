"""``gateway demo``: the main job on an embedded city, offline."""

import argparse
import json
import logging
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import trio

from gateway.clock import SystemClock
from gateway.sim.stage import OPERATOR, Stage
from gateway.sim.story import Step, Story
from gateway.sim.town import build_town

PREFERRED_PORT = 8080
CHECK_S = 26.0
"For the story; a city of one's own is built before it begins."
FIRST_PRESS_S = 2.0
NEXT_PRESS_S = 45.0
OPEN_MAX = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--map", type=Path, metavar="EXTRACT", help="an OpenStreetMap extract of your own city (.osm.pbf, .osm.gz)")
    parser.add_argument("--check", action="store_true", help="run one scripted story without a browser and print each step with its milliseconds")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep journal, registry and configuration in this folder")
    parser.add_argument("--port", type=int, default=None, help=f"port of the console (default: {PREFERRED_PORT} if it is free)")
    parser.add_argument("--json", action="store_true", help="with --check: one JSON object")


def run(options: argparse.Namespace) -> int:
    logging.basicConfig(level="ERROR", format="%(levelname)s %(name)s %(message)s")
    folder = options.keep or Path(tempfile.mkdtemp(prefix="gateway-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return trio.run(_check if options.check else _play, folder, options)
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


async def _stage(folder: Path, options: argparse.Namespace, tell: Callable[[str], None], human_after_s: float) -> Stage:
    town = await trio.to_thread.run_sync(build_town, folder, options.map, tell)
    return await trio.to_thread.run_sync(lambda: Stage(folder, town, SystemClock(), human_after_s=human_after_s))


async def _play(folder: Path, options: argparse.Namespace) -> int:
    stage = await _stage(folder, options, _tell, 9.0)
    async with trio.open_nursery() as nursery:

        async def play(task_status: trio.TaskStatus[None]) -> None:
            await stage.run(f"127.0.0.1:{_port(options.port)}", _tell, task_status)
            nursery.cancel_scope.cancel()

        await nursery.start(play)
        assert stage.ready is not None
        host, port = stage.ready.api
        print(f"\n  {stage.town.name}: open http://{host}:{port}/  user {OPERATOR}  password {stage.keys.password}")
        print(f"  {stage.town.notice}")
        print(f"  press a button in the console's demo panel, or: gateway sim press sim-gt06 -c {folder / 'gateway.toml'}")
        print("  Ctrl-C ends\n", flush=True)
        nursery.start_soon(_press_now_and_then, stage)
    return 0


async def _press_now_and_then(stage: Stage) -> None:
    """The first alarm within seconds; later ones only while few are open."""
    await trio.sleep(FIRST_PRESS_S)
    while True:
        for device in list(stage.devices):
            stage.press(device)
            _tell(f"{device}: the button is held")
            await trio.sleep(NEXT_PRESS_S)
            assert stage.server is not None
            while sum(alarm.is_open for alarm in stage.server.desk.alarms()) >= OPEN_MAX:  # noqa: ASYNC110 - a demo may look again
                await trio.sleep(5.0)


def _port(wanted: int | None) -> int:
    """The wanted port; else the preferred one if it is free; else any."""
    if wanted is not None:
        return wanted
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PREFERRED_PORT))
        except OSError:
            return 0
    return PREFERRED_PORT


async def _check(folder: Path, options: argparse.Namespace) -> int:
    def show(step: Step) -> None:
        if not options.json:
            print(f"{'ok  ' if step.ok else 'FAIL'} {step.name:<56} {step.ms:9.1f} ms  {step.detail}", flush=True)

    began = time.monotonic()
    done = False
    story: Story | None = None
    stage = await _stage(folder, options, lambda text: None, 0.6)
    with trio.move_on_after(CHECK_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(stage.run, "127.0.0.1:0", lambda text: None)
            story = Story(stage, show)
            done = await story.play()
            nursery.cancel_scope.cancel()
    steps = story.steps if story else []
    if options.json:
        rows = [{"step": step.name, "ms": round(step.ms, 1), "ok": step.ok, "detail": step.detail} for step in steps]
        print(json.dumps({"ok": done, "seconds": round(time.monotonic() - began, 1), "steps": rows}))
    elif not done:
        print(f"gateway demo --check: failed after {time.monotonic() - began:.1f} s", file=sys.stderr)
    return 0 if done else 1
