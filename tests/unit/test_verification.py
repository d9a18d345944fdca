"""When a prediction holds, when it misses, and when nobody can tell."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placer.core.environment import Basis
from placer.core.estimate import Candidate, Placement, Quality, Recommendation, StageKind, Verdict
from placer.core.finding import Effect, Finding, Severity
from placer.core.measurement import SessionSettings
from placer.core.predicted import REUSE_FACTOR, predicted
from placer.core.settings import settings_of_label
from placer.core.verification import (
    NotRun,
    Outcome,
    Run,
    check_candidate,
    measured,
    percentiles_of,
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
    checked = check_candidate(candidate, ran, (0.99,), chosen=candidate)
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


def test_a_split_that_the_network_alone_made_too_slow_misses_where_it_is_quicker() -> None:
    """The head was disturbed, but the lower end has none of its time."""
    hog = Quality(is_disturbed=True, reasons=("a hog",))
    split = predicting(7 * P99_S, None, basis=Basis.ASSUMED, quality=hog)
    reason = "at least 69.1 ms, even without any time on the device"
    target = replace(split.targets[0], verdict=Verdict.VIOLATED, reason=reason)
    split = replace(split, targets=(target,))
    assert outcome(split, run()) == (Outcome.MISSED, "quicker than predicted")
    assert outcome(split, run(100.0))[0] is Outcome.WITHIN
    answer = replace(answers.edge_wins(), candidates=(edge(), split))
    found = verify(answer, [NotRun("not here"), run()], recommendation="a.json", model="m.onnx")
    assert found.outcome is Outcome.MISSED
    assert split.id in found.reason


def test_an_open_end_is_not_missed() -> None:
    assert outcome(predicting(0.5 * P99_S, None), run(100.0))[0] is Outcome.WITHIN
    assert outcome(predicting(None, 2 * P99_S), run(0.01))[0] is Outcome.WITHIN


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    ("interval", "scale", "told"),
    [
        ((0.5 * P99_S, None), 100.0, "within (only quicker could miss)"),
        ((None, 2 * P99_S), 0.01, "within (only slower could miss)"),
        ((0.9 * P99_S, 1.1 * P99_S), 1.0, "within"),
    ],
)
def test_the_row_says_which_side_alone_could_miss(
    interval: tuple[float | None, float | None], scale: float, told: str, width: int
) -> None:
    answer = replace(answers.edge_wins(), candidates=(predicting(*interval),))
    found = verify(answer, [run(scale)], recommendation="a.json", model="m.onnx")
    text = render(found, "text", width=width)
    assert max(map(len, text.splitlines())) <= width
    last_column = [line[max(0, line.rfind("  ")) :].strip() for line in text.splitlines()]
    assert told in " ".join(last_column)


def test_without_an_interval_nothing_is_judged() -> None:
    found, reason = outcome(replace(predicting(None, None), targets=()), run())
    assert found is Outcome.NOT_JUDGED
    assert "--sla p99=TIME" in reason


KNOWN_TO_P95 = "network 'fiber_100': its round-trip time is known up to p95, not p99"


def test_why_nothing_is_judged_is_told_with_what_helps() -> None:
    assert outcome(predicting(None, None), run())[1] == (
        "too few runs bounded it: recommend again with a longer --time-limit"
    )
    over = Finding("PLC203", Severity.ERROR, Effect.UNPROVEN, "asked for too much", "ask for less")
    flooded = predicting(None, None, findings=(over,))
    endless = "more requests arrive than are served, so the wait grows without end"
    target = replace(flooded.targets[0], value_s=None, reason=endless)
    assert outcome(replace(flooded, targets=(target,)), run())[1] == (
        f"no time was saved, {endless}: recommend again with a lower --rate"
    )
    hog = Quality(is_disturbed=True, reasons=("a hog",))
    split = predicting(0.5 * P99_S, None, basis=Basis.ASSUMED, quality=hog)
    target = replace(split.targets[0], reason=KNOWN_TO_P95)
    found, reason = outcome(replace(split, targets=(target,)), run())
    assert found is Outcome.NOT_JUDGED
    assert reason == (
        "its lower end does not count, as other programs disturbed what was measured for it: "
        f"recommend again on a quiet machine; it has no upper end ({KNOWN_TO_P95}): probe "
        "that network, or ask for a percentile that it tells"
    )
    checked = check_candidate(split, run(), (0.9,), chosen=split)
    assert "recommend with --sla p90=TIME" in checked.quantiles[0].reason


def test_a_time_far_from_what_was_predicted_is_told_although_nothing_judges_it() -> None:
    answer = answers.edge_wins()
    latency = edge().latency
    assert latency is not None
    for scale, told in ((40.0, "its p50 is 40 times the prediction"), (1.5, "")):
        p50_s = float(np.median(RUNS_S)) / scale
        slow = replace(edge(), targets=(), latency=replace(latency, p50_s=p50_s, p99_s=P99_S))
        changed = replace(answer, candidates=(replace(slow, basis=Basis.ASSUMED),), targets=())
        found = verify(changed, [run()], recommendation="a.json", model="m.onnx")
        assert found.outcome is Outcome.NOT_JUDGED
        assert told in found.reason
        assert ("times" in found.reason) is bool(told)


def test_too_few_runs_do_not_decide() -> None:
    few = Run("cpu here", (np.array(RUNS_S[:40]),))
    high_s = float(np.quantile(RUNS_S[:40], 0.98)) / REUSE_FACTOR
    assert outcome(predicting(0.1 * P99_S, high_s * 0.999), few)[0] is Outcome.UNDECIDED


def median(candidate: Candidate, *segments: list[float]) -> tuple[Outcome, str]:
    """Judge the median alone, of few runs."""
    target = replace(candidate.targets[0], percentile=0.5)
    ran = Run("there", tuple(np.array(one) for one in segments))
    checked = check_candidate(replace(candidate, targets=(target,)), ran, (0.5,), chosen=None)
    return checked.quantiles[0].outcome, checked.quantiles[0].reason


def test_what_no_bound_of_its_own_holds_is_undecided() -> None:
    for low_s, high_s in ((None, 1.0), (1e-9, None), (1e-9, 1.0)):
        assert median(predicting(low_s, high_s), [0.01] * 4) == (
            Outcome.UNDECIDED,
            "inside, but its requests do not bound it: raise --time-limit",
        )
        assert median(predicting(low_s, high_s), [0.01] * 5)[0] is Outcome.WITHIN


def test_a_drift_far_from_a_prediction_hides_no_miss() -> None:
    drift_s = [0.001 * 1.1**place for place in range(30)]  # quicker to slower, never near 10 s
    plain = measured([np.array(drift_s)], 0.5)
    assert plain.high_s is None
    assert median(predicting(10.0, 20.0), drift_s) == (Outcome.MISSED, "quicker than predicted")
    assert median(predicting(1e-6, 1e-5), drift_s) == (Outcome.MISSED, "slower than predicted")
    assert median(predicting(1e-6, 10.0), drift_s)[0] is Outcome.WITHIN
    near = predicting(0.0045 * REUSE_FACTOR, 1.0)
    assert median(near, drift_s)[0] is Outcome.UNDECIDED


def test_the_median_of_what_was_measured_is_judged_without_a_target() -> None:
    p50_s = float(np.median(RUNS_S))
    latency = edge().latency
    assert latency is not None
    candidate = replace(edge(), targets=(), latency=replace(latency, p50_s=p50_s))
    checked = check_candidate(candidate, run(), (0.5, 0.9), chosen=candidate)
    assert [one.outcome for one in checked.quantiles] == [Outcome.WITHIN, Outcome.NOT_JUDGED]
    assert checked.outcome is Outcome.WITHIN
    slower = check_candidate(candidate, run(1.3), (0.5,), chosen=candidate)
    assert slower.outcome is Outcome.MISSED
    cloud = replace(candidate, basis=Basis.TRANSFERRED)
    assert check_candidate(cloud, run(), (0.5,), chosen=cloud).outcome is Outcome.NOT_JUDGED


def held(*ran: Run | NotRun) -> Any:
    """Verify an answer whose first candidates ran so."""
    answer = wide(answers.edge_wins())
    others = [NotRun("no server")] * (len(answer.candidates) - len(ran))
    return verify(answer, [*ran, *others], recommendation="answer.json", model="model.onnx")


def wide(answer: Recommendation) -> Recommendation:
    """Return it with intervals that nothing misses, and all of it feasible."""
    return replace(
        answer,
        candidates=tuple(
            replace(
                one,
                targets=tuple(replace(t, low_s=1e-9, high_s=1e3) for t in one.targets),
                latency=None,
                feasible=True,
                findings=(),
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
    assert found.regret_ratio is None
    assert "No rival that may be chosen ran" in render(found, "text")
    assert found.candidates[1].outcome is Outcome.NOT_JUDGED


def test_a_chosen_one_that_did_not_run_as_a_whole_did_run() -> None:
    found = held(run(0.1, not_compared="the tail ran here"), run())
    assert found.regret_ratio is None
    assert "The chosen did not run as a whole; of what ran as a whole," in render(found, "text")
    assert "The chosen did not run; of what ran," in render(held(NotRun("no"), run()), "text")


def doubted(rule: str, effect: Effect, *, missing: bool, feasible: bool | None = None) -> Any:
    """Verify an answer whose second candidate is quicker, and has this finding."""
    answer = wide(answers.edge_wins())
    finding = Finding(rule, Severity.WARNING, effect, "it is not proven", "prove it")
    rival = replace(answer.candidates[1], findings=(finding,), feasible=feasible)
    if missing:
        targets = tuple(replace(one, low_s=10.0, high_s=20.0) for one in rival.targets)
        rival = replace(rival, targets=targets)
    others = answer.candidates[2:]
    changed = replace(answer, candidates=(answer.candidates[0], rival, *others))
    runs: list[Run | NotRun] = [run(1.2), run(), *(NotRun("no server") for _ in others)]
    return verify(changed, runs, recommendation="a.json", model="m.onnx")


@pytest.mark.parametrize(
    ("rule", "effect", "feasible"),
    [("PLC406", Effect.UNPROVEN, None), ("PLC101", Effect.VIOLATED, False)],
)
def test_what_may_not_be_chosen_is_told_apart(
    rule: str, effect: Effect, feasible: bool | None
) -> None:
    found = doubted(rule, effect, missing=True, feasible=feasible)
    assert found.regret_ratio is None
    assert found.best == found.chosen
    assert found.outcome is Outcome.WITHIN
    rival = found.candidates[1]
    assert (rival.outcome, rival.barred) == (Outcome.MISSED, "it is not proven")
    assert f"{rival.id}, which may not be chosen, misses its interval." in found.reason
    text = " ".join(render(found, "text").split())
    assert f"Not counted, since they may not be chosen: {rival.id}" in text
    assert "it may not be chosen: it is not proven" in text


def test_a_miss_of_what_its_time_alone_bars_counts() -> None:
    found = doubted("PLC201", Effect.VIOLATED, missing=True, feasible=False)
    assert found.outcome is Outcome.MISSED
    assert found.regret_ratio is None
    held_back = doubted("PLC202", Effect.UNPROVEN, missing=False)
    assert held_back.candidates[1].barred == ""
    assert held_back.regret_ratio == pytest.approx(0.2)


def test_the_answer_names_what_was_judged() -> None:
    p50_s = float(np.median(RUNS_S))
    answer = wide(answers.edge_wins())
    quality = Quality(is_disturbed=True, reasons=("a hog",))
    latency = edge().latency
    assert latency is not None
    chosen = replace(
        answer.candidates[0],
        targets=(),
        basis=Basis.MEASURED,
        latency=replace(latency, p50_s=p50_s),
        quality=quality,
    )
    found = verify(
        replace(answer, candidates=(chosen,), targets=()),
        [run(disturbed=("a hog",))],
        recommendation="a.json",
        model="m.onnx",
    )
    assert found.reason == (
        f"The measured p50 of {chosen.id} lies within what was predicted; of p50 only slower would "
        "have missed; not judged: p90 and p99; other programs disturbed the run."
    )


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


@pytest.mark.parametrize("rule", ["PLC203", "PLC204"])
def test_requests_in_turn_settle_no_capacity(rule: str) -> None:
    unproven = doubted(rule, Effect.UNPROVEN, missing=False)
    assert unproven.candidates[1].barred == "it is not proven"
    assert unproven.best == unproven.chosen
    over = doubted(rule, Effect.VIOLATED, missing=True, feasible=False)
    assert not over.candidates[1].is_barred_by_time
    assert over.outcome is Outcome.WITHIN


def test_what_is_not_feasible_without_a_reason_is_not_barred_by_time() -> None:
    found = doubted("PLC406", Effect.NONE, missing=True, feasible=False)
    rival = found.candidates[1]
    assert (rival.barred, rival.is_barred_by_time) == ("it is not feasible", False)
    assert found.outcome is Outcome.WITHIN
