"""``placer recommend --as ROW``: the published time of an architecture, or why there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from placer.core.errors import UsageError
from tests import models
from tests.cli.conftest import Run

DATE = ("--as-of", "2026-03-01", "--no-measure", "--network", "fiber_100")
SITE = ("--device", "sd-8gen3", "--cloud", "aws-c7i.xlarge@us-east-1")


def _answer(run: Run, *arguments: str) -> dict[str, Any]:
    result = run("recommend", *arguments, "--format", "json")
    document: dict[str, Any] = json.loads(result.out)
    return document


def test_the_time_is_that_of_the_row_and_the_answer_says_what_was_assumed(
    run: Run, small_model: str
) -> None:
    document = _answer(run, small_model, "--sla", "5ms", *SITE, *DATE, "--as", "aihub/resnet50")
    edge = next(one for one in document["candidates"] if one["id"] == "edge:qnn")
    assert edge["basis"] == "transferred"
    assert edge["latency_s"]["p50"] == pytest.approx(0.001724)
    (target,) = edge["targets"]
    assert target["verdict"] == "met"
    assert target["high_s"] == pytest.approx(1.3 * 0.001724, rel=0.02)
    assert edge["stages"][0]["source"].startswith("E2: Qualcomm AI Hub Models v0.46.1")
    assert "2026-02-12" in edge["stages"][0]["source"]
    first = document["assumptions"][0]
    assert (first["name"], first["value"]) == ("architecture", "aihub/resnet50")
    assert first["basis"] == "assumed"
    assert "nothing checks that the model" in first["source"]
    cloud = next(one for one in document["candidates"] if one["id"].startswith("cloud:"))
    assert cloud["basis"] == "catalogue"  # the row says nothing about it


@pytest.mark.parametrize("report", ["text", "markdown"])
def test_every_report_lists_the_assumption(run: Run, small_model: str, report: str) -> None:
    result = run(
        *("recommend", small_model, "--sla", "5ms", *SITE, *DATE),
        *("--as", "aihub/resnet50", "--format", report),
    )
    assert result.code == 0
    words = " ".join(result.out.replace("`", "").split())
    assert "architecture = aihub/resnet50" in words
    assert "E2 (×1.3, ÷110): the model is taken to be aihub/resnet50" in words
    assert "foretells 38.3 µs" in words  # which opens the lower end


def test_a_row_unlike_what_the_chip_takes_for_such_a_model_is_doubted(run: Run) -> None:
    digits = str(Path(__file__).parents[2] / "examples" / "01_digits" / "digits.onnx")

    def doubts(row: str) -> list[str]:
        document = _answer(run, digits, "--sla", "5ms", *SITE, *DATE, "--as", row)
        edge = next(one for one in document["candidates"] if one["id"] == "edge:qnn")
        return [one["message"] for one in edge["findings"] if one["rule"] == "PLC601"]

    (told,) = doubts("aihub/resnet50")
    assert "foretells" in told
    assert told.endswith("for this model: is it that architecture?")
    (told,) = doubts("aihub/mediapipe_hand_gesture/CannedGestureClassifier")
    assert "foretells" not in told


def test_an_old_row_proves_less(run: Run, small_model: str) -> None:
    arguments = (small_model, "--sla", "3ms", *SITE, "--as", "aihub/resnet50", *DATE[2:])
    fresh = _answer(run, *arguments, "--as-of", "2026-03-01")
    old = _answer(run, *arguments, "--as-of", "2026-11-23")
    verdicts = [
        next(one for one in answer["candidates"] if one["id"] == "edge:qnn")["verdict"]
        for answer in (fresh, old)
    ]
    assert verdicts == ["met", "unproven"]


def test_without_it_no_published_time_is_used(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "resnet50.onnx")  # a name matches nothing
    models.mlp(path, width=64, layers=2)
    document = _answer(run, path, "--sla", "5ms", *SITE, *DATE)
    edge = next(one for one in document["candidates"] if one["id"] == "edge:qnn")
    assert edge["basis"] == "catalogue"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--as", "resnet50", "--device", "sd-8gen3"), "(did you mean 'aihub/resnet50'?)"),
        (
            ("--as", "aihub/resnet50", "--device", "sd-8gen2"),
            "not measured on sd-8gen2, but on sd-8elite (qnn), sd-8gen3 (qnn), sd-x-elite (qnn)",
        ),
        (("--as", "aihub/resnet50", "--device", "sd-8gen2"), "QCS8550 (Proxy) is a board"),
        (("--as", "aihub/eyegaze", "--device", "sd-8gen3"), "fell back to the CPU"),
        (("--as", "openvino/resnet-50", "--device", "x86-1360p"), "openvino:cpu, not with cpu"),
        (("--as", "rknn/yolov8n", "--device", "rk3588"), "no execution provider for it"),
        (
            ("--as", "mlperf/resnet", "--device", "rpi5", "--cloud", "aws-g4dn.xlarge"),
            "does not state its arithmetic; the model runs there in float32",
        ),
    ],
)
def test_a_row_that_answers_nothing_is_an_error_that_says_why(
    run: Run, small_model: str, arguments: tuple[str, ...], message: str
) -> None:
    result = run("recommend", small_model, "--sla", "5ms", *arguments, *DATE)
    assert result.code == 2
    assert message in result.err
    assert result.out == ""


def test_this_machine_is_measured_and_needs_no_row(run: Run, small_model: str) -> None:
    result = run("recommend", small_model, "--sla", "5ms", "--as", "aihub/resnet50")
    assert result.code == 2
    assert "answers nothing here" in result.err
    assert "measuring" not in result.err  # said before


def test_another_file_is_not_taken_for_the_same_architecture(
    run: Run, small_model: str, tmp_path: Path
) -> None:
    other = str(tmp_path / "smaller.onnx")
    models.mlp(other, width=64, layers=1)
    arguments = (small_model, "--variant", other, "--sla", "5ms", *SITE, *DATE)
    document = _answer(run, *arguments, "--as", "aihub/resnet50")
    bases = {one["id"]: one["basis"] for one in document["candidates"]}
    assert bases["edge:qnn"] == "transferred"
    assert bases["edge:qnn~smaller"] == "catalogue"


def test_a_time_that_the_device_lacks_is_carried_over(run: Run, small_model: str) -> None:
    name = "aihub/gear_guard_net"  # of float models, measured on others with ONNX Runtime
    arguments = (small_model, "--sla", "5ms", "--device", "sd-x-elite", *SITE[2:], *DATE)
    document = _answer(run, *arguments, "--as", name)
    edge = next(one for one in document["candidates"] if one["id"] == "edge:qnn")
    assert edge["basis"] == "transferred"
    (stage,) = edge["stages"]
    assert stage["source"].startswith("E3: ")
    assert "carried over by 82 models measured on both devices" in stage["source"]
    (target,) = edge["targets"]
    assert 1.3 < target["high_s"] / stage["p50_s"] < 1.6


def test_python_takes_the_architecture_too(small_model: str) -> None:
    import placer

    with pytest.raises(UsageError, match="answers nothing here"):
        placer.recommend(
            small_model, device="sd-8gen2", architecture="aihub/resnet50", measure=False
        )
