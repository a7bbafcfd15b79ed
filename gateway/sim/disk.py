"""A disk that keeps what was synced and, when the power goes, as much of the rest as the dice say.

What it models (reliability 9.2, 9.3): writes stay in the page cache until a sync; a name is durable only after the
folder was synced; a power cut keeps none, a beginning, or any sectors of 512 bytes of what was not synced; a sync
that fails marks the cache as clean, so that the next one succeeds and has written nothing; a full disk.

One seed is one history: all dice come from the ``Random`` that is passed in.
"""

import errno
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import trio

from gateway.errors import JournalError

SECTOR_BYTES = 512
SURVIVALS = ("none", "prefix", "sectors", "all")
"What a power cut leaves of what was not synced."


@dataclass(slots=True)
class Fault:
    """What goes wrong with the calls number ``first`` to ``last`` (counted from 1) of one operation."""

    operation: str
    "create, append, sync, sync_folder, truncate, remove, read, lock"
    first: int = 1
    last: int = 1
    error: int | None = errno.EIO
    "None: nothing fails; with ``delay_s`` the call is only slow."
    short: bool = False
    "append: the first half is written before the error."
    delay_s: float = 0.0


@dataclass(slots=True)
class _File:
    """One file: what programs see, what is on the disk, and the writes between the two."""

    seen: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    "(offset, data) of a write; (size, None) of a change of size."

    def put(self, offset: int, data: bytes | None) -> None:
        _apply(self.seen, offset, data)
        self.pending.append((offset, data))

    def sync(self) -> None:
        for offset, data in self.pending:
            _apply(self.durable, offset, data)
        self.pending.clear()

    def after_cut(self, survival: str, dice: Random) -> "_File":
        content = bytearray(self.durable)
        kept = {"none": 0, "prefix": dice.randint(0, len(self.pending)), "sectors": len(self.pending), "all": len(self.pending)}[survival]
        for index, (offset, data) in enumerate(self.pending[:kept]):
            if data is None or survival == "all":
                _apply(content, offset, data)
            elif survival == "prefix":
                is_last = index == kept - 1
                _apply(content, offset, data[: dice.randint(0, len(data))] if is_last else data)
            else:
                for sector in range(offset - offset % SECTOR_BYTES, offset + len(data), SECTOR_BYTES):
                    if dice.random() < 0.5:
                        start, end = max(sector, offset), min(sector + SECTOR_BYTES, offset + len(data))
                        _apply(content, start, data[start - offset : end - offset])
        return _File(seen=bytearray(content), durable=content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
    else:
        content.extend(bytes(max(0, offset + len(data) - len(content))))
        content[offset : offset + len(data)] = data


class SimDisk:
    """A simulated folder (``journal/disk.py`` says what each method promises)."""

    is_simulated = True

    def __init__(self, dice: Random, *, capacity_bytes: int = 1 << 30, sync_s: tuple[float, float] = (0.0, 0.0)) -> None:
        """``sync_s``: shortest and longest time that a sync takes; without it no call suspends."""
        self._dice = dice
        self._sync_s = sync_s
        self._names: dict[str, _File] = {}
        self._durable_names: dict[str, _File] = {}
        self._open: dict[str, _File] = {}
        self._owner: str | None = None
        self._is_dead = False
        self.capacity_bytes = capacity_bytes
        self.faults: list[Fault] = []
        self.calls: Counter[str] = Counter()
        self.on_call: Callable[[str, str], None] | None = None
        "Called with operation and name before anything happens and, as ``after operation``, when it has."

    # ------------------------------------------------------------------------------------------------ what breaks

    def crash_image(self, survival: str, dice: Random) -> "SimDisk":
        """The disk as it would be after a power cut now; this one goes on."""
        image = SimDisk(dice, capacity_bytes=self.capacity_bytes, sync_s=self._sync_s)
        names = dict(self._durable_names)
        for name in sorted(self._names.keys() | self._durable_names.keys()):
            # An entry that was made or removed since the last sync of the folder may have reached the disk or not.
            if self._names.get(name) is not self._durable_names.get(name) and (survival == "all" or (survival != "none" and dice.random() < 0.5)):
                names.pop(name, None)
                names |= {name: self._names[name]} if name in self._names else {}
        image._names = {name: file.after_cut(survival, dice) for name, file in names.items()}
        image._durable_names = dict(image._names)
        return image

    def crash(self) -> "SimDisk":
        """Cut the power: every later call here fails; the returned disk is what the next start finds."""
        self._is_dead = True
        return self.crash_image(self._dice.choice(SURVIVALS), self._dice)

    def lose_folder(self) -> None:
        """Somebody removes the folder."""
        self._names.clear()
        self._durable_names.clear()
        self._owner = None

    def corrupt(self, name: str, change: Callable[[bytearray], None]) -> None:
        """Change the bytes of a file behind everybody's back."""
        file = self._names[name]
        change(file.seen)
        file.durable[:] = file.seen

    def place(self, name: str, content: bytes) -> None:
        """Put a file there, durable."""
        self._names[name] = self._durable_names[name] = _File(bytearray(content), bytearray(content))

    async def _enter(self, operation: str, name: str) -> Fault | None:
        fault = self._count(operation, name)
        delay_s = (fault.delay_s if fault else 0.0) + (self._dice.uniform(*self._sync_s) if operation == "sync" and self._sync_s[1] else 0.0)
        if delay_s:
            await trio.sleep(delay_s)
        if self._is_dead:
            raise OSError(errno.EIO, "the power is off", name)
        return fault if fault and fault.error else None

    def _count(self, operation: str, name: str) -> Fault | None:
        self.calls[operation] += 1
        if self.on_call:
            self.on_call(operation, name)
        if self._is_dead:
            raise OSError(errno.EIO, "the power is off", name)
        number = self.calls[operation]
        return next((fault for fault in self.faults if fault.operation == operation and fault.first <= number <= fault.last), None)

    def _after(self, operation: str, name: str) -> None:
        if self.on_call:
            self.on_call(f"after {operation}", name)

    # ---------------------------------------------------------------------------------------------- what it can do

    async def lock(self, folder: Path, owner: str) -> None:
        if fault := await self._enter("lock", str(folder)):
            raise JournalError(f"{folder}: {os.strerror(fault.error or 0)}")
        if self._owner is not None:
            raise JournalError(f"{folder}: in use by {self._owner}; stop it first, or give this gateway another data_dir")
        self._owner = owner

    async def create(self, name: str, size: int) -> None:
        if fault := await self._enter("create", name):
            raise _error(fault, name)
        if name in self._names:
            raise FileExistsError(errno.EEXIST, "exists", name)
        if self._owner is None:
            raise FileNotFoundError(errno.ENOENT, "no such folder", name)
        if size > self.free_bytes():
            raise OSError(errno.ENOSPC, "no space left", name)
        self._names[name] = self._open[name] = _File()
        self._names[name].put(size, None)
        self._after("create", name)

    async def append(self, name: str, offset: int, data: bytes) -> None:
        fault = await self._enter("append", name)
        file = self._open[name]
        if fault:
            if fault.short:
                file.put(offset, data[: len(data) // 2])
            raise _error(fault, name)
        if offset + len(data) - len(file.seen) > self.free_bytes():
            raise OSError(errno.ENOSPC, "no space left", name)
        file.put(offset, data)
        self._after("append", name)

    async def sync(self, name: str) -> None:
        file = self._open[name]
        covered = len(file.pending)
        fault = await self._enter("sync", name)
        if fault:
            # The kernel reports it once and forgets: the next sync of this file succeeds and has saved nothing.
            del file.pending[:covered]
            raise _error(fault, name)
        file.sync()
        self._after("sync", name)

    async def sync_folder(self) -> None:
        if fault := await self._enter("sync_folder", ""):
            raise _error(fault, "folder")
        self._durable_names = dict(self._names)
        self._after("sync_folder", "")

    async def truncate(self, name: str, size: int) -> None:
        if fault := await self._enter("truncate", name):
            raise _error(fault, name)
        self._names[name].put(size, None)
        self._after("truncate", name)

    async def remove(self, name: str) -> None:
        if fault := await self._enter("remove", name):
            raise _error(fault, name)
        self._names.pop(name, None)
        self._after("remove", name)

    def is_present(self, name: str) -> bool:
        return name in self._open and self._names.get(name) is self._open[name]

    def free_bytes(self) -> int:
        return self.capacity_bytes - sum(len(file.seen) for file in self._names.values())

    def close(self, name: str) -> None:
        self._open.pop(name, None)

    def release(self) -> None:
        self._open.clear()
        self._owner = None

    def list(self) -> list[str]:
        return sorted(self._names)

    def size(self, name: str) -> int:
        return len(self._file(name).seen)

    def read(self, name: str, offset: int, length: int) -> bytes:
        if (fault := self._count("read", name)) and fault.error:
            raise _error(fault, name)
        return bytes(self._file(name).seen[offset : offset + length])

    def _file(self, name: str) -> _File:
        try:
            return self._names[name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such file", name) from None


def _error(fault: Fault, name: str) -> OSError:
    return OSError(fault.error or 0, os.strerror(fault.error or 0), name)
