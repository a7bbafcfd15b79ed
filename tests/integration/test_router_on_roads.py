"""The router on the demo's own city: real areas, real roads, units all over the place."""

import random
from pathlib import Path

import pytest

from gateway.model import CentreId, Fix, Instant, Unit, UnitId
from gateway.router import index
from gateway.router.areas import Areas, AreaSource
from gateway.router.decide import Router
from gateway.router.options import RoadOptions
from gateway.router.profile import PoliceProfile
from gateway.router.roads import Roads, build

DATA = Path(__file__).resolve().parents[2] / "gateway" / "sim" / "data"
NOW = Instant(1_773_061_391_000_000, 5_000_000)


class FakeFacts:
    def __init__(self, *units):
        self._units = {unit.unit_id: unit for unit in units}

    def unit(self, unit_id):
        return self._units.get(unit_id)

    def units(self):
        return self._units.values()


@pytest.fixture(scope="module")
def contents():
    extract = DATA / "helsinki.osm.pbf"
    chunks = build(lambda: extract.open("rb"), PoliceProfile(), source_name=extract.name, data_version="helsinki", created_at_us=0)
    return index.unpack(memoryview(b"".join(chunks)), verify=True)


@pytest.fixture(scope="module")
def areas():
    text = (DATA / "areas.geojson").read_text()
    return Areas([
        AreaSource(CentreId("west"), text, "areas.geojson", "centre=west", CentreId("east")),
        AreaSource(CentreId("east"), text, "areas.geojson", "centre=east", CentreId("west"), national_fallback=True),
    ])  # fmt: skip


def somewhere(dice, roads):
    south, west, north, east = roads.bbox
    return dice.randrange(south, north), dice.randrange(west, east)


@pytest.mark.parametrize("seed", range(4))
def test_the_proposal_is_the_unit_that_drives_least(contents, areas, seed):
    dice = random.Random(seed)
    roads, judge = Roads(contents), Roads(contents)
    names = [f"H-{number:02d}" for number in range(25)]
    router = Router(areas, FakeFacts(*(Unit(UnitId(name)) for name in names)), RoadOptions(candidates=3), roads)
    places = {name: somewhere(dice, roads) for name in names}
    for name, place in places.items():
        assert router.unit_moved(UnitId(name), *place, None, None, NOW)
    for _ in range(25):
        fix = Fix(*somewhere(dice, roads))
        decision = router.decide(fix, NOW)
        assert decision.area.centre_id in ("west", "east") and decision.area.basis == "polygon" and decision.area.overlap == ()
        times = {name: travel.travel_s for name, place in places.items() if (travel := judge.travel(*place, fix.lat_e7, fix.lon_e7))}
        expected = sorted(times.items(), key=lambda pair: (pair[1], pair[0]))[:3]
        proposal = decision.proposal
        if not expected:  # a street that the extract's edge cuts off from all others
            assert proposal.basis == "straight_line" and proposal.reason.startswith("no available unit can reach it by road")
            continue
        assert (proposal.status, proposal.basis, proposal.data_version) == ("proposed", "road", "helsinki")
        assert [(one.unit_id, one.travel_s) for one in proposal.candidates] == expected
        assert proposal.reason == "quickest of 25 available units"
        assert len(router.way(proposal.candidates[0].unit_id, fix)) >= 2


def test_a_unit_far_from_every_road_is_off_the_map_until_it_comes_back(contents, areas):
    roads = Roads(contents)
    router = Router(areas, FakeFacts(Unit(UnitId("far")), Unit(UnitId("near"))), RoadOptions(), roads)
    router.unit_moved(UnitId("near"), 601700000, 249420000, None, None, NOW)
    router.unit_moved(UnitId("far"), 602500000, 249420000, None, None, NOW)
    proposal = router.propose(Fix(601710000, 249430000), NOW)
    assert [one.unit_id for one in proposal.candidates] == ["near"] and [one.reason for one in proposal.skipped] == ["off_map"]
    router.unit_moved(UnitId("far"), 601710000, 249431000, None, None, NOW)
    assert router.propose(Fix(601710000, 249430000), NOW).candidates[0].unit_id == "far"


def test_an_alarm_off_the_map_still_gets_a_unit_and_says_how(contents, areas):
    router = Router(areas, FakeFacts(Unit(UnitId("near"))), RoadOptions(), Roads(contents))
    router.unit_moved(UnitId("near"), 601700000, 249420000, None, None, NOW)
    proposal = router.propose(Fix(602500000, 249420000), NOW)
    assert (proposal.status, proposal.basis, proposal.candidates[0].unit_id) == ("proposed", "straight_line", "near")
    assert proposal.reason.startswith("the position is off the road map")


def test_a_search_over_its_budget_is_owed_and_then_paid(contents, areas):
    router = Router(areas, FakeFacts(Unit(UnitId("near"))), RoadOptions(settled_max=1), Roads(contents), Roads(contents))
    router.unit_moved(UnitId("near"), 601780000, 249400000, None, None, NOW)
    fix = Fix(601650000, 249500000)
    assert router.propose(fix, NOW).status == "pending"
    assert router.patient_search(fix, NOW)().basis == "road"
