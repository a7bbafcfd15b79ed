"""A port that several protocols share: the first bytes say which one it is, and from then on it is that session.

Nothing is guessed: until a protocol is sure (50 or more), bytes are kept; bytes that no protocol can begin with are
refused, and whatever follows them gets its own chance.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from gateway.errors import FrameError, Reason
from gateway.model import Frame
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings, Session, refused

NAME: Final = "auto"
DECIDED: Final = 50
"Confidence from which a protocol is taken."
UNDECIDED_BYTES_MAX: Final = 1_024
"Longer than the login of any protocol: who has not shown by then what it is takes the likeliest."
NOISE_PLACES_MAX: Final = 128
"Places at which noise is searched for a beginning; what stands behind them goes with it. Bounds the work on garbage."


class Candidate(Protocol):
    """What this session needs to know of a row of the table."""

    @property
    def name(self) -> str: ...

    @property
    def recognise(self) -> Callable[[bytes], int]: ...


class AutoSession:
    """One connection of a protocol that is not known yet."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        open_named: Callable[[str, DeviceSettings], Session],
        transport: str,
        settings: DeviceSettings = NOTHING_KNOWN,
    ) -> None:
        self.transport = transport
        self.protocol: str | None = None
        "Which protocol it turned out to be."
        self._candidates = candidates
        self._open_named = open_named
        self._settings = settings
        self._session: Session | None = None
        self._buffer = b""
        self._skipped_bytes = 0

    @property
    def device(self) -> str | None:
        """The identity that the recognised session read."""
        return self._session.device if self._session else None

    @property
    def settings(self) -> DeviceSettings:
        """What the registry says about the device."""
        return self._settings

    @settings.setter
    def settings(self, settings: DeviceSettings) -> None:
        self._settings = settings
        if self._session:
            self._session.settings = settings

    @property
    def skipped_bytes(self) -> int:
        """Bytes that belonged to no frame, so far."""
        return self._skipped_bytes + (self._session.skipped_bytes if self._session else 0)

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return self._session.pending_bytes if self._session else len(self._buffer)

    def receive(self, data: bytes) -> None:
        """Take the next bytes of a stream."""
        if self._session:
            self._session.receive(data)
        else:
            self._buffer += data

    def frames(self, now_us: int) -> Iterator[Frame]:
        """Every frame that is complete by now, once the protocol is known; refusals of what can be none before that."""
        while self._session is None and self._buffer:
            name, confidence = likeliest(self._candidates, self._buffer)
            if confidence >= DECIDED or (confidence and len(self._buffer) >= UNDECIDED_BYTES_MAX):
                self._take(name).receive(self._buffer)
                self._buffer = b""
            elif confidence:
                return
            else:
                yield self._refuse(self._drop_noise())
        if self._session:
            yield from self._session.frames(now_us)

    def read(self, raw: bytes, now_us: int) -> Frame:
        """One whole message. A connection keeps the protocol that its first believed message had."""
        if self._session is None:
            name, confidence = likeliest(self._candidates, raw)
            if not confidence:
                return self._refuse(raw)
            frame = self._take(name).read(raw, now_us)
            if frame.refused and not frame.unverified:
                self.protocol = self._session = None
            return frame
        return self._session.read(raw, now_us)

    def _take(self, name: str) -> Session:
        self.protocol = name
        self._session = self._open_named(name, self._settings)
        return self._session

    def _drop_noise(self) -> bytes:
        """Cut off the bytes up to the next place where some protocol could begin."""
        start = 1
        while start < len(self._buffer) and not likeliest(self._candidates, self._buffer[start : start + UNDECIDED_BYTES_MAX])[1]:
            start = start + 1 if start < NOISE_PLACES_MAX else len(self._buffer)
        noise, self._buffer = self._buffer[:start], self._buffer[start:]
        self._skipped_bytes += len(noise)
        return noise

    def _refuse(self, raw: bytes) -> Frame:
        return refused(NAME, self.transport, raw, FrameError(Reason.UNSUPPORTED, 0, "no protocol begins with these bytes"))


def likeliest(candidates: Sequence[Candidate], data: bytes) -> tuple[str, int]:
    """The protocol that the first bytes fit best, and how well; the earlier row wins a draw."""
    return max(((row.name, row.recognise(data)) for row in candidates), key=lambda found: found[1], default=("", 0))
