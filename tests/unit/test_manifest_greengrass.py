from __future__ import annotations

import base64
import io
import json

import pytest

from placer.core.deployment import Deployed, Manifests
from placer.core.gate_rules.rule import owned
from placer.manifests.reading import read_manifests


def read(*values: object) -> Manifests:
    text = "\n---\n".join(json.dumps(one) for one in values)
    return read_manifests(["-"], stdin=io.BytesIO(text.encode()))


def recipe(version: object = "1.0.0", **more: object) -> dict[str, object]:
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
    [
        ("1.0.0", ["s3://m/a.onnx"]),
        ("{COMPONENT_VERSION}", ["s3://m/a.onnx"]),
        ("2.0.0", ["<recipe>"]),
    ],
)
def test_a_component_is_joined_to_the_recipe_of_its_version(
    version: str, models: list[str]
) -> None:
    manifests = [{"Artifacts": [{"Uri": "s3://m/a.onnx"}]}]
    deployment = {"targetArn": "x", "components": {"a": {"componentVersion": "1.0.0"}}}
    found = read(recipe(version, Manifests=manifests), deployment).deployed
    use = next(one for one in found if one.id.startswith("deployment/"))
    assert [model.uri.value for model in use.models] == models
    assert len(found) == (2 if version == "2.0.0" else 1)


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


NAMED = {"Uri": "s3://m/a.onnx"}
RUNS = {"Run": "serve --model {artifacts:path}/a.onnx"}


def manifest(**more: object) -> dict[str, object]:
    return {"Artifacts": [NAMED], "Lifecycle": RUNS, **more}


def deployed(recipe: dict[str, object], **component: object) -> Manifests:
    """A deployment of one component, with its recipe."""
    target = "arn:aws:iot:eu-north-1:123456789012:thinggroup/line"
    use = {"componentVersion": "1.0.0", **component}
    return read(recipe, {"targetArn": target, "components": {"a": use}})


@pytest.mark.parametrize(
    "component",
    [
        {"configurationUpdate": {"merge": "{{m}}"}},
        {"configurationUpdate": {"merge": '{"Rate": {{m}}}'}},
        {"configurationUpdate": "{{m}}"},
    ],
)
def test_a_configuration_that_is_merged_later_may_say_anything(
    component: dict[str, object],
) -> None:
    found = one(deployed(recipe(Manifests=[manifest()]), **component))
    assert [model.uri.value for model in found.models] == ["s3://m/a.onnx", "{{m}}"]
    assert [(way.to.value, way.is_open) for way in found.egress] == [("{{m}}", True)]


@pytest.mark.parametrize("configuration", ["{{ cfg }}", {"DefaultConfiguration": "{{ cfg }}"}])
def test_a_default_configuration_that_is_filled_in_later_may_say_anything(
    configuration: object,
) -> None:
    found = one(deployed(recipe(Manifests=[manifest()], ComponentConfiguration=configuration)))
    assert [model.uri.value for model in found.models] == ["s3://m/a.onnx", "{{ cfg }}"]
    assert [(way.to.value, way.is_open) for way in found.egress] == [("{{ cfg }}", True)]


@pytest.mark.parametrize(
    "control",
    [
        "{{x}}",
        {"aws.greengrass.ipc.mqttproxy": "{{x}}"},
        {"aws.greengrass.ipc.mqttproxy": {"p": "{{x}}"}},
        {"aws.greengrass.ipc.mqttproxy": {"p": {"operations": "{{x}}", "resources": ["t"]}}},
        {"aws.greengrass.ipc.mqttproxy": {"p": {"operations": ["{{x}}"], "resources": ["t"]}}},
    ],
)
def test_rights_that_are_filled_in_later_may_open_a_way(control: object) -> None:
    defaults = {"DefaultConfiguration": {"accessControl": control}}
    found = one(read(recipe(ComponentConfiguration=defaults)))
    assert [(way.to.value, way.is_open) for way in found.egress] == [("{{x}}", True)]
    assert found.models == ()


