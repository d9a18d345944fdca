"""Amounts, models in free text, and where a pod may run: the parts that formats share."""

from __future__ import annotations

import json

import pytest

from placer.core.deployment import Place, Stated
from placer.manifests.models import models_of_arguments, models_of_variable
from placer.manifests.nodes import Field
from placer.manifests.parsing import parse_yaml
from placer.manifests.pod_place import where_of
from placer.manifests.pod_resources import resources_of
from placer.manifests.pods import bad_values, workers_of
from placer.manifests.quantities import bytes_of, cpus_of, quantity, unread

HERE = Place("a.yaml", 1, 1, 1, 2)


def root(text: str) -> Field:
    (document,) = parse_yaml(text, "a.yaml").documents
    return Field(document, document.root)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("512Mi", 512 * 2**20),
        ("1.5G", 1.5e9),
        ("2Ki", 2048),
        ("128974848", 128974848),
        ("129e6", 129e6),
        ("1E", 1e18),
        ("500m", 0.5),
        (".5", 0.5),
        ("0", 0),
    ],
)
def test_amounts_are_read_as_kubernetes_does(text: str, value: float) -> None:
    assert float(quantity(text) or 0) == value


@pytest.mark.parametrize(
    "text", ["", "-1", "512MB", "1 Gi", "Gi", "1e", "1e999", "1KI", "0x10", "{{ .x }}", "9" * 99]
)
def test_what_is_no_amount_is_not_known(text: str) -> None:
    assert quantity(text) is None


def test_amounts_are_bytes_and_cores() -> None:
    field = root("m: 1.5Gi\nc: 1500m\n")
    memory, cores = bytes_of(field.at("m")), cpus_of(field.at("c"))
    assert memory is not None
    assert memory.value == 1610612736
    assert cores is not None
    assert cores.value == 1.5
    assert bytes_of(field.at("x")) is None


@pytest.mark.parametrize("text", ["0", "0Mi", "0.0", '"0"'])
def test_no_bytes_are_no_limit(text: str) -> None:
    field = root(f"limits: {{memory: {text}}}\n").at("limits", "memory")
    assert bytes_of(field) is None
    assert unread(None, field) is None


@pytest.mark.parametrize(
    ("arguments", "uris"),
    [
        (["--model", "/m/a.onnx"], ["/m/a.onnx"]),
        (["--model", "s3://m/a b.onnx", "c.onnx"], ["s3://m/a b.onnx", "c.onnx"]),
        (["--model", ""], ["--model=<value>"]),
        (["--model=/m/a.onnx", "--model-name", "a"], ["/m/a.onnx"]),
        (["--model-repository=s3://b/models"], ["s3://b/models"]),
        (["--model-store", "/store", "--port", "80"], ["/store"]),
        (["--model", "--verbose"], ["--model=<value>"]),
        (["--model="], ["--model=<value>"]),
        (["--onnx", "--verbose"], []),
        (["sh", "-c", "serve --model '/m/a b.onnx' && sleep 1"], ["/m/a b.onnx"]),
        (["python", "serve.py", "/m/a.tflite"], ["/m/a.tflite"]),
        (["--det-model", "d.onnx", "--rec_model_dir=r/"], ["d.onnx", "r/"]),
        (["--weights", "yolo.pt", "--source", "rtsp://x"], ["yolo.pt"]),
        (["--model={{ .Values.model }}"], ["{{ .Values.model }}"]),
        (["--model=${MODEL:-/m/a.onnx}"], ["${MODEL:-/m/a.onnx}"]),
        (["--model", "$(MODEL)"], ["$(MODEL)"]),
        (["--log-model-stats", "--remodel", "x", "--models-per-gpu=2"], []),
        (["curl -o /m/a.onnx https://x.example.com/a.onnx?v=1"], ["/m/a.onnx", "https://x.example.com/a.onnx"]),
        (["my.ptx", "a.pbtxt", "config.onnx.json"], []),
        (["-model", "m/x"], ["m/x"]),
    ],
)  # fmt: skip
def test_models_of_a_command_line_are_found(arguments: list[str], uris: list[str]) -> None:
    found = models_of_arguments([Stated(one, HERE) for one in arguments])
    assert [one.uri.value for one in found] == uris


