# Kernels: jt808. The twin of protocols/jt808.py, jt808_position.py, jt808_alarms.py and jt808_levels.py: both delimiters, all headers,
# positions with their items, batches, logins, heartbeats.
#
# Refused frames, messages in parts, texts, clocks, attributes, old forms and items that are cut off are handed over. Read it beside those files:
# same names, same order.

cdef enum:
    JT808_DELIMITER = 0x7e
    JT808_DIALECT_DELIMITER = 0xe7
    JT808_TEXT_START = 0x28
    JT808_FRAME_BYTES_MIN = 13
    JT808_FRAME_BYTES_MAX = 4096
    JT808_STUFFED_BYTES_MAX = 8192
    JT808_TEXT_BYTES_MAX = 253
    JT808_PARTS_MAX = 32
    JT808_BODY_BYTES = 28
    JT808_OLD_FORM_BYTES = 18
    JT808_BATTERY_BYTES = 7
    JT808_DIGITS_MAX = 20
    JT808_ANSWER_BYTES_MAX = 64
    JT808_STANDARD_OFFSET_S = 28800

cdef enum Jt808Kind:
    JT808_TERMINAL_ANSWER = 0x0001
    JT808_HEARTBEAT = 0x0002
    JT808_LOGOUT = 0x0003
    JT808_SERVER_TIME = 0x0004
    JT808_REGISTER = 0x0100
    JT808_AUTHENTICATE = 0x0102
    JT808_ATTRIBUTES = 0x0107
    JT808_TIME_WANTED = 0x0109
    JT808_POSITION = 0x0200
    JT808_POSITION_ANSWER = 0x0201
    JT808_BATCH_SHORT = 0x0210
    JT808_COMMAND_TEXT = 0x0701
    JT808_BATCH = 0x0704
    JT808_LOCK_SHORT = 0x5501
    JT808_LOCK_LONG = 0x5502

cdef enum Jt808Dialect:
    JT808_STANDARD, JT808_LOCATOR, JT808_PADLOCK, JT808_STATUS_DOOR, JT808_CAMERA
    JT808_DIALECTS_MAX

cdef struct Jt808Message:
    # One frame, taken apart; see ``Message``.
    const uint8_t *data
    Py_ssize_t identity_at
    Py_ssize_t identity_bytes
    Py_ssize_t body_at
    Py_ssize_t body_bytes
    uint32_t kind
    uint32_t attributes
    uint32_t serial
    uint8_t delimiter
    uint8_t is_part

cdef struct Jt808Items:
    uint64_t levels
    uint64_t events

cdef uint64_t JT808_BITS[JT808_DIALECTS_MAX][32]
cdef uint32_t JT808_REMARKS[JT808_DIALECTS_MAX]
cdef uint64_t JT808_IMEI_NUMBERS = 100000000000000
cdef uint64_t KIND_DOOR = Kind.DOOR
cdef uint64_t KIND_VIBRATION = Kind.VIBRATION
cdef uint64_t KIND_POWER_OFF = Kind.POWER_OFF
cdef uint64_t KIND_STRAP_CUT = Kind.STRAP_CUT
cdef uint64_t KIND_BATTERY_LOW = Kind.BATTERY_LOW
cdef uint64_t KIND_HARSH_ACCEL = Kind.HARSH_ACCEL
cdef dict _jt808_standard = {
    0: Kind.SOS_BUTTON, 1: Kind.OVERSPEED, 2: Kind.FATIGUE, 4: Kind.FAULT, 5: Kind.GPS_ANTENNA, 6: Kind.GPS_ANTENNA, 7: Kind.BATTERY_LOW,
    8: Kind.POWER_CUT, 15: Kind.VIBRATION, 16: Kind.TAMPER_CASE, 17: Kind.TAMPER_CASE, 18: Kind.BATTERY_LOW, 19: Kind.PARKING,
    20: Kind.GEOFENCE, 26: Kind.GENERAL, 28: Kind.MOVEMENT, 29: Kind.ACCIDENT, 30: Kind.ACCIDENT,
}
cdef dict _jt808_padlock = {**_jt808_standard, 0: Kind.STRAP_CUT, 1: Kind.TAMPER_CASE, 4: Kind.STRAP_CUT}
cdef int _jt808_dialect, _jt808_bit
for _jt808_dialect, _jt808_known in enumerate((
    _jt808_standard, {0: Kind.SOS_BUTTON, 16: Kind.MOVEMENT}, _jt808_padlock, _jt808_standard, _jt808_standard,
)):
    JT808_REMARKS[_jt808_dialect] = 0
    for _jt808_bit in range(32):
        JT808_BITS[_jt808_dialect][_jt808_bit] = _jt808_known.get(_jt808_bit, 0)
        if _jt808_bit in ALARM_REMARKS and _jt808_dialect != JT808_LOCATOR:
            JT808_REMARKS[_jt808_dialect] |= <uint32_t> 1 << _jt808_bit

