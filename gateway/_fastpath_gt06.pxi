# Kernels: gt06. The twin of protocols/gt06.py: delimiting, login, positions, alarms, heartbeats; the rest is handed over.
#
# Read it beside gt06_content.py: same names, same order, same words. Whoever changes one changes the other, or
# tests/property/test_twins.py says on which bytes they part.

cdef enum:
    GT06_LENGTH_MIN = 5  # type 1, serial 2, checksum 2
    GT06_LENGTH_LONG_MAX = 8192
    GT06_GPS_BYTES = 18
    GT06_STATUS_BYTES = 5
    GT06_TOPIN_BYTES_MAX = 300
    GT06_LOGIN = 0x01

cdef struct Gt06Dialect:
    const uint64_t *alarm_codes
    uint64_t removed  # what status bits 111 mean
    Py_ssize_t driver_card_bytes
    bint voltage_word

cdef uint64_t GT06_CODES[256]
cdef uint64_t GT06_CODES_VL[256]
cdef uint64_t GT06_CODES_LW4G[256]
cdef uint64_t GT06_STATUS_ALARMS[8]

cdef double GT06_STEPS[7]
GT06_STEPS[:] = [0.0, 16.7, 33.3, 50.0, 66.7, 83.3, 100.0]


cdef int gt06_fill(uint64_t *codes, dict known, int count) except -1:
    cdef int code
    for code in range(count):
        codes[code] = known.get(code, Kind.UNKNOWN_ALARM)
    return 0


cdef object _gt06_codes = {
    0x00: 0, 0x01: Kind.SOS_BUTTON, 0x02: Kind.POWER_CUT, 0x03: Kind.VIBRATION, 0x04: Kind.GEOFENCE_ENTER, 0x05: Kind.GEOFENCE_EXIT,
    0x06: Kind.OVERSPEED, 0x09: Kind.VIBRATION, 0x0a: Kind.GNSS_LOST, 0x0b: 0, 0x0c: Kind.TAMPER_CASE, 0x0d: 0, 0x0e: Kind.BATTERY_LOW,
    0x0f: Kind.BATTERY_LOW, 0x10: Kind.SIM_CHANGED, 0x11: Kind.POWER_OFF, 0x13: Kind.TAMPER_CASE, 0x14: Kind.DOOR, 0x18: Kind.STRAP_CUT,
    0x19: Kind.BATTERY_LOW, 0x1a: Kind.HARSH_BRAKE, 0x1b: Kind.HARSH_CORNER, 0x23: Kind.FALL, 0x25: Kind.TAMPER_CASE,
    0x26: Kind.HARSH_ACCEL, 0x27: Kind.HARSH_BRAKE, 0x28: Kind.HARSH_BRAKE, 0x29: Kind.HARSH_ACCEL, 0x2a: Kind.HARSH_CORNER,
    0x2b: Kind.HARSH_CORNER, 0x2c: Kind.ACCIDENT, 0x2e: Kind.HARSH_CORNER, 0x30: Kind.JAMMING, 0x32: Kind.TAMPER_CASE, 0xfe: 0, 0xff: 0,
}
gt06_fill(GT06_CODES, _gt06_codes, 256)
gt06_fill(GT06_CODES_VL, {**_gt06_codes, 0x09: Kind.TOW, 0x28: Kind.POWER_OFF, 0x30: Kind.HARSH_BRAKE, 0xe8: 0, 0xea: 0}, 256)
gt06_fill(GT06_CODES_LW4G, {**_gt06_codes, 0x18: Kind.ACCIDENT, 0x19: Kind.HARSH_ACCEL}, 256)
gt06_fill(GT06_STATUS_ALARMS, {
    0: 0, 1: Kind.VIBRATION, 2: Kind.POWER_CUT, 3: Kind.BATTERY_LOW, 4: Kind.SOS_BUTTON, 6: Kind.GEOFENCE, 7: Kind.STRAP_CUT,
}, 8)


