"""The reference page, the first file and the effective values are made from the options and can't lag behind."""

import dataclasses
import json
import re
import stat
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.__main__ import main
from gateway.commands.certificates import days_left, not_after
from gateway.commands.check import inspect_certificates
from gateway.config import Config, inspect, load_config
from gateway.config.build import default_of, sections, shapes_of
from gateway.config.pages import as_toml, effective, first_file, reference, words_of

ROOT = Path(__file__).resolve().parents[2]


def options() -> list[tuple[str, type, str]]:
    """(header, option class, key) of every key of the configuration."""
    found = [(header, owner, key, shape) for header, owner in sections(Config) for key, shape in shapes_of(owner).items()]
    return [(header, owner, key) for header, owner, key, shape in found if not dataclasses.is_dataclass(shape.inner)]


def test_every_option_says_what_it_is() -> None:
    for header, owner, key in options():
        assert len(words_of(owner).get(key, "")) > 5, f"{header} {key}: write a string literal under the field"


def test_the_reference_page_is_up_to_date() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    assert page == reference(), "run: gateway check --reference > docs/configuration.md"


def test_the_reference_page_has_every_key_in_its_section() -> None:
    parts = re.split(r"^## `(.*)`$", reference(), flags=re.MULTILINE)
    rows = dict(zip(parts[1::2], parts[2::2], strict=True))
    for header, _, key in options():
        assert f"| `{key}` |" in rows[header]


def test_the_first_file_is_good_and_serves_at_once(tmp_path: Path) -> None:
    assert main(["init", "-o", str(tmp_path / "gateway.toml"), "--json"]) == 0
    config = load_config(tmp_path / "gateway.toml")
    assert config.listen
    assert config.centre[0].route[0].secret_files == (str(tmp_path / "centre-1.secret"),)
    assert stat.S_IMODE((tmp_path / "centre-1.secret").stat().st_mode) == 0o600


def test_every_key_stands_in_the_first_file_and_can_be_uncommented(tmp_path: Path) -> None:
    text = re.sub(r"^#(?! )", "", first_file(), flags=re.MULTILINE)
    tables = tomllib.loads(text)
    for header, owner, key in options():
        table: object = tables
        for name in header.strip("[]").split("."):
            assert isinstance(table, dict)
            table = table[name]
            table = table[0] if isinstance(table, list) else table
        assert isinstance(table, dict)
        assert key in table, f"{header} {key}"
        assert table[key] not in ("", []), f"{owner.__name__}.{key} needs a sample"
    (tmp_path / "gateway.toml").write_text(text)
    for complaint in inspect(tmp_path / "gateway.toml").complaints:
        assert re.search("is not there|does not belong|of no use without TLS|no centre has the id|datagrams", complaint.text), str(complaint)


def test_comments_show_the_real_defaults() -> None:
    text = first_file()
    for _, owner, key in options():
        default = default_of({field.name: field for field in dataclasses.fields(owner)}[key])
        if isinstance(default, int | float) and not isinstance(default, bool):
            values = re.findall(rf"^#{key} = (.*)$", text, flags=re.MULTILINE)
            assert default in [tomllib.loads(f"x = {value}")["x"] for value in values]


@pytest.mark.parametrize("name", ["gateway.toml", "centre-1.secret"])
def test_init_overwrites_nothing(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("mine")
    code = main(["init", "-o", str(tmp_path / "gateway.toml")])
    assert (tmp_path / name).read_text() == "mine"
    if name == "gateway.toml":
        assert code == 2
        assert "is there already; write another file with -o, or overwrite it with --force" in capsys.readouterr().err
        assert main(["init", "-o", str(tmp_path / "gateway.toml"), "--force"]) == 0
        assert (tmp_path / name).read_text() == first_file()


def test_init_into_a_folder_that_is_not_there_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "-o", str(tmp_path / "gone" / "gateway.toml")]) == 2
    assert "can't be written (no such file or directory)" in capsys.readouterr().err


def test_init_to_standard_output_writes_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "-o", "-"]) == 0
    assert capsys.readouterr().out == first_file()
    assert not list(tmp_path.iterdir())


# ----------------------------------------------------------------------------------------------------- check


