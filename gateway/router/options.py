"""What an operator may say about roads and units."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RoadOptions:
    """Where road times come from and which units count."""

    file: str | None = None
    "Road index made by `gateway roads build`. Without one, straight lines are used and said to be so."
    profile: str | None = None
    "Profile file that the index should have been built with; another one is said by `gateway check` and at the start."
    candidates: int = 5
    "How many units are named."
    position_warn_s: float = 60.0
    "A unit's position older than this is said to be old; its candidate gets the age as well."
    position_age_max_s: float = 600.0
    "A unit whose position is older is skipped."
    snap_m_max: float = 1000.0
    "A position farther than this from any road is off the map."
    settled_max: int = 400_000
    "Road states one search may settle in the alarm lane; beyond that the alert goes first and the proposal follows."
    detour_share: float = 1.4
    "Straight-line fallback: how much longer the road is taken to be."
    straight_kmh: float = 40.0
    "Straight-line fallback: speed."
    nearest_area_km: float = 5.0
    "A position outside every area within this distance of one belongs to it, marked as nearest."
