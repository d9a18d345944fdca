"""The least cut of a network with float capacities, proven to the last digits.

A flow and a cut bound the answer from below and above. What is missing of the flow is at most
their difference, the gap, and so is what is missing through any arc. Hence no least cut goes
through an arc that has more left than the gap, and all that such arcs hold together is one vertex
of a smaller network, of which the rest is asked again. Flow comes from two sources: trees of open
paths, in floats, and where they gain too little scipy's maximum flow. That one is quick and takes
32-bit integers, so it is given what is left, cut off at twice the gap and scaled to them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from placer.core.partition.indexed import Flags, Floats, Ints

LARGEST = 2**29
"""Capacity of an arc in a round: those of both directions and the flow between fit 32 bits."""
MAX_SCALE_LOG2 = 1000
MAX_DEPTH = 40
"""Of smaller networks within each other."""
SHRINKS = 0.7
"""Share of the vertices down to which the wide arcs must bring a network, else integers do."""
MAX_TREES = 100
WORTHWHILE = 1e-3
"""What a tree must gain of the bound for another one of its width."""
STEP = 2
"""From one width to the next."""
NARROW = 1e-3
"""Of the bound: the last width. All these were chosen by the times of graphs of 10,000 nodes
(`bench/split_solver.py`)."""
CLOSE_ENOUGH = 1e-12
"""Of the upper bound: about what sums of as many floats are sure of."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Arcs of a flow network; vertex 0 is the source and vertex 1 the sink."""

    n_vertices: int
    tail: Ints
    head: Ints
    capacity: Floats
    """inf: the arc cannot be cut."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A least cut."""

    on_source_side: Flags
    """(vertices,): the largest such side among the least cuts."""
    low: float
    """A flow of this value exists, so no cut is less."""
    high: float
    """Capacity of this cut."""


SOURCE, SINK = 0, 1


def least_cut(network: Network) -> Cut:
    """Find a cut of least capacity.

    One of finite capacity must exist: around the source alone, or around all but the sink.
    """
    return _refined(_Arcs.of(network), 0.0, 0)


def _refined(arcs: _Arcs, found: float, depth: int) -> Cut:
    """Find a least cut of what flow of a value has left over.

    Parameters
    ----------
    found
        Flow so far: what is missing counts against the whole.
    """
    around_source = np.zeros(arcs.n_vertices, dtype=np.bool_)
    around_source[SOURCE] = True
    side = np.ones(arcs.n_vertices, dtype=np.bool_)
    side[SINK] = False
    high = arcs.cut_capacity(side)

    def offer(other: Flags, *, slack: float = 0.0) -> None:
        nonlocal side, high
        capacity = arcs.cut_capacity(other)
        if other[SOURCE] and capacity <= high + slack:
            side, high = other, capacity

    offer(around_source)
    rest = arcs.capacity.copy()
    low = 0.0

    def is_open() -> bool:
        return depth < MAX_DEPTH and high - low > CLOSE_ENOUGH * (found + high)

    def missing() -> float:
        # the gap is the difference of sums: it may be less than the truth by their last digits
        return high - low + CLOSE_ENOUGH * (found + high)

    if is_open():
        low, width = _push_along_trees(arcs, rest, high)
        offer(arcs.largest_source_side(rest > width))
    group = _same_side(arcs, rest, missing()) if is_open() else None
    if group is not None and int(group.max()) + 1 > SHRINKS * arcs.n_vertices:
        # nothing of what is missing needs more than the gap; twice that is never cut
        most = 2 * (high - low)
        scale = 2.0 ** min(math.floor(math.log2(LARGEST) - math.log2(most)), MAX_SCALE_LOG2)
        integers = np.floor(np.minimum(rest, most) * scale).astype(np.int32)
        flow = arcs.maximum_flow(integers)
        rest = np.maximum(rest - flow / scale, 0.0)
        low += int(flow[arcs.from_source].sum()) / scale
        offer(arcs.largest_source_side(integers > flow))
        group = _same_side(arcs, rest, missing()) if is_open() else None
    if group is None:
        # no open path is wider than what is missing, so the source stays on its side
        offer(arcs.largest_source_side(rest > missing()), slack=CLOSE_ENOUGH * (found + high))
        return Cut(side, min(low, high), high)
    tail, head = group[arcs.tail], group[arcs.head]
    kept = (tail != head) & (rest > 0)
    left = Network(int(group.max()) + 1, tail[kept], head[kept], rest[kept])
    inner = _refined(_Arcs.of(left), found + low, depth + 1)
    offer(inner.on_source_side[group], slack=CLOSE_ENOUGH * (found + high))
    return Cut(side, min(low + inner.low, high), high)


