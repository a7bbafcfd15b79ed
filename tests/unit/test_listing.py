"""A frame as JSON: the contract's words, its key order, and nothing that is not known."""

from gateway.model import Cell, Fix, Frame, Kind, Refusal, Report, Wifi
from gateway.protocols.listing import frame_json, time_text

FIX = Fix(510_543_210, 37_212_345, 1_773_061_391_000_000, True, "gnss", 12.0, 8.0, 4.0, 271.0, 9)
WHOLE = Report(
    Kind.SOS_BUTTON, FIX, 1_773_061_391_250_000, 17, 80.0, 3.92, 12.1, True, True, True,
    (Cell(206, 1, 1234, 56789, -71),), (Wifi("aa:bb:cc:dd:ee:ff", -60),), "text", ("vendor TLV 0x2b",),
)  # fmt: skip


def frame(*reports: Report, **more: object) -> Frame:
    return Frame("gt06", "tcp", b"\x78\x78", "861234567890123", reports, **more)  # type: ignore[arg-type]


def test_everything_that_is_known_stands_in_the_order_of_the_contract() -> None:
    told = frame_json(frame(WHOLE, reply=b"\x78\x78\x05"))
    assert list(told) == [
        "protocol", "class", "device", "kinds", "fix", "event_at", "sequence", "battery_percent", "battery_v", "power_v", "charging",
        "stored", "standing", "cells", "wifi", "text", "unread", "reply",
    ]  # fmt: skip
    assert told["fix"] == {
        "lat": 51.054321, "lon": 3.7212345, "at": "2026-03-09T13:03:11Z", "valid": True, "source": "gnss", "accuracy_m": 12.0,
        "altitude_m": 8.0, "speed_kmh": 4.0, "course_deg": 271.0, "satellites": 9,
    }  # fmt: skip
    assert told["event_at"] == "2026-03-09T13:03:11.25Z"
    assert (told["battery_percent"], told["reply"]) == (80, "787805")
    assert told["cells"] == [{"mcc": 206, "mnc": 1, "lac": 1234, "cid": 56789, "rssi_dbm": -71}]
    assert told["wifi"] == [{"mac": "aa:bb:cc:dd:ee:ff", "rssi_dbm": -60}]


def test_what_is_not_known_is_absent() -> None:
    assert frame_json(Frame("gt06", "tcp", b"", None, (Report(Kind.HEARTBEAT),))) == {"protocol": "gt06", "class": "D", "kinds": ["heartbeat"]}
    assert frame_json(frame(Report(fix=Fix(1, 2, None, False))))["fix"] == {"lat": 1e-7, "lon": 2e-7, "valid": False, "source": "gnss"}


def test_an_old_press_in_a_batch_is_not_hidden_by_a_newer_position() -> None:
    press, newer = Report(Kind.SOS_BUTTON, event_at_us=1_000_000), Report(Kind.POSITION, event_at_us=3_000_000, sequence=2)
    told = frame_json(frame(newer, press))
    assert told["class"] == "A"
    assert told["kinds"] == ["sos_button", "position"]
    assert (told["event_at"], told["sequence"]) == ("1970-01-01T00:00:03Z", 2)
    assert [record["kinds"] for record in told["records"]] == [["position"], ["sos_button"]]  # type: ignore[index, union-attr, call-overload]


def test_a_refusal_says_why_and_which_alarm_is_readable_all_the_same() -> None:
    refused = frame(refused=Refusal("checksum", 38, "frame says 1"), unverified=WHOLE)
    assert frame_json(refused) == {
        "protocol": "gt06", "reject": "checksum", "offset": 38, "detail": "frame says 1",
        "unverified": {"device": "861234567890123", "kinds": ["sos_button"]},
    }  # fmt: skip
    assert "unverified" not in frame_json(frame(refused=Refusal("length", 2, "")))


def test_the_raw_bytes_stand_last_when_asked_for() -> None:
    assert list(frame_json(frame(), with_raw=True).items())[-1] == ("raw", "7878")


def test_times_have_a_fraction_only_when_there_is_one() -> None:
    assert time_text(0) == "1970-01-01T00:00:00Z"
    assert time_text(1) == "1970-01-01T00:00:00.000001Z"
    assert time_text(951_782_400_500_000) == "2000-02-29T00:00:00.5Z"
