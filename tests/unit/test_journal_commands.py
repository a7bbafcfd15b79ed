"""``gateway journal`` and ``gateway audit``: reading and proving the record without the server, and beside it."""

import json

import pytest
import trio

from gateway.__main__ import main
from gateway.clock import SystemClock
from gateway.events import AlarmClosed, CentreTold, FrameKept, PositionReported, Viewed
from gateway.journal.audit import AuditChain
from gateway.model import Fix, Trust, Urgency
from gateway.shell.disk import open_journal
from gateway.shell.real_disk import RealDisk
from tests.journal_acts import SMALL, some_event

CANARY = Fix(510_543_210, 37_212_345)
STORY = [
    FrameKept("001010000000001", "gt06", "tcp", "tcp 0", b"\x78\x78raw", Trust.T2),
    PositionReported("a" * 32, CANARY, 5, True, Trust.T1),
    CentreTold("a" * 32, "cic-ovl", "note", note="she is in the garden"),
    Viewed("user:7", "view_location", "alarm", "a" * 32),
    Viewed("user:8", "view_case", "yearly check"),
    AlarmClosed("b" * 32, "over"),
]


CONFIG = """
[gateway]
data_dir = "data"
[[listen]]
bind = "127.0.0.1:0"
[[centre]]
id = "c"
national_fallback = true
[[centre.route]]
kind = "webhook"
url = "https://127.0.0.1:9/"
secret_files = ["s"]
"""


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch):
    monkeypatch.setattr("gateway.commands.journal.time.sleep", lambda s: None)


async def write(folder, events, *, then=None):
    async with open_journal(folder, disk=RealDisk(), clock=SystemClock(), options=SMALL) as journal:
        await journal.append_nowait(events, SystemClock().now(), Urgency.A).wait()
        return then() if then else None


@pytest.fixture
def folder(tmp_path):
    trio.run(write, tmp_path / "data" / "journal", STORY)
    return tmp_path / "data" / "journal"


def gateway(capsys, *words):
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def damage(folder, offset=4_200):
    path = folder / "000000000001.seg"
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def test_ls_shows_the_files(folder, capsys):
    code, out, _ = gateway(capsys, "journal", "ls", folder)
    assert code == 0
    assert "sealed" in out
    assert "6 records in 1 segment" in out
    code, out, _ = gateway(capsys, "journal", "ls", folder, "--json")
    (segment,) = json.loads(out)["segments"]
    assert [segment[name] for name in ("file", "records", "first_seq", "last_seq", "state")] == ["000000000001.seg", 6, 1, 6, "sealed"]


def test_the_folder_may_come_from_the_configuration(folder, tmp_path, capsys):
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG)
    secret = tmp_path / "s"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    secret.chmod(0o600)
    assert gateway(capsys, "journal", "ls", "-c", config) == gateway(capsys, "journal", "ls", folder)
    assert gateway(capsys, "journal", "ls", folder.parent) == gateway(capsys, "journal", "ls", folder), "data_dir will do"


@pytest.mark.parametrize("word", ["journal", "audit"])
def test_no_journal_is_wrong_use_with_a_remedy(word, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for where in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        code, out, err = gateway(capsys, word, "verify", where)
        assert (code, out) == (2, "")
        assert str(where) in err
    assert "no journal is here; name its folder" in gateway(capsys, word, "verify", tmp_path)[2]


def test_verify_proves_a_good_journal(folder, capsys):
    code, out, _ = gateway(capsys, "journal", "verify", folder)
    assert code == 0
    assert "6 records up to number 6 in 1 segment; as they were written" in out
    facts = json.loads(gateway(capsys, "journal", "verify", folder, "--json")[1])
    assert facts["ok"]
    assert facts["head"] in out


def test_verify_says_what_is_damaged_and_where(folder, capsys):
    damage(folder)
    code, out, _ = gateway(capsys, "journal", "verify", folder)
    assert code == 1
    assert "damage: hole: segment 1, bytes " in out
    facts = json.loads(gateway(capsys, "journal", "verify", folder, "--json")[1])
    assert not facts["ok"]
    assert {"kind", "segment", "start", "end", "after_seq", "before_seq", "detail"} == set(facts["losses"][0])
    assert gateway(capsys, "journal", "ls", folder)[2] == "1 damage: gateway journal verify says where\n"


def test_dump_hides_where_she_is_until_it_is_asked_for(folder, capsys):
    code, out, _ = gateway(capsys, "journal", "dump", folder)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["type"] for line in lines] == [type(event).__name__ for event in STORY]
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5, 6]
    for private in ("510543210", "37212345", "001010000000001", b"\x78\x78raw".hex(), "garden"):
        assert private not in out
    assert lines[1]["fields"]["fix"] == "hidden"
    shown = gateway(capsys, "journal", "dump", folder, "--positions", "--json")[1]
    lines = [json.loads(line) for line in shown.splitlines()]
    assert lines[1]["fields"]["fix"]["lat_e7"] == 510_543_210
    assert lines[0]["fields"]["raw"] == b"\x78\x78raw".hex()


