"""Streams of every protocol: waiting, skipping, the way back after garbage, datagrams with several frames.

A made-up protocol shows the rules: ``#``, a length byte, so many bytes, and their sum.
"""

import re

from gateway.errors import FrameError, Reason
from gateway.model import Kind, Report
from gateway.protocols.octets import sum8
from gateway.protocols.stream import Content, Shape, StreamSession, opens_with


class Session(StreamSession):
    NAME = "made-up"
    STARTS = re.compile(rb"#")
    PROMISES_LENGTH = True

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        if len(data) - at < 2:
            return Shape.WAIT, 0
        size = data[at + 1] + 3
        if size > 100:
            return Shape.NOISE, 1
        if len(data) - at < size:
            return Shape.WAIT, 0
        return (Shape.FRAME if sum8(data[at : at + size - 1]) == data[at + size - 1] else Shape.SPOILT), size

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        if sum8(raw[:-1]) != raw[-1]:
            raise FrameError(Reason.CHECKSUM, len(raw) - 1, "sum")
        self.device = "one"
        return Content((Report(Kind.POSITION, text=raw[2:-1].decode("latin-1")),), raw[:1])

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        return Report(Kind.SOS_BUTTON) if b"SOS" in raw else None


def framed(content: bytes, size: int | None = None) -> bytes:
    data = b"#" + bytes((len(content) if size is None else size,)) + content
    return data + bytes((sum8(data),))


def texts(session: StreamSession, *chunks: bytes) -> list[str | None]:
    found = []
    for chunk in chunks:
        session.receive(chunk)
        found += [frame.refused.reason if frame.refused else frame.reports[0].text for frame in session.frames(0)]
    return found


def test_frames_come_out_however_the_stream_is_cut() -> None:
    stream = framed(b"a") + b"noise" + framed(b"bc")
    assert texts(Session("tcp"), stream) == texts(Session("tcp"), *(stream[at : at + 1] for at in range(len(stream)))) == ["a", "bc"]
    session = Session("tcp")
    texts(session, stream, b"##")
    assert (session.skipped_bytes, session.pending_bytes, session.device) == (5, 2, "one")


def test_a_promise_made_by_noise_hides_no_frame() -> None:
    session = Session("tcp")
    assert texts(session, b"#\x50xxx" + framed(b"alarm")) == ["alarm"]
    assert session.skipped_bytes == 5


def test_a_frame_inside_a_spoilt_one_is_found() -> None:
    inner = framed(b"alarm")
    spoilt = b"#" + bytes((len(inner),)) + inner + b"\x00"
    session = Session("tcp")
    assert texts(session, spoilt + framed(b"next")) == ["checksum", "alarm", "next"]
    assert session.skipped_bytes == 0  # The refused frame has accounted for them.


def test_nested_noise_is_bounded() -> None:
    session = Session("tcp")
    assert len(texts(session, b"#\x20" * 40)) < 40
    assert session.pending_bytes < 100


def test_a_datagram_may_hold_several_frames() -> None:
    session = Session("udp")
    frame = session.read(framed(b"a") + framed(b"b") + b"\r\n", 0)
    assert [report.text for report in frame.reports] == ["a", "b"]
    assert frame.reply == b"##"
    assert frame.raw.endswith(b"\r\n")
    alone = session.read(framed(b"c") + b"\x00", 0)
    assert (alone.reports[0].text, alone.raw[-1]) == ("c", 0)


def test_an_alarm_in_a_spoilt_frame_is_kept_beside_good_ones() -> None:
    spoilt = framed(b"SOS")[:-1] + b"\x00"
    frame = Session("udp").read(framed(b"a") + spoilt, 0)
    assert frame.kinds == Kind.POSITION | Kind.SOS_BUTTON
    assert frame.reports[1].unread == ("checksum wrong",)
    alone = Session("udp").read(spoilt, 0)
    assert alone.refused
    assert alone.unverified
    both = Session("udp").read(framed(b"x")[:-1] + b"\x00" + spoilt, 0)
    assert both.refused
    assert both.unverified


def test_a_datagram_without_a_frame_is_refused() -> None:
    assert Session("udp").read(b"nothing", 0).refused


def test_first_bytes_agree_with_a_word_or_could() -> None:
    assert (opens_with(b"IWAP00", b"TRV", b"IW"), opens_with(b"TR", b"TRV", b"IW"), opens_with(b"TX", b"TRV"), opens_with(b"", b"TRV")) == (
        2,
        1,
        0,
        0,
    )
