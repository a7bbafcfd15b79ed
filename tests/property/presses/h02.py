"""H02: a status word of 32 bits in negative logic, in the text and in the binary form."""

from hypothesis import strategies as st

from tests.property.presses import Messages

SOS_BITS = (1, 18)


@st.composite
def press(draw: st.DrawFn) -> Messages:
    """One of the two SOS bits is cleared; all others are free (but all zeros say nothing)."""
    word = draw(st.integers(1, 2**32 - 1)) & ~(1 << draw(st.sampled_from(SOS_BITS)))
    status = f"{word or 0x80000000:08X}"
    text = f"*HQ,2400079194,V1,130311,A,5103.2593,N,00343.2741,E,002.43,271,090326,{status}#".encode()
    binary = bytes.fromhex(f"2424000791941303110903265103259350003432741e002271{status}ff0001")
    return "tcp", [draw(st.sampled_from([text, binary]))]
