"""Does the watch decoder keep its word? Whole frames stand in tests/vectors/watch.json; here are the rules behind them."""

import itertools

import pytest

from gateway.model import LIFE, Frame, Kind
from gateway.protocols import open_session
from gateway.protocols.base import DeviceSettings, Session
from gateway.protocols.watch import STATUS_BITS, STUFFED_BYTES_MAX, recognise

NOW_US = 1_773_234_191_000_000


def frame_of(content: str | bytes, length: int | None = None) -> bytes:
    data = content if isinstance(content, bytes) else content.encode("latin-1")
    return b"[SG*0101260001*%04X*%b]" % (len(data) if length is None else length, data)


def place(kind: str = "UD", status: str = "00000000", tail: str = "1,255,206,1,4660,22136,120,0", time: str = "110326,130311") -> str:
    return f"{kind},{time},A,51.054321,N,3.7212345,E,4.50,271.0,8.0,9,90,80,1234,0,{status},{tail}"


@pytest.fixture(params=["compiled", "reference"])
def session(request: pytest.FixtureRequest) -> Session:
    return open_session("watch", "tcp", reference=request.param == "reference")


def feed(session: Session, *chunks: bytes) -> list[Frame]:
    frames = []
    for chunk in chunks:
        session.receive(chunk)
        frames += session.frames(NOW_US)
    return frames


def test_sos_survives_any_companion_bit(session: Session) -> None:
    for bit, kind in STATUS_BITS:
        kinds = session.read(frame_of(place("AL", f"{1 << 16 | 1 << bit:08x}")), NOW_US).kinds
        assert kinds & Kind.SOS_BUTTON and kinds & kind


def test_every_pair_of_bits_is_reported_whole(session: Session) -> None:
    for (one, kind), (other, companion) in itertools.combinations(STATUS_BITS, 2):
        assert session.read(frame_of(place("UD", f"{1 << one | 1 << other:08x}")), NOW_US).kinds == kind | companion


@pytest.mark.parametrize("status", ["00000000", "00000001", "00000007", "0000001f", "80000000", "xyz", ""])
def test_an_alarm_frame_without_a_reason_is_still_an_alarm(session: Session, status: str) -> None:
    frame = session.read(frame_of(place("AL", status)), NOW_US)
    assert frame.kinds & LIFE == Kind.GENERAL and frame.reply == b"[SG*0101260001*0002*AL]"


def test_bits_that_nobody_knows_are_named(session: Session) -> None:
    (report,) = session.read(frame_of(place("UD", "80000020")), NOW_US).reports
    assert report.unread == ("status bits 80000020",) and report.kinds == Kind.POSITION


@pytest.mark.parametrize("content", ["AL", "AL,", "AL,\x00\xff\x1b", "ALARM", "AL" + "," * 40])
def test_an_alarm_is_answered_whatever_it_holds(session: Session, content: str) -> None:
    frame = session.read(frame_of(content), NOW_US)
    assert not frame.refused and frame.kinds & LIFE and frame.reply == b"[SG*0101260001*0002*AL]"


def test_local_time_becomes_utc_by_the_device_setting(session: Session) -> None:
    (utc,) = session.read(frame_of(place()), NOW_US).reports
    session.settings = DeviceSettings(clock_offset_s=3600)
    (local,) = session.read(frame_of(place()), NOW_US).reports
    assert utc.event_at_us == NOW_US and local.event_at_us == NOW_US - 3_600_000_000


def test_years_of_two_digits_that_mean_nothing_are_no_time(session: Session) -> None:
    (report,) = session.read(frame_of(place(time="010175,000000")), NOW_US).reports
    assert report.event_at_us is None and "time" in report.unread and report.fix is not None


def test_stored_positions_are_marked(session: Session) -> None:
    stored = [session.read(frame_of(place(kind)), NOW_US).reports[0].stored for kind in ("UD", "UD2", "UD3", "UD_LTE", "UD2_LTE", "AL")]
    assert stored == [False, True, True, False, True, False]


