"""What a police car may drive, how fast, and which turns bind it: the tags of OpenStreetMap read as a policy.

Every number is a parameter that a police zone may change in a TOML file; the defaults are guesses until they are
calibrated against recorded drives. Tag meanings: OpenStreetMap wiki, Key:access, Key:oneway, Key:maxspeed,
Key:barrier, Relation:restriction.
"""

import difflib
import enum
import hashlib
import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from gateway.errors import ConfigError

Tags = Mapping[str, str]

COMPILER_VERSION = 1
"Raised whenever the same extract and parameters would give another road map."


class Access(enum.IntEnum):
    """How far a tag opens a way. The higher one wins when any of our modes may pass."""

    CLOSED = 0
    PRIVATE = 1
    OPEN = 2


class TurnRule(enum.Enum):
    """What a relation says about a turn, for us."""

    NONE = "not a turn restriction of ours"
    NO = "the turn is forbidden"
    ONLY = "every other turn is forbidden"
    LAPSED = "does not bind us (except)"
    CONDITIONAL = "binds at some hours or for some loads; not applied"
    UNSUPPORTED = "a kind that we do not know; not applied"


_ACCESS = {
    "no": Access.CLOSED, "private": Access.PRIVATE, "military": Access.PRIVATE,
    "yes": Access.OPEN, "designated": Access.OPEN, "official": Access.OPEN, "permissive": Access.OPEN, "permit": Access.OPEN,
    "destination": Access.OPEN, "delivery": Access.OPEN, "customers": Access.OPEN, "residents": Access.OPEN,
    "agricultural": Access.OPEN, "forestry": Access.OPEN, "discouraged": Access.OPEN, "public": Access.OPEN, "unknown": Access.OPEN,
}  # fmt: skip
"Values that say something about who may pass. Any other value (a feature's own meaning of the key) says nothing."

_PARENTS = {
    "motorcar": ("motor_vehicle", "vehicle"), "psv": ("motor_vehicle", "vehicle"), "bus": ("psv", "motor_vehicle", "vehicle"),
    "taxi": ("psv", "motor_vehicle", "vehicle"), "motor_vehicle": ("vehicle",), "vehicle": (),
}  # fmt: skip
"From the special to the general: bus=no on a street closes it to buses alone."

_FORWARD_ONLY, _BACKWARD_ONLY = frozenset(("yes", "true", "1")), frozenset(("-1", "reverse"))
_BOTH, _NEITHER = frozenset(("no", "false", "0", "alternating")), frozenset(("reversible",))
_TURNS = frozenset(("right_turn", "left_turn", "u_turn", "straight_on", "entry", "exit"))

_SPEED = re.compile(r"(\d{1,4}(?:\.\d{1,3})?)\s*(km/h|kmh|kph|mph|knots)?", re.ASCII)
_KMH = {None: 1.0, "km/h": 1.0, "kmh": 1.0, "kph": 1.0, "mph": 1.609344, "knots": 1.852}
_ZONE_KMH = {"urban": 50.0, "living_street": 20.0, "walk": 6.0, "bicycle_road": 30.0, "zone30": 30.0, "motorway": 120.0, "trunk": 120.0}
_RURAL_KMH = {"BE": 70.0, "BE-VLG": 70.0, "BE-BRU": 70.0, "BE-WAL": 90.0, "DE": 100.0, "AT": 100.0, "GB": 96.0}
_RURAL_DEFAULT_KMH = 80.0


def posted_kmh(text: str) -> float | None:
    """The speed that a ``maxspeed`` value means: the lowest of a list, infinite for ``none``, None when it says nothing."""
    speeds = [kmh for part in re.split(r"[;|,]", text) if (kmh := _one_speed_kmh(part.strip())) is not None]
    return min(speeds, default=None)


def _one_speed_kmh(text: str) -> float | None:
    if match := _SPEED.fullmatch(text):
        kmh = float(match[1]) * _KMH[match[2]]
        return kmh if 1.0 <= kmh <= 400.0 else None
    if text == "none":
        return math.inf
    country, _, zone = text.rpartition(":")
    if zone == "rural":
        return _RURAL_KMH.get(country, _RURAL_DEFAULT_KMH)
    if country and zone.isascii() and zone.isdecimal():  # DE:zone:30
        return _one_speed_kmh(zone)
    return _ZONE_KMH.get(zone)


