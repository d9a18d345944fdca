"""Where to split a model file: the best plans cut for real, held to the whole, timed in turns."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api.cut_privacy import check_may_split, privacy_findings, rules_against_raw
from placer.api.part_runs import PartsPlan, PartsRun, PartsRuns, run_parts
from placer.api.split_candidates import (
    Cut,
    Where,
    best_cuts,
    exact_precision,
    find_where,
    given_cut,
    leaves_of,
    link_to,
    offered,
    sent_dtypes,
    site_of,
    sought,
    unsplit_cuts,
)
from placer.api.split_doubts import (
    disturbance,
    estimate_decides,
    oddities,
    quiet_ratio,
    tail_range_s,
    weak_inputs,
)
from placer.api.split_export import check_sendable, export_split
from placer.api.splitting import (
    USUAL_RUNS,
    USUAL_TIME_LIMIT_S,
    MeasuredGraph,
    measure_groups,
    open_to_split,
    samples_for,
    write_split,
)
from placer.core.finding import Effect
from placer.core.network_estimate import check_figures
from placer.core.partition.problem import InfeasibleError
from placer.core.split_choice import time_on
from placer.core.split_export import sent_type, wire_bytes
from placer.core.split_problem import shared_out_s
from placer.core.split_ranking import (
    Kind,
    Placed,
    SplitAnswer,
    ranked,
)
from placer.core.transfer import burst_unknown
from placer.core.transfer_draws import typical_transfer_s
from placer.core.units import format_bytes, format_duration, format_ratio
from placer.core.wire_choice import FormatResult, smallest_held
from placer.core.wire_formats import Precision
from placer.core.workload import Leaves

if TYPE_CHECKING:
    from placer.core.graph import ModelSummary
    from placer.core.workload import Workload
    from placer.onnx_files.inputs import Inputs
    from placer.onnx_files.split_source import SplitSource
    from placer.onnx_files.taint import TaintedGraph

Say = Callable[[str], None]
USUAL_TOP = 3
MOST_TOP = 20


@dataclass(frozen=True, slots=True)
class SplitQuestion:
    """What is asked of a model."""

    cut: tuple[str, ...] = ()
    """Tensors to cut at; empty: the solver chooses."""
    network: str | None = None
    """None: the usual one, assumed."""
    clouds: tuple[str, ...] = ()
    """The quickest of them is taken; empty: that of the cheapest offers, assumed."""
    shapes: Mapping[str, tuple[int, ...]] | None = None
    inputs: str | None = None
    """.npz file with real samples; None: a generated one."""
    threads: int | None = None
    """Of an inference here; None: all cores."""
    precision: Precision | None = None
    """On the wire; None: the smallest within the limit, without a limit the exact one."""
    max_error_ratio: float | None = None
    """The most that an output may be off, of its largest number."""
    is_raw_kept: bool = False
    """No tensor in which raw input can be read may leave the device."""
    is_attacked: bool = False
    """An attack tries to rebuild the inputs of the samples from what crosses."""
    workload: Workload | None = None
    """Its data policy holds."""
    device: str | None = None
    """That the workload names."""
    location: str | None = None
    """Place of the device, as the workload states it: a country or a region; None: not stated."""
    top: int = USUAL_TOP
    """So many of the best plans are cut for real."""
    time_limit_s: float = USUAL_TIME_LIMIT_S
    """Of each of two measurings: the groups, and the parts in turns. What must run once runs."""


def split_model(
    model: str, question: SplitQuestion, *, to: str | None = None, progress: Say
) -> SplitAnswer:
    """Find, or take, a cut of a model; measure it against others and against none; and write it.

    Without a given cut nothing is written where not to split is quicker.

    Parameters
    ----------
    to
        Folder for the export; None: nothing is written.

    Raises
    ------
    UsageError
        Something in the question is wrong, or the folder cannot be taken.
    InputError
        The model cannot be read or split.
    InfeasibleError
        The given cut breaks a constraint, or the data policy forbids every cloud.
    MeasuringError
        A part does not run, or answers differently.
    """
    from placer.files.split_folder import check_folder
    from placer.onnx_files.taint import find_taint
    from placer.profiling.machine import usable_cores

    if to is not None:
        check_folder(to)
    source = open_to_split(model, shapes=question.shapes)
    check_sendable(source)
    if question.workload is not None:
        check_may_split(question.workload)
    samples = samples_for(source, question.inputs, most=None)
    taint = find_taint(model, shapes=source.input_shapes)
    where = find_where(
        source.summary,
        question.network,
        question.clouds,
        question.workload,
        is_cut_given=bool(question.cut),
        location=question.location,
    )
    question, policy = _with_policy(question, source.summary, where)
    limit_ratio = question.max_error_ratio if question.inputs is not None else None
    cuts = unsplit_cuts(source, is_raw_kept=question.is_raw_kept)
    if question.cut:
        cuts.append(given_cut(source, question.cut, taint, is_raw_kept=question.is_raw_kept))
    threads = question.threads or usable_cores()
    check_figures(where.path)
    limit = format_duration(question.time_limit_s)
    progress(f"timing the groups of the model (at most {limit}), then the parts (as long again)")
    measured = measure_groups(
        source, inputs=question.inputs, threads=threads, time_limit_s=question.time_limit_s
    )
    if not question.cut:
        progress(f"looking for the best plans over {where.path.name}")
        cuts += best_cuts(
            measured.graph,
            where,
            link_to(source, where),
            taint,
            precisions=sought(question.precision, limit_ratio),
            is_raw_kept=question.is_raw_kept,
            top=question.top,
        )
    judged, parts = _judged(source, cuts, question, samples, taint, threads, progress)
    notes = [*policy, *weak_inputs(question, measured)]
    stated = next((one for cut in cuts if (one := _request_bytes(cut, question))), None)
    if stated is not None:
        notes.append(
            f"all on the cloud sends {format_bytes(stated)} a request, as the workload states it; "
            "a split sends tensors"
        )
    disturbed = disturbance(judged, threads)
    if disturbed:
        notes.append(f"{disturbed}: measure again on a quiet machine")
    if where.unknown:
        notes.insert(0, where.unknown)
    unknown_bursts = burst_unknown(where.path)
    if unknown_bursts is not None:
        notes.append(
            f"{unknown_bursts} on network '{where.path.name}': its times are those without loss, "
            "which are the least"
        )
    progress(f"working out what crosses {where.path.name}")
    found: list[tuple[Placed, Cut]] = []
    refused = 0
    for cut, run in zip(cuts, parts, strict=True):
        placed = _placed(source, cut, run, judged, measured, where, taint, question)
        if isinstance(placed, Placed):
            found.append((placed, cut))
        else:
            refused += 1
            notes.append(placed)
    answer = SplitAnswer(
        model=model,
        sha256=source.summary.sha256,
        constant_nodes=len(source.constant_nodes),
        unused_nodes=len(source.graph.unused_nodes),
        points=measured.points,
        largest_uncuttable=measured.largest_uncuttable,
        whole_s=judged.whole_s,
        runs=judged.runs,
        threads=threads,
        samples=0 if question.inputs is None else _count(samples),
        placed=(),
        chosen=None,
        is_asked=bool(question.cut),
        disturbance=disturbed,
        quiet_ratio=quiet_ratio(judged, threads),
        network=where.path.name,
        cloud=where.cloud,
        assumptions=where.assumptions,
        notes=tuple(notes),
        export=None,
        refused_splits=refused,
    )
    splits = sorted(
        (one for one, _ in found if one.kind is Kind.SPLIT),
        key=lambda one: one.predicted_s or 0.0,  # of a given cut, that has no other beside it
    )
    if question.cut and not splits:
        raise InfeasibleError(notes[-1], hint="allow more with --max-error, or name a wider --wire")
    listed = [one for one, _ in found if one.kind is not Kind.SPLIT] + splits[: question.top]
    order = ranked(listed)
    chosen = next((one for one in order if one.kind is Kind.SPLIT), None)
    notes += [*oddities(order, judged.whole_s), *estimate_decides(order)]
    answer = replace(answer, placed=order, chosen=chosen, notes=tuple(notes))
    if to is None or chosen is None or not (question.cut or answer.best.kind is Kind.SPLIT):
        return answer
    assert chosen.wire is not None
    progress(f"writing {to}")
    export = export_split(
        source,
        next(cut.tiers for one, cut in found if one is chosen),
        Precision(chosen.wire),
        to,
        samples=samples,
        max_error_ratio=question.max_error_ratio,
        time_limit_s=USUAL_TIME_LIMIT_S,
    )
    return replace(answer, export=export)


def _with_policy(
    question: SplitQuestion, summary: ModelSummary, where: Where
) -> tuple[SplitQuestion, tuple[str, ...]]:
    """Return the question with what the workload's data policy asks, and what is told of it."""
    if question.workload is None:
        return question, ()
    notes = []
    if question.device is not None:
        notes.append(
            f"the workload's device is {question.device}, and the head was timed on this machine: "
            "run placer there"
        )
    site, environment = site_of(where.offer, where.path)
    rules = rules_against_raw(site, summary, question.workload, environment)
    notes += [
        f"not proven that a part may go to {where.cloud}: {one.message} ({one.rule})"
        for one in privacy_findings(site, summary, question.workload, environment)
        if one.effect is Effect.UNPROVEN
    ]
    if rules:
        notes.append(
            f"raw input stays on the device: the workload forbids it on {where.cloud} "
            f"({', '.join(rules)})"
        )
    is_kept = question.is_raw_kept or bool(rules)
    return replace(question, is_raw_kept=is_kept), tuple(notes)


