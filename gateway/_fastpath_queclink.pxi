# Kernels: queclink. The twin of protocols/queclink.py and queclink_content.py: the splitter, reports, acknowledgements, heartbeats.
#
# Refused frames, types whose text is kept, GT300, identities between blanks and messages with very many fields are handed over.
# Read it beside queclink_content.py: same names, same order. A ``Field`` is raw here; ``stripped_field`` takes the blanks away.

cdef enum:
    QUECLINK_BYTES_MAX = 4096
    QUECLINK_FIELDS_MAX = 320  # fifteen positions have about two hundred
    QUECLINK_PLACES_MAX = 32
    QUECLINK_VERSION_BYTES_MAX = 64
    QUECLINK_MCC_MIN = 200
    QUECLINK_MCC_MAX = 799
    QUECLINK_CELLS_MAX = 8
    QUECLINK_ACCESS_POINTS_MAX = 32
    QUECLINK_INF_POWER_MV = 9
    QUECLINK_INF_VOLTS = 11
    QUECLINK_INF_CHARGING = 12
    QUECLINK_INF_FIX_AT = 17
    QUECLINK_INF_PERCENT = 18

cdef enum QueclinkWord:
    # Bits of Line.words; the type that says man-down stands in the lower 24.
    QUECLINK_NO_SACK = 1 << 24

cdef enum QueclinkHead:
    QUECLINK_NONE
    QUECLINK_RESP
    QUECLINK_BUFF
    QUECLINK_ACK
    QUECLINK_NACK

cdef struct QueclinkType:
    uint32_t letters
    uint64_t kinds

cdef struct QueclinkMessage:
    QueclinkHead head
    uint32_t type  # its three letters, first one first; 0 for any other length
    int count  # of fields
    int end  # the field of the send time: what stands before it belongs to the type
    bint is_counted
    Field fields[QUECLINK_FIELDS_MAX]


cdef uint32_t queclink_letters(bytes word) except 0:
    return (<uint32_t> word[0] << 16) | (<uint32_t> word[1] << 8) | <uint32_t> word[2]


cdef QueclinkType QUECLINK_TYPES[40]
cdef int QUECLINK_TYPE_COUNT = 0
for _word, _kind in (
    (b"SOS", Kind.SOS_BUTTON), (b"SPD", Kind.OVERSPEED), (b"PNA", Kind.POWER_ON), (b"PFA", Kind.POWER_OFF), (b"EPN", Kind.POWER_RESTORED),
    (b"MPN", Kind.POWER_RESTORED), (b"EPF", Kind.POWER_CUT), (b"MPF", Kind.POWER_CUT), (b"BPL", Kind.BATTERY_LOW), (b"JDR", Kind.JAMMING),
    (b"JDS", Kind.JAMMING), (b"TOW", Kind.TOW), (b"IDL", Kind.IDLE), (b"SWG", Kind.GEOFENCE), (b"TEM", Kind.TEMPERATURE),
    (b"TMP", Kind.TEMPERATURE), (b"FRI", 0), (b"ERI", 0), (b"RTL", 0), (b"DOG", 0), (b"STR", 0), (b"CTN", 0), (b"GEO", 0), (b"NMR", 0),
    (b"STT", 0), (b"BTC", 0), (b"STC", 0), (b"INF", 0), (b"LBS", 0), (b"WIF", 0), (b"GSM", 0), (b"VER", 0), (b"CID", 0), (b"HBD", 0), (b"HBM", 0),
):
    QUECLINK_TYPES[QUECLINK_TYPE_COUNT].letters = queclink_letters(_word)
    QUECLINK_TYPES[QUECLINK_TYPE_COUNT].kinds = _kind
    QUECLINK_TYPE_COUNT += 1

cdef uint64_t QUECLINK_HARSH[5]
QUECLINK_HARSH[:] = [Kind.HARSH_BRAKE, Kind.HARSH_ACCEL, Kind.HARSH_CORNER, Kind.HARSH_BRAKE, Kind.HARSH_ACCEL]

