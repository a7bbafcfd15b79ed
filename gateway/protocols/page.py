"""What the documentation says about each protocol, made from its row and its files: they cannot part."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Final

from gateway import protocols
from gateway.model import INFO, LIFE, PRE, TEST, Kind, kind_names
from gateway.protocols import PROTOCOLS, Row
from gateway.protocols.order_book import no_bytes
from gateway.protocols.orders import NO_ORDERS

MADE_BY: Final = "This page is made from the decoder by `gateway protocol pages`; the test suite holds it to that."
_INDEX: Final = f"""\
# Device protocols

What devices may speak, a page each: who speaks it, the paper that the decoder was written from, how a device is set up, what is
read, what is not. Port: where devices are told to call, unless the configuration says otherwise. With `protocol = "auto"` a port
recognises what it carries from the first bytes: [how surely](../recognition.md). {MADE_BY}

| protocol | transports | port | compiled | devices |
| --- | --- | --- | --- | --- |
"""
_BRIDGES: Final = {"sms": "an SMS bridge", "sds": "an SDS bridge", "http": "the API"}
_BLOCKS: Final = ("gps_block", "wifi_scan")
"Files with pieces of frames that several protocols have."
_FIELDS: Final = {
    "battery_percent": "battery in percent",
    "battery_v": "battery in volts",
    "power_v": "external power in volts",
    "charging": "whether it charges",
    "cells": "radio cells",
    "wifi": "Wi-Fi access points",
    "text": "free text",
    "sequence": "the message's own number",
    "stored": "whether it was stored and sent late",
    "standing": "whether an alarm still stands rather than being pressed again",
    "firmware": "firmware",
    "accuracy_m": "accuracy",
    "altitude_m": "altitude",
    "speed_kmh": "speed",
    "course_deg": "course",
    "satellites": "satellites",
}
"Fields of a report or a fix -> how a page calls them. A decoder that names one as an argument reads it."


def index_page() -> str:
    """The list of all protocols."""
    return _INDEX + "".join(map(_index_row, PROTOCOLS))


def page_of(entry: Row) -> str:
    """One protocol's page."""
    paper = inspect.cleandoc(inspect.getmodule(entry.reference).__doc__ or "").replace("``", "`")
    return f"# {entry.name}\n\n{paper}\n" + "".join(_sections(entry)) + f"\n{MADE_BY} [All protocols](README.md)\n"


def _index_row(entry: Row) -> str:
    head = inspect.cleandoc(inspect.getmodule(entry.reference).__doc__ or "").split("\n")[0].rstrip(".").replace("|", "/").replace("``", "`")
    twin = "yes" if entry.fast else "no"
    return f"| [`{entry.name}`]({entry.name}.md) | {', '.join(entry.transports)} | {_port(entry)} | {twin} | {head} |\n"


def _port(entry: Row) -> str:
    return str(entry.port) if entry.port else f"by {_BRIDGES[entry.transports[0]]}"


def _sections(entry: Row) -> Iterator[str]:
    yield f"\n## Set up\n\n{_set_up(entry)}"
    if entry.words:
        yield "\nWords that the device's `config` may hold, parted by blanks:\n\n| word | says |\n| --- | --- |\n"
        yield "".join(f"| `{word}` | {meaning} |\n" for word, meaning in entry.words.items())
    sources = "\n".join(inspect.getsource(module) for module in _modules(entry))
    kinds = Kind(0)
    for name in re.findall(r"\bKind\.([A-Z_]+)\b", sources):
        kinds |= Kind[name]
    yield "\n## What is read\n\n"
    groups = (("Alarms", LIFE), ("Before an alarm", PRE), ("Tests", TEST), ("Technical", ~(LIFE | PRE | TEST | INFO)), ("Other", INFO))
    for title, group in groups:
        names = ", ".join(f"`{name}`" for name in kind_names(kinds & group))
        yield f"- {title}: {names}\n" if names else ""
    read = [text for name, text in _FIELDS.items() if re.search(rf"\b{name}\s*=", sources)]
    yield f"- Beside the position: {', '.join(read)}\n" if read else ""
    yield "- What a frame holds and the decoder does not interpret is named in `unread`.\n"
    yield f"- Names in brackets above are cases of `tests/vectors/{entry.name}.json`, frames that show what is said.\n"
    yield f"\n## What it can be asked for\n\n{_orders(entry)}"


def _set_up(entry: Row) -> str:
    if not entry.port:
        return f"Messages come by {_BRIDGES[entry.transports[0]]}; see [the operator's page](../operator.md).\n"
    transport = entry.transports[0]
    listen = f'[[listen]]\nprotocol = "{entry.name}"\ntransport = "{transport}"\nbind = "0.0.0.0:{entry.port}"\n'
    rest = f" ({', '.join(entry.transports[1:])} as well)" if entry.transports[1:] else ""
    return f"Tell the device the gateway's address, port {entry.port}, {transport}{rest}. In the gateway's configuration:\n\n```toml\n{listen}```\n"


def _orders(entry: Row) -> str:
    """The paper of its orders, and which of them there are."""
    if entry.orders is NO_ORDERS:
        return "Nothing: no public paper states a command.\n"
    paper = inspect.cleandoc(inspect.getmodule(entry.orders.write if entry.orders.write is not no_bytes else entry.orders.text).__doc__ or "")
    return f"{paper.replace('``', '`')}\n\nHow orders are given: [the carrier's page](../carrier.md).\n"


def _modules(entry: Row) -> Iterator[ModuleType]:
    """The files of a protocol, and the blocks of other files that it reads with."""
    stem = entry.name.replace("-", "_")
    names = [module.name for module in pkgutil.iter_modules(protocols.__path__)]
    own = [name for name in names if (name == stem or name.startswith(stem + "_")) and not name.endswith("_orders")]
    sources = [importlib.import_module(f"gateway.protocols.{name}") for name in own]
    yield from sources
    for name in _BLOCKS:
        if any(f"gateway.protocols.{name} import" in inspect.getsource(source) for source in sources):
            yield importlib.import_module(f"gateway.protocols.{name}")