def test_cells_and_access_points_are_read_with_hostile_names(session: Session) -> None:
    tail = "2,1,206,1,10,11,90,20,21,80,3,][,aa:bb:cc:dd:ee:01,-60,a,b]c,AA:BB:CC:DD:EE:02,-71,,aa:bb:cc:dd:ee:03,-80,12.5"
    (report,) = session.read(frame_of(place(tail=tail)), NOW_US).reports
    assert [(cell.mcc, cell.mnc, cell.lac, cell.cid) for cell in report.cells] == [(206, 1, 10, 11), (206, 1, 20, 21)]
    assert [(point.mac[-2:], point.rssi_dbm) for point in report.wifi] == [("01", -60), ("02", -71), ("03", -80)]
    assert report.fix is not None and report.fix.accuracy_m == 12.5


@pytest.mark.parametrize("length", [3, 20, 90, 300, 0xFFFF])
def test_an_alarm_with_a_wrong_length_does_not_wait(session: Session, length: int) -> None:
    raw = frame_of(place("AL", "00010000"), length)
    (frame,) = feed(session, raw)
    assert frame.raw == raw and frame.kinds == Kind.SOS_BUTTON and frame.reports[0].unread == ("length field wrong",)


def test_names_with_brackets_are_waited_for_byte_by_byte(session: Session) -> None:
    raw = frame_of(place("AL", "00010000", "0,2,a]b,aa:bb:cc:dd:ee:01,-60,[c][d],aa:bb:cc:dd:ee:02,-71,25.0"))
    frames = feed(session, *(raw[at : at + 1] for at in range(len(raw))))
    assert [frame.raw for frame in frames] == [raw] and session.skipped_bytes == 0


def test_the_next_frame_ends_one_whose_length_promises_more(session: Session) -> None:
    lie, good = frame_of("heart,72", 40), frame_of("LK,1,2,83")
    assert [frame.raw for frame in feed(session, lie + good)] == [lie, good]


def test_voice_hides_no_alarm_and_stays_bounded(session: Session) -> None:
    alarm = frame_of(place("AL", "00010000"))
    voice = frame_of(b"TK," + b"v" * (2 * STUFFED_BYTES_MAX))
    frames = feed(session, *(voice[at : at + 500] for at in range(0, len(voice), 500)), alarm)
    assert [frame.raw for frame in frames] == [alarm] and session.skipped_bytes == len(voice)


def test_noise_is_skipped_and_counted(session: Session) -> None:
    good = frame_of("LK")
    assert [frame.raw for frame in feed(session, b"\r\n[[[x]", good, b"]]", good)] == [good, good]
    assert session.skipped_bytes == 9


def test_an_alarm_in_a_frame_without_an_end_is_named(session: Session) -> None:
    for kind in ("AL", "UD"):
        frame = session.read(frame_of(place(kind, "00010000"))[:-1], NOW_US)
        assert frame.refused and frame.unverified and frame.unverified.kinds == Kind.SOS_BUTTON and frame.device == "0101260001"
    assert session.read(frame_of(place())[:-1], NOW_US).unverified is None


def test_the_answer_repeats_maker_id_and_index(session: Session) -> None:
    assert session.read(b"[ZJ*001012600000005*00a1*0002*LK]", NOW_US).reply == b"[ZJ*001012600000005*00a1*0002*LK]"
    assert session.device == "001012600000005"


def test_the_first_bytes_tell_the_protocol() -> None:
    raw = b"[ZJ*001012600000005*00a1*0002*LK]"
    grades = [recognise(raw[:size]) for size in range(1, len(raw) + 1)]
    assert grades == sorted(grades) and grades[0] > 0 and grades[-1] >= 50
    assert recognise(b"") == recognise(b"[12345]") == recognise(b"SG*") == 0
