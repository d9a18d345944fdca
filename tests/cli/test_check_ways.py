"""``placer check``: ways that stand elsewhere, are not written out, or carry answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import CLOUD, CLOUD_LABEL, project, workload

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: counter}
spec:
  predictor:
    nodeSelector: {node-role.kubernetes.io/edge: ''}
    %s
    model:
      modelFormat: {name: onnx}
      storageUri: s3://m/model.onnx
      resources: {limits: {memory: 512Mi}}
"""
OLD = """\
apiVersion: serving.kubeflow.org/v1alpha2
kind: InferenceService
metadata: {name: counter}
spec:
  default:
    predictor:
      onnx: {storageUri: s3://m/model.onnx, resources: {limits: {memory: 512Mi}}}
"""
GRAPH = """\
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: counter}
spec:
  nodeSelector: {node-role.kubernetes.io/edge: ''}
  resources: {limits: {memory: 512Mi}}
  nodes:
    root:
"""
JOINT = """\
apiVersion: sedna.io/v1alpha1
kind: JointInferenceService
metadata: {name: joint}
spec:
  edgeWorker:
    model: {name: small}
    template:
      spec:
        nodeSelector: {node-role.kubernetes.io/edge: ''}
        containers: [{name: e, image: 'x/e:1', resources: {limits: {memory: 512Mi}}}]
  cloudWorker:
    model: {name: large}
    template:
      spec:
        %s
        containers: [{name: c, image: 'x/c:1', resources: {limits: {memory: 512Mi}}}]
"""
JOINTS = [{"id": "jointinferenceservice/*", "workload": "counter"}]
RESIZE = "containers: [{name: kserve-container, image: 'registry.example/resize:2'}]"
BESIDE = "nodeSelector: {node-role.kubernetes.io/edge: ''}"
LOGGER = "logger: {mode: all, url: 'https://logs.example.com'}"
SPECIAL = {"class": "special", "regions": ["EU"], "may_leave": "output"}
NOTHING = {**SPECIAL, "may_leave": "nothing"}
Told = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture
def told(run: Run, make: Make) -> Told:
    """Check one manifest: exit code, and the worst outcome of each rule."""

    def check(text: str, data: object = SPECIAL, **changes: object) -> tuple[int, dict[str, str]]:
        chosen = {"deployments": [{"id": "inferencegraph/*", "workload": "counter"}], **changes}
        make(text, workload_file=workload(data=data), project_file=project(**chosen))
        result = run("check", "deploy", *OPTIONS)
        assert result.out, result.err
        found: list[dict[str, Any]] = json.loads(result.out)["findings"]
        return result.code, {one["rule"]: one["outcome"] for one in reversed(found)}

    return check


def service(more: str, *, in_predictor: str = "") -> str:
    return SERVICE % in_predictor + more


@pytest.mark.parametrize("name", ["transformer", "explainer"])
def test_a_logger_around_the_predictor_is_a_way_of_its_requests(told: Told, name: str) -> None:
    code, rules = told(service(f"  {name}:\n    {LOGGER}\n    {RESIZE}\n"))
    assert (code, rules["PLC704"], rules["PLC705"]) == (1, "fail", "inconclusive")


@pytest.mark.parametrize(("namespace", "is_way"), [("factory", False), ("shop", True)])
def test_a_logger_in_the_namespace_of_the_service_is_in_the_cluster(
    told: Told, namespace: str, is_way: bool
) -> None:
    text = service("", in_predictor="logger: {mode: all, url: 'http://message-dumper.factory/'}")
    text = text.replace("{name: counter}", f"{{name: counter, namespace: {namespace}}}")
    rules = told(text, {"class": "personal", "regions": ["EU"]})[1]
    assert ("PLC705" in rules) == is_way
    assert rules["PLC104"] == ("fail" if is_way else "pass")


def test_a_component_without_a_logger_opens_no_way(told: Told) -> None:
    text = f"  transformer:\n    {RESIZE}\n    {BESIDE}\n  explainer: null\n"
    assert told(service(text))[0] == 0


def transformer(more: str) -> str:
    return SERVICE % "" + f"  transformer:\n    {RESIZE}\n    {more}\n"


