from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from placer.core.environment import Basis
from placer.core.errors import InputError, UsageError
from placer.core.estimate import (
    Candidate,
    Crossover,
    Decision,
    Flip,
    Latency,
    NextMeasurement,
    Placement,
    Recommendation,
    Site,
    Verdict,
)
from placer.core.finding import Effect, Finding, Severity
from placer.core.graph import TensorSpec
from placer.core.split import CutFacts
from placer.core.workload import LatencyTarget
from placer.reports import FORMATS, layout, render
from placer.reports.json import from_json, recommendation_schema, to_json
from placer.reports.variants import variant_rows
from tests.answers import (
    EDGE_SITE,
    MODEL,
    P99_20MS,
    SAMPLES,
    candidate,
    judged,
    spread,
    with_variants,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "reports"
GOLDEN_CASES = [
    *((name, "text", 80) for name in SAMPLES),
    *((name, "text", 60) for name in ("edge_wins", "cloud_unproven")),
    *((name, "text", 120) for name in ("edge_wins", "crowded")),
    *((name, "markdown", 80) for name in ("edge_wins", "cloud_unproven", "crowded")),
    ("with_variants", "markdown", 80),
    *((name, "json", 80) for name in ("edge_wins", "none_feasible", "cascade_wins")),
    ("cascade_wins", "markdown", 80),
]
SUFFIXES = {"text": "txt", "markdown": "md", "json": "json"}


def of(hint: object, words: st.SearchStrategy[str], largest: float) -> st.SearchStrategy[Any]:
    """Any value of a type of core, with finite numbers."""
    plain: dict[object, st.SearchStrategy[Any]] = {
        str: words,
        int: st.integers(0, 2**40),
        float: st.floats(0, largest),
        bool: st.booleans(),
        NoneType: st.none(),
    }
    if hint in plain:
        return plain[hint]
    if isinstance(hint, UnionType):
        return st.one_of(*(of(part, words, largest) for part in get_args(hint)))
    if get_origin(hint) is tuple:
        first, *others = get_args(hint)
        if others == [...]:
            return st.lists(of(first, words, largest), max_size=2).map(tuple)
        return st.tuples(*(of(part, words, largest) for part in get_args(hint)))
    assert isinstance(hint, type)
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    fields = {name: of(part, words, largest) for name, part in get_type_hints(hint).items()}
    if "percentile" in fields:
        fields["percentile"] = st.floats(1e-9, 1 - 1e-9)
        fields["limit_s"] = st.floats(1e-9, 1e6)
    if hint is Site:
        counts = st.dictionaries(words, st.integers(0, 99), max_size=2)
        fields["nodes_by_ep"] = counts.map(lambda found: tuple(found.items()))
    if hint is Crossover:
        fields["placement"] = st.sampled_from([Placement.EDGE, Placement.CLOUD, Placement.SPLIT])
        fields["parameter"] = st.sampled_from(["network.uplink", "network.rtt"])
        fields["unit"] = st.sampled_from(["bytes_per_s", "s"])
    if hint is CutFacts:
        fields["tail_ratio"] = st.floats(0, 1)
    if hint is Candidate:
        fields["placement"] = st.sampled_from([p for p in Placement if p is not Placement.NONE])
        fields["rank"] = st.integers(1, 99)
    return st.builds(hint, **fields)


@st.composite
def answers(draw: st.DrawFn, words: st.SearchStrategy[str], largest: float) -> Recommendation:
    answer: Recommendation = draw(of(Recommendation, words, largest))
    chosen = draw(st.sampled_from([None, *(item.id for item in answer.candidates)]))
    return replace(answer, decision=replace(answer.decision, candidate=chosen))


SCHEMA = Draft202012Validator(recommendation_schema())
quick = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
tame = st.text(alphabet="abcdefgh |`<é漢-:@\n\x1b", max_size=40)


def only(item: Candidate, **changes: object) -> Recommendation:
    decision = Decision(item.placement, item.id, item.feasible, "because")
    whole = Recommendation(MODEL, (P99_20MS,), decision, (item,), (), None, (), ())
    return replace(whole, **changes)  # type: ignore[arg-type]  # each test names real fields


def edge(**changes: object) -> Candidate:
    latency = Latency(0.01, 0.011, 0.012, 0.013, 0.01)
    plain = candidate(
        "edge:cpu", Placement.EDGE, rank=1, feasible=True, verdict=Verdict.MET, latency=latency
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # each test names real fields


def text_of(answer: Recommendation, width: int = 80) -> str:
    return render(answer, "text", width=width)


@pytest.mark.parametrize(("name", "format", "width"), GOLDEN_CASES)
def test_reports_read_as_agreed(name: str, format: str, width: int) -> None:
    report = render(SAMPLES[name](), format, width=width)
    size = f".{width}" if format == "text" else ""
    path = GOLDEN / f"{name}{size}.{SUFFIXES[format]}"
    if os.environ.get("PLACER_GOLDEN") == "1":
        assert not os.environ.get("CI"), "golden files are not rewritten in CI"
        path.write_text(report, encoding="utf-8")
    assert report == path.read_text(encoding="utf-8")


def test_no_golden_file_is_left_behind() -> None:
    sized = {
        f"{name}{f'.{width}' if format == 'text' else ''}.{SUFFIXES[format]}"
        for name, format, width in GOLDEN_CASES
    }
    assert {path.name for path in GOLDEN.iterdir()} == sized


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", SAMPLES)
def test_equal_answers_give_equal_reports(name: str, format: str) -> None:
    first, second = (render(SAMPLES[name](), format, color=True) for _ in range(2))
    assert first == second
    assert first.endswith("\n")


def test_rejects_an_unknown_format_and_names_the_near_one() -> None:
    with pytest.raises(UsageError, match=r"'jsn' \(did you mean 'json'\?\)") as caught:
        render(SAMPLES["edge_wins"](), "jsn")
    assert caught.value.hint == "formats: text, json, markdown"


# JSON


@quick
@given(answers(st.text(max_size=12), 1e300))
def test_json_follows_its_schema_and_reads_back_equal(answer: Recommendation) -> None:
    written = to_json(answer)
    SCHEMA.validate(json.loads(written))
    assert from_json(written) == answer


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_answers_survive_json(name: str) -> None:
    answer = SAMPLES[name]()
    assert from_json(to_json(answer)) == answer
    assert to_json(from_json(to_json(answer))) == to_json(answer)


def test_json_has_every_key_of_the_contract() -> None:
    document = json.loads(to_json(SAMPLES["cloud_unproven"]()))
    whole = "schema model targets decision candidates variants flips crossovers "
    whole += "next_measurement findings"
    assert list(document) == [*whole.split(), "assumptions"]
    model = "path sha256 bytes parameters flops inputs outputs"
    site = "tier name device ep options region nodes_by_ep"
    target = "percentile limit_s value_s low_s high_s verdict probability"
    item = document["candidates"][1]
    expected: list[tuple[Mapping[str, object], str]] = [
        (document["model"], model),
        (document["model"]["inputs"][0], "name dtype shape"),
        (document["targets"][0], "percentile limit_s"),
        (document["decision"], "placement class candidate feasible reason"),
        (
            item,
            "id placement class feasible verdict basis rank variant sites latency_s targets "
            "stages bytes_up bytes_down uplink_bytes_per_month usd_per_month usd_per_million "
            "joules peak_memory_bytes agreement_ratio leaves_device cut quality findings",
        ),
        (item["sites"][0], site),
        (item["latency_s"], "p50 p90 p95 p99 mean"),
        (item["targets"][0], target),
        (item["stages"][0], "kind site path p50_s p99_s basis source"),
        (item["quality"], "disturbed reasons"),
        (document["flips"][0], "parameter unit now at becomes"),
        (document["next_measurement"], "what why command"),
        (document["findings"][0], "rule severity message remedy location"),
        (document["assumptions"][0], "name value unit basis source"),
    ]
    for part, keys in expected:
        assert set(keys.split()) <= set(part)
    assert item["sites"][0]["nodes_by_ep"] == {"cpu": 66}
    assert (item["class"], item["cut"], item["variant"]) == ("edge", None, None)
    assert document["decision"]["class"] == "cloud"
    assert document["findings"][0]["severity"] == "note"


def test_json_writes_numbers_that_are_not_finite_as_null() -> None:
    item = edge(
        latency=Latency(0.01, 0.02, 0.03, math.inf, math.nan),
        targets=(judged(math.inf, 0.1, math.inf, verdict=Verdict.VIOLATED),),
        capacity_hz=math.nan,
    )
    written = to_json(only(item))
    document = json.loads(written, parse_constant=pytest.fail)
    assert document["candidates"][0]["latency_s"]["p99"] is None
    assert document["candidates"][0]["targets"][0]["high_s"] is None
    assert document["candidates"][0]["capacity_hz"] is None
    SCHEMA.validate(document)
    again = from_json(written)
    assert again.candidates[0].latency is not None
    assert math.isnan(again.candidates[0].latency.p99_s)
    assert to_json(again) == written


def test_reading_ignores_keys_that_version_1_gained_later() -> None:
    document = json.loads(to_json(SAMPLES["edge_wins"]()))
    document["carbon_kg"] = 1
    document["candidates"][0]["carbon_kg"] = 2
    assert from_json(json.dumps(document)) == SAMPLES["edge_wins"]()
    SCHEMA.validate(document)


def broken(**changes: object) -> str:
    return json.dumps(json.loads(to_json(SAMPLES["edge_wins"]())) | changes)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bytes", -1),
        ("tail_ratio", 1.5),
        ("tail_ratio", -1),
        ("difference_ratio", -1),
        ("wire_bytes", -1),
        ("wire_error_ratio", -1),
        ("wire_samples", -1),
    ],
)
def test_reading_rejects_a_cut_of_nonsense(key: str, value: float) -> None:
    document = json.loads(to_json(SAMPLES["split_wins"]()))
    cut = next(one["cut"] for one in document["candidates"] if one["cut"] is not None)
    cut[key] = value
    with pytest.raises(InputError, match=rf"cut\.{key}: input should be .*found '?{value}"):
        from_json(json.dumps(document), where="saved.json")


