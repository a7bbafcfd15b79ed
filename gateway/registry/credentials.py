"""Passwords, tokens, and the one-time token of the first start. Pure: randomness comes from the caller.

A person has a password (argon2id), a program a token (32 random bytes, kept as SHA-256: nothing to guess, so nothing
to slow down). Hashing a password takes a tenth of a second or more and 64 MiB: the shell does it off the loop.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

import argon2

from gateway.errors import CommandError

PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 12, 1024
TOKEN_BYTES = 32
TOKEN_PREFIX = "sha256:"
SETUP_VALID_S = 900

_HASHER = argon2.PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)
"64 MiB, three passes: RFC 9106's second recommendation."


@dataclass(frozen=True, slots=True)
class SetupToken:
    """Opens the setup of the first administrator, once (R-66)."""

    token: str = field(repr=False)
    "Printed once, kept nowhere."
    token_hash: str = field(repr=False)
    "SHA-256, hex."
    until_mono_us: int


def wrong_with_password(password: str, user_id: str) -> str | None:
    """Why this can't be a password; None when it can."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        return f"must have {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters"
    if len(set(password.lower().replace(user_id.lower(), ""))) < 5:
        return "is too easy to guess; use several words"
    return None


def hash_password(user_id: str, password: str) -> str:
    """argon2id of a new password of this user. Blocks like ``hash_secret``.

    Raises CommandError for a password that is too short, too long or too easy.
    """
    if wrong := wrong_with_password(password, user_id):
        raise CommandError(f"user {user_id}: password {wrong}", code="wrong_use")
    return hash_secret(password)


def hash_secret(password: str, salt: bytes | None = None) -> str:
    """argon2id of a password; without a salt the library draws one. Blocks for a tenth of a second or more."""
    return _HASHER.hash(password, salt=salt)


def verify_secret(secret_hash: str, secret: str) -> bool:
    """Whether this password or token belongs to the hash. Never raises; blocks like ``hash_secret`` for passwords."""
    if secret_hash.startswith(TOKEN_PREFIX):
        return hmac.compare_digest(secret_hash, hash_token(secret))
    try:
        return _HASHER.verify(secret_hash, secret)
    except (argon2.exceptions.Argon2Error, argon2.exceptions.InvalidHashError, UnicodeError):
        return False


def hash_token(token: str) -> str:
    """How a token is kept."""
    return TOKEN_PREFIX + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_token(user_id: str, random_bytes: bytes) -> tuple[str, str]:
    """(``USER:TOKEN`` as the API wants it after ``Bearer``, the hash to keep)."""
    assert len(random_bytes) == TOKEN_BYTES
    token = random_bytes.hex()
    return f"{user_id}:{token}", hash_token(token)


def new_setup_token(mono_us: int, random_bytes: bytes) -> SetupToken:
    """A token for the next fifteen minutes."""
    assert len(random_bytes) == TOKEN_BYTES
    token = random_bytes.hex()
    return SetupToken(token, hashlib.sha256(token.encode()).hexdigest(), mono_us + SETUP_VALID_S * 1_000_000)
