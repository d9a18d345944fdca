"""The keys of compose files and of balena's."""

from __future__ import annotations

from placer.manifests.levels import level

_DEVICES = level("options", "driver count device_ids capabilities")
_DEPLOY = level(
    "mode endpoint_mode labels update_config rollback_config restart_policy",
    "replicas",
    {
        "placement": level("preferences max_replicas_per_node", "constraints", lists="constraints"),
        "resources": level(
            "",
            "",
            {
                "limits": level("pids", "cpus memory"),
                "reservations": level(
                    "generic_resources", "cpus memory", {"devices": _DEVICES}, lists="devices"
                ),
            },
            dict.fromkeys(("cpus", "memory"), "'limits' or 'reservations'")
            | {"devices": "'reservations'"},
            objects="limits reservations",
        ),
    },
    {
        "constraints": "'placement'",
        **dict.fromkeys(("limits", "reservations"), "'resources'"),
        **dict.fromkeys(("mem_limit", "platform", "runtime", "devices", "gpus"), "the service"),
    },
    objects="placement resources",
)
SERVICE = level(
    "annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent configs"
    " container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime"
    " cpu_shares cpuset credential_spec depends_on develop device_cgroup_rules dns dns_opt"
    " dns_search domainname env_file expose extends external_links extra_hosts group_add"
    " healthcheck hostname init ipc isolation label_file labels links logging mac_address"
    " mem_reservation mem_swappiness memswap_limit network_mode networks oom_kill_disable"
    " oom_score_adj pid pids_limit ports post_start pre_stop privileged profiles provider"
    " pull_policy read_only restart secrets security_opt shm_size stdin_open stop_grace_period"
    " stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts"
    " volume_driver volumes_from working_dir",
    "command cpus devices entrypoint environment gpus image mem_limit models platform runtime"
    " scale volumes",
    {"deploy": _DEPLOY},
    {
        **dict.fromkeys(("placement", "resources", "replicas"), "'deploy'"),
        "constraints": "'deploy.placement'",
        "limits": "'deploy.resources'",
        "reservations": "'deploy.resources'",
        "memory": "'deploy.resources.limits'",
    },
    objects="deploy",
    lists="devices volumes",
)
FILE = level(
    "configs include name networks secrets version volumes",
    "models services",
    elsewhere=dict.fromkeys(("deploy", "platform", "runtime"), "a service"),
)
"""Source: the Compose Specification (compose-spec.json), with what version 2 had."""
BALENA = level(
    "name type version description joinable assets post-provisioning",
    "",
    {
        "data": level(
            "applicationConfigVariables applicationEnvironmentVariables"
            " applicationServiceEnvironmentVariables",
            "defaultDeviceType supportedDeviceTypes",
        )
    },
    dict.fromkeys(("defaultDeviceType", "supportedDeviceTypes"), "'data'"),
)
