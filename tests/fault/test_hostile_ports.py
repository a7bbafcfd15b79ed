"""What strangers and broken devices do to every port, while somebody presses a button every so often (R-24 … R-28, R-40, R-63).

Survived must be: every press is answered and reaches the centre; the same process answers afterwards; memory stays
flat; the counters say what happened, to the unit: received = accepted + dropped by class and reason.
"""

import contextlib
import os
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
import trustme

from gateway.model import Fix
from gateway.shell.address import short_address
from gateway.sim import speak
from tests.gateway_process import WAIT_S, Device, Gateway, Receiver, eventually, read_all

ANSWER_BYTES = 10
CONDITION = speak.Condition(Fix(510543210, 37212345, valid=True), 1_774_000_000_000_000)
SMS_SECRET = "s3cret-path-of-the-bridge"
DEVICES = 40
CONFIG = """
[gateway]
reserve_mib = 8
[api]
bind = "127.0.0.1:0"
[[listen]]
bind = "127.0.0.1:0"
login_timeout_s = 1.0
frame_timeout_s = 1.0
[[listen]]
bind = "127.0.0.1:0"
protocol = "gt06"
login_timeout_s = 1.0
frame_timeout_s = 1.0
[[listen]]
bind = "127.0.0.1:0"
protocol = "watch"
login_timeout_s = 1.0
[[listen]]
bind = "127.0.0.1:0"
protocol = "teltonika"
login_timeout_s = 1.0
[[listen]]
bind = "127.0.0.1:0"
protocol = "teltonika"
transport = "udp"
[[listen]]
bind = "127.0.0.1:0"
protocol = "gt06"
transport = "tcp"
login_timeout_s = 1.0
tls = { cert_file = "cert.pem", key_file = "key.pem" }
[[listen]]
bind = "127.0.0.1:0"
protocol = "osmand"
transport = "http"
login_timeout_s = 1.0
frame_timeout_s = 1.0
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


class Buttons:
    """Somebody presses, again and again, while the test is busy; a press that is not answered is a failure."""

    def __init__(self, gateway: Gateway, pause_s: float = 0.5) -> None:
        self.answered: list[str] = []
        self.slowest_s = 0.0
        self.failure: Exception | None = None
        self._gateway = gateway
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def press(self, imei: str) -> None:
        began_at = time.monotonic()
        with self._gateway.device("auto/tcp") as device:
            assert device.say(speak.gt06_login(imei), ANSWER_BYTES)
            assert len(device.say(speak.gt06_alarm(CONDITION, 1), ANSWER_BYTES)) == ANSWER_BYTES
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_at)
        self.answered.append(imei)

    def _run(self) -> None:
        for number in range(1, DEVICES):
            try:
                self.press(speak.test_imei(number))
            except (OSError, AssertionError) as error:
                self.failure = error
                return
            if self._stop.wait(self._pause_s):
                return

    def __enter__(self) -> "Buttons":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(WAIT_S)


def enrol(gateway: Gateway) -> None:
    gateway.enrol(*(("device", speak.test_imei(n), {"identifiers": [speak.test_imei(n)], "state": "active"}) for n in range(DEVICES)))


def hostile(folder: Path, receiver: Receiver, *, ulimit: str = "", change: Callable[[str], str] = lambda text: text) -> Gateway:
    folder.mkdir(exist_ok=True)
    certificate = trustme.CA().issue_cert("gateway.example")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "sms.secret").write_text(SMS_SECRET)
    for name in ("key.pem", "sms.secret"):
        (folder / name).chmod(0o600)
    gateway = Gateway(folder, change(CONFIG.replace("URL", receiver.url)), ulimit=ulimit)
    enrol(gateway)
    return gateway


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(b'{"ack":"accepted","operator":"o"}') as receiver:
        yield receiver


@pytest.fixture
def gateway(tmp_path: Path, receiver: Receiver) -> Iterator[Gateway]:
    with hostile(tmp_path, receiver) as gateway:
        yield gateway


def require_all_told(buttons: Buttons, receiver: Receiver) -> None:
    """Every press that was answered is at the centre, and none failed."""
    assert buttons.failure is None, buttons.failure
    assert buttons.answered
    eventually(lambda: set(buttons.answered) <= {one.alert["device"]["id"] for one in list(receiver.delivered)}, "every alarm")


def require_calm(gateway: Gateway, pid: int) -> None:
    """The same process, no failure that a bulkhead had to hold, everybody gone."""
    assert gateway.process is not None
    assert gateway.process.poll() is None
    assert gateway.process.pid == pid
    metrics = gateway.metrics()
    assert {name: count for name, count in metrics.items() if "crash" in name and count} == {}, gateway.log
    assert "Traceback" not in gateway.log


# ------------------------------------------------------------------------------------------------- what they do


def tcp_doors(gateway: Gateway) -> list[tuple[str, int]]:
    return [address for name, address in gateway.doors if name != "teltonika/udp"]


def dial(address: tuple[str, int]) -> socket.socket:
    link = socket.create_connection(address, WAIT_S)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def reset(link: socket.socket) -> None:
    """Close with RST instead of FIN."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()


