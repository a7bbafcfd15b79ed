"""TK103: what trackers of the compact dialect can be asked for.

Paper: the makers' "GPS tracker communication protocol", version 1.5, messages of the centre, ``(<12 characters><command><data>)``:

- ``AP00``: one position at once
- ``AR00<interval, 4 hexadecimal digits, s><duration, 4 hexadecimal digits, min>``: report so often for so long; zeros end it
- ``AS01<digit>``: the answer to an alarm, under the alarm's own digit (2 is SOS). The dossier calls it not established: only for
  a device whose settings hold the word ``tk103_confirm``

The next report answers. The dialect with commas has no public commands.
"""

import re
from typing import Final

from gateway.model import LIFE, Frame, Kind, Order, OrderAnswer, OrderKind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.order_book import OrderBook

WORD: Final = "tk103_confirm"
WORDS: Final = {WORD: "answer an alarm (AS01) when a centre has accepted; whether a tracker shows it is not established"}
FIELD_MAX: Final = 0xFFFF
COMPACT: Final = re.compile(rb"\(([^(),$]{12}|[0-9]{8,16})[A-Z]{2}[0-9]{2}")
ADDRESS: Final = re.compile(r"[0-9A-Za-z]{8,16}")
DIGITS: Final = (
    (Kind.SOS_BUTTON, "2"), (Kind.ACCIDENT, "1"), (Kind.VIBRATION, "3"), (Kind.LOWSPEED, "4"), (Kind.OVERSPEED, "5"), (Kind.GEOFENCE_EXIT, "6"),
)  # fmt: skip


def address(frame: Frame) -> str:
    """The identity of a tracker that speaks the compact dialect."""
    return frame.device or "" if COMPACT.match(frame.raw) else ""


def command_of(order: Order, settings: DeviceSettings) -> str | None:
    """Command and data."""
    match order.kind:
        case OrderKind.LOCATE:
            return "AP00"
        case OrderKind.INTERVAL if order.lasts_s == 0:
            return "AR0000000000"
        case OrderKind.INTERVAL:
            minutes = FIELD_MAX if order.lasts_s is None else min(-(-order.lasts_s // 60), FIELD_MAX)
            return f"AR00{min(order.seconds or 1, FIELD_MAX):04X}{minutes:04X}"
        case OrderKind.CONFIRM if settings.has(WORD):
            return "AS01" + next((digit for kind, digit in DIGITS if order.kinds & kind), "2")
        case OrderKind.TEXT if not set(order.text or "(") & set("()$"):
            return order.text
    return None


def write(order: Order, device: str, settings: DeviceSettings, serial: int) -> bytes | None:
    """One message; ``device`` is the ``address``."""
    command = command_of(order, settings)
    return f"({device}{command})".encode("ascii", "ignore") if command and ADDRESS.fullmatch(device) else None


def answer(order: Order, serial: int, frame: Frame) -> OrderAnswer | None:
    """The next report; after a confirmation, the next one without an alarm."""
    is_report = any(report.fix is not None and not report.stored for report in frame.reports)
    if not is_report or order.kind is OrderKind.TEXT or (order.kind is OrderKind.CONFIRM and frame.kinds & LIFE):
        return None
    return OrderAnswer(True)


BOOK: Final = OrderBook(write, answer=answer, address=address, probe="013612345678", words=WORDS)
