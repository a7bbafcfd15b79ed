"""``python -m tests.fault.prefork ARGUMENTS``: run ``gateway ARGUMENTS`` once for each line on standard input.

The program is imported once and forked, so that a start costs what the program does and not what Python reads. Each
run is a process of its own: ``pid N`` is printed for it, then whatever it prints itself.
"""

import os
import signal
import sys

import gateway.commands.serve  # noqa: F401 - to have it read before the first fork
from gateway.__main__ import main


def run() -> None:
    """Fork for each line; the kernel buries the dead."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while os.read(0, 1):
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(0)
            sys.exit(main(sys.argv[1:]))
        os.write(1, f"pid {pid}\n".encode())


if __name__ == "__main__":
    run()
