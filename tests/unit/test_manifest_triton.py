from __future__ import annotations

from pathlib import Path

import pytest

from placer.core.deployment import Deployed, Manifests
from placer.manifests.reading import read_manifests

PLAIN = 'name: "m" platform: "onnxruntime_onnx"\n'


def read(directory: Path, text: str, *versions: str) -> Manifests:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.pbtxt").write_text(text)
    for version in versions:
        (directory / version).mkdir()
    return read_manifests([str(directory / "config.pbtxt")])


def one(found: Manifests) -> Deployed:
    (deployed,) = found.deployed
    return deployed


@pytest.mark.parametrize(
    ("policy", "uris"),
    [
        ("", ["m/10/model.onnx"]),
        ("version_policy { latest { num_versions: 2 } }", ["m/9/model.onnx", "m/10/model.onnx"]),
        ("version_policy: { all { } }", ["m/2/model.onnx", "m/9/model.onnx", "m/10/model.onnx"]),
        ("version_policy { specific { versions: [2, 7] } }", ["m/2/model.onnx"]),
        ("version_policy { specific { versions: 7 } }", ["m"]),
        ("default_model_filename: 'x.onnx'", ["m/10/x.onnx"]),
        ("default_model_filename: '${file}'", ["m/10/${file}"]),
    ],
)
def test_the_versions_that_are_served_are_the_models(
    tmp_path: Path, policy: str, uris: list[str]
) -> None:
    found = one(read(tmp_path / "m", PLAIN + policy, "9", "10", "2", "0", "03", "notes"))
    assert [model.uri.value for model in found.models] == uris
    known = {model.format and model.format.value for model in found.models if not model.hidden}
    assert known <= {"onnx"}


def test_a_model_without_a_name_has_that_of_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = one(read(tmp_path / "belt", 'backend: "python"\n'))
    assert (found.id, [model.uri.value for model in found.models]) == ("model/belt", ["belt"])
    monkeypatch.chdir(tmp_path / "belt")
    assert one(read_manifests(["config.pbtxt"])).name == "belt"
    assert one(read_manifests(["."])).name == "belt"


@pytest.mark.parametrize(
    ("groups", "accelerators", "scale"),
    [
        ("instance_group { kind: KIND_CPU count: 2 } instance_group { kind: 2 }", [], (3, 3)),
        ("instance_group [ { kind: KIND_GPU gpus: [0, 1] } ]", [("KIND_GPU", 2)], (2, 2)),
        ("instance_group [ { kind: 1 gpus: 0 }, { kind: 2 } ]", [("KIND_GPU", 1)], (2, 2)),
        ("instance_group { kind: KIND_AUTO count: 2 }", [], (2, None)),
        ("instance_group { count: ${n} kind: KIND_GPU }", [("KIND_GPU", 1)], (None, None)),
    ],
)  # fmt: skip
def test_instances_are_counted_on_each_gpu(
    tmp_path: Path, groups: str, accelerators: object, scale: object
) -> None:
    found = one(read(tmp_path / "m", PLAIN + groups))
    assert [device.value for device in found.resources.accelerators] == accelerators
    least, most = found.scale.least, found.scale.most
    assert (least and least.value, most and most.value) == scale


@pytest.mark.parametrize(
    ("kinds", "accelerators", "ep"),
    [
        ("", "gpu", "tensorrt"),
        ("GPU", "gpu", "tensorrt"),
        ("CPU", "gpu", None),
        ("CPU GPU", "gpu", "tensorrt"),
        ("AUTO", "gpu", "tensorrt"),
        ("", "cpu", "openvino"),
        ("CPU", "cpu", "openvino"),
        ("GPU", "cpu", None),
        ("AUTO", "cpu", "openvino"),
        ("CPU GPU", "cpu", "openvino"),
        ("CPU", "gpu cpu", "openvino"),
        ("GPU", "gpu cpu", "tensorrt"),
    ],
)
def test_an_accelerator_is_for_the_instances_of_its_processor(
    tmp_path: Path, kinds: str, accelerators: str, ep: str | None
) -> None:
    named = {"gpu": "tensorrt", "cpu": "openvino"}
    lists = " ".join(
        f"{kind}_execution_accelerator {{ name: '{named[kind]}' }}" for kind in accelerators.split()
    )
    groups = " ".join(f"instance_group {{ kind: KIND_{kind} }}" for kind in kinds.split())
    text = (
        f"backend: 'onnxruntime' {groups} optimization {{ execution_accelerators {{ {lists} }} }}"
    )
    found = one(read(tmp_path / "m", text)).resources.ep
    assert (found and found.value) == ep


