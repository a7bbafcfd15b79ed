"""The registry: what may be entered, what survives a crash, and what everybody sees."""

import dataclasses
import itertools
import json
from collections.abc import Callable, Mapping

import pytest

from gateway.errors import CommandError, RegistryError
from gateway.model import Device, Facts, Instant, Trust
from gateway.registry.changes import CHAIN_START, chain, read_lines
from gateway.registry.credentials import hash_secret, hash_token, new_token, verify_secret
from gateway.registry.index import Index, IndexDamaged
from gateway.registry.nouns import CASE_MOVES, NOUNS
from gateway.registry.registry import NotSynced, Registry, Wish
from gateway.registry.rules import Known

AT_US = 1_700_000_000_000_000
IMEI = "001010000000008"
TOKEN_HASH = "sha256:" + "0" * 64


class MemoryLog:
    """A change log in memory that can fail as a disk does."""

    path = "changes.jsonl"

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.torn: list[bytes] = []
        self.fail: Callable[[bytes], bytes] | None = None
        "Given what is to be appended, returns what reaches the file before the failure."
        self.failure: OSError = OSError(28, "No space left on device")
        self.syncs = 0

    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int) -> bytes:
        return self.data[offset:]

    def append(self, data: bytes) -> None:
        if self.fail:
            self.data += self.fail(data)
            raise self.failure
        self.data += data
        self.syncs += 1

    def cut(self, size: int) -> None:
        self.torn.append(self.data[size:])
        self.data = self.data[:size]


class PowerCut(BaseException):
    """The process is gone: nothing after this line runs."""


def opened(log: MemoryLog | None = None, index: Index | None = None, known: Known | None = None) -> Registry:
    return Registry(log or MemoryLog(), index or Index(":memory:"), known)


@pytest.fixture
def registry() -> Registry:
    return opened()


def put(registry: Registry, noun: str, key: str, **fields: object) -> Mapping[str, object]:
    return registry.put(noun, key, fields, "anna", AT_US)


def refusal(registry: Registry, noun: str, key: str, **fields: object) -> CommandError:
    before = registry.snapshot
    with pytest.raises(CommandError) as caught:
        put(registry, noun, key, **fields)
    assert registry.snapshot.rows == before.rows
    return caught.value


# --------------------------------------------------------------------------------------------- what is kept


def test_an_empty_registry_answers_every_question(registry: Registry) -> None:
    facts: Facts = registry
    assert (facts.device("x"), facts.device_named("x"), facts.case("x"), facts.unit("x")) == (None, None, None, None)
    assert not list(facts.units())
    assert not list(facts.devices())
    assert registry.get("device", "x") is None
    assert list(registry.list("case")) == []


def test_fields_become_the_nouns_of_the_model(registry: Registry) -> None:
    put(registry, "case", "GE-2026-0042", zone="5415", risk="high", instructions="Covert.", centre_refs={"cic-ovl": "A/1"})
    put(registry, "device", "dev-1", identifiers=[IMEI], protocol="gt06", model="PT-1", case_ref="GE-2026-0042", interval_s=60)
    put(registry, "device", "dev-1", trust_max="T3", app_key_hex="AB" * 32)
    put(registry, "unit", "G-21", capabilities=["dog"], status="busy")
    put(registry, "user", "kees", role="operator", secret_hash=TOKEN_HASH, centre_id="cic-ovl")
    device = registry.device("dev-1")
    assert device is not None
    assert (device.identifiers, device.case_ref, device.trust_max, device.app_key_hex) == ((IMEI,), "GE-2026-0042", Trust.T3, "ab" * 32)
    assert registry.device_named(IMEI) is device
    case = registry.case("GE-2026-0042")
    assert case is not None
    assert case.centre_refs == (("cic-ovl", "A/1"),)
    assert [unit.capabilities for unit in registry.units()] == [("dog",)]
    user = registry.user("kees")
    assert user is not None
    assert (user.role, user.active) == ("operator", True)


def test_fields_that_are_not_named_stay_and_null_sets_one_back(registry: Registry) -> None:
    put(registry, "device", "dev-1", protocol="gt06", model="PT-1", interval_s=60)
    entry = put(registry, "device", "dev-1", model=None, interval_s=90)
    assert (entry["protocol"], entry["model"], entry["interval_s"]) == ("gt06", None, 90)
    assert put(registry, "device", "dev-1", interval_s=None)["interval_s"] == 1800


