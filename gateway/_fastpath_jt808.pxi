# Kernels: jt808. The twin of protocols/jt808.py and jt808_levels.py: both delimiters, all headers, what is remembered, batches, logins,
# heartbeats, answers. What a position says is read in _fastpath_jt808_position.pxi.
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
