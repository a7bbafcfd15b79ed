"""``gateway journal ls|verify|dump``: read and prove the record without the server, and while it runs."""

import argparse
import json
import math
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.commands.tables import table
from gateway.errors import CommandError
from gateway.journal.bodies import without_private
from gateway.journal.disk import JOURNAL_FOLDER
from gateway.journal.record import Plain, Record, unpack_body
from gateway.journal.recovery import SEGMENT_NAME, Loss, Recovery, Segment, read_records, recover, stretches_after
from gateway.shell.real_disk import RealDisk

LOOK_AGAIN_S = 0.2
"A running server may be in the middle of a write: what is damage now must still be damage then."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    texts = {
        "ls": "the journal's files: records, numbers, sizes",
        "verify": "prove every checksum and the whole chain; exit 1 when anything is not as it was written",
        "dump": "every record as a JSON line; positions, raw frames and device numbers only when asked for",
    }
    for action, text in texts.items():
        sub = actions.add_parser(action, help=text, description=text)
        add_source(sub)
        if action == "dump":
            sub.add_argument("--positions", action="store_true", help="with positions, raw frames, texts and device numbers")
            sub.add_argument("--after", metavar="SEQ", type=int, default=0, help="only records after this number")
            sub.add_argument("--alarm", metavar="ID", help="only records of this alarm")


def add_source(parser: argparse.ArgumentParser) -> None:
    """Which journal: a folder, or that of a configuration."""
    parser.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, help="the journal's folder (default: that of the configuration)")
    parser.add_argument("-c", "--config-file", metavar="FILE", default="gateway.toml", help="the configuration (gateway.toml)")
    parser.add_argument("--json", action="store_true", help="JSON instead of text")


def run(options: argparse.Namespace) -> int:
    disk = disk_of(options)
    if options.action == "dump":
        return dump(disk, options)
    recovery = settled(disk, thorough=options.action == "verify")
    if options.action == "ls":
        show_files(recovery, options.json)
        return 0
    show_proof(recovery, options.json)
    return 1 if recovery.losses else 0


def disk_of(options: argparse.Namespace) -> RealDisk:
    """The journal's folder, for reading. Raises ``CommandError`` when there is no journal."""
    folder = options.folder or _configured(options.config_file)
    for candidate in (folder, folder / JOURNAL_FOLDER):
        try:
            if any(SEGMENT_NAME.fullmatch(path.name) for path in candidate.iterdir()):
                return RealDisk(candidate)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise CommandError(f"{candidate}: {error.strerror}; run this as the user that runs the server") from error
    raise CommandError(f"{folder}: no journal is here; name its folder (data_dir/{JOURNAL_FOLDER}) or the configuration with -c FILE")


def _configured(config_file: str) -> Path:
    # Imported here: a journal can be read with a folder's name alone, whatever has become of the rest.
    from gateway.config import load_config

    return Path(load_config(config_file).gateway.data_dir) / JOURNAL_FOLDER


def settled(disk: RealDisk, *, thorough: bool) -> Recovery:
    """The journal as it stands, without what was only a write of the running server that we looked into."""
    recovery = recover(disk, thorough=thorough)
    if not recovery.losses:
        return recovery
    before = {(loss.kind, loss.segment, loss.start) for loss in recovery.losses}
    time.sleep(LOOK_AGAIN_S)
    recovery = recover(disk, thorough=thorough)
    lasting = tuple(loss for loss in recovery.losses if (loss.kind, loss.segment, loss.start) in before)
    return recovery.with_losses(lasting)


# -------------------------------------------------------------------------------------------------------- ls


def show_files(recovery: Recovery, as_json: bool) -> None:
    rows = [_row(segment) for segment in recovery.segments]
    if as_json:
        print(json.dumps({"segments": rows, "records": recovery.records, "last_seq": recovery.last_seq, "losses": len(recovery.losses)}, indent=2))
        return
    shown = ("segment", "records", "first_seq", "last_seq", "bytes", "created_at", "version", "state")
    print(table(shown, [[row.get(name) for name in shown] for row in rows]))
    print(f"{_many(recovery.records, 'record')} in {_many(len(rows), 'segment')}")
    if recovery.losses:
        print(f"{_many(len(recovery.losses), 'damage')}: gateway journal verify says where", file=sys.stderr)