# Beginnings of models' names, in the order of the dialects.
cdef tuple JT808_PREFIXES = ((), ("AL300", "GL100"), ("G-360P", "G-508P"), ("MV710G",), ("JC",))


cdef int jt808_prepare(Line *line, object settings) except -1:
    """The dialect of the device's model."""
    cdef str name = (settings.model or "").upper()
    cdef int number
    line.dialect = JT808_STANDARD
    for number in range(1, 5):
        if name.startswith(JT808_PREFIXES[number]):
            line.dialect = <uint8_t> number
    return 0


# ------------------------------------------------------------------------------------------ what is remembered


cdef bint jt808_begin(Line *line, const uint8_t *raw, Py_ssize_t length) noexcept nogil:
    """What comes again is judged and answered as it was the first time."""
    if is_kept(line, raw, length):
        line.serial, line.levels = line.serial_before, line.levels_before
        return True
    if not keep(line, raw, length):
        return False
    line.serial_before, line.levels_before = line.serial, line.levels
    return True


cdef int jt808_lend(const Line *line, object reference) except -1:
    """The line's memory -> that of the reference, unless that knows more."""
    if line.is_beyond:
        return 0
    memory = reference.memory
    device = line.level_device[:line.level_device_bytes].decode("ascii")
    memory.serial = line.serial
    memory.newest = PyBytes_FromStringAndSize(<char *> line.kept, line.kept_bytes) if line.kept_bytes else b""
    memory.levels.devices = {device: kind_set(line.levels)} if line.levels else {}
    before = memory.levels.copy()
    before.devices = {device: kind_set(line.levels_before)} if line.levels_before else {}
    memory.before = (line.serial_before, before)
    return 0


cdef int jt808_take(Line *line, object reference) except -1:
    """And back. A relay with an alarm on one device and another on the line is beyond a Line."""
    cdef bytes newest = reference.memory.newest, device
    memory = reference.memory
    now, before = memory.levels.devices, memory.before[1].devices
    devices = now.keys() | before.keys()
    line.is_beyond = len(devices) > 1
    if line.is_beyond:
        return 0
    if not keep(line, newest, len(newest)):
        raise MemoryError
    name = next(iter(devices), "")
    device = name.encode("ascii")
    line.level_device_bytes = <uint8_t> len(device)
    memcpy(line.level_device, <const uint8_t *> device, len(device))
    line.serial, line.serial_before = memory.serial, memory.before[0]
    line.levels, line.levels_before = now.get(name, 0), before.get(name, 0)
    return 0


# --------------------------------------------------------------------------------------------------- delimiting


cdef inline uint8_t jt808_escape(uint8_t delimiter) noexcept nogil:
    return 0x7d if delimiter == JT808_DELIMITER else 0xe6


