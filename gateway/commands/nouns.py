"""``gateway device|case|unit|user add|set|list|show|remove|import``: the registry from the command line; ``device order``.

The options are made from the nouns' own fields, so that the command line knows what the API knows. The same files
are changed while the server runs; it notices.
"""

import argparse
import json
import os
import pwd
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from gateway.clock import SystemClock
from gateway.commands import orders
from gateway.commands.control import ask
from gateway.commands.tables import listing, table
from gateway.config import load_config
from gateway.errors import CommandError
from gateway.protocols import PROTOCOLS
from gateway.registry.credentials import TOKEN_BYTES, new_token
from gateway.registry.nouns import NOUNS, Field, Noun
from gateway.registry.registry import Done, Registry, Wish
from gateway.registry.rules import Known
from gateway.shell.registry_files import open_registry

_YES = {"true": True, "yes": True, "false": False, "no": False}
_TOLD_ONLY = frozenset({"added_at", "changed_at", "changed_by", "warnings"})
"What an answer adds to an entry; an import passes it over."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    noun = NOUNS[parser.prog.rsplit(" ", 1)[-1]]
    parser.set_defaults(noun=noun)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    texts = {
        "add": f"enter a new {noun.name}",
        "set": f"change a {noun.name}; what is not named stays as it is",
        "list": f"every {noun.name}",
        "show": f"one {noun.name}",
        "remove": f"take a {noun.name} out",
        "import": f"enter or change many, all or none: JSON as `gateway {noun.name} list --json` prints it, or one object a line",
    }
    if noun.name == "device":
        orders.add_arguments(actions)
        for sub in actions.choices.values():
            _add_common_arguments(sub)
    for action, text in texts.items():
        sub = actions.add_parser(action, help=text, description=text)
        if action == "import":
            sub.add_argument("file", metavar="FILE", help="- is standard input")
        elif action != "list":
            sub.add_argument("id", metavar="ID", help=noun.key)
        if action in ("add", "set"):
            _add_field_arguments(sub, noun, action)
        _add_common_arguments(sub)


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config-file", metavar="FILE", default="gateway.toml", help="the configuration (gateway.toml)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_field_arguments(parser: argparse.ArgumentParser, noun: Noun, action: str) -> None:
    for field in noun.fields:
        if field.is_ours or field.name == "secret_hash":
            continue
        words = f"{field.meaning} ({field.may_be})".replace("%", "%%")
        if field.is_secret:
            name = field.name.removesuffix("_hex").replace("_", "-")
            parser.add_argument(f"--{name}-file", dest=f"{field.name}_file", metavar="FILE", help=f"file with: {words}")
        elif field.kind in ("list", "map"):
            parser.add_argument(_flag(field), dest=field.name, nargs="*", metavar="KEY=VALUE" if field.kind == "map" else "TEXT", help=words)
        else:
            parser.add_argument(_flag(field), dest=field.name, metavar=field.kind.upper(), help=words)
    if noun.name == "user":
        secret = parser.add_mutually_exclusive_group()
        secret.add_argument("--password-file", metavar="FILE", help="file with the password; - is standard input")
        secret.add_argument("--token", action="store_true", help="make a token for a program and print it once")
    if noun.name == "device":
        parser.add_argument("--new-app-key", action="store_true", help="make a secret for the app path and print it once")
    if action == "set":
        parser.add_argument("--clear", nargs="+", metavar="FIELD", default=[], help="set fields back to their default")


def _flag(field: Field) -> str:
    return "--" + field.name.replace("_", "-")


def run(options: argparse.Namespace) -> int:
    if options.action in ("order", "orders"):
        return orders.run(options)
    config = load_config(options.config_file)
    known = Known({row.name: row.words for row in PROTOCOLS}, frozenset(centre.id for centre in config.centre))
    with open_registry(config.gateway.data_dir, known) as registry:
        if registry.damage:
            print(f"gateway {options.noun.name}: warning: {registry.damage}", file=sys.stderr)
        try:
            return _ACTIONS[options.action](registry, options.noun, options)
        except CommandError as error:
            if error.code == "wrong_use":
                raise
            print(f"gateway {options.noun.name}: {error}", file=sys.stderr)
            return 1


# -------------------------------------------------------------------------------------------------- questions


def _list(registry: Registry, noun: Noun, options: argparse.Namespace) -> int:
    entries = registry.list(noun.name)
    if options.json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
    elif entries:
        columns = (noun.key, *noun.columns)
        print(table(columns, [[entry[column] for column in columns] for entry in entries]))
    else:
        print(f"no {noun.name} yet; enter one with `gateway {noun.name} add`", file=sys.stderr)
    return 0


def _show(registry: Registry, noun: Noun, options: argparse.Namespace) -> int:
    entry = registry.get(noun.name, options.id)
    if entry is None:
        raise CommandError(f"{noun.name} {options.id} is not there; see `gateway {noun.name} list`", code=f"unknown_{noun.name}")
    if noun.name == "device" and (health := _health(Path(load_config(options.config_file).gateway.data_dir), options.id)):
        entry = {**entry, "health": health}
    print(json.dumps(entry, indent=2, ensure_ascii=False) if options.json else listing(entry))
    return 0


def _health(data_dir: Path, device_id: str) -> dict[str, object] | None:
    """What the running server knows of the device itself; None without one: nothing of it is ever on the disk."""
    try:
        status, told = ask(data_dir, "GET", f"/api/v1/devices/{quote(device_id, safe='')}")
    except CommandError:
        return None
    health = told.get("health") if status == 200 and isinstance(told, dict) else None
    return {name: value for name, value in health.items() if name != "device"} if isinstance(health, dict) else None


