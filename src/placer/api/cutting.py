"""Splits for a recommendation: which cuts are worth judging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from placer.api.cut_plan import AUTO, EP, Cutting, typical_s
from placer.api.measuring import DEFAULT_TIME_LIMIT_S, MeasuringOptions, Say
from placer.core.errors import InputError, MeasuringError, PlacerError, UsageError
from placer.core.finding import Effect, Finding, Severity
from placer.core.graph import ModelSummary
from placer.core.runtime import parse_ep
from placer.core.units import format_ratio
from placer.core.workload import Objective, Workload

if TYPE_CHECKING:
    from placer.api.splitting import MeasuredGraph
    from placer.core.environment import NetworkPath
    from placer.core.groups import GroupGraph
    from placer.core.partition.problem import Objective as Solved
    from placer.core.partition.problem import Problem
    from placer.core.placement import CloudSite, Environment
    from placer.core.wire_formats import Precision
    from placer.onnx_files.split_source import SplitSource
    from placer.onnx_files.taint import TaintedGraph

MAX_PROFILE_S = 10.0
"""Longest time for the groups: a share of the time limit for one execution provider."""
_KEYS = {"round-trip time": "rtt"}
Tiers = tuple[tuple[str, int], ...]
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

    cuts: dict[Tiers, set[tuple[str, Precision | None]]] = field(default_factory=dict)
    """To (cloud candidate, precision in which what crosses might be sent)."""
    findings: list[Finding] = field(default_factory=list)
    tables: list[tuple[float, str, Problem]] = field(default_factory=list)
    """Time of the whole model in a cloud, its candidate, the question of its crossovers."""
    least: set[str] = field(default_factory=set)
    """Cloud candidates toward which a cut takes least money or energy, not time."""


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
    from placer.api.cut_heads import written_heads
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
    heads = written_heads(question, found.cuts, source, measured, taint, folder, progress)
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
        and quickest[1] not in found.least,
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
    # of tensors that are raw only together one stays: none that can be cut at alone
    together = taint.raw_among(known, spared=measured.points)
    raw = frozenset(names[0] for names, _ in together)
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
            cuts, table, is_least = _toward(
                question, site, whole_s, source, measured, kept, named, precisions
            )
        except UsageError as error:  # of the path
            if named is not None:
                raise
            found.findings.append(_told(error.message, error.hint or ""))
            continue
        if is_least:
            found.least.add(offer_id)
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
            hint="run placer on that device, without --device and `device:` in the workload, or "
            "with a device file that says `here: true`: only its `price:` and `power:` give splits "
            "a cost and an energy",
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

    For each precision in which tensors might be sent (None: as they are) the quickest, and before
    it what takes least where money or energy decides. The last is whether there is such a one.
    """
    from placer.api.split_candidates import narrowed
    from placer.api.splitting import node_tiers
    from placer.core.energy import power_of
    from placer.core.split_choice import (
        least_split,
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
    least_in = _least_in(workload, limit_s)
    found: list[tuple[Precision | None, dict[str, int]]] = []
    is_least = False
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
            power=power_of(question.environment.device),
        )
        if precision is None and rated is not None:
            table = replace(problem, links=(rated,))
        least = None if least_in is None else least_split(problem, least_in, limit_s)
        is_least = is_least or least is not None
        # of both the costs are judged, as far as they are known
        for tiers in (least, quickest_split(problem)):
            if tiers is not None:
                cut = (precision, node_tiers(measured.graph, tiers))
                found += [] if cut in found else [cut]
    return found, table, is_least


def _least_in(workload: Workload, limit_s: float | None) -> Solved | None:
    """Return what else than time decides between cuts; None: nothing."""
    from placer.core.partition.problem import Objective as Solved

    match workload.objective:
        case Objective.COST if limit_s is not None:
            return Solved.MONEY
        case Objective.ENERGY:
            return Solved.ENERGY
        case _:
            return None
