"""Splits for a recommendation: which cuts are worth judging, and their heads to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api import formats
from placer.api.cut_plan import AUTO, EP, Cutting, Head, typical_s
from placer.api.measuring import DEFAULT_TIME_LIMIT_S, MeasuringOptions, Say
from placer.core.environment import NetworkPath
from placer.core.errors import InputError, MeasuringError, PlacerError, UsageError
from placer.core.finding import Effect, Finding, Severity
from placer.core.graph import ModelSummary
from placer.core.runtime import parse_ep
from placer.core.workload import Objective, Workload

if TYPE_CHECKING:
    from placer.api.splitting import Compare, MeasuredGraph
    from placer.core.partition.problem import Problem
    from placer.core.placement import CloudSite, Environment
    from placer.core.split import SplitContract
    from placer.onnx_files.split_source import SplitSource
    from placer.onnx_files.taint import TaintedGraph

MAX_PROFILE_S = 10.0
"""Longest time for the groups: a share of the time limit for one execution provider."""


def plan_cuts(
    cut: tuple[str, ...],
    summary: ModelSummary,
    workload: Workload,
    options: MeasuringOptions,
    environment: Environment,
    *,
    measure: bool,
    folder: str,
    progress: Say,
) -> Cutting:
    """Find and write the cuts that are worth judging: for each offer the best, or the one named.

    Parameters
    ----------
    cut
        As ``parse_cut`` returns it.
    environment
        Its clouds have the time of the whole model.
    folder
        For the files of the parts, which must stay until the heads are measured.

    Raises
    ------
    UsageError, InputError, MeasuringError
        The named cut is none, or cannot be judged. What forbids ``auto`` is a finding.
    """
    if not cut:
        return Cutting()
    try:
        return _planned(cut, summary, workload, options, environment, measure, folder, progress)
    except PlacerError as error:
        if cut != (AUTO,) or not isinstance(error, UsageError | InputError | MeasuringError):
            raise
        return Cutting(findings=(_told(error.message, error.hint or ""),))


def _told(why: str, remedy: str) -> Finding:
    message = f"no split is offered: {why}"
    return Finding("PLC409", Severity.NOTE, Effect.NONE, message, remedy, None)


def _planned(
    cut: tuple[str, ...],
    summary: ModelSummary,
    workload: Workload,
    options: MeasuringOptions,
    environment: Environment,
    measure: bool,
    folder: str,
    progress: Say,
) -> Cutting:
    from placer.api.splitting import comparing, cut_at, measure_groups, open_to_split
    from placer.core.placement import Cloud
    from placer.onnx_files.taint import find_taint

    _check_measurable(options, environment, measure=measure)
    source = open_to_split(summary.path, shapes=dict(options.shapes or {}))
    named = None if cut == (AUTO,) else cut_at(source, [cut])  # before anything is measured
    progress("cut: timing the groups of the model")
    measured = measure_groups(
        source,
        inputs=options.inputs,
        threads=options.threads or _usable_cores(),
        time_limit_s=min(MAX_PROFILE_S, options.time_limit_s or DEFAULT_TIME_LIMIT_S),
    )
    taint = find_taint(summary.path)
    names = [tensor.name for tensor in source.graph.tensors]
    raw_sets = [
        names for names, _ in taint.raw_among([one for one in names if one in taint.tensors])
    ]
    asked: dict[tuple[tuple[str, int], ...], set[str]] = {}
    findings: list[Finding] = []
    tables: list[tuple[float, str, Problem]] = []
    if measured.is_disturbed:
        findings.append(
            _noted("the times of the groups are disturbed", "measure again while nothing else runs")
        )
    for site in environment.clouds:
        if site.variant is not None:
            continue
        offer_id, whole_s = Cloud(site).id, typical_s(site)
        if whole_s is None and named is None:
            findings.append(
                _told(f"nothing tells how fast the model runs on {site.offer.name}", "")
            )
            continue
        kept = (
            frozenset(one for names in raw_sets for one in names[:1])
            if _is_forbidden(site, summary, workload, environment)
            else frozenset()
        )
        path = replace(environment.path, backbone=site.backbone)
        try:
            tiers, table = _toward(
                site, path, whole_s, source, measured, summary, workload, kept, named
            )
        except UsageError as error:  # of the path
            findings.append(_told(error.message, error.hint or ""))
            continue
        if table is not None and whole_s is not None:
            tables.append((whole_s, offer_id, table))
        if tiers is None:
            findings.append(
                _told(
                    f"no cut of the model toward {site.offer.name} keeps raw input on the device"
                    if kept
                    else "there is no tensor to cut at",
                    "",
                )
            )
            continue
        asked.setdefault(tuple(sorted(tiers.items())), set()).add(offer_id)
    heads = []
    if asked:
        progress("cut: writing the parts, comparing them with the whole")
        limit_s = options.time_limit_s or DEFAULT_TIME_LIMIT_S
        with comparing(source, inputs=options.inputs, time_limit_s=limit_s) as compare:
            for number, (key, offers) in enumerate(asked.items()):
                place = str(Path(folder) / str(number))
                heads.append(
                    _head(
                        dict(key),
                        frozenset(offers),
                        source,
                        measured,
                        taint,
                        options,
                        place,
                        compare,
                    )
                )
    quickest = min(tables, key=lambda one: one[:2], default=None)
    return Cutting(
        tuple(heads),
        None if quickest is None else quickest[1:],
        measured.whole_s,
        tuple(findings),
    )


def _noted(what: str, remedy: str) -> Finding:
    return Finding("PLC409", Severity.NOTE, Effect.NONE, what, remedy, None)


def _check_measurable(
    options: MeasuringOptions, environment: Environment, *, measure: bool
) -> None:
    """Raise UsageError where the head of a split would not be measured on this machine's CPU."""
    device = environment.device
    if not device.is_this_machine:
        raise UsageError(
            f"--cut needs the device here, to time the groups of the model and the head of the "
            f"split, and the device is {device.name}",
            hint="run placer on that device, without --device",
        )
    if not measure:
        raise UsageError(
            "--cut times the groups of the model and the head of the split: nothing is measured",
            hint="leave --no-measure out",
        )
    if options.eps and EP not in {parse_ep(ep) for ep in options.eps}:
        raise UsageError(
            f"--cut times the groups of the model on the CPU, and only {', '.join(options.eps)} is "
            "measured",
            hint="add --ep cpu",
        )
    if not environment.clouds:
        raise UsageError("--cut needs a cloud for the tail", hint="name one: --cloud")


