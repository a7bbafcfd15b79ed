"""How long a drive takes when no road can be asked: the straight line, stretched.

A stated fallback. On real road networks the unit that is nearest as the crow flies is the wrong one in a fifth to a
third of all cases, so whoever shows such a time also says that it is one (``basis`` straight_line).
"""

from collections.abc import Callable
from math import asin, cos, radians, sin, sqrt

EARTH_RADIUS_M = 6_371_008.8
"Mean radius of WGS 84."
STRAIGHT_M_MAX = 200_000.0
"A unit farther away than this is not on its way: the position is wrong, or it is another country's."


def distance_m(lat_e7: int, lon_e7: int, to_lat_e7: int, to_lon_e7: int) -> float:
    """Metres along the great circle. Answers for any integers."""
    lat, to_lat = radians(lat_e7 * 1e-7), radians(to_lat_e7 * 1e-7)
    half_lat, half_lon = (to_lat - lat) / 2, radians((to_lon_e7 - lon_e7) * 1e-7) / 2
    share = sin(half_lat) ** 2 + cos(lat) * cos(to_lat) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M * asin(sqrt(min(1.0, max(0.0, share))))


def nearness_to(lat_e7: int, lon_e7: int) -> Callable[[int, int], float]:
    """A measure by which places can be ranked: squared metres on the plane that touches the earth here, the short way round."""
    north = radians(1e-7) * EARTH_RADIUS_M
    east = north * cos(radians(lat_e7 * 1e-7))

    def squared_m(to_lat_e7: int, to_lon_e7: int) -> float:
        apart_e7 = abs(to_lon_e7 - lon_e7)
        if apart_e7 > 1_800_000_000:
            apart_e7 = 3_600_000_000 - apart_e7
        return ((to_lat_e7 - lat_e7) * north) ** 2 + (apart_e7 * east) ** 2

    return squared_m


def drive(straight_m: float, detour_share: float, straight_kmh: float) -> tuple[float, float]:
    """(seconds, metres) that a road of this straight length is taken to need."""
    road_m = straight_m * detour_share
    return road_m / (straight_kmh / 3.6), road_m