def test_saying_the_same_again_writes_nothing() -> None:
    log = MemoryLog()
    registry = opened(log)
    put(registry, "unit", "G-21", zone="5415")
    size, version = log.size(), registry._index._db.total_changes
    (done,) = registry.apply([Wish("unit", "G-21", {"zone": "5415", "status": "available", "simulated": None})], "anna", AT_US + 1)
    assert done.action == "same"
    assert (log.size(), registry._index._db.total_changes) == (size, version)


def test_answers_have_stable_keys_and_no_secret(registry: Registry) -> None:
    secret = "ab" * 32
    put(registry, "device", "dev-1", app_key_hex=secret)
    put(registry, "user", "kees", role="auditor", password="correct horse battery")
    for noun in ("device", "user"):
        text = json.dumps(registry.list(noun))
        assert secret not in text
        assert "argon2" not in text
    put(registry, "device", "dev-2", identifiers=[IMEI], case_ref=None)
    keys = [list(entry) for entry in registry.list("device")]
    assert keys[0] == keys[1]
    entry = registry.get("device", "dev-1")
    assert entry is not None
    assert (entry["has_app_key"], entry["has_key"], entry["added_at"], entry["changed_by"]) == (True, False, "2023-11-14T22:13:20.000Z", "anna")


def test_what_is_answered_can_be_changed_without_harm(registry: Registry) -> None:
    put(registry, "device", "dev-1", identifiers=[IMEI])
    entry = registry.get("device", "dev-1")
    assert entry is not None
    names = entry["identifiers"]
    assert isinstance(names, list)
    names.append("other")
    assert registry.get("device", "dev-1") != entry


def test_a_snapshot_never_changes(registry: Registry) -> None:
    put(registry, "device", "dev-1", identifiers=[IMEI])
    before = registry.snapshot
    put(registry, "device", "dev-1", identifiers=["other"])
    registry.remove("device", "dev-1", "anna", AT_US)
    assert before.device_named(IMEI) is not None
    assert registry.device_named(IMEI) is None


def test_remove_says_whether_there_was_one(registry: Registry) -> None:
    put(registry, "unit", "G-21")
    assert registry.remove("unit", "G-21", "anna", AT_US) is True
    assert registry.remove("unit", "G-21", "anna", AT_US) is False
    assert registry.unit("G-21") is None


# ------------------------------------------------------------------------------------------ what is refused


BAD_IDS = ["", " ", "../etc", "a/b", "a\\b", ".hidden", "a..b", "a b", "x" * 65, "a\n", " a", "\x00", "é", "-x", "<img>", "\u202eabc"]


@pytest.mark.parametrize("key", BAD_IDS)
@pytest.mark.parametrize("noun", NOUNS)
def test_ids_are_never_parts_of_a_path(registry: Registry, noun: str, key: str) -> None:
    assert refusal(registry, noun, key).code == "wrong_use"


