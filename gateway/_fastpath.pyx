# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The compiled room: all that Python may call. Kernels stand in the ``_fastpath_<topic>.pxi`` files beside it."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject_GenericSetAttr
from libc.math cimport INFINITY, cos, fabs, fmax, fmin, hypot, rint
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memmove, memset

from dataclasses import fields as dataclass_fields

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Cell, Fix, Frame, Kind, Refusal, Report, Wifi

include "_fastpath_bytes.pxi"
include "_fastpath_checksums.pxi"
include "_fastpath_reports.pxi"
include "_fastpath_gt06.pxi"
include "_fastpath_teltonika.pxi"
include "_fastpath_watch.pxi"
include "_fastpath_areas.pxi"
include "_fastpath_crc32c.pxi"
include "_fastpath_fuzz.pxi"


def status_names():
    """Names of every status after OK, in order: the same list as ``errors.Reason``."""
    return ("FRAMING", "LENGTH", "CHECKSUM", "FIELD", "RANGE", "UNSUPPORTED", "IDENTITY")[: <int> STATUS_END - 1]


def checksum(str name not None, bytes data not None):
    """The 16-bit checksum that a device protocol uses: ``x25`` (GT06) or ``arc`` (Teltonika)."""
    if name == "x25":
        return crc16_x25(data, len(data))
    if name == "arc":
        return crc16_arc(data, len(data))
    raise KeyError(name)


