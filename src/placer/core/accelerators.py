"""Which execution providers run on which accelerator, by the names that manifests give these."""

from __future__ import annotations

import re

from placer.core.runtime import split_ep

_MAKERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"nvidia|cuda|kind_gpu|^/dev/nv(?!me|ram)",
        ("cuda", "tensorrt", "tensorrt_rtx", "dml", "webgpu"),
    ),
    (r"xilinx", ("vitisai",)),
    (r"\bamd\b|rocm|^/dev/kfd", ("migraphx", "rocm", "dml", "webgpu")),
    (r"qualcomm|hexagon|^/dev/(?:fastrpc|adsprpc|kgsl)", ("qnn", "dml", "webgpu")),
    (r"habana|gaudi|neuron|hailo|coral|edgetpu|^/dev/apex|ascend|davinci|tenstorrent|qaic|rknpu"
     r"|\bgoogle\b.*\btpu|\bcloud-tpus\b", ()),
    (r"\bintel\b", ("openvino", "dml", "webgpu")),
    (r"^/dev/mali", ("webgpu",)),
)  # fmt: skip
"""Accelerators of one maker -> execution providers that run on them, the usual one first. Other
providers of a maker that has none here are plugins. Source: ONNX Runtime, "Execution Providers"."""
_SHARED: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"^gpus?$|^/dev/dxg|^microsoft\.com/directx$",
        ("cuda", "tensorrt", "tensorrt_rtx", "migraphx", "rocm", "openvino", "dml", "webgpu"),
    ),
    (r"^/dev/dri", ("migraphx", "rocm", "openvino", "dml", "webgpu")),
    (r"^/dev/accel", ("openvino", "vitisai", "qnn")),
)
"""The same of what several makers have: Docker's ``gpu``, WSL's and Linux' own device files. CUDA
takes none of the latter."""
_PART = re.compile(r"/mig-|\.shared$|vgpu|vcuda|gpu[-_.]?(?:mem|core|share)", re.IGNORECASE)
"""Source: NVIDIA's device plugin (MIG, ``renameByDefault`` of shared GPUs), HAMi, Volcano, GPU
sharing of Alibaba Cloud and Tencent Cloud."""


_NVIDIA = frozenset({"cuda", "tensorrt", "tensorrt_rtx"})
_AMD = frozenset({"migraphx", "rocm"})
HIDING = {
    "CUDA_VISIBLE_DEVICES": _NVIDIA,
    "HIP_VISIBLE_DEVICES": _AMD,
    "NVIDIA_VISIBLE_DEVICES": _NVIDIA,
    "ROCR_VISIBLE_DEVICES": _AMD,
}
"""Variable that chooses among the GPUs that are granted -> execution providers that obey it."""
_NONE = ("", "-1", "none", "void", "nodevfiles")


def hides_all(name: str, value: str) -> bool:
    """Tell whether a variable hides every GPU.

    Source: NVIDIA, "CUDA Environment Variables" (devices behind one that is none are hidden), and
    "Container Toolkit", ``NVIDIA_VISIBLE_DEVICES``.
    """
    return name in HIDING and value.partition(",")[0].strip().lower() in _NONE


def ep_of(accelerator: str) -> str | None:
    """Return the usual execution provider of an accelerator; None: there are several, or none."""
    return next(iter(_found(accelerator, _MAKERS) or ()), None)


def runs_on(ep: str, accelerator: str) -> bool | None:
    """Tell whether a provider of ONNX Runtime's own runs on an accelerator; None: not known."""
    name = split_ep(ep)[0]
    taken = _found(accelerator, _MAKERS)
    taken = _found(accelerator, _SHARED) if taken is None else taken
    return None if taken is None else name in taken


def is_part(accelerator: str) -> bool:
    """Tell whether a name is that of a part of a GPU, or of one that others use as well."""
    return _PART.search(accelerator) is not None


def _found(
    accelerator: str, table: tuple[tuple[str, tuple[str, ...]], ...]
) -> tuple[str, ...] | None:
    name = accelerator.lower()
    return next((eps for words, eps in table if re.search(words, name)), None)
