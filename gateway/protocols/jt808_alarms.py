"""Where a JT/T 808 position may say alarm: the alarm word, and items that makers added. All of them are always read.

Source: JT/T 808-2011/2013/2019, table of alarm flags, and dossier ``jt808.md`` section 5. A bit of the word is a level, not
an event: it stays set in every report until the platform confirms it or the device restarts.
"""

from dataclasses import dataclass, field
from typing import Final

from gateway.model import NO_KIND, Kind

STANDARD_BITS: Final = {
    0: Kind.SOS_BUTTON,
    1: Kind.OVERSPEED,
    2: Kind.FATIGUE,
    4: Kind.FAULT,
    5: Kind.GPS_ANTENNA,
    6: Kind.GPS_ANTENNA,
    7: Kind.BATTERY_LOW,
    8: Kind.POWER_CUT,
    15: Kind.VIBRATION,
    16: Kind.TAMPER_CASE,
    17: Kind.TAMPER_CASE,
    18: Kind.BATTERY_LOW,
    19: Kind.PARKING,
    20: Kind.GEOFENCE,
    26: Kind.GENERAL,
    28: Kind.MOVEMENT,
    29: Kind.ACCIDENT,
    30: Kind.ACCIDENT,
}
"Bits of the alarm word."
REMARKS: Final = {
    3: "dangerous driving",
    9: "display out of order",
    10: "speech output out of order",
    11: "camera out of order",
    12: "card reader out of order",
    13: "overspeed warning",
    14: "fatigue warning",
    21: "route entered or left",
    22: "time on a road section",
    23: "off the route",
    24: "speed sensor out of order",
    25: "fuel",
    27: "illegal ignition",
    31: "illegal door opening",
}
"""Bits with which vehicles say something that asks for nobody: noted, no alarm. Bit 3 is a danger warning in 2011 and 2013 and
dangerous driving in 2019; dashboard cameras set it every day."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a family of models does differently."""

    alarm_bits: dict[int, Kind] = field(default_factory=lambda: STANDARD_BITS)
    status_bits: dict[int, Kind] = field(default_factory=dict)
    "Bits of the status word that say alarm."
    remarks: dict[int, str] = field(default_factory=lambda: REMARKS)
    is_camera: bool = False
    "Item 0xE8 is the camera's alarm code, whatever it holds."


STANDARD: Final = Dialect()
_LOCATOR: Final = Dialect({0: Kind.SOS_BUTTON, 16: Kind.MOVEMENT}, remarks={})
_PADLOCK: Final = Dialect(STANDARD_BITS | {0: Kind.STRAP_CUT, 1: Kind.TAMPER_CASE, 4: Kind.STRAP_CUT})
DIALECTS: Final = {
    # beginning of the model's name: its dialect. The locators have no meaning for the rest of the word.
    "AL300": _LOCATOR,
    "GL100": _LOCATOR,
    "G-360P": _PADLOCK,
    "G-508P": _PADLOCK,
    "MV710G": Dialect(status_bits={16: Kind.DOOR}),
    "JC": Dialect(is_camera=True),
}


def dialect_of(model: str | None) -> Dialect:
    """The dialect of a model as the registry names it (``GL100-LA``, ``JC400``); the standard for all others."""
    name = (model or "").upper()
    return next((dialect for prefix, dialect in DIALECTS.items() if name.startswith(prefix)), STANDARD)


def kinds_of(word: int, bits: dict[int, Kind]) -> Kind:
    """Every alarm of a word whose set bits say alarm."""
    kinds = NO_KIND
    for bit, kind in bits.items():
        if word >> bit & 1:
            kinds |= kind
    return kinds


def remarks_of(word: int, dialect: Dialect) -> tuple[str, ...]:
    """The set bits that are no alarm of ours, for the notes."""
    others = [bit for bit in range(32) if word >> bit & 1 and bit not in dialect.alarm_bits]
    return tuple(f"alarm bit {bit}" + (f": {dialect.remarks[bit]}" if bit in dialect.remarks else "") for bit in others)


# --------------------------------------------------------------------------------------------- makers' items

E7_BITS: Final = {0: Kind.VIBRATION, 1: Kind.SOS_BUTTON, 2: Kind.SOS_BUTTON, 3: Kind.SOS_BUTTON}
"First word of item 0xE7, when that has eight bytes."

CAMERA_CODES: Final = {
    0x0000: NO_KIND,
    0x0C01: Kind.SOS_BUTTON,
    0x0C0E: Kind.POWER_CUT,
    0x0C0F: Kind.BATTERY_LOW,
    0x0C10: Kind.POWER_OFF,
    0x0C12: Kind.TAMPER_CASE,
}
"First word of item 0xE8 of Jimi's cameras. 0x04xx are remarks on the driving."
CAMERA_GROUP, DRIVING_GROUP = 0x0C, 0x04


def camera_kinds(code: int, is_camera: bool) -> tuple[Kind, tuple[str, ...]]:
    """What item 0xE8 says, and a note when that is no alarm of ours.

    Other makers use the same item for other things: only what is in the cameras' own group is an alarm without the model.
    """
    if code in CAMERA_CODES:
        return CAMERA_CODES[code], ()
    if code >> 8 == DRIVING_GROUP:
        return NO_KIND, (f"driving 0x{code:04x}",)
    if is_camera or code >> 8 == CAMERA_GROUP:
        return Kind.UNKNOWN_ALARM, (f"alarm code 0x{code:04x}",)
    return NO_KIND, ("item 0xe8",)


SWITCHES_LOW: Final = {0: Kind.POWER_OFF, 12: Kind.STRAP_CUT}
"Nested item 0x0089: an alarm when the bit is **not** set."
SENSORS_LOW: Final = {6: Kind.VIBRATION}
"Nested item 0x00C5, likewise."
BATTERY_STATES: Final = {3: Kind.BATTERY_LOW, 4: Kind.BATTERY_LOW}
"Nested item 0x00C6."
DRIVING_BITS: Final = {0: Kind.HARSH_ACCEL}
"Item 0xFE, mark 0x7C, part 0x01."
