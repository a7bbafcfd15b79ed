"""``docs/registry.md``: the nouns, their fields, the life of a case and the change log, made from the tables."""

from gateway.registry import changes
from gateway.registry.nouns import CASE, CASE_MOVES, NOUNS, Field, Noun

_HEAD = """\
# The registry

What people enter: devices, cases, units and users. `gateway device|case|unit|user add|set|list|show|remove|import` and
`PUT /api/v1/devices|cases|units|users/{id}` know the same nouns and fields; both may be used while the server runs.
A field that is not named keeps its value, `null` (`--clear FIELD`) sets it back. Secrets are written and never read back;
an answer says only whether there is one (`has_…`). A change is checked as a whole before any part of it counts, and a
name on the wire (IMEI, account, number) belongs to one device alone. No names and no addresses of persons anywhere.
This page is made by `gateway registry reference`; the test suite keeps it complete.
"""

_LOG = """\
## The change log

The truth is `data_dir/registry/changes.jsonl`; `registry.sqlite` is its index and is made anew from it by
`gateway registry rebuild`. `gateway registry verify` proves the chain.

{paper}
"""


def reference() -> str:
    """The page."""
    paper = (changes.__doc__ or "").split("\n\n", 1)[1].strip().replace("``", "`").replace("::\n", ":\n")
    return "\n".join([_HEAD, *map(_section, NOUNS.values()), _LOG.replace("{paper}", paper)])


def _section(noun: Noun) -> str:
    rows = "\n".join(_row(field) for field in noun.fields)
    text = f"## {noun.name} (`{noun.key}`)\n\n| field | default | may be | meaning |\n| --- | --- | --- | --- |\n{rows}\n"
    return text + _case_moves() if noun is CASE else text


def _row(field: Field) -> str:
    default = "" if field.default in (None, (), {}) else f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
    shown = f" Shown as `{field.shown_as}`." if field.is_secret else ""
    return f"| `{field.name}` | {default} | {field.may_be} | {field.meaning}{shown} |"


def _case_moves() -> str:
    lines = [f"{state:<11} -> {' | '.join(following) or '(final)'}" for state, following in CASE_MOVES.items()]
    return "\nFrom which state to which it may go:\n\n```\n" + "\n".join(lines) + "\n```\n"
