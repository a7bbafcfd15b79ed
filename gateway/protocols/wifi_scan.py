"""The scan of access points and radio cells that Topin devices send, on their own port and on that of GT06.

Source: the descriptions of the Topin families. There is neither a checksum nor a serial number.

- 2  7878, 1  number n of access points, 1  type, 6  time in BCD
- n x (MAC 6, strength 1)
- 1  number c of cells, 2  MCC, 1  MNC, c x (LAC 2, CID 2, strength 1)
- 2  0d0a, in some families behind one byte of alarm bits
"""

from typing import Final

from gateway.model import Cell, Kind, Report, Wifi
from gateway.protocols.octets import bcd_digits, civil_us, full_year, u16be

SCAN_BYTES_MAX: Final = 300
"The longest frame that is waited for: the guard of the Topin description."


def scan_bytes(data: bytes, at: int) -> int | None:
    """How long the frame at ``at`` must be without alarm bits: None while that is not known yet, 0 when it cannot be one."""
    cells_at = 10 + 7 * data[at + 2]
    if cells_at + 6 > SCAN_BYTES_MAX:
        return 0
    if len(data) - at <= cells_at:
        return None
    size = cells_at + 6 + 5 * data[at + cells_at]
    return size if size <= SCAN_BYTES_MAX else 0


def scan_report(raw: bytes, offset_s: int) -> Report:
    """What a delimited frame says. The unit of a cell's strength is not known."""
    at = 10 + 7 * raw[2]
    mcc, mnc = u16be(raw, at + 1), raw[at + 3]
    starts = range(at + 4, at + 4 + 5 * raw[at], 5) if 0 < mcc < 1000 else ()
    return Report(
        Kind.POSITION,
        event_at_us=_bcd_us(raw[4:10], offset_s),
        cells=tuple(dict.fromkeys(Cell(mcc, mnc, u16be(raw, start), u16be(raw, start + 2)) for start in starts)),
        wifi=wifi_of(raw, 10, raw[2]),
    )


def _bcd_us(stamp: bytes, offset_s: int) -> int | None:
    digits = bcd_digits(stamp)
    year = full_year(int(digits[:2])) if digits else None
    local_us = civil_us(year, *(int(digits[i : i + 2]) for i in range(2, 12, 2))) if digits and year else None
    return None if local_us is None else local_us - offset_s * 1_000_000


def wifi_of(data: bytes, at: int, count: int) -> tuple[Wifi, ...]:
    """``count`` access points of ``MAC 6, strength 1``, as many as the data holds.

    Strength: dBm as a signed byte, or its magnitude; 0 says nothing.
    """
    points = []
    for start in range(at, min(at + 7 * count, len(data) - 6), 7):
        level = data[start + 6]
        rssi = level - 256 if level > 127 else -level
        points.append(Wifi(data[start : start + 6].hex(":"), rssi or None))
    return tuple(points)
