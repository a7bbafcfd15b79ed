"""Which unit is proposed, and what is said when none can be."""

import json
from dataclasses import dataclass

import pytest

from gateway.errors import OutsideMap, RoadsSlow
from gateway.model import Area, Case, CaseRef, CentreId, Fix, Instant, Skipped, Unit, UnitId
from gateway.positions import distance_m
from gateway.router.areas import Areas, AreaSource
from gateway.router.decide import SETTLED_UNLIMITED, Router
from gateway.router.options import RoadOptions
from gateway.router.travel import drive

PRESS = Fix(510543000, 37218000, accuracy_m=12.0)
NEAR, MIDDLE, FAR = (510550000, 37250000), (510600000, 37400000), (511000000, 38000000)


def at(seconds):
    return Instant(1_773_061_391_000_000 + round(seconds * 1e6), 5_000_000 + round(seconds * 1e6))


@dataclass(frozen=True)
class Drive:
    unit_id: str
    travel_s: float
    distance_m: float
    travel_worst_s: float | None = None


class FakeRoads:
    """A road engine that knows its answer by heart."""

    data_version = "ghent-2026-03"

    def __init__(self, times=(), fault=None, off_map=()):
        self.times, self.fault, self.off_map = dict(times), fault, set(off_map)
        self.placed, self.asked = {}, []

    def unit_set(self, unit_id, lat_e7, lon_e7, course_deg=None):
        if unit_id in self.off_map:
            self.placed.pop(unit_id, None)
            return False
        self.placed[unit_id] = (lat_e7, lon_e7, course_deg)
        return True

    def unit_remove(self, unit_id):
        self.placed.pop(unit_id, None)

    def nearest(self, lat_e7, lon_e7, count, available, accuracy_m, settled_max):
        self.asked.append((lat_e7, lon_e7, count, set(available), accuracy_m, settled_max))
        if self.fault is not None:
            raise self.fault("not now")
        found = sorted((self.times[one], one) for one in available if one in self.times)
        return [Drive(one, seconds, seconds * 10) for seconds, one in found[:count]]


class FakeFacts:
    def __init__(self, *units):
        self._units = {unit.unit_id: unit for unit in units}

    def unit(self, unit_id):
        return self._units.get(unit_id)

    def units(self):
        return self._units.values()


def square(lat, lon):
    ring = [[lon, lat], [lon + 1, lat], [lon + 1, lat + 1], [lon, lat + 1], [lon, lat]]
    return json.dumps({"type": "Polygon", "coordinates": [ring]})


def router(units, roads=None, spare=None, **options):
    sources = [
        AreaSource(CentreId("cic-ovl"), square(50.5, 3.5), backup_id=CentreId("cic-ant")),
        AreaSource(CentreId("cic-ant"), square(50.5, 4.5)),
        AreaSource(CentreId("national"), national_fallback=True),
    ]
    return Router(Areas(sources), FakeFacts(*units), RoadOptions(**options), roads, spare)


def fleet(roads=None, moved=(), spare=None, **options):
    """Three units near, in the middle and far; ``moved``: (name, place, second) on top."""
    one = router([Unit(UnitId(name)) for name in ("G-1", "G-2", "G-3")], roads, spare, **options)
    for name, place, second in (("G-1", NEAR, 0), ("G-2", MIDDLE, 0), ("G-3", FAR, 0), *moved):
        assert one.unit_moved(UnitId(name), *place, 90.0, 30.0, at(second))
    return one


def test_the_quickest_by_road_is_proposed_even_when_another_is_nearer():
    roads = FakeRoads({"G-1": 400.0, "G-2": 212.0, "G-3": 305.0})
    decision = fleet(roads).decide(PRESS, at(8))
    proposal = decision.proposal
    assert (proposal.status, proposal.basis, proposal.data_version) == ("proposed", "road", "ghent-2026-03")
    assert [(one.unit_id, one.travel_s, one.distance_m, one.position_age_s) for one in proposal.candidates] == [
        ("G-2", 212.0, 2120.0, 8.0), ("G-3", 305.0, 3050.0, 8.0), ("G-1", 400.0, 4000.0, 8.0),
    ]  # fmt: skip
    assert proposal.reason == "quickest of 3 available units"
    assert proposal.skipped == ()
    assert decision.area == Area("cic-ovl", "polygon", "cic-ant") and decision.decided_at_us == at(8).wall_us


def test_the_road_engine_is_asked_for_fresh_available_units_only():
    roads = FakeRoads({"G-1": 1.0})
    fleet(roads, position_age_max_s=600, moved=[("G-1", NEAR, 590)]).propose(PRESS, at(605))
    assert roads.asked == [(PRESS.lat_e7, PRESS.lon_e7, 5, {"G-1"}, 12.0, 400_000)]
    assert roads.placed["G-1"] == (*NEAR, 90.0)


def test_units_beyond_the_count_asked_for_are_not_called_unreachable():
    roads = FakeRoads({"G-1": 1.0, "G-2": 2.0, "G-3": 3.0})
    proposal = fleet(roads, candidates=2).propose(PRESS, at(1))
    assert [one.unit_id for one in proposal.candidates] == ["G-1", "G-2"] and proposal.skipped == ()