def _row(segment: Segment) -> dict[str, object]:
    row: dict[str, object] = {"segment": segment.number, "file": segment.name, "records": segment.records, "bytes": segment.bytes}
    if segment.records:
        row |= {"first_seq": segment.first_seq, "last_seq": segment.last_seq}
    if header := segment.header:
        row |= {"created_at": rfc3339(header.created_at_us)[:19] + "Z", "version": header.version}
        if header.note:
            row["note"] = header.note
    state = "sealed" if segment.seal else "open" if segment.cut is None else "cut"
    return row | {"state": "damaged" if segment.losses else state}


# ---------------------------------------------------------------------------------------------------- verify


def show_proof(recovery: Recovery, as_json: bool) -> None:
    facts = proof_of(recovery)
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for loss in recovery.losses:
        print(f"damage: {loss}")
    what = f"{_many(recovery.records, 'record')} up to number {recovery.last_seq} in {_many(len(recovery.segments), 'segment')}"
    print(f"{what}; {'as they were written' if not recovery.losses else _many(len(recovery.losses), 'damage')}")
    print(f"head {head_of(recovery)}")


def proof_of(recovery: Recovery) -> dict[str, object]:
    """What a verification found, for JSON."""
    return {
        "ok": not recovery.losses, "records": recovery.records, "segments": len(recovery.segments), "last_seq": recovery.last_seq,
        "head": head_of(recovery), "tail_cut_bytes": recovery.tail_cut_bytes, "losses": [_loss(loss) for loss in recovery.losses],
    }  # fmt: skip


def head_of(recovery: Recovery) -> str:
    """``segment:bytes:chain``: what ``gateway audit verify --head`` can check for ever after."""
    last = recovery.segments[-1] if recovery.segments else None
    return f"{last.number}:{last.counted_bytes}:{recovery.chain.hex()}" if last else f"0:0:{recovery.chain.hex()}"


def _loss(loss: Loss) -> dict[str, object]:
    plain: dict[str, object] = {"kind": loss.kind, "segment": loss.segment, "after_seq": loss.after_seq, "detail": loss.detail}
    if loss.end:
        plain |= {"start": loss.start, "end": loss.end}
    if loss.before_seq is not None:
        plain["before_seq"] = loss.before_seq
    return plain


# ------------------------------------------------------------------------------------------------------ dump


def dump(disk: RealDisk, options: argparse.Namespace) -> int:
    recovery = settled(disk, thorough=False)
    for segment, record in read_records(disk, stretches_after(recovery.stretches, options.after), options.after):
        fields = unpack_body(record.body)
        if options.alarm and fields.get("alarm_id") != options.alarm:
            continue
        print(json.dumps(_line(segment, record, fields if options.positions else without_private(fields)), ensure_ascii=True))
    if recovery.losses:
        print(f"{_many(len(recovery.losses), 'damage')}: gateway journal verify says where", file=sys.stderr)
    return 0


def _line(segment: int, record: Record, fields: dict[str, Plain]) -> dict[str, object]:
    frame = {"seq": record.seq, "at": rfc3339(record.at_us), "class": record.urgency, "segment": segment, "offset": record.offset}
    facts = {name: value for name, value in fields.items() if name != "t"}
    return frame | {"type": fields.get("t"), "fields": _printable(facts)}


def _printable(value: object) -> object:
    """For JSON: bytes as hex, numbers that JSON does not have as null."""
    match value:
        case dict():
            return {str(key): _printable(inner) for key, inner in value.items()}
        case list():
            return [_printable(inner) for inner in value]
        case bytes():
            return value.hex()
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)


def rfc3339(at_us: int) -> str:
    """Unix microseconds as people read them; the number itself where the calendar ends."""
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except OverflowError:
        return str(at_us)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