cdef uint32_t QUECLINK_FRI = queclink_letters(b"FRI")
cdef uint32_t QUECLINK_ERI = queclink_letters(b"ERI")
cdef uint32_t QUECLINK_STR = queclink_letters(b"STR")
cdef uint32_t QUECLINK_CTN = queclink_letters(b"CTN")
cdef uint32_t QUECLINK_BTC = queclink_letters(b"BTC")
cdef uint32_t QUECLINK_STC = queclink_letters(b"STC")
cdef uint32_t QUECLINK_INF = queclink_letters(b"INF")
cdef uint32_t QUECLINK_WIF = queclink_letters(b"WIF")
cdef uint32_t QUECLINK_BPL = queclink_letters(b"BPL")
cdef uint32_t QUECLINK_HBD = queclink_letters(b"HBD")
cdef uint32_t QUECLINK_HBM = queclink_letters(b"HBM")


cdef int queclink_prepare(Line *line, object settings) except -1:
    """``no_sack``, and the three letters that say man-down (a type of any other length is read by the reference)."""
    cdef bytes letters = (settings.value("man_down") or "").removeprefix("GT").encode("utf-8", "replace")
    line.words = queclink_letters(letters) if len(letters) == 3 else 0
    if settings.has("no_sack"):
        line.words |= QUECLINK_NO_SACK
    return 0


# ------------------------------------------------------------------------------------------------- the splitter


cdef inline Py_ssize_t queclink_opening(const uint8_t *data, Py_ssize_t left, QueclinkHead *head) noexcept nogil:
    """Bytes of ``+RESP:GT`` and its kin; 0 when none of them stands here."""
    head[0] = QUECLINK_NONE
    if left < 7 or data[0] != 43:
        return 0
    if begins(data, left, b"+RESP:GT", 8):
        head[0] = QUECLINK_RESP
    elif begins(data, left, b"+BUFF:GT", 8):
        head[0] = QUECLINK_BUFF
    elif begins(data, left, b"+NACK:GT", 8):
        head[0] = QUECLINK_NACK
    elif begins(data, left, b"+ACK:GT", 7):
        head[0] = QUECLINK_ACK
        return 7
    return 8 if head[0] else 0


cdef inline bint is_queclink_beginning(const uint8_t *data, Py_ssize_t left) noexcept nogil:
    """Could more bytes make an opening of these?"""
    return (left < 8 and (memcmp(data, b"+RESP:GT", left) == 0 or memcmp(data, b"+BUFF:GT", left) == 0 or memcmp(data, b"+NACK:GT", left) == 0)) \
        or (left < 7 and memcmp(data, b"+ACK:GT", left) == 0)


cdef Shape queclink_shape(const uint8_t *data, Py_ssize_t left, Line *line, Py_ssize_t *size) noexcept nogil:
    """``+RESP:GT`` and its kin, to the next ``$`` or NUL; a frame that lost its end goes to the beginning of the next one."""
    cdef QueclinkHead head
    cdef Py_ssize_t at = queclink_opening(data, left, &head), stop = min(left, QUECLINK_BYTES_MAX)
    if at == 0:
        return WAIT if is_queclink_beginning(data, left) else NOISE
    while at < stop:
        if data[at] == 36 or data[at] == 0:
            size[0] = at + 1
            return FRAME
        if data[at] == 43 and queclink_opening(data + at, stop - at, &head):
            size[0] = at
            return SPOILT
        at += 1
    return WAIT if left < QUECLINK_BYTES_MAX else NOISE


# -------------------------------------------------------------------------------------------- fields of a message


