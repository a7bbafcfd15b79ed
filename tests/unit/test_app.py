"""Does the app path keep its word? Bodies stand in tests/vectors/app.json; here are the rules behind them."""

import json

import pytest

from gateway.model import LIFE, Frame, Kind, kind_names
from gateway.protocols.app import KINDS, SOURCES, Session, recognise
from gateway.protocols.messages import json_depth

NOW_US = 1_773_234_191_000_000


def read(body: object) -> Frame:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Session("http", peer="dev-0042").read(raw, NOW_US)


@pytest.mark.parametrize("name", kind_names(KINDS))
def test_every_kind_that_an_app_may_say_is_read(name: str) -> None:
    frame = read({"id": "1", "kind": name})
    assert frame.kinds == Kind[name.upper()] and frame.device == "dev-0042"


@pytest.mark.parametrize("name", kind_names(Kind(sum(Kind.__members__.values())) & ~KINDS))
def test_what_no_app_reports_is_refused(name: str) -> None:
    frame = read({"id": "1", "kind": name})
    assert frame.refused and frame.refused.reason == "field"


@pytest.mark.parametrize("kind", ["panic", "", None, 7, [], {}, True, "sos_app ", "x" * 9999, "\x1b[2J"])
def test_a_kind_that_cannot_be_read_is_an_alarm(kind: object) -> None:
    (report,) = read({"id": "1", "kind": kind}).reports
    assert report.kinds & LIFE and all(note.isprintable() and len(note) < 100 for note in report.unread)


def test_copies_of_a_press_have_one_sequence_and_other_presses_another() -> None:
    sequences = [read({"id": word}).reports[0].sequence for word in ("a", "a", "b", 7, "7")]
    assert sequences[0] == sequences[1] != sequences[2] and sequences[3] == sequences[4]
    assert all(sequence is not None and 0 <= sequence < 2**63 for sequence in sequences)


@pytest.mark.parametrize("word", [None, "", [], {}, True, 1.5, "x" * 129])
def test_a_press_without_an_id_is_a_press(word: object) -> None:
    (report,) = read({"id": word}).reports
    assert report.kinds == Kind.SOS_APP and report.sequence is None and report.unread


@pytest.mark.parametrize(
    ("at", "at_us"),
    [("2026-03-11T13:03:11Z", NOW_US), ("2026-03-11t14:03:11+01:00", NOW_US), ("2026-03-11T13:03:11.123456789Z", NOW_US + 123_456),
     ("2026-03-11T13:03:11", None), ("2026-02-30T00:00:00Z", None), ("0001-01-01T00:00:00+23:59", None), ("soon", None), (NOW_US, None), ([], None)],
)  # fmt: skip
def test_times_need_their_zone(at: object, at_us: int | None) -> None:
    (report,) = read({"id": "1", "at": at}).reports
    assert report.event_at_us == at_us and bool(report.unread) == (at_us is None)


@pytest.mark.parametrize("place", [[], "51,3", {"lat": "51", "lon": 3}, {"lat": 1e400, "lon": 3}, {"lat": 91, "lon": 0}, {"lat": 1, "lon": 181},
                                   {"lat": 0, "lon": 0}, {"lat": True, "lon": 1}, {"lat": 1}, {}, 5, {"lat": None, "lon": None}])  # fmt: skip
def test_a_press_with_a_position_that_cannot_be_meant_is_a_press_without_one(place: object) -> None:
    (report,) = read({"id": "1", "position": place}).reports
    assert report.kinds == Kind.SOS_APP and report.fix is None and report.unread


def test_sources_of_positions_are_those_of_the_model() -> None:
    for source in SOURCES:
        (report,) = read({"id": "1", "position": {"lat": 51, "lon": 3, "source": source}}).reports
        assert report.fix is not None and report.fix.source == source and not report.unread
    (other,) = read({"id": "1", "position": {"lat": 51, "lon": 3, "source": ["x"]}}).reports
    assert other.fix is not None and other.fix.source == "app" and other.unread


def test_what_is_unknown_is_named_without_its_value() -> None:
    (report,) = read({"id": "1", "secret": "hush", "\ud800": 1, "position": {"lat": 51, "lon": 3, "floor": 2}}).reports
    assert report.unread == ("unknown key position.floor", "unknown key secret", "unknown key \ufffd")


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b"\xff", b'"SOS"', b"{" * 20_000, b"[" * 10_000, b'{"id":"1"} x', b'{"a":' * 40 + b"1" + b"}" * 40,
            "\ufeff{}".encode()]
)  # fmt: skip
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    frame = read(raw)
    assert frame.refused and frame.refused.reason in ("framing", "length") and "SOS" not in frame.refused.detail


def test_the_first_bytes_tell_a_press_from_other_json() -> None:
    assert recognise(b'{"kind":"fall"}') == 80 and recognise(b"{}") == 10 and recognise(b"SOS") == 0


def test_bodies_are_whole_and_come_out_in_order() -> None:
    session = Session("http", peer="dev-0042")
    session.receive(b'{"kind":"fall"}')
    session.receive(b'{"kind":"cancel"}')
    assert [frame.kinds for frame in session.frames(NOW_US)] == [Kind.FALL, Kind.CANCEL_CLAIM]
    assert list(session.frames(NOW_US)) == []


def test_a_text_that_nothing_closes_is_measured_in_one_pass() -> None:
    """Each quote began a search to the end of the body; 16 KiB of quotes behind backslashes cost a second."""
    assert json_depth(b'{"a": "' + b'\\"' * 8_000) == 1
    assert json_depth(b'{"a": "[[[') == 1
    assert json_depth(b'{"a": "]\\"[[", "b": [[1]]}') == 3
