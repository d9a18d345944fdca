"""What a model answers: its outputs for given samples, from a measuring process."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from placer.core.measurement import SessionSettings
from placer.profiling.child import Child


def read_outputs(
    runtime_module: str,
    model_path: str,
    ep: str,
    inputs_path: str,
    dtypes: tuple[tuple[str, str], ...],
    *,
    time_limit_s: float,
) -> Mapping[str, Any]:
    """Return what a model gives for every sample: output name -> array of shape (samples, ...).

    Raises
    ------
    ChildError
        The process could not run the model, or not in time.
    """
    with tempfile.TemporaryDirectory(prefix="placer-") as folder, Child(runtime_module) as child:
        child.ask(
            "open",
            model_path=model_path,
            ep=ep,
            settings=asdict(SessionSettings(intra_op_threads=1, allow_spinning=False)),
            inputs_path=inputs_path,
            dtypes=dtypes,
            deadline_s=time_limit_s,
        )
        path = str(Path(folder) / "outputs.npz")
        names = child.ask("outputs", path=path, deadline_s=time_limit_s)["names"]
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[str(place)] for place, name in enumerate(names)}