cdef inline bint is_queclink_degrees(Field field) noexcept nogil:
    """``-?d{1,3}.d{5,7}``."""
    cdef Py_ssize_t sign = field.length > 0 and field.data[0] == 45
    cdef Py_ssize_t units = 0, decimals
    while units < 4 and sign + units < field.length and field.data[sign + units] != 46:
        units += 1
    decimals = field.length - sign - units - 1
    return 1 <= units <= 3 and 5 <= decimals <= 7 and all_digits(field.data + sign, units) and all_digits(field.data + sign + units + 1, decimals)


cdef inline bint is_queclink_motion(Field field) noexcept nogil:
    """Device status of vehicles: ``1[126A]``, ``2[12]`` or ``4[12]``, then four or eight hexadecimal digits in capitals."""
    cdef Py_ssize_t at
    cdef uint8_t second
    if field.length != 6 and field.length != 10:
        return False
    second = field.data[1]
    if field.data[0] == 49:
        if second != 49 and second != 50 and second != 54 and second != 65:
            return False
    elif (field.data[0] != 50 and field.data[0] != 52) or (second != 49 and second != 50):
        return False
    for at in range(2, field.length):
        if hex_value(field.data[at]) < 0 or field.data[at] >= 97:
            return False
    return True


cdef inline Field queclink_field(const QueclinkMessage *message, int at) noexcept nogil:
    """A field without blanks around it; empty when it is not there."""
    cdef Field none
    if at < 0 or at >= message.count:
        none.data = message.fields[0].data
        none.length = 0
        return none
    return stripped(message.fields[at].data, message.fields[at].length)


cdef inline bint queclink_stamp(Field field, int64_t ahead_us, int64_t *at_us) noexcept nogil:
    """``yyyymmddhhmmss``."""
    cdef Field date, time
    if not is_digits(field, 14):
        return False
    date.data, date.length = field.data, 8
    time.data, time.length = field.data + 8, 6
    return year_first_us(date, time, ahead_us, at_us)


cdef Status queclink_message(const uint8_t *text, Py_ssize_t length, QueclinkMessage *message) noexcept nogil:
    """The text of a message, without its end, taken apart."""
    cdef Py_ssize_t at = queclink_opening(text, length, &message.head), start = 0, place
    cdef Field *name
    message.type = 0
    message.count = 0
    for place in range(length + 1):
        if place == length or text[place] == 44:
            if message.count == QUECLINK_FIELDS_MAX:
                return HANDOVER
            message.fields[message.count].data = text + start
            message.fields[message.count].length = place - start
            message.count += 1
            start = place + 1
    # An identity that nothing follows may have been cut off; one in the first field is GT300's.
    if message.fields[0].length - at != 3 or message.count < 4 or is_digits(queclink_field(message, 1), 15):
        return HANDOVER
    name = &message.fields[2]
    if not is_digits(name[0], 15) and not is_hex(name[0], 14):
        return HANDOVER
    message.type = (<uint32_t> text[at] << 16) | (<uint32_t> text[at + 1] << 8) | text[at + 2]
    message.end = message.count
    message.is_counted = False
    if message.count >= 5 and is_hex(message.fields[message.count - 1], 4) \
            and (message.fields[message.count - 2].length == 0 or is_digits(message.fields[message.count - 2], 14)):
        message.is_counted = True
        message.end = message.count - 2
    return OK


# ---------------------------------------------------------------------------------------------------- reports


cdef inline Status queclink_kinds(const QueclinkMessage *message, uint32_t words, uint64_t *kinds) noexcept nogil:
    """What the type says beside a position; HANDOVER for a type whose text is kept."""
    cdef bint is_report = message.head == QUECLINK_RESP or message.head == QUECLINK_BUFF
    cdef bint is_known = False
    cdef int64_t way
    cdef int number
    kinds[0] = 0
    for number in range(QUECLINK_TYPE_COUNT):
        if QUECLINK_TYPES[number].letters == message.type:
            is_known = is_report or QUECLINK_TYPES[number].kinds == 0
            kinds[0] = QUECLINK_TYPES[number].kinds if is_report else 0
            break
    if is_report and message.type == QUECLINK_HBM:
        way = hexadecimal(queclink_field(message, 5))
        kinds[0] = QUECLINK_HARSH[way & 15] if way >= 0 and way & 15 < 5 else 0
    if is_report and message.type == (words & 0xffffff):
        kinds[0] |= KIND_MAN_DOWN
        is_known = True
    return OK if is_known else HANDOVER


