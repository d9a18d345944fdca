"""PLC406: a variant does not answer as the model does."""

from __future__ import annotations

from placer.core.cascade import Rate
from placer.core.finding import Effect, Finding, Severity
from placer.core.precision import Precision
from placer.core.rules.rule import Case, Rule, finding
from placer.core.variant import Agreement, Variant

_MEASURE = "give real samples, enough of them: --inputs SAMPLES.npz"


def _check(case: Case) -> tuple[Finding, ...]:
    return tuple(found for variant in case.variants for found in _judged(case, variant))


def _judged(case: Case, variant: Variant) -> tuple[Finding, ...]:
    agreement: Agreement | Rate | None
    wanted, agreement = case.workload.min_agreement_ratio, variant.agreement
    subject = variant.name
    if case.cascade is not None:
        agreement = case.cascade.agreement
        subject = f"the cascade of {variant.name} and the model"
    if wanted is None and case.workload.min_accuracy_ratio is not None:
        return ()  # how often answers must be right is stated instead: PLC408
    if agreement is None:
        return finding(
            "PLC406",
            case,
            f"it is not known how often {variant.name} answers as the model does",
            _MEASURE,
            effect=Effect.UNPROVEN,
        )
    said = (
        f"{subject} answers as the model does in {_percent(agreement.ratio)} of "
        f"{agreement.samples:,} samples"
    )
    if wanted is None:
        return finding(
            "PLC406",
            case,
            f"{said}; how often is enough nobody stated",
            "state it: --min-agreement 99%, or `model: min_agreement:` in the workload",
            effect=Effect.UNPROVEN,
        )
    held = {one.ep for one in case.measurements if one.parity is not None}
    others = [ep for ep in case.eps if ep != "cpu" and ep not in held]
    if variant.made is not None and variant.made.precision is Precision.FP16 and others:
        return finding(
            "PLC406",
            case,
            f"{said} on the CPU, which computes float16 in float32; on {', '.join(others)} it "
            "was not compared",
            f"measure it there: placer profile {variant.path} --inputs SAMPLES.npz --save FILE",
            effect=Effect.UNPROVEN,
        )
    if agreement.low_ratio >= wanted:
        return ()
    if agreement.high_ratio < wanted:
        return finding(
            "PLC406",
            case,
            f"{said}, {_percent(wanted)} is asked",
            "another variant, or the model itself",
            effect=Effect.VIOLATED,
        )
    return finding(
        "PLC406",
        case,
        f"{said}: with 95 % confidence {_percent(agreement.low_ratio)} to "
        f"{_percent(agreement.high_ratio)}, {_percent(wanted)} is asked",
        _MEASURE,
        effect=Effect.UNPROVEN,
    )


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.4g} %"


RULE = Rule(
    id="PLC406",
    title="variant answers differently",
    severity=Severity.ERROR,
    what="How often a variant of the model (`--variant`) gives the answer of the model, on the "
    "same real samples, against --min-agreement with 95 % confidence; unproven without either. Of "
    "a cascade the answers of both together count. A variant that `--variants` could not make, and "
    "why there is no cascade, is told under this rule as well.",
    why="A quantised model is fast, small, and sometimes wrong where the original is right.",
    example="--min-agreement 99% and 290 of 300 samples agree: the variant is violated.",
    fix="A better quantisation (calibrated, per channel), or the model itself.",
    check=_check,
)
