"""SIA DC-09 (ANSI/SIA DC-09 "Internet Protocol Event Reporting"), plain and encrypted, over TCP and UDP: the reference decoder.

Papers: ANSI/SIA DC-09 (2007, 2013, 2021) with DC-03 and DC-05. Spoken by nearly every alarm panel with a network, and by mobile
personal alarms. This file delimits, checks and answers; what a frame says is read in ``sia_dc09_content.py``, its AES is in
``sia_dc09_cipher.py``. What panels do differently:

* Some write the length in decimal (``length-decimal``): refused, unless the device's settings say otherwise; a panic among them is
  raised with a doubt all the same.
* Some have letters beyond F in their accounts (``account-with-letters``): likewise.
* Some leave out the line or the account outside the data (``no-line``, ``account-in-data-only``).
* The account in the data outranks the header's: one receiver, several premises (``account-in-data-wins``).
* Keys are entered as hexadecimal digits or as characters (``key-as-characters``); pads are text, or any octets
  (``encrypted-pad-of-any-octets``).
* Contact ID has blanks between its fields, or none (``cid-without-blanks``).

The device's identity is the account. A wrong clock costs no alarm: only where the settings ask for it is a frame outside the time
window answered by NAK, and even then its alarm is raised (``window-panic``).

Not supported: commands to the panel (RSP), binary checksums, signatures (block A) and new keys (block K) are not acted on.
"""

import re
from dataclasses import replace
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Frame, Report
from gateway.protocols.octets import civil_of, crc16_arc
from gateway.protocols.sia_dc09_cipher import decrypted, encrypted, keys_of
from gateway.protocols.sia_dc09_content import CID, LINK_TEST, SIA, Parts, account_of, parts_of, report_of
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "sia-dc09"

PREFIX_BYTES: Final = 9
"LF, four digits of checksum, four of length."
BODY_BYTES_MAX: Final = 4095
"What 0LLL can say."
PREFIX: Final = re.compile(rb'\n[0-9A-Fa-f]{4}0[0-9A-Fa-f]{3}"')
OPENING: Final = re.compile(rb'\n[0-9A-Fa-f]{4}0[0-9A-Fa-f]{3}"\*?[A-Z]{3}[-A-Z]{0,5}"')
PARTIAL: Final = re.compile(rb'\n[0-9A-Fa-f]{0,4}(?:(?<=.{5})0[0-9A-Fa-f]{0,3}(?:(?<=.{9})"\*?[-A-Z]{0,8})?)?', re.DOTALL)
END: Final = re.compile(rb"[\r\n]")
"CR ends a frame; so does the LF of the next one."

HEADER: Final = re.compile(r'"(\*?)([^"\[]{1,16})"([^\[]{0,64})\[', re.ASCII)
SENDER: Final = re.compile(r"([0-9]{4})(?:R[0-9A-Fa-f]{1,6})?(?:L[0-9A-Fa-f]{1,6})?(?:#([0-9A-Za-z]{1,16}))?", re.ASCII)
STRICT_ACCOUNT: Final = re.compile(r"[0-9A-Fa-f]{3,16}", re.ASCII)
LENIENT_ACCOUNT: Final = re.compile(r"[0-9A-Za-z]{1,16}", re.ASCII)
TOKENS: Final = (SIA, CID, LINK_TEST)
ANSWERS: Final = ("ACK", "NAK", "DUH", "RSP")
"What receivers say; one that hears it says nothing."
CANNOT_PROCESS: Final = ("unsupported", "field", "identity")
"Reasons that are answered by DUH: the frame is whole, but there is nothing that we could do with it."
EARLY_S, LATE_S = 20, 40
"The usual window: how far a stamp may be ahead of us, and behind."
WINDOW: Final = re.compile(r"([0-9]{1,6}):([0-9]{1,6})", re.ASCII)


class Message(NamedTuple):
    """A frame taken apart, decrypted if it can be. Nothing is refused here."""

    is_encrypted: bool
    token: str
    echo: str
    "Sequence, receiver, line and account, as they stood: every answer repeats them."
    sequence: int | None
    "None when the fields of ``echo`` cannot be told apart."
    account: str
    "The data's, else the header's; empty without either."
    parts: Parts | None
    "None when the data does not end, or cannot be decrypted."
    key: bytes | None


