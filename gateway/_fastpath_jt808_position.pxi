# Kernels: what JT/T 808 positions say: alarms, items, place and time. The twin of protocols/jt808_position.py and jt808_alarms.py:
# same names, same order. What is delimited, remembered and answered stands in _fastpath_jt808.pxi.


# ------------------------------------------------------------------------------------------------------ alarms


cdef inline uint64_t jt808_kinds(uint32_t word, const uint64_t *bits) noexcept nogil:
    """Every alarm of a word whose set bits say alarm."""
    cdef uint64_t kinds = 0
    cdef int bit = 0
    while word:
        if word & 1:
            kinds |= bits[bit]
        word >>= 1
        bit += 1
    return kinds


cdef inline bint jt808_remarks(Reading *reading, uint32_t word, int dialect) noexcept nogil:
    """The set bits that are no alarm of ours; False when there are too many notes."""
    cdef int bit
    cdef bint has_room = True
    if word == 0:
        return True
    for bit in range(32):
        if word >> bit & 1 and JT808_BITS[dialect][bit] == 0:
            has_room = has_room and try_note(reading, (UNREAD_REMARK_BIT if JT808_REMARKS[dialect] >> bit & 1 else UNREAD_ALARM_BIT) + bit)
    return has_room


cdef Status jt808_camera(Reading *reading, Jt808Items *items, uint32_t code, bint is_camera) noexcept nogil:
    """What item 0xE8 says. Only what is in the cameras' own group is an alarm without the model."""
    if code == 0x0c01:
        items.events |= KIND_SOS_BUTTON
    elif code == 0x0c0e:
        items.events |= JT808_BITS[<int> JT808_STANDARD][8]
    elif code == 0x0c0f:
        items.events |= KIND_BATTERY_LOW
    elif code == 0x0c10:
        items.events |= KIND_POWER_OFF
    elif code == 0x0c12:
        items.events |= JT808_BITS[<int> JT808_STANDARD][16]
    elif code != 0:
        return HANDOVER if code >> 8 == 0x04 or code >> 8 == 0x0c or is_camera or not try_note(reading, UNREAD_ITEM + 0xe8) else OK
    return OK


cdef Status jt808_nested(Reading *reading, Jt808Items *items, const uint8_t *data, Py_ssize_t length, bint *known) noexcept nogil:
    """Item 0xEB: a list of ``length 2 (of what follows), id 2, value``. Some devices write text there instead."""
    cdef Py_ssize_t at = 0, size
    cdef uint32_t inner
    cdef uint64_t number
    known[0] = False
    while length - at >= 4:
        size, inner = u16be(data + at), u16be(data + at + 2)
        if size < 2 or length - at - 2 < size:
            break
        size -= 2
        if size > 8 and inner == 0x00c6:
            return HANDOVER
        number = uint_be(data + at + 4, <int> min(size, 8))
        at += 4 + size
        known[0] = True
        if inner == 0x0089 and size == 4:
            items.levels |= (KIND_POWER_OFF if not number & 1 else 0) | (KIND_STRAP_CUT if not number >> 12 & 1 else 0)
        elif inner == 0x00c5 and size == 4:
            items.levels |= KIND_VIBRATION if not number >> 6 & 1 else 0
        elif inner == 0x00c6:
            items.levels |= KIND_BATTERY_LOW if number == 3 or number == 4 else 0
        elif inner == 0x002d and size == 2:
            jt808_volts(reading, <double> number / 1000.0)
        elif inner == 0x00a8 and size == 1 and number <= 100:
            jt808_percent(reading, <uint32_t> number)
        elif not try_note(reading, UNREAD_INNER + <int> inner):
            return HANDOVER
    return OK


