# Kernels: bytes. Numbers, digits and dates as every device protocol writes them.
#
# A caller either proves the length first ("subtract, then compare") and reads at an offset, or lets a Cursor prove it:
# a Cursor that would read past its end gives 0 and remembers that it ran out.

cdef extern from *:
    """
    #ifdef GATEWAY_SANITIZE
    #define SANITIZED 1
    #else
    #define SANITIZED 0
    #endif
    """
    const bint SANITIZED  # the build with ASan and UBSan

cdef struct Cursor:
    const uint8_t *data
    Py_ssize_t length
    Py_ssize_t at
    bint ran_out


cdef inline uint32_t u16be(const uint8_t *data) noexcept nogil:
    return (<uint32_t> data[0] << 8) | data[1]


cdef inline uint32_t u32be(const uint8_t *data) noexcept nogil:
    return (<uint32_t> data[0] << 24) | (<uint32_t> data[1] << 16) | (<uint32_t> data[2] << 8) | data[3]


cdef inline uint64_t uint_be(const uint8_t *data, int count) noexcept nogil:
    """Up to eight bytes, most significant first."""
    cdef uint64_t value = 0
    cdef int at
    for at in range(count):
        value = (value << 8) | data[at]
    return value


cdef inline uint32_t u16le(const uint8_t *data) noexcept nogil:
    return data[0] | (<uint32_t> data[1] << 8)


cdef inline uint32_t u32le(const uint8_t *data) noexcept nogil:
    return data[0] | (<uint32_t> data[1] << 8) | (<uint32_t> data[2] << 16) | (<uint32_t> data[3] << 24)


cdef inline void put_u16be(uint8_t *data, uint32_t value) noexcept nogil:
    data[0] = <uint8_t> (value >> 8 & 0xff)
    data[1] = <uint8_t> (value & 0xff)


cdef inline bint begins(const uint8_t *data, Py_ssize_t length, const char *word, Py_ssize_t count) noexcept nogil:
    return length >= count and memcmp(data, word, count) == 0


cdef inline bint has_left(Cursor *cursor, Py_ssize_t count) noexcept nogil:
    if cursor.ran_out or count < 0 or cursor.length - cursor.at < count:
        cursor.ran_out = True
        return False
    return True


cdef inline uint64_t take_uint(Cursor *cursor, int count) noexcept nogil:
    """The next ``count`` (at most 8) bytes as an unsigned number, most significant first."""
    cdef uint64_t value
    if not has_left(cursor, count):
        return 0
    value = uint_be(cursor.data + cursor.at, count)
    cursor.at += count
    return value


cdef inline void take_skip(Cursor *cursor, Py_ssize_t count) noexcept nogil:
    if has_left(cursor, count):
        cursor.at += count


cdef bint bcd_digits(const uint8_t *data, Py_ssize_t count, char *digits) noexcept nogil:
    """Two ASCII digits a byte into ``digits`` (2 x count, no terminator); False when a nibble is no digit."""
    cdef Py_ssize_t at
    for at in range(count):
        if data[at] >> 4 > 9 or (data[at] & 15) > 9:
            return False
        digits[2 * at] = 48 + (data[at] >> 4)
        digits[2 * at + 1] = 48 + (data[at] & 15)
    return True


cdef inline int bcd_byte(uint8_t byte) noexcept nogil:
    """0-99, or -1 when a nibble is no digit."""
    return -1 if byte >> 4 > 9 or (byte & 15) > 9 else (byte >> 4) * 10 + (byte & 15)


cdef bint luhn_holds(const char *digits, Py_ssize_t count) noexcept nogil:
    """The last digit is the check digit of the others (ISO/IEC 7812-1)."""
    cdef int total = 0, value
    cdef Py_ssize_t at
    for at in range(count):
        value = (digits[count - 1 - at] - 48) * (1 + at % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


cdef inline int full_year(int two_digits) noexcept nogil:
    """00-69 are 20yy and 80-99 are 19yy; 0 for 70-79 and for what has more digits."""
    if two_digits < 70:
        return 2000 + two_digits
    return 1900 + two_digits if 80 <= two_digits <= 99 else 0


cdef bint civil_us(int year, int month, int day, int hour, int minute, int second, int64_t *at_us) noexcept nogil:
    """Unix microseconds of a civil time in UTC; False when no calendar has it. ``year`` 0 is one that nobody knows."""
    cdef int64_t days
    cdef int march_year, year_of_era, month_days = 31
    cdef int64_t era
    if year < 1 or month < 1 or month > 12 or day < 1 or hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return False
    if month == 2:
        month_days = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    elif month == 4 or month == 6 or month == 9 or month == 11:
        month_days = 30
    if day > month_days:
        return False
    # Days since 1970-01-01, in years that begin in March (H. Hinnant, days_from_civil).
    march_year = year - (1 if month <= 2 else 0)
    era = march_year // 400
    year_of_era = march_year % 400
    days = era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100
    days += (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719468
    at_us[0] = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000000
    return True


cdef bint put_stamp(uint8_t *digits, int64_t at_us) noexcept nogil:
    """``yyyymmddhhmmss`` of Unix microseconds in UTC; False outside the years 1970 to 9999."""
    cdef int64_t seconds = at_us // 1000000, days = seconds // 86400, value
    cdef int64_t era, day_of_era, year_of_era, day_of_year, month
    cdef int at
    if at_us < 0 or days > 2932896:
        return False
    # H. Hinnant, civil_from_days.
    days += 719468
    era = days // 146097
    day_of_era = days % 146097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    value = year_of_era + era * 400 + (1 if month >= 10 else 0)
    value = value * 100 + (month + 3 if month < 10 else month - 9)
    value = value * 100 + day_of_year - (153 * month + 2) // 5 + 1
    value = value * 100 + seconds % 86400 // 3600
    value = value * 100 + seconds % 3600 // 60
    value = value * 100 + seconds % 60
    for at in range(14):
        digits[13 - at] = <uint8_t> (48 + value % 10)
        value //= 10
    return True


cdef const uint8_t *lend(const uint8_t *data, Py_ssize_t length) except NULL:
    """The bytes as a kernel gets them. ASan does not see one byte too far in ``bytes``, so its build lends an exact copy."""
    cdef uint8_t *copy
    if not SANITIZED:
        return data
    copy = <uint8_t *> malloc(length)
    if copy == NULL:
        raise MemoryError
    memcpy(copy, data, length)
    return copy


cdef inline void give_back(const uint8_t *lent) noexcept:
    """Ends a ``lend``."""
    if SANITIZED:
        free(<void *> lent)
