"""Requests that a device or a carrier signed with its own key (HMAC-SHA256).

Paper: ``reliability`` section 4.4. The signature covers method, path and query, message id, time and body::

    v1 LF METHOD LF path-with-query LF message-id LF unix-seconds LF lowercase hex SHA-256 of the body

Headers: ``X-Gw-Id`` (message id: a new one for each attempt), ``X-Gw-Time`` (Unix seconds), ``X-Gw-Key`` (key id; a device's
own id), ``X-Gw-Sig`` (``v1=…``; several while keys are rotated).
"""

import enum
import hashlib
import hmac
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gateway.api.messages import Request
from gateway.model import Facts, Instant

VERSION = "v1"
CLOCK_APART_S_MAX = 300
SEEN_KEPT_US = 600 * 1_000_000
"Twice the clock window: whoever repeats a message later is stale."
SEEN_PER_KEY_MAX = 4096
"More than a device sends in ten minutes; beyond it the oldest is forgotten rather than an alarm refused."
KEY_BYTES_MIN = 32
KEYS_MAX = 2
"Two while they are rotated."
SIGNATURES_MAX = 8
MESSAGE_ID = re.compile(r"[!-~]{1,128}")
UNIX_SECONDS = re.compile(r"[0-9]{1,12}")
NO_KEY = bytes(KEY_BYTES_MIN)
"What a stranger's signature is compared with, so that the answer takes the same time."


class Outcome(enum.StrEnum):
    """What came of looking at a signature. Counted; the caller learns only whether it was ``VALID``."""

    VALID = "valid"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    WRONG = "wrong"
    STALE = "stale"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class Signed:
    """The signed parts of a request, as they were sent."""

    method: str
    target: str
    "Path and query, byte for byte."
    message_id: str
    time_s: str
    key_id: str
    signatures: str = field(repr=False)
    body: bytes = field(repr=False)


def signed_of(request: Request) -> Signed:
    """What the request's signature covers; missing headers are empty."""
    header = request.header
    return Signed(
        request.method, request.target, header("x-gw-id"), header("x-gw-time"), header("x-gw-key"), header("x-gw-sig"), request.body
    )


def canonical(method: str, target: str, message_id: str, time_s: str, body: bytes) -> bytes:
    """The bytes that are signed."""
    return "\n".join((VERSION, method, target, message_id, time_s, hashlib.sha256(body).hexdigest())).encode()


def sign(key: bytes, message: bytes) -> str:
    """One signature of canonical bytes, as it stands in ``X-Gw-Sig``."""
    return f"{VERSION}={hmac.digest(key, message, 'sha256').hex()}"


def is_signed(keys: Iterable[bytes], signatures: str, message: bytes) -> bool:
    """Is any of the signatures by any of the keys? Every pair is compared, whatever the first ones gave."""
    offered = [word.encode("latin-1", "replace") for word in re.split(r"[,\s]+", signatures.strip())[:SIGNATURES_MAX]]
    matches = [hmac.compare_digest(word, sign(key, message).encode()) for key in keys for word in offered]
    return any(matches)


class Signatures:
    """Judges signed requests and remembers which ones were seen."""

    def __init__(self, keys_of: Callable[[str], tuple[bytes, ...]]) -> None:
        """``keys_of``: the active keys behind a key id; empty when there are none."""
        self._keys_of = keys_of
        self._seen: dict[str, OrderedDict[str, int]] = {}
        self.outcomes: Counter[Outcome] = Counter()

    def judge(self, signed: Signed, now: Instant) -> Outcome:
        """Look at one request. A valid one is valid once: its message id is remembered for ten minutes."""
        outcome = self._judge(signed, now)
        self.outcomes[outcome] += 1
        return outcome

    def _judge(self, signed: Signed, now: Instant) -> Outcome:
        if not MESSAGE_ID.fullmatch(signed.message_id) or not UNIX_SECONDS.fullmatch(signed.time_s):
            return Outcome.MALFORMED
        keys = self._keys_of(signed.key_id)[:KEYS_MAX]
        message = canonical(signed.method, signed.target, signed.message_id, signed.time_s, signed.body)
        if not is_signed(keys or (NO_KEY,), signed.signatures, message) or not keys:
            return Outcome.WRONG if keys else Outcome.UNKNOWN_KEY
        if abs(now.wall_us - int(signed.time_s) * 1_000_000) > CLOCK_APART_S_MAX * 1_000_000:
            return Outcome.STALE
        return Outcome.VALID if self._is_first(signed, now) else Outcome.REPLAYED

    def _is_first(self, signed: Signed, now: Instant) -> bool:
        seen = self._seen.setdefault(signed.key_id, OrderedDict())
        while seen and (len(seen) >= SEEN_PER_KEY_MAX or next(iter(seen.values())) < now.mono_us - SEEN_KEPT_US):
            seen.popitem(last=False)
        if signed.message_id in seen:
            return False
        seen[signed.message_id] = now.mono_us
        return True


class DeviceSignatures:
    """Which device signed a press."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.signatures = Signatures(self._keys_of)

    def signed_device(self, request: Request, now: Instant) -> str | None:
        """The id of the device whose key signed this, freshly and for the first time; None for every other case alike."""
        signed = signed_of(request)
        return signed.key_id if self.signatures.judge(signed, now) is Outcome.VALID else None

    def _keys_of(self, key_id: str) -> tuple[bytes, ...]:
        device = self._facts.device(key_id)
        return keys_in(device.app_key_hex or "") if device else ()


def keys_in(words: str) -> tuple[bytes, ...]:
    """The keys in a text of hex words parted by blanks or commas; what is no key, or too short to be one, is left out."""
    keys = []
    for word in re.split(r"[,\s]+", words.strip()):
        try:
            key = bytes.fromhex(word)
        except ValueError:
            continue
        if len(key) >= KEY_BYTES_MIN:
            keys.append(key)
    return tuple(keys)
