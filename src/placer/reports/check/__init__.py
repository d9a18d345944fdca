"""A check as text: one file per format, one line in FORMATS."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from placer.core.errors import UsageError, near_match
from placer.core.gate import CheckResult
from placer.reports.check.context import Context


class Renderer(Protocol):
    """A report format: pure, and the same text for the same result."""

    def __call__(self, result: CheckResult, context: Context, *, width: int, color: bool) -> str:
        """Return the report, with a newline at its end."""


def _text(result: CheckResult, context: Context, *, width: int, color: bool) -> str:
    from placer.reports.check.text import render

    return render(result, context, width=width, color=color)


def _json(result: CheckResult, context: Context, *, width: int, color: bool) -> str:
    from placer.reports.check.document import to_json

    return to_json(result)


def _sarif(result: CheckResult, context: Context, *, width: int, color: bool) -> str:
    from placer.reports.check.sarif import render

    return render(result, context)


def _junit(result: CheckResult, context: Context, *, width: int, color: bool) -> str:
    from placer.reports.check.junit import render

    return render(result, context)


def _github(result: CheckResult, context: Context, *, width: int, color: bool) -> str:
    from placer.reports.check.github import render

    return render(result, context)


def _gitlab(result: CheckResult, context: Context, *, width: int, color: bool) -> str:
    from placer.reports.check.gitlab import render

    return render(result, context)


def _markdown(result: CheckResult, context: Context, *, width: int, color: bool) -> str:
    from placer.reports.check.markdown import render

    return render(result, context)


FORMATS: Mapping[str, Renderer] = MappingProxyType(
    {
        "text": _text,
        "json": _json,
        "sarif": _sarif,
        "junit": _junit,
        "github": _github,
        "gitlab": _gitlab,
        "markdown": _markdown,
    }
)


def render(
    result: CheckResult, format: str, context: Context, *, width: int = 80, color: bool = False
) -> str:
    """Render a check in one of FORMATS; only text looks at width and color.

    Raises
    ------
    UsageError
        Unknown format.
    """
    if format not in FORMATS:
        raise UsageError(
            f"unknown report format '{format}'{near_match(format, FORMATS)}",
            hint=f"formats: {', '.join(FORMATS)}",
        )
    return FORMATS[format](result, context, width=width, color=color)
