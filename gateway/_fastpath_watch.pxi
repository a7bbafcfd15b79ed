# Kernels: watch. The twin of protocols/watch.py: the splitter, keep-alives, positions and alarms.
#
# Frames with control bytes, with a status or time that cannot be read, or with more numbers than a double
# holds exactly are handed over. Read it beside watch.py: same names, same order.

cdef enum:
    WATCH_CONTENT_BYTES_MAX = 2048
    WATCH_STUFFED_BYTES_MAX = 4096
    WATCH_HEADER_BYTES_MAX = 31
    WATCH_ID_DIGITS_MIN = 8
    WATCH_ID_DIGITS_MAX = 16
    WATCH_DIGITS_EXACT = 15  # so many a double holds
    WATCH_FIELDS = 18  # type to cell count
    WATCH_REPLY_BYTES_MAX = 40

cdef enum WatchEnd:
    WATCH_WAIT = 0
    WATCH_NO_FRAME = -1
    WATCH_ASK = -2  # the reference knows whether the last bracket ends the frame

cdef enum:
    WATCH_TYPE, WATCH_DATE, WATCH_TIME, WATCH_VALID, WATCH_LAT, WATCH_NS, WATCH_LON, WATCH_EW, WATCH_SPEED, WATCH_COURSE
    WATCH_ALTITUDE, WATCH_SATELLITES, WATCH_SIGNAL, WATCH_BATTERY, WATCH_STEPS, WATCH_ROLLS, WATCH_STATUS, WATCH_CELLS

cdef struct WatchHeader:
    Py_ssize_t id_at
    Py_ssize_t id_bytes
    Py_ssize_t index_at  # 0: none
    Py_ssize_t size  # what the length field says
    Py_ssize_t end  # where the content begins

cdef struct WatchSplit:
    Py_ssize_t start
    int64_t skipped_bytes

cdef struct Field:
    const uint8_t *data
    Py_ssize_t length

cdef enum Number:
    NUMBER_NONE
    NUMBER_READ
    NUMBER_RARE  # has more digits than a double holds: the reference reads it

cdef uint32_t WATCH_ALARM_BITS = 0x007f4000
cdef uint32_t WATCH_KNOWN_BITS = 0x007f401f
cdef uint64_t WATCH_STATUS_KINDS[32]
memset(WATCH_STATUS_KINDS, 0, sizeof(WATCH_STATUS_KINDS))
WATCH_STATUS_KINDS[0] = WATCH_STATUS_KINDS[17] = Kind.BATTERY_LOW
WATCH_STATUS_KINDS[1] = WATCH_STATUS_KINDS[18] = Kind.GEOFENCE_EXIT
WATCH_STATUS_KINDS[2] = WATCH_STATUS_KINDS[19] = Kind.GEOFENCE_ENTER
WATCH_STATUS_KINDS[14] = Kind.POWER_CUT
WATCH_STATUS_KINDS[16] = Kind.SOS_BUTTON
WATCH_STATUS_KINDS[20] = Kind.STRAP_CUT
WATCH_STATUS_KINDS[21] = WATCH_STATUS_KINDS[22] = Kind.FALL
cdef double TENS[16]
TENS[:] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]


# ------------------------------------------------------------------------------------------------- the splitter


cdef inline bint is_digit(uint8_t byte) noexcept nogil:
    return 48 <= byte <= 57


cdef inline int hex_value(uint8_t byte) noexcept nogil:
    """0-15, or -1."""
    if 48 <= byte <= 57:
        return byte - 48
    byte |= 0x20
    return byte - 87 if 97 <= byte <= 102 else -1


cdef inline bint is_alphanumeric(uint8_t byte) noexcept nogil:
    return is_digit(byte) or 97 <= (byte | 0x20) <= 122


cdef inline bint is_blank(uint8_t byte) noexcept nogil:
    return byte == 32 or 9 <= byte <= 13


cdef Py_ssize_t watch_hex4(const uint8_t *data, Py_ssize_t left) noexcept nogil:
    """The number in ``HHHH*``, or -1."""
    cdef Py_ssize_t value = 0
    cdef int at, digit
    if left < 5 or data[4] != 42:
        return -1
    for at in range(4):
        digit = hex_value(data[at])
        if digit < 0:
            return -1
        value = value << 4 | digit
    return value


