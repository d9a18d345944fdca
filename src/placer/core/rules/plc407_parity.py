"""PLC407: an execution provider does not give what the CPU gives."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.measurement import Measurement, Parity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.runtime import usual_precision
from placer.core.variant import agreement_bounds, samples_that_prove

GROSS_RATIO = 0.1
"""No arithmetic of 8 bits and more differs so much of the largest output: it is another answer."""


def _check(case: Case) -> tuple[Finding, ...]:
    return tuple(found for one in case.measurements for found in _judged(case, one))


def _judged(case: Case, measurement: Measurement) -> tuple[Finding, ...]:
    ep, parity, wanted = measurement.ep, measurement.parity, case.workload.min_agreement_ratio
    is_real = measurement.input_source.startswith("samples:")
    if ep == "cpu":
        return ()
    # text has no difference: there the answers tell
    is_text_other = parity is not None and not parity.max_difference and parity.agreement_ratio < 1
    if parity is not None and parity.is_float32 and not is_text_other:
        return ()
    if parity is None:
        return finding(
            "PLC407",
            case,
            f"the outputs of {ep} were not held against the CPU's",
            f"measure again with more time: --ep {ep} --fresh --time-limit 120s",
            effect=Effect.NONE if wanted is None else Effect.UNPROVEN,
            severity=Severity.WARNING,
        )
    said = (
        f"{ep} does not compute as the CPU does{_usual(ep)}: its outputs differ from the "
        f"CPU's by up to {parity.relative_difference:.2g} of the largest, "
        f"{100 * parity.agreement_ratio:.4g} % of the answers to {_counted(parity, is_real)} are "
        "the same"
    )
    remedy = "turn the reduced precision off with --ep-option, or state what is enough: " + (
        "--min-agreement 99% --inputs SAMPLES.npz" if wanted is None else "--inputs SAMPLES.npz"
    )
    effect = Effect.NONE
    if wanted is not None and is_real:
        low, high = agreement_bounds(parity.agreement_ratio, parity.samples)
        said += f"; {100 * wanted:.4g} % is asked"
        if high < wanted:
            effect = Effect.VIOLATED
        elif low < wanted:
            effect = Effect.UNPROVEN
            needed = samples_that_prove(parity.agreement_ratio, wanted)
            remedy = (
                "turn the reduced precision off with --ep-option, or ask for another share: "
                "--min-agreement; more samples would not settle it"
                if needed is None
                else f"about {needed:,} real samples: --inputs SAMPLES.npz"
            )
    elif wanted is not None or parity.relative_difference > GROSS_RATIO:
        effect = Effect.UNPROVEN
    severity = None if effect is Effect.VIOLATED else Severity.WARNING
    return finding("PLC407", case, said, remedy, effect=effect, severity=severity)


def _usual(ep: str) -> str:
    precision = usual_precision(ep)
    return "" if precision is None else f" (usual there: {precision})"


def _counted(parity: Parity, is_real: bool) -> str:
    kind = "real" if is_real else "generated"
    return f"{parity.samples:,} {kind} sample{'' if parity.samples == 1 else 's'}"


RULE = Rule(
    id="PLC407",
    title="execution provider answers differently",
    severity=Severity.ERROR,
    what="Whether the outputs of an execution provider are those of the CPU at float32, on the "
    "inputs that it was timed on; where they are not, how often the answers are the same, against "
    "--min-agreement with 95 % confidence on real samples. Unproven without real samples where "
    "--min-agreement is stated, or where more than a tenth of the largest output is off.",
    why="Many execution providers compute in float16, bfloat16 or TF32 unasked: the time is not "
    "that of the float32 model, and neither are the answers.",
    example="openvino:gpu differs by 3e-3 of the largest output: it computes in float16.",
    fix="The execution provider's option for full precision, or enough real samples that agree.",
    check=_check,
)
