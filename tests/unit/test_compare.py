from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from placer.core.compare import compare_measurements, compare_recommendations
from placer.core.comparison import Change, Comparison, Trend
from placer.core.environment import Assumption, Basis
from placer.core.errors import UsageError
from placer.core.estimate import Candidate, Latency, Quality, Recommendation, Verdict
from placer.core.measurement import Measurement, SessionSettings
from placer.reports.comparison import FORMATS, render
from placer.reports.comparison.json import comparison_schema, to_json
from tests import answers, builders

GOLDEN = Path(__file__).parent.parent / "golden" / "comparisons"
SUFFIXES = {"text": "txt", "json": "json", "markdown": "md"}
PATHS = ("before.json", "after.json")


def measured(scale: float = 1.0, *, seed: int = 1, runs: int = 3000, **changes: Any) -> Measurement:
    values_s = builders.samples(0.01 * scale, runs=runs, seed=seed)
    return builders.measurement(values_s=values_s, **changes)


def compared(a: Measurement, b: Measurement, *, tolerance_ratio: float = 0.02) -> Comparison:
    return compare_measurements(
        a,
        b,
        paths=PATHS,
        tolerance_ratio=tolerance_ratio,
        rng=np.random.default_rng(1),
        replicates=300,
    )


def changes(found: Comparison) -> list[str]:
    return [one.change.value for one in found.items[0].quantiles]


DISTURBED = builders.quiet(reasons=("other programs held the cores",))


# Evidence


def test_ten_percent_slower_is_slower_and_the_other_way_round_faster() -> None:
    a, b = measured(), measured(1.1, seed=2)
    slower, faster = compared(a, b), compared(b, a)
    assert changes(slower) == ["slower", "slower"]
    assert slower.is_worse
    assert slower.items[0].quantiles[0].ratio == pytest.approx(1.1, rel=0.01)
    assert slower.reason.startswith("On cpu, B is slower at p50 and p99, 1.1 times and ")
    assert changes(faster) == ["faster", "faster"]
    assert not faster.is_worse


def test_another_run_of_the_same_is_the_same() -> None:
    found = compared(measured(), measured(seed=2))
    assert changes(found)[0] == "same"
    assert not found.is_worse
    assert found.is_same_model
    assert found.differences == ()


def test_a_change_below_the_tolerance_is_none() -> None:
    a, b = measured(), measured(1.1, seed=2)
    assert set(changes(compared(a, b, tolerance_ratio=0.2))) == {"same"}
    assert set(changes(compared(a, b, tolerance_ratio=0.0))) == {"slower"}


def test_the_tolerance_that_an_undecided_quantile_names_makes_it_the_same() -> None:
    a, b = measured(runs=1500), measured(1.02, seed=2, runs=1500)
    median = compared(a, b).items[0].quantiles[0]
    assert median.change is Change.UNDECIDED
    assert "lies neither beyond nor within 2 %" in median.reason
    percent = float(median.remedy.partition("--tolerance ")[2].partition("%")[0])
    again = compared(a, b, tolerance_ratio=percent / 100).items[0].quantiles[0]
    assert again.change is Change.SAME


@pytest.mark.parametrize(
    ("scale", "is_a", "expected"),
    [
        (1.2, False, "undecided"),
        (0.8, False, "faster"),
        (1.0, False, "undecided"),
        (1.2, True, "slower"),
        (0.8, True, "undecided"),
        (1.0, True, "undecided"),
    ],
)
def test_contention_only_adds_time(scale: float, is_a: bool, expected: str) -> None:
    a, b = measured(), measured(scale, seed=2)
    if is_a:
        a = replace(a, instrument=DISTURBED)
    else:
        b = replace(b, instrument=DISTURBED)
    found = compared(a, b)
    assert changes(found) == [expected, expected]
    median = found.items[0].quantiles[0]
    if expected == "undecided":
        assert (
            median.reason == f"{'A' if is_a else 'B'} was disturbed, and contention only adds time"
        )
        assert "--fresh" in median.remedy
    assert "disturbed" in {one.what for one in found.differences}


def test_few_runs_leave_p99_undecided_and_say_how_many_it_takes() -> None:
    found = compared(measured(runs=90), measured(1.3, seed=2, runs=90))
    assert changes(found) == ["slower", "undecided"]
    p99 = found.items[0].quantiles[1]
    assert p99.reason == "90 runs of A are too few to bound p99, it takes about 368"
    assert "--sla p99=" in p99.remedy
    assert found.items[0].change is Change.SLOWER


