"""``placer check``: what a finding says is its cause, and its remedy leads out of it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import yaml

from placer.core.measurement import Parity
from tests import builders, gate_project, models
from tests.cli.conftest import Make, Run
from tests.gate_project import CLOUD_LABEL, Evidence, manifest, project, workload

OPTIONS = ("--locked", "--as-of", gate_project.TODAY)
SMALL = manifest().replace("512Mi", "64Mi")
KSERVE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: counter}}
spec:
  predictor:
    nodeSelector: {{node-role.kubernetes.io/edge: ''}}
    logger: {{url: "{url}", mode: {mode}}}
    model:
      modelFormat: {{name: onnx}}
      storageUri: s3://m/model.onnx
      resources: {{limits: {{memory: 512Mi}}}}
"""
NETWORK = {
    "name": "site",
    "rtt": {"p50": "5 ms", "p99": "8 ms"},
    "uplink": "100 Mbit/s",
    "downlink": "100 Mbit/s",
    "loss": "0%",
    "basis": "measured",
    "source": "test",
    "measured_at": "2026-11-25",
}
IN_CLOUD = Evidence(builders.measurement(0.001, ep="cuda"), gate_project.CLOUD, "cloud.json")
AT_CLOUD = manifest(CLOUD_LABEL, more=', nvidia.com/gpu: "1"')


def kserve(url: str, mode: str = "all") -> str:
    return KSERVE.format(url=url, mode=mode)


@pytest.fixture
def found(run: Run, make: Make) -> Any:
    """Check a project that is made of texts: its exit code and its findings by rule."""

    def check(*texts: str, day: str = gate_project.TODAY, **arguments: Any) -> tuple[int, Any]:
        make(*texts, **arguments)
        return again(run, day)

    return check


def again(run: Run, day: str = gate_project.TODAY) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    result = run("check", "deploy", "--locked", "--as-of", day, "--format", "json")
    assert result.out, result.err
    rules: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(result.out)["findings"]:
        rules.setdefault(one["rule"], []).append(one)
    return result.code, rules


PERSONAL = {"class": "personal", "regions": ["EU"]}
EVERYWHERE = project(egress=[{"to": "*", "jurisdiction": "DE"}])


@pytest.mark.parametrize(
    ("url", "code", "severity"),
    [
        ("http://logs.example.com/in", 1, "error"),
        ("HTTP://logs.example.com", 1, "error"),
        ("http://10.0.0.7:8080/", 1, "error"),
        ("http://logger.svc@logs.example.com/", 1, "error"),
        ("http://logs.example.com/#.svc", 1, "error"),
        ("http://camera.local/", 1, "error"),
        ("grpc://logs.example.com:8001", 1, "error"),
        ("tcp://logs.example.com:99/x", 1, "error"),
        ("ftp://logs.example.com/x", 1, "error"),
        ("udp://logs.example.com:514", 1, "error"),
        ("h2c://logs.example.com", 1, "error"),
        (" \thttp://logs.example.com", 1, "error"),
        ("http://logs．example．com", 1, "error"),
        ("http://evil。com", 1, "error"),
        ("http://logs%2Eexample%2Ecom", 1, "error"),
        ("http://ｌｏｇｓ", 1, "error"),
        ("kafka://logs.example.com:9092", 5, "warning"),
        ("foo://logs.example.com", 5, "warning"),
        ("//logs.example.com/x", 5, "warning"),
        ("logs.example.com:80", 5, "warning"),
        ("h\ttp://logs.example.com", 5, "warning"),
        ("kafka://broker.audit.svc:9092", 0, "warning"),
        ("wss://logs.example.com", 0, None),
        ("s3://logs/x", 0, None),
        ("http://logger.audit.svc.cluster.local/x", 0, "warning"),
        ("http://logger.audit.svc:80", 0, "warning"),
        ("http://message-dumper.default/", 0, "warning"),
        ("http://logger.audit-team:80", 0, "warning"),
        ("http://logger.dev/", 1, "error"),
        ("http://logger", 0, "warning"),
        ("http://localhost:8080", 0, None),
        ("http://127.0.0.1/x", 0, None),
        ("http://[::1]:80/", 0, None),
        ("https://logs.example.com/in", 0, None),
    ],
)
def test_a_receiver_without_tls_is_told(
    found: Any, url: str, code: int, severity: str | None
) -> None:
    told = workload(data=PERSONAL)
    got, rules = found(kserve(url), workload_file=told, project_file=EVERYWHERE)
    assert got == code, rules
    severities = [one["severity"] for one in rules.get("PLC104", [])]
    assert severities == ([] if severity is None else [severity])


def test_encryption_that_is_asked_for_holds_for_public_data_too(found: Any, run: Run) -> None:
    plain, url = {"class": "public"}, "http://logs.example.com"
    code, rules = found(kserve(url), workload_file=workload(data=plain))
    assert (code, list(rules)) == (0, ["PLC713"])
    Path("workloads/counter.yaml").write_text(
        yaml.safe_dump(workload(data={**plain, "encryption": True}))
    )
    code, rules = again(run)
    assert (code, list(rules)) == (1, ["PLC104", "PLC713"])


