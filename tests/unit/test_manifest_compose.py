from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from placer.core.deployment import Deployed, Manifests, words_of_label
from placer.manifests.reading import read_manifests


def read(service: dict[str, object]) -> Manifests:
    text = json.dumps({"services": {"a": {"image": "a:1", **service}}})
    return read_manifests(["-"], stdin=io.BytesIO(text.encode()))


def one(service: dict[str, object]) -> Deployed:
    (deployed,) = read(service).deployed
    return deployed


@pytest.mark.parametrize(
    ("text", "amount_bytes"),
    [
        ("512m", 512 * 2**20),
        ("1.5GB", 3 * 2**29),
        ("2GiB", 2**31),
        ("64 kb", 2**16),
        (1000, 1000),
        ("1000b", 1000),
        (".5g", 2**29),
        ("+5.k", 5 * 2**10),
        ("1e9", 10**9),
        ("${MEM}", None),
        (0, None),
    ],
)
def test_an_amount_of_memory_is_in_units_of_1024(text: object, amount_bytes: int | None) -> None:
    found = read({"mem_limit": text})
    limit = found.deployed[0].resources.memory_limit_bytes
    assert (limit and limit.value) == amount_bytes
    assert found.defects == ()


@pytest.mark.parametrize("text", ["512 megs", "-1g", "1,5g", "many", "108Mi", "512mi", "."])
def test_what_is_no_amount_is_a_defect(text: str) -> None:
    (defect,) = read({"mem_limit": text}).defects
    assert defect.kind == "bad_value"


def test_limits_of_deploy_come_before_those_of_version_2() -> None:
    found = one({"mem_limit": "1g", "deploy": {"resources": {"limits": {"memory": "2g"}}}})
    assert found.resources.memory_limit_bytes is not None
    assert found.resources.memory_limit_bytes.value == 2**31


def test_a_suffix_of_kubernetes_is_told_as_docker_writes_it() -> None:
    assert [one.remedy for one in read({"mem_limit": "512Mi"}).defects] == ["write 512m"]


@pytest.mark.parametrize(
    ("own", "deploy", "key"),
    [
        ({"mem_limit": "64m"}, {"limits": {"memory": "512M"}}, "mem_limit"),
        ({"mem_limit": "64m"}, {"limits": {"memory": "65536k"}}, None),
        ({"mem_limit": "64m"}, {"limits": {"cpus": "2"}}, "mem_limit"),
        ({"mem_limit": "64m"}, {"reservations": {"memory": "32m"}}, None),
        ({"mem_limit": "64m"}, {"limits": {"memory": "${LIMIT}"}}, None),
        ({"mem_limit": "64m"}, {"limits": "${LIMITS}"}, None),
        ({"mem_limit": "0"}, {"limits": {"memory": "64m"}}, None),
        ({"mem_reservation": "1m"}, {"reservations": {"memory": "2m"}}, "mem_reservation"),
        ({"cpus": 2}, {"limits": {"cpus": "4"}}, "cpus"),
        ({"cpus": 0.5}, {"limits": {"cpus": "0.50"}}, None),
    ],
)
def test_two_values_of_one_limit_are_a_defect(
    own: dict[str, object], deploy: dict[str, object], key: str | None
) -> None:
    found = read({**own, "deploy": {"resources": deploy}}).defects
    assert [one.message.split()[0] for one in found] == ([f"'{key}'"] if key else [])


@pytest.mark.parametrize(
    ("own", "deploy", "is_refused"),
    [
        ({"mem_limit": "64m", "mem_reservation": "96m"}, {}, True),
        ({"mem_limit": "64m", "mem_reservation": "64m"}, {}, False),
        ({"mem_limit": "64m"}, {"reservations": {"memory": "96m"}}, True),
        ({}, {"limits": {"memory": "64m"}, "reservations": {"memory": "96m"}}, True),
        ({}, {"limits": {"memory": "${LIMIT}"}, "reservations": {"memory": "96m"}}, False),
        ({"mem_limit": "0", "mem_reservation": "96m"}, {}, False),
        ({}, {"limits": {"cpus": "1"}, "reservations": {"cpus": "2"}}, False),
    ],
)
def test_docker_refuses_a_reservation_above_the_limit(
    own: dict[str, object], deploy: dict[str, object], *, is_refused: bool
) -> None:
    found = read({**own, "deploy": {"resources": deploy}}).defects
    assert [one.kind for one in found] == ["bad_value"] * is_refused
    assert all("the limit is 64m: Docker refuses" in one.message for one in found)


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        ("node.labels.site==line-3", ("site", "line-3")),
        ("node.labels.com.example/site == line 3", ("com.example/site", "line 3")),
        ("engine.labels.cuda==12", ("engine.labels.cuda", "12")),
        ("node.role==worker", ("node.role", "worker")),
    ],
)
def test_a_constraint_is_a_label_of_the_node(constraint: str, said: tuple[str, str]) -> None:
    found = one({"deploy": {"placement": {"constraints": [constraint]}}})
    assert [label.value for label in found.where.labels] == [said]


