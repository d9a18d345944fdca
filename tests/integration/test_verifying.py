"""`placer verify` against a real server of the Open Inference Protocol, over HTTP and gRPC."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from tests import inference_server, models
from tests.inference_server import MODEL, InferenceServer

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "01_digits" / "digits.onnx"
HALF = "half"
SITE = "aws-c7i.xlarge@us-east-1"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceServer]:
    inference_server.need()
    folder = tmp_path_factory.mktemp("kserve")
    served = {MODEL: DIGITS, HALF: half(folder)}
    with inference_server.serving_all(served, folder / "log") as server:
        yield server


def half(folder: Path) -> Path:
    """Write a model whose tensors are float16."""
    x, y = (models.tensor(name, (1, 64), "float16") for name in "xy")
    path = folder / f"{HALF}.onnx"
    onnx.save(models.build([helper.make_node("Relu", ["x"], ["y"])], [x], [y]), path)
    return path


def placer(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "placer", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recommendation whose intervals nothing misses: which time is right is not asked here."""
    folder = tmp_path_factory.mktemp("answer")
    words = ("--sla", "p50=1s", "--sla", "p90=2s", "--sla", "3s", "--time-limit", "2s")
    found = placer(
        folder,
        *("recommend", str(DIGITS), "--cloud", SITE, "--ep", "cpu", *words),
        *("--save", "answer.json"),
    )
    assert found.returncode in (0, 5), found.stderr
    document = json.loads((folder / "answer.json").read_text())
    for candidate in document["candidates"]:
        for target in candidate["targets"]:
            target["low_s"], target["high_s"] = 1e-9, 1e3
    (folder / "answer.json").write_text(json.dumps(document))
    return folder


def cloud(document: Any) -> Any:
    return next(one for one in document["candidates"] if one["id"] == f"cloud:{SITE}")


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_real_server_is_asked(answer: Path, inference: InferenceServer, scheme: str) -> None:
    port = inference.http_port if scheme == "http" else inference.grpc_port
    url = f"{scheme}://127.0.0.1:{port}"
    done = placer(
        answer,
        *("verify", "answer.json", "--endpoint", url, "--endpoint-model", MODEL),
        *("--time-limit", "3s", "--format", "json"),
    )
    document = json.loads(done.stdout)
    assert done.returncode == {"within": 0, "undecided": 5}[document["outcome"]], done.stderr
    found = cloud(document)
    for quantile in found["quantiles"]:  # on a busy machine p99 has no bound
        assert quantile["outcome"] == "within" or "do not bound it" in quantile["reason"]
    assert found["quantiles"][0]["outcome"] == "within"
    assert found["where"] == f"{url}, {MODEL}"
    assert found["runs"] >= 30
    assert 0 < found["quantiles"][0]["measured"]["value_s"] < 1


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_real_server_of_float16_answers_in_bytes(
    tmp_path: Path, inference: InferenceServer, scheme: str
) -> None:
    """JSON has no float16."""
    words = ("--cloud", SITE, "--ep", "cpu", "--sla", "1s", "--time-limit", "2s")
    half(tmp_path)
    done = placer(tmp_path, "recommend", f"{HALF}.onnx", *words, "--save", "answer.json")
    assert done.returncode in (0, 5), done.stderr
    port = inference.http_port if scheme == "http" else inference.grpc_port
    url = f"{scheme}://127.0.0.1:{port}"
    asked = ("--endpoint", url, "--endpoint-model", HALF, "--time-limit", "2s")
    done = placer(tmp_path, "verify", "answer.json", *asked, "--format", "json")
    assert done.returncode in (0, 1, 5), done.stderr  # no time of float16 there is predicted
    assert cloud(json.loads(done.stdout))["runs"] >= 30


def test_a_real_server_that_does_not_know_the_model_is_3(
    answer: Path, inference: InferenceServer
) -> None:
    url = f"http://127.0.0.1:{inference.http_port}"
    words = ("verify", "answer.json", "--endpoint", url, "--endpoint-model", "digit")
    done = placer(answer, *words)
    assert done.returncode == 3
    assert "does not know the model 'digit'" in done.stderr