def _same_side(arcs: _Arcs, rest: Floats, missing: float) -> Ints | None:
    """Return a group for each vertex: no least cut divides a group.

    No least cut goes through an arc that has more left than what is missing of the flow. What such
    arcs join to the source or the sink, or in circles, is on one side. None: by rounding they lead
    from the source to the sink, so that nothing more can be learned from what is left.
    """
    from scipy.sparse.csgraph import connected_components

    is_wide = rest > missing
    on_source_side = arcs.largest_source_side(is_wide)
    if not on_source_side[SOURCE]:
        return None
    wide = arcs.subgraph(is_wide)
    _, component = connected_components(wide, directed=True, connection="strong")
    fixed = np.full(arcs.n_vertices, -1)
    fixed[~on_source_side] = SINK
    fixed[arcs.reached(is_wide)] = SOURCE
    is_free = fixed < 0
    _, number = np.unique(component[is_free], return_inverse=True)
    group = fixed.astype(np.int64)
    group[is_free] = number + 2
    return group


def _push_along_trees(arcs: _Arcs, rest: Floats, high: float) -> tuple[float, float]:
    """Push flow along wide arcs first, then ever narrower ones; return it and the last width.

    Rounds of integers alone would do, but they look for all paths of one length at a time, and
    on a chain of 10,000 nodes there are as many lengths. A tree serves all lengths at once.
    """
    flow, width = 0.0, high
    for _ in range(MAX_TREES):
        gained = arcs.push_along_tree(rest, width)
        flow += gained
        if gained <= high * WORTHWHILE:
            if width < high * NARROW:
                break
            width /= STEP
    return flow, width


