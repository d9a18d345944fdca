"""What is known of each way to place a model, once its parts have run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from placer.api.part_runs import PartsRun, PartsRuns
from placer.api.split_candidates import Cut, leaves_of, movable_outputs, raw_inputs_of
from placer.api.split_doubts import tail_range_s
from placer.api.split_where import Where
from placer.core.cut_names import cut_name
from placer.core.leakage import InputLeakage, Leak, Leakage
from placer.core.split_choice import time_on
from placer.core.split_export import sent_type, wire_bytes
from placer.core.split_problem import shared_out_s
from placer.core.split_ranking import Kind, Placed
from placer.core.transfer_draws import typical_transfer_s
from placer.core.units import format_ratio
from placer.core.wire_choice import FormatResult, smallest_held
from placer.core.workload import Leaves

if TYPE_CHECKING:
    from placer.api.split_model import SplitQuestion
    from placer.api.splitting import MeasuredGraph
    from placer.onnx_files.split_source import SplitSource
    from placer.onnx_files.taint import TaintedGraph


@dataclass(frozen=True, slots=True)
class Refused:
    """A cut that is not allowed."""

    reason: str
    hint: str


def placed_of(
    source: SplitSource,
    cut: Cut,
    run: PartsRun | None,
    judged: PartsRuns,
    measured: MeasuredGraph,
    where: Where,
    taint: TaintedGraph,
    question: SplitQuestion,
) -> Placed | Refused:
    """Return what is known of a cut, or why it is not allowed."""
    graph = measured.graph
    here = {group.name: group.time_s for group in graph.groups}
    on_edge = sum(tier == 0 for tier in cut.tiers.values())
    leaves, why = leaves_of(cut, taint)
    made_here: tuple[str, ...] = ()
    made_there: tuple[str, ...] = ()
    if cut.kind is Kind.SPLIT:
        made_here, made_there = movable_outputs(source, cut.tiers)
    placed = Placed(
        kind=cut.kind,
        tensors=cut.tensors,
        wire=None,
        n_bytes=0,
        leaves=leaves,
        leaves_why=why,
        edge_nodes=on_edge,
        cloud_nodes=len(cut.tiers) - on_edge,
        foretold_head_s=time_on(graph, source.graph, cut.tiers, 0, here),
        head_s=judged.whole_s,
        tail_here_s=None,
        network_s=0.0,
        tail_s=0.0,
        differences=(),
        wire_result=None,
        turns_s=judged.turns_s,
        outputs_here=made_here,
        outputs_there=made_there,
    )
    if run is None:
        return placed
    asked = replace(question, precision=None) if cut.kind is Kind.CLOUD else question
    result = _chosen_format(run.formats, asked)
    if result is None:
        return Refused(
            _why_no_format(cut, run.formats, question),
            "allow more with --max-error, or name a wider --wire",
        )
    precision = result.wire_format.precision
    specs = source.specs
    n_bytes = sum(
        wire_bytes(specs[name].n_bytes or 0, specs[name].dtype, precision) for name in cut.tensors
    )
    if (as_sent := request_bytes(cut, question)) is not None:
        n_bytes = as_sent
    tail_s, tail_range = None, (0.0, 0.0)
    if where.whole_s is not None:
        there = shared_out_s(graph, where.whole_s)
        tail_s = time_on(graph, source.graph, cut.tiers, 1, there)
        tail_range = tail_range_s(where, tail_s)
    leakage = _leakage(source, cut, run, taint) if question.is_attacked else ()
    rebuilt = [one for one in leakage if one.leakage.leak is Leak.RAW and one.leakage.samples]
    if rebuilt and leaves is not Leaves.RAW_INPUT:
        leaves, why = Leaves.RAW_INPUT, rebuilt[0].leakage.reason
        if question.is_raw_kept:
            return Refused(
                f"the cut at {cut_name(cut.tensors)}: raw input would leave the device "
                f"({rebuilt[0].name}: {why}), and it must stay",
                "cut at a later tensor",
            )
    bytes_down = _answered_bytes(source, cut)
    return replace(
        placed,
        leaves=leaves,
        leaves_why=why,
        bytes_down=bytes_down,
        turns_s=run.turns_s,
        tail_range_s=tail_range,
        wire=precision.value,
        sent_types=tuple(
            dict.fromkeys(sent_type(specs[name].dtype, precision) for name in cut.tensors)
        ),
        n_bytes=n_bytes,
        head_s=run.head_s,
        tail_here_s=run.tail_s,
        network_s=typical_transfer_s(where.path, n_bytes, bytes_down),
        tail_s=tail_s,
        differences=run.differences,
        wire_result=result,
        leakage=leakage,
    )


def attacked_inputs(source: SplitSource, cut: Cut, taint: TaintedGraph) -> tuple[str, ...]:
    """Return the inputs to rebuild: those of which the graph does not tell that they are raw."""
    known = raw_inputs_of(cut, taint)
    return tuple(name for name in source.graph.inputs if name not in known)


def _leakage(
    source: SplitSource, cut: Cut, run: PartsRun, taint: TaintedGraph
) -> tuple[InputLeakage, ...]:
    """Return what an attack found, and where there was nothing to attack."""
    raw = raw_inputs_of(cut, taint)
    found = {one.name: one for one in run.leakage}
    for name, why in raw.items():
        reason = f"the graph shows it ({why}), so that there is nothing to attack"
        found[name] = InputLeakage(name, Leakage(Leak.RAW, reason, 0, 0))
    return tuple(found[name] for name in source.graph.inputs if name in found)


def request_bytes(cut: Cut, question: SplitQuestion) -> int | None:
    """Return the size of a request to a server of the whole model, as the workload states it.

    A split sends tensors: its client is the one that is written.
    """
    if cut.kind is not Kind.CLOUD or question.workload is None:
        return None
    return question.workload.wire_input_bytes


def _answered_bytes(source: SplitSource, cut: Cut) -> int:
    """Return the bytes of the outputs that are made in the cloud; the others are here already."""
    beyond = (
        one
        for one in source.graph.tensors
        if one.name in source.graph.outputs
        and one.producer is not None
        and cut.tiers[one.producer] == 1
    )
    return sum(one.n_bytes for one in beyond)


def quickest_first(
    cuts: Sequence[Cut], source: SplitSource, measured: MeasuredGraph, where: Where
) -> list[Cut]:
    """Return ways to run one cut in the order of their foretold times; unknown: as they are."""
    if where.whole_s is None:
        return list(cuts)
    here = {group.name: group.time_s for group in measured.graph.groups}
    there = shared_out_s(measured.graph, where.whole_s)

    def foretold_s(cut: Cut) -> float:
        parts_s = (
            time_on(measured.graph, source.graph, cut.tiers, tier, times)
            for tier, times in enumerate((here, there))
        )
        sent = sum(source.specs[name].n_bytes or 0 for name in cut.tensors)
        return sum(parts_s) + typical_transfer_s(where.path, sent, _answered_bytes(source, cut))

    return sorted(cuts, key=foretold_s)


def _chosen_format(formats: Sequence[FormatResult], question: SplitQuestion) -> FormatResult | None:
    """Return the smallest format that is allowed and holds every number of the samples."""
    if question.precision is not None and question.max_error_ratio is None:
        return next((one for one in formats if not one.unheld_tensors), None)
    return smallest_held(formats, question.max_error_ratio)


def _why_no_format(cut: Cut, formats: Sequence[FormatResult], question: SplitQuestion) -> str:
    where = f"the cut at {cut_name(cut.tensors)}"
    if all(one.unheld_tensors for one in formats):
        return f"{where}: {formats[0].wire_format.name} cannot hold a number of what crosses"
    least = min(formats, key=lambda one: one.error.relative)
    if math.isinf(least.error.relative):
        return f"{where}: in {least.wire_format.name} an output is another label, or not finite"
    return (
        f"{where}: in {least.wire_format.name} an output is {format_ratio(least.error.relative)} "
        f"of its largest number off, and {format_ratio(question.max_error_ratio or 0.0)} is allowed"
    )
