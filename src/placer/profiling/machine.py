"""What this machine is, how much of it we may use, and how quiet it is."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from pathlib import Path

from placer.core.measurement import Machine

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return the whole cores that this process may use: affinity and cgroup quota, at least 1.

    ONNX Runtime's own default ignores the quota, which oversubscribes containers.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    quota = cpu_quota_cores()
    return max(1, min(cores, int(quota) if quota is not None else cores))


def cpu_quota_cores() -> float | None:
    """Return the cgroup's CPU quota in cores; None: no quota, or not Linux."""
    text = _own_cgroup_file("cpu.max")
    if text is not None:
        quota, _, period = text.partition(" ")
        return None if quota == "max" else int(quota) / int(period or 100_000)
    v1 = _CGROUP / "cpu"
    quota_us = _read(v1 / "cpu.cfs_quota_us")
    period_us = _read(v1 / "cpu.cfs_period_us")
    if quota_us is None or period_us is None or int(quota_us) <= 0:
        return None
    return int(quota_us) / int(period_us)


def usable_memory_bytes() -> int | None:
    """Return the memory that this process may use: RAM or cgroup limit; None: unknown."""
    limits = []
    with contextlib.suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    texts = (_own_cgroup_file("memory.max"), _read(_CGROUP / "memory/memory.limit_in_bytes"))
    limits += [int(text) for text in texts if text is not None and text.isdigit()]
    return min(limits, default=None)


def describe_machine() -> Machine:
    """Return this machine's identity as evidence records it."""
    return Machine(
        cpu=_cpu_name(),
        architecture=platform.machine(),
        cores=usable_cores(),
        memory_bytes=usable_memory_bytes(),
        os=f"{platform.system()} {platform.release()}",
        accelerators=_accelerators(),
        machine_id=_machine_id(),
    )


def cpu_pressure_ratio() -> float | None:
    """Return the share of the last 10 s in which a runnable task had to wait; None: unknown."""
    text = _read(Path("/proc/pressure/cpu"))
    if text is None:
        return None
    fields = dict(part.split("=") for part in text.splitlines()[0].split()[1:])
    return float(fields["avg10"]) / 100


def _cpu_name() -> str:
    text = _read(Path("/proc/cpuinfo"))
    for line in (text or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model") and value.strip():
            return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def _accelerators() -> tuple[str, ...]:
    names = []
    for info in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in (_read(info) or "").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "Model":
                names.append(value.strip())
    jetson = _read(Path("/proc/device-tree/model"))
    if jetson and "Jetson" in jetson:
        names.append(jetson.strip("\0 "))
    return tuple(names)


_MAKERS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x1022": "AMD", "0x8086": "Intel"}
"""PCI vendor -> maker."""
_CPU_MAKERS = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel", "0x51": "Qualcomm", "0x61": "Apple"}
"""What /proc/cpuinfo calls a maker -> maker."""


def hardware() -> tuple[tuple[str, str], ...]:
    """Return (``cpu``, ``gpu`` or ``npu``; maker) of what the operating system shows, each once.

    A runtime may have no execution provider for it; a maker that is not known is left out.
    """
    found = []
    for line in (_read(Path("/proc/cpuinfo")) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("vendor_id", "CPU implementer"):
            found.append(("cpu", _CPU_MAKERS.get(value.strip(), "")))
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        found += [("cpu", "Apple"), ("gpu", "Apple"), ("npu", "Apple")]
    for kind, pattern in (("gpu", "drm/card*"), ("npu", "accel/accel*")):
        for place in Path("/sys/class").glob(f"{pattern}/device/vendor"):
            found.append((kind, _MAKERS.get(_read(place) or "", "")))
    if any(Path("/proc/driver/nvidia/gpus").glob("*")):
        found.append(("gpu", "NVIDIA"))
    return tuple(dict.fromkeys(one for one in found if one[1]))


def _machine_id() -> str:
    identity = _read(Path("/etc/machine-id")) or platform.node()
    return hashlib.sha256(f"placer machine {identity}".encode()).hexdigest()[:16]


def _own_cgroup_file(name: str) -> str | None:
    own = _read(Path("/proc/self/cgroup")) or ""
    for line in own.splitlines():
        if line.startswith("0::"):
            text = _read(_CGROUP / line[3:].strip().lstrip("/") / name)
            if text is not None:
                return text
    return _read(_CGROUP / name)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None
