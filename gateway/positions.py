"""Distances; whether a position is a place, and whether she can have come there. Doubt is told, never acted on."""

from math import asin, cos, radians, sin, sqrt

from gateway.model import Fix, Seen

E7 = 10_000_000
EARTH_RADIUS_M = 6_371_008.8
"Mean radius of WGS 84."
METRES_PER_E7 = radians(1 / E7) * EARTH_RADIUS_M
"One 1e-7 degree of latitude."
SPEED_MS_MAX = 90.0
"324 km/h: faster than any car or train she could be in."


def is_place(fix: Fix) -> bool:
    """On the globe, and not the 0/0 that receivers send when they know nothing."""
    in_range = abs(fix.lat_e7) <= 90 * E7 and abs(fix.lon_e7) <= 180 * E7
    return in_range and not (abs(fix.lat_e7) < 1000 and abs(fix.lon_e7) < 1000)


def distance_m(lat_e7: int, lon_e7: int, to_lat_e7: int, to_lon_e7: int) -> float:
    """Metres along the great circle, by the haversine. Answers for any integers."""
    lat, to_lat = radians(lat_e7 / E7), radians(to_lat_e7 / E7)
    half_lat, half_lon = (to_lat - lat) / 2, radians((to_lon_e7 - lon_e7) / E7) / 2
    share = sin(half_lat) ** 2 + cos(lat) * cos(to_lat) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M * asin(sqrt(min(1.0, max(0.0, share))))


def apart_m(one: Fix, other: Fix) -> float:
    """Metres between two fixes."""
    return distance_m(one.lat_e7, one.lon_e7, other.lat_e7, other.lon_e7)


def is_plausible(known: Seen | None, seen: Seen) -> bool:
    """Whether she can have come from the last current position to this one."""
    if known is None:
        return True
    if known.fix.at_us is not None and seen.fix.at_us is not None:
        apart_us = abs(seen.fix.at_us - known.fix.at_us)
    else:
        apart_us = abs(seen.received_at_us - known.received_at_us)
    slack_m = 200.0 + (known.fix.accuracy_m or 0.0) + (seen.fix.accuracy_m or 0.0)
    return apart_m(known.fix, seen.fix) <= slack_m + SPEED_MS_MAX * apart_us / 1e6


class LastFixes:
    """Where each device was last, kept for an alarm alone and no longer than its time (R-80); zero keeps nothing."""

    def __init__(self, kept_us: int) -> None:
        self.kept_us = kept_us
        self._fixes: dict[str, tuple[Fix, int]] = {}
        "device id -> (position, monotonic time when it was heard), oldest first"

    def keep(self, device_id: str, fix: Fix, now_us: int) -> None:
        """Take the place of what was known of the device."""
        if self.kept_us > 0:
            self._fixes.pop(device_id, None)
            self._fixes[device_id] = (fix, now_us)

    def of(self, device_id: str, now_us: int) -> Fix | None:
        """Where the device was last, if that may still be known."""
        self.forget(now_us)
        known = self._fixes.get(device_id)
        return known[0] if known else None

    def forget(self, now_us: int) -> None:
        """Drop what is too old."""
        while (deadline_us := self.next_deadline_us()) is not None and deadline_us <= now_us:
            del self._fixes[next(iter(self._fixes))]

    def next_deadline_us(self) -> int | None:
        """When ``forget`` has something to do."""
        oldest = next(iter(self._fixes.values()), None)
        return oldest[1] + self.kept_us if oldest else None
