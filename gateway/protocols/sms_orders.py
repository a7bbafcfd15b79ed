"""SMS: what stops a tracker that repeats its alarm by text.

Paper: the makers' manuals of the TK-203 (Xexun: repeats every three minutes until ``help me!<password>`` comes back) and of the
Coban and TK306 families (until an authorised number answers ``help me!``).

Only for a device whose registry entry names such a model: a telephone would show the text to whoever holds it. The setting
``sms_password=`` is the tracker's password; makers deliver 123456.
"""

from typing import Final

from gateway.model import Order, OrderKind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.order_book import OrderBook

WITH_PASSWORD: Final = ("tk203", "xexun")
WITHOUT: Final = ("coban", "tk306", "tk303", "gps303", "gps306")


def text(order: Order, settings: DeviceSettings) -> str | None:
    """The one text that these trackers wait for."""
    model = (settings.model or "").lower().replace("-", "").replace(" ", "")
    if order.kind is OrderKind.CONFIRM and model.startswith(WITH_PASSWORD):
        return f"help me!{settings.value('sms_password') or '123456'}"
    if order.kind is OrderKind.CONFIRM and model.startswith(WITHOUT):
        return "help me!"
    return None


WORDS: Final = {
    "sms_password=…": "the tracker's password, where it is not the makers' `123456`",
}
BOOK: Final = OrderBook(text=text, words=WORDS)
