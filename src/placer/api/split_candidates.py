"""Ways to place a model on device and cloud: the solver's best, none at all, or a given cut."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from placer.api.split_where import Where
from placer.api.splitting import cut_at, node_tiers
from placer.core.cut_names import cut_name, cut_options
from placer.core.cut_ways import free_outputs, ways
from placer.core.cuts import crossing
from placer.core.errors import UsageError
from placer.core.groups import GroupGraph
from placer.core.partition.optimal import plans_in_order
from placer.core.partition.problem import InfeasibleError, Link
from placer.core.split_export import can_be_sent, wire_bytes
from placer.core.split_problem import link_over, problem_of, shared_out_s, without_input
from placer.core.split_ranking import Kind
from placer.core.wire_formats import Precision, formats_for
from placer.core.workload import Leaves

if TYPE_CHECKING:
    from placer.onnx_files.split_source import SplitSource
    from placer.onnx_files.taint import TaintedGraph

TIERS = ("device", "cloud")
MOST_SOLVES = 2_000
"""Least cuts for the best plans in one precision."""
TRIED_FOR_ONE = 4
"""Plans that are looked at for each that is listed: others are the same cut, a Flatten apart."""
SAME_TIME_RATIO = 1e-3
"""Of the latency: cuts with the same bytes that are no further apart are one place."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A way to place the nodes of a model."""

    kind: Kind
    tiers: Mapping[str, int]
    """Node -> 0 on the device, 1 on the cloud."""
    tensors: tuple[str, ...]
    """That cross, by name."""


def link_to(source: SplitSource, where: Where) -> Link:
    """Return the path as the solver takes it."""
    sizes = [tensor.n_bytes for tensor in source.graph.tensors]
    sizes += [spec.n_bytes or 0 for spec in source.summary.inputs]
    down = sum(spec.n_bytes or 0 for spec in source.summary.outputs)
    return link_over(where.path, max_bytes=sum(sizes), down_bytes=down)


def named_cut(
    source: SplitSource,
    names: Sequence[str],
    *,
    kept: Collection[str] = (),
    outputs_here: Collection[str] | None = None,
) -> dict[str, int]:
    """Return node -> tier of the cut at these tensors.

    Parameters
    ----------
    kept
        Tensors that may not leave the device, for the remedy of an incomplete cut.
    outputs_here
        Of the outputs that either side may make, those of the device; None: the fewest.

    Raises
    ------
    UsageError
        They are no cut, nothing would run on the device, or a tensor cannot be sent.
    """
    specs = source.specs
    for name in names:
        if name in specs and not can_be_sent(specs[name].dtype):
            raise UsageError(
                f"--cut {name}: a tensor of type {specs[name].dtype} cannot be sent",
                hint="cut at another tensor",
            )
    cut_at(source, [names], kept=kept)
    found = _with_head(source, names)
    if outputs_here is None:
        return found[0]
    for one in found:
        if set(movable_outputs(source, one)[0]) == set(outputs_here):
            return one
    raise UsageError(
        f"no cut at {cut_name(names)} has just {cut_name(outputs_here) or 'no output'} made by "
        "the device",
        hint="take the cut from `placer split` or `placer recommend --cut` as it is written there",
    )


