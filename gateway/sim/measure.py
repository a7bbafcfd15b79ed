"""A load run against a whole gateway in a process of its own: what came through, how fast, and that nothing is missing."""

import base64
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import trio

from gateway import __version__
from gateway.clock import SystemClock
from gateway.events import AlarmDurable, AlarmRaised, AlarmRouted
from gateway.registry.registry import Wish
from gateway.router.roads import Roads
from gateway.shell.registry_files import open_registry
from gateway.shell.stories import entries_of
from gateway.sim.centre import ReceivedAlert, StandInCentre
from gateway.sim.load import Fleet, LoadOptions, Sent
from gateway.sim.stage import write_private
from gateway.sim.town import Town, build_town, places

START_S = 20.0
SETTLE_S = 1.5
UNITS = 40

TARGETS_MS = {
    "durable_and_answered": {"p50": 2.0, "p99": 10.0},
    "decided": {"p99": 20.0},
    "delivered": {"p99": 50.0},
}
"At 1,000 frames/s with one alarm a second."


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway in a process of its own."""

    process: subprocess.Popen[str]
    http: tuple[str, int]
    tcp_port: int
    udp_port: int

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)


def percentiles(values: Sequence[float]) -> dict[str, float | int]:
    """p50, p90, p99, p99.9 and the largest, with how many there were; empty when there are none."""
    if not values:
        return {"n": 0}
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

    return {"n": len(ordered), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p99_9": at(0.999), "max": round(ordered[-1], 3)}


def machine() -> dict[str, object]:
    """What it ran on."""
    return {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version(), "gateway": __version__}


def disk_sync_ms(folder: Path, rounds: int = 60) -> dict[str, float | int]:
    """What a small append and fdatasync cost here, without us."""
    took = []
    descriptor = os.open(folder / "sync-probe", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(rounds):
            began = time.perf_counter()
            os.write(descriptor, bytes(300))
            os.fdatasync(descriptor)
            took.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(descriptor)
        (folder / "sync-probe").unlink()
    return percentiles(took)


def jitter_ms(seconds: float = 1.0) -> dict[str, float | int]:
    """How late a one-millisecond sleeper wakes: the noise of the machine itself."""
    late, end = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        time.sleep(0.001)
        late.append((time.perf_counter() - began) * 1000 - 1.0)
    return percentiles(late)


def prepare(folder: Path, town: Town, fleet: Fleet, centre_port: int, seed: int) -> Path:
    """Configuration and registry of a gateway for this fleet; the configuration file."""
    write_private(folder / "centre.secret", "whsec_" + base64.b64encode(bytes(range(32))).decode())
    config = folder / "gateway.toml"
    config.write_text(
        f"""