def test_dump_can_be_narrowed(folder, capsys):
    lines = gateway(capsys, "journal", "dump", folder, "--after", 2, "--alarm", "a" * 32)[1].splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [3, 4]


def test_dump_goes_on_after_damage(folder, capsys):
    damage(folder)
    code, out, err = gateway(capsys, "journal", "dump", folder)
    assert (code, len(out.splitlines())) == (0, 5)
    assert "gateway journal verify says where" in err


def test_odd_values_are_printed_as_json(tmp_path, capsys):
    odd = [CentreTold("a", "c", "note", note="\ud83d\x1b[2J\n"), PositionReported("a", Fix(1, 2, accuracy_m=float("nan")), 2**62, True, Trust.T1)]
    trio.run(write, tmp_path / "journal", odd)
    out = gateway(capsys, "journal", "dump", tmp_path / "journal", "--positions")[1]
    first, second = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    assert first["fields"]["note"] == "\ud83d\x1b[2J\n"
    assert "\x1b" not in out
    assert second["fields"]["fix"]["accuracy_m"] is None


def test_everything_works_while_the_server_runs(tmp_path, capsys):
    folder = tmp_path / "journal"

    def read():
        assert gateway(capsys, "journal", "verify", folder)[0] == 0
        assert gateway(capsys, "audit", "verify", folder)[0] == 0
        assert "open" in gateway(capsys, "journal", "ls", folder)[1]
        return len(gateway(capsys, "journal", "dump", folder)[1].splitlines())

    assert trio.run(lambda: write(folder, [some_event(number) for number in range(50)], then=read)) == 50


def test_a_write_that_is_under_way_is_no_damage(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "journal"

    def read():
        path = folder / "000000000001.seg"
        whole = path.read_bytes()
        end = len(whole.rstrip(b"\0"))
        path.write_bytes(whole[: end - 40].ljust(len(whole), b"\0"))
        monkeypatch.setattr("gateway.commands.journal.time.sleep", lambda s: path.write_bytes(whole))
        return gateway(capsys, "journal", "verify", folder)[0]

    assert trio.run(lambda: write(folder, STORY, then=read)) == 0


# ------------------------------------------------------------------------------------------------------- audit


def test_the_access_log_is_chained_as_the_document_says():
    """Vector of reliability 7.3."""
    chain = AuditChain()
    chain.add({"n": 1, "at": 1_774_000_000_000_000, "actor": "u:7", "act": "login"})
    assert chain.head.hex() == "8344ffee0391539ee20b00db614dacf2308a0ce56f7b03f911bd27b64f01aac8"
    chain.add({"act": "view_location", "actor": "u:7", "at": 1_774_000_001_000_000, "case": "c:42", "n": 2, "why": "alarm:9f"})
    assert chain.head.hex() == "9eda3369868a2fbc5bb43e67564118fab4405063a603fbd3bfdad64b7e9b55aa"


def test_audit_verify_prints_heads_that_it_knows_again(folder, capsys):
    code, out, _ = gateway(capsys, "audit", "verify", folder, "--json")
    first = json.loads(out)
    assert (code, first["ok"], first["views"]) == (0, True, 2)
    trio.run(write, folder, STORY)
    code, out, _ = gateway(capsys, "audit", "verify", folder, "--json", "--head", first["head"], "--head", first["audit_head"])
    assert (code, json.loads(out)["views"]) == (0, 4)
    assert "4 views" in gateway(capsys, "audit", "verify", folder)[1]


@pytest.mark.parametrize("removed", [0, 1])
def test_a_head_that_was_kept_elsewhere_finds_what_was_cut_off(folder, removed, capsys):
    trio.run(write, folder, STORY)
    facts = json.loads(gateway(capsys, "audit", "verify", folder, "--json")[1])
    (folder / "000000000002.seg").unlink()
    assert gateway(capsys, "audit", "verify", folder)[0] == 0, "the end of a journal can only be missed by somebody who knows it"
    head = (facts["head"], facts["audit_head"])[removed]
    code, out, _ = gateway(capsys, "audit", "verify", folder, "--head", head)
    assert code == 1
    assert f"the head {head} is not of this journal" in out


def test_a_changed_view_is_found(folder, capsys):
    path = folder / "000000000001.seg"
    path.write_bytes(path.read_bytes().replace(b"yearly check", b"routine work"))
    code, out, _ = gateway(capsys, "audit", "verify", folder)
    assert code == 1
    assert "damage: hole" in out


@pytest.mark.parametrize("head", ["", "1", "1:2:3", "x:1:" + "00" * 32, "1:2:3:" + "00" * 32, "-1:" + "00" * 32, "1:" + "0" * 63])
def test_a_head_that_is_none_is_wrong_use(folder, head, capsys):
    code, _, err = gateway(capsys, "audit", "verify", folder, f"--head={head}")
    assert code == 2
    assert "expected segment:bytes:chain" in err
