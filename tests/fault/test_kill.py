"""SIGKILL at random times under load, again and again, on one journal (R-01, R-02, F-01).

Ten devices speak all the time, 200 frames a second and more; others press their button, one after the other, and
repeat until they are answered, as real ones do. Half of the kills come within 5 ms after an answer. Survived must be:

- every press that was answered stands in the journal, with its raw frame;
- every press reaches the centre after the next restart at the latest;
- one press is one alarm, with one id, however often it was sent and however often the gateway died.

``GATEWAY_KILLS`` says how often (default 200; 10,000 at night); ``GATEWAY_SEED`` repeats a history as far as the
kernel's own timing allows.
"""

import collections
import os
import select
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType

import pytest
import trio

from gateway.events import AlarmRaised, FrameKept
from gateway.model import Fix
from gateway.registry.registry import Wish
from gateway.shell.registry_files import open_registry
from gateway.shell.stories import entries_of
from gateway.sim import speak
from tests.gateway_process import ROOT, TEN_LINES, WAIT_S, Gateway, Receiver

KILLS = int(os.environ.get("GATEWAY_KILLS", "200"))
SEED = int(os.environ.get("GATEWAY_SEED", "1"))
KILLS_A_LIFE = 200
"After so many a new journal is begun, so that replaying it stays quick."
STEADY = 10
FRAMES_A_SECOND = 25
"Of each steady device: 250 together."
CHECK_EVERY = 20
ANSWER_BYTES = 10
CONDITION = speak.Condition(Fix(510543210, 37212345, valid=True), 1_774_000_000_000_000)


