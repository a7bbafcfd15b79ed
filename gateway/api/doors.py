"""What the API asks of the rest of the house, and no more. ``server.py`` hands in what satisfies these."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from gateway.api.messages import Request
from gateway.events import Event
from gateway.model import Alarm, Facts, Frame, Instant, Link, Order, User
from gateway.orders import Ordered

Json = dict[str, object]


class Verdict(Protocol):
    """What the desk made of a frame."""

    @property
    def events(self) -> tuple[Event, ...]:
        """To be durable before anybody is answered."""

    @property
    def reply(self) -> bytes | None:
        """What the sender is told, in its own protocol."""

    @property
    def outcome(self) -> str:
        """accepted, or why it was dropped."""


class Desk(Protocol):
    """Where alarms live. Commands apply at once and return what has to become durable; what cannot be done raises
    ``CommandError`` with a code of ``problems.py``."""

    def alarms(self) -> Iterable[Alarm]:
        """Every alarm at hand, open and recently closed."""

    def alarm(self, alarm_id: str) -> Alarm | None:
        """One alarm."""

    def alert(self, alarm: Alarm, now: Instant) -> Json:
        """The normalized alert of the contract's section 4."""

    def frame(self, frame: Frame, link: Link, now: Instant) -> Verdict:
        """Take a frame of a device."""

    def centre_told(
        self,
        alarm_id: str,
        centre_id: str,
        level: str,
        operator: str | None,
        unit: str | None,
        note: str | None,
        message_id: str | None,
        now: Instant,
    ) -> tuple[Event, ...]:
        """A centre or its operator said: displayed, accepted, dispatched, arrived, rejected, note."""

    def resolve(self, alarm_id: str, outcome: str, operator: str, centre_id: str | None, note: str | None, now: Instant) -> tuple[Event, ...]:
        """An operator gives the outcome."""

    def reopen(self, alarm_id: str, operator: str, reason: str, now: Instant) -> tuple[Event, ...]:
        """A supervisor takes the outcome back."""

    def mark_real(self, alarm_id: str, operator: str, now: Instant) -> tuple[Event, ...]:
        """A test was none."""

    def extend_tracking(self, alarm_id: str, operator: str, seconds: int, now: Instant) -> tuple[Event, ...]:
        """Follow for longer."""

    def stop_tracking(self, alarm_id: str, operator: str, now: Instant) -> tuple[Event, ...]:
        """Stop following."""

    def reassign(self, alarm_id: str, centre_id: str, operator: str, reason: str, now: Instant) -> tuple[Event, ...]:
        """Another centre takes over."""

    def open_test_window(self, device_id: str, actor: str, now: Instant) -> tuple[Event, ...]:
        """The next press of this device is a test."""

    def viewed(self, actor: str, what: str, why: str, alarm_id: str | None, now: Instant) -> tuple[Event, ...]:
        """The access record."""

    def ask_order(self, device_id: str, order: Order, actor: str, now: Instant) -> tuple[Event, ...]:
        """Ask a device for something; the last event is the ``OrderAsked``. ``CommandError``: unknown_device, no_such_order, no_alarm."""

    def orders_of(self, device_id: str) -> Sequence[Ordered]:
        """What a device was asked for, oldest first."""

    def alarms_of(self, device_id: str) -> Sequence[Alarm]:
        """The alarms of a device that are at hand."""

    def unit_moved(
        self,
        unit_id: str,
        lat_e7: int,
        lon_e7: int,
        course_deg: float | None,
        speed_kmh: float | None,
        at_us: int | None,
        now: Instant,
    ) -> None:
        """A unit's position, kept in memory only. ``CommandError("unknown_unit")`` when it is not registered."""

    def unit_status(self, unit_id: str, status: str, now: Instant) -> None:
        """available, busy or off. ``CommandError("unknown_unit")`` when it is not registered."""

    def units(self) -> Iterable[Json]:
        """Units for the console: ``unit lat lon age_s course_deg speed_kmh status zone``; what is unknown is absent."""

    def unknown_devices(self) -> Iterable[Json]:
        """Identities heard that nobody registered: ``identity protocol transport first_seen_at last_seen_at frames pressed``."""

    def devices_health(self) -> Iterable[Json]:
        """Supervision of registered devices: ``device state flags last_heard_at last_test_at protocol battery_percent
        battery_v power_v charging firmware signal_dbm clock clock_offset_s``; never a position, never a cell."""

    def device_health(self, device_id: str) -> Json | None:
        """The same of one device; None when it is not supervised."""

    def incidents(self, is_own: Callable[[str], bool]) -> Iterable[Json]:
        """What supervision found of devices whose id ``is_own``, newest first: ``at kinds devices cases devices_in_all``."""

    def statistics(self) -> Mapping[str, object]:
        """Counters: a number, or a mapping from label value to the same (see ``metrics.py``)."""

    def way(self, alarm_id: str) -> Sequence[tuple[float, float]]:
        """Road line of the proposed unit, as (lat, lon); empty when there is none."""


