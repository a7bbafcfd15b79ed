# Kernels: fuzz. The engine of R-40: real frames are changed, made right again in length and checksum, and given to the
# kernels in a malloc of their exact size, some ten million a second. In the sanitize build one byte read too far ends it.
#
# Not on any path from a device. It stands here because kernels are visible to one translation unit only.

cdef enum:
    FUZZ_BYTES_MAX = 1024
    FUZZ_ROUNDS = 8192  # cases between two looks at the keyboard

cdef int64_t FUZZ_NOW_US = 1893456000000000  # 2030: after every vector

cdef struct FuzzCounts:
    int64_t believed
    int64_t refused
    int64_t handed_over


cdef inline uint64_t roll(uint64_t *dice) noexcept nogil:
    """xorshift64 (G. Marsaglia, 2003)."""
    dice[0] ^= dice[0] << 13
    dice[0] ^= dice[0] >> 7
    dice[0] ^= dice[0] << 17
    return dice[0]


cdef Py_ssize_t fuzz_change(uint8_t *data, Py_ssize_t length, const uint8_t *other, Py_ssize_t other_bytes, uint64_t *dice) noexcept nogil:
    """Up to three small changes in place: a byte set, a bit turned, a piece cut out or taken from another frame."""
    cdef Py_ssize_t at, count
    cdef int left
    for left in range(<int> (roll(dice) % 4)):
        if length == 0:
            return 0
        at = <Py_ssize_t> (roll(dice) % length)
        count = min(1 + <Py_ssize_t> (roll(dice) % 16), length - at)
        if roll(dice) & 3 == 0:
            data[at] = <uint8_t> roll(dice)
        elif roll(dice) & 3 == 0:
            memmove(data + at, data + at + count, length - at - count)
            length -= count
        elif roll(dice) & 3 == 0 and length + count <= FUZZ_BYTES_MAX:
            memmove(data + at + count, data + at, length - at)
            length += count
        elif roll(dice) & 3 == 0 and count <= other_bytes:
            memcpy(data + at, other + roll(dice) % (other_bytes - count + 1), count)
        else:
            data[at] ^= <uint8_t> (1 << (roll(dice) & 7))
    return length


cdef void fuzz_line(Line *line, uint64_t *dice) noexcept nogil:
    """A connection of which anything may be known."""
    memset(line, 0, sizeof(Line))
    line.words = <uint32_t> roll(dice)
    line.dialect = <uint8_t> (roll(dice) % 5)
    line.is_datagram = roll(dice) & 3 == 0
    line.has_clock_offset = roll(dice) & 1
    line.clock_offset_s = 3600
    if roll(dice) & 7:
        name_device(line, <const uint8_t *> b"001012600000014", 15)


cdef Status fuzz_planted(const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil:
    """A kernel with one bounds check less."""
    return OK if crc16_x25(raw, length + 1) else FRAMING


cdef bint fuzz_once(const Kernel *kernel, const uint8_t *seed, Py_ssize_t seed_bytes, const uint8_t *other, Py_ssize_t other_bytes,
                    uint64_t *dice, Told *told, FuzzCounts *counts) noexcept nogil:
    """One case, split as a stream and then read as one frame; False when there is no memory.

    The bytes that are read lie in a block of exactly their size.
    """
    cdef uint8_t work[FUZZ_BYTES_MAX]
    cdef Py_ssize_t length = min(seed_bytes, FUZZ_BYTES_MAX)
    cdef Py_ssize_t at = 0, size = 0
    cdef uint8_t *exact
    cdef Line line
    cdef Status status
    memcpy(work, seed, length)
    length = fuzz_change(work, length, other, other_bytes, dice)
    if kernel.repair != NULL and roll(dice) % 10 < 8:
        length = kernel.repair(work, length, FUZZ_BYTES_MAX)
    exact = <uint8_t *> malloc(length)
    if exact == NULL and length:
        return False
    memcpy(exact, work, length)
    fuzz_line(&line, dice)
    if kernel.shape != NULL:
        while stream_next(kernel, exact, length, &line, &at, &size) != WAIT:
            pass
    status = read_frame(kernel, exact, length, &line, FUZZ_NOW_US, told)
    free(exact)
    free(line.kept)
    if status == OK:
        counts.believed += 1
    elif status == HANDOVER:
        counts.handed_over += 1
    else:
        counts.refused += 1
    return True


def fuzz(str name not None, list frames not None, uint64_t seed, int64_t cases):
    """Give ``cases`` damaged frames to the kernel of a protocol; how many were believed, refused and handed over.

    ``planted`` reads one byte too far: only in the sanitize build, to see that the net catches fish.
    """
    cdef Kernel planted
    cdef const Kernel *kernel = &planted
    cdef uint64_t dice = seed * 2 + 1
    cdef FuzzCounts counts
    cdef int64_t left
    cdef bytes one, other
    cdef Told *told
    memset(&planted, 0, sizeof(planted))
    planted.read = fuzz_planted
    if not (SANITIZED and name == "planted"):
        kernel = &KERNELS[<int> KERNEL_NUMBERS[name]]
    memset(&counts, 0, sizeof(counts))
    told = <Told *> malloc(sizeof(Told))
    if told == NULL:
        raise MemoryError
    try:
        while cases > 0:
            for left in range(min(cases, FUZZ_ROUNDS)):
                one, other = frames[roll(&dice) % len(frames)], frames[roll(&dice) % len(frames)]
                if not fuzz_once(kernel, one, len(one), other, len(other), &dice, told, &counts):
                    raise MemoryError
            cases -= FUZZ_ROUNDS
            PyErr_CheckSignals()
    finally:
        free(told)
    return counts.believed, counts.refused, counts.handed_over


def is_sanitized():
    """Is this the build with ASan and UBSan?"""
    return bool(SANITIZED)
