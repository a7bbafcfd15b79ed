"""``gateway registry verify|rebuild|reference``: prove the change log; make the index anew; the page about both."""

import argparse
import json

from gateway.config import load_config
from gateway.registry.page import reference
from gateway.shell.registry_files import open_registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    texts = {
        "verify": "read the whole change log, prove its chain, and compare the index with it",
        "rebuild": "make the index anew from the change log; a running server notices",
    }
    text = "print the reference page of nouns and fields"
    sub = actions.add_parser("reference", help=text, description=text)
    sub.add_argument("--json", action="store_true", help="the page in one JSON object")
    for action, text in texts.items():
        sub = actions.add_parser(action, help=text, description=text)
        sub.add_argument("-c", "--config-file", metavar="FILE", default="gateway.toml", help="the configuration (gateway.toml)")
        sub.add_argument("--json", action="store_true", help="one JSON object")
        if action == "rebuild":
            sub.add_argument("--force", action="store_true", help="pass over damaged lines and accept a lost end")


def run(options: argparse.Namespace) -> int:
    if options.action == "reference":
        print(json.dumps({"page": reference()}) if options.json else reference(), end="\n" if options.json else "")
        return 0
    config = load_config(options.config_file)
    with open_registry(config.gateway.data_dir) as registry:
        proof = registry.verify() if options.action == "verify" else registry.rebuild(options.force)
        entries = {noun: len(rows) for noun, rows in registry.snapshot.rows.items()}
    if options.json:
        print(json.dumps({"ok": not proof.damage, "changes": proof.n, "head": proof.head.hex(), "damage": list(proof.damage), "entries": entries}))
    else:
        for damage in proof.damage:
            print(f"damage: {damage}")
        counts = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in entries.items())
        print(f"{proof.n} changes, head {proof.head.hex()[:16]}; {counts}")
    return 1 if proof.damage else 0
