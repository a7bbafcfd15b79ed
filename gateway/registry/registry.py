"""The registry: one door for every change, one snapshot for every question.

A change is validated as a whole, appended to the change log and synced, applied to the index, committed; then the
snapshot is swapped. A crash anywhere between leaves a log that the next opening (of any process) follows to its end.
Methods that touch the disk block and are called from one thread at a time; questions are answered from memory.
"""

import builtins
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from gateway.errors import CommandError, RegistryError
from gateway.model import Case, Device, Instant, Unit, User
from gateway.registry import credentials, rules
from gateway.registry.changes import CHAIN_START, Change, Line, read_lines, read_tail, write_line
from gateway.registry.index import Index, Position
from gateway.registry.nouns import NOUNS, Noun, Values, read_id
from gateway.registry.rules import Known, refuse
from gateway.registry.snapshot import Row, Snapshot

Json = dict[str, object]

class NotSynced(OSError):
    """What was written may or may not be on disk, and no later sync of the file is to be believed (R-04)."""


class LogFile(Protocol):
    """The change log on disk; ``OSError`` when the disk fails."""

    path: str

    def size(self) -> int:
        """Bytes in the file."""

    def read(self, offset: int) -> bytes:
        """Everything from there to the end."""

    def append(self, data: bytes) -> None:
        """Write at the end and sync; durable when it returns. Raises NotSynced when only the sync failed."""

    def cut(self, size: int) -> None:
        """Take what lies beyond ``size`` away (it is kept beside the log) and sync."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One change that somebody asks for."""

    noun: str
    key: str
    fields: Mapping[str, object] | None
    "None: remove."
    expects: str = "any"
    "new: must not be there; old: must be; any."


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a wish."""

    action: str
    "add, set, remove, or same: nothing was different and nothing was written."
    entry: Json
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """What reading the whole log found."""

    n: int
    "The number of the last change."
    head: bytes
    "The hash after it."
    damage: tuple[str, ...]


class Registry:
    """Devices, cases, units and users. Implements ``model.Facts``."""

    def __init__(self, log: LogFile, index: Index, known: Known | None = None) -> None:
        """Open: changes that the log holds and the index does not are applied, a torn last write is cut."""
        self._log = log
        self._index = index
        self._known = known or Known()
        self.damage: str | None = None
        "Why nothing can be changed; questions are answered all the same."
        self._lost: str | None = None
        "Why this process can change nothing any more."
        self._seen_version = -1
        self._position = Position()
        self._beyond: tuple[Row, ...] = ()
        "What can be read behind a damage of the log: for questions alone."
        self.snapshot = Snapshot()
        with index.writing():
            self._follow_log()
            self._catch_up()

    def close(self) -> None:
        """Let go of the files."""
        self._index.close()

    # ------------------------------------------------------------------------------ questions, from memory

    def device(self, device_id: str) -> Device | None:
        """The device with our id."""
        return self.snapshot.device(device_id)

    def device_named(self, identifier: str) -> Device | None:
        """The device that calls itself this on the wire."""
        return self.snapshot.device_named(identifier)

    def case(self, case_ref: str) -> Case | None:
        """The case with this reference."""
        return self.snapshot.case(case_ref)

    def unit(self, unit_id: str) -> Unit | None:
        """The unit with this call sign."""
        return self.snapshot.unit(unit_id)

    def user(self, user_id: str) -> User | None:
        """One user, with the hash of the secret."""
        return self.snapshot.user(user_id)

    def units(self) -> Iterable[Unit]:
        """Every unit."""
        return self.snapshot.units()

    def devices(self) -> Iterable[Device]:
        """Every device."""
        return self.snapshot.devices()

    def get(self, noun: str, key: str) -> Json | None:
        """One entry, JSON-ready: every field, null where nothing is known; of secrets only whether there is one."""
        row = self.snapshot.rows[_noun(noun).name].get(key)
        return shown(row) if row else None

    def list(self, noun: str) -> builtins.list[Json]:
        """Every entry, in the order of the ids."""
        rows = self.snapshot.rows[_noun(noun).name]
        return [shown(rows[key]) for key in sorted(rows)]

    # --------------------------------------------------------------------------------------------- changes

    def put(self, noun: str, key: str, fields: Mapping[str, object], actor: str, now_us: int) -> Json:
        """Add or change an entry; fields that are not named stay, null sets one back. Returns the entry, with ``warnings``.

        A user's ``password`` is taken in place of ``secret_hash``; hashing it blocks for a tenth of a second or more.
        Raises CommandError when it may not be, RegistryError when it could not be kept.
        """
        (done,) = self.apply([Wish(noun, key, fields)], actor, now_us)
        return done.entry | {"warnings": list(done.warnings)}

    def remove(self, noun: str, key: str, actor: str, now_us: int) -> bool:
        """Take an entry out; False when there was none. Raises CommandError while another entry leans on it."""
        if key not in self.snapshot.rows[_noun(noun).name] and not (self.refresh() and key in self.snapshot.rows[noun]):
            return False
        self.apply([Wish(noun, key, None)], actor, now_us)
        return True

    def apply(self, wishes: Sequence[Wish], actor: str, now_us: int) -> tuple[Done, ...]:
        """Make these changes, all or none. One disk sync, however many they are.

        Raises CommandError for the first that may not be, RegistryError when they could not be kept.
        """
        read = [_read_wish(wish) for wish in wishes]
        refusal: CommandError | None = None
        done: tuple[Done, ...] = ()
        with self._index.writing():
            self._follow_log()
            self._catch_up()
            self._require_sound()
            draft = _Draft(self.snapshot, self._known, actor, now_us)
            try:
                done = tuple(draft.make(wish, fields) for wish, fields in zip(wishes, read, strict=True))
            except CommandError as error:
                refusal = error  # raised below: what the log held was followed all the same
            else:
                if draft.changes:
                    position = self._append(draft.changes)
                    self._index.put(draft.rows.values(), position)
        if refusal:
            raise refusal
        if draft.changes:
            self._position, self.snapshot = position, draft.snapshot
        return done

    def mint_setup_token(self, now: Instant, random_bytes: bytes) -> credentials.SetupToken | None:
        """The one-time token of the first start (R-66); None when an administrator can log in already."""
        if any(user.role == "admin" and user.active for user in self.snapshot.users()):
            return None
        return credentials.new_setup_token(now.mono_us, random_bytes)

    def refresh(self) -> bool:
        """Take over what other processes changed; cheap when nothing did. True: the snapshot is a new one."""
        version = self._index.data_version()
        if version == self._seen_version:
            return False
        self._seen_version = version
        with self._index.reading():
            return self._catch_up()

    def checkpoint(self) -> None:
        """Housekeeping of the index, for an idle moment."""
        self._index.checkpoint()

    # ---------------------------------------------------------------------------------------- log and index

    def verify(self) -> Proof:
        """Read the whole log and prove its chain, and that the index stands where it says."""
        with self._index.writing():
            return self._prove()[0]

    def rebuild(self, force: bool = False) -> Proof:
        """Make the index anew from the log alone. With ``force`` damaged lines are passed over and a lost end is accepted.

        Raises RegistryError when the log is damaged and ``force`` is not given; then nothing was changed.
        """
        with self._index.writing():
            self._follow_log()  # cuts a torn last write
            proof, lines = self._prove()
            if proof.damage and not force:
                raise RegistryError(f"{self._log.path}: {'; '.join(proof.damage)}; restore it from a backup, or go on without these: --force")
            if lines and lines[-1].has_no_end:
                self._log.cut(lines[-1].offset)  # the next change must not be written onto half a line
            rows = _replayed({}, [line.change for line in lines if line.change])
            self._index.clear()
            self._index.put(rows.values(), Position(proof.n, proof.head, self._log.size(), self._index.position().rebuilt + 1))
            self.damage, self._beyond = None, ()
            self._catch_up()
        return proof

    def _prove(self) -> tuple[Proof, tuple[Line, ...]]:
        data, position = self._log.read(0), self._index.position()
        n, head, damage = 0, CHAIN_START, []
        lines = tuple(read_lines(data, 0, 0, CHAIN_START))
        for line in lines:
            n, head = line.n, line.head or head
            if line.wrong:
                damage.append(f"line at byte {line.offset} {line.wrong}")
            elif line.end == position.log_bytes and line.head != position.head:
                damage.append(f"line at byte {line.offset} is not the change {position.n} that the index followed")
        if len(data) < position.log_bytes:
            damage.append(f"it has {len(data)} bytes, the index has followed it to byte {position.log_bytes}, change {position.n}")
        return Proof(n, head, tuple(damage)), lines

    def _follow_log(self) -> None:
        """Apply what the log holds beyond the index. Inside ``writing``."""
        position, size = self._index.position(), self._log.size()
        self.damage, self._beyond = None, ()
        if size == position.log_bytes:
            return
        if size < position.log_bytes:
            self.damage = f"{self._log.path} has {size} bytes and the index has followed it to byte {position.log_bytes}: its end is lost"
            return
        tail = read_tail(self._log.read(position.log_bytes), position.log_bytes, position.n, position.head)
        changes = [change for change, _, _ in tail.changes]
        rows = _replayed({(row.noun, row.id): row for row in self._index.rows()}, changes)
        if tail.changes:
            last, head, end = tail.changes[-1]
            touched = {(change.noun, change.id) for change in changes}
            self._index.put([rows[key] for key in touched], Position(last.n, head, end, position.rebuilt))
        if tail.cut_at is not None:
            try:
                self._log.cut(tail.cut_at)
            except OSError as error:
                self.damage = f"{self._log.path}: a torn last write can't be cut ({error.strerror})"
        if tail.damage:
            self.damage = f"{self._log.path}: {tail.damage}"
            beyond = _replayed(rows, list(tail.beyond))
            self._beyond = tuple(row for key, row in beyond.items() if rows.get(key) != row)

    def _catch_up(self) -> bool:
        """Bring the snapshot to the state of the index. Inside ``writing`` or ``reading``."""
        position = self._index.position()
        if position == self._position and not self._beyond:
            return False
        base = self.snapshot if position.rebuilt == self._position.rebuilt and position.n >= self._position.n else Snapshot()
        self.snapshot = base.after([*self._index.rows(base.n), *self._beyond], position.n)
        self._position = position
        return True

    def _append(self, changes: Sequence[Change]) -> Position:
        position = self._index.position()
        head, lines = position.head, []
        group = (changes[0].n, changes[-1].n) if len(changes) > 1 else None
        for change in changes:
            line, head = write_line(replace(change, group=group), head)
            lines.append(line)
        data = b"".join(lines)
        try:
            self._log.append(data)
        except NotSynced as error:
            self._lost = f"{self._log.path}: the disk failed to keep a change ({error.strerror}); it may be there after a restart or not"
            raise RegistryError(f"{self._lost}; see to the disk and restart") from error
        except OSError as error:
            self._undo_append(position.log_bytes)
            raise RegistryError(f"{self._log.path}: the change was not kept ({error.strerror}); see to the disk and enter it again") from error
        return Position(changes[-1].n, head, position.log_bytes + len(data), position.rebuilt)

    def _undo_append(self, size: int) -> None:
        """What was written and not synced must not come back later as if somebody had wanted it."""
        try:
            self._log.cut(size)
        except OSError as error:
            self._lost = f"{self._log.path}: the disk failed ({error.strerror})"

    def _require_sound(self) -> None:
        if self._lost:
            raise RegistryError(f"nothing can be changed: {self._lost}; see to the disk and restart")
        if self.damage:
            raise RegistryError(f"nothing can be changed: {self.damage}; restore the log from a backup, or run `gateway registry rebuild --force`")


class _Draft:
    """Changes being made on top of a snapshot, before anybody else sees them."""

    def __init__(self, snapshot: Snapshot, known: Known, actor: str, now_us: int) -> None:
        self.snapshot = snapshot.copy()
        self.changes: list[Change] = []
        self.rows: dict[tuple[str, str], Row] = {}
        self._known = known
        self._actor = actor
        self._now_us = now_us

    def make(self, wish: Wish, fields: "dict[str, object] | None") -> Done:
        noun = NOUNS[wish.noun]
        row = self.snapshot.rows[noun.name].get(wish.key)
        if row is None and (fields is None or wish.expects == "old"):
            raise refuse(noun.name, wish.key, f"is not there; see `gateway {noun.name} list`", f"unknown_{noun.name}")
        if row is not None and wish.expects == "new":
            raise refuse(noun.name, wish.key, f"is there already; change it with `gateway {noun.name} set`")
        before = row.values if row else None
        if fields is None:
            assert row is not None, "what is not there was refused above"
            warnings = rules.check_removal(self.snapshot, noun.name, wish.key)
            self._keep("remove", noun, wish.key, {}, None, row)
            return Done("remove", shown(row), tuple(warnings))
        after = _merged(noun, before or {}, fields)
        _bind(noun, before or {}, after, self._now_us)
        warnings = rules.check(self.snapshot, noun.name, wish.key, before, after, self._known)
        changed = {name: after.get(name) for name in sorted({*(before or {}), *after}) if after.get(name) != (before or {}).get(name)}
        if row is not None and not changed:
            return Done("same", shown(row), tuple(warnings))
        new = self._keep("add" if row is None else "set", noun, wish.key, changed, after, row)
        return Done("add" if row is None else "set", shown(new), tuple(warnings))

    def _keep(self, action: str, noun: Noun, key: str, changed: Json, after: Values | None, row: Row | None) -> Row:
        n = self.snapshot.n + 1
        change = Change(n, self._now_us, self._actor, noun.name, key, action, changed)
        new = Row(noun.name, key, after, n, self._now_us, self._actor, row.added_at_us if row and action != "add" else self._now_us)
        self.changes.append(change)
        self.rows[noun.name, key] = new
        self.snapshot.take(new)
        self.snapshot.n = n
        return new


def _read_wish(wish: Wish) -> "dict[str, object] | None":
    """The fields of a wish as they are kept; None: remove. Raises CommandError."""
    noun = _noun(wish.noun)
    if wish.fields is None:
        return None
    try:
        if read_id(wish.key) != wish.key:
            raise ValueError("begins or ends with a blank; remove it")
    except ValueError as error:
        raise refuse(noun.name, repr(wish.key[:80]), f"the id {error}", "wrong_use") from error
    fields = dict(wish.fields)
    if noun.name == "user" and "password" in fields:
        password = fields.pop("password")
        if not isinstance(password, str):
            raise refuse("user", wish.key, "password must be text", "wrong_use")
        fields["secret_hash"] = credentials.hash_password(wish.key, password)
    return rules.read_fields(noun, wish.key, fields)


def _noun(name: str) -> Noun:
    if name not in NOUNS:
        raise refuse("registry", name, f"is no noun; known: {', '.join(NOUNS)}", "wrong_use")
    return NOUNS[name]


def _merged(noun: Noun, before: Values, fields: Mapping[str, object]) -> "dict[str, object]":
    """The values after a change; what is at its default is not kept."""
    after = {**before, **fields}
    defaults = {field.name: field.default for field in noun.fields}
    return {name: value for name, value in after.items() if value is not None and value not in ([], {}) and value != defaults.get(name)}


def _bind(noun: Noun, before: Values, after: "dict[str, object]", now_us: int) -> None:
    """A device that is given to a case (or to another one) is bound to it from now on: older frames are not its."""
    if noun.name != "device" or before.get("case_ref") == after.get("case_ref"):
        return
    if after.get("case_ref") is None:
        after.pop("bound_at_us", None)
    else:
        after["bound_at_us"] = now_us


def _replayed(known: "dict[tuple[str, str], Row]", changes: "list[Change]") -> "dict[tuple[str, str], Row]":
    """The rows after these changes, as the log tells them. Never refuses: what is in the log was accepted."""
    rows = dict(known)
    for change in changes:
        row = rows.get((change.noun, change.id))
        is_new = row is None or row.values is None
        values = None
        if change.action != "remove":
            merged = {**((row.values if row else None) or {}), **change.fields}
            values = {name: value for name, value in merged.items() if value is not None}
        added_at_us = change.at_us if row is None or (is_new and change.action != "remove") else row.added_at_us
        rows[change.noun, change.id] = Row(change.noun, change.id, values, change.n, change.at_us, change.actor, added_at_us)
    return rows


def shown(row: Row) -> Json:
    """An entry as interfaces show it: stable keys, null where nothing is known, never a secret."""
    noun, values = NOUNS[row.noun], row.values or {}
    entry: Json = {noun.key: row.id}
    for field in noun.fields:
        value = values.get(field.name, field.default)
        if field.is_secret:
            value = value is not None
        elif isinstance(value, list | tuple):
            value = list(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        name = field.shown_as
        if name.endswith("_at_us"):
            name, value = name.removesuffix("_us"), time_text(value) if isinstance(value, int) else None
        entry[name] = value
    return entry | {"added_at": time_text(row.added_at_us), "changed_at": time_text(row.at_us), "changed_by": row.actor}


def time_text(at_us: int) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