@pytest.mark.parametrize(
    ("noun", "fields", "words"),
    [
        ("device", {"protocl": "gt06"}, "protocl is no field of a device; did you mean protocol?"),
        ("device", {"zzz": 1}, "known: identifiers, protocol"),
        ("device", {"bound_at_us": 1}, "is set by the registry; leave it out"),
        ("device", {"identifiers": "one"}, "must be a list"),
        ("device", {"identifiers": [1]}, "must be a list of texts"),
        ("device", {"identifiers": ["x"]}, "2 to 64 plain characters"),
        ("device", {"identifiers": ["a b"]}, None),
        ("device", {"identifiers": ["+0475000001"]}, "write it as +32475000001"),
        ("device", {"identifiers": ["é-1"]}, "plain characters"),
        ("device", {"identifiers": ["x" * 65]}, "plain characters"),
        ("device", {"identifiers": ["x" * 100_000]}, "must be a list of texts"),
        ("device", {"identifiers": [f"id-{n}" for n in range(17)]}, "at most 16"),
        ("device", {"identifiers": ["abcd", "ABCD"]}, "stands twice"),
        ("device", {"state": "lost"}, "must be provisioned or active"),
        ("device", {"interval_s": 0}, "from 1 to 604800"),
        ("device", {"interval_s": True}, "whole number"),
        ("device", {"interval_s": "60"}, "whole number"),
        ("device", {"interval_s": 1.5}, "whole number"),
        ("device", {"trust_max": "T9"}, "must be T0 or T1"),
        ("device", {"trust_max": ["T1"]}, "must be T0 or T1"),
        ("device", {"app_key_hex": "00" * 31}, "hex of 32 to 64 bytes"),
        ("device", {"app_key_hex": "zz" * 32}, "hex of 32 to 64 bytes"),
        ("device", {"clock_offset_s": 90_000}, "-86400 to 86400"),
        ("device", {"simulated": 1}, "true or false"),
        ("device", {"model": "a\x1b[2J"}, "control character"),
        ("device", {"model": 3}, "must be text"),
        ("case", {"state": "active"}, "must be REQUESTED or"),
        ("case", {"risk": "low"}, "standard or high"),
        ("case", {"instructions": "x" * 2001}, "1 to 2000"),
        ("case", {"instructions": "\n\n"}, "1 to 2000"),
        ("case", {"instructions": "a\x07b"}, "control character"),
        ("case", {"centre_refs": ["a"]}, "must be a table"),
        ("case", {"centre_refs": {"a/b": "1"}}, "hold only"),
        ("unit", {"status": "free"}, "available or busy or off"),
        ("unit", {"capabilities": [["x"]]}, "must be text"),
        ("user", {"role": "god", "secret_hash": TOKEN_HASH}, "must be operator or"),
        ("user", {"role": "admin", "secret_hash": "plain"}, "argon2id hash"),
        ("user", {"role": "admin", "password": "short"}, "12 to 1024"),
        ("user", {"role": "admin", "password": "x-key-x-key-x"}, "easy to guess"),
        ("user", {"role": "admin", "password": "aaaaaaaaaaaaaa"}, "easy to guess"),
        ("user", {"role": "admin", "password": 12}, "must be text"),
        ("user", {"role": "admin"}, "neither password nor token"),
        ("user", {"secret_hash": TOKEN_HASH}, "has no role"),
    ],
)
def test_fields_are_validated(registry: Registry, noun: str, fields: dict[str, object], words: str | None) -> None:
    if words is None:
        put(registry, noun, "key-x", **fields)
        return
    error = refusal(registry, noun, "key-x", **fields)
    assert error.code == "wrong_use" or "twice" in words
    assert words in str(error)
    assert str(error).startswith(f"{noun} key-x: ")
    assert str(error).isprintable()


def test_every_wrong_field_is_named_at_once(registry: Registry) -> None:
    text = str(refusal(registry, "device", "dev-1", state="lost", interval_s=-1, zzz=1))
    assert all(name in text for name in ("state", "interval_s", "zzz"))


def test_a_noun_that_does_not_exist_is_said_so(registry: Registry) -> None:
    assert "known: device, case, unit, user" in str(refusal(registry, "car", "x"))
    with pytest.raises(CommandError):
        registry.list("cars")


def test_one_identifier_belongs_to_one_device(registry: Registry) -> None:
    put(registry, "device", "dev-1", identifiers=[IMEI, "+32475000001", "AbCd01"])
    for name in (IMEI, "0032 475 00 00 01", "aBcD01", "00-101000-000000-8"):
        error = refusal(registry, "device", "dev-2", identifiers=["fine-1", name])
        assert error.code == "conflict"
        assert "belongs to device dev-1" in str(error)
        assert IMEI not in str(error)
        assert "475000001" not in str(error)
    put(registry, "device", "dev-1", identifiers=["AbCd01"])
    put(registry, "device", "dev-2", identifiers=[IMEI])


def test_a_removed_device_frees_its_names(registry: Registry) -> None:
    put(registry, "device", "dev-1", identifiers=[IMEI])
    registry.remove("device", "dev-1", "anna", AT_US)
    put(registry, "device", "dev-2", identifiers=[IMEI])
    found = registry.device_named(IMEI)
    assert found is not None
    assert found.device_id == "dev-2"


@pytest.mark.parametrize("heard", ["13800000001", "013800000001", "00000000013800000001"])
@pytest.mark.parametrize("registered", ["13800000001", "013800000001", "00000000013800000001"])
def test_a_number_is_found_with_its_leading_zeros_and_without_them(registry: Registry, registered: str, heard: str) -> None:
    put(registry, "device", "dev-1", identifiers=[registered], protocol="jt808")
    found = registry.device_named(heard)
    assert found is not None and found.device_id == "dev-1"


