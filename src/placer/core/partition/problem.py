"""What a split is asked of: nodes with their times, tensors, tiers and the links between them.

Tier 0 is the device; each link joins two neighbouring tiers. All values are plain data, checked
by `check_problem`, whose messages name the key as the file form (`docs/splitting.md`) has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from placer.core.errors import PlacerError, UsageError, near_match

MAX_TIERS = 8
"""Subsets of tiers are tried one by one where links skip a tier."""
MAX_PIECES = 16
"""Of one link and direction."""


class Objective(StrEnum):
    """What a split makes least."""

    LATENCY = "latency"
    MONEY = "money"
    ENERGY = "energy"
    """Of the device."""
    THROUGHPUT = "throughput"
    """The longest of the stages of a pipeline, so that it takes most requests per second."""


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of the model that runs in one place; the input is one of zero time on tier 0."""

    name: str
    time_s: tuple[float | None, ...]
    """On each tier; None: it cannot run there."""
    tier: int | None = None
    """The only tier that it may run on; None: free."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What one node makes and others take; constants are in every part and no tensors here."""

    name: str
    producer: str
    consumers: tuple[str, ...]
    n_bytes: float
    keep_up_to_tier: int | None = None
    """Neither its producer nor a consumer may run beyond this tier; None: it may go anywhere."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One line of a concave transfer time: ``fixed_s + s_per_byte * bytes``."""

    fixed_s: float
    s_per_byte: float


@dataclass(frozen=True, slots=True)
class Link:
    """The way between two tiers. The time of a direction is the least of its pieces."""

    rtt_s: float
    """Paid once if any node runs beyond the link."""
    up: tuple[Piece, ...]
    """For the sum of the tensors that cross."""
    down: tuple[Piece, ...]
    """For the sum of the outputs that were made beyond; empty: there are no outputs."""
    usd_per_byte_up: float | None = None
    """None: not known."""
    usd_per_byte_down: float | None = None
    sending_s_per_byte: float | None = None
    """Of the time up, what the device sends for; the rest it waits. None: all of it."""
    receiving_s_per_byte: float | None = None


def rated_link(rtt_s: float, uplink_bytes_per_s: float, downlink_bytes_per_s: float) -> Link:
    """Return the link whose transfers take bytes by rate."""
    up, down = (Piece(0.0, 1 / rate) for rate in (uplink_bytes_per_s, downlink_bytes_per_s))
    return Link(rtt_s, (up,), (down,))


@dataclass(frozen=True, slots=True)
class DirectLink:
    """A way that skips the tiers between its ends, for splits that leave these unused."""

    from_tier: int
    to_tier: int
    link: Link


@dataclass(frozen=True, slots=True)
class Power:
    """What the device draws while it does what, in watts."""

    active_w: float
    """While it computes."""
    idle_w: float
    """While it waits for others, round trips included."""
    send_w: float
    receive_w: float


@dataclass(frozen=True, slots=True)
class CostGraph:
    """The model: what runs and what flows between, without constants."""

    nodes: tuple[Node, ...]
    tensors: tuple[Tensor, ...]
    outputs: tuple[str, ...] = ()
    """Tensors that must come back to tier 0."""


def inputs_of(graph: CostGraph) -> frozenset[str]:
    """Return the nodes that stand for inputs.

    They need no other and take no time on the only tier that they may be on by themselves.
    """
    fed = {name for tensor in graph.tensors for name in tensor.consumers}
    found = set()
    for node in graph.nodes:
        times_s = [
            time_s
            for tier, time_s in enumerate(node.time_s)
            if time_s is not None and node.tier in (None, tier)
        ]
        if times_s == [0] and node.name not in fed:
            found.add(node.name)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Site:
    """One tier."""

    name: str
    usd_per_s: float | None = None
    """Of a second in which it computes; None: not known."""


@dataclass(frozen=True, slots=True)
class Problem:
    """All that decides where a model is split."""

    graph: CostGraph
    sites: tuple[Site, ...]
    """From the device on."""
    links: tuple[Link, ...]
    """Link k joins the tiers k and k + 1."""
    direct: tuple[DirectLink, ...] = ()
    power: Power | None = None
    """None: the energy of the device is not known."""


class InfeasibleError(PlacerError):
    """No assignment keeps all constraints; the message names those that clash."""

    exit_code = 1


def check_problem(problem: Problem) -> None:
    """Raise UsageError for the first thing that is no such problem; the key comes first."""
    n_tiers = len(problem.sites)
    if not 1 <= n_tiers <= MAX_TIERS:
        _refuse("tiers", f"{n_tiers} tiers", f"name 1 to {MAX_TIERS}")
    for index, site in enumerate(problem.sites):
        _check_figure(f"prices.usd_per_s[{index}]", site.usd_per_s)
    _check_distinct("tiers", [site.name for site in problem.sites])
    if len(problem.links) != n_tiers - 1:
        _refuse(
            "links",
            f"{len(problem.links)} links between {n_tiers} tiers",
            f"list {n_tiers - 1}: link k joins the tiers k and k + 1",
        )
    _check_graph(problem.graph, n_tiers)
    has_outputs = bool(problem.graph.outputs)
    for index, link in enumerate(problem.links):
        _check_link(f"links[{index}]", link, has_outputs=has_outputs)
    for index, direct in enumerate(problem.direct):
        key = f"direct[{index}]"
        if not 0 <= direct.from_tier < direct.to_tier - 1 < n_tiers - 1:
            _refuse(
                key,
                f"from tier {direct.from_tier} to {direct.to_tier} skips no tier of {n_tiers}",
                "a direct link leads over at least one tier, upwards",
            )
        _check_link(key, direct.link, has_outputs=has_outputs)
    ends = [f"{one.from_tier} to {one.to_tier}" for one in problem.direct]
    _check_distinct("direct", ends)
    if problem.power is not None:
        for name in Power.__slots__:
            _check_figure(f"power.{name}", getattr(problem.power, name))


