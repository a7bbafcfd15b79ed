"""The rules of time: what a device's clock is worth, and what it would say if it were right.

Nothing is ever dropped or put back because of a device's clock (R-51): the arrival time decides what is done,
the normalised time is what is shown and what tells a copy from a new press.
"""

from dataclasses import dataclass

SECOND_US = 1_000_000
GOOD_WITHIN_US = 120 * SECOND_US
ROLLOVER_US = 1024 * 7 * 86_400 * SECOND_US
"GPS weeks are counted modulo 1024."
ROLLOVER_BACK_US = 90 * 86_400 * SECOND_US
ZONE_STEP_US = 900 * SECOND_US
ZONE_SLACK_US = 30 * SECOND_US
ZONE_MAX_US = 14 * 3600 * SECOND_US
BUFFERED_MAX_US = 30 * 86_400 * SECOND_US
LIVE_FRAMES_NEEDED = 3
"A clock that is behind could also be a stored frame; so many live frames must agree before it counts as a zone."


@dataclass(frozen=True, slots=True)
class DeviceTime:
    """A device's time after the rules. ``at_us`` is None when it gave none, the arrival time when it is bad."""

    at_us: int | None
    quality: str
    "good, rollover, timezone, buffered, bad, none"

    @property
    def can_be_trusted(self) -> bool:
        """It tells one press from another."""
        return self.quality in ("good", "rollover", "timezone", "buffered")


NO_TIME = DeviceTime(None, "none")


def _zone_of(delta_us: int) -> int | None:
    """The time zone that explains a difference (device minus arrival), or None."""
    steps = round(delta_us / ZONE_STEP_US)
    zone_us = steps * ZONE_STEP_US
    if steps and abs(zone_us) <= ZONE_MAX_US and abs(delta_us - zone_us) <= ZONE_SLACK_US:
        return zone_us
    return None


class DeviceClocks:
    """What has been learnt of each device's clock: never across devices, never from stored frames."""

    def __init__(self) -> None:
        self._behind: dict[str, tuple[int, int]] = {}
        "device id -> (zone, live frames that agreed); only devices that are enrolled get here, so it is bounded."

    def normalise(self, device_id: str, device_us: int | None, received_us: int, *, stored: bool = False) -> DeviceTime:
        """Apply the rules to one device time. ``stored``: the frame itself says that it was buffered."""
        if device_us is None:
            return NO_TIME
        delta_us = device_us - received_us
        if abs(delta_us) <= GOOD_WITHIN_US:
            return DeviceTime(device_us, "good")
        for weeks in (1, 2, 3):
            moved_us = device_us + weeks * ROLLOVER_US
            if -ROLLOVER_BACK_US <= moved_us - received_us <= GOOD_WITHIN_US:
                return DeviceTime(moved_us, "rollover")
        zone_us = _zone_of(delta_us)
        if zone_us is not None and (zone_us > 0 or (not stored and self._learnt(device_id, zone_us))):
            return DeviceTime(device_us - zone_us, "timezone")
        if -BUFFERED_MAX_US <= delta_us < 0:
            return DeviceTime(device_us, "buffered")
        return DeviceTime(received_us, "bad")

    def corrected(self, device_id: str, fix_us: int, event_us: int | None, event: DeviceTime, received_us: int) -> int | None:
        """When a position was taken, by the clock that wrote the time of its report; None when that cannot be known.

        What is wrong with one is wrong with the other. A position without a report's time is judged by itself: an old one
        keeps its age, however old; one from the future has none.
        """
        if event_us is not None and event.at_us is not None:
            return fix_us + event.at_us - event_us
        alone = self.normalise(device_id, fix_us, received_us)
        if alone.can_be_trusted:
            return alone.at_us
        return fix_us if fix_us < received_us else None

    def observe_live(self, device_id: str, device_us: int | None, received_us: int) -> None:
        """Learn from a frame that cannot have been stored: a login or a heartbeat over a connection of the device's own.

        A position is not one: devices that send a backlog one by one show the same difference again and again, and what lies
        hours back would be shown as now. Whose clock lies behind UTC and whose heartbeats carry no time needs ``clock_offset_s``.
        """
        if device_us is None:
            return
        zone_us = _zone_of(device_us - received_us)
        if zone_us is None or zone_us > 0:
            self._behind.pop(device_id, None)
            return
        known, agreed = self._behind.get(device_id, (zone_us, 0))
        self._behind[device_id] = (zone_us, agreed + 1 if known == zone_us else 1)

    def _learnt(self, device_id: str, zone_us: int) -> bool:
        known, agreed = self._behind.get(device_id, (0, 0))
        return known == zone_us and agreed >= LIVE_FRAMES_NEEDED
