"""``placer check``: what a manifest demands of the machine, and grants of it, was measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from placer.core.measurement import SessionSettings
from tests import builders, gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import CLOUD_LABEL, EDGE_LABEL, Evidence, manifest, project

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
Told = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture
def told(run: Run, make: Make) -> Told:
    """Check one manifest: exit code, and the outcome of each rule."""

    def check(text: str, **arguments: object) -> tuple[int, dict[str, str]]:
        make(text, **arguments)
        result = run("check", "deploy", *OPTIONS)
        assert result.out, result.err
        found = json.loads(result.out)["findings"]
        return result.code, {one["rule"]: one["outcome"] for one in reversed(found)}

    return check


def at(*lines: str) -> str:
    return manifest("\n        ".join([EDGE_LABEL, *lines]))


def affinity(operator: str, key: str, *values: str) -> str:
    one = f"{{key: {key}, operator: {operator}, values: [{', '.join(values)}]}}"
    term = f"nodeSelectorTerms: [{{matchExpressions: [{one}]}}]"
    way = f"{{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{{term}}}}}}}"
    return manifest().replace("      nodeSelector:", f"      affinity: {way}\n      nodeSelector:")


ARCH, SYSTEM = "kubernetes.io/arch", "kubernetes.io/os"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (at(f"{ARCH}: arm64"), 0),
        (at(f"{ARCH}: arm64", f"{SYSTEM}: linux"), 0),
        (at(f"beta.{ARCH}: amd64"), 5),
        (at(f"{ARCH}: amd64"), 5),
        (at(f"{ARCH}: arm"), 5),
        (at(f"{ARCH}: riscv64"), 5),
        (at(f"{ARCH}: amr64"), 5),
        (at(f"{SYSTEM}: windows"), 5),
        (at("example.com/os: windows"), 0),
        (affinity("In", ARCH, "arm64", "amd64"), 0),
        (affinity("In", ARCH, "amd64", "386"), 5),
        (affinity("NotIn", ARCH, "amd64"), 0),
        (affinity("NotIn", ARCH, "arm64"), 5),
        (affinity("In", SYSTEM, "windows"), 5),
        (affinity("NotIn", SYSTEM, "linux"), 5),
        (manifest().replace("      nodeS", "      os: {name: windows}\n      nodeS"), 5),
    ],
)  # fmt: skip
def test_a_machine_of_another_kind_was_not_measured(told: Told, text: str, code: int) -> None:
    got, rules = told(text)
    assert (got, rules) == (code, {"PLC715": "inconclusive"} if code else {})


def test_a_machine_that_is_filled_in_later_was_not_measured(told: Told) -> None:
    line = {"device": gate_project.EDGE, "match": [{"path": "deploy/*"}]}
    text = at(f'{ARCH}: "{{{{ .Values.arch }}}}"')
    here = gate_project.project(sites={"line": line})
    assert told(text, project_file=here) == (5, {"PLC715": "inconclusive"})


def test_without_a_measurement_the_device_says_what_it_is(told: Told) -> None:
    assert "PLC715" in told(at(f"{ARCH}: amd64"), evidence=())[1]


def test_a_machine_in_the_cloud_is_what_was_measured_there(told: Told) -> None:
    measured = Evidence(builders.measurement(0.001, ep="cpu"), gate_project.CLOUD, "cloud.json")
    text = manifest(f"{CLOUD_LABEL}\n        {ARCH}: arm64", more=', nvidia.com/gpu: "1"')
    assert "PLC715" in told(text, evidence=(measured,))[1]


COMPOSE = """\
services:
  counter:
    image: registry.example/counter@sha256:%s
    platform: %s
    command: ["--model", "/models/model.onnx"]
    deploy: {resources: {limits: {memory: 512M, cpus: "%s"}}}
"""
HERE = project(sites={"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/*"}]}})


@pytest.mark.parametrize(
    ("platform", "code"),
    [
        ("linux/arm64", 0),
        ("linux/arm64/v8", 0),
        ("linux/amd64", 5),
        ("linux", 0),
        ("windows/amd64", 5),
        ("${PLATFORM}", 5),
    ],
)
def test_the_platform_of_a_container_is_held_to_the_machine(
    told: Told, platform: str, code: int
) -> None:
    got, rules = told(COMPOSE % ("0" * 64, platform, 4), project_file=HERE)
    assert (got, set(rules)) == (code, {"PLC715"} if code else set())


def limited(cpu: str) -> str:
    return manifest(more=f", cpu: {cpu}")


ONE_THREAD = Evidence(builders.measurement(settings=SessionSettings(1, None)))
IN_A_CONTAINER = Evidence(
    builders.measurement(machine=replace(builders.measurement().machine, cores=2))
)
ON_CUDA = Evidence(builders.measurement(ep="cuda", nodes_by_ep=(("cuda", 66),)))
MEASURED = Evidence(builders.measurement())


@pytest.mark.parametrize(
    ("cpu", "evidence", "code"),
    [
        ("10m", MEASURED, 5),
        ("3999m", MEASURED, 5),
        ("2", MEASURED, 5),
        ("4", MEASURED, 0),
        ("8", MEASURED, 0),
        ("0", MEASURED, 0),
        ('"{{ .Values.cpu }}"', MEASURED, 5),
        ("1", ONE_THREAD, 0),
        ("500m", ONE_THREAD, 5),
        ("2", IN_A_CONTAINER, 0),
        ("1", IN_A_CONTAINER, 5),
    ],
)
def test_a_limit_below_the_cores_of_the_evidence_proves_nothing(
    told: Told, cpu: str, evidence: Evidence, code: int
) -> None:
    got, rules = told(limited(cpu), evidence=(evidence,))
    assert (got, rules) == (code, {"PLC714": "inconclusive"} if code else {})


@pytest.mark.parametrize(("cpu", "code"), [("1", 0), ("10m", 5)])
def test_an_accelerator_needs_one_core_to_be_fed(told: Told, cpu: str, code: int) -> None:
    text = limited(f"{cpu}, nvidia.com/gpu: 1")
    assert told(text, evidence=(ON_CUDA,))[0] == code


MODULE = """\
{"content": {"modulesContent": {"$edgeAgent": {"properties.desired": {"modules": {"counter":
{"settings": {"image": "registry.example/counter@sha256:%s",
"createOptions": {"HostConfig": {"Memory": 536870912, %s}}}}}}}}}}
""".replace("%s", "0" * 64, 1)
GROUP = """\
{"targetArn": "arn:aws:iot:eu-north-1:1:thinggroup/line", "components": {
"com.example.Counter": {"componentVersion": "1.0.0", "runWith": {"systemResourceLimits": %s}},
"aws.greengrass.Nucleus": {"componentVersion": "2.12.0", "configurationUpdate": {"merge":
"{\\"runWithDefault\\":{\\"systemResourceLimits\\":{\\"cpus\\":8,\\"memory\\":2000000}}}"}}}}
"""
SERVICE = """\
services:
  counter:
    image: registry.example/counter@sha256:%s
    mem_limit: 512m
    %s
