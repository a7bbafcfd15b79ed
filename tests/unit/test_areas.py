"""Which centre answers for a position."""

import json

import pytest

from gateway.errors import ConfigError
from gateway.model import Area, CentreId
from gateway.router.areas import Areas, AreaSource


def box(south, west, north, east):
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def geojson(*polygons):
    return json.dumps({"type": "MultiPolygon", "coordinates": [list(rings) for rings in polygons]})


def source(centre_id, *polygons, **more):
    return AreaSource(CentreId(centre_id), geojson(*polygons) if polygons else None, f"{centre_id}.geojson", **more)


def e7(lat, lon):
    return round(lat * 1e7), round(lon * 1e7)


WEST = source("west", [box(51, 3, 52, 4)], backup_id=CentreId("east"))
EAST = source("east", [box(51, 4, 52, 5)])
NATION = source("nation", national_fallback=True)


def test_a_point_gets_the_centre_whose_area_holds_it():
    areas = Areas([WEST, EAST, NATION])
    assert areas.at(*e7(51.5, 3.5)) == Area("west", "polygon", "east")
    assert areas.at(*e7(51.5, 4.5)) == Area("east", "polygon", "nation")


def test_a_centre_without_backup_is_backed_by_the_national_fallback():
    areas = Areas([WEST, EAST, NATION])
    assert areas.at(*e7(51.5, 4.5)).backup_id == "nation"
    assert areas.fallback().backup_id is None


def test_every_point_of_a_shared_border_belongs_to_one_side():
    areas = Areas([WEST, EAST, NATION])
    for lat_e7 in range(510000000, 520000000, 99_991):
        area = areas.at(lat_e7, 40000000)
        assert (area.centre_id, area.basis, area.overlap) == ("east", "polygon", ())
        assert areas.at(lat_e7, 39999999).centre_id == "west"


def test_a_hole_is_somebody_elses():
    ring = source("ring", [box(51, 3, 52, 4), box(51.4, 3.4, 51.6, 3.6)])
    island = source("island", [box(51.4, 3.4, 51.6, 3.6)], national_fallback=True)
    areas = Areas([ring, island])
    assert areas.at(*e7(51.5, 3.5)).centre_id == "island"
    assert areas.at(*e7(51.2, 3.5)).centre_id == "ring"
    for lat, lon in ((51.4, 3.5), (51.6, 3.5), (51.5, 3.4), (51.5, 3.6), (51.4, 3.4), (51.6, 3.6)):
        area = areas.at(*e7(lat, lon))
        assert area.basis == "polygon" and area.overlap == ()


def test_holes_that_overlap_stay_holes():
    ring = source("ring", [box(51, 3, 52, 4), box(51.2, 3.2, 51.6, 3.6), box(51.4, 3.4, 51.8, 3.8)])
    assert Areas([ring, NATION], nearest_km=0.1).at(*e7(51.5, 3.5)).centre_id == "nation"


def test_parts_of_one_centre_that_overlap_are_one_area():
    both = source("both", [box(51, 3, 52, 4)], [box(51.5, 3.5, 52.5, 4.5)])
    areas = Areas([both, NATION])
    assert areas.at(*e7(51.7, 3.7)) == Area("both", "polygon", "nation")
    assert areas.at(*e7(52.2, 4.2)).basis == "polygon"


def test_an_overlap_goes_to_the_first_in_the_configuration_and_names_the_others():
    wide = source("wide", [box(50, 2, 53, 6)])
    assert Areas([WEST, wide, EAST, NATION]).at(*e7(51.5, 3.5)) == Area("west", "polygon", "east", ("wide",))
    assert Areas([wide, WEST, EAST, NATION]).at(*e7(51.5, 3.5)) == Area("wide", "polygon", "nation", ("west",))


def test_a_point_outside_every_area_gets_the_nearest_within_reach():
    areas = Areas([WEST, EAST, NATION], nearest_km=5)
    assert areas.at(*e7(52.04, 3.5)) == Area("west", "nearest", "east")
    assert areas.at(*e7(51.5, 5.07)) == Area("east", "nearest", "nation")
    assert areas.at(*e7(51.5, 5.08)) == Area("nation", "fallback", None)
    assert areas.at(*e7(52.05, 3.5)).basis == "fallback"


