"""Where the units are, and which of them could be sent.

Soft state: nothing here is journalled, because every unit reports again within seconds. A position's age is counted
from when we received it, on the monotonic clock, and what a tracker says about its age comes on top: neither a unit's
wrong clock nor ours set back makes it look fresh.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.model import Facts, Instant, Skipped, Unit, UnitId, UnitPosition
from gateway.router.options import RoadOptions

POSITIONS_MAX = 20_000
"Twice the units of the largest deployment we plan for; a flood of invented call signs stops here."


@dataclass(frozen=True, slots=True)
class Muster:
    """Every unit of one world (real or simulated), sorted into those that could go and those that could not."""

    available: dict[UnitId, UnitPosition]
    skipped: list[Skipped]
    heard: dict[UnitId, UnitPosition]
    "Where every unit was last heard, those skipped as well; a copy."


class Units:
    """The newest position of every unit, bounded, in memory."""

    def __init__(self, facts: Facts, options: RoadOptions) -> None:
        self._facts = facts
        self._age_max_s = options.position_age_max_s
        self._fresh_s = options.position_warn_s
        self._positions: dict[UnitId, UnitPosition] = {}
        self._taken_at_us: dict[UnitId, int] = {}
        self._told: dict[UnitId, tuple[str, str]] = {}
        "unit -> (status told by the unit or its dispatcher, status in the registry when it was told)"

    def tell_status(self, unit_id: UnitId, status: str) -> bool:
        """Keep what a unit says of itself until the registry says otherwise; False when nobody registered it."""
        unit = self._facts.unit(unit_id)
        if unit is None:
            return False
        self._told[unit_id] = (status, unit.status)
        return True

    def status(self, unit: Unit) -> str:
        """available, busy or off: the newer word of registry and unit."""
        told, entered = self._told.get(unit.unit_id, (unit.status, unit.status))
        return told if unit.status == entered else unit.status

    def moved(self, position: UnitPosition, taken_at_us: int | None = None, now: Instant | None = None) -> bool:
        """Keep a unit's position; False when it is not used.

        Not used: a unit nobody registered, coordinates that are none, one unit too many, and a buffered position,
        taken (``taken_at_us``, the tracker's clock) before one that is still fresh here. A tracker whose clock jumps
        back is believed again as soon as its last position is no longer fresh. ``now``: when it came, if it was old by then.
        """
        unit_id = position.unit_id
        if self._facts.unit(unit_id) is None or not _is_place(position):
            return False
        known = self._positions.get(unit_id)
        if known is None and len(self._positions) >= POSITIONS_MAX:
            self._prune()
            if len(self._positions) >= POSITIONS_MAX:
                return False
        taken_before_us = self._taken_at_us.get(unit_id)
        is_fresh = known is not None and age_s(known, now or position.at) < self._fresh_s
        if is_fresh and taken_at_us is not None and taken_before_us is not None and taken_at_us < taken_before_us:
            return False
        self._positions[unit_id] = position
        if taken_at_us is None:
            self._taken_at_us.pop(unit_id, None)
        else:
            self._taken_at_us[unit_id] = taken_at_us
        return True

    def forget(self, unit_id: UnitId) -> None:
        """Drop what is known of a unit that was removed."""
        self._positions.pop(unit_id, None)
        self._taken_at_us.pop(unit_id, None)
        self._told.pop(unit_id, None)

    def position(self, unit_id: UnitId) -> UnitPosition | None:
        """Where the unit was last heard, however long ago."""
        return self._positions.get(unit_id)

    def positions(self) -> Iterator[tuple[Unit, UnitPosition]]:
        """Every registered unit that was heard, for the map."""
        for unit in self._facts.units():
            position = self._positions.get(unit.unit_id)
            if position is not None:
                yield unit, position

    def muster(self, now: Instant, *, is_simulated: bool) -> Muster:
        """Sort the units: who could go now, and why not each of the others. The two worlds never mix."""
        available: dict[UnitId, UnitPosition] = {}
        skipped: list[Skipped] = []
        oldest_mono_us = now.mono_us - self._age_max_s * 1e6
        for unit in self._facts.units():
            if unit.simulated is not is_simulated:
                continue
            unit_id = unit.unit_id
            position = self._positions.get(unit_id)
            status = self.status(unit) if unit_id in self._told else unit.status
            if status != "available":
                skipped.append(Skipped(unit_id, "off" if status == "off" else "busy"))
            elif position is None:
                skipped.append(Skipped(unit_id, "position_unknown"))
            elif position.at.mono_us < oldest_mono_us:
                skipped.append(Skipped(unit_id, "position_old"))
            else:
                available[unit_id] = position
        return Muster(available, skipped, dict(self._positions))

    def _prune(self) -> None:
        """Forget units that are no longer registered."""
        for unit_id in [unit_id for unit_id in self._positions if self._facts.unit(unit_id) is None]:
            self.forget(unit_id)


def age_s(position: UnitPosition, now: Instant) -> float:
    """Seconds since we received it."""
    return max(0.0, (now.mono_us - position.at.mono_us) / 1e6)


def _is_place(position: UnitPosition) -> bool:
    """On the globe, and not the 0/0 of a receiver that knows nothing."""
    in_range = abs(position.lat_e7) <= 900_000_000 and abs(position.lon_e7) <= 1_800_000_000
    return in_range and (abs(position.lat_e7) > 1000 or abs(position.lon_e7) > 1000)
