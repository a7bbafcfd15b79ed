"""Meitrack: what its devices can be asked for.

Paper: "MEITRACK GPRS Protocol" (V1.7; T622, 2017), section "Command details": ``@@<flag><length>,<IMEI>,<command>*<checksum>`` CR LF,
framed like a report; the flag comes back in the answer.

- A10: one position; answered by a report with event 34
- A12,<tens of seconds>: report so often; answered by A12,OK
- A21,1,<host>,<port>,<APN>,<user>,<password>: server over TCP. The APN goes with it, and a wrong one cuts the device off for good:
  only for a device whose settings hold the word ``apn=…`` (and ``apn_user=``, ``apn_password=``)
- other commands in an operator's own words, such as ``E91``

By SMS the same commands stand behind the device's password, ``0000`` unless the word ``password=…`` says another one.
"""

from typing import Final

from gateway.model import Frame, Kind, Order, OrderAnswer, OrderKind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.octets import sum8
from gateway.protocols.order_book import OrderBook, plain_answer

TENS_MAX: Final = 65_535
FLAGS: Final = 26


def command_of(order: Order, settings: DeviceSettings) -> str | None:
    """The command with its parameters."""
    match order.kind:
        case OrderKind.LOCATE:
            return "A10"
        case OrderKind.INTERVAL:
            return f"A12,{min(max((order.seconds or 0) // 10, 1), TENS_MAX)}"
        case OrderKind.SERVER if apn := settings.value("apn"):
            return f"A21,1,{order.host},{order.port},{apn},{settings.value('apn_user') or ''},{settings.value('apn_password') or ''}"
        case OrderKind.TEXT if order.text and "*" not in order.text:
            return order.text
    return None


def flag_of(serial: int) -> str:
    """One letter."""
    return chr(ord("A") + serial % FLAGS)


def write(order: Order, device: str, settings: DeviceSettings, serial: int) -> bytes | None:
    """One command; the length counts from the first comma to the end."""
    command = command_of(order, settings)
    if command is None:
        return None
    body = f",{device},{command}*".encode("ascii", "ignore")
    head = f"@@{flag_of(serial)}{len(body) + 4}".encode() + body
    return head + b"%02X\r\n" % sum8(head)


def text(order: Order, settings: DeviceSettings) -> str | None:
    """``password,command``; a position by SMS is A00."""
    command = "A00" if order.kind is OrderKind.LOCATE else command_of(order, settings)
    return f"{settings.value('password') or '0000'},{command}" if command else None


def answer(order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
    """The command's own name under our flag; a position to whoever was asked for one."""
    for report in frame.reports:
        if report.kinds & Kind.CONFIG_REPLY:
            words = (report.text or "").split(",")
            is_ours = frame.raw[2:3].decode("latin-1") == flag_of(serial)
            return OrderAnswer("Error" not in words, report.text) if is_ours else None
    return plain_answer(order, serial, frame)


WORDS: Final = {
    "apn=…": "the access point that goes with another server; without it none is set",
    "apn_user=…": "its user",
    "apn_password=…": "its password",
    "password=…": "the device's password in SMS commands, where it is not `0000`",
}
BOOK: Final = OrderBook(write, text, answer, words=WORDS)
