# Kernels: teltonika. The twin of protocols/teltonika.py: the stream, and whole packets and datagrams of codec 8, 8E and 16.
#
# Codec 7, command answers, packets that are refused while an alarm is readable in them, and records with
# something that deserves a remark are handed over. Read it beside teltonika.py: same names, same order.

cdef enum:
    TELTONIKA_IMEI_DIGITS_MIN = 15
    TELTONIKA_IMEI_DIGITS_MAX = 17
    TELTONIKA_DATA_BYTES_MIN = 3
    TELTONIKA_DATA_BYTES_MAX = 65535
    TELTONIKA_NESTED_BYTES_MAX = 2048
    TELTONIKA_PANIC = 2
    TELTONIKA_ALARM_ELEMENT = 236
    TELTONIKA_MAN_DOWN_ELEMENT = 242
    TELTONIKA_BUTTON_ELEMENT = 389
    TELTONIKA_POWER_MV_ELEMENT = 66
    TELTONIKA_BATTERY_MV_ELEMENT = 67
    TELTONIKA_BATTERY_PERCENT_ELEMENT = 113

cdef struct TeltonikaLayout:
    int id_bytes
    int count_bytes
    bint has_generation
    bint has_variable
    bint has_wide

cdef struct TeltonikaAlarmElement:
    bint is_there
    bint is_one
    bint is_set  # something else than 0

cdef int64_t TELTONIKA_TIME_MIN_MS = 1262304000000  # 2010-01-01
cdef int64_t TELTONIKA_DAY_MS = 86400000

cdef uint64_t TELTONIKA_VEHICLE_KINDS[256]
memset(TELTONIKA_VEHICLE_KINDS, 0, sizeof(TELTONIKA_VEHICLE_KINDS))
TELTONIKA_VEHICLE_KINDS[252] = Kind.POWER_CUT
TELTONIKA_VEHICLE_KINDS[246] = Kind.TOW
TELTONIKA_VEHICLE_KINDS[247] = Kind.ACCIDENT
TELTONIKA_VEHICLE_KINDS[249] = Kind.JAMMING
TELTONIKA_VEHICLE_KINDS[251] = Kind.IDLE
TELTONIKA_VEHICLE_KINDS[255] = Kind.OVERSPEED
cdef uint64_t TELTONIKA_GREEN_DRIVING[4]
TELTONIKA_GREEN_DRIVING[:] = [0, Kind.HARSH_ACCEL, Kind.HARSH_BRAKE, Kind.HARSH_CORNER]


cdef enum TeltonikaWord:
    # Bits of Line.words.
    TELTONIKA_HAS_WIDE = 1
    TELTONIKA_PANIC_IS_ROUTINE = 2
    TELTONIKA_IS_VEHICLE = 4


cdef int teltonika_prepare(Line *line, object settings) except -1:
    """Which switches the registry has set, and whether the model is a vehicle's."""
    cdef str model = (settings.model or "").upper()
    line.words = TELTONIKA_HAS_WIDE if settings.has("teltonika_16_byte_io") else 0
    if settings.has("teltonika_panic_is_routine"):
        line.words |= TELTONIKA_PANIC_IS_ROUTINE
    if model.startswith(("FMB", "FMC", "FMM", "FTC")):
        line.words |= TELTONIKA_IS_VEHICLE
    return 0


# --------------------------------------------------------------------------------------------------- the stream


cdef inline bint is_teltonika_codec(uint8_t codec) noexcept nogil:
    return codec == 0x07 or codec == 0x08 or codec == 0x8e or codec == 0x10 or 0x0c <= codec <= 0x0e


cdef Shape teltonika_shape(const uint8_t *data, Py_ssize_t left, Line *line, Py_ssize_t *size) noexcept nogil:
    """What begins with 00 or FF."""
    cdef Py_ssize_t whole
    if data[0] != 0:
        return FRAME if data[0] == 0xff and not is_lost(line) else NOISE
    if left < 2:
        return WAIT
    if data[1] != 0:
        whole = 2 + <Py_ssize_t> data[1]
        if is_inside(line) or data[1] < TELTONIKA_IMEI_DIGITS_MIN or data[1] > TELTONIKA_IMEI_DIGITS_MAX:
            return NOISE
        if not all_digits(data + 2, min(left, whole) - 2):
            return NOISE
        size[0] = whole
        return FRAME if left >= whole else WAIT
    if (left > 2 and data[2] != 0) or (left > 3 and data[3] != 0):
        return NOISE
    if left < 8:
        return WAIT
    whole = <Py_ssize_t> u32be(data + 4)
    if whole < TELTONIKA_DATA_BYTES_MIN or whole > (TELTONIKA_NESTED_BYTES_MAX if is_inside(line) else TELTONIKA_DATA_BYTES_MAX):
        return NOISE
    if is_lost(line) and left > 8 and not is_teltonika_codec(data[8]):
        return NOISE
    if left - 12 < whole:
        return WAIT
    size[0] = whole + 12
    return FRAME if u32be(data + 8 + whole) == crc16_arc(data + 8, whole) else SPOILT


