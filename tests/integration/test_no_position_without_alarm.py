"""R-80: without an open alarm no position of a protected person is written anywhere; with one, only into the journal.

The real process gets routine traffic with canary coordinates through every door, is asked for everything it shows, is
stopped, and then every file of its folder, its log and what it printed are searched for the canaries in every form in
which a position could stand there.
"""

import json
import socket
import struct
import urllib.parse
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from gateway.model import Fix
from gateway.sim import speak
from tests.gateway_process import WAIT_S, Gateway, Receiver, data_bytes, eventually
from tests.integration.test_api_story import signed_by_device

LAT, LON = 51.0543210, 3.7212345
CONDITION = speak.Condition(Fix(510543210, 37212345, valid=True), 1_774_000_000_000_000)
APP_KEY = bytes(range(32))
WATCH = speak.test_imei(2)[5:]
SMS_NUMBER = "+32475000001"
DEVICES = (
    ("device", "gt06-1", {"identifiers": [speak.test_imei(1)], "state": "active"}),
    ("device", "watch-1", {"identifiers": [WATCH], "state": "active"}),
    ("device", "tel-1", {"identifiers": [speak.test_imei(3)], "state": "active"}),
    ("device", "sms-1", {"identifiers": [SMS_NUMBER], "state": "active"}),
    ("device", "app-1", {"identifiers": ["app-1"], "protocol": "app", "app_key_hex": APP_KEY.hex(), "state": "active"}),
)
CONFIG = """
[gateway]
reserve_mib = 8
[api]
bind = "127.0.0.1:0"
[[listen]]
bind = "127.0.0.1:0"
[[listen]]
bind = "127.0.0.1:0"
protocol = "teltonika"
transport = "udp"
[[sms]]
kind = "kannel"
path_secret_file = "sms.secret"
[[centre]]
id = "cic"
national_fallback = true
[[centre.route]]
kind = "webhook"
url = "URL"
secret_files = ["hook.secret"]
"""


def canaries() -> dict[str, bytes]:
    """Every form of the place, by name: text, device units, journal units, floats, and the frames themselves."""
    found: dict[str, bytes] = {}
    for name, degrees, width in (("lat", LAT, 2), ("lon", LON, 3)):
        whole = int(degrees)
        minutes = (degrees - whole) * 60
        found[f"{name} decimal"] = f"{degrees:.4f}"[:-1].encode()
        found[f"{name} NMEA"] = f"{whole:0{width}d}{minutes:07.4f}"[:-1].encode()
        found[f"{name} BCD"] = bytes.fromhex(f"{whole:0{width}d}{minutes:07.4f}".replace(".", "").rjust(10, "0"))[1:]
        found[f"{name} e7 text"] = str(round(degrees * 1e7)).encode()[:-1]
        for scale, text in ((1e7, "1e7"), (1e6, "1e6"), (1.8e6, "1.8e6"), (6e5, "6e5")):
            units = round(degrees * scale)
            found[f"{name} {text} big"] = units.to_bytes(4, "big")
            found[f"{name} {text} little"] = units.to_bytes(4, "little")
            found[f"{name} {text} hex"] = units.to_bytes(4, "big").hex().encode()
        for sign in "<>":
            found[f"{name} float64 {sign}"] = struct.pack(sign + "d", degrees)
            found[f"{name} float32 {sign}"] = struct.pack(sign + "f", degrees)
    return found


def hits(places: "list[tuple[str, bytes]]") -> list[str]:
    return [f"{where}: {name}" for where, data in places for name, canary in canaries().items() if canary in data or canary.upper() in data]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with Receiver(b'{"ack":"stored"}') as receiver:
        (tmp_path / "sms.secret").write_text("s3cret-path-of-the-bridge")
        (tmp_path / "sms.secret").chmod(0o600)
        gateway = Gateway(tmp_path, CONFIG.replace("URL", receiver.url))
        gateway.enrol(*DEVICES)
        with gateway:
            yield gateway


def send_sms(gateway: Gateway, text: str, number: int) -> None:
    query = urllib.parse.urlencode({"from": SMS_NUMBER, "to": "112", "text": text, "charset": "UTF-8", "id": f"m-{number}"})
    answer = gateway.http(f"GET /sms/kannel/s3cret-path-of-the-bridge?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200"), answer


