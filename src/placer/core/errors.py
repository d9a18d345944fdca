"""The errors that placer raises on purpose.

``PlacerError``
├── ``UsageError``        exit 2: a bad option, value, workload, rule or policy file
├── ``InputError``        exit 3: an input is missing or unreadable, or there is nothing to do
└── ``MeasuringError``    exit 4: an execution provider is unavailable, crashed or timed out

Only ``placer.cli`` renders them and exits. Anything else that escapes is a bug (exit 70).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PlacerError(Exception):
    """What went wrong and where, and what to do next.

    Parameters
    ----------
    message
        What and where: path, line, key and value. Lower case, no trailing dot.
    hint
        The next command or edit, or None where there is nothing to advise.
    """

    exit_code = 70

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PlacerError):
    """A bad option, value, workload, rule or policy file."""

    exit_code = 2


class InputError(PlacerError):
    """An input is missing or unreadable, or there is nothing to work on."""

    exit_code = 3


class MeasuringError(PlacerError):
    """Measuring failed: an execution provider is unavailable, crashed or timed out."""

    exit_code = 4


def near_match(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the nearest known word, else an empty string."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" (did you mean '{by_lower[close[0]]}'?)" if close else ""
