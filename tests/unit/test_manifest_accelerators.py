"""Accelerators of manifests whose name or number is filled in later."""

from __future__ import annotations

import io
import json

import pytest

from placer.core.deployment import Resources, runs_models
from placer.manifests.reading import read_manifests


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"DeviceRequests": [{"Driver": "nvidia", "Count": -1}]}, None),
        ({"DeviceRequests": [{"Driver": "nvidia", "Count": "${N}"}]}, "Count: ${N}"),
        ({"DeviceRequests": [{"Driver": "${D}", "Count": -1}]}, "${D}"),
        ({"DeviceRequests": "${D}"}, "${D}"),
        ({"Runtime": "${R}"}, "${R}"),
        ({"Devices": [{"PathOnHost": "/dev/${X}", "PathInContainer": "/dev/x"}]}, "/dev/${X}"),
        ({"Devices": [{"PathOnHost": "/dev/video${N}", "PathInContainer": "/dev/x"}]}, None),
    ],
)
def test_an_accelerator_of_iot_edge_that_is_filled_in_later_is_told(
    config: dict[str, object], told: str | None
) -> None:
    opened = of_module(config).accelerators_unread
    assert (opened and opened.value) == told


ALL, TWO = ["nvidia.com/gpu=all"], ["nvidia.com/gpu=0", "nvidia.com/gpu=1", "vendor.com/camera=0"]


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        ({"driver": "cdi", "capabilities": ["gpu"], "device_ids": ALL}, [("nvidia.com/gpu", 1)]),
        ({"driver": "cdi", "device_ids": ALL}, [("nvidia.com/gpu", 1)]),
        (
            {"driver": "cdi", "device_ids": TWO},
            [("nvidia.com/gpu", 2), ("vendor.com/camera", 1)],
        ),
        ({"driver": "cdi", "device_ids": "${IDS}"}, [("${IDS}", 1)]),
        ({"driver": "cdi", "capabilities": ["gpu"], "count": 2}, [("gpu", 2)]),
        ({"device_ids": ALL}, [("nvidia.com/gpu", 1)]),
        ({"driver": "nvidia", "device_ids": ["0", "3"]}, [("nvidia", 2)]),
        ({"driver": "acme", "capabilities": ["video", "gpu"], "count": 1}, [("gpu", 1)]),
        ({"driver": "acme", "capabilities": ["video"], "count": 1}, [("acme", 1)]),
        ({"driver": "${D}", "capabilities": ["gpu"], "count": 1}, [("${D}", 1)]),
        ({"capabilities": ["gpu"], "count": "all"}, [("gpu", 1)]),
    ],
)
def test_of_the_driver_cdi_the_names_of_the_devices_are_the_accelerator(
    request_: dict[str, object], asked: list[tuple[str, int]]
) -> None:
    keys = {"device_ids": "DeviceIDs", "driver": "Driver", "count": "Count"}
    in_module = {keys[key]: value for key, value in request_.items() if key in keys}
    if "capabilities" in request_:
        in_module["Capabilities"] = [request_["capabilities"]]
    deploy = {"resources": {"reservations": {"devices": [request_]}}}
    for resources in (of_service({"deploy": deploy}), of_module({"DeviceRequests": [in_module]})):
        named = sorted(one.value for one in resources.accelerators)
        assert named == sorted(asked)


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"driver": "cdi", "device_ids": ALL}, "nvidia.com/gpu"),
        ({"driver": "cdi"}, "gpu"),
        ({"count": 1}, "gpu"),
        ({"device_ids": ["0"]}, "gpu"),
    ],
)
def test_gpus_of_the_driver_cdi_are_those_that_it_names(
    request_: dict[str, object], name: str
) -> None:
    (asked,) = of_service({"gpus": [request_]}).accelerators
    assert asked.value == (name, 1)


@pytest.mark.parametrize(
    "name",
    [
        "squat.ai/coral",
        "/dev/apex_0",
        "coral.ai/edgetpu",
        "/dev/rknpu",
        "huawei.com/Ascend310",
        "qualcomm.com/qaic",
        "/dev/tenstorrent",
    ],
)
def test_what_only_runs_models_is_known(name: str) -> None:
    assert runs_models(name)


@pytest.mark.parametrize("name", ["/dev/bus/usb", "/dev/video0", "squat.ai/serial", "cdi"])
def test_what_may_be_a_camera_is_not_known_to_run_models(name: str) -> None:
    assert not runs_models(name)


def of_pod(paths: list[str], privileged: object) -> Resources:
    volumes = [{"name": f"v{i}", "hostPath": {"path": path}} for i, path in enumerate(paths)]
    mounts = [{"name": f"v{i}", "mountPath": path} for i, path in enumerate(paths)]
    container = {
        "name": "a",
        "image": "a:1",
        "volumeMounts": mounts,
        "securityContext": {"privileged": privileged},
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    return of_only({**pod, "spec": {"containers": [container], "volumes": volumes}})


def in_each_format(paths: list[str], privileged: object) -> list[Resources]:
    binds = [f"{path}:{path}" for path in paths]
    mounts = [{"Type": "bind", "Source": path, "Target": path} for path in paths]
    return [
        of_pod(paths, privileged),
        of_service({"volumes": binds, "privileged": privileged}),
        of_module({"Binds": binds, "Privileged": privileged}),
        of_module({"Mounts": mounts, "Privileged": privileged}),
    ]


def test_a_privileged_container_may_use_the_devices_that_it_mounts() -> None:
    paths = ["/dev/apex_0", "/dev/bus/usb", "/dev/shm", "/srv/gpu", "/dev"]
    for resources in in_each_format(paths, privileged=True):
        assert [one.value for one in resources.accelerators] == [("/dev/apex_0", 1)]
        assert resources.accelerators_unread is None


@pytest.mark.parametrize("privileged", [False, None])
def test_a_device_that_is_but_mounted_is_of_no_use(privileged: object) -> None:
    for resources in in_each_format(["/dev/apex_0"], privileged):
        assert resources.accelerators == ()


def test_whether_a_device_is_of_use_may_be_filled_in_later() -> None:
    for resources in in_each_format(["/dev/apex_0"], "${PRIVILEGED}"):
        opened = resources.accelerators_unread
        assert opened is not None
        assert "${PRIVILEGED}" in opened.value
    for resources in in_each_format(["/srv/models"], "${PRIVILEGED}"):
        assert resources.accelerators_unread is None


def test_a_server_of_kserve_may_use_the_devices_of_its_pod() -> None:
    server = {
        "storageUri": "s3://p/m",
        "securityContext": {"privileged": True},
        "volumeMounts": [{"name": "d", "mountPath": "/dev/dri"}],
    }
    volumes = [{"name": "d", "hostPath": {"path": "/dev/dri"}}]
    service = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    spec = {"predictor": {"onnx": server, "volumes": volumes}}
    (asked,) = of_only({**service, "metadata": {"name": "i"}, "spec": spec}).accelerators
    assert asked.value == ("/dev/dri", 1)


def of_module(config: dict[str, object]) -> Resources:
    module = {"settings": {"image": "ocr:1", "createOptions": {"HostConfig": config}}}
    agent = {"properties.desired": {"modules": {"ocr": module}}}
    return of_only({"modulesContent": {"$edgeAgent": agent}})


def of_service(service: dict[str, object]) -> Resources:
    return of_only({"services": {"a": {"image": "a:1", **service}}})


def of_only(manifest: object) -> Resources:
    text = json.dumps(manifest)
    (deployed,) = read_manifests(["-"], stdin=io.BytesIO(text.encode())).deployed
    return deployed.resources
