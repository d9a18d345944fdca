"""What must be equal for a time to be used again: keys of environments and of measurements."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from placer.core.measurement import METHOD_VERSION, Machine, SessionSettings


def environment_key(
    machine: Machine, runtime: str, ep: str, settings: SessionSettings | None = None
) -> str:
    """Return the SHA-256, in hex, over what must be equal for a time to be reused.

    That is the machine, its processor, the cores that placer may use, accelerators, operating
    system, runtime version, execution provider and provider options. Memory limits are left out.
    """
    return _digest(
        {
            "machine_id": machine.machine_id,
            "cpu": machine.cpu,
            "architecture": machine.architecture,
            "cores": machine.cores,
            "os": machine.os,
            "accelerators": machine.accelerators,
            "runtime": runtime,
            "ep": ep,
            "provider_options": dict(settings.provider_options) if settings else {},
            **({"io": settings.io} if settings and settings.io != "host" else {}),
        }
    )


def cache_key(
    *,
    model_sha256: str,
    external_data: Sequence[tuple[str, str]],
    environment_key: str,
    input_shapes: Sequence[tuple[str, tuple[int, ...]]],
    input_source: str,
    interval_s: float,
    settings: SessionSettings | None,
    searched: tuple[float, int | None, bool | None] | None = None,
) -> str:
    """Return the SHA-256, in hex, over everything that was asked of a measurement.

    The name of the model's file is none of it: a copy is the same model.

    Parameters
    ----------
    external_data
        (location within the model, sha256) of each file of external data.
    interval_s
        Time between two requests of the workload; 0: back to back.
    settings
        The settings asked for; None: the best of those that were tried.
    searched
        (for how many seconds they were searched for, threads fixed, spinning fixed); None: they
        were not, but tried briefly.
    """
    return _digest(
        {
            "model_sha256": model_sha256,
            "external_data": sorted(external_data),
            "environment_key": environment_key,
            "input_shapes": input_shapes,
            "input_source": input_source,
            "interval_s": float(interval_s),
            "settings": ("screened" if searched is None else ["searched", *searched])
            if settings is None
            else {**asdict(settings), "provider_options": dict(settings.provider_options)},
            "method_version": METHOD_VERSION,
        }
    )


def _digest(document: object) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
