"""A network inside one process: streams that break, datagrams that are lost, doubled and late. One seed, one history."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio
import trio.testing

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is."""

    loss: float = 0.0
    duplication: float = 0.0
    delay_s_max: float = 0.05
    break_share: float = 0.0
    "Chance that a stream breaks at any chunk."


class DatagramPort:
    """The gateway's end of a simulated datagram network (a ``shell.udp.DatagramDoor``)."""

    def __init__(self, network: "Network", name: str) -> None:
        self.name = name
        self.kernel_drops = 0
        self.errors = 0
        self._network = network
        self._queue: list[tuple[bytes, Address]] = []
        self._arrived = trio.Event()

    def deliver(self, data: bytes, address: Address) -> None:
        """The network brings a datagram."""
        self._queue.append((data, address))
        self._arrived.set()

    async def wait_readable(self) -> None:
        while not self._queue:
            self._arrived = trio.Event()
            await self._arrived.wait()
        await trio.lowlevel.checkpoint()

    def receive_nowait(self) -> tuple[bytes, Address] | None:
        return self._queue.pop(0) if self._queue else None

    def send_nowait(self, data: bytes, address: Address) -> bool:
        self._network.carry(data, address)
        return True


class Network:
    """Everybody's cables. Must run (``run``) for datagrams to travel."""

    def __init__(self, weather: Weather, dice: random.Random) -> None:
        self.weather = weather
        self._dice = dice
        self._receivers: dict[Address, Callable[[bytes], None]] = {}
        self._nursery: trio.Nursery | None = None
        self._listeners: dict[int, Callable[[trio.abc.Stream], Awaitable[None]]] = {}
        self.lost = 0

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    # ------------------------------------------------------------------------------------------------ datagrams

    def attach(self, address: Address, receive: Callable[[bytes], None]) -> None:
        """Somebody hears datagrams at this address."""
        self._receivers[address] = receive

    def carry(self, data: bytes, address: Address) -> None:
        """A datagram sets out: it may be lost, doubled, late."""
        for _ in range(2 if self._dice.random() < self.weather.duplication else 1):
            if self._dice.random() < self.weather.loss or self._nursery is None:
                self.lost += 1
                continue
            self._nursery.start_soon(self._arrive, data, address, self._delay())

    async def _arrive(self, data: bytes, address: Address, delay_s: float) -> None:
        await trio.sleep(delay_s)
        receive = self._receivers.get(address)
        if receive is not None:
            receive(data)

    def _delay(self) -> float:
        # A grain of jitter keeps two deadlines from ever being the same instant.
        return self._dice.uniform(0.0001, self.weather.delay_s_max) + self._dice.random() * 1e-6

    # -------------------------------------------------------------------------------------------------- streams

    def listen(self, port: int, serve: Callable[[trio.abc.Stream], Awaitable[None]]) -> None:
        """Somebody accepts streams at this port. ``serve`` runs in a task of its own and owns the stream."""
        self._listeners[port] = serve

    def stop_listening(self, port: int) -> None:
        """Connections are refused from now on."""
        self._listeners.pop(port, None)

    async def connect(self, port: int) -> trio.abc.Stream:
        """A stream to whoever listens. Raises OSError when nobody does, or the weather says no."""
        await trio.sleep(self._delay())
        serve = self._listeners.get(port)
        if serve is None or self._nursery is None or self._dice.random() < self.weather.loss:
            raise ConnectionRefusedError(f"nobody listens at {port}")
        near, far = trio.testing.memory_stream_pair()
        self._nursery.start_soon(serve, far)
        return FragileStream(near, self._dice, self.weather)


class FragileStream(trio.abc.Stream):
    """A stream that is cut anywhere and breaks now and then, after part of what was sent has gone."""

    def __init__(self, inner: trio.abc.Stream, dice: random.Random, weather: Weather) -> None:
        self._inner = inner
        self._dice = dice
        self._weather = weather

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        data = bytes(data)
        if self._dice.random() < self._weather.break_share:
            await self._inner.send_all(data[: self._dice.randint(0, len(data))])
            await self._inner.aclose()
            raise trio.BrokenResourceError
        cut = self._dice.randint(0, len(data))
        for part in (data[:cut], data[cut:]):
            if part:
                await self._inner.send_all(part)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._dice.random() < self._weather.break_share:
            await self._inner.aclose()
            raise trio.BrokenResourceError
        return bytes(await self._inner.receive_some(max_bytes))

    async def aclose(self) -> None:
        await self._inner.aclose()
