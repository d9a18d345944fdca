"""The best assignments in order, each once: Lawler's branching over what the best one fixes.

The assignments other than the best are divided: those that differ from it at the first node,
those that agree there and differ at the second, and so on. Each part is a question of the same
kind, so its best is exact. A plan costs up to one least cut for each node.

Source: Lawler, "A procedure for computing the k best solutions to discrete optimization
problems", Management Science 18, 1972.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence

from placer.core.partition.costs import Costs, Route
from placer.core.partition.indexed import Flags, Indexed, tightened
from placer.core.partition.problem import InfeasibleError
from placer.core.partition.solving import Solution, on_route, solve_concave

_Entry = tuple[float, list[int], int, Solution, Flags]


class Ranked:
    """Assignments by ascending value, one after the other.

    Parameters
    ----------
    allowed
        (nodes, tiers).
    costs
        Of a route.
    max_solves
        Least cuts after which no further plan is looked for.
    """

    def __init__(
        self,
        indexed: Indexed,
        allowed: Flags,
        costs: Callable[[Route], Costs],
        ways: Sequence[Route],
        *,
        max_solves: int,
    ) -> None:
        self._indexed = indexed
        self._costs = costs
        self._counter = itertools.count()
        self._heap: list[_Entry] = []
        self._solves_left = max_solves
        self.is_complete = False
        """Whether every assignment was given."""
        for route in ways:
            self._push(on_route(allowed, route), route)

    def __iter__(self) -> Iterator[Solution]:
        """Yield each assignment once; ``low`` is what no later one is below."""
        seen: set[tuple[int, ...]] = set()
        while self._heap and self._solves_left >= 0:
            _, tiers, _, found, part = heapq.heappop(self._heap)
            if tuple(tiers) not in seen:  # else it is there on another route, at no higher cost
                seen.add(tuple(tiers))
                yield found
            self._divide(part, tiers, found.route)
        self.is_complete = not self._heap

    def _divide(self, part: Flags, tiers: Sequence[int], route: Route) -> None:
        fixed = part.copy()
        for node in self._indexed.topological:
            if part[node].sum() > 1:
                other = fixed.copy()
                other[node, tiers[node]] = False
                self._push(other, route)
                fixed[node] = False
                fixed[node, tiers[node]] = True

    def _push(self, part: Flags, route: Route) -> None:
        try:
            within = tightened(self._indexed, part)
        except InfeasibleError:
            return
        self._solves_left -= 1
        found = solve_concave(self._indexed, within, self._costs(route), route)
        entry = (found.value, found.tiers.tolist(), next(self._counter), found, within)
        heapq.heappush(self._heap, entry)
