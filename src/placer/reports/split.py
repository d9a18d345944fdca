"""Reports of ``placer split``: where each node runs, what crosses, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from placer.core.partition.plan import Plan
from placer.core.partition.problem import Objective, Problem, inputs_of
from placer.core.partition.solving import SAME
from placer.core.printable import printable
from placer.core.units import format_bytes, format_duration

MAX_NAMES = 6
"""Of nodes or tensors in one line."""


Unsplit = Sequence[Plan | None]


def to_json(plan: Plan, unsplit: Unsplit, *, latency_limit_s: float | None = None) -> str:
    """Return the answer; the keys are described in ``docs/splitting.md``."""
    document: dict[str, Any] = {
        "value_s": plan.latency_s,
        "assignment": dict(plan.tiers),
        "cut": [list(names) for names in plan.cut],
        "bytes": [_whole(one) for one in plan.bytes_up],
        "optimal": plan.is_optimal,
        "objective": plan.objective.value,
        "value_usd": plan.usd,
        "value_joules": plan.joules,
        "interval_s": plan.interval_s,
        "bytes_down": [_whole(one) for one in plan.bytes_down],
        "route": [list(hop) for hop in plan.hops],
        "bound": plan.bound,
        "gap_ratio": plan.gap_ratio,
        "unsplit": [
            None if one is None or _is_late(one, latency_limit_s) else one.value for one in unsplit
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_text(
    problem: Problem, plan: Plan, unsplit: Unsplit, *, latency_limit_s: float | None = None
) -> str:
    """Return the same for people."""
    names = [printable(site.name) for site in problem.sites]
    lines = [
        _headline(names, plan, unsplit),
        f"  {_figures(plan)}",
        f"  {_proof(plan, latency_limit_s)}",
        f"  {_instead(problem, plan, unsplit, latency_limit_s)}",
        "",
    ]
    ends = dict(plan.route)
    stops = {0, *ends.values()}
    width = max(map(len, names))
    for tier, name in enumerate(names):
        nodes = [node for node, at in plan.tiers if at == tier]
        if tier not in stops:
            lines.append(f"{name:<{width}}  passed by")
            continue
        count = f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}"
        lines.append(f"{name:<{width}}  {count}{': ' if nodes else ''}{_listed(nodes)}")
        if plan.used_tiers[-1] > tier:
            up, down = format_bytes(plan.bytes_up[tier]), format_bytes(plan.bytes_down[tier])
            tensors = f" ({_listed(plan.cut[tier])})" if plan.cut[tier] else ""
            way = f"{'':<{width}}  to {names[ends[tier]]}: {up}{tensors}"
            lines.append(f"{way}, back: {down}")
    return "\n".join(lines) + "\n"


def _headline(names: list[str], plan: Plan, unsplit: Unsplit) -> str:
    for name, one in zip(names, unsplit, strict=True):
        if one is not None and one.tiers == plan.tiers:
            return f"Do not split: all runs on {name}."
    return f"Split over {', '.join(names[tier] for tier in plan.used_tiers)}."


def _instead(problem: Problem, plan: Plan, unsplit: Unsplit, latency_limit_s: float | None) -> str:
    """Say what it would be to run all in one place."""
    shown = []
    for tier, (site, one) in enumerate(zip(problem.sites, unsplit, strict=True)):
        name = printable(site.name)
        if one is None:
            what = f"not possible{_why_not(problem, tier)}"
        elif _is_late(one, latency_limit_s):
            what = f"too slow ({format_duration(one.latency_s)})"
        else:
            what = _value(plan.objective, one.value)
        shown.append(f"all on {name}: {what}")
    return "; ".join(shown)


def _is_late(plan: Plan, latency_limit_s: float | None) -> bool:
    return latency_limit_s is not None and plan.latency_s > latency_limit_s * (1 + SAME)


def _why_not(problem: Problem, tier: int) -> str:
    """Say what keeps all from running on a tier; empty: several things together."""
    inputs = inputs_of(problem.graph)
    for tensor in problem.graph.tensors:
        last = tensor.keep_up_to_tier
        if last is None or last >= tier:
            continue
        if tensor.consumers or tensor.producer not in inputs:
            name, site = printable(tensor.name), printable(problem.sites[last].name)
            return f" ({name} may not pass {site})"
    for node in problem.graph.nodes:
        is_work = node.name not in inputs
        if node.time_s[tier] is None and is_work:
            return f" ({printable(node.name)} cannot run there)"
        if node.tier is not None and (node.tier > tier or (node.tier < tier and is_work)):
            site = printable(problem.sites[node.tier].name)
            return f" ({printable(node.name)} is pinned to {site})"
    return ""


def _value(objective: Objective, value: float) -> str:
    match objective:
        case Objective.MONEY:
            return f"{value:.4g} USD"
        case Objective.ENERGY:
            return f"{value:.4g} J"
        case _:
            return format_duration(value)


def _figures(plan: Plan) -> str:
    parts = [f"latency {format_duration(plan.latency_s)}"]
    if plan.usd is not None:
        parts.append(f"{plan.usd:.4g} USD")
    if plan.joules is not None:
        parts.append(f"{plan.joules:.4g} J on the device")
    if plan.objective is Objective.THROUGHPUT:
        parts.append(f"a request each {format_duration(plan.interval_s)}")
    return ", ".join(parts)


def _proof(plan: Plan, latency_limit_s: float | None) -> str:
    better = {
        Objective.LATENCY: "is quicker",
        Objective.MONEY: "is cheaper",
        Objective.ENERGY: "takes less energy",
        Objective.THROUGHPUT: "has a shorter interval",
    }[plan.objective]
    within = "" if latency_limit_s is None else f" within {format_duration(latency_limit_s)}"
    if plan.is_optimal:
        return f"proven: nothing{within} {better}"
    gap = f"{100 * plan.gap_ratio:.2g}" if plan.gap_ratio < 0.995 else "100"
    return f"not proven: the best{within} may be up to {gap} % better"


def _listed(names: list[str] | tuple[str, ...]) -> str:
    shown = [printable(name) for name in names[:MAX_NAMES]]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{', '.join(shown)}{more}"


def _whole(n_bytes: float) -> int | float:
    return int(n_bytes) if n_bytes.is_integer() else n_bytes
