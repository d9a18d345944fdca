"""What is fetched is the model where it is fetched to the path that is named, and only there."""

from __future__ import annotations

import pytest

from placer.manifests.nodes import Field
from placer.manifests.parsing import parse_yaml
from placer.manifests.pods import workers_of
from tests.unit.test_manifest_greengrass_artifacts import models as models_of_recipes

URI = "s3://m/digits.onnx"
COPY = f"args: ['{URI}', /models/digits.onnx]"
MODELS = "{name: models, mountPath: /models}"
EMPTY = "{name: models, emptyDir: {}}"
HOST = "{name: h, hostPath: {path: /srv}}"


def models(
    path: str = "/models/digits.onnx",
    *,
    by: str = COPY,
    first: str = MODELS,
    own: str = MODELS,
    volumes: str = f"{EMPTY}, {HOST}",
    more: str = "",
) -> list[str]:
    """The models of a pod whose init container gets `URI`, and whose server is told a path."""
    (document,) = parse_yaml(
        f"initContainers: [{{name: fetch, image: r/f, {by}, volumeMounts: [{first}]}}]\n"
        f"containers: [{{name: s, image: r/s, {more or f'args: [--model, {path}]'},"
        f" volumeMounts: [{own}]}}]\n"
        f"volumes: [{volumes}]\n",
        "a.yaml",
    ).documents
    found = workers_of(Field(document, document.root))
    return sorted({one.uri.value for worker in found for one in worker.models})


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/models/digits.onnx", MODELS),
        ("/m/digits.onnx", "{name: models, mountPath: /m}"),
        ("/m/digits.onnx", f"{{name: models, mountPath: /m, readOnly: true}}, {MODELS}"),
        ("/m/digits.onnx", "{name: models, mountPath: /m/digits.onnx, subPath: digits.onnx}"),
    ],
)
def test_a_path_is_followed_through_the_mounts_of_both(path: str, own: str) -> None:
    assert models(path, own=own) == [URI]


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/host/digits.onnx", "{name: h, mountPath: /host}"),
        ("/host/digits.onnx", f"{MODELS}, {{name: h, mountPath: /host}}"),
        ("/opt/baked/digits.onnx", MODELS),
        ("/models/a/digits.onnx", MODELS),
        ("/models/h/digits.onnx", f"{MODELS}, {{name: h, mountPath: /models/h}}"),
        ("/m/digits.onnx", "{name: models, mountPath: /m, subPath: other}"),
        ("/models/b/digits.onnx", MODELS),
        ("/models/digits.onnx", ""),
    ],
)
def test_a_file_of_the_same_name_elsewhere_is_another_model(path: str, own: str) -> None:
    assert models(path, own=own) == sorted([path, URI])


@pytest.mark.parametrize(("claim", "expected"), [("m", [URI]), ("old", ["/pvc/digits.onnx", URI])])
def test_a_claim_is_the_same_by_its_name(claim: str, expected: list[str]) -> None:
    of_claim = "persistentVolumeClaim: {claimName: "
    volumes = f"{{name: models, {of_claim}m}}}}, {{name: p, {of_claim}{claim}}}}}"
    own = "{name: p, mountPath: /pvc}"
    assert models("/pvc/digits.onnx", own=own, volumes=volumes) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("workingDir: /models, args: [--model, digits.onnx]", [URI]),
        ("workingDir: /other, args: [--model, digits.onnx]", ["digits.onnx", URI]),
        ("command: [sh, -c, 'cd /models && serve --model ./digits.onnx']", [URI]),
        ("command: [sh, -c, 'cd /other && serve --model ./digits.onnx']", ["./digits.onnx", URI]),
        ("command: [sh, -c, 'cd $HOME && serve --model ./digits.onnx']", [URI]),
        ("args: [--model, digits.onnx]", [URI]),
        ("args: [--model, $(MODEL_DIR)/digits.onnx]", [URI]),
        ("args: [--model, '{{ .Values.dir }}/digits.onnx']", [URI]),
    ],
)
def test_a_relative_path_lies_in_the_folder_that_is_said(more: str, expected: list[str]) -> None:
    assert models(more=more) == expected