# What the families of models do differently, by the prefix of the model's name; the first is everybody else's.
cdef tuple GT06_PREFIXES = ((), ("VL103", "LL303", "VL512", "G18"), ("LW4G",), ("VXT01",), ("R11",))
cdef Gt06Dialect GT06_DIALECTS[5]
cdef int _number
for _number in range(5):
    GT06_DIALECTS[_number].alarm_codes = &GT06_CODES[0]
    GT06_DIALECTS[_number].removed = GT06_STATUS_ALARMS[7]
    GT06_DIALECTS[_number].driver_card_bytes = 0
    GT06_DIALECTS[_number].voltage_word = False
GT06_DIALECTS[1].alarm_codes = &GT06_CODES_VL[0]
GT06_DIALECTS[1].driver_card_bytes = 8
GT06_DIALECTS[2].alarm_codes = &GT06_CODES_LW4G[0]
GT06_DIALECTS[3].removed = KIND_OVERSPEED
GT06_DIALECTS[4].voltage_word = True


cdef int gt06_prepare(Line *line, object settings) except -1:
    """The dialect of the device's model."""
    cdef str name = (settings.model or "").upper()
    cdef int number
    line.dialect = 0
    for number in range(1, 5):
        if name.startswith(GT06_PREFIXES[number]):
            line.dialect = <uint8_t> number
    return 0


# --------------------------------------------------------------------------------------------------- delimiting


cdef Shape gt06_topin_shape(const uint8_t *data, Py_ssize_t left, Py_ssize_t *size) noexcept nogil:
    """A Wi-Fi frame of the Topin dialect: its length follows from its counts; no checksum."""
    cdef Py_ssize_t cells_at, whole
    if left < 4:
        return WAIT
    cells_at = 10 + 7 * <Py_ssize_t> data[2]
    if (data[3] != 0x17 and data[3] != 0x69) or cells_at + 6 > GT06_TOPIN_BYTES_MAX:
        return NOISE
    if left <= cells_at:
        return WAIT
    whole = cells_at + 6 + 5 * <Py_ssize_t> data[cells_at]
    if whole > GT06_TOPIN_BYTES_MAX:
        return NOISE
    if left < whole:
        return WAIT
    if data[whole - 2] != 0x0d or data[whole - 1] != 0x0a:
        return NOISE
    size[0] = whole
    return FRAME


cdef Shape gt06_checked_shape(const uint8_t *data, Py_ssize_t left, Py_ssize_t *size) noexcept nogil:
    """What begins with a header at ``data``. The caller has seen the header's two bytes."""
    cdef Py_ssize_t prefix = 3 if data[0] == 0x78 else 4
    cdef Py_ssize_t length, whole
    if left < prefix:
        return WAIT
    length = data[2] if prefix == 3 else <Py_ssize_t> u16be(data + 2)
    if length < GT06_LENGTH_MIN or length > GT06_LENGTH_LONG_MAX:
        return NOISE
    whole = prefix + length + 2
    if left < whole:
        return WAIT
    if data[whole - 2] != 0x0d or data[whole - 1] != 0x0a:
        return NOISE
    size[0] = whole
    return FRAME if crc16_x25(data + 2, whole - 6) == u16be(data + whole - 4) else SPOILT


cdef Shape gt06_shape(const uint8_t *data, Py_ssize_t left, Line *line, Py_ssize_t *size) noexcept nogil:
    """What begins with 78 or 79. Behind an incomplete frame only short frames with a checksum count."""
    cdef Shape shape
    if left < 2:
        return WAIT
    if data[1] != data[0] or (data[0] == 0x79 and line.split.is_behind):
        return NOISE
    shape = gt06_checked_shape(data, left, size)
    return gt06_topin_shape(data, left, size) if shape == NOISE and data[0] == 0x78 and not line.split.is_behind else shape


