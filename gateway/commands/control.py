"""Talk to the server that runs on this host, through its control socket."""

import http.client
import json
import socket
from pathlib import Path

from gateway.errors import CommandError
from gateway.shell.address import short_address

ANSWER_S = 30.0
"Longer than the server waits for its disk before it says that it cannot."


def ask(data_dir: Path, method: str, path: str, body: object = None) -> tuple[int, object]:
    """One request to the running server; returns status and decoded JSON (None when there is none).

    Raises:
        CommandError: no server runs on this folder, it is not ours to talk to, or it went away.
    """
    connection = http.client.HTTPConnection("localhost", timeout=ANSWER_S)
    try:
        connection.sock = _connected(data_dir)
        payload = None if body is None else json.dumps(body).encode()
        connection.request(method, path, payload, {"content-type": "application/json"} if payload else {})
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise CommandError(f"{data_dir}: the server did not answer ({_words(error)}); look at its log", code="no_answer") from error
    finally:
        connection.close()
    return answer.status, json.loads(text) if text else None


def _connected(data_dir: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(ANSWER_S)
    try:
        with short_address(data_dir) as address:
            link.connect(address)
    except OSError as error:
        link.close()
        remedy = "run this as the user that runs the server" if isinstance(error, PermissionError) else "start it with `gateway serve`"
        raise CommandError(f"no server answers in {data_dir} ({_words(error)}); {remedy}", code="no_server") from error
    return link


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
