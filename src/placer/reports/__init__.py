"""The answer as text: one file per format, one line in FORMATS."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from placer.core.errors import UsageError, near_match
from placer.core.estimate import Recommendation


class Renderer(Protocol):
    """A report format: pure, and the same text for the same answer."""

    def __call__(self, recommendation: Recommendation, *, width: int, color: bool) -> str:
        """Return the report, with a newline at its end."""


def _text(recommendation: Recommendation, *, width: int, color: bool) -> str:
    from placer.reports.text import render as render_text

    return render_text(recommendation, width=width, color=color)


def _json(recommendation: Recommendation, *, width: int, color: bool) -> str:
    from placer.reports.json import to_json

    return to_json(recommendation)


def _markdown(recommendation: Recommendation, *, width: int, color: bool) -> str:
    from placer.reports.markdown import render as render_markdown

    return render_markdown(recommendation)


FORMATS: Mapping[str, Renderer] = MappingProxyType(
    {"text": _text, "json": _json, "markdown": _markdown}
)


def render(
    recommendation: Recommendation, format: str, *, width: int = 80, color: bool = False
) -> str:
    """Render an answer in one of FORMATS; only text looks at width and color.

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
    return FORMATS[format](recommendation, width=width, color=color)
