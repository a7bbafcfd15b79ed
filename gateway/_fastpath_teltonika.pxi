# Kernels: teltonika. The twin of protocols/teltonika.py: the stream, and whole packets and datagrams of codec 8, 8E and 16.
#
# Logins, codec 7, command answers, packets that are refused while an alarm is readable in them, and records with
# something that deserves a remark are handed over. Read it beside teltonika.py: same names, same order.

cdef enum:
    TELTONIKA_IMEI_DIGITS_MIN = 15
    TELTONIKA_IMEI_DIGITS_MAX = 17
    TELTONIKA_DATA_BYTES_MIN = 3
    TELTONIKA_DATA_BYTES_MAX = 65535
    TELTONIKA_NESTED_BYTES_MAX = 2048
    TELTONIKA_NESTED_MAX = 8
    TELTONIKA_PANIC = 2
    TELTONIKA_ALARM_ELEMENT = 236
    TELTONIKA_MAN_DOWN_ELEMENT = 242
    TELTONIKA_BUTTON_ELEMENT = 389
    TELTONIKA_POWER_MV_ELEMENT = 66
    TELTONIKA_BATTERY_MV_ELEMENT = 67
    TELTONIKA_BATTERY_PERCENT_ELEMENT = 113

cdef enum TeltonikaShape:
    TELTONIKA_WAIT
    TELTONIKA_NOISE
    TELTONIKA_FRAME
    TELTONIKA_SPOILT

cdef struct TeltonikaSplit:
    # Where the splitter stands in its buffer; ``claimed`` and ``looked`` count from ``start``.
    Py_ssize_t start
    Py_ssize_t claimed
    Py_ssize_t looked
    int nested
    bint is_lost
    int64_t skipped_bytes

cdef struct TeltonikaHabits:
    # What the registry says about a device.
    bint has_wide
    bint panic_is_routine
    bint is_vehicle

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

cdef uint64_t KIND_MAN_DOWN = Kind.MAN_DOWN
cdef uint64_t KIND_GENERAL = Kind.GENERAL
cdef uint64_t KIND_LIFE = LIFE & ~Kind.SOS_APP
cdef uint64_t KIND_GEOFENCE_EXIT = Kind.GEOFENCE_EXIT
cdef uint64_t KIND_GEOFENCE_ENTER = Kind.GEOFENCE_ENTER
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


cdef TeltonikaHabits teltonika_habits(object settings) except *:
    cdef TeltonikaHabits habits
    words = (settings.config or "").replace(",", " ").split()
    habits.has_wide = "teltonika_16_byte_io" in words
    habits.panic_is_routine = "teltonika_panic_is_routine" in words
    habits.is_vehicle = (settings.model or "").upper().startswith(("FMB", "FMC", "FMM", "FTC"))
    return habits


# --------------------------------------------------------------------------------------------------- the stream


cdef inline bint is_teltonika_codec(uint8_t codec) noexcept nogil:
    return codec == 0x07 or codec == 0x08 or codec == 0x8e or codec == 0x10 or 0x0c <= codec <= 0x0e


