"""``placer check --base``: what changed since a revision, whatever its repository holds."""

from __future__ import annotations

import json
import os
import zlib
from datetime import date
from pathlib import Path

import pytest

from placer.api.checking import check
from tests import builders, gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import CLOUD_LABEL, Evidence, committed, git, manifest

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--base", "HEAD")
SMALL = manifest().replace("512Mi", "64Mi")
TWO = manifest() + manifest()[manifest().index("        - name: infer") :].replace(
    "infer", "second"
)
BROKEN = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a\n"


def test_it_keeps_its_evidence_whatever_archives_leave_out(run: Run, make: Make) -> None:
    folder = make(SMALL)
    (folder / ".gitattributes").write_text("evidence export-ignore\n*.json export-ignore\n")
    committed(folder)
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 0, result.out
    assert "no findings new since HEAD" in result.out


def test_links_that_lead_out_of_it_are_left_out(run: Run, make: Make) -> None:
    folder = make(SMALL)
    (folder / "away").symlink_to("/etc/hostname")
    (folder / "near").symlink_to("deploy")
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "root").symlink_to("../..")
    (folder / "deploy" / "out.yaml").symlink_to("../a/b/root/../outside.yaml")
    (folder.parent / "outside.yaml").write_text(manifest())
    committed(folder)
    (folder / "deploy" / "out.yaml").unlink()
    found = json.loads(run("check", "deploy", *OPTIONS, "--format", "json").out)
    assert (found["findings"], found["fixed"]) == ([], [])


def test_a_project_that_was_broken_had_no_gate(run: Run, make: Make) -> None:
    folder = make(SMALL)
    right = (folder / "placer.yaml").read_text()
    (folder / "placer.yaml").write_text("nonsense: [\n")
    committed(folder)
    (folder / "placer.yaml").write_text(right)
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    said = " ".join(result.out.split())
    assert "HEAD could not be checked, so all counts as new: placer.yaml:2:1: not YAML" in said
    comment = run("check", "deploy", *OPTIONS, "--format", "markdown").out
    assert "HEAD could not be checked (placer.yaml" in comment
    assert "what is found (1) is new" in comment


def test_a_revision_without_a_project_says_that_all_is_new(run: Run, make: Make) -> None:
    folder = make(SMALL)
    git(folder, "init", "-q")
    git(folder, "commit", "--allow-empty", "-qm", "nothing")
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    assert "all counts as new: no placer.yaml there" in " ".join(result.out.split())


def test_a_defect_that_only_moved_is_not_new(run: Run, make: Make) -> None:
    twice = manifest().replace(
        "      containers:", "      nodeSelector: {disk: ssd}\n      containers:"
    )
    folder = make(twice)
    committed(folder)
    assert "PLC709" in run("check", "deploy", *OPTIONS[:-2]).out
    (folder / "deploy" / "0.yaml").write_text("# one\n# two\n" + twice)
    result = run("check", "deploy", *OPTIONS)
    assert "no findings new since HEAD" in result.out


def test_what_is_not_resolved_stays_so_until_its_words_change(run: Run, make: Make) -> None:
    text = manifest("disk: ssd").replace("/models/model.onnx", "registry:5000/other:1")
    folder = make(text, project_file=gate_project.project(models=[], deployments=[]))
    (folder / "deploy" / "1.yaml").write_text(manifest("disk: ssd"))
    committed(folder)
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 0, result.out
    (folder / "deploy" / "1.yaml").write_text(manifest("disk: hdd"))
    assert run("check", "deploy", *OPTIONS).code == 5


@pytest.mark.parametrize("where", [".", "deploy", "deploy/*.yaml", "absolute"])
def test_paths_may_be_given_in_any_way(run: Run, make: Make, where: str) -> None:
    folder = make(SMALL, manifest("disk: ssd"))
    committed(folder)
    path = str(folder / "deploy") if where == "absolute" else where
    result = run("check", path, *OPTIONS)
    assert result.code == 0, result.out


