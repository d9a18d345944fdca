"""``--variant``: another file of the model is a candidate of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from placer.reports.json import recommendation_schema
from tests import models
from tests.cli.conftest import Run

QUICK = (
    "--threads", "1", "--time-limit", "2s", "--sla", "1s", "--format", "json",
    "--cloud", "aws-g6.xlarge@eu-north-1",
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A model, a variant whose weights are a little off, one far off, and real samples."""
    folder = tmp_path_factory.mktemp("variants")
    base = str(folder / "net.onnx")
    models.mlp(base, width=16, layers=2)
    paths = {"net": base}
    rng = np.random.default_rng(1)
    for name, share in (("close", 1e-5), ("far", 2.0)):
        model = onnx.load(base)
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            noise = share * values.std() * rng.standard_normal(values.shape)
            changed = (values + noise).astype(values.dtype)
            tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
        paths[name] = str(folder / f"net-{name}.onnx")
        onnx.save(model, paths[name])
    (spec,) = onnx.load(base).graph.input
    shape = [dimension.dim_value for dimension in spec.type.tensor_type.shape.dim]
    samples = rng.standard_normal((400, *shape)).astype(np.float32)
    paths["samples"] = str(folder / "samples.npz")
    arrays: dict[str, Any] = {spec.name: samples}
    np.savez(paths["samples"], **arrays)
    return paths


def _asked(run_again: Run, *arguments: str) -> dict[str, dict[str, Any]]:
    document = json.loads(run_again("recommend", *arguments, *QUICK).out)
    import jsonschema

    jsonschema.validate(document, recommendation_schema())
    return {one["id"]: one for one in document["candidates"]}


def test_a_variant_is_measured_and_compared_on_real_samples(
    run_again: Run, files: dict[str, str]
) -> None:
    found = _asked(
        run_again, files["net"], "--variant", files["close"], "--variant", files["far"],
        "--inputs", files["samples"],
    )  # fmt: skip
    assert found["edge:cpu"]["variant"] is None
    close, far = found["edge:cpu~net-close"], found["edge:cpu~net-far"]
    assert close["variant"] == files["close"]
    assert close["basis"] == far["basis"] == "measured"
    assert close["agreement_ratio"] >= 0.99
    assert far["agreement_ratio"] < 0.9
    assert close["feasible"] is None  # how often is enough nobody stated
    clouds = [one for one in found if one.startswith("cloud:") and one.endswith("~net-far")]
    assert clouds


def test_the_least_agreement_of_a_workload_decides(
    run_again: Run, files: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(
        "schema: placer/workload/v1\nname: x\nmodel:\n"
        f"  path: {files['net']}\n  variants: [{files['close']}, {files['far']}]\n"
        f"  inputs: {files['samples']}\n  min_agreement: 98%\n"
    )
    found = _asked(run_again, "--workload", str(file))
    assert found["edge:cpu~net-close"]["feasible"] is True
    assert found["edge:cpu~net-far"]["feasible"] is False
    stated = _asked(run_again, "--workload", str(file), "--min-agreement", "99.99999%")
    assert stated["edge:cpu~net-close"]["feasible"] is not True


def test_without_real_samples_no_variant_is_proven(run_again: Run, files: dict[str, str]) -> None:
    found = _asked(
        run_again, files["net"], "--variant", files["close"], "--min-agreement", "98%"
    )  # fmt: skip
    assert found["edge:cpu~net-close"]["feasible"] is None
    assert found["edge:cpu"]["feasible"] is True


@pytest.mark.parametrize(
    ("variants", "code", "message"),
    [
        (("net",), 2, "is the same model as"),
        (("close", "close"), 2, "is the same model as"),
        (("small",), 2, "has other inputs than"),
        (("none",), 3, "no such file"),
    ],
)
def test_a_variant_must_be_another_file_of_the_same_model(
    run_again: Run,
    files: dict[str, str],
    small_model: str,
    tmp_path: Path,
    variants: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    known = {**files, "small": small_model, "none": str(tmp_path / "none.onnx")}
    options = [part for name in variants for part in ("--variant", known[name])]
    result = run_again("recommend", files["net"], *options, "--no-measure")
    assert result.code == code, result.err
    assert message in result.err
