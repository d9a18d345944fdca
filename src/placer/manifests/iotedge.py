"""Azure IoT Edge: deployments, layered ones and their templates, with the routes to the cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from placer.core.deployment import (
    Defect,
    Deployed,
    ModelRef,
    Resources,
    Stated,
    Tier,
    Where,
)
from placer.manifests.containers import (
    Bind,
    bind_of,
    is_open,
    models_of_variables,
    with_binds,
    words_of,
)
from placer.manifests.embedded import case_blind, json_in
from placer.manifests.format import Format, Found, merged
from placer.manifests.iotedge_routes import Routes, routes_of
from placer.manifests.levels import level, repeated_keys, unknown_keys
from placer.manifests.models import everywhere, models_of_arguments, models_of_variable
from placer.manifests.nodes import Field
from placer.manifests.quantities import count_of, unread

_CONTENT = ("modulesContent", "moduleContent")
_MODULES = "properties.desired.modules"
_ROUTES = "properties.desired.routes"
_SPLIT = re.compile(r"createOptions[0-9]{2}", re.IGNORECASE)

_DEVICE = level("CgroupPermissions", "PathOnHost PathInContainer")
_MOUNT = level("ReadOnly Consistency BindOptions VolumeOptions TmpfsOptions", "Type Source Target")
_HOST_CONFIG = level(
    "Annotations AutoRemove BlkioDeviceReadBps BlkioDeviceReadIOps BlkioDeviceWriteBps"
    " BlkioDeviceWriteIOps BlkioWeight BlkioWeightDevice CapAdd CapDrop Cgroup CgroupParent"
    " CgroupnsMode ConsoleSize ContainerIDFile CpuCount CpuPercent CpuPeriod CpuQuota"
    " CpuRealtimePeriod CpuRealtimeRuntime CpuShares CpusetCpus CpusetMems DeviceCgroupRules"
    " Dns DnsOptions DnsSearch ExtraHosts GroupAdd IOMaximumBandwidth IOMaximumIOps Init IpcMode"
    " Isolation KernelMemory KernelMemoryTCP Links LogConfig MaskedPaths MemorySwap"
    " MemorySwappiness NetworkMode OomKillDisable OomScoreAdj PidMode PidsLimit PortBindings"
    " Privileged PublishAllPorts ReadonlyPaths ReadonlyRootfs RestartPolicy SecurityOpt ShmSize"
    " StorageOpt Sysctls Tmpfs UTSMode Ulimits UsernsMode VolumeDriver VolumesFrom",
    "Binds Memory MemoryReservation NanoCpus Runtime",
    {
        "Devices": _DEVICE,
        "DeviceRequests": level("Options", "Driver Count DeviceIDs Capabilities"),
        "Mounts": _MOUNT,
    },
)
_IN_HOST_CONFIG = "Binds Memory MemoryReservation NanoCpus Runtime Devices DeviceRequests Mounts"
_CREATE_OPTIONS = level(
    "ArgsEscaped AttachStderr AttachStdin AttachStdout Domainname ExposedPorts Healthcheck"
    " Hostname Image Labels MacAddress NetworkDisabled NetworkingConfig OnBuild OpenStdin Shell"
    " StdinOnce StopSignal StopTimeout Tty User Volumes WorkingDir",
    "Cmd Entrypoint Env",
    {"HostConfig": _HOST_CONFIG},
    dict.fromkeys(_IN_HOST_CONFIG.split(), "'HostConfig' of createOptions"),
)
"""Source: Docker Engine API 1.43, ContainerCreate."""
_MODULE = level(
    "imagePullPolicy restartPolicy startupOrder status type version",
    "env",
    {
        "settings": level(
            "auth " + " ".join(f"createOptions{number:02}" for number in range(1, 100)),
            "image createOptions",
            elsewhere={"HostConfig": "'createOptions' of 'settings'", "env": "the module"},
        )
    },
    dict.fromkeys(("image", "createOptions", "HostConfig"), "'settings' of the module"),
)
_DESIRED = level("schemaVersion runtime systemModules", "modules", elsewhere={"routes": "$edgeHub"})
_DEPLOYMENT = level(
    "id schemaVersion labels priority metrics systemMetrics createdTimeUtc lastUpdatedTimeUtc etag",
    "targetCondition",
    {"content": level("modulesContent moduleContent deviceContent", "", {}, {
        "targetCondition": "the deployment, beside 'content'"})},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Module:
    """One module: values, each with the keys that lead to it (none: it is all of the module)."""

    name: str
    parts: tuple[tuple[str, Field], ...]

    def at(self, way: str) -> Field:
        """Follow keys with dots between them, some of which may stand in one key."""
        found = _nothing(self.parts[0][1])
        for before, part in self.parts:
            if not before:
                found = part.at(*way.split(".")) or found
            elif way == before:
                found = part
            elif way.startswith(f"{before}."):
                found = part.at(*way[len(before) + 1 :].split(".")) or found
        return found


def claims(root: Field) -> bool:
    """Tell whether a document holds deployments: modules for the agent of a device."""
    return next(_deployments(root), None) is not None


def read(roots: Sequence[Field]) -> Found:
    """Read each deployment of each document."""
    return merged([_deployment(one) for root in roots for one in _deployments(root)])


def _deployments(root: Field) -> Iterator[Field]:
    """Yield a deployment, or those of a list as the command line of Azure prints it."""
    for one in root.items() if root.is_list else [root]:
        if _modules_content(one).is_mapping:
            yield one


def _modules_content(root: Field) -> Field:
    content = root.at("content")
    return (content if content.is_mapping else root).first_of(*_CONTENT)


def _deployment(root: Field) -> Found:
    content = _modules_content(root)
    agent, hub = content.at("$edgeAgent"), content.at("$edgeHub")
    defects = [*repeated_keys(root), *unknown_keys(agent, level("properties.desired", "",
               {"properties.desired": _DESIRED}), reader="IoT Edge")]  # fmt: skip
    if root.at("content").is_mapping:
        defects += unknown_keys(root, _DEPLOYMENT, reader="IoT Hub")
    routes, problems = routes_of([*_below(hub, _ROUTES)])
    defects += problems
    deployed = []
    for module in _modules(agent):
        options, problems = _create_options(module)
        defects += problems
        deployed.append(_deployed(root, module, options, content, routes))
    return Found(tuple(deployed), tuple(defects))


def _deployed(
    root: Field,
    module: _Module,
    options: Field,
    content: Field,
    routes: Routes,
) -> Deployed:
    image = module.at("settings.image").stated()
    place = module.parts[0][1].key_place()
    deployment = root.at("id").text() if root.at("content") else None
    return Deployed(
        id="/".join(part for part in ("module", deployment, module.name) if part),
        format="iotedge",
        kind="Module",
        name=module.name,
        place=place,
        models=_models(module, options, content.at(module.name)),
        images=() if image is None else (image,),
        where=Where(
            group=root.at("targetCondition").stated(),
            tier=Stated(Tier.EDGE, place),
        ),
        resources=_resources(options.at("HostConfig")),
        egress=tuple(routes.egress(module.name)),
        labels=tuple(sorted((one.name, one.text() or "") for one in root.at("labels").entries())),
    )


def _below(holder: Field, way: str) -> Iterator[tuple[str, Field]]:
    """Yield (name, value) of what stands below keys that may be joined by dots.

    Layered deployments say ``properties.desired.modules.NAME`` in one key.
    """
    for entry in holder.entries():
        if entry.name == way:
            for one in entry.entries():
                yield one.name, one
        elif way.startswith(f"{entry.name}."):
            yield from _below(entry, way[len(entry.name) + 1 :])
        elif entry.name.startswith(f"{way}."):
            yield entry.name[len(way) + 1 :], entry


def _modules(agent: Field) -> Iterator[_Module]:
    parts: dict[str, list[tuple[str, Field]]] = {}
    for name, field in _below(agent, _MODULES):
        module, _, before = name.partition(".")
        parts.setdefault(module, []).append((before, case_blind(field)))
    for module, found in parts.items():
        yield _Module(module, tuple(found))


def _create_options(module: _Module) -> tuple[Field, list[Defect]]:
    """Return the options with which Docker creates the container, and what is wrong with them."""
    defects: list[Defect] = []
    for before, part in module.parts:
        if not before:
            defects += unknown_keys(part, _MODULE, reader="IoT Edge")
    options = module.at("settings.createOptions")
    if options.text() is not None:
        rest = sorted(
            (one for one in module.at("settings").entries() if _SPLIT.fullmatch(one.name)),
            key=lambda one: one.name.lower(),
        )
        text = "".join(one.text() or "" for one in [options, *rest])
        parsed = json_in([options, *rest])
        if parsed is not None:
            defects += repeated_keys(parsed)
        elif not is_open(text) and text.strip():
            message = "'createOptions' is no JSON, and is not read"
            remedy = 'write one object; quotes within a string are written as \\"'
            defects.append(Defect("bad_value", message, remedy, options.place()))
        options = parsed if parsed is not None else _nothing(options)
    defects += unknown_keys(options, _CREATE_OPTIONS, reader="Docker")
    for name in ("Memory", "MemoryReservation", "NanoCpus"):
        amount = options.at("HostConfig", name)
        if amount and not amount.is_null and amount.integer() is None:
            text = amount.text() or ""
            if not is_open(text):
                unit = "billionths of a core" if name == "NanoCpus" else "bytes"
                message = f"'{name}: {text[:40]}' is no whole number"
                defects.append(
                    Defect("bad_value", message, f"write a number of {unit}", amount.place())
                )
    return options, defects


def _nothing(beside: Field) -> Field:
    return Field(beside.document, None)


def _models(module: _Module, options: Field, twin: Field) -> tuple[ModelRef, ...]:
    words = [*words_of(options.at("Entrypoint")), *words_of(options.at("Cmd"))]
    variables = [*models_of_variables(options.at("Env"))]
    for entry in module.at("env").entries():
        variables += _variable(entry.name, entry.at("value"))
    for before, part in module.parts:
        if before.startswith("env."):
            name = before.split(".")[1]
            variables += _variable(name, part.at("value") if part.is_mapping else part)
    desired = [
        model
        for entry in twin.at("properties.desired").entries()
        for model in _variable(entry.name, entry)
    ]
    return with_binds(
        everywhere(models_of_arguments(words), variables, desired), list(_binds(options))
    )


def _variable(name: str, value: Field) -> list[ModelRef]:
    stated = value.stated()
    return [] if stated is None else models_of_variable(name, stated)


def _binds(options: Field) -> Iterator[Bind]:
    config = options.at("HostConfig")
    for one in config.at("Binds").items():
        stated = one.stated()
        if stated is not None and (bind := bind_of(stated)) is not None:
            yield bind
    for one in config.at("Mounts").items():
        source, target = one.at("Source").stated(), one.at("Target").text()
        if source is not None and target:
            yield source, target


def _resources(config: Field) -> Resources:
    cpus = config.at("NanoCpus").integer()
    limit = _positive(config.at("Memory"))
    return Resources(
        limit,
        unread(limit, config.at("Memory")),
        _positive(config.at("MemoryReservation")),
        Stated(cpus / 1e9, config.at("NanoCpus").place()) if cpus and cpus > 0 else None,
        tuple({one.value[0]: one for one in reversed([*_accelerators(config)])}.values())[::-1],
    )


def _positive(amount: Field) -> Stated[int] | None:
    """Return an amount; Docker takes 0 for no limit."""
    stated = count_of(amount)
    return stated if stated is not None and stated.value > 0 else None


def _accelerators(config: Field) -> Iterator[Stated[tuple[str, int]]]:
    runtime = config.at("Runtime").stated()
    if runtime is not None and runtime.value not in ("runc", "crun"):
        yield Stated((runtime.value, 1), runtime.place)
    for request in config.at("DeviceRequests").items():
        capabilities = [
            text
            for all_of in request.at("Capabilities").items()
            for one in all_of.items()
            if (text := one.text())
        ]
        name = request.at("Driver").text() or next(iter(capabilities), None)
        count = request.at("Count").integer()
        if name:
            named = len(list(request.at("DeviceIDs").items()))
            yield Stated((name, count if count and count > 0 else named or 1), request.place())
    for device in config.at("Devices").items():
        path = device.at("PathOnHost").stated()
        if path is not None and device.at("PathInContainer"):
            yield Stated((path.value, 1), path.place)


FORMAT = Format(
    id="iotedge",
    name="Azure IoT Edge deployments",
    mark=re.compile(rb"\bmodules?Content\b|\$edgeAgent"),
    words=(b"modulecontent", b"modulescontent", b"$edgeagent"),
    claims=claims,
    read=read,
    page="azure-iot-edge-deployments",
)
