"""Teltonika: what its devices can be asked for.

Paper: the maker's public wiki: "Codec 12" (commands and their answers over TCP), "SMS/GPRS commands" (getgps, setparam) and the
parameter lists of the families (TMT250 Parameter list, FMB Device Family Parameter list, FTXXXX Device Family Parameter list).

    preamble u32 = 0, length u32, codec u8 = 0x0C, quantity u8 = 1, type u8 = 0x05, size u32, words, quantity u8 = 1, CRC-16/IBM u32

- ``getgps`` answers with the position as text; the next record comes as usual
- ``setparam id:value;...``: 10000/10005 and 10050/10055 are the periods of recording and sending, at rest and moving, in the
  home network; 10100 … and 10200 … the same in others; 2004 and 2005 are the server's name and port. Families with other
  numbers have their own words as settings: ``order_interval=`` and ``order_server=`` with ``{s}``, ``{host}``, ``{port}``, where an
  underscore stands for the blank
- by SMS the same words behind login and password of the device (settings ``sms_login=``, ``sms_password=``), which may be empty

Codec 12 has no number by which an answer names its command: one is outstanding at a time. There is no order that stops a
repeated alarm: records are acknowledged instead.
"""

from dataclasses import replace
from typing import Final

from gateway.model import Order, OrderKind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.octets import crc16_arc
from gateway.protocols.order_book import OrderBook, filled

CODEC_12: Final = 0x0C
COMMAND: Final = 0x05
WORDS_BYTES_MAX: Final = 512
PERIOD_S_MAX: Final = 65_535
PERIODS: Final = (10_000, 10_005, 10_050, 10_055, 10_100, 10_105, 10_150, 10_155, 10_200, 10_205, 10_250, 10_255)
"Record and send, at rest and moving; home, roaming and unknown network."
DEFAULTS: Final = {
    OrderKind.LOCATE: "getgps",
    OrderKind.INTERVAL: "setparam_" + ";".join(f"{number}:{{s}}" for number in PERIODS),
    OrderKind.SERVER: "setparam_2004:{host};2005:{port}",
}


def words_of(order: Order, settings: DeviceSettings) -> str | None:
    """The order in the device's own words."""
    if order.kind is OrderKind.TEXT:
        return order.text
    words = settings.value(f"order_{order.kind}") or DEFAULTS.get(order.kind)
    if words is None:
        return None
    return filled(words.replace("_", " "), replace(order, seconds=min(order.seconds or 0, PERIOD_S_MAX)))


def write(order: Order, device: str, settings: DeviceSettings, serial: int) -> bytes | None:
    """One packet of codec 12."""
    words = (words_of(order, settings) or "").encode("ascii", "ignore")
    if not 0 < len(words) <= WORDS_BYTES_MAX:
        return None
    data = bytes((CODEC_12, 1, COMMAND)) + len(words).to_bytes(4, "big") + words + b"\x01"
    return bytes(4) + len(data).to_bytes(4, "big") + data + crc16_arc(data).to_bytes(4, "big")


def text(order: Order, settings: DeviceSettings) -> str | None:
    """``login password words``; both blanks stand there even when the device has neither login nor password."""
    words = words_of(order, settings)
    return f"{settings.value('sms_login') or ''} {settings.value('sms_password') or ''} {words}" if words else None


WORDS: Final = {
    "order_interval=…": "the command for the interval, with an underscore for the blank; default `setparam_10000:{s};…`",
    "order_server=…": "the same for another server; default `setparam_2004:{host};2005:{port}`",
    "sms_login=…": "the login before an SMS command; default none",
    "sms_password=…": "the password behind it; default none",
}
BOOK: Final = OrderBook(write, text, words=WORDS)