def _usable_cores() -> int:
    from placer.profiling.machine import usable_cores

    return usable_cores()


def _is_forbidden(
    site: CloudSite, summary: ModelSummary, workload: Workload, environment: Environment
) -> bool:
    """Tell whether the rules of privacy forbid the whole model on an offer: raw input stays."""
    from placer.core.evaluate import evaluate
    from placer.core.placement import Cloud
    from placer.core.workings import Workings

    candidate = evaluate(Cloud(site), summary, workload, environment, Workings(is_brief=True))
    return any(
        found.rule.startswith("PLC1") and found.effect is Effect.VIOLATED
        for found in candidate.findings
    )


def _toward(
    site: CloudSite,
    path: NetworkPath,
    whole_s: float | None,
    source: SplitSource,
    measured: MeasuredGraph,
    summary: ModelSummary,
    workload: Workload,
    kept: frozenset[str],
    named: dict[str, int] | None,
) -> tuple[dict[str, int] | None, Problem | None]:
    """Return node -> tier of the cut that is worth judging, and the question of crossovers."""
    from placer.api.splitting import node_tiers
    from placer.core.split_choice import (
        best_split,
        parts_problem,
        problem_toward,
        tail_ratio_of,
    )
    from placer.core.split_problem import rated_link_over

    inputs = [spec.name for spec in summary.inputs]
    input_bytes = {}
    if workload.wire_input_bytes is not None and len(inputs) == 1:
        input_bytes[inputs[0]] = workload.wire_input_bytes
    rated = rated_link_over(path)
    table = None
    if named is not None:
        if rated is not None and measured.whole_s is not None and whole_s is not None:
            ratio = tail_ratio_of(measured.graph, source.graph, named)
            table = parts_problem(
                source.graph,
                named,
                ratio,
                (measured.whole_s, whole_s),
                rated,
                input_bytes=input_bytes,
                kept=kept,
            )
        return named, table
    assert whole_s is not None
    problem = problem_toward(
        measured.graph,
        site.offer,
        path,
        whole_s,
        max_bytes=sum(tensor.n_bytes for tensor in measured.graph.tensors),
        down_bytes=summary.output_bytes or 0,
        input_bytes=input_bytes,
        kept=kept,
    )
    limit_s = min((target.limit_s for target in workload.targets), default=None)
    tiers = best_split(
        problem, is_for_money=workload.objective is Objective.COST, latency_limit_s=limit_s
    )
    if rated is not None:
        table = replace(problem, links=(rated,))
    return None if tiers is None else node_tiers(measured.graph, tiers), table


