"""The contract of a split: which file each side runs and which tensors go between them."""

from __future__ import annotations

import json
import math
from typing import Any

from placer.core.graph import TensorSpec
from placer.core.split import SplitContract
from placer.core.split_export import Export
from placer.core.wire_formats import Precision
from placer.files.writing import write_atomically

PROTOCOL = "Open Inference Protocol over HTTP"
SCHEMA = "placer/split/v1"
CONTRACT_NAME = "contract.json"


def write_contract(contract: SplitContract, path: str, export: Export | None = None) -> None:
    """Write a contract as JSON.

    Parameters
    ----------
    export
        How the parts are served, and what the tensors are on the wire; None: parts alone.

    Raises
    ------
    UsageError
        The path cannot be written.
    MeasuringError
        The disk is full.
    """
    write_atomically(path, json.dumps(contract_document(contract, export), indent=2) + "\n")


def contract_document(contract: SplitContract, export: Export | None = None) -> dict[str, Any]:
    """Return the same as it stands in the file."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "model": {
            "name": contract.model,
            "sha256": contract.model_sha256,
            "inputs": [_tensor(spec) for spec in contract.inputs],
            "outputs": [_tensor(spec) for spec in contract.outputs],
            "unused_nodes": list(contract.unused_nodes),
        },
        "parts": [
            {
                "tier": part.tier,
                "files": [_file(*file) for file in part.files],
                "inputs": [_tensor(spec) for spec in part.inputs],
                "outputs": [_tensor(spec) for spec in part.outputs],
                "nodes": list(part.nodes),
            }
            for part in contract.parts
        ],
        "links": [
            {"from": tier, "to": tier + 1, "tensors": [_tensor(spec) for spec in link]}
            for tier, link in enumerate(contract.links)
        ],
    }
    if export is not None:
        for tensor, crossing in zip(document["links"][0]["tensors"], export.crossings, strict=True):
            tensor["wire"] = {
                "value": _tensor(crossing.value),
                "scale": None if crossing.scale is None else _tensor(crossing.scale),
            }
        document["server"] = {
            "protocol": PROTOCOL,
            "model": export.server_model,
            "precision": export.precision.value,
        }
        document["differences"] = [
            {
                "output": one.name,
                "absolute": _finite(one.absolute),
                "relative": _finite(one.relative),
                "argmax_ratio": one.argmax_ratio,
            }
            for one in export.differences
        ]
        document["files"] = [_file(*file) for file in export.files]
    return document


def _file(name: str, digest: str, size: int) -> dict[str, Any]:
    return {"name": name, "sha256": digest, "bytes": size}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "dtype": spec.dtype,
        "shape": list(spec.shape),
        "bytes": spec.n_bytes,
    }


def contract_schema() -> dict[str, Any]:
    """Return the JSON Schema of the contract of an export (``placer split MODEL --to DIR``)."""
    text, whole = {"type": "string"}, {"type": "integer", "minimum": 0}
    number = {"type": ["number", "null"], "minimum": 0}
    tensor = _object(
        name=text, dtype=text, shape={"type": "array", "items": whole}, bytes={**whole}
    )
    file = _object(name=text, sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"}, bytes=whole)
    wire = _object(value=_to("tensor"), scale={"anyOf": [_to("tensor"), {"type": "null"}]})
    crossing = _object(**tensor["properties"], wire=wire)
    part = _object(
        tier=whole,
        files=_list(_to("file")),
        inputs=_list(_to("tensor")),
        outputs=_list(_to("tensor")),
        nodes=_list(text),
    )
    model = _object(
        name=text,
        sha256=file["properties"]["sha256"],
        inputs=_list(_to("tensor")),
        outputs=_list(_to("tensor")),
        unused_nodes=_list(text),
    )
    link: dict[str, Any] = {"type": "object", "required": ["from", "to", "tensors"]}
    link["properties"] = {"from": whole, "to": whole, "tensors": _list(crossing)}
    document = _object(
        schema={"const": SCHEMA},
        model=model,
        parts=_list(part),
        links=_list(link),
        server=_object(
            protocol=text, model=text, precision={"enum": [one.value for one in Precision]}
        ),
        differences=_list(
            _object(output=text, absolute=number, relative=number, argmax_ratio=number)
        ),
        files=_list(_to("file")),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The contract between the sides of a split",
        **document,
        "$defs": {"tensor": tensor, "file": file},
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(of: Any) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _to(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}
