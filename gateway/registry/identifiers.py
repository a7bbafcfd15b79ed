"""What a device calls itself, in the one form in which we compare it.

The same device is written in many ways: an installer types ``35-209900-176148-1`` or ``0032 475 00 00 01``, GT06
sends an IMEI with a leading zero, a watch sends ten digits of it, an SMS bridge a number without its ``+``. A name
has one *canonical* form, which belongs to one device alone, and *hints*: lesser forms that are believed only when
they fit a single device and nobody has them as a name.
"""

import re
import unicodedata

LENGTH_MAX = 64
TERMINAL_DIGITS = (12, 20)
"Of a number in the header of JT/T 808 (2013, 2019)."

_SEPARATORS = str.maketrans("", "", " -./()")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_ALLOWED = re.compile(r"[!-~]{2,64}")


def canonical(text: str) -> str:
    """The form that is kept, shown and compared: blanks gone, ``00`` as ``+``, separators of numbers gone.

    Never raises and changes nothing when applied twice. Letters keep their case here; see ``key_of``.
    """
    text = "".join(text.split()) if text.isascii() else _folded(text)
    digits = text.replace("(0)", "").translate(_SEPARATORS)
    if digits.startswith("+") and digits[1:].isdecimal():
        return digits
    if not digits.isdecimal():
        return text
    if digits.startswith("00") and _is_international(digits):
        return f"+{digits[2:]}"
    # Separators belong to the form only in numbers as long as an IMEI; a short account such as 12-34 keeps them.
    return digits if len(digits) >= 14 else text


def _folded(text: str) -> str:
    """Full-width digits, hard blanks and invisible marks as a person meant them."""
    folded = "".join(char for char in unicodedata.normalize("NFKC", text) if not char.isspace() and unicodedata.category(char) != "Cf")
    # A mark that stood on a blank now stands on a letter and may join it: until nothing changes.
    return folded if folded == text else _folded(folded)


def _is_international(digits: str) -> bool:
    """``00`` before a country code, and neither a test IMEI (fifteen digits) nor ten digits of one.

    No country begins with 0, and no number with country code that a device could have is shorter than nine digits.
    """
    if len(digits) < 11 or (len(digits) == 15 and (digits[2] == "1" or is_luhn(digits))):
        return False
    return _E164.fullmatch(f"+{digits[2:]}") is not None


def key_of(name: str) -> str:
    """What two spellings of one name have in common. Accounts in hex come in both cases."""
    return canonical(name).lower()


def hints_registered(name: str, protocol: str | None) -> set[str]:
    """Lesser forms under which the device with this name may be heard."""
    key = key_of(name)
    digits = key.removeprefix("+")
    if not digits.isdecimal():
        return set()
    is_terminal = protocol == "jt808" and len(digits) in TERMINAL_DIGITS  # It says its number without the zeros that the label shows.
    hints = {_number_hint(digits)} if len(digits.lstrip("0")) >= 6 or is_terminal else set()
    if len(digits) == 15 and not key.startswith("+"):
        hints.add(_imei_hint(digits))
        if protocol in (None, "watch"):
            hints |= {_watch_hint(digits[-10:]), _watch_hint(digits[4:14])}
    return hints


def hints_heard(name: str) -> list[str]:
    """Lesser forms to look for when nobody has this name, surest first."""
    digits = key_of(name).removeprefix("+")
    if not digits.isdecimal():
        return []
    hints = [_number_hint(digits)]
    if len(digits) in (14, 16) and digits[0] != "0":
        hints.append(_imei_hint(digits))
    if len(digits) == 10:
        hints.append(_watch_hint(digits))
    return hints


def _number_hint(digits: str) -> str:
    return f"number {digits.lstrip('0')}"


def _imei_hint(digits: str) -> str:
    """Fourteen digits are the serial; the fifteenth is its check digit, or two stand for the software version."""
    return f"imei {digits[:14]}"


def _watch_hint(digits: str) -> str:
    """The watch family names itself by ten digits out of its IMEI: the last ten, or those before the check digit."""
    return f"watch {digits}"


def wrong_with(name: str) -> str | None:
    """Why a canonical name can't be one; None when it can."""
    if not _ALLOWED.fullmatch(name):
        return f"must be 2 to {LENGTH_MAX} plain characters without blanks"
    if name.startswith("+") and name[1:].isdecimal() and not _E164.fullmatch(name):
        return "is no telephone number; write it as +32475000001"
    return None


def odd_about(name: str) -> str | None:
    """What is probably a slip of the hand; None when nothing is."""
    if len(name) == 15 and name.isdecimal() and not is_luhn(name):
        return f"IMEI ending in {name[-4:]}: its check digit is wrong; compare it with the label of the device"
    if name.isdecimal() and name.startswith("0") and 9 <= len(name) <= 11:
        return "a number with one leading 0 is national; SMS senders are compared as +32475000001"
    return None


def is_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it (ISO/IEC 7812-1, annex B)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
