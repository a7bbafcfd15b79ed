# Kernels: areas. Which polygons hold a point, and which is nearest when none does.
#
# The box around all areas is cut into rows x columns cells. A cell that no border touches lies wholly in some parts (a
# part is one polygon with its holes) and wholly outside the others, and answers by itself. Only in cells on a border is
# anything computed, and only over those edges of the part that reach into the cell's row: a "slice".
#
# Exact: coordinates are int32 (degrees x 10^7) and the largest product, 3.6e9 x 1.8e9, fits into 63 bits. Half-open: an
# edge spans lat0 <= lat < lat1, and a point on it lies to its east. So a border that two areas share, drawn with the same
# vertices, gives every point on it to exactly one of them.

cdef struct AreaEdge:
    int32_t lat0  # the southern end
    int32_t lon0
    int32_t lat1  # the northern end
    int32_t lon1
    int32_t ring

cdef struct AreaPart:
    int32_t owner
    int32_t outline  # its first ring; every other one is a hole
    int32_t row_min
    int32_t row_max
    int32_t column_min
    int32_t column_max
    int32_t first_slice  # slices of a part follow each other, one a row

cdef struct AreaIndex:
    int64_t lat_min
    int64_t lon_min
    int64_t cell_lat  # height and width of a cell, degrees x 10^7
    int64_t cell_lon
    int32_t rows
    int32_t columns
    int32_t part_count
    int32_t slice_count
    int32_t entries_max  # most entries of any cell
    AreaPart *parts
    AreaEdge *edges
    int64_t *slice_start  # slice -> its first edge; one more than there are slices
    int32_t *slice_part
    int32_t *cell_start  # cell -> its first entry; one more than there are cells
    int32_t *entries  # a slice to compute over, or -1 - part: the cell lies wholly in it

cdef enum:
    AREA_OUTSIDE = 0x7fffffff  # no entry: the cell lies wholly outside the part

cdef double METRES_PER_E7 = 6371008.8 * 3.14159265358979323846 / 180e7


cdef inline bint on_earth(int64_t lat, int64_t lon) noexcept nogil:
    return -900000000 <= lat <= 900000000 and -1800000000 <= lon <= 1800000000


cdef inline bint passes_east(const AreaEdge *edge, int64_t lat, int64_t lon) noexcept nogil:
    """Does a ray from the point to the east cross the edge?"""
    if lat < edge.lat0 or lat >= edge.lat1:
        return False
    return (lon - edge.lon0) * (<int64_t> edge.lat1 - edge.lat0) < (lat - edge.lat0) * (<int64_t> edge.lon1 - edge.lon0)


cdef bint slice_holds(const AreaIndex *index, int32_t number, int64_t lat, int64_t lon) noexcept nogil:
    """Is the point (in the slice's row) inside the part: within its outline and in none of its holes?"""
    cdef int64_t at = index.slice_start[number]
    cdef int64_t end = index.slice_start[number + 1]
    cdef int32_t outline = index.parts[index.slice_part[number]].outline
    cdef int32_t ring
    cdef bint inside
    cdef bint in_outline = False
    while at < end:
        ring = index.edges[at].ring
        inside = False
        while at < end and index.edges[at].ring == ring:
            inside ^= passes_east(&index.edges[at], lat, lon)
            at += 1
        if ring == outline:
            in_outline = inside
        elif inside:
            return False
    return in_outline


cdef int32_t areas_owners(const AreaIndex *index, int64_t lat, int64_t lon, int32_t *found) noexcept nogil:
    """Write the owners of the point to ``found`` (room for ``entries_max``), lowest first, each once; return how many."""
    cdef int64_t row, column, cell
    cdef int32_t at, entry, part
    cdef int32_t count = 0
    if not on_earth(lat, lon) or lat < index.lat_min or lon < index.lon_min:
        return 0
    row = (lat - index.lat_min) // index.cell_lat
    column = (lon - index.lon_min) // index.cell_lon
    if row >= index.rows or column >= index.columns:
        return 0
    cell = row * index.columns + column
    for at in range(index.cell_start[cell], index.cell_start[cell + 1]):
        entry = index.entries[at]
        part = -1 - entry if entry < 0 else index.slice_part[entry]
        if count > 0 and found[count - 1] == index.parts[part].owner:
            continue
        if entry < 0 or slice_holds(index, entry, lat, lon):
            found[count] = index.parts[part].owner
            count += 1
    return count


