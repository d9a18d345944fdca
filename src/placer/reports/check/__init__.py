"""A check as text: one file per format, one line in FORMATS."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

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


FORMATS: Mapping[str, Renderer] = MappingProxyType({"text": _text, "json": _json})