LOGIN = speak.gt06_login(speak.test_imei(0))
PIECES = (
    b"",
    b"\x00",
    b"\x78\x78",
    LOGIN[:7],
    LOGIN + LOGIN[:5],
    b"\x79\x79\xff\xff" + bytes(9_000),
    b"[3G*",
    b"[3G*0000000000*FFFF*" + b"A" * 3_000,
    b"\x00\x0f00101000000000",
    bytes(4) + b"\xff\xff\xff\xff" + bytes(100),
    b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"x" * 20_000,
    b"POST /api/v1/press HTTP/1.1\r\ncontent-length: 999999999\r\n\r\n",
    b"GET /?id=nobody&alarm=sos HTTP/1.1\r\n\r\n" * 5,
    b"POST /api/v1/press HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nffffffffffff\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
)


def misbehave(address: tuple[str, int], dice: Random) -> None:
    """One connection of one who means no good, or whose antenna is bad."""
    try:
        link = dial(address)
    except OSError:
        return  # the gateway may refuse whom it likes
    with contextlib.suppress(OSError):
        piece = dice.choice(PIECES) if dice.random() < 0.7 else dice.randbytes(dice.randrange(1, 3_000))
        link.sendall(piece)
        if dice.random() < 0.2:
            link.shutdown(socket.SHUT_WR)
    if dice.random() < 0.5:
        reset(link)
    else:
        link.close()


def misbehave_control(gateway: Gateway, dice: Random) -> None:
    with socket.socket(socket.AF_UNIX) as link, contextlib.suppress(OSError), short_address(gateway.data_dir) as address:
        link.connect(address)
        link.sendall(dice.choice(PIECES))


def misbehave_sms(gateway: Gateway, dice: Random) -> None:
    garbage = "".join(f"%{byte:02x}" for byte in dice.randbytes(dice.randrange(1, 300)))
    path = f"/sms/kannel/{SMS_SECRET}?{dice.choice(('from', 'hex', 'text', 'charset', 'udh', 'x'))}={garbage}&hex={garbage}"
    with contextlib.suppress(OSError):
        gateway.http(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())


# ------------------------------------------------------------------------------------------------------- stories


def test_thousands_of_hostile_connections_on_every_port_hurt_nobody_and_leave_nothing(gateway: Gateway, receiver: Receiver) -> None:
    assert gateway.process is not None
    pid, dice = gateway.process.pid, Random(1)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def wave(count: int) -> None:
        for number in range(count):
            for address in tcp_doors(gateway):
                misbehave(address, dice)
            datagrams.sendto(dice.choice(PIECES) or dice.randbytes(50), gateway.door("teltonika/udp"))
            if number % 8 == 0:
                misbehave_control(gateway, dice)
                misbehave_sms(gateway, dice)

    with Buttons(gateway) as buttons, datagrams:
        wave(120)
        before_kib = gateway.rss_kib()
        wave(400)
        grown_kib = gateway.rss_kib() - before_kib
    require_all_told(buttons, receiver)
    eventually(lambda: sum(count for name, count in gateway.metrics().items() if name.startswith("gateway_links_open")) <= 1, "the last one's end")
    require_calm(gateway, pid)
    print(f"{520 * len(tcp_doors(gateway))} connections, {grown_kib} KiB more, slowest press {buttons.slowest_s:.3f} s")
    assert grown_kib < 6_144


