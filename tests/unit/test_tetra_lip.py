"""TETRA LIP: which month a day of the month belongs to, and what a message must look like."""

import pytest

from gateway.protocols import open_session, tetra_lip
from gateway.protocols.octets import civil_us
from gateway.protocols.tetra_lip import month_time_us
from tests.vectors.sheets import NOW_US

BEACON = bytes.fromhex("0a010e6239b0439affe020")
"A short report of a radio on the air: 37.9920 N 23.7642 E."


@pytest.mark.parametrize(
    ("now", "said", "month"),
    [
        ((2026, 3, 1, 0, 0, 2), (28, 23, 59, 58), (2026, 2)),
        ((2026, 1, 1, 0, 0, 2), (31, 23, 59, 58), (2025, 12)),
        ((2026, 5, 1, 0, 0, 2), (30, 23, 59, 58), (2026, 4)),
        ((2026, 3, 31, 23, 59, 58), (1, 0, 0, 2), (2026, 4)),
        ((2026, 12, 31, 23, 59, 58), (1, 0, 0, 2), (2027, 1)),
        ((2024, 2, 29, 12, 0, 0), (29, 11, 59, 59), (2024, 2)),
        ((2026, 3, 9, 13, 3, 11), (10, 1, 0, 0), (2026, 3)),
        ((2026, 3, 9, 13, 3, 11), (10, 2, 0, 0), (2026, 2)),
    ],
)
def test_a_time_of_the_month_is_the_newest_that_is_not_to_come(
    now: tuple[int, ...], said: tuple[int, int, int, int], month: tuple[int, int]
) -> None:
    now_us = civil_us(*now)
    assert now_us is not None
    assert month_time_us(*said, now_us) == civil_us(*month, *said)


@pytest.mark.parametrize("said", [(31, 12, 0, 0), (0, 12, 0, 0), (9, 24, 0, 0), (9, 12, 60, 0), (9, 12, 0, 60)])
def test_a_time_that_is_in_neither_month_is_none(said: tuple[int, int, int, int]) -> None:
    assert month_time_us(*said, NOW_US) is None


def test_the_beacon_is_where_the_dossier_says() -> None:
    (report,) = open_session("tetra-lip", "sds", peer="2061234").read(BEACON, NOW_US).reports
    assert report.fix is not None
    assert (round(report.fix.lat_e7 / 1e7, 4), round(report.fix.lon_e7 / 1e7, 4)) == (37.9920, 23.7642)


def test_every_message_is_a_frame() -> None:
    session = open_session("tetra-lip", "sds", peer="2061234")
    session.receive(BEACON)
    session.receive(BEACON[:4])
    frames = list(session.frames(NOW_US))
    assert [(frame.raw, frame.refused is None, frame.device) for frame in frames] == [(BEACON, True, "2061234"), (BEACON[:4], False, "2061234")]
    assert session.pending_bytes == 0


def test_an_empty_message_is_refused() -> None:
    frame = open_session("tetra-lip", "sds").read(b"", NOW_US)
    assert frame.refused is not None and frame.refused.reason == "length"


@pytest.mark.parametrize(
    ("data", "confidence"),
    [
        (BEACON, 80), (bytes.fromhex("0a4d45ae1f9f9fb23e0810"), 80), (b"", 0), (BEACON[:-1], 0), (BEACON + b"\0", 0), (b"\x82" + BEACON[1:], 0),
        (BEACON[:-1] + b"\x21", 0), (b"\n98AB0042\"ADM-CID\"0001", 0), (b"\x0a\xc0" + bytes(9), 0),
    ],
)  # fmt: skip
def test_a_report_is_recognised_by_its_size_and_padding(data: bytes, confidence: int) -> None:
    assert tetra_lip.recognise(data) == confidence
