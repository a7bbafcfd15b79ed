# Kernels: watch. The twin of protocols/watch.py: the splitter, keep-alives, positions and alarms.
#
# Refused frames, status bits that nobody knows, and numbers with more digits than a double holds exactly are handed over.
# Read it beside watch.py: same names, same order.

cdef enum:
    WATCH_CONTENT_BYTES_MAX = 2048
    WATCH_STUFFED_BYTES_MAX = 4096
    WATCH_HEADER_BYTES_MAX = 31
    WATCH_ID_DIGITS_MIN = 8
    WATCH_ID_DIGITS_MAX = 16
    WATCH_FIELDS = 18  # type to cell count

cdef enum:
    WATCH_TYPE, WATCH_DATE, WATCH_TIME, WATCH_VALID, WATCH_LAT, WATCH_NS, WATCH_LON, WATCH_EW, WATCH_SPEED, WATCH_COURSE
    WATCH_ALTITUDE, WATCH_SATELLITES, WATCH_SIGNAL, WATCH_BATTERY, WATCH_STEPS, WATCH_ROLLS, WATCH_STATUS, WATCH_CELLS

cdef struct WatchHeader:
    Py_ssize_t id_at
    Py_ssize_t id_bytes
    Py_ssize_t index_at  # 0: none
    Py_ssize_t size  # what the length field says
    Py_ssize_t end  # where the content begins

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


# ------------------------------------------------------------------------------------------------- the splitter


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


cdef Shape watch_shape(const uint8_t *data, Py_ssize_t left, Line *line, Py_ssize_t *size) noexcept nogil:
    """What begins with a bracket."""
    cdef WatchHeader header
    cdef Py_ssize_t start, stop, end, following, at
    if not watch_header(data, left, &header):
        if left >= WATCH_HEADER_BYTES_MAX:
            return NOISE
        for at in range(1, left):
            if data[at] == 91:
                return NOISE
        return WAIT
    start = header.end
    stop = start + WATCH_STUFFED_BYTES_MAX + 1
    end = watch_content_end(data, left, start, header.size) if header.size <= WATCH_CONTENT_BYTES_MAX else left + 1
    following = watch_next_frame(data, start, min(left, stop + WATCH_HEADER_BYTES_MAX))
    if end < left and data[end] == 93 and (following < 0 or end <= following):
        size[0] = end + 1
        return FRAME
    if 0 <= following < stop:
        size[0] = following + 1
        return FRAME
    at = left - 1
    while at >= start and is_blank(data[at]):
        at -= 1
    if at >= start and at >= left - 8 and data[at] == 93 and at < stop and end != left:
        if is_watch_whole(data + start, at - start, header.size > WATCH_CONTENT_BYTES_MAX or end < left):
            size[0] = at + 1
            return FRAME
    return WAIT if left < stop else NOISE


cdef bint is_watch_whole(const uint8_t *content, Py_ssize_t length, bint is_wrong) noexcept nogil:
    """Is a bracket behind this content the frame's end, although the length field says otherwise? See ``is_whole``."""
    cdef Field field
    cdef WifiReading point
    cdef Py_ssize_t at = 0, found_end
    cdef int64_t cells, promised, number
    if not is_watch_position(content, length):
        return is_wrong
    for number in range(WATCH_FIELDS):
        at = take_field(content, length, at, 44, &field)
    cells = whole(field, WHOLE_MAX)
    if cells > 0:
        for number in range(3):
            at = take_field(content, length, at, 44, &field)
        while cells > 0 and at <= length:
            for number in range(3):
                at = take_field(content, length, at, 44, &field)
            cells -= 1
        if cells > 0:
            return True
    at = take_field(content, length, at, 44, &field)
    promised = whole(field, WHOLE_MAX)
    while promised > 0 and at < length:
        found_end = watch_access_point(content + at, length - at, &point)
        if found_end < 0:
            break
        promised -= 1
        at += found_end
    return promised <= 0


cdef inline bint is_watch_position(const uint8_t *content, Py_ssize_t length) noexcept nogil:
    return begins(content, length, b"UD", 2) or begins(content, length, b"AL", 2) or begins(content, length, b"WT", 2) \
        or begins(content, length, b"WG", 2) or begins(content, length, b"WAD", 3)


# ------------------------------------------------------------------------------------------------- the content


