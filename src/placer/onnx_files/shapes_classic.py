"""Shapes of operators of ``ai.onnx.ml`` that onnx does not infer, as ONNX Runtime gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CLASSIC = "ai.onnx.ml"
"""Domain of the classic models of machine learning."""

Known = tuple[str | None, tuple[int, ...]]
"""Element type and shape of a tensor."""


def classic_output(
    op_type: str, attributes: Mapping[str, Any], inputs: Sequence[Known]
) -> Known | None:
    """Return type and shape of the output; None: not known.

    Parameters
    ----------
    inputs
        Of each input; a dimension may be unknown.
    """
    if not inputs:
        return None
    dtype, shape = inputs[0]
    match op_type:
        case "Imputer":
            return dtype, shape
        case "Scaler" | "Normalizer":
            return "float32", shape
        case "FeatureVectorizer" if shape and attributes.get("inputdimensions"):
            rows = 1 if len(shape) == 1 else shape[0]
            return "float32", (rows, sum(map(int, attributes["inputdimensions"])))
    return None
