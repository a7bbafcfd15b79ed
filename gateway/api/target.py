"""The target of a request -> path and query. Strict: what has two readings is refused."""

import re
from urllib.parse import unquote_to_bytes

from gateway.api.problems import Refused

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BAD_CHARACTER = re.compile(r"[\x00-\x20\x7f\\]")


def split_untrusted(target: str) -> tuple[str, str]:
    """Decoded path and raw query of a target in origin form. Raises ``Refused``.

    Every part is decoded by itself, so that an encoded slash cannot move a border between parts; parts that name
    a folder (``.``, ``..``) or hold a NUL, a control character, a slash or a backslash are refused.
    """
    path, _, query = target.partition("?")
    if not path.startswith("/") or "#" in target:
        raise Refused("bad_request", "The target has to be a path.")
    return "/".join(map(_part_untrusted, path.split("/"))), query


def _part_untrusted(raw: str) -> str:
    if _BAD_PERCENT.search(raw):
        raise Refused("bad_request", "A percent sign in the path stands before no two hexadecimal digits.")
    try:
        part = unquote_to_bytes(raw.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("bad_request", "The path is not UTF-8.") from None
    if _BAD_CHARACTER.search(part) or "/" in part or part in (".", ".."):
        raise Refused("bad_request", "The path holds a part that no address of ours has.")
    return part
