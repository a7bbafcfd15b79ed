"""Events <-> the plain map of a record's body, built once from the type hints of ``gateway/events.py``.

A map names its event under ``t`` and then every field that is not ``None``; nested dataclasses are maps, sets of
kinds lists of names, other enums their name or text. Reading is generous, because a record may come from a newer
version: a field we do not know is passed over, a name we do not know in an enum reads as the most careful member,
an event we do not know becomes an ``UnknownEvent``. Nothing that a record holds can make reading fail.
"""

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway import events
from gateway.events import Event
from gateway.journal.record import Plain
from gateway.model import Kind

HIDDEN = "hidden"
"Stands where a private fact is not shown."

Write = Callable[[typing.Any], Plain]  # the value's type is known only to the shape it belongs to
Read = Callable[[Plain], object]


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """A record that this version cannot read as an event: of a newer version, encrypted, or senseless."""

    name: str
    fields: Mapping[str, Plain] = field(repr=False)
    why: str


class Misfit(ValueError):
    """A value that is not what its field holds."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How one type is written and read."""

    write: Write | None
    "None: as it is."
    read: Read
    parts: "Facts | None" = None
    "What it consists of, when it is a dataclass."
    scalar: type | None = None
    "Values of exactly this type are read as they are."


@dataclass(frozen=True, slots=True)
class Fact:
    """One field of a dataclass."""

    name: str
    shape: Shape
    private: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """A dataclass and its fields."""

    made: type
    fields: tuple[Fact, ...]
    plan: tuple[tuple[str, Write | None, type | None, Read, str], ...]
    "The same, laid out for the two loops below: a start reads millions of records."

    def write(self, value: object) -> dict[str, Plain]:
        plain: dict[str, Plain] = {}
        for name, write, _, _, _ in self.plan:
            found = getattr(value, name)
            if found is not None:
                plain[name] = write(found) if write else found
        return plain

    def read(self, plain: Plain) -> object:
        if not isinstance(plain, dict):
            raise Misfit("no map")
        values: dict[str, object] = {}
        for name, _, scalar, read, if_absent in self.plan:
            found = plain.get(name)
            if type(found) is scalar:
                values[name] = found
            elif found is not None:
                try:
                    values[name] = read(found)
                except Misfit as misfit:
                    raise Misfit(f"{name}: {misfit}") from None
            elif if_absent == "none":
                values[name] = None
            elif if_absent == "misfit":
                raise Misfit(f"{name}: missing")
        return self.made(**values)


# ---------------------------------------------------------------------------------------------------- shapes


def _exactly(*accepted: type) -> Shape:
    def read(plain: Plain) -> object:
        # bool is an int to Python; to us it is not.
        if not isinstance(plain, accepted) or (isinstance(plain, bool) and bool not in accepted):
            raise Misfit(f"{type(plain).__name__} instead of {accepted[0].__name__}")
        return plain

    return Shape(None, read, scalar=accepted[0])


_SCALARS = {str: _exactly(str), int: _exactly(int), float: _exactly(float, int), bool: _exactly(bool), bytes: _exactly(bytes)}


def _flag_shape(flag: type[enum.Flag]) -> Shape:
    names = {name.lower(): member for name, member in flag.__members__.items()}

    @functools.lru_cache(4096)
    def listed(value: int) -> tuple[str, ...]:
        return tuple(name for name, member in names.items() if member.value & value)

    def read(plain: Plain) -> object:
        if not isinstance(plain, list):
            raise Misfit("no list of names")
        return _flag_of(tuple(name if isinstance(name, str) else "" for name in plain))

    @functools.lru_cache(4096)
    def _flag_of(written: tuple[str, ...]) -> enum.Flag:
        value = flag(0)
        for name in written:
            # A kind from a newer version is an alarm that nobody knows: LIFE.
            value |= names.get(name, Kind.UNKNOWN_ALARM if flag is Kind else flag(0))
        return value

    return Shape(lambda value: list(listed(value.value)), read)


def _enum_shape(kind: type[enum.Enum]) -> Shape:
    by_text = issubclass(kind, str)
    members = {str(member.value) if by_text else member.name: member for member in kind}
    first = next(iter(kind))

    def read(plain: Plain) -> object:
        if not isinstance(plain, str):
            raise Misfit("no name")
        return members.get(plain, first)

    return Shape((lambda value: value.value) if by_text else (lambda value: value.name), read)