def test_an_ensemble_of_two_repositories_takes_the_step_of_its_own(tmp_path: Path) -> None:
    for side in ("edge", "cloud"):
        read(tmp_path / side / "m", PLAIN, "1" if side == "edge" else "2")
        steps = "ensemble_scheduling { step [ { model_name: 'm' } ] }"
        read(tmp_path / side / "all", f"name: 'all' platform: 'ensemble' {steps}")
    found = [one for one in read_manifests([str(tmp_path)]).deployed if one.name == "all"]
    uris = [model.uri.value for one in found for model in one.models]
    assert uris == ["m/2/model.onnx", "m/1/model.onnx"]


@pytest.mark.parametrize(
    ("asked", "uris", "hidden"),
    [
        ("", ["m/2/model.onnx", "m/3/model.onnx"], False),
        ("model_version: -1", ["m/2/model.onnx", "m/3/model.onnx"], False),
        ("model_version: 2", ["m/2/model.onnx"], False),
        ("model_version: 1", ["m/<version>"], True),
        ("model_version: '${V}'", ["m/<version>"], True),
    ],
)
def test_a_step_of_an_ensemble_takes_the_version_that_it_asks_for(
    tmp_path: Path, asked: str, uris: list[str], hidden: bool
) -> None:
    read(tmp_path / "m", f"{PLAIN} version_policy {{ latest {{ num_versions: 2 }} }}", *"123")
    steps = f"ensemble_scheduling {{ step [ {{ model_name: 'm' {asked} }} ] }}"
    read(tmp_path / "all", f"name: 'all' platform: 'ensemble' {steps}")
    (found,) = [one for one in read_manifests([str(tmp_path)]).deployed if one.name == "all"]
    assert [model.uri.value for model in found.models] == uris
    assert [bool(model.hidden) for model in found.models] == [hidden] * len(uris)


def test_a_file_for_some_gpus_has_its_own_place(tmp_path: Path) -> None:
    of_gpus = "cc_model_filenames { key: '8.0' value: 'b.plan' }"
    found = one(read(tmp_path / "m", f"name: 'm' backend: 'tensorrt'\n{of_gpus}\n", "1"))
    assert [one.uri.value for one in found.models] == ["m/1/model.plan", "m/1/b.plan"]
    assert [one.uri.place.line for one in found.models] == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "item { id: 1 name: 'person' }\n",
        'input_stream: "in"\nnode { calculator: "TfLiteInference" }\n',
        "node { op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } } }\n",
    ],
)
def test_other_text_protocol_buffers_are_no_manifests(tmp_path: Path, text: str) -> None:
    found = read(tmp_path / "graph", text)
    assert (found.files, found.skipped) == (0, 1)


@pytest.mark.parametrize("text", ["max_batch_size: 4\nbackend: x\n", "max_batch_size: {{ x }}: {"])
def test_the_same_words_in_yaml_are_none_of_triton(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    found = read_manifests([str(tmp_path)])
    assert (found.files, found.skipped, found.unreadable) == (0, 1, ())


def test_of_other_files_it_is_another_unknown_model(tmp_path: Path) -> None:
    told = set()
    for number, (name, data) in enumerate([("b", b"x"), ("c", b"x"), ("b", b"y"), ("b", b"x")]):
        folder = tmp_path / str(number) / "m"
        (folder / "1").mkdir(parents=True)
        (folder / "1" / "model.onnx").write_bytes(b"m")
        (folder / "1" / f"{name}.plan").write_bytes(data)
        of_gpus = f"cc_model_filenames {{ key: '8.0' value: '{name}.plan' }}"
        (model,) = one(read(folder, PLAIN + of_gpus)).models
        assert "cc_model_filenames" in model.hidden
        told.add(model.told)
    assert len(told) == 3


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('name: "b2" input [ { name: ', "1:28"),
        ('backend "onnxruntime"', "1:9"),
        ("name: 'b", "1:7"),
        ("}", "1:1"),
        ("b\udcffc", "1:2"),
    ],
)
def test_a_file_of_that_name_that_cannot_be_parsed_is_told(
    tmp_path: Path, text: str, place: str
) -> None:
    file = tmp_path / "config.pbtxt"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    (problem,) = read_manifests([str(file)]).unreadable
    assert str(problem.place) == f"{file}:{place}"
    other = file.rename(tmp_path / "labels.pbtxt")
    assert read_manifests([str(other)]).skipped == 1


def test_a_file_of_that_name_that_leaves_all_to_the_server_is_a_model(tmp_path: Path) -> None:
    found = one(read(tmp_path / "m", 'name: "belt"\n'))
    assert (found.id, [model.uri.value for model in found.models]) == ("model/belt", ["belt"])
    for text in ("", "item { id: 1 }\n"):
        assert read(tmp_path / f"n{len(text)}", text).skipped == 1
