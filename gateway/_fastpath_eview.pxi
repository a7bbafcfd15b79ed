# Kernels: eview. The twin of protocols/eview.py and eview_keys.py: every command, all records of a data frame.
#
# Refused frames, keys that are cut short, alarm bits and commands that nobody knows are handed over.
# Read it beside them: same names, same order.

cdef enum:
    EVIEW_HEADER_BYTES = 8
    EVIEW_BODY_BYTES_MAX = 4096
    EVIEW_ANSWER_WANTED = 0x10
    EVIEW_GPS_BYTES = 21
    EVIEW_GPS_BYTES_MIN = 16
    EVIEW_RANK_LAST = 4

cdef enum EviewCommand:
    EVIEW_DATA = 0x01
    EVIEW_CONFIGURATION = 0x02
    EVIEW_SERVICES = 0x03
    EVIEW_SYSTEM = 0x04
    EVIEW_FIRMWARE = 0x7e
    EVIEW_RESPONSE = 0x7f

cdef enum EviewKey:
    EVIEW_IDENTITY = 0x01
    EVIEW_ALARM = 0x02
    EVIEW_POSITION_WANTED = 0x11
    EVIEW_TIME_WANTED = 0x12
    EVIEW_BATTERY = 0x14
    EVIEW_WIFI_NAMED = 0x19
    EVIEW_GPS = 0x20
    EVIEW_CELLS = 0x21
    EVIEW_WIFI = 0x22
    EVIEW_BEACON = 0x23
    EVIEW_STATUS = 0x24
    EVIEW_BEACON_PLACED = 0x26
    EVIEW_HOME = 0x27
    EVIEW_BEACON_SEEN = 0x28
    EVIEW_CELLS_WIDE = 0x29
    EVIEW_WIFI_KNOWN = 0x2a
    EVIEW_CELLS_WIDEST = 0x2b
    EVIEW_BEACON_POWERED = 0x2c

cdef struct EviewPlace:
    # Where latitude and longitude stand in a value, and what they are worth; see PLACES.
    uint8_t is_place
    uint8_t at
    uint8_t rank
    uint8_t source
    uint8_t has_flags
    uint8_t altitude_at  # 0: none

cdef struct EviewRecord:
    # What must wait until the record is whole.
    uint64_t seen[4]
    const uint8_t *wifi
    const uint8_t *wifi_named
    const uint8_t *wifi_known
    Py_ssize_t wifi_bytes
    Py_ssize_t wifi_named_bytes
    uint32_t alarm_bits
    uint32_t alarm_s
    uint32_t status_s
    uint32_t status
    uint8_t has_status
    uint8_t has_battery
    uint8_t rank
    uint8_t off_globe_count
    uint8_t off_globe[UNREAD_MAX]  # keys whose place is outside the globe, each once

cdef uint64_t EVIEW_ALARMS[32]
memset(EVIEW_ALARMS, 0, sizeof(EVIEW_ALARMS))
EVIEW_ALARMS[0] = Kind.BATTERY_LOW
EVIEW_ALARMS[1] = Kind.OVERSPEED
EVIEW_ALARMS[2] = Kind.FALL
EVIEW_ALARMS[8] = Kind.POWER_OFF
EVIEW_ALARMS[9] = Kind.POWER_ON
EVIEW_ALARMS[10] = Kind.MOVEMENT
EVIEW_ALARMS[12] = Kind.SOS_BUTTON
cdef uint32_t EVIEW_KNOWN_BITS = 0xbc0077f7

cdef uint64_t EVIEW_COMMANDS[256]
memset(EVIEW_COMMANDS, 0, sizeof(EVIEW_COMMANDS))
EVIEW_COMMANDS[<int> EVIEW_CONFIGURATION] = Kind.CONFIG_REPLY
EVIEW_COMMANDS[<int> EVIEW_SERVICES] = KIND_HEARTBEAT
EVIEW_COMMANDS[<int> EVIEW_SYSTEM] = KIND_HEARTBEAT
EVIEW_COMMANDS[<int> EVIEW_FIRMWARE] = KIND_HEARTBEAT
EVIEW_COMMANDS[<int> EVIEW_RESPONSE] = Kind.DEVICE_ACK

