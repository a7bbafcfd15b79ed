"""The graph compiler on towns of a few streets: every defect of the library's graph, and every rule about turns."""

import pytest

from gateway.errors import RoadsError
from gateway.router.profile import PoliceProfile
from tests.road_town import PLAIN, Town, roads_from, seconds


def side_street():
    """1-2-3-4 from west to east, a side street 3-5 to the north."""
    town = Town()
    for name, x_m in (("1", 0), ("2", 100), ("3", 200), ("4", 300)):
        town.node(name, x_m, 0)
    town.node("5", 200, 100)
    return town.way("12", "12").way("23", "23").way("34", "34").way("35", "35")


# ------------------------------------------------------------------------------- the cases of the dossier, A to F


def test_a_a_ban_at_the_goal_does_not_make_it_unreachable():
    town = side_street().restriction("no_left_turn", "23", "3", "35")
    assert seconds(town.roads(), town.at("2"), town.at("3")) == pytest.approx(10.0, abs=0.01)


def test_a2_a_ban_is_not_dodged_by_turning_round_at_the_next_shape_node():
    town = side_street().node("6", 400, 0).way("34", "346").restriction("no_left_turn", "23", "3", "35")
    roads = town.roads()
    # 4 is only a bend of the street; 6 is a dead end, where one may turn round.
    assert town.route(roads, town.between("1", "2"), town.between("3", "5")) == "234643"


def test_a2_without_a_place_to_turn_there_is_no_way():
    town = side_street().restriction("no_left_turn", "23", "3", "35")
    town.way("34", "34", oneway="yes")
    assert seconds(town.roads(), town.between("1", "2"), town.between("3", "5")) is None


@pytest.mark.parametrize("order", [1, -1])
def test_b_the_order_of_restrictions_changes_nothing(order):
    town = side_street()
    town.restriction("no_left_turn", "23", "3", "35").restriction("no_straight_on", "12", "2", "23")
    town.way("34", "34", oneway="yes")
    town.relations = town.relations[::order]
    roads = town.roads()
    assert seconds(roads, town.between("1", "2"), town.between("3", "5")) is None
    assert seconds(roads, town.between("1", "2"), town.between("2", "3")) is None


@pytest.mark.parametrize("names", ["fast slow", "slow fast"])
def test_c_parallel_ways_between_the_same_two_nodes_are_both_there(names):
    town = Town().node("1", 0, 0).node("2", 100, 0)
    for name in names.split():
        town.way(name, "12", maxspeed=50 if name == "fast" else 10)
    assert seconds(town.roads(), town.at("1"), town.at("2")) == pytest.approx(100 / 50 * 3.6, abs=0.01)


def street_with(**tags):
    return Town().node("1", 0, 0).node("b", 100, 0, **tags).node("2", 200, 0).way("12", "1b2")


@pytest.mark.parametrize(
    ("tags", "extra_s"),
    [
        ({"barrier": "bollard"}, None),
        ({"barrier": "block"}, None),
        ({"barrier": "Stones"}, None),
        ({"barrier": "gate"}, 15.0),
        ({"barrier": "lift_gate", "access": "private"}, 8.0),
        ({"barrier": "gate", "access": "no"}, None),
        ({"barrier": "gate", "locked": "yes"}, None),
        ({"barrier": "gate", "access": "no", "emergency": "yes"}, 15.0),
        ({"barrier": "bollard", "emergency": "yes"}, 8.0),
        ({"barrier": "bollard", "bus": "yes"}, 8.0),
        ({"barrier": "bollard", "bollard": "rising"}, 8.0),
        ({"barrier": "toll_booth"}, 0.0),
        ({"barrier": "no"}, 0.0),
        ({"highway": "traffic_signals"}, 0.0),
    ],
)
def test_d_a_barrier_in_the_middle_of_a_street_counts(tags, extra_s):
    town = street_with(**tags)
    found = seconds(town.roads(), town.between("1", "b"), town.between("b", "2"))
    assert found is None if extra_s is None else found == pytest.approx(10.0 + extra_s, abs=0.01)


def test_d_both_sides_of_a_closed_barrier_are_reached_from_their_own_side():
    town = street_with(barrier="bollard").node("3", 0, 100).node("4", 200, 100).way("round", "1342")
    roads = town.roads()
    assert town.route(roads, town.between("1", "b"), town.between("b", "2")) == "1342"
    assert seconds(roads, town.at("1"), town.at("b")) == pytest.approx(10.0, abs=0.01)
    assert seconds(roads, town.at("2"), town.at("b")) == pytest.approx(10.0, abs=0.01)