cdef Status queclink_reports(const QueclinkMessage *message, const Line *line, Told *told) noexcept nogil:
    """A report for each position; one for a message without any."""
    cdef Reading *first = next_reading(told)
    cdef Reading *reading
    cdef int places[QUECLINK_PLACES_MAX]
    cdef int count = 0, fixes = 0, number
    cdef int64_t sent_us = 0, count_number = 0
    cdef bint has_sent = False, is_batch
    if queclink_kinds(message, line.words, &first.kinds) != OK:
        return HANDOVER
    if not message.is_counted:
        note_unread(first, UNREAD_SENT_AND_COUNT)
    else:
        has_sent = queclink_stamp(message.fields[message.end], offset_us(line), &sent_us)
        if message.fields[message.end].length and not has_sent:
            note_unread(first, UNREAD_SENT)
        first.sequence = hexadecimal(message.fields[message.end + 1])
        first.has |= HAS_SEQUENCE
    for number in range(4, message.count - 2):
        if is_queclink_degrees(message.fields[number]) and is_queclink_degrees(message.fields[number + 1]) \
                and (message.fields[number + 2].length == 0 or is_digits(message.fields[number + 2], 14)):
            if count == QUECLINK_PLACES_MAX:
                return HANDOVER
            places[count] = number
            count += 1
    if queclink_note_places(message, places, count, first, &fixes) != OK or queclink_power(message, places, count, first) != OK \
            or queclink_wifi(message, first) != OK:
        return HANDOVER
    if fixes and fixes < count:
        return HANDOVER  # A batch with a place that was not measured.
    queclink_charging(message, first)
    first.stored = message.head == QUECLINK_BUFF
    if has_sent:
        first.event_at_us = sent_us
        first.has |= HAS_EVENT_AT
    is_batch = fixes > 1 and first.kinds == 0
    if fixes == 0:
        queclink_loose_cells(message, first)
        if first.kinds == 0:
            first.kinds = KIND_DEVICE_ACK if message.head in (QUECLINK_ACK, QUECLINK_NACK) and message.type != QUECLINK_HBD else KIND_HEARTBEAT
        return OK
    if first.kinds == 0:
        first.kinds = KIND_POSITION
    # All positions of an alarm belong to one event; each of a batch has its own time. The last reading is filled last: the first is copied.
    for number in range(1, fixes):
        reading = next_reading(told)
        if reading == NULL:
            return HANDOVER
        reading[0] = first[0]
    fixes = 0
    for number in range(count):
        if is_queclink_place(message, places[number]):
            if not queclink_put_place(message, places[number], is_batch or not has_sent, &told.readings[fixes]):
                return HANDOVER
            fixes += 1
    return OK


cdef inline bint queclink_place(const QueclinkMessage *message, int at, int64_t *lat_e7, int64_t *lon_e7) noexcept nogil:
    """The coordinates whose longitude is field ``at``; the caller has seen that they are some."""
    return degrees_e7(message.fields[at + 1], lat_e7) and degrees_e7(message.fields[at], lon_e7)


cdef inline bint is_queclink_place(const QueclinkMessage *message, int at) noexcept nogil:
    cdef int64_t lat_e7 = 0, lon_e7 = 0
    return queclink_place(message, at, &lat_e7, &lon_e7) and on_globe(lat_e7, lon_e7)