def test_a_right_that_is_a_text_instead_of_a_list_counts() -> None:
    policy = {"operations": "*", "resources": "up"}
    control = {"aws.greengrass.ipc.mqttproxy": {"p": policy}}
    defaults = {"DefaultConfiguration": {"accessControl": control}}
    found = one(read(recipe(ComponentConfiguration=defaults)))
    assert [(way.to.value, way.is_open) for way in found.egress] == [("up", False)]


@pytest.mark.parametrize(
    "changed",
    [
        {"Manifests": "{{x}}"},
        {"Manifests": ["{{x}}"]},
        {"Manifests": [{"Artifacts": "{{x}}"}]},
        {"Manifests": [{"Artifacts": ["{{x}}"]}]},
        {"Manifests": [{"Lifecycle": "{{x}}"}]},
        {"Manifests": [{"Lifecycle": {"Run": "{{x}}"}}]},
        {"Manifests": [{"Lifecycle": {"Run": {"script": "{{x}}"}}}]},
        {"Lifecycle": {"Run": "{{x}}"}},
    ],
)
def test_a_part_of_a_recipe_that_is_filled_in_later_may_name_any_model(
    changed: dict[str, object],
) -> None:
    found = read(recipe(**changed))
    assert [model.uri.value for model in one(found).models] == ["{{x}}"]
    assert found.defects == ()


def test_components_that_are_filled_in_later_cannot_be_read() -> None:
    found = read({"targetArn": "arn:aws:iot:x:1:thing/a", "components": "{{x}}"})
    assert (found.files, len(found.unreadable)) == (1, 1)


@pytest.mark.parametrize(
    ("changed", "subject", "kind"),
    [
        ({"Manifests": [{"Artefacts": [NAMED]}]}, "Artefacts", "unknown_model_key"),
        ({"Manifests": [{"Artifacts": [{"Url": "s3://m/a"}]}]}, "Url", "unknown_model_key"),
        ({"Manifests": [{"Artifacts": [{"Unarchive": "ZIP"}]}]}, "Uri", "bad_value"),
        ({"Manifests": [{"Lifecyle": RUNS}]}, "Lifecyle", "unknown_model_key"),
        ({"Manifests": [{"Artifacts": NAMED}]}, "Artifacts", "bad_value"),
        ({"Manifests": manifest()}, "Manifests", "bad_value"),
        ({"RecipeFormat": "2020-01-25"}, "RecipeFormat", "ignored_level"),
        ({"ComponentConfiguration": ["x"]}, "ComponentConfiguration", "bad_value"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_a_defect_of_what_it_deploys(
    changed: dict[str, object], subject: str, kind: str
) -> None:
    for found in (read(recipe(**changed)), deployed(recipe(**changed))):
        ((defect, owners),) = owned(found)
        assert (defect.kind, defect.subject) == (kind, subject)
        assert owners == (one(found),)


def test_what_is_wrong_in_a_recipe_fails_no_other_component() -> None:
    wrong = recipe(Manifests=[{"Artefacts": [NAMED]}])
    uses = {name: {"componentVersion": "1.0.0"} for name in ("a", "b")}
    other = {**recipe(Manifests=[manifest()]), "ComponentName": "b"}
    found = read(wrong, other, {"targetArn": "x", "components": uses})
    ((_, owners),) = owned(found)
    assert [owner.id for owner in owners] == ["deployment/x/a"]


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        ({"targetArn": "x", "componets": {"a": {"componentVersion": "1.0.0"}}}, "componets"),
        (
            {"targetArn": "arn:aws:iot:x:1:thing/a", "components": {"a": {"componentVerion": "1"}}},
            "componentVerion",
        ),
        ({"targetArn": "x", "components": {"b": {"componentVersion": "1"}, "a": "text"}}, "a"),
        (
            {"RecipeFormatVersion": "2020-01-25", "ComponentNmae": "a", "ComponentVersion": "1"},
            "ComponentNmae",
        ),
    ],
)
def test_a_deployment_or_a_recipe_that_is_mistyped_is_one(value: object, subject: str) -> None:
    found = read(value)
    assert [defect.subject for defect in found.defects] == [subject]
    assert found.deployed


def test_code_and_certificates_are_no_images_that_may_hold_a_model() -> None:
    uris = ["s3://b/infer.py", "s3://b/ROOT.PEM", "s3://b/model.zip", "docker:r.example/x:1"]
    found = one(read(recipe(Manifests=[{"Artifacts": [{"Uri": uri} for uri in uris]}])))
    assert [image.value for image in found.images] == ["s3://b/model.zip", "r.example/x:1"]


def test_an_archive_with_a_digest_is_pinned() -> None:
    digest = base64.b64encode(bytes(32)).decode()
    archives = [
        {"Uri": "s3://b/a.zip", "Digest": digest, "Algorithm": "SHA-256"},
        {"Uri": "s3://b/b.zip", "Digest": "x"},
    ]
    found = one(read(recipe(Manifests=[{"Artifacts": archives}])))
    assert found.pinned == {"s3://b/a.zip"}


PROXY = "aws.greengrass.ipc.mqttproxy"
PUBLISH = "aws.greengrass#PublishToIoTCore"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("accessControl", "accesControl"),
        (PROXY, "aws.greengrass.ipc.mqttproxi"),
        (PROXY, "aws.greengrass.mqttproxy"),
        ("operations", "operation"),
        ("resources", "resource"),
        (PUBLISH, "aws.greengrass#PublishToIotCor"),
    ],
)
def test_a_mistyped_right_is_told_wherever_it_is_given(old: str, new: str) -> None:
    rights = json.dumps(publishing(PUBLISH, "up"))
    assert old in rights
    config = json.loads(rights.replace(old, new))
    by_recipe = deployed(recipe(ComponentConfiguration={"DefaultConfiguration": config}))
    by_merge = deployed(recipe(), configurationUpdate={"merge": json.dumps(config)})
    for found in (by_recipe, by_merge):
        ((defect, owners),) = owned(found)
        assert (defect.kind, defect.subject) == ("unknown_way_key", new)
        assert owners == (one(found),)