def test_a_node_that_is_ruled_out_is_told_as_a_node() -> None:
    found = one({"deploy": {"placement": {"constraints": ["node.hostname != edge-3"]}}})
    (ruled_out,) = found.where.none_of
    assert words_of_label(*ruled_out.value, is_wanted=False) == "node not in edge-3"


@pytest.mark.parametrize("constraint", ["node.labels.site=line-3", "site", "==x", "a===b"])
def test_what_is_no_constraint_is_a_defect(constraint: str) -> None:
    found = read({"deploy": {"placement": {"constraints": [constraint]}}})
    assert [defect.kind for defect in found.defects] == ["bad_value"]
    assert found.deployed[0].where.labels == ()


def test_a_service_has_no_tier_that_nobody_states() -> None:
    found = one({"platform": "linux/arm64"})
    assert found.where.tier is None
    assert found.where.is_silent


def test_a_file_for_balena_speaks_for_its_own_directory_alone(tmp_path: Path) -> None:
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "compose.yaml").write_text("services:\n  a: {image: a}\n")
    (tmp_path / "mine" / "balena.yml").write_text("name: fleet\ntype: sw.application\n")
    found = read_manifests([str(tmp_path)]).deployed
    assert [str(one.where.tier and one.where.tier.value) for one in found] == ["edge", "None"]


@pytest.mark.parametrize(
    "text",
    [
        "services:\n  App\\Mailer: {arguments: ['%kernel.dir%']}\n",
        "services: [docker]\nscript: make\n",
        "jobs:\n  test:\n    services:\n      db: {image: postgres}\n",
        "apiVersion: v1\nkind: ConfigMap\nservices: {a: {image: b}}\n",
    ],
)
def test_other_services_are_none_of_compose(text: str) -> None:
    found = read_manifests(["-"], stdin=io.BytesIO(text.encode()))
    assert (found.files, found.skipped, found.deployed) == (0, 1, ())


@pytest.mark.parametrize(
    ("service", "uri"),
    [
        ({"command": "${X}"}, "${X}"),
        ({"command": ["${X}"]}, "${X}"),
        ({"entrypoint": "{{ x }}"}, "{{ x }}"),
        ({"environment": "${X}"}, "${X}"),
        ({"environment": ["A=1", "${X}"]}, "${X}"),
        ({"environment": ["MODEL_URI"]}, "${MODEL_URI}"),
        ({"environment": {"MODEL_URI": None}}, "${MODEL_URI}"),
        ({"environment": {"MODEL_URI": "${URI}"}}, "${URI}"),
        ({"models": "${X}"}, "${X}"),
        ({"models": ["${X}"]}, "${X}"),
    ],
)
def test_what_a_service_leaves_to_be_filled_in_may_name_any_model(
    service: dict[str, object], uri: str
) -> None:
    assert [model.uri.value for model in one(service).models] == [uri]


@pytest.mark.parametrize(
    "service",
    [
        {"command": "serve --port ${PORT}"},
        {"command": ["serve", "${PORT}"]},
        {"environment": ["PORT", "HOST=${HOST}"]},
        {"environment": {"PORT": None, "HOST": "${HOST}"}},
    ],
)
def test_a_service_that_leaves_other_things_open_names_no_model(
    service: dict[str, object],
) -> None:
    assert one(service).models == ()


def test_services_that_are_filled_in_later_cannot_be_read() -> None:
    found = read_manifests(["-"], stdin=io.BytesIO(b"services: ${SERVICES}\n"))
    assert (found.files, len(found.unreadable)) == (1, 1)


