"""What Teltonika records of every codec are made of: numbers off the front of a message, AVL elements, times, batteries."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason

WORD_PANIC_IS_ROUTINE: Final = "teltonika_panic_is_routine"
"A word of ``DeviceSettings.config``: this device uses priority 2 for things that are no alarm."
PANIC: Final = 2

POWER_MV_ELEMENT, BATTERY_MV_ELEMENT = 66, 67

TIME_MIN_US: Final = 1_262_304_000_000_000
"2010-01-01: older than every device of this protocol."
TIME_MAX_US: Final = 253_402_300_799_999_000
"End of the year 9999: later instants cannot be written down."
DAY_US: Final = 86_400_000_000


class Element(NamedTuple):
    """One AVL element of a record."""

    number: int
    size: int
    value: int


@dataclass(slots=True)
class Cursor:
    """Takes numbers off the front of a message; running over its end is a ``FrameError``."""

    data: bytes
    base: int
    "Where ``data`` starts in the frame, so that complaints name the byte of the frame."
    at: int = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        if len(self.data) - self.at < size:
            raise self.fault(Reason.LENGTH, f"{size} bytes expected, {len(self.data) - self.at} left")
        self.at += size
        return self.data[self.at - size : self.at]

    def take_uint(self, size: int) -> int:
        """The next unsigned number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def take_int(self, size: int) -> int:
        """The next signed number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big", signed=True)

    def fault(self, reason: Reason, detail: str) -> FrameError:
        """An error at the present byte."""
        return FrameError(reason, self.base + self.at, detail)


def power_of(elements: list[Element], percent_element: int) -> tuple[float | None, float | None, float | None]:
    """Battery percent, battery volts, external volts."""
    percent = battery_v = power_v = None
    for number, size, value in elements:
        if number == percent_element and size == 1 and value <= 100:
            percent = float(value)
        elif number == BATTERY_MV_ELEMENT and size == 2:
            battery_v = value / 1000
        elif number == POWER_MV_ELEMENT and size == 2:
            power_v = value / 1000
    return percent, battery_v, power_v


def time_of(time_us: int, now_us: int) -> tuple[int | None, list[str]]:
    """The device's time, and the remark that it cannot be trusted."""
    if TIME_MIN_US <= time_us <= now_us + DAY_US:
        return time_us, []
    return (time_us if time_us <= TIME_MAX_US else None), ["time outside 2010 to tomorrow"]
