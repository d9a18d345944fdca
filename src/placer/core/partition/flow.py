"""The least cut of a network with float capacities, proven to the last digits.

scipy's maximum flow is quick and takes 32-bit integers. So the flow is found in rounds: each one
scales what the last one left over to integers, as large as they may be. After a round the cut
that it found, taken in floats, and the flow so far bound the answer from above and below; what is
still missing is at most their difference, and so is the flow through any arc, infinite ones too.
Each round makes the difference some thousand times smaller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from placer.core.partition.indexed import Flags, Floats, Ints

LARGEST = 2**29
"""Capacity of an arc in a round: those of both directions and the flow between fit 32 bits."""
MAX_ROUNDS = 8
MAX_TREES = 100
WORTHWHILE = 1e-3
NARROW = 1e-3
STEP = 16
CLOSE_ENOUGH = 1e-12
"""Of the upper bound: less than the sums of floats are sure of."""


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
    n_rounds: int


SOURCE, SINK = 0, 1


def least_cut(network: Network) -> Cut:
    """Find a cut of least capacity; one of finite capacity must exist.

    The source alone or all but the sink must be such a cut.
    """
    arcs = _Arcs.of(network)
    side = np.zeros(network.n_vertices, dtype=np.bool_)
    side[SOURCE] = True
    high = arcs.cut_capacity(side)
    other = np.ones(network.n_vertices, dtype=np.bool_)
    other[SINK] = False
    capacity = arcs.cut_capacity(other)
    if capacity <= high:
        side, high = other, capacity
    if high == 0 and not len(network.tail):
        return Cut(other, 0.0, 0.0, 0)
    tolerance = high * CLOSE_ENOUGH
    rest = arcs.capacity.copy()
    low = 0.0
    width = high
    for _ in range(MAX_TREES):
        gained = arcs.push_along_tree(rest, width)
        low += gained
        if gained <= high * WORTHWHILE:
            if width < high * NARROW:
                break
            width /= STEP
    n_rounds = 0
    while high - low > tolerance and n_rounds < MAX_ROUNDS:
        n_rounds += 1
        gap = high - low
        # nothing of what is missing needs more than the gap; twice that is never cut
        scale = 2.0 ** min(math.floor(math.log2(LARGEST) - math.log2(2 * gap)), 1000)
        integers = np.minimum(np.floor(np.minimum(rest, 2 * gap) * scale), LARGEST)
        integers = integers.astype(np.int32)
        flow = arcs.maximum_flow(integers)
        gained = int(flow[arcs.from_source].sum()) / scale
        rest -= flow / scale
        np.maximum(rest, 0.0, out=rest)
        low += gained
        found = arcs.largest_source_side(integers > flow)
        capacity = arcs.cut_capacity(found)
        if capacity <= high:
            side, high = found, capacity
        elif not gained:
            break
    # no open path is wider than what is missing, so the source stays on its side
    settled = arcs.largest_source_side(rest > max(tolerance, high - low))
    capacity = arcs.cut_capacity(settled)
    if settled[SOURCE] and capacity <= high + tolerance:
        side, high = settled, capacity
    return Cut(side, min(low, high), high, n_rounds)


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

    def push_along_tree(self, rest: Floats, width: float) -> float:
        """Push what a tree of shortest open paths carries, to all depths at once; return it."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import breadth_first_order

        is_open = (rest > 0) & (self.head != SINK) & ((rest >= width) | (self.tail == SOURCE))
        counts = np.concatenate([[0], np.cumsum(is_open)])
        graph = csr_array(
            (np.ones(int(counts[-1]), dtype=np.int8), self.head[is_open], counts[self.start]),
            shape=(self.n_vertices, self.n_vertices),
        )
        order, before = breadth_first_order(graph, SOURCE)
        order, parents = order[1:].tolist(), before.tolist()
        inner = np.asarray(order, dtype=np.int64)
        into = np.searchsorted(self.keys, before[inner].astype(np.int64) * self.n_vertices + inner)
        capacity = np.zeros(self.n_vertices)
        capacity[inner] = rest[into]
        wanted = np.zeros(self.n_vertices)
        wanted[self.tail[self.to_sink]] = rest[self.to_sink]
        widths, wants = capacity.tolist(), wanted.tolist()
        below = [0.0] * self.n_vertices
        for vertex in reversed(order):
            through = wants[vertex] + below[vertex]
            if through > widths[vertex]:
                through = widths[vertex]
            widths[vertex] = through
            below[parents[vertex]] += through
        remaining = [0.0] * self.n_vertices
        remaining[SOURCE] = math.inf
        pushed = [0.0] * self.n_vertices
        for vertex in order:
            parent = parents[vertex]
            arrives = min(widths[vertex], remaining[parent])
            widths[vertex] = arrives
            remaining[parent] -= arrives
            pushed[vertex] = ends = min(wants[vertex], arrives)
            remaining[vertex] = arrives - ends
        flow = np.array(widths)[inner]
        rest[into] -= flow
        rest[self.reverse[into]] += flow
        ends_here = np.array(pushed)[self.tail[self.to_sink]]
        rest[self.to_sink] -= ends_here
        rest[self.reverse[self.to_sink]] += ends_here
        return math.fsum(pushed)

    def largest_source_side(self, is_open: Flags) -> Flags:
        """Return the vertices from which no open arcs lead to the sink."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import breadth_first_order

        against = is_open[self.reverse]  # row v: arcs into v
        counts = np.concatenate([[0], np.cumsum(against)])
        graph = csr_array(
            (np.ones(int(counts[-1]), dtype=np.int8), self.head[against], counts[self.start]),
            shape=(self.n_vertices, self.n_vertices),
        )
        reached = breadth_first_order(graph, SINK, return_predecessors=False)
        side = np.ones(self.n_vertices, dtype=np.bool_)
        side[reached] = False
        return side