cdef Status jt808_driving(Jt808Items *items, const uint8_t *value, Py_ssize_t length) noexcept nogil:
    """Item 0xFE with the mark 0x7C: a list of ``id 1, length 1, value``; 0x01 are bits."""
    cdef Py_ssize_t at = 1, size
    cdef uint8_t part
    while length - at >= 2:
        part, size = value[at], value[at + 1]
        if part == 1 and size == 4 and length - at - 2 >= 4:
            if u32be(value + at + 2) & ~<uint32_t> 1:
                return HANDOVER
            items.events |= KIND_HARSH_ACCEL if u32be(value + at + 2) & 1 else 0
        at += 2 + size
    return OK


# ------------------------------------------------------------------------------------------------------- facts


cdef inline void jt808_percent(Reading *reading, uint32_t percent) noexcept nogil:
    reading.battery_percent = percent
    reading.has |= HAS_BATTERY_PERCENT


cdef inline void jt808_volts(Reading *reading, double volts) noexcept nogil:
    reading.battery_v = volts
    reading.has |= HAS_BATTERY_V


cdef inline void jt808_power(Reading *reading, double volts) noexcept nogil:
    reading.power_v = volts
    reading.has |= HAS_POWER_V


cdef inline void jt808_dbm(uint8_t level, int16_t *rssi_dbm, uint8_t *has_rssi) noexcept nogil:
    """A signed byte; only what a receiver can measure."""
    has_rssi[0] = level > 127
    rssi_dbm[0] = <int16_t> (<int> level - 256)


cdef Status jt808_cell(Reading *reading, uint32_t mcc, uint32_t mnc, uint32_t lac, uint32_t cid, uint8_t level) noexcept nogil:
    """One cell more, when it is one."""
    cdef CellReading *cell = &reading.cells[reading.cell_count]
    if mcc == 0 or mcc > 999 or cid == 0:
        return OK
    if reading.cell_count == CELLS_MAX:
        return HANDOVER
    cell.mcc, cell.mnc, cell.lac, cell.cid = <uint16_t> mcc, <uint16_t> mnc, lac, cid
    jt808_dbm(level, &cell.rssi_dbm, &cell.has_rssi)
    reading.cell_count += 1
    return OK


cdef Status jt808_network(Reading *reading, uint8_t item, const uint8_t *value, Py_ssize_t size) noexcept nogil:
    """Radio cells and access points; the layouts stand in jt808_position.py. An item that is neither is noted."""
    cdef Status status = OK
    cdef Py_ssize_t at = 0
    cdef WifiReading *point
    if item == 0x5d and size > 1 and (size - 1) % 10 == 0:
        at = 1
        while at < size and status == OK:
            status = jt808_cell(reading, u16be(value + at), value[at + 2], u16be(value + at + 3), u32be(value + at + 5), value[at + 9])
            at += 10
    elif item == 0xf0 and size and size % 13 == 0:
        while at < size and status == OK:
            status = jt808_cell(reading, u16be(value + at), u16be(value + at + 2), u32be(value + at + 8), u32be(value + at + 4), value[at + 12])
            at += 13
    elif item == 0xff and size == 12:
        status = jt808_cell(reading, u16be(value), u16be(value + 2), u32be(value + 4), u32be(value + 8), 0)
    elif (item == 0xf4 or item == 0xec) and size % 7 == 0:
        if size // 7 > WIFI_MAX - reading.wifi_count:
            return HANDOVER
        while at < size:
            point = &reading.wifi[reading.wifi_count]
            memcpy(point.mac, value + at, 6)
            jt808_dbm(value[at + 6], &point.rssi_dbm, &point.has_rssi)
            reading.wifi_count += 1
            at += 7
    elif not try_note(reading, UNREAD_ITEM + item):
        return HANDOVER
    return status