cdef Status queclink_note_places(const QueclinkMessage *message, const int *places, int count, Reading *reading, int *fixes) noexcept nogil:
    """How many positions there are, and what deserves a remark about those that are none."""
    cdef int64_t lat_e7 = 0, lon_e7 = 0, at_us = 0
    cdef bint is_undated = False, is_out_of_range = False, is_half = False
    cdef int number
    for number in range(count):
        queclink_place(message, places[number], &lat_e7, &lon_e7)
        if on_globe(lat_e7, lon_e7):
            fixes[0] += 1
            is_undated |= not queclink_stamp(message.fields[places[number] + 2], 0, &at_us)
        else:
            is_out_of_range |= lat_e7 != 0 or lon_e7 != 0
    for number in range(4, message.count - 2):
        if is_digits(message.fields[number + 2], 14) and message.fields[number].length and message.fields[number + 1].length:
            is_half |= is_queclink_degrees(message.fields[number]) != is_queclink_degrees(message.fields[number + 1])
    if is_undated:
        note_unread(reading, UNREAD_POSITION_TIME)
    if is_out_of_range:
        note_unread(reading, UNREAD_OUT_OF_RANGE)
    if is_half:
        note_unread(reading, UNREAD_POSITION)
    return OK if reading.unread_count < UNREAD_MAX - 1 else HANDOVER


cdef bint queclink_put_place(const QueclinkMessage *message, int at, bint has_own_time, Reading *reading) noexcept nogil:
    """One position with its time and its cell; False when the reference must read it."""
    cdef const Field *fields = &message.fields[at]
    cdef int64_t lat_e7 = 0, lon_e7 = 0
    cdef double accuracy = 0
    cdef Number got = decimal((fields - 4)[0], &accuracy)
    queclink_place(message, at, &lat_e7, &lon_e7)
    put_fix(reading, lat_e7, lon_e7, got == NUMBER_NONE or accuracy != 0)
    reading.has &= ~<uint32_t> HAS_FIX_AT
    if queclink_stamp(fields[2], 0, &reading.fix_at_us):
        reading.has |= HAS_FIX_AT
    if has_own_time:
        reading.event_at_us = reading.fix_at_us
        reading.has = (reading.has | HAS_EVENT_AT) if reading.has & HAS_FIX_AT else reading.has & ~<uint32_t> HAS_EVENT_AT
    queclink_cell_behind(message, at, reading)
    return got != NUMBER_RARE and put_altitude(reading, (fields - 1)[0]) and put_speed(reading, (fields - 3)[0], 1.0) \
        and put_course(reading, (fields - 2)[0])


# ----------------------------------------------------------------------------------------------- cells and Wi-Fi


cdef bint queclink_cell(const QueclinkMessage *message, int at, CellReading *cell) noexcept nogil:
    """MCC, MNC, LAC and CID from field ``at``."""
    cdef int64_t mcc = whole(queclink_field(message, at), QUECLINK_MCC_MAX), mnc = whole(queclink_field(message, at + 1), 999)
    cdef int64_t lac = hexadecimal(queclink_field(message, at + 2)), cid = hexadecimal(queclink_field(message, at + 3))
    if mcc < QUECLINK_MCC_MIN or mnc < 0 or lac < 0 or cid <= 0:
        return False
    cell.mcc, cell.mnc = <uint16_t> mcc, <uint16_t> mnc
    cell.lac, cell.cid = <uint32_t> lac, <uint64_t> cid
    return True


cdef inline void queclink_cell_behind(const QueclinkMessage *message, int at, Reading *reading) noexcept nogil:
    """The serving cell of a location group; access points may stand before it (GT501)."""
    cdef int64_t points = whole(queclink_field(message, at + 3), QUECLINK_ACCESS_POINTS_MAX)
    at += 3
    if points > 0 and is_hex(queclink_field(message, at + 1), 12):
        at += 1 + 5 * <int> points
    reading.cell_count = queclink_cell(message, at, &reading.cells[0])


