"""What a JT/T 808 terminal says of itself: message 0x0107, the answer to a query of its attributes.

Paper: JT/T 808-2013, table 20; JT/T 808-2019 has longer names in the same order. Witnesses in ``tests/vectors/jt808.json``:
``attributes-2013``, ``attributes-2019``.
"""

from typing import Final

from gateway.model import Kind, Report
from gateway.protocols import fields

VERSIONS_AT: Final = 2 + 5 + 20 + 7 + 10
"Type, maker, model, terminal, SIM card. Behind them stand the versions."
VERSIONS_AT_2019: Final = 2 + 5 + 30 + 30 + 10


def attributes_report(body: bytes, serial: int, is_2019: bool) -> Report:
    """The version of the firmware. Behind the names:

    - 1  bytes of the hardware's version; that version
    - 1  bytes of the firmware's version; that version
    - 1  receivers of positions; 1  networks

    A body that ends before is noted, as is a version that cannot be shown.
    """
    hardware_at = VERSIONS_AT_2019 if is_2019 else VERSIONS_AT
    firmware_at = hardware_at + 1 + int.from_bytes(body[hardware_at : hardware_at + 1], "big")
    size = int.from_bytes(body[firmware_at : firmware_at + 1], "big")
    if len(body) - firmware_at - 1 < size or len(body) <= firmware_at:
        return Report(Kind.HEARTBEAT, sequence=serial, unread=("message 0x0107",))
    firmware, unread = fields.firmware(body[firmware_at + 1 : firmware_at + 1 + size])
    return Report(Kind.HEARTBEAT, sequence=serial, firmware=firmware, unread=unread)