@pytest.mark.parametrize("model", ["", "command: [serve, --model, /m/model.onnx], "])
@pytest.mark.parametrize("data", [SPECIAL, NOTHING])
def test_a_transformer_on_another_site_gets_what_may_not_leave(
    told: Told, data: object, model: str
) -> None:
    away = f"nodeSelector: {{{CLOUD_LABEL}}}"
    text = transformer(away).replace("{name: kserve-container, ", f"{{{model}name: c, ")
    code, rules = told(text, data)
    assert (code, rules["PLC704"]) == (1, "fail")
    assert "PLC705" not in rules  # it lies in Sweden


@pytest.mark.parametrize("more", ["minReplicas: 1", "nodeSelector: {pool: big}", "nodeName: x"])
def test_a_transformer_at_a_place_that_nobody_knows_is_inconclusive(told: Told, more: str) -> None:
    code, rules = told(transformer(more))
    assert (code, rules["PLC704"]) == (5, "inconclusive")
    assert ("PLC705" in rules) == (
        more != "minReplicas: 1"
    )  # else in the same cluster, as services


@pytest.mark.parametrize("more", [BESIDE, "minReplicas: 1"])
@pytest.mark.parametrize("data", [{"class": "internal"}, {"class": "personal", "regions": ["EU"]}])
def test_a_transformer_beside_a_predictor_that_may_send_away_is_no_way(
    told: Told, data: object, more: str
) -> None:
    code, rules = told(transformer(more), data)
    assert code == 0
    assert not {"PLC704", "PLC705"} & rules.keys()


def test_a_transformer_of_the_cloud_outside_the_regions_is_told(told: Told) -> None:
    line, north = cast("dict[str, dict[str, Any]]", project()["sites"]).values()
    sites = {"line": line, "north": {**north, "jurisdiction": "US"}}
    data = {"class": "personal", "regions": ["EU"]}
    code, rules = told(transformer(f"nodeSelector: {{{CLOUD_LABEL}}}"), data, sites=sites)
    assert (code, rules["PLC704"], rules["PLC705"]) == (1, "pass", "fail")


def test_a_transformer_goes_where_the_predictor_in_the_cloud_is(told: Told) -> None:
    text = transformer("minReplicas: 1").replace(BESIDE, f"nodeSelector: {{{CLOUD_LABEL}}}")
    assert not {"PLC704", "PLC705"} & told(text)[1].keys()


SENT = [{"to": "*", "carries": "answer", "jurisdiction": "EU"}]


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        ("mode: response", None),
        ("mode: request", "fail"),
        ("mode: all", "fail"),
        ("mode: Response", "fail"),
        ("", "fail"),
        ('mode: "{{ .Values.mode }}"', None),
    ],
)
def test_an_entry_takes_nothing_off_what_a_logger_sends(
    run: Run, make: Make, mode: str, outcome: str | None
) -> None:
    logger = f"logger:\n      url: https://logs.example.com\n      {mode}"
    make(
        service("", in_predictor=logger),
        workload_file=workload(data=SPECIAL),
        project_file=project(egress=SENT),
    )
    result = run("check", "deploy", *OPTIONS)
    found = [one for one in json.loads(result.out)["findings"] if one["rule"] == "PLC704"]
    assert [one["outcome"] for one in found] == ([outcome] if outcome else [])
    said = mode or "mode: all (the default)"
    for one in found:
        assert f"`carries: answer` of placer.yaml is contradicted by `{said}`" in one["message"]


@pytest.mark.parametrize(("region", "law"), [("eu-north-1", "PLACE"), ("se", "SE")])
def test_where_a_receiver_lies_is_said_in_words_that_the_project_takes(
    run: Run, make: Make, region: str, law: str
) -> None:
    asked = workload(data={"class": "internal", "regions": [region]})
    make(service(f"  transformer:\n    {LOGGER}\n    {RESIZE}\n"), workload_file=asked)
    told = json.loads(run("check", "deploy", *OPTIONS).out)
    remedies = [one["remedy"] for one in told["findings"] if one["rule"] == "PLC705"]
    assert [f"jurisdiction: {law}}}" in one for one in remedies] == [True], remedies


def test_a_mode_that_an_entry_contradicts_is_new_since_a_base(run: Run, make: Make) -> None:
    logger = "logger: {mode: response, url: 'https://logs.example.com'}"
    folder = make(
        service("", in_predictor=logger),
        workload_file=workload(data=SPECIAL),
        project_file=project(egress=SENT),
    )
    gate_project.committed(folder)
    (file,) = (folder / "deploy").iterdir()
    file.write_text(file.read_text().replace("mode: response", "mode: request"))
    result = run("check", "deploy", *OPTIONS, "--base", "HEAD")
    assert result.code == 1
    assert "PLC704" in {one["rule"] for one in json.loads(result.out)["findings"]}


