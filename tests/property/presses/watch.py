"""Watch: a status word of 32 bits."""

from hypothesis import strategies as st

from tests.property.presses import Messages


@st.composite
def press(draw: st.DrawFn) -> Messages:
    """SOS is bit 16 of a status word of 32 bits; all others are free."""
    word = draw(st.integers(0, 2**32 - 1)) | 1 << 16
    kind = draw(st.sampled_from(["AL", "UD", "UD2"]))
    content = f"{kind},090326,130311,A,51.0543210,N,3.7212345,E,4.50,271.0,8.0,9,90,80,1234,0,{word:08X},1,255,206,1,4660,22136,120,0"
    return "tcp", [f"[SG*0101260001*{len(content):04X}*{content}]".encode()]