def test_a_receiver_whose_host_is_filled_in_later_is_inconclusive(found: Any) -> None:
    texts = kserve("http://${HOST}/in")
    entry = project(egress=[{"to": "http://${HOST}/*", "jurisdiction": "DE"}])
    code, rules = found(texts, workload_file=workload(data=PERSONAL), project_file=entry)
    assert code == 5
    assert [one["outcome"] for one in rules["PLC104"]] == ["inconclusive"]


def test_a_service_of_a_graph_without_tls_is_told(found: Any) -> None:
    graph = (
        "apiVersion: serving.kserve.io/v1alpha1\nkind: InferenceGraph\nmetadata: {name: chain}\n"
        "spec:\n  nodeSelector: {node-role.kubernetes.io/edge: ''}\n  nodes:\n    root:\n"
        "      routerType: Sequence\n      steps:\n"
        "        - {serviceUrl: 'http://scores.example.com'}\n"
    )
    chosen = project(
        deployments=[{"id": "inferencegraph/*", "workload": "counter"}],
        egress=[{"to": "*", "jurisdiction": "DE"}],
    )
    code, rules = found(graph, workload_file=workload(data=PERSONAL), project_file=chosen)
    assert code == 1
    assert "call of a service to http://scores.example.com" in rules["PLC104"][0]["message"]


@pytest.mark.parametrize(
    "url", ["http://user:word@logs.example.com", "https://[2001:db8::7]/", "https://a.eu?.svc"]
)
def test_no_spelling_of_a_url_makes_a_receiver_one_of_the_cluster(found: Any, url: str) -> None:
    code, rules = found(kserve(url), workload_file=workload(data={"regions": ["EU"]}))
    assert code == 5
    assert "PLC705" in rules


def test_a_mistyped_key_of_the_place_fails_wherever_the_file_is_said_to_run(
    found: Any, run: Run
) -> None:
    code, rules = found(manifest().replace("nodeSelector", "nodeSelecter"))
    assert code == 1
    assert rules["PLC710"][0]["outcome"] == "fail"
    (unresolved,) = rules["PLC701"]
    assert unresolved["remedy"] == "first mend deploy/0.yaml:10:7: write 'nodeSelector'"
    sites = project()["sites"]
    assert isinstance(sites, dict)
    sites["line"]["match"].append({"path": "deploy/0.yaml"})
    Path("placer.yaml").write_text(yaml.safe_dump(project(sites=sites)))
    code, rules = again(run)
    assert (code, list(rules)) == (1, ["PLC710"])


def test_the_remedy_of_an_unresolved_site_is_an_entry_that_resolves_it(
    found: Any, run: Run
) -> None:
    _, rules = found(manifest("disk: ssd"))
    (unresolved,) = rules["PLC701"]
    match = yaml.safe_load(unresolved["remedy"].partition("match: ")[2])
    sites = project()["sites"]
    assert isinstance(sites, dict)
    sites["line"]["match"] += match
    Path("placer.yaml").write_text(yaml.safe_dump(project(sites=sites)))
    assert again(run) == (0, {})


def test_what_two_entries_say_of_a_receiver_counts_together(found: Any, run: Run) -> None:
    special = workload(data={"class": "special", "regions": ["EU"]})
    url = "https://logs.example.com"
    entries = [{"to": url, "carries": "request"}, {"to": "https://*", "jurisdiction": "US"}]
    _, rules = found(kserve(url), workload_file=special, project_file=project(egress=entries))
    assert "lies in US" in rules["PLC705"][0]["message"]
    assert "carries raw input" in rules["PLC704"][0]["message"]
    entries.append({"to": "*", "jurisdiction": "DE"})
    Path("placer.yaml").write_text(yaml.safe_dump(project(egress=entries)))
    _, rules = again(run)
    assert "differ in its jurisdiction (DE, US): keep one" in rules["PLC705"][0]["remedy"]


@pytest.mark.parametrize(
    ("evidence", "rule", "code"),
    [
        ({"tampering": ("2026-11-23", "2026-11-22")}, "PLC618", 1),
        ({"is_missing": True}, "PLC611", 5),
        ({"change": ('"method_version":1', '"method_version":9')}, "PLC617", 5),
    ],
)
def test_evidence_that_cannot_be_used_is_the_one_cause_that_is_told(
    found: Any, run: Run, evidence: dict[str, Any], rule: str, code: int
) -> None:
    broken = replace(Evidence(builders.measurement()), **evidence)
    got, rules = found(manifest(), evidence=(broken, IN_CLOUD))
    assert (got, list(rules)) == (code, [rule])
    said = run("check", "deploy", *OPTIONS).out
    assert "recommended" not in said
    assert "p99" not in said.rpartition("deployment/counter")[2].replace("--sla p99", "")


def test_where_nothing_was_measured_that_alone_is_told_to_do(found: Any, run: Run) -> None:
    code, rules = found(manifest(), evidence=())
    assert (code, list(rules)) == (5, ["PLC611"])
    result = run("check", "deploy", *OPTIONS, "--format", "json")
    (checked,) = json.loads(result.out)["checked"]
    assert checked["recommended"] is None


