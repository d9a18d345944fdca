"""Small graphs that are computed here, by a runtime: onnx's own evaluator lacks versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def opened(graph: Any, opsets: Sequence[Any], ir_version: int) -> Any:
    """Return a session of ONNX Runtime that computes a graph; it raises whatever that raises."""
    import onnxruntime
    from onnx import helper

    small = helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        small.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
