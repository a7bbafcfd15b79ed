"""JT/T 808: what its terminals can be asked for.

Paper: the Chinese transport standard JT/T 808 (2011, 2013, 2019), messages from the platform. All stand in the header form of the
terminal itself (version byte, long identity, E7 dialect), under our serial number:

- 0x8201, empty: where are you? Answered by 0x0201 ``serial u16, position``
- 0x8202 ``interval u16 s, validity u32 s``: report so often for so long, then as before; ``interval 0`` alone ends it
- 0x8103 ``count u8, (parameter u32, length u8, value)``: 0x0029 interval of reports u32 s; 0x0013 server, 0x0018 its TCP port u32
- 0x8203 ``serial u16 (0: all of this type), type u32``: the alarm bits that the centre has taken over. It is silent, and ends the
  repetition of bit 0 in every report
- the general answer 0x0001 ``serial u16, message u16, result u8``: 0 done, everything else is a refusal

An alarm is told only for as long as it lasts (0x8202), so that a terminal that cannot be reached any more goes back by itself.
Not used: 0x8300, text that a terminal shows or reads aloud.
"""

from typing import Final

from gateway.errors import FrameError
from gateway.model import Frame, Kind, Order, OrderAnswer, OrderKind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.jt808 import Message, message_untrusted, start_of, stuffed
from gateway.protocols.octets import u16be, xor8
from gateway.protocols.order_book import OrderBook

ASK_PLACE, TRACK, CONFIRM, SET = 0x8201, 0x8202, 0x8203, 0x8103
PLACE, GENERAL_ANSWER = 0x0201, 0x0001
P_SERVER, P_TCP_PORT, P_INTERVAL = 0x0013, 0x0018, 0x0029
LONG_HEADER: Final = 0x4000
DELIMITERS: Final = (0x7E, 0xE7)

TYPE_BITS: Final = ((0, Kind.SOS_BUTTON), (3, Kind.FALL), (15, Kind.VIBRATION), (29, Kind.ACCIDENT))
"Bits of 0x8203 for what we may have heard; what has none is confirmed as bit 0, the emergency."


def address(frame: Frame) -> str:
    """The header as the terminal writes it: ``delimiter attributes version:identity`` in hexadecimal."""
    message = _message(frame)
    if message is None:
        return ""
    return f"{message.delimiter:02x}{message.attributes & LONG_HEADER:04x}{message.version.hex()}:{message.identity.hex()}"


def _message(frame: Frame) -> Message | None:
    try:
        return message_untrusted(frame.raw[start_of(frame.raw) :])
    except FrameError:
        return None


def body_of(order: Order) -> tuple[int, bytes] | None:
    """Message and body."""
    match order.kind:
        case OrderKind.LOCATE:
            return ASK_PLACE, b""
        case OrderKind.INTERVAL if order.lasts_s == 0:
            return TRACK, bytes(2)
        case OrderKind.INTERVAL if order.lasts_s is not None:
            return TRACK, min(order.seconds or 1, 0xFFFF).to_bytes(2, "big") + min(order.lasts_s, 0xFFFF_FFFF).to_bytes(4, "big")
        case OrderKind.INTERVAL:
            return SET, b"\x01" + parameter(P_INTERVAL, (order.seconds or 1).to_bytes(4, "big"))
        case OrderKind.SERVER:
            host = (order.host or "").encode("ascii", "ignore")
            return SET, b"\x02" + parameter(P_SERVER, host) + parameter(P_TCP_PORT, (order.port or 0).to_bytes(4, "big"))
        case OrderKind.CONFIRM:
            bits = sum(1 << bit for bit, kind in TYPE_BITS if order.kinds & kind) or 1
            return CONFIRM, bytes(2) + bits.to_bytes(4, "big")
    return None


def parameter(number: int, value: bytes) -> bytes:
    """``parameter u32, length u8, value``"""
    return number.to_bytes(4, "big") + bytes((len(value),)) + value


def write(order: Order, device: str, settings: DeviceSettings, serial: int) -> bytes | None:
    """One message; ``device`` is the ``address``."""
    found = body_of(order)
    head, _, identity = device.partition(":")
    try:
        delimiter, attributes, version, number = int(head[:2], 16), int(head[2:6], 16), bytes.fromhex(head[6:]), bytes.fromhex(identity)
    except ValueError:
        return None
    if found is None or delimiter not in DELIMITERS:
        return None
    kind, body = found
    content = kind.to_bytes(2, "big") + (len(body) | attributes).to_bytes(2, "big") + version + number + serial.to_bytes(2, "big") + body
    return stuffed(content + bytes((xor8(content),)), delimiter)


def answer(order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
    """0x0001 and 0x0201 under our serial number."""
    message, asked = _message(frame), body_of(order)
    if message is None or asked is None or len(message.body) < 2 or u16be(message.body, 0) != serial:
        return None
    if message.kind == PLACE:
        return OrderAnswer(True)
    if message.kind == GENERAL_ANSWER and len(message.body) >= 5 and u16be(message.body, 2) == asked[0]:
        result = message.body[4]
        return OrderAnswer(result == 0, f"result {result}")
    return None


BOOK: Final = OrderBook(write, answer=answer, address=address, probe="7e0000:000101260000")