def test_e_the_outline_of_an_area_is_no_road():
    town = side_street().node("6", 0, 50).way("square", "1561", highway="pedestrian", area="yes")
    assert town.route(town.roads(), town.between("1", "2"), town.between("3", "5")) == "23"


def test_f_a_way_says_what_it_costs():
    town = side_street()
    travel = town.roads().travel(*town.at("1"), *town.at("5"))
    assert travel.travel_s == pytest.approx(30.0, abs=0.01) and travel.distance_m == pytest.approx(300.0, abs=0.05)


# --------------------------------------------------------------------------------------------- turning round


def test_one_turns_round_in_a_dead_end():
    town = side_street().way("12", "12", oneway="yes").way("23", "23", oneway="yes").way("35", "53", oneway="yes")
    town.node("6", 200, -100).way("36", "36")
    assert town.route(town.roads(), town.between("5", "3"), town.between("6", "3", 0.2)) == "3"
    assert town.route(town.roads(), town.between("3", "4"), town.between("3", "6")) == "3"


@pytest.mark.parametrize("kind", ["no_u_turn", "no_straight_on"])
def test_no_u_turn_binds_in_a_dead_end_too(kind):
    town = Town().node("1", 0, 0).node("2", 100, 0).node("3", 200, 0).way("12", "12", oneway="yes").way("23", "23")
    roads = town.restriction(kind, "23", "3", "23").roads()
    start, goal = town.between("1", "2"), town.between("2", "3", 0.1)
    assert seconds(roads, start, goal) == pytest.approx(6.0, abs=0.01)
    there = roads.nearest(*goal, 1) if roads.unit_set("u", *town.between("2", "3", 0.9), 90.0) else None
    assert there[0].travel_s == pytest.approx(15.0 + 8.0, abs=0.01)  # turned round in the road, not in the dead end


def test_before_a_closed_barrier_one_turns_round():
    town = street_with(barrier="bollard").node("3", 0, 100).way("13", "31", oneway="yes").node("4", -100, 0).way("14", "14")
    roads = town.roads()
    roads.unit_set("u", *town.between("1", "b", 0.2), course_deg=90.0)
    (found,) = roads.nearest(*town.between("1", "4"), 1)
    assert found.travel_s == pytest.approx(15.0 + 2.0 + 5.0, abs=0.01)
    assert seconds(roads, town.between("3", "1"), town.between("1", "4")) == pytest.approx(10.0, abs=0.01)


def test_turning_round_at_a_gate_does_not_wait_for_it_to_open():
    town = street_with(barrier="gate").way("12", "1b").node("3", 0, 100).way("13", "31", oneway="yes")
    roads = town.roads()
    roads.unit_set("u", *town.between("1", "b", 0.8), course_deg=90.0)
    assert roads.nearest(*town.between("1", "b", 0.9), 1)[0].travel_s == pytest.approx(1.0, abs=0.01)
    # Round in the road costs 15 s; round at the gate, 2 s there and back.
    assert roads.nearest(*town.between("1", "b", 0.4), 1)[0].travel_s == pytest.approx(2.0 + 6.0, abs=0.01)


def test_at_the_mouth_of_a_one_way_street_one_turns_round():
    town = side_street().way("34", "43", oneway="yes").way("35", "53", oneway="yes")
    roads = town.roads()
    roads.unit_set("u", *town.between("2", "3"), 90.0)
    assert roads.nearest(*town.between("1", "2"), 1)[0].travel_s == pytest.approx(min(5 + 10 + 5, 15 + 5 + 5), abs=0.01)


# ------------------------------------------------------------------------------------- restrictions, kind by kind


def crossing():
    """A crossing c with arms n, e, s, w of 100 m; every arm ends in a one-way loop, so nobody turns round."""
    town = Town().node("c", 0, 0)
    for name, x_m, y_m in (("n", 0, 100), ("e", 100, 0), ("s", 0, -100), ("w", -100, 0)):
        town.node(name, x_m, y_m).way(name, name + "c")
    return town


