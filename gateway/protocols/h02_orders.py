"""H02: what its trackers can be asked for.

Paper: the makers' "H02" description, part "centre sends command": ``*XX,YYYYYYYYYY,command,HHMMSS,parameters#`` under the maker's two
letters that the tracker uses itself. HHMMSS is the centre's time and comes back in the answer (V4): our serial number stands
there, written as a time of day, so that an answer names its command.

- ``D1,HHMMSS,0,1``: one report at once
- ``S17,HHMMSS,interval``: report so often, 30 to 65 535 s, from now on; answered by V4
- ``S23,HHMMSS,a,b,c,d,port,255``: server, as four numbers, its port, and how often it is dialled again
- ``R7,HHMMSS``: forget all alarms. Some trackers may show it, so it needs the word ``h02_confirm`` in the device's settings; it
  is not answered

"""

import re
from typing import Final

from gateway.model import Frame, Order, OrderAnswer, OrderKind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.order_book import OrderBook, plain_answer

WORD: Final = "h02_confirm"
INTERVAL_S_MIN, INTERVAL_S_MAX = 30, 65_535
MAKER: Final = re.compile(rb"\*([A-Za-z]{2}),")
ADDRESS: Final = re.compile(r"[A-Za-z]{2},[0-9]{5,16}")
IPV4: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
ANSWER: Final = re.compile(rb"\*[A-Za-z]{2},[0-9]*,V4,([A-Z0-9]+),(?:.*?,)??([0-9]{6}),")


def address(frame: Frame) -> str:
    """Maker's letters and identity; ``HQ`` where only the binary form was heard."""
    maker = MAKER.match(frame.raw)
    return f"{maker[1].decode() if maker else 'HQ'},{frame.device or ''}"


def time_of(serial: int) -> str:
    """A serial number as a time of day: 65 535 s are 18:12:15."""
    return f"{serial // 3600:02d}{serial // 60 % 60:02d}{serial % 60:02d}"


def command_of(order: Order, settings: DeviceSettings) -> tuple[str, str] | None:
    """Command, and what stands behind its time."""
    match order.kind:
        case OrderKind.LOCATE:
            return "D1", ",0,1"
        case OrderKind.INTERVAL:
            return "S17", f",{min(max(order.seconds or 0, INTERVAL_S_MIN), INTERVAL_S_MAX)}"
        case OrderKind.SERVER if IPV4.fullmatch(order.host or ""):
            return "S23", f",{(order.host or '').replace('.', ',')},{order.port},255"
        case OrderKind.CONFIRM if settings.has(WORD):
            return "R7", ""
    return None


def write(order: Order, device: str, settings: DeviceSettings, serial: int) -> bytes | None:
    """One command; ``device`` is the ``address``. An operator's own words are everything behind the identity."""
    if not ADDRESS.fullmatch(device):
        return None
    if order.kind is OrderKind.TEXT:
        words = (order.text or "").rstrip("#")
        return None if not words or set(words) & set("*#$") else f"*{device},{words}#".encode("ascii", "ignore")
    command = command_of(order, settings)
    return f"*{device},{command[0]},{time_of(serial)}{command[1]}#".encode() if command else None


def answer(order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
    """V4 with our command and our time; a report to whoever was asked for one."""
    found = ANSWER.match(frame.raw)
    if found is None:
        return plain_answer(order, serial, frame) if order.kind in (OrderKind.LOCATE, OrderKind.TEXT) else None
    is_ours = order.kind is OrderKind.TEXT or found[2].decode() == time_of(serial)
    text = next((report.text for report in frame.reports if report.text), None)
    return OrderAnswer(b",ERROR," not in frame.raw, text) if is_ours else None


WORDS: Final = {
    "h02_confirm": "end a repeated alarm in the device (R7) when a centre has accepted; the wearer may notice",
}
BOOK: Final = OrderBook(write, answer=answer, address=address, probe="HQ,0101260001", words=WORDS)