def test_who_says_nothing_or_one_byte_at_a_time_is_sent_away(gateway: Gateway, receiver: Receiver) -> None:
    assert gateway.process is not None
    pid = gateway.process.pid
    doors = [address for name, address in gateway.doors if name in ("auto/tcp", "gt06/tcp", "watch/tcp", "teltonika/tcp", "osmand/http")]
    silent = [dial(address) for address in doors for _ in range(20)]
    slow = [dial(address) for address in doors for _ in range(5)]
    with Buttons(gateway) as buttons:
        for byte in LOGIN[:4]:
            for link in slow:
                with contextlib.suppress(OSError):
                    link.sendall(bytes([byte]))
            time.sleep(0.3)
        for link in (*silent, *slow):
            assert read_all(link) == b"", "sent away without a word"
            link.close()
    require_all_told(buttons, receiver)
    require_calm(gateway, pid)
    gone = sum(count for name, count in gateway.metrics().items() if "gateway_links_total" in name and 'ended="gone"' in name)
    assert gone >= len(silent) + len(slow)


def test_tls_garbage_and_a_hello_that_never_ends_are_counted(gateway: Gateway, receiver: Receiver) -> None:
    assert gateway.process is not None
    pid = gateway.process.pid
    tls_door = [address for name, address in gateway.doors if name == "gt06/tcp"][1]
    with Buttons(gateway) as buttons:
        for garbage in (b"", b"\x16", LOGIN, os.urandom(500), b"GET / HTTP/1.0\r\n\r\n"):
            link = dial(tls_door)
            link.sendall(garbage)
            link.shutdown(socket.SHUT_WR)
            assert LOGIN[:2] not in read_all(link)
            link.close()
        context = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError), dial(tls_door) as raw:
            context.wrap_socket(raw, server_hostname="somebody.example")
        require_all_told(buttons, receiver)
    require_calm(gateway, pid)


def test_the_counters_reconcile_to_the_unit(gateway: Gateway) -> None:
    """received = accepted + dropped{class, reason}."""
    imei = speak.test_imei(0)
    stranger = speak.test_imei(900_000)
    broken = bytearray(speak.gt06_heartbeat(CONDITION, 9))
    broken[-4] ^= 0xFF
    with gateway.device("gt06/tcp") as device:
        device.say(speak.gt06_login(imei), ANSWER_BYTES)
        for serial in range(2, 12):
            device.say(speak.gt06_heartbeat(CONDITION, serial), ANSWER_BYTES)
        device.socket.sendall(bytes(broken) * 3)
        device.say(speak.gt06_alarm(CONDITION, 20), ANSWER_BYTES)
        device.say(speak.gt06_alarm(CONDITION, 20), ANSWER_BYTES)
    for _ in range(4):
        with gateway.device("gt06/tcp") as device:
            device.socket.sendall(speak.gt06_login(stranger))
            assert device.hear_end() == b""
    metrics = gateway.metrics()
    frames = {
        (found[1], found[2]): int(count)
        for name, count in metrics.items()
        if (found := re.match(r'gateway_frames_total\{class="(.)",outcome="(\w+)",protocol="gt06"\}', name))
    }
    assert sum(frames.values()) == 1 + 10 + 3 + 2 + 4
    assert frames[("E", "refused")] == 3
    assert frames[("E", "unknown")] == 4
    assert frames[("A", "accepted")] == 2
    assert frames[("D", "accepted")] + frames[("D", "limited")] == 11
    assert metrics['gateway_frames_refused_total{protocol="gt06",reason="checksum"}'] == 3
    assert metrics["gateway_unknown_devices"] == 1


def test_a_source_and_a_port_take_only_so_many_connections(tmp_path: Path, receiver: Receiver) -> None:
    first = 'bind = "127.0.0.1:0"\nlogin_timeout_s = 1.0\nframe_timeout_s = 1.0\n'
    few = first.replace("1.0", "50.0") + "connections_per_source_max = 5\nconnections_max = 8\n"
    with hostile(tmp_path, receiver, change=lambda text: text.replace(first, few, 1)) as gateway:
        address = gateway.door("auto/tcp")
        links = [dial(address) for _ in range(9)]
        for link in links[5:]:
            assert read_all(link) == b"", "from one source five"
        other = socket.create_connection(address, WAIT_S, source_address=("127.0.0.2", 0))
        other.sendall(speak.gt06_login(speak.test_imei(0)))
        assert other.recv(100), "another source is welcome"
        metrics = gateway.metrics()
        port = f'port="tcp {address[0]}:{address[1]}"'
        assert metrics[f'gateway_links_total{{ended="turned_away_too_many_from_source",{port}}}'] == 4
        for link in (*links, other):
            link.close()


