"""Accelerators of manifests whose name or number is filled in later."""

from __future__ import annotations

import io
import json

import pytest

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
    module = {"settings": {"image": "ocr:1", "createOptions": {"HostConfig": config}}}
    agent = {"properties.desired": {"modules": {"ocr": module}}}
    text = json.dumps({"modulesContent": {"$edgeAgent": agent}})
    (deployed,) = read_manifests(["-"], stdin=io.BytesIO(text.encode())).deployed
    opened = deployed.resources.accelerators_unread
    assert (opened and opened.value) == told
