# Kernels: text fields. The twin of protocols/fields.py: same names, same order, the same bit in every answer.
#
# What is on whole numbers there is on whole numbers here. A decimal number with more digits than a double holds exactly is
# NUMBER_RARE: the frame is handed over.

cdef enum:
    DIGITS_EXACT = 15  # so many a double holds

cdef enum Number:
    NUMBER_NONE
    NUMBER_READ
    NUMBER_RARE

cdef struct Field:
    const uint8_t *data
    Py_ssize_t length

cdef double TENS[16]
TENS[:] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]
cdef double KMH_PER_KNOT = 1.852
cdef double KMH_PER_MPH = 1.609344
cdef int64_t E7 = 10000000


# ------------------------------------------------------------------------------------------------- characters


cdef inline bint is_digit(uint8_t byte) noexcept nogil:
    return 48 <= byte <= 57


cdef inline bint all_digits(const uint8_t *data, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t at
    for at in range(count):
        if not is_digit(data[at]):
            return False
    return True


cdef inline int hex_value(uint8_t byte) noexcept nogil:
    """0-15, or -1."""
    if 48 <= byte <= 57:
        return byte - 48
    byte |= 0x20
    return byte - 87 if 97 <= byte <= 102 else -1


cdef inline bint is_ascii_letter(uint8_t byte) noexcept nogil:
    return 97 <= (byte | 0x20) <= 122


cdef inline bint is_alphanumeric(uint8_t byte) noexcept nogil:
    return is_digit(byte) or is_ascii_letter(byte)


cdef inline bint is_blank(uint8_t byte) noexcept nogil:
    """What a pattern of bytes calls \\s."""
    return byte == 32 or 9 <= byte <= 13


cdef inline int two_digits(const uint8_t *data) noexcept nogil:
    """The caller knows that they are digits."""
    return (data[0] - 48) * 10 + data[1] - 48


# ----------------------------------------------------------------------------------------------------- fields


cdef inline Field stripped(const uint8_t *data, Py_ssize_t length) noexcept nogil:
    """Without blanks around it."""
    cdef Field field
    while length and data[0] == 32:
        data += 1
        length -= 1
    while length and data[length - 1] == 32:
        length -= 1
    field.data = data
    field.length = length
    return field


cdef inline Py_ssize_t take_field(const uint8_t *data, Py_ssize_t length, Py_ssize_t at, uint8_t separator, Field *field) noexcept nogil:
    """The field that starts at ``at``, without blanks; returns where the next one starts, or length + 1 when there is none.
    A field that is not there is empty."""
    cdef Py_ssize_t end = at
    if at > length:
        field.data = data
        field.length = 0
        return at
    while end < length and data[end] != separator:
        end += 1
    field[0] = stripped(data + at, end - at)
    return end + 1


cdef inline int split_fields(const uint8_t *data, Py_ssize_t length, uint8_t separator, Field *fields, int fields_max) noexcept nogil:
    """All fields, blanks stripped; those that are not there are empty. How many there are: above ``fields_max`` when there was no room."""
    cdef Py_ssize_t at = 0
    cdef int count = 0, number
    while at <= length and count < fields_max:
        at = take_field(data, length, at, separator, &fields[count])
        count += 1
    for number in range(count, fields_max):
        fields[number].data = data
        fields[number].length = 0
    return count if at > length else fields_max + 1


cdef inline bint is_letter(Field field, uint8_t letter) noexcept nogil:
    return field.length == 1 and field.data[0] == letter


cdef inline bint is_word(Field field, const char *word, Py_ssize_t count) noexcept nogil:
    return field.length == count and memcmp(field.data, word, count) == 0


cdef inline bint is_digits(Field field, Py_ssize_t count) noexcept nogil:
    """Exactly so many digits, and no blank."""
    return field.length == count and all_digits(field.data, count)


cdef inline bint is_hex(Field field, Py_ssize_t count) noexcept nogil:
    """Exactly so many hexadecimal digits, and no blank."""
    cdef Py_ssize_t at
    if field.length != count:
        return False
    for at in range(count):
        if hex_value(field.data[at]) < 0:
            return False
    return True


# ---------------------------------------------------------------------------------------------------- numbers


cdef inline Number decimal(Field field, double *value) noexcept nogil:
    """``[+-]digits[.digits]``, at most ten of each."""
    cdef uint64_t mantissa = 0
    cdef Py_ssize_t at = 0, count = 0, part = 0
    cdef bint is_negative = False
    if field.length and (field.data[0] == 45 or field.data[0] == 43):
        is_negative = field.data[0] == 45
        at = 1
    while at < field.length and is_digit(field.data[at]) and count <= 10:
        mantissa = mantissa * 10 + field.data[at] - 48
        at += 1
        count += 1
    if count == 0 or count > 10:
        return NUMBER_NONE
    if at < field.length and field.data[at] == 46:
        at += 1
        while at < field.length and is_digit(field.data[at]) and part <= 10:
            if count + part < DIGITS_EXACT:
                mantissa = mantissa * 10 + field.data[at] - 48
            at += 1
            part += 1
    if at != field.length or part > 10:
        return NUMBER_NONE
    if count + part > DIGITS_EXACT:
        return NUMBER_RARE
    # Both are exact, so the quotient is the double nearest to what stands there.
    value[0] = <double> mantissa / TENS[part]
    if is_negative:
        value[0] = -value[0]
    return NUMBER_READ


cdef inline int64_t whole(Field field, int64_t value_max) noexcept nogil:
    """One to ten digits without a sign, up to ``value_max``; else -1."""
    cdef int64_t value = 0
    cdef Py_ssize_t at
    if field.length < 1 or field.length > 10:
        return -1
    for at in range(field.length):
        if not is_digit(field.data[at]):
            return -1
        value = value * 10 + field.data[at] - 48
    return value if value <= value_max else -1


cdef int64_t WHOLE_MAX = 9999999999


cdef inline int64_t hexadecimal(Field field) noexcept nogil:
    """One to eight hexadecimal digits, or -1."""
    cdef int64_t value = 0
    cdef Py_ssize_t at
    cdef int digit
    if field.length < 1 or field.length > 8:
        return -1
    for at in range(field.length):
        digit = hex_value(field.data[at])
        if digit < 0:
            return -1
        value = value << 4 | digit
    return value


cdef inline void put_percent(Reading *reading, Field field) noexcept nogil:
    """The battery: a number from 0 to 100."""
    cdef int64_t value = whole(field, 100)
    if value >= 0:
        reading.battery_percent = <double> value
        reading.has |= HAS_BATTERY_PERCENT


cdef inline bint put_course(Reading *reading, Field field) noexcept nogil:
    """Degrees from 0 to 360; False when the reference must read it."""
    cdef Number got = decimal(field, &reading.course_deg)
    if got == NUMBER_READ and 0 <= reading.course_deg <= 360:
        reading.has |= HAS_COURSE
    return got != NUMBER_RARE


cdef inline bint put_speed(Reading *reading, Field field, double kmh) noexcept nogil:
    """A speed of at least 0, ``kmh`` km/h a unit; False when the reference must read it."""
    cdef Number got = decimal(field, &reading.speed_kmh)
    if got == NUMBER_READ and reading.speed_kmh >= 0:
        reading.speed_kmh *= kmh
        reading.has |= HAS_SPEED
    return got != NUMBER_RARE


cdef inline bint put_altitude(Reading *reading, Field field) noexcept nogil:
    """Metres; False when the reference must read it."""
    cdef Number got = decimal(field, &reading.altitude_m)
    if got == NUMBER_READ:
        reading.has |= HAS_ALTITUDE
    return got != NUMBER_RARE


cdef inline bint put_cell(Reading *reading, int64_t mcc, int64_t mnc, int64_t lac, int64_t cid) noexcept nogil:
    """One radio cell more; False when it is too large for us, or there are too many."""
    cdef CellReading *cell = &reading.cells[reading.cell_count]
    if reading.cell_count == CELLS_MAX or mcc > 65535 or mnc > 65535 or lac >> 32:
        return False
    cell.mcc, cell.mnc = <uint16_t> mcc, <uint16_t> mnc
    cell.lac, cell.cid = <uint32_t> lac, <uint64_t> cid
    cell.has_rssi = False
    reading.cell_count += 1
    return True


# --------------------------------------------------------------------------------------------------- positions


cdef inline bint degrees_e7(Field field, int64_t *value_e7) noexcept nogil:
    """Signed decimal degrees x 10^7, the nearest whole number (half away from zero)."""
    cdef int64_t units = 0, parts = 0
    cdef Py_ssize_t at = 0, count = 0, part = 0
    cdef bint is_negative = False
    if field.length and (field.data[0] == 45 or field.data[0] == 43):
        is_negative = field.data[0] == 45
        at = 1
    while at < field.length and is_digit(field.data[at]) and count <= 10:
        units = units * 10 + field.data[at] - 48
        at += 1
        count += 1
    if count == 0 or count > 10:
        return False
    if at < field.length and field.data[at] == 46:
        at += 1
        while at < field.length and is_digit(field.data[at]) and part <= 10:
            if part < 8:
                parts = parts * 10 + field.data[at] - 48
            at += 1
            part += 1
    if at != field.length or part > 10:
        return False
    while part < 8:
        parts *= 10
        part += 1
    value_e7[0] = (units * 100000000 + parts + 5) // 10
    if is_negative:
        value_e7[0] = -value_e7[0]
    return True


cdef inline bint minutes_of(int64_t degrees, int64_t minutes, int64_t part, int64_t scale, Field hemisphere, int64_t *value_e7) noexcept nogil:
    """Degrees, minutes and their decimals (``part`` of ``scale``) with N, S, E or W as degrees x 10^7."""
    cdef uint8_t letter = hemisphere.data[0] if hemisphere.length == 1 else 0
    if (letter != 78 and letter != 83 and letter != 69 and letter != 87) or minutes >= 60:
        return False
    value_e7[0] = degrees * E7 + ((minutes * scale + part) * E7 + 30 * scale) // (60 * scale)
    if letter == 83 or letter == 87:
        value_e7[0] = -value_e7[0]
    return True


cdef inline bint minutes_e7(Field field, Field hemisphere, int64_t *value_e7) noexcept nogil:
    """``ddmm.mmmm`` or ``dddmm.mmmm`` with N, S, E or W as degrees x 10^7, the nearest whole number (half away from zero)."""
    cdef int64_t degrees = 0, scale = 1, part = 0
    cdef Py_ssize_t dot = 0, at
    while dot < field.length and dot < 6 and is_digit(field.data[dot]):
        dot += 1
    if dot < 3 or dot > 5 or field.length - dot < 2 or field.length - dot > 9 or field.data[dot] != 46:
        return False
    for at in range(dot - 2):
        degrees = degrees * 10 + field.data[at] - 48
    for at in range(dot + 1, field.length):
        if not is_digit(field.data[at]):
            return False
        part = part * 10 + field.data[at] - 48
        scale *= 10
    return minutes_of(degrees, two_digits(field.data + dot - 2), part, scale, hemisphere, value_e7)


cdef inline bint on_globe(int64_t lat_e7, int64_t lon_e7) noexcept nogil:
    """A place that exists and was measured: 0, 0 is what receivers write that have none."""
    return -900000000 <= lat_e7 <= 900000000 and -1800000000 <= lon_e7 <= 1800000000 and (lat_e7 != 0 or lon_e7 != 0)


cdef inline bint put_fix(Reading *reading, int64_t lat_e7, int64_t lon_e7, bint valid) noexcept nogil:
    """The position, when it is one, at the time of the event. Whoever has no fix has no speed, course, ... either."""
    if not on_globe(lat_e7, lon_e7):
        return False
    reading.lat_e7 = <int32_t> lat_e7
    reading.lon_e7 = <int32_t> lon_e7
    reading.fix_valid = valid
    reading.has |= HAS_FIX
    if reading.has & HAS_EVENT_AT:
        reading.fix_at_us = reading.event_at_us
        reading.has |= HAS_FIX_AT
    return True


# ------------------------------------------------------------------------------------------------------- times


cdef inline bint clock_us(int year, const uint8_t *month, const uint8_t *day, const uint8_t *clock, int64_t ahead_us, int64_t *at_us) noexcept nogil:
    if not civil_us(year, two_digits(month), two_digits(day), two_digits(clock), two_digits(clock + 2), two_digits(clock + 4), at_us):
        return False
    at_us[0] -= ahead_us
    return True


cdef inline bint day_first_us(Field date, Field time, int64_t ahead_us, int64_t *at_us) noexcept nogil:
    """``ddmmyy`` and ``hhmmss`` as Unix microseconds in UTC, for a clock that is ``ahead_us`` ahead of it."""
    if date.length != 6 or time.length != 6 or not all_digits(date.data, 6) or not all_digits(time.data, 6):
        return False
    return clock_us(full_year(two_digits(date.data + 4)), date.data + 2, date.data, time.data, ahead_us, at_us)


cdef inline bint year_first_us(Field date, Field time, int64_t ahead_us, int64_t *at_us) noexcept nogil:
    """``yymmdd`` or ``yyyymmdd``, and ``hhmmss``."""
    cdef int year
    cdef const uint8_t *month
    if (date.length != 6 and date.length != 8) or time.length != 6 or not all_digits(date.data, date.length) or not all_digits(time.data, 6):
        return False
    year = two_digits(date.data)
    year = full_year(year) if date.length == 6 else 100 * year + two_digits(date.data + 2)
    month = date.data + date.length - 4
    return clock_us(year, month, month + 2, time.data, ahead_us, at_us)
