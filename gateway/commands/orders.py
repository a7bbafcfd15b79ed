"""``gateway device order|orders``: ask a device for something through the running server, and see what became of it."""

import argparse
import json
from pathlib import Path
from urllib.parse import quote

from gateway.commands.control import ask
from gateway.commands.tables import table
from gateway.config import load_config
from gateway.errors import CommandError
from gateway.model import OrderKind

COLUMNS = ("order_id", "kind", "state", "via", "attempts", "actor", "asked_at", "why")


def add_arguments(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The two words below ``gateway device``."""
    order = actions.add_parser("order", help="ask the device for something", description="ask the device for something, through the running server")
    order.add_argument("id", metavar="ID", help="device_id")
    order.add_argument("kind", choices=[kind.value for kind in OrderKind], help="what it is asked for")
    order.add_argument("--seconds", type=int, metavar="N", help="of interval: between two reports")
    order.add_argument("--host", metavar="HOST", help="of server: where it reports to from now on")
    order.add_argument("--port", type=int, metavar="N", help="of server")
    order.add_argument("--text", metavar="WORDS", help="of text: in the device's own command language")
    orders = actions.add_parser("orders", help="what the device was asked for", description="what the device was asked for, and what became of it")
    orders.add_argument("id", metavar="ID", help="device_id")


def run(options: argparse.Namespace) -> int:
    data_dir = Path(load_config(options.config_file).gateway.data_dir)
    path = f"/api/v1/devices/{quote(options.id, safe='')}/orders"
    if options.action == "orders":
        answer = _answer(*ask(data_dir, "GET", path))
        rows = answer["orders"]
        assert isinstance(rows, list)
        if options.json:
            print(json.dumps(rows, indent=2))
        elif rows:
            print(table(COLUMNS, [[row.get(column, "") for column in COLUMNS] for row in rows]))
        return 0
    fields = {name: getattr(options, name) for name in ("kind", "seconds", "host", "port", "text")}
    answer = _answer(*ask(data_dir, "POST", path, {name: value for name, value in fields.items() if value is not None}))
    print(json.dumps(answer, indent=2) if options.json else f"order {answer['order_id']} is asked; see `gateway device orders {options.id}`")
    return 0


def _answer(status: int, body: object) -> dict[str, object]:
    """Raises: CommandError: the server refused."""
    assert isinstance(body, dict)
    if status < 300:
        return body
    error = body.get("error", {})
    raise CommandError(f"{error.get('message', status)} {error.get('do', '')}".strip(), code=str(error.get("code", "refused")))
