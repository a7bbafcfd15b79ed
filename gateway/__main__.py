"""The door for people: ``gateway WORD ...`` (= ``python -m gateway WORD ...``)."""

import argparse
import importlib
import sys

from gateway import __version__
from gateway.errors import CommandError, ConfigError, GatewayError

COMMANDS = {
    # word: (room, what it does)
    "decode": ("decode", "hex frames on standard input -> one JSON object a line"),
    "identify": ("identify", "hex on standard input -> the likely protocols, best first"),
    "init": ("init", "write a commented configuration that works at once"),
    "device": ("nouns", "alarm buttons, trackers and apps: add, set, list, show, remove, import"),
    "case": ("nouns", "protections, by their reference"),
    "unit": ("nouns", "cars and teams that can be sent"),
    "user": ("nouns", "people and programs that may use the API"),
    "registry": ("registry", "prove the registry's change log, or make its index anew"),
    "check": ("check", "say everything that is wrong with a configuration, at once"),
    "centre": ("centre", "a stand-in centre; try the way to a real one step by step"),
    "roads": ("roads", "road index: build one from OpenStreetMap, ask it for times and units"),
}
"Rooms are imported only when their word is used: a decoder does not wait for the road engine."

EXIT_DONE, EXIT_NO, EXIT_WRONG = 0, 1, 2


def build_parser(word: str | None = None) -> argparse.ArgumentParser:
    """The parser with the arguments of ``word`` filled in (of every command when None)."""
    parser = argparse.ArgumentParser(prog="gateway", description="From the hidden button to the police car.")
    parser.add_argument("--version", action="version", version=f"gateway {__version__}")
    words = parser.add_subparsers(dest="word", metavar="COMMAND", required=True)
    for name, (room, purpose) in COMMANDS.items():
        sub = words.add_parser(name, help=purpose, description=purpose)
        if word in (None, name):
            module = importlib.import_module(f"gateway.commands.{room}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; exit 0 done, 1 the answer is no, 2 wrong use or wrong configuration."""
    words = sys.argv[1:] if argv is None else argv
    first = next((word for word in words if not word.startswith("-")), "")
    options = build_parser(first).parse_args(words)
    try:
        return int(options.run(options))
    except (ConfigError, CommandError) as error:
        print(f"gateway {first}: {error}", file=sys.stderr)
        return EXIT_WRONG
    except GatewayError as error:
        print(f"gateway {first}: {error}", file=sys.stderr)
        return EXIT_NO
    except BrokenPipeError:
        # The reader of our output went away (``| head``): that is its right.
        sys.stderr.close()
        return EXIT_DONE
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
