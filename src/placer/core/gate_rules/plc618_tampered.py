"""PLC618: a file is not the one that was locked."""

from __future__ import annotations

from placer.core.deployment import Tier
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.project import DeclaredSite


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    served = case.served
    found_here = [
        (record.path, record.sha256) for record in case.records if record.defect == "tampered"
    ]
    misbound = [record for record in case.records if record.defect == "bound"]
    network = None if served is None else served.network_record
    if network is not None and network.defect == "tampered" and uses_network(case):
        found_here.append((network.path, network.sha256))
    edited: tuple[GateFinding, ...] = ()
    if served is not None and served.lock_defect:
        is_other = served.is_of_other_placer
        edited = found(
            "PLC618",
            case,
            f"placer.lock states {served.lock_defect} otherwise than the file says"
            f"{', and was written by another version of placer' if is_other else ''}",
            "placer.lock is written by `placer lock`, never by hand: write it anew",
            outcome=Outcome.INCONCLUSIVE if is_other else Outcome.FAIL,
            place=case.model_place,
        )
    return (
        edited
        + tuple(
            one
            for record in misbound
            for one in found(
                "PLC618",
                case,
                f"{record.message}, to which placer.lock binds it",
                "placer.lock is written by `placer lock`, never by hand: write it anew",
                outcome=Outcome.FAIL,
                place=case.where,
                evidence=record.sha256,
            )
        )
        + tuple(
            one
            for path, sha256 in found_here
            for one in found(
                "PLC618",
                case,
                f"{path} has other bytes than placer.lock says ({sha256[:12]})",
                "restore the file from version control; if it was measured anew: placer lock",
                outcome=Outcome.FAIL,
                place=case.where,
                evidence=sha256,
            )
        )
    )


def uses_network(case: GateCase) -> bool:
    """Tell whether the declared placement needs the network."""
    return isinstance(case.site, DeclaredSite) and case.site.entry.tier is Tier.CLOUD


RULE = GateRule(
    id="PLC618",
    title="evidence tampered with",
    severity=Severity.ERROR,
    what="Whether the bytes of each evidence and network file are those that were locked, "
    "whether evidence is of the model, input shapes, site and execution provider to which the lock "
    "binds it, and whether the lock states of a model what its file says, where that is at hand "
    "(work of operators that another version of placer counted: inconclusive).",
    why="One edited number makes any placement pass.",
    example="A sample changed by hand: violated.",
    fix="Restore the file. Evidence is written by `placer profile --save`, never by hand.",
    check=_check,
)
