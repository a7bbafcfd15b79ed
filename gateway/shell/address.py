"""Where the control socket is. The address of a Unix socket has at most 107 bytes, so both ends name its folder by a
descriptor and not by its path."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "control.sock"


@contextmanager
def short_address(data_dir: Path) -> Iterator[str]:
    """An address of the socket that is short, however long the folder's path is. Raises ``OSError`` without folder."""
    folder = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)
