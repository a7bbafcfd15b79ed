"""Is this a place, and can she have come there? Doubt is told, never acted on."""

import math

from gateway.model import Fix, Seen

E7 = 10_000_000
METRES_PER_E7 = math.pi * 6_371_008.8 / 180 / E7
"One 1e-7 degree of latitude."
SPEED_MS_MAX = 90.0
"324 km/h: faster than any car or train she could be in."


def is_place(fix: Fix) -> bool:
    """On the globe, and not the 0/0 that receivers send when they know nothing."""
    in_range = abs(fix.lat_e7) <= 90 * E7 and abs(fix.lon_e7) <= 180 * E7
    return in_range and not (abs(fix.lat_e7) < 1000 and abs(fix.lon_e7) < 1000)


def distance_m(one: Fix, other: Fix) -> float:
    """Great-circle distance, by the haversine."""
    lat1, lat2 = math.radians(one.lat_e7 / E7), math.radians(other.lat_e7 / E7)
    dlat, dlon = lat2 - lat1, math.radians((other.lon_e7 - one.lon_e7) / E7)
    a = math.sin(dlat / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(dlon / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(min(1.0, math.sqrt(a)))


def is_plausible(known: Seen | None, seen: Seen) -> bool:
    """Whether she can have come from the last current position to this one."""
    if known is None:
        return True
    if known.fix.at_us is not None and seen.fix.at_us is not None:
        apart_us = abs(seen.fix.at_us - known.fix.at_us)
    else:
        apart_us = abs(seen.received_at_us - known.received_at_us)
    slack_m = 200.0 + (known.fix.accuracy_m or 0.0) + (seen.fix.accuracy_m or 0.0)
    return distance_m(known.fix, seen.fix) <= slack_m + SPEED_MS_MAX * apart_us / 1e6
