"""``placer profile``: evidence on disk, and its reports."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from placer import api
from placer.files.evidence import read_evidence
from placer.runtimes.onnxruntime import available_eps
from tests import models
from tests.cli.conftest import Result, Run

QUICK = ("--ep", "cpu", "--threads", "1", "--sla", "1s", "--time-limit", "3s")


def test_report_shows_quantiles_bounds_and_trust(run: Run, small_model: str) -> None:
    result = run("profile", small_model, *QUICK)
    assert result.code == 0
    for words in (
        "p50",
        "p99",
        "95 % bounds",
        "fresh processes",
        "session creation",
        "peak memory",
    ):
        assert words in result.out
    assert "quiet" in result.out or "disturbed" in result.out


def test_report_plots_the_runs_against_the_limit(
    run: Run, small_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        report = run("profile", small_model, *QUICK).out
        legend, shape, marks, axis = report.partition("Latency of runs")[2].splitlines()[:4]
        assert "▸ p99 ≤ 1 s" in legend
        assert max(map(len, (shape, marks, axis))) <= columns
        assert "█" in shape
        assert "▴" in marks
        assert "└" in axis or "┘" in axis
        assert "\x1b" not in report


def test_evidence_is_written_whole_and_reads_back(
    run: Run, small_model: str, tmp_path: Path
) -> None:
    saved = tmp_path / "here.json"
    assert run("profile", small_model, *QUICK, "--save", str(saved)).code == 0
    (record,) = read_evidence([str(saved)])
    assert record.site is None
    assert len(record.measurement.samples_s) >= 60
    assert record.measurement.nodes_by_ep[0][0] == "cpu"
    statement = json.loads(saved.read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"


def test_directory_takes_one_file_per_provider(run: Run, small_model: str, tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    assert run("profile", small_model, *QUICK, "--save", f"{folder}/").code == 0
    assert [path.name for path in folder.iterdir()] == ["small-cpu.json"]


def test_json_lists_operators_with_their_source(run: Run, small_model: str) -> None:
    document = json.loads(run("profile", small_model, *QUICK, "--format", "json").out)
    assert document["schema"] == "placer/profile/v1"
    operators = {one["op_type"]: one for one in document["model"]["operators"]}
    assert operators["Relu"]["flops"] > 0
    assert all(one["source"] for one in operators.values())
    assert document["measurements"][0]["predicate"]["results"]["processes"]


def test_session_settings_are_tried_when_none_are_given(run: Run, small_model: str) -> None:
    from placer.profiling.machine import usable_cores

    result = run("profile", small_model, "--ep", "cpu", "--sla", "1s")
    assert ("settings tried" in result.out) == (usable_cores() > 1)


def test_work_of_unknown_operators_is_listed(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "custom.onnx")
    models.custom_op(path)
    result = run("profile", path, *QUICK)
    assert result.code == 4
    assert "work unknown for" in result.out
    assert "not a registered function" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--save", "no/such/file.json"), 2, "no/such"),
        (("--site", " "), 2, "--site is empty"),
        (("--ep", "coreml", "--ep", "cpu", "--save", "one.json"), 2, "directory"),
        (("--rate", "0/s"), 2, "greater than zero"),
        (("--save", "/proc/nothing/"), 2, "cannot be made"),
    ],
)
def test_bad_option_is_refused_before_measuring(
    run: Run, small_model: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = run("profile", small_model, *arguments)
    assert result.code == code
    assert words in result.err
    assert result.out == ""


def test_provider_that_is_not_here_is_4_and_the_others_are_reported(
    run: Run, small_model: str
) -> None:
    if "coreml" in available_eps():
        pytest.skip("this build has CoreML")
    result = run("profile", small_model, "--ep", "coreml", *QUICK)
    assert result.code == 4
    assert "coreml: unavailable" in result.out
    assert "cpu: onnxruntime" in result.out


def test_provider_that_was_not_built_in_is_not_tried(small_model: str) -> None:
    if "coreml" in available_eps():
        pytest.skip("this build has CoreML")
    said: list[str] = []
    options = api.MeasuringOptions(eps=("coreml",), time_limit_s=10.0)
    found = api.profile(small_model, options=options, progress=said.append)
    ((ep, failure),) = found.failures
    assert (ep, failure.kind) == ("coreml", "unavailable")
    assert "was built without CoreMLExecutionProvider" in failure.message
    assert said == []


def test_rate_puts_idle_time_between_runs(run: Run, small_model: str) -> None:
    result = run(
        "profile", small_model, "--ep", "cpu", "--threads", "1", "--rate", "100/s",
        "--time-limit", "2s",
    )  # fmt: skip
    assert "before each run" in result.out


def test_says_that_this_machine_is_not_the_device(run_again: Run, small_model: str) -> None:
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    site, own = ("jetson-nano", "x86-n200") if is_x86 else ("x86-n200", "jetson-nano")

    def profiled(name: str) -> Result:
        return run_again(
            "profile", small_model, "--site", name, "--ep", "cpu", "--time-limit", "1s"
        )

    assert f"is no {site}: " in profiled(site).err
    assert "PLC621" not in profiled("our-own").err
    assert " instead of " not in profiled(f"{own}-2").err