def test_a_service_whose_image_alone_is_mistyped_is_one() -> None:
    found = read_manifests(["-"], stdin=io.BytesIO(b"services: {web: {imge: web}}\n"))
    assert [one.kind for one in found.defects] == ["unknown_model_key"]


def test_services_of_something_else_are_skipped() -> None:
    text = b"services: {api: {images: [a.png], owner: web}}\n"
    assert read_manifests(["-"], stdin=io.BytesIO(text)).skipped == 1


MODEL = "/models/model.onnx"


@pytest.mark.parametrize(
    ("volume", "uris"),
    [
        ("./models:/models", [MODEL]),
        ("models:/models:ro", [MODEL]),
        ("${PWD}/models:/models", [MODEL]),
        ("${DIR:-./models}:/models", [MODEL]),
        ("./models:/models/", [MODEL]),
        ("./other:/modelsets", [MODEL]),
        ("${DATA}:/data", [MODEL]),
        ("./x:/tmp/${NAME}", [MODEL]),
        ("./x:${ROOT}/config.yaml", [MODEL]),
        ({"type": "tmpfs", "target": "/models/tmp"}, [MODEL]),
        ("./other.bin:/models/model.onnx", ["./other.bin"]),
        ("./v2/model.onnx:/models/model.onnx:ro", ["./v2/model.onnx"]),
        ("${FILE}:/models/model.onnx", ["${FILE}"]),
        ("${DIR}:/models:ro", ["${DIR}/model.onnx"]),
        ("{{ dir }}:/models", ["{{ dir }}/model.onnx"]),
        ("$DIR/v1:/models/./", ["$DIR/v1/model.onnx"]),
        ("./x:${TARGET}", [MODEL, "${TARGET}"]),
        ("./x:/models/${NAME}", [MODEL, "/models/${NAME}"]),
        ("./x:/${A}/model.onnx", [MODEL, "/${A}/model.onnx"]),
        ("${VOLUME}", [MODEL, "${VOLUME}"]),
        ({"type": "bind", "source": "${DIR}", "target": "/models"}, ["${DIR}/model.onnx"]),
        ({"type": "bind", "source": "/other", "target": MODEL}, ["/other"]),
        ({"type": "image", "source": "r.example/m:1", "target": "/models"}, ["r.example/m:1"]),
    ],
)
def test_what_a_mount_puts_at_the_path_of_the_model_is_the_model(
    volume: object, uris: list[str]
) -> None:
    found = one({"command": f"serve --model {MODEL}", "volumes": [volume]})
    assert sorted(model.uri.value for model in found.models) == sorted(uris)


def test_of_several_mounts_the_deepest_counts() -> None:
    volumes = ["${DIR}:/models", "./fixed:/models/fixed"]
    found = one({"command": "serve --model /models/fixed/a.onnx", "volumes": volumes})
    assert [model.uri.value for model in found.models] == ["/models/fixed/a.onnx"]


@pytest.mark.parametrize(
    ("folder", "uris"), [("/app", ["./other.bin"]), (None, ["./other.bin"]), ("/", ["model.onnx"])]
)
def test_a_relative_path_is_one_in_the_working_directory(
    folder: str | None, uris: list[str]
) -> None:
    volumes = ["./other.bin:/app/model.onnx"]
    service: dict[str, object] = {
        "command": "serve --model model.onnx",
        "volumes": volumes,
        "working_dir": folder,
    }
    assert [model.uri.value for model in one(service).models] == uris


def test_a_model_that_is_no_path_is_not_mounted_over() -> None:
    environment = {"MODEL_URI": "s3://models/model.onnx"}
    found = one({"environment": environment, "volumes": ["${DIR}:/", "./x:${TARGET}"]})
    assert [model.uri.value for model in found.models] == ["s3://models/model.onnx"]


