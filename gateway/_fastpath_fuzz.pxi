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


cdef void fuzz_repair_gt06(uint8_t *data, Py_ssize_t length) noexcept nogil:
    cdef uint16_t crc
    if length < 10:
        return
    data[1] = data[0] = 0x79 if data[0] == 0x79 or length > 260 else 0x78
    if data[0] == 0x78:
        data[2] = <uint8_t> (length - 5)
    else:
        data[2], data[3] = <uint8_t> ((length - 6) >> 8), <uint8_t> ((length - 6) & 0xff)
    crc = crc16_x25(data + 2, length - 6)
    data[length - 4], data[length - 3] = <uint8_t> (crc >> 8), <uint8_t> (crc & 0xff)
    data[length - 2], data[length - 1] = 0x0d, 0x0a


cdef void fuzz_repair_teltonika(uint8_t *data, Py_ssize_t length) noexcept nogil:
    cdef uint16_t crc
    if length < 12 or u32be(data) != 0:
        return
    data[4] = data[5] = 0
    data[6], data[7] = <uint8_t> ((length - 12) >> 8), <uint8_t> ((length - 12) & 0xff)
    crc = crc16_arc(data + 8, length - 12)
    data[length - 4] = data[length - 3] = 0
    data[length - 2], data[length - 1] = <uint8_t> (crc >> 8), <uint8_t> (crc & 0xff)


cdef Status fuzz_gt06(const uint8_t *data, Py_ssize_t length, uint64_t dice) noexcept nogil:
    """Everything that Gt06 does with bytes: the splitter, then one whole frame as each dialect reads it."""
    cdef Gt06Split split
    cdef Gt06Dialect dialect
    cdef Reading reading
    cdef Fault fault
    cdef char digits[16]
    cdef uint8_t reply[GT06_REPLY_BYTES]
    cdef int32_t zone_s
    cdef Py_ssize_t at = 0, size = 0
    memset(&split, 0, sizeof(split))
    while gt06_next(data, length, &split, &at, &size) != GT06_WAIT:
        pass
    cdef Status status = gt06_require(data, length, &fault)
    if status != OK:
        return status
    dialect.alarm_codes = &GT06_CODES_VL[0] if dice & 1 else &GT06_CODES[0]
    dialect.removed = KIND_OVERSPEED
    dialect.driver_card_bytes = 8 if dice & 1 else 0
    dialect.voltage_word = dice & 2 != 0
    gt06_put_reply(data, length, reply)
    if data[3 if data[0] == 0x78 else 4] == GT06_LOGIN:
        return gt06_login(data, length, digits, &zone_s, &reading, &fault)
    return gt06_report(data, length, &dialect, 3600000000, &reading, &fault)


cdef Status fuzz_teltonika(const uint8_t *data, Py_ssize_t length, uint64_t dice) noexcept nogil:
    """The splitter, then the data of a whole packet, record by record."""
    cdef TeltonikaSplit split
    cdef TeltonikaHabits habits
    cdef TeltonikaLayout layout
    cdef Cursor cursor
    cdef Reading reading
    cdef Py_ssize_t at = 0, size = 0
    cdef Status status
    memset(&split, 0, sizeof(split))
    while teltonika_next(data, length, &split, &at, &size) != TELTONIKA_WAIT:
        pass
    if length < 12:
        return LENGTH
    habits.has_wide = dice & 1 != 0
    habits.panic_is_routine = dice & 2 != 0
    habits.is_vehicle = dice & 4 != 0
    status = teltonika_data(data + 8, length - 12, &habits, &layout, &cursor)
    if status != OK:
        return status
    for at in range(data[9]):
        status = teltonika_record(&cursor, &layout, &habits, FUZZ_NOW_US, &reading)
        if status != OK:
            return status
    return teltonika_end(&cursor)


cdef Status fuzz_watch(const uint8_t *data, Py_ssize_t length, uint64_t dice) noexcept nogil:
    """The splitter at the front, then the content behind the header."""
    cdef WatchHeader header
    cdef Reading reading
    cdef Py_ssize_t last = 0
    cdef bint is_wrong = False
    cdef uint8_t reply[WATCH_REPLY_BYTES_MAX]
    cdef Status status
    if length == 0:
        return LENGTH
    watch_frame_bytes(data, length, &header, &last, &is_wrong)
    if data[length - 1] != 93 or not watch_header(data, length, &header):
        return FRAMING
    status = watch_report(data + header.end, length - header.end - 1, header.size, 0, &reading)
    if status == OK:
        watch_put_reply(data, &header, data + header.end, reply)
    return status


cdef bint fuzz_once(int target, const uint8_t *seed, Py_ssize_t seed_bytes, const uint8_t *other, Py_ssize_t other_bytes, uint64_t *dice,
                    FuzzCounts *counts) noexcept nogil:
    """One case; False when there is no memory. The bytes that are read lie in a block of exactly their size."""
    cdef uint8_t work[FUZZ_BYTES_MAX]
    cdef Py_ssize_t length = min(seed_bytes, FUZZ_BYTES_MAX)
    cdef uint8_t *exact
    cdef Status status
    memcpy(work, seed, length)
    length = fuzz_change(work, length, other, other_bytes, dice)
    if roll(dice) % 10 < 8:
        if target == 0 or target == 3:
            fuzz_repair_gt06(work, length)
        elif target == 1:
            fuzz_repair_teltonika(work, length)
    exact = <uint8_t *> malloc(length)
    if exact == NULL and length:
        return False
    memcpy(exact, work, length)
    if target == 0:
        status = fuzz_gt06(exact, length, roll(dice))
    elif target == 1:
        status = fuzz_teltonika(exact, length, roll(dice))
    elif target == 2:
        status = fuzz_watch(exact, length, roll(dice))
    else:
        status = OK if crc16_x25(exact, length + 1) else FRAMING  # the planted fault
    free(exact)
    if status == OK:
        counts.believed += 1
    elif status == HANDOVER:
        counts.handed_over += 1
    else:
        counts.refused += 1
    return True


def fuzz(str name not None, list frames not None, uint64_t seed, int64_t cases):
    """Give ``cases`` damaged frames to the kernels of a twin; how many were believed, refused and handed over.

    ``planted`` reads one byte too far: only in the sanitize build, to see that the net catches fish.
    """
    cdef dict targets = {"gt06": 0, "teltonika": 1, "watch": 2}
    if SANITIZED:
        targets["planted"] = 3
    cdef int target = targets[name]
    cdef uint64_t dice = seed * 2 + 1
    cdef FuzzCounts counts
    cdef int64_t left
    cdef bytes one, other
    memset(&counts, 0, sizeof(counts))
    while cases > 0:
        for left in range(min(cases, FUZZ_ROUNDS)):
            one, other = frames[roll(&dice) % len(frames)], frames[roll(&dice) % len(frames)]
            if not fuzz_once(target, one, len(one), other, len(other), &dice, &counts):
                raise MemoryError
        cases -= FUZZ_ROUNDS
        PyErr_CheckSignals()
    return counts.believed, counts.refused, counts.handed_over


def is_sanitized():
    """Is this the build with ASan and UBSan?"""
    return bool(SANITIZED)
