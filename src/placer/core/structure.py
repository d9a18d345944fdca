"""The structure of a model, by which a published architecture is known whatever the file is called.

The fingerprint covers the layers that have weights and nothing else: not their names, order or
values, not the batch, not normalisations, activations and biases, which exporters fold and spell in
many ways, not the type of the numbers. What it leaves out and a time depends on is compared beside
it: the resolution, the multiply-accumulates, and which other costly operators there are.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WORK_TOLERANCE = 0.01
"""Share by which multiply-accumulates may differ: pooling that rounds up instead of down."""


@dataclass(frozen=True, slots=True)
class WeightedLayer:
    """One layer with weights, in the form that every spelling of it has in common."""

    kind: str
    """``conv``, ``conv_transpose``, ``matrix``, ``embedding``, ``lstm``, ... or another operator's
    name."""
    weight: tuple[int, ...]
    """Convolutions as ONNX has them, matrices as (..., in, out), embeddings as (entries, width)."""
    groups: int = 1
    strides: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()

    @property
    def n_weights(self) -> int:
        """Number of weights, without bias."""
        return math.prod(self.weight)


@dataclass(frozen=True, slots=True)
class Structure:
    """What of a model is compared with published architectures."""

    sha256: str
    """Of the weighted layers: ``fingerprint``."""
    trunk_sha256: str
    """Of all but the last of them, which tells the classes."""
    n_layers: int
    """Layers with weights."""
    n_weights: int
    """In them, without biases and normalisations."""
    macs: int | None
    """Multiply-accumulates with these weights in one inference; None: a shape is not known."""
    besides: tuple[str, ...] = ()
    """Sorted: what takes time and has no weights, ``curved activations``, ``normalisations`` that
    are not folded, ``Softmax``, ..."""


def fingerprint(layers: Iterable[WeightedLayer]) -> str:
    """Return the SHA-256 over the sorted multiset of weighted layers, in hexadecimal digits."""
    lines = sorted(
        f"{layer.kind} {_told(layer.weight)} groups {layer.groups} "
        f"strides {_told(layer.strides)} dilations {_told(layer.dilations)}"
        for layer in layers
    )
    return hashlib.sha256("\n".join(("placer/structure/v1", *lines)).encode()).hexdigest()


def structure_of(
    layers: Sequence[WeightedLayer], macs: int | None, besides: Sequence[str]
) -> Structure:
    """Return the structure of a model that has these layers.

    Parameters
    ----------
    layers
        In the order of the file.
    macs
        Multiply-accumulates of all of them in one inference; None: not known.
    besides
        Sorted names of what takes time and has no weights.
    """
    n_weights = sum(layer.n_weights for layer in layers)
    return Structure(
        fingerprint(layers),
        fingerprint(layers[:-1]),
        len(layers),
        n_weights,
        macs,
        tuple(besides),
    )


@dataclass(frozen=True, slots=True)
class Architecture:
    """A published architecture, and which published measurements are of it."""

    name: str
    structure: Structure
    input_shape: tuple[int, ...]
    """Of the only input in one inference, the batch left out."""
    parameters: int
    """As published, with biases and normalisations."""
    rows: tuple[str, ...]
    """Names of the published measurements: ``aihub/resnet50``."""
    source: str
    """Why these rows are of this architecture."""


@dataclass(frozen=True, slots=True)
class Match:
    """The architecture that a model has by its structure."""

    architecture: Architecture
    refusal: str = ""
    """Why the published times are of another work all the same; empty: they are of the same."""


def match(
    structure: Structure | None,
    input_shapes: Sequence[Sequence[int]],
    table: Sequence[Architecture],
) -> Match | None:
    """Return the architecture of a model; None: no architecture of the table has its structure.

    One that differs in the last layer alone, as after training for other classes, is told with a
    refusal: the user may name its row.

    Parameters
    ----------
    structure
        None: not known.
    input_shapes
        Of all inputs in one inference, batch included, whichever axis has the channels.
    """
    if structure is None:
        return None
    found = [
        Match(one, _refusal(structure, input_shapes, one))
        for one in table
        if structure.sha256 == one.structure.sha256
        or structure.trunk_sha256 == one.structure.trunk_sha256
    ]
    return min(found, key=lambda one: bool(one.refusal), default=None)


def _refusal(structure: Structure, input_shapes: Sequence[Sequence[int]], one: Architecture) -> str:
    measured = (1, *one.input_shape)
    if [sorted(shape) for shape in input_shapes] != [sorted(measured)]:
        given = " and ".join(_told(shape) for shape in input_shapes)
        return f"it takes {given or 'no input'}, the published times are of {_told(measured)}"
    more = [name for name in structure.besides if name not in one.structure.besides]
    if more:
        return f"it has {' and '.join(more)}, which {one.name} has not"
    if structure.sha256 != one.structure.sha256:
        return "its last layer is another one (--as takes the published time all the same)"
    expected = one.structure.macs
    if structure.macs is None or expected is None:
        return "its multiply-accumulates are not known"
    if abs(structure.macs - expected) > WORK_TOLERANCE * expected:
        return (
            f"its layers do {structure.macs / 1e6:,.0f} million multiply-accumulates, those of "
            f"{one.name} {expected / 1e6:,.0f} million: its pooling or padding is another one"
        )
    return ""


def _told(dims: Sequence[int]) -> str:
    return "x".join(map(str, dims))