cdef Status jt808_fact(Reading *reading, uint8_t item, const uint8_t *value, Py_ssize_t size) noexcept nogil:
    """An item that states a fact."""
    if item == 0x01 or item == 0x02 or item == 0x03 or item == 0x25 or item == 0x2a or item == 0x2b or item == 0x30:
        return OK
    if item == 0x31 and size == 1:
        reading.satellites = value[0]
        reading.has |= HAS_SATELLITES
    elif (item == 0x06 or item == 0xd4 or item == 0xe1 or item == 0xfe) and size == 1 and value[0] <= 100:
        jt808_percent(reading, value[0])
    elif item == 0xe4 and size == 2 and value[1] <= 100:
        jt808_percent(reading, value[1])
    elif item == 0x69 and size == 2:
        jt808_volts(reading, u16be(value) / 100.0)
    elif item == 0x82 and size == 2:
        jt808_power(reading, u16be(value) / 10.0)
    elif item == 0xf1 and size == 4:
        jt808_power(reading, u32be(value) / 1000.0)
    elif item == 0xf7 and size == 6:
        jt808_volts(reading, u32be(value) / 1000.0)
        reading.charging = value[4] == 2 or value[4] == 3
        reading.has |= HAS_CHARGING
        if value[5] <= 100:
            jt808_percent(reading, value[5])
    elif item == 0x33 and begins(value, size, b"*M", 2):
        return HANDOVER
    else:
        return jt808_network(reading, item, value, size)
    return OK


# ---------------------------------------------------------------------------------------------------- positions


cdef Status jt808_item(Reading *reading, Jt808Items *items, uint8_t item, const uint8_t *value, Py_ssize_t size, int dialect) noexcept nogil:
    """One item: alarm or fact."""
    cdef bint known = False
    if item == 0xe7 and size == 8:
        items.events |= (KIND_VIBRATION if u16be(value) & 1 else 0) | (KIND_SOS_BUTTON if u16be(value) & 0x0e else 0)
        return OK
    if item == 0xe8 and size >= 2:
        return jt808_camera(reading, items, u16be(value), dialect == JT808_CAMERA)
    if item == 0xeb:
        if jt808_nested(reading, items, value, size, &known) != OK:
            return HANDOVER
        if known:
            return OK
    elif item == 0xfe and size and value[0] == 0x7c:
        return jt808_driving(items, value, size)
    return jt808_fact(reading, item, value, size)


cdef Status jt808_items(Reading *reading, Jt808Items *items, const uint8_t *data, Py_ssize_t length, int dialect) noexcept nogil:
    """Every item; HANDOVER when one is cut off, or when it may be the old form."""
    cdef Py_ssize_t at = 0, size
    while length - at >= 2:
        size = data[at + 1]
        if length - at - 2 < size:
            return HANDOVER
        if jt808_item(reading, items, data[at], data + at + 2, size, dialect) != OK:
            return HANDOVER
        at += 2 + size
    return HANDOVER if length == JT808_OLD_FORM_BYTES and at != length else OK


cdef bint jt808_time(const uint8_t *data, const Line *line, int64_t *at_us) noexcept nogil:
    """``yy mm dd hh mm ss`` in BCD, local time."""
    cdef int place
    cdef int parts[6]
    for place in range(6):
        parts[place] = bcd_byte(data[place])
        if parts[place] < 0:
            return False
    if not civil_us(full_year(parts[0]), parts[1], parts[2], parts[3], parts[4], parts[5], at_us):
        return False
    at_us[0] -= (line.clock_offset_s if line.has_clock_offset else JT808_STANDARD_OFFSET_S) * <int64_t> 1000000
    return True


