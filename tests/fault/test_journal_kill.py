"""SIGKILL at any instant on the real disk (R-02, F-01): what was acknowledged is there, the next start goes on.

The whole gateway is killed 200 times in ``integration``; here only the journal is, with its real thread and files.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

from gateway.journal.recovery import read_back, recover
from gateway.shell.real_disk import RealDisk
from tests.journal_acts import some_event

ROUNDS = 100 if os.environ.get("GATEWAY_NIGHTLY") == "1" else 4
ROOT = Path(__file__).parents[2]
CHILD = """
import sys
from pathlib import Path
import trio
from gateway.clock import SystemClock
from gateway.model import Urgency
from gateway.shell.disk import open_journal
from gateway.shell.real_disk import RealDisk
from tests.journal_acts import SMALL, some_event

async def main():
    clock = SystemClock()
    async with open_journal(Path(sys.argv[1]), disk=RealDisk(), clock=clock, options=SMALL) as journal:
        number = journal.recovered.next_seq
        def told(seq, error):
            assert error is None
            sys.stdout.buffer.write(b"%d\\n" % seq)
            sys.stdout.buffer.flush()
        while True:
            count = 1 + number % 7
            durable = journal.append_nowait([some_event(number + each) for each in range(count)], clock.now(), Urgency.A)
            durable.add_done(lambda error, seq=durable.seq: told(seq, error))
            number += count
            await trio.sleep(0.0002 * (number % 3))

trio.run(main)
"""


def test_no_kill_loses_what_was_acknowledged(tmp_path):
    dice = Random(9)
    folder = tmp_path / "journal"
    acknowledged: list[int] = []
    for _ in range(ROUNDS):
        with subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdout
            # Some acknowledgements, so that the run is under way; then the axe, somewhere in the middle of something.
            lines = [child.stdout.readline() for _ in range(dice.randint(1, 400))]
            child.send_signal(signal.SIGKILL)
            lines.append(child.stdout.read())
        acknowledged += [int(line) for line in b"".join(lines).split()]
        disk = RealDisk(folder)
        recovery = recover(disk, thorough=True)
        there = {entry.seq: entry.event for entry in read_back(disk, recovery.stretches)}
        assert set(acknowledged) <= set(there)
        assert all(event == some_event(seq) for seq, event in there.items())
        assert recovery.next_seq > max(there)
        assert {loss.kind for loss in recovery.losses} <= {"tail", "unborn"}
    assert len(acknowledged) > 10 * ROUNDS
    assert acknowledged == sorted(set(acknowledged))