def test_another_road_within_the_accuracy_is_told():
    class TwoBanks(FakeRoads):
        def nearest(self, *question):
            return [Drive("G-1", 50.0, 500.0, 452.0), Drive("G-2", 90.0, 900.0)]

    proposal = fleet(TwoBanks({"G-1": 1, "G-2": 2})).propose(PRESS, at(1))
    assert proposal.reason == "quickest of 3 available units; 452 s if the person is on another road nearby"


def test_whoever_cannot_come_is_named_with_the_reason():
    roads = FakeRoads({"G-2": 60.0}, off_map={"G-3"})
    one = router(
        [Unit(UnitId("G-1")), Unit(UnitId("G-2")), Unit(UnitId("G-3")), Unit(UnitId("G-4"), "busy"), Unit(UnitId("G-5"))], roads
    )
    for name in ("G-1", "G-2", "G-3", "G-4"):
        one.unit_moved(UnitId(name), *NEAR, None, None, at(0))
    proposal = one.propose(PRESS, at(1))
    assert [one.unit_id for one in proposal.candidates] == ["G-2"]
    assert proposal.skipped == (
        Skipped("G-1", "unreachable"), Skipped("G-3", "off_map"), Skipped("G-4", "busy"), Skipped("G-5", "position_unknown"),
    )  # fmt: skip


def test_the_only_unit_is_said_to_be_the_only_one():
    one = router([Unit(UnitId("G-1"))], FakeRoads({"G-1": 60.0}))
    one.unit_moved(UnitId("G-1"), *NEAR, None, None, at(0))
    assert one.propose(PRESS, at(61)).reason == "the only available unit; its position is 61 s old"


@pytest.mark.parametrize(
    ("roads", "status", "why"),
    [
        (None, "proposed", "no road data"),
        (FakeRoads(fault=OutsideMap), "proposed", "the position is off the road map"),
        (FakeRoads(fault=RoadsSlow), "pending", "road times follow"),
        (FakeRoads(), "proposed", "no available unit can reach it by road"),
        (FakeRoads(off_map={"G-1", "G-2", "G-3"}), "proposed", "no available unit can reach it by road"),
    ],
    ids=["none", "off the map", "slow", "unreachable", "units off the map"],
)
def test_without_road_times_the_straight_line_stands_in_and_says_so(roads, status, why):
    proposal = fleet(roads).propose(PRESS, at(5))
    assert (proposal.status, proposal.basis, proposal.data_version) == (status, "straight_line", None)
    assert proposal.reason == f"{why}: nearest of 3 by straight line"
    assert [one.unit_id for one in proposal.candidates] == ["G-1", "G-2", "G-3"]
    straight_m = distance_m(PRESS.lat_e7, PRESS.lon_e7, *NEAR)
    assert (proposal.candidates[0].travel_s, proposal.candidates[0].distance_m) == drive(straight_m, 1.4, 40.0)


def test_a_slow_search_is_finished_on_the_spare_roads():
    one = fleet(FakeRoads(fault=RoadsSlow), spare=(spare := FakeRoads({"G-1": 400.0, "G-2": 212.0})))
    assert one.propose(PRESS, at(1)).status == "pending"
    search = one.patient_search(PRESS, at(2))
    one.unit_moved(UnitId("G-1"), *FAR, 90.0, 30.0, at(3))
    proposal = search()
    assert (proposal.status, proposal.basis, proposal.candidates[0].unit_id) == ("proposed", "road", "G-2")
    assert spare.asked[0][-1] == SETTLED_UNLIMITED and spare.placed["G-1"][:2] == NEAR, "it searches what was true when it was asked"


@pytest.mark.parametrize("spare", [None, FakeRoads(fault=OutsideMap), FakeRoads()], ids=["none", "off the map", "unreachable"])
def test_a_patient_search_that_finds_no_road_says_so(spare):
    proposal = fleet(FakeRoads(fault=RoadsSlow), spare=spare).patient_search(PRESS, at(2))()
    assert (proposal.status, proposal.basis) == ("proposed", "straight_line")


def test_the_nearest_of_the_skipped_stands_first():
    one = router([Unit(UnitId(name), "busy") for name in ("G-1", "G-2", "G-3", "G-4")])
    for name, place in (("G-1", FAR), ("G-2", NEAR), ("G-3", MIDDLE)):
        one.unit_moved(UnitId(name), *place, None, None, at(0))
    assert [skipped.unit_id for skipped in one.propose(PRESS, at(1)).skipped] == ["G-2", "G-3", "G-1", "G-4"]


def test_without_a_position_no_unit_is_named_and_the_case_names_the_centre():
    case = Case(CaseRef("GE-1"), centre_refs=(("closed-down", "9"), ("cic-ant", "77")))
    decision = fleet(FakeRoads()).decide(None, at(1), case=case)
    assert decision.area == Area("cic-ant", "device", "national")
    assert (decision.proposal.status, decision.proposal.reason, decision.proposal.candidates) == ("none", "no position", ())
    assert fleet().decide(None, at(1)).area == Area("national", "fallback", None)


