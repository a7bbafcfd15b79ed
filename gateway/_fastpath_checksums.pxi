# Kernels: checksums. 16-bit CRCs, eight bytes at a time (M. Kounavis, F. Berry, slicing-by-8, 2005), sums and exclusive ors.
#
# slices[0] is the classic table; slices[n][b] is the CRC of byte b followed by n zero bytes.

cdef uint16_t X25_SLICES[8][256]  # poly 0x1021 reflected
cdef uint16_t ARC_SLICES[8][256]  # poly 0x8005 reflected
cdef uint16_t CCITT_SLICES[8][256]  # poly 0x1021, most significant bit first


cdef void fill_reflected(uint16_t slices[8][256], uint16_t polynomial) noexcept nogil:
    cdef int byte, bit, slice
    cdef uint16_t value
    for byte in range(256):
        value = <uint16_t> byte
        for bit in range(8):
            value = <uint16_t> ((value >> 1) ^ (polynomial if value & 1 else 0))
        slices[0][byte] = value
    for byte in range(256):
        for slice in range(1, 8):
            value = slices[slice - 1][byte]
            slices[slice][byte] = <uint16_t> ((value >> 8) ^ slices[0][value & 0xff])


cdef void fill_straight(uint16_t slices[8][256], uint16_t polynomial) noexcept nogil:
    cdef int byte, bit, slice
    cdef uint16_t value
    for byte in range(256):
        value = <uint16_t> (byte << 8)
        for bit in range(8):
            value = <uint16_t> (((value << 1) & 0xffff) ^ (polynomial if value & 0x8000 else 0))
        slices[0][byte] = value
    for byte in range(256):
        for slice in range(1, 8):
            value = slices[slice - 1][byte]
            slices[slice][byte] = <uint16_t> (((value << 8) & 0xffff) ^ slices[0][value >> 8])


fill_reflected(X25_SLICES, 0x8408)
fill_reflected(ARC_SLICES, 0xa001)
fill_straight(CCITT_SLICES, 0x1021)


cdef inline uint16_t crc16_reflected(const uint16_t slices[8][256], uint16_t crc, const uint8_t *data, Py_ssize_t length) noexcept nogil:
    while length >= 8:
        crc = slices[7][data[0] ^ (crc & 0xff)] ^ slices[6][data[1] ^ (crc >> 8)] ^ slices[5][data[2]] ^ slices[4][data[3]] \
            ^ slices[3][data[4]] ^ slices[2][data[5]] ^ slices[1][data[6]] ^ slices[0][data[7]]
        data += 8
        length -= 8
    while length > 0:
        crc = <uint16_t> ((crc >> 8) ^ slices[0][(crc ^ data[0]) & 0xff])
        data += 1
        length -= 1
    return crc


cdef inline uint16_t crc16_straight(const uint16_t slices[8][256], uint16_t crc, const uint8_t *data, Py_ssize_t length) noexcept nogil:
    while length >= 8:
        crc = slices[7][data[0] ^ (crc >> 8)] ^ slices[6][data[1] ^ (crc & 0xff)] ^ slices[5][data[2]] ^ slices[4][data[3]] \
            ^ slices[3][data[4]] ^ slices[2][data[5]] ^ slices[1][data[6]] ^ slices[0][data[7]]
        data += 8
        length -= 8
    while length > 0:
        crc = <uint16_t> (((crc << 8) & 0xffff) ^ slices[0][(crc >> 8) ^ data[0]])
        data += 1
        length -= 1
    return crc


cdef inline uint16_t crc16_x25(const uint8_t *data, Py_ssize_t length) noexcept nogil:
    """CRC-16/IBM-SDLC (X.25): from 0xFFFF, inverted at the end. Check value 0x906E."""
    return crc16_reflected(X25_SLICES, 0xffff, data, length) ^ 0xffff


cdef inline uint16_t crc16_arc(const uint8_t *data, Py_ssize_t length) noexcept nogil:
    """CRC-16/ARC: from 0. Check value 0xBB3D."""
    return crc16_reflected(ARC_SLICES, 0, data, length)


cdef inline uint16_t crc16_xmodem(const uint8_t *data, Py_ssize_t length) noexcept nogil:
    """CRC-16/XMODEM: from 0. Check value 0x31C3."""
    return crc16_straight(CCITT_SLICES, 0, data, length)


cdef inline uint16_t crc16_ccitt_false(const uint8_t *data, Py_ssize_t length) noexcept nogil:
    """CRC-16/CCITT-FALSE: from 0xFFFF. Check value 0x29B1."""
    return crc16_straight(CCITT_SLICES, 0xffff, data, length)


cdef inline uint8_t xor8(const uint8_t *data, Py_ssize_t length) noexcept nogil:
    """All bytes under exclusive or, as NMEA 0183, TAIP and JT/T 808 check."""
    cdef uint8_t check = 0
    cdef Py_ssize_t at
    for at in range(length):
        check ^= data[at]
    return check


cdef inline uint8_t sum8(const uint8_t *data, Py_ssize_t length) noexcept nogil:
    """The sum of all bytes, its low eight bits."""
    cdef uint8_t check = 0
    cdef Py_ssize_t at
    for at in range(length):
        check = <uint8_t> (check + data[at])
    return check
