# The reception desk of the decoders: what a kernel wrote down -> the nouns of model.py.
#
# A kernel fills a Reading (or a Fault) and returns a Status; it touches no Python object. HANDOVER says "rare: ask the
# reference", which reads the same bytes in plain Python. Objects are made without their constructors: frozen dataclasses
# would set each field through object.__setattr__, at twenty times the price of writing into the slot of a new object.

cdef extern from *:
    """
    #include <structmember.h>
    /* Where a slot lies in the objects of its class; -1 for what is no slot. */
    static Py_ssize_t slot_of(PyObject *descriptor) {
        if (!Py_IS_TYPE(descriptor, &PyMemberDescr_Type) || ((PyMemberDescrObject *) descriptor)->d_member->type != T_OBJECT_EX)
            return -1;
        return ((PyMemberDescrObject *) descriptor)->d_member->offset;
    }
    /* An object of the class with empty slots. */
    #define new_noun(class) PyType_GenericAlloc((PyTypeObject *) (class), 0)
    """
    Py_ssize_t slot_of(object descriptor)
    object new_noun(object noun)

cdef enum:
    HAS_FIX = 1 << 0
    HAS_FIX_AT = 1 << 1
    HAS_ACCURACY = 1 << 2
    HAS_ALTITUDE = 1 << 3
    HAS_SPEED = 1 << 4
    HAS_COURSE = 1 << 5
    HAS_SATELLITES = 1 << 6
    HAS_EVENT_AT = 1 << 7
    HAS_SEQUENCE = 1 << 8
    HAS_BATTERY_PERCENT = 1 << 9
    HAS_BATTERY_V = 1 << 10
    HAS_POWER_V = 1 << 11
    HAS_CHARGING = 1 << 12

cdef object UNREAD_TEXTS = (
    "identity without the check digit of an IMEI",
    "date of the position",
    "place outside the globe",
    "status block",
    "position",
    "voltage level",
    "status of another model",
    "further cells",
    "length field wrong",
    "status",
    "time",
    "send time and count number",
    "send time",
    "time of the position",
    "position out of range",
    "clock not set",
    "status 00000000",
    "time of day",
    "frame with the mark X",
    "side button 1",
    "side button 2",
    "bark",
    "date",
)
# Indexes into UNREAD_TEXTS, as kernels note them; from UNREAD_KEY on a number that the frame holds stands in the note.
cdef enum Unread:
    UNREAD_CHECK_DIGIT = 0
    UNREAD_DATE = 1
    UNREAD_PLACE = 2
    UNREAD_STATUS = 3
    UNREAD_POSITION = 4
    UNREAD_VOLTAGE = 5
    UNREAD_OTHER_MODEL = 6
    UNREAD_CELLS = 7
    UNREAD_LENGTH = 8
    UNREAD_STATUS_WORD = 9
    UNREAD_TIME = 10
    UNREAD_SENT_AND_COUNT = 11
    UNREAD_SENT = 12
    UNREAD_POSITION_TIME = 13
    UNREAD_OUT_OF_RANGE = 14
    UNREAD_CLOCK_NOT_SET = 15
    UNREAD_STATUS_ZERO = 16
    UNREAD_TIME_OF_DAY = 17
    UNREAD_MARK_X = 18
    UNREAD_SIDE_BUTTON_1 = 19
    UNREAD_SIDE_BUTTON_2 = 20
    UNREAD_BARK = 21
    UNREAD_DATE_WORD = 22

cdef enum UnreadNumber:
    UNREAD_KEY = 256  # + 0-255
    UNREAD_KEY_PLACE = 512  # + 0-255
    UNREAD_ITEM = 768  # + 0-255
    UNREAD_ALARM_BIT = 1024  # + 0-31
    UNREAD_REMARK_BIT = 1056  # + 0-31, those of ALARM_REMARKS
    UNREAD_INNER = 0x10000  # + 0-65535
    UNREAD_MESSAGE = 0x20000  # + 0-65535

cdef dict ALARM_REMARKS = {
    3: "dangerous driving", 9: "display out of order", 10: "speech output out of order", 11: "camera out of order",
    12: "card reader out of order", 13: "overspeed warning", 14: "fatigue warning", 21: "route entered or left",
    22: "time on a road section", 23: "off the route", 24: "speed sensor out of order", 25: "fuel", 27: "illegal ignition",
    31: "illegal door opening",
}

