"""The compiled room: structs, status codes, signatures."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum Status:
    # errors.Reason behind OK; a test walks both up to the sentinel.
    OK = 0
    FRAMING = 1
    LENGTH = 2
    CHECKSUM = 3
    FIELD = 4
    RANGE = 5
    UNSUPPORTED = 6
    IDENTITY = 7
    STATUS_END = 8
