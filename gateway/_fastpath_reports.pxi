# The reception desk of the decoders: what a kernel wrote down -> the nouns of model.py.
#
# A kernel fills a Reading (or a Fault) and returns a Status; it touches no Python object. HANDOVER says "rare: ask the
# reference", which reads the same bytes in plain Python. Objects are made without their constructors: frozen dataclasses
# would set each field through object.__setattr__ anyway, at three times the price.

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
)
# Indexes into UNREAD_TEXTS, as kernels note them.
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
cdef object SOURCE_NAMES = ("gnss", "wifi", "cell", "network")

cdef dict KIND_SETS = {}
cdef enum:
    KIND_SETS_MAX = 4096  # combinations seen so far; devices send a few dozen


cdef inline void note_unread(Reading *reading, int what) noexcept nogil:
    """One note more; the last place is given up when there are too many."""
    reading.unread[reading.unread_count] = <uint8_t> what
    if reading.unread_count < UNREAD_MAX - 1:
        reading.unread_count += 1


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


cdef inline int give(object noun, object name, object value) except -1:
    """Set a field of a frozen object that nobody has seen yet."""
    return PyObject_GenericSetAttr(noun, name, value)


cdef inline int give_all(object noun, tuple values) except -1:
    for name, value in values:
        give(noun, name, value)
    return 0


cdef object fix_of(const Reading *reading):
    fix = Fix.__new__(Fix)
    give(fix, "lat_e7", reading.lat_e7)
    give(fix, "lon_e7", reading.lon_e7)
    give(fix, "at_us", reading.fix_at_us if reading.has & HAS_FIX_AT else None)
    give(fix, "valid", reading.fix_valid != 0)
    give(fix, "source", SOURCE_NAMES[reading.source])
    give(fix, "accuracy_m", reading.accuracy_m if reading.has & HAS_ACCURACY else None)
    give(fix, "altitude_m", reading.altitude_m if reading.has & HAS_ALTITUDE else None)
    give(fix, "speed_kmh", reading.speed_kmh if reading.has & HAS_SPEED else None)
    give(fix, "course_deg", reading.course_deg if reading.has & HAS_COURSE else None)
    give(fix, "satellites", reading.satellites if reading.has & HAS_SATELLITES else None)
    give_all(fix, FIX_BESIDE)
    return fix


cdef object cell_of(const CellReading *cell):
    return Cell(cell.mcc, cell.mnc, cell.lac, cell.cid, cell.rssi_dbm if cell.has_rssi else None)


cdef object wifi_of(const WifiReading *point):
    mac = PyBytes_FromStringAndSize(<char *> point.mac, 6).hex(":")
    return Wifi(mac, point.rssi_dbm if point.has_rssi else None)


cdef object report_of(const Reading *reading):
    """The report that a kernel wrote down. ``text`` is never in a Reading: who has one is read by the reference."""
    cdef int at
    report = Report.__new__(Report)
    give(report, "kinds", kind_set(reading.kinds))
    give(report, "fix", fix_of(reading) if reading.has & HAS_FIX else None)
    give(report, "event_at_us", reading.event_at_us if reading.has & HAS_EVENT_AT else None)
    give(report, "sequence", reading.sequence if reading.has & HAS_SEQUENCE else None)
    give(report, "battery_percent", reading.battery_percent if reading.has & HAS_BATTERY_PERCENT else None)
    give(report, "battery_v", reading.battery_v if reading.has & HAS_BATTERY_V else None)
    give(report, "power_v", reading.power_v if reading.has & HAS_POWER_V else None)
    give(report, "charging", reading.charging != 0 if reading.has & HAS_CHARGING else None)
    give(report, "stored", reading.stored != 0)
    give(report, "standing", reading.standing != 0)
    give(report, "cells", tuple([cell_of(&reading.cells[at]) for at in range(reading.cell_count)]) if reading.cell_count else ())
    give(report, "wifi", tuple([wifi_of(&reading.wifi[at]) for at in range(reading.wifi_count)]) if reading.wifi_count else ())
    give(report, "text", None)
    give(report, "unread", tuple([UNREAD_TEXTS[reading.unread[at]] for at in range(reading.unread_count)]) if reading.unread_count else ())
    give_all(report, REPORT_BESIDE)
    return report


cdef object frame_of(object protocol, object transport, bytes raw, object device, tuple reports, object reply):
    """A believed frame."""
    frame = Frame.__new__(Frame)
    give(frame, "protocol", protocol)
    give(frame, "transport", transport)
    give(frame, "raw", raw)
    give(frame, "device", device)
    give(frame, "reports", reports)
    give(frame, "reply", reply)
    give(frame, "refused", None)
    give(frame, "unverified", None)
    give_all(frame, FRAME_BESIDE)
    return frame


cdef object refused_frame(object protocol, object transport, bytes raw, object device, Status status, const Fault *fault, object unverified):
    """A frame that was not believed, and why."""
    detail = FAULT_TEXTS[fault.what].format(expected=fault.expected, found=fault.found)
    return Frame(protocol, transport, raw, device, refused=Refusal(REASON_NAMES[<int> status], fault.offset, detail), unverified=unverified)


cdef tuple fields_beside(object noun, tuple made):
    """Fields that no kernel knows, with their defaults. A field that we make and the noun lacks is our mistake."""
    names = {field.name: field.default for field in dataclass_fields(noun)}
    if not names.keys() >= set(made):
        raise ImportError(f"{noun.__name__} has no {sorted(set(made) - names.keys())} any more: teach _fastpath_reports.pxi")
    return tuple([(name, default) for name, default in names.items() if name not in made])


cdef tuple FIX_BESIDE = fields_beside(Fix, (
    "lat_e7", "lon_e7", "at_us", "valid", "source", "accuracy_m", "altitude_m", "speed_kmh", "course_deg", "satellites"))
cdef tuple REPORT_BESIDE = fields_beside(Report, (
    "kinds", "fix", "event_at_us", "sequence", "battery_percent", "battery_v", "power_v", "charging", "stored", "standing",
    "cells", "wifi", "text", "unread"))
cdef tuple FRAME_BESIDE = fields_beside(Frame, ("protocol", "transport", "raw", "device", "reports", "reply", "refused", "unverified"))
