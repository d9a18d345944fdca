"""What a report of a check is told besides the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from placer.core.finding import Severity


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
