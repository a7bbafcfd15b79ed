"""What a start takes from the disk: areas, roads, and as much of the journal as an open alarm can need."""

import json
import logging
from pathlib import Path
from random import Random

import pytest

from gateway import events as ev
from gateway.__main__ import main
from gateway.commands.serve import tell_ready, tell_ready_json
from gateway.config import Config
from gateway.delivery.options import CentreOptions
from gateway.errors import ConfigError
from gateway.model import Fix, Instant, Kind, Trust, Urgency
from gateway.router.options import RoadOptions
from gateway.server import FORGET_AFTER_US, Ready, open_areas, open_roads, open_tiles, replay
from gateway.shell.disk import open_journal
from gateway.sim.disk import SimDisk
from tests.journal_acts import SMALL, TrioClock
from tests.road_town import Town
from tests.unit.desk_story import Story

DAY_US = 86_400_000_000


def raised(number: int, at_us: int) -> ev.AlarmRaised:
    return ev.AlarmRaised(
        f"{number:032x}", f"dev-{number}", "gt06", "tcp", Kind.SOS_BUTTON, at_us, at_us, at_us, "good", Trust.T2, f"key-{number}",
        fix=Fix(510_000_000, 35_000_000), fix_current=True,
    )  # fmt: skip


async def test_a_start_reads_what_ended_long_ago_no_more(tmp_path: Path) -> None:
    disk, clock = SimDisk(Random(1)), TrioClock()
    start_us = clock.now().wall_us
    async with open_journal(tmp_path, disk=disk, clock=clock, options=SMALL) as journal:
        for number, ends in ((1, True), (2, False)):
            alarm = raised(number, start_us)
            events: list[ev.Event] = [ev.FrameKept(alarm.device, "gt06", "tcp", "tcp a", b"raw", Trust.T2), alarm]
            if ends:
                events += [ev.AlarmResolved(alarm.alarm_id, "TEST", "op"), ev.AlarmClosed(alarm.alarm_id, "resolved and reported")]
            await journal.append_nowait(events, Instant(start_us, 0), Urgency.A).wait()
    async with open_journal(tmp_path, disk=disk, clock=clock, options=SMALL) as journal:
        soon, late = Story().desk, Story().desk
        replay(soon, journal, Instant(start_us + DAY_US, 1 << 50))
        replay(late, journal, Instant(start_us + FORGET_AFTER_US + DAY_US, 1 << 50))
    assert [alarm.device_id for alarm in soon.alarms()] == ["dev-1", "dev-2"]
    assert [alarm.device_id for alarm in late.alarms()] == ["dev-2"], "whoever has not ended is there, however old"


def config_with(area: Path) -> Config:
    return Config(centre=(CentreOptions("cic", "CIC", area=str(area), national_fallback=True),))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "No such file or directory; name a file that this user may read"), (b"\xff\xfe\x00", "byte 0 is not UTF-8"), (b"{", "cic")],
)
def test_an_area_that_cannot_be_read_is_the_operators_to_mend(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    area = tmp_path / "area.geojson"
    if content is not None:
        area.write_bytes(content)
    with pytest.raises(ConfigError, match=complaint) as caught:
        open_areas(config_with(area), None)
    assert "area.geojson" in str(caught.value)


def test_an_area_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    area = tmp_path / "area.geojson"
    square = {"type": "Polygon", "coordinates": [[[3.0, 50.0], [4.0, 50.0], [4.0, 52.0], [3.0, 52.0], [3.0, 50.0]]]}
    area.write_text(json.dumps(square), encoding="utf-8-sig")
    assert open_areas(config_with(area), None).at(510_000_000, 35_000_000).basis == "polygon"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    town = Town().node("a", 0, 0).node("b", 0, 1000).way("ab", "ab", highway="primary")
    (tmp_path / "town.osm").write_bytes(town.xml())
    (tmp_path / "calm.toml").write_text('name = "calm"\nurgency = 1.0\n')
    words = ["roads", "build", str(tmp_path / "town.osm"), "-o", str(tmp_path / "town.roads"), "--profile", str(tmp_path / "calm.toml")]
    assert main(words) == 0
    return tmp_path / "town.roads"


def test_an_index_of_another_profile_is_said_and_used(index: Path, caplog: pytest.LogCaptureFixture) -> None:
    (index.parent / "other.toml").write_text('name = "other"\nurgency = 0.9\n')
    with caplog.at_level(logging.ERROR):
        assert None not in open_roads(RoadOptions(str(index), str(index.parent / "calm.toml")))
        assert not caplog.messages
        for name in ("other.toml", "missing.toml"):
            assert None not in open_roads(RoadOptions(str(index), str(index.parent / name)))
    assert [message.split()[0] for message in caplog.messages] == ["roads.other_profile"] * 2


def test_an_index_that_is_none_is_said_and_done_without(index: Path, caplog: pytest.LogCaptureFixture) -> None:
    index.write_bytes(b"not an index")
    assert open_roads(RoadOptions(str(index))) == (None, None) and "roads.unusable" in caplog.text


@pytest.mark.parametrize(
    ("profile", "content", "complaint"),
    [
        ("calm.toml", 'name = "calm"\nurgency = 1.0\n', None),
        ("other.toml", 'name = "other"\nurgency = 0.9\n', "roads.file: {index}: built with another profile than"),
        ("odd.toml", "urgncy = 1\n", "urgncy: unknown key; did you mean urgency?"),
    ],
)
def test_check_compares_the_index_with_the_profile(
    index: Path, profile: str, content: str, complaint: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (index.parent / profile).write_text(content)
    config = index.parent / "gateway.toml"
    config.write_text(
        '[[listen]]\nprotocol = "gt06"\nbind = "127.0.0.1:0"\n[[centre]]\nid = "cic"\nname = "CIC"\nnational_fallback = true\n'
        '[[centre.route]]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\n'
        f'[roads]\nfile = "town.roads"\nprofile = "{profile}"\n'
    )
    code = main(["check", "-c", str(config)])
    said = capsys.readouterr().err
    if complaint is None:
        assert "roads." not in said, said
    else:
        assert code == 2 and complaint.format(index=index) in said, said


def test_ready_is_said_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    ready = Ready(("127.0.0.1", 8080), (("gt06/tcp", "127.0.0.1", 5023), ("gt06/tcp", "127.0.0.1", 5024)))
    tell_ready(ready)
    assert capsys.readouterr().out == "ready http=127.0.0.1:8080 gt06/tcp=127.0.0.1:5023 gt06/tcp=127.0.0.1:5024\n"
    tell_ready_json(ready)
    assert json.loads(capsys.readouterr().out)["ready"] == ready.lines


def test_a_base_map_that_is_none_is_said_and_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "city.tiles").write_bytes(b"no tiles at all, but long enough to be looked at")
    assert open_tiles(str(tmp_path / "city.tiles")) is None and "tiles.unusable" in caplog.text
    assert open_tiles(str(tmp_path / "gone.tiles")) is None and open_tiles(None) is None