def _count(samples: Inputs) -> int:
    return len(next(iter(samples.samples.values())))


def _formats(source: SplitSource, cut: Cut, question: SplitQuestion) -> tuple[Precision, ...]:
    """Return the precisions to try for a cut."""
    dtypes = sent_dtypes(source, cut)
    if cut.kind is Kind.EDGE:
        return ()
    if cut.kind is Kind.CLOUD:  # a server of the whole model takes its inputs as they are
        return (exact_precision(dtypes),)
    if question.precision is not None:
        return (question.precision,)
    if question.max_error_ratio is None or question.inputs is None:  # one that nobody chose
        return (exact_precision(dtypes),)
    return offered(dtypes)


def _judged(
    source: SplitSource,
    cuts: Sequence[Cut],
    question: SplitQuestion,
    samples: Inputs,
    taint: TaintedGraph,
    threads: int,
    progress: Say,
) -> tuple[PartsRuns, list[PartsRun | None]]:
    """Write and run the parts of all cuts, in turns; None: all runs on the device."""
    with tempfile.TemporaryDirectory(prefix="placer-") as folder:
        plans = []
        for place, cut in enumerate(cuts):
            if cut.kind is Kind.EDGE:
                continue
            head, tail = None, source.summary.path
            if cut.kind is Kind.SPLIT:
                progress(f"cutting at {', '.join(cut.tensors)}")
                parts = Path(folder) / str(place)
                contract = write_split(source, cut.tiers, 1, str(parts))
                head, tail = (str(parts / part.files[0][0]) for part in contract.parts)
            attacked = _attacked(source, cut, taint) if question.is_attacked else ()
            plans.append(
                PartsPlan(head, tail, cut.tensors, _formats(source, cut, question), attacked)
            )
        limit = format_duration(question.time_limit_s)
        progress(f"running all parts and the whole model in turns (at most {limit})")
        judged = run_parts(
            source.summary.path,
            plans,
            samples,
            threads=threads,
            runs=USUAL_RUNS,
            limit_s=question.time_limit_s,
        )
    found = iter(judged.parts)
    return judged, [None if cut.kind is Kind.EDGE else next(found) for cut in cuts]