def test_a_terminal_with_a_short_number_is_found_by_the_number_on_its_label(registry: Registry) -> None:
    put(registry, "device", "dev-1", identifiers=["000000012345"], protocol="jt808")
    put(registry, "device", "dev-2", identifiers=["000000054321"], protocol="sia-dc09")
    found = registry.device_named("12345")
    assert found is not None and found.device_id == "dev-1"
    assert registry.device_named("54321") is None


def test_a_wrong_check_digit_is_a_warning_once(registry: Registry) -> None:
    entry = put(registry, "device", "dev-1", identifiers=["001010000000009"])
    assert "its check digit is wrong" in str(entry["warnings"])
    assert put(registry, "device", "dev-1", interval_s=60)["warnings"] == []
    assert put(registry, "device", "dev-2", identifiers=[IMEI])["warnings"] == []


def test_references_lead_somewhere(registry: Registry) -> None:
    put(registry, "case", "GE-1")
    put(registry, "unit", "G-21")
    assert "there is no case GE-2; did you mean GE-1?" in str(refusal(registry, "device", "dev-1", case_ref="GE-2"))
    assert refusal(registry, "device", "dev-1", case_ref="GE-2").code == "unknown_case"
    assert "add it first: gateway unit add ZZZ" in str(refusal(registry, "device", "dev-1", unit_id="ZZZ"))
    assert "protects a case or is the tracker of a unit" in str(refusal(registry, "device", "dev-1", case_ref="GE-1", unit_id="G-21"))


@pytest.mark.parametrize(("noun", "key", "field"), [("case", "GE-1", "case_ref"), ("unit", "G-21", "unit_id")])
def test_what_a_device_leans_on_stays(registry: Registry, noun: str, key: str, field: str) -> None:
    put(registry, noun, key)
    put(registry, "device", "dev-1", **{field: key})
    with pytest.raises(CommandError, match="device dev-1 belongs to it; take it away first"):
        registry.remove(noun, key, "anna", AT_US)
    put(registry, "device", "dev-1", **{field: None})
    assert registry.remove(noun, key, "anna", AT_US)


def test_ids_differ_in_more_than_capitals(registry: Registry) -> None:
    put(registry, "case", "GE-1")
    assert "is there already as GE-1" in str(refusal(registry, "case", "ge-1"))
    registry.remove("case", "GE-1", "anna", AT_US)
    put(registry, "case", "ge-1")


@pytest.mark.parametrize(("state", "to"), list(itertools.product(CASE_MOVES, CASE_MOVES)))
def test_a_case_moves_as_the_table_says(registry: Registry, state: str, to: str) -> None:
    put(registry, "case", "GE-1", state=state, zone="1")
    if to == state or to in CASE_MOVES[state]:
        assert put(registry, "case", "GE-1", state=to)["state"] == to
    else:
        assert f"can't become {to}; " in str(refusal(registry, "case", "GE-1", state=to))


def test_a_case_with_every_field_at_its_default_moves_by_the_table_too(registry: Registry) -> None:
    put(registry, "case", "GE-1")
    assert "from ACTIVE it can become SUSPENDED or ENDED" in str(refusal(registry, "case", "GE-1", state="REQUESTED"))


def test_a_device_is_bound_from_the_moment_it_is_given_to_a_case(registry: Registry) -> None:
    put(registry, "case", "GE-1")
    put(registry, "case", "GE-2")

    def bound_at() -> int | None:
        device = registry.device("dev-1")
        assert device is not None
        return device.bound_at_us

    registry.put("device", "dev-1", {"case_ref": "GE-1"}, "anna", 100)
    assert bound_at() == 100
    registry.put("device", "dev-1", {"case_ref": "GE-1", "interval_s": 60}, "anna", 200)
    assert bound_at() == 100
    registry.put("device", "dev-1", {"case_ref": "GE-2"}, "anna", 300)
    assert bound_at() == 300
    registry.put("device", "dev-1", {"case_ref": None}, "anna", 400)
    assert bound_at() is None


def test_an_ended_case_takes_no_new_device_and_says_which_it_keeps(registry: Registry) -> None:
    put(registry, "case", "GE-1")
    put(registry, "device", "dev-1", case_ref="GE-1")
    assert "device dev-1 still belongs to it" in str(put(registry, "case", "GE-1", state="ENDED")["warnings"])
    put(registry, "device", "dev-1", interval_s=60)
    assert "has ended" in str(refusal(registry, "device", "dev-2", case_ref="GE-1"))


