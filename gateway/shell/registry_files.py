"""The registry's files: ``data_dir/registry/changes.jsonl`` (the truth) and ``registry.sqlite`` (its index).

Everything in the folder is for the gateway's user alone. Each process that has the registry open holds a shared lock
on ``registry.lock``; only whoever is alone may replace a damaged index.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from gateway.errors import RegistryError
from gateway.registry.index import Index, IndexDamaged
from gateway.registry.registry import NotSynced, Registry
from gateway.registry.rules import Known


class ChangeLogFile:
    """The change log on disk. Every call opens it anew: a change is rare, and a file that was replaced is noticed."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._path = path

    def size(self) -> int:
        """Bytes in the file; 0 when nothing was ever changed."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise _unusable(self._path, error) from error

    def read(self, offset: int) -> bytes:
        """Everything from there to the end."""
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                return file.read()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise _unusable(self._path, error) from error

    def append(self, data: bytes) -> None:
        """Write at the end and sync; durable when it returns, the file's own name included."""
        is_new = not self._path.exists()
        with _opened(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as descriptor:
            _write_all(descriptor, data)
            try:
                os.fsync(descriptor)
                if is_new:
                    _sync_folder(self._path.parent)
            except OSError as error:
                raise NotSynced(error.errno, error.strerror) from error

    def cut(self, size: int) -> None:
        """Take what lies beyond ``size`` away and sync. It is kept beside the log if the disk has room."""
        tail = self.read(size)
        if not tail:
            return
        with suppress(OSError), _opened(self._path.with_suffix(f".torn-{size}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as descriptor:
            _write_all(descriptor, tail)
        with _opened(self._path, os.O_WRONLY) as descriptor:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)


@contextmanager
def open_registry(data_dir: str | Path, known: Known | None = None) -> Iterator[Registry]:
    """The registry in this data folder; made when missing. A damaged index is put aside and made anew from the log.

    Raises RegistryError when the files can't be used.
    """
    folder = Path(data_dir) / "registry"
    with ExitStack() as held:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = held.enter_context(_opened(folder / "registry.lock", os.O_RDWR | os.O_CREAT))
            fcntl.flock(lock, fcntl.LOCK_SH)
            # One at a time: SQLite does not wait for another process that turns write-ahead logging on as well.
            with _opened(folder / "registry.opening", os.O_RDWR | os.O_CREAT) as opening:
                fcntl.flock(opening, fcntl.LOCK_EX)
                index = held.enter_context(closing(_open_index(folder / "registry.sqlite", lock)))
        except OSError as error:
            raise _unusable(folder, error) from error
        yield Registry(ChangeLogFile(folder / "changes.jsonl"), index, known)


def _unusable(path: Path, error: OSError) -> RegistryError:
    cause = (error.strerror or str(error)).lower()
    return RegistryError(f"{error.filename or path} can't be used ({cause}); correct data_dir or its rights")


def _open_index(path: Path, lock: int) -> Index:
    _touch_private(path)
    try:
        return Index(str(path))
    except IndexDamaged:
        pass
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RegistryError(f"{path} is damaged and another process has it open; stop that one, then start again") from error
    number = 1 + len(list(path.parent.glob(f"{path.name}.damaged-*")))
    for side in ("", "-wal", "-shm"):
        side_path = path.with_name(path.name + side)
        if side_path.exists():
            side_path.rename(path.with_name(f"{path.name}{side}.damaged-{number}"))
    _touch_private(path)
    index = Index(str(path))
    fcntl.flock(lock, fcntl.LOCK_SH)
    return index


def _touch_private(path: Path) -> None:
    """An empty file for SQLite, which gives its side files the same rights.

    Only when there is none: closing any descriptor of a file drops every lock that this process has on it.
    """
    with suppress(FileExistsError):
        os.close(_open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))


def _open_private(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = _open_private(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    """``write`` may take less than it was given."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    """A new file is there after a power loss only when its folder was synced."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
