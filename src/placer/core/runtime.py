"""The seam between measuring and the runtimes that execute models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    "tensorrt_rtx": "NvTensorRTRTXExecutionProvider",
    "vitisai": "VitisAIExecutionProvider",
}
"""Short name -> ONNX Runtime's name."""

EP_DEVICES = ("cpu", "gpu", "npu")
"""Kinds of device; an execution provider with several is named with one: ``openvino:gpu``."""

_SUFFIX = "executionprovider"
_STEMS = [full.lower().removesuffix(_SUFFIX) for full in EXECUTION_PROVIDERS.values()]

REMOTE_EXECUTION_PROVIDERS = frozenset({"AzureExecutionProvider"})
"""They call a service over the network: never "edge"."""


def parse_ep(text: str) -> str:
    """Return the short name of an execution provider given by short or full name.

    ``:cpu``, ``:gpu`` or ``:npu`` behind it names its device. A full name that is not known here
    stands for itself: it may be that of a plugin.

    Raises
    ------
    UsageError
        Not the name of an execution provider, or a remote one; not a kind of device.
    """
    lowered, separator, device = text.strip().lower().partition(":")
    if separator and device not in EP_DEVICES:
        raise UsageError(
            f"execution provider '{text}': '{device}' is no kind of device"
            f"{near_match(device, EP_DEVICES)}",
            hint=f"NAME:DEVICE with one of: {' '.join(EP_DEVICES)}",
        )
    if lowered == "cpu" and separator:
        raise UsageError(f"execution provider '{text}': cpu has one device", hint="write cpu")
    for short, full in EXECUTION_PROVIDERS.items():
        if lowered in (short, full.lower()):
            return short + separator + device
    if lowered in {name.lower() for name in REMOTE_EXECUTION_PROVIDERS} | {"azure"}:
        raise UsageError(
            f"execution provider '{text}' calls a remote service, it does not run here",
            hint="describe the service as a cloud offer: --cloud FILE",
        )
    known = [*EXECUTION_PROVIDERS, *EXECUTION_PROVIDERS.values()]
    stem = lowered.removesuffix(_SUFFIX)
    if lowered.isidentifier() and stem not in ("", lowered) and not near_match(stem, _STEMS):
        return text.strip().partition(":")[0] + separator + device
    raise UsageError(
        f"unknown execution provider '{text}'{near_match(text, known)}",
        hint=f"known: {' '.join(EXECUTION_PROVIDERS)}, or ONNX Runtime's full names; "
        "`placer doctor` shows those that are here",
    )


def split_ep(ep: str) -> tuple[str, str | None]:
    """Return short name and device of ``openvino:gpu``; the device is None if none is named."""
    name, separator, device = ep.partition(":")
    return name, device if separator else None


def parse_ep_option(text: str) -> tuple[str, str, str]:
    """Parse ``cuda.use_tf32=0`` into (execution provider, key, value).

    Raises
    ------
    UsageError
        Not of that form, or an execution provider that has no options.
    """
    place, separator, value = text.partition("=")
    name, dot, key = place.partition(".")
    if not (separator and dot and key.strip() and name.strip()):
        raise UsageError(
            f"--ep-option '{text}' is not NAME.KEY=VALUE", hint="for instance cuda.use_tf32=0"
        )
    ep = parse_ep(name)
    if ep == "cpu":
        raise UsageError(
            f"--ep-option '{text}': cpu has no options", hint="--threads, --spinning set it"
        )
    if (split_ep(ep)[0], key.strip()) == ("openvino", "num_of_threads"):
        raise UsageError(f"--ep-option '{text}': placer sets it", hint="--threads N")
    return ep, key.strip(), value


