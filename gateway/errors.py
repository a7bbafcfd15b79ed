"""Every exception, every Reason.

The class of an exception says whose fault it is; its reason is a code that never changes meaning, because
dashboards count it. Messages say where, what was expected and what was found; they never hold a position, a
phone number, the text of an SMS or a raw frame.
"""

import enum


class Reason(enum.IntEnum):
    """Why a frame was refused. The compiled room's ``Status`` is this list behind ``OK = 0``."""

    FRAMING = 1
    "Start, end or syntax is not that of the protocol."
    LENGTH = 2
    "The length field and the bytes disagree, or a field would reach past the end."
    CHECKSUM = 3
    "The frame does not carry its own checksum."
    FIELD = 4
    "A field that must be readable is not."
    RANGE = 5
    "A value lies outside what the protocol allows."
    UNSUPPORTED = 6
    "A message, codec or version that this decoder does not know."
    IDENTITY = 7
    "No identity: not logged in, or not an identity of this protocol."


class GatewayError(Exception):
    """The world disappointed us."""


class FrameError(GatewayError):
    """A device or carrier sent what its protocol forbids."""

    def __init__(self, reason: Reason, offset: int, detail: str) -> None:
        super().__init__(f"{reason.name.lower()} at byte {offset}: {detail}")
        self.reason = reason
        self.offset = offset
        self.detail = detail


class ConfigError(GatewayError):
    """An operator wrote what cannot be meant. Carries every complaint at once, a line each."""

    def __init__(self, complaints: "list[str] | tuple[str, ...]") -> None:
        super().__init__("\n".join(complaints))
        self.complaints = tuple(complaints)


class CommandError(GatewayError):
    """A person asked for what cannot be done. The message says what, where and what to do instead."""

    def __init__(self, message: str, *, code: str = "wrong_use") -> None:
        super().__init__(message)
        self.code = code


class JournalError(GatewayError):
    """The disk failed; the file is no longer believed."""


class RegistryError(JournalError):
    """The registry's change log or its index can't be used: damaged, held by another process, or the disk failed."""


class OutsideMap(GatewayError):
    """No road within reach of the position; the alarm goes on without."""


class RoadsError(GatewayError):
    """The road index cannot be used: damaged, of another version, or not there."""


class RoadsSlow(GatewayError):
    """The search used up its budget; the proposal follows the alert."""


class DeliveryError(GatewayError):
    """A centre refused or was silent."""

    def __init__(self, receiver: str, reason: str) -> None:
        super().__init__(f"{receiver}: {reason}")
        self.receiver = receiver
        self.reason = reason


class CallbackError(GatewayError):
    """A callback does not prove that it comes from the centre it names. ``reason`` is a code that is counted."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"callback refused, {reason}: {detail}")
        self.reason = reason
