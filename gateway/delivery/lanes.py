"""The ways into each centre: which letter may leave now, by which route, and when it is tried again.

A route is a bulkhead: it has its own slots, and a centre that hangs keeps those busy and nobody else's. Within a
route the most important letter leaves first, the newest alarm before older ones. All of this is forgotten in a
restart; what must survive stands in the outbox's events.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from gateway.delivery.letters import Letter
from gateway.delivery.offers import FAILED, REFUSED, Answer
from gateway.delivery.options import CentreOptions, OutboxOptions
from gateway.delivery.schedule import RETRY_AFTER_S_MAX, Attempts, Dice, us

RANK_NEW, RANK_NEW_UNSURE, RANK_CHANGE, RANK_POSITION, RANK_TEST, RANK_HISTORY = range(6)
"What leaves first: an alarm that this centre does not have yet (surely from its device, or not so surely), news, positions, tests, what is over."


@dataclass(slots=True, eq=False)
class Route:
    """One way into a centre."""

    centre_id: str
    route_id: str
    slots: int
    ready: list[tuple[int, int, int, "Try"]] = field(default_factory=list)
    "Heap by rank, then newest alarm, then order."
    flying: int = 0
    failing: bool = False
    "Its last answer was a failure: the next channel does not wait for it."
    gone: bool = False
    "The centre disabled it (410): not used again until the gateway starts anew."

    def has_slot(self, rank: int) -> bool:
        """The last slot is kept for alarms that the centre does not have yet."""
        kept = 1 if rank > RANK_NEW_UNSURE and self.slots > 1 else 0
        return self.flying < self.slots - kept


@dataclass(slots=True, eq=False)
class Trip:
    """One letter on its way to one centre, by one route or several at once."""

    alarm_id: str
    centre_id: str
    letter: Letter
    rank: int
    born_us: int
    "When the alarm was received: the newest leaves first."
    simulated: bool
    attempts: Attempts
    tries: dict[str, "Try"] = field(default_factory=dict)
    over: bool = False


@dataclass(slots=True, eq=False)
class Try:
    """A trip on one route."""

    trip: Trip
    route: Route
    step: int = -1
    "Row of the table of attempts; -1: not begun."
    first_us: int = 0
    last_us: int = 0
    due_us: int | None = None
    "Waits for this time; None: under way, ready, or over."
    blocked: bool = False
    "Ready, but enough channels of this letter are busy."
    over: bool = False


class Lanes:
    """Every route of every centre."""

    def __init__(self, centres: Iterable[CentreOptions], options: OutboxOptions, dice: Dice) -> None:
        self.routes = {centre.id: _routes_of(centre) for centre in centres}
        self._options = options
        self._dice = dice
        self._trips: dict[str, dict[Trip, None]] = {centre_id: {} for centre_id in self.routes}
        self._waiting: list[tuple[int, int, Try]] = []
        self._order = count()

    def start(self, trip: Trip, now_us: int) -> bool:
        """Begin to offer a letter. False: the centre has no route that could take it.

        Every channel gets its time at once: the next one is not kept waiting by one that fails or has no slot free.
        """
        self._trips[trip.centre_id][trip] = None
        at_us = now_us
        for route in self.routes[trip.centre_id].values():
            if self._is_closed_to(route, trip):
                continue
            tried = trip.tries[route.route_id] = Try(trip, route)
            self._wait(tried, at_us)
            if not route.failing and route.has_slot(trip.rank):
                at_us += us(self._options.next_channel_s)
        return bool(trip.tries)

    def stop(self, trip: Trip) -> None:
        """No further attempt; one that is under way may still come back."""
        trip.over = True
        self._trips[trip.centre_id].pop(trip, None)

    @property
    def next_us(self) -> int | None:
        """When the next attempt is due."""
        while self._waiting and not self._is_due_entry(self._waiting[0]):
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def take_due(self, now_us: int) -> Iterator[Try]:
        """Attempts that may leave now, as far as slots are free. Each must land."""
        while (due_us := self.next_us) is not None and due_us <= now_us:
            self._make_ready(heapq.heappop(self._waiting)[2])
        for routes in self.routes.values():
            for route in routes.values():
                yield from self._take_from(route, now_us)

    def landed(self, tried: Try, answer: Answer, now_us: int) -> None:
        """An attempt came back: free its slot, note how the route does, and set what comes next for its letter."""
        route, trip = tried.route, tried.trip
        route.flying -= 1
        trip.letter.flying -= 1
        if answer.route_gone:
            self._close(route, now_us)
        if answer.level == FAILED:
            route.failing = True
        elif route.failing:
            self.recovered(route.centre_id, route.route_id, now_us)
        if trip.over:
            return
        if answer.level == FAILED:
            self._retry(tried, answer.retry_after_s, now_us)
        elif answer.level == REFUSED:
            tried.over = True
        if answer.level in (FAILED, REFUSED):
            self._begin_next(trip, now_us)
        for other in trip.tries.values():
            if other.blocked:
                self._make_ready(other)

    def hopeless(self, centre_id: str) -> list[Trip]:
        """The letters that no route of this centre will be tried for any more."""
        return [trip for trip in self._trips[centre_id] if self.is_hopeless(trip)]

    def is_hopeless(self, trip: Trip) -> bool:
        """No route of the centre will be tried for this letter any more."""
        return all(self._is_closed_to(route, trip) for route in self.routes[trip.centre_id].values())

    def recovered(self, centre_id: str, route_id: str, now_us: int) -> None:
        """A route works again: what waits for a later attempt on it does not wait any longer."""
        route = self.routes[centre_id][route_id]
        route.failing = False
        for trip in self._trips[centre_id]:
            tried = trip.tries.get(route_id)
            if tried is not None and tried.due_us is not None:
                self._wait(tried, now_us)

    # ------------------------------------------------------------------------------------------------------ inside

    def _close(self, route: Route, now_us: int) -> None:
        """The centre disabled this route: whatever waits for it goes by the next one."""
        route.gone = True
        for trip in self._trips[route.centre_id]:
            self._begin_next(trip, now_us)

    def _is_closed_to(self, route: Route, trip: Trip) -> bool:
        tried = trip.tries.get(route.route_id)
        return route.gone or route.route_id in trip.letter.refused_by or (tried is not None and tried.over)

    def _begin_next(self, trip: Trip, now_us: int) -> None:
        """The first channel that has not begun yet does not wait for its time."""
        for tried in trip.tries.values():
            if tried.step < 0 and tried.due_us is not None and not self._is_closed_to(tried.route, trip):
                self._wait(tried, min(now_us, tried.due_us))
                return

    def _retry(self, tried: Try, retry_after_s: float | None, now_us: int) -> None:
        following = tried.trip.attempts.next_us(tried.step, tried.first_us, tried.last_us, now_us, self._dice)
        if following is None:
            tried.over = True
            return
        tried.step, at_us = following
        if any(other.blocked for other in tried.trip.tries.values()):
            # A channel that was kept waiting by this one goes first.
            at_us = max(at_us, now_us + us(self._options.next_channel_s))
        if retry_after_s is not None:
            at_us = max(at_us, now_us + us(min(retry_after_s, RETRY_AFTER_S_MAX)))
        self._wait(tried, at_us)

    def _wait(self, tried: Try, at_us: int) -> None:
        tried.due_us = at_us
        heapq.heappush(self._waiting, (at_us, next(self._order), tried))

    def _is_due_entry(self, entry: tuple[int, int, Try]) -> bool:
        return entry[2].due_us == entry[0] and not entry[2].trip.over

    def _make_ready(self, tried: Try) -> None:
        tried.due_us, tried.blocked = None, False
        route, trip = tried.route, tried.trip
        heapq.heappush(route.ready, (trip.rank, -trip.born_us, next(self._order), tried))
        if len(route.ready) > 64 and len(route.ready) > 2 * len(self._trips[route.centre_id]):
            # Letters that left by another route while this one hung.
            route.ready = [entry for entry in route.ready if not entry[3].trip.over]
            heapq.heapify(route.ready)

    def _take_from(self, route: Route, now_us: int) -> Iterator[Try]:
        while route.ready and (route.ready[0][3].trip.over or route.has_slot(route.ready[0][0])):
            tried = heapq.heappop(route.ready)[3]
            trip = tried.trip
            if trip.over or self._is_closed_to(route, trip):
                continue
            if trip.letter.flying >= self._options.attempts_at_once_max:
                tried.blocked = True
                continue
            self._depart(tried, now_us)
            yield tried

    def _depart(self, tried: Try, now_us: int) -> None:
        route, letter = tried.route, tried.trip.letter
        if tried.step < 0:
            tried.step, tried.first_us = 0, now_us
        tried.last_us = now_us
        route.flying += 1
        letter.flying += 1
        letter.sent = True
        letter.attempts[route.route_id] = letter.attempts.get(route.route_id, 0) + 1


def _routes_of(centre: CentreOptions) -> dict[str, Route]:
    return {name: Route(centre.id, name, max(1, route.connections_max)) for name, route in zip(centre.route_ids, centre.route, strict=True)}
