"""What the road engine answers: where a position lies, who can be there first, and along which way."""

import math

import pytest

from gateway.errors import OutsideMap, RoadsError, RoadsSlow
from gateway.router.profile import PoliceProfile
from tests.road_town import Town, index_bytes, place, roads_from, seconds

NOWHERE = [
    (math.nan, 40_000_000), (510_000_000, math.nan), (math.inf, 0), (0, -math.inf), (900_000_001, 0), (0, 1_800_000_001),
    (10**30, 0), (900_000_000, 0), (-900_000_000, 1_800_000_000), (0, 1_800_000_000), (0, -1_800_000_000), (-0.0, 0.0), (0, 0),
]  # fmt: skip


def block():
    """A block of streets abcd, 100 m a side, one-way round the clock; a two-way street de to the south."""
    town = Town().node("a", 0, 0).node("b", 0, 100).node("c", 100, 100).node("d", 100, 0).node("e", 100, -200)
    for name in ("ab", "bc", "cd", "da"):
        town.way(name, name, oneway="yes")
    return town.way("de", "de")


def ids(found):
    return [one.unit_id for one in found]


# ------------------------------------------------------------------------------------------ on one's own arc


def test_a_unit_behind_the_alarm_in_a_one_way_street_drives_straight_on():
    town = block()
    assert seconds(town.roads(), town.between("a", "b", 0.2), town.between("a", "b", 0.7)) == pytest.approx(5.0, abs=0.01)


def test_a_unit_past_the_alarm_in_a_one_way_street_drives_round_the_block():
    town = block()
    assert seconds(town.roads(), town.between("a", "b", 0.7), town.between("a", "b", 0.2)) == pytest.approx(35.0, abs=0.01)
    assert town.route(town.roads(), town.between("a", "b", 0.7), town.between("a", "b", 0.2)) == "bcda"


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_in_a_two_way_street_the_alarm_is_near_on_either_side(share):
    town = block()
    assert seconds(town.roads(), town.between("d", "e", share), town.between("d", "e")) == pytest.approx(abs(share - 0.5) * 20, abs=0.01)


def test_where_the_alarm_is_there_is_nothing_to_drive():
    town = block()
    travel = town.roads().travel(*town.between("a", "b"), *town.between("a", "b"))
    assert travel.travel_s == 0.0 and travel.distance_m == 0.0


def test_a_unit_at_a_junction_leaves_by_any_arm_and_an_alarm_there_is_reached_by_any():
    town = block()
    roads = town.roads()
    assert seconds(roads, town.at("d"), town.between("d", "e")) == pytest.approx(10.0, abs=0.01)
    assert seconds(roads, town.at("d"), town.between("d", "a")) == pytest.approx(5.0, abs=0.01)
    assert seconds(roads, town.between("e", "d"), town.at("d")) == pytest.approx(10.0, abs=0.01)
    assert seconds(roads, town.between("c", "d"), town.at("d")) == pytest.approx(5.0, abs=0.01)
    assert seconds(roads, town.at("a"), town.at("c")) == pytest.approx(20.0, abs=0.01)


def test_beside_a_junction_is_at_the_junction():
    town = block()
    # South-west of a: the nearest point of both streets is a itself.
    assert seconds(town.roads(), town.between("c", "d"), town.at("a", -5, -5)) == pytest.approx(15.0, abs=0.01)


# ------------------------------------------------------------------------------------------------- who is first


def test_units_come_quickest_first_and_equal_times_by_name():
    town = block()
    roads = town.roads()
    for name in ("G-3", "G-1", "G-2"):
        assert roads.unit_set(name, *town.between("d", "e", 0.25))
    assert roads.unit_set("A-9", *town.between("d", "e", 0.25)) and roads.unit_set("near", *town.between("d", "e", 0.5))
    alarm = town.between("d", "e", 0.5)
    assert ids(roads.nearest(*alarm, 10)) == ["near", "A-9", "G-1", "G-2", "G-3"]
    assert ids(roads.nearest(*alarm, 3)) == ["near", "A-9", "G-1"]
    assert ids(roads.nearest(*alarm, 2, {"G-2", "G-3", "G-1", "stranger"})) == ["G-1", "G-2"]
    assert roads.nearest(*alarm, 0) == [] and roads.nearest(*alarm, -1) == [] and roads.nearest(*alarm, 5, ()) == []


