"""PLC408: too few answers are right."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.variant import Accuracy

_MEASURE = "give real samples and what they show, enough: --inputs SAMPLES.npz --labels LABELS.npy"


def _check(case: Case) -> tuple[Finding, ...]:
    wanted = case.workload.min_accuracy_ratio
    if wanted is None:
        return ()
    return tuple(
        found
        for name, accuracy in dict.fromkeys(case.accuracies)
        for found in _judged(case, name, accuracy, wanted)
    )


def _judged(case: Case, name: str, accuracy: Accuracy | None, wanted: float) -> tuple[Finding, ...]:
    if accuracy is None:
        message = f"it is not known how often {name} is right"
        return finding("PLC408", case, message, _MEASURE, effect=Effect.UNPROVEN)
    if accuracy.low_ratio >= wanted:
        return ()
    said = f"{name} is right in {_percent(accuracy.ratio)} of {accuracy.samples:,} samples"
    if accuracy.high_ratio < wanted:
        return finding(
            "PLC408",
            case,
            f"{said}, {_percent(wanted)} is asked",
            "another variant or model",
            effect=Effect.VIOLATED,
        )
    return finding(
        "PLC408",
        case,
        f"{said}: with 95 % confidence {_percent(accuracy.low_ratio)} to "
        f"{_percent(accuracy.high_ratio)}, {_percent(wanted)} is asked",
        _MEASURE,
        effect=Effect.UNPROVEN,
    )


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.4g} %"


RULE = Rule(
    id="PLC408",
    title="too few right answers",
    severity=Severity.ERROR,
    what="How often the model, a variant or a cascade of both gives what the labels of real "
    "samples say (`--labels`), against --min-accuracy with 95 % confidence; where either of two "
    "files may answer, each of them. Unproven without labels.",
    why="What a placement is worth is what its answers are worth.",
    example="--min-accuracy 97% and 450 of 500 samples are right: the variant is violated.",
    fix="A better variant, a cascade that passes on what it is not sure of, or a better model.",
    check=_check,
)
