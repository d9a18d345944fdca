"""Probing a network path with real tensors for what the server's model takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from placer.core.errors import InputError
from placer.core.graph import TensorSpec
from placer.probing.tensors import ModelInput, concrete

Given = Callable[[Sequence[ModelInput]], tuple[Sequence[TensorSpec], Mapping[str, np.ndarray]]]


def inputs_of(inputs: str | None, shapes: Mapping[str, tuple[int, ...]]) -> Given:
    """Return what gives the tensors for the inputs that a server describes.

    Parameters
    ----------
    inputs
        An .npz file of real samples, whose first is sent; None: realistic ones are generated.
    shapes
        For inputs with open dimensions.
    """

    def given(
        told: Sequence[ModelInput],
    ) -> tuple[Sequence[TensorSpec], Mapping[str, np.ndarray]]:
        from placer.onnx_files.inputs import generate_inputs, load_inputs

        if not told:
            raise InputError(
                "the server does not tell the inputs of its model",
                hint="let its metadata list name, datatype and shape of each input",
            )
        specs = concrete(told, shapes)
        if inputs is None:
            found = generate_inputs(None, specs)
        else:
            found = load_inputs(inputs, specs, most=1)
        return specs, {name: array[0, ...] for name, array in found.samples.items()}

    return given
