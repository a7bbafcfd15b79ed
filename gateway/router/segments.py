"""Ways cut into segments: the stretches of road between two points where something can be decided.

A decision point is a node that roads use twice, the end of a way, a barrier, or the via node of a turn restriction.
What lies between keeps its shape and needs no decision, so the graph is a fifth of the raw nodes. Two ways between
the same two junctions stay two segments, and a way that the extract's border cut goes on as separate pieces.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from gateway.positions import distance_m
from gateway.router.extract import Extract, RoadWay

TICKS_PER_S = 10_000
"Times are integers in 1/10 ms: ties are ties in every engine."
INF = 0x7F000000
"No way through (59 hours). The sum of two still fits into 32 bits."


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of road between two junctions, in the direction in which its way was drawn."""

    way_id: int
    tail: int
    "Junction where it begins; OSM node id."
    head: int
    points: tuple[tuple[int, int], ...]
    "(lat_e7, lon_e7), at least two."
    length_cm: int
    forward_ticks: int
    "INF: closed in this direction."
    backward_ticks: int


def cut(extract: Extract) -> list[Segment]:
    """Every segment of every way; a way's segments stand together and in its direction.

    Ways that are near each other on the ground are near each other in the list, and later in memory.
    """
    decisions = _decision_nodes(extract)
    runs = [(run, way) for way in extract.ways.values() for run in _runs(extract, way)]
    runs.sort(key=lambda item: (_hilbert(extract.positions[item[1].nodes[0]] or extract.positions[item[0][0]]), item[1].way_id))
    return [segment for run, way in runs for segment in _cut_run(extract, way, run, decisions)]


def _hilbert(position: tuple[int, int] | None) -> int:
    """Place of a position on a Hilbert curve over the globe, in steps of about 10 m."""
    assert position is not None
    x, y, place = (position[1] + 1_800_000_000) >> 10, (position[0] + 900_000_000) >> 10, 0
    for bit in range(21, -1, -1):
        side = 1 << bit
        right, upper = x & side != 0, y & side != 0
        place = place << 2 | (3 * right ^ upper)
        if not upper:
            if right:
                x, y = ~x, ~y
            x, y = y, x
    return place


def _runs(extract: Extract, way: RoadWay) -> Iterator[list[int]]:
    """The stretches of a way whose nodes the extract holds."""
    run: list[int] = []
    for node in way.nodes:
        if extract.positions[node] is not None:
            run.append(node)
            continue
        if len(run) > 1:
            yield run
        run = []
    if len(run) > 1:
        yield run


def _decision_nodes(extract: Extract) -> set[int]:
    uses: Counter[int] = Counter()
    decisions = set(extract.barrier_wait_s)
    for relation in extract.relations:
        decisions.update(relation.via_nodes)
    for way in extract.ways.values():
        for run in _runs(extract, way):
            uses.update(run)
            decisions.update((run[0], run[-1]))
    decisions.update(node for node, count in uses.items() if count > 1)
    return decisions


def _cut_run(extract: Extract, way: RoadWay, run: list[int], decisions: set[int]) -> Iterator[Segment]:
    start = 0
    for index in range(1, len(run)):
        if run[index] in decisions:
            yield _segment(extract, way, run[start : index + 1])
            start = index


def _segment(extract: Extract, way: RoadWay, nodes: list[int]) -> Segment:
    points = tuple(position for node in nodes if (position := extract.positions[node]) is not None)
    length_m = sum(distance_m(*one, *other) for one, other in pairwise(points))
    return Segment(
        way.way_id, nodes[0], nodes[-1], points, round(length_m * 100), ticks(length_m, way.forward_kmh), ticks(length_m, way.backward_kmh)
    )


def ticks(length_m: float, kmh: float) -> int:
    """Time for a length at a speed, INF where it is closed."""
    if kmh <= 0.0:
        return INF
    return min(round(length_m * 3.6 / kmh * TICKS_PER_S), INF - 1)
