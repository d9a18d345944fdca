"""Artefacts of Greengrass components that a path leads to, or that a build names."""

from __future__ import annotations

import io
import json

import pytest

from placer.core.deployment import ModelRef
from placer.core.project import names, templates_in
from placer.manifests.reading import read_manifests


def models(*recipes: dict[str, object], of: str = "a") -> list[ModelRef]:
    text = "\n---\n".join(json.dumps(one) for one in recipes)
    found = read_manifests(["-"], stdin=io.BytesIO(text.encode()))
    (one,) = (one for one in found.deployed if one.name == of)
    return [*one.models]


def uris(*recipes: dict[str, object]) -> list[str]:
    return [one.uri.value for one in models(*recipes)]


def recipe(
    path: str, *artifacts: object, name: str = "a", platform: str = "linux"
) -> dict[str, object]:
    lifecycle = {"setEnv": {"MODEL_DIR": path}, "Run": "python3 x.py"} if path else {}
    manifest = {"Platform": {"os": platform}, "Artifacts": [*artifacts], "Lifecycle": lifecycle}
    return {
        "ComponentName": name,
        "ComponentVersion": "1.0.0",
        "Manifests": [manifest],
    }


def archive(uri: str) -> dict[str, str]:
    return {"Uri": uri, "Unarchive": "ZIP"}


@pytest.mark.parametrize(
    "uri",
    [
        "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/net.onnx",
        "s3://{BUCKET_NAME}/a/1/net.onnx",
        "s3://b/{COMPONENT_NAME}/{COMPONENT_VERSION}/net.onnx",
        "s3://b/COMPONENT_NAME",
    ],
)
def test_what_the_development_kit_fills_in_is_not_rendered(uri: str) -> None:
    assert templates_in(uri)
    assert not names("*", uri)
    assert not names("s3://*", uri)
    assert names(uri, uri)


@pytest.mark.parametrize("text", ["BUCKET_NAME", "s3://MY_BUCKET_NAME/x", "/x/COMPONENT_NAMES/y"])
def test_a_name_of_its_own_is_no_mark_of_the_development_kit(text: str) -> None:
    assert templates_in(text) == []


IN_M = "{m:artifacts:decompressedPath}/net"


def test_a_path_in_the_artefacts_of_a_component_is_what_its_recipe_says() -> None:
    needed = {"m": {"VersionRequirement": ">=1.0.0"}}
    m = recipe("", archive("s3://b/1/net.zip"), name="m")
    assert uris({**recipe(IN_M), "ComponentDependencies": needed}, m) == ["s3://b/1/net.zip"]
    assert uris(recipe(IN_M), m) == ["s3://b/1/net.zip"]
    assert uris(recipe(f"{IN_M}/a/b.onnx"), m) == ["s3://b/1/net.zip/a/b.onnx"]
    assert uris(recipe("{m:artifacts:decompressedPath}\\net\\b.onnx"), m) == [
        "s3://b/1/net.zip/b.onnx"
    ]
    assert uris(recipe("{m:artifacts:path}/net.zip"), m) == ["s3://b/1/net.zip"]
    assert uris(recipe("{m:artifacts:path}/"), m) == ["s3://b/1/net.zip"]


def test_a_placeholder_in_the_recipe_of_the_other_component_leaves_the_model_open() -> None:
    m = recipe("", archive("s3://$BUCKETNAME$/$COMPONENT_VERSION$/net.zip"), name="m")
    (uri,) = uris(recipe(IN_M), m)
    assert templates_in(uri)


def test_of_the_other_component_the_same_platform_counts() -> None:
    m = recipe("", archive("s3://b/linux/net.zip"), name="m")
    other = recipe("", archive("s3://b/windows/net.zip"), name="m", platform="windows")
    manifests = [one for each in (m, other) for one in each["Manifests"]]  # type: ignore[attr-defined]  # a list
    both = {**m, "Manifests": manifests}
    assert uris(recipe(IN_M), both) == ["s3://b/linux/net.zip"]
    assert len(uris(recipe(IN_M, platform="all"), both)) == 2


@pytest.mark.parametrize(
    "others", [[], [recipe("", {"Uri": "s3://b/x.py"}, name="m")], [recipe("", name="m")]]
)
def test_a_component_that_is_not_read_leaves_the_model_unknown(
    others: list[dict[str, object]],
) -> None:
    (one,) = models(recipe(IN_M), *others)
    assert (one.uri.value, one.told) == (IN_M, IN_M)
    assert "m, which is not among what is read" in one.hidden
    assert not names("*", one.uri.value)


@pytest.mark.parametrize(
    ("path", "archives", "expected"),
    [
        ("/models/best.rknn", ["s3://b/x.zip"], ["s3://b/x.zip/models/best.rknn"]),
        ("/x/models/best.rknn", ["s3://b/x.zip"], ["s3://b/x.zip/models/best.rknn"]),
        ("/x/best.rknn", ["s3://b/x.tar.gz", "s3://b/y.zip"], ["s3://b/x.tar.gz/best.rknn"]),
        (
            "/best.rknn",
            ["s3://b/x.zip", "s3://b/y.zip"],
            ["s3://b/x.zip/best.rknn", "s3://b/y.zip/best.rknn"],
        ),
        ("/x", ["s3://b/x.zip"], ["s3://b/x.zip"]),
        ("", ["s3://b/x.zip"], ["s3://b/x.zip"]),
        ("/best.rknn", [], ["{artifacts:decompressedPath}/best.rknn"]),
    ],
)
def test_a_path_in_an_archive_is_named_by_the_archive(
    path: str, archives: list[str], expected: list[str]
) -> None:
    found = recipe(f"{{artifacts:decompressedPath}}{path}", *map(archive, archives))
    assert uris(found) == expected


def test_an_archive_that_a_script_unpacks_counts_where_there_is_no_other() -> None:
    packed = {"Uri": "s3://b/x.tar.gz", "Unarchive": "NONE"}
    path = "{artifacts:decompressedPath}/best.rknn"
    assert uris(recipe(path, packed)) == ["s3://b/x.tar.gz/best.rknn"]
    assert uris(recipe(path, packed, archive("s3://b/y.zip"))) == ["s3://b/y.zip/best.rknn"]


def test_an_artefact_of_the_name_of_the_file_is_it_unless_an_archive_is_named() -> None:
    both = [{"Uri": "s3://b/best.rknn"}, archive("s3://b/x.zip")]
    assert uris(recipe("{artifacts:decompressedPath}/best.rknn", *both)) == ["s3://b/best.rknn"]
    assert uris(recipe("{artifacts:decompressedPath}/x/best.rknn", *both)) == [
        "s3://b/x.zip/best.rknn",
        "s3://b/best.rknn",
    ]