cdef double edge_distance_m(const AreaEdge *edge, int64_t lat, int64_t lon, double metres_lon) noexcept nogil:
    """Metres from the point to the edge on the plane that touches the earth at the point."""
    cdef int64_t turn = 3600000000 if edge.lon0 - lon < -1800000000 else -3600000000 if edge.lon0 - lon > 1800000000 else 0
    cdef double x0 = (edge.lon0 + turn - lon) * metres_lon
    cdef double y0 = (edge.lat0 - lat) * METRES_PER_E7
    cdef double dx = (edge.lon1 + turn - lon) * metres_lon - x0
    cdef double dy = (edge.lat1 - lat) * METRES_PER_E7 - y0
    cdef double length2 = dx * dx + dy * dy
    cdef double share = 0.0
    if length2 > 0.0:
        share = fmin(1.0, fmax(0.0, -(x0 * dx + y0 * dy) / length2))
    return hypot(x0 + share * dx, y0 + share * dy)


cdef double areas_nearest(const AreaIndex *index, int64_t lat, int64_t lon, double limit_m, int32_t *owner) noexcept nogil:
    """Metres to the nearest border within ``limit_m`` and whose it is; infinity when there is none. Ties: lowest owner."""
    cdef double metres_lon = METRES_PER_E7 * cos(lat * (3.14159265358979323846 / 180e7))
    cdef double best = limit_m
    cdef double reach = limit_m / METRES_PER_E7
    cdef double distance
    cdef int64_t row_from, row_to
    cdef int64_t row, at
    cdef int32_t number
    cdef AreaPart *part
    owner[0] = -1
    if not on_earth(lat, lon):
        return INFINITY
    row_from = <int64_t> ((lat - index.lat_min - reach) / index.cell_lat) - 1
    row_to = <int64_t> ((lat - index.lat_min + reach) / index.cell_lat) + 1
    for number in range(index.part_count):
        part = &index.parts[number]
        for row in range(max(row_from, part.row_min), min(row_to, part.row_max) + 1):
            for at in range(index.slice_start[part.first_slice + row - part.row_min],
                            index.slice_start[part.first_slice + row - part.row_min + 1]):
                distance = edge_distance_m(&index.edges[at], lat, lon, metres_lon)
                if distance < best or (distance == best and owner[0] < 0):
                    best = distance
                    owner[0] = part.owner
    return best if owner[0] >= 0 else INFINITY


# ------------------------------------------------------------------------------------------------- building


cdef void areas_free(AreaIndex *index) noexcept nogil:
    free(index.parts)
    free(index.edges)
    free(index.slice_start)
    free(index.slice_part)
    free(index.cell_start)
    free(index.entries)


cdef AreaEdge edge_between(const int32_t *points, int32_t first, int32_t second, int32_t ring) noexcept nogil:
    """The edge between two points of a ring (lat, lon pairs), southern end first."""
    cdef AreaEdge edge
    cdef int32_t south = second if points[2 * second] < points[2 * first] else first
    cdef int32_t north = first if south == second else second
    edge.lat0, edge.lon0 = points[2 * south], points[2 * south + 1]
    edge.lat1, edge.lon1 = points[2 * north], points[2 * north + 1]
    edge.ring = ring
    return edge


