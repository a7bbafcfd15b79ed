"""The nursery tree: who starts whom, who may fall without whom.

    serve
    ├── journal            its own writer thread; when it dies for good, everything ends (systemd restarts)
    ├── lane               clock of the desk; one guarded task for each offer to a centre
    ├── courier            one contained task for each order to a device
    ├── listeners          one task a port; one guarded task a connection, one contained step a datagram
    ├── bridges            parts of long messages that wait for their rest
    ├── http               API, console, metrics; control socket; event feeds
    ├── registry watch     takes over what the command line changed
    ├── slow proposals     road searches that went over their budget
    └── signals            SIGTERM drains and ends, SIGHUP reads the configuration again

Start: registry, roads and areas, journal (recovery), replay, then the listeners; ``ready`` is said when all of them are
bound. Stop: listeners first, then what they had accepted is made durable and answered, the journal last.
"""

import gc
import itertools
import logging
import os
import random
import signal
import socket
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import trio

from gateway import events as ev
from gateway.api.callbacks import CentreCallbacks
from gateway.api.doors import Simulation
from gateway.api.hmac_auth import DeviceSignatures
from gateway.api.house import House, SdsBridge, SmsBridge
from gateway.api.service import Api
from gateway.api.sessions import OneTimeToken, Sessions
from gateway.clock import Clock, SystemClock
from gateway.config import Config, difference, load_config, parse_bind
from gateway.delivery.envelope import Sender
from gateway.delivery.outbox import Outbox
from gateway.desk import Desk
from gateway.errors import CommandError, ConfigError, RoadsError
from gateway.journal.bodies import UnknownEvent
from gateway.journal.options import JournalOptions
from gateway.journal.search import Forget
from gateway.maps.tiles import TileFile
from gateway.model import CentreId, Facts, Frame, Instant, Link
from gateway.protocols import PROTOCOLS, app
from gateway.registry.credentials import hash_secret, verify_secret, wrong_with_password
from gateway.registry.registry import Registry
from gateway.registry.rules import Known
from gateway.router.areas import Areas, AreaSource, Box
from gateway.router.decide import Router
from gateway.router.options import RoadOptions
from gateway.router.roads import Roads
from gateway.shell.bulkhead import LinkCounters, contained
from gateway.shell.centre import CentreClient, secret_in
from gateway.shell.control import open_control, run_control
from gateway.shell.courier import Courier
from gateway.shell.dial import Network, SystemNetwork
from gateway.shell.disk import Journal, open_journal
from gateway.shell.fallback import Fallback
from gateway.shell.feed import Feeds
from gateway.shell.front_desk import FrontDesk
from gateway.shell.http import HttpServer
from gateway.shell.ingest import Ingest
from gateway.shell.lane import Lane
from gateway.shell.options import ListenOptions, TlsOptions
from gateway.shell.pages import load_pages
from gateway.shell.real_disk import RealDisk
from gateway.shell.registry_files import open_registry
from gateway.shell.seats import DEVICES_SHARE, HTTP_SHARE, Seats, descriptors
from gateway.shell.sms import KannelInbox, run_inboxes
from gateway.shell.speech import TableSpeech
from gateway.shell.stories import JournalStory
from gateway.shell.tcp import TcpPort
from gateway.shell.udp import UdpPort, UdpSocket

DRAIN_S = 4.0
"How long a stop waits for what was accepted to be durable and answered."
SWITCH_INTERVAL_S = 0.0005
REGISTRY_LOOK_S = 1.0
REGISTRY_TIDY_S = 300.0
"How often the index's own log is taken into its file."

FORGET_AFTER_US = 32 * 86_400_000_000
"A month and a day: longer than any copy of a press is under way, and the monthly test press is still known."

_log = logging.getLogger("gateway.server")


@dataclass(frozen=True, slots=True)
class Ready:
    """The server is bound and recovered."""

    api: tuple[str, int]
    devices: tuple[tuple[str, str, int], ...]
    "(protocol/transport, host, port) of each device port, in the order of the configuration."
    setup_token: str | None = field(default=None, repr=False)

    @property
    def lines(self) -> list[str]:
        """``name=host:port`` for each door."""
        doors = [(name, f"{host}:{port}") for name, host, port in self.devices]
        return [f"http={self.api[0]}:{self.api[1]}", *(f"{name}={address}" for name, address in doors)]