# ---------------------------------------------------------------------------------------------------- changes


def _change(registry: Registry, noun: Noun, options: argparse.Namespace) -> int:
    fields, shown_once = _fields_given(noun, options)
    if options.action == "add" and noun.name == "device" and "identifiers" not in fields and options.id.isdecimal():
        fields["identifiers"] = [options.id]  # an id of digits alone is what the device calls itself
    (done,) = registry.apply([Wish(noun.name, options.id, fields, {"add": "new", "set": "old"}[options.action])], _actor(), _now_us())
    _tell([done], noun, options.json, shown_once)
    return 0


def _remove(registry: Registry, noun: Noun, options: argparse.Namespace) -> int:
    _tell(registry.apply([Wish(noun.name, options.id, None)], _actor(), _now_us()), noun, options.json, {})
    return 0


def _import(registry: Registry, noun: Noun, options: argparse.Namespace) -> int:
    told_only = {noun.key, *_TOLD_ONLY}
    told_only |= {field.shown_as.removesuffix("_us") for field in noun.fields if field.is_ours or field.is_secret}
    wishes = []
    for position, entry in enumerate(_entries_in(_read(options.file)), 1):
        key = entry.get(noun.key) if isinstance(entry, dict) else None
        if not isinstance(key, str) or not isinstance(entry, dict):
            raise CommandError(f"{options.file}: entry {position} has no {noun.key}; every entry is a JSON object with one")
        wishes.append(Wish(noun.name, key, {name: value for name, value in entry.items() if name not in told_only}))
    _tell(registry.apply(wishes, _actor(), _now_us()), noun, options.json, {})
    return 0


_ACTIONS = {"list": _list, "show": _show, "add": _change, "set": _change, "remove": _remove, "import": _import}


def _tell(done: "tuple[Done, ...] | list[Done]", noun: Noun, as_json: bool, shown_once: Mapping[str, str]) -> None:
    """What was done; with one change the object itself, with several an array."""
    if as_json:
        told = [{"action": one.action, "entry": one.entry, "warnings": list(one.warnings), **shown_once} for one in done]
        print(json.dumps(told[0] if len(told) == 1 else told, indent=2, ensure_ascii=False))
        return
    words = {"add": "added", "set": "changed", "remove": "removed", "same": "is so already"}
    for one in done:
        print(f"{noun.name} {one.entry[noun.key]} {words[one.action]}")
        for warning in one.warnings:
            print(f"warning: {noun.name} {one.entry[noun.key]}: {warning}", file=sys.stderr)
    for name, value in shown_once.items():
        print(f"{name}, shown once: {value}")


# ----------------------------------------------------------------------------------------------- what was given


def _fields_given(noun: Noun, options: argparse.Namespace) -> tuple[dict[str, object], dict[str, str]]:
    """(fields, secrets that were made and are shown once)."""
    fields: dict[str, object] = {}
    shown_once: dict[str, str] = {}
    for field in noun.fields:
        given = getattr(options, field.name, None)
        if given is not None:
            fields[field.name] = _value(field, given)
        if field.is_secret and (path := getattr(options, f"{field.name}_file", None)):
            fields[field.name] = _secret_in(path)
    if noun.name == "device" and options.new_app_key:
        fields["app_key_hex"] = shown_once["app_key_hex"] = secrets.token_hex(32)
    if noun.name == "user" and options.token:
        shown_once["token"], fields["secret_hash"] = new_token(options.id, secrets.token_bytes(TOKEN_BYTES))
    if noun.name == "user" and options.password_file:
        fields["password"] = _secret_in(options.password_file)
    for name in getattr(options, "clear", ()):
        if name.replace("-", "_") in fields:
            raise CommandError(f"{name} is both set and cleared; do one of them")
        fields[name.replace("-", "_")] = None
    return fields, shown_once


def _value(field: Field, given: str | list[str]) -> object:
    """What stands on the command line as the value that JSON would have."""
    if isinstance(given, list):
        if field.kind == "list":
            return given
        pairs = [text.partition("=") for text in given]
        if any(not (key and equals) for key, equals, _ in pairs):
            raise CommandError(f"{_flag(field)}: write each as KEY=VALUE")
        return {key: value for key, _, value in pairs}
    if field.kind == "flag":
        if given.lower() not in _YES:
            raise CommandError(f"{_flag(field)} must be true or false")
        return _YES[given.lower()]
    if field.kind == "number":
        try:
            return int(given)
        except ValueError:
            raise CommandError(f"{_flag(field)} must be a whole number, {field.may_be}") from None
    return given


def _secret_in(path: str) -> str:
    lines = _read(path).splitlines()
    if len(lines) != 1 or not lines[0].strip():
        raise CommandError(f"{path}: expected one line with the secret, found {len(lines)}")
    return lines[0]


def _read(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CommandError(f"{path} can't be read ({cause.lower()}); correct the path or the file") from error


def _entries_in(text: str) -> list[object]:
    """A JSON array, or one object a line."""
    try:
        if text.lstrip().startswith("["):
            entries = json.loads(text)
            assert isinstance(entries, list)
            return entries
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise CommandError(f"the import is not JSON ({error}); write an array, or one object a line") from error


def _actor() -> str:
    """Who sits at the keyboard, as the change log keeps it."""
    try:
        return f"local:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"local:{os.getuid()}"


def _now_us() -> int:
    return SystemClock().now().wall_us
