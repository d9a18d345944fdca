"""``--variants int8,fp16``: made, judged on held-out samples, ranked, reported."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

from placer.reports.json import recommendation_schema
from tests import models
from tests.cli.conftest import Run

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits"
QUICK = (
    "--ep",
    "cpu",
    "--threads",
    "1",
    "--time-limit",
    "2s",
    "--sla",
    "1s",
    "--cloud",
    "aws-g6.xlarge@eu-north-1",
)
FILES = (str(DIGITS / "digits.onnx"), "--inputs", str(DIGITS / "samples.npz"))


@pytest.fixture
def mlp(tmp_path: Path) -> str:
    path = str(tmp_path / "mlp.onnx")
    models.mlp(path, width=16, layers=1)
    return path


def test_variants_are_measured_judged_and_shown_beside_the_model(
    run_again: Run, tmp_path: Path
) -> None:
    saved, report, out = (tmp_path / name for name in ("a.json", "a.md", "out"))
    result = run_again(
        "recommend", *FILES, *QUICK, "--variants", "int8,fp16",
        "--labels", str(DIGITS / "labels.npy"), "--min-agreement", "95%",
        "--variants-to", str(out), "--save", str(saved), "--output", "text",
        "--output", f"markdown={report}",
    )  # fmt: skip
    assert result.code == 0, result.err
    document = json.loads(saved.read_text())
    jsonschema.validate(document, recommendation_schema())
    model, int8, fp16 = document["variants"]
    assert (model["name"], model["agreement"], model["how"]) == (None, None, None)
    assert model["accuracy"]["samples"] == int8["accuracy"]["samples"] == 400
    assert min(one["accuracy"]["ratio"] for one in document["variants"]) > 0.97
    assert int8["agreement"]["low_ratio"] > 0.97
    assert int8["bytes"] < fp16["bytes"] < model["bytes"]
    for one in (int8, fp16):
        assert one["path"] == str(out / f"digits-{one['precision']}.onnx")
        assert Path(one["path"]).is_file()
        assert one["candidate"] == f"edge:cpu~digits-{one['precision']}"
        assert 0 < one["p50_s"] <= one["p99_s"]
        assert one["peak_memory_bytes"] > 10**6
    by_id = {one["id"]: one for one in document["candidates"]}
    assert by_id["edge:cpu"]["accuracy_ratio"] == model["accuracy"]["ratio"]
    for one in (int8, fp16):
        candidate = by_id[one["candidate"]]
        assert candidate["feasible"] is True
        assert candidate["agreement_ratio"] == one["agreement"]["ratio"]
        assert candidate["accuracy_ratio"] == one["accuracy"]["ratio"]
    for text in (result.out, report.read_text()):
        assert "Variants of the model" in text
        assert "udged on 400 samples" in text
        assert "digits-int8.onnx" in text.replace("\n", "").replace(" ", "")
        assert "QDQ per channel" in text
    again = run_again(
        "recommend", *FILES, *QUICK, "--variants", "int8,fp16",
        "--min-agreement", "95%", "--variants-to", str(out), "--save", str(tmp_path / "b.json"),
    )  # fmt: skip
    assert "made before, reused" in again.err
    assert run_again("compare", str(saved), str(tmp_path / "b.json")).code == 0


def test_a_variant_that_cannot_be_made_does_not_stop_the_answer(
    run_again: Run, tmp_path: Path
) -> None:
    path = str(tmp_path / "chain.onnx")
    models.chain(path, 4)
    result = run_again("recommend", path, *QUICK, "--variants", "int8", "--format", "json")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert document["variants"] == []
    (finding,) = [one for one in document["findings"] if one["rule"] == "PLC406"]
    assert finding["severity"] == "warning"
    assert "no int8 variant was made: it has no floating-point weights" in finding["message"]


def test_a_workload_file_asks_for_variants(run_again: Run, mlp: str, tmp_path: Path) -> None:
    width = onnx.load(mlp).graph.input[0].type.tensor_type.shape.dim[1].dim_value
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "s.npz", x=rng.standard_normal((60, 1, width)).astype(np.float32))
    np.savez(tmp_path / "none.npz")  # without a convolution nothing is calibrated
    np.save(tmp_path / "l.npy", rng.integers(0, width, 60))
    file = tmp_path / "w.yaml"
    file.write_text(
        "schema: placer/workload/v1\nname: x\nmodel:\n  path: mlp.onnx\n"
        "  make_variants: [int8, FP16]\n  min_agreement: 50%\n  inputs: s.npz\n  labels: l.npy\n"
        "  calibration: none.npz\n"
    )
    result = run_again("recommend", "--workload", str(file), *QUICK, "--format", "json")
    document = json.loads(result.out)
    assert [one["precision"] for one in document["variants"]] == [None, "int8", "fp16"]
    assert all(one["accuracy"]["samples"] == 60 for one in document["variants"])
    fewer = run_again(
        "recommend", "--workload", str(file), *QUICK, "--variants", "fp16", "--format", "json"
    )
    assert [one["precision"] for one in json.loads(fewer.out)["variants"]] == [None, "fp16"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("make_variants: [int9]", "variant 'int9' is unknown"),
        ("make_variants: [int8]\n  labels: l.npy", "labels without samples"),
        ("inputs: s.npz\n  labels: l.npy", "labels without variants"),
        ("make_variants: [fp16]\n  calibration: c.npz", "calibration without an int8 variant"),
    ],
)
def test_a_workload_file_that_asks_for_nonsense_is_refused(
    run: Run, lines: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(f"schema: placer/workload/v1\nname: x\nmodel:\n  path: m.onnx\n  {lines}\n")
    result = run("recommend", "--workload", str(file))
    assert result.code == 2, result.err
    assert message in result.err
    assert "w.yaml:" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--variants", "int9"), 2, "--variants 'int9' is unknown (did you mean 'int8'?)"),
        (("--variants", "model-int8.onnx"), 2, "a file of your own: --variant FILE"),
        (("--variants", "int8,"), 2, "--variants '' is unknown"),
        (("--labels", "l.npy"), 2, "labels samples, but there are none"),
        (("--labels", "l.npy", "--inputs", "s.npz"), 2, "--labels without a variant"),
        (("--variants", "fp16", "--calibration", "c.npz"), 2, "without an int8 variant to make"),
        (("--variants-to", "out"), 2, "--variants-to without a variant to make"),
        (("--variants", "fp16", "--variants-to", ""), 2, "--variants-to is empty"),
        (("--device", "rpi5", "--tune", "3s"), 2, "--tune has no effect with the device rpi5"),
        (("--device", "rpi5", "--io", "device"), 2, "--io device has no effect"),
        (("--device", "rpi5", "--threads", "1"), 2, "--threads has no effect"),
        (("--tune", "3s", "--threads", "1"), 2, "--tune has nothing to search"),
        (("--tune", "3s", "--threads", "2", "--spinning"), 2, "--tune has nothing to search"),
        (
            (
                "--tune",
                "1s",
            ),
            2,
            "no time to search",
        ),
        (("--io", "gpu"), 2, "--io 'gpu' is unknown"),
        (("--ep", "cpu", "--ep-option", "cuda.a=1"), 2, "cuda is not measured, only cpu"),
        (("--variants", "int8", "--no-measure"), 2, "--variants has no effect with --no-measure"),
        (("--variants", "int8", "--calibration", "none.npz"), 3, "no such file: none.npz"),
    ],
)
def test_options_that_cannot_be_met_are_told(
    run: Run, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = run("recommend", str(DIGITS / "digits.onnx"), *arguments)
    assert result.code == code, result.err
    assert message in result.err


def test_a_convolutional_network_is_not_quantised_without_real_samples(
    run: Run, tmp_path: Path
) -> None:
    result = run("recommend", str(DIGITS / "digits.onnx"), "--variants", "int8")
    assert result.code == 2
    assert "calibrated on real samples" in result.err
    assert "--calibration" in result.err
    one = str(tmp_path / "one.npz")
    np.savez(one, image=np.load(DIGITS / "samples.npz")["image"][:1])
    result = run("recommend", FILES[0], "--inputs", one, "--variants", "int8")
    assert result.code == 2
    assert "cannot both calibrate and judge" in result.err


def test_labels_that_do_not_fit_the_samples_are_told_before_anything_is_measured(
    run: Run, tmp_path: Path
) -> None:
    labels = str(tmp_path / "labels.npy")
    np.save(labels, np.arange(499) % 10)
    result = run("recommend", *FILES, "--variants", "fp16", "--labels", labels)
    assert result.code == 2
    assert "labels of the shape (499)" in result.err
    assert "500 samples" in result.err


def test_what_is_read_or_foreign_is_never_written_over(run: Run, mlp: str, tmp_path: Path) -> None:
    taken = tmp_path / "mlp-int8.onnx"
    taken.write_bytes(b"mine")
    result = run("recommend", mlp, "--variants", "int8", "--variants-to", str(tmp_path))
    assert result.code == 2
    assert "was not made by placer" in result.err
    assert taken.read_bytes() == b"mine"
    result = run("recommend", mlp, "--variants", "int8", "--variants-to", f"{mlp}/inside")
    assert result.code == 2
    assert "cannot make the directory" in result.err


def test_one_file_is_not_both_given_and_made(run_again: Run, mlp: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run_again("recommend", mlp, *QUICK, "--variants", "fp16", "--variants-to", str(out))
    assert first.code == 0, first.err
    file = str(out / "mlp-fp16.onnx")
    result = run_again(
        "recommend", mlp, *QUICK, "--variants", "fp16", "--variants-to", str(out), "--variant", file
    )
    assert result.code == 2
    assert "mlp-fp16.onnx" in result.err


def test_an_agreement_that_judges_nothing_is_told(run: Run) -> None:
    model = str(DIGITS / "digits.onnx")
    result = run("recommend", model, "--min-agreement", "99%", *QUICK)
    assert result.code == 0
    assert "min_agreement judges nothing" in result.err
