"""``gateway alarm list|show|explain|ack|close``: alarms, read from the journal or told to the running server."""

import argparse
import json
import os
import pwd
import sys
from pathlib import Path

from gateway.alarms import AlarmOptions, Alarms
from gateway.api.messages import time_text
from gateway.commands.control import ask
from gateway.config import load_config
from gateway.errors import CommandError
from gateway.model import OUTCOMES, Alarm, Instant, kind_names
from gateway.shell.stories import JournalStory, entries_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    for act, purpose in (
        ("list", "every alarm, newest first"),
        ("show", "one alarm as it is now"),
        ("explain", "the whole story of one alarm, each record with its time"),
        ("ack", "take an alarm"),
        ("close", "resolve an alarm with an outcome"),
    ):
        sub = acts.add_parser(act, help=purpose, description=purpose)
        if act != "list":
            sub.add_argument("alarm_id", help="the alarm, or the beginning of its id")
        sub.add_argument("-c", "--config-file", metavar="FILE", default="gateway.toml", help="the configuration (default: gateway.toml)")
        sub.add_argument("--json", action="store_true", help="print JSON")
        if act == "list":
            sub.add_argument("--open", action="store_true", help="only alarms that have not ended")
        if act == "explain":
            sub.add_argument("--positions", action="store_true", help="spell out coordinates (looking at them is recorded by you)")
        if act == "close":
            sub.add_argument("--outcome", required=True, choices=OUTCOMES, help="how it ended")
        if act in ("ack", "close"):
            sub.add_argument("--note", help="stands in the record")


def run(options: argparse.Namespace) -> int:
    data_dir = Path(load_config(options.config_file).gateway.data_dir)
    match options.act:
        case "list":
            return _list(data_dir, options)
        case "show":
            return _show(data_dir, options)
        case "explain":
            return _explain(data_dir, options)
    return _tell_server(data_dir, options)


def _alarms(data_dir: Path) -> list[Alarm]:
    """Every alarm in the journal, by the same fold that the server uses."""
    fold = Alarms(AlarmOptions())
    for entry in entries_of(data_dir / "journal"):
        fold.apply(entry.event, Instant(entry.at_us, entry.at_us))  # type: ignore[arg-type]
    return fold.all()


def _find(data_dir: Path, beginning: str) -> Alarm:
    found = [alarm for alarm in _alarms(data_dir) if alarm.alarm_id.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(f"no alarm {beginning} in {data_dir}; `gateway alarm list` shows the known ones", code="unknown_alarm")
    raise CommandError(f"{len(found)} alarms begin with {beginning}; give more of the id", code="unknown_alarm")


def as_json(alarm: Alarm) -> dict[str, object]:
    """One alarm without coordinates: stable keys for scripts."""
    return {
        "alarm_id": alarm.alarm_id,
        "state": alarm.state.value,
        "kinds": kind_names(alarm.kinds),
        "received_at": time_text(alarm.received_at_us),
        "case": alarm.case_ref,
        "device": alarm.device_id,
        "protocol": alarm.protocol,
        "transport": alarm.transport,
        "centre": alarm.decision.area.centre_id if alarm.decision else None,
        "taken_by": alarm.taken_by,
        "repeat_count": alarm.repeat_count,
        "escalation": alarm.escalation,
        "test": alarm.test,
        "simulated": alarm.simulated,
        "doubts": list(alarm.doubts),
        "outcome": alarm.outcome,
    }


def _list(data_dir: Path, options: argparse.Namespace) -> int:
    alarms = [alarm for alarm in reversed(_alarms(data_dir)) if alarm.is_open or not options.open]
    if options.json:
        print(json.dumps([as_json(alarm) for alarm in alarms], indent=2))
        return 0
    for alarm in alarms:
        mark = "SIM " if alarm.simulated else "TEST" if alarm.test else "    "
        print(
            f"{alarm.alarm_id[:12]} {time_text(alarm.received_at_us)[:19]}Z {mark} {alarm.state.value:<10} "
            f"{(alarm.case_ref or '-')[:14]:<14} {(alarm.taken_by or '-')[:12]}"
        )
    if not alarms:
        print("no alarms", file=sys.stderr)
    return 0


def _show(data_dir: Path, options: argparse.Namespace) -> int:
    fields = as_json(_find(data_dir, options.alarm_id))
    if options.json:
        print(json.dumps(fields, indent=2))
    else:
        for name, value in fields.items():
            print(f"{name:14} {', '.join(map(str, value)) if isinstance(value, list) else '-' if value is None else value}")
    return 0


def _explain(data_dir: Path, options: argparse.Namespace) -> int:
    alarm = _find(data_dir, options.alarm_id)
    lines = JournalStory(data_dir / "journal").lines(alarm.alarm_id, with_positions=options.positions)
    if options.json:
        told = [{"seq": one.seq, "at": time_text(one.at_us), "since_ms": one.since_ms, "what": one.what, "text": one.text} for one in lines]
        print(json.dumps(told, indent=2))
        return 0
    print(f"Alarm {alarm.alarm_id}, {alarm.state.value}")
    for line in lines:
        print(f"{time_text(line.at_us)[11:23]} {_since(line.since_ms):>10}  {line.text}")
    return 0


def _since(since_ms: float) -> str:
    return f"+{since_ms:.1f} ms" if since_ms < 10_000 else f"+{since_ms / 1000:.1f} s"


def _tell_server(data_dir: Path, options: argparse.Namespace) -> int:
    """Taking and closing are acts of a person: the record says who, by the name of the local user."""
    alarm = _find(data_dir, options.alarm_id)
    person = pwd.getpwuid(os.getuid()).pw_name
    body: dict[str, object] = {"level": "accepted" if options.act == "ack" else "closed", "operator": person, "note": options.note}
    if options.act == "close":
        body["outcome"] = options.outcome
    status, answer = ask(data_dir, "POST", f"/api/v1/alarms/{alarm.alarm_id}/ack", {key: value for key, value in body.items() if value is not None})
    if options.json:
        print(json.dumps(answer))
    if 200 <= status < 300:
        return 0
    error = answer.get("error", {}) if isinstance(answer, dict) else {}
    text = f"{error.get('message', f'the server answered {status}')} {error.get('do', '')}".strip()
    raise CommandError(text, code=str(error.get("code", "refused")))