def test_high_risk_wants_to_be_heard_often(registry: Registry) -> None:
    put(registry, "case", "GE-1", risk="high")
    assert "at most 180 is advised" in str(put(registry, "device", "dev-1", case_ref="GE-1")["warnings"])
    assert "advised" not in str(put(registry, "device", "dev-1", interval_s=180)["warnings"])


def test_the_last_admin_stays(registry: Registry) -> None:
    put(registry, "user", "anna", role="admin", secret_hash=TOKEN_HASH)
    for fields in ({"role": "auditor"}, {"active": False}):
        assert "last active admin" in str(refusal(registry, "user", "anna", **fields))
    with pytest.raises(CommandError, match="last active admin"):
        registry.remove("user", "anna", "anna", AT_US)
    put(registry, "user", "bert", role="admin", secret_hash=TOKEN_HASH)
    assert registry.remove("user", "anna", "bert", AT_US)


def test_names_that_the_configuration_does_not_know_are_warnings() -> None:
    registry = opened(known=Known({"gt06": ()}, frozenset({"cic-ovl"})))
    assert "none of this version" in str(put(registry, "device", "dev-1", protocol="gt60")["warnings"])
    assert "no centre cic-x is configured" in str(put(registry, "case", "GE-1", centre_refs={"cic-x": "1", "cic-ovl": "2"})["warnings"])
    user = put(registry, "user", "kees", role="operator", secret_hash=TOKEN_HASH, centre_id="cic-x")
    assert "no centre cic-x is configured" in str(user["warnings"])
    assert put(registry, "user", "kees", centre_id="*")["warnings"] == []


@pytest.mark.parametrize(
    ("protocol", "config", "complaint"),
    [
        ("queclink", "no_sak", "did you mean no_sack?"),
        ("queclink", "no_sack,man_down=GTXYZ", None),
        ("queclink", "man_down", "did you mean man_down=…?"),
        ("gt06", "no_sack", "known: none"),
        ("taip", "event01=sos event120=idle", None),
        ("taip", "evnt01=sos", "known: event…=…"),
        (None, "no_sack", None),
        ("gt60", "no_sack", None),
    ],
)
def test_a_misspelt_word_of_the_config_is_a_warning(protocol: str | None, config: str, complaint: str | None) -> None:
    known = Known({"gt06": (), "queclink": ("no_sack", "man_down=…"), "taip": ("event…=…",)})
    warnings = [text for text in put(opened(known=known), "device", "dev-1", protocol=protocol, config=config)["warnings"] if "config word" in text]
    assert len(warnings) == (complaint is not None)
    assert complaint is None or complaint in warnings[0]


# ------------------------------------------------------------------------------------------------- together


def test_several_changes_count_all_or_not_at_all(registry: Registry) -> None:
    wishes = [Wish("case", "GE-1", {}), Wish("device", "dev-1", {"case_ref": "GE-1"}), Wish("device", "dev-2", {"case_ref": "GE-9"})]
    with pytest.raises(CommandError, match="GE-9"):
        registry.apply(wishes, "anna", AT_US)
    assert registry.snapshot.n == 0
    registry.apply(wishes[:2], "anna", AT_US)
    assert registry.device("dev-1") is not None


def test_many_changes_are_one_sync() -> None:
    log = MemoryLog()
    registry = opened(log)
    registry.apply([Wish("device", f"d{n}", {"identifiers": [f"id-{n}"]}) for n in range(500)], "anna", AT_US)
    assert log.syncs == 1
    assert len(list(registry.devices())) == 500


def test_new_and_old_are_told_apart(registry: Registry) -> None:
    registry.apply([Wish("unit", "G-21", {}, "new")], "anna", AT_US)
    with pytest.raises(CommandError, match="is there already"):
        registry.apply([Wish("unit", "G-21", {}, "new")], "anna", AT_US)
    with pytest.raises(CommandError, match="is not there") as caught:
        registry.apply([Wish("unit", "G-22", {}, "old")], "anna", AT_US)
    assert caught.value.code == "unknown_unit"


# -------------------------------------------------------------------------------------------- log and crash


