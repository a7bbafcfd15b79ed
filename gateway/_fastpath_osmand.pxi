# Kernels: osmand. The twin of protocols/osmand.py and osmand_http.py: the splitter of requests, and the query form in a query or a body.
#
# Refused requests, JSON, bodies in chunks, cells and access points, dates, alarms but the plain SOS, keys without a field of ours, and
# devices with a token are handed over. Read it beside those files: same names, same order.

cdef enum:
    OSMAND_REQUEST_LINE_BYTES_MAX = 4096
    OSMAND_HEAD_BYTES_MAX = 16384
    OSMAND_BODY_BYTES_MAX = 65536
    OSMAND_CHUNKS_MAX = 256
    OSMAND_CHUNK_LINE_BYTES_MAX = 64
    OSMAND_FIELDS_MAX = 32
    OSMAND_VALUES_BYTES_MAX = 512
    OSMAND_METHOD_COUNT = 9
    OSMAND_ONLY_ONCE_COUNT = 6

cdef enum OsmandWord:
    OSMAND_HAS_TOKEN = 1

cdef enum OsmandHeader:
    # Places in OSMAND_ONLY_ONCE.
    OSMAND_LENGTH, OSMAND_CODING, OSMAND_TYPE, OSMAND_HOST, OSMAND_AUTHORIZATION, OSMAND_ENCODING

cdef enum OsmandKey:
    # Places in OSMAND_KEYS.
    OSMAND_ID, OSMAND_DEVICE_ID, OSMAND_TIMESTAMP, OSMAND_LAT, OSMAND_LON, OSMAND_SPEED, OSMAND_BEARING, OSMAND_HEADING, OSMAND_ALTITUDE
    OSMAND_ACCURACY, OSMAND_BATT, OSMAND_CHARGE, OSMAND_VALID, OSMAND_TOKEN, OSMAND_ALARM
    OSMAND_KEY_COUNT

cdef struct OsmandHead:
    uint8_t has[OSMAND_ONLY_ONCE_COUNT]
    Field values[OSMAND_ONLY_ONCE_COUNT]

cdef struct OsmandQuery:
    # The first value of every key, unescaped; length 0 where there is none.
    Field values[OSMAND_KEY_COUNT]
    Py_ssize_t used
    uint8_t room[OSMAND_VALUES_BYTES_MAX]

cdef const char *OSMAND_METHODS[OSMAND_METHOD_COUNT]
OSMAND_METHODS[:] = [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"PATCH ", b"DELETE ", b"OPTIONS ", b"TRACE ", b"CONNECT "]
cdef const char *OSMAND_ONLY_ONCE[OSMAND_ONLY_ONCE_COUNT]
OSMAND_ONLY_ONCE[:] = [b"content-length", b"transfer-encoding", b"content-type", b"host", b"authorization", b"content-encoding"]
cdef const char *OSMAND_KEYS[OSMAND_KEY_COUNT]
OSMAND_KEYS[:] = [
    b"id", b"deviceid", b"timestamp", b"lat", b"lon", b"speed", b"bearing", b"heading", b"altitude", b"accuracy", b"batt", b"charge", b"valid",
    b"token", b"alarm",
]
cdef const char *OSMAND_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
cdef const char *OSMAND_FORM = b"application/x-www-form-urlencoded"
cdef int64_t OSMAND_MILLISECONDS_FROM = 2147483647
cdef int64_t OSMAND_SECONDS_MAX = 9000000000000
cdef int64_t OSMAND_YEAR_MAX_US = 253402300800000000
FAREWELLS["osmand"] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

cdef extern from *:
    """
    /* mantissa / 10^places (mantissa below 10^18, places at most 18), rounded to the nearest double, half to even. */
    static double decimal_double(uint64_t mantissa, int places) {
        unsigned __int128 whole, rest;
        uint64_t divisor = 1, kept;
        int shift, down;
        if (mantissa == 0)
            return 0.0;
        while (places-- > 0)
            divisor *= 10;
        shift = 64 + __builtin_clzll(mantissa);
        rest = (unsigned __int128) mantissa << shift;
        whole = rest / divisor;
        rest %= divisor;
        down = 74 - __builtin_clzll((uint64_t) (whole >> 64));  /* leaves 54 bits: a double's, and one that says half */
        rest |= whole & (((unsigned __int128) 1 << down) - 1);
        whole >>= down;
        kept = (uint64_t) (whole >> 1);
        if ((whole & 1) && (rest || (kept & 1)))
            kept++;
        return ldexp((double) kept, down + 1 - shift);
    }
    """
    double decimal_double(uint64_t mantissa, int places) noexcept nogil


