"""Vector files (``rescue-vectors/1``) as the tests use them, one sheet a row of the table.

Beside the format's own keys a case of ours may say ``prints``: the exact object that ``gateway decode`` gives for its last
frame. Settings of the device (``model``, ``config``, ``clock_offset_s``) stand beside ``frames``.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.decode import settings_of
from gateway.protocols import PROTOCOLS, Row, open_session, row
from gateway.protocols.base import DeviceSettings, Session

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NOW_US = 1_773_061_391_000_000
"2026-03-09 13:03:11 UTC: the moment at which every vector is read."

SAME = {
    "sos": {"sos_button", "sos_app", "sos_sms"},
    "low_battery": {"battery_low", "battery_critical"},
    "low_power": {"power_low", "battery_low"},
    "removed": {"strap_cut"},
    "tamper": {"tamper_case"},
}
"Vocabulary of the vectors -> kinds of the contract that count as the same."
NO_ALARM = {
    "login", "heartbeat", "position", "cancel_claim", "device_ack", "config_reply", "test_press", "test_auto", "restored", "pre_alarm",
    "timer_started", "timer_cancelled",
}  # fmt: skip
REASONS = {"syntax": "framing", "truncated": "length"}
"Words of the format for a refusal -> our reasons."
WHERE = {
    "lat": ("fix", "lat"),
    "lon": ("fix", "lon"),
    "valid": ("fix", "valid"),
    "speed_kmh": ("fix", "speed_kmh"),
    "course": ("fix", "course_deg"),
    "altitude": ("fix", "altitude_m"),
    "satellites": ("fix", "satellites"),
    "accuracy_m": ("fix", "accuracy_m"),
    "battery": ("battery_percent",),
    "battery_v": ("battery_v",),
    "power_v": ("power_v",),
    "charging": ("charging",),
    "device": ("device",),
}
TOLERANCE = {"lat": 1.1e-7, "lon": 1.1e-7}


@dataclass(frozen=True)
class Case:
    """One case of a sheet: frames in order on one connection, and what the last one must come to."""

    name: str
    protocol: str
    transport: str
    peer: str | None
    settings: DeviceSettings
    frames: tuple[bytes, ...]
    checked: bool
    "The last frame carries a checksum, and the right one."
    optional: bool
    expect: dict[str, Any]
    prints: dict[str, Any] | None
    replies: tuple[bytes, ...] | None

    def connect(self, reference: bool) -> Session:
        """A session to which nothing has been said."""
        return open_session(self.protocol, self.transport, self.settings, self.peer, reference)

    def before_last(self, reference: bool) -> Session:
        """A session that has read all frames but the last."""
        session = self.connect(reference)
        for frame in self.frames[:-1]:
            session.read(frame, NOW_US)
        return session


@dataclass(frozen=True)
class Stream:
    """Chunks as a socket gave them, and the frames that they hold."""

    name: str
    protocol: str
    chunks: tuple[bytes, ...]
    frames: tuple[bytes, ...]
    skipped_bytes: int | None


def shared() -> Path | None:
    """The folder of documents and vectors beside the project, where there is one."""
    folder = Path(os.environ.get("GATEWAY_SHARED") or ROOT.parent / "shared")
    return folder if folder.is_dir() else None


def sheet_files() -> dict[str, Path]:
    """Our own sheet of every row."""
    return {entry.name: HERE / f"{entry.name}.json" for entry in PROTOCOLS}


def cases_of(path: Path) -> Iterator[Case]:
    """Every case of a sheet."""
    sheet = json.loads(path.read_text())
    known = {field.name for field in fields(DeviceSettings)}
    for case in sheet["cases"]:
        last = case["frames"][-1]
        yield Case(
            name=case["id"],
            protocol=sheet["protocol"],
            transport={"tetra-sds": "sds"}.get(last["transport"], last["transport"]),
            peer=last.get("sender") or last.get("issi"),
            settings=settings_of(json.dumps({key: value for key, value in case.items() if key in known})),
            frames=tuple(bytes.fromhex(frame["hex"]) for frame in case["frames"]),
            checked=last.get("checksum_ok", False),
            optional=case.get("optional", False),
            expect=case["expect"],
            prints=case.get("prints"),
            replies=None if case.get("reply") is None else tuple(bytes.fromhex(reply) for reply in case["reply"]),
        )


def streams_of(path: Path) -> Iterator[Stream]:
    """Every stream of a sheet."""
    sheet = json.loads(path.read_text())
    for entry in sheet.get("framing", []):
        chunks, frames = (tuple(bytes.fromhex(text) for text in entry[key]) for key in ("chunks", "frames"))
        yield Stream(entry["id"], sheet["protocol"], chunks, frames, entry.get("skipped_bytes"))


OWN_CASES = [case for path in sheet_files().values() if path.exists() for case in cases_of(path)]
OWN_STREAMS = [stream for path in sheet_files().values() if path.exists() for stream in streams_of(path)]


def decoders(protocol: str) -> list[bool]:
    """The values of ``reference`` to try: the plain decoder, and the compiled one where there is a twin."""
    return [True, False] if row(protocol).fast else [True]


def has_twin(entry: Row) -> bool:
    """A row with a compiled twin."""
    return entry.fast is not None


def each_case(cases: list[Case]) -> pytest.MarkDecorator:
    """Parametrize over cases and decoders."""
    entries = [(case, reference) for case in cases for reference in decoders(case.protocol)]
    names = [f"{case.protocol}-{case.name}-{label(reference)}" for case, reference in entries]
    return pytest.mark.parametrize(("case", "reference"), entries, ids=names)


def each_sheet(cases: list[Case]) -> pytest.MarkDecorator:
    """Parametrize over protocols and decoders: for tests that are quick a case and many."""
    names = list(dict.fromkeys(case.protocol for case in cases))
    entries = [([case for case in cases if case.protocol == name], reference) for name in names for reference in decoders(name)]
    labels = [f"{mine[0].protocol}-{label(reference)}" for mine, reference in entries]
    return pytest.mark.parametrize(("cases", "reference"), entries, ids=labels)


def label(reference: bool) -> str:
    """How a decoder is called in a test's name."""
    return "reference" if reference else "compiled"