def test_the_chain_is_the_published_one() -> None:
    first = b'{"act":"login","actor":"u:7","at":1774000000000000,"n":1}'
    second = b'{"act":"view_location","actor":"u:7","at":1774000001000000,"case":"c:42","n":2,"why":"alarm:9f"}'
    head = chain(CHAIN_START, first)
    assert head.hex() == "8344ffee0391539ee20b00db614dacf2308a0ce56f7b03f911bd27b64f01aac8"
    assert chain(head, second).hex() == "9eda3369868a2fbc5bb43e67564118fab4405063a603fbd3bfdad64b7e9b55aa"


def test_the_log_is_json_lines_that_others_can_prove() -> None:
    log = story()
    head = bytes(32)
    for number, line in enumerate(log.data.splitlines(), 1):
        record = json.loads(line)
        stored = record.pop("hash")
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        head = chain(head, text)
        assert (record["n"], stored) == (number, head.hex())


def story() -> MemoryLog:
    """A log with changes of every kind."""
    log = MemoryLog()
    registry = opened(log)
    put(registry, "case", "GE-1", zone="5415", instructions="Één regel\nen nog één")
    put(registry, "device", "dev-1", identifiers=[IMEI], case_ref="GE-1")
    registry.apply([Wish("device", f"d{n}", {"identifiers": [f"id-{n}"]}) for n in range(3)], "bert", AT_US + 5)
    put(registry, "device", "dev-1", interval_s=60, case_ref=None)
    registry.remove("device", "d1", "anna", AT_US + 6)
    put(registry, "device", "d1", identifiers=["id-1"])
    put(registry, "user", "kees", role="admin", secret_hash=TOKEN_HASH)
    return log


def state(registry: Registry) -> object:
    return (registry.snapshot.n, registry.snapshot.rows, registry.snapshot.names, registry._index.rows(), registry._index.position().head)


def test_a_lost_index_is_made_again_from_the_log() -> None:
    log, index = MemoryLog(story().data), Index(":memory:")
    kept = opened(log, index)
    assert state(opened(log)) == state(kept)
    before = state(kept)
    assert kept.rebuild().damage == ()
    assert state(kept) == before


def test_a_crash_between_log_and_commit_loses_nothing() -> None:
    log, index = MemoryLog(), Index(":memory:")
    registry = opened(log, index)
    put(registry, "unit", "G-1")
    put_rows = index.put

    def power_cut(*_: object) -> None:
        raise PowerCut

    index.put = power_cut  # type: ignore[method-assign]
    with pytest.raises(PowerCut):
        put(registry, "unit", "G-2")
    index.put = put_rows  # type: ignore[method-assign]
    assert registry.unit("G-2") is None
    assert Registry(log, index).unit("G-2") is not None
    put(registry, "unit", "G-3")
    assert registry.unit("G-2") is not None
    assert registry.verify().damage == ()


@pytest.mark.parametrize("is_group", [False, True])
def test_a_torn_last_write_is_cut_at_every_byte(is_group: bool) -> None:
    log, index = MemoryLog(), Index(":memory:")
    registry = opened(log, index)
    put(registry, "unit", "G-1")
    whole = log.data
    wishes = [Wish("unit", f"G-{n}", {}) for n in range(2, 5 if is_group else 3)]
    registry.apply(wishes, "anna", AT_US)
    last = log.data[len(whole) :]
    for length in range(len(last)):
        torn = MemoryLog(whole + last[:length])
        after = opened(torn)
        assert [unit.unit_id for unit in after.units()] == ["G-1"]
        assert (torn.data, after.damage) == (whole, None)
        put(after, "unit", "G-9")
        assert after.verify().damage == ()


@pytest.mark.parametrize("hole", [b"\0" * 40, b"\n" * 40, b'{"n":2}\n' * 5])
def test_a_torn_group_with_a_hole_in_it_is_cut_whole(hole: bytes) -> None:
    log = MemoryLog()
    registry = opened(log)
    put(registry, "unit", "G-1")
    size = log.size()
    registry.apply([Wish("unit", f"G-{n}", {}) for n in range(2, 8)], "anna", AT_US)
    for at in range(size, log.size() - len(hole), 97):
        torn = MemoryLog(log.data[:at] + hole + log.data[at + len(hole) :])
        after = opened(torn)
        assert ([unit.unit_id for unit in after.units()], after.damage) == (["G-1"], None)


