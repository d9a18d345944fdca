"""The formats of model files: who reads one, who runs it, and what it can be asked."""

from __future__ import annotations

import importlib
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from placer.core.errors import UsageError, near_match
from placer.core.graph import ModelSummary
from placer.core.measurement import SessionSettings
from placer.core.runtime import parse_ep
from placer.core.settings import searched_settings, usual_settings

if TYPE_CHECKING:
    from placer.api.measuring import MeasuringOptions
    from placer.onnx_files.inputs import Inputs

ONNX, TFLITE = "onnx", "tflite"
RUNTIME_MODULES = {ONNX: "placer.runtimes.onnxruntime", TFLITE: "placer.runtimes.litert"}
"""Format -> module of the runtime that runs it."""
_RUNTIMES = {"onnxruntime": ONNX, "litert": TFLITE}
"""First word of ``Measurement.runtime`` -> format."""
_TFLITE_IDENTIFIER = b"TFL3"
RESIZE_LIMIT_S = 30.0
"""For the runtime to tell the shapes inside of a model."""


class Runtime(Protocol):
    """What the module of a runtime offers to who plans a measurement."""

    MODULE: str

    def available_eps(self) -> tuple[str, ...]:
        """Return the short names of the execution providers that are here."""
        ...

    def why_unavailable(self, ep: str) -> str | None:
        """Say why an execution provider cannot be timed here; None: it can."""
        ...

    def runtime_version(self) -> str:
        """Return name and version."""
        ...

    def precision_hints(self, ep: str) -> tuple[tuple[tuple[str, str], ...], ...]:
        """Return options, each as (key, value) pairs, by which it may compute less precisely."""
        ...


def format_of(path: str) -> str:
    """Return the format of a model file by its content; by its name where that says nothing."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  # it would be waited for
            return ONNX
        with Path(path).open("rb") as file:
            head = file.read(8)
    except (OSError, ValueError):
        return ONNX  # whose reader says what is wrong
    if head[4:] == _TFLITE_IDENTIFIER:
        return TFLITE
    return TFLITE if path.lower().endswith((".tflite", ".lite")) else ONNX


def read_model(path: str, *, shapes: Mapping[str, tuple[int, ...]] | None = None) -> ModelSummary:
    """Read an ONNX or TensorFlow Lite file without running it.

    Raises
    ------
    InputError
        The file cannot be read, or what its format needs is not installed.
    UsageError
        A dimension has no value, or a given shape does not fit the model.
    """
    if format_of(path) == ONNX:
        from placer.onnx_files import reader as onnx_reader

        return onnx_reader.read_model(path, shapes=shapes)
    from placer.tflite_files import reader

    return reader.read_model(path, shapes=shapes, resize=lambda given: _resized(path, given))


def _resized(path: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...] | None:
    """Ask LiteRT for the shapes of all tensors; None: it could not tell."""
    from placer.profiling.child import Child, ChildError

    try:
        with Child(RUNTIME_MODULES[TFLITE]) as child:
            answer = child.ask(
                "tensor_shapes",
                model_path=str(Path(path).resolve()),
                shapes=shapes,
                deadline_s=RESIZE_LIMIT_S,
            )
    except ChildError:
        return None  # the work is then not known; opening the session says why
    return tuple(tuple(shape) for shape in answer["shapes"])


def runtime_of(format_: str) -> Runtime:
    """Return the runtime module for a format."""
    module: Runtime = importlib.import_module(RUNTIME_MODULES[format_])
    return module


def is_current(runtime: str) -> bool:
    """Tell whether a runtime, as ``litert 2.3.0``, is the one that is installed."""
    known = _RUNTIMES.get(runtime.partition(" ")[0])
    return known is not None and runtime == runtime_of(known).runtime_version()


def check_options(summary: ModelSummary, options: MeasuringOptions) -> None:
    """Raise UsageError for what the runtime of this format does not have."""
    if summary.format == ONNX:
        return
    from placer.runtimes.litert import EPS

    if options.spinning is not None:
        raise UsageError(
            f"{summary.path} runs on LiteRT, which has no setting for spinning",
            hint="leave out --spinning and --no-spinning (in a workload file: `spinning:`)",
        )
    if options.ep_options or options.io != "host":
        given = options.ep_options[0] if options.ep_options else f"--io {options.io}"
        raise UsageError(
            f"{summary.path} runs on LiteRT, which has no such option: {given}",
            hint="leave it out, or convert the model to ONNX",
        )
    for name in options.eps:
        if parse_ep(name) not in EPS:
            raise UsageError(
                f"{summary.path} runs on LiteRT, which has no execution provider "
                f"'{name}'{near_match(name, EPS)}",
                hint=f"it has: {' '.join(EPS)}; convert the model to ONNX for the others",
            )


def settings_of(summary: ModelSummary, threads: int, options: MeasuringOptions) -> SessionSettings:
    """Return session settings with a fixed number of threads."""
    spinning = threads > 1 if options.spinning is None else options.spinning
    return _of_format(summary, SessionSettings(threads, spinning, io=options.io))


def candidates_of(
    summary: ModelSummary, cores: int, options: MeasuringOptions
) -> tuple[SessionSettings, ...]:
    """Return the settings to try, the default first: all that are searched, or the usual ones."""
    found = (
        searched_settings(cores, threads=options.threads, spinning=options.spinning)
        if options.search_s > 0
        else usual_settings(cores)
    )
    return tuple(dict.fromkeys(_of_format(summary, one) for one in found))


def _of_format(summary: ModelSummary, settings: SessionSettings) -> SessionSettings:
    """Return the settings as the runtime has them: LiteRT has only threads."""
    if summary.format == ONNX:
        return settings
    return replace(settings, allow_spinning=None, graph_optimization="default")


def generate_inputs(summary: ModelSummary) -> Inputs:
    """Draw one realistic sample per input. Raises InputError and UsageError."""
    from placer.onnx_files import inputs

    if summary.format == ONNX:
        return inputs.generate_inputs(summary.path, summary.inputs)
    ranges = {name: (low, high) for name, low, high in summary.integer_ranges}
    return inputs.generate_inputs(None, summary.inputs, ranges=ranges)
