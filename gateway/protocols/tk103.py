"""TK103, the parenthesis protocol of TK103 clones, Castel/TLT and VJOYCAR TK05/TK10 trackers: the reference decoder.

Paper: the makers' "GPS tracker communication protocol" descriptions. ASCII between ``(`` and ``)``, no checksum. Two dialects share it:

* A, ``(<12 characters><command><data>)``: dates are yymmdd; the panic input stands in the status block of every report, so a
  routine report can be an SOS (``panic-input``). Only BP00 and BP05 are answered (``login``, ``handshake``).
* B, ``(<identity>,<code>,<fields>)``: dates are ddmmyy (``b-sos``); codes 5x and 6x come without GPS, with a cell and access points
  (``b-network-sos``). Never answered.
* Answers to commands hold free text between two ``$``, in which a parenthesis ends nothing (``b-answer``).
* Time is UTC; clones set to local time are read with ``DeviceSettings.clock_offset_s`` (``local-time``).
* Identities are 12 characters by the paper; 11 digits and whole IMEIs are sent as well (``id-of-15``).

Not supported: batteries' inner values (BS50, BS51, BQ86), VIN (BV00), fuel, odometer, ignition.
"""

import re
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.protocols.stream import Content, Shape, StreamSession
from gateway.protocols.tk103_commas import comma_report
from gateway.protocols.tk103_compact import compact_report

NAME: Final = "tk103"
FRAME_BYTES_MAX: Final = 1024
"Free text and lists of cells are the longest that are sent."

COMPACT: Final = re.compile(r"([^(),$]{12})([A-Z]{2}[0-9]{2})|([0-9]{8,16})([A-Z]{2}[0-9]{2})", re.ASCII)
"Dialect A: identity and command. Identities of another length must be numbers."
COMMAS: Final = re.compile(r"([0-9A-Za-z]{8,16}),([A-Z]{2}[0-9A-F]{2})(?:,|$)", re.ASCII)
"Dialect B."
SIGN: Final = re.compile(rb"[()$\x00-\x08\x0b\x0c\x0e-\x1f]")
NEXT_FRAME: Final = re.compile(rb"\)\s*\([0-9A-Za-z]{8,16},?[A-Z]{2}[0-9A-F]{2}")
OPENING: Final = re.compile(rb"\((?:[0-9A-Za-z]{12}[A-Z]{2}[0-9]{2}|[0-9]{8,16}[A-Z]{2}[0-9]{2}|[0-9A-Za-z]{8,16},[A-Z]{2}[0-9A-F]{2})")
OPENING_CUT: Final = re.compile(rb"\((?:[0-9A-Za-z]{0,16}|[0-9A-Za-z]{8,16},?[A-Z]{0,2}|[0-9A-Za-z]{8,16},?[A-Z]{2}[0-9A-F])")


class Session(StreamSession):
    """One connection of a tracker, or the datagrams of one."""

    NAME = NAME
    STARTS = re.compile(rb"\(")

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """Up to the first ``)`` outside free text; another ``(`` outside of it says that the end was lost."""
        stop = min(len(data), at + FRAME_BYTES_MAX)
        is_text = False
        for sign in SIGN.finditer(data, at + 1, stop):
            if sign[0] == b"$":
                is_text = not is_text
            elif sign[0] == b")" and (not is_text or NEXT_FRAME.match(data, sign.start())):
                return Shape.FRAME, sign.end() - at
            elif sign[0] not in b"()" or (sign[0] == b"(" and not is_text):
                return Shape.NOISE, 1
        return (Shape.WAIT, 0) if len(data) - at < FRAME_BYTES_MAX else (Shape.NOISE, 1)

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """A report of either dialect, and the answer to a login."""
        frame = raw.rstrip(b"\r\n")
        if frame[:1] != b"(":
            raise FrameError(Reason.FRAMING, 0, "no ( at the front")
        if frame[-1:] != b")":
            raise FrameError(Reason.FRAMING, len(raw), "no ) at the end")
        text, offset_s = frame[1:-1].decode("latin-1"), self.settings.clock_offset_s or 0
        if compact := COMPACT.match(text):
            self.device, command = compact[1] or compact[3], compact[2] or compact[4]
            report = compact_report(command, text[compact.end() :], offset_s)
            return Content((report,), self._answer(command, self.device))
        if commas := COMMAS.match(text):
            self.device = commas[1]
            return Content((comma_report(commas[2], text[commas.end() :], offset_s),))
        raise FrameError(Reason.FIELD, 1, "neither 12 characters and a command nor an identity, a comma and a code")

    @staticmethod
    def _answer(command: str, device: str) -> bytes | None:
        """What a handshake and a login want back. Answers to alarms are not established."""
        answer = {"BP00": "AP01HSO", "BP05": "AP05"}.get(command)
        return f"({device}{answer})".encode("latin-1") if answer else None


def recognise(data: bytes) -> int:
    """85 with an identity and a command in parentheses."""
    if OPENING.match(data):
        return 85
    return 20 if OPENING_CUT.fullmatch(data) else 0
