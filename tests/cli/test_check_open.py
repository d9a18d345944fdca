"""What ``placer check`` must not call a pass, because nobody judged it or it is something else."""

from __future__ import annotations

import json

import pytest

from placer.reports.check import FORMATS
from tests import builders, gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import Evidence, manifest

OPTIONS = ("--locked", "--as-of", gate_project.TODAY)
RECIPE = """\
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.counter
ComponentVersion: 1.0.0
Manifests:
  - Platform: {os: linux, architecture: aarch64}
    Artifacts:
      - Uri: s3://builds/code.tar.gz
      - Uri: s3://models/counter/model.zip
"""


@pytest.mark.parametrize(("uri", "code"), [("s3://models/counter/*", 5), ("s3://other/*", 0)])
def test_an_archive_that_the_project_calls_a_model_is_one(
    run: Run, make: Make, uri: str, code: int
) -> None:
    entries = [{"uri": uri, "workload": "counter"}, {"uri": "*model.onnx", "workload": "counter"}]
    make(manifest(), RECIPE, project_file=gate_project.project(models=entries))
    result = run("check", "deploy", *OPTIONS, "--format", "json")
    assert result.code == code, result.out
    found = json.loads(result.out)
    assert len(found["checked"]) + found["others"] == 2
    assert {one["id"] for one in found["checked"]} >= {"deployment/counter"}
    loose = [one["message"] for one in found["findings"] if one["rule"] == "PLC713"]
    assert all("s3://models/counter/model.zip" in one for one in loose)


PINNED = f"""\
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.counter
ComponentVersion: 1.0.0
Manifests:
  - Platform: {{os: linux, architecture: aarch64}}
    Lifecycle: {{run: serve --model /models/counter/model.onnx}}
    Artifacts:
      - Uri: docker:registry.example/serve@sha256:{"a" * 64}
"""


@pytest.mark.parametrize(
    ("artifact", "is_loose"),
    [
        ("", False),
        ("{Uri: s3://builds/infer.py}", False),
        ("{Uri: s3://builds/more.zip}", True),
        (f"{{Uri: s3://builds/more.zip, Digest: {'A' * 43}=, Algorithm: SHA-256}}", False),
    ],
)
def test_a_path_in_an_image_is_as_loose_as_what_may_hold_it(
    run: Run, make: Make, artifact: str, is_loose: bool
) -> None:
    entries = [{"uri": "*model.onnx", "workload": "counter"}]
    more = f"      - {artifact}\n" if artifact else ""
    make(PINNED + more, project_file=gate_project.project(models=entries))
    result = run("check", "deploy", *OPTIONS, "--format", "json")
    assert result.code in (0, 1, 5), result.err
    found = json.loads(result.out)
    assert [one["id"] for one in found["checked"]] == ["component/com.example.counter"]
    assert ("PLC713" in {one["rule"] for one in found["findings"]}) == is_loose


def test_what_is_no_model_may_be_named_by_its_id(run: Run, make: Make) -> None:
    make(RECIPE)
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3
    assert "deployments: [{id: 'component/com.example.counter', workload: NAME}]" in result.err


MISTYPED = manifest().replace("nodeSelector", "nodeSelecter")
UNKNOWN = manifest("disk: ssd")


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (MISTYPED, "PLC701,PLC710"),
        (UNKNOWN, "PLC701"),
        (manifest().replace("model.onnx", "other.onnx"), "PLC702"),
    ],
)
@pytest.mark.parametrize("name", FORMATS)
def test_what_nobody_could_judge_is_no_pass_where_that_is_ignored(
    run: Run, make: Make, text: str, rules: str, name: str
) -> None:
    make(f"# placer: ignore-file[{rules}] we know\n{text}")
    result = run("check", "deploy", *OPTIONS, "--format", name)
    assert result.code == 5, result.out
    assert run("check", "deploy", *OPTIONS, "--allow-inconclusive").code == 0
    open_rule = rules.partition(",")[0]
    match name:
        case "json":
            assert json.loads(result.out)["outcome"] == "inconclusive"
            (one,) = json.loads(result.out)["checked"]
            assert one["outcome"] == "inconclusive"
            assert one["ignored"] == rules.split(",")
            assert one["is_excused"]
        case "junit":
            assert "inconclusive, which is ignored (PLC70" in result.out
        case "github":
            (line,) = result.out.splitlines()
            assert line.startswith("::warning file=")
            assert f"title={open_rule}" in line
            assert "::inconclusive: " in line
            assert "(ignored, and not known for that: we know)" in line
        case "gitlab":
            (one,) = json.loads(result.out)
            assert one["check_name"] == open_rule
            assert one["description"].startswith("inconclusive: ")
        case "sarif":
            every = run("check", "deploy", *OPTIONS, "--format", name, "--show-suppressed")
            (one,) = json.loads(result.out)["runs"][0]["results"]
            assert one["ruleId"] == open_rule
            assert "inconclusive: " in one["message"]["text"]
            assert "suppressions" not in one
            found = json.loads(every.out)["runs"][0]["results"]
            assert sorted(one["ruleId"] for one in found) == rules.split(",")
        case _:
            assert "inconclusive" in result.out
            assert f"ignored: {rules.replace(',', ', ')}" in " ".join(result.out.split())
            assert "1 deployment not judged, which is ignored" in " ".join(result.out.split())


