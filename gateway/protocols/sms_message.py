"""A short message as every bridge hands it over, and how its bytes become text.

Papers: 3GPP TS 23.038 (alphabets, packing, section 6.1.2.1.1), TS 23.040 (user data header, section 9.2.3.24).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

BODY_BYTES_MAX = 65_536
"255 parts of 140 octets are 35,700; in UTF-8 some more."

GSM7 = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
"The default alphabet; the index is the septet."
GSM7_EXTENSION = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}
"What a septet means behind ESC (0x1B)."
ESCAPE = 0x1B

PLAIN = frozenset("\n\r\t !\"%&'()*+,-./:;<=>?_@#0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
"Characters that trackers and telephones use in their messages."
PLAIN_SHARE_MIN = 0.95


@dataclass(frozen=True, slots=True)
class Concat:
    """Which part of a long message this is."""

    ref: int
    total: int
    seq: int
    "From 1."


@dataclass(frozen=True, slots=True)
class SmsMessage:
    """One message (or part of one) from a carrier's bridge."""

    bridge: str
    message_id: str
    "The bridge's own id; a repeated delivery carries it again. Empty when the bridge gave none."
    sender: str = field(repr=False)
    receiver: str = field(repr=False)
    coding: str
    "gsm7, latin1: the body is text in UTF-8. ucs2: UTF-16 big-endian as sent. binary: octets."
    body: bytes = field(repr=False)
    received_at_us: int
    carrier_at_us: int | None = None
    "When the message centre had it: a message can be hours late."
    concat: Concat | None = None
    ports: tuple[int, int] | None = None
    "Destination and source port of a data message."
    missing: int = 0
    "Parts that had not come when a long message was handed on."

    @property
    def raw(self) -> bytes:
        """The bytes to journal and to decode: UTF-8 of a text, else the octets."""
        if self.coding == "ucs2":
            return clean(self.body.decode("utf-16-be", "surrogatepass" if len(self.body) % 2 == 0 else "replace")).encode()
        return self.body


def clean(text: str) -> str:
    """The text without halves of surrogate pairs, which cannot be written down."""
    return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")


def unpack_septets(octets: bytes) -> list[int]:
    """The septets of packed octets, first one in the low bits. A last septet of seven fill bits reads as 0 (``@``)."""
    bits, width, septets = 0, 0, []
    for octet in octets:
        bits |= octet << width
        width += 8
        while width >= 7:
            septets.append(bits & 0x7F)
            bits >>= 7
            width -= 7
    return septets


def gsm7_text(septets: list[int]) -> str:
    """Septets as text; an unknown extension falls back to the basic character, a lone ESC at the end to nothing."""
    text, is_extended = [], False
    for septet in septets:
        if septet == ESCAPE and not is_extended:
            is_extended = True
            continue
        text.append(GSM7_EXTENSION.get(septet, GSM7[septet]) if is_extended else GSM7[septet])
        is_extended = False
    return "".join(text)


def readings(raw: bytes) -> Iterator[str]:
    """What the bytes of a message may mean, likeliest first; never none.

    A bridge that knows the alphabet hands over UTF-8. Data messages (telephones' own location, some trackers) come as
    octets and do not say what is in them: packed septets or UTF-16.
    """
    text = raw.decode("utf-8", "replace")
    if "\ufffd" not in text and not any(char < " " and char not in "\n\r\t" for char in text):
        yield text
        return
    packed = gsm7_text(unpack_septets(raw)).removesuffix("@" if len(raw) % 7 == 0 else "")
    if sum(char in PLAIN for char in packed) >= PLAIN_SHARE_MIN * len(packed):
        yield packed
    wide = raw.decode("utf-16-be", "replace")
    if len(raw) % 2 == 0 and all(char.isprintable() or char in "\n\r\t" for char in wide):
        yield wide
    yield "".join(char if char >= " " or char in "\n\r\t" else " " for char in text)


def header_elements(udh: bytes) -> Iterator[tuple[int, bytes]]:
    """Information elements of a user data header: length u8, then (id u8, length u8, bytes); stops where it is cut."""
    at, end = 1, 1 + udh[0] if udh else 0
    while end - at >= 2 and len(udh) - at >= 2:
        number, size = udh[at], udh[at + 1]
        value = udh[at + 2 : min(at + 2 + size, end)]
        if len(value) < size:
            return
        yield number, value
        at += 2 + size


def concat_of(udh: bytes) -> Concat | None:
    """Which part of what; None for a whole message and for a header that cannot be meant."""
    for number, value in header_elements(udh):
        if (number, len(value)) in ((0x00, 3), (0x08, 4)):
            concat = Concat(int.from_bytes(value[:-2], "big"), value[-2], value[-1])
            return concat if 1 <= concat.seq <= concat.total and concat.total > 1 else None
    return None


def ports_of(udh: bytes) -> tuple[int, int] | None:
    """Destination and source port."""
    for number, value in header_elements(udh):
        if (number, len(value)) in ((0x04, 2), (0x05, 4)):
            half = len(value) // 2
            return int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
    return None
