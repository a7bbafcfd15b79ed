"""``gateway check``: everything that is wrong with a configuration, at once; and what it comes to."""

import argparse
import json
import ssl
import sys

from gateway.config import Complaint, Config, Verdict, inspect
from gateway.config.pages import as_toml, effective, reference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config-file", metavar="FILE", default="gateway.toml", help="the configuration (default: gateway.toml)")
    parser.add_argument("--show-defaults", action="store_true", help="print the values that nobody set as well")
    parser.add_argument("--reference", action="store_true", help="print the reference page of all keys instead")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(options: argparse.Namespace) -> int:
    if options.reference:
        print(reference(), end="")
        return 0
    verdict = inspect(options.config_file)
    complaints = list(verdict.complaints)
    if verdict.config is not None:
        complaints += wrong_certificates(verdict.config, options.config_file)
    report = as_json if options.json else as_text
    report(options.config_file, verdict, complaints, options.show_defaults)
    return 2 if complaints else 0


def as_text(file: str, verdict: Verdict, complaints: list[Complaint], show_defaults: bool) -> None:
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    for warning in verdict.warnings:
        print(f"{warning.file}:{warning.line}: warning: {warning.path}{': ' if warning.path else ''}{warning.text}", file=sys.stderr)
    if complaints:
        print(f"{file}: {_count(len(complaints), 'mistake')}", file=sys.stderr)
    elif verdict.config is not None:
        print(as_toml(effective(verdict.config, show_defaults)), end="")
        print(f"{file}: good, {_count(len(verdict.warnings), 'warning')}", file=sys.stderr)


def as_json(file: str, verdict: Verdict, complaints: list[Complaint], show_defaults: bool) -> None:
    print(
        json.dumps(
            {
                "ok": not complaints,
                "file": file,
                "complaints": [_plain(complaint) for complaint in complaints],
                "warnings": [_plain(warning) for warning in verdict.warnings],
                "config": None if verdict.config is None or complaints else effective(verdict.config, show_defaults),
            },
            indent=2,
            ensure_ascii=False,
        )
    )


def wrong_certificates(config: Config, file: str) -> list[Complaint]:
    """What only OpenSSL can say: a certificate and a key that are no pair, an authority that can't be read."""
    found = []
    pairs = [("api.tls", config.api.tls)] + [(f"listen[{position}].tls", listen.tls) for position, listen in enumerate(config.listen)]
    wanted = [(path, tls.cert_file, tls.key_file, tls.client_ca_file) for path, tls in pairs if tls]
    for position, centre in enumerate(config.centre):
        for number, route in enumerate(centre.route):
            wanted.append((f"centre[{position}].route[{number}]", route.client_cert_file or "", route.client_key_file or "", route.ca_file))
    for path, cert_file, key_file, ca_file in wanted:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if cert_file:
                context.load_cert_chain(cert_file, key_file)
            if ca_file:
                context.load_verify_locations(ca_file)
        except (ssl.SSLError, OSError) as error:
            cause = getattr(error, "reason", None) or "unreadable"
            words = f"certificate and key can't be used ({cause.lower().replace('_', ' ')}); give a pair that belongs together"
            found.append(Complaint(file, 1, path, words))
    return found


def _plain(complaint: Complaint) -> dict[str, object]:
    return {"file": complaint.file, "line": complaint.line, "path": complaint.path, "message": complaint.text}


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