@cython.final
@cython.auto_pickle(False)
cdef class Gt06:
    """One connection of a GT06 device, compiled: around a reference session, which reads what is rare."""

    cdef object reference
    cdef object known
    cdef readonly object transport
    cdef readonly object device
    cdef bytes buffer
    cdef Gt06Split split
    cdef Gt06Dialect dialect
    cdef int64_t clock_offset_s
    cdef bint clock_set
    cdef int32_t zone_s

    def __cinit__(self, reference not None):
        self.reference = reference
        self.transport = reference.transport
        self.device = reference.device
        self.zone_s = reference.zone_s
        self.buffer = b""
        self.settings = reference.settings

    @property
    def pending_bytes(self):
        """Bytes that wait for the rest of their frame."""
        return len(self.buffer) - self.split.start

    @property
    def settings(self):
        """What the registry says about the device; may be replaced once the login has told which one it is."""
        return self.known

    @settings.setter
    def settings(self, settings not None):
        self.clock_set = settings.clock_offset_s is not None
        self.clock_offset_s = settings.clock_offset_s or 0
        self.dialect = gt06_dialect(settings.model)
        self.known = self.reference.settings = settings

    @property
    def skipped_bytes(self):
        """Bytes that belonged to no frame, so far."""
        return self.split.skipped_bytes

    def receive(self, bytes data not None):
        """Take the next bytes of the stream."""
        self.buffer = self.buffer[self.split.start:] + data
        self.split.start = 0

    def frames(self, now_us):
        """Every frame that is complete by now, in order."""
        while (frame := self._next(now_us)) is not None:
            yield frame

    def read(self, bytes raw not None, now_us):
        """One whole message. Never raises for what it holds."""
        cdef Py_ssize_t length = len(raw), size = 0
        cdef const uint8_t *lent = lend(raw, length)
        cdef Fault fault
        cdef Status status = gt06_require(lent, length, &fault)
        cdef bint is_topin = False
        if status != OK and fault.what != FAULT_HEADER and lent[0] == 0x78:
            is_topin = gt06_topin_shape(lent, length, &size) == GT06_WIFI and size == length
        give_back(lent)
        if status == OK:
            return self._believe(raw, now_us)
        if is_topin:
            return self._handover(raw, now_us)
        return self._doubt(raw, now_us, status, &fault)

    cdef object _next(self, object now_us):
        cdef Py_ssize_t at = 0, size = 0
        cdef const uint8_t *lent = lend(self.buffer, len(self.buffer))
        cdef Gt06Shape shape = gt06_next(lent, len(self.buffer), &self.split, &at, &size)
        cdef bytes raw
        give_back(lent)
        if shape == GT06_WAIT:
            return None
        raw = self.buffer[at:at + size]
        if shape == GT06_FRAME:
            return self._believe(raw, now_us)
        return self.read(raw, now_us) if shape == GT06_SPOILT else self._handover(raw, now_us)

    cdef object _believe(self, bytes raw, object now_us):
        """A delimited frame whose checksum is right."""
        cdef Py_ssize_t length = len(raw), reply_bytes
        cdef const uint8_t *lent = lend(raw, length)
        cdef uint8_t reply[GT06_REPLY_BYTES]
        cdef char digits[16]
        cdef int32_t zone_s = 0
        cdef Reading reading
        cdef Fault fault
        cdef Status status
        cdef uint8_t kind = lent[3 if lent[0] == 0x78 else 4]
        if kind == GT06_LOGIN:
            status = gt06_login(lent, length, digits, &zone_s, &reading, &fault)
        elif self.device is None:
            status = blame(&fault, IDENTITY, FAULT_NO_LOGIN, 3 if lent[0] == 0x78 else 4, 0, kind)
        else:
            status = gt06_report(lent, length, &self.dialect, self._offset_us(), &reading, &fault)
        reply_bytes = gt06_put_reply(lent, length, reply)
        give_back(lent)
        if status == HANDOVER:
            return self._handover(raw, now_us)
        if status != OK:
            return refused_frame("gt06", self.transport, raw, self.device, status, &fault, None)
        if kind == GT06_LOGIN:
            self.zone_s = zone_s
            self.device = digits[1:16].decode("ascii") if digits[0] == 48 else digits[:16].decode("ascii")
        answer = PyBytes_FromStringAndSize(<char *> reply, reply_bytes) if reply_bytes else None
        return frame_of("gt06", self.transport, raw, self.device, (report_of(&reading),), answer)

    cdef object _doubt(self, bytes raw, object now_us, Status status, const Fault *why):
        """A frame that is refused, with the alarm that is readable in spite of a wrong checksum."""
        cdef const uint8_t *lent
        cdef Reading reading
        cdef Fault fault
        cdef Status read = FIELD
        if status == CHECKSUM and self.device is not None and raw[3 if raw[0] == 0x78 else 4] != GT06_LOGIN:
            lent = lend(raw, len(raw))
            read = gt06_report(lent, len(raw), &self.dialect, self._offset_us(), &reading, &fault)
            give_back(lent)
            if read == HANDOVER:
                return self._handover(raw, now_us)
        unverified = report_of(&reading) if read == OK and reading.kinds & KIND_LIFE_KNOWN else None
        return refused_frame("gt06", self.transport, raw, self.device, status, why, unverified)

    cdef object _handover(self, bytes raw, object now_us):
        """Let the reference read it, in the state in which this connection is."""
        self.reference.device, self.reference.zone_s = self.device, self.zone_s
        frame = self.reference.read(raw, now_us)
        self.device, self.zone_s = self.reference.device, self.reference.zone_s
        return frame

    cdef inline int64_t _offset_us(self) noexcept:
        return (self.clock_offset_s if self.clock_set else self.zone_s) * 1000000


