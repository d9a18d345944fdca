"""What a report of a check is told besides the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from placer.core.environment import Basis
from placer.core.finding import Severity
from placer.core.gate import Checked, GateFinding, Outcome
from placer.core.units import format_duration, format_percentile

_P99 = 0.99
_LONG_HELP = 80
"""Characters from which the same help is told once."""


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule as reports explain it."""

    id: str
    title: str
    severity: Severity
    what: str
    why: str
    example: str
    fix: str


class Explained(Protocol):
    """A rule of placements or of the gate."""

    @property
    def id(self) -> str:
        """``PLCnnn``."""

    @property
    def title(self) -> str:
        """A few words."""

    @property
    def severity(self) -> Severity:
        """The highest that it reports."""

    @property
    def what(self) -> str:
        """What it checks."""

    @property
    def why(self) -> str:
        """Why that matters."""

    @property
    def example(self) -> str:
        """What breaks it."""

    @property
    def fix(self) -> str:
        """What to do."""


def texts_of(rules: Iterable[Explained]) -> dict[str, RuleText]:
    """Return what reports say of rules, by their ids."""
    return {
        one.id: RuleText(one.id, one.title, one.severity, one.what, one.why, one.example, one.fix)
        for one in rules
    }


def help_of(one: GateFinding, told: dict[str, str]) -> str:
    """Return what to do, in full the first time; then where a long one stands that is the same.

    Parameters
    ----------
    told
        Help -> place of the finding that has it in full; it is added to.
    """
    place = told.get(one.remedy)
    if place is None or len(one.remedy) < _LONG_HELP:
        told.setdefault(one.remedy, str(one.place))
        return one.remedy
    return f"as at {place}"


def basis_of(basis: Basis | None) -> str:
    """Return what is told beside a time of what it rests on: nothing where it was measured."""
    return "" if basis in (None, Basis.MEASURED) else f" ({basis.value})"


def latency_of(one: Checked) -> tuple[str, float | None, float | None]:
    """Return the percentile that the limit is of, and what is declared and recommended have there.

    Beside the limit of one percentile, another one's time would read as a verdict. Of p99, and
    where there is no target, it is the time that all reports and those of a base have.
    """
    if one.percentile in (None, _P99):
        return "p99", one.p99_s, one.recommended_p99_s
    return format_percentile(one.percentile), one.latency_s, one.recommended_latency_s


def told_latency(one: Checked) -> str:
    """Return the latency with its percentile, its basis and the limit of that; empty: unknown."""
    name, latency_s, _ = latency_of(one)
    limit = "" if one.limit_s is None else f", limit {format_duration(one.limit_s)}"
    if latency_s is None:
        return f"{name} unknown{limit}" if one.p99_s is not None else ""
    return f"{name} {format_duration(latency_s)}{basis_of(one.basis)}{limit}"


def marked(one: GateFinding) -> str:
    """Return the message: marked where it makes a deployment inconclusive, with what was before."""
    mark = "inconclusive: " if one.outcome is Outcome.INCONCLUSIVE else ""
    was = "" if one.before is None else f" (before: {one.before})"
    return f"{mark}{one.message}{was}"


@dataclass(frozen=True, slots=True)
class Context:
    """Rules, files and options."""

    rules: Mapping[str, RuleText]
    sources: Mapping[str, str]
    """Path as typed -> text of the file."""
    version: str
    """Of placer."""
    with_suppressed: bool = False
    """Tell suppressed findings as well."""
    fail_on: Severity = Severity.ERROR
    """From this severity on a finding fails the check."""
    repository_paths: Mapping[str, str] = field(default_factory=dict)
    """Path as typed -> relative to the root of the repository, for reports that are read there."""

    def in_repository(self, path: str) -> str:
        """Return a path as the hosts of repositories name it; one that is not known, as typed."""
        return self.repository_paths.get(path, path)
