"""A model in groups, its sites and the way between them, as a question of the solver."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from placer.core.environment import NetworkPath
from placer.core.groups import Group, GroupGraph
from placer.core.network.framing import Protocol
from placer.core.network_estimate import Request, upload_envelope
from placer.core.partition.problem import (
    CostGraph,
    Link,
    Node,
    Piece,
    Problem,
    Site,
    Tensor,
    rated_link,
)
from placer.core.transfer import median_rtt_s

INPUT_NODE = "(input)"
"""Makes the inputs of the model, on tier 0 and in no time."""


def cost_graph(
    graph: GroupGraph,
    times_s: Sequence[Mapping[str, float | None]],
    *,
    input_bytes: Mapping[str, int] | None = None,
    kept: Collection[str] = (),
) -> CostGraph:
    """Return the nodes and tensors of a model that is cut between groups.

    Parameters
    ----------
    times_s
        For each tier: group -> seconds; None: it cannot run there.
    input_bytes
        Input -> bytes as the application sends it, where that is not the size of the tensor.
    kept
        Tensors that may not leave tier 0.
    """
    sizes = input_bytes or {}
    nodes = [Node(INPUT_NODE, (0.0, *(None for _ in times_s[1:])), tier=0)]
    nodes += [Node(one.name, tuple(tier[one.name] for tier in times_s)) for one in graph.groups]
    tensors = tuple(
        Tensor(
            one.name,
            one.producer or INPUT_NODE,
            one.consumers,
            sizes.get(one.name, one.n_bytes) if one.producer is None else one.n_bytes,
            0 if one.name in kept else None,
        )
        for one in graph.tensors
    )
    return CostGraph(tuple(nodes), tensors, graph.outputs)


def shared_out_s(graph: GroupGraph, whole_s: float) -> dict[str, float | None]:
    """Share the time of the whole model on another site out over its groups: group -> seconds.

    In proportion to the measured times of the groups, else to their operations, else evenly: what
    a group takes there is not known, and no more than a guide to where cutting is worth a try.
    """
    for known in (_time_s, _flops):
        weights = {one.name: known(one) for one in graph.groups}
        total = sum(value for value in weights.values() if value is not None)
        if total > 0 and None not in weights.values():
            return {name: whole_s * (value or 0.0) / total for name, value in weights.items()}
    return {one.name: whole_s / len(graph.groups) for one in graph.groups}


def _time_s(group: Group) -> float | None:
    return group.time_s


def _flops(group: Group) -> float | None:
    return group.flops


def link_over(
    path: NetworkPath,
    *,
    max_bytes: int,
    down_bytes: int,
    protocol: Protocol = Protocol.HTTP1,
) -> Link:
    """Return a network path as a link: the concave envelope of the time of request and answer.

    What the answer adds to the shortest exchange is shared out over its bytes: a cut that makes
    outputs on the device does not pay for them, and one that makes none pays the exact time.

    Parameters
    ----------
    max_bytes
        The most that could be sent.
    down_bytes
        All outputs of the model.

    Raises
    ------
    UsageError
        The round trip or a rate of the path is unknown.
    """
    request = Request(1, max(1, down_bytes), protocol)
    envelope = upload_envelope(path, request, max_bytes=max(2, max_bytes))
    shortest = upload_envelope(path, Request(1, 1, protocol), max_bytes=2)
    answer_s = max(0.0, float(envelope.at(1) - shortest.at(1)))
    pieces = tuple(Piece(max(0.0, fixed_s - answer_s), slope) for fixed_s, slope in envelope.pieces)
    return Link(rtt_s=0.0, up=pieces, down=(Piece(0.0, answer_s / max(1, down_bytes)),))


def problem_of(
    graph: GroupGraph,
    names: Sequence[str],
    times_s: Sequence[Mapping[str, float | None]],
    links: Sequence[Link],
    *,
    input_bytes: Mapping[str, int] | None = None,
    kept: Collection[str] = (),
    usd_per_s: Sequence[float | None] = (),
) -> Problem:
    """Return the question of the solver; parameters as `cost_graph`.

    Parameters
    ----------
    names
        Of the tiers, from the device on.
    usd_per_s
        For each tier what a second of computing costs; empty: not known.
    """
    prices = list(usd_per_s) or [None] * len(names)
    sites = tuple(Site(name, price) for name, price in zip(names, prices, strict=True))
    return Problem(
        cost_graph(graph, times_s, input_bytes=input_bytes, kept=kept), sites, tuple(links)
    )


def without_input(tiers: Mapping[str, int]) -> dict[str, int]:
    """Return the tiers of the groups alone, as `placer.api.splitting.node_tiers` takes them."""
    return {name: tier for name, tier in tiers.items() if name != INPUT_NODE}


def rated_link_over(path: NetworkPath) -> Link | None:
    """Return a path as a round trip and bytes by rate, for tables of crossovers; None: unknown."""
    if path.uplink_bytes_per_s is None or path.downlink_bytes_per_s is None:
        return None
    return rated_link(median_rtt_s(path), path.uplink_bytes_per_s, path.downlink_bytes_per_s)
