"""Text fields: what counts as a number, a place, a date, and what is not known."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols import fields


@pytest.mark.parametrize(
    ("text", "value"), [("5.25", 5.25), ("-0.5", -0.5), ("+7", 7.0), ("7.", 7.0), ("", None), (".5", None), ("1e3", None), ("5,2", None), ("٣", None)]
)
def test_a_decimal_is_digits_and_a_point(text: str, value: float | None) -> None:
    assert fields.decimal(text) == value


@pytest.mark.parametrize(
    ("text", "hemisphere", "value"),
    [
        ("5103.2297", "N", 510_538_283),
        ("00343.5007", "E", 37_250_117),
        ("00343.5007", "W", -37_250_117),
        ("9000.0000", "S", -900_000_000),
        ("5160.0000", "N", None),
        ("5103.2297", "", None),
        ("5103,2297", "N", None),
        ("51032297", "N", None),
        ("", "N", None),
    ],
)
def test_degrees_and_minutes_become_degrees(text: str, hemisphere: str, value: int | None) -> None:
    assert fields.minutes_e7(text, hemisphere) == value


@given(st.integers(0, 179), st.integers(0, 59), st.text("0123456789", min_size=1, max_size=8))
def test_minutes_are_rounded_to_the_nearest(degrees: int, minutes: int, part: str) -> None:
    exact = degrees * fields.E7 + (minutes + Fraction(int(part), 10 ** len(part))) * fields.E7 / 60
    assert fields.minutes_e7(f"{degrees:03}{minutes:02}.{part}", "E") == math.floor(exact + Fraction(1, 2))


@given(st.integers(-1_800_000_000, 1_800_000_000))
def test_decimal_degrees_with_seven_places_are_exact(value: int) -> None:
    sign, (whole, part) = "-" if value < 0 else "", divmod(abs(value), fields.E7)
    assert fields.degrees_e7(f"{sign}{whole}.{part:07}") == value


def test_decimal_degrees_are_rounded_to_the_nearest() -> None:
    assert fields.degrees_e7("51.05432104") == 510_543_210
    assert fields.degrees_e7("-51.05432105") == -510_543_211
    assert fields.degrees_e7("51") == 510_000_000


@pytest.mark.parametrize(
    ("lat", "lon", "is_place"), [(0, 0, False), (0, 1, True), (900_000_001, 0, False), (0, -1_800_000_001, False), (None, 5, False)]
)
def test_a_place_stands_on_the_globe_and_was_measured(lat: int | None, lon: int | None, is_place: bool) -> None:
    assert fields.on_globe(lat, lon) is is_place
    assert (fields.fix(lat, lon, None, True) is not None) is is_place


def test_dates_that_no_calendar_has_are_not_known() -> None:
    assert fields.day_first_us("140326", "210405") == fields.year_first_us("260314", "210405") == 1_773_522_245_000_000
    assert fields.year_first_us("20260314", "210405", 3600) == 1_773_518_645_000_000
    for date, time in (("290226", "000000"), ("140375", "210405"), ("140326", "240000"), ("1403a6", "210405"), ("14032", "210405"), ("140326", "")):
        assert fields.day_first_us(date, time) is None


def test_what_a_device_does_not_know_is_none() -> None:
    assert fields.course("361") is None
    assert fields.speed("-1") is None
    assert fields.speed("10", fields.KMH_PER_KNOT) == 18.52
    assert fields.percent("101") is None
    assert fields.hexadecimal("fffffbff") == 0xFFFFFBFF
    assert fields.hexadecimal("fffffbff0") is None
    assert fields.whole("-1") is None
    assert fields.field(["a", " b "], 1) == "b"
    assert fields.field(["a"], 5) == ""


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b" V1.50 ", ("V1.50", ())), (b"V1\0\xff", ("V1", ())), (b"", (None, ())), (bytes(20), (None, ())), (b"V" * 64, ("V" * 64, ())),
        (b"V" * 65, (None, ("firmware",))), (b"V\x1b[2J", (None, ("firmware",))), (b"V\xe9", (None, ("firmware",))),
    ],
)  # fmt: skip
def test_a_version_of_firmware_is_short_and_can_be_shown(data: bytes, told: tuple[str | None, tuple[str, ...]]) -> None:
    assert fields.firmware(data) == told
