"""What differs between A and B, as ``core.compare`` finds it and every report renders it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from placer.core.estimate import Decision, Verdict


class Kind(StrEnum):
    """What is compared."""

    EVIDENCE = "evidence"
    RECOMMENDATION = "recommendation"


class Change(StrEnum):
    """What B is, against A."""

    SLOWER = "slower"
    UNDECIDED = "undecided"
    FASTER = "faster"
    SAME = "same"


class Trend(StrEnum):
    """Where a verdict went from A to B."""

    WORSENED = "worsened"
    IMPROVED = "improved"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two things compared."""

    path: str
    """As typed."""
    model: str
    sha256: str
    """Of the model file."""
    measured_at: str | None
    """Date of the measurement; None for a recommendation."""
    runs: int | None
    processes: int | None
    """Fresh processes that share the runs."""
    disturbed: tuple[str, ...]
    """Why the measurement counts as disturbed; empty: quiet, or a recommendation."""


@dataclass(frozen=True, slots=True)
class QuantileChange:
    """One quantile of the latency, B against A."""

    percentile: float
    a_s: float | None
    b_s: float | None
    ratio: float | None
    """B over A."""
    low_ratio: float | None
    """Lower end of its 95 % interval; None: unbounded below."""
    high_ratio: float | None
    """Upper end; None: unbounded above."""
    change: Change
    reason: str
    """Why it is undecided, or how it was decided without an interval; else empty."""
    remedy: str
    """What would decide it; empty: it is decided."""


@dataclass(frozen=True, slots=True)
class TargetChange:
    """The verdicts on the targets of one percentile."""

    percentile: float
    a_limit_s: float
    b_limit_s: float
    a_verdict: Verdict
    b_verdict: Verdict
    trend: Trend


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that both sides have: an execution provider or a candidate."""

    id: str
    change: Change
    """The first of slower, undecided, faster and same that a quantile has; of a candidate: one
    that both answers judge, if there is any."""
    quantiles: tuple[QuantileChange, ...]
    targets: tuple[TargetChange, ...]
    a_feasible: bool | None
    b_feasible: bool | None
    feasible_trend: Trend
    a_usd_per_month: float | None
    b_usd_per_month: float | None


@dataclass(frozen=True, slots=True)
class DecisionChange:
    """Where the model should run, before and after."""

    is_changed: bool
    trend: Trend
    """Of its feasibility."""
    a: Decision
    b: Decision


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in the environment or the question that is not the same."""

    what: str
    a: str | None
    """None: A does not have it."""
    b: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole comparison."""

    kind: Kind
    tolerance_ratio: float
    a: Side
    b: Side
    is_same_model: bool
    is_worse: bool
    """A verdict worsened, or B is slower."""
    reason: str
    """One sentence: what changed."""
    decision: DecisionChange | None
    """None: evidence, which decides nothing."""
    items: tuple[Item, ...]
    """In the order of A."""
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    differences: tuple[Difference, ...]
