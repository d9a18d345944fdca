"""Splits for a recommendation: which cuts are worth judging, and their heads to be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api import formats
from placer.api.cut_plan import AUTO, EP, Cutting, Head, typical_s
from placer.api.measuring import DEFAULT_TIME_LIMIT_S, MeasuringOptions, Say
from placer.core.errors import InputError, MeasuringError, PlacerError, UsageError
from placer.core.finding import Effect, Finding, Severity
from placer.core.graph import ModelSummary
from placer.core.runtime import parse_ep
from placer.core.units import format_ratio
from placer.core.workload import Objective, Workload

if TYPE_CHECKING:
    from placer.api.splitting import Compare, MeasuredGraph
    from placer.core.environment import NetworkPath
    from placer.core.groups import GroupGraph
    from placer.core.partition.problem import Problem
    from placer.core.placement import CloudSite, Environment
    from placer.core.split import SplitContract
    from placer.core.wire_choice import FormatResult
    from placer.core.wire_formats import Precision
    from placer.onnx_files.split_source import SplitSource
    from placer.onnx_files.taint import TaintedGraph

MAX_PROFILE_S = 10.0
"""Longest time for the groups: a share of the time limit for one execution provider."""
_KEYS = {"round-trip time": "rtt"}
_Tiers = tuple[tuple[str, int], ...]
"""(node, tier), ascending."""


@dataclass(frozen=True, slots=True)
class CutQuestion:
    """What is asked of a model's splits."""

    cut: tuple[str, ...]
    """As ``parse_cut`` returns it."""
    summary: ModelSummary
    workload: Workload
    options: MeasuringOptions
    environment: Environment
    """Its clouds have the time of the whole model."""

    @property
    def threads(self) -> int:
        """Threads of one inference here."""
        return self.options.threads or _usable_cores()

    @property
    def time_limit_s(self) -> float:
        """Longest time for one execution provider, and for all comparing."""
        return self.options.time_limit_s or DEFAULT_TIME_LIMIT_S


@dataclass(slots=True)
class _Found:
    """Cuts that are worth judging, while the clouds are gone through."""

    cuts: dict[_Tiers, set[tuple[str, Precision | None]]] = field(default_factory=dict)
    """To (cloud candidate, precision in which what crosses might be sent)."""
    findings: list[Finding] = field(default_factory=list)
    tables: list[tuple[float, str, Problem]] = field(default_factory=list)
    """Time of the whole model in a cloud, its candidate, the question of its crossovers."""
    cheapest: set[str] = field(default_factory=set)
    """Cloud candidates toward which a cut is the cheapest, not the quickest."""


def plan_cuts(question: CutQuestion, *, measure: bool, folder: str, progress: Say) -> Cutting:
    """Find and write the cuts that are worth judging: for each offer the best, or the one named.

    Parameters
    ----------
    folder
        For the files of the parts, which must stay until the heads are measured.

    Raises
    ------
    UsageError, InputError, MeasuringError
        The named cut is none, or cannot be judged. What forbids ``auto`` is a finding.
    """
    if not question.cut:
        return Cutting()
    try:
        _check_measurable(question.options, question.environment, measure=measure)
        return _planned(question, folder, progress)
    except PlacerError as error:
        if question.cut != (AUTO,) or not isinstance(
            error, UsageError | InputError | MeasuringError
        ):
            raise
        return Cutting(findings=(_told(error.message, error.hint or ""),))


def _told(why: str, remedy: str) -> Finding:
    return _noted(f"no split is offered: {why}", remedy)


def _noted(what: str, remedy: str) -> Finding:
    return Finding("PLC409", Severity.NOTE, Effect.NONE, what, remedy, None)


def _planned(question: CutQuestion, folder: str, progress: Say) -> Cutting:
    from placer.api.split_candidates import named_cut
    from placer.api.splitting import measure_groups, open_to_split
    from placer.core.split_choice import PARTS
    from placer.onnx_files.taint import find_taint

    summary, options = question.summary, question.options
    source = open_to_split(summary.path, shapes=dict(options.shapes or {}))
    # before anything is measured
    named = None if question.cut == (AUTO,) else named_cut(source, question.cut)
    progress("cut: timing the groups of the model")
    measured = measure_groups(
        source,
        inputs=options.inputs,
        threads=question.threads,
        time_limit_s=min(MAX_PROFILE_S, question.time_limit_s),
    )
    taint = find_taint(summary.path, shapes=source.input_shapes)
    found = _worth_judging(question, source, measured, taint, named)
    heads = _written_heads(question, found.cuts, source, measured, taint, folder, progress)
    quickest = min(found.tables, key=lambda one: one[:2], default=None)
    return Cutting(
        tuple(
            replace(head, tiers=PARTS if named is not None else _divided(measured.graph, tiers))
            for tiers, head in heads
        ),
        None if quickest is None else quickest[1:],
        measured.whole_s,
        tuple(found.findings),
        is_quickest_sought=named is None
        and quickest is not None
        and quickest[1] not in found.cheapest,
    )


