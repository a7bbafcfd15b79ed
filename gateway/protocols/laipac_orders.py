"""Laipac: the reset that ends a repeated alarm in the device.

Paper: the maker's StarFinder and S-911 communication protocol, ``$AVCFG,<password>,<letter>*hh``, as ``laipac.py`` has it. The wearer
may notice it: it leaves only after a centre has accepted, and only for a device whose settings hold the word
``laipac_confirm``. The password is the word ``password=…``; makers deliver 00000000.

The device has no answer of its own: a report without an alarm shows that it has stopped.
"""

from typing import Final

from gateway.model import LIFE, Frame, Kind, Order, OrderAnswer, OrderKind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.laipac import PASSWORD, reset_line
from gateway.protocols.order_book import OrderBook

WORD: Final = "laipac_confirm"
EVENTS: Final = (
    (Kind.SOS_BUTTON, "3"), (Kind.TAMPER_CASE, "T"), (Kind.GEOFENCE_ENTER, "X"), (Kind.GEOFENCE_EXIT, "4"), (Kind.TOW, "Y"),
    (Kind.BATTERY_LOW, "Z"),
)  # fmt: skip
"Which event a confirmation is about: the gravest of them."


def write(order: Order, device: str, settings: DeviceSettings, serial: int) -> bytes | None:
    """One AVCFG line."""
    if order.kind is not OrderKind.CONFIRM or not settings.has(WORD):
        return None
    event = next((event for kind, event in EVENTS if order.kinds & kind), "3")
    return reset_line(event, settings.value("password") or PASSWORD)


def answer(order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
    """A report without an alarm."""
    is_report = any(report.kinds & Kind.POSITION for report in frame.reports)
    return OrderAnswer(True) if is_report and not frame.kinds & LIFE else None


WORDS: Final = {
    "laipac_confirm": "end a repeated alarm in the device when a centre has accepted; the wearer may notice",
}
BOOK: Final = OrderBook(write, answer=answer, words=WORDS)
