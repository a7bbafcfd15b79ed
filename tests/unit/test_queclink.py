"""Queclink: one press is one press, whatever way it takes. Whole messages stand in tests/vectors/queclink.json."""

import pytest

from gateway.model import Frame
from gateway.presses import press_key
from gateway.protocols import open_session
from gateway.protocols.base import DeviceSettings
from tests.vectors.sheets import NOW_US, OWN_CASES

PRESS = next(case.frames[0] for case in OWN_CASES if case.protocol == "queclink" and case.name == "sos")


def heard(raw: bytes, protocol: str = "queclink", transport: str = "tcp", settings: DeviceSettings | None = None) -> Frame:
    return open_session(protocol, transport, settings or DeviceSettings()).read(raw, NOW_US)


def key_of(frame: Frame) -> str:
    (report,) = frame.reports
    return press_key(frame.device or "", report, frame.raw)


@pytest.mark.parametrize(
    "copy",
    [
        heard(PRESS, transport="udp"),
        heard(PRESS.replace(b"+RESP", b"+BUFF")),
        heard(b" " + PRESS + b"\r\n", protocol="sms", transport="sms"),
    ],
    ids=["repeated over UDP", "replayed from the device's buffer", "forced SMS"],
)
def test_a_copy_of_a_press_has_its_identity(copy: Frame) -> None:
    assert key_of(copy) == key_of(heard(PRESS))


def test_another_press_has_another_identity() -> None:
    keys = {key_of(heard(raw)) for raw in (PRESS, PRESS.replace(b",1A2B$", b",1A2C$"), PRESS.replace(b"20260309130311", b"20260309130312"))}
    assert len(keys) == 3


def test_the_zone_moves_the_send_time_and_never_the_satellites_time() -> None:
    (report,) = heard(PRESS, settings=DeviceSettings(clock_offset_s=3600)).reports
    (plain,) = heard(PRESS).reports
    assert report.fix == plain.fix and report.event_at_us is not None and plain.event_at_us is not None
    assert plain.event_at_us - report.event_at_us == 3600 * 1_000_000
