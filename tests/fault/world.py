"""A simulated world around the real core and shell: fifty devices, a bad network, a disk that is cut off, a centre that fails.

One seed is one history. Everything that decides runs for real: sessions, desk, journal writer, lane, listeners, the client
to the centres and its HTTP; only the cables, the disk's platters, the clock and the people are made up.

What must be survived: lost, doubled and late datagrams; streams that break anywhere; power cuts with torn writes, half of
them within milliseconds after an answer; a centre that refuses, hangs or is gone; a wall clock that jumps by a day.
"""

import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import trio
import trio.testing
from trio._core import _run as trio_run

from gateway import events as ev
from gateway.alarms import AlarmOptions
from gateway.delivery.envelope import Sender
from gateway.delivery.options import CentreOptions, FallbackOptions, OutboxOptions, RouteOptions
from gateway.delivery.outbox import Outbox
from gateway.desk import Desk
from gateway.errors import CommandError, JournalError
from gateway.journal.options import JournalOptions
from gateway.journal.recovery import read_back, recover
from gateway.model import Case, CaseRef, CentreId, Device, DeviceId, Fix, Instant, State, Unit
from gateway.router.areas import Areas, AreaSource
from gateway.router.decide import Router
from gateway.router.options import RoadOptions
from gateway.server import replay
from gateway.shell.bulkhead import guarded
from gateway.shell.centre import CentreClient
from gateway.shell.disk import open_journal
from gateway.shell.fallback import Fallback
from gateway.shell.ingest import Ingest
from gateway.shell.lane import Lane
from gateway.shell.options import ListenOptions
from gateway.shell.tcp import serve_link
from gateway.shell.udp import UdpPort
from gateway.sim import speak
from gateway.sim.centre import StandInCentre
from gateway.sim.disk import SimDisk
from gateway.sim.network import DatagramPort, Network, Weather
from gateway.supervision import SupervisionOptions

START_US = 1_773_576_000_000_000
TCP_PORT, CENTRE_PORT = 5023, 8443
FAULTS_S, QUIET_S = 45.0, 35.0
"How long things go wrong, and how long the world then has to put everything right."
REPEAT_S = 8.0
"A device that has no answer presses its message again after so long."
CRASH_EVERY_S = 12.0
TCP_DEVICES, UDP_DEVICES = 35, 15


class SimClock:
    """Monotonic time is the simulation's; the wall clock can be set by anybody."""

    def __init__(self) -> None:
        self.offset_us = 0

    def now(self) -> Instant:
        mono_us = round(trio.current_time() * 1e6)
        return Instant(START_US + mono_us + self.offset_us, mono_us)


class People:
    """The registry of the simulated world (``model.Facts``)."""

    def __init__(self, count: int) -> None:
        self.imeis = [speak.test_imei(number) for number in range(count)]
        self._devices = {f"dev-{n}": Device(DeviceId(f"dev-{n}"), (self.imeis[n],), case_ref=CaseRef(f"case-{n}")) for n in range(count)}
        self._named = {self.imeis[n]: self._devices[f"dev-{n}"] for n in range(count)}

    def device(self, device_id: str) -> Device | None:
        return self._devices.get(device_id)

    def device_named(self, identifier: str) -> Device | None:
        return self._named.get(identifier)

    def case(self, case_ref: str) -> Case | None:
        return Case(CaseRef(case_ref))

    def unit(self, unit_id: str) -> Unit | None:
        return None

    def units(self) -> Iterator[Unit]:
        return iter(())

    def devices(self) -> list[Device]:
        return list(self._devices.values())


@dataclass(slots=True)
class Press:
    """One press of a button, as the device knows it."""

    device: str
    frame: bytes
    at_s: float
    acked_at_s: float | None = None