def test_a_word_that_is_none_of_those_known_is_told_in_the_words_of_the_file() -> None:
    named = next(name for name, make in SAMPLES.items() if make().crossovers)
    document = json.loads(to_json(SAMPLES[named]()))
    document["crossovers"][0]["placement"] = "edgy"
    with pytest.raises(InputError, match=r"should be 'edge', 'cloud' or 'split', found 'edgy'"):
        from_json(json.dumps(document), where="saved.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"saved\.json is not JSON: .*line 1 column 2"),
        ("[" * 100_000, r"saved\.json is not JSON"),
        ("[]", r"is not a recommendation: it has no 'schema' key"),
        ('{"schema": "sarif"}', r"it has the schema 'sarif', expected"),
        ('{"schema": 7}', r"it has the schema 7, expected"),
        (broken(schema="placer/recommendation/v2"), r"recommendation/v2', this placer reads"),
        (broken(targets="none"), r"saved\.json: targets: input should be a valid .*found 'none'"),
        (broken(targets=[{"percentile": 99, "limit_s": 1}]), r"targets\[0\]\.percentile: .*99"),
        ('{"schema": "placer/recommendation/v1"}', r"model: field required \(and 7 more\)"),
        (
            broken(
                findings=[
                    {
                        "rule": "PLC101",
                        "severity": "fatal",
                        "effect": "none",
                        "message": "",
                        "remedy": "",
                        "location": None,
                    }
                ]
            ),
            r"findings\[0\]\.severity: .*one of note, warning, error, found 'fatal'",
        ),
        (
            broken(
                decision={
                    "placement": "edge",
                    "class": "edge",
                    "candidate": "gone",
                    "feasible": True,
                    "reason": "",
                }
            ),
            r"decision\.candidate is 'gone', which is none of its candidates",
        ),
    ],
)
def test_reading_rejects_what_is_not_a_recommendation(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        from_json(text, where="saved.json")
    assert caught.value.hint


# text


@quick
@given(answers(tame, 1e6), st.integers(1, 200))
def test_text_keeps_within_its_width_and_shows_no_raw_values(
    answer: Recommendation, width: int
) -> None:
    report = text_of(replace(answer, next_measurement=None), width)
    widest = min(max(width, 60), 120)
    assert all(layout.display_width(line) <= widest for line in report.splitlines())
    assert "\x1b" not in report
    assert not re.search(r"\b(None|nan|inf|True|False)\b", report)
    assert all(line == line.rstrip() for line in report.splitlines())


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_colours_change_nothing_but_colours(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    colored = render(SAMPLES[name](), "text", width=width, color=True)
    assert "\x1b[1m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == text_of(SAMPLES[name](), width)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_first_line_is_the_verdict_and_its_reason(name: str) -> None:
    answer = SAMPLES[name]()
    sign = {True: "✔", False: "✖", None: "?"}[answer.decision.feasible]
    first = text_of(answer, 120).splitlines()[0]
    assert first.startswith(f"{sign} ")
    assert answer.decision.reason.startswith(first[2:])


def test_three_candidates_fit_on_about_one_screen() -> None:
    assert len(text_of(SAMPLES["fallback_wins"](), 80).splitlines()) <= 64


def test_says_what_a_bare_limit_means() -> None:
    assert "--sla 20ms means p99 ≤ 20 ms" in text_of(SAMPLES["edge_wins"]())
    odd = only(edge(), targets=(LatencyTarget(0.99, 0.0333), LatencyTarget(0.95, 2.5e-6)))
    assert "p99 ≤ 33.3 ms; p95 ≤ 2.5 µs" in text_of(odd)
    assert "2 s" in text_of(only(edge(), targets=(LatencyTarget(0.5, 2.0),)))
    assert "none given, so no latency is judged" in text_of(only(edge(), targets=()))


def test_unknown_is_never_shown_as_zero() -> None:
    unknown = edge(
        latency=None, bytes_up=None, bytes_down=None, usd_per_month=None, targets=(), sites=()
    )
    report = text_of(only(unknown))
    assert re.search(r"cost per month +unknown", report)
    assert re.search(r"per request +unknown ↑ unknown ↓", report)
    assert re.search(r"runs on +unknown", report)
    assert "$0" not in report
    assert not re.search(r"\b0 (B|s|ms)", report)
    free = edge(usd_per_month=0.0)
    assert re.search(r"cost per month +\$0", text_of(only(free)))


def test_a_latency_without_end_is_unknown_and_not_infinite() -> None:
    endless = edge(latency=Latency(0.01, 1.0, 2.0, math.inf, math.inf), targets=())
    report = text_of(only(endless, targets=()))
    assert re.search(r"latency p99 +unknown", report)
    assert re.search(r"p99 / p50 +unknown", report)


@pytest.mark.parametrize(
    ("verdict", "low_s", "high_s", "shown"),
    [
        (Verdict.MET, 0.012, 0.014, "✔ 13.0 ms (≤ 14.0 ms)"),
        (Verdict.MET, None, None, "✔ 13.0 ms"),
        (Verdict.VIOLATED, 0.012, None, "✖ 13.0 ms (≥ 12.0 ms)"),
        (Verdict.VIOLATED, None, None, "✖ 13.0 ms"),
        (Verdict.UNPROVEN, 0.012, 0.03, "? 13.0 ms (12.0 ms to 30.0 ms), 40 % likely"),
        (Verdict.UNPROVEN, None, 0.03, "? 13.0 ms (no lower bound, ≤ 30.0 ms), 40 % likely"),
        (Verdict.UNPROVEN, 0.012, None, "? 13.0 ms (≥ 12.0 ms, no upper bound), 40 % likely"),
        (Verdict.UNPROVEN, None, None, "? 13.0 ms (no bounds), 40 % likely"),
    ],
)
def test_a_verdict_is_shown_with_the_bound_that_carries_it(
    verdict: Verdict, low_s: float | None, high_s: float | None, shown: str
) -> None:
    target = judged(0.013, low_s, high_s, verdict=verdict, probability=0.4)
    row = next(
        line
        for line in render(only(edge(targets=(target,))), "markdown").splitlines()
        if line.startswith("| p99 ≤ 20 ms")
    )
    assert row == f"| p99 ≤ 20 ms | {shown} |  |  |"


def test_the_tightest_target_decides_the_margin() -> None:
    easy, hard = LatencyTarget(0.5, 1.0), LatencyTarget(0.99, 0.02)
    item = edge(
        targets=(
            judged(0.01, 0.01, 0.01, verdict=Verdict.MET, target=easy),
            judged(0.03, 0.025, 0.04, verdict=Verdict.VIOLATED, target=hard),
        )
    )
    report = text_of(only(item, targets=(easy, hard)))
    assert re.search(r"1 .* p99 30\.0 ms +−100 %", report)


def test_a_target_that_a_candidate_was_not_judged_for_is_unknown() -> None:
    report = text_of(only(edge(targets=())))
    assert re.search(r"p99 ≤ 20 ms +unknown", report)


def test_every_loser_says_why_it_lost() -> None:
    answer = SAMPLES["edge_wins"]()
    for width in (60, 80, 120):
        flat = " ".join(text_of(answer, width).split())
        assert all(c.why_not in flat for c in answer.candidates if c.why_not)


def test_control_characters_of_others_do_not_reach_the_terminal() -> None:
    evil = edge(id="edge\x1b[2J\x07:cpu\nnext", why_not="a\r\nb\tc")
    report = text_of(only(evil))
    assert "edge [2J :cpu next" in report
    assert "a b c" in report
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", report)


def test_long_lists_are_folded_with_a_count() -> None:
    report = text_of(SAMPLES["crowded"]())
    assert "+ 8 candidates of lower rank" in report
    assert "+ 2 notes (all of it: --output json)" in report
    assert "+ 4 more (all of it: --output json)" in report


def test_findings_are_grouped_with_errors_first() -> None:
    def finding(number: int, severity: Severity, effect: Effect = Effect.NONE) -> Finding:
        return Finding(
            f"PLC{number}", severity, effect, f"message {number}", "", f"p.yaml:{number}:1"
        )

    loser = edge(
        id="cloud:x",
        placement=Placement.CLOUD,
        rank=2,
        findings=(finding(109, Severity.ERROR, Effect.VIOLATED),),
    )
    warnings = tuple(finding(300 + number, Severity.WARNING) for number in range(8))
    answer = only(
        edge(findings=(finding(101, Severity.NOTE),)),
        findings=(*warnings, finding(900, Severity.ERROR)),
    )
    report = text_of(replace(answer, candidates=(*answer.candidates, loser)))
    assert "Findings: 1 error, 8 warnings, 1 note" in report
    assert "✖ PLC900 p.yaml:900:1: message 900" in report
    assert re.findall(r"message (\d+)", report) == [
        *("900", "300", "301", "302", "303", "304", "305", "101")
    ]
    assert "+ 2 warnings, 1 finding on other candidates" in report


def test_only_findings_elsewhere_are_counted_where_the_decision_has_none() -> None:
    loser = edge(
        id="cloud:x",
        rank=2,
        findings=(Finding("PLC101", Severity.ERROR, Effect.VIOLATED, "m", "r"),),
    )
    answer = only(edge())
    answer = replace(answer, candidates=(*answer.candidates, loser))
    assert "Findings: none on this placement" in text_of(answer)
    assert "**Findings**: none on this placement" in render(answer, "markdown")


def test_an_unproven_answer_says_what_would_settle_it() -> None:
    open_finding = Finding(
        "PLC601", Severity.WARNING, Effect.UNPROVEN, "evidence is old", "measure it again"
    )
    item = edge(feasible=None, findings=(open_finding,))
    report = text_of(only(item))
    assert report.endswith("What would settle it\n  ? PLC601: measure it again\n")
    assert "**What would settle it**\n\n- PLC601: measure it again" in render(
        only(item), "markdown"
    )


def test_a_proven_answer_may_still_name_the_next_measurement() -> None:
    step = NextMeasurement("the uplink", "it is assumed", "placer network probe URL")
    report = text_of(only(edge(), next_measurement=step))
    assert "Measure next\n  → the uplink: it is assumed\n    $ placer network probe URL" in report
    words = replace(step, command="on the device: placer profile x.onnx")
    report = text_of(only(edge(), next_measurement=words))
    assert report.endswith("\n      on the device: placer profile x.onnx\n")


@pytest.mark.parametrize(
    ("unit", "now", "at", "shown"),
    [
        ("s", 0.02, 0.5, "above 500 ms (now 20.0 ms)"),
        ("bytes", 2e6, 1e6, "below 1.00 MB (now 2.00 MB)"),
        ("bytes_per_s", 1.25e6, 2.5e6, "above 20.0 Mbit/s (now 10.0 Mbit/s)"),
        ("hz", 30.0, 123_456.0, "above 123,456/s (now 30/s)"),
        ("ratio", 0.005, 0.05, "above 5 % (now 0.5 %)"),
        ("usd_per_month", 500.0, 90.0, "below $90.00 per month (now $500.00 per month)"),
        ("usd_per_hour", 0.5, 0.1, "below $0.1 per hour (now $0.5 per hour)"),
        ("usd_per_byte", 1e-9, 2e-9, "above $2.00 per GB (now $1.00 per GB)"),
        ("usd", 249.0, 500.0, "above $500.00 (now $249.00)"),
        ("devices", 1.0, 2500.0, "above 2,500 devices (now 1 devices)"),
    ],
)
def test_flips_are_told_in_readable_units(unit: str, now: float, at: float, shown: str) -> None:
    report = text_of(only(edge(), flips=(Flip("it", unit, now, at, "cloud:x"),)))
    assert f"⇄ With it {shown} it is cloud:x" in report


def test_flip_of_a_class_is_told_in_words() -> None:
    report = text_of(only(edge(), flips=(Flip("privacy", "", "public", "personal", "none"),)))
    assert "⇄ With data of class personal (now public) no placement is feasible" in report


def test_flip_into_doubt_is_told() -> None:
    flip = Flip("sla.p99", "s", 0.02, 0.01, "unproven")
    told = "⇄ With a p99 limit below 10.0 ms (now 20.0 ms) nothing is proven any more"
    assert told in text_of(only(edge(), flips=(flip,)))


def test_assumptions_that_have_a_better_basis_say_so() -> None:
    known = replace(SAMPLES["edge_wins"]().assumptions[0], basis=Basis.CATALOGUE, source="FCC")
    assert "· network = fiber_100 (catalogue, FCC)" in text_of(only(edge(), assumptions=(known,)))


def test_a_latency_of_which_parts_are_unknown_is_marked_as_a_lower_bound() -> None:
    partly = edge(latency=None, spread=spread(0.01, 0.015, is_lower_bound=True))
    report = text_of(only(partly))
    assert re.search(r"\n  edge #1   [▁▂▃▄▅▆▇█ ]+│\n  at least +▴ +▵ *│\n", report)
    assert re.search(r"latency p50 +unknown", report)


def test_an_answer_that_was_read_from_a_file_has_no_plot() -> None:
    answer = SAMPLES["edge_wins"]()
    assert "Latency of requests" in text_of(answer)
    assert "Latency of requests" not in text_of(from_json(to_json(answer)))


@pytest.mark.parametrize("name", SAMPLES)
def test_ascii_reports_keep_their_width_and_meaning(name: str) -> None:
    report = text_of(SAMPLES[name]())
    plain = layout.ascii_only(report)
    assert plain.isascii()
    assert [len(line) for line in plain.splitlines()] == [len(x) for x in report.splitlines()]
    assert layout.ascii_only("p99 ≤ 20 ms → x") == "p99 <=20 ms ->x"


def test_memory_and_energy_are_compared_where_two_are_known() -> None:
    cloud = edge(id="cloud:x", placement=Placement.CLOUD, rank=2, peak_memory_bytes=10, joules=0.2)
    one = replace(only(edge()), candidates=(edge(), cloud))
    both = replace(one, candidates=(edge(peak_memory_bytes=5, joules=0.1), cloud))
    assert "peak memory" not in text_of(one)
    assert re.search(r"peak memory +5 B +10 B", text_of(both))
    assert re.search(r"device energy +0\.1 J +0\.2 J", text_of(both))


def test_an_answer_without_candidates_is_still_a_report() -> None:
    nothing = replace(
        only(edge()),
        candidates=(),
        decision=Decision(Placement.NONE, None, False, "none: nothing was evaluated."),
    )
    assert text_of(nothing).startswith("✖ none: nothing was evaluated.\n")
    assert render(nothing, "markdown").startswith("### ✖ none: nothing was evaluated.\n")


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [(12, "12 parameters"), (3_400, "3.4 k parameters"), (7 * 10**12, "7 T parameters")],
)
def test_parameters_are_counted_in_readable_units(parameters: int, shown: str) -> None:
    assert shown in text_of(only(edge(), model=replace(MODEL, parameters=parameters)))


# layout


def test_long_names_break_at_their_joints() -> None:
    name = "cloud:aws-g4dn.xlarge@eu-west-1:cuda"
    assert layout.wrap(name, 24) == ["cloud:aws-g4dn.xlarge@", "eu-west-1:cuda"]
    assert layout.wrap("aws-g4dn.xlarge", 10) == ["aws-g4dn.", "xlarge"]
    assert layout.wrap("abcdefgh", 5) == ["abcde", "fgh"]
    assert layout.wrap("see abcdefgh", 5) == ["see", "abcde", "fgh"]


def test_wide_characters_count_twice() -> None:
    assert layout.wrap("漢字漢字", 5) == ["漢字", "漢字"]


@given(st.text(alphabet="ab-/:. 漢", max_size=60), st.integers(2, 30))
def test_wrapping_loses_nothing_and_stays_within_its_width(text: str, width: int) -> None:
    lines = layout.wrap(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(layout.display_width(line) <= width for line in lines)


def test_commands_break_between_words_and_can_be_pasted() -> None:
    command = "placer profile 'a b.onnx' --ep cpu --save \"my file.json\""
    lines = layout.wrap_command(command, 24)
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert " ".join(line.removesuffix("\\").strip() for line in lines) == command
    assert all(len(first) <= 24 for first, _ in pairwise(lines))
    assert any("'a b.onnx'" in line for line in lines)


# Markdown


def test_markdown_escapes_what_would_break_a_table() -> None:
    sneaky = edge(id="edge|cpu`x", why_not="a|b <img src=x> *c* _d_ e_f [g](h)", sites=(EDGE_SITE,))
    report = render(only(sneaky), "markdown")
    assert "`` edge\\|cpu`x ``" in report
    assert "a\\|b \\<img src=x\\> \\*c\\* \\_d\\_ e_f \\[g\\](h)" in report
    for line in report.splitlines():
        if line.startswith("| 1 "):
            assert len(re.findall(r"(?<!\\)\|", line)) == 10


@pytest.mark.parametrize("name", SAMPLES)
def test_markdown_holds_no_html_but_details(name: str) -> None:
    report = render(SAMPLES[name](), "markdown")
    outside_code = re.sub(r"```.*?```|`[^`\n]*`|\\[<>]", "", report, flags=re.DOTALL)
    tags = set(re.findall(r"</?[a-z0-9]+", outside_code))
    assert tags <= {"<details", "</details", "<summary", "</summary"}


def test_markdown_fences_a_command_that_holds_a_fence() -> None:
    step = NextMeasurement("it", "why", "echo ```x```")
    report = render(only(edge(), next_measurement=step), "markdown")
    assert "````sh\necho ```x```\n````" in report


def test_tensors_of_unknown_size_stay_unknown_in_json() -> None:
    model = replace(MODEL, inputs=(TensorSpec("text", "string", (1,), None),))
    document = json.loads(to_json(only(edge(), model=model)))
    assert document["model"]["inputs"] == [
        {"name": "text", "dtype": "string", "shape": [1], "bytes": None}
    ]


def test_a_variant_that_was_measured_on_another_occasion_is_marked() -> None:
    answer = with_variants()
    assert not any("measured before" in " ".join(row.remarks) for row in variant_rows(answer))
    ids = [one.candidate for one in answer.variants]
    first = next(one for one in answer.candidates if one.id == ids[0])
    before = replace(
        first,
        stages=tuple(
            replace(stage, source="measured here before, onnxruntime 1") for stage in first.stages
        ),
    )
    mixed = replace(
        answer, candidates=tuple(before if one is first else one for one in answer.candidates)
    )
    marked = [one.candidate in ids and "before" in " ".join(row.remarks)
              for one, row in zip(mixed.variants, variant_rows(mixed), strict=True)]  # fmt: skip
    assert marked == [one == ids[0] for one in ids]
