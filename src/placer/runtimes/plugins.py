"""Execution providers that come as packages of their own, and the devices that they find here.

Such a package has a module with ``get_library_path()`` and ``get_ep_name()``. Its native code is
loaded in a child process first: one that crashes or hangs there is a finding, not the end.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from placer.core.runtime import REMOTE_EXECUTION_PROVIDERS, short_ep_name

PROBE_LIMIT_S = 60.0
"""A library that has not listed its devices by then hangs."""
_RECORD = b"\n\x1e"
"""Before each record of a child's answer: libraries print to standard output too."""
SOFTWARE_MAKERS = frozenset({"Microsoft"})
"""Makers of execution providers that are meant for other makers' devices."""


@dataclass(frozen=True, slots=True)
class EpDevice:
    """A device that an execution provider offers."""

    ep: str
    """Short name of the execution provider."""
    device_type: str
    """``CPU``, ``GPU`` or ``NPU``."""
    vendor: str
    """Maker of the device; empty: not told."""
    ep_vendor: str
    """Maker of the execution provider."""

    @property
    def kind(self) -> str:
        """``cpu``, ``gpu`` or ``npu``, as the name of an execution provider ends."""
        return self.device_type.lower()

    @property
    def label(self) -> str:
        """``GPU by Intel``."""
        return f"{self.device_type} by {self.vendor}" if self.vendor else self.device_type

    @property
    def is_emulated(self) -> bool:
        """Whether the device stands in for one of the execution provider's own maker.

        ONNX Runtime itself lists Qualcomm's NPU provider on the CPU of any machine.
        """
        return self.ep_vendor not in SOFTWARE_MAKERS and not _same_maker(
            self.ep_vendor, self.vendor
        )


def _same_maker(one: str, other: str) -> bool:
    first, second = (name.split()[0].casefold() if name.split() else "" for name in (one, other))
    return first == second


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed package with an execution provider, and what it found here."""

    distribution: str
    version: str
    full_name: str
    """ONNX Runtime's name of the execution provider; empty if the package did not tell it."""
    library_path: str
    devices: tuple[EpDevice, ...] = ()
    problem: str | None = None
    """Why it cannot be used: its library is missing, does not load, crashes or hangs."""

    @property
    def ep(self) -> str:
        """Short name of the execution provider."""
        return short_ep_name(self.full_name)

    @property
    def own_devices(self) -> tuple[EpDevice, ...]:
        """Devices that are not emulated."""
        return tuple(device for device in self.devices if not device.is_emulated)

    @property
    def why_unusable(self) -> str | None:
        """Why nothing can be timed on it here; None: it has a device of its own."""
        name = f"{self.distribution} {self.version}"
        if self.problem is not None:
            return f"{name} is installed, but {self.problem}"
        if self.own_devices:
            return None
        if not self.devices:
            return f"{name} is installed, but finds no device here that it supports"
        (first, *_) = self.devices
        return (
            f"{name} only emulates its device here (by {first.ep_vendor}, on a {first.device_type} "
            f"by {first.vendor}): its times would say nothing about the real one"
        )

    def why_without(self, kind: str | None) -> str | None:
        """Say why a kind of device cannot be used; None: it can, or none was asked for."""
        own = tuple(dict.fromkeys(device.kind for device in self.own_devices))
        if kind is None or kind in own:
            return None
        return f"{self.distribution} {self.version} finds no {kind} here, but {', '.join(own)}"


def describe_device(device: Any) -> EpDevice:
    """Return placer's form of an ``OrtEpDevice``."""
    return EpDevice(
        short_ep_name(device.ep_name),
        str(device.device.type).rpartition(".")[2].split(":")[0],
        str(device.device.vendor),
        str(device.ep_vendor),
    )


@cache
def installed_plugins() -> tuple[Plugin, ...]:
    """Import the packages, in a process that is there to be lost, without their native code."""
    return tuple(_described(name) for name, _ in _modules())


def _modules() -> list[tuple[str, str]]:
    """Return (package, its folder) of those on the path that tell the place of such a library.

    Read as text: importing, or parsing the metadata of, everything that is installed is slow.
    """
    found: dict[str, str] = {}
    for folder in sys.path:
        for file in Path(folder or ".").glob("*/__init__.py"):
            try:
                text = file.read_bytes()
            except OSError:
                continue
            if b"def get_library_path(" in text and b"def get_ep_name" in text:
                found.setdefault(file.parent.name, str(file.parent.parent.resolve()))
    return sorted(found.items())


def _distribution(module_name: str) -> tuple[str, str]:
    """Return name and version of the package that a module comes from."""
    import importlib.metadata  # here: the measuring process imports this module too

    usual = module_name.replace("_", "-")
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return usual, importlib.metadata.version(usual)
    for name in importlib.metadata.packages_distributions().get(module_name, ()):
        return name, importlib.metadata.version(name)
    return module_name, "of unknown version"


def _described(module_name: str) -> Plugin:
    plugin = Plugin(*_distribution(module_name), "", "")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the report has standard output to itself
            module = importlib.import_module(module_name)
            names = module.get_ep_names() if hasattr(module, "get_ep_names") else ()
            full_name = str(names[0] if names else module.get_ep_name())
            plugin = replace(plugin, full_name=full_name)
            return replace(plugin, library_path=str(module.get_library_path()))
    except Exception as error:  # whatever a package of others raises
        return replace(plugin, problem=f"its library is missing ({_one_line(error)})")