@pytest.mark.parametrize("operation", ["*", PUBLISH.lower(), "aws.greengrass#SubscribeToIoTCore"])
def test_rights_that_greengrass_knows_are_no_defect(operation: str) -> None:
    config = publishing(operation, "up")
    config["accessControlList"] = {"operation": "x"}
    control = config["accessControl"]
    assert isinstance(control, dict)
    control["aws.greengrass.ipc.pubsub"] = {"p": {"operations": ["x"], "policyDescription": "y"}}
    assert deployed(recipe(ComponentConfiguration={"DefaultConfiguration": config})).defects == ()


@pytest.mark.parametrize(
    ("install", "uris"),
    [
        ("wget -O {work:path}/b.onnx https://h/x", ["https://h/x"]),
        ("aws s3 cp s3://o/x {work:path}/", ["s3://o/x"]),
        ("cp {artifacts:path}/b.onnx {work:path}/", ["{work:path}/b.onnx"]),
        ("hf download o/m --local-dir {work:path}", ["<script>"]),
        ("timeout 9 s3cmd get b/x {work:path}/b.onnx", ["<script>"]),
        ("unzip {artifacts:path}/b.zip -d {work:path}", ["{work:path}/b.onnx"]),
        ("curl -s https://h/ready", ["{work:path}/b.onnx"]),
        ("wget -O /tmp/labels.txt https://h/x", ["{work:path}/b.onnx"]),
    ],
)
def test_what_a_script_downloads_to_the_path_of_the_model_is_the_model(
    install: str, uris: list[str]
) -> None:
    steps = {"Install": {"script": install}, "Run": "serve --model {work:path}/b.onnx"}
    models = {
        model.uri.value for model in one(read(recipe(Manifests=[{"Lifecycle": steps}]))).models
    }
    assert models - {"{artifacts:path}/b.onnx"} == set(uris)


def test_a_script_that_downloads_beside_the_artefact_changes_no_model() -> None:
    steps = {"Install": "wget -O {work:path}/a.onnx https://h/x", "Run": RUNS["Run"]}
    found = one(read(recipe(Manifests=[manifest(Lifecycle=steps)])))
    assert [model.uri.value for model in found.models] == ["s3://m/a.onnx"]