cdef EviewPlace EVIEW_PLACES[256]
memset(EVIEW_PLACES, 0, sizeof(EVIEW_PLACES))
EVIEW_PLACES[<int> EVIEW_GPS] = EviewPlace(True, 0, 0, 0, False, 12)
EVIEW_PLACES[<int> EVIEW_BEACON] = EviewPlace(True, 6, 1, 3, False, 0)
EVIEW_PLACES[<int> EVIEW_BEACON_PLACED] = EviewPlace(True, 6, 1, 3, False, 16)
EVIEW_PLACES[<int> EVIEW_BEACON_SEEN] = EviewPlace(True, 9, 1, 3, True, 0)
EVIEW_PLACES[<int> EVIEW_BEACON_POWERED] = EviewPlace(True, 10, 1, 3, True, 0)
EVIEW_PLACES[<int> EVIEW_WIFI_KNOWN] = EviewPlace(True, 8, 2, 1, True, 0)
EVIEW_PLACES[<int> EVIEW_HOME] = EviewPlace(True, 0, 3, 3, False, 10)


# --------------------------------------------------------------------------------------------------- delimiting


cdef Shape eview_shape(const uint8_t *data, Py_ssize_t left, Line *line, Py_ssize_t *size) noexcept nogil:
    """A frame by its length and its checksum."""
    cdef Py_ssize_t length
    if left < 4:
        return WAIT
    length = u16le(data + 2)
    if length < 1 or length > EVIEW_BODY_BYTES_MAX:
        return NOISE
    if left - EVIEW_HEADER_BYTES < length:
        return WAIT
    size[0] = EVIEW_HEADER_BYTES + length
    return FRAME if crc16_xmodem(data + EVIEW_HEADER_BYTES, length) == u16le(data + 4) else SPOILT


cdef inline bint is_eview_frame(const uint8_t *raw, Py_ssize_t length) noexcept nogil:
    """One whole frame with its own checksum, and nothing else."""
    return length > EVIEW_HEADER_BYTES and raw[0] == 0xab and length - EVIEW_HEADER_BYTES <= EVIEW_BODY_BYTES_MAX \
        and length - EVIEW_HEADER_BYTES == <Py_ssize_t> u16le(raw + 2) \
        and crc16_xmodem(raw + EVIEW_HEADER_BYTES, length - EVIEW_HEADER_BYTES) == u16le(raw + 4)


# ------------------------------------------------------------------------------------------- places and the air


cdef inline int32_t i32le(const uint8_t *data) noexcept nogil:
    return <int32_t> u32le(data)


cdef inline void eview_altitude(Reading *reading, const uint8_t *value) noexcept nogil:
    reading.altitude_m = <int16_t> u16le(value)
    reading.has |= HAS_ALTITUDE


cdef inline void eview_gps(Reading *reading, const uint8_t *value, Py_ssize_t length) noexcept nogil:
    """What the receiver knows beside the place; the layout stands in eview_keys.py."""
    cdef uint32_t course = u16le(value + 10)
    eview_altitude(reading, value + 12)
    reading.speed_kmh = u16le(value + 8)
    reading.has |= HAS_SPEED
    if course <= 360:
        reading.course_deg = course
        reading.has |= HAS_COURSE
    if length >= EVIEW_GPS_BYTES:
        reading.satellites = value[20]
        reading.has |= HAS_SATELLITES


cdef Status eview_off_globe(EviewRecord *record, uint8_t number) noexcept nogil:
    """Remember a key whose place is outside the globe."""
    cdef int at
    for at in range(record.off_globe_count):
        if record.off_globe[at] == number:
            return OK
    if record.off_globe_count == UNREAD_MAX:
        return HANDOVER
    record.off_globe[record.off_globe_count] = number
    record.off_globe_count += 1
    return OK


