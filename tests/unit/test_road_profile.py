"""Which ways a police car drives, how fast, and which parameters a zone may change."""

import math
import tomllib

import pytest

from gateway.errors import ConfigError
from gateway.router.profile import PoliceProfile, posted_kmh, profile_from

POLICE = PoliceProfile()
CALM = PoliceProfile(urgency=1.0)


def speeds(profile=CALM, **tags):
    return profile.way_speeds_kmh({key.replace("__", ":"): value for key, value in tags.items()})


def ways(text, profile=CALM):
    """``text``: key=value key=value … of a residential street. fb: open both ways, f, b, or nothing."""
    found = profile.way_speeds_kmh({"highway": "residential", **dict(word.split("=") for word in text.split())})
    return "" if found is None else ("f" if found[0] else "") + ("b" if found[1] else "")


@pytest.mark.parametrize(
    ("text", "kmh"),
    [
        ("50", 50), ("50 km/h", 50), ("30 mph", 48.28032), ("30mph", 48.28032), ("10 knots", 18.52), ("12.5", 12.5), ("BE-VLG:urban", 50),
        ("BE-VLG:rural", 70), ("BE-WAL:rural", 90), ("DE:rural", 100), ("XX:rural", 80), ("DE:zone:30", 30), ("BE:30", 30), ("walk", 6),
        ("DE:living_street", 20), ("70;50", 50), ("70|50|90", 50), ("70, 30 mph", 48.28032), ("none", math.inf), ("none;100", 100), ("signals", None),
        ("variable", None), ("", None), ("0", None), ("9999", None), ("-50", None), ("fast", None), ("5 0", None), ("1e3", None), ("٣", None),
        (":", None), ("DE:zone:", None), ("50;variable", 50),
    ],
)  # fmt: skip
def test_a_posted_speed_is_read_as_people_write_it(text, kmh):
    assert posted_kmh(text) == (kmh if kmh is None else pytest.approx(kmh))


def test_urgency_raises_every_speed_up_to_the_cap_of_its_class():
    assert speeds(POLICE, highway="primary", maxspeed="50") == pytest.approx((60, 60))
    assert speeds(POLICE, highway="residential", maxspeed="50") == pytest.approx((50, 50))
    assert speeds(POLICE, highway="motorway", maxspeed="none", oneway="no") == (160, 160)
    assert speeds(POLICE, highway="pedestrian", maxspeed="30") == (12, 12)
    assert speeds(POLICE, highway="primary", maxspeed="70", maxspeed__backward="30") == pytest.approx((84, 36))
    assert speeds(POLICE, highway="primary_link") == pytest.approx((54, 54))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", "fb"), ("highway=motorway", "f"), ("highway=motorway_link", "f"), ("highway=motorway oneway=no", "fb"), ("highway=trunk", "fb"),
        ("junction=roundabout", "f"), ("junction=circular", "f"), ("oneway=yes", "f"), ("oneway=true", "f"), ("oneway=1", "f"), ("oneway=-1", "b"),
        ("oneway=reverse", "b"), ("oneway=no", "fb"), ("oneway=alternating", "fb"), ("oneway=reversible", ""), ("oneway=sometimes", "fb"),
        ("oneway=yes oneway:bus=no", "fb"), ("oneway=yes oneway:psv=no", "fb"), ("oneway=yes oneway:emergency=no", "fb"),
        ("oneway=yes oneway:bicycle=no", "f"), ("oneway=-1 oneway:bus=no", "fb"), ("oneway:bus=yes", "fb"),
        ("oneway=no oneway:motor_vehicle=yes", "f"), ("oneway=no oneway:emergency=yes", "f"), ("oneway=yes busway=opposite_lane", "fb"),
        ("oneway=yes busway:left=opposite_lane", "fb"), ("oneway=yes busway:right=lane", "f"), ("oneway=yes lanes:psv:backward=1", "fb"),
        ("oneway=yes lanes:bus:backward=0", "f"), ("junction=roundabout oneway:psv=no", "fb"), ("oneway=yes oneway:bus=-1", "fb"),
    ],
)  # fmt: skip
def test_a_one_way_street_binds_unless_buses_or_emergencies_may_go_against_it(tags, expected):
    assert ways(tags) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("access=no", ""), ("access=private", "fb"), ("access=destination", "fb"), ("access=no bus=yes", "fb"), ("motor_vehicle=no", ""),
        ("motor_vehicle=no psv=yes", "fb"), ("motor_vehicle=no taxi=designated", "fb"), ("motor_vehicle=no emergency=yes", "fb"),
        ("emergency=no", ""), ("emergency=no bus=yes", ""), ("bus=no", "fb"), ("psv=no motorcar=no", ""), ("vehicle=no motorcar=yes", "fb"),
        ("access=no foot=yes bicycle=yes", ""), ("motor_vehicle:backward=no", "f"), ("vehicle:forward=no oneway=yes", ""),
        ("access:backward=no bus:backward=yes", "fb"), ("motor_vehicle=no psv=yes oneway:psv=yes", "f"), ("emergency=fire_hydrant", "fb"),
        ("access=no;destination", ""), ("area=yes", ""), ("route=ferry", ""), ("highway=footway", ""),
        ("highway=footway emergency=designated", "fb"), ("highway=steps emergency=yes", ""), ("highway=construction", ""),
        ("highway=busway access=no bus=designated", "fb"), ("highway=footway motor_vehicle=yes", ""), ("highway=proposed", ""), ("highway=", ""),
    ],
)  # fmt: skip
def test_a_way_is_open_where_cars_or_buses_may_drive_and_emergency_decides(tags, expected):
    assert ways(tags) == expected


