"""Text of bounded length: reports have limits, names in manifests have none."""

from __future__ import annotations

from placer.reports.facts import clean

MAX_MESSAGE = 2000
"""Characters of one finding's text in a report that has a limit of its own."""


def shortened(text: str, most: int = MAX_MESSAGE) -> str:
    """Return text of others on one line, without control characters, cut at ``most``."""
    shown = clean(text[: most + 1])
    return shown if len(text) <= most else f"{shown[: most - 6]} [cut]"
