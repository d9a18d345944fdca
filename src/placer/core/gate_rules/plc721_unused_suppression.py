"""PLC721: a suppression that silences nothing."""

from __future__ import annotations

from placer.core.errors import near_match
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import FilesCase, GateRule
from placer.core.suppressing import NEVER_SUPPRESSED, is_expired, may_be_needed, unjudged_paths


def _check(case: FilesCase) -> tuple[GateFinding, ...]:
    used = {one.suppressed for one in case.findings if one.suppressed is not None}
    unjudged = unjudged_paths(case.findings)
    found = []
    for one in case.suppressions:
        if one in used or is_expired(one, case.today):
            continue
        remedy = f"take {one.rule} out; the suppression too, where it names no other rule"
        if one.rule not in case.rules:
            message = f"{one.rule} is no rule{near_match(one.rule, case.rules)}: it ignores nothing"
            remedy = "write the rule that is meant (placer rules list), or take this one out"
        elif one.rule in NEVER_SUPPRESSED:
            message = f"{one.rule} cannot be ignored"
            remedy = f"take {one.rule} out of the suppression, and mend what the rule tells"
        elif one.rule in case.unasked or may_be_needed(one.rule, (one.place.path,), unjudged):
            continue
        else:
            message = f"nothing here breaks {one.rule}, which is ignored"
        found.append(
            GateFinding(
                rule="PLC721",
                severity=Severity.WARNING,
                outcome=Outcome.PASS,
                message=f"{message} ({one.reason})",
                remedy=remedy,
                place=one.place,
                deployed=None,
                subject=one.rule,
            )
        )
    return tuple(found)


RULE = GateRule(
    id="PLC721",
    title="suppression unused",
    severity=Severity.WARNING,
    what="Whether each suppression silences a finding, of a rule that there is and that may be "
    "silenced. One is not called unused where its rule could not judge (the site or the model is "
    "not resolved, evidence is missing or was changed, no model file is read), nor one of "
    "`placer.yaml` for files that were not all checked.",
    why="One that is left over silences the next fault at its place, unseen.",
    example="`# placer: ignore[PLC707] limit is set by the operator` above a container with a "
    "limit.",
    fix="Remove it.",
    check_files=_check,
)