def test_it_is_the_repository_of_the_project_not_of_the_folder(
    run: Run, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(SMALL)
    committed(folder)
    monkeypatch.chdir(folder.parent)
    assert run("check", "project/deploy", *OPTIONS).code == 0


def test_an_unreadable_file_whose_content_changed_is_new(run: Run, make: Make) -> None:
    folder = make(manifest(), BROKEN)
    committed(folder)
    assert run("check", "deploy", *OPTIONS).code == 0
    (folder / "deploy" / "1.yaml").write_text(BROKEN.replace("name: a", "name: b"))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    assert "PLC712" in result.out


def test_a_name_that_is_no_text_is_read(run: Run, make: Make) -> None:
    folder = make(SMALL)
    odd = os.fsencode(folder / "deploy") + b"/\xff\xfe two words\n.yaml"
    with open(odd, "w") as file:  # noqa: PTH123  # bytes
        file.write(SMALL)
    committed(folder)
    assert run("check", "deploy", *OPTIONS).code == 0


def test_a_clone_that_lacks_files_says_so(run: Run, make: Make) -> None:
    folder = make(SMALL)
    committed(folder)
    for one in Path(folder, ".git", "objects").glob("??/*"):
        if zlib.decompress(one.read_bytes()).startswith(b"blob"):
            one.unlink()
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3
    assert "is not in this clone" in result.err


@pytest.mark.parametrize("name", ["nowhere", "--output=x", "", "a\nb"])
def test_a_revision_that_is_none_says_why(run: Run, make: Make, name: str) -> None:
    folder = make(manifest())
    committed(folder)
    result = run("check", "deploy", *OPTIONS[:-2], f"--base={name}")
    assert result.code == 2
    assert f"--base {name}" in result.err
    assert "fatal" not in result.err


def test_a_folder_in_no_repository_says_so(run: Run, make: Make) -> None:
    make(manifest())
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 2
    assert "the project is in no git repository" in result.err
    assert "fatal" not in result.err


def test_a_slower_place_is_told_with_both_times(run: Run, make: Make) -> None:
    cloud = Evidence(builders.measurement(0.001, ep="cuda"), gate_project.CLOUD, "cloud.json")
    folder = make(manifest(), evidence=(Evidence(builders.measurement()), cloud))
    committed(folder)
    moved = manifest(CLOUD_LABEL, more=', nvidia.com/gpu: "1"')
    (folder / "deploy" / "0.yaml").write_text(moved)
    (worse,) = json.loads(run("check", "deploy", *OPTIONS, "--format", "json").out)["worse"]
    assert worse["now_s"] > worse["before_s"]


def told(run: Run, *paths: str) -> dict[str, list[str]]:
    """Return the rules that a check against the base tells, by what became of them."""
    result = run("check", *(paths or ("deploy",)), *OPTIONS, "--format", "json")
    found = json.loads(result.out)
    return {
        key: [one["rule"] for one in found[key]]
        for key in ("findings", "fixed", "silenced", "unjudged")
        if found[key]
    }


def test_what_is_mended_is_fixed(run: Run, make: Make) -> None:
    folder = make(SMALL)
    committed(folder)
    (folder / "deploy" / "0.yaml").write_text(manifest())
    assert told(run) == {"fixed": ["PLC706"]}


def test_what_is_suppressed_is_not_called_fixed(run: Run, make: Make) -> None:
    folder = make(SMALL)
    committed(folder)
    comment = "# placer: ignore-file[PLC706] a debug build\n"
    (folder / "deploy" / "0.yaml").write_text(comment + SMALL)
    assert told(run) == {"silenced": ["PLC706"]}
    assert "ignored since HEAD: PLC706" in run("check", "deploy", *OPTIONS).out


def test_what_is_gone_with_its_file_or_deployment_is_not_called_fixed(run: Run, make: Make) -> None:
    other = SMALL.replace("name: counter", "name: other")
    folder = make(f"{manifest()}---\n{other}", SMALL)
    committed(folder)
    (folder / "deploy" / "1.yaml").unlink()
    (folder / "deploy" / "0.yaml").write_text(manifest())
    assert told(run) == {"unjudged": ["PLC706", "PLC706"]}
    assert "2 no longer checked" in run("check", "deploy", *OPTIONS, "--format", "markdown").out


def test_what_cannot_be_judged_any_more_is_not_called_fixed(run: Run, make: Make) -> None:
    folder = make(SMALL)
    committed(folder)
    (folder / "evidence" / "edge.json").unlink()
    assert told(run) == {"findings": ["PLC611"], "unjudged": ["PLC706"]}


def test_a_file_that_was_renamed_brings_nothing_new(run: Run, make: Make) -> None:
    folder = make(SMALL, manifest())
    committed(folder)
    (folder / "deploy" / "0.yaml").rename(folder / "deploy" / "renamed.yaml")
    assert told(run) == {}


def test_a_deployment_that_was_renamed_is_a_new_one(run: Run, make: Make) -> None:
    folder = make(SMALL)
    committed(folder)
    (folder / "deploy" / "0.yaml").write_text(SMALL.replace("name: counter", "name: other"))
    assert told(run) == {"findings": ["PLC706"], "unjudged": ["PLC706"]}


def test_other_words_of_a_message_make_no_other_finding(run: Run, make: Make) -> None:
    unused = "# placer: ignore-file[PLC707] {}\n"
    folder = make(unused.format("the operator limits it") + manifest())
    committed(folder)
    (folder / "deploy" / "0.yaml").write_text(unused.format("a quota does") + manifest())
    assert told(run) == {}


def test_a_container_before_it_makes_no_other_finding(run: Run, make: Make) -> None:
    folder = make(SMALL)
    committed(folder)
    first = "containers:\n        - {name: proxy, image: proxy@sha256:" + "1" * 64 + "}"
    (folder / "deploy" / "0.yaml").write_text(SMALL.replace("containers:", first))
    assert told(run) == {}


def test_a_receiver_that_takes_the_place_of_another_is_new(run: Run, make: Make) -> None:
    logged = (
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\n"
        "metadata: {name: counter}\nspec:\n  predictor:\n"
        "    nodeSelector: {node-role.kubernetes.io/edge: ''}\n"
        "    logger: {url: https://a.example.com}\n    model:\n"
        "      modelFormat: {name: onnx}\n      storageUri: s3://m/model.onnx\n"
        "      resources: {limits: {memory: 512Mi}}\n"
    )
    folder = make(logged, workload_file=gate_project.workload(data={"class": "special"}))
    committed(folder)
    (folder / "deploy" / "0.yaml").write_text(logged.replace("a.example", "b.example"))
    assert told(run) == {"findings": ["PLC704", "PLC705"]}


def test_a_limit_that_got_worse_is_told_with_both(run: Run, make: Make) -> None:
    folder = make(manifest().replace("512Mi", "32Mi"))
    committed(folder)
    (folder / "deploy" / "0.yaml").write_text(manifest().replace("512Mi", "8Mi"))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    assert "the limit is 8 MiB" in result.out
    assert "(before: limit 32 MiB)" in result.out
    assert "1 error new or worse since HEAD" in result.out
    comment = run("check", "deploy", *OPTIONS, "--format", "markdown").out
    assert "(before: limit 32 MiB)" in comment
    assert "Since HEAD: 0 new, 1 worse, 0 fixed" in comment
    (folder / "deploy" / "0.yaml").write_text(manifest().replace("512Mi", "40Mi"))
    assert told(run) == {}


def test_a_target_that_is_missed_by_more_is_told_with_both(run: Run, make: Make) -> None:
    slow = Evidence(builders.measurement(0.05))
    folder = make(manifest(), evidence=(slow,))
    committed(folder)
    gate_project.make(folder.parent / "new", {}, evidence=(Evidence(builders.measurement(0.08)),))
    for name in ("evidence/edge.json", "placer.lock"):
        (folder / name).write_bytes((folder.parent / "new" / name).read_bytes())
    found = json.loads(run("check", "deploy", *OPTIONS, "--format", "json").out)
    (missed,) = [one for one in found["findings"] if one["rule"] == "PLC201"]
    assert missed["before"] is not None
    assert missed["before"] != missed["value"]


def test_what_passes_as_before_is_counted_and_not_listed(run: Run, make: Make) -> None:
    same = manifest().replace("name: counter", "name: same", 1)
    folder = make(manifest(), same, manifest().replace("name: counter", "name: other", 1))
    committed(folder)
    for form in ("text", "markdown"):
        out = run("check", "deploy", *OPTIONS, "--format", form).out
        assert "3 pass, unchanged since HEAD" in out
        assert "deployment/" not in out
    (folder / "deploy" / "0.yaml").write_text(SMALL)
    (folder / "deploy" / "2.yaml").write_text(f"# moved\n{manifest()}")
    for form in ("text", "markdown"):
        out = run("check", "deploy", *OPTIONS, "--format", form).out
        assert "1 passes, unchanged since HEAD" in out
        assert "deploy/0.yaml" in out
        assert "deploy/2.yaml" in out
        assert "deploy/1.yaml" not in out
    report = json.loads(run("check", "deploy", *OPTIONS, "--format", "json").out)
    assert len(report["checked"]) == 3


def test_what_fails_as_before_does_not_stand_under_a_passing_head(run: Run, make: Make) -> None:
    folder = make(SMALL, manifest("disk: ssd"))
    committed(folder)
    comment = run("check", "deploy", *OPTIONS, "--format", "markdown").out
    said = "1 deployment fails and 1 deployment is inconclusive as before"
    assert f"## placer check: ✅ nothing new fails, {said}" in comment
    assert "| ❌ fail as before |" in comment
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 0
    assert said in " ".join(result.out.split())


def test_what_is_mended_is_fixed_beside_what_cannot_be_judged(run: Run, make: Make) -> None:
    other = manifest("disk: ssd").replace("name: counter", "name: other")
    folder = make(f"{SMALL}---\n{manifest().replace('name: counter', 'name: other')}")
    committed(folder)
    (folder / "deploy" / "0.yaml").write_text(f"{manifest()}---\n{other}")
    assert told(run) == {"findings": ["PLC701"], "fixed": ["PLC706"]}


def test_what_several_share_at_the_base_is_told_by_the_names_of_now(make: Make) -> None:
    folder = make(TWO.replace("nodeSelector", "nodeSelecter"))
    committed(folder)
    (folder / "deploy" / "0.yaml").unlink()
    (folder / "deploy" / "renamed.yaml").write_text(TWO)
    result = check(
        ["deploy"], is_locked=True, base="HEAD", as_of=date.fromisoformat(gate_project.TODAY)
    ).result
    (fixed,) = [one for one in (*result.fixed, *result.unjudged) if one.rule == "PLC710"]
    assert {path for path, _ in fixed.shared_by} == {"deploy/renamed.yaml"}
    assert len(fixed.shared_by) == 2
