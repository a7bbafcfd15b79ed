"""What the journal asks of a disk. ``shell/real_disk.py`` has the real one, ``sim/disk.py`` one that breaks on cue.

Names are names of files in the one folder that the disk works in. Methods that are ``async`` may take time on a
simulated disk; on the real one they never suspend, because they run in the writer's own thread. All of them raise
``OSError`` when the disk fails.
"""

from pathlib import Path
from typing import Protocol

JOURNAL_FOLDER = "journal"
"Where the journal stands in the gateway's data_dir."


class ReadableDisk(Protocol):
    """The part that reading needs."""

    def list(self) -> list[str]:
        """The names in the folder, sorted."""

    def size(self, name: str) -> int:
        """Bytes of a file."""

    def read(self, name: str, offset: int, length: int) -> bytes:
        """The bytes from ``offset`` on; fewer than ``length`` where the file ends."""


class Disk(ReadableDisk, Protocol):
    """A folder that one journal has to itself."""

    is_simulated: bool
    "True: no thread may touch it; its methods are awaited in a Trio task."

    async def lock(self, folder: Path, owner: str) -> None:
        """Make the folder if need be and take it, durably; again after ``is_present`` said no.

        Raises: JournalError: another instance has it (with the owner record it left), or it cannot be used.
        """

    async def create(self, name: str, size: int) -> None:
        """Make a new file of ``size`` zero bytes with its space reserved. Fails when it exists."""

    async def append(self, name: str, offset: int, data: bytes) -> None:
        """Write all of ``data`` at ``offset``, which is where the file's content ends."""

    async def sync(self, name: str) -> None:
        """Return when everything written to the file is on the disk. Never called again for a file after it failed."""

    async def sync_folder(self) -> None:
        """Return when the folder's entries are on the disk."""

    async def truncate(self, name: str, size: int) -> None:
        """Give back the space after ``size``."""

    async def remove(self, name: str) -> None:
        """Remove a file; fine when it is gone already."""

    def is_present(self, name: str) -> bool:
        """The file that was made under this name is still what the folder shows under it."""

    def free_bytes(self) -> int:
        """Space that new files may take."""

    def close(self, name: str) -> None:
        """No more will be written to this file."""

    def release(self) -> None:
        """Close everything and let another instance have the folder."""
