"""The tail of a split as the model repository of an inference server, and how to run both sides."""

from __future__ import annotations

import re
from collections.abc import Sequence

from placer.core.graph import TensorSpec

FOLDER = "repository"
VERSION = "1"
MODEL_FILE = "model.onnx"
TRITON = "nvcr.io/nvidia/tritonserver:25.01-py3"

_TRITON_TYPES = {
    "bool": "TYPE_BOOL",
    "uint8": "TYPE_UINT8",
    "uint16": "TYPE_UINT16",
    "uint32": "TYPE_UINT32",
    "uint64": "TYPE_UINT64",
    "int8": "TYPE_INT8",
    "int16": "TYPE_INT16",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
}


def server_name(model: str) -> str:
    """Return the name under which a server has the tail of a model file."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", model.removesuffix(".onnx")).strip("_")
    return f"{stem or 'model'}_tail"


def triton_config(name: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> str:
    """Return the config.pbtxt of a model for Triton.

    The shapes are fixed, first dimension included, so that there is no batching of the server's.
    """
    lines = [f'name: "{name}"', 'backend: "onnxruntime"', "max_batch_size: 0"]
    for what, specs in (("input", inputs), ("output", outputs)):
        for spec in specs:
            dims = ", ".join(map(str, spec.shape or (1,)))
            lines += [
                f"{what} {{",
                f'  name: "{_escaped(spec.name)}"',
                f"  data_type: {_TRITON_TYPES[spec.dtype]}",
                f"  dims: [ {dims} ]",
                *([] if spec.shape else ["  reshape { shape: [ ] }"]),
                "}",
            ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Return a text as protobuf's text format takes it: byte by byte where it is not printable."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(
        one if one.isprintable() else "".join(f"\\{byte:03o}" for byte in one.encode())
        for one in quoted
    )


def readme(server_model: str) -> str:
    """Return how to run both sides, in a few lines."""
    lines = (
        "A model split in two by placer; contract.json says what goes between its parts.",
        "Server (any of the Open Inference Protocol; here Triton): docker run --rm -p 8000:8000 "
        f'-v "$PWD/{FOLDER}:/models" {TRITON} tritonserver --model-repository=/models',
        "Device (Python 3.10, numpy, onnxruntime): python client.py --url http://SERVER:8000 "
        "--inputs SAMPLES.npz (--encoding binary or json: how tensors are sent)",
        "Without --inputs the client takes sample.npz, which was generated and is no real data.",
        f"Both sides come from one export: replace client, head and {server_model} together.",
    )
    return "\n".join(lines) + "\n"
