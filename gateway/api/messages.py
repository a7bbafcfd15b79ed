"""What goes in and out of the API, as values: a request, and one of four kinds of answer.

The API decides and the shell carries. A ``Reply`` with events may leave only when they are durable; ``Parts`` are a long
one. An ``Errand`` is work that would block (a password hash, a write to the registry): the shell runs it in a worker
thread and hands what came out back to the API. A ``Feed`` is a stream of server-sent events.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import orjson

from gateway.events import Event
from gateway.model import Instant

_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999

QUERY_FIELDS_MAX = 64
"Kannel sends fifteen; nobody has a reason for more."


@dataclass(frozen=True, slots=True)
class Request:
    """One whole HTTP request, already delimited, bounded and with a decoded path."""

    method: str
    path: str
    "Percent-decoded; no NUL, no ``..``, no backslash, no encoded slash."
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    "Names in lower case; several of one name joined with ``, `` (cookies with ``; ``)."
    body: bytes = field(default=b"", repr=False)
    target: str = field(default="", repr=False)
    "Path and query exactly as they were sent: signatures cover these bytes."
    peer: str = field(default="", repr=False)
    "Address of the caller; behind a proxy the one that the proxy saw."
    listener: str = "http"
    secure: bool = False
    "It came over TLS, ours or the proxy's."
    via_control_socket: bool = False
    local_user: str = ""
    "Name of the person at the control socket, as the kernel vouches for it."
    link_id: int = 0
    "The connection, unique in this process."
    id: str = ""
    "Stands in error bodies and logs, so that a person can name this request."

    def header(self, name: str) -> str:
        """The value of a header, empty when absent."""
        return self.headers.get(name, "")

    def fields(self) -> dict[str, str]:
        """The query as a mapping; of a name that is given twice, the first. Raises ``ValueError`` when there are too many."""
        found: dict[str, str] = {}
        for name, value in parse_qsl(self.query, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX, errors="replace"):
            found.setdefault(name, value)
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``events`` are applied already; the bytes leave when they are durable, and ``after_all`` when everything
    that was decided before is durable as well: a copy of a press is answered on the strength of the press."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    events: tuple[Event, ...] = field(default=(), repr=False)
    when_durable: Callable[[], None] | None = field(default=None, repr=False)
    "Called when the events are durable, before the bytes leave."
    after_all: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """A long JSON answer, made part by part so that no step of the loop is long, however much there is. Of each part the
    events must be durable before the next one is made; the bodies, joined, are the answer's."""

    parts: Iterator[Reply]


@dataclass(frozen=True, slots=True)
class Errand:
    """Work that would block the loop, and what to answer when it is done.

    ``run`` is called in a worker thread of the named lane and may raise ``GatewayError``; ``then`` is called in
    the loop with its result and the time by then.
    """

    lane: str
    "password, registry, tiles or story"
    run: Callable[[], object]
    then: Callable[[object, Instant], "Answer"]


@dataclass(frozen=True, slots=True)
class Feed:
    """A stream of server-sent events for one viewer."""

    principal: "Principal"
    last_id: int | None
    "Journal sequence after which the stream goes on; None: from now."


Answer = Reply | Parts | Errand | Feed


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as far as we could make sure."""

    role: str
    "A role of ``access.ROLES``."
    name: str
    "Stands as the actor in records: a user id, ``local:NAME``, a centre id, a device id."
    centre_id: str | None = None
    "The centre whose alarms an operator sees; ``*``: of every centre; None: of none."
    zone: str | None = None
    "The zone whose cases a case team sees; ``*``: of every zone; None: of none."
    session_key: str | None = field(default=None, repr=False)
    "The console session; None for tokens, devices, centres and the control socket."

    @property
    def view_key(self) -> str:
        """What one sitting of looking at alarms is counted by in the access record."""
        return self.session_key or f"{self.role}:{self.name}"


NOBODY = Principal("public", "")


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way to its handler."""

    request: Request
    principal: Principal
    parts: Mapping[str, str]
    "What stood at the ``{names}`` of the route."
    now: Instant


JSON = (("content-type", "application/json"), ("cache-control", "no-store"))


def reply_json(value: object, status: int = 200, *, events: tuple[Event, ...] = (), headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """A JSON answer that nobody may cache."""
    return Reply(status, orjson.dumps(value), JSON + headers, events)


def time_text(at_us: int) -> str:
    """RFC 3339 in UTC, with milliseconds; a time outside of the years 1 to 9999 stands as the nearest of them."""
    at_us = min(max(at_us, _FIRST_US), _LAST_US)
    at = datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(microsecond=at_us % 1_000_000)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_us(text: str) -> int:
    """Unix microseconds of an RFC 3339 time that says its zone. Raises ``ValueError``."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
