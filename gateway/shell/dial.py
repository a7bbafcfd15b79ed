"""Ways out of the house: names, connections, TLS. The network is passed in, so that a simulation can be one.

DNS may hang, lie or be down while a centre is well (F-51): an address that worked is used for a day, names are
asked in threads with a deadline, and never while an alarm waits if any address is known. Whatever address is
called, the certificate must carry the name.
"""

import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol

import trio

from gateway.clock import Clock
from gateway.delivery.webhook import Url
from gateway.errors import ConfigError, DeliveryError

RESOLVE_TIMEOUT_S = 2.0
ADDRESS_KEPT_US = 24 * 3600 * 1_000_000
ADDRESS_FRESH_US = 60 * 1_000_000
ADDRESSES_MAX = 6
"Of one name; each gets a turn."
NEXT_ADDRESS_S = 0.25
"A silent address: the next one is called as well (RFC 8305 section 5)."
KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 10_000))
_resolvers = trio.CapacityLimiter(4)


class Network(Protocol):
    """What lies outside."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Addresses of a name, best first. Raises ``OSError``."""

    async def connect(self, address: str, port: int) -> trio.abc.Stream:
        """A TCP connection. Raises ``OSError``."""


class SystemNetwork:
    """The network of the host."""

    async def resolve(self, host: str, port: int) -> list[str]:
        def ask() -> list[str]:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return [str(entry[4][0]) for entry in found]

        return await trio.to_thread.run_sync(ask, abandon_on_cancel=True, limiter=_resolvers)

    async def connect(self, address: str, port: int) -> trio.abc.Stream:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        door = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            door.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE:
                door.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            await door.connect((address, port))
        except BaseException:
            door.close()
            raise
        return trio.SocketStream(door)


@dataclass(slots=True)
class AddressBook:
    """The addresses of one host, and when they were learned."""

    network: Network
    clock: Clock
    host: str
    port: int
    addresses: tuple[str, ...] = field(default=(), repr=False)
    learned_us: int | None = None

    def __post_init__(self) -> None:
        with suppress(ValueError):  # An address instead of a name needs no asking and never grows old.
            self.addresses = (str(ip_address(self.host)),)

    async def find(self) -> tuple[str, ...]:
        """Addresses to call: those at hand, however old up to a day; asked for only when there are none.

        Raises: DeliveryError ``dns``.
        """
        if self._age_us() > ADDRESS_KEPT_US:
            self.addresses = ()
        if not self.addresses and not await self.refresh():
            raise DeliveryError(self.host, "dns")
        return self.addresses

    async def refresh(self) -> bool:
        """Ask again when what we know is a minute old. False: nobody answered, and nothing is known."""
        if self.addresses and self._age_us() <= ADDRESS_FRESH_US:
            return True
        found: Sequence[str] = ()
        with trio.move_on_after(RESOLVE_TIMEOUT_S):
            try:
                found = await self.network.resolve(self.host, self.port)
            except (OSError, UnicodeError):
                found = ()
        if found:
            self.addresses = tuple(dict.fromkeys(found))[:ADDRESSES_MAX]
            self.learned_us = self.clock.now().mono_us
        return bool(self.addresses)

    def _age_us(self) -> int:
        return 0 if self.learned_us is None else self.clock.now().mono_us - self.learned_us


def tls_context(ca_file: str | None = None, cert_file: str | None = None, key_file: str | None = None) -> ssl.SSLContext:
    """TLS towards the outside: one authority if it is pinned, else the system's; our certificate if we must show one.

    Raises: ConfigError that names the file.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"ca_file {ca_file}: {error.strerror or error}; name a PEM file with the authority"]) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file:
        try:
            context.load_cert_chain(cert_file, key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError([f"client_cert_file {cert_file}: {error.strerror or error}; name PEM files with certificate and key"]) from None
    return context


async def call(network: Network, book: AddressBook, timeout_s: float) -> trio.abc.Stream:
    """A connection to whichever address answers first; a silent one does not hold up the next.

    Raises: DeliveryError ``dns``, ``connect_timeout``, ``connect_refused``.
    """
    addresses = await book.find()
    refused = [trio.Event() for _ in addresses]
    connected: list[trio.abc.Stream] = []
    kept: trio.abc.Stream | None = None
    try:
        async with trio.open_nursery() as nursery:

            async def attempt(address: str, refusal: trio.Event) -> None:
                try:
                    connected.append(await network.connect(address, book.port))
                except OSError:
                    refusal.set()
                else:
                    nursery.cancel_scope.cancel()

            nursery.cancel_scope.deadline = trio.current_time() + timeout_s
            for address, refusal in zip(addresses, refused, strict=True):
                nursery.start_soon(attempt, address, refusal)
                with trio.move_on_after(NEXT_ADDRESS_S):
                    await refusal.wait()
        kept = connected[0] if connected else None
    finally:
        with trio.CancelScope(shield=True):
            for stream in connected:
                if stream is not kept:
                    await trio.aclose_forcefully(stream)
    if kept is None:
        raise DeliveryError(book.host, "connect_refused" if all(refusal.is_set() for refusal in refused) else "connect_timeout")
    return kept


async def secure(stream: trio.abc.Stream, context: ssl.SSLContext, url: Url, timeout_s: float) -> trio.abc.Stream:
    """TLS over a connection, the certificate checked against the name. Closes the connection when that fails.

    Raises: DeliveryError ``tls_timeout``, ``tls_certificate``, ``tls``.
    """
    tls: trio.SSLStream[trio.abc.Stream] = trio.SSLStream(stream, context, server_hostname=url.host, https_compatible=True)
    try:
        with trio.fail_after(timeout_s):
            await tls.do_handshake()
    except trio.TooSlowError:
        await trio.aclose_forcefully(stream)
        raise DeliveryError(url.host, "tls_timeout") from None
    except (trio.BrokenResourceError, ssl.SSLError, OSError) as error:
        await trio.aclose_forcefully(stream)
        cause = error.__cause__ or error
        reason = "tls_certificate" if isinstance(cause, ssl.SSLCertVerificationError) else "tls"
        raise DeliveryError(url.host, reason) from cause
    except trio.Cancelled:
        await trio.aclose_forcefully(stream)
        raise
    return tls
