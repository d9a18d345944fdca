"""``placer doctor``: what this machine has, what is missing, and how quiet it is now."""

from __future__ import annotations

import json
import platform
import time
from typing import Annotated, Any

from placer.cli import declared, options, screen
from placer.core.errors import MeasuringError
from placer.core.units import format_bytes, format_duration

FORMATS = ("text", "json")


def command(
    output: Annotated[list[str] | None, declared.outputs("text or json")] = None,
    format_: declared.Format = None,
) -> None:
    """Show execution providers, versions, limits of this machine, and how quiet it is now.

    Exit code 4 if no model could be measured here.
    """
    outputs = options.parse_outputs(output or (), format_, FORMATS)
    facts = _examine()
    screen.emit(
        outputs,
        lambda name: json.dumps(facts, indent=2) + "\n" if name == "json" else _to_text(facts),
    )
    if facts["conflict"] is not None:
        raise MeasuringError(
            facts["conflict"], hint="pip uninstall all of them, then install the one you need"
        )


def _examine() -> dict[str, Any]:
    import importlib.metadata

    from placer import __version__
    from placer.core.runtime import split_ep
    from placer.profiling.machine import cpu_quota_cores, describe_machine, hardware
    from placer.profiling.quietness import probe_quietness
    from placer.runtimes import litert

    try:
        from placer.runtimes.inventory import HOW_TO_GET, MADE_FOR, last_run, take_inventory

        inventory = take_inventory()
    except Exception as error:  # a broken installation raises what it likes
        raise MeasuringError(
            f"onnxruntime cannot be loaded: {options.one_line(str(error))}",
            hint="pip install onnxruntime",
        ) from error
    machine = describe_machine()
    devices_here = hardware()
    litert_problem = litert.why_unloadable()
    quiet = probe_quietness()
    return {
        "schema": "placer/doctor/v1",
        "placer": __version__,
        "python": platform.python_version(),
        "packages": {
            name: importlib.metadata.version(name) for name in ("numpy", "onnx", "pydantic")
        },
        "runtime": inventory.runtime,
        "distributions": dict(inventory.distributions),
        "conflict": inventory.conflict,
        "execution_providers": [
            {
                "name": name,
                "devices": [
                    {"type": device.device_type, "vendor": device.vendor}
                    for device in inventory.devices
                    if device.ep == split_ep(name)[0]
                    and split_ep(name)[1] in (None, device.kind)
                    and not device.is_emulated
                ],
                "last_run": last_run(name, inventory.device_type_of(name)),
            }
            for name in inventory.available
        ],
        "litert": {
            "version": litert.installed_version(),
            "execution_providers": [] if litert_problem else list(litert.EPS),
            "problem": litert_problem,
        },
        "remote_execution_providers": list(inventory.remote),
        "plugins": [
            {
                "name": plugin.ep or None,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "why_unusable": plugin.why_unusable,
                "other_way": HOW_TO_GET.get(plugin.ep)
                if plugin.why_unusable is not None
                and {*MADE_FOR.get(plugin.ep, ())} & {*devices_here}
                else None,
                "devices": [
                    {
                        "type": device.device_type,
                        "vendor": device.vendor,
                        "is_emulated": device.is_emulated,
                    }
                    for device in plugin.devices
                ],
            }
            for plugin in inventory.plugins
        ],
        "missing": [
            {
                "name": name,
                "how_to_get": how,
                "is_made_for_this_machine": bool({*MADE_FOR[name]} & {*devices_here}),
                "last_run": last_run(name, None),
            }
            for name, how in inventory.missing
        ],
        "machine": {
            "cpu": machine.cpu,
            "architecture": machine.architecture,
            "os": machine.os,
            "cores": machine.cores,
            "cpu_quota_cores": cpu_quota_cores(),
            "memory_bytes": machine.memory_bytes,
            "accelerators": list(machine.accelerators),
            "hardware": [{"type": kind.upper(), "vendor": maker} for kind, maker in devices_here],
            "clock_resolution_s": time.get_clock_info("perf_counter").resolution,
        },
        "quietness": {
            "is_quiet": quiet.is_quiet,
            "run_delay_ratio": quiet.run_delay_ratio,
            "cpu_pressure_ratio": quiet.cpu_pressure_ratio,
            "steal_ratio": quiet.steal_ratio,
            "longest_gap_s": quiet.longest_gap_s,
        },
        "cache": options.cache_directory(),
    }


