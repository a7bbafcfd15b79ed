"""The seam between bytes and the alarm lane: what a device's entry says holds from its first frame on, its own and no other's."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from gateway.clock import Clock
from gateway.desk import Verdict
from gateway.model import Device, DeviceId, Frame, Instant, Kind, Link
from gateway.shell.ingest import DeviceLink, Ingest
from gateway.shell.lane import Lane
from gateway.shell.options import ListenOptions
from tests.unit.gt06_frames import IMEI, alarm, login
from tests.vectors.sheets import NOW_US

PRESS = b"GET /?id=%s&timestamp=2026-03-09+14:03:11&alarm=sos HTTP/1.1\r\n\r\n"
AT_US = 1_773_061_391_000_000


@dataclass
class Taken:
    """A lane that believes everybody it knows, and keeps what it is given."""

    devices: dict[str, Device]
    frames: list[Frame] = field(default_factory=list)

    @property
    def desk(self) -> SimpleNamespace:
        return SimpleNamespace(identities=SimpleNamespace(resolve=self.devices.get))

    def take(self, frame: Frame, link: Link) -> tuple[Verdict, None]:
        self.frames.append(frame)
        device = None if frame.refused else self.devices.get(frame.device or "")
        reply = frame.reply if device else frame.farewell
        return Verdict(reply=reply, device_id=device.device_id if device else None), None


class Still:
    """A clock that stands."""

    def now(self) -> Instant:
        return Instant(NOW_US, 0)


def opened(protocol: str, transport: str, *devices: Device) -> tuple[DeviceLink, list[Frame]]:
    lane = Taken({device.identifiers[0]: device for device in devices})
    ingest = Ingest(cast(Lane, lane), cast(Clock, Still()))
    return ingest.link(ListenOptions("127.0.0.1:0", protocol, transport), "door", "127.0.0.1:1"), lane.frames


def device(name: str, *, offset_s: int | None = None, model: str | None = None, key_hex: str | None = None) -> Device:
    return Device(DeviceId(name), (name,), clock_offset_s=offset_s, model=model, key_hex=key_hex)


def test_the_first_frame_is_read_with_its_devices_settings() -> None:
    link, frames = opened("osmand", "http", device("a", offset_s=3600))
    link.feed(PRESS % b"a")
    assert [frame.reports[0].event_at_us for frame in frames] == [AT_US]


def test_a_frame_behind_the_login_in_the_same_piece_is_read_with_them_too() -> None:
    link, frames = opened("gt06", "tcp", device(IMEI, model="VL103"))
    link.feed(login() + alarm(0x16, 0, 9))
    assert [frame.kinds for frame in frames] == [Kind.LOGIN, Kind.TOW]


def test_each_device_of_a_shared_connection_has_its_own_settings() -> None:
    link, frames = opened("osmand", "http", device("a", key_hex="c7"), device("b", offset_s=3600), device("c", key_hex="c8"))
    fed = link.feed(b"".join(PRESS % query for query in (b"a&token=c7", b"b", b"c&token=c8", b"a&token=c7")))
    assert [frame.device for frame in frames] == ["a", "b", "c", "a"]
    assert not any(frame.refused for frame in frames)
    assert [frame.reports[0].event_at_us == AT_US for frame in frames] == [False, True, False, False]
    assert fed.reply.count(b"200 OK") == fed.frames == 4
    assert not fed.close


def test_nobody_is_read_with_the_settings_of_the_one_before() -> None:
    link, frames = opened("osmand", "http", device("a", key_hex="c7"))
    fed = link.feed(PRESS % b"a&token=c7" + PRESS % b"stranger")
    assert frames[1].refused is None
    assert fed.reply.endswith(b"Connection: close\r\n\r\n") and fed.close


def test_who_is_turned_away_with_a_word_is_hung_up_on() -> None:
    link, frames = opened("osmand", "http", device("a", key_hex="c7"))
    assert link.feed(PRESS % b"a&token=c7").close is False
    wrong = link.feed(PRESS % b"a&token=c8")
    assert (wrong.reply[:12], wrong.close, wrong.alarms) == (b"HTTP/1.1 404", True, ())
    assert frames[1].refused is not None