def pick(told: dict[str, Any], path: tuple[str, ...]) -> Any:
    """The value at a path of keys; None when a key is missing."""
    value: Any = told
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def differences(expect: dict[str, Any], told: dict[str, Any]) -> list[str]:
    """Everything that a case states and the printed object does not say the same."""
    if expect.get("reject"):
        reason = REASONS.get(expect["reject"], expect["reject"])
        wrong = [] if told.get("reject") == reason else [f"reject {told.get('reject')}, expected {reason}"]
        if expect.get("unverified"):
            wrong += alarms_wrong(expect["unverified"], told.get("unverified", {}).get("kinds", []))
        return wrong
    if "reject" in told:
        return [f"refused: {told['reject']} {told['detail']}"]
    wrong = []
    for name, path in WHERE.items():
        if expect.get(name) is not None:
            value = pick(told, path)
            same = value is not None and (
                abs(value - expect[name]) <= TOLERANCE.get(name, 1e-9) if isinstance(value, int | float) else value == expect[name]
            )
            if not same and not (name == "valid" and expect[name] is False and value is None):
                wrong.append(f"{name} {value}, expected {expect[name]}")
    if expect.get("time") and instant(expect["time"]) not in {instant(pick(told, ("fix", "at"))), instant(told.get("event_at"))}:
        wrong.append(f"time {told.get('event_at')}, expected {expect['time']}")
    records, mine = expect.get("records") or [], told.get("records", [])
    alarms = [name for record in [expect, *records] for name in record.get("alarm") or []]
    wrong += alarms_wrong(alarms, told.get("kinds", []))
    if len(records) > 1:
        if len(records) != len(mine):
            return [*wrong, f"{len(mine)} records, expected {len(records)}"]
        for number, (one, other) in enumerate(zip(records, mine, strict=True)):
            wrong += [f"record {number}: {text}" for text in differences({**one, "device": None}, other)]
    return wrong


def alarms_wrong(expected: list[str], kinds: list[str]) -> list[str]:
    """Alarms that are missing, and alarms that nobody expected."""
    wrong = [f"alarm {name} is missing from {kinds}" for name in expected if not set(kinds) & SAME.get(name, {name})]
    allowed: set[str] = NO_ALARM.union(*(SAME.get(name, {name}) for name in expected))
    return wrong + [f"alarm {kind} is not in the frame" for kind in kinds if kind not in allowed]


def instant(stamp: str | None) -> str | None:
    """A time without trailing zeros of its fraction."""
    if stamp is None:
        return None
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return f"{whole}.{fraction.rstrip('0')}".rstrip(".")
