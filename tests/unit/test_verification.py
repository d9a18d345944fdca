"""When a prediction holds, when it misses, and when nobody can tell."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placer.core.environment import Basis
from placer.core.estimate import Candidate, Placement, Quality, Recommendation, StageKind
from placer.core.measurement import SessionSettings
from placer.core.settings import settings_of_label
from placer.core.verification import (
    REUSE_FACTOR,
    NotRun,
    Outcome,
    Run,
    check_candidate,
    percentiles_of,
    predicted,
    verify,
)
from placer.reports.verification import EXIT_CODES, FORMATS, render
from tests import answers, builders

RUNS_S = builders.samples(0.010, runs=2000, seed=3)


def edge() -> Candidate:
    """A candidate that was measured, with a target at p99."""
    answer = answers.edge_wins()
    return next(one for one in answer.candidates if one.placement is Placement.EDGE)


def predicting(low_s: float | None, high_s: float | None, **changes: Any) -> Candidate:
    """The same, with this interval at p99 before it is widened."""
    target = replace(edge().targets[0], percentile=0.99, value_s=0.01, low_s=low_s, high_s=high_s)
    return replace(edge(), targets=(target,), **changes)


def run(scale: float = 1.0, **changes: Any) -> Run:
    half = len(RUNS_S) // 2
    segments = (np.array(RUNS_S[:half]) * scale, np.array(RUNS_S[half:]) * scale)
    return Run("cpu here, 1 thread", segments, **changes)


def outcome(candidate: Candidate, ran: Run) -> tuple[Outcome, str]:
    checked = check_candidate(candidate, ran, (0.99,), is_chosen=True)
    (quantile,) = checked.quantiles
    return quantile.outcome, quantile.reason


P99_S = float(np.quantile(RUNS_S, 0.99))


def test_a_time_inside_of_the_interval_holds() -> None:
    assert outcome(predicting(0.9 * P99_S, 1.1 * P99_S), run())[0] is Outcome.WITHIN


def test_a_time_beyond_the_interval_misses() -> None:
    assert outcome(predicting(0.1 * P99_S, 0.5 * P99_S), run()) == (
        Outcome.MISSED,
        "slower than predicted",
    )


def test_what_was_measured_then_may_differ_by_the_factor_of_reuse() -> None:
    high_s = P99_S / (0.99 * REUSE_FACTOR)
    assert outcome(predicting(0.1 * P99_S, high_s), run())[0] is Outcome.WITHIN
    assumed = predicting(0.1 * P99_S, high_s, basis=Basis.ASSUMED)
    assert outcome(assumed, run(1.5))[0] is Outcome.MISSED
    assert predicted(assumed, 0.99).high_s == high_s


def test_contention_only_adds_time() -> None:
    disturbed = run(disturbed=("a hog",))
    assert outcome(predicting(0.1 * P99_S, 0.5 * P99_S), disturbed)[0] is Outcome.UNDECIDED
    assert outcome(predicting(2 * P99_S, 3 * P99_S), disturbed) == (
        Outcome.MISSED,
        "quicker than predicted",
    )


def test_what_was_disturbed_when_it_was_predicted_may_be_quicker_now() -> None:
    quality = Quality(is_disturbed=True, reasons=("a hog",))
    candidate = predicting(2 * P99_S, 3 * P99_S, quality=quality)
    assert outcome(candidate, run())[0] is Outcome.WITHIN


def test_an_open_end_is_not_missed() -> None:
    assert outcome(predicting(0.5 * P99_S, None), run(100.0))[0] is Outcome.WITHIN
    assert outcome(predicting(None, 2 * P99_S), run(0.01))[0] is Outcome.WITHIN


def test_without_an_interval_nothing_is_judged() -> None:
    found, reason = outcome(predicting(None, None), run())
    assert found is Outcome.NOT_JUDGED
    assert "--sla p99=TIME" in reason


def test_too_few_runs_do_not_decide() -> None:
    few = Run("cpu here", (np.array(RUNS_S[:40]),))
    high_s = float(np.quantile(RUNS_S[:40], 0.98)) / REUSE_FACTOR
    assert outcome(predicting(0.1 * P99_S, high_s * 0.999), few)[0] is Outcome.UNDECIDED


def test_the_median_of_what_was_measured_is_judged_without_a_target() -> None:
    p50_s = float(np.median(RUNS_S))
    latency = edge().latency
    assert latency is not None
    candidate = replace(edge(), targets=(), latency=replace(latency, p50_s=p50_s))
    checked = check_candidate(candidate, run(), (0.5, 0.9), is_chosen=True)
    assert [one.outcome for one in checked.quantiles] == [Outcome.WITHIN, Outcome.NOT_JUDGED]
    assert checked.outcome is Outcome.WITHIN
    slower = check_candidate(candidate, run(1.3), (0.5,), is_chosen=True)
    assert slower.outcome is Outcome.MISSED
    cloud = replace(candidate, basis=Basis.TRANSFERRED)
    assert check_candidate(cloud, run(), (0.5,), is_chosen=True).outcome is Outcome.NOT_JUDGED


def held(*ran: Run | NotRun) -> Any:
    """Verify an answer whose first candidates ran so."""
    answer = wide(answers.edge_wins())
    others = [NotRun("no server")] * (len(answer.candidates) - len(ran))
    return verify(answer, [*ran, *others], recommendation="answer.json", model="model.onnx")


def wide(answer: Recommendation) -> Recommendation:
    """Return it with intervals that nothing misses."""
    return replace(
        answer,
        candidates=tuple(
            replace(
                one,
                targets=tuple(replace(t, low_s=1e-9, high_s=1e3) for t in one.targets),
                latency=None,
            )
            for one in answer.candidates
        ),
    )


def test_regret_is_what_the_quickest_would_have_gained() -> None:
    found = held(run(1.2), run(1.0))
    assert found.regret_ratio == pytest.approx(0.2)
    assert found.best == found.candidates[1].id
    assert held(run(1.0), run(1.2)).regret_ratio == 0


def test_what_did_not_run_as_a_whole_has_no_regret() -> None:
    found = held(run(1.2), run(0.1, not_compared="the tail ran here"))
    assert found.regret_ratio == 0
    assert found.candidates[1].outcome is Outcome.NOT_JUDGED


def test_a_chosen_placement_that_did_not_run_is_inconclusive() -> None:
    found = held(NotRun("no server"), run())
    assert found.chosen == found.candidates[0].id
    assert found.outcome is Outcome.NOT_JUDGED
    assert EXIT_CODES[found.outcome] == 5
    assert found.regret_ratio is None
    assert "no server" in found.reason


def test_a_rival_that_misses_counts() -> None:
    answer = wide(answers.edge_wins())
    rival = answer.candidates[1]
    targets = tuple(replace(one, low_s=10.0, high_s=20.0) for one in rival.targets)
    candidates = (answer.candidates[0], replace(rival, targets=targets), *answer.candidates[2:])
    missing: list[Run | NotRun] = [NotRun("no server")] * (len(candidates) - 2)
    runs = [run(), run(), *missing]
    found = verify(
        replace(answer, candidates=candidates), runs, recommendation="a.json", model="m.onnx"
    )
    assert EXIT_CODES[found.outcome] == 1
    assert rival.id in found.reason


def test_every_report_tells_what_ran_and_what_did_not() -> None:
    found = held(run(1.2, disturbed=("a hog",), notes=("smaller requests",)), run())
    for name in FORMATS:
        text = render(found, name)
        for words in ("a hog", "smaller requests", "no server", found.candidates[0].id):
            assert words in text.replace("\n    ", " "), (name, words)
    assert "Regret: 20.0 %" in render(found, "text")
    assert all(len(line) <= 60 for line in render(found, "text", width=60).splitlines())
    assert json.loads(render(found, "json"))["regret_ratio"] == pytest.approx(0.2)


def test_the_quantiles_are_those_of_people_and_of_the_targets() -> None:
    answer = answers.edge_wins()
    targets = (replace(answer.targets[0], percentile=0.95),)
    assert percentiles_of(replace(answer, targets=targets)) == (0.5, 0.9, 0.95, 0.99)


@pytest.mark.parametrize(
    "settings",
    [
        SessionSettings(1, None),
        SessionSettings(2, True),
        SessionSettings(4, False),
        SessionSettings(2, None),
        SessionSettings(2, False, provider_options=(("a", "1"), ("b", "x, y"))),
        SessionSettings(1, None, io="device", provider_options=(("use_tf32", "0"),)),
    ],
)
def test_settings_are_read_back_from_what_an_answer_says(settings: SessionSettings) -> None:
    assert settings_of_label(settings.label) == settings


@pytest.mark.parametrize("text", ["", "fast", "2", "0 threads", "2 threads, warm", "x threads"])
def test_other_words_are_no_settings(text: str) -> None:
    assert settings_of_label(text) is None


def test_waiting_is_told_apart() -> None:
    from placer.api.verifying_runs import queued

    stage = replace(edge().stages[0], kind=StageKind.QUEUE, p99_s=0.1)
    assert "one at a time" in queued(replace(edge(), stages=(stage,)))
    assert queued(replace(edge(), stages=(replace(stage, p99_s=0.0),))) == ""