cdef const uint8_t *jt808_unstuffed(const uint8_t *raw, Py_ssize_t length, uint8_t *room, Py_ssize_t *size) noexcept nogil:
    """The bytes between the delimiters as they were before stuffing: where they stand, or in ``room``. ``size`` may exceed it by one."""
    cdef uint8_t escape = jt808_escape(raw[0])
    cdef const uint8_t *data = raw + 1
    cdef Py_ssize_t left = length - 2, at, count
    cdef const uint8_t *found = <const uint8_t *> memchr(data, escape, left)
    size[0] = left
    if found == NULL:
        return data
    count = found - data
    if count > JT808_FRAME_BYTES_MAX:
        size[0] = count
        return data
    memcpy(room, data, count)
    at = count
    while at < left and count <= JT808_FRAME_BYTES_MAX:
        room[count] = data[at]
        if data[at] == escape and left - at >= 2 and (data[at + 1] == 1 or data[at + 1] == 2):
            room[count] = escape if data[at + 1] == 1 else raw[0]
            at += 1
        count += 1
        at += 1
    size[0] = count
    return room


cdef Status jt808_message(const uint8_t *raw, Py_ssize_t length, uint8_t *room, Jt808Message *message) noexcept nogil:
    """One whole frame, which the caller knows to stand between two delimiters and no third."""
    cdef Py_ssize_t size = 0, promised, serial_bytes, part_bytes
    cdef uint32_t total, part
    cdef int form
    cdef const uint8_t *data = jt808_unstuffed(raw, length, room, &size)
    if size < JT808_FRAME_BYTES_MIN - 1 or size > JT808_FRAME_BYTES_MAX:
        return LENGTH
    if xor8(data, size - 1) != data[size - 1]:
        return CHECKSUM
    message.data = data
    message.delimiter = raw[0]
    message.kind = u16be(data)
    message.attributes = u16be(data + 2)
    serial_bytes = 1 if message.kind == JT808_LOCK_SHORT or message.kind == JT808_LOCK_LONG else 2
    part_bytes = 4 if message.attributes & 0x2000 else 0
    promised = message.attributes & 0x03ff
    for form in range(3):
        if not jt808_form(message, form):
            return LENGTH
        message.body_at = message.identity_at + message.identity_bytes + serial_bytes + part_bytes
        if message.body_at + promised + 1 == size:
            break
    else:
        return LENGTH
    message.body_bytes = promised
    message.serial = <uint32_t> uint_be(data + message.identity_at + message.identity_bytes, <int> serial_bytes)
    message.is_part = part_bytes != 0 and (is_jt808_position(message.kind) or message.kind == JT808_REGISTER or message.kind == JT808_COMMAND_TEXT)
    if message.is_part:
        total, part = u16be(data + message.body_at - 4), u16be(data + message.body_at - 2)
        if part < 1 or part > total or total > JT808_PARTS_MAX:
            return RANGE
    return OK


cdef inline bint jt808_form(Jt808Message *message, int form) noexcept nogil:
    """Bytes of version and identity that the header may have; False when there is no such form more."""
    cdef bint is_new = message.attributes & 0x4000
    message.identity_at = 5 if is_new else 4
    message.identity_bytes = 10
    if message.delimiter == JT808_DELIMITER:
        message.identity_bytes = 10 if is_new else 6
        return form == 0
    if is_new:
        message.identity_at = 4 if form == 2 else 5
        message.identity_bytes = 10 if form == 0 else 7
        return True
    message.identity_bytes = 7 - form
    return form < 2


cdef inline bint is_jt808_position(uint32_t kind) noexcept nogil:
    return kind == JT808_POSITION or kind == JT808_POSITION_ANSWER or kind == JT808_BATCH or kind == JT808_BATCH_SHORT


cdef inline bint is_jt808_text(uint8_t byte) noexcept nogil:
    return 0x20 <= byte <= 0x7d and byte != 0x28 and byte != 0x29


cdef Shape jt808_text_shape(const uint8_t *data, Py_ssize_t left, const Line *line, Py_ssize_t *size) noexcept nogil:
    """Text stands between frames, never inside one that is still incomplete."""
    cdef Py_ssize_t at = 2
    if line.split.is_behind:
        return NOISE
    if left == 1:
        return WAIT
    if not is_alphanumeric(data[1]):
        return NOISE
    while at < left and at - 2 < JT808_TEXT_BYTES_MAX and is_jt808_text(data[at]):
        at += 1
    if at == left:
        return WAIT
    if data[at] != 0x29:
        return NOISE
    size[0] = at + 1
    return FRAME