def _speeds() -> dict[str, float]:
    return {
        "motorway": 115.0, "motorway_link": 60.0, "trunk": 90.0, "trunk_link": 55.0, "primary": 65.0, "primary_link": 45.0,
        "secondary": 60.0, "secondary_link": 40.0, "tertiary": 50.0, "tertiary_link": 35.0, "unclassified": 45.0, "minor": 45.0,
        "road": 40.0, "residential": 35.0, "living_street": 15.0, "service": 15.0, "track": 15.0, "pedestrian": 12.0,
        "busway": 40.0, "bus_guideway": 40.0,
    }  # fmt: skip


def _emergency_speeds() -> dict[str, float]:
    return {"footway": 10.0, "path": 10.0, "cycleway": 12.0, "bridleway": 10.0}


def _caps() -> dict[str, float]:
    return {"residential": 50.0, "living_street": 20.0, "service": 30.0, "track": 30.0, "pedestrian": 12.0, "road": 50.0}


def _barrier_waits() -> dict[str, float]:
    return {
        "entrance": 0.0, "cattle_grid": 0.0, "toll_booth": 0.0, "border_control": 0.0, "checkpoint": 0.0, "height_restrictor": 0.0,
        "chicane": 0.0, "kerb": 0.0, "sally_port": 10.0, "lift_gate": 8.0, "sliding_gate": 10.0, "swing_gate": 15.0, "gate": 15.0,
        "hampshire_gate": 30.0, "wicket_gate": -1.0,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class PoliceProfile:
    """The parameters, and the questions the graph compiler asks."""

    name: str = "police"
    "Name in the road index."
    modes: tuple[str, ...] = ("motorcar", "psv", "bus", "taxi")
    "We drive where any of these may drive: motorcar, psv, bus, taxi, motor_vehicle, vehicle."
    speeds_kmh: Mapping[str, float] = field(default_factory=_speeds)
    "Speed by highway class where no maxspeed stands; a class with 0 or not listed is not driven."
    emergency_speeds_kmh: Mapping[str, float] = field(default_factory=_emergency_speeds)
    "Classes that are driven only where emergency=yes (designated, official, …) opens them."
    caps_kmh: Mapping[str, float] = field(default_factory=_caps)
    "A class is never driven faster than this, whatever the sign and the urgency say."
    urgency: float = 1.2
    "Factor on every speed for driving with blue light."
    speed_kmh_max: float = 160.0
    "Nothing is driven faster."
    private_kmh: float = 15.0
    "Speed limit on access=private; 0 keeps private ways closed."
    contraflow_kmh: float = 0.0
    "Speed against a plain one-way street with blue light; 0: never. Motorways, trunk roads and roundabouts never."
    obeys_turn_restrictions: bool = True
    "False: no turn restriction binds."
    restriction_modes: tuple[str, ...] = ("motorcar", "motor_vehicle", "vehicle")
    "restriction:MODE binds us for these, most specific first; plain restriction always does."
    lapse_modes: tuple[str, ...] = ("emergency", "psv", "bus", "motorcar", "motor_vehicle", "vehicle")
    "A restriction that excepts one of these does not bind us."
    barrier_wait_s: Mapping[str, float] = field(default_factory=_barrier_waits)
    "Seconds that a barrier costs; a negative number, or not listed: it closes the way unless its tags open it."
    barrier_opened_wait_s: float = 8.0
    "Seconds at a barrier that would be closed but opens for us (emergency=yes, bus=yes, bollard=rising)."

    def way_speeds_kmh(self, tags: Tags) -> tuple[float, float] | None:
        """Speed forward and backward along a way; 0 where it is closed; None when it is no road of ours."""
        highway = tags.get("highway")
        if highway is None or tags.get("area") == "yes" or tags.get("route") == "ferry":
            return None
        cruise_kmh = self.speeds_kmh.get(highway, 0.0)
        if not cruise_kmh and _stated(tags, ("emergency",)) is Access.OPEN:
            cruise_kmh = self.emergency_speeds_kmh.get(highway, 0.0)
        if not cruise_kmh:
            return None
        forward = self._speed_kmh(tags, highway, cruise_kmh, "forward")
        backward = self._speed_kmh(tags, highway, cruise_kmh, "backward")
        return (forward, backward) if forward or backward else None

    def _speed_kmh(self, tags: Tags, highway: str, cruise_kmh: float, direction: str) -> float:
        """Speed in one direction of a way whose class is driven at ``cruise_kmh``; 0 where it is closed."""
        access, with_traffic = self._access(tags, direction)
        if access is Access.CLOSED:
            return 0.0
        posted = posted_kmh(tags.get(f"maxspeed:{direction}") or tags.get("maxspeed", ""))
        kmh = min((cruise_kmh if posted is None else posted) * self.urgency, self.speed_kmh_max)
        kmh = min(kmh, self.caps_kmh.get(highway, kmh), self.emergency_speeds_kmh.get(highway, kmh))
        if access is Access.PRIVATE:
            kmh = min(kmh, self.private_kmh)
        if not with_traffic:
            kmh = min(kmh, 0.0 if _is_never_contraflow(tags) else self.contraflow_kmh)
        return kmh

    def _access(self, tags: Tags, direction: str) -> tuple[Access, bool]:
        """How open the way is in one direction, and whether traffic that we may join flows that way.

        Each mode is judged whole: a lane where only buses may drive, and only forward, opens forward alone.
        """
        emergency = _stated(tags, ("emergency",), direction)
        with_traffic, against = Access.CLOSED, Access.CLOSED
        for mode in self.modes:
            chain = (mode, *_PARENTS.get(mode, ()))
            access = _stated(tags, (*chain, "access"), direction) if emergency is None else emergency
            access = Access.OPEN if access is None else access
            if _flows(tags, chain, direction):
                with_traffic = max(with_traffic, access)
            against = max(against, access)
        return (with_traffic, True) if with_traffic else (against, False)

    def barrier_wait_s_of(self, tags: Tags) -> float | None:
        """Seconds that a node on the way costs; None when it closes the way."""
        kind = tags.get("barrier", "no")
        if kind == "no":
            return 0.0
        listed = self.barrier_wait_s.get(kind, -1.0)
        wait_s = listed if listed >= 0.0 else None
        stated = _stated(tags, ("emergency",))
        if stated is None:
            chains = [_stated(tags, (mode, *_PARENTS.get(mode, ()), "access")) for mode in self.modes]
            stated = max((access for access in chains if access is not None), default=None)
            if stated is not Access.OPEN and tags.get("locked") == "yes":
                return None
        if stated is Access.CLOSED:
            return None
        opens = stated is Access.OPEN or (stated is None and tags.get("bollard") == "rising")
        return self.barrier_opened_wait_s if wait_s is None and opens else wait_s

    def turn_rule(self, tags: Tags) -> TurnRule:
        """What a relation with these tags says about the turn that its members name."""
        if tags.get("type") != "restriction" or not self.obeys_turn_restrictions:
            return TurnRule.NONE
        if not {word.strip() for word in re.split(r"[;,]", tags.get("except", ""))}.isdisjoint(self.lapse_modes):
            return TurnRule.LAPSED
        keys = [f"restriction:{mode}" for mode in self.restriction_modes] + ["restriction"]
        value = next((tags[key] for key in keys if key in tags), None)
        if value is None:
            return TurnRule.CONDITIONAL if any(f"{key}:conditional" in tags for key in keys) else TurnRule.NONE
        if "day_on" in tags or "hour_on" in tags:
            return TurnRule.CONDITIONAL
        kinds, turns = zip(*(part.strip().partition("_")[::2] for part in value.split(";")), strict=True)
        if len(set(kinds)) != 1 or not _TURNS.issuperset(turns):
            return TurnRule.UNSUPPORTED
        if kinds[0] == "no":
            return TurnRule.NO
        return TurnRule.ONLY if kinds[0] == "only" and _TURNS.difference(("entry", "exit")).issuperset(turns) else TurnRule.UNSUPPORTED

    def parameters(self) -> dict[str, object]:
        """Every parameter, as it would stand in a profile file."""
        return asdict(self)

    def digest(self) -> str:
        """Names parameters and compiler: two indexes with the same digest and source are the same map."""
        text = json.dumps([COMPILER_VERSION, self.parameters()], sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _stated(tags: Tags, keys: tuple[str, ...], direction: str = "") -> Access | None:
    """What the first of ``keys`` that says anything says; None when none does."""
    for key in keys:
        value = tags.get(f"{key}:{direction}") or tags.get(key) if direction else tags.get(key)
        if value is not None:
            access = _ACCESS.get(value.partition(";")[0].strip())
            if access is not None:
                return access
    return None


def _flows(tags: Tags, chain: tuple[str, ...], direction: str) -> bool:
    """Does traffic of this mode flow in that direction?"""
    if (emergency := tags.get("oneway:emergency")) is not None:
        oneway = emergency
    else:
        oneway = next((value for mode in chain if (value := tags.get(f"oneway:{mode}"))), tags.get("oneway", ""))
        if _has_contraflow_lane(tags, chain):
            return True
    if oneway in _NEITHER:
        return False
    if oneway in _BOTH:
        return True
    if oneway in _BACKWARD_ONLY:
        return direction == "backward"
    if oneway in _FORWARD_ONLY or tags.get("highway") in ("motorway", "motorway_link") or tags.get("junction") in ("roundabout", "circular"):
        return direction == "forward"
    return True


def _has_contraflow_lane(tags: Tags, chain: tuple[str, ...]) -> bool:
    """A bus lane against the one-way street: busway=opposite_lane, or counted lanes."""
    if "psv" not in chain:
        return False
    if any(tags.get(key) == "opposite_lane" for key in ("busway", "busway:left", "busway:right", "busway:both")):
        return True
    return any(tags.get(f"lanes:{mode}:backward", "0") not in ("0", "") for mode in chain)


def _is_never_contraflow(tags: Tags) -> bool:
    highway = tags.get("highway", "")
    return highway.removesuffix("_link") in ("motorway", "trunk") or tags.get("junction") in ("roundabout", "circular")


# ------------------------------------------------------------------------------------------- the profile file


def read_profile(path: str | Path) -> PoliceProfile:
    """The profile in a TOML file. Raises: ConfigError with everything that is wrong with it."""
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror or error}; give a TOML file with profile parameters"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: {error}"]) from error
    return profile_from(table, str(path))


