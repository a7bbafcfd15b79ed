"""What one connection of JT/T 808 remembers. Pressed, or still set? The emergency bit of JT/T 808 is a level: what was set before only stands.

Source: JT/T 808-2013 table 24 ("stays until it is answered") and dossier ``jt808.md`` section 6.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.model import LIFE, NO_KIND, Kind, Report
from gateway.protocols.jt808_position import Place

DEVICES_MAX = 64
"Devices of one connection (a relay) that are remembered; the one forgotten first is pressed anew, never silent."


class Levels:
    """The alarms for life that are set, of each device of one connection."""

    def __init__(self, devices: dict[str, Kind] | None = None) -> None:
        self.devices = dict(devices or {})

    def copy(self) -> "Levels":
        """As it is now, for whoever must come back to it."""
        return Levels(self.devices)

    def judged(self, device: str, places: Sequence[Place]) -> tuple[Report, ...]:
        """The records, with those marked in which an alarm only stands. A stored record never ends what stands now.

        They carry no sequence: what is repeated as a stored record has another serial number, and the same time.
        """
        life = self.devices.pop(device, NO_KIND)
        reports = []
        for report, levels, events in places:
            standing = bool(levels & LIFE) and not levels & LIFE & ~life and not events & LIFE
            life = life | levels & LIFE if report.stored else levels & LIFE
            reports.append(replace(report, standing=True) if standing else report)
        if life:
            self.devices[device] = life
        while len(self.devices) > DEVICES_MAX:
            del self.devices[next(iter(self.devices))]
        return tuple(reports)


class Memory:
    """What a message leaves for the next one. The compiled twin keeps the same, and lends it for what is rare."""

    def __init__(self) -> None:
        self.serial = 0
        "Of our next message."
        self.levels = Levels()
        self.newest = b""
        "The newest message or datagram."
        self.before = (0, Levels())
        "Our serial number and the levels before it."

    def begin(self, raw: bytes) -> None:
        """What comes again (sent twice, or read anew with the device's settings) is judged and answered as it was the first time."""
        if raw == self.newest:
            self.serial, self.levels = self.before[0], self.before[1].copy()
        else:
            self.newest, self.before = raw, (self.serial, self.levels.copy())
