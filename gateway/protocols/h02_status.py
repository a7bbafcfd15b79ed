"""H02's status word, the same in the text and in the binary form: 32 bits in negative logic, a cleared bit is an alarm.

Paper: the makers' status table (SinoTrack, Huayuan), bytes 1 to 4 from the left. The word stands in every routine report, so what it
says stands as long as its cause does.
"""

from typing import Final

from gateway.model import NO_KIND, Kind

STATUS_BITS: Final = (
    (0, Kind.VIBRATION), (1, Kind.SOS_BUTTON), (2, Kind.OVERSPEED), (18, Kind.SOS_BUTTON), (19, Kind.POWER_CUT),
)  # fmt: skip
"""Bits whose zero is an alarm. 10 is the ignition; 4 and 7 are fences on some devices, which of them nobody knows; the others are
states of a vehicle."""
UNKNOWN: Final = 0
"A word of zeros is no word: the device does not fill it."

OLD_CLOCK_US: Final = 1_104_537_600_000_000
"2005-01-01: devices whose clock GPS has not set yet count from 2004-01-01."


def alarms_of(status: int | None) -> Kind:
    """Every alarm in the word. All bits are read: a victim who runs shakes the device and presses the button."""
    kinds = NO_KIND
    if status is None or status == UNKNOWN:
        return kinds
    for bit, kind in STATUS_BITS:
        if not status >> bit & 1:
            kinds |= kind
    return kinds


def alarms_unread(status: int | None) -> tuple[str, ...]:
    """What to say about a word that says nothing."""
    if status is None:
        return ("status",)
    return ("status 00000000",) if status == UNKNOWN else ()