cdef int osmand_prepare(Line *line, object settings) except -1:
    """Does the registry ask for a token?"""
    line.words = OSMAND_HAS_TOKEN if settings.key_hex is not None else 0
    return 0


# ----------------------------------------------------------------------------------------------------- requests


cdef inline bint is_word_in_any_case(const uint8_t *data, Py_ssize_t length, const char *word) noexcept nogil:
    """``word`` is in lower case."""
    cdef Py_ssize_t at
    for at in range(length):
        if word[at] == 0 or (data[at] | 0x20 if 65 <= data[at] <= 90 else data[at]) != <uint8_t> word[at]:
            return False
    return word[length] == 0


cdef inline bint is_header_name(uint8_t byte) noexcept nogil:
    return is_alphanumeric(byte) or byte == 0x21 or 0x23 <= byte <= 0x27 or byte == 0x2a or byte == 0x2b or byte == 0x2d or byte == 0x2e \
        or 0x5e <= byte <= 0x60 or byte == 0x7c or byte == 0x7e


cdef inline Py_ssize_t newline_at(const uint8_t *data, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    """Where the next line feed before ``stop`` stands, or -1."""
    cdef const uint8_t *found = <const uint8_t *> memchr(data + at, 0x0a, stop - at) if at < stop else NULL
    return found - data if found != NULL else -1


cdef Py_ssize_t osmand_head_end(const uint8_t *data, Py_ssize_t left) noexcept nogil:
    """Where the body begins: behind the first empty line; 0 when there is none within the largest head."""
    cdef Py_ssize_t stop = min(left, <Py_ssize_t> OSMAND_HEAD_BYTES_MAX), at = newline_at(data, 0, stop)
    while at >= 0:
        if stop - at >= 2 and data[at + 1] == 0x0a:
            return at + 2
        if stop - at >= 3 and data[at + 1] == 0x0d and data[at + 2] == 0x0a:
            return at + 3
        at = newline_at(data, at + 1, stop)
    return 0


cdef bint osmand_header(const uint8_t *data, Py_ssize_t length, OsmandHead *head) noexcept nogil:
    """One line of the head; False when it is no field, or stands there twice and must not."""
    cdef Py_ssize_t at = 0, stop = length
    cdef int name
    while at < length and is_header_name(data[at]):
        at += 1
    if at == 0 or at == length or data[at] != 0x3a:
        return False
    for name in range(OSMAND_ONLY_ONCE_COUNT):
        if is_word_in_any_case(data, at, OSMAND_ONLY_ONCE[name]):
            break
    else:
        return True
    if head.has[name]:
        return False
    at += 1
    while at < stop and (data[at] == 32 or data[at] == 9):
        at += 1
    while stop > at and (data[stop - 1] == 32 or data[stop - 1] == 9):
        stop -= 1
    head.has[name] = True
    head.values[name].data = data + at
    head.values[name].length = stop - at
    return True


cdef bint osmand_headers(const uint8_t *data, Py_ssize_t length, OsmandHead *head) noexcept nogil:
    """The header fields; False when the request is refused for them."""
    cdef Py_ssize_t at = 0, end, stop
    memset(head.has, 0, sizeof(head.has))
    while at < length:
        end = newline_at(data, at, length)
        end = length if end < 0 else end
        stop = end - 1 if end > at and data[end - 1] == 0x0d else end
        if stop > at and not osmand_header(data + at, stop - at, head):
            return False
        at = end + 1
    return not head.has[<int> OSMAND_ENCODING] \
        or is_word_in_any_case(head.values[<int> OSMAND_ENCODING].data, head.values[<int> OSMAND_ENCODING].length, b"identity")


cdef Py_ssize_t osmand_body_bytes(const OsmandHead *head) noexcept nogil:
    """The body's length as the head says it; -1 when the request is refused for it. The caller has seen that it is not in chunks."""
    cdef Field length = head.values[<int> OSMAND_LENGTH]
    cdef int64_t count
    if not head.has[<int> OSMAND_LENGTH]:
        return 0
    count = whole(length, OSMAND_BODY_BYTES_MAX)
    return <Py_ssize_t> count if length.length <= 8 else -1


cdef Py_ssize_t osmand_chunk_line(const uint8_t *data, Py_ssize_t length, Py_ssize_t at, Py_ssize_t *end) noexcept nogil:
    """Where the line at ``at`` ends and (returned) the next one begins; 0 while it is incomplete, -1 when it is too long."""
    cdef Py_ssize_t found = newline_at(data, at, min(length, at + OSMAND_CHUNK_LINE_BYTES_MAX))
    if found < 0:
        return -1 if length - at >= OSMAND_CHUNK_LINE_BYTES_MAX else 0
    end[0] = found - 1 if found > at and data[found - 1] == 0x0d else found
    return found + 1


cdef Py_ssize_t osmand_chunk_size(const uint8_t *data, Py_ssize_t length) noexcept nogil:
    """The hexadecimal digits before blanks and extensions, or -1."""
    cdef Py_ssize_t at = 0, size = 0
    while at < length and at < 6 and hex_value(data[at]) >= 0:
        size = size << 4 | hex_value(data[at])
        at += 1
    if at == 0:
        return -1
    while at < length and (data[at] == 32 or data[at] == 9):
        at += 1
    return size if at == length or data[at] == 0x3b else -1


cdef Py_ssize_t osmand_chunks_end(const uint8_t *data, Py_ssize_t length, Py_ssize_t at) noexcept nogil:
    """Where a body in chunks ends, its trailer included; 0 while it is incomplete, -1 when it is refused."""
    cdef Py_ssize_t end = 0, behind, size, total = 0
    cdef int count = 0
    while True:
        behind = osmand_chunk_line(data, length, at, &end)
        if behind <= 0:
            return behind
        size = osmand_chunk_size(data + at, end - at)
        if size < 0:
            return -1
        total += size
        if total > OSMAND_BODY_BYTES_MAX or count >= OSMAND_CHUNKS_MAX:
            return -1
        at = behind
        if size == 0:
            break
        count += 1
        if length - at <= size:
            return 0
        at += size
        if data[at] == 0x0a:
            at += 1
        elif data[at] != 0x0d or (length - at >= 2 and data[at + 1] != 0x0a):
            return -1
        elif length - at < 2:
            return 0
        else:
            at += 2
    for count in range(OSMAND_CHUNKS_MAX):
        behind = osmand_chunk_line(data, length, at, &end)
        if behind <= 0:
            return behind
        if end == at:
            return behind
        at = behind
    return -1


cdef Shape osmand_shape(const uint8_t *data, Py_ssize_t left, Line *line, Py_ssize_t *size) noexcept nogil:
    """A whole request, its body included. One that is refused is delimited where that shows."""
    cdef OsmandHead head
    cdef Py_ssize_t line_end, end, body
    cdef int method
    cdef bint could_be = False
    for method in range(OSMAND_METHOD_COUNT):
        body = 0
        while body < left and OSMAND_METHODS[method][body] != 0 and data[body] == <uint8_t> OSMAND_METHODS[method][body]:
            body += 1
        if OSMAND_METHODS[method][body] == 0:
            break
        could_be |= body == left
    else:
        return WAIT if could_be else NOISE
    line_end = newline_at(data, 0, min(left, <Py_ssize_t> OSMAND_REQUEST_LINE_BYTES_MAX + 2))
    if line_end < 0:
        size[0] = OSMAND_REQUEST_LINE_BYTES_MAX + 2
        return FRAME if left >= OSMAND_REQUEST_LINE_BYTES_MAX + 2 else WAIT
    end = osmand_head_end(data, left)
    if end == 0:
        size[0] = OSMAND_HEAD_BYTES_MAX
        return FRAME if left >= OSMAND_HEAD_BYTES_MAX else WAIT
    size[0] = end
    if not osmand_headers(data + line_end + 1, end - line_end - 1, &head):
        return FRAME
    if head.has[<int> OSMAND_CODING]:
        if head.has[<int> OSMAND_LENGTH] \
                or not is_word_in_any_case(head.values[<int> OSMAND_CODING].data, head.values[<int> OSMAND_CODING].length, b"chunked"):
            return FRAME
        body = osmand_chunks_end(data, left, end)
        size[0] = body if body > 0 else end
        return WAIT if body == 0 else FRAME
    body = osmand_body_bytes(&head)
    if body < 0:
        return FRAME
    size[0] = end + body
    return FRAME if left - end >= body else WAIT


cdef Field osmand_values(const uint8_t *raw, Py_ssize_t length) noexcept nogil:
    """The query of a whole GET or POST request, or its form body when that is empty; ``data`` NULL when the reference must read it."""
    cdef OsmandHead head
    cdef Field found, query
    cdef Py_ssize_t line_end = newline_at(raw, 0, min(length, <Py_ssize_t> OSMAND_REQUEST_LINE_BYTES_MAX)), at = 4, end, body, stop
    found.data = query.data = NULL
    found.length = query.length = 0
    if line_end < 0 or (not begins(raw, length, b"GET ", 4) and not begins(raw, length, b"POST ", 5)):
        return found
    stop = line_end - 1 if raw[line_end - 1] == 0x0d else line_end
    at = 4 if raw[0] == 0x47 else 5
    if stop - at < 10 or memcmp(raw + stop - 9, b" HTTP/1.", 8) != 0 or (raw[stop - 1] != 48 and raw[stop - 1] != 49):
        return found
    stop -= 9
    end = stop
    while at < stop:
        if raw[at] < 0x21 or raw[at] > 0x7e or raw[at] == 0x23:
            return found
        if raw[at] == 0x3f and query.data == NULL:
            query.data = raw + at + 1
            query.length = stop - at - 1
        at += 1
    end = osmand_head_end(raw, length)
    if end == 0 or not osmand_headers(raw + line_end + 1, end - line_end - 1, &head) or head.has[<int> OSMAND_CODING]:
        return found
    body = osmand_body_bytes(&head)
    if body < 0 or length - end != body:
        return found
    if body == 0:
        return query
    if query.length or not head.has[<int> OSMAND_TYPE] or not is_alphanumeric(raw[end]) \
            or not is_word_in_any_case(head.values[<int> OSMAND_TYPE].data, min(head.values[<int> OSMAND_TYPE].length, <Py_ssize_t> strlen(OSMAND_FORM)), OSMAND_FORM):
        return found
    found.data = raw + end
    found.length = body
    return found


# --------------------------------------------------------------------------------------------------- query form


cdef bint osmand_unescaped(const uint8_t *data, Py_ssize_t length, OsmandQuery *query, Field *value) noexcept nogil:
    """Plus signs and percent signs undone, blanks stripped; False for what is not printable ASCII, or holds nothing but blanks."""
    cdef uint8_t *room = query.room + query.used
    cdef Py_ssize_t at = 0, count = 0
    cdef uint8_t byte
    if length > OSMAND_VALUES_BYTES_MAX - query.used:
        return False
    while at < length:
        byte = data[at]
        if byte == 0x2b:
            byte = 32
        elif byte == 0x25:
            if length - at < 3 or hex_value(data[at + 1]) < 0 or hex_value(data[at + 2]) < 0:
                return False
            byte = <uint8_t> (hex_value(data[at + 1]) << 4 | hex_value(data[at + 2]))
            at += 2
        if byte < 32 or byte > 126:
            return False
        room[count] = byte
        count += 1
        at += 1
    query.used += count
    value[0] = stripped(room, count)
    return value.length > 0


cdef bint osmand_query(Field text, OsmandQuery *query) noexcept nogil:
    """The fields of a query; False when the reference must read it."""
    cdef Py_ssize_t at = 0, equals
    cdef int key, count = 0
    cdef Field part, value
    query.used = 0
    memset(query.values, 0, sizeof(query.values))
    while text.length and (text.data[text.length - 1] == 0x0a or text.data[text.length - 1] == 0x0d):
        text.length -= 1
    while at <= text.length:
        part.data = text.data + at
        part.length = 0
        while at < text.length and text.data[at] != 0x26:
            at += 1
            part.length += 1
        at += 1
        count += 1
        if part.length == 0:
            continue
        equals = 0
        while equals < part.length and part.data[equals] != 0x3d:
            equals += 1
        for key in range(<int> OSMAND_KEY_COUNT):
            if strlen(OSMAND_KEYS[key]) == <size_t> equals and memcmp(part.data, OSMAND_KEYS[key], equals) == 0:
                break
        else:
            return False
        if count > OSMAND_FIELDS_MAX:
            return False
        if part.length - equals < 2:
            continue
        if not osmand_unescaped(part.data + equals + 1, part.length - equals - 1, query, &value):
            return False
        if query.values[key].length == 0:
            query.values[key] = value
        elif key == OSMAND_ALARM:
            return False
    return True


cdef bint osmand_number(Field field, double *value) noexcept nogil:
    """``[+-]digits[.digits]``, at most 18 in all."""
    cdef uint64_t mantissa = 0
    cdef Py_ssize_t at = 0
    cdef int count = 0, part = 0
    cdef bint is_negative = field.length > 0 and field.data[0] == 45
    if field.length and (field.data[0] == 45 or field.data[0] == 43):
        at = 1
    while at < field.length and is_digit(field.data[at]) and count < 18:
        mantissa = mantissa * 10 + field.data[at] - 48
        at += 1
        count += 1
    if count == 0:
        return False
    if at < field.length and field.data[at] == 46:
        at += 1
        while at < field.length and is_digit(field.data[at]) and count + part < 18:
            mantissa = mantissa * 10 + field.data[at] - 48
            at += 1
            part += 1
    if at != field.length:
        return False
    value[0] = decimal_double(mantissa, part)
    if is_negative:
        value[0] = -value[0]
    return True


cdef bint osmand_degrees(Field field, int64_t *value_e7) noexcept nogil:
    """Decimal degrees x 10^7, the nearest whole number; digits behind the eighth do not count."""
    cdef int64_t units = 0
    cdef Py_ssize_t at = 0
    cdef int count = 0, part = 0
    cdef bint is_negative = field.length > 0 and field.data[0] == 45
    if field.length and (field.data[0] == 45 or field.data[0] == 43):
        at = 1
    while at < field.length and is_digit(field.data[at]) and count < 10:
        units = units * 10 + field.data[at] - 48
        at += 1
        count += 1
    if count == 0:
        return False
    if at < field.length and field.data[at] == 46:
        at += 1
        while at < field.length and is_digit(field.data[at]) and part < 20:
            if part < 8:
                units = units * 10 + field.data[at] - 48
            at += 1
            part += 1
    if at != field.length:
        return False
    while part < 8:
        units *= 10
        part += 1
    value_e7[0] = (units + 5) // 10
    if is_negative:
        value_e7[0] = -value_e7[0]
    return True


cdef bint osmand_instant(Field field, int64_t *at_us) noexcept nogil:
    """Seconds, or milliseconds, as digits with or without a fraction."""
    cdef int64_t seconds = 0, micros = 0
    cdef Py_ssize_t at = 0
    cdef int count = 0, part = 0
    while at < field.length and is_digit(field.data[at]) and count < 13:
        seconds = seconds * 10 + field.data[at] - 48
        at += 1
        count += 1
    if count == 0:
        return False
    if at < field.length and field.data[at] == 46:
        at += 1
        while at < field.length and is_digit(field.data[at]) and part < 20:
            if part < 6:
                micros = micros * 10 + field.data[at] - 48
            at += 1
            part += 1
    if at != field.length:
        return False
    if seconds > OSMAND_SECONDS_MAX:
        return False
    while part < 6:
        micros *= 10
        part += 1
    micros += seconds * 1000000
    at_us[0] = micros // 1000 if seconds >= OSMAND_MILLISECONDS_FROM else micros
    return at_us[0] < OSMAND_YEAR_MAX_US


cdef bint osmand_measure(Reading *reading, Field field, double low, double high, double *value, uint32_t has) noexcept nogil:
    """A number between two bounds; -1 is unknown. False when the reference must read it, and note it."""
    if field.length == 0:
        return True
    if not osmand_number(field, value):
        return False
    if low <= value[0] <= high:
        reading.has |= has
        return True
    return value[0] == -1


cdef inline int osmand_truth(Field field) noexcept nogil:
    """1, 0, or -1 for neither."""
    if is_letter(field, 49) or is_word_in_any_case(field.data, field.length, b"true"):
        return 1
    return 0 if is_letter(field, 48) or is_word_in_any_case(field.data, field.length, b"false") else -1


cdef bint osmand_fix(Reading *reading, const Field *values) noexcept nogil:
    """The position, where there is one; False when the reference must read it."""
    cdef int64_t lat_e7 = 0, lon_e7 = 0
    cdef Field valid = values[<int> OSMAND_VALID]
    cdef Field course = values[<int> OSMAND_BEARING] if values[<int> OSMAND_BEARING].length else values[<int> OSMAND_HEADING]
    if values[<int> OSMAND_LAT].length == 0 and values[<int> OSMAND_LON].length == 0:
        return True
    if not osmand_degrees(values[<int> OSMAND_LAT], &lat_e7) or not osmand_degrees(values[<int> OSMAND_LON], &lon_e7) \
            or not put_fix(reading, lat_e7, lon_e7, valid.length == 0 or osmand_truth(valid) == 1) \
            or not osmand_measure(reading, values[<int> OSMAND_SPEED], 0, 10000, &reading.speed_kmh, HAS_SPEED) \
            or not osmand_measure(reading, course, 0, 360, &reading.course_deg, HAS_COURSE) \
            or not osmand_measure(reading, values[<int> OSMAND_ACCURACY], 0, 1e7, &reading.accuracy_m, HAS_ACCURACY) \
            or not osmand_measure(reading, values[<int> OSMAND_ALTITUDE], -20000, 1e6, &reading.altitude_m, HAS_ALTITUDE):
        return False
    reading.speed_kmh *= KMH_PER_KNOT
    reading.source = 4
    return True


cdef bint osmand_report(Reading *reading, const Field *values) noexcept nogil:
    """What the fields of a query say; False when the reference must read it."""
    cdef Field alarm = values[<int> OSMAND_ALARM]
    cdef int charging = osmand_truth(values[<int> OSMAND_CHARGE])
    if values[<int> OSMAND_TIMESTAMP].length:
        if not osmand_instant(values[<int> OSMAND_TIMESTAMP], &reading.event_at_us):
            return False
        reading.has |= HAS_EVENT_AT
    if alarm.length:
        if not is_word_in_any_case(alarm.data, alarm.length, b"sos"):
            return False
        reading.kinds = KIND_SOS_BUTTON
    if not osmand_fix(reading, values) \
            or not osmand_measure(reading, values[<int> OSMAND_BATT], 0, 100, &reading.battery_percent, HAS_BATTERY_PERCENT):
        return False
    if charging >= 0:
        reading.charging = <uint8_t> charging
        reading.has |= HAS_CHARGING
    if reading.kinds == 0:
        reading.kinds = KIND_POSITION if reading.has & HAS_FIX else KIND_HEARTBEAT
    return True


cdef Status osmand_read(const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil:
    """One whole request."""
    cdef OsmandQuery query
    cdef Field text = osmand_values(raw, length), identity
    if text.data == NULL or line.words & OSMAND_HAS_TOKEN or not osmand_query(text, &query):
        return HANDOVER
    identity = query.values[<int> OSMAND_ID]
    if identity.length == 0:
        identity = query.values[<int> OSMAND_DEVICE_ID]
    if not osmand_report(next_reading(told), query.values):
        return HANDOVER
    told.reply_bytes = <int> strlen(OSMAND_OK)
    memcpy(told.reply, OSMAND_OK, told.reply_bytes)
    return name_device(line, identity.data, identity.length)


cdef Py_ssize_t osmand_repair(uint8_t *data, Py_ssize_t length, Py_ssize_t room) noexcept nogil:
    """The beginning and the end of a request without a body."""
    if length >= 13 and data[0] == 0x47:
        memcpy(data, b"GET /?id=", 9)
        memcpy(data + length - 4, b"\r\n\r\n", 4)
    return length


cdef Kernel *_osmand_kernel = new_kernel("osmand", b"GPHDOTC")
_osmand_kernel.shape = osmand_shape
_osmand_kernel.read = osmand_read
_osmand_kernel.prepare = osmand_prepare
_osmand_kernel.repair = osmand_repair
