"""From an extract to the tiles of the base map."""

import gzip
import json
import math
import random
import sqlite3
from pathlib import Path

import pytest
from shapely.geometry import LineString, Polygon
from shapely.geometry import box as shapely_box

from gateway.__main__ import main
from gateway.errors import CommandError
from gateway.maps.coast import Frame, is_plausible, sea_of
from gateway.maps.cut import MARGIN, UNITS, cut, simplified, world, zooms_of
from gateway.maps.extract import Shape, Survey, chains_of, rings_of
from gateway.maps.features import Drawn, area_of, label_of, line_of, place_of
from gateway.maps.reading import survey
from gateway.maps.tiles import TileFile, build

HELSINKI = Path(__file__).resolve().parents[2] / "gateway" / "sim" / "data" / "helsinki.osm.pbf"
ROAD, LAKE = Drawn("road", "minor", 14), Drawn("water", "water", 8)


# ------------------------------------------------------------------------------------------------- features


@pytest.mark.parametrize(
    ("tags", "layer", "kind"),
    [
        ({"highway": "motorway_link"}, "road", "motorway"),
        ({"highway": "residential"}, "road", "minor"),
        ({"railway": "tram"}, "rail", "tram"),
        ({"waterway": "canal"}, "stream", "canal"),
    ],
)
def test_lines_are_drawn_by_their_tags(tags, layer, kind):
    line = line_of(tags)
    assert (line.layer, line.kind) == (layer, kind)


@pytest.mark.parametrize(
    "tags",
    [
        {}, {"highway": "proposed"}, {"highway": "pedestrian", "area": "yes"}, {"railway": "subway"}, {"railway": "rail", "tunnel": "yes"},
        {"waterway": "stream", "tunnel": "culvert"}, {"building": "yes"},
    ],
)  # fmt: skip
def test_what_is_no_line_is_not_drawn_as_one(tags):
    assert line_of(tags) is None


def test_areas_are_drawn_by_their_tags():
    assert area_of({"natural": "water"}).layer == "water"
    assert area_of({"leisure": "park"}).layer == "green"
    assert area_of({"place": "square"}).layer == "paved"
    assert area_of({"building": "house"}).layer == "building"
    assert area_of({"building": "no"}) is None and area_of({"natural": "water", "location": "underground"}) is None


def test_names_are_those_that_stand_on_the_signs():
    assert label_of({"ref": "E 40;E 17", "highway": "motorway"}, "road") == "E 40"
    assert label_of({"name": "Veldstraat", "ref": "N9"}, "road") == "Veldstraat"
    assert place_of({"place": "city", "name": "Gent"}).zoom_min == 8 and place_of({"place": "city"}) is None


def test_a_shape_stands_in_every_zoom_from_its_first():
    assert list(zooms_of(Shape(Drawn("place", "suburb", 12), ()))) == [12, 14]


# ------------------------------------------------------------------------------------------------- joining


def test_pieces_of_a_ring_join_in_any_direction():
    (ring,) = rings_of([[1, 2, 3], [5, 4, 3], [5, 6, 1]])
    assert ring == [1, 2, 3, 4, 5, 6, 1]


def test_a_ring_with_a_missing_piece_is_none():
    assert list(rings_of([[1, 2, 3], [5, 4, 3], [7]])) == []


def test_several_rings_come_apart():
    assert sorted(map(len, rings_of([[1, 2, 3, 1], [7, 8, 9], [9, 10, 7]]))) == [4, 5]


def test_shores_join_in_their_own_direction():
    chains = sorted(chains_of([[3, 4], [1, 2, 3], [9, 8], [5, 6, 5]]))
    assert chains == [[1, 2, 3, 4], [5, 6, 5], [9, 8]]


def test_shores_that_go_round_come_out_closed():
    (chain,) = chains_of([[2, 3], [3, 1], [1, 2]])
    assert chain[0] == chain[-1] and sorted(chain[:-1]) == [1, 2, 3]


# --------------------------------------------------------------------------------------------------- coast

FRAME = Frame(0.0, 0.0, 10.0, 10.0)


def sea_area(pieces, frame=FRAME):
    """Even-odd area of the sea."""
    total = Polygon()
    for ring in sea_of(pieces, frame):
        total = total.symmetric_difference(Polygon([(lon, lat) for lat, lon in ring]))
    return total


