"""A disk that takes nothing any more, under the real process (R-05, F-05, F-09).

Survived must be: every press reaches the centre; what cannot be kept is not answered, so that the device repeats, and
that is said (``/readyz``, ``undurable``); when the disk takes bytes again the repetition is answered, and what came
in between is kept as well.

The full file system needs root, which makes it one of its own; a limit on the size of files stands in for it elsewhere.
"""

import contextlib
import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.events import AlarmRaised
from gateway.model import Fix
from gateway.shell.stories import entries_of
from gateway.sim import speak
from tests.gateway_process import TEN_LINES, Gateway, Receiver, eventually

ANSWER_BYTES = 10
CONDITION = speak.Condition(Fix(510543210, 37212345, valid=True), 1_774_000_000_000_000)
NO_ANSWER_S = 1.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(b'{"ack":"accepted","operator":"o"}') as receiver:
        yield receiver


def gateway_with(folder: Path, receiver: Receiver) -> Gateway:
    gateway = Gateway(folder, TEN_LINES.format(url=receiver.url) + "[gateway]\nreserve_mib = 8\n")
    gateway.enrol(*(("device", speak.test_imei(n), {"identifiers": [speak.test_imei(n)], "state": "active"}) for n in range(20)))
    return gateway


def is_answered(gateway: Gateway, number: int) -> bool:
    """Press; whether the device is told that its alarm is safe."""
    with gateway.device() as device:
        device.say(speak.gt06_login(speak.test_imei(number)), ANSWER_BYTES)
        device.socket.sendall(speak.gt06_alarm(CONDITION, number + 1))
        device.socket.settimeout(NO_ANSWER_S)
        try:
            return len(device.hear(ANSWER_BYTES)) == ANSWER_BYTES
        except TimeoutError:
            return False


def is_told(receiver: Receiver, number: int) -> None:
    receiver.wait(lambda one: one.alert["device"]["id"] == speak.test_imei(number), f"the press of device {number}")


def readiness(gateway: Gateway) -> int:
    return int(gateway.http(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").split()[1])


def raised(gateway: Gateway) -> list[str]:
    events = [entry.event for entry in entries_of(gateway.data_dir / "journal")]
    return [str(event.device) for event in events if isinstance(event, AlarmRaised)]


def test_a_file_system_that_refuses_every_byte_stops_answers_and_not_alarms(tmp_path: Path, receiver: Receiver) -> None:
    with gateway_with(tmp_path, receiver) as gateway:
        assert gateway.process is not None
        pid = gateway.process.pid
        assert is_answered(gateway, 0)
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1024, most))
        for number in (1, 2, 3):
            assert not is_answered(gateway, number), "nothing is claimed"
            is_told(receiver, number)
        assert readiness(gateway) == 503
        metrics = gateway.metrics()
        assert metrics["gateway_undurable_total"] > 0
        assert metrics["gateway_ready"] == 0
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
        eventually(lambda: readiness(gateway) == 200, "readiness")
        assert is_answered(gateway, 1), "the device repeated"
        assert not any(count for name, count in gateway.metrics().items() if "crash" in name), gateway.log
        gateway.kill()
    found = raised(gateway)
    assert sorted(found) == sorted(speak.test_imei(number) for number in (0, 1, 2, 3)), "once each, those of the bad time as well"
    assert len(receiver.alarm_ids()) == 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MiB."""
    folder = tmp_path / "data"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=700", "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this place lets nobody mount: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path) -> None:
    """Until not a byte more fits."""
    with contextlib.suppress(OSError), file.open("ab", buffering=0) as eater:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while eater.write(bytes(size)) == size:
                    pass


def use_up_segment(disk: Path) -> None:
    """Take the blocks away that the newest segment was given and has not written yet."""
    newest = max((disk / "journal").glob("*.seg"), key=lambda path: path.name)
    written = -1
    while (seen := len(newest.read_bytes().rstrip(bytes(1)))) != written:
        written = seen
        time.sleep(0.5)  # what the last press set in motion is still being written
    written = -(-written // 4096) * 4096
    subprocess.run(["fallocate", "--punch-hole", "--offset", str(written), "--length", str(1 << 25), str(newest)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system of its own needs root")
def test_a_full_disk_takes_alarms_from_the_reserve_then_forwards_them_and_recovers(tmp_path: Path, small_disk: Path, receiver: Receiver) -> None:
    eater = small_disk / "eater"
    with gateway_with(tmp_path, receiver) as gateway:
        assert is_answered(gateway, 0)
        fill(eater)
        for number in (1, 2):
            assert is_answered(gateway, number), "the segment in use was given its bytes long ago"
        assert readiness(gateway) == 200
        pressed = 3
        while True:
            # What is left of a block, then the reserve, a segment after the other: each is taken away when it is begun.
            use_up_segment(small_disk)
            fill(eater)
            is_safe = is_answered(gateway, pressed)
            is_told(receiver, pressed)
            pressed += 1
            if not is_safe:
                break
        assert not (small_disk / "journal" / "reserve").exists(), "it was there for this"
        for number in range(pressed, pressed + 3):
            assert not is_answered(gateway, number), "nothing is left, nothing is claimed"
            is_told(receiver, number)
        pressed += 3
        assert readiness(gateway) == 503
        eater.unlink()
        eventually(lambda: readiness(gateway) == 200, "readiness")
        for number in range(pressed):
            assert is_answered(gateway, number), "repetitions are answered when there is room"
        assert not any(count for name, count in gateway.metrics().items() if "crash" in name), gateway.log
        gateway.kill()
        found = raised(gateway)
    assert sorted(found) == sorted(speak.test_imei(number) for number in range(pressed))
    assert len(receiver.alarm_ids()) == pressed


def test_a_journal_folder_that_is_taken_away_is_noticed_and_made_anew(tmp_path: Path, receiver: Receiver) -> None:
    """F-10."""
    with gateway_with(tmp_path, receiver) as gateway:
        assert is_answered(gateway, 0)
        (gateway.data_dir / "journal").rename(gateway.data_dir / "taken")
        is_answered(gateway, 1)
        is_told(receiver, 1)
        eventually(lambda: is_answered(gateway, 1), "an answer on the strength of the new folder")
        gateway.kill()
    assert speak.test_imei(1) in raised(gateway)


def test_an_answer_on_a_socket_that_is_gone_is_no_reason_to_fail(tmp_path: Path, receiver: Receiver) -> None:
    with gateway_with(tmp_path, receiver) as gateway:
        device = gateway.device()
        device.say(speak.gt06_login(speak.test_imei(0)), ANSWER_BYTES)
        device.socket.sendall(speak.gt06_alarm(CONDITION, 1))
        device.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        device.socket.close()
        is_told(receiver, 0)
        assert is_answered(gateway, 1)