@pytest.mark.parametrize(
    ("name", "value", "uris"),
    [
        ("MODEL_PATH", "/m/a", ["/m/a"]),
        ("STORAGE_URI", "s3://b/a", ["s3://b/a"]),
        ("DETECTOR_MODEL", "a", ["a"]),
        ("TRITON_MODEL_REPOSITORY", "/repo", ["/repo"]),
        ("MODEL_NAME", "a", []),
        ("REMODEL", "a", []),
        ("CONFIG", "net=/m/a.onnx;x=1", ["/m/a.onnx"]),
        ("LOG", "info", []),
        ("MODEL_ID", " ", []),
    ],
)
def test_models_of_variables_are_found(name: str, value: str, uris: list[str]) -> None:
    found = models_of_variable(name, Stated(value, HERE))
    assert [one.uri.value for one in found] == uris


def test_a_sidecar_that_starts_first_is_a_container_and_runs_no_fetched_model() -> None:
    pod = root(
        "initContainers:\n"
        "  - {name: proxy, restartPolicy: Always, image: p}\n"
        "  - {name: fetch, image: f, args: ['s3://b/a.onnx', /m/a.onnx]}\n"
        "containers:\n"
        "  - {name: server, image: s}\n"
    )
    (worker,) = workers_of(pod)
    assert [one.uri.value for one in worker.models] == ["s3://b/a.onnx"]
    assert [one.value for one in worker.images] == ["s"]


MOUNT = "volumeMounts: [{name: m, mountPath: /m}]"


@pytest.mark.parametrize("policy", ["Always", "'{{ .Values.policy }}'"])
def test_a_sidecar_that_mounts_what_was_fetched_runs_it(policy: str) -> None:
    pod = root(
        "initContainers:\n"
        f"  - {{name: server, restartPolicy: {policy}, image: s, {MOUNT}}}\n"
        f"  - {{name: fetch, image: f, args: ['s3://b/a.onnx', /m/a.onnx], {MOUNT}}}\n"
        "containers:\n"
        "  - {name: app, image: a}\n"
    )
    (worker,) = workers_of(pod)
    assert [one.value for one in worker.images] == ["s"]


@pytest.mark.parametrize(
    ("own", "whole", "memory", "cpus", "unread"),
    [
        ("", "memory: 1Mi, cpu: 2", 2**20, 2.0, None),
        ("memory: 1Mi, cpu: 1", "memory: 2Mi, cpu: 2", 2**20, 1.0, None),
        ("memory: 3Mi, cpu: 0", "memory: 2Mi, cpu: 2", 2**21, 2.0, None),
        ("memory: 3Mi", "cpu: 500m", 3 * 2**20, 0.5, None),
        ("memory: 3Mi", "memory: '{{ x }}'", 3 * 2**20, None, None),
        ("memory: '{{ x }}'", "memory: 2Mi", 2**21, None, "{{ x }}"),
        ("", "memory: '{{ x }}'", None, None, "{{ x }}"),
    ],
)
def test_a_container_gets_no_more_than_its_pod(
    own: str, whole: str, memory: int | None, cpus: float | None, unread: str | None
) -> None:
    pod = root(
        f"resources: {{limits: {{{whole}}}}}\n"
        f"containers: [{{name: s, args: [a.onnx], resources: {{limits: {{{own}}}}}}}]\n"
    )
    (worker,) = workers_of(pod)
    granted = worker.resources
    assert (granted.memory_limit_bytes and granted.memory_limit_bytes.value) == memory
    assert (granted.cpus_limit and granted.cpus_limit.value) == cpus
    assert (granted.memory_limit_unread and granted.memory_limit_unread.value) == unread


def test_an_amount_of_a_whole_pod_is_one() -> None:
    (defect,) = bad_values(root("resources: {limits: {memory: 512m}}\ncontainers: []"))
    assert defect.remedy == "write 512Mi"


def test_extended_resources_are_accelerators_and_others_are_not() -> None:
    found = resources_of(
        root("resources: {limits: {nvidia.com/mig-1g.5gb: 1, hugepages-2Mi: 4, cpu: 1, x.io/y: 0}}")
    )
    assert [one.value for one in found.accelerators] == [("nvidia.com/mig-1g.5gb", 1)]