def test_a_full_disk_refuses_the_change_and_nothing_else() -> None:
    log = MemoryLog()
    registry = opened(log)
    put(registry, "unit", "G-1")
    whole = log.data
    log.fail = lambda data: data[:20]
    with pytest.raises(RegistryError, match="No space left"):
        put(registry, "unit", "G-2")
    assert (registry.unit("G-2"), log.data) == (None, whole)
    log.fail = None
    put(registry, "unit", "G-2")
    assert opened(MemoryLog(log.data)).unit("G-2") is not None


def test_after_a_failed_sync_nothing_more_is_written() -> None:
    log = MemoryLog()
    registry = opened(log)
    put(registry, "unit", "G-1")
    log.fail, log.failure = (lambda data: data), NotSynced(5, "Input/output error")
    with pytest.raises(RegistryError, match="see to the disk and restart"):
        put(registry, "unit", "G-2")
    log.fail = None
    with pytest.raises(RegistryError, match="nothing can be changed"):
        put(registry, "unit", "G-3")
    assert registry.unit("G-1") is not None


# ---------------------------------------------------------------------------------------------------- damage


def test_every_flipped_bit_is_noticed_and_spoils_one_line_alone() -> None:
    log = story()
    lines = log.data.splitlines(keepends=True)
    changes = [line.change for line in read_lines(log.data, 0, 0, CHAIN_START)]
    offset = 0
    for number, line in enumerate(lines[:-1]):
        for at in range(0, len(line) - 1, 7):
            flipped = bytearray(log.data)
            flipped[offset + at] ^= 1 << (at % 8)
            found = list(read_lines(bytes(flipped), 0, 0, CHAIN_START))
            assert any(one.wrong for one in found)
            if flipped.count(b"\n") == len(lines):
                believed = [one.change for one in found if one.change]
                others = [change for position, change in enumerate(changes) if position != number]
                assert [change for change in others if change not in believed] in ([], [changes[number + 1]])
                assert changes[number] not in believed or at >= len(line) - 80
        offset += len(line)


def damaged() -> MemoryLog:
    log = story()
    lines = log.data.splitlines(keepends=True)
    lines[1] = lines[1].replace(b"GE-1", b"GE-7")
    return MemoryLog(b"".join(lines))


def test_a_damaged_log_still_answers_with_what_can_be_read_and_takes_no_change() -> None:
    log = damaged()
    registry = opened(log)
    assert registry.damage is not None
    assert "its hash does not fit" in registry.damage
    assert registry.device_named("id-2") is not None
    assert registry.user("kees") is not None
    with pytest.raises(RegistryError, match="restore the log from a backup"):
        put(registry, "unit", "G-1")
    assert log.torn == []


def test_rebuild_passes_over_damage_only_when_forced() -> None:
    log = damaged()
    registry = opened(log)
    with pytest.raises(RegistryError, match="--force"):
        registry.rebuild()
    proof = registry.rebuild(force=True)
    assert len(proof.damage) == 1
    put(registry, "unit", "G-1")
    again = opened(MemoryLog(log.data))
    assert again.unit("G-1") is not None
    assert len(again.verify().damage) == 1
    assert registry.unit("G-1") is not None


@pytest.mark.parametrize("tail", [b"", b'{"n":', b"\0\0\n", b'{"n":9}\n{', b'{"n":9,"hash":"%b"}\n' % (b"0" * 64)])
def test_what_is_entered_after_a_forced_rebuild_is_found_again(tail: bytes) -> None:
    log = MemoryLog(damaged().data + tail)
    registry = opened(log)
    registry.rebuild(force=True)
    for number in range(3):
        put(registry, "unit", f"G-{number}")
    again = opened(MemoryLog(log.data))
    assert again.damage is not None
    assert {unit.unit_id for unit in again.units()} == {"G-0", "G-1", "G-2"}
    again.rebuild(force=True)
    assert again.snapshot.rows == registry.snapshot.rows
    assert again.snapshot.n == registry.snapshot.n


def test_a_lost_end_of_the_log_is_said_and_nothing_is_written_over_it() -> None:
    log, index = MemoryLog(story().data), Index(":memory:")
    opened(log, index)
    log.data = log.data[: log.data.rindex(b"\n", 0, -1) + 1]
    registry = Registry(log, index)
    assert "its end is lost" in str(registry.damage)
    assert registry.user("kees") is not None
    with pytest.raises(RegistryError, match="its end is lost"):
        put(registry, "unit", "G-1")
    assert registry.verify().damage
    registry.rebuild(force=True)
    assert registry.user("kees") is None
    put(registry, "unit", "G-1")
    assert registry.verify().damage == ()


