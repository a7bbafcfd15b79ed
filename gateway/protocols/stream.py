"""A connection whose frames are cut from the front of a buffer: what the session of every stream protocol shares.

A protocol says with which bytes a frame may begin and what the bytes from there turn out to be; this file waits, skips,
finds the way back after garbage, and takes datagrams apart. The compiled twins do the same in ``_fastpath_stream.pxi``.
"""

import enum
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, Final, NamedTuple

from gateway.errors import FrameError
from gateway.model import Frame, Report
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings, refused

NESTED_MAX: Final = 8
"Frames with a wrong checksum that may begin inside one another before the outermost is dropped whole: bounds the work."

BEHIND_BYTES_MAX: Final = 2_048
"How far the search for a whole frame goes on behind a second incomplete one: a truncated frame and an alarm fit into it."


class Shape(enum.Enum):
    """What bytes that begin like a frame turn out to be."""

    WAIT = "more bytes are needed"
    NOISE = "no frame begins here"
    FRAME = "delimited, and carries its own checksum where the protocol has one"
    SPOILT = "delimited, but the checksum is wrong"


class Content(NamedTuple):
    """What a believed frame holds."""

    reports: tuple[Report, ...] = ()
    reply: bytes | None = None


class StreamSession(ABC):
    """One connection of a device (or the datagrams of one sender)."""

    NAME: ClassVar[str]
    STARTS: ClassVar[re.Pattern[bytes]]
    "One byte with which a frame may begin, as a character class."
    WORDS: ClassVar[Mapping[str, str]] = {}
    "Words that a device's ``config`` may hold, and what each says."
    PROMISES_LENGTH: ClassVar[bool] = False
    """A frame is waited for by the length that it promises, and proves itself by a checksum. Noise may promise kilobytes that never
    come: such a wait never hides a whole frame that begins behind it."""
    JOINS_DATAGRAMS: ClassVar[bool] = True
    "A datagram holds frames as a stream does, perhaps several. False: it has a form of its own, and is read whole."

    def __init__(self, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None) -> None:
        self.transport = transport
        self.settings = settings
        self.peer = peer
        self.device: str | None = None
        self.zone_s = 0
        "Local time minus UTC, where the device itself has said so."
        self.skipped_bytes = 0
        self.is_lost = False
        "The bytes right before were no frame."
        self._buffer = b""
        self._start = 0
        "Where the unread part of the buffer begins; the two below count from here."
        self._claimed = 0
        "Bytes that a refused frame has already accounted for."
        self._nested = 0
        self._looked = 0
        "How far an incomplete frame was searched for whole ones behind its first byte."

    # -------------------------------------------------------------------------------- what a protocol says

    @abstractmethod
    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """What begins at ``at`` (a byte of ``STARTS``), and its bytes: of the frame, or to be skipped (NOISE, at least 1), or 0 (WAIT).

        WAIT must end: what is waited for is bounded by the protocol's largest frame.
        """

    @abstractmethod
    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """What one whole frame says, and what it wants back. It need not have been delimited here: everything is checked.

        Sets ``device`` when the frame is believed and names one. Raises: FrameError.
        """

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """The alarm that is readable in a frame refused for ``error``; None for everything else."""
        return None

    def named(self, raw: bytes) -> str | None:
        """The device that a refused frame names, in which an alarm is readable; None: the one that the connection knows.

        Called only beside an ``unverified`` report. It does not become the connection's: nothing in the frame is proven.
        """
        return None

    def is_behind(self, at: int) -> bool:
        """Does ``shape`` look for a whole frame behind the beginning of one that is still incomplete?"""
        return at > self._start

    def is_inside(self, at: int) -> bool:
        """The same, or for one within a frame that was refused."""
        return at > self._start or self._claimed > 0

    @property
    def offset_s(self) -> int:
        """How far the device's clock is ahead of UTC: as the registry says, else as the device said, else not at all."""
        return self.zone_s if self.settings.clock_offset_s is None else self.settings.clock_offset_s

    # ------------------------------------------------------------------------------------------ the stream

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer) - self._start

    def receive(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._buffer = self._buffer[self._start :] + data
        self._start = 0

    def frames(self, now_us: int) -> Iterator[Frame]:
        """Every frame that is complete by now. One that has begun is waited for, but never hides a whole one behind it."""
        while raw := self._next_frame():
            yield self.read_one(raw, now_us)

    def _next_frame(self) -> bytes:
        """Cut off the next delimited frame, empty when there is none yet."""
        while True:
            self._skip(self._start_from(self._start) - self._start)
            if self._start == len(self._buffer):
                return b""
            shape, size = self.shape(self._buffer, self._start)
            raw = self._buffer[self._start : self._start + size]
            if shape is Shape.FRAME:
                self._start += size
                self._claimed = max(0, self._claimed - size)
                self._nested = self._nested if self._claimed else 0
                self._looked = 0
                self.is_lost = False
                return raw
            if shape is Shape.SPOILT:
                self._claimed = max(self._claimed, size)
                self._nested += 1
                self._skip(1 if self._nested < NESTED_MAX else size)
                return raw
            if shape is Shape.WAIT:
                size = self._whole_frame_behind() if self.PROMISES_LENGTH else 0
                if not size:
                    return b""
            self._skip(size)

    def _start_from(self, at: int) -> int:
        """Where a frame may begin next; the end of the buffer when nowhere."""
        found = self.STARTS.search(self._buffer, at)
        return found.start() if found else len(self._buffer)

    def _skip(self, count: int) -> None:
        if not count:
            return
        self._start += count
        self.is_lost = True
        self.skipped_bytes += max(0, count - self._claimed)
        self._claimed = max(0, self._claimed - count)
        self._looked = max(0, self._looked - count)
        if not self._claimed:
            self._nested = 0

    def _whole_frame_behind(self) -> int:
        """How far ahead a whole frame begins inside the one that is still incomplete; 0 if none does.

        Another one that is incomplete hides nothing either, but the search behind it is begun again with every piece that
        arrives: so it is short.
        """
        at, stop, tried = self._start_from(self._start + max(1, self._looked)), len(self._buffer), 0
        first_waiting = stop
        while at < stop and tried < NESTED_MAX:
            shape, size = self.shape(self._buffer, at)
            if shape is Shape.FRAME:
                return at - self._start
            if shape is Shape.WAIT and first_waiting > at:
                first_waiting, stop = at, min(stop, at + BEHIND_BYTES_MAX)
            tried += shape is not Shape.NOISE
            at = self._start_from(at + (size if shape is Shape.NOISE else 1))
        self._looked = min(at, first_waiting) - self._start
        return 0

    # ---------------------------------------------------------------------------------------- one message

    def read(self, raw: bytes, now_us: int) -> Frame:
        """One whole message: a frame delimited elsewhere, or a datagram, which may hold several. Never raises for what it holds."""
        parts = self._parts(raw) if self.JOINS_DATAGRAMS and self.transport == "udp" else []
        if len(parts) < 2:
            return replace(self.read_one(parts[0], now_us), raw=raw) if parts else self.read_one(raw, now_us)
        return self.joined(raw, [self.read_one(part, now_us) for part in parts])

    def read_one(self, raw: bytes, now_us: int) -> Frame:
        """One frame."""
        try:
            reports, reply = self.content_untrusted(raw, now_us)
        except FrameError as error:
            alarm = self.unverified(raw, error, now_us)
            return refused(self.NAME, self.transport, raw, error, (alarm and self.named(raw)) or self.device, alarm)
        return Frame(self.NAME, self.transport, raw, self.device, reports, reply)

    def _parts(self, raw: bytes) -> list[bytes]:
        """The frames of a datagram."""
        self._buffer, self._start = raw, 0
        self._claimed = self._nested = self._looked = 0
        self.is_lost = False
        parts = []
        while part := self._next_frame():
            parts.append(part)
        self._buffer, self._start = b"", 0
        return parts

    def joined(self, raw: bytes, frames: list[Frame]) -> Frame:
        """The frames of one datagram as one: every record, every answer. An alarm in a spoilt frame is kept beside good ones."""
        believed = [frame for frame in frames if not frame.refused]
        if not believed:
            return replace(next((frame for frame in frames if frame.unverified), frames[0]), raw=raw)
        reports: tuple[Report, ...] = ()
        for frame in frames:
            reports += frame.reports
            if frame.unverified and frame.refused:
                reports += (replace(frame.unverified, unread=(*frame.unverified.unread, f"{frame.refused.reason} wrong")),)
        replies = [frame.reply for frame in believed if frame.reply is not None]
        return Frame(self.NAME, self.transport, raw, self.device, reports, b"".join(replies) if replies else None)


def opens_with(data: bytes, *words: bytes) -> int:
    """How far the first bytes agree with one of the words: 2 begins with it, 1 could become so, 0 never."""
    return max(2 if data.startswith(word) else 1 if data and word.startswith(data) else 0 for word in words)
