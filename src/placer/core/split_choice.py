"""Which cut of a model is worth a try toward a cloud offer, and where the network decides."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from placer.core.environment import CloudOffer, NetworkPath
from placer.core.estimate import Crossover, Placement
from placer.core.groups import GroupGraph
from placer.core.partition.crossovers import LinkFigure, crossovers
from placer.core.partition.optimal import best_plans, optimal_plan, plans_in_order
from placer.core.partition.plan import Plan
from placer.core.partition.problem import (
    CostGraph,
    InfeasibleError,
    Link,
    Node,
    Objective,
    Power,
    Problem,
    Site,
    Tensor,
)
from placer.core.split_problem import INPUT_NODE, link_over, problem_of, shared_out_s, without_input

NAMES = ("device", "cloud")
MAX_SOLVES = 3_000
"""Least cuts for the best split: a guard, a few hundred are usual."""
UPLINKS_BYTES_PER_S = (12_500.0, 1.25e9)
"""0.1 Mbit/s to 10 Gbit/s: what a table of crossovers looks at."""
RTTS_S = (0.0, 1.0)


def problem_toward(
    graph: GroupGraph,
    offer: CloudOffer,
    path: NetworkPath,
    whole_s: float,
    *,
    max_bytes: int,
    down_bytes: int,
    input_bytes: Mapping[str, int],
    kept: Collection[str],
    power: Power | None = None,
) -> Problem:
    """Return the question where to cut between the device and one offer.

    Parameters
    ----------
    graph
        With the times of its groups on the device.
    whole_s
        Time of the whole model on the offer.
    input_bytes, kept
        As `placer.core.split_problem.problem_of` takes them.
    power
        Of the device; None: not known.

    Raises
    ------
    UsageError
        The round trip or a rate of the path is unknown.
    """
    data_usd, egress_usd = path.data_usd_per_byte, offer.egress_usd_per_byte
    link = replace(
        link_over(path, max_bytes=max_bytes, down_bytes=down_bytes),
        usd_per_byte_up=data_usd,
        usd_per_byte_down=None if data_usd is None or egress_usd is None else data_usd + egress_usd,
        sending_s_per_byte=_inverse(path.uplink_bytes_per_s),
        receiving_s_per_byte=_inverse(path.downlink_bytes_per_s),
    )
    usd_per_s = None if offer.usd_per_hour is None else offer.usd_per_hour / 3600
    device_s = {group.name: group.time_s for group in graph.groups}
    problem = problem_of(
        graph,
        NAMES,
        (device_s, shared_out_s(graph, whole_s)),
        (link,),
        input_bytes=input_bytes,
        kept=kept,
        usd_per_s=(0.0, usd_per_s),
    )
    return replace(problem, power=power)


def _inverse(rate: float | None) -> float | None:
    return None if rate is None else 1 / rate


def least_split(
    problem: Problem, objective: Objective, latency_limit_s: float | None
) -> dict[str, int] | None:
    """Return group -> tier of the plan within the limit that runs on both tiers and takes least.

    None: there is none, or a price or the power of the device is not known.

    Parameters
    ----------
    objective
        Money or energy.
    """
    site, link = problem.sites[1], problem.links[0]
    needed = {
        Objective.MONEY: (site.usd_per_s, link.usd_per_byte_up, link.usd_per_byte_down),
        Objective.ENERGY: (problem.power,),
    }
    if None in needed[objective]:
        return None
    limit_s = math.inf if latency_limit_s is None else latency_limit_s
    try:
        best = optimal_plan(problem, objective=objective, latency_limit_s=latency_limit_s)
        if _is_split(best):
            return without_input(dict(best.tiers))
        # where the device keeps the limit and takes less, the splits come behind it
        plans = plans_in_order(problem, objective=objective, max_solves=MAX_SOLVES)
        found = next((one for one in plans if _is_split(one) and one.latency_s <= limit_s), None)
    except InfeasibleError:
        return None
    return None if found is None else without_input(dict(found.tiers))


def quickest_split(problem: Problem) -> dict[str, int] | None:
    """Return group -> tier of the quickest plan that runs on both tiers; None: there is none."""
    try:
        plans = best_plans(problem, 3, max_solves=MAX_SOLVES)  # two of them are unsplit at most
    except InfeasibleError:
        return None
    split = next((plan for plan in plans if _is_split(plan)), None)
    return None if split is None else without_input(dict(split.tiers))


def _is_split(plan: Plan) -> bool:
    return len(set(without_input(dict(plan.tiers)).values())) > 1


PARTS = (("head", 0), ("tail", 1))
"""(node, tier) of `parts_problem`."""


def parts_problem(
    graph: GroupGraph,
    tiers: Mapping[str, int],
    tail_ratio: float,
    whole_s: tuple[float, float],
    link: Link,
    *,
    input_bytes: Mapping[str, int],
    kept: Collection[str],
) -> Problem:
    """Return the question whether to cut, for one given cut: the parts are its only nodes.

    Parameters
    ----------
    graph, tiers
        Nodes or groups, and the tier of each.
    tail_ratio
        Share of the tail in the time of the model.
    whole_s
        Time of the model on the device and in the cloud.
    """
    part_of = {name: PARTS[tier][0] for name, tier in tiers.items()}
    nodes = [Node(INPUT_NODE, (0.0, None), tier=0)]
    for name, ratio in (("head", 1 - tail_ratio), ("tail", tail_ratio)):
        nodes.append(Node(name, (whole_s[0] * ratio, whole_s[1] * ratio)))
    tensors = []
    for one in graph.tensors:
        producer = INPUT_NODE if one.producer is None else part_of[one.producer]
        consumers = sorted({part_of[user] for user in one.consumers} - {producer})
        n_bytes = input_bytes.get(one.name, one.n_bytes) if one.producer is None else one.n_bytes
        if consumers or one.name in graph.outputs:
            keep = 0 if one.name in kept else None
            tensors.append(Tensor(one.name, producer, tuple(consumers), n_bytes, keep))
    return Problem(
        CostGraph(tuple(nodes), tuple(tensors), graph.outputs),
        tuple(Site(name) for name in NAMES),
        (link,),
    )


def on_device(problem: Problem, factor: float) -> Problem:
    """Return the question with all times on the device multiplied."""
    nodes = tuple(
        replace(
            node,
            time_s=(None if node.time_s[0] is None else node.time_s[0] * factor, *node.time_s[1:]),
        )
        for node in problem.graph.nodes
    )
    return replace(problem, graph=replace(problem.graph, nodes=nodes))


def with_head(problem: Problem, tiers: Mapping[str, int], head_s: float) -> Problem:
    """Return the question with the time before a cut as it was measured, the whole as it is.

    Parameters
    ----------
    tiers
        Node -> tier of the cut; nodes that are missing keep their times.
    head_s
        Measured time of all that runs before it on the device.
    """
    here = {one.name: one.time_s[0] or 0.0 for one in problem.graph.nodes if one.name in tiers}
    before_s = sum(time_s for name, time_s in here.items() if tiers[name] == 0)
    behind_s = sum(here.values()) - before_s
    if before_s <= 0 or behind_s <= 0:
        return problem
    head_s = min(head_s, before_s + behind_s)
    factors = (head_s / before_s, (before_s + behind_s - head_s) / behind_s)
    nodes = tuple(
        one
        if one.name not in here or one.time_s[0] is None
        else replace(one, time_s=(one.time_s[0] * factors[tiers[one.name]], *one.time_s[1:]))
        for one in problem.graph.nodes
    )
    return replace(problem, graph=replace(problem.graph, nodes=nodes))


CLEARLY_QUICKER = 0.9
"""Share of the latency below which another cut is told. Chosen: head and tail together are up to
8 % off their prediction (bench/split_groups.py), so that less may be measuring noise."""


def clearly_quicker_cut(problem: Problem, tiers: Mapping[str, int]) -> tuple[str, ...]:
    """Return the tensors of a cut that is clearly quicker than a given one; empty: none is.

    Parameters
    ----------
    tiers
        Node -> tier of the given cut; nodes that are missing run where they are quickest.
    """
    pinned = tuple(replace(one, tier=tiers.get(one.name, one.tier)) for one in problem.graph.nodes)
    given = replace(problem, graph=replace(problem.graph, nodes=pinned))
    try:
        best = optimal_plan(problem, objective=Objective.LATENCY)
        own = optimal_plan(given, objective=Objective.LATENCY)
    except InfeasibleError:
        return ()
    return _placed(best)[1] if best.latency_s < CLEARLY_QUICKER * own.latency_s else ()


def crossover_table(
    problem: Problem, offer: str, device_s: float | None = None
) -> tuple[Crossover, ...]:
    """Return the ranges of uplink and round trip in which device, cloud or a split is quickest.

    Exact corners of the least latency over all plans; empty where no plan is possible.

    Parameters
    ----------
    problem
        Between two tiers, over a link of a round trip and bytes by rate.
    offer
        Id of the cloud candidate.
    device_s
        Of the whole model with the quickest provider of the device, which need not be the one that
        runs the nodes before a cut; None: as long as they take.
    """
    # whatever uses the link falls as far behind as that provider is ahead
    lead_s = 0.0 if device_s is None else max(0.0, _device_s(problem) - device_s)
    problem = replace(
        problem, links=(replace(problem.links[0], rtt_s=problem.links[0].rtt_s + lead_s),)
    )
    found: list[Crossover] = []
    for figure, unit, (low, high), added in (
        (LinkFigure.UPLINK, "bytes_per_s", UPLINKS_BYTES_PER_S, 0.0),
        (LinkFigure.RTT, "s", RTTS_S, lead_s),
    ):
        try:
            segments = crossovers(
                problem, link=0, figure=figure, low=low + added, high=high + added
            )
        except InfeasibleError:
            return ()
        rows: list[Crossover] = []
        for one in segments:
            placement, tensors = _placed(one.plan)
            name = f"network.{figure.value}"
            row = Crossover(
                name, unit, one.low - added, one.high - added, placement, tensors, offer
            )
            same = rows and (rows[-1].placement, rows[-1].tensors) == (placement, tensors)
            if same:  # they differ in what crosses no link
                row = replace(row, low=rows.pop().low)
            rows.append(row)
        rows[0] = replace(rows[0], low=low)
        rows[-1] = replace(rows[-1], high=high)
        found += rows
    return tuple(found)


def _device_s(problem: Problem) -> float:
    return sum(one.time_s[0] or 0.0 for one in problem.graph.nodes)


def _placed(plan: Plan) -> tuple[Placement, tuple[str, ...]]:
    used = set(without_input(dict(plan.tiers)).values())
    if used == {0}:
        return Placement.EDGE, ()
    if used == {1}:
        return Placement.CLOUD, ()
    return Placement.SPLIT, tuple(sorted(plan.cut[0]))


def tail_ratio_of(groups: GroupGraph, nodes: GroupGraph, tiers: Mapping[str, int]) -> float:
    """Return the share of the tail in the time of the model; parameters as `time_on`."""
    times_s = {group.name: group.time_s for group in groups.groups}
    total_s = sum(group.time_s or 0.0 for group in groups.groups)
    return time_on(groups, nodes, tiers, 1, times_s) / total_s if total_s > 0 else 0.5


def time_on(
    groups: GroupGraph,
    nodes: GroupGraph,
    tiers: Mapping[str, int],
    tier: int,
    times_s: Mapping[str, float | None],
) -> float:
    """Return the time of what runs on a tier.

    Where a cut lies inside of a group, its time is shared out by operations, else by nodes.

    Parameters
    ----------
    nodes, tiers
        The graph of nodes, and the tier of each.
    times_s
        Group -> time of all of it.
    """
    flops = {node.name: node.flops for node in nodes.groups}
    return sum(
        (times_s[group.name] or 0.0) * _share(group.nodes, flops, tiers, tier)
        for group in groups.groups
    )


def _share(
    nodes: Sequence[str], flops: Mapping[str, int | None], tiers: Mapping[str, int], tier: int
) -> float:
    known = [flops.get(node) for node in nodes]
    weights = [1.0] * len(nodes)
    if None not in known and sum(one or 0 for one in known) > 0:
        weights = [float(one or 0) for one in known]
    return sum(
        weight for node, weight in zip(nodes, weights, strict=True) if tiers[node] == tier
    ) / sum(weights)
