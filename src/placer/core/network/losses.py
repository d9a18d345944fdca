"""What packets that were seen to arrive, or not, tell of the loss of a path."""

from __future__ import annotations

from dataclasses import dataclass

from placer.core.beta import binomial_cdf

CONFIDENCE = 0.95
WAYS = 2
"""Packets of a transfer count only where none of them was lost, so that the bound is the one of two
sets of packets, by what was seen: each is held to half of the error."""


@dataclass(frozen=True, slots=True)
class LossEvidence:
    """Packets whose fate is known, of both directions together."""

    packets: int = 0
    lost: int = 0

    @property
    def ratio(self) -> float | None:
        """Share of them that was lost; None: there were none."""
        return self.lost / self.packets if self.packets else None

    @property
    def at_most_ratio(self) -> float | None:
        """Upper end, one-sided 95 %; None: no packets.

        Source: Clopper and Pearson (1934), exact for losses one by one, with Bonferroni's share of
        the error for each of `WAYS`. Without a loss it is nearly 3.7 / n.
        """
        if not self.packets:
            return None
        if self.lost >= self.packets:
            return 1.0
        low, high = self.lost / self.packets, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            error = (1 - CONFIDENCE) / WAYS
            is_inside = middle <= 0 or binomial_cdf(self.lost, self.packets, middle) > error
            low, high = (middle, high) if is_inside else (low, middle)
        return high

    def __add__(self, other: LossEvidence) -> LossEvidence:
        """Return both together."""
        return LossEvidence(self.packets + other.packets, self.lost + other.lost)