def _to_text(facts: dict[str, Any]) -> str:
    machine, quiet = facts["machine"], facts["quietness"]
    quota = machine["cpu_quota_cores"]
    memory = machine["memory_bytes"]
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    lines = [
        f"placer {facts['placer']}, Python {facts['python']}, {facts['runtime']}",
        f"  {packages}",
        "",
        "Execution providers that run here",
    ]
    for provider in facts["execution_providers"]:
        devices = ", ".join(
            f"{device['type']} by {device['vendor']}" if device["vendor"] else device["type"]
            for device in provider["devices"]
        )
        lines.append(f"  {provider['name']:13} {devices or 'device not told by the runtime'}")
        if provider["last_run"] is None:
            lines.append(f"  {'':13} experimental: placer's own tests never ran on such a device")
    lines += [
        f"  {name}: calls a remote service, never the edge"
        for name in facts["remote_execution_providers"]
    ]
    found = facts["litert"]
    name = f"LiteRT {found['version']}, for .tflite files"
    lines += [
        "",
        name if found["version"] else "LiteRT, for .tflite files",
        f"  {found['problem'] or ', '.join(found['execution_providers'])}",
    ]
    unusable = [one for one in facts["plugins"] if one["why_unusable"] is not None]
    if unusable:
        lines += ["", "Installed, but of no use for measuring here"]
        for one in unusable:
            lines.append(f"  {one['name'] or '?':13} {one['why_unusable']}")
            if one["other_way"] is not None:
                lines.append(f"  {'':13} {one['other_way']}")
    from placer.runtimes.inventory import LAST_RUN

    tested = ", ".join(one.replace(":", " on a ") for one in LAST_RUN if ":" in one)
    experimental = f" (experimental but for {tested}: placer's own tests never ran on them)"
    for title, is_made in (
        ("Not here, and made for this machine" + experimental, True),
        ("Not here" + experimental, False),
    ):
        missing = [one for one in facts["missing"] if one["is_made_for_this_machine"] is is_made]
        if missing:
            lines += ["", title]
            lines += [f"  {one['name']:13} {one['how_to_get']}" for one in missing]
    lines += [
        "",
        "This machine",
        f"  {machine['cpu']} ({machine['architecture']}), {machine['os']}",
        f"  {machine['cores']} usable core(s), CPU quota "
        + (f"{quota:g} cores" if quota is not None else "none"),
        f"  memory {format_bytes(memory) if memory is not None else 'unknown'}",
        f"  clock resolution {format_duration(max(machine['clock_resolution_s'], 1e-9))}",
        *[f"  {name}" for name in machine["accelerators"]],
        "",
        "How quiet it is now",
        f"  {'quiet' if quiet['is_quiet'] else 'busy: measurements will be marked disturbed'}",
        f"  waited for a core {_percent(quiet['run_delay_ratio'])} of the time, pressure "
        f"{_percent(quiet['cpu_pressure_ratio'])}, stolen {_percent(quiet['steal_ratio'])}, "
        f"longest interruption {format_duration(quiet['longest_gap_s'])}",
        "",
        f"Cache: {facts['cache']}",
    ]
    if facts["conflict"]:
        lines += ["", f"Conflict: {facts['conflict']}"]
    return "\n".join(lines) + "\n"


def _percent(ratio: float | None) -> str:
    return "unknown" if ratio is None else f"{ratio:.1%}"