def test_an_entry_may_say_that_more_goes_there_than_the_manifest_does(told: Told) -> None:
    logger = "logger: {mode: response, url: 'https://logs.example.com'}"
    more = [{**SENT[0], "carries": "request"}]
    code, rules = told(service("", in_predictor=logger), egress=more)
    assert (code, rules["PLC704"]) == (1, "fail")


def test_a_transformer_gets_requests_whatever_the_project_says(told: Told) -> None:
    egress = [{"to": "inferenceservice/counter/transformer", "carries": "answer"}]
    code, rules = told(transformer("minReplicas: 1"), egress=egress)
    assert (code, rules["PLC704"]) == (5, "inconclusive")


def test_a_logger_of_the_old_api_stands_around_its_predictor_as_well(told: Told) -> None:
    text = f"{OLD}    transformer:\n      {LOGGER}\n      {RESIZE}\n"
    code, rules = told(text, sites={"line": {"device": "rpi5", "match": [{"path": "**"}]}})
    assert (code, rules["PLC704"]) == (1, "fail")


@pytest.mark.parametrize("data", [SPECIAL, NOTHING, {"class": "personal", "regions": ["EU"]}])
@pytest.mark.parametrize(
    ("inside", "more"),
    [
        ('logger: "{{ toYaml .Values.logger }}"', ""),
        ("logger: ${LOGGER}", ""),
        ("logger: https://logs.example.com", ""),
        ("logger: [{mode: all}]", ""),
        ("", '  transformer: "{{ toYaml .Values.transformer }}"\n'),
        ("", "  explainer:\n    logger: {{ .Values.logger }}\n    containers: []\n"),
    ],
)
def test_a_logger_that_is_not_written_out_may_lead_anywhere(
    told: Told, inside: str, more: str, data: object
) -> None:
    code, rules = told(service(more, in_predictor=inside), data)
    assert code == 5 or (data == NOTHING and "$" not in inside and "{{" not in inside + more), rules
    assert rules["PLC705"] == "inconclusive"


@pytest.mark.parametrize("inside", ["loger: {url: 'https://logs.example.com'}", "Loggr: {}"])
def test_a_mistyped_logger_fails(told: Told, inside: str) -> None:
    code, rules = told(service("", in_predictor=inside))
    assert (code, rules["PLC710"]) == (1, "fail")


@pytest.mark.parametrize("key", ["stpes", "step"])
def test_mistyped_steps_of_a_graph_fail(told: Told, key: str) -> None:
    url = "https://logs.example.com/all"
    code, rules = told(f"{GRAPH}      {key}: [{{serviceUrl: '{url}'}}]\n")
    assert (code, rules["PLC710"]) == (1, "fail")


def test_no_logger_is_none(told: Told) -> None:
    assert told(service("", in_predictor="logger: null"))[0] == 0


@pytest.mark.parametrize(
    "root",
    [
        '"{{ toYaml .Values.root }}"',
        '{routerType: Sequence, steps: "{{ toYaml .Values.steps }}"}',
        '{routerType: Sequence, steps: ["{{ toYaml .Values.step }}"]}',
    ],
)
def test_steps_of_a_graph_that_are_not_written_out_may_lead_anywhere(told: Told, root: str) -> None:
    code, rules = told(f"{GRAPH.rstrip()} {root}\n")
    assert (code, rules["PLC704"]) == (5, "inconclusive"), rules


def test_a_mistyped_receiver_of_a_graph_fails(told: Told) -> None:
    step = "{serviceURI: 'https://infer.example.com'}"
    code, rules = told(f"{GRAPH.rstrip()} {{routerType: Sequence, steps: [{step}]}}\n")
    assert (code, rules["PLC710"]) == (1, "fail")


OUT = "{serviceUrl: 'https://api.us.example.com/v1'}"


def of_steps(*steps: str) -> str:
    lines = "".join(f"        - {one}\n" for one in steps)
    return f"{GRAPH}      routerType: Sequence\n      steps:\n{lines}"