cdef bint areas_slices(AreaIndex *index, const int32_t *points, const int32_t *ring_start, const int32_t *ring_part,
                       int32_t ring_count) noexcept nogil:
    """Lay every edge into the slices it reaches into. False: no memory."""
    cdef int32_t ring, at, part, row, number
    cdef AreaPart *p
    cdef AreaEdge edge
    cdef int64_t total = 0
    cdef int64_t *fill
    for ring in range(ring_count):
        p = &index.parts[ring_part[ring]]
        for at in range(ring_start[ring], ring_start[ring + 1]):
            row = <int32_t> ((points[2 * at] - index.lat_min) // index.cell_lat)
            p.row_min = min(p.row_min, row)
            p.row_max = max(p.row_max, row)
            row = <int32_t> ((points[2 * at + 1] - index.lon_min) // index.cell_lon)
            p.column_min = min(p.column_min, row)
            p.column_max = max(p.column_max, row)
    for part in range(index.part_count):
        index.parts[part].first_slice = index.slice_count
        index.slice_count += index.parts[part].row_max - index.parts[part].row_min + 1
    index.slice_start = <int64_t *> calloc(index.slice_count + 2, sizeof(int64_t))
    index.slice_part = <int32_t *> calloc(index.slice_count, sizeof(int32_t))
    if index.slice_start == NULL or index.slice_part == NULL:
        return False
    for part in range(index.part_count):
        p = &index.parts[part]
        for number in range(p.first_slice, p.first_slice + p.row_max - p.row_min + 1):
            index.slice_part[number] = part
    # Counted two places on, summed, then filled one place on: what is left is each slice's first edge.
    fill = index.slice_start + 1
    for ring in range(ring_count):
        p = &index.parts[ring_part[ring]]
        for at in range(ring_start[ring], ring_start[ring + 1] - 1):
            edge = edge_between(points, at, at + 1, ring)
            for row in range(<int32_t> ((edge.lat0 - index.lat_min) // index.cell_lat),
                             <int32_t> ((edge.lat1 - index.lat_min) // index.cell_lat) + 1):
                fill[p.first_slice + row - p.row_min + 1] += 1
                total += 1
    for number in range(index.slice_count):
        fill[number + 1] += fill[number]
    index.edges = <AreaEdge *> calloc(total, sizeof(AreaEdge))
    if index.edges == NULL:
        return False
    for ring in range(ring_count):
        p = &index.parts[ring_part[ring]]
        for at in range(ring_start[ring], ring_start[ring + 1] - 1):
            edge = edge_between(points, at, at + 1, ring)
            for row in range(<int32_t> ((edge.lat0 - index.lat_min) // index.cell_lat),
                             <int32_t> ((edge.lat1 - index.lat_min) // index.cell_lat) + 1):
                number = p.first_slice + row - p.row_min
                index.edges[fill[number]] = edge
                fill[number] += 1
    return True


cdef void mark_columns(const AreaIndex *index, const AreaEdge *edge, int32_t row, uint8_t *marks) noexcept nogil:
    """Mark every cell of the row that the edge touches, and rather one too many."""
    cdef double south = <double> (index.lat_min + row * index.cell_lat)
    cdef double north = south + index.cell_lat
    cdef double west = edge.lon0
    cdef double east = edge.lon1
    cdef double slope
    cdef int64_t column
    if edge.lat0 != edge.lat1:
        slope = (<double> edge.lon1 - edge.lon0) / (<double> edge.lat1 - edge.lat0)
        west = edge.lon0 + slope * (fmax(south, edge.lat0) - edge.lat0)
        east = edge.lon0 + slope * (fmin(north, edge.lat1) - edge.lat0)
    if west > east:
        west, east = east, west
    for column in range(max(0, <int64_t> ((west - 1.0 - index.lon_min) / index.cell_lon)),
                        min(index.columns - 1, <int64_t> ((east + 1.0 - index.lon_min) / index.cell_lon)) + 1):
        marks[column] = 1


cdef void areas_cells(AreaIndex *index, uint8_t *marks, int32_t *fill, bint counting) noexcept nogil:
    """Give every cell its entries, or only count them. Cells without a border are tested by the run, at one point."""
    cdef int32_t part, row, number, column, entry
    cdef int64_t at, cell
    cdef AreaPart *p
    for part in range(index.part_count):
        p = &index.parts[part]
        for row in range(p.row_min, p.row_max + 1):
            number = p.first_slice + row - p.row_min
            memset(marks, 0, index.columns)
            for at in range(index.slice_start[number], index.slice_start[number + 1]):
                mark_columns(index, &index.edges[at], row, marks)
            entry = AREA_OUTSIDE
            for column in range(p.column_min, p.column_max + 1):
                if marks[column]:
                    entry = number
                elif column == p.column_min or marks[column - 1]:
                    entry = AREA_OUTSIDE
                    if slice_holds(index, number, index.lat_min + row * index.cell_lat + index.cell_lat // 2,
                                   index.lon_min + column * index.cell_lon + index.cell_lon // 2):
                        entry = -1 - part
                if entry == AREA_OUTSIDE:
                    continue
                cell = <int64_t> row * index.columns + column
                if not counting:
                    index.entries[fill[cell]] = entry
                fill[cell] += 1


cdef bint areas_build(AreaIndex *index, const int32_t *points, const int32_t *ring_start, const int32_t *ring_part,
                      int32_t ring_count) noexcept nogil:
    """Build slices and cells of an index whose box, rows, columns and parts are set. False: no memory."""
    cdef int64_t cell_count = <int64_t> index.rows * index.columns
    cdef int64_t cell
    cdef uint8_t *marks
    if not areas_slices(index, points, ring_start, ring_part, ring_count):
        return False
    index.cell_start = <int32_t *> calloc(cell_count + 2, sizeof(int32_t))
    marks = <uint8_t *> calloc(index.columns, 1)
    if index.cell_start == NULL or marks == NULL:
        free(marks)
        return False
    areas_cells(index, marks, index.cell_start + 2, True)
    for cell in range(2, cell_count + 2):
        index.entries_max = max(index.entries_max, index.cell_start[cell])
        index.cell_start[cell] += index.cell_start[cell - 1]
    index.entries = <int32_t *> calloc(max(1, index.cell_start[cell_count + 1]), sizeof(int32_t))
    if index.entries != NULL:
        areas_cells(index, marks, index.cell_start + 1, False)
    free(marks)
    return index.entries != NULL
