"""Queclink: what its devices can be asked for, over the connection or by SMS.

Paper: the @Track air interface descriptions (GL300 revision 1.02, section 3.2.11 and others):
``AT+GTRTO=<password>,1,,,,,,<serial, 4 hexadecimal digits>$`` asks for the position (RTL). The device says ``+ACK:GTRTO`` with that
serial number, then ``+RESP:GTRTL``. ``+NACK`` is a refusal.

The password is the word ``password=…`` of the device's settings; where there is none, the maker's default, which is the name of
the series (gl300, gmt100, …), taken from the model. The fields of ``GTFRI`` (interval) and ``GTSRI`` (server) differ from series to
series: the words ``order_interval=`` and ``order_server=`` hold the whole command for one, with ``{s}``, ``{host}``, ``{port}``,
``{password}`` and ``{serial}``, and a colon for each comma.
"""

import re
from typing import Final

from gateway.model import Frame, Kind, Order, OrderAnswer, OrderKind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.order_book import OrderBook, filled, plain_answer

DEFAULTS: Final = {OrderKind.LOCATE: "AT+GTRTO={password}:1::::::{serial}$"}
BEHIND_SERIAL: Final = 3
"Serial number, send time, count."
SERIES: Final = re.compile(r"[a-z]{2,4}[0-9]{2,4}[a-z]{0,2}")


def words_of(order: Order, settings: DeviceSettings, serial: int) -> str | None:
    """The command. Every command ends with a serial number, an operator's own included: he writes ``{serial}`` there."""
    model = (settings.model or "").lower()
    password = settings.value("password") or (model if SERIES.fullmatch(model) else None)
    template = order.text if order.kind is OrderKind.TEXT else settings.value(f"order_{order.kind}") or DEFAULTS.get(order.kind)
    if template is None or ("{password}" in template and password is None):
        return None
    if order.kind is not OrderKind.TEXT:
        template = template.replace(":", ",")
    return filled(template, order, password=password or "", serial=f"{serial:04X}")


def write(order: Order, device: str, settings: DeviceSettings, serial: int) -> bytes | None:
    """One command; it names no device, because its connection does."""
    words = words_of(order, settings, serial)
    return words.encode("ascii", "ignore") if words and words.startswith("AT+GT") and words.endswith("$") else None


def text(order: Order, settings: DeviceSettings) -> str | None:
    """The same command; by SMS its serial number is not looked at."""
    found = write(order, "", settings, 0xFFFF)
    return found.decode() if found else None


def answer(order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
    """``+ACK`` or ``+NACK`` with our serial number; a position to whoever was asked for one."""
    if not any(report.kinds & Kind.DEVICE_ACK for report in frame.reports):
        return plain_answer(order, serial, frame)
    fields = frame.raw.decode("latin-1").rstrip("$\0\r\n ").split(",")
    told = fields[-BEHIND_SERIAL] if len(fields) > BEHIND_SERIAL else ""
    is_ours = told.upper() in (f"{serial:04X}", "FFFF")
    return OrderAnswer(frame.raw.startswith(b"+ACK"), fields[0]) if is_ours else None


WORDS: Final = {
    "password=…": "the device's password, where it is not the name of its series",
    "order_interval=…": "the whole `AT+GTFRI` command of the series, with a colon for each comma, `{s}`, `{password}` and `{serial}`",
    "order_server=…": "the whole `AT+GTSRI` command of the series, with `{host}` and `{port}`",
}
BOOK: Final = OrderBook(write, text, answer, words=WORDS)