def test_strangers_cannot_take_the_last_descriptor(tmp_path: Path, receiver: Receiver) -> None:
    """R-28: with 256 descriptors and a thousand silent connections, alarms flow and the journal can begin a segment."""
    with hostile(tmp_path, receiver, ulimit="-n 256", change=lambda text: text.replace("_timeout_s = 1.0", "_timeout_s = 600.0")) as gateway:
        assert gateway.process is not None
        pid = gateway.process.pid
        links: list[socket.socket] = []
        with Buttons(gateway, pause_s=0.1) as buttons:
            for _ in range(250):
                for address in (gateway.door("auto/tcp"), gateway.door("watch/tcp"), gateway.door("http")):
                    links.append(dial(address))
            for _ in range(20):
                buttons.press(speak.test_imei(0))
        require_all_told(buttons, receiver)
        metrics = gateway.metrics()
        assert metrics["gateway_evicted_total"] > 0
        assert not any("no_descriptor" in name for name in metrics)
        for link in links:
            link.close()
        require_calm(gateway, pid)


def test_a_scan_of_the_number_range_gets_no_byte_and_is_one_event(gateway: Gateway) -> None:
    """R-63."""
    for number in range(500_000, 500_300):
        with gateway.device("gt06/tcp") as device:
            device.socket.sendall(speak.gt06_login(speak.test_imei(number)) + speak.gt06_position(CONDITION, 2))
            assert device.hear_end() == b""
    metrics = gateway.metrics()
    assert metrics["gateway_scans_total"] == 1
    assert metrics["gateway_unknown_devices"] == 20, "a scan does not flush the list from which staff adopt"


def test_one_device_that_never_stops_talking_affects_nobody(gateway: Gateway, receiver: Receiver) -> None:
    """R-24: as many frames as the socket takes; its own alarm passes, and so does everybody's."""
    assert gateway.process is not None
    pid = gateway.process.pid
    position = speak.gt06_position(CONDITION, 2) * 50
    with gateway.device("gt06/tcp") as talker, Buttons(gateway, pause_s=0.2) as buttons:
        talker.say(speak.gt06_login(speak.test_imei(0)), ANSWER_BYTES)
        drain = threading.Thread(target=read_all, args=(talker.socket,))
        drain.start()
        for _ in range(400):
            talker.socket.sendall(position)
        talker.socket.sendall(speak.gt06_alarm(CONDITION, 3))
        receiver.wait(lambda one: one.alert["device"]["id"] == speak.test_imei(0), "the talker's own alarm")
        talker.socket.shutdown(socket.SHUT_WR)
        drain.join(WAIT_S)
    require_all_told(buttons, receiver)
    require_calm(gateway, pid)
    metrics = gateway.metrics()
    limited = sum(count for name, count in metrics.items() if 'outcome="limited"' in name)
    print(f"20000 frames, {limited:.0f} limited, slowest press {buttons.slowest_s:.3f} s")
    assert limited > 19_000


def test_everybody_comes_back_at_once_after_an_outage(gateway: Gateway, receiver: Receiver) -> None:
    """R-23, sized for a small machine: two thousand connections at once, each with a login; the buttons come through."""
    assert gateway.process is not None
    pid = gateway.process.pid
    links: list[socket.socket] = []
    with Buttons(gateway, pause_s=0.1) as buttons:
        for number in range(1_500):
            link = socket.create_connection(gateway.door("gt06/tcp"), WAIT_S)
            link.sendall(speak.gt06_login(speak.test_imei(number % DEVICES)))
            links.append(link)
        for link in links:
            assert link.recv(ANSWER_BYTES), "everybody has his answer"
    for link in links:
        link.close()
    require_all_told(buttons, receiver)
    print(f"slowest press {buttons.slowest_s:.3f} s")
    require_calm(gateway, pid)


def test_a_reader_that_takes_nothing_is_left_alone(gateway: Gateway, receiver: Receiver) -> None:
    """A zero window: our answers go nowhere, others do not notice."""
    assert gateway.process is not None
    pid = gateway.process.pid
    with Device(gateway.door("gt06/tcp")) as stuck, Buttons(gateway) as buttons:
        stuck.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        stuck.socket.setblocking(False)
        stuck.socket.send(speak.gt06_login(speak.test_imei(0)))
        with contextlib.suppress(BlockingIOError):
            for _ in range(3_000):
                stuck.socket.send(speak.gt06_heartbeat(CONDITION, 3) * 20)
        buttons.press(speak.test_imei(0))
    require_all_told(buttons, receiver)
    require_calm(gateway, pid)
