"""The way to the centres: offers out, answers in.

Each route is a bulkhead: its own slots, its own connections, its own deadlines. ``CentreClient.offer`` never raises
and always comes back; what a centre does to us is a reason in an ``Answer``. A task per route keeps connections warm
all the time, so that the way is walked before it is needed, and says when a dead route is alive again.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from gateway.clock import Clock
from gateway.delivery.offers import FAILED, REFUSED, Answer, Offer
from gateway.delivery.options import CentreOptions, RouteOptions
from gateway.delivery.schedule import Dice
from gateway.delivery.webhook import Request, Url, interpret_untrusted, read_secret, read_url, request_for
from gateway.errors import ConfigError, DeliveryError
from gateway.shell.bulkhead import LinkCounters, contained
from gateway.shell.dial import AddressBook, Network, call, secure, tls_context
from gateway.shell.exchange import Connection, Reply

WARM_MAX = 2
"Idle connections kept ready per route: one for an alarm, one for the next."
IDLE_S_MAX = 30.0
"An older connection is replaced: something between us may have forgotten it without a word."
CHECK_S = 1.0
"How often a dead route is tried; a route that is well is looked after when something happens, and now and then."


@dataclass(frozen=True, slots=True)
class RouteStatistics:
    """One route, for metrics and the status page."""

    centre_id: str
    route_id: str
    idle: int
    "Connections that are open and wait."
    busy: int
    is_down: bool
    "The last try to connect failed."
    counters: LinkCounters


class RouteClient:
    """One route: where it leads, how we prove who we are, and its connections."""

    def __init__(self, options: RouteOptions, clock: Clock, network: Network) -> None:
        """Raises: ConfigError for an address, secret or certificate that cannot be used."""
        self.options = options
        self.url = usable_url(options.url)
        self.secrets = tuple(secret_in(path) for path in options.secret_files)
        https = self.url.scheme == "https"
        self.tls = tls_context(options.ca_file, options.client_cert_file, options.client_key_file) if https else None
        self.book = AddressBook(network, clock, self.url.host, self.url.port)
        self.counters = LinkCounters(f"centre {self.url.authority}")
        self.nursery: trio.Nursery | None = None
        self._network = network
        self._slots = trio.CapacityLimiter(options.connections_max)
        self._idle: list[Connection] = []
        self._busy = 0
        self._is_down = False
        self._attention = trio.Event()
        "Something happened to a connection: the keeper of the route should look."

    async def offer(self, offer: Offer, now_us: Callable[[], int]) -> Answer:
        """One attempt, however it ends."""
        options = self.options
        try:
            with trio.fail_after(options.connect_timeout_s + options.tls_timeout_s + 2 * options.answer_timeout_s):
                async with self._slots:
                    reply = await self._exchange(offer, now_us)
        except trio.TooSlowError:
            return Answer(FAILED, "silent")
        except DeliveryError as error:
            return Answer(FAILED, error.reason)
        return interpret_untrusted(offer, reply.status, reply.headers, reply.body)

    async def _exchange(self, offer: Offer, now_us: Callable[[], int]) -> Reply:
        """Ask on a warm connection; if it died before a byte came back, once more at once on a new one."""
        request = request_for(offer, self.url, self.secrets, now_us())
        warm = await self._take_idle()
        if warm is not None:
            try:
                return await self._ask(warm, request)
            except DeliveryError:
                if not warm.heard_nothing:
                    raise
        return await self._ask(await self.connect(), request)

    async def _ask(self, connection: Connection, request: Request) -> Reply:
        self._busy += 1
        try:
            with trio.fail_after(self.options.answer_timeout_s):
                reply = await connection.ask(request)
        except trio.TooSlowError:
            self._discard_idle()  # They lead to the same silence.
            raise
        finally:
            self._busy -= 1
        if connection.is_open:
            self._idle.append(connection)
        return reply

    async def connect(self) -> Connection:
        """A new connection, ready to be asked. Raises: DeliveryError."""
        assert self.nursery is not None, "CentreClient.run() must be running"
        try:
            stream = await call(self._network, self.book, self.options.connect_timeout_s)
            if self.tls is not None:
                stream = await secure(stream, self.tls, self.url, self.options.tls_timeout_s)
        except DeliveryError:
            self._is_down = True
            self._attention.set()
            raise
        connection = Connection(stream, self.url.authority)
        self.nursery.start_soon(self._listen, connection)
        return connection

    async def _listen(self, connection: Connection) -> None:
        with contained(self.counters):
            await connection.listen()
        self._attention.set()

    async def keep_warm(self, on_up: Callable[[], None], dice: Dice) -> None:
        """Look after the route for ever: fresh addresses, a warm connection or two, and word when it comes back."""
        while True:
            self._attention = trio.Event()
            with contained(self.counters):
                await self._warm_up(on_up)
            await trio.sleep(CHECK_S * (0.75 + 0.5 * dice.random()))
            if not self._is_down:
                with trio.move_on_after(IDLE_S_MAX / 2):
                    await self._attention.wait()

    async def _warm_up(self, on_up: Callable[[], None]) -> None:
        await self.book.refresh()
        oldest = trio.current_time() - IDLE_S_MAX
        for connection in [connection for connection in self._idle if connection.idle_since < oldest]:
            connection.close()
        self._idle = [connection for connection in self._idle if connection.is_open]
        with suppress(DeliveryError):
            while len(self._idle) < WARM_MAX and len(self._idle) + self._busy < self.options.connections_max:
                self._idle.insert(0, await self.connect())
            if self._is_down:
                self._is_down = False
                on_up()

    async def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if await connection.is_fit():
                return connection
            connection.close()
        return None

    def statistics(self, centre_id: str, route_id: str) -> RouteStatistics:
        """How the route does now."""
        idle = sum(connection.is_open for connection in self._idle)
        return RouteStatistics(centre_id, route_id, idle, self._busy, self._is_down, self.counters)

    def _discard_idle(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()


def usable_url(text: str) -> Url:
    """The parts of a route's address. Raises: ConfigError."""
    try:
        return read_url(text)
    except ValueError as error:
        raise ConfigError([f"centre.route.url {text!r}: {error}"]) from None


