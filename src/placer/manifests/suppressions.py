"""What manifests say to placer: wishes that a rule be silent, in comments and in annotations.

``# placer: ignore[PLC101] reason; until=2026-12-31`` covers its line, or the next entry where it
stands alone, ``ignore-file[...]`` the file; the annotation
``placer/ignore: "PLC101 reason; until=..."`` the object. A wish without a reason is none.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from placer.core.deployment import WHOLE_FILE, Defect, Deployed, Place, Suppression
from placer.core.suppressing import is_reason
from placer.manifests.lookalikes import is_near, meant_for_placer
from placer.manifests.nodes import Field
from placer.manifests.parsing import Comment

ANNOTATION = "placer/ignore"
WORKLOAD = "placer/workload"
_COMMENT = re.compile(r"\s*placer:(?P<said>.*)")
_IGNORE = re.compile(r"\s*(?P<word>ignore(?:-file)?)\s*\[(?P<rules>[^\]]*)\](?P<rest>.*)")
_RULE = re.compile(r"PLC[0-9]{3}")
_LIST = re.compile(r"(?P<rules>[^\s,]*(?:\s*,\s*[^\s,]+)*)(?P<rest>.*)", re.DOTALL)
"""Rules with commas between them, and what follows."""
_UNTIL = re.compile(r"until\s*=\s*(?P<date>\S*)")
_MEANT = re.compile(
    r"\bu?n?til+\s*[=:].*"
    r"|\b(?:u?n?til+|unt?i?l|expir\w*)\s*[=:]?\s*\d{4}(?:[-/.]\d.*|\d{4}\b.*|\s*\Z)",
    re.IGNORECASE | re.DOTALL,
)
"""A last day that is written otherwise, within a reason: it would be ignored for ever."""
_EXAMPLE = "ignore[PLC101] reason; until=2026-12-31"

Read = tuple[list[Suppression], list[Defect]]


def from_comments(comments: Iterable[Comment], path: str) -> Read:
    """Read the comments of a file."""
    suppressions: list[Suppression] = []
    defects: list[Defect] = []
    for comment in comments:
        said = _COMMENT.fullmatch(comment.text)
        if said is None:
            continue
        end = comment.column + 1 + len(comment.text.rstrip())
        place = Place(
            *(path, comment.line, comment.column, comment.line, end), document=comment.document
        )
        match = _IGNORE.fullmatch(said["said"])
        if match is None:
            words = said["said"].strip()
            message = f"'placer: {words[:60]}' is no suppression"
            remedy = f"write `# placer: {_EXAMPLE}`"
            defects.append(Defect("bad_value", message, remedy, place, words))
            continue
        covers = "file" if match["word"] == "ignore-file" else "line"
        rules = [one.strip() for one in match["rules"].split(",")]
        read: list[Suppression] = []
        _read(rules, match["rest"], covers, place, read, defects)
        suppressions += [replace(one, line=comment.covers) for one in read]
    return suppressions, defects


def from_annotations(deployed: Sequence[Deployed]) -> Read:
    """Read the annotations of what is deployed; of one object with several workers once."""
    suppressions: list[Suppression] = []
    defects: list[Defect] = []
    seen: set[Place] = set()
    for one in deployed:
        for annotation in one.annotations:
            key, value = annotation.value
            if annotation.place in seen:
                continue
            seen.add(annotation.place)
            if key not in (ANNOTATION, WORKLOAD):
                defects.append(_unknown(key, annotation.place))
            if key != ANNOTATION:
                continue
            match = _LIST.match(value.strip())
            rules, rest = match.group("rules", "rest") if match else ("", value)
            named = [rule.strip() for rule in rules.split(",")]
            _read(named, rest, "object", annotation.place, suppressions, defects)
    return suppressions, defects


def from_labels(deployed: Sequence[Deployed]) -> list[Defect]:
    """Return the labels that were meant for placer, which reads annotations."""
    return [
        Defect(
            "ignored_level",
            f"the label '{key}' has no effect: placer reads annotations of Kubernetes objects",
            "write it under annotations, or in placer.yaml: deployments, suppressions",
            one.place,
            key,
        )
        for one in deployed
        for key, _ in one.labels
        if meant_for_placer(key)
    ]


def elsewhere(keys: Iterable[tuple[Field, Field]], deployed: Sequence[Deployed]) -> list[Defect]:
    """Return the keys that were meant for placer and stand where it does not read them.

    Parameters
    ----------
    keys
        (mapping, entry) of each.
    """
    read = {annotation.place for one in deployed for annotation in one.annotations}
    defects = []
    for holder, entry in keys:
        if entry.pair_place() in read:
            continue
        is_typed = holder.name != "annotations" and is_near(holder.name, "annotations")
        where = "'annotations' of the metadata of an object or of its pods"
        message = f"'{entry.name}' has no effect here: placer reads it in {where}"
        remedy = f"write 'annotations' for '{holder.name}'" if is_typed else f"move it to {where}"
        remedy += "; or say so in placer.yaml: deployments, suppressions"
        kind = "unknown_place_key" if is_typed else "ignored_level"
        defects.append(Defect(kind, message, remedy, entry.key_place(), entry.name))
    return defects


def _unknown(key: str, place: Place) -> Defect:
    known = (WORKLOAD, ANNOTATION)
    close = difflib.get_close_matches(key.lower(), known, n=1)
    write = " or ".join(f"'{one}'" for one in close or known)
    message = f"'{key}' is no annotation that placer knows, and has no effect"
    return Defect("unknown_place_key", message, f"write {write}", place, key)


def _read(
    rules: list[str],
    rest: str,
    covers: str,
    place: Place,
    suppressions: list[Suppression],
    defects: list[Defect],
) -> None:
    """Add a suppression for each rule, or what is wrong."""
    reason, until, problem = _reason_and_until(rest)
    unknown = [rule for rule in rules if not _RULE.fullmatch(rule)]
    if unknown:
        problem = f"'{unknown[0]}' is no rule"
    if problem is not None:
        rule = next((one for one in rules if _RULE.fullmatch(one)), "PLC101")
        write = f"{rule} reason; until=2026-12-31"
        if covers != "object":
            word = "ignore-file" if covers == "file" else "ignore"
            write = f"# placer: {word}[{rule}] reason; until=2026-12-31"
        message = f"{problem}: the suppression has no effect"
        subject = f"{','.join(rules)} {rest}"
        concerns = WHOLE_FILE if covers == "file" else None
        told = Defect("bad_value", message, f"write `{write}`", place, subject, concerns)
        defects.append(told)
        return
    suppressions += [Suppression(rule, place, covers, reason, until) for rule in rules]


def _reason_and_until(text: str) -> tuple[str, str | None, str | None]:
    """Return (reason, date, problem)."""
    said, until = [], None
    for part in text.split(";"):
        match = _UNTIL.fullmatch(part.strip())
        if match is None:
            said.append(part.strip())
            continue
        if until is not None:
            return "", None, f"two last days are stated ({until} and {match['date']})"
        until = match["date"]
        try:
            is_date = datetime.date.fromisoformat(until).isoformat() == until
        except ValueError:
            is_date = False
        if not is_date:
            return "", None, f"'{until}' is no date"
    reason = "; ".join(part for part in said if part)
    meant = _MEANT.search(reason)
    if meant is not None:
        return "", None, f"'{meant.group()[:40]}' is not read as the last day"
    return reason, until, None if is_reason(reason) else "a reason is missing"
