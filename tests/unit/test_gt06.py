"""GT06 beyond its vectors: what a connection remembers, what the splitter survives, what an answer holds."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Frame, Kind
from gateway.protocols import gt06, open_session
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings, Session
from gateway.protocols.gt06_alarms import DIALECTS
from gateway.protocols.stream import NESTED_MAX
from tests.unit.gt06_frames import CELL, IMEI, alarm, frame, gps, login, status

NOW_US = 1_773_061_391_000_000

both = pytest.mark.parametrize("reference", [True, False], ids=["reference", "compiled"])


def connected(reference: bool, known: DeviceSettings = NOTHING_KNOWN) -> Session:
    session = open_session("gt06", "tcp", known, reference=reference)
    session.read(login(), NOW_US)
    return session


def fed(session: Session, data: bytes) -> list[Frame]:
    session.receive(data)
    return list(session.frames(NOW_US))


@both
def test_the_clock_request_is_answered_with_our_clock_in_utc(reference: bool) -> None:
    reply = connected(reference).read(frame(0x8A, serial=8), NOW_US).reply
    assert reply == frame(0x8A, bytes((26, 3, 9, 13, 3, 11)), 8)
    assert connected(reference).read(frame(0x8A), 951_782_400_000_000).reply == frame(0x8A, bytes((0, 2, 29, 0, 0, 0)))


@both
def test_settings_that_the_login_brought_hold_for_the_very_next_frame(reference: bool) -> None:
    """The registry knows the device only after its login; both may stand in one read of the socket."""
    session = open_session("gt06", "tcp", reference=reference)
    session.receive(login() + alarm(0x16, 0, 0x09) * 2)
    frames = session.frames(NOW_US)
    assert next(frames).device == IMEI
    assert next(frames).kinds == Kind.VIBRATION
    session.settings = DeviceSettings(model="VL103")
    assert next(frames).kinds == Kind.TOW
    assert session.settings.model == "VL103"


@both
def test_a_new_login_takes_the_zone_and_the_identity_of_the_old_one_away(reference: bool) -> None:
    session = open_session("gt06", "tcp", reference=reference)
    session.read(login(zone=800 << 4), NOW_US)
    east = session.read(frame(0x12, gps() + CELL), NOW_US).reports[0].event_at_us
    other = session.read(login("001012453457900"), NOW_US)
    assert other.device == session.device == "001012453457900"
    assert session.read(frame(0x12, gps() + CELL), NOW_US).reports[0].event_at_us == (east or 0) + 8 * 3_600_000_000


@both
def test_a_refused_login_changes_nothing(reference: bool) -> None:
    session = connected(reference)
    assert session.read(frame(0x01, bytes(8)), NOW_US).refused
    assert session.device == IMEI


@both
def test_a_setting_of_the_clock_is_believed_more_than_the_login(reference: bool) -> None:
    """Clones that send a zone and count in UTC exist; the operator who saw it wins."""
    session = open_session("gt06", "tcp", DeviceSettings(clock_offset_s=0), reference=reference)
    session.read(login(zone=800 << 4), NOW_US)
    assert session.read(frame(0x12, gps() + CELL), NOW_US).reports[0].event_at_us == NOW_US


@both
def test_only_a_believed_frame_is_answered(reference: bool) -> None:
    session = connected(reference)
    for kind in range(256):
        if kind != 0x01:
            for data in (frame(kind, status(4, 1), spoil=1), frame(kind, status(4, 1))[:-1]):
                refused = session.read(data, NOW_US)
                assert refused.refused and refused.reply is None and refused.reports == ()


@both
def test_an_alarm_behind_a_spoilt_frame_is_found(reference: bool) -> None:
    """A header of noise whose length ends exactly where the alarm ends: the checksum is wrong, the alarm inside is right."""
    sos = alarm(0x16, 4, 1)
    noise = b"\x78\x78" + bytes((len(sos) + 4 - 5,)) + b"\x13"
    frames = fed(connected(reference), noise + sos)
    assert [bool(one.refused) for one in frames] == [True, False]
    assert frames[0].raw == noise + sos
    assert frames[1].kinds == Kind.SOS_BUTTON


@both
def test_headers_inside_headers_cost_a_bounded_number_of_checksums(reference: bool) -> None:
    """2,000 headers that all promise to end at the same tail: each would be a checksum over 8 KiB."""
    size = 8_000
    nest = b"".join(b"\x79\x79" + (size - at - 6).to_bytes(2, "big") for at in range(0, size - 8, 4))
    nest = nest.ljust(size - 2, b"\0") + b"\r\n"
    session = connected(reference)
    frames = fed(session, nest + alarm(0x16, 4, 1))
    assert 1 <= len([one for one in frames if one.refused]) <= NESTED_MAX
    assert frames[-1].kinds == Kind.SOS_BUTTON


@both
def test_bytes_of_a_refused_frame_are_not_skipped_bytes(reference: bool) -> None:
    session = connected(reference)
    frames = fed(session, b"\x00\x01" + frame(0x13, status(), spoil=1) + frame(0x13, status()) + b"\x00")
    assert [bool(one.refused) for one in frames] == [True, False]
    assert session.skipped_bytes == 3


@both
def test_an_incomplete_frame_waits_without_being_skipped(reference: bool) -> None:
    session = connected(reference)
    sos = alarm(0x16, 4, 1)
    for byte in sos[:-1]:
        assert fed(session, bytes((byte,))) == []
    assert session.skipped_bytes == 0
    assert [one.kinds for one in fed(session, sos[-1:])] == [Kind.SOS_BUTTON]


def test_what_stays_buffered_is_bounded() -> None:
    session = gt06.Session("tcp")
    for chunk in (b"\x79\x79\x1f\xff" * 500, bytes(70_000), b"\x78\x78\xff" * 30_000, b"\x78" * 70_000):
        fed(session, chunk)
        assert len(session._buffer) - session._start <= gt06.FRAME_BYTES_MAX


@pytest.mark.parametrize("model", [None, *DIALECTS, "UNHEARD-OF", "vl103d"])
def test_twins_know_the_same_alarm_codes(model: str | None) -> None:
    known = DeviceSettings(model=model)
    compiled, plain = connected(False, known), connected(True, known)
    for bits, code in itertools.product(range(8), range(256)):
        raw = alarm(0x19, bits, code)
        assert compiled.read(raw, NOW_US) == plain.read(raw, NOW_US), (bits, code)


@given(data=st.binary(max_size=400), chunk=st.integers(1, 50))
@settings(max_examples=150, deadline=None)
def test_no_bytes_make_a_session_raise(data: bytes, chunk: int) -> None:
    for reference in (True, False):
        session = connected(reference)
        assert session.read(data, NOW_US).raw == data
        for at in range(0, len(data), chunk):
            fed(session, data[at : at + chunk])


def test_the_first_bytes_tell() -> None:
    assert gt06.recognise(login()) == 100
    assert gt06.recognise(login()[:7]) == gt06.recognise(b"\x78\x78") == 30
    assert 0 < gt06.recognise(b"\x79") < 30
    assert gt06.recognise(frame(0x13, status(), spoil=1)) == 60
    for noise in (b"", b"\x77", b"\x78\x79", b"GET / HTTP/1.1", b"\x78\x78\x01\x08\x0d\x0a"):
        assert gt06.recognise(noise) == 0
