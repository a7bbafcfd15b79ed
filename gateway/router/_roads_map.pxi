# The index as it lies in the mapped file: pointers, counts, and the check that no number points out of it.

cdef enum:
    ONE = 1 << 30           # a whole arc, in the fixed point of positions along it
    INF = 0x7F000000        # no way; the sum of two fits into 32 bits
    MAIN = 1                # flags of a segment, see reach.py
    ISLAND = 2


cdef struct Map:
    # Layout and meaning of each array: index.SECTIONS.
    const int32_t *points
    const uint32_t *segment_points
    const int32_t *segment_arcs
    const uint32_t *segment_length_cm
    const int64_t *segment_way
    const uint32_t *segment_component
    const uint8_t *segment_flags
    const uint32_t *arc_segment
    const uint32_t *state_ticks
    const uint32_t *copy_arc
    const uint32_t *before
    const uint32_t *turns
    const int32_t *grid_frame
    const uint32_t *grid_cells
    const uint32_t *grid_pieces
    int64_t points_count
    int64_t segments
    int64_t arcs
    int64_t copies
    int64_t states
    int64_t turns_count
    int64_t cells
    int64_t pieces_count


cdef const uint32_t *words(sections, str name, int64_t count) except? NULL:
    """The address of a section of 32-bit numbers, which must have ``count`` of them."""
    cdef const uint32_t[::1] view = sections[name]
    if len(view) != count:
        raise RoadsError(f"damaged: section {name} has {len(view)} numbers, the others call for {count}")
    return &view[0] if count else NULL


cdef const int32_t *signed_words(sections, str name, int64_t count) except? NULL:
    cdef const int32_t[::1] view = sections[name]
    if len(view) != count:
        raise RoadsError(f"damaged: section {name} has {len(view)} numbers, the others call for {count}")
    return &view[0] if count else NULL


cdef int read_map(Map *map, sections) except -1:
    """Take the address of every section; the caller keeps the sections alive."""
    cdef const int64_t[::1] way_ids = sections["segment_way"]
    cdef const uint8_t[::1] flags = sections["segment_flags"]
    map.segments = len(sections["segment_length_cm"])
    map.arcs, map.copies = len(sections["arc_segment"]), len(sections["copy_arc"])
    map.states = map.arcs + map.copies
    map.points_count, map.turns_count = len(sections["points"]) // 2, len(sections["turns"]) // 2
    map.cells, map.pieces_count = len(sections["grid_cells"]) - 1, len(sections["grid_pieces"]) // 2
    if len(way_ids) != map.segments or len(flags) != map.segments or map.cells < 1:
        raise RoadsError("damaged: the sections of segments differ in length")
    if max(map.states, map.segments, map.turns_count, map.points_count, map.pieces_count) >= INF:
        raise RoadsError("damaged: a section is longer than any map")
    map.segment_way = &way_ids[0] if map.segments else NULL
    map.segment_flags = &flags[0] if map.segments else NULL
    map.points = signed_words(sections, "points", 2 * map.points_count)
    map.segment_points = words(sections, "segment_points", map.segments + 1)
    map.segment_arcs = signed_words(sections, "segment_arcs", 2 * map.segments)
    map.segment_length_cm = words(sections, "segment_length_cm", map.segments)
    map.segment_component = words(sections, "segment_component", map.segments)
    words(sections, "segment_junctions", 2 * map.segments)
    map.arc_segment = words(sections, "arc_segment", map.arcs)
    map.copy_arc = words(sections, "copy_arc", map.copies)
    map.state_ticks = words(sections, "state_ticks", map.states)
    map.before = words(sections, "before", map.states + 1)
    map.turns = words(sections, "turns", 2 * map.turns_count)
    map.grid_frame = signed_words(sections, "grid_frame", 6)
    map.grid_cells = words(sections, "grid_cells", map.cells + 1)
    map.grid_pieces = words(sections, "grid_pieces", 2 * map.pieces_count)
    return 0


