"""The story of one alarm, read from the journal's files: works beside a running gateway, and without one."""

from collections.abc import Iterator
from pathlib import Path

from gateway import story
from gateway.api.messages import time_text
from gateway.journal.recovery import Entry, read_back, recover
from gateway.journal.search import read_naming
from gateway.shell.real_disk import RealDisk


def entries_of(folder: Path) -> Iterator[Entry]:
    """Every readable entry of a journal, oldest first. Blocks while it reads. Raises JournalError."""
    disk = RealDisk(folder)
    return read_back(disk, recover(disk).stretches)


class JournalStory:
    """What ``GET …/story`` and ``gateway alarm explain`` tell (``api.doors.Story``)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lines(self, alarm_id: str, *, with_positions: bool = False) -> list[story.Line]:
        """Every record of one alarm as a sentence; empty when the journal knows none of it."""
        disk = RealDisk(self._folder)
        named = read_naming(disk, recover(disk).stretches, alarm_id)
        triples = ((entry.seq, entry.at_us, entry.event) for entry in named)
        return story.tell(alarm_id, triples, with_positions=with_positions)

    def __call__(self, alarm_id: str) -> list[dict[str, object]]:
        """The same as values for the API, without coordinates."""
        return [
            {"seq": line.seq, "at": time_text(line.at_us), "since_ms": line.since_ms, "what": line.what, "text": line.text}
            for line in self.lines(alarm_id)
        ]