cdef inline void queclink_loose_cells(const QueclinkMessage *message, Reading *reading) noexcept nogil:
    """Cells of a message without position, wherever four fields look like one."""
    cdef const Field *fields
    cdef int at = 4
    while at < message.count - 3 and reading.cell_count < QUECLINK_CELLS_MAX:
        fields = &message.fields[at]
        if is_digits(fields[0], 4) and fields[0].data[0] == 48 and is_digits(fields[1], 4) and fields[1].data[0] == 48 and is_hex(fields[2], 4) \
                and fields[3].length >= 4 and queclink_cell(message, at, &reading.cells[reading.cell_count]):
            reading.cell_count += 1
            at += 4
        else:
            at += 1


cdef inline Status queclink_wifi(const QueclinkMessage *message, Reading *reading) noexcept nogil:
    """Access points: a MAC as twelve digits with its signal (dBm) behind it."""
    cdef WifiReading *point
    cdef Field signal
    cdef int at, place
    for at in range(4, message.count - 1):
        signal = message.fields[at + 1]
        if signal.length < 2 or signal.length > 4 or signal.data[0] != 45 or not all_digits(signal.data + 1, signal.length - 1) \
                or not is_hex(message.fields[at], 12):
            continue
        if reading.wifi_count == WIFI_MAX:
            return HANDOVER
        point = &reading.wifi[reading.wifi_count]
        reading.wifi_count += 1
        for place in range(6):
            point.mac[place] = <uint8_t> (hex_value(message.fields[at].data[2 * place]) << 4 | hex_value(message.fields[at].data[2 * place + 1]))
        point.rssi_dbm = 0
        for place in range(1, <int> signal.length):
            point.rssi_dbm = <int16_t> (point.rssi_dbm * 10 - (signal.data[place] - 48))
        point.has_rssi = True
    return OK


# ---------------------------------------------------------------------------------------------------------- power


cdef inline bint queclink_volts(Field field, Reading *reading) noexcept nogil:
    """A battery voltage with decimals, below 10 V; False when the reference must read it."""
    cdef Number got = decimal(field, &reading.battery_v)
    if got == NUMBER_READ and 0 < reading.battery_v < 10:
        reading.has |= HAS_BATTERY_V
    return got != NUMBER_RARE


cdef inline void queclink_power_mv(Field field, Reading *reading) noexcept nogil:
    """Four or five digits of millivolts."""
    if is_digits(field, 4) or is_digits(field, 5):
        reading.power_v = <double> whole(field, 99999) / 1000.0
        reading.has |= HAS_POWER_V


cdef Status queclink_power(const QueclinkMessage *message, const int *places, int count, Reading *reading) noexcept nogil:
    """Battery in percent, battery in volts, external power in volts."""
    cdef bint is_personal
    if message.type == QUECLINK_INF:
        is_personal = is_digits(queclink_field(message, QUECLINK_INF_FIX_AT), 14)
        if is_personal:
            put_percent(reading, queclink_field(message, QUECLINK_INF_PERCENT))
        else:
            queclink_power_mv(queclink_field(message, QUECLINK_INF_POWER_MV), reading)
        return OK if queclink_volts(queclink_field(message, QUECLINK_INF_VOLTS), reading) else HANDOVER
    if message.type == QUECLINK_BPL:
        return OK if queclink_volts(queclink_field(message, 4), reading) else HANDOVER
    if message.type == QUECLINK_WIF:
        put_percent(reading, queclink_field(message, message.end - 1))
        return OK
    if count == 0:
        return OK
    if message.type == QUECLINK_FRI or message.type == QUECLINK_ERI:
        queclink_power_mv(queclink_field(message, places[0] - 7), reading)
    queclink_percent(message, places[count - 1], reading)
    return OK


