"""Simulated patrol units: they drive along real roads and tell where they are once a second."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import h11
import trio

from gateway.sim.caller import call

TICK_S = 1.0
Waypoint = tuple[int, int, float]
"lat e7, lon e7, seconds since the start of the way"


class Ways(Protocol):
    """Where one can drive: the road engine, as far as a driver needs it."""

    def path(self, from_lat_e7: int, from_lon_e7: int, to_lat_e7: int, to_lon_e7: int) -> Sequence[Waypoint]:
        """The quickest way; empty when there is none."""


@dataclass(slots=True)
class Patrol:
    """One unit on patrol, or on its way to somebody."""

    unit_id: str
    lat_e7: int
    lon_e7: int
    way: Sequence[Waypoint] = ()
    since_s: float = 0.0
    course_deg: float = 0.0
    bound_for: tuple[int, int] | None = field(default=None, repr=False)
    "Where it was sent; None while it only patrols."

    @property
    def has_arrived(self) -> bool:
        """Nothing left of the way."""
        return not self.way or self.since_s >= self.way[-1][2]

    def drive(self, seconds: float) -> None:
        """Go on along the way."""
        self.since_s += seconds
        for start, end in zip(self.way, self.way[1:], strict=False):
            if start[2] <= self.since_s < end[2]:
                share = (self.since_s - start[2]) / (end[2] - start[2])
                self.lat_e7 = round(start[0] + share * (end[0] - start[0]))
                self.lon_e7 = round(start[1] + share * (end[1] - start[1]))
                return
        if self.way:
            self.lat_e7, self.lon_e7 = self.way[-1][0], self.way[-1][1]


class Patrols:
    """All units of the simulation, reporting in one batch through the public API."""

    def __init__(self, ways: Ways, stops: Sequence[tuple[int, int]], unit_ids: Sequence[str], dice: random.Random) -> None:
        self._ways = ways
        self._stops = stops
        "Places on roads between which they patrol, (lat e7, lon e7)."
        self._dice = dice
        self.patrols = {unit_id: Patrol(unit_id, *dice.choice(stops)) for unit_id in unit_ids}
        self.reports = 0

    def send(self, unit_id: str, lat_e7: int, lon_e7: int) -> bool:
        """Send a unit to a place; False when there is no road to it."""
        patrol = self.patrols.get(unit_id)
        if patrol is None:
            return False
        patrol.way = self._ways.path(patrol.lat_e7, patrol.lon_e7, lat_e7, lon_e7)
        patrol.since_s, patrol.bound_for = 0.0, (lat_e7, lon_e7)
        return bool(patrol.way)

    def release(self, unit_id: str) -> None:
        """Back on patrol."""
        if unit_id in self.patrols:
            self.patrols[unit_id].bound_for = None
            self.patrols[unit_id].way = ()

    def tick(self, seconds: float) -> None:
        """Everybody drives on; who has arrived on patrol chooses another stop."""
        for patrol in self.patrols.values():
            if patrol.has_arrived and patrol.bound_for is None:
                stop = self._dice.choice(self._stops)
                patrol.way, patrol.since_s = self._ways.path(patrol.lat_e7, patrol.lon_e7, *stop), 0.0
            patrol.drive(seconds)

    def report(self) -> list[dict[str, object]]:
        """The batch for ``POST /api/v1/units/positions``."""
        return [
            {"unit": patrol.unit_id, "lat": patrol.lat_e7 / 1e7, "lon": patrol.lon_e7 / 1e7} for patrol in self.patrols.values()
        ]

    async def run(self, host: str, port: int, token: str) -> None:
        """Drive and report until cancelled."""
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        while True:
            self.tick(TICK_S)
            try:
                status, _ = await call(host, port, "POST", "/api/v1/units/positions", json.dumps(self.report()).encode(), headers)
                self.reports += status == 200
            except (OSError, trio.TooSlowError, h11.RemoteProtocolError):
                pass  # the next second brings a newer position anyway
            await trio.sleep(TICK_S)
