"""Labels of real samples: the class that each of them shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from placer.core.errors import InputError, UsageError, near_match
from placer.core.graph import UNKNOWN_DIMENSION, TensorSpec
from placer.onnx_files.inputs import check_is_file

ANY_OUTPUT = "labels"
"""The key of an .npz file whose labels are of the only output that has classes."""

Labels = Mapping[str, npt.NDArray[np.int64]]
"""Output name -> classes, shape (samples,)."""


def load_labels(path: str, outputs: Sequence[TensorSpec], n_samples: int, samples: str) -> Labels:
    """Read the labels of samples from an .npy or .npz file.

    Parameters
    ----------
    outputs
        Those of the model.
    n_samples, samples
        How many samples there are, and the file that they are in.

    Raises
    ------
    InputError
        The file is missing or is neither.
    UsageError
        A name that no output has, no output with classes or several where none is named, labels
        of a wrong type, number or range.
    """
    arrays = _read(path)
    by_name = {spec.name: spec for spec in outputs}
    found: dict[str, npt.NDArray[np.int64]] = {}
    if set(arrays) == {ANY_OUTPUT} and ANY_OUTPUT not in by_name:
        spec = _only_output(path, outputs)
        return {spec.name: _checked(path, arrays[ANY_OUTPUT], spec, n_samples, samples)}
    for name, array in arrays.items():
        if name not in by_name:
            raise UsageError(
                f"{path}: array '{name}' is no output of the model{near_match(name, by_name)}",
                hint=f"outputs: {', '.join(by_name)}; or one array called '{ANY_OUTPUT}'",
            )
        if not _has_classes(by_name[name]):
            raise UsageError(
                f"{path}: the output '{name}' has no classes: {_told(by_name[name])}",
                hint="label an output of one score per class, or of one whole number",
            )
        found[name] = _checked(path, array, by_name[name], n_samples, samples)
    if not found:
        raise UsageError(f"{path} holds no labels", hint=f"one array called '{ANY_OUTPUT}'")
    return found


def _read(path: str) -> dict[str, np.ndarray]:
    """Return the arrays of the file; that of an .npy file is called ANY_OUTPUT."""
    check_is_file(path, hint="give the labels' .npy or .npz file")
    try:
        with Path(path).open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.lib.npyio.NpzFile):
                return {name: loaded[name] for name in loaded.files}
            return {ANY_OUTPUT: loaded}
    except Exception as error:  # numpy, zipfile and zlib each raise their own kinds
        raise InputError(
            f"{path} is not a readable .npy or .npz file: {error}",
            hint="write it with numpy.save(path, labels)",
        ) from error


def _only_output(path: str, outputs: Sequence[TensorSpec]) -> TensorSpec:
    """Return the output that the labels are of: the only one of scores, else of whole numbers."""
    scores = [spec for spec in outputs if _has_classes(spec) and _is_score(spec)]
    numbers = [spec for spec in outputs if _has_classes(spec) and not _is_score(spec)]
    fitting = scores or numbers
    if not fitting:
        raise UsageError(
            f"{path}: no output of the model has classes: {', '.join(map(_told, outputs))}",
            hint="labels need an output of one score per class, or of one whole number",
        )
    if len(fitting) > 1:
        names = ", ".join(spec.name for spec in fitting)
        raise UsageError(
            f"{path} does not say which output its labels are of: {names}",
            hint=f"write them as .npz under its name: numpy.savez(path, {fitting[0].name}=labels)",
        )
    return fitting[0]


def _is_score(spec: TensorSpec) -> bool:
    return "float" in spec.dtype


def _has_classes(spec: TensorSpec) -> bool:
    """Tell whether an output is one answer: scores along the last axis, or one whole number."""
    axes = spec.shape[:-1] if _is_score(spec) else spec.shape
    if any(size not in (1, UNKNOWN_DIMENSION) for size in axes):
        return False
    if _is_score(spec):
        return bool(spec.shape) and (spec.shape[-1] > 1 or spec.shape[-1] == UNKNOWN_DIMENSION)
    return "int" in spec.dtype


def _checked(
    path: str, array: np.ndarray, spec: TensorSpec, n_samples: int, samples: str
) -> npt.NDArray[np.int64]:
    if array.dtype.kind not in "iu":
        raise UsageError(
            f"{path}: labels of the type {array.dtype.name}, wanted are whole numbers",
            hint="give the class of each sample: labels.astype('int64')",
        )
    if array.shape != (n_samples,):
        shape = ",".join(map(str, array.shape))
        raise UsageError(
            f"{path}: labels of the shape ({shape}), {samples} has {n_samples:,} samples",
            hint=f"one whole number for each sample: shape ({n_samples},)",
        )
    n_classes = spec.shape[-1] if _is_score(spec) else UNKNOWN_DIMENSION
    low, high = int(array.min()), int(array.max())
    if n_classes != UNKNOWN_DIMENSION and not 0 <= low <= high < n_classes:
        wrong = low if low < 0 else high
        at = int(np.flatnonzero(array == wrong)[0])
        raise UsageError(
            f"{path}: label {wrong} of sample {at}, the output '{spec.name}' has the classes "
            f"0 to {n_classes - 1}",
            hint="count classes from 0, in the order of the output",
        )
    return array.astype(np.int64)


def _told(spec: TensorSpec) -> str:
    return f"{spec.name} {spec.dtype} {'x'.join(map(str, spec.shape))}".rstrip()