def test_a_tie_of_nearness_goes_to_the_first_in_the_configuration():
    left, right = source("left", [box(51, 3, 52, 4)]), source("right", [box(51, 4.02, 52, 5)])
    middle = e7(51.5, 4.01)
    assert Areas([left, right, NATION]).at(*middle).centre_id == "left"
    assert Areas([right, left, NATION]).at(*middle).centre_id == "right"


def test_nearness_reaches_across_the_antimeridian():
    areas = Areas([source("fiji", [box(-18, -180, -16, -179.9)]), NATION])
    assert areas.at(*e7(-17, 179.99)) == Area("fiji", "nearest", "nation")


@pytest.mark.parametrize(
    ("lat_e7", "lon_e7"),
    [(900000001, 0), (-900000001, 0), (0, 1800000001), (2**31, 2**31), (-(2**63) - 1, 2**80), (900000000, 1800000000), (0, 0)],
)
def test_odd_coordinates_get_the_national_fallback(lat_e7, lon_e7):
    assert Areas([WEST, EAST, NATION]).at(lat_e7, lon_e7) == Area("nation", "fallback", None)


def test_without_any_area_the_national_fallback_answers():
    assert Areas([NATION]).at(*e7(51, 3)) == Area("nation", "fallback", None)


def test_a_single_centre_is_the_national_fallback():
    assert Areas([source("only", [box(51, 3, 52, 4)])]).at(*e7(0.5, 0.5)) == Area("only", "fallback", None)


def test_without_a_position_the_first_centre_that_knows_the_case_answers():
    areas = Areas([WEST, EAST, NATION])
    assert areas.of_device(["gone", "east", "west"]) == Area("east", "device", "nation")
    assert areas.of_device([]) == Area("nation", "fallback", None)


def test_an_area_may_go_round_the_world():
    areas = Areas([source("arctic", [box(60, -180, 90, 180)]), NATION])
    assert areas.at(*e7(89.9, 120)).centre_id == "arctic" and areas.at(*e7(59, 120)).centre_id == "nation"


class TestComplaints:
    def complaints(self, *sources, **more):
        with pytest.raises(ConfigError) as caught:
            Areas(sources, **more)
        return caught.value.complaints

    def test_name_centre_file_feature_and_place(self):
        broken = source("west", [box(51, 3, 52, 4)[:-1]])
        assert self.complaints(broken, NATION) == (
            "centre west: west.geojson: feature, polygon 0, outline: the ring is not closed: its last position must equal its first",
        )

    def test_tell_of_all_centres_at_once(self):
        assert len(self.complaints(source("a", [[]]), source("b", [[]]), source("a"), NATION, source("x", national_fallback=True))) == 4

    def test_want_exactly_one_national_fallback(self):
        assert self.complaints(WEST, EAST) == ("exactly one centre must have national_fallback = true; found none",)
        assert "found nation, two" in self.complaints(NATION, source("two", national_fallback=True))[0]

    def test_want_a_centre(self):
        assert "no centre" in self.complaints()[0]

    def test_name_the_nearest_backup(self):
        wrong = source("west", [box(51, 3, 52, 4)], backup_id=CentreId("natoin"))
        assert self.complaints(wrong, NATION) == ("centre west: backup 'natoin' is not another centre; did you mean nation?",)

    def test_no_centre_backs_itself(self):
        assert "is not another centre" in self.complaints(source("a", backup_id=CentreId("a"), national_fallback=True))[0]

    def test_recognise_swapped_coordinates_by_the_other_areas(self):
        swapped = source("swapped", [[[lat, lon] for lon, lat in box(51, 3, 52, 4)]])
        said = self.complaints(WEST, EAST, swapped, NATION)
        assert len(said) == 1 and said[0].startswith("centre swapped: swapped.geojson: feature, polygon 0: lies far from the other areas")

    def test_recognise_swapped_coordinates_by_the_roads(self):
        swapped = source("swapped", [[[lat, lon] for lon, lat in box(51, 3, 52, 4)]], national_fallback=True)
        assert "the roads" in self.complaints(swapped, map_box=(510000000, 30000000, 515000000, 35000000))[0]


def test_areas_far_from_the_roads_are_no_fault_unless_swapping_would_mend_it():
    Areas([EAST, NATION], map_box=(600000000, 240000000, 610000000, 250000000))
