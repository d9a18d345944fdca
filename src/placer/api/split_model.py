"""Where to split a model file: the best plans cut for real, held to the whole, timed in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api.cut_privacy import check_may_split, privacy_findings, rules_against_raw
from placer.api.part_runs import PartsPlan, PartsRun, PartsRuns, run_parts
from placer.api.split_candidates import (
    Cut,
    best_cuts,
    exact_precision,
    given_cuts,
    link_to,
    offered,
    sent_dtypes,
    sought,
    unsplit_cuts,
)
from placer.api.split_doubts import (
    disturbance,
    estimate_decides,
    oddities,
    other_ways,
    quiet_ratio,
    weak_inputs,
)
from placer.api.split_export import check_sendable, export_split
from placer.api.split_placed import attacked_inputs, placed_of, quickest_first, request_bytes
from placer.api.split_where import Where, find_where, site_of
from placer.api.splitting import (
    USUAL_RUNS,
    USUAL_TIME_LIMIT_S,
    measure_groups,
    open_to_split,
    samples_for,
    write_split,
)
from placer.core.cut_names import cut_name
from placer.core.finding import Effect
from placer.core.network_estimate import check_figures
from placer.core.partition.problem import InfeasibleError
from placer.core.split_ranking import Kind, Placed, SplitAnswer, ranked
from placer.core.transfer import burst_unknown
from placer.core.units import format_bytes, format_duration
from placer.core.wire_formats import Precision

if TYPE_CHECKING:
    from placer.core.graph import ModelSummary
    from placer.core.workload import Workload
    from placer.onnx_files.inputs import Inputs
    from placer.onnx_files.split_source import SplitSource
    from placer.onnx_files.taint import TaintedGraph

Say = Callable[[str], None]
USUAL_TOP = 3
MOST_TOP = 20
MOST_WAYS = 3
"""Of one cut that was asked for: an output may be made by its head or its tail."""


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
    given = []
    if question.cut:
        given = given_cuts(source, question.cut, taint, is_raw_kept=question.is_raw_kept)
    threads = question.threads or usable_cores()
    check_figures(where.path)
    limit = format_duration(question.time_limit_s)
    progress(f"timing the groups of the model (at most {limit}), then the parts (as long again)")
    measured = measure_groups(
        source, inputs=question.inputs, threads=threads, time_limit_s=question.time_limit_s
    )
    if given:
        most = 1 if where.whole_s is None else MOST_WAYS
        cuts += quickest_first(given, source, measured, where)[:most]
    else:
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
    stated = next((one for cut in cuts if (one := request_bytes(cut, question))), None)
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
    refused = []
    for cut, run in zip(cuts, parts, strict=True):
        placed = placed_of(source, cut, run, judged, measured, where, taint, question)
        if isinstance(placed, Placed):
            found.append((placed, cut))
        else:
            refused.append(placed)
            notes.append(placed.reason)
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
        refused_splits=len(refused),
    )
    splits = sorted(
        (one for one, _ in found if one.kind is Kind.SPLIT),
        key=lambda one: one.predicted_s or 0.0,  # of a given cut, that has no other beside it
    )
    if question.cut and not splits:
        raise InfeasibleError(refused[-1].reason, hint=refused[-1].hint)
    listed = [one for one, _ in found if one.kind is not Kind.SPLIT] + splits[: question.top]
    order = ranked(listed)
    chosen = next((one for one in order if one.kind is Kind.SPLIT), None)
    notes += [
        *oddities(order, judged.whole_s),
        *estimate_decides(order),
        *other_ways(order, len(given)),
    ]
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
                progress(f"cutting at {cut_name(cut.tensors)}")
                parts = Path(folder) / str(place)
                contract = write_split(source, cut.tiers, 1, str(parts))
                head, tail = (str(parts / part.files[0][0]) for part in contract.parts)
            attacked = attacked_inputs(source, cut, taint) if question.is_attacked else ()
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
