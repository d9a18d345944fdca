"""What the data policy of a workload says about the tensors of a cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placer.core.finding import Effect
from placer.core.partition.problem import InfeasibleError
from placer.core.workload import Leaves, Workload

if TYPE_CHECKING:
    from placer.core.graph import ModelSummary
    from placer.core.placement import CloudSite, Environment


def rules_against_raw(
    site: CloudSite, summary: ModelSummary, workload: Workload, environment: Environment
) -> tuple[str, ...]:
    """Return the rules of privacy that forbid the whole model on an offer: raw input stays."""
    from placer.core.evaluate import evaluate
    from placer.core.placement import Cloud
    from placer.core.workings import Workings

    candidate = evaluate(Cloud(site), summary, workload, environment, Workings(is_brief=True))
    return tuple(
        dict.fromkeys(
            found.rule
            for found in candidate.findings
            if found.rule.startswith("PLC1") and found.effect is Effect.VIOLATED
        )
    )


def check_may_split(workload: Workload) -> None:
    """Refuse a workload that lets no tensor of the model leave the device.

    Raises
    ------
    InfeasibleError
        Nothing, or at most the output, may leave.
    """
    most = workload.may_leave
    if most in (Leaves.NOTHING, Leaves.OUTPUT):
        raise InfeasibleError(
            f"a split sends intermediate data, and the workload says `data: may_leave: {most}`",
            hint="keep the whole model on the device, or allow more in the workload",
        )
