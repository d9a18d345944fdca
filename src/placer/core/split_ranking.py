"""Splits of a model against not splitting it: foretold, measured, and which is the quickest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from placer.core.cut_names import cut_name
from placer.core.cuts import Share
from placer.core.leakage import InputLeakage
from placer.core.split import OutputDifference
from placer.core.split_export import Export
from placer.core.wire_choice import FormatResult
from placer.core.workload import Leaves


class Kind(StrEnum):
    """Where the model runs."""

    EDGE = "edge"
    CLOUD = "cloud"
    SPLIT = "split"


_ALL_ON = {Kind.EDGE: "all on the device", Kind.CLOUD: "all on the cloud"}


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
    """Intermediate: not shown to be raw input; that does not make it private."""
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
    bytes_down: int = 0
    """Of the outputs that are made in the cloud."""
    leakage: tuple[InputLeakage, ...] = ()
    """What an attack rebuilds of the inputs from what crosses; empty: none was asked for."""

    sent_types: tuple[str, ...] = ()
    """Element types on the wire, as sent; empty: nothing crosses."""
    turns_s: tuple[float, ...] = ()
    """Of the head in each round, in which every part runs once."""
    tail_range_s: tuple[float, float] = (0.0, 0.0)
    """Where the estimate of the cloud puts the tail with 90 %."""
    outputs_here: tuple[str, ...] = ()
    """Outputs that the head makes and the tail might, while the same tensors cross."""
    outputs_there: tuple[str, ...] = ()
    """Outputs that the tail makes and the head might."""

    @property
    def name(self) -> str:
        """``split at r``, ``all on the device``; where outputs may be made elsewhere, where."""
        return _ALL_ON.get(self.kind) or f"split {self.place}"

    @property
    def place(self) -> str:
        """``at r``, ``at r (early made here)``, of one that is not split ``all on the cloud``."""
        if self.kind is not Kind.SPLIT:
            return _ALL_ON[self.kind]
        made = [
            f"{cut_name(names)} made {where}"
            for names, where in ((self.outputs_here, "here"), (self.outputs_there, "there"))
            if names
        ]
        named = f"at {cut_name(self.tensors)}"
        return f"{named} ({', '.join(made)})" if made else named

    @property
    def predicted_s(self) -> float | None:
        """From times of groups; None: that of the cloud is not known."""
        if self.tail_s is None:
            return None
        return self.foretold_head_s + self.network_s + self.tail_s

    @property
    def total_s(self) -> float | None:
        """From the measured head; network and tail stay what they are: modelled, or not known."""
        if self.tail_s is None:
            return None
        return (self.head_s or 0.0) + self.network_s + self.tail_s

    @property
    def range_s(self) -> tuple[float, float] | None:
        """The total with the cloud at either end of its estimate; None: there is none."""
        if self.tail_s is None:
            return None
        rest_s = (self.head_s or 0.0) + self.network_s
        return rest_s + self.tail_range_s[0], rest_s + self.tail_range_s[1]

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
    constant_nodes: int
    """That no value of an input changes."""
    unused_nodes: int
    """That no output needs."""
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
    disturbance: str
    """Other programs that took cores while the parts ran, in words; empty: none did."""
    quiet_ratio: float
    """Least share of its time that the device would have taken without them; 1: none did."""
    network: str
    cloud: str
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]
    export: Export | None
    """None: nothing was written."""
    refused_splits: int = 0
    """That were tried and keep no limit, as the notes tell."""

    @property
    def best(self) -> Placed:
        """The quickest whose time is known; a split only where it is quicker beyond the noise."""
        if self.is_within_noise:
            return next(one for one in self.placed if one.kind is not Kind.SPLIT)
        return self.placed[0]

    @property
    def is_ranked(self) -> bool:
        """The time of all is known, so that there is a quickest."""
        return all(one.total_s is not None for one in self.placed)

    @property
    def is_within_noise(self) -> bool:
        """Whether the quickest is a split that is not shown to be quicker than not to split.

        Other programs only add to what runs here: undisturbed, all on the device may be quicker.
        """
        first = self.placed[0]
        unsplit = [one for one in self.placed if one.kind is not Kind.SPLIT]
        is_shown = all(is_quicker(first, one) for one in unsplit) and not any(
            one.kind is Kind.EDGE and self.is_maybe_quicker_undisturbed(one, first)
            for one in unsplit
        )
        return first.kind is Kind.SPLIT and not is_shown

    def is_maybe_quicker_undisturbed(self, here: Placed, first: Placed) -> bool:
        """Tell whether other programs may be why all on the device takes longer."""
        if here.total_s is None or first.total_s is None or not self.disturbance:
            return False
        return self.quiet_ratio * here.total_s <= first.total_s


MIN_ROUNDS = 8
"""From so many on an interval of the median with 99 % lies inside of what was seen."""


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return an interval that holds the median with 99 %, by ranks.

    Of fewer values than ``MIN_ROUNDS``: what was seen, widened by its span to either side; of
    fewer than two everything.
    """
    ordered, count = sorted(values), len(values)
    if count < 2:
        return -math.inf, math.inf
    if count < MIN_ROUNDS:
        span = ordered[-1] - ordered[0]
        return ordered[0] - span, ordered[-1] + span
    rank, below = 0, 1.0  # of the binomial distribution, up to the rank
    while below <= 0.005 * 2.0**count:
        rank += 1
        below += math.comb(count, rank)
    return ordered[rank - 1], ordered[-rank]


def is_quicker(one: Placed, other: Placed) -> bool:
    """Tell whether one is quicker than another in more than luck of the measurement.

    The heads ran in the same rounds, so their differences round by round are held against what
    network and cloud take more or less. How far the estimate of the cloud is off is no part of it.
    """
    if one.tail_s is None or other.tail_s is None or one.total_s is None or other.total_s is None:
        return False  # the time on the cloud is not known
    rest_s = other.network_s + other.tail_s - one.network_s - one.tail_s
    rounds = max(len(one.turns_s), len(other.turns_s))
    mine, others = (found.turns_s or (0.0,) * rounds for found in (one, other))
    gains = [b - a + rest_s for a, b in zip(mine, others, strict=True)]
    return one.total_s < other.total_s and median_interval(gains)[0] > 0


def ranked(placed: Sequence[Placed]) -> tuple[Placed, ...]:
    """Return them quickest first, by the measured head; ties go to those that are not split.

    Those whose time is not known stand last.
    """

    def key(one: Placed) -> tuple[float, bool]:
        return (math.inf if one.total_s is None else one.total_s, one.kind is Kind.SPLIT)

    return tuple(sorted(placed, key=key))