cdef Py_ssize_t watch_id(const uint8_t *data, Py_ssize_t left) noexcept nogil:
    """Digits in ``[MM*digits*``, or -1 when that does not stand here."""
    cdef Py_ssize_t at = 4
    if left < 4 or data[0] != 91 or not is_alphanumeric(data[1]) or not is_alphanumeric(data[2]) or data[3] != 42:
        return -1
    while at < left and is_digit(data[at]):
        at += 1
    if at >= left or data[at] != 42 or at - 4 < WATCH_ID_DIGITS_MIN or at - 4 > WATCH_ID_DIGITS_MAX:
        return -1
    return at - 4


cdef bint watch_header(const uint8_t *data, Py_ssize_t left, WatchHeader *header) noexcept nogil:
    """``[MM*id*length*`` or ``[MM*id*index*length*``."""
    cdef Py_ssize_t at, first, second
    header.id_at = 4
    header.id_bytes = watch_id(data, left)
    if header.id_bytes < 0:
        return False
    at = 5 + header.id_bytes
    first = watch_hex4(data + at, left - at)
    if first < 0:
        return False
    second = watch_hex4(data + at + 5, left - at - 5)
    header.index_at = at if second >= 0 else 0
    header.size = second if second >= 0 else first
    header.end = at + (10 if second >= 0 else 5)
    return True