cdef Status eview_place(Reading *reading, EviewRecord *record, uint8_t number, const uint8_t *value, Py_ssize_t length) noexcept nogil:
    """The best place of a record: a fix, else a beacon, a known access point or the home base, else an old fix."""
    cdef const EviewPlace *layout = &EVIEW_PLACES[number]
    cdef Py_ssize_t needed = EVIEW_GPS_BYTES_MIN if number == EVIEW_GPS else 6 if number == EVIEW_BEACON or number == EVIEW_BEACON_PLACED else layout.at + 8
    cdef int32_t lat_e7, lon_e7
    cdef bint valid = True
    cdef uint8_t rank
    if layout.has_flags and (length == 0 or not value[0] & 0x80):
        needed = layout.at
    if length < needed:
        return HANDOVER
    if not value[0] & 0x80 if layout.has_flags else length - layout.at < 8:
        return OK
    lat_e7 = i32le(value + layout.at)
    lon_e7 = i32le(value + layout.at + 4)
    if not on_globe(lat_e7, lon_e7):
        return eview_off_globe(record, number) if lat_e7 != 0 or lon_e7 != 0 else OK
    if number == EVIEW_GPS:
        valid = u16le(value + 14) > 0
    rank = layout.rank if valid else <uint8_t> EVIEW_RANK_LAST
    if rank >= record.rank:
        return OK
    record.rank = rank
    reading.has = reading.has & ~<uint32_t> (HAS_ALTITUDE | HAS_SPEED | HAS_COURSE | HAS_SATELLITES) | HAS_FIX
    reading.lat_e7 = lat_e7
    reading.lon_e7 = lon_e7
    reading.fix_valid = valid
    reading.source = layout.source
    if number == EVIEW_GPS:
        eview_gps(reading, value, length)
    elif layout.altitude_at and length - layout.altitude_at >= 2:
        eview_altitude(reading, value + layout.altitude_at)
    return OK


cdef Status eview_cells(Reading *reading, const uint8_t *value, Py_ssize_t length, int mnc_bytes, int cid_bytes) noexcept nogil:
    """MCC u16, MNC (u8 or u16), then cells: signal i8, LAC u16, CID (u16 or u32)."""
    cdef Py_ssize_t at = 2 + mnc_bytes, size = 3 + cid_bytes
    cdef CellReading *cell
    if length < at or (length - at) % size != 0 or (length - at) // size > CELLS_MAX - reading.cell_count:
        return HANDOVER
    while at < length:
        cell = &reading.cells[reading.cell_count]
        reading.cell_count += 1
        cell.mcc = <uint16_t> u16le(value)
        cell.mnc = <uint16_t> u16le(value + 2) if mnc_bytes == 2 else value[2]
        cell.lac = u16le(value + at + 1)
        cell.cid = u32le(value + at + 3) if cid_bytes == 4 else u16le(value + at + 3)
        cell.has_rssi = value[at] >= 128
        cell.rssi_dbm = <int16_t> (<int> value[at] - 256)
        at += size
    return OK


cdef inline void eview_point(Reading *reading, const uint8_t *mac, uint8_t signal) noexcept nogil:
    """One access point; the caller has seen that there is room."""
    cdef WifiReading *point = &reading.wifi[reading.wifi_count]
    reading.wifi_count += 1
    memcpy(point.mac, mac, 6)
    point.has_rssi = signal >= 128
    point.rssi_dbm = <int16_t> (<int> signal - 256)


cdef Status eview_points(Reading *reading, const uint8_t *value, Py_ssize_t length, bint is_named) noexcept nogil:
    """Access points: signal i8, MAC 6, and perhaps a name behind its length."""
    cdef Py_ssize_t at = 0
    while length - at >= 7:
        if reading.wifi_count == WIFI_MAX:
            return HANDOVER
        eview_point(reading, value + at + 1, value[at])
        at += 7
        if is_named and at < length:
            at += 1 + <Py_ssize_t> value[at]
    return OK if at == length else HANDOVER


