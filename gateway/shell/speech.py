"""The table of protocols as ``gateway.orders`` asks it: who can be asked for what, and what a frame answers."""

from gateway.model import Device, Frame, Order, OrderAnswer
from gateway.protocols import row
from gateway.protocols.order_book import OrderBook
from gateway.protocols.orders import NO_ORDERS
from gateway.shell.ingest import settings_of


def book_of(protocol: str | None) -> OrderBook:
    """The orders of a protocol; none for one that is not known."""
    try:
        return row(protocol).orders if protocol else NO_ORDERS
    except KeyError:
        return NO_ORDERS


def number_of(device: Device) -> str | None:
    """The enrolled telephone number of a device."""
    return next((name for name in device.identifiers if name.startswith("+")), None)


def text_of(device: Device, protocol: str | None, order: Order) -> str | None:
    """An order as one SMS, in the words of the registered protocol, of the one that it was last heard with, or of trackers that text."""
    settings = settings_of(device)
    texts = (book_of(name).text(order, settings) for name in dict.fromkeys((device.protocol, protocol, "sms")))
    return next((text for text in texts if text), None)


class TableSpeech:
    """``gateway.orders.Speech`` over the table."""

    def __init__(self, has_sms: bool) -> None:
        """``has_sms``: there is a link over which texts can leave."""
        self._has_sms = has_sms

    def ways(self, device: Device, protocol: str | None, order: Order) -> frozenset[str]:
        """``link``, ``sms``: how this device could be given this order."""
        settings = settings_of(device)
        names = {name for name in (device.protocol, protocol) if name}
        found = set()
        if any(book_of(name).write(order, book_of(name).probe, settings, 1) for name in names):
            found.add("link")
        if self._has_sms and number_of(device) and text_of(device, protocol, order):
            found.add("sms")
        return frozenset(found)

    def answer(self, order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
        """What a frame says to an order."""
        return book_of(frame.protocol).answer(order, serial, frame)
