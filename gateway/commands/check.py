"""``gateway check``: everything that is wrong with a configuration, at once; and what it comes to."""

import argparse
import json
import ssl
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from gateway.commands.certificates import days_left
from gateway.config import Complaint, Config, Verdict, inspect
from gateway.config.pages import as_toml, effective, reference
from gateway.errors import ConfigError, RoadsError
from gateway.router.options import RoadOptions
from gateway.router.roads import Roads

CERTIFICATE_DAYS_WARN = 30


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
    if verdict.config is not None:
        wrong, old = inspect_certificates(verdict.config, options.config_file, datetime.now(UTC))
        if not any(complaint.path.startswith("roads") for complaint in verdict.complaints):
            wrong += inspect_roads(verdict.config.roads, options.config_file)
        verdict = replace(verdict, complaints=(*verdict.complaints, *wrong), warnings=(*verdict.warnings, *old))
    report = as_json if options.json else as_text
    report(options.config_file, verdict, options.show_defaults)
    return 2 if verdict.complaints else 0


def as_text(file: str, verdict: Verdict, show_defaults: bool) -> None:
    for complaint in verdict.complaints:
        print(complaint, file=sys.stderr)
    for warning in verdict.warnings:
        print(f"{warning.file}:{warning.line}: warning: {warning.path}{': ' if warning.path else ''}{warning.text}", file=sys.stderr)
    if verdict.complaints:
        print(f"{file}: {_count(len(verdict.complaints), 'mistake')}", file=sys.stderr)
    elif verdict.config is not None:
        print(as_toml(effective(verdict.config, show_defaults)), end="")
        print(f"{file}: good, {_count(len(verdict.warnings), 'warning')}", file=sys.stderr)


def as_json(file: str, verdict: Verdict, show_defaults: bool) -> None:
    print(
        json.dumps(
            {
                "ok": not verdict.complaints,
                "file": file,
                "complaints": [_plain(complaint) for complaint in verdict.complaints],
                "warnings": [_plain(warning) for warning in verdict.warnings],
                "config": None if verdict.config is None or verdict.complaints else effective(verdict.config, show_defaults),
            },
            indent=2,
            ensure_ascii=False,
        )
    )


def inspect_certificates(config: Config, file: str, now: datetime) -> tuple[list[Complaint], list[Complaint]]:
    """(mistakes, warnings): certificate and key that are no pair, authorities that can't be read, what ends soon."""
    wrong, old = [], []
    for path, cert_file, key_file, ca_file in _certificates_of(config):
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if cert_file:
                context.load_cert_chain(cert_file, key_file)
            if ca_file:
                context.load_verify_locations(ca_file)
        except (ssl.SSLError, OSError) as error:
            cause = (getattr(error, "reason", None) or "unreadable").lower().replace("_", " ")
            wrong.append(Complaint(file, 1, path, f"certificate and key can't be used ({cause}); give a pair that belongs together"))
        for named in filter(None, (cert_file, ca_file)):
            days = days_left(named, now)
            if days is not None and days < CERTIFICATE_DAYS_WARN:
                when = f"ends in {_count(days, 'day')}" if days >= 0 else "has ended"
                old.append(Complaint(file, 1, path, f"the certificate {named} {when}; renew it"))
    return wrong, old


def inspect_roads(options: RoadOptions, file: str) -> list[Complaint]:
    """Mistakes: an index that can't be used, or that was built with another profile than the one named."""
    if not options.file:
        return []
    try:
        roads = Roads.open(options.file, snap_m_max=options.snap_m_max)
        if options.profile:
            roads.require_profile(options.profile)
    except RoadsError as error:
        about = str(error)
        return [Complaint(file, 1, "roads.file", about if about.startswith(options.file) else f"{options.file}: {about}")]
    except ConfigError as error:
        return [Complaint(file, 1, "roads.profile", str(error))]
    return []


def _certificates_of(config: Config) -> Iterator[tuple[str, str | None, str | None, str | None]]:
    """(key path, certificate, its key, authority) wherever TLS is configured."""
    doors = [("api.tls", config.api.tls), *((f"listen[{position}].tls", listen.tls) for position, listen in enumerate(config.listen))]
    for path, tls in doors:
        if tls:
            yield path, tls.cert_file, tls.key_file, tls.client_ca_file
    for position, centre in enumerate(config.centre):
        for number, route in enumerate(centre.route):
            yield f"centre[{position}].route[{number}]", route.client_cert_file, route.client_key_file, route.ca_file


def _plain(complaint: Complaint) -> dict[str, object]:
    return {"file": complaint.file, "line": complaint.line, "path": complaint.path, "message": complaint.text}


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
