"""One TOML file -> frozen dataclasses: read once, checked as a whole, then frozen.

Each room defines its options next to the code that uses them (``options.py``); this room composes them, and says
everything that is wrong with a file at once: file, line, key, what is wrong, what to do.
"""

import dataclasses
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.alarms import AlarmOptions
from gateway.config.build import Builder, sections, shapes_of
from gateway.config.checks import check, options_in, parse_bind
from gateway.config.limits import SECTIONS_NOT_BUILT
from gateway.config.lines import lines_of
from gateway.config.notes import Complaint, Notes
from gateway.delivery.options import CentreOptions, DeliveryOptions, FallbackOptions
from gateway.errors import ConfigError
from gateway.orders import OrderOptions
from gateway.protocols import PROTOCOLS
from gateway.router.options import RoadOptions
from gateway.shell.options import ApiOptions, GatewayOptions, ListenOptions, RetentionOptions, SdsOptions, SmsOptions
from gateway.supervision import SupervisionOptions

__all__ = ["Complaint", "Config", "Verdict", "difference", "inspect", "load_config", "options_in", "parse_bind"]


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. Paths are absolute; a centre has a name, a route an id."""

    gateway: GatewayOptions = field(default_factory=GatewayOptions)
    "The process."
    api: ApiOptions = field(default_factory=ApiOptions)
    "The HTTP door: API, console, metrics."
    listen: tuple[ListenOptions, ...] = ()
    "Device ports, one table each."
    sms: tuple[SmsOptions, ...] = ()
    "SMS bridges, one table each."
    sds: tuple[SdsOptions, ...] = ()
    "TETRA gateways, one table each."
    centre: tuple[CentreOptions, ...] = ()
    "Emergency centres, one table each, with their routes."
    fallback: FallbackOptions = field(default_factory=FallbackOptions)
    "The human fallback: a text that a person can act on, through a link that needs no centre."
    roads: RoadOptions = field(default_factory=RoadOptions)
    "Where road times come from and which units count."
    delivery: DeliveryOptions = field(default_factory=DeliveryOptions)
    "When an alert is repeated and who is asked next."
    alarms: AlarmOptions = field(default_factory=AlarmOptions)
    "Timers of an alarm's life."
    orders: OrderOptions = field(default_factory=OrderOptions)
    "What is asked of devices, and over which links."
    supervision: SupervisionOptions = field(default_factory=SupervisionOptions)
    "When a device counts as silent or weak."
    retention: RetentionOptions = field(default_factory=RetentionOptions)
    "How long what is kept."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said about a configuration file."""

    config: Config | None
    "None when anything is wrong."
    complaints: tuple[Complaint, ...]
    warnings: tuple[Complaint, ...]


def load_config(path: str | Path) -> Config:
    """The configuration in this file.

    Raises: ConfigError with every mistake at once.
    """
    verdict = inspect(path)
    if verdict.config is None:
        raise ConfigError([str(complaint) for complaint in verdict.complaints])
    return verdict.config


def inspect(path: str | Path) -> Verdict:
    """Everything that is wrong or odd with this file. Never raises for what it holds."""
    name = str(path)
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return _unreadable(name, 1, f"is not there; write one with `gateway init -o {name}`")
    except OSError as error:
        return _unreadable(name, 1, f"can't be read ({(error.strerror or str(error)).lower()}); correct its path or its rights")
    except UnicodeDecodeError as error:
        line = Path(path).read_bytes().count(b"\n", 0, error.start) + 1
        return _unreadable(name, line, f"byte {error.object[error.start]:#04x} is not UTF-8; save the file as UTF-8")
    try:
        tables = tomllib.loads(text)
        lines = lines_of(text)
    except tomllib.TOMLDecodeError as error:
        return _unreadable(name, *_syntax(str(error), text))
    except RecursionError:
        return _unreadable(name, 1, "is nested too deeply; write tables with [section] headers")
    notes = Notes(name, lines)
    config = _build(tables, notes, Path(path).resolve().parent)
    check(config, notes, _protocols())
    complaints = tuple(notes.complaints)
    return Verdict(None if complaints else _with_names(config), complaints, tuple(notes.warnings))


def _unreadable(file: str, line: int, text: str) -> Verdict:
    return Verdict(None, (Complaint(file, line, "", text),), ())


