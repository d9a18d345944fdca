"""LiteRT, for real: what ran where, the same network as in ONNX Runtime, faults of the package."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placer.api import formats
from placer.core.measurement import SessionSettings
from placer.core.runtime import SessionRequest, UnavailableError, UnsupportedModelError
from placer.onnx_files.inputs import load_inputs
from placer.profiling.outputs import read_outputs
from placer.runtimes import litert
from tests import tflite_models
from tests.tflite_models import DIGITS, Op

ONNX_DIGITS = DIGITS.parent / "01_digits"
QUICK = ("--sla", "1s", "--threads", "1")


def session(path: str, ep: str, folder: Path, *, threads: int = 1) -> litert.LiteRtSession:
    """Open a model with generated inputs, in this process."""
    inputs = str(folder / "inputs.npz")
    formats.generate_inputs(formats.read_model(path)).save(inputs)
    settings = SessionSettings(threads, allow_spinning=None)
    return litert.open_session(SessionRequest(path, ep, settings, inputs, ()))


def placer(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "placer", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "COLUMNS": "100", **environment},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


# --- what ran where -------------------------------------------------------------------------


def test_the_delegate_takes_every_node_of_the_digits(tmp_path: Path) -> None:
    found = session(str(DIGITS / "digits.tflite"), "xnnpack", tmp_path)
    assert found.nodes_by_ep() == (("xnnpack", 11),)
    assert found.fallback() == ()
    assert found.runtime == litert.runtime_version()


def test_without_the_delegate_its_own_kernels_run_every_node(tmp_path: Path) -> None:
    found = session(str(DIGITS / "digits.tflite"), "cpu", tmp_path)
    assert found.nodes_by_ep() == (("cpu", 11),)
    assert found.fallback() == ()


def test_nodes_that_the_delegate_leaves_are_told(tmp_path: Path) -> None:
    """XNNPACK has no softmax of int8: what is before and after it are two parts."""
    found = session(str(DIGITS / "digits-int8.tflite"), "xnnpack", tmp_path)
    assert found.nodes_by_ep() == (("xnnpack", 12), ("cpu", 1))
    assert found.fallback() == (("SOFTMAX", 1),)


def test_a_delegate_that_takes_nothing_is_unavailable(tmp_path: Path) -> None:
    path = tflite_models.lookup(str(tmp_path / "m.tflite"))
    with pytest.raises(UnavailableError, match="none of the 1 nodes ran on xnnpack"):
        session(path, "xnnpack", tmp_path).nodes_by_ep()
    assert session(path, "cpu", tmp_path).nodes_by_ep() == (("cpu", 1),)


def test_an_operator_that_the_runtime_lacks_makes_the_model_unsupported(tmp_path: Path) -> None:
    path = tflite_models.dense(str(tmp_path / "m.tflite"), then=Op("custom:Nope", ("h",), ("y",)))
    with pytest.raises(UnsupportedModelError, match="unresolved custom op: Nope"):
        session(path, "cpu", tmp_path)


# --- answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("ep", litert.EPS)
def test_both_runtimes_answer_the_same_on_the_real_samples(ep: str, tmp_path: Path) -> None:
    inputs = load_inputs(
        str(DIGITS / "samples.npz"), formats.read_model(str(DIGITS / "digits.tflite")).inputs
    )
    path = str(tmp_path / "inputs.npz")
    inputs.save(path)
    arguments: dict[str, Any] = {"dtypes": (), "time_limit_s": 30.0}
    found = read_outputs(litert.MODULE, str(DIGITS / "digits.tflite"), ep, path, **arguments)
    images = load_inputs(
        str(ONNX_DIGITS / "samples.npz"),
        formats.read_model(str(ONNX_DIGITS / "digits.onnx")).inputs,
    )
    images.save(path)
    wanted = read_outputs(
        "placer.runtimes.onnxruntime", str(ONNX_DIGITS / "digits.onnx"), "cpu", path, **arguments
    )
    (probabilities,), (expected,) = found.values(), wanted.values()
    assert probabilities.shape == expected.shape == (64, 1, 10)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert len(np.unique(expected.argmax(axis=-1))) == 10  # the samples took turns


def test_integer_answers_are_told_as_the_numbers_that_they_stand_for(tmp_path: Path) -> None:
    path = tflite_models.quantised(str(tmp_path / "m.tflite"), "uint8")
    opened = session(path, "cpu", tmp_path)
    (y,) = opened.outputs().values()
    with np.load(tmp_path / "inputs.npz") as archive:
        x = archive["x"][0].astype(np.float64)
    doubled = np.clip(2 * 0.1 * (x - 128), -128 * 0.2, 127 * 0.2)
    mean = doubled.reshape(1, 2, 2, 2, 2, 8).mean(axis=(2, 4))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y[0], mean, atol=0.2)  # one step of the output


def test_the_runtime_gives_an_open_dimension_the_size_of_the_sample(tmp_path: Path) -> None:
    path = tflite_models.dense(str(tmp_path / "m.tflite"), rows=-1)
    summary = formats.read_model(path, shapes={"x": (5, 64)})
    inputs = str(tmp_path / "inputs.npz")
    formats.generate_inputs(summary).save(inputs)
    request = SessionRequest(path, "xnnpack", SessionSettings(1, allow_spinning=None), inputs, ())
    opened = litert.open_session(request)
    assert opened.nodes_by_ep() == (("xnnpack", 1),)
    assert opened.outputs()["0"].shape == (1, 5, 64)


# --- the commands ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the evidence of both execution providers, and a cache with it."""
    folder = tmp_path_factory.mktemp("litert")
    done = placer(
        "profile", str(DIGITS / "digits.tflite"), "--sla", "1s", "--save", f"{folder}/",
        "--output", f"json={folder}/profile", "--output", "text",
        "--inputs", str(DIGITS / "samples.npz"), XDG_CACHE_HOME=str(folder),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder / "report.txt").write_text(done.stdout)
    return folder


