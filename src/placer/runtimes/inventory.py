"""Which execution providers are here, which are missing, and how to get them."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

from placer.core.runtime import EXECUTION_PROVIDERS, REMOTE_EXECUTION_PROVIDERS, split_ep
from placer.runtimes.onnxruntime import available_eps
from placer.runtimes.plugins import (
    EpDevice,
    Plugin,
    built_in_devices,
    describe_device,
    probed_plugins,
)

HOW_TO_GET = {
    "cuda": "NVIDIA GPU: pip uninstall onnxruntime; pip install onnxruntime-gpu (CUDA and cuDNN)",
    "tensorrt": "NVIDIA GPU: onnxruntime-gpu, and TensorRT's libraries",
    "openvino": "Intel CPU, GPU, NPU: pip install onnxruntime-ep-openvino; any x86-64 CPU: "
    "onnxruntime-openvino in place of onnxruntime",
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

_ANY = ("AMD", "Apple", "Intel", "NVIDIA", "Qualcomm")
MADE_FOR: dict[str, tuple[tuple[str, str], ...]] = {
    "cuda": (("gpu", "NVIDIA"),),
    "tensorrt": (("gpu", "NVIDIA"),),
    "tensorrt_rtx": (("gpu", "NVIDIA"),),
    "openvino": (("cpu", "Intel"), ("gpu", "Intel"), ("npu", "Intel"), ("cpu", "AMD")),
    "qnn": (("cpu", "Qualcomm"),),
    "coreml": (("cpu", "Apple"),),
    "dml": (),
    "migraphx": (("gpu", "AMD"),),
    "rocm": (("gpu", "AMD"),),
    "xnnpack": (),
    "webgpu": tuple(("gpu", maker) for maker in _ANY),
    "vitisai": (("npu", "AMD"),),
}
"""(kind, maker) of the devices that show that an execution provider is worth installing."""

LAST_RUN: dict[str, str] = {
    "cpu": "in every run of the tests",
    "openvino:cpu": "in every run of the slow tests, with onnxruntime-openvino 1.24.1",
}
"""Execution provider and device -> the last commit at which placer's tests ran on real hardware of
it. All others are experimental: their code was never run on a device."""

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

    def device_type_of(self, ep: str) -> str | None:
        """Return ``GPU`` or the like: the kind that is named, else the first; None: not told."""
        name, kind = split_ep(ep)
        if kind is not None:
            return kind.upper()
        own = [one for one in self.devices if one.ep == name and not one.is_emulated]
        return own[0].device_type if own else None


def last_run(ep: str, device_type: str | None) -> str | None:
    """Return when the tests last ran on real hardware of it; None: never, it is experimental."""
    kind = (device_type or "").lower()
    return LAST_RUN.get(ep, LAST_RUN.get(f"{ep}:{kind}"))


def take_inventory() -> Inventory:
    """Ask the installed ONNX Runtime what it has."""
    import onnxruntime

    providers = onnxruntime.get_available_providers()
    plugins = probed_plugins()
    available = available_eps()
    names = {split_ep(ep)[0] for ep in available}
    devices = (
        *(describe_device(device) for device in onnxruntime.get_ep_devices()),
        *(device for plugin in plugins for device in plugin.devices),
        *(
            EpDevice(ep, kind.upper(), vendor="", ep_vendor="")
            for ep in dict.fromkeys(split_ep(one)[0] for one in available)
            for kind in built_in_devices(ep)
        ),
    )
    installed = []
    for name in _DISTRIBUTIONS:
        try:
            installed.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    places: dict[str, list[str]] = {}
    for name, _ in installed:
        if name in _SAME_FILES:
            place = str(importlib.metadata.distribution(name).locate_file(""))
            places.setdefault(place, []).append(name)
    clashing = max(places.values(), key=len, default=[])
    return Inventory(
        runtime=f"onnxruntime {onnxruntime.__version__}",
        available=available,
        remote=tuple(name for name in providers if name in REMOTE_EXECUTION_PROVIDERS),
        devices=devices,
        plugins=plugins,
        missing=tuple(
            (name, HOW_TO_GET[name])
            for name in EXECUTION_PROVIDERS
            if name not in names and name not in {plugin.ep for plugin in plugins}
        ),
        distributions=tuple(installed),
        conflict=f"{' and '.join(clashing)} overwrite each other: keep one"
        if len(clashing) > 1
        else None,
    )
