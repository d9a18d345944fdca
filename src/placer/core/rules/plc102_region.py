"""PLC102: raw input is processed outside the allowed regions."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.privacy import allowed_in, law_of
from placer.core.rules.rule import Case, Rule, finding
from placer.core.workload import DataClass, Leaves


def _check(case: Case) -> tuple[Finding, ...]:
    offer = case.offer
    if offer is None or case.leaves_device is Leaves.NOTHING:
        return ()
    allowed = case.workload.regions
    if not allowed:
        if case.workload.data_class in (DataClass.PERSONAL, DataClass.SPECIAL):
            return finding(
                "PLC102",
                case,
                f"{case.workload.data_class} data would be processed in "
                f"{offer.region or 'an unknown region'}, and no allowed region is stated",
                "state where it may be processed: --region EU",
                effect=Effect.UNPROVEN,
            )
        return ()
    where = f"{offer.provider} {offer.region or '(region unknown)'}"
    listed = ", ".join(allowed)
    match allowed_in(offer.region, offer.jurisdiction, allowed, offer.country):
        case True:
            return ()
        case False:
            return finding(
                "PLC102",
                case,
                f"{where} ({law_of(offer)}) is outside the allowed regions ({listed})",
                "choose an offer inside: `placer catalog list clouds`, or --cloud FILE for another",
                effect=Effect.VIOLATED,
            )
        case _:
            return finding(
                "PLC102",
                case,
                f"it is not known whether {where} lies in the allowed regions ({listed})",
                "state the jurisdiction in the cloud profile (offers: jurisdiction)",
                effect=Effect.UNPROVEN,
            )


RULE = Rule(
    id="PLC102",
    title="processed outside the allowed regions",
    severity=Severity.ERROR,
    what="Whether the region of a cloud placement is among those given by --region; for personal "
    "and special data, whether any region was given. The gate asks the same of a device whose site "
    "states its `jurisdiction` in `placer.yaml`.",
    why="Residency rules bind the place of processing, not the company that owns the machine.",
    example="placer recommend scan.onnx --region EU --cloud aws-g6.xlarge@us-east-1: violated.",
    fix="Choose an offer in an allowed region, or widen --region.",
    check=_check,
)