cdef Py_ssize_t watch_next_frame(const uint8_t *data, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Where a ``]`` stands behind which another frame begins, or -1."""
    cdef Py_ssize_t at, behind
    for at in range(start, stop):
        if data[at] == 93:
            behind = at + 1
            while behind < stop and is_blank(data[behind]):
                behind += 1
            if watch_id(data + behind, stop - behind) >= 0:
                return at
    return -1


cdef Py_ssize_t watch_content_end(const uint8_t *data, Py_ssize_t left, Py_ssize_t start, Py_ssize_t size) noexcept nogil:
    """Where content of ``size`` unstuffed bytes ends; beyond the buffer when it does not hold that many."""
    cdef Py_ssize_t end = start + size, at = start
    while at < end and left - at >= 2:
        if data[at] == 0x7d and 1 <= data[at + 1] <= 5:
            end += 1
            at += 1
        at += 1
    return end


cdef Py_ssize_t watch_frame_bytes(const uint8_t *data, Py_ssize_t left, WatchHeader *header, Py_ssize_t *last, bint *is_wrong) noexcept nogil:
    """Size of the frame at the front, or one of WatchEnd; with WATCH_ASK, where the last bracket stands."""
    cdef Py_ssize_t start, stop, end, following, at
    if not watch_header(data, left, header):
        if data[0] != 91 or left >= WATCH_HEADER_BYTES_MAX:
            return WATCH_NO_FRAME
        for at in range(1, left):
            if data[at] == 91:
                return WATCH_NO_FRAME
        return WATCH_WAIT
    start = header.end
    stop = start + WATCH_STUFFED_BYTES_MAX + 1
    end = watch_content_end(data, left, start, header.size) if header.size <= WATCH_CONTENT_BYTES_MAX else left + 1
    following = watch_next_frame(data, start, min(left, stop + WATCH_HEADER_BYTES_MAX))
    if end < left and data[end] == 93 and (following < 0 or end <= following):
        return end + 1
    if 0 <= following < stop:
        return following + 1
    at = left - 1
    while at >= start and is_blank(data[at]):
        at -= 1
    if at >= start and at >= left - 8 and data[at] == 93 and at < stop and end != left:
        last[0] = at
        is_wrong[0] = header.size > WATCH_CONTENT_BYTES_MAX or end < left
        return WATCH_ASK
    return WATCH_WAIT if left < stop else WATCH_NO_FRAME


cdef void watch_skip(const uint8_t *data, Py_ssize_t length, WatchSplit *split) noexcept nogil:
    """On to the next bracket."""
    cdef Py_ssize_t at = split.start + 1
    while at < length and data[at] != 91:
        at += 1
    split.skipped_bytes += at - split.start
    split.start = at


# ------------------------------------------------------------------------------------------------------- fields


cdef inline Field stripped(Field field) noexcept nogil:
    while field.length and field.data[0] == 32:
        field.data += 1
        field.length -= 1
    while field.length and field.data[field.length - 1] == 32:
        field.length -= 1
    return field


cdef inline bint is_letter(Field field, uint8_t letter) noexcept nogil:
    return field.length == 1 and field.data[0] == letter


cdef Number read_decimal(Field field, double *value) noexcept nogil:
    """``[+-]digits[.digits]``, at most ten of each."""
    cdef uint64_t mantissa = 0
    cdef Py_ssize_t at = 0, whole = 0, part = 0
    cdef bint is_negative = False
    if field.length and (field.data[0] == 45 or field.data[0] == 43):
        is_negative = field.data[0] == 45
        at = 1
    while at < field.length and is_digit(field.data[at]) and whole <= 10:
        mantissa = mantissa * 10 + field.data[at] - 48
        at += 1
        whole += 1
    if whole == 0 or whole > 10:
        return NUMBER_NONE
    if at < field.length and field.data[at] == 46:
        at += 1
        while at < field.length and is_digit(field.data[at]) and part <= 10:
            if whole + part < WATCH_DIGITS_EXACT:
                mantissa = mantissa * 10 + field.data[at] - 48
            at += 1
            part += 1
    if at != field.length or part > 10:
        return NUMBER_NONE
    if whole + part > WATCH_DIGITS_EXACT:
        return NUMBER_RARE
    # Both are exact, so the quotient is the double nearest to what stands there.
    value[0] = <double> mantissa / TENS[part]
    if is_negative:
        value[0] = -value[0]
    return NUMBER_READ


cdef int64_t read_whole(Field field) noexcept nogil:
    """One to ten digits, or -1."""
    cdef int64_t value = 0
    cdef Py_ssize_t at
    if field.length < 1 or field.length > 10:
        return -1
    for at in range(field.length):
        if not is_digit(field.data[at]):
            return -1
        value = value * 10 + field.data[at] - 48
    return value


cdef inline int two_digits(const uint8_t *data) noexcept nogil:
    return (data[0] - 48) * 10 + data[1] - 48


cdef Py_ssize_t take_field(const uint8_t *data, Py_ssize_t length, Py_ssize_t at, Field *field) noexcept nogil:
    """The field that starts at ``at``, without blanks; returns where the next one starts, or length + 1 when there is none.
    A field that is not there is empty."""
    cdef Py_ssize_t end = at
    if at > length:
        field.data = data
        field.length = 0
        return at
    while end < length and data[end] != 44:
        end += 1
    field.data = data + at
    field.length = end - at
    field[0] = stripped(field[0])
    return end + 1


# ------------------------------------------------------------------------------------------------- the content


cdef inline bint begins(const uint8_t *data, Py_ssize_t length, const char *word, Py_ssize_t count) noexcept nogil:
    return length >= count and memcmp(data, word, count) == 0


cdef inline bint is_plain(const uint8_t *data, Py_ssize_t length) noexcept nogil:
    """No byte that Python takes for a blank, but for the blank itself."""
    cdef Py_ssize_t at
    for at in range(length):
        if data[at] < 32 or data[at] == 0x85 or data[at] == 0xa0:
            return False
    return True


cdef Status watch_report(const uint8_t *content, Py_ssize_t length, Py_ssize_t size, int64_t offset_us, Reading *reading) noexcept nogil:
    """What the content of a frame says."""
    cdef Field field
    cdef Py_ssize_t at
    cdef int number
    cdef int64_t percent
    if length > WATCH_CONTENT_BYTES_MAX or not is_plain(content, length):
        return HANDOVER
    start_reading(reading)
    if length != size:
        note_unread(reading, UNREAD_LENGTH)
    if begins(content, length, b"UD", 2) or begins(content, length, b"AL", 2) or begins(content, length, b"WT", 2) \
            or begins(content, length, b"WG", 2) or begins(content, length, b"WAD", 3):
        return watch_position(content, length, offset_us, reading)
    if not begins(content, length, b"LK", 2) or (length > 2 and content[2] != 44):
        return HANDOVER
    reading.kinds = KIND_HEARTBEAT
    at = 0
    for number in range(4):
        at = take_field(content, length, at, &field)
    percent = read_whole(field)
    if 0 <= percent <= 100:
        reading.battery_percent = <double> percent
        reading.has |= HAS_BATTERY_PERCENT
    return OK


cdef Status watch_position(const uint8_t *content, Py_ssize_t length, int64_t offset_us, Reading *reading) noexcept nogil:
    """A position, live, stored or with an alarm; its fields stand in watch.py."""
    cdef Field fields[WATCH_FIELDS]
    cdef Py_ssize_t at = 0
    cdef int number
    cdef uint32_t status = 0
    cdef int64_t percent
    for number in range(WATCH_FIELDS):
        at = take_field(content, length, at, &fields[number])
    if not watch_status(fields[WATCH_STATUS], &status) or status & ~WATCH_KNOWN_BITS:
        return HANDOVER
    for number in range(32):
        if status >> number & 1:
            reading.kinds |= WATCH_STATUS_KINDS[number]
    if begins(content, length, b"AL", 2) and not status & WATCH_ALARM_BITS:
        reading.kinds |= KIND_GENERAL
    if not watch_time(fields[WATCH_DATE], fields[WATCH_TIME], offset_us, &reading.event_at_us):
        return HANDOVER
    reading.has |= HAS_EVENT_AT
    percent = read_whole(fields[WATCH_BATTERY])
    if 0 <= percent <= 100:
        reading.battery_percent = <double> percent
        reading.has |= HAS_BATTERY_PERCENT
    reading.stored = length > 2 and begins(content, length, b"UD", 2) and (content[2] == 50 or content[2] == 51)
    if watch_surroundings(content, length, at, read_whole(fields[WATCH_CELLS]), reading) != OK or watch_fix(fields, reading) != OK:
        return HANDOVER
    if reading.kinds == 0:
        reading.kinds = KIND_POSITION if reading.has & HAS_FIX or reading.cell_count or reading.wifi_count else KIND_HEARTBEAT
    return OK


cdef bint watch_status(Field field, uint32_t *status) noexcept nogil:
    """Up to eight hex digits."""
    cdef Py_ssize_t at
    cdef int digit
    if field.length < 1 or field.length > 8:
        return False
    for at in range(field.length):
        digit = hex_value(field.data[at])
        if digit < 0:
            return False
        status[0] = status[0] << 4 | <uint32_t> digit
    return True


cdef bint watch_time(Field date, Field time, int64_t offset_us, int64_t *at_us) noexcept nogil:
    """``ddmmyy`` and ``hhmmss``."""
    cdef const uint8_t *day = date.data
    cdef const uint8_t *clock = time.data
    if date.length != 6 or time.length != 6 or not all_digits(day, 6) or not all_digits(clock, 6):
        return False
    if not civil_us(full_year(two_digits(day + 4)), two_digits(day + 2), two_digits(day), two_digits(clock), two_digits(clock + 2),
                    two_digits(clock + 4), at_us):
        return False
    at_us[0] -= offset_us
    return True


cdef Status watch_fix(Field *fields, Reading *reading) noexcept nogil:
    """The position; 0, 0 never is one. A hemisphere letter outranks a sign."""
    cdef double lat = 0, lon = 0
    cdef Number got_lat = read_decimal(fields[WATCH_LAT], &lat), got_lon = read_decimal(fields[WATCH_LON], &lon)
    cdef Number got_speed = read_decimal(fields[WATCH_SPEED], &reading.speed_kmh)
    cdef Number got_course = read_decimal(fields[WATCH_COURSE], &reading.course_deg)
    cdef Number got_altitude = read_decimal(fields[WATCH_ALTITUDE], &reading.altitude_m)
    cdef int64_t satellites = read_whole(fields[WATCH_SATELLITES])
    if got_lat == NUMBER_RARE or got_lon == NUMBER_RARE or got_speed == NUMBER_RARE or got_course == NUMBER_RARE \
            or got_altitude == NUMBER_RARE or satellites > 65535:
        return HANDOVER
    if got_lat == NUMBER_NONE or got_lon == NUMBER_NONE or fabs(lat) > 90 or fabs(lon) > 180 or (lat == 0 and lon == 0):
        reading.has &= ~<uint32_t> HAS_ACCURACY
        return OK
    if is_letter(fields[WATCH_NS], 78) or is_letter(fields[WATCH_NS], 83):
        lat = fabs(lat) if fields[WATCH_NS].data[0] == 78 else -fabs(lat)
    if is_letter(fields[WATCH_EW], 69) or is_letter(fields[WATCH_EW], 87):
        lon = fabs(lon) if fields[WATCH_EW].data[0] == 69 else -fabs(lon)
    reading.lat_e7 = <int32_t> rint(lat * 10000000)
    reading.lon_e7 = <int32_t> rint(lon * 10000000)
    reading.fix_at_us = reading.event_at_us
    reading.fix_valid = is_letter(fields[WATCH_VALID], 65)
    reading.has |= HAS_FIX | HAS_FIX_AT
    if got_speed == NUMBER_READ and reading.speed_kmh >= 0:
        reading.has |= HAS_SPEED
    if got_course == NUMBER_READ and 0 <= reading.course_deg <= 360:
        reading.has |= HAS_COURSE
    if got_altitude == NUMBER_READ:
        reading.has |= HAS_ALTITUDE
    if satellites >= 0:
        reading.satellites = <uint16_t> satellites
        reading.has |= HAS_SATELLITES
    return OK


cdef Status watch_surroundings(const uint8_t *content, Py_ssize_t length, Py_ssize_t at, int64_t count, Reading *reading) noexcept nogil:
    """Cells, access points and accuracy; ``at`` is where the field behind the cell count starts."""
    cdef Field field
    cdef int64_t mcc, mnc, lac, cid, points
    cdef Py_ssize_t found_end
    cdef int number
    cdef CellReading *cell
    if count > 0:
        if count > CELLS_MAX:
            return HANDOVER
        at = take_field(content, length, at, &field)
        at = take_field(content, length, at, &field)
        mcc = read_whole(field)
        at = take_field(content, length, at, &field)
        mnc = read_whole(field)
        for number in range(count):
            at = take_field(content, length, at, &field)
            lac = read_whole(field)
            at = take_field(content, length, at, &field)
            cid = read_whole(field)
            at = take_field(content, length, at, &field)
            if mcc > 65535 or mnc > 65535 or lac >> 32 > 0:
                return HANDOVER
            if mcc >= 0 and mnc >= 0 and lac >= 0 and cid >= 0:
                cell = &reading.cells[reading.cell_count]
                cell.mcc = <uint16_t> mcc
                cell.mnc = <uint16_t> mnc
                cell.lac = <uint32_t> lac
                cell.cid = <uint64_t> cid
                reading.cell_count += 1
    at = take_field(content, length, at, &field)
    points = read_whole(field)
    if points > WIFI_MAX:
        return HANDOVER
    while points > 0 and at < length:
        found_end = watch_access_point(content + at, length - at, &reading.wifi[reading.wifi_count])
        if found_end < 0:
            break
        reading.wifi_count += 1
        points -= 1
        at += found_end
    if reading.wifi_count:
        at += 1
    take_field(content, length, at, &field)
    points = read_decimal(field, &reading.accuracy_m)
    if points == NUMBER_RARE:
        return HANDOVER
    if points == NUMBER_READ and reading.accuracy_m > 0:
        reading.has |= HAS_ACCURACY
    return OK


cdef Py_ssize_t watch_access_point(const uint8_t *data, Py_ssize_t length, WifiReading *point) noexcept nogil:
    """The next ``aa:bb:cc:dd:ee:ff,-60``, wherever it stands, and where it ends; -1 if there is none. Names are not parsed."""
    cdef Py_ssize_t start, at
    cdef int pair, high, low, digits
    cdef bint is_negative
    for start in range(length - 18):
        for pair in range(6):
            high, low = hex_value(data[start + 3 * pair]), hex_value(data[start + 3 * pair + 1])
            if high < 0 or low < 0 or data[start + 3 * pair + 2] != (44 if pair == 5 else 58):
                break
            point.mac[pair] = <uint8_t> (high << 4 | low)
        else:
            at = start + 18
            is_negative = data[at] == 45
            at += is_negative
            digits = 0
            point.rssi_dbm = 0
            while at < length and digits < 3 and is_digit(data[at]):
                point.rssi_dbm = <int16_t> (point.rssi_dbm * 10 + data[at] - 48)
                digits += 1
                at += 1
            if digits and (at == length or data[at] == 44):
                if is_negative:
                    point.rssi_dbm = -point.rssi_dbm
                point.has_rssi = True
                return at
    return -1


cdef Py_ssize_t watch_put_reply(const uint8_t *raw, const WatchHeader *header, const uint8_t *content, uint8_t *reply) noexcept nogil:
    """``[MM*id*0002*LK]`` or ``…*AL]`` with the index when there is one; 0 for what is not answered."""
    cdef Py_ssize_t size = header.index_at + 5 if header.index_at else 5 + header.id_bytes
    if not begins(content, 2, b"AL", 2) and not begins(content, 2, b"LK", 2):
        return 0
    memcpy(reply, raw, size)
    memcpy(reply + size, b"0002*", 5)
    memcpy(reply + size + 5, content, 2)
    reply[size + 7] = 93
    return size + 8
