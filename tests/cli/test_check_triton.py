"""``placer check``: what lies in a repository of Triton is held to what was measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from placer.core.graph import ModelSummary
from tests import builders, gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import Evidence, project

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
CONFIG = 'name: "counter" platform: "onnxruntime_onnx" '
MODEL, DATA, OTHER = b"the graph", b"the weights", b"other bytes"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 9\n"
Told = Callable[..., tuple[int, list[str]]]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


SUBJECTS = (("model.onnx", digest(MODEL)), ("weights.bin", digest(DATA)))
SUMMARY: ModelSummary = builders.model(sha256=digest(MODEL), subjects=SUBJECTS)
HERE = project(
    sites={"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/**"}]}},
    models=[{"uri": "counter*", "workload": "counter"}],
)


@pytest.fixture
def told(run: Run, make: Make) -> Told:
    """Check a repository of files: exit code, and the messages of PLC612 or PLC702."""

    def check(files: dict[str, bytes | str], config: str = CONFIG) -> tuple[int, list[str]]:
        evidence = Evidence(builders.measurement(subjects=SUBJECTS))
        folder = make(project_file=HERE, model=SUMMARY, evidence=(evidence,))
        home = folder / "deploy" / "counter"
        (home / "1").mkdir(parents=True)
        (home / "config.pbtxt").write_text(config)
        for name, content in files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.symlink_to(content)
        result = run("check", "deploy", *OPTIONS)
        assert result.out, result.err
        found = json.loads(result.out)["findings"]
        kept = [one["message"] for one in found if one["rule"] in ("PLC612", "PLC702")]
        return result.code, kept

    return check


WHOLE: dict[str, bytes | str] = {"1/model.onnx": MODEL, "1/weights.bin": DATA}


@pytest.mark.parametrize(
    "files",
    [
        WHOLE,
        {},
        {**WHOLE, "1/notes.txt": OTHER, "config.txt": OTHER},
        {**WHOLE, "1/model.onnx": POINTER % digest(MODEL).encode()},
        {**WHOLE, "1/model.onnx": OTHER, "2/model.onnx": MODEL, "2/weights.bin": DATA},
    ],
)
def test_what_was_measured_passes(told: Told, files: dict[str, bytes | str]) -> None:
    assert told(files) == (0, [])


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({**WHOLE, "1/model.onnx": OTHER}, f"the manifest deploys {digest(OTHER)[:12]}"),
        ({**WHOLE, "1/model.onnx": b""}, f"the manifest deploys {digest(b'')[:12]}"),
        (
            {**WHOLE, "1/model.onnx": POINTER % digest(OTHER).encode()},
            f"the manifest deploys {digest(OTHER)[:12]}",
        ),
        ({**WHOLE, "2/model.onnx": OTHER}, f"the manifest deploys {digest(OTHER)[:12]}"),
        ({**WHOLE, "1/weights.bin": OTHER}, "weights.bin beside counter/1/model.onnx is"),
    ],
)
def test_other_bytes_than_were_measured_prove_nothing(
    told: Told, files: dict[str, bytes | str], what: str
) -> None:
    code, messages = told(files)
    assert code == 5
    (message,) = messages
    assert what in message


GPUS = f'{CONFIG} cc_model_filenames [ {{ key: "7.5" value: "b.onnx" }} ]'


@pytest.mark.parametrize(
    ("files", "config", "code"),
    [
        ({**WHOLE, "1/b.onnx": MODEL}, GPUS, 0),
        ({**WHOLE, "1/b.onnx": OTHER}, GPUS, 5),
        (WHOLE, GPUS, 5),
        ({}, GPUS, 0),
        ({**WHOLE, "1/b.onnx": OTHER}, f"{GPUS} instance_group {{ kind: KIND_CPU }}", 0),
        ({**WHOLE, "1/b.onnx": MODEL}, GPUS.replace("b.onnx", "${FILE}"), 5),
    ],
)
def test_a_file_for_some_gpus_alone_may_be_what_is_served(
    told: Told, files: dict[str, bytes | str], config: str, code: int
) -> None:
    got, messages = told(files, config)
    assert got == code
    assert all("cc_model_filenames" in one for one in messages)
    assert len(messages) == (code == 5)


BARE = 'name: "counter" max_batch_size: 0 instance_group [ { kind: KIND_CPU } ]'


@pytest.mark.parametrize(
    ("config", "files", "code"),
    [
        (BARE, {"1/model.onnx": MODEL, "1/weights.bin": DATA}, 0),
        (BARE, {"1/model.onnx": OTHER, "1/weights.bin": DATA}, 5),
        (BARE, {"1/model.onnx": MODEL, "1/weights.bin": DATA, "1/model.plan": OTHER}, 5),
    ],
)
def test_without_a_backend_the_file_that_lies_there_is_what_is_served(
    told: Told, config: str, files: dict[str, bytes | str], code: int
) -> None:
    got, messages = told(files, config)
    assert (got, bool(messages)) == (code, code != 0), messages


def test_two_versions_of_other_bytes_that_are_served_are_not_known(told: Told) -> None:
    code, (message,) = told(
        {**WHOLE, "2/model.onnx": OTHER}, f"{CONFIG} version_policy {{all {{}}}}"
    )
    assert code == 5
    assert "several digests are stated for its model" in message


@pytest.mark.parametrize("name", ["model.onnx", "weights.bin"])
def test_a_link_is_what_it_leads_to(told: Told, tmp_path: Path, name: str) -> None:
    (tmp_path / "away").write_bytes(OTHER)
    code, (message,) = told({**WHOLE, f"1/{name}": str(tmp_path / "away")})
    assert code == 5
    assert digest(OTHER)[:12] in message


def test_a_link_to_what_was_measured_passes(told: Told, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(MODEL)
    assert told({**WHOLE, "1/model.onnx": str(tmp_path / "blob")}) == (0, [])


def test_a_version_that_is_a_link_is_what_it_leads_to(told: Told, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(OTHER)
    assert told({**WHOLE, "2": str(tmp_path)})[0] == 5


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"1/model.onnx": "nowhere"}, "model.onnx is a link to what is not there"),
        ({**WHOLE, "2": "nowhere"}, "model.onnx is a link to what is not there"),
        ({"1/model.onnx/model.onnx": MODEL}, "model.onnx is a directory"),
        ({"1/model.onnx": "/dev/null"}, "model.onnx is no file that can be read"),
        ({**WHOLE, "1/weights.bin": "nowhere"}, "weights.bin beside counter/1/model.onnx is unkn"),
    ],
)
def test_what_is_no_file_is_not_known(told: Told, files: dict[str, bytes | str], why: str) -> None:
    code, (message,) = told(files)
    assert code == 5
    assert why in message


def test_a_saved_model_is_a_directory(told: Told) -> None:
    config = CONFIG.replace("onnxruntime_onnx", "tensorflow_savedmodel")
    _, messages = told({"1/model.savedmodel/saved_model.pb": MODEL}, config)
    assert not any("is a directory" in one for one in messages)


@pytest.mark.parametrize("name", ["../../../placer.yaml", "../2/model.onnx", "/etc/hostname"])
def test_a_name_that_leads_out_of_the_version_is_not_read(told: Told, name: str) -> None:
    files = {**WHOLE, "2/model.onnx": MODEL}
    policy = "version_policy { specific { versions: 1 } }"
    code, (message,) = told(files, f'{CONFIG} {policy} default_model_filename: "{name}"')
    assert code == 5
    assert "does not lie in the directory of the version" in message


@pytest.mark.parametrize(("content", "code"), [(MODEL, 0), (OTHER, 5)])
def test_a_file_in_a_folder_of_the_version_is_read(told: Told, content: bytes, code: int) -> None:
    config = f'{CONFIG} default_model_filename: "sub/model.onnx"'
    assert told({"1/sub/model.onnx": content}, config)[0] == code


def test_a_file_name_that_is_filled_in_later_is_not_known(told: Told) -> None:
    code, (message,) = told(WHOLE, f'{CONFIG} default_model_filename: "${{file}}"')
    assert code == 5
    assert "filled in later: which model that is, is not known" in message


@pytest.mark.parametrize(
    ("stated", "what"),
    [
        ('name: "x" data_type: TYPE_FP32 dims: [ 1, 3, 64, 64 ]', ""),
        ('name: "x" data_type: TYPE_FP16 dims: [ 1, 3, 64, 64 ]', "the input 'x' as float16"),
        ('name: "x" data_type: TYPE_STRING', "the input 'x' as string"),
        ('name: "z" data_type: TYPE_FP32 dims: [ 1, 3, 64, 64 ]', "an input 'z'"),
        ('name: "z" data_type: TYPE_FP32', "an input 'z'"),
        ('name: "z"', "an input 'z'"),
    ],
)
def test_inputs_have_the_names_and_types_of_the_model(told: Told, stated: str, what: str) -> None:
    code, messages = told(WHOLE, f"{CONFIG} input {{ {stated} }}")
    assert (code, len(messages)) == ((5, 1) if what else (0, 0)), messages
    assert all(what in message for message in messages)


@pytest.mark.parametrize(
    ("stated", "key"),
    [
        ('dims: [ 1, 3, 64, 64 ] data_type: TYPE_FP32 name: "z"', '"z"'),
        ('dims: [ 1, 3, 64, 64 ] name: "x" data_type: TYPE_FP16', "TYPE_FP16"),
        ('data_type: TYPE_FP32 name: "x" dims: [ 9, 3, 64, 64 ]', "9"),
    ],
)
def test_the_finding_is_at_the_word_that_differs(
    told: Told, run: Run, stated: str, key: str
) -> None:
    text = f"{CONFIG} input {{ {stated} }}"
    told(WHOLE, text)
    found = json.loads(run("check", "deploy", *OPTIONS).out)["findings"]
    (place,) = [one["place"] for one in found if one["rule"] == "PLC612"]
    assert place["column"] == text.index(key) + 1


def test_a_shape_that_was_not_measured_is_asked_for_as_it_is_stated(told: Told, run: Run) -> None:
    stated = 'input { name: "x" data_type: TYPE_FP32 dims: [ -1, 3, 32, 32 ] }'
    code, _ = told(WHOLE, f"{CONFIG} {stated}")
    assert code == 5
    (found,) = json.loads(run("check", "deploy", *OPTIONS).out)["findings"]
    assert "`model: {shapes: {x: [1, 3, 32, 32]}}` in workloads/counter.yaml" in found["remedy"]
    assert " --shape x=1,3,32,32 " in found["remedy"]


EVERY_FIELD = """
    runtime: "libtriton.so" max_batch_size: 0 metric_tags { key: "a" value: "b" }
    input { name: "x" data_type: TYPE_FP32 dims: [ 1, 3, 64, 64 ] format: FORMAT_NCHW
      is_shape_tensor: false allow_ragged_batch: false optional: false
      is_non_linear_format_io: false }
    output [ { name: "y" dims: [ 1 ] label_filename: "l.txt" is_shape_tensor: false
      is_non_linear_format_io: false reshape { shape: [ ] } } ]
    batch_input { kind: BATCH_ELEMENT_COUNT } batch_output { target_name: "y" }
    version_policy { latest { num_versions: 1 } } cc_model_filenames { key: "8.0" value: "m" }
    optimization { graph { level: 1 } priority: PRIORITY_MAX cuda { graphs: true }
      input_pinned_memory { enable: true } output_pinned_memory { enable: true }
      gather_kernel_buffer_threshold: 1 eager_batching: true execution_accelerators { } }
    instance_group [ { name: "a" kind: KIND_CPU count: 1 passive: false host_policy: "cpu"
      profile: [ "0" ] rate_limiter { priority: 1 } } ]
    parameters { key: "a" value { string_value: "b" } } model_warmup { name: "w" batch_size: 1 }
    model_operations { op_library_filename: "a.so" } model_transaction_policy { decoupled: false }
    model_repository_agents { agents { name: "a" } } response_cache { enable: false }
    model_metrics { metric_control { metric_identifier { family: "f" } } }
