"""PLC409: the parts of a split model do not answer as the whole does."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.split import PARTS_APART_RATIO
from placer.core.units import format_ratio


def _check(case: Case) -> tuple[Finding, ...]:
    if case.cut is None:
        return ()
    difference_ratio = case.cut.difference_ratio
    if difference_ratio is None:
        why = f": {case.cut.not_compared}" if case.cut.not_compared else ""
        return finding(
            "PLC409",
            case,
            f"the outputs of the parts were not compared with those of the whole model{why}",
            "give real samples that the model runs on: --inputs SAMPLES.npz",
            effect=Effect.UNPROVEN,
        )
    if difference_ratio <= PARTS_APART_RATIO:
        return ()
    return finding(
        "PLC409",
        case,
        "the outputs of the parts differ from those of the whole model by "
        f"{format_ratio(difference_ratio)} of the largest number, more than "
        f"{format_ratio(PARTS_APART_RATIO)}",
        "cut elsewhere: --cut TENSOR",
        effect=Effect.VIOLATED,
    )


RULE = Rule(
    id="PLC409",
    title="parts answer differently",
    severity=Severity.ERROR,
    what="Whether head and tail of a split, run one after the other as written to disk, give the "
    "outputs of the whole model on the same samples, to a thousandth of the largest number. Why no "
    "split is offered is told under this rule as well.",
    why="A runtime fuses other nodes in a part than in the whole. Rounding differs then; more than "
    "that is an error.",
    example="--cut auto: the tail takes a tensor in another layout than the head gives; the split "
    "is violated.",
    fix="Another cut, or the model as a whole.",
    check=_check,
)
