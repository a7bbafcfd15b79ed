"""``gateway sim press|fleet``: simulated devices that speak the real bytes over real sockets."""

import argparse
import json
import random
import time
from pathlib import Path

import trio

from gateway.clock import SystemClock
from gateway.commands.control import ask
from gateway.config import load_config, parse_bind
from gateway.errors import CommandError
from gateway.sim import speak
from gateway.sim.devices import Wearer
from gateway.sim.load import Fleet, LoadOptions
from gateway.sim.measure import percentiles

ANSWER_S = 5.0
HELSINKI = "60.17,24.94"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    press = acts.add_parser("press", help="hold one button", description="Hold one button: of a running demo, or of a device of your own making.")
    press.add_argument("device", nargs="?", help="a device of the running demo, such as sim-gt06")
    press.add_argument("-c", "--config-file", metavar="FILE", default="gateway.toml", help="the demo's configuration (it prints its path)")
    press.add_argument("--to", metavar="HOST:PORT", help="instead: send one press to this device port")
    press.add_argument("--protocol", choices=("gt06", "watch", "teltonika"), default="gt06", help="what the device speaks (teltonika: over UDP)")
    press.add_argument("--identity", default=speak.test_imei(1), help="what the device calls itself (default: a test IMEI)")
    press.add_argument("--at", default=HELSINKI, metavar="LAT,LON", help="where the wearer is")
    press.add_argument("--json", action="store_true", help="print JSON")
    fleet = acts.add_parser("fleet", help="the traffic of many devices", description="Open-loop traffic of many devices against a running gateway.")
    fleet.add_argument("--tcp", metavar="HOST:PORT", help="GT06 port")
    fleet.add_argument("--udp", metavar="HOST:PORT", help="Teltonika port")
    fleet.add_argument("--devices", type=int, default=100, help="how many, half of them on each port (default: 100)")
    fleet.add_argument("--frames-per-s", type=float, default=100.0, help="routine frames a second (default: 100)")
    fleet.add_argument("--alarms-per-s", type=float, default=0.1, help="alarms a second (default: 0.1)")
    fleet.add_argument("--seconds", type=float, default=30.0, help="how long (default: 30)")
    fleet.add_argument("--identities", action="store_true", help="only print the identities, to be enrolled first")
    fleet.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    if options.act == "fleet":
        return _fleet(options)
    if options.to:
        return trio.run(_press_one, options)
    if not options.device:
        raise CommandError("name a device of the running demo, or --to HOST:PORT of a device port")
    data_dir = Path(load_config(options.config_file).gateway.data_dir)
    status, answer = ask(data_dir, "POST", "/api/v1/sim/press", {"device": options.device})
    if status >= 300:
        error = answer.get("error", {}) if isinstance(answer, dict) else {}
        raise CommandError(f"{error.get('message', status)} {error.get('do', '')}".strip())
    print(json.dumps(answer) if options.json else f"{options.device}: the button is held")
    return 0


async def _press_one(options: argparse.Namespace) -> int:
    """Log in, press, wait for the answer that says: on the disk."""
    host, port = parse_bind(options.to)
    try:
        lat, lon = (round(float(part) * 1e7) for part in options.at.split(","))
    except ValueError:
        raise CommandError(f"--at {options.at!r}: write latitude and longitude in degrees, such as {HELSINKI}") from None
    clock = SystemClock()
    now_us = clock.now().wall_us
    condition = speak.Condition(Wearer(lat, lon, random.Random(now_us)).fix(now_us), now_us)
    began = time.perf_counter()
    answer = b""
    with trio.move_on_after(ANSWER_S):
        talk = _talk_udp if options.protocol == "teltonika" else _talk_tcp
        answer = await talk(host, port, options, condition)
    took_ms = round((time.perf_counter() - began) * 1000, 1)
    row = {"protocol": options.protocol, "identity": options.identity, "answered": bool(answer), "answer": answer.hex(), "ms": took_ms}
    if options.json:
        print(json.dumps(row))
    else:
        print(f"answered after {took_ms} ms: {answer.hex()}" if answer else f"no answer within {ANSWER_S:.0f} s: is the identity enrolled?")
    return 0 if answer else 1


async def _talk_tcp(host: str, port: int, options: argparse.Namespace, condition: speak.Condition) -> bytes:
    identity = options.identity
    if options.protocol == "gt06":
        login, alarm = speak.gt06_login(identity), speak.gt06_alarm(condition, 2)
    else:
        login, alarm = speak.watch_frame(identity, "LK,0,0,80"), speak.watch_report(identity, condition, status=1 << 16, kind="AL")
    async with await trio.open_tcp_stream(host, port) as stream:
        await stream.send_all(login)
        if not await stream.receive_some(4096):
            return b""
        await stream.send_all(alarm)
        return bytes(await stream.receive_some(4096))


async def _talk_udp(host: str, port: int, options: argparse.Namespace, condition: speak.Condition) -> bytes:
    data = speak.teltonika_data([speak.teltonika_record(condition, sos=True)])
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
        await sock.connect((host, port))
        await sock.send(speak.teltonika_udp(options.identity, data, condition.at_us & 0xFFFF))
        return bytes(await sock.recv(512))


def _fleet(options: argparse.Namespace) -> int:
    half = options.devices // 2
    load = LoadOptions(
        options.frames_per_s, options.alarms_per_s, options.seconds,
        tcp_devices=half if options.tcp else 0, udp_devices=options.devices - half if options.udp else 0,
    )  # fmt: skip
    fleet = Fleet(load, SystemClock())
    if options.identities:
        print("\n".join(fleet.identities))
        return 0
    if not fleet.identities:
        raise CommandError("nowhere to send to; give --tcp HOST:PORT, --udp HOST:PORT or both")
    host, tcp_port = parse_bind(options.tcp or options.udp)
    trio.run(fleet.run, host, tcp_port, parse_bind(options.udp or options.tcp)[1])
    answered = [(one.answered_mono_us - one.due_mono_us) / 1000 for one in fleet.tally.alarms if one.answered_mono_us is not None]
    row = {
        "routine_sent": fleet.tally.routine_sent, "routine_answered": fleet.tally.routine_answered, "alarms_sent": len(fleet.tally.alarms),
        "alarms_answered": len(answered), "alarm_answer_ms": percentiles(answered), "broken": fleet.tally.broken,
    }  # fmt: skip
    print(json.dumps(row) if options.json else "\n".join(f"{name:18} {value}" for name, value in row.items()))
    return 0 if len(answered) == len(fleet.tally.alarms) else 1
