"""H02 of SinoTrack and Huayuan (HQ) trackers, LK106/LK209 personal alarms, pet and child trackers: the reference decoder.

Paper: the makers' "H02" descriptions of the text (``*HQ,…#``) and the binary (``$``) form. Both come mixed on one connection; neither has
a checksum. LK106 sends its SOS as a binary frame alone (``binary-sos``).

* The binary form has no terminator and 32, 42, 45 or 47 bytes: each connection learns which (``binary-45``), or
  ``binary_length=42`` says so. Frames of 42 bytes have an identity of 15 digits (``binary-42``).
* The status word counts in negative logic and stands in every report: SOS beside a vibration is both
  (``v1-sos-and-vibration``). A word of zeros says nothing (``v1-status-zero``).
* Degrees come with a dot, without one (``v1-no-dot``), or as ``-dd-mm.mmmm`` (``v1-dashes``); one dialect puts its battery before
  the date (``v1-battery``); the cell behind the status is hexadecimal in some (``v1-cell-hex``).
* Some resellers send local time: ``DeviceSettings.clock_offset_s``.
* VP1 has no time of day: its records say midnight, and that (``vp1``); without a fix it lists cells (``vp1-cells``).
* The status word is read in types that nobody describes, too (``unknown-type-sos``).

Not supported: what a frame marked ``X`` holds beside its identity; the fence bits of the status word; what levels of cells count.
"""

import re
from typing import Final

from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings
from gateway.protocols.h02_binary import (
    ID_BYTES,
    LENGTHS,
    LONG_ID,
    MARK,
    MARK_X,
    SHORT_ID,
    binary_shape,
    binary_untrusted,
    ends_well,
    has_digits,
    is_sane,
    x_shape,
    x_untrusted,
)
from gateway.protocols.h02_text import Text, text_shape, text_untrusted
from gateway.protocols.octets import civil_of
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "h02"
WORD_LENGTH: Final = "binary_length"
WORD_R12: Final = "reply_r12"

OPENING: Final = re.compile(rb"\*[A-Za-z]{2},(?:[0-9]{5,16})?,[A-Za-z][A-Za-z0-9]{0,7}[,#]")
OPENING_CUT: Final = re.compile(
    rb"\*(?:[A-Za-z]{0,2}|[A-Za-z]{2},[0-9]{0,16}|[A-Za-z]{2},(?:[0-9]{5,16})?,(?:[A-Za-z][A-Za-z0-9]{0,7})?|[A-Za-z]{2},[0-9]{5,16},#)"
)


class Session(StreamSession):
    """One connection of a tracker, or the datagrams of one."""

    NAME = NAME
    STARTS = re.compile(rb"[*$X]")
    WORDS = {
        f"{WORD_LENGTH}=…": "bytes of its binary frames (32, 42, 45 or 47), where they should not be guessed",
        WORD_R12: "binary frames and texts that have no answer of their own are answered with R12",
    }

    def __init__(self, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None) -> None:
        super().__init__(transport, settings, peer)
        self._learnt: int | None = None
        "Bytes of this connection's binary frames, once they were seen to fit."

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A text up to its ``#``, or a binary frame of the length that fits."""
        if data[at] == MARK:
            return self._binary_shape(data, at)
        if data[at] == MARK_X:
            return x_shape(data, at)[:2]
        return text_shape(data, at)

    def _binary_shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """By the configured length; else by the learnt one as long as it fits; else by what follows."""
        configured = self._configured()
        if configured:
            return binary_shape(data, at, configured)[:2]
        if self._learnt:
            found = binary_shape(data, at, self._learnt)
            if found.shape is Shape.WAIT or (found.shape is Shape.FRAME and ends_well(data, at + self._learnt)):
                return found[:2]
            self._learnt = None
        found = binary_shape(data, at, None)
        if found.is_proved:
            self._learnt = found.bytes
        return found[:2]

    def _configured(self) -> int | None:
        """The length of binary frames that the registry gives."""
        word = self.settings.value(WORD_LENGTH)
        return next((size for size in LENGTHS if str(size) == word), None)

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """One record, and the answer to its type."""
        offset_s = self.settings.clock_offset_s or 0
        if raw[:1] in (b"$", b"X"):
            device, report = binary_untrusted(raw, self._configured(), offset_s) if raw[0] == MARK else x_untrusted(raw)
            self.device = device
            return Content((report,), self._r12(device, now_us))
        text = text_untrusted(raw, offset_s)
        self.device = text.device or self.device
        return Content((text.report,), self._reply(text, now_us))

    def _reply(self, text: Text, now_us: int) -> bytes | None:
        """The answer to a text; without it several models send the same fix for ever. None to whoever has no name."""
        if text.device is None:
            return None
        if text.type == "V1":
            return f"*HQ,{text.device},V4,V1,{civil_of(now_us):%Y%m%d%H%M%S}#".encode()
        if text.type in ("HTBT", "V0"):
            return f"*{text.maker},{text.device},{text.type}#".encode()
        return self._r12(text.device, now_us)

    def _r12(self, device: str, now_us: int) -> bytes | None:
        return f"*HQ,{device},R12,{civil_of(now_us):%H%M%S}#".encode() if self.settings.has(WORD_R12) else None


def recognise(data: bytes) -> int:
    """90 with a whole text header, 80 with a binary frame whose time and place exist, 0 when it can be neither."""
    if OPENING.match(data):
        return 90
    if OPENING_CUT.fullmatch(data):
        return 20
    readings = [id_bytes for id_bytes in (SHORT_ID, LONG_ID) if data[:1] == b"$" and has_digits(data, 0, id_bytes)]
    if not readings:
        return 0
    whole = any(len(data) >= size and is_sane(data, 0, ID_BYTES[size]) for size in LENGTHS if ID_BYTES[size] in readings)
    return 80 if whole else 15
