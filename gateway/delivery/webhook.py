"""The JSON webhook: what is sent to a centre, what its answer means, and who may call back.

Paper: Standard Webhooks 1.0.0 (signature), RFC 9110 (status codes), centres/webhook.md sections 1 to 5. A centre's
answer counts only when it is a well-formed acknowledgement of this very alert (R-11): a login page that a proxy
serves with status 200 has stored nothing.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote, urlsplit

from gateway.delivery.envelope import read_json_untrusted
from gateway.delivery.offers import FAILED, REFUSED, STORED, TAKEN, Answer, Offer, Told
from gateway.errors import CallbackError

Headers = tuple[tuple[bytes, bytes], ...]

SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
ANSWER_BYTES_MAX = 65_536
"An acknowledgement is a line of JSON; more than this is not one."
CALLBACK_AGE_S_MAX = 300
WORD_CHARS_MAX = 200
TEMPORARY = frozenset({408, 425, 429})
"Statuses below 500 after which the same bytes may be tried again."
CONFLICT, GONE = 409, 410


@dataclass(frozen=True, slots=True)
class Url:
    """Where a route leads."""

    scheme: str
    host: str
    port: int
    target: str
    "Path and query as they stand in the request line."

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def read_url(text: str) -> Url:
    """The parts of an address that an operator wrote. Raises ``ValueError`` that says what is wrong with it."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https"):
        raise ValueError("must begin with https:// or http://")
    if not parts.hostname:
        raise ValueError("has no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password; use secret_files")
    if parts.fragment:
        raise ValueError("must not hold a #fragment")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
    port = parts.port if parts.port is not None else (443 if parts.scheme == "https" else 80)
    if port == 0:
        raise ValueError("port 0 cannot be called")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?") if parts.query else ""
    return Url(parts.scheme, host, port, path + query)


@dataclass(frozen=True, slots=True)
class Request:
    """One POST, ready to be written."""

    target: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"


# ------------------------------------------------------------------------------------------------- signatures


def read_secret(text: str) -> bytes:
    """The key behind ``whsec_…``. Raises ``ValueError`` that says what is wrong, without showing it."""
    encoded = text.strip().removeprefix("whsec_")
    try:
        # Padding is optional in practice (the public library accepts both), anything else is a copying mistake.
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64 behind whsec_") from None
    if not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
        raise ValueError(f"{len(secret)} bytes; a secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}")
    return secret


def sign(secrets: Iterable[bytes], message_id: str, timestamp_s: int, body: bytes) -> str:
    """The value of ``webhook-signature``: one ``v1,…`` per secret, so that keys can be rotated."""
    content = b"%s.%d.%s" % (message_id.encode(), timestamp_s, body)
    return " ".join("v1," + base64.b64encode(hmac.digest(secret, content, sha256)).decode("ascii") for secret in secrets)


def request_for(offer: Offer, url: Url, secrets: Sequence[bytes], now_us: int) -> Request:
    """The request of one attempt: the alert's own id and bytes, the time and signature of now."""
    timestamp_s = now_us // 1_000_000
    headers = [
        ("Host", url.authority),
        ("User-Agent", "alarm-gateway"),
        ("Content-Type", "application/cloudevents+json; charset=utf-8"),
        ("Content-Length", str(len(offer.body))),
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
        ("Idempotency-Key", f'"{offer.message_id}"'),
        ("webhook-id", offer.message_id),
        ("webhook-timestamp", str(timestamp_s)),
    ]
    if secrets:
        headers.append(("webhook-signature", sign(secrets, offer.message_id, timestamp_s, offer.body)))
    return Request(url.target, tuple((name.encode(), value.encode("latin-1")) for name, value in headers), offer.body)


# ---------------------------------------------------------------------------------------------------- answers


def interpret_untrusted(offer: Offer, status: int, headers: Headers, body: bytes, took_ms: float = 0.0) -> Answer:
    """What a complete answer means (centres/webhook.md section 3). Believes nothing that is not said in so many words."""
    fields = {name.lower(): value for name, value in headers}
    retry_after_s = _retry_after_s(fields.get(b"retry-after"))
    if 200 <= status < 300:
        level, reason, told = _read_success(offer, fields, body)
        return Answer(level, reason, took_ms, retry_after_s, told)
    if status == CONFLICT and _names_exactly(body, offer.message_id):
        return Answer(STORED, "stored_before", took_ms)
    if status == GONE:
        return Answer(REFUSED, "gone", took_ms, route_gone=True)
    if 400 <= status < 500 and status not in TEMPORARY:
        return Answer(REFUSED, f"refused_{status}", took_ms)
    reason = "redirect" if 300 <= status < 400 else f"status_{status}"
    return Answer(FAILED, reason, took_ms, retry_after_s)


