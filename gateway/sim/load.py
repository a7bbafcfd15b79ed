"""Open-loop load: routine frames and alarms on a fixed schedule, through real sockets, measured from the due time.

Nothing waits for anything: a frame is sent when it is due, whatever has been answered, so that a slow server shows up
as latency instead of as a lower rate (no coordinated omission). The sender's own lateness is reported beside it.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import trio

from gateway.clock import Clock
from gateway.model import Fix
from gateway.sim import speak

SECOND_US = 1_000_000
LATE_ENOUGH_US = 200
"The sender sleeps until this close to the due time."


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What to send."""

    frames_per_s: float = 1000.0
    alarms_per_s: float = 1.0
    seconds: float = 20.0
    tcp_devices: int = 200
    udp_devices: int = 200
    seed: int = 1
    lat_e7: int = 601_700_000
    lon_e7: int = 249_400_000
    spread_e7: int = 60_000


@dataclass(slots=True)
class Sent:
    """One alarm of the load, and what came of it. Microseconds on the host's clocks."""

    device: str
    due_wall_us: int
    due_mono_us: int
    sent_mono_us: int = 0
    answered_mono_us: int | None = None


@dataclass(slots=True)
class Tally:
    """What happened to the whole load."""

    routine_sent: int = 0
    routine_answered: int = 0
    lateness_us: list[int] = field(default_factory=list)
    alarms: list[Sent] = field(default_factory=list)
    broken: int = 0


