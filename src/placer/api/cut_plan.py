"""What a recommendation cuts: the option, the heads to be measured, and the splits made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from placer.api.measuring import MeasuringOptions
from placer.core.cut_names import cut_name, cut_options
from placer.core.errors import UsageError
from placer.core.finding import Effect, Finding, Severity
from placer.core.graph import ModelSummary

if TYPE_CHECKING:
    from placer.core.estimate import Crossover
    from placer.core.partition.problem import Problem
    from placer.core.placement import CloudSite, EdgeSite, Split
    from placer.core.split import CutFacts

AUTO, NONE = "auto", "none"
EP = "cpu"
"""Groups are timed on the CPU, so that heads run there too."""


@dataclass(frozen=True, slots=True)
class Head:
    """A cut, written, with the head still to be measured."""

    summary: ModelSummary
    options: MeasuringOptions
    cut: CutFacts
    takes_input: bool
    input_bytes: int
    """Of all inputs as tensors, in the format of the cut."""
    down_bytes: int
    head_bytes: int
    tail_bytes: int
    offers: frozenset[str]
    """Ids of the cloud candidates that its tail may run on."""
    tiers: tuple[tuple[str, int], ...] = ()
    """(node, tier) of the question in `Cutting.rated`, for the nodes that the cut divides."""


@dataclass(frozen=True, slots=True)
class Cutting:
    """The cuts of a question."""

    heads: tuple[Head, ...] = ()
    rated: tuple[str, Problem] | None = None
    """Id of the quickest cloud candidate, and where to cut toward it over round trip and rates."""
    profiled_s: float | None = None
    """Time of the model while its groups were timed."""
    findings: tuple[Finding, ...] = ()
    is_quickest_sought: bool = False
    """The cuts are the quickest by the times of the groups; not named, not the thriftiest."""

    def crossovers(
        self, edges: Sequence[EdgeSite], heads: Sequence[tuple[EdgeSite, ...]]
    ) -> tuple[Crossover, ...]:
        """Return where the quickest changes, with the times on the device as measured since.

        The whole model, with the quickest provider, and the first head toward the offer take what
        they were measured at, so that the table does not contradict the candidates; other cuts
        share out the rest of the time of the provider that runs heads.

        Parameters
        ----------
        edges
            With the model, measured like the candidates.
        heads
            For each head the device with it.
        """
        from placer.core.split_choice import crossover_table

        problem = self._as_measured(edges, heads)
        if self.rated is None or problem is None:
            return ()
        times_s = [typical_s(one) for one in edges if one.variant is None and one.failure is None]
        device_s = min((one for one in times_s if one is not None), default=None)
        return crossover_table(problem, self.rated[0], device_s)

    def unjudged(
        self, edges: Sequence[EdgeSite], heads: Sequence[tuple[EdgeSite, ...]]
    ) -> tuple[Finding, ...]:
        """Tell of a cut that the times measured since make quicker than those that are judged."""
        from placer.core.split_choice import clearly_quicker_cut

        problem = self._as_measured(edges, heads)
        if not self.is_quickest_sought or self.rated is None or problem is None:
            return ()
        judged = next((one for one in self.heads if self.rated[0] in one.offers), None)
        tensors = () if judged is None else clearly_quicker_cut(problem, dict(judged.tiers))
        if judged is None or not tensors:
            return ()
        return (
            Finding(
                "PLC409",
                Severity.NOTE,
                Effect.NONE,
                f"by the times measured since, a cut at {cut_name(tensors)} would be quicker than "
                f"the one that is judged, at {cut_name(judged.cut.tensors)}: the pace of this "
                "machine changed meanwhile",
                f"measure again while nothing else runs, or judge that cut: {cut_options(tensors)}",
                None,
            ),
        )

    def _as_measured(
        self, edges: Sequence[EdgeSite], heads: Sequence[tuple[EdgeSite, ...]]
    ) -> Problem | None:
        from placer.core.split_choice import on_device, with_head

        if self.rated is None:
            return None
        offer_id, problem = self.rated
        whole_s = next(
            (typical_s(one) for one in edges if one.ep == EP and one.variant is None), None
        )
        if whole_s and self.profiled_s:
            problem = on_device(problem, whole_s / self.profiled_s)
            for head, sites in zip(self.heads, heads, strict=True):
                head_s = next((typical_s(one) for one in sites if one.ep == EP), None)
                if offer_id in head.offers and head_s is not None:
                    problem = with_head(problem, dict(head.tiers), head_s)
                    break
        return problem

    def splits(
        self, measured: Sequence[tuple[EdgeSite, ...]], clouds: Sequence[CloudSite]
    ) -> tuple[Split, ...]:
        """Return the placements of the heads, now that they are measured.

        Parameters
        ----------
        measured
            For each head the device with it.
        clouds
            With the time of the whole model.
        """
        from placer.core.legs.split import is_like_here, tail_time
        from placer.core.placement import Cloud, Split

        return tuple(
            Split(
                edge=edge,
                cloud=replace(
                    cloud,
                    time=tail_time(
                        cloud.time, head.cut.tail_ratio, is_same_class=is_like_here(cloud)
                    ),
                ),
                cut=head.cut,
                takes_input=head.takes_input,
                input_bytes=head.input_bytes,
                down_bytes=head.down_bytes,
                head_bytes=head.head_bytes,
                tail_bytes=head.tail_bytes,
            )
            for head, edges in zip(self.heads, measured, strict=True)
            for edge in edges
            for cloud in clouds
            if cloud.variant is None and Cloud(cloud).id in head.offers
        )


def parse_cut(cut: Sequence[str]) -> tuple[str, ...]:
    """Return the tensors to cut at, or ``auto``; empty: no split is asked for.

    Raises
    ------
    UsageError
        A word beside other names, an empty name or the same one twice.
    """
    for word in (AUTO, NONE):
        if word in cut and len(cut) > 1:
            raise UsageError(
                f"--cut {word} stands beside {len(cut) - 1} more",
                hint=f"give {word} alone, or names of tensors alone",
            )
    if tuple(cut) == (NONE,):
        return ()
    for place, name in enumerate(cut):
        if not name.strip():
            raise UsageError("--cut is empty", hint="auto, none, or the name of a tensor")
        if name in cut[:place]:
            raise UsageError(f"--cut {name} stands twice", hint="give it once")
    return tuple(cut)


def typical_s(site: CloudSite | EdgeSite) -> float | None:
    """Return the median of the measured times, else the modelled one; None: not known."""
    import numpy as np

    if site.time.segments_s:
        return float(np.median(np.concatenate(site.time.segments_s)))
    return site.time.mean_s
