from __future__ import annotations

import io
import json

import pytest

from placer.core.deployment import Deployed, Manifests
from placer.manifests.reading import read_manifests


def read(*values: object) -> Manifests:
    text = "\n---\n".join(json.dumps(one) for one in values)
    return read_manifests(["-"], stdin=io.BytesIO(text.encode()))


def recipe(version: str = "1.0.0", **more: object) -> dict[str, object]:
    return {"ComponentName": "a", "ComponentVersion": version, **more}


def publishing(operation: str, *topics: str) -> dict[str, object]:
    policies = {"p": {"operations": [operation], "resources": list(topics)}}
    return {"accessControl": {"aws.greengrass.ipc.mqttproxy": policies}}


def one(found: Manifests) -> Deployed:
    (deployed,) = found.deployed
    return deployed


@pytest.mark.parametrize(
    ("operation", "topics"),
    [
        ("aws.greengrass#PublishToIoTCore", ["up"]),
        ("*", ["up"]),
        ("aws.greengrass#SubscribeToIoTCore", []),
    ],
)
def test_what_may_publish_to_the_cloud_is_egress(operation: str, topics: list[str]) -> None:
    defaults = {"DefaultConfiguration": publishing(operation, "up")}
    found = one(read(recipe(ComponentConfiguration=defaults)))
    assert [way.to.value for way in found.egress] == topics


def test_a_deployment_can_grant_what_the_recipe_does_not() -> None:
    merge = json.dumps(publishing("aws.greengrass#PublishToIoTCore", "late"))
    use = {"componentVersion": "1.0.0", "configurationUpdate": {"merge": merge}}
    found = one(read(recipe(), {"targetArn": "x", "components": {"a": use}}))
    assert [way.to.value for way in found.egress] == ["late"]


@pytest.mark.parametrize(
    ("version", "models"),
    [("1.0.0", ["s3://m/a.onnx"]), ("{COMPONENT_VERSION}", ["s3://m/a.onnx"]), ("2.0.0", [])],
)
def test_a_component_is_joined_to_the_recipe_of_its_version(
    version: str, models: list[str]
) -> None:
    manifests = [{"Artifacts": [{"Uri": "s3://m/a.onnx"}]}]
    deployment = {"targetArn": "x", "components": {"a": {"componentVersion": "1.0.0"}}}
    found = read(recipe(version, Manifests=manifests), deployment).deployed
    use = next(one for one in found if one.id.startswith("deployment/"))
    assert [model.uri.value for model in use.models] == models
    assert len(found) == (1 if models else 2)


@pytest.mark.parametrize(
    ("platform", "any_of"),
    [
        ("/arm|aarch64/", ("arm", "aarch64")),
        ("/^(arm|aarch64)$/", ("arm", "aarch64")),
        ("/.*64/", ()),
    ],
)
def test_of_an_expression_the_words_are_read(platform: str, any_of: tuple[str, ...]) -> None:
    found = one(read(recipe(Manifests=[{"Platform": {"architecture": platform}}])))
    assert [label.value for label in found.where.any_of] == [("architecture", any_of)]
    assert found.where.platform is None


@pytest.mark.parametrize("digest", ["", "x", "AAAA", "é", 5, None])
def test_a_digest_that_is_none_pins_nothing(digest: object) -> None:
    artefact = {"Uri": "s3://m/a.onnx", "Digest": digest, "Algorithm": "SHA-256"}
    found = one(read(recipe(Manifests=[{"Artifacts": [artefact]}])))
    assert [model.sha256 for model in found.models] == [None]