def test_a_relative_path_is_no_file_of_a_volume_that_is_not_mounted() -> None:
    assert models("digits.onnx", own="") == ["digits.onnx", URI]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (f"aws s3 cp {URI} /models/", [URI]),
        (f"aws s3 cp {URI} /models/ --region eu-north-1", [URI]),
        (f"aws s3 cp {URI} /tmp/", ["/models/digits.onnx", URI]),
        (f"aws s3 cp {URI} /tmp/ && mv /tmp/digits.onnx /models/", [URI]),
        (f"mc cp {URI} /models/b/", ["/models/digits.onnx", URI]),
        (f"fetch {URI} /models/digits.onnx", [URI]),
        (f"fetch {URI} /models/b/digits.onnx", ["/models/digits.onnx", URI]),
        (f"fetch {URI} --to $TARGET", [URI]),
        (f"fetch {URI}", [URI]),
        (f"cd /models && curl -O {URI}", [URI]),
        (f"cd /scratch && curl -O {URI}", ["/models/digits.onnx", URI]),
        (f"cd /scratch && curl -O {URI} && cp digits.onnx /models/", [URI]),
        (f"curl -o /models/$NAME {URI}", [URI]),
        (f"curl -o /models/$(basename $NAME).onnx {URI}", [URI]),
        (f"curl -o /models/$NAME.txt {URI}", ["/models/digits.onnx", URI]),
        (f"aws s3 cp {URI} /models/${{NAME}}", [URI]),
        (f"cd /$TARGET; curl -O {URI}", [URI]),
        (f"cd /scratch; cd $TARGET; curl -O {URI}", [URI]),
        (f"cd / && curl {URI} | tar xz", [URI]),
    ],
)
def test_what_is_fetched_to_another_folder_is_another_file(
    script: str, expected: list[str]
) -> None:
    assert models(by=f"command: [sh, -c, '{script}']") == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/models/digits.onnx", [URI]),
        ("/models", [URI]),
        ("/models/a/digits.onnx", ["/models/a/digits.onnx", URI]),
    ],
)
def test_one_file_is_fetched_into_no_folder_below(path: str, expected: list[str]) -> None:
    for way in (f"aws s3 cp {URI} /models/ --quiet", f"gsutil -m cp {URI} /models"):
        assert models(path, by=f"command: [sh, -c, '{way}']") == expected


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("/models", [URI]), ("/scratch", ["/models/digits.onnx", URI]), ("'{{ .Values.d }}'", [URI])],
)
def test_what_is_fetched_lies_in_the_working_directory(folder: str, expected: list[str]) -> None:
    assert models(by=f"workingDir: {folder}, command: [curl, -O, '{URI}']") == expected


@pytest.mark.parametrize(
    ("first", "own"),
    [
        ("'{{ .Values.mounts }}'", MODELS),
        (MODELS, "'{{ .Values.mounts }}'"),
        ("{name: models, mountPath: '{{ .Values.dir }}'}", MODELS),
    ],
)
def test_mounts_that_are_filled_in_later_may_be_shared(first: str, own: str) -> None:
    assert models(first=first, own=own) == [URI]


@pytest.mark.parametrize(
    "target", ["/models/{{ .Values.name }}", "/models/{{.Values.name}}.onnx", "$(DIR)/a", "$(DIR)"]
)
def test_a_target_that_is_filled_in_later_may_be_the_path(target: str) -> None:
    assert models(by=f"args: ['{URI}', '{target}']") == [URI]
    assert models(by=f"image: amazon/aws-cli, args: [s3, cp, '{URI}', '{target}']") == [URI]


def test_a_key_of_a_config_map_over_the_file_is_what_it_holds() -> None:
    volumes = f"{EMPTY}, {{name: c, configMap: {{name: c}}}}"
    own = f"{MODELS}, {{name: c, mountPath: /models/digits.onnx, subPath: digits.onnx}}"
    assert models(own=own, volumes=volumes) == ["/models/digits.onnx", URI]


def component(path: str, install: str = "", *, is_nested: bool = False) -> list[str]:
    """The models of a component of Greengrass with one artefact, which is told a path."""
    script = {"install": {"script": install}}
    steps = {"run": f"serve --model {path}", **({"linux": script} if is_nested else script)}
    manifest = {"Artifacts": [{"Uri": URI}], "Lifecycle": steps}
    recipe: dict[str, object] = {"ComponentName": "a", "ComponentVersion": "1.0.0"}
    recipe["Manifests"] = [manifest]
    return sorted(one.uri.value for one in models_of_recipes(recipe))