def open_roads(options: RoadOptions) -> tuple[Roads | None, Roads | None]:
    """The road index as configured, and once more. One that cannot be used is said and done without: the alert goes first."""
    if not options.file:
        return None, None
    try:
        roads = Roads.open(options.file, snap_m_max=options.snap_m_max)
        spare = Roads.open(options.file, snap_m_max=options.snap_m_max, verify=False)
    except RoadsError as error:
        _log.error("roads.unusable reason=%r", str(error))
        return None, None
    if options.profile:
        try:
            roads.require_profile(options.profile)
        except (RoadsError, ConfigError) as error:  # its times are another profile's, and still nearer to the truth than straight lines
            _log.error("roads.other_profile reason=%r", f"{options.file}: {error}")
    return roads, spare


def open_areas(config: Config, map_box: Box | None) -> Areas:
    """The areas of all centres as configured. Raises: ConfigError: one cannot be read."""
    sources = [
        AreaSource(
            CentreId(centre.id),
            text_of(centre.area, f"centre {centre.id}") if centre.area else None,
            centre.area or "area",
            centre.area_filter,
            CentreId(centre.backup) if centre.backup else None,
            centre.national_fallback,
        )
        for centre in config.centre
    ]
    return Areas(sources, config.roads.nearest_area_km, map_box)


def text_of(path: str, where: str) -> str:
    """What a file that the configuration names holds. Raises: ConfigError: it cannot be read; never a word of its content."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{where}: {path}: {error.strerror or error}; name a file that this user may read"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{where}: {path}: byte {error.start} is not UTF-8; make the file again"]) from None


def open_tiles(path: str | None) -> TileFile | None:
    """The base map of the console. One that cannot be used is said and done without, like the roads."""
    try:
        return TileFile(Path(path)) if path else None
    except CommandError as error:
        _log.error("tiles.unusable reason=%r", str(error))
        return None


def open_router(config: Config, facts: Facts) -> Router:
    """Areas and roads as configured. Raises: ConfigError: an area cannot be read."""
    roads, spare = open_roads(config.roads)
    return Router(open_areas(config, roads.bbox if roads else None), facts, config.roads, roads, spare)


def tls_context(options: TlsOptions | None) -> ssl.SSLContext | None:
    """The server side of TLS, 1.2 and newer; with a client authority a client must show a certificate of it."""
    if options is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.cert_file, options.key_file)
        if options.client_ca_file:
            context.load_verify_locations(options.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"{options.cert_file}: the certificate cannot be used ({error}); give PEM files that belong together"]) from error
    return context


def settle_down() -> None:
    """Make the process ready for a long life: what is loaded by now is never looked at by the collector again (a full
    collection would stop alarms for tens of milliseconds), and the journal's thread gets the interpreter within half
    a millisecond of a sync's end.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def replay(desk: Desk, journal: Journal, now: Instant) -> None:
    """Let everything happen again, each event at its time before now on this process's monotonic clock.

    Alarms that ended longer ago than a test press is due are left to the files: a start takes seconds after years (R-14).
    """
    framed, last_seq = False, 0
    for entry in journal.replay(forget=Forget((ev.AlarmClosed, ev.PreAlarmCancelled), now.wall_us - FORGET_AFTER_US)):
        # A frame stands right before what it changed; where records are missing between them, it may be the frame that is.
        framed = isinstance(entry.event, ev.FrameKept) or (framed and entry.seq == last_seq + 1)
        last_seq = entry.seq
        if isinstance(entry.event, UnknownEvent):
            continue  # written by a newer version; what it means to the fold is not ours to guess
        if isinstance(entry.event, (ev.AlarmRaised, ev.AlarmPressed)) and not framed:
            desk.frame_lost(entry.event.press_key)
        ago_us = max(0, now.wall_us - entry.at_us)
        desk.apply(entry.event, Instant(entry.at_us, now.mono_us - ago_us))


