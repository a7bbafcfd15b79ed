"""SIA DC-09: the AES of its encrypted frames.

Paper: ANSI/SIA DC-09-2013, section on encryption. AES-CBC with a zero initialisation vector; the key has 128, 192 or 256 bits.
Text is filled up to whole blocks by a pad in front of it. There is no integrity: whoever needs it puts the connection into TLS or
a VPN.
"""

import hashlib
import re
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK_BYTES: Final = 16
KEY_BYTES: Final = (16, 24, 32)
BLOCKS_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{32})+", re.ASCII)
PAD_CHARS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
"64 of the characters that a pad may have: any but the bar and the brackets."


def keys_of(text: str) -> list[bytes]:
    """What a configured key may mean: hexadecimal digits, else (panels differ) the characters themselves."""
    keys = []
    if re.fullmatch("(?:[0-9A-Fa-f]{2})+", text):
        keys.append(bytes.fromhex(text))
    keys.append(text.encode())
    return [key for key in keys if len(key) in KEY_BYTES]


def decrypted(digits: str, key: bytes) -> str | None:
    """The text behind the hexadecimal digits, pad included; None unless they are whole blocks."""
    if not BLOCKS_HEX.fullmatch(digits):
        return None
    cipher = Cipher(algorithms.AES(key), modes.CBC(bytes(BLOCK_BYTES))).decryptor()
    return (cipher.update(bytes.fromhex(digits)) + cipher.finalize()).decode("latin-1")


def encrypted(text: str, key: bytes, seed: bytes) -> str:
    """Hexadecimal digits of ``text`` (which begins with its bar) behind a pad.

    The pad follows from the key and ``seed``, the frame that is answered: nobody without the key can tell it, and the same
    frame gets the same answer.
    """
    plain = text.encode("latin-1")
    noise = hashlib.blake2b(seed, key=key, digest_size=BLOCK_BYTES).digest()
    pad = "".join(PAD_CHARS[byte & 63] for byte in noise[: BLOCK_BYTES - len(plain) % BLOCK_BYTES])
    cipher = Cipher(algorithms.AES(key), modes.CBC(bytes(BLOCK_BYTES))).encryptor()
    return (cipher.update(pad.encode() + plain) + cipher.finalize()).hex().upper()
