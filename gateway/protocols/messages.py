"""Messages that come whole (a text, a request's body, short data of a radio): what their sessions share."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final

from gateway.model import Frame
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings

STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"A text in JSON, to the end of the body when nothing closes it; linear whatever it holds."


class MessageSession(ABC):
    """The messages of one sender; ``peer`` is its identity, which whoever brought them vouches for."""

    def __init__(self, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None) -> None:
        self.transport = transport
        self.settings = settings
        self.peer = self.device = peer or None
        self.skipped_bytes = 0
        self._messages: list[bytes] = []

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return 0

    def receive(self, data: bytes) -> None:
        """Take a whole message: there are no others."""
        self._messages.append(data)

    def frames(self, now_us: int) -> Iterator[Frame]:
        """A frame for each message."""
        while self._messages:
            yield self.read(self._messages.pop(0), now_us)

    @abstractmethod
    def read(self, raw: bytes, now_us: int) -> Frame:
        """One message. Never raises for what it holds."""


def json_depth(raw: bytes) -> int:
    """How deep the brackets of a JSON body are nested, at most, those in texts left out: to be asked before anything recurses."""
    depth = deepest = 0
    for byte in STRING.sub(b"", raw):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
