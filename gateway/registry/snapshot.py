"""What people entered, as it stands: frozen, in memory, never out of reach of an alarm.

A snapshot never changes; a change makes the next one, which shares whatever stayed the same. Readers in any thread
hold one as long as they like.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from gateway.model import Case, Device, Unit, User
from gateway.registry.identifiers import LENGTH_MAX, hints_heard, hints_registered, key_of
from gateway.registry.nouns import NOUNS


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as it is kept."""

    noun: str
    id: str
    values: Mapping[str, object] | None = field(repr=False)
    "Fields that are not at their default; None: removed."
    n: int
    "The change that made it so."
    at_us: int
    actor: str
    added_at_us: int


@dataclass(slots=True)
class Snapshot:
    """Every entry after change ``n``. Implements ``model.Facts``.

    Only its maker calls ``take``, and only before anybody else sees it.
    """

    n: int = 0
    rows: dict[str, dict[str, Row]] = field(default_factory=lambda: {noun: {} for noun in NOUNS})
    "noun -> id -> row"
    built: dict[str, dict[str, object]] = field(default_factory=lambda: {noun: {} for noun in NOUNS}, repr=False)
    "noun -> id -> Device, Case, Unit or User"
    spellings: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)
    "(noun, id in small letters) -> id"
    names: dict[str, str] = field(default_factory=dict, repr=False)
    "name on the wire -> device id"
    hints: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    "lesser form of a name -> the device ids that it could mean"

    # ------------------------------------------------------------------------------------------- facts

    def device(self, device_id: str) -> Device | None:
        """The device with our id."""
        return cast("Device | None", self.built["device"].get(device_id))

    def device_named(self, identifier: str) -> Device | None:
        """The device that calls itself this on the wire.

        A name that is registered wins; else a lesser form, such as the ten digits of a watch, if it fits one device alone.
        """
        found = self.names.get(identifier) or self._id_named(identifier)
        return self.device(found) if found else None

    def _id_named(self, identifier: str) -> str | None:
        if len(identifier) > 4 * LENGTH_MAX:
            return None
        if found := self.names.get(key_of(identifier)):
            return found
        for hint in hints_heard(identifier):
            meant = self.hints.get(hint, ())
            if len(meant) == 1:
                return meant[0]
        return None

    def case(self, case_ref: str) -> Case | None:
        """The case with this reference."""
        return cast("Case | None", self.built["case"].get(case_ref))

    def unit(self, unit_id: str) -> Unit | None:
        """The unit with this call sign."""
        return cast("Unit | None", self.built["unit"].get(unit_id))

    def user(self, user_id: str) -> User | None:
        """One user, with the hash of the secret."""
        return cast("User | None", self.built["user"].get(user_id))

    def units(self) -> Iterable[Unit]:
        """Every unit."""
        return cast("dict[str, Unit]", self.built["unit"]).values()

    def devices(self) -> Iterable[Device]:
        """Every device."""
        return cast("dict[str, Device]", self.built["device"]).values()

    def users(self) -> Iterable[User]:
        """Every user."""
        return cast("dict[str, User]", self.built["user"]).values()

    # --------------------------------------------------------------------------------------- the next one

    def copy(self) -> "Snapshot":
        """One that may be changed without this one."""
        rows = {noun: dict(of_noun) for noun, of_noun in self.rows.items()}
        built = {noun: dict(of_noun) for noun, of_noun in self.built.items()}
        return Snapshot(self.n, rows, built, dict(self.spellings), dict(self.names), dict(self.hints))

    def after(self, rows: Iterable[Row], n: int) -> "Snapshot":
        """The snapshot with these rows in place of theirs."""
        new = self.copy()
        for row in rows:
            new.take(row)
        new.n = n
        return new

    def take(self, row: Row) -> None:
        """Put a row in place of the one with its id."""
        if row.noun not in NOUNS:
            return  # a newer version wrote it; the log and the index keep it
        old = self.built[row.noun].pop(row.id, None)
        self.rows[row.noun].pop(row.id, None)
        self.spellings.pop((row.noun, row.id.lower()), None)
        if isinstance(old, Device):
            _forget_names(old, self.names, self.hints)
        if row.values is None:
            return
        new = NOUNS[row.noun].build(row.id, row.values)
        self.rows[row.noun][row.id], self.built[row.noun][row.id] = row, new
        self.spellings[row.noun, row.id.lower()] = row.id
        if isinstance(new, Device):
            _learn_names(new, self.names, self.hints)


def _learn_names(device: Device, names: dict[str, str], hints: dict[str, tuple[str, ...]]) -> None:
    for name in device.identifiers:
        names[key_of(name)] = device.device_id
        for hint in hints_registered(name, device.protocol):
            hints[hint] = (*(other for other in hints.get(hint, ()) if other != device.device_id), device.device_id)


def _forget_names(device: Device, names: dict[str, str], hints: dict[str, tuple[str, ...]]) -> None:
    for name in device.identifiers:
        if names.get(key_of(name)) == device.device_id:
            del names[key_of(name)]
        for hint in hints_registered(name, device.protocol):
            left = tuple(other for other in hints.get(hint, ()) if other != device.device_id)
            if left:
                hints[hint] = left
            else:
                hints.pop(hint, None)
