"""GT06: three bits of the status word and an alarm byte."""

from hypothesis import strategies as st

from tests.property.presses import Messages
from tests.unit.gt06_frames import alarm, login


@st.composite
def press(draw: st.DrawFn) -> Messages:
    """SOS in the status bits beside any alarm byte, or in the alarm byte beside any bits."""
    kind = draw(st.sampled_from([0x16, 0x26, 0x27, 0xA4, 0x19, 0xA5]))
    companion = draw(st.integers(0, 255))
    bits, code = (4, companion) if draw(st.booleans()) else (companion & 7, 1)
    return "tcp", [login(), alarm(kind, bits, code)]
