"""``placer compare`` from files to exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from placer.core.estimate import Recommendation
from placer.files.evidence import to_statement
from placer.reports.json import to_json
from tests import answers, builders
from tests.cli.conftest import Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the commands run in: paths are as typed."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evidence(name: str, scale: float = 1.0, *, seed: int = 1, **changes: Any) -> str:
    """Write evidence of 3,000 runs and return its name."""
    values_s = builders.samples(0.01 * scale, runs=3000, seed=seed)
    measurement = builders.measurement(values_s=values_s, **changes)
    Path(name).write_bytes(to_statement(measurement, tool="placer test"))
    return name


def answer(name: str, recommendation: Recommendation) -> str:
    """Write an answer and return its name."""
    Path(name).write_text(to_json(recommendation))
    return name


@pytest.mark.usefixtures("folder")
def test_slower_evidence_is_1_and_faster_is_0(run: Run) -> None:
    a, b = evidence("a.json"), evidence("b.json", 1.1, seed=2)
    slower, faster = run("compare", a, b), run("compare", b, a)
    assert (slower.code, faster.code) == (1, 0)
    assert slower.out.startswith("✖ On cpu, B is slower at p50 and p99")
    assert faster.out.startswith("✔ On cpu, B is faster at p50 and p99")
    assert slower.err == ""


@pytest.mark.usefixtures("folder")
def test_the_tolerance_decides_what_counts(run: Run) -> None:
    a, b = evidence("a.json"), evidence("b.json", 1.1, seed=2)
    assert run("compare", a, b, "--tolerance", "20%").code == 0
    assert run("compare", a, b, "--tolerance", "0.05").code == 1


@pytest.mark.usefixtures("folder")
def test_disturbed_evidence_is_not_slower(run: Run) -> None:
    a = evidence("a.json")
    b = evidence("b.json", 1.3, seed=2, instrument=builders.quiet(reasons=("a hog",)))
    result = run("compare", a, b)
    assert result.code == 0
    assert "undecided" in result.out
    assert "disturbed: a hog" in result.out


@pytest.mark.usefixtures("folder")
def test_a_worse_verdict_is_1_and_the_same_answer_is_0(run: Run) -> None:
    first = answers.edge_wins()
    a = answer("a.json", first)
    b = answer("b.json", replace(answers.none_feasible(), model=first.model))
    worse = run("compare", a, b)
    assert worse.code == 1
    assert "3 verdicts worsened" in worse.out
    assert run("compare", a, a).code == 0
    assert run("compare", b, a).code == 0


@pytest.mark.parametrize("format", ["text", "json", "markdown"])
@pytest.mark.usefixtures("folder")
def test_the_exit_code_does_not_depend_on_the_format(run: Run, format: str) -> None:
    a, b = evidence("a.json"), evidence("b.json", 1.1, seed=2)
    result = run("compare", a, b, "--format", format)
    assert result.code == 1
    assert result.out == run("compare", a, b, "--output", format).out
    assert "\x1b" not in result.out


@pytest.mark.usefixtures("folder")
def test_json_follows_the_printed_schema_and_repeats(run: Run) -> None:
    schema = json.loads(run("schema", "comparison").out)
    recommendation = answer("c.json", answers.edge_wins())
    pairs = [
        (evidence("a.json"), evidence("b.json", 1.1, seed=2)),
        (recommendation, answer("d.json", answers.cloud_unproven())),
    ]
    for a, b in pairs:
        result = run("compare", a, b, "--format", "json")
        document = json.loads(result.out)
        jsonschema.Draft202012Validator(schema).validate(document)
        assert document["schema"] == "placer/comparison/v1"
        assert document["worse"] == (result.code == 1)
        assert result.out == run("compare", a, b, "--format", "json").out


@pytest.mark.usefixtures("folder")
def test_several_reports_in_one_run(run: Run, folder: Path) -> None:
    a, b = evidence("a.json"), evidence("b.json", seed=2)
    result = run("compare", a, b, "--output", "text", "--output", "markdown=report.md")
    assert result.code == 0
    assert (folder / "report.md").read_text().startswith("### ")


@pytest.mark.usefixtures("folder")
def test_evidence_that_profile_wrote_is_read(run: Run, small_model: str) -> None:
    quick = ("--ep", "cpu", "--threads", "1", "--sla", "1s", "--time-limit", "3s", "--fresh")
    for name in ("a.json", "b.json"):
        assert run("profile", small_model, *quick, "--save", name).code == 0
    result = run("compare", "a.json", "b.json")
    assert result.code in (0, 1)
    assert "p50" in result.out


@pytest.mark.usefixtures("folder")
def test_evidence_and_an_answer_cannot_be_compared(run: Run) -> None:
    result = run("compare", evidence("a.json"), answer("b.json", answers.edge_wins()))
    assert result.code == 2
    assert result.err == (
        "error: a.json is evidence and b.json is a recommendation: they cannot be compared\n"
        "hint: compare evidence with evidence, or a recommendation with a recommendation\n"
    )


BAD_FILES: dict[str, tuple[bytes | None, str]] = {
    "missing.json": (None, "no such file"),
    "empty.json": (b"", "the JSON ends too early"),
    "cut.json": (b'{"schema": "placer/recom', "the JSON ends too early"),
    "text.json": (b"hello", "not JSON"),
    "binary.json": (b"\xff\xfe\x00", "not UTF-8"),
    "list.json": (b"[1]", "neither evidence nor a recommendation"),
    "other.json": (b'{"schema": "placer/profile/v1"}', "its schema is 'placer/profile/v1'"),
    "later.json": (b'{"schema": "placer/recommendation/v9"}', "placer/recommendation/v1"),
    "bare.json": (b'{"schema": "placer/recommendation/v1"}', "model"),
    "statement.json": (b'{"_type": "https://in-toto.io/Statement/v1"}', "predicateType is missing"),
    "deep.json": (b"[" * 100_000, "nested too deeply"),
    "twice.json": (b'{"a": 1, "a": 2}', "stands twice"),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.usefixtures("folder")
def test_a_bad_file_is_3_with_its_path_and_what_to_do(run: Run, name: str, is_first: bool) -> None:
    content, words = BAD_FILES[name]
    if content is not None:
        Path(name).write_bytes(content)
    good = evidence("good.json")
    result = run("compare", *((name, good) if is_first else (good, name)))
    assert result.code == 3
    assert result.out == ""
    assert result.err.startswith(f"error: {name}")
    assert words in result.err
    assert "hint: " in result.err


def test_a_directory_is_3_and_says_so(run: Run, folder: Path) -> None:
    (folder / "saved").mkdir()
    result = run("compare", evidence("good.json"), "saved")
    assert result.code == 3
    assert result.err == ("error: saved: cannot be read: is a directory\nhint: name a file in it\n")


@pytest.mark.usefixtures("folder")
def test_evidence_cut_off_in_the_middle_is_3(run: Run) -> None:
    good = evidence("good.json")
    whole = Path(good).read_bytes()
    Path("cut.json").write_bytes(whole[: len(whole) // 2])
    assert run("compare", good, "cut.json").code == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tolerance", "2"), "--tolerance"),
        (("--tolerance", "-1%"), "--tolerance"),
        (("--tolerance", "nan"), "--tolerance"),
        (("--format", "html"), "one of: text json markdown"),
        (("--output", "json", "--output", "text"), "standard output"),
        (("--output", "json=a.json"), "would be overwritten"),
        (("--output", "json=no/such/file"), "no/such"),
        (("--tolerence", "2%"), "--tolerance"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_bad_option_is_2_and_says_what_to_do(
    run: Run, arguments: tuple[str, ...], words: str
) -> None:
    result = run("compare", evidence("a.json"), evidence("b.json", seed=2), *arguments)
    assert result.code == 2
    assert words in result.err
    assert "hint: " in result.err
    assert result.out == ""


@pytest.mark.parametrize("arguments", [(), ("a.json",), ("a.json", "b.json", "c.json")])
def test_it_takes_two_files(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("compare", *arguments)
    assert result.code == 2
    assert result.err.startswith("error: ")
