"""NMEA: days without a date, places out of reach, and what is recognised."""

import pytest

from gateway.model import Fix
from gateway.protocols import nmea, open_session
from gateway.protocols.fields import DAY_US, today_us
from gateway.protocols.nmea_jumps import Path, is_reachable
from gateway.protocols.octets import xor8
from tests.vectors.sheets import NOW_US

BRUSSELS, GHENT = (508_466_000, 43_528_000), (510_543_000, 37_174_000)


@pytest.mark.parametrize("hours", [-12, -11, -1, 0, 1, 11, 12])
def test_a_time_of_the_day_is_at_most_twelve_hours_away(hours: int) -> None:
    at_us = NOW_US + hours * DAY_US // 24
    assert abs(today_us(at_us % DAY_US // 1_000_000, NOW_US) - NOW_US) <= DAY_US // 2
    if abs(hours) < 12:
        assert today_us(at_us % DAY_US // 1_000_000, NOW_US) == at_us - at_us % 1_000_000


def seen(place: tuple[int, int], second: int | None) -> Fix:
    return Fix(*place, None if second is None else NOW_US + second * 1_000_000)


def test_nothing_on_a_road_is_faster_than_400_km_an_hour() -> None:
    assert is_reachable(seen(BRUSSELS, 0), seen(GHENT, 500))
    assert not is_reachable(seen(BRUSSELS, 0), seen(GHENT, 300))
    assert is_reachable(seen(BRUSSELS, 0), seen(GHENT, None))
    assert is_reachable(Fix(0, 1_799_999_000, 0), Fix(0, -1_799_999_000, 1_000_000))


def test_a_place_out_of_reach_is_believed_when_the_next_fix_agrees() -> None:
    path = Path()
    assert [path.leads_to(fix) for fix in (seen(BRUSSELS, 0), seen(GHENT, 1), seen(BRUSSELS, 2), seen(GHENT, 3), seen(GHENT, 4))] == [
        True, False, True, False, True,
    ]  # fmt: skip


def rmc(time: str, place: str) -> bytes:
    text = f"GPRMC,{time},A,{place},10.00,93.0,090326,,,A".encode()
    return b"001012600000016$%b*%02X\r\n" % (text, xor8(text))


def test_a_jump_does_not_move_the_unit_until_it_is_confirmed() -> None:
    session = open_session("nmea", "tcp")
    brussels, ghent = "5050.8000,N,00421.1700,E", "5103.2600,N,00343.0500,E"
    lines = rmc("130301", brussels) + rmc("130302", ghent) + rmc("130303", ghent)
    session.receive(lines)
    reports = [report for frame in session.frames(NOW_US) for report in frame.reports]
    assert [(report.fix and report.fix.valid, report.unread) for report in reports] == [(True, ()), (False, ("position jump",)), (True, ())]


@pytest.mark.parametrize(
    ("data", "confidence"),
    [
        (b"", 0), (b"$", 5), (b"1234", 5), (b"4711/1234/$GP", 5), (b"$GPRMC,", 90), (b"1234$GNGGA,", 90), (b"$AVRMC,", 0), (b"$XXRMC,", 0),
        (b"QZE,86", 5), (b"IME", 5), (b"IMEI 001012600000016\r\n", 90), (b"660420156A0066AA\r\n", 30), (b"GET / HTTP/1.1\r\n", 0), (b"\x78\x01", 0),
    ],
)  # fmt: skip
def test_it_is_recognised_by_the_names_of_its_sentences(data: bytes, confidence: int) -> None:
    assert nmea.recognise(data) == confidence
