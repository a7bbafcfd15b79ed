"""Names on the wire: however one is written or sent, it leads to its device and to no other."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.registry.identifiers import canonical, hints_heard, hints_registered, is_luhn, key_of, odd_about, wrong_with
from gateway.registry.snapshot import Row, Snapshot

IMEIS = st.integers(0, 10**9 - 1).map(lambda serial: with_check_digit(f"00101{serial:09d}"))
NUMBERS = st.from_regex(r"\+[2-9][0-9]{8,12}", fullmatch=True)
SEPARATORS = st.sampled_from(["", " ", "-", ".", "/", "\N{NO-BREAK SPACE}", "\N{ZERO WIDTH SPACE}"])
ACCOUNTS = st.text(string.ascii_letters + string.digits + "_:#", min_size=2, max_size=20)


def with_check_digit(body: str) -> str:
    return next(body + str(digit) for digit in range(10) if is_luhn(body + str(digit)))


def registered(*devices: tuple[str, str | None]) -> Snapshot:
    """A snapshot with one device a name."""
    rows = [
        Row("device", f"dev-{n}", {"identifiers": [canonical(name)]} | ({"protocol": protocol} if protocol else {}), n, 0, "test", 0)
        for n, (name, protocol) in enumerate(devices)
    ]
    return Snapshot().after(rows, len(rows))


def found(snapshot: Snapshot, name: str) -> str | None:
    device = snapshot.device_named(name)
    return device.device_id if device else None


@given(st.text(max_size=80))
def test_any_text_has_one_form_and_the_form_is_stable(text: str) -> None:
    form = canonical(text)
    assert canonical(form) == form
    assert key_of(form) == key_of(text)
    hints_heard(text)
    hints_registered(text, None)
    wrong_with(form)
    odd_about(form)
    assert found(registered(), text) is None


@given(NUMBERS, st.data())
def test_a_number_is_found_however_it_is_written(number: str, data: st.DataObject) -> None:
    snapshot = registered((number, None))
    separated = "".join(char + data.draw(SEPARATORS) for char in number[1:])
    for written in (number, f"00{number[1:]}", f"+{separated}", f"00{separated}", f"+(0){number[1:]}", number[1:], f"0{number[1:]}"):
        assert found(snapshot, written) == "dev-0", written
        assert found(registered((written, None)), number) == "dev-0", written


@given(IMEIS, st.data())
def test_an_imei_is_found_however_it_is_written(imei: str, data: st.DataObject) -> None:
    snapshot = registered((imei, None))
    separated = "".join(char + data.draw(SEPARATORS) for char in imei)
    for written in (imei, separated, f"0{imei}", f"{imei[:2]}-{imei[2:8]}-{imei[8:14]}-{imei[14]}"):
        assert found(snapshot, written) == "dev-0", written
    assert wrong_with(canonical(separated)) is None
    assert odd_about(canonical(separated)) is None


@given(st.integers(10**12, 10**13 - 1).map(lambda body: with_check_digit(f"3{body}")), st.integers(0, 99))
def test_an_imei_is_found_without_check_digit_and_with_software_version(imei: str, version: int) -> None:
    snapshot = registered((imei, "jt808"))
    assert found(snapshot, imei[:14]) == "dev-0"
    assert found(snapshot, f"{imei[:14]}{version:02d}") == "dev-0"


@given(IMEIS)
def test_a_watch_is_found_by_ten_digits_of_its_imei(imei: str) -> None:
    for short in (imei[-10:], imei[4:14]):
        assert found(registered((imei, "watch")), short) == "dev-0"
        assert found(registered((imei, None)), short) == "dev-0"
        assert found(registered((imei, "gt06")), short) is None


@given(IMEIS, st.integers(0, 999))
def test_ten_digits_that_fit_two_watches_name_neither(imei: str, other: int) -> None:
    twin = f"35{other:03d}{imei[5:]}"
    snapshot = registered((imei, "watch"), (twin, "watch"))
    assert found(snapshot, imei[-10:]) is None
    assert (found(snapshot, imei), found(snapshot, twin)) == ("dev-0", "dev-1")


@given(IMEIS)
def test_a_registered_name_wins_over_a_hint(imei: str) -> None:
    snapshot = registered((imei, "watch"), (imei[-10:], "h02"))
    assert found(snapshot, imei[-10:]) == "dev-1"
    assert found(snapshot, imei) == "dev-0"


@given(st.lists(st.one_of(IMEIS, NUMBERS, ACCOUNTS), max_size=6, unique_by=key_of))
def test_every_registered_name_finds_its_own_device(names: list[str]) -> None:
    snapshot = registered(*((name, "watch") for name in names))
    for position, name in enumerate(names):
        assert found(snapshot, name) == f"dev-{position}"
        assert found(snapshot, name.upper()) == f"dev-{position}"


@given(st.lists(st.one_of(IMEIS, NUMBERS, ACCOUNTS), min_size=1, max_size=6, unique_by=key_of), st.data())
def test_forgetting_a_device_leaves_what_was_there_before(names: list[str], data: st.DataObject) -> None:
    snapshot = registered(*((name, "watch") for name in names[:-1]))
    whole = registered(*((name, "watch") for name in names))
    last = f"dev-{len(names) - 1}"
    without = whole.after([Row("device", last, None, 99, 0, "test", 0)], snapshot.n)
    assert (without.names, without.hints, without.rows) == (snapshot.names, snapshot.hints, snapshot.rows)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("+32 475 00 00 01", "+32475000001"),
        ("0032475000001", "+32475000001"),
        ("+32 (0)475/00.00.01", "+32475000001"),
        ("001010000000008", "001010000000008"),
        ("00-101000-000000-8", "001010000000008"),
        ("\uff10\uff10\uff13\uff12475000001", "+32475000001"),
        ("00000000013812345678", "00000000013812345678"),
        ("0042", "0042"),
        ("12-34", "12-34"),
        ("12.34.56", "12.34.56"),
        ("AbCd", "AbCd"),
        ("206:1:12345678", "206:1:12345678"),
        ("my phone", "myphone"),
        ("", ""),
        ("+", "+"),
        ("+-", "+-"),
        ("\u0664\u0662", "\u0664\u0662"),
    ],
)
def test_forms(written: str, form: str) -> None:
    assert canonical(written) == form


@pytest.mark.parametrize("name", ["x", "", "a" * 65, "+0475000001", "+123", "\u0664\u0662\u0664", "a\x00b", "é1"])
def test_what_cannot_be_a_name(name: str) -> None:
    assert wrong_with(name)


def test_short_accounts_keep_their_zeros() -> None:
    snapshot = registered(("0042", None), ("42", None))
    assert (found(snapshot, "0042"), found(snapshot, "42"), found(snapshot, "042")) == ("dev-0", "dev-1", None)


def test_leading_zeros_of_padded_numbers_do_not_count() -> None:
    assert found(registered(("13812345678", "jt808")), "00000000013812345678") == "dev-0"
    assert found(registered(("013812345678", "jt808")), "13812345678") == "dev-0"


def test_a_national_number_is_odd() -> None:
    assert "national" in str(odd_about("0475000001"))
    assert odd_about("+32475000001") is None
