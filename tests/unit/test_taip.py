"""TAIP: weeks of receivers that cannot count, events that the settings name, and what is recognised."""

import pytest

from gateway.model import Kind
from gateway.protocols import open_session, taip
from gateway.protocols.base import DeviceSettings
from gateway.protocols.octets import civil_us
from gateway.protocols.taip import BY_NAME, week_us
from tests.vectors.sheets import NOW_US


def test_the_week_of_the_dossier_is_where_the_calendar_has_it() -> None:
    assert week_us(1942, 2, 37017, NOW_US) == civil_us(2017, 3, 28, 10, 16, 57)


def test_a_week_that_is_1024_too_low_is_put_right_and_an_old_one_is_not() -> None:
    week, day = divmod((NOW_US - taip.GPS_EPOCH_US) // 86_400_000_000, 7)
    assert week_us(week - 1024, day, 0, NOW_US) == week_us(week, day, 0, NOW_US)
    assert week_us(week - 900, day, 0, NOW_US) < week_us(week, day, 0, NOW_US)


@pytest.mark.parametrize("name", ["sos", "low_battery", "tamper", "removed", "fall", "sos_button", "idle"])
def test_an_event_is_what_the_settings_name(name: str) -> None:
    session = open_session("taip", "tcp", DeviceSettings(config=f"event07={name}"))
    (report,) = session.read(b">REV071942237017+1170957-0701880200000032;ID=1005<", NOW_US).reports
    assert report.kinds == BY_NAME[name] != Kind.POSITION


@pytest.mark.parametrize(
    ("data", "confidence"),
    [
        (b"", 0), (b"\r\n", 0), (b">", 10), (b">RP", 10), (b"\r\n>R", 10), (b">RPV0", 90), (b"\r\n>REV4", 90), (b">RUS00,", 90), (b">RUV0", 90),
        (b">XYZ", 0), (b">RXX1", 0), (b"\x20\x20", 5), (b"\x20\x20\x06\x00", 5), (b"\x20\x20\x06\x00>RPV0", 90), (b"\x20\x20\x06\x00x", 0),
    ],
)  # fmt: skip
def test_it_is_recognised_by_the_names_of_its_messages(data: bytes, confidence: int) -> None:
    assert taip.recognise(data) == confidence