@pytest.mark.parametrize("steps", [[OUT], ["{serviceUrl: 'http://reader.shop.svc/v1'}", OUT]])
def test_a_graph_that_sends_data_out_and_names_no_service_is_not_known(
    told: Told, steps: list[str]
) -> None:
    code, rules = told(of_steps(*steps), deployments=[])
    assert (code, rules) == (5, {"PLC702": "inconclusive"})


def test_a_graph_whose_urls_are_all_in_the_cluster_is_left_alone(told: Told) -> None:
    text = (
        service("") + "---\n" + of_steps("{serviceUrl: 'http://other.shop.svc.cluster.local/v1'}")
    )
    assert told(text, deployments=[])[0] == 0


@pytest.mark.parametrize(
    "step",
    [
        "{serviceName: counter}",
        "{serviceUrl: 'http://counter.shop.svc.cluster.local/v1'}",
        "{serviceUrl: 'http://counter-predictor.shop/v1'}",
        "{serviceUrl: 'http://counter-predictor-default/v1'}",
    ],
)
def test_the_ways_out_of_a_graph_are_judged_however_its_steps_name_the_service(
    told: Told, step: str
) -> None:
    text = f"{service('')}---\n{of_steps(step, OUT)}"
    text = text.replace("{name: counter}", "{name: counter, namespace: shop}")
    rules = told(text, deployments=[])[1]
    assert (rules["PLC704"], rules["PLC705"]) == ("fail", "inconclusive")
    assert "PLC702" not in rules


@pytest.mark.parametrize(
    ("step", "ways"),
    [
        ("{serviceName: counter}", set()),
        ("{serviceUrl: 'http://counter.shop.svc.cluster.local/v1/models/x:predict'}", set()),
        ("{serviceUrl: 'http://counter.lab.svc/v1'}", {"PLC104", "PLC704"}),
    ],
)
def test_a_step_that_calls_a_service_among_what_is_read_is_no_way_out(
    told: Told, step: str, ways: set[str]
) -> None:
    text = f"{service('')}---\n{of_steps('{serviceName: counter}', step)}"
    text = text.replace("{name: counter}", "{name: counter, namespace: shop}")
    rules = told(text, deployments=[])[1]
    assert {"PLC104", "PLC704", "PLC705"} & set(rules) == ways


def test_a_url_of_another_namespace_names_another_service(told: Told) -> None:
    step = "{serviceUrl: 'http://counter.lab.svc/v1'}"
    text = f"{service('')}---\n{of_steps(step, OUT)}"
    text = text.replace("{name: counter}", "{name: counter, namespace: shop}")
    assert told(text, deployments=[])[1]["PLC702"] == "inconclusive"


IN_THE_US = [{"to": "https://logs.*", "jurisdiction": "US"}]
IN_THE_EU = [{"to": "https://logs.*", "jurisdiction": "DE"}]
ANSWERS = "logger: {mode: response, url: 'https://logs.example.com'}"


def test_answers_that_go_outside_the_regions_are_told(told: Told, run: Run) -> None:
    code, rules = told(service("", in_predictor=ANSWERS), egress=IN_THE_US)
    assert (code, rules["PLC705"]) == (0, "pass")
    assert run("check", "deploy", *OPTIONS, "--fail-on", "warning").code == 1
    said = " ".join(run("check", "deploy", *OPTIONS[:3]).out.split())
    assert "outside the allowed regions (EU), which bind raw input alone" in said


def test_answers_that_stay_in_the_regions_are_no_finding(told: Told) -> None:
    assert "PLC705" not in told(service("", in_predictor=ANSWERS), egress=IN_THE_EU)[1]


def test_answers_to_public_data_may_go_anywhere(told: Told) -> None:
    public = {"class": "public", "regions": ["EU"]}
    assert "PLC705" not in told(service("", in_predictor=ANSWERS), public, egress=IN_THE_US)[1]


@pytest.mark.parametrize(
    ("stands", "regions", "outcome"),
    [
        ("US", ["EU"], "fail"),
        ("US", ["EU", "US"], None),
        ("DE", ["EU"], None),
        ("EU", ["DE"], "inconclusive"),
        ("SE", ["eu-north-1"], "inconclusive"),
        (None, ["EU"], None),
        ("US", None, None),
    ],
)
def test_a_device_that_stands_outside_the_regions_processes_outside(
    told: Told, stands: str | None, regions: list[str] | None, outcome: str | None
) -> None:
    data = {"class": "internal", **({"regions": regions} if regions else {})}
    site = {"device": "rpi5", "match": [{"path": "**"}]}
    sites = {"line": {**site, **({"jurisdiction": stands} if stands else {})}}
    code, rules = told(service(""), data, sites=sites)
    assert (code, rules.get("PLC102")) == ({"fail": 1, None: 0}.get(outcome, 5), outcome)


