"""Work of operators against closed forms and published totals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from placer.core.graph import OperatorWork
from placer.onnx_files.features import FORMULAS, count_operators
from placer.onnx_files.reader import read_model
from placer.onnx_files.shapes import trace_model
from tests.models import build, integers, tensor, weights

MICROSOFT = "com.microsoft"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def _works(model: Any) -> dict[str, OperatorWork]:
    return {work.op_type: work for work in count_operators(trace_model(model))}


def _node(
    op: str,
    shapes: Sequence[tuple[int, ...] | None],
    *,
    outputs: int = 1,
    domain: str = "",
    dtype: str = "float32",
    opset: int = 25,
    constants: dict[int, Any] | None = None,
    **attributes: Any,
) -> OperatorWork:
    """Work of one node whose inputs have the shapes; None: left out."""
    constants = constants or {}
    names = ["" if s is None and i not in constants else f"i{i}" for i, s in enumerate(shapes)]
    node = helper.make_node(
        op, names, [f"o{i}" for i in range(outputs)], domain=domain, **attributes
    )
    inputs = [
        tensor(name, shape, dtype)
        for i, (name, shape) in enumerate(zip(names, shapes, strict=True))
        if name and i not in constants
    ]
    initializers = [numpy_helper.from_array(np.array(v), f"i{i}") for i, v in constants.items()]
    open_outputs = [onnx.ValueInfoProto(name=f"o{i}") for i in range(outputs)]
    domains = [domain] if domain else []
    model = build([node], inputs, open_outputs, initializers, opset=opset, domains=domains)
    (work,) = count_operators(trace_model(model))
    return work


X = (2, 6, 10, 10)  # 1200 elements
ROW = (2, 6)


@pytest.mark.parametrize(
    ("op", "shapes", "attributes", "flops"),
    [
        # Simonyan and Zisserman's 3x3 layer: 64 x 56 x 56 x 64 x 9 multiply-accumulates
        ("Conv", [(1, 64, 56, 56), (64, 64, 3, 3)], {"pads": [1] * 4}, 2 * 115_605_504),
        ("Conv", [(1, 64, 56, 56), (64, 64, 3, 3), (64,)], {"pads": [1] * 4}, 231_411_712),
        ("Conv", [(1, 32, 8, 8), (32, 1, 3, 3)], {"group": 32, "pads": [1] * 4}, 2 * 9 * 32 * 64),
        ("Conv", [(1, 8, 16), (4, 8, 5)], {"strides": [2]}, 2 * 4 * 6 * 8 * 5),
        ("ConvTranspose", [(1, 8, 4, 4), (8, 3, 2, 2), (3,)], {}, 2 * 8 * 16 * 12 + 3 * 25),
        ("Gemm", [(1, 9216), (9216, 4096), (4096,)], {}, 2 * 9216 * 4096 + 4096),  # AlexNet fc6
        ("Gemm", [(7, 3), (5, 7)], {"transA": 1, "transB": 1}, 2 * 3 * 7 * 5),
        ("MatMul", [(1, 12, 128, 64), (1, 12, 64, 128)], {}, 2 * 12 * 128 * 128 * 64),
        ("MatMul", [(128, 768), (768, 3072)], {}, 2 * 128 * 768 * 3072),  # BERT-base, first FFN
        ("MatMul", [(5,), (5,)], {}, 10),
        ("Einsum", [(3, 4), (4, 5)], {"equation": "ij,jk->ik"}, 2 * 60),
        ("Einsum", [(3, 4), (4, 5)], {"equation": "ij,jk"}, 2 * 60),
        ("Einsum", [(3,), (4,)], {"equation": "i,j->ij"}, 12),
        ("Einsum", [(2, 1, 3, 4), (7, 4, 5)], {"equation": "...ij, ...jk -> ...ik"}, 2 * 840),
        ("Einsum", [(3, 3)], {"equation": "ii"}, 3),
        ("Relu", [X], {}, 1200),
        ("Add", [X, (10,)], {}, 1200),
        ("Mul", [(4, 1), (1, 5)], {}, 20),
        ("Where", [], {}, None),
        ("Max", [ROW, ROW, ROW], {}, 24),
        ("Sum", [ROW, ROW], {}, 12),
        ("Mean", [ROW, ROW, ROW], {}, 36),
        ("Gelu", [ROW], {}, 60),
        ("HardSwish", [ROW], {}, 60),
        ("Clip", [ROW], {}, 24),
        ("Softmax", [ROW], {}, 60),
        ("BatchNormalization", [X, (6,), (6,), (6,), (6,)], {}, 2400),
        ("LayerNormalization", [ROW, (6,)], {}, 6 * 12),
        ("LayerNormalization", [ROW, (6,), (6,)], {}, 7 * 12),
        ("RMSNormalization", [ROW, (6,)], {}, 4 * 12),
        ("GroupNormalization", [X, (6,), (6,)], {"num_groups": 3}, 7 * 1200),
        ("LRN", [X], {"size": 5}, 10 * 1200),
        ("MaxPool", [X], {"kernel_shape": [2, 2], "strides": [2, 2]}, 4 * 300),
        ("LpPool", [X], {"kernel_shape": [2, 2], "strides": [2, 2]}, 9 * 300),
        ("GlobalAveragePool", [X], {}, 1200),
        ("ReduceSum", [X], {}, 1200),
        ("ReduceMean", [X], {}, 1201),
        ("ReduceL2", [X], {}, 2401),
        ("ReduceLogSum", [X], {}, 1201),
        ("ArgMax", [ROW], {"axis": 1}, 12),
        ("GridSample", [(1, 3, 8, 8), (1, 4, 4, 2)], {}, 2 * 4 * 48),
        ("GridSample", [(1, 3, 8, 8), (1, 4, 4, 2)], {"mode": "nearest"}, 0),
        ("GridSample", [(1, 3, 8, 8), (1, 4, 4, 2)], {"mode": "cubic"}, 2 * 16 * 48),
        ("Det", [(2, 6, 6)], {}, 2 * 2 * 6**3 // 3),
        ("QuantizeLinear", [ROW, ()], {}, 36),
        ("DynamicQuantizeLinear", [ROW], {"outputs": 3}, 60),
        ("SwiGLU", [ROW, ROW], {"opset": 28}, 36),
        ("CausalConvWithState", [(2, 6, 10), (6, 1, 4)], {"opset": 27, "outputs": 2}, 8 * 120),
        (
            "CausalConvWithState",
            [(2, 6, 10), (6, 1, 4), (6,)],
            {"opset": 27, "outputs": 2, "activation": "silu"},
            11 * 120,
        ),
        ("DeformConv", [(1, 2, 4, 4), (3, 2, 1, 1), (1, 2, 4, 4)], {}, 2 * 48 * 2 + 7 * 32),
        (
            "RoiAlign",
            [(1, 3, 8, 8), (2, 4), (2,)],
            {"output_height": 2, "output_width": 2, "sampling_ratio": 2},
            8 * 4 * 24,
        ),
        (
            "Attention",
            [(1, 12, 128, 64), (1, 12, 256, 64), (1, 12, 256, 32)],
            {},
            12 * 128 * 256 * (2 * 64 + 2 * 32 + 6),
        ),
        (
            "Attention",
            [(1, 128, 768), (1, 128, 192), (1, 128, 192), (128, 128)],
            {"q_num_heads": 12, "kv_num_heads": 3},
            12 * 128 * 128 * (4 * 64 + 7),
        ),
        ("Transpose", [X], {}, 0),
        ("Gather", [], {}, None),
        ("NonMaxSuppression", [(1, 10, 4), (1, 2, 10)], {}, None),
        ("RoiAlign", [(1, 3, 8, 8), (2, 4), (2,)], {}, None),
    ],
)
def test_operations_match_the_closed_form(
    op: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any], flops: int | None
) -> None:
    if not shapes:
        pytest.skip("covered with its own types below")
    opset = attributes.pop("opset", 25) if "opset" in attributes else 25
    assert _node(op, shapes, opset=opset, **attributes).flops == flops
