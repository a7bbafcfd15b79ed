"""What every device protocol offers: a session that turns bytes into frames.

A session belongs to one connection (or, for datagrams and messages, to one sender) and knows no socket and no
clock. The shell gives it bytes and the time; it gives back frames, answers included as values. Functions that
take bytes from the network end in ``_untrusted`` and raise ``FrameError`` or nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.errors import FrameError
from gateway.model import Frame, Refusal, Report


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What a registry entry says about a device and its protocol cannot."""

    model: str | None = None
    config: str | None = None
    key_hex: str | None = None
    clock_offset_s: int | None = None
    "Local time minus UTC, for devices that send local time without saying so."

    def has(self, word: str) -> bool:
        """Is this switch among the words of ``config``? They are parted by blanks or commas: ``format0 interval=30``."""
        return word in (self.config or "").replace(",", " ").split()

    def value(self, name: str) -> str | None:
        """What the word ``name=…`` of ``config`` says, or None."""
        words = (self.config or "").replace(",", " ").split()
        return next((word[len(name) + 1 :] for word in words if word.startswith(name + "=")), None)


NOTHING_KNOWN: Final = DeviceSettings()
"The settings of a device that nobody described."


class Session(Protocol):
    """One connection of one device protocol."""

    settings: DeviceSettings
    "May be replaced when the identity is known: the next frame is read with them."

    def __init__(self, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None) -> None:
        """``transport``: tcp, udp, sms, sds or http. ``peer``: who sent it, where that is an identity (SMS)."""

    @property
    def device(self) -> str | None:
        """The identity that the login (or the newest frame) gave."""

    @property
    def skipped_bytes(self) -> int:
        """Bytes that belonged to no frame, so far."""

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their frame."""

    def receive(self, data: bytes) -> None:
        """Take the next bytes of a stream, however they were cut. Never raises for what they hold."""

    def frames(self, now_us: int) -> Iterator[Frame]:
        """Every frame that is complete by now, in order.

        A delimited frame that is not believed comes out with ``refused``. Bytes that belong to no frame are
        skipped and counted in ``skipped_bytes``. Whatever remains buffered is bounded by the protocol's largest frame.
        """

    def read(self, raw: bytes, now_us: int) -> Frame:
        """One whole message: a datagram, an SMS, or a frame delimited elsewhere. Never raises for what it holds."""


def refused(
    protocol: str,
    transport: str,
    raw: bytes,
    error: FrameError,
    device: str | None = None,
    unverified: Report | None = None,
    farewell: bytes | None = None,
) -> Frame:
    """The frame that says why it was not believed. ``farewell``: where the protocol tells the sender so."""
    refusal = Refusal(error.reason.name.lower(), error.offset, error.detail)
    return Frame(protocol, transport, raw, device=device, refused=refusal, unverified=unverified, farewell=farewell)