def test_profile_measures_both_and_holds_them_against_each_other(profiled: Path) -> None:
    document = json.loads((profiled / "profile").read_text())
    assert document["model"]["format"] == "tflite"
    assert document["failures"] == []
    runtimes = {
        one["predicate"]["runtime"]["ep"]: one["predicate"]["runtime"]
        for one in document["measurements"]
    }
    assert list(runtimes) == ["xnnpack", "cpu"]
    for runtime in runtimes.values():
        assert (runtime["name"], runtime["version"]) == ("litert", litert.installed_version())
        assert runtime["settings"]["allow_spinning"] is None
    assert runtimes["cpu"]["parity"] is None
    parity = runtimes["xnnpack"]["parity"]
    assert parity["samples"] == 500  # all of them: the 64 that are timed prove too little
    assert 0 < parity["relative_difference"] < 1e-5
    assert parity["agreement_ratio"] == 1.0
    for one in document["measurements"]:
        processes = one["predicate"]["results"]["processes"]
        assert len(processes) == 3
        assert all(run["peak_memory_bytes"] > run["runtime_memory_bytes"] for run in processes)
        tried = one["predicate"]["method"]["screened"]
        assert all(setting["settings"]["allow_spinning"] is None for setting in tried)
    text = (profiled / "report.txt").read_text()
    assert f"xnnpack: litert {litert.installed_version()}, " in text
    assert "11 nodes on xnnpack" in text
    assert "spinning" not in text