def test_a_log_that_was_swapped_for_another_is_noticed() -> None:
    log, index = MemoryLog(story().data), Index(":memory:")
    opened(log, index)
    other = MemoryLog()
    registry = opened(other)
    while other.size() < log.size():
        put(registry, "unit", f"G-{other.size()}")
    log.data = other.data
    assert Registry(log, index).verify().damage


def test_a_tier_that_only_a_newer_version_knows_is_worth_no_more_than_a_claim() -> None:
    device = NOUNS["device"].build("dev-1", {"trust_max": "T7"})
    assert isinstance(device, Device)
    assert device.trust_max is Trust.T1


@pytest.mark.parametrize("action", ["fly", "set"])
def test_what_a_newer_version_wrote_is_kept_and_not_in_the_way(action: str) -> None:
    log = MemoryLog()
    registry = opened(log)
    put(registry, "device", "dev-1", identifiers=[IMEI])
    from gateway.registry.changes import Change, write_line

    change = Change(2, AT_US, "new", "device", "dev-1", action, {"colour": "blue"})
    line, head = write_line(change, registry._index.position().head)
    more, _ = write_line(Change(3, AT_US, "new", "boat", "b-1", "add", {"sail": 1}), head)
    log.data += line + more
    put(registry, "device", "dev-1", interval_s=60)
    device = registry.device_named(IMEI)
    assert device is not None
    assert device.interval_s == 60
    rows = {(row.noun, row.id): row.values for row in registry._index.rows()}
    assert rows["device", "dev-1"] == {"identifiers": [IMEI], "colour": "blue", "interval_s": 60}
    assert rows["boat", "b-1"] == {"sail": 1}


# ---------------------------------------------------------------------------------------------------- secrets


def test_passwords_and_tokens_are_verified_and_never_raise() -> None:
    kept = hash_secret("correct horse battery", salt=bytes(16))
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert verify_secret(kept, "correct horse battery")
    assert not verify_secret(kept, "correct horse batterx")
    shown, token_hash = new_token("kees", bytes(range(32)))
    assert shown == f"kees:{bytes(range(32)).hex()}"
    assert verify_secret(token_hash, shown.partition(":")[2])
    assert hash_token(shown.partition(":")[2]) == token_hash
    for broken in ("", "plain", "$argon2id$", "sha256:", "\ud800"):
        assert not verify_secret(broken, "x")
    assert not verify_secret(token_hash, "\ud800")
    assert not verify_secret(kept, "\ud800")


def test_the_setup_token_exists_only_until_somebody_can_log_in(registry: Registry) -> None:
    token = registry.mint_setup_token(Instant(AT_US, 5_000_000), bytes(range(32)))
    assert token is not None
    assert token.until_mono_us == 905_000_000
    assert token.token not in repr(token)
    put(registry, "user", "anna", role="admin", secret_hash=TOKEN_HASH, active=False)
    assert registry.mint_setup_token(Instant(AT_US, 5), bytes(32)) is not None
    put(registry, "user", "anna", active=True)
    assert registry.mint_setup_token(Instant(AT_US, 5), bytes(32)) is None


# -------------------------------------------------------------------------------------------- the tables fit


@pytest.mark.parametrize("noun", NOUNS.values(), ids=lambda noun: noun.name)
def test_every_field_of_the_model_can_be_entered(noun: object) -> None:
    from gateway.registry.nouns import Noun

    assert isinstance(noun, Noun)
    values: dict[str, object] = {"role": "admin", "secret_hash": TOKEN_HASH} if noun.name == "user" else {}
    built = noun.build("key", values)
    assert dataclasses.is_dataclass(built)
    assert [field.name for field in noun.fields if field.name not in {f.name for f in dataclasses.fields(built)}] == []
    assert {field.name for field in dataclasses.fields(built)} - {field.name for field in noun.fields} == {noun.key}
    for field in dataclasses.fields(built):
        if field.default is not dataclasses.MISSING:
            assert getattr(built, field.name) == field.default, f"{noun.name}.{field.name}: two defaults"


def test_a_damaged_index_is_said_so(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "registry.sqlite"
    path.write_bytes(b"this is no database, however long it may be" * 100)
    with pytest.raises(IndexDamaged, match="gateway registry rebuild"):
        Index(str(path))
