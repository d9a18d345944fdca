"""The seam between measuring and the runtimes that execute models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from placer.core.errors import UsageError, near_match
from placer.core.measurement import SessionSettings

EXECUTION_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "dml": "DmlExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
}
"""Short name -> ONNX Runtime's name."""

REMOTE_EXECUTION_PROVIDERS = frozenset({"AzureExecutionProvider"})
"""They call a service over the network: never "edge"."""


def parse_ep(text: str) -> str:
    """Return the short name of an execution provider given by short or full name.

    Raises
    ------
    UsageError
        Not a name that ONNX Runtime knows, or a remote one.
    """
    lowered = text.strip().lower()
    for short, full in EXECUTION_PROVIDERS.items():
        if lowered in (short, full.lower()):
            return short
    if lowered in {name.lower() for name in REMOTE_EXECUTION_PROVIDERS} | {"azure"}:
        raise UsageError(
            f"execution provider '{text}' calls a remote service, it does not run here",
            hint="describe the service as a cloud offer: --cloud FILE",
        )
    known = [*EXECUTION_PROVIDERS, *EXECUTION_PROVIDERS.values()]
    raise UsageError(
        f"unknown execution provider '{text}'{near_match(text, known)}",
        hint=f"known: {' '.join(EXECUTION_PROVIDERS)}, or ONNX Runtime's full names",
    )


def short_ep_name(full_name: str) -> str:
    """Return the short name of ONNX Runtime's name, or that name itself if there is none."""
    for short, full in EXECUTION_PROVIDERS.items():
        if full == full_name:
            return short
    return full_name


class UnsupportedModelError(Exception):
    """The runtime cannot run this model: an operator, opset or type that it does not have."""


class UnavailableError(Exception):
    """The execution provider cannot be used here; the message says why."""


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What to open: a model on one execution provider with fixed inputs."""

    model_path: str
    ep: str
    """Short name of the execution provider."""
    settings: SessionSettings
    inputs_path: str
    """.npz with one array per input, first axis the samples, written by placer itself."""
    dtypes: tuple[tuple[str, str], ...]
    """(input name, dtype) where numpy has no such dtype and the bits travel as integers."""


class RuntimeSession(Protocol):
    """An open session whose inputs are bound and whose runs can be timed."""

    runtime: str
    """Name and version of the runtime."""

    def nodes_by_ep(self) -> tuple[tuple[str, int], ...]:
        """Return (short EP name, nodes assigned to it), read back from the runtime."""
        ...

    def fallback(self) -> tuple[tuple[str, int], ...]:
        """Return (operator type, nodes) assigned to other execution providers, most first."""
        ...

    def outputs(self) -> Mapping[str, Any]:
        """Return what the model gives for every input sample: name -> array (samples, ...)."""
        ...

    def prepare(self, index: int) -> None:
        """Put an input sample into its place, before the run that is timed."""
        ...

    def runs(self) -> tuple[Callable[[], object], ...]:
        """Return one callable per input sample; each runs the model once and waits for it."""
        ...
