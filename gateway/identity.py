"""Who sent it? Device, tier of trust, and what is odd about it. Doubt travels with the alarm and never stops it.

Unknown identities get no state of their own beyond one bounded list for the staff: a wrongly registered device
must not be fatal, and a scan of the number range must not grow the process (R-63).
"""

from collections import OrderedDict
from dataclasses import dataclass

from gateway.limits import SharedLimit
from gateway.model import LIFE, Device, Facts, Frame, Instant, Link, Trust

UNKNOWN_KEPT_MAX = 1000
SCAN_IDS_MAX = 20
"Distinct unknown identities from one source before it counts as a scan."
SCAN_WINDOW_US = 3_600_000_000
"How long they are counted together: behind one address of a carrier many people live."
CONFLICT_WINDOW_US = 120_000_000


@dataclass(slots=True)
class Stranger:
    """An identity that is not enrolled, for the list from which staff can adopt it."""

    identity: str
    protocol: str
    transport: str
    first_seen_us: int
    last_seen_us: int
    frames: int = 0
    alarms: int = 0
    "Frames that carried an alarm: look at these first."


@dataclass(slots=True)
class _Voice:
    """One link on which a device was heard."""

    first_us: int
    last_us: int
    address: str
    trust: Trust


@dataclass(slots=True)
class _Scan:
    """Unknown identities that one source has tried."""

    since_us: int
    identities: set[str]


class Identities:
    """Resolves identities against the registry and remembers who speaks for whom."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._strangers: OrderedDict[tuple[str, str], Stranger] = OrderedDict()
        self._scans: OrderedDict[str, _Scan] = OrderedDict()
        self._voices: dict[str, dict[int, _Voice]] = {}
        self._limits: dict[str, SharedLimit] = {}
        self.scans_seen = 0

    def resolve(self, identity: str) -> Device | None:
        """The enrolled device that calls itself this."""
        return self._facts.device_named(identity)

    def strangers(self) -> list[Stranger]:
        """Unknown identities, newest first. Who was enrolled since, by whatever way, is none."""
        return [one for one in reversed(self._strangers.values()) if self._facts.device_named(one.identity) is None]

    def note_stranger(self, identity: str, frame: Frame, link: Link, now: Instant) -> bool:
        """List an unknown identity. False when its listener's bucket is empty, or its source tries one identity after
        another and this one asks for no help: nothing is kept then.
        """
        if not self._limits.setdefault(link.listener, SharedLimit()).allow(now.mono_us):
            return False
        if self._is_scanning(_address(link.peer), identity, now) and not frame.kinds & LIFE:
            return False
        key = (frame.protocol, identity)
        stranger = self._strangers.pop(key, None) or Stranger(identity, frame.protocol, frame.transport, now.wall_us, now.wall_us)
        stranger.last_seen_us = now.wall_us
        stranger.frames += 1
        stranger.alarms += bool(frame.kinds & LIFE)
        self._strangers[key] = stranger
        while len(self._strangers) > UNKNOWN_KEPT_MAX:
            # Those that asked for help are the last to be forgotten.
            victim = next((name for name, kept in self._strangers.items() if not kept.alarms), next(iter(self._strangers)))
            del self._strangers[victim]
        return True

    def _is_scanning(self, address: str, identity: str, now: Instant) -> bool:
        """Whether this source has tried more unknown identities than a person could mistype, and this is one more."""
        scan = self._scans.pop(address, None)
        if scan is None or now.mono_us - scan.since_us > SCAN_WINDOW_US:
            scan = _Scan(now.mono_us, set())
        self._scans[address] = scan
        while len(self._scans) > UNKNOWN_KEPT_MAX:
            self._scans.popitem(last=False)
        if identity in scan.identities:
            return False
        if len(scan.identities) == SCAN_IDS_MAX:
            return True
        scan.identities.add(identity)
        self.scans_seen += len(scan.identities) == SCAN_IDS_MAX
        return False

    def heard(self, device: Device, link: Link, now: Instant) -> tuple[Trust, tuple[str, ...]]:
        """The tier of this frame, and the doubts about who sent it.

        Two links that speak for one device *alternately* are a conflict; one that follows the other is only a
        device that changed its network. Neither link is displaced or silenced (R-61).
        """
        trust = min(link.trust, device.trust_max)
        voices = self._voices.setdefault(device.device_id, {})
        for link_id in [link_id for link_id, voice in voices.items() if now.mono_us - voice.last_us > CONFLICT_WINDOW_US]:
            del voices[link_id]
        voice = voices.setdefault(link.link_id, _Voice(now.mono_us, now.mono_us, _address(link.peer), trust))
        voice.last_us = now.mono_us
        while len(voices) > 8:
            del voices[next(iter(voices))]
        others = [other for link_id, other in voices.items() if link_id != link.link_id and other.address != voice.address]
        is_conflict = link.transport in ("tcp", "udp") and any(other.last_us > voice.first_us for other in others)
        return trust, ("identity_conflict",) if is_conflict else ()

    def speaks_alone(self, device: Device, link: Link, trust: Trust) -> bool:
        """Nobody of the same tier or a better one spoke for this device from elsewhere since this link was first heard.

        A weaker voice neither silences nor redirects this one (R-61).
        """
        voices = self._voices.get(device.device_id, {})
        own = voices.get(link.link_id)
        others = [voice for link_id, voice in voices.items() if own and link_id != link.link_id and voice.address != own.address]
        return own is not None and not any(other.trust >= trust and other.last_us > own.first_us for other in others)


def _address(peer: str) -> str:
    """The host part of ``host:port``, or the sending number as it is."""
    return peer.rpartition(":")[0] if ":" in peer else peer
