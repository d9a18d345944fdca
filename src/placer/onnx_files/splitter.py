"""Writing the parts of a model as models of their own."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from placer.core.errors import InputError, MeasuringError, UsageError
from placer.core.split import Part
from placer.onnx_files.reader import load_external
from placer.onnx_files.shapes import Tensor, to_type
from placer.onnx_files.split_source import SplitSource

MOST_INLINE_BYTES = 2**30
"""Weights above it go to a file of their own; protobuf ends at 2**31."""
_SMALLEST_EXTERNAL_BYTES = 1024
WEIGHTS_ALONE_IR = 4
"""The first IR version in which a weight need not be an input."""


def write_parts(
    source: SplitSource,
    tiers: Mapping[str, int],
    folder: str,
    *,
    names: Mapping[int, str] | None = None,
) -> tuple[Part, ...]:
    """Write the nodes of each tier as a model of its own.

    Weights go to the parts that use them, and constants that are computed from weights alone are
    computed in each part that needs them. An output is given by the part that makes it.

    Parameters
    ----------
    tiers
        Node -> tier, for every node that an output needs.
    folder
        ``tier0.onnx`` and so on are written there, with ``tier0.onnx.data`` beside it where the
        weights of the model lie in files of their own. A tier without nodes has no file.
    names
        Tier -> name of its file, where it is another one.

    Raises
    ------
    UsageError
        The folder cannot be written.
    MeasuringError
        The disk is full.
    """
    used = sorted(set(tiers.values()))
    return tuple(
        _write_part(
            source,
            tiers,
            tier,
            Path(folder) / (names or {}).get(tier, f"tier{tier}.onnx"),
            is_first=tier == used[0],
        )
        for tier in used
    )


def _write_part(
    source: SplitSource, tiers: Mapping[str, int], tier: int, path: Path, *, is_first: bool
) -> Part:
    import onnx

    here = [node for node in source.nodes if tiers.get(node.name) == tier]
    made = dict.fromkeys(name for node in here for name in node.outputs)
    sent = {
        name
        for node in source.nodes
        if tiers.get(node.name, tier) > tier
        for name in node.inputs
        if name in made
    }
    wanted = [spec.name for spec in source.summary.outputs]
    changing = {name for node in source.nodes for name in node.outputs}
    changing |= {spec.name for spec in source.summary.inputs}
    fixed = [name for name in wanted if name not in changing] if is_first else []
    inputs = [
        name
        for name in dict.fromkeys(name for node in here for name in node.inputs)
        if name not in made
    ]
    outputs = [name for name in made if name in sent or name in wanted]
    outputs += fixed

    original = source.model
    constants = _Constants(source, changing)
    keys = {node.name for node in here}
    places = [
        place
        for place, node in enumerate(original.graph.node)
        if next((name for name in node.output if name), None) in keys
    ]
    for place in places:
        for name in original.graph.node[place].input:
            if name and name not in changing:
                constants.need(name)
    for name in fixed:
        constants.need(name)

    part = onnx.ModelProto(
        ir_version=original.ir_version, producer_name="placer", opset_import=original.opset_import
    )
    graph = part.graph
    graph.name = f"{original.graph.name or 'model'}_tier{tier}"
    for place in sorted({*places, *constants.places}):
        graph.node.add().CopyFrom(original.graph.node[place])
    for name in inputs:
        graph.input.append(declared(name, source.tensors[name]))
    for name in outputs:
        graph.output.append(declared(name, source.tensors[name]))
    constants.fill(graph)
    if part.ir_version < WEIGHTS_ALONE_IR:
        list_weights(graph)
    files = save_model(part, path, is_external=constants.is_external)
    specs = source.specs
    return Part(
        tier=tier,
        files=tuple((name, *digest_of(path.parent / name)) for name in files),
        nodes=tuple(node.name for node in here),
        inputs=tuple(specs[name] for name in inputs),
        outputs=tuple(specs[name] for name in outputs),
    )


class _Constants:
    """The weights and constant nodes that a part needs."""

    def __init__(self, source: SplitSource, changing: set[str]) -> None:
        graph = source.model.graph
        self._source, self._changing = source, changing
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        self._sparse = {tensor.values.name: tensor for tensor in graph.sparse_initializer}
        self._maker = {
            name: place for place, node in enumerate(graph.node) for name in node.output if name
        }
        self._needed: dict[str, None] = {}
        self._values: dict[str, Any] = {}
        self.places: set[int] = set()
        self.is_external = False

    def need(self, name: str) -> None:
        """Take a constant, and what it is computed from."""
        todo = [name]
        while todo:
            name = todo.pop()
            if name in self._needed or name in self._values:
                continue
            if name in self._weights or name in self._sparse:
                self._needed[name] = None
                continue
            place = self._maker[name]
            node = self._source.model.graph.node[place]
            if any(one in self._changing for one in node.input):  # Shape: its value is known
                value = self._source.tensors[name].value
                if value is None:
                    raise InputError(
                        f"'{name}' is constant, but its value is not known",
                        hint="export the model for fixed shapes",
                    )
                self._values[name] = value
            elif place not in self.places:
                self.places.add(place)
                todo += [one for one in node.input if one]

    def fill(self, graph: Any) -> None:
        """Put the weights into the graph of a part, external data read into them."""
        from onnx import numpy_helper

        for name in self._needed:
            if name in self._sparse:
                graph.sparse_initializer.add().CopyFrom(self._sparse[name])
                continue
            tensor = graph.initializer.add()
            tensor.CopyFrom(self._weights[name])
            self.is_external |= tensor.data_location == tensor.EXTERNAL
            load_external(self._source.summary.path, tensor)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    self.is_external |= attribute.t.data_location == attribute.t.EXTERNAL
                    load_external(self._source.summary.path, attribute.t)
        for name, value in self._values.items():
            graph.initializer.append(numpy_helper.from_array(value, name))


def declared(name: str, tensor: Tensor) -> Any:
    """Return the declaration of an input or output."""
    import onnx

    return onnx.ValueInfoProto(name=name, type=to_type(tensor))


def list_weights(graph: Any) -> None:
    """List weights as inputs too: before IR 4 they had to be."""
    from onnx import helper

    for tensor in graph.initializer:
        graph.input.append(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        )


def save_model(model: Any, path: Path, *, is_external: bool) -> tuple[str, ...]:
    """Write a model; return the names of its files."""
    import onnx

    weights = f"{path.name}.data"
    total = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    is_external = is_external or total > MOST_INLINE_BYTES
    try:
        for name in (path.name, weights):  # onnx would append to weights that are there
            with contextlib.suppress(FileNotFoundError):
                (path.parent / name).unlink()
        if not is_external:
            path.write_bytes(model.SerializeToString())
            return (path.name,)
        onnx.save(
            model,
            str(path),
            save_as_external_data=True,
            location=weights,
            size_threshold=_SMALLEST_EXTERNAL_BYTES,
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        kind = MeasuringError if error.errno == 28 else UsageError
        raise kind(
            f"cannot write {path}: {reason}", hint="choose another folder, or make room"
        ) from error
    return tuple(name for name in (path.name, weights) if (path.parent / name).exists())


def digest_of(path: Path) -> tuple[str, int]:
    """Return sha256 and bytes of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size
