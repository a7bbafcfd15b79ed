"""Kannel, the open-source carrier bridge: what its HTTP requests say, as one record.

Kannel fetches a URL of ours for each message; ours to choose, so we choose (``centres/sms-http``):
``?from=%p&to=%P&hex=%e&text=%a&coding=%c&charset=%C&udh=%u&smsc=%i&id=%I&ts=%T&dcs=%O``. Its POST form sends the same in
``X-Kannel-…`` headers with the text as the body. A request without a readable body is refused for good: answer it
with 200, because Kannel repeats everything else.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import parse_qsl

from gateway.errors import FrameError, Reason
from gateway.protocols.sms_message import BODY_BYTES_MAX, SmsMessage, concat_of, ports_of

BRIDGE = "kannel"
FIELDS_MAX = 64
QUERY_BYTES_MAX = 4 * BODY_BYTES_MAX
NAME_CHARS_MAX = 64
IDS_KEPT_MAX = 65_536
"Message ids remembered: more than a bridge can have in flight while we are away."
CODINGS = {"0": "gsm7", "1": "binary", "2": "ucs2"}
CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "iso-8859-1": "latin-1", "latin1": "latin-1", "windows-1252": "cp1252", "us-ascii": "ascii"}
HEADERS = {
    "x-kannel-from": "from", "x-kannel-to": "to", "x-kannel-time": "time", "x-kannel-udh": "udh", "x-kannel-smsc": "smsc",
    "x-kannel-coding": "coding", "x-kannel-charset": "charset", "x-kannel-id": "id",
}  # fmt: skip


def query_message_untrusted(query: bytes, received_at_us: int) -> SmsMessage:
    """The message in a query string or a form body."""
    if len(query) > QUERY_BYTES_MAX:
        raise FrameError(Reason.LENGTH, QUERY_BYTES_MAX, f"kannel: a request of {len(query)} bytes")
    try:
        # Latin-1 keeps every byte as it is: charset and coding say later what the bytes mean.
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1", max_num_fields=FIELDS_MAX)
    except ValueError:
        raise FrameError(Reason.FIELD, 0, f"kannel: more than {FIELDS_MAX} fields") from None
    return message_untrusted(dict(pairs), received_at_us)


def post_message_untrusted(headers: Iterable[tuple[bytes, bytes]], body: bytes, received_at_us: int) -> SmsMessage:
    """The message in Kannel's POST form; a form body is read like a query string."""
    fields: dict[str, str] = {}
    for name, value in headers:
        key, word = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        if key == "content-type" and word.startswith("application/x-www-form-urlencoded"):
            return query_message_untrusted(body, received_at_us)
        if key == "content-type" and "charset=" in word:
            fields.setdefault("charset", word.split("charset=", 1)[1].strip('" '))
        if key in HEADERS:
            fields[HEADERS[key]] = word
    return message_untrusted(fields | {"hex": body.hex()}, received_at_us)


def message_untrusted(fields: Mapping[str, str], received_at_us: int) -> SmsMessage:
    """The message in a request's fields (latin-1 characters, one a byte)."""
    coding = CODINGS.get(fields.get("coding", "0") or "0", "binary")
    body = body_untrusted(fields)
    if len(body) > BODY_BYTES_MAX:
        raise FrameError(Reason.LENGTH, 0, f"kannel: a body of {len(body)} bytes, {BODY_BYTES_MAX} are possible")
    if coding == "gsm7":
        body = as_utf8(body, fields.get("charset", ""))
    udh = octets(fields.get("udh", ""))
    return SmsMessage(
        bridge=BRIDGE,
        message_id=name_of(fields.get("id", "")),
        sender=number_of(fields.get("from", "")),
        receiver=number_of(fields.get("to", "")),
        coding=coding,
        body=body,
        received_at_us=received_at_us,
        carrier_at_us=carrier_time(fields),
        concat=concat_of(udh),
        ports=ports_of(udh),
    )


def body_untrusted(fields: Mapping[str, str]) -> bytes:
    """The bytes of the message: ``hex``, or the squeezed ``text`` when there is no hex that can be read."""
    word = fields.get("hex", "")
    try:
        if word:
            return bytes.fromhex(word)
    except ValueError:
        if not fields.get("text"):
            raise FrameError(Reason.FIELD, 0, "kannel: field hex holds something else than pairs of hex digits") from None
    if "hex" not in fields and "text" not in fields:
        raise FrameError(Reason.FIELD, 0, "kannel: neither field hex nor field text; use %e or %a in the get-url")
    return fields.get("text", "").encode("latin-1", "replace")


def as_utf8(body: bytes, charset: str) -> bytes:
    """Text in the request's character set as UTF-8; what is not UTF-8 although it says so is latin-1."""
    name = CHARSETS.get(charset.strip().lower(), "utf-8")
    try:
        return body.decode(name).encode()
    except UnicodeDecodeError:
        return body.decode("latin-1").encode()


def octets(word: str) -> bytes:
    """A header as hex digits, or as the percent-encoded bytes that older versions send."""
    try:
        return bytes.fromhex(word)
    except ValueError:
        return word.encode("latin-1", "replace")


def number_of(word: str) -> str:
    """A number as the registry writes it: ``00…`` and a bare international number get their ``+``; names stay."""
    name = name_of(word).replace(" ", "")
    if name.startswith("00"):
        return "+" + name[2:]
    return "+" + name if name.isascii() and name.isdigit() and len(name) >= 10 and name[0] != "0" else name


def name_of(word: str) -> str:
    """A short printable word; everything else is dropped from it."""
    return "".join(char for char in word.encode("latin-1", "replace").decode("utf-8", "replace") if char.isprintable())[:NAME_CHARS_MAX]


def carrier_time(fields: Mapping[str, str]) -> int | None:
    """``ts``: Unix seconds; ``time``: YYYY-MM-DD HH:MM in UTC."""
    stamp = fields.get("ts", "")
    if stamp.isascii() and stamp.isdigit() and len(stamp) <= 11:
        return int(stamp) * 1_000_000
    try:
        return int(datetime.strptime(fields.get("time", ""), "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp()) * 1_000_000
    except ValueError:
        return None


class Named(Protocol):
    """A message that a bridge can bring twice."""

    @property
    def message_id(self) -> str:
        """What the bridge calls it; empty: nothing."""


class Accepted:
    """Ids of the messages that are accepted, so that a repeated request changes nothing.

    An id is remembered only once its message is on disk: a request that failed must be able to come again.
    """

    def __init__(self, kept_max: int = IDS_KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._ids: OrderedDict[str, None] = OrderedDict()

    def has(self, message: Named) -> bool:
        """Was this very message accepted before? One without an id never was."""
        return message.message_id in self._ids

    def remember(self, message: Named) -> None:
        """Its message is on disk."""
        if message.message_id:
            self._ids[message.message_id] = None
            if len(self._ids) > self._kept_max:
                self._ids.popitem(last=False)
