"""The stage of the demo: a whole gateway with everybody who plays a part around it, in one process.

The gateway is the real one, reached by everybody through its real sockets: devices over TCP, UDP, SMS and HTTPS paths,
units through the positions API, two stand-in centres by signed webhooks, of which the eastern one fails on cue.
"""

import base64
import os
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from gateway.api.hmac_auth import canonical, sign
from gateway.clock import Clock
from gateway.config import Config, load_config
from gateway.errors import CommandError
from gateway.model import Alarm, State
from gateway.registry.credentials import TOKEN_BYTES, hash_secret, new_token
from gateway.registry.registry import Wish
from gateway.router.roads import Roads
from gateway.server import Ready, Server, serve
from gateway.shell.registry_files import open_registry
from gateway.sim import speak
from gateway.sim.centre import Callback, ReceivedAlert, StandInCentre
from gateway.sim.devices import AppDevice, Persona, SmsDevice, Speaker, TcpDevice, UdpDevice, Wearer
from gateway.sim.town import Place, Town, places
from gateway.sim.units import Patrols

UNITS = tuple(f"H-{number:02d}" for number in range(1, 13))
PERSONAS = (
    Persona("sim-gt06", speak.test_imei(1), "gt06", "Button (GT06, TCP)"),
    Persona("sim-watch", speak.test_imei(2)[5:], "watch", "Watch (TCP)"),
    Persona("sim-teltonika", speak.test_imei(3), "teltonika", "Tracker (Teltonika, UDP)"),
    Persona("sim-sms", "+35850000004", "sms", "Tracker by SMS"),
    Persona("sim-app", "sim-app", "app", "App"),
)
OPERATOR = "operator"
ON_SCENE_S = 10.0
"How long the police stay before the alarm is ended."
EAST_FAILS = "reject 503 x6, down"
"What the failing centre does: errors first, then nothing."


@dataclass(frozen=True, slots=True)
class Keys:
    """Made anew for every demo, written into its folder, gone with it."""

    password: str
    app_key: bytes
    sms_path: str


def config_text(town: Town, folder: Path, api_bind: str, centre_ports: dict[str, int]) -> str:
    """The configuration of the demo's gateway."""
    centres = "".join(
        f"""
[[centre]]
id = "{name}"
name = "Centre {name}"
area = "{town.areas_file}"
area_filter = "centre={name}"
backup = "{other}"
national_fallback = {"true" if name == "west" else "false"}
test = true
[[centre.route]]
kind = "webhook"
url = "http://127.0.0.1:{centre_ports[name]}/alerts"
secret_files = ["{folder / name}.secret"]
"""
        for name, other in (("west", "east"), ("east", "west"))
    )
    return f"""
[gateway]
name = "demo"
data_dir = "{folder / "data"}"
simulation = true
reserve_mib = 8
[api]
bind = "{api_bind}"
tiles_file = "{town.tiles_file}"
[[listen]]
bind = "127.0.0.1:0"
protocol = "auto"
[[listen]]
bind = "127.0.0.1:0"
protocol = "teltonika"
transport = "udp"
[[sms]]
kind = "kannel"
path_secret_file = "{folder / "sms.secret"}"
[roads]
file = "{town.roads_file}"
[alarms]
track_interval_s = 4.0
{centres}"""


def write_private(path: Path, text: str) -> None:
    """A file that only we may read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="ascii")


def make_keys(folder: Path) -> tuple[Keys, dict[str, bytes]]:
    """Secrets of the demo; those of the centres by name."""
    centre_keys = {name: os.urandom(32) for name in ("west", "east")}
    for name, key in centre_keys.items():
        write_private(folder / f"{name}.secret", "whsec_" + base64.b64encode(key).decode())
    sms_path = secrets.token_urlsafe(24)
    write_private(folder / "sms.secret", sms_path)
    return Keys(secrets.token_urlsafe(12), os.urandom(32), sms_path), centre_keys


def enrol(data_dir: Path, keys: Keys, now_us: int) -> str:
    """Enter the cast into the registry; the token of the units' radio."""
    token, token_hash = new_token("radio", os.urandom(TOKEN_BYTES))
    wishes = [Wish("unit", unit_id, {"simulated": True}) for unit_id in UNITS]
    for number, persona in enumerate(PERSONAS, 1):
        wishes.append(Wish("case", f"DEMO-{number}", {"state": "ACTIVE", "zone": "demo", "risk": "high"}))
        device: dict[str, object] = {
            "identifiers": [persona.identity], "protocol": persona.protocol, "case_ref": f"DEMO-{number}", "simulated": True, "interval_s": 60,
        }  # fmt: skip
        if persona.protocol == "app":
            device["app_key_hex"] = keys.app_key.hex()
        wishes.append(Wish("device", persona.device_id, device))
    wishes.append(Wish("user", OPERATOR, {"role": "supervisor", "centre_id": "*", "secret_hash": hash_secret(keys.password)}))
    wishes.append(Wish("user", "radio", {"role": "carrier", "secret_hash": token_hash}))
    with open_registry(data_dir) as registry:
        registry.apply(wishes, "demo", now_us)
    return token


