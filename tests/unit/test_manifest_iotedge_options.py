"""What stands in the options of a module, and at which level it counts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest

from placer.core.deployment import Manifests
from placer.manifests.reading import read_manifests


def of_module(module: dict[str, object]) -> Manifests:
    value = {"modulesContent": {"$edgeAgent": {"properties.desired.modules.ocr": module}}}
    return read_manifests(["-"], stdin=io.BytesIO(json.dumps(value).encode()))


@pytest.mark.parametrize(
    ("options", "name", "where"),
    [
        ({"HostConfig": {"Env": ["A=1"]}}, "Env", "createOptions, beside 'HostConfig'"),
        ({"HostConfig": {"cmd": ["--model", "/m"]}}, "cmd", "createOptions, beside 'HostConfig'"),
        ({"HostConfig": {"Entrypoint": []}}, "Entrypoint", "createOptions, beside 'HostConfig'"),
        ({"HostConfig": {"WorkingDir": "/"}}, "WorkingDir", "createOptions, beside 'HostConfig'"),
        ({"Memory": 20_000_000}, "Memory", "'HostConfig' of createOptions"),
    ],
)
@pytest.mark.parametrize("form", [json.dumps, dict])
def test_an_option_at_another_level_has_no_effect(
    options: dict[str, object], name: str, where: str, form: Callable[[object], object]
) -> None:
    module: dict[str, object] = {"settings": {"image": "ocr:1", "createOptions": form(options)}}
    found = of_module(module)
    (defect,) = found.defects
    assert (defect.kind, defect.subject) == ("ignored_level", name)
    assert where in defect.message


@pytest.mark.parametrize(("reserved", "is_refused"), [(2**27, True), (2**26, False), ("$M", False)])
def test_docker_refuses_a_reservation_above_the_limit(
    reserved: object, *, is_refused: bool
) -> None:
    config = {"HostConfig": {"Memory": 2**26, "MemoryReservation": reserved}}
    found = of_module({"settings": {"image": "ocr:1", "createOptions": config}}).defects
    assert ["Docker refuses" in one.message for one in found] == [True] * is_refused


def test_a_command_beside_the_options_has_no_effect() -> None:
    module: dict[str, object] = {"settings": {"image": "ocr:1", "Cmd": ["--model", "/m/a.onnx"]}}
    found = of_module(module)
    assert [one.kind for one in found.defects] == ["ignored_level"]


@pytest.mark.parametrize(
    ("test", "uri"),
    [
        (["CMD-SHELL", "wget -qO /m/a.onnx https://h/x"], "https://h/x"),
        (["CMD", "curl", "-o/m/a.onnx", "https://h/x"], "https://h/x"),
        (["CMD", "curl", "-f", "http://localhost:8000/ready"], "/m/a.onnx"),
        (["NONE"], "/m/a.onnx"),
    ],
)
def test_a_health_check_may_write_over_the_model(test: list[str], uri: str) -> None:
    options = {"Cmd": ["--model", "/m/a.onnx"], "Healthcheck": {"Test": test}}
    module: dict[str, object] = {"settings": {"image": "ocr:1", "createOptions": options}}
    assert [one.uri.value for one in of_module(module).deployed[0].models] == [uri]
