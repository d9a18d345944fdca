"""The configuration of a model in the repository of an inference server."""

from __future__ import annotations

import re

import onnx
import pytest
from google.protobuf import text_format  # type: ignore[import-untyped]  # no stubs

from placer.core.graph import TensorSpec
from placer.files.model_repository import triton_config


@pytest.mark.parametrize(
    "name",
    ["x", 'a "b" \\c', "caf\u00e9", "a\u200bb", "soft\u00adhyphen", "\x01f", "a\nb", "\U000e0001"],
)
def test_every_name_of_an_input_is_read_back_from_the_configuration(name: str) -> None:
    config = triton_config("m", [TensorSpec(name, "float32", (1, 4), 16)], [])
    quoted = re.search(r"input \{\n  name: (.*)\n", config)
    assert quoted is not None
    found = text_format.Parse(f"producer_name: {quoted[1]}", onnx.ModelProto())
    assert found.producer_name == name