class Forks:
    """Gateways on one configuration, one after the other, each in a process that can be killed."""

    def __init__(self, config_file: Path) -> None:
        words = [sys.executable, "-m", "tests.fault.prefork", "serve", "-c", str(config_file), "--log-level", "ERROR"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._mother = subprocess.Popen(words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._pid_fd = -1

    def start(self) -> int:
        """The device port of a new one, ready."""
        assert self._mother.stdin is not None
        assert self._mother.stdout is not None
        self._mother.stdin.write(b".")
        self._mother.stdin.flush()
        port = 0
        self._pid_fd = -1
        while self._pid_fd < 0 or not port:
            words = self._mother.stdout.readline().decode().split()
            assert words, "the gateway did not start"
            if words[0] == "pid":
                self._pid_fd = os.pidfd_open(int(words[1]))
            elif words[0] == "ready":
                port = int(words[-1].rpartition(":")[2])
        return port

    def kill(self) -> None:
        """SIGKILL; returns when the kernel has taken everything from it."""
        signal.pidfd_send_signal(self._pid_fd, signal.SIGKILL)
        found, _, _ = select.select([self._pid_fd], [], [], WAIT_S)
        assert found
        os.close(self._pid_fd)

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and self._pid_fd >= 0:
            signal.pidfd_send_signal(self._pid_fd, signal.SIGKILL)
        assert self._mother.stdin is not None
        assert self._mother.stdout is not None
        self._mother.stdin.close()
        self._mother.wait(WAIT_S)
        self._mother.stdout.close()


class Town:
    """Everybody who carries a button, and what each knows for sure."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.pressed: dict[str, bytes] = {}
        "device -> the frame it sends until it is answered"
        self.answered: dict[str, bytes] = {}
        "device -> the frame that was answered"
        self.frames = 0
        self.alive_s = 0.0
        self.answer = trio.Event()
        self._number = STEADY

    def next_presser(self) -> str:
        """Somebody who was not answered yet, else somebody new."""
        for device in self.pressed:
            if device not in self.answered and self.dice.random() < 0.5:
                return device
        self._number += 1
        device = speak.test_imei(self._number)
        self.pressed[device] = speak.gt06_alarm(CONDITION, self._number)
        return device

    async def press(self, port: int, device: str) -> None:
        """Log in, press, wait for the answer."""
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(speak.gt06_login(device))
            await read_exactly(stream, ANSWER_BYTES)
            await stream.send_all(self.pressed[device])
            await read_exactly(stream, ANSWER_BYTES)
            self.answered.setdefault(device, self.pressed[device])
            self.frames += 2
            self.answer.set()
            self.answer = trio.Event()

    async def press_all_the_time(self, port: int) -> None:
        while True:
            await self.press(port, self.next_presser())
            await trio.sleep(self.dice.uniform(0.02, 0.1))

    async def speak_all_the_time(self, port: int, number: int) -> None:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream, trio.open_nursery() as nursery:
            await stream.send_all(speak.gt06_login(speak.test_imei(number)))
            nursery.start_soon(read_for_ever, stream)
            serial = 0
            while True:
                serial += 1
                await stream.send_all(speak.gt06_position(CONDITION, serial))
                self.frames += 1
                await trio.sleep(1 / FRAMES_A_SECOND)


async def read_exactly(stream: trio.SocketStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = await stream.receive_some(count - len(data))
        if not piece:
            raise trio.BrokenResourceError("the gateway hung up")
        data += piece
    return data


async def read_for_ever(stream: trio.SocketStream) -> None:
    while await stream.receive_some(4096):
        pass
    raise trio.BrokenResourceError("the gateway hung up")


async def live_and_be_killed(forks: Forks, port: int, town: Town, near_an_answer: bool) -> None:
    """Load, until the moment comes."""
    born_at = trio.current_time()

    async def until_dead(work: "partial[object]") -> None:
        try:
            await work()  # type: ignore[misc]
        except* (OSError, trio.BrokenResourceError):
            pass  # killed under its hands: that is what this is about

    async with trio.open_nursery() as nursery:
        for number in range(STEADY):
            nursery.start_soon(until_dead, partial(town.speak_all_the_time, port, number))
        for _ in range(2):
            nursery.start_soon(until_dead, partial(town.press_all_the_time, port))
        if near_an_answer:
            for _ in range(town.dice.randint(1, 3)):
                await town.answer.wait()
            await trio.sleep(town.dice.uniform(0.0, 0.005))
        else:
            await trio.sleep(town.dice.uniform(0.0, 0.4))
        forks.kill()
        town.alive_s += trio.current_time() - born_at
        nursery.cancel_scope.cancel()


async def delivered(receiver: Receiver, town: Town) -> dict[str, set[str]]:
    """device -> alarm ids at the centre, when everybody who was answered is there."""
    found: dict[str, set[str]] = {}
    with trio.move_on_after(WAIT_S):
        while True:
            found = collections.defaultdict(set)
            for one in list(receiver.delivered):
                found[one.alert["device"]["id"]].add(one.alert["alarm_id"])
            if town.answered.keys() <= found.keys():
                return found
            await trio.sleep(0.05)
    raise AssertionError(f"answered and never told: {sorted(town.answered.keys() - found.keys())}")


def require_all_in_journal(data_dir: Path, town: Town) -> None:
    """Raw frame and alarm of everybody who was answered, once each."""
    kept: set[bytes] = set()
    raised: collections.Counter[str] = collections.Counter()
    for entry in entries_of(data_dir / "journal"):
        if isinstance(entry.event, FrameKept):
            kept.add(entry.event.raw)
        elif isinstance(entry.event, AlarmRaised):
            raised[entry.event.device] += 1
    lost = [device for device, frame in town.answered.items() if frame not in kept or device not in raised]
    assert not lost, f"answered and not in the journal: {lost}"
    twice = [device for device, count in raised.items() if count > 1]
    assert not twice, f"one press became several alarms: {twice}"


def enrol(data_dir: Path, count: int) -> None:
    with open_registry(data_dir) as registry:
        imeis = [speak.test_imei(number) for number in range(count)]
        wishes = [Wish("device", imei, {"identifiers": [imei], "protocol": "gt06", "state": "active"}) for imei in imeis]
        registry.apply(wishes, "test", 1_700_000_000_000_000)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("life", range(-(-KILLS // KILLS_A_LIFE)))
async def test_no_answered_alarm_is_lost_and_none_changes_its_name_however_often_the_gateway_is_killed(tmp_path: Path, life: int) -> None:
    kills = min(KILLS_A_LIFE, KILLS - life * KILLS_A_LIFE)
    seed = SEED * 1_000_003 + life
    print(f"GATEWAY_SEED={SEED} life {life}")
    town = Town(Random(seed))
    with Receiver(b'{"ack":"accepted","operator":"o"}') as receiver:
        gateway = Gateway(tmp_path, TEN_LINES.format(url=receiver.url) + "[gateway]\nreserve_mib = 8\n")
        enrol(gateway.data_dir, STEADY + 15 * kills)
        with Forks(gateway.config_file) as forks:
            for round_number in range(kills):
                port = forks.start()
                if round_number % CHECK_EVERY == 0:
                    await delivered(receiver, town)
                await live_and_be_killed(forks, port, town, near_an_answer=round_number % 2 == 0)
                if round_number % CHECK_EVERY == 0:
                    require_all_in_journal(gateway.data_dir, town)
            forks.start()
            found = await delivered(receiver, town)
            forks.kill()
        require_all_in_journal(gateway.data_dir, town)
        renamed = {device: ids for device, ids in found.items() if len(ids) > 1}
        assert not renamed
        print(f"{kills} kills, {len(town.answered)} alarms answered, {town.frames / town.alive_s:.0f} frames/s offered")
        assert len(town.answered) >= kills, "there was something to lose"
        with gateway:
            # The write that a kill cut off does not count any more once somebody has gone on from before it.
            assert gateway.stop() == 0
        proof = gateway.cli("journal", "verify", "--json")
        assert proof.returncode == 0, proof.stdout + proof.stderr