class Server:
    """One running gateway: what ``serve`` puts together and what its tasks share."""

    def __init__(self, config: Config, clock: Clock, network: Network, registry: Registry, journal: Journal, simulation: Simulation | None) -> None:
        dice = random.SystemRandom()
        data_dir = Path(config.gateway.data_dir)
        centre_ids = frozenset(centre.id for centre in config.centre)
        sender = Sender(config.gateway.name, config.api.public_url)
        self.config = config
        self.clock = clock
        self.registry = registry
        self.journal = journal
        self.desk = Desk(
            registry,
            open_router(config, registry),
            Outbox(config.delivery.outbox, config.centre, registry, dice, sender),
            config.alarms,
            config.supervision,
            sender=sender,
            centre_ids=centre_ids,
            is_simulation=config.gateway.simulation,
            order_options=config.orders,
            speech=TableSpeech(config.orders.sms and config.fallback.kind == "kannel"),
        )
        self.centres = CentreClient(config.centre, clock, network, dice)
        fallback = Fallback(config.fallback, clock, network)
        self.lane = Lane(self.desk, journal, clock, self.centres, fallback, config.fallback, sender)
        self.ingest = Ingest(self.lane, clock)
        self.courier = Courier(self.lane, clock, fallback)
        self.ingest.post, self.lane.carry_orders = self.courier, self.courier.look
        self.ports: list[TcpPort | UdpPort] = []
        self.seats = Seats(int(descriptors() * DEVICES_SHARE))
        self.watching = LinkCounters("registry")
        self.setup_token = registry.mint_setup_token(clock.now(), os.urandom(32))
        self.house = self._house(config, data_dir, centre_ids, simulation)
        api = Api(self.house)
        self.feeds = Feeds(self.house, self.lane.record, clock)
        self.http = HttpServer(api, self.lane.record, self.feeds, clock, config.api, itertools.count(1 << 32), Seats(int(descriptors() * HTTP_SHARE)))

    def _house(self, config: Config, data_dir: Path, centre_ids: frozenset[str], simulation: Simulation | None) -> House:
        public = urlsplit(config.api.public_url or "")
        token = self.setup_token
        return House(
            desk=FrontDesk(self.desk, self.clock, (self._gauges,)),
            registry=self.registry,
            journal=self.journal,
            callbacks=CentreCallbacks({centre.id: callback_secrets(config, centre.id) for centre in config.centre}),
            story=JournalStory(data_dir / "journal"),
            sessions=Sessions(config.api.session_idle_s, config.api.session_max_s, os.urandom),
            setup=OneTimeToken(token.token_hash if token else None, token.until_mono_us if token else 0),
            signed_device=DeviceSignatures(self.registry).signed_device,
            read_press=lambda device_id, body, now_us: app.Session("http", peer=device_id).read(body, now_us),
            hash_secret=hash_new_secret,
            verify_secret=verify_secret,
            not_ready=self._not_ready,
            notices=self._notices,
            random_bytes=os.urandom,
            tiles=open_tiles(config.api.tiles_file),
            simulation=simulation,
            pages=load_pages(),
            sms=tuple(
                SmsBridge(
                    text_of(bridge.path_secret_file, "sms.path_secret_file").strip().encode(),
                    tuple(ip_network(text, strict=False) for text in bridge.allow),
                    bridge.trusted,
                    KannelInbox(self.desk.identities.resolve),
                )
                for bridge in config.sms
            ),
            sds=tuple(
                SdsBridge(
                    gate.name,
                    text_of(gate.token_file, "sds.token_file").strip().encode(),
                    tuple(ip_network(text, strict=False) for text in gate.allow),
                    gate.trusted,
                )
                for gate in config.sds
            ),
            centre_ids=centre_ids,
            name=config.gateway.name,
            is_simulation=config.gateway.simulation,
            public_origin=f"{public.scheme}://{public.netloc}" if public.netloc else None,
        )

    def _not_ready(self) -> list[str]:
        """Why an alarm would not be made durable now."""
        reasons = [] if self.journal.statistics().state != "broken" else ["the journal cannot be written"]
        return reasons + ([] if len(self.ports) == len(self.config.listen) else ["listeners are not bound"])

    def _notices(self) -> list[str]:
        """What somebody should see to, although alarms go their way."""
        damage = ["the registry's change log is damaged: nothing can be entered; see `gateway registry verify`"] if self.registry.damage else []
        reserve = ["the disk is full: the journal lives on its reserve"] if self.journal.statistics().state == "reserve" else []
        return damage + reserve

    def _gauges(self) -> Mapping[str, object]:
        """The shell's own counters, by the names of ``api/metrics.py``."""
        journal = self.journal.statistics()
        found = dict(self.http.statistics())
        links: dict[str, object] = dict(found.pop("links"))  # type: ignore[call-overload]
        opened: dict[str, object] = dict(found.pop("links_open"))  # type: ignore[call-overload]
        for port in self.ports:
            counters = port.counters
            turned = {f"turned_away_{reason}": count for reason, count in port.turned_away.items()}
            links[port.name] = {"closed": counters.closed, "gone": counters.gone, "crashed": counters.crashed, **turned}
            opened[port.name] = counters.open
        refused: dict[str, Counter[str]] = {}
        for (protocol, reason), count in self.ingest.refusals.items():
            refused.setdefault(protocol, Counter())[reason] += count
        return {
            **found,
            "links": links,
            "evicted": self.seats.evicted,
            "links_open": opened,
            "frames_refused": refused,
            "bytes_skipped": dict(self.ingest.skipped),
            "kernel_drops": {port.name: port.kernel_drops for port in self.ports if isinstance(port, UdpPort)},
            "journal_records": sum(journal.records.values()),
            "journal_waiting": journal.queue_records,
            "journal_refused": journal.refused,
            "journal_failures": journal.failures,
            "journal_unsaved": journal.unsaved,
            "undurable": self.lane.undurable,
            "crashes": {"frames": self.lane.frames.crashed, "decisions": self.lane.decisions.crashed, "offers": self.lane.offers.crashed,
                        "orders": self.lane.orders.crashed + self.courier.counters.crashed,
                        "registry": self.watching.crashed},  # fmt: skip
        }

    # ------------------------------------------------------------------------------------------------- running

    async def bind(self, nursery: trio.Nursery) -> Ready:
        """Bind every door. Raises OSError-based ConfigError when one is taken."""
        devices = []
        for options in self.config.listen:
            try:
                devices.append(await self._bind_port(options, nursery))
            except OSError as error:
                raise ConfigError([f"listen {options.bind}: {error.strerror or error}; choose another bind"]) from error
        host, port = parse_bind(self.config.api.bind)
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            raise ConfigError([f"api.bind {self.config.api.bind}: {error.strerror or error}; choose another bind"]) from error
        nursery.start_soon(self.http.run, listeners, tls_context(self.config.api.tls))
        nursery.start_soon(run_control, self.http, open_control(Path(self.config.gateway.data_dir)))
        bound = listeners[0].socket.getsockname()
        return Ready((str(bound[0]), int(bound[1])), tuple(devices), self.setup_token.token if self.setup_token else None)

    async def _bind_port(self, options: ListenOptions, nursery: trio.Nursery) -> tuple[str, str, int]:
        name = f"{options.protocol}/{options.transport}"
        simulated = self.config.gateway.simulation
        if options.transport == "udp":
            door = UdpSocket(options.bind)
            port: TcpPort | UdpPort = UdpPort(options, self.ingest, door, simulated=simulated)
            nursery.start_soon(port.run)
            self.ports.append(port)
            return name, door.address[0], door.address[1]
        port = TcpPort(options, self.ingest, simulated=simulated, tls=tls_context(options.tls), seats=self.seats)
        host, number = await nursery.start(port.run)
        self.ports.append(port)
        return name, host, number

    async def watch_registry(self) -> None:
        """Take over what the command line changed, until cancelled."""
        tidied_at = trio.current_time()
        while True:
            await trio.sleep(REGISTRY_LOOK_S)
            with contained(self.watching):  # a disk that fails here must not end the alarms
                if await trio.to_thread.run_sync(self.registry.refresh, limiter=self.http.lanes["registry"]):
                    self.desk.supervision.expect(list(self.registry.devices()), self.clock.now())
                if trio.current_time() - tidied_at > REGISTRY_TIDY_S:
                    tidied_at = trio.current_time()
                    await trio.to_thread.run_sync(self.registry.checkpoint, limiter=self.http.lanes["registry"])

    def take_bridged(self, frame: Frame, link: Link) -> object:
        """What an SMS bridge lets go of by itself."""
        return self.lane.take(frame, link)


