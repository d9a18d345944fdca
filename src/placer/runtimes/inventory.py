"""Which execution providers are here, which are missing, and how to get them."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

from placer.core.runtime import EXECUTION_PROVIDERS, REMOTE_EXECUTION_PROVIDERS, short_ep_name
from placer.runtimes.plugins import EpDevice, Plugin, describe_device, probed_plugins, usable_eps

HOW_TO_GET = {
    "cuda": "NVIDIA GPU: pip uninstall onnxruntime; pip install onnxruntime-gpu (CUDA and cuDNN)",
    "tensorrt": "NVIDIA GPU: onnxruntime-gpu, and TensorRT's libraries",
    "openvino": "Intel CPU, GPU, NPU: pip install onnxruntime-ep-openvino",
    "qnn": "Qualcomm NPU: pip install onnxruntime-qnn",
    "coreml": "Apple: part of onnxruntime for macOS",
    "dml": "Windows GPU: pip install onnxruntime-directml in place of onnxruntime",
    "migraphx": "AMD GPU: a ROCm build of onnxruntime",
    "rocm": "AMD GPU: a ROCm build of onnxruntime",
    "xnnpack": "mobile CPU: a build of onnxruntime with XNNPACK",
    "webgpu": "any GPU: pip install onnxruntime-ep-webgpu",
    "tensorrt_rtx": "NVIDIA RTX GPU: a build of onnxruntime with TensorRT for RTX",
    "vitisai": "AMD NPU: onnxruntime-vitisai, from the Ryzen AI software",
}
"""What to install for an execution provider that is not here."""

_DISTRIBUTIONS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-ep-openvino",
    "onnxruntime-ep-webgpu",
)
_SAME_FILES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
"""They install the same package directory: two of them break each other."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the installed runtime can use here."""

    runtime: str
    available: tuple[str, ...]
    """Short names of the local execution providers that have a device here, CPU last."""
    remote: tuple[str, ...]
    """Execution providers that call a service: never the edge."""
    devices: tuple[EpDevice, ...]
    """Emulated ones as well."""
    plugins: tuple[Plugin, ...]
    """Installed execution provider packages, usable or not."""
    missing: tuple[tuple[str, str], ...]
    """(short name, how to get it)."""
    distributions: tuple[tuple[str, str], ...]
    """(installed package, version) of the runtime's family."""
    conflict: str | None
    """Two installed packages that overwrite each other; None: there are none."""


def take_inventory() -> Inventory:
    """Ask the installed ONNX Runtime what it has."""
    import onnxruntime

    providers = onnxruntime.get_available_providers()
    plugins = probed_plugins()
    built_in = tuple(
        short_ep_name(name) for name in providers if name not in REMOTE_EXECUTION_PROVIDERS
    )
    available = tuple(dict.fromkeys((*usable_eps(), *built_in)))
    devices = (
        *(describe_device(device) for device in onnxruntime.get_ep_devices()),
        *(device for plugin in plugins for device in plugin.devices),
    )
    installed = []
    for name in _DISTRIBUTIONS:
        try:
            installed.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    clashing = [name for name, _ in installed if name in _SAME_FILES]
    return Inventory(
        runtime=f"onnxruntime {onnxruntime.__version__}",
        available=available,
        remote=tuple(name for name in providers if name in REMOTE_EXECUTION_PROVIDERS),
        devices=devices,
        plugins=plugins,
        missing=tuple(
            (name, HOW_TO_GET[name])
            for name in EXECUTION_PROVIDERS
            if name not in available and name not in {plugin.ep for plugin in plugins}
        ),
        distributions=tuple(installed),
        conflict=f"{' and '.join(clashing)} overwrite each other: keep one"
        if len(clashing) > 1
        else None,
    )