def reached(town, start):
    """The arms that a unit coming up one arm reaches before it turns round in another."""
    roads = town.roads()
    roads.unit_set("u", *town.between(start, "c", 0.5), {"n": 180.0, "e": 270.0, "s": 0.0, "w": 90.0}[start])
    arms = set()
    for arm in "nesw":
        found = roads.nearest(*town.between("c", arm, 0.4), 1)
        if found and found[0].travel_s == pytest.approx(9.0, abs=0.01):
            arms.add(arm)
    return "".join(sorted(arms))


@pytest.mark.parametrize(
    ("kind", "tags", "expected"),
    [
        (None, {}, "enw"),
        ("no_right_turn", {}, "nw"),
        ("no_left_turn", {}, "nw"),  # the members say which turn, not the word
        ("only_right_turn", {}, "e"),
        ("no_entry", {}, "nw"),
        ("no_right_turn;no_u_turn", {}, "nw"),
        ("no_right_turn", {"except": "psv"}, "enw"),
        ("no_right_turn", {"except": "bicycle; bus"}, "enw"),
        ("no_right_turn", {"except": "taxi,emergency"}, "enw"),
        ("no_right_turn", {"except": "bicycle"}, "nw"),
        (None, {"restriction__conditional": "no_right_turn @ (07:00-09:00)"}, "enw"),
        ("no_right_turn", {"hour_on": "07:00", "hour_off": "09:00"}, "enw"),
        (None, {"restriction__hgv": "no_right_turn"}, "enw"),
        (None, {"restriction__motorcar": "no_right_turn"}, "nw"),
        (None, {"restriction__bus": "no_right_turn"}, "enw"),
        ("no_teleport", {}, "enw"),
        ("right_turn", {}, "enw"),
        ("", {}, "enw"),
    ],
)
def test_a_turn_restriction_means_what_its_tags_say(kind, tags, expected):
    assert reached(crossing().restriction(kind, "s", "c", "e", **tags), "s") == expected


def test_every_kind_of_restriction_that_is_not_applied_is_counted():
    town = crossing().restriction("no_left_turn", "s", "c", "w").restriction("only_straight_on", "n", "c", "s")
    town.restriction("no_left_turn", "s", "c", "w", **{"except": "psv"})
    town.restriction(None, "s", "c", "w", restriction__conditional="no_left_turn @ wet").restriction("no_magic", "s", "c", "w")
    town.restriction(None, "s", "c", "w", restriction__hgv="no_left_turn")
    town.restriction("no_left_turn", "s", ["c", "n"], "w").restriction("only_left_turn", ["s", "n"], "c", "w")
    town.relation([("way", "s", "from"), ("way", "w", "to")], type="restriction", restriction="no_left_turn")
    town.relation([("way", "s", "from"), ("node", "c", "via"), ("node", "w", "to")], type="restriction", restriction="no_left_turn")
    town.node("far", 500, 500).node("away", 600, 500).way("away", ["far", "away"]).restriction("no_left_turn", "s", "c", "away")
    town.restriction("no_left_turn", "nowhere", "c", "away").relation([], type="multipolygon")
    counts = town.roads().info()["extract"]
    assert {key: value for key, value in counts.items() if key.startswith("restrictions")} == {
        "restrictions": 12, "restrictions_applied_no": 1, "restrictions_applied_only": 1, "restrictions_lapsed": 1,
        "restrictions_conditional": 1, "restrictions_unsupported": 1, "restrictions_of_others": 1, "restrictions_malformed": 4,
        "restrictions_without_effect": 2,
    }  # fmt: skip


def test_two_commands_at_one_junction_allow_both_ways():
    town = crossing().restriction("only_right_turn", "s", "c", "e").restriction("only_straight_on", "s", "c", "n")
    assert reached(town, "s") == "en"


def test_a_ban_takes_from_what_a_command_allows():
    town = crossing().restriction("only_right_turn", "s", "c", "e").restriction("only_straight_on", "s", "c", "n")
    assert reached(town.restriction("no_right_turn", "s", "c", "e"), "s") == "n"


def test_a_ban_from_several_sides_binds_on_each():
    town = crossing().restriction("no_entry", ["s", "w"], "c", "e")
    assert reached(town, "s") == "nw" and reached(town, "w") == "ns" and reached(town, "n") == "esw"