def movable_outputs(
    source: SplitSource, tiers: Mapping[str, int]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the outputs that the head makes and the tail might, and the other way round."""
    graph = source.graph
    free = free_outputs(graph, [one.name for one in crossing(graph, tiers, 2)[0]])
    makers = {one.name: one.producer for one in graph.tensors}
    here = tuple(name for name in free if tiers[makers[name] or ""] == 0)
    return here, tuple(name for name in free if name not in here)


def _with_head(source: SplitSource, names: Sequence[str]) -> list[dict[str, int]]:
    """Return node -> tier of the ways to cut at tensors in which the device has something to do.

    Raises
    ------
    UsageError
        There is none.
    """
    found = [one for one in ways(source.graph, sorted(set(names))) if 0 in one.values()]
    if not found:
        raise UsageError(
            f"nothing would run on the device with the cut at {cut_name(names)}",
            hint="cut at a tensor behind it, or serve the whole model",
        )
    return [node_tiers(source.graph, tiers) for tiers in found]


def given_cuts(
    source: SplitSource, names: Sequence[str], taint: TaintedGraph, *, is_raw_kept: bool
) -> list[Cut]:
    """Return the ways to cut at these tensors: outputs may be made on either side.

    The one with most behind the cut stands first.

    Raises
    ------
    UsageError
        They are no cut, nothing would run on the device, or a tensor cannot be sent.
    InfeasibleError
        Raw input would leave, and may not.
    """
    known = [one.name for one in source.graph.tensors if one.name in taint.tensors]
    kept = {name for name in known if is_raw_kept and taint.taint(name).is_raw}
    named_cut(source, names, kept=kept)  # refuses what is none
    raw = taint.raw_among(names) if is_raw_kept else ()
    if raw:
        which, why = raw[0]
        raise InfeasibleError(
            f"{cut_options(which)}: raw input would leave the device ({why.text}), and it must "
            "stay",
            hint="cut at a later tensor, or leave out --cut",
        )
    tensors = tuple(sorted(set(names)))
    return [Cut(Kind.SPLIT, tiers, tensors) for tiers in _with_head(source, tensors)]


def unsplit_cuts(source: SplitSource, *, is_raw_kept: bool) -> list[Cut]:
    """Return all on the device, and all on the cloud where raw input may go there."""
    nodes = [node for group in source.graph.groups for node in group.nodes]
    found = [Cut(Kind.EDGE, dict.fromkeys(nodes, 0), ())]
    if not is_raw_kept:
        # a server of the whole model takes those too that nothing in it uses
        names = tuple(sorted(spec.name for spec in source.summary.inputs))
        found.append(Cut(Kind.CLOUD, dict.fromkeys(nodes, 1), names))
    return found


def best_cuts(
    graph: GroupGraph,
    where: Where,
    link: Link,
    taint: TaintedGraph,
    *,
    precisions: Sequence[Precision | None],
    is_raw_kept: bool,
    top: int,
) -> list[Cut]:
    """Return the splits of the best plans by the times of groups, for each precision the first.

    Of several at one place, with the same bytes and times, the best alone.

    Parameters
    ----------
    precisions
        In which tensors may travel; None: as they are.
    """
    names = [tensor.name for tensor in graph.tensors]
    kept = {tensor.name for tensor in graph.tensors if not can_be_sent(tensor.dtype)}
    if is_raw_kept:
        kept |= {name for name in names if taint.taint(name).is_raw}
    together = sum(len(one) > 1 for one, _ in taint.raw_among(names)) if is_raw_kept else 0
    assert where.whole_s is not None  # without a given cut it is required
    here = {group.name: group.time_s for group in graph.groups}
    there = shared_out_s(graph, where.whole_s)
    listed: list[_Listed] = []
    in_each = [narrowed(graph, precision) for precision in precisions]
    sizes = [{tensor.name: tensor.n_bytes for tensor in one.tensors} for one in in_each]
    for narrow in in_each:
        problem = problem_of(narrow, TIERS, (here, there), [link], kept=kept)
        # besides those not split at all, and those whose tensors only together are raw
        more = 2 + together
        covered: set[int] = set()  # of those listed
        plans = plans_in_order(problem, max_solves=MOST_SOLVES)
        for plan in itertools.islice(plans, TRIED_FOR_ONE * top + more):
            tiers = without_input(dict(plan.tiers))
            sent = tuple(sorted(plan.cut[0]))
            if len(set(tiers.values())) < 2 or not sent:
                continue
            if is_raw_kept and taint.raw_among(sent):  # parts that together are raw
                continue
            one = _Listed(
                Cut(Kind.SPLIT, node_tiers(graph, tiers), sent),
                (*(sum(known[name] for name in sent) for known in sizes), _down(graph, tiers)),
                sum((there if tiers[name] else here)[name] or 0.0 for name in tiers),
            )
            same = (at for at, other in enumerate(listed) if _is_same(one, other, plan.latency_s))
            place = next(same, len(listed))
            if place == len(listed):
                listed.append(one)
            covered.add(place)
            if len(covered) == top:
                break
    return [one.cut for one in listed]


@dataclass(frozen=True, slots=True)
class _Listed:
    """A split with what makes it another than those listed before."""

    cut: Cut
    n_bytes: tuple[int, ...]
    """In each precision, and back."""
    compute_s: float


def _down(graph: GroupGraph, tiers: Mapping[str, int]) -> int:
    made = (one for one in graph.tensors if one.name in graph.outputs and one.producer is not None)
    return sum(one.n_bytes for one in made if tiers[one.producer or ""] == 1)


def _is_same(one: _Listed, other: _Listed, latency_s: float) -> bool:
    """Tell whether nothing that takes time lies between two cuts: a Flatten, a Reshape."""
    apart_s = abs(one.compute_s - other.compute_s)
    return one.n_bytes == other.n_bytes and apart_s <= SAME_TIME_RATIO * latency_s


def narrowed(graph: GroupGraph, precision: Precision | None) -> GroupGraph:
    """Return the graph with the bytes that its tensors have on the wire."""
    return replace(
        graph,
        tensors=tuple(
            replace(one, n_bytes=wire_bytes(one.n_bytes, one.dtype, precision))
            for one in graph.tensors
        ),
    )


def leaves_of(cut: Cut, taint: TaintedGraph) -> tuple[Leaves, str]:
    """Return what leaves the device, and how a raw tensor comes from the input."""
    if cut.kind is Kind.EDGE:
        return Leaves.NOTHING, ""
    raw = taint.raw_among(cut.tensors)
    return (Leaves.RAW_INPUT, raw[0][1].text) if raw else (Leaves.INTERMEDIATE, "")


def raw_inputs_of(cut: Cut, taint: TaintedGraph) -> dict[str, str]:
    """Return the inputs of which a cut holds raw numbers, with the way that they come to it."""
    raw = taint.raw_among(cut.tensors)
    return {why.chain[0]: why.text for _, why in reversed(raw)}


def sought(
    precision: Precision | None, max_error_ratio: float | None
) -> tuple[Precision | None, ...]:
    """Return the precisions in which plans are worth looking for; None: tensors as they are.

    Parameters
    ----------
    precision
        That is asked for; None: what the limit allows.
    max_error_ratio
        None: no tensor may change.
    """
    if precision is not None:
        return (precision,)
    if max_error_ratio is None:
        return (None,)
    return (None, Precision.FLOAT16, Precision.INT8)


def exact_precision(dtypes: Collection[str]) -> Precision:
    """Return the precision that changes none of these tensors."""
    return formats_for(tuple(dtypes))[0].precision


def offered(dtypes: Collection[str]) -> tuple[Precision, ...]:
    """Return every precision that differs for these tensors, the exact one first."""
    found = formats_for(tuple(dtypes))
    return tuple(one.precision for one in found if not one.is_compressed)


def sent_dtypes(source: SplitSource, cut: Cut) -> tuple[str, ...]:
    """Return the types of the tensors that cross."""
    if cut.kind is Kind.CLOUD:
        return tuple(source.specs[name].dtype for name in cut.tensors)
    return tuple(tensor.dtype for tensor in crossing(source.graph, cut.tiers, 2)[0])
