"""Lines of keys: for any TOML that Python reads, the scan finds the same keys, each on the line where it was written."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.lines import KeyPath, lines_of

BARE = st.text("abcXYZ09_-", min_size=1, max_size=5)
KEY = st.one_of(BARE, BARE.map(lambda key: f'"{key}"'), BARE.map(lambda key: f"'{key}.#[x]'"), BARE.map(lambda key: f'"{key}\\"\\u00e9 ="'))
STRINGS = st.sampled_from(
    ["''", '""', '"]"', '"#"', "'\\'", '"\\""', '"\\\\"']
    + ['"""a\n"b""\n# c\n"""', "'''\n]\n'q'\n'''", '""""q""""', "'''''two'''''", '"""\\\n  x"""', '"""\\""""']
)
SCALARS = st.one_of(STRINGS, st.sampled_from(["1", "-2.5e3", "true", "inf", "1979-05-27T07:32:00Z", "07:32:00", "0xff"]))
SPACE = st.sampled_from(["", " ", "\n", " # ] , }\n", "\n\n\t"])
BLANK = st.sampled_from(["", " ", "\t "])


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    item = st.tuples(SPACE, values, SPACE).map("".join)
    return st.tuples(st.lists(item, max_size=3), SPACE).map(lambda parts: f"[{','.join(parts[0])}{',' if parts[0] else ''}{parts[1]}]")


def inline_tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(BARE, BLANK, values, BLANK), max_size=3, unique_by=lambda pair: pair[0])
    return pairs.map(lambda found: "{" + ",".join(f"{blank}{key}{blank}={blank}{value}{end}" for key, blank, value, end in found) + "}")


VALUES = st.recursive(SCALARS, lambda values: st.one_of(arrays(values), inline_tables(values)), max_leaves=6)
DOTTED = st.tuples(BLANK, st.lists(KEY, min_size=1, max_size=3)).map(lambda parts: f"{parts[0]}.{parts[0]}".join(parts[1]))
PAIRS = st.tuples(BLANK, DOTTED, BLANK, VALUES, SPACE).map(lambda parts: f"{parts[0]}{parts[1]}{parts[2]}={parts[2]}{parts[3]} {parts[4]}\n")
HEADERS = st.tuples(BLANK, DOTTED, st.booleans()).map(lambda parts: f"{parts[0]}[[{parts[1]}]]\n" if parts[2] else f"{parts[0]}[ {parts[1]} ] # x\n")
TEXTS = st.lists(st.one_of(PAIRS, HEADERS), max_size=8).map("".join)


def paths_in(value: object, path: KeyPath = ()) -> set[KeyPath]:
    """Every key path of a parsed document."""
    paths = {path} if path else set()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        paths |= paths_in(inner, (*path, key))
    return paths


@given(TEXTS)
def test_every_key_has_its_line(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = lines_of(text)
    assert set(lines) == paths_in(document)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@given(st.lists(st.tuples(st.integers(0, 3), VALUES), min_size=1, max_size=6))
def test_a_key_is_found_on_the_line_where_it_was_put(rows: list[tuple[int, str]]) -> None:
    text, expected = "", {}
    for position, (gap, value) in enumerate(rows):
        text += "\n" * gap
        expected[f"key{position}",] = text.count("\n") + 1
        text += f"key{position} = {value}\n"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = lines_of(text)
    assert {path: lines[path] for path in expected} == expected


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("[a]\n[[b]]\nc=1\n[[b]]\nc=2\n", ("b", 1, "c"), 5),
        ("[[b]]\n[[b.d]]\n[[b.d]]\ne=1\n[[b]]\n[[b.d]]\ne=2\n", ("b", 1, "d", 0, "e"), 7),
        ("[[b]]\n[b.t]\nx=1\n[[b]]\n[b.t]\nx=2\n", ("b", 1, "t", "x"), 6),
        ("a.b.c = 1\na.b.d = 2\n", ("a", "b", "d"), 2),
        ("a.b.c = 1\na.b.d = 2\n", ("a", "b"), 1),
        ("[x.y]\n[x]\nk=1\n", ("x",), 2),
        ('"a.b" . c = 1\n', ("a.b", "c"), 1),
        ("a = [\n  1,\n  # 2\n  3,\n]\nb = 1\n", ("a", 1), 4),
        ("a = [\n  1,\n  # 2\n  3,\n]\nb = 1\n", ("b",), 6),
        ("a = {b = {c = [\n1,\n2]}}\n", ("a", "b", "c", 1), 3),
        ('a = """\n\n\n"""\nb = 1', ("b",), 5),
        ("a = 1\r\nb = 2\r\n", ("b",), 2),
        ('a = "x" # [b]\n[c]\n', ("c",), 2),
        ("# only\n\n  [ c . 'd e' ]\n\tf\t=\t1", ("c", "d e", "f"), 4),
    ],
)
def test_lines_of_the_odd_forms(text: str, path: KeyPath, line: int) -> None:
    tomllib.loads(text)
    assert lines_of(text)[path] == line
