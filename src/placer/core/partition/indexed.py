"""A problem as arrays in the order of names, so that no answer depends on the order of a file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from placer.core.errors import UsageError
from placer.core.partition.problem import InfeasibleError, Problem, check_problem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Indexed:
    """Nodes and tensors by number, both sorted by name."""

    names: tuple[str, ...]
    keys: tuple[str, ...]
    """Where each node stands in the graph as it was given: ``nodes[3]``."""
    times_s: Floats
    """(nodes, tiers); nan: it cannot run there."""
    allowed: Flags
    """(nodes, tiers): by times, pins and tensors that are kept, before `tightened`."""
    topological: tuple[int, ...]
    """Producers before consumers."""
    producers: tuple[tuple[int, ...], ...]
    """Of each node, distinct and ascending."""
    consumers: tuple[tuple[int, ...], ...]
    edge_from: Ints
    """Distinct pairs of producer and consumer: (edges,)."""
    edge_to: Ints
    tensor_names: tuple[str, ...]
    tensor_from: Ints
    """Producer of each tensor that has consumers, of those alone."""
    tensor_bytes: Floats
    tensor_start: Ints
    """Where the consumers of each tensor begin in `tensor_to`."""
    tensor_to: Ints
    tensor_of: Ints
    """Tensor of each entry of `tensor_to`."""
    output_bytes: Floats
    """(nodes,): bytes of the outputs that a node makes."""
    pins: tuple[tuple[int, str], ...]
    """Node -> what narrows its tiers, in words, for messages."""

    @property
    def n_tiers(self) -> int:
        """Number of tiers."""
        return int(self.times_s.shape[1])


def index(problem: Problem) -> Indexed:
    """Check a problem and number it.

    Raises
    ------
    UsageError
        Anything that `check_problem` finds, or a cycle.
    """
    check_problem(problem)
    graph = problem.graph
    n_tiers = len(problem.sites)
    order = sorted(range(len(graph.nodes)), key=lambda place: graph.nodes[place].name)
    keys = tuple(f"nodes[{place}]" for place in order)
    nodes = [graph.nodes[place] for place in order]
    number = {node.name: place for place, node in enumerate(nodes)}
    times_s = np.array(
        [[math.nan if one is None else float(one) for one in node.time_s] for node in nodes],
        dtype=np.float64,
    ).reshape(len(nodes), n_tiers)
    allowed = ~np.isnan(times_s)
    pins: dict[int, list[str]] = {}
    for place, node in enumerate(nodes):
        if node.tier is not None:
            pins[place] = [f"is pinned to tier {node.tier}"]
            if not allowed[place, node.tier]:
                raise InfeasibleError(
                    f"{keys[place]}.tier: '{node.name}' is pinned to tier {node.tier}, where its "
                    "time_s is null",
                    hint="give its time there, or another tier",
                )
            allowed[place] &= np.arange(n_tiers) == node.tier
    tensors = sorted(graph.tensors, key=lambda tensor: tensor.name)
    outputs = frozenset(graph.outputs)
    output_bytes = np.zeros(len(nodes))
    used_by: list[list[int]] = []
    crossing = []
    edges: set[tuple[int, int]] = set()
    for tensor in tensors:
        producer = number[tensor.producer]
        consumers = sorted({number[name] for name in tensor.consumers})
        edges.update((producer, consumer) for consumer in consumers)
        if tensor.name in outputs:
            output_bytes[producer] += tensor.n_bytes
        if tensor.keep_up_to_tier is not None:
            kept = f"holds '{tensor.name}', kept up to tier {tensor.keep_up_to_tier}"
            for place in (producer, *consumers):
                allowed[place, tensor.keep_up_to_tier + 1 :] = False
                pins.setdefault(place, []).append(kept)
        if consumers:
            crossing.append(tensor)
            used_by.append(consumers)
    producers_of: list[list[int]] = [[] for _ in nodes]
    consumers_of: list[list[int]] = [[] for _ in nodes]
    ordered = sorted(edges)
    for producer, consumer in ordered:
        producers_of[consumer].append(producer)
        consumers_of[producer].append(consumer)
    names = tuple(node.name for node in nodes)
    lengths = [len(consumers) for consumers in used_by]
    return Indexed(
        names=names,
        keys=keys,
        times_s=times_s,
        allowed=allowed,
        topological=_topological(names, producers_of, consumers_of),
        producers=tuple(map(tuple, producers_of)),
        consumers=tuple(map(tuple, consumers_of)),
        edge_from=np.array([producer for producer, _ in ordered], dtype=np.int64),
        edge_to=np.array([consumer for _, consumer in ordered], dtype=np.int64),
        tensor_names=tuple(tensor.name for tensor in crossing),
        tensor_from=np.array([number[one.producer] for one in crossing], dtype=np.int64),
        tensor_bytes=np.array([one.n_bytes for one in crossing], dtype=np.float64),
        tensor_start=np.cumsum([0, *lengths[:-1]], dtype=np.int64)[: len(lengths)],
        tensor_to=np.array([to for consumers in used_by for to in consumers], dtype=np.int64),
        tensor_of=np.repeat(np.arange(len(crossing)), lengths).astype(np.int64),
        output_bytes=output_bytes,
        pins=tuple((place, " and ".join(pins[place])) for place in sorted(pins)),
    )


def _topological(
    names: Sequence[str], producers: Sequence[Sequence[int]], consumers: Sequence[Sequence[int]]
) -> tuple[int, ...]:
    """Return the nodes, producers before consumers."""
    missing = [len(one) for one in producers]
    order = [node for node, count in enumerate(missing) if not count]
    for node in order:
        for consumer in consumers[node]:
            missing[consumer] -= 1
            if not missing[consumer]:
                order.append(consumer)  # it is met later in the same loop
    if len(order) < len(names):
        _refuse_cycle(names, producers)
    return tuple(order)


def _refuse_cycle(names: Sequence[str], producers: Sequence[Sequence[int]]) -> NoReturn:
    try:
        TopologicalSorter(dict(enumerate(producers))).prepare()
    except CycleError as error:
        cycle = [names[place] for place in error.args[1]]
        first = cycle.index(min(cycle[:-1]))
        turned = [*cycle[first:-1], *cycle[:first], cycle[first]]
        shown = " -> ".join(f"'{name}'" for name in turned[:6])
        more = " -> ..." if len(turned) > 6 else ""
        raise UsageError(
            f"tensors: the nodes form a cycle: {shown}{more}",
            hint="no node can take, however far round, what it makes",
        ) from error
    raise AssertionError("some nodes wait for each other")


def tightened(indexed: Indexed, allowed: Flags) -> Flags:
    """Return the tiers of each node that some assignment uses, by producers and consumers.

    A node cannot run before the least tier of a producer, nor after the greatest of a consumer.
    What remains holds for single nodes: the least remaining tiers are one feasible assignment,
    and the greatest ones another.

    Parameters
    ----------
    allowed
        (nodes, tiers).

    Raises
    ------
    InfeasibleError
        No assignment is left; says which constraints clash.
    """
    n_nodes, n_tiers = allowed.shape
    # next_up[v][k]: the least allowed tier from k on, n_tiers if there is none
    next_up = np.full((n_nodes, n_tiers + 1), n_tiers, dtype=np.int64)
    next_down = np.full((n_nodes, n_tiers + 1), -1, dtype=np.int64)
    """next_down[v][k + 1]: the greatest allowed tier up to k."""
    for tier in reversed(range(n_tiers)):
        next_up[:, tier] = np.where(allowed[:, tier], tier, next_up[:, tier + 1])
    for tier in range(n_tiers):
        next_down[:, tier + 1] = np.where(allowed[:, tier], tier, next_down[:, tier])
    ups, downs = next_up.tolist(), next_down.tolist()
    low = [0] * n_nodes
    reason = [-1] * n_nodes
    for node in indexed.topological:
        least = 0
        for producer in indexed.producers[node]:
            if low[producer] > least:
                least, reason[node] = low[producer], producer
        low[node] = ups[node][least]
        if low[node] == n_tiers:
            _refuse(indexed, allowed, node, low, reason)
    high = [n_tiers - 1] * n_nodes
    for node in reversed(indexed.topological):
        greatest = n_tiers - 1
        for consumer in indexed.consumers[node]:
            greatest = min(greatest, high[consumer])
        high[node] = downs[node][greatest + 1]
    tiers = np.arange(n_tiers)
    within: Flags = (tiers >= np.array(low)[:, None]) & (tiers <= np.array(high)[:, None])
    return allowed & within


def _refuse(
    indexed: Indexed, allowed: Flags, node: int, low: list[int], reason: list[int]
) -> NoReturn:
    pins = dict(indexed.pins)
    name = f"{indexed.keys[node]}: '{indexed.names[node]}'"
    own = pins.get(node, f"can run on tiers {_listed(allowed[node])} only")
    source = reason[node]
    if source < 0:
        raise InfeasibleError(
            f"{name} {own}, which leaves it no tier", hint="loosen one of its constraints"
        )
    cause = source
    while reason[cause] >= 0 and low[reason[cause]] == low[source]:
        cause = reason[cause]
    why = pins.get(cause, f"can run on tiers {_listed(allowed[cause])} only")
    raise InfeasibleError(
        f"{name} {own}, but it comes after '{indexed.names[cause]}' ({indexed.keys[cause]}), which "
        f"{why}: nothing runs before tier {low[source]} from there on",
        hint="loosen one of the two; work never returns to an earlier tier",
    )


def _listed(allowed: Flags) -> str:
    return ", ".join(str(tier) for tier in np.flatnonzero(allowed)) or "none"


def crossing_bytes(indexed: Indexed, tiers: Ints) -> tuple[Floats, Floats, Flags]:
    """Return (bytes up, bytes of outputs down, whether any node runs beyond), each per link."""
    n_links = indexed.n_tiers - 1
    up, down = np.zeros(n_links), np.zeros(n_links)
    used = np.zeros(n_links, dtype=np.bool_)
    last = last_tiers(indexed, tiers)
    first = tiers[indexed.tensor_from]
    for link in range(n_links):
        up[link] = math.fsum(indexed.tensor_bytes[(first <= link) & (last > link)])
        down[link] = math.fsum(indexed.output_bytes[tiers > link])
        used[link] = bool((tiers > link).any())
    return up, down, used


def last_tiers(indexed: Indexed, tiers: Ints) -> Ints:
    """Return the furthest tier on which each tensor is taken."""
    if not len(indexed.tensor_start):
        return np.zeros(0, dtype=np.int64)
    last: Ints = np.maximum.reduceat(tiers[indexed.tensor_to], indexed.tensor_start)
    return last
