"""Which files are read, what is said of those that cannot be, and how they are counted."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pytest

from placer.core.deployment import Manifests
from placer.core.errors import InputError
from placer.manifests.reading import read_manifests
from tests.manifest_summary import summary

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  nodeName: box
  containers: [{name: c, image: "i:1", args: [--model, /m/NAME.onnx]}]
"""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str, content: str | bytes = "") -> str:
    """Write a file, by default a pod of that name."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    data = content or POD.replace("NAME", target.name.partition(".")[0])
    target.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def paths(manifests: Manifests) -> list[str]:
    return [one.place.path for one in manifests.deployed]


def test_a_directory_is_read_sorted_and_deep_without_what_is_hidden_or_of_others() -> None:
    for path in ("b.yaml", "a.yml", "c/d.json", "c/e.txt", ".git/x.yaml", "node_modules/y.yaml",
                 ".venv/z.yaml", "c/.hidden/w.yaml"):  # fmt: skip
        write(path)
    assert paths(read_manifests(["."])) == ["a.yml", "b.yaml", "c/d.json"]
    assert paths(read_manifests(["c", "a.yml"])) == ["c/d.json", "a.yml"]
    assert paths(read_manifests(["./c/"])) == ["./c/d.json"]


def test_a_pattern_is_read_and_one_that_matches_nothing_is_an_error() -> None:
    write("deploy/a.yaml")
    write("deploy/deep/b.yaml")
    write("deploy/notes.md")
    assert paths(read_manifests(["deploy/*.yaml"])) == ["deploy/a.yaml"]
    assert paths(read_manifests(["deploy/**/*.yaml"])) == ["deploy/a.yaml", "deploy/deep/b.yaml"]
    with pytest.raises(InputError, match=r"other/\*\.yaml: no file matches"):
        read_manifests(["other/*.yaml"])


def test_a_file_whose_name_has_signs_of_a_pattern_is_that_file() -> None:
    assert paths(read_manifests([write("[a].yaml", POD)])) == ["[a].yaml"]


def test_a_file_is_read_once_however_often_it_is_named() -> None:
    write("d/a.yaml")
    assert paths(read_manifests(["d/a.yaml", "d", "d/*.yaml", "./d/a.yaml"])) == ["d/a.yaml"]


def test_links_within_the_tree_are_passed_over_and_those_out_of_it_are_read_once() -> None:
    write("base/x.yaml")
    write("d/a.yaml")
    Path("d/same.yaml").symlink_to("a.yaml")
    Path("d/loop").symlink_to(".")
    Path("d/base").symlink_to("../base")
    Path("d/again").symlink_to("../base")
    Path("d/up").symlink_to("..")
    found = read_manifests(["d"])
    assert paths(found) == ["d/a.yaml", "d/again/x.yaml"]
    assert found.unreadable == ()


def test_a_link_to_what_the_walk_leaves_out_is_read() -> None:
    write("d/.store/a.yaml")
    Path("d/a.yaml").symlink_to(".store/a.yaml")
    assert paths(read_manifests(["d"])) == ["d/a.yaml"]


def test_a_link_to_nothing_is_told() -> None:
    Path("d").mkdir()
    Path("d/gone.yaml").symlink_to("nowhere.yaml")
    (found,) = read_manifests(["d"]).unreadable
    assert str(found.place) == "d/gone.yaml:1:1"
    assert "no such file" in found.message


def test_a_pipe_in_a_directory_is_not_waited_for() -> None:
    Path("d").mkdir()
    os.mkfifo("d/pipe.yaml")
    assert read_manifests(["d"]).files == 0


def test_a_file_that_cannot_be_read_is_told() -> None:
    Path("d").mkdir()
    if os.geteuid():
        write("d/a.yaml")
        Path("d/a.yaml").chmod(0)
        why = "permission denied"
    else:  # root may read everything, but not the memory of a process at address 0
        Path("d/a.yaml").symlink_to("/proc/self/mem")
        why = "input/output error"
    assert why in read_manifests(["d"]).unreadable[0].message
    with pytest.raises(InputError, match=why):
        read_manifests(["d/a.yaml"])


@pytest.mark.parametrize("path", ["missing.yaml", "a\0b"])
def test_a_path_that_is_not_there_is_an_error(path: str) -> None:
    with pytest.raises(InputError):
        read_manifests([path])


def test_standard_input_is_read() -> None:
    found = read_manifests(["-"], stdin=io.BytesIO(POD.encode()))
    assert [str(one.place) for one in found.deployed] == ["-:3:18"]
    with pytest.raises(InputError, match="no standard input"):
        read_manifests(["-"])


def test_files_that_hold_no_manifest_are_counted() -> None:
    write("a.yaml")
    write("values.yaml", "replicas: 1\n")
    write("service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n")
    write("broken.yaml", "a: [\n")
    write("binary.json", b"\x00\x01\xff")
    write("other.yaml", "apiVersion: example.com/v1\nkind: Pod\nmetadata: {name: p}\n")
    write("many.json", '{"kind":\n "Pod", "items": 1}')
    found = read_manifests(["."])
    assert (found.files, found.skipped) == (1, 6)
    assert found.unreadable == ()


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (POD + "  tolerations: [\n", "8:1", "did not find expected node content"),
        (POD.encode() + b"# \xff\n", "7:3", "not UTF-8 text"),
        (POD.encode() + b"# \x00\n", "7:3", "U+0000"),
        (POD + "  x: *nothing\n", "7:6", "unknown alias"),
        (POD + "  x: " + "[" * 500, "7:", "nested deeper"),
        (POD + "#" * 10_000_001, "1:1", "larger than 10 MB"),
        ("#" * 10_000_001 + "\n" + POD, "1:1", "larger than 10 MB"),
        ("#\n" * 10_000_000 + POD, "1:1", "larger than 10 MB"),
        ("#" * 13_999_001 + "\n" + POD, "1:1", "larger than 10 MB"),
        (POD.encode("utf-16-le"), "1:2", "U+0000"),
        (POD.encode("utf-16-be"), "1:1", "U+0000"),
        (POD.encode("utf-32"), "1:", "U+0000"),
        (b"kind: >-\n  P\xff\n", "2:4", "not UTF-8 text"),
        (b"\xff\xfe" + POD.encode("utf-16-le") + b"x", "1:1", "not UTF-8 text"),
    ],
)
def test_what_looks_like_a_manifest_and_cannot_be_read_is_told(
    content: str | bytes, place: str, message: str
) -> None:
    found = read_manifests([write("a.yaml", content)])
    assert (found.files, found.skipped) == (1, 0)
    (problem,) = found.unreadable
    assert str(problem.place).startswith(f"a.yaml:{place}")
    assert message in problem.message
    assert problem.remedy


def test_a_large_file_that_is_no_manifest_is_skipped() -> None:
    assert read_manifests([write("a.json", b"0" * 11_000_000)]).skipped == 1
    entry = b'{"kind": "cat", "text": "\\u00e9 \\"a\\"", "id": 1},'
    assert read_manifests([write("b.json", b"[" + entry * 50_000 + b"{}]")]).skipped == 1


def test_a_file_that_is_too_large_to_look_through_is_told() -> None:
    with open(write("a.yaml"), "wb") as file:  # noqa: PTH123  # sparse
        file.truncate(200_000_000)
    assert "larger" in read_manifests(["a.yaml"]).unreadable[0].message
    endless = io.BytesIO(b"#" * 11_000_000)
    assert "larger" in read_manifests(["-"], stdin=endless).unreadable[0].message


def test_a_manifest_behind_a_million_letters_of_comments_is_read() -> None:
    for kind in ("kind: Pod", "kind: >-\n  Pod", '"\\x6bind": Pod', "? kind\n: Pod"):
        text = "#" * 1_100_000 + "\n" + POD.replace("kind: Pod", kind)
        assert len(read_manifests([write("a.yaml", text)]).deployed) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + POD.encode(),
        b"\xff\xfe" + POD.encode("utf-16-le"),
        b"\xfe\xff" + POD.encode("utf-16-be"),
        POD.replace("\n", "\r\n").encode(),
    ],
)
def test_every_encoding_and_line_end_gives_the_same(content: bytes) -> None:
    plain = read_manifests([write("NAME.yaml", POD)])
    assert summary(read_manifests([write("NAME.yaml", content)])) == summary(plain)


def test_what_has_one_name_in_one_file_gets_ids_of_its_own() -> None:
    pod = POD.replace("NAME", "a")
    found = read_manifests([write("a.yaml", f"{pod}---\n{pod}")])
    assert [one.id for one in found.deployed] == ["pod/a", "pod/a#2"]


def test_a_scaler_is_joined_across_the_files_of_a_directory_and_never_guessed() -> None:
    deployment = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"
        "spec: {template: {spec: {containers: [{name: c, image: i}]}}}\n"
    )
    scaler = (
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: d}\n"
        "spec: {maxReplicas: 7, scaleTargetRef: {kind: Deployment, name: d}}\n"
    )
    for folder in ("one", "two"):
        write(f"{folder}/deployment.yaml", deployment)
    write("one/hpa.yaml", scaler)
    found = {one.place.path: one.scale.most for one in read_manifests(["one"]).deployed}
    most = found["one/deployment.yaml"]
    assert most is not None
    assert (most.value, str(most.place)) == (7, "one/hpa.yaml:4:21")
    write("three/hpa.yaml", scaler)
    found = {one.place.path: one.scale.most for one in read_manifests(["."]).deployed}
    assert found["one/deployment.yaml"] is not None
    assert found["two/deployment.yaml"] is None


def test_repeated_keys_of_one_anchor_are_told_once() -> None:
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: &l {a: x, a: y}, annotations: *l}\n"
        "spec: {containers: [{name: c, image: i}]}\n"
    )
    found = read_manifests([write("a.yaml", text)])
    assert [str(one.place) for one in found.defects] == ["a.yaml:3:33"]


def test_of_many_defects_the_first_are_told_and_how_many_more_there_are() -> None:
    text = POD + "".join(f"  {name}: 1\n" for name in ["a"] * 40_000) + "  # placer: ignore[X]\n"
    found = list(read_manifests([write("a.yaml", text)]).defects)
    assert [one.kind for one in found].count("duplicate_key") == 100
    assert [one.kind for one in found].count("bad_value") == 1
    assert found[98].message.endswith("counts")
    assert found[99].message.endswith("; 39,899 more of this kind in the file")
    exact = read_manifests([write("b.yaml", POD + "  a: 1\n" * 101)]).defects
    assert len(exact) == 100
    assert not [one for one in exact if "more" in one.message]


@pytest.mark.parametrize("piece", ["{{", "${", "a.onnx ", "$(", "a.onnx,"])
def test_megabytes_of_one_sign_are_read_in_linear_time(piece: str) -> None:
    args = f"args: ['{piece * (4_000_000 // len(piece))}', --model"
    pod = POD.replace("NAME", "a").replace("args: [--model", args)
    start = time.perf_counter()
    found = read_manifests([write("a.yaml", pod)])
    assert [one.name for one in found.deployed] == ["a"]
    assert time.perf_counter() - start < 10  # takes 1 s; in quadratic time it would take hours


def test_a_word_of_a_million_letters_is_read_in_linear_time() -> None:
    pod = POD.replace("NAME", "a").replace("--model,", f"--model, {'a' * 1_000_000}, ")
    found = read_manifests([write("a.yaml", pod)])  # in quadratic time it would take an hour
    assert [one.name for one in found.deployed] == ["a"]


@pytest.mark.parametrize(
    "kind",
    [
        "kind: >-\n  Pod",
        "kind: # what\n  Pod",
        "kind: !!str &x Pod",
        "x-k: &k Pod\nkind: *k",
        'kind: "P\\x6fd"',
        '"\\x6bind": Pod',
    ],
)
def test_a_kind_that_is_written_unusually_is_one(kind: str) -> None:
    text = POD.replace("kind: Pod", kind)
    assert text != POD
    assert len(read_manifests(["-"], stdin=io.BytesIO(text.encode())).deployed) == 1


def test_other_files_that_cannot_be_read_are_skipped() -> None:
    found = read_manifests(["-"], stdin=io.BytesIO(b"kind: [unclosed\n"))
    assert (found.files, found.skipped, found.unreadable) == (0, 1, ())


def test_a_list_within_a_list_is_opened() -> None:
    inner = "".join(f"    {line}\n" for line in POD.splitlines())
    text = f"kind: List\nitems:\n- kind: List\n  items:\n  -\n{inner}"
    assert len(read_manifests(["-"], stdin=io.BytesIO(text.encode())).deployed) == 1


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


SPEC = indented("spec:\n" + indented(POD.partition("spec:\n")[2], 0), 2)


def workload(api: str, kind: str) -> str:
    """A workload of a kind that has the specification of a pod where most have it."""
    return f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: d}}\nspec:\n  template:\n" + (
        indented(SPEC, 2)
    )


@pytest.mark.parametrize(
    ("api", "kind"),
    [
        ("apps.openshift.io/v1", "DeploymentConfig"),
        ("v1", "DeploymentConfig"),
        ("v1", "ReplicationController"),
        ("apps/v1", "ReplicaSet"),
        ("extensions/v1beta1", "Deployment"),
        ("apps.kruise.io/v1alpha1", "StatefulSet"),
        ("foreign.example.com/v1", "Deployment"),
    ],
)
def test_simple_workloads_of_other_groups_are_read(api: str, kind: str) -> None:
    (one,) = read_manifests([write("a.yaml", workload(api, kind))]).deployed
    assert one.kind == kind
    assert [model.uri.value for model in one.models] == ["/m/NAME.onnx"]
    assert one.where.node is not None


def test_a_workload_without_a_version_is_read() -> None:
    text = workload("apps/v1", "Deployment").partition("\n")[2]
    assert len(read_manifests([write("a.yaml", text)]).deployed) == 1


def test_a_workload_whose_containers_stand_elsewhere_is_told() -> None:
    text = (
        "apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nmetadata: {name: j}\n"
        "spec: {tasks: [{template: {spec: {containers: [{name: c, image: i}]}}}]}\n"
    )
    found = read_manifests([write("a.yaml", text)])
    (problem,) = found.unreadable
    assert "Job 'j' of batch.volcano.sh has containers elsewhere" in problem.message
    assert (str(problem.place), found.files) == ("a.yaml:3:18", 1)


def test_items_of_a_typed_list_have_its_kind() -> None:
    for kind, api in (("Pod", "v1"), ("Deployment", "apps/v1"), ("InferenceService", "x")):
        item = indented(POD.replace("NAME", "p").partition("metadata")[2], 4)
        if kind == "Deployment":
            item = indented(workload(api, kind).partition("metadata")[2], 4)
        if kind == "InferenceService":
            api = "serving.kserve.io/v1beta1"
            item = "    : {name: i}\n    spec: {predictor: {onnx: {storageUri: 's3://m/a.onnx'}}}\n"
        text = f"apiVersion: {api}\nkind: {kind}List\nitems:\n  - metadata{item.strip()}\n"
        (one,) = read_manifests([write("a.yaml", text)]).deployed
        assert (one.kind, one.id.partition("/")[0]) == (kind, kind.lower())


def test_objects_of_an_openshift_template_are_read_and_its_parameters_are_kept_as_said() -> None:
    pod = indented(
        POD.replace("{name: NAME}", "{name: p}").replace("/m/NAME.onnx", "'/m/${NAME}.onnx'"), 4
    )
    text = (
        "apiVersion: template.openshift.io/v1\nkind: Template\nmetadata: {name: t}\n"
        f"objects:\n  -\n{pod}parameters: [{{name: NAME, value: x}}]\n"
    )
    (one,) = read_manifests([write("a.yaml", text)]).deployed
    assert [model.uri.value for model in one.models] == ["/m/${NAME}.onnx"]
    assert one.place.pointer.startswith("/objects/0/")


INLINE = "kind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {nodeName: other}}}\n"
OPERATIONS = "- {op: replace, path: /spec/template/spec/nodeName, value: other}\n"


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("kustomization.yaml", "patches:\n  - patch: |\n" + indented(INLINE, 6), "2:5"),
        (
            "kustomization.yml",
            "resources: [../base]\npatches:\n  - target: {kind: Deployment}\n    patch: |-\n"
            + indented(OPERATIONS, 6),
            "4:5",
        ),
        ("kustomization.yaml", "patches:\n  - patch: |-\n" + indented(OPERATIONS, 6), "2:5"),
        ("kustomization.yaml", f"patches: [{{patch: '[{OPERATIONS[2:-1]}]'}}]\n", "1:12"),
        (
            "overlay.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            "patchesStrategicMerge:\n  - |\n" + indented(INLINE, 4),
            "4:5",
        ),
        ("replace.yaml", OPERATIONS, "1:23"),
        ("replace.json", '[{"op": "add", "path": "/spec/replicas", "value": 9}]', "1:24"),
    ],
)
def test_a_patch_of_a_workload_is_told(name: str, content: str, place: str) -> None:
    found = read_manifests([write(name, content)])
    (problem,) = found.unreadable
    assert str(problem.place) == f"{name}:{place}"
    assert "kubectl kustomize" in problem.remedy
    assert (found.files, found.skipped) == (1, 0)


def test_a_kustomization_that_patches_no_workload_itself_is_skipped() -> None:
    write("kustomization.yaml", "resources: [a.yaml]\npatches: [{path: patch.yaml}]\n")
    service = "kind: Service\nmetadata: {name: s}\nspec: {type: NodePort}\n"
    write("b/kustomization.yaml", "patches:\n  - patch: |\n" + indented(service, 6))
    write("c/values.yaml", "patches:\n  - patch: |\n" + indented(INLINE, 6))
    write("d/patch.yaml", "- {op: replace, path: /spec/type, value: NodePort}\n")
    found = read_manifests(["."])
    assert (found.files, found.skipped, found.unreadable) == (0, 4, ())