cdef Status jt808_place(const uint8_t *body, Py_ssize_t length, const Line *line, Reading *reading, Jt808Items *items) noexcept nogil:
    """One position body with its items; the layout stands in jt808_position.py."""
    cdef uint32_t word, status, course
    cdef int64_t lat_e7, lon_e7
    if length < JT808_BODY_BYTES:
        return HANDOVER
    word, status, course = u32be(body), u32be(body + 4), u16be(body + 20)
    lat_e7, lon_e7 = u32be(body + 8) * <int64_t> 10, u32be(body + 12) * <int64_t> 10
    items.levels, items.events = jt808_kinds(word, JT808_BITS[line.dialect]), 0
    if line.dialect == JT808_STATUS_DOOR and status >> 16 & 1:
        items.levels |= KIND_DOOR
    if not jt808_remarks(reading, word, line.dialect):
        return HANDOVER
    if jt808_time(body + 22, line, &reading.event_at_us):
        reading.has |= HAS_EVENT_AT
    elif not try_note(reading, UNREAD_DATE_WORD):
        return HANDOVER
    if (lat_e7 > 90 * E7 or lon_e7 > 180 * E7) and not try_note(reading, UNREAD_PLACE):
        return HANDOVER
    if jt808_items(reading, items, body + JT808_BODY_BYTES, length - JT808_BODY_BYTES, line.dialect) != OK:
        return HANDOVER
    put_fix(reading, -lat_e7 if status & 0x04 else lat_e7, -lon_e7 if status & 0x08 else lon_e7, status >> 1 & 1)
    if not status & 0x02:
        reading.has &= ~<uint32_t> HAS_FIX_AT
    reading.altitude_m = <int16_t> u16be(body + 16)
    reading.speed_kmh = u16be(body + 18) / 10.0
    reading.has |= HAS_ALTITUDE | HAS_SPEED
    if course <= 360:
        reading.course_deg = course
        reading.has |= HAS_COURSE
    reading.kinds = items.levels | items.events
    if reading.kinds == 0:
        reading.kinds = KIND_POSITION
    return OK


cdef Status jt808_judge(const uint8_t *body, Py_ssize_t length, bint stored, const Line *line, Told *told, uint64_t *life) noexcept nogil:
    """One record, marked when its alarm only stands. A stored record never ends what stands now."""
    cdef Reading *reading = next_reading(told)
    cdef Jt808Items items
    cdef uint64_t levels
    if reading == NULL or jt808_place(body, length, line, reading, &items) != OK:
        return HANDOVER
    levels = items.levels & KIND_LIFE
    reading.stored = stored
    reading.standing = levels != 0 and levels & ~life[0] == 0 and items.events & KIND_LIFE == 0
    life[0] = (life[0] | levels) if stored else levels
    return OK


cdef Status jt808_places(const Jt808Message *message, const Line *line, Told *told, uint64_t *life) noexcept nogil:
    """Every position of a message, or the battery."""
    cdef const uint8_t *body = message.data + message.body_at
    cdef Py_ssize_t length = message.body_bytes, at = 0, size, size_bytes = 1, skipped = 2 if message.kind == JT808_POSITION_ANSWER else 0
    cdef bint stored = False
    cdef int number
    if message.kind == JT808_BATCH_SHORT and length == JT808_BATTERY_BYTES:
        jt808_battery(message, line, next_reading(told))
        return OK
    if message.kind == JT808_POSITION or message.kind == JT808_POSITION_ANSWER:
        if length < skipped or jt808_judge(body + skipped, length - skipped, False, line, told, life) != OK:
            return HANDOVER
    else:
        if message.kind == JT808_BATCH:
            stored = length >= 3 and body[2] == 1
            at, size_bytes = 3, 2
        while length - at > size_bytes:
            size = <Py_ssize_t> uint_be(body + at, <int> size_bytes)
            at += size_bytes
            if jt808_judge(body + at, min(size, length - at), stored, line, told, life) != OK:
                return HANDOVER
            at += size
    if told.count == 0:
        return HANDOVER
    if message.attributes >> 10 & 7:
        for number in range(told.count):
            if not told.readings[number].has & HAS_EVENT_AT:
                return HANDOVER
    return OK


cdef void jt808_battery(const Jt808Message *message, const Line *line, Reading *reading) noexcept nogil:
    """0x0210 without positions: ``percent 1, time 6``."""
    cdef const uint8_t *body = message.data + message.body_at
    reading.kinds = KIND_HEARTBEAT
    reading.sequence = message.serial
    reading.has = HAS_SEQUENCE
    if jt808_time(body + 1, line, &reading.event_at_us):
        reading.has |= HAS_EVENT_AT
    if body[0] <= 100:
        jt808_percent(reading, body[0])