def test_what_rests_on_an_assumption_is_not_recommended(found: Any, run: Run) -> None:
    stated = {
        key: value for key, value in workload(throughput="100000/s").items() if key != "network"
    }
    found(manifest(), workload_file=stated)
    result = run("check", "deploy", *OPTIONS, "--format", "json")
    (checked,) = json.loads(result.out)["checked"]
    assert checked["recommended_basis"] != "assumed"
    assert "PLC703" not in result.out


def test_an_assumed_network_is_stated_in_the_workload_not_by_an_option(found: Any) -> None:
    stated = {key: value for key, value in workload().items() if key != "network"}
    _, rules = found(AT_CLOUD, evidence=(IN_CLOUD,), workload_file=stated)
    assert "--network" not in str(rules)


def test_nothing_is_recommended_on_evidence_of_another_site_that_was_changed(
    run: Run, make: Make
) -> None:
    good = Evidence(builders.measurement())
    broken = replace(good, tampering=("2026-11-23", "2026-11-22"))
    for evidence, is_recommended in ((good, True), (broken, False)):
        make(
            AT_CLOUD,
            evidence=(evidence, IN_CLOUD),
            networks={"site.yaml": NETWORK},
            workload_file=workload(network="site.yaml"),
        )
        result = run("check", "deploy", *OPTIONS, "--format", "json")
        (checked,) = json.loads(result.out)["checked"]
        assert (checked["recommended"] is not None) is is_recommended
        shutil.rmtree(Path.cwd())


def test_a_changed_network_file_is_the_one_cause_that_is_told(found: Any, run: Run) -> None:
    setting: dict[str, Any] = {
        "networks": {"site.yaml": NETWORK},
        "workload_file": workload(network="site.yaml"),
    }
    found(AT_CLOUD, evidence=(IN_CLOUD,), **setting)
    slow = yaml.safe_dump({**NETWORK, "rtt": {"p50": "500 ms", "p99": "800 ms"}})
    Path("workloads/site.yaml").write_text(slow)
    code, rules = again(run)
    assert code == 1
    assert not {"PLC201", "PLC202", "PLC601", "PLC703"} & rules.keys()
    assert "PLC618" in rules


def test_an_unknown_quantile_of_the_network_is_probed_not_measured_on_the_machine(
    found: Any,
) -> None:
    _, rules = found(
        AT_CLOUD,
        evidence=(IN_CLOUD,),
        networks={"site.yaml": {**NETWORK, "rtt": {"p50": "5 ms"}}},
        workload_file=workload(network="site.yaml"),
    )
    assert "placer network probe" in rules["PLC202"][0]["remedy"]
    assert "placer profile" not in rules["PLC202"][0]["remedy"]


def test_too_high_a_demand_asks_for_a_lower_one_not_for_a_measurement(found: Any) -> None:
    rate = {"rate": "97/s", "arrival": "poisson"}
    slow = Evidence(builders.measurement(0.01, runs=3000))
    told = workload(demand=rate, latency={"p99": "250 ms"})
    _, rules = found(manifest(), evidence=(slow,), workload_file=told)
    (unproven,) = rules["PLC202"]
    assert "rate" in unproven["remedy"]
    assert "placer profile" not in unproven["remedy"]


def test_measuring_again_is_fresh_and_with_the_settings_of_the_evidence(found: Any) -> None:
    settings = builders.measurement().settings
    single = builders.measurement(
        settings=replace(settings, intra_op_threads=1), measured_at="2026-01-02"
    )
    _, rules = found(manifest(), evidence=(Evidence(single),))
    assert "--threads 1 --fresh " in rules["PLC615"][0]["remedy"]
    assert "spinning" not in rules["PLC615"][0]["remedy"]


def test_too_few_runs_ask_for_the_time_that_enough_take(found: Any) -> None:
    slow = Evidence(builders.measurement(1.0, runs=60))
    _, rules = found(manifest(), evidence=(slow,), workload_file=workload(latency={"p99": "2 s"}))
    for rule in ("PLC616", "PLC202"):
        command = commands_of(rules[rule][0]["remedy"])
        (seconds,) = re.findall(r" --time-limit (\d+)s ", command)
        assert 449 < float(seconds) < 1800
    enough = Evidence(builders.measurement(1.0, runs=449))
    assert judged_again(found, enough, {"p99": "2 s"}) == (0, {})


def judged_again(found: Any, evidence: Evidence, latency: object) -> tuple[int, Any]:
    shutil.rmtree(Path.cwd())
    return cast(
        "tuple[int, Any]",
        found(manifest(), evidence=(evidence,), workload_file=workload(latency=latency)),
    )


