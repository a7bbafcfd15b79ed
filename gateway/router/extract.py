"""What an OpenStreetMap extract holds for us: the ways we drive, their nodes, barriers and turn restrictions.

Filled in two passes, so that only the nodes that roads use are kept: ways and relations first, then nodes. The order
of features inside the file does not matter.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.router.profile import PoliceProfile, TurnRule

ID_MAX = 2**63 - 1
MEMBERS_MAX = 64
"A turn restriction with more members than this is no turn restriction."


@dataclass(frozen=True, slots=True)
class RoadWay:
    """A way that we drive in at least one direction."""

    way_id: int
    nodes: "array[int]"
    "OSM node ids, consecutive repetitions removed."
    forward_kmh: float
    "0: closed in this direction."
    backward_kmh: float


@dataclass(frozen=True, slots=True)
class TurnRelation:
    """A turn restriction that binds us, as its members stand in the file."""

    is_only: bool
    from_ways: tuple[int, ...]
    via_nodes: tuple[int, ...]
    via_ways: tuple[int, ...]
    to_ways: tuple[int, ...]


@dataclass(slots=True)
class Extract:
    """Collects what the two passes bring."""

    profile: PoliceProfile
    ways: dict[int, RoadWay] = field(default_factory=dict)
    relations: list[TurnRelation] = field(default_factory=list)
    positions: dict[int, tuple[int, int] | None] = field(default_factory=dict)
    "Node id -> (lat_e7, lon_e7); None: a road needs the node and the extract does not hold it."
    barrier_wait_s: dict[int, float | None] = field(default_factory=dict)
    "Node id -> seconds; None: closed. Only nodes where a barrier stands that costs something."
    counts: Counter[str] = field(default_factory=Counter)

    def take_way(self, way_id: int, nodes: Iterable[int], tags: Mapping[str, str]) -> None:
        """First pass."""
        if "highway" not in tags:
            return
        self.counts["highway_ways"] += 1
        speeds = self.profile.way_speeds_kmh(tags)
        if not -ID_MAX <= way_id <= ID_MAX:
            raise ValueError(f"way {way_id}: no OpenStreetMap number is as large")
        refs = array("q")
        for node in nodes:
            if not refs or refs[-1] != node:
                refs.append(node)
        if speeds is None or len(refs) < 2 or way_id in self.ways:
            return
        if any(key.endswith(":conditional") for key in tags):
            self.counts["ways_conditional"] += 1
        self.ways[way_id] = RoadWay(way_id, refs, *speeds)
        self.positions.update(dict.fromkeys(refs))

    def take_relation(self, members: Iterable[tuple[str, int, str]], tags: Mapping[str, str]) -> None:
        """First pass. ``members``: (node|way|relation, id, role)."""
        if not tags.get("type", "").startswith("restriction"):
            return
        rule = self.profile.turn_rule(tags)
        self.counts["restrictions"] += 1
        if rule not in (TurnRule.NO, TurnRule.ONLY):
            self.counts[f"restrictions_{_WHY_NOT[rule]}"] += 1
            return
        roles: dict[tuple[str, str], list[int]] = {}
        count = 0
        for kind, member_id, role in members:
            roles.setdefault((role, kind), []).append(member_id)
            count += 1
        from_ways, to_ways = roles.pop(("from", "way"), []), roles.pop(("to", "way"), [])
        via_nodes, via_ways = roles.pop(("via", "node"), []), roles.pop(("via", "way"), [])
        has_one_via = len(via_nodes) == 1 and not via_ways or (via_ways and not via_nodes)
        misread = any(role in ("from", "via", "to") for role, _ in roles)
        # A ban read from several sides is several bans; a command read from several sides contradicts itself.
        is_clear = rule is TurnRule.NO or (len(from_ways) == 1 and len(to_ways) == 1)
        if not (from_ways and to_ways and has_one_via and is_clear) or misread or count > MEMBERS_MAX:
            self.counts["restrictions_malformed"] += 1
            return
        self.relations.append(TurnRelation(rule is TurnRule.ONLY, tuple(from_ways), tuple(via_nodes), tuple(via_ways), tuple(to_ways)))

    def take_node(self, node_id: int, lat: float, lon: float, tags: Mapping[str, str]) -> None:
        """Second pass: nodes that no road uses are passed over."""
        if node_id not in self.positions:
            return
        if not (-90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0):
            self.counts["nodes_off_the_globe"] += 1
            return
        self.positions[node_id] = (round(lat * 1e7), round(lon * 1e7))
        if "barrier" in tags:
            wait_s = self.profile.barrier_wait_s_of(tags)
            if wait_s != 0.0:
                self.barrier_wait_s[node_id] = wait_s
                self.counts["barriers_closed" if wait_s is None else "barriers_passable"] += 1

    def finish(self) -> None:
        """After the second pass."""
        self.counts["ways"] = len(self.ways)
        self.counts["nodes"] = sum(position is not None for position in self.positions.values())
        self.counts["nodes_missing"] = len(self.positions) - self.counts["nodes"]


_WHY_NOT = {
    TurnRule.NONE: "of_others",
    TurnRule.LAPSED: "lapsed",
    TurnRule.CONDITIONAL: "conditional",
    TurnRule.UNSUPPORTED: "unsupported",
}
