"""What the gate says of what is deployed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from placer.core.deployment import Place, Suppression
from placer.core.environment import Basis
from placer.core.finding import Severity


class Outcome(StrEnum):
    """The verdict on something that is deployed, and on a whole run."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A place in another file that a finding rests on."""

    place: Place
    label: str
    """What it says there: ``the limit of this workload``."""


@dataclass(frozen=True, slots=True)
class GateFinding:
    """What one rule says about one place of a manifest."""

    rule: str
    """``PLCnnn``."""
    severity: Severity
    outcome: Outcome
    """What it makes of the deployment: PASS informs only."""
    message: str
    """With the value and the limit."""
    remedy: str
    """The next edit or command."""
    place: Place
    """The smallest key that says it."""
    deployed: str | None
    """Id of what is deployed; None: the whole file."""
    workload: str | None = None
    """Name of the workload it is held against."""
    value: str | None = None
    limit: str | None = None
    evidence: str | None = None
    """SHA-256 of the evidence it rests on."""
    related: tuple[Excerpt, ...] = ()
    suppressed: Suppression | None = None
    deployed_in: str | None = None
    """File that deploys it, as given: `place` may be in another one; None: the whole file."""
    shared_by: tuple[tuple[str, str], ...] = ()
    """(file, id) of several things that are deployed, where it is of each of them."""
    subject: str = ""
    """What of the place it is about (a receiver, a site, a key): part of what makes two findings
    the same one. Never a sentence."""
    excess_ratio: float | None = None
    """How far it is beyond its limit, where it is a matter of degree: more is worse."""
    before: str | None = None
    """What was found, or allowed, at the base where that was something else; None: it is new."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that is deployed with its verdict."""

    id: str
    path: str
    place: Place
    workload: str | None
    """None: no workload of ``placer.yaml`` is bound to it."""
    model: str | None
    """The model as the manifest names it."""
    sha256: str | None
    """Of the model's file; None: not resolved."""
    site: str | None
    """Name in ``placer.yaml``; None: not resolved."""
    tier: str | None
    """``edge`` or ``cloud``."""
    region: str | None
    outcome: Outcome
    p99_s: float | None
    """Of the declared placement; None: not known."""
    limit_s: float | None
    """Of the workload's highest percentile."""
    recommended: str | None
    """Candidate id of the recommendation on the same evidence; None: not asked."""
    recommended_p99_s: float | None
    declared: str | None
    """Candidate id of what is declared; None: not resolved."""
    basis: Basis | None = None
    """Worst basis of what is in ``p99_s``; None: not known."""
    recommended_basis: Basis | None = None
    """That of ``recommended_p99_s``."""
    is_as_before: bool = False
    """Nothing that is new since the base decides its verdict."""
    is_unchanged: bool = False
    """It passes with the same figures as at the base, and nothing new or worse is told of it."""
    ignored: tuple[str, ...] = ()
    """Rules that would have decided otherwise, and are silenced."""
    percentile: float | None = None
    """That ``limit_s`` is of; None: the workload has no target."""
    latency_s: float | None = None
    """The declared placement's at that percentile; None: not known."""
    recommended_latency_s: float | None = None
    """The recommendation's at that percentile."""
    is_excused: bool = False
    """It is inconclusive by silenced findings alone: ignoring what nobody knows makes no pass."""
    declares: tuple[tuple[str, str], ...] = ()
    """Of place, ways out and the like: what it is called where it changed, and all that is said."""


@dataclass(frozen=True, slots=True)
class Other:
    """Something deployed of which nothing says that it runs a model."""

    id: str
    path: str
    place: Place


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The whole run."""

    outcome: Outcome
    checked: tuple[Checked, ...]
    """In the order of files and lines."""
    findings: tuple[GateFinding, ...]
    """Without the suppressed ones, most severe first within a file."""
    suppressed: tuple[GateFinding, ...]
    files: int
    skipped: int
    """Files that hold no manifest."""
    unresolved: int
    """Deployments whose site or model is not known."""
    others: tuple[Other, ...] = ()
    """Deployed things of which nothing says that they run a model."""
    base: str | None = None
    """Revision that it is compared with; None: none."""
    base_without: str = ""
    """Why that could not be checked, so that all counts as new; empty: it could."""
    worse: tuple[tuple[str, str, float, float], ...] = ()
    """(path, deployment, p99 before, p99 now) in seconds where it got worse since the base."""
    fixed: tuple[GateFinding, ...] = ()
    """Findings of the base that are mended."""
    silenced: tuple[GateFinding, ...] = ()
    """Those that are suppressed now."""
    unjudged: tuple[GateFinding, ...] = ()
    """Those whose file or deployment is gone, or of which nothing can be said any more."""
    gone: tuple[Other, ...] = ()
    """What was judged at the base and is deployed no more, or by another name."""


def concerned(one: GateFinding) -> tuple[tuple[str, str | None], ...]:
    """Return (file, id) of what is deployed and a finding is of; nothing: it is of the file."""
    return one.shared_by if one.deployed_in is None else ((one.deployed_in, one.deployed),)


def counted(number: int, what: str) -> str:
    """Return ``1 file``, ``2 files``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def failing(result: CheckResult, fail_on: Severity) -> tuple[GateFinding, ...]:
    """Return the findings that give exit code 1: decided, and at or above a severity."""
    return tuple(
        one
        for one in result.findings
        if one.outcome is not Outcome.INCONCLUSIVE and one.severity >= fail_on
    )


