"""Rules of time: the vectors of the promise R-51, and what is learnt per device."""

from datetime import UTC, datetime

import pytest

from gateway.times import DeviceClocks

RECEIVED = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


def us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("device", "quality", "becomes"),
    [
        ("2026-03-15T11:59:58", "good", "2026-03-15T11:59:58"),
        ("2026-03-15T13:00:00", "timezone", "2026-03-15T12:00:00"),
        ("2006-07-30T12:00:00", "rollover", "2026-03-15T12:00:00"),
        ("1970-01-01T00:00:00", "bad", "2026-03-15T12:00:00"),
        ("2080-01-06T00:00:00", "bad", "2026-03-15T12:00:00"),
        ("2026-03-14T09:00:07", "buffered", "2026-03-14T09:00:07"),
        ("2026-03-15T11:00:00", "buffered", "2026-03-15T11:00:00"),
        ("2106-02-07T06:28:15", "bad", "2026-03-15T12:00:00"),
        ("2026-03-15T12:03:00", "bad", "2026-03-15T12:00:00"),
    ],
)
def test_one_frame_is_judged_by_the_rules(device: str, quality: str, becomes: str) -> None:
    found = DeviceClocks().normalise("dev", us(datetime.fromisoformat(device + "+00:00")), us(RECEIVED))
    assert found.quality == quality
    assert found.at_us == us(datetime.fromisoformat(becomes + "+00:00"))


def test_a_clock_behind_is_a_zone_only_after_three_live_frames() -> None:
    clocks = DeviceClocks()
    behind = us(RECEIVED) - 3_600_000_000
    for _ in range(3):
        assert clocks.normalise("dev", behind, us(RECEIVED)).quality == "buffered"
        clocks.observe_live("dev", behind, us(RECEIVED))
    assert clocks.normalise("dev", behind, us(RECEIVED)).quality == "timezone"
    assert clocks.normalise("dev", behind, us(RECEIVED), stored=True).quality == "buffered"
    assert clocks.normalise("other", behind, us(RECEIVED)).quality == "buffered"


def test_a_live_frame_that_disagrees_starts_the_learning_again() -> None:
    clocks = DeviceClocks()
    behind = us(RECEIVED) - 3_600_000_000
    for at in (behind, behind, us(RECEIVED), behind):
        clocks.observe_live("dev", at, us(RECEIVED))
    assert clocks.normalise("dev", behind, us(RECEIVED)).quality == "buffered"


def test_no_time_is_said_to_be_none() -> None:
    assert DeviceClocks().normalise("dev", None, us(RECEIVED)).at_us is None