# ------------------------------------------------------------------------------------------------------ records


cdef inline bint eview_seen(uint64_t *seen, uint8_t number) noexcept nogil:
    """Was this number there before? From now on it was."""
    cdef uint64_t bit = <uint64_t> 1 << (number & 63)
    cdef bint was = seen[number >> 6] & bit != 0
    seen[number >> 6] |= bit
    return was


cdef Status eview_key(Reading *reading, EviewRecord *record, uint8_t number, const uint8_t *value, Py_ssize_t length) noexcept nogil:
    """One key of a record."""
    if number == EVIEW_IDENTITY:
        return OK
    if number == EVIEW_STATUS:
        record.has_status = True
        if length < 8:
            return HANDOVER
        record.status_s = u32le(value)
        record.status = u32le(value + 4)
        return OK
    if number == EVIEW_ALARM:
        if length < 4 or u32le(value) & ~EVIEW_KNOWN_BITS:
            return HANDOVER
        record.alarm_bits = u32le(value)
        record.alarm_s = u32le(value + 4) if length >= 8 else 0
        return OK
    if number == EVIEW_BATTERY:
        if length < 3:
            return HANDOVER
        record.has_battery = True
        eview_percent(reading, value[0])
        if u16le(value + 1):
            reading.battery_v = u16le(value + 1) / 1000.0
            reading.has |= HAS_BATTERY_V
        return OK
    if number == EVIEW_WIFI:
        record.wifi, record.wifi_bytes = value, length
        return OK
    if number == EVIEW_WIFI_NAMED:
        record.wifi_named, record.wifi_named_bytes = value, length
        return OK
    if number == EVIEW_CELLS:
        return eview_cells(reading, value, length, 1, 2)
    if number == EVIEW_CELLS_WIDE:
        return eview_cells(reading, value, length, 1, 4)
    if number == EVIEW_CELLS_WIDEST:
        return eview_cells(reading, value, length, 2, 4)
    if EVIEW_PLACES[number].is_place:
        if number == EVIEW_WIFI_KNOWN and length >= 8:
            record.wifi_known = value
        return eview_place(reading, record, number, value, length)
    return OK if try_note(reading, UNREAD_KEY + number) else HANDOVER


cdef inline void eview_percent(Reading *reading, uint32_t percent) noexcept nogil:
    if percent <= 100:
        reading.battery_percent = percent
        reading.has |= HAS_BATTERY_PERCENT


cdef inline uint64_t eview_alarms(uint32_t bits) noexcept nogil:
    """Every alarm that is set."""
    cdef uint64_t kinds = 0
    cdef int bit
    for bit in range(13):
        if bits >> bit & 1:
            kinds |= EVIEW_ALARMS[bit]
    for bit in range(4, 8):
        if bits >> bit & 1:
            kinds |= KIND_GEOFENCE_ENTER if bits >> (bit + 22) & 1 else KIND_GEOFENCE_EXIT
    return kinds


cdef inline bint eview_notes(Reading *reading, const EviewRecord *record) noexcept nogil:
    """What is said of the alarm bits and the places, behind the keys that nobody reads."""
    cdef bint has_room = True
    cdef int at
    if record.alarm_bits >> 13 & 1:
        has_room = try_note(reading, UNREAD_SIDE_BUTTON_1)
    if record.alarm_bits >> 14 & 1:
        has_room = has_room and try_note(reading, UNREAD_SIDE_BUTTON_2)
    if record.alarm_bits >> 31:
        has_room = has_room and try_note(reading, UNREAD_BARK)
    for at in range(record.off_globe_count):
        has_room = has_room and try_note(reading, UNREAD_KEY_PLACE + record.off_globe[at])
    return has_room


