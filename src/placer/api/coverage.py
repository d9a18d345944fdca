"""Which nodes would run on the NPU of a chip that is not here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from placer.api.measuring import DEFAULT_TIME_LIMIT_S, Say, say_nothing
from placer.core.coverage import Coverage, LeftOut, parse_soc
from placer.core.errors import MeasuringError
from placer.core.graph import ModelSummary
from placer.core.rules.rule import Failure


def coverage(
    model: str,
    *,
    soc: str,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    progress: Say = say_nothing,
) -> tuple[ModelSummary, Coverage]:
    """Compile a model for a Snapdragon chip and say which nodes its NPU would run.

    Nothing is run and nothing is timed: a simulator's time is not the chip's.

    Parameters
    ----------
    model
        Path of an ONNX file.
    soc
        Name of the chip, as ``SM8650``.
    shapes
        Input name -> shape, for symbolic dimensions.

    Raises
    ------
    UsageError, InputError
        An unknown chip, or a model that cannot be read.
    MeasuringError
        The compiler is not installed, refused the model, crashed or took too long.
    """
    from placer.onnx_files.reader import read_model

    name = parse_soc(soc)
    summary = read_model(model, shapes=dict(shapes or {}))
    found = cover(summary, name, time_limit_s, progress)
    if isinstance(found, Failure):
        raise MeasuringError(f"qnn for {name}: {found.message}", hint=found.remedy)
    return summary, found


def cover(
    summary: ModelSummary, soc: str, time_limit_s: float, progress: Say
) -> Coverage | Failure:
    """Compile in a child process: native code that crashes or hangs there is a finding."""
    from placer.profiling.child import Child, ChildError
    from placer.runtimes import qnn

    progress(f"qnn: compiling {summary.path} for {soc} (at most {time_limit_s:.0f} s)")
    try:
        with Child(qnn.MODULE) as child:
            answer = child.ask(
                "cover",
                model_path=str(Path(summary.path).resolve()),
                soc=soc,
                shapes=[(spec.name, spec.shape) for spec in summary.inputs],
                deadline_s=time_limit_s,
            )
    except ChildError as error:
        return Failure(error.kind, error.message)
    return Coverage(
        ep=qnn.EP,
        soc=answer["soc"],
        runtime=answer["runtime"],
        covered=tuple((op_type, count) for op_type, count in answer["covered"]),
        left_out=tuple(LeftOut(*node) for node in answer["left_out"]),
        n_parts=answer["n_parts"],
    )
