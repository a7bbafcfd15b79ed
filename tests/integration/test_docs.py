"""What README.md and docs/ say is true today: their commands are run, their files are used, their words exist.

How a page is read. A fenced block whose first word is ``sh`` and whose second is

- ``run``: is run as it stands; it must succeed. One folder a page, blocks in order.
- ``start``: starts a server and is over when the server says ``ready`` or ``listening``; it is ended with the page.
- absent: is only looked at; its ``gateway`` lines must be such as the program understands.

``text printed`` behind a block: lines that its output has, in this order; ``…`` stands for anything. A block with a file's name
behind its language (``toml gateway.toml``, ``python press.py``) is written to that file. Ports that a page names are exchanged for
free ones.
"""

import argparse
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.__main__ import COMMANDS, build_parser
from gateway.api.metrics import FAMILIES
from gateway.api.problems import Refused
from gateway.api.route import Table
from gateway.api.routes import ROUTES
from gateway.commands.protocol import pages as protocol_pages
from gateway.config import inspect
from tests.gateway_process import ROOT, WAIT_S

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\S*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
PORT = re.compile(r"(?<=127\.0\.0\.1:)[1-9]\d{3,4}")
SAYS_READY = ("ready ", "listening ")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    role: str
    text: str


def blocks_of(text: str) -> list[Block]:
    return [Block(language, role.strip(), body) for language, role, body in FENCE.findall(text)]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --------------------------------------------------------------------------------------------------- what is run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def with_free_ports(text: str) -> str:
    """The page with a free port for each one that it names, everywhere the same."""
    given = {port: str(free_port()) for port in dict.fromkeys(PORT.findall(text))}
    return PORT.sub(lambda found: given[found[0]], text)


class Shell:
    """A folder, a path on which ``gateway`` is this source tree, and the servers that a page has started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "page"
        self.folder.mkdir()
        commands = folder / "bin"
        commands.mkdir()
        for name, words in (("gateway", "-m gateway"), ("python3", "")):
            (commands / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words} "$@"\n')
            (commands / name).chmod(0o755)
        self._environment = {
            **os.environ, "PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        self._servers: list[subprocess.Popen[str]] = []

    def run(self, script: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=WAIT_S
        )
        assert done.returncode == 0, f"{script}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def start(self, command: str) -> str:
        log = self.folder.parent / f"log-{len(self._servers)}"
        with log.open("w") as errors:
            server = subprocess.Popen(
                ["sh", "-c", f"exec {command.strip()}"], cwd=self.folder, env=self._environment, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self._servers.append(server)
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith(SAYS_READY), f"{command}\n{line}{log.read_text()}"
        return line

    def end(self) -> None:
        for server in reversed(self._servers):
            server.send_signal(signal.SIGTERM)
            server.wait(WAIT_S)
            assert server.stdout is not None
            server.stdout.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    try:
        yield shell
    finally:
        shell.end()


def play(shell: Shell, blocks: list[Block]) -> None:
    """Everything that a page asks for, in its order."""
    output = ""
    for block in blocks:
        if block.language == "sh" and block.role in ("run", "start"):
            output = shell.run(block.text) if block.role == "run" else shell.start(block.text)
        elif (block.language, block.role) == ("text", "printed"):
            assert_printed(block.text, output)
        elif block.role:
            (shell.folder / block.role).write_text(block.text, encoding="utf-8")


def assert_printed(wanted: str, output: str) -> None:
    """Each line stands in the output, in this order; blanks are worth one, ``…`` is anything."""
    lines = iter(" ".join(line.split()) for line in output.splitlines())
    for line in filter(None, (" ".join(line.split()) for line in wanted.splitlines())):
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        assert any(pattern.fullmatch(found) for found in lines), f"{line!r} is not printed; the output is\n{output}"


def plays(path: Path) -> bool:
    return any(block.role in ("run", "start") for block in blocks_of(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", [page for page in PAGES if plays(page)], ids=named)
def test_every_command_of_a_page_does_what_the_page_says(page: Path, shell: Shell) -> None:
    play(shell, blocks_of(with_free_ports(page.read_text(encoding="utf-8"))))


# ----------------------------------------------------------------------------------------- what is only mentioned


def subparsers_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(actions[0].choices) if actions else {}


def assert_known(words: list[str], where: str) -> None:
    """Each word of a command is one, and each option is one of its own; what is left out is the reader's to fill in."""
    assert words[0] in COMMANDS, f"{where}: no command {words[0]}"
    parser = subparsers_of(build_parser(words[0]))[words[0]]
    for word in words[1:]:
        inner = subparsers_of(parser)
        if word.startswith("-"):
            assert word.partition("=")[0] in parser._option_string_actions, f"{where}: no option {word}"
        elif inner and word not in ("ACT", "ACTION"):
            assert word in inner, f"{where}: {word} is none of {', '.join(inner)}"
            parser = inner[word]