@pytest.mark.parametrize(("stands", "outcome"), [("US", "fail"), ("SE", None), ("EU", None)])
def test_what_the_project_says_of_a_cloud_counts_beside_its_region(
    told: Told, stands: str, outcome: str | None
) -> None:
    cloud = {"cloud": CLOUD, "jurisdiction": stands, "match": [{"path": "**"}]}
    _, rules = told(service(""), {"class": "internal", "regions": ["EU"]}, sites={"north": cloud})
    assert rules.get("PLC102") == outcome


@pytest.mark.parametrize(("stands", "outcome"), [("US", "fail"), ("DE", None)])
def test_where_an_offer_of_no_region_stands_is_what_its_site_says(
    run: Run, make: Make, stands: str, outcome: str | None
) -> None:
    cloud = "clouds/own.yaml"
    sites = {
        "near": {"cloud": cloud, "jurisdiction": stands, "match": [{"path": "deploy/*"}]},
        "far": {"cloud": cloud, "jurisdiction": "US", "match": [{"node": "far"}]},
    }
    data = {"class": "internal", "regions": ["EU"]}
    folder = make(service(""), workload_file=workload(data=data), project_file=project(sites=sites))
    (folder / "clouds").mkdir()
    (folder / cloud).write_text(
        "name: own\nprovider: us\ninstance: rack\nclass: cpu\nep: cpu\nvcpus: 8\n"
        "basis: measured\nsource: us\noffers: [{price: 1 USD/h}]\n"
    )
    result = run("check", "deploy", *OPTIONS)
    assert result.out, result.err
    told = [one["outcome"] for one in json.loads(result.out)["findings"] if one["rule"] == "PLC102"]
    assert told == ([outcome] if outcome else [])


STEPS = "{routerType: Sequence, steps: [{serviceName: model.onnx}]}"


@pytest.mark.parametrize(
    ("change", "moved_to"),
    [
        (("kind:", "nodeSelector: {a: b}\nkind:"), "'spec' of the graph"),
        (("    root:", "    root:\n      nodeSelector: {a: b}"), "'spec' of the graph"),
        (("kind:", "logger: {mode: all}\nkind:"), "the InferenceService that a step"),
        (("  nodes:", "  containers: []\n  nodes:"), "the InferenceService that a step"),
        (("    root:", "    root:\n      runtimeClassName: x"), "the InferenceService that a step"),
    ],
)
def test_a_key_that_a_graph_drops_is_moved_to_where_it_counts(
    told: Told, run: Run, change: tuple[str, str], moved_to: str
) -> None:
    text = f"{GRAPH.rstrip()}\n      steps: [{{serviceName: model.onnx}}]\n".replace(*change)
    code, rules = told(text)
    assert (code, rules["PLC709"]) == (1, "fail")
    said = " ".join(run("check", "deploy", *OPTIONS[:3]).out.split())
    assert f"move it to {moved_to}" in said


def test_mistyped_nodes_of_a_graph_are_told(told: Told, run: Run) -> None:
    code, rules = told(f"{GRAPH.rstrip()} {STEPS}\n".replace("nodes:", "nodez:"))
    assert (code, set(rules)) == (1, {"PLC710", "PLC712"})
    assert run("check", "deploy", *OPTIONS[:3]).out.count("write 'nodes'") == 2


def test_mistyped_nodes_beside_the_nodes_of_a_graph_are_told(told: Told) -> None:
    code, rules = told(f"{GRAPH.rstrip()} {STEPS}\n  nodez: {{}}\n")
    assert (code, rules["PLC710"]) == (1, "fail")


def test_a_kind_that_is_not_read_is_told(told: Told) -> None:
    text = "apiVersion: serving.kserve.io/v1alpha1\nkind: LLMInferenceService\n"
    code, rules = told(f"{text}metadata: {{name: llm}}\nspec: {{model: {{uri: 'hf://a/b'}}}}\n")
    assert (code, set(rules)) == (1, {"PLC712"})


