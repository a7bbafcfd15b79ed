# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The compiled room: all that Python may call. Kernels stand in the ``_fastpath_<topic>.pxi`` files beside it."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject_GenericSetAttr
from libc.math cimport INFINITY, cos, fmax, fmin, hypot
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from dataclasses import fields as dataclass_fields

from gateway.errors import FrameError, Reason
from gateway.model import Cell, Fix, Frame, Kind, Refusal, Report, Wifi

include "_fastpath_bytes.pxi"
include "_fastpath_checksums.pxi"
include "_fastpath_reports.pxi"
include "_fastpath_gt06.pxi"
include "_fastpath_teltonika.pxi"
include "_fastpath_watch.pxi"
include "_fastpath_areas.pxi"


def status_names():
    """Names of every status after OK, in order: the same list as ``errors.Reason``."""
    return ("FRAMING", "LENGTH", "CHECKSUM", "FIELD", "RANGE", "UNSUPPORTED", "IDENTITY")[: <int> STATUS_END - 1]


@cython.final
@cython.auto_pickle(False)
cdef class AreaGrid:
    """Who owns a point. Owns every pointer of its index; immutable once built."""

    cdef AreaIndex index
    cdef int32_t *found

    def __cinit__(self, const int32_t[::1] points not None, const int32_t[::1] ring_start not None,
                  const int32_t[::1] ring_part not None, const int32_t[::1] part_owner not None, int cells):
        cdef int32_t number
        cdef int64_t lat_max, lon_max
        cdef AreaIndex *index = &self.index
        self._check(points, ring_start, ring_part, part_owner, cells)
        index.lat_min = lat_max = points[0]
        index.lon_min = lon_max = points[1]
        for number in range(points.shape[0] // 2):
            index.lat_min, lat_max = min(index.lat_min, points[2 * number]), max(lat_max, points[2 * number])
            index.lon_min, lon_max = min(index.lon_min, points[2 * number + 1]), max(lon_max, points[2 * number + 1])
        index.rows = index.columns = cells
        index.cell_lat = (lat_max - index.lat_min) // cells + 1
        index.cell_lon = (lon_max - index.lon_min) // cells + 1
        index.part_count = <int32_t> part_owner.shape[0]
        index.parts = <AreaPart *> calloc(index.part_count, sizeof(AreaPart))
        if index.parts == NULL:
            raise MemoryError
        for number in range(index.part_count):
            index.parts[number].owner = part_owner[number]
            index.parts[number].row_min = index.parts[number].column_min = cells
            index.parts[number].outline = -1
        for number in range(ring_part.shape[0]):
            if index.parts[ring_part[number]].outline < 0:
                index.parts[ring_part[number]].outline = number
        if not areas_build(index, &points[0], &ring_start[0], &ring_part[0], <int32_t> ring_part.shape[0]):
            raise MemoryError
        self.found = <int32_t *> calloc(max(1, index.entries_max), sizeof(int32_t))
        if self.found == NULL:
            raise MemoryError

    def __dealloc__(self):
        areas_free(&self.index)
        free(self.found)

    cdef _check(self, const int32_t[::1] points, const int32_t[::1] ring_start, const int32_t[::1] ring_part,
                const int32_t[::1] part_owner, int cells):
        """Every index lies within its array: the kernels do not look again."""
        cdef Py_ssize_t rings = ring_part.shape[0]
        cdef Py_ssize_t at
        if not 1 <= cells <= 4096 or points.shape[0] % 2 or rings < 1 or part_owner.shape[0] < 1 or ring_start.shape[0] != rings + 1:
            raise ValueError("areas: sizes do not fit together")
        if ring_start[0] != 0 or 2 * <Py_ssize_t> ring_start[rings] != points.shape[0] or ring_part[0] != 0:
            raise ValueError("areas: the rings do not cover the points")
        for at in range(points.shape[0] // 2):
            if not on_earth(points[2 * at], points[2 * at + 1]):
                raise ValueError("areas: a point lies beyond the poles or the date line")
        for at in range(rings):
            if ring_start[at + 1] - ring_start[at] < 4:
                raise ValueError("areas: a ring needs four points, the last equal to the first")
            if at and not 0 <= ring_part[at] - ring_part[at - 1] <= 1:
                raise ValueError("areas: rings of a part must follow each other")
        if ring_part[rings - 1] != part_owner.shape[0] - 1:
            raise ValueError("areas: a part without rings")
        for at in range(1, part_owner.shape[0]):
            if part_owner[at] < part_owner[at - 1]:
                raise ValueError("areas: parts must stand in the order of their owners")

    def owners(self, int64_t lat_e7, int64_t lon_e7):
        """Every owner whose area holds the point, lowest first."""
        cdef int32_t count = areas_owners(&self.index, lat_e7, lon_e7, self.found)
        cdef int32_t at
        if count == 1:
            return (self.found[0],)
        return tuple([self.found[at] for at in range(count)])

    def nearest(self, int64_t lat_e7, int64_t lon_e7, double limit_m):
        """(owner, metres) of the nearest border within ``limit_m``, or None."""
        cdef int32_t owner = -1
        cdef double distance_m = areas_nearest(&self.index, lat_e7, lon_e7, limit_m, &owner)
        return None if owner < 0 else (owner, distance_m)