@dataclass(frozen=True, slots=True, eq=False)
class _Arcs:
    """A network in compressed rows: arcs between two vertices are one, each with its reverse."""

    n_vertices: int
    start: NDArray[np.int32]
    head: NDArray[np.int32]
    tail: NDArray[np.int32]
    capacity: Floats
    reverse: Ints
    keys: Ints
    """``tail * n_vertices + head``, ascending."""
    from_source: Ints
    to_sink: Ints

    @classmethod
    def of(cls, network: Network) -> _Arcs:
        n = network.n_vertices
        forward = network.tail * n + network.head
        backward = network.head * n + network.tail
        keys, place = np.unique(np.concatenate([forward, backward]), return_inverse=True)
        capacity = np.bincount(
            place[: len(forward)], weights=network.capacity, minlength=len(keys)
        ).astype(np.float64)
        tail, head = np.divmod(keys, n)
        return cls(
            n_vertices=n,
            start=np.searchsorted(tail, np.arange(n + 1)).astype(np.int32),
            head=head.astype(np.int32),
            tail=tail.astype(np.int32),
            capacity=capacity,
            reverse=np.searchsorted(keys, head * n + tail),
            keys=keys,
            from_source=np.flatnonzero(tail == SOURCE),
            to_sink=np.flatnonzero(head == SINK),
        )

    def cut_capacity(self, on_source_side: Flags) -> float:
        cut = on_source_side[self.tail] & ~on_source_side[self.head]
        return math.fsum(self.capacity[cut])

    def maximum_flow(self, capacity: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the flow along each arc, negative against it."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import maximum_flow

        graph = csr_array(
            (capacity, self.head, self.start), shape=(self.n_vertices, self.n_vertices)
        )
        flow = maximum_flow(graph, SOURCE, SINK).flow
        if len(flow.data) != len(capacity):
            raise AssertionError("scipy changed the arcs of a network that has all reverse ones")
        values: NDArray[np.int32] = flow.data
        return values

    def subgraph(self, is_open: Flags) -> Any:
        """Return some of the arcs as a matrix of scipy."""
        from scipy.sparse import csr_array

        counts = np.concatenate([[0], np.cumsum(is_open)])
        return csr_array(
            (np.ones(int(counts[-1]), dtype=np.int8), self.head[is_open], counts[self.start]),
            shape=(self.n_vertices, self.n_vertices),
        )

    def reached(self, is_open: Flags) -> Ints:
        """Return the vertices to which open arcs lead from the source."""
        from scipy.sparse.csgraph import breadth_first_order

        graph = self.subgraph(is_open)
        reached: Ints = breadth_first_order(graph, SOURCE, return_predecessors=False)
        return reached

    def push_along_tree(self, rest: Floats, width: float) -> float:
        """Push what a tree of shortest open paths carries, to all depths at once; return it."""
        from scipy.sparse.csgraph import breadth_first_order

        is_open = (rest > 0) & (self.head != SINK) & ((rest >= width) | (self.tail == SOURCE))
        order, before = breadth_first_order(self.subgraph(is_open), SOURCE)
        place = np.zeros(self.n_vertices, dtype=np.int64)
        place[order] = np.arange(len(order))
        inner, above = order[1:].astype(np.int64), before[order[1:]].astype(np.int64)
        into = np.searchsorted(self.keys, above * self.n_vertices + inner)
        ends = np.zeros(self.n_vertices)
        ends[self.tail[self.to_sink]] = rest[self.to_sink]
        # all by place in the tree from here on: a parent stands before its children
        parents = [0, *place[above].tolist()]
        flow, pushed = _tree_flow(parents, [math.inf, *rest[into].tolist()], ends[order].tolist())
        rest[into] -= flow[1:]
        rest[self.reverse[into]] += flow[1:]
        ends[:] = 0.0
        ends[order] = pushed
        ends_here = ends[self.tail[self.to_sink]]
        rest[self.to_sink] -= ends_here
        rest[self.reverse[self.to_sink]] += ends_here
        return math.fsum(pushed)

    def largest_source_side(self, is_open: Flags) -> Flags:
        """Return the vertices from which no open arcs lead to the sink."""
        from scipy.sparse.csgraph import breadth_first_order

        against = self.subgraph(is_open[self.reverse])  # row v: arcs into v
        side = np.ones(self.n_vertices, dtype=np.bool_)
        side[breadth_first_order(against, SINK, return_predecessors=False)] = False
        return side


def _tree_flow(
    parents: list[int], widths: list[float], wants: list[float]
) -> tuple[list[float], list[float]]:
    """Return (flow into each place, flow from it to the sink) of a tree that carries the most.

    Parameters
    ----------
    parents
        Place of each parent, before its own; the first is the root.
    widths
        Of the arc into each place.
    wants
        What each place can pass on to the sink.
    """
    flow = wants[:]
    for place in range(len(parents) - 1, 0, -1):  # what each place can use
        use = flow[place]
        if use:
            if use > widths[place]:
                flow[place] = use = widths[place]
            flow[parents[place]] += use
    pushed = [0.0] * len(parents)
    rest = pushed[:]
    rest[0] = math.inf
    for place in range(1, len(parents)):  # what each place is given of it
        given = flow[place]
        if given:
            parent = parents[place]
            left = rest[parent]
            if given > left:
                flow[place] = given = left
            rest[parent] = left - given
            end = wants[place]
            pushed[place] = end = min(end, given)
            rest[place] = given - end
    return flow, pushed
