"""The table of protocols, its walls, and the session that recognises which row it is."""

import ast
import re
from pathlib import Path

import pytest

from gateway import _fastpath, protocols
from gateway.errors import Reason
from gateway.model import Kind
from gateway.protocols import PROTOCOLS, Row, open_session, row
from gateway.protocols.auto import NOISE_PLACES_MAX, AutoSession
from gateway.protocols.base import DeviceSettings
from tests.unit.gt06_frames import IMEI, alarm, login
from tests.vectors.sheets import NOW_US, OWN_CASES, sheet_files

ROOM = Path(protocols.__file__).parent
SHARED_BY_PROTOCOLS = {"base", "fields", "gps_block", "messages", "octets", "order_book", "stream", "wifi_scan"}
SHARED_FILES = SHARED_BY_PROTOCOLS | {"__init__", "auto", "listing", "orders", "page"}
MAY_IMPORT = {"gateway.errors", "gateway.model", "gateway._fastpath"} | {f"gateway.protocols.{name}" for name in SHARED_BY_PROTOCOLS}
WATCH_BEAT = b"[SG*0101260001*0002*LK]"


def family(stem: str) -> str:
    """The row that a file belongs to: ``gt06_content`` is gt06's, ``sia_dc09_cipher`` is sia-dc09's."""
    rows = [entry.name for entry in PROTOCOLS if f"{stem}_".startswith(entry.name.replace("-", "_") + "_")]
    return max(rows, key=len, default=stem)


def protocol_files() -> list[Path]:
    return [path for path in sorted(ROOM.glob("*.py")) if path.stem not in SHARED_FILES]


def imported(path: Path) -> set[str]:
    """Every module that a file imports, with what it takes from the packages."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module in ("gateway", "gateway.protocols"):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or ".")
    return names


@pytest.mark.parametrize("path", protocol_files(), ids=lambda path: path.stem)
def test_no_protocol_imports_another(path: Path) -> None:
    for name in imported(path):
        if name.startswith("gateway"):
            own = name.startswith("gateway.protocols.") and family(name.split(".")[-1]) == family(path.stem)
            assert own or name in MAY_IMPORT, f"{path.name} imports {name}: a protocol stands alone; share through octets.py or base.py"


@pytest.mark.parametrize("path", protocol_files(), ids=lambda path: path.stem)
def test_a_protocol_file_names_its_paper(path: Path) -> None:
    head = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert len(head) > 80, f"{path.name} must open with the paper that it follows"


@pytest.mark.parametrize("name", [entry.name for entry in PROTOCOLS])
def test_witnesses_that_a_head_names_exist(name: str) -> None:
    """The head of a protocol's file says what its families do differently and which vector shows it."""
    head = ast.get_docstring(ast.parse((ROOM / f"{name.replace('-', '_')}.py").read_text())) or ""
    named = re.findall(r"``([a-z0-9]+(?:-[a-z0-9]+)+)``", head)
    assert named, f"{name}.py names no vector"
    assert set(named) <= {case.name for case in OWN_CASES if case.protocol == name}


def test_every_protocol_file_has_its_row_and_every_row_its_vectors() -> None:
    names = [entry.name for entry in PROTOCOLS]
    assert {family(path.stem) for path in protocol_files()} == set(names)
    assert len(set(names)) == len(names)
    for name, path in sheet_files().items():
        assert path.exists(), f"the row {name} needs {path.name} in tests/vectors/"


def test_ports_of_rows_differ() -> None:
    ports = [entry.port for entry in PROTOCOLS if entry.port]
    assert len(set(ports)) == len(ports)


def test_an_unknown_name_is_a_key_error() -> None:
    for ask in (lambda: row("gt07"), lambda: open_session("gt07", "tcp")):
        with pytest.raises(KeyError):
            ask()


def test_reasons_and_statuses_are_one_list() -> None:
    assert _fastpath.status_names() == tuple(reason.name for reason in Reason)
    assert [reason.value for reason in Reason] == list(range(1, len(Reason) + 1))


# ---------------------------------------------------------------------------------------------------- auto


def opened(transport: str = "tcp", reference: bool = False) -> AutoSession:
    session = open_session("auto", transport, reference=reference)
    assert isinstance(session, AutoSession)
    return session


@pytest.mark.parametrize("entry", [entry for entry in PROTOCOLS if "tcp" in entry.transports], ids=lambda entry: entry.name)
def test_a_connection_is_recognised_by_its_first_bytes(entry: Row) -> None:
    known = [case for case in OWN_CASES if case.protocol == entry.name and case.transport == "tcp" and not case.expect.get("reject")]
    for case in known:
        if entry.recognise(case.frames[0]) >= 50:
            session = opened()
            for at in range(len(case.frames[0])):
                session.receive(case.frames[0][at : at + 1])
                list(session.frames(NOW_US))
            assert session.protocol == entry.name, case.name


def test_what_came_before_it_was_recognised_is_not_lost() -> None:
    session = opened()
    session.settings = DeviceSettings(model="VL103")
    stream = login() + alarm(0x16, 4, 1) + alarm(0x16, 0, 9)
    found = []
    for at in range(0, len(stream), 5):
        session.receive(stream[at : at + 5])
        found += list(session.frames(NOW_US))
    assert [frame.kinds for frame in found] == [Kind.LOGIN, Kind.SOS_BUTTON, Kind.TOW]
    assert (session.protocol, session.device, session.skipped_bytes) == ("gt06", IMEI, 0)


def test_settings_reach_the_recognised_session() -> None:
    session = opened()
    session.receive(login() + alarm(0x16, 0, 9))
    frames = session.frames(NOW_US)
    assert next(frames).device == IMEI
    session.settings = DeviceSettings(model="VL103")
    assert next(frames).kinds == Kind.TOW


def test_bytes_that_nobody_recognises_are_refused_and_what_follows_gets_its_chance() -> None:
    session = opened()
    session.receive(b"GET / HTTP/1.1\r\n" + login())
    frames = list(session.frames(NOW_US))
    assert frames[0].refused and frames[0].refused.reason == "unsupported" and frames[0].raw == b"GET / HTTP/1.1\r\n"
    assert [frame.kinds for frame in frames[1:]] == [Kind.LOGIN]
    assert session.skipped_bytes == len(b"GET / HTTP/1.1\r\n")


def test_noise_on_a_shared_port_costs_a_bounded_search_and_no_memory() -> None:
    session = opened()
    session.receive(b"\x01" * 200_000)
    frames = list(session.frames(NOW_US))
    assert sum(len(frame.raw) for frame in frames) == session.skipped_bytes == 200_000
    assert len(frames) == 1 and NOISE_PLACES_MAX < 200_000
    session.receive(login())
    assert [frame.kinds for frame in session.frames(NOW_US)] == [Kind.LOGIN]


def test_who_never_shows_what_it_is_becomes_the_likeliest() -> None:
    session = opened()
    session.receive(b"\x79\x79\x1f\xff" + bytes(1_100))
    assert list(session.frames(NOW_US)) == []
    assert session.protocol == "gt06"


def test_whole_messages_are_recognised_one_by_one_until_one_is_believed() -> None:
    session = opened()
    assert session.read(b"no protocol", NOW_US).refused
    assert session.read(alarm(0x16, 4, 1), NOW_US).protocol == "gt06"
    assert session.protocol is None  # a frame without a login says nothing about who calls
    assert session.read(WATCH_BEAT, NOW_US).protocol == "watch"
    assert session.read(login(), NOW_US).refused


def test_only_protocols_of_the_transport_are_tried() -> None:
    assert opened("udp").read(login(), NOW_US).protocol == "auto"