def _worth_judging(
    question: CutQuestion,
    source: SplitSource,
    measured: MeasuredGraph,
    taint: TaintedGraph,
    named: dict[str, int] | None,
) -> _Found:
    from placer.api.cut_privacy import rules_against_raw
    from placer.api.split_candidates import sought
    from placer.core.placement import Cloud
    from placer.core.split_export import can_be_sent

    summary, workload, environment = question.summary, question.workload, question.environment
    found = _Found()
    if measured.is_disturbed:
        found.findings.append(
            _noted("the times of the groups are disturbed", "measure again while nothing else runs")
        )
    limit = workload.max_error_ratio
    precisions = sought(None, limit)
    if limit is not None and question.options.inputs is None:
        found.findings.append(
            _noted(
                "what crosses is sent as it is: without real samples no smaller format is known to "
                f"keep an output within {format_ratio(limit)} of its largest number",
                "give real samples: --inputs SAMPLES.npz",
            )
        )
        precisions = (None,)
    tensors = source.graph.tensors
    known = [one.name for one in tensors if one.name in taint.tensors]
    raw = frozenset(one for names, _ in taint.raw_among(known) for one in names[:1])
    unsendable = frozenset(one.name for one in tensors if not can_be_sent(one.dtype))
    for site in environment.clouds:
        if site.variant is not None:
            continue
        offer_id, whole_s = Cloud(site).id, typical_s(site)
        if whole_s is None and named is None:
            found.findings.append(
                _told(f"nothing tells how fast the model runs on {site.offer.name}", "")
            )
            continue
        is_barred = rules_against_raw(site, summary, workload, environment)
        kept = unsendable | raw if is_barred else unsendable
        try:
            cuts, table, is_cheapest = _toward(
                question, site, whole_s, source, measured, kept, named, precisions
            )
        except UsageError as error:  # of the path
            if named is not None:
                raise
            found.findings.append(_told(error.message, error.hint or ""))
            continue
        if is_cheapest:
            found.cheapest.add(offer_id)
        if table is not None and whole_s is not None:
            found.tables.append((whole_s, offer_id, table))
        if not cuts:
            why = (
                f"no cut of the model toward {site.offer.name} keeps raw input on the device"
                if is_barred
                else "there is no tensor to cut at"
                if not unsendable
                else f"no cut of the model toward {site.offer.name} sends only types that a server "
                "takes"
            )
            found.findings.append(_told(why, ""))
        for precision, tiers in cuts:
            found.cuts.setdefault(tuple(sorted(tiers.items())), set()).add((offer_id, precision))
    return found


def _written_heads(
    question: CutQuestion,
    cuts: Mapping[_Tiers, set[tuple[str, Precision | None]]],
    source: SplitSource,
    measured: MeasuredGraph,
    taint: TaintedGraph,
    folder: str,
    progress: Say,
) -> list[tuple[dict[str, int], Head]]:
    """Write the cuts, hold them to the whole, and return node -> tier with each head."""
    from placer.api.cut_wire import formats_within, is_as_sought
    from placer.api.splitting import comparing, write_split
    from placer.core.split_choice import tail_ratio_of

    if not cuts:
        return []
    limit, inputs = question.workload.max_error_ratio, question.options.inputs
    progress("cut: writing the parts, comparing them with the whole")
    places = [str(Path(folder) / str(number)) for number in range(len(cuts))]
    written = [
        (write_split(source, dict(tiers), 1, place), place)
        for tiers, place in zip(cuts, places, strict=True)
    ]
    sent: tuple[FormatResult | None, ...] = (None,) * len(written)
    if limit is not None and inputs is not None:
        progress("cut: sending what crosses in smaller formats")
        sent = formats_within(
            source,
            written,
            max_error_ratio=limit,
            inputs=inputs,
            threads=question.threads,
            limit_s=question.time_limit_s,
        )
    heads = []
    with comparing(source, inputs=inputs, time_limit_s=question.time_limit_s) as compare:
        for (key, toward), (contract, place), result in zip(
            cuts.items(), written, sent, strict=True
        ):
            offers = frozenset(one for one, wanted in toward if is_as_sought(wanted, result))
            if offers:
                tiers = dict(key)
                ratio = tail_ratio_of(measured.graph, source.graph, tiers)
                head = _head(
                    *(contract, place, offers, ratio, result),
                    *(source, taint, question.options, compare),
                )
                heads.append((tiers, head))
    return heads


