"""What the data policy of a workload says about the tensors of a cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placer.core.finding import Effect
from placer.core.partition.problem import InfeasibleError
from placer.core.privacy import most_that_may_leave
from placer.core.workload import Leaves, Workload

if TYPE_CHECKING:
    from placer.core.finding import Finding
    from placer.core.graph import ModelSummary
    from placer.core.placement import CloudSite, Environment


ABOUT_WHAT_LEAVES = "PLC101"
"""The rule of privacy that asks what leaves; the others ask where it goes, whatever it is."""


def rules_against_raw(
    site: CloudSite, summary: ModelSummary, workload: Workload, environment: Environment
) -> tuple[str, ...]:
    """Return the rules of privacy that forbid the whole model on an offer: raw input stays."""
    found = privacy_findings(site, summary, workload, environment)
    return tuple(dict.fromkeys(one.rule for one in found if one.effect is Effect.VIOLATED))


def privacy_findings(
    site: CloudSite, summary: ModelSummary, workload: Workload, environment: Environment
) -> tuple[Finding, ...]:
    """Return what the rules of privacy say of the whole model on an offer."""
    from placer.core.evaluate import evaluate
    from placer.core.placement import Cloud
    from placer.core.workings import Workings

    candidate = evaluate(Cloud(site), summary, workload, environment, Workings(is_brief=True))
    return tuple(one for one in candidate.findings if one.rule.startswith("PLC1"))


def check_may_split(workload: Workload) -> None:
    """Refuse a workload that lets no tensor of the model leave the device.

    Raises
    ------
    InfeasibleError
        Nothing, or at most the output, may leave.
    """
    most = most_that_may_leave(workload)
    if most in (Leaves.NOTHING, Leaves.OUTPUT):
        raise InfeasibleError(
            f"a split sends intermediate data, and the workload says `data: may_leave: {most}`",
            hint="keep the whole model on the device, or allow more in the workload",
        )
