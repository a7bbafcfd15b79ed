"""Where each key of a TOML text stands: the line that a complaint names.

``tomllib`` says what a file means but not where. This scan walks the same text, already known to be valid, and
keeps the line of every key, table and array element. It survives arrays of tables, dotted and quoted keys,
inline tables, and strings and arrays over several lines.
"""

import tomllib

KeyPath = tuple[str | int, ...]

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_BLANK = frozenset(" \t")
_BETWEEN = frozenset(" \t\r\n")
_SCALAR_END = frozenset(",]}#\r\n")


def lines_of(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of every key path; ``text`` must be TOML that ``tomllib`` accepts."""
    return _Scan(text.replace("\r\n", "\n")).walk()


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[KeyPath, int] = {}
        self.arrays: dict[KeyPath, int] = {}
        "Arrays of tables seen so far, and how many tables each has."

    def walk(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self.skip_between()
        while self.at < len(self.text):
            if self.peek() == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip_between()
        return self.lines

    # ------------------------------------------------------------------------------------------ cursor

    def peek(self, count: int = 1) -> str:
        return self.text[self.at : self.at + count]

    def take(self, count: int = 1) -> str:
        taken = self.peek(count)
        self.at += count
        self.line += taken.count("\n")
        return taken

    def skip_blank(self) -> None:
        while self.peek() in _BLANK:
            self.at += 1

    def skip_between(self) -> None:
        """Blanks, line ends and comments."""
        while self.at < len(self.text):
            if self.peek() == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.peek() in _BETWEEN:
                self.take()
            else:
                return

    # -------------------------------------------------------------------------------------- statements

    def note(self, path: KeyPath, line: int) -> None:
        """Keep the first line at which a path, or anything inside it, is named."""
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def header(self) -> KeyPath:
        """``[a.b]`` or ``[[a.b]]``: the path that the following keys belong to."""
        line = self.line
        is_array = self.peek(2) == "[["
        self.take(2 if is_array else 1)
        keys = self.key()
        self.skip_blank()
        self.take(2 if is_array else 1)
        path: KeyPath = ()
        for position, key in enumerate(keys):
            path += (key,)
            if is_array and position == len(keys) - 1:
                self.arrays[path] = self.arrays.get(path, 0) + 1
            if path in self.arrays:
                path += (self.arrays[path] - 1,)
        self.note(path, line)
        if not is_array:
            # [a] after [a.b]: the table's own header is the better line.
            self.lines[path] = line
        return path

    def pair(self, table: KeyPath) -> None:
        line = self.line
        path = table + self.key()
        self.note(path, line)
        self.skip_blank()
        self.take()  # the equals sign
        self.skip_blank()
        self.value(path)

    def key(self) -> KeyPath:
        """A bare, quoted or dotted key."""
        keys: list[str] = []
        while True:
            self.skip_blank()
            if self.peek() in ("'", '"'):
                start = self.at
                self.string()
                keys.append(str(tomllib.loads("key = " + self.text[start : self.at])["key"]))
            else:
                start = self.at
                while self.peek() and self.peek() in _BARE:
                    self.at += 1
                keys.append(self.text[start : self.at])
            self.skip_blank()
            if self.peek() != ".":
                return tuple(keys)
            self.take()

    # ------------------------------------------------------------------------------------------ values

    def value(self, path: KeyPath) -> None:
        if self.peek() in ("'", '"'):
            self.string()
        elif self.peek() == "[":
            self.array(path)
        elif self.peek() == "{":
            self.inline_table(path)
        else:
            while self.peek() and self.peek() not in _SCALAR_END:
                self.at += 1

    def string(self) -> None:
        quote = self.peek()
        mark = quote * 3 if self.peek(3) == quote * 3 else quote
        self.take(len(mark))
        while self.peek(len(mark)) != mark:
            # A backslash hides the character after it, in double quotes alone.
            self.take(2 if quote == '"' and self.peek() == "\\" else 1)
        self.take(len(mark))
        # Up to two quotes may stand directly before the closing mark of a long string.
        while len(mark) == 3 and self.peek() == quote:
            self.take()

    def array(self, path: KeyPath) -> None:
        self.take()
        position = 0
        self.skip_between()
        while self.peek() != "]":
            self.note((*path, position), self.line)
            self.value((*path, position))
            position += 1
            self.skip_between()
            if self.peek() == ",":
                self.take()
                self.skip_between()
        self.take()

    def inline_table(self, path: KeyPath) -> None:
        self.take()
        self.skip_between()
        while self.peek() != "}":
            self.pair(path)
            self.skip_between()
            if self.peek() == ",":
                self.take()
                self.skip_between()
        self.take()
