"""Reports of a verification: one file per format, one line in FORMATS."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from placer.core.errors import UsageError, near_match
from placer.core.verification import Outcome, Verification

EXIT_CODES: Mapping[Outcome, int] = MappingProxyType(
    {Outcome.WITHIN: 0, Outcome.MISSED: 1, Outcome.UNDECIDED: 5, Outcome.NOT_JUDGED: 5}
)
"""What `placer verify` ends with."""


class Renderer(Protocol):
    """A report format: pure, and the same text for the same verification."""

    def __call__(self, verification: Verification, *, width: int, color: bool) -> str:
        """Return the report, with a newline at its end."""


def _text(verification: Verification, *, width: int, color: bool) -> str:
    from placer.reports.verification.text import render as render_text

    return render_text(verification, width=width, color=color)


def _json(verification: Verification, *, width: int, color: bool) -> str:
    from placer.reports.verification.json import to_json

    return to_json(verification)


FORMATS: Mapping[str, Renderer] = MappingProxyType({"text": _text, "json": _json})


def render(verification: Verification, format: str, *, width: int = 80, color: bool = False) -> str:
    """Render a verification in one of FORMATS; only text looks at width and color.

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
    return FORMATS[format](verification, width=width, color=color)
