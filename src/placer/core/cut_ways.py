"""Outputs that the head or the tail may make, whatever crosses: ways to run one cut."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from placer.core.cuts import tiers_of_cuts
from placer.core.groups import GroupGraph

MAX_WAYS = 16


def ways(graph: GroupGraph, cut: Sequence[str]) -> tuple[dict[str, int], ...]:
    """Return each group -> tier in which just these tensors cross, the one with most behind first.

    What lies behind a cut may fall into parts that do not need each other: each part whose tensors
    others take as well may run before the cut.

    Raises
    ------
    UsageError
        They are no cut.
    """
    tiers = tiers_of_cuts(graph, [cut])
    parts = _movable(graph, tiers, cut)
    found = []
    for size in range(len(parts) + 1):
        for moved in itertools.combinations(parts, size):
            here = set().union(*moved)
            if all(_crosses(graph, tiers, name, here) for name in cut):
                found.append({name: 0 if name in here else tier for name, tier in tiers.items()})
            if len(found) == MAX_WAYS:
                return tuple(found)
    return tuple(found)


def free_outputs(graph: GroupGraph, cut: Sequence[str]) -> tuple[str, ...]:
    """Return the outputs that head or tail may make while the same tensors cross."""
    moved = set().union(*_movable(graph, tiers_of_cuts(graph, [cut]), cut))
    return tuple(
        one.name
        for one in graph.tensors
        if one.name in graph.outputs and one.producer is not None and one.producer in moved
    )


def _movable(graph: GroupGraph, tiers: dict[str, int], cut: Sequence[str]) -> list[set[str]]:
    """Return the parts of the tail that may run in the head."""
    part_of = {name: {name} for name, tier in tiers.items() if tier == 1}
    for tensor in graph.tensors:
        if tensor.producer in part_of:
            for user in tensor.consumers:
                first, second = part_of[tensor.producer], part_of[user]
                if first is not second:
                    first |= second
                    part_of.update(dict.fromkeys(second, first))
    parts = {id(part): part for part in part_of.values()}
    return [
        part for part in parts.values() if all(_crosses(graph, tiers, name, part) for name in cut)
    ]


def _crosses(graph: GroupGraph, tiers: dict[str, int], name: str, here: set[str]) -> bool:
    """Tell whether a tensor is taken behind the cut, with some groups moved before it."""
    users = next(tensor.consumers for tensor in graph.tensors if tensor.name == name)
    return any(tiers[user] == 1 and user not in here for user in users)
