"""Does the text decoder keep its word? Whole messages stand in tests/vectors/sms.json; here are the rules behind them."""

import itertools

import pytest

from gateway.model import LIFE, Frame, Kind
from gateway.protocols.sms import KEYWORDS, TEXT_CHARS_MAX, Session, kinds_of, position_of, recognise
from gateway.protocols.sms_message import GSM7, Concat, SmsMessage, concat_of, gsm7_text, ports_of, readings, unpack_septets

NOW_US = 1_773_234_191_000_000
WORDS = (
    "help me!", "No GPS. help me", "SOS!", "Anna: SOS!", "Fall alert!", "Man down!", "No motion alert!", "Cut Power!", "low battery!", "Shock Alarm!",
    "stockade!", "move!", "speed 080!",
)  # fmt: skip


def read(text: str, peer: str | None = "+32470000001") -> Frame:
    return Session("sms", peer=peer).read(text.encode("utf-8", "surrogatepass"), NOW_US)


def test_every_keyword_has_its_witness() -> None:
    assert len(WORDS) == len(KEYWORDS)
    for text, (word, kind) in zip(WORDS, KEYWORDS, strict=True):
        assert word.search(text) and kinds_of(text) == kind


def test_two_alarms_in_one_message_are_both_reported() -> None:
    for one, other in itertools.permutations(WORDS, 2):
        assert kinds_of(f"{one}\n{other}") == kinds_of(one) | kinds_of(other)


def test_an_alarm_needs_no_position_and_a_position_no_alarm() -> None:
    (alone,) = read("help me!").reports
    (placed,) = read("geo:51.054321,3.721235").reports
    assert alone.kinds == Kind.SOS_SMS and alone.fix is None
    assert placed.kinds == Kind.POSITION and placed.fix is not None


@pytest.mark.parametrize("text", ["helpme", "help  me", "held me now", "Help Me", "hlp me", "halp me!", "* help me *", "xx\nhelp me"])
def test_a_call_for_help_is_heard_with_one_typing_error(text: str) -> None:
    assert kinds_of(text) == Kind.SOS_SMS


@pytest.mark.parametrize("text", ["help", "help menu", "can you help me", "hello you", "whelp memory", "SOSTENUTO", "xsos", "SOSx 1"])
def test_what_only_looks_like_an_alarm_is_none(text: str) -> None:
    assert not kinds_of(text) & LIFE


@pytest.mark.parametrize(
    "text",
    [
        "SOS from Anna", "SOS button pressed", "SOS_ALERT", "Battery low. SOS!", "No GPS. help me!", "Signal:F help me imei:1",
        "SOS wifi geo:1,1", "S.O.S.", "S.O.S! geo:1,1", "Emergency SOS", "EMERGENCY SOS alert", "S.O.S",
    ],
)
def test_a_call_for_help_is_heard_among_other_words(text: str) -> None:
    assert kinds_of(text) & Kind.SOS_SMS


@pytest.mark.parametrize(
    "text",
    [
        "SOS number 3", "S.O.S. numbers: 1", "emergency sos contacts", "SOS call list", "Contacts: SOS, Anna",
        "text help me to 123", "no motion alert: off", "fall detection on",
    ],
)
def test_an_answer_about_settings_is_no_call_for_help(text: str) -> None:
    assert not kinds_of(text) & LIFE


def test_a_stray_sos_is_no_alarm_but_is_told() -> None:
    (report,) = read("number of the SOS button: 1").reports
    assert report.kinds == Kind.HEARTBEAT and report.unread == ("SOS where no alarm word stands",)


def test_local_times_are_told_but_never_believed() -> None:
    (report,) = read("SOS Alarm! <DateTime:26-03-11 13:03:11>,geo:51.054321,3.721235").reports
    assert report.event_at_us is None and report.fix is not None and report.fix.at_us is None
    assert report.unread == ("local time 26-03-11 13:03:11",)


