"""TK103: the alarm number of BO01, and the inputs that stand in every report."""

from hypothesis import strategies as st

from tests.property.presses import Messages


@st.composite
def press(draw: st.DrawFn) -> Messages:
    """The panic input beside any alarm number and any inputs, or the SOS number beside any inputs."""
    inputs = draw(st.integers(0, 0xFFF))
    if draw(st.booleans()):
        head, inputs = draw(st.sampled_from(["BR00", *(f"BO01{digit}" for digit in range(10))])), inputs | 0x200
    else:
        head = "BO012"
    power, ignition = draw(st.sampled_from("01")), draw(st.sampled_from("01"))
    frame = f"(088000000001{head}260309A5103.2593N00343.2741E004.5130311271.00{power}{ignition}{inputs:03X}000L00000000)"
    return draw(st.sampled_from(["tcp", "udp"])), [frame.encode()]