def _head(
    tiers: dict[str, int],
    offers: frozenset[str],
    source: SplitSource,
    measured: MeasuredGraph,
    taint: TaintedGraph,
    options: MeasuringOptions,
    folder: str,
    compare: Compare,
) -> Head:
    from placer.api.splitting import write_split
    from placer.core.split import CutFacts
    from placer.core.split_choice import tail_ratio_of

    contract = write_split(source, tiers, 1, folder)
    head, tail = contract.parts
    crossing = contract.links[0]
    names = tuple(spec.name for spec in crossing)
    raw = {
        name
        for found, _ in taint.raw_among([n for n in names if n in taint.tensors])
        for name in found
    }
    path = str(Path(folder) / head.files[0][0])
    summary = formats.read_model(path, shapes=_shapes(options, [one.name for one in head.inputs]))
    model_outputs = {spec.name for spec in contract.outputs}
    inputs = {spec.name for spec in contract.inputs}
    return Head(
        summary=summary,
        options=_options(options, summary, folder),
        cut=CutFacts(
            tensors=names,
            n_bytes=sum(spec.n_bytes or 0 for spec in crossing),
            raw=tuple(name for name in names if name in raw),
            tail_ratio=tail_ratio_of(measured.graph, source.graph, tiers),
            difference_ratio=_difference(contract, folder, compare),
        ),
        takes_input=inputs <= set(names),
        input_bytes=source.summary.input_bytes or 0,
        down_bytes=sum(spec.n_bytes or 0 for spec in tail.outputs if spec.name in model_outputs),
        head_bytes=head.n_bytes,
        tail_bytes=tail.n_bytes,
        offers=offers,
    )


def _shapes(options: MeasuringOptions, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in (options.shapes or {}).items() if name in names}


def _difference(contract: SplitContract, folder: str, compare: Compare) -> float | None:
    try:
        return max((one.relative for one in compare(contract, folder)), default=0.0)
    except MeasuringError:
        return None


def _options(options: MeasuringOptions, head: ModelSummary, folder: str) -> MeasuringOptions:
    """Return the options of the model for its head, with those samples that it takes."""
    inputs = options.inputs
    if inputs is not None:
        import numpy as np

        wanted = {spec.name for spec in head.inputs}
        with np.load(inputs, allow_pickle=False) as given:
            if set(given.files) != wanted:
                inputs = str(Path(folder) / "inputs.npz")
                np.savez(inputs, **{name: given[name] for name in wanted})
    return replace(
        options,
        eps=(EP,),
        shapes=_shapes(options, [spec.name for spec in head.inputs]),
        inputs=inputs,
        ep_options=(),  # of other execution providers
        io="host",
    )