def test_a_time_says_its_distance():
    town = block()
    roads = town.roads()
    roads.unit_set("u", *town.between("a", "b", 0.7))
    (found,) = roads.nearest(*town.between("a", "b", 0.2), 1)
    assert found.travel_s == pytest.approx(35.0, abs=0.01) and found.distance_m == pytest.approx(350.0, abs=0.05)


def test_a_unit_that_moves_stands_in_one_place_and_one_that_leaves_in_none():
    town = block()
    roads = town.roads()
    for _ in range(3):
        roads.unit_set("u", *town.between("a", "b"))
        roads.unit_set("u", *town.at("d"))
        roads.unit_set("u", *town.between("d", "e", 0.8))
    assert [one.travel_s for one in roads.nearest(*town.between("d", "e", 0.9), 5)] == pytest.approx([2.0], abs=0.01)
    assert [one.travel_s for one in roads.nearest(*town.between("a", "b"), 5)] == pytest.approx([16 + 10 + 5], abs=0.01)
    roads.unit_remove("u")
    roads.unit_remove("u")
    assert roads.nearest(*town.between("a", "b"), 5) == []
    roads.unit_set("v", *town.at("a"))
    assert ids(roads.nearest(*town.between("a", "b"), 5)) == ["v"]


def test_a_search_leaves_nothing_behind():
    town = block()
    roads = town.roads()
    for number in range(40):
        roads.unit_set(f"u{number:02}", *town.between("d", "e", number / 40))
    first = [roads.nearest(*town.between("b", "c"), count) for count in (1, 7, 40)]
    seconds(roads, town.at("a"), town.at("c"))
    assert [roads.nearest(*town.between("b", "c"), count) for count in (1, 7, 40)] == first
    assert first[2][:7] == first[1] and first[1][:1] == first[0]


def test_a_unit_that_cannot_get_there_is_absent_not_last():
    town = block().node("f", 3000, 0).node("g", 3000, 100).way("island", "fg")
    roads = town.roads()
    roads.unit_set("here", *town.at("a"))
    roads.unit_set("there", *town.at("f"))
    assert ids(roads.nearest(*town.at("c"), 5)) == ["here"]
    assert ids(roads.nearest(*town.at("g"), 5)) == ["there"]
    assert roads.nearest(*town.at("g"), 5, {"here"}) == []
    assert seconds(roads, town.at("a"), town.at("f")) is None and roads.path(*town.at("a"), *town.at("f")) == []


def test_the_course_of_a_unit_decides_which_way_round_it_stands():
    town = block()
    roads = town.roads()
    roads.unit_set("south", *town.between("d", "e"), 180.0)
    roads.unit_set("north", *town.between("d", "e"), 359.0)
    roads.unit_set("still", *town.between("d", "e"))
    times = {one.unit_id: one.travel_s for one in roads.nearest(*town.between("d", "e", 0.9), 5)}
    assert times == pytest.approx({"south": 8.0, "still": 8.0, "north": 8.0 + 15.0}, abs=0.01)


@pytest.mark.parametrize("course_deg", [270.0, -90.0, 630.0, 250.0])
def test_a_moving_unit_is_on_the_street_along_which_it_moves(course_deg):
    town = Town().node("a", 0, 0).node("b", 200, 0).node("c", 100, 8).node("d", 100, 300).way("ab", "ab").way("cd", "cd")
    found = town.roads().snap(*town.at("c", 0, -1), course_deg=course_deg)
    assert [round(one.fraction, 2) for one in found] == [0.5, 0.0]
    assert [round(one.fraction, 2) for one in town.roads().snap(*town.at("c", 0, -1))] == [0.0, 0.5]