def _tuple_shape(items: tuple[object, ...]) -> Shape:
    shapes = [shape_of(item)[0] for item in items if item is not ...]
    endless = len(items) == 2 and items[1] is ...

    def write(value: tuple[object, ...]) -> Plain:
        each = shapes * len(value) if endless else shapes
        return [shape.write(item) if shape.write else typing.cast(Plain, item) for shape, item in zip(each, value, strict=True)]

    def read(plain: Plain) -> object:
        if not isinstance(plain, list) or (not endless and len(plain) != len(shapes)):
            raise Misfit("no list of that length")
        each = shapes * len(plain) if endless else shapes
        return tuple(shape.read(item) for shape, item in zip(each, plain, strict=True))

    return Shape(write, read, shapes[0].parts if endless else None)


@functools.cache
def _facts_of(made: type) -> Facts:
    hints = typing.get_type_hints(made)
    fields = []
    plan = []
    for each in dataclasses.fields(made):
        shape, optional = shape_of(hints[each.name])
        required = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        # None is never written: where it is possible, it is what an absent field was.
        if_absent = "none" if optional else "misfit" if required else "default"
        fields.append(Fact(each.name, shape, not each.repr))
        plan.append((each.name, shape.write, shape.scalar, shape.read, if_absent))
    return Facts(made, tuple(fields), tuple(plan))


def shape_of(hint: object) -> tuple[Shape, bool]:
    """How values of a type hint are written and read, and whether ``None`` is one of them. ``TypeError``: we cannot."""
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        given = [argument for argument in arguments if argument is not types.NoneType]
        if len(given) == 1:
            return shape_of(given[0])[0], len(given) < len(arguments)
    elif origin is tuple:
        return _tuple_shape(arguments), False
    elif isinstance(hint, type):
        if hint in _SCALARS:
            return _SCALARS[hint], False
        if issubclass(hint, enum.Flag):
            return _flag_shape(hint), False
        if issubclass(hint, enum.Enum):
            return _enum_shape(hint), False
        if dataclasses.is_dataclass(hint):
            facts = _facts_of(hint)
            return Shape(facts.write, facts.read, facts), False
    raise TypeError(f"{hint!r} has no form in the journal; teach journal/bodies.py or give the event another field")


_EVENTS: dict[str, Facts] = {made.__name__: _facts_of(made) for made in typing.get_args(events.Event)}

# ---------------------------------------------------------------------------------------------------- the door


def body_of(event: Event | UnknownEvent) -> dict[str, Plain]:
    """The map that stands for an event."""
    if isinstance(event, UnknownEvent):
        return dict(event.fields)
    name = type(event).__name__
    return {"t": name, **_EVENTS[name].write(event)}


def event_of(plain: dict[str, Plain]) -> Event | UnknownEvent:
    """The event behind a map; never raises for what the map holds."""
    name = str(plain.get("t"))
    facts = _EVENTS.get(name)
    if facts is None:
        return UnknownEvent(name, plain, "an event that this version does not know")
    try:
        return typing.cast(Event, facts.read(plain))
    except Misfit as misfit:
        return UnknownEvent(name, plain, str(misfit))


def without_private(plain: dict[str, Plain]) -> dict[str, Plain]:
    """The map with every private fact hidden: positions, raw frames, texts, device numbers, and whatever we do not know."""
    facts = _EVENTS.get(str(plain.get("t")))
    shown = _shown(plain, facts) if facts else dict.fromkeys(plain, HIDDEN)
    return {**typing.cast(dict[str, Plain], shown), "t": plain.get("t")}


def _shown(plain: Plain, facts: Facts | None) -> Plain:
    if facts is None:
        return plain
    if isinstance(plain, list):
        return [_shown(item, facts) for item in plain]
    if not isinstance(plain, dict):
        return HIDDEN
    known = {fact.name: fact for fact in facts.fields}
    return {
        name: _shown(value, known[name].shape.parts) if name in known and not known[name].private else HIDDEN
        for name, value in plain.items()
    }  # fmt: skip