cdef Shape jt808_shape(const uint8_t *data, Py_ssize_t left, Line *line, Py_ssize_t *size) noexcept nogil:
    """A frame from delimiter to delimiter. Behind garbage the pairs may be the wrong ones: the closing one may open the next."""
    cdef uint8_t room[JT808_FRAME_BYTES_MAX + 1]
    cdef Jt808Message message
    cdef const uint8_t *end
    cdef Status status
    if data[0] == JT808_TEXT_START:
        return jt808_text_shape(data, left, line, size)
    end = <const uint8_t *> memchr(data + 1, data[0], min(left, <Py_ssize_t> JT808_STUFFED_BYTES_MAX) - 1)
    if end == NULL:
        return WAIT if left < JT808_STUFFED_BYTES_MAX else NOISE
    if end + 1 - data < JT808_FRAME_BYTES_MIN + 2:
        return NOISE
    status = jt808_message(data, end + 1 - data, room, &message)
    if status != OK and data[0] != JT808_DELIMITER and status != CHECKSUM:
        return NOISE
    size[0] = end + 1 - data
    return FRAME if status == OK else SPOILT


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


# ----------------------------------------------------------------------------------------------------- the frame


cdef int jt808_identity(const uint8_t *identity, Py_ssize_t count, uint8_t *digits) noexcept nogil:
    """A number in BCD without its leading zeros; or in binary, an IMEI without its check digit. How many digits, or 0."""
    cdef uint64_t number = 0
    cdef int at, length = <int> (2 * count), start = 0, total = 0, value
    if bcd_digits(identity, count, <char *> digits):
        while start < length and digits[start] == 48:
            start += 1
        memmove(digits, digits + start, length - start)
        return length - start
    for at in range(<int> count):
        if number >> 48:
            return 0
        number = number << 8 | identity[at]
    if number >= JT808_IMEI_NUMBERS:
        return 0
    for at in range(14):
        value = <int> (number % 10)
        number //= 10
        digits[13 - at] = <uint8_t> (48 + value)
        value *= 2 - at % 2
        total += value - 9 if value > 9 else value
    digits[14] = <uint8_t> (48 + (10 - total % 10) % 10)
    return 15


cdef inline bint is_jt808_answered(uint32_t kind) noexcept nogil:
    """Messages that want the general answer, of those that are read here."""
    return kind == JT808_HEARTBEAT or kind == JT808_LOGOUT or kind == JT808_AUTHENTICATE or kind == JT808_POSITION or kind == JT808_BATCH_SHORT \
        or kind == JT808_BATCH or kind == 0x0702 or kind == 0x0900 or kind == 0x1007


cdef void jt808_answer(const Jt808Message *message, const uint8_t *digits, int count, Line *line, Told *told) noexcept nogil:
    """A frame of ours in the header and the dialect of the device's, with our own serial number."""
    cdef uint8_t answer[JT808_ANSWER_BYTES_MAX]
    cdef uint8_t escape = jt808_escape(message.delimiter)
    cdef int at = <int> (message.identity_at + message.identity_bytes), size, place
    cdef bint is_register = message.kind == JT808_REGISTER
    if not is_register and not is_jt808_answered(message.kind):
        return
    put_u16be(answer, 0x8100 if is_register else 0x8001)
    put_u16be(answer + 2, <uint32_t> (3 + count if is_register else 5) | (message.attributes & 0x4000))
    memcpy(answer + 4, message.data + 4, at - 4)
    put_u16be(answer + at, <uint32_t> line.serial)
    put_u16be(answer + at + 2, message.serial)
    if is_register:
        answer[at + 4] = 0
        memcpy(answer + at + 5, digits, count)
        size = at + 5 + count
    else:
        put_u16be(answer + at + 4, message.kind)
        answer[at + 6] = 0
        size = at + 7
    answer[size] = xor8(answer, size)
    line.serial = (line.serial + 1) & 0xffff
    told.reply[0] = message.delimiter
    told.reply_bytes = 1
    for place in range(size + 1):
        told.reply[told.reply_bytes] = answer[place]
        if answer[place] == escape or answer[place] == message.delimiter:
            told.reply[told.reply_bytes] = escape
            told.reply_bytes += 1
            told.reply[told.reply_bytes] = 1 if answer[place] == escape else 2
        told.reply_bytes += 1
    told.reply[told.reply_bytes] = message.delimiter
    told.reply_bytes += 1