cdef dict UNREAD_NUMBERED = {
    **{UNREAD_KEY + number: f"key 0x{number:02x}" for number in range(256)},
    **{UNREAD_KEY_PLACE + number: f"place of key 0x{number:02x} outside the globe" for number in range(256)},
    **{UNREAD_ITEM + number: f"item 0x{number:02x}" for number in range(256)},
    **{UNREAD_ALARM_BIT + number: f"alarm bit {number}" for number in range(32)},
    **{UNREAD_REMARK_BIT + number: f"alarm bit {number}: {remark}" for number, remark in ALARM_REMARKS.items()},
}

cdef object FAULT_TEXTS = (
    "starts with neither 7878 nor 7979",
    "ends inside the length field",
    "length field: 5 to 8192 expected, {found} found",
    "length field promises {expected} bytes, {found} found",
    "does not end in 0d0a",
    "frame says {found:04x}, its bytes give {expected:04x}",
    "a login holds 8 bytes of identity, {found} found",
    "the identity is not 16 decimal digits",
    "the identity is all zeros",
    "message 0x{found:02x} before a login",
    "a GPS block has 18 bytes, {found} found",
    "frame says {found:08x}, its bytes give {expected:08x}",
)
# Indexes into FAULT_TEXTS.
cdef enum FaultText:
    FAULT_HEADER = 0
    FAULT_CUT_HEADER = 1
    FAULT_LENGTH_RANGE = 2
    FAULT_LENGTH = 3
    FAULT_TAIL = 4
    FAULT_CHECKSUM = 5
    FAULT_SHORT_LOGIN = 6
    FAULT_NO_DIGITS = 7
    FAULT_ZEROS = 8
    FAULT_NO_LOGIN = 9
    FAULT_SHORT_GPS = 10
    FAULT_CHECKSUM_WIDE = 11

cdef uint64_t KIND_LOGIN = Kind.LOGIN
cdef uint64_t KIND_HEARTBEAT = Kind.HEARTBEAT
cdef uint64_t KIND_POSITION = Kind.POSITION
cdef uint64_t KIND_DEVICE_ACK = Kind.DEVICE_ACK
cdef uint64_t KIND_CONFIG_REPLY = Kind.CONFIG_REPLY
cdef uint64_t KIND_SOS_BUTTON = Kind.SOS_BUTTON
cdef uint64_t KIND_MAN_DOWN = Kind.MAN_DOWN
cdef uint64_t KIND_GENERAL = Kind.GENERAL
cdef uint64_t KIND_OVERSPEED = Kind.OVERSPEED
cdef uint64_t KIND_GEOFENCE_EXIT = Kind.GEOFENCE_EXIT
cdef uint64_t KIND_GEOFENCE_ENTER = Kind.GEOFENCE_ENTER
cdef uint64_t KIND_UNKNOWN_ALARM = Kind.UNKNOWN_ALARM
cdef uint64_t KIND_LIFE = LIFE & ~Kind.SOS_APP
cdef uint64_t KIND_LIFE_KNOWN = LIFE & ~(Kind.UNKNOWN_ALARM | Kind.SOS_APP)

cdef object REASON_NAMES = ("",) + tuple([reason.name.lower() for reason in Reason])
cdef object SOURCE_NAMES = ("gnss", "wifi", "cell", "network", "app")

cdef dict KIND_SETS = {}
cdef enum:
    KIND_SETS_MAX = 4096  # combinations seen so far; devices send a few dozen


cdef inline void note_unread(Reading *reading, int what) noexcept nogil:
    """One note more; the last place is given up when there are too many."""
    reading.unread[reading.unread_count] = <uint32_t> what
    if reading.unread_count < UNREAD_MAX - 1:
        reading.unread_count += 1


cdef inline bint try_note(Reading *reading, int what) noexcept nogil:
    """The same; False when there are too many, and the reference must read it."""
    if reading.unread_count == UNREAD_MAX:
        return False
    reading.unread[reading.unread_count] = <uint32_t> what
    reading.unread_count += 1
    return True


cdef inline Status blame(Fault *fault, Status status, int what, Py_ssize_t offset, int64_t expected, int64_t found) noexcept nogil:
    """Write down why a frame is refused, and return the status that says so."""
    fault.what = what
    fault.offset = offset
    fault.expected = expected
    fault.found = found
    return status


cdef object kind_set(uint64_t bits):
    found = KIND_SETS.get(bits)
    if found is None:
        if len(KIND_SETS) >= KIND_SETS_MAX:
            KIND_SETS.clear()
        found = KIND_SETS[bits] = Kind(bits)
    return found


