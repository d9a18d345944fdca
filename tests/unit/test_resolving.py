"""Names of manifests led to workloads and sites: what fits, what fits twice, what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.core.deployment import NODE_NAME, Deployed, Egress, ModelRef, Place, Stated, Tier, Where
from placer.core.gate_rules.plc705_receiver import to_say
from placer.core.globs import glob_of, globbed, literal
from placer.core.project import (
    DeclaredSite,
    DeclaredWorkload,
    DeploymentEntry,
    EgressEntry,
    ModelEntry,
    Project,
    SiteEntry,
    SiteMatch,
    Unresolved,
    templates_in,
    workload_of,
)
from placer.core.receivers import receiver_of
from placer.core.sites import site_of
from tests import builders

AT = Place("deploy/a.yaml", 1, 1, 1, 2)
PATH = "deploy/a.yaml"


def stated(value: Any) -> Stated[Any]:
    return Stated(value, AT)


def site(name: str, *matches: SiteMatch, tier: Tier = Tier.EDGE) -> SiteEntry:
    if tier is Tier.EDGE:
        return SiteEntry(name, tier, builders.device(name=name), None, None, None, matches)
    return SiteEntry(name, tier, None, builders.offer(), None, None, matches)


def deployed(*uris: str, where: Where = Where(), **changes: Any) -> Deployed:  # noqa: B008  # frozen
    models = tuple(ModelRef(stated(uri)) for uri in uris)
    return Deployed("pod/a", "kubernetes", "Pod", "a", AT, models, where=where, **changes)


LINE = site("line", SiteMatch(labels=(("edge", "*"),)), SiteMatch(node="line-*"))
NORTH = site("north", SiteMatch(labels=(("region", "eu-north-1"),)), tier=Tier.CLOUD)
PROJECT = Project(
    "placer.yaml",
    (LINE, NORTH),
    (ModelEntry("s3://m/a*", "a"), ModelEntry("*/b.onnx", "b")),
    (DeploymentEntry("deploy/c*.yaml", None, "c"), DeploymentEntry(None, "pod/special", "d")),
)


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("a.b", "a.b", True),
        ("axb", "a.b", False),
        ("s3://m/a/1/x", "s3://m/*", True),
        ("s3://m", "s3://m/*", False),
        ("ab", "a?", True),
        ("a", "a?", False),
        ("A", "a", False),
        ("a\nb", "a*b", True),
        ("", "*", True),
        ("[x]", "[x]", True),
        ("*", "[*]", True),
        ("a", "[*]", False),
        ("[*]", "[*]", False),
        ("a?b*", "a[?]b[*]", True),
        ("axb*", "a[?]b[*]", False),
        ("x*yz", "*[*]*", True),
        ("xyz", "*[*]*", False),
    ],
)
def test_globs_fit_whole_texts(text: str, pattern: str, fits: bool) -> None:
    assert globbed(text, pattern) is fits


@given(st.text("*?[]a'\n\\", max_size=8), st.text("*?[]a'\n\\", max_size=8))
def test_the_glob_of_a_text_fits_that_alone(text: str, other: str) -> None:
    glob = glob_of(text)[1:-1].replace("''", "'")
    assert globbed(text, glob)
    assert literal(glob) == text
    assert globbed(other, glob) is (other == text)


def test_a_long_glob_takes_linear_time() -> None:
    assert not globbed("a" * 2000, "*a" * 8 + "b")


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (Where(labels=(stated(("edge", "")),)), "line"),
        (Where(node=stated("line-3")), "line"),
        (Where(any_of=(stated((NODE_NAME, ("line-1", "line-2"))),)), "line"),
        (Where(any_of=(stated(("edge", ())),)), "line"),
        (Where(labels=(stated(("region", "eu-north-1")),)), "north"),
        (Where(labels=(stated(("region", "eu-north-1")), stated(("disk", "ssd")))), "north"),
    ],
)
def test_a_place_that_one_site_fits_is_resolved(where: Where, name: str) -> None:
    found = site_of(deployed(where=where), PROJECT, PATH)
    assert isinstance(found, DeclaredSite)
    assert found.entry.name == name


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (Where(), "says nothing of the place"),
        (Where(labels=(stated(("disk", "ssd")),)), "no site of placer.yaml matches disk=ssd"),
        (Where(node=stated("$EDGE_NODE")), r"node \$EDGE_NODE"),
        (Where(none_of=(stated(("region", ("us-1",))),)), "does not run (region not in us-1)"),
        (Where(none_of=(stated((NODE_NAME, ("edge-3",))),)), "does not run (node not in edge-3)"),
        (
            Where(any_of=(stated(("region", ("eu-north-1", "us-east-1"))),)),
            "region in eu-north-1|us-east-1",
        ),
        (
            Where(labels=(stated(("edge", "")), stated(("region", "eu-north-1")))),
            "several sites: line, north",
        ),
        (Where(tier=stated(Tier.EDGE)), "tier edge"),
    ],
)
def test_any_other_place_is_not_guessed(where: Where, said: str) -> None:
    found = site_of(deployed(where=where), PROJECT, PATH)
    assert isinstance(found, Unresolved)
    assert said.replace("\\", "") in found.reason
    assert found.remedy


@pytest.mark.parametrize(
    ("format", "remedy"),
    [
        ("kubernetes", "name it in the manifest, or add to a site in placer.yaml: match: "),
        ("triton", "add to a site in placer.yaml: match: [{path: "),
    ],
)
def test_a_place_is_to_be_named_where_the_format_can_name_it(format: str, remedy: str) -> None:
    found = site_of(replace(deployed(), format=format), PROJECT, PATH)
    assert isinstance(found, Unresolved)
    assert found.remedy.startswith(remedy)


def test_more_sets_of_labels_than_are_looked_up_are_not_guessed() -> None:
    many = tuple(stated((f"l{n}", ("a", "b"))) for n in range(7))
    where = Where(labels=(stated(("edge", "")),), any_of=many)
    found = site_of(deployed(where=where), PROJECT, PATH)
    assert isinstance(found, Unresolved)
    assert "128 sets of labels" in found.reason


def test_the_tier_of_a_format_decides_between_two_sites() -> None:
    where = Where(
        labels=(stated(("edge", "")), stated(("region", "eu-north-1"))), tier=stated(Tier.EDGE)
    )
    found = site_of(deployed(where=where), PROJECT, PATH)
    assert isinstance(found, DeclaredSite)
    assert found.entry.name == "line"


def test_a_virtual_machine_may_be_an_edge_device() -> None:
    where = Where(labels=(stated(("region", "eu-north-1")),), tier=stated(Tier.EDGE))
    found = site_of(deployed(where=where), PROJECT, PATH)
    assert isinstance(found, DeclaredSite)
    assert found.entry.name == "north"


@pytest.mark.parametrize(
    ("one", "path", "name"),
    [
        (deployed("s3://m/a/1"), PATH, "a"),
        (deployed("/models/b.onnx"), PATH, "b"),
        (deployed("s3://m/a/1"), "deploy/c1.yaml", "c"),
        (deployed(images=(stated("registry/b.onnx"),)), PATH, "b"),
        (deployed("x", annotations=(stated(("placer/workload", "e")),)), PATH, "e"),
    ],
)
def test_a_model_that_one_entry_fits_is_resolved(one: Deployed, path: str, name: str) -> None:
    found = workload_of(one, PROJECT, path)
    assert isinstance(found, DeclaredWorkload)
    assert found.name == name


ANYTHING = Project(
    "placer.yaml",
    (site("line", SiteMatch(labels=(("edge", "*"),)), SiteMatch(node="*"), SiteMatch(group="*")),),
    (ModelEntry("*model.onnx", "a"), ModelEntry("registry/a*", "a")),
    (DeploymentEntry(None, "job/*", "a"),),
)
TEMPLATES = (
    "{{ .Values.x }}", "{{- x -}}", "{% x %}", "${X}", "${X:-y}", "$(X)", "$X", "${{ X }}",
    "$[variables.x]", "%REG%", "%EDGE%", "<%= reg %>", "<registry>", "[[ reg ]]", "@EDGE@",
    "__EDGE__", "#{EDGE}#", "#{EDGE}", "((edge))",
)  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_model_that_is_filled_in_later_is_not_resolved_by_a_glob(template: str) -> None:
    found = workload_of(deployed(f"s3://{template}/model.onnx"), ANYTHING, PATH)
    assert isinstance(found, Unresolved)
    assert "not rendered" in found.reason
    assert "helm template" in found.remedy
    named = Project("placer.yaml", models=(ModelEntry(f"s3://{template}/*", "a"),))
    assert isinstance(workload_of(deployed(f"s3://{template}/m"), named, PATH), DeclaredWorkload)


@pytest.mark.parametrize("template", TEMPLATES)
def test_an_image_that_is_filled_in_later_is_not_passed_over(template: str) -> None:
    for image in (template, f"registry/{template}", f"registry/a:{template}"):
        found = workload_of(deployed(images=(stated(image),)), ANYTHING, PATH)
        assert isinstance(found, Unresolved)
        assert "not rendered" in found.reason
    project = Project("placer.yaml", models=(ModelEntry("registry/a*", "a"),))
    other = deployed(images=(stated(f"quay.io/{template}"),))
    assert workload_of(other, project, PATH) is None


@pytest.mark.parametrize(
    ("image", "uri", "may_be"),
    [
        ("postgres:${PG_VERSION:-16}", "*/digits*", False),  # a tag holds no slash
        ("registry.example.com/web:${TAG}", "*/digits:*", False),
        ("registry.example.com/digits:${TAG}", "*/digits:*", True),
        ("registry.example.com/digits:${TAG}", "*/digits:1.?", True),
        ("registry.example.com/digits@${DIGEST}", "*/digits@sha256:*", True),
        ("registry:${PORT}/digits:1", "registry:*/digits:*", True),  # no tag: a port
        ("${REGISTRY}/web:1", "*/digits:*", False),
        ("${REGISTRY}/web:1", "*/web:*", True),
        ("${WEB_IMAGE}", "registry.example.com/digits:*", True),
        ("${A}-${B}:${C}", "x/*-digits:1", True),
        ("${WEB_IMAGE}", "*/digits.onnx", False),  # an image is no file of a model
        ("${REGISTRY}/web:1", "*/digits.ONNX", False),
        ("${WEB_IMAGE}", "s3://models/*", False),
        ("${WEB_IMAGE}", "*", True),
    ],
)
def test_an_image_is_open_only_where_it_may_become_one_of_the_project(
    image: str, uri: str, may_be: bool
) -> None:
    project = Project("placer.yaml", models=(ModelEntry(uri, "a"),))
    found = workload_of(deployed(images=(stated(image),)), project, PATH)
    assert isinstance(found, Unresolved) is may_be


def test_an_archive_of_a_component_may_be_any_uri_of_the_project() -> None:
    project = Project("placer.yaml", models=(ModelEntry("s3://models/*", "a"),))
    for uri, may_be in (
        ("s3://models/{COMPONENT_NAME}/x.zip", True),
        ("{BUCKET_NAME}", True),
        ("s3://other/{COMPONENT_NAME}/x.zip", False),
    ):
        one = replace(deployed(images=(stated(uri),)), format="greengrass")
        assert isinstance(workload_of(one, project, PATH), Unresolved) is may_be


@pytest.mark.parametrize(
    ("format", "tool"),
    [
        ("compose", "docker compose config"),
        ("iotedge", "iotedgedev genconfig"),
        ("greengrass", "gdk component build"),
        ("triton", "fill_template.py"),
        ("kubernetes", "helm template"),
        ("kserve", "helm template"),
    ],
)
def test_what_is_not_rendered_is_rendered_by_the_tool_of_its_format(format: str, tool: str) -> None:
    found = workload_of(replace(deployed("${MODEL}"), format=format), ANYTHING, PATH)
    assert isinstance(found, Unresolved)
    assert tool in found.remedy


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_place_that_is_filled_in_later_is_not_resolved_by_a_glob(template: str) -> None:
    for where in (
        Where(labels=(stated(("edge", template)),)),
        Where(any_of=(stated(("edge", ("a", template))),)),
        Where(node=stated(template)),
        Where(group=stated(f"x-{template}")),
    ):
        found = site_of(deployed(where=where), ANYTHING, PATH)
        assert isinstance(found, Unresolved)
        assert "not rendered" in found.reason


@pytest.mark.parametrize(
    "text",
    [
        "((tags.env='prod') OR (tags.floor<5 AND tags.room>3)) AND tags.x='1'",
        "s3://m/%E4%BD%A0/%20x%20/a",
        "/app/__pycache__/model.onnx",
        "registry/a@sha256:00",
        "user@host",
        "a__b__c",
        "50%",
    ],
)
def test_what_is_said_is_not_taken_for_what_is_filled_in(text: str) -> None:
    assert templates_in(text) == []


def test_a_name_that_is_filled_in_later_is_not_chosen_by_a_glob() -> None:
    one = Deployed("job/{{ .Release.Name }}", "kubernetes", "Job", "x", AT, ())
    found = workload_of(one, ANYTHING, PATH)
    assert isinstance(found, Unresolved)
    assert "not rendered" in found.reason


def test_a_label_with_any_value_is_no_site_of_one_value() -> None:
    project = Project("placer.yaml", (site("line", SiteMatch(labels=(("edge", ""),))),))
    where = Where(any_of=(stated(("edge", ())),))
    found = site_of(deployed(where=where), project, PATH)
    assert isinstance(found, Unresolved)
    assert "edge with any value" in found.reason


def test_a_receiver_that_is_filled_in_later_is_not_known() -> None:
    project = Project("placer.yaml", egress=(EgressEntry("*", "EU", None),))
    for to, law in (("http://${HOST}/", None), ("$upstream", "EU"), ("$aws/things/x", "EU")):
        assert receiver_of(Egress("mqtt", stated(to), "all"), project).jurisdiction == law


def test_a_name_of_millions_of_letters_is_none() -> None:
    found = workload_of(deployed("a" * 8_000_000 + "model.onnx"), ANYTHING, PATH)
    assert isinstance(found, Unresolved)
    assert len(found.reason) < 1000


def test_two_models_of_two_workloads_are_not_guessed() -> None:
    found = workload_of(deployed("s3://m/a/1", "/models/b.onnx"), PROJECT, PATH)
    assert isinstance(found, Unresolved)
    assert "several workloads: a, b" in found.reason


def test_one_unknown_model_beside_a_known_one_is_not_guessed() -> None:
    found = workload_of(deployed("s3://m/a/1", "/models/other.onnx"), PROJECT, PATH)
    assert isinstance(found, Unresolved)
    assert "/models/other.onnx" in found.reason


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://m/a/../other/x.onnx", None),
        ("s3://m/a/../../m/a/x.onnx", None),
        ("s3://m/../m/a.onnx", None),
        ("s3://m/other/../a/x.onnx", None),
        ("s3://m/a/%2e%2E/other/x.onnx", None),
        ("s3://m/a%2f..%2fother/x.onnx", None),
        ("s3://m/a\\..\\other/x.onnx", None),
        ("s3://m/a/..", None),
        ("/../b.onnx", None),
        ("s3://m/a/../a/x.onnx", "a"),
        ("s3://m/a/./x..onnx", "a"),
        ("s3://m/a/x%20y.onnx", "a"),
        ("../models/b.onnx", "b"),
        ("/models/../other/b.onnx", "b"),
        ("x/../y/b.onnx", "b"),
    ],
)
def test_no_model_climbs_out_of_what_a_glob_means(uri: str, name: str | None) -> None:
    found = workload_of(deployed(uri), PROJECT, PATH)
    if name is not None:
        assert isinstance(found, DeclaredWorkload)
        assert found.name == name
        return
    assert isinstance(found, Unresolved)
    assert "climbs by '..'" in found.reason
    literal = replace(PROJECT, models=(ModelEntry(uri, "a"),))
    assert isinstance(workload_of(deployed(uri), literal, PATH), DeclaredWorkload)


def test_no_receiver_climbs_out_of_what_a_glob_means() -> None:
    entries = (EgressEntry("https://logs.example.com/eu/*", "DE", "answer"),)
    project = Project("placer.yaml", egress=entries)
    for url, law in (("eu/x", "DE"), ("eu/../us/x", None)):
        to = stated(f"https://logs.example.com/{url}")
        assert receiver_of(Egress("logger", to, "request"), project).jurisdiction == law


def test_what_names_no_model_is_left_alone() -> None:
    assert workload_of(deployed(images=(stated("nginx:1"),)), PROJECT, PATH) is None


def test_a_digest_of_a_registry_is_not_that_of_a_file() -> None:
    for uri, digest in (("oci://r/a@sha256:" + "1" * 64, None), ("s3://m/a/1", "1" * 64)):
        models = (ModelRef(stated(uri), "1" * 64),)
        one = Deployed("pod/a", "kserve", "Pod", "a", AT, models)
        project = Project("placer.yaml", models=(ModelEntry("*", "a"),))
        found = workload_of(one, project, PATH)
        assert isinstance(found, DeclaredWorkload)
        assert found.sha256 == digest


def test_annotations_that_differ_leave_the_workload_open() -> None:
    both = tuple(stated(("placer/workload", name)) for name in ("e", "f", "e"))
    found = workload_of(deployed("x", annotations=both), PROJECT, PATH)
    assert isinstance(found, Unresolved)
    assert "annotations placer/workload say 'e' and 'f'" in found.reason
    same = workload_of(deployed("x", annotations=both[::2]), PROJECT, PATH)
    assert not isinstance(same, Unresolved)


def remedy_of(found: object) -> str:
    assert isinstance(found, Unresolved)
    return found.remedy


def test_an_entry_that_a_remedy_prints_means_nothing_else() -> None:
    everywhere = Where(group=stated("*"), labels=(stated(("site", "line?")),))
    remedy = remedy_of(site_of(deployed(where=everywhere), PROJECT, PATH))
    assert remedy.endswith("match: [{labels: {site: 'line[?]'}, group: '[*]'}]")
    assert "uri: 's3://n/[*]'" in remedy_of(workload_of(deployed("s3://n/*"), PROJECT, PATH))
    assert "to: '[*]', carries" in to_say("placer.yaml", "*", "carries: answer", ())
    entry = EgressEntry("[*]", None, "answer")
    for to, carries in (("*", "answer"), ("factory/raw", None)):
        way = Egress("mqtt", stated(to), "messages")
        assert receiver_of(way, Project("placer.yaml", egress=(entry,))).carries == carries


def test_an_entry_says_a_template_with_a_star_to_the_letter() -> None:
    uri = "s3://m/${X:-*}"
    entry = ModelEntry("s3://m/${X:-[*]}", "a")
    assert not isinstance(
        workload_of(deployed(uri), Project("placer.yaml", models=(entry,)), PATH), Unresolved | None
    )
