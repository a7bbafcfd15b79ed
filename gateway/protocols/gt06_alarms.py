"""Where a GT06 frame may say alarm: three bits of the terminal information, and one byte. Both are always read.

Whoever reads only one of them shows a pressed button as a geofence. Source: the descriptions of the GT06 families.
"""

from dataclasses import dataclass
from typing import Final

from gateway.model import NO_KIND, Kind

STATUS_ALARMS: Final = {
    0b000: NO_KIND,
    0b001: Kind.VIBRATION,
    0b010: Kind.POWER_CUT,
    0b011: Kind.BATTERY_LOW,
    0b100: Kind.SOS_BUTTON,
    0b110: Kind.GEOFENCE,
    0b111: Kind.STRAP_CUT,
}
"Bits 5-3 of the terminal information. 0b101 is given to nobody."

ALARM_CODES: Final = {
    0x00: NO_KIND,
    0x01: Kind.SOS_BUTTON,
    0x02: Kind.POWER_CUT,
    0x03: Kind.VIBRATION,
    0x04: Kind.GEOFENCE_ENTER,
    0x05: Kind.GEOFENCE_EXIT,
    0x06: Kind.OVERSPEED,
    0x09: Kind.VIBRATION,
    0x0A: Kind.GNSS_LOST,
    0x0B: NO_KIND,
    0x0C: Kind.TAMPER_CASE,
    0x0D: NO_KIND,
    0x0E: Kind.BATTERY_LOW,
    0x0F: Kind.BATTERY_LOW,
    0x10: Kind.SIM_CHANGED,
    0x11: Kind.POWER_OFF,
    0x13: Kind.TAMPER_CASE,
    0x14: Kind.DOOR,
    0x18: Kind.STRAP_CUT,
    0x19: Kind.BATTERY_LOW,
    0x1A: Kind.HARSH_BRAKE,
    0x1B: Kind.HARSH_CORNER,
    0x23: Kind.FALL,
    0x25: Kind.TAMPER_CASE,
    0x26: Kind.HARSH_ACCEL,
    0x27: Kind.HARSH_BRAKE,
    0x28: Kind.HARSH_BRAKE,
    0x29: Kind.HARSH_ACCEL,
    0x2A: Kind.HARSH_CORNER,
    0x2B: Kind.HARSH_CORNER,
    0x2C: Kind.ACCIDENT,
    0x2E: Kind.HARSH_CORNER,
    0x30: Kind.JAMMING,
    0x32: Kind.TAMPER_CASE,
    0xFE: NO_KIND,
    0xFF: NO_KIND,
}
"""The alarm byte: dossier section 6, and from the makers' own table what is news but no alarm: 0x0A/0x0B into and out of a
place without GPS, 0x0D first fix, 0x10 another SIM, 0xFE/0xFF ignition on and off. Any other code is an unknown alarm."""

CAMERA_CODES: Final = {
    0x90: Kind.HARSH_ACCEL,
    0x91: Kind.HARSH_BRAKE,
    0x92: Kind.HARSH_CORNER,
    0x93: Kind.ACCIDENT,
}
"Events of JC dash-cams (type 0x95) beside 0x01."


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a family of models does differently."""

    alarm_codes: dict[int, Kind]
    removed: Kind = Kind.STRAP_CUT
    "What status bits 111 mean."
    driver_card_bytes: int = 0
    "A driver's card number that may follow the status block."
    voltage_word: bool = False
    "The heartbeat's voltage is two bytes, in hundredths of a volt."


PLAIN: Final = Dialect(ALARM_CODES)
_VL: Final = Dialect(
    ALARM_CODES | {0x09: Kind.TOW, 0x28: Kind.POWER_OFF, 0x30: Kind.HARSH_BRAKE, 0xE8: NO_KIND, 0xEA: NO_KIND},
    driver_card_bytes=8,
)
DIALECTS: Final = {
    # prefix of the model's name: its dialect. 0xE8 and 0xEA of the VL family: a driver's card came or went.
    "VL103": _VL,
    "LL303": _VL,
    "VL512": _VL,
    "G18": _VL,
    "LW4G": Dialect(ALARM_CODES | {0x18: Kind.ACCIDENT, 0x19: Kind.HARSH_ACCEL}),
    "VXT01": Dialect(ALARM_CODES, removed=Kind.OVERSPEED),
    "R11": Dialect(ALARM_CODES, voltage_word=True),
}


def dialect_of(model: str | None) -> Dialect:
    """The dialect of a model as the registry names it (``LW4G-4B``, ``VL103``); the plain one for all others."""
    name = (model or "").upper()
    return next((dialect for prefix, dialect in DIALECTS.items() if name.startswith(prefix)), PLAIN)


def status_kinds(terminal: int, code: int, dialect: Dialect, removed: Kind) -> Kind:
    """Both places where an alarm may stand, always read together; what nobody knows is an unknown alarm."""
    bits = terminal >> 3 & 7
    by_bits = removed if bits == 0b111 else STATUS_ALARMS.get(bits, Kind.UNKNOWN_ALARM)
    return by_bits | dialect.alarm_codes.get(code, Kind.UNKNOWN_ALARM)
