"""``placer check`` and ``placer lock`` from files to exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from placer.files.evidence import to_statement
from placer.reports.check.document import check_schema
from tests import builders, gate_project, models
from tests.cli.conftest import Make, Result, Run
from tests.gate_project import CLOUD_LABEL, Evidence, edited_lock, git, manifest

OPTIONS = ("--locked", "--as-of", gate_project.TODAY)
COMMENT = "# placer: ignore[PLC706] measured with a debug build{until}\n            limits"
SMALL = manifest().replace("512Mi", "64Mi")


def document(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.out)
    Draft202012Validator(check_schema()).validate(found)
    return found


def test_what_passes_gives_zero_and_says_what_was_checked(run: Run, make: Make) -> None:
    make(manifest())
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 0, result.out
    assert "✔ pass" in result.out
    assert "1 deployment: 1 pass; no findings; 1 manifest file" in result.out
    assert result.err == ""


def test_a_finding_quotes_the_line_the_limit_and_the_evidence(run: Run, make: Make) -> None:
    make(SMALL)
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    assert (
        "error[PLC706] the limit is 64 MiB, the model was measured to need 85.8 MiB" in result.out
    )
    assert "deploy/0.yaml:17:30" in result.out
    assert "limits: {memory: 64Mi}" in result.out
    assert "evidence " in result.out
    found = document(run("check", "deploy", *OPTIONS, "--format", "json"))
    assert found["findings"][0]["place"]["pointer"].endswith("/limits/memory")
    assert found["outcome"] == "fail"


def test_what_is_not_resolved_is_inconclusive_and_never_passes(run: Run, make: Make) -> None:
    make(manifest("disk: ssd"))
    assert run("check", "deploy", *OPTIONS).code == 5
    assert run("check", "deploy", *OPTIONS, "--allow-inconclusive").code == 0
    assert run("check", "deploy", *OPTIONS, "--exit-zero").code == 0
    assert run("check", "deploy", *OPTIONS, "--fail-on", "note").code == 5


def test_what_stands_in_another_file_counts_for_what_uses_it(run: Run, make: Make) -> None:
    folder = Path(__file__).parents[1] / "manifests" / "sedna" / "two-files"
    texts = [(folder / name).read_text("utf-8") for name in ("service.yaml", "models.yaml")]
    sites = {
        "box": {"device": gate_project.EDGE, "match": [{"node": "box-*"}]},
        "server": {"cloud": gate_project.CLOUD, "match": [{"node": "server-*"}]},
    }
    make(*texts, project_file=gate_project.project(models=[], sites=sites))
    found = document(run("check", "deploy", *OPTIONS, "--format", "json"))
    assert {one["place"]["path"] for one in found["findings"]} == {"deploy/1.yaml"}
    assert {one["deployed_in"] for one in found["findings"]} == {"deploy/0.yaml"}
    assert [one["outcome"] for one in found["checked"]] == ["inconclusive", "inconclusive"]
    cases = run("check", "deploy", *OPTIONS, "--format", "junit").out
    assert 'tests="2" failures="0" skipped="2"' in cases


def test_warnings_fail_where_that_is_asked_for(run: Run, make: Make) -> None:
    make(manifest().replace("limits: {memory: 512Mi}", "limits: {cpu: 4}"))
    assert run("check", "deploy", *OPTIONS).code == 0
    assert run("check", "deploy", *OPTIONS, "--fail-on", "warning").code == 1


def test_the_exit_code_does_not_depend_on_the_format(run: Run, make: Make) -> None:
    make(SMALL)
    for name in ("text", "json", "sarif", "junit", "github", "gitlab", "markdown"):
        result = run("check", "deploy", *OPTIONS, "--format", name)
        assert result.code == 1, name
        assert "PLC706" in result.out, name


def test_several_reports_are_written_in_one_run(run: Run, make: Make) -> None:
    folder = make(SMALL)
    result = run(
        *("check", "deploy", *OPTIONS, "--output", "text", "--output", "sarif=placer.sarif"),
        *("--output", "markdown=comment.md"),
    )
    assert result.code == 1
    assert json.loads((folder / "placer.sarif").read_text())["version"] == "2.1.0"
    assert (folder / "comment.md").read_text().startswith("<!-- placer-check -->")


def test_standard_input_is_checked_with_the_project_of_the_folder(
    run: Run, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    make(manifest())
    stream = io.TextIOWrapper(io.BytesIO(SMALL.encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    result = run("check", "-", *OPTIONS)
    assert result.code == 1
    assert "--> -:17:30" in result.out
    assert "limits: {memory: 64Mi}" in result.out


def test_nothing_to_check_is_exit_code_three(run: Run, make: Make) -> None:
    folder = make(manifest())
    (folder / "deploy" / "0.yaml").write_text("a: 1\n")
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3
    assert "nothing to check: no manifest in deploy" in result.err
    (folder / "deploy" / "0.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"
        "spec: {containers: [{name: a, image: b}]}\n"
    )
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3
    assert "none of 1 deployed things" in result.err


def test_without_a_project_or_a_lock_it_says_what_to_write(
    run: Run, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(manifest())
    (folder / "placer.lock").unlink()
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3
    assert "placer.lock: no such file" in result.err
    assert "placer lock" in result.err
    (folder / "placer.yaml").unlink()
    result = run("check", "deploy")
    assert result.code == 3
    assert "no placer.yaml at or above deploy" in result.err
    assert run("check", "nowhere").code == 3


def test_it_runs_from_any_folder_of_the_project(
    run: Run, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(
        SMALL,
        project_file=gate_project.project(
            deployments=[{"path": "deploy/*.yaml", "workload": "counter"}]
        ),
    )
    monkeypatch.chdir(folder / "deploy")
    result = run("check", ".", *OPTIONS)
    assert result.code == 1
    assert "0.yaml:17:30" in result.out
    monkeypatch.chdir(folder.parent)
    result = run("check", "project/deploy/*.yaml", *OPTIONS)
    assert result.code == 1
    assert "project/deploy/0.yaml:17:30" in result.out


def test_a_suppression_silences_with_its_reason_until_its_day(run: Run, make: Make) -> None:
    make(SMALL.replace("            limits", "            " + COMMENT.format(until="").lstrip()))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 0, result.out
    assert "1 ignored" in result.out
    assert "debug build" not in result.out
    told = run("check", "deploy", *OPTIONS, "--show-suppressed")
    assert "ignored[PLC706]" in told.out
    assert "measured with a debug build" in told.out
    sarif = json.loads(run("check", "deploy", *OPTIONS, "--format", "sarif").out)
    assert sarif["runs"][0]["results"] == []
    text = ("--format", "sarif", "--show-suppressed")
    (kept,) = json.loads(run("check", "deploy", *OPTIONS, *text).out)["runs"][0]["results"]
    assert kept["suppressions"][0]["justification"] == "measured with a debug build"


def test_an_expired_suppression_silences_nothing(run: Run, make: Make) -> None:
    text = COMMENT.format(until="; until=2026-01-31").lstrip()
    make(SMALL.replace("            limits", "            " + text))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    assert "PLC722" in result.out
    assert "PLC706" in result.out


def test_json_manifests_are_silenced_in_the_project(run: Run, make: Make) -> None:
    entry = {
        "rule": "PLC706",
        "path": "deploy/*",
        "pointer": "/spec/template",
        "reason": "a debug build",
        "until": "2026-12-31",
    }
    make(SMALL, project_file=gate_project.project(suppressions=[entry]))
    assert run("check", "deploy", *OPTIONS).code == 0


def test_a_workload_under_the_name_of_the_project_is_told_as_one(run: Run, make: Make) -> None:
    folder = make(manifest())
    (folder / "workloads" / "counter.yaml").rename(folder / "placer.yaml")
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 2
    assert "placer.yaml:1:1: this is a workload" in result.err
    assert "workloads/NAME.yaml" in result.err


def test_measuring_again_replaces_the_file_that_is_there(run: Run, make: Make) -> None:
    make(manifest(), evidence=(Evidence(builders.measurement(), file="of the line.json"),))
    found = document(
        run("check", "deploy", "--locked", "--as-of", "2028-01-01", "--format", "json")
    )
    (old,) = [one for one in found["findings"] if one["rule"] == "PLC615"]
    assert "--ep cpu --sla p99=30ms --threads 4 --spinning --fresh " in old["remedy"]
    assert "--save 'evidence/of the line.json'; then" in old["remedy"]


def test_the_first_measurement_names_one_execution_provider(run: Run, make: Make) -> None:
    make(manifest(CLOUD_LABEL))
    found = document(run("check", "deploy", *OPTIONS, "--format", "json"))
    (missing,) = [one for one in found["findings"] if one["rule"] == "PLC611"]
    assert f"--site {gate_project.CLOUD} --ep tensorrt " in missing["remedy"]
    assert "--save evidence/counter-north.json" in missing["remedy"]


def test_an_entry_for_files_that_were_not_checked_is_not_called_unused(
    run: Run, make: Make
) -> None:
    entry = {"rule": "PLC706", "path": "deploy/0.yaml", "reason": "a debug build"}
    make(SMALL, manifest(), project_file=gate_project.project(suppressions=[entry]))
    assert "PLC721" not in run("check", "deploy/1.yaml", *OPTIONS).out
    Path("deploy/0.yaml").write_text(manifest(), encoding="utf-8")
    assert "PLC721" in run("check", "deploy/0.yaml", *OPTIONS).out


def test_a_manifest_that_cannot_be_read_is_silenced_from_any_folder(
    run: Run, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"rule": "PLC712", "path": "deploy/0.yaml", "reason": "written by a generator"}
    make(
        "apiVersion: apps/v1\nkind: Deployment\nspec: [\n",
        manifest(),
        project_file=gate_project.project(suppressions=[entry]),
    )
    told = run("check", "deploy", *OPTIONS, "--show-suppressed")
    assert told.code == 0
    assert "ignored[PLC712]" in told.out
    monkeypatch.chdir("deploy")
    assert "1 ignored" in run("check", ".", *OPTIONS).out


def test_a_model_that_changed_in_the_repository_is_seen_unless_locked(run: Run, make: Make) -> None:
    folder = make(manifest())
    (folder / "model.onnx").write_bytes(b"other")
    result = run("check", "deploy", "--as-of", gate_project.TODAY)
    assert result.code == 5
    assert "PLC612" in result.out
    assert run("check", "deploy", *OPTIONS).code == 0


def test_against_a_base_only_what_changed_is_told(run: Run, make: Make) -> None:
    folder = make(
        SMALL,
        manifest(),
        evidence=(
            Evidence(builders.measurement()),
            Evidence(builders.measurement(0.001, ep="cuda"), gate_project.CLOUD, "cloud.json"),
        ),
    )
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "before")
    result = run("check", "deploy", *OPTIONS, "--base", "HEAD")
    assert result.code == 0, result.out
    assert "no findings new since HEAD" in result.out
    moved = manifest(CLOUD_LABEL, more=', nvidia.com/gpu: "1"')
    (folder / "deploy" / "1.yaml").write_text("# moved\n" + moved)
    (folder / "deploy" / "0.yaml").write_text(manifest())
    result = run("check", "deploy", *OPTIONS, "--base", "HEAD", "--format", "json")
    found = document(result)
    assert result.code == 1
    assert {one["place"]["path"] for one in found["findings"]} == {"deploy/1.yaml"}
    assert [one["rule"] for one in found["fixed"]] == ["PLC706"]
    (worse,) = found["worse"]
    assert worse["now_s"] > worse["before_s"]
    text = run("check", "deploy", *OPTIONS, "--base", "HEAD").out
    assert "since HEAD" in text
    assert "fixed since HEAD: PLC706" in text


def test_manifests_of_two_projects_are_not_judged_by_one(run: Run, make: Make) -> None:
    folder = make(manifest())
    other = folder / "deploy" / "other"
    other.mkdir()
    (other / "placer.yaml").write_text((folder / "placer.yaml").read_text())
    (other / "a.yaml").write_text(manifest())
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 2
    assert "deploy/other/placer.yaml" in result.err
    assert run("check", "deploy", *OPTIONS, "--project", "placer.yaml").code == 0


def test_a_failing_check_whose_reports_go_to_files_says_so(run: Run, make: Make) -> None:
    make(SMALL)
    result = run("check", "deploy", *OPTIONS, "--output", "json=found.json")
    assert result.code == 1
    assert result.out == ""
    assert "1 deployment: 1 fail; 1 error" in result.err
    assert "found.json" in result.err


def test_a_verdict_by_no_deployment_says_so(run: Run, make: Make) -> None:
    make(manifest(), "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a\n")
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    assert "fail by 1 finding of no deployment (PLC712)" in result.out
    markdown = run("check", "deploy", *OPTIONS, "--format", "markdown")
    assert "Fail by 1 finding of no deployment (PLC712), see below." in markdown.out


def test_a_warning_that_fails_is_named_beside_the_verdicts(run: Run, make: Make) -> None:
    make(manifest().replace("limits: {memory: 512Mi}", "limits: {cpu: 4}"))
    words = ("check", "deploy", *OPTIONS, "--fail-on", "warning")
    result = run(*words)
    assert result.code == 1
    assert "fail by 1 finding at or above warning (PLC707)" in " ".join(result.out.split())
    markdown = run(*words, "--format", "markdown").out
    assert "## placer check: ❌ fail" in markdown
    assert "Fail by 1 finding at or above warning (PLC707)" in markdown
    assert 'failures="1"' in run(*words, "--format", "junit").out
    told = run(*words, "--output", "json=found.json")
    assert "at or above warning (PLC707)" in told.err
    assert "✅ pass" in run("check", "deploy", *OPTIONS, "--format", "markdown").out


def test_what_has_no_effect_fails_the_deployment_that_it_is_of(run: Run, make: Make) -> None:
    twice = manifest().replace(
        "      containers:", "      nodeSelector: {disk: ssd}\n      containers:"
    )
    make(f"{manifest()}---\n{twice.replace('name: counter', 'name: other')}")
    found = document(run("check", "deploy", *OPTIONS, "--format", "json"))
    (defect,) = [one for one in found["findings"] if one["rule"] == "PLC709"]
    assert (defect["deployed"], defect["deployed_in"]) == ("deployment/other", "deploy/0.yaml")
    assert {one["id"]: one["outcome"] for one in found["checked"]}["deployment/counter"] == "pass"
    assert {one["id"]: one["outcome"] for one in found["checked"]}["deployment/other"] == "fail"


def test_a_missing_limit_is_told_beside_what_is_stated(run: Run, make: Make) -> None:
    unlimited = manifest().replace("limits: {memory: 512Mi}", "limits: {cpu: 4}")
    bare = manifest().replace("limits: {memory: 512Mi}", "{}")
    make(unlimited, bare.replace("name: counter", "name: other"))
    found = document(run("check", "deploy", *OPTIONS, "--format", "json"))["findings"]
    first, second = [one["place"] for one in found if one["rule"] == "PLC707"]
    assert first["pointer"].endswith("/limits/cpu")
    assert second["pointer"].endswith("/containers/0/image")


def test_an_estimate_says_so_beside_its_figure(run: Run, make: Make) -> None:
    make(manifest(), evidence=())
    said = " ".join(run("check", "deploy", *OPTIONS).out.split())
    assert " ms (assumed), limit 30" in said or " ms (catalogue), limit 30" in said
    row = run("check", "deploy", *OPTIONS, "--format", "markdown").out
    assert "ms (assumed) |" in row or "ms (catalogue) |" in row


def test_an_entry_of_a_suppression_may_name_one_deployment(run: Run, make: Make) -> None:
    two = f"{SMALL}---\n{SMALL.replace('name: counter', 'name: other')}"
    entry = {
        "rule": "PLC706",
        "path": "deploy/*",
        "pointer": "/spec/template",
        "reason": "a debug build",
    }
    folder = make(two, project_file=gate_project.project(suppressions=[entry]))
    assert run("check", "deploy", *OPTIONS).code == 0  # a pointer is one of each document
    named = gate_project.project(suppressions=[{**entry, "id": "deployment/coun*"}])
    (folder / "placer.yaml").write_text(yaml.safe_dump(named))
    found = document(run("check", "deploy", *OPTIONS, "--format", "json"))
    assert [one["deployed"] for one in found["findings"]] == ["deployment/other"]
    assert [one["deployed"] for one in found["suppressed"]] == ["deployment/counter"]


def test_a_lock_whose_inputs_are_not_those_of_the_evidence_is_not_believed(
    run: Run, make: Make
) -> None:
    folder = make(manifest())

    def wider(model: dict[str, Any]) -> None:
        first = model["inputs"][0]
        first["shape"] = [2 * size for size in first["shape"]]
        first["n_bytes"] = first["n_bytes"] * 2 ** len(first["shape"])

    edited_lock(folder, wider)
    result = run("check", "deploy", *OPTIONS)
    assert result.code != 0
    assert "of other input shapes" in result.out


@pytest.mark.parametrize("n_bytes", [1, -4, 10**15])
def test_a_lock_whose_sizes_contradict_each_other_is_refused(
    run: Run, make: Make, n_bytes: int
) -> None:
    folder = make(manifest())
    edited_lock(folder, lambda model: model["inputs"][0].update(n_bytes=n_bytes))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3
    assert "placer.lock: workloads." in result.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--fail-on", "errors"), 2, "did you mean 'error'?"),
        (("--format", "sarf"), 2, "did you mean 'sarif'?"),
        (("--as-of", "soon"), 2, "soon"),
        (("--as-of", "20270301"), 2, "'20270301' is not a date"),
        (("--as-of", "2026-W48-5"), 2, "'2026-W48-5' is not a date"),
        (("--output", "json=.git/config"), 2, ".git/config belongs to git"),
        (("--project", "none.yaml"), 3, "none.yaml"),
        (("--base", "a", "-"), 2, "standard input"),
    ],
)
def test_bad_options_say_what_is_possible(
    words: tuple[str, ...], code: int, said: str, run: Run, make: Make
) -> None:
    make(manifest())
    result = run("check", "deploy", "--locked", *words)
    assert result.code == code
    assert said in result.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "placer/project/v9"}, "placer.yaml:1:1"),
        ({"workloads": {}}, "workloads"),
        ({"workloads": {"counter": "workloads/none.yaml"}}, "workloads/none.yaml"),
        ({"sites": {"a": {"device": "rpi55", "match": [{"node": "x"}]}}}, "did you mean 'rpi5'?"),
        ({"sites": {"a": {"device": "rpi5", "match": []}}}, "match has no words"),
        ({"sites": {"a": {"device": "rpi5", "match": [{}]}}}, "an empty match"),
        ({"sites": {"a": {"match": [{"node": "x"}]}}}, "a device or a cloud"),
        ({"sites": {"a": {"cloud": "aws-g6.xlarge", "match": [{"node": "x"}]}}}, "several regions"),
        ({"sites": {"a": {"device": "rpi5", "match": [{"nod": "x"}]}}}, "did you mean 'node'?"),
        ({"models": [{"uri": "*", "workload": "countr"}]}, "did you mean 'counter'?"),
        ({"models": [{"uri": "*", "workload": "counter", "sha256": 0}]}, "read as the number 0"),
        ({"egress": [{"to": "*", "jurisdiction": "XX"}]}, "unknown jurisdiction 'XX'"),
        ({"egress": [{"to": "*", "jurisdiction": "Europe"}]}, "unknown jurisdiction 'Europe'"),
        (
            {"sites": {"a": {"device": "rpi5", "jurisdiction": "USA", "match": [{"node": "x"}]}}},
            "unknown jurisdiction 'USA'",
        ),
        ({"deployments": [{"workload": "counter"}]}, "chooses nothing"),
        ({"suppressions": [{"rule": "PLC7", "path": "*", "reason": "x"}]}, "unknown rule 'PLC7'"),
        ({"suppressions": [{"rule": "PLC706", "path": "*"}]}, "reason"),
        ({"max_age": {"measurement": "-3 d"}}, "measurement '-3 d'"),
        ({"max_age": {"measurement": "0 d"}}, "write it like 30d"),
        ({"max_age": {"network": "7"}}, "write it like 30d"),
        ({"egress": [{"to": "*", "carries": "picture"}]}, "carries"),
    ],
)
def test_a_wrong_project_is_told_with_its_place(
    change: dict[str, Any], said: str, run: Run, make: Make
) -> None:
    make(manifest(), project_file=gate_project.project(**change))
    result = run("check", "deploy", *OPTIONS)
    assert result.code in (2, 3)
    assert said in result.err
    assert "placer.yaml:" in result.err or "none.yaml" in result.err


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "placer/lock/v2"}', "{", "\x00"])
def test_a_wrong_lock_is_told(text: str, run: Run, make: Make) -> None:
    folder = make(manifest())
    (folder / "placer.lock").write_text(text)
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3
    assert "placer.lock" in result.err


def test_a_lock_binds_models_and_evidence_and_is_repeatable(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = gate_project.make(tmp_path / "project", {"0.yaml": manifest()}, is_locked=False)
    monkeypatch.chdir(folder)
    models.mlp(str(folder / "model.onnx"), 8, 2)
    result = run("lock")
    assert result.code == 0, result.err
    assert "evidence/edge.json is evidence of no model of this project" in result.err
    assert "no evidence of" in result.err
    assert run("lock", "--check").code == 0
    lock = (folder / "placer.lock").read_text()
    assert json.loads(lock)["workloads"]["counter"]["evidence"] == []
    sha256 = json.loads(lock)["workloads"]["counter"]["model"]["sha256"]
    shapes = tuple(
        (one["name"], tuple(one["shape"]))
        for one in json.loads(lock)["workloads"]["counter"]["model"]["inputs"]
    )
    measured = builders.measurement(subjects=(("model.onnx", sha256),), input_shapes=shapes)
    machine = replace(measured.machine, architecture="aarch64")
    measured = replace(measured, machine=machine)
    (folder / "evidence" / "edge.json").write_bytes(
        to_statement(measured, tool="placer test", site=gate_project.EDGE)
    )
    result = run("lock", "--check")
    assert result.code == 1
    assert "not up to date" in result.out
    assert run("lock").code == 0
    assert run("check", "deploy", *OPTIONS).code == 0
    monkeypatch.chdir(folder / "deploy")
    assert "up to date" in run("lock").out


def test_two_records_of_one_site_are_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = gate_project.make(tmp_path / "project", {"0.yaml": manifest()}, is_locked=False)
    monkeypatch.chdir(folder)
    models.mlp(str(folder / "model.onnx"), 8, 2)
    run("lock")
    lock = json.loads((folder / "placer.lock").read_text())["workloads"]["counter"]["model"]
    shapes = tuple((one["name"], tuple(one["shape"])) for one in lock["inputs"])
    for number in range(2):
        measured = builders.measurement(
            values_s=builders.samples(0.01, seed=number),
            subjects=(("model.onnx", lock["sha256"]),),
            input_shapes=shapes,
        )
        (folder / "evidence" / f"{number}.json").write_bytes(
            to_statement(measured, tool="placer test", site=gate_project.EDGE)
        )
    result = run("lock")
    assert result.code == 2
    assert "are both evidence of rpi5 (cpu)" in result.err


def test_a_workload_without_a_model_cannot_be_locked(run: Run, make: Make) -> None:
    folder = make(manifest(), workload_file=gate_project.workload(model={}))
    result = run("lock")
    assert result.code == 2
    assert "names no model" in result.err
    content = yaml.safe_load((folder / "placer.yaml").read_text())
    assert content["workloads"] == {"counter": "workloads/counter.yaml"}


def test_a_lock_that_binds_evidence_of_another_model_fails(run: Run, make: Make) -> None:
    other = builders.model(sha256="cd" * 32, subjects=(("model.onnx", "cd" * 32),))
    make(manifest(), model=other)
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    assert "PLC618" in result.out
    assert "evidence of another model, to which placer.lock binds it" in " ".join(
        result.out.split()
    )


def test_a_lock_that_calls_evidence_that_of_another_site_fails(run: Run, make: Make) -> None:
    folder = make(manifest(CLOUD_LABEL, more=', nvidia.com/gpu: "1"'))
    lock = folder / "placer.lock"
    lock.write_text(lock.read_text().replace('"rpi5"', f'"{gate_project.CLOUD}"'))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    assert "PLC618" in result.out
    assert "is of rpi5 (cpu), not of" in result.out


def test_a_suppression_of_one_item_of_a_list_covers_that_item_alone(run: Run, make: Make) -> None:
    def item(name: str, more: str) -> str:
        text = SMALL.replace("name: counter\n", f"name: {name}{more}\n", 1)
        return "".join(
            f"{'  - ' if not number else '    '}{line}\n"
            for number, line in enumerate(text.splitlines())
        )

    ignored = "\n  annotations: {placer/ignore: 'PLC706 a debug build'}"
    make(f"apiVersion: v1\nkind: List\nitems:\n{item('one', ignored)}{item('two', '')}")
    result = run("check", "deploy", *OPTIONS, "--format", "json")
    found = document(result)
    assert [one["deployed"] for one in found["suppressed"]] == ["deployment/one"]
    assert [one["deployed"] for one in found["findings"]] == ["deployment/two"]
    assert result.code == 1


def test_a_second_fault_like_one_of_the_base_is_new(run: Run, make: Make) -> None:
    bad = manifest().replace("512Mi", "512 Megs")
    folder = make(bad)
    git(folder, "init", "-q")
    (folder / "away").symlink_to("/etc/hosts")  # leads out of the repository
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "before")
    assert run("check", "deploy", *OPTIONS, "--base", "HEAD").code == 0
    second = bad.replace("name: counter", "name: second")
    (folder / "deploy" / "0.yaml").write_text(f"{bad}---\n{second}")
    assert run("check", "deploy", *OPTIONS, "--base", "HEAD").code == 1


@pytest.mark.parametrize("named", ["b.yaml", "fiber_100"])
def test_another_network_than_was_locked_is_not_judged_by(run: Run, make: Make, named: str) -> None:
    network = {"name": "n", "rtt": {"p50": "5 ms", "p99": "6 ms"}, "loss": "0%"}
    rates = {"uplink": "10 Mbit/s", "downlink": "10 Mbit/s", "basis": "measured", "source": "x"}
    make(
        manifest(CLOUD_LABEL),
        networks={"a.yaml": {**network, **rates}, "b.yaml": {**network, **rates}},
        workload_file=gate_project.workload(network=named),
    )
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 5
    assert "PLC620" in result.out


def test_several_digests_of_one_model_are_not_chosen_from(run: Run, make: Make) -> None:
    entries = [
        {"uri": uri, "workload": "counter", "sha256": digit * 64}
        for uri, digit in (("*model.onnx", "a"), ("/models/*", "b"))
    ]
    make(manifest(), project_file=gate_project.project(models=entries))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 5
    assert "several digests are stated" in result.out


def test_a_file_of_a_model_that_was_not_locked_is_not_taken(run: Run, make: Make) -> None:
    entry = {"uri": "*model.onnx", "workload": "counter", "file": "other.onnx"}
    folder = make(manifest(), project_file=gate_project.project(models=[entry]))
    (folder / "other.onnx").write_bytes(b"other")
    for options in (OPTIONS, OPTIONS[1:]):
        result = run("check", "deploy", *options)
        assert result.code == 5
        assert "is not in placer.lock" in result.out


def test_empty_labels_fit_nothing(run: Run, make: Make) -> None:
    sites = {"a": {"device": "rpi5", "match": [{"labels": {}}]}}
    make(manifest(), project_file=gate_project.project(sites=sites))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 2
    assert "an empty match" in result.err


@pytest.mark.parametrize("value", ["'{{ .Values.memory }}'", "'${MEM}'"])
def test_a_memory_limit_that_cannot_be_read_is_not_a_missing_one(
    run: Run, make: Make, value: str
) -> None:
    make(manifest().replace("512Mi", value))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 5, result.out
    assert f"the memory limit '{value.strip(chr(39))}' is no amount" in result.out
    assert "no memory limit" not in result.out
    assert "deploy/0.yaml:17:" in result.out
