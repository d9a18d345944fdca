"""Silencing findings: by comments and annotations of a manifest, and by entries of the project."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from placer.core.deployment import Suppression
from placer.core.gate import GateFinding
from placer.core.globs import globbed
from placer.core.project import Project, SuppressionEntry

NEVER_SUPPRESSED = frozenset({"PLC618", "PLC711", "PLC721", "PLC722"})
"""What somebody edited by hand, and what is wrong with suppressions."""
UNJUDGED = frozenset(
    {"PLC611", "PLC612", "PLC617", "PLC618", "PLC620", "PLC701", "PLC702", "PLC712"}
)
"""Where one of them speaks, other rules could not judge: a suppression of those may be needed."""
_OF_FILES = frozenset({"PLC709", "PLC710", "PLC711"})
"""What is judged all the same."""

_ITEM = re.compile(r"(?:/(?:items|objects)/[0-9]+)*")
"""The object within a list of objects, or within a template of OpenShift."""


def is_reason(text: str) -> bool:
    """Tell whether a text says anything: a dash or a dot does not."""
    return any(map(str.isalnum, text))


def is_expired(suppression: Suppression, today: date) -> bool:
    """Tell whether the last day of a suppression has passed."""
    return suppression.until is not None and today > date.fromisoformat(suppression.until)


def suppress(
    findings: Sequence[GateFinding],
    suppressions: Sequence[Suppression],
    project: Project,
    paths: Mapping[str, str],
    today: date,
) -> tuple[GateFinding, ...]:
    """Return the findings, each with the suppression that silences it, if any does.

    Parameters
    ----------
    suppressions
        Of the manifests; those of the project are added here.
    paths
        Path of a manifest as typed -> relative to the folder of the project.
    """
    valid: dict[tuple[str, str], list[Suppression]] = {}
    for one in suppressions:
        if not is_expired(one, today):
            valid.setdefault((one.rule, one.place.path), []).append(one)
    entries = [one for one in project.suppressions if not is_expired(one.suppression, today)]

    def silencer(found: GateFinding) -> Suppression | None:
        if found.rule in NEVER_SUPPRESSED:
            return None
        for one in valid.get((found.rule, found.place.path), ()):
            if _covers(one, found):
                return one
        for entry in entries:
            if entry.rule == found.rule and _is_in(entry, found, paths):
                return entry.suppression
        return None

    return tuple(replace(found, suppressed=silencer(found)) for found in findings)


def unjudged_paths(findings: Iterable[GateFinding]) -> frozenset[str]:
    """Return the files in which some rules could not judge."""
    return frozenset(path for path, _ in unjudged(findings))


def unjudged(findings: Iterable[GateFinding]) -> frozenset[tuple[str, str | None]]:
    """Return path and id of each deployment that some rules could not judge; None: of the file."""
    return frozenset(
        (one.deployed_in or one.place.path, one.deployed)
        for one in findings
        if one.rule in UNJUDGED
    )


def may_be_needed(rule: str, paths: Iterable[str], unjudged_in: Collection[str]) -> bool:
    """Tell whether a rule that found nothing in some files could not judge one of them."""
    return rule not in _OF_FILES and any(path in unjudged_in for path in paths)


def entries_about(
    entries: Iterable[SuppressionEntry],
    paths: Mapping[str, str],
    today: date,
    findings: Sequence[GateFinding],
    rules: Collection[str],
    is_all_seen: Callable[[str], bool],
) -> tuple[Suppression, ...]:
    """Return the entries of a project that a run can say something of.

    An entry is not unused where its rule could not judge, nor where files that it is for were not
    looked at. One that is expired, of no rule, or of a rule that cannot be ignored is told in any
    case.

    Parameters
    ----------
    paths
        As in `suppress`.
    findings
        Of all rules, each with what silences it.
    rules
        Ids of all that there are.
    is_all_seen
        Tells whether the run looked at all files that a glob fits.
    """
    used = {one.suppressed for one in findings}
    open_ = unjudged_paths(findings)
    return tuple(
        entry.suppression
        for entry in entries
        if is_expired(entry.suppression, today)
        or entry.rule not in rules
        or entry.rule in NEVER_SUPPRESSED
        or entry.suppression in used
        or (
            (fitting := [path for path, within in paths.items() if globbed(within, entry.path)])
            and not may_be_needed(entry.rule, fitting, open_)
            and is_all_seen(entry.path)
        )
    )


def _covers(one: Suppression, found: GateFinding) -> bool:
    if one.place.path != found.place.path:
        return False
    match one.covers:
        case "file":
            return True
        case "object":
            item = _ITEM.match(one.place.pointer)
            within = item.group() if item else ""
            same_document = found.place.document == one.place.document
            return same_document and f"{found.place.pointer}/".startswith(f"{within}/")
        case _:
            return found.place.line == (one.place.line if one.line is None else one.line)


def _is_in(entry: SuppressionEntry, found: GateFinding, paths: Mapping[str, str]) -> bool:
    path = found.place.path
    if not globbed(paths.get(path, path), entry.path):
        return False
    if entry.id is not None and (found.deployed is None or not globbed(found.deployed, entry.id)):
        return False
    if entry.pointer is None:
        return True
    pointer = found.place.pointer
    return pointer == entry.pointer or pointer.startswith(entry.pointer.rstrip("/") + "/")