@dataclass(slots=True)
class Gateway:
    """One life of the gateway, from a start to a power cut."""

    desk: Desk
    lane: Lane
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Routes:
    """The centre client's network (``shell.dial.Network``)."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def resolve(self, host: str, port: int) -> list[str]:
        return ["192.0.2.1"]

    async def connect(self, address: str, port: int) -> trio.abc.Stream:
        return await self._network.connect(port)


class World:
    """Everything and everybody. ``run`` plays one history; ``faults`` then says what went wrong in it."""

    def __init__(
        self, seed: int, mutate: Callable[["Gateway"], None] = lambda gateway: None, tcp: int = TCP_DEVICES, udp: int = UDP_DEVICES
    ) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.clock = SimClock()
        self.tcp, self.udp = tcp, udp
        self.people = People(tcp + udp)
        self.presses: list[Press] = []
        self.disk = SimDisk(random.Random(seed + 1), sync_s=(0.0005, 0.02))
        self.centre = StandInCentre(lambda: self.clock.now().wall_us)
        self.gateway: Gateway | None = None
        self.crashes = 0
        self.history: list[str] = []
        self._mutate = mutate
        weather = Weather(
            loss=self.dice.uniform(0, 0.3), duplication=self.dice.uniform(0, 0.5), delay_s_max=self.dice.uniform(0.01, 2.0), break_share=0.02
        )
        self.network = Network(weather, random.Random(seed + 2))
        self._is_stormy = True
        self._answered = trio.Event()

    # -------------------------------------------------------------------------------------------------- playing

    def run(self) -> "World":
        """Play the history of this seed. Logging and trio are afterwards as they were, for the tests that follow."""
        log, was_ordered = logging.getLogger("gateway"), trio_run._ALLOW_DETERMINISTIC_SCHEDULING
        level = log.level
        log.setLevel(logging.CRITICAL)
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True
        trio_run._r.seed(self.seed)
        try:
            trio.run(self._play, clock=trio.testing.MockClock(autojump_threshold=0))
        finally:
            log.setLevel(level)
            trio_run._ALLOW_DETERMINISTIC_SCHEDULING = was_ordered
        return self

    async def _play(self) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.network.run)
            self.centre.with_nursery(nursery)
            self.network.listen(CENTRE_PORT, self.centre.serve)
            nursery.start_soon(self._keep_running)
            for number in range(self.tcp):
                nursery.start_soon(self._tcp_device, number)
            for number in range(self.tcp, self.tcp + self.udp):
                nursery.start_soon(self._udp_device, number)
            nursery.start_soon(self._operator)
            nursery.start_soon(self._trouble)
            await trio.sleep(FAULTS_S)
            self._is_stormy = False
            self.centre.play("ok")
            self.network.weather = Weather()
            await trio.sleep(QUIET_S)
            nursery.cancel_scope.cancel()

    def _note(self, what: str) -> None:
        self.history.append(f"{trio.current_time():.6f} {what}")

    # ---------------------------------------------------------------------------------------------- the gateway

    async def _keep_running(self) -> None:
        while True:
            await self._live()
            self.crashes += 1
            self._note("crash")
            self.disk = self.disk.crash()
            self.network.stop_listening(TCP_PORT)
            await trio.sleep(0.2 + self.dice.random() * 3)

    async def _live(self) -> None:
        with trio.CancelScope() as scope:
            journal_options = JournalOptions(segment_kib=256, reserve_mib=1)
            async with open_journal(Path("journal"), disk=self.disk, clock=self.clock, options=journal_options) as journal:
                centres = (
                    CentreOptions("cic", "cic", national_fallback=True, route=(RouteOptions("webhook", f"http://192.0.2.1:{CENTRE_PORT}/a"),)),
                )
                dice = random.Random(self.seed * 1000 + self.crashes)
                outbox = Outbox(OutboxOptions(), centres, self.people, dice)
                router = Router(Areas([AreaSource(CentreId("cic"), national_fallback=True)]), self.people, RoadOptions())
                desk = Desk(
                    self.people, router, outbox, AlarmOptions(), SupervisionOptions(), sender=Sender(), centre_ids=frozenset({"cic"})
                )
                client = CentreClient(centres, self.clock, Routes(self.network), dice)
                fallback = FallbackOptions()
                lane = Lane(desk, journal, self.clock, client, Fallback(fallback, self.clock, Routes(self.network)), fallback, Sender())
                gateway = Gateway(desk, lane, scope)
                self._mutate(gateway)
                replay(desk, journal, self.clock.now())
                async with trio.open_nursery() as nursery:
                    await nursery.start(client.run, lambda centre, route: self._route_up(gateway, centre, route))
                    lane.commit(desk.replayed(self.clock.now()), self.clock.now())
                    await nursery.start(lane.run)
                    ingest = Ingest(lane, self.clock)
                    door = DatagramPort(self.network, "udp sim")
                    self.network.attach(("gateway", 1), lambda data: door.deliver(data[8:], ("device", int.from_bytes(data[:8], "big"))))
                    port = UdpPort(ListenOptions("", "teltonika", "udp"), ingest, door)
                    nursery.start_soon(port.run)
                    options = ListenOptions("", "gt06")

                    async def accept(stream: trio.abc.Stream) -> None:
                        # A connection lives in the gateway's life and dies with it.
                        link = ingest.link(options, "tcp sim", "device:1")
                        nursery.start_soon(guarded, lambda inner: serve_link(inner, link, options, ingest), stream, port.counters)

                    self.network.listen(TCP_PORT, accept)
                    self.gateway = gateway
                    await trio.sleep_forever()

    def _route_up(self, gateway: Gateway, centre_id: str, route_id: str) -> None:
        gateway.desk.outbox.route_up(centre_id, route_id, self.clock.now())
        gateway.lane.push()

    # ------------------------------------------------------------------------------------------------ the devices

    def _condition(self) -> speak.Condition:
        at_us = START_US + round(trio.current_time() * 1e6)
        return speak.Condition(Fix(601_700_000, 249_400_000, at_us, True, "gnss", 10.0, 5.0, 3.0, 90.0, 9), at_us)

    def _press_times(self, number: int) -> list[float]:
        dice = random.Random(self.seed * 10_000 + number)
        return sorted(dice.uniform(1.0, FAULTS_S - 5.0) for _ in range(dice.choice((0, 1, 1, 2, 3))))

    async def _tcp_device(self, number: int) -> None:
        """Presses, and repeats until it is answered, over whatever connection there is."""
        device, times, serial = f"dev-{number}", self._press_times(number), 1
        waiting: dict[int, Press] = {}
        while True:
            try:
                stream = await self.network.connect(TCP_PORT)
                async with stream, trio.open_nursery() as nursery:
                    nursery.start_soon(self._hear_tcp, stream, waiting, nursery.cancel_scope)
                    await stream.send_all(speak.gt06_login(self.people.imeis[number], 1))
                    while True:
                        for press in list(waiting.values()):
                            await stream.send_all(press.frame)
                        patience_s = min([REPEAT_S] + [max(0.0, at_s - trio.current_time()) for at_s in times[:1]])
                        await trio.sleep(patience_s + 0.001)
                        if times and times[0] <= trio.current_time():
                            times.pop(0)
                            serial += 1
                            waiting[serial] = self._press(device, speak.gt06_alarm(self._condition(), serial))
                        elif self._is_stormy:
                            serial += 1
                            await stream.send_all(speak.gt06_position(self._condition(), serial))
            except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            await trio.sleep(1.0 + self.dice.random())

    def _press(self, device: str, frame: bytes) -> Press:
        press = Press(device, frame, trio.current_time())
        self.presses.append(press)
        self._note(f"press {device}")
        return press

    async def _hear_tcp(self, stream: trio.abc.Stream, waiting: dict[int, Press], scope: trio.CancelScope) -> None:
        rest = b""
        while data := await stream.receive_some(4096):
            rest += bytes(data)
            while len(rest) >= 10:
                answer, rest = rest[:10], rest[10:]
                press = waiting.pop(int.from_bytes(answer[4:6], "big"), None) if answer[3] == 0x26 else None
                if press is not None:
                    self._acked(press)
        scope.cancel()

    def _acked(self, press: Press) -> None:
        if press.acked_at_s is None:
            press.acked_at_s = trio.current_time()
            self._note(f"acked {press.device}")
            self._answered.set()

    async def _udp_device(self, number: int) -> None:
        device, times, packet = f"dev-{number}", self._press_times(number), 0
        waiting: dict[int, Press] = {}

        def hear(answer: bytes) -> None:
            press = waiting.pop(int.from_bytes(answer[2:4], "big"), None)
            if press is not None:
                self._acked(press)

        self.network.attach(("device", number), hear)
        while True:
            for press in list(waiting.values()):
                self.network.carry(number.to_bytes(8, "big") + press.frame, ("gateway", 1))
            await trio.sleep(min([REPEAT_S] + [max(0.0, at_s - trio.current_time()) for at_s in times[:1]]) + 0.001)
            if times and times[0] <= trio.current_time():
                times.pop(0)
                packet += 1
                data = speak.teltonika_data([speak.teltonika_record(self._condition(), sos=True)])
                waiting[packet] = self._press(device, speak.teltonika_udp(self.people.imeis[number], data, packet))

    # ------------------------------------------------------------------------------------------- people and trouble

    async def _operator(self) -> None:
        """Takes and ends alarms now and then, through the same door as a centre's callback."""
        while True:
            await trio.sleep(self.dice.uniform(4.0, 15.0))
            gateway = self.gateway
            if gateway is None or gateway.scope.cancel_called:
                continue
            open_ones = [alarm for alarm in gateway.desk.alarms() if alarm.state in (State.DELIVERED, State.ACKED)]
            if not open_ones:
                continue
            alarm = self.dice.choice(open_ones)
            try:
                events = gateway.desk.resolve(alarm.alarm_id, "ACCIDENTAL", "op", "cic", None, self.clock.now())
                await gateway.lane.record(events)
                self._note(f"resolved {alarm.alarm_id}")
            except (CommandError, JournalError):
                continue

    async def _trouble(self) -> None:
        """Power cuts, half of them right after an answer; a failing centre; a jumping clock."""
        next_crash_s = self.dice.uniform(5.0, CRASH_EVERY_S)
        while self._is_stormy:
            await trio.sleep(self.dice.uniform(1.0, 5.0))
            if not self._is_stormy:
                return  # The storm ended while we waited: the centre stays as it is.
            self.centre.play(self.dice.choice(("ok", "ok", "reject 503", "hang", "down", "late 4", "html", "half-json")))
            if self.dice.random() < 0.25:
                self.clock.offset_us += round(self.dice.choice((-86_400, -3_600, 3_600, 86_400)) * 1e6)
                self._note("wall clock set")
            if trio.current_time() >= next_crash_s and self.gateway is not None:
                if self.dice.random() < 0.5:
                    self._answered = trio.Event()
                    with trio.move_on_after(10.0):
                        await self._answered.wait()
                    await trio.sleep(self.dice.random() * 0.005)
                gateway, self.gateway = self.gateway, None
                # The power goes first: what the shell would still do while it unwinds reaches no disk.
                self.disk._is_dead = True
                gateway.scope.cancel()
                next_crash_s = trio.current_time() + self.dice.uniform(5.0, CRASH_EVERY_S)

    # --------------------------------------------------------------------------------------------------- judging

    def faults(self) -> list[str]:
        """What was promised and did not hold in this history."""
        entries = list(read_back(self.disk, recover(self.disk).stretches))
        return [*self._lost(entries), *self._unheard(), *self._two_ids(entries), *self._changed_bytes()]

    def _lost(self, entries: list[object]) -> Iterator[str]:
        """An acknowledged press is in the journal, whatever was cut off since."""
        kept = {entry.event.raw for entry in entries if isinstance(entry.event, ev.FrameKept)}  # type: ignore[attr-defined]
        for press in self.presses:
            if press.acked_at_s is not None and press.frame not in kept:
                yield f"{press.device}: acknowledged at {press.acked_at_s:.3f} s and not in the journal"

    def _unheard(self) -> Iterator[str]:
        """After the storm every press is acknowledged, and its centre knows of an alarm that was open after it."""
        known: dict[str, list[tuple[int, str]]] = {}
        for alert in self.centre.stored.values():
            device = alert["device"]["id"]  # type: ignore[index]
            heard = str(alert["times"]["received_at"])  # type: ignore[index]
            known.setdefault(str(device), []).append((len(heard), str(alert["state"])))
        for press in self.presses:
            if press.acked_at_s is None:
                yield f"{press.device}: pressed at {press.at_s:.3f} s and never acknowledged"
        for device, presses in self._by_device().items():
            if presses and device not in known:
                yield f"{device}: pressed {len(presses)} times and no centre has heard of it"
        for press in self._pressed_after_the_end():
            yield f"{press.device}: pressed at {press.at_s:.3f} s after its alarm was resolved, and nobody was told"

    def _by_device(self) -> dict[str, list[Press]]:
        found: dict[str, list[Press]] = {}
        for press in self.presses:
            found.setdefault(press.device, []).append(press)
        return found

    def _pressed_after_the_end(self) -> Iterator[Press]:
        """Presses whose alarm had been answered by a human: the centre must have been told of another, open one."""
        entries = list(read_back(self.disk, recover(self.disk).stretches))
        states: dict[str, str] = {}
        frame: ev.FrameKept | None = None
        by_frame = {press.frame: press for press in self.presses}
        for entry in entries:
            match entry.event:
                case ev.FrameKept():
                    frame = entry.event
                case ev.AlarmResolved(alarm_id=alarm_id):
                    states[alarm_id] = "resolved"
                case ev.AlarmPressed(alarm_id=alarm_id, copy=False) if states.get(alarm_id) == "resolved" and frame is not None:
                    if frame.raw in by_frame:
                        yield by_frame[frame.raw]

    def _two_ids(self, entries: list[object]) -> Iterator[str]:
        """One press makes one alarm, however often it comes and however often the power goes."""
        ids: dict[str, set[str]] = {}
        for entry in entries:
            event = entry.event  # type: ignore[attr-defined]
            if isinstance(event, ev.AlarmRaised) and "replay_suspect" not in event.doubts:
                ids.setdefault(event.press_key, set()).add(event.alarm_id)
        for key, found in ids.items():
            if len(found) > 1:
                yield f"press {key[:8]} has {len(found)} alarms"

    def _changed_bytes(self) -> Iterator[str]:
        """A message id stands for the same bytes for ever."""
        bodies: dict[str, set[bytes]] = {}
        for received in self.centre.received:
            bodies.setdefault(received.message_id, set()).add(blake2b(received.body).digest())
        for message_id, found in bodies.items():
            if len(found) > 1:
                yield f"message {message_id} came with {len(found)} bodies"
