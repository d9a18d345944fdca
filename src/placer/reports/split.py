"""Reports of ``placer split``: where each node runs, what crosses, and how sure that is."""

from __future__ import annotations

import json
from typing import Any

from placer.core.partition.plan import Plan
from placer.core.partition.problem import Objective, Problem
from placer.core.printable import printable
from placer.core.units import format_bytes, format_duration

MAX_NAMES = 6
"""Of nodes or tensors in one line."""


def to_json(plan: Plan) -> str:
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
        "route": [list(hop) for hop in plan.route],
        "bound": plan.bound,
        "gap_ratio": plan.gap_ratio,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_text(problem: Problem, plan: Plan) -> str:
    """Return the same for people."""
    names = [printable(site.name) for site in problem.sites]
    used = plan.used_tiers
    lines = [_headline(names, plan)]
    lines.append(f"  {_figures(plan)}")
    lines.append(f"  {_proof(plan)}")
    width = max(map(len, names))
    lines.append("")
    for tier, name in enumerate(names):
        nodes = [node for node, at in plan.tiers if at == tier]
        shown = _listed(nodes) if nodes else "nothing"
        lines.append(f"{name:<{width}}  {len(nodes):>5} nodes: {shown}")
        if tier < len(names) - 1 and any(at > tier for at in used):
            up, down = format_bytes(plan.bytes_up[tier]), format_bytes(plan.bytes_down[tier])
            tensors = _listed(plan.cut[tier]) if plan.cut[tier] else "no tensor"
            lines.append(f"{'':<{width}}  up {up}: {tensors}; down {down}")
    return "\n".join(lines) + "\n"


def _headline(names: list[str], plan: Plan) -> str:
    used = plan.used_tiers
    if len(used) == 1:
        return f"do not split: all on {names[used[0]]}"
    return f"split: {', '.join(names[tier] for tier in used)}"


def _figures(plan: Plan) -> str:
    parts = [f"latency {format_duration(plan.latency_s)}"]
    if plan.usd is not None:
        parts.append(f"{plan.usd:.4g} USD")
    if plan.joules is not None:
        parts.append(f"{plan.joules:.4g} J on the device")
    if plan.objective is Objective.THROUGHPUT:
        parts.append(f"one request each {format_duration(plan.interval_s)}")
    return f"{', '.join(parts)} for one request"


def _proof(plan: Plan) -> str:
    what = {
        Objective.LATENCY: "quicker",
        Objective.MONEY: "cheaper",
        Objective.ENERGY: "thriftier",
        Objective.THROUGHPUT: "of a shorter interval",
    }[plan.objective]
    if plan.is_optimal:
        return f"no assignment is {what}: proven"
    return f"not proven: an assignment {100 * plan.gap_ratio:.2g} % {what} is not ruled out"


def _listed(names: list[str] | tuple[str, ...]) -> str:
    shown = [printable(name) for name in names[:MAX_NAMES]]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{', '.join(shown)}{more}"


def _whole(n_bytes: float) -> int | float:
    return int(n_bytes) if n_bytes.is_integer() else n_bytes