@pytest.mark.parametrize("course_deg", [math.nan, math.inf, None])
def test_a_course_that_is_none_says_nothing(course_deg):
    town = block()
    roads = town.roads()
    roads.unit_set("u", *town.between("d", "e"), course_deg)
    assert roads.nearest(*town.between("d", "e", 0.9), 1)[0].travel_s == pytest.approx(8.0, abs=0.01)


def test_a_budget_that_is_used_up_is_said_and_harms_nothing():
    town = Town()
    names = [f"n{number}" for number in range(60)]
    for number, name in enumerate(names):
        town.node(name, number * 100, 0)
    for one, other in zip(names, names[1:], strict=False):
        town.way(one + other, [one, other])
    roads = town.roads()
    roads.unit_set("far", *town.at("n0"))
    with pytest.raises(RoadsSlow, match="10 road states"):
        roads.nearest(*town.at("n59"), 1, settled_max=10)
    assert roads.nearest(*town.at("n59"), 1, settled_max=0)[0].travel_s == pytest.approx(590.0, abs=0.05)


def banks(gap_m=20):
    """Two roads along a river, joined by a bridge far to the east."""
    town = Town().node("a", 0, 0).node("b", 3000, 0).node("c", 3000, gap_m).node("d", 0, gap_m)
    return town.way("north", "dc").way("south", "ab").way("bridge", "bc")


def test_the_other_bank_is_told_when_the_accuracy_reaches_it():
    town = banks()
    roads = town.roads()
    roads.unit_set("south", *town.at("a", 1000))
    roads.unit_set("north", *town.at("d", 1000))
    alarm = town.at("a", 500, 4)
    (first, second) = roads.nearest(*alarm, 5, accuracy_m=30.0)
    assert (first.unit_id, first.travel_s) == ("south", pytest.approx(50.0, abs=0.01))
    assert first.travel_worst_s == pytest.approx(200 + 2 + 250, abs=0.1) and second.travel_worst_s is None
    assert [one.travel_worst_s for one in roads.nearest(*alarm, 5)] == [None, None]
    assert [one.travel_worst_s for one in roads.nearest(*alarm, 5, accuracy_m=math.nan)] == [None, None]
    assert [one.travel_s for one in roads.nearest(*alarm, 5, accuracy_m=30.0)] == [one.travel_s for one in roads.nearest(*alarm, 5)]


def test_a_bend_of_the_same_road_is_no_other_bank():
    town = banks(200)
    roads = town.roads()
    roads.unit_set("u", *town.at("a", 1000))
    assert roads.nearest(*town.at("a", 500), 1, accuracy_m=50.0)[0].travel_worst_s is None


# -------------------------------------------------------------------------------------- beside the road, off the map


@pytest.mark.parametrize("position", NOWHERE)
def test_a_position_that_is_none_is_off_the_map(position):
    town = block()
    roads = town.roads()
    assert roads.unit_set("u", *town.at("a")) and not roads.unit_set("u", *position)
    assert roads.nearest(*town.at("b"), 1) == []
    for question in (lambda: roads.nearest(*position, 1), lambda: roads.snap(*position), lambda: roads.travel(*position, *town.at("a")),
                     lambda: roads.travel(*town.at("a"), *position), lambda: roads.path(*position, *position)):  # fmt: skip
        with pytest.raises(OutsideMap):
            question()


def test_the_last_metres_are_walked():
    town = block()
    roads = town.roads()
    along = seconds(roads, town.between("d", "e", 0.2), town.between("d", "e"))
    assert seconds(roads, town.between("d", "e", 0.2), town.at("d", 29, -100)) == pytest.approx(along, abs=0.01)
    assert seconds(roads, town.between("d", "e", 0.2), town.at("d", 100, -100)) == pytest.approx(along + 70 / 1.4, abs=0.05)
    assert seconds(roads, town.at("d", 100, -40), town.at("d", 100, -100)) == pytest.approx(along + 2 * 70 / 1.4, abs=0.05)


