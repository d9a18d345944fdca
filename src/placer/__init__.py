"""Tell where an ML model should run: on the device, in the cloud, or both.

The public Python interface. Names load on first use, so that ``import placer`` is light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from placer.api import MeasuringOptions, VariantOptions, load_workload, profile, recommend
    from placer.api.checking import check
    from placer.core.errors import PlacerError
    from placer.core.partition.optimal import optimal_cut
    from placer.core.workload import LatencyTarget, Workload

    __version__: str

_MODULES = {
    "LatencyTarget": "placer.core.workload",
    "MeasuringOptions": "placer.api",
    "PlacerError": "placer.core.errors",
    "VariantOptions": "placer.api",
    "Workload": "placer.core.workload",
    "check": "placer.api.checking",
    "load_workload": "placer.api",
    "optimal_cut": "placer.core.partition.optimal",
    "profile": "placer.api",
    "recommend": "placer.api",
}

__all__ = [
    "LatencyTarget",
    "MeasuringOptions",
    "PlacerError",
    "VariantOptions",
    "Workload",
    "__version__",
    "check",
    "load_workload",
    "optimal_cut",
    "profile",
    "recommend",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("placer")
    elif name in _MODULES:
        from importlib import import_module

        value = getattr(import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module 'placer' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names too, for completion in a shell."""
    return sorted({*globals(), *__all__})