def test_one_process_decides_nothing() -> None:
    a = measured()
    b = replace(measured(1.5, seed=2), processes=measured(1.5).processes[:1])
    median = compared(a, b).items[0].quantiles[0]
    assert median.change is Change.UNDECIDED
    assert median.reason == "B was measured in one process, and fresh processes differ"


def test_the_same_samples_are_the_same_and_it_is_said_why() -> None:
    found = compared(measured(), measured())
    assert changes(found) == ["same", "same"]
    assert "same samples" in found.items[0].quantiles[0].reason


def test_what_differs_is_listed() -> None:
    a = measured()
    b = replace(
        measured(seed=2),
        subjects=(("other.onnx", "cd" * 32),),
        machine=replace(a.machine, cpu="Other CPU", cores=8, memory_bytes=None),
        runtime="onnxruntime 1.33.0",
        settings=SessionSettings(1, False, provider_options=(("device_id", "1"),)),
        input_shapes=(("x", (8, 3, 64, 64)), ("mask", ())),
        gap_s=0.05,
        measured_at="2026-12-24",
    )
    found = compared(a, b)
    assert not found.is_same_model
    listed = {one.what: (one.a, one.b) for one in found.differences}
    assert listed == {
        "model": (f"model.onnx ({builders.SHA[:12]})", "other.onnx (cdcdcdcdcdcd)"),
        "input shapes": ("x 1x3x64x64", "x 8x3x64x64, mask scalar"),
        "processor": ("Test CPU", "Other CPU"),
        "cores": ("4", "8"),
        "memory": ("8.00 GB", None),
        "runtime": ("onnxruntime 1.32.0", "onnxruntime 1.33.0"),
        "threads": ("4", "1"),
        "spinning": ("yes", "no"),
        "provider options": (None, "device_id=1"),
        "idle before each run": ("none", "50.0 ms"),
        "date": ("2026-11-23", "2026-12-24"),
    }
    assert "Different models!" in render(found, "text")


def test_two_execution_providers_are_named() -> None:
    found = compared(measured(), measured(0.5, seed=2, ep="cuda"))
    assert found.items[0].id == "cpu → cuda"
    assert "execution provider" in {one.what for one in found.differences}


# Recommendations


def edge(answer: Recommendation) -> Candidate:
    return next(one for one in answer.candidates if one.id == "edge:cpu")


def with_edge(answer: Recommendation, **changes: Any) -> Recommendation:
    changed = replace(edge(answer), **changes)
    return replace(
        answer,
        candidates=tuple(changed if one.id == changed.id else one for one in answer.candidates),
    )


def answered(a: Recommendation, b: Recommendation, **options: float) -> Comparison:
    return compare_recommendations(a, b, paths=PATHS, **options)


def with_p99(
    answer: Recommendation, value_s: float, low_s: float, high_s: float | None, **changes: Any
) -> Recommendation:
    (target,) = edge(answer).targets
    target = replace(target, value_s=value_s, low_s=low_s, high_s=high_s, **changes)
    latency = Latency(value_s / 1.1, value_s, value_s, value_s, value_s)
    return with_edge(answer, targets=(target,), latency=latency)


@pytest.mark.parametrize("name", answers.SAMPLES)
def test_an_answer_is_the_same_as_itself(name: str) -> None:
    answer = answers.SAMPLES[name]()
    found = answered(answer, answer)
    assert not found.is_worse
    assert found.differences == ()
    assert found.decision is not None
    assert not found.decision.is_changed
    known = [item for item in found.items if item.quantiles[0].a_s is not None]
    assert {item.change for item in known} <= {Change.SAME}


@pytest.mark.parametrize(
    ("low_s", "high_s", "expected"),
    [
        (0.0132, 0.015, "slower"),
        (0.0130, 0.015, "undecided"),
        (0.0132, None, "slower"),
        (0.0100, 0.0120, "faster"),
        (0.0100, 0.0122, "undecided"),
        (0.0100, None, "undecided"),
    ],
)
def test_intervals_that_do_not_overlap_decide(
    low_s: float, high_s: float | None, expected: str
) -> None:
    a = answers.edge_wins()  # p99 of the device: 12.1 to 13.1 ms
    found = answered(a, with_p99(a, low_s * 1.01, low_s, high_s))
    item = next(one for one in found.items if one.id == "edge:cpu")
    assert item.change.value == expected
    assert found.is_worse == (expected == "slower")


def test_a_disturbed_answer_may_not_be_called_slower() -> None:
    a = answers.edge_wins()
    b = with_edge(
        with_p99(a, 0.016, 0.015, 0.018), quality=Quality(is_disturbed=True, reasons=("hog",))
    )
    item = next(one for one in answered(a, b).items if one.id == "edge:cpu")
    assert item.change is Change.UNDECIDED
    assert "B was disturbed" in item.quantiles[-1].reason


