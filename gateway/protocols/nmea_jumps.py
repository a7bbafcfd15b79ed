"""Whether a vehicle can have come from where it was: dossier ``nmea.md`` section 4, nothing on a road is faster than 400 km/h."""

from math import cos, hypot, radians
from typing import Final

from gateway.model import Fix

SPEED_MS_MAX: Final = 400 / 3.6
SLACK_M: Final = 300.0
"Receivers wander, and two sentences of one second differ."
METRES_PER_DEGREE: Final = 111_195.0


class Path:
    """The last fixes of one vehicle."""

    def __init__(self) -> None:
        self._trusted: Fix | None = None
        self._newest: Fix | None = None

    def leads_to(self, fix: Fix) -> bool:
        """Can it be there? A place out of reach is believed when the next fix agrees with it: then the place before was wrong."""
        reached = self._trusted is None or is_reachable(self._trusted, fix) or (self._newest is not None and is_reachable(self._newest, fix))
        self._newest = fix
        if reached:
            self._trusted = fix
        return reached


def is_reachable(start: Fix, end: Fix) -> bool:
    """Is the way between two fixes short enough for their times? Fixes without a time are."""
    if start.at_us is None or end.at_us is None:
        return True
    lat = (end.lat_e7 - start.lat_e7) / 1e7
    lon = ((end.lon_e7 - start.lon_e7) / 1e7 + 180) % 360 - 180
    apart_m = METRES_PER_DEGREE * hypot(lat, lon * cos(radians(end.lat_e7 / 1e7)))
    return apart_m <= SLACK_M + SPEED_MS_MAX * abs(end.at_us - start.at_us) / 1e6