cdef inline Py_ssize_t watch_unstuffed_bytes(const uint8_t *content, Py_ssize_t length) noexcept nogil:
    """Length without stuffing, as the length field counts it."""
    cdef Py_ssize_t at = 0, count = 0
    while at < length:
        at += 2 if content[at] == 0x7d and length - at >= 2 and 1 <= content[at + 1] <= 5 else 1
        count += 1
    return count


cdef Status watch_report(const uint8_t *content, Py_ssize_t length, Py_ssize_t size, int64_t ahead_us, Reading *reading) noexcept nogil:
    """What the content of a frame says."""
    cdef Field field
    cdef Py_ssize_t at = 0
    cdef int number
    if watch_unstuffed_bytes(content, length) != size:
        note_unread(reading, UNREAD_LENGTH)
    if is_watch_position(content, length):
        return watch_position(content, length, ahead_us, reading)
    reading.kinds = KIND_LOGIN if is_watch_type(content, length, b"INIT", 4) else KIND_HEARTBEAT
    if is_watch_type(content, length, b"LK", 2):
        for number in range(4):
            at = take_field(content, length, at, 44, &field)
        put_percent(reading, field)
    return OK


cdef inline bint is_watch_type(const uint8_t *content, Py_ssize_t length, const char *word, Py_ssize_t count) noexcept nogil:
    """Is this the whole first field?"""
    return begins(content, length, word, count) and (length == count or content[count] == 44)


cdef Status watch_position(const uint8_t *content, Py_ssize_t length, int64_t ahead_us, Reading *reading) noexcept nogil:
    """A position, live, stored or with an alarm; its fields stand in watch.py."""
    cdef Field fields[WATCH_FIELDS]
    cdef Py_ssize_t at = 0
    cdef int number
    cdef int64_t status
    for number in range(WATCH_FIELDS):
        at = take_field(content, length, at, 44, &fields[number])
    status = hexadecimal(fields[WATCH_STATUS])
    if status < 0:
        note_unread(reading, UNREAD_STATUS_WORD)
        status = 0
    elif status & ~<int64_t> WATCH_KNOWN_BITS:
        return HANDOVER
    for number in range(32):
        if status >> number & 1:
            reading.kinds |= WATCH_STATUS_KINDS[number]
    if begins(content, length, b"AL", 2) and not status & WATCH_ALARM_BITS:
        reading.kinds |= KIND_GENERAL
    if day_first_us(fields[WATCH_DATE], fields[WATCH_TIME], ahead_us, &reading.event_at_us):
        reading.has |= HAS_EVENT_AT
    else:
        note_unread(reading, UNREAD_TIME)
    put_percent(reading, fields[WATCH_BATTERY])
    reading.stored = length > 2 and begins(content, length, b"UD", 2) and (content[2] == 50 or content[2] == 51)
    if watch_surroundings(content, length, at, whole(fields[WATCH_CELLS], WHOLE_MAX), reading) != OK or watch_fix(fields, reading) != OK:
        return HANDOVER
    if reading.kinds == 0:
        reading.kinds = KIND_POSITION if reading.has & HAS_FIX or reading.cell_count or reading.wifi_count else KIND_HEARTBEAT
    return OK


cdef Status watch_fix(Field *fields, Reading *reading) noexcept nogil:
    """The position. A hemisphere letter outranks a sign."""
    cdef int64_t lat_e7 = 0, lon_e7 = 0
    cdef int64_t satellites = whole(fields[WATCH_SATELLITES], WHOLE_MAX)
    if not degrees_e7(fields[WATCH_LAT], &lat_e7) or not degrees_e7(fields[WATCH_LON], &lon_e7):
        return OK
    lat_e7 = watch_signed_by(fields[WATCH_NS], lat_e7, 78, 83)
    lon_e7 = watch_signed_by(fields[WATCH_EW], lon_e7, 69, 87)
    if not put_fix(reading, lat_e7, lon_e7, is_letter(fields[WATCH_VALID], 65)):
        return OK
    if satellites > 65535:
        return HANDOVER
    if satellites >= 0:
        reading.satellites = <uint16_t> satellites
        reading.has |= HAS_SATELLITES
    if put_speed(reading, fields[WATCH_SPEED], 1.0) and put_course(reading, fields[WATCH_COURSE]) and put_altitude(reading, fields[WATCH_ALTITUDE]):
        return OK
    return HANDOVER


cdef inline int64_t watch_signed_by(Field letter, int64_t value_e7, uint8_t positive, uint8_t negative) noexcept nogil:
    """The degrees with the sign that their hemisphere letter gives; as they stand when there is no letter."""
    if is_letter(letter, positive) or is_letter(letter, negative):
        return (value_e7 if value_e7 >= 0 else -value_e7) * (1 if letter.data[0] == positive else -1)
    return value_e7


