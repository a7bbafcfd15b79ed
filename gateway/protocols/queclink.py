"""Queclink @Track in its ASCII form, over TCP, UDP and as SMS text: the reference decoder.

Papers: the @Track air interface descriptions of Queclink (GL300, GL500, GV500CG series). Personal trackers (GL200, GL300 with
SOS key, GL500, GL50, GL320M, GL530, GT301, GT501) and the vehicle families GV, GB and CV. This file delimits and answers; what
a message says is read in ``queclink_content.py``. What families do differently:

* The location group stands behind prefixes of any length: it is found by its form (``behind-can-bus-fields``). Its time may be
  missing (``sos-position-without-time``), and one of a batch may not have been measured (``batch-with-a-place-not-measured``).
* Device type and version have 6 or 10 characters, or none (``version-of-ten``, ``version-empty``).
* CDMA devices give a MEID, 14 hexadecimal digits, for an IMEI (``meid``).
* GT300 has its IMEI in field 1 and ends with NUL (``gt300``).
* The send time may be local: ``DeviceSettings.clock_offset_s`` (``send-time-local``); GNSS times are UTC.

There is no checksum; what cannot be read is named in ``unread``, and only a frame without identity or end is refused. An SOS in
a frame that was cut off is raised with a doubt (``sos-cut-off``).

The type with which a model reports a man-down is not published; the device's settings name it (``man-down-by-setting``).

Not supported: the binary "HEX" form (``+RSP``, ``+EVT``, ...) and "Protocol Pro"; configure devices for ASCII.
"""

import re
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Report
from gateway.protocols.queclink_content import Message, message_of, reports_of
from gateway.protocols.stream import Content, Shape, StreamSession, opens_with

NAME: Final = "queclink"

FRAME_BYTES_MAX: Final = 4096
"Fifteen positions in one GTFRI or GTERI take about 1,500 bytes."
OPENINGS: Final = (b"+RESP:GT", b"+BUFF:GT", b"+ACK:GT", b"+NACK:GT")
OPENING: Final = re.compile(rb"\+(?:RESP|BUFF|N?ACK):GT")
WHOLE_OPENING: Final = re.compile(OPENING.pattern + rb"[0-9A-Z]{3},")
END: Final = re.compile(rb"[$\0]|" + OPENING.pattern)
"What ends a frame; the beginning of the next one does it for a frame that lost its end."
ENDINGS: Final = (b"$", b"\0")
AROUND: Final = b" \r\n\t"
"What bridges and files put around a message."


class Session(StreamSession):
    """One connection of a device, the datagrams of one, or its messages."""

    NAME = NAME
    STARTS = re.compile(rb"\+")
    WORDS = {
        "no_sack": "reports are not acknowledged; a heartbeat always is",
        "man_down=…": "the message of this type says man-down; which one it is, is the vendor's to say: `man_down=DOG`",
    }

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """``+RESP:GT`` and its kin, to the next ``$`` or NUL."""
        opening = OPENING.match(data, at)
        if opening is None:
            return (Shape.WAIT, 0) if opens_with(data[at : at + 8], *OPENINGS) else (Shape.NOISE, 1)
        end = END.search(data, opening.end(), at + FRAME_BYTES_MAX)
        if end is None:
            return (Shape.WAIT, 0) if len(data) - at < FRAME_BYTES_MAX else (Shape.NOISE, 1)
        return (Shape.FRAME, end.end() - at) if end[0] in ENDINGS else (Shape.SPOILT, end.start() - at)

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """``+RESP:GTxxx,version,IMEI,name,...,send time,count$``."""
        text = raw.strip(AROUND)
        if OPENING.match(text) is None:
            raise FrameError(Reason.FRAMING, 0, "does not begin with +RESP:GT, +BUFF:GT, +ACK:GT or +NACK:GT")
        if len(text) > FRAME_BYTES_MAX:
            raise FrameError(Reason.LENGTH, FRAME_BYTES_MAX, f"at most {FRAME_BYTES_MAX} bytes expected, {len(text)} found")
        message = message_of(text.rstrip(b"$\0").decode("latin-1"))
        if message.device is None:
            raise FrameError(Reason.IDENTITY, message.identity_at, "neither 15 digits (IMEI) nor 14 hexadecimal digits (MEID)")
        self.device = message.device
        if not text.endswith(ENDINGS):
            raise FrameError(Reason.FRAMING, len(text), "does not end in $")
        return Content(reports_of(message, self.settings), self._reply(message))

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """An SOS without end, or without identity."""
        text = raw[:FRAME_BYTES_MAX].strip(AROUND)
        if OPENING.match(text) is None:
            return None
        report = reports_of(message_of(text.rstrip(b"$\0").decode("latin-1")), self.settings)[-1]
        return report if report.kinds & LIFE else None

    def _reply(self, message: Message) -> bytes | None:
        """``+SACK:GTHBD,version,count$`` to a heartbeat, ``+SACK:count$`` to a report.

        Whether the device waits for the latter cannot be seen; one that does not, ignores it.
        """
        if message.head == "ACK" and message.type == "HBD":
            return f"+SACK:GTHBD,{message.version},{message.count_hex}$".encode("latin-1")
        if message.head not in ("RESP", "BUFF") or not message.count_hex or self.settings.has("no_sack"):
            return None
        return f"+SACK:{message.count_hex}$".encode()


def recognise(data: bytes) -> int:
    """How surely these first bytes are Queclink's: 95 with header and type, 0 when they cannot be."""
    if WHOLE_OPENING.match(data):
        return 95
    found = opens_with(data, *OPENINGS)
    return 45 if found == 2 and re.fullmatch(rb"[0-9A-Z]{0,3}", data[data.index(b"GT") + 2 :]) else 20 * (found == 1)
