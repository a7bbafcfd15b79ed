"""H02's binary frames have no end sign, no length and no checksum: what must hold however they are cut."""

import random

import pytest

from gateway.events import AlarmRaised
from gateway.model import Frame, Kind
from gateway.protocols.base import DeviceSettings
from gateway.protocols.h02 import Session, recognise
from gateway.protocols.h02_binary import ID_BYTES
from tests.unit.alarm_story import Story, names
from tests.vectors.sheets import NOW_US

ROUNDS = 300
QUIET, PRESSED = "FFFFFBFF", "FFFFFFFD"
TEXT = b"*HQ,2400079194,V1,130311,A,5103.2593,N,00343.2741,E,002.43,271,090326,%b#"


def binary(size: int, status: str, dice: random.Random) -> bytes:
    """A frame of ``size`` bytes at a random time and place, with a random tail."""
    name = "2400079194" if ID_BYTES[size] == 5 else "0010126000000140"
    time = f"{dice.randrange(24):02}{dice.randrange(60):02}{dice.randrange(60):02}{dice.randrange(1, 29):02}{dice.randrange(1, 13):02}26"
    place = f"{dice.randrange(90):02}{dice.randrange(60):02}{dice.randrange(10_000):04}50{dice.randrange(180):03}{dice.randrange(60):02}"
    head = bytes.fromhex(f"24{name}{time}{place}{dice.randrange(10_000):04}e{dice.randrange(300):03}{dice.randrange(360):03}{status}")
    return head + bytes(dice.choice(b"\x00\x01\x24\x2a\x58\xbd\xf0\xff") for _ in range(size - len(head)))


def fed(session: Session, stream: bytes, dice: random.Random) -> list[Frame]:
    """The frames that come out while the stream goes in, in pieces of any size."""
    found: list[Frame] = []
    while stream:
        size = dice.choice((1, 13, 31, 32, 45, 200))
        session.receive(stream[:size])
        stream = stream[size:]
        found += session.frames(NOW_US)
    return found


@pytest.mark.parametrize("size", ID_BYTES)
def test_a_press_survives_every_cut(size: int) -> None:
    dice = random.Random(size)
    for _ in range(ROUNDS):
        presses = [dice.random() < 0.3 for _ in range(6)]
        frames = [binary(size, PRESSED if pressed else QUIET, dice) for pressed in presses]
        found = fed(Session("tcp"), b"".join(frames), dice)
        assert [bool(frame.kinds & Kind.SOS_BUTTON) for frame in found if not frame.refused] == presses
        assert {frame.device for frame in found} == {"2400079194" if ID_BYTES[size] == 5 else "001012600000014"}


@pytest.mark.parametrize("size", ID_BYTES)
def test_a_configured_length_gives_the_same_frames_for_every_cut(size: int) -> None:
    dice = random.Random(size)
    for _ in range(ROUNDS):
        frames = [TEXT % QUIET.encode() if dice.random() < 0.3 else binary(size, PRESSED, dice) for _ in range(6)]
        session = Session("tcp", DeviceSettings(config=f"binary_length={size}"))
        assert [frame.raw for frame in fed(session, b"".join(frames), dice)] == frames
        assert session.skipped_bytes == session.pending_bytes == 0


def test_frames_of_32_bytes_and_texts_need_no_setting() -> None:
    dice = random.Random(32)
    for _ in range(ROUNDS):
        frames = [TEXT % QUIET.encode() if dice.random() < 0.3 else binary(32, PRESSED, dice) for _ in range(6)]
        session = Session("tcp")
        assert [frame.raw for frame in fed(session, b"".join(frames), dice)] == frames
        assert session.skipped_bytes == 0


def test_a_length_that_nobody_sends_is_no_setting() -> None:
    session = Session("tcp", DeviceSettings(config="binary_length=33"))
    frame = binary(32, PRESSED, random.Random(1))
    session.receive(frame * 2)
    assert [found.raw for found in session.frames(NOW_US)] == [frame, frame]


@pytest.mark.parametrize(
    ("data", "confidence"),
    [(b"", 0), (b"*", 20), (b"*HQ,", 20), (b"*HQ,2400079194,V1,", 90), (b"*HQ;", 0), (b"$", 15), (b"$GPRMC,", 0), (b"$$A9,", 0), (b"X123", 0)],
)
def test_first_bytes_of_other_protocols_are_told_apart(data: bytes, confidence: int) -> None:
    assert recognise(data) == confidence


def test_a_second_press_raises_again_after_reports_without_one() -> None:
    story, session = Story(), Session("tcp")
    calm, pressed = TEXT % QUIET.encode(), TEXT % PRESSED.encode()

    def hear(raw: bytes) -> list[str]:
        story.wait(600)
        (report,) = session.read(raw, story.now.wall_us).reports
        events = story.sight(report.kinds, ago_s=0, standing=report.standing)
        for event in events:
            if isinstance(event, AlarmRaised):
                story.resolve(event.alarm_id)
        return names(events)

    assert [hear(raw) for raw in (calm, pressed, pressed, calm, calm, pressed, pressed)] == [
        [], ["AlarmRaised"], [], [], [], ["AlarmRaised"], [],
    ]  # fmt: skip
