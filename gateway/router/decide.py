"""Alarm -> Decision: which centre answers, which unit can be there first, and why.

There is always a decision. Roads that are missing, slow or end before the position, units that are not there, a
position that is none: each is said in the proposal, and the alert goes out with it. A straight line stands in for the
roads only as a stated fallback.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from heapq import nsmallest
from math import inf
from typing import Protocol

from gateway.errors import OutsideMap, RoadsSlow
from gateway.model import Area, Candidate, Case, Decision, Facts, Fix, Instant, Proposal, Skipped, UnitId, UnitPosition
from gateway.positions import distance_m
from gateway.router.areas import Areas
from gateway.router.options import RoadOptions
from gateway.router.travel import STRAIGHT_M_MAX, drive, nearness_to
from gateway.router.units import Muster, Units, age_s

SETTLED_UNLIMITED = 0
"Searches to the end: for the proposal that follows an alert."
HEADING_KMH_MIN = 5.0
"Slower than this, a unit faces anywhere."
SKIP_WORDS = {
    "busy": "busy",
    "off": "off duty",
    "position_unknown": "never heard",
    "position_old": "not heard lately",
    "off_map": "off the road map",
    "unreachable": "out of reach",
}


class RoadCandidate(Protocol):
    """A unit and its drive, as the road engine found it."""

    @property
    def unit_id(self) -> str: ...
    @property
    def travel_s(self) -> float: ...
    @property
    def distance_m(self) -> float: ...
    @property
    def travel_worst_s(self) -> float | None: ...


class Roads(Protocol):
    """The road engine, as far as a decision needs it (``roads.py``)."""

    @property
    def data_version(self) -> str:
        """Which data the times come from."""

    def unit_set(self, unit_id: str, lat_e7: int, lon_e7: int, course_deg: float | None = None) -> bool:
        """Put a unit on the road nearest to it; False: no road is near, and it is off the map."""

    def nearest(
        self, lat_e7: int, lon_e7: int, count: int, available: Collection[str], accuracy_m: float, settled_max: int
    ) -> Sequence[RoadCandidate]:
        """Up to ``count`` of the available units, quickest first. Raises OutsideMap, RoadsSlow."""

    def path(self, from_lat_e7: int, from_lon_e7: int, to_lat_e7: int, to_lon_e7: int) -> Sequence[Sequence[float]]:
        """The way as points (lat e7, lon e7, seconds). Raises OutsideMap."""


class Router:
    """Chooses centre and unit. Synchronous, in memory; never raises for what a device or unit sent."""

    def __init__(self, areas: Areas, facts: Facts, options: RoadOptions, roads: Roads | None = None, spare: Roads | None = None) -> None:
        """``spare``: the same roads once more, for the one thread in which a search may take its time."""
        self.areas = areas
        self.units = Units(facts, options)
        self._options = options
        self._roads = roads
        self._spare = spare
        self._off_map: set[UnitId] = set()

    def use_roads(self, roads: Roads | None, spare: Roads | None = None) -> None:
        """Change to another road index (None: straight lines) and put every known unit on it."""
        self._roads = roads
        self._spare = spare
        self._off_map.clear()
        for _, position in self.units.positions():
            self._put_on_roads(position)

    # ---------------------------------------------------------------------------------------------- units

    def unit_moved(
        self,
        unit_id: UnitId,
        lat_e7: int,
        lon_e7: int,
        course_deg: float | None,
        speed_kmh: float | None,
        now: Instant,
        taken_at_us: int | None = None,
        age_us: int = 0,
    ) -> bool:
        """A unit's position, from its tracker or from the API; False when it is not used (see ``Units.moved``).

        ``age_us``: how old it was when it came, by a clock that is believed.
        """
        taken = Instant(now.wall_us - age_us, now.mono_us - age_us)
        position = UnitPosition(unit_id, lat_e7, lon_e7, taken, course_deg, speed_kmh)
        if not self.units.moved(position, taken_at_us, now):
            return False
        self._put_on_roads(position)
        return True

    def _put_on_roads(self, position: UnitPosition) -> None:
        if self._roads is None:
            return
        if _put(self._roads, position):
            self._off_map.discard(position.unit_id)
        else:
            self._off_map.add(position.unit_id)

    def way(self, unit_id: UnitId, fix: Fix) -> list[tuple[float, float]]:
        """The road from where a unit was last heard to a place, as (lat, lon) in degrees; empty without roads."""
        position = self.units.position(unit_id)
        if self._roads is None or position is None:
            return []
        try:
            points = self._roads.path(position.lat_e7, position.lon_e7, fix.lat_e7, fix.lon_e7)
        except OutsideMap:
            return []
        return [(point[0] / 1e7, point[1] / 1e7) for point in points]

    # ------------------------------------------------------------------------------------------ decisions

    def area(self, lat_e7: int, lon_e7: int) -> Area:
        """Which centre answers for the position."""
        return self.areas.at(lat_e7, lon_e7)

    def decide(self, fix: Fix | None, now: Instant, *, is_simulated: bool = False, case: Case | None = None) -> Decision:
        """Centre and unit for an alarm. Without a position, the first centre that knows the case answers."""
        if fix is None:
            area = self.areas.of_device(centre_id for centre_id, _ in case.centre_refs) if case else self.areas.fallback()
        else:
            area = self.areas.at(fix.lat_e7, fix.lon_e7)
        return Decision(area, self.propose(fix, now, is_simulated=is_simulated), now.wall_us)

    def patient_search(self, fix: Fix, now: Instant, *, is_simulated: bool = False) -> Callable[[], Proposal]:
        """The search that a hurried one gave up, to be called in one other thread: it uses the spare roads and copies."""
        muster = self.units.muster(now, is_simulated=is_simulated)
        on_map = muster.available.keys() - self._off_map
        spare = self._spare

        def search() -> Proposal:
            if spare is None:
                return self._by_straight_line(fix, muster, now, "the road search took too long")
            for unit_id in on_map:
                _put(spare, muster.available[unit_id])
            try:
                found = spare.nearest(
                    fix.lat_e7, fix.lon_e7, self._options.candidates, on_map, fix.accuracy_m or 0.0, SETTLED_UNLIMITED
                )  # fmt: skip
            except OutsideMap:
                found = ()
            if not found:
                return self._by_straight_line(fix, muster, now, "no available unit can reach it by road")
            return self._by_road(fix, found, on_map, muster, now)

        return search

    def propose(self, fix: Fix | None, now: Instant, *, is_simulated: bool = False) -> Proposal:
        """The units that can be there first, quickest first, and why each other one is not among them.

        The road search stops at ``settled_max``: the answer is then ``pending``, with straight lines meanwhile, and
        ``patient_search`` finds the rest.
        """
        if fix is None:
            return Proposal("none", "no position")
        if abs(fix.lat_e7) > 900_000_000 or abs(fix.lon_e7) > 1_800_000_000:
            return Proposal("none", "the position is not on the globe")
        muster = self.units.muster(now, is_simulated=is_simulated)
        if not muster.available:
            return Proposal("none", _nobody(muster.skipped), skipped=_ordered(muster.skipped, muster, fix))
        if self._roads is None:
            return self._by_straight_line(fix, muster, now, "no road data")
        on_map = muster.available.keys() - self._off_map
        try:
            found = self._roads.nearest(
                fix.lat_e7, fix.lon_e7, self._options.candidates, on_map, fix.accuracy_m or 0.0, self._options.settled_max
            ) if on_map else ()  # fmt: skip
        except OutsideMap:
            return self._by_straight_line(fix, muster, now, "the position is off the road map")
        except RoadsSlow:
            proposal = self._by_straight_line(fix, muster, now, "road times follow")
            return replace(proposal, status="pending")
        if not found:
            return self._by_straight_line(fix, muster, now, "no available unit can reach it by road")
        return self._by_road(fix, found, on_map, muster, now)

    def _by_road(self, fix: Fix, found: Sequence[RoadCandidate], on_map: Collection[UnitId], muster: Muster, now: Instant) -> Proposal:
        skipped = list(muster.skipped)
        skipped += [Skipped(unit_id, "off_map") for unit_id in muster.available.keys() & self._off_map]
        if len(found) < self._options.candidates:
            named = {one.unit_id for one in found}
            skipped += [Skipped(unit_id, "unreachable") for unit_id in on_map if unit_id not in named]
        candidates = tuple(_candidate(UnitId(one.unit_id), one.travel_s, one.distance_m, muster, now) for one in found)
        reason = f"quickest of {len(on_map)} available units" if len(on_map) > 1 else "the only available unit"
        version = self._roads.data_version if self._roads is not None else None
        if (worst_s := found[0].travel_worst_s) is not None:
            reason += f"; {worst_s:.0f} s if the person is on another road nearby"
        return Proposal("proposed", reason + self._caution(candidates), "road", version, candidates, _ordered(skipped, muster, fix))

    def _by_straight_line(self, fix: Fix, muster: Muster, now: Instant, why: str) -> Proposal:
        squared_m = nearness_to(fix.lat_e7, fix.lon_e7)
        ranked = [(squared_m(position.lat_e7, position.lon_e7), unit_id) for unit_id, position in muster.available.items()]
        within = [pair for pair in ranked if pair[0] <= STRAIGHT_M_MAX**2]
        skipped = list(muster.skipped)
        if len(within) < len(ranked):
            skipped += [Skipped(unit_id, "unreachable") for squared, unit_id in ranked if squared > STRAIGHT_M_MAX**2]
        if not within:
            reason = f"{why}; every available unit is over {STRAIGHT_M_MAX / 1000:.0f} km away"
            return Proposal("none", reason, skipped=_ordered(skipped, muster, fix))
        candidates = tuple(self._straight_candidate(fix, unit_id, muster, now) for _, unit_id in nsmallest(self._options.candidates, within))
        reason = f"{why}: nearest of {len(within)} by straight line" if len(within) > 1 else f"{why}: the only unit, by straight line"
        return Proposal("proposed", reason + self._caution(candidates), "straight_line", None, candidates, _ordered(skipped, muster, fix))

    def _straight_candidate(self, fix: Fix, unit_id: UnitId, muster: Muster, now: Instant) -> Candidate:
        position = muster.available[unit_id]
        straight_m = distance_m(fix.lat_e7, fix.lon_e7, position.lat_e7, position.lon_e7)
        return _candidate(unit_id, *drive(straight_m, self._options.detour_share, self._options.straight_kmh), muster, now)

    def _caution(self, candidates: Sequence[Candidate]) -> str:
        """What a dispatcher should know of the first one before sending it."""
        old_s = candidates[0].position_age_s
        return f"; its position is {old_s:.0f} s old" if old_s > self._options.position_warn_s else ""


def _candidate(unit_id: UnitId, travel_s: float, road_m: float, muster: Muster, now: Instant) -> Candidate:
    return Candidate(unit_id, travel_s, road_m, round(age_s(muster.available[unit_id], now), 1))


def _nobody(skipped: Collection[Skipped]) -> str:
    if not skipped:
        return "no unit is registered"
    counts = Counter(SKIP_WORDS.get(one.reason, one.reason) for one in skipped)
    return f"none of {len(skipped)} units is available: " + ", ".join(f"{count} {word}" for word, count in counts.most_common())


def _ordered(skipped: Iterable[Skipped], muster: Muster, fix: Fix) -> tuple[Skipped, ...]:
    """Nearest first, because that is what people ask: why not the car round the corner? Then those never heard."""
    squared_m = nearness_to(fix.lat_e7, fix.lon_e7)

    def rank(one: Skipped) -> tuple[float, UnitId]:
        position = muster.heard.get(one.unit_id)
        return (inf if position is None else squared_m(position.lat_e7, position.lon_e7)), one.unit_id

    return tuple(sorted(skipped, key=rank))


def _put(roads: Roads, position: UnitPosition) -> bool:
    """Put a unit on the roads. Trackers that stand still say a course of 0, or the last one: it is no heading."""
    stands = position.speed_kmh is not None and position.speed_kmh < HEADING_KMH_MIN
    return roads.unit_set(position.unit_id, position.lat_e7, position.lon_e7, None if stands else position.course_deg)