cdef inline bint is_gt06_topin(const uint8_t *raw, Py_ssize_t length) noexcept nogil:
    """One whole Wi-Fi frame, and nothing else."""
    cdef Py_ssize_t size = 0
    return begins(raw, length, b"xx", 2) and gt06_topin_shape(raw, length, &size) == FRAME and size == length


cdef Status gt06_require(const uint8_t *raw, Py_ssize_t length, Fault *fault) noexcept nogil:
    """OK when the bytes are exactly one frame with header, length, tail and checksum."""
    cdef Py_ssize_t prefix = 3, promised, size
    cdef uint16_t computed, carried
    if length < 2 or (raw[0] != 0x78 and raw[0] != 0x79) or raw[1] != raw[0]:
        return blame(fault, FRAMING, FAULT_HEADER, 0, 0, 0)
    if raw[0] == 0x79:
        prefix = 4
    if length < prefix:
        return blame(fault, LENGTH, FAULT_CUT_HEADER, length, 0, 0)
    promised = raw[2] if prefix == 3 else <Py_ssize_t> u16be(raw + 2)
    if promised < GT06_LENGTH_MIN or promised > GT06_LENGTH_LONG_MAX:
        return blame(fault, LENGTH, FAULT_LENGTH_RANGE, 2, 0, promised)
    size = prefix + promised + 2
    if length != size:
        return blame(fault, LENGTH, FAULT_LENGTH, 2, size, length)
    if raw[size - 2] != 0x0d or raw[size - 1] != 0x0a:
        return blame(fault, FRAMING, FAULT_TAIL, size - 2, 0, 0)
    carried = u16be(raw + size - 4)
    computed = crc16_x25(raw + 2, size - 6)
    if carried != computed:
        return blame(fault, CHECKSUM, FAULT_CHECKSUM, size - 4, computed, carried)
    return OK


# ------------------------------------------------------------------------------------------------------- blocks


cdef bint gt06_time(const uint8_t *data, int64_t ahead_us, int64_t *at_us) noexcept nogil:
    """``yy mm dd hh mm ss`` in binary, local time of a zone ``ahead_us`` east of UTC."""
    if not civil_us(full_year(data[0]), data[1], data[2], data[3], data[4], data[5], at_us):
        return False
    at_us[0] -= ahead_us
    return True