def _check_graph(graph: CostGraph, n_tiers: int) -> None:
    if not graph.nodes:
        _refuse("nodes", "there is none", "a graph has at least one node")
    names = [node.name for node in graph.nodes]
    _check_distinct("nodes", names)
    for index, node in enumerate(graph.nodes):
        _check_node(f"nodes[{index}]", node, n_tiers)
    _check_distinct("tensors", [tensor.name for tensor in graph.tensors])
    known = frozenset(names)
    for index, tensor in enumerate(graph.tensors):
        key = f"tensors[{index}]"
        _check_known(f"{key}.producer", tensor.producer, known, "node")
        for place, consumer in enumerate(tensor.consumers):
            _check_known(f"{key}.consumers[{place}]", consumer, known, "node")
        _check_figure(f"{key}.bytes", tensor.n_bytes)
        _check_tier(f"{key}.keep_up_to_tier", tensor.keep_up_to_tier, n_tiers)
    _check_distinct("outputs", graph.outputs)
    tensors = frozenset(tensor.name for tensor in graph.tensors)
    for index, output in enumerate(graph.outputs):
        _check_known(f"outputs[{index}]", output, tensors, "tensor")


def _check_node(key: str, node: Node, n_tiers: int) -> None:
    if len(node.time_s) != n_tiers:
        _refuse(
            f"{key}.time_s",
            f"'{node.name}' has {len(node.time_s)} times for {n_tiers} tiers",
            "one time in seconds for each tier; null where it cannot run",
        )
    for tier, time_s in enumerate(node.time_s):
        _check_figure(f"{key}.time_s[{tier}]", time_s)
    if all(time_s is None for time_s in node.time_s):
        _refuse(f"{key}.time_s", f"'{node.name}' can run nowhere", "give the time of a tier")
    _check_tier(f"{key}.tier", node.tier, n_tiers)


def _check_link(key: str, link: Link, *, has_outputs: bool) -> None:
    _check_figure(f"{key}.rtt_s", link.rtt_s)
    if not link.up:
        _refuse(f"{key}.pieces", "there is none", "write [[fixed_s, s_per_byte], ...]")
    if has_outputs and not link.down:
        _refuse(
            key,
            "no way back for the outputs",
            "add `downlink_bytes_per_s`, or `down_pieces`: [[fixed_s, s_per_byte], ...]",
        )
    for name, pieces in (("pieces", link.up), ("down_pieces", link.down)):
        if len(pieces) > MAX_PIECES:
            _refuse(f"{key}.{name}", f"{len(pieces)} pieces", f"at most {MAX_PIECES}")
        for place, piece in enumerate(pieces):
            _check_figure(f"{key}.{name}[{place}][0]", piece.fixed_s)
            _check_figure(f"{key}.{name}[{place}][1]", piece.s_per_byte)
    _check_figure(f"{key}.usd_per_byte_up", link.usd_per_byte_up)
    _check_figure(f"{key}.usd_per_byte_down", link.usd_per_byte_down)


MAX_FIGURE = 1e18
"""No time, size or price is larger; sums of them stay finite."""


def _check_figure(key: str, value: float | None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(key, f"{value!r} is no number", "write a number, without unit")
    if not math.isfinite(value) or value > MAX_FIGURE:
        _refuse(key, f"{value} is no finite figure", f"a number from 0 to {MAX_FIGURE:g}")
    if value < 0:
        _refuse(key, f"{value:.15g} is negative", "a number from 0 on")


def _check_tier(key: str, tier: int | None, n_tiers: int) -> None:
    if tier is not None and not 0 <= tier < n_tiers:
        _refuse(key, f"there is no tier {tier}", f"tiers count from 0 to {n_tiers - 1}")


def _check_distinct(key: str, names: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in first:
            place = f"{key}[{index}]"
            _refuse(place, f"'{name}' stands twice (first in {key}[{first[name]}])", "keep one")
        first[name] = index


def _check_known(key: str, name: str, known: frozenset[str], kind: str) -> None:
    if name not in known:
        near = near_match(name, sorted(known)) if len(known) <= 1000 else ""
        _refuse(key, f"there is no {kind} '{name}'{near}", f"name a {kind} of this graph")


def _refuse(key: str, what: str, hint: str) -> NoReturn:
    raise UsageError(f"{key}: {what}", hint=hint)