cdef inline void give(object noun, Py_ssize_t slot, object value) noexcept:
    """Fill an empty slot of an object that nobody has seen yet."""
    Py_INCREF(value)
    (<PyObject **> (<char *> <PyObject *> noun + slot))[0] = <PyObject *> value


cdef inline void give_beside(object noun, tuple beside) noexcept:
    """The fields that no kernel knows."""
    for slot, value in beside:
        give(noun, slot, value)


cdef object fix_of(const Reading *reading):
    fix = new_noun(Fix)
    give(fix, FIX[FIX_LAT_E7], reading.lat_e7)
    give(fix, FIX[FIX_LON_E7], reading.lon_e7)
    give(fix, FIX[FIX_AT_US], reading.fix_at_us if reading.has & HAS_FIX_AT else None)
    give(fix, FIX[FIX_VALID], reading.fix_valid != 0)
    give(fix, FIX[FIX_SOURCE], SOURCE_NAMES[reading.source])
    give(fix, FIX[FIX_ACCURACY_M], reading.accuracy_m if reading.has & HAS_ACCURACY else None)
    give(fix, FIX[FIX_ALTITUDE_M], reading.altitude_m if reading.has & HAS_ALTITUDE else None)
    give(fix, FIX[FIX_SPEED_KMH], reading.speed_kmh if reading.has & HAS_SPEED else None)
    give(fix, FIX[FIX_COURSE_DEG], reading.course_deg if reading.has & HAS_COURSE else None)
    give(fix, FIX[FIX_SATELLITES], reading.satellites if reading.has & HAS_SATELLITES else None)
    give_beside(fix, FIX_BESIDE)
    return fix


cdef object cell_of(const CellReading *reading):
    cell = new_noun(Cell)
    give(cell, CELL[CELL_MCC], reading.mcc)
    give(cell, CELL[CELL_MNC], reading.mnc)
    give(cell, CELL[CELL_LAC], reading.lac)
    give(cell, CELL[CELL_CID], reading.cid)
    give(cell, CELL[CELL_RSSI_DBM], reading.rssi_dbm if reading.has_rssi else None)
    give_beside(cell, CELL_BESIDE)
    return cell


cdef object wifi_of(const WifiReading *point):
    mac = PyBytes_FromStringAndSize(<char *> point.mac, 6).hex(":")
    return Wifi(mac, point.rssi_dbm if point.has_rssi else None)


cdef object unread_text(int what):
    """What a note says."""
    if what < UNREAD_KEY:
        return UNREAD_TEXTS[what]
    if what < UNREAD_INNER:
        return UNREAD_NUMBERED[what]
    return f"item 0xeb, 0x{what - UNREAD_INNER:04x}" if what < UNREAD_MESSAGE else f"message 0x{what - UNREAD_MESSAGE:04x}"


cdef object report_of(const Reading *reading):
    """The report that a kernel wrote down. ``text`` is never in a Reading: who has one is read by the reference."""
    cdef int at
    report = new_noun(Report)
    give(report, REPORT[REPORT_KINDS], kind_set(reading.kinds))
    give(report, REPORT[REPORT_FIX], fix_of(reading) if reading.has & HAS_FIX else None)
    give(report, REPORT[REPORT_EVENT_AT_US], reading.event_at_us if reading.has & HAS_EVENT_AT else None)
    give(report, REPORT[REPORT_SEQUENCE], reading.sequence if reading.has & HAS_SEQUENCE else None)
    give(report, REPORT[REPORT_BATTERY_PERCENT], reading.battery_percent if reading.has & HAS_BATTERY_PERCENT else None)
    give(report, REPORT[REPORT_BATTERY_V], reading.battery_v if reading.has & HAS_BATTERY_V else None)
    give(report, REPORT[REPORT_POWER_V], reading.power_v if reading.has & HAS_POWER_V else None)
    give(report, REPORT[REPORT_CHARGING], reading.charging != 0 if reading.has & HAS_CHARGING else None)
    give(report, REPORT[REPORT_STORED], reading.stored != 0)
    give(report, REPORT[REPORT_STANDING], reading.standing != 0)
    give(report, REPORT[REPORT_CELLS], tuple([cell_of(&reading.cells[at]) for at in range(reading.cell_count)]) if reading.cell_count else ())
    give(report, REPORT[REPORT_WIFI], tuple([wifi_of(&reading.wifi[at]) for at in range(reading.wifi_count)]) if reading.wifi_count else ())
    give(report, REPORT[REPORT_TEXT], None)
    give(report, REPORT[REPORT_UNREAD], tuple([unread_text(reading.unread[at]) for at in range(reading.unread_count)]) if reading.unread_count else ())
    give_beside(report, REPORT_BESIDE)
    return report


