"""What an operator may say about the journal."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """The record of everything."""

    segment_kib: int = 16_384
    "Size of one file of the journal, given to it when it is made. Larger: fewer files, more to read again after a crash."
    reserve_mib: int = 64
    "Disk space kept back for alarms and their positions when the disk is full."
    group_wait_ms: float = 2.0
    "How long records that are no alarm may wait for company before they are synced. Alarms never wait."
    group_kib: int = 256
    "A group of this size is synced without waiting for more."
    queue_records_max: int = 4_096
    "Records of class C and D are refused while this many wait for the disk. Alarms are never refused."
    queue_kib_max: int = 4_096
    "The same in bytes."
    ring_records: int = 8_192
    "Newest records kept in memory, so that consoles and the outbox read without the disk."