[gateway]
data_dir = "{folder / "data"}"
simulation = true
reserve_mib = 8
[api]
bind = "127.0.0.1:0"
[[listen]]
bind = "127.0.0.1:0"
protocol = "gt06"
[[listen]]
bind = "127.0.0.1:0"
protocol = "teltonika"
transport = "udp"
[[centre]]
id = "centre"
national_fallback = true
test = true
[[centre.route]]
kind = "webhook"
url = "http://127.0.0.1:{centre_port}/alerts"
secret_files = ["{folder / "centre.secret"}"]
[roads]
file = "{town.roads_file}"
position_age_max_s = 86400.0
""",
        encoding="utf-8",
    )
    wishes = [Wish("unit", f"U-{number}", {"simulated": True}) for number in range(UNITS)]
    for number, identity in enumerate(fleet.identities):
        wishes.append(Wish("case", f"LOAD-{number}", {"state": "ACTIVE"}))
        wishes.append(Wish("device", f"load-{number}", {"identifiers": [identity], "case_ref": f"LOAD-{number}", "simulated": True}))
    with open_registry(folder / "data") as registry:
        registry.apply(wishes, "load", time.time_ns() // 1000)
    return config


def start(config: Path, log: Path) -> Gateway:
    """Start a gateway and wait until it says that it is ready."""
    with log.open("a", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "-c", str(config), "--log-level", "ERROR"], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("ready "):
        process.kill()
        raise RuntimeError(f"the gateway did not start: {line!r}; see {log}")
    doors = dict(part.split("=") for part in line.split()[1:])
    host, _, port = doors["http"].rpartition(":")
    return Gateway(process, (host, int(port)), *(int(doors[name].rpartition(":")[2]) for name in ("gt06/tcp", "teltonika/udp")))


async def measure(folder: Path, options: LoadOptions) -> dict[str, object]:
    """Run the load; every figure with its percentiles, and whether anything acknowledged is missing."""
    clock = SystemClock()
    town = build_town(folder, None, lambda text: None)
    roads = Roads.open(town.roads_file)
    dice = random.Random(options.seed)
    fleet = Fleet(options, clock)
    heard: dict[str, int] = {}

    def hear(received: ReceivedAlert) -> None:
        if received.verified:
            heard.setdefault(str(received.alert["alarm_id"]), received.at_us)

    centre = StandInCentre(lambda: clock.now().wall_us, secrets=[bytes(range(32))], on_alert=hear)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = int(listeners[0].socket.getsockname()[1])
    config = prepare(folder, town, fleet, port, options.seed)
    noise = {"disk_sync_ms": disk_sync_ms(folder), "sleeper_late_ms": jitter_ms()}
    gateway = await trio.to_thread.run_sync(start, config, folder / "gateway.log")
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(centre.run, listeners)
            await post_units(folder, places(roads, UNITS, dice))
            with trio.move_on_after(options.seconds * 3 + START_S):
                await fleet.run("127.0.0.1", gateway.tcp_port, gateway.udp_port)
            await trio.sleep(SETTLE_S)
            nursery.cancel_scope.cancel()
        cpu_s = _cpu_s(gateway.process.pid)
    finally:
        code = await trio.to_thread.run_sync(gateway.stop)
    return {**report(folder, options, fleet, heard), "noise": noise, "machine": machine(), "exit_code": code, "gateway_cpu_s": cpu_s}


async def post_units(folder: Path, stops: Sequence[tuple[int, int]]) -> None:
    """Where the units stand, through the control socket."""
    from gateway.commands.control import ask

    batch = [{"unit": f"U-{number}", "lat": lat / 1e7, "lon": lon / 1e7} for number, (lat, lon) in enumerate(stops)]
    status, answer = await trio.to_thread.run_sync(ask, folder / "data", "POST", "/api/v1/units/positions", batch)
    assert status == 200, answer


def _cpu_s(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(folder: Path, options: LoadOptions, fleet: Fleet, heard: dict[str, int]) -> dict[str, object]:
    """Hold what was sent against what the journal and the centre have."""
    devices = {f"load-{number}": identity for number, identity in enumerate(fleet.identities)}
    sent = {one.device: one for one in fleet.tally.alarms}
    raised: dict[str, str] = {}
    durable_ms: list[float] = []
    decided_ms: list[float] = []
    delivered_ms: list[float] = []
    for entry in entries_of(folder / "data" / "journal"):
        match entry.event:
            case AlarmRaised(alarm_id=alarm_id, device=device):
                raised.setdefault(devices[device], alarm_id)
            case AlarmDurable(alarm_id=alarm_id, durable_at_us=at_us):
                _note(durable_ms, raised, sent, alarm_id, at_us)
            case AlarmRouted(alarm_id=alarm_id, decision=decision, reason="raised"):
                _note(decided_ms, raised, sent, alarm_id, decision.decided_at_us)
    for alarm_id, at_us in heard.items():
        _note(delivered_ms, raised, sent, alarm_id, at_us)
    answered = [(one.answered_mono_us - one.due_mono_us) / 1000 for one in fleet.tally.alarms if one.answered_mono_us is not None]
    acknowledged = {one.device for one in fleet.tally.alarms if one.answered_mono_us is not None}
    figures = {
        "durable": percentiles(durable_ms),
        "durable_and_answered": percentiles(answered),
        "decided": percentiles(decided_ms),
        "delivered": percentiles(delivered_ms),
    }
    lost = sorted(identity for identity in acknowledged if identity not in raised)
    undelivered = [alarm_id for alarm_id in raised.values() if alarm_id not in heard]
    met = {
        f"{name} {mark}": {"target_ms": target, "measured_ms": figures[name].get(mark), "met": figures[name].get(mark, 1e9) <= target}
        for name, marks in TARGETS_MS.items()
        for mark, target in marks.items()
    }
    return {
        "load": asdict(options),
        "sent": {"routine": fleet.tally.routine_sent, "alarms": len(fleet.tally.alarms), "broken": fleet.tally.broken},
        "answered": {"routine": fleet.tally.routine_answered, "alarms": len(answered)},
        "latency_ms_from_due_time": figures,
        "sender_late_ms": percentiles([late / 1000 for late in fleet.tally.lateness_us]),
        "acknowledged_and_lost": len(lost),
        "raised_and_undelivered": len(undelivered),
        "targets": met,
        "mean_delivered_ms": round(statistics.fmean(delivered_ms), 3) if delivered_ms else None,
    }


def _note(into: list[float], raised: dict[str, str], sent: dict[str, Sent], alarm_id: str, at_us: int) -> None:
    identity = next((name for name, known in raised.items() if known == alarm_id), None)
    one = sent.get(identity or "")
    if one is not None:
        into.append((at_us - one.due_wall_us) / 1000)