class Session(StreamSession):
    """One connection of a panel (or of a receiver that serves several), or the datagrams of one."""

    NAME = NAME
    STARTS = re.compile(rb"\n")
    WORDS = {
        "length_lenient": "a wrong length is forgiven when the checksum is right",
        "account_lenient": "accounts may have letters beyond F, and one to sixteen characters",
        "time_window": f"a time stamp more than {EARLY_S} s ahead or {LATE_S} s behind is answered by NAK, so that the panel sets its clock",
        "time_window=EARLY:LATE": "the same with other seconds",
    }

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """LF, checksum, length and a quote, to the next CR. A length that is wrong does not decide where a frame ends."""
        if PREFIX.match(data, at) is None:
            return (Shape.WAIT, 0) if PARTIAL.fullmatch(data[at : at + PREFIX_BYTES]) and len(data) - at <= PREFIX_BYTES else (Shape.NOISE, 1)
        end = END.search(data, at + PREFIX_BYTES, at + PREFIX_BYTES + BODY_BYTES_MAX + 1)
        if end is None:
            return (Shape.WAIT, 0) if len(data) - at <= PREFIX_BYTES + BODY_BYTES_MAX else (Shape.NOISE, 1)
        if end[0] == b"\n":
            return Shape.SPOILT, end.start() - at
        is_right = crc16_arc(data[at + PREFIX_BYTES : end.start()]) == int(data[at + 1 : at + 5], 16)
        return (Shape.FRAME if is_right else Shape.SPOILT), end.end() - at

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """LF crc 0LLL ``"token"`` sequence [R receiver] [L line] [#account] ``[`` data ``]`` ... CR."""
        message = self._message(raw)
        if message and message.account:
            self.device = message.account
        require_frame_untrusted(raw, is_lenient=self.settings.has("length_lenient"))
        if message is not None and message.token in ANSWERS:
            return Content()
        message, parts = self._require_readable(message)
        report = report_of(message.token, message.sequence or 0, parts, self.settings.clock_offset_s or 0)
        if length_of(raw) != len(raw) - PREFIX_BYTES - 1:
            report = replace(report, unread=(*report.unread, "length field"))
        if self._is_outside_window(parts.stamp_us, now_us):
            return Content((replace(report, unread=(*report.unread, "time stamp outside the window")),), nak(now_us))
        return Content((report,), answer("ACK", message, raw, now_us))

    def read_one(self, raw: bytes, now_us: int) -> Frame:
        """One frame. A whole one that means nothing to us is answered by DUH, unless an alarm can be read in it: that is to come again."""
        frame = super().read_one(raw, now_us)
        if frame.refused is None or frame.unverified or frame.refused.reason not in CANNOT_PROCESS:
            return frame
        message = self._message(raw)
        is_answerable = message is not None and message.token not in ANSWERS
        return replace(frame, reply=answer("DUH", message, raw, now_us)) if message and is_answerable else frame

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """A panic, medical or fire alarm that is readable although the frame is refused."""
        message = self._message(raw)
        if message and message.parts is None and not message.is_encrypted:
            message = self._message(raw.rstrip(b"\r") + b"]")
        if message is None or message.parts is None or message.token not in (SIA, CID):
            return None
        report = report_of(message.token, message.sequence or 0, message.parts, self.settings.clock_offset_s or 0)
        return report if report.kinds & LIFE else None

    def _message(self, raw: bytes) -> Message | None:
        if PREFIX.match(raw) is None:
            return None
        return message_of(raw[PREFIX_BYTES:].rstrip(b"\r").decode("latin-1"), keys_of(self.settings.key_hex or ""))

    def _require_readable(self, message: Message | None) -> tuple[Message, Parts]:
        if message is None:
            raise FrameError(Reason.FIELD, PREFIX_BYTES, 'no "token", sequence and [ in front of the data')
        at = PREFIX_BYTES + len(message.token) + message.is_encrypted + 2
        if message.token not in TOKENS:
            raise FrameError(Reason.UNSUPPORTED, PREFIX_BYTES, f"token: {', '.join(TOKENS)} expected")
        if message.sequence is None:
            raise FrameError(Reason.FIELD, at, "sequence (4 digits), receiver, line and account cannot be told apart")
        if message.parts is None and message.is_encrypted and not self.settings.key_hex:
            raise FrameError(Reason.UNSUPPORTED, at, "encrypted, and the device's key is not known")
        if message.parts is None:
            raise FrameError(Reason.FIELD, at + len(message.echo), "the key does not fit" if message.is_encrypted else "no ] behind the data")
        if not message.account:
            raise FrameError(Reason.IDENTITY, at, "no account")
        if not (LENIENT_ACCOUNT if self.settings.has("account_lenient") else STRICT_ACCOUNT).fullmatch(message.account):
            raise FrameError(Reason.IDENTITY, at, "account: 3 to 16 hexadecimal digits expected")
        return message, message.parts

    def _is_outside_window(self, stamp_us: int | None, now_us: int) -> bool:
        """Only where the settings ask for a window."""
        limits = WINDOW.fullmatch(self.settings.value("time_window") or "")
        if stamp_us is None or not (limits or self.settings.has("time_window")):
            return False
        early_s, late_s = (int(limits[1]), int(limits[2])) if limits else (EARLY_S, LATE_S)
        return not -late_s * 1_000_000 <= stamp_us - now_us <= early_s * 1_000_000


