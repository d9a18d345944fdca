"""The fewest tensors that make a cut of tensors which leave a way around."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence

from placer.core.groups import GroupGraph
from placer.core.partition.optimal import optimal_plan
from placer.core.partition.plan import Plan
from placer.core.partition.problem import (
    CostGraph,
    InfeasibleError,
    Node,
    Objective,
    Problem,
    Site,
    Tensor,
    rated_link,
)
from placer.core.split_export import can_be_sent

MAX_SOLVES = 32
"""Ways to choose which consumer of each tensor lies behind the cut that are tried."""
_INPUT = "(input)"


def nearest_cut(
    graph: GroupGraph,
    cut: Sequence[str],
    before_of: Callable[[Sequence[str]], Collection[str]],
    kept: Collection[str] = (),
) -> tuple[str, ...] | None:
    """Return a cut of the most of these tensors, and of those the one with the fewest more.

    Tensors of which others are made may not cross beside them: then some are left out, so that the
    most of the model runs before the cut. None: there is no cut with any of them that leaves both
    sides something to run.

    Parameters
    ----------
    before_of
        Returns the groups that tensors depend on.
    kept
        Tensors that it has only where there is none without them.
    """
    others = [name for name in cut if name not in kept]
    found = _nearest(graph, others, before_of, kept)
    return _nearest(graph, cut, before_of, ()) if found is None and kept else found


def _nearest(
    graph: GroupGraph,
    cut: Sequence[str],
    before_of: Callable[[Sequence[str]], Collection[str]],
    kept: Collection[str],
) -> tuple[str, ...] | None:
    for count in range(len(cut), 0, -1):
        found: list[tuple[int, int, tuple[str, ...]]] = []
        for names in itertools.islice(itertools.combinations(cut, count), MAX_SOLVES):
            before = before_of(names)
            more = fewest_more(graph, names, before, kept)
            if more is not None:
                found.append((len(more), -len(before), (*names, *more)))
        if found:
            return min(found)[2]
    return None


def fewest_more(
    graph: GroupGraph, cut: Collection[str], before: Collection[str], kept: Collection[str] = ()
) -> tuple[str, ...] | None:
    """Return the fewest tensors, of those the least bytes, with which tensors are a cut.

    Each of the tensors crosses: its producer runs before the cut, and a consumer behind it. Which
    one is tried in turn, and for each choice the least cut is the answer, found as the one of a
    model whose work takes no time and whose tensors all take the same to send. Something runs
    before the cut. None: there is none.

    Parameters
    ----------
    before
        Groups that the tensors of the cut depend on; empty: they are inputs.
    kept
        Tensors that may not cross, as those do not that no server takes.
    """
    most = 1.0 + sum(tensor.n_bytes for tensor in graph.tensors)
    tensors = tuple(
        Tensor(
            one.name,
            one.producer or _INPUT,
            one.consumers,
            0.0 if one.name in cut else most + one.n_bytes,
            0 if one.name not in cut and (one.name in kept or not can_be_sent(one.dtype)) else None,
        )
        for one in graph.tensors
    )
    found: list[tuple[float, tuple[str, ...]]] = []
    heads = [before] if before else _first_groups(graph)
    choices = ((head, behind) for head in heads for behind in _choices(graph, cut, head))
    for head, behind in itertools.islice(choices, MAX_SOLVES):
        nodes = [Node(_INPUT, (0.0, None), tier=0)]
        for group in graph.groups:
            tier = 0 if group.name in head else 1 if group.name in behind else None
            nodes.append(Node(group.name, (0.0, 0.0), tier=tier))
        problem = Problem(
            CostGraph(tuple(nodes), tensors, ()),
            (Site("head"), Site("tail")),
            (rated_link(0.0, 1.0, 1.0),),
        )
        try:
            plan = optimal_plan(problem, objective=Objective.LATENCY)
        except InfeasibleError:
            continue
        found.append((plan.latency_s, _more(plan, cut)))
    return min(found, default=(0.0, None))[1]


def _more(plan: Plan, cut: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(set(plan.cut[0]) - set(cut)))


def _first_groups(graph: GroupGraph) -> list[Collection[str]]:
    """Return each group that needs no other, alone."""
    later = {user for one in graph.tensors if one.producer is not None for user in one.consumers}
    return [(group.name,) for group in graph.groups if group.name not in later]


def _choices(
    graph: GroupGraph, cut: Collection[str], before: Collection[str]
) -> itertools.product[tuple[str, ...]]:
    """Return for each choice one consumer of each tensor; what leads to another is left out."""
    users: dict[str, set[str]] = {group.name: set() for group in graph.groups}
    for tensor in graph.tensors:
        if tensor.producer is not None:
            users[tensor.producer].update(tensor.consumers)
    candidates: list[Sequence[str]] = []
    for tensor in graph.tensors:
        if tensor.name in cut:
            free = [user for user in tensor.consumers if user not in before]
            candidates.append([one for one in free if not _after(users, one).intersection(free)])
    return itertools.product(*candidates)


def _after(users: Mapping[str, set[str]], group: str) -> set[str]:
    """Return all groups that need one; itself is none of them."""
    found: set[str] = set()
    todo = [group]
    while todo:
        new = users[todo.pop()] - found
        found |= new
        todo += new
    return found
