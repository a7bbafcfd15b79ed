"""``gateway init``: a commented configuration that works at once."""

import argparse
import base64
import json
import os
import secrets
from pathlib import Path

from gateway.config.pages import first_file
from gateway.errors import CommandError

SECRET_FILE = "centre-1.secret"
"The name that the first file gives to the secret of its centre."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", default="gateway.toml", help="where to write it; - is standard output (gateway.toml)")
    parser.add_argument("--force", action="store_true", help="overwrite a configuration that is there; a secret never is")
    parser.add_argument("--json", action="store_true", help="say what was written as JSON")


def run(options: argparse.Namespace) -> int:
    if options.output == "-":
        print(first_file(), end="")
        return 0
    path = Path(options.output)
    try:
        written = write_first_files(path, options.force)
    except FileExistsError as error:
        raise CommandError(f"{error.filename} is there already; write another file with -o, or overwrite it with --force") from error
    except OSError as error:
        raise CommandError(f"{error.filename} can't be written ({(error.strerror or str(error)).lower()}); choose another place with -o") from error
    if options.json:
        print(json.dumps({"written": written}))
    else:
        print(f"wrote {', '.join(written)}; next: gateway check -c {path}")
    return 0


def write_first_files(path: Path, force: bool) -> list[str]:
    """Write the configuration, and a new secret for its centre unless one is there. Returns the files written."""
    with path.open("w" if force else "x", encoding="utf-8") as file:
        file.write(first_file())
    secret = path.parent / SECRET_FILE
    if secret.exists():
        return [str(path)]
    descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}\n")
    return [str(path), str(secret)]