def test_a_few_more_runs_are_asked_for_by_a_nearer_limit(found: Any) -> None:
    few = Evidence(builders.measurement(0.011, runs=400))
    _, rules = found(manifest(), evidence=(few,))
    assert "needs about 49 more" in rules["PLC202"][0]["message"]
    assert " --sla p99=27.2727ms " in rules["PLC202"][0]["remedy"]
    drawn = np.where(np.random.default_rng(1).random(200) < 0.16, 0.05, 0.01)
    shutil.rmtree(Path.cwd())
    _, rules = found(
        manifest(),
        evidence=(Evidence(builders.measurement(values_s=drawn)),),
        workload_file=workload(latency={"p90": "30 ms"}),
    )
    assert " --sla p90=33ms " in rules["PLC202"][0]["remedy"]


@pytest.mark.parametrize("median_s", [0.028, 0.0295])
def test_a_limit_that_no_measurement_can_decide_asks_for_none(found: Any, median_s: float) -> None:
    near = Evidence(builders.measurement(median_s, runs=3000))
    _, rules = found(manifest(), evidence=(near,))
    remedy = rules["PLC202"][0]["remedy"]
    assert remedy.startswith("measuring again would not settle it: p99 is 3")
    assert "placer profile" not in remedy


@pytest.mark.parametrize(("median_s", "runs"), [(0.032, 3000), (0.032, 400), (0.02, 400)])
def test_a_disturbed_measurement_is_asked_for_in_quiet_by_a_nearer_limit(
    found: Any, median_s: float, runs: int
) -> None:
    noisy = builders.measurement(median_s, runs=runs)
    reasons = ("other processes ran",)
    noisy = replace(noisy, instrument=replace(noisy.instrument, reasons=reasons))
    _, rules = found(manifest(), evidence=(Evidence(noisy),))
    told = {rules[rule][0]["remedy"] for rule in ("PLC202", "PLC601", "PLC616") if rule in rules}
    assert len(told) == 1
    (remedy,) = told
    assert remedy.startswith("while nothing else runs there, on rpi5")
    assert " --sla p99=27.2727ms " in remedy
    assert "PLC202" in rules


def test_a_target_that_is_met_while_disturbed_is_asked_for_as_it_is(found: Any) -> None:
    noisy = builders.measurement(0.01, runs=3000)
    noisy = replace(noisy, instrument=replace(noisy.instrument, reasons=("others ran",)))
    code, rules = found(manifest(), evidence=(Evidence(noisy),))
    assert (code, [*rules]) == (0, ["PLC601"])
    assert " --sla p99=30ms " in rules["PLC601"][0]["remedy"]


def test_too_few_runs_are_measured_anew_by_a_nearer_limit(found: Any) -> None:
    few = Evidence(builders.measurement(0.027, runs=100))
    _, rules = found(manifest(), evidence=(few,))
    assert " --sla p99=27.2727ms " in rules["PLC616"][0]["remedy"]
    assert rules["PLC202"][0]["remedy"] == rules["PLC616"][0]["remedy"]


def test_what_is_measured_idles_and_has_the_shapes_that_the_workload_states(found: Any) -> None:
    told = workload(
        demand={"rate": "2/s", "arrival": "periodic"},
        model={"path": "../model.onnx", "shapes": {"x": [1, 3, 64, 64]}, "inputs": "real.npz"},
    )
    settings = replace(
        builders.measurement().settings, io="device", provider_options=(("use_tf32", "0"),)
    )
    old = builders.measurement(
        ep="cuda",
        settings=settings,
        measured_at="2026-01-02",
        input_source="samples:" + "0" * 64,
    )
    text = manifest(more=', nvidia.com/gpu: "1"')
    _, rules = found(text, evidence=(Evidence(old),), workload_file=told)
    assert commands_of(rules["PLC615"][0]["remedy"]) == (
        f"model.onnx --site {gate_project.EDGE} --ep cuda --sla p99=30ms --shape x=1,3,64,64 "
        "--inputs workloads/real.npz --rate 2/s --threads 4 --spinning "
        "--ep-option cuda.use_tf32=0 --io device --fresh --save evidence/edge.json"
    )


@pytest.mark.parametrize(
    ("parity", "wanted", "source", "expected"),
    [
        (None, None, "seed:7", "with more time: on rpi5: placer profile"),
        (0.3, None, "seed:7", "`model: {min_agreement: 99%}` in workloads/counter.yaml), then on"),
        (0.3, "99%", "seed:7", "or with real samples on rpi5: placer profile"),
        (0.3, "99%", "samples:" + "0" * 64, "with about 512 samples on rpi5: placer profile"),
        (0.3, "99.999999%", "samples:" + "0" * 64, "more samples would not settle it"),
    ],
)
def test_other_answers_of_an_accelerator_lead_to_another_answer_of_the_gate(
    found: Any, parity: float | None, wanted: str | None, source: str, expected: str
) -> None:
    known = None if parity is None else Parity(100, parity, parity, 1.0)
    measured = builders.measurement(ep="cuda", parity=known, input_source=source)
    model = {"path": "../model.onnx", **({"min_agreement": wanted} if wanted else {})}
    _, rules = found(
        manifest(more=', nvidia.com/gpu: "1"'),
        evidence=(Evidence(measured),),
        workload_file=workload(model=model),
    )
    remedy = rules["PLC407"][0]["remedy"]
    assert expected in remedy
    if known is not None and "placer profile model" in remedy:
        assert " --inputs SAMPLES.npz " in remedy
    assert "--min-agreement" not in remedy