def recognise(data: bytes) -> int:
    """How surely these first bytes are DC-09: 97 with checksum, length and token, 0 when they cannot be."""
    if OPENING.match(data):
        return 97
    return min(5 + 4 * len(data), 45) if data and PARTIAL.fullmatch(data) else 0


def length_of(raw: bytes) -> int:
    """What the length field says. The caller knows that it is there."""
    return int(raw[5:9], 16)


def require_frame_untrusted(raw: bytes, *, is_lenient: bool) -> None:
    """Raise ``FrameError`` unless ``raw`` is one frame with the right checksum and (unless ``is_lenient``) the right length."""
    if PREFIX.match(raw) is None:
        raise FrameError(Reason.FRAMING, 0, 'does not begin with LF, checksum, length and "')
    body = raw[PREFIX_BYTES:-1]
    if raw[-1:] != b"\r" or END.search(body):
        raise FrameError(Reason.FRAMING, len(raw) - 1, "one CR expected, at the end")
    carried, computed = int(raw[1:5], 16), crc16_arc(body)
    if carried != computed:
        raise FrameError(Reason.CHECKSUM, 1, f"frame says {carried:04X}, its bytes give {computed:04X}")
    if length_of(raw) != len(body) and not is_lenient:
        raise FrameError(Reason.LENGTH, 5, f"length field says {length_of(raw)} bytes, {len(body)} found")


def message_of(text: str, keys: list[bytes]) -> Message | None:
    """What stands between the length and CR; None unless it has a token and a bracket."""
    header = HEADER.match(text)
    if header is None:
        return None
    sender = SENDER.fullmatch(header[3])
    content, key = text[header.end() :], None
    parts = None if header[1] else parts_of(content)
    for candidate in keys if header[1] else ():
        parts, key = opened(content, header[2], candidate), candidate
        if parts:
            break
    account = (account_of(parts.data) if parts else "") or (sender[2] or "" if sender else "")
    return Message(
        bool(header[1]), header[2], header[3], int(sender[1]) if sender else None, account.upper(), parts, key if parts else None
    )  # fmt: skip


def opened(digits: str, token: str, key: bytes) -> Parts | None:
    """What an encrypted frame holds: pad, bar, and from there on as in the clear. A wrong key leaves nothing that has this form.

    Some senders leave out the bar of a link test. A pad may be any octets but the bar and the brackets; where it is no text, the time
    stamp (mandatory here) tells a fitting key from a wrong one.
    """
    text = decrypted(digits, key)
    if text is None:
        return None
    pad, bar, content = text.partition("|")
    if token == LINK_TEST and (not bar or "]" in pad):
        content = text[max(0, text.find("]")) :]
    parts = parts_of(content) if is_text(content) else None
    return parts if parts and (parts.stamp_us is not None or (parts.rest[:1] in ("", "_") and is_text(text))) else None


def is_text(text: str) -> bool:
    """No control characters."""
    return all(char >= " " for char in text)


# ------------------------------------------------------------------------------------------------------- answers


def framed(body: str) -> bytes:
    """``body`` between LF, checksum and length in front and CR behind."""
    data = body.encode("latin-1")
    return b"\n%04X%04X%b\r" % (crc16_arc(data), len(data), data)


def answer(token: str, message: Message, raw: bytes, now_us: int) -> bytes:
    """ACK or DUH to a frame; encrypted, with our time, when the frame was and its key is known."""
    if message.key is None:
        return framed(f'"{token}"{message.echo}[]')
    return framed(f'"*{token}"{message.echo}[{encrypted("|]" + stamp(now_us), message.key, raw)}')


def nak(now_us: int) -> bytes:
    """Your clock is wrong, ours says: nobody in particular is addressed."""
    return framed(f'"NAK"0000R0L0A0[]{stamp(now_us)}')


def stamp(at_us: int) -> str:
    """``_HH:MM:SS,MM-DD-YYYY``."""
    return civil_of(at_us).strftime("_%H:%M:%S,%m-%d-%Y")
