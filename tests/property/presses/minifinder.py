"""MiniFinder: a flag word of 24 bits."""

from hypothesis import strategies as st

from tests.property.presses import Messages


@st.composite
def press(draw: st.DrawFn) -> Messages:
    """SOS is bit 6 of the flags; all others are free, and the place may be none."""
    flags = draw(st.integers(0, 2**24 - 1)) | 1 << 6
    kind, place = draw(st.sampled_from("BCD")), draw(st.sampled_from(["51.054321,3.7212345", "0.000000,0.000000", "191.0,3.7", ","]))
    report = f"!{kind},9/3/26,13:3:11,{place},4,271,{flags:x},8.5,80,9,12,0.9;"
    return "tcp", [b"!1,001012600000016;", report.encode()]
