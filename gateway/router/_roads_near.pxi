# What is near a position: the grid is walked in rings until nothing closer can come.

cdef enum:
    NEAR_MAX = 8
    PLACES_MAX = 16         # the nearest place, and the nearest one of the main component

cdef double RADIANS_PER_E7 = 3.14159265358979323846 / 180.0 * 1e-7
cdef double METRES_PER_E7 = 6371008.8 * 3.14159265358979323846 / 180.0 * 1e-7
cdef double DEGREES_PER_RADIAN = 180.0 / 3.14159265358979323846

cdef double MARGIN_M = 15.0         # segments this much farther than the nearest are candidates as well
cdef double SAME_PLACE_M = 0.1      # all segments at a junction are the same place
cdef double HOP_M = 50.0            # from a gap in the map to the main component
cdef double COURSE_DEG_MAX = 60.0   # a unit whose course differs by more is not driving along this arc
cdef double NO_COURSE = -1.0


cdef struct Near:
    double metres
    double bearing_deg      # of the segment's forward arc, at this place
    uint32_t segment
    uint32_t point          # where the piece begins
    uint32_t position       # along the forward arc, of ONE
    int32_t lat_e7
    int32_t lon_e7


cdef struct Look:
    const Map *map
    int64_t lat, lon
    double metres_per_lat, metres_per_lon   # a flat picture, exact to a millionth within a few kilometres
    double margin_m, accuracy_m, reach_m, limit_m
    uint8_t flag
    int count
    Near *found             # NEAR_MAX of them, nearest first


cdef int gather(const Map *map, int32_t lat_e7, int32_t lon_e7, double reach_m, double margin_m, double accuracy_m, uint8_t flag,
                Near *found) noexcept nogil:
    """The segments within max(nearest + ``margin_m``, ``accuracy_m``) and within ``reach_m``, nearest first, at most NEAR_MAX.

    ``flag``: only segments that have it (0: all). Equal distances are ordered by segment. Returns how many.
    """
    cdef Look look
    cdef int index
    look.map, look.lat, look.lon, look.flag, look.count, look.found = map, lat_e7, lon_e7, flag, 0, found
    look.metres_per_lat, look.metres_per_lon = METRES_PER_E7, METRES_PER_E7 * fabs(cos(lat_e7 * RADIANS_PER_E7))
    look.margin_m, look.accuracy_m, look.reach_m, look.limit_m = margin_m, accuracy_m, reach_m, reach_m
    walk_rings(&look)
    while look.count and found[look.count - 1].metres > look.limit_m:
        look.count -= 1
    for index in range(look.count):
        locate(&look, &found[index])
    return look.count


cdef void walk_rings(Look *look) noexcept nogil:
    cdef const int32_t *frame = look.map.grid_frame
    cdef int64_t rows = frame[4], columns = frame[5]
    cdef int64_t row = floor_div(look.lat - frame[0], frame[2]), column = floor_div(look.lon - frame[1], frame[3])
    cdef int64_t ring = max(max(-row, row - rows + 1), max(-column, column - columns + 1))
    cdef int64_t ring_last = max(max(row, rows - 1 - row), max(column, columns - 1 - column))
    cdef int64_t here, step
    ring = max(ring, 0)
    # Whatever the rings from here on hold is at least as far as the border of those before.
    while ring <= ring_last and (ring == 0 or border_m(look, row, column, ring - 1) <= look.limit_m):
        for here in range(max(0, row - ring), min(rows - 1, row + ring) + 1):
            step = 1 if here == row - ring or here == row + ring else 2 * ring
            walk_row(look, here * columns, columns, column - ring, column + ring, step)
        ring += 1


cdef inline void walk_row(Look *look, int64_t base, int64_t columns, int64_t first, int64_t last, int64_t step) noexcept nogil:
    """A ring's cells in one row: all of them in its first and last row, else the two at the sides."""
    cdef int64_t column = first
    if step == 1:
        column, last = max(first, 0), min(last, columns - 1)
    while column <= last:
        if 0 <= column < columns:
            look_into(look, base + column)
        column += step