class Registry(Facts, Protocol):
    """What people entered. Reading is from memory, and of secrets it is only told whether there is one; ``put`` and
    ``remove`` block and are called in a worker thread, one at a time."""

    def user(self, user_id: str) -> User | None:
        """One user, with the hash of the secret."""

    def put(self, noun: str, key: str, fields: Json, actor: str, now_us: int) -> Json:
        """Enter or change; returns the entry. ``noun``: device, case, unit, user."""

    def remove(self, noun: str, key: str, actor: str, now_us: int) -> bool:
        """Take out; False when there was none."""

    def get(self, noun: str, key: str) -> Json | None:
        """One entry, JSON-ready."""

    def list(self, noun: str) -> Sequence[Json]:
        """Every entry, JSON-ready."""


class Entry(Protocol):
    """One record of the journal."""

    @property
    def seq(self) -> int:
        """Its number."""

    @property
    def at_us(self) -> int:
        """When it was written."""

    @property
    def event(self) -> object:
        """What happened; of a type that nobody here knows when a newer version wrote it."""


class Journal(Protocol):
    """The record, as far as readers of a stream need it. Everything it returns is durable."""

    @property
    def durable_seq(self) -> int:
        """Number of the newest durable record; 0 when there is none."""

    def entries_since(self, seq: int, limit: int) -> Sequence[Entry] | None:
        """At most ``limit`` records after ``seq``, in order; None when that is longer ago than is kept at hand."""

    async def wait_new(self, seq: int) -> object:
        """Wait until there is a durable record after ``seq``."""


class Callbacks(Protocol):
    """Callbacks of centres (Standard Webhooks): signed, and taken once."""

    def signers(self, headers: Mapping[str, str], body: bytes, now: Instant) -> Sequence[str]:
        """The centres whose secret signed this within the last five minutes: one, or those that share a secret, or none."""

    def is_repetition(self, centre_id: str, message_id: str, body: bytes) -> bool:
        """Whether this very callback was taken already. Raises ``CommandError("conflict")`` when its id had another body."""

    def remember(self, centre_id: str, message_id: str, body: bytes) -> None:
        """It is durable."""


class Inbox(Protocol):
    """What an SMS bridge brings, as frames. Parts of a long message wait here for each other."""

    def take(self, request: Request, now: Instant) -> tuple[Sequence[tuple[str, Frame]], Callable[[], None]]:
        """(sender, frame) of every message that is to be decoded now, and what is to be called when they are durable. A
        message that was durable before is none; one that cannot be read is a refused frame."""


class Tiles(Protocol):
    """The base map. ``get`` is called in a worker thread, one at a time."""

    @property
    def about(self) -> Mapping[str, str]:
        """``bounds`` (JSON list: south, west, north, east) and ``attribution``, which must be shown."""

    def get(self, z: int, x: int, y: int) -> bytes | None:
        """Gzipped JSON of one tile."""


class Simulation(Protocol):
    """The demo's buttons; only there when ``gateway.simulation`` is on."""

    def buttons(self) -> list[Json]:
        """Simulated devices that can be pressed: ``device``, ``protocol``, ``label``."""

    def press(self, device: str, kind: str) -> None:
        """Press one; it sends real bytes over a real socket. ``CommandError("unknown_device")`` when it is not one of ours."""


class Story(Protocol):
    """``gateway alarm explain``. Called in a worker thread: it reads the journal."""

    def __call__(self, alarm_id: str) -> list[Json]:
        """Every record of one alarm with its time, oldest first."""