def test_the_identity_is_the_imei_in_the_text_else_the_sender() -> None:
    assert read("help me imei:001012600000013").device == "001012600000013"
    assert read("help me").device == "+32470000001"
    assert read("help me", peer=None).device is None


@pytest.mark.parametrize(
    ("text", "lat_e7", "lon_e7"),
    [
        ("lat:51.5 long:3.5", 515_000_000, 35_000_000),
        ("lat=S33.5,lng=W70.25", -335_000_000, -702_500_000),
        ("Lat: 33.5S, Lon: 70.25W", -335_000_000, -702_500_000),
        ("lat:-33.5S lon:-70.25W", -335_000_000, -702_500_000),
        ("http://maps.google.com/?q=%2B51.5%2C-3.5 http://maps.google.com/?q=1,1", 515_000_000, -35_000_000),
        ("maps?q=0,0 geo:51.5,3.5", 515_000_000, 35_000_000),
        ("maps?q=N51500000,E3.5 then geo:51.5,3.5", 515_000_000, 35_000_000),
    ],
)
def test_the_first_place_on_earth_is_taken(text: str, lat_e7: int, lon_e7: int) -> None:
    fix = position_of(text)
    assert fix is not None and (fix.lat_e7, fix.lon_e7) == (lat_e7, lon_e7)


def test_what_the_text_says_of_its_place_is_kept() -> None:
    cell, none, plain = position_of("LBS geo:51.5,3.5"), position_of("no gps! geo:51.5,3.5"), position_of("geo:51.5,3.5 12km/h")
    assert cell is not None and cell.source == "cell" and cell.valid
    assert none is not None and none.source == "gnss" and not none.valid
    assert plain is not None and plain.valid and plain.speed_kmh == 12


@pytest.mark.parametrize(
    "text",
    [
        "\x00", "\x1b[2J", "<img onerror=x>", "=cmd|' /C calc'!A0", "../../x", "C:\\x", "\u202e51.05,3.72", "\ud800", "A\"ML=1", "A\"ML=",
        "A\"ML=2;et=9e99;lt=-1e9;lo=1,2", "lat:" * 3000, "maps" * 3000, "! " * 6000, "sos " * 3000, " " * 12_000, "\n" * 12_000, "1.1111," * 3000,
        "sos" + " " * 12_000 + "x", "é" * 65_536,
    ],
)  # fmt: skip
def test_hostile_text_is_read_without_harm(text: str) -> None:
    for tail in ("", "\nSOS!"):
        frame = read(text[: TEXT_CHARS_MAX - 8] + tail)
        for report in frame.reports:
            assert report.text is not None and len(report.text) <= TEXT_CHARS_MAX
            report.text.encode()
            assert bool(report.kinds & LIFE) == (tail != "") or text.startswith("sos ")


def test_an_empty_message_is_a_sign_of_life() -> None:
    assert read("").kinds == Kind.HEARTBEAT