def _syntax(message: str, text: str) -> tuple[int, str]:
    """The line, and what is wrong there: tomllib says ``Expected '=' … (at line 3, column 5)``."""
    found = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if found:
        what, line, column = message[: found.start()], int(found[1]), f"column {found[2]}: "
    else:
        what, line, column = message.removesuffix(" (at end of document)"), text.rstrip().count("\n") + 1, "at the end of the file: "
    return line, f"{column}this is not TOML: {what[:1].lower()}{what[1:]}; mend the line, nothing after it was read"


def _protocols() -> Mapping[str, tuple[str, ...]]:
    """The device protocols of this version and what each is spoken over, on a port of its own."""
    return {row.name: row.transports if row.port else () for row in PROTOCOLS}


def _build(tables: Mapping[str, object], notes: Notes, folder: Path) -> Config:
    known = shapes_of(Config)
    for name in SECTIONS_NOT_BUILT:
        if name in tables:
            notes.complain((name,), f"[{name}] is not in this version; remove it")
    wanted = {name: _as_meant(name, table, notes) for name, table in tables.items() if name not in SECTIONS_NOT_BUILT}
    places = {key: section for section, owner in sections(Config) for key in shapes_of(owner)}
    return Builder(notes, folder, {key: place for key, place in places.items() if key not in known}).build(Config, wanted, ())


def _as_meant(name: str, table: object, notes: Notes) -> object:
    """A section with too few or too many brackets: complained of, and read as it was meant."""
    shape = shapes_of(Config).get(name)
    if shape and shape.is_list and isinstance(table, dict):
        notes.complain((name,), f"one [{name}] in single brackets; write [[{name}]]")
        return [table]
    if shape and not shape.is_list and isinstance(table, list) and table and isinstance(table[0], dict):
        notes.complain((name,), f"there is only one; write [{name}] in single brackets, once")
        return table[0]
    return table


def _with_names(config: Config) -> Config:
    """What an operator may leave out and everybody else may rely on: a centre's name, a route's id."""
    centres = []
    for centre in config.centre:
        routes = tuple(dataclasses.replace(route, id=route.id or f"{route.kind}-{n}") for n, route in enumerate(centre.route, 1))
        centres.append(dataclasses.replace(centre, name=centre.name or centre.id, route=routes))
    return dataclasses.replace(config, centre=tuple(centres))


# --------------------------------------------------------------------------------------------------- reload

_RESTART = ("gateway", "api", "listen", "sms", "sds", "orders")
"Sections that are read once: the process, and the doors that are bound at start."


def difference(old: Config, new: Config) -> list[str]:
    """What changes, a line each: ``live: centre[cic-ovl].backup: …`` or ``restart: gateway.data_dir: …``.

    ``live`` takes effect when the configuration is reloaded, ``restart`` when the gateway is started again.
    """
    before, after = dict(_leaves(old, ())), dict(_leaves(new, ()))
    whole = {path for path in before.keys() ^ after.keys() if before.get(path, after.get(path)) is _ELEMENT}
    found = []
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) == after.get(path) or any(path[:length] in whole for length in range(1, len(path))):
            continue
        when = "restart" if path[0].partition("[")[0] in _RESTART else "live"
        what = ("removed" if path in before else "added") if path in whole else f"{_shown(before.get(path))} -> {_shown(after.get(path))}"
        found.append(f"{when}: {'.'.join(path)}: {what}")
    return found


_ELEMENT = object()
"Stands at the path of one element of an array of tables."


def _leaves(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    """Values by path. Elements of an array of tables go by name, so that a new first one moves no other."""
    if not dataclasses.is_dataclass(value):
        yield path, value
        return
    for key, shape in shapes_of(type(value)).items():
        inner = getattr(value, key)
        if not (shape.is_list and dataclasses.is_dataclass(shape.inner)):
            yield from _leaves(inner, (*path, key))
            continue
        for item in inner:
            named = (*path, f"{key}[{_name_of(item)}]")
            yield named, _ELEMENT
            yield from _leaves(item, named)


def _name_of(item: object) -> str:
    if isinstance(item, ListenOptions):
        return f"{item.transport} {item.bind}"
    return str(getattr(item, "id", None) or getattr(item, "path_secret_file", None) or getattr(item, "name", "?"))


def _shown(value: object) -> str:
    return "(none)" if value is None or value == () else str(value)