@cython.final
@cython.auto_pickle(False)
cdef class Teltonika:
    """One connection of a Teltonika device, or the datagrams of one sender, compiled: around a reference session, which
    reads what is rare."""

    cdef object reference
    cdef object known
    cdef readonly object transport
    cdef readonly object device
    cdef bytes buffer
    cdef TeltonikaSplit split
    cdef TeltonikaHabits habits
    cdef bint is_udp

    def __cinit__(self, reference not None):
        self.reference = reference
        self.transport = reference.transport
        self.is_udp = reference.transport == "udp"
        self.device = reference.device
        self.buffer = b""
        self.settings = reference.settings

    @property
    def pending_bytes(self):
        """Bytes that wait for the rest of their frame."""
        return len(self.buffer) - self.split.start

    @property
    def settings(self):
        """What the registry says about the device; may be replaced once the login has told which one it is."""
        return self.known

    @settings.setter
    def settings(self, settings not None):
        self.habits = teltonika_habits(settings)
        self.known = self.reference.settings = settings

    @property
    def skipped_bytes(self):
        """Bytes that belonged to no frame, so far."""
        return self.split.skipped_bytes

    def receive(self, bytes data not None):
        """Take the next bytes of the stream."""
        self.buffer = self.buffer[self.split.start:] + data
        self.split.start = 0

    def frames(self, now_us):
        """Every packet that is complete by now, in order."""
        while (frame := self._next(now_us)) is not None:
            yield frame

    def read(self, bytes raw not None, now_us):
        """One ping, login, data packet or datagram. Never raises for what it holds."""
        cdef Py_ssize_t length = len(raw), data_bytes = 0
        cdef const uint8_t *lent = lend(raw, length)
        cdef uint32_t claimed, counted
        cdef tuple reports
        try:
            if self.is_udp:
                return self._datagram(raw, lent, length, now_us)
            if length >= 12 and u32be(lent) == 0:
                data_bytes = <Py_ssize_t> u32be(lent + 4)
            if data_bytes < TELTONIKA_DATA_BYTES_MIN or data_bytes > TELTONIKA_DATA_BYTES_MAX or data_bytes != length - 12 \
                    or self.device is None:
                return self._handover(raw, now_us)
            claimed, counted = u32be(lent + length - 4), crc16_arc(lent + 8, data_bytes)
            reports = self._reports(lent + 8, data_bytes, now_us)
            if reports is None or (claimed != counted and any([report.kinds & LIFE for report in reports])):
                return self._handover(raw, now_us)
            if claimed != counted:
                refusal = Refusal("checksum", length - 4, f"frame says {claimed:08x}, its bytes give {counted:08x}")
                return Frame("teltonika", self.transport, raw, self.device, refused=refusal)
            return frame_of("teltonika", self.transport, raw, self.device, reports, len(reports).to_bytes(4, "big"))
        finally:
            give_back(lent)

    cdef object _next(self, object now_us):
        cdef Py_ssize_t at = 0, size = 0
        cdef const uint8_t *lent = lend(self.buffer, len(self.buffer))
        cdef TeltonikaShape shape = teltonika_next(lent, len(self.buffer), &self.split, &at, &size)
        give_back(lent)
        return None if shape == TELTONIKA_WAIT else self.read(self.buffer[at:at + size], now_us)

    cdef object _datagram(self, bytes raw, const uint8_t *lent, Py_ssize_t length, object now_us):
        cdef Py_ssize_t digits
        cdef tuple reports
        if length < 8:
            return self._handover(raw, now_us)
        digits = <Py_ssize_t> u16be(lent + 6)
        if u16be(lent) != length - 2 or digits < TELTONIKA_IMEI_DIGITS_MIN or digits > TELTONIKA_IMEI_DIGITS_MAX \
                or length - 8 < digits or not all_digits(lent + 8, digits):
            return self._handover(raw, now_us)
        reports = self._reports(lent + 8 + digits, length - 8 - digits, now_us)
        if reports is None:
            return self._handover(raw, now_us)
        self.device = raw[8:8 + digits].decode("ascii")
        reply = b"\x00\x05" + raw[2:4] + b"\x01" + raw[5:6] + bytes((len(reports),))
        return frame_of("teltonika", self.transport, raw, self.device, reports, reply)

    cdef tuple _reports(self, const uint8_t *data, Py_ssize_t length, object now_us):
        """Every record of the data; None when the reference must read them."""
        cdef TeltonikaLayout layout
        cdef Cursor cursor
        cdef Reading reading
        cdef int64_t now = now_us
        cdef int at
        cdef list reports = []
        if teltonika_data(data, length, &self.habits, &layout, &cursor) != OK:
            return None
        for at in range(data[1]):
            if teltonika_record(&cursor, &layout, &self.habits, now, &reading) != OK:
                return None
            reports.append(report_of(&reading))
        return tuple(reports) if teltonika_end(&cursor) == OK else None

    cdef object _handover(self, bytes raw, object now_us):
        """Let the reference read it, in the state in which this connection is."""
        self.reference.device = self.device
        frame = self.reference.read(raw, now_us)
        self.device = self.reference.device
        return frame


