"""The host's file system, as the journal uses it: locked, private, synced. ``sim/disk.py`` is its double."""

import contextlib
import errno
import fcntl
import json
import os
from pathlib import Path
from typing import NoReturn

from gateway.errors import JournalError

ZEROS = bytes(1 << 20)
NOT_SUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})
OWNER = "owner.json"
"Who has the folder; only for a message."


class RealDisk:
    """A folder of the host's file system. Files 0600, folder 0700."""

    is_simulated = False

    def __init__(self, folder: Path | None = None) -> None:
        """``folder``: for reading only, without taking the lock."""
        self._folder = folder or Path()
        self._folder_fd = -1
        self._files: dict[str, int] = {}

    async def lock(self, folder: Path, owner: str) -> None:
        self._lock(folder, owner)

    def _lock(self, folder: Path, owner: str) -> None:
        try:
            made = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            for path in made or [folder]:
                self._sync_path(path.parent)
        except OSError as error:
            if not folder.is_dir():
                _refuse(folder, error)
        try:
            folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            _refuse(folder, error)
        try:
            # The folder itself is locked: that needs no space, and a folder made anew is a lock made anew.
            fcntl.flock(folder_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(folder_fd)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                who = _owner_of(folder)
                raise JournalError(f"{folder}: in use by {who}; stop it first, or give this gateway another data_dir") from error
            _refuse(folder, error)
        self._close_folder()
        self._folder, self._folder_fd = folder, folder_fd
        with contextlib.suppress(OSError):
            # Only for the message above: on a full disk the lock alone must do.
            (folder / OWNER).touch(0o600)
            (folder / OWNER).write_text(owner, encoding="utf-8")

    @staticmethod
    def _sync_path(path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    async def create(self, name: str, size: int) -> None:
        fd = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._files[name] = fd
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            if error.errno not in NOT_SUPPORTED:
                raise
            for offset in range(0, size, len(ZEROS)):
                await self.append(name, offset, ZEROS[: size - offset])

    async def append(self, name: str, offset: int, data: bytes) -> None:
        view = memoryview(data)
        fd = self._files[name]
        while view:
            # Python itself goes on after EINTR; a short write goes on here.
            written = os.pwrite(fd, view, offset)
            if not written:
                raise OSError(errno.EIO, "the disk takes no byte and gives no reason", name)
            view = view[written:]
            offset += written

    async def sync(self, name: str) -> None:
        os.fdatasync(self._files[name])

    async def sync_folder(self) -> None:
        os.fsync(self._folder_fd)

    async def truncate(self, name: str, size: int) -> None:
        os.truncate(self._folder / name, size)

    async def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def is_present(self, name: str) -> bool:
        ours = os.fstat(self._files[name])
        try:
            shown = (self._folder / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (shown.st_dev, shown.st_ino) == (ours.st_dev, ours.st_ino)

    def free_bytes(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def close(self, name: str) -> None:
        fd = self._files.pop(name, None)
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)

    def release(self) -> None:
        for name in list(self._files):
            self.close(name)
        self._close_folder()

    def _close_folder(self) -> None:
        if self._folder_fd >= 0:
            os.close(self._folder_fd)
            self._folder_fd = -1

    def list(self) -> list[str]:
        try:
            return sorted(path.name for path in self._folder.iterdir())
        except FileNotFoundError:
            return []

    def size(self, name: str) -> int:
        return (self._folder / name).stat().st_size

    def read(self, name: str, offset: int, length: int) -> bytes:
        fd = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(fd, length, offset)
            while 0 < len(data) < length and (more := os.pread(fd, length - len(data), offset + len(data))):
                data += more
            return data
        finally:
            os.close(fd)


def _refuse(folder: Path, error: OSError) -> NoReturn:
    raise JournalError(f"{folder}: {error.strerror}; make it a folder that this user may write, or set gateway.data_dir") from error


def _owner_of(folder: Path) -> str:
    """Who says to have the folder; best effort, for a message."""
    try:
        found = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']} (gateway {found['version']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another gateway"