def profile_from(table: Mapping[str, object], where: str) -> PoliceProfile:
    """The profile that a TOML table describes; what it leaves out keeps its default, inside tables as well.

    Raises: ConfigError with every complaint, each beginning with ``where``.
    """
    default = PoliceProfile()
    known = {item.name: getattr(default, item.name) for item in fields(PoliceProfile)}
    complaints: list[str] = []
    values: dict[str, object] = {}
    for key, found in table.items():
        if key not in known:
            complaints.append(f"{where}: {key}: unknown key{_nearest(key, known)}")
            continue
        try:
            values[key] = _read(known[key], found, -1.0 if key == "barrier_wait_s" else 0.0)
        except ValueError as error:
            complaints.append(f"{where}: {key}{error}")
    for mode in values.get("modes", ()) if isinstance(values.get("modes"), tuple) else ():  # type: ignore[attr-defined]
        if mode not in _PARENTS:
            complaints.append(f"{where}: modes: unknown mode {mode!r}{_nearest(str(mode), _PARENTS)}")
    if complaints:
        raise ConfigError(complaints)
    return PoliceProfile(**values)  # type: ignore[arg-type]


def _nearest(key: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"


def _read(default: object, found: object, least: float) -> object:
    """``found`` as the type of ``default``, its numbers not below ``least``; ValueError says what was expected."""
    if isinstance(default, bool):
        if isinstance(found, bool):
            return found
        raise ValueError(": expected true or false")
    if isinstance(default, float):
        return _number(found, least)
    if isinstance(default, str):
        if isinstance(found, str) and found:
            return found
        raise ValueError(": expected a text")
    if isinstance(default, tuple):
        if isinstance(found, list) and all(isinstance(word, str) for word in found):
            return tuple(found)
        raise ValueError(": expected a list of words")
    assert isinstance(default, Mapping)
    if not isinstance(found, Mapping):
        raise ValueError(": expected a table of name = number")
    merged = dict(default)
    for name, value in found.items():
        try:
            merged[name] = _number(value, least)
        except ValueError as error:
            raise ValueError(f".{name}{error}") from None
    return merged


def _number(found: object, least: float) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not least <= found <= 1e6:
        raise ValueError(f": expected a number of at least {least:g}")
    return float(found)
