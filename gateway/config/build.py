"""TOML values -> option classes: every wrong type, range, choice and unknown key is said at once."""

import dataclasses
import math
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from gateway.config.limits import CHOICES, FILES, NOT_BUILT, limits_of, number_text
from gateway.config.lines import KeyPath
from gateway.config.notes import Notes, meant, printable

T = TypeVar("T")

_EMPTY: dict[type, object] = {str: "", int: 0, float: 0.0, bool: False}
"Stands for a required value that is missing or wrong, so that the checks after it can still run."


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """The type of one option: what is inside the ``None`` and the tuple."""

    inner: type
    is_list: bool

    @property
    def words(self) -> str:
        """As a person reads it."""
        name = {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(self.inner, "table")
        return f"list of {name}{'' if name == 'text' or self.inner is bool else 's'}" if self.is_list else name


def shapes_of(owner: type) -> dict[str, Shape]:
    """The options of a class in their order."""
    hints = typing.get_type_hints(owner)
    return {field.name: _shape(hints[field.name]) for field in dataclasses.fields(owner)}


def _shape(hint: object) -> Shape:
    if isinstance(hint, types.UnionType):
        (hint,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
    is_list = typing.get_origin(hint) is tuple
    if is_list:
        hint = typing.get_args(hint)[0]
    assert isinstance(hint, type), f"an option may not be {hint!r}"
    return Shape(hint, is_list)


def sections(owner: type, prefix: str = "") -> Iterator[tuple[str, type]]:
    """Header and option class of every section inside, in order: ``[gateway]``, ``[api.tls]``, ``[[centre.route]]`` …"""
    for key, shape in shapes_of(owner).items():
        if dataclasses.is_dataclass(shape.inner):
            name = prefix + key
            yield (f"[[{name}]]" if shape.is_list else f"[{name}]"), shape.inner
            yield from sections(shape.inner, f"{name}.")


def default_of(field: "dataclasses.Field[object]") -> object:
    """The default, or ``dataclasses.MISSING`` when the option is required."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


class Builder:
    """Builds option classes out of one parsed file whose relative paths start at ``folder``."""

    def __init__(self, notes: Notes, folder: Path, elsewhere: Mapping[str, str]) -> None:
        self.notes = notes
        self.folder = folder
        self.elsewhere = elsewhere
        "Option -> the section that has it, for keys written in the wrong place."

    def build(self, owner: type[T], table: Mapping[str, object], path: KeyPath) -> T:
        """An instance of ``owner``. What is wrong is complained of, and a default stands in its place."""
        shapes = shapes_of(owner)
        values: dict[str, object] = {}
        unbuilt = self._unbuilt(owner, table, path)
        for key in table:
            if key not in shapes and not unbuilt:
                self.notes.complain((*path, key), self._unknown(key, shapes))
        for field in dataclasses.fields(typing.cast("type[typing.Any]", owner)):
            shape, default, at = shapes[field.name], default_of(field), (*path, field.name)
            if field.name in table:
                found = self._option(owner.__name__, field.name, shape, table[field.name], at)
                values[field.name] = found if found is not None else _stand_in(shape, default)
            else:
                values[field.name] = self._unwritten(owner.__name__, shape, default, at)
                if default is dataclasses.MISSING and not unbuilt:
                    self.notes.complain(at, f"missing; a {shape.words} is required here")
        return owner(**values)

    def _unbuilt(self, owner: type, table: Mapping[str, object], path: KeyPath) -> bool:
        """A kind that the contract names and this version has not: one complaint, and none about its keys."""
        for name, kinds in NOT_BUILT.items():
            cls, _, key = name.partition(".")
            if cls == owner.__name__ and table.get(key) in kinds:
                self.notes.complain((*path, key), f"{table[key]} is not in this version; remove it (this version has {', '.join(CHOICES[name])})")
                return True
        return False

    def _unknown(self, key: str, shapes: Mapping[str, Shape]) -> str:
        if key in self.elsewhere:
            return f"unknown key here; it belongs in {self.elsewhere[key]}"
        return f"unknown key; {meant(key, shapes)}"

    def _unwritten(self, owner: str, shape: Shape, default: object, path: KeyPath) -> object:
        """The default, also of a whole section; one that names a file is relative to the configuration as well."""
        value = _stand_in(shape, default)
        if dataclasses.is_dataclass(value):
            return self.build(shape.inner, {}, path)
        return str(self.folder / value) if f"{owner}.{path[-1]}" in FILES and isinstance(value, str) and value else value

    # --------------------------------------------------------------------------------------- one option

    def _option(self, owner: str, key: str, shape: Shape, value: object, path: KeyPath) -> object | None:
        """The value as the class wants it; None after a complaint."""
        if not shape.is_list:
            return self._single(owner, key, shape.inner, value, path)
        if not isinstance(value, list):
            hint = f"write [[{_header(path)}]]" if isinstance(value, dict) else "put it in square brackets"
            self.notes.complain(path, f"expected a {shape.words}, found {found_words(value)}; {hint}")
            return None
        items = [self._single(owner, key, shape.inner, item, (*path, position)) for position, item in enumerate(value)]
        return tuple(item for item in items if item is not None)

    def _single(self, owner: str, key: str, inner: type, value: object, path: KeyPath) -> object | None:
        if dataclasses.is_dataclass(inner):
            if isinstance(value, dict):
                return self.build(inner, value, path)
            hint = f"give it as a table: [{_header(path)}]"
            self.notes.complain(path, f"expected a table, found {found_words(value)}; {hint}")
            return None
        if inner is float and type(value) is int:
            value = float(value)
        if type(value) is not inner:
            expected = Shape(inner, False).words
            article = "" if inner in (bool, str) else "a "
            self.notes.complain(path, f"expected {article}{expected}, found {found_words(value)}{_type_hint(inner, value)}")
            return None
        if isinstance(value, str):
            return self._text(owner, key, value, path)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._number(owner, key, value, path)
        return value

    def _number(self, owner: str, key: str, value: float, path: KeyPath) -> float | None:
        limits = limits_of(owner, key)
        if not math.isfinite(value) or (limits and not limits[0] <= value <= limits[1]):
            low, high = limits or (-math.inf, math.inf)
            shown = str(value) if not math.isfinite(value) else number_text(value)
            self.notes.complain(path, f"{shown} is out of range; choose {number_text(low)} to {number_text(high)}")
            return None
        return value

    def _text(self, owner: str, key: str, value: str, path: KeyPath) -> str | None:
        name = f"{owner}.{key}"
        if name in CHOICES and value not in CHOICES[name]:
            if value not in NOT_BUILT.get(name, ()):
                self.notes.complain(path, f'"{printable(value)}" is unknown; {meant(value, CHOICES[name])}')
            return None
        if not value.strip() or "\0" in value:
            self.notes.complain(path, "is empty; give it a value or remove the key" if not value.strip() else "holds a NUL character; remove it")
            return None
        if name in FILES:
            return str(self.folder / value)
        return value


def _header(path: KeyPath) -> str:
    """``centre.route`` of the path of any route."""
    return ".".join(part for part in path if isinstance(part, str))


def _stand_in(shape: Shape, default: object) -> object:
    if default is not dataclasses.MISSING:
        return default
    if shape.is_list:
        return ()
    if dataclasses.is_dataclass(shape.inner):
        return None
    return _EMPTY[shape.inner]


def found_words(value: object) -> str:
    """What stands in the file, as a person would call it. Texts are not repeated: one may be a secret."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"number {value}"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    return "a date or time"


def _type_hint(inner: type, value: object) -> str:
    if isinstance(value, str) and inner in (int, float, bool):
        return "; remove the quotes"
    if inner is str and not isinstance(value, dict | list):
        return "; put it in quotes"
    return "; give one value" if isinstance(value, list) else "; mend the value"