@pytest.mark.parametrize(("metres", "is_on_map"), [(990, True), (1010, False), (100_000, False)])
@pytest.mark.parametrize("side", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_the_map_ends_a_kilometre_from_its_roads(metres, is_on_map, side):
    town = block().node("e", 100, -2000)
    roads = town.roads()
    spots = {(1, 0): (100 + metres, 50), (-1, 0): (-metres, 50), (0, 1): (50, 100 + metres), (0, -1): (100, -2000 - metres)}
    assert roads.unit_set("u", *place(*spots[side])) is is_on_map


def test_how_far_the_map_reaches_can_be_said():
    town = block()
    with pytest.raises(OutsideMap, match="within 50 m of the position"):
        town.roads(snap_m_max=50.0).snap(*town.at("e", 0, -60))
    for wrong in (0.0, -1.0, math.nan, math.inf, 1e9):
        with pytest.raises(RoadsError, match="snap_m_max"):
            town.roads(snap_m_max=wrong)


def test_candidates_lie_within_the_margin_or_the_accuracy():
    town = Town()
    for number in range(12):
        town.node(f"w{number}", 0, number * 10).node(f"e{number}", 100, number * 10).way(f"{number}", [f"w{number}", f"e{number}"])
    roads = town.roads()
    spot = place(50, -2)
    assert [round(one.distance_m) for one in roads.snap(*spot)] == [2, 12]
    assert [round(one.distance_m) for one in roads.snap(*spot, accuracy_m=33.0)] == [2, 12, 22, 32]
    assert [round(one.distance_m) for one in roads.snap(*spot, accuracy_m=math.inf)] == [2, 12, 22, 32, 42, 52, 62, 72]
    for nothing in (-5.0, math.nan):
        assert len(roads.snap(*spot, accuracy_m=nothing)) == 2
    snap = roads.snap(*spot)[0]
    assert snap.fraction == pytest.approx(0.5, abs=1e-4) and (snap.lat_e7, snap.lon_e7) == place(50, 0)
    assert snap.is_open_forward and snap.is_open_backward


def test_a_long_road_without_bends_is_found_in_its_middle():
    town = Town().node("a", 0, 0).node("b", 9000, 7000).way("ab", "ab")
    roads = town.roads()
    for share in (0.001, 0.13, 0.5, 0.77, 0.999):
        (snap,) = roads.snap(*town.between("a", "b", share))
        assert snap.fraction == pytest.approx(share, abs=1e-3) and snap.distance_m < 15


# ------------------------------------------------------------------------------------------------ gaps and islands


def car_park(gap_m):
    """A long street, and a car park aisle whose exit is not mapped."""
    town = Town().node("a", 0, 0).node("b", 1000, 0).way("ab", "ab")
    return town.node("p", 500, gap_m).node("q", 600, gap_m).way("aisle", "pq")


def test_a_car_park_without_an_exit_is_reached_from_the_street_beside_it():
    town = car_park(20)
    roads = town.roads()
    roads.unit_set("outside", *town.at("a"))
    assert roads.nearest(*town.at("p"), 5)[0].travel_s == pytest.approx(50.0, abs=0.01)
    roads.unit_set("inside", *town.at("q"))
    times = {one.unit_id: one.travel_s for one in roads.nearest(*town.at("p"), 5)}
    assert times == pytest.approx({"inside": 10.0, "outside": 50.0}, abs=0.01)
    assert roads.nearest(*town.at("b"), 5, {"inside"})[0].travel_s == pytest.approx(40.0, abs=0.01)


def test_a_gap_in_the_map_farther_away_is_walked_to_when_nobody_stands_in_it():
    town = car_park(300)
    roads = town.roads()
    roads.unit_set("outside", *town.at("a"))
    assert roads.nearest(*town.at("p"), 5)[0].travel_s == pytest.approx(50 + 270 / 1.4, abs=0.05)
    roads.unit_set("inside", *town.at("q"))
    assert ids(roads.nearest(*town.at("p"), 5)) == ["inside"]
    assert ids(roads.nearest(*town.at("p"), 5, {"outside"})) == ["outside"]


def test_an_island_is_not_walked_to():
    town = Town().node("a", 0, 0).node("b", 12_000, 0).way("ab", "ab").node("p", 0, 45).node("q", 11_000, 45).way("island", "pq")
    roads = town.roads()
    roads.unit_set("ashore", *town.at("a"))
    assert roads.nearest(*town.at("p", 500, 0), 5) == [] and ids(roads.nearest(*town.at("p", 500, -30), 5)) == ["ashore"]


# ------------------------------------------------------------------------------------------------- the way itself


def test_a_path_is_timed_along_the_road():
    town = block()
    roads = town.roads()
    points = roads.path(*town.between("a", "b", 0.7), *town.between("d", "e", 0.25))
    assert [point[:2] for point in points[1:-1]] == [town.at("b"), town.at("c"), town.at("d")]
    assert [point.at_s for point in points] == pytest.approx([0, 3, 13, 23, 28], abs=0.01)
    assert points[-1].at_s == seconds(roads, town.between("a", "b", 0.7), town.between("d", "e", 0.25))


def test_a_path_over_a_bend_backwards_has_every_point_in_order():
    town = Town().node("a", 0, 0).node("b", 100, 0).node("c", 100, 100).node("d", 200, 100).way("abcd", "abcd")
    points = town.roads().path(*town.between("d", "c"), *town.between("b", "a"))
    assert [point[:2] for point in points[1:-1]] == [town.at("c"), town.at("b")]
    assert [point.at_s for point in points] == pytest.approx([0, 5, 15, 20], abs=0.01)


def test_a_path_waits_at_the_gate_and_walks_at_both_ends():
    town = Town().node("a", 0, 0).node("g", 100, 0, barrier="gate").node("b", 200, 0).way("ab", "agb")
    roads = town.roads()
    start, goal = town.at("a", 50, 100), town.at("b", -50, -100)
    points = roads.path(*start, *goal)
    assert points[0] == (*start, 0.0) and points[-1] == (*goal, seconds(roads, start, goal))
    assert [point.at_s for point in points] == pytest.approx([0, 50, 55, 70, 75, 125], abs=0.05)


def test_a_path_inside_one_street_has_two_ends():
    town = block()
    points = town.roads().path(*town.between("e", "d", 0.1), *town.between("e", "d", 0.6))
    assert len(points) == 2 and points[1].at_s == pytest.approx(10.0, abs=0.01)
    assert {point.at_s for point in town.roads().path(*town.at("e"), *town.at("e"))} == {0.0}


# ------------------------------------------------------------------------------------------------ the same, always


def test_the_same_extract_profile_and_time_give_the_same_bytes():
    town = block().restriction("no_u_turn", "ab", "b", "bc")
    extract = town.xml()
    assert index_bytes(extract) == index_bytes(extract)
    assert index_bytes(extract) != index_bytes(extract, created_at_us=1_000_000)
    assert index_bytes(extract) != index_bytes(extract, PoliceProfile())


def test_the_order_of_ways_in_the_extract_changes_no_time():
    town = block()
    before = seconds(town.roads(), town.between("a", "b", 0.7), town.between("d", "e"))
    town.ways = dict(reversed(town.ways.items()))
    assert seconds(town.roads(), town.between("a", "b", 0.7), town.between("d", "e")) == before


def test_an_index_says_what_it_is():
    roads = roads_from(block().xml())
    info = roads.info()
    assert roads.data_version.startswith("town-") and info["source"]["name"] == "town.osm"
    assert info["arcs"] == 6 and info["nodes"] == 5 and info["profile"]["parameters"]["name"] == "police"
    south, west, north, east = roads.bbox
    assert (south, west) == (place(0, -200)[0], place(0, 0)[1]) and (north, east) == place(100, 100)
