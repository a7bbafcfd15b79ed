"""The compiled room: structs, status codes, signatures."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum Status:
    # errors.Reason behind OK; a test walks both up to the sentinel.
    HANDOVER = -1  # not refused, only rare: the reference reads it
    OK = 0
    FRAMING = 1
    LENGTH = 2
    CHECKSUM = 3
    FIELD = 4
    RANGE = 5
    UNSUPPORTED = 6
    IDENTITY = 7
    STATUS_END = 8

cdef enum:
    # A frame with more of them than this is handed over.
    CELLS_MAX = 8
    WIFI_MAX = 8
    UNREAD_MAX = 4

cdef struct CellReading:
    uint64_t cid
    uint32_t lac
    uint16_t mcc
    uint16_t mnc
    int16_t rssi_dbm
    uint8_t has_rssi

cdef struct WifiReading:
    uint8_t mac[6]
    int16_t rssi_dbm
    uint8_t has_rssi

cdef struct Reading:
    # One model.Report as a kernel writes it down: every scalar with a bit of ``has`` that says whether it is known.
    uint64_t kinds  # model.Kind
    int64_t fix_at_us
    int64_t event_at_us
    int64_t sequence
    double accuracy_m
    double altitude_m
    double speed_kmh
    double course_deg
    double battery_percent
    double battery_v
    double power_v
    int32_t lat_e7
    int32_t lon_e7
    uint32_t has  # HAS_FIX, HAS_FIX_AT, ...
    uint16_t satellites
    uint8_t fix_valid
    uint8_t source  # index into SOURCE_NAMES; 0 gnss
    uint8_t charging
    uint8_t stored
    uint8_t standing
    uint8_t cell_count
    uint8_t wifi_count
    uint8_t unread_count
    uint8_t unread[UNREAD_MAX]  # indexes into UNREAD_TEXTS
    CellReading cells[CELLS_MAX]
    WifiReading wifi[WIFI_MAX]

cdef struct Fault:
    # Why a frame was refused: a text of FAULT_TEXTS with the two numbers that it may name.
    Py_ssize_t offset
    int64_t expected
    int64_t found
    int what
