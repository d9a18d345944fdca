"""A cascade of two real models: the digit classifier, and a linear one that learnt from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from placer.reports.json import from_json, recommendation_schema, to_json
from tests import models
from tests.cli.conftest import Run

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits"
BIG = str(DIGITS / "digits.onnx")
SAMPLES = str(DIGITS / "samples.npz")
QUICK = (
    "--threads", "1", "--ep", "cpu", "--time-limit", "2s", "--sla", "p50=500ms",
    "--privacy", "public", "--cloud", "aws-g6.xlarge@eu-north-1",
)  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A softmax regression on what the digit classifier says of the calibration images."""
    images = np.load(DIGITS / "calibration.npz")["image"]
    session = ort.InferenceSession(BIG, providers=["CPUExecutionProvider"])
    told = np.concatenate([session.run(None, {"image": one[None]})[0] for one in images])
    pixels, wanted = images.reshape(len(images), -1) / 16, np.eye(10)[told.argmax(axis=1)]
    weights, bias = np.zeros((64, 10)), np.zeros(10)
    for _ in range(500):
        scores = np.exp(pixels @ weights + bias)
        error = (scores / scores.sum(axis=1, keepdims=True) - wanted) / len(images)
        weights -= pixels.T @ error
        bias -= error.sum(axis=0)
    path = str(tmp_path_factory.mktemp("cascade") / "linear.onnx")
    models.linear(path, onnx.load(BIG), weights / 16, bias)
    return path


def asked(run: Run, small: str, *arguments: str) -> dict[str, Any]:
    result = run("recommend", BIG, "--variant", small, *QUICK, *arguments, "--format", "json")
    document: dict[str, Any] = json.loads(result.out)
    jsonschema.validate(document, recommendation_schema())
    assert to_json(from_json(result.out)) == result.out
    return document


def cascades(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in document["candidates"] if one["placement"] == "cascade"]


def test_a_cascade_is_measured_on_real_samples_and_labels(run_again: Run, small: str) -> None:
    document = asked(
        run_again, small, "--inputs", SAMPLES, "--labels", str(DIGITS / "labels.npy"),
        "--min-agreement", "95%",
    )  # fmt: skip
    (found,) = cascades(document)
    assert found["id"] == "cascade:cpu~linear+aws-g6.xlarge@eu-north-1"
    assert (found["class"], found["leaves_device"]) == ("hybrid", "raw_input")
    assert found["variant"] == small
    facts = found["cascade"]
    rate, kept = facts["escalation"], facts["agreement"]
    assert facts["scores"] == "probabilities"
    assert rate["samples"] == kept["samples"] == facts["chosen_on"] == 250
    assert 0.05 < rate["low_ratio"] < rate["ratio"] < rate["high_ratio"] < 0.9
    assert kept["ratio"] > 0.95
    assert facts["accuracy"]["ratio"] == found["accuracy_ratio"] > 0.95
    by_id = {one["id"]: one for one in document["candidates"]}
    assert by_id["edge:cpu~linear"]["feasible"] is False
    assert by_id["edge:cpu~linear"]["cascade"] is None
    assert by_id["edge:cpu~linear"]["agreement_ratio"] < kept["ratio"]
    # the threshold holds by other code, on all samples
    session = ort.InferenceSession(small, providers=["CPUExecutionProvider"])
    images = np.load(SAMPLES)["image"]
    given = np.concatenate([session.run(None, {"image": one[None]})[0] for one in images])
    ordered = np.sort(given.astype(np.float64), axis=1)
    by_hand = {
        "top_probability": ordered[:, -1],
        "margin": ordered[:, -1] - ordered[:, -2],
    }[facts["confidence"]]
    passed_on = float((by_hand < facts["threshold"]).mean())
    assert rate["low_ratio"] - 0.03 < passed_on < rate["high_ratio"] + 0.03


def test_reports_name_the_threshold_and_the_rate(
    run_again: Run, small: str, tmp_path: Path
) -> None:
    report = tmp_path / "report.md"
    result = run_again(
        "recommend", BIG, "--variant", small, *QUICK, "--inputs", SAMPLES,
        "--min-agreement", "95%", "--output", "text", "--output", f"markdown={report}",
    )  # fmt: skip
    for text in (result.out, report.read_text()):
        words = " ".join(text.split())
        assert "it answers by itself where" in words
        assert "of the requests (" in words
        assert "chosen on 250 others" in words


def test_too_few_samples_prove_no_cascade(run_again: Run, small: str, tmp_path: Path) -> None:
    few = str(tmp_path / "few.npz")
    np.savez(few, image=np.load(SAMPLES)["image"][:60])
    document = asked(run_again, small, "--inputs", few, "--min-agreement", "99%")
    assert cascades(document) == []
    (told,) = (one for one in document["findings"] if one["rule"] == "PLC406")
    assert told["message"].endswith("299 that judge and as many that choose: 598 in all")
    assert told["remedy"] == "give more samples, or ask for less"


def test_a_wanted_accuracy_is_held_against_the_labels(run_again: Run, small: str) -> None:
    document = asked(
        run_again, small, "--inputs", SAMPLES, "--labels", str(DIGITS / "labels.npy"),
        "--min-accuracy", "95%",
    )  # fmt: skip
    (found,) = cascades(document)
    assert found["cascade"]["wanted"] == {"agreement_ratio": None, "accuracy_ratio": 0.95}
    assert found["cascade"]["accuracy"]["ratio"] > 0.95
    by_id = {one["id"]: one for one in document["candidates"]}
    assert by_id["edge:cpu"]["feasible"] is True
    told = {one["rule"]: one["effect"] for one in by_id["edge:cpu~linear"]["findings"]}
    assert told["PLC408"] == "violated"
    assert "PLC406" not in told


def test_the_accuracy_of_the_model_alone_is_judged(run_again: Run) -> None:
    labels = ("--inputs", SAMPLES, "--labels", str(DIGITS / "labels.npy"))
    for wanted, feasible in (("95%", True), ("99.9%", None)):
        result = run_again(
            "recommend", BIG, *QUICK, *labels, "--min-accuracy", wanted, "--format", "json"
        )
        by_id = {one["id"]: one for one in json.loads(result.out)["candidates"]}
        assert by_id["edge:cpu"]["feasible"] is feasible, result.err
        assert by_id["edge:cpu"]["accuracy_ratio"] == pytest.approx(0.998)