def hash_new_secret(user_id: str, password: str) -> str:
    """argon2id of a new password. Blocks. Raises CommandError for one that is too easy."""
    if wrong := wrong_with_password(password, user_id):
        raise CommandError(f"this password {wrong}", code="wrong_use")
    return hash_secret(password)


def callback_secrets(config: Config, centre_id: str) -> tuple[bytes, ...]:
    """The secrets by which a centre signs: its own, else those of its first route."""
    centre = next(centre for centre in config.centre if centre.id == centre_id)
    files = centre.callback_secret_files or (centre.route[0].secret_files if centre.route else ())
    return tuple(secret_in(path) for path in files)


async def serve(
    config: Config,
    *,
    config_file: str | None = None,
    clock: Clock | None = None,
    network: Network | None = None,
    simulation: Simulation | None = None,
    tell_ready: Callable[[Ready], None] = lambda ready: None,
    task_status: trio.TaskStatus[tuple[Ready, "Server"]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a gateway until it is cancelled or told to stop.

    Raises: ConfigError, RegistryError, JournalError: it cannot start; the message says what to do.
    """
    clock = clock or SystemClock()
    data_dir = Path(config.gateway.data_dir)
    known = Known({row.name: row.words for row in PROTOCOLS}, frozenset(centre.id for centre in config.centre))
    options = JournalOptions(reserve_mib=config.gateway.reserve_mib)
    async with AsyncExitStack() as stack:
        registry = stack.enter_context(open_registry(data_dir, known))
        journal = await stack.enter_async_context(open_journal(data_dir / "journal", disk=RealDisk(), clock=clock, options=options))
        server = Server(config, clock, network or SystemNetwork(), registry, journal, simulation)
        replay(server.desk, journal, clock.now())
        settle_down()
        async with trio.open_nursery() as nursery:
            await nursery.start(server.centres.run, partial(_route_up, server))
            server.lane.commit(server.desk.replayed(clock.now()), clock.now())
            await nursery.start(server.courier.run)
            await nursery.start(server.lane.run)
            nursery.start_soon(server.feeds.run)
            nursery.start_soon(run_inboxes, server.house.sms, server.take_bridged, clock, config.gateway.simulation)
            nursery.start_soon(server.watch_registry)
            ready = await server.bind(nursery)
            await nursery.start(_heed_signals, server, config_file, nursery.cancel_scope)
            tell_ready(ready)
            notify_manager("READY=1")
            task_status.started((ready, server))


def _route_up(server: Server, centre_id: str, route_id: str) -> None:
    server.desk.outbox.route_up(centre_id, route_id, server.clock.now())
    server.lane.push()


async def _heed_signals(
    server: Server, config_file: str | None, scope: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """SIGTERM and SIGINT: drain and end; a second one ends at once. SIGHUP: read the configuration again. Started when they are heeded:
    whoever hears that we are ready may send one at once, and a SIGHUP that nobody heeds ends the process.
    """
    if not _is_main_thread():
        task_status.started()
        return
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        is_stopping = False
        async for number in signals:
            if number == signal.SIGHUP:
                reload(server, config_file)
            elif is_stopping:
                os._exit(1)
            else:
                is_stopping = True
                notify_manager("STOPPING=1")
                _log.info("server.stopping")
                with trio.move_on_after(DRAIN_S):
                    await server.journal.drain()
                scope.cancel()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def reload(server: Server, config_file: str | None) -> None:
    """Take over a changed configuration as a whole, or keep the old one and say why."""
    if config_file is None:
        return
    try:
        config = load_config(config_file)
        changes = difference(server.config, config)
        needs_restart = [change for change in changes if change.startswith("restart")]
        if needs_restart:
            _log.error("reload.refused reason=%r", "; ".join(needs_restart))
            return
        roads, spare = open_roads(config.roads)
        areas = open_areas(config, roads.bbox if roads else None)
    except ConfigError as error:
        _log.error("reload.refused reason=%r", str(error))
        return
    server.desk.router.areas = areas
    server.desk.router.use_roads(roads, spare)
    _log.info("reload.complete changes=%d", len(changes))


def notify_manager(state: str) -> None:
    """Tell systemd (Type=notify), if it listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door, suppress(OSError):
        door.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
