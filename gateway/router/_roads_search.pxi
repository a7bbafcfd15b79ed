# The units on their arcs, and the search that runs backwards from the alarm until it has met enough of them.

cdef enum:
    TARGETS_MAX = 2 * PLACES_MAX
    TRAVELLER = 0           # the unit that ``travel`` and ``path`` borrow
    NOBODY = -1

cdef enum Status:
    DONE = 0
    GOING_ON = 1
    NO_MEMORY = 2

cdef uint32_t NOWHERE = 0xFFFFFFFF      # no next state: the alarm is on this arc
cdef uint32_t SAME_ARC = 0xFFFFFFFE     # the alarm is ahead on the unit's own arc
cdef double FOOT_FREE_M = 30.0          # from the kerb to the door costs nothing; beyond that one walks
cdef double FOOT_M_PER_S = 1.4
cdef uint32_t REVERSAL_TICKS = 150_000  # turning round in the road
cdef double TICKS_PER_SECOND = 10_000.0


cdef struct Cell:
    # All that the search touches of a state, in one quarter of a cache line.
    uint32_t cost           # from the tail of the arc to the alarm; INF: not seen
    uint32_t onward         # the next state on that way
    uint32_t ticks          # of the arc
    int32_t stand           # the first stand on the arc, or NOBODY; copies have none


cdef struct Stand:
    # A unit on an arc. A unit has several where it could be on several: two directions, a junction.
    uint32_t arc
    uint32_t position       # of ONE
    uint32_t passed         # ticks of the arc that lie behind
    uint32_t rest           # ticks of the arc that lie ahead
    uint32_t extra          # ticks on foot, or to turn round
    int32_t unit
    int32_t next_on_arc
    int32_t next_of_unit


cdef struct Unit:
    uint64_t wanted         # equals Search.wanted: may be found now
    uint64_t met            # equals Search.round: has a time in this search
    uint64_t listed         # equals Search.round: among the best
    uint32_t ticks
    uint32_t best_onward
    int32_t best_stand
    int32_t first_stand


cdef struct Target:
    uint32_t arc
    uint32_t position
    uint32_t passed
    uint32_t extra


cdef struct Search:
    Map map
    Cell *cells
    uint32_t *touched       # states to be made INF again
    int64_t touched_count
    uint64_t *heap          # cost << 32 | state
    int64_t heap_count
    int64_t heap_room
    Stand *stands
    int32_t stands_count
    int32_t stands_room
    int32_t free_stand
    Unit *units
    int32_t *met            # units that have a time
    int32_t *best           # the best ones, quickest first
    int32_t units_count
    int32_t met_count
    int32_t best_count
    int32_t best_room
    uint64_t wanted
    uint64_t round
    uint32_t bound          # nobody slower is of interest
    Target targets[TARGETS_MAX]
    int targets_count


cdef bint open_search(Search *search) noexcept nogil:
    """Allocate what lasts as long as the map. False: no memory."""
    cdef int64_t state
    search.cells = <Cell *> malloc(max(search.map.states, 1) * sizeof(Cell))
    search.touched = <uint32_t *> malloc(max(search.map.states, 1) * sizeof(uint32_t))
    if search.cells == NULL or search.touched == NULL:
        return False
    for state in range(search.map.states):
        search.cells[state].cost, search.cells[state].onward = INF, NOWHERE
        search.cells[state].ticks, search.cells[state].stand = search.map.state_ticks[state], NOBODY
    search.free_stand = NOBODY
    return True


cdef void close_search(Search *search) noexcept nogil:
    free(search.cells)
    free(search.touched)
    free(search.heap)
    free(search.stands)
    free(search.units)
    free(search.met)
    free(search.best)


# ------------------------------------------------------------------------------------------------- the units


cdef bint grow_units(Search *search, int32_t count) noexcept nogil:
    """Room for ``count`` units. False: no memory, and nothing changed."""
    cdef int32_t room = 64
    cdef void *block
    if count <= search.units_count:
        return True
    while room < count:
        room *= 2
    block = realloc(search.units, room * sizeof(Unit))
    if block == NULL:
        return False
    search.units = <Unit *> block
    block = realloc(search.met, room * sizeof(int32_t))
    if block == NULL:
        return False
    search.met = <int32_t *> block
    block = realloc(search.best, room * sizeof(int32_t))
    if block == NULL:
        return False
    search.best = <int32_t *> block
    for index in range(search.units_count, room):
        search.units[index] = Unit(wanted=0, met=0, listed=0, ticks=INF, best_onward=NOWHERE, best_stand=NOBODY, first_stand=NOBODY)
    search.units_count = room
    return True


