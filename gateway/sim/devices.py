"""Simulated devices: they speak the real bytes over real sockets, walk about, and can be pressed."""

import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlencode

import h11
import trio

from gateway.clock import Clock
from gateway.model import Fix
from gateway.positions import METRES_PER_E7
from gateway.sim import speak
from gateway.sim.caller import call

HEARTBEAT_S = 20.0
LIVE_S = 2.0
"Reporting interval while an alarm is open; a real device uses ten seconds, a demo has less patience."
RECONNECT_S = 1.0


class Wearer:
    """Somebody who walks about near where she started; never faster than a brisk walk."""

    def __init__(self, lat_e7: int, lon_e7: int, dice: random.Random) -> None:
        self._home = (lat_e7, lon_e7)
        self._place = [float(lat_e7), float(lon_e7)]
        self._course_deg = dice.uniform(0, 360)
        self._dice = dice
        self.speed_ms = 1.3

    def walk(self, seconds: float) -> None:
        """Go on for so long, turning a little, and back when home is far."""
        away_m = abs(self._place[0] - self._home[0]) * METRES_PER_E7
        self._course_deg = (self._course_deg + self._dice.uniform(-30, 30) + (180 if away_m > 400 else 0)) % 360
        step = self.speed_ms * seconds / METRES_PER_E7
        course = math.radians(self._course_deg)
        self._place[0] += step * math.cos(course)
        self._place[1] += step * math.sin(course) / max(0.1, math.cos(math.radians(self._place[0] / 1e7)))

    def fix(self, at_us: int) -> Fix:
        """Where she is now, as a good receiver would say it."""
        return Fix(
            round(self._place[0]), round(self._place[1]), at_us, True, "gnss", 8.0, 10.0, round(self.speed_ms * 3.6, 1), round(self._course_deg, 1), 9
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Persona:
    """Who a simulated device is."""

    device_id: str
    identity: str
    protocol: str
    label: str


class Speaker(Protocol):
    """One simulated device on its own road into the gateway."""

    persona: Persona

    async def run(self) -> None:
        """Live until cancelled: connect, log in, heartbeat, report while an alarm is open."""

    async def press(self) -> None:
        """Hold the button for two seconds, as far as anybody can see."""

    def calm(self) -> None:
        """The alarm is over; back to heartbeats."""


class _Device:
    """What every simulated device has: a wearer, a clock, a serial number and the knowledge of an open alarm."""

    def __init__(self, persona: Persona, wearer: Wearer, clock: Clock, host: str, port: int) -> None:
        self.persona = persona
        self.wearer = wearer
        self.answers = 0
        "Answers that the gateway gave."
        self._clock = clock
        self._host, self._port = host, port
        self._serial = 0
        self._is_alarmed = False
        self._presses_send, self._presses_receive = trio.open_memory_channel[None](8)

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def _condition(self) -> speak.Condition:
        at_us = self._clock.now().wall_us
        return speak.Condition(self.wearer.fix(at_us), at_us)

    async def press(self) -> None:
        """Ask the running device to press."""
        await self._presses_send.send(None)

    def calm(self) -> None:
        self._is_alarmed = False

    async def _pressed_within(self, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await self._presses_receive.receive()
            self._is_alarmed = True
            return True
        return False


class TcpDevice(_Device):
    """GT06 or Watch: one connection, opened again whenever it breaks."""

    def __init__(self, persona: Persona, wearer: Wearer, clock: Clock, host: str, port: int) -> None:
        super().__init__(persona, wearer, clock, host, port)
        self._say = _GT06 if persona.protocol == "gt06" else _WATCH

    async def run(self) -> None:
        while True:
            try:
                async with await trio.open_tcp_stream(self._host, self._port) as stream, trio.open_nursery() as nursery:
                    nursery.start_soon(self._listen, stream, nursery.cancel_scope)
                    await stream.send_all(self._say.login(self, self._condition()))
                    await self._live(stream)
            except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            await trio.sleep(RECONNECT_S)

    async def _listen(self, stream: trio.SocketStream, scope: trio.CancelScope) -> None:
        async for _ in stream:
            self.answers += 1
        scope.cancel()

    async def _live(self, stream: trio.SocketStream) -> None:
        while True:
            interval_s = LIVE_S if self._is_alarmed else HEARTBEAT_S
            if await self._pressed_within(interval_s):
                await stream.send_all(self._say.alarm(self, self._condition()))
                continue
            self.wearer.walk(interval_s)
            say = self._say.position if self._is_alarmed else self._say.heartbeat
            await stream.send_all(say(self, self._condition()))


@dataclass(frozen=True, slots=True)
class _Language:
    """The four things that a device on a connection says."""

    login: Callable[[_Device, speak.Condition], bytes]
    heartbeat: Callable[[_Device, speak.Condition], bytes]
    position: Callable[[_Device, speak.Condition], bytes]
    alarm: Callable[[_Device, speak.Condition], bytes]


_GT06 = _Language(
    lambda me, now: speak.gt06_login(me.persona.identity, me._next_serial()),
    lambda me, now: speak.gt06_heartbeat(now, me._next_serial()),
    lambda me, now: speak.gt06_position(now, me._next_serial()),
    lambda me, now: speak.gt06_alarm(now, me._next_serial()),
)
_WATCH = _Language(
    lambda me, now: speak.watch_frame(me.persona.identity, "LK,0,0,80"),
    lambda me, now: speak.watch_frame(me.persona.identity, "LK,0,0,80"),
    lambda me, now: speak.watch_report(me.persona.identity, now),
    lambda me, now: speak.watch_report(me.persona.identity, now, status=1 << 16, kind="AL"),
)


class UdpDevice(_Device):
    """Teltonika over UDP: a datagram is repeated until its packet id comes back."""

    async def run(self) -> None:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
            await sock.connect((self._host, self._port))
            while True:
                interval_s = LIVE_S if self._is_alarmed else HEARTBEAT_S
                is_press = await self._pressed_within(interval_s)
                if not is_press:
                    self.wearer.walk(interval_s)
                await self._send(sock, is_press)

    async def _send(self, sock: trio.socket.SocketType, is_press: bool) -> None:
        serial = self._next_serial()
        data = speak.teltonika_data([speak.teltonika_record(self._condition(), sos=is_press)])
        datagram = speak.teltonika_udp(self.persona.identity, data, serial)
        for _ in range(4):
            await sock.send(datagram)
            with trio.move_on_after(1.0):
                while True:
                    answer = await sock.recv(512)
                    if answer[2:4] == (serial & 0xFFFF).to_bytes(2, "big"):
                        self.answers += 1
                        return


class SmsDevice(_Device):
    """A tracker without data: its carrier's bridge brings the text over HTTP, in Kannel's form."""

    def __init__(self, persona: Persona, wearer: Wearer, clock: Clock, host: str, port: int, path: str) -> None:
        super().__init__(persona, wearer, clock, host, port)
        self._path = path

    async def run(self) -> None:
        while True:
            if not await self._pressed_within(HEARTBEAT_S):
                self.wearer.walk(HEARTBEAT_S)
                continue
            now = self._condition()
            query = urlencode(
                {
                    "from": self.persona.identity, "to": "112112", "hex": speak.sms_text(now).encode().hex(), "coding": "0", "charset": "UTF-8",
                    "udh": "", "smsc": "sim", "id": f"sim-{self.persona.device_id}-{self._next_serial()}", "ts": str(now.at_us // 1_000_000),
                }  # fmt: skip
            )
            try:
                status, _ = await call(self._host, self._port, "GET", f"{self._path}?{query}")
                self.answers += status == 200
            except (OSError, trio.TooSlowError, h11.RemoteProtocolError):
                await trio.sleep(RECONNECT_S)


class AppDevice(_Device):
    """An app: a signed press over HTTPS, and its position while the alarm is open."""

    def __init__(
        self, persona: Persona, wearer: Wearer, clock: Clock, host: str, port: int, sign: Callable[[str, str, str, bytes], dict[str, str]]
    ) -> None:
        super().__init__(persona, wearer, clock, host, port)
        self._sign = sign

    async def run(self) -> None:
        while True:
            is_press = await self._pressed_within(LIVE_S if self._is_alarmed else HEARTBEAT_S)
            if not is_press and not self._is_alarmed:
                continue
            self.wearer.walk(LIVE_S)
            fix = replace(self.wearer.fix(self._clock.now().wall_us), source="app")
            body = {
                "id": f"{self.persona.device_id}-{self._next_serial()}",
                "kind": "sos_app" if is_press else "position",
                "position": {"lat": fix.lat_e7 / 1e7, "lon": fix.lon_e7 / 1e7, "accuracy_m": 6.0},
                "battery_percent": 71,
            }
            payload = json.dumps(body).encode()
            try:
                headers = self._sign("POST", "/api/v1/press", str(body["id"]), payload)
                status, _ = await call(self._host, self._port, "POST", "/api/v1/press", payload, headers)
                self.answers += 200 <= status < 300
            except (OSError, trio.TooSlowError, h11.RemoteProtocolError):
                await trio.sleep(RECONNECT_S)
