"""``gateway serve``: the server."""

import argparse
import json
import logging

import trio

from gateway.config import load_config
from gateway.server import Ready, serve
from gateway.shell.seats import raise_limit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config-file", metavar="FILE", default="gateway.toml", help="the configuration (default: gateway.toml)")
    parser.add_argument("--json", action="store_true", help="print the line that says ready as one JSON object")
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"), help="how much is logged to standard error")


def run(options: argparse.Namespace) -> int:
    config = load_config(options.config_file)
    logging.basicConfig(level=options.log_level, format="%(asctime)s %(levelname)-5s %(name)s %(message)s")
    raise_limit()
    trio.run(lambda: serve(config, config_file=options.config_file, tell_ready=tell_ready_json if options.json else tell_ready))
    return 0


def tell_ready(ready: Ready) -> None:
    """One line with each bound address: what scripts and service managers wait for."""
    print(f"ready {' '.join(ready.lines)}", flush=True)
    if ready.setup_token:
        print(f"first start: open the console within 15 minutes and set up the administrator with the token {ready.setup_token}", flush=True)


def tell_ready_json(ready: Ready) -> None:
    """The same for programs: ``ready`` is a list, because two doors may have one name."""
    print(json.dumps({"ready": ready.lines, "setup_token": ready.setup_token}), flush=True)
