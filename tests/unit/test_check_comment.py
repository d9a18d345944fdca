"""The Markdown report of a check: what a pull request's comment holds where not all fits."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.core.finding import Severity
from placer.core.gate import CheckResult, Outcome
from placer.reports.check.markdown import escaped, render
from tests.unit.test_check_reports import (
    CHANGED,
    CHECKED,
    CONTEXT,
    FINDING,
    LIMIT,
    NOTHING,
    OPEN,
    PASSED,
    RESULT,
    TEXTS,
    hostile,
)

GITHUB_TAKES = 65_536


def _comment(result: CheckResult) -> str:
    comment = render(result, CONTEXT)
    assert len(comment) <= GITHUB_TAKES
    assert comment.count("<details") == comment.count("</details>")
    return comment


def test_of_one_file_with_too_many_findings_the_first_are_shown() -> None:
    many = tuple(
        replace(FINDING, deployed=f"pod/{number}", message="x" * 300) for number in range(400)
    )
    comment = _comment(replace(RESULT, findings=many))
    shown = comment.count("PLC706")
    assert shown > 100
    assert f"<summary>deploy/a.yaml: {shown} of 400</summary>" in comment
    assert f"see the other reports of this run: {400 - shown}." in comment


def test_errors_are_shown_before_notes_of_earlier_files() -> None:
    note = replace(
        FINDING,
        rule="PLC713",
        severity=Severity.NOTE,
        outcome=Outcome.PASS,
        message="y" * 500,
        place=replace(LIMIT, path="a.yaml"),
    )
    notes = tuple(replace(note, deployed=f"pod/{number}") for number in range(200))
    last = replace(FINDING, place=replace(LIMIT, path="z.yaml"))
    comment = _comment(replace(RESULT, findings=(*notes, last)))
    assert "z.yaml: 1</summary>" in comment
    assert comment.index("a.yaml:") < comment.index("z.yaml:")


def test_a_table_that_is_too_long_keeps_the_worst_and_counts_the_rest() -> None:
    long = replace(PASSED, path="folder/" * 40 + "a.yaml")
    passed = tuple(replace(long, id=f"pod/{number}") for number in range(300))
    comment = _comment(replace(RESULT, checked=(*passed, CHECKED)))
    rows = re.findall(r"^\| [✅❌❔]", comment, re.MULTILINE)
    assert rows[0] == "| ❌"
    assert f"the worst are shown: {301 - len(rows)}." in comment
    assert "PLC706" in comment


def test_what_got_slower_stands_before_what_only_passes() -> None:
    slower = replace(PASSED, id="pod/slower")
    changed = replace(
        CHANGED, checked=(PASSED, slower), worse=(("deploy/a.yaml", "pod/slower", 0.01, 0.0112),)
    )
    comment = _comment(changed)
    assert "10.0 ms → **11.2 ms**" in comment
    assert comment.index("pod/slower") < comment.index("pod/quiet")


def test_what_is_fixed_since_the_base_is_listed() -> None:
    many = tuple(replace(OPEN, message=f"old {number} " + "z" * 200) for number in range(90))
    comment = _comment(replace(CHANGED, fixed=many))
    assert "Since main: 1 new, 1 worse, 90 fixed, 1 slower" in comment
    listed = comment.count("- PLC615 deploy/a.yaml: old")
    assert 0 < listed < 90
    assert f"- and {90 - listed} more" in comment


def test_nothing_to_tell_is_a_headline() -> None:
    assert render(NOTHING, CONTEXT) == "<!-- placer-check -->\n\n## placer check: ✅ pass\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("thanks @all", "thanks @&#8203;all"),
        ("aws-g6.xlarge@eu-north-1", "aws-g6.xlarge@eu-north-1"),
        ("é@all", "é@&#8203;all"),
        ("see #1 and # 2", "see #&#8203;1 and \\# 2"),
        ("owner/repo#1", "owner/repo#&#8203;1"),
        ("a|b", "a&#124;b"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("[x](http://a.example)", "\\[x\\](http://a.example)"),
        ("model_v2.onnx", "model\\_v2.onnx"),
    ],
)
def test_text_of_others_neither_formats_nor_mentions(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_names_of_files_are_shown_as_they_are_where_markdown_is_not_read() -> None:
    odd = replace(FINDING, place=replace(LIMIT, path="my_model/<a>&#1 @all.yaml"))
    comment = _comment(replace(RESULT, findings=(odd,)))
    wanted = "<summary>my_model/&lt;a&gt;&amp;#&#8203;1 @&#8203;all.yaml: 1</summary>"
    assert wanted in comment


@given(TEXTS, st.integers(1, 200))
def test_no_text_makes_the_comment_too_long_or_breaks_it(text: str, times: int) -> None:
    result = hostile((text * 300)[:40_000])
    many = tuple(replace(result.findings[0], deployed=f"{n}{text}") for n in range(times))
    comment = _comment(replace(result, findings=many, fixed=many))
    for line in comment.splitlines():
        if line.startswith("<"):
            assert re.fullmatch(r"<!-- placer-check -->|</?details.*", line)
