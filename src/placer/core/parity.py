"""How far the outputs of an execution provider are from the CPU's, on the same inputs."""

from __future__ import annotations

import numpy as np

from placer.core.measurement import Parity
from placer.core.variant import Arrays, agreement


def parity(cpu: Arrays, other: Arrays) -> Parity:
    """Compare what the CPU and another execution provider gave for the same samples.

    Parameters
    ----------
    cpu, other
        Output name -> array of shape (samples, *output shape), the same names and shapes.

    Raises
    ------
    ValueError
        An output has another shape, or is not a number where the CPU's is one.
    """
    largest, relative = 0.0, 0.0
    for name, expected in cpu.items():
        found = other[name]
        if found.shape != expected.shape:
            raise ValueError(f"output {name} has the shape {found.shape}, not {expected.shape}")
        if expected.dtype.kind not in "fiub" or not expected.size:
            continue
        wanted, given = expected.astype(np.float64), found.astype(np.float64)
        if not np.array_equal(np.isfinite(wanted), np.isfinite(given)):
            raise ValueError(f"output {name} is not finite where the CPU's is, or the other way")
        is_number = np.isfinite(wanted)
        difference = float(np.max(np.abs(wanted - given)[is_number], initial=0.0))
        scale = float(np.max(np.abs(wanted)[is_number], initial=0.0))
        largest = max(largest, difference)
        relative = max(relative, difference / scale if scale else float(difference > 0))
    found_ratio = agreement(cpu, other)
    return Parity(found_ratio.samples, largest, relative, found_ratio.ratio)
