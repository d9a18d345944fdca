"""Text of bounded length: reports have limits, names in manifests have none."""

from __future__ import annotations

import unicodedata

from placer.reports.facts import clean

MAX_MESSAGE = 2000
"""Characters of one finding's text in a report that has a limit of its own."""


def shortened(text: str, most: int = MAX_MESSAGE) -> str:
    """Return text of others on one line, without control characters, cut at ``most``."""
    shown = clean(text[: most + 1])
    return shown if len(text) <= most else f"{shown[: most - 6]} [cut]"


def named(path: str) -> str:
    """Return the name of a file letter by letter, so that it is found; controls are replaced."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign).startswith("C") else sign
        for sign in path.removeprefix("./")
    )
