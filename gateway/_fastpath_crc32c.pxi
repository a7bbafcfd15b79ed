# Kernels: CRC-32C (Castagnoli) and the journal's record frame, docs/journal-format.md section 3.
#
# Source of the polynomial and of the check value 0xE3069283: RFC 3720, appendix B.4. Slice-by-8: Kounavis and Berry,
# "A Systematic Approach to Building High Performance Software-based CRC Generators", 2005.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcmp, memcpy

cdef enum:
    CRC32C_REFLECTED = 0x82F63B78
    RECORD_MAGIC = 0xE74A
    RECORD_HEAD_BYTES = 40
    RECORD_CRC_AT = 36
    RECORD_BODY_BYTES_MAX = 1 << 23
    RECORD_CLASS_OF_JOURNAL = 0x4A  # "J": the seal at the end of a segment

cdef uint32_t[8][256] crc32c_table


cdef void crc32c_fill() noexcept nogil:
    cdef uint32_t value, slice_
    cdef int byte, bit
    for byte in range(256):
        value = <uint32_t> byte
        for bit in range(8):
            value = (value >> 1) ^ (<uint32_t> CRC32C_REFLECTED if value & 1 else 0)
        crc32c_table[0][byte] = value
    for byte in range(256):
        value = crc32c_table[0][byte]
        for slice_ in range(1, 8):
            value = (value >> 8) ^ crc32c_table[0][value & 0xFF]
            crc32c_table[slice_][byte] = value


crc32c_fill()


cdef inline uint32_t journal_u32be(const uint8_t *at) noexcept nogil:
    return <uint32_t> at[0] << 24 | <uint32_t> at[1] << 16 | <uint32_t> at[2] << 8 | at[3]


cdef inline uint64_t journal_u64be(const uint8_t *at) noexcept nogil:
    return <uint64_t> journal_u32be(at) << 32 | journal_u32be(at + 4)


cdef inline void journal_put_be(uint8_t *at, uint64_t value, int count) noexcept nogil:
    cdef int index
    for index in range(count):
        at[count - 1 - index] = <uint8_t> (value >> (8 * index))


cdef uint32_t crc32c_update(uint32_t before, const uint8_t *data, Py_ssize_t length) noexcept nogil:
    """The CRC of what ``before`` is the CRC of, followed by ``data``."""
    cdef uint32_t crc = before ^ <uint32_t> 0xFFFFFFFF
    cdef uint32_t low
    cdef const uint8_t *at = data
    while length >= 8:
        low = crc ^ (at[0] | <uint32_t> at[1] << 8 | <uint32_t> at[2] << 16 | <uint32_t> at[3] << 24)
        crc = (
            crc32c_table[7][low & 0xFF] ^ crc32c_table[6][(low >> 8) & 0xFF]
            ^ crc32c_table[5][(low >> 16) & 0xFF] ^ crc32c_table[4][low >> 24]
            ^ crc32c_table[3][at[4]] ^ crc32c_table[2][at[5]] ^ crc32c_table[1][at[6]] ^ crc32c_table[0][at[7]]
        )
        at += 8
        length -= 8
    while length > 0:
        crc = (crc >> 8) ^ crc32c_table[0][(crc ^ at[0]) & 0xFF]
        at += 1
        length -= 1
    return crc ^ <uint32_t> 0xFFFFFFFF


cdef Py_ssize_t record_bytes_at(const uint8_t *at, Py_ssize_t length, uint32_t mark) noexcept nogil:
    """Bytes of the whole record that stands at ``at``; 0 when no valid one does. ``mark`` 0: of any segment."""
    cdef Py_ssize_t body_bytes
    cdef uint32_t crc
    if length < RECORD_HEAD_BYTES or at[0] != RECORD_MAGIC >> 8 or at[1] != (RECORD_MAGIC & 0xFF):
        return 0
    if mark != 0 and journal_u32be(at + 32) != mark:
        return 0
    body_bytes = <Py_ssize_t> journal_u32be(at + 8)
    if body_bytes > RECORD_BODY_BYTES_MAX or body_bytes > length - RECORD_HEAD_BYTES:
        return 0
    crc = crc32c_update(0, at, RECORD_CRC_AT)
    crc = crc32c_update(crc, at + RECORD_HEAD_BYTES, body_bytes)
    return RECORD_HEAD_BYTES + body_bytes if crc == journal_u32be(at + RECORD_CRC_AT) else 0


