"""The keys of IoT Edge deployments, and of the options with which Docker creates a container."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from placer.core.deployment import Defect
from placer.manifests.levels import Level, judged_key, level, unknown_keys
from placer.manifests.nodes import Field

DESIRED_PREFIX = "properties.desired."
"""Of the keys of a layered deployment."""
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
    dict.fromkeys(("Cmd", "Entrypoint", "Env", "WorkingDir"), "createOptions, beside 'HostConfig'"),
    lists="Binds Devices DeviceRequests Mounts",
)
_IN_HOST_CONFIG = "Binds Memory MemoryReservation NanoCpus Runtime Devices DeviceRequests Mounts"
CREATE_OPTIONS = level(
    "ArgsEscaped AttachStderr AttachStdin AttachStdout Domainname ExposedPorts Healthcheck"
    " Hostname Image Labels MacAddress NetworkDisabled NetworkingConfig OnBuild OpenStdin Shell"
    " StdinOnce StopSignal StopTimeout Tty User Volumes WorkingDir",
    "Cmd Entrypoint Env",
    {"HostConfig": _HOST_CONFIG},
    dict.fromkeys(_IN_HOST_CONFIG.split(), "'HostConfig' of createOptions"),
    objects="HostConfig",
    lists="Env",
)
"""Source: Docker Engine API 1.43, ContainerCreate."""
MODULE = level(
    "imagePullPolicy restartPolicy startupOrder status type version",
    "env",
    {
        "settings": level(
            "auth " + " ".join(f"createOptions{number:02}" for number in range(1, 100)),
            "image createOptions",
            elsewhere={
                **dict.fromkeys(
                    ("Cmd", "Entrypoint", "HostConfig"), "'createOptions' of 'settings'"
                ),
                "env": "the module",
            },
        )
    },
    dict.fromkeys(("image", "createOptions", "HostConfig"), "'settings' of the module"),
)
AGENT = level("schemaVersion runtime systemModules", "modules", elsewhere={"routes": "$edgeHub"})
"""Desired properties of the agent, as those of the hub."""
HUB = level(
    "schemaVersion storeAndForwardConfiguration mqttBroker",
    "routes",
    elsewhere={"modules": "$edgeAgent"},
)
ROUTE = level("priority timeToLiveSecs", "route")
TWIN = level("", "properties.desired")
OF_THE_AGENT = level("", "properties.desired", elsewhere={"modules": "'properties.desired'"})
OF_THE_HUB = level("", "properties.desired", elsewhere={"routes": "'properties.desired'"})
CONTENT = level("", "$edgeAgent $edgeHub", elsewhere={"properties.desired": "$edgeAgent"})
DEPLOYMENT = level(
    "id schemaVersion labels priority metrics systemMetrics createdTimeUtc lastUpdatedTimeUtc etag",
    "targetCondition",
    {"content": level("modulesContent moduleContent deviceContent", "", {}, {
        "targetCondition": "the deployment, beside 'content'"})},
)  # fmt: skip


def holds_the_system(content: Field) -> bool:
    """Tell whether a mapping holds the agent or the hub of a device, whatever its own key is."""
    return any(one.name.lower() in ("$edgeagent", "$edgehub") for one in content.entries())


def content_keys(content: Field, modules: Collection[str]) -> Iterator[Defect]:
    """Yield mistyped names of the agent and the hub; any other name is a module's."""
    if content.name != "modulesContent" and holds_the_system(content):
        message = f"'{content.name}' is no key in which IoT Edge reads modules"
        yield Defect(
            "unknown_model_key",
            message,
            "write 'modulesContent'",
            content.key_place(),
            content.name,
        )
    for entry in content.entries():
        if entry.name not in CONTENT.keys and entry.name not in modules:
            yield from judged_key(entry, CONTENT, "IoT Edge")


def desired_keys(twin: Field, outer: Level, desired: Level) -> Iterator[Defect]:
    """Yield mistyped keys of a twin and of its desired properties, also where dots join them."""
    for entry in twin.entries():
        if entry.name.startswith(DESIRED_PREFIX):
            first = entry.name.removeprefix(DESIRED_PREFIX).partition(".")[0]
            if first not in desired.keys:
                yield from judged_key(replace(entry, name=first), desired, "IoT Edge")
        elif entry.name == "properties.desired":
            yield from unknown_keys(entry, desired, reader="IoT Edge")
        else:
            yield from judged_key(entry, outer, "IoT Edge")


def twin_keys(twin: Field) -> Iterator[Defect]:
    """Yield the mistyped keys of a module's twin."""
    for entry in twin.entries():
        if entry.name != "properties.desired" and not entry.name.startswith(DESIRED_PREFIX):
            yield from judged_key(entry, TWIN, "IoT Edge")