cdef inline int64_t floor_div(int64_t number, int64_t divisor) noexcept nogil:
    return number // divisor - (number % divisor != 0 and number < 0)


cdef inline double border_m(const Look *look, int64_t row, int64_t column, int64_t ring) noexcept nogil:
    """How far the border of the square of rings 0 to ``ring`` is from the position."""
    cdef const int32_t *frame = look.map.grid_frame
    cdef double south = (look.lat - (frame[0] + (row - ring) * frame[2])) * look.metres_per_lat
    cdef double north = (frame[0] + (row + ring + 1) * frame[2] - look.lat) * look.metres_per_lat
    cdef double west = (look.lon - (frame[1] + (column - ring) * frame[3])) * look.metres_per_lon
    cdef double east = (frame[1] + (column + ring + 1) * frame[3] - look.lon) * look.metres_per_lon
    return min(min(south, north), min(west, east))


cdef void look_into(Look *look, int64_t cell) noexcept nogil:
    """Measure every piece of a cell."""
    cdef const Map *map = look.map
    cdef uint32_t index
    cdef Near near
    for index in range(map.grid_cells[cell], map.grid_cells[cell + 1]):
        near.segment, near.point = map.grid_pieces[2 * index], map.grid_pieces[2 * index + 1]
        if look.flag and not map.segment_flags[near.segment] & look.flag:
            continue
        near.metres = piece_m(look, near.point, NULL)
        if near.metres <= look.limit_m:
            keep(look, &near)


cdef double piece_m(const Look *look, uint32_t point, double *share) noexcept nogil:
    """Distance from the position to the piece that begins at ``point``; ``share``: how far along it the foot lies."""
    cdef const int32_t *one = look.map.points + 2 * <int64_t> point
    cdef double x = (one[1] - look.lon) * look.metres_per_lon, y = (one[0] - look.lat) * look.metres_per_lat
    cdef double dx = (<int64_t> one[3] - one[1]) * look.metres_per_lon, dy = (<int64_t> one[2] - one[0]) * look.metres_per_lat
    cdef double square = dx * dx + dy * dy
    cdef double along = -(x * dx + y * dy) / square if square > 0.0 else 0.0
    along = min(max(along, 0.0), 1.0)
    if share != NULL:
        share[0] = along
    if along == 1.0:  # the very same distance as from the piece that begins here
        x, y = x + dx, y + dy
    else:
        x, y = x + along * dx, y + along * dy
    return sqrt(x * x + y * y)


cdef void keep(Look *look, const Near *near) noexcept nogil:
    """Insert into the sorted candidates; a segment stands there once, with its nearest piece."""
    cdef Near *found = look.found
    cdef int index, slot
    for index in range(look.count):
        if found[index].segment == near.segment:
            if found[index].metres <= near.metres:
                return
            look.count -= 1
            memmove(&found[index], &found[index + 1], (look.count - index) * sizeof(Near))
            break
    slot = look.count
    while slot and (found[slot - 1].metres > near.metres or (found[slot - 1].metres == near.metres and found[slot - 1].segment > near.segment)):
        slot -= 1
    if slot == NEAR_MAX:
        return
    if look.count == NEAR_MAX:
        look.count -= 1
    memmove(&found[slot + 1], &found[slot], (look.count - slot) * sizeof(Near))
    found[slot] = near[0]
    look.count += 1
    look.limit_m = min(look.reach_m, max(found[0].metres + look.margin_m, look.accuracy_m))