def verdict_of(result: CheckResult, fail_on: Severity) -> Outcome:
    """Return the verdict on the whole run as its exit code says it."""
    return Outcome.FAIL if failing(result, fail_on) else result.outcome


def as_before(result: CheckResult) -> str:
    """Say which deployments do not pass although nothing new decides it; empty: none."""
    words = {Outcome.FAIL: ("fails", "fail"), Outcome.INCONCLUSIVE: ("is", "are")}
    told = []
    for outcome, (singular, plural) in words.items():
        number = sum(one.is_as_before and one.outcome is outcome for one in result.checked)
        if number:
            what = " inconclusive" if outcome is Outcome.INCONCLUSIVE else ""
            told.append(
                f"{counted(number, 'deployment')} {singular if number == 1 else plural}{what}"
            )
    return f"{' and '.join(told)} as before" if told else ""


def unchanged(result: CheckResult) -> str:
    """Say how many deployments reports do not list, as nothing of them changed; empty: none."""
    number = sum(one.is_unchanged for one in result.checked)
    if not number:
        return ""
    return f"{number} {'passes' if number == 1 else 'pass'}, unchanged since {result.base}"


def excused(result: CheckResult) -> str:
    """Say how many deployments nobody could judge where somebody ignores that; empty: none."""
    number = sum(one.is_excused for one in result.checked)
    if not number:
        return ""
    return f"{counted(number, 'deployment')} not judged, which is ignored"


def left_open(result: CheckResult) -> tuple[GateFinding, ...]:
    """Return the silenced findings that decide the run, as reports of what is open tell them."""
    open_ = {(one.path, one.id) for one in result.checked if is_left_open(one)}
    return tuple(
        replace(
            one,
            message=f"{one.message} (ignored, and not known for that: {one.suppressed.reason})",
            suppressed=None,
        )
        for one in result.suppressed
        if one.suppressed is not None
        and one.outcome is Outcome.INCONCLUSIVE
        and not open_.isdisjoint(concerned(one))
    )


def is_left_open(one: Checked) -> bool:
    """Tell whether silenced findings make something inconclusive, and did not at the base."""
    return one.is_excused and not one.is_as_before


def reason_of(result: CheckResult, fail_on: Severity) -> str:
    """Say which findings decide where no verdict on a deployment shows it; empty: one does.

    A file that cannot be read is of no deployment, and a severity may be asked for below that of
    what fails a deployment.
    """
    verdict = verdict_of(result, fail_on)
    if verdict is Outcome.PASS or any(
        one.outcome is verdict and not one.is_excused for one in result.checked
    ):
        return ""
    if verdict is Outcome.FAIL:
        deciding = failing(result, fail_on)
    else:
        deciding = tuple(one for one in result.findings if one.outcome is verdict)
    if not deciding:
        return ""
    rules = ", ".join(sorted({one.rule for one in deciding}))
    beyond = all(one.deployed is None for one in deciding)
    below = verdict is not result.outcome
    told = f" at or above {fail_on.label}" if below else " of no deployment" if beyond else ""
    return f"{verdict.value} by {counted(len(deciding), 'finding')}{told} ({rules})"


def exit_code(result: CheckResult, *, fail_on: Severity, allow_inconclusive: bool) -> int:
    """Return 0, 1 (a finding at or above a severity) or 5 (inconclusive).

    What could not be decided counts as inconclusive alone, however severe its finding is, and
    whether or not that is ignored.
    """
    if failing(result, fail_on):
        return 1
    is_open = any(one.outcome is Outcome.INCONCLUSIVE for one in result.findings)
    is_open = is_open or any(map(is_left_open, result.checked))
    return 5 if is_open and not allow_inconclusive else 0
