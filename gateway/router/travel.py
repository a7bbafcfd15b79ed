"""How long a drive takes when no road can be asked: the straight line, stretched.

A stated fallback. On real road networks the unit that is nearest as the crow flies is the wrong one in a fifth to a
third of all cases, so whoever shows such a time also says that it is one (``basis`` straight_line).
"""

from collections.abc import Callable
from math import cos, radians

from gateway.positions import METRES_PER_E7

STRAIGHT_M_MAX = 200_000.0
"A unit farther away than this is not on its way: the position is wrong, or it is another country's."


def nearness_to(lat_e7: int, lon_e7: int) -> Callable[[int, int], float]:
    """A measure by which places can be ranked: squared metres on the plane that touches the earth here, the short way round."""
    east = METRES_PER_E7 * cos(radians(lat_e7 * 1e-7))

    def squared_m(to_lat_e7: int, to_lon_e7: int) -> float:
        apart_e7 = abs(to_lon_e7 - lon_e7)
        if apart_e7 > 1_800_000_000:
            apart_e7 = 3_600_000_000 - apart_e7
        return ((to_lat_e7 - lat_e7) * METRES_PER_E7) ** 2 + (apart_e7 * east) ** 2

    return squared_m


def drive(straight_m: float, detour_share: float, straight_kmh: float) -> tuple[float, float]:
    """(seconds, metres) that a road of this straight length is taken to need."""
    road_m = straight_m * detour_share
    return road_m / (straight_kmh / 3.6), road_m
