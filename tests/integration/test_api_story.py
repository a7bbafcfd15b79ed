"""The API of a real server, from its first start to a closed alarm: real sockets, registry, journal and passwords.

What must hold: nobody gets in without the printed token; a press is on the operator's stream after it is durable; a
signed callback of the centre takes the alarm once; every look has its record; no log and no metric knows a place.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.commands.control import ask
from tests.unit.gt06_frames import IMEI, alarm, login

ROOT = Path(__file__).resolve().parents[2]
KEY = bytes(range(32))
WEBHOOK_KEY = bytes(range(32, 64))
PASSWORD = "four words are enough"
CANARIES = (b"51.05", b"3.72", b"510543", b"91897779")

CONFIG = """
[gateway]
name = "test"
data_dir = "data"

[api]
bind = "127.0.0.1:0"

[[listen]]
bind = "127.0.0.1:0"
protocol = "gt06"

[[sms]]
kind = "kannel"
path_secret_file = "sms.secret"

[[centre]]
id = "cic"
name = "Centre"
national_fallback = true

[[centre.route]]
kind = "webhook"
url = "http://127.0.0.1:9/hook"
secret_files = ["hook.secret"]

[fallback]
kind = "none"
"""


class Gateway:
    """A server process, and what a browser and a device do with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = (folder / "log").open("wb")
        command = [sys.executable, "-m", "gateway", "serve", "-c", str(folder / "gateway.toml"), "--log-level", "DEBUG"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        assert words[:1] == ["ready"], (folder / "log").read_text()
        doors = dict(word.split("=", 1) for word in words[1:])
        self.port = int(doors.pop("http").rpartition(":")[2])
        self.device_port = int(next(iter(doors.values())).rpartition(":")[2])

    @property
    def token(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()[-1]

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()
        return code

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
            connection.request(method, path, raw, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def person(self, path: str, body: dict[str, str]) -> dict[str, str]:
        """Log in (or set up); the headers of everything that follows."""
        status, raw, headers = self.ask("POST", path, body)
        assert status == 200, raw
        origin = f"http://127.0.0.1:{self.port}"
        return {"cookie": headers["set-cookie"].partition(";")[0], "x-csrf-token": json.loads(raw)["csrf"], "origin": origin}

    def local(self, method: str, path: str, body: object = None) -> object:
        status, answer = ask(self.folder / "data", method, path, body)
        assert status < 300, answer
        return answer


class Stream:
    """An operator's event stream."""

    def __init__(self, gateway: Gateway, headers: dict[str, str], last_id: int | None = None) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
        self.connection.request("GET", "/api/v1/events", headers=headers | ({} if last_id is None else {"last-event-id": str(last_id)}))
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200

    def until(self, name: str) -> tuple[int | None, dict[str, object]]:
        """The next event of this name: id and data."""
        while True:
            block = {}
            while (line := self.answer.readline().decode().rstrip("\n")) != "":
                key, _, value = line.partition(": ")
                block[key] = value
            if block.get("event") == name:
                return int(block["id"]) if "id" in block else None, json.loads(block["data"])

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    (tmp_path / "gateway.toml").write_text(CONFIG)
    for name, text in (("sms.secret", "s3cret-path-of-the-bridge"), ("hook.secret", "whsec_" + base64.b64encode(WEBHOOK_KEY).decode())):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    running = Gateway(tmp_path)
    yield running
    if running.process.poll() is None:
        running.stop()


def signed_by_centre(message_id: str, body: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    digest = hmac.digest(WEBHOOK_KEY, f"{message_id}.{stamp}.".encode() + body, "sha256")
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def signed_by_device(device: str, message_id: str, body: bytes, skew_s: int = 0, key: bytes = KEY) -> dict[str, str]:
    stamp = str(int(time.time()) + skew_s)
    text = "\n".join(("v1", "POST", "/api/v1/press", message_id, stamp, hashlib.sha256(body).hexdigest()))
    return {"X-Gw-Id": message_id, "X-Gw-Time": stamp, "X-Gw-Key": device, "X-Gw-Sig": "v1=" + hmac.digest(key, text.encode(), "sha256").hex()}


def test_from_the_first_start_to_a_closed_alarm(gateway: Gateway) -> None:
    token = gateway.token
    assert gateway.ask("POST", "/api/v1/setup", {"token": "guess", "user": "root", "password": PASSWORD})[0] == 401
    admin = gateway.person("/api/v1/setup", {"token": token, "user": "root", "password": PASSWORD})
    assert gateway.ask("POST", "/api/v1/setup", {"token": token, "user": "two", "password": PASSWORD})[0] == 401
    assert gateway.ask("GET", "/api/v1/alarms", headers=admin)[0] == 403, "an administrator sees no positions"

    status, raw, _ = gateway.ask("PUT", "/api/v1/users/anna", {"role": "operator", "centre_id": "cic", "password": PASSWORD}, admin)
    assert status == 200, raw
    assert b"argon" not in raw
    gateway.local("PUT", "/api/v1/cases/GE-1", {"zone": "5415"})
    gateway.local("PUT", "/api/v1/devices/dev-1", {"identifiers": [IMEI], "protocol": "gt06", "case_ref": "GE-1"})
    gateway.local("PUT", "/api/v1/devices/app-1", {"identifiers": ["app-1"], "protocol": "app", "app_key_hex": KEY.hex(), "state": "active"})
    assert KEY.hex().encode() not in json.dumps(gateway.local("GET", "/api/v1/devices")).encode()
    operator = gateway.person("/api/v1/login", {"user": "anna", "password": PASSWORD})

    stream = Stream(gateway, operator)
    first_id, nothing = stream.until("reset")
    assert nothing["alarms"] == []
    with socket.create_connection(("127.0.0.1", gateway.device_port), 10) as device:
        device.sendall(login())
        assert device.recv(100)
        device.sendall(alarm(0x26, 4, 1))
        assert device.recv(100), "answered, so it is durable"
        _, seen = stream.until("routed")
        alarm_id = str(seen["alarm_id"])
        assert seen["position"]["status"] in ("fix", "last_known")  # type: ignore[index]
    stream.close()

    resumed = Stream(gateway, operator, first_id)
    raised_id, again = resumed.until("raised")
    assert again["alarm_id"] == alarm_id
    assert first_id is not None and raised_id is not None and raised_id > first_id
    resumed.close()

    path = f"/api/v1/alarms/{alarm_id}"
    body = json.dumps({"level": "accepted", "operator": "desk 4"}).encode()
    assert gateway.ask("POST", f"{path}/ack", body)[0] == 401
    assert gateway.ask("POST", f"{path}/ack", body, signed_by_centre("c-1", body + b" "))[0] == 401
    for _ in range(2):
        status, raw, _ = gateway.ask("POST", f"{path}/ack", body, signed_by_centre("c-1", body))
        assert (status, json.loads(raw)["taken_by"]) == (200, "desk 4"), raw
    assert gateway.ask("POST", f"{path}/resolve", {"outcome": "TEST"}, operator | {"x-csrf-token": ""})[0] == 403
    status, raw, _ = gateway.ask("POST", f"{path}/resolve", {"outcome": "REAL_ARREST", "note": "é"}, operator)
    assert (status, json.loads(raw)["state"]) == (200, "RESOLVED"), raw
    assert gateway.ask("POST", f"{path}/resolve", {"outcome": "TEST"}, operator)[0] == 409

    status, raw, _ = gateway.ask("GET", f"{path}/story", headers=operator)
    told = [record["what"] for record in json.loads(raw)["records"]]
    assert told.count("CentreTold") == 1, "the callback that came twice stands there once"
    assert {"FrameKept", "AlarmRaised", "AlarmRouted", "AlertQueued", "Viewed", "AlarmResolved"} <= set(told)
    assert gateway.ask("GET", f"{path}/track", headers=operator)[0] == 200

    app_presses(gateway)
    sms_presses(gateway)
    metrics = gateway.ask("GET", "/metrics")[1] + gateway.ask("GET", "/api/v1/health", headers=operator)[1]
    assert b"gateway_frames_total" in metrics
    assert b"path=" not in metrics, "every figure has a row in api/metrics.py"
    assert gateway.ask("GET", "/readyz")[0] == 200
    assert gateway.stop() == 0
    log = (gateway.folder / "log").read_bytes()
    assert not any(canary in metrics + log for canary in (*CANARIES, IMEI.encode(), PASSWORD.encode(), token.encode()))


def app_presses(gateway: Gateway) -> None:
    """Fresh signatures of a registered device pass, once; everything else gets one answer."""
    body = b'{"id":"p-1","kind":"sos_app","position":{"lat":51.0543210,"lon":3.7212345}}'

    def press(**change: object) -> tuple[int, bytes, dict[str, str]]:
        signature = {"device": "app-1", "message_id": f"m-{time.monotonic_ns()}", "body": body, **change}
        return gateway.ask("POST", "/api/v1/press", body, signed_by_device(**signature))  # type: ignore[arg-type]

    accepted = press(message_id="m-1")
    assert accepted[0] == 200, accepted
    assert json.loads(accepted[1])["alarm_id"]
    assert press(skew_s=-295)[0] == press(skew_s=295)[0] == 200
    refused = [press(message_id="m-1"), press(skew_s=-305), press(skew_s=305), press(device="nobody"), press(key=bytes(32)), press(body=b"{}")]
    assert [status for status, _, _ in refused] == [401] * 6
    assert len({json.dumps(json.loads(raw)["error"] | {"id": ""}) for _, raw, _ in refused}) == 1
    assert all(set(headers) == set(refused[0][2]) for _, _, headers in refused)


def sms_presses(gateway: Gateway) -> None:
    """A text of an unknown number is taken and told to nobody."""
    query = f"from=%2B32475000001&to=112&hex={b'SOS!'.hex()}&coding=0&charset=UTF-8&id=k-1"
    for _ in range(2):
        status, raw, _ = gateway.ask("GET", f"/sms/kannel/s3cret-path-of-the-bridge?{query}")
        assert (status, raw) == (200, b"")
    assert gateway.ask("GET", f"/sms/kannel/guess?{query}")[0] == 404
    heard = gateway.local("GET", "/api/v1/unknown-devices")
    assert [one["identity"] for one in heard["entries"]] == ["+32475000001"]  # type: ignore[index]
