"""Split by timings from a file."""

from __future__ import annotations

from dataclasses import dataclass

from placer.core.errors import UsageError
from placer.core.partition.optimal import optimal_plan, unsplit_plans
from placer.core.partition.plan import Plan
from placer.core.partition.problem import InfeasibleError, Problem
from placer.core.printable import printable
from placer.files.costs import read_costs


@dataclass(frozen=True, slots=True)
class Split:
    """A question and its answer."""

    problem: Problem
    plan: Plan
    latency_limit_s: float | None
    unsplit: tuple[Plan | None, ...]
    """For each tier, all on it that is free, over the limit as well; None: not possible."""


def split_costs(path: str) -> Split:
    """Return the best split of a file of costs.

    Raises
    ------
    InputError
        The file is missing or unreadable.
    UsageError
        It holds no costs.
    InfeasibleError
        No assignment keeps its constraints.
    """
    file = read_costs(path)
    try:
        plan = optimal_plan(
            file.problem, objective=file.objective, latency_limit_s=file.latency_limit_s
        )
        unsplit = unsplit_plans(file.problem, file.objective, latency_limit_s=file.latency_limit_s)
    except (InfeasibleError, UsageError) as error:
        raise type(error)(printable(f"{path}: {error.message}"), hint=error.hint) from error
    return Split(file.problem, plan, file.latency_limit_s, unsplit)
