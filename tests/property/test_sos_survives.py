"""A pressed button stays a pressed button, whatever else the same frame says: the reason why kinds are a set.

A well-known server asks such bits one after the other and reports the first one set. Every protocol that has bits, flags or
several events in a frame has its builder here; a row that is missing must say in NO_COMPANIONS why it cannot have any.
"""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Kind
from gateway.protocols import PROTOCOLS, open_session
from gateway.protocols.base import DeviceSettings
from gateway.protocols.octets import crc16_arc
from tests.unit.gt06_frames import alarm, login

NOW_US = 1_773_061_391_000_000
MODELS = st.sampled_from([None, "VL103", "LL303", "LW4G-4B", "R11", "GK310", "FMB920"])

Messages = tuple[str, list[bytes]]
"Transport and the frames of one connection."


@st.composite
def gt06_press(draw: st.DrawFn) -> Messages:
    """SOS in the status bits beside any alarm byte, or in the alarm byte beside any bits."""
    kind = draw(st.sampled_from([0x16, 0x26, 0x27, 0xA4, 0x19, 0xA5]))
    companion = draw(st.integers(0, 255))
    bits, code = (4, companion) if draw(st.booleans()) else (companion & 7, 1)
    return "tcp", [login(), alarm(kind, bits, code)]


@st.composite
def watch_press(draw: st.DrawFn) -> Messages:
    """SOS is bit 16 of a status word of 32 bits; all others are free."""
    word = draw(st.integers(0, 2**32 - 1)) | 1 << 16
    kind = draw(st.sampled_from(["AL", "UD", "UD2"]))
    content = f"{kind},090326,130311,A,51.0543210,N,3.7212345,E,4.50,271.0,8.0,9,90,80,1234,0,{word:08X},1,255,206,1,4660,22136,120,0"
    return "tcp", [f"[SG*0101260001*{len(content):04X}*{content}]".encode()]


@st.composite
def teltonika_press(draw: st.DrawFn) -> Messages:
    """The panic event, with any other elements of one byte beside it; the record's own event may be any of them."""
    others = draw(st.dictionaries(st.integers(1, 255).filter(lambda element: element != 236), st.integers(0, 255), max_size=12))
    elements = list({**others, 236: 1}.items())
    event = draw(st.sampled_from([element for element, _ in elements]))
    values = b"".join(bytes(element) for element in draw(st.permutations(elements)))
    record = struct.pack(">QBiiHHBH", NOW_US // 1000, draw(st.integers(0, 2)), 37_212_345, 510_543_210, 8, 271, 9, 4)
    record += bytes((event, len(elements), len(elements))) + values + bytes(3)
    data = b"\x08\x01" + record + b"\x01"
    packet = struct.pack(">II", 0, len(data)) + data + struct.pack(">I", crc16_arc(data))
    return "tcp", [b"\x00\x0f001012600000010", packet]


PRESSES: dict[str, Callable[[], st.SearchStrategy[Messages]]] = {
    "gt06": gt06_press,
    "watch": watch_press,
    "teltonika": teltonika_press,
}
NO_COMPANIONS = {
    "app": "a press names one kind",
    "sms": "texts have no bits; the pairs that trackers send stand in its vectors (tk203-both)",
}


@pytest.mark.parametrize("name", list(PRESSES))
@given(data=st.data(), model=MODELS)
@settings(max_examples=100, deadline=None)
def test_sos_survives_any_companion_alarm(name: str, data: st.DataObject, model: str | None) -> None:
    transport, messages = data.draw(PRESSES[name]())
    for reference in (True, False):
        session = open_session(name, transport, DeviceSettings(model=model), reference=reference)
        frame = [session.read(raw, NOW_US) for raw in messages][-1]
        assert frame.refused is None
        assert frame.kinds & Kind.SOS_BUTTON
        assert frame.urgency.value == "A"


def test_no_protocol_is_forgotten() -> None:
    assert {entry.name for entry in PROTOCOLS} == PRESSES.keys() | NO_COMPANIONS.keys()