cdef bint is_ladder(const uint32_t *begin, int64_t count, int64_t end) noexcept nogil:
    """From 0 up to ``end``, never down: every slice lies inside the array that it cuts."""
    cdef int64_t index
    if begin[0] != 0 or begin[count] != end:
        return False
    for index in range(count):
        if begin[index] > begin[index + 1]:
            return False
    return True


cdef const char *check_map(const Map *map) noexcept nogil:
    """What points out of its bounds; NULL when nothing does. After this no number of the file is looked at twice."""
    cdef const char *fault = check_segments(map)
    if fault == NULL:
        fault = check_states(map)
    if fault == NULL:
        fault = check_grid(map)
    return fault


cdef const char *check_segments(const Map *map) noexcept nogil:
    cdef int64_t index, arc
    cdef int64_t open_arcs = 0
    cdef int side
    if not is_ladder(map.segment_points, map.segments, map.points_count):
        return "section segment_points is not ascending"
    for index in range(map.points_count):
        if not (-900_000_000 <= map.points[2 * index] <= 900_000_000 and -1_800_000_000 <= map.points[2 * index + 1] <= 1_800_000_000):
            return "section points holds a point that is not on the globe"
    for index in range(map.segments):
        if map.segment_points[index + 1] - map.segment_points[index] < 2:
            return "section segment_points has a segment with fewer than two points"
        if map.segment_component[index] >= map.segments:
            return "section segment_component names a component that is not there"
        for side in range(2):
            arc = map.segment_arcs[2 * index + side]
            if arc == -1:
                continue
            open_arcs += 1
            if not 0 <= arc < map.arcs or map.arc_segment[arc] != 2 * index + side:
                return "sections segment_arcs and arc_segment contradict each other"
    if open_arcs != map.arcs:
        return "section arc_segment has arcs of no segment"
    return NULL


cdef const char *check_states(const Map *map) noexcept nogil:
    cdef int64_t index
    if not is_ladder(map.before, map.states, map.turns_count):
        return "section before is not ascending"
    for index in range(map.turns_count):
        if map.turns[2 * index] >= map.states:
            return "section turns names a state that is not there"
        if map.turns[2 * index + 1] >= INF:
            return "section turns has a time beyond the limit"
    for index in range(map.states):
        if map.state_ticks[index] >= INF:
            return "section state_ticks has a time beyond the limit"
    for index in range(map.copies):
        if map.copy_arc[index] >= map.arcs or (index and map.copy_arc[index] < map.copy_arc[index - 1]):
            return "section copy_arc is not ascending or names an arc that is not there"
    return NULL


cdef const char *check_grid(const Map *map) noexcept nogil:
    cdef int64_t index, segment, point
    cdef const int32_t *frame = map.grid_frame
    if frame[2] < 1 or frame[3] < 1 or frame[4] < 1 or frame[5] < 1 or <int64_t> frame[4] * frame[5] != map.cells:
        return "section grid_frame does not fit the cells"
    if not is_ladder(map.grid_cells, map.cells, map.pieces_count):
        return "section grid_cells is not ascending"
    for index in range(map.pieces_count):
        segment, point = map.grid_pieces[2 * index], map.grid_pieces[2 * index + 1]
        if segment >= map.segments:
            return "section grid_pieces names a segment that is not there"
        if point < map.segment_points[segment] or point + 1 >= map.segment_points[segment + 1]:
            return "section grid_pieces names a point of another segment"
    return NULL


cdef inline uint32_t arc_of(const Map *map, uint32_t state) noexcept nogil:
    """The arc that a state stands for."""
    return state if state < map.arcs else map.copy_arc[state - map.arcs]


cdef inline uint32_t copies_begin(const Map *map, uint32_t arc) noexcept nogil:
    """The first copy whose arc is not below ``arc``."""
    cdef uint32_t low = 0, high = <uint32_t> map.copies, middle
    while low < high:
        middle = (low + high) // 2
        if map.copy_arc[middle] < arc:
            low = middle + 1
        else:
            high = middle
    return low
