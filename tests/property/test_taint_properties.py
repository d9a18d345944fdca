"""What is called injective can be solved for: held against the whole matrix of the operator."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from placer.onnx_files.injective import convolution_proof, matrix_proof
from placer.onnx_files.taint import trace_taint
from tests.models import build, tensor

SIZE = 5
FLOAT32_EPS = float(np.finfo(np.float32).eps)

convolutions = st.fixed_dictionaries(
    {
        "channels": st.integers(1, 3),
        "groups": st.integers(1, 2),
        "out_per_group": st.integers(1, 12),
        "kernel": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "strides": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "dilations": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "pads": st.tuples(*[st.integers(0, 2)] * 4),
        "rank_lost": st.booleans(),
        "seed": st.integers(0, 1000),
    }
)


def convolution(**case: Any) -> tuple[Any, int]:
    """Return a model of one convolution over any batch, and the channels of its input."""
    groups = case["groups"]
    channels = case["channels"] * groups
    shape = (case["out_per_group"] * groups, case["channels"], *case["kernel"])
    w = np.random.default_rng(case["seed"]).standard_normal(shape).astype(np.float32)
    if case["rank_lost"]:
        w[:, :, 0, 0] = w[:, :, -1, -1]
    attributes = {name: case[name] for name in ("strides", "dilations", "pads")}
    made = helper.make_node("Conv", ["x", "w"], ["y"], group=groups, **attributes)
    model = build(
        [made],
        [tensor("x", ("n", channels, SIZE, SIZE))],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(w, "w")],
    )
    return model, channels


def whole_matrix(model: Any, channels: int) -> np.ndarray:
    """Return (outputs, inputs) of the operator, by running it on every unit input."""
    inputs = channels * SIZE * SIZE
    units = np.eye(inputs, dtype=np.float32).reshape(inputs, channels, SIZE, SIZE)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(["y"], {"x": units})[0].reshape(inputs, -1).T, dtype=np.float64)


def fits(case: dict[str, Any]) -> bool:
    """Tell whether the kernel fits the padded input."""
    pads = case["pads"]
    padded = (SIZE + pads[0] + pads[2], SIZE + pads[1] + pads[3])
    spans = [d * (k - 1) + 1 for d, k in zip(case["dilations"], case["kernel"], strict=True)]
    return all(span <= size for span, size in zip(spans, padded, strict=True))


@settings(deadline=None, max_examples=150)
@given(convolutions.filter(fits))
def test_a_convolution_called_raw_determines_all_that_it_reads(case: dict[str, Any]) -> None:
    model, channels = convolution(**case)
    taint = trace_taint(model).taint("y")
    is_picture = not taint.is_mixed or case["channels"] == 1  # filtered, not injective
    if not taint.is_raw or is_picture:
        return
    matrix = whole_matrix(model, channels)
    read = matrix[:, np.any(matrix != 0, axis=0)]
    assert np.linalg.matrix_rank(read, rtol=1e-7) == read.shape[1]  # its numbers are exact


@settings(deadline=None, max_examples=100)
@given(
    case=convolutions.filter(lambda case: not case["rank_lost"] and case["dilations"] == (1, 1)),
)
def test_as_many_channels_as_a_patch_has_values_are_always_enough(case: dict[str, Any]) -> None:
    kernel = case["kernel"]
    values = case["channels"] * kernel[0] * kernel[1]
    w = np.random.default_rng(case["seed"]).standard_normal(
        (values * case["groups"], case["channels"], *kernel)
    )
    proof = convolution_proof(
        w,
        strides=case["strides"],
        dilations=case["dilations"],
        groups=case["groups"],
        output_sizes=[1, 1],
    )
    assert proof.is_shown, proof.reason


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000))
def test_a_matrix_is_injective_if_its_rank_is_that_of_its_columns(
    rows: int, columns: int, inner: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((rows, inner)) @ rng.standard_normal((inner, columns))
    rank = np.linalg.matrix_rank(matrix, rtol=max(rows, columns) * FLOAT32_EPS)
    assert matrix_proof(matrix).is_shown == (rank == columns)