# --------------------------------------------------------------------------------------------- data and records


cdef Status teltonika_data(const uint8_t *data, Py_ssize_t length, const Line *line, TeltonikaLayout *layout, Cursor *cursor) noexcept nogil:
    """Which layout the data have; the cursor stands at the first record. HANDOVER for what no kernel reads."""
    if length < TELTONIKA_DATA_BYTES_MIN:
        return HANDOVER
    layout.id_bytes = 1 if data[0] == 0x08 else 2
    layout.count_bytes = 2 if data[0] == 0x8e else 1
    layout.has_generation = data[0] == 0x10
    layout.has_variable = data[0] == 0x8e
    layout.has_wide = data[0] == 0x08 and line.words & TELTONIKA_HAS_WIDE != 0
    cursor.data = data
    cursor.length = length
    cursor.at = 2
    cursor.ran_out = False
    return OK if data[0] == 0x08 or data[0] == 0x8e or data[0] == 0x10 else HANDOVER


cdef Status teltonika_end(Cursor *cursor) noexcept nogil:
    """OK when the count stands again behind the last record, and nothing else."""
    cdef uint8_t again = <uint8_t> take_uint(cursor, 1)
    return OK if not cursor.ran_out and again == cursor.data[1] and cursor.at == cursor.length else HANDOVER


cdef inline void teltonika_note(TeltonikaAlarmElement *element, uint64_t value) noexcept nogil:
    element.is_there = True
    element.is_one |= value == 1
    element.is_set |= value != 0


cdef inline bint teltonika_says(const TeltonikaAlarmElement *element, bint is_event) noexcept nogil:
    """1 is an alarm; what caused the record is one unless it says 0."""
    return element.is_one or (is_event and (element.is_set or not element.is_there))


