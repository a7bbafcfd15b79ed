"""``gateway decode``: hex frames on standard input, one JSON object a line on standard output (contract, section 2)."""

import argparse
import difflib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields

from gateway.clock import SystemClock
from gateway.errors import CommandError
from gateway.model import Frame, Refusal
from gateway.protocols import PROTOCOLS, open_session
from gateway.protocols.base import DeviceSettings, Session
from gateway.protocols.listing import frame_json

TRANSPORTS = ("tcp", "udp", "sms", "sds", "http")
OFFSET_S_MAX = 18 * 3600
"No clock on earth is farther from UTC."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(entry.name for entry in PROTOCOLS)
    parser.add_argument("--protocol", required=True, metavar="P", help=f"{names}; or auto: recognised from the first bytes")
    parser.add_argument("--transport", choices=TRANSPORTS, help="how the frames travelled (default: the protocol's first)")
    parser.add_argument("--stream", action="store_true", help="the lines are chunks of a byte stream: one object a frame found, with raw")
    parser.add_argument("--device-settings", metavar="JSON", default="{}", help='what a registry entry would say: {"model": "VL103"}')
    parser.add_argument("--reference", action="store_true", help="the decoder in plain Python instead of the compiled one")
    parser.add_argument("--json", action="store_true", help="the output is JSON anyway")


def run(options: argparse.Namespace) -> int:
    transport = transport_of(options.protocol, options.transport)
    settings = settings_of(options.device_settings)

    def connect() -> Session:
        return open_session(options.protocol, transport, settings, reference=options.reference)

    connect()  # an unknown name is said before anything is read
    for frame in decoded(sys.stdin.buffer, connect, options.protocol, transport, is_stream=options.stream):
        print(json.dumps(frame_json(frame, with_raw=options.stream), separators=(",", ":")), flush=True)
    return 0


def decoded(
    lines: Iterable[bytes], connect: Callable[[], Session], protocol: str, transport: str, *, is_stream: bool = False
) -> Iterator[Frame]:
    """Exactly one frame a line, or every frame found in the chunks of a stream; a blank line starts a new connection."""
    clock, session = SystemClock(), connect()
    for line in lines:
        data = hex_of(line)
        if data == b"":
            session = connect()
        elif data is None:
            yield no_hex(protocol, transport, line)
        elif is_stream:
            session.receive(data)
            yield from session.frames(clock.now().wall_us)
        else:
            yield session.read(data, clock.now().wall_us)


def hex_of(line: bytes) -> bytes | None:
    """The bytes that a line writes in hexadecimal, blanks between them allowed; None when it writes something else."""
    try:
        return bytes.fromhex(line.decode("ascii"))
    except ValueError:
        return None


def no_hex(protocol: str, transport: str, line: bytes) -> Frame:
    """The refusal of a line that is not hexadecimal."""
    text = line.strip()
    place = next((at for at, byte in enumerate(text) if byte not in b"0123456789abcdefABCDEF \t"), len(text))
    detail = "an odd number of hexadecimal digits" if place == len(text) else f"no hexadecimal digit at character {place + 1} of the line"
    return Frame(protocol, transport, b"", refused=Refusal("framing", place // 2, detail))


def transport_of(protocol: str, transport: str | None) -> str:
    """The transport asked for, else the protocol's first one. Raises ``CommandError`` for a name that is not in the table."""
    for entry in PROTOCOLS:
        if entry.name == protocol:
            return transport or entry.transports[0]
    names = [entry.name for entry in PROTOCOLS] + ["auto"]
    if protocol == "auto":
        return transport or "tcp"
    near = difflib.get_close_matches(protocol, names, 1)
    hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(names)
    raise CommandError(f"--protocol {protocol}: no such protocol; {hint}")


def settings_of(text: str) -> DeviceSettings:
    """Device settings from JSON. Raises ``CommandError`` that names the key which cannot be meant."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--device-settings: not JSON: {error}") from None
    if not isinstance(given, dict):
        raise CommandError('--device-settings: a JSON object is expected, such as {"model": "VL103"}')
    if isinstance(given.get("config"), dict):
        # Switches may be given by name: {"config": {"teltonika_16_byte_io": true}}.
        given["config"] = " ".join(name for name, is_on in given["config"].items() if is_on is True) or None
    known = {field.name: field.type for field in fields(DeviceSettings)}
    if isinstance(given.get("config"), dict):
        given["config"] = words_of(given["config"])
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(known)
            raise CommandError(f"--device-settings: {key}: unknown key; {hint}")
        if value is not None and type(value) is not (int if "int" in str(known[key]) else str):
            raise CommandError(f"--device-settings: {key}: {known[key]} expected, {json.dumps(value)[:40]} found")
    settings = DeviceSettings(**given)
    if abs(settings.clock_offset_s or 0) > OFFSET_S_MAX:
        raise CommandError(f"--device-settings: clock_offset_s: at most {OFFSET_S_MAX} seconds from UTC, {settings.clock_offset_s} found")
    return settings


def words_of(config: dict[str, object]) -> str:
    """Settings given as an object, as the words that a registry entry holds: ``format0``, ``interval=30``."""
    return " ".join(key if value is True else f"{key}={value}" for key, value in config.items() if value not in (False, None))