@pytest.mark.parametrize(
    ("key", "used", "uris"),
    [
        ("configs", {"source": "own", "target": MODEL}, ["./other.bin"]),
        ("configs", {"source": "outside", "target": MODEL}, ["configs/outside"]),
        ("secrets", {"source": "own", "target": MODEL}, ["./other.bin"]),
        ("secrets", {"source": "own", "target": "model.onnx"}, [MODEL]),
        ("configs", "own", [MODEL]),
        ("configs", {"source": "own", "target": "/etc/own"}, [MODEL]),
        ("configs", "${CONFIG}", [MODEL]),
        ("secrets", "${SECRET}", [MODEL]),
        ("configs", {"source": "own", "target": "/models/${NAME}"}, [MODEL, "/models/${NAME}"]),
    ],
)
def test_a_config_at_the_path_of_the_model_is_the_model(
    key: str, used: object, uris: list[str]
) -> None:
    service = {"image": "a", "command": f"serve --model {MODEL}", key: [used]}
    files = {"own": {"file": "./other.bin"}, "outside": {"external": True}}
    text = json.dumps({"services": {"a": service}, key: files})
    (found,) = read_manifests(["-"], stdin=io.BytesIO(text.encode())).deployed
    assert [model.uri.value for model in found.models] == uris


def health(test: object, **more: object) -> dict[str, object]:
    """A service with a health check."""
    return {"command": f"serve --model {MODEL}", "healthcheck": {"test": test, **more}}


@pytest.mark.parametrize(
    ("service", "uris"),
    [
        ({"command": f"sh -c 'wget -O {MODEL} https://h/x && serve --model {MODEL}'"}, ["https://h/x"]),
        (
            {"command": ["sh", "-c", f"curl -o {MODEL} $URL; serve --model {MODEL}"],
             "environment": ["URL=https://h/x"]},
            ["https://h/x"],
        ),
        (
            {"entrypoint": ["sh", "-c"], "command": [f"cp /x {MODEL} && serve --model {MODEL}"]},
            ["a:1"],
        ),
        (
            {"command": f"serve --model {MODEL}", "post_start": [{"command": f"cp /x {MODEL}"}]},
            ["a:1"],
        ),
        (health(f"wget -qO {MODEL} https://h/x"), ["https://h/x"]),
        (health(["CMD-SHELL", f"wget -qO {MODEL} https://h/x"]), ["https://h/x"]),
        (health(["CMD", "cp", "/x", MODEL]), ["a:1"]),
        (health(["NONE", "cp", "/x", MODEL]), [MODEL]),
        (health(["CMD", "cp", "/x", MODEL], disable=True), [MODEL]),
        (health(["CMD", "curl", "-f", "http://localhost:8000/ready"]), [MODEL]),
        (health(f"test -f {MODEL}"), [MODEL]),
        ({"command": f"sh -c 'curl -s http://up/ok && serve --model {MODEL}'"}, [MODEL]),
        ({"command": f"sh -c 'cp /etc/a /tmp/b && serve --model {MODEL}'"}, [MODEL]),
    ],
)  # fmt: skip
def test_a_service_that_gets_its_model_itself_serves_that(
    service: dict[str, object], uris: list[str]
) -> None:
    assert [model.uri.value for model in one(service).models] == uris


@pytest.mark.parametrize(
    ("other", "condition", "uris"),
    [
        ({"volumes": ["vol:/out"], "command": "aws s3 sync s3://b/m /out"}, "", ["s3://b/m"]),
        (
            {"volumes": ["vol:/out"], "image": "minio/mc", "command": "mirror a/b /out"},
            "",
            ["<service.get>"],
        ),
        ({"volumes": ["vol:/out"]}, "service_completed_successfully", ["get:1"]),
        (
            {
                "volumes": ["vol:/out"],
                "healthcheck": {"test": "curl -o /out/model.onnx https://h/x"},
            },
            "",
            ["https://h/x"],
        ),
        ({"volumes": ["vol:/out"]}, "service_started", [MODEL]),
        ({"volumes": ["vol:/out:ro"]}, "service_completed_successfully", [MODEL]),
        ({"volumes": ["w:/out"]}, "service_completed_successfully", [MODEL]),
    ],
)
def test_a_service_that_fills_the_volume_of_the_model_says_what_it_is(
    other: dict[str, object], condition: str, uris: list[str]
) -> None:
    service: dict[str, object] = {
        "image": "a",
        "command": f"serve --model {MODEL}",
        "volumes": ["vol:/models"],
    }
    if condition:
        service["depends_on"] = {"get": {"condition": condition}}
    text = json.dumps({"services": {"a": service, "get": {"image": "get:1", **other}}})
    found = read_manifests(["-"], stdin=io.BytesIO(text.encode())).deployed
    assert [model.uri.value for model in found[0].models] == uris