def alternatives(words: list[str]) -> Iterator[list[str]]:
    """``device|case add|set`` as each of the commands that it stands for."""
    if not words:
        yield []
        return
    for rest in alternatives(words[1:]):
        yield from ([word, *rest] for word in words[0].replace("\\|", "|").split("|"))


def mentioned(text: str) -> Iterator[str]:
    """Every ``gateway …`` in code spans and in shell blocks."""
    for block in blocks_of(text):
        if block.language == "sh":
            joined = block.text.replace("\\\n", " ")
            yield from (found for line in joined.splitlines() for found in re.findall(r"(?:^|\| )gateway ([^|<>&#;]*)", line))
    yield from (span.removeprefix("gateway ") for span in SPAN.findall(FENCE.sub("", text)) if span.startswith("gateway "))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_that_is_mentioned_exists(page: Path) -> None:
    for words in mentioned(page.read_text(encoding="utf-8")):
        for command in alternatives(re.findall(r"""[^\s"'()]+|["'][^"']*["']""", words)):
            if command[0] == "COMMAND":
                continue
            assert_known([word for word in command if word not in ("…", "...")], f"{named(page)}: gateway {words}")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_configuration_key_that_is_shown_exists(page: Path, tmp_path: Path) -> None:
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if block.language == "toml":
            assert tomllib.loads(block.text)
            (tmp_path / "gateway.toml").write_text(block.text, encoding="utf-8")
            wrong = [str(one) for one in inspect(str(tmp_path / "gateway.toml")).complaints if "unknown" in one.text]
            assert not wrong, f"{named(page)}: {wrong}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_address_and_metric_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    table, methods = Table(ROUTES), ("GET", "POST", "PUT", "DELETE")
    for path in re.findall(r"(/api/v1/[\w/{}.-]+[\w}]|/metrics\b|/healthz\b|/readyz\b)(?![|\w])", text):
        assert any(finds(table, method, path) for method in methods), f"{named(page)}: no address {path}"
    known = {f"gateway_{name}{'_total' if family.kind == 'counter' else ''}" for name, family in FAMILIES.items()} | {"gateway_ready"}
    for span in SPAN.findall(text):
        if re.fullmatch(r"gateway_[a-z_]+", span):
            assert span in known, f"{named(page)}: no metric {span}"


def finds(table: Table, method: str, path: str) -> bool:
    try:
        table.find(method, re.sub(r"\{\w+\}", "x", path))
    except Refused:
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_file_that_a_page_points_at_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{named(page)}: {target}"


def test_the_pages_of_the_protocols_say_what_their_files_say() -> None:
    folder = ROOT / "docs/protocols"
    found = {page.name: page.read_text(encoding="utf-8") for page in folder.iterdir()}
    assert found == protocol_pages(), "write them anew: gateway protocol pages docs/protocols"


def test_every_switch_of_the_tests_and_builds_is_told() -> None:
    page = (ROOT / "docs/contributor.md").read_text(encoding="utf-8")
    places = [ROOT / "setup.py", *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
    switches = {name for place in places for name in re.findall(r"environ[^\n]*?\"(GATEWAY_\w+)\"", place.read_text(encoding="utf-8"))}
    assert not {name for name in switches if name not in page}


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    told = {words[0] for mention in mentioned(text) for words in alternatives(mention.split())}
    assert set(COMMANDS) - told == set()
