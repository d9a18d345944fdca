"""The comparison as text: one file per format, one line in FORMATS."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from placer.core.comparison import Comparison
from placer.core.errors import UsageError, near_match


class Renderer(Protocol):
    """A report format: pure, and the same text for the same comparison."""

    def __call__(self, comparison: Comparison, *, width: int, color: bool) -> str:
        """Return the report, with a newline at its end."""


def _text(comparison: Comparison, *, width: int, color: bool) -> str:
    from placer.reports.comparison.text import render as render_text

    return render_text(comparison, width=width, color=color)


def _json(comparison: Comparison, *, width: int, color: bool) -> str:
    from placer.reports.comparison.json import to_json

    return to_json(comparison)


def _markdown(comparison: Comparison, *, width: int, color: bool) -> str:
    from placer.reports.comparison.markdown import render as render_markdown

    return render_markdown(comparison)


FORMATS: Mapping[str, Renderer] = MappingProxyType(
    {"text": _text, "json": _json, "markdown": _markdown}
)


def render(comparison: Comparison, format: str, *, width: int = 80, color: bool = False) -> str:
    """Render a comparison in one of FORMATS; only text looks at width and color.

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
    return FORMATS[format](comparison, width=width, color=color)
