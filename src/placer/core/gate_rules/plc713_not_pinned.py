"""PLC713: the manifest does not pin the model."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.project import Unresolved


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    deployed = case.deployed
    if isinstance(case.workload, Unresolved):
        return ()
    loose_images = [
        image
        for image in deployed.images
        if "@sha256:" not in image.value and image.value not in deployed.pinned
    ]
    loose = [model for model in deployed.models if model.sha256 is None]
    if deployed.images and not loose_images:  # a path in an image lies in it
        loose = [one for one in loose if one.is_mounted or "://" in one.uri.value]
    names = [model.uri for model in loose]
    if not deployed.models:
        names = [one for one in loose_images if case.workload.uri in (None, one)]
    stated = case.workload.sha256 is not None
    if not names or stated:
        return ()
    return found(
        "PLC713",
        case,
        f"{names[0].value} can change its bytes without a change of the manifest",
        f"pin it by digest (@sha256:...), or state `sha256:` of it, or its `file:`, in "
        f"{case.project.path} under models",
        outcome=Outcome.PASS,
        severity=Severity.WARNING,
        place=names[0].place,
        subject=names[0].value,
    )


RULE = GateRule(
    id="PLC713",
    title="model not pinned",
    severity=Severity.WARNING,
    what="Whether a manifest, or `placer.yaml`, names the model by its digest.",
    why="A tag or a path holds another model tomorrow, and evidence of yesterday's says nothing "
    "of it.",
    example="`image: registry.example/defect:latest`: a warning; `...@sha256:...`: none.",
    fix="Pin by digest in the manifest, or say under `models` in `placer.yaml` what lies there: "
    "`sha256:` its digest, or `file:` a file whose digest `placer lock` writes down.",
    check=_check,
)