def _attacked(source: SplitSource, cut: Cut, taint: TaintedGraph) -> tuple[str, ...]:
    """Return the inputs to rebuild: those of a cut whose graph does not tell that it is raw."""
    if leaves_of(cut, taint)[0] is not Leaves.INTERMEDIATE:
        return ()
    return tuple(source.graph.inputs)


def _placed(
    source: SplitSource,
    cut: Cut,
    run: PartsRun | None,
    judged: PartsRuns,
    measured: MeasuredGraph,
    where: Where,
    taint: TaintedGraph,
    question: SplitQuestion,
) -> Placed | str:
    """Return what is known of a cut, or why it is not allowed."""
    graph = measured.graph
    here = {group.name: group.time_s for group in graph.groups}
    on_edge = sum(tier == 0 for tier in cut.tiers.values())
    leaves, why = leaves_of(cut, taint)
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
    )
    if run is None:
        return placed
    asked = replace(question, precision=None) if cut.kind is Kind.CLOUD else question
    result = _chosen_format(run.formats, asked)
    if result is None:
        return _why_no_format(cut, run.formats, question)
    precision = result.wire_format.precision
    specs = source.specs
    n_bytes = sum(
        wire_bytes(specs[name].n_bytes or 0, specs[name].dtype, precision) for name in cut.tensors
    )
    if (as_sent := _request_bytes(cut, question)) is not None:
        n_bytes = as_sent
    tail_s, tail_range = None, (0.0, 0.0)
    if where.whole_s is not None:
        there = shared_out_s(graph, where.whole_s)
        tail_s = time_on(graph, source.graph, cut.tiers, 1, there)
        tail_range = tail_range_s(where, tail_s)
    bytes_down = _answered_bytes(source, cut)
    return replace(
        placed,
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
        leakage=run.leakage,
    )


def _request_bytes(cut: Cut, question: SplitQuestion) -> int | None:
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


def _chosen_format(formats: Sequence[FormatResult], question: SplitQuestion) -> FormatResult | None:
    """Return the smallest format that is allowed and holds every number of the samples."""
    if question.precision is not None and question.max_error_ratio is None:
        return next((one for one in formats if not one.unheld_tensors), None)
    return smallest_held(formats, question.max_error_ratio)


def _why_no_format(cut: Cut, formats: Sequence[FormatResult], question: SplitQuestion) -> str:
    where = f"the cut at {', '.join(cut.tensors)}"
    if all(one.unheld_tensors for one in formats):
        return f"{where}: {formats[0].wire_format.name} cannot hold a number of what crosses"
    least = min(formats, key=lambda one: one.error.relative)
    if math.isinf(least.error.relative):
        return f"{where}: in {least.wire_format.name} an output is another label, or not finite"
    return (
        f"{where}: in {least.wire_format.name} an output is {format_ratio(least.error.relative)} "
        f"of its largest number off, and {format_ratio(question.max_error_ratio or 0.0)} is allowed"
    )