@pytest.fixture
def good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    main(["init", "-o", str(tmp_path / "gateway.toml")])
    capsys.readouterr()
    return tmp_path / "gateway.toml"


def test_check_prints_what_was_set_and_with_defaults_everything(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-c", str(good)]) == 0
    short = capsys.readouterr()
    assert "data_dir = " in short.out
    assert "answer_timeout_s" not in short.out
    assert "warning: fallback: nobody is told" in short.err
    assert main(["check", "-c", str(good), "--show-defaults"]) == 0
    assert "answer_timeout_s = 3.0" in capsys.readouterr().out


@pytest.mark.parametrize("show_defaults", [False, True])
def test_what_check_prints_is_a_configuration_that_means_the_same(good: Path, show_defaults: bool) -> None:
    config = load_config(good)
    printed = as_toml(effective(config, show_defaults))
    again = good.with_name("again.toml")
    again.write_text(printed)
    assert load_config(again) == config


def test_check_says_it_in_json_with_stable_keys(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-c", str(good), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said) == ["ok", "file", "complaints", "warnings", "config"]
    assert said["ok"] is True
    assert list(said["warnings"][0]) == ["file", "line", "path", "message"]
    good.write_text(good.read_text().replace("127.0.0.1:5023", "5023").replace("[gateway]", "[gatway]"))
    assert main(["check", "-c", str(good), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["config"]) == (False, None)
    assert {complaint["path"] for complaint in said["complaints"]} == {"gatway", "listen[0].bind"}


def test_check_counts_mistakes_and_exits_2(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_text(good.read_text().replace("127.0.0.1:5023", "5023"))
    assert main(["check", "-c", str(good)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.rstrip().endswith("gateway.toml: 1 mistake")


def test_check_opens_certificates(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import trustme

    authority = trustme.CA()
    one, other = authority.issue_cert("gateway.example"), authority.issue_cert("gateway.example")
    for name, pem in (("tls.crt", one.cert_chain_pems[0]), ("tls.key", one.private_key_pem), ("other.key", other.private_key_pem)):
        pem.write_to_path(good.with_name(name))
        good.with_name(name).chmod(0o600)
    text = good.read_text() + '\n[api.tls]\ncert_file = "tls.crt"\nkey_file = "tls.key"\n'
    good.write_text(text)
    assert main(["check", "-c", str(good)]) == 0
    good.write_text(text.replace("tls.key", "other.key"))
    assert main(["check", "-c", str(good)]) == 2
    assert "api.tls: certificate and key can't be used (key values mismatch)" in capsys.readouterr().err


@pytest.mark.parametrize(("days", "words"), [(400, None), (29, "ends in 29 days"), (1, "ends in 1 day;"), (0, "ends in no day"), (-3, "has ended")])
def test_check_warns_of_certificates_that_end(good: Path, days: int, words: str | None) -> None:
    import trustme

    now = datetime(2049, 12, 31, 12, tzinfo=UTC)  # dates beyond 2049 are written in another way
    ends_at = now + timedelta(days=days, hours=1)
    issued = trustme.CA().issue_cert("gateway.example", not_before=now - timedelta(days=900), not_after=ends_at)
    issued.cert_chain_pems[0].write_to_path(good.with_name("tls.crt"))
    issued.private_key_pem.write_to_path(good.with_name("tls.key"))
    good.with_name("tls.key").chmod(0o600)
    good.write_text(good.read_text() + '\n[api.tls]\ncert_file = "tls.crt"\nkey_file = "tls.key"\n')
    wrong, old = inspect_certificates(load_config(good), str(good), now)
    assert wrong == []
    assert [words in warning.text for warning in old] == [True] if words else old == []


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff", b"-----END CERTIFICATE-----"])
def test_what_is_no_certificate_has_no_end(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.crt").write_bytes(content)
    assert days_left(str(tmp_path / "x.crt"), datetime.now(UTC)) is None


@given(st.binary(max_size=300))
def test_dates_of_garbage_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        not_after(b"\x30\x82" + data)


def test_a_missing_file_is_said_with_its_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-c", str(tmp_path / "gone.toml")]) == 2
    assert "is not there; write one with `gateway init -o" in capsys.readouterr().err
