"""What leaves the house: valid, small, honest about what is missing, and without anything private that it must not hold."""

import json
from dataclasses import replace

import pytest

from gateway.delivery.envelope import (
    BODY_BYTES_MAX,
    TRACK_TAIL,
    Heading,
    NoFacts,
    Sender,
    alert,
    compose,
    minimal_alarm,
    rfc3339,
)
from gateway.delivery.fallback import TEXT_CHARS_MAX, fallback_text
from gateway.model import (
    KINDS,
    OUTCOMES,
    Area,
    Candidate,
    Case,
    CaseRef,
    CentreId,
    Decision,
    Fix,
    Kind,
    Proposal,
    Seen,
    Skipped,
    State,
    UnitId,
)
from tests.delivery_world import ALARM_ID, SCHEMA, WALL_US, BookFacts, alarm, alert_of, facts, seen

SENDER = Sender("gw1", "https://gw.example.be/")


def heading(**more: object) -> Heading:
    return replace(Heading("ovl", "primary", 1, "raised", WALL_US + 1_200_000), **more)  # type: ignore[arg-type]


def composed(which=None, book=None, **more: object) -> dict:
    return alert_of(compose(which or alarm(), heading(**more), book or facts(), SENDER))


def test_an_alert_has_exactly_the_names_of_the_contract():
    data = composed()
    assert list(data) == [
        "alarm_id", "seq", "event", "kinds", "class", "test", "simulated", "silent", "state", "repeat_count", "late",
        "cancel_claimed", "trust", "doubts", "times", "device", "case", "position", "track", "centre", "responder", "links",
    ]  # fmt: skip
    assert list(data["times"]) == ["event_at", "received_at", "durable_at", "sent_at"]
    assert list(data["device"]) == ["id", "protocol", "transport", "battery_percent", "last_test_at"]
    assert list(data["case"])[:5] == ["reference", "state", "zone", "risk", "instructions"]
    assert list(data["position"]) == ["status", "lat", "lon", "accuracy_m", "at", "age_s", "source", "speed_kmh", "course_deg", "address"]
    assert list(data["centre"]) == ["id", "role", "also_offered_to", "taken_by"]
    assert list(data["responder"]) == [
        "status", "reason", "basis", "data_version", "unit", "travel_s", "distance_m", "position_age_s", "alternatives",
        "skipped",
    ]  # fmt: skip
    assert list(data["links"]) == ["live", "audio"]


def test_an_alert_says_what_we_know():
    data = composed()
    assert data["alarm_id"] == ALARM_ID and data["kinds"] == ["sos_button"] and data["class"] == "life" and data["silent"] is True
    assert data["times"] == {"event_at": None, "received_at": "2026-03-09T13:03:11.250Z", "durable_at": None, "sent_at": "2026-03-09T13:03:12.450Z"}
    assert data["position"]["age_s"] == 1.2 and (data["position"]["lat"], data["position"]["lon"]) == (51.054321, 3.7212345)
    assert data["responder"]["unit"] == "G-21" and data["responder"]["travel_s"] == 212
    assert data["responder"]["alternatives"] == [{"unit": "G-07", "travel_s": 305, "distance_m": 3120}]
    assert data["case"]["reference"] == "GE-2026-0042" and data["case"]["centre_reference"] == "OVL/77"
    assert data["links"]["live"] == f"https://gw.example.be/#/alarms/{ALARM_ID}"


def test_the_body_is_a_cloud_event():
    event = json.loads(compose(alarm(), heading(seq=7), facts(), Sender("gw 1/é")))
    assert event["source"] == "/gateway/gw%201%2F%C3%A9" and event["type"] == "be.msa.alarm.raised"
    assert event["id"] == f"{ALARM_ID}-7" and event["subject"] == ALARM_ID and event["sequence"] == "7"
    assert event["time"] == "2026-03-09T13:03:12.450Z" and event["datacontenttype"] == "application/json"
    assert all(name.isalnum() and name.islower() for name in event)


def test_the_schema_knows_every_word_that_the_model_knows():
    words = SCHEMA["properties"]
    assert words["kinds"]["items"]["enum"] == [kind.name.lower() for kind in KINDS]  # type: ignore[union-attr]
    assert words["state"]["enum"] == [state.value for state in State]
    assert words["outcome"]["enum"] == list(OUTCOMES)


def test_every_kind_is_named_faults_too():
    data = composed(alarm(kinds=Kind.SOS_BUTTON | Kind.FALL, faults=Kind.BATTERY_LOW))
    assert data["kinds"] == ["sos_button", "fall", "battery_low"]
    assert composed(alarm(kinds=Kind(0)))["kinds"] == ["unknown_alarm"]