ACKS = {
    # word: (level, reason)
    "stored": (STORED, "stored"),
    "displayed": (STORED, "displayed"),
    "accepted": (TAKEN, "accepted"),
    "rejected": (REFUSED, "rejected"),
}
"What a centre may say in ``ack``. Displayed is not taken: a screen is not a person."


def _read_success(offer: Offer, fields: Mapping[bytes, bytes], body: bytes) -> tuple[int, str, Told | None]:
    """What a 2xx is worth. Level, reason, and what a human said."""
    if fields.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
        return FAILED, "encoded", None
    kind = fields.get(b"content-type", b"").split(b";")[0].strip().lower()
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:15].lower()
    if b"html" in kind or start.startswith((b"<!doctype html", b"<html")):
        return FAILED, "html", None
    if not start:
        return STORED, "stored", None
    if not (kind.endswith(b"json") or start.startswith((b"{", b"["))):
        return STORED, "stored", None
    try:
        said = read_json_untrusted(body)
    except ValueError:
        return FAILED, "malformed", None
    return _read_ack(offer, said) if isinstance(said, dict) else (STORED, "stored", None)


def _read_ack(offer: Offer, said: Mapping[str, object]) -> tuple[int, str, Told | None]:
    if _is_of_another(offer, said):
        return FAILED, "ack_of_another", None
    ack = said.get("ack")
    if ack is None:
        return STORED, "stored", None
    if not isinstance(ack, str) or ack not in ACKS:
        return FAILED, "ack_unknown", None
    level, reason = ACKS[ack]
    if ack == "stored":
        return level, reason, None
    return level, reason, Told(ack, _word(said.get("operator")), _word(said.get("note")))


def _is_of_another(offer: Offer, said: Mapping[str, object]) -> bool:
    """Whether the answer names an alarm, sequence or message that is not the one we sent."""
    ours = {"alarm_id": offer.alarm_id, "seq": str(offer.seq), "webhook_id": offer.message_id}
    if any(said.get(name) is not None and str(said[name]) != value for name, value in ours.items()):
        return True
    # Under "id" a centre may give a number of its own; only one in the form of ours says whose it is.
    named = said.get("id")
    return isinstance(named, str) and re.fullmatch(r"[0-9a-f]{32}-\d+", named) is not None and named != offer.message_id


def _word(value: object) -> str | None:
    return value[:WORD_CHARS_MAX] if isinstance(value, str) and value else None


def _names_exactly(body: bytes, message_id: str) -> bool:
    return re.search(rb"(?<![\w-])%s(?![\w-])" % re.escape(message_id.encode()), body) is not None


def _retry_after_s(value: bytes | None) -> float | None:
    """Seconds. A date is not understood on purpose: it would tie our retries to the centre's clock."""
    return float(value) if value is not None and re.fullmatch(rb"\d{1,9}", value) else None


# -------------------------------------------------------------------------------------------------- callbacks


def verify_callback(secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now_us: int) -> str:
    """The ``webhook-id`` of a callback that one of these secrets signed within the last five minutes.

    Args:
        headers: names in lower case.
        body: the bytes as received.
    Raises: CallbackError: ``missing``, ``timestamp``, ``too_old``, ``too_new``, ``signature``.
    A repetition is not refused here: callbacks are idempotent by this id.
    """
    message_id, stamp, signatures = (headers.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature"))
    if not (message_id and stamp and signatures):
        raise CallbackError("missing", "needs webhook-id, webhook-timestamp and webhook-signature")
    if not re.fullmatch(r"[\x21-\x2d\x2f-\x7e]{1,256}", message_id):
        raise CallbackError("missing", "webhook-id must be 1 to 256 printable characters without a dot")
    if not re.fullmatch(r"[0-9]{1,12}", stamp):
        raise CallbackError("timestamp", "webhook-timestamp must be Unix seconds")
    age_s = now_us // 1_000_000 - int(stamp)
    if abs(age_s) > CALLBACK_AGE_S_MAX:
        raise CallbackError("too_old" if age_s > 0 else "too_new", f"signed {abs(age_s)} s {'before' if age_s > 0 else 'after'} our clock")
    given = [part.encode("utf-8", "replace") for part in signatures.split(" ")[:16]]
    # Every pair is compared: how long it takes tells nobody which key or which byte was wrong.
    matches = [hmac.compare_digest(sign((secret,), message_id, int(stamp), body).encode(), part) for secret in secrets for part in given]
    if not any(matches):
        raise CallbackError("signature", "no signature matches; check the secret and that the body is signed as sent")
    return message_id
