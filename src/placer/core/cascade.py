"""Cascades: a small model answers where it is sure, and else passes the request on to a big one.

How sure an answer is, of its scores ``s`` over the classes, highest first ``s1, s2, ...``:

- ``top_probability``: ``p1``, the highest probability. Scores that are no probabilities are made so
  by ``p_i = exp(s_i) / sum_j exp(s_j)``.
- ``margin``: ``s1 - s2``, as the model gives them. Of logits that is ``ln(p1 / p2)``, which still
  tells answers apart where ``p1`` is 1 in every digit.

Of several answers (a dense output, several outputs) the least sure one counts.

One half of the samples chooses measure and threshold, the other half judges them: how many requests
are passed on, and how often the cascade gives the answer of the big model. A request that is passed
on gets that answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from placer.core.cascade_proof import CHANCES_OF_PROOF, allowed_wrong, proves
from placer.core.held_out import Indices
from placer.core.variant import (
    Accuracy,
    Arrays,
    agreeing,
    binomial_bounds,
    partly_bounds,
    right_answers,
)

CURVE_STEPS = 10
"""The curve has one threshold for each tenth of the samples."""
_SUM_TOLERANCE = 0.01
"""Probabilities that were computed in float16 miss a sum of 1 by so much."""
_NUMBERS_AT_ONCE = 1 << 22

FloatArray = npt.NDArray[np.float64]


class Measure(StrEnum):
    """What tells how sure an answer is."""

    TOP_PROBABILITY = "top_probability"
    MARGIN = "margin"


class ScoreKind(StrEnum):
    """What the scores of a model are."""

    LOGITS = "logits"
    """Any numbers: a softmax makes probabilities of them."""
    PROBABILITIES = "probabilities"


class NoCascade(StrEnum):
    """Why two models make no cascade."""

    NEEDLESS = "its answers agree often enough by themselves"
    """On the samples that choose."""
    NEVER_SURE = "too many answers are wrong even if it answers only where it is surest"
    UNPROVABLE = (
        "even if the model answers every request, its wrong answers to the samples that choose the "
        "threshold make it unlikely that the others prove what is wanted"
    )
    TOO_FEW = (
        "the samples that judge are too few to prove what is wanted even if every answer is as it "
        "should be"
    )
    NO_LABELS = "no labels tell how often it is right"
    NO_SCORES = "none of its outputs tells how sure it is: that takes scores of several classes"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the answers of a cascade must keep, at least one of both."""

    agreement_ratio: float | None
    """With the big model."""
    accuracy_ratio: float | None = None
    """With the labels."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of real samples."""

    ratio: float
    low_ratio: float
    """One-sided 95 % bound, as ``high_ratio``."""
    high_ratio: float
    samples: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What another threshold would do, on the samples that judge."""

    threshold: float
    escalation_ratio: float
    agreement_ratio: float
    low_ratio: float
    """One-sided 95 % bound of the agreement, of this threshold alone."""


@dataclass(frozen=True, slots=True)
class CascadeFacts:
    """When a small model passes a request on, and what was measured of that."""

    confidence: Measure
    scores: ScoreKind
    threshold: float
    """The small model answers where its confidence is at least this."""
    escalation: Rate
    """Of the requests that are passed on."""
    agreement: Rate
    """Of the answers with those of the big model."""
    accuracy: Accuracy | None
    """None: no labels."""
    wanted: Wanted
    """What the threshold was chosen for."""
    chosen_on: int
    """Samples that chose the threshold; none of them judges."""
    curve: tuple[CurvePoint, ...]
    """Ascending by threshold."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """What a small and a big model answered for the same real samples; arrays of shape (n,)."""

    scores: ScoreKind
    confidences: tuple[tuple[Measure, FloatArray], ...]
    """Of the small model; minus infinity: its answer is none."""
    agrees: FloatArray
    """The share of the answers for a sample that agree."""
    right: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]] | None
    """Whether the small and the big model give what the labels say; None: no labels."""
    choosing: Indices
    """The places of the samples that choose the threshold."""
    judging: Indices


def confidence_of(
    outputs: Arrays,
) -> tuple[ScoreKind, tuple[tuple[Measure, FloatArray], ...]] | None:
    """Return how sure a model is of each sample; None: no output has scores.

    Parameters
    ----------
    outputs
        Output name -> array of shape (samples, *output shape), with scores along the last axis.
    """
    scored = [
        array.reshape(len(array), -1, array.shape[-1])
        for array in outputs.values()
        if array.dtype.kind == "f" and array.ndim > 1 and array.shape[-1] > 1
    ]
    if not scored:
        return None
    are_probabilities = [all(map(_are_probabilities, _parts(one))) for one in scored]
    of_each = [
        np.concatenate([_sureness(part, is_probability=is_one) for part in _parts(one)], axis=1)
        for one, is_one in zip(scored, are_probabilities, strict=True)
    ]
    top, margin = np.minimum.reduce(of_each)
    found = [(Measure.TOP_PROBABILITY, np.asarray(top))]
    if len(set(are_probabilities)) == 1:  # else margins of two scales would be compared
        found.append((Measure.MARGIN, np.asarray(margin)))
    kind = ScoreKind.PROBABILITIES if all(are_probabilities) else ScoreKind.LOGITS
    return kind, tuple(found)


def _parts(scores: npt.NDArray[np.generic]) -> Iterator[FloatArray]:
    """Yield scores of a few samples after another: those of dense outputs are many."""
    step = max(1, _NUMBERS_AT_ONCE // max(1, scores[:1].size))
    for first in range(0, len(scores), step):
        yield scores[first : first + step].astype(np.float64)


def _sureness(scores: FloatArray, *, is_probability: bool) -> FloatArray:
    """Return the highest probability and the margin of each sample, (2, samples).

    Parameters
    ----------
    scores
        Shape (samples, answers, classes).
    """
    is_number = np.asarray(np.isfinite(scores).all(axis=-1))
    known = np.where(is_number[..., np.newaxis], scores, 0.0)
    probabilities = known if is_probability else _softmax(known)
    highest = np.partition(known, -2, axis=-1)[..., -2:]
    found = np.stack([probabilities.max(axis=-1), highest[..., 1] - highest[..., 0]])
    return np.asarray(np.where(is_number, found, -np.inf).min(axis=-1))


def _are_probabilities(scores: FloatArray) -> bool:
    known = scores[np.isfinite(scores).all(axis=-1)]
    return bool((known >= 0).all() and (np.abs(known.sum(axis=-1) - 1) <= _SUM_TOLERANCE).all())


def _softmax(scores: FloatArray) -> FloatArray:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def trials_of(
    big: Arrays,
    small: Arrays,
    choosing: Indices,
    judging: Indices,
    labels: Mapping[str, npt.NDArray[np.int64]] | None,
) -> Trials | None:
    """Put together what two models answered; None: no output tells how sure the small one is.

    Parameters
    ----------
    big, small
        Output name -> array of shape (samples, *output shape), the same names and shapes.
    choosing, judging
        The places of the samples that choose the threshold, and of those that judge it.
    labels
        Output name -> what is right, shape (samples,); of outputs with one answer for a sample.
    """
    found = confidence_of(small)
    if found is None or not len(choosing) or not len(judging):
        return None
    right = None
    if labels is not None:
        right = right_answers(small, labels), right_answers(big, labels)
    return Trials(*found, agreeing(big, small), right, choosing, judging)


def choose(trials: Trials, wanted: Wanted) -> CascadeFacts | NoCascade:
    """Choose measure and threshold with the least escalation on one half; judge on the other."""
    if wanted.accuracy_ratio is not None and trials.right is None:
        return NoCascade.NO_LABELS
    most = max(wanted.agreement_ratio or 0.0, wanted.accuracy_ratio or 0.0)
    if not proves(len(trials.judging), most):
        every = len(trials.choosing) + len(trials.judging)
        is_needless = proves(every, most) and _is_right_alone(trials, wanted)
        return NoCascade.NEEDLESS if is_needless else NoCascade.TOO_FEW
    for chance in CHANCES_OF_PROOF:
        best = _surest(trials, wanted, chance)
        if best is not None:
            passed_on, measure, threshold = best
            if not passed_on:
                return NoCascade.NEEDLESS
            return judge(trials, measure, threshold, wanted)
    return NoCascade.NEVER_SURE if _is_provable(trials, wanted) else NoCascade.UNPROVABLE


def _surest(trials: Trials, wanted: Wanted, chance: float) -> tuple[int, Measure, float] | None:
    """Return how many that choose are passed on at least, and by which measure and threshold.

    None: no threshold leaves so much chance of a proof.
    """
    at = trials.choosing
    best: tuple[int, Measure, float] | None = None
    for measure, confidence in trials.confidences:
        order = np.argsort(-confidence[at], kind="stable")
        ordered = confidence[at][order]
        # a threshold takes all samples of the same confidence
        is_last = np.append(ordered[1:] < ordered[:-1], [True])
        is_kept = _are_kept(trials, at[order], wanted, chance)
        fitting = np.flatnonzero(is_last & is_kept & np.isfinite(ordered))
        if fitting.size:
            passed_on = len(at) - 1 - int(fitting[-1])
            if best is None or passed_on < best[0]:
                best = passed_on, measure, float(ordered[fitting[-1]])
    return best


def _is_right_alone(trials: Trials, wanted: Wanted) -> bool:
    """Tell whether the small model answers all samples that choose as wanted."""
    at = trials.choosing
    is_right = wanted.agreement_ratio is None or bool((trials.agrees[at] == 1).all())
    if wanted.accuracy_ratio is not None and trials.right is not None:
        is_right &= bool(trials.right[0][at].all())
    return is_right


def _is_provable(trials: Trials, wanted: Wanted) -> bool:
    """Tell whether a proof is likely if the big model answers, by the samples that choose."""
    if wanted.accuracy_ratio is None or trials.right is None:
        return True
    counts = len(trials.choosing), len(trials.judging)
    wrong = int((~trials.right[1][trials.choosing]).sum())
    return wrong <= allowed_wrong(*counts, wanted.accuracy_ratio, CHANCES_OF_PROOF[-1])


def _are_kept(trials: Trials, at: Indices, wanted: Wanted, chance: float) -> npt.NDArray[np.bool_]:
    """Tell for each sample that chooses whether what is wanted is kept if those up to it go alone.

    Parameters
    ----------
    at
        The places of the samples, the surest first.
    chance
        That the samples that judge prove it.
    """
    counts = len(at), len(trials.judging)
    is_kept = np.ones(len(at), dtype=np.bool_)
    if wanted.agreement_ratio is not None:
        is_whole = bool(np.isin(trials.agrees, (0.0, 1.0)).all())
        allowed = allowed_wrong(*counts, wanted.agreement_ratio, chance, is_whole=is_whole)
        is_kept &= np.cumsum(1 - trials.agrees[at]) <= allowed + 1e-9
    if wanted.accuracy_ratio is not None and trials.right is not None:
        small, big = (~one[at] for one in trials.right)
        wrong = np.cumsum(small) + int(big.sum()) - np.cumsum(big)
        is_kept &= wrong <= allowed_wrong(*counts, wanted.accuracy_ratio, chance)
    return is_kept


def judge(trials: Trials, measure: Measure, threshold: float, wanted: Wanted) -> CascadeFacts:
    """Return what a threshold does on the samples that judge."""
    confidence = dict(trials.confidences)[measure]
    at = trials.judging
    alone = confidence[at] >= threshold
    accuracy = None
    if trials.right is not None:
        small, big = trials.right
        right = int(np.where(alone, small[at], big[at]).sum())
        accuracy = Accuracy(right / len(at), *binomial_bounds(right, len(at)), len(at))
    passed_on = int((~alone).sum())
    steps = np.linspace(0, 1, CURVE_STEPS + 1)
    known = confidence[trials.choosing]
    known = known[np.isfinite(known)]
    thresholds = np.quantile(known, steps, method="lower") if known.size else ()
    return CascadeFacts(
        confidence=measure,
        scores=trials.scores,
        threshold=threshold,
        escalation=Rate(passed_on / len(at), *binomial_bounds(passed_on, len(at)), len(at)),
        agreement=_agreement(trials, alone),
        accuracy=accuracy,
        wanted=wanted,
        chosen_on=len(trials.choosing),
        curve=tuple(
            _point(trials, confidence, value)
            for value in sorted({*(float(one) for one in thresholds), threshold})
        ),
    )


def _point(trials: Trials, confidence: FloatArray, threshold: float) -> CurvePoint:
    alone = confidence[trials.judging] >= threshold
    kept = _agreement(trials, alone)
    return CurvePoint(threshold, float((~alone).mean()), kept.ratio, kept.low_ratio)


def _agreement(trials: Trials, alone: npt.NDArray[np.bool_]) -> Rate:
    """Return how often a cascade agrees, of the samples that judge."""
    scores = np.where(alone, trials.agrees[trials.judging], 1.0)
    ratio, count = float(scores.mean()), len(scores)
    if np.isin(scores, (0.0, 1.0)).all():
        bounds = binomial_bounds(round(float(scores.sum())), count)
    else:
        bounds = partly_bounds(ratio, count)
    return Rate(ratio, *bounds, count)
