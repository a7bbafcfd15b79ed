"""GT06: what its devices can be asked for.

Paper: "GPS Tracker Communication Protocol (GT06)" of Concox, message 0x80, and the maker's list of commands for these
families (WHERE, TIMER, SERVER: the same words over the link and by SMS). The dossier calls the words unverified, so each is
a setting of the device, with the maker's as default; a colon stands for a comma, which parts the settings themselves:

    order_locate=WHERE#    order_interval=TIMER:{s}:{s}#    order_server=SERVER:1:{host}:{port}:0#
    order_language         the command ends in 0002 (English), as some editions have it

0x80: ``length 1 (of flag and words), server flag 4, words, [language 2], serial 2``. The server flag comes back in the
answer (0x15, 0x21); we put our serial number into it. There is no order that stops a repeated alarm: its answer does.
"""

from typing import Final

from gateway.model import Frame, Kind, Order, OrderAnswer, OrderKind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.gt06 import SHORT, frame_of
from gateway.protocols.octets import u32be
from gateway.protocols.order_book import OrderBook, filled, plain_answer

COMMAND: Final = 0x80
WORDS_BYTES_MAX: Final = 200
"Flag, words, language and serial number must fit the one length byte of the short header."
ENGLISH: Final = b"\x00\x02"
DEFAULTS: Final = {
    OrderKind.LOCATE: "WHERE#",
    OrderKind.INTERVAL: "TIMER:{s}:{s}#",
    OrderKind.SERVER: "SERVER:1:{host}:{port}:0#",
}


def words_of(order: Order, settings: DeviceSettings) -> str | None:
    """The order in the device's own words."""
    if order.kind is OrderKind.TEXT:
        return order.text
    words = settings.value(f"order_{order.kind}") or DEFAULTS.get(order.kind)
    if words is None:
        return None
    return filled(words.replace(":", ","), order)


def write(order: Order, device: str, settings: DeviceSettings, serial: int) -> bytes | None:
    """One 0x80 message."""
    words = (words_of(order, settings) or "").encode("ascii", "ignore")
    if not 0 < len(words) <= WORDS_BYTES_MAX:
        return None
    language = ENGLISH if settings.has("order_language") else b""
    content = bytes((4 + len(words),)) + serial.to_bytes(4, "big") + words + language
    return frame_of(COMMAND, content, serial.to_bytes(2, "big"))


def answer(order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
    """0x15 ``length 1, server flag 4, text`` and 0x21 ``server flag 4, coding 1, text``; models that keep no flag send zeros."""
    for report in frame.reports:
        if report.kinds & Kind.CONFIG_REPLY:
            kind_at = 3 if frame.raw[:2] == SHORT else 4
            flag_at = kind_at + (1 if frame.raw[kind_at] == 0x21 else 2)
            flag = u32be(frame.raw, flag_at) if len(frame.raw) >= flag_at + 4 else 0
            return OrderAnswer(True, report.text) if flag in (0, serial) else None
    return plain_answer(order, serial, frame)


WORDS: Final = {
    "order_locate=…": "the words that ask for the position, with a colon for each comma; default `WHERE#`",
    "order_interval=…": "the same for the interval, `{s}` being the seconds; default `TIMER:{s}:{s}#`",
    "order_server=…": "the same for another server; default `SERVER:1:{host}:{port}:0#`",
    "order_language": "commands end in 0002 (English), as some editions have it",
}
BOOK: Final = OrderBook(write, words_of, answer, words=WORDS)
