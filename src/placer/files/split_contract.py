"""The contract of a split: which file each side runs and which tensors go between them."""

from __future__ import annotations

import json
from typing import Any

from placer.core.graph import TensorSpec
from placer.core.split import SplitContract
from placer.files.writing import write_atomically

SCHEMA = "placer/split/v1"


def write_contract(contract: SplitContract, path: str) -> None:
    """Write a contract as JSON.

    Raises
    ------
    UsageError
        The path cannot be written.
    MeasuringError
        The disk is full.
    """
    document = {
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
                "files": [
                    {"name": name, "sha256": digest, "bytes": size}
                    for name, digest, size in part.files
                ],
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
    write_atomically(path, json.dumps(document, indent=2) + "\n")


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "dtype": spec.dtype,
        "shape": list(spec.shape),
        "bytes": spec.n_bytes,
    }