def test_evidence_is_used_again_and_a_cache_as_well(profiled: Path) -> None:
    again = placer(
        "recommend", str(DIGITS / "digits.tflite"), "--sla", "1s", "--no-measure",
        "--evidence", str(profiled / "digits-xnnpack.json"), "--format", "json",
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    answer = json.loads(again.stdout)
    assert answer["decision"]["candidate"] == "edge:xnnpack"
    clouds = [one for one in answer["candidates"] if one["placement"] == "cloud"]
    assert clouds
    for cloud in clouds:
        assert cloud["verdict"] == "unproven"
        assert cloud["latency_s"] is None
        reasons = " ".join(target["reason"] for target in cloud["targets"])
        assert "says nothing about LiteRT" in reasons
    cached = placer(
        "profile", str(DIGITS / "digits.tflite"), "--sla", "1s", "--ep", "cpu",
        "--inputs", str(DIGITS / "samples.npz"), XDG_CACHE_HOME=str(profiled),
    )  # fmt: skip
    assert "measured before on this machine, reused" in cached.stderr


def test_a_device_of_the_catalogue_has_no_time_by_another_runtime() -> None:
    done = placer(
        "recommend", str(DIGITS / "digits.tflite"), "--sla", "1s", "--device", "rpi5", "--format",
        "json",
    )  # fmt: skip
    assert done.returncode == 5
    (edge,) = (one for one in json.loads(done.stdout)["candidates"] if one["placement"] == "edge")
    assert edge["sites"][0]["ep"] == "xnnpack"
    assert "says nothing about LiteRT" in edge["targets"][0]["reason"]


def test_int8_is_a_variant_that_is_held_against_the_real_samples(tmp_path: Path) -> None:
    done = placer(
        "recommend", str(DIGITS / "digits.tflite"), *QUICK, "--ep", "xnnpack", "--format", "json",
        "--inputs", str(DIGITS / "samples.npz"), "--min-agreement", "98%",
        "--variant", str(DIGITS / "digits-int8.tflite"), "--labels", str(DIGITS / "labels.npy"),
        XDG_CACHE_HOME=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    candidates = {one["id"]: one for one in json.loads(done.stdout)["candidates"]}
    assert candidates["edge:xnnpack~digits-int8"]["agreement_ratio"] == 1.0
    assert candidates["edge:xnnpack~digits-int8"]["accuracy_ratio"] > 0.99


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--ep", "cuda"), 2, "has no execution provider 'cuda'"),
        (("--spinning",), 2, "has no setting for spinning"),
        (("--no-spinning",), 2, "has no setting for spinning"),
        (("--shape", "image=1,9,9,1"), 2, "contradicts the model"),
        (("--inputs", str(ONNX_DIGITS / "samples.npz")), 2, "has the shape"),
    ],
)
@pytest.mark.parametrize("command", ["profile", "recommend"])
def test_what_does_not_fit_is_refused(
    command: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = placer(command, str(DIGITS / "digits.tflite"), *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "hint: " in done.stderr


def test_a_variant_in_another_format_is_refused() -> None:
    done = placer(
        "recommend", str(ONNX_DIGITS / "digits.onnx"), "--variant", str(DIGITS / "digits.tflite")
    )
    assert done.returncode == 2
    assert "their inputs are laid out in different ways" in done.stderr


def test_a_model_that_the_runtime_refuses_ends_with_its_reason(tmp_path: Path) -> None:
    path = tflite_models.dense(str(tmp_path / "m.tflite"), then=Op("custom:Nope", ("h",), ("y",)))
    done = placer("profile", path, *QUICK)
    assert done.returncode == 4
    assert "unresolved custom op: Nope" in done.stderr
    assert "work unknown for: custom::Nope" in done.stdout


def test_a_delegate_that_takes_nothing_fails_where_it_was_named(tmp_path: Path) -> None:
    path = tflite_models.lookup(str(tmp_path / "m.tflite"))
    named = placer("profile", path, *QUICK, "--ep", "xnnpack")
    assert named.returncode == 4
    assert "none of the 1 nodes ran on xnnpack" in named.stderr
    both = placer("profile", path, *QUICK, "--format", "json")
    assert both.returncode == 0
    document = json.loads(both.stdout)
    assert [one["predicate"]["runtime"]["ep"] for one in document["measurements"]] == ["cpu"]
    assert document["failures"][0]["ep"] == "xnnpack"


def test_a_workload_file_is_begun_for_it(tmp_path: Path) -> None:
    done = placer("init", str(DIGITS / "digits.tflite"), "--save", str(tmp_path / "w.yaml"))
    assert done.returncode == 0, done.stderr
    assert "digits.tflite" in (tmp_path / "w.yaml").read_text()


# --- faults of the package ------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of LiteRT's package that comes first on the path; large files are links."""
    spec = importlib.util.find_spec("ai_edge_litert")
    assert spec is not None
    assert spec.submodule_search_locations
    real = Path(next(iter(spec.submodule_search_locations)))
    copy = tmp_path / "site" / "ai_edge_litert"
    shutil.copytree(
        real, copy, copy_function=os.symlink, ignore=shutil.ignore_patterns("__pycache__")
    )
    return copy


def test_without_the_package_placer_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['ai_edge_litert'] = None\n")
    done = placer("profile", str(DIGITS / "digits.tflite"), PYTHONPATH=str(tmp_path))
    assert done.returncode == 3
    assert "ai-edge-litert is not installed" in done.stderr
    assert "pip install ai-edge-litert" in done.stderr
    doctor = placer("doctor", PYTHONPATH=str(tmp_path))
    assert doctor.returncode == 0
    assert "pip install ai-edge-litert" in doctor.stdout


def test_a_package_without_its_libraries_is_unavailable(copied: Path) -> None:
    (copied / "libpywrap_litert_common.so").unlink()
    path = str(copied.parent)
    done = placer("profile", str(DIGITS / "digits.tflite"), *QUICK, PYTHONPATH=path)
    assert done.returncode == 4
    assert "xnnpack: unavailable: ai-edge-litert does not load" in done.stdout
    facts = json.loads(placer("doctor", "--format", "json", PYTHONPATH=path).stdout)
    assert "does not load" in facts["litert"]["problem"]
    assert facts["litert"]["execution_providers"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="how a loader takes a short file is Linux's")
def test_a_library_that_kills_the_process_is_told(copied: Path) -> None:
    library = copied / "libpywrap_litert_common.so"
    content = library.read_bytes()
    library.unlink()
    library.write_bytes(content[: len(content) // 2])
    done = placer("profile", str(DIGITS / "digits.tflite"), *QUICK, PYTHONPATH=str(copied.parent))
    assert done.returncode == 4
    assert "crashed" in done.stdout or "does not load" in done.stdout


@pytest.mark.slow  # the time limit, and 10 s of grace
def test_a_model_that_never_ends_is_given_up(tmp_path: Path) -> None:
    path = tflite_models.endless(str(tmp_path / "m.tflite"))
    done = placer("profile", path, *QUICK, "--ep", "cpu", "--time-limit", "1s")
    assert done.returncode == 4
    assert "hung" in done.stdout
    assert "it was ended" in done.stderr
