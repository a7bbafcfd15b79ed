"""``gateway roads``: what goes in, what comes out, and what is said when it cannot be."""

import bz2
import gzip
import io
import json
import sys

import pytest

from gateway.__main__ import main
from gateway.router.roads import Roads
from tests.road_town import Town, place


@pytest.fixture
def town():
    town = Town().node("a", 0, 0).node("b", 0, 1000).node("c", 1000, 1000).node("far", 0, 9000).node("away", 500, 9000)
    return town.way("ab", "ab", highway="primary").way("bc", "bc", highway="primary", maxspeed="100").way("island", ["far", "away"])


@pytest.fixture
def built(tmp_path, town, capsys):
    (tmp_path / "town.osm").write_bytes(town.xml())
    assert main(["roads", "build", str(tmp_path / "town.osm"), "-o", str(tmp_path / "town.roads")]) == 0
    capsys.readouterr()
    return tmp_path / "town.roads"


def degrees(spot):
    return [spot[0] / 1e7, spot[1] / 1e7]


def run(capsys, *words):
    code = main(["roads", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def units_file(tmp_path, rows):
    (tmp_path / "units.json").write_text(json.dumps(rows))
    return tmp_path / "units.json"


@pytest.mark.parametrize(("suffix", "pack"), [("osm", bytes), ("osm.gz", gzip.compress), ("osm.bz2", bz2.compress), ("renamed.pbf", bytes)])
def test_an_extract_is_read_by_what_it_is_not_by_its_name(tmp_path, town, capsys, suffix, pack):
    (tmp_path / f"town.{suffix}").write_bytes(pack(town.xml()))
    code, out, err = run(capsys, "build", tmp_path / f"town.{suffix}", "-o", tmp_path / "town.roads", "--json", "--data-version", "town-2026")
    assert code == 0 and json.loads(out)["data_version"] == "town-2026" and "wrote" in err
    assert Roads.open(tmp_path / "town.roads").data_version == "town-2026"
    assert {path.name for path in tmp_path.iterdir()} == {f"town.{suffix}", "town.roads"}


def test_an_index_is_replaced_in_one_step_and_an_open_one_lives_on(tmp_path, town, built, capsys):
    roads = Roads.open(built)
    town.node("d", 500, 500)
    town.way("cd", "cd")
    (tmp_path / "town.osm").write_bytes(town.xml())
    assert run(capsys, "build", tmp_path / "town.osm", "-o", built)[0] == 0
    assert roads.travel(*place(0, 0), *place(0, 1000)).distance_m == pytest.approx(1000, abs=0.5)
    assert Roads.open(built).info()["segments"] == roads.info()["segments"] + 1


def test_what_fails_leaves_the_old_index(tmp_path, built, capsys):
    before = built.read_bytes()
    (tmp_path / "broken.osm").write_bytes(b"<osm><node")
    code, _, err = run(capsys, "build", tmp_path / "broken.osm", "-o", built)
    assert code == 1 and "broken.osm: the extract cannot be read" in err and built.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"town.osm", "town.roads", "broken.osm"}


def test_info_speaks_to_people_and_to_programs(built, capsys):
    code, out, _ = run(capsys, "info", built, "--json")
    about = json.loads(out)
    assert code == 0 and about["bytes"] == built.stat().st_size and about["arcs"] == 6 and about["source"]["name"] == "town.osm"
    assert {"nodes", "profile", "built_at", "extract", "bbox", "data_version"} <= about.keys()
    code, out, _ = run(capsys, "info", built)
    assert code == 0 and "data version" in out and "OpenStreetMap" in out and about["source"]["sha256"] in out


def test_nearest_lists_the_quickest_first(tmp_path, built, capsys):
    rows = [{"unit": "G-1", "lat": 51.0, "lon": 4.0}, dict(zip(("unit", "lat", "lon"), ("G-2", *degrees(place(900, 1000))), strict=True))]
    rows += [dict(zip(("unit", "lat", "lon"), ("I-1", *degrees(place(100, 9000))), strict=True)), {"unit": "lost", "lat": 0, "lon": 0}]
    at = ",".join(map(str, degrees(place(1000, 1000))))
    code, out, err = run(capsys, "nearest", built, "--at", at, "--units", units_file(tmp_path, rows), "--json")
    found = json.loads(out)
    assert code == 0 and [one["unit"] for one in found] == ["G-2", "G-1"] and "unit lost: off the map" in err
    assert found[0]["travel_s"] == pytest.approx(3.0, abs=0.01) and found[1]["distance_m"] == pytest.approx(2000, abs=1)
    code, out, _ = run(capsys, "nearest", built, "--at", at, "--units", units_file(tmp_path, rows), "-n", "1")
    assert [one["unit"] for one in json.loads(out)] == ["G-2"]


def test_when_nobody_can_be_there_the_answer_is_no(tmp_path, built, capsys):
    at = ",".join(map(str, degrees(place(100, 9000))))
    assert run(capsys, "nearest", built, "--at", at, "--units", units_file(tmp_path, []))[:2] == (1, "[]\n")
    code, out, err = run(capsys, "nearest", built, "--at", "0,0", "--units", units_file(tmp_path, []))
    assert code == 1 and out == "" and "no road within 1000 m" in err and "0.0" not in err


def test_southern_and_western_positions_are_positions(tmp_path, built, capsys):
    for words in (["--at", "-33.9,18.4"], ["--at=-33.9,-18.4"], ["--at", "-33.9, 18.4"]):
        assert "no road within" in run(capsys, "nearest", built, *words, "--units", units_file(tmp_path, []))[2]


def test_matrix_answers_every_pair_in_order(tmp_path, built, capsys, monkeypatch):
    a, c, far = degrees(place(0, 0)), degrees(place(1000, 1000)), degrees(place(0, 9000))
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps([[*a, *c], [*a, *far], [0, 0, *c], [*c, *c]])))
    code, out, _ = run(capsys, "matrix", built, "--pairs", "-")
    first, *others = json.loads(out)
    assert code == 0 and others == [None, None, {"travel_s": 0.0, "distance_m": 0.0}]
    assert first["travel_s"] == pytest.approx(1000 / 78 * 3.6 + 1000 / 120 * 3.6, abs=0.05)