@cache
def probed_plugins() -> tuple[Plugin, ...]:
    """Import and load every installed plugin in a child process of its own, return what it found.

    Not even its Python code runs in this process: it may exit, crash or hang as well.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(_probed, _modules()))


def find_plugin(ep: str) -> Plugin | None:
    """Return the probed plugin with an execution provider, the usable one of several."""
    found = [plugin for plugin in probed_plugins() if plugin.ep == ep]
    found.sort(key=lambda plugin: plugin.why_unusable is not None)
    return found[0] if found else None


def _probed(module: tuple[str, str]) -> Plugin:
    module_name, folder = module
    answer = _asked(module_name, folder)
    return replace(
        Plugin(*_distribution(module_name), answer.get("full_name", ""), ""),
        library_path=answer.get("library_path", ""),
        devices=tuple(EpDevice(**device) for device in answer.get("devices", ())),
        problem=answer["problem"],
    )


@cache
def built_in_devices(ep: str) -> tuple[str, ...]:
    """Return the kinds of device of a built-in execution provider, asked in a child process.

    Empty: it tells none, or its libraries crash or hang when asked.
    """
    if ep != "openvino":
        return ()
    return tuple(_asked().get("kinds", ()))


def devices_of_openvino() -> tuple[str, ...]:
    """Return the kinds of device that OpenVINO inside ONNX Runtime finds, in this process."""
    with contextlib.suppress(ImportError, RuntimeError):
        from onnxruntime.capi._pybind_state import get_available_openvino_device_ids

        kinds = (name.partition(".")[0].lower() for name in get_available_openvino_device_ids())
        return tuple(dict.fromkeys(kinds))
    return ()


def _asked(*arguments: str) -> dict[str, Any]:
    """Return what a child process that loads native code says; ``problem`` is None or why not."""
    try:
        child = subprocess.run(
            # -P: a file called json.py in the user's directory is not what we mean by json
            [sys.executable, "-P", "-m", __name__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_LIMIT_S,
            check=False,
        )
        output, code = child.stdout, child.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        problem = f"it ended the process that loaded it ({how})"
    except subprocess.TimeoutExpired as error:
        output, problem = error.stdout or b"", f"it did not answer within {PROBE_LIMIT_S:g} s"
    answer: dict[str, Any] = {}
    for text in output.split(_RECORD)[1:]:
        answer |= json.loads(text.partition(b"\n")[0])
    answer.setdefault("problem", problem)
    return answer


def register(full_name: str, library_path: str) -> list[Any]:
    """Load the library into this process and return its devices (``OrtEpDevice``), emulated too.

    The library is registered under ONNX Runtime's name of the execution provider: Qualcomm's goes
    by whatever name it was registered under.

    Raises
    ------
    Exception
        ONNX Runtime's own, if the library does not load.
    """
    import onnxruntime

    if full_name not in {device.ep_name for device in onnxruntime.get_ep_devices()}:
        onnxruntime.register_execution_provider_library(full_name, library_path)
    # exactly this name: a provider may list meta devices under another
    return [one for one in onnxruntime.get_ep_devices() if one.ep_name == full_name]


def _probe(module_name: str | None = None, folder: str = "") -> None:
    """Write what a package's provider finds; None: what OpenVINO inside ONNX Runtime finds.

    What is known is written at once: the next step may end the process.
    """
    channel = os.dup(1)  # packages print, and close what is not theirs

    def tell(**facts: Any) -> None:
        os.write(channel, _RECORD + json.dumps(facts).encode() + b"\n")

    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    if module_name is None:
        tell(kinds=devices_of_openvino(), problem=None)
    else:
        sys.path.insert(0, folder)
        plugin = _described(module_name)
        tell(full_name=plugin.full_name, library_path=plugin.library_path)
        devices, problem = [], plugin.problem
        if problem is None:
            try:
                devices = [
                    asdict(describe_device(one))
                    for one in register(plugin.full_name, plugin.library_path)
                ]
            except Exception as error:  # whatever the library makes ONNX Runtime raise
                problem = f"its library does not load ({_one_line(error)})"
        tell(devices=devices, problem=problem)
    os._exit(0)  # some libraries crash when the process ends


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(". ")[:300]


def usable_eps() -> tuple[str, ...]:
    """Return the short names of plugin execution providers with a device of their own here.

    One with devices of several kinds is there once for each: ``openvino:npu``.
    """
    found: dict[str, None] = {}
    for plugin in probed_plugins():
        if plugin.why_unusable is None and plugin.full_name not in REMOTE_EXECUTION_PROVIDERS:
            kinds = list(dict.fromkeys(device.kind for device in plugin.own_devices))
            names = [f"{plugin.ep}:{kind}" for kind in kinds] if len(kinds) > 1 else [plugin.ep]
            found |= dict.fromkeys(names)
    return tuple(found)


if __name__ == "__main__":
    _probe(*sys.argv[1:3])
