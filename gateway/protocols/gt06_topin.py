"""Wi-Fi frames of the Topin dialect, which some devices send to a GT06 port. They carry neither checksum nor serial number.

Source: dossiers ``gt06.md`` section 1 and ``topin.md`` sections 1 and 3.

- 2  7878, 1  number n of access points, 1  type (0x17, 0x69), 6  time in BCD
- n x (MAC 6, strength 1)
- 1  number c of cells, 2  MCC, 1  MNC, c x (LAC 2, CID 2, strength 1)
- 2  0d0a
"""

from typing import Final

from gateway.model import Cell, Kind, Report
from gateway.protocols.gt06_blocks import wifi_of
from gateway.protocols.octets import bcd_digits, civil_us, full_year, u16be

TOPIN_TYPES: Final = (0x17, 0x69)
TOPIN_BYTES_MAX: Final = 300
"The longest one that is waited for (the dialect's own guard)."


def topin_bytes(data: bytes, at: int) -> int | None:
    """How long the frame at ``at`` must be: None while that is not known yet, 0 when it cannot be one."""
    cells_at = 10 + 7 * data[at + 2]
    if cells_at + 6 > TOPIN_BYTES_MAX:
        return 0
    if len(data) - at <= cells_at:
        return None
    size = cells_at + 6 + 5 * data[at + cells_at]
    return size if size <= TOPIN_BYTES_MAX else 0


def topin_report(raw: bytes, offset_s: int) -> Report:
    """What a delimited frame says."""
    digits = bcd_digits(raw[4:10])
    year = full_year(int(digits[:2])) if digits else None
    local_us = civil_us(year, *(int(digits[i : i + 2]) for i in range(2, 12, 2))) if digits and year else None
    at = 10 + 7 * raw[2]
    mcc, mnc = u16be(raw, at + 1), raw[at + 3]
    starts = range(at + 4, at + 4 + 5 * raw[at], 5) if 0 < mcc < 1000 else ()
    return Report(
        Kind.POSITION,
        event_at_us=None if local_us is None else local_us - offset_s * 1_000_000,
        cells=tuple(dict.fromkeys(Cell(mcc, mnc, u16be(raw, start), u16be(raw, start + 2)) for start in starts)),
        wifi=wifi_of(raw, 10, raw[2]),
    )