def test_another_model_than_was_measured_is_asked_for_by_its_own_file(run: Run, make: Make) -> None:
    entry = {"uri": "*model.onnx", "workload": "counter", "sha256": "cd" * 32}
    folder = make(manifest(), project_file=project(models=[entry]))
    _, rules = again(run)
    named = "name the file that is deployed as `model: path:` of workloads/counter.yaml"
    assert named in rules["PLC612"][0]["remedy"]
    assert commands_of(rules["PLC612"][0]["remedy"]).startswith("FILE --site rpi5 ")
    del entry["sha256"]
    (folder / "small.onnx").write_bytes(b"another model")
    (folder / "placer.yaml").write_text(
        yaml.safe_dump(project(models=[{**entry, "file": "small.onnx"}]))
    )
    lock = json.loads((folder / "placer.lock").read_text())
    (folder / "placer.lock").write_text(json.dumps({**lock, "models": {"small.onnx": "cd" * 32}}))
    _, rules = again(run)
    assert "name small.onnx as `model: path:`" in rules["PLC612"][0]["remedy"]
    assert commands_of(rules["PLC612"][0]["remedy"]).startswith("small.onnx --site rpi5 ")


@pytest.mark.parametrize(("cpu", "threads"), [("2500m", 2), ("500m", None)])
def test_a_limit_of_cores_is_measured_with_no_more_threads(
    found: Any, cpu: str, threads: int | None
) -> None:
    _, rules = found(manifest(more=f", cpu: {cpu}"))
    command = commands_of(rules["PLC714"][0]["remedy"])
    assert (f" --threads {threads} " in command) if threads else not command
    assert "--threads 4" not in command


@pytest.mark.parametrize(("request_", "granted"), [("5500m", "5.5"), ("1", "4")])
def test_no_fewer_cores_are_to_be_granted_than_are_requested(
    found: Any, request_: str, granted: str
) -> None:
    _, rules = found(manifest(more=f", cpu: 2}}\n            requests: {{cpu: {request_}"))
    assert rules["PLC714"][0]["remedy"].startswith(f"grant {granted} or take the limit out")
    assert ("PLC711" in rules) == (granted == "5.5")


@pytest.mark.parametrize(
    ("data", "demand", "rule", "expected"),
    [
        ({"class": "internal", "regions": ["US"]}, {}, "PLC102", "or widen `data: regions:` of w"),
        ({"class": "personal"}, {}, "PLC102", "be processed: `data: regions:` of workloads/c"),
        ({}, {"budget": "1 USD/month"}, "PLC501", "`demand: rate:` of workloads/counter.yaml"),
    ],
)
def test_what_a_file_must_say_is_told_by_its_key_and_by_no_option(
    found: Any, data: object, demand: dict[str, object], rule: str, expected: str
) -> None:
    _, rules = found(AT_CLOUD, evidence=(IN_CLOUD,), workload_file=workload(data=data, **demand))
    assert expected in rules[rule][0]["remedy"]
    assert "--" not in rules[rule][0]["remedy"]


def test_a_day_before_the_measurement_proves_nothing(found: Any) -> None:
    code, rules = found(manifest(), day="2026-11-22")
    assert code == 5
    assert (
        "measured on 2026-11-23, after the day that is asked about (2026-11-22)"
        in (rules["PLC615"][0]["message"])
    )


def test_a_day_before_the_probe_proves_nothing(found: Any) -> None:
    _, rules = found(
        AT_CLOUD,
        evidence=(IN_CLOUD,),
        networks={"site.yaml": NETWORK},
        workload_file=workload(network="site.yaml"),
        day="2026-11-24",
    )
    assert "measured on 2026-11-25, after the day" in rules["PLC619"][0]["message"]


@pytest.mark.parametrize("is_in_the_lock", [True, False])
@pytest.mark.parametrize("options", [OPTIONS, OPTIONS[1:]])
def test_a_network_that_is_gone_is_told_of_what_needs_it(
    run: Run, make: Make, is_in_the_lock: bool, options: tuple[str, ...]
) -> None:
    folder = make(
        AT_CLOUD,
        manifest().replace("counter", "kept"),
        evidence=(IN_CLOUD, Evidence(builders.measurement())),
        networks={"site.yaml": NETWORK} if is_in_the_lock else None,
        workload_file=workload(network="site.yaml"),
    )
    (folder / "workloads" / "site.yaml").unlink(missing_ok=True)
    result = run("check", "deploy", *options, "--format", "json")
    assert result.code == 5, result.err
    found = json.loads(result.out)
    assert {one["id"]: one["outcome"] for one in found["checked"]} == {
        "deployment/counter": "inconclusive",
        "deployment/kept": "pass",
    }
    told = [one for one in found["findings"] if one["rule"] == "PLC619"]
    assert [one["place"]["line"] for one in told] == [11]
    assert "workloads/site.yaml is" in told[0]["message"]
    assert ("in placer.lock" in told[0]["message"]) == is_in_the_lock
    assert run("check", "deploy", *options, "--output", "json=r.json").code == 5


