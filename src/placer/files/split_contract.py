"""The contract of a split: which file each side runs and which tensors go between them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from placer.core.graph import TensorSpec
from placer.core.split import SplitContract
from placer.core.split_export import Export
from placer.core.units import finite_or_none
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
    write_atomically(path, text_of(contract_document(contract, export)))


def text_of(document: Mapping[str, Any]) -> str:
    """Return a contract as it stands in its file."""
    return json.dumps(document, indent=2) + "\n"


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
            "constant_nodes": list(contract.constant_nodes),
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
                "absolute": finite_or_none(one.absolute),
                "relative": finite_or_none(one.relative),
                "argmax_ratio": one.argmax_ratio,
            }
            for one in export.differences
        ]
        document["files"] = [_file(*file) for file in export.files]
    return {**document, "sha256": digest_of_rest(document)}


def digest_of_rest(document: Mapping[str, Any]) -> str:
    """Return the sha256 that a contract has of all its keys but this one."""
    rest = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _file(name: str, digest: str, size: int) -> dict[str, Any]:
    return {"name": name, "sha256": digest, "bytes": size}


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "dtype": spec.dtype,
        "shape": list(spec.shape),
        "bytes": spec.n_bytes,
    }


def contract_schema() -> dict[str, Any]:
    """Return the JSON Schema of the contract of an export (``placer split MODEL --to DIR``)."""
    digest: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    tensor = _object(
        name=_said(_TEXT, "As the part that has it names it."),
        dtype=_said(_TEXT, "As numpy names it."),
        shape=_said({"type": "array", "items": _WHOLE}, "Fixed."),
        bytes=_said(_WHOLE, "Of one."),
    )
    file = _object(
        name=_said(_TEXT, "From the folder of the contract."),
        sha256=_said(digest, "Of the file."),
        bytes=_said(_WHOLE, "Of the file."),
    )
    part = _object(
        tier=_said(_WHOLE, "0: the device, 1: the server."),
        files=_list(_to("file"), "The model, then its external data."),
        inputs=_list(_to("tensor"), "What it takes; of the tail as it comes over the wire."),
        outputs=_list(_to("tensor"), "What it gives."),
        nodes=_list(_TEXT, "Nodes of the model, local functions expanded, by their first output."),
    )
    model = _object(
        name=_said(_TEXT, "Of its file."),
        sha256=_said(digest, "Of its file."),
        inputs=_list(_to("tensor"), "All are on the device."),
        outputs=_list(
            _to("tensor"),
            "Each is given by the part that makes it; what is an input too is given by none: the "
            "device has it.",
        ),
        unused_nodes=_list(_TEXT, "Nodes that are in no part, as no output needs them."),
        constant_nodes=_list(
            _TEXT,
            "Nodes that no value of an input changes: each part that needs one has it or its "
            "value. With those of the parts and the unused ones these are all nodes, each once.",
        ),
    )
    no_scale = {"anyOf": [_to("tensor"), {"type": "null"}]}
    wire = _object(
        value=_said(_to("tensor"), "Input of the tail: the tensor itself or its narrowed form."),
        scale=_said(no_scale, "Second input of the tail, of int8: the tensor is value x scale."),
    )
    crossing = _object(**tensor["properties"], wire=_said(wire, "What is sent for it."))
    link: dict[str, Any] = {
        "type": "object",
        "required": ["from", "to", "tensors"],
        "properties": {
            "from": _said(_WHOLE, "Tier."),
            "to": _said(_WHOLE, "Tier."),
            "tensors": _list(crossing, "That cross, each once."),
        },
    }
    server = _object(
        protocol=_said(_TEXT, "That the client speaks."),
        model=_said(_TEXT, "Name under which the server has the tail."),
        precision=_said({"enum": [one.value for one in Precision]}, "Of wider floats on the wire."),
    )
    number = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]}
    difference = _object(
        output=_said(_TEXT, "Of the model."),
        absolute=_said(number, "Largest difference; null: not finite."),
        relative=_said(
            number, "Of the largest number of the output for the same sample; null: not finite."
        ),
        argmax_ratio=_said(
            number, "Share of rows whose largest number stands where it did; null: no such rows."
        ),
    )
    document = _object(
        schema=_said({"const": SCHEMA}, "Name and version of this format."),
        model=_said(model, "The whole model."),
        parts=_list(part, "Head and tail."),
        links=_list(link, "From the device to the server."),
        server=_said(server, "How the tail is asked."),
        differences=_list(
            difference, "Of the exported parts, wire format included, from the whole model."
        ),
        files=_list(_to("file"), "All files of the folder but this one."),
        sha256=_said(
            digest,
            "Of the other keys: it shows that one was edited.",
        ),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The contract between the sides of a split",
        **document,
        "$defs": {"tensor": tensor, "file": file},
    }


_TEXT: dict[str, Any] = {"type": "string"}
_WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(of: Any, text: str) -> dict[str, Any]:
    return {"type": "array", "items": of, "description": text}


def _said(part: dict[str, Any], text: str) -> dict[str, Any]:
    return {**part, "description": text}


def _to(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}