@pytest.mark.parametrize(
    "which, status",
    [
        (alarm(), "fix"),
        (alarm(position=None, last_known=seen()), "last_known"),
        (alarm(position=Seen(replace(seen().fix, valid=False), WALL_US)), "last_known"),
        (alarm(position=None), "none"),
        (alarm(position=Seen(Fix(910_000_000, 0), WALL_US)), "none"),
        (alarm(position=Seen(Fix(0, 0), WALL_US)), "fix"),
    ],
)
def test_what_is_not_known_of_the_position_is_said(which, status):
    position = composed(which)["position"]
    assert position["status"] == status
    assert ("lat" in position) == (status != "none") and ("reason" in position) == (status == "none")


def test_an_old_position_says_its_age_and_one_from_the_future_is_new():
    old = Seen(replace(seen().fix, at_us=WALL_US - 3_600_000_000), WALL_US)
    assert composed(alarm(position=old))["position"]["age_s"] == 3601.2
    ahead = Seen(replace(seen().fix, at_us=WALL_US + 60_000_000), WALL_US)
    assert composed(alarm(position=ahead))["position"]["age_s"] == 0
    timeless = Seen(replace(seen().fix, at_us=None), WALL_US)
    assert composed(alarm(position=timeless))["position"] | {"at": "2026-03-09T13:03:11.250Z"} == composed(alarm(position=timeless))["position"]


def test_the_responder_is_pending_or_none_with_a_reason():
    assert composed(alarm(decision=None))["responder"] == {"status": "pending", "reason": "not decided yet"}
    nobody = Decision(Area(CentreId("ovl"), "polygon"), Proposal("none", "no unit is fresh", skipped=(Skipped(UnitId("G-11"), "position_old"),)))
    said = composed(alarm(decision=nobody))["responder"]
    assert said == {"status": "none", "reason": "no unit is fresh", "skipped": [{"unit": "G-11", "reason": "position_old"}]}
    empty = Decision(Area(CentreId("ovl"), "polygon"), Proposal("proposed", "odd"))
    assert composed(alarm(decision=empty))["responder"]["status"] == "none"


def test_no_identity_of_an_unenrolled_device_and_no_number_leaves():
    unknown = alarm(device_id="+32475000001", case_ref=None, case_state="UNKNOWN", text="help me at home, call 0475 12 34 56")
    body = compose(unknown, heading(), facts(), SENDER)
    data = alert_of(body)
    assert data["device"]["id"] == "unknown"
    assert data["case"] == {"reference": None, "state": "UNKNOWN", "zone": None, "risk": None, "instructions": None}
    assert b"3247500" not in body and b"help me" not in body and b"0475" not in body


@pytest.mark.parametrize("number", ["0475 12 34 56", "+32 475 12 34 56", "+32475123456", "0032475123456", "09/266.61.11", "(0475) 12-34-56"])
def test_a_telephone_number_in_instructions_is_withheld(number):
    case = Case(CaseRef("GE-2026-0042"), instructions=f"Her mother: {number}, ring first.")
    said = composed(book=BookFacts({}, {"GE-2026-0042": case}))["case"]["instructions"]
    assert "[number withheld]" in said and "ring first" in said
    assert not any(digits in said for digits in ("12", "34", "56", "266"))


@pytest.mark.parametrize("harmless", ["Since 2026-03-09 13:03.", "File GE-2026-0042/0017", "Room 0417, floor 2", "Code 5 at 21:00"])
def test_other_figures_in_instructions_stay(harmless):
    case = Case(CaseRef("GE-2026-0042"), instructions=harmless)
    assert composed(book=BookFacts({}, {"GE-2026-0042": case}))["case"]["instructions"] == harmless


def test_the_operator_who_took_it_is_not_named_to_others():
    body = compose(alarm(taken_by="Jan Peeters", taken_centre="wvl"), heading(), facts(), SENDER)
    assert b"Peeters" not in body and alert_of(body)["centre"]["taken_by"] == "wvl"
    assert composed(alarm(taken_by="Jan Peeters"))["centre"]["taken_by"] == "gateway"


def test_the_track_gives_way_oldest_first_and_fills_the_message():
    long = tuple(seen(n) for n in range(1000))
    body = compose(alarm(track=long), heading(), facts(), SENDER)
    data = alert_of(body)
    assert BODY_BYTES_MAX - 200 < len(body) <= BODY_BYTES_MAX
    assert data["track"][-1]["at"] == rfc3339(long[-1].received_at_us)
    assert [point["at"] for point in data["track"]] == sorted(point["at"] for point in data["track"])


def test_the_track_leaves_out_what_the_centre_knows_but_for_a_tail():
    track = tuple(seen(n) for n in range(50))
    data = composed(alarm(track=track), told_until_us=track[30].received_at_us)
    assert len(data["track"]) == 19
    assert len(composed(alarm(track=track), told_until_us=track[49].received_at_us)["track"]) == TRACK_TAIL


def test_points_that_are_none_are_not_in_the_track():
    track = (seen(0), Seen(replace(seen(1).fix, valid=False), WALL_US), Seen(Fix(999_999_999, 0), WALL_US), seen(3))
    assert len(composed(alarm(track=track))["track"]) == 2


