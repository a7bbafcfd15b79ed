"""The control socket: the same API for the person at this host, known by the kernel's word and not by a password.

``data_dir/control.sock``, mode 0600. Only the user that the gateway runs as, and root, are let in.
"""

import os
import pwd
import socket
import struct
from pathlib import Path

import trio

from gateway.shell.address import NAME, short_address
from gateway.shell.bulkhead import contained
from gateway.shell.http import HttpServer

BACKLOG = 16
_CREDENTIALS = struct.Struct("3i")


def open_control(data_dir: Path) -> trio.SocketListener:
    """A bound listener. A socket left behind by a crash is replaced: the journal's lock says that we are alone."""
    (data_dir / NAME).unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_address(data_dir) as address:
            bound.bind(address)
            # Nobody can connect before listen(), so there is no moment at which others could.
            (data_dir / NAME).chmod(0o600)
            bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return trio.SocketListener(trio.socket.from_stdlib_socket(bound))


def caller_of(stream: trio.SocketStream) -> str | None:
    """Name of the local user at the other end, if they may come in."""
    _, uid, _ = _CREDENTIALS.unpack(stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    if uid not in (0, os.geteuid()):
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"


async def run_control(server: HttpServer, listener: trio.SocketListener) -> None:
    """Accept callers of the control socket, for ever."""

    async def accepted(stream: trio.SocketStream) -> None:
        with contained(server.accepted):
            user = caller_of(stream)
            if user is None:
                server.refused["control_user"] += 1
                await trio.aclose_forcefully(stream)
            else:
                await server.serve_local(stream, user)

    await trio.serve_listeners(accepted, [listener])
