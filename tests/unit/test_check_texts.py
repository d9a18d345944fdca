"""What the texts of others do to reports that machines read: names stay names, nothing breaks."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.core.gate import Excerpt
from placer.reports.check import render
from placer.reports.layout import ascii_only
from tests.unit.test_check_reports import CHANGED, CHECKED, CONTEXT, FINDING, LIMIT, RESULT

TRICKY = "\x1b[31mred\x9b0m \u202eorder\u2066 ]]> &amp; [here](https://a.example)\nsecond line"


def _at(path: str, message: str = "m") -> str:
    place = replace(LIMIT, path=path)
    return render(
        replace(RESULT, findings=(replace(FINDING, place=place, message=message),)),
        "github",
        CONTEXT,
    )


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a  b.yaml", "a  b.yaml"),
        ("図\u3000面.yaml", "図\u3000面.yaml"),
        ("./50%, it: works.yaml", "50%25%2C it%3A works.yaml"),
        ("two\nlines.yaml", "two\N{REPLACEMENT CHARACTER}lines.yaml"),
    ],
)
def test_github_finds_the_file_by_its_exact_name(path: str, shown: str) -> None:
    assert _at(path).startswith(f"::error file={shown},line=5,")


def test_github_annotates_standard_input_without_a_file() -> None:
    assert _at("-").startswith("::error line=5,")


def test_a_gitlab_report_is_text_although_a_name_is_not() -> None:
    named = replace(FINDING, place=replace(LIMIT, path="deploy/\udcff.yaml"))
    report = render(replace(RESULT, findings=(named,)), "gitlab", CONTEXT)
    (row,) = json.loads(report.encode())
    assert row["location"]["path"] == "deploy/\N{REPLACEMENT CHARACTER}.yaml"


def test_sarif_names_a_file_by_its_bytes() -> None:
    named = replace(FINDING, place=replace(LIMIT, path="deploy/a\udcff\ud800.yaml"))
    odd = replace(FINDING, place=replace(LIMIT, path="deploy/\udcff.yaml"))
    report = json.loads(render(replace(RESULT, findings=(named, odd)), "sarif", CONTEXT))
    uris = [
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in report["runs"][0]["results"]
    ]
    assert uris == ["deploy/a%ED%B3%BF%ED%A0%80.yaml", "deploy/%FF.yaml"]


def test_what_the_same_evidence_says_again_is_short() -> None:
    weak = replace(FINDING, rule="PLC601", message="disturbed", evidence="ab" * 32)
    others = [replace(weak, deployed=f"pod/{number}") for number in range(3)]
    of_another = replace(weak, evidence="cd" * 32)
    elsewhere = replace(weak, remedy="write 110592 (KiB)")
    findings = (weak, *others, of_another, elsewhere)
    text = render(replace(RESULT, findings=findings), "text", CONTEXT)
    assert text.count("disturbed") == 3
    assert text.count("as above") == 3
    assert "in pod/2" in text
    assert "write 110592 (KiB)" in text


def test_sarif_has_no_link_that_a_manifest_wrote() -> None:
    related = (Excerpt(LIMIT, TRICKY),)
    tricky = replace(FINDING, message=TRICKY, remedy=TRICKY, deployed=TRICKY, related=related)
    report = render(replace(RESULT, findings=(tricky,)), "sarif", CONTEXT)
    assert "](" not in report
    assert "[here] (https://a.example)" in report


def test_junit_holds_no_control_of_terminal_or_direction() -> None:
    tricky = replace(
        FINDING, message=TRICKY, remedy=TRICKY, deployed=TRICKY, place=replace(LIMIT, path=TRICKY)
    )
    checked = replace(CHECKED, id=TRICKY, path=TRICKY, site=TRICKY, workload=TRICKY)
    result = replace(CHANGED, checked=(checked,), findings=(tricky,), base=TRICKY)
    for one in (result, replace(result, findings=())):
        report = render(one, "junit", CONTEXT)
        assert not set("\x1b\x9b\u202e\u2066") & set(report)
        assert "]]>" not in report
    (failure,) = ET.fromstring(render(result, "junit", CONTEXT).encode()).iter("failure")
    assert str(failure.text).count("\n") == 1  # the place with its message, and the help


def test_junit_cuts_very_long_texts_and_says_so() -> None:
    long = replace(FINDING, message="x" * 100_000, deployed="y" * 100_000)
    report = render(replace(RESULT, findings=(long,)), "junit", CONTEXT)
    assert len(report) < 12_000
    assert "[cut]" in report


OBEYED = re.compile(r"(?m)^\s*::|##\w*\[")
COMMAND = "::stop-commands::pwned"
COMMANDS = [COMMAND, "▂▂error▂▂x", "##[add-path]/tmp", "█▊[group]x", "##vso[task.x]y"]
PARTS = ["::", ":", "#", "[", "/", " ", "\n", "\r", "\N{NO-BREAK SPACE}", "\u3000", "\x1b[1m"]
HOSTILE = st.lists(st.sampled_from([*COMMANDS, *PARTS, "a" * 57, "a" * 80]), max_size=8).map(
    "".join
)


@given(texts=st.tuples(*[HOSTILE] * 5), width=st.sampled_from([60, 80, 120]), color=st.booleans())
def test_no_text_is_a_command_to_the_runner_of_a_pipeline(
    texts: tuple[str, ...], width: int, color: bool
) -> None:
    first, second, third, fourth, fifth = texts
    place = replace(LIMIT, path=f"{first}.yaml")
    one = replace(
        FINDING,
        place=place,
        message=second,
        remedy=third,
        deployed=fourth,
        related=(Excerpt(replace(place, line=1), fifth), Excerpt(place, fifth)),
    )
    checked = replace(CHECKED, path=fifth, id=first, workload=second, site=third)
    result = replace(
        CHANGED, findings=(one,), checked=(checked,), base=fourth, fixed=(one,), silenced=(one,)
    )
    sources = {place.path: f"{first}\n" * 6}
    report = render(result, "text", replace(CONTEXT, sources=sources), width=width, color=color)
    assert not OBEYED.search(re.sub(r"\x1b\[[0-9;]*m", "", report))
    assert not OBEYED.search(ascii_only(report))


def test_a_line_that_would_begin_with_a_command_shows_it() -> None:
    message = f"nobody knows {'a' * 76} {COMMAND} ##[group]x"
    report = render(replace(RESULT, findings=(replace(FINDING, message=message),)), "text", CONTEXT)
    assert f"\n \\{COMMAND} ##⟦group]x\n" in report
