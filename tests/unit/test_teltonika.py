"""Does the Teltonika decoder keep its word? Whole frames stand in tests/vectors/teltonika.json; here are the rules behind them."""

import pytest

from gateway.model import Frame, Kind
from gateway.protocols import open_session
from gateway.protocols.base import DeviceSettings, Session
from gateway.protocols.octets import crc16_arc
from gateway.protocols.teltonika import DATA_BYTES_MAX, recognise

NOW_US = 1_773_234_191_000_000
IMEI = "001012600000017"
LOGIN = b"\x00\x0f" + IMEI.encode()
SOS = (236, 1, 1)


def record(event: int = 0, priority: int = 0, *elements: tuple[int, int, int], at_us: int = NOW_US, satellites: int = 9) -> bytes:
    """A codec 8 record; elements are (id, size, value)."""
    head = (at_us // 1000).to_bytes(8, "big") + bytes((priority,)) + (37_212_345).to_bytes(4, "big") + (510_543_210).to_bytes(4, "big")
    head += (8).to_bytes(2, "big") + (271).to_bytes(2, "big") + bytes((satellites,)) + (4).to_bytes(2, "big") + bytes((event, len(elements)))
    for size in (1, 2, 4, 8):
        group = [(number, value) for number, width, value in elements if width == size]
        head += bytes((len(group),)) + b"".join(bytes((number,)) + value.to_bytes(size, "big") for number, value in group)
    return head


def packet(*records: bytes, codec: int = 8) -> bytes:
    data = bytes((codec, len(records))) + b"".join(records) + bytes((len(records),))
    return bytes(4) + len(data).to_bytes(4, "big") + data + crc16_arc(data).to_bytes(4, "big")


@pytest.fixture(params=["compiled", "reference"])
def session(request: pytest.FixtureRequest) -> Session:
    """A connection that has logged in."""
    session = open_session("teltonika", "tcp", reference=request.param == "reference")
    session.read(LOGIN, NOW_US)
    return session


def spoil(raw: bytes) -> bytes:
    return raw[:-1] + bytes((raw[-1] ^ 1,))


def test_every_record_of_a_packet_is_read_in_wire_order(session: Session) -> None:
    frame = session.read(packet(record(at_us=NOW_US - 2_000_000), record(236, 2, SOS), record(at_us=NOW_US - 1_000_000)), NOW_US)
    assert [report.kinds for report in frame.reports] == [Kind.POSITION, Kind.SOS_BUTTON, Kind.POSITION]
    assert frame.reply == b"\x00\x00\x00\x03"


@pytest.mark.parametrize("companion", [(242, 1, 1), (113, 1, 3), (67, 2, 3000), (66, 2, 0), (240, 1, 1), (236, 1, 0)])
def test_sos_survives_any_companion_element(session: Session, companion: tuple[int, int, int]) -> None:
    for elements in ((SOS, companion), (companion, SOS)):
        assert session.read(packet(record(0, 0, *elements)), NOW_US).kinds & Kind.SOS_BUTTON


def test_an_alarm_in_a_routine_record_stands_and_one_with_its_own_event_does_not(session: Session) -> None:
    standing, pressed = session.read(packet(record(0, 0, SOS), record(236, 1, SOS)), NOW_US).reports
    assert standing.standing and not pressed.standing


def test_panic_without_a_known_alarm_is_an_alarm_unless_the_device_uses_it_for_routine(session: Session) -> None:
    raw = packet(record(239, 2, (239, 1, 1)))
    assert session.read(raw, NOW_US).kinds == Kind.GENERAL
    session.settings = DeviceSettings(config="teltonika_panic_is_routine")
    assert session.read(raw, NOW_US).kinds == Kind.POSITION
    assert session.read(packet(record(239, 2, SOS)), NOW_US).kinds == Kind.SOS_BUTTON


def test_settings_that_come_after_the_login_are_used(session: Session) -> None:
    raw = packet(record(247, 1, (247, 1, 1)))
    assert session.read(raw, NOW_US).kinds == Kind.POSITION
    session.settings = DeviceSettings(model="FMB920")
    assert session.read(raw, NOW_US).kinds == Kind.ACCIDENT


def test_vehicle_elements_of_another_width_mean_something_else(session: Session) -> None:
    session.settings = DeviceSettings(model="FMB920")
    assert session.read(packet(record(246, 1, (246, 2, 1))), NOW_US).kinds == Kind.POSITION


def test_a_wrong_checksum_is_not_answered_but_its_alarm_is_named(session: Session) -> None:
    frame = session.read(spoil(packet(record(), record(236, 1, SOS))), NOW_US)
    assert frame.refused and frame.refused.reason == "checksum"
    assert frame.reply is None and frame.reports == ()
    assert frame.unverified and frame.unverified.kinds == Kind.SOS_BUTTON
    assert frame.device == IMEI
    plain = session.read(spoil(packet(record())), NOW_US)
    assert plain.refused and plain.unverified is None


def test_a_time_that_no_clock_shows_is_kept_and_marked(session: Session) -> None:
    (old,) = session.read(packet(record(at_us=0)), NOW_US).reports
    assert old.event_at_us == 0 and old.unread == ("time outside 2010 to tomorrow",)
    (far,) = session.read(packet(record(at_us=(2**63 - 1) * 1000)), NOW_US).reports
    assert far.event_at_us is None and far.fix is not None and far.unread


def test_no_satellites_means_no_fix_but_the_last_place_is_told(session: Session) -> None:
    (report,) = session.read(packet(record(satellites=0)), NOW_US).reports
    assert report.fix is not None and not report.fix.valid


def test_nothing_is_answered_before_a_login() -> None:
    for reference in (False, True):
        frame = open_session("teltonika", "tcp", reference=reference).read(packet(record(236, 2, SOS)), NOW_US)
        assert frame.refused and frame.refused.reason == "identity" and frame.reply is None
        assert frame.unverified and frame.unverified.kinds == Kind.SOS_BUTTON


def feed(session: Session, *chunks: bytes) -> list[Frame]:
    frames = []
    for chunk in chunks:
        session.receive(chunk)
        frames += session.frames(NOW_US)
    return frames


def test_a_packet_behind_a_length_that_lies_is_found(session: Session) -> None:
    good = packet(record(236, 2, SOS))
    lie = bytes(4) + (60_000).to_bytes(4, "big") + b"\x08\x01" + b"\x55" * 30
    frames = feed(session, lie, good)
    assert [frame.raw for frame in frames] == [good] and session.skipped_bytes == len(lie)


def test_a_packet_inside_a_spoilt_one_is_found_and_its_bytes_are_counted_once(session: Session) -> None:
    good = packet(record(236, 2, SOS))
    cut = good[:40]
    frames = feed(session, cut + good, packet(record()))
    assert [bool(frame.refused) for frame in frames] == [True, False, False]
    assert frames[1].raw == good and session.skipped_bytes == 0


def test_digits_inside_a_packet_are_no_login(session: Session) -> None:
    other = b"\x00\x0f" + b"001012600999999"
    data = b"\x08\x01" + other + b"\x01"
    raw = bytes(4) + len(data).to_bytes(4, "big") + data + b"\x00\x00\xff\xff"
    feed(session, raw)
    assert session.device == IMEI


def test_a_ping_counts_between_frames_only(session: Session) -> None:
    frames = feed(session, b"\xff" + b"GET /\xff\xff" + LOGIN + b"\xff")
    assert [frame.kinds for frame in frames] == [Kind.HEARTBEAT, Kind.LOGIN, Kind.HEARTBEAT]


def test_what_stays_buffered_is_bounded(session: Session) -> None:
    endless = bytes(4) + (DATA_BYTES_MAX + 1).to_bytes(4, "big") + b"\x08" + b"\x11" * 200_000
    feed(session, endless)
    good = packet(record())
    assert feed(session, good)[-1].raw == good


def test_the_first_bytes_tell_the_protocol() -> None:
    assert recognise(LOGIN) == recognise(packet(record())) == 100
    assert all(0 < recognise(LOGIN[:size]) < 50 for size in range(1, len(LOGIN)))
    assert recognise(b"") == recognise(b"[SG*8800000015*0002*LK]") == recognise(b"\x78\x78\x0d\x01") == 0


def test_a_datagram_says_who_sent_it_and_is_answered_with_its_own_packet_id() -> None:
    for reference in (False, True):
        data = b"\x08\x01" + record(236, 2, SOS) + b"\x01"
        body = b"\xca\xfe\x01\x05" + LOGIN + data
        frame = open_session("teltonika", "udp", reference=reference).read(len(body).to_bytes(2, "big") + body, NOW_US)
        assert frame.device == IMEI and frame.kinds == Kind.SOS_BUTTON and frame.reply == bytes.fromhex("0005cafe010501")


def test_a_datagram_of_nobody_is_not_laid_to_the_one_before() -> None:
    for reference in (False, True):
        session = open_session("teltonika", "udp", reference=reference)
        data = b"\x08\x01" + record() + b"\x01"
        body = b"\xca\xfe\x01\x05" + LOGIN + data
        assert session.read(len(body).to_bytes(2, "big") + body, NOW_US).device == IMEI
        assert session.read(b"\x00\x08\xca\xfe\x01\x05\x00\x0fxx", NOW_US).device is None