cdef Status eview_finish(Reading *reading, const EviewRecord *record) noexcept nogil:
    """What needs the whole record: the times, the kinds, and the access points in their order."""
    cdef uint32_t event_s = record.status_s
    if record.status_s and reading.has & HAS_FIX:
        reading.fix_at_us = record.status_s * <int64_t> 1000000
        reading.has |= HAS_FIX_AT
    if not eview_notes(reading, record):
        return HANDOVER
    reading.kinds = eview_alarms(record.alarm_bits)
    if reading.kinds and record.alarm_s:
        event_s = record.alarm_s
    if event_s:
        reading.event_at_us = event_s * <int64_t> 1000000
        reading.has |= HAS_EVENT_AT
    if record.has_status:
        reading.charging = record.status >> 4 & 1
        reading.stored = record.status >> 7 & 1
        reading.has |= HAS_CHARGING
        if not record.has_battery:
            eview_percent(reading, record.status >> 24)
    if eview_points(reading, record.wifi, record.wifi_bytes, False) != OK or eview_points(reading, record.wifi_named, record.wifi_named_bytes, True) != OK:
        return HANDOVER
    if record.wifi_known != NULL:
        if reading.wifi_count == WIFI_MAX:
            return HANDOVER
        eview_point(reading, record.wifi_known + 1, record.wifi_known[7])
    if reading.kinds == 0:
        reading.kinds = KIND_POSITION if reading.has & HAS_FIX or reading.cell_count or reading.wifi_count else KIND_HEARTBEAT
    return OK


cdef inline void eview_new_record(EviewRecord *record) noexcept nogil:
    memset(record, 0, sizeof(EviewRecord))
    record.rank = EVIEW_RANK_LAST + 1


cdef Status eview_data(const uint8_t *body, Py_ssize_t length, Told *told) noexcept nogil:
    """A report a record: a key that comes again begins the next, unless it is a beacon's."""
    cdef EviewRecord record
    cdef Reading *reading = next_reading(told)
    cdef Py_ssize_t at = 1, size
    cdef uint8_t number
    eview_new_record(&record)
    while at < length:
        size = body[at]
        if size == 0 or size > length - at - 1:
            return HANDOVER
        number = body[at + 1]
        if eview_seen(record.seen, number) and number != EVIEW_BEACON_SEEN and number != EVIEW_BEACON_POWERED:
            if eview_finish(reading, &record) != OK:
                return HANDOVER
            reading = next_reading(told)
            if reading == NULL:
                return HANDOVER
            eview_new_record(&record)
            eview_seen(record.seen, number)
        if eview_key(reading, &record, number, body + at + 2, size - 1) != OK:
            return HANDOVER
        at += 1 + size
    return eview_finish(reading, &record)


# ------------------------------------------------------------------------------------------------------ services


cdef Status eview_services(const uint8_t *body, Py_ssize_t length, int64_t now_us, Told *told) noexcept nogil:
    """What a device asked for: the time, and a position, which we keep to ourselves. The answer's body stands in ``told.reply``."""
    cdef Reading *reading = next_reading(told)
    cdef uint8_t *answer = told.reply + EVIEW_HEADER_BYTES
    cdef uint64_t seen[4]
    cdef int64_t now_s = now_us // 1000000
    cdef Py_ssize_t at = 1, size
    cdef int count = 1, place
    cdef uint8_t number
    memset(seen, 0, sizeof(seen))
    reading.kinds = KIND_HEARTBEAT
    answer[0] = EVIEW_SERVICES
    while at < length:
        size = body[at]
        if size == 0 or size > length - at - 1 or now_us < 0:
            return HANDOVER
        number = body[at + 1]
        at += 1 + size
        if eview_seen(seen, number) or number == EVIEW_IDENTITY:
            continue
        if number == EVIEW_POSITION_WANTED:
            memset(answer + count, 0, 11)
            answer[count] = 10
            answer[count + 1] = EVIEW_POSITION_WANTED
            count += 11
        elif number == EVIEW_TIME_WANTED:
            answer[count] = 5
            answer[count + 1] = EVIEW_TIME_WANTED
            for place in range(4):
                answer[count + 2 + place] = <uint8_t> (now_s >> (8 * place) & 0xff)
            count += 6
        elif not try_note(reading, UNREAD_KEY + number):
            return HANDOVER
    told.reply_bytes = count if count > 1 else 0
    return OK