def _divided(graph: GroupGraph, tiers: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """Return (group, tier) of the groups; the solver cuts none of them in two."""
    return tuple((group.name, tiers[group.nodes[0]]) for group in graph.groups)


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
    _check_known(environment.path)


def _check_known(path: NetworkPath) -> None:
    """Raise UsageError where a figure is missing without which no cut can be judged."""
    unknown = {
        "round-trip time": not (path.rtt_samples_s or path.rtt_quantiles_s),
        "uplink": path.uplink_bytes_per_s is None,
        "downlink": path.downlink_bytes_per_s is None,
    }
    missing = [name for name, is_missing in unknown.items() if is_missing]
    if missing:
        *others, last = missing
        listed = f"{', '.join(others)} and {last}" if others else last
        keys = " and ".join(f"`{_KEYS.get(name, name)}:`" for name in missing)
        raise UsageError(
            f"the {listed} of network '{path.name}' {'are' if others else 'is'} unknown",
            hint=f"give {keys} in a network file, or measure the network: placer network probe",
        )


def _usable_cores() -> int:
    from placer.profiling.machine import usable_cores

    return usable_cores()


def _toward(
    question: CutQuestion,
    site: CloudSite,
    whole_s: float | None,
    source: SplitSource,
    measured: MeasuredGraph,
    kept: frozenset[str],
    named: dict[str, int] | None,
    precisions: Sequence[Precision | None],
) -> tuple[list[tuple[Precision | None, dict[str, int]]], Problem | None, bool]:
    """Return node -> tier of the cuts that are worth judging, and the question of crossovers.

    There is one for each precision in which tensors might be sent; None: as they are. The last is
    whether a cut is the cheapest, not the quickest.
    """
    from placer.api.split_candidates import narrowed
    from placer.api.splitting import node_tiers
    from placer.core.split_choice import (
        cheapest_split,
        parts_problem,
        problem_toward,
        quickest_split,
        tail_ratio_of,
    )
    from placer.core.split_problem import rated_link_over

    summary, workload = question.summary, question.workload
    path = replace(question.environment.path, backbone=site.backbone)
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
        return [(None, named)], table, False
    assert whole_s is not None
    limit_s = min((target.limit_s for target in workload.targets), default=None)
    is_for_money = workload.objective is Objective.COST
    found, is_cheapest = [], False
    for precision in precisions:
        problem = problem_toward(
            narrowed(measured.graph, precision),
            site.offer,
            path,
            whole_s,
            max_bytes=sum(tensor.n_bytes for tensor in measured.graph.tensors),
            down_bytes=summary.output_bytes or 0,
            input_bytes=input_bytes,
            kept=kept,
        )
        if precision is None and rated is not None:
            table = replace(problem, links=(rated,))
        tiers = None
        if is_for_money and limit_s is not None:
            tiers = cheapest_split(problem, limit_s)
            is_cheapest = is_cheapest or tiers is not None
        tiers = tiers or quickest_split(problem)
        if tiers is not None:
            found.append((precision, node_tiers(measured.graph, tiers)))
    return found, table, is_cheapest


def _head(
    contract: SplitContract,
    folder: str,
    offers: frozenset[str],
    tail_ratio: float,
    sent: FormatResult | None,
    source: SplitSource,
    taint: TaintedGraph,
    options: MeasuringOptions,
    compare: Compare,
) -> Head:
    from placer.api.cut_wire import bytes_sent
    from placer.core.split import CutFacts

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
    difference_ratio, why = _difference(contract, folder, compare)
    return Head(
        summary=summary,
        options=_options(options, summary, folder),
        cut=CutFacts(
            tensors=names,
            n_bytes=sum(spec.n_bytes or 0 for spec in crossing),
            raw=tuple(name for name in names if name in raw),
            tail_ratio=tail_ratio,
            difference_ratio=difference_ratio,
            not_compared=why,
            wire=None if sent is None else sent.wire_format.precision,
            wire_bytes=None if sent is None else bytes_sent(crossing, sent),
            wire_error_ratio=None if sent is None else sent.error.relative,
            wire_samples=0 if sent is None else sent.samples,
        ),
        takes_input=inputs <= set(names),
        input_bytes=bytes_sent(source.summary.inputs, sent),
        down_bytes=sum(spec.n_bytes or 0 for spec in tail.outputs if spec.name in model_outputs),
        head_bytes=head.n_bytes,
        tail_bytes=tail.n_bytes,
        offers=offers,
    )


def _shapes(options: MeasuringOptions, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in (options.shapes or {}).items() if name in names}


def _difference(contract: SplitContract, folder: str, compare: Compare) -> tuple[float | None, str]:
    """Return how far the parts are from the whole, or None and why that is not known."""
    try:
        return max((one.relative for one in compare(contract, folder)), default=0.0), ""
    except MeasuringError as error:
        return None, error.message


def _options(options: MeasuringOptions, head: ModelSummary, folder: str) -> MeasuringOptions:
    """Return the options of the model for its head, with those samples that it takes."""
    inputs = options.inputs
    if inputs is not None:
        import numpy as np

        from placer.onnx_files.inputs import write_arrays

        wanted = {spec.name for spec in head.inputs}
        with np.load(inputs, allow_pickle=False) as given:
            if set(given.files) != wanted:
                inputs = str(Path(folder) / "inputs.npz")
                write_arrays(inputs, {name: given[name] for name in sorted(wanted)})
    return replace(
        options,
        eps=(EP,),
        shapes=_shapes(options, [spec.name for spec in head.inputs]),
        inputs=inputs,
        ep_options=(),  # of other execution providers
        io="host",
    )
