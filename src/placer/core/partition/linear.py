"""The best assignment where every link has one line: a single least cut.

A vertex (v, k) stands on the source side where node v runs on tier k or before. The tiers that
v may not use make some of its vertices one, or fix them to a side. Of the costs of a node the
least is sure. The rest is taken apart into a valley, whose steps are arcs to the sink before its
lowest tier and from the source behind it, and what stands above it, one arc between two vertices.
So the network is small, no flow passes straight through, and no large cost is added here to be
taken off there: a tier of 1e18 seconds costs the others no digit.

Source: Kolmogorov and Zabih, "What energy functions can be minimized via graph cuts?", 2004, for
what such cuts can express; the arcs against the order of producers are what keeps work from
returning to an earlier tier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placer.core.partition.costs import Line
from placer.core.partition.flow import SINK, SOURCE, Network, least_cut
from placer.core.partition.indexed import Flags, Floats, Indexed, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The best assignment, on the least tiers among those of equal cost."""

    tiers: Ints
    low: float
    """No assignment costs less."""
    value: float
    """What this one costs, by the network."""


@dataclass(frozen=True, slots=True)
class LinearLink:
    """A link of which every direction has one line."""

    fixed: float
    up: Line
    down: Line


def solve_linear(
    indexed: Indexed, allowed: Flags, nodes: Floats, links: Sequence[LinearLink]
) -> Found:
    """Return the best assignment.

    Parameters
    ----------
    allowed
        (nodes, tiers), as `tightened` returns them.
    nodes
        (nodes, tiers): cost of each node.
    """
    down_per_byte = np.cumsum([0.0, *(link.down[1] for link in links)])
    costs = np.where(allowed, nodes + indexed.output_bytes[:, None] * down_per_byte, 0.0)
    n_allowed = allowed.sum(axis=1)
    n_free = n_allowed - 1
    offset = 2 + np.concatenate([[0], np.cumsum(n_free)])
    arcs = _Builder(int(offset[-1]))
    passed: Ints = np.cumsum(allowed, axis=1, dtype=np.int64)
    """(nodes, tiers): allowed tiers up to this one; 0: the node is beyond, all: before."""
    base = _add_nodes(arcs, allowed, costs, passed, offset[:-1])
    vertex = np.where(
        passed == 0,
        SINK,
        np.where(passed == n_allowed[:, None], SOURCE, offset[:-1, None] + passed - 1),
    )[:, :-1]
    for link, line in enumerate(links):
        at = vertex[:, link]
        arcs.add(at[indexed.edge_to], at[indexed.edge_from], math.inf)
        _add_tensors(arcs, indexed, at, line.up[1])
        base += _add_fixed(arcs, indexed, at, line.fixed + line.up[0] + line.down[0])
    network, constant = arcs.network()
    base += constant
    cut = least_cut(network)
    tiers = (~cut.on_source_side[vertex]).sum(axis=1)
    return Found(tiers.astype(np.int64), base + cut.low, base + cut.high)


class _Builder:
    """Collects arcs; those that end on the wrong side for nothing are left out."""

    def __init__(self, n_vertices: int) -> None:
        self.n_vertices = n_vertices
        self._parts: list[tuple[Ints, Ints, Floats]] = []

    def new(self, count: int) -> Ints:
        """Return new vertices."""
        self.n_vertices += count
        return np.arange(self.n_vertices - count, self.n_vertices)

    def add(self, tail: Ints, head: Ints, capacity: Floats | float) -> None:
        capacities = np.broadcast_to(np.asarray(capacity, dtype=np.float64), tail.shape)
        # cut only where the tail is on the source side and the head on the sink's
        matters = (tail != head) & (tail != SINK) & (head != SOURCE) & (capacities > 0)
        self._parts.append((tail[matters], head[matters], capacities[matters]))

    def network(self) -> tuple[Network, float]:
        """Return the network without arcs from source to sink, and their capacity."""
        tail, head, capacity = (
            np.concatenate([part[place] for part in self._parts]) for place in range(3)
        )
        is_constant = (tail == SOURCE) & (head == SINK)
        kept = ~is_constant
        network = Network(self.n_vertices, tail[kept], head[kept], capacity[kept])
        return network, math.fsum(capacity[is_constant])


def _add_nodes(arcs: _Builder, allowed: Flags, costs: Floats, passed: Ints, offset: Ints) -> float:
    """Pay for each node what its tier costs beyond its least; return what is sure to be paid."""
    finite = np.where(allowed, costs, math.inf)
    before = np.minimum.accumulate(finite, axis=1)
    behind = np.minimum.accumulate(finite[:, ::-1], axis=1)[:, ::-1]
    node, tier = np.nonzero(allowed)
    valley = np.maximum(before, behind)[node, tier]
    is_step = node[1:] == node[:-1]
    step = passed[node, tier][:-1][is_step] - 1
    at = offset[node[:-1][is_step]] + step
    rise = (valley[1:] - valley[:-1])[is_step]
    arcs.add(np.full_like(at, SOURCE), at, np.maximum(rise, 0.0))
    arcs.add(at, np.full_like(at, SINK), np.maximum(-rise, 0.0))
    above = (costs[node, tier] - valley)[:-1][is_step]
    inner = step > 0
    arcs.add(at[inner] - 1, at[inner], math.inf)
    arcs.add(at[inner], at[inner] - 1, above[inner])
    return math.fsum(before[:, -1])


def _add_tensors(arcs: _Builder, indexed: Indexed, at: Ints, per_byte: float) -> None:
    """Pay a tensor once where its producer is before the link and any consumer beyond."""
    if per_byte == 0 or not len(indexed.tensor_start):
        return
    price = indexed.tensor_bytes * per_byte
    producer, consumer = at[indexed.tensor_from], at[indexed.tensor_to]
    n_open = np.add.reduceat((consumer != SOURCE).astype(np.int64), indexed.tensor_start)
    is_beyond = np.logical_or.reduceat(consumer == SINK, indexed.tensor_start)
    matters = (producer != SINK) & (price > 0) & (n_open > 0)
    sure = matters & is_beyond
    arcs.add(producer[sure], np.full(int(sure.sum()), SINK), price[sure])
    single = matters & ~is_beyond & (n_open == 1)
    # vertices have greater numbers than SOURCE
    only = np.maximum.reduceat(consumer, indexed.tensor_start)
    arcs.add(producer[single], only[single], price[single])
    several = matters & ~is_beyond & (n_open > 1)
    helper = np.zeros(len(price), dtype=np.int64)
    helper[several] = arcs.new(int(several.sum()))
    arcs.add(producer[several], helper[several], price[several])
    entries = several[indexed.tensor_of]
    arcs.add(helper[indexed.tensor_of][entries], consumer[entries], math.inf)


def _add_fixed(arcs: _Builder, indexed: Indexed, at: Ints, fixed: float) -> float:
    """Pay a link once where any node is beyond; return what is sure to be paid."""
    if fixed == 0:
        return 0.0
    last = np.array([not consumers for consumers in indexed.consumers])
    ends = np.unique(at[last])
    if SINK in ends:
        return fixed
    ends = ends[ends != SOURCE]
    helper = arcs.new(1)
    arcs.add(np.array([SOURCE]), helper, fixed)
    arcs.add(np.repeat(helper, len(ends)), ends, math.inf)
    return 0.0