def test_without_a_lock_a_file_of_models_that_is_gone_is_told(run: Run, make: Make) -> None:
    folder = make(manifest(), is_locked=False)
    models.mlp(str(folder / "model.onnx"), width=8, layers=1)
    entry = {"uri": "*model.onnx", "workload": "counter", "file": "gone.onnx"}
    (folder / "placer.yaml").write_text(yaml.safe_dump(project(models=[entry])))
    result = run("check", "deploy", *OPTIONS[1:])
    assert result.code == 5
    assert "PLC702" in result.out
    assert "gone.onnx, which `models` names, is not here" in result.out


def test_a_workload_that_is_gone_is_told_where_the_project_names_it(run: Run, make: Make) -> None:
    folder = make(manifest())
    (folder / "workloads" / "counter.yaml").unlink()
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3
    assert "placer.yaml:3:3: workloads/counter.yaml: no such file" in result.err


@pytest.mark.parametrize(("basis", "code"), [("measured", 5), ("catalogue", 0)])
def test_a_probe_without_a_day_has_no_age_that_passes(found: Any, basis: str, code: int) -> None:
    undated = {key: value for key, value in NETWORK.items() if key != "measured_at"}
    got, rules = found(
        AT_CLOUD,
        evidence=(IN_CLOUD,),
        networks={"site.yaml": {**undated, "basis": basis}},
        workload_file=workload(network="site.yaml"),
    )
    assert (got, "PLC619" in rules) == (code, code == 5)
    if code:
        assert "nothing says when" in rules["PLC619"][0]["message"]
        assert "`measured_at: YYYY-MM-DD`" in rules["PLC619"][0]["remedy"]


IGNORED = "# placer: ignore-file[{rule}] the operator limits it\n"


def test_a_suppression_of_what_is_no_rule_says_so(found: Any) -> None:
    _, rules = found(IGNORED.format(rule="PLC777") + manifest())
    assert rules["PLC721"][0]["message"].startswith("PLC777 is no rule")


def test_what_is_no_rule_takes_nothing_from_the_rules_beside_it(found: Any) -> None:
    small = manifest().replace("512Mi", "64Mi")
    code, rules = found(IGNORED.format(rule="PLC706,PLC999") + small)
    assert (code, list(rules)) == (0, ["PLC721"])
    assert "nothing is ignored" not in rules["PLC721"][0]["message"]
    assert "PLC999 is no rule" in rules["PLC721"][0]["message"]
    assert "it ignores nothing" in rules["PLC721"][0]["message"]


@pytest.mark.parametrize("reason", ["-", "...", "—"])
def test_a_dash_is_no_reason(found: Any, run: Run, reason: str) -> None:
    small = manifest().replace("512Mi", "64Mi")
    code, rules = found(f"# placer: ignore-file[PLC706] {reason}\n{small}")
    assert (code, set(rules)) == (1, {"PLC706", "PLC711"})
    assert "a reason is missing" in rules["PLC711"][0]["message"]
    entry = {"rule": "PLC706", "path": "**", "reason": reason}
    text = yaml.safe_dump(project(suppressions=[entry]), allow_unicode=True)
    Path("placer.yaml").write_text(text, encoding="utf-8")
    result = run("check", "deploy", "--locked")
    assert result.code == 2
    assert f"'{reason}' is no reason" in result.err


def test_a_model_of_another_folder_is_named_by_its_shortest_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    folder = gate_project.make(tmp_path / "p", {"0.yaml": manifest()}, is_locked=False)
    monkeypatch.chdir(folder)
    assert "and model.onnx is not here" in run("check", "deploy").out
    (folder / "elsewhere" / "workloads").mkdir(parents=True)
    (folder / "workloads").rename(folder / "elsewhere" / "workloads" / "of")
    (folder / "workloads").symlink_to("elsewhere/workloads/of")
    assert "workloads/../model.onnx is" in run("check", "deploy").out  # which is another file


def commands_of(remedy: str) -> str:
    return remedy.partition("placer profile ")[2].partition(";")[0]


def test_what_was_not_measured_is_told_with_the_whole_command(found: Any) -> None:
    gpu = manifest(more=', nvidia.com/gpu: "1"')
    _, rules = found(gpu)
    command = f"model.onnx --site {gate_project.EDGE} --ep cuda --sla p99=30ms"
    assert commands_of(rules["PLC708"][0]["remedy"]) == (
        f"{command} --save evidence/counter-line-cuda.json"
    )
    assert rules["PLC708"][0]["remedy"].endswith("; then here: placer lock")


def test_what_runs_without_an_accelerator_is_told_with_the_whole_command(found: Any) -> None:
    on_cuda = Evidence(builders.measurement(ep="cuda", nodes_by_ep=(("cuda", 66),)))
    _, rules = found(manifest(), evidence=(on_cuda,))
    assert commands_of(rules["PLC708"][0]["remedy"]) == (
        f"model.onnx --site {gate_project.EDGE} --ep cpu --sla p99=30ms "
        "--save evidence/counter-line-cpu.json"
    )