def crc32c(bytes data not None, uint32_t before=0):
    """CRC-32C of ``data``; ``before`` is the CRC of what stood before it."""
    return crc32c_update(before, <const uint8_t *> PyBytes_AS_STRING(data), len(data))


def seal_record(bytes body not None, uint8_t urgency, uint16_t flags, uint32_t key_id, uint64_t seq, uint64_t at_us, uint32_t mark):
    """The bytes of one journal record, checksum included."""
    cdef Py_ssize_t body_bytes = len(body)
    if body_bytes > RECORD_BODY_BYTES_MAX:
        raise ValueError(f"a record's body has at most {RECORD_BODY_BYTES_MAX} bytes, this one has {body_bytes}")
    cdef bytes record = PyBytes_FromStringAndSize(NULL, RECORD_HEAD_BYTES + body_bytes)
    cdef uint8_t *at = <uint8_t *> PyBytes_AS_STRING(record)
    cdef uint32_t crc
    journal_put_be(at, RECORD_MAGIC, 2)
    at[2] = 1
    at[3] = urgency
    journal_put_be(at + 4, flags, 2)
    journal_put_be(at + 6, 0, 2)
    journal_put_be(at + 8, <uint64_t> body_bytes, 4)
    journal_put_be(at + 12, key_id, 4)
    journal_put_be(at + 16, seq, 8)
    journal_put_be(at + 24, at_us, 8)
    journal_put_be(at + 32, mark, 4)
    memcpy(at + RECORD_HEAD_BYTES, PyBytes_AS_STRING(body), body_bytes)
    crc = crc32c_update(0, at, RECORD_CRC_AT)
    journal_put_be(at + RECORD_CRC_AT, crc32c_update(crc, at + RECORD_HEAD_BYTES, body_bytes), 4)
    return record


def record_bytes(bytes data not None, Py_ssize_t offset, uint32_t mark):
    """Length of the valid record at ``offset``; 0 when none stands there. ``mark`` 0: of any segment."""
    if offset < 0 or offset > len(data):
        return 0
    return record_bytes_at(<const uint8_t *> PyBytes_AS_STRING(data) + offset, len(data) - offset, mark)


def walk_records(bytes data not None, Py_ssize_t offset, Py_ssize_t stop, uint32_t mark, uint64_t after_seq):
    """Walk valid records whose numbers rise above ``after_seq``, from ``offset`` until one begins at or after ``stop``.

    Stops early at the first byte that begins no such record, and at a seal.
    Returns: (offset reached, records, first seq, last seq); the numbers are 0 and ``after_seq`` without a record.
    """
    cdef const uint8_t *base = <const uint8_t *> PyBytes_AS_STRING(data)
    cdef Py_ssize_t length = len(data)
    cdef Py_ssize_t at = offset
    cdef Py_ssize_t size
    cdef uint64_t seq, first = 0, last = after_seq
    cdef Py_ssize_t count = 0
    if offset < 0:
        return offset, 0, 0, after_seq
    while at < stop and at < length:
        size = record_bytes_at(base + at, length - at, mark)
        if size == 0 or base[at + 3] == RECORD_CLASS_OF_JOURNAL:
            break
        seq = journal_u64be(base + at + 16)
        if seq <= last:
            break
        if count == 0:
            first = seq
        last = seq
        count += 1
        at += size
    return at, count, first, last


# ------------------------------------------------------------------------------ looking into bodies without decoding
#
# A start reads millions of records and needs few of them; so does the story of one alarm. The checksums were checked
# by the walk before; here every step still stays inside its bytes.

cdef extern from "string.h" nogil:
    void *memmem(const void *haystack, size_t haystack_bytes, const void *needle, size_t needle_bytes)


cdef struct Peek:
    const uint8_t *name  # of the event; NULL when the body does not begin with one
    Py_ssize_t name_bytes
    const uint8_t *alarm_id  # NULL when the event's first field is another one
    Py_ssize_t alarm_id_bytes


cdef Py_ssize_t framed_bytes_at(const uint8_t *at, Py_ssize_t length, uint32_t mark) noexcept nogil:
    """Bytes of the record framed at ``at``, unchecked; 0 when nothing that looks like one of this segment stands there."""
    cdef Py_ssize_t body_bytes
    if length < RECORD_HEAD_BYTES or at[0] != RECORD_MAGIC >> 8 or at[1] != (RECORD_MAGIC & 0xFF) or journal_u32be(at + 32) != mark:
        return 0
    body_bytes = <Py_ssize_t> journal_u32be(at + 8)
    return 0 if body_bytes > length - RECORD_HEAD_BYTES else RECORD_HEAD_BYTES + body_bytes


