"""PLC613: the site runs another runtime than was measured."""

from __future__ import annotations

import re

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.project import Unresolved


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    record = case.chosen
    if record is None or record.measurement is None or isinstance(case.site, Unresolved):
        return ()
    measured = record.measurement.runtime
    place, source, stated = case.where, case.project.path, case.site.entry.runtime
    if stated is None:
        for image in case.deployed.images:
            version = re.search(r"onnxruntime(?:/server|[^:@/]*):v?(\d+\.\d+)", image.value)
            if version is not None:
                stated, place, source = f"onnxruntime {version.group(1)}", image.place, image.value
                break
    if stated is None or minor_version(stated) == minor_version(measured):
        return ()
    return found(
        "PLC613",
        case,
        f"{source} says {stated}, the evidence is of {measured}",
        f"put {stated} there ({_install(stated, record.ep)}), then {case.measure}",
        outcome=Outcome.INCONCLUSIVE,
        place=place,
        value=stated,
        limit=measured,
        evidence=record.sha256,
    )


def minor_version(runtime: str) -> tuple[str, ...]:
    """Return name, major and minor version of a runtime as ``onnxruntime 1.24.1``."""
    name, _, version = runtime.strip().lower().partition(" ")
    return (name, *version.lstrip("v").split(".")[:2])


def _install(runtime: str, ep: str) -> str:
    """Say how the minor version of a runtime with an execution provider gets there."""
    name, *version = minor_version(runtime)
    package = _PACKAGES.get((name, ep))
    if package is None:
        return f"a build with {ep}"
    return f"pip install '{package}=={'.'.join(version)}.*'"


_PACKAGES = {
    ("onnxruntime", "cpu"): "onnxruntime",
    ("onnxruntime", "cuda"): "onnxruntime-gpu",
    ("onnxruntime", "tensorrt"): "onnxruntime-gpu",
    ("onnxruntime", "dml"): "onnxruntime-directml",
    ("litert", "cpu"): "ai-edge-litert",
}
"""Of PyPI, where the version of the package is that of the runtime."""

RULE = GateRule(
    id="PLC613",
    title="runtime differs from the measured one",
    severity=Severity.WARNING,
    what="Whether the runtime of the site (`runtime:` in `placer.yaml`, else the tag of an "
    "onnxruntime image) has the minor version that was measured.",
    why="Releases of a runtime change kernels and fusions; times moved by a fifth and more.",
    example="`runtime: onnxruntime 1.26` and evidence of 1.24.1: inconclusive.",
    fix="Measure with the runtime that the site has.",
    check=_check,
)
