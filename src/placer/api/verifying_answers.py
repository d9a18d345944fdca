"""What a server has to answer before its times count: what the model answers here."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from placer.api import formats

if TYPE_CHECKING:
    from placer.onnx_files.inputs import Inputs
    from placer.probing.calls import Calls, Expected

NOT_COMPARABLE = "it does not run here, so what the server answers cannot be compared"


def answer_here(model: str, samples: Inputs, *, limit_s: float) -> Expected:
    """Run a model on one sample twice, and return what a server of it has to answer.

    Raises
    ------
    ChildError
        It does not run here.
    """
    from placer.core.split import output_differences
    from placer.onnx_files.inputs import Inputs
    from placer.probing.answers import SERVER_APART_RATIO
    from placer.probing.calls import Expected
    from placer.profiling.outputs import read_outputs

    twice = {name: np.repeat(array[:1], 2, axis=0) for name, array in samples.samples.items()}
    with TemporaryDirectory(prefix="placer-") as folder:
        path = str(Path(folder) / "inputs.npz")
        Inputs(twice, samples.dtypes, samples.source).save(path)
        found = read_outputs(
            *(
                formats.runtime_of(formats.format_of(model)).MODULE,
                str(Path(model).resolve()),
                "cpu",
                path,
                samples.dtypes,
            ),
            time_limit_s=limit_s,
        )
    first, second = (
        {name: array[place : place + 1] for name, array in found.items()} for place in (0, 1)
    )
    differences = output_differences(first, second)
    return Expected(
        {name: np.asarray(array[0]) for name, array in found.items()},
        all(one.relative <= SERVER_APART_RATIO for one in differences),
    )


def told_answer(expected: Expected, calls: Calls) -> str:
    """Say what its answer was held to."""
    if not expected.has_values:
        return (
            "the model answers otherwise from run to run: the names, types and shapes of the "
            "server's answer were compared, not its numbers"
        )
    return (
        f"the server's answer differs from the model's here by at most {calls.apart_ratio:.2g} of "
        "the largest number"
    )
