"""The demo's check, as somebody would run it after an installation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("GATEWAY_SHARED", ROOT.parent / "shared"))


def check(*words: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--check", "--json", *words], capture_output=True, text=True, timeout=200, check=False, cwd=ROOT
    )
    told = json.loads(done.stdout)
    assert done.returncode == (0 if told["ok"] else 1), done.stderr
    return told


def test_the_check_tells_each_step_of_the_story_and_succeeds() -> None:
    told = check()
    assert told["ok"], told
    names = [step["step"] for step in told["steps"]]  # type: ignore[attr-defined]
    assert names[:8] == ["units report", "press by GT06 over TCP", "durable", "unit", "delivered", "human ack", "tracked", "closed"]
    assert names[-1] == "failover"


@pytest.mark.parametrize("name", ["muenchen-altstadt.osm.pbf", "wetteren-lokeren.osm.gz"])
def test_the_story_plays_in_any_city(name: str) -> None:
    extract = SHARED / "data" / "osm" / name
    if not extract.is_file():
        pytest.skip("the shared maps are not here; the city that the package carries was tried above")
    assert check("--map", str(extract))["ok"]


def test_an_extract_that_is_none_is_said_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "town.osm.pbf").write_bytes(b"no map")
    for path in (tmp_path / "nowhere.osm.pbf", tmp_path / "town.osm.pbf"):
        command = [sys.executable, "-m", "gateway", "demo", "--check", "--map", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
        assert done.returncode in (1, 2) and str(path) in done.stderr and "Traceback" not in done.stderr, done.stderr
