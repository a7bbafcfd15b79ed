# Kernels: the splitter, as protocols/stream.py has it, and the table of kernels.
#
# Everything here runs without the GIL and writes to its arguments only: one thread reads thousands of connections with it.

cdef Kernel KERNELS[KERNELS_MAX]
cdef dict KERNEL_NUMBERS = {}
cdef dict FAREWELLS = {}  # what a protocol says to a stranger, where it says something: see ``Frame.farewell``


cdef Kernel *new_kernel(str name, bytes starts) except NULL:
    """The entry of a protocol, to be filled by its file. Entries stay where they are for ever."""
    cdef Kernel *kernel = &KERNELS[len(KERNEL_NUMBERS)]
    cdef uint8_t start
    if len(KERNEL_NUMBERS) == KERNELS_MAX:
        raise ImportError("more kernels than KERNELS_MAX")
    memset(kernel, 0, sizeof(Kernel))
    for start in starts:
        kernel.starts[start] = True
    kernel.joins_datagrams = True
    kernel.prepare = prepare_nothing
    kernel.lend = lend_zone
    kernel.take = take_zone
    KERNEL_NUMBERS[name] = len(KERNEL_NUMBERS)
    return kernel


cdef int prepare_nothing(Line *line, object settings) except -1:
    """For protocols whose settings change nothing but the clock."""
    return 0


cdef int lend_zone(const Line *line, object reference) except -1:
    """For protocols that remember nothing but the device's zone."""
    reference.zone_s = line.zone_s
    return 0


cdef int take_zone(Line *line, object reference) except -1:
    line.zone_s = reference.zone_s
    return 0


# ---------------------------------------------------------------------------------------------------- the line


cdef inline int64_t offset_us(const Line *line) noexcept nogil:
    """How far the device's clock is ahead of UTC: as the registry says, else as the device said, else not at all."""
    return (line.clock_offset_s if line.has_clock_offset else line.zone_s) * <int64_t> 1000000


cdef inline bint is_inside(const Line *line) noexcept nogil:
    """Does ``shape`` look within a frame that was refused or is incomplete?"""
    return line.split.is_behind or line.split.claimed > 0


cdef inline bint is_lost(const Line *line) noexcept nogil:
    """The bytes right before are no frame."""
    return line.split.is_behind or line.split.is_lost


cdef inline Status name_device(Line *line, const uint8_t *name, Py_ssize_t count) noexcept nogil:
    """The frame is believed and says who sent it; HANDOVER when that is longer than any identity that we know."""
    if count < 1 or count > DEVICE_BYTES_MAX:
        return HANDOVER
    if count != line.device_bytes or memcmp(line.device, name, count) != 0:
        memcpy(line.device, name, count)
        line.device_bytes = <uint8_t> count
        line.is_renamed = True
    return OK


cdef inline bint keep(Line *line, const uint8_t *raw, Py_ssize_t length) noexcept nogil:
    """Keep a copy of the newest message, to know it when it comes again; False when there is no memory, and nothing has changed."""
    cdef uint8_t *room
    if length > line.kept_room:
        room = <uint8_t *> malloc(length)
        if room == NULL:
            return False
        free(line.kept)
        line.kept = room
        line.kept_room = length
    if length:
        memcpy(line.kept, raw, length)
    line.kept_bytes = length
    return True


cdef inline bint is_kept(const Line *line, const uint8_t *raw, Py_ssize_t length) noexcept nogil:
    return length == line.kept_bytes and (length == 0 or memcmp(line.kept, raw, length) == 0)


cdef inline Reading *next_reading(Told *told) noexcept nogil:
    """An empty reading more; NULL when there is no room for it."""
    cdef Reading *reading
    if told.count >= READINGS_MAX:
        return NULL
    reading = &told.readings[told.count]
    told.count += 1
    memset(reading, 0, sizeof(Reading))
    return reading


