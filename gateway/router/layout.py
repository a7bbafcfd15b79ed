"""From an extract to the arrays of the road index: every step of the graph compiler, in order."""

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, chain

from gateway.errors import RoadsError
from gateway.router.extract import Extract
from gateway.router.grid import sort_in
from gateway.router.reach import components, flags
from gateway.router.restrictions import rules_of
from gateway.router.segments import Segment, cut
from gateway.router.turns import Arcs, States, expand, number_arcs

Progress = Callable[[str], None]
"Told what is being done, in words for a person."

Sections = "dict[str, array[Any]]"


def lay_out(extract: Extract, progress: Progress) -> tuple[dict[str, "array[int]"], dict[str, object]]:
    """(the sections of the index, what they hold in numbers).

    Raises: RoadsError: the extract holds no road for this profile.
    """
    progress(f"cutting {len(extract.ways)} ways into segments")
    segments = cut(extract)
    if not segments:
        raise RoadsError("the extract holds no road that the profile drives: is it an OpenStreetMap extract with highways?")
    arcs = number_arcs(segments)
    progress(f"reading {len(extract.relations)} turn restrictions over {len(arcs.ticks)} arcs")
    rules = rules_of(extract.relations, extract.ways, segments, arcs, extract.counts)
    states = expand(arcs, rules, extract.barrier_wait_s)
    progress(f"joining {len(states.turns)} turns and placing everything in the grid")
    return arrange(segments, arcs, states)


def arrange(segments: Sequence[Segment], arcs: Arcs, states: States) -> tuple[dict[str, "array[int]"], dict[str, object]]:
    """The sections for segments, arcs and states that already exist."""
    component = components(arcs, states)
    segment_flags = flags(segments, component)
    junctions: dict[int, int] = {}
    ends = [junctions.setdefault(node, len(junctions)) for segment in segments for node in (segment.tail, segment.head)]
    point_begin = [0, *accumulate(len(segment.points) for segment in segments)]
    bounds = _bounds(segments)
    grid = sort_in(segments, point_begin, math.cos(math.radians((bounds["south"] + bounds["north"]) / 2)))
    before, turns = _backward(len(arcs.ticks) + len(states.copy_of), states)
    sections = {
        "points": array("i", chain.from_iterable(point for segment in segments for point in segment.points)),
        "segment_points": array("I", point_begin),
        "segment_arcs": array("i", chain.from_iterable(arcs.of_segment)),
        "segment_junctions": array("I", ends),
        "segment_length_cm": array("I", (segment.length_cm for segment in segments)),
        "segment_way": array("q", (segment.way_id for segment in segments)),
        "segment_component": array("I", component),
        "segment_flags": array("B", segment_flags),
        "arc_segment": array("I", (segment * 2 + back for segment, back in zip(arcs.segment, arcs.is_backward, strict=True))),
        "state_ticks": array("I", chain(arcs.ticks, (arcs.ticks[arc] for arc in states.copy_of))),
        "copy_arc": array("I", states.copy_of),
        "before": before,
        "turns": turns,
        "grid_frame": grid.frame,
        "grid_cells": grid.begin,
        "grid_pieces": grid.pieces,
    }
    numbers: dict[str, object] = {
        "nodes": len(junctions),
        "segments": len(segments),
        "arcs": len(arcs.ticks),
        "states": len(arcs.ticks) + len(states.copy_of),
        "turns": len(states.turns),
        "components": len(set(component)),
        "road_km": round(sum(segment.length_cm for segment in segments) / 1e5, 1),
        "bbox": bounds,
    }
    return sections, numbers


def _bounds(segments: Sequence[Segment]) -> Mapping[str, float]:
    lats = [lat for segment in segments for lat, _ in segment.points]
    lons = [lon for segment in segments for _, lon in segment.points]
    return {"south": min(lats) / 1e7, "west": min(lons) / 1e7, "north": max(lats) / 1e7, "east": max(lons) / 1e7}


def _backward(count: int, states: States) -> tuple["array[int]", "array[int]"]:
    """Turns by the state that they lead into, because the search runs backwards from the alarm."""
    degree = [0] * count
    for _, following, _ in states.turns:
        degree[following] += 1
    ordered = sorted(states.turns, key=lambda turn: (turn[1], turn[0]))
    return array("I", [0, *accumulate(degree)]), array("I", chain.from_iterable((state, extra) for state, _, extra in ordered))