AT = "{artifacts:path}/digits.onnx"
WORK = "{work:path}/digits.onnx"
EVIL = "https://other.example/x"


@pytest.mark.parametrize(
    "path",
    [
        AT,
        "{ARTIFACTS:PATH}/digits.onnx",
        "/greengrass/v2/packages/artifacts/a/1.0.0/digits.onnx",
        "{kernel:rootPath}/packages/artifacts/a/1.0.0/digits.onnx",
        "{configuration:/Dir}/digits.onnx",
        "$MODEL_DIR/digits.onnx",
        "digits.onnx",
    ],
)
def test_an_artefact_is_a_path_in_its_folder_or_one_that_nobody_knows(path: str) -> None:
    assert component(path) == [URI]


@pytest.mark.parametrize(
    "path", [WORK, "/opt/other/digits.onnx", "{kernel:rootPath}/digits.onnx", "C:/m/digits.onnx"]
)
def test_a_path_elsewhere_is_no_artefact(path: str) -> None:
    assert component(path) == sorted([path, URI])


@pytest.mark.parametrize(
    ("install", "path"),
    [
        (f"cp {AT} {WORK}", WORK),
        ("cp {artifacts:path}/digits.onnx /opt/m/", "/opt/m/digits.onnx"),
        ("cp -r {artifacts:path}/* {work:path}", WORK),
        ("cp -r {artifacts:path}/. {work:path}", WORK),
        ("wget https://h/labels.txt; cp -r {artifacts:path}/* {work:path}/", WORK),
        ("cd {artifacts:path} && cp digits.onnx {work:path}/", WORK),
        (
            "install -m 644 {artifacts:path}/digits.onnx {work:path}/net.onnx",
            "{work:path}/net.onnx",
        ),
        ("ln -sf {artifacts:path}/digits.onnx net.onnx", "{work:path}/net.onnx"),
        ("cp {artifacts:path}/digits.onnx .", WORK),
        ("cp {artifacts:path}/* .", WORK),
    ],
)
def test_a_copy_of_an_artefact_is_the_artefact(install: str, path: str) -> None:
    assert component(path, install) == [URI]


@pytest.mark.parametrize(
    ("install", "path", "brought"),
    [
        (f"curl -o {WORK} {EVIL}", WORK, EVIL),
        (f"curl -o {AT} {EVIL}", AT, EVIL),
        (f"cd {{artifacts:path}} && curl -o digits.onnx {EVIL}", AT, EVIL),
        (f"wget -O /greengrass/v2/packages/artifacts/a/1.0.0/digits.onnx {EVIL}", AT, EVIL),
        (f"curl -o digits.onnx {EVIL}", "digits.onnx", EVIL),
        (f"cp {AT} {WORK}; curl -o {WORK} {EVIL}", WORK, EVIL),
        (f"cp /srv/x.bin {AT}", AT, "<script>"),
        (f"cp x.bin {AT}", AT, "<script>"),
        ("cp x.bin digits.onnx", WORK, "<script>"),
    ],
)
def test_what_a_script_puts_over_an_artefact_or_beside_it_is_the_model(
    install: str, path: str, brought: str
) -> None:
    assert component(path, install) == sorted([brought, URI])
    assert component(path, install, is_nested=True) == sorted([brought, URI])


@pytest.mark.parametrize(
    "install",
    [
        "pip install -r {artifacts:path}/requirements.txt",
        "unzip -o {artifacts:path}/code.zip -d {work:path}",
        "tar -xzf {artifacts:path}/wheels.tgz -C {artifacts:path}",
        "chmod +x {artifacts:path}/serve; apt-get install -y libgomp1",
        "curl -fo $HOME/labels.txt https://h/labels.txt",
        "wget https://h/miniconda.sh && bash miniconda.sh -b",
        f"curl -fo {WORK} {EVIL}",
    ],
)
def test_what_a_script_does_elsewhere_leaves_the_artefact(install: str) -> None:
    assert component(AT, install) == [URI]
