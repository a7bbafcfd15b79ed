# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The compiled room: all that Python may call. Kernels stand in the ``_fastpath_<topic>.pxi`` files beside it."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.math cimport INFINITY, cos, fabs, fmax, fmin, hypot, rint
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcmp, memcpy, memmove, memset, strlen

from dataclasses import fields as dataclass_fields
from dataclasses import replace as dataclass_replace

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Cell, Fix, Frame, Kind, Refusal, Report, Wifi

include "_fastpath_bytes.pxi"
include "_fastpath_checksums.pxi"
include "_fastpath_reports.pxi"
include "_fastpath_stream.pxi"
include "_fastpath_fields.pxi"
include "_fastpath_gt06.pxi"
include "_fastpath_teltonika.pxi"
include "_fastpath_watch.pxi"
include "_fastpath_queclink.pxi"
include "_fastpath_h02.pxi"
include "_fastpath_eview.pxi"
include "_fastpath_jt808.pxi"
include "_fastpath_jt808_position.pxi"
include "_fastpath_osmand.pxi"
include "_fastpath_areas.pxi"
include "_fastpath_crc32c.pxi"
include "_fastpath_fuzz.pxi"


def status_names():
    """Names of every status after OK, in order: the same list as ``errors.Reason``."""
    return ("FRAMING", "LENGTH", "CHECKSUM", "FIELD", "RANGE", "UNSUPPORTED", "IDENTITY")[: <int> STATUS_END - 1]


def checksum(str name not None, bytes data not None):
    """A checksum as device protocols have them, by the name that it has in ``protocols/octets.py``."""
    if name == "crc16_x25":
        return crc16_x25(data, len(data))
    if name == "crc16_arc":
        return crc16_arc(data, len(data))
    if name == "crc16_xmodem":
        return crc16_xmodem(data, len(data))
    if name == "crc16_ccitt_false":
        return crc16_ccitt_false(data, len(data))
    if name == "xor8":
        return xor8(data, len(data))
    if name == "sum8":
        return sum8(data, len(data))
    raise KeyError(name)


def field(str name not None, bytes text not None, bytes other=b""):
    """What the kernel of this name in ``protocols/fields.py`` reads: its value, None, or Ellipsis where the reference must read it."""
    cdef Field one = stripped(text, len(text)), two = stripped(other, len(other))
    cdef Reading reading
    cdef double value = 0
    cdef int64_t number = 0
    cdef Number got
    memset(&reading, 0, sizeof(reading))
    if name == "decimal":
        got = decimal(one, &value)
        return value if got == NUMBER_READ else None if got == NUMBER_NONE else ...
    if name == "course":
        return ... if not put_course(&reading, one) else reading.course_deg if reading.has else None
    if name == "speed":
        return ... if not put_speed(&reading, one, KMH_PER_KNOT) else reading.speed_kmh if reading.has else None
    if name == "percent":
        put_percent(&reading, one)
        return reading.battery_percent if reading.has else None
    if name == "whole":
        number = whole(one, WHOLE_MAX)
        return None if number < 0 else number
    if name == "hexadecimal":
        number = hexadecimal(one)
        return None if number < 0 else number
    if name == "degrees_e7":
        return number if degrees_e7(one, &number) else None
    if name == "minutes_e7":
        return number if minutes_e7(one, two, &number) else None
    if name == "day_first_us":
        return number if day_first_us(one, two, 3600000000, &number) else None
    if name == "year_first_us":
        return number if year_first_us(one, two, 3600000000, &number) else None
    raise KeyError(name)


cdef Told *TOLD = <Told *> malloc(sizeof(Told))
if TOLD == NULL:
    raise MemoryError
# One for all sessions: they run under the GIL, and nothing that makes a frame of it reads another.