cdef void locate(const Look *look, Near *near) noexcept nogil:
    """Fill in where on its segment the foot lies, and which way the segment runs there."""
    cdef const Map *map = look.map
    cdef uint32_t first = map.segment_points[near.segment], last = map.segment_points[near.segment + 1] - 1
    cdef const int32_t *one = map.points + 2 * <int64_t> near.point
    cdef double share = 0.0, before_m = 0.0, whole_m = 0.0, length_m
    cdef double dx = (<int64_t> one[3] - one[1]) * look.metres_per_lon, dy = (<int64_t> one[2] - one[0]) * look.metres_per_lat
    cdef uint32_t point
    piece_m(look, near.point, &share)
    for point in range(first, last):
        length_m = length_flat_m(map, point, look.metres_per_lat, look.metres_per_lon)
        if point == near.point:
            before_m = whole_m + share * length_m
        whole_m += length_m
    near.position = <uint32_t> (min(before_m / whole_m, 1.0) * ONE + 0.5) if whole_m > 0.0 else 0
    near.lat_e7 = <int32_t> floor(one[0] + share * (<int64_t> one[2] - one[0]) + 0.5)
    near.lon_e7 = <int32_t> floor(one[1] + share * (<int64_t> one[3] - one[1]) + 0.5)
    near.bearing_deg = atan2(dx, dy) * DEGREES_PER_RADIAN


cdef inline double length_flat_m(const Map *map, uint32_t point, double metres_per_lat, double metres_per_lon) noexcept nogil:
    cdef const int32_t *one = map.points + 2 * <int64_t> point
    cdef double dx = (<int64_t> one[3] - one[1]) * metres_per_lon, dy = (<int64_t> one[2] - one[0]) * metres_per_lat
    return sqrt(dx * dx + dy * dy)


# ---------------------------------------------------------------------------------- from candidates to a place


cdef int choose(const Map *map, int32_t lat_e7, int32_t lon_e7, double reach_m, double course_deg, Near *found,
                bint *in_course) noexcept nogil:
    """The one place where the position is taken to be: one segment, or all that meet in the same point.

    With a course, a segment that a unit with that course can be driving along is preferred to a nearer one. When the
    place lies in a gap of the map, the nearest one of the main component within a hop is added. ``found``: room for
    PLACES_MAX. Returns how many.
    """
    cdef int count = gather(map, lat_e7, lon_e7, reach_m, MARGIN_M, 0.0, 0, found)
    cdef int kept = 0, first = 0, index
    cdef double metres
    in_course[0] = False
    if count == 0:
        return 0
    for index in range(count if course_deg >= 0.0 else 0):
        if drives_along(map, &found[index], course_deg):
            in_course[0], first = True, index
            break
    metres = found[first].metres
    for index in range(first, count):
        if found[index].metres <= metres + SAME_PLACE_M and (not in_course[0] or drives_along(map, &found[index], course_deg)):
            found[kept] = found[index]
            kept += 1
    if not is_gap(map, found, kept):
        return kept
    return kept + gather(map, lat_e7, lon_e7, min(reach_m, metres + HOP_M), SAME_PLACE_M, 0.0, MAIN, found + kept)


cdef bint drives_along(const Map *map, const Near *near, double course_deg) noexcept nogil:
    """Can a unit with this course be driving along the segment, in a direction in which it is open?"""
    cdef const int32_t *arcs = map.segment_arcs + 2 * <int64_t> near.segment
    return (arcs[0] >= 0 and turned_deg(near.bearing_deg, course_deg) <= COURSE_DEG_MAX) or (
        arcs[1] >= 0 and turned_deg(near.bearing_deg + 180.0, course_deg) <= COURSE_DEG_MAX)


cdef inline double turned_deg(double one, double other) noexcept nogil:
    """The angle between two directions, 0 to 180."""
    cdef double turned = fabs(one - other)
    turned -= 360.0 * floor(turned / 360.0)
    return min(turned, 360.0 - turned)


cdef bint is_among(const Near *near, const Near *found, int count) noexcept nogil:
    """Is its segment one of these?"""
    cdef int index
    for index in range(count):
        if found[index].segment == near.segment:
            return True
    return False


cdef bint is_gap(const Map *map, const Near *found, int count) noexcept nogil:
    """Is none of these in the main component or on an island?"""
    cdef int index
    for index in range(count):
        if map.segment_flags[found[index].segment] & (MAIN | ISLAND):
            return False
    return True
