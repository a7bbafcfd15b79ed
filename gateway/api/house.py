"""What the API stands on: the doors to the other rooms, and the little state that is its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from gateway.api.doors import Callbacks, Desk, Inbox, Journal, Registry, Simulation, Story, Tiles
from gateway.api.messages import Request
from gateway.api.sessions import OneTimeToken, Sessions, Throttle, Views
from gateway.model import Frame, Instant
from gateway.protocols.sms_kannel import Accepted


@dataclass(frozen=True, slots=True)
class Page:
    """One static file."""

    body: bytes = field(repr=False)
    gzipped: bytes | None = field(repr=False)
    "None when compressing gains nothing."
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class SmsBridge:
    """One configured bridge: who may call it, and what its word about the sender is worth."""

    secret: bytes = field(repr=False)
    networks: tuple[IPv4Network | IPv6Network, ...]
    trusted: bool
    inbox: Inbox


@dataclass(frozen=True, slots=True)
class SdsBridge:
    """One configured TETRA gateway."""

    name: str
    token: bytes = field(repr=False)
    networks: tuple[IPv4Network | IPv6Network, ...]
    trusted: bool
    accepted: Accepted = field(default_factory=Accepted, repr=False)
    "Messages that are durable, by their ids."


@dataclass(slots=True)
class House:
    """Everything a handler may reach."""

    desk: Desk
    registry: Registry
    journal: Journal
    callbacks: Callbacks
    story: Story
    sessions: Sessions
    setup: OneTimeToken
    signed_device: Callable[[Request, Instant], str | None]
    "The device whose key signed this press, freshly and for the first time; None for every other case alike."
    read_press: Callable[[str, bytes, int], Frame]
    "(device id, body, wall_us) -> the frame of the app path; a body that cannot be read is a refused frame."
    hash_secret: Callable[[str, str], str]
    "(user id, new password) -> argon2id. Blocks. Raises ``CommandError`` for a password that is too easy."
    verify_secret: Callable[[str, str], bool]
    "(hash, secret) -> whether it fits. Blocks; never raises."
    not_ready: Callable[[], list[str]]
    "Why an alarm would not be made durable now; empty when it would."
    random_bytes: Callable[[int], bytes]
    notices: Callable[[], list[str]] = list
    "What somebody should see to, although alarms go their way."
    tiles: Tiles | None = None
    simulation: Simulation | None = None
    pages: Mapping[str, Page] = field(default_factory=dict)
    "By path; ``/`` is the console."
    sms: tuple[SmsBridge, ...] = ()
    sds: tuple[SdsBridge, ...] = ()
    centre_ids: frozenset[str] = frozenset()
    centre_names: Mapping[str, str] = field(default_factory=dict)
    "What people call the centres, where that is not their id."
    name: str = "gateway"
    is_simulation: bool = False
    "Every alarm is marked as simulated."
    public_origin: str | None = None
    "Scheme and host of ``public_url``; None: whatever Host the browser was given."
    throttle: Throttle = field(default_factory=Throttle)
    views: Views = field(default_factory=Views)
