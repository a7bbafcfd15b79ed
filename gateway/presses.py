"""Copy or new press? What is remembered of each press, so that one press makes one alarm whatever its paths.

Two questions are asked of a report that carries an alarm:

* *same bytes of meaning*: does it carry the event identity (serial, device time, content) of a press we know?
* *same moment by another road*: did this person press within a minute of it over another transport?

A serial number alone never makes a copy: it restarts at a reboot. And nothing is a copy of a press that a human
has already answered, unless it is provably the same one: a new press after a close is a new alarm (F-60).
"""

import hashlib
from collections import deque
from dataclasses import dataclass, replace

from gateway.model import LIFE, Kind, Report
from gateway.times import DeviceTime

COPY_WINDOW_US = 60_000_000
"Presses over different transports within this time are one; identical payloads without identity as well."
STANDING_GAP_US = 2 * 3600 * 1_000_000
"A switch not heard of for so long may have been set anew, with the record of its release lost on the way."
KEPT_US = 48 * 3600 * 1_000_000
"How long a press is remembered (the promise is 24 h)."
KEPT_MAX = 256
"Presses remembered for one person; a stuck button must not grow the process."


def press_key(device_id: str, report: Report, raw: bytes) -> str:
    """The identity of a press, the same on every node and for every copy of it, as 32 hex digits.

    From the protocol's serial and time where it gives them, else from the whole payload.
    """
    parts = [device_id.encode(), str(int(report.kinds)).encode()]
    if report.sequence is not None or report.event_at_us is not None:
        parts += [f"{report.sequence}/{report.event_at_us}".encode()]
    else:
        parts += [b"payload", raw]
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.hexdigest()


def person_of(device_id: str, case_ref: str | None) -> str:
    """Whose presses are compared: her case's, or the device's when it belongs to none."""
    return f"case {case_ref}" if case_ref else f"device {device_id}"


def mint_alarm_id(device_id: str, key: str, time: DeviceTime, received_us: int, *, attempt: int = 0) -> str:
    """A 128-bit alarm id as hex: the same on every node when the press has an identity of its own.

    ``attempt`` tells apart a second alarm under one key: a replay after the first was closed.
    """
    identity = str(time.at_us) if time.can_be_trusted else f"received {received_us}"
    return hashlib.blake2b(f"{device_id}\0{key}\0{identity}\0{attempt}".encode(), digest_size=16).hexdigest()


@dataclass(slots=True)
class Press:
    """One press that made or joined an alarm."""

    key: str
    alarm_id: str
    device_id: str
    transport: str
    event_us: int | None
    "The device's time where it can be trusted."
    seen_mono_us: int
    "Monotonic time of the newest copy: windows are never measured with a clock that can be set."
    first_mono_us: int


class Presses:
    """What was pressed lately, by person (her case, or the device when there is none)."""

    def __init__(self) -> None:
        self._by_person: dict[str, deque[Press]] = {}

    def remember(self, person: str, press: Press) -> None:
        """Keep a press; the oldest ones go when there are too many or they are too old."""
        presses = self._by_person.setdefault(person, deque(maxlen=KEPT_MAX))
        while presses and presses[0].seen_mono_us < press.first_mono_us - KEPT_US:
            presses.popleft()
        presses.append(press)

    def same_key(self, person: str, key: str) -> Press | None:
        """The newest known press with this identity."""
        return next((press for press in reversed(self._by_person.get(person, ())) if press.key == key), None)

    def same_moment(self, person: str, transport: str, device_id: str, time: DeviceTime, now_mono_us: int) -> Press | None:
        """The press that this one is a copy of over another transport, if any: nearest in time within a minute."""
        best: tuple[int, Press] | None = None
        for press in self._by_person.get(person, ()):
            if press.transport == transport and press.device_id == device_id:
                continue
            if time.can_be_trusted and time.at_us is not None and press.event_us is not None:
                apart_us = abs(time.at_us - press.event_us)
            else:
                apart_us = abs(now_mono_us - press.first_mono_us)
            if apart_us <= COPY_WINDOW_US and (best is None or apart_us < best[0]):
                best = (apart_us, press)
        return best[1] if best else None


# ----------------------------------------------------------------------------------------- switches that stay set

_SAYS_NO_STATE = Kind.LOGIN | Kind.CONFIG_REPLY | Kind.DEVICE_ACK
"What tells nothing of how a device is: its silence about a switch is no release."


_ANY_RECORD = frozenset((True, False))


@dataclass(frozen=True, slots=True)
class _Set:
    """The switches of one device that are set."""

    kinds: Kind
    told_by: frozenset[bool]
    "Which records may tell of them: with a time of their own (True), without one (False)."
    seen_mono_us: int


class Switches:
    """Whose alarm switch is set just now, so that a level is pressed once, and again as soon as it was released.

    A switch is released by a live record of the sort that tells of it (with or without a time of its own) and tells no alarm:
    a heartbeat says nothing about a bit that stands in positions. After an event either sort may tell of it, until one came
    without. In memory alone: whoever restarts hears of a set switch as of a press, because nobody knows whether it was
    released meanwhile.
    """

    def __init__(self) -> None:
        self._set: dict[str, _Set] = {}
        "By device, the one not heard of for longest first."

    def is_still_set(self, device_id: str, report: Report, now_mono_us: int) -> bool:
        """Whether a record tells only of switches that were set before, without a gap of ``STANDING_GAP_US``."""
        known = self._set.get(device_id)
        if known is None or not report.standing or now_mono_us - known.seen_mono_us > STANDING_GAP_US:
            return False
        return (report.event_at_us is not None) in known.told_by and not report.kinds & LIFE & ~known.kinds

    def heard(self, device_id: str, report: Report, now_mono_us: int) -> None:
        """Keep what a record says of its device's switches."""
        alarms, told_by = report.kinds & LIFE, frozenset((report.event_at_us is not None,))
        known = self._set.get(device_id)
        if alarms:
            kinds = alarms | known.kinds if known and (report.stored or not report.standing) else alarms
            self._keep(device_id, _Set(kinds, told_by if report.standing else _ANY_RECORD, now_mono_us))
        elif known and not report.stored and not report.kinds & _SAYS_NO_STATE:
            if left := known.told_by - told_by:
                self._set[device_id] = replace(known, told_by=left)
            else:
                del self._set[device_id]

    def _keep(self, device_id: str, switches: _Set) -> None:
        self._set.pop(device_id, None)
        self._set[device_id] = switches
        while switches.seen_mono_us - next(iter(self._set.values())).seen_mono_us > STANDING_GAP_US:
            del self._set[next(iter(self._set))]