"""


def test_every_field_of_a_configuration_is_known(told: Told) -> None:
    assert told(WHOLE, CONFIG + EVERY_FIELD) == (0, [])


@pytest.mark.parametrize(
    ("field", "remedy"),
    [
        ("max_batchsize: 0", "write 'max_batch_size'"),
        ("instance_groups [ { kind: KIND_CPU } ]", "write 'instance_group'"),
        ("instance_group { kid: KIND_CPU }", "write 'kind'"),
        ('inputs { name: "x" }', "write 'input'"),
        ('input { nam: "x" }', "write 'name'"),
        ("count: 1", "move it to 'instance_group'"),
        ("ensemble: 1", "take it out"),
        ("model_transaction_policy { decouple: true }", "write 'decoupled'"),
        ("dynamic_batching { default_queue_policy { max_queue: 8 } }", "take it out"),
        ("optimization { cuda { graph: true } }", "write 'graphs'"),
        ("version_policy { latest { num_version: 2 } }", "write 'num_versions'"),
        ("instance_group { rate_limiter { resource { name: 'a' } } }", "write 'resources'"),
        ("parameters { key: 'a' value { str_value: 'b' } }", "write 'string_value'"),
    ],
)
def test_a_field_that_triton_does_not_know_is_an_error_as_it_refuses_the_file(
    told: Told, run: Run, field: str, remedy: str
) -> None:
    assert told(WHOLE, CONFIG + field)[0] == 1
    (found,) = json.loads(run("check", "deploy", *OPTIONS).out)["findings"]
    assert (found["rule"], found["outcome"], found["remedy"]) == ("PLC710", "fail", remedy)
    assert "Triton" in found["message"]