cdef inline Status read_frame(const Kernel *kernel, const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil:
    """One whole frame: what ``StreamSession.read_one`` does."""
    told.count = told.reply_bytes = 0
    told.is_unverified = False
    if line.is_beyond or (kernel.begin != NULL and not line.is_datagram and not kernel.begin(line, raw, length)):
        return HANDOVER
    return kernel.read(raw, length, line, now_us, told)


# ------------------------------------------------------------------------------------------------ the splitter


cdef inline Py_ssize_t start_from(const Kernel *kernel, const uint8_t *data, Py_ssize_t length, Py_ssize_t at) noexcept nogil:
    """Where a frame may begin next; the end of the buffer when nowhere."""
    while at < length and not kernel.starts[data[at]]:
        at += 1
    return at if at < length else length


cdef inline Shape shape_at(const Kernel *kernel, const uint8_t *data, Py_ssize_t length, Py_ssize_t at, Line *line, Py_ssize_t *size) noexcept nogil:
    line.split.is_behind = at > line.split.start
    size[0] = 1
    return kernel.shape(data + at, length - at, line, size)


cdef inline void stream_skip(Split *split, Py_ssize_t count) noexcept nogil:
    if count == 0:
        return
    split.start += count
    split.is_lost = True
    split.skipped_bytes += max(0, count - split.claimed)
    split.claimed = <int32_t> max(0, split.claimed - count)
    split.looked = <int32_t> max(0, split.looked - count)
    if split.claimed == 0:
        split.nested = 0


cdef Py_ssize_t whole_frame_behind(const Kernel *kernel, const uint8_t *data, Py_ssize_t length, Line *line) noexcept nogil:
    """How far ahead a whole frame begins inside the one that is still incomplete; 0 if none does."""
    cdef Split *split = &line.split
    cdef Py_ssize_t at = start_from(kernel, data, length, split.start + max(1, split.looked))
    cdef Py_ssize_t size = 0, stop = length, first_waiting = length
    cdef int tried = 0
    cdef Shape shape
    while at < stop and tried < NESTED_MAX:
        shape = shape_at(kernel, data, length, at, line, &size)
        if shape == FRAME:
            return at - split.start
        if shape == WAIT and first_waiting > at:
            first_waiting = at
            stop = min(stop, at + BEHIND_BYTES_MAX)
        tried += shape != NOISE
        at = start_from(kernel, data, length, at + (size if shape == NOISE else 1))
    split.looked = <int32_t> (min(at, first_waiting) - split.start)
    return 0


cdef Shape stream_next(const Kernel *kernel, const uint8_t *data, Py_ssize_t length, Line *line, Py_ssize_t *frame_at,
                       Py_ssize_t *frame_bytes) noexcept nogil:
    """Cut off the next delimited frame: FRAME or SPOILT with its place and size, WAIT when there is none yet."""
    cdef Split *split = &line.split
    cdef Py_ssize_t size = 0
    cdef Shape shape
    while True:
        stream_skip(split, start_from(kernel, data, length, split.start) - split.start)
        if split.start == length:
            return WAIT
        shape = shape_at(kernel, data, length, split.start, line, &size)
        frame_at[0] = split.start
        frame_bytes[0] = size
        if shape == FRAME:
            split.start += size
            split.claimed = <int32_t> max(0, split.claimed - size)
            split.nested = split.nested if split.claimed else 0
            split.looked = 0
            split.is_lost = False
            return FRAME
        if shape == SPOILT:
            split.claimed = <int32_t> max(split.claimed, size)
            split.nested += 1
            stream_skip(split, 1 if split.nested < NESTED_MAX else size)
            return SPOILT
        if shape == WAIT:
            size = whole_frame_behind(kernel, data, length, line) if kernel.promises_length else 0
            if size == 0:
                return WAIT
        stream_skip(split, size)


# ------------------------------------------------------------------------------------------------------- counts

cdef struct Tally:
    int64_t frames
    int64_t refused
    int64_t handed_over
    uint64_t kinds


cdef Status tally_run(const Kernel *kernel, const uint8_t *data, Py_ssize_t length, Line *line, int64_t now_us, Told *told, Tally *tally,
                      Py_ssize_t *frame_at, Py_ssize_t *size) noexcept nogil:
    """Split and read, and count what was said; OK when more bytes are needed, HANDOVER with the frame that the reference must read."""
    cdef Status status
    cdef int at
    while stream_next(kernel, data, length, line, frame_at, size) != WAIT:
        tally.frames += 1
        status = read_frame(kernel, data + frame_at[0], size[0], line, now_us, told)
        if status == HANDOVER:
            tally.handed_over += 1
            return HANDOVER
        if status != OK:
            tally.refused += 1
        else:
            for at in range(told.count):
                tally.kinds |= told.readings[at].kinds
    return OK
