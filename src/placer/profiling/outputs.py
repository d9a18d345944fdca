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

PLAIN = SessionSettings(intra_op_threads=1, allow_spinning=False)


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
    outputs, _ = traced_outputs(
        runtime_module, model_path, ep, inputs_path, dtypes, time_limit_s=time_limit_s
    )
    return outputs


def traced_outputs(
    runtime_module: str,
    model_path: str,
    ep: str,
    inputs_path: str,
    dtypes: tuple[tuple[str, str], ...],
    *,
    time_limit_s: float,
    settings: SessionSettings = PLAIN,
    is_traced: bool = False,
) -> tuple[Mapping[str, Any], tuple[tuple[str, int], ...]]:
    """Return the same, and how many kernels each execution provider ran, most first.

    Parameters
    ----------
    is_traced
        False: the kernels are not looked at, none are returned.

    Raises
    ------
    ChildError
        As ``read_outputs``; or none of the kernels ran on the execution provider.
    """
    with Child(runtime_module) as child:
        return outputs_from(
            child,
            model_path,
            ep,
            inputs_path,
            dtypes,
            time_limit_s=time_limit_s,
            settings=settings,
            is_traced=is_traced,
        )


def outputs_from(
    child: Child,
    model_path: str,
    ep: str,
    inputs_path: str,
    dtypes: tuple[tuple[str, str], ...],
    *,
    time_limit_s: float,
    settings: SessionSettings = PLAIN,
    is_traced: bool = False,
) -> tuple[Mapping[str, Any], tuple[tuple[str, int], ...]]:
    """Return the same from a process that is there: one may run many models in turn."""
    with tempfile.TemporaryDirectory(prefix="placer-") as folder:
        child.ask(
            "open",
            model_path=model_path,
            ep=ep,
            settings=asdict(settings),
            inputs_path=inputs_path,
            dtypes=dtypes,
            trace_prefix=str(Path(folder) / "kernels") if is_traced else "",
            deadline_s=time_limit_s,
        )
        path = str(Path(folder) / "outputs.npz")
        answer = child.ask("outputs", path=path, deadline_s=time_limit_s)
        with np.load(path, allow_pickle=False) as archive:
            outputs = {name: archive[str(place)] for place, name in enumerate(answer["names"])}
    return outputs, tuple((name, count) for name, count in answer["executed_by_ep"])
