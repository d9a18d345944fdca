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
        ({"DeviceRequests": [{"Driver": "${D}"}]}, "${D}"),
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
        ({"driver": "acme", "capabilities": ["video", "gpu"]}, [("gpu", 1)]),
        ({"driver": "acme", "capabilities": ["video"]}, [("acme", 1)]),
        ({"driver": "${D}", "capabilities": ["gpu"]}, [("${D}", 1)]),
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