def test_private_ways_are_driven_slowly_or_not_at_all():
    assert speeds(POLICE, highway="primary", access="private") == (15, 15)
    assert speeds(PoliceProfile(private_kmh=0.0), highway="primary", access="private") is None
    assert speeds(POLICE, highway="primary", access="private", bus="yes") == pytest.approx((78, 78))
    assert speeds(POLICE, highway="footway", emergency="yes") == (10, 10)


def test_driving_against_a_one_way_street_is_for_the_police_to_decide():
    bold = PoliceProfile(contraflow_kmh=20.0, urgency=1.0)
    assert speeds(bold, highway="residential", oneway="yes") == (35, 20)
    for never in ({"highway": "motorway"}, {"highway": "trunk", "oneway": "yes"}, {"highway": "residential", "junction": "roundabout"}):
        assert speeds(bold, **never)[1] == 0
    assert ways("access=no oneway=yes", bold) == ""


def test_a_profile_file_changes_what_it_names_and_nothing_else():
    text = 'name = "zone"\nurgency = 1\nmodes = ["motorcar"]\n[speeds_kmh]\ntrack = 0\nraceway = 90\n[barrier_wait_s]\ngate = -1\nbollard = 20'
    profile = profile_from(tomllib.loads(text), "zone.toml")
    assert ways("highway=track", profile) == "" and speeds(profile, highway="raceway") == (90, 90)
    assert ways("motor_vehicle=no bus=yes", profile) == ""
    assert profile.barrier_wait_s_of({"barrier": "gate"}) is None and profile.barrier_wait_s_of({"barrier": "bollard"}) == 20
    assert profile.speeds_kmh["primary"] == POLICE.speeds_kmh["primary"] and profile.name == "zone"
    assert profile_from({}, "empty.toml") == POLICE


def test_the_digest_names_the_parameters():
    assert POLICE.digest() == PoliceProfile().digest() != CALM.digest()
    assert profile_from({"speeds_kmh": dict(reversed(POLICE.speeds_kmh.items()))}, "same").digest() == POLICE.digest()


def test_every_mistake_in_a_profile_file_is_said_at_once():
    table = {
        "urgncy": 1.0, "urgency": "fast", "name": "", "modes": ["motorcar", "tank"], "obeys_turn_restrictions": 1,
        "speeds_kmh": {"primary": -5}, "caps_kmh": 7, "private_kmh": -1, "speed_kmh_max": math.nan, "lapse_modes": "psv",
        "barrier_wait_s": {"gate": True}, "contraflow_kmh": math.inf, "restriction_modes": [1],
    }  # fmt: skip
    with pytest.raises(ConfigError) as refused:
        profile_from(table, "zone.toml")
    lines = refused.value.complaints
    assert len(lines) == len(table) and all(line.startswith("zone.toml: ") for line in lines)
    assert "zone.toml: urgncy: unknown key; did you mean urgency?" in lines and any("'tank'" in line for line in lines)
    assert "zone.toml: speeds_kmh.primary: expected a number of at least 0" in lines
    assert "zone.toml: barrier_wait_s.gate: expected a number of at least -1" in lines
