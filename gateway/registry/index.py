"""The index of the change log: SQLite, quick to open, rebuildable at any time. The only file that knows SQLite.

One row an entry, removed ones included, so that another process can ask what changed since it last looked. One
connection belongs to one thread at a time.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from gateway.errors import RegistryError
from gateway.registry.changes import CHAIN_START
from gateway.registry.nouns import Values
from gateway.registry.snapshot import Row

LAYOUT = 1
BUSY_WAIT_S = 5.0
"How long a writer waits for another process; a change holds the lock for two disk syncs."

_TABLES = """
CREATE TABLE IF NOT EXISTS record (
  noun TEXT NOT NULL, id TEXT NOT NULL, fields TEXT, n INTEGER NOT NULL, at_us INTEGER NOT NULL, actor TEXT NOT NULL,
  added_at_us INTEGER NOT NULL, PRIMARY KEY (noun, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_n ON record (n);
CREATE TABLE IF NOT EXISTS position (
  one INTEGER PRIMARY KEY CHECK (one = 1), layout INTEGER NOT NULL, n INTEGER NOT NULL, head BLOB NOT NULL, log_bytes INTEGER NOT NULL,
  rebuilt INTEGER NOT NULL
);
"""


class IndexDamaged(RegistryError):
    """The file is not what we wrote; the change log can make a new one."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far the index has come in the change log."""

    n: int = 0
    head: bytes = CHAIN_START
    log_bytes: int = 0
    rebuilt: int = 0
    "How often it was made anew: whoever holds rows of an older make must read all again."


class Index:
    """The entries in SQLite at ``path`` (``:memory:`` for tests and simulations)."""

    def __init__(self, path: str) -> None:
        self.path = path
        with _translated(path):
            self._db = sqlite3.connect(path, timeout=BUSY_WAIT_S, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        # Automatic checkpoints stall a writer for tens of milliseconds; checkpoint() runs when nothing else does.
        self._db.execute("PRAGMA wal_autocheckpoint=0")
        self._db.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.split(";"):
            self._db.execute(statement)
        start = Position()
        self._db.execute("INSERT OR IGNORE INTO position VALUES (1, ?, ?, ?, ?, ?)", (LAYOUT, start.n, start.head, start.log_bytes, start.rebuilt))
        (layout,) = self._db.execute("SELECT layout FROM position").fetchone()
        self._db.execute("COMMIT")
        if layout != LAYOUT:
            raise IndexDamaged(f"{self.path} has layout {layout}, this version writes {LAYOUT}; run `gateway registry rebuild`")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone with the index, all or nothing. Other processes wait."""
        with _translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Everything inside sees one state."""
        with _translated(self.path):
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def data_version(self) -> int:
        """Changes when another process committed something."""
        with _translated(self.path):
            return cast("int", self._db.execute("PRAGMA data_version").fetchone()[0])

    def position(self) -> Position:
        """How far it has come."""
        n, head, log_bytes, rebuilt = self._db.execute("SELECT n, head, log_bytes, rebuilt FROM position").fetchone()
        return Position(n, head, log_bytes, rebuilt)

    def put(self, rows: Iterable[Row], position: Position) -> None:
        """Keep these rows; the log has been followed up to ``position``. Inside ``writing``."""
        written = [(row.noun, row.id, _written(row.values), row.n, row.at_us, row.actor, row.added_at_us) for row in rows]
        self._db.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?)", written)
        self._db.execute(
            "UPDATE position SET n = ?, head = ?, log_bytes = ?, rebuilt = ?", (position.n, position.head, position.log_bytes, position.rebuilt)
        )

    def rows(self, after_n: int = 0) -> list[Row]:
        """Entries that changed after change ``after_n``, in the order of their ids."""
        found = self._db.execute("SELECT noun, id, fields, n, at_us, actor, added_at_us FROM record WHERE n > ? ORDER BY noun, id", (after_n,))
        return [Row(noun, key, self._read(fields), n, at_us, actor, added_at_us) for noun, key, fields, n, at_us, actor, added_at_us in found]

    def _read(self, fields: str | None) -> Values | None:
        try:
            return None if fields is None else cast("Values", json.loads(fields))
        except ValueError as error:
            raise IndexDamaged(f"{self.path} is damaged ({error}); run `gateway registry rebuild`") from error

    def clear(self) -> None:
        """Forget every entry. Inside ``writing``."""
        self._db.execute("DELETE FROM record")

    def checkpoint(self) -> None:
        """Move what the write-ahead log holds into the file; stops for nobody."""
        with _translated(self.path):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        self._db.close()


def _written(values: Values | None) -> str | None:
    return None if values is None else json.dumps(values, ensure_ascii=False, sort_keys=True)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise RegistryError(f"{path} is held by another process for more than {BUSY_WAIT_S:.0f} s; try again when it has finished") from error
        raise RegistryError(f"{path}: {error}; check the disk and the rights of the folder") from error
    except sqlite3.DatabaseError as error:
        raise IndexDamaged(f"{path} is damaged ({error}); run `gateway registry rebuild`") from error
