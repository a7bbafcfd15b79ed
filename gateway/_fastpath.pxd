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

cdef enum Shape:
    # stream.Shape: what bytes that begin like a frame turn out to be.
    WAIT
    NOISE
    FRAME
    SPOILT

cdef enum:
    # A frame with more of them than this is handed over.
    CELLS_MAX = 8
    WIFI_MAX = 8
    UNREAD_MAX = 16
    READINGS_MAX = 255  # a Teltonika packet counts its records in one byte
    REPLY_BYTES_MAX = 128
    DEVICE_BYTES_MAX = 64
    NESTED_MAX = 8  # stream.NESTED_MAX
    BEHIND_BYTES_MAX = 2048  # stream.BEHIND_BYTES_MAX
    KERNELS_MAX = 16

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
    uint32_t unread[UNREAD_MAX]  # UNREAD_...
    CellReading cells[CELLS_MAX]
    WifiReading wifi[WIFI_MAX]

cdef struct Fault:
    # Why a frame was refused: a text of FAULT_TEXTS with the two numbers that it may name.
    Py_ssize_t offset
    int64_t expected
    int64_t found
    int what

cdef struct Split:
    # Where the splitter stands in the bytes of one connection; ``claimed`` and ``looked`` count from ``start``. See stream.py.
    Py_ssize_t start
    int64_t skipped_bytes
    int32_t claimed
    int32_t looked
    uint8_t nested
    uint8_t is_lost
    uint8_t is_behind  # ``shape`` looks for a whole frame behind the beginning of one that is still incomplete

cdef struct Line:
    # One connection as the kernels know it: nothing else is remembered from frame to frame.
    Split split
    int32_t clock_offset_s  # as the registry says
    int32_t zone_s  # as the device said
    int32_t serial  # of our next message
    int32_t serial_before  # and before the newest one was read
    uint64_t levels  # alarms for life that are set on ``level_device``
    uint64_t levels_before
    uint8_t *kept  # the newest message, owned by whoever owns the line: see ``keep``
    Py_ssize_t kept_bytes
    Py_ssize_t kept_room
    uint32_t words  # switches of its settings, as the kernel's ``prepare`` numbers them
    uint8_t dialect  # likewise
    uint8_t learnt  # what the splitter of a protocol found out about this connection
    uint8_t has_clock_offset
    uint8_t is_datagram
    uint8_t is_beyond  # the reference remembers more than a Line can, and reads everything until that is over
    uint8_t level_device_bytes
    uint8_t level_device[DEVICE_BYTES_MAX]
    uint8_t is_renamed  # ``device`` was written since somebody looked
    uint8_t device_bytes  # 0: nobody has said who it is
    uint8_t device[DEVICE_BYTES_MAX]

cdef struct Told:
    # What a kernel wrote down of one frame. Large: one for each thread that reads.
    Fault fault
    int count
    int reply_bytes  # 0: no answer
    uint8_t is_unverified  # of a refused frame: readings[0] is the alarm that is readable all the same
    uint8_t reply[REPLY_BYTES_MAX]
    Reading readings[READINGS_MAX]

cdef struct Kernel:
    # One protocol as the compiled room knows it. All but ``prepare`` run without the GIL and write to their arguments only.
    uint8_t starts[256]  # with which bytes a frame may begin
    uint8_t promises_length
    uint8_t joins_datagrams
    # What begins here (at least one byte; ``size`` comes in as 1 and goes out as stream.py wants it).
    Shape (*shape)(const uint8_t *data, Py_ssize_t left, Line *line, Py_ssize_t *size) noexcept nogil
    # One whole frame, wherever it was delimited: everything is checked.
    Status (*read)(const uint8_t *raw, Py_ssize_t length, Line *line, int64_t now_us, Told *told) noexcept nogil
    # A message of a stream, or a datagram, begins; NULL for protocols that ask nothing then. False: no memory.
    bint (*begin)(Line *line, const uint8_t *raw, Py_ssize_t length) noexcept nogil
    # What the line remembers -> the reference session, before it reads what is rare, and back.
    int (*lend)(const Line *line, object reference) except -1
    int (*take)(Line *line, object reference) except -1
    # What the registry says about the device -> ``words`` and ``dialect``.
    int (*prepare)(Line *line, object settings) except -1
    # For the fuzzer: make length and checksum right again; the new length, at most ``room``.
    Py_ssize_t (*repair)(uint8_t *data, Py_ssize_t length, Py_ssize_t room) noexcept nogil
