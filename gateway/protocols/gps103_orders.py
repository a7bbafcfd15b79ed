"""GPS103: what Coban's trackers can be asked for over their connection.

Paper: Coban's "GPS103" protocol description: ``**,imei:<IMEI>,B;`` asks for one position, ``**,imei:<IMEI>,C,<nn><s|m|h>;`` for one
every so often. Both are answered by reports. What stops a repeated ``help me`` is the answer that it gets at once.

By SMS: ``help me!`` from an authorised number stops a tracker that repeats its alarm by text (``sms_orders.py``).
"""

from typing import Final

from gateway.model import Frame, Order, OrderAnswer, OrderKind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.order_book import OrderBook

UNITS: Final = ((1, "s"), (60, "m"), (3600, "h"))
COUNT_MAX: Final = 99


def every(seconds: int) -> str:
    """Two digits and a unit: the finest one that still can say it, never a longer interval than was asked for."""
    for size, unit in UNITS:
        if seconds // size <= COUNT_MAX:
            return f"{max(1, seconds // size):02d}{unit}"
    return f"{COUNT_MAX}h"


def write(order: Order, device: str, settings: DeviceSettings, serial: int) -> bytes | None:
    """One sentence."""
    match order.kind:
        case OrderKind.LOCATE:
            words = "B"
        case OrderKind.INTERVAL:
            words = f"C,{every(order.seconds or 1)}"
        case OrderKind.TEXT if not set(order.text or ";") & set(";*"):
            words = order.text or ""
        case _:
            return None
    return f"**,imei:{device},{words};".encode("ascii", "ignore")


def answer(order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
    """The next live report."""
    is_report = any(report.fix is not None and not report.stored for report in frame.reports)
    return OrderAnswer(True) if is_report and order.kind in (OrderKind.LOCATE, OrderKind.INTERVAL) else None


BOOK: Final = OrderBook(write, answer=answer)
