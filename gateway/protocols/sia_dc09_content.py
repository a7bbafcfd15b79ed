"""SIA DC-09: what stands between the brackets.

Papers: ANSI/SIA DC-09 (frame, extended data), DC-03 (SIA codes), DC-05 (Contact ID codes). Once decrypted, everything
behind the first bracket has one form:

* ``#account|event]``, then ``[Xextended data]`` any number of times, then ``_HH:MM:SS,MM-DD-YYYY`` (UTC, optional)
* event of SIA-DCS: ``N`` (new) or ``O`` (old), modifiers ``ti id ri pi`` and codes (two letters, up to four digits) parted by ``/``,
  ``^text^``; further blocks behind bars begin with their letter (``A``: text)
* event of ADM-CID: qualifier (1 new, 3 restore, 6 still present), three digits of event, group, zone or user
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.model import LIFE, NO_KIND, Fix, Kind, Report
from gateway.protocols.fields import decimal, degrees_e7, fix, minutes_e7
from gateway.protocols.octets import civil_us

SIA, CID, LINK_TEST = "SIA-DCS", "ADM-CID", "NULL"

SIA_CODES: Final = {
    "PA": Kind.SOS_BUTTON, "HA": Kind.SOS_BUTTON, "QA": Kind.SOS_BUTTON, "MA": Kind.MEDICAL, "FA": Kind.FIRE, "TA": Kind.TAMPER_CASE,
    "YT": Kind.BATTERY_LOW, "XT": Kind.BATTERY_LOW, "AT": Kind.POWER_CUT, "AR": Kind.POWER_RESTORED,
    "RP": Kind.TEST_AUTO, "RX": Kind.TEST_PRESS,
} | dict.fromkeys(("PR", "PH", "HR", "HH", "QR", "QH", "MR", "MH", "FR", "FH", "TR", "TH", "YR", "XR"), Kind.RESTORED)  # fmt: skip
"Section 3. A restore or cancel closes nothing: only a person does. Other codes are passed through as text."
CID_CODES: Final = {
    100: Kind.MEDICAL, 101: Kind.SOS_BUTTON, 102: Kind.INACTIVITY, 110: Kind.FIRE,
    120: Kind.SOS_BUTTON, 121: Kind.DURESS, 122: Kind.SOS_BUTTON, 123: Kind.SOS_BUTTON, 124: Kind.DURESS, 125: Kind.DURESS,
    137: Kind.TAMPER_CASE, 144: Kind.TAMPER_CASE, 145: Kind.TAMPER_CASE,
    301: Kind.POWER_CUT, 302: Kind.BATTERY_LOW, 309: Kind.BATTERY_LOW, 338: Kind.BATTERY_LOW, 384: Kind.BATTERY_LOW,
    601: Kind.TEST_PRESS, 602: Kind.TEST_AUTO, 603: Kind.TEST_AUTO,
} | dict.fromkeys(range(111, 119), Kind.FIRE)  # fmt: skip
CID_PERSONAL: Final = range(100, 130)
"Medical, fire and panic: a code without a name among them is an alarm all the same."
NEW, RESTORE, STILL_PRESENT = "1", "3", "6"

CONTENT: Final = re.compile(r"([^\]]*)\]((?:\[[^\]]*\])*)(.*)", re.DOTALL)
EXTENDED: Final = re.compile(r"\[([^\]]*)\]")
STAMP: Final = re.compile(r"_?([0-9]{2}):([0-9]{2}):([0-9]{2}),([0-9]{2})-([0-9]{2})-([0-9]{4})", re.ASCII)
SIA_EVENT: Final = re.compile(r"([A-Z]{2})([0-9A-Za-z]{0,4})")
STATE_LETTER: Final = re.compile(r"[NO](?=[a-z^]|[A-Z]{2})")
"N or O in front of a modifier, a text or a code; OP001 is the code OP."
CID_EVENT: Final = re.compile(r"\s*([0-9])([0-9]{3})(?:[0-9]{5})?(?![0-9])", re.ASCII)
"Group and zone may follow without blanks between."
DEGREES_MINUTES: Final = re.compile(r"([0-9]{1,3})([NSEW])([0-9]{1,2})(?:\.([0-9]{1,16}))?", re.ASCII)
ALTITUDE: Final = re.compile(r"([+-]?[0-9]{1,5}(?:\.[0-9]{1,6})?)[Mm]?", re.ASCII)

TEXT_BLOCKS: Final = "ILSORV"
"Alarm text, place, site, building, room, verification: for people."
NEAR_US: Final = 40_000_000
"An event this close to the time stamp was sent when it happened; the standard's own window."
BLOCKS_MAX: Final = 32


class Parts(NamedTuple):
    """What stands behind the first bracket."""

    data: str
    extended: tuple[tuple[str, str], ...]
    "Letter and text of each block."
    stamp_us: int | None
    rest: str
    "What follows and is no time stamp."


def parts_of(content: str) -> Parts | None:
    """Data, extended blocks and time stamp; None without the bracket that ends the data."""
    found = CONTENT.fullmatch(content)
    if found is None:
        return None
    blocks = tuple((text[:1], text[1:]) for text in EXTENDED.findall(found[2])[:BLOCKS_MAX])
    stamp_us = stamp_of(found[3])
    return Parts(found[1], blocks, stamp_us, "" if stamp_us is not None else found[3])


def stamp_of(text: str) -> int | None:
    """``HH:MM:SS,MM-DD-YYYY`` in UTC, month first."""
    found = STAMP.fullmatch(text)
    if found is None:
        return None
    hour, minute, second, month, day, year = map(int, found.groups())
    return civil_us(year, month, day, hour, minute, second)


def account_of(data: str) -> str:
    """The account in the data; it outranks the header's. Empty when there is none."""
    return data[1:].partition("|")[0].strip() if data.startswith("#") else ""