@pytest.mark.parametrize(
    ("own", "other", "is_one"),
    [
        ("./models:/models", "./models/:/out", True),
        ("./models:/models", "models:/out", False),
        ("./models:/models", "./models-b:/out", False),
        ("./models:/models", "../x:/out", False),
        ("/srv/models:/models", "/srv/../srv/models:/out", True),
        ("/srv/models:/models", "/srv/models:/out:ro", False),
        ("vol:/models", "same:/out", True),
        ("vol:/models", "bound:/out", False),
        ("/srv/models:/models", "bound:/out", True),
    ],
)
def test_volumes_of_services_that_are_one_folder_are_one(
    own: str, other: str, is_one: bool
) -> None:
    service = {"image": "a", "command": f"serve --model {MODEL}", "volumes": [own]}
    get = {"image": "get:1", "volumes": [other], "command": "aws s3 sync s3://b/m /out"}
    volumes = {
        "vol": {"name": "shared"},
        "same": {"name": "shared"},
        "bound": {"driver_opts": {"type": "none", "o": "bind", "device": "/srv/models"}},
    }
    text = json.dumps({"services": {"a": service, "get": get}, "volumes": volumes})
    found = read_manifests(["-"], stdin=io.BytesIO(text.encode())).deployed
    assert [one.uri.value for one in found[0].models] == (["s3://b/m"] if is_one else [MODEL])


def test_a_folder_above_that_of_the_model_is_written_to_by_its_path() -> None:
    service = {"image": "a", "command": f"serve --model {MODEL}", "volumes": ["./models:/models"]}
    for folder, uris in (("models", ["s3://b/m"]), ("logs", [MODEL])):
        command = f"aws s3 sync s3://b/m /out/{folder}"
        get = {"image": "get:1", "volumes": [".:/out"], "command": command}
        text = json.dumps({"services": {"a": service, "get": get}})
        found = read_manifests(["-"], stdin=io.BytesIO(text.encode())).deployed
        assert [one.uri.value for one in found[0].models] == uris


@pytest.mark.parametrize(
    ("definition", "uris"),
    [
        (None, [MODEL]),
        ({"name": "models-v3"}, [MODEL]),
        ({"name": "${VOLUME}"}, ["${VOLUME}/model.onnx"]),
        ({"driver_opts": {"o": "bind", "device": "${DIR}"}}, ["${DIR}/model.onnx"]),
    ],
)
def test_a_volume_whose_definition_is_filled_in_later_is_not_known(
    definition: object, uris: list[str]
) -> None:
    service = {"image": "a", "command": f"serve --model {MODEL}", "volumes": ["vol:/models"]}
    text = json.dumps({"services": {"a": service}, "volumes": {"vol": definition}})
    (found,) = read_manifests(["-"], stdin=io.BytesIO(text.encode())).deployed
    assert [model.uri.value for model in found.models] == uris


@pytest.mark.parametrize("name", ["other", "other:ro", "${OTHER}"])
def test_a_service_has_the_volumes_that_it_takes_from_another(name: str) -> None:
    service = {"image": "a", "command": f"serve --model {MODEL}", "volumes_from": [name]}
    other = {"image": "b", "volumes": ["${OTHER}:/models"]}
    text = json.dumps({"services": {"a": service, "other": other}})
    found = read_manifests(["-"], stdin=io.BytesIO(text.encode())).deployed[0]
    assert any("${OTHER}" in model.uri.value for model in found.models)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("$$MODEL_PATH", ["/models/m.onnx"]),
        ("$${MODEL_PATH}", ["/models/m.onnx"]),
        ("$MODEL_PATH", ["$MODEL_PATH", "/models/m.onnx"]),
        ("${MODEL_PATH:-/m/a.onnx}", ["${MODEL_PATH:-/m/a.onnx}", "/models/m.onnx"]),
    ],
)
def test_two_dollars_are_a_variable_of_the_container(word: str, expected: list[str]) -> None:
    for line in (f"sh -c 'serve --model {word}'", f"serve --model {word}"):
        (one,) = read({"environment": {"MODEL_PATH": "/models/m.onnx"}, "command": line}).deployed
        assert [model.uri.value for model in one.models] == expected