def test_alternatives_that_do_not_share_a_label_say_nothing_of_the_place() -> None:
    pod = root(
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {"
        "nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [x]}]},"
        " {matchExpressions: [{key: b, operator: In, values: [y]}]}]}}}"
    )
    assert where_of(pod).is_silent


def affine(expressions: str, more: str = "") -> Field:
    """A pod whose node affinity has one term."""
    way = "requiredDuringSchedulingIgnoredDuringExecution"
    terms = f"nodeSelectorTerms: [{{matchExpressions: [{expressions}]}}]"
    return root(f"{more}affinity: {{nodeAffinity: {{{way}: {{{terms}}}}}}}")


@pytest.mark.parametrize(
    ("expressions", "labels", "any_of", "none_of"),
    [
        ("{key: a, operator: In, values: ['']}", [("a", "")], [], []),
        ("{key: a, operator: In, values: ['', x]}", [], [("a", ("", "x"))], []),
        ("{key: a, operator: In, values: [~]}", [("a", "")], [], []),
        ("{key: a, operator: NotIn, values: ['']}", [], [], [("a", ("",))]),
        ("{key: a, operator: DoesNotExist}", [], [], [("a", ())]),
        ("{key: a, operator: Lt, values: ['4']}", [], [("a", ())], []),
        ("{key: a, operator: In, values: '${X}'}", [("a", "${X}")], [], []),
        (
            "{key: a, operator: In, values: [x, y]}, {key: a, operator: In, values: [y, z]}",
            [("a", "y")],
            [],
            [],
        ),
        (
            "{key: a, operator: In, values: [x]}, {key: a, operator: Exists}",
            [("a", "x")],
            [],
            [],
        ),
    ],
)
def test_what_affinity_demands_is_what_kubernetes_makes_of_it(
    expressions: str, labels: object, any_of: object, none_of: object
) -> None:
    where = where_of(affine(expressions))
    assert [one.value for one in where.labels] == labels
    assert [one.value for one in where.any_of] == any_of
    assert [one.value for one in where.none_of] == none_of


def test_affinity_that_a_selector_narrows_adds_nothing() -> None:
    expressions = "{key: a, operator: In, values: [x, y]}, {key: b, operator: Exists}"
    where = where_of(affine(expressions, "nodeSelector: {a: x, b: z}\n"))
    assert [one.value for one in where.labels] == [("a", "x"), ("b", "z")]
    assert where.any_of == ()


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("{key: a, operator: in, values: [x]}", "'operator: in' is none that Kubernetes knows"),
        ("{key: a, operator: In, values: []}", "'operator: In' has no values"),
        ("{key: a, operator: NotIn}", "'operator: NotIn' has no values"),
    ],
)
def test_a_demand_that_kubernetes_refuses_is_told(expression: str, message: str) -> None:
    (found,) = bad_values(affine(expression))
    assert found.message == message
    assert found.remedy


def test_two_sources_of_one_file_name_are_both_kept() -> None:
    mount = "volumeMounts: [{name: m, mountPath: /m}]"
    pod = root(
        "initContainers:\n"
        f"  - {{name: good, image: f, args: ['s3://good/a.onnx', /m/a.onnx], {mount}}}\n"
        f"  - {{name: other, image: f, args: ['s3://other/a.onnx', /m/a.onnx], {mount}}}\n"
        f"containers: [{{name: s, image: s, args: [--model, /m/a.onnx], {mount}}}]\n"
        "volumes: [{name: m, emptyDir: {}}]\n"
    )
    (worker,) = workers_of(pod)
    assert [one.uri.value for one in worker.models] == ["s3://good/a.onnx", "s3://other/a.onnx"]


def test_a_source_takes_the_place_of_no_other_source_and_of_no_file_of_the_host() -> None:
    pod = root(
        "initContainers: [{name: f, image: f, args: ['s3://good/a.onnx', /m/a.onnx]}]\n"
        "containers:\n"
        "  - name: s\n"
        "    image: s\n"
        "    args: [--model, 's3://other/a.onnx']\n"
        "    volumeMounts: [{name: h, mountPath: /h/a.onnx}]\n"
        "volumes: [{name: h, hostPath: {path: /srv/a.onnx}}]\n"
    )
    (worker,) = workers_of(pod)
    assert {one.uri.value for one in worker.models} == {
        "s3://good/a.onnx", "s3://other/a.onnx", "/srv/a.onnx"}  # fmt: skip