def test_a_violation_that_is_ignored_is_accepted_and_told(run: Run, make: Make) -> None:
    make("# placer: ignore-file[PLC706] a debug build\n" + manifest().replace("512Mi", "64Mi"))
    result = run("check", "deploy", *OPTIONS, "--format", "json")
    assert result.code == 0
    (one,) = json.loads(result.out)["checked"]
    assert (one["outcome"], one["ignored"], one["is_excused"]) == ("pass", ["PLC706"], False)


@pytest.mark.parametrize("before", ["# placer: ignore-file[PLC701] we know\n", ""])
def test_what_was_not_judged_at_the_base_either_is_as_before(
    run: Run, make: Make, before: str
) -> None:
    folder = make(before + UNKNOWN)
    gate_project.committed(folder)
    ignoring = "# placer: ignore-file[PLC701] we know\n" + UNKNOWN
    (folder / "deploy" / "0.yaml").write_text(ignoring)
    result = run("check", "deploy", *OPTIONS, "--base", "HEAD", "--format", "json")
    assert result.code == 0, result.out
    found = json.loads(result.out)
    (one,) = found["checked"]
    assert (one["outcome"], one["is_as_before"]) == ("inconclusive", True)
    assert found["outcome"] == "pass"
    (folder / "deploy" / "0.yaml").write_text(ignoring.replace("disk: ssd", "disk: hdd"))
    changed = run("check", "deploy", *OPTIONS, "--base", "HEAD", "--format", "json")
    assert changed.code == 5, changed.out
    assert json.loads(changed.out)["outcome"] == "inconclusive"


def test_what_is_ignored_and_not_known_is_new_since_a_base_that_passed(
    run: Run, make: Make
) -> None:
    folder = make(manifest())
    gate_project.committed(folder)
    (folder / "deploy" / "0.yaml").write_text("# placer: ignore-file[PLC701] why\n" + UNKNOWN)
    result = run("check", "deploy", *OPTIONS, "--base", "HEAD", "--format", "github")
    assert result.code == 5
    assert "title=PLC701" in result.out


PROXY = """\
apiVersion: v1
kind: Pod
metadata: {name: proxy%s}
spec: {containers: [{name: a, image: nginx}]}
"""
IMAGE_ALONE = manifest().replace('          args: ["--model", "/models/model.onnx"]\n', "")
BY_IMAGE = gate_project.project(
    models=[{"uri": "registry.example/counter*", "workload": "counter"}]
)
RENAMED = IMAGE_ALONE.replace("registry.example/counter", "registry.example/counting")


def test_what_a_base_judged_and_nobody_knows_now_is_inconclusive(run: Run, make: Make) -> None:
    folder = make(IMAGE_ALONE, PROXY % "", project_file=BY_IMAGE)
    gate_project.committed(folder)
    (folder / "deploy" / "0.yaml").write_text(RENAMED)
    result = run("check", "deploy", *OPTIONS, "--base", "HEAD")
    assert result.code == 5, result.out
    said = " ".join(result.out.split())
    assert "HEAD knows it as the workload 'counter', and nothing says now" in said
    assert "deployment/counter" in said
    (folder / "deploy" / "0.yaml").rename(folder / "deploy" / "renamed.yaml")
    assert run("check", "deploy", *OPTIONS, "--base", "HEAD").code == 5
    ignored = "# placer: ignore-file[PLC702] it is a proxy now\n" + RENAMED
    (folder / "deploy" / "renamed.yaml").write_text(ignored)
    since = ("--base", "HEAD")
    assert run("check", "deploy", *OPTIONS, *since).code == 5
    assert run("check", "deploy", *OPTIONS, *since, "--allow-inconclusive").code == 0