def test_the_sea_lies_right_of_the_shore():
    northward = [[(-1.0, 4.0), (0.5, 4.0), (9.5, 4.0), (11.0, 4.0)]]
    assert sea_area(northward).area == pytest.approx(60, rel=0.01)
    southward = [[*reversed(northward[0])]]
    assert sea_area(southward).area == pytest.approx(40, rel=0.01)


def test_a_shore_that_the_extract_cuts_short_reaches_the_frame():
    sea = sea_area([[(1.0, 4.0), (9.0, 4.0)]])
    assert sea.area == pytest.approx(60, rel=0.01)


def test_an_island_is_a_hole_in_the_sea():
    anticlockwise = [(4.0, 4.0), (4.0, 6.0), (6.0, 6.0), (6.0, 4.0), (4.0, 4.0)]
    assert sea_area([anticlockwise]).area == pytest.approx(96)
    with_shore = sea_area([[(0.0, 2.0), (10.0, 2.0)], anticlockwise])
    assert with_shore.area == pytest.approx(76, rel=0.01)


def test_water_inside_a_ring_of_shore_is_water():
    clockwise = [(4.0, 4.0), (6.0, 4.0), (6.0, 6.0), (4.0, 6.0), (4.0, 4.0)]
    assert sea_area([clockwise]).area == pytest.approx(4)


def test_two_shores_enclose_a_strait():
    strait = [[(10.0, 6.0), (0.0, 6.0)], [(0.0, 4.0), (10.0, 4.0)]]
    sea = sea_area(strait)
    assert sea.area == pytest.approx(20, rel=0.01)


def test_an_island_across_the_frame_keeps_its_land():
    across = [(4.0, 8.0), (4.0, 12.0), (6.0, 12.0), (6.0, 8.0), (4.0, 8.0)]
    assert sea_area([across]).area == pytest.approx(96, rel=0.01)


def test_without_a_shore_there_is_no_sea():
    assert sea_of([], FRAME) == [] and Frame.around([]) is None


def test_a_sea_over_roads_is_not_believed():
    sea = sea_of([[(0.0, 4.0), (10.0, 4.0)]], FRAME)
    assert is_plausible(sea, [(5.0, 1.0)] * 99 + [(5.0, 6.0)])
    assert not is_plausible(sea, [(5.0, 1.0)] * 9 + [(5.0, 6.0)])


# ----------------------------------------------------------------------------------------------------- cut


def lines_of(flat):
    """The points of a flat line."""
    x = y = 0
    points = []
    for dx, dy in zip(flat[::2], flat[1::2], strict=True):
        x, y = x + dx, y + dy
        points.append((x, y))
    return points


def place(x, y, zoom=14):
    """(lat, lon) of tile units of the world."""
    size = UNITS << zoom
    return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y / size)))), x / size * 360 - 180


BASE = (9000 * UNITS, 4700 * UNITS)


def at(x, y):
    return place(BASE[0] + x, BASE[1] + y)


def test_the_world_begins_in_the_north_west():
    assert world((0.0, 0.0)) == (0.5, 0.5)
    assert world((85.051129, -180.0)) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert world((-90.0, 180.0)) == pytest.approx((1.0, 1.0), abs=1e-6)


def test_a_line_across_tiles_is_whole_in_all_of_them_together():
    shape = Shape(ROAD, ((at(300, 300), at(3 * UNITS + 300, 900)),))
    parts = {x - 9000: lines for x, _, lines in cut(shape, 14)}
    assert sorted(parts) == [0, 1, 2, 3]
    for number, lines in parts.items():
        (points,) = map(lines_of, lines)
        assert all(-MARGIN - 1 <= x <= UNITS + MARGIN + 1 for x, _ in points)
        assert points[0][0] == (300 if number == 0 else -MARGIN) and points[-1][0] == (300 if number == 3 else UNITS + MARGIN)


def test_a_line_that_leaves_and_returns_is_two_lines():
    zigzag = Shape(ROAD, ((at(100, 100), at(100, UNITS + 2000), at(300, UNITS + 2000), at(300, 100)),))
    parts = {(x - 9000, y - 4700): lines for x, y, lines in cut(zigzag, 14)}
    assert len(parts[0, 0]) == 2 and len(parts[0, 1]) == 1


