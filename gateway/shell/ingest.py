"""The seam between device bytes and the alarm lane: bytes in, frames up, answers down.

A listener owns sockets and knows no protocol; a ``DeviceLink`` owns one conversation and knows no socket. The
listener feeds it what arrived and gets back what to send and when. Whatever reads the sockets (a Trio task a
connection today) can be replaced under this seam without the lane noticing.
"""

import itertools
from collections import Counter
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.events import AlarmPressed, AlarmRaised
from gateway.model import Device, Frame, Link, Trust
from gateway.protocols import open_session
from gateway.protocols.base import DeviceSettings, Session
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


class Ingest:
    """Opens links and counts what came in."""

    def __init__(self, lane: Lane, clock: Clock) -> None:
        self.lane = lane
        self.clock = clock
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
        return DeviceLink(self, link, open_session(options.protocol, options.transport, DeviceSettings()))

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
        self._ingest = ingest
        self._session = session
        self._skipped = 0

    def feed(self, data: bytes) -> Fed:
        """Take the next bytes of a stream. Never raises for what they hold."""
        self._session.receive(data)
        fed = self._carry(list(self._session.frames(self._ingest.clock.now().wall_us)))
        self.has_begun_frame = self._session.pending_bytes > 0
        self._ingest.skipped[self.link.listener] += self._session.skipped_bytes - self._skipped
        self._skipped = self._session.skipped_bytes
        return fed

    def datagram(self, data: bytes) -> Fed:
        """Take one whole message."""
        return self._carry([self._session.read(data, self._ingest.clock.now().wall_us)])

    def _carry(self, frames: list[Frame]) -> Fed:
        reply, durable, close = b"", None, False
        alarms: list[str] = []
        for frame in frames:
            self._ingest.note(frame, self.link)
            verdict, wait_for = self._ingest.lane.take(frame, self.link)
            durable = wait_for or durable
            if verdict.reply:
                reply += verdict.reply
                alarms += [event.alarm_id for event in verdict.events if isinstance(event, (AlarmRaised, AlarmPressed))]
            if verdict.device_id is not None and not self.is_identified:
                self.is_identified = True
                self._adopt_settings(verdict.device_id)
            close = close or (verdict.close and not self.is_identified)
        return Fed(reply, durable, close, len(frames), tuple(alarms))

    def _adopt_settings(self, device_id: str) -> None:
        """From now on the session knows what the registry says about this device."""
        device = self._ingest.lane.desk.facts.device(device_id)
        if device is not None:
            self._session.settings = settings_of(device)


def settings_of(device: Device) -> DeviceSettings:
    """What a protocol needs to know of a registry entry."""
    return DeviceSettings(device.model, device.config, device.key_hex, device.clock_offset_s)