def test_what_is_deployed_by_another_name_is_named(run: Run, make: Make) -> None:
    folder = make(IMAGE_ALONE, PROXY % "", project_file=BY_IMAGE)
    (folder / "deploy" / "2.yaml").write_text(IMAGE_ALONE)
    gate_project.committed(folder)
    (folder / "deploy" / "0.yaml").write_text(
        RENAMED.replace("name: counter\n", "name: other\n", 1)
    )
    result = run("check", "deploy", *OPTIONS, "--base", "HEAD")
    assert result.code == 0, result.out
    said = " ".join(result.out.split())
    assert "no longer deployed since HEAD: deploy/0.yaml: deployment/counter" in said
    assert "deploy/0.yaml: deployment/other" in said
    found = json.loads(run("check", "deploy", *OPTIONS, "--base", "HEAD", "--format", "json").out)
    assert [one["id"] for one in found["gone"]] == ["deployment/counter"]
    comment = run("check", "deploy", *OPTIONS, "--base", "HEAD", "--format", "markdown").out
    assert "1 deployment gone" in comment


def test_what_was_none_at_the_base_is_none_where_another_of_its_name_is_gone(
    run: Run, make: Make
) -> None:
    folder = make(IMAGE_ALONE, RENAMED, project_file=BY_IMAGE)
    (folder / "deploy" / "2.yaml").write_text(IMAGE_ALONE.replace("name: counter", "name: b"))
    gate_project.committed(folder)
    (folder / "deploy" / "0.yaml").unlink()
    assert run("check", "deploy", *OPTIONS, "--base", "HEAD").code == 0


def test_an_entry_of_models_that_is_gone_is_told(run: Run, make: Make) -> None:
    folder = make(IMAGE_ALONE, project_file=BY_IMAGE)
    gate_project.committed(folder)
    text = (folder / "placer.yaml").read_text()
    (folder / "placer.yaml").write_text(text.replace("registry.example/counter*", "other*"))
    assert run("check", "deploy", *OPTIONS).code == 3
    result = run("check", "deploy", *OPTIONS, "--base", "HEAD")
    assert result.code == 5, result.out
    assert "PLC702" in result.out


def test_what_was_no_model_at_the_base_is_left_alone(run: Run, make: Make) -> None:
    folder = make(IMAGE_ALONE, PROXY % "", project_file=BY_IMAGE)
    gate_project.committed(folder)
    (folder / "deploy" / "1.yaml").write_text((PROXY % "").replace("nginx", "nginx:2"))
    assert run("check", "deploy", *OPTIONS, "--base", "HEAD").code == 0


def test_what_runs_no_model_is_named(run: Run, make: Make) -> None:
    make(manifest(), *(PROXY % number for number in range(7)))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 0
    said = " ".join(result.out.split())
    assert "no model that is known: deploy/1.yaml: pod/proxy0, deploy/2.yaml: pod/proxy1" in said
    assert "and 2 more (all of them: --output json)" in said
    found = json.loads(run("check", "deploy", *OPTIONS, "--format", "json").out)
    assert found["others"] == 7
    assert [one["id"] for one in found["not_models"]] == [f"pod/proxy{n}" for n in range(7)]


def annotated(line: str, where: str = "annotations") -> str:
    return manifest().replace("  name: counter\n", f"  name: counter\n  {where}: {{{line}}}\n", 1)


@pytest.mark.parametrize(
    ("text", "code", "rules"),
    [
        (annotated("placer/workload: counter"), 0, []),
        (annotated("placer/worklod: counter"), 1, ["PLC710"]),
        (annotated("placer/ignored: PLC707 the operator limits it"), 1, ["PLC710"]),
        (annotated("placer/workload: counter", "labels"), 1, ["PLC709"]),
        (annotated("app.example/workload: counter", "labels"), 0, []),
    ],
)
def test_what_is_said_to_placer_and_not_heard_fails(
    run: Run, make: Make, text: str, code: int, rules: list[str]
) -> None:
    make(text)
    result = run("check", "deploy", *OPTIONS, "--format", "json")
    assert result.code == code, result.out
    assert [one["rule"] for one in json.loads(result.out)["findings"]] == rules