cdef inline bint all_digits(const uint8_t *data, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t at
    for at in range(count):
        if data[at] < 48 or data[at] > 57:
            return False
    return True


cdef TeltonikaShape teltonika_shape(const uint8_t *data, Py_ssize_t left, bint is_lost, bint is_inside, Py_ssize_t *size) noexcept nogil:
    """What begins at ``data`` (at least one byte), and how many bytes it has."""
    cdef Py_ssize_t whole
    if data[0] != 0:
        size[0] = 1
        return TELTONIKA_FRAME if data[0] == 0xff and not is_lost else TELTONIKA_NOISE
    if left < 2:
        return TELTONIKA_WAIT
    if data[1] != 0:
        whole = 2 + <Py_ssize_t> data[1]
        if is_inside or data[1] < TELTONIKA_IMEI_DIGITS_MIN or data[1] > TELTONIKA_IMEI_DIGITS_MAX:
            return TELTONIKA_NOISE
        if not all_digits(data + 2, min(left, whole) - 2):
            return TELTONIKA_NOISE
        size[0] = whole
        return TELTONIKA_FRAME if left >= whole else TELTONIKA_WAIT
    if (left > 2 and data[2] != 0) or (left > 3 and data[3] != 0):
        return TELTONIKA_NOISE
    if left < 8:
        return TELTONIKA_WAIT
    whole = <Py_ssize_t> u32be(data + 4)
    if whole < TELTONIKA_DATA_BYTES_MIN or whole > (TELTONIKA_NESTED_BYTES_MAX if is_inside else TELTONIKA_DATA_BYTES_MAX):
        return TELTONIKA_NOISE
    if is_lost and left > 8 and not is_teltonika_codec(data[8]):
        return TELTONIKA_NOISE
    if left - 12 < whole:
        return TELTONIKA_WAIT
    size[0] = whole + 12
    return TELTONIKA_FRAME if u32be(data + 8 + whole) == crc16_arc(data + 8, whole) else TELTONIKA_SPOILT


cdef inline Py_ssize_t teltonika_start_from(const uint8_t *data, Py_ssize_t length, Py_ssize_t at) noexcept nogil:
    """The next place where a login or a packet could begin; the end if there is none."""
    while at < length and data[at] != 0:
        at += 1
    return min(at, length)


cdef inline void teltonika_skip(TeltonikaSplit *split, Py_ssize_t count) noexcept nogil:
    split.start += count
    split.is_lost = True
    split.skipped_bytes += max(0, count - split.claimed)
    split.claimed = max(0, split.claimed - count)
    split.looked = max(0, split.looked - count)
    if split.claimed == 0:
        split.nested = 0


cdef Py_ssize_t teltonika_whole_behind(const uint8_t *data, Py_ssize_t length, TeltonikaSplit *split) noexcept nogil:
    """How far ahead a whole packet begins inside the one that is still incomplete; 0 if none does."""
    cdef Py_ssize_t at = teltonika_start_from(data, length, split.start + max(1, split.looked))
    cdef Py_ssize_t size = 0
    cdef TeltonikaShape shape
    while at < length:
        shape = teltonika_shape(data + at, length - at, True, True, &size)
        if shape == TELTONIKA_FRAME:
            return at - split.start
        if shape == TELTONIKA_WAIT or split.nested >= TELTONIKA_NESTED_MAX:
            break
        split.nested += shape == TELTONIKA_SPOILT
        at = teltonika_start_from(data, length, at + 1)
    split.looked = at - split.start
    return 0


cdef TeltonikaShape teltonika_next(const uint8_t *data, Py_ssize_t length, TeltonikaSplit *split, Py_ssize_t *frame_at,
                                   Py_ssize_t *size) noexcept nogil:
    """The next delimited frame: FRAME or SPOILT with its place and size, or WAIT when the buffer holds no more."""
    cdef TeltonikaShape shape
    cdef Py_ssize_t hidden
    while split.start < length:
        shape = teltonika_shape(data + split.start, length - split.start, split.is_lost, split.claimed > 0, size)
        frame_at[0] = split.start
        if shape == TELTONIKA_NOISE:
            teltonika_skip(split, teltonika_start_from(data, length, split.start + 1) - split.start)
        elif shape == TELTONIKA_WAIT:
            hidden = teltonika_whole_behind(data, length, split)
            if hidden == 0:
                return TELTONIKA_WAIT
            teltonika_skip(split, hidden)
        elif shape == TELTONIKA_SPOILT:
            split.claimed = max(split.claimed, size[0])
            split.nested += 1
            teltonika_skip(split, 1 if split.nested < TELTONIKA_NESTED_MAX else size[0])
            return shape
        else:
            split.start += size[0]
            split.is_lost = False
            split.claimed = split.looked = 0
            split.nested = 0
            return shape
    return TELTONIKA_WAIT


# --------------------------------------------------------------------------------------------- data and records


cdef Status teltonika_data(const uint8_t *data, Py_ssize_t length, const TeltonikaHabits *habits, TeltonikaLayout *layout,
                           Cursor *cursor) noexcept nogil:
    """Which layout the data have; the cursor stands at the first record. HANDOVER for what no kernel reads."""
    if length < TELTONIKA_DATA_BYTES_MIN:
        return HANDOVER
    layout.id_bytes = 1 if data[0] == 0x08 else 2
    layout.count_bytes = 2 if data[0] == 0x8e else 1
    layout.has_generation = data[0] == 0x10
    layout.has_variable = data[0] == 0x8e
    layout.has_wide = data[0] == 0x08 and habits.has_wide
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


cdef Status teltonika_record(Cursor *cursor, const TeltonikaLayout *layout, const TeltonikaHabits *habits, int64_t now_us,
                             Reading *reading) noexcept nogil:
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
    start_reading(reading)
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
            if size == 1 and habits.is_vehicle:
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
    if priority == TELTONIKA_PANIC and not kinds & KIND_LIFE and not habits.panic_is_routine:
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