@pytest.mark.parametrize("seed", range(12))
def test_tiles_hold_the_area_of_what_was_cut(seed):
    dice = random.Random(seed)
    spokes = [dice.uniform(2000, 9000) for _ in range(24)]
    ring = [(6000 + reach * math.cos(turn * math.tau / 24), 6000 + reach * math.sin(turn * math.tau / 24)) for turn, reach in enumerate(spokes)]
    ring.append(ring[0])
    whole = Polygon(ring)
    area = 0.0
    for _, _, lines in cut(Shape(LAKE, ([at(*point) for point in ring],)), 14):
        cell = shapely_box(0, 0, UNITS, UNITS)
        for flat in lines:
            points = lines_of(flat)
            assert points[0] == points[-1]
            area += Polygon(points).buffer(0).intersection(cell).area
    assert area == pytest.approx(whole.area, rel=0.01)


def test_a_hole_stays_a_hole():
    def square(low, high):
        return [at(low, low), at(high, low), at(high, high), at(low, high), at(low, low)]

    ((_, _, rings),) = cut(Shape(LAKE, (square(500, 3500), square(1500, 2500))), 14)
    assert [len(lines_of(ring)) for ring in rings] == [5, 5]


def test_specks_are_not_drawn():
    speck = [at(10, 10), at(14, 10), at(14, 14), at(10, 14), at(10, 10)]
    assert list(cut(Shape(LAKE, (speck,)), 14)) == []


@pytest.mark.parametrize("seed", range(5))
def test_simplifying_stays_within_its_tolerance(seed):
    dice = random.Random(seed)
    line = [(float(x), dice.uniform(0, 40)) for x in range(0, 2000, 7)]
    short = simplified(line, 8.0)
    assert short[0] == line[0] and short[-1] == line[-1] and len(short) < len(line)
    assert LineString(line).hausdorff_distance(LineString(short)) <= 8.0 + 1e-9


# ---------------------------------------------------------------------------------------------- the tile file


def town():
    """Two streets, a lake, a house and a name."""
    one = Survey()
    one.take_way(1, [1, 2], {"highway": "residential", "name": "Veldstraat"})
    one.take_way(2, [2, 3], {"highway": "primary"})
    one.take_way(3, [4, 5, 6, 4], {"natural": "water"})
    one.take_way(4, [1, 2, 3, 1], {"building": "yes"})
    one.take_way(5, [1, 99], {"highway": "service"})
    one.take_way(6, [1, 2], {"power": "line"})
    one.surveyed()
    for number, point in enumerate([(51.05, 3.72), (51.051, 3.721), (51.052, 3.723), (51.05, 3.73), (51.05, 3.74), (51.06, 3.74)], 1):
        one.take_node(number, *point, {})
    one.take_node(7, 51.0543, 3.7174, {"place": "city", "name": "Gent"})
    one.take_node(8, 951.0, 3.7174, {"place": "city", "name": "Nowhere"})
    return one


def bodies(path):
    with sqlite3.connect(path) as database:
        return {(z, x, y): json.loads(gzip.decompress(body)) for z, x, y, body in database.execute("select * from tile")}


def test_a_tile_says_what_to_draw(tmp_path):
    about = build(town(), tmp_path / "t.db", "town.osm")
    tiles = TileFile(tmp_path / "t.db")
    assert tiles.about == about and about["attribution"] == "© OpenStreetMap contributors"
    south, west, north, east = json.loads(about["bounds"])
    assert south < 51.05 < north and west < 3.72 < east
    found = json.loads(gzip.decompress(tiles.get(14, 8361, 5481)))
    assert found["v"] == 1 and found["names"] == ["Gent", "Veldstraat"]
    assert found["place"][0][:2] == ["city", 0]
    assert [road[:2] for road in found["road"]] == [["minor", 1], ["primary", -1]]
    assert len(found["building"]) == 1 and "green" not in found
    assert tiles.get(14, 0, 0) is None and tiles.get(20, -1, 10**9) is None
    tiles.close()


def test_a_low_zoom_carries_what_matters_there(tmp_path):
    build(town(), tmp_path / "t.db", "town.osm")
    (body,) = (body for (z, _, _), body in bodies(tmp_path / "t.db").items() if z == 10)
    assert {road[0] for road in body["road"]} == {"primary"} and "building" not in body


def test_the_same_extract_gives_the_same_bytes(tmp_path):
    build(town(), tmp_path / "a.db", "town.osm")
    build(town(), tmp_path / "b.db", "town.osm")
    assert (tmp_path / "a.db").read_bytes() == (tmp_path / "b.db").read_bytes()