def test_a_worse_verdict_is_worse_whatever_the_latency() -> None:
    a = answers.edge_wins()
    b = with_p99(a, 0.0124, 0.0121, None, verdict=Verdict.UNPROVEN)
    item = next(one for one in answered(a, b).items if one.id == "edge:cpu")
    assert [one.trend for one in item.targets] == [Trend.WORSENED]
    assert answered(a, b).is_worse
    assert not answered(b, a).is_worse
    assert "1 verdict improved" in answered(b, a).reason


def test_a_changed_decision_is_told_with_both_reasons() -> None:
    a = answers.edge_wins()
    b = replace(answers.none_feasible(), model=a.model)
    found = answered(a, b)
    assert found.decision is not None
    assert found.decision.is_changed
    assert found.decision.trend is Trend.WORSENED
    assert found.reason.startswith("The decision changed from edge:cpu (feasible) to nothing feas")
    text = render(found, "text")
    assert "A said" in text
    assert "B says" in text


def test_assumptions_targets_and_costs_that_differ_are_told() -> None:
    a = answers.edge_wins()
    b = replace(
        with_edge(a, usd_per_month=5.0),
        assumptions=(Assumption("network", "lte_us", "", Basis.ASSUMED, "test"),),
    )
    found = answered(a, b)
    listed = {one.what: (one.a, one.b) for one in found.differences}
    assert listed["assumed network"] == ("fiber_100", "lte_us")
    assert "cost per month: $3.40 → $5.00" in render(found, "text")


def test_candidates_of_one_side_are_listed() -> None:
    a = answers.edge_wins()
    b = replace(a, candidates=a.candidates[:1])
    found = answered(a, b)
    assert found.only_in_a == tuple(one.id for one in a.candidates[1:])
    assert answered(b, a).only_in_b == found.only_in_a


# Reports


def slower_evidence() -> Comparison:
    b = replace(
        measured(1.1, seed=2),
        settings=SessionSettings(2, False),
        runtime="onnxruntime 1.33.0",
        measured_at="2026-12-24",
    )
    return compared(measured(), b)


def undecided_evidence() -> Comparison:
    return compared(
        measured(runs=120), replace(measured(1.05, seed=2, runs=120), instrument=DISTURBED)
    )


def changed_answer() -> Comparison:
    a = answers.edge_wins()
    return answered(a, replace(answers.none_feasible(), assumptions=()))


CASES: dict[str, Callable[[], Comparison]] = {
    "slower_evidence": slower_evidence,
    "undecided_evidence": undecided_evidence,
    "changed_answer": changed_answer,
}
GOLDEN_CASES = [
    *((name, "text") for name in CASES),
    ("slower_evidence", "json"),
    ("changed_answer", "markdown"),
]


@pytest.mark.parametrize(("name", "format"), GOLDEN_CASES)
def test_reports_read_as_agreed(name: str, format: str) -> None:
    report = render(CASES[name](), format)
    path = GOLDEN / f"{name}.{SUFFIXES[format]}"
    if os.environ.get("PLACER_GOLDEN") == "1":
        assert not os.environ.get("CI"), "golden files are not rewritten in CI"
        path.write_text(report, encoding="utf-8")
    assert report == path.read_text(encoding="utf-8")


def test_no_golden_file_is_left_behind() -> None:
    names = {f"{name}.{SUFFIXES[format]}" for name, format in GOLDEN_CASES}
    assert {path.name for path in GOLDEN.iterdir()} == names


@pytest.mark.parametrize("name", CASES)
def test_lines_fit_and_colour_is_only_there_when_asked(name: str) -> None:
    text = render(CASES[name](), "text", width=80)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text
    assert "\x1b[" in render(CASES[name](), "text", color=True)


@pytest.mark.parametrize("name", CASES)
def test_json_follows_its_schema(name: str) -> None:
    Draft202012Validator(comparison_schema()).validate(json.loads(to_json(CASES[name]())))


def test_every_format_ends_with_a_newline_and_is_repeatable() -> None:
    for format in FORMATS:
        first, second = (render(changed_answer(), format) for _ in "ab")
        assert first == second
        assert first.endswith("\n")


def test_rejects_an_unknown_format_and_names_the_near_one() -> None:
    with pytest.raises(UsageError, match=r"'jsn' \(did you mean 'json'\?\)"):
        render(changed_answer(), "jsn")