""".replace("%s", "0" * 64, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SERVICE % "cpus: 4", {}),
        (SERVICE % "cpu_quota: 400000", {}),
        (SERVICE % "cpu_quota: -1", {}),
        (SERVICE % 'cpuset: "0-2,5"', {}),
        (SERVICE % "cpus: '${CPUS}'", {"PLC714": "inconclusive"}),
        (SERVICE % "cpu_quota: 50000", {"PLC714": "inconclusive"}),
        (SERVICE % "cpu_quota: '${QUOTA}'", {"PLC714": "inconclusive"}),
        (SERVICE % "cpus: 8\n    cpu_quota: 50000", {"PLC714": "inconclusive"}),
        (SERVICE % "cpu_quota: 400000\n    cpu_period: '${PERIOD}'", {"PLC714": "inconclusive"}),
        (SERVICE % "cpu_quota: 400000\n    cpu_period: 50ms", {}),
        (SERVICE % 'cpuset: "0,0,1"', {"PLC714": "inconclusive"}),
        (SERVICE % 'cpuset: "${SET}"', {"PLC714": "inconclusive"}),
        (SERVICE % "deploy: {resources: {limits: '${L}'}}", {"PLC714": "inconclusive"}),
        (SERVICE % "deploy: '${D}'", {"PLC714": "inconclusive"}),
        (SERVICE % "deploy: {replicas: '${N}'}", {}),
        (SERVICE % "deploy: {replicas: many}", {"PLC711": "fail"}),
        (SERVICE % "scale: -1", {"PLC711": "fail"}),
        (MODULE % '"NanoCpus": 4000000000', {}),
        (MODULE % '"NanoCpus": "${N}"', {"PLC714": "inconclusive"}),
        (MODULE % '"CpuQuota": 50000, "CpuPeriod": 100000', {"PLC714": "inconclusive"}),
        (MODULE % '"CpusetCpus": "1"', {"PLC714": "inconclusive"}),
        (GROUP % "{}", {}),
        (GROUP % '{"cpus": 1}', {"PLC714": "inconclusive"}),
        (GROUP % '{"cpus": "${C}"}', {"PLC714": "inconclusive"}),
        (GROUP % '{"memory": "${M}"}', {"PLC707": "inconclusive"}),
        (GROUP % '"${L}"', {"PLC707": "inconclusive", "PLC714": "inconclusive"}),
    ],
)  # fmt: skip
def test_a_limit_of_cores_that_is_low_or_cannot_be_read_proves_nothing(
    told: Told, text: str, expected: dict[str, str]
) -> None:
    sites = {"line": {"device": gate_project.EDGE, "match": [{"path": "**"}]}}
    chosen = [{"path": "**", "workload": "counter"}]
    code, rules = told(text, project_file=project(sites=sites, deployments=chosen))
    assert rules == expected
    assert code == max([0, *({"fail": 1}.get(one, 5) for one in rules.values())])


@pytest.mark.parametrize(
    "change",
    [("limits: {memory: 512Mi}", "limits: '{{ .l }}'"), ("memory: 512Mi", "memory: '{{ .m }}'")],
)
def test_resources_that_are_a_template_are_no_missing_limit(
    told: Told, change: tuple[str, str]
) -> None:
    code, rules = told(manifest().replace(*change))
    assert (code, rules["PLC707"]) == (5, "inconclusive")


def test_a_limit_of_compose_counts_alike(told: Told) -> None:
    code, rules = told(COMPOSE % ("0" * 64, "linux/arm64", "0.5"), project_file=HERE)
    assert (code, rules) == (5, {"PLC714": "inconclusive"})


@pytest.mark.parametrize(
    ("count", "code"), [("2", 0), ("0", 0), ("two", 1), ("-1", 1), ("1.5", 1), ("${N}", 0)]
)
def test_a_number_of_pods_is_one(told: Told, count: str, code: int) -> None:
    text = manifest().replace("spec:\n", f"spec:\n  replicas: {count}\n", 1)
    assert told(text) == (code, {"PLC711": "fail"} if code else {})


def test_a_limit_that_is_no_amount_is_told_once(told: Told) -> None:
    assert told(limited("two")) == (1, {"PLC711": "fail"})