class Fleet:
    """Devices of the load: GT06 over TCP, Teltonika over UDP. ``tcp[i]`` and ``udp[i]`` are their identities."""

    def __init__(self, options: LoadOptions, clock: Clock) -> None:
        self.options = options
        self.tally = Tally()
        self._clock = clock
        self._dice = random.Random(options.seed)
        self.tcp = [speak.test_imei(1_000 + number) for number in range(options.tcp_devices)]
        self.udp = [speak.test_imei(500_000 + number) for number in range(options.udp_devices)]
        self._streams: list[trio.SocketStream] = []
        self._serials = [10] * options.tcp_devices
        self._packets = 0
        self._waiting: dict[tuple[str, int], Sent] = {}
        self._heard = trio.Event()

    @property
    def identities(self) -> list[str]:
        """Every identity that must be enrolled."""
        return self.tcp + self.udp

    def _condition(self) -> speak.Condition:
        options, now = self.options, self._clock.now()
        lat_e7 = options.lat_e7 + self._dice.randint(-options.spread_e7, options.spread_e7)
        lon_e7 = options.lon_e7 + self._dice.randint(-options.spread_e7, options.spread_e7)
        return speak.Condition(Fix(lat_e7, lon_e7, now.wall_us, True, "gnss", 10.0, 5.0, 3.0, 90.0, 9), now.wall_us)

    async def run(self, host: str, tcp_port: int, udp_port: int) -> None:
        """Connect, send the whole schedule, wait a little for the last answers."""
        async with trio.open_nursery() as nursery:
            for number in range(self.options.tcp_devices):
                await self._connect(number, host, tcp_port, nursery)
            with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
                sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 1 << 20)
                await sock.connect((host, udp_port))
                nursery.start_soon(self._hear_datagrams, sock)
                await self._send_all(sock)
                with trio.move_on_after(5.0):
                    await self._wait_all_answered()
                nursery.cancel_scope.cancel()

    async def _wait_all_answered(self) -> None:
        while self._waiting:
            self._heard = trio.Event()
            await self._heard.wait()

    async def _connect(self, number: int, host: str, port: int, nursery: trio.Nursery) -> None:
        stream = await trio.open_tcp_stream(host, port)
        stream.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
        self._streams.append(stream)
        nursery.start_soon(self._hear, number, stream)
        await stream.send_all(speak.gt06_login(self.tcp[number], 1))

    def _schedule(self) -> list[tuple[float, bool]]:
        """(seconds, is alarm), in order; alarms stand between the routine frames at random places."""
        options = self.options
        routine = [(index / options.frames_per_s, False) for index in range(round(options.frames_per_s * options.seconds))]
        alarms = [
            ((index + self._dice.random()) / options.alarms_per_s, True) for index in range(round(options.alarms_per_s * options.seconds))
        ]
        return sorted(routine + alarms)

    async def _send_all(self, sock: trio.socket.SocketType) -> None:
        start = self._clock.now()
        fresh = self._alarm_devices()
        for due_s, is_alarm in self._schedule():
            due_us = round(due_s * SECOND_US)
            ahead_us = start.mono_us + due_us - self._clock.now().mono_us
            if ahead_us > LATE_ENOUGH_US:
                await trio.sleep((ahead_us - LATE_ENOUGH_US / 2) / 1e6)
            else:
                await trio.lowlevel.checkpoint()
            self.tally.lateness_us.append(max(0, self._clock.now().mono_us - start.mono_us - due_us))
            if is_alarm:
                await self._send_alarm(sock, next(fresh), start.wall_us + due_us, start.mono_us + due_us)
            else:
                await self._send_routine(sock)

    def _alarm_devices(self) -> Iterator[int]:
        """Device numbers for alarms: TCP and UDP in turn, each device once before any presses again."""
        for turn in itertools.count():
            if self.options.tcp_devices:
                yield turn % self.options.tcp_devices
            if self.options.udp_devices:
                yield self.options.tcp_devices + turn % self.options.udp_devices

    async def _send_routine(self, sock: trio.socket.SocketType) -> None:
        self.tally.routine_sent += 1
        number = self._dice.randrange(self.options.tcp_devices + self.options.udp_devices)
        try:
            if number < self.options.tcp_devices:
                self._serials[number] += 1
                say = speak.gt06_heartbeat if self._serials[number] % 4 == 0 else speak.gt06_position
                await self._streams[number].send_all(say(self._condition(), self._serials[number]))
            else:
                self._packets += 1
                data = speak.teltonika_data([speak.teltonika_record(self._condition(), sos=False)])
                await sock.send(speak.teltonika_udp(self.udp[number - self.options.tcp_devices], data, self._packets))
        except (OSError, trio.BrokenResourceError):
            self.tally.broken += 1

    async def _send_alarm(self, sock: trio.socket.SocketType, number: int, due_wall_us: int, due_mono_us: int) -> None:
        is_tcp = number < self.options.tcp_devices
        device = self.tcp[number] if is_tcp else self.udp[number - self.options.tcp_devices]
        sent = Sent(device, due_wall_us, due_mono_us)
        self.tally.alarms.append(sent)
        try:
            if is_tcp:
                self._serials[number] += 1
                self._waiting[device, self._serials[number] & 0xFFFF] = sent
                sent.sent_mono_us = self._clock.now().mono_us
                await self._streams[number].send_all(speak.gt06_alarm(self._condition(), self._serials[number]))
            else:
                self._packets += 1
                self._waiting["udp", self._packets & 0xFFFF] = sent
                data = speak.teltonika_data([speak.teltonika_record(self._condition(), sos=True)])
                sent.sent_mono_us = self._clock.now().mono_us
                await sock.send(speak.teltonika_udp(device, data, self._packets))
        except (OSError, trio.BrokenResourceError):
            self.tally.broken += 1

    def _answered(self, key: tuple[str, int]) -> None:
        sent = self._waiting.pop(key, None)
        if sent is None:
            self.tally.routine_answered += 1
        else:
            sent.answered_mono_us = self._clock.now().mono_us
            self._heard.set()

    async def _hear(self, number: int, stream: trio.SocketStream) -> None:
        rest = b""
        try:
            async for data in stream:
                rest += data
                # Answers to a GT06 device are ten bytes: header, 05, type, serial, checksum, tail.
                while len(rest) >= 10:
                    answer, rest = rest[:10], rest[10:]
                    self._answered((self.tcp[number], int.from_bytes(answer[4:6], "big")))
        except (OSError, trio.BrokenResourceError):
            self.tally.broken += 1

    async def _hear_datagrams(self, sock: trio.socket.SocketType) -> None:
        while True:
            answer = await sock.recv(512)
            self._answered(("udp", int.from_bytes(answer[2:4], "big")))
