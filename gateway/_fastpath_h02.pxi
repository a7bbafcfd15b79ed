# Kernels: h02. The twin of protocols/h02.py, h02_text.py, h02_binary.py and h02_status.py: both forms on one connection.
#
# Refused frames, answers to commands (V4, SMS), types that nobody knows, battery levels without a meaning and long lists of
# cells are handed over. Read it beside those files: same names, same order. BCD bytes are compared as they stand: 0x59 is 59.

cdef enum:
    H02_MARK = 0x24  # $
    H02_MARK_X = 0x58
    H02_STAR = 0x2a
    H02_SHORT_ID = 5
    H02_LONG_ID = 8
    H02_HEAD_BYTES = 24
    H02_DATE_BYTES = 7
    H02_LENGTH_MIN = 32
    H02_LENGTH_MAX = 47
    H02_TEXT_BYTES_MAX = 1024
    H02_HEADER_BYTES = 4
    H02_FIELDS_MAX = 96
    H02_MCC_MIN = 200
    H02_MCC_MAX = 799

cdef enum H02Word:
    # Bits of Line.words; the configured length of binary frames stands in the lower eight.
    H02_R12 = 1 << 8

cdef struct H02Text:
    int count
    Field fields[H02_FIELDS_MAX]

cdef int H02_LENGTHS[4]
H02_LENGTHS[:] = [32, 42, 45, 47]
cdef uint64_t H02_STATUS_KINDS[32]
memset(H02_STATUS_KINDS, 0, sizeof(H02_STATUS_KINDS))
H02_STATUS_KINDS[0] = Kind.VIBRATION
H02_STATUS_KINDS[1] = H02_STATUS_KINDS[18] = Kind.SOS_BUTTON
H02_STATUS_KINDS[2] = Kind.OVERSPEED
H02_STATUS_KINDS[19] = Kind.POWER_CUT
cdef int64_t H02_OLD_CLOCK_US = 1104537600000000  # 2005-01-01


cdef int h02_prepare(Line *line, object settings) except -1:
    """The length of binary frames, where the registry gives one, and whether everything is answered."""
    length = settings.value("binary_length")
    line.words = int(length) if length in ("32", "42", "45", "47") else 0
    if settings.has("reply_r12"):
        line.words |= H02_R12
    return 0


cdef inline int h02_configured(const Line *line) noexcept nogil:
    return <int> (line.words & 0xff)


# --------------------------------------------------------------------------------------------- where a frame ends


cdef inline int h02_id_bytes(Py_ssize_t length) noexcept nogil:
    """Bytes of the identity in a binary frame of this length."""
    return H02_LONG_ID if length == 42 else H02_SHORT_ID