def test_a_profile_may_ignore_every_restriction():
    town = side_street().way("34", "34", oneway="yes").restriction("no_left_turn", "23", "3", "35")
    roads = town.roads(PoliceProfile(urgency=1.0, speeds_kmh=PLAIN.speeds_kmh, obeys_turn_restrictions=False))
    assert seconds(roads, town.between("1", "2"), town.between("3", "5")) == pytest.approx(20.0, abs=0.01)


# ------------------------------------------------------------------------------------------- over via ways


def ladder():
    """A dual carriageway: a-b-c-d to the east, h-g-f-e above it to the west, joined by b-g and c-f."""
    town = Town()
    for number, name in enumerate("abcd"):
        town.node(name, number * 100, 0)
    for number, name in enumerate("hgfe"):
        town.node(name, number * 100, 50)
    for name in ("ab", "bc", "cd", "ef", "fg", "gh"):
        town.way(name, name, oneway="yes")
    return town.way("bg", "bg").way("cf", "cf")


def test_a_u_turn_over_a_link_can_be_forbidden_without_closing_the_link():
    town = ladder().restriction("no_u_turn", "ab", ["bg"], "gh")
    roads = town.roads()
    assert town.route(roads, town.between("a", "b"), town.between("g", "h")) == "bcfg"
    assert town.route(roads, town.between("b", "g"), town.between("g", "h")) == "g"
    assert town.route(roads, town.between("f", "g"), town.between("b", "c")) == "gb"
    assert town.route(roads, town.between("a", "b"), town.between("b", "g", 0.9)) == "b"


@pytest.mark.parametrize("members", [["bx", "xg"], ["xg", "bx"]])
def test_via_ways_are_put_in_order(members):
    town = ladder().node("x", 100, 25)
    del town.ways["bg"]
    town.way("bx", "xb").way("xg", "xg").restriction("no_u_turn", "ab", members, "gh")
    assert town.route(town.roads(), town.between("a", "b"), town.between("g", "h")) == "bcfg"


def test_a_via_way_that_crosses_other_roads_is_followed_over_every_piece():
    town = ladder().node("x", 100, 25).node("y", 150, 25)
    town.way("bg", "bxg").way("xy", "xy").restriction("no_u_turn", "ab", ["bg"], "gh")
    roads = town.roads()
    assert town.route(roads, town.between("a", "b"), town.between("g", "h")) in ("bcfg", "bxyxg")
    assert town.route(roads, town.between("x", "y"), town.between("g", "h")) == "xg"


def test_a_command_over_a_via_way_is_followed_to_its_end():
    town = ladder().restriction("only_u_turn", "ab", ["bg"], "gh")
    roads = town.roads()
    assert town.route(roads, town.between("a", "b"), town.between("g", "h")) == "bg"
    assert seconds(roads, town.between("a", "b"), town.between("c", "d")) is None
    town.node("z", 100, 200).way("gz", "gz")
    assert seconds(town.roads(), town.between("a", "b"), town.between("g", "z")) is None
    assert town.route(town.roads(), town.between("b", "g"), town.between("g", "z")) == "g"


@pytest.mark.parametrize("order", [1, -1])
def test_restrictions_that_share_a_via_way_do_not_undo_each_other(order):
    town = ladder().node("z", 100, 200).way("gz", "gz")
    town.restriction("no_u_turn", "ab", ["bg"], "gh").restriction("no_straight_on", "ab", ["bg"], "gz")
    town.restriction("no_right_turn", "bg", "g", "gz")
    town.relations = town.relations[::order]
    roads = town.roads()
    assert town.route(roads, town.between("a", "b"), town.between("g", "h")) == "bcfg"
    assert town.route(roads, town.between("b", "g"), town.between("g", "z")) == "bcfg"
    assert roads.info()["states"] == roads.info()["arcs"] + 1


def test_the_copy_of_a_via_arc_obeys_every_other_ban():
    town = ladder().node("z", 100, 200).way("gz", "gz")
    town.restriction("no_u_turn", "ab", ["bg"], "gh").restriction("no_straight_on", "bg", "g", "gz")
    assert seconds(town.roads(), town.between("a", "b"), town.between("g", "z")) == pytest.approx(5 + 10 + 5 + 10 + 7.5, abs=0.01)


def test_restrictions_over_ways_that_do_not_meet_or_are_cut_are_counted_not_applied():
    town = ladder().restriction("no_u_turn", "ab", ["cf"], "gh").restriction("no_u_turn", "ab", ["bg", "cf"], "gh")
    town.way("bg", ["b", "missing", "g"]).restriction("no_u_turn", "ab", ["bg"], "gh")
    counts = town.roads().info()["extract"]
    assert counts["restrictions_without_effect"] == 1 and counts["restrictions_clipped"] == 2 and counts["nodes_missing"] == 1


