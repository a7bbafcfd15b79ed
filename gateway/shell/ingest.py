"""The seam between device bytes and the alarm lane: bytes in, frames up, answers down.

A listener owns sockets and knows no protocol; a ``DeviceLink`` owns one conversation and knows no socket. The
listener feeds it what arrived and gets back what to send and when. Whatever reads the sockets (a Trio task a
connection today) can be replaced under this seam without the lane noticing.
"""

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.clock import Clock
from gateway.desk import Verdict
from gateway.events import AlarmPressed, AlarmRaised
from gateway.model import Device, Frame, Link, Trust
from gateway.protocols import open_session
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings, Session
from gateway.shell.disk import Durable
from gateway.shell.lane import Lane
from gateway.shell.options import ListenOptions

GROUPS = {"public": Trust.T1, "apn": Trust.T2, "apn-sim": Trust.T3}
"What a listener's group vouches for."


@dataclass(frozen=True, slots=True)
class Fed:
    """What became of some bytes."""

    reply: bytes = field(default=b"", repr=False)
    "To be sent in one piece, not before ``durable`` has happened."
    durable: Durable | None = None
    close: bool = False
    frames: int = 0
    alarms: tuple[str, ...] = ()
    "Alarms that these bytes raised or joined."


class OrderPost(Protocol):
    """Who must know which conversation carries which device."""

    def heard(self, link: "DeviceLink", device_id: str, frame: Frame) -> None:
        """A device that may be given orders spoke over this conversation."""

    def doubted(self, device_id: str) -> None:
        """Two conversations of one tier claim to be this device: neither is given an order."""

    def gone(self, link: "DeviceLink") -> None:
        """This conversation has ended."""


class Ingest:
    """Opens links and counts what came in."""

    def __init__(self, lane: Lane, clock: Clock) -> None:
        self.lane = lane
        self.clock = clock
        self.post: OrderPost | None = None
        self.refusals: Counter[tuple[str, str]] = Counter()
        "(protocol, reason) -> frames that were not believed"
        self.received: Counter[tuple[str, str]] = Counter()
        "(listener, protocol) -> frames"
        self.skipped: Counter[str] = Counter()
        "listener -> bytes that belonged to no frame"
        self._ids = itertools.count(1)

    def link(self, options: ListenOptions, listener: str, peer: str, *, simulated: bool = False) -> "DeviceLink":
        """A new conversation on a listener (``listener``: its name in records)."""
        trust = Trust.T5 if options.tls and options.tls.client_ca_file else GROUPS[options.group]
        link = Link(next(self._ids), listener, options.transport, peer, trust, simulated)
        return DeviceLink(self, link, open_session(options.protocol, options.transport))

    def note(self, frame: Frame, link: Link) -> None:
        """Count one frame."""
        self.received[link.listener, frame.protocol] += 1
        if frame.refused:
            self.refusals[frame.protocol, frame.refused.reason] += 1


class DeviceLink:
    """One conversation with one device (or, for a relay, several)."""

    def __init__(self, ingest: Ingest, link: Link, session: Session) -> None:
        self.link = link
        self.is_identified = False
        "An enrolled device has spoken."
        self.has_begun_frame = False
        "Bytes are waiting for the rest of their frame."
        self.send: Callable[[bytes], Awaitable[bool]] | None = None
        "Gives one message to the device between two answers; False: it could not be given. None: nothing can be sent to it."
        self._ingest = ingest
        self._session = session
        self._described: str | None = None
        "Whose settings the session has, as the device names itself."
        self._skipped = 0

    def feed(self, data: bytes) -> Fed:
        """Take the next bytes of a stream. Never raises for what they hold."""
        self._session.receive(data)
        now_us = self._ingest.clock.now().wall_us
        # One after the other: what a frame tells about its device holds for the next one.
        fed = self._carry(self._session.frames(now_us), now_us)
        self.has_begun_frame = self._session.pending_bytes > 0
        self._ingest.skipped[self.link.listener] += self._session.skipped_bytes - self._skipped
        self._skipped = self._session.skipped_bytes
        return fed

    def datagram(self, data: bytes) -> Fed:
        """Take one whole message."""
        now_us = self._ingest.clock.now().wall_us
        return self._carry([self._session.read(data, now_us)], now_us)

    def _carry(self, frames: Iterable[Frame], now_us: int) -> Fed:
        reply, durable, close = b"", None, False
        alarms: list[str] = []
        count = 0
        for read in frames:
            count += 1
            frame = self._as_described(read, now_us)
            self._ingest.note(frame, self.link)
            verdict, wait_for = self._ingest.lane.take(frame, self.link)
            durable = wait_for or durable
            is_over = verdict.reply is not None and verdict.reply is frame.farewell
            reply += verdict.reply or b""
            if verdict.reply and not is_over:
                alarms += [event.alarm_id for event in verdict.events if isinstance(event, (AlarmRaised, AlarmPressed))]
            self.is_identified = self.is_identified or verdict.device_id is not None
            self._tell_post(frame, verdict)
            close = close or is_over or (verdict.close and not self.is_identified)
        return Fed(reply, durable, close, count, tuple(alarms))

    def _as_described(self, frame: Frame, now_us: int) -> Frame:
        """The frame as it reads with what the registry says about its device.

        A session learns who speaks from the frame itself. Model, variant, clock and token change what the frame means, and the
        first one may be the alarm: it is read again. One connection may carry several devices (a relay, a proxy).
        """
        if frame.device is None or (frame.device == self._described and self.link.transport != "http"):
            return frame
        device = self._ingest.lane.desk.identities.resolve(frame.device)
        self._described = frame.device if device else None
        settings = settings_of(device) if device else NOTHING_KNOWN
        if settings == self._session.settings:
            return frame
        self._session.settings = settings
        return self._session.read(frame.raw, now_us)

    def _tell_post(self, frame: Frame, verdict: Verdict) -> None:
        if self._ingest.post is None or verdict.device_id is None:
            return
        if verdict.carries_orders:
            self._ingest.post.heard(self, verdict.device_id, frame)
        elif verdict.carries_orders is None:
            self._ingest.post.doubted(verdict.device_id)

    def ended(self) -> None:
        """Nothing more comes or goes here."""
        self.send = None
        if self._ingest.post is not None:
            self._ingest.post.gone(self)


def settings_of(device: Device) -> DeviceSettings:
    """What a protocol needs to know of a registry entry."""
    return DeviceSettings(device.model, device.config, device.key_hex, device.clock_offset_s)