cdef inline bint all_bcd(const uint8_t *data, Py_ssize_t left, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Only digits from ``start`` to ``stop``, as far as there are bytes."""
    cdef Py_ssize_t at
    for at in range(start, min(left, stop)):
        if data[at] >> 4 > 9 or (data[at] & 15) > 9:
            return False
    return True


cdef inline bint has_h02_digits(const uint8_t *data, Py_ssize_t left, int id_bytes) noexcept nogil:
    """Could these bytes be a frame with such an identity, as far as they were received?"""
    cdef Py_ssize_t rest = 1 + id_bytes
    if not all_bcd(data, left, 1, rest if id_bytes == H02_SHORT_ID else rest - 1):
        return False
    if id_bytes == H02_LONG_ID and left >= rest and data[rest - 1] >> 4 > 9:
        return False
    if not all_bcd(data, left, rest, rest + 10) or not all_bcd(data, left, rest + 11, rest + 15) or not all_bcd(data, left, rest + 16, rest + 19):
        return False
    return left <= rest + 15 or data[rest + 15] >> 4 <= 9


cdef inline bint is_h02_sane(const uint8_t *data, Py_ssize_t left, int id_bytes) noexcept nogil:
    """Do time, date and place lie where clocks and maps end, as far as they were received? Every nibble is a digit."""
    cdef const uint8_t *rest = data + 1 + id_bytes
    left -= 1 + id_bytes
    if (left > 0 and rest[0] > 0x23) or (left > 1 and rest[1] > 0x59) or (left > 2 and rest[2] > 0x59):
        return False
    if (left > 3 and rest[3] > 0x31) or (left > 4 and (rest[4] > 0x12 or rest[3] == 0 or rest[4] == 0)):
        return False
    if (left > 6 and rest[6] > 0x90) or (left > 7 and rest[7] > 0x59):
        return False
    if left > 11 and (rest[11] > 0x18 or (left > 12 and rest[11] == 0x18 and rest[12] >> 4 > 0)):
        return False
    return (left <= 12 or (rest[12] & 15) <= 6) and (left <= 13 or (rest[12] & 15) < 6)


cdef inline bint is_h02_dated(const uint8_t *data, Py_ssize_t left, int id_bytes) noexcept nogil:
    """Mark, identity, a time and a date that exist: enough to tell a frame from digits by chance."""
    return left >= H02_DATE_BYTES + id_bytes and has_h02_digits(data, left, id_bytes) and is_h02_sane(data, left, id_bytes)


cdef inline bint is_h02_header(const uint8_t *data, Py_ssize_t left) noexcept nogil:
    """``*XX,``"""
    return left >= 4 and data[0] == H02_STAR and is_ascii_letter(data[1]) and is_ascii_letter(data[2]) and data[3] == 44


cdef inline bint is_h02_header_cut(const uint8_t *data, Py_ssize_t left) noexcept nogil:
    """The beginning of one, and nothing behind it."""
    return 0 < left <= 3 and data[0] == H02_STAR and (left < 2 or is_ascii_letter(data[1])) and (left < 3 or is_ascii_letter(data[2]))


cdef inline Py_ssize_t h02_next_start(const uint8_t *data, Py_ssize_t left, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    """Where from ``at`` on and before ``stop`` something begins that is surely a frame; -1 where nothing does."""
    while at < stop and at < left:
        if data[at] == H02_MARK and (is_h02_dated(data + at, left - at, H02_SHORT_ID) or is_h02_dated(data + at, left - at, H02_LONG_ID)):
            return at
        if data[at] == H02_STAR and is_h02_header(data + at, left - at):
            return at
        at += 1
    return -1


cdef inline bint ends_h02_well(const uint8_t *data, Py_ssize_t left, Py_ssize_t at) noexcept nogil:
    """Nothing was received behind a frame, or another one begins there (CR LF may stand between)."""
    if left - at >= 2 and data[at] == 13 and data[at + 1] == 10:
        at += 2
    if at >= left:
        return True
    data += at
    left -= at
    if data[0] == H02_MARK:
        return has_h02_digits(data, left, H02_SHORT_ID) or has_h02_digits(data, left, H02_LONG_ID)
    if data[0] == H02_MARK_X:
        return all_bcd(data, left, 1, 1 + H02_SHORT_ID)
    return is_h02_header(data, left) or is_h02_header_cut(data, left)


cdef Shape h02_binary_shape(const uint8_t *data, Py_ssize_t left, int known, Py_ssize_t *size, bint *is_proved) noexcept nogil:
    """The frame at ``$``, by a length that is known for the connection (or by nobody, then by what follows it)."""
    cdef bint fits_short = (known == 0 or known != 42) and has_h02_digits(data, left, H02_SHORT_ID)
    cdef bint fits_long = (known == 0 or known == 42) and has_h02_digits(data, left, H02_LONG_ID)
    cdef bint sane_short = fits_short and is_h02_sane(data, left, H02_SHORT_ID)
    cdef bint sane_long = fits_long and is_h02_sane(data, left, H02_LONG_ID)
    cdef Py_ssize_t first = 0, readable, follower
    cdef int number, length
    if not fits_short and not fits_long:
        return NOISE
    if not sane_short and not sane_long:
        if h02_next_start(data, left, 1, H02_LENGTH_MAX) >= 0:
            return NOISE
        sane_short, sane_long = fits_short, fits_long
    if known:
        size[0] = known
        return FRAME if known <= left else WAIT
    if left < H02_LENGTH_MIN:
        return WAIT
    for number in range(4):
        length = H02_LENGTHS[number]
        if not (sane_long if length == 42 else sane_short):
            continue
        first = first if first else length
        if length > left:
            return WAIT
        if ends_h02_well(data, left, length):
            size[0] = length
            is_proved[0] = length > H02_LENGTH_MIN or length < left
            return FRAME
    # It has lost bytes: what is readable up to the next start is read, unless that start stands where fields should.
    readable = H02_HEAD_BYTES + h02_id_bytes(first)
    if h02_next_start(data, left, 1, readable) >= 0:
        return NOISE
    follower = h02_next_start(data, left, readable, first)
    size[0] = first if follower < 0 else follower
    return FRAME


cdef Shape h02_x_shape(const uint8_t *data, Py_ssize_t left, Py_ssize_t *size) noexcept nogil:
    """The frame at ``X``: believed where digits follow and something begins behind it, so that no noise hides an alarm."""
    if not all_bcd(data, left, 1, 1 + H02_SHORT_ID) or h02_next_start(data, left, 1, H02_LENGTH_MIN) >= 0:
        return NOISE
    if left < H02_LENGTH_MIN:
        return WAIT
    if not ends_h02_well(data, left, H02_LENGTH_MIN):
        return NOISE
    size[0] = H02_LENGTH_MIN
    return FRAME


cdef Shape h02_text_shape(const uint8_t *data, Py_ssize_t left, Py_ssize_t *size) noexcept nogil:
    """The frame at ``*``: up to ``#``, within the guard, and without anything in it that no text has."""
    cdef Py_ssize_t at = 1, stop = min(left, H02_TEXT_BYTES_MAX), end
    if not is_h02_header(data, left) and not is_h02_header_cut(data, left):
        return NOISE
    end = 0
    while end < stop and data[end] != 35:
        end += 1
    while at < end:
        if data[at] < 9 or data[at] == 11 or data[at] == 12 or 14 <= data[at] < 32 or is_h02_header(data + at, end - at):
            return NOISE
        at += 1
    if end < stop:
        size[0] = end + 1
        return FRAME
    return WAIT if left < H02_TEXT_BYTES_MAX else NOISE


cdef Shape h02_shape(const uint8_t *data, Py_ssize_t left, Line *line, Py_ssize_t *size) noexcept nogil:
    """By the configured length of binary frames; else by the learnt one as long as it fits; else by what follows."""
    cdef int known = h02_configured(line)
    cdef bint is_proved = False
    cdef Shape shape
    if data[0] == H02_STAR:
        return h02_text_shape(data, left, size)
    if data[0] == H02_MARK_X:
        return h02_x_shape(data, left, size)
    if known:
        return h02_binary_shape(data, left, known, size, &is_proved)
    if line.learnt:
        shape = h02_binary_shape(data, left, line.learnt, size, &is_proved)
        if shape == WAIT or (shape == FRAME and ends_h02_well(data, left, line.learnt)):
            return shape
        line.learnt = 0
        size[0] = 1
    shape = h02_binary_shape(data, left, 0, size, &is_proved)
    if is_proved:
        line.learnt = <uint8_t> size[0]
    return shape


# ------------------------------------------------------------------------------------------------- status and clock


cdef inline uint64_t h02_alarms(int64_t status) noexcept nogil:
    """Every alarm in the word (-1: there is none). Bits are active low; a word of zeros is no word."""
    cdef uint64_t kinds = 0
    cdef int bit
    if status <= 0:
        return 0
    for bit in range(20):
        if not status >> bit & 1:
            kinds |= H02_STATUS_KINDS[bit]
    return kinds


cdef inline void h02_note_status(Reading *reading, int64_t status) noexcept nogil:
    """What to say about a word that says nothing."""
    if status < 0:
        note_unread(reading, UNREAD_STATUS_WORD)
    elif status == 0:
        note_unread(reading, UNREAD_STATUS_ZERO)


cdef inline void h02_note_clock(Reading *reading) noexcept nogil:
    """What to say about a time that is none, or from before the clock was set."""
    if not reading.has & HAS_EVENT_AT:
        note_unread(reading, UNREAD_TIME)
    elif reading.event_at_us < H02_OLD_CLOCK_US:
        note_unread(reading, UNREAD_CLOCK_NOT_SET)


cdef inline void h02_conclude(Reading *reading, int64_t status) noexcept nogil:
    """The kinds of a record: what its word says, else what it is."""
    reading.kinds = h02_alarms(status)
    reading.standing = reading.kinds != 0
    if reading.kinds == 0:
        reading.kinds = KIND_POSITION if reading.has & HAS_FIX or reading.cell_count else KIND_HEARTBEAT


# ------------------------------------------------------------------------------------------------------ the binary form


cdef Status h02_binary(const uint8_t *raw, Py_ssize_t length, Line *line, Told *told) noexcept nogil:
    """Identity and record of one frame."""
    cdef Reading *reading = next_reading(told)
    cdef int known = h02_configured(line), id_bytes
    cdef char name[16]
    if known:
        id_bytes = h02_id_bytes(known)
    else:
        id_bytes = h02_id_bytes(length)
        if not has_h02_digits(raw, length, id_bytes) and is_h02_dated(raw, length, H02_SHORT_ID + H02_LONG_ID - id_bytes):
            id_bytes = H02_SHORT_ID + H02_LONG_ID - id_bytes
    if length < H02_HEAD_BYTES + id_bytes or not has_h02_digits(raw, length, id_bytes):
        return HANDOVER
    for known in range(id_bytes):
        name[2 * known] = 48 + (raw[1 + known] >> 4)
        name[2 * known + 1] = 48 + (raw[1 + known] & 15)
    if h02_record(raw + 1 + id_bytes, offset_us(line), reading) != OK:
        return HANDOVER
    return name_device(line, <uint8_t *> name, 10 if id_bytes == H02_SHORT_ID else 15)


cdef Status h02_record(const uint8_t *data, int64_t ahead_us, Reading *reading) noexcept nogil:
    """Everything behind the identity: time, place, battery and status."""
    cdef int64_t status = u32be(data + 19)
    if data[10] > 100:
        return HANDOVER
    if data[10]:
        reading.battery_percent = data[10] if data[10] > 6 else (data[10] - 1) * (10 if data[10] <= 3 else 20)
        reading.has |= HAS_BATTERY_PERCENT
    if civil_us(full_year(bcd_byte(data[5])), bcd_byte(data[4]), bcd_byte(data[3]), bcd_byte(data[0]), bcd_byte(data[1]), bcd_byte(data[2]),
                &reading.event_at_us):
        reading.event_at_us -= ahead_us
        reading.has |= HAS_EVENT_AT
    h02_note_status(reading, status)
    h02_note_clock(reading)
    h02_binary_fix(data, reading)
    if not reading.has & HAS_FIX and u32be(data + 6) != 0:
        note_unread(reading, UNREAD_POSITION)
    h02_conclude(reading, status)
    return OK


cdef void h02_binary_fix(const uint8_t *data, Reading *reading) noexcept nogil:
    """The position; minutes with four decimals, to the nearest 10^-7 degree (half away from zero)."""
    cdef int64_t lat_e4 = (bcd_byte(data[7]) * 100 + bcd_byte(data[8])) * 100 + bcd_byte(data[9])
    cdef int64_t lon_e4 = ((data[12] & 15) * 100 + bcd_byte(data[13])) * 1000 + bcd_byte(data[14]) * 10 + (data[15] >> 4)
    cdef int64_t lat_e7 = bcd_byte(data[6]) * E7 + (lat_e4 * 100 + 3) // 6
    cdef int64_t lon_e7 = (bcd_byte(data[11]) * 10 + (data[12] >> 4)) * E7 + (lon_e4 * 100 + 3) // 6
    cdef int course = (data[17] & 15) * 100 + bcd_byte(data[18])
    if lat_e4 >= 600000 or lon_e4 >= 600000:
        return
    if not put_fix(reading, lat_e7 if data[15] & 4 else -lat_e7, lon_e7 if data[15] & 8 else -lon_e7, data[15] & 2 != 0):
        return
    reading.speed_kmh = (bcd_byte(data[16]) * 10 + (data[17] >> 4)) * KMH_PER_KNOT
    reading.has |= HAS_SPEED
    if course <= 360:
        reading.course_deg = course
        reading.has |= HAS_COURSE


cdef Status h02_x(const uint8_t *raw, Py_ssize_t length, Line *line, Told *told) noexcept nogil:
    """The identity of a frame that carries no position."""
    cdef Reading *reading = next_reading(told)
    cdef char name[10]
    if length < H02_LENGTH_MIN or not bcd_digits(raw + 1, H02_SHORT_ID, name):
        return HANDOVER
    reading.kinds = KIND_HEARTBEAT
    note_unread(reading, UNREAD_MARK_X)
    return name_device(line, <uint8_t *> name, 10)


# --------------------------------------------------------------------------------------------------------- the text form


cdef inline Field h02_field(const H02Text *text, int at) noexcept nogil:
    """A field without blanks around it; empty when it is not there."""
    cdef Field none
    if 0 <= at < text.count:
        return text.fields[at]
    none.data = text.fields[0].data
    none.length = 0
    return none


cdef inline bint is_h02_position_type(Field kind) noexcept nogil:
    """``V[1-9I][0-9I]{0,2}``; V4 is an answer."""
    cdef Py_ssize_t at
    if kind.length < 2 or kind.length > 4 or kind.data[0] != 86 or kind.data[1] == 48:
        return False
    for at in range(1, kind.length):
        if not is_digit(kind.data[at]) and kind.data[at] != 73:
            return False
    return True


cdef inline bint is_h02_type(Field kind) noexcept nogil:
    """``[A-Z][A-Z0-9]{0,7}``"""
    cdef Py_ssize_t at
    if kind.length < 1 or kind.length > 8 or is_digit(kind.data[0]):
        return False
    for at in range(kind.length):
        if not is_digit(kind.data[at]) and not 65 <= kind.data[at] <= 90:
            return False
    return True


cdef Status h02_text(const uint8_t *raw, Py_ssize_t length, const Line *line, H02Text *text, Told *told) noexcept nogil:
    """The record of a message, by its type; the text taken apart."""
    cdef Reading *reading = next_reading(told)
    cdef Field kind
    cdef int at
    text.count = split_fields(raw + H02_HEADER_BYTES, length - H02_HEADER_BYTES - 1, 44, text.fields, H02_FIELDS_MAX)
    if text.count > H02_FIELDS_MAX:
        return HANDOVER
    kind = text.fields[1]
    if (text.fields[0].length and (text.fields[0].length < 5 or text.fields[0].length > 16 or not all_digits(text.fields[0].data, text.fields[0].length))) \
            or not is_h02_type(kind):
        return HANDOVER
    if is_word(kind, b"HTBT", 4) or is_word(kind, b"V0", 2):
        if text.count > 3:
            return HANDOVER
        reading.kinds = KIND_HEARTBEAT
        put_percent(reading, h02_field(text, 2))
        return OK
    if is_word(kind, b"SMS", 3) or is_word(kind, b"V4", 2):
        return HANDOVER
    if is_word(kind, b"NBR", 3):
        return h02_neighbours(text, line, reading)
    if is_word(kind, b"V3", 2):
        return h02_serving_cells(text, line, reading)
    if is_word(kind, b"LINK", 4):
        put_percent(reading, h02_field(text, 5))
        return h02_dated(text, 8, line, reading)
    at = h02_validity_at(text)
    return HANDOVER if at < 0 else h02_position(text, at, line, reading)


cdef inline int h02_validity_at(const H02Text *text) noexcept nogil:
    """Where the position block begins: validity, latitude, N or S, longitude, E or W. -1 without one."""
    cdef Field kind = text.fields[1], field
    cdef int at
    for at in range(2, text.count - 4):
        field = text.fields[at]
        if field.length == 1 and (field.data[0] == 65 or field.data[0] == 86 or field.data[0] == 66 or is_digit(field.data[0])) \
                and (is_letter(text.fields[at + 2], 78) or is_letter(text.fields[at + 2], 83)) \
                and (is_letter(text.fields[at + 4], 69) or is_letter(text.fields[at + 4], 87)):
            return at
    return 3 if is_h02_position_type(kind) and text.count > 3 else -1


cdef inline bint is_h02_date(const H02Text *text, int at) noexcept nogil:
    return is_digits(h02_field(text, at), 6)


cdef inline bint is_h02_status(const H02Text *text, int at) noexcept nogil:
    return is_hex(h02_field(text, at), 8)


cdef inline int h02_date_at(const H02Text *text, int at) noexcept nogil:
    """The date behind the course, or behind a battery there; when fields are missing, wherever a status word follows it."""
    cdef int place
    if is_h02_date(text, at + 7):
        return at + 7
    if is_h02_date(text, at + 8):
        return at + 8
    for place in range(at + 1, text.count - 1):
        if is_h02_date(text, place) and is_h02_status(text, place + 1):
            return place
    return at + 7


cdef Status h02_position(const H02Text *text, int at, const Line *line, Reading *reading) noexcept nogil:
    """hhmmss, then from ``at``: validity, latitude, N or S, longitude, E or W, knots, course, (battery,) ddmmyy, status, cell."""
    cdef bint has_time = not is_word(text.fields[1], b"VP1", 3)
    cdef int date_at = h02_date_at(text, at), place
    cdef int64_t status = -1, lat_e7 = 0, lon_e7 = 0
    cdef Field time = h02_field(text, at - 1), field = h02_field(text, at)
    if not has_time:
        time.data, time.length = <const uint8_t *> b"000000", 6
    if date_at == at + 8:
        put_percent(reading, h02_field(text, date_at - 1))
    if day_first_us(h02_field(text, date_at), time, offset_us(line) if has_time else 0, &reading.event_at_us):
        reading.has |= HAS_EVENT_AT
    for place in range(date_at + 1, text.count):
        if is_h02_status(text, place):
            status = hexadecimal(text.fields[place])
            if not h02_cell_behind(text, place, reading):
                return HANDOVER
            break
    if h02_degrees(h02_field(text, at + 1), h02_field(text, at + 2), &lat_e7) and h02_degrees(h02_field(text, at + 3), h02_field(text, at + 4), &lon_e7) \
            and put_fix(reading, lat_e7, lon_e7, field.length == 1 and (field.data[0] == 65 or is_digit(field.data[0]))):
        if not put_speed(reading, h02_field(text, at + 5), KMH_PER_KNOT) or not put_course(reading, h02_field(text, at + 6)):
            return HANDOVER
    if has_time or status >= 0:
        h02_note_status(reading, status)
    if has_time:
        h02_note_clock(reading)
    else:
        note_unread(reading, UNREAD_TIME_OF_DAY)
    if not reading.has & HAS_FIX and h02_field(text, at + 1).length:
        note_unread(reading, UNREAD_POSITION)
    h02_conclude(reading, status)
    return OK


cdef bint h02_degrees(Field field, Field hemisphere, int64_t *value_e7) noexcept nogil:
    """``ddmm.mmmm``, ``-dd-mm.mmmm`` or ``ddmmmmmm``, whose last four digits are decimals. The hemisphere outranks the sign."""
    cdef int64_t front = 0, minutes = 0, part = 0, scale = 1
    cdef Py_ssize_t at = 0, digits = 0, minute_digits = 0
    cdef bint is_dashed
    if field.length and field.data[0] == 45:
        field.data += 1
        field.length -= 1
    while digits < field.length and digits < 10 and is_digit(field.data[digits]):
        front = front * 10 + field.data[digits] - 48
        digits += 1
    if digits == field.length:
        return 7 <= digits <= 9 and minutes_of(front // 1000000, front // 10000 % 100, front % 10000, 10000, hemisphere, value_e7)
    at = digits
    is_dashed = field.data[at] == 45
    if is_dashed:
        at += 1
        while at < field.length and minute_digits < 3 and is_digit(field.data[at]):
            minutes = minutes * 10 + field.data[at] - 48
            minute_digits += 1
            at += 1
        if digits < 1 or digits > 3 or minute_digits < 1 or minute_digits > 2:
            return False
    else:
        if digits < 1 or digits > 5:
            return False
        front, minutes = front // 100, front % 100
    if field.length - at < 2 or field.length - at > 9 or field.data[at] != 46:
        return False
    for at in range(at + 1, field.length):
        if not is_digit(field.data[at]):
            return False
        part = part * 10 + field.data[at] - 48
        scale *= 10
    return minutes_of(front, minutes, part, scale, hemisphere, value_e7)


# --------------------------------------------------------------------------------------------------------------- cells


cdef bint h02_cell_behind(const H02Text *text, int status_at, Reading *reading) noexcept nogil:
    """MCC, MNC, LAC, CID behind the status word: decimal, or hexadecimal in dialects that do not say so; False: too large for us."""
    cdef int64_t values[4]
    cdef bint is_hexadecimal = h02_field(text, status_at + 1).length == 6
    cdef int number
    for number in range(4):
        values[number] = whole(h02_field(text, status_at + 1 + number), WHOLE_MAX)
        is_hexadecimal |= values[number] < 0
    if is_hexadecimal or values[0] < H02_MCC_MIN or values[0] > H02_MCC_MAX:
        for number in range(4):
            values[number] = hexadecimal(h02_field(text, status_at + 1 + number))
    if values[0] < H02_MCC_MIN or values[0] > H02_MCC_MAX or values[1] < 0 or values[1] > 999 or values[2] < 0 or values[3] < 0:
        return True
    return put_cell(reading, values[0], values[1], values[2], values[3])


cdef Status h02_neighbours(const H02Text *text, const Line *line, Reading *reading) noexcept nogil:
    """NBR: hhmmss, MCC, MNC, timing advance, count, count times LAC, CID, level; ddmmyy, status."""
    cdef int64_t count = max(0, whole(h02_field(text, 6), text.count))
    if not h02_cells(text, whole(h02_field(text, 3), 999), whole(h02_field(text, 4), 999), 7, 3, count, reading):
        return HANDOVER
    return h02_dated(text, 7 + 3 * <int> count, line, reading)


cdef Status h02_serving_cells(const H02Text *text, const Line *line, Reading *reading) noexcept nogil:
    """V3: hhmmss, MCC with MNC, count, count times LAC, CID, level and a fourth; a word, a number, ``X``, ddmmyy, status."""
    cdef int64_t count = max(0, whole(h02_field(text, 4), text.count))
    cdef Field mcc = h02_field(text, 3), mnc = mcc
    mcc.length = min(3, mcc.length)
    mnc.data += mcc.length
    mnc.length -= mcc.length
    if not h02_cells(text, whole(mcc, 999), whole(mnc, 999), 5, 4, count, reading):
        return HANDOVER
    return h02_dated(text, 8 + 4 * <int> count, line, reading)


cdef bint h02_cells(const H02Text *text, int64_t mcc, int64_t mnc, int at, int step, int64_t count, Reading *reading) noexcept nogil:
    """LAC and CID, decimal, at each place that the message really has; False: too large or too many for us."""
    cdef int64_t lac, cid
    while count > 0 and at < text.count:
        lac, cid = whole(h02_field(text, at), WHOLE_MAX), whole(h02_field(text, at + 1), WHOLE_MAX)
        if mcc >= 0 and mnc >= 0 and lac >= 0 and cid >= 0 and not put_cell(reading, mcc, mnc, lac, cid):
            return False
        at += step
        count -= 1
    return True


cdef Status h02_dated(const H02Text *text, int promised, const Line *line, Reading *reading) noexcept nogil:
    """A record without coordinates: its time in the third field, its date behind the promised cells (or last but one), then the status."""
    cdef int date_at = promised if is_h02_date(text, promised) else text.count - 2
    cdef int64_t status = hexadecimal(h02_field(text, date_at + 1)) if is_h02_status(text, date_at + 1) else -1
    if day_first_us(h02_field(text, date_at), h02_field(text, 2), offset_us(line), &reading.event_at_us):
        reading.has |= HAS_EVENT_AT
    h02_note_status(reading, status)
    h02_note_clock(reading)
    h02_conclude(reading, status)
    return OK


# ------------------------------------------------------------------------------------------------------ the frame


cdef void h02_answer(Told *told, const uint8_t *front, Py_ssize_t front_bytes, const uint8_t *name, Py_ssize_t name_bytes, const uint8_t *rest,
                     Py_ssize_t rest_bytes) noexcept nogil:
    """``front``, the identity, ``rest`` and ``#``; each is bounded by its caller."""
    memcpy(told.reply, front, front_bytes)
    memcpy(told.reply + front_bytes, name, name_bytes)
    memcpy(told.reply + front_bytes + name_bytes, rest, rest_bytes)
    told.reply[front_bytes + name_bytes + rest_bytes] = 35
    told.reply_bytes = <int> (front_bytes + name_bytes + rest_bytes + 1)


cdef Status h02_reply(const Line *line, const uint8_t *name, Py_ssize_t name_bytes, int64_t now_us, Told *told) noexcept nogil:
    """R12, where a setting asks for it."""
    cdef uint8_t rest[19]
    cdef uint8_t stamp[14]
    if not line.words & H02_R12:
        return OK
    if not put_stamp(stamp, now_us):
        return HANDOVER
    memcpy(rest, b",R12,", 5)
    memcpy(rest + 5, stamp + 8, 6)
    h02_answer(told, <const uint8_t *> b"*HQ,", 4, name, name_bytes, rest, 11)
    return OK


cdef Status h02_text_reply(const uint8_t *raw, const H02Text *text, const Line *line, int64_t now_us, Told *told) noexcept nogil:
    """The answer to a text; none to whoever has no name."""
    cdef Field name = text.fields[0], kind = text.fields[1]
    cdef uint8_t rest[24]
    if name.length == 0:
        return OK
    if is_word(kind, b"V1", 2):
        memcpy(rest, b",V4,V1,", 7)
        if not put_stamp(rest + 7, now_us):
            return HANDOVER
        h02_answer(told, <const uint8_t *> b"*HQ,", 4, name.data, name.length, rest, 21)
        return OK
    if is_word(kind, b"HTBT", 4) or is_word(kind, b"V0", 2):
        rest[0] = 44
        memcpy(rest + 1, kind.data, kind.length)
        h02_answer(told, raw, 4, name.data, name.length, rest, 1 + kind.length)
        return OK
    return h02_reply(line, name.data, name.length, now_us, told)


cdef Status h02_read(const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil:
    """One record, and the answer to its type."""
    cdef H02Text text
    cdef Status status
    if length and (raw[0] == H02_MARK or raw[0] == H02_MARK_X):
        status = h02_binary(raw, length, line, told) if raw[0] == H02_MARK else h02_x(raw, length, line, told)
        return status if status != OK else h02_reply(line, line.device, line.device_bytes, now_us, told)
    while length and (raw[length - 1] == 13 or raw[length - 1] == 10):
        length -= 1
    if not is_h02_header(raw, length) or length > H02_TEXT_BYTES_MAX or raw[length - 1] != 35 or length == H02_HEADER_BYTES:
        return HANDOVER
    if h02_text(raw, length, line, &text, told) != OK or h02_text_reply(raw, &text, line, now_us, told) != OK:
        return HANDOVER
    return name_device(line, text.fields[0].data, text.fields[0].length) if text.fields[0].length else OK


cdef Py_ssize_t h02_repair(uint8_t *data, Py_ssize_t length, Py_ssize_t room) noexcept nogil:
    cdef Py_ssize_t at
    if length and data[0] == H02_STAR:
        data[length - 1] = 35
    elif length >= H02_LENGTH_MIN and data[0] == H02_MARK:
        for at in range(1, 25):
            if at != 16 and data[at] >> 4 > 9:
                data[at] &= 0x7f
            if at != 16 and at != 21 and (data[at] & 15) > 9:
                data[at] &= 0xf7
    return length


cdef Kernel *_h02_kernel = new_kernel("h02", b"*$X")
_h02_kernel.shape = h02_shape
_h02_kernel.read = h02_read
_h02_kernel.prepare = h02_prepare
_h02_kernel.repair = h02_repair
