"""Laipac: the line that ends an alarm in the device, and who is believed."""

import pytest

from gateway.protocols import laipac, open_session
from gateway.protocols.laipac import line, reset_line
from tests.vectors.sheets import NOW_US


def test_the_reset_of_the_paper() -> None:
    assert reset_line("3") == b"$AVCFG,00000000,d*31\r\n"


@pytest.mark.parametrize(("event", "reset"), list(laipac.RESETS.items()))
def test_each_event_has_its_reset_under_the_device_s_password(event: str, reset: str) -> None:
    assert reset_line(event, "4321") == line(b"AVCFG,4321," + reset.encode())


@pytest.mark.parametrize("event", ["0", "5", "6", "7", "8", "H", "A", "a", "", "33"])
def test_events_without_an_alarm_to_end_have_no_reset(event: str) -> None:
    assert reset_line(event) is None


def test_a_word_that_is_no_ascii_still_makes_a_line() -> None:
    assert reset_line("3", "pässword") == line(b"AVCFG,p?ssword,d")


def test_a_damaged_press_is_told_under_the_identity_that_stands_in_it() -> None:
    session = open_session("laipac", "udp")
    frame = session.read(b"$AVRMC,99999001,210405,A,5103.2297,N,00343.5007,E,0.50,93.00,140326,3,3.911,14,1,0,0*00\r\n", NOW_US)
    assert frame.refused and frame.unverified and frame.reply is None
    assert session.device == "99999001"


def test_a_damaged_press_does_not_change_whose_connection_it_is() -> None:
    session = open_session("laipac", "tcp")
    session.read(line(b"AVSYS,99999001,V1.50,SN0000103,32768"), NOW_US)
    frame = session.read(b"$AVRMC,99999002,210405,A,5103.2297,N,00343.5007,E,0.50,93.00,140326,3,3.911,14,1,0,0*00\r\n", NOW_US)
    assert frame.device == "99999001"


@pytest.mark.parametrize(
    ("data", "confidence"),
    [(b"", 0), (b"$", 20), (b"$AV", 20), (b"$AVRMC,", 80), (b"$GPRMC,", 0), (line(b"ECHK,1,2"), 95), (b"$ECHK,1,2*00\r\n", 80)],
)
def test_it_is_recognised_by_the_names_of_its_sentences(data: bytes, confidence: int) -> None:
    assert laipac.recognise(data) == confidence
