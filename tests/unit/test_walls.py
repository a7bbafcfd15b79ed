"""The walls of the house: who may import whom, which rooms have no doors, and that no file is dead.

Each complaint names the remedy. The table stands in docs/ARCHITECTURE.md; this file is what makes it true.
"""

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.__main__ import COMMANDS, build_parser

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "gateway"

DOORS = {"trio", "socket", "ssl", "time", "random", "os", "threading", "logging", "secrets", "subprocess", "select", "asyncio"}
"Modules through which the world comes in."

OUTSIDE = {"shell", "sim", "commands", "server", "__main__", "clock"}
"Rooms that may use the doors."

PURE = {"errors", "model", "events", "_fastpath", "deadlines"}
"What every room may use."

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "model": set(),
    "events": {"model"},
    "deadlines": set(),
    "clock": {"model"},
    "_fastpath": {"errors", "model"},
    "protocols": PURE,
    "times": PURE,
    "positions": PURE,
    "limits": PURE,
    "presses": PURE | {"times"},
    "identity": PURE | {"limits"},
    "supervision": PURE | {"times"},
    "life": PURE,
    "alarms": PURE | {"life", "times", "positions", "presses"},
    "orders": PURE,
    "sightings": PURE | {"alarms", "positions", "times"},
    "order_desk": PURE | {"alarms", "orders", "presses", "supervision"},
    "story": PURE,
    "journal": PURE,
    "router": PURE | {"positions"},
    "delivery": PURE,
    "registry": PURE | {"journal"},
    "api": PURE | {"journal", "delivery", "orders", "protocols", "registry"},
    "desk": PURE | {"alarms", "delivery", "identity", "life", "limits", "order_desk", "orders", "positions", "presses", "router", "sightings",
             "supervision", "times"},
}
"Room -> rooms it may import besides itself and every room's options. Imports point down; nothing points back."

ONLY_IN = {
    "msgpack": {"journal"},
    "orjson": {"journal", "delivery", "api", "commands", "sim", "bench"},
    "pyroutelib3": {"router", "maps"},
    "sqlite3": {"registry", "maps", "shell", "commands"},
    "h11": {"api", "shell", "delivery", "sim"},
    "msgspec": {"api", "config"},
    "prometheus_client": {"api", "shell"},
    "argon2": {"registry"},
    "cryptography": {"protocols"},
}
"Libraries and the rooms that know them."

BULKHEADS = {"gateway/shell/bulkhead.py", "gateway/shell/disk.py"}
"Files in which a handler may catch whatever comes."


def sources() -> list[Path]:
    return sorted(path for path in HOUSE.rglob("*.py") if "__pycache__" not in path.parts)


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            if node.module == "gateway":
                yield from ((node.lineno, f"gateway.{alias.name}") for alias in node.names)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in sources() if room_of(path) not in OUTSIDE], ids=named)
def test_core_rooms_have_no_doors(path: Path) -> None:
    for line, name in imports_of(path):
        assert name.split(".")[0] not in DOORS, f"{named(path)}:{line}: {name} belongs in gateway/shell/; take its result as an argument"


@pytest.mark.parametrize("path", sources(), ids=named)
def test_imports_only_point_down(path: Path) -> None:
    room = room_of(path)
    allowed = MAY_IMPORT.get(room)
    if allowed is None:
        assert room in OUTSIDE | {"config", "maps", "__init__"}, f"{named(path)}: a new room; give it a row in MAY_IMPORT"
        return
    for line, name in imports_of(path):
        parts = name.split(".")
        if parts[0] != "gateway" or len(parts) == 1 or parts[-1] in ("options", "__version__"):
            continue
        assert parts[1] in allowed | {room}, f"{named(path)}:{line}: {room} may not import {parts[1]}; pass the value in, or return it"


@pytest.mark.parametrize("path", [path for path in sources() if room_of(path) == "protocols"], ids=named)
def test_no_protocol_imports_another(path: Path) -> None:
    if path.name in ("__init__.py", "table.py", "auto.py"):
        return
    names = {p.stem for p in (HOUSE / "protocols").glob("*.py")} & table_names()
    for line, name in imports_of(path):
        parts = name.split(".")
        other = parts[2] if parts[:2] == ["gateway", "protocols"] and len(parts) > 2 else ""
        is_its_own = path.stem.startswith(f"{other}_")
        assert is_its_own or other not in names - {path.stem}, f"{named(path)}:{line}: share a kernel or protocols/base, not {other}"


def table_names() -> set[str]:
    from gateway import protocols

    return {row.name for row in getattr(protocols, "PROTOCOLS", ())}


@pytest.mark.parametrize("path", sources(), ids=named)
def test_a_library_is_known_in_its_room_alone(path: Path) -> None:
    for line, name in imports_of(path):
        rooms = ONLY_IN.get(name.split(".")[0])
        assert rooms is None or room_of(path) in rooms, f"{named(path)}:{line}: {name} is known only in {sorted(rooms or ())}"


@pytest.mark.parametrize("path", sources(), ids=named)
def test_everything_is_caught_only_at_a_bulkhead(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            is_broad = caught in ("everything", "Exception", "BaseException")
            passes_it_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            assert not is_broad or passes_it_on or named(path) in BULKHEADS, f"{named(path)}:{node.lineno}: name them; only {BULKHEADS} catch all"


def test_no_file_is_dead() -> None:
    users = [*sources(), *HOUSE.rglob("*.pyx"), *HOUSE.rglob("*.pxi"), *(ROOT / "tests").rglob("*.py")]
    imported = {name for path in users for name in _names_in(path)}
    for path in sources():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if path.name in ("__main__.py", "__init__.py") or room_of(path) == "commands":
            continue
        assert module in imported, f"{named(path)} is imported by nobody; use it or delete it"


def _names_in(path: Path) -> set[str]:
    if path.suffix != ".py":
        text = path.read_text()
        return {line.split()[1] for line in text.splitlines() if line.startswith(("from gateway", "import gateway"))}
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_rooms_are_named_after_what_they_make() -> None:
    for path in sources():
        assert path.stem not in {"utils", "helpers", "common", "manager", "misc"}, f"{named(path)}: name it after what it makes"


def test_commands_have_their_word_and_their_file() -> None:
    rooms = {path.stem for path in (HOUSE / "commands").glob("*.py")}
    for word, (room, _) in COMMANDS.items():
        assert room in rooms, f"the word {word} leads to commands/{room}.py, which is not there"


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every command without further words below it."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for inner in dict.fromkeys(action.choices.values()):
            yield from leaves(inner)


@pytest.mark.parametrize("command", list(leaves(build_parser())), ids=lambda command: command.prog)
def test_every_command_speaks_json_and_says_what_it_does(command: argparse.ArgumentParser) -> None:
    words = {word: action for action in command._actions for word in action.option_strings}
    assert "--json" in words, f"{command.prog}: give it --json"
    assert command.description, f"{command.prog}: say what it does (description)"
    silent = [action.dest for action in command._actions if not action.help]
    assert not silent, f"{command.prog}: say what {silent} mean (help)"
    assert "-c" not in words or "--config-file" in words, f"{command.prog}: -c is --config-file everywhere"
