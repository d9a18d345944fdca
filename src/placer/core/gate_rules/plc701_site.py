"""PLC701: nobody knows where a manifest puts the model."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import Excerpt, GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.project import Unresolved
from placer.core.sites import place_of_site, words_of_place


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    if not isinstance(case.site, Unresolved):
        return ()
    cause = next((one for one in case.defects if one.kind in _OF_THE_PLACE), None)
    return found(
        "PLC701",
        case,
        case.site.reason,
        case.site.remedy if cause is None else f"first mend {cause.place}: {cause.remedy}",
        outcome=Outcome.INCONCLUSIVE,
        place=case.site.place or place_of_site(case.deployed),
        value=", ".join(words_of_place(case.deployed)),
        related=() if cause is None else (Excerpt(cause.place, cause.message),),
    )


_OF_THE_PLACE = ("unknown_place_key", "ignored_level", "duplicate_key")


RULE = GateRule(
    id="PLC701",
    title="site not resolved",
    severity=Severity.WARNING,
    what="Whether the words of a manifest (labels, node, group, instance type, platform) lead to "
    "one site of `placer.yaml`.",
    why="A guess would pass what nobody checked: most manifests name a node, not a kind of device, "
    "and a label says nothing of the machine behind it.",
    example="`nodeName: line-3` and no `match: [{node: 'line-*'}]` under `sites`: inconclusive.",
    fix="Say in `placer.yaml` which site the words mean, or say more in the manifest.",
    check=_check,
)