def send_app(gateway: Gateway, kind: str, number: int) -> None:
    body = json.dumps({"id": f"p-{number}", "kind": kind, "position": {"lat": LAT, "lon": LON}}).encode()
    link = HTTPConnection(*gateway.door("http"), timeout=WAIT_S)
    link.request("POST", "/api/v1/press", body, signed_by_device("app-1", f"m-{number}", body, key=APP_KEY))
    assert link.getresponse().status == 200
    link.close()


def routine(gateway: Gateway, rounds: int) -> None:
    """Positions, heartbeats, broken frames with positions, strangers with positions."""
    with gateway.device("auto/tcp") as gt06, gateway.device("auto/tcp") as watch, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(WAIT_S)
        assert gt06.say(speak.gt06_login(speak.test_imei(1)), 10)
        for number in range(2, 2 + rounds):
            position = speak.gt06_position(CONDITION, number)
            assert gt06.say(position + speak.gt06_heartbeat(CONDITION, number), 10)
            gt06.socket.sendall(position[:-4] + b"\0\0\r\n")
            watch.say(speak.watch_report(WATCH, CONDITION) + speak.watch_frame(WATCH, "LK,0,0,80"), 20)
            udp.sendto(speak.teltonika_udp(speak.test_imei(3), speak.teltonika_data([speak.teltonika_record(CONDITION, sos=False)]), number),
                       gateway.door("teltonika/udp"))  # fmt: skip
            assert udp.recv(100)
            send_sms(gateway, f"lat:{LAT:.6f} long:{LON:.6f} speed:0.0 bat:80%", number)
            send_app(gateway, "position", number)
    for number in range(rounds):
        with gateway.device("auto/tcp") as stranger:
            stranger.socket.sendall(speak.gt06_login(speak.test_imei(700 + number)) + speak.gt06_position(CONDITION, 2))
            stranger.hear_end()
    query = urllib.parse.urlencode({"from": "+32475999999", "text": f"lat:{LAT:.6f} long:{LON:.6f}", "id": "x"})
    gateway.http(f"GET /sms/kannel/wrong?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    gateway.http(f"GET /api/v1/alarms?lat={LAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())


def shown(gateway: Gateway) -> list[tuple[str, bytes]]:
    """What a person at this host can see."""
    paths = ("/api/v1/alarms", "/api/v1/units/positions", "/api/v1/health", "/api/v1/unknown-devices", "/api/v1/devices")
    answers = [(path, json.dumps(gateway.local("GET", path)).encode()) for path in paths]
    return [*answers, ("/metrics", repr(gateway.metrics()).encode())]


def test_routine_positions_are_written_nowhere(gateway: Gateway) -> None:
    routine(gateway, 5)
    assert hits(shown(gateway)) == []
    assert sum(count for name, count in gateway.metrics().items() if name.startswith("gateway_frames_total")) >= 5 * 7
    assert gateway.stop() == 0
    assert gateway.cli("alarm", "list", "--json").stdout.strip() == "[]", "this was routine"
    places = [(str(path), data) for path, data in data_bytes(gateway.data_dir)]
    assert any("journal" in name for name, _ in places)
    assert hits([*places, ("log", gateway.log.encode())]) == []


def test_the_positions_of_an_alarm_stand_in_the_journal_alone(gateway: Gateway) -> None:
    with gateway.device("auto/tcp") as device:
        device.say(speak.gt06_login(speak.test_imei(1)), 10)
        device.say(speak.gt06_alarm(CONDITION, 2), 10)
    eventually(lambda: gateway.metrics()["gateway_undelivered"] == 0)
    routine(gateway, 2)
    (alarm,) = json.loads(gateway.cli("alarm", "list", "--json").stdout)
    explained = gateway.cli("alarm", "list").stdout + gateway.cli("alarm", "explain", alarm["alarm_id"]).stdout
    assert hits([("explain", explained.encode())]) == []
    assert gateway.stop() == 0
    places = [(str(path.relative_to(gateway.data_dir)), data) for path, data in data_bytes(gateway.data_dir)]
    where = {hit.partition(":")[0] for hit in hits([*places, ("log", gateway.log.encode())])}
    assert where, "the canaries would be found"
    assert all(name.startswith("journal/") for name in where), where
    numbers = (speak.test_imei(1), SMS_NUMBER, WATCH)
    assert [number for number in numbers if number in gateway.log] == [], "no device number in the log (R-86)"
