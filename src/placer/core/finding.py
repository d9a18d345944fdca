"""What a rule says about a placement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Severity(IntEnum):
    """How much a finding matters; ordered."""

    NOTE = 0
    WARNING = 1
    ERROR = 2

    @property
    def label(self) -> str:
        """The word used in reports."""
        return self.name.lower()


class Effect(StrEnum):
    """What a finding does to the feasibility of its candidate."""

    NONE = "none"
    """Informs only."""
    UNPROVEN = "unproven"
    """The candidate cannot be called feasible until this is settled."""
    VIOLATED = "violated"
    """The candidate is not feasible."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement of one rule, with what to do about it."""

    rule: str
    """Rule id, ``PLCnnn``."""
    severity: Severity
    effect: Effect
    message: str
    """What was found, with the value and the limit."""
    remedy: str
    """The next edit or command."""
    location: str | None = None
    """Candidate id, ``path:line:column``, or None for the whole answer."""