def secret_in(path: str) -> bytes:
    """The secret in a file. Raises: ConfigError that names the file and never its content."""
    try:
        return read_secret(Path(path).read_text(encoding="ascii", errors="strict"))
    except OSError as error:
        raise ConfigError([f"secret file {path}: {error.strerror}; name a readable file"]) from None
    except ValueError as error:
        reason = "not ASCII text" if isinstance(error, UnicodeDecodeError) else error
        raise ConfigError([f"secret file {path}: {reason}; write whsec_ and base64 of 24 to 64 random bytes"]) from None


class CentreClient:
    """Every route of every centre."""

    def __init__(self, centres: Iterable[CentreOptions], clock: Clock, network: Network, dice: Dice) -> None:
        """Raises: ConfigError with everything that is wrong with routes, their secrets and certificates."""
        self._clock = clock
        self._dice = dice
        centres = tuple(centres)
        self._for_tests = {centre.id for centre in centres if centre.test}
        self._routes: dict[tuple[str, str], RouteClient] = {}
        complaints: list[str] = []
        for centre in centres:
            for route_id, route in zip(centre.route_ids, centre.route, strict=True):
                try:
                    self._routes[centre.id, route_id] = RouteClient(route, clock, network)
                except ConfigError as error:
                    complaints += error.complaints
        if complaints:
            raise ConfigError(complaints)

    async def run(self, on_route_up: Callable[[str, str], None], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the connections until cancelled. Offers are taken once this has started.

        Args:
            on_route_up: called with centre and route when a route that was down can be connected to again.
        """
        async with trio.open_nursery() as nursery:
            for (centre_id, route_id), route in self._routes.items():
                route.nursery = nursery
                nursery.start_soon(route.keep_warm, partial(on_route_up, centre_id, route_id), self._dice)
            task_status.started()
            await trio.sleep_forever()

    async def offer(self, offer: Offer) -> Answer:
        """What came of one offer. Raises nothing but ``Cancelled``."""
        began_us = self._clock.now().mono_us
        answer = Answer(FAILED, "crashed")
        route = self._routes.get((offer.centre_id, offer.route_id))
        if route is None:
            answer = Answer(FAILED, "no_such_route")
        elif offer.simulated and offer.centre_id not in self._for_tests:
            answer = Answer(REFUSED, "simulated")
        else:
            with contained(route.counters):
                answer = await route.offer(offer, lambda: self._clock.now().wall_us)
        took_ms = (self._clock.now().mono_us - began_us) / 1000
        return Answer(answer.level, answer.reason, took_ms, answer.retry_after_s, answer.told, answer.route_gone)

    def statistics(self) -> tuple[RouteStatistics, ...]:
        """Every route, in the order of the configuration."""
        return tuple(route.statistics(centre_id, route_id) for (centre_id, route_id), route in self._routes.items())
