"""What the tests of a whole gateway share: the real server process, a webhook receiver, a device on a plain socket.

Nothing here reaches inside the server: it is started as a person starts it, and known by what it prints, answers and
leaves on the disk. Waiting is always for something that happens, with a limit far beyond what it takes.
"""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from gateway.commands.control import ask
from gateway.shell.registry_files import open_registry

ROOT = Path(__file__).resolve().parents[1]
WAIT_S = 60.0
"Longer than anything takes on a machine that does eight other things."
HOOK_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
TEN_LINES = """[api]
bind = "127.0.0.1:0"
[[listen]]
bind = "127.0.0.1:0"
[[centre]]
id = "cic"
national_fallback = true
[[centre.route]]
kind = "webhook"
url = "{url}"
secret_files = ["hook.secret"]
"""
"The smallest gateway: a port for every device protocol, a centre, a console."


def eventually(question: Callable[[], Any], what: str = "it") -> Any:
    """The first answer that is something; fails when there is none in time."""
    give_up_at = time.monotonic() + WAIT_S
    while time.monotonic() < give_up_at:
        if found := question():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {WAIT_S:.0f} s")


# --------------------------------------------------------------------------------------------------- the centre


@dataclass(frozen=True, slots=True)
class Delivered:
    """One request that reached the receiver."""

    headers: dict[str, str]
    body: bytes
    at_s: float

    @property
    def alert(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found


class Receiver:
    """A centre's webhook: takes everything, keeps everything. It answers with ``status`` and ``answer``."""

    def __init__(self, answer: bytes = b'{"ack":"stored"}') -> None:
        self.delivered: list[Delivered] = []
        self.status = 200
        self._news = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 300

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver._take({name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(receiver.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """A gateway that is killed leaves broken connections behind."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _take(self, headers: dict[str, str], body: bytes) -> None:
        with self._news:
            self.delivered.append(Delivered(headers, body, time.monotonic()))
            self._news.notify_all()

    def wait(self, wanted: Callable[[Delivered], bool] = lambda one: True, what: str = "an alert") -> Delivered:
        """The first request that is wanted, past or to come."""
        with self._news:
            found: list[Delivered] = []

            def look() -> bool:
                found[:] = [one for one in self.delivered if wanted(one)]
                return bool(found)

            assert self._news.wait_for(look, WAIT_S), f"{what} did not reach the centre within {WAIT_S:.0f} s"
            return found[0]

    def alarm_ids(self) -> set[str]:
        """Every alarm that was told of."""
        return {str(one.alert["alarm_id"]) for one in list(self.delivered)}

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join(WAIT_S)
        self._server.server_close()


# -------------------------------------------------------------------------------------------------- the gateway


class Gateway:
    """``python -m gateway serve`` in a folder of its own."""

    def __init__(self, folder: Path, config: str, *, ulimit: str = "", environment: dict[str, str] | None = None) -> None:
        """``ulimit``: words for the shell's ``ulimit``, such as ``-n 256``."""
        self.folder = folder
        self.config_file = folder / "gateway.toml"
        self.data_dir = folder / "data"
        self.log_file = folder / "log"
        self.first_words = ""
        self.doors: list[tuple[str, tuple[str, int]]] = []
        self._ulimit = ulimit
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a start takes half as long with its compiled files
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        self.config_file.write_text(config, encoding="utf-8")
        (folder / "hook.secret").write_text(HOOK_SECRET)
        (folder / "hook.secret").chmod(0o600)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "gateway", *words]

    def cli(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Another command of the same program, beside the server."""
        where = "--config-file" if words[0] in ("device", "case", "unit", "user") else "--config"
        return subprocess.run([*self.command(*words), where, str(self.config_file)], cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S)

    def enrol(self, *wishes: tuple[str, str, dict[str, object]]) -> None:
        """Enter devices, cases, units before the start."""
        with open_registry(self.data_dir) as registry:
            for noun, key, fields in wishes:
                registry.put(noun, key, fields, "test", 1_700_000_000_000_000)

    def launch(self) -> None:
        """Start the process, without waiting for it to be ready."""
        words = self.command("serve", "-c", str(self.config_file), "--log-level", "DEBUG")
        if self._ulimit:
            words = ["sh", "-c", f'ulimit {self._ulimit} && exec "$@"', "sh", *words]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, env=self._environment)

    def start(self) -> "Gateway":
        """Start it and wait until it says that it is ready."""
        self.launch()
        assert self.process is not None
        assert self.process.stdout is not None
        self.first_words = self.process.stdout.readline().decode().strip()
        name, *doors = self.first_words.split() or [""]
        assert name == "ready", self.log
        self.doors = []
        for door in doors:
            kind, _, address = door.partition("=")
            host, _, port = address.rpartition(":")
            self.doors.append((kind, (host, int(port))))
        return self

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def door(self, kind: str) -> tuple[str, int]:
        """Address of ``http``, ``auto/tcp``, ``teltonika/udp`` …"""
        return next(address for name, address in self.doors if name == kind)

    def device(self, kind: str = "auto/tcp") -> "Device":
        return Device(self.door(kind))

    def local(self, method: str, path: str, body: object = None) -> Any:
        """Ask through the control socket."""
        status, answer = ask(self.data_dir, method, path, body)
        assert status < 300, (status, answer)
        return answer

    def http(self, raw: bytes) -> bytes:
        """Raw bytes to the HTTP port, everything that comes back."""
        with socket.create_connection(self.door("http"), WAIT_S) as link:
            link.sendall(raw)
            link.shutdown(socket.SHUT_WR)
            return read_all(link)

    def metrics(self) -> dict[str, float]:
        """Every sample of ``/metrics``, by name and labels as they are written."""
        text = self.http(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").decode().partition("\r\n\r\n")[2]
        return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{[^\n]*\})?) (\S+)$", text, re.MULTILINE)}

    def rss_kib(self) -> int:
        assert self.process is not None
        return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[0])

    def kill(self) -> None:
        """SIGKILL: not a line of the program runs any more."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self._end()

    def wait(self) -> int:
        """Its exit code, when it ends by itself."""
        return self._end()

    def _end(self) -> int:
        assert self.process is not None
        code = self.process.wait(WAIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def __enter__(self) -> "Gateway":
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process is not None:
            self.kill()


# --------------------------------------------------------------------------------------------------- the device


class Device:
    """A plain socket to a device port, as with nc."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, WAIT_S)

    def say(self, data: bytes, answer_bytes: int = 0) -> bytes:
        """Send, and wait for so many bytes of answer."""
        self.socket.sendall(data)
        return self.hear(answer_bytes)

    def hear(self, count: int) -> bytes:
        """The next bytes; fewer when the gateway hangs up."""
        data = b""
        while len(data) < count and (more := self.socket.recv(count - len(data))):
            data += more
        return data

    def hear_end(self) -> bytes:
        """Everything until the gateway hangs up."""
        return read_all(self.socket)

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()


def read_all(link: socket.socket) -> bytes:
    """Everything until the other side ends, however it ends."""
    pieces: list[bytes] = []
    try:
        while piece := link.recv(65_536):
            pieces.append(piece)
    except ConnectionError:
        return b"".join(pieces)
    return b"".join(pieces)


def data_bytes(folder: Path) -> Sequence[tuple[Path, bytes]]:
    """Every regular file below a folder with what it holds."""
    return [(path, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]