def test_a_kind_that_is_not_read_may_be_ignored_with_the_reason(run: Run, make: Make) -> None:
    text = "apiVersion: serving.kserve.io/v1alpha1\nkind: LLMInferenceService\n"
    ignored = "# placer: ignore[PLC712] judged by the team of the chat\n"
    more = f"{text}{ignored}metadata: {{name: llm}}\nspec: {{model: {{uri: 'hf://a/b'}}}}\n"
    make(gate_project.manifest(), more)
    result = run("check", "deploy", *OPTIONS[:3])
    assert result.code == 0, result.out


@pytest.mark.parametrize(
    ("more", "inside", "rule"),
    [
        (f"  transformr:\n    {RESIZE}\n", "", "PLC710"),
        ("  explaner: {logger: {url: 'https://x'}}\n", "", "PLC710"),
        ("  predictr: {model: {storageUri: s3://o/other}}\n", "", "PLC710"),
        ("  canary: {predictor: {onnx: {storageUri: s3://o/other}}}\n", "", "PLC709"),
        ("  storageUris: [{uri: s3://o/other}]\n", "", "PLC709"),
        ("", "storageUri: s3://o/other", "PLC709"),
        ("", "storageUrs: [{uri: s3://o/other}]", "PLC710"),
        ("  transformer: {loger: {url: 'https://x'}}\n", "", "PLC710"),
    ],
)
def test_a_mistyped_part_of_a_service_fails(told: Told, more: str, inside: str, rule: str) -> None:
    code, rules = told(service(more, in_predictor=inside))
    assert (code, rules[rule]) == (1, "fail")


def test_a_canary_of_the_old_api_is_shown_the_way_of_the_new_one(told: Told, run: Run) -> None:
    told(service("  canary: {predictor: {onnx: {storageUri: s3://o/other}}}\n"))
    said = " ".join(run("check", "deploy", *OPTIONS[:3]).out.split())
    assert "predictor.canaryTrafficPercent" in said
    assert "v1alpha2" not in said


@pytest.mark.parametrize("key", ["canry", "Canary"])
def test_a_mistyped_canary_of_the_old_api_fails(told: Told, key: str) -> None:
    text = f"{OLD}  {key}: {{predictor: {{onnx: {{storageUri: s3://o/other}}}}}}\n"
    code, rules = told(text, sites={"line": {"device": "rpi5", "match": [{"path": "**"}]}})
    assert (code, rules["PLC710"]) == (1, "fail")


@pytest.mark.parametrize("canary", ["'{{ c }}'", "{{ c }}", "{predictor: '{{ p }}'}"])
def test_a_canary_that_is_filled_in_later_cannot_be_read(told: Told, canary: str) -> None:
    site = {"line": {"device": "rpi5", "match": [{"path": "**"}]}}
    code, rules = told(f"{OLD}  canary: {canary}\n", sites=site)
    assert (code, rules["PLC712"]) == (1, "fail")


@pytest.mark.parametrize("line", ["storageUris: ['{{ uri }}']", "storageUris: '{{ uris }}'"])
def test_further_models_that_are_filled_in_later_are_not_known(told: Told, line: str) -> None:
    code, rules = told(service("", in_predictor=line))
    assert (code, rules["PLC702"]) == (5, "inconclusive")


@pytest.mark.parametrize(
    ("place", "is_way"),
    [
        ("nodeSelector: {node-role.kubernetes.io/edge: ''}", False),
        (f"nodeSelector: {{{CLOUD_LABEL}}}", True),
        ("nodeName: nobody-knows", True),
        ("hostNetwork: true", True),
    ],
)
@pytest.mark.parametrize("data", [SPECIAL, {"class": "personal", "regions": ["EU"]}])
def test_a_cloud_worker_on_the_site_of_the_edge_worker_takes_nothing_away(
    told: Told, place: str, is_way: bool, data: object
) -> None:
    rules = told(JOINT % place, data, deployments=JOINTS)[1]
    assert ("PLC704" in rules) == is_way
    assert ("PLC705" in rules) == (is_way and place != f"nodeSelector: {{{CLOUD_LABEL}}}")


@pytest.mark.parametrize("match", [{"path": "**"}, {"node": "other"}])
def test_a_cloud_worker_without_words_of_its_place_is_in_the_cloud(
    told: Told, match: dict[str, str]
) -> None:
    sites = {"line": {"device": gate_project.EDGE, "match": [match]}}
    _, rules = told(JOINT % "hostNetwork: true", deployments=JOINTS, sites=sites)
    assert rules["PLC704"] == "fail"
