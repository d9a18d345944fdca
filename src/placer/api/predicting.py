"""The time of models on a calibrated device, from their work."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from placer.core.calibration import Prediction, Work
from placer.core.errors import InputError, UsageError
from placer.core.graph import ModelSummary

if TYPE_CHECKING:
    from placer.api.calibrating import Calibrated
    from placer.profiling.child import Child

MATRIX_OPERATORS = frozenset(
    (
        "Attention",
        "FusedGemm",
        "FusedMatMul",
        "Gemm",
        "MatMul",
        "MultiHeadAttention",
        "GroupQueryAttention",
        "MatMulNBits",
    )
)
"""What ONNX Runtime computes as products of matrices, by other kernels than convolutions."""
OPTIMISING_LIMIT_S = 60.0


def predict(
    calibrated: Calibrated, path: str, *, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> tuple[Prediction, ...]:
    """Predict the models of a CSV file, or one ONNX model.

    Parameters
    ----------
    shapes
        Of inputs of the ONNX model, by name.

    Raises
    ------
    UsageError, InputError
        The file cannot be read, or the work of a model is not known.
    """
    return tuple(calibrated.calibration.predict(work) for work in _works(path, shapes))


def _works(path: str, shapes: Mapping[str, tuple[int, ...]] | None) -> tuple[Work, ...]:
    if path.endswith(".csv"):
        from placer.files.tables import read_works

        return read_works(path)
    from placer.onnx_files.reader import read_model
    from placer.profiling.child import Child
    from placer.runtimes import onnxruntime

    with Child(onnxruntime.MODULE) as child:
        return (work_of(read_model(path, shapes=shapes), child),)


def work_of(model: ModelSummary, child: Child) -> Work:
    """Count the work of a model on the graph that ONNX Runtime makes of it.

    Raises
    ------
    UsageError
        The work is not known, or the runtime does not run the model.
    """
    from placer.onnx_files.reader import read_model
    from placer.profiling.child import ChildError

    with tempfile.TemporaryDirectory(prefix="placer-") as folder:
        path = str(Path(folder) / "optimised.onnx")
        try:
            child.ask(
                "optimise",
                model_path=str(Path(model.path).resolve()),
                output_path=path,
                deadline_s=OPTIMISING_LIMIT_S,
            )
            found = read_model(path, shapes={spec.name: spec.shape for spec in model.inputs})
        except (ChildError, InputError) as error:
            raise UsageError(
                f"{model.path}: the graph that ONNX Runtime makes of it is not known: "
                f"{error.message}"
            ) from error
    if found.flops is None or found.bytes_moved is None:
        unknown = ", ".join(found.unknown_operators) or "a shape is not known"
        raise UsageError(f"{model.path}: its work is not known ({unknown})")
    matrix_flops = sum(
        work.flops or 0
        for work in found.operators
        if work.op_type.rpartition("::")[2] in MATRIX_OPERATORS
    )
    return Work(model.path, found.flops, found.bytes_moved, found.n_nodes, matrix_flops)