def test_a_profile_file_changes_the_index(tmp_path, built, capsys):
    (tmp_path / "zone.toml").write_text('name = "zone"\nurgency = 1.0\n[speeds_kmh]\nprimary = 36\n')
    assert run(capsys, "build", tmp_path / "town.osm", "-o", built, "--profile", tmp_path / "zone.toml")[0] == 0
    roads = Roads.open(built)
    assert roads.info()["profile"]["name"] == "zone" and roads.travel(*place(0, 0), *place(0, 1000)).travel_s == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["build", "none.osm", "-o", "x"], "none.osm: no such file"),
        (["build", "town.osm", "-o", "none/x"], "its folder does not exist"),
        (["build", "town.osm", "-o", "x", "--profile", "none.toml"], "none.toml: No such file"),
        (["build", "town.osm", "-o", "x", "--profile", "town.osm"], "town.osm: Invalid statement"),
        (["build", "town.osm", "-o", "x", "--profile", "wrong.toml"], "wrong.toml: urgncy: unknown key; did you mean urgency?"),
        (["nearest", "town.roads", "--at", "51", "--units", "u"], "--at: expected a latitude and a longitude"),
        (["nearest", "town.roads", "--at", "51,x", "--units", "u"], "--at: expected numbers"),
        (["nearest", "town.roads", "--at", "nan,4", "--units", "u"], "--at: not a position"),
        (["nearest", "town.roads", "--at", "91,4", "--units", "u"], "--at: not a position"),
        (["nearest", "town.roads", "--at", "51,4", "--units", "none"], "--units none: No such file"),
        (["nearest", "town.roads", "--at", "51,4", "--units", "town.osm"], "--units town.osm: not JSON"),
        (["nearest", "town.roads", "--at", "51,4", "--units", "object.json"], "expected a JSON list"),
        (["nearest", "town.roads", "--at", "51,4", "--units", "list.json", "-n", "0"], "ask for at least one unit"),
        (["nearest", "town.roads", "--at", "51,4", "--units", "nameless.json"], 'nameless.json: [0]: expected an object with "unit"'),
        (["nearest", "town.roads", "--at", "51,4", "--units", "nowhere.json"], "nowhere.json: [0]: expected numbers"),
        (["nearest", "town.roads", "--at", "51,4", "--units", "twice.json"], "twice.json: [1]: unit 'u' stands in the list twice"),
        (["matrix", "town.roads", "--pairs", "list.json"], "list.json: [0]: expected [from_lat, from_lon, to_lat, to_lon]"),
        (["matrix", "town.roads", "--pairs", "deep.json"], "--pairs deep.json: not JSON"),
        (["matrix", "town.roads", "--pairs", "nan.json"], "nan.json: [0]: not a position"),
    ],
)  # fmt: skip
def test_wrong_use_is_told_what_and_where(tmp_path, built, capsys, monkeypatch, words, expected):
    unit = '{"unit": "u", "lat": 51, "lon": 4}'
    files = {
        "wrong.toml": "urgncy = 1", "object.json": "{}", "list.json": "[[1, 2, 3]]", "nameless.json": '[{"unit": 7}]',
        "nowhere.json": '[{"unit": "u", "lat": null, "lon": 4}]', "twice.json": f"[{unit}, {unit}]", "deep.json": "[" * 100_000,
        "nan.json": "[[NaN, 1, 2, 3]]",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert code == 2 and out == "" and expected in err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("act", ["info", "nearest", "matrix"])
def test_a_file_that_is_no_index_is_refused_with_its_name(tmp_path, capsys, act):
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "bad.roads").write_bytes(b"x" * 100)
    words = {"info": [], "nearest": ["--at", "51,4", "--units", tmp_path / "list.json"], "matrix": ["--pairs", tmp_path / "list.json"]}[act]
    code, out, err = run(capsys, act, tmp_path / "bad.roads", *words)
    assert code == 1 and out == "" and "bad.roads: not a road index" in err
