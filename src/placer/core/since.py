"""What changed between two checks: what is new, worse, mended, silenced or cannot be told any more.

A finding is the same one as at the base by its rule, place, deployment and subject, never by the
words of its message. A change of what was found or allowed is told with both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

from placer.core.declaring import redeclared
from placer.core.gate import (
    Checked,
    CheckResult,
    GateFinding,
    Other,
    Outcome,
    concerned,
    is_left_open,
)
from placer.core.judging import worst
from placer.core.suppressing import UNJUDGED, unjudged

WORSE_RATIO = 1.02
"""A latency that grew less did not get worse: the interval of a median is as wide."""
_OF_LATENCY = "PLC2"
"""How the ids of its rules begin."""
_ORDER = (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL)


def unreadable_paths(result: CheckResult) -> tuple[str, ...]:
    """Return the files of which nobody knows what they deploy."""
    found = (*result.findings, *result.suppressed)
    return tuple({one.place.path: None for one in found if one.rule == "PLC712"})


def since(
    now: CheckResult,
    before: CheckResult,
    revision: str,
    *,
    changed: Collection[str],
    is_there: Callable[[str], bool],
) -> CheckResult:
    """Return a result with what is new or worse since a base alone, and what became of the rest.

    Parameters
    ----------
    changed
        Files that cannot be read and whose content is another one than at the base: they hide what
        they deploy, so they are new.
    is_there
        Tells whether a file exists now.
    """
    moved = _moved(now, before)
    before = _renamed(before, moved)
    old = [one for one in before.findings if one.rule != "PLC712" or one.place.path not in changed]
    pairs, new, gone = _paired(now.findings, old)
    changed_in = _redeclared(now.checked, before.checked)
    worse = [one for pair in pairs if (one := _worse(*pair, changed_in)) is not None]
    replaced, new, gone = _paired(new, gone, keys=_REPLACED)
    found = {id(one) for one in new}
    told = {id(one): replace(one, before=_told(was, one)) for one, was in replaced}
    told.update((id(one), replace(one, before=was)) for one, was in worse)
    findings = tuple(
        told.get(id(one), one) for one in now.findings if id(one) in told or id(one) in found
    )
    ignored = _ignored_anew(now.suppressed, (*before.findings, *before.suppressed), changed_in)
    checked = _as_before(now.checked, findings, ignored)
    checked = _unchanged(checked, before.checked, findings)
    silenced, _, gone = _paired(now.suppressed, gone)
    open_ = _unjudged(now, gone, is_there)
    return replace(
        now,
        outcome=worst(
            [*(one.outcome for one in findings)]
            + [one.outcome for one in checked if is_left_open(one)]
        ),
        checked=checked,
        findings=findings,
        base=revision,
        worse=_slower(now.checked, before.checked),
        fixed=tuple(one for one in gone if id(one) not in open_),
        silenced=tuple(was for _, was in silenced),
        unjudged=tuple(one for one in gone if id(one) in open_),
        gone=_gone(now.checked, before.checked),
    )


Key = Callable[[GateFinding], Hashable]


def _facts(one: GateFinding) -> Hashable:
    return one.outcome, one.value, one.limit


def _identity(one: GateFinding) -> Hashable:
    return one.rule, one.place.path, one.place.pointer, one.deployed, one.subject


def _shifted(one: GateFinding) -> Hashable:
    """Return what a finding keeps where a list before its place grew: all but the place."""
    if one.deployed is None:
        return id(one)
    return one.rule, one.place.path, one.deployed, one.subject, _facts(one)


_SAME: tuple[Key, ...] = (lambda one: (_identity(one), _facts(one)), _identity, _shifted)
_REPLACED: tuple[Key, ...] = (lambda one: (one.rule, one.place.path, one.deployed),)
"""What took the place of another: the same rule speaks of the same deployment, with other words."""


def _paired(
    now: Sequence[GateFinding], before: Sequence[GateFinding], keys: tuple[Key, ...] = _SAME
) -> tuple[list[tuple[GateFinding, GateFinding]], list[GateFinding], list[GateFinding]]:
    """Return the pairs of what is the same by the first key that finds one, and what is left."""
    pairs: list[tuple[GateFinding, GateFinding]] = []
    left, others = list(now), list(before)
    for key in keys:
        known: dict[Hashable, list[GateFinding]] = {}
        for one in others:
            known.setdefault(key(one), []).append(one)
        alone = []
        for one in left:
            same = known.get(key(one))
            if same:
                pairs.append((one, same.pop(0)))
            else:
                alone.append(one)
        left = alone
        taken = {id(was) for _, was in pairs}
        others = [one for one in others if id(one) not in taken]
    return pairs, left, others


Redeclared = Mapping[tuple[str, str | None], Sequence[str]]
"""(file, id) -> what of a deployment is declared in another way."""


def _redeclared(now: Iterable[Checked], before: Iterable[Checked]) -> Redeclared:
    was = {(one.path, one.id): one.declares for one in before}
    return {
        key: changed
        for one in now
        if (key := (one.path, one.id)) in was and (changed := redeclared(one.declares, was[key]))
    }


def _worse(
    now: GateFinding, before: GateFinding, changed_in: Redeclared
) -> tuple[GateFinding, str] | None:
    """Return what is the same finding and worse than before, with what it was; None: it is not.

    Where nobody could judge before, what has changed since may be worse by any rule.
    """
    changed = [part for key in concerned(now) for part in changed_in.get(key, ())]
    if changed and now.outcome is Outcome.INCONCLUSIVE and now.rule in UNJUDGED:
        return now, f"declared with {', '.join(dict.fromkeys(changed))}"
    ranks = [_ORDER.index(one.outcome) for one in (now, before)]
    if ranks[0] < ranks[1]:
        return None
    if ranks[0] == ranks[1]:
        if now.excess_ratio is not None and before.excess_ratio is not None:
            slack = WORSE_RATIO if now.rule.startswith(_OF_LATENCY) else 1
            if now.excess_ratio <= slack * before.excess_ratio:
                return None
        elif now.value == before.value:
            return None
    return now, _told(before, now)


def _told(before: GateFinding, now: GateFinding) -> str:
    """Say what of a finding was something else, and what it was."""
    parts = []
    if before.value is not None and before.value != now.value:
        parts.append(before.value)
    if before.limit is not None and before.limit != now.limit:
        parts.append(f"limit {before.limit}")
    if before.subject and before.subject != now.subject:
        parts.append(before.subject)
    if before.outcome is not now.outcome:
        parts.append(before.outcome.value)
    return ", ".join(parts) or "the same rule elsewhere in it"


def _unjudged(
    now: CheckResult, gone: Iterable[GateFinding], is_there: Callable[[str], bool]
) -> set[int]:
    """Return those of which nobody can say that they are mended."""
    checked = {(one.path, one.id) for one in now.checked}
    open_ = unjudged((*now.findings, *now.suppressed))
    return {
        id(one)
        for one in gone
        if (
            (one.deployed_in, one.deployed) not in checked
            if one.deployed is not None
            else not is_there(one.place.path)
        )
        or {(path := one.deployed_in or one.place.path, one.deployed), (path, None)} & open_
    }


def _as_before(
    checked: Iterable[Checked], findings: Iterable[GateFinding], ignored: Iterable[GateFinding]
) -> tuple[Checked, ...]:
    """Mark the deployments that do not pass, and that nothing new decides, ignored or not."""
    decided = {(*key, one.outcome) for one in findings for key in concerned(one)}
    silently = {key for one in ignored for key in concerned(one)}
    return tuple(
        replace(
            one,
            is_as_before=one.outcome is not Outcome.PASS
            and (
                (one.path, one.id) not in silently
                if one.is_excused
                else (one.path, one.id, one.outcome) not in decided
            ),
        )
        for one in checked
    )


def _unchanged(
    now: Iterable[Checked], before: Iterable[Checked], findings: Iterable[GateFinding]
) -> tuple[Checked, ...]:
    """Mark the deployments that pass as they did, and of which nothing is told."""
    was = {(one.path, one.id): one for one in before}
    told = {key for one in findings for key in concerned(one)}
    return tuple(
        replace(
            one,
            is_unchanged=one.outcome is Outcome.PASS
            and (key := (one.path, one.id)) in was
            and key not in told
            and replace(one, place=was[key].place) == was[key],
        )
        for one in now
    )


def _ignored_anew(
    now: Iterable[GateFinding], before: Sequence[GateFinding], changed_in: Redeclared
) -> tuple[GateFinding, ...]:
    """Return what is ignored, not known, and new or worse since the base."""
    open_ = [one for one in now if one.outcome is Outcome.INCONCLUSIVE]
    pairs, new, _ = _paired(open_, before)
    return (*new, *(one for one, was in pairs if _worse(one, was, changed_in) is not None))


def _slower(
    now: Iterable[Checked], before: Iterable[Checked]
) -> tuple[tuple[str, str, float, float], ...]:
    was = {(one.path, one.id): one.p99_s for one in before}
    found = []
    for one in now:
        before_s = was.get((one.path, one.id))
        if before_s is not None and one.p99_s is not None and one.p99_s > WORSE_RATIO * before_s:
            found.append((one.path, one.id, before_s, one.p99_s))
    return tuple(found)


def _gone(now: Iterable[Checked], before: Iterable[Checked]) -> tuple[Other, ...]:
    known = {(one.path, one.id) for one in now}
    return tuple(
        Other(one.id, one.path, one.place) for one in before if (one.path, one.id) not in known
    )


def _moved(now: CheckResult, before: CheckResult) -> Mapping[str, str]:
    """Return old -> new path of files that were renamed: what they deploy has the same ids."""

    def ids_of(result: CheckResult) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for one in result.checked:
            found.setdefault(one.path, set()).add(one.id)
        return {path: frozenset(ids) for path, ids in found.items()}

    new, old = ids_of(now), ids_of(before)
    moved = {}
    for path in old.keys() - new.keys():
        like = [there for there in new.keys() - old.keys() if new[there] == old[path]]
        alike = [one for one in old.keys() - new.keys() if old[one] == old[path]]
        if len(like) == len(alike) == 1:
            moved[path] = like[0]
    return moved


def _renamed(result: CheckResult, moved: Mapping[str, str]) -> CheckResult:
    if not moved:
        return result

    def finding(one: GateFinding) -> GateFinding:
        place = replace(one.place, path=moved.get(one.place.path, one.place.path))
        within = one.deployed_in
        return replace(
            one,
            place=place,
            deployed_in=None if within is None else moved.get(within, within),
            shared_by=tuple((moved.get(path, path), name) for path, name in one.shared_by),
        )

    return replace(
        result,
        checked=tuple(replace(one, path=moved.get(one.path, one.path)) for one in result.checked),
        findings=tuple(map(finding, result.findings)),
        suppressed=tuple(map(finding, result.suppressed)),
    )
