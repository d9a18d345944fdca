"""Reports of a check: as agreed, within the limits of who reads them, harmless whatever is in."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rich.cells import cell_len

from placer.core.deployment import Place, Suppression
from placer.core.errors import UsageError
from placer.core.finding import Severity
from placer.core.gate import Checked, CheckResult, Excerpt, GateFinding, Other, Outcome
from placer.core.gate_rules import GATE_RULES
from placer.reports.check import FORMATS, render
from placer.reports.check.context import Context, texts_of
from placer.reports.check.document import check_schema
from placer.reports.check.fingerprint import fingerprints
from placer.reports.check.markdown import MAX_CHARACTERS
from placer.reports.check.marks import is_report
from placer.reports.check.sarif import MAX_BYTES

GOLDEN = Path(__file__).parent.parent / "golden" / "checks"
SUFFIXES = {
    "text": "txt",
    "json": "json",
    "sarif": "sarif",
    "junit": "xml",
    "github": "github.txt",
    "gitlab": "gitlab.json",
    "markdown": "md",
}
SOURCE = """\
kind: Deployment
metadata: {name: counter}
spec:
  nodeName: line-3
  limits: {memory: 64Mi}
"""
CONTEXT = Context(
    rules=texts_of(GATE_RULES),
    sources={"deploy/a.yaml": SOURCE, "work/w.yaml": "latency:\n  p99: 20 ms\n"},
    version="0.1.0",
)
LIMIT = Place("deploy/a.yaml", 5, 20, 5, 24, "/spec/limits/memory")
NAME = Place("deploy/a.yaml", 2, 18, 2, 25, "/metadata/name")
FINDING = GateFinding(
    rule="PLC706",
    severity=Severity.ERROR,
    outcome=Outcome.FAIL,
    message="the limit is 64 MiB, the model was measured to need 85.8 MiB",
    remedy="raise the limit to 108Mi or more, or deploy a smaller model",
    place=LIMIT,
    deployed="deployment/counter",
    deployed_in="deploy/a.yaml",
    workload="counter",
    value="85.8 MiB",
    limit="64 MiB",
    evidence="ab" * 32,
)
OPEN = replace(
    FINDING,
    rule="PLC615",
    severity=Severity.WARNING,
    outcome=Outcome.INCONCLUSIVE,
    message="measured 120 days ago (2026-07-29), at most 90 count",
    remedy="on rpi5: placer profile model.onnx --site rpi5",
    place=Place("deploy/a.yaml", 4, 3, 4, 19, "/spec/nodeName"),
    related=(Excerpt(Place("work/w.yaml", 2, 3, 2, 6), "p99 at most 20.0 ms"),),
)
SILENCED = replace(
    FINDING,
    rule="PLC707",
    severity=Severity.WARNING,
    outcome=Outcome.PASS,
    place=NAME,
    suppressed=Suppression("PLC707", NAME, "line", "the operator limits it", "2026-12-31"),
)
CHECKED = Checked(
    id="deployment/counter",
    path="deploy/a.yaml",
    place=NAME,
    workload="counter",
    model="/models/model.onnx",
    sha256="cd" * 32,
    site="line",
    tier="edge",
    region=None,
    outcome=Outcome.FAIL,
    p99_s=0.0112,
    limit_s=0.02,
    recommended="cloud:aws-g6.xlarge@eu-north-1",
    recommended_p99_s=0.009,
    declared="edge:cpu",
)
UNKNOWN = replace(
    CHECKED,
    id="module/defect",
    workload=None,
    site=None,
    tier=None,
    outcome=Outcome.INCONCLUSIVE,
    p99_s=None,
    limit_s=None,
    recommended=None,
    recommended_p99_s=None,
    declared=None,
)
PASSED = replace(CHECKED, id="pod/quiet", outcome=Outcome.PASS, recommended="edge:cpu")
RESULT = CheckResult(
    outcome=Outcome.FAIL,
    checked=(CHECKED, UNKNOWN, PASSED),
    findings=(FINDING, OPEN),
    suppressed=(SILENCED,),
    files=3,
    skipped=2,
    unresolved=1,
    others=tuple(
        Other(name, "deploy/a.yaml", NAME)
        for name in ("service/proxy", "service/db", "pod/web", "pod/log", "job/a", "job/b")
    ),
)
CHANGED = replace(
    RESULT,
    base="main",
    checked=(CHECKED, replace(UNKNOWN, is_as_before=True), PASSED),
    findings=(replace(FINDING, before="limit 80 MiB"), OPEN),
    worse=(("deploy/a.yaml", "deployment/counter", 0.0082, 0.0112),),
    fixed=(replace(OPEN, rule="PLC701", message="no site matches"),),
    silenced=(replace(FINDING, rule="PLC713", message="it can change its bytes"),),
    unjudged=(replace(FINDING, deployed="pod/gone"),),
)
NOTHING = CheckResult(Outcome.PASS, (), (), (), 1, 0, 0)
SAMPLES = {"failing": RESULT, "changed": CHANGED}

every_format = pytest.mark.parametrize("name", FORMATS)


@pytest.mark.parametrize("sample", SAMPLES)
@every_format
def test_reports_read_as_agreed(name: str, sample: str) -> None:
    report = render(SAMPLES[sample], name, CONTEXT)
    path = GOLDEN / f"{sample}.{SUFFIXES[name]}"
    if os.environ.get("PLACER_GOLDEN") == "1":
        assert not os.environ.get("CI"), "golden files are not rewritten in CI"
        path.write_text(report, encoding="utf-8")
    assert report == path.read_text(encoding="utf-8")
    assert report.endswith("\n")


def test_no_golden_file_is_left_behind() -> None:
    wanted = {f"{sample}.{SUFFIXES[name]}" for sample in SAMPLES for name in FORMATS}
    assert {path.name for path in GOLDEN.iterdir()} == wanted


@every_format
def test_an_empty_result_is_a_report(name: str) -> None:
    assert render(NOTHING, name, CONTEXT) is not None


def test_an_unknown_format_names_the_near_one() -> None:
    with pytest.raises(UsageError, match="did you mean 'sarif'"):
        render(RESULT, "sariff", CONTEXT)


def test_text_is_coloured_only_where_asked_for() -> None:
    assert "\x1b[" not in render(RESULT, "text", CONTEXT)
    assert "\x1b[" in render(RESULT, "text", CONTEXT, color=True)


LONG = "- " + "a" * 300 + "\N{CJK UNIFIED IDEOGRAPH-6A21}" * 40 + " needle " + "b" * 300 + "\r"


@pytest.mark.parametrize("width", [1, 60, 80, 120, 500])
def test_text_fits_the_terminal_and_shows_the_place_in_long_lines(width: int) -> None:
    column = LONG.index("needle") + 1
    place = replace(LIMIT, line=2, end_line=2, column=column, end_column=column + 6)
    related = (Excerpt(place, "a label that is long enough to be wrapped " * 3),)
    odd = replace(FINDING, place=place, related=related)
    sources = {"deploy/a.yaml": f"# \x0c\u2028 no line ends here\r{LONG}\nkind: x"}
    told = replace(RESULT, findings=(odd, *RESULT.findings))
    lines = render(told, "text", replace(CONTEXT, sources=sources), width=width).splitlines()
    assert max(map(cell_len, lines)) <= min(max(width, 60), 120)
    (quoted, marked), _ = [
        lines[n : n + 2] for n, line in enumerate(lines) if line.startswith(" 2 │")
    ]
    assert cell_len(quoted[: quoted.index("needle")]) == marked.index("^^^^^^")


def test_text_counts_what_passes_beyond_a_few() -> None:
    many = tuple(replace(PASSED, id=f"pod/{n}") for n in range(50))
    report = render(replace(RESULT, checked=(*many, CHECKED)), "text", CONTEXT)
    assert report.count("✔ pass") == 20
    assert "+ 30 more that pass" in report
    assert "✖ fail" in report


@pytest.mark.parametrize("name", ["text", "markdown"])
def test_a_long_help_that_is_the_same_is_told_once(name: str) -> None:
    remedy = (
        "on rpi5: placer profile model.onnx --site rpi5 --ep cpu --sla p99=30ms --fresh --save a"
    )
    first = replace(OPEN, rule="PLC611", evidence=None, remedy=remedy)
    others = [
        replace(
            first, place=replace(LIMIT, path=f"deploy/{one}.yaml"), deployed=f"deployment/{one}"
        )
        for one in "bc"
    ]
    short = replace(first, remedy="write 512Mi")
    found = (first, *others, short, replace(short, place=NAME))
    told = render(replace(RESULT, findings=found), name, CONTEXT, width=200)
    assert told.count("placer profile") == 1
    assert told.count(f"as at {first.place}") == 2
    assert told.count("write 512Mi") == 2


def test_text_tells_what_is_ignored_where_asked_for() -> None:
    at = replace(NAME, path="\x1b[31mplacer.yaml")
    suppressed = Suppression("PLC707", at, "file", "the operator limits it", "2026-12-31")
    result = replace(RESULT, suppressed=(replace(SILENCED, suppressed=suppressed),))
    told = render(result, "text", replace(CONTEXT, with_suppressed=True))
    assert "\x1b" not in told
    assert "ignored[PLC707]" in told
    assert "the operator limits it, until 2026-12-31" in told


def test_json_follows_its_schema() -> None:
    validator = Draft202012Validator(check_schema())
    for result in (RESULT, CHANGED, NOTHING):
        validator.validate(json.loads(render(result, "json", CONTEXT)))


def test_fingerprints_stay_when_lines_move() -> None:
    moved = replace(FINDING, place=replace(LIMIT, line=90, end_line=90))
    for name, read in (("gitlab", _gitlab_prints), ("sarif", _sarif_prints)):
        before = read(render(replace(RESULT, findings=(FINDING,)), name, CONTEXT))
        after = read(render(replace(RESULT, findings=(moved,)), name, CONTEXT))
        assert before == after
        twice = read(render(replace(RESULT, findings=(FINDING, moved)), name, CONTEXT))
        assert len(set(twice)) == 2


def _gitlab_prints(report: str) -> list[str]:
    return [one["fingerprint"] for one in json.loads(report)]


def _sarif_prints(report: str) -> list[str]:
    results = json.loads(report)["runs"][0]["results"]
    return [one["partialFingerprints"]["placerFinding/v1"] for one in results]


def test_fingerprints_do_not_depend_on_how_a_path_is_typed() -> None:
    typed = replace(FINDING, place=replace(LIMIT, path="./deploy//a.yaml"))
    assert fingerprints([typed]) == fingerprints([FINDING])


def _cases(result: CheckResult) -> dict[str, list[str]]:
    """Return the names of the test cases by what they contain."""
    found: dict[str, list[str]] = {}
    root = ET.fromstring(render(result, "junit", CONTEXT).encode())
    for case in root.iter("testcase"):
        found.setdefault(case[0].tag, []).append(str(case.get("name")))
    counts = {tag: len(names) for tag, names in found.items()}
    assert root.get("tests") == str(sum(counts.values()))
    assert root.get("failures") == str(counts.get("failure", 0))
    assert root.get("skipped") == str(counts.get("skipped", 0))
    return found


def test_junit_loses_no_finding_that_stands_in_another_file() -> None:
    elsewhere = replace(FINDING, place=replace(LIMIT, path="deploy/models.yaml"))
    found = _cases(replace(RESULT, checked=(CHECKED,), findings=(elsewhere,)))
    assert found == {"failure": ["deployment/counter: PLC706 memory limit below the measured peak"]}


def test_junit_does_not_pass_what_failed_at_the_base_as_well() -> None:
    found = _cases(replace(CHANGED, checked=(CHECKED, PASSED), findings=()))
    assert found == {
        "skipped": ["deployment/counter: placement"],
        "system-out": ["pod/quiet: placement"],
    }
    report = render(replace(CHANGED, findings=()), "junit", CONTEXT)
    assert 'message="fail, as it was in main"' in report


def test_junit_joins_the_findings_of_a_rule_in_one_case() -> None:
    twice = replace(FINDING, place=NAME, message="second")
    found = _cases(replace(RESULT, checked=(CHECKED,), findings=(FINDING, twice)))
    assert len(found["failure"]) == 1


def test_very_long_texts_are_cut_and_say_so() -> None:
    long = replace(RESULT, findings=(replace(FINDING, message="x" * 100_000),))
    for name in ("sarif", "gitlab", "github"):
        report = render(long, name, CONTEXT)
        assert len(report) < 10_000
        assert "[cut]" in report


def test_sarif_stays_below_the_size_that_is_refused() -> None:
    many = tuple(
        replace(OPEN, deployed=f"pod/{n}", message="\N{SNOWMAN}" * 1990) for n in range(2500)
    )
    report = render(replace(RESULT, findings=(*many, FINDING)), "sarif", CONTEXT)
    assert len(report.encode()) <= MAX_BYTES
    (run,) = json.loads(report)["runs"]
    assert run["results"][0]["ruleId"] == "PLC706"
    left = 2501 - len(run["results"])
    note = run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    assert note.startswith(f"{left} less severe findings are left out")


def test_github_shows_ten_of_a_kind_and_counts_the_rest() -> None:
    many = tuple(replace(FINDING, deployed=f"pod/{n}") for n in range(25))
    lines = render(replace(RESULT, findings=(*many, OPEN)), "github", CONTEXT).splitlines()
    assert sum(line.startswith("::error ") for line in lines) == 10
    assert lines[9] == "::error title=placer::16 more errors, see the other reports"
    assert lines[10].startswith("::warning ")
    ten = render(replace(RESULT, findings=many[:10]), "github", CONTEXT)
    assert "more errors" not in ten


def test_sarif_leaves_out_what_is_suppressed_and_more_than_is_shown() -> None:
    log = json.loads(render(RESULT, "sarif", CONTEXT))
    assert [one["ruleId"] for one in log["runs"][0]["results"]] == ["PLC706", "PLC615"]
    many = tuple(replace(OPEN, deployed=f"pod/{n}") for n in range(5010))
    run = json.loads(render(replace(RESULT, findings=(*many, FINDING)), "sarif", CONTEXT))["runs"][
        0
    ]
    assert len(run["results"]) == 5000
    assert run["results"][0]["ruleId"] == "PLC706"
    note = run["invocations"][0]["toolExecutionNotifications"][0]
    assert note["message"]["text"].startswith("11 less severe findings are left out")


def test_sarif_paths_are_relative_and_encoded() -> None:
    odd = replace(FINDING, place=replace(LIMIT, path="./deploy/a b#ä.yaml"))
    log = json.loads(render(replace(RESULT, findings=(odd,)), "sarif", CONTEXT))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {
        "uri": "deploy/a%20b%23%C3%A4.yaml",
        "uriBaseId": "%SRCROOT%",
    }


def test_markdown_leaves_out_whole_findings_and_counts_them() -> None:
    many = tuple(
        replace(FINDING, message="x" * 900, place=replace(LIMIT, path=f"deploy/{n}.yaml"))
        for n in range(200)
    )
    report = render(replace(RESULT, findings=many), "markdown", CONTEXT)
    assert len(report) <= MAX_CHARACTERS + 500
    left = re.search(r"^Findings left out here.*: (\d+)\.$", report, re.MULTILINE)
    assert left is not None
    assert report.count("PLC706") == 200 - int(left.group(1))


HOSTILE = "\x1b[31m ::error::x %0A | <img src=x> ]]> @all $(id) `c` \u202e\n\r\0 \ud800 " + "y" * 50
TEXTS = st.text(max_size=60) | st.just(HOSTILE)


def hostile(text: str) -> CheckResult:
    place = replace(LIMIT, path=text or "-", pointer=text)
    finding = replace(
        FINDING,
        message=text,
        remedy=text,
        deployed=text,
        workload=text,
        place=place,
        related=(Excerpt(place, text),),
    )
    checked = replace(CHECKED, id=text, path=text or "-", site=text, region=text, workload=text)
    return replace(
        CHANGED,
        checked=(checked,),
        findings=(finding,),
        base=text,
        worse=((text, text, 0.1, 0.2),),
        fixed=(finding,),
    )


@given(TEXTS)
def test_no_text_breaks_out_of_a_report(text: str) -> None:
    result = hostile(text)
    shown = replace(CONTEXT, sources={text or "-": SOURCE})
    plain = render(result, "text", shown)
    assert "\x1b" not in plain
    assert "\u202e" not in plain
    report = render(result, "github", shown)
    assert report.count("\n") == 1
    assert report.startswith("::error ")
    ET.fromstring(render(result, "junit", shown).encode("utf-8"))
    for name in ("json", "sarif", "gitlab"):
        json.loads(render(result, name, shown))
    comment = render(result, "markdown", shown)
    assert "<img" not in comment
    assert "@all" not in comment
    (row,) = [line for line in comment.splitlines() if line.startswith("| ❌")]
    assert row.count("|") == 7


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("result", [RESULT, CHANGED, NOTHING], ids=["some", "changed", "none"])
@pytest.mark.parametrize("width", [40, 100])
def test_a_report_is_known_by_its_own_mark(name: str, result: CheckResult, width: int) -> None:
    text = render(result, name, CONTEXT, width=width)
    assert is_report(name, text, text)
    for other in set(FORMATS) - {name} if text else ():
        assert not is_report(other, text, text), other


FOREIGN = {
    "a manifest": SOURCE,
    "a script": "#!/bin/sh\nexec true\n",
    "attributes": "*.onnx filter=lfs\n",
    "a list": '[{"description": "unused", "check_name": "W1", "fingerprint": "1"}]',
    "another SARIF": '{"$schema": "s", "version": "2.1.0", "runs": [{"tool": {"driver": {"name": '
    '"semgrep"}}}]}',
    "another JUnit": '<?xml version="1.0"?>\n<testsuites name="pytest">',
    "another answer": '{"schema": "placer/recommendation/v1"}',
    "a log": "::group::build\n::error file=a.c,line=1::no\n",
    "a page": "# Gate\n\n1 deployment: 1 pass; no findings; 1 manifest file\n",
    "a model": "\x08\x07\x12\x0bplacer/check",
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_nothing_else_is_taken_for_a_report(name: str, text: str) -> None:
    assert not is_report(name, text, text)
