"""The access log: who looked at what, and why, as a chain of hashes (reliability 7.3).

    h_0 = 32 zero bytes        h_n = SHA-256(h_(n-1) + length of the record as u32 big-endian + the record)

A record is canonical JSON: sorted keys, no spaces, UTF-8. It is made from the journal's ``Viewed`` records, whose bytes
the journal's own chain protects; what this chain adds is a value that says nothing about alarms and can therefore be
handed to other organisations.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.events import Viewed
from gateway.journal.record import NO_CHAIN
from gateway.journal.recovery import Entry


@dataclass(slots=True)
class AuditChain:
    """The chain up to record ``n``."""

    n: int = 0
    head: bytes = NO_CHAIN

    def add(self, record: Mapping[str, str | int]) -> None:
        """Go on with a record as it stands."""
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")
        self.n += 1
        self.head = hashlib.sha256(self.head + len(text).to_bytes(4) + text).digest()

    def add_entry(self, entry: Entry) -> bool:
        """Go on with a record of the journal; False when it is about something else than a view."""
        viewed, at_us = entry.event, entry.at_us
        if not isinstance(viewed, Viewed):
            return False
        record: dict[str, str | int] = {"act": viewed.what, "actor": viewed.actor, "at": at_us, "n": self.n + 1, "why": viewed.why}
        if viewed.alarm_id is not None:
            record["alarm"] = viewed.alarm_id
        self.add(record)
        return True
