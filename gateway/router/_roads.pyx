# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False, auto_pickle=False
"""The compiled half of the road engine: what is near, where the units stand, and one search for all of them.

The search runs backwards from the alarm over states (an arc, "at its tail") and meets the units that stand on arcs; it
stops when the next state is farther than the last unit asked for. Times are integers in 1/10 ms. A unit's time is

    rest of its arc + turn + cost of the next state,    or along the arc itself when the alarm is ahead of it there,

so the unit in the alarm's own street is neither missed nor sent round the block. Pointers into the index belong to
the mapped file, which ``Engine`` keeps open; everything that is allocated here ``__dealloc__`` frees.
"""

cimport cython
from libc.math cimport atan2, cos, fabs, floor, sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memmove

from gateway.errors import OutsideMap, RoadsError, RoadsSlow

include "_roads_map.pxi"
include "_roads_near.pxi"
include "_roads_search.pxi"

cdef int64_t HELD_STATES = 8_192  # about a millisecond; a longer search lets other threads run


@cython.final
cdef class Engine:
    """One road index and the units that stand on it. Not to be used by two threads at once."""

    cdef Search search
    cdef object _sections
    cdef dict _slots
    cdef list _names
    cdef list _free_slots
    cdef double _reach_m
    cdef bint _is_busy

    def __cinit__(self, sections not None, double reach_m):
        cdef const char *fault
        self._sections, self._reach_m = sections, reach_m
        self._slots, self._names, self._free_slots = {}, [], []
        read_map(&self.search.map, sections)
        with nogil:
            fault = check_map(&self.search.map)
        if fault != NULL:
            raise RoadsError(f"damaged: {fault.decode()}")
        if not open_search(&self.search):
            raise MemoryError
        self._new_slot(None)  # the traveller's

    def __dealloc__(self):
        close_search(&self.search)

    # -------------------------------------------------------------------------------------------- what is near

    def snap(self, int32_t lat_e7, int32_t lon_e7, double accuracy_m, double course_deg):
        """[(segment, way id, fraction, metres, lat_e7, lon_e7, is open forward, is open backward)], nearest first.

        With a course (0 or more) the segments along which one can be driving that way come first.
        """
        cdef Near found[NEAR_MAX]
        cdef const Map *map = &self.search.map
        cdef int count = gather(map, lat_e7, lon_e7, self._reach_m, MARGIN_M, accuracy_m, 0, found)
        cdef const int32_t *arcs
        cdef int index
        if count == 0:
            raise self._outside()
        rows = []
        for index in range(count):
            arcs = map.segment_arcs + 2 * <int64_t> found[index].segment
            row = (found[index].segment, map.segment_way[found[index].segment], found[index].position / <double> ONE, found[index].metres,
                   found[index].lat_e7, found[index].lon_e7, arcs[0] >= 0, arcs[1] >= 0)
            rows.append((course_deg >= 0.0 and not drives_along(map, &found[index], course_deg), index, row))
        return [row for _, _, row in sorted(rows)]

    def _outside(self):
        return OutsideMap(f"no road within {self._reach_m:.0f} m of the position")

    # ----------------------------------------------------------------------------------------------- the units

    def unit_set(self, str unit_id not None, int32_t lat_e7, int32_t lon_e7, double course_deg):
        """Place a unit; False: no road near, and the unit is off the map."""
        self._enter()
        slot = self._slots.get(unit_id)
        if slot is None:
            slot = self._slots[unit_id] = self._new_slot(unit_id)
        if self._stand(slot, lat_e7, lon_e7, course_deg):
            return True
        self.unit_remove(unit_id)
        return False

    def unit_remove(self, str unit_id not None):
        """Take a unit off the map; one that is not there is fine."""
        self._enter()
        slot = self._slots.pop(unit_id, None)
        if slot is not None:
            lift(&self.search, slot)
            self.search.units[<int32_t> slot].wanted = 0
            self._names[slot] = None
            self._free_slots.append(slot)

    cdef int32_t _new_slot(self, name) except -1:
        if self._free_slots:
            slot = self._free_slots.pop()
            self._names[slot] = name
            return slot
        if not grow_units(&self.search, <int32_t> len(self._names) + 1):
            raise MemoryError
        self._names.append(name)
        return <int32_t> len(self._names) - 1

    cdef int _stand(self, int32_t slot, int32_t lat_e7, int32_t lon_e7, double course_deg) except -1:
        """Put a unit on the arcs where its position lies, instead of those where it stood. 0: no road near."""
        cdef Near found[PLACES_MAX]
        cdef bint in_course = False
        cdef int count = choose(&self.search.map, lat_e7, lon_e7, self._reach_m, course_deg, found, &in_course)
        lift(&self.search, slot)
        if not stand_on(&self.search, slot, found, count, course_deg if in_course else NO_COURSE):
            raise MemoryError
        return count != 0

    # -------------------------------------------------------------------------------------------- the question

    def nearest(self, int32_t lat_e7, int32_t lon_e7, int64_t count, available, double accuracy_m, int64_t settled_max):
        """[(unit id, ticks, centimetres, worst ticks)] of the ``count`` units that can be there first, quickest first.

        Worst: to the other roads where, with an accuracy above 0, the position may be as well.
        """
        cdef Near found[PLACES_MAX]
        cdef const Map *map = &self.search.map
        cdef bint unused = False
        cdef int places
        self._enter()
        places = choose(map, lat_e7, lon_e7, self._reach_m, NO_COURSE, found, &unused)
        if places == 0:
            raise self._outside()
        self._want(available)
        ranked = self._first(found, places, count, settled_max)
        if not ranked and is_gap(map, found, places):
            # Only a gap in the map lies here and nobody stands in it: how far is it from the main component?
            places = gather(map, lat_e7, lon_e7, self._reach_m, SAME_PLACE_M, 0.0, MAIN, found)
            ranked = self._first(found, places, count, settled_max)
        worst = [ticks for ticks, _, _, _ in ranked]
        if ranked and accuracy_m > 0.0:
            self._elsewhere(worst, [slot for _, _, slot, _ in ranked], lat_e7, lon_e7, accuracy_m, found, places)
        return [(name, ticks, length, slowest) for (ticks, name, _, length), slowest in zip(ranked, worst)]

    cdef int _want(self, available) except -1:
        """Mark the units that the searches from now on may find; None: all."""
        cdef Search *search = &self.search
        cdef int32_t unit
        search.wanted += 1
        if available is None:
            for unit in range(TRAVELLER + 1, search.units_count):
                search.units[unit].wanted = search.wanted
            return 0
        for name in available:
            slot = self._slots.get(name)
            if slot is not None:
                search.units[<int32_t> slot].wanted = search.wanted
        return 0

    cdef int _elsewhere(self, list worst, list slots, int32_t lat_e7, int32_t lon_e7, double accuracy_m, const Near *here, int places) except -1:
        """Raise ``worst`` to the slowest time to any other candidate road; one that takes too long to look at is left out."""
        cdef Near found[NEAR_MAX]
        cdef Search *search = &self.search
        cdef int count = gather(&search.map, lat_e7, lon_e7, self._reach_m, MARGIN_M, accuracy_m, 0, found)
        cdef int index
        search.wanted += 1
        for slot in slots:
            search.units[<int32_t> slot].wanted = search.wanted
        for index in range(count):
            if is_among(&found[index], here, places):
                continue
            found[index].metres = 0.0  # if she is on that road, nobody walks
            try:
                self._run(&found[index], 1, len(slots), HELD_STATES)
            except RoadsSlow:
                continue
            for number, slot in enumerate(slots):
                if search.units[<int32_t> slot].met == search.round:
                    worst[number] = max(worst[number], search.units[<int32_t> slot].ticks)
            forget(search)
        return 0

    cdef list _first(self, const Near *found, int places, int64_t count, int64_t settled_max):
        """[(ticks, unit id, slot, centimetres)] of the first ones."""
        cdef Search *search = &self.search
        cdef int32_t index, unit
        self._run(found, places, count, settled_max)
        ranked = []
        for index in range(search.met_count):
            unit = search.met[index]
            if search.units[unit].ticks <= search.bound:
                ranked.append((search.units[unit].ticks, self._names[unit], unit))
        ranked.sort()
        result = [(ticks, name, slot, way_length_cm(search, slot)) for ticks, name, slot in ranked[:count]]
        forget(search)
        return result

    cdef int _run(self, const Near *found, int places, int64_t count, int64_t settled_max) except -1:
        """Search until the ``count`` best wanted units are certain; the answer stays in ``search`` until ``forget``.

        ``settled_max`` 0: every state may be settled.
        """
        cdef Search *search = &self.search
        cdef Status status = begin(search, found, places, count)
        if settled_max == 0:
            settled_max = search.map.states
        if status == GOING_ON:
            status = go_on(search, min(HELD_STATES, settled_max))
        if status == GOING_ON and settled_max > HELD_STATES:
            self._is_busy = True
            with nogil:
                status = go_on(search, settled_max - HELD_STATES)
            self._is_busy = False
        if status == DONE:
            return 0
        forget(search)
        if status == NO_MEMORY:
            raise MemoryError
        raise RoadsSlow(f"the search was not over after {settled_max} road states")

    cdef int _enter(self) except -1:
        if self._is_busy:
            raise RuntimeError("this road engine is searching in another thread; give each thread its own")
        return 0

    # ------------------------------------------------------------------------------------------ from here to there

    def travel(self, from_place, to_place):
        """(ticks, centimetres) between two (lat_e7, lon_e7); None: there is no way."""
        if not self._travel(from_place, to_place):
            return None
        result = (self.search.units[TRAVELLER].ticks, way_length_cm(&self.search, TRAVELLER))
        self._arrive()
        return result

    def legs(self, from_place, to_place):
        """The quickest way: [(segment, is backward, begin, end, ticks at begin, ticks at end)] and its ticks in all.

        ``begin``, ``end``: fractions of the arc, 0 at its tail. Empty: there is no way.
        """
        cdef Search *search = &self.search
        cdef const Stand *stand
        cdef uint32_t before, state
        cdef uint64_t ticks
        if not self._travel(from_place, to_place):
            return [], 0
        stand = &search.stands[search.units[TRAVELLER].best_stand]
        state, before, ticks = search.units[TRAVELLER].best_onward, stand.arc, stand.extra
        if state == SAME_ARC:
            legs = [self._leg(stand.arc, stand.position, target_on(search, stand.arc).position, ticks)]
        else:
            legs = [self._leg(stand.arc, stand.position, ONE, ticks)]
            ticks += stand.rest + turn_ticks(&search.map, before, state)
            while search.cells[state].onward != NOWHERE:
                legs.append(self._leg(arc_of(&search.map, state), 0, ONE, ticks))
                before, state = state, search.cells[state].onward
                ticks += search.cells[before].ticks + turn_ticks(&search.map, before, state)
            legs.append(self._leg(arc_of(&search.map, state), 0, target_on(search, arc_of(&search.map, state)).position, ticks))
        total = search.units[TRAVELLER].ticks
        self._arrive()
        return legs, total

    cdef tuple _leg(self, uint32_t arc, uint32_t begin, uint32_t end, uint64_t ticks):
        cdef uint32_t whole = self.search.cells[arc].ticks
        cdef uint32_t segment = self.search.map.arc_segment[arc]
        return (segment // 2, bool(segment % 2), begin / <double> ONE, end / <double> ONE, ticks, ticks + part_of(whole, end) - part_of(whole, begin))

    cdef int _travel(self, from_place, to_place) except -1:
        """Search for the traveller; 0: there is no way, and he has left again."""
        cdef Near found[PLACES_MAX]
        cdef Search *search = &self.search
        cdef bint unused = False
        cdef int places
        self._enter()
        places = choose(&search.map, to_place[0], to_place[1], self._reach_m, NO_COURSE, found, &unused)
        if places == 0 or not self._stand(TRAVELLER, from_place[0], from_place[1], NO_COURSE):
            raise self._outside()
        search.wanted += 1
        search.units[TRAVELLER].wanted = search.wanted
        self._run(found, places, 1, 0)
        if search.met_count:
            return 1
        self._arrive()
        return 0

    cdef int _arrive(self) except -1:
        forget(&self.search)
        lift(&self.search, TRAVELLER)
        return 0
