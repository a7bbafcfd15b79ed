"""``gateway audit verify``: prove the access log, and with it the whole journal; print the head to be kept elsewhere."""

import argparse
import json

from gateway.commands.journal import add_source, disk_of, proof_of, settled
from gateway.errors import CommandError
from gateway.journal.audit import AuditChain
from gateway.journal.recovery import digest_of, read_back, segment_name
from gateway.shell.real_disk import RealDisk


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    text = "prove the chain of the access log and of the whole journal; exit 1 when anything was changed, removed or reordered"
    sub = actions.add_parser("verify", help=text, description=text)
    add_source(sub)
    sub.add_argument(
        "--head", metavar="HEAD", action="append", default=[],
        help="a head that was kept elsewhere: segment:bytes:chain of the journal, or n:chain of the access log; may be repeated",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    disk = disk_of(options)
    heads = [_parts(head) for head in options.head]
    recovery = settled(disk, thorough=True)
    chain = AuditChain()
    log = {0: chain.head}
    for entry in read_back(disk, recovery.stretches):
        if chain.add_entry(entry):
            log[chain.n] = chain.head
    unknown = [head for head, parts in zip(options.head, heads, strict=True) if not _is_ours(parts, disk, log)]
    facts = proof_of(recovery) | {"views": chain.n, "audit_head": f"{chain.n}:{chain.head.hex()}", "unknown_heads": unknown}
    facts["ok"] = not recovery.losses and not unknown
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        for loss in recovery.losses:
            print(f"damage: {loss}")
        for head in unknown:
            print(f"damage: the head {head} is not of this journal: something before it was changed or removed")
        print(f"{chain.n} views of positions and cases; {'as they were written' if facts['ok'] else 'not proven'}")
        print(f"access log head {facts['audit_head']}")
        print(f"journal head {facts['head']}")
    return 0 if facts["ok"] else 1


def _parts(head: str) -> tuple[list[int], bytes]:
    *numbers, chain = head.split(":")
    try:
        where, value = [int(number) for number in numbers], bytes.fromhex(chain)
    except ValueError:
        where, value = [], b""
    if len(where) not in (1, 2) or len(value) != 32 or min(where) < 0:
        raise CommandError(f"--head {head}: expected segment:bytes:chain or n:chain, chain as 64 hex digits, as `gateway audit verify` prints it")
    return where, value


def _is_ours(head: tuple[list[int], bytes], disk: RealDisk, log: dict[int, bytes]) -> bool:
    where, chain = head
    if len(where) == 1:
        return log.get(where[0]) == chain
    segment, length = where
    try:
        return disk.size(segment_name(segment)) >= length and digest_of(disk, segment_name(segment), length) == chain
    except OSError:
        return False
