"""The text kernels of the compiled room and ``protocols/fields.py`` read the same: every value to the last bit."""

import random
import struct
from collections.abc import Callable

import pytest

from gateway import _fastpath
from gateway.protocols import fields

Value = int | float | None

ONE: dict[str, Callable[[str], Value]] = {
    "decimal": fields.decimal,
    "course": fields.course,
    "speed": lambda text: fields.speed(text, fields.KMH_PER_KNOT),
    "percent": fields.percent,
    "whole": fields.whole,
    "hexadecimal": fields.hexadecimal,
    "degrees_e7": fields.degrees_e7,
}
TWO: dict[str, Callable[[str, str], Value]] = {
    "minutes_e7": fields.minutes_e7,
    "day_first_us": lambda date, time: fields.day_first_us(date, time, 3600),
    "year_first_us": lambda date, time: fields.year_first_us(date, time, 3600),
}
ODD = ("", " ", "-", "+", ".", "0", "-0", "00.", "-0.0", "5.", ".5", "1e5", "100", "101", "360", "360.1", "9999999999", "12345678901", "ffffffff",
       "FFFFFFFFF", "g", "-90.12345675", "0.00000005", "180.0000000501", "1234567890.1234567890", "١", "²", "1_0", "+12.5", "7f", " 42 ")  # fmt: skip
PAIRS = (
    ("2233.1234", "N"), ("12233.99999999", "W"), ("2260.0000", "N"), ("59.5", "S"), ("059.5", "S"), ("123456.1", "E"), ("2233.", "E"),
    ("2233.123456789", "N"), ("2233.1234", "n"), ("2233.1234", ""), ("2233.1234", "NN"), ("010126", "235959"), ("290226", "000000"),
    ("290228", "000000"), ("010175", "000000"), ("20260309", "130311"), ("00000309", "130311"), ("99991231", "235959"), ("010126", "240000"),
    ("010126", "23595"), ("0101261", "235959"), ("", ""),
)  # fmt: skip


def same(one: object, other: Value) -> bool:
    """Equal to the last bit; 0 and -0.0 differ."""
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other)
    return type(one) is type(other) and one == other


def words(dice: random.Random) -> str:
    letters = dice.choice(("0123456789", "0123456789.", "0123456789.-+", "0123456789abcdefABCDEF", "05."))
    return "".join(dice.choices(letters, k=dice.randrange(15)))


@pytest.mark.parametrize("name", list(ONE))
def test_a_field_is_read_alike(name: str) -> None:
    dice = random.Random(11)
    handed_over = 0
    texts = [*ODD, *(words(dice) for _ in range(20_000)), *(f"{dice.uniform(-200, 200):.{dice.randrange(12)}f}" for _ in range(20_000))]
    for text in texts:
        value = _fastpath.field(name, text.encode())
        handed_over += value is ...
        assert value is ... or same(value, ONE[name](text.strip(" "))), text
    assert handed_over < len(texts) // 100


@pytest.mark.parametrize("name", list(TWO))
def test_a_pair_of_fields_is_read_alike(name: str) -> None:
    dice = random.Random(12)
    made = [("".join(dice.choices("012359.", k=dice.randrange(10))), dice.choice("NSEWns0")) for _ in range(20_000)]
    made += [(f"{dice.randrange(18_100)}.{dice.randrange(10**8):0{dice.randrange(1, 9)}}", dice.choice("NSEW")) for _ in range(20_000)]
    dates = [("".join(dice.choices("0123", k=dice.choice((5, 6, 6, 8)))), "".join(dice.choices("012345", k=6))) for _ in range(20_000)]
    for one, other in (*PAIRS, *made, *dates):
        assert same(_fastpath.field(name, one.encode(), other.encode()), TWO[name](one, other)), (one, other)


def test_a_field_that_nobody_has_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        _fastpath.field("roman", b"IV")