def options_of(ep: str, options: Sequence[tuple[str, str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the (key, value) that hold for an execution provider, those of its device last.

    Parameters
    ----------
    options
        (execution provider, key, value); one named without a device holds for all of its devices.

    Raises
    ------
    UsageError
        An option chooses another device than the name, or stands there twice.
    """
    keys = [(given, key) for given, key, _ in options]
    for given, key in keys:
        if keys.count((given, key)) > 1:
            raise UsageError(
                f"--ep-option {given}.{key} is given twice", hint="give the one that counts"
            )
    name, device = split_ep(ep)
    found = {key: value for given, key, value in options if given == name}
    if device is not None:
        found |= {key: value for given, key, value in options if given == ep}
        if "device_type" in found:
            raise UsageError(
                f"--ep-option: device_type={found['device_type']} and the name {ep} both choose "
                "the device",
                hint=f"leave the option out, or name {name} alone",
            )
    return tuple(sorted(found.items()))


_USUAL_PRECISIONS = {
    "cuda": "TF32, use_tf32=0 turns it off",
    "tensorrt": "TF32",
    "openvino:gpu": "float16",
    "openvino:npu": "float16",
    "openvino": "bfloat16 on processors with AMX, float16 on a GPU or NPU",
    "qnn": "float16",
    "coreml": "float16 on a GPU or the Neural Engine",
    "vitisai": "bfloat16",
}
"""From the makers' pages on inference precision."""


def usual_precision(ep: str) -> str | None:
    """Return the reduced precision in which an execution provider runs float32 models unasked."""
    return _USUAL_PRECISIONS.get(ep, _USUAL_PRECISIONS.get(split_ep(ep)[0]))


_CLASSES = {
    "gpu": frozenset({"cuda", "tensorrt", "tensorrt_rtx", "rocm", "migraphx", "dml", "webgpu"}),
    "npu": frozenset({"qnn", "coreml", "vitisai", "rknpu"}),
}
"""Kind of processor -> execution providers that run there; all others run on the CPU."""


def processor_kind(ep: str) -> str:
    """Return ``cpu``, ``gpu`` or ``npu``: where an execution provider runs what it takes."""
    name, device = split_ep(ep)
    if device in ("cpu", *_CLASSES):
        return device or ""
    return next((kind for kind, names in _CLASSES.items() if name in names), "cpu")


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


class UnevenOutputsError(Exception):
    """The shape of an output depends on the sample: the samples make no one array."""


def stacked(outputs: Sequence[Any]) -> Any:
    """Return the outputs of all samples, arrays each, as one array of shape (samples, ...).

    Raises
    ------
    UnevenOutputsError
        Their shapes differ.
    """
    import numpy as np

    if len({np.shape(array) for array in outputs}) > 1:
        raise UnevenOutputsError(
            "the shape of an output depends on the sample, so the answers are not compared"
        )
    return np.stack(outputs)


class MisconfiguredError(Exception):
    """The execution provider refuses its options; the message says which or why."""


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
    trace_prefix: str = ""
    """Record which kernels run, in a file whose path begins so; empty: do not."""
    optimised_path: str = ""
    """Write the graph that the runtime makes of the model there; empty: do not."""


class RuntimeSession(Protocol):
    """An open session whose inputs are bound and whose runs can be timed."""

    runtime: str
    """Name and version of the runtime."""
    device: str
    """The device that the execution provider took, ``GPU by Intel``; empty: it does not tell."""

    def nodes_by_ep(self) -> tuple[tuple[str, int], ...]:
        """Return (short EP name, nodes assigned to it), read back from the runtime."""
        ...

    def fallback(self) -> tuple[tuple[str, int], ...]:
        """Return (operator type, nodes) assigned to other execution providers, most first."""
        ...

    def outputs(self) -> Mapping[str, Any]:
        """Return what the model gives for every input sample: name -> array (samples, ...)."""
        ...

    def executed_by_ep(self) -> tuple[tuple[str, int], ...]:
        """Return (short EP name, kernels that ran on it) since the session was opened.

        An execution provider that compiles nodes together runs them as one kernel. Empty: the
        runtime does not tell, or ``trace_prefix`` was empty. Nothing can be run after it.
        """
        ...

    def prepare(self, index: int) -> None:
        """Put an input sample into its place, before the run that is timed."""
        ...

    def runs(self) -> tuple[Callable[[], object], ...]:
        """Return one callable per input sample; each runs the model once and waits for it."""
        ...
