"""The door for people: ``gateway WORD ...`` (= ``python -m gateway WORD ...``)."""

import argparse
import importlib
import sys

from gateway import __version__
from gateway.errors import CommandError, ConfigError, GatewayError

COMMANDS = {
    # word: (room, what it does)
    "demo": ("demo", "the main job on an embedded city, offline"),
    "serve": ("serve", "the server"),
    "init": ("init", "write a commented configuration that works at once"),
    "check": ("check", "say everything that is wrong with a configuration, at once"),
    "device": ("nouns", "alarm buttons, trackers and apps: add, set, list, show, remove, import"),
    "case": ("nouns", "protections, by their reference"),
    "unit": ("nouns", "cars and teams that can be sent"),
    "user": ("nouns", "people and programs that may use the API"),
    "registry": ("registry", "prove the registry's change log, or make its index anew"),
    "alarm": ("alarm", "list, show, explain, take and close alarms"),
    "centre": ("centre", "a stand-in centre; try the way to a real one step by step"),
    "journal": ("journal", "the record of everything: its files, the proof that nothing was changed, its records"),
    "audit": ("audit", "prove the access log: who looked at what, and why"),
    "roads": ("roads", "road index: build one from OpenStreetMap, ask it for times and units"),
    "decode": ("decode", "hex frames on standard input -> one JSON object a line"),
    "identify": ("identify", "hex on standard input -> the likely protocols, best first"),
    "protocol": ("protocol", "what devices may speak: list, one in full, the documentation's pages"),
    "sim": ("sim", "press a simulated button; send the traffic of a fleet"),
    "bench": ("bench", "load on a whole gateway, with answers and figures"),
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


def one_disappointment(error: BaseException) -> GatewayError | None:
    """What the world did to us, out of the nurseries it came through; None when some of it is our own mistake."""
    if isinstance(error, BaseExceptionGroup):
        found = [one_disappointment(inner) for inner in error.exceptions]
        return found[0] if all(found) else None
    return error if isinstance(error, GatewayError) else None


def main(argv: list[str] | None = None) -> int:
    """Run one command; exit 0 done, 1 the answer is no, 2 wrong use or wrong configuration."""
    words = sys.argv[1:] if argv is None else argv
    first = next((word for word in words if not word.startswith("-")), "")
    options = build_parser(first).parse_args(words)
    try:
        return int(options.run(options))
    except (GatewayError, ExceptionGroup) as error:
        told = one_disappointment(error)
        if told is None:
            raise
        print(f"gateway {first}: {told}", file=sys.stderr)
        return EXIT_WRONG if isinstance(told, (ConfigError, CommandError)) else EXIT_NO
    except BrokenPipeError:
        # The reader of our output went away (``| head``): that is its right.
        sys.stderr.close()
        return EXIT_DONE
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