@cython.final
@cython.auto_pickle(False)
cdef class Twin:
    """One connection of a device, or the datagrams of one sender, compiled: around a reference session, which reads what is rare."""

    cdef object reference
    cdef object known
    cdef object name
    cdef object farewell
    cdef readonly object transport
    cdef readonly object device
    cdef bytes buffer
    cdef const Kernel *kernel
    cdef Line line

    def __cinit__(self, reference not None):
        self.reference = reference
        self.name = reference.NAME
        self.farewell = FAREWELLS.get(self.name)
        self.kernel = &KERNELS[<int> KERNEL_NUMBERS[self.name]]
        self.transport = reference.transport
        self.line.is_datagram = reference.transport == "udp"
        self.buffer = b""
        self._take_back()
        self.settings = reference.settings

    def __dealloc__(self):
        free(self.line.kept)

    @property
    def settings(self):
        """What the registry says about the device; may be replaced once a frame has told which one it is."""
        return self.known

    @settings.setter
    def settings(self, settings not None):
        self.line.has_clock_offset = settings.clock_offset_s is not None
        self.line.clock_offset_s = settings.clock_offset_s or 0
        self.kernel.prepare(&self.line, settings)
        self.known = self.reference.settings = settings

    @property
    def pending_bytes(self):
        """Bytes that wait for the rest of their frame."""
        return len(self.buffer) - self.line.split.start

    @property
    def skipped_bytes(self):
        """Bytes that belonged to no frame, so far."""
        return self.line.split.skipped_bytes

    def receive(self, bytes data not None):
        """Take the next bytes of the stream."""
        self.buffer = self.buffer[self.line.split.start:] + data
        self.line.split.start = 0

    def frames(self, now_us):
        """Every frame that is complete by now, in order."""
        while (frame := self._next(now_us)) is not None:
            yield frame

    def read(self, bytes raw not None, now_us):
        """One whole message: a frame delimited elsewhere, or a datagram, which may hold several. Never raises for what it holds."""
        cdef list parts
        if not self.line.is_datagram or not self.kernel.joins_datagrams:
            return self._read_one(raw, raw, now_us)
        if self.line.is_beyond:
            return self._handover(raw, now_us, whole=True)
        if self.kernel.begin != NULL and not self.kernel.begin(&self.line, raw, len(raw)):
            raise MemoryError
        parts = self._parts(raw)
        if len(parts) < 2:
            return self._read_one(parts[0] if parts else raw, raw, now_us)
        frames = [self._read_one(part, part, now_us) for part in parts]
        self.reference.device = self.device
        return self.reference.joined(raw, frames)

    def tally(self, bytes data not None, now_us):
        """Receive, split and read without making an object of what is not handed over: (frames, refused, handed over, kinds)."""
        cdef Tally tally
        cdef Py_ssize_t at = 0, size = 0, length
        cdef const uint8_t *lent
        cdef Status status = HANDOVER
        kinds = Kind(0)
        memset(&tally, 0, sizeof(tally))
        self.receive(data)
        length = len(self.buffer)
        lent = lend(self.buffer, length)
        try:
            while status == HANDOVER:
                status = tally_run(self.kernel, lent, length, &self.line, now_us, TOLD, &tally, &at, &size)
                if status == HANDOVER:
                    frame = self._handover(self.buffer[at:at + size], now_us)
                    tally.refused += frame.refused is not None
                    kinds |= frame.kinds
        finally:
            give_back(lent)
        if self.line.is_renamed:
            self._rename()
        return tally.frames, tally.refused, tally.handed_over, kinds | kind_set(tally.kinds)

    cdef object _next(self, object now_us):
        cdef Py_ssize_t at = 0, size = 0, length = len(self.buffer)
        cdef const uint8_t *lent = lend(self.buffer, length)
        cdef Shape shape = stream_next(self.kernel, lent, length, &self.line, &at, &size)
        cdef bytes raw
        give_back(lent)
        if shape == WAIT:
            return None
        raw = self.buffer[at:at + size]
        return self._read_one(raw, raw, now_us)

    cdef list _parts(self, bytes raw):
        """The frames of a datagram."""
        cdef Py_ssize_t at = 0, size = 0
        cdef int64_t skipped_bytes = self.line.split.skipped_bytes
        cdef const uint8_t *lent = lend(raw, len(raw))
        cdef list parts = []
        memset(&self.line.split, 0, sizeof(Split))
        self.line.split.skipped_bytes = skipped_bytes
        while stream_next(self.kernel, lent, len(raw), &self.line, &at, &size) != WAIT:
            parts.append(raw[at:at + size])
        self.line.split.start = 0
        give_back(lent)
        return parts

    cdef object _read_one(self, bytes part, bytes raw, object now_us):
        """One frame; ``raw``: the datagram that holds it and nothing else, or itself."""
        cdef const uint8_t *lent = lend(part, len(part))
        cdef Status status = read_frame(self.kernel, lent, len(part), &self.line, now_us, TOLD)
        cdef int at
        give_back(lent)
        if status == HANDOVER:
            frame = self._handover(part, now_us)
            return frame if part is raw else dataclass_replace(frame, raw=raw)
        if self.line.is_renamed:
            self._rename()
        if status != OK:
            unverified = report_of(&TOLD.readings[0]) if TOLD.is_unverified else None
            return refused_frame(self.name, self.transport, raw, self.device, status, &TOLD.fault, unverified)
        reply = PyBytes_FromStringAndSize(<char *> TOLD.reply, TOLD.reply_bytes) if TOLD.reply_bytes else None
        reports = tuple([report_of(&TOLD.readings[at]) for at in range(TOLD.count)])
        return frame_of(self.name, self.transport, raw, self.device, reports, reply, self.farewell)

    cdef object _handover(self, bytes raw, object now_us, bint whole=False):
        """Let the reference read it (``whole``: a datagram with all that it holds), in the state in which this connection is."""
        if self.line.is_renamed:
            self._rename()
        self.reference.device = self.device
        self.kernel.lend(&self.line, self.reference)
        frame = self.reference.read(raw, now_us) if whole else self.reference.read_one(raw, now_us)
        self._take_back()
        return frame

    cdef int _take_back(self) except -1:
        """What the reference knows of the device."""
        cdef bytes name
        self.kernel.take(&self.line, self.reference)
        if self.device is not self.reference.device:
            self.device = self.reference.device
            name = (self.device or "").encode("utf-8", "replace")
            self.line.device_bytes = 0
            name_device(&self.line, name, len(name))
        self.line.is_renamed = False
        return 0

    cdef int _rename(self) except -1:
        """A kernel has written who it is."""
        self.device = self.line.device[:self.line.device_bytes].decode("ascii")
        self.line.is_renamed = False
        return 0


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
