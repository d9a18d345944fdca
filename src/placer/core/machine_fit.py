"""Whether a machine that was measured can be the device or offer that it is called."""

from __future__ import annotations

from dataclasses import dataclass

from placer.core.environment import CloudOffer, Device
from placer.core.measurement import Machine
from placer.core.units import format_bytes

MAX_MEMORY_RATIO = 4.0
"""Devices are sold with up to four times the memory that a catalogue states, the least of them."""
_FAMILIES = {"arm": ("arm", "aarch"), "x86": ("x86", "amd64", "i386", "i486", "i586", "i686")}


@dataclass(frozen=True, slots=True)
class Misfit:
    """In what a machine differs from the one that it is called."""

    is_of_other_architecture: bool
    found: str
    """``x86_64``, or ``8 cores, 64 GB``."""
    stated: str
    """Likewise, of the device or offer."""

    def __str__(self) -> str:
        """Return both, as messages tell them."""
        return f"{self.found} instead of {self.stated}"


def misfit(machine: Machine, site: Device | CloudOffer) -> Misfit | None:
    """Return in what a machine cannot be a site; None: it may be, as far as is stated.

    Less than is stated is no difference: a process may be limited, and is slower for it.
    """
    cores = site.cores if isinstance(site, Device) else site.vcpus
    architecture = site.architecture if isinstance(site, Device) else None
    is_other = architecture is not None and _family(architecture) != _family(machine.architecture)
    found, stated = [], []
    if architecture is not None and is_other:
        found.append(machine.architecture)
        stated.append(architecture)
    if cores is not None and machine.cores > cores:
        found.append(f"{machine.cores} cores")
        stated.append(f"{cores} cores")
    memory_bytes = site.memory_bytes
    if (
        memory_bytes is not None
        and machine.memory_bytes is not None
        and machine.memory_bytes > MAX_MEMORY_RATIO * memory_bytes
    ):
        found.append(format_bytes(machine.memory_bytes))
        stated.append(format_bytes(memory_bytes))
    if not found:
        return None
    return Misfit(is_other, ", ".join(found), ", ".join(stated))


def _family(architecture: str) -> str:
    """Return what programs of one kind run on: 32 and 64 bit are of one family."""
    name = architecture.lower()
    return next((one for one, begins in _FAMILIES.items() if name.startswith(begins)), name)