def test_buildings_can_be_left_out():
    one = Survey(has_buildings=False)
    one.take_way(4, [1, 2, 3, 1], {"building": "yes"})
    one.surveyed()
    assert list(one.shapes()) == []


def test_a_multipolygon_takes_its_ways_whatever_their_tags():
    one = Survey()
    one.take_way(1, [1, 2, 3], {})
    one.take_way(2, [3, 4, 1], {})
    members = [("way", 1, "outer"), ("way", 2, "outer"), ("way", 77, "inner"), ("node", 3, "label")]
    one.take_relation(members, {"type": "multipolygon", "natural": "water"})
    one.surveyed()
    for number, point in enumerate([(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0)], 1):
        one.take_node(number, *point, {})
    (shape,) = one.shapes()
    assert shape.drawn.layer == "water" and [len(ring) for ring in shape.lines] == [5]


def test_an_area_whose_corner_the_extract_lacks_is_closed_all_the_same():
    one = Survey()
    one.take_way(1, [1, 2, 3, 4, 1], {"natural": "water"})
    one.surveyed()
    for number, point in ((2, (0.0, 1.0)), (3, (1.0, 1.0)), (4, (1.0, 0.0))):
        one.take_node(number, *point, {})
    (shape,) = one.shapes()
    assert shape.lines[0][0] == shape.lines[0][-1]


def test_an_extract_without_roads_is_no_map(tmp_path):
    with pytest.raises(CommandError, match="empty.osm: no road in it"):
        build(Survey(), tmp_path / "t.db", "empty.osm")
    assert not list(tmp_path.iterdir())


def test_the_builtin_city_has_streets_houses_and_the_sea(tmp_path):
    about = build(survey(HELSINKI), tmp_path / "t.db", HELSINKI.name)
    south, west, north, east = json.loads(about["bounds"])
    assert 60.15 < south < north < 60.19 and 24.92 < west < east < 24.97
    found = [body for (z, _, _), body in bodies(tmp_path / "t.db").items() if z == 14]
    names = {name for body in found for name in body["names"]}
    assert {"Mannerheimintie", "Aleksanterinkatu"} <= names
    for layer in ("road", "rail", "water", "green", "building", "place", "paved"):
        assert any(layer in body for body in found), layer


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.osm.pbf", b""),
        ("a.osm.pbf", b"\0\0\0\x04abcdefgh"),
        ("a.osm.pbf", b"\xff\xff\xff\xff"),
        ("a.osm.gz", b"no gzip"),
        ("a.osm", b"<osm><node id='1'"),
        ("a.osm", b"<osm><node id='x' lat='1' lon='1'/></osm>"),
        ("a.osm.bz2", b"BZh9nonsense"),
    ],
)
def test_what_is_no_extract_is_said_to_be_none(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CommandError, match=name):
        survey(tmp_path / name)


def test_an_extract_is_known_by_its_bytes_whatever_its_name(tmp_path):
    (tmp_path / "download").write_bytes(HELSINKI.read_bytes())
    assert sum(1 for _ in survey(tmp_path / "download").shapes()) > 2_000


def test_a_missing_extract_is_said_to_be_missing(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        survey(tmp_path / "gone.osm.pbf")


def test_what_is_no_tile_file_is_said_to_be_none(tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database at all, but long enough to be one" * 40)
    for name in ("x.db", "gone.db"):
        with pytest.raises(CommandError, match="gateway roads tiles"):
            TileFile(tmp_path / name)
    with sqlite3.connect(tmp_path / "old.db") as database:
        database.execute("create table about(key, value)")
    database.close()
    with pytest.raises(CommandError, match="another version"):
        TileFile(tmp_path / "old.db")


def test_the_command_writes_a_tile_file_and_says_what_it_holds(tmp_path, capsys):
    assert main(["roads", "tiles", str(HELSINKI), "-o", str(tmp_path / "h.tiles"), "--no-buildings", "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["source"] == "helsinki.osm.pbf" and about["attribution"].startswith("©")
    assert not any("building" in body for body in bodies(tmp_path / "h.tiles").values())
    assert main(["roads", "tiles", str(tmp_path / "none.pbf"), "-o", str(tmp_path / "h.tiles")]) == 2
    assert main(["roads", "tiles", str(HELSINKI), "-o", str(tmp_path / "no" / "h.tiles")]) == 2
