"""Silencing findings: by comments and annotations of a manifest, and by entries of the project."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from placer.core.deployment import Suppression
from placer.core.gate import GateFinding
from placer.core.project import Project, SuppressionEntry, globbed

NEVER_SUPPRESSED = frozenset({"PLC618", "PLC711", "PLC721", "PLC722"})
"""What somebody edited by hand, and what is wrong with suppressions."""


_ITEM = re.compile(r"(?:/(?:items|objects)/[0-9]+)*")
"""The object within a list of objects, or within a template of OpenShift."""


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


def entries_about(
    entries: Iterable[SuppressionEntry], paths: Iterable[str], today: date
) -> tuple[Suppression, ...]:
    """Return the entries of a project that a run can say something of.

    An entry for files that are not among those of the run is not unused: they were not looked at.
    An expired one is told in any case.

    Parameters
    ----------
    paths
        Of what the run looked at, relative to the folder of the project.
    """
    seen = tuple(paths)
    return tuple(
        entry.suppression
        for entry in entries
        if is_expired(entry.suppression, today) or any(globbed(path, entry.path) for path in seen)
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
            return found.place.line in (one.place.line, one.place.line + 1)


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
