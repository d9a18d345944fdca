"""The part for the server takes what comes over the wire, whatever operators it has itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from placer.core.errors import UsageError
from placer.core.graph import TensorSpec
from placer.core.wire_formats import Precision
from placer.onnx_files.wire_inputs import take_from_wire
from tests import models

SPEC = TensorSpec("t", "float32", (1, 4), 16)


def save_fused(path: Path) -> None:
    """Write y = Gelu(t), an operator of ONNX Runtime alone: no other set of operators is named."""
    nodes = [helper.make_node("Gelu", ["t"], ["y"], domain="com.microsoft")]
    model = models.build(nodes, [models.tensor("t", (1, 4))], [models.tensor("y", (1, 4))], [])
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)


@pytest.mark.parametrize("precision", [Precision.FLOAT16, Precision.INT8])
def test_a_part_without_operators_of_onnx_widens_what_comes(
    precision: Precision, tmp_path: Path
) -> None:
    path = tmp_path / "tail.onnx"
    save_fused(path)
    (crossing,) = take_from_wire(path, [SPEC], precision)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = {crossing.value.name: np.array([[0, 1, 2, 100]], crossing.value.dtype)}
    if crossing.scale is not None:
        feed[crossing.scale.name] = np.ones(1, np.float32)
    (found,) = session.run(None, feed)
    assert found.tolist()[0] == pytest.approx([0, 0.8413, 1.9545, 100], rel=1e-3)


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.INT8])
def test_a_tensor_of_unknown_size_is_not_taken_for_an_empty_one(
    precision: Precision, tmp_path: Path
) -> None:
    path = tmp_path / "tail.onnx"
    save_fused(path)
    with pytest.raises(UsageError, match="nobody knows the size of 't'"):
        take_from_wire(path, [TensorSpec("t", "float32", (1, 4), None)], precision)