cdef void gt06_gps(const uint8_t *block, int64_t ahead_us, Reading *reading) noexcept nogil:
    """The GPS block of 18 bytes; its layout stands in gt06_content.py."""
    cdef uint64_t lat = u32be(block + 7), lon = u32be(block + 11)
    cdef uint32_t flags = u16be(block + 16)
    cdef bint dated = gt06_time(block, ahead_us, &reading.event_at_us)
    cdef bint valid = dated and flags & 0x1000
    if dated:
        reading.has |= HAS_EVENT_AT
    else:
        note_unread(reading, UNREAD_DATE)
    if lat > 90 * 1800000 or lon > 180 * 1800000:
        note_unread(reading, UNREAD_PLACE)
        return
    reading.lat_e7 = <int32_t> ((lat * 50 + 4) // 9)
    reading.lon_e7 = <int32_t> ((lon * 50 + 4) // 9)
    if not valid and reading.lat_e7 == 0 and reading.lon_e7 == 0:
        return
    if not flags & 0x0400:
        reading.lat_e7 = -reading.lat_e7
    if flags & 0x0800:
        reading.lon_e7 = -reading.lon_e7
    reading.has |= HAS_FIX | HAS_SPEED | HAS_SATELLITES
    reading.fix_valid = valid
    if valid:
        reading.fix_at_us = reading.event_at_us
        reading.has |= HAS_FIX_AT
    reading.speed_kmh = block[15]
    reading.satellites = block[6] & 0x0f
    if flags & 0x3ff <= 360:
        reading.course_deg = flags & 0x3ff
        reading.has |= HAS_COURSE


cdef void gt06_cell(const uint8_t *block, Py_ssize_t length, Reading *reading) noexcept nogil:
    """One radio cell, known by the length of its block: ``MCC 2, MNC 1-2, LAC 2-4, CID 3-8``."""
    cdef int mnc_bytes = 1, lac_bytes = 2, cid_bytes = 3
    cdef CellReading *cell = &reading.cells[0]
    cdef uint32_t mcc
    if length == 9:
        cid_bytes = 4
    elif length == 10:
        mnc_bytes, cid_bytes = 2, 4
    elif length == 15 or length == 16:
        mnc_bytes, lac_bytes, cid_bytes = <int> length - 14, 4, 8
    elif length != 8:
        return
    mcc = u16be(block)
    if length == 9 and mcc & 0x8000:
        mnc_bytes, cid_bytes = 2, 3
    mcc &= 0x7fff
    if mcc == 0 or mcc > 999:
        return
    cell.mcc = <uint16_t> mcc
    cell.mnc = <uint16_t> uint_be(block + 2, mnc_bytes)
    cell.lac = <uint32_t> uint_be(block + 2 + mnc_bytes, lac_bytes)
    cell.cid = uint_be(block + 2 + mnc_bytes + lac_bytes, cid_bytes)
    reading.cell_count = 1


cdef inline uint64_t gt06_status_kinds(uint32_t terminal, uint32_t code, const Gt06Dialect *dialect, uint64_t removed) noexcept nogil:
    """Both places where an alarm may stand, always read together; what nobody knows is an unknown alarm."""
    cdef uint32_t bits = terminal >> 3 & 7
    cdef uint64_t kinds = removed if bits == 7 else GT06_STATUS_ALARMS[bits]
    return kinds | (dialect.alarm_codes[code] if code < 256 else KIND_UNKNOWN_ALARM)


cdef void gt06_status(const uint8_t *status, Reading *reading) noexcept nogil:
    """Charging and battery of a status block: 0-6 are steps, 7-100 percent."""
    reading.has |= HAS_CHARGING
    reading.charging = (status[0] & 0x04) != 0
    if status[1] > 100:
        note_unread(reading, UNREAD_VOLTAGE)
        return
    reading.has |= HAS_BATTERY_PERCENT
    reading.battery_percent = GT06_STEPS[status[1]] if status[1] <= 6 else <double> status[1]


# ------------------------------------------------------------------------------------------------ message types


cdef Py_ssize_t gt06_cell_bytes(uint8_t kind, const uint8_t *rest, Py_ssize_t length) noexcept nogil:
    """How long the cell block of a position is: the frame does not say, so its type and what follows must."""
    cdef bint wide_mnc = length >= 2 and rest[0] & 0x80
    cdef Py_ssize_t size
    if kind == 0xa0:
        return 16 if wide_mnc else 15
    if kind == 0x11 and length == 10:
        return 10
    if kind == 0x22 or kind == 0x2d or kind == 0x31:
        size = 9 if wide_mnc else 8
        while size <= 10:
            if length - size >= 3 and rest[size] <= 1 and rest[size + 2] <= 1:
                return size
            size += 1
    return 9 if wide_mnc else 8


cdef void gt06_position(uint8_t kind, const uint8_t *content, Py_ssize_t length, int64_t ahead_us, Reading *reading) noexcept nogil:
    """GPS block, cell block; 0x22, 0x2D and 0x31 go on with three flags, 0x31 with mileage and altitude."""
    cdef const uint8_t *rest = content + GT06_GPS_BYTES
    cdef Py_ssize_t left = length - GT06_GPS_BYTES
    cdef Py_ssize_t size = gt06_cell_bytes(kind, rest, left)
    gt06_gps(content, ahead_us, reading)
    reading.kinds = KIND_POSITION
    gt06_cell(rest, min(size, left), reading)
    if (kind != 0x22 and kind != 0x2d and kind != 0x31) or left - size < 3:
        return
    reading.stored = rest[size + 2] == 1
    if kind == 0x31 and reading.has & HAS_FIX and left - size >= 9:
        reading.altitude_m = <int16_t> u16be(rest + size + 7)
        reading.has |= HAS_ALTITUDE


cdef void gt06_alarm(uint8_t kind, const uint8_t *content, Py_ssize_t length, const Gt06Dialect *dialect, int64_t ahead_us,
                     Reading *reading) noexcept nogil:
    """GPS block, length byte, cell block, status from the end (with a fence number in 0x27 and 0xA4)."""
    cdef bint fenced = kind == 0x27 or kind == 0xa4
    cdef bint is_vxt01 = kind == 0x16 and length == 31
    cdef Py_ssize_t end = length - GT06_STATUS_BYTES - fenced
    cdef Py_ssize_t block
    cdef uint32_t code = 0
    if dialect.driver_card_bytes and length == GT06_GPS_BYTES + 9 + GT06_STATUS_BYTES + dialect.driver_card_bytes:
        end -= dialect.driver_card_bytes
    if end < 0:
        reading.kinds = KIND_UNKNOWN_ALARM
        note_unread(reading, UNREAD_STATUS)
        return
    if not is_vxt01:
        code = content[end + 3]
        if fenced:
            code |= <uint32_t> (content[end + 4] >> 4) << 8
    reading.kinds = gt06_status_kinds(content[end], code, dialect, KIND_OVERSPEED if is_vxt01 else dialect.removed)
    if end < GT06_GPS_BYTES:
        note_unread(reading, UNREAD_POSITION)
    else:
        gt06_gps(content, ahead_us, reading)
        if reading.kinds == 0:
            reading.kinds = KIND_POSITION
        block = end - GT06_GPS_BYTES
        if block == 8 or block == 15:
            gt06_cell(content + GT06_GPS_BYTES, block, reading)
        elif block > 0 and content[GT06_GPS_BYTES] != 0:
            gt06_cell(content + GT06_GPS_BYTES + 1, block - 1, reading)
    gt06_status(content + end, reading)


cdef void gt06_cell_alarm(uint8_t kind, const uint8_t *content, Py_ssize_t length, const Gt06Dialect *dialect, Reading *reading) noexcept nogil:
    """Cell block and status, no position; a long 0x19 is a list of cells instead."""
    cdef Py_ssize_t end = length - GT06_STATUS_BYTES
    if kind == 0x19 and length >= 18:
        reading.kinds = KIND_POSITION
        gt06_cell(content, 8, reading)
        note_unread(reading, UNREAD_CELLS)
        return
    if end < 0:
        reading.kinds = KIND_UNKNOWN_ALARM
        note_unread(reading, UNREAD_STATUS)
        return
    reading.kinds = gt06_status_kinds(content[end], content[end + 3], dialect, dialect.removed)
    if reading.kinds == 0:
        reading.kinds = KIND_HEARTBEAT
    gt06_cell(content, end, reading)
    gt06_status(content + end, reading)


cdef void gt06_heartbeat(const uint8_t *content, Py_ssize_t length, const Gt06Dialect *dialect, Reading *reading) noexcept nogil:
    """0x13: the status block, or its first three bytes. Of other models' lengths only a pressed button is believed."""
    gt06_heartbeat_status(content, length, dialect, reading)
    reading.standing = reading.kinds != KIND_HEARTBEAT


cdef void gt06_heartbeat_status(const uint8_t *content, Py_ssize_t length, const Gt06Dialect *dialect, Reading *reading) noexcept nogil:
    cdef uint64_t bits
    reading.kinds = KIND_HEARTBEAT
    if length == 0:
        return
    bits = gt06_status_kinds(content[0], 0, dialect, dialect.removed)
    if dialect.voltage_word and length >= 3:
        reading.kinds |= bits & KIND_SOS_BUTTON
        reading.power_v = u16be(content + 1) / 100.0
        reading.charging = (content[0] & 0x04) != 0
        reading.has |= HAS_POWER_V | HAS_CHARGING
        return
    if length < 3 or length > GT06_STATUS_BYTES:
        reading.kinds |= bits & KIND_SOS_BUTTON
        note_unread(reading, UNREAD_OTHER_MODEL)
        return
    reading.kinds |= gt06_status_kinds(content[0], content[3] if length == GT06_STATUS_BYTES else 0, dialect, dialect.removed)
    gt06_status(content, reading)


cdef void gt06_gk310_heartbeat(const uint8_t *content, Py_ssize_t length, const Gt06Dialect *dialect, Reading *reading) noexcept nogil:
    """0x23: terminal information 1, voltage 2 in hundredths."""
    reading.kinds = KIND_HEARTBEAT
    if length < 3:
        note_unread(reading, UNREAD_OTHER_MODEL)
        return
    reading.kinds |= gt06_status_kinds(content[0], 0, dialect, dialect.removed)
    reading.standing = reading.kinds != KIND_HEARTBEAT
    reading.battery_v = u16be(content + 1) / 100.0
    reading.charging = (content[0] & 0x04) != 0
    reading.has |= HAS_BATTERY_V | HAS_CHARGING


cdef Status gt06_report(const uint8_t *raw, Py_ssize_t length, const Line *line, Reading *reading, Fault *fault) noexcept nogil:
    """What a delimited frame (not a login) says."""
    cdef const Gt06Dialect *dialect = &GT06_DIALECTS[line.dialect]
    cdef int64_t ahead_us = offset_us(line)
    cdef Py_ssize_t kind_at = 3 if raw[0] == 0x78 else 4
    cdef uint8_t kind = raw[kind_at]
    cdef const uint8_t *content = raw + kind_at + 1
    cdef Py_ssize_t content_bytes = length - kind_at - 7
    if line.device_bytes == 0:
        return blame(fault, IDENTITY, FAULT_NO_LOGIN, kind_at, 0, kind)
    reading.sequence = u16be(raw + length - 6)
    reading.has = HAS_SEQUENCE
    if kind == 0x12 or kind == 0x22 or kind == 0x10 or kind == 0x11 or kind == 0x2d or kind == 0x31 or kind == 0x37 or kind == 0xa0:
        if content_bytes < GT06_GPS_BYTES:
            return blame(fault, LENGTH, FAULT_SHORT_GPS, kind_at + 1, 0, content_bytes)
        gt06_position(kind, content, content_bytes, ahead_us, reading)
    elif kind == 0x16 or kind == 0x26 or kind == 0x27 or kind == 0xa4:
        gt06_alarm(kind, content, content_bytes, dialect, ahead_us, reading)
    elif kind == 0x19 or kind == 0xa5:
        gt06_cell_alarm(kind, content, content_bytes, dialect, reading)
    elif kind == 0x13:
        gt06_heartbeat(content, content_bytes, dialect, reading)
    elif kind == 0x23:
        gt06_gk310_heartbeat(content, content_bytes, dialect, reading)
    else:
        return HANDOVER
    return OK


cdef Status gt06_login(const uint8_t *raw, Py_ssize_t length, Line *line, Reading *reading, Fault *fault) noexcept nogil:
    """``IMEI 8 (BCD) [type code 2 [zone and language 2]]``: sixteen digits and the zone of all later times."""
    cdef Py_ssize_t at = 4 if raw[0] == 0x78 else 5
    cdef Py_ssize_t content_bytes = length - at - 6
    cdef uint32_t word, hours = 0, minutes = 0
    cdef char digits[16]
    cdef int place, digit_sum = 0
    cdef bint has_zone = content_bytes >= 12, is_west = False
    if content_bytes < 8:
        return blame(fault, LENGTH, FAULT_SHORT_LOGIN, at, 0, content_bytes)
    if not bcd_digits(raw + at, 8, digits):
        return blame(fault, IDENTITY, FAULT_NO_DIGITS, at, 0, 0)
    for place in range(16):
        digit_sum += digits[place] - 48
    if digit_sum == 0:
        return blame(fault, IDENTITY, FAULT_ZEROS, at, 0, 0)
    if has_zone:
        word = u16be(raw + at + 10)
        hours = (word >> 4) // 100
        minutes = (word >> 4) % 100
        is_west = word & 0x08
        if hours > 14 or minutes > 59:
            return HANDOVER
    line.zone_s = <int32_t> (hours * 3600 + minutes * 60) * (-1 if is_west else 1)
    reading.kinds = KIND_LOGIN
    reading.sequence = u16be(raw + length - 6)
    reading.has = HAS_SEQUENCE
    place = 1 if digits[0] == 48 else 0
    if place == 0 or not luhn_holds(digits + 1, 15):
        note_unread(reading, UNREAD_CHECK_DIGIT)
    return name_device(line, <uint8_t *> digits + place, 16 - place)


cdef int gt06_put_reply(const uint8_t *raw, Py_ssize_t length, uint8_t *reply) noexcept nogil:
    """The ten bytes that answer a frame of a type that must be answered; 0 for the others."""
    cdef uint8_t kind = raw[3 if raw[0] == 0x78 else 4]
    if kind != 0x01 and kind != 0x13 and kind != 0x16 and kind != 0x19 and kind != 0x23 and kind != 0x26 and kind != 0x27:
        return 0
    reply[0] = reply[1] = 0x78
    reply[2] = 5
    reply[3] = kind
    reply[4] = raw[length - 6]
    reply[5] = raw[length - 5]
    put_u16be(reply + 6, crc16_x25(reply + 2, 4))
    put_u16be(reply + 8, 0x0d0a)
    return 10


cdef Status gt06_read(const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil:
    """One whole frame."""
    cdef Reading *reading = next_reading(told)
    cdef Status status = gt06_require(raw, length, &told.fault)
    if status != OK:
        return HANDOVER if is_gt06_topin(raw, length) else gt06_doubt(raw, length, line, status, told)
    if raw[3 if raw[0] == 0x78 else 4] == GT06_LOGIN:
        status = gt06_login(raw, length, line, reading, &told.fault)
    else:
        status = gt06_report(raw, length, line, reading, &told.fault)
    told.reply_bytes = gt06_put_reply(raw, length, told.reply) if status == OK else 0
    return status


cdef Status gt06_doubt(const uint8_t *raw, Py_ssize_t length, const Line *line, Status why, Told *told) noexcept nogil:
    """A frame that is refused, with the alarm that is readable in spite of a wrong checksum."""
    cdef Reading *reading = &told.readings[0]
    cdef Fault ignored
    cdef Status status
    if why != CHECKSUM or raw[3 if raw[0] == 0x78 else 4] == GT06_LOGIN:
        return why
    status = gt06_report(raw, length, line, reading, &ignored)
    if status == HANDOVER:
        return HANDOVER
    told.is_unverified = status == OK and reading.kinds & KIND_LIFE_KNOWN != 0
    return why


cdef Py_ssize_t gt06_repair(uint8_t *data, Py_ssize_t length, Py_ssize_t room) noexcept nogil:
    if length < 10:
        return length
    data[1] = data[0] = 0x79 if data[0] == 0x79 or length > 260 else 0x78
    if data[0] == 0x78:
        data[2] = <uint8_t> (length - 5)
    else:
        put_u16be(data + 2, <uint32_t> (length - 6))
    put_u16be(data + length - 4, crc16_x25(data + 2, length - 6))
    put_u16be(data + length - 2, 0x0d0a)
    return length


cdef Kernel *_gt06_kernel = new_kernel("gt06", b"\x78\x79")
_gt06_kernel.promises_length = True
_gt06_kernel.shape = gt06_shape
_gt06_kernel.read = gt06_read
_gt06_kernel.prepare = gt06_prepare
_gt06_kernel.repair = gt06_repair
