"""SMS bridges over HTTP: messages in, frames out; parts of long messages wait for each other, for a minute at most."""

from collections.abc import Callable, Sequence

import trio

from gateway.api.house import SmsBridge
from gateway.api.messages import Request
from gateway.clock import Clock
from gateway.errors import FrameError
from gateway.model import Device, Frame, Instant, Link, Trust
from gateway.protocols import sms, sms_kannel
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings, refused
from gateway.protocols.sms_message import SmsMessage
from gateway.protocols.sms_parts import Joiner
from gateway.shell.bulkhead import LinkCounters, contained
from gateway.shell.ingest import settings_of

LOOK_EVERY_S = 5.0
"How often it is looked for parts that have waited long enough; they carry no alarm, or they would not have waited."


class KannelInbox:
    """One Kannel bridge."""

    def __init__(self, resolve: Callable[[str], Device | None]) -> None:
        """``resolve``: whose number or IMEI this is, by the registry."""
        self._resolve = resolve
        self._joiner = Joiner(self._says_alarm)
        self._accepted = sms_kannel.Accepted()

    def take(self, request: Request, now: Instant) -> tuple[Sequence[tuple[str, Frame]], Callable[[], None]]:
        """What this request brings, and what is to be called when it is durable. See ``doors.Inbox``."""
        try:
            message = self._message_untrusted(request, now)
        except FrameError as error:
            return [("", refused(sms.NAME, "sms", request.body or request.query.encode(), error))], _nothing
        if self._accepted.has(message):
            return [], _nothing
        heard = [self._heard(whole, now) for whole in self._joiner.add(message, now.mono_us)]
        return heard, lambda: self._accepted.remember(message)

    def overdue(self, now: Instant) -> list[tuple[str, Frame]]:
        """What has waited long enough for its other parts, as it is."""
        return [self._heard(message, now) for message in self._joiner.on_deadline(now.mono_us)]

    def _message_untrusted(self, request: Request, now: Instant) -> SmsMessage:
        if request.method == "POST" and not request.query:
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]
            return sms_kannel.post_message_untrusted(headers, request.body, now.wall_us)
        return sms_kannel.query_message_untrusted(request.query.encode("latin-1"), now.wall_us)

    def _heard(self, message: SmsMessage, now: Instant) -> tuple[str, Frame]:
        """The message as it reads with what the registry says of the device that it names, else of its sender."""
        session = sms.Session("sms", self._settings(message.sender) or NOTHING_KNOWN, message.sender)
        frame = session.read_message(message, now.wall_us)
        settings = self._settings(frame.device) if frame.device else None
        if settings is not None and settings != session.settings:
            session.settings = settings
            frame = session.read_message(message, now.wall_us)
        return message.sender, frame

    def _says_alarm(self, message: SmsMessage) -> bool:
        return sms.says_alarm(message, self._settings(message.sender) or NOTHING_KNOWN)

    def _settings(self, name: str) -> DeviceSettings | None:
        """What the registry says of the device with this number or IMEI; None of one that nobody entered."""
        device = self._resolve(name)
        return settings_of(device) if device else None


def _nothing() -> None:
    """Nothing has to be remembered."""


async def run_inboxes(bridges: Sequence[SmsBridge], take: Callable[[Frame, Link], object], clock: Clock, is_simulation: bool) -> None:
    """Let go, for ever, what has waited long enough. ``take`` gives a frame to the desk and its events to the journal."""
    counters = LinkCounters("sms")
    while True:
        await trio.sleep(LOOK_EVERY_S)
        for bridge in bridges:
            if isinstance(bridge.inbox, KannelInbox):
                for sender, frame in bridge.inbox.overdue(clock.now()):
                    trust = Trust.T3 if bridge.trusted else Trust.T1
                    with contained(counters):
                        take(frame, Link(0, "http", "sms", sender, trust, is_simulation))