cdef Status watch_surroundings(const uint8_t *content, Py_ssize_t length, Py_ssize_t at, int64_t count, Reading *reading) noexcept nogil:
    """Cells, access points and accuracy; ``at`` is where the field behind the cell count starts."""
    cdef Field field
    cdef int64_t mcc, mnc, lac, cid, points
    cdef Py_ssize_t found_end
    cdef int number
    cdef Number accuracy
    cdef CellReading *cell
    if count > 0:
        if count > CELLS_MAX:
            return HANDOVER
        at = take_field(content, length, at, 44, &field)
        at = take_field(content, length, at, 44, &field)
        mcc = whole(field, WHOLE_MAX)
        at = take_field(content, length, at, 44, &field)
        mnc = whole(field, WHOLE_MAX)
        for number in range(count):
            at = take_field(content, length, at, 44, &field)
            lac = whole(field, WHOLE_MAX)
            at = take_field(content, length, at, 44, &field)
            cid = whole(field, WHOLE_MAX)
            at = take_field(content, length, at, 44, &field)
            if mcc > 65535 or mnc > 65535 or lac >> 32 > 0:
                return HANDOVER
            if mcc >= 0 and mnc >= 0 and lac >= 0 and cid >= 0:
                cell = &reading.cells[reading.cell_count]
                cell.mcc = <uint16_t> mcc
                cell.mnc = <uint16_t> mnc
                cell.lac = <uint32_t> lac
                cell.cid = <uint64_t> cid
                reading.cell_count += 1
    at = take_field(content, length, at, 44, &field)
    points = whole(field, WHOLE_MAX)
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
    take_field(content, length, at, 44, &field)
    accuracy = decimal(field, &reading.accuracy_m)
    if accuracy == NUMBER_RARE:
        return HANDOVER
    if accuracy == NUMBER_READ and reading.accuracy_m > 0:
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


cdef int watch_put_reply(const uint8_t *raw, const WatchHeader *header, const uint8_t *content, Py_ssize_t length, uint8_t *reply) noexcept nogil:
    """``[MM*id*0002*LK]``, with the index when there is one; 0 for what is not answered."""
    cdef Py_ssize_t size = header.index_at + 5 if header.index_at else 5 + header.id_bytes
    cdef const char *answer
    cdef int count
    if begins(content, length, b"AL", 2):
        answer, count = b"0002*AL]", 8
    elif is_watch_type(content, length, b"LK", 2):
        answer, count = b"0002*LK]", 8
    elif is_watch_type(content, length, b"TKQ", 3):
        answer, count = b"0003*TKQ]", 9
    elif is_watch_type(content, length, b"INIT", 4):
        answer, count = b"0006*INIT,1]", 12
    else:
        return 0
    memcpy(reply, raw, size)
    memcpy(reply + size, answer, count)
    return <int> size + count


cdef Status watch_read(const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil:
    """One frame, from bracket to bracket."""
    cdef WatchHeader header
    cdef const uint8_t *content
    cdef Py_ssize_t content_bytes
    if length == 0 or raw[length - 1] != 93 or not watch_header(raw, length, &header):
        return HANDOVER
    content = raw + header.end
    content_bytes = length - header.end - 1
    if content_bytes < 0 or content_bytes > WATCH_CONTENT_BYTES_MAX:
        return HANDOVER
    if watch_report(content, content_bytes, header.size, offset_us(line), next_reading(told)) != OK:
        return HANDOVER
    told.reply_bytes = watch_put_reply(raw, &header, content, content_bytes, told.reply)
    return name_device(line, raw + header.id_at, header.id_bytes)


cdef Py_ssize_t watch_repair(uint8_t *data, Py_ssize_t length, Py_ssize_t room) noexcept nogil:
    cdef const char *digits = b"0123456789ABCDEF"
    cdef WatchHeader header
    cdef Py_ssize_t size
    cdef int at
    if not watch_header(data, length, &header) or length - header.end < 1:
        return length
    data[length - 1] = 93
    size = watch_unstuffed_bytes(data + header.end, length - header.end - 1)
    for at in range(4):
        data[header.end - 2 - at] = <uint8_t> digits[size >> 4 * at & 15]
    return length


cdef Kernel *_watch_kernel = new_kernel("watch", b"[")
_watch_kernel.shape = watch_shape
_watch_kernel.read = watch_read
_watch_kernel.repair = watch_repair
