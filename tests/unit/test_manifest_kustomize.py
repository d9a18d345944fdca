"""Patches of Kustomize in files of their own: what they change is not judged without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from placer.manifests.reading import read_manifests

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: reader}
spec:
  template:
    spec:
      containers: [{name: c, image: "i:1", args: [--model, /m/a.onnx]}]
"""
PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: reader}
spec: {template: {spec: {containers: [{name: c, IMAGEresources: {limits: {memory: 8Mi}}}]}}}
"""
ONE = PATCH.replace("IMAGE", "image: 'i:2', ")
WITHOUT = PATCH.replace("IMAGE", "")
SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: reader}
spec: {predictor: {model: {storageUri: "s3://m/other.onnx"}}}
"""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(**files: str) -> tuple[list[str], list[str]]:
    """Write files (``a__b`` is ``a/b.yaml``); return what is deployed and what is unreadable."""
    for name, content in files.items():
        path = Path(f"{name.replace('__', '/')}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    found = read_manifests(["."])
    return [one.place.path for one in found.deployed], [
        f"{one.place}: {one.message}" for one in found.unreadable
    ]


@pytest.mark.parametrize(
    "lists",
    [
        "patches: [{path: patch.yaml}]",
        "patches: [patch.yaml]",
        "patches: [{path: ./x/../patch.yaml, target: {kind: Deployment}}]",
        "patchesStrategicMerge: [patch.yaml]",
        "patchesJson6902: [{path: patch.yaml, target: {kind: Deployment}}]",
    ],
)
@pytest.mark.parametrize("patch", [ONE, WITHOUT, SERVICE])
def test_a_file_that_a_kustomization_patches_with_is_told(lists: str, patch: str) -> None:
    deployed, unreadable = told(
        base=DEPLOYMENT, kustomization=f"resources: [base.yaml]\n{lists}\n", patch=patch
    )
    assert deployed == ["base.yaml"]
    (message,) = unreadable
    assert message.startswith("patch.yaml:3:18: a patch of ")
    assert "'reader', which a kustomization names" in message


def test_a_patch_of_a_component_and_one_of_another_folder_are_told() -> None:
    deployed, unreadable = told(
        a_patch=ONE,
        base=DEPLOYMENT,
        kustomization="resources: [base.yaml]\ncomponents: [small]\n",
        small__kustomization="kind: Component\npatches: [{path: ../a_patch.yaml}]\n",
    )
    assert (deployed, len(unreadable)) == (["base.yaml"], 1)


def test_a_workload_without_any_image_is_a_patch_whoever_names_it() -> None:
    assert told(patch=WITHOUT) == (
        [],
        ["patch.yaml:3:18: no container of Deployment 'reader' has an image: it is a patch"],
    )


@pytest.mark.parametrize("more", [', {name: d, image: "i:1"}', ", '{{ sidecar }}'"])
def test_one_image_that_is_said_or_filled_in_makes_a_workload(more: str) -> None:
    assert told(a=WITHOUT.replace("}}}]", f"}}}}}}{more}]")) == (["a.yaml"], [])


def test_a_patch_that_is_not_among_the_files_or_has_no_kind_of_its_own_is_told() -> None:
    text = "patches: [{path: FILE, target: {kind: KIND}}]\n"
    absent = text.replace("FILE", "../p.yaml").replace("KIND", "Deployment")
    odd = text.replace("FILE", "p.yaml").replace("KIND", "StatefulSet")
    deployed, unreadable = told(
        a__kustomization=absent,
        b__kustomization=absent.replace("Deployment", "Service"),
        c__kustomization=odd,
        c__p="kind: any\nmetadata: {name: any}\nspec: {template: {spec: {nodeName: other}}}\n",
    )
    assert deployed == []
    assert unreadable == [
        "a/kustomization.yaml:1:18: a patch of Deployment in a file is not read",
        "c/kustomization.yaml:1:18: a patch of StatefulSet in a file is not read",
    ]


def test_a_patch_of_what_runs_nothing_or_of_a_scaler_is_left_alone() -> None:
    scaler = (
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: reader}\n"
        "spec: {scaleTargetRef: {kind: Deployment, name: reader}, maxReplicas: 3}\n"
    )
    service = "kind: Service\nmetadata: {name: reader}\nspec: {type: NodePort}\n"
    named = "patches: [{path: s.yaml, target: {kind: Service}}, {path: h.yaml}, {path: gone.yaml}]"
    assert told(base=DEPLOYMENT, h=scaler, s=service, kustomization=f"{named}\n") == (
        ["base.yaml"],
        [],
    )
