"""Models that a server is told as a plain word, or by the name that they have on a hub."""

from __future__ import annotations

import io
import json

import pytest

from placer.core.deployment import Place, Stated
from placer.manifests.named_models import models_named
from placer.manifests.reading import read_manifests

HERE = Place("a.yaml", 1, 1, 1, 2)


def named(*arguments: str, image: str = "", **variables: str) -> list[str]:
    """The models of a container, in the order in which it names them."""
    words = [Stated(one, HERE) for one in arguments]
    values = [(name, Stated(value, HERE)) for name, value in variables.items()]
    told = Stated(image, HERE) if image else None
    return [one.uri.value for one in models_named(words, values, told)]


def models_in(value: object) -> list[str]:
    found = read_manifests(["-"], stdin=io.BytesIO(json.dumps(value).encode()))
    return [model.uri.value for one in found.deployed for model in one.models]


def pod(*containers: object, **more: object) -> dict[str, object]:
    spec = {"containers": list(containers), **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


@pytest.mark.parametrize(
    ("words", "model"),
    [
        (["vllm serve mistralai/M"], "mistralai/M"),
        (["vllm serve mistralai/M --trust-remote-code"], "mistralai/M"),
        (["sh", "-c", "sleep 1 && exec vllm serve 'mistralai/M' --port 8"], "mistralai/M"),
        (["vllm", "serve", "mistralai/M", "--port", "8"], "mistralai/M"),
        (["vllm", "serve", "--port", "8", "--a=b", "mistralai/M"], "mistralai/M"),
        (["vllm", "serve mistralai/M --port 8"], "mistralai/M"),
        (["python3", "-m", "vllm.entrypoints.cli.main", "serve", "o/m"], "o/m"),
        (["/usr/bin/vllm", "serve", "/srv/net"], "/srv/net"),
        (["vllm serve {{ .Values.model }} --port 8"], "{{ .Values.model }}"),
        (["sh", "-c", "vllm serve ${NET}"], "${NET}"),
        (["ollama", "run", "llama3:8b", "say no"], "llama3:8b"),
        (["sh", "-c", "ollama serve & sleep 5; ollama pull llama3; wait"], "llama3"),
        (["text-generation-launcher", "--model-id", "o/m"], "o/m"),
        (["tritonserver", "--model-repository", "/srv/repo"], "/srv/repo"),
        (["python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "o/m"], "o/m"),
        (["llama-server", "-m", "/srv/net"], "/srv/net"),
        (["llama-server", "-hf", "o/m:Q4"], "o/m:Q4"),
        (["yolo", "predict", "model=yolo11n", "source=0"], "yolo11n"),
        (["mlflow", "models", "serve", "-m", "models:/net/1"], "models:/net/1"),
    ],
)
def test_a_model_is_read_where_its_server_expects_it(words: list[str], model: str) -> None:
    assert named(*words) == [model]


@pytest.mark.parametrize(
    ("words", "image", "models"),
    [
        (["serve", "o/m"], "vllm/vllm-openai:v0.8.5", ["o/m"]),
        (["serve o/m --port 8"], "vllm/vllm-openai@sha256:1", ["o/m"]),
        (["o/m", "--port", "8"], "vllm/vllm-openai:v0.11", ["o/m"]),
        (["vllm", "serve", "o/m"], "vllm/vllm-openai", ["o/m"]),
        (["vllm serve o/m"], "r.example:5000/vllm:1", ["o/m"]),
        (["--port", "8"], "vllm/vllm-openai", []),
        (["python3", "x"], "vllm/vllm-openai", []),
        (["--model", "o/m"], "vllm/vllm-openai", ["o/m"]),
        (["run", "llama3"], "ollama/ollama:latest", ["llama3"]),
        (["serve"], "ollama/ollama:latest", []),
        (["-m", "/srv/net"], "ghcr.io/ggml-org/llama.cpp:server", ["/srv/net"]),
        (["phi-2"], "quay.io/go-skynet/local-ai:v2", ["phi-2"]),
        (["models", "list"], "localai/localai:v2", []),
        (["--debug"], "localai/localai:v2", []),
        (["run", "phi-2"], "localai/localai:v2", ["phi-2"]),
        (["run", "phi-2"], "quay.io/go-skynet/local-ai:v2", ["phi-2"]),
        (["serve", "o/m"], "r.example/web:1", []),
        ([], "vllm/vllm-openai", []),
    ],
)
def test_words_alone_are_those_of_the_program_of_the_image(
    words: list[str], image: str, models: list[str]
) -> None:
    assert named(*words, image=image) == models


@pytest.mark.parametrize(
    "words", [["vllm", "serve"], ["vllm serve --config /c"], ["vllm serve --eager o/m"]]
)
def test_a_server_whose_model_cannot_be_told_has_one_that_nobody_knows(words: list[str]) -> None:
    assert named(*words) == ["<vllm-serve>"]
    assert named(*words, "--model", "o/n")[-1:] != ["<vllm-serve>"]


@pytest.mark.parametrize(
    "words", [["ollama", "list"], ["echo", "vllm"], ["bentoml", "serve", "a:b"]]
)
def test_other_words_of_a_server_name_no_model(words: list[str]) -> None:
    assert named(*words) == []


@pytest.mark.parametrize("name", ["MODEL_NAME", "LLM_MODEL_NAME", "MODEL_ID", "HF_MODEL_ID"])
def test_a_variable_with_the_name_that_a_model_has_on_a_hub_names_it(name: str) -> None:
    assert named(**{name: "google/gemma-3-1b-it"}) == ["google/gemma-3-1b-it"]


def test_the_name_under_which_a_model_is_served_is_no_model() -> None:
    assert named(MODEL_NAME="resnet") == []
    assert named(MODEL_NAME="${NAME}", MODEL_PATH="/m.onnx") == ["/m.onnx"]
    assert named(MODEL_NAME="${NAME}") == ["${NAME}"]


def test_the_image_of_a_container_is_asked_where_no_command_replaces_its_program() -> None:
    one = {"name": "c", "image": "vllm/vllm-openai:1", "args": ["serve", "o/m"]}
    assert models_in(pod(one)) == ["o/m"]
    assert models_in(pod({**one, "command": ["other"]})) == []
    service = {"image": "vllm/vllm-openai:1", "command": "serve o/m --port 8"}
    assert models_in({"services": {"s": service}}) == ["o/m"]
    assert models_in({"services": {"s": {**service, "entrypoint": "vllm"}}}) == ["o/m"]


def test_what_a_hook_or_an_init_container_pulls_is_the_model_of_the_server() -> None:
    pulling = ["sh", "-c", "ollama pull llama3"]
    server = {"name": "c", "image": "ollama/ollama:1"}
    hook = {"postStart": {"exec": {"command": pulling}}}
    assert models_in(pod({**server, "lifecycle": hook})) == ["llama3"]
    both = ["sh", "-c", "ollama serve & sleep 5; ollama pull llama3; wait"]
    assert models_in(pod({**server, "command": both})) == ["llama3"]
    first = {"name": "f", "image": "ollama/ollama:1", "command": pulling}
    assert models_in(pod(server, initContainers=[first])) == ["llama3"]
    assert models_in(pod(server, initContainers=[{**server, "args": ["pull", "x"]}])) == ["x"]
    service = {"image": "ollama/ollama:1", "post_start": [{"command": pulling}]}
    assert models_in({"services": {"s": service}}) == ["llama3"]


def test_scripts_of_greengrass_name_models_alike() -> None:
    recipe = {"ComponentName": "a", "ComponentVersion": "1.0.0"}
    script = {"Lifecycle": {"Run": "vllm serve o/m"}}
    assert models_in({**recipe, "Manifests": [script]}) == ["o/m"]
