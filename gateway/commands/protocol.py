"""``gateway protocol list|show|pages``: what devices may speak."""

import argparse
import difflib
import json
from pathlib import Path

from gateway.errors import CommandError
from gateway.protocols import PROTOCOLS, row
from gateway.protocols.page import index_page, page_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    texts = {
        "list": "every protocol: name, transports, usual port, whether there is a compiled decoder",
        "show": "one protocol: who speaks it, how a device is set up, what is read and what is not",
        "pages": "write the documentation's pages about all protocols",
    }
    for action, text in texts.items():
        sub = actions.add_parser(action, help=text, description=text)
        sub.add_argument("--json", action="store_true", help="one JSON object or list")
        if action == "show":
            sub.add_argument("name", help="a name of the list")
        if action == "pages":
            sub.add_argument("folder", type=Path, help="where the pages go: docs/protocols")


def run(options: argparse.Namespace) -> int:
    if options.action == "list":
        entries = [_facts(entry.name) for entry in PROTOCOLS]
        print(json.dumps(entries) if options.json else "\n".join(_line(entry.name) for entry in PROTOCOLS))
    elif options.action == "show":
        names = [entry.name for entry in PROTOCOLS]
        if options.name not in names:
            near = difflib.get_close_matches(options.name, names, 1)
            raise CommandError(f"{options.name}: no such protocol; " + (f"did you mean {near[0]}?" if near else "known are " + ", ".join(names)))
        page = page_of(row(options.name))
        print(json.dumps(_facts(options.name) | {"page": page}) if options.json else page, end="\n" if options.json else "")
    else:
        written = _write(options.folder)
        print(json.dumps({"written": written}) if options.json else f"{len(written)} pages in {options.folder}")
    return 0


def pages() -> dict[str, str]:
    """File name -> text of every page."""
    return {"README.md": index_page()} | {f"{entry.name}.md": page_of(entry) for entry in PROTOCOLS}


def _write(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return sorted(made)


def _facts(name: str) -> dict[str, object]:
    entry = row(name)
    return {
        "protocol": name, "transports": list(entry.transports), "port": entry.port or None, "compiled": entry.fast is not None,
        "config_words": dict(entry.words),
    }  # fmt: skip


def _line(name: str) -> str:
    entry = row(name)
    return f"{name:12} {','.join(entry.transports):8} {entry.port or '-':>5}  {'compiled' if entry.fast else 'python'}"