cdef Status teltonika_record(Cursor *cursor, const TeltonikaLayout *layout, const Line *line, int64_t now_us, Reading *reading) noexcept nogil:
    """One AVL record; its layout stands in teltonika.py."""
    cdef TeltonikaAlarmElement alarm, man_down
    cdef const uint8_t *head
    cdef uint64_t time_ms, value, kinds = 0
    cdef uint32_t event, number, angle
    cdef int32_t lat_e7, lon_e7
    cdef uint8_t priority
    cdef int size = 1
    cdef int64_t count, at
    memset(&alarm, 0, sizeof(alarm))
    memset(&man_down, 0, sizeof(man_down))
    if not has_left(cursor, 24 + layout.id_bytes + layout.has_generation + layout.count_bytes):
        return HANDOVER
    head = cursor.data + cursor.at
    time_ms = uint_be(head, 8)
    if now_us < 0 or time_ms < <uint64_t> TELTONIKA_TIME_MIN_MS or time_ms > <uint64_t> (now_us // 1000 + TELTONIKA_DAY_MS):
        return HANDOVER
    priority = head[8]
    lon_e7 = <int32_t> u32be(head + 9)
    lat_e7 = <int32_t> u32be(head + 13)
    if lat_e7 < -900000000 or lat_e7 > 900000000 or lon_e7 < -1800000000 or lon_e7 > 1800000000:
        return HANDOVER
    angle = u16be(head + 19)
    reading.event_at_us = <int64_t> time_ms * 1000
    reading.has = HAS_EVENT_AT
    if lat_e7 != 0 or lon_e7 != 0:
        reading.has |= HAS_FIX | HAS_FIX_AT | HAS_ALTITUDE | HAS_SPEED | HAS_SATELLITES | (HAS_COURSE if angle <= 360 else 0)
        reading.lat_e7 = lat_e7
        reading.lon_e7 = lon_e7
        reading.fix_at_us = reading.event_at_us
        reading.altitude_m = <int16_t> u16be(head + 17)
        reading.course_deg = angle
        reading.satellites = head[21]
        reading.fix_valid = head[21] > 0
        reading.speed_kmh = u16be(head + 22)
    event = <uint32_t> uint_be(head + 24, layout.id_bytes)
    cursor.at += 24 + layout.id_bytes + layout.has_generation + layout.count_bytes
    while size <= (16 if layout.has_wide else 8):
        count = <int64_t> take_uint(cursor, layout.count_bytes)
        if not has_left(cursor, count * (layout.id_bytes + size)):
            return HANDOVER
        for at in range(count):
            number = <uint32_t> uint_be(cursor.data + cursor.at, layout.id_bytes)
            value = uint_be(cursor.data + cursor.at + layout.id_bytes, min(size, 8))
            if size == 16:
                # Only 0, 1 and "something else" are told apart.
                value = 2 if value else uint_be(cursor.data + cursor.at + layout.id_bytes + 8, 8)
            cursor.at += layout.id_bytes + size
            if number == TELTONIKA_ALARM_ELEMENT:
                teltonika_note(&alarm, value)
            elif number == TELTONIKA_MAN_DOWN_ELEMENT:
                teltonika_note(&man_down, value)
            elif size == 1 and number == TELTONIKA_BUTTON_ELEMENT:
                return HANDOVER
            elif size == 1 and number == TELTONIKA_BATTERY_PERCENT_ELEMENT and value <= 100:
                reading.battery_percent = <double> value
                reading.has |= HAS_BATTERY_PERCENT
            elif size == 2 and number == TELTONIKA_BATTERY_MV_ELEMENT:
                reading.battery_v = <double> value / 1000.0
                reading.has |= HAS_BATTERY_V
            elif size == 2 and number == TELTONIKA_POWER_MV_ELEMENT:
                reading.power_v = <double> value / 1000.0
                reading.has |= HAS_POWER_V
            if size == 1 and line.words & TELTONIKA_IS_VEHICLE:
                kinds |= teltonika_vehicle_kinds(number, value, event)
        size *= 2
    if layout.has_variable:
        count = <int64_t> take_uint(cursor, 2)
        for at in range(count):
            take_skip(cursor, 2)
            take_skip(cursor, <Py_ssize_t> take_uint(cursor, 2))
            if cursor.ran_out:
                return HANDOVER
    if cursor.ran_out:
        return HANDOVER
    if teltonika_says(&alarm, event == TELTONIKA_ALARM_ELEMENT) or (event == TELTONIKA_ALARM_ELEMENT and priority == TELTONIKA_PANIC):
        kinds |= KIND_SOS_BUTTON
    if teltonika_says(&man_down, event == TELTONIKA_MAN_DOWN_ELEMENT):
        kinds |= KIND_MAN_DOWN
    if priority == TELTONIKA_PANIC and not kinds & KIND_LIFE and not line.words & TELTONIKA_PANIC_IS_ROUTINE:
        kinds |= KIND_GENERAL
    reading.standing = kinds & KIND_LIFE != 0 and priority != TELTONIKA_PANIC and event != TELTONIKA_ALARM_ELEMENT \
        and event != TELTONIKA_MAN_DOWN_ELEMENT
    reading.kinds = kinds if kinds else KIND_POSITION if reading.has & HAS_FIX else KIND_HEARTBEAT
    return OK


cdef inline uint64_t teltonika_vehicle_kinds(uint32_t number, uint64_t value, uint32_t event) noexcept nogil:
    """What the event elements of the FMB families say."""
    if number == 253:
        return TELTONIKA_GREEN_DRIVING[value] if value < 4 else 0
    if number == 175 and event == 175:
        return KIND_GEOFENCE_EXIT if value == 0 else KIND_GEOFENCE_ENTER if value == 1 else 0
    return TELTONIKA_VEHICLE_KINDS[number] if number < 256 and value else 0


# ------------------------------------------------------------------------------------------------------ the frame


cdef Status teltonika_records(const uint8_t *data, Py_ssize_t length, const Line *line, int64_t now_us, Told *told) noexcept nogil:
    """Every record of the data."""
    cdef TeltonikaLayout layout
    cdef Cursor cursor
    cdef Reading *reading
    cdef int at
    if teltonika_data(data, length, line, &layout, &cursor) != OK:
        return HANDOVER
    for at in range(data[1]):
        reading = next_reading(told)
        if reading == NULL or teltonika_record(&cursor, &layout, line, now_us, reading) != OK:
            return HANDOVER
    return teltonika_end(&cursor)


cdef inline void teltonika_just(Told *told, uint64_t kinds) noexcept nogil:
    """A frame that says one thing and nothing else."""
    next_reading(told).kinds = kinds


cdef Status teltonika_read(const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil:
    """One ping, login, data packet or datagram."""
    if line.is_datagram:
        return teltonika_datagram(raw, length, line, now_us, told)
    if length == 1 and raw[0] == 0xff:
        teltonika_just(told, KIND_HEARTBEAT)
        return OK
    if length >= 2 and raw[0] == 0 and raw[1] != 0:
        return teltonika_login(raw, length, line, told)
    return teltonika_packet(raw, length, line, now_us, told)


cdef Status teltonika_login(const uint8_t *raw, Py_ssize_t length, Line *line, Told *told) noexcept nogil:
    """Length u16, then that many digits."""
    if raw[1] < TELTONIKA_IMEI_DIGITS_MIN or raw[1] > TELTONIKA_IMEI_DIGITS_MAX or length != 2 + <Py_ssize_t> raw[1] \
            or not all_digits(raw + 2, raw[1]):
        return HANDOVER
    teltonika_just(told, KIND_LOGIN)
    told.reply[0] = 1
    told.reply_bytes = 1
    return name_device(line, raw + 2, raw[1])


cdef Status teltonika_packet(const uint8_t *raw, Py_ssize_t length, const Line *line, int64_t now_us, Told *told) noexcept nogil:
    """Preamble u32 = 0, length u32 N, N bytes, checksum u32."""
    cdef Py_ssize_t data_bytes
    cdef uint32_t claimed, counted
    cdef int at
    if length < 12 or u32be(raw) != 0 or line.device_bytes == 0:
        return HANDOVER
    data_bytes = <Py_ssize_t> u32be(raw + 4)
    if data_bytes < TELTONIKA_DATA_BYTES_MIN or data_bytes > TELTONIKA_DATA_BYTES_MAX or data_bytes != length - 12:
        return HANDOVER
    if teltonika_records(raw + 8, data_bytes, line, now_us, told) != OK:
        return HANDOVER
    claimed, counted = u32be(raw + length - 4), crc16_arc(raw + 8, data_bytes)
    if claimed != counted:
        for at in range(told.count):
            if told.readings[at].kinds & KIND_LIFE:
                return HANDOVER
        return blame(&told.fault, CHECKSUM, FAULT_CHECKSUM_WIDE, length - 4, counted, claimed)
    told.reply[0] = told.reply[1] = told.reply[2] = 0
    told.reply[3] = <uint8_t> told.count
    told.reply_bytes = 4
    return OK


cdef Status teltonika_datagram(const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil:
    """Length u16, packet id u16, type u8, AVL packet id u8, IMEI (length u16, digits), then data without checksum."""
    cdef Py_ssize_t digits
    if length < 8:
        return HANDOVER
    digits = <Py_ssize_t> u16be(raw + 6)
    if <Py_ssize_t> u16be(raw) != length - 2 or digits < TELTONIKA_IMEI_DIGITS_MIN or digits > TELTONIKA_IMEI_DIGITS_MAX \
            or length - 8 < digits or not all_digits(raw + 8, digits):
        return HANDOVER
    if teltonika_records(raw + 8 + digits, length - 8 - digits, line, now_us, told) != OK:
        return HANDOVER
    put_u16be(told.reply, 5)
    told.reply[2], told.reply[3] = raw[2], raw[3]
    told.reply[4], told.reply[5] = 1, raw[5]
    told.reply[6] = <uint8_t> told.count
    told.reply_bytes = 7
    return name_device(line, raw + 8, digits)


cdef Py_ssize_t teltonika_repair(uint8_t *data, Py_ssize_t length, Py_ssize_t room) noexcept nogil:
    if length >= 12 and u32be(data) == 0:
        put_u16be(data + 4, 0)
        put_u16be(data + 6, <uint32_t> (length - 12))
        put_u16be(data + length - 4, 0)
        put_u16be(data + length - 2, crc16_arc(data + 8, length - 12))
    elif length >= 8 and data[0] == 0 and data[1] != 0 and not is_digit(data[2]):
        put_u16be(data, <uint32_t> (length - 2))
    return length


cdef Kernel *_teltonika_kernel = new_kernel("teltonika", b"\x00\xff")
_teltonika_kernel.promises_length = True
_teltonika_kernel.joins_datagrams = False
_teltonika_kernel.shape = teltonika_shape
_teltonika_kernel.read = teltonika_read
_teltonika_kernel.prepare = teltonika_prepare
_teltonika_kernel.repair = teltonika_repair