cdef Status jt808_reports(const Jt808Message *message, const Line *line, Told *told, uint64_t *life) noexcept nogil:
    """What a message says. Texts, clocks and attributes are handed over."""
    cdef Reading *reading
    if is_jt808_position(message.kind):
        return jt808_places(message, line, told, life)
    reading = next_reading(told)
    reading.sequence = message.serial
    reading.has = HAS_SEQUENCE
    if message.kind == JT808_REGISTER or message.kind == JT808_AUTHENTICATE:
        reading.kinds = KIND_LOGIN
    elif message.kind == JT808_TERMINAL_ANSWER:
        reading.kinds = KIND_DEVICE_ACK
    elif message.kind == JT808_HEARTBEAT or message.kind == JT808_LOGOUT:
        reading.kinds = KIND_HEARTBEAT
    elif message.kind == JT808_SERVER_TIME or message.kind == JT808_TIME_WANTED or message.kind == JT808_COMMAND_TEXT or message.kind == 0x6006 \
            or message.kind == 0x1300 or message.kind == JT808_ATTRIBUTES:
        return HANDOVER
    else:
        reading.kinds = KIND_HEARTBEAT
        note_unread(reading, UNREAD_MESSAGE + <int> message.kind)
    return OK


cdef Status jt808_read(const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil:
    """One whole frame. Nothing is remembered of it before it is believed."""
    cdef uint8_t room[JT808_FRAME_BYTES_MAX + 1]
    cdef uint8_t digits[JT808_DIGITS_MAX]
    cdef Jt808Message message
    cdef uint64_t life = line.levels
    cdef int count
    if length < 2 or (raw[0] != JT808_DELIMITER and raw[0] != JT808_DIALECT_DELIMITER) or raw[length - 1] != raw[0] \
            or memchr(raw + 1, raw[0], length - 2) != NULL or jt808_message(raw, length, room, &message) != OK or message.is_part:
        return HANDOVER
    count = jt808_identity(message.data + message.identity_at, message.identity_bytes, digits)
    if count == 0 or jt808_reports(&message, line, told, &life) != OK:
        return HANDOVER
    if is_jt808_position(message.kind) and (life or line.levels):
        if (line.levels or line.levels_before) and (count != line.level_device_bytes or memcmp(line.level_device, digits, count) != 0):
            return HANDOVER
        memcpy(line.level_device, digits, count)
        line.level_device_bytes = <uint8_t> count
        line.levels = life
    jt808_answer(&message, digits, count, line, told)
    return name_device(line, digits, count)


cdef Py_ssize_t jt808_repair(uint8_t *data, Py_ssize_t length, Py_ssize_t room) noexcept nogil:
    """The right body length and check byte, for frames in which nothing is stuffed."""
    cdef Py_ssize_t size
    if length < 17 or data[0] != JT808_DELIMITER or memchr(data + 1, 0x7d, length - 2) != NULL or memchr(data + 1, 0x7e, length - 2) != NULL:
        return length
    size = length - 2 - (17 if data[3] & 0x40 else 12) - (4 if data[3] & 0x20 else 0) - 1
    if size < 0 or size > 1023:
        return length
    data[3] = <uint8_t> (data[3] & 0xfc | size >> 8)
    data[4] = <uint8_t> (size & 0xff)
    data[length - 2] = xor8(data + 1, length - 3)
    data[length - 1] = JT808_DELIMITER
    return length


cdef Kernel *_jt808_kernel = new_kernel("jt808", b"\x7e\xe7(")
_jt808_kernel.promises_length = True
_jt808_kernel.begin = jt808_begin
_jt808_kernel.lend = jt808_lend
_jt808_kernel.take = jt808_take
_jt808_kernel.shape = jt808_shape
_jt808_kernel.read = jt808_read
_jt808_kernel.prepare = jt808_prepare
_jt808_kernel.repair = jt808_repair
