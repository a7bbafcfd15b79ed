"""Device datagrams: drain what is there, answer when it is durable, never let one datagram wait for another."""

import socket
import struct
from collections import Counter, OrderedDict
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Protocol

import trio

from gateway.shell.bulkhead import LinkCounters, contained
from gateway.shell.ingest import DeviceLink, Fed, Ingest
from gateway.shell.options import ListenOptions

BATCH = 64
"Datagrams taken before other tasks get their turn."
BATCH_BYTES = 16_384
"The same in bytes: sixty-four full datagrams of stored positions would hold up the others for half a second."
ERROR_PAUSE_S = 0.1
DATAGRAM_BYTES_MAX = 65_535
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
SO_RXQ_OVFL = 40
"The kernel's own count of what it dropped on this socket comes with each datagram."
SOURCES_KEPT_MAX = 20_000
"Conversations remembered by source address; the oldest is forgotten, which costs nothing but its link id."

Address = tuple[str, int]


class DatagramDoor(Protocol):
    """A datagram socket, real or simulated."""

    name: str
    kernel_drops: int
    errors: int
    "Receives that failed."

    async def wait_readable(self) -> None:
        """Until something may have arrived."""

    def receive_nowait(self) -> tuple[bytes, Address] | None:
        """One datagram, or None when there is none."""

    def send_nowait(self, data: bytes, address: Address) -> bool:
        """Send, or say that it could not be sent now: the device will repeat."""


class UdpSocket:
    """The real door."""

    def __init__(self, bind: str) -> None:
        host, _, port = bind.rpartition(":")
        host = host.strip("[]")
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        self._socket.bind((host, int(port)))
        self.address: Address = self._socket.getsockname()[:2]
        self.name = f"udp {self.address[0]}:{self.address[1]}"
        self.kernel_drops = 0
        self.errors = 0

    async def wait_readable(self) -> None:
        await trio.lowlevel.wait_readable(self._socket)

    def receive_nowait(self) -> tuple[bytes, Address] | None:
        try:
            data, ancillary, _, address = self._socket.recvmsg(DATAGRAM_BYTES_MAX, 64)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            # An answer of ours met a closed port, or the kernel has no memory: it says nothing about this socket.
            self.errors += 1
            return None
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL:
                self.kernel_drops = struct.unpack("I", content[:4])[0]
        return data, address[:2]

    def send_nowait(self, data: bytes, address: Address) -> bool:
        try:
            self._socket.sendto(data, address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the socket; whoever waits on it is told."""
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()


class UdpPort:
    """One UDP port."""

    def __init__(self, options: ListenOptions, ingest: Ingest, door: DatagramDoor, *, simulated: bool = False) -> None:
        self.options = options
        self.name = door.name
        self.counters = LinkCounters(door.name)
        self.turned_away: Counter[str] = Counter()
        self._ingest = ingest
        self._door = door
        self._simulated = simulated
        self._allow = [ip_network(text, strict=False) for text in options.allow]
        self._links: OrderedDict[Address, DeviceLink] = OrderedDict()

    @property
    def kernel_drops(self) -> int:
        """Datagrams that the kernel dropped because its queue was full."""
        return self._door.kernel_drops

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read until cancelled."""
        task_status.started()
        while True:
            await self._door.wait_readable()
            taken, failed = 0, self._door.errors
            for _ in range(BATCH):
                received = self._door.receive_nowait() if taken < BATCH_BYTES else None
                if received is None:
                    break
                taken += len(received[0])
                with contained(self.counters):
                    self._take(*received)
            # An error that stays would make the socket readable for ever.
            await trio.sleep(ERROR_PAUSE_S if self._door.errors > failed and not taken else 0)

    def _take(self, data: bytes, address: Address) -> None:
        if self._allow and not any(ip_address(address[0]) in network for network in self._allow):
            self.turned_away["not_allowed"] += 1
            return
        link = self._link(address)
        fed = link.datagram(data)
        if link.is_identified:
            self._keep(address, link)
        # Never more bytes to a stranger than he sent: strangers get none at all.
        if not fed.reply:
            return
        if fed.durable is None:
            self._answer(fed, address)
        else:
            fed.durable.add_done(lambda error: self._answer(fed, address) if error is None else None)

    def _answer(self, fed: Fed, address: Address) -> None:
        if self._door.send_nowait(fed.reply, address):
            self._ingest.lane.note_answered(fed.alarms)

    def _link(self, address: Address) -> DeviceLink:
        """The conversation with this source; strangers get one that lives for a datagram (no state for a flood)."""
        link = self._links.get(address)
        if link is None:
            return self._ingest.link(self.options, self.name, f"{address[0]}:{address[1]}", simulated=self._simulated)
        self._links.move_to_end(address)
        return link

    async def _give(self, address: Address, data: bytes) -> bool:
        """An order to the last source of a device."""
        return self._door.send_nowait(data, address)

    def _keep(self, address: Address, link: DeviceLink) -> None:
        self._links[address] = link
        link.send = partial(self._give, address)
        if len(self._links) > SOURCES_KEPT_MAX:
            self._links.popitem(last=False)[1].ended()
