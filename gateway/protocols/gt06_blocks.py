"""The blocks that GT06 messages are made of besides the GPS block: radio cells and battery.

Source: dossier ``gt06.md`` section 4. A reader is given bytes that are there; who calls it has looked at the length.
"""

from typing import Final

from gateway.model import Cell
from gateway.protocols.octets import u16be

CELL_SIZES: Final = {
    # bytes: (mnc, lac, cid); the MCC before them has two
    8: (1, 2, 3),
    9: (1, 2, 4),
    10: (2, 2, 4),
    15: (1, 4, 8),
    16: (2, 4, 8),
}


def cells_of(block: bytes) -> tuple[Cell, ...]:
    """One radio cell: ``MCC 2, MNC 1-2, LAC 2-4, CID 3-8``. Bit 15 of the MCC says that the MNC has two bytes."""
    if len(block) not in CELL_SIZES:
        return ()
    mnc_bytes, lac_bytes, cid_bytes = CELL_SIZES[len(block)]
    mcc = u16be(block, 0)
    if len(block) == 9 and mcc & 0x8000:
        mnc_bytes, cid_bytes = 2, 3
    mcc &= 0x7FFF
    if not 0 < mcc < 1000:
        return ()
    lac_at = 2 + mnc_bytes
    cid_at = lac_at + lac_bytes
    mnc, lac = int.from_bytes(block[2:lac_at], "big"), int.from_bytes(block[lac_at:cid_at], "big")
    return (Cell(mcc, mnc, lac, int.from_bytes(block[cid_at : cid_at + cid_bytes], "big")),)


def battery_of(level: int) -> tuple[float | None, tuple[str, ...]]:
    """Percent behind the voltage byte: 0-6 are steps (6 full, 0 no power), 7-100 percent of newer models."""
    if level <= 6:
        return round(level * 100 / 6, 1), ()
    return (float(level), ()) if level <= 100 else (None, ("voltage level",))