cdef void lift(Search *search, int32_t unit) noexcept nogil:
    """Take a unit off the arcs on which it stands."""
    cdef int32_t index = search.units[unit].first_stand
    cdef int32_t following
    cdef int32_t *link
    while index != NOBODY:
        link = &search.cells[search.stands[index].arc].stand
        while link[0] != index:
            link = &search.stands[link[0]].next_on_arc
        link[0] = search.stands[index].next_on_arc
        following = search.stands[index].next_of_unit
        search.stands[index].next_on_arc = search.free_stand
        search.free_stand = index
        index = following
    search.units[unit].first_stand = NOBODY


cdef bint stand_on(Search *search, int32_t unit, const Near *found, int count, double course_deg) noexcept nogil:
    """Put a unit on both arcs of every segment of its place. False: no memory."""
    cdef int index, side
    cdef int32_t arc
    cdef uint32_t extra
    for index in range(count):
        for side in range(2):
            arc = search.map.segment_arcs[2 * <int64_t> found[index].segment + side]
            if arc < 0:
                continue
            extra = walk_ticks(found[index].metres)
            if course_deg >= 0.0 and turned_deg(found[index].bearing_deg + 180.0 * side, course_deg) > COURSE_DEG_MAX:
                extra += REVERSAL_TICKS
            if not stand_at(search, unit, arc, found[index].position if side == 0 else ONE - found[index].position, extra):
                return False
    return True


cdef bint stand_at(Search *search, int32_t unit, uint32_t arc, uint32_t position, uint32_t extra) noexcept nogil:
    cdef int32_t index = search.free_stand
    cdef int32_t room
    cdef void *block
    cdef Stand *stand
    if index != NOBODY:
        search.free_stand = search.stands[index].next_on_arc
    else:
        if search.stands_count == search.stands_room:
            room = 2 * search.stands_room + 64
            block = realloc(search.stands, room * sizeof(Stand))
            if block == NULL:
                return False
            search.stands, search.stands_room = <Stand *> block, room
        index = search.stands_count
        search.stands_count += 1
    stand = &search.stands[index]
    stand.arc, stand.position, stand.extra, stand.unit = arc, position, extra, unit
    stand.passed = part_of(search.cells[arc].ticks, position)
    stand.rest = search.cells[arc].ticks - stand.passed
    stand.next_on_arc, search.cells[arc].stand = search.cells[arc].stand, index
    stand.next_of_unit, search.units[unit].first_stand = search.units[unit].first_stand, index
    return True