cdef object frame_of(object protocol, object transport, bytes raw, object device, tuple reports, object reply, object farewell):
    """A believed frame."""
    frame = new_noun(Frame)
    give(frame, FRAMES[FRAME_PROTOCOL], protocol)
    give(frame, FRAMES[FRAME_TRANSPORT], transport)
    give(frame, FRAMES[FRAME_RAW], raw)
    give(frame, FRAMES[FRAME_DEVICE], device)
    give(frame, FRAMES[FRAME_REPORTS], reports)
    give(frame, FRAMES[FRAME_REPLY], reply)
    give(frame, FRAMES[FRAME_REFUSED], None)
    give(frame, FRAMES[FRAME_UNVERIFIED], None)
    give(frame, FRAMES[FRAME_FAREWELL], farewell)
    give_beside(frame, FRAME_BESIDE)
    return frame


cdef object refused_frame(object protocol, object transport, bytes raw, object device, Status status, const Fault *fault, object unverified):
    """A frame that was not believed, and why."""
    detail = FAULT_TEXTS[fault.what].format(expected=fault.expected, found=fault.found)
    return Frame(protocol, transport, raw, device, refused=Refusal(REASON_NAMES[<int> status], fault.offset, detail), unverified=unverified)


cdef enum:
    FIX_LAT_E7, FIX_LON_E7, FIX_AT_US, FIX_VALID, FIX_SOURCE, FIX_ACCURACY_M, FIX_ALTITUDE_M, FIX_SPEED_KMH, FIX_COURSE_DEG, FIX_SATELLITES
    FIX_FIELDS

cdef enum:
    CELL_MCC, CELL_MNC, CELL_LAC, CELL_CID, CELL_RSSI_DBM
    CELL_FIELDS

cdef enum:
    REPORT_KINDS, REPORT_FIX, REPORT_EVENT_AT_US, REPORT_SEQUENCE, REPORT_BATTERY_PERCENT, REPORT_BATTERY_V, REPORT_POWER_V, REPORT_CHARGING
    REPORT_STORED, REPORT_STANDING, REPORT_CELLS, REPORT_WIFI, REPORT_TEXT, REPORT_UNREAD
    REPORT_FIELDS

cdef enum:
    FRAME_PROTOCOL, FRAME_TRANSPORT, FRAME_RAW, FRAME_DEVICE, FRAME_REPORTS, FRAME_REPLY, FRAME_REFUSED, FRAME_UNVERIFIED, FRAME_FAREWELL
    FRAME_FIELDS

# Where the slots of a noun lie in its objects.
cdef Py_ssize_t FIX[FIX_FIELDS]
cdef Py_ssize_t CELL[CELL_FIELDS]
cdef Py_ssize_t REPORT[REPORT_FIELDS]
cdef Py_ssize_t FRAMES[FRAME_FIELDS]


cdef tuple find_slots(object noun, Py_ssize_t *slots, tuple made):
    """Where each field that we make lies; the slots of all others, with their defaults. A field that we make and the noun lacks, or
    that is no slot, is our mistake."""
    cdef int number
    defaults = {field.name: field.default for field in dataclass_fields(noun)}
    places = {name: slot_of(getattr(noun, name, None)) for name in defaults}
    if not defaults.keys() >= set(made) or min(places.values()) < 0:
        raise ImportError(f"{noun.__name__} has other fields than {made}, or no slots: teach _fastpath_reports.pxi")
    for number, name in enumerate(made):
        slots[number] = places[name]
    return tuple([(places[name], default) for name, default in defaults.items() if name not in made])


cdef tuple FIX_BESIDE = find_slots(Fix, FIX, (
    "lat_e7", "lon_e7", "at_us", "valid", "source", "accuracy_m", "altitude_m", "speed_kmh", "course_deg", "satellites"))
cdef tuple CELL_BESIDE = find_slots(Cell, CELL, ("mcc", "mnc", "lac", "cid", "rssi_dbm"))
cdef tuple REPORT_BESIDE = find_slots(Report, REPORT, (
    "kinds", "fix", "event_at_us", "sequence", "battery_percent", "battery_v", "power_v", "charging", "stored", "standing",
    "cells", "wifi", "text", "unread"))
cdef tuple FRAME_BESIDE = find_slots(Frame, FRAMES, ("protocol", "transport", "raw", "device", "reports", "reply", "refused", "unverified", "farewell"))