# ----------------------------------------------------------------------------------------------------- the frame


cdef inline void eview_answer(const uint8_t *raw, Told *told) noexcept nogil:
    """The body that stands in ``told.reply`` as a frame under the device's sequence number; without one an acknowledgement, if wanted."""
    cdef uint8_t *reply = told.reply
    cdef uint32_t check
    if told.reply_bytes == 0:
        if not raw[1] & EVIEW_ANSWER_WANTED:
            return
        memcpy(reply + EVIEW_HEADER_BYTES, b"\x7f\x01\x00", 3)
        told.reply_bytes = 3
    check = crc16_xmodem(reply + EVIEW_HEADER_BYTES, told.reply_bytes)
    reply[0] = 0xab
    reply[1] = 0
    reply[2] = <uint8_t> told.reply_bytes
    reply[3] = 0
    reply[4] = <uint8_t> (check & 0xff)
    reply[5] = <uint8_t> (check >> 8)
    reply[6] = raw[6]
    reply[7] = raw[7]
    told.reply_bytes += EVIEW_HEADER_BYTES


cdef const uint8_t *eview_imei(const uint8_t *body, Py_ssize_t length) noexcept nogil:
    """The first identity of a frame whose keys are whole; NULL when there is none, or it is not 15 digits."""
    cdef Py_ssize_t at = 1
    while length - at >= 2:
        if body[at + 1] == EVIEW_IDENTITY:
            return body + at + 2 if body[at] == 16 and all_digits(body + at + 2, 15) else NULL
        at += 1 + <Py_ssize_t> body[at]
    return NULL


cdef Status eview_read(const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil:
    """One whole frame."""
    cdef const uint8_t *body = raw + EVIEW_HEADER_BYTES
    cdef const uint8_t *imei = NULL
    cdef Py_ssize_t size = length - EVIEW_HEADER_BYTES
    cdef Status status = OK
    if not is_eview_frame(raw, length):
        return HANDOVER
    if body[0] == EVIEW_DATA:
        status = eview_data(body, size, told)
    elif body[0] == EVIEW_SERVICES:
        status = eview_services(body, size, now_us, told)
    elif EVIEW_COMMANDS[body[0]] == 0:
        return HANDOVER
    else:
        next_reading(told).kinds = EVIEW_COMMANDS[body[0]]
    if status != OK:
        return HANDOVER
    if body[0] == EVIEW_DATA or body[0] == EVIEW_SERVICES:
        imei = eview_imei(body, size)
    elif size >= 18 and body[1] == 16 and body[2] == EVIEW_IDENTITY and all_digits(body + 3, 15):
        imei = body + 3
    if imei == NULL and line.device_bytes == 0:
        return HANDOVER
    eview_answer(raw, told)
    return OK if imei == NULL else name_device(line, imei, 15)


cdef Py_ssize_t eview_repair(uint8_t *data, Py_ssize_t length, Py_ssize_t room) noexcept nogil:
    cdef Py_ssize_t size = length - EVIEW_HEADER_BYTES
    cdef uint32_t check
    if size < 1 or size > EVIEW_BODY_BYTES_MAX:
        return length
    check = crc16_xmodem(data + EVIEW_HEADER_BYTES, size)
    data[0] = 0xab
    data[2] = <uint8_t> (size & 0xff)
    data[3] = <uint8_t> (size >> 8)
    data[4] = <uint8_t> (check & 0xff)
    data[5] = <uint8_t> (check >> 8)
    return length


cdef Kernel *_eview_kernel = new_kernel("eview", b"\xab")
_eview_kernel.promises_length = True
_eview_kernel.shape = eview_shape
_eview_kernel.read = eview_read
_eview_kernel.repair = eview_repair