cdef inline uint32_t part_of(uint32_t whole, uint32_t position) noexcept nogil:
    """``whole`` * ``position`` / ONE, rounded."""
    return <uint32_t> ((<uint64_t> whole * position + ONE // 2) // ONE)


cdef inline uint32_t walk_ticks(double metres) noexcept nogil:
    """Time on foot between the road and a position beside it."""
    return <uint32_t> ((metres - FOOT_FREE_M) / FOOT_M_PER_S * TICKS_PER_SECOND + 0.5) if metres > FOOT_FREE_M else 0


# ------------------------------------------------------------------------------------------------ the search


cdef Status begin(Search *search, const Near *found, int places, int64_t count) noexcept nogil:
    """Start from the places; ``count`` wanted units are looked for, or as many as there are in these parts of the map."""
    cdef Target *target
    cdef int64_t copy
    cdef int index
    search.round += 1
    search.met_count, search.best_count, search.bound = 0, 0, INF - 1
    set_targets(search, found, places)
    search.best_room = <int32_t> min(count, wanted_within_reach(search))
    if search.best_room == 0:
        return DONE
    for index in range(search.targets_count):
        target = &search.targets[index]
        if not reach_state(search, target.arc, target.passed + target.extra, NOWHERE):
            return NO_MEMORY
        copy = copies_begin(&search.map, target.arc)
        while copy < search.map.copies and search.map.copy_arc[copy] == target.arc:
            if not reach_state(search, <uint32_t> (search.map.arcs + copy), target.passed + target.extra, NOWHERE):
                return NO_MEMORY
            copy += 1
        meet_ahead(search, target)
    return GOING_ON


cdef void set_targets(Search *search, const Near *found, int places) noexcept nogil:
    cdef Target *target
    cdef int index, side
    cdef int32_t arc
    search.targets_count = 0
    for index in range(places):
        for side in range(2):
            arc = search.map.segment_arcs[2 * <int64_t> found[index].segment + side]
            if arc >= 0:
                target = &search.targets[search.targets_count]
                target.arc, target.position = arc, found[index].position if side == 0 else ONE - found[index].position
                target.passed, target.extra = part_of(search.cells[arc].ticks, target.position), walk_ticks(found[index].metres)
                search.targets_count += 1


cdef int64_t wanted_within_reach(const Search *search) noexcept nogil:
    """How many wanted units stand in a component of a target: the others need not be waited for."""
    cdef int64_t count = 0
    cdef int32_t unit, index
    for unit in range(search.units_count):
        if search.units[unit].wanted != search.wanted:
            continue
        index = search.units[unit].first_stand
        while index != NOBODY and not is_near_a_target(search, search.stands[index].arc):
            index = search.stands[index].next_of_unit
        count += index != NOBODY
    return count


cdef bint is_near_a_target(const Search *search, uint32_t arc) noexcept nogil:
    cdef const uint32_t *component = search.map.segment_component
    cdef const uint32_t *segment = search.map.arc_segment
    cdef int index
    for index in range(search.targets_count):
        if component[segment[search.targets[index].arc] // 2] == component[segment[arc] // 2]:
            return True
    return False


cdef void meet_ahead(Search *search, const Target *target) noexcept nogil:
    """Units on the alarm's own arc that have it ahead of them."""
    cdef const Stand *stand
    cdef int32_t index = search.cells[target.arc].stand
    while index != NOBODY:
        stand = &search.stands[index]
        if stand.position <= target.position:
            meet(search, stand.unit, <uint64_t> target.passed - stand.passed + target.extra + stand.extra, index, SAME_ARC)
        index = stand.next_on_arc


cdef Status go_on(Search *search, int64_t settle_max) noexcept nogil:
    """Settle at most so many states. DONE: the best are certain."""
    cdef const uint32_t *before = search.map.before
    cdef const uint32_t *turns = search.map.turns
    cdef Cell *cells = search.cells
    cdef uint64_t entry
    cdef uint32_t state, cost, earlier, through, turn
    cdef int32_t stand
    while search.heap_count:
        entry = search.heap[0]
        state, cost = <uint32_t> entry, <uint32_t> (entry >> 32)
        if cost > search.bound:
            return DONE
        if cost == cells[state].cost:  # else a better way was found after this entry was made
            if settle_max == 0:
                return GOING_ON
            settle_max -= 1
        pop(search)
        if cost != cells[state].cost:
            continue
        for turn in range(before[state], before[state + 1]):
            earlier, through = turns[2 * <int64_t> turn], cost + turns[2 * <int64_t> turn + 1]
            if through > search.bound:
                continue
            stand = cells[earlier].stand
            while stand != NOBODY:
                meet(search, search.stands[stand].unit, <uint64_t> through + search.stands[stand].rest + search.stands[stand].extra, stand, state)
                stand = search.stands[stand].next_on_arc
            if not reach_state(search, earlier, through + cells[earlier].ticks, state):
                return NO_MEMORY
    return DONE


cdef inline bint reach_state(Search *search, uint32_t state, uint32_t cost, uint32_t onward) noexcept nogil:
    """Take note of a cheaper way from ``state``. False: no memory."""
    cdef Cell *cell = &search.cells[state]
    if cost >= cell.cost or cost > search.bound:
        return True
    if cell.cost == INF:
        search.touched[search.touched_count] = state
        search.touched_count += 1
    cell.cost, cell.onward = cost, onward
    return push(search, <uint64_t> cost << 32 | state)


cdef inline void meet(Search *search, int32_t unit, uint64_t ticks, int32_t stand, uint32_t onward) noexcept nogil:
    """A unit can be there in so many ticks."""
    cdef Unit *met = &search.units[unit]
    if met.wanted != search.wanted or ticks > search.bound:
        return
    if met.met != search.round:
        met.met, met.ticks = search.round, INF
        search.met[search.met_count] = unit
        search.met_count += 1
    if ticks < met.ticks:
        met.ticks, met.best_stand, met.best_onward = <uint32_t> ticks, stand, onward
        rank(search, unit)


cdef void rank(Search *search, int32_t unit) noexcept nogil:
    """Keep the best distinct units sorted; the last of a full list is the bound."""
    cdef Unit *units = search.units
    cdef int32_t *best = search.best
    cdef int32_t slot
    if units[unit].listed == search.round:
        slot = search.best_count - 1
        while best[slot] != unit:
            slot -= 1
    elif search.best_count < search.best_room:
        slot = search.best_count
        search.best_count += 1
    elif units[unit].ticks < search.bound:
        slot = search.best_room - 1
        units[best[slot]].listed = 0
    else:
        return
    units[unit].listed = search.round
    while slot and units[best[slot - 1]].ticks > units[unit].ticks:
        best[slot] = best[slot - 1]
        slot -= 1
    best[slot] = unit
    if search.best_count == search.best_room:
        search.bound = units[best[search.best_room - 1]].ticks


cdef void forget(Search *search) noexcept nogil:
    """Make the states as if nobody had searched."""
    cdef int64_t index
    for index in range(search.touched_count):
        search.cells[search.touched[index]].cost = INF
    search.touched_count, search.heap_count, search.met_count = 0, 0, 0


# --------------------------------------------------------------------------------------------------- the heap


cdef inline bint push(Search *search, uint64_t entry) noexcept nogil:
    """Four children a node: fewer levels, and siblings share a cache line. False: no memory."""
    cdef int64_t index = search.heap_count, parent, room
    cdef void *block
    if index == search.heap_room:
        room = 2 * search.heap_room + 1024
        block = realloc(search.heap, room * sizeof(uint64_t))
        if block == NULL:
            return False
        search.heap, search.heap_room = <uint64_t *> block, room
    search.heap_count += 1
    while index:
        parent = (index - 1) // 4
        if search.heap[parent] <= entry:
            break
        search.heap[index] = search.heap[parent]
        index = parent
    search.heap[index] = entry
    return True


cdef inline void pop(Search *search) noexcept nogil:
    """Remove the least entry."""
    cdef uint64_t *heap = search.heap
    cdef uint64_t last
    cdef int64_t index = 0, child, least, end
    search.heap_count -= 1
    last = heap[search.heap_count]
    while True:
        child = 4 * index + 1
        if child >= search.heap_count:
            break
        least, end = child, min(child + 4, search.heap_count)
        for child in range(child + 1, end):
            if heap[child] < heap[least]:
                least = child
        if heap[least] >= last:
            break
        heap[index] = heap[least]
        index = least
    heap[index] = last


# ---------------------------------------------------------------------------------------- the way that was found


cdef const Target *target_on(const Search *search, uint32_t arc) noexcept nogil:
    """The target on an arc; there is one at most."""
    cdef int index = 0
    while index < search.targets_count - 1 and search.targets[index].arc != arc:
        index += 1
    return &search.targets[index]


cdef inline uint32_t length_cm(const Map *map, uint32_t arc) noexcept nogil:
    return map.segment_length_cm[map.arc_segment[arc] // 2]


cdef uint64_t way_length_cm(const Search *search, int32_t unit) noexcept nogil:
    """Length of the way that a met unit would take, along the road."""
    cdef const Map *map = &search.map
    cdef const Stand *stand = &search.stands[search.units[unit].best_stand]
    cdef uint32_t state = search.units[unit].best_onward
    cdef uint32_t whole = length_cm(map, stand.arc)
    cdef uint64_t length
    if state == SAME_ARC:
        return part_of(whole, target_on(search, stand.arc).position) - part_of(whole, stand.position)
    length = whole - part_of(whole, stand.position)
    while search.cells[state].onward != NOWHERE:
        length += length_cm(map, arc_of(map, state))
        state = search.cells[state].onward
    return length + part_of(length_cm(map, arc_of(map, state)), target_on(search, arc_of(map, state)).position)


cdef uint32_t turn_ticks(const Map *map, uint32_t state, uint32_t onward) noexcept nogil:
    """What the turn between two states costs."""
    cdef uint32_t turn
    for turn in range(map.before[onward], map.before[onward + 1]):
        if map.turns[2 * <int64_t> turn] == state:
            return map.turns[2 * <int64_t> turn + 1]
    return 0

