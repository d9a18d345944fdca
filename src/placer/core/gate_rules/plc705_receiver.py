"""PLC705: data goes to a place outside the allowed regions."""

from __future__ import annotations

from collections.abc import Sequence

from placer.core.deployment import Egress
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.plc102_site import place_of, stands_in
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.globs import glob_of
from placer.core.privacy import JURISDICTIONS, TRANSPORT, allowed_in, most_that_may_leave
from placer.core.project import SiteEntry
from placer.core.receivers import Receiver, carried, contradiction, is_inside, receiver_of
from placer.core.workload import DataClass, Leaves


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    if case.served is None:
        return ()
    workload = case.served.workload
    data_class = workload.data_class
    if not workload.regions and (data_class is None or not TRANSPORT[data_class].needs_region):
        return ()
    return tuple(one for egress in case.deployed.egress for one in _judged(case, egress))


def _judged(case: GateCase, egress: Egress) -> tuple[GateFinding, ...]:
    assert case.served is not None
    allowed = case.served.workload.regions
    entry = receiver_of(egress, case.project)
    carries = carried(egress, entry)
    is_beside = egress.where is not None and egress.where.is_silent
    if is_inside(egress) or (is_beside and entry.jurisdiction is None):
        return ()
    site = _site_of(case, egress)
    is_allowed, law = _lies(site, entry, allowed)
    if carries == "answer":
        return _of_answers(case, egress, law) if is_allowed is False else ()
    # where PLC704 asks what messages hold, that they are answers is the answer to both
    may_leave = most_that_may_leave(case.served.workload)
    is_what_asked = carries == "messages" and may_leave not in (Leaves.NOTHING, Leaves.RAW_INPUT)
    but = contradiction(egress, entry, case.project.path)
    if not allowed:
        return found(
            "PLC705",
            case,
            f"{case.served.workload.data_class} data goes to {egress.to.value} "
            f"({law or 'where that lies is not known'}), and no allowed region is stated{but}",
            to_say(case.project.path, egress.to.value, "carries: answer", entry.disputed)
            if is_what_asked
            else f"state where it may be processed: `data: regions:` of {case.served.path}",
            outcome=Outcome.INCONCLUSIVE,
            place=egress.to.place,
            value=law,
            subject=egress.to.value,
        )
    match is_allowed:
        case True:
            return ()
        case False:
            return found(
                "PLC705",
                case,
                f"{egress.to.value} lies in {law}, outside the allowed regions "
                f"({', '.join(allowed)}){but}",
                "send it to a receiver inside, or widen `data: regions:` of the workload"
                + _overruled(case, site, entry),
                outcome=Outcome.FAIL,
                place=egress.to.place,
                value=law,
                limit=", ".join(allowed),
                subject=egress.to.value,
            )
        case _:
            return found(
                "PLC705",
                case,
                f"it is not known where {egress.to.value} lies; data may be processed in "
                f"{', '.join(allowed)} alone{but}",
                f"state the `jurisdiction` of the site {site.name} in {case.project.path}"
                if site is not None and not entry.disputed and not is_what_asked
                else to_say(
                    case.project.path,
                    egress.to.value,
                    "carries: answer" if is_what_asked else f"jurisdiction: {_law_of(allowed)}",
                    entry.disputed,
                ),
                outcome=Outcome.INCONCLUSIVE,
                place=egress.to.place,
                limit=", ".join(allowed),
                subject=egress.to.value,
            )


def _law_of(allowed: Sequence[str]) -> str:
    """Return the first of the allowed places that a receiver may be said to lie in."""
    return next((one for one in allowed if one.upper() in JURISDICTIONS), "PLACE").upper()


def _site_of(case: GateCase, egress: Egress) -> SiteEntry | None:
    """Return the site of a receiver that is part of what is deployed; None: not known, or none."""
    if egress.site is not None:
        return case.project.site_named(egress.site)
    return case.sites.get((case.deployed.place.path, egress.to.value))


def _lies(
    site: SiteEntry | None, entry: Receiver, allowed: tuple[str, ...]
) -> tuple[bool | None, str | None]:
    """Tell whether a receiver lies in the allowed regions (None: not known), and where that is.

    Where its site is known, an entry of ``egress`` takes it nowhere else: it counts where the site
    says nothing of its place, and where it says that the receiver lies outside.
    """
    stated = allowed_in(None, entry.jurisdiction, allowed), entry.jurisdiction
    if site is None:
        return stated
    is_allowed = stands_in(site, allowed)
    is_untold = is_allowed is None and place_of(site) is None
    if is_untold or (is_allowed and stated[0] is False):
        return stated
    return is_allowed, place_of(site) or entry.jurisdiction


def _overruled(case: GateCase, site: SiteEntry | None, entry: Receiver) -> str:
    """Return what a remedy adds where an entry of ``egress`` says otherwise than the site."""
    if site is None or entry.jurisdiction is None:
        return ""
    return (
        f"; it runs on the site {site.name}, and `egress` in {case.project.path} "
        f"({entry.jurisdiction}) takes it nowhere else"
    )


def _of_answers(case: GateCase, egress: Egress, law: str | None) -> tuple[GateFinding, ...]:
    """Warn of an answer that goes elsewhere: the regions bind raw input, and an answer may tell."""
    assert case.served is not None
    allowed, data_class = case.served.workload.regions, case.served.workload.data_class
    if data_class is DataClass.PUBLIC:
        return ()
    return found(
        "PLC705",
        case,
        f"answers go to {egress.to.value} in {law}, outside the allowed regions "
        f"({', '.join(allowed)}), which bind raw input alone",
        "send them to a receiver inside, or silence this with the reason why an answer tells "
        "nothing that must stay",
        outcome=Outcome.PASS,
        severity=Severity.WARNING,
        place=egress.to.place,
        value=law,
        limit=", ".join(allowed),
        subject=egress.to.value,
    )


def to_say(path: str, to: str, stated: str, disputed: tuple[str, ...]) -> str:
    """Return the remedy where the project does not say something of a receiver, or twice."""
    if disputed:
        return f"entries of `egress` in {path} differ in its {' and '.join(disputed)}: keep one"
    return f"say so in {path}: egress: [{{to: {glob_of(to)}, {stated}}}]"


RULE = GateRule(
    id="PLC705",
    title="data goes outside the allowed regions",
    severity=Severity.ERROR,
    what="Whether every receiver that a manifest names for requests or messages lies in "
    "`data: regions:` of the workload; for personal and special data, whether any region was "
    "given. Services of the same cluster are where the site is; a part of the same deployment on "
    "another site is where that is, whatever `egress` says. The regions bind raw input alone: "
    "an answer that goes to a receiver which is known to lie outside is a warning.",
    why="Residency binds the place of processing. A logger in another country processes too.",
    example="`logger: {url: https://logs.example.com}` and `regions: [EU]`: inconclusive until "
    "`egress` says where that is, violated where it says US.",
    fix="Choose a receiver inside, or state its jurisdiction under `egress` in `placer.yaml`.",
    check=_check,
)
