"""How the devices of one protocol are asked for something, and how they answer: what a ``<name>_orders.py`` offers.

Papers: each of those files names its own. All functions are pure and never raise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.model import Frame, Kind, Order, OrderAnswer, OrderKind
from gateway.protocols.base import DeviceSettings


def plain_answer(order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
    """Of a protocol whose answers do not say to what: any answer is taken for one to the order that is outstanding, and a
    device that was asked where it is answers by saying so.
    """
    for report in frame.reports:
        if report.kinds & (Kind.CONFIG_REPLY | Kind.DEVICE_ACK):
            return OrderAnswer(True, report.text)
        if order.kind is OrderKind.LOCATE and report.fix is not None and report.fix.valid and not report.stored:
            return OrderAnswer(True)
    return None


def no_bytes(order: Order, device: str, settings: DeviceSettings, serial: int) -> bytes | None:
    """Of a protocol that takes no order over its link."""
    return None


def no_text(order: Order, settings: DeviceSettings) -> str | None:
    """Of a protocol whose devices take no order by text."""
    return None


def filled(template: str, order: Order, **more: str) -> str:
    """The words with what the order says at ``{s}``, ``{host}`` and ``{port}``."""
    for name, value in (("s", order.seconds), ("host", order.host), ("port", order.port), *more.items()):
        template = template.replace("{" + name + "}", str(value))
    return template


def identity(frame: Frame) -> str:
    """What the device calls itself."""
    return frame.device or ""


@dataclass(frozen=True, slots=True)
class OrderBook:
    """One protocol's orders."""

    write: Callable[[Order, str, DeviceSettings, int], bytes | None] = no_bytes
    "(order, the device's ``address``, settings, serial number 1 to 65535) -> one message; None: it has no such order."
    text: Callable[[Order, DeviceSettings], str | None] = no_text
    "The same as one SMS."
    answer: Callable[[Order, int, Frame], OrderAnswer | None] = plain_answer
    "What a believed frame says to an order; None when it is about something else."
    address: Callable[[Frame], str] = identity
    "What stands on an order to the device that sent this frame."
    words: Mapping[str, str] = field(default_factory=dict)
    "Words that a device's ``config`` may hold for its orders, and what each says."
    probe: str = "001012600000014"
    "An address like any other, for asking whether there is such an order at all."
