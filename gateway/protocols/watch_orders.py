"""Watch: what these watches and pendants can be asked for.

Paper: the public description of the "SeTracker" server protocol: ``CR`` (locate now, for three minutes), ``UPLOAD,seconds`` and
``IP,host,port``. The watch answers with the command's own name. A command stands under the maker's code that the watch uses
itself, with an index where the watch has one: ``[SG*0101260001*0002*CR]``.

Not used: ``FIND`` and everything else that rings. There is no order that stops a repeated alarm: the answer to AL does.
"""

import re
from typing import Final

from gateway.model import Frame, Order, OrderAnswer, OrderKind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.order_book import OrderBook, plain_answer
from gateway.protocols.watch import HEADER

INTERVAL_S_MIN: Final = 10
"The watch takes 10 to 65 535 s."
INTERVAL_S_MAX: Final = 65_535
CONTENT_BYTES_MAX: Final = 512
_ADDRESS: Final = re.compile(r"[0-9A-Za-z]{2}\*[0-9]{8,16}\*?")
RINGS: Final = re.compile(r"\s*(?:FIND|CALL|MESSAGE|FLOWER|REMIND|TK)\b", re.IGNORECASE)
"An operator's words that sound, vibrate or show at the wearer: these are never sent (rule 4 of the domain)."


def address(frame: Frame) -> str:
    """Maker's code and identity as the watch writes them, and a star behind them where it uses an index."""
    header = HEADER.match(frame.raw)
    if header is None:
        return ""
    return f"{header[1].decode()}*{header[2].decode()}" + ("*" if header[3] else "")


def content_of(order: Order) -> str | None:
    """The command."""
    match order.kind:
        case OrderKind.LOCATE:
            return "CR"
        case OrderKind.INTERVAL:
            return f"UPLOAD,{min(max(order.seconds or 0, INTERVAL_S_MIN), INTERVAL_S_MAX)}"
        case OrderKind.SERVER:
            return f"IP,{order.host},{order.port}"
        case OrderKind.TEXT:
            return None if RINGS.match(order.text or "") or set(order.text or "") & set("[]") else order.text
    return None


def write(order: Order, device: str, settings: DeviceSettings, serial: int) -> bytes | None:
    """One frame; ``device`` is the ``address``."""
    content = (content_of(order) or "").encode("ascii", "ignore")
    if not 0 < len(content) <= CONTENT_BYTES_MAX or not _ADDRESS.fullmatch(device):
        return None
    index = f"{serial:04X}*" if device.endswith("*") else ""
    return f"[{device.rstrip('*')}*{index}{len(content):04X}*".encode() + content + b"]"


def answer(order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
    """The command's own name; or, from a watch that was asked where it is, a position."""
    header = HEADER.match(frame.raw)
    asked = (content_of(order) or "").partition(",")[0]
    if header is not None and frame.raw[header.end() :].rstrip(b"]\r\n ").decode("latin-1").partition(",")[0] == asked:
        return OrderAnswer(True)
    return plain_answer(order, serial, frame)


BOOK: Final = OrderBook(write, answer=answer, address=address, probe="SG*0101260001")