def test_variables_are_put_in_as_kubernetes_does() -> None:
    pod = root(
        "containers:\n"
        "  - name: s\n"
        "    env: [{name: DIR, value: /m}, {name: FILE, value: $(DIR)/a.onnx}]\n"
        "    args: [--model, $(FILE), --weights, $(UNKNOWN)/b.onnx]\n"
    )
    (worker,) = workers_of(pod)
    assert [one.uri.value for one in worker.models] == ["/m/a.onnx", "$(UNKNOWN)/b.onnx"]


def test_variables_that_double_each_other_take_no_memory() -> None:
    doubled = ", ".join(f"{{name: V{n + 1}, value: $(V{n})$(V{n})}}" for n in range(60))
    env = f"[{{name: V0, value: '0123456789'}}, {doubled}]"
    pod = root(f"containers: [{{name: s, env: {env}, args: [--model, $(V60)]}}]")
    assert len(workers_of(pod)) == 1


def test_what_must_exist_may_have_any_value() -> None:
    pod = root(
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {"
        "nodeSelectorTerms: [{matchExpressions: [{key: edge, operator: Exists},"
        " {key: zone, operator: NotIn, values: [a, b]},"
        " {key: cores, operator: Gt, values: ['4']}]}]}}}"
    )
    where = where_of(pod)
    assert [one.value for one in where.any_of] == [("edge", ()), ("cores", ())]
    assert [one.value for one in where.none_of] == [("zone", ("a", "b"))]
    assert not where.is_silent


def serving(volume: str, mount: str = "mountPath: /models", *, more: str = "") -> list[str]:
    """The models of a pod that mounts a volume."""
    pod = root(
        f"{more}containers:\n"
        "  - name: s\n"
        "    args: [--model, /models/model.onnx]\n"
        f"    volumeMounts: [{{name: v, {mount}}}]\n"
        f"volumes: [{volume}]\n"
    )
    (worker,) = workers_of(pod)
    return sorted(one.uri.value for one in worker.models)


OWN = "/models/model.onnx"


@pytest.mark.parametrize(
    ("volume", "mount", "uris"),
    [
        ("{name: v, emptyDir: {}}", "mountPath: /models", [OWN]),
        ("{name: v, emptyDir: {sizeLimit: '{{ size }}'}}", "mountPath: /models", [OWN]),
        ("{name: v, hostPath: {path: /srv/models}}", "mountPath: /models", [OWN]),
        ("{name: v, hostPath: {path: '{{ dir }}'}}", "mountPath: /data", [OWN]),
        (
            "{name: v, hostPath: {path: '{{ dir }}'}}",
            "mountPath: /models",
            ["{{ dir }}/model.onnx"],
        ),
        ("{name: v, hostPath: {path: $(DIR)/}}", "mountPath: /models/", ["$(DIR)/model.onnx"]),
        ("{name: v, hostPath: {path: /srv/x.bin}}", f"mountPath: {OWN}", ["/srv/x.bin"]),
        ("{name: v, hostPath: {path: /srv}}", f"mountPath: {OWN}, subPath: x", ["/srv/x"]),
        ("{name: v, hostPath: {path: /srv}}", "mountPath: '{{ dir }}'", [OWN, "{{ dir }}"]),
        ("{name: v, persistentVolumeClaim: {claimName: c}}", "mountPath: /models", [OWN]),
        (
            "{name: v, persistentVolumeClaim: {claimName: '{{ c }}'}}",
            "mountPath: /models",
            ["{{ c }}/model.onnx"],
        ),
        (
            "{name: v, persistentVolumeClaim: {claimName: c}}",
            "mountPath: /models, subPathExpr: $(POD)",
            ["$(POD)/model.onnx"],
        ),
        (
            "{name: v, persistentVolumeClaim: {claimName: c}}",
            f"mountPath: {OWN}, subPath: v2/model.onnx",
            [OWN],
        ),
        (
            "{name: v, persistentVolumeClaim: {claimName: c}}",
            f"mountPath: {OWN}, subPath: other.bin",
            ["volume/v/other.bin"],
        ),
        ("'{{ volume }}'", "mountPath: /models", ["{{ volume }}/model.onnx"]),
        ("'{{ volume }}'", "mountPath: /data", [OWN]),
        ("{name: v, configMap: {name: m}}", "mountPath: /models", [OWN]),
        (
            "{name: v, configMap: {name: m, items: [{key: b, path: model.onnx}]}}",
            "mountPath: /models",
            ["configmap/m/b"],
        ),
        (
            "{name: v, configMap: {name: m, items: [{key: model.onnx, path: model.onnx}]}}",
            "mountPath: /models",
            [OWN],
        ),
        (
            "{name: v, configMap: {name: m, items: [{key: b, path: labels.txt}]}}",
            "mountPath: /models",
            [OWN],
        ),
        (
            "{name: v, configMap: {name: m}}",
            f"mountPath: {OWN}, subPath: other.bin",
            ["configmap/m/other.bin"],
        ),
        (
            "{name: v, projected: {sources: [{secret: {name: s, items: [{key: b, path: model.onnx}"
            "]}}]}}",
            "mountPath: /models",
            ["secret/s/b"],
        ),
    ],
)
def test_what_a_volume_puts_at_the_path_of_the_model_is_the_model(
    volume: str, mount: str, uris: list[str]
) -> None:
    assert serving(volume, mount) == uris


def test_mounts_that_are_filled_in_later_may_lie_over_the_model() -> None:
    pod = root("containers: [{name: s, args: [--model, /m/a.onnx], volumeMounts: ['{{ m }}']}]")
    (worker,) = workers_of(pod)
    assert [(one.uri.value, bool(one.hidden)) for one in worker.models] == [
        ("/m/a.onnx", False),
        ("{{ m }}", True),
    ]


FETCH = "image: r.example/tools:1, volumeMounts: [{name: v, mountPath: /out}]"


def prepared(by: str, *, key: str = "initContainers", own: str = "") -> list[str]:
    """The models of a pod in which another container mounts the volume of the model."""
    pod = root(
        f"{key}:\n"
        f"  - {{name: fetch, {by}}}\n"
        f"{'' if key == 'containers' else 'containers:'}\n"
        "  - name: s\n"
        "    image: r.example/s:1\n"
        "    args: [--model, /models/model.onnx]\n"
        "    volumeMounts: [{name: v, mountPath: /models}]\n"
        f"{own}"
        "volumes: [{name: v, emptyDir: {}}]\n"
    )
    return sorted({one.uri.value for worker in workers_of(pod) for one in worker.models})


@pytest.mark.parametrize(
    ("by", "uris"),
    [
        ("args: [s3://b/model.onnx, /out/model.onnx]", ["s3://b/model.onnx"]),
        ("command: [aws, s3, cp, s3://b/blob, /out/model.onnx]", ["s3://b/blob"]),
        ("command: [gsutil, -m, cp, -r, gs://b/models/, /out]", ["gs://b/models/"]),
        ("command: [sh, -c, 'cd /out && wget -q https://h/x/1234']", ["https://h/x/1234"]),
        ("command: [sh, -c, 'curl -sSLo /out/model.onnx https://h/x']", ["https://h/x"]),
        ("command: [sh, -c, 'curl -sL https://h/x.tgz | tar xz -C /out']", ["https://h/x.tgz"]),
        ("command: [sh, -c, 'curl $URL > /out/model.onnx'], env: [{name: URL, value: 'https://h/x'}]",
         ["https://h/x"]),
        ("command: [hf, download, o/m, --local-dir, /out]", ["<initContainers.fetch>"]),
        ("command: [cp, -r, /own/., /out/]", ["r.example/tools:1"]),
        ("command: [/get.sh]", ["r.example/tools:1"]),
        ("command: [sh, -c, 'wget https://h/x; mv x /out/model.onnx']", ["https://h/x"]),
        ("command: [sh, -c, 'hf download o/m; cp -r m /out']", ["<initContainers.fetch>"]),
        ("env: [{name: MODEL_URI, value: 's3://b/model.onnx'}]", ["s3://b/model.onnx"]),
        ("env: [{name: MODEL_URI, value: 's3://b/folder'}]", ["s3://b/folder"]),
        ("env: [{name: HTTP_PROXY, value: 'http://p:1/x'}]", ["r.example/tools:1"]),
        ("imagePullPolicy: Always", ["r.example/tools:1"]),
        ("command: [sh, -c, 'mkdir -p /out/x; chown -R 1000 /out']", [OWN]),
        ("command: [sh, -c, 'until curl -s http://db:5432/; do sleep 1; done']", [OWN]),
        ("command: [sh, -c, 'while [ ! -f /out/a ]; do echo \"not -> yet\"; done']", [OWN]),
        ("command: [cp, /own/labels.txt, /out/labels.txt]", [OWN]),
        ("command: [cp, /own/labels.txt, /tmp/labels.txt]", [OWN]),
        ("command: [cp, /own/x, model.onnx], workingDir: /out", ["r.example/tools:1"]),
        ("command: [cp, -t, /out, /own/model.onnx]", ["r.example/tools:1"]),
        ("command: [aws, s3, cp, /out/model.onnx, s3://backup/]", [OWN]),
        ("command: [rclone, sync, /out, 'remote:backup']", [OWN]),
        ("command: [sh, -c, 'echo ready 1>&2; ls /out 2>/dev/null >&2']", [OWN]),
        ("command: [sh, -c, 'echo x > /out/model.onnx']", ["r.example/tools:1"]),
        ("command: [cat, /out/model.onnx]", [OWN]),
    ],
)  # fmt: skip
def test_what_an_init_container_puts_at_the_path_of_the_model_is_the_model(
    by: str, uris: list[str]
) -> None:
    assert prepared(f"{by}, {FETCH}") == uris


@pytest.mark.parametrize(
    "volume",
    ["{name: other, mountPath: /out}", "{name: v, mountPath: /out, readOnly: true}",
     "{name: v, mountPath: /out, subPath: logs}"],
)  # fmt: skip
def test_an_init_container_that_writes_elsewhere_changes_no_model(volume: str) -> None:
    assert prepared(f"command: [cp, -r, /own/., /out], volumeMounts: [{volume}]") == [OWN]


@pytest.mark.parametrize(
    ("by", "uris"),
    [
        ("command: [proxy]", [OWN]),
        ("command: [sh, -c, 'while true; do aws s3 sync s3://b/m /out; sleep 9; done']", ["s3://b/m"]),
    ],
)  # fmt: skip
def test_a_container_beside_it_counts_where_it_fetches(by: str, uris: list[str]) -> None:
    assert prepared(f"{by}, {FETCH}", key="containers") == uris
    assert prepared(f"restartPolicy: Always, {by}, {FETCH}") == uris


def hooked(script: str) -> list[str]:
    """The models of a pod with a hook."""
    hook = f"    lifecycle: {{postStart: {{exec: {{command: [sh, -c, {json.dumps(script)}]}}}}}}\n"
    return prepared("command: [true], image: a", own=hook)


@pytest.mark.parametrize(
    ("script", "uris"),
    [
        ("wget -O /models/model.onnx https://h/x", ["https://h/x"]),
        ("cp /opt/other.bin /models/model.onnx", ["r.example/s:1"]),
        ("cp /opt/model.onnx /models/", ["/opt/model.onnx"]),
        ("wget -q \\\n -O /models/model.onnx https://h/x", ["https://h/x"]),
        ("wget -O /t/model.onnx https://h/x && cp /t/model.onnx /models/", ["https://h/x"]),
        ("wget -O /t/labels https://h/x && cp /o/model.onnx /models/", ["/o/model.onnx"]),
        ("curl -s localhost:8080/warm", [OWN]),
        ("cp /etc/a /tmp/b", [OWN]),
        ("cp /models/model.onnx /tmp/b", [OWN]),
    ],
)
def test_what_a_hook_puts_at_the_path_of_the_model_is_the_model(
    script: str, uris: list[str]
) -> None:
    assert hooked(script) == uris


def test_a_command_that_fetches_its_model_itself_serves_that() -> None:
    script = "aws s3 cp s3://b/x.bin /m/a.onnx && exec serve --model /m/a.onnx"
    pod = root(f"containers: [{{name: s, command: [sh, -c, '{script}']}}]")
    (worker,) = workers_of(pod)
    assert [one.uri.value for one in worker.models] == ["s3://b/x.bin"]