def pack(text: str) -> bytes:
    """TS 23.038 section 6.1.2.1.1, the other way round."""
    bits = sum(GSM7.index(char) << 7 * at for at, char in enumerate(text))
    return bits.to_bytes((7 * len(text) + 7) // 8, "little")


def test_packed_septets_are_unpacked_as_the_paper_prints_them() -> None:
    assert pack("hellohello").hex() == "e8329bfd4697d9ec37"
    assert gsm7_text(unpack_septets(bytes.fromhex("e8329bfd4697d9ec37"))).removesuffix("@") == "hellohello"
    assert gsm7_text(unpack_septets(bytes.fromhex("D3E714548BB96035DA8C3573DD62371A"))).startswith("SOS 51.0543,3.7174")


@pytest.mark.parametrize("size", range(1, 40))
def test_an_alarm_is_heard_in_any_packing(size: int) -> None:
    text = "SOS!" + " at home, first floor, second door on the left"[:size]
    for raw in (pack(text), text.encode(), text.encode("utf-16-be")):
        assert Session("sms").read(raw, NOW_US).kinds == Kind.SOS_SMS


def test_escapes_of_the_alphabet_are_read() -> None:
    assert gsm7_text([0x1B, 0x65, 0x1B, 0x3C, 0x1B, 0x3E, 0x1B, 0x41, 0x1B]) == "€[]A"
    assert gsm7_text([0x1B, 0x1B, 0x41]) == "\x1bA"


def test_bytes_always_mean_something() -> None:
    for raw in (b"", b"\xff", b"\x00\xd8\x00", bytes(range(256))):
        assert list(readings(raw))


def test_a_header_says_which_part_of_what_and_a_broken_one_nothing() -> None:
    assert concat_of(bytes.fromhex("0500032A0201")) == Concat(0x2A, 2, 1)
    assert concat_of(bytes.fromhex("06080401020302")) == Concat(0x0102, 3, 2)
    assert concat_of(bytes.fromhex("0B0504158200000003FF0302")) == Concat(0xFF, 3, 2)
    assert ports_of(bytes.fromhex("0B0504158200000003FF0302")) == (0x1582, 0)
    for broken in ("", "00", "05", "0500032A", "0500032A0200", "0500032A0203", "0500032A0101", "FF00032A02", "0500FF2A0201"):
        assert concat_of(bytes.fromhex(broken)) is None


def test_a_part_that_is_read_alone_says_what_is_missing() -> None:
    part = SmsMessage("kannel", "1", "+32470000001", "+32460123456", "gsm7", b"SOS! I am at", NOW_US, concat=Concat(42, 2, 1), missing=1)
    (report,) = Session("sms", peer=part.sender).read_message(part, NOW_US).reports
    assert report.sequence == 42 and "1 of 2 parts missing" in report.unread


def test_a_text_happened_when_the_carrier_had_it_unless_it_says_so_itself() -> None:
    sent_us = NOW_US - 6 * 3_600_000_000
    plain = SmsMessage("kannel", "1", "+32470000001", "+32460123456", "gsm7", b"SOS!", NOW_US, carrier_at_us=sent_us)
    located = SmsMessage("kannel", "2", "+32470000001", "", "gsm7", b'A"ML=1;lt=+51.0;lg=+3.7;top=20260309130311;ml=1', NOW_US, carrier_at_us=sent_us)
    read_message = Session("sms", peer="+32470000001").read_message
    assert read_message(plain, NOW_US).reports[0].event_at_us == sent_us
    assert read_message(located, NOW_US).reports[0].event_at_us == 1_773_061_391_000_000


def test_a_message_tells_itself_apart_from_noise() -> None:
    assert recognise(b'A"ML=1;lt=+1.00000') == 90 and recognise(b"SOS!") == 60 and recognise(b"hello") == 5 and recognise(b"") == 0


def test_messages_are_whole_and_come_out_in_order() -> None:
    session = Session("sms", peer="+32470000001")
    session.receive(b"SOS!")
    session.receive(b"hello")
    assert [frame.kinds for frame in session.frames(NOW_US)] == [Kind.SOS_SMS, Kind.HEARTBEAT]


@pytest.mark.parametrize("top", ["20260230000000", "2026", "soon", ""])
def test_a_telephone_with_an_impossible_time_is_still_somewhere(top: str) -> None:
    (report,) = read(f'A"ML=1;lt=+51.05432;lg=+3.72123;rd=12;top={top};pm=G;ei=001012600000013').reports
    assert report.event_at_us is None and report.fix is not None and report.fix.at_us is None


def test_an_alarm_word_in_a_cut_location_message_is_named() -> None:
    frame = read('A"ML=1;lt=+51.05432;lg=+3.72123\nSOS!')
    assert frame.refused and frame.unverified and frame.unverified.kinds == Kind.SOS_SMS