cdef const uint8_t *take_text(const uint8_t *at, const uint8_t *end, Py_ssize_t *size) noexcept nogil:
    """The MessagePack text (up to 255 bytes) at ``at``; NULL when there is none. What follows is at its end."""
    if end - at >= 1 and at[0] & 0xE0 == 0xA0:
        size[0] = at[0] & 0x1F
        at += 1
    elif end - at >= 2 and at[0] == 0xD9:
        size[0] = at[1]
        at += 2
    else:
        return NULL
    return at if size[0] <= end - at else NULL


cdef void peek_body(const uint8_t *at, const uint8_t *end, Peek *found) noexcept nogil:
    """The event's name and alarm, where the map begins with them, as every map of ours does."""
    cdef Py_ssize_t size = 0
    cdef const uint8_t *text
    found.name = found.alarm_id = NULL
    if end - at < 1:
        return
    at += 1 if at[0] & 0xF0 == 0x80 else 3 if at[0] == 0xDE else 5
    if end - at < 2 or at[0] != 0xA1 or at[1] != 0x74:  # "t"
        return
    text = take_text(at + 2, end, &size)
    if text == NULL:
        return
    found.name, found.name_bytes = text, size
    at = take_text(text + size, end, &size)
    if at != NULL and size == 8 and memcmp(at, b"alarm_id", 8) == 0:
        text = take_text(at + 8, end, &size)
        if text != NULL:
            found.alarm_id, found.alarm_id_bytes = text, size


def records_naming(bytes data not None, uint32_t mark, bytes text not None):
    """Offsets of the records whose body holds ``text``, and of the record just before each.

    Returns: (offsets, -1 among them for the last record before these bytes; where the last record stands; where the walk ended).
    """
    cdef const uint8_t *base = <const uint8_t *> PyBytes_AS_STRING(data)
    cdef Py_ssize_t size, offset = 0, before = -1, listed = -2
    cdef list found = []
    while (size := framed_bytes_at(base + offset, len(data) - offset, mark)) != 0:
        if memmem(base + offset + RECORD_HEAD_BYTES, size - RECORD_HEAD_BYTES, PyBytes_AS_STRING(text), len(text)) != NULL:
            if before != listed:
                found.append(before)
            found.append(offset)
            listed = offset
        before = offset
        offset += size
    return found, before, offset


def ended_alarms(bytes data not None, uint32_t mark, frozenset names not None, uint64_t before_us, set ended not None):
    """Add to ``ended`` the alarm of every record with one of these events that was written before ``before_us``."""
    cdef const uint8_t *base = <const uint8_t *> PyBytes_AS_STRING(data)
    cdef Py_ssize_t size, offset = 0
    cdef Peek peek
    while (size := framed_bytes_at(base + offset, len(data) - offset, mark)) != 0:
        if journal_u64be(base + offset + 24) < before_us:
            peek_body(base + offset + RECORD_HEAD_BYTES, base + offset + size, &peek)
            if peek.alarm_id != NULL and peek.name[:peek.name_bytes] in names:
                ended.add(peek.alarm_id[:peek.alarm_id_bytes])
        offset += size


def lasting_records(bytes data not None, uint32_t mark, set ended not None, uint64_t before_us):
    """Offsets of the records that are not older than ``before_us``, or of an alarm that is not in ``ended``.

    Returns: (offsets, where the walk ended).
    """
    cdef const uint8_t *base = <const uint8_t *> PyBytes_AS_STRING(data)
    cdef Py_ssize_t size, offset = 0
    cdef Peek peek
    cdef list found = []
    while (size := framed_bytes_at(base + offset, len(data) - offset, mark)) != 0:
        if journal_u64be(base + offset + 24) >= before_us:
            found.append(offset)
        else:
            peek_body(base + offset + RECORD_HEAD_BYTES, base + offset + size, &peek)
            if peek.name == NULL or (peek.alarm_id != NULL and peek.alarm_id[:peek.alarm_id_bytes] not in ended):
                found.append(offset)
        offset += size
    return found, offset