def test_a_mistyped_annotation_of_what_nobody_knows_fails(run: Run, make: Make) -> None:
    named = IMAGE_ALONE.replace(
        "  name: counter\n", "  name: counter\n  annotations: {placer/worklod: counter}\n", 1
    )
    make(named, manifest())
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    assert "write 'placer/workload'" in result.out
    assert run("check", "deploy/0.yaml", *OPTIONS).code == 1


@pytest.mark.parametrize(("architecture", "code"), [("x86_64", 5), ("aarch64", 0)])
def test_a_laptop_is_no_small_board(run: Run, make: Make, architecture: str, code: int) -> None:
    make(manifest(), evidence=(Evidence(builders.measurement(), architecture=architecture),))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == code, result.out
    assert ("PLC621" in result.out) == bool(code)


def test_locking_tells_that_a_machine_is_not_the_device(run: Run, make: Make) -> None:
    folder = make(manifest())
    gate_project.measured(folder)
    result = run("lock")
    assert result.code == 0, result.err
    assert "was measured on Test CPU: x86_64 instead of aarch64 (PLC621)" in result.err


def iot_edge(
    *modules: str, head: str = '"targetCondition": "line"', sink: str = "$upstream"
) -> str:
    image = "registry.example/counter@sha256:" + "0" * 64
    created = json.dumps({"HostConfig": {"Memory": 2**29}, "Env": ["MODEL=/m/model.onnx"]})
    each = {
        name: {"type": "docker", "settings": {"image": image, "createOptions": created}}
        for name in modules
    }
    agent = {"properties.desired": {"modules": each}}
    hub = {"properties.desired": {"routes": {"up": f"FROM /messages/* INTO {sink}"}}}
    content = json.dumps({"modulesContent": {"$edgeAgent": agent, "$edgeHub": hub}})
    return f'{{{head}, "content": {content}}}'


def greengrass(target: str) -> str:
    use = {"componentVersion": "1.0.0"}
    return json.dumps({target: "arn:aws:iot:eu:1:thinggroup/line", "components": {"c": use}})


LINE = gate_project.project(
    sites={"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/*"}]}},
    egress=[{"to": "$upstream", "jurisdiction": "DE", "carries": "answer"}],
    deployments=[{"id": "deployment/line/c", "workload": "counter"}],
)


@pytest.mark.parametrize(
    ("text", "outcomes"),
    [
        (iot_edge("a"), ["pass"]),
        (iot_edge("a", head='"targetCondtion": "line"'), ["fail"]),
        (iot_edge("a", "b", head='"targetCondtion": "line"'), ["fail", "fail"]),
        (iot_edge("a", head='"targetCondition": "x", "targetCondition": "line"'), ["fail"]),
        (iot_edge("a", "b", sink="$upstreams"), ["fail", "fail"]),
        (greengrass("targetArn"), ["pass"]),
        (greengrass("targetArm").replace("{", '{"deploymentName": "line", ', 1), ["fail"]),
    ],
)
@pytest.mark.parametrize("name", ["json", "junit"])
def test_what_stands_above_several_fails_each_of_them(
    run: Run, make: Make, text: str, outcomes: list[str], name: str
) -> None:
    folder = make(project_file=LINE)
    (folder / "deploy" / "deployment.json").write_text(text)
    result = run("check", "deploy", *OPTIONS, "--format", name)
    assert result.code == (1 if "fail" in outcomes else 0), result.err
    if name == "junit":
        # what is wrong, and where that concerns several, each of them
        failures = {0: 0, 1: 1, 2: 1 + 2}[outcomes.count("fail")]
        assert result.out.count("<failure ") == failures
        assert result.out.count("<testcase ") >= len(outcomes)
        return
    found = json.loads(result.out)
    failing = [one["message"] for one in found["findings"] if one["outcome"] == "fail"]
    assert [one["outcome"] for one in found["checked"]] == outcomes, found["findings"]
    assert len(failing) == (1 if "fail" in outcomes else 0), failing