cdef inline void queclink_percent(const QueclinkMessage *message, int last, Reading *reading) noexcept nogil:
    """The battery's percentage, for which each family has its own place; ``last``: the last location group."""
    cdef int at
    if message.type == QUECLINK_STR or message.type == QUECLINK_CTN:
        put_percent(reading, queclink_field(message, last - 5))
        return
    for at in range(last + 8, message.end):
        if is_queclink_motion(message.fields[at]):
            put_percent(reading, message.fields[at - 1])
            return
    if message.end == last + 9 or is_hex(queclink_field(message, last + 4), 12):
        put_percent(reading, queclink_field(message, message.end - 1))


cdef inline void queclink_charging(const QueclinkMessage *message, Reading *reading) noexcept nogil:
    """GTBTC and GTSTC tell it by their type, GTINF in a field (2: charged)."""
    cdef Field field = queclink_field(message, QUECLINK_INF_CHARGING)
    if message.type == QUECLINK_INF:
        if not is_digits(queclink_field(message, QUECLINK_INF_FIX_AT), 14) or field.length != 1 or field.data[0] < 48 or field.data[0] > 50:
            return
        reading.charging = field.data[0] == 49
    elif message.type == QUECLINK_BTC or message.type == QUECLINK_STC:
        reading.charging = message.type == QUECLINK_BTC
    else:
        return
    reading.has |= HAS_CHARGING


# ------------------------------------------------------------------------------------------------------ the frame


cdef inline Status queclink_reply(const QueclinkMessage *message, const Line *line, Told *told) noexcept nogil:
    """``+SACK:GTHBD,version,count$`` to a heartbeat, ``+SACK:count$`` to a report."""
    cdef Field version = queclink_field(message, 1)
    cdef uint8_t *reply = told.reply
    if message.head == QUECLINK_ACK and message.type == QUECLINK_HBD:
        if version.length > QUECLINK_VERSION_BYTES_MAX:
            return HANDOVER
        memcpy(reply, b"+SACK:GTHBD,", 12)
        memcpy(reply + 12, version.data, version.length)
        reply += 12 + version.length
        reply[0] = 44
        reply += 1
    elif (message.head == QUECLINK_RESP or message.head == QUECLINK_BUFF) and message.is_counted and not line.words & QUECLINK_NO_SACK:
        memcpy(reply, b"+SACK:", 6)
        reply += 6
    else:
        return OK
    if message.is_counted:
        memcpy(reply, message.fields[message.end + 1].data, 4)
        reply += 4
    reply[0] = 36
    told.reply_bytes = <int> (reply + 1 - told.reply)
    return OK


cdef Status queclink_read(const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil:
    """``+RESP:GTxxx,version,IMEI,name,...,send time,count$``."""
    cdef QueclinkMessage message
    cdef QueclinkHead head
    cdef uint8_t name[15]
    cdef int at, count
    if length > QUECLINK_BYTES_MAX or queclink_opening(raw, length, &head) == 0 or (raw[length - 1] != 36 and raw[length - 1] != 0):
        return HANDOVER
    while length and (raw[length - 1] == 36 or raw[length - 1] == 0):
        length -= 1
    if queclink_message(raw, length, &message) != OK or queclink_reports(&message, line, told) != OK or queclink_reply(&message, line, told) != OK:
        return HANDOVER
    count = <int> message.fields[2].length
    for at in range(count):
        name[at] = message.fields[2].data[at]
        if name[at] >= 97:
            name[at] -= 32
    return name_device(line, name, count)


cdef Py_ssize_t queclink_repair(uint8_t *data, Py_ssize_t length, Py_ssize_t room) noexcept nogil:
    if length:
        data[length - 1] = 36
    return length


cdef Kernel *_queclink_kernel = new_kernel("queclink", b"+")
_queclink_kernel.shape = queclink_shape
_queclink_kernel.read = queclink_read
_queclink_kernel.prepare = queclink_prepare
_queclink_kernel.repair = queclink_repair
