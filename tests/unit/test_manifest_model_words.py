"""Names that may speak of a model, and the values that tell whether they do."""

from __future__ import annotations

import pytest

from placer.core.deployment import Place, Stated
from placer.manifests.models import is_model_variable, models_of_arguments, models_of_variable

HERE = Place("a.yaml", 1, 1, 1, 2)


def by_variable(name: str, value: str) -> list[str]:
    return [one.uri.value for one in models_of_variable(name, Stated(value, HERE))]


def by_words(*words: str) -> list[str]:
    return [one.uri.value for one in models_of_arguments([Stated(one, HERE) for one in words])]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_ENGINE", "django.db.backends.postgresql"),
        ("DB_ENGINE", "${DB_ENGINE}"),
        ("SEARCH_ENGINE_ID", "abc"),
        ("AI_ENGINE_URL", "ai-inference:50051"),
        ("AI_ENGINE_URL", "http://ai-inference:8080/"),
        ("AI_ENGINE_URL", "grpc://ai-inference:50051"),
        ("INFERENCE_ENGINE", "onnx"),
        ("ASR_ENGINE", "whisper"),
        ("TEMPLATE_ENGINE", "jinja2"),
        ("ENGINE", "vllm"),
        ("DEVICE_MODEL", "rpi4"),
        ("CAMERA_MODEL", "imx219"),
        ("FRONT_CAMERA_MODEL", "HQ v1.2"),
        ("SCORE_WEIGHTS", "0.2,0.8"),
        ("WEIGHTS", "0.5"),
        ("ROUTING_WEIGHTS", "a:1, b:2"),
        ("LOSS_WEIGHTS", '{"a": 1, "b": .5}'),
        ("USE_ONNX", "true"),
        ("ENABLE_TFLITE", "0"),
    ],
)
def test_a_doubtful_name_whose_value_is_no_model_names_none(name: str, value: str) -> None:
    assert by_variable(name, value) == []
    option = f"--{name.lower().replace('_', '-')}"
    assert by_words("serve", option, value) == []
    assert by_words(f"serve {option}='{value}'") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRT_ENGINE", "/m/x.engine"),
        ("TRT_ENGINE", "resnet50"),
        ("ENGINE", "x.plan"),
        ("ENGINE", "${ENGINE}"),
        ("ENGINE", "{{ .Values.engine }}"),
        ("ENGINE_DIR", "/engines/chat"),
        ("ENGINE_PATH", "chat"),
        ("ENGINE_URL", "https://h.example/engines/chat"),
        ("ENGINE_URI", "s3://b/chat"),
        ("INFERENCE_ENGINE", "models/chat"),
        ("WEIGHTS", "yolov5s"),
        ("WEIGHTS", "yolov5s.pt"),
        ("YOLO_WEIGHTS", "/w/yolo"),
        ("WEIGHTS", "resnet 50"),
        ("MODEL_WEIGHTS", "0.5"),
        ("CAMERA_MODEL", "/models/camera"),
        ("CAMERA_MODEL", "camera.onnx"),
        ("CAMERA_MODEL", "yolov8n"),
        ("DEVICE_MODEL", "$MODEL"),
        ("DEVICE_MODEL_PATH", "net"),
        ("ASR_MODEL", "medium"),
        ("MODEL", "v2"),
        ("ONNX_PATH", "net"),
        ("SEARCH_ENGINE_DIR", "/models/search"),
        ("STORAGE_URI", "s3://b/net"),
    ],
)
def test_a_name_that_says_model_and_a_value_that_may_be_one_count(name: str, value: str) -> None:
    assert by_variable(name, value) == [value]


@pytest.mark.parametrize(
    ("words", "models"),
    [
        (["mysqld", "--storage-engine", "InnoDB"], []),
        (["mysqld", "--storage-engine=InnoDB"], []),
        (["mysqld --storage-engine InnoDB --x 1"], []),
        (["serve", "--engine", "/m/chat"], ["/m/chat"]),
        (["serve", "--engine", "x.plan"], ["x.plan"]),
        (["serve", "--weights", "0.2,0.8", "--model", "m"], ["m"]),
        (["serve", "--device-model", "rpi4", "/m/a.onnx"], ["/m/a.onnx"]),
        (["serve", "--device-model", "rpi4", "--model"], ["--model=<value>"]),
        (["serve", "--camera-model"], ["--camera-model=<value>"]),
    ],
)
def test_options_are_held_to_their_values_alike(words: list[str], models: list[str]) -> None:
    assert by_words(*words) == models


def test_a_value_from_elsewhere_may_be_a_model_where_the_name_may_speak_of_one() -> None:
    assert is_model_variable("MODEL_PATH")
    assert is_model_variable("CAMERA_MODEL")
    assert not is_model_variable("DB_ENGINE")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (f"MODEL_{one}_{end}", "s3://o/m/v9/")
            for one in ("S3", "GCS")
            for end in ("URI", "PATH")
        ),
        ("MODEL_BLOB_URL", "https://a.blob.core.windows.net/models/v3"),
        ("MODEL_DOWNLOAD_URL", "https://host/m/v3"),
        ("MODEL_ARTIFACT_URI", "gs://b/m"),
        ("MODEL_REGISTRY_URI", "oci://r/m:1"),
        ("COUNTER_MODEL_WEB_URL", "https://host/m.tar.gz"),
    ],
)
def test_a_name_that_says_where_a_model_is_stored_names_one(name: str, value: str) -> None:
    assert by_variable(name, value) == [value]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODEL_SERVER_URL", "http://triton:8000/v2/models/m/infer"),
        ("MODEL_SERVER_URL", "grpc://triton:8001"),
        ("MODEL_REGISTRY_URI", "http://mlflow:5000"),
        ("MODEL_REGISTRY_URI", "postgresql://u@db/mlflow"),
        ("MODEL_OUTPUT_PATH", "s3://o/results"),
        ("MODEL_METRICS_S3_URI", "s3://o/metrics"),
        ("MODEL_S3_PATH", "models/v3"),
        ("MODEL_S3_URI", ""),
    ],
)
def test_services_and_what_else_is_stored_name_no_model(name: str, value: str) -> None:
    assert by_variable(name, value) == []