class Stage:
    """Everybody, ready to play. Also the demo panel's buttons (``api.doors.Simulation``)."""

    def __init__(self, folder: Path, town: Town, clock: Clock, *, seed: int = 1, human_after_s: float = 12.0) -> None:
        """``human_after_s``: how long the stand-in operators let an alarm ring before one of them takes it."""
        self.folder = folder
        self.town = town
        self.clock = clock
        self.devices: dict[str, Speaker] = {}
        self.centres: dict[str, StandInCentre] = {}
        self.server: Server | None = None
        self.ready: Ready | None = None
        self.roads = Roads.open(town.roads_file)
        self.dice = random.Random(seed)
        self.stops = places(self.roads, 40, self.dice)
        self.keys, self._centre_keys = make_keys(folder)
        self.patrols = Patrols(self.roads, self.stops, UNITS, self.dice)
        self._human_after_s = human_after_s
        self._nursery: trio.Nursery | None = None
        self._sent: dict[str, str] = {}
        "alarm id -> the unit that was sent"

    # ----------------------------------------------------------------------------------------- the demo's panel

    def buttons(self) -> list[dict[str, object]]:
        """Simulated devices that can be pressed."""
        return [{"device": one.device_id, "protocol": one.protocol, "label": one.label} for one in PERSONAS]

    def press(self, device: str, kind: str = "sos_button") -> None:
        """Press one: it sends real bytes over a real socket. Raises CommandError when it is none of ours."""
        speaker = self.devices.get(device)
        if speaker is None or self._nursery is None:
            raise CommandError(f"no simulated device {device!r}; there are {', '.join(self.devices)}", code="unknown_device")
        self._nursery.start_soon(speaker.press)

    # ------------------------------------------------------------------------------------------------ the play

    async def run(self, api_bind: str, tell: Callable[[str], None], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the gateway and everybody around it; play until cancelled, or until the gateway is told to stop (SIGTERM, Ctrl-C)."""
        listeners = {name: await trio.open_tcp_listeners(0, host="127.0.0.1") for name in ("west", "east")}
        ports = {name: int(bound[0].socket.getsockname()[1]) for name, bound in listeners.items()}
        config_file = self.folder / "gateway.toml"
        config_file.write_text(config_text(self.town, self.folder, api_bind, ports), encoding="utf-8")
        config = load_config(config_file)
        units_token = await trio.to_thread.run_sync(enrol, Path(config.gateway.data_dir), self.keys, self.clock.now().wall_us)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.ready, self.server = await nursery.start(self._serve, config, nursery.cancel_scope)
            assert self.ready is not None
            host, port = self.ready.api
            for name, bound in listeners.items():
                self.centres[name] = self._centre(name, f"http://{host}:{port}", tell)
                await nursery.start(self.centres[name].run, bound)
            nursery.start_soon(self.patrols.run, host, port, units_token)
            for speaker in self._cast(host, port):
                self.devices[speaker.persona.device_id] = speaker
                nursery.start_soon(speaker.run)
            nursery.start_soon(self._direct)
            task_status.started()

    async def _serve(self, config: Config, scope: trio.CancelScope, task_status: trio.TaskStatus[tuple[Ready, Server]]) -> None:
        """The gateway; when it ends, the play is over."""
        await serve(config, clock=self.clock, simulation=self, task_status=task_status)
        scope.cancel()

    def _centre(self, name: str, gateway_url: str, tell: Callable[[str], None]) -> StandInCentre:
        def hear(received: ReceivedAlert) -> None:
            self._hear(name, received, tell)

        return StandInCentre(
            lambda: self.clock.now().wall_us,
            script=EAST_FAILS if name == "east" else "ok",
            secrets=[self._centre_keys[name]],
            callbacks=[Callback("accepted", self._human_after_s), Callback("dispatched", self._human_after_s + 1.5)],
            gateway_url=gateway_url,
            operator=f"{name}-operator",
            on_alert=hear,
        )

    def _cast(self, host: str, port: int) -> list[Speaker]:
        assert self.ready is not None
        (_, tcp_host, tcp_port), (_, udp_host, udp_port) = self.ready.devices
        by_protocol = {persona.protocol: persona for persona in PERSONAS}
        wearers = {protocol: Wearer(*self._home(protocol), random.Random(protocol)) for protocol in by_protocol}

        def parts(protocol: str) -> tuple[Persona, Wearer, Clock]:
            return by_protocol[protocol], wearers[protocol], self.clock

        return [
            TcpDevice(*parts("gt06"), tcp_host, tcp_port),
            TcpDevice(*parts("watch"), tcp_host, tcp_port),
            UdpDevice(*parts("teltonika"), udp_host, udp_port),
            SmsDevice(*parts("sms"), host, port, f"/sms/kannel/{self.keys.sms_path}"),
            AppDevice(*parts("app"), host, port, self._sign_app),
        ]

    def _home(self, protocol: str) -> Place:
        """West for most, so that the working centre has the first alarm; the tracker's wearer lives in the east."""
        by_lon = sorted(self.stops, key=lambda place: place[1])
        third = len(by_lon) // 3
        return by_lon[-2] if protocol == "teltonika" else by_lon[len(protocol) % third]

    def _sign_app(self, method: str, target: str, message_id: str, body: bytes) -> dict[str, str]:
        stamp = str(self.clock.now().wall_us // 1_000_000)
        signature = sign(self.keys.app_key, canonical(method, target, message_id, stamp, body))
        return {
            "content-type": "application/json", "x-gw-id": message_id, "x-gw-time": stamp, "x-gw-key": "sim-app", "x-gw-sig": signature,
        }  # fmt: skip

    def _hear(self, name: str, received: ReceivedAlert, tell: Callable[[str], None]) -> None:
        """Tell the reader what a centre received."""
        alarm_id, event = str(received.alert.get("alarm_id")), str(received.alert.get("event"))
        if event in ("raised", "closed", "escalated"):
            tell(f"centre {name}: {event} {alarm_id[:12]}, case {received.alert['case']['reference']}: {received.step.name}")  # type: ignore[index]

    def _send_unit(self, alarm: Alarm) -> None:
        """The assigned unit, or else the proposed one, sets out."""
        seen = alarm.position or alarm.last_known
        proposed = alarm.decision.proposal.candidates[0].unit_id if alarm.decision and alarm.decision.proposal.candidates else None
        unit_id = str(alarm.unit_assigned or proposed)
        if seen is not None and self.patrols.send(unit_id, seen.fix.lat_e7, seen.fix.lon_e7):
            self._sent[alarm.alarm_id] = unit_id

    async def _direct(self) -> None:
        """Sent units drive; where one arrives, the operator ends the alarm a while later; then the button is calm again."""
        arrived: dict[str, float] = {}
        assert self.server is not None
        while True:
            await trio.sleep(0.5)
            for alarm in self.server.desk.alarms():
                unit_id = self._sent.get(alarm.alarm_id)
                if alarm.state is State.DISPATCHED and unit_id is None:
                    self._send_unit(alarm)
                elif alarm.state is State.DISPATCHED and unit_id and self.patrols.patrols[unit_id].has_arrived:
                    arrived[alarm.alarm_id] = trio.current_time()
                    await self._say(alarm.alarm_id, {"level": "arrived", "unit": unit_id, "operator": "west-operator"})
                elif alarm.state is State.ON_SCENE and trio.current_time() - arrived.get(alarm.alarm_id, 0.0) > ON_SCENE_S:
                    await self.finish(alarm.alarm_id)
                elif not alarm.is_open or alarm.state is State.RESOLVED:
                    self.patrols.release(self._sent.pop(alarm.alarm_id, ""))
                    self._calm(alarm)

    def _calm(self, alarm: Alarm) -> None:
        """Her button stops reporting, unless she has pressed again since."""
        assert self.server is not None
        others = [one for one in self.server.desk.alarms() if one.device_id == alarm.device_id and one.is_open and one.state is not State.RESOLVED]
        if alarm.device_id in self.devices and not others:
            self.devices[alarm.device_id].calm()

    async def finish(self, alarm_id: str) -> None:
        """The operator resolves it."""
        await self._say(alarm_id, {"level": "closed", "operator": "west-operator", "outcome": "REAL_OFFENDER_GONE"})

    async def _say(self, alarm_id: str, body: dict[str, object]) -> None:
        """The western centre's callback, signed as a real one."""
        assert self.ready is not None
        await self.centres["west"].tell(alarm_id, body)