@pytest.mark.parametrize(
    ("ep", "told"),
    [
        ("cpu", "pip install 'onnxruntime==1.26.*'"),
        ("cuda", "pip install 'onnxruntime-gpu==1.26.*'"),
        ("qnn", "a build with qnn"),
    ],
)
def test_another_runtime_is_told_with_the_version_to_measure_with(
    found: Any, ep: str, told: str
) -> None:
    site = {
        "device": gate_project.EDGE,
        "runtime": "onnxruntime 1.26.3",
        "match": [{"path": "**"}],
    }
    measured = builders.measurement(ep=ep, nodes_by_ep=((ep, 66),))
    _, rules = found(
        manifest(more=', nvidia.com/gpu: "1"' if ep != "cpu" else ""),
        evidence=(Evidence(measured),),
        project_file=project(sites={"line": site}),
    )
    remedy = rules["PLC613"][0]["remedy"]
    assert remedy.startswith(f"put onnxruntime 1.26.3 there ({told}), then on {gate_project.EDGE}")
    assert "--fresh --save evidence/edge.json; then here: placer lock" in remedy


@pytest.mark.parametrize("regions", [["EU"], None])
@pytest.mark.parametrize("rule", ["PLC704", "PLC705"])
def test_what_either_rule_of_a_route_asks_for_is_enough_for_both(
    found: Any, run: Run, rule: str, regions: list[str] | None
) -> None:
    settings = {
        "image": "registry.example/counter@sha256:" + "0" * 64,
        "createOptions": {"HostConfig": {"Memory": 2**29}},
    }
    content = {
        "$edgeAgent": {"properties.desired": {"modules": {"counter": {"settings": settings}}}},
        "$edgeHub": {"properties.desired": {"routes": {"up": "FROM /messages/* INTO $upstream"}}},
    }
    sites = {"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/**"}]}}
    images = [{"uri": "registry.example/counter*", "workload": "counter"}]
    stated = project(sites=sites, models=images)
    data = {"class": "special", **({"regions": regions} if regions else {})}
    code, rules = found(
        json.dumps({"modulesContent": content}),
        workload_file=workload(data=data),
        project_file=stated,
    )
    assert (code, set(rules)) == (5, {"PLC704", "PLC705"})
    egress = yaml.safe_load(rules[rule][0]["remedy"].partition("egress: ")[2])
    Path("placer.yaml").write_text(yaml.safe_dump({**stated, "egress": egress}))
    assert again(run) == (0, {})


def test_a_suppression_of_what_cannot_be_ignored_says_so(found: Any) -> None:
    broken = replace(Evidence(builders.measurement()), tampering=("2026-11-23", "2026-11-22"))
    _, rules = found(IGNORED.format(rule="PLC618") + manifest(), evidence=(broken,))
    assert rules["PLC721"][0]["message"].startswith("PLC618 cannot be ignored")


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        (manifest("disk: ssd"), Evidence(builders.measurement())),
        (manifest(), replace(Evidence(builders.measurement()), is_missing=True)),
        (
            manifest(),
            replace(Evidence(builders.measurement()), tampering=("2026-11-23", "2026-11-22")),
        ),
    ],
)
def test_a_suppression_whose_rule_could_not_judge_is_not_called_unused(
    found: Any, run: Run, text: str, evidence: Evidence
) -> None:
    _, rules = found(IGNORED.format(rule="PLC706") + text, evidence=(evidence,))
    assert "PLC721" not in rules
    entry = {"rule": "PLC706", "path": "deploy/*", "reason": "a debug build"}
    Path("placer.yaml").write_text(yaml.safe_dump(project(suppressions=[entry])))
    assert "PLC721" not in again(run)[1]


def test_a_suppression_of_a_changed_model_is_not_called_unused_where_none_is_read(
    found: Any,
) -> None:
    _, rules = found(IGNORED.format(rule="PLC612") + manifest())
    assert rules == {}


def test_an_entry_is_not_called_unused_where_only_some_of_its_files_were_checked(
    run: Run, make: Make
) -> None:
    entry = {"rule": "PLC706", "path": "deploy/*", "reason": "a debug build"}
    make(SMALL, manifest(), project_file=project(suppressions=[entry]))
    assert "PLC721" not in run("check", "deploy/1.yaml", *OPTIONS).out
    Path("deploy/0.yaml").write_text(manifest(), encoding="utf-8")
    assert "PLC721" not in run("check", "deploy/1.yaml", *OPTIONS).out
    assert "PLC721" in run("check", "deploy", *OPTIONS).out


def test_thousandths_of_a_byte_are_no_limit_of_memory(found: Any) -> None:
    code, rules = found(manifest().replace("512Mi", "256m"))
    assert code == 1
    assert rules["PLC711"][0]["remedy"] == "write 256Mi"
    assert list(rules) == ["PLC711"]


