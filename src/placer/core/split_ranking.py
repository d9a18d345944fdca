"""Splits of a model against not splitting it: foretold, measured, and which is the quickest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from placer.core.cuts import Share
from placer.core.groups import GroupGraph
from placer.core.leakage import InputLeakage
from placer.core.partition.problem import Link
from placer.core.split import OutputDifference
from placer.core.split_export import Export
from placer.core.wire_choice import FormatResult


class Kind(StrEnum):
    """Where the model runs."""

    EDGE = "edge"
    CLOUD = "cloud"
    SPLIT = "split"


class Leaves(StrEnum):
    """What leaves the device on its way to the cloud."""

    NOTHING = "nothing"
    INTERMEDIATE = "intermediate"
    """Not shown to be raw input; that does not make it private."""
    RAW_INPUT = "raw_input"


@dataclass(frozen=True, slots=True)
class Placed:
    """One way to run the model, with what is known of it on this machine."""

    kind: Kind
    tensors: tuple[str, ...]
    """That cross, by name."""
    wire: str | None
    """Precision on the wire; None: nothing crosses."""
    n_bytes: int
    """That cross, in this precision."""
    leaves: Leaves
    leaves_why: str
    """The way from the input to a raw tensor; empty: none is raw."""
    edge_nodes: int
    cloud_nodes: int
    foretold_head_s: float
    """Sum of the groups that run here."""
    head_s: float | None
    """Measured here; None: nothing runs here."""
    tail_here_s: float | None
    """The tail, measured here as well, to tell whether the parts add up."""
    network_s: float
    """Of request and answer, by the model of the path."""
    tail_s: float | None
    """Of the tail on the cloud: an estimate; None: there is none."""
    differences: tuple[OutputDifference, ...]
    """Of the parts from the whole model, with tensors as they are."""
    wire_result: FormatResult | None
    """What the precision does to the outputs; None: nothing crosses."""
    leakage: tuple[InputLeakage, ...] = ()
    """What an attack rebuilds of the inputs from what crosses; empty: none was asked for."""

    @property
    def predicted_s(self) -> float | None:
        """From times of groups; None: that of the cloud is not known."""
        if self.tail_s is None:
            return None
        return self.foretold_head_s + self.network_s + self.tail_s

    @property
    def measured_s(self) -> float | None:
        """From the measured head; network and tail stay what they are: foretold, or not known."""
        if self.tail_s is None:
            return None
        return (self.head_s or 0.0) + self.network_s + self.tail_s

    def residual_ratio(self, whole_s: float) -> float | None:
        """Return what head and tail take here beyond the whole model, of the whole model."""
        if self.kind is not Kind.SPLIT or self.head_s is None or self.tail_here_s is None:
            return None
        return (self.head_s + self.tail_here_s) / whole_s - 1


@dataclass(frozen=True, slots=True)
class SplitAnswer:
    """What was found."""

    model: str
    sha256: str
    points: tuple[str, ...]
    """Tensors that alone divide the groups of the model, in the order they are made."""
    largest_uncuttable: Share
    """The largest part that none of them divides."""
    whole_s: float
    """Of the whole model here, in turns with its parts."""
    runs: int
    threads: int
    samples: int
    """0: a generated one."""
    placed: tuple[Placed, ...]
    """Quickest first; at least all on the device."""
    chosen: Placed | None
    """The quickest split; None: there is none."""
    is_asked: bool
    """The cut was given."""
    network: str
    cloud: str
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]
    export: Export | None
    """None: nothing was written."""

    @property
    def best(self) -> Placed:
        """The quickest of all whose time is known."""
        return self.placed[0]

    @property
    def is_ranked(self) -> bool:
        """The time of all is known, so that there is a quickest."""
        return all(one.measured_s is not None for one in self.placed)


def ranked(placed: Sequence[Placed]) -> tuple[Placed, ...]:
    """Return them quickest first, by the measured head; ties go to those that are not split.

    Those whose time is not known stand last.
    """

    def key(one: Placed) -> tuple[float, bool]:
        return (math.inf if one.measured_s is None else one.measured_s, one.kind is Kind.SPLIT)

    return tuple(sorted(placed, key=key))


def network_s(link: Link, n_bytes: float) -> float:
    """Return the time of a request with so many bytes, and of its answer."""
    return link.rtt_s + min(piece.fixed_s + piece.s_per_byte * n_bytes for piece in link.up)


def shares(graph: GroupGraph, tiers: Mapping[str, int], tier: int) -> dict[str, float]:
    """Return for each group the share of its nodes that run on a tier, of a plan for nodes."""
    return {
        group.name: sum(tiers[node] == tier for node in group.nodes) / len(group.nodes)
        for group in graph.groups
    }


def time_on(
    graph: GroupGraph,
    tiers: Mapping[str, int],
    tier: int,
    times_s: Mapping[str, float | None],
) -> float:
    """Return the time of the groups on a tier; a group that a cut goes through counts in part."""
    parts = shares(graph, tiers, tier)
    return sum(parts[name] * (times_s[name] or 0.0) for name in parts)