def report_of(token: str, sequence: int, parts: Parts, offset_s: int) -> Report:
    """What a frame says. Never refuses: what cannot be read is named in ``unread``, and no alarm is lost to it."""
    kinds, standing, texts, unread = NO_KIND, False, [], []
    event = parts.data.partition("|")[2] if parts.data.startswith("#") else parts.data.removeprefix("|")
    if event and token != LINK_TEST:
        kinds, standing = cid_kinds(event) if token == CID else (sia_kinds(event), False)
        texts.append(event)
        if kinds & Kind.UNKNOWN_ALARM:
            unread.append("event code")
    if parts.rest:
        unread.append("time stamp")
    happened_us = next((at_us for letter, text in parts.extended if letter == "H" and (at_us := stamp_of(text)) is not None), None)
    lateness_us = parts.stamp_us - happened_us if happened_us is not None and parts.stamp_us is not None else None
    at_us = utc(happened_us if happened_us is not None else parts.stamp_us, offset_s)
    texts += [text for letter, text in parts.extended if letter and letter in TEXT_BLOCKS]
    unread += [f"block {letter}{text}"[:64] for letter, text in parts.extended if letter not in f"{TEXT_BLOCKS}HXYZ"]
    place = place_of(parts.extended, at_us if lateness_us is not None and abs(lateness_us) <= NEAR_US else None)
    if place is None and any(letter and letter in "XY" for letter, _ in parts.extended):
        unread.append("position")
    return Report(
        kinds or (Kind.POSITION if place else Kind.HEARTBEAT), place, at_us, sequence=sequence or None,
        stored=lateness_us is not None and lateness_us > NEAR_US, standing=standing, text="\n".join(texts) or None, unread=tuple(unread),
    )  # fmt: skip


def utc(at_us: int | None, offset_s: int) -> int | None:
    """Of a clock that is ``offset_s`` ahead."""
    return None if at_us is None else at_us - offset_s * 1_000_000


# --------------------------------------------------------------------------------------------------------- events


def sia_kinds(event: str) -> Kind:
    """Every code of every block. An event without any code is an alarm that cannot be read."""
    kinds, is_coded = NO_KIND, False
    first, *others = event.split("|")
    for block in (first, *filter(STATE_LETTER.match, others)):
        for code in sia_codes(block):
            kinds |= SIA_CODES.get(code, NO_KIND)
            is_coded = True
    return kinds if is_coded else Kind.UNKNOWN_ALARM


def sia_codes(block: str) -> Iterator[str]:
    """The codes of one block: ``Nri1/PA501`` holds PA."""
    inner = block[1:] if STATE_LETTER.match(block) else block
    for word in re.sub(r"\^[^^]*\^?", "/", inner).split("/"):
        found = SIA_EVENT.match(word.strip())
        if found:
            yield found[1]


def cid_kinds(event: str) -> tuple[Kind, bool]:
    """Kinds of ``qxyz gg ccc``, and whether it only says that they still stand."""
    found = CID_EVENT.match(event)
    if found is None:
        return Kind.UNKNOWN_ALARM, False
    code = int(found[2])
    if found[1] == RESTORE:
        return (Kind.RESTORED if code in CID_CODES else NO_KIND), False
    kinds = CID_CODES.get(code, Kind.UNKNOWN_ALARM if code in CID_PERSONAL else NO_KIND)
    return kinds, found[1] == STILL_PRESENT and bool(kinds & LIFE)


# ------------------------------------------------------------------------------------------------------ positions


def place_of(extended: tuple[tuple[str, str], ...], at_us: int | None) -> Fix | None:
    """X longitude, Y latitude, Z altitude, in any order. Nothing says how old or how exact they are."""
    lat_e7 = lon_e7 = None
    altitude_m = None
    for letter, text in extended:
        if letter == "X":
            lon_e7 = angle_e7(text.strip(), "EW")
        elif letter == "Y":
            lat_e7 = angle_e7(text.strip(), "NS")
        elif letter == "Z":
            found = ALTITUDE.fullmatch(text.strip())
            altitude_m = decimal(found[1]) if found else None
    return fix(lat_e7, lon_e7, at_us, True, altitude_m=altitude_m)


def angle_e7(text: str, hemispheres: str) -> int | None:
    """``006E07.7777777`` (degrees, hemisphere, minutes) or signed decimal degrees."""
    found = DEGREES_MINUTES.fullmatch(text)
    if found is None:
        return degrees_e7(text)
    if found[2] not in hemispheres:
        return None
    return minutes_e7(f"{found[1]}{found[3]:>02}.{(found[4] or '0')[:8]}", found[2])
