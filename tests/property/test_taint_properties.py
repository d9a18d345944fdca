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


def weights(case: dict[str, Any]) -> np.ndarray:
    """Return random ones of a convolution; where ``rank_lost``, two of its places are alike."""
    shape = (case["out_per_group"] * case["groups"], case["channels"], *case["kernel"])
    w = np.random.default_rng(case["seed"]).standard_normal(shape).astype(np.float32)
    if case["rank_lost"]:
        w[:, :, 0, 0] = w[:, :, -1, -1]
    return w


def convolution(w: np.ndarray, case: dict[str, Any], *, op_type: str = "Conv") -> tuple[Any, int]:
    """Return a model of one convolution over any batch, and the channels of its input."""
    groups = case["groups"]
    channels = w.shape[0] if op_type == "ConvTranspose" else w.shape[1] * groups
    attributes = {name: case[name] for name in ("strides", "dilations", "pads") if name in case}
    made = helper.make_node(op_type, ["x", "w"], ["y"], group=groups, **attributes)
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


def leaves_one_place(case: dict[str, Any]) -> bool:
    """Tell whether the kernel fits once: one place is no picture."""
    pads = case["pads"]
    padded = (SIZE + pads[0] + pads[2], SIZE + pads[1] + pads[3])
    spans = [d * (k - 1) + 1 for d, k in zip(case["dilations"], case["kernel"], strict=True)]
    return all(
        size - span < stride
        for size, span, stride in zip(padded, spans, case["strides"], strict=True)
    )


def rank_and_columns(matrix: np.ndarray) -> tuple[int, int]:
    """Return the rank, and the columns that are read at all."""
    read = matrix[:, np.any(matrix != 0, axis=0)]
    return int(np.linalg.matrix_rank(read, rtol=1e-7)), read.shape[1]  # its numbers are exact


@settings(deadline=None, max_examples=150)
@given(convolutions.filter(fits).filter(lambda case: case["channels"] != 1))
def test_a_convolution_called_raw_determines_all_that_it_reads(case: dict[str, Any]) -> None:
    model, channels = convolution(weights(case), case)
    taint = trace_taint(model).taint("y")
    if taint.is_raw and taint.is_mixed:  # one of plain values draws them, see below
        rank, columns = rank_and_columns(whole_matrix(model, channels))
        assert rank == columns


@settings(deadline=None, max_examples=150)
@given(convolutions.filter(fits), st.booleans())
def test_a_convolution_called_plain_draws_each_place_or_averages(
    case: dict[str, Any], is_positive: bool
) -> None:
    w = np.abs(weights(case)) if is_positive else weights(case)
    model, channels = convolution(w, case)
    taint = trace_taint(model).taint("y")
    if (is_positive or case["kernel"] == (1, 1)) and not leaves_one_place(case):
        assert taint.is_raw
    if taint.is_raw and not taint.is_mixed:
        rows = whole_matrix(model, channels)
        places = (rows.reshape(len(rows), channels, -1) != 0).any(axis=1).sum(axis=1)
        is_average = (rows >= 0).all(axis=1) | (rows <= 0).all(axis=1)
        assert (is_average | (places <= 1)).all()


transposed = st.fixed_dictionaries(
    {
        "channels": st.integers(1, 3),
        "groups": st.integers(1, 2),
        "out_per_group": st.integers(1, 3),
        "kernel": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "strides": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "dilations": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "rank_lost": st.booleans(),
        "seed": st.integers(0, 1000),
    }
)


@settings(deadline=None, max_examples=150)
@given(transposed, st.booleans())
def test_a_transposed_convolution_called_raw_determines_all_that_it_reads(
    case: dict[str, Any], is_sparse: bool
) -> None:
    w = weights({**case, "out_per_group": case["channels"], "channels": case["out_per_group"]})
    if is_sparse:
        w[np.random.default_rng(case["seed"] + 1).random(w.shape) < 0.5] = 0
    model, channels = convolution(w, case, op_type="ConvTranspose")
    taint = trace_taint(model).taint("y")
    if taint.is_raw and taint.is_mixed:
        rank, columns = rank_and_columns(whole_matrix(model, channels))
        assert rank == columns


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
