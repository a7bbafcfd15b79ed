"""``gateway identify``: hex on standard input, the likely protocols, best first, with the device id each would read."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator

from gateway.clock import SystemClock
from gateway.commands.decode import TRANSPORTS, hex_of
from gateway.errors import CommandError
from gateway.protocols import PROTOCOLS, Row, open_session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--transport", choices=TRANSPORTS, help="only protocols of this transport")
    parser.add_argument("--json", action="store_true", help="a JSON list a connection")


def run(options: argparse.Namespace) -> int:
    found_any = False
    for messages in connections(sys.stdin.buffer):
        found = candidates(messages, options.transport)
        found_any |= bool(found)
        print(json.dumps(found, separators=(",", ":")) if options.json else table(found), flush=True)
    return 0 if found_any else 1


def connections(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The messages of one connection at a time; a blank line ends one."""
    messages: list[bytes] = []
    for number, line in enumerate(lines, 1):
        data = hex_of(line)
        if data is None:
            raise CommandError(f"standard input, line {number}: not hexadecimal; write bytes as 78780d01…")
        if data:
            messages.append(data)
        elif messages:
            yield messages
            messages = []
    if messages:
        yield messages


def candidates(messages: list[bytes], transport: str | None) -> list[dict[str, str | int]]:
    """What the messages could be: protocol, confidence (100 is certain) and the device it would be from."""
    found = []
    for entry in PROTOCOLS:
        if transport is None or transport in entry.transports:
            confidence = max(entry.recognise(messages[0]), entry.recognise(b"".join(messages)))
            if confidence:
                one: dict[str, str | int] = {"protocol": entry.name, "confidence": confidence}
                device = device_of(entry, messages, transport)
                found.append(one | {"device": device} if device else one)
    return sorted(found, key=lambda one: -int(one["confidence"]))


def device_of(entry: Row, messages: list[bytes], transport: str | None) -> str | None:
    """The identity that the messages give, read one by one, else as one stream."""
    now_us = SystemClock().now().wall_us
    for carried in (transport,) if transport else entry.transports:
        session = open_session(entry.name, carried)
        for message in messages:
            session.read(message, now_us)
        if session.device:
            return session.device
        session = open_session(entry.name, carried)
        session.receive(b"".join(messages))
        for _ in session.frames(now_us):
            if session.device:
                return session.device
    return None


def table(found: list[dict[str, str | int]]) -> str:
    """For people: a line a protocol."""
    if not found:
        return "no protocol that we know begins with these bytes"
    return "\n".join(f"{one['protocol']:12} {one['confidence']:3} %  {one.get('device', '-')}" for one in found)
