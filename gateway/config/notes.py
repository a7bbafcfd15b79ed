"""Complaints and warnings while a configuration is read: each with its file, line and key."""

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from gateway.config.lines import KeyPath

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class Complaint(NamedTuple):
    """One mistake: where it stands, what is wrong and what to do."""

    file: str
    line: int
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.text}" if self.path else f"{self.file}:{self.line}: {self.text}"


class Notes:
    """Collects what is wrong (one complaint a key: the first one is the cause) and what is odd."""

    def __init__(self, file: str, lines: dict[KeyPath, int]) -> None:
        self.file = file
        self.lines = lines
        self.warnings: list[Complaint] = []
        self._complaints: dict[KeyPath, Complaint] = {}

    @property
    def complaints(self) -> list[Complaint]:
        """In the order of the file."""
        return sorted(self._complaints.values(), key=lambda complaint: complaint.line)

    def complain(self, path: KeyPath, text: str) -> None:
        """Say what is wrong with a key; a second complaint about the same key is not kept."""
        self._complaints.setdefault(path, self._at(path, text))

    def warn(self, path: KeyPath, text: str) -> None:
        """Say what works and is probably not meant."""
        self.warnings.append(self._at(path, text))

    def is_sound(self, *path: str | int) -> bool:
        """Nothing is wrong with this key nor with anything inside it."""
        return not any(wrong[: len(path)] == path for wrong in self._complaints)

    def _at(self, path: KeyPath, text: str) -> Complaint:
        return Complaint(self.file, self._line(path), path_text(path), text)

    def _line(self, path: KeyPath) -> int:
        """The line of the key, or of the nearest table around it that is written."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


def path_text(path: KeyPath) -> str:
    """``centre[1].route[0].url``; keys that TOML would quote are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if part and set(part) <= _BARE else f'"{printable(part)}"'
            text += f".{name}" if text else name
    return text


def printable(text: str, length_max: int = 60) -> str:
    """One line that a terminal shows as it is, cut when long: what an operator wrote, or a stranger."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return shown if len(shown) <= length_max else shown[: length_max - 1] + "\N{HORIZONTAL ELLIPSIS}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    words = sorted(known)
    for candidate in words:
        # A word begun or prolonged, such as secret for secret_files, is a slip that edit distance does not see.
        if len(word) >= 3 and (candidate.startswith(word) or word.startswith(candidate + "_")):
            return candidate
    matches = difflib.get_close_matches(word.lower().replace("-", "_"), words, n=1, cutoff=0.6)
    return matches[0] if matches else None


def meant(word: str, known: Iterable[str]) -> str:
    """What to do about an unknown word: the nearest known one, or all of them."""
    words = sorted(known)
    guess = nearest(word, words)
    return f"did you mean {guess}?" if guess else f"known: {', '.join(words)}" if words else "remove it"
