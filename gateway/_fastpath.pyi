"""Types of the compiled room, for people and for mypy."""

from collections.abc import Iterator
from types import EllipsisType
from typing import Self, final

from typing_extensions import Buffer

from gateway.model import Frame, Kind
from gateway.protocols.base import DeviceSettings, Session

def status_names() -> tuple[str, ...]: ...
def fuzz(name: str, frames: list[bytes], seed: int, cases: int) -> tuple[int, int, int]: ...
def is_sanitized() -> bool: ...
def checksum(name: str, data: bytes) -> int: ...
def field(name: str, text: bytes, other: bytes = b"") -> int | float | EllipsisType | None: ...

@final
class Twin:
    """One connection of a device, or the datagrams of one sender, compiled: around a reference session, which reads what is rare."""

    settings: DeviceSettings
    @property
    def transport(self) -> str: ...
    @property
    def device(self) -> str | None: ...
    @property
    def skipped_bytes(self) -> int: ...
    @property
    def pending_bytes(self) -> int: ...
    def __new__(cls, reference: Session) -> Self:
        """``reference``: a ``StreamSession`` of a protocol that has a kernel. Raises ``KeyError`` for any other."""

    def receive(self, data: bytes) -> None: ...
    def frames(self, now_us: int) -> Iterator[Frame]: ...
    def read(self, raw: bytes, now_us: int) -> Frame: ...
    def tally(self, data: bytes, now_us: int) -> tuple[int, int, int, Kind]:
        """Receive, split and read without making objects, and count: (frames, refused, handed over, kinds).

        What is handed over is read by the reference. This is the work of the ingest thread, and what a frame costs there.
        """

@final
class AreaGrid:
    """Who owns a point. Immutable once built.

    ``points``: ``(n, 2) int32``, lat/lon e7, every ring closed. ``ring_start``: ``(rings + 1,) int32``, first point of
    each ring. ``ring_part``: ``(rings,) int32``, rings of a part together, its outline first. ``part_owner``:
    ``(parts,) int32``, not decreasing. ``cells``: rows and columns of the grid.
    """

    def __new__(cls, points: Buffer, ring_start: Buffer, ring_part: Buffer, part_owner: Buffer, cells: int) -> Self: ...
    def owners(self, lat_e7: int, lon_e7: int) -> tuple[int, ...]: ...
    def nearest(self, lat_e7: int, lon_e7: int, limit_m: float) -> tuple[int, float] | None: ...

def crc32c(data: bytes, before: int = 0) -> int:
    """CRC-32C of ``data``; ``before`` is the CRC of what stood before it."""

def seal_record(body: bytes, urgency: int, flags: int, key_id: int, seq: int, at_us: int, mark: int) -> bytes:
    """The bytes of one journal record, checksum included. Raises ValueError for a body above 8 MiB, OverflowError for a negative number."""

def record_bytes(data: bytes, offset: int, mark: int) -> int:
    """Length of the valid record at ``offset``; 0 when none stands there. ``mark`` 0: of any segment."""

def walk_records(data: bytes, offset: int, stop: int, mark: int, after_seq: int) -> tuple[int, int, int, int]:
    """Walk valid records whose numbers rise above ``after_seq``, from ``offset`` until one begins at or after ``stop``.

    Stops early at the first byte that begins no such record, and at a seal.
    Returns: (offset reached, records, first seq, last seq); the numbers are 0 and ``after_seq`` without a record.
    """

def records_naming(data: bytes, mark: int, text: bytes) -> tuple[list[int], int, int]:
    """Offsets of the records whose body holds ``text``, and of the record just before each.

    Returns: (offsets, -1 among them for the last record before these bytes; where the last record stands; where the walk ended).
    """

def ended_alarms(data: bytes, mark: int, names: frozenset[bytes], before_us: int, ended: set[bytes]) -> None:
    """Add to ``ended`` the alarm of every record with one of these events that was written before ``before_us``."""

def lasting_records(data: bytes, mark: int, ended: set[bytes], before_us: int) -> tuple[list[int], int]:
    """Offsets of the records that are not older than ``before_us``, or of an alarm that is not in ``ended``.

    Returns: (offsets, where the walk ended).
    """
