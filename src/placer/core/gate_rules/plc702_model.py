"""PLC702: nobody knows which model a manifest deploys."""

from __future__ import annotations

import hashlib

from placer.core.deployment import Deployed, ModelRef
from placer.core.finding import Severity
from placer.core.gate import Excerpt, GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.project import Unresolved

_DIGITS = 12
"""Hex digits of a digest: enough to tell two commands apart."""


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    if not isinstance(case.workload, Unresolved):
        return ()
    cause = next((one for one in case.defects if one.kind == "unknown_model_key"), None)
    return found(
        "PLC702",
        case,
        case.workload.reason,
        case.workload.remedy if cause is None else f"first mend {cause.place}: {cause.remedy}",
        outcome=Outcome.INCONCLUSIVE,
        place=case.workload.place or case.model_place,
        related=() if cause is None else (Excerpt(cause.place, cause.message),),
        subject=_subject(case.deployed),
    )


def _subject(deployed: Deployed) -> str:
    """Return what the manifest says of the model: of other words it is another unknown one."""
    said = [_name(one) for one in deployed.models] or [one.value for one in deployed.images]
    annotated = (one.value for one in deployed.annotations)
    return ", ".join([*said, *(value for key, value in annotated if key == "placer/workload")])


def _name(model: ModelRef) -> str:
    """Return the model's name, with a digest of what decides it where the name does not say it."""
    rest = "\0".join((model.sha256 or "", model.hidden, model.told)).strip("\0")
    digest = hashlib.sha256(rest.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{model.uri.value}#{digest[:_DIGITS]}" if rest else model.uri.value


RULE = GateRule(
    id="PLC702",
    title="model not resolved",
    severity=Severity.WARNING,
    what="Whether what a manifest names (a URI, an image, an object) leads to one workload of "
    "`placer.yaml`.",
    why="Manifests name models by where they lie. Without the bytes nothing that was measured can "
    "be held against them.",
    example="`storageUri: s3://models/defect` and no entry under `models`: inconclusive.",
    fix="Add the URI to `models` in `placer.yaml`, choose the deployment under `deployments`, or "
    "annotate it with `placer/workload: NAME`.",
    check=_check,
)