def test_the_largest_alert_stays_below_its_limit():
    wide = "\U0001f600" * 5000
    candidates = tuple(Candidate(UnitId(wide), 1e5, 1e7) for _ in range(50))
    skipped = tuple(Skipped(UnitId(wide), wide) for _ in range(500))
    worst = alarm(
        kinds=Kind(sum(KINDS)), doubts=(wide,) * 100, case_ref=wide, offered_to=(wide,) * 100, protocol=wide, transport=wide,
        decision=Decision(Area(CentreId(wide), "polygon"), Proposal("proposed", wide, "road", wide, candidates, skipped)),
        track=tuple(seen(n) for n in range(240)), taken_centre=wide, outcome="UNKNOWN",
    )  # fmt: skip
    case = Case(CaseRef(wide), state=wide, zone=wide, risk=wide, instructions=wide, centre_refs=(("ovl", wide),))
    sender = Sender(wide[:64], "https://gw.example.be")
    body = compose(worst, heading(also_offered_to=(wide,) * 100), BookFacts({}, {wide: case}), sender)
    data = alert_of(body)
    assert data["position"]["status"] == "fix" and data["responder"]["unit"]


def test_strange_letters_never_stop_an_alert():
    odd = "a\x00b\ud800c\u202ed\n"
    data = composed(alarm(doubts=(odd,)), book=BookFacts({}, {"GE-2026-0042": Case(CaseRef("GE-2026-0042"), instructions=odd)}))
    assert data["doubts"] == ["a b c d "] and data["case"]["instructions"] == "a b c d "


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e300])
def test_figures_that_cannot_be_are_not_known(value):
    position = Seen(replace(seen().fix, accuracy_m=value, speed_kmh=value, course_deg=value), WALL_US)
    data = composed(alarm(position=position, battery_percent=value))
    assert (data["position"]["accuracy_m"], data["position"]["speed_kmh"], data["position"]["course_deg"]) == (None, None, None)
    assert data["device"]["battery_percent"] is None


@pytest.mark.parametrize("at_us", [None, -1, 2**63, 253_402_300_800_000_000])
def test_times_that_cannot_be_are_not_known(at_us):
    assert rfc3339(at_us) is None
    assert composed(alarm(event_at_us=at_us))["times"]["event_at"] is None


def test_times_are_written_to_the_millisecond():
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(253_402_300_799_999_999) == "9999-12-31T23:59:59.999Z"
    assert rfc3339(4_102_444_800_000_999) == "2100-01-01T00:00:00.000Z"


def test_the_end_names_its_outcome():
    assert composed(alarm(state=State.CLOSED, outcome="REAL_ARREST"), event="closed")["outcome"] == "REAL_ARREST"
    assert "outcome" not in composed(alarm(outcome="not a code"))


def test_a_lost_device_is_said_while_it_is_lost():
    assert composed(alarm(device_silent=True), event="supervision")["device"]["lost"] is True


def test_the_least_that_can_be_said_is_a_valid_alert():
    data = alert_of(compose(minimal_alarm(ALARM_ID, "dev-0042", WALL_US), heading(), NoFacts(), Sender()))
    assert data["kinds"] == ["unknown_alarm"] and data["doubts"] == ["undecodable"] and data["links"]["live"] is None


def test_the_alert_alone_is_valid_for_the_api():
    assert alert(alarm(), heading(), facts(), SENDER)["track"] == []


# ---------------------------------------------------------------------------------------------------- fallback


def test_the_fallback_text_is_something_a_person_can_act_on():
    text = fallback_text(alarm(), "not stored for 10 s", facts(), SENDER)
    assert text == (
        "STALKING ALARM 13:03 UTC. case GE-2026-0042 zone 5415. not stored for 10 s. nearest unit G-21 4 min. "
        f"https://gw.example.be/#/alarms/{ALARM_ID}"
    )


def test_the_fallback_text_has_no_coordinates_unless_its_link_may_carry_them():
    assert "51.05" not in fallback_text(alarm(), "x", facts(), SENDER)
    assert "at 51.05432,3.72123 13:03" in fallback_text(alarm(), "x", facts(), SENDER, position=True)
    assert "last at 51.05432" in fallback_text(alarm(position=None, last_known=seen()), "x", facts(), SENDER, position=True)
    assert "no position" in fallback_text(alarm(position=None), "x", facts(), SENDER, position=True)


def test_the_fallback_text_fits_two_messages_and_keeps_its_link():
    case_ref = "é" * 400
    text = fallback_text(alarm(case_ref=case_ref, test=True, simulated=True, decision=None), "y" * 400, facts(), SENDER)
    assert len(text) <= TEXT_CHARS_MAX and text.isascii() and text.endswith(f"/#/alarms/{ALARM_ID}")
    assert text.startswith("SIMULATED TEST STALKING ALARM")


def test_the_fallback_text_says_what_it_does_not_know():
    bare = alarm(case_ref=None, decision=None)
    text = fallback_text(bare, "no centre answers for it", NoFacts(), Sender())
    assert "case unknown" in text and "no unit known" in text and text.endswith(f"alarm {ALARM_ID}")


