"""``gateway device|case|unit|user`` and ``gateway registry``: what people type and what they are told."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.commands.tables import WIDTH, cell_text, listing, table
from gateway.registry.credentials import verify_secret
from gateway.registry.nouns import NOUNS
from gateway.registry.page import reference
from gateway.shell.registry_files import open_registry

IMEI = "001010000000008"

Gateway = Callable[..., tuple[int, str, str]]


@pytest.fixture
def gateway(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gateway:
    """Runs a command on a fresh configuration: (exit code, output, errors)."""
    assert main(["init", "-o", str(tmp_path / "gateway.toml")]) == 0
    capsys.readouterr()

    def run(*words: str) -> tuple[int, str, str]:
        try:
            code = main([*words, "-c", str(tmp_path / "gateway.toml")])
        except SystemExit as error:
            code = int(str(error.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_device_from_first_to_last(gateway: Gateway) -> None:
    assert gateway("case", "add", "GE-1", "--zone", "5415", "--centre-refs", "centre-1=A/1", "other=B 2")[0] == 0
    code, out, err = gateway("device", "add", "dev-1", "--identifiers", IMEI, "+32 475 00 00 01", "--case-ref", "GE-1", "--protocol", "gt06")
    assert (code, out, err) == (0, "device dev-1 added\n", "")
    assert gateway("device", "set", "dev-1", "--interval-s", "60", "--simulated", "yes", "--clear", "protocol")[:2] == (0, "device dev-1 changed\n")
    entry = json.loads(gateway("device", "show", "dev-1", "--json")[1])
    assert (entry["identifiers"], entry["interval_s"], entry["simulated"], entry["protocol"]) == ([IMEI, "+32475000001"], 60, True, None)
    assert entry["changed_by"].startswith("local:")
    assert "case_ref" in gateway("device", "show", "dev-1")[1]
    assert "GE-1" in gateway("device", "list")[1]
    assert gateway("device", "set", "dev-1", "--interval-s", "60")[1] == "device dev-1 is so already\n"
    assert gateway("device", "remove", "dev-1")[:2] == (0, "device dev-1 removed\n")
    assert json.loads(gateway("device", "list", "--json")[1]) == []


def test_an_id_of_digits_alone_is_what_the_device_calls_itself(gateway: Gateway) -> None:
    assert json.loads(gateway("device", "add", IMEI, "--json")[1])["entry"]["identifiers"] == [IMEI]
    assert json.loads(gateway("device", "add", "dev-2", "--json")[1])["entry"]["identifiers"] == []


def test_centre_refs_are_checked_against_the_configuration(gateway: Gateway) -> None:
    code, _, err = gateway("case", "add", "GE-1", "--centre-refs", "centre-1=A", "centre-x=B")
    assert code == 0
    assert err == "warning: case GE-1: centre_refs: no centre centre-x is configured\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("device", "show", "nope"), 1, "device nope is not there; see `gateway device list`"),
        (("device", "set", "nope", "--state", "active"), 1, "is not there"),
        (("device", "remove", "nope"), 1, "is not there"),
        (("device", "add", "dev-1"), 1, "is there already; change it with `gateway device set`"),
        (("device", "add", "dev-2", "--identifiers", IMEI), 1, "belongs to device dev-1"),
        (("device", "add", "dev-2", "--case-ref", "GE-1"), 1, "add it first: gateway case add GE-1"),
        (("device", "add", "a/b"), 2, "the id must begin with"),
        (("device", "add", "dev-2", "--state", "lost"), 2, "state must be provisioned or active"),
        (("device", "add", "dev-2", "--interval-s", "often"), 2, "--interval-s must be a whole number, 1 to 604800"),
        (("device", "add", "dev-2", "--simulated", "maybe"), 2, "--simulated must be true or false"),
        (("device", "set", "dev-1", "--clear", "colour"), 2, "colour is no field of a device"),
        (("device", "set", "dev-1", "--model", "x", "--clear", "model"), 2, "both set and cleared"),
        (("device", "add", "dev-2", "--key-file", "/nonexistent"), 2, "/nonexistent can't be read (no such file or directory)"),
        (("device", "import", "/nonexistent"), 2, "can't be read"),
        (("case", "add", "GE-1", "--centre-refs", "centre-1"), 2, "write each as KEY=VALUE"),
        (("user", "add", "kees", "--role", "operator"), 2, "neither password nor token"),
        (("user", "add", "kees", "--role", "operator", "--token", "--password-file", "x"), 2, "not allowed with"),
        (("device", "fly"), 2, "invalid choice"),
        (("device", "add", "dev-2", "--colour", "blue"), 2, "unrecognized arguments"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(gateway: Gateway, words: tuple[str, ...], code: int, said: str) -> None:
    gateway("device", "add", "dev-1", "--identifiers", IMEI)
    found, out, err = gateway(*words)
    assert (found, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_a_wrong_configuration_is_said_with_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gateway.toml").write_text("[gatway]\n[api]\nbind = 1\n")
    assert main(["device", "list", "-c", str(tmp_path / "gateway.toml")]) == 2
    err = capsys.readouterr().err
    assert "gatway" in err
    assert "api.bind" in err


@pytest.mark.parametrize("noun", NOUNS)
def test_every_field_has_its_option_and_help(noun: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([noun, "set", "--help"])
    text = capsys.readouterr().out
    for field in NOUNS[noun].fields:
        if not field.is_ours and not field.is_secret:
            assert f"--{field.name.replace('_', '-')}" in text


def test_secrets_are_shown_once_and_kept_as_hashes(gateway: Gateway, tmp_path: Path) -> None:
    _, out, _ = gateway("user", "add", "bot", "--role", "carrier", "--token")
    user, _, token = out.splitlines()[1].removeprefix("token, shown once: ").partition(":")
    (tmp_path / "password").write_text("correct horse battery\n")
    assert gateway("user", "add", "kees", "--role", "admin", "--password-file", str(tmp_path / "password"))[0] == 0
    key = json.loads(gateway("device", "add", "dev-1", "--new-app-key", "--json")[1])["app_key_hex"]
    with open_registry(tmp_path / "data") as registry:
        bot, kees, device = registry.user(user), registry.user("kees"), registry.device("dev-1")
    assert bot is not None
    assert kees is not None
    assert device is not None
    assert verify_secret(bot.secret_hash, token)
    assert verify_secret(kees.secret_hash, "correct horse battery")
    assert device.app_key_hex == key
    assert len(key) == 64
    for noun in NOUNS:
        text = gateway(noun, "list", "--json")[1]
        assert token not in text
        assert key not in text
    log = (tmp_path / "data/registry/changes.jsonl").read_text()
    assert token not in log
    assert "battery" not in log


def test_the_files_of_the_registry_are_for_its_user_alone(gateway: Gateway, tmp_path: Path) -> None:
    gateway("unit", "add", "G-21")
    folder = tmp_path / "data/registry"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_what_list_prints_can_be_imported_elsewhere(gateway: Gateway, tmp_path: Path) -> None:
    gateway("case", "add", "GE-1", "--risk", "standard")
    gateway("device", "add", "dev-1", "--identifiers", IMEI, "--case-ref", "GE-1", "--interval-s", "60")
    gateway("device", "add", "dev-2", "--model", "PT-1")
    for noun in ("case", "device"):
        (tmp_path / f"{noun}.json").write_text(gateway(noun, "list", "--json")[1])
    before = json.loads((tmp_path / "device.json").read_text())
    (tmp_path / "data").rename(tmp_path / "old")
    for noun in ("case", "device"):
        assert gateway(noun, "import", str(tmp_path / f"{noun}.json"))[0] == 0
    after = json.loads(gateway("device", "list", "--json")[1])
    times = ("added_at", "changed_at", "bound_at")
    assert [{key: value for key, value in entry.items() if key not in times} for entry in after] == [
        {key: value for key, value in entry.items() if key not in times} for entry in before
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"device_id":"a"}\n{"device_id":"b","state":"lost"}\n', "device b: state must be"),
        ('[{"device_id":"a"},{"model":"x"}]', "entry 2 has no device_id"),
        ('{"device_id":"a"}\nnot json', "is not JSON"),
        ("[1]", "entry 1 has no device_id"),
        ('"a"', "entry 1 has no device_id"),
        ("[" * 100_000, "is not JSON"),
        ('{"device_id":"a","identifiers":["abc"]}\n{"device_id":"b","identifiers":["ABC"]}', "belongs to device a"),
    ],
)
def test_an_import_counts_whole_or_not_at_all(gateway: Gateway, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "devices").write_text(text)
    code, _, err = gateway("device", "import", str(tmp_path / "devices"))
    assert code in (1, 2)
    assert said in err
    assert json.loads(gateway("device", "list", "--json")[1]) == []


def test_registry_verify_and_rebuild(gateway: Gateway, tmp_path: Path) -> None:
    gateway("unit", "add", "G-1")
    gateway("unit", "add", "G-2")
    gateway("unit", "add", "G-3")
    said = json.loads(gateway("registry", "verify", "--json")[1])
    assert (said["ok"], said["changes"], said["entries"]["unit"], said["damage"]) == (True, 3, 3, [])
    assert gateway("registry", "rebuild")[:2] == (0, f"3 changes, head {said['head'][:16]}; 0 devices, 0 cases, 3 units, 0 users\n")
    log = tmp_path / "data/registry/changes.jsonl"
    log.write_bytes(log.read_bytes().replace(b"G-2", b"G-9"))
    code, out, _ = gateway("registry", "verify")
    assert code == 1
    assert "damage: line at byte" in out
    code, _, err = gateway("registry", "rebuild")
    assert code == 1
    assert "go on without these: --force" in err
    assert gateway("registry", "rebuild", "--force")[0] == 1
    assert [entry["unit_id"] for entry in json.loads(gateway("unit", "list", "--json")[1])] == ["G-1", "G-3"]
    assert gateway("unit", "add", "G-4")[0] == 0


def test_the_page_about_the_registry_is_up_to_date() -> None:
    page = Path(__file__).resolve().parents[2] / "docs/registry.md"
    assert page.read_text() == reference(), "run: gateway registry reference > docs/registry.md"
    for noun in NOUNS.values():
        for field in noun.fields:
            assert f"| `{field.name}` |" in reference()


def test_a_damaged_index_is_put_aside_and_made_anew(gateway: Gateway, tmp_path: Path) -> None:
    gateway("unit", "add", "G-1")
    folder = tmp_path / "data/registry"
    for damage in (b"no database at all" * 1000, (folder / "registry.sqlite").read_bytes()[:5000] + b"\xff" * 8000):
        (folder / "registry.sqlite").write_bytes(damage)
        assert [entry["unit_id"] for entry in json.loads(gateway("unit", "list", "--json")[1])] == ["G-1"]
    assert len(list(folder.glob("registry.sqlite.damaged-*"))) == 2


@pytest.mark.parametrize("name", ["registry", "registry/registry.lock", "registry/registry.sqlite", "registry/changes.jsonl"])
def test_files_that_cannot_be_used_are_said(gateway: Gateway, tmp_path: Path, name: str) -> None:
    path = tmp_path / "data" / name
    path.parent.mkdir(parents=True)
    if name == "registry":
        path.write_text("a file where a folder is due")
    else:
        path.mkdir()
    code, out, err = gateway("unit", "list")
    assert (code, out) == (1, "")
    assert "correct" in err or "check the disk" in err


def test_a_data_folder_that_cannot_be_made_is_said(gateway: Gateway, tmp_path: Path) -> None:
    text = (tmp_path / "gateway.toml").read_text().replace('data_dir = "data"', 'data_dir = "centre-1.secret/data"')
    (tmp_path / "gateway.toml").write_text(text)
    code, _, err = gateway("unit", "list")
    assert code in (1, 2)
    assert "correct" in err


# --------------------------------------------------------------------------------------------------- tables


def test_tables_fit_eighty_columns() -> None:
    rows = [["x" * 70, None, ["a" * 40, "b" * 40], True, "short"], ["y", "z", [], False, {"k": "v"}]]
    lines = table(("first", "second", "third", "fourth", "fifth"), rows).splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    assert lines[2].split() == ["y", "z", "-", "no", "k=v"]
    assert "\N{HORIZONTAL ELLIPSIS}" in lines[1]


def test_many_wide_columns_still_fit() -> None:
    lines = table([f"column {n}" for n in range(12)], [["w" * 50] * 12]).splitlines()
    assert all(len(line) <= WIDTH for line in lines)


def test_nothing_shown_drives_the_terminal() -> None:
    assert cell_text("a\x1b[2Jb\rc") .isprintable()
    assert listing({"note": "one\ntwo\x07"}) == "note  one\n      two\N{REPLACEMENT CHARACTER}"
