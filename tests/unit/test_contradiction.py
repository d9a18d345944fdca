"""What cannot be of a model that a file describes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest

from placer.api.formats import read_model
from placer.core.graph import TensorSpec, contradiction
from tests import builders

EXAMPLES = Path(__file__).parents[2] / "examples"
SHIPPED = Path(onnxruntime.__file__).parent / "datasets" / "logreg_iris.onnx"


@pytest.mark.parametrize(
    "path", [*sorted(EXAMPLES.glob("*/*.onnx")), *sorted(EXAMPLES.glob("*/*.tflite")), SHIPPED]
)
def test_a_model_as_it_is_read_has_none(path: Path) -> None:
    assert contradiction(read_model(str(path))) == ""


@pytest.mark.parametrize(
    ("dtype", "shape", "n_bytes"),
    [
        ("float32", (2, 3), 24),
        ("bool", (8,), 8),
        ("int4", (3,), 2),
        ("bfloat16", (4,), 8),
        ("float8e4m3fnuz", (4,), 4),
        ("float8_e5m2", (4,), 4),
        ("float8e8m0", (4,), 4),
        ("complex64", (2,), 16),
        ("string", (2,), None),
        ("sequence", (-1,), None),
        ("float32", (-1, 3), None),
        ("float32", (), 4),
    ],
)
def test_a_size_follows_from_type_and_shape(
    dtype: str, shape: tuple[int, ...], n_bytes: int | None
) -> None:
    tensor = TensorSpec("y", dtype, shape, n_bytes)
    assert contradiction(builders.model(outputs=(tensor,))) == ""
    for wrong in (7777, None if n_bytes is not None else 0):
        told = contradiction(builders.model(outputs=(replace(tensor, n_bytes=wrong),)))
        assert told.startswith("'y' has ")