@cython.final
@cython.auto_pickle(False)
cdef class Watch:
    """One connection of a watch, compiled: around a reference session, which reads what is rare."""

    cdef object reference
    cdef object known
    cdef readonly object transport
    cdef readonly object device
    cdef bytes buffer
    cdef WatchSplit split
    cdef int64_t offset_us

    def __cinit__(self, reference not None):
        self.reference = reference
        self.transport = reference.transport
        self.device = reference.device
        self.buffer = b""
        self.settings = reference.settings

    @property
    def pending_bytes(self):
        """Bytes that wait for the rest of their frame."""
        return len(self.buffer) - self.split.start

    @property
    def settings(self):
        """What the registry says about the device; may be replaced once its first frame has told which one it is."""
        return self.known

    @settings.setter
    def settings(self, settings not None):
        self.offset_us = (settings.clock_offset_s or 0) * 1000000
        self.known = self.reference.settings = settings

    @property
    def skipped_bytes(self):
        """Bytes that belonged to no frame, so far."""
        return self.split.skipped_bytes

    def receive(self, bytes data not None):
        """Take the next bytes of the stream."""
        self.buffer = self.buffer[self.split.start:] + data
        self.split.start = 0

    def frames(self, now_us):
        """Every frame that is complete by now, in order."""
        while (frame := self._next(now_us)) is not None:
            yield frame

    def read(self, bytes raw not None, now_us):
        """One frame, from bracket to bracket. Never raises for what it holds."""
        cdef Py_ssize_t length = len(raw), content_bytes, reply_bytes = 0
        cdef const uint8_t *lent = lend(raw, length)
        cdef uint8_t reply[WATCH_REPLY_BYTES_MAX]
        cdef WatchHeader header
        cdef Reading reading
        cdef Status status = HANDOVER
        if length and lent[length - 1] == 93 and watch_header(lent, length, &header):
            content_bytes = length - header.end - 1
            status = watch_report(lent + header.end, content_bytes, header.size, self.offset_us, &reading)
            if status == OK:
                reply_bytes = watch_put_reply(lent, &header, lent + header.end, reply)
        give_back(lent)
        if status != OK:
            frame = self.reference.read(raw, now_us)
            self.device = self.reference.device
            return frame
        self.device = self.reference.device = raw[header.id_at:header.id_at + header.id_bytes].decode("ascii")
        answer = PyBytes_FromStringAndSize(<char *> reply, reply_bytes) if reply_bytes else None
        return frame_of("watch", self.transport, raw, self.device, (report_of(&reading),), answer)

    cdef object _next(self, object now_us):
        cdef Py_ssize_t length = len(self.buffer), size, last = 0
        cdef const uint8_t *lent = lend(self.buffer, length)
        cdef WatchHeader header
        cdef bint is_wrong = False
        cdef bytes raw
        try:
            while self.split.start < length:
                size = watch_frame_bytes(lent + self.split.start, length - self.split.start, &header, &last, &is_wrong)
                if size == WATCH_ASK:
                    content = self.buffer[self.split.start + header.end:self.split.start + last]
                    if self.reference.is_whole(content, is_wrong):
                        size = last + 1
                    else:
                        size = WATCH_WAIT if length - self.split.start < header.end + WATCH_STUFFED_BYTES_MAX + 1 else WATCH_NO_FRAME
                if size == WATCH_WAIT:
                    return None
                if size != WATCH_NO_FRAME:
                    raw = self.buffer[self.split.start:self.split.start + size]
                    self.split.start += size
                    return self.read(raw, now_us)
                watch_skip(lent, length, &self.split)
            return None
        finally:
            give_back(lent)


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
