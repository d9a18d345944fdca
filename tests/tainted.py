"""Small graphs of input x, traced for what of it stays raw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from placer.onnx_files.taint import TaintedGraph, trace_taint
from tests import models
from tests.models import build, tensor


def node(op_type: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    """``_`` is an input that is left out."""
    names = ["" if name == "_" else name for name in inputs.split()]
    return helper.make_node(op_type, names, outputs.split(), **attributes)


def const(name: str, values: Any, dtype: str = "float32") -> Any:
    return numpy_helper.from_array(np.array(values, dtype=dtype), name)


def traced(
    nodes: Sequence[Any],
    initializers: Sequence[Any] = (),
    *,
    shape: Sequence[int | str] = (1, 3, 8, 8),
    dtype: str = "float32",
    public: Sequence[str] = (),
    more_inputs: Sequence[Any] = (),
    opset: int = models.OPSET,
) -> TaintedGraph:
    """Trace a graph of input x; its last tensor is the output."""
    outputs = [helper.make_empty_tensor_value_info(nodes[-1].output[0])]
    model = build(
        nodes, [tensor("x", shape, dtype), *more_inputs], outputs, initializers, opset=opset
    )
    return trace_taint(model, public_inputs=public)
