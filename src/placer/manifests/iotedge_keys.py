"""The keys of IoT Edge deployments, and of the options with which Docker creates a container."""

from __future__ import annotations

from placer.manifests.levels import level

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
CREATE_OPTIONS = level(
    "ArgsEscaped AttachStderr AttachStdin AttachStdout Domainname ExposedPorts Healthcheck"
    " Hostname Image Labels MacAddress NetworkDisabled NetworkingConfig OnBuild OpenStdin Shell"
    " StdinOnce StopSignal StopTimeout Tty User Volumes WorkingDir",
    "Cmd Entrypoint Env",
    {"HostConfig": _HOST_CONFIG},
    dict.fromkeys(_IN_HOST_CONFIG.split(), "'HostConfig' of createOptions"),
)
"""Source: Docker Engine API 1.43, ContainerCreate."""
MODULE = level(
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
