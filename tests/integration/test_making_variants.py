"""Variants of real models by the real tools: what is made, what is not, and what is reused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from placer.api.making import MadeFile, make_variants
from placer.api.measuring import MeasuringOptions, say_nothing
from placer.api.variant_plan import Plan, VariantOptions, plan_variants
from placer.core.errors import UsageError
from placer.core.finding import Finding, Severity
from placer.core.variant import agreement
from placer.onnx_files.reader import read_model
from placer.runtimes import quantization
from tests import models

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits"


def made(
    path: str | Path, options: MeasuringOptions, asked: VariantOptions
) -> tuple[Plan, tuple[MadeFile, ...], tuple[Finding, ...]]:
    summary = read_model(str(path), shapes=dict(options.shapes or {}))
    plan = plan_variants(summary, options, asked, has_variants=False)
    files, findings = make_variants(plan, summary, options, asked, (str(path),), say_nothing)
    return plan, files, (*plan.findings, *findings)


def run(path: str, samples: dict[str, Any]) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    count = len(next(iter(samples.values())))
    given = [session.run(names, {k: v[at] for k, v in samples.items()}) for at in range(count)]
    return {name: np.stack([one[at] for one in given]) for at, name in enumerate(names)}


def operators(path: str) -> Counter[str]:
    def nodes(graph: Any) -> Iterator[Any]:
        for node in graph.node:
            yield node
            for attribute in node.attribute:
                yield from nodes(attribute.g)

    return Counter(node.op_type for node in nodes(onnx.load(path).graph))


def saved(folder: Path, shape: tuple[int, ...], count: int = 12, name: str = "x") -> str:
    path = str(folder / "samples.npz")
    arrays: dict[str, Any] = {
        name: np.random.default_rng(3).standard_normal((count, *shape)).astype(np.float32)
    }
    np.savez(path, **arrays)
    return path


def test_digits_in_int8_and_float16_answer_as_the_model_on_images_that_did_not_calibrate(
    tmp_path: Path,
) -> None:
    model, samples = DIGITS / "digits.onnx", DIGITS / "samples.npz"
    plan, files, findings = made(
        model,
        MeasuringOptions(inputs=str(samples)),
        VariantOptions(("int8", "fp16"), str(tmp_path), labels=str(DIGITS / "labels.npy")),
    )
    assert findings == ()
    assert [Path(one.path).name for one in files] == ["digits-int8.onnx", "digits-fp16.onnx"]
    assert plan.calibration is not None
    assert plan.judging is not None
    assert plan.judging.labels is not None
    calibrating = {one.tobytes() for one in plan.calibration.samples["image"]}
    judging = plan.judging.inputs.samples["image"]
    assert (len(calibrating), len(judging)) == (100, 400)
    assert not calibrating & {one.tobytes() for one in judging}
    every = np.load(samples)["image"].reshape(-1, 64)
    places = [int(np.flatnonzero((every == one.reshape(64)).all(axis=1))[0]) for one in judging]
    labels = np.load(DIGITS / "labels.npy")
    assert plan.judging.labels["probabilities"].tolist() == labels[places].tolist()

    expected = run(str(model), {"image": judging})
    size = model.stat().st_size
    for file, most_ratio in zip(files, (0.30, 0.55), strict=True):
        assert Path(file.path).stat().st_size < most_ratio * size
        assert agreement(expected, run(file.path, {"image": judging})).ratio >= 0.99
        onnx.checker.check_model(file.path, full_check=True)
        assert read_model(file.path).inputs == read_model(str(model)).inputs
        assert read_model(file.path).outputs == read_model(str(model)).outputs
    int8, fp16 = (operators(one.path) for one in files)
    assert int8["QuantizeLinear"] > 5
    assert "calibrated on 100 of the 500 samples of samples.npz" in files[0].made.how
    assert fp16["Cast"] == 2
    weights = {one.data_type for one in onnx.load(files[1].path).graph.initializer if one.dims}
    assert weights == {onnx.TensorProto.FLOAT16}


def test_named_calibration_samples_leave_all_inputs_to_judge_but_those_they_share(
    tmp_path: Path,
) -> None:
    model, samples = DIGITS / "digits.onnx", DIGITS / "samples.npz"
    summary = read_model(str(model))
    options = MeasuringOptions(inputs=str(samples))

    def planned(calibration: str) -> Plan:
        asked = VariantOptions(("int8",), calibration=calibration)
        return plan_variants(summary, options, asked, has_variants=False)

    plan = planned(str(DIGITS / "calibration.npz"))
    assert plan.judging is not None
    assert len(plan.judging.inputs.samples["image"]) == 500
    assert plan.findings == ()
    mixed = str(tmp_path / "mixed.npz")
    own = np.load(DIGITS / "calibration.npz")["image"]
    np.savez(mixed, image=np.concatenate([own, np.load(samples)["image"][:7]]))
    plan = planned(mixed)
    assert plan.judging is not None
    assert len(plan.judging.inputs.samples["image"]) == 493
    assert "7 samples of" in plan.findings[0].message
    with pytest.raises(UsageError, match="none is left to judge by"):
        planned(str(samples))


def test_a_network_without_convolutions_is_quantised_dynamically_without_samples(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "mlp.onnx")
    models.mlp(path, width=32, layers=2)
    asked = VariantOptions(("int8",), str(tmp_path / "new" / "folder"))
    plan, (file,), _ = made(path, MeasuringOptions(), asked)
    assert plan.calibration is None
    assert plan.judging is None
    assert operators(file.path)["MatMulInteger"] == 2
    assert "dynamic" in file.made.how
    options = MeasuringOptions(inputs=saved(tmp_path, (1, 32)))
    calibrated = replace(asked, calibration=options.inputs)
    plan, _, findings = made(path, options, calibrated)
    assert plan.judging is not None
    assert len(plan.judging.inputs.samples["x"]) == 12  # none was needed for calibrating
    assert "no calibration samples are taken" in findings[0].message


def _branches(path: str) -> None:
    """Write x times w0, then If: times w1 or w2, then three times round a Loop with w3."""
    row = (1, 16)
    arms = [
        helper.make_graph(
            [helper.make_node("MatMul", ["h", f"w{at}"], [f"arm{at}"])],
            f"arm{at}",
            [],
            [models.tensor(f"arm{at}", row)],
        )
        for at in (1, 2)
    ]
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w3"], ["next"]),
            helper.make_node("Tanh", ["next"], ["state_out"]),
            helper.make_node("Identity", ["go"], ["go_out"]),
        ],
        "body",
        [
            models.tensor("n", (), "int64"),
            models.tensor("go", (), "bool"),
            models.tensor("state", row),
        ],
        [models.tensor("go_out", (), "bool"), models.tensor("state_out", row)],
    )
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["h"]),
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "zero"], ["which"]),
        helper.make_node("If", ["which"], ["i"], then_branch=arms[0], else_branch=arms[1]),
        helper.make_node("Loop", ["three", "yes", "i"], ["y"], body=body),
    ]
    weights = [models.weights(f"w{at}", 16, 16, fan_in=16, seed=at) for at in range(4)]
    weights += [
        numpy_helper.from_array(np.array(3), "three"),
        numpy_helper.from_array(np.array(True), "yes"),
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
    ]
    onnx.save(
        models.build(nodes, [models.tensor("x", row)], [models.tensor("y", row)], weights), path
    )


def test_branches_and_loops_are_converted_in_a_valid_order(tmp_path: Path) -> None:
    path = str(tmp_path / "branches.onnx")
    _branches(path)
    _, files, findings = made(
        path, MeasuringOptions(), VariantOptions(("int8", "fp16"), str(tmp_path / "out"))
    )
    assert findings == ()
    samples = dict(np.load(saved(tmp_path, (1, 16))))
    expected = run(path, samples)["y"]
    for file, most in zip(files, (0.3, 0.02), strict=True):
        onnx.checker.check_model(file.path, full_check=True)
        assert np.abs(run(file.path, samples)["y"] - expected).max() < most
    assert operators(files[1].path)["MatMul"] == 4
    assert operators(files[0].path)["MatMulInteger"] == 1  # those inside stay as they are


def _conv(path: str, *, opset: int, batch: int | str = 1, op_type: str = "Relu") -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"])
        if op_type == "Relu"
        else helper.make_node("Resize", ["c", "scales"], ["r"], mode="linear"),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Softmax", ["f"], ["y"], axis=1),
    ]
    weights = [models.weights("w", 8, 3, 3, 3, fan_in=27)]
    if op_type != "Relu":
        weights.append(numpy_helper.from_array(np.array([1, 1, 1.5, 1.5], np.float32), "scales"))
    model = models.build(
        nodes,
        [models.tensor("x", (batch, 3, 16, 16))],
        [models.tensor("y", (batch, 8))],
        weights,
        opset=opset,
    )
    model.ir_version = 8 if opset > 9 else 4
    if opset <= 9:  # then weights are inputs as well
        model.graph.input.extend(
            helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in weights
        )
    onnx.save(model, path)


def test_an_old_opset_is_raised_where_that_is_exact(tmp_path: Path) -> None:
    path = str(tmp_path / "old.onnx")
    _conv(path, opset=11)
    options = MeasuringOptions(inputs=saved(tmp_path, (1, 3, 16, 16)))
    _, files, findings = made(path, options, VariantOptions(("int8", "fp16"), str(tmp_path)))
    assert findings == ()
    assert "opset 11 converted to 13 with the same outputs to the bit" in files[0].made.how
    assert onnx.load(files[0].path).opset_import[0].version == 13
    assert onnx.load(files[1].path).opset_import[0].version == 11


def test_weights_that_are_inputs_as_well_become_weights(tmp_path: Path) -> None:
    path = str(tmp_path / "oldest.onnx")
    _conv(path, opset=9)
    options = MeasuringOptions(inputs=saved(tmp_path, (1, 3, 16, 16)))
    _, files, findings = made(path, options, VariantOptions(("int8", "fp16"), str(tmp_path)))
    assert findings == ()
    for file in files:
        model = onnx.load(file.path)
        assert [one.name for one in model.graph.input] == ["x"]
        types = {one.data_type for one in model.graph.initializer if np.prod(one.dims) > 8}
        assert types <= {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT16}


def test_symbolic_dimensions_stay_symbolic(tmp_path: Path) -> None:
    path = str(tmp_path / "net.onnx")
    _conv(path, opset=17, batch="batch")
    options = MeasuringOptions(inputs=saved(tmp_path, (4, 3, 16, 16)), shapes={"x": (4, 3, 16, 16)})
    _, files, findings = made(path, options, VariantOptions(("int8", "fp16"), str(tmp_path)))
    assert findings == ()
    for file in files:
        first = onnx.load(file.path).graph.input[0].type.tensor_type.shape.dim[0]
        assert first.dim_param == "batch"


def test_external_data_goes_into_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "net.onnx")
    models.external_data(path)
    out = tmp_path / "out"
    _, files, findings = made(path, MeasuringOptions(), VariantOptions(("int8", "fp16"), str(out)))
    assert findings == ()
    assert {one.name for one in out.iterdir()} == {"net-int8.onnx", "net-fp16.onnx"}
    samples = dict(np.load(saved(tmp_path, (1, 128))))
    expected = run(path, samples)["y"]
    for file in files:
        assert np.abs(run(file.path, samples)["y"] - expected).max() < 0.5


def test_local_functions_are_put_in_place(tmp_path: Path) -> None:
    path = str(tmp_path / "net.onnx")
    layer = helper.make_function(
        "test.layers",
        "Layer",
        ["a", "b"],
        ["c"],
        [helper.make_node("MatMul", ["a", "b"], ["m"]), helper.make_node("Relu", ["m"], ["c"])],
        [helper.make_opsetid("", models.OPSET)],
    )
    nodes = [
        helper.make_node("Layer", ["x", "w0"], ["h"], domain="test.layers"),
        helper.make_node("Layer", ["h", "w1"], ["y"], domain="test.layers"),
    ]
    row = (1, 16)
    model = models.build(
        nodes,
        [models.tensor("x", row)],
        [models.tensor("y", row)],
        [models.weights(f"w{at}", 16, 16, fan_in=16, seed=at) for at in range(2)],
        domains=["test.layers"],
        functions=[layer],
    )
    onnx.save(model, path)
    asked = VariantOptions(("int8", "fp16"), str(tmp_path / "out"))
    _, files, findings = made(path, MeasuringOptions(), asked)
    assert findings == ()
    samples = dict(np.load(saved(tmp_path, row)))
    expected = run(path, samples)["y"]
    for file, most in zip(files, (0.3, 0.02), strict=True):
        assert np.abs(run(file.path, samples)["y"] - expected).max() < most
    assert operators(files[0].path)["MatMulInteger"] == 2


def _half(path: str) -> None:
    model = models.build(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [models.tensor("x", (1, 16), "float16")],
        [models.tensor("y", (1, 16), "float16")],
        [numpy_helper.from_array(np.eye(16, dtype=np.float16), "w")],
    )
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("name", "precision", "reason"),
    [
        ("quantised", "int8", "the model is quantised already (DequantizeLinear)"),
        ("quantised", "fp16", "the model is quantised already (DequantizeLinear)"),
        ("half", "fp16", "its weights are float16 already"),
        ("chain", "int8", "it has no floating-point weights that can be quantised"),
        ("chain", "fp16", "it has no float32 weights"),
        ("add", "int8", "none of its operators can be quantised"),
        ("custom", "fp16", "ONNX Runtime does not run what its tool made"),
    ],
)
def test_a_variant_that_cannot_be_made_is_told_with_its_reason(
    name: str, precision: str, reason: str, tmp_path: Path
) -> None:
    path = str(tmp_path / f"{name}.onnx")
    match name:
        case "quantised":
            models.mlp(path, width=16, layers=1)
            asked = VariantOptions(("int8",), str(tmp_path / "first"))
            _, (file,), _ = made(path, MeasuringOptions(), asked)
            path = file.path
            reason = reason.replace("DequantizeLinear", "DynamicQuantizeLinear")
        case "half":
            _half(path)
        case "chain":
            models.chain(path, 3)
        case "add":
            nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
            row = models.tensor("x", (1, 16)), models.tensor("y", (1, 16))
            onnx.save(models.build(nodes, [row[0]], [row[1]], [models.weights("w", 16)]), path)
        case _:
            nodes = [
                helper.make_node("MatMul", ["x", "w"], ["h"]),
                helper.make_node("Mystery", ["h"], ["y"], domain="test.unknown"),
            ]
            row = models.tensor("x", (1, 16)), models.tensor("y", (1, 16))
            onnx.save(
                models.build(
                    nodes,
                    [row[0]],
                    [row[1]],
                    [models.weights("w", 16, 16)],
                    domains=["test.unknown"],
                ),
                path,
            )
    out = tmp_path / "out"
    _, files, (finding,) = made(path, MeasuringOptions(), VariantOptions((precision,), str(out)))
    assert files == ()
    assert reason in finding.message
    assert finding.severity is Severity.WARNING
    assert not out.exists() or not list(out.iterdir())


def test_an_old_opset_is_not_raised_where_the_converted_model_answers_differently(
    tmp_path: Path,
) -> None:
    """Resize of opset 10 places its points in another way, which the converter does not keep."""
    path = str(tmp_path / "old.onnx")
    _conv(path, opset=10, op_type="Resize")
    options = MeasuringOptions(inputs=saved(tmp_path, (1, 3, 16, 16)))
    _, files, (finding,) = made(path, options, VariantOptions(("int8",), str(tmp_path / "out")))
    assert files == ()
    assert "opset 10 is too old for it: export the model with opset 13" in finding.message
    assert "converted, it answers differently" in finding.message


def test_a_model_of_more_than_2_gb_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "mlp.onnx")
    models.mlp(path, width=16, layers=1)
    large = replace(read_model(path), n_bytes=3 * 10**9)
    plan = plan_variants(
        large, MeasuringOptions(), VariantOptions(("int8", "fp16")), has_variants=False
    )
    assert plan.methods == ()
    assert all("larger than 2 GB" in one.message for one in plan.findings)


def test_a_variant_is_made_once_for_each_recipe(tmp_path: Path) -> None:
    path = str(tmp_path / "net.onnx")
    _conv(path, opset=17)
    samples = saved(tmp_path, (1, 3, 16, 16))
    options = MeasuringOptions(inputs=samples, cache_directory=str(tmp_path / "cache"))
    asked = VariantOptions(("int8",))

    def place(options: MeasuringOptions = options) -> tuple[str, int]:
        _, (file,), _ = made(path, options, asked)
        return file.path, Path(file.path).stat().st_ino

    first = place()
    assert place() == first
    assert Path(first[0]).parent.parent.name == read_model(path).sha256[:16]
    fresh = place(replace(options, fresh=True))
    assert fresh[0] == first[0]
    assert fresh[1] != first[1]

    whole = Path(first[0]).read_bytes()
    Path(first[0]).write_bytes(whole[: len(whole) // 2])  # a disk that lost the end
    assert quantization.recipe_of(first[0]) is None
    assert place()[0] == first[0]
    assert quantization.recipe_of(first[0]) is not None

    arrays: dict[str, Any] = {"x": np.load(samples)["x"] * 2}
    np.savez(samples, **arrays)  # other calibration samples
    other = place()
    assert other[0] != first[0]
    _conv(path, opset=18)  # another model
    assert Path(place()[0]).parent.parent != Path(first[0]).parent.parent


def test_a_file_that_placer_did_not_make_is_never_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "mlp.onnx")
    models.mlp(path, width=16, layers=1)
    mine = tmp_path / "out" / "mlp-int8.onnx"
    mine.parent.mkdir()
    models.mlp(str(mine), width=8, layers=1)
    before = mine.read_bytes()
    asked = VariantOptions(("int8",), str(mine.parent))
    with pytest.raises(UsageError, match="is there and was not made by placer"):
        made(path, MeasuringOptions(), asked)
    assert mine.read_bytes() == before
    mine.unlink()
    made(path, MeasuringOptions(), asked)
    models.mlp(path, width=24, layers=1)  # the model changed: its variant is made anew
    _, (file,), _ = made(path, MeasuringOptions(), asked)
    assert read_model(file.path).inputs[0].shape == (1, 24)


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_a_kill_in_the_middle_leaves_no_file_that_is_taken_for_a_variant(tmp_path: Path) -> None:
    path = str(tmp_path / "net.onnx")
    models.conv_net(path, size=56, channels=32, layers=12)
    samples, out = saved(tmp_path, (1, 3, 56, 56), count=400), tmp_path / "out"
    command = [
        *(sys.executable, "-m", "placer", "recommend", path, "--variants", "int8"),
        *("--inputs", samples, "--variants-to", str(out)),
    ]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "making the variant" in line:
                break
        time.sleep(0.2)  # a fast machine takes more than that for 400 samples
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert [one.name for one in out.glob("*.onnx")] == []
    _, files, _ = made(path, MeasuringOptions(inputs=samples), VariantOptions(("int8",), str(out)))
    assert len(files) == 1
