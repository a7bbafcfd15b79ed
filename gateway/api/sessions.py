"""Console sessions, log-in throttling and the one-time token of the first start.

All in memory: a restart logs everybody out. Time is monotonic, so a clock that is set neither ends nor prolongs a
session. Cookies are kept as hashes: whoever reads our memory dump cannot log in with it.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.api.messages import Principal
from gateway.model import Instant, User

COOKIE = "gateway_session"
SECURE_COOKIE = "__Host-gateway_session"
"Browsers accept this name only over TLS, for the whole host, from the host itself."

SESSIONS_MAX = 4_096
"Open sessions in all; the one that was used longest ago makes room."
VIEWED_MAX = 20_000
"Alarms remembered per session as recorded views; beyond that they are recorded again."

SECOND_US = 1_000_000


@dataclass(slots=True)
class Session:
    """One person at one browser."""

    user: User
    "As it was at the log-in. Changed since, by whomever: the session is over."
    principal: Principal
    csrf: str = field(repr=False)
    started_mono_us: int
    used_mono_us: int


@dataclass(slots=True)
class Sessions:
    """Who is logged in."""

    idle_s: float
    longest_s: float
    random_bytes: Callable[[int], bytes]
    _open: OrderedDict[str, Session] = field(default_factory=OrderedDict, repr=False)
    "By hash of the cookie, the one used longest ago first."

    def start(self, user: User, now: Instant) -> tuple[str, Session]:
        """Open a session; returns the cookie's value and the session."""
        cookie = self.random_bytes(32).hex()
        key = _hash(cookie)
        principal = Principal(user.role, user.user_id, user.centre_id, user.zone, session_key=key)
        session = Session(user, principal, self.random_bytes(32).hex(), now.mono_us, now.mono_us)
        self._open[key] = session
        while len(self._open) > SESSIONS_MAX:
            self._open.popitem(last=False)
        return cookie, session

    def find(self, cookie: str, now: Instant) -> Session | None:
        """The session of a cookie, if it lives; asking counts as using it."""
        return self.use(_hash(cookie), now)

    def use(self, key: str, now: Instant) -> Session | None:
        """The session with this key, if it lives, now used. An open event stream uses its session all the time: the
        screen of an operator on duty must not go dark because nobody touched the mouse."""
        session = self._open.get(key)
        if session is None:
            return None
        idle_us = now.mono_us - session.used_mono_us
        if idle_us > self.idle_s * SECOND_US or now.mono_us - session.started_mono_us > self.longest_s * SECOND_US:
            del self._open[key]
            return None
        session.used_mono_us = now.mono_us
        self._open.move_to_end(key)
        return session

    def csrf_of(self, key: str | None) -> str | None:
        """The token that our own pages send along; None without a session."""
        session = self._open.get(key) if key else None
        return session.csrf if session else None

    def end(self, key: str) -> None:
        """Log out."""
        self._open.pop(key, None)

    def end_of_user(self, user_id: str) -> None:
        """Log a user out everywhere: removed, deactivated, or with another secret."""
        for key in [key for key, session in self._open.items() if session.principal.name == user_id]:
            del self._open[key]

    def __len__(self) -> int:
        return len(self._open)


@dataclass(slots=True)
class Throttle:
    """Slows down who guesses passwords.

    Counts by (account, address) and by address, never by account alone: else a stranger could lock an operator out.
    Memory is bounded: the entry that was touched longest ago makes room.
    """

    failures_max: int = 5
    "Per account and address."
    address_failures_max: int = 30
    window_s: float = 900.0
    entries_max: int = 4_096
    _failures: OrderedDict[tuple[str, str], tuple[int, int]] = field(default_factory=OrderedDict, repr=False)
    "(account or empty, address) -> (failures, mono_us of the newest)."

    def wait_s(self, account: str, address: str, now: Instant) -> int:
        """Seconds until the next attempt may be made; 0: now."""
        waits = (self._wait_s((account, address), self.failures_max, now), self._wait_s(("", address), self.address_failures_max, now))
        return max(waits)

    def _wait_s(self, key: tuple[str, str], limit: int, now: Instant) -> int:
        failures, newest_mono_us = self._failures.get(key, (0, 0))
        left_us = newest_mono_us + int(self.window_s * SECOND_US) - now.mono_us
        if left_us <= 0:
            self._failures.pop(key, None)
            return 0
        return -(-left_us // SECOND_US) if failures >= limit else 0

    def failed(self, account: str, address: str, now: Instant) -> None:
        """Count a failure."""
        for key in ((account, address), ("", address)):
            failures, _ = self._failures.pop(key, (0, 0))
            self._failures[key] = (failures + 1, now.mono_us)
        while len(self._failures) > self.entries_max:
            self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """The newest attempt was none of a guesser: forget the account's failures, and this one of the address."""
        self._failures.pop((account, address), None)
        failures, newest_mono_us = self._failures.get(("", address), (0, 0))
        if failures:
            self._failures["", address] = (failures - 1, newest_mono_us)


@dataclass(slots=True)
class OneTimeToken:
    """Opens the setup of the first administrator once, within 15 minutes of the start (R-66)."""

    token_hash: str | None = field(repr=False)
    "sha256 hex; None: there is nothing to set up."
    until_mono_us: int

    def fits(self, token: str, now: Instant) -> bool:
        """Whether this is the token, in time. Says nothing about why not."""
        expected = self.token_hash or "0" * 64
        same = hmac.compare_digest(_hash(token), expected)
        return same and self.token_hash is not None and now.mono_us <= self.until_mono_us

    def spend(self) -> None:
        """It was used."""
        self.token_hash = None


@dataclass(slots=True)
class Views:
    """Which alarms a sitting has a recorded view of, so that a list and a stream record one view per alarm (R-82)."""

    sittings_max: int = SESSIONS_MAX
    idle_s: float = 900.0
    _seen: OrderedDict[str, tuple[int, set[str]]] = field(default_factory=OrderedDict, repr=False)
    "View key -> (mono_us of the newest look, alarm ids); the one that looked longest ago first."

    def unseen(self, view_key: str, alarm_ids: list[str], now: Instant) -> list[str]:
        """Those of the alarms that this sitting has not seen yet."""
        newest_mono_us, seen = self._seen.get(view_key, (now.mono_us, set()))
        if now.mono_us - newest_mono_us > self.idle_s * SECOND_US:
            seen = set()
        return [alarm_id for alarm_id in alarm_ids if alarm_id not in seen]

    def saw(self, view_key: str, alarm_ids: list[str], now: Instant) -> None:
        """The views are recorded, durably."""
        newest_mono_us, seen = self._seen.pop(view_key, (now.mono_us, set()))
        if now.mono_us - newest_mono_us > self.idle_s * SECOND_US or len(seen) > VIEWED_MAX:
            seen = set()
        seen.update(alarm_ids)
        self._seen[view_key] = (now.mono_us, seen)
        while len(self._seen) > self.sittings_max:
            self._seen.popitem(last=False)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def cookie_header(value: str, secure: bool) -> tuple[str, str]:
    """The head line that keeps (or, with an empty value, forgets) the session cookie."""
    name = SECURE_COOKIE if secure else COOKIE
    age = "" if value else "; Max-Age=0"
    return ("set-cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}{age}")


def cookie_of(header: str, secure: bool) -> str | None:
    """The session cookie in a Cookie header."""
    name = SECURE_COOKIE if secure else COOKIE
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return None
