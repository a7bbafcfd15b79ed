"""When certificates end: the two dates out of each, and nothing else of it (RFC 5280, section 4.1)."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_PEM_END = "-----END CERTIFICATE-----"


def days_left(path: str, now: datetime) -> int | None:
    """Whole days until the first certificate of a PEM file ends, negative when it has; None when it can't be read."""
    try:
        pem = Path(path).read_text("ascii")
        first = pem[pem.index("-----BEGIN CERTIFICATE-----") : pem.index(_PEM_END) + len(_PEM_END)]
        ends_at = not_after(ssl.PEM_cert_to_DER_cert(first))
    except (OSError, ValueError, IndexError):
        return None
    return (ends_at - now).days


def not_after(der: bytes) -> datetime:
    """The end of validity of one certificate. Raises ValueError or IndexError for what is none."""
    certificate, _ = _inside(der, 0, _SEQUENCE)
    at, _ = _inside(der, certificate, _SEQUENCE)
    if der[at] == _VERSION:
        at = _behind(der, at)
    for _ in range(3):  # serial number, signature algorithm, issuer
        at = _behind(der, at)
    not_before, _ = _inside(der, at, _SEQUENCE)
    at = _behind(der, not_before)
    start, end = _content(der, at)
    text = der[start:end].decode("ascii")
    if der[at] == _UTC_TIME:
        # Two digits of the year: 50 and more are of the last century.
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    elif der[at] != _GENERALIZED_TIME:
        raise ValueError("no time where one is due")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _inside(der: bytes, at: int, tag: int) -> tuple[int, int]:
    if der[at] != tag:
        raise ValueError(f"tag {der[at]:#04x} where {tag:#04x} is due")
    return _content(der, at)


def _behind(der: bytes, at: int) -> int:
    return _content(der, at)[1]


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at ``at`` begins and ends."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[at + 2 : start], "big")
    if length > len(der) - start:
        raise ValueError("an element reaches past the end")
    return start, start + length