# ---------------------------------------------------------------------------------- one-ways, roundabouts, cuts


def test_a_one_way_pair_is_driven_on_both_sides():
    town = ladder()
    roads = town.roads()
    assert town.route(roads, town.between("a", "b"), town.between("c", "d")) == "bc"
    assert town.route(roads, town.between("c", "d"), town.between("a", "b")) is None
    assert town.route(roads, town.between("e", "f"), town.between("g", "h")) == "fg"


def test_a_roundabout_is_driven_one_way_round():
    town = Town().node("n", 0, 20).node("e", 20, 0).node("s", 0, -20).node("w", -20, 0)
    for name, x_m, y_m in (("N", 0, 120), ("E", 120, 0), ("S", 0, -120), ("W", -120, 0)):
        town.node(name, x_m, y_m).way(name, [name, name.lower()])
    town.way("round", "enwse", junction="roundabout")  # against the clock, as one drives on the right
    roads = town.roads()
    assert town.route(roads, town.between("S", "s"), town.between("E", "e")) == "se"
    assert town.route(roads, town.between("S", "s"), town.between("W", "w")) == "senw"
    assert town.route(roads, town.between("S", "s", 0.1), town.between("s", "S", 0.1)) == ""


def test_a_way_cut_by_the_border_goes_on_as_pieces():
    town = side_street().way("long", ["1", "gone", "4", "5", "lost"])
    roads = town.roads()
    assert town.route(roads, town.between("3", "4"), town.between("4", "5")) == "4"
    assert roads.info()["extract"]["nodes_missing"] == 2


def test_a_closed_way_without_a_junction_is_a_road_all_the_same():
    town = Town().node("1", 0, 0).node("2", 100, 0).node("3", 100, 100).way("loop", "1231")
    roads = town.roads()
    assert seconds(roads, town.between("1", "2"), town.between("2", "3")) == pytest.approx(10.0, abs=0.01)
    assert seconds(roads, town.between("1", "2", 0.1), town.between("3", "1", 0.9)) == pytest.approx((10 + 14.142) / 10 * 1.0, abs=0.5)


def test_a_repeated_node_and_a_way_of_one_node_do_no_harm():
    town = side_street().way("stutter", "1155").way("dot", "1").way("twice", "11")
    assert seconds(town.roads(), town.at("1"), town.at("5")) == pytest.approx(223.6 / 10, abs=0.01)


def test_an_extract_without_roads_is_refused():
    with pytest.raises(RoadsError, match="holds no road"):
        Town().node("1", 0, 0).way("path", "11", highway="footway").roads()
    with pytest.raises(RoadsError, match="neither OSM PBF nor OSM XML"):
        roads_from(b"")
    with pytest.raises(RoadsError, match="cannot be read: SAXParseException"):
        roads_from(b"<osm><node")
    with pytest.raises(RoadsError, match="cannot be read"):
        roads_from(b'<osm><node id="1"/></osm>')
    with pytest.raises(RoadsError, match="cannot be read"):
        roads_from(b"\x00\x00\x00\x0d\x0a\x09OSMHeader\x18\x7f" + bytes(40))


@pytest.mark.parametrize("change", [('ref="1"', f'ref="{10**30}"'), ('lat="51', 'lat="x51'), ('<way id="', '<way id="9999999999999999999999')])
def test_numbers_that_no_map_has_are_refused(change):
    extract = side_street().xml().decode()
    assert change[0] in extract
    with pytest.raises(RoadsError, match="cannot be read"):
        roads_from(extract.replace(*change).encode())


@pytest.mark.parametrize("lat", ["91", "nan", "inf", "1e400", "-90.5"])
def test_a_node_off_the_globe_is_as_good_as_missing(lat):
    town = side_street().node("9", 400, 0).way("49", "49")
    extract = town.xml().decode().replace(f'<node id="{town.id("9")}" lat="51.0000000"', f'<node id="{town.id("9")}" lat="{lat}"')
    counts = roads_from(extract.encode()).info()["extract"]
    assert counts["nodes_off_the_globe"] == 1 and counts["nodes_missing"] == 1