@pytest.mark.parametrize(("lat_e7", "lon_e7"), [(900000001, 0), (0, -1800000001), (2**63, -(2**63)), (10**30, 10**30)])
def test_coordinates_that_are_none_never_raise(lat_e7, lon_e7):
    decision = fleet(FakeRoads()).decide(Fix(lat_e7, lon_e7), at(1))
    assert decision.area.basis == "fallback"
    assert (decision.proposal.status, decision.proposal.reason) == ("none", "the position is not on the globe")


@pytest.mark.parametrize(("lat_e7", "lon_e7"), [(0, 0), (900000000, 0), (-900000000, 1800000000)])
def test_a_position_on_another_continent_gets_no_car_from_here(lat_e7, lon_e7):
    proposal = fleet(FakeRoads(fault=OutsideMap)).propose(Fix(lat_e7, lon_e7), at(1))
    assert (proposal.status, proposal.candidates) == ("none", ())
    assert proposal.reason == "the position is off the road map; every available unit is over 200 km away"
    assert {one.reason for one in proposal.skipped} == {"unreachable"} and len(proposal.skipped) == 3


def test_no_unit_at_all_is_said():
    assert router([]).propose(PRESS, at(1)).reason == "no unit is registered"


def test_nobody_available_is_said_with_the_reasons():
    one = router([Unit(UnitId("a"), "busy"), Unit(UnitId("b"), "busy"), Unit(UnitId("c"), "off"), Unit(UnitId("d"))])
    proposal = one.propose(PRESS, at(1))
    assert (proposal.status, proposal.basis) == ("none", None)
    assert proposal.reason == "none of 4 units is available: 2 busy, 1 off duty, 1 never heard"
    assert len(proposal.skipped) == 4


def test_simulated_alarms_get_simulated_units_only():
    one = router([Unit(UnitId("real")), Unit(UnitId("played"), simulated=True)])
    for name in ("real", "played"):
        one.unit_moved(UnitId(name), *NEAR, None, None, at(0))
    for is_simulated, name in ((True, "played"), (False, "real")):
        proposal = one.decide(PRESS, at(1), is_simulated=is_simulated).proposal
        assert [one.unit_id for one in proposal.candidates] == [name] and proposal.skipped == ()


def test_a_new_road_index_knows_every_unit_at_once():
    one = fleet()
    roads = FakeRoads({"G-2": 60.0, "G-1": 90.0}, off_map={"G-3"})
    one.use_roads(roads)
    assert set(roads.placed) == {"G-1", "G-2"}
    proposal = one.propose(PRESS, at(1))
    assert proposal.candidates[0].unit_id == "G-2" and proposal.skipped == (Skipped("G-3", "off_map"),)
    one.use_roads(None)
    assert one.propose(PRESS, at(1)).basis == "straight_line"


def test_a_unit_that_stands_faces_anywhere():
    roads = FakeRoads()
    one = fleet(roads)
    one.unit_moved(UnitId("G-1"), *NEAR, 90.0, 2.0, at(1))
    one.unit_moved(UnitId("G-2"), *NEAR, 90.0, None, at(1))
    assert roads.placed["G-1"][2] is None and roads.placed["G-2"][2] == 90.0


def test_the_way_of_a_unit_is_drawn_where_there_is_one():
    roads = FakeRoads()
    roads.path = lambda *ends: [(510550000, 37250000, 0.0), (510543000, 37218000, 60.0)]
    assert fleet(roads).way(UnitId("G-1"), PRESS) == [(51.055, 3.725), (51.0543, 3.7218)]
    assert fleet(roads).way(UnitId("nobody"), PRESS) == [] and fleet().way(UnitId("G-1"), PRESS) == []


def test_a_unit_that_drives_off_the_map_leaves_the_roads_and_comes_back():
    roads = FakeRoads({"G-1": 60.0, "G-2": 70.0})
    one = fleet(roads)
    roads.off_map.add("G-1")
    one.unit_moved(UnitId("G-1"), *FAR, None, None, at(1))
    assert "G-1" not in roads.placed and Skipped("G-1", "off_map") in one.propose(PRESS, at(1)).skipped
    roads.off_map.clear()
    one.unit_moved(UnitId("G-1"), *NEAR, None, None, at(2))
    assert one.propose(PRESS, at(2)).candidates[0].unit_id == "G-1"


def test_a_refused_position_leaves_the_roads_alone():
    roads = FakeRoads()
    assert not fleet(roads).unit_moved(UnitId("nobody"), *NEAR, None, None, at(1))
    assert "nobody" not in roads.placed


def test_the_great_circle_knows_the_globe():
    assert distance_m(0, 0, 0, 1_800_000_000) == pytest.approx(20_015_114, rel=1e-4)
    assert distance_m(900_000_000, 0, 900_000_000, 1_234_567) == pytest.approx(0.0, abs=1.0)
    assert distance_m(510543000, 37218000, 508503000, 43517000) == pytest.approx(49_605, rel=2e-3)
    assert distance_m(0, 1_799_999_999, 0, -1_799_999_999) == pytest.approx(0.0222, rel=0.01)
