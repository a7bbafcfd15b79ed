"""Entries as people read them: tables that fit a terminal of eighty columns, and lists of fields."""

from collections.abc import Mapping, Sequence

WIDTH = 80
_GAP = "  "


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns no wider than ``WIDTH``; the widest ones are cut first."""
    cells = [[header.upper() for header in headers], *[[cell_text(value) for value in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    room = WIDTH - len(_GAP) * (len(headers) - 1)
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    lines = [_GAP.join(_fitted(text, width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(lines)


def listing(entry: Mapping[str, object]) -> str:
    """One field a line."""
    width = max(len(name) for name in entry)
    lines = []
    for name, value in entry.items():
        first, *more = cell_text(value, "\n").split("\n")
        lines += [f"{name:<{width}}  {first}".rstrip(), *[" " * (width + 2) + line for line in more]]
    return "\n".join(lines)


def cell_text(value: object, separator: str = " ") -> str:
    """A value as a person reads it; nothing that a terminal would act on."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return separator.join(f"{key}={cell_text(inner)}" for key, inner in value.items()) or "-"
    if isinstance(value, list | tuple):
        return separator.join(map(cell_text, value)) or "-"
    return separator.join("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line) for line in str(value).splitlines())


def _fitted(text: str, width: int) -> str:
    return f"{text:<{width}}" if len(text) <= width else text[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"