@pytest.mark.parametrize("peak_bytes", [None, 0])
def test_a_peak_that_was_not_measured_is_no_small_one(
    found: Any, run: Run, peak_bytes: int | None
) -> None:
    evidence = (Evidence(builders.measurement(peak_memory_bytes=peak_bytes)),)
    code, rules = found(manifest(), evidence=evidence)
    assert (code, list(rules)) == (5, ["PLC706"])
    assert rules["PLC706"][0]["outcome"] == "inconclusive"
    assert "does not say how much memory" in rules["PLC706"][0]["message"]
    text = manifest().replace("limits: {memory: 512Mi}", "limits: {cpu: 4}")
    Path("deploy/0.yaml").write_text(text)
    code, rules = again(run)
    assert (code, list(rules)) == (0, ["PLC707"])
    assert "was not measured" in rules["PLC707"][0]["message"]


@pytest.mark.parametrize(("data_class", "code"), [("personal", 5), ("internal", 0)])
def test_personal_data_that_a_logger_takes_needs_regions_as_a_cloud_does(
    found: Any, data_class: str, code: int
) -> None:
    data = {"class": data_class}
    got, rules = found(kserve("https://logs.example.com"), workload_file=workload(data=data))
    assert got == code
    assert ("PLC705" in rules, "PLC704" in rules) == (code == 5, code == 5)
    if code:
        assert rules["PLC705"][0]["outcome"] == "inconclusive"
        assert "no allowed region is stated" in rules["PLC705"][0]["message"]
        assert rules["PLC704"][0]["severity"] == "warning"


def test_raw_personal_data_that_may_leave_is_not_warned_of(found: Any) -> None:
    data = {**PERSONAL, "may_leave": "raw_input"}
    texts = kserve("https://logs.example.com")
    code, rules = found(texts, workload_file=workload(data=data), project_file=EVERYWHERE)
    assert (code, list(rules)) == (0, ["PLC713"])


@pytest.mark.parametrize(
    ("url", "mode"), [("http://logger.audit.svc", "all"), ("https://logs.example.com", "response")]
)
def test_what_stays_in_the_cluster_or_is_an_answer_needs_no_regions(
    found: Any, url: str, mode: str
) -> None:
    code, rules = found(kserve(url, mode), workload_file=workload(data={"class": "personal"}))
    assert code == 0
    assert not {"PLC704", "PLC705"} & set(rules)


@pytest.mark.parametrize(("key", "typed"), [("image", "imge"), ("args", "arg"), ("args", "agrs")])
def test_a_mistyped_key_of_the_model_fails_whatever_is_known_without_it(
    found: Any, run: Run, key: str, typed: str
) -> None:
    by_image = [{"uri": "registry.example/counter*", "workload": "counter"}]
    entries = [*by_image, {"uri": "*model.onnx", "workload": "counter"}]
    text = manifest().replace(f"{key}:", f"{typed}:")
    code, rules = found(text, project_file=project(models=entries))
    assert code == 1
    assert [(one["severity"], one["outcome"]) for one in rules["PLC710"]] == [("error", "fail")]
    args = 'args: ["--model", "/models/model.onnx"]'
    Path("deploy/0.yaml").write_text(manifest().replace(args, "").replace("image:", "imge:"))
    code, rules = again(run)  # nothing says any more that it runs a model
    assert (code, list(rules)) == (1, ["PLC710"])


def test_a_model_that_a_mistyped_key_hides_is_named_with_it(found: Any) -> None:
    text = kserve("http://logger").replace("storageUri", "storageUrl")
    chosen = project(models=[{"uri": "*model.onnx", "workload": "counter"}])
    code, rules = found(text, project_file=chosen)
    assert code == 1
    assert rules["PLC710"][0]["outcome"] == "fail"


@pytest.mark.parametrize(("last", "code"), [("$upstream", 5), ("SINK", 0)])
def test_a_route_through_another_module_is_one_to_the_cloud(
    found: Any, last: str, code: int
) -> None:
    sink = 'BrokeredEndpoint("/modules/MODULE/inputs/a")'
    settings = {
        "image": "registry.example/counter@sha256:" + "0" * 64,
        "createOptions": {"HostConfig": {"Memory": 2**29}},
    }
    modules = {"counter": {"settings": settings}, "relay": {"settings": {"image": "relay:1"}}}
    routes = {
        "a": f"FROM /messages/modules/counter/* INTO {sink.replace('MODULE', 'relay')}",
        "b": f"FROM /messages/modules/relay/* INTO {last.replace('SINK', sink)}",
    }
    content = {
        "$edgeAgent": {"properties.desired": {"modules": modules}},
        "$edgeHub": {"properties.desired": {"routes": routes}},
    }
    sites = {"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/**"}]}}
    images = [{"uri": "registry.example/counter*", "workload": "counter"}]
    code_, rules = found(
        json.dumps({"modulesContent": content}),
        workload_file=workload(data={"class": "special", "regions": ["EU"]}),
        project_file=project(
            sites=sites, models=images, egress=[{"to": "$upstream", "jurisdiction": "DE"}]
        ),
    )
    assert (code_, list(rules)) == (code, ["PLC704"] if code else [])
    if code:
        assert "route to $upstream (through relay)" in rules["PLC704"][0]["message"]
