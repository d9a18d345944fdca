"""PLC102 of where a site stands, as the project says it: that binds a device as it does a cloud.

The rule itself is one of placements, and knows regions of clouds alone.
"""

from __future__ import annotations

from placer.core.deployment import Tier
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, found
from placer.core.privacy import allowed_in, law_of
from placer.core.project import DeclaredSite, SiteEntry


def region_findings(case: GateCase) -> tuple[GateFinding, ...]:
    """Return what PLC102 says of a site whose jurisdiction ``placer.yaml`` states."""
    if case.served is None or not isinstance(case.site, DeclaredSite):
        return ()
    entry, allowed = case.site.entry, case.served.workload.regions
    is_told = case.candidate is not None and any(
        one.rule == "PLC102" for one in case.candidate.findings
    )
    if entry.jurisdiction is None or is_told:
        return ()
    is_inside = allowed_in(None, entry.jurisdiction, allowed)
    if is_inside or (is_inside is None and entry.tier is Tier.CLOUD):  # its region says more
        return ()
    listed = ", ".join(allowed)
    widen = f"or name its country among `data: regions:` of {case.served.path}"
    if is_inside is None:
        message = (
            f"it is not known whether the site {entry.name} ({entry.jurisdiction}) stands in the "
            f"allowed regions ({listed})"
        )
        remedy = f"state its country in {case.project.path} (sites: jurisdiction), {widen}"
    else:
        message = (
            f"the site {entry.name} stands in {entry.jurisdiction}, outside the allowed regions "
            f"({listed})"
        )
        remedy = f"deploy to a site inside, {widen}"
    return found(
        "PLC102",
        case,
        message,
        remedy,
        outcome=Outcome.FAIL if is_inside is False else Outcome.INCONCLUSIVE,
        place=case.where,
        value=entry.jurisdiction,
        limit=listed,
    )


def stands_in(entry: SiteEntry, allowed: tuple[str, ...]) -> bool | None:
    """Tell whether a site stands in one of the allowed regions; None: not known.

    What the project states of it is judged beside the region of its offer, as PLC102 has it.
    """
    stated, offer = allowed_in(None, entry.jurisdiction, allowed), entry.offer
    if offer is None or stated is False:
        return stated
    return allowed_in(offer.region, offer.jurisdiction, allowed, offer.country)


def place_of(entry: SiteEntry) -> str | None:
    """Return where a site stands, for people: ``eu-north-1 (SE, EU)``; None: not known."""
    offer = entry.offer
    if offer is None or offer.jurisdiction is None:
        return entry.jurisdiction
    laws = [law_of(offer), *([entry.jurisdiction] if entry.jurisdiction else ())]
    law = ", ".join(dict.fromkeys(", ".join(laws).split(", ")))
    return f"{offer.region} ({law})" if offer.region else law
